/* Any bytes as JSON: the first byte chooses a record type, the rest is the text. A record that is
 * taken is valid, and written and read again is the same record. */
#include "schema/codec/record_json_jansson.h"
#include "tests/support/random_record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t arena_memory[4 << 20];
static uint8_t out_memory[4 << 20];

static enum ds_err keep(void *context, const struct ds_field *field, struct ds_slice clear,
                        struct ds_arena *arena, struct ds_slice *sealed)
{
    (void)context;
    (void)field;
    return ds_arena_copy(arena, clear, sealed);
}

static bool show(void *context, const struct ds_field *field, struct ds_slice sealed,
                 struct ds_slice *clear)
{
    (void)context;
    (void)field;
    *clear = sealed;
    return true;
}

static enum ds_err read(const struct ds_record_type *type, struct ds_slice text,
                        struct ds_arena *arena, void *record)
{
    static const struct ds_sealer sealer = {keep, NULL};
    struct ds_detail detail = {""};
    json_t *json = NULL;
    enum ds_err err = ds_json_parse(text, &json, &detail);
    if (err == DS_OK) {
        err = ds_record_from_json(type, json, &sealer, arena, record, &detail);
    }
    json_decref(json);
    if (err != DS_OK && detail.text[0] == '\0') {
        abort();
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ds_opener opener = {show, NULL};
    union any_record record;
    union any_record back;
    struct ds_arena arena;
    struct ds_builder out;
    struct ds_slice text;
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    if (size == 0) {
        return 0;
    }
    const struct ds_record_type *type = &types[data[0] % count];
    ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
    if (read(type, (struct ds_slice){data + 1, size - 1}, &arena, &record) != DS_OK) {
        return 0;
    }
    ds_builder_init(&out, out_memory, sizeof(out_memory));
    ds_json_put_record(&out, type, &record, &opener);
    if (ds_validate(type, &record, false, NULL, NULL) != DS_OK ||
        ds_builder_end(&out, &text) != DS_OK) {
        abort();
    }
    if (text.size <= DS_JSON_SIZE_MAX && (read(type, text, &arena, &back) != DS_OK ||
                                          record_difference(type, &record, &back) != NULL)) {
        abort();
    }
    return 0;
}

/* Field maps of every record type: the first byte chooses the type, the rest is the map. What
 * decodes is written again as the same bytes, and can be validated and shown. */
#include "schema/codec/msgpack.h"
#include "schema/codec/record_json.h"
#include "schema/codec/record_mp.h"
#include "tests/support/random_record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t arena_memory[1 << 20];
static uint8_t out_memory[4 << 20];

/* The values as an op would carry them, checked one by one. */
static void check_values(const struct ds_record_type *type, struct ds_slice map, bool *all_fine)
{
    struct ds_cursor in;
    struct ds_builder out;
    ds_cursor_init(&in, map);
    uint32_t pairs = ds_mp_take_map(&in);
    while (pairs-- > 0) {
        const struct ds_field *field = ds_field_by_tag(type, ds_mp_take_uint(&in));
        struct ds_slice raw = ds_mp_take_value(&in);
        if (field == NULL) {
            continue;
        }
        bool nil = ds_slice_equal(raw, DS_SLICE_LIT("\xC0"));
        bool fine = ds_field_check_value(field, raw, NULL) == DS_OK;
        bool op_fine = ds_field_check_op_value(field, raw, NULL) == DS_OK;
        ds_builder_init(&out, out_memory, sizeof(out_memory));
        enum ds_err shown = ds_json_put_field_value(&out, field, raw);
        if ((nil && fine) || ((fine || op_fine) && shown != DS_OK) ||
            (fine && field->policy != DS_POLICY_UNION && !op_fine)) {
            abort();
        }
        *all_fine = *all_fine && (nil || fine);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union any_record record;
    struct ds_arena arena;
    struct ds_builder out;
    struct ds_slice made;
    struct ds_detail detail = {""};
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    if (size == 0) {
        return 0;
    }
    const struct ds_record_type *type = &types[data[0] % count];
    struct ds_slice map = {data + 1, size - 1};
    ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
    if (ds_record_decode(type, map, &arena, &record, &detail) != DS_OK) {
        if (detail.text[0] == '\0') {
            abort();
        }
        return 0;
    }
    ds_builder_init(&out, out_memory, sizeof(out_memory));
    if (ds_record_encode(type, &record, &out) != DS_OK || ds_builder_end(&out, &made) != DS_OK ||
        !ds_slice_equal(made, map)) {
        abort();
    }
    bool all_fine = true;
    check_values(type, map, &all_fine);
    if ((ds_validate(type, &record, false, NULL, &detail) == DS_OK) != all_fine) {
        abort();
    }
    ds_builder_init(&out, out_memory, sizeof(out_memory));
    ds_json_put_record(&out, type, &record, NULL);
    return 0;
}

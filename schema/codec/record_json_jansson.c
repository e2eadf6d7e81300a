#include "schema/codec/record_json_jansson.h"

#include "schema/base/text.h"
#include "schema/codec/record_text.h"

#include <string.h>

/* ---- Texts. ---- */

static void set_place(struct ds_detail *detail, int64_t line, int64_t column, const char *what)
{
    uint8_t memory[64];
    struct ds_builder place;
    ds_builder_init(&place, memory, sizeof(memory));
    ds_put_text(&place, "line ");
    ds_put_decimal(&place, line);
    ds_put_text(&place, ", column ");
    ds_put_decimal(&place, column);
    ds_detail_set(detail, ds_builder_text(&place), ": ", what, NULL);
}

enum ds_err ds_json_parse_sized(struct ds_slice text, size_t size_max, json_t **out,
                                struct ds_detail *detail)
{
    *out = NULL;
    if (text.size > size_max) {
        ds_detail_set(detail, "larger than the limit", NULL);
        return DS_ERR_LIMIT;
    }
    DS_TRY(ds_json_check_depth(text, DS_JSON_DEPTH_MAX, detail));
    /* jansson 2.14 drops a NUL that follows a number. */
    if (text.size > 0 && memchr(text.data, 0, text.size) != NULL) {
        ds_detail_set(detail, "a NUL byte", NULL);
        return DS_ERR_DECODE;
    }
    json_error_t error;
    json_t *made = json_loadb(text.size > 0 ? (const char *)text.data : "", text.size,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (made == NULL) {
        /* jansson quotes what it saw near the fault; that may be personal, so it is cut off. */
        char *near = strstr(error.text, " near ");
        if (near != NULL) {
            *near = '\0';
        }
        set_place(detail, error.line, error.column, error.text);
        return json_error_code(&error) == json_error_out_of_memory ? DS_ERR_NOMEM : DS_ERR_DECODE;
    }
    *out = made;
    return DS_OK;
}

enum ds_err ds_json_parse(struct ds_slice text, json_t **out, struct ds_detail *detail)
{
    return ds_json_parse_sized(text, DS_JSON_SIZE_MAX, out, detail);
}

/* ---- Members. ---- */

static struct ds_slice text_of(const json_t *string)
{
    return (struct ds_slice){(const uint8_t *)json_string_value(string),
                             json_string_length(string)};
}

/* The JSON type that a field's value has; what it says, if it has another. */
static const char *wrong_type(const struct ds_field *field, const json_t *value)
{
    switch (field->type) {
    case DS_TYPE_INT:
        return json_is_integer(value) ? NULL : "not an integer";
    case DS_TYPE_BOOL:
        return json_is_boolean(value) ? NULL : "not true or false";
    case DS_TYPE_HASHES:
        return json_is_array(value) ? NULL : "not an array";
    default:
        return json_is_string(value) ? NULL : "not a string";
    }
}

static enum ds_err take_hashes(const struct ds_field *field, const json_t *array,
                               struct ds_arena *arena, struct ds_slice *made,
                               struct ds_detail *detail)
{
    struct ds_hash_set set = {.count = 0};
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *one = json_array_get(array, i);
        const char *wrong =
            json_is_string(one) ? ds_hash_set_add(&set, text_of(one)) : "not an array of strings";
        if (wrong != NULL) {
            return ds_field_refuse(field, wrong, detail);
        }
    }
    return ds_hash_set_copy(&set, arena, made);
}

static enum ds_err take_number(const struct ds_field *field, int64_t number, void *member,
                               struct ds_detail *detail)
{
    const char *wrong = ds_field_wrong(field, &number);
    if (wrong != NULL) {
        return ds_field_refuse(field, wrong, detail);
    }
    memcpy(member, &number, sizeof(number));
    return DS_OK;
}

enum ds_err ds_field_from_json(const struct ds_field *field, const json_t *value,
                               struct ds_arena *arena, void *member, struct ds_detail *detail)
{
    struct ds_slice text = {NULL, 0};
    const char *wrong = wrong_type(field, value);
    if (wrong != NULL) {
        return ds_field_refuse(field, wrong, detail);
    }
    switch (field->type) {
    case DS_TYPE_INT:
        return take_number(field, json_integer_value(value), member, detail);
    case DS_TYPE_BOOL:
        return take_number(field, json_is_true(value) ? 1 : 0, member, detail);
    case DS_TYPE_HASHES:
        DS_TRY(take_hashes(field, value, arena, &text, detail));
        memcpy(member, &text, sizeof(text));
        return DS_OK;
    case DS_TYPE_PERSONAL:
        ds_detail_set(detail, field->name, ": personal, to be sealed", NULL);
        return DS_ERR_USAGE;
    case DS_TYPE_TEXT:
        DS_TRY(ds_arena_copy(arena, text_of(value), &text));
        return ds_field_from_text(field, text, arena, member, detail);
    default:
        return ds_field_from_text(field, text_of(value), arena, member, detail);
    }
}

/* ---- Records. ---- */

static enum ds_err take_personal(const struct ds_field *field, const json_t *value,
                                 const struct ds_sealer *sealer, struct ds_arena *arena,
                                 void *member, struct ds_detail *detail)
{
    struct ds_slice sealed = {NULL, 0};
    if (sealer == NULL) {
        return ds_field_refuse(field, "personal data is not taken here", detail);
    }
    if (!json_is_string(value)) {
        return ds_field_refuse(field, "not a string", detail);
    }
    DS_TRY(ds_personal_check(field, text_of(value), detail));
    DS_TRY(sealer->seal(sealer->context, field, text_of(value), arena, &sealed));
    memcpy(member, &sealed, sizeof(sealed));
    return DS_OK;
}

/* "record.field: what", from what the member's reader said. */
static void tell(const struct ds_record_type *type, const char *name, enum ds_err err,
                 struct ds_detail *detail)
{
    if (detail == NULL) {
        return;
    }
    if (err != DS_ERR_SCHEMA) {
        ds_detail_set(detail, type->name, ".", name, ": ", ds_err_text(err), NULL);
        return;
    }
    struct ds_detail said = *detail;
    ds_detail_set(detail, type->name, ".", said.text, NULL);
}

enum ds_err ds_record_from_json(const struct ds_record_type *type, const json_t *object,
                                const struct ds_sealer *sealer, struct ds_arena *arena,
                                void *record, struct ds_detail *detail)
{
    struct ds_presence *presence = record;
    const char *name = NULL;
    json_t *value = NULL;
    memset(record, 0, type->size);
    if (!json_is_object(object)) {
        ds_detail_set(detail, type->name, ": not an object", NULL);
        return DS_ERR_SCHEMA;
    }
    /* jansson asks for a mutable object to iterate; it changes nothing. */
    json_object_foreach((json_t *)object, name, value)
    {
        const struct ds_field *field = ds_field_by_name(type, ds_slice_of_text(name));
        if (field == NULL) {
            ds_detail_set(detail, type->name, ".", name, ": there is no such field", NULL);
            return DS_ERR_SCHEMA;
        }
        if (json_is_null(value)) {
            ds_clear(presence, field->index);
            continue;
        }
        void *member = (uint8_t *)record + field->offset;
        enum ds_err err = field->type == DS_TYPE_PERSONAL
                              ? take_personal(field, value, sealer, arena, member, detail)
                              : ds_field_from_json(field, value, arena, member, detail);
        if (err != DS_OK) {
            tell(type, name, err, detail);
            return err;
        }
        ds_mark(presence, field->index);
    }
    return DS_OK;
}

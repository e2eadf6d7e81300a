#include "schema/codec/record_text.h"

#include "schema/base/text.h"

#include <string.h>

enum ds_err ds_field_refuse(const struct ds_field *field, const char *what,
                            struct ds_detail *detail)
{
    ds_detail_set(detail, field->name, ": ", what, NULL);
    return DS_ERR_SCHEMA;
}

static enum ds_err take_base64(const struct ds_field *field, struct ds_slice text,
                               struct ds_arena *arena, struct ds_slice *made,
                               struct ds_detail *detail)
{
    size_t room = text.size / 4 * 3 + text.size % 4;
    struct ds_builder out;
    void *memory = ds_arena_alloc(arena, room);
    if (memory == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_builder_init(&out, memory, room);
    if (ds_base64url_parse(text, &out) != DS_OK) {
        return ds_field_refuse(field, "not base64url without padding", detail);
    }
    return ds_builder_end(&out, made);
}

enum ds_err ds_field_from_text(const struct ds_field *field, struct ds_slice text,
                               struct ds_arena *arena, void *member, struct ds_detail *detail)
{
    union {
        int64_t number;
        struct ds_slice slice;
        struct ds_id id;
        struct ds_hash hash;
    } value;
    size_t size = sizeof(value.slice);
    switch (field->type) {
    case DS_TYPE_ENUM:
        value.number = ds_enum_number(field->list, text);
        size = sizeof(value.number);
        break;
    case DS_TYPE_TEXT:
        value.slice = text;
        break;
    case DS_TYPE_BYTES:
        DS_TRY(take_base64(field, text, arena, &value.slice, detail));
        break;
    case DS_TYPE_ID:
        if (ds_id_parse(text, &value.id) != DS_OK) {
            return ds_field_refuse(field, "not 32 hex digits", detail);
        }
        size = sizeof(value.id);
        break;
    case DS_TYPE_HASH:
        if (ds_hash_parse(text, &value.hash) != DS_OK) {
            return ds_field_refuse(field, "not 64 hex digits", detail);
        }
        size = sizeof(value.hash);
        break;
    default:
        ds_detail_set(detail, field->name, ": not read from one text", NULL);
        return DS_ERR_USAGE;
    }
    const char *wrong = ds_field_wrong(field, &value);
    if (wrong != NULL) {
        return ds_field_refuse(field, wrong, detail);
    }
    memcpy(member, &value, size);
    return DS_OK;
}

const char *ds_hash_set_add(struct ds_hash_set *set, struct ds_slice text)
{
    struct ds_hash hash;
    size_t at = set->count;
    int order = 1;
    if (ds_hash_parse(text, &hash) != DS_OK) {
        return "not 64 hex digits";
    }
    if (set->count == DS_HASHES_MAX) {
        return "more than 16 hashes";
    }
    while (at > 0 && order > 0) {
        order = memcmp(set->hashes[at - 1].byte, hash.byte, sizeof(hash.byte));
        at -= order > 0;
    }
    if (order == 0) {
        return "one hash twice";
    }
    memmove(&set->hashes[at + 1], &set->hashes[at], (set->count - at) * sizeof(hash));
    set->hashes[at] = hash;
    set->count++;
    return NULL;
}

enum ds_err ds_hash_set_copy(const struct ds_hash_set *set, struct ds_arena *arena,
                             struct ds_slice *made)
{
    struct ds_slice bytes = {set->hashes[0].byte, set->count * sizeof(set->hashes[0])};
    return ds_arena_copy(arena, bytes, made);
}

enum ds_err ds_personal_check(const struct ds_field *field, struct ds_slice clear,
                              struct ds_detail *detail)
{
    /* The rule of a TEXT with the field's limits. */
    const struct ds_field text = {.type = DS_TYPE_TEXT, .min = field->min, .max = field->max};
    const char *wrong = ds_field_wrong(&text, &clear);
    return wrong == NULL ? DS_OK : ds_field_refuse(field, wrong, detail);
}

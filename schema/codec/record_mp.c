#include "schema/codec/record_mp.h"

#include "schema/codec/msgpack.h"

#include <string.h>

/* ---- One value. ---- */

/* Members lie at any alignment that their struct gives; a copy asks for none. */
static int64_t number_at(const void *member)
{
    int64_t number = 0;
    memcpy(&number, member, sizeof(number));
    return number;
}

static struct ds_slice slice_at(const void *member)
{
    struct ds_slice slice;
    memcpy(&slice, member, sizeof(slice));
    return slice;
}

void ds_field_encode(const struct ds_field *field, const void *member, struct ds_builder *out)
{
    switch (field->type) {
    case DS_TYPE_INT:
    case DS_TYPE_ENUM:
        ds_mp_put_int(out, number_at(member));
        break;
    case DS_TYPE_BOOL:
        ds_mp_put_bool(out, number_at(member) != 0);
        break;
    case DS_TYPE_TEXT:
        ds_mp_put_str(out, slice_at(member));
        break;
    case DS_TYPE_BYTES:
    case DS_TYPE_HASHES:
    case DS_TYPE_PERSONAL:
        ds_mp_put_bin(out, slice_at(member));
        break;
    case DS_TYPE_ID:
        ds_mp_put_id(out, member);
        break;
    case DS_TYPE_HASH:
        ds_mp_put_hash(out, member);
        break;
    }
}

static void take_member(const struct ds_field *field, struct ds_cursor *cursor, void *member)
{
    int64_t number = 0;
    struct ds_slice slice;
    struct ds_id id;
    struct ds_hash hash;
    switch (field->type) {
    case DS_TYPE_INT:
    case DS_TYPE_ENUM:
        number = ds_mp_take_int(cursor);
        memcpy(member, &number, sizeof(number));
        break;
    case DS_TYPE_BOOL:
        number = ds_mp_take_bool(cursor) ? 1 : 0;
        memcpy(member, &number, sizeof(number));
        break;
    case DS_TYPE_TEXT:
        slice = ds_mp_take_str(cursor);
        memcpy(member, &slice, sizeof(slice));
        break;
    case DS_TYPE_BYTES:
    case DS_TYPE_HASHES:
    case DS_TYPE_PERSONAL:
        slice = ds_mp_take_bin(cursor);
        memcpy(member, &slice, sizeof(slice));
        break;
    case DS_TYPE_ID:
        id = ds_mp_take_id(cursor);
        memcpy(member, &id, sizeof(id));
        break;
    case DS_TYPE_HASH:
        hash = ds_mp_take_hash(cursor);
        memcpy(member, &hash, sizeof(hash));
        break;
    }
}

enum ds_err ds_field_decode(const struct ds_field *field, struct ds_cursor *cursor, void *member)
{
    struct ds_cursor before = *cursor;
    take_member(field, cursor, member);
    if (!cursor->failed) {
        return DS_OK;
    }
    (void)ds_mp_take_value(&before);
    return before.failed ? DS_ERR_DECODE : DS_ERR_SCHEMA;
}

/* ---- Values inside ops. ---- */

void ds_mp_put_union(struct ds_builder *out, struct ds_slice add, struct ds_slice remove)
{
    ds_mp_put_array(out, 2);
    ds_mp_put_bin(out, add);
    ds_mp_put_bin(out, remove);
}

enum ds_err ds_union_decode(struct ds_slice raw, struct ds_slice *add, struct ds_slice *remove)
{
    /* The rule for a set of hashes is the schema's; any field of that type says it. */
    static const struct ds_field hashes = {.type = DS_TYPE_HASHES};
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, raw);
    uint32_t count = ds_mp_take_array(&cursor);
    struct ds_slice added = ds_mp_take_bin(&cursor);
    struct ds_slice removed = ds_mp_take_bin(&cursor);
    if (count != 2 || ds_cursor_end(&cursor) != DS_OK || ds_field_wrong(&hashes, &added) != NULL ||
        ds_field_wrong(&hashes, &removed) != NULL) {
        return DS_ERR_SCHEMA;
    }
    *add = added;
    *remove = removed;
    return DS_OK;
}

static enum ds_err refuse(const struct ds_field *field, const char *what, struct ds_detail *detail)
{
    ds_detail_set(detail, field->name, ": ", what, NULL);
    return DS_ERR_SCHEMA;
}

enum ds_err ds_field_check_value(const struct ds_field *field, struct ds_slice raw,
                                 struct ds_detail *detail)
{
    union {
        int64_t number;
        struct ds_slice slice;
        struct ds_id id;
        struct ds_hash hash;
    } member;
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, raw);
    if (ds_field_decode(field, &cursor, &member) != DS_OK) {
        return refuse(field, "a value of another type", detail);
    }
    if (ds_cursor_end(&cursor) != DS_OK) {
        return refuse(field, "bytes behind the value", detail);
    }
    const char *wrong = ds_field_wrong(field, &member);
    return wrong == NULL ? DS_OK : refuse(field, wrong, detail);
}

enum ds_err ds_field_check_op_value(const struct ds_field *field, struct ds_slice raw,
                                    struct ds_detail *detail)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, raw);
    if (field->policy == DS_POLICY_UNION) {
        struct ds_slice add;
        struct ds_slice remove;
        return ds_union_decode(raw, &add, &remove) == DS_OK
                   ? DS_OK
                   : refuse(field, "not a pair of sets of hashes", detail);
    }
    if (ds_mp_take_nil_if(&cursor) && ds_cursor_left(&cursor) == 0) {
        return field->need == DS_NEED_REQUIRED ? refuse(field, "may not be cleared", detail)
                                               : DS_OK;
    }
    return ds_field_check_value(field, raw, detail);
}

/* ---- Whole records. ---- */

static uint32_t bit_count(uint32_t bits)
{
    uint32_t count = 0;
    for (; bits != 0; bits &= bits - 1) {
        count++;
    }
    return count;
}

/* The kept pairs, taken one by one while the known fields go by. */
struct unknown {
    struct ds_cursor cursor;
    uint64_t tag; /* Of pair; above DS_TAG_MAX when there is none left. */
    struct ds_slice pair;
    uint32_t count; /* Taken. */
    bool wrong;
};

enum { NO_TAG = DS_TAG_MAX + 1 };

static void next_unknown(struct unknown *unknown)
{
    if (unknown->cursor.at == unknown->cursor.size) {
        unknown->tag = NO_TAG;
        return;
    }
    size_t at = unknown->cursor.at;
    uint64_t before = unknown->count == 0 ? 0 : unknown->tag;
    unknown->tag = ds_mp_take_uint(&unknown->cursor);
    (void)ds_mp_take_value(&unknown->cursor);
    if (unknown->cursor.failed || unknown->tag <= before || unknown->tag > DS_TAG_MAX) {
        unknown->wrong = true;
        unknown->tag = NO_TAG;
        return;
    }
    unknown->pair = (struct ds_slice){unknown->cursor.data + at, unknown->cursor.at - at};
    unknown->count++;
}

/* Write the kept pairs whose tag is below limit. */
static void put_unknown_below(struct unknown *unknown, uint64_t limit, struct ds_builder *out)
{
    while (unknown->tag < limit) {
        ds_mp_put_raw(out, unknown->pair);
        next_unknown(unknown);
    }
}

static void put_field(const struct ds_field *field, const void *record, bool in_op,
                      struct ds_builder *out)
{
    const struct ds_presence *presence = record;
    const void *member = (const uint8_t *)record + field->offset;
    ds_mp_put_uint(out, field->tag);
    if (!ds_has(presence, field->index)) {
        ds_mp_put_nil(out);
    } else if (in_op && field->policy == DS_POLICY_UNION) {
        ds_mp_put_union(out, slice_at(member), (struct ds_slice){NULL, 0});
    } else {
        ds_field_encode(field, member, out);
    }
}

static enum ds_err encode(const struct ds_record_type *type, const void *record, bool in_op,
                          struct ds_builder *out)
{
    const struct ds_presence *presence = record;
    struct unknown unknown = {.tag = 0};
    ds_cursor_init(&unknown.cursor, presence->unknown);
    next_unknown(&unknown);
    ds_mp_put_map(out, bit_count(presence->set) + presence->unknown_count);
    for (size_t i = 0; i < type->field_count; i++) {
        const struct ds_field *field = &type->fields[i];
        put_unknown_below(&unknown, field->tag, out);
        if (unknown.tag == field->tag) {
            return DS_ERR_DECODE;
        }
        if (presence->set >> field->index & 1) {
            put_field(field, record, in_op, out);
        }
    }
    put_unknown_below(&unknown, NO_TAG, out);
    if (unknown.wrong || unknown.count != presence->unknown_count) {
        return DS_ERR_DECODE;
    }
    return out->failed ? DS_ERR_LIMIT : DS_OK;
}

enum ds_err ds_record_encode(const struct ds_record_type *type, const void *record,
                             struct ds_builder *out)
{
    return encode(type, record, false, out);
}

enum ds_err ds_record_encode_op(const struct ds_record_type *type, const void *record,
                                struct ds_builder *out)
{
    return encode(type, record, true, out);
}

/* Where the unknown pairs of a map lie. */
struct runs {
    size_t count; /* Stretches of neighbouring unknown pairs. */
    size_t start; /* Of the first one. */
    size_t end;   /* Of the latest one. */
    size_t size;  /* Bytes of all. */
};

static void note_unknown(struct runs *runs, size_t start, size_t end)
{
    if (runs->count == 0 || runs->end != start) {
        runs->start = runs->count == 0 ? start : runs->start;
        runs->count++;
    }
    runs->end = end;
    runs->size += end - start;
}

/* The unknown pairs lie apart: bring them together in the arena. map was walked before. */
static enum ds_err gather_unknown(const struct ds_record_type *type, struct ds_slice map,
                                  size_t size, struct ds_arena *arena, struct ds_slice *gathered)
{
    uint8_t *bytes = arena == NULL ? NULL : ds_arena_alloc(arena, size);
    if (bytes == NULL) {
        return DS_ERR_LIMIT;
    }
    size_t used = 0;
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, map);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs; i++) {
        size_t at = cursor.at;
        bool known = ds_field_by_tag(type, ds_mp_take_uint(&cursor)) != NULL;
        (void)ds_mp_take_value(&cursor);
        if (!known) {
            memcpy(bytes + used, map.data + at, cursor.at - at);
            used += cursor.at - at;
        }
    }
    DS_ASSERT(used == size);
    *gathered = (struct ds_slice){bytes, size};
    return DS_OK;
}

static enum ds_err take_field(const struct ds_record_type *type, const struct ds_field *field,
                              struct ds_cursor *cursor, void *record, struct ds_detail *detail)
{
    struct ds_presence *presence = record;
    if (ds_mp_take_nil_if(cursor)) {
        ds_clear(presence, field->index);
        return DS_OK;
    }
    if (ds_field_decode(field, cursor, (uint8_t *)record + field->offset) != DS_OK) {
        ds_detail_set(detail, type->name, ".", field->name, ": a value of another type", NULL);
        return DS_ERR_SCHEMA;
    }
    ds_mark(presence, field->index);
    return DS_OK;
}

/* One pair of a map that was scanned. */
static enum ds_err take_pair(const struct ds_record_type *type, struct ds_cursor *cursor,
                             void *record, struct runs *runs, struct ds_detail *detail)
{
    struct ds_presence *presence = record;
    size_t at = cursor->at;
    uint64_t tag = ds_mp_take_uint(cursor);
    if (tag < 1 || tag > DS_TAG_MAX) {
        ds_detail_set(detail, type->name, ": a tag outside 1..127", NULL);
        return DS_ERR_DECODE;
    }
    const struct ds_field *field = ds_field_by_tag(type, tag);
    if (field != NULL) {
        return take_field(type, field, cursor, record, detail);
    }
    (void)ds_mp_take_value(cursor);
    note_unknown(runs, at, cursor->at);
    presence->unknown_count++;
    return DS_OK;
}

enum ds_err ds_record_decode(const struct ds_record_type *type, struct ds_slice map_bytes,
                             struct ds_arena *arena, void *record, struct ds_detail *detail)
{
    memset(record, 0, type->size);
    DS_TRY(ds_mp_scan(map_bytes, detail));
    return ds_record_decode_scanned(type, map_bytes, arena, record, detail);
}

enum ds_err ds_record_decode_scanned(const struct ds_record_type *type, struct ds_slice map_bytes,
                                     struct ds_arena *arena, void *record, struct ds_detail *detail)
{
    struct ds_presence *presence = record;
    struct runs runs = {0, 0, 0, 0};
    struct ds_cursor cursor;
    memset(record, 0, type->size);
    ds_cursor_init(&cursor, map_bytes);
    if (ds_mp_peek(&cursor) != DS_MP_MAP) {
        ds_detail_set(detail, type->name, ": not a map", NULL);
        return DS_ERR_DECODE;
    }
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs; i++) {
        DS_TRY(take_pair(type, &cursor, record, &runs, detail));
    }
    presence->unknown = (struct ds_slice){map_bytes.data + runs.start, runs.size};
    if (runs.count > 1) {
        return gather_unknown(type, map_bytes, runs.size, arena, &presence->unknown);
    }
    return DS_OK;
}

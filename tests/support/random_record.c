#include "tests/support/random_record.h"

#include <string.h>

static struct ds_slice random_text(struct prng *prng, struct ds_arena *arena, size_t min,
                                   size_t max)
{
    static const char *const glyphs[] = {"a", "Z", "9", " ",  ",",  "\"", "\\", "\n",   "=",
                                         "'", "-", "é", "表", "册", "😀",  "\t", "\r\n", ";"};
    size_t size = min + prng_below(prng, (max < 60 ? max : 60) - min + 1);
    if (prng_below(prng, 20) == 0) {
        size = max;
    }
    uint8_t *bytes = ds_arena_alloc(arena, size);
    DS_ASSERT(bytes != NULL);
    size_t used = 0;
    while (used < size) {
        struct ds_slice glyph = ds_slice_of_text(glyphs[prng_below(prng, DS_COUNT(glyphs))]);
        if (glyph.size > size - used) {
            glyph = DS_SLICE_LIT("x");
        }
        memcpy(bytes + used, glyph.data, glyph.size);
        used += glyph.size;
    }
    return (struct ds_slice){bytes, size};
}

static struct ds_slice random_bytes(struct prng *prng, struct ds_arena *arena, size_t size)
{
    uint8_t *bytes = ds_arena_alloc(arena, size);
    DS_ASSERT(bytes != NULL);
    prng_fill(prng, bytes, size);
    return (struct ds_slice){bytes, size};
}

/* Ascending because each starts with its number. */
static struct ds_slice random_hashes(struct prng *prng, struct ds_arena *arena)
{
    size_t count = prng_below(prng, DS_HASHES_MAX + 1);
    struct ds_slice made = random_bytes(prng, arena, count * sizeof(struct ds_hash));
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)made.data)[i * sizeof(struct ds_hash)] = (uint8_t)(i * 15);
    }
    return made;
}

static int64_t random_number(struct prng *prng, const struct ds_field *field)
{
    if (field->type == DS_TYPE_BOOL) {
        return (int64_t)prng_below(prng, 2);
    }
    if (field->type == DS_TYPE_ENUM) {
        return prng_between(prng, 1, ds_enum_last(field->list));
    }
    if (field->unit == DS_UNIT_PERIOD) {
        return prng_between(prng, 1900, 9999) * 100 + prng_between(prng, 1, 12);
    }
    if (field->min == field->max) {
        return (int64_t)prng_edgy(prng);
    }
    switch (prng_below(prng, 4)) {
    case 0:
        return field->min;
    case 1:
        return field->max;
    default:
        return prng_between(prng, field->min, field->max);
    }
}

void random_member(struct prng *prng, const struct ds_field *field, struct ds_arena *arena,
                   void *member)
{
    int64_t number = 0;
    struct ds_slice slice = {NULL, 0};
    size_t max = field->max > field->min ? (size_t)field->max : 40;
    size_t min = field->max > field->min ? (size_t)field->min : 0;
    switch (field->type) {
    case DS_TYPE_INT:
    case DS_TYPE_BOOL:
    case DS_TYPE_ENUM:
        number = random_number(prng, field);
        memcpy(member, &number, sizeof(number));
        return;
    case DS_TYPE_ID:
        prng_fill(prng, member, sizeof(struct ds_id));
        return;
    case DS_TYPE_HASH:
        prng_fill(prng, member, sizeof(struct ds_hash));
        return;
    case DS_TYPE_TEXT:
        slice = random_text(prng, arena, min, max);
        break;
    case DS_TYPE_HASHES:
        slice = random_hashes(prng, arena);
        break;
    case DS_TYPE_BYTES:
    case DS_TYPE_PERSONAL:
        slice = random_bytes(prng, arena, min + prng_below(prng, (max < 80 ? max : 80) - min + 1));
        break;
    }
    memcpy(member, &slice, sizeof(slice));
}

void random_record(struct prng *prng, const struct ds_record_type *type, struct ds_arena *arena,
                   bool complete, void *record)
{
    struct ds_presence *presence = record;
    memset(record, 0, type->size);
    for (size_t i = 0; i < type->field_count; i++) {
        const struct ds_field *field = &type->fields[i];
        uint64_t dice = prng_below(prng, 4);
        if (dice >= 2 || (complete && field->need == DS_NEED_REQUIRED)) {
            random_member(prng, field, arena, (uint8_t *)record + field->offset);
            ds_mark(presence, field->index);
        } else if (dice == 1) {
            ds_clear(presence, field->index);
        }
    }
}

bool member_equal(const struct ds_field *field, const void *a, const void *b)
{
    struct ds_slice left;
    struct ds_slice right;
    switch (field->type) {
    case DS_TYPE_INT:
    case DS_TYPE_BOOL:
    case DS_TYPE_ENUM:
        return memcmp(a, b, sizeof(int64_t)) == 0;
    case DS_TYPE_ID:
        return memcmp(a, b, sizeof(struct ds_id)) == 0;
    case DS_TYPE_HASH:
        return memcmp(a, b, sizeof(struct ds_hash)) == 0;
    default:
        memcpy(&left, a, sizeof(left));
        memcpy(&right, b, sizeof(right));
        return ds_slice_equal(left, right);
    }
}

const char *record_difference(const struct ds_record_type *type, const void *a, const void *b)
{
    const struct ds_presence *left = a;
    const struct ds_presence *right = b;
    if (left->set != right->set || (left->null & left->set) != (right->null & right->set)) {
        return "presence";
    }
    if (left->unknown_count != right->unknown_count ||
        !ds_slice_equal(left->unknown, right->unknown)) {
        return "unknown";
    }
    for (size_t i = 0; i < type->field_count; i++) {
        const struct ds_field *field = &type->fields[i];
        if (ds_has(left, field->index) && !member_equal(field, (const uint8_t *)a + field->offset,
                                                        (const uint8_t *)b + field->offset)) {
            return field->name;
        }
    }
    return NULL;
}

/* A column of slot histories as columns of their own (FORMAT.md, "Slot history").
 *
 * What is to be expected: an item's period and instant are those of the same place of the history
 * before; its final index is near the later item's, the first one's is the row's own previous index
 * (tag 10); the volume is the difference of the indexes in thousands; the last actual index is the
 * final one. So a history is mostly its indexes. */
#include "sync/core/columns_impl.h"

#include <string.h>

enum { ITEM_SIZE = 38, ITEMS_MAX = 14, TAG_PREVIOUS_INDEX = 10, UNIT_L = 1000 };
enum part { PERIOD, FINAL, VOLUME, ACTUAL, INSTANT, METHOD, FLAGS, PARTS };

struct histories {
    size_t count;    /* Of rows that have one. */
    int64_t *counts; /* Items of each. */
    size_t items;
    int64_t *part[PARTS]; /* One number per item, all rows behind each other. */
    int64_t *base;
    int64_t *previous; /* Per row: the index it goes on from. */
};

static bool bin_of(struct ds_slice raw, struct ds_slice *bin)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, raw);
    if (ds_mp_peek(&cursor) != DS_MP_BIN) {
        return false;
    }
    *bin = ds_mp_take_bin(&cursor);
    return !cursor.failed && bin->size > 0 && bin->size % ITEM_SIZE == 0 &&
           bin->size / ITEM_SIZE <= ITEMS_MAX;
}

bool ds_history_is(const struct ds_column *column, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        struct ds_slice bin;
        if (column->values[i].present) {
            any = true;
            if (!bin_of(column->values[i].raw, &bin)) {
                return false;
            }
        }
    }
    return any;
}

static bool make(struct ds_arena *arena, struct histories *h)
{
    for (int part = 0; part < PARTS; part++) {
        h->part[part] = ds_arena_alloc(arena, (h->items + 1) * sizeof(int64_t));
        if (h->part[part] == NULL) {
            return false;
        }
    }
    h->base = ds_arena_alloc(arena, (h->items + 1) * sizeof(int64_t));
    return h->base != NULL;
}

static bool find_previous(struct ds_arena *arena, const struct ds_columns_group *group,
                          const struct ds_column *column, struct histories *h)
{
    h->previous = ds_arena_alloc(arena, (h->count + 1) * sizeof(int64_t));
    if (h->previous == NULL) {
        return false;
    }
    for (size_t c = 0; c < group->column_count; c++) {
        const struct ds_column *other = &group->columns[c];
        if (other->tag == TAG_PREVIOUS_INDEX && other->kind == DS_COLUMN_INT) {
            ds_column_align(other, column, group->count, h->previous);
        }
    }
    return true;
}

/* What each item's number of a part is expected to be, from the parts and items before it. */
static int64_t expect(const struct histories *h, enum part part, size_t row, size_t begin,
                      size_t place, size_t before)
{
    size_t at = begin + place;
    int64_t count_before = row > 0 ? h->counts[row - 1] : 0;
    switch (part) {
    case PERIOD:
    case INSTANT:
    case METHOD:
    case FLAGS:
        return (int64_t)place < count_before ? h->part[part][before + place] : 0;
    case FINAL:
        return place == 0 ? h->previous[row] : h->part[FINAL][at - 1];
    case VOLUME:
        return (int64_t)place + 1 < h->counts[row]
                   ? (int64_t)(((uint64_t)h->part[FINAL][at] - (uint64_t)h->part[FINAL][at + 1]) *
                               UNIT_L)
                   : 0;
    default:
        return h->part[FINAL][at];
    }
}

/* Put or take a part: what is expected may hang on the item just said, so item by item. */
static void put_part(struct ds_builder *builder, const struct histories *h, enum part part)
{
    size_t begin = 0;
    size_t before = 0;
    for (size_t row = 0; row < h->count; row++) {
        for (size_t place = 0; place < (size_t)h->counts[row]; place++) {
            h->base[begin + place] = expect(h, part, row, begin, place, before);
        }
        before = begin;
        begin += (size_t)h->counts[row];
    }
    for (size_t i = 0; i < h->items; i++) {
        ds_put_svar(builder, (int64_t)((uint64_t)h->part[part][i] - (uint64_t)h->base[i]));
    }
}

static void take_part(struct ds_cursor *cursor, const struct histories *h, enum part part)
{
    size_t begin = 0;
    size_t before = 0;
    for (size_t row = 0; row < h->count && !cursor->failed; row++) {
        for (size_t place = 0; place < (size_t)h->counts[row]; place++) {
            int64_t base = expect(h, part, row, begin, place, before);
            h->part[part][begin + place] =
                (int64_t)((uint64_t)base + (uint64_t)ds_take_svar(cursor));
        }
        before = begin;
        begin += (size_t)h->counts[row];
    }
}

static void read_items(struct histories *h, size_t at, struct ds_slice bin)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, bin);
    for (size_t i = at; ds_cursor_left(&cursor) > 0; i++) {
        h->part[PERIOD][i] = ds_take_u32(&cursor);
        h->part[FINAL][i] = (int64_t)ds_take_u64(&cursor);
        h->part[VOLUME][i] = (int64_t)ds_take_u64(&cursor);
        h->part[ACTUAL][i] = (int64_t)ds_take_u64(&cursor);
        h->part[INSTANT][i] = (int64_t)ds_take_u64(&cursor);
        h->part[METHOD][i] = ds_take_u8(&cursor);
        h->part[FLAGS][i] = ds_take_u8(&cursor);
    }
}

bool ds_history_put(struct ds_builder *builder, struct ds_arena *arena,
                    const struct ds_columns_group *group, const struct ds_column *column)
{
    size_t mark = ds_arena_mark(arena);
    struct histories h = {.count = ds_column_present(column, group->count)};
    size_t row = 0;
    h.counts = ds_arena_alloc(arena, h.count * sizeof(int64_t));
    if (h.counts == NULL) {
        return false;
    }
    for (size_t i = 0; i < group->count; i++) {
        struct ds_slice bin;
        if (column->values[i].present && bin_of(column->values[i].raw, &bin)) {
            h.counts[row] = (int64_t)(bin.size / ITEM_SIZE);
            h.items += (size_t)h.counts[row++];
        }
    }
    if (!make(arena, &h) || !find_previous(arena, group, column, &h)) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct ds_slice bin;
        if (column->values[i].present && bin_of(column->values[i].raw, &bin)) {
            read_items(&h, at, bin);
            at += bin.size / ITEM_SIZE;
        }
    }
    ds_ints_put(builder, h.counts, h.count);
    for (int part = 0; part < PARTS; part++) {
        put_part(builder, &h, (enum part)part);
    }
    ds_arena_rewind(arena, mark);
    return true;
}

static bool fits(const struct histories *h, size_t i)
{
    return h->part[PERIOD][i] >= 0 && h->part[PERIOD][i] <= UINT32_MAX && h->part[METHOD][i] >= 0 &&
           h->part[METHOD][i] <= UINT8_MAX && h->part[FLAGS][i] >= 0 &&
           h->part[FLAGS][i] <= UINT8_MAX;
}

static bool write_items(const struct histories *h, size_t at, size_t count, struct ds_arena *arena,
                        struct ds_slice *raw)
{
    size_t size = count * ITEM_SIZE + 3;
    struct ds_builder builder;
    uint8_t bytes[ITEMS_MAX * ITEM_SIZE];
    struct ds_builder items;
    struct ds_slice bin;
    ds_builder_init(&items, bytes, sizeof(bytes));
    for (size_t i = at; i < at + count; i++) {
        if (!fits(h, i)) {
            return false;
        }
        ds_put_u32(&items, (uint32_t)h->part[PERIOD][i]);
        ds_put_u64(&items, (uint64_t)h->part[FINAL][i]);
        ds_put_u64(&items, (uint64_t)h->part[VOLUME][i]);
        ds_put_u64(&items, (uint64_t)h->part[ACTUAL][i]);
        ds_put_u64(&items, (uint64_t)h->part[INSTANT][i]);
        ds_put_u8(&items, (uint8_t)h->part[METHOD][i]);
        ds_put_u8(&items, (uint8_t)h->part[FLAGS][i]);
    }
    ds_builder_init(&builder, ds_arena_room(arena, size), size);
    if (builder.data == NULL || ds_builder_end(&items, &bin) != DS_OK) {
        return false;
    }
    ds_mp_put_bin(&builder, bin);
    return ds_builder_end(&builder, raw) == DS_OK;
}

bool ds_history_take(struct ds_cursor *cursor, struct ds_arena *arena,
                     const struct ds_columns_group *group, struct ds_column *column, size_t room)
{
    struct histories h = {.count = ds_column_present(column, group->count)};
    h.counts = ds_arena_alloc(arena, (h.count + 1) * sizeof(int64_t));
    if (h.counts == NULL) {
        return false;
    }
    ds_ints_take(cursor, h.counts, h.count);
    for (size_t row = 0; row < h.count; row++) {
        if (h.counts[row] < 1 || h.counts[row] > ITEMS_MAX) {
            return false;
        }
        h.items += (size_t)h.counts[row];
    }
    if (cursor->failed || h.items * ITEM_SIZE > room || h.items * PARTS > ds_cursor_left(cursor) ||
        !make(arena, &h) || !find_previous(arena, group, column, &h)) {
        return false;
    }
    for (int part = 0; part < PARTS; part++) {
        take_part(cursor, &h, (enum part)part);
    }
    size_t at = 0;
    size_t row = 0;
    for (size_t i = 0; i < group->count && !cursor->failed; i++) {
        if (!column->values[i].present) {
            continue;
        }
        size_t count = (size_t)h.counts[row++];
        if (!write_items(&h, at, count, arena, &column->values[i].raw)) {
            return false;
        }
        at += count;
    }
    return !cursor->failed;
}

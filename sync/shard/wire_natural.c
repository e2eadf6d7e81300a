/* Ids that a row's own fields make (FORMAT.md, "Ids"), and finding a row by its id. */
#include "schema/codec/msgpack.h"
#include "schema/record.h"
#include "sync/shard/wire_impl.h"

#include <stdlib.h>
#include <string.h>

/* The value of a tag; empty: none. */
static struct ds_slice value_of(struct ds_slice fields, uint64_t tag)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs && !cursor.failed; i++) {
        uint64_t found = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (found == tag) {
            return cursor.failed ? (struct ds_slice){NULL, 0} : value;
        }
    }
    return (struct ds_slice){NULL, 0};
}

static bool text_of(struct ds_slice fields, uint64_t tag, struct ds_slice *text)
{
    struct ds_cursor cursor;
    struct ds_slice value = value_of(fields, tag);
    ds_cursor_init(&cursor, value);
    if (value.size == 0 || ds_mp_peek(&cursor) != DS_MP_STR) {
        return false;
    }
    *text = ds_mp_take_str(&cursor);
    return !cursor.failed;
}

static bool id_of(struct ds_slice fields, uint64_t tag, struct ds_id *id)
{
    struct ds_cursor cursor;
    struct ds_slice value = value_of(fields, tag);
    ds_cursor_init(&cursor, value);
    if (value.size == 0 || ds_mp_peek(&cursor) != DS_MP_BIN) {
        return false;
    }
    *id = ds_mp_take_id(&cursor);
    return !cursor.failed;
}

static bool number_of(struct ds_slice fields, uint64_t tag, int64_t most, int64_t *number)
{
    struct ds_cursor cursor;
    struct ds_slice value = value_of(fields, tag);
    ds_cursor_init(&cursor, value);
    if (value.size == 0 || ds_mp_peek(&cursor) != DS_MP_UINT) {
        return false;
    }
    *number = ds_mp_take_int(&cursor);
    return !cursor.failed && *number >= 0 && *number <= most;
}

static bool numbered(const struct ds_id *station, uint8_t type, struct ds_slice fields,
                     uint64_t tag, struct ds_id *id)
{
    struct ds_slice text;
    if (!text_of(fields, tag, &text)) {
        return false;
    }
    *id = ds_numbered_id(station, type, text);
    return true;
}

bool ds_wire_natural_id(const struct ds_id *station, uint8_t type, struct ds_slice fields,
                        struct ds_id *id)
{
    struct ds_id parent;
    struct ds_slice maker;
    struct ds_slice text;
    int64_t kind = 0;
    int64_t period = 0;
    switch (type) {
    case DS_REC_worker:
        return numbered(station, type, fields, DS_TAG_worker_number, id);
    case DS_REC_book:
        return numbered(station, type, fields, DS_TAG_book_number, id);
    case DS_REC_account:
        return numbered(station, type, fields, DS_TAG_account_number, id);
    case DS_REC_premises:
        return numbered(station, type, fields, DS_TAG_premises_number, id);
    case DS_REC_tariff:
        return numbered(station, type, fields, DS_TAG_tariff_number, id);
    case DS_REC_meter:
        if (!text_of(fields, DS_TAG_meter_manufacturer, &maker) ||
            !text_of(fields, DS_TAG_meter_meter_no, &text)) {
            return false;
        }
        *id = ds_meter_id(station, maker, text);
        return true;
    case DS_REC_slot:
        if (!id_of(fields, DS_TAG_slot_meter, &parent) ||
            !number_of(fields, DS_TAG_slot_register_kind, UINT8_MAX, &kind) ||
            !number_of(fields, DS_TAG_slot_period, UINT32_MAX, &period)) {
            return false;
        }
        *id = ds_slot_id(station, &parent, (uint8_t)kind, (uint32_t)period);
        return true;
    case DS_REC_period:
        if (!id_of(fields, DS_TAG_period_book, &parent) ||
            !number_of(fields, DS_TAG_period_period, UINT32_MAX, &period)) {
            return false;
        }
        *id = ds_period_id(station, &parent, (uint32_t)period);
        return true;
    default:
        return false;
    }
}

/* ---- From an id to its row. ---- */

static int compare(const void *a, const void *b)
{
    const struct ds_wire_index_item *left = a;
    const struct ds_wire_index_item *right = b;
    return memcmp(left->id.byte, right->id.byte, sizeof(left->id.byte));
}

void ds_wire_index_sort(struct ds_wire_index_item *items, size_t count)
{
    qsort(items, count, sizeof(*items), compare);
}

const struct ds_wire_index_item *ds_wire_index_find(const struct ds_wire_index_item *items,
                                                    size_t count, const struct ds_id *id)
{
    struct ds_wire_index_item wanted = {.id = *id};
    return count == 0 ? NULL : bsearch(&wanted, items, count, sizeof(wanted), compare);
}

bool ds_wire_block_index(struct ds_wire_block *block)
{
    block->index = ds_arena_alloc(block->wire->arena, (block->count + 1) * sizeof(*block->index));
    if (block->index == NULL) {
        return false;
    }
    for (size_t i = 0; i < block->count; i++) {
        block->index[i] = (struct ds_wire_index_item){block->rows[i].id, (uint32_t)i};
    }
    ds_wire_index_sort(block->index, block->count);
    return true;
}

bool ds_wire_block_find(const struct ds_wire_block *block, uint8_t type, const struct ds_id *id,
                        size_t *at)
{
    const struct ds_wire_index_item *found = ds_wire_index_find(block->index, block->count, id);
    if (found == NULL || !block->known[found->at] || block->rows[found->at].type != type) {
        return false;
    }
    *at = found->at;
    return true;
}

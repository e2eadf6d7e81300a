#include "sync/core/row.h"

#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "sync/core/slot.h"

#include <string.h>

enum { WRITES_MAX = 254, NO_WRITE = 255, CELL_ROOM = DS_ROW_FIELDS_MAX };

enum ds_err ds_row_init(struct ds_row_state *row, uint8_t type, const struct ds_id *id,
                        struct ds_arena *arena)
{
    memset(row, 0, sizeof(*row));
    row->type = type;
    row->id = *id;
    row->cells = ds_arena_room(arena, CELL_ROOM * sizeof(*row->cells)); /* Zeroed when made. */
    return row->cells == NULL ? DS_ERR_NOMEM : DS_OK;
}

static struct ds_write take_write(struct ds_cursor *cursor)
{
    struct ds_write write = {.position = ds_take_u64(cursor)};
    struct ds_slice name = ds_take_bytes(cursor, sizeof(write.writer.byte));
    if (name.size == sizeof(write.writer.byte)) {
        memcpy(write.writer.byte, name.data, name.size);
    }
    uint64_t lane_seq = ds_take_u64(cursor);
    write.lane = (uint8_t)(lane_seq >> 56);
    write.seq = lane_seq & DS_SEQ_MAX;
    return write;
}

static void put_write(struct ds_builder *builder, const struct ds_write *write)
{
    ds_put_u64(builder, write->position);
    ds_put_bytes(builder, DS_SLICE_OF(write->writer.byte));
    ds_put_u64(builder, (uint64_t)write->lane << 56 | write->seq);
}

static enum ds_err take_cells(struct ds_cursor *cursor, const struct ds_write *writes,
                              size_t write_count, struct ds_row_state *row)
{
    row->cell_count = ds_take_u8(cursor);
    if (row->cell_count > CELL_ROOM) {
        return DS_ERR_INTEGRITY;
    }
    for (size_t i = 0; i < row->cell_count; i++) {
        struct ds_cell *cell = &row->cells[i];
        memset(cell, 0, sizeof(*cell));
        cell->tag = ds_take_u8(cursor);
        uint8_t latest = ds_take_u8(cursor);
        uint8_t other = ds_take_u8(cursor);
        if (latest >= write_count || (other != NO_WRITE && other >= write_count)) {
            return DS_ERR_INTEGRITY;
        }
        cell->latest = writes[latest];
        if (other != NO_WRITE) {
            cell->other = writes[other];
        }
    }
    return DS_OK;
}

static enum ds_err take_siblings(struct ds_cursor *cursor, const struct ds_write *writes,
                                 size_t write_count, struct ds_arena *arena,
                                 struct ds_row_state *row)
{
    size_t groups = ds_take_u8(cursor);
    for (size_t g = 0; g < groups; g++) {
        struct ds_cell *cell = ds_row_cell(row, ds_take_u8(cursor));
        size_t count = ds_take_u8(cursor);
        if (cell == NULL || count > DS_SIBLINGS_MAX) {
            return DS_ERR_INTEGRITY;
        }
        cell->siblings = ds_arena_alloc(arena, DS_SIBLINGS_MAX * sizeof(*cell->siblings));
        if (cell->siblings == NULL) {
            return DS_ERR_NOMEM;
        }
        cell->sibling_count = count;
        for (size_t i = 0; i < count; i++) {
            uint8_t at = ds_take_u8(cursor);
            uint32_t size = ds_take_u32(cursor);
            cell->siblings[i].value = ds_take_bytes(cursor, size);
            if (at >= write_count) {
                return DS_ERR_INTEGRITY;
            }
            cell->siblings[i].write = writes[at];
        }
    }
    return DS_OK;
}

static enum ds_err take_bases(struct ds_cursor *cursor, struct ds_row_state *row)
{
    size_t count = ds_take_u8(cursor);
    for (size_t i = 0; i < count; i++) {
        struct ds_cell *cell = ds_row_cell(row, ds_take_u8(cursor));
        uint16_t size = ds_take_u16(cursor);
        if (cell == NULL || size > DS_ROW_BASE_MAX) {
            return DS_ERR_INTEGRITY;
        }
        cell->base = ds_take_bytes(cursor, size);
    }
    return DS_OK;
}

/* Give each cell its value from the fields map; both ascend by tag and agree. Rows that the engine
 * makes itself carry no cells: theirs are made here. */
static enum ds_err take_values(struct ds_slice fields, struct ds_row_state *row)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    bool make = row->cell_count == 0;
    size_t at = 0;
    for (uint32_t i = 0; i < pairs; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        if (make && row->cell_count < CELL_ROOM && tag <= DS_TAG_MAX) {
            memset(&row->cells[row->cell_count], 0, sizeof(row->cells[0]));
            row->cells[row->cell_count++].tag = (uint8_t)tag;
        }
        while (at < row->cell_count && row->cells[at].tag < tag) {
            at++;
        }
        if (at == row->cell_count || row->cells[at].tag != tag) {
            return DS_ERR_INTEGRITY;
        }
        row->cells[at].value = ds_mp_take_value(&cursor);
    }
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_row_parse(struct ds_slice bytes, uint8_t type, const struct ds_id *id,
                         struct ds_arena *arena, struct ds_row_state *row)
{
    DS_TRY(ds_row_init(row, type, id, arena));
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, bytes);
    row->exists = true;
    row->made = ds_take_u64(&cursor);
    row->changed = ds_take_u64(&cursor);
    row->scope_count = ds_take_u8(&cursor);
    if (row->scope_count > DS_ROW_SCOPES_MAX) {
        return DS_ERR_INTEGRITY;
    }
    for (size_t i = 0; i < row->scope_count; i++) {
        row->scopes[i] = ds_take_scope(&cursor);
    }
    size_t write_count = ds_take_u8(&cursor);
    struct ds_write *writes = ds_arena_alloc(arena, (write_count + 1) * sizeof(*writes));
    if (writes == NULL) {
        return DS_ERR_NOMEM;
    }
    for (size_t i = 0; i < write_count; i++) {
        writes[i] = take_write(&cursor);
    }
    DS_TRY(take_cells(&cursor, writes, write_count, row));
    DS_TRY(take_siblings(&cursor, writes, write_count, arena, row));
    DS_TRY(take_bases(&cursor, row));
    if (cursor.failed) {
        return DS_ERR_INTEGRITY;
    }
    return take_values(ds_take_bytes(&cursor, ds_cursor_left(&cursor)), row);
}

static bool write_equal(const struct ds_write *a, const struct ds_write *b)
{
    return a->position == b->position && a->seq == b->seq && a->lane == b->lane &&
           ds_incarnation_equal(&a->writer, &b->writer);
}

struct write_set {
    const struct ds_write *write[WRITES_MAX];
    size_t count;
};

static uint8_t index_of(struct write_set *set, const struct ds_write *write)
{
    for (size_t i = 0; i < set->count; i++) {
        if (write_equal(set->write[i], write)) {
            return (uint8_t)i;
        }
    }
    /* 64 cells have two writes each, and siblings beyond the room are collapsed (merge.c). */
    DS_ASSERT(set->count < WRITES_MAX);
    set->write[set->count] = write;
    return (uint8_t)set->count++;
}

static bool has_write(const struct ds_write *write)
{
    return write->position != 0;
}

static void gather_writes(const struct ds_row_state *row, struct write_set *set)
{
    for (size_t i = 0; i < row->cell_count; i++) {
        const struct ds_cell *cell = &row->cells[i];
        (void)index_of(set, &cell->latest);
        if (has_write(&cell->other)) {
            (void)index_of(set, &cell->other);
        }
        for (size_t s = 0; s < cell->sibling_count; s++) {
            (void)index_of(set, &cell->siblings[s].write);
        }
    }
}

static void put_siblings(struct ds_builder *builder, const struct ds_row_state *row,
                         struct write_set *set)
{
    uint8_t groups = 0;
    for (size_t i = 0; i < row->cell_count; i++) {
        groups = (uint8_t)(groups + (row->cells[i].sibling_count > 0));
    }
    ds_put_u8(builder, groups);
    for (size_t i = 0; i < row->cell_count; i++) {
        const struct ds_cell *cell = &row->cells[i];
        if (cell->sibling_count == 0) {
            continue;
        }
        ds_put_u8(builder, cell->tag);
        ds_put_u8(builder, (uint8_t)cell->sibling_count);
        for (size_t s = 0; s < cell->sibling_count; s++) {
            ds_put_u8(builder, index_of(set, &cell->siblings[s].write));
            ds_put_u32(builder, (uint32_t)cell->siblings[s].value.size);
            ds_put_bytes(builder, cell->siblings[s].value);
        }
    }
}

static void put_bases(struct ds_builder *builder, const struct ds_row_state *row)
{
    uint8_t count = 0;
    for (size_t i = 0; i < row->cell_count; i++) {
        count = (uint8_t)(count + (row->cells[i].base.size > 0));
    }
    ds_put_u8(builder, count);
    for (size_t i = 0; i < row->cell_count; i++) {
        if (row->cells[i].base.size > 0) {
            ds_put_u8(builder, row->cells[i].tag);
            ds_put_u16(builder, (uint16_t)row->cells[i].base.size);
            ds_put_bytes(builder, row->cells[i].base);
        }
    }
}

void ds_row_put_fields(struct ds_builder *builder, const struct ds_row_state *row)
{
    uint32_t valued = 0;
    for (size_t i = 0; i < row->cell_count; i++) {
        valued += row->cells[i].value.size > 0;
    }
    ds_mp_put_map(builder, valued);
    for (size_t i = 0; i < row->cell_count; i++) {
        if (row->cells[i].value.size > 0) {
            ds_mp_put_uint(builder, row->cells[i].tag);
            ds_mp_put_raw(builder, row->cells[i].value);
        }
    }
}

/* Rows that the engine makes itself have no versions, and carry no cells. */
static bool has_versions(const struct ds_row_state *row)
{
    static const struct ds_write none;
    for (size_t i = 0; i < row->cell_count; i++) {
        const struct ds_cell *cell = &row->cells[i];
        if (!write_equal(&cell->latest, &none) || has_write(&cell->other) ||
            cell->sibling_count > 0 || cell->value.size == 0) {
            return true;
        }
    }
    return false;
}

void ds_row_put(struct ds_builder *builder, const struct ds_row_state *row)
{
    struct write_set set;
    set.count = 0;
    size_t cell_count = has_versions(row) ? row->cell_count : 0;
    if (cell_count > 0) {
        gather_writes(row, &set);
    }
    ds_put_u64(builder, row->made);
    ds_put_u64(builder, row->changed);
    ds_put_u8(builder, (uint8_t)row->scope_count);
    for (size_t i = 0; i < row->scope_count; i++) {
        ds_put_scope(builder, &row->scopes[i]);
    }
    ds_put_u8(builder, (uint8_t)set.count);
    for (size_t i = 0; i < set.count; i++) {
        put_write(builder, set.write[i]);
    }
    ds_put_u8(builder, (uint8_t)cell_count);
    for (size_t i = 0; i < cell_count; i++) {
        const struct ds_cell *cell = &row->cells[i];
        ds_put_u8(builder, cell->tag);
        ds_put_u8(builder, index_of(&set, &cell->latest));
        ds_put_u8(builder, has_write(&cell->other) ? index_of(&set, &cell->other) : NO_WRITE);
    }
    put_siblings(builder, row, &set);
    put_bases(builder, row);
    ds_row_put_fields(builder, row);
}

struct ds_cell *ds_row_cell(struct ds_row_state *row, uint8_t tag)
{
    for (size_t i = 0; i < row->cell_count; i++) {
        if (row->cells[i].tag == tag) {
            return &row->cells[i];
        }
    }
    return NULL;
}

struct ds_cell *ds_row_cell_make(struct ds_row_state *row, uint8_t tag)
{
    size_t at = 0;
    while (at < row->cell_count && row->cells[at].tag < tag) {
        at++;
    }
    if (at < row->cell_count && row->cells[at].tag == tag) {
        return &row->cells[at];
    }
    if (row->cell_count == CELL_ROOM) {
        return NULL;
    }
    memmove(&row->cells[at + 1], &row->cells[at], (row->cell_count - at) * sizeof(row->cells[0]));
    row->cell_count++;
    memset(&row->cells[at], 0, sizeof(row->cells[at]));
    row->cells[at].tag = tag;
    return &row->cells[at];
}

_Static_assert(DS_ROW_UNKNOWN_MAX + DS_FIELDS_MAX <= DS_ROW_FIELDS_MAX, "known tags find a cell");

static size_t values_of(const struct ds_row_state *row)
{
    size_t size = 0;
    for (size_t i = 0; i < row->cell_count; i++) {
        size += row->cells[i].value.size;
    }
    return size;
}

static size_t unknown_of(const struct ds_record_type *type, const struct ds_row_state *row)
{
    size_t count = 0;
    for (size_t i = 0; i < row->cell_count; i++) {
        count += ds_field_by_tag(type, row->cells[i].tag) == NULL;
    }
    return count;
}

bool ds_row_outgrown(const struct ds_record_type *type, const struct ds_row_state *before,
                     const struct ds_row_state *row)
{
    size_t size = values_of(row);
    if (size > DS_ROW_VALUES_MAX && size > values_of(before)) {
        return true;
    }
    size_t unknown = type == NULL ? 0 : unknown_of(type, row);
    return unknown > DS_ROW_UNKNOWN_MAX && unknown > unknown_of(type, before);
}

void ds_row_put_plain(struct ds_builder *builder, const struct ds_row_head *head,
                      struct ds_slice fields)
{
    ds_put_u64(builder, head->made);
    ds_put_u64(builder, head->changed);
    ds_put_u8(builder, (uint8_t)head->scope_count);
    for (size_t i = 0; i < head->scope_count; i++) {
        ds_put_scope(builder, &head->scopes[i]);
    }
    ds_put_u8(builder, 0); /* Writes, cells, groups of siblings, bases. */
    ds_put_u8(builder, 0);
    ds_put_u8(builder, 0);
    ds_put_u8(builder, 0);
    ds_put_bytes(builder, fields);
}

enum ds_err ds_row_of_pair(struct ds_txn *txn, uint8_t type, struct ds_slice pair,
                           struct ds_arena *arena, struct ds_slice *value)
{
    if (type == DS_REC_slot) {
        return ds_slot_row(txn, pair, arena, value);
    }
    *value = pair;
    return DS_OK;
}

enum ds_err ds_row_get(struct ds_txn *txn, uint8_t type, const struct ds_id *id,
                       struct ds_arena *arena, struct ds_slice *value)
{
    struct ds_key key = ds_key_row(type, id);
    struct ds_slice pair;
    DS_TRY(ds_txn_get(txn, DS_TABLE_ROW, ds_key_slice(&key), &pair));
    return ds_row_of_pair(txn, type, pair, arena, value);
}

enum ds_err ds_row_load(struct ds_txn *txn, uint8_t type, const struct ds_id *id,
                        struct ds_arena *arena, struct ds_row_state *row)
{
    struct ds_slice value;
    enum ds_err err = ds_row_get(txn, type, id, arena, &value);
    if (err == DS_ERR_NOT_FOUND) {
        return ds_row_init(row, type, id, arena);
    }
    DS_TRY(err);
    /* A copy: the caller writes to the store while he still holds the row. */
    struct ds_slice copy;
    DS_TRY(ds_arena_copy(arena, value, &copy));
    return ds_row_parse(copy, type, id, arena, row);
}

enum ds_err ds_row_fields(struct ds_slice value, struct ds_slice *fields, uint64_t *changed)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    (void)ds_take_u64(&cursor);
    *changed = ds_take_u64(&cursor);
    (void)ds_take_bytes(&cursor, (size_t)ds_take_u8(&cursor) * DS_SCOPE_SIZE);
    (void)ds_take_bytes(&cursor, (size_t)ds_take_u8(&cursor) * 24);
    (void)ds_take_bytes(&cursor, (size_t)ds_take_u8(&cursor) * 3);
    size_t groups = ds_take_u8(&cursor);
    for (size_t g = 0; g < groups; g++) {
        (void)ds_take_u8(&cursor);
        size_t count = ds_take_u8(&cursor);
        for (size_t i = 0; i < count; i++) {
            (void)ds_take_u8(&cursor);
            uint32_t size = ds_take_u32(&cursor);
            (void)ds_take_bytes(&cursor, size);
        }
    }
    size_t bases = ds_take_u8(&cursor);
    for (size_t i = 0; i < bases; i++) {
        (void)ds_take_u8(&cursor);
        uint16_t size = ds_take_u16(&cursor);
        (void)ds_take_bytes(&cursor, size);
    }
    *fields = ds_take_bytes(&cursor, ds_cursor_left(&cursor));
    return cursor.failed ? DS_ERR_INTEGRITY : DS_OK;
}

enum ds_err ds_record_load(struct ds_txn *txn, uint8_t type, const struct ds_id *id,
                           struct ds_arena *arena, void *record)
{
    struct ds_slice value;
    DS_TRY(ds_row_get(txn, type, id, arena, &value));
    struct ds_slice fields;
    uint64_t changed = 0;
    DS_TRY(ds_row_fields(value, &fields, &changed));
    struct ds_slice copy;
    DS_TRY(ds_arena_copy(arena, fields, &copy));
    const struct ds_record_type *known = ds_record_type_by_number(type);
    DS_ASSERT(known != NULL);
    enum ds_err err = ds_record_decode_scanned(known, copy, arena, record, NULL);
    return err == DS_ERR_DECODE || err == DS_ERR_SCHEMA ? DS_ERR_INTEGRITY : err;
}

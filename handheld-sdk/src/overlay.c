#include "handheld-sdk/src/overlay.h"

#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "sync/core/merge.h"
#include "sync/core/mutant.h"

#include <string.h>

#define POSITION_PENDING (UINT64_MAX >> 1)

struct layers { /* The row under construction. */
    struct ds_handheld *h;
    struct ds_overlaid *out;
    const struct ds_record_type *type;
    struct ds_row_state *row; /* NULL: no op lies over it so far. */
};

/* The standing elements of a set, as if written at the row's latest change. */
static enum ds_err fill_set(struct layers *l, struct ds_cell *cell)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, cell->value);
    struct ds_slice hashes = ds_mp_take_bin(&cursor);
    cell->siblings = ds_arena_alloc(&l->h->arena, DS_SIBLINGS_MAX * sizeof(struct ds_sibling));
    if (cell->siblings == NULL) {
        return DS_ERR_LIMIT;
    }
    for (size_t at = 0; at + 32 <= hashes.size && cell->sibling_count < DS_SIBLINGS_MAX; at += 32) {
        cell->siblings[cell->sibling_count++] = (struct ds_sibling){
            .write = {.position = l->out->row.position}, .value = {hashes.data + at, 32}};
    }
    return DS_OK;
}

static enum ds_err fill_worst(struct layers *l, struct ds_cell *cell)
{
    cell->siblings = ds_arena_alloc(&l->h->arena, DS_SIBLINGS_MAX * sizeof(struct ds_sibling));
    if (cell->siblings == NULL) {
        return DS_ERR_LIMIT;
    }
    cell->siblings[cell->sibling_count++] =
        (struct ds_sibling){.write = {.position = l->out->row.position}, .value = cell->value};
    return DS_OK;
}

static enum ds_err fill_cell(struct layers *l, uint64_t tag, struct ds_slice value)
{
    struct ds_cell *cell = ds_row_cell_make(l->row, (uint8_t)tag);
    if (cell == NULL) {
        return DS_ERR_LIMIT;
    }
    cell->value = value;
    const struct ds_field *field = l->type == NULL ? NULL : ds_field_by_tag(l->type, tag);
    if (field != NULL && field->policy == DS_POLICY_UNION) {
        return fill_set(l, cell);
    }
    return field != NULL && field->policy == DS_POLICY_WORST ? fill_worst(l, cell) : DS_OK;
}

/* The pulled row as the merge wants it. */
static enum ds_err begin_row(struct layers *l)
{
    struct ds_overlaid *out = l->out;
    l->row = ds_arena_alloc(&l->h->arena, sizeof(*l->row));
    if (l->row == NULL) {
        return DS_ERR_LIMIT;
    }
    DS_TRY(ds_row_init(l->row, out->row.type, &out->row.id, &l->h->arena));
    if (!out->held) {
        return DS_OK;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, out->row.fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (cursor.failed || tag == 0 || tag > DS_TAG_MAX) {
            return DS_ERR_INTEGRITY;
        }
        DS_TRY(fill_cell(l, tag, value));
    }
    l->row->exists = true;
    return DS_OK;
}

static enum ds_err lay_op(struct layers *l, const struct ds_own_op *op)
{
    struct ds_op parsed;
    size_t count;
    if (l->row == NULL) {
        DS_TRY(begin_row(l));
    }
    DS_TRY(ds_own_parse(op, &parsed));
    struct ds_merge_op merge = {.type = l->type,
                                .actor = DS_ACTOR_handheld,
                                .write = {.position = POSITION_PENDING + op->order,
                                          .writer = l->h->writer.incarnation,
                                          .seq = op->order,
                                          .lane = DS_LANE_WORK},
                                .seen = parsed.seen,
                                .fields = parsed.fields};
    struct ds_field_result *results =
        ds_arena_room(&l->h->arena, DS_ROW_FIELDS_MAX * sizeof(*results));
    if (results == NULL) {
        return DS_ERR_LIMIT;
    }
    DS_TRY(ds_merge(l->row, &merge, &l->h->arena, results, &count));
    l->row->exists = true;
    l->out->pending++;
    return DS_OK;
}

/* Own ops about the entity itself, oldest first. */
static enum ds_err lay_ops(struct layers *l, struct ds_txn *txn)
{
    struct ds_overlaid *out = l->out;
    struct ds_key walk = ds_own_about(&out->row.id);
    for (;;) {
        uint8_t type;
        uint64_t order;
        struct ds_own_op op;
        enum ds_err err = ds_own_next_order(txn, &walk, &type, &order);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        if (type != out->row.type) {
            continue;
        }
        DS_TRY(ds_own_load(l->h, txn, order, &op));
        if (ds_id_equal(&op.entity, &out->row.id) && ds_replica_lies_over(l->h, &out->row, &op) &&
            !DS_MUTANT("overlay_forgets_pending")) {
            DS_TRY(lay_op(l, &op));
        }
    }
}

enum ds_err ds_overlay(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                       const struct ds_id *id, struct ds_overlaid *out)
{
    memset(out, 0, sizeof(*out));
    enum ds_err err = ds_replica_row(h, txn, type, id, &out->row);
    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    out->held = err == DS_OK;
    out->fields = out->row.fields;
    struct layers layers = {.h = h, .out = out, .type = ds_record_type_by_number(type)};
    DS_TRY(lay_ops(&layers, txn));
    if (layers.row == NULL) {
        return out->held ? DS_OK : DS_ERR_NOT_FOUND;
    }
    size_t size = DS_ROW_SIZE_MAX;
    struct ds_builder builder;
    size_t mark = ds_arena_mark(&h->arena);
    ds_builder_init(&builder, ds_arena_room(&h->arena, size), size);
    if (builder.data == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_row_put_fields(&builder, layers.row);
    DS_TRY(ds_builder_end(&builder, &out->fields));
    ds_arena_rewind(&h->arena, mark);
    return ds_arena_room(&h->arena, out->fields.size) == out->fields.data ? DS_OK : DS_ERR_LIMIT;
}

enum ds_err ds_overlay_record(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                              const struct ds_id *id, void *record, uint32_t *pending)
{
    struct ds_overlaid overlaid;
    DS_TRY(ds_overlay(h, txn, type, id, &overlaid));
    if (pending != NULL) {
        *pending += overlaid.pending;
    }
    enum ds_err err =
        ds_record_decode(ds_record_type_by_number(type), overlaid.fields, &h->arena, record, NULL);
    return err == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_overlay_typed_book(struct ds_handheld *h, struct ds_txn *txn,
                                  const struct ds_id *meter, struct ds_id *book)
{
    struct ds_key walk = ds_own_about(meter);
    memset(book, 0, sizeof(*book));
    for (;;) {
        struct ds_own_op op;
        size_t mark = ds_arena_mark(&h->arena);
        enum ds_err err = ds_own_next(h, txn, &walk, &op);
        ds_arena_rewind(&h->arena, mark);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        if (op.type == DS_REC_meter && ds_id_equal(&op.entity, &op.id)) {
            *book = op.subjects[1];
            return DS_OK;
        }
    }
}

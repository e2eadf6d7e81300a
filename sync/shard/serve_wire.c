#include "sync/shard/serve_wire.h"

#include "schema/record.h"
#include "sync/core/row.h"
#include "sync/core/writer.h"
#include "sync/shard/shard_impl.h"
#include "sync/shard/wire_impl.h"

#include <string.h>

/* ---- Looking things up. ---- */

static bool meter_at(void *of, const struct ds_id *book, uint32_t order, struct ds_id *meter)
{
    static const struct ds_id first;
    const struct ds_serve_wire *wire = of;
    struct ds_key key = ds_key_link(DS_LINK_BOOK_METER, book, order, &first);
    uint32_t found = 0;
    uint8_t type = 0;
    return ds_link_next(wire->txn, &key, &found, meter, &type) == DS_OK && found == order;
}

/* A row as this device was told, or would be: of no view that hides more than his. */
static bool held(void *of, uint8_t type, const struct ds_id *id, struct ds_slice *fields)
{
    enum { VIEW_READER = 1 };
    const struct ds_serve_wire *wire = of;
    return ds_project(wire->txn, VIEW_READER, type, id, &wire->serve->arena, fields) == DS_OK;
}

/* A batch hangs on the one before it in the same request, or on what was folded. */
static bool chain(void *of, const struct ds_incarnation *incarnation, enum ds_lane lane,
                  uint64_t seq, struct ds_hash *hash)
{
    const struct ds_serve_wire *wire = of;
    const struct ds_request *request = &wire->serve->request;
    uint64_t position = 0;
    for (size_t i = 0; i < request->batch_count; i++) {
        struct ds_batch batch;
        if (request->batches[i].size > 0 &&
            ds_batch_parse_trusted(request->batches[i], &batch) == DS_OK &&
            ds_incarnation_equal(&batch.incarnation, incarnation) && batch.lane == lane &&
            batch.first_seq + batch.count - 1 == seq) {
            *hash = batch.head;
            return true;
        }
    }
    return ds_chain_at(wire->txn, incarnation, (uint8_t)lane, seq, hash, &position) == DS_OK;
}

static bool add_ops(struct ds_serve_wire *wire, const struct ds_batch *batch)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, batch->ops);
    for (uint64_t i = 0; i < batch->count; i++) {
        if (wire->op_count == DS_COLUMNS_LIST_MAX ||
            ds_op_take(&cursor, &wire->ops[wire->op_count], NULL) != DS_OK) {
            return false;
        }
        wire->op_ids[wire->op_count++] =
            ds_op_id(&batch->incarnation, batch->lane, batch->first_seq + i);
    }
    return true;
}

/* A batch that cannot be read ends the count: the device says its ops in the same order. */
bool ds_serve_wire_ops(struct ds_serve_wire *wire)
{
    struct ds_arena *arena = &wire->serve->arena;
    const struct ds_request *request = &wire->serve->request;
    bool more = true;
    if (request->batch_count == 0) {
        return true;
    }
    wire->ops = ds_arena_alloc(arena, DS_COLUMNS_LIST_MAX * sizeof(*wire->ops));
    wire->op_ids = ds_arena_alloc(arena, DS_COLUMNS_LIST_MAX * sizeof(*wire->op_ids));
    if (wire->ops == NULL || wire->op_ids == NULL) {
        return false;
    }
    for (size_t i = 0; i < request->batch_count && more; i++) {
        struct ds_batch batch;
        more =
            ds_batch_parse_trusted(request->batches[i], &batch) == DS_OK && add_ops(wire, &batch);
    }
    return true;
}

static bool own_op(void *of, size_t number, struct ds_op *op, struct ds_id *id)
{
    const struct ds_serve_wire *wire = of;
    if (number >= wire->op_count) {
        return false;
    }
    *op = wire->ops[number];
    *id = wire->op_ids[number];
    return true;
}

static bool was_told(void *of, const struct ds_scope *scope, uint8_t type, const struct ds_id *id,
                     const struct ds_cursor_at *before)
{
    const struct ds_serve_wire *wire = of;
    struct ds_key key = ds_key_member(scope, type, id);
    struct ds_slice value;
    struct ds_cursor cursor;
    if (before->position == 0 ||
        ds_txn_get(wire->txn, DS_TABLE_MEMBER, ds_key_slice(&key), &value) != DS_OK) {
        return false;
    }
    ds_cursor_init(&cursor, value);
    uint64_t position = ds_take_u64(&cursor);
    uint64_t ordinal = ds_take_u32(&cursor);
    bool gone = ds_take_u8(&cursor) != 0;
    return !cursor.failed && !gone &&
           (position < before->position ||
            (position == before->position && ordinal <= before->ordinal));
}

static bool customer_key(void *of, const struct ds_id *id, struct ds_secret *key)
{
    struct ds_serve_wire *wire = of;
    return wire->keys_txn != NULL &&
           ds_customer_key(wire->serve->shard, wire->keys_txn, id, key) == DS_OK;
}

/* ---- One end of the line. ---- */

enum ds_err ds_serve_wire_make(struct ds_serve *serve, struct ds_envelope_codec *codec,
                               struct ds_txn *txn, struct ds_serve_wire **out)
{
    struct ds_serve_wire *wire = ds_arena_alloc(&serve->arena, sizeof(*wire));
    struct ds_device *device = ds_arena_alloc(&serve->arena, sizeof(*device));
    struct ds_shard_meta meta;
    size_t count = 0;
    if (wire == NULL || device == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_record_load(txn, DS_REC_device, &serve->device, &serve->arena, device));
    DS_TRY(ds_scopes_of_device(txn, &serve->device, &serve->arena, wire->scopes, &count));
    DS_TRY(ds_meta_load(txn, &meta));
    wire->serve = serve;
    wire->txn = txn;
    wire->wire = (struct ds_wire){.station = meta.station,
                                  .device = serve->device,
                                  .worker = DS_GET(device, device, worker, (struct ds_id){{0}}),
                                  .scopes = wire->scopes,
                                  .scope_count = count,
                                  .arena = &serve->arena,
                                  .of = wire,
                                  .meter_at = meter_at,
                                  .held = held,
                                  .chain = chain,
                                  .own_op = own_op,
                                  .was_told = was_told,
                                  .customer_key = customer_key,
                                  .codec = codec,
                                  .down = &serve->keys.down,
                                  .random = &serve->shard->random};
    *out = wire;
    return DS_OK;
}

enum ds_err ds_serve_wire_take(struct ds_serve_wire *wire, struct ds_slice plain,
                               struct ds_detail *detail)
{
    struct ds_request *request = &wire->serve->request;
    DS_TRY(ds_wire_request_take(plain, &wire->wire, request, detail));
    if (request->at_one && !ds_wire_cursors(&wire->wire, request)) {
        request->scopes_other = true;
    }
    return DS_OK;
}

bool ds_serve_wire_opens(struct ds_serve_wire *wire, const struct ds_row *row)
{
    return ds_wire_personal_opens(&wire->wire, row);
}

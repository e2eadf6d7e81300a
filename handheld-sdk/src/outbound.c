#include "handheld-sdk/src/outbound.h"

#include <string.h>

enum {
    CUT_VERSION = 1,
    CUT_SIZE_MAX = 512,
    FRAME_SIZE = 96, /* What a batch has beside header and ops: signature and three heads. */
};

/* ---- Stored form of a batch's record. ---- */

static enum ds_err cut_store(struct ds_handheld *h, struct ds_txn *txn, const struct ds_cut *cut)
{
    uint8_t memory[CUT_SIZE_MAX];
    struct ds_builder builder;
    struct ds_slice clear;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_put_u8(&builder, CUT_VERSION);
    ds_put_u32(&builder, cut->count);
    ds_put_u32(&builder, cut->life);
    ds_put_u64(&builder, cut->first_seq);
    ds_put_u64(&builder, cut->last_seq);
    ds_put_u32(&builder, cut->size);
    ds_put_u8(&builder, cut->acked);
    ds_put_u64(&builder, cut->position);
    ds_put_u64(&builder, (uint64_t)cut->acked_ms);
    ds_put_bytes(&builder, DS_SLICE_OF(cut->signature.byte));
    ds_put_bytes(&builder, cut->header);
    DS_TRY(ds_builder_end(&builder, &clear));
    struct ds_key key = ds_key_order(cut->first_order);
    return ds_safe_put(&h->vault, txn, DS_KEPT_BATCH, ds_key_slice(&key), clear, &h->arena);
}

static enum ds_err take_cut(struct ds_slice key, struct ds_slice clear, struct ds_cut *cut)
{
    struct ds_cursor cursor;
    memset(cut, 0, sizeof(*cut));
    ds_cursor_init(&cursor, key);
    cut->first_order = ds_take_u64(&cursor);
    ds_cursor_init(&cursor, clear);
    if (ds_take_u8(&cursor) > CUT_VERSION) {
        return DS_ERR_VERSION;
    }
    cut->count = ds_take_u32(&cursor);
    cut->life = ds_take_u32(&cursor);
    cut->first_seq = ds_take_u64(&cursor);
    cut->last_seq = ds_take_u64(&cursor);
    cut->size = ds_take_u32(&cursor);
    cut->acked = ds_take_u8(&cursor) != 0;
    cut->position = ds_take_u64(&cursor);
    cut->acked_ms = (int64_t)ds_take_u64(&cursor);
    struct ds_slice signature = ds_take_bytes(&cursor, sizeof(cut->signature.byte));
    cut->header = ds_take_bytes(&cursor, ds_cursor_left(&cursor));
    if (ds_cursor_end(&cursor) != DS_OK || cut->count == 0) {
        return DS_ERR_INTEGRITY;
    }
    memcpy(cut->signature.byte, signature.data, sizeof(cut->signature.byte));
    return DS_OK;
}

enum ds_err ds_outbound_load(struct ds_handheld *h, struct ds_txn *txn, uint64_t order,
                             struct ds_cut *cut)
{
    struct ds_key key = ds_key_order(order);
    struct ds_slice found;
    struct ds_slice sealed;
    struct ds_slice clear;
    DS_TRY(ds_txn_at_or_after(txn, DS_KEPT_BATCH, ds_key_slice(&key), &found, &sealed));
    DS_TRY(ds_safe_open(&h->vault, DS_KEPT_BATCH, found, sealed, &h->arena, &clear));
    return take_cut(found, clear, cut);
}

/* ---- Cutting. ---- */

struct run { /* Ops on their way into one batch. */
    struct ds_own_op first;
    struct ds_hash head;
    uint64_t last_seq;
    uint32_t count;
    size_t size;
};

static bool joins(const struct run *run, const struct ds_own_op *op, size_t limit)
{
    const struct ds_own_op *first = &run->first;
    return run->count < DS_BATCH_OPS_MAX && run->size + op->raw.size <= limit &&
           op->life == first->life && op->epoch == first->epoch && op->boot == first->boot &&
           op->base_ms == first->base_ms && op->source == first->source &&
           op->seq == run->last_seq + 1;
}

/* The longest run from cut_order on that fits limit bytes, at least one op. */
static enum ds_err find_run(struct ds_handheld *h, struct ds_txn *txn, uint64_t until, size_t limit,
                            struct run *run)
{
    memset(run, 0, sizeof(*run));
    for (uint64_t order = h->writer.cut_order; order < until; order++) {
        struct ds_own_op op;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_own_load(h, txn, order, &op));
        if (run->count > 0 && !joins(run, &op, limit)) {
            ds_arena_rewind(&h->arena, mark);
            break;
        }
        if (run->count == 0) {
            run->first = op;
        }
        run->count++;
        run->size += op.raw.size;
        run->last_seq = op.seq;
        run->head = ds_own_chain_after(&op);
        ds_arena_rewind(&h->arena, mark);
    }
    return run->count > 0 ? DS_OK : DS_ERR_NOT_FOUND;
}

static enum ds_err seal_run(struct ds_handheld *h, struct ds_txn *txn, const struct run *run)
{
    const struct ds_own_op *first = &run->first;
    struct ds_own_life life;
    DS_TRY(ds_own_life_load(h, txn, first->life, &life));
    struct ds_batch batch = {.suite = DS_SUITE,
                             .station = h->identity.station,
                             .device = h->identity.device,
                             .incarnation = life.incarnation,
                             .lane = DS_LANE_WORK,
                             .first_seq = first->seq,
                             .count = run->count,
                             .before = first->before,
                             .head = run->head,
                             .epoch = first->epoch,
                             .boot = first->boot,
                             .base_ms = first->base_ms,
                             .source = first->source};
    uint8_t memory[DS_CUT_HEADER_MAX];
    struct ds_builder builder;
    struct ds_cut cut = {.first_order = first->order,
                         .count = run->count,
                         .life = first->life,
                         .first_seq = first->seq,
                         .last_seq = run->last_seq,
                         .size = (uint32_t)run->size};
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_batch_put_header(&builder, &batch);
    DS_TRY(ds_builder_end(&builder, &cut.header));
    ds_sign(&h->identity.sign_seed, DS_LABEL_BATCH, cut.header, &cut.signature);
    DS_TRY(cut_store(h, txn, &cut));
    h->writer.cut_order += run->count;
    return DS_OK;
}

static enum ds_err cut_one(struct ds_handheld *h, struct ds_txn *txn, uint64_t until, size_t limit,
                           size_t *size)
{
    struct run run;
    size_t mark = ds_arena_mark(&h->arena);
    enum ds_err err = find_run(h, txn, until, limit, &run);
    err = err != DS_OK ? err : seal_run(h, txn, &run);
    *size = run.size + DS_CUT_HEADER_MAX + FRAME_SIZE;
    ds_arena_rewind(&h->arena, mark);
    return err;
}

static size_t cut_bytes(const struct ds_cut *cut)
{
    return cut->header.size + FRAME_SIZE + cut->size;
}

/* Bytes that wait in batches, counted until they reach enough. */
static enum ds_err waiting_size(struct ds_handheld *h, struct ds_txn *txn, size_t enough,
                                size_t *waiting)
{
    *waiting = 0;
    uint64_t order = h->writer.acked_order;
    while (*waiting < enough && order < h->writer.cut_order) {
        struct ds_cut cut;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_outbound_load(h, txn, order, &cut));
        ds_arena_rewind(&h->arena, mark);
        *waiting += cut_bytes(&cut);
        order = cut.first_order + cut.count;
    }
    return DS_OK;
}

enum ds_err ds_outbound_wants_cut(struct ds_handheld *h, struct ds_txn *txn, size_t budget,
                                  bool *wants)
{
    size_t waiting;
    *wants = false;
    if (h->writer.cut_order == h->writer.next_order) {
        return DS_OK;
    }
    DS_TRY(waiting_size(h, txn, budget, &waiting));
    *wants = waiting < budget;
    return DS_OK;
}

enum ds_err ds_outbound_cut(struct ds_handheld *h, struct ds_txn *txn, size_t budget, bool *cut)
{
    size_t waiting;
    bool any = false;
    DS_TRY(waiting_size(h, txn, budget, &waiting));
    while (waiting < budget && h->writer.cut_order < h->writer.next_order) {
        size_t left = budget - waiting;
        size_t frame = DS_CUT_HEADER_MAX + FRAME_SIZE;
        size_t limit = left > frame ? left - frame : 0;
        size_t most = DS_BATCH_SIZE_MAX - frame;
        size_t size;
        DS_TRY(cut_one(h, txn, h->writer.next_order, limit < most ? limit : most, &size));
        waiting += size;
        any = true;
    }
    if (cut != NULL) {
        *cut = any;
    }
    return any ? ds_writer_store(&h->vault, txn, &h->arena, &h->writer) : DS_OK;
}

enum ds_err ds_outbound_cut_all(struct ds_handheld *h, struct ds_txn *txn, uint64_t until_order)
{
    while (h->writer.cut_order < until_order) {
        size_t size;
        DS_TRY(cut_one(h, txn, until_order, DS_BUDGET_GOOD, &size));
    }
    return ds_writer_store(&h->vault, txn, &h->arena, &h->writer);
}

/* ---- Sending. ---- */

static enum ds_err assemble(struct ds_handheld *h, struct ds_txn *txn, const struct ds_cut *cut,
                            struct ds_arena *arena, struct ds_slice *bytes)
{
    size_t size = cut_bytes(cut);
    struct ds_builder ops;
    struct ds_builder batch;
    struct ds_slice run;
    ds_builder_init(&batch, ds_arena_room(arena, size), size);
    size_t mark = ds_arena_mark(arena);
    ds_builder_init(&ops, ds_arena_room(arena, size), size);
    if (ops.data == NULL || batch.data == NULL) {
        return DS_ERR_LIMIT;
    }
    for (uint32_t i = 0; i < cut->count; i++) {
        struct ds_own_op op;
        size_t own_mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_own_load(h, txn, cut->first_order + i, &op));
        ds_put_bytes(&ops, op.raw);
        ds_arena_rewind(&h->arena, own_mark);
    }
    DS_TRY(ds_builder_end(&ops, &run));
    ds_batch_put(&batch, cut->header, run, cut->signature.byte);
    ds_arena_rewind(arena, mark);
    return ds_builder_end(&batch, bytes);
}

enum ds_err ds_outbound_gather(struct ds_handheld *h, struct ds_txn *txn, size_t budget,
                               struct ds_arena *arena, struct ds_slice *batches,
                               struct ds_sent *sent, size_t *count)
{
    size_t total = 0;
    uint64_t order = h->writer.acked_order;
    *count = 0;
    while (order < h->writer.cut_order && *count < DS_REQUEST_BATCHES_MAX) {
        struct ds_cut cut;
        size_t mark = ds_arena_mark(arena);
        struct ds_slice bytes;
        DS_TRY(ds_outbound_load(h, txn, order, &cut));
        if (cut.first_order != order) {
            return DS_ERR_INTEGRITY;
        }
        DS_TRY(assemble(h, txn, &cut, arena, &bytes));
        if (*count > 0 && total + bytes.size > budget) {
            ds_arena_rewind(arena, mark);
            break;
        }
        batches[*count] = bytes;
        sent[*count] = (struct ds_sent){cut.first_order, cut.count, cut.life};
        ++*count;
        total += bytes.size;
        order = cut.first_order + cut.count;
    }
    return DS_OK;
}

/* ---- Letting go. ---- */

static uint64_t position_of(const struct ds_ack *ack, uint64_t first_order)
{
    for (size_t i = 0; i < ack->sent_count; i++) {
        if (ack->sent[i].first_order == first_order && ack->sent_position[i] > 0) {
            return ack->sent_position[i];
        }
    }
    return ack->position;
}

static enum ds_err mark_op(struct ds_handheld *h, struct ds_txn *txn, uint64_t order, bool acked,
                           uint64_t position)
{
    struct ds_own_op op;
    size_t mark = ds_arena_mark(&h->arena);
    DS_TRY(ds_own_load(h, txn, order, &op));
    op.acked = acked;
    op.position = position;
    DS_TRY(ds_own_store(h, txn, &op));
    struct ds_key key = ds_key_order(order);
    enum ds_err err = acked ? ds_txn_del(txn, DS_KEPT_OUTBOX, ds_key_slice(&key))
                            : ds_own_put_outbox(h, txn, &op);
    ds_arena_rewind(&h->arena, mark);
    return err;
}

static enum ds_err mark_cut(struct ds_handheld *h, struct ds_txn *txn, struct ds_cut *cut)
{
    for (uint32_t i = 0; i < cut->count; i++) {
        DS_TRY(mark_op(h, txn, cut->first_order + i, cut->acked, cut->position));
    }
    return cut_store(h, txn, cut);
}

static enum ds_err store_waiting(struct ds_handheld *h, struct ds_txn *txn)
{
    struct ds_own_op op;
    h->writer.oldest_unsent_ms = 0;
    if (h->writer.acked_order < h->writer.next_order) {
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_own_load(h, txn, h->writer.acked_order, &op));
        h->writer.oldest_unsent_ms = op.committed_ms;
        ds_arena_rewind(&h->arena, mark);
    }
    return ds_writer_store(&h->vault, txn, &h->arena, &h->writer);
}

enum ds_err ds_outbound_ack(struct ds_handheld *h, struct ds_txn *txn, const struct ds_ack *ack,
                            uint64_t *ops)
{
    struct ds_writer *writer = &h->writer;
    const struct ds_own_life *life = ack->life;
    uint64_t last = life->number == writer->life ? writer->seq : life->last_seq;
    last = ack->watermark < last ? ack->watermark : last;
    uint64_t end = life->first_order + last; /* First order that is not covered. */
    if (writer->acked_order < life->first_order || writer->acked_order >= end) {
        return DS_OK;
    }
    /* What was delivered sealed, op by op, while the vault was locked was never cut. */
    DS_TRY(ds_outbound_cut_all(h, txn, end));
    while (writer->acked_order < end) {
        struct ds_cut cut;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_outbound_load(h, txn, writer->acked_order, &cut));
        if (cut.first_order != writer->acked_order) {
            return DS_ERR_INTEGRITY;
        }
        if (cut.first_order + cut.count > end) {
            ds_arena_rewind(&h->arena, mark);
            break;
        }
        cut.acked = true;
        cut.acked_ms = ack->now_ms;
        cut.position = position_of(ack, cut.first_order);
        DS_TRY(mark_cut(h, txn, &cut));
        writer->acked_order += cut.count;
        *ops += cut.count;
        ds_arena_rewind(&h->arena, mark);
    }
    return store_waiting(h, txn);
}

enum ds_err ds_outbound_unack(struct ds_handheld *h, struct ds_txn *txn, uint64_t kept_size)
{
    uint64_t first = h->writer.acked_order;
    uint64_t order = 1;
    while (order < h->writer.acked_order) {
        struct ds_cut cut;
        size_t mark = ds_arena_mark(&h->arena);
        enum ds_err err = ds_outbound_load(h, txn, order, &cut);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        DS_TRY(err);
        order = cut.first_order + cut.count;
        if (cut.acked && cut.position > kept_size) {
            cut.acked = false;
            cut.position = 0;
            DS_TRY(mark_cut(h, txn, &cut));
            first = cut.first_order < first ? cut.first_order : first;
        }
        ds_arena_rewind(&h->arena, mark);
    }
    h->writer.acked_order = first;
    return store_waiting(h, txn);
}

/* ---- The end of the backup window. ---- */

enum { PRUNE_MAX = 32 };

static bool lies_over_nothing(const struct ds_handheld *h, const struct ds_cut *cut)
{
    for (size_t i = 0; i < h->scope_count; i++) {
        if (h->scopes[i].complete < cut->position) {
            return false;
        }
    }
    return true;
}

static enum ds_err prune_batch(struct ds_handheld *h, struct ds_txn *txn, int64_t before_ms,
                               bool *done)
{
    struct ds_cut cut;
    enum ds_err err = ds_outbound_load(h, txn, 1, &cut);
    if (err == DS_ERR_NOT_FOUND || (err == DS_OK && (!cut.acked || cut.acked_ms >= before_ms ||
                                                     !lies_over_nothing(h, &cut)))) {
        *done = true;
        return DS_OK;
    }
    DS_TRY(err);
    for (uint32_t i = 0; i < cut.count; i++) {
        DS_TRY(ds_own_forget(h, txn, cut.first_order + i));
    }
    struct ds_key key = ds_key_order(cut.first_order);
    return ds_txn_del(txn, DS_KEPT_BATCH, ds_key_slice(&key));
}

static enum ds_err prune_receipt(struct ds_handheld *h, struct ds_txn *txn, int64_t before_ms,
                                 bool *done)
{
    struct ds_slice sealed;
    struct ds_slice clear;
    uint64_t number = 0;
    enum ds_err err = ds_kept_next(txn, DS_KEPT_RECEIPT, 0, &number, &sealed);
    *done = err == DS_ERR_NOT_FOUND;
    if (err != DS_OK) {
        return *done ? DS_OK : err;
    }
    struct ds_key key = ds_key_order(number);
    DS_TRY(ds_safe_open(&h->vault, DS_KEPT_RECEIPT, ds_key_slice(&key), sealed, &h->arena, &clear));
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, clear);
    *done = (int64_t)ds_take_u64(&cursor) >= before_ms;
    if (*done) {
        return DS_OK;
    }
    return ds_txn_del(txn, DS_KEPT_RECEIPT, ds_key_slice(&key));
}

enum ds_err ds_outbound_prune(struct ds_handheld *h, struct ds_txn *txn, int64_t server_ms)
{
    int64_t before_ms = server_ms - h->keep_ms;
    bool batches_done = false;
    bool receipts_done = false;
    for (int i = 0; i < PRUNE_MAX; i++) {
        size_t mark = ds_arena_mark(&h->arena);
        if (!batches_done) {
            DS_TRY(prune_batch(h, txn, before_ms, &batches_done));
        }
        if (!receipts_done) {
            DS_TRY(prune_receipt(h, txn, before_ms, &receipts_done));
        }
        ds_arena_rewind(&h->arena, mark);
    }
    return DS_OK;
}

/* ---- Coming back. ---- */

static enum ds_err check_own(const struct ds_handheld *h, const struct ds_batch *batch)
{
    struct ds_hash sign_public;
    struct ds_signature signature;
    ds_sign_public(&h->identity.sign_seed, &sign_public);
    memcpy(signature.byte, batch->signature, sizeof(signature.byte));
    if (!ds_id_equal(&batch->device, &h->identity.device) ||
        !ds_id_equal(&batch->station, &h->identity.station) || batch->lane != DS_LANE_WORK ||
        !ds_verify(&sign_public, DS_LABEL_BATCH, batch->header, &signature)) {
        return DS_ERR_SIGNATURE;
    }
    bool joins_life = ds_incarnation_equal(&batch->incarnation, &h->writer.incarnation) &&
                      batch->first_seq <= h->writer.seq + 1;
    return joins_life ? DS_OK : DS_ERR_FORK;
}

enum ds_err ds_outbound_take_back(struct ds_handheld *h, struct ds_txn *txn, struct ds_slice bytes)
{
    struct ds_batch batch;
    DS_TRY(ds_batch_parse(bytes, &batch, NULL));
    DS_TRY(check_own(h, &batch));
    struct ds_cursor cursor;
    struct ds_hash chain = batch.before;
    ds_cursor_init(&cursor, batch.ops);
    for (uint64_t i = 0; i < batch.count; i++) {
        struct ds_op parsed;
        DS_TRY(ds_op_take(&cursor, &parsed, NULL));
        if (batch.first_seq + i == h->writer.seq + 1) {
            if (!ds_hash_equal(&chain, &h->writer.chain)) {
                return DS_ERR_FORK;
            }
            struct ds_own_op op = {.epoch = batch.epoch,
                                   .boot = batch.boot,
                                   .base_ms = batch.base_ms,
                                   .source = (uint8_t)batch.source,
                                   .raw = parsed.raw};
            size_t mark = ds_arena_mark(&h->arena);
            enum ds_err err = ds_own_take_back(h, txn, &op);
            ds_arena_rewind(&h->arena, mark);
            DS_TRY(err);
        }
        chain = ds_chain_next(&chain, parsed.raw);
    }
    return DS_OK;
}

#include "handheld-sdk/src/own.h"

#include "schema/codec/record_mp.h"
#include "sync/core/mutant.h"

#include <string.h>

enum { OP_VERSION = 1, OP_HEAD_MAX = 320, LIFE_SIZE_MAX = 128, BATCH_HEAD_MAX = 512 };

/* ---- Stored form of an op. ---- */

static struct ds_slice order_key(uint64_t order, struct ds_key *key)
{
    *key = ds_key_order(order);
    return ds_key_slice(key);
}

enum ds_err ds_own_store(struct ds_handheld *h, struct ds_txn *txn, const struct ds_own_op *op)
{
    size_t mark = ds_arena_mark(&h->arena);
    size_t size = op->raw.size + OP_HEAD_MAX;
    struct ds_builder builder;
    ds_builder_init(&builder, ds_arena_room(&h->arena, size), size);
    if (builder.data == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_put_u8(&builder, OP_VERSION);
    ds_put_u32(&builder, op->life);
    ds_put_u64(&builder, op->seq);
    ds_put_hash(&builder, &op->before);
    ds_put_u64(&builder, op->epoch);
    ds_put_u64(&builder, op->boot);
    ds_put_u64(&builder, (uint64_t)op->base_ms);
    ds_put_u8(&builder, op->source);
    ds_put_u64(&builder, (uint64_t)op->committed_ms);
    ds_put_u8(&builder, op->acked);
    ds_put_u64(&builder, op->position);
    ds_put_u8(&builder, op->type);
    ds_put_id(&builder, &op->id);
    ds_put_id(&builder, &op->entity);
    for (size_t i = 0; i < DS_SUBJECTS_MAX; i++) {
        ds_put_id(&builder, &op->subjects[i]);
    }
    ds_put_u32(&builder, op->period);
    ds_put_bytes(&builder, op->raw);
    struct ds_slice value;
    struct ds_key key;
    enum ds_err err = ds_builder_end(&builder, &value);
    err = err != DS_OK ? err
                       : ds_safe_put(&h->vault, txn, DS_KEPT_OP, order_key(op->order, &key), value,
                                     &h->arena);
    ds_arena_rewind(&h->arena, mark);
    return err;
}

static enum ds_err take_op(struct ds_slice clear, struct ds_own_op *op)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, clear);
    if (ds_take_u8(&cursor) > OP_VERSION) {
        return DS_ERR_VERSION;
    }
    op->life = ds_take_u32(&cursor);
    op->seq = ds_take_u64(&cursor);
    op->before = ds_take_hash(&cursor);
    op->epoch = ds_take_u64(&cursor);
    op->boot = ds_take_u64(&cursor);
    op->base_ms = (int64_t)ds_take_u64(&cursor);
    op->source = ds_take_u8(&cursor);
    op->committed_ms = (int64_t)ds_take_u64(&cursor);
    op->acked = ds_take_u8(&cursor) != 0;
    op->position = ds_take_u64(&cursor);
    op->type = ds_take_u8(&cursor);
    op->id = ds_take_id(&cursor);
    op->entity = ds_take_id(&cursor);
    for (size_t i = 0; i < DS_SUBJECTS_MAX; i++) {
        op->subjects[i] = ds_take_id(&cursor);
    }
    op->period = ds_take_u32(&cursor);
    op->raw = ds_take_bytes(&cursor, ds_cursor_left(&cursor));
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_own_load(struct ds_handheld *h, struct ds_txn *txn, uint64_t order,
                        struct ds_own_op *op)
{
    struct ds_key key;
    struct ds_slice clear;
    memset(op, 0, sizeof(*op));
    op->order = order;
    DS_TRY(ds_safe_get(&h->vault, txn, DS_KEPT_OP, order_key(order, &key), &h->arena, &clear));
    return take_op(clear, op);
}

struct ds_hash ds_own_chain_after(const struct ds_own_op *op)
{
    return ds_chain_next(&op->before, op->raw);
}

enum ds_err ds_own_parse(const struct ds_own_op *op, struct ds_op *parsed)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, op->raw);
    return ds_op_take(&cursor, parsed, NULL) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

/* ---- Links from what an op is about. ---- */

static const struct ds_id no_id;

static bool is_new_subject(const struct ds_own_op *op, size_t at)
{
    const struct ds_id *id = &op->subjects[at];
    bool fresh = !ds_id_is_none(id) && !ds_id_equal(id, &op->entity);
    for (size_t i = 0; i < at && fresh; i++) {
        fresh = !ds_id_equal(id, &op->subjects[i]);
    }
    return fresh;
}

static enum ds_err link_one(struct ds_txn *txn, const struct ds_id *subject,
                            const struct ds_own_op *op, bool keep)
{
    struct ds_key key = ds_key_held(DS_HELD_OWN, subject, (uint32_t)op->order, &no_id);
    struct ds_slice type = {&op->type, 1};
    return keep ? ds_txn_put(txn, DS_KEPT_LINK, ds_key_slice(&key), type)
                : ds_txn_del(txn, DS_KEPT_LINK, ds_key_slice(&key));
}

static enum ds_err link_op(struct ds_txn *txn, const struct ds_own_op *op, bool keep)
{
    DS_TRY(link_one(txn, &op->entity, op, keep));
    for (size_t i = 0; i < DS_SUBJECTS_MAX; i++) {
        if (is_new_subject(op, i)) {
            DS_TRY(link_one(txn, &op->subjects[i], op, keep));
        }
    }
    return DS_OK;
}

struct ds_key ds_own_about(const struct ds_id *subject)
{
    return ds_link_first((enum ds_link)DS_HELD_OWN, subject);
}

enum ds_err ds_own_next_order(struct ds_txn *txn, struct ds_key *walk, uint8_t *type,
                              uint64_t *order)
{
    uint32_t at;
    struct ds_id child;
    DS_TRY(ds_link_next(txn, walk, &at, &child, type));
    *order = at;
    return DS_OK;
}

enum ds_err ds_own_next(struct ds_handheld *h, struct ds_txn *txn, struct ds_key *walk,
                        struct ds_own_op *op)
{
    uint8_t type;
    uint64_t order;
    DS_TRY(ds_own_next_order(txn, walk, &type, &order));
    enum ds_err err = ds_own_load(h, txn, order, op);
    return err == DS_ERR_NOT_FOUND ? DS_ERR_INTEGRITY : err;
}

enum ds_err ds_own_forget(struct ds_handheld *h, struct ds_txn *txn, uint64_t order)
{
    struct ds_own_op op;
    struct ds_key key;
    size_t mark = ds_arena_mark(&h->arena);
    enum ds_err err = ds_own_load(h, txn, order, &op);
    if (err == DS_OK) {
        err = link_op(txn, &op, false);
    }
    ds_arena_rewind(&h->arena, mark);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    return ds_txn_del(txn, DS_KEPT_OP, order_key(order, &key));
}

/* What an op is about beside its entity, and for which period: from its fields. */
static enum ds_err find_subjects(struct ds_slice fields, struct ds_own_op *op)
{
    union {
        struct ds_reading reading;
        struct ds_swap swap;
        struct ds_visit visit;
        struct ds_meter meter;
    } record;
    bool known = op->type == DS_REC_reading || op->type == DS_REC_swap ||
                 op->type == DS_REC_visit || op->type == DS_REC_meter;
    memset(op->subjects, 0, sizeof(op->subjects));
    op->period = 0;
    if (!known) {
        return DS_OK;
    }
    DS_TRY(ds_record_decode(ds_record_type_by_number(op->type), fields, NULL, &record, NULL));
    if (op->type == DS_REC_reading) {
        op->subjects[0] = DS_GET(&record.reading, reading, meter, no_id);
        op->subjects[1] = DS_GET(&record.reading, reading, task, no_id);
        op->period = (uint32_t)DS_GET(&record.reading, reading, period, 0);
    } else if (op->type == DS_REC_swap) {
        op->subjects[0] = DS_GET(&record.swap, swap, meter, no_id);
        op->period = (uint32_t)DS_GET(&record.swap, swap, period, 0);
    } else if (op->type == DS_REC_visit) {
        op->subjects[0] = DS_GET(&record.visit, visit, premises, no_id);
        op->subjects[1] = DS_GET(&record.visit, visit, meter, no_id);
        op->period = (uint32_t)DS_GET(&record.visit, visit, period, 0);
    } else {
        op->subjects[0] = DS_GET(&record.meter, meter, premises, no_id);
        op->subjects[1] = DS_GET(&record.meter, meter, book, no_id);
    }
    return DS_OK;
}

/* ---- The sealed copy. ---- */

static void put_batch_header(const struct ds_handheld *h, const struct ds_own_op *op,
                             const struct ds_incarnation *incarnation, struct ds_builder *out)
{
    struct ds_batch batch = {.suite = DS_SUITE,
                             .station = h->identity.station,
                             .device = h->identity.device,
                             .incarnation = *incarnation,
                             .lane = DS_LANE_WORK,
                             .first_seq = op->seq,
                             .count = 1,
                             .before = op->before,
                             .head = ds_own_chain_after(op),
                             .epoch = op->epoch,
                             .boot = op->boot,
                             .base_ms = op->base_ms,
                             .source = op->source};
    ds_batch_put_header(out, &batch);
}

enum ds_err ds_own_put_outbox(struct ds_handheld *h, struct ds_txn *txn, const struct ds_own_op *op)
{
    struct ds_own_life life = {.incarnation = h->writer.incarnation};
    if (op->life != h->writer.life) {
        DS_TRY(ds_own_life_load(h, txn, op->life, &life));
    }
    uint8_t head_bytes[BATCH_HEAD_MAX];
    struct ds_builder head;
    struct ds_slice header;
    ds_builder_init(&head, head_bytes, sizeof(head_bytes));
    put_batch_header(h, op, &life.incarnation, &head);
    DS_TRY(ds_builder_end(&head, &header));
    struct ds_signature signature;
    ds_sign(&h->identity.sign_seed, DS_LABEL_BATCH, header, &signature);

    size_t mark = ds_arena_mark(&h->arena);
    size_t size = op->raw.size + 2 * BATCH_HEAD_MAX;
    struct ds_builder batch;
    struct ds_builder value;
    ds_builder_init(&batch, ds_arena_room(&h->arena, size), size);
    ds_builder_init(&value, ds_arena_room(&h->arena, size), size);
    if (batch.data == NULL || value.data == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_batch_put(&batch, header, op->raw, signature.byte);
    struct ds_hash after = ds_own_chain_after(op);
    ds_put_u32(&value, op->life);
    ds_put_u64(&value, op->seq);
    ds_put_hash(&value, &after);
    struct ds_slice bytes;
    struct ds_key key;
    enum ds_err err = ds_builder_end(&batch, &bytes);
    err = err != DS_OK ? err : ds_seal(&h->identity.server_box, bytes, &h->ports.random, &value);
    err = err != DS_OK ? err : ds_builder_end(&value, &bytes);
    err = err != DS_OK ? err
                       : ds_safe_put(&h->vault, txn, DS_KEPT_OUTBOX, order_key(op->order, &key),
                                     bytes, &h->arena);
    ds_arena_rewind(&h->arena, mark);
    return err;
}

/* ---- Recording. ---- */

struct ds_id ds_own_next_id(const struct ds_handheld *h)
{
    return ds_op_id(&h->writer.incarnation, DS_LANE_WORK, h->writer.seq + 1);
}

/* Evidence of time: running time since the boot, and how far the wall clock has moved against it
 * since the base was taken. One base per boot, so that batches need not be cut for it. */
static void put_time(struct ds_handheld *h, int64_t now_ms, struct ds_op *op)
{
    uint64_t mono_ms = ds_ports_mono_ms(&h->ports);
    op->mono_ms = mono_ms < DS_MONO_MS_MAX ? mono_ms : DS_MONO_MS_MAX;
    if (h->writer.boot != h->ports.boot) {
        h->writer.boot = h->ports.boot;
        h->writer.base_ms = now_ms - (int64_t)op->mono_ms;
    }
    int64_t shift = now_ms - (h->writer.base_ms + (int64_t)op->mono_ms);
    if (shift >= DS_SHIFT_MS_MIN || shift <= -DS_SHIFT_MS_MIN) {
        op->shift_ms = shift;
    }
}

static enum ds_err put_raw(struct ds_handheld *h, const struct ds_own_draft *draft, int64_t now_ms,
                           struct ds_slice *raw)
{
    struct ds_op op = {
        .type = draft->type, .id = draft->entity, .seen = draft->seen, .fields = draft->fields};
    put_time(h, now_ms, &op);
    size_t size = draft->fields.size + 128;
    struct ds_builder builder;
    ds_builder_init(&builder, ds_arena_room(&h->arena, size), size);
    if (builder.data == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_op_put(&builder, &op);
    DS_TRY(ds_builder_end(&builder, raw));
    return raw->size > DS_OP_SIZE_MAX ? DS_ERR_LIMIT : DS_OK;
}

/* Store an op as the next one of the present life. */
static enum ds_err append(struct ds_handheld *h, struct ds_txn *txn, struct ds_own_op *op)
{
    struct ds_writer *writer = &h->writer;
    struct ds_op parsed;
    if (writer->seq == DS_SEQ_MAX || writer->next_order > UINT32_MAX) {
        return DS_ERR_LIMIT;
    }
    op->order = writer->next_order;
    op->life = writer->life;
    op->seq = writer->seq + (DS_MUTANT("reuse_sequence") && writer->seq % 5 == 4 ? 0 : 1);
    op->before = writer->chain;
    op->id = ds_own_next_id(h);
    DS_TRY(ds_own_parse(op, &parsed));
    op->type = (uint8_t)parsed.type;
    op->entity = ds_id_is_none(&parsed.id) ? op->id : parsed.id;
    DS_TRY(find_subjects(parsed.fields, op));
    DS_TRY(ds_own_store(h, txn, op));
    DS_TRY(link_op(txn, op, true));
    if (writer->acked_order == op->order) {
        writer->oldest_unsent_ms = op->committed_ms;
    }
    writer->seq = op->seq;
    writer->chain = ds_own_chain_after(op);
    writer->next_order++;
    if (op->type == DS_REC_reading) {
        writer->last_reading = op->order;
    }
    h->directory += op->type == DS_REC_meter || op->type == DS_REC_premises;
    return ds_writer_store(&h->vault, txn, &h->arena, writer);
}

enum ds_err ds_own_commit(struct ds_handheld *h, struct ds_txn *txn,
                          const struct ds_own_draft *draft, struct ds_id *op_id)
{
    if (h->writer.life == 0) {
        return DS_ERR_CONFLICT; /* Not enrolled. */
    }
    struct ds_own_op op = {.epoch = h->contact.epoch > 0 ? h->contact.epoch : 1,
                           .boot = h->ports.boot,
                           .source = (uint8_t)h->ports.source,
                           .committed_ms = ds_ports_now_ms(&h->ports)};
    DS_TRY(put_raw(h, draft, op.committed_ms, &op.raw));
    op.base_ms = h->writer.base_ms;
    DS_TRY(append(h, txn, &op));
    DS_TRY(ds_own_put_outbox(h, txn, &op));
    *op_id = op.id;
    return DS_OK;
}

enum ds_err ds_own_take_back(struct ds_handheld *h, struct ds_txn *txn, struct ds_own_op *op)
{
    struct ds_op parsed;
    DS_TRY(ds_own_parse(op, &parsed));
    op->committed_ms = op->base_ms + (int64_t)parsed.mono_ms + parsed.shift_ms;
    return append(h, txn, op);
}

/* ---- Lives. ---- */

static struct ds_slice life_key(uint32_t number, uint8_t bytes[static 4])
{
    struct ds_builder builder;
    ds_builder_init(&builder, bytes, 4);
    ds_put_u32(&builder, number);
    return (struct ds_slice){bytes, 4};
}

enum ds_err ds_own_life_load(struct ds_handheld *h, struct ds_txn *txn, uint32_t number,
                             struct ds_own_life *life)
{
    uint8_t bytes[4];
    struct ds_slice clear;
    struct ds_cursor cursor;
    memset(life, 0, sizeof(*life));
    DS_TRY(ds_safe_get(&h->vault, txn, DS_KEPT_LIFE, life_key(number, bytes), &h->arena, &clear));
    ds_cursor_init(&cursor, clear);
    life->number = number;
    for (size_t i = 0; i < sizeof(life->incarnation.byte); i++) {
        life->incarnation.byte[i] = ds_take_u8(&cursor);
    }
    for (size_t i = 0; i < sizeof(life->branch.byte); i++) {
        life->branch.byte[i] = ds_take_u8(&cursor);
    }
    life->branch_seq = ds_take_u64(&cursor);
    life->first_order = ds_take_u64(&cursor);
    life->last_seq = ds_take_u64(&cursor);
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_own_life_store(struct ds_handheld *h, struct ds_txn *txn,
                              const struct ds_own_life *life)
{
    uint8_t memory[LIFE_SIZE_MAX];
    uint8_t bytes[4];
    struct ds_builder builder;
    struct ds_slice clear;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_put_bytes(&builder, DS_SLICE_OF(life->incarnation.byte));
    ds_put_bytes(&builder, DS_SLICE_OF(life->branch.byte));
    ds_put_u64(&builder, life->branch_seq);
    ds_put_u64(&builder, life->first_order);
    ds_put_u64(&builder, life->last_seq);
    DS_TRY(ds_builder_end(&builder, &clear));
    return ds_safe_put(&h->vault, txn, DS_KEPT_LIFE, life_key(life->number, bytes), clear,
                       &h->arena);
}

static enum ds_err end_life(struct ds_handheld *h, struct ds_txn *txn, struct ds_own_life *ended)
{
    DS_TRY(ds_own_life_load(h, txn, h->writer.life, ended));
    ended->last_seq = h->writer.seq;
    return ds_own_life_store(h, txn, ended);
}

/* The first op of a life: its parent, under the name by which the server knows the parent's end. */
static enum ds_err record_life(struct ds_handheld *h, struct ds_txn *txn,
                               const struct ds_own_life *parent, const char *reason)
{
    uint8_t memory[256];
    struct ds_builder builder;
    struct ds_own_draft draft = {.type = DS_REC_life};
    struct ds_life record = {0};
    const struct ds_incarnation *name =
        ds_incarnation_is_none(&parent->branch) ? &parent->incarnation : &parent->branch;
    if (parent->number > 0) {
        DS_SET(&record, life, parent, DS_SLICE_OF(name->byte));
        DS_SET(&record, life, parent_work_seq, (int64_t)parent->last_seq);
        DS_SET(&record, life, parent_track_seq, 0);
    }
    DS_SET(&record, life, reason, ds_slice_of_text(reason));
    ds_builder_init(&builder, memory, sizeof(memory));
    DS_TRY(ds_record_encode(ds_record_type_by_number(DS_REC_life), &record, &builder));
    DS_TRY(ds_builder_end(&builder, &draft.fields));
    struct ds_id op_id;
    return ds_own_commit(h, txn, &draft, &op_id);
}

enum ds_err ds_own_life_begin(struct ds_handheld *h, struct ds_txn *txn, const char *reason)
{
    struct ds_writer *writer = &h->writer;
    struct ds_own_life parent = {0};
    if (writer->life >= DS_LIVES_MAX) {
        return DS_ERR_LIMIT;
    }
    if (writer->life > 0) {
        DS_TRY(end_life(h, txn, &parent));
    }
    struct ds_own_life life = {.number = writer->life + 1, .first_order = writer->next_order};
    while (ds_incarnation_is_none(&life.incarnation)) {
        ds_ports_random(&h->ports, life.incarnation.byte, sizeof(life.incarnation.byte));
    }
    DS_TRY(ds_own_life_store(h, txn, &life));
    writer->life = life.number;
    writer->incarnation = life.incarnation;
    writer->seq = 0;
    writer->chain = ds_chain_start(&life.incarnation, DS_LANE_WORK);
    return record_life(h, txn, &parent, reason);
}

static enum ds_err rename_op(struct ds_handheld *h, struct ds_txn *txn, uint64_t order,
                             const struct ds_incarnation *branch)
{
    struct ds_own_op op;
    DS_TRY(ds_own_load(h, txn, order, &op));
    DS_TRY(link_op(txn, &op, false));
    struct ds_id renamed = ds_op_id(branch, DS_LANE_WORK, op.seq);
    if (ds_id_equal(&op.entity, &op.id)) {
        op.entity = renamed;
    }
    op.id = renamed;
    DS_TRY(link_op(txn, &op, true));
    return ds_own_store(h, txn, &op);
}

enum ds_err ds_own_life_branch(struct ds_handheld *h, struct ds_txn *txn, struct ds_own_life *life,
                               const struct ds_incarnation *branch, uint64_t seq)
{
    life->branch = *branch;
    life->branch_seq = seq;
    DS_TRY(ds_own_life_store(h, txn, life));
    uint64_t last = life->number == h->writer.life ? h->writer.seq : life->last_seq;
    for (uint64_t at = seq; at <= last; at++) {
        size_t mark = ds_arena_mark(&h->arena);
        enum ds_err err = rename_op(h, txn, life->first_order + at - 1, branch);
        ds_arena_rewind(&h->arena, mark);
        DS_TRY(err);
    }
    return DS_OK;
}

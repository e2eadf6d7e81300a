#include "sync/shard/prove.h"

#include "sync/core/proof.h"
#include "sync/shard/shard_impl.h"

#include <string.h>

enum { HEAD_ROOM = 512 };

enum ds_err ds_shard_sign_head(struct ds_shard *shard, struct ds_txn *txn, struct ds_builder *bytes,
                               struct ds_signature *signature, struct ds_head *head)
{
    struct ds_receipt receipt = {.lane_count = 0};
    struct ds_slice made;
    size_t begin = bytes->used;
    DS_TRY(ds_shard_head(shard, txn, &receipt.head));
    *head = receipt.head;
    ds_receipt_put(bytes, &receipt);
    DS_TRY(ds_builder_end(bytes, &made));
    made = (struct ds_slice){made.data + begin, made.size - begin};
    ds_sign(&shard->secret.sign, DS_LABEL_RECEIPT, made, signature);
    return DS_OK;
}

/* ---- Making. ---- */

static struct ds_signature signature_at(const uint8_t *bytes)
{
    struct ds_signature signature;
    memcpy(signature.byte, bytes, sizeof(signature.byte));
    return signature;
}

static enum ds_err show_op(const struct ds_batch *batch, uint64_t seq, struct ds_arena *arena,
                           struct ds_op_proof *proof)
{
    struct ds_cursor cursor;
    uint64_t behind = batch->first_seq + batch->count - 1 - seq;
    proof->before = batch->before;
    proof->behind = ds_arena_alloc(arena, (size_t)(behind + 1) * sizeof(*proof->behind));
    if (proof->behind == NULL) {
        return DS_ERR_LIMIT;
    }
    proof->behind_count = 0;
    ds_cursor_init(&cursor, batch->ops);
    for (uint64_t i = 0; i < batch->count; i++) {
        struct ds_op op;
        if (ds_op_take(&cursor, &op, NULL) != DS_OK) {
            return DS_ERR_INTEGRITY;
        }
        if (batch->first_seq + i < seq) {
            proof->before = ds_chain_next(&proof->before, op.raw);
        } else if (batch->first_seq + i == seq) {
            proof->op = op.raw;
        } else {
            proof->behind[proof->behind_count++] = ds_op_hash(op.raw);
        }
    }
    return DS_OK;
}

static enum ds_err show_entry(struct ds_txn *txn, uint64_t seq, struct ds_arena *arena,
                              struct ds_op_proof *proof)
{
    struct ds_key key = ds_key_journal(proof->position);
    struct ds_slice stored;
    struct ds_slice bytes;
    struct ds_entry entry;
    struct ds_batch batch;
    struct ds_builder stub;
    DS_TRY(ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &stored));
    DS_TRY(ds_arena_copy(arena, stored, &bytes));
    bool sound = ds_entry_parse(bytes, &entry, NULL) == DS_OK && entry.kind == DS_ENTRY_BATCH &&
                 ds_batch_parse(entry.batch, &batch, NULL) == DS_OK && seq >= batch.first_seq &&
                 seq - batch.first_seq < batch.count;
    if (!sound) {
        return DS_ERR_INTEGRITY;
    }
    uint8_t *memory = ds_arena_alloc(arena, DS_STUB_SIZE_MAX);
    if (memory == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_builder_init(&stub, memory, DS_STUB_SIZE_MAX);
    DS_TRY(ds_entry_put_stub(&stub, &entry));
    DS_TRY(ds_builder_end(&stub, &proof->stub));
    proof->header = batch.header;
    proof->signature = signature_at(batch.signature);
    DS_TRY(ds_device_key(txn, &batch.device, &proof->device_key));
    return show_op(&batch, seq, arena, proof);
}

enum ds_err ds_op_prove(struct ds_shard *shard, struct ds_txn *txn, const struct ds_id *op,
                        struct ds_arena *arena, struct ds_op_proof *proof)
{
    struct ds_incarnation name;
    struct ds_hash chain;
    struct ds_head head;
    struct ds_builder builder;
    uint64_t seq = 0;
    memset(proof, 0, sizeof(*proof));
    memcpy(name.byte, op->byte, sizeof(name.byte));
    uint8_t lane = op->byte[sizeof(name.byte)];
    for (size_t i = sizeof(name.byte) + 1; i < sizeof(op->byte); i++) {
        seq = seq << 8 | op->byte[i];
    }
    if (seq == 0 || (lane != DS_LANE_WORK && lane != DS_LANE_TRACK)) {
        return DS_ERR_NOT_FOUND;
    }
    DS_TRY(ds_chain_at(txn, &name, lane, seq, &chain, &proof->position));
    DS_TRY(show_entry(txn, seq, arena, proof));
    uint8_t *memory = ds_arena_alloc(arena, HEAD_ROOM);
    if (memory == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_builder_init(&builder, memory, HEAD_ROOM);
    DS_TRY(ds_shard_sign_head(shard, txn, &builder, &proof->head_signature, &head));
    DS_TRY(ds_builder_end(&builder, &proof->head));
    proof->server_key = shard->sign_public;
    return ds_prove_inclusion(txn, proof->position - 1, head.size, &proof->path);
}

/* ---- Checking. ---- */

static enum ds_err wrong(struct ds_detail *detail, const char *what)
{
    ds_detail_set(detail, what, NULL);
    return DS_ERR_SIGNATURE;
}

static enum ds_err check_head(const struct ds_op_proof *proof, const struct ds_hash *server_key,
                              struct ds_op_shown *shown, struct ds_detail *detail)
{
    struct ds_receipt receipt;
    if (!ds_verify(server_key, DS_LABEL_RECEIPT, proof->head, &proof->head_signature)) {
        return wrong(detail, "the head is not signed by that server");
    }
    DS_TRY(ds_receipt_parse(proof->head, &receipt));
    shown->head = receipt.head;
    return DS_OK;
}

/* Header and signature are a device's of this station, and the stub holds them. */
static enum ds_err check_batch(const struct ds_op_proof *proof, struct ds_op_shown *shown,
                               struct ds_detail *detail)
{
    struct ds_hash sealed = ds_sealed_hash(proof->header, proof->signature.byte);
    struct ds_id device =
        ds_id_of(&shown->head.station, DS_REC_device, DS_SLICE_OF(proof->device_key.byte));
    DS_TRY(ds_batch_parse_header(proof->header, &shown->batch, detail));
    if (!ds_verify(&proof->device_key, DS_LABEL_BATCH, proof->header, &proof->signature)) {
        return wrong(detail, "the batch is not signed by that device key");
    }
    if (!ds_id_equal(&device, &shown->batch.device) ||
        !ds_id_equal(&shown->head.station, &shown->batch.station)) {
        return wrong(detail, "the batch is of another device or station");
    }
    DS_TRY(ds_entry_parse(proof->stub, &shown->entry, detail));
    if (shown->entry.kind != DS_ENTRY_BATCH ||
        !ds_slice_equal(shown->entry.batch, DS_SLICE_OF(sealed.byte))) {
        return wrong(detail, "the stub does not hold this header and signature");
    }
    return DS_OK;
}

static enum ds_err check_op(const struct ds_op_proof *proof, struct ds_op_shown *shown,
                            struct ds_detail *detail)
{
    const struct ds_batch *batch = &shown->batch;
    struct ds_hash chain = ds_chain_next(&proof->before, proof->op);
    struct ds_cursor cursor;
    if (proof->behind_count >= batch->count) {
        return wrong(detail, "more ops than the batch has");
    }
    for (size_t i = 0; i < proof->behind_count; i++) {
        chain = ds_chain_step(&chain, &proof->behind[i]);
    }
    if (!ds_hash_equal(&chain, &batch->head)) {
        return wrong(detail, "the op is not in this batch");
    }
    ds_cursor_init(&cursor, proof->op);
    DS_TRY(ds_op_take(&cursor, &shown->op, detail));
    DS_TRY(ds_cursor_end(&cursor));
    shown->seq = batch->first_seq + batch->count - 1 - proof->behind_count;
    shown->id = ds_op_id(&batch->incarnation, batch->lane, shown->seq);
    return DS_OK;
}

enum ds_err ds_op_check(const struct ds_op_proof *proof, const struct ds_hash *server_key,
                        struct ds_op_shown *shown, struct ds_detail *detail)
{
    struct ds_hash leaf = ds_tree_leaf(proof->stub);
    memset(shown, 0, sizeof(*shown));
    DS_TRY(check_head(proof, server_key, shown, detail));
    DS_TRY(check_batch(proof, shown, detail));
    DS_TRY(check_op(proof, shown, detail));
    if (proof->position == 0 || !ds_check_inclusion(&leaf, proof->position - 1, shown->head.size,
                                                    &shown->head.root, &proof->path)) {
        return wrong(detail, "the entry is not under this head");
    }
    return DS_OK;
}

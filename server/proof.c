#include "server/proof.h"

#include "sync/core/proof.h"

static void put_hex(struct ds_builder *out, const char *name, struct ds_slice bytes)
{
    ds_put_text(out, ",\"");
    ds_put_text(out, name);
    ds_put_text(out, "\":\"");
    ds_put_hex(out, bytes);
    ds_put_text(out, "\"");
}

static void put_number(struct ds_builder *out, const char *name, uint64_t number)
{
    ds_put_text(out, ",\"");
    ds_put_text(out, name);
    ds_put_text(out, "\":");
    ds_put_decimal(out, (int64_t)number);
}

static void put_hashes(struct ds_builder *out, const char *name, const struct ds_hash *hashes,
                       size_t count)
{
    ds_put_text(out, ",\"");
    ds_put_text(out, name);
    ds_put_text(out, "\":[");
    for (size_t i = 0; i < count; i++) {
        ds_put_text(out, i > 0 ? ",\"" : "\"");
        ds_put_hex(out, DS_SLICE_OF(hashes[i].byte));
        ds_put_text(out, "\"");
    }
    ds_put_text(out, "]");
}

static void put_op(struct ds_builder *out, const struct ds_op_proof *proof)
{
    ds_put_text(out, "{\"proof\":\"doorstep op 1\"");
    put_hex(out, "server_key", DS_SLICE_OF(proof->server_key.byte));
    put_hex(out, "head", proof->head);
    put_hex(out, "head_signature", DS_SLICE_OF(proof->head_signature.byte));
    put_number(out, "position", proof->position);
    put_hashes(out, "path", proof->path.hash, proof->path.count);
    put_hex(out, "stub", proof->stub);
    put_hex(out, "header", proof->header);
    put_hex(out, "signature", DS_SLICE_OF(proof->signature.byte));
    put_hex(out, "device_key", DS_SLICE_OF(proof->device_key.byte));
    put_hex(out, "before", DS_SLICE_OF(proof->before.byte));
    put_hex(out, "op", proof->op);
    put_hashes(out, "behind", proof->behind, proof->behind_count);
    ds_put_text(out, "}");
}

enum ds_err ds_proof_put_op(struct ds_site *site, const struct ds_id *op, struct ds_arena *arena,
                            struct ds_builder *out)
{
    struct ds_op_proof *proof = ds_arena_alloc(arena, sizeof(*proof));
    struct ds_txn *txn = NULL;

    if (proof == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_store_begin(site->store, false, &txn));
    enum ds_err err = ds_op_prove(&site->shard, txn, op, arena, proof);

    if (err == DS_OK) {
        put_op(out, proof);
    }
    ds_txn_abort(txn);
    return err;
}

static enum ds_err put_range(struct ds_txn *txn, uint64_t from, uint64_t to, struct ds_builder *out)
{
    struct ds_shard_meta meta;
    struct ds_proof proof;
    struct ds_hash from_root;
    struct ds_hash root;

    DS_TRY(ds_meta_load(txn, &meta));
    to = to == 0 ? meta.size : to;
    if (from == 0 || from > to || to > meta.size) {
        return DS_ERR_USAGE;
    }
    DS_TRY(ds_prove_consistency(txn, from, to, &proof));
    DS_TRY(ds_nodes_root(txn, from, &from_root));
    DS_TRY(ds_nodes_root(txn, to, &root));
    ds_put_text(out, "{\"proof\":\"doorstep consistency 1\"");
    put_number(out, "from", from);
    put_hex(out, "from_root", DS_SLICE_OF(from_root.byte));
    put_number(out, "to", to);
    put_hex(out, "root", DS_SLICE_OF(root.byte));
    put_hashes(out, "path", proof.hash, proof.count);
    ds_put_text(out, "}");
    return DS_OK;
}

enum ds_err ds_proof_put_range(struct ds_site *site, uint64_t from, uint64_t to,
                               struct ds_builder *out)
{
    struct ds_txn *txn = NULL;

    DS_TRY(ds_store_begin(site->store, false, &txn));
    enum ds_err err = put_range(txn, from, to, out);

    ds_txn_abort(txn);
    return err;
}

enum ds_err ds_proof_put_head(struct ds_site *site, struct ds_builder *out)
{
    struct ds_txn *txn = NULL;
    struct ds_signature signature;
    struct ds_head head;
    uint8_t memory[512];
    struct ds_builder builder;

    ds_builder_init(&builder, memory, sizeof(memory));
    DS_TRY(ds_store_begin(site->store, false, &txn));
    enum ds_err err = ds_shard_sign_head(&site->shard, txn, &builder, &signature, &head);

    ds_txn_abort(txn);
    DS_TRY(err);
    ds_put_text(out, "{\"epoch\":");
    ds_put_decimal(out, (int64_t)head.epoch);
    put_number(out, "size", head.size);
    put_hex(out, "root", DS_SLICE_OF(head.root.byte));
    put_number(out, "instant_ms", (uint64_t)head.instant_ms);
    put_hex(out, "bytes", (struct ds_slice){builder.data, builder.used});
    put_hex(out, "signature", DS_SLICE_OF(signature.byte));
    put_hex(out, "sign_key", DS_SLICE_OF(site->shard.sign_public.byte));
    ds_put_text(out, "}");
    return DS_OK;
}

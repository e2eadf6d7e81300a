/* Inclusion proofs: that one op, a reading say, stands in the journal under a head that the server
 * signed; made by the server, checked by anybody (FORMAT.md, "Proofs").
 *
 * A proof shows the op's own bytes, its batch's header and signature, and hashes: of the ops before
 * it one, of each behind it in the batch one, and the path through the tree. Nothing else of the
 * journal is shown. Checking needs the server's key, and neither store nor network. */
#ifndef DS_SYNC_SHARD_PROVE_H
#define DS_SYNC_SHARD_PROVE_H

#include "sync/shard/shard.h"

struct ds_op_proof {
    struct ds_hash server_key;
    struct ds_slice head; /* The signed map: response key 11, of no device. */
    struct ds_signature head_signature;
    uint64_t position; /* Of the entry. */
    struct ds_proof path;
    struct ds_slice stub;
    struct ds_slice header; /* Of the batch. */
    struct ds_signature signature;
    struct ds_hash device_key;
    struct ds_hash before;  /* Chain hash before the op. */
    struct ds_slice op;     /* Its bytes. */
    struct ds_hash *behind; /* Hashes of the ops behind it in the batch. */
    size_t behind_count;    /* At most DS_BATCH_OPS_MAX - 1. */
};
/* The head of the transaction's snapshot as it is signed, into bytes. */
DS_NODISCARD enum ds_err ds_shard_sign_head(struct ds_shard *shard, struct ds_txn *txn,
                                            struct ds_builder *bytes,
                                            struct ds_signature *signature, struct ds_head *head);
/* Slices and hashes live in the arena. DS_ERR_NOT_FOUND: no such op in this journal. */
DS_NODISCARD enum ds_err ds_op_prove(struct ds_shard *shard, struct ds_txn *txn,
                                     const struct ds_id *op, struct ds_arena *arena,
                                     struct ds_op_proof *proof);

struct ds_op_shown { /* What a proof shows, where it is one. */
    struct ds_head head;
    struct ds_entry entry; /* Its batch is the hash that stands for it. */
    struct ds_batch batch; /* The header's fields. */
    struct ds_op op;
    struct ds_id id; /* Of the op, by the incarnation in the header. */
    uint64_t seq;
};
/* server_key: what the checker trusts. DS_ERR_SIGNATURE: detail says which step fails;
 * DS_ERR_DECODE. */
DS_NODISCARD enum ds_err ds_op_check(const struct ds_op_proof *proof,
                                     const struct ds_hash *server_key, struct ds_op_shown *shown,
                                     struct ds_detail *detail);

#endif

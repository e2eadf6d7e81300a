/* Ops, sealed batches, journal entries and heads: parse and build their canonical bytes.
 *
 * FORMAT.md is the contract; this is its C form. Parsed structs borrow the bytes they were parsed
 * from. Parsing is strict and allocation-free, and trusts nothing. Pure: no keys, no randomness;
 * signatures are checked by sync/shard. */
#ifndef DS_SYNC_CORE_OP_H
#define DS_SYNC_CORE_OP_H

#include "schema/base/bytes.h"
#include "sync/core/hash.h"

#define DS_OP_SIZE_MAX 32768
#define DS_BATCH_OPS_MAX 1000
#define DS_BATCH_SIZE_MAX 262144
#define DS_ENTRY_SIZE_MAX (DS_BATCH_SIZE_MAX + 512)
#define DS_SEQ_MAX ((UINT64_C(1) << 56) - 1)
#define DS_ERASED_MAX 256                    /* Key ids in one erase entry. */
#define DS_INSTANT_MS_MAX (INT64_C(1) << 48) /* Year 10889; instants lie within +- this. */
#define DS_MONO_MS_MAX (UINT64_C(1) << 48)
#define DS_SOURCE_MAX 127    /* Numbers of the list clock_source, later ones too. */
#define DS_SHIFT_MS_MIN 1000 /* A smaller shift of an op is not written. */

#define DS_LABEL_BATCH DS_SLICE_LIT("doorstep batch 1")
#define DS_LABEL_RECEIPT DS_SLICE_LIT("doorstep receipt 1")
#define DS_LABEL_ENROL DS_SLICE_LIT("doorstep enrol 1")
#define DS_LABEL_ENROLLED DS_SLICE_LIT("doorstep enrolled 1")
#define DS_LABEL_ADMIN DS_SLICE_LIT("doorstep admin 1")

enum ds_lane { DS_LANE_WORK = 1, DS_LANE_TRACK = 2 };

struct ds_incarnation { /* A writer's name; all zero: none. */
    uint8_t byte[8];
};
bool ds_incarnation_equal(const struct ds_incarnation *a, const struct ds_incarnation *b);
bool ds_incarnation_is_none(const struct ds_incarnation *incarnation);

/* incarnation, lane, seq as 16 bytes. */
struct ds_id ds_op_id(const struct ds_incarnation *incarnation, enum ds_lane lane, uint64_t seq);

struct ds_op {
    uint64_t type;   /* Record number; may be unknown to this build. */
    struct ds_id id; /* None: the op's own id. */
    uint64_t seen;
    uint64_t mono_ms;
    int64_t shift_ms;
    uint64_t source;        /* 0: the header's. */
    struct ds_slice fields; /* Canonical map tag -> value. */
    struct ds_slice raw;    /* The whole op. */
};
/* Take one op from the cursor; DS_ERR_DECODE or DS_ERR_LIMIT with detail. */
DS_NODISCARD enum ds_err ds_op_take(struct ds_cursor *cursor, struct ds_op *op,
                                    struct ds_detail *detail);
/* Write one op; raw is ignored. */
void ds_op_put(struct ds_builder *builder, const struct ds_op *op);

struct ds_hash ds_chain_start(const struct ds_incarnation *incarnation, enum ds_lane lane);
struct ds_hash ds_chain_next(const struct ds_hash *before, struct ds_slice op);
/* The same in two steps: whoever proves one op shows of the others their hashes alone (proof.h). */
struct ds_hash ds_op_hash(struct ds_slice op);
struct ds_hash ds_chain_step(const struct ds_hash *before, const struct ds_hash *op_hash);
/* Name of the branch whose first diverging op leaves the chain at `after`. */
struct ds_incarnation ds_branch_name(const struct ds_incarnation *incarnation, enum ds_lane lane,
                                     const struct ds_hash *after);

struct ds_batch {
    uint64_t suite;
    struct ds_id station;
    struct ds_id device;
    struct ds_incarnation incarnation;
    enum ds_lane lane;
    uint64_t first_seq;
    uint64_t count;
    struct ds_hash before;
    struct ds_hash head;
    uint64_t epoch;
    uint64_t boot;
    int64_t base_ms;
    uint64_t source;
    struct ds_slice header;   /* Bytes that are signed. */
    struct ds_slice ops;      /* The ops' bytes, one after another. */
    const uint8_t *signature; /* 64 bytes. */
    struct ds_slice raw;      /* The whole batch. */
};
/* Parse and check everything but the signature and the chain's beginning: canonical form, limits,
 * count of ops, each op's form, and that the ops lead from `before` to `head`. */
DS_NODISCARD enum ds_err ds_batch_parse(struct ds_slice bytes, struct ds_batch *batch,
                                        struct ds_detail *detail);
/* Only the header's fields and the split into parts; for bytes already checked once. */
DS_NODISCARD enum ds_err ds_batch_parse_trusted(struct ds_slice bytes, struct ds_batch *batch);
/* Only the fields of a header that stands alone. */
DS_NODISCARD enum ds_err ds_batch_parse_header(struct ds_slice header, struct ds_batch *batch,
                                               struct ds_detail *detail);
/* Write the header of a batch (the fields above; raw, header, signature ignored). */
void ds_batch_put_header(struct ds_builder *builder, const struct ds_batch *batch);
/* Write the three parts as a batch. */
void ds_batch_put(struct ds_builder *builder, struct ds_slice header, struct ds_slice ops,
                  const uint8_t signature[static 64]);

enum ds_entry_kind {
    DS_ENTRY_BATCH = 1,
    DS_ENTRY_TICK = 2,
    DS_ENTRY_ACTIVATE = 3,
    DS_ENTRY_EPOCH = 4,
    DS_ENTRY_ERASE = 5
};
struct ds_entry {
    enum ds_entry_kind kind;
    int64_t instant_ms;
    struct ds_slice batch;
    uint64_t anchor_boot; /* 0 with anchor_mono_ms 0: none. */
    uint64_t anchor_mono_ms;
    struct ds_id carrier; /* None: its signer brought it. */
    uint64_t version;
    uint64_t epoch;
    uint64_t kept_size;
    struct ds_hash kept_root;
    struct ds_id admin;
    const uint8_t *admin_signature; /* 64 bytes or NULL. */
    struct ds_slice erased;         /* Key ids, 16 bytes each. */
};
DS_NODISCARD enum ds_err ds_entry_parse(struct ds_slice bytes, struct ds_entry *entry,
                                        struct ds_detail *detail);
void ds_entry_put(struct ds_builder *builder, const struct ds_entry *entry);
/* The bytes that the administrator signs: the entry's map without key 12. */
void ds_entry_put_unsigned(struct ds_builder *builder, const struct ds_entry *entry);

/* The stub of an entry stands for it in the tree: of a batch entry its map with a hash in the place
 * of the batch's bytes, of another entry its own bytes. That hash holds header and signature, and
 * the header holds the ops by their chain: so the leaf commits to every op, and yet one can be
 * shown without the others (FORMAT.md, "Tree"). */
#define DS_STUB_SIZE_MAX 128 /* Of a batch entry. */
struct ds_hash ds_sealed_hash(struct ds_slice header, const uint8_t signature[static 64]);
/* Of a batch entry. DS_ERR_DECODE if it holds no batch. */
DS_NODISCARD enum ds_err ds_entry_put_stub(struct ds_builder *builder,
                                           const struct ds_entry *entry);
/* bytes are those of the entry. DS_ERR_DECODE likewise. */
DS_NODISCARD enum ds_err ds_entry_leaf(const struct ds_entry *entry, struct ds_slice bytes,
                                       struct ds_hash *leaf);
/* The same from the bytes alone; whatever is wrong with them is DS_ERR_INTEGRITY. */
DS_NODISCARD enum ds_err ds_entry_leaf_of(struct ds_slice bytes, struct ds_hash *leaf);

struct ds_head {
    struct ds_id station;
    uint64_t epoch;
    uint64_t size;
    struct ds_hash root;
    int64_t instant_ms;
};
void ds_head_put(struct ds_builder *builder, const struct ds_head *head);
void ds_head_take(struct ds_cursor *cursor, struct ds_head *head);

/* Append-only Merkle tree, RFC 6962 shape, kept as its frontier: the roots of the full subtrees
 * from left to right, one per set bit of size. */
struct ds_tree {
    uint64_t size;
    struct ds_hash
        peak[64]; /* peak[k]: root of the full subtree of 2^k leaves, if bit k of size. */
};
/* What shows that one tree is the beginning of another, or that a leaf is in it (proof.h). */
#define DS_PROOF_HASHES_MAX 64 /* Of a tree of 2^63 entries. */
struct ds_proof {
    struct ds_hash hash[DS_PROOF_HASHES_MAX];
    size_t count;
};
struct ds_hash ds_tree_leaf(struct ds_slice stub);
struct ds_hash ds_tree_node(const struct ds_hash *left, const struct ds_hash *right);
void ds_tree_append(struct ds_tree *tree, const struct ds_hash *leaf);
struct ds_hash ds_tree_root(const struct ds_tree *tree);

#endif

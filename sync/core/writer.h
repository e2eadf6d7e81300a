/* Writers: what the engine remembers of each incarnation, its lanes and its branches.
 *
 * Duplicates are found by watermark and chain hash, without an index of op ids: a batch that begins
 * at or before the watermark is known exactly when the chain over its ops meets the chain that is
 * stored. Private to sync/core. */
#ifndef DS_SYNC_CORE_WRITER_H
#define DS_SYNC_CORE_WRITER_H

#include "sync/core/engine.h"

struct ds_lane_row { /* Key (incarnation, lane 1 or 2). */
    bool exists;
    struct ds_id device;
    uint64_t next_seq; /* 1 when nothing was folded. */
    struct ds_hash chain;
    uint64_t position; /* Of the last batch. */
};
struct ds_life_row { /* Key (incarnation, lane 0). */
    bool exists;
    struct ds_id device;
    struct ds_incarnation parent; /* None: the first life. */
    uint64_t parent_work_seq;
    uint64_t parent_track_seq;
    struct ds_incarnation child; /* None: nobody named it as parent. */
    uint64_t child_work_seq;     /* What the child knows of it. */
    uint64_t child_track_seq;
    uint8_t branch_count;
    struct {
        uint8_t lane;
        struct ds_incarnation name;
    } branch[DS_BRANCHES_MAX];
};
DS_NODISCARD enum ds_err ds_lane_load(struct ds_txn *txn, const struct ds_incarnation *name,
                                      uint8_t lane, struct ds_lane_row *row);
DS_NODISCARD enum ds_err ds_lane_store(struct ds_txn *txn, const struct ds_incarnation *name,
                                       uint8_t lane, const struct ds_lane_row *row);
DS_NODISCARD enum ds_err ds_life_load(struct ds_txn *txn, const struct ds_incarnation *name,
                                      struct ds_life_row *row);
DS_NODISCARD enum ds_err ds_life_store(struct ds_txn *txn, const struct ds_incarnation *name,
                                       const struct ds_life_row *row);

#define DS_HEIRS_MAX 16
/* The lives that go on where this one ended, nearest first, as far as the table reaches, each with
 * how much of it they knew. */
DS_NODISCARD enum ds_err ds_heirs_load(struct ds_txn *txn, const struct ds_incarnation *name,
                                       struct ds_heir heirs[static DS_HEIRS_MAX], size_t *count);

struct ds_bound_row { /* One folded run of a lane, keyed by its last sequence. */
    uint64_t position;
    uint64_t first_seq;
    struct ds_hash chain; /* After the last op. */
};
DS_NODISCARD enum ds_err ds_bound_store(struct ds_txn *txn, const struct ds_incarnation *name,
                                        uint8_t lane, uint64_t last_seq,
                                        const struct ds_bound_row *row);
/* The chain hash after seq of a lane, and where it was folded; walks the journal inside a batch
 * where seq is no bound. DS_ERR_NOT_FOUND beyond the watermark. */
DS_NODISCARD enum ds_err ds_chain_at(struct ds_txn *txn, const struct ds_incarnation *name,
                                     uint8_t lane, uint64_t seq, struct ds_hash *chain,
                                     uint64_t *position);

/* Which run was folded at a position: for saying whose entry it is that is damaged; walks the whole
 * table. DS_ERR_NOT_FOUND. */
struct ds_bound_name {
    struct ds_incarnation name;
    uint8_t lane;
    uint64_t first_seq;
    uint64_t last_seq;
};
DS_NODISCARD enum ds_err ds_bound_at(struct ds_txn *txn, uint64_t position,
                                     struct ds_bound_name *bound);

/* How a batch relates to what is known. */
enum ds_judgement {
    DS_JUDGED_NEW,       /* Some ops are new, the rest is known. */
    DS_JUDGED_DUPLICATE, /* All known. */
    DS_JUDGED_GAP,       /* Begins beyond the watermark, or hangs on nothing we know. */
    DS_JUDGED_FORK,      /* Same sequence, other content: a new branch. */
};
struct ds_judged {
    enum ds_judgement kind;
    struct ds_incarnation writer; /* The incarnation, a branch of it, or the new branch's name. */
    uint64_t first_new;           /* Sequence of the first op to fold. */
    uint64_t position;            /* DUPLICATE: where its last op was folded. */
    struct ds_hash branch_point;  /* FORK: chain hash before the first diverging op. */
    struct ds_incarnation parent; /* FORK: the incarnation, or the branch that it leaves. */
};
DS_NODISCARD enum ds_err ds_judge_batch(struct ds_txn *txn, const struct ds_batch *batch,
                                        struct ds_judged *judged);

#endif

/* Own ops: what was recorded here, in order, over all lives of the store.
 *
 * An op's order counts up over the store's whole life; sequences count per life (incarnation). An
 * op is written once, with its sealed copy in the outbox, in the caller's transaction; later only
 * the position at which the server folded it is filled in. Links lead from what an op is about (an
 * entity, a meter) to the op. */
#ifndef DS_HANDHELD_SDK_SRC_OWN_H
#define DS_HANDHELD_SDK_SRC_OWN_H

#include "handheld-sdk/src/handheld.h"

#define DS_SUBJECTS_MAX 3
#define DS_LIVES_MAX 256 /* Of one store. */

struct ds_own_op {
    uint64_t order;
    uint32_t life;
    uint64_t seq;
    struct ds_hash before; /* Chain before the op. */
    uint64_t epoch;
    uint64_t boot;
    int64_t base_ms;
    uint8_t source;
    int64_t committed_ms; /* Own clock. */
    bool acked;
    uint64_t position; /* Where it was folded; 0: not known. */
    uint8_t type;
    struct ds_id id;     /* The op's, by the name under which the server knows it. */
    struct ds_id entity; /* Of an event: the op's id. */
    struct ds_id subjects[DS_SUBJECTS_MAX]; /* What else it is about; none: unused. */
    uint32_t period;                        /* 0: none. */
    struct ds_slice raw;                    /* The op's canonical bytes. */
};

struct ds_own_draft {
    uint8_t type;
    struct ds_id entity; /* None: the op's own id. */
    uint64_t seen;
    struct ds_slice fields; /* Canonical map, as an op carries it. */
};

struct ds_own_life {
    uint32_t number; /* From 1. */
    struct ds_incarnation incarnation;
    struct ds_incarnation branch; /* None, or the name of its ops from branch_seq on. */
    uint64_t branch_seq;
    uint64_t first_order; /* Of sequence 1; orders and sequences of a life run together. */
    uint64_t last_seq;    /* When it ended; 0: it is the present one. */
};

/* Record an op; *op_id is its id. DS_ERR_LIMIT: larger than DS_OP_SIZE_MAX. */
DS_NODISCARD enum ds_err ds_own_commit(struct ds_handheld *h, struct ds_txn *txn,
                                       const struct ds_own_draft *draft, struct ds_id *op_id);
/* Take in an op that was recorded here but forgotten since: of the present life, the next in its
 * chain. op needs epoch, boot, base_ms, source and raw. */
DS_NODISCARD enum ds_err ds_own_take_back(struct ds_handheld *h, struct ds_txn *txn,
                                          struct ds_own_op *op);
/* The id that the next op will have. */
struct ds_id ds_own_next_id(const struct ds_handheld *h);

/* raw lives in the arena. DS_ERR_NOT_FOUND: never there, or no longer kept. */
DS_NODISCARD enum ds_err ds_own_load(struct ds_handheld *h, struct ds_txn *txn, uint64_t order,
                                     struct ds_own_op *op);
DS_NODISCARD enum ds_err ds_own_store(struct ds_handheld *h, struct ds_txn *txn,
                                      const struct ds_own_op *op);
struct ds_hash ds_own_chain_after(const struct ds_own_op *op);
/* The op's canonical parts. */
DS_NODISCARD enum ds_err ds_own_parse(const struct ds_own_op *op, struct ds_op *parsed);
/* The sealed copy that can be delivered while the vault is locked. */
DS_NODISCARD enum ds_err ds_own_put_outbox(struct ds_handheld *h, struct ds_txn *txn,
                                           const struct ds_own_op *op);
/* Drop an op that need not be kept: the op and its links. */
DS_NODISCARD enum ds_err ds_own_forget(struct ds_handheld *h, struct ds_txn *txn, uint64_t order);

/* Walk the ops about a subject, oldest first: start with ds_own_about(); DS_ERR_NOT_FOUND ends. */
struct ds_key ds_own_about(const struct ds_id *subject);
DS_NODISCARD enum ds_err ds_own_next(struct ds_handheld *h, struct ds_txn *txn, struct ds_key *walk,
                                     struct ds_own_op *op);
/* The same without loading the op. */
DS_NODISCARD enum ds_err ds_own_next_order(struct ds_txn *txn, struct ds_key *walk, uint8_t *type,
                                           uint64_t *order);

/* Lives. */
DS_NODISCARD enum ds_err ds_own_life_load(struct ds_handheld *h, struct ds_txn *txn,
                                          uint32_t number, struct ds_own_life *life);
DS_NODISCARD enum ds_err ds_own_life_store(struct ds_handheld *h, struct ds_txn *txn,
                                           const struct ds_own_life *life);
/* From seq on the ops of a life are known under the name of a branch: their ids change. */
DS_NODISCARD enum ds_err ds_own_life_branch(struct ds_handheld *h, struct ds_txn *txn,
                                            struct ds_own_life *life,
                                            const struct ds_incarnation *branch, uint64_t seq);
/* End the present life, if there is one, and begin another whose first op names its parent.
 * reason: "first", "restored", "fork". */
DS_NODISCARD enum ds_err ds_own_life_begin(struct ds_handheld *h, struct ds_txn *txn,
                                           const char *reason);

#endif

/* Who this handheld is, where its writing stands, and what the server last said.
 *
 * Four small records in the device compartment, so that sealed work can be delivered while the
 * vault is locked. Everything that changes with a commit (own sequence, chain) is stored in the
 * same transaction as the op. Structs are plain data; loading and storing is all there is here. */
#ifndef DS_HANDHELD_SDK_SRC_SELF_H
#define DS_HANDHELD_SDK_SRC_SELF_H

#include "handheld-sdk/src/vault.h"

enum ds_enrolled { DS_ENROLLED_NO, DS_ENROLLED_ASKED, DS_ENROLLED_YES };

struct ds_identity {
    uint8_t enrolled; /* enum ds_enrolled */
    struct ds_secret sign_seed;
    struct ds_secret box_secret;
    struct ds_secret equality; /* Tags of personal fields sealed here: this handheld's own. */
    struct ds_id station;
    struct ds_id device;
    struct ds_id worker;
    struct ds_id code;
    struct ds_hash server_sign;
    struct ds_hash server_box;
    struct ds_hash pins[DS_PINS_MAX];
    uint8_t pin_count;
    char url[DS_URL_SIZE_MAX + 1];
};

struct ds_writer { /* The present life, lane work. */
    struct ds_incarnation incarnation;
    uint32_t life; /* Number of the present life, from 1; 0: none yet. */
    uint64_t seq;  /* Last sequence recorded. */
    struct ds_hash chain;
    uint64_t next_order;   /* Of the next op, over all lives; from 1. */
    uint64_t cut_order;    /* Ops below it are in batches. */
    uint64_t acked_order;  /* Ops below it are under a receipt. */
    uint64_t last_reading; /* Order of the last reading; 0: none. */
    uint64_t boot;
    int64_t base_ms; /* Wall clock when the boot's running time was 0. */
    int64_t oldest_unsent_ms;
};

struct ds_contact {
    uint64_t epoch; /* 0: never heard. */
    uint64_t kept_size;
    uint64_t head_size; /* Of the latest head. */
    struct ds_hash head_root;
    int64_t contact_ms; /* Own clock. */
    int64_t receipt_ms; /* The server's clock. */
    uint64_t receipt_position;
    uint64_t receipt_number; /* Receipts kept so far. */
    uint64_t relay_number;   /* Relayed batches taken so far. */
    uint64_t retry_ms;
    uint32_t commands; /* Bits of enum ds_handheld_command. */
    uint32_t refetches;
    uint64_t counter;   /* Of exchanges. */
    uint64_t obeyed;    /* Number of the last order obeyed. */
    uint64_t unclamped; /* 1 + the kept size that pulled data has not been clamped to; 0: none. */
    int64_t audited_ms; /* Own clock: the replica was counted through. */
    char problem[DS_DETAIL_SIZE];
};

#define DS_OWED_MAX 6
#define DS_OLDER_MAX 8
struct ds_known_head { /* Of the present epoch's history; size 0: none. */
    uint64_t size;
    struct ds_hash root;
};
struct ds_witness {                         /* witness.h; heads ascend by size. */
    struct ds_known_head proved;            /* The last that was shown to extend all before it. */
    struct ds_known_head owed[DS_OWED_MAX]; /* Work was acknowledged under them since. */
    uint8_t owed_count;
    struct ds_known_head older[DS_OLDER_MAX]; /* Proved earlier. */
    uint8_t older_count;
    bool head_used; /* Work was acknowledged under the latest head, and it is not proved. */
    bool wanted;    /* Ask for a proof with the next request. */
    int64_t proved_ms;
    struct ds_doubt doubt; /* The last one. */
    int64_t doubt_ms;      /* Own clock. */
};

/* Absent records read as zeros. */
DS_NODISCARD enum ds_err ds_identity_load(struct ds_vault *vault, struct ds_txn *txn,
                                          struct ds_arena *arena, struct ds_identity *identity);
DS_NODISCARD enum ds_err ds_identity_store(struct ds_vault *vault, struct ds_txn *txn,
                                           struct ds_arena *arena,
                                           const struct ds_identity *identity);
DS_NODISCARD enum ds_err ds_writer_load(struct ds_vault *vault, struct ds_txn *txn,
                                        struct ds_arena *arena, struct ds_writer *writer);
DS_NODISCARD enum ds_err ds_writer_store(struct ds_vault *vault, struct ds_txn *txn,
                                         struct ds_arena *arena, const struct ds_writer *writer);
DS_NODISCARD enum ds_err ds_contact_load(struct ds_vault *vault, struct ds_txn *txn,
                                         struct ds_arena *arena, struct ds_contact *contact);
DS_NODISCARD enum ds_err ds_contact_store(struct ds_vault *vault, struct ds_txn *txn,
                                          struct ds_arena *arena, const struct ds_contact *contact);
DS_NODISCARD enum ds_err ds_witness_load(struct ds_vault *vault, struct ds_txn *txn,
                                         struct ds_arena *arena, struct ds_witness *witness);
DS_NODISCARD enum ds_err ds_witness_store(struct ds_vault *vault, struct ds_txn *txn,
                                          struct ds_arena *arena, const struct ds_witness *witness);

#endif

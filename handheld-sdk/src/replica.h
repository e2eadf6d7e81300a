/* What was pulled: rows by scope, exactly as the server showed them.
 *
 * A row is kept once with its as_of, the snapshot at which the server read it, and a list of the
 * held scopes that contain it; per scope the row's addition to the scope's digest is kept, so the
 * digest moves with each row and is compared at each complete cursor. A scope whose digest differs
 * is fetched anew under a new generation; rows that the new fetch did not bring leave with it. A
 * row that no held scope contains goes, unless own ops still lie over it. */
#ifndef DS_HANDHELD_SDK_SRC_REPLICA_H
#define DS_HANDHELD_SDK_SRC_REPLICA_H

#include "handheld-sdk/src/own.h"

#define DS_MEMBERS_MAX 16 /* Held scopes that contain one row. */
#define DS_AUDIT_PAUSE_MS (24 * 60 * 60 * 1000)
#define DS_REFETCH_PAUSE_MS (24 * 60 * 60 * 1000) /* After a refetch that did not help. */

struct ds_held_member {
    uint16_t index; /* Of the scope. */
    uint32_t generation;
    struct ds_hash part; /* What the row adds to the scope's digest. */
};
struct ds_held_row {
    uint8_t type;
    struct ds_id id;
    uint64_t position; /* Of its latest change. */
    uint64_t as_of;
    size_t member_count;
    struct ds_held_member members[DS_MEMBERS_MAX];
    struct ds_slice fields; /* In the arena. */
};

DS_NODISCARD enum ds_err ds_replica_load(struct ds_handheld *h, struct ds_txn *txn);
/* DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_replica_row(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                                        const struct ds_id *id, struct ds_held_row *row);
/* The same, decoded into its record struct (slices in the arena). */
DS_NODISCARD enum ds_err ds_replica_record(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                                           const struct ds_id *id, void *record);
/* The first row with (type, id) at or after those of *row; fills row. DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_replica_next(struct ds_handheld *h, struct ds_txn *txn,
                                         struct ds_held_row *row);
/* Step to the key after the row, for ds_replica_next(). False: there is none. */
bool ds_replica_step(struct ds_held_row *row);

/* The greatest position whose effects on this row are known: an op's `seen`. */
uint64_t ds_replica_seen(const struct ds_handheld *h, const struct ds_held_row *row);
/* Does an own op lie over this row: not folded as far as is known, or folded after what was pulled?
 * On a row in no held scope it lies until its receipt. */
bool ds_replica_lies_over(const struct ds_handheld *h, const struct ds_held_row *row,
                          const struct ds_own_op *op);

struct ds_applied { /* What an answer's rows did. */
    uint64_t rows;
    unsigned verdicts;
    unsigned refetched;
    bool again; /* A scope has to be fetched anew: exchange again at once. */
};
/* Take scopes and pages of an answer. */
DS_NODISCARD enum ds_err ds_replica_apply(struct ds_handheld *h, struct ds_txn *txn,
                                          const struct ds_response *response,
                                          struct ds_applied *applied);
/* The server was restored to kept_size: clamp cursors and as_of, refetch scopes with later rows. */
DS_NODISCARD enum ds_err ds_replica_clamp(struct ds_handheld *h, struct ds_txn *txn,
                                          uint64_t kept_size);
/* Count the stored rows of each scope through against its digest and number; a scope that does not
 * agree is fetched anew. *bad (optional): how many. */
DS_NODISCARD enum ds_err ds_replica_audit(struct ds_handheld *h, struct ds_txn *txn, uint64_t *bad);
/* Drop rows that the store or the vault no longer give back (*bad: how many), and fetch anew the
 * scopes that held them: one rotten value stops nothing. */
DS_NODISCARD enum ds_err ds_replica_mend(struct ds_handheld *h, struct ds_txn *txn, uint64_t *bad);
/* Rows in no held scope over which nothing lies any more go. */
DS_NODISCARD enum ds_err ds_replica_drop_orphans(struct ds_handheld *h, struct ds_txn *txn);

/* Links of a row (replica_link.c): made, or taken away. fields may be empty: then nothing. */
DS_NODISCARD enum ds_err ds_replica_link(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                                         const struct ds_id *id, struct ds_slice fields, bool make);

#endif

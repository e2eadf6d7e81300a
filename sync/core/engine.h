/* The engine: folds journal entries into state. Deterministic; no I/O of its own, no clock, no
 * randomness: everything is in the entry and in the tables.
 *
 * One fold is one entry, inside the caller's write transaction. The caller (sync/shard) has checked
 * signatures; authority, order, duplicates and branches are judged here, from the state alone, so a
 * rebuild judges the same. What a fold did is told by verdict rows in the device's mailbox. */
#ifndef DS_SYNC_CORE_ENGINE_H
#define DS_SYNC_CORE_ENGINE_H

#include "sync/core/merge.h"

#define DS_ENGINE_VERSION 1
#define DS_ENGINE_DESK_SIZE 262144 /* Bytes of the desk itself, before its arena. */
#define DS_ENGINE_SCRATCH_SIZE (4194304 + DS_ENGINE_DESK_SIZE) /* Memory of a desk. */
#define DS_BOOK_METERS_MAX 20000
#define DS_BRANCHES_MAX 16
#define DS_EPOCHS_SKIPPED_MAX 1000 /* By one epoch entry: those of a history that is gone. */

struct ds_desk;
struct ds_folded {     /* What became of a batch entry. */
    enum ds_err error; /* DS_OK; DS_ERR_GAP, _AUTH, _LIMIT: nothing was folded, do not append */
    struct ds_incarnation incarnation; /* The writer, or the branch's name. */
    uint8_t lane;
    uint64_t last_seq;
    uint64_t position; /* Where its last op was folded: this entry, or an earlier one. */
    bool duplicate;    /* Everything was known already. */
    bool branch;
    uint32_t folded; /* ops applied, merged, proposed or in conflict */
    uint32_t quarantined;
};

/* Make an empty shard: the station and activate(1) as entry 1 come from the caller. */
struct ds_shard_meta {
    struct ds_id station;
    uint64_t size;  /* Entries folded. */
    uint64_t epoch; /* From 1. */
    uint64_t kept_size;
    uint64_t version;   /* Active engine version; 0 before the first activate. */
    int64_t time_ms;    /* Greatest instant of an entry: the engine's notion of now. */
    int32_t offset_min; /* Of the station row. */
};
DS_NODISCARD enum ds_err ds_meta_load(struct ds_txn *txn, struct ds_shard_meta *meta);
DS_NODISCARD enum ds_err ds_meta_store(struct ds_txn *txn, const struct ds_shard_meta *meta);
/* The least size that any restore since that epoch kept: whoever comes from there knows positions
 * up to it. UINT64_MAX if there was none. */
DS_NODISCARD enum ds_err ds_kept_since(struct ds_txn *txn, uint64_t epoch, uint64_t *kept_size);

/* Judge a batch before it becomes an entry: known already (then position and duplicate are set), a
 * gap, an unknown device, or acceptable (new, overlap, branch). Read only. */
DS_NODISCARD enum ds_err ds_engine_judge(struct ds_txn *txn, const struct ds_batch *batch,
                                         struct ds_arena *arena, struct ds_folded *folded);
/* The working memory of the folds of one write transaction: DS_ENGINE_SCRATCH_SIZE bytes, aligned
 * for any type, that outlive it. While it is in use nobody else writes in the transaction to the
 * tables of the state; it needs no end. */
struct ds_desk *ds_desk_begin(void *memory, struct ds_txn *txn);
/* Fold entry number meta->size + 1. meta is updated and stored. A batch in it has passed
 * ds_batch_parse() and its signature was verified: neither is looked at again. An error other than
 * in folded->error is the store's, or DS_ERR_INTEGRITY for state that contradicts itself. */
DS_NODISCARD enum ds_err ds_engine_fold(struct ds_desk *desk, struct ds_shard_meta *meta,
                                        struct ds_slice entry, struct ds_folded *folded,
                                        struct ds_detail *detail);
/* Hash over every derived table: equal journals, equal digests. progress (optional) is called now
 * and then. */
DS_NODISCARD enum ds_err ds_engine_digest(struct ds_txn *txn, struct ds_hash *digest);

/* What a device holds now: catalogue, mailbox, tasks of its worker, his books; ascending. */
DS_NODISCARD enum ds_err ds_scopes_of_device(struct ds_txn *txn, const struct ds_id *device,
                                             struct ds_arena *arena,
                                             struct ds_scope scopes[static DS_SCOPES_MAX],
                                             size_t *count);
/* A row as a view shows it: the fields map, hidden fields left out. */
DS_NODISCARD enum ds_err ds_project(struct ds_txn *txn, uint8_t view, uint8_t type,
                                    const struct ds_id *id, struct ds_arena *arena,
                                    struct ds_slice *fields);
/* The addition of one row to a scope's digest, as four words (FORMAT.md, "Digest"). */
void ds_digest_add(struct ds_hash *digest, const struct ds_scope *scope, const struct ds_row *row);
void ds_digest_subtract(struct ds_hash *digest, const struct ds_scope *scope,
                        const struct ds_row *row);
/* The feed of one scope after a cursor, at most rows_max rows and about bytes_max bytes; rows and
 * their bytes live in the arena. page->complete when the end was reached. */
DS_NODISCARD enum ds_err ds_feed_page(struct ds_txn *txn, const struct ds_cursor_at *after,
                                      uint64_t snapshot, size_t rows_max, size_t bytes_max,
                                      struct ds_arena *arena, struct ds_page *page);

/* Entries of all feeds, and rows that know of theirs: equal, or the state contradicts itself. Walks
 * everything; for checks. */
DS_NODISCARD enum ds_err ds_feed_count(struct ds_txn *txn, uint64_t *entries, uint64_t *members);

/* Exports (the outbox): every revision once, in journal order. */
struct ds_export {
    uint64_t position;
    uint32_t ordinal;
    uint8_t kind;    /* enum ds_export_kind */
    struct ds_id id; /* Slot, premises or meter. */
    uint32_t revision;
    uint32_t supersedes; /* 0: none */
    /* By which the other side knows the meter of a slot or meter, as they were then; else empty. */
    struct ds_slice account;
    struct ds_slice manufacturer;
    struct ds_slice meter_no;
    struct ds_slice book;
    struct ds_slice fields; /* Canonical map of the record as exported (slot, premises, meter). */
};
DS_NODISCARD enum ds_err ds_export_next(struct ds_txn *txn, uint8_t consumer, uint64_t position,
                                        uint32_t ordinal, struct ds_export *next);
/* The consumer's durable cursor: the last delivery folded. Zeros if none. */
DS_NODISCARD enum ds_err ds_export_cursor(struct ds_txn *txn, uint8_t consumer, uint64_t *position,
                                          uint32_t *ordinal);

/* The chain hash and watermark of a writer's lane; DS_ERR_NOT_FOUND if unknown. */
DS_NODISCARD enum ds_err ds_lane_of(struct ds_txn *txn, const struct ds_incarnation *incarnation,
                                    uint8_t lane, struct ds_lane_state *state,
                                    struct ds_id *device);

#endif

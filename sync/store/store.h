/* Ordered tables with transactions: the one storage interface, with two implementations.
 *
 * A store holds DS_TABLES_MAX tables of (key, value) bytes in bytewise key order. LMDB serves
 * production, memory serves the simulation; one contract suite runs on both. This front adds
 * to every value a 64-bit tag over (table, key, value) and checks it on every read, so that a
 * flipped bit or a page of another place is an error and never a wrong value.
 *
 * Transactions: one writer at a time; readers see the snapshot of their begin. commit returns
 * after the data is durable. A failed commit leaves the store as it was before begin, and the
 * store refuses further writes (DS_ERR_IO) until it is opened again: an I/O error at commit is
 * never retried. After a put or delete that failed for want of room or by damage the
 * transaction can only be aborted; that breaks nothing. Threads: a transaction belongs to the
 * thread that began it; a second writer waits, one of the same thread is DS_ERR_BUSY; the memory
 * store allows one transaction at a time and is for one thread. */
#ifndef DS_SYNC_STORE_STORE_H
#define DS_SYNC_STORE_STORE_H

#include "schema/base/base.h"

#define DS_TABLES_MAX 24
#define DS_KEY_SIZE_MAX 255       /* LMDB takes 511; ours stay well below. Keys are never empty. */
#define DS_VALUE_SIZE_MAX 8388608 /* 8 MiB without the tag. */
#define DS_VALUE_TAG_SIZE 8
#define DS_STORE_READERS_MAX 254       /* Open read transactions of all processes (LMDB). */
#define DS_STORE_QUOTA_MIN 1048576     /* Smaller quotas are refused. */
#define DS_STORE_DISK_RESERVE 16777216 /* Below this much free disk only deletes are taken. */

struct ds_store;
struct ds_txn;

/* What an implementation provides; values here include the tag. Only store.c calls these. */
struct ds_store_ops {
    enum ds_err (*begin)(struct ds_store *store, bool write, struct ds_txn **txn);
    enum ds_err (*commit)(struct ds_txn *txn);
    void (*abort)(struct ds_txn *txn);
    enum ds_err (*get)(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                       struct ds_slice *value);
    /* Room for value.size bytes under key, which the front fills before the next call. */
    enum ds_err (*reserve)(struct ds_txn *txn, uint8_t table, struct ds_slice key, size_t size,
                           uint8_t **room);
    enum ds_err (*del)(struct ds_txn *txn, uint8_t table, struct ds_slice key);
    /* First key >= key (after) or last key <= key (before). */
    enum ds_err (*seek)(struct ds_txn *txn, uint8_t table, struct ds_slice key, bool after,
                        struct ds_slice *found, struct ds_slice *value);
    void (*close)(struct ds_store *store);
    /* Bytes in use and bytes that may be used; for "disk full" before it happens. */
    enum ds_err (*room)(struct ds_store *store, uint64_t *used, uint64_t *limit);
    /* DS_ERR_INTEGRITY if what lies below the tables is damaged; NULL: nothing lies below. */
    enum ds_err (*check)(struct ds_store *store, struct ds_detail *detail);
};

/* First member of each implementation's own struct. */
struct ds_store {
    const struct ds_store_ops *ops;
    _Atomic bool broken; /* A commit failed; only reads are served. */
};
struct ds_txn {
    struct ds_store *store;
    bool write;
    enum ds_err failed; /* A write failed: the transaction can only be aborted. */
};

/* Open or create a memory store; bytes_max bounds keys plus values (0: no bound). */
DS_NODISCARD enum ds_err ds_store_memory_open(uint64_t bytes_max, struct ds_store **store);
/* A copy of the committed state, never broken; the way to "restore a backup" and to open again
 * after a failed commit in the simulation. DS_ERR_BUSY while a transaction is open. */
DS_NODISCARD enum ds_err ds_store_memory_clone(struct ds_store *from, struct ds_store **copy);
/* Make the nth commit from now fail with err (fault injection; 0 switches it off). after: the
 * commit happens, but its answer is lost: the caller sees err, the data is there. */
void ds_store_memory_fail_commit(struct ds_store *store, unsigned nth, enum ds_err err, bool after);
/* The same for the nth put or delete. True: what was armed before has not happened yet. */
bool ds_store_memory_fail_write(struct ds_store *store, unsigned nth, enum ds_err err);
/* Turn one bit over in the value of a key, below the tag. False: there is no such key. */
bool ds_store_memory_rot(struct ds_store *store, uint8_t table, struct ds_slice key, uint64_t bit);

struct ds_store_lmdb_options {
    uint64_t map_bytes;   /* 0: 1 TiB on 64 bit, 256 MiB on 32 bit. */
    uint64_t quota_bytes; /* Refuse writes beyond this file size with DS_ERR_FULL; 0: none. */
    bool read_only;
};
/* Open the LMDB environment in folder DIR (made if absent: created aside, synced with its folder,
 * renamed, trust.md F10). Flags: default sync, never NOSYNC, NOMETASYNC, WRITEMAP or DUPSORT.
 * Takes no lock against another opener beyond LMDB's; the caller holds DIR's lock. */
DS_NODISCARD enum ds_err ds_store_lmdb_open(const char *dir,
                                            const struct ds_store_lmdb_options *options,
                                            struct ds_store **store, struct ds_detail *detail);
/* A consistent hot copy of an LMDB store into an existing empty folder, synced. */
DS_NODISCARD enum ds_err ds_store_lmdb_copy(struct ds_store *store, const char *to_dir,
                                            struct ds_detail *detail);
/* Clear slots of readers that died (trust.md F12); call at open and each minute. */
void ds_store_lmdb_check_readers(struct ds_store *store);

void ds_store_close(struct ds_store *store); /* NULL is allowed. No transaction may be open. */

DS_NODISCARD enum ds_err ds_store_begin(struct ds_store *store, bool write, struct ds_txn **txn);
/* Ends the transaction in every case. */
DS_NODISCARD enum ds_err ds_txn_commit(struct ds_txn *txn);
void ds_txn_abort(struct ds_txn *txn);

/* *value is borrowed until the next write in this transaction or its end. DS_ERR_NOT_FOUND if
 * absent; DS_ERR_INTEGRITY if the tag does not match (detail-free: the caller knows the key). */
DS_NODISCARD enum ds_err ds_txn_get(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                                    struct ds_slice *value);
/* Insert or replace. DS_ERR_FULL when there is no room: the transaction can only be aborted. key
 * and value may not point into the store. */
DS_NODISCARD enum ds_err ds_txn_put(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                                    struct ds_slice value);
/* Absent keys are no error. */
DS_NODISCARD enum ds_err ds_txn_del(struct ds_txn *txn, uint8_t table, struct ds_slice key);
/* The first pair whose key is >= key; both outputs borrowed as above. DS_ERR_NOT_FOUND at the
 * end. To walk on: append a zero byte to the found key. DS_ERR_INTEGRITY: *found is the key whose
 * value is damaged, empty if it cannot be told. */
DS_NODISCARD enum ds_err ds_txn_at_or_after(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                                            struct ds_slice *found, struct ds_slice *value);
/* The last pair whose key is <= key. */
DS_NODISCARD enum ds_err ds_txn_at_or_before(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                                             struct ds_slice *found, struct ds_slice *value);

struct ds_store_room {
    uint64_t used;
    uint64_t limit; /* UINT64_MAX: unknown or none. */
};
DS_NODISCARD enum ds_err ds_store_room(struct ds_store *store, struct ds_store_room *room);

/* Check the file below the tables, then read every value of every table and count those whose tag
 * fails; the first fault is described (page, or table and hex key) in detail. DS_ERR_INTEGRITY if
 * there is any; a damaged file is one fault, and its values are not read. */
DS_NODISCARD enum ds_err ds_store_scrub(struct ds_store *store, uint64_t *values, uint64_t *bad,
                                        struct ds_detail *detail);
/* Is damage why something failed? After DS_ERR_INTEGRITY or DS_ERR_IO the store is scrubbed: if it
 * is damaged, detail tells where and the answer is DS_ERR_INTEGRITY; else err, detail untouched. */
DS_NODISCARD enum ds_err ds_store_explain(struct ds_store *store, enum ds_err err,
                                          struct ds_detail *detail);

#endif

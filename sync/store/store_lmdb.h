/* Inside the LMDB store: what its two halves share. The only file that includes <lmdb.h>.
 *
 * store_lmdb.c holds transactions, store_lmdb_open.c birth, opening and copying; store_lmdb_file.h
 * and store_lmdb_check.h what needs no LMDB at all. Not for others: the contract is store.h. */
#ifndef DS_SYNC_STORE_STORE_LMDB_H
#define DS_SYNC_STORE_STORE_LMDB_H

#include "sync/store/store.h"

#include <lmdb.h>

#include <pthread.h>
#include <setjmp.h>

struct lmdb_store {
    struct ds_store base;
    MDB_env *env;
    int dir_fd;
    bool read_only;
    size_t page_size;
    uint64_t map_bytes;     /* Of the mapping: the quota, where there is one. */
    uint64_t reserve_bytes; /* Puts are refused when less than this is left. */
    const uint8_t *map;     /* Where LMDB maps the file, NULL if unknown. */
    MDB_dbi table[DS_TABLES_MAX];
    bool table_known[DS_TABLES_MAX]; /* A store opened for reading may lack newer tables. */
    pthread_mutex_t lock;            /* Guards open. */
    struct lmdb_txn *open;           /* Open transactions, newest first. */
};

struct lmdb_txn {
    struct ds_txn base;
    MDB_txn *txn;
    MDB_cursor *cursor[DS_TABLES_MAX]; /* Opened at first use. */
    uint64_t file_bytes;               /* At begin; what this snapshot holds lies below. */
    bool puts_refused;                 /* Too little room: only deletes are taken. */
    bool write;
    bool armed; /* LMDB is at work: its assertions come back through trap. */
    jmp_buf trap;
    pthread_t thread;
    struct lmdb_txn *next;
};

extern const struct ds_store_ops ds_lmdb_ops;

enum ds_err ds_lmdb_err(int rc); /* Of LMDB's results and of errno. */
/* Called by LMDB when its own structures in the file contradict themselves. */
void ds_lmdb_asserted(MDB_env *env, const char *text);
/* Check the pages of an open read transaction (store_lmdb_check.h). */
enum ds_err ds_lmdb_txn_check(struct lmdb_store *store, MDB_txn *txn, bool names_only,
                              struct ds_detail *detail);
void ds_lmdb_free(struct lmdb_store *store); /* Also one that was opened half. */

#endif

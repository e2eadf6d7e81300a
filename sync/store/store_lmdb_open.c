/* Birth, opening and hot copy of the LMDB store. */
#include "sync/store/store_lmdb.h"
#include "sync/store/store_lmdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room that puts leave for deletes: a sixteenth of a quota, at most the reserve of the disk. At
 * MDB_MAP_FULL even deletes fail, for they copy pages before they free any. */
#define QUOTA_RESERVE_SHARE 16
/* How often opening begins again because two commits of another process overtook it. */
#define OPEN_TRIES 8

static struct lmdb_store *store_of(struct ds_store *base)
{
    return (struct lmdb_store *)(void *)base;
}

static enum ds_err explain(int rc, const char *what, struct ds_detail *detail)
{
    ds_detail_set(detail, what, ": ", mdb_strerror(rc), NULL);
    return ds_lmdb_err(rc);
}

static int env_open(struct lmdb_store *store, const char *path, unsigned flags)
{
    int rc = mdb_env_create(&store->env);
    if (rc != MDB_SUCCESS) {
        store->env = NULL;
        return rc;
    }
    (void)mdb_env_set_userctx(store->env, store);
    rc = mdb_env_set_assert(store->env, ds_lmdb_asserted);
    rc = rc != 0 ? rc : mdb_env_set_maxdbs(store->env, DS_TABLES_MAX);
    rc = rc != 0 ? rc : mdb_env_set_maxreaders(store->env, DS_STORE_READERS_MAX);
    rc = rc != 0 ? rc : mdb_env_set_mapsize(store->env, (size_t)store->map_bytes);
    /* Flags that weaken the sync or write through the map lose data: trust.md, F7. */
    rc = rc != 0 ? rc : mdb_env_open(store->env, path, flags | MDB_NOTLS, 0600);
    if (rc != MDB_SUCCESS) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    return rc;
}

/* Where address space is short (a sanitizer, a resource limit) a smaller map serves as well. */
static int env_open_fitting(struct lmdb_store *store, const char *path, unsigned flags, bool shrink)
{
    int rc = env_open(store, path, flags);
    while (rc == ENOMEM && shrink && store->map_bytes > (UINT64_C(1) << 28)) {
        store->map_bytes >>= 2;
        rc = env_open(store, path, flags);
    }
    return rc;
}

/* A store of an older version has fewer tables than ours, never others: a hole or a name that is
 * not ours is rot, and making an empty table in its place would hide it for ever. */
static int tables_check(MDB_txn *txn, const struct lmdb_store *store, unsigned *found)
{
    MDB_dbi names = 0;
    MDB_stat stat;
    unsigned count = 0;
    while (count < DS_TABLES_MAX && store->table_known[count]) {
        count++;
    }
    int rc = mdb_dbi_open(txn, NULL, 0, &names);
    rc = rc != 0 ? rc : mdb_stat(txn, names, &stat);
    if (rc != MDB_SUCCESS) {
        return rc;
    }
    *found = count;
    return stat.ms_entries == count ? MDB_SUCCESS : MDB_CORRUPTED;
}

static int tables_open_in(struct lmdb_store *store, MDB_txn *txn, unsigned flags, unsigned *found)
{
    int rc = MDB_SUCCESS;
    for (unsigned table = 0; table < DS_TABLES_MAX && rc == MDB_SUCCESS; table++) {
        char name[4] = {'t', (char)('0' + table / 10), (char)('0' + table % 10), 0};
        rc = mdb_dbi_open(txn, name, flags, &store->table[table]);
        store->table_known[table] = rc == MDB_SUCCESS;
        rc = rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
    }
    return rc != MDB_SUCCESS ? rc : tables_check(txn, store, found);
}

/* Open the tables; with make, those that are missing are made. */
static enum ds_err tables_open(struct lmdb_store *store, bool make, unsigned *found,
                               struct ds_detail *detail)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, make ? 0 : MDB_RDONLY, &txn);
    if (rc != MDB_SUCCESS) {
        return explain(rc, "begin", detail);
    }
    /* Nothing catches LMDB's assertions here, so the tree of names is looked at first. */
    enum ds_err err = make ? DS_OK : ds_lmdb_txn_check(store, txn, true, detail);
    if (err == DS_OK) {
        rc = tables_open_in(store, txn, make ? MDB_CREATE : 0, found);
        err = rc == MDB_SUCCESS ? DS_OK : explain(rc, "open the tables", detail);
    }
    if (err != DS_OK) {
        mdb_txn_abort(txn);
        return err;
    }
    /* Handles of an aborted transaction would die with it. */
    rc = mdb_txn_commit(txn);
    return rc == MDB_SUCCESS ? DS_OK : explain(rc, "keep the tables", detail);
}

static enum ds_err tables_open_all(struct lmdb_store *store, struct ds_detail *detail)
{
    unsigned found = 0;
    enum ds_err err = DS_ERR_BUSY;
    for (int tries = 0; tries < OPEN_TRIES && err == DS_ERR_BUSY; tries++) {
        err = tables_open(store, false, &found, detail);
    }
    if (err == DS_OK && found < DS_TABLES_MAX && !store->read_only) {
        err = tables_open(store, true, &found, detail);
    }
    return err;
}

/* A power cut while LMDB writes its first pages leaves a file that it never opens again (F10): so
 * the file gets its name when it is whole. No lock: nobody else knows the name. */
static enum ds_err create_aside(struct lmdb_store *store, char *path, size_t dir_size,
                                struct ds_detail *detail)
{
    memcpy(path + dir_size, "/" DS_LMDB_FILE_NEW, sizeof "/" DS_LMDB_FILE_NEW);
    ds_lmdb_file_clean(store->dir_fd);
    uint64_t map_bytes = store->map_bytes;
    store->map_bytes = DS_STORE_QUOTA_MIN;
    int rc = env_open(store, path, MDB_NOSUBDIR | MDB_NOLOCK);
    store->map_bytes = map_bytes;
    path[dir_size] = '\0';
    if (rc != MDB_SUCCESS) {
        return explain(rc, "make " DS_LMDB_FILE_NEW, detail);
    }
    unsigned found = 0;
    enum ds_err err = tables_open(store, true, &found, detail);
    mdb_env_close(store->env);
    store->env = NULL;
    DS_TRY(err);
    return ds_lmdb_file_publish(store->dir_fd, detail);
}

/* A value that lies in the map stands in a page whose head holds its number: that gives the start
 * of the map, which LMDB does not tell. */
static void find_map(struct lmdb_store *store)
{
    MDB_txn *txn = NULL;
    MDB_dbi names = 0;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    if (mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn) != MDB_SUCCESS) {
        return;
    }
    if (mdb_dbi_open(txn, NULL, 0, &names) == MDB_SUCCESS &&
        mdb_cursor_open(txn, names, &cursor) == MDB_SUCCESS) {
        if (mdb_cursor_get(cursor, &key, &value, MDB_FIRST) == MDB_SUCCESS) {
            size_t pgno = 0;
            const uint8_t *at = value.mv_data;
            const uint8_t *page = at - ((uintptr_t)at & (store->page_size - 1));
            memcpy(&pgno, page, sizeof pgno);
            store->map = page - pgno * store->page_size;
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
}

/* While another process has the environment open, LMDB believes the lock file's word for which
 * commit is the newest. A writer killed behind its commit's last write and before that word leaves
 * the old one standing: whoever reads first sees the state before the commit, and writes on from
 * there, over it. Taking the dead writer's lock mends the word; so that comes before any read. */
static int mend_newest(struct lmdb_store *store)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (rc == MDB_SUCCESS) {
        mdb_txn_abort(txn);
    }
    return rc;
}

static enum ds_err open_checked(struct lmdb_store *store, const char *dir, bool shrink,
                                struct ds_detail *detail)
{
    char path[DS_LMDB_PATH_MAX + sizeof "/" DS_LMDB_FILE_NEW];
    MDB_stat stat;
    size_t dir_size = strlen(dir);
    DS_TRY(ds_lmdb_dir_open(dir, !store->read_only, &store->dir_fd, detail));
    memcpy(path, dir, dir_size + 1);
    if (!ds_lmdb_file_exists(store->dir_fd)) {
        if (store->read_only) {
            ds_detail_set(detail, dir, " holds no store", NULL);
            return DS_ERR_NOT_FOUND;
        }
        DS_TRY(create_aside(store, path, dir_size, detail));
    }
    DS_TRY(ds_lmdb_file_check(store->dir_fd, detail));
    int rc = env_open_fitting(store, path, store->read_only ? MDB_RDONLY : 0, shrink);
    rc = rc != 0 ? rc : mdb_env_stat(store->env, &stat);
    /* A writer killed within its commit leaves pages that are read but not yet durable: whoever
     * reads them here may acknowledge what stands in them. */
    rc = rc != 0 || store->read_only ? rc : mend_newest(store);
    rc = rc != 0 || store->read_only ? rc : mdb_env_sync(store->env, 1);
    if (rc != MDB_SUCCESS) {
        return explain(rc, dir, detail);
    }
    store->page_size = stat.ms_psize;
    DS_TRY(tables_open_all(store, detail));
    find_map(store);
    ds_store_lmdb_check_readers(&store->base);
    return DS_OK;
}

enum ds_err ds_store_lmdb_open(const char *dir, const struct ds_store_lmdb_options *options,
                               struct ds_store **store, struct ds_detail *detail)
{
    *store = NULL;
    uint64_t map_bytes = options->map_bytes;
    if (map_bytes == 0) {
        map_bytes = UINT64_C(1) << (sizeof(size_t) > 4 ? 40 : 28);
    }
    if (options->quota_bytes != 0) {
        map_bytes = options->quota_bytes < map_bytes ? options->quota_bytes : map_bytes;
    }
    if (map_bytes < DS_STORE_QUOTA_MIN || map_bytes > SIZE_MAX) {
        ds_detail_set(detail, "the quota or map of a store must be at least 1 MiB", NULL);
        return DS_ERR_USAGE;
    }
    struct lmdb_store *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->base.ops = &ds_lmdb_ops;
    made->dir_fd = -1;
    made->read_only = options->read_only;
    made->map_bytes = map_bytes / 65536 * 65536; /* Whole pages of every system. */
    made->reserve_bytes = made->map_bytes / QUOTA_RESERVE_SHARE;
    if (made->reserve_bytes > DS_STORE_DISK_RESERVE) {
        made->reserve_bytes = DS_STORE_DISK_RESERVE;
    }
    pthread_mutex_init(&made->lock, NULL);
    bool shrink = options->map_bytes == 0 && options->quota_bytes == 0;
    enum ds_err err = open_checked(made, dir, shrink, detail);
    if (err != DS_OK) {
        ds_lmdb_free(made);
        return err;
    }
    *store = &made->base;
    return DS_OK;
}

void ds_store_lmdb_check_readers(struct ds_store *store)
{
    DS_ASSERT(store->ops == &ds_lmdb_ops);
    int dead = 0;
    (void)mdb_reader_check(store_of(store)->env, &dead);
}

enum ds_err ds_store_lmdb_copy(struct ds_store *store, const char *to_dir, struct ds_detail *detail)
{
    DS_ASSERT(store->ops == &ds_lmdb_ops);
    int dir_fd = -1;
    DS_TRY(ds_lmdb_dir_open(to_dir, false, &dir_fd, detail));
    enum ds_err err = DS_ERR_EXISTS;
    if (ds_lmdb_file_exists(dir_fd)) {
        ds_detail_set(detail, to_dir, " holds a store already", NULL);
    } else {
        ds_lmdb_file_clean(dir_fd);
        int fd = openat(dir_fd, DS_LMDB_FILE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        /* Compacting leaves behind the free pages, and with them what was deleted (F13). */
        int rc = fd < 0 ? errno : mdb_env_copyfd2(store_of(store)->env, fd, MDB_CP_COMPACT);
        if (fd >= 0) {
            close(fd);
        }
        err = rc != 0 ? explain(rc, to_dir, detail) : ds_lmdb_file_publish(dir_fd, detail);
        if (err != DS_OK) {
            ds_lmdb_file_clean(dir_fd);
        }
    }
    close(dir_fd);
    return err;
}

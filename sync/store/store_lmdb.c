/* The LMDB store: one environment, one plain named database per table.
 *
 * What LMDB does not do itself stands here or in store_lmdb_file.h: birth aside, meta pages
 * checked, quota and disk reserve, values bounded to the file, and its assertions caught, for a
 * page that rotted on disk is no bug of ours. */
#include "sync/store/store_lmdb.h"

#include "sync/store/store_lmdb_check.h"
#include "sync/store/store_lmdb_meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static struct lmdb_store *store_of(struct ds_store *base)
{
    return (struct lmdb_store *)(void *)base;
}

static struct lmdb_txn *txn_of(struct ds_txn *base)
{
    return (struct lmdb_txn *)(void *)base;
}

enum ds_err ds_lmdb_err(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return DS_OK;
    case MDB_NOTFOUND:
    case ENOENT:
        return DS_ERR_NOT_FOUND;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        return DS_ERR_FULL;
    case MDB_READERS_FULL:
        return DS_ERR_BUSY;
    case MDB_TXN_FULL:
        return DS_ERR_LIMIT;
    case ENOMEM:
        return DS_ERR_NOMEM;
    case MDB_VERSION_MISMATCH:
        return DS_ERR_VERSION;
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_TXN:
        return DS_ERR_INTEGRITY;
    case EACCES:
    case EPERM:
    case EROFS:
        return DS_ERR_FORBIDDEN;
    default:
        return DS_ERR_IO;
    }
}

enum ds_err ds_lmdb_txn_check(struct lmdb_store *store, MDB_txn *txn, bool names_only,
                              struct ds_detail *detail)
{
    mdb_filehandle_t fd = -1;
    int rc = mdb_env_get_fd(store->env, &fd);
    if (rc != MDB_SUCCESS) {
        return ds_lmdb_err(rc);
    }
    return ds_lmdb_pages_check(fd, mdb_txn_id(txn), names_only, detail);
}

/* ---- Catching LMDB's assertions ------------------------------------------------------------- */

/* LMDB calls this when its own structures in the file contradict themselves, and aborts the
 * process if we return. The thread's transaction that is at work takes the way back. */
void ds_lmdb_asserted(MDB_env *env, const char *text)
{
    struct lmdb_store *store = mdb_env_get_userctx(env);
    struct lmdb_txn *txn = NULL;
    if (store != NULL) {
        pthread_mutex_lock(&store->lock);
        txn = store->open;
        while (txn != NULL && !(txn->armed && pthread_equal(txn->thread, pthread_self()))) {
            txn = txn->next;
        }
        pthread_mutex_unlock(&store->lock);
    }
    if (txn == NULL) {
        ds_assert_fail(__FILE__, __LINE__, text);
    }
    longjmp(txn->trap, 1);
}

static int cursor_seek(MDB_cursor *cursor, bool after, MDB_val *key, MDB_val *value)
{
    MDB_val wanted = *key;
    /* LMDB takes no empty key. */
    int rc = mdb_cursor_get(cursor, key, value, wanted.mv_size == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (after || (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)) {
        return rc;
    }
    if (rc == MDB_NOTFOUND) {
        return mdb_cursor_get(cursor, key, value, MDB_LAST);
    }
    if (key->mv_size == wanted.mv_size &&
        memcmp(key->mv_data, wanted.mv_data, wanted.mv_size) == 0) {
        return rc;
    }
    return mdb_cursor_get(cursor, key, value, MDB_PREV);
}

enum call { CALL_GET, CALL_PUT, CALL_DEL, CALL_AT_OR_AFTER, CALL_AT_OR_BEFORE, CALL_COMMIT };

static int call_lmdb(struct lmdb_txn *txn, enum call call, uint8_t table, MDB_val *key,
                     MDB_val *value)
{
    MDB_cursor *cursor = txn->cursor[table];
    switch (call) {
    case CALL_GET:
        return mdb_cursor_get(cursor, key, value, MDB_SET_KEY);
    case CALL_PUT:
        return mdb_cursor_put(cursor, key, value, MDB_RESERVE);
    case CALL_DEL:
        return mdb_del(txn->txn, store_of(txn->base.store)->table[table], key, NULL);
    case CALL_AT_OR_AFTER:
        return cursor_seek(cursor, true, key, value);
    case CALL_AT_OR_BEFORE:
        return cursor_seek(cursor, false, key, value);
    case CALL_COMMIT:
        return mdb_txn_commit(txn->txn);
    }
    return EINVAL;
}

static enum ds_err call_trapping(struct lmdb_txn *txn, enum call call, uint8_t table, MDB_val *key,
                                 MDB_val *value)
{
    if (setjmp(txn->trap) != 0) {
        /* The cursor may be half moved; a write transaction can only be aborted. A commit that
         * ends here has lost LMDB's write lock; the front declares the store broken. */
        txn->armed = false;
        txn->base.failed = txn->write ? DS_ERR_INTEGRITY : DS_OK;
        if (!txn->write && txn->cursor[table] != NULL) {
            mdb_cursor_close(txn->cursor[table]);
            txn->cursor[table] = NULL;
        }
        return DS_ERR_INTEGRITY;
    }
    txn->armed = true;
    int rc = call_lmdb(txn, call, table, key, value);
    txn->armed = false;
    return ds_lmdb_err(rc);
}

/* ---- Room ----------------------------------------------------------------------------------- */

struct lmdb_room {
    uint64_t file;   /* Bytes of the file in use at some time. */
    uint64_t growth; /* Bytes by which it may still grow. */
    uint64_t free;   /* Bytes inside it that can be used again. */
};

/* Pages on the free list (table 0 of LMDB: txn number -> count, page numbers). */
static int count_free(MDB_txn *txn, uint64_t *pages)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val list;
    *pages = 0;
    int rc = mdb_cursor_open(txn, 0, &cursor);
    if (rc != MDB_SUCCESS) {
        return rc;
    }
    for (rc = mdb_cursor_get(cursor, &key, &list, MDB_FIRST); rc == MDB_SUCCESS;
         rc = mdb_cursor_get(cursor, &key, &list, MDB_NEXT)) {
        size_t count = 0;
        if (list.mv_size < sizeof count) {
            rc = MDB_CORRUPTED;
            break;
        }
        memcpy(&count, list.mv_data, sizeof count);
        *pages += count;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

/* Looks at the free list only when growth alone leaves less than enough. */
static enum ds_err measure(struct lmdb_store *store, uint64_t enough, struct lmdb_room *room)
{
    MDB_envinfo info = {0};
    struct statvfs disk = {0};
    int rc = mdb_env_info(store->env, &info);
    if (rc != MDB_SUCCESS) {
        return ds_lmdb_err(rc);
    }
    if (fstatvfs(store->dir_fd, &disk) != 0) {
        return DS_ERR_IO;
    }
    uint64_t avail = (uint64_t)disk.f_bavail * disk.f_frsize;
    room->file = ((uint64_t)info.me_last_pgno + 1) * store->page_size;
    room->growth = room->file < store->map_bytes ? store->map_bytes - room->file : 0;
    room->growth = room->growth < avail ? room->growth : avail;
    room->free = 0;
    if (room->growth >= enough) {
        return DS_OK;
    }
    MDB_txn *txn = NULL;
    uint64_t pages = 0;
    rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc == MDB_SUCCESS) {
        rc = count_free(txn, &pages);
        mdb_txn_abort(txn);
    }
    room->free = pages * store->page_size;
    return ds_lmdb_err(rc);
}

static enum ds_err lmdb_room(struct ds_store *base, uint64_t *used, uint64_t *limit)
{
    struct lmdb_room room = {0, 0, 0};
    DS_TRY(measure(store_of(base), UINT64_MAX, &room));
    *used = room.file - (room.free < room.file ? room.free : room.file);
    *limit = room.file + room.growth;
    return DS_OK;
}

/* ---- Transactions --------------------------------------------------------------------------- */

static bool thread_writes(struct lmdb_store *store)
{
    bool found = false;
    pthread_mutex_lock(&store->lock);
    for (const struct lmdb_txn *txn = store->open; txn != NULL; txn = txn->next) {
        found = found || (txn->write && pthread_equal(txn->thread, pthread_self()));
    }
    pthread_mutex_unlock(&store->lock);
    return found;
}

static enum ds_err prepare_write(struct lmdb_store *store, struct lmdb_txn *txn)
{
    struct lmdb_room room = {0, 0, 0};
    if (store->read_only) {
        return DS_ERR_USAGE;
    }
    /* LMDB's write lock is not recursive: the thread would wait for itself. */
    if (thread_writes(store)) {
        return DS_ERR_BUSY;
    }
    DS_TRY(measure(store, store->reserve_bytes, &room));
    txn->puts_refused = room.growth + room.free < store->reserve_bytes;
    return DS_OK;
}

static enum ds_err lmdb_begin(struct ds_store *base, bool write, struct ds_txn **made)
{
    struct lmdb_store *store = store_of(base);
    struct stat status;
    struct lmdb_txn *txn = calloc(1, sizeof *txn);
    if (txn == NULL) {
        return DS_ERR_NOMEM;
    }
    txn->write = write;
    txn->thread = pthread_self();
    enum ds_err err = write ? prepare_write(store, txn) : DS_OK;
    if (err == DS_OK) {
        err = ds_lmdb_err(mdb_txn_begin(store->env, NULL, write ? 0 : MDB_RDONLY, &txn->txn));
    }
    mdb_filehandle_t fd = -1;
    if (err == DS_OK && (mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &status) != 0)) {
        mdb_txn_abort(txn->txn);
        err = DS_ERR_IO;
    }
    if (err != DS_OK) {
        free(txn);
        return err;
    }
    txn->file_bytes = (uint64_t)status.st_size;
    pthread_mutex_lock(&store->lock);
    txn->next = store->open;
    store->open = txn;
    pthread_mutex_unlock(&store->lock);
    *made = &txn->base;
    return DS_OK;
}

/* LMDB frees the cursors of a write transaction, those of a reader are ours. */
static void close_cursors(struct lmdb_txn *txn)
{
    for (size_t table = 0; table < DS_TABLES_MAX; table++) {
        if (txn->cursor[table] != NULL) {
            mdb_cursor_close(txn->cursor[table]);
            txn->cursor[table] = NULL;
        }
    }
}

static void forget(struct lmdb_store *store, struct lmdb_txn *txn)
{
    pthread_mutex_lock(&store->lock);
    struct lmdb_txn **link = &store->open;
    while (*link != txn) {
        DS_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = txn->next;
    pthread_mutex_unlock(&store->lock);
    free(txn);
}

static enum ds_err lmdb_commit(struct ds_txn *base)
{
    struct lmdb_txn *txn = txn_of(base);
    close_cursors(txn);
    enum ds_err err = call_trapping(txn, CALL_COMMIT, 0, NULL, NULL);
    forget(store_of(base->store), txn);
    return err;
}

static void lmdb_abort(struct ds_txn *base)
{
    struct lmdb_txn *txn = txn_of(base);
    close_cursors(txn);
    mdb_txn_abort(txn->txn);
    forget(store_of(base->store), txn);
}

/* The table's cursor stands in txn->cursor after this. */
static enum ds_err need_cursor(struct lmdb_txn *txn, uint8_t table)
{
    struct lmdb_store *store = store_of(txn->base.store);
    if (txn->cursor[table] != NULL) {
        return DS_OK;
    }
    if (!store->table_known[table]) {
        return DS_ERR_NOT_FOUND;
    }
    return ds_lmdb_err(mdb_cursor_open(txn->txn, store->table[table], &txn->cursor[table]));
}

/* What a damaged page points at may lie beyond the end of the file, where reading kills the
 * process (SIGBUS). Pages that this transaction wrote lie elsewhere in memory. */
static enum ds_err bounded(const struct lmdb_txn *txn, const MDB_val *value)
{
    const struct lmdb_store *store = (const struct lmdb_store *)(const void *)txn->base.store;
    uintptr_t map = (uintptr_t)store->map;
    uintptr_t at = (uintptr_t)value->mv_data;
    if (map == 0 || at < map || at - map >= store->map_bytes) {
        return value->mv_size <= DS_VALUE_SIZE_MAX + DS_VALUE_TAG_SIZE ? DS_OK : DS_ERR_INTEGRITY;
    }
    uint64_t offset = at - map;
    bool inside = offset <= txn->file_bytes && value->mv_size <= txn->file_bytes - offset;
    return inside ? DS_OK : DS_ERR_INTEGRITY;
}

/* The leaf in which a found key stands must be where it says, and the node must be one of its live
 * ones: in the gap between pointers and nodes lie outdated nodes whose tags are right, and a
 * flipped bit in the head brings them back. */
static enum ds_err leaf_sound(const struct lmdb_txn *txn, const MDB_val *key)
{
    const struct lmdb_store *store = (const struct lmdb_store *)(const void *)txn->base.store;
    uintptr_t map = (uintptr_t)store->map;
    uintptr_t at = (uintptr_t)key->mv_data;
    if (map == 0 || at < map || at - map >= store->map_bytes) {
        return DS_OK;
    }
    size_t pgno = (at - map) / store->page_size;
    size_t offset = (at - map) % store->page_size;
    struct ds_lmdb_page_head head;
    memcpy(&head, store->map + pgno * store->page_size, sizeof head);
    bool sound = head.pgno == pgno && head.room.node.lower <= head.room.node.upper &&
                 offset >= (size_t)head.room.node.upper + DS_LMDB_NODE_HEAD;
    return sound ? DS_OK : DS_ERR_INTEGRITY;
}

/* LMDB does not write through the pointers that it is given for keys, but takes no const ones. */
static MDB_val val_of(struct ds_slice bytes)
{
    union {
        const uint8_t *given;
        void *taken;
    } data = {.given = bytes.data};
    return (MDB_val){.mv_size = bytes.size, .mv_data = data.taken};
}

static enum ds_err lmdb_get(struct ds_txn *base, uint8_t table, struct ds_slice key,
                            struct ds_slice *value)
{
    struct lmdb_txn *txn = txn_of(base);
    MDB_val wanted = val_of(key);
    MDB_val got = {0, NULL};
    DS_TRY(need_cursor(txn, table));
    DS_TRY(call_trapping(txn, CALL_GET, table, &wanted, &got));
    DS_TRY(bounded(txn, &wanted));
    DS_TRY(leaf_sound(txn, &wanted));
    DS_TRY(bounded(txn, &got));
    *value = (struct ds_slice){got.mv_data, got.mv_size};
    return DS_OK;
}

static enum ds_err lmdb_seek(struct ds_txn *base, uint8_t table, struct ds_slice key, bool after,
                             struct ds_slice *found, struct ds_slice *value)
{
    struct lmdb_txn *txn = txn_of(base);
    MDB_val at = val_of(key);
    MDB_val got = {0, NULL};
    DS_TRY(need_cursor(txn, table));
    enum call call = after ? CALL_AT_OR_AFTER : CALL_AT_OR_BEFORE;
    DS_TRY(call_trapping(txn, call, table, &at, &got));
    DS_TRY(bounded(txn, &at));
    DS_TRY(leaf_sound(txn, &at));
    DS_TRY(bounded(txn, &got));
    *found = (struct ds_slice){at.mv_data, at.mv_size};
    *value = (struct ds_slice){got.mv_data, got.mv_size};
    return DS_OK;
}

static enum ds_err lmdb_reserve(struct ds_txn *base, uint8_t table, struct ds_slice key,
                                size_t size, uint8_t **room)
{
    struct lmdb_txn *txn = txn_of(base);
    if (txn->puts_refused) {
        return DS_ERR_FULL;
    }
    MDB_val at = val_of(key);
    MDB_val made = {size, NULL};
    DS_TRY(need_cursor(txn, table));
    DS_TRY(call_trapping(txn, CALL_PUT, table, &at, &made));
    *room = made.mv_data;
    return DS_OK;
}

static enum ds_err lmdb_del(struct ds_txn *base, uint8_t table, struct ds_slice key)
{
    struct lmdb_txn *txn = txn_of(base);
    MDB_val at = val_of(key);
    return call_trapping(txn, CALL_DEL, table, &at, NULL);
}

/* How often a check begins again because two commits overtook its beginning. */
#define CHECK_TRIES 8

static enum ds_err lmdb_check(struct ds_store *base, struct ds_detail *detail)
{
    struct lmdb_store *store = store_of(base);
    enum ds_err err = DS_ERR_BUSY;
    for (int tries = 0; tries < CHECK_TRIES && err == DS_ERR_BUSY; tries++) {
        MDB_txn *txn = NULL;
        int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
        if (rc != MDB_SUCCESS) {
            return ds_lmdb_err(rc);
        }
        err = ds_lmdb_txn_check(store, txn, false, detail);
        mdb_txn_abort(txn);
    }
    return err;
}

void ds_lmdb_free(struct lmdb_store *store)
{
    DS_ASSERT(store->open == NULL);
    if (store->env != NULL) {
        mdb_env_close(store->env);
    }
    if (store->dir_fd >= 0) {
        close(store->dir_fd);
    }
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static void lmdb_close(struct ds_store *base)
{
    ds_lmdb_free(store_of(base));
}

const struct ds_store_ops ds_lmdb_ops = {
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .get = lmdb_get,
    .reserve = lmdb_reserve,
    .del = lmdb_del,
    .seek = lmdb_seek,
    .close = lmdb_close,
    .room = lmdb_room,
    .check = lmdb_check,
};

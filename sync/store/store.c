#include "sync/store/store.h"

#include "schema/base/bytes.h"
#include "sync/store/tag.h"

#include <string.h>

/* A stored value: tag u64 (big-endian, tag.h), then the caller's bytes. */

/* A scrub begins a new read transaction after so many values, so that the writer can reuse pages
 * meanwhile (lmdb.h, "Avoid long-lived transactions"). */
#define SCRUB_VALUES_PER_TXN 16384

void ds_store_close(struct ds_store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}

enum ds_err ds_store_begin(struct ds_store *store, bool write, struct ds_txn **txn)
{
    *txn = NULL;
    if (write && store->broken) {
        return DS_ERR_IO;
    }
    DS_TRY(store->ops->begin(store, write, txn));
    (*txn)->store = store;
    (*txn)->write = write;
    (*txn)->failed = DS_OK;
    if (write && store->broken) {
        /* The writer that we waited for has failed. */
        store->ops->abort(*txn);
        *txn = NULL;
        return DS_ERR_IO;
    }
    return DS_OK;
}

enum ds_err ds_txn_commit(struct ds_txn *txn)
{
    struct ds_store *store = txn->store;
    bool write = txn->write;
    enum ds_err failed = txn->failed;
    if (failed != DS_OK) {
        store->ops->abort(txn);
        return failed;
    }
    enum ds_err err = store->ops->commit(txn);
    if (write && err != DS_OK) {
        store->broken = true;
    }
    return err;
}

void ds_txn_abort(struct ds_txn *txn)
{
    txn->store->ops->abort(txn);
}

static enum ds_err check_key(struct ds_slice key)
{
    if (key.size == 0) {
        return DS_ERR_USAGE;
    }
    return key.size > DS_KEY_SIZE_MAX ? DS_ERR_LIMIT : DS_OK;
}

/* Check what an implementation gave and take the tag off. */
static enum ds_err open_value(uint8_t table, struct ds_slice key, struct ds_slice stored,
                              struct ds_slice *value)
{
    if (stored.size < DS_VALUE_TAG_SIZE || stored.size > DS_VALUE_TAG_SIZE + DS_VALUE_SIZE_MAX ||
        key.size == 0 || key.size > DS_KEY_SIZE_MAX) {
        return DS_ERR_INTEGRITY;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, stored);
    uint64_t tag = ds_take_u64(&cursor);
    struct ds_slice bytes = ds_take_bytes(&cursor, ds_cursor_left(&cursor));
    if (tag != ds_store_tag(table, key, bytes)) {
        return DS_ERR_INTEGRITY;
    }
    *value = bytes;
    return DS_OK;
}

enum ds_err ds_txn_get(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                       struct ds_slice *value)
{
    DS_ASSERT(table < DS_TABLES_MAX);
    struct ds_slice stored;
    *value = (struct ds_slice){NULL, 0};
    DS_TRY(check_key(key));
    DS_TRY(txn->store->ops->get(txn, table, key, &stored));
    return open_value(table, key, stored, value);
}

enum ds_err ds_txn_put(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                       struct ds_slice value)
{
    DS_ASSERT(table < DS_TABLES_MAX);
    DS_ASSERT(txn->write);
    DS_TRY(txn->failed);
    DS_TRY(check_key(key));
    if (value.size > DS_VALUE_SIZE_MAX) {
        return DS_ERR_LIMIT;
    }
    uint8_t *room = NULL;
    size_t size = DS_VALUE_TAG_SIZE + value.size;
    txn->failed = txn->store->ops->reserve(txn, table, key, size, &room);
    DS_TRY(txn->failed);
    struct ds_builder builder;
    struct ds_slice made;
    ds_builder_init(&builder, room, size);
    ds_put_u64(&builder, ds_store_tag(table, key, value));
    ds_put_bytes(&builder, value);
    enum ds_err err = ds_builder_end(&builder, &made);
    DS_ASSERT(err == DS_OK && made.size == size);
    return DS_OK;
}

enum ds_err ds_txn_del(struct ds_txn *txn, uint8_t table, struct ds_slice key)
{
    DS_ASSERT(table < DS_TABLES_MAX);
    DS_ASSERT(txn->write);
    DS_TRY(txn->failed);
    DS_TRY(check_key(key));
    enum ds_err err = txn->store->ops->del(txn, table, key);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_OK;
    }
    txn->failed = err;
    return err;
}

/* A key to seek may be empty (before all keys), and one byte longer than a stored key, so that a
 * walk can always append its zero byte. */
static enum ds_err seek(struct ds_txn *txn, uint8_t table, struct ds_slice key, bool after,
                        struct ds_slice pair[static 2])
{
    DS_ASSERT(table < DS_TABLES_MAX);
    struct ds_slice found;
    struct ds_slice stored;
    pair[0] = (struct ds_slice){NULL, 0};
    pair[1] = pair[0];
    if (key.size > DS_KEY_SIZE_MAX + 1) {
        return DS_ERR_LIMIT;
    }
    if (key.size == 0 && !after) {
        return DS_ERR_NOT_FOUND;
    }
    DS_TRY(txn->store->ops->seek(txn, table, key, after, &found, &stored));
    enum ds_err err = open_value(table, found, stored, &pair[1]);
    if (found.size > 0 && found.size <= DS_KEY_SIZE_MAX) {
        pair[0] = found;
    }
    return err;
}

enum ds_err ds_txn_at_or_after(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                               struct ds_slice *found, struct ds_slice *value)
{
    struct ds_slice pair[2];
    enum ds_err err = seek(txn, table, key, true, pair);
    *found = pair[0];
    *value = pair[1];
    return err;
}

enum ds_err ds_txn_at_or_before(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                                struct ds_slice *found, struct ds_slice *value)
{
    struct ds_slice pair[2];
    enum ds_err err = seek(txn, table, key, false, pair);
    *found = pair[0];
    *value = pair[1];
    return err;
}

enum ds_err ds_store_room(struct ds_store *store, struct ds_store_room *room)
{
    return store->ops->room(store, &room->used, &room->limit);
}

/* ---- Scrub ---------------------------------------------------------------------------------- */

struct scrub {
    struct ds_store *store;
    struct ds_detail *detail;
    uint64_t values;
    uint64_t bad;
    uint8_t next[DS_KEY_SIZE_MAX + 1]; /* Where the walk of the present table goes on. */
    size_t next_size;
};

static void scrub_found(struct scrub *scrub, uint8_t table, struct ds_slice key, const char *what)
{
    scrub->bad++;
    if (scrub->bad > 1) {
        return;
    }
    char table_text[8];
    char key_text[2 * (DS_KEY_SIZE_MAX + 1) + 1];
    struct ds_builder builder;
    ds_builder_init(&builder, table_text, sizeof table_text);
    ds_put_decimal(&builder, table);
    (void)ds_builder_text(&builder);
    ds_builder_init(&builder, key_text, sizeof key_text);
    ds_put_hex(&builder, key);
    ds_detail_set(scrub->detail, what, ": table ", table_text, ", key ", ds_builder_text(&builder),
                  NULL);
}

/* Walk on from scrub->next for a while. DS_ERR_NOT_FOUND at the end of the table; another error
 * when the table cannot be walked further. */
static enum ds_err scrub_some(struct scrub *scrub, struct ds_txn *txn, uint8_t table)
{
    for (int count = 0; count < SCRUB_VALUES_PER_TXN; count++) {
        struct ds_slice from = {scrub->next, scrub->next_size};
        struct ds_slice key;
        struct ds_slice stored;
        struct ds_slice value;
        DS_TRY(scrub->store->ops->seek(txn, table, from, true, &key, &stored));
        scrub->values++;
        if (key.size == 0 || key.size > DS_KEY_SIZE_MAX || ds_slice_compare(key, from) < 0) {
            /* Without order the walk might never end. */
            scrub_found(scrub, table, from, "keys out of order");
            return DS_ERR_NOT_FOUND;
        }
        if (open_value(table, key, stored, &value) != DS_OK) {
            scrub_found(scrub, table, key, "a value does not match its tag");
        }
        memcpy(scrub->next, key.data, key.size);
        scrub->next[key.size] = 0;
        scrub->next_size = key.size + 1;
    }
    return DS_OK;
}

static enum ds_err scrub_table(struct scrub *scrub, uint8_t table)
{
    enum ds_err err = DS_OK;
    scrub->next_size = 0;
    while (err == DS_OK) {
        struct ds_txn *txn = NULL;
        DS_TRY(ds_store_begin(scrub->store, false, &txn));
        err = scrub_some(scrub, txn, table);
        ds_txn_abort(txn);
    }
    if (err == DS_ERR_INTEGRITY) {
        scrub_found(scrub, table, (struct ds_slice){scrub->next, scrub->next_size},
                    "pages cannot be read from here");
        return DS_OK;
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_store_scrub(struct ds_store *store, uint64_t *values, uint64_t *bad,
                           struct ds_detail *detail)
{
    struct scrub scrub = {.store = store, .detail = detail};
    enum ds_err err = store->ops->check != NULL ? store->ops->check(store, detail) : DS_OK;
    if (err == DS_ERR_INTEGRITY) {
        scrub.bad = 1;
    }
    for (uint8_t table = 0; table < DS_TABLES_MAX && err == DS_OK; table++) {
        err = scrub_table(&scrub, table);
    }
    *values = scrub.values;
    *bad = scrub.bad;
    if (err == DS_OK && scrub.bad > 0) {
        err = DS_ERR_INTEGRITY;
    }
    return err;
}

enum ds_err ds_store_explain(struct ds_store *store, enum ds_err err, struct ds_detail *detail)
{
    uint64_t values = 0;
    uint64_t bad = 0;
    struct ds_detail found = {""};
    if (store == NULL || (err != DS_ERR_INTEGRITY && err != DS_ERR_IO) ||
        ds_store_scrub(store, &values, &bad, &found) != DS_ERR_INTEGRITY) {
        return err;
    }
    ds_detail_set(detail, found.text, NULL);
    return DS_ERR_INTEGRITY;
}

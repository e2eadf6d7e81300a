/* Customer keys, erasure, enrolment codes: what lives in the key store. */
#include "sync/shard/shard_impl.h"

#include <string.h>

#define LABEL_CUSTOMER DS_SLICE_LIT("doorstep customer 1")
enum { WRAPPED = 32 + DS_AEAD_OVERHEAD, ERASE_MAX = 256 };

static struct ds_slice aad_of(const struct ds_id *key_id, uint8_t *memory, size_t size)
{
    struct ds_builder builder;
    struct ds_slice made = {NULL, 0};
    ds_builder_init(&builder, memory, size);
    ds_put_bytes(&builder, LABEL_CUSTOMER);
    ds_put_id(&builder, key_id);
    DS_ASSERT(ds_builder_end(&builder, &made) == DS_OK);
    return made;
}

static enum ds_err unwrap(struct ds_shard *shard, const struct ds_id *key_id, struct ds_slice value,
                          struct ds_secret *key)
{
    uint8_t aad[64];
    struct ds_builder builder;
    if (value.size == 1) {
        return DS_ERR_FORBIDDEN; /* Destroyed. */
    }
    ds_builder_init(&builder, key->byte, sizeof(key->byte));
    if (ds_aead_open(&shard->secret.master, aad_of(key_id, aad, sizeof(aad)), value, &builder) !=
            DS_OK ||
        builder.used != sizeof(key->byte)) {
        return DS_ERR_INTEGRITY;
    }
    return DS_OK;
}

enum ds_err ds_customer_key(struct ds_shard *shard, struct ds_txn *keys_txn,
                            const struct ds_id *key_id, struct ds_secret *key)
{
    struct ds_slice value;
    DS_TRY(ds_txn_get(keys_txn, DS_KEYS_CUSTOMER, DS_SLICE_OF(key_id->byte), &value));
    return unwrap(shard, key_id, value, key);
}

struct key_place { /* Where in the key store. */
    uint8_t table;
    struct ds_slice key;
};

static enum ds_err put_wrapped(struct ds_shard *shard, struct ds_txn *txn, struct key_place place,
                               const struct ds_id *key_id, const struct ds_secret *key)
{
    uint8_t sealed[WRAPPED];
    uint8_t aad[64];
    struct ds_builder builder;
    struct ds_slice made;
    ds_builder_init(&builder, sealed, sizeof(sealed));
    DS_TRY(ds_aead_seal(&shard->secret.master, aad_of(key_id, aad, sizeof(aad)),
                        DS_SLICE_OF(key->byte), &shard->random, &builder));
    DS_TRY(ds_builder_end(&builder, &made));
    return ds_txn_put(txn, place.table, place.key, made);
}

/* ---- Keys beside the first. ---- */
enum { OTHER_SIZE = 16 + 16 };

/* The next other key of a customer; place is its key in the table, and where to go on from. */
static enum ds_err next_other(struct ds_txn *txn, const struct ds_id *key_id, struct ds_key *place,
                              struct ds_slice *value)
{
    struct ds_key after = ds_key_after(ds_key_slice(place));
    struct ds_slice found;
    DS_TRY(ds_txn_at_or_after(txn, DS_KEYS_OTHER, ds_key_slice(&after), &found, value));
    if (found.size != OTHER_SIZE || memcmp(found.data, key_id->byte, sizeof(key_id->byte)) != 0) {
        return DS_ERR_NOT_FOUND;
    }
    memcpy(place->byte, found.data, found.size);
    place->size = found.size;
    return DS_OK;
}

static struct ds_key first_other(const struct ds_id *key_id)
{
    struct ds_key place = {.size = sizeof(key_id->byte)};
    memcpy(place.byte, key_id->byte, sizeof(key_id->byte));
    return place;
}

static enum ds_err count_others(struct ds_txn *txn, const struct ds_id *key_id, size_t *count)
{
    struct ds_key place = first_other(key_id);
    struct ds_slice value;
    *count = 0;
    enum ds_err err = next_other(txn, key_id, &place, &value);
    while (err == DS_OK) {
        ++*count;
        err = next_other(txn, key_id, &place, &value);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static enum ds_err keep_other(struct ds_shard *shard, struct ds_txn *txn,
                              const struct ds_id *key_id, const struct ds_secret *key)
{
    struct ds_key place = first_other(key_id);
    struct ds_hash hash =
        ds_hash3(LABEL_CUSTOMER, DS_SLICE_OF(key_id->byte), DS_SLICE_OF(key->byte));
    size_t count = 0;
    DS_TRY(count_others(txn, key_id, &count));
    if (count >= DS_CUSTOMER_OTHERS_MAX) {
        return DS_OK;
    }
    memcpy(place.byte + place.size, hash.byte, OTHER_SIZE - place.size);
    place.size = OTHER_SIZE;
    struct key_place other = {DS_KEYS_OTHER, ds_key_slice(&place)};
    return put_wrapped(shard, txn, other, key_id, key);
}

/* An erased customer's other keys go, too. */
static enum ds_err drop_others(struct ds_shard *shard, const struct ds_id *key_id)
{
    struct ds_txn *txn = NULL;
    struct ds_key place = first_other(key_id);
    struct ds_slice value;
    DS_TRY(ds_store_begin(shard->keys, true, &txn));
    enum ds_err err = next_other(txn, key_id, &place, &value);
    if (err == DS_ERR_NOT_FOUND) {
        ds_txn_abort(txn); /* None: no commit for nothing. */
        return DS_OK;
    }
    while (err == DS_OK) {
        err = ds_txn_del(txn, DS_KEYS_OTHER, ds_key_slice(&place));
        err = err == DS_OK ? next_other(txn, key_id, &place, &value) : err;
    }
    if (err != DS_ERR_NOT_FOUND) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

enum ds_err ds_customer_key_take_in(struct ds_shard *shard, struct ds_txn *txn,
                                    const struct ds_id *key_id, const struct ds_secret *key)
{
    struct ds_secret have;
    enum ds_err err = ds_customer_key(shard, txn, key_id, &have);
    if (err == DS_ERR_NOT_FOUND) {
        struct key_place first = {DS_KEYS_CUSTOMER, DS_SLICE_OF(key_id->byte)};
        return put_wrapped(shard, txn, first, key_id, key);
    }
    if (err == DS_ERR_FORBIDDEN) {
        return DS_OK; /* Erased: nothing brings it back. */
    }
    DS_TRY(err);
    bool same = memcmp(have.byte, key->byte, sizeof(have.byte)) == 0;
    ds_wipe(&have, sizeof(have));
    return same ? DS_OK : keep_other(shard, txn, key_id, key);
}

enum ds_err ds_customer_key_take(struct ds_shard *shard, const struct ds_id *key_id,
                                 const struct ds_secret *key)
{
    struct ds_txn *txn = NULL;
    DS_TRY(ds_store_begin(shard->keys, true, &txn));
    enum ds_err err = ds_customer_key_take_in(shard, txn, key_id, key);
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

enum ds_err ds_customer_key_make(struct ds_shard *shard, const struct ds_id *key_id,
                                 struct ds_secret *key)
{
    struct ds_txn *txn = NULL;
    DS_TRY(ds_store_begin(shard->keys, false, &txn));
    enum ds_err err = ds_customer_key(shard, txn, key_id, key);
    ds_txn_abort(txn);
    if (err != DS_ERR_NOT_FOUND) {
        return err;
    }
    shard->random.fill(shard->random.context, key->byte, sizeof(key->byte));
    return ds_customer_key_take(shard, key_id, key);
}

enum ds_err ds_customer_seal(struct ds_shard *shard, const struct ds_id *entity, uint8_t tag,
                             struct ds_slice clear, struct ds_builder *out)
{
    struct ds_secret key;
    DS_TRY(ds_customer_key_make(shard, entity, &key));
    enum ds_err err =
        ds_personal_seal(entity, &key, &shard->secret.equality, entity, tag, clear, out);
    ds_wipe(&key, sizeof(key));
    return err;
}

enum ds_err ds_customer_open(struct ds_shard *shard, struct ds_txn *keys_txn,
                             const struct ds_id *entity, uint8_t tag, struct ds_slice sealed,
                             struct ds_builder *clear)
{
    struct ds_personal_view view;
    struct ds_secret key;
    DS_TRY(ds_personal_view(sealed, &view));
    enum ds_err err = ds_customer_key(shard, keys_txn, &view.key_id, &key);
    if (err == DS_ERR_FORBIDDEN) {
        return DS_ERR_NOT_FOUND;
    }
    DS_TRY(err);
    struct ds_builder before = *clear;
    err = ds_personal_open(sealed, &key, entity, tag, clear);
    struct ds_key place = first_other(&view.key_id);
    struct ds_slice value;
    while (err == DS_ERR_SIGNATURE && next_other(keys_txn, &view.key_id, &place, &value) == DS_OK) {
        *clear = before;
        err = unwrap(shard, &view.key_id, value, &key);
        err = err == DS_OK ? ds_personal_open(sealed, &key, entity, tag, clear) : err;
    }
    ds_wipe(&key, sizeof(key));
    return err;
}

/* ---- Erasure. ---- */
static const struct ds_slice mark_key = {(const uint8_t *)"erased", 6};
enum { MARK_SIZE = 8 + 8, MARK_EVERY = 4096 };

static enum ds_err destroy(struct ds_shard *shard, struct ds_slice key_ids)
{
    for (size_t at = 0; at + sizeof(struct ds_id) <= key_ids.size; at += sizeof(struct ds_id)) {
        struct ds_slice id = {key_ids.data + at, sizeof(struct ds_id)};
        struct ds_id key_id;
        memcpy(key_id.byte, id.data, sizeof(key_id.byte));
        DS_TRY(ds_keys_put(shard, DS_KEYS_CUSTOMER, id, DS_SLICE_LIT("\0")));
        DS_TRY(drop_others(shard, &key_id));
    }
    return DS_OK;
}

/* Up to where the key store has followed the journal. Of another epoch: not at all, for positions
 * were given out anew. */
static enum ds_err mark_load(struct ds_shard *shard, uint64_t *position)
{
    uint8_t bytes[MARK_SIZE];
    struct ds_builder builder;
    struct ds_cursor cursor;
    *position = 0;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    enum ds_err err = ds_keys_get(shard, DS_KEYS_MARK, mark_key, &builder);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_OK;
    }
    DS_TRY(err);
    ds_cursor_init(&cursor, (struct ds_slice){bytes, builder.used});
    uint64_t epoch = ds_take_u64(&cursor);
    uint64_t marked = ds_take_u64(&cursor);
    DS_TRY(ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY);
    *position = epoch == shard->meta.epoch ? marked : 0;
    return DS_OK;
}

static enum ds_err mark_store(struct ds_shard *shard, uint64_t position)
{
    uint8_t bytes[MARK_SIZE];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_u64(&builder, shard->meta.epoch);
    ds_put_u64(&builder, position);
    DS_TRY(ds_builder_end(&builder, &value));
    return ds_keys_put(shard, DS_KEYS_MARK, mark_key, value);
}

/* *whole: every entry could be read. What is spoiled is for ds_shard_verify() to name. */
static enum ds_err erase_from(struct ds_shard *shard, struct ds_txn *txn, uint64_t first,
                              bool *destroyed, bool *whole)
{
    *whole = true;
    for (uint64_t number = first; number <= shard->meta.size; number++) {
        struct ds_key key = ds_key_journal(number);
        struct ds_slice bytes;
        struct ds_entry entry;
        if (ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes) != DS_OK ||
            ds_entry_parse(bytes, &entry, NULL) != DS_OK) {
            *whole = false;
            continue;
        }
        if (entry.kind == DS_ENTRY_ERASE) {
            DS_TRY(destroy(shard, entry.erased));
            *destroyed = true;
        }
    }
    return DS_OK;
}

enum ds_err ds_erase_again(struct ds_shard *shard)
{
    struct ds_txn *txn = NULL;
    uint64_t marked = 0;
    bool destroyed = false;
    bool whole = false;
    DS_TRY(mark_load(shard, &marked));
    DS_TRY(ds_store_begin(shard->store, false, &txn));
    enum ds_err err = erase_from(shard, txn, marked + 1, &destroyed, &whole);
    ds_txn_abort(txn);
    DS_TRY(err);
    bool behind = destroyed || shard->meta.size >= marked + MARK_EVERY;
    return whole && behind ? mark_store(shard, shard->meta.size) : DS_OK;
}

enum ds_err ds_shard_erase(struct ds_shard *shard, struct ds_actor *admin,
                           const struct ds_id *key_ids, size_t count)
{
    if (count == 0 || count > ERASE_MAX) {
        return DS_ERR_LIMIT;
    }
    struct ds_entry entry = {.kind = DS_ENTRY_ERASE,
                             .instant_ms = shard->clock.now_ms(shard->clock.context),
                             .erased = {(const uint8_t *)key_ids, count * sizeof(*key_ids)}};
    /* The entry first: a crash in between leaves a key that the next open destroys, never a
     * destroyed key that nobody asked to destroy. */
    DS_TRY(ds_admin_entry(shard, admin, &entry));
    return destroy(shard, entry.erased);
}

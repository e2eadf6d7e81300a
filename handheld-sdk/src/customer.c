#include "handheld-sdk/src/customer.h"

#include <string.h>

#define LABEL_WRAP DS_SLICE_LIT("doorstep wrap 1")
enum {
    KEY_KNOWN = 0,  /* The server's, or told to it. */
    KEY_UNSENT = 1, /* Made here. */
    WRAP_AAD_MAX = 32,
    KEY_VALUE_SIZE = sizeof(struct ds_secret) + 1
};

static struct ds_slice wrap_aad(const struct ds_id *id, uint8_t memory[static WRAP_AAD_MAX])
{
    struct ds_builder builder;
    struct ds_slice aad = {0};
    ds_builder_init(&builder, memory, WRAP_AAD_MAX);
    ds_put_bytes(&builder, LABEL_WRAP);
    ds_put_id(&builder, id);
    enum ds_err err = ds_builder_end(&builder, &aad);
    DS_ASSERT(err == DS_OK);
    return aad;
}

static enum ds_err key_store(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *id,
                             const struct ds_secret *key, uint8_t state)
{
    uint8_t value[KEY_VALUE_SIZE];
    memcpy(value, key->byte, sizeof(key->byte));
    value[sizeof(key->byte)] = state;
    enum ds_err err = ds_safe_put(&h->vault, txn, DS_KEPT_KEY, DS_SLICE_OF(id->byte),
                                  DS_SLICE_OF(value), &h->arena);
    ds_wipe(value, sizeof(value));
    return err;
}

static enum ds_err key_load(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *id,
                            struct ds_secret *key, uint8_t *state)
{
    struct ds_slice clear;
    DS_TRY(ds_safe_get(&h->vault, txn, DS_KEPT_KEY, DS_SLICE_OF(id->byte), &h->arena, &clear));
    if (clear.size != KEY_VALUE_SIZE) {
        return DS_ERR_INTEGRITY;
    }
    memcpy(key->byte, clear.data, sizeof(key->byte));
    *state = clear.data[sizeof(key->byte)];
    return DS_OK;
}

enum ds_err ds_customer_take_key(struct ds_handheld *h, struct ds_txn *txn,
                                 const struct ds_wrapped_key *wrapped)
{
    uint8_t memory[WRAP_AAD_MAX];
    struct ds_secret key;
    struct ds_builder builder;
    ds_builder_init(&builder, key.byte, sizeof(key.byte));
    DS_TRY(ds_aead_open(&h->link.down, wrap_aad(&wrapped->key_id, memory), wrapped->wrapped,
                        &builder));
    if (builder.used != sizeof(key.byte)) {
        return DS_ERR_SIGNATURE;
    }
    enum ds_err err = key_store(h, txn, &wrapped->key_id, &key, KEY_KNOWN);
    ds_wipe(&key, sizeof(key));
    return err;
}

enum ds_err ds_customer_keep_key(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *id,
                                 const struct ds_secret *key)
{
    return key_store(h, txn, id, key, KEY_KNOWN);
}

static enum ds_err wrap(struct ds_handheld *h, const struct ds_id *id, const struct ds_secret *key,
                        struct ds_arena *arena, struct ds_wrapped_key *out)
{
    enum { SIZE = sizeof(key->byte) + DS_AEAD_OVERHEAD };
    uint8_t memory[WRAP_AAD_MAX];
    struct ds_builder builder;
    ds_builder_init(&builder, ds_arena_room(arena, SIZE), SIZE);
    if (builder.data == NULL) {
        return DS_ERR_LIMIT;
    }
    out->key_id = *id;
    DS_TRY(ds_aead_seal(&h->link.up, wrap_aad(id, memory), DS_SLICE_OF(key->byte), &h->ports.random,
                        &builder));
    return ds_builder_end(&builder, &out->wrapped);
}

/* Keys made here are few and are marked by a link, so that they are found without a search. */
static const struct ds_id no_id;

static struct ds_key unsent_link(const struct ds_id *id)
{
    return ds_key_held(DS_HELD_KEY_UNSENT, &no_id, 0, id);
}

enum ds_err ds_customer_unsent(struct ds_handheld *h, struct ds_txn *txn, struct ds_arena *arena,
                               struct ds_wrapped_key *keys, size_t max, size_t *count)
{
    struct ds_key walk = ds_link_first((enum ds_link)DS_HELD_KEY_UNSENT, &no_id);
    *count = 0;
    while (*count < max) {
        uint32_t order;
        uint8_t state;
        struct ds_id id;
        struct ds_secret key;
        enum ds_err err = ds_link_next(txn, &walk, &order, &id, &state);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        DS_TRY(key_load(h, txn, &id, &key, &state));
        err = wrap(h, &id, &key, arena, &keys[*count]);
        ds_wipe(&key, sizeof(key));
        DS_TRY(err);
        ++*count;
    }
    return DS_OK;
}

enum ds_err ds_customer_sent(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *ids,
                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ds_secret key;
        uint8_t state;
        struct ds_key link = unsent_link(&ids[i]);
        DS_TRY(key_load(h, txn, &ids[i], &key, &state));
        enum ds_err err = key_store(h, txn, &ids[i], &key, KEY_KNOWN);
        ds_wipe(&key, sizeof(key));
        DS_TRY(err);
        DS_TRY(ds_txn_del(txn, DS_KEPT_LINK, ds_key_slice(&link)));
    }
    return DS_OK;
}

enum ds_err ds_customer_text(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *entity,
                             uint8_t tag, struct ds_slice sealed, const char **text)
{
    struct ds_personal_view view;
    struct ds_secret key;
    uint8_t state;
    *text = "";
    if (sealed.size == 0 || ds_personal_view(sealed, &view) != DS_OK) {
        return DS_OK;
    }
    enum ds_err err = key_load(h, txn, &view.key_id, &key, &state);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    size_t size = sealed.size + 1;
    struct ds_builder clear;
    ds_builder_init(&clear, ds_arena_room(&h->arena, size), size);
    if (clear.data == NULL) {
        return DS_ERR_LIMIT;
    }
    err = ds_personal_open(sealed, &key, entity, tag, &clear);
    ds_wipe(&key, sizeof(key));
    *text = err == DS_OK ? ds_builder_text(&clear) : "";
    return DS_OK;
}

enum ds_err ds_customer_hide(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *entity,
                             uint8_t tag, struct ds_slice clear, struct ds_slice *sealed)
{
    struct ds_secret key;
    uint8_t state;
    enum ds_err err = key_load(h, txn, entity, &key, &state);
    if (err == DS_ERR_NOT_FOUND) {
        struct ds_key link = unsent_link(entity);
        state = KEY_UNSENT;
        ds_ports_random(&h->ports, key.byte, sizeof(key.byte));
        err = key_store(h, txn, entity, &key, KEY_UNSENT);
        err = err != DS_OK ? err
                           : ds_txn_put(txn, DS_KEPT_LINK, ds_key_slice(&link),
                                        (struct ds_slice){&state, 1});
    }
    size_t size = clear.size + DS_PERSONAL_OVERHEAD;
    struct ds_builder out;
    ds_builder_init(&out, ds_arena_room(&h->arena, size), size);
    if (err == DS_OK && out.data == NULL) {
        err = DS_ERR_LIMIT;
    }
    err = err != DS_OK
              ? err
              : ds_personal_seal(entity, &key, &h->identity.equality, entity, tag, clear, &out);
    ds_wipe(&key, sizeof(key));
    return err != DS_OK ? err : ds_builder_end(&out, sealed);
}

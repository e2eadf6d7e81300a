/* Customer keys on their way in: those that a handheld made offline. */
#include "sync/shard/serve.h"
#include "sync/shard/shard_impl.h"

struct ds_slice ds_serve_wrap_aad(const struct ds_id *key_id, uint8_t *memory, size_t size)
{
    struct ds_builder builder;
    struct ds_slice made = {NULL, 0};
    ds_builder_init(&builder, memory, size);
    ds_put_text(&builder, "doorstep wrap 1");
    ds_put_id(&builder, key_id);
    DS_ASSERT(ds_builder_end(&builder, &made) == DS_OK);
    return made;
}

static enum ds_err take_key(struct ds_serve *serve, struct ds_txn *txn,
                            const struct ds_wrapped_key *wrapped)
{
    struct ds_secret key;
    uint8_t aad[64];
    struct ds_builder builder;
    ds_builder_init(&builder, key.byte, sizeof(key.byte));
    if (ds_aead_open(&serve->keys.up, ds_serve_wrap_aad(&wrapped->key_id, aad, sizeof(aad)),
                     wrapped->wrapped, &builder) != DS_OK ||
        builder.used != sizeof(key.byte)) {
        return DS_OK; /* Not a key. */
    }
    enum ds_err err = ds_customer_key_take_in(serve->shard, txn, &wrapped->key_id, &key);
    ds_wipe(&key, sizeof(key));
    return err;
}

/* All in one transaction: however many there are, the writer waits for the disk once. */
enum ds_err ds_serve_take_keys(struct ds_serve *serve)
{
    struct ds_txn *txn = NULL;
    enum ds_err err = DS_OK;
    if (serve->request.key_count == 0) {
        return DS_OK;
    }
    DS_TRY(ds_store_begin(serve->shard->keys, true, &txn));
    for (size_t i = 0; i < serve->request.key_count && err == DS_OK; i++) {
        err = take_key(serve, txn, &serve->request.keys[i]);
    }
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

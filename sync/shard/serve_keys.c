/* Keys on their way in and out: customer keys that a handheld made offline, leases; and orders. */
#include "sync/core/row.h"
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

/* ---- What becomes of the device's own data. ---- */

static struct ds_slice lease_context(const struct ds_id *device, uint8_t *memory, size_t size)
{
    struct ds_builder builder;
    struct ds_slice made = {NULL, 0};
    ds_builder_init(&builder, memory, size);
    ds_put_bytes(&builder, DS_LABEL_LEASE);
    ds_put_id(&builder, device);
    DS_ASSERT(ds_builder_end(&builder, &made) == DS_OK);
    return made;
}

enum ds_err ds_serve_lease(struct ds_serve *serve, struct ds_response *response)
{
    enum { WRAPPED = 32 + DS_AEAD_OVERHEAD };
    struct ds_shard *shard = serve->shard;
    struct ds_secret key;
    uint8_t aad[64];
    struct ds_builder builder;
    uint8_t *memory = ds_arena_room(&serve->arena, WRAPPED);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_subkey(&shard->secret.master, DS_LABEL_LEASE, DS_SLICE_OF(serve->device.byte), &key);
    ds_builder_init(&builder, memory, WRAPPED);
    enum ds_err err =
        ds_aead_seal(&serve->keys.down, lease_context(&serve->device, aad, sizeof(aad)),
                     DS_SLICE_OF(key.byte), &shard->random, &builder);
    ds_wipe(&key, sizeof(key));
    DS_TRY(err);
    response->lease.life_ms = shard->lease_ms;
    return ds_builder_end(&builder, &response->lease.wrapped);
}

enum ds_err ds_serve_order(struct ds_serve *serve, struct ds_txn *txn, enum ds_order_kind kind,
                           struct ds_response *response)
{
    enum { ROOM = 128 };
    struct ds_order order = {.device = serve->device, .kind = kind};
    struct ds_key key = ds_key_row(DS_REC_device, &serve->device);
    struct ds_slice value;
    struct ds_slice fields;
    struct ds_builder builder;
    DS_TRY(ds_txn_get(txn, DS_TABLE_ROW, ds_key_slice(&key), &value));
    DS_TRY(ds_row_fields(value, &fields, &order.number));
    if (order.number == serve->request.obeyed) {
        return DS_OK;
    }
    uint8_t *memory = ds_arena_room(&serve->arena, ROOM);
    struct ds_signature *signature = ds_arena_alloc(&serve->arena, sizeof(*signature));
    if (memory == NULL || signature == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&builder, memory, ROOM);
    ds_order_put(&builder, &order);
    DS_TRY(ds_builder_end(&builder, &response->order));
    ds_sign(&serve->shard->secret.sign, DS_LABEL_ORDER, response->order, signature);
    response->order_signature = signature->byte;
    return DS_OK;
}

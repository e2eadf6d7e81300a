/* What an answer says of the device's own data: orders to lock or wipe it, and its lease. */
#include "handheld-sdk/src/hearing.h"
#include "handheld-sdk/src/replica_impl.h"

#include <string.h>

enum ds_err ds_hear_check_order(struct hearing *a)
{
    struct ds_handheld *h = a->h;
    struct ds_signature signature;
    if (a->response.order.size == 0) {
        return DS_OK;
    }
    memcpy(signature.byte, a->response.order_signature, sizeof(signature.byte));
    bool good = ds_verify(&h->identity.server_sign, DS_LABEL_ORDER, a->response.order, &signature);
    if (!good || ds_order_parse(a->response.order, &a->order) != DS_OK ||
        !ds_id_equal(&a->order.device, &h->identity.device)) {
        ds_detail_set(a->detail, "an order that the server did not sign for this device", NULL);
        return DS_ERR_SIGNATURE;
    }
    if (a->order.number < h->contact.obeyed) {
        a->order.kind = 0; /* Something later was obeyed since. */
    }
    return DS_OK;
}

enum ds_err ds_hear_obey(struct hearing *a)
{
    struct ds_handheld *h = a->h;
    if (a->order.kind == DS_ORDER_WIPE && !h->vault.wiped) {
        DS_TRY(ds_vault_wipe(&h->vault, a->txn));
    } else if (a->order.kind == DS_ORDER_LOCK) {
        DS_TRY(ds_vault_drop_lease(&h->vault, a->txn));
    } else if (a->order.kind != DS_ORDER_WIPE) {
        return DS_OK;
    }
    a->result->more = h->contact.obeyed != a->order.number; /* The server hears of it at once. */
    h->contact.obeyed = a->order.number;
    return DS_OK;
}

enum ds_err ds_hear_lease(struct hearing *a)
{
    struct ds_handheld *h = a->h;
    const struct ds_lease *lease = &a->response.lease;
    bool was_lapsed = ds_vault_lapsed(&h->vault);
    uint8_t aad[sizeof(struct ds_id) + 32];
    struct ds_builder builder;
    struct ds_slice bound;
    struct ds_secret key;
    if (lease->wrapped.size == 0 || h->vault.wiped) {
        return DS_OK;
    }
    ds_builder_init(&builder, aad, sizeof(aad));
    ds_put_bytes(&builder, DS_LABEL_LEASE);
    ds_put_id(&builder, &h->identity.device);
    DS_TRY(ds_builder_end(&builder, &bound));
    ds_builder_init(&builder, key.byte, sizeof(key.byte));
    if (ds_aead_open(&h->link.down, bound, lease->wrapped, &builder) != DS_OK ||
        builder.used != sizeof(key.byte)) {
        return DS_ERR_DECODE;
    }
    enum ds_err err = ds_vault_take_lease(&h->vault, a->txn, &key, lease->life_ms);
    ds_wipe(&key, sizeof(key));
    if (err == DS_OK && was_lapsed && h->vault.pulled.open) {
        a->result->more = true; /* What was missed meanwhile. */
        err = ds_replica_load(h, a->txn);
        err = err != DS_OK ? err : ds_hand_clamp(h, a->txn, UINT64_MAX);
    }
    return err;
}

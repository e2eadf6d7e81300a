/* Inside the shard: what its files share. Private to sync/shard. */
#ifndef DS_SYNC_SHARD_SHARD_IMPL_H
#define DS_SYNC_SHARD_SHARD_IMPL_H

#include "sync/core/writer.h"
#include "sync/shard/shard.h"

/* Tables of the key store. */
enum ds_keys_table {
    DS_KEYS_ACTOR = 1,    /* name -> wrapped (seed, incarnation, epoch) */
    DS_KEYS_CUSTOMER = 2, /* key id -> wrapped key, or one byte: destroyed */
    DS_KEYS_CODE = 3,     /* enrolment code -> worker, expiry, keys that used it */
    DS_KEYS_OTHER = 5,    /* key id, 16 bytes of the key's hash -> a second device's wrapped key */
    DS_KEYS_MARK = 4,     /* "erased" -> epoch, and the position up to which keys were destroyed */
};

/* One write transaction with the meta that it leads to; the tree is shard->next_tree. */
struct ds_group {
    struct ds_txn *txn;
    struct ds_desk *desk;
    struct ds_shard_meta meta;
};
DS_NODISCARD enum ds_err ds_group_begin(struct ds_shard *shard, struct ds_group *group);
DS_NODISCARD enum ds_err ds_group_append(struct ds_shard *shard, struct ds_group *group,
                                         const struct ds_entry *entry, struct ds_folded *folded,
                                         struct ds_detail *detail);
/* Ends the transaction in every case. */
DS_NODISCARD enum ds_err ds_group_commit(struct ds_shard *shard, struct ds_group *group);
/* One entry of the server's own, committed. */
DS_NODISCARD enum ds_err ds_append_alone(struct ds_shard *shard, const struct ds_entry *entry);

DS_NODISCARD enum ds_err ds_tree_load(struct ds_txn *txn, struct ds_tree *tree);
DS_NODISCARD enum ds_err ds_tree_store(struct ds_txn *txn, const struct ds_tree *tree);
/* The system actor's first batch. */
DS_NODISCARD enum ds_err ds_actor_genesis(struct ds_shard *shard, const struct ds_station *station,
                                          struct ds_detail *detail);
/* The signing key of a device or server-held actor; DS_ERR_AUTH if it is not known. */
DS_NODISCARD enum ds_err ds_device_key(struct ds_txn *txn, const struct ds_id *id,
                                       struct ds_hash *key);
/* Parse, find the signer's key, verify. */
DS_NODISCARD enum ds_err ds_submission_verify(struct ds_txn *txn, struct ds_submission *submission,
                                              struct ds_batch *batch, struct ds_detail *detail);
/* Sign an entry of an administrator and append it. */
DS_NODISCARD enum ds_err ds_admin_entry(struct ds_shard *shard, const struct ds_actor *admin,
                                        const struct ds_entry *entry);

#define DS_CUSTOMER_OTHERS_MAX 8 /* Keys of one customer beside the first. */
/* Keep a customer key that a handheld made. The first one is the customer's; others, made offline
 * by devices that did not know of it, stand beside it and open what they sealed. None of an erased
 * customer is kept. */
DS_NODISCARD enum ds_err ds_customer_key_take_in(struct ds_shard *shard, struct ds_txn *txn,
                                                 const struct ds_id *key_id,
                                                 const struct ds_secret *key);
/* The same, alone in a transaction of its own. */
DS_NODISCARD enum ds_err ds_customer_key_take(struct ds_shard *shard, const struct ds_id *key_id,
                                              const struct ds_secret *key);

/* Destroy again what the journal says and the key store does not know: it was restored, or the
 * power went between entry and key. */
DS_NODISCARD enum ds_err ds_erase_again(struct ds_shard *shard);

/* What a customer key on the wire is bound to (FORMAT.md, "Wrapped key"); written into memory. */
struct ds_slice ds_serve_wrap_aad(const struct ds_id *key_id, uint8_t *memory, size_t size);

/* Give the device its lease; order it to do something, until it says that it did. */
struct ds_serve;
DS_NODISCARD enum ds_err ds_serve_lease(struct ds_serve *serve, struct ds_response *response);
DS_NODISCARD enum ds_err ds_serve_order(struct ds_serve *serve, struct ds_txn *txn,
                                        enum ds_order_kind kind, struct ds_response *response);

/* The key store, one value at a time. */
DS_NODISCARD enum ds_err ds_keys_put(struct ds_shard *shard, uint8_t table, struct ds_slice key,
                                     struct ds_slice value);
/* Copy a value out; DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_keys_get(struct ds_shard *shard, uint8_t table, struct ds_slice key,
                                     struct ds_builder *out);

#endif

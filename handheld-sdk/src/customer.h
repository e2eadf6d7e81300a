/* Customer keys on the handheld, and the personal fields that they open and seal.
 *
 * Keys come wrapped with the rows and are kept under the vault's records key. For a customer
 * without a key one is made here and told to the server with the next exchange. */
#ifndef DS_HANDHELD_SDK_SRC_CUSTOMER_H
#define DS_HANDHELD_SDK_SRC_CUSTOMER_H

#include "handheld-sdk/src/handheld.h"

/* Keep a key that came wrapped under the link key. A key that does not open is DS_ERR_SIGNATURE. */
DS_NODISCARD enum ds_err ds_customer_take_key(struct ds_handheld *h, struct ds_txn *txn,
                                              const struct ds_wrapped_key *wrapped);
/* Keep one that came in the secret part of an answer. */
DS_NODISCARD enum ds_err ds_customer_keep_key(struct ds_handheld *h, struct ds_txn *txn,
                                              const struct ds_id *id, const struct ds_secret *key);
/* Keys made here that the server has not heard of: at most max, wrapped, in arena. */
DS_NODISCARD enum ds_err ds_customer_unsent(struct ds_handheld *h, struct ds_txn *txn,
                                            struct ds_arena *arena, struct ds_wrapped_key *keys,
                                            size_t max, size_t *count);
/* The server has them now. */
DS_NODISCARD enum ds_err ds_customer_sent(struct ds_handheld *h, struct ds_txn *txn,
                                          const struct ds_id *ids, size_t count);
/* Open a personal field of an entity: its clear text, NUL-terminated, in the handle's arena; "" if
 * there is no key, or it does not open. */
DS_NODISCARD enum ds_err ds_customer_text(struct ds_handheld *h, struct ds_txn *txn,
                                          const struct ds_id *entity, uint8_t tag,
                                          struct ds_slice sealed, const char **text);
/* Seal a clear text for an entity's field; a key is made if there is none. *sealed is in the
 * arena. */
DS_NODISCARD enum ds_err ds_customer_hide(struct ds_handheld *h, struct ds_txn *txn,
                                          const struct ds_id *entity, uint8_t tag,
                                          struct ds_slice clear, struct ds_slice *sealed);

#endif

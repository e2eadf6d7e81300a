/* The vault's lease: its record in the device compartment, and the count of its running time.
 *
 * Knows nothing of master keys: vault.c asks it for the key. Private to the vault. */
#ifndef DS_HANDHELD_SDK_SRC_LEASE_H
#define DS_HANDHELD_SDK_SRC_LEASE_H

#include "handheld-sdk/src/vault.h"

DS_NODISCARD enum ds_err ds_lease_load(struct ds_vault *vault, struct ds_txn *txn);
/* Keep a new one; its running time begins now. */
DS_NODISCARD enum ds_err ds_lease_begin(struct ds_vault *vault, struct ds_txn *txn,
                                        const struct ds_secret *key, uint64_t life_ms);
DS_NODISCARD enum ds_err ds_lease_forget(struct ds_vault *vault, struct ds_txn *txn);

#endif

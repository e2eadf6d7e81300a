/* The vault: what of the store opens with what.
 *
 * Two compartments. The device compartment (keys of the device, what is sealed to the server) opens
 * with the hardware's secret alone, so unsent work can be handed in while the vault is locked,
 * lapsed or wiped. Everything pulled and every op in clear needs the master key, which is wrapped
 * under KEK = keyed BLAKE2b(hardware secret; label, Argon2id(PIN, salt), lease key); the lease key
 * is zero until leases come. Wrong PINs are counted durably before each try.
 *
 * A stored value is u8 suite, then XChaCha20-Poly1305 with AAD = label, store id, table, key: no
 * value can be moved to another key or store. */
#ifndef DS_HANDHELD_SDK_SRC_VAULT_H
#define DS_HANDHELD_SDK_SRC_VAULT_H

#include "handheld-sdk/src/kept.h"
#include "handheld-sdk/src/ports.h"
#include "schema/base/arena.h"

#define DS_VAULT_WAIT_FIRST_MS 60000
#define DS_VAULT_WAIT_MAX_MS 86400000
#define DS_SAFE_OVERHEAD (1 + DS_AEAD_OVERHEAD)

struct ds_vault {
    const struct ds_ports *ports; /* Borrowed. */
    struct ds_store *store;       /* Borrowed. */
    struct ds_secret hardware;
    struct ds_secret device; /* Key of the device compartment. */
    bool exists;
    bool wiped;
    bool open;
    struct ds_secret master; /* While open. */
    struct ds_secret records;
    struct ds_id id; /* Of the store. */
    uint8_t salt[DS_SALT_SIZE];
    struct ds_argon_cost cost;
    uint8_t wrapped[sizeof(struct ds_secret) + DS_AEAD_OVERHEAD];
    uint32_t wrong; /* PINs in a row. */
};

/* Read what is there; vault->exists tells. DS_ERR_VERSION for a newer suite. */
DS_NODISCARD enum ds_err ds_vault_load(struct ds_vault *vault, struct ds_store *store,
                                       const struct ds_ports *ports,
                                       const struct ds_secret *hardware);
/* Forget all secrets. */
void ds_vault_fini(struct ds_vault *vault);

/* Make a new vault (or one after a wipe) and leave it open. DS_ERR_USAGE: size of the PIN. */
DS_NODISCARD enum ds_err ds_vault_create(struct ds_vault *vault, struct ds_slice pin);
/* DS_ERR_AUTH: wrong. DS_ERR_LOCKED: wait, detail says how long; nothing was tried. */
DS_NODISCARD enum ds_err ds_vault_unlock(struct ds_vault *vault, struct ds_slice pin,
                                         struct ds_detail *detail);
void ds_vault_lock(struct ds_vault *vault);
DS_NODISCARD enum ds_err ds_vault_change_pin(struct ds_vault *vault, struct ds_slice old_pin,
                                             struct ds_slice new_pin, struct ds_detail *detail);
/* Destroy the wrapped master key: what the second compartment holds opens never again. The caller
 * commits, then locks. */
DS_NODISCARD enum ds_err ds_vault_wipe(struct ds_vault *vault, struct ds_txn *txn);
/* How long until the next PIN is taken; 0: at once. */
DS_NODISCARD enum ds_err ds_vault_wait_ms(struct ds_vault *vault, uint64_t *wait_ms);

/* Values. DS_ERR_LOCKED when the table's compartment is closed; DS_ERR_INTEGRITY when a value does
 * not open. Clear values live in the arena. */
DS_NODISCARD enum ds_err ds_safe_put(struct ds_vault *vault, struct ds_txn *txn, uint8_t table,
                                     struct ds_slice key, struct ds_slice clear,
                                     struct ds_arena *arena);
DS_NODISCARD enum ds_err ds_safe_get(struct ds_vault *vault, struct ds_txn *txn, uint8_t table,
                                     struct ds_slice key, struct ds_arena *arena,
                                     struct ds_slice *clear);
DS_NODISCARD enum ds_err ds_safe_open(struct ds_vault *vault, uint8_t table, struct ds_slice key,
                                      struct ds_slice sealed, struct ds_arena *arena,
                                      struct ds_slice *clear);
/* Open every sealed value that the open compartments hold; *bad counts those that fail. */
DS_NODISCARD enum ds_err ds_safe_scrub(struct ds_vault *vault, struct ds_txn *txn, uint64_t *bad);

#endif

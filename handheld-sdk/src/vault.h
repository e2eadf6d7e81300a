/* The vault: what of the store opens with what.
 *
 * Three compartments. The device's (keys of the device, what is sealed to the server) opens with
 * the hardware's secret alone, so unsent work can be handed in while the vault is locked, lapsed or
 * wiped. Own work in clear needs a master key, and everything pulled another one; each is wrapped
 * under KEK = keyed BLAKE2b(hardware secret; label, Argon2id(PIN, salt), lease key), where the
 * lease key of own work is zero. That of pulled data comes from the server and is forgotten when
 * the lease has run out: then work is recorded and delivered as before, and nothing pulled opens
 * until there is a lease again. Nothing is pulled before the first one. A lease counts running
 * time; a wall clock that disagrees asks for contact and does nothing else. Wrong PINs are counted
 * durably before each try.
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
/* Running time is noted this often; each boot is charged as much, for what was not noted. */
#define DS_LEASE_NOTE_MS 600000
#define DS_SAFE_OVERHEAD (1 + DS_AEAD_OVERHEAD)

struct ds_held_lease {
    bool held;
    struct ds_secret key;
    uint64_t life_ms;
    uint64_t used_ms; /* Running time of it that was noted ... */
    uint64_t boot;    /* ... at this running time of this boot. */
    uint64_t mono_ms;
    int64_t wall_ms; /* Own clock when it came. */
};

struct ds_master { /* One of the two master keys, and what it opens. */
    bool exists;
    bool open;
    uint8_t wrapped[sizeof(struct ds_secret) + DS_AEAD_OVERHEAD];
    struct ds_secret key;     /* While open, as the next. */
    struct ds_secret records; /* Key of the values. */
};

struct ds_vault {
    const struct ds_ports *ports; /* Borrowed. */
    struct ds_store *store;       /* Borrowed. */
    struct ds_secret hardware;
    struct ds_secret device; /* Key of the device compartment. */
    bool exists;
    bool wiped;
    bool open;
    struct ds_secret stretched; /* Argon2id(PIN, salt), while open: a lease may come. */
    struct ds_master work;
    struct ds_master pulled;
    struct ds_id id; /* Of the store. */
    uint8_t salt[DS_SALT_SIZE];
    struct ds_argon_cost cost;
    struct ds_held_lease lease;
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
/* Destroy the wrapped master keys: what they hold opens never again. The caller commits, then
 * locks. */
DS_NODISCARD enum ds_err ds_vault_wipe(struct ds_vault *vault, struct ds_txn *txn);
/* How long until the next PIN is taken; 0: at once. */
DS_NODISCARD enum ds_err ds_vault_wait_ms(struct ds_vault *vault, uint64_t *wait_ms);

/* Is there pulled data that does not open for want of a lease? */
bool ds_vault_lapsed(const struct ds_vault *vault);
/* A lease came: keep it, and open or begin the compartment of pulled data if the PIN is known. A
 * key that does not open what was pulled under another one leaves it closed. */
DS_NODISCARD enum ds_err ds_vault_take_lease(struct ds_vault *vault, struct ds_txn *txn,
                                             const struct ds_secret *key, uint64_t life_ms);
/* Forget the lease; closes pulled data. */
DS_NODISCARD enum ds_err ds_vault_drop_lease(struct ds_vault *vault, struct ds_txn *txn);
/* Running time left; 0: none is held, or it has run out. */
uint64_t ds_vault_lease_left_ms(const struct ds_vault *vault);
/* Forget a lease that has run out and note running time; writes only when one of them is due. A
 * storage that fails then is no error: the count goes on in memory. */
void ds_vault_tend_lease(struct ds_vault *vault);
/* Does the wall clock say that more time has passed than the lease has, or less than none? */
bool ds_vault_wants_contact(const struct ds_vault *vault);

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

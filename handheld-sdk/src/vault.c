#include "handheld-sdk/src/lease.h"

#include <string.h>

#define LABEL_DEVICE DS_SLICE_LIT("doorstep device compartment 1")
#define LABEL_WORK DS_SLICE_LIT("doorstep vault 1 work")
#define LABEL_PULLED DS_SLICE_LIT("doorstep vault 1 pulled")
#define LABEL_RECORDS DS_SLICE_LIT("records")

enum { PINS_SIZE = 24 };

struct tries { /* The durable count of wrong PINs. */
    uint32_t wrong;
    uint32_t boot;
    uint64_t mono_ms; /* When the last one was tried. */
    uint64_t wait_ms; /* Still to wait then. */
};

/* ---- The vault's own record. ---- */

static enum ds_err vault_take(struct ds_vault *vault, struct ds_slice value)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    if (ds_take_u8(&cursor) != DS_SUITE) {
        return DS_ERR_VERSION;
    }
    vault->id = ds_take_id(&cursor);
    struct ds_slice salt = ds_take_bytes(&cursor, sizeof(vault->salt));
    vault->cost.passes = ds_take_u32(&cursor);
    vault->cost.memory_bytes = ds_take_u32(&cursor);
    vault->wiped = ds_take_u8(&cursor) != 0;
    vault->pulled.exists = ds_take_u8(&cursor) != 0;
    struct ds_slice work = ds_take_bytes(&cursor, sizeof(vault->work.wrapped));
    struct ds_slice pulled = ds_take_bytes(&cursor, sizeof(vault->pulled.wrapped));
    if (ds_cursor_end(&cursor) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    memcpy(vault->salt, salt.data, salt.size);
    memcpy(vault->work.wrapped, work.data, work.size);
    memcpy(vault->pulled.wrapped, pulled.data, pulled.size);
    vault->work.exists = true;
    vault->exists = true;
    return DS_OK;
}

static enum ds_err vault_store(struct ds_vault *vault, struct ds_txn *txn)
{
    uint8_t memory[320];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_put_u8(&builder, DS_SUITE);
    ds_put_id(&builder, &vault->id);
    ds_put_bytes(&builder, DS_SLICE_OF(vault->salt));
    ds_put_u32(&builder, vault->cost.passes);
    ds_put_u32(&builder, vault->cost.memory_bytes);
    ds_put_u8(&builder, vault->wiped);
    ds_put_u8(&builder, vault->pulled.exists);
    ds_put_bytes(&builder, DS_SLICE_OF(vault->work.wrapped));
    ds_put_bytes(&builder, DS_SLICE_OF(vault->pulled.wrapped));
    DS_TRY(ds_builder_end(&builder, &value));
    return ds_txn_put(txn, DS_KEPT_VAULT, DS_SLICE_LIT("vault"), value);
}

/* A value that opens with the right hardware alone, so that another one is told from a wrong PIN
 * before anything is written under its key. */
static enum ds_err check_hardware(struct ds_vault *vault, struct ds_txn *txn)
{
    uint8_t memory[256];
    struct ds_arena arena;
    struct ds_slice clear;
    ds_arena_init(&arena, memory, sizeof(memory));
    return ds_safe_get(vault, txn, DS_KEPT_VAULT, DS_SLICE_LIT("check"), &arena, &clear);
}

static enum ds_err store_check(struct ds_vault *vault, struct ds_txn *txn)
{
    uint8_t memory[256];
    struct ds_arena arena;
    ds_arena_init(&arena, memory, sizeof(memory));
    return ds_safe_put(vault, txn, DS_KEPT_VAULT, DS_SLICE_LIT("check"), DS_SLICE_LIT("device"),
                       &arena);
}

enum ds_err ds_vault_load(struct ds_vault *vault, struct ds_store *store,
                          const struct ds_ports *ports, const struct ds_secret *hardware)
{
    memset(vault, 0, sizeof(*vault));
    vault->store = store;
    vault->ports = ports;
    vault->hardware = *hardware;
    struct ds_txn *txn;
    DS_TRY(ds_store_begin(store, false, &txn));
    struct ds_slice value;
    enum ds_err err = ds_txn_get(txn, DS_KEPT_VAULT, DS_SLICE_LIT("vault"), &value);
    err = err == DS_OK ? vault_take(vault, value) : err == DS_ERR_NOT_FOUND ? DS_OK : err;
    if (err == DS_OK) {
        ds_subkey(hardware, LABEL_DEVICE, DS_SLICE_OF(vault->id), &vault->device);
        err = vault->exists ? check_hardware(vault, txn) : DS_OK;
        err = err == DS_OK ? ds_lease_load(vault, txn) : err;
    }
    ds_txn_abort(txn);
    return err;
}

static void close_master(struct ds_master *master)
{
    master->open = false;
    ds_wipe(&master->key, sizeof(master->key));
    ds_wipe(&master->records, sizeof(master->records));
}

void ds_vault_lock(struct ds_vault *vault)
{
    vault->open = false;
    ds_wipe(&vault->stretched, sizeof(vault->stretched));
    close_master(&vault->work);
    close_master(&vault->pulled);
}

void ds_vault_fini(struct ds_vault *vault)
{
    ds_vault_lock(vault);
    ds_wipe(vault, sizeof(*vault));
}

/* The KEK of one compartment; lease NULL: zero. */
static void derive_kek(const struct ds_vault *vault, struct ds_slice label,
                       const struct ds_secret *lease, struct ds_secret *kek)
{
    uint8_t parts[2 * sizeof(struct ds_secret)] = {0};
    memcpy(parts, vault->stretched.byte, sizeof(vault->stretched.byte));
    if (lease != NULL) {
        memcpy(parts + sizeof(vault->stretched.byte), lease->byte, sizeof(lease->byte));
    }
    ds_subkey(&vault->hardware, label, DS_SLICE_OF(parts), kek);
    ds_wipe(parts, sizeof(parts));
}

static struct ds_slice wrap_aad(const struct ds_vault *vault)
{
    return (struct ds_slice){vault->id.byte, sizeof(vault->id.byte)};
}

static enum ds_err wrap_master(struct ds_vault *vault, struct ds_master *master,
                               struct ds_slice label, const struct ds_secret *lease)
{
    struct ds_secret kek;
    struct ds_builder builder;
    derive_kek(vault, label, lease, &kek);
    ds_builder_init(&builder, master->wrapped, sizeof(master->wrapped));
    enum ds_err err = ds_aead_seal(&kek, wrap_aad(vault), DS_SLICE_OF(master->key.byte),
                                   &vault->ports->random, &builder);
    ds_wipe(&kek, sizeof(kek));
    return err != DS_OK ? err : builder.failed ? DS_ERR_LIMIT : DS_OK;
}

static void use_master(struct ds_vault *vault, struct ds_master *master)
{
    ds_subkey(&master->key, LABEL_RECORDS, DS_SLICE_OF(vault->id), &master->records);
    master->exists = true;
    master->open = true;
}

static enum ds_err make_master(struct ds_vault *vault, struct ds_master *master,
                               struct ds_slice label, const struct ds_secret *lease)
{
    ds_ports_random(vault->ports, master->key.byte, sizeof(master->key.byte));
    use_master(vault, master);
    return wrap_master(vault, master, label, lease);
}

/* DS_ERR_AUTH: the PIN or the lease is another one. */
static enum ds_err unwrap_master(struct ds_vault *vault, struct ds_master *master,
                                 struct ds_slice label, const struct ds_secret *lease)
{
    struct ds_secret kek;
    struct ds_builder builder;
    derive_kek(vault, label, lease, &kek);
    ds_builder_init(&builder, master->key.byte, sizeof(master->key.byte));
    enum ds_err err = ds_aead_open(&kek, wrap_aad(vault), DS_SLICE_OF(master->wrapped), &builder);
    ds_wipe(&kek, sizeof(kek));
    if (err == DS_OK) {
        use_master(vault, master);
    }
    return err == DS_ERR_SIGNATURE ? DS_ERR_AUTH : err;
}

static enum ds_err stretch(struct ds_vault *vault, struct ds_slice pin)
{
    return ds_argon2id(pin, vault->salt, vault->cost, &vault->stretched);
}

/* With another salt, by the cost of today. */
static enum ds_err stretch_anew(struct ds_vault *vault, struct ds_slice pin)
{
    ds_ports_random(vault->ports, vault->salt, sizeof(vault->salt));
    vault->cost = vault->ports->argon;
    return stretch(vault, pin);
}

static enum ds_err check_pin_size(struct ds_slice pin)
{
    return pin.size < DS_HANDHELD_PIN_MIN || pin.size > DS_HANDHELD_PIN_MAX ? DS_ERR_USAGE : DS_OK;
}

/* ---- Wrong PINs. ---- */

static enum ds_err tries_load(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                              struct tries *tries)
{
    memset(tries, 0, sizeof(*tries));
    struct ds_slice clear;
    enum ds_err err = ds_safe_get(vault, txn, DS_KEPT_VAULT, DS_SLICE_LIT("pins"), arena, &clear);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, clear);
    tries->wrong = ds_take_u32(&cursor);
    tries->boot = ds_take_u32(&cursor);
    tries->mono_ms = ds_take_u64(&cursor);
    tries->wait_ms = ds_take_u64(&cursor);
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

static enum ds_err tries_store(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                               const struct tries *tries)
{
    uint8_t memory[PINS_SIZE];
    struct ds_builder builder;
    struct ds_slice clear;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_put_u32(&builder, tries->wrong);
    ds_put_u32(&builder, tries->boot);
    ds_put_u64(&builder, tries->mono_ms);
    ds_put_u64(&builder, tries->wait_ms);
    DS_TRY(ds_builder_end(&builder, &clear));
    return ds_safe_put(vault, txn, DS_KEPT_VAULT, DS_SLICE_LIT("pins"), clear, arena);
}

/* Running time counts, not the wall clock, which whoever holds the handheld can set. After a
 * restart the wait begins anew. */
static uint64_t tries_left_ms(const struct ds_vault *vault, const struct tries *tries)
{
    uint64_t now = ds_ports_mono_ms(vault->ports);
    if (tries->boot != vault->ports->boot || now < tries->mono_ms) {
        return tries->wait_ms;
    }
    uint64_t passed = now - tries->mono_ms;
    return passed >= tries->wait_ms ? 0 : tries->wait_ms - passed;
}

static uint64_t wait_after(uint32_t wrong)
{
    if (wrong <= DS_HANDHELD_PINS_FREE) {
        return 0;
    }
    uint64_t wait = DS_VAULT_WAIT_FIRST_MS;
    for (uint32_t i = DS_HANDHELD_PINS_FREE + 1; i < wrong && wait < DS_VAULT_WAIT_MAX_MS; i++) {
        wait *= 2;
    }
    return wait < DS_VAULT_WAIT_MAX_MS ? wait : DS_VAULT_WAIT_MAX_MS;
}

static enum ds_err tries_commit(struct ds_vault *vault, const struct tries *tries)
{
    uint8_t memory[512];
    struct ds_arena arena;
    struct ds_txn *txn;
    ds_arena_init(&arena, memory, sizeof(memory));
    DS_TRY(ds_store_begin(vault->store, true, &txn));
    enum ds_err err = tries_store(vault, txn, &arena, tries);
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    DS_TRY(ds_txn_commit(txn));
    vault->wrong = tries->wrong;
    return DS_OK;
}

static enum ds_err tries_read(struct ds_vault *vault, struct tries *tries)
{
    uint8_t memory[512];
    struct ds_arena arena;
    struct ds_txn *txn;
    ds_arena_init(&arena, memory, sizeof(memory));
    DS_TRY(ds_store_begin(vault->store, false, &txn));
    enum ds_err err = tries_load(vault, txn, &arena, tries);
    ds_txn_abort(txn);
    vault->wrong = tries->wrong;
    return err;
}

enum ds_err ds_vault_wait_ms(struct ds_vault *vault, uint64_t *wait_ms)
{
    struct tries tries;
    *wait_ms = 0;
    if (!vault->exists) {
        return DS_OK;
    }
    DS_TRY(tries_read(vault, &tries));
    *wait_ms = tries_left_ms(vault, &tries);
    return DS_OK;
}

static void tell_wait(uint64_t left_ms, struct ds_detail *detail)
{
    char text[24];
    struct ds_builder builder;
    ds_builder_init(&builder, text, sizeof(text));
    ds_put_decimal(&builder, (int64_t)((left_ms + 999) / 1000));
    ds_detail_set(detail, "wait ", ds_builder_text(&builder), " s before the next PIN", NULL);
}

/* Count first, then try: a power cut between the two costs the owner one try, not the vault. */
static enum ds_err count_try(struct ds_vault *vault, struct ds_detail *detail)
{
    struct tries tries;
    DS_TRY(tries_read(vault, &tries));
    uint64_t left = tries_left_ms(vault, &tries);
    bool restarted = tries.boot != vault->ports->boot;
    uint64_t mono_ms = ds_ports_mono_ms(vault->ports);
    if (left > 0) {
        if (restarted || mono_ms < tries.mono_ms) {
            tries = (struct tries){tries.wrong, vault->ports->boot, mono_ms, left};
            DS_TRY(tries_commit(vault, &tries));
        }
        tell_wait(left, detail);
        return DS_ERR_LOCKED;
    }
    tries.wrong += tries.wrong < UINT32_MAX;
    tries.boot = vault->ports->boot;
    tries.mono_ms = mono_ms;
    tries.wait_ms = wait_after(tries.wrong);
    return tries_commit(vault, &tries);
}

/* ---- Opening. ---- */

enum ds_err ds_vault_create(struct ds_vault *vault, struct ds_slice pin)
{
    DS_ASSERT(!vault->exists || vault->wiped);
    DS_TRY(check_pin_size(pin));
    if (!vault->exists) {
        ds_ports_random(vault->ports, vault->id.byte, sizeof(vault->id.byte));
        ds_subkey(&vault->hardware, LABEL_DEVICE, DS_SLICE_OF(vault->id), &vault->device);
    }
    DS_TRY(stretch_anew(vault, pin));
    vault->pulled.exists = false;
    DS_TRY(make_master(vault, &vault->work, LABEL_WORK, NULL));
    vault->wiped = false;
    struct ds_txn *txn;
    DS_TRY(ds_store_begin(vault->store, true, &txn));
    enum ds_err err = vault_store(vault, txn);
    err = err != DS_OK ? err : store_check(vault, txn);
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    DS_TRY(ds_txn_commit(txn));
    vault->exists = true;
    vault->open = true;
    return DS_OK;
}

/* Pulled data by the lease that is held; begun, if the lease came while the PIN was not known. */
static enum ds_err open_pulled(struct ds_vault *vault)
{
    ds_vault_tend_lease(vault);
    if (!vault->lease.held) {
        return DS_OK;
    }
    if (vault->pulled.exists) {
        enum ds_err err = unwrap_master(vault, &vault->pulled, LABEL_PULLED, &vault->lease.key);
        return err == DS_ERR_AUTH ? DS_OK : err; /* The lease's: the PIN was right. */
    }
    struct ds_txn *txn;
    DS_TRY(make_master(vault, &vault->pulled, LABEL_PULLED, &vault->lease.key));
    DS_TRY(ds_store_begin(vault->store, true, &txn));
    enum ds_err err = vault_store(vault, txn);
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

enum ds_err ds_vault_unlock(struct ds_vault *vault, struct ds_slice pin, struct ds_detail *detail)
{
    DS_TRY(check_pin_size(pin));
    if (!vault->exists) {
        return DS_ERR_NOT_FOUND;
    }
    if (vault->wiped) {
        ds_detail_set(detail, "the vault was wiped", NULL);
        return DS_ERR_AUTH;
    }
    DS_TRY(count_try(vault, detail));
    enum ds_err err = stretch(vault, pin);
    err = err != DS_OK ? err : unwrap_master(vault, &vault->work, LABEL_WORK, NULL);
    if (err != DS_OK) {
        ds_vault_lock(vault);
        ds_detail_set(detail, "wrong PIN", NULL);
        return err;
    }
    struct tries none = {0};
    DS_TRY(tries_commit(vault, &none));
    vault->open = true;
    return open_pulled(vault);
}

enum ds_err ds_vault_change_pin(struct ds_vault *vault, struct ds_slice old_pin,
                                struct ds_slice new_pin, struct ds_detail *detail)
{
    DS_TRY(check_pin_size(new_pin));
    DS_TRY(ds_vault_unlock(vault, old_pin, detail));
    if (ds_vault_lapsed(vault)) {
        ds_detail_set(detail, "the lease has run out: exchange first", NULL);
        return DS_ERR_LOCKED;
    }
    struct ds_vault before = *vault;
    enum ds_err err = stretch_anew(vault, new_pin);
    err = err != DS_OK ? err : wrap_master(vault, &vault->work, LABEL_WORK, NULL);
    if (err == DS_OK && vault->pulled.exists) {
        err = wrap_master(vault, &vault->pulled, LABEL_PULLED, &vault->lease.key);
    }
    struct ds_txn *txn = NULL;
    err = err != DS_OK ? err : ds_store_begin(vault->store, true, &txn);
    err = err != DS_OK ? err : vault_store(vault, txn);
    if (err != DS_OK) {
        if (txn != NULL) {
            ds_txn_abort(txn);
        }
        *vault = before;
    } else {
        err = ds_txn_commit(txn);
    }
    ds_wipe(&before, sizeof(before));
    return err;
}

enum ds_err ds_vault_wipe(struct ds_vault *vault, struct ds_txn *txn)
{
    ds_wipe(vault->work.wrapped, sizeof(vault->work.wrapped));
    ds_wipe(vault->pulled.wrapped, sizeof(vault->pulled.wrapped));
    ds_wipe(vault->salt, sizeof(vault->salt));
    vault->wiped = true;
    DS_TRY(ds_vault_drop_lease(vault, txn));
    return vault_store(vault, txn);
}

/* ---- Leases. ---- */

bool ds_vault_lapsed(const struct ds_vault *vault)
{
    return vault->open && vault->pulled.exists && !vault->pulled.open;
}

enum ds_err ds_vault_take_lease(struct ds_vault *vault, struct ds_txn *txn,
                                const struct ds_secret *key, uint64_t life_ms)
{
    DS_TRY(ds_lease_begin(vault, txn, key, life_ms));
    if (!vault->open) {
        return DS_OK;
    }
    if (vault->pulled.exists && !vault->pulled.open) {
        enum ds_err err = unwrap_master(vault, &vault->pulled, LABEL_PULLED, key);
        return err == DS_ERR_AUTH ? DS_OK : err;
    }
    DS_TRY(vault->pulled.exists ? wrap_master(vault, &vault->pulled, LABEL_PULLED, key)
                                : make_master(vault, &vault->pulled, LABEL_PULLED, key));
    return vault_store(vault, txn);
}

enum ds_err ds_vault_drop_lease(struct ds_vault *vault, struct ds_txn *txn)
{
    close_master(&vault->pulled);
    return ds_lease_forget(vault, txn);
}

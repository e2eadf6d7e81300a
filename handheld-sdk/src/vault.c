#include "handheld-sdk/src/vault.h"

#include <stdlib.h>
#include <string.h>

#define LABEL_DEVICE DS_SLICE_LIT("doorstep device compartment 1")
#define LABEL_KEK DS_SLICE_LIT("doorstep vault 1")
#define LABEL_RECORDS DS_SLICE_LIT("records")
#define LABEL_VALUE DS_SLICE_LIT("doorstep value 1")

enum { AAD_SIZE_MAX = 16 + sizeof(struct ds_id) + 1 + DS_KEY_SIZE_MAX, PINS_SIZE = 24 };

struct tries { /* The durable count of wrong PINs. */
    uint32_t wrong;
    uint32_t boot;
    uint64_t mono_ms; /* When the last one was tried. */
    uint64_t wait_ms; /* Still to wait then. */
};

/* ---- Values. ---- */

static const struct ds_secret *key_of(const struct ds_vault *vault, uint8_t table)
{
    if (table <= DS_KEPT_DEVICE_LAST) {
        return &vault->device;
    }
    return vault->open ? &vault->records : NULL;
}

static struct ds_slice value_aad(const struct ds_vault *vault, uint8_t table, struct ds_slice key,
                                 uint8_t memory[static AAD_SIZE_MAX])
{
    struct ds_builder builder;
    struct ds_slice aad = {0};
    ds_builder_init(&builder, memory, AAD_SIZE_MAX);
    ds_put_bytes(&builder, LABEL_VALUE);
    ds_put_id(&builder, &vault->id);
    ds_put_u8(&builder, table);
    ds_put_bytes(&builder, key);
    enum ds_err err = ds_builder_end(&builder, &aad);
    DS_ASSERT(err == DS_OK);
    return aad;
}

enum ds_err ds_safe_put(struct ds_vault *vault, struct ds_txn *txn, uint8_t table,
                        struct ds_slice key, struct ds_slice clear, struct ds_arena *arena)
{
    const struct ds_secret *secret = key_of(vault, table);
    if (secret == NULL) {
        return DS_ERR_LOCKED;
    }
    uint8_t memory[AAD_SIZE_MAX];
    struct ds_slice aad = value_aad(vault, table, key, memory);
    size_t mark = ds_arena_mark(arena);
    size_t size = clear.size + DS_SAFE_OVERHEAD;
    uint8_t *room = ds_arena_room(arena, size);
    if (room == NULL) {
        return DS_ERR_LIMIT;
    }
    struct ds_builder builder;
    struct ds_slice sealed;
    ds_builder_init(&builder, room, size);
    ds_put_u8(&builder, DS_SUITE);
    enum ds_err err = ds_aead_seal(secret, aad, clear, &vault->ports->random, &builder);
    err = err != DS_OK ? err : ds_builder_end(&builder, &sealed);
    err = err != DS_OK ? err : ds_txn_put(txn, table, key, sealed);
    ds_arena_rewind(arena, mark);
    return err;
}

enum ds_err ds_safe_open(struct ds_vault *vault, uint8_t table, struct ds_slice key,
                         struct ds_slice sealed, struct ds_arena *arena, struct ds_slice *clear)
{
    const struct ds_secret *secret = key_of(vault, table);
    if (secret == NULL) {
        return DS_ERR_LOCKED;
    }
    if (sealed.size < DS_SAFE_OVERHEAD) {
        return DS_ERR_INTEGRITY;
    }
    if (sealed.data[0] != DS_SUITE) {
        return DS_ERR_VERSION;
    }
    uint8_t memory[AAD_SIZE_MAX];
    struct ds_slice aad = value_aad(vault, table, key, memory);
    size_t size = sealed.size - DS_SAFE_OVERHEAD;
    uint8_t *room = ds_arena_room(arena, size + 1);
    if (room == NULL) {
        return DS_ERR_LIMIT;
    }
    struct ds_builder builder;
    ds_builder_init(&builder, room, size);
    enum ds_err err =
        ds_aead_open(secret, aad, (struct ds_slice){sealed.data + 1, sealed.size - 1}, &builder);
    err = err != DS_OK ? err : ds_builder_end(&builder, clear);
    return err == DS_ERR_SIGNATURE ? DS_ERR_INTEGRITY : err;
}

enum ds_err ds_safe_get(struct ds_vault *vault, struct ds_txn *txn, uint8_t table,
                        struct ds_slice key, struct ds_arena *arena, struct ds_slice *clear)
{
    struct ds_slice sealed;
    DS_TRY(ds_txn_get(txn, table, key, &sealed));
    return ds_safe_open(vault, table, key, sealed, arena, clear);
}

/* A photo is larger than a call's scratch: it opens in memory of its own. */
static enum ds_err scrub_value(struct ds_vault *vault, uint8_t table, struct ds_slice key,
                               struct ds_slice value, uint64_t *bad)
{
    enum { SLACK = 1024 };
    struct ds_arena arena;
    struct ds_slice clear;
    size_t size = value.size + SLACK;
    void *memory = malloc(size);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&arena, memory, size);
    *bad += ds_safe_open(vault, table, key, value, &arena, &clear) != DS_OK;
    free(memory);
    return DS_OK;
}

static enum ds_err scrub_table(struct ds_vault *vault, struct ds_txn *txn, uint8_t table,
                               uint64_t *bad)
{
    uint8_t memory[DS_KEY_SIZE_MAX + 1] = {0};
    struct ds_slice key = {memory, 1};
    struct ds_slice found;
    struct ds_slice value;
    enum ds_err err = ds_txn_at_or_after(txn, table, key, &found, &value);
    while (err == DS_OK) {
        DS_TRY(scrub_value(vault, table, found, value, bad));
        memcpy(memory, found.data, found.size);
        memory[found.size] = 0;
        key.size = found.size + 1;
        err = ds_txn_at_or_after(txn, table, key, &found, &value);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_safe_scrub(struct ds_vault *vault, struct ds_txn *txn, uint64_t *bad)
{
    for (int table = DS_KEPT_SELF; table <= DS_KEPT_LAST; table++) {
        if (table != DS_KEPT_LINK && (vault->open || table <= DS_KEPT_DEVICE_LAST)) {
            DS_TRY(scrub_table(vault, txn, (uint8_t)table, bad));
        }
    }
    return *bad > 0 ? DS_ERR_INTEGRITY : DS_OK;
}

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
    struct ds_slice wrapped = ds_take_bytes(&cursor, sizeof(vault->wrapped));
    if (ds_cursor_end(&cursor) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    memcpy(vault->salt, salt.data, salt.size);
    memcpy(vault->wrapped, wrapped.data, wrapped.size);
    vault->exists = true;
    return DS_OK;
}

static enum ds_err vault_store(struct ds_vault *vault, struct ds_txn *txn)
{
    uint8_t memory[256];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_put_u8(&builder, DS_SUITE);
    ds_put_id(&builder, &vault->id);
    ds_put_bytes(&builder, DS_SLICE_OF(vault->salt));
    ds_put_u32(&builder, vault->cost.passes);
    ds_put_u32(&builder, vault->cost.memory_bytes);
    ds_put_u8(&builder, vault->wiped);
    ds_put_bytes(&builder, DS_SLICE_OF(vault->wrapped));
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
    }
    ds_txn_abort(txn);
    return err;
}

void ds_vault_lock(struct ds_vault *vault)
{
    vault->open = false;
    ds_wipe(&vault->master, sizeof(vault->master));
    ds_wipe(&vault->records, sizeof(vault->records));
}

void ds_vault_fini(struct ds_vault *vault)
{
    ds_vault_lock(vault);
    ds_wipe(vault, sizeof(*vault));
}

static enum ds_err derive_kek(const struct ds_vault *vault, struct ds_slice pin,
                              struct ds_secret *kek)
{
    uint8_t parts[2 * sizeof(struct ds_secret)] = {0}; /* The lease key's half stays zero. */
    struct ds_secret stretched;
    DS_TRY(ds_argon2id(pin, vault->salt, vault->cost, &stretched));
    memcpy(parts, stretched.byte, sizeof(stretched.byte));
    ds_subkey(&vault->hardware, LABEL_KEK, DS_SLICE_OF(parts), kek);
    ds_wipe(parts, sizeof(parts));
    ds_wipe(&stretched, sizeof(stretched));
    return DS_OK;
}

static struct ds_slice wrap_aad(const struct ds_vault *vault)
{
    return (struct ds_slice){vault->id.byte, sizeof(vault->id.byte)};
}

static enum ds_err wrap_master(struct ds_vault *vault, struct ds_slice pin)
{
    struct ds_secret kek;
    ds_ports_random(vault->ports, vault->salt, sizeof(vault->salt));
    vault->cost = vault->ports->argon;
    DS_TRY(derive_kek(vault, pin, &kek));
    struct ds_builder builder;
    ds_builder_init(&builder, vault->wrapped, sizeof(vault->wrapped));
    enum ds_err err = ds_aead_seal(&kek, wrap_aad(vault), DS_SLICE_OF(vault->master.byte),
                                   &vault->ports->random, &builder);
    ds_wipe(&kek, sizeof(kek));
    return err != DS_OK ? err : builder.failed ? DS_ERR_LIMIT : DS_OK;
}

static enum ds_err unwrap_master(struct ds_vault *vault, struct ds_slice pin)
{
    struct ds_secret kek;
    DS_TRY(derive_kek(vault, pin, &kek));
    struct ds_builder builder;
    ds_builder_init(&builder, vault->master.byte, sizeof(vault->master.byte));
    enum ds_err err = ds_aead_open(&kek, wrap_aad(vault), DS_SLICE_OF(vault->wrapped), &builder);
    ds_wipe(&kek, sizeof(kek));
    return err == DS_ERR_SIGNATURE ? DS_ERR_AUTH : err;
}

static void open_with_master(struct ds_vault *vault)
{
    ds_subkey(&vault->master, LABEL_RECORDS, DS_SLICE_OF(vault->id), &vault->records);
    vault->open = true;
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
    ds_ports_random(vault->ports, vault->master.byte, sizeof(vault->master.byte));
    DS_TRY(wrap_master(vault, pin));
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
    open_with_master(vault);
    return DS_OK;
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
    enum ds_err err = unwrap_master(vault, pin);
    if (err != DS_OK) {
        ds_vault_lock(vault);
        ds_detail_set(detail, "wrong PIN", NULL);
        return err;
    }
    struct tries none = {0};
    DS_TRY(tries_commit(vault, &none));
    open_with_master(vault);
    return DS_OK;
}

enum ds_err ds_vault_change_pin(struct ds_vault *vault, struct ds_slice old_pin,
                                struct ds_slice new_pin, struct ds_detail *detail)
{
    DS_TRY(check_pin_size(new_pin));
    DS_TRY(ds_vault_unlock(vault, old_pin, detail));
    struct ds_vault before = *vault;
    enum ds_err err = wrap_master(vault, new_pin);
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
    ds_wipe(vault->wrapped, sizeof(vault->wrapped));
    ds_wipe(vault->salt, sizeof(vault->salt));
    vault->wiped = true;
    return vault_store(vault, txn);
}

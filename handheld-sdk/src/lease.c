#include "handheld-sdk/src/lease.h"

#include <string.h>

#define KEY DS_SLICE_LIT("lease")
enum { RECORD_SIZE = 32 + 5 * 8, MEMORY = 512 };

static enum ds_err lease_store(struct ds_vault *vault, struct ds_txn *txn)
{
    uint8_t record[RECORD_SIZE];
    uint8_t memory[MEMORY];
    struct ds_arena arena;
    struct ds_builder builder;
    struct ds_slice clear;
    const struct ds_held_lease *lease = &vault->lease;
    ds_arena_init(&arena, memory, sizeof(memory));
    ds_builder_init(&builder, record, sizeof(record));
    ds_put_bytes(&builder, DS_SLICE_OF(lease->key.byte));
    ds_put_u64(&builder, lease->life_ms);
    ds_put_u64(&builder, lease->used_ms);
    ds_put_u64(&builder, lease->boot);
    ds_put_u64(&builder, lease->mono_ms);
    ds_put_u64(&builder, (uint64_t)lease->wall_ms);
    enum ds_err err = ds_builder_end(&builder, &clear);
    err = err != DS_OK ? err : ds_safe_put(vault, txn, DS_KEPT_VAULT, KEY, clear, &arena);
    ds_wipe(record, sizeof(record));
    return err;
}

enum ds_err ds_lease_load(struct ds_vault *vault, struct ds_txn *txn)
{
    uint8_t memory[MEMORY];
    struct ds_arena arena;
    struct ds_slice clear;
    struct ds_cursor cursor;
    struct ds_held_lease *lease = &vault->lease;
    ds_arena_init(&arena, memory, sizeof(memory));
    memset(lease, 0, sizeof(*lease));
    enum ds_err err = ds_safe_get(vault, txn, DS_KEPT_VAULT, KEY, &arena, &clear);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    ds_cursor_init(&cursor, clear);
    struct ds_slice key = ds_take_bytes(&cursor, sizeof(lease->key.byte));
    lease->life_ms = ds_take_u64(&cursor);
    lease->used_ms = ds_take_u64(&cursor);
    lease->boot = ds_take_u64(&cursor);
    lease->mono_ms = ds_take_u64(&cursor);
    lease->wall_ms = (int64_t)ds_take_u64(&cursor);
    if (ds_cursor_end(&cursor) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    memcpy(lease->key.byte, key.data, key.size);
    lease->held = true;
    ds_wipe(memory, sizeof(memory));
    return DS_OK;
}

enum ds_err ds_lease_begin(struct ds_vault *vault, struct ds_txn *txn, const struct ds_secret *key,
                           uint64_t life_ms)
{
    vault->lease = (struct ds_held_lease){.held = true,
                                          .key = *key,
                                          .life_ms = life_ms,
                                          .boot = vault->ports->boot,
                                          .mono_ms = ds_ports_mono_ms(vault->ports),
                                          .wall_ms = ds_ports_now_ms(vault->ports)};
    return lease_store(vault, txn);
}

enum ds_err ds_lease_forget(struct ds_vault *vault, struct ds_txn *txn)
{
    ds_wipe(&vault->lease, sizeof(vault->lease));
    vault->lease.held = false;
    return ds_txn_del(txn, DS_KEPT_VAULT, KEY);
}

/* Running time since the lease was last noted. After a boot all of that boot's counts, and a charge
 * for what the boot before had not noted: switching off and on again gains nothing. */
static uint64_t since_noted(const struct ds_vault *vault)
{
    const struct ds_held_lease *lease = &vault->lease;
    uint64_t now = ds_ports_mono_ms(vault->ports);
    if (vault->ports->boot == lease->boot && now >= lease->mono_ms) {
        return now - lease->mono_ms;
    }
    return now + DS_LEASE_NOTE_MS;
}

uint64_t ds_vault_lease_left_ms(const struct ds_vault *vault)
{
    const struct ds_held_lease *lease = &vault->lease;
    uint64_t used = lease->used_ms + since_noted(vault);
    return lease->held && used < lease->life_ms ? lease->life_ms - used : 0;
}

bool ds_vault_wants_contact(const struct ds_vault *vault)
{
    const struct ds_held_lease *lease = &vault->lease;
    int64_t passed = ds_ports_now_ms(vault->ports) - lease->wall_ms;
    return lease->held && (passed < 0 || (uint64_t)passed > lease->life_ms);
}

void ds_vault_tend_lease(struct ds_vault *vault)
{
    struct ds_held_lease *lease = &vault->lease;
    struct ds_txn *txn;
    bool lapsed = lease->held && ds_vault_lease_left_ms(vault) == 0;
    bool other_boot = vault->ports->boot != lease->boot;
    uint64_t since = since_noted(vault);
    if (!lease->held || (!lapsed && !other_boot && since < DS_LEASE_NOTE_MS)) {
        return;
    }
    lease->used_ms += since;
    lease->boot = vault->ports->boot;
    lease->mono_ms = ds_ports_mono_ms(vault->ports);
    enum ds_err err = ds_store_begin(vault->store, true, &txn);
    if (err != DS_OK) {
        return; /* As below; what has run out is closed by the next look. */
    }
    err = lapsed ? ds_vault_drop_lease(vault, txn) : lease_store(vault, txn);
    if (err == DS_OK) {
        err = ds_txn_commit(txn);
    } else {
        ds_txn_abort(txn);
    }
    (void)err; /* What could not be noted counts in memory, and is noted later. */
}

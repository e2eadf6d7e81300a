/* Values of the vault: sealed under the key of their table's compartment, bound to their place. */
#include "handheld-sdk/src/vault.h"

#include <stdlib.h>
#include <string.h>

#define LABEL_VALUE DS_SLICE_LIT("doorstep value 1")

enum { AAD_SIZE_MAX = 16 + sizeof(struct ds_id) + 1 + DS_KEY_SIZE_MAX };

static const struct ds_secret *key_of(const struct ds_vault *vault, uint8_t table)
{
    if (table <= DS_KEPT_DEVICE_LAST) {
        return &vault->device;
    }
    const struct ds_master *master = ds_kept_is_pulled(table) ? &vault->pulled : &vault->work;
    return master->open ? &master->records : NULL;
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
        if (table != DS_KEPT_LINK && key_of(vault, (uint8_t)table) != NULL) {
            DS_TRY(scrub_table(vault, txn, (uint8_t)table, bad));
        }
    }
    return *bad > 0 ? DS_ERR_INTEGRITY : DS_OK;
}

/* Epochs: what each lawful restore kept of the journal.
 *
 * Stored under "epoch" as one u64 per epoch from the second on: its kept size. Who comes from an
 * earlier epoch may have missed several restores, and what he knows of positions is good up to the
 * least that any of them kept. */
#include "sync/core/fold.h"

static enum ds_err load(struct ds_txn *txn, struct ds_slice *sizes)
{
    struct ds_key key = ds_key_meta("epoch");
    enum ds_err err = ds_txn_get(txn, DS_TABLE_META, ds_key_slice(&key), sizes);
    if (err == DS_ERR_NOT_FOUND) {
        *sizes = (struct ds_slice){NULL, 0};
        return DS_OK;
    }
    return err;
}

enum ds_err ds_kept_since(struct ds_txn *txn, uint64_t epoch, uint64_t *kept_size)
{
    struct ds_slice sizes;
    struct ds_cursor cursor;
    *kept_size = UINT64_MAX;
    DS_TRY(load(txn, &sizes));
    ds_cursor_init(&cursor, sizes);
    for (uint64_t number = 2; ds_cursor_left(&cursor) > 0; number++) {
        uint64_t size = ds_take_u64(&cursor);
        if (number > epoch && size < *kept_size) {
            *kept_size = size;
        }
    }
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_fold_epoch(struct ds_fold *fold, const struct ds_entry *entry)
{
    uint64_t known = fold->meta->epoch;
    /* Epochs between the two were declared in a history that was not kept. */
    if (entry->epoch <= known || entry->epoch - known > DS_EPOCHS_SKIPPED_MAX + 1 ||
        entry->kept_size != fold->meta->size) {
        fold->out->error = DS_ERR_EPOCH;
        return DS_OK;
    }
    size_t added = (size_t)(entry->epoch - known) * sizeof(uint64_t);
    struct ds_slice sizes;
    struct ds_builder builder;
    DS_TRY(load(fold->txn, &sizes));
    uint8_t *memory = ds_arena_alloc(fold->arena, sizes.size + added);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&builder, memory, sizes.size + added);
    ds_put_bytes(&builder, sizes);
    for (uint64_t epoch = known; epoch < entry->epoch; epoch++) {
        ds_put_u64(&builder, entry->kept_size);
    }
    struct ds_slice value;
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_meta("epoch");
    DS_TRY(ds_txn_put(fold->txn, DS_TABLE_META, ds_key_slice(&key), value));
    fold->meta->epoch = entry->epoch;
    fold->meta->kept_size = entry->kept_size;
    return DS_OK;
}

#include "sync/core/fold.h"

enum ds_err ds_fold_export(struct ds_fold *fold, uint8_t consumer, enum ds_export_kind kind,
                           const struct ds_id *id, uint32_t revision, uint32_t supersedes,
                           struct ds_slice fields)
{
    enum { HEAD = 1 + 16 + 4 + 4 };
    uint8_t *memory = ds_arena_room(fold->arena, HEAD + fields.size);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, memory, HEAD + fields.size);
    ds_put_u8(&builder, (uint8_t)kind);
    ds_put_id(&builder, id);
    ds_put_u32(&builder, revision);
    ds_put_u32(&builder, supersedes);
    ds_put_bytes(&builder, fields);
    DS_TRY(ds_builder_end(&builder, &value));
    fold->ordinal++;
    struct ds_key key = ds_key_export(consumer, fold->position, fold->ordinal);
    return ds_txn_put(fold->txn, DS_TABLE_EXPORT, ds_key_slice(&key), value);
}

enum ds_err ds_export_next(struct ds_txn *txn, uint8_t consumer, uint64_t position,
                           uint32_t ordinal, struct ds_export *next)
{
    struct ds_key at = ds_key_export(consumer, position, ordinal);
    struct ds_key key = ds_key_after(ds_key_slice(&at));
    struct ds_slice found;
    struct ds_slice value;
    DS_TRY(ds_txn_at_or_after(txn, DS_TABLE_EXPORT, ds_key_slice(&key), &found, &value));
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, found);
    if (ds_take_u8(&cursor) != consumer) {
        return DS_ERR_NOT_FOUND;
    }
    next->position = ds_take_u64(&cursor);
    next->ordinal = ds_take_u32(&cursor);
    if (ds_cursor_end(&cursor) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    ds_cursor_init(&cursor, value);
    next->kind = ds_take_u8(&cursor);
    next->id = ds_take_id(&cursor);
    next->revision = ds_take_u32(&cursor);
    next->supersedes = ds_take_u32(&cursor);
    next->fields = ds_take_bytes(&cursor, ds_cursor_left(&cursor));
    return cursor.failed ? DS_ERR_INTEGRITY : DS_OK;
}

enum ds_err ds_export_cursor(struct ds_txn *txn, uint8_t consumer, uint64_t *position,
                             uint32_t *ordinal)
{
    struct ds_key key = ds_key_cursor(consumer);
    struct ds_slice value;
    *position = 0;
    *ordinal = 0;
    enum ds_err err = ds_txn_get(txn, DS_TABLE_CURSOR, ds_key_slice(&key), &value);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_OK;
    }
    DS_TRY(err);
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    *position = ds_take_u64(&cursor);
    *ordinal = ds_take_u32(&cursor);
    return cursor.failed ? DS_ERR_INTEGRITY : DS_OK;
}

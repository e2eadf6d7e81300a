#include "sync/core/fold.h"

/* account, manufacturer, meter_no and book: each a byte of size and the text. */
static enum ds_err put_names(struct ds_fold *fold, const struct ds_id *id, struct ds_builder *out)
{
    struct ds_slice name[4] = {{NULL, 0}};
    struct ds_meter *meter = DS_FOLD_NEW(fold, struct ds_meter);
    struct ds_account *account = DS_FOLD_NEW(fold, struct ds_account);
    struct ds_book *book = DS_FOLD_NEW(fold, struct ds_book);
    if (meter == NULL || account == NULL || book == NULL) {
        return DS_ERR_NOMEM;
    }
    if (id != NULL) {
        DS_TRY(ds_record_load(fold->txn, DS_REC_meter, id, fold->arena, meter));
        name[1] = meter->manufacturer;
        name[2] = meter->meter_no;
        enum ds_err err =
            DS_HAS(meter, meter, account)
                ? ds_record_load(fold->txn, DS_REC_account, &meter->account, fold->arena, account)
                : DS_ERR_NOT_FOUND;
        if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
            return err;
        }
        name[0] = err == DS_OK ? account->number : name[0];
        err = DS_HAS(meter, meter, book)
                  ? ds_record_load(fold->txn, DS_REC_book, &meter->book, fold->arena, book)
                  : DS_ERR_NOT_FOUND;
        if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
            return err;
        }
        name[3] = err == DS_OK ? book->number : name[3];
    }
    for (size_t i = 0; i < DS_COUNT(name); i++) {
        ds_put_u8(out, (uint8_t)name[i].size);
        ds_put_bytes(out, name[i]);
    }
    return DS_OK;
}

enum ds_err ds_fold_export(struct ds_fold *fold, uint8_t consumer, const struct ds_export *export,
                           const struct ds_id *meter)
{
    enum { HEAD = 1 + 16 + 4 + 4 + 4 * (1 + UINT8_MAX) };
    uint8_t *memory = ds_arena_room(fold->arena, HEAD + export->fields.size);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, memory, HEAD + export->fields.size);
    ds_put_u8(&builder, export->kind);
    ds_put_id(&builder, &export->id);
    ds_put_u32(&builder, export->revision);
    ds_put_u32(&builder, export->supersedes);
    DS_TRY(put_names(fold, meter, &builder));
    ds_put_bytes(&builder, export->fields);
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
    next->account = ds_take_bytes(&cursor, ds_take_u8(&cursor));
    next->manufacturer = ds_take_bytes(&cursor, ds_take_u8(&cursor));
    next->meter_no = ds_take_bytes(&cursor, ds_take_u8(&cursor));
    next->book = ds_take_bytes(&cursor, ds_take_u8(&cursor));
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

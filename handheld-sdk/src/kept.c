#include "handheld-sdk/src/kept.h"

enum ds_err ds_kept_next(struct ds_txn *txn, uint8_t table, uint64_t from, uint64_t *order,
                         struct ds_slice *value)
{
    struct ds_key key = ds_key_order(from);
    struct ds_slice found;
    struct ds_cursor cursor;
    DS_TRY(ds_txn_at_or_after(txn, table, ds_key_slice(&key), &found, value));
    ds_cursor_init(&cursor, found);
    *order = ds_take_u64(&cursor);
    return ds_cursor_end(&cursor) == DS_OK && *order < UINT64_MAX ? DS_OK : DS_ERR_INTEGRITY;
}

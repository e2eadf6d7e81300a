/* A journal in a file, for golden journals and for folding one with many compilers.
 *
 * "doorstep journal 1\n", the station's id (16), then each entry: size u32 (big-endian), bytes.
 * Only the bytes of sync/FORMAT.md, nothing of how a store keeps them. Header only and pure. */
#ifndef DS_TESTS_SUPPORT_JOURNAL_FILE_H
#define DS_TESTS_SUPPORT_JOURNAL_FILE_H

#include "sync/core/engine.h"

#define JOURNAL_FILE_TITLE "doorstep journal 1\n"

static inline void journal_file_begin(struct ds_builder *out, const struct ds_id *station)
{
    ds_put_text(out, JOURNAL_FILE_TITLE);
    ds_put_id(out, station);
}

static inline void journal_file_entry(struct ds_builder *out, struct ds_slice entry)
{
    ds_put_u32(out, (uint32_t)entry.size);
    ds_put_bytes(out, entry);
}

/* Fold all of it into an empty store; scratch: memory of a desk. */
static inline enum ds_err journal_file_fold(struct ds_slice file, struct ds_store *store,
                                            uint8_t *scratch, struct ds_shard_meta *meta,
                                            struct ds_detail *detail)
{
    struct ds_cursor cursor;
    struct ds_txn *txn = NULL;
    ds_cursor_init(&cursor, file);
    struct ds_slice title = ds_take_bytes(&cursor, sizeof JOURNAL_FILE_TITLE - 1);
    *meta = (struct ds_shard_meta){.epoch = 1, .station = ds_take_id(&cursor)};
    if (cursor.failed || !ds_slice_equal(title, ds_slice_of_text(JOURNAL_FILE_TITLE))) {
        return DS_ERR_DECODE;
    }
    DS_TRY(ds_store_begin(store, true, &txn));
    struct ds_desk *desk = ds_desk_begin(scratch, txn);
    enum ds_err err = ds_meta_store(txn, meta);
    while (err == DS_OK && ds_cursor_left(&cursor) > 0) {
        struct ds_folded folded;
        struct ds_slice entry = ds_take_bytes(&cursor, ds_take_u32(&cursor));
        err = cursor.failed ? DS_ERR_DECODE : ds_engine_fold(desk, meta, entry, &folded, detail);
        err = err != DS_OK ? err : folded.error;
    }
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

#endif

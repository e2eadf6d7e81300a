/* Verifying a journal from its bytes alone, and refolding it into an empty store. */
#include "sync/shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_EVERY = 256, TEXT_SIZE = 24 };

static void number_text(uint64_t number, char text[static TEXT_SIZE])
{
    struct ds_builder builder;
    ds_builder_init(&builder, text, TEXT_SIZE);
    ds_put_decimal(&builder, (int64_t)number);
    (void)ds_builder_text(&builder);
}

static void hex_text(const struct ds_id *id, char text[static 33])
{
    struct ds_builder builder;
    ds_builder_init(&builder, text, 33);
    ds_put_hex(&builder, DS_SLICE_OF(id->byte));
    (void)ds_builder_text(&builder);
}

static enum ds_err spoiled(struct ds_detail *detail, uint64_t number, const struct ds_batch *batch,
                           const char *what)
{
    char entry[TEXT_SIZE];
    char seq[TEXT_SIZE];
    char device[33];
    number_text(number, entry);
    if (batch == NULL) {
        ds_detail_set(detail, "journal entry ", entry, ": ", what, NULL);
        return DS_ERR_INTEGRITY;
    }
    number_text(batch->first_seq, seq);
    hex_text(&batch->device, device);
    ds_detail_set(detail, "journal entry ", entry, ", device ", device, ", sequence ", seq, ": ",
                  what, NULL);
    return DS_ERR_INTEGRITY;
}

/* An administrator's entry carries his signature. */
static enum ds_err check_admin(struct ds_txn *txn, const struct ds_entry *entry, uint64_t number,
                               struct ds_detail *detail)
{
    enum { TEXT = 8192, ROOM = TEXT + DS_ROW_SIZE_MAX + 4096 };
    uint8_t *memory = malloc(ROOM);
    struct ds_arena arena;
    struct ds_builder builder;
    struct ds_slice text;
    struct ds_device device;
    struct ds_signature signature;
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&arena, memory + TEXT, ROOM - TEXT);
    enum ds_err err = ds_record_load(txn, DS_REC_device, &entry->admin, &arena, &device);
    ds_builder_init(&builder, memory, TEXT);
    ds_entry_put_unsigned(&builder, entry);
    if (err == DS_OK) {
        err = ds_builder_end(&builder, &text);
    }
    if (err == DS_OK) {
        memcpy(signature.byte, entry->admin_signature, sizeof(signature.byte));
        bool good = ds_verify(&device.sign_key, DS_LABEL_ADMIN, text, &signature);
        err =
            good ? DS_OK : spoiled(detail, number, NULL, "the administrator's signature is wrong");
    } else if (err == DS_ERR_NOT_FOUND) {
        err = spoiled(detail, number, NULL, "the administrator is not known");
    }
    free(memory);
    return err;
}

static enum ds_err check_entry(struct ds_txn *txn, uint64_t number, struct ds_slice bytes,
                               struct ds_detail *detail)
{
    struct ds_entry entry;
    struct ds_batch batch;
    if (ds_entry_parse(bytes, &entry, NULL) != DS_OK) {
        return spoiled(detail, number, NULL, "its bytes do not follow the format");
    }
    if (entry.kind == DS_ENTRY_EPOCH || entry.kind == DS_ENTRY_ERASE) {
        return check_admin(txn, &entry, number, detail);
    }
    if (entry.kind != DS_ENTRY_BATCH) {
        return DS_OK;
    }
    struct ds_submission submission = {.batch = entry.batch};
    enum ds_err err = ds_submission_verify(txn, &submission, &batch, NULL);
    if (err == DS_ERR_SIGNATURE && submission.checked) {
        return spoiled(detail, number, &batch, "its signature is not its device's");
    }
    if (err == DS_ERR_AUTH) {
        return spoiled(detail, number, &batch, "its device is not known");
    }
    return err == DS_OK || err == DS_ERR_NOMEM || err == DS_ERR_IO
               ? err
               : spoiled(detail, number, NULL, "its batch does not follow the format");
}

/* Is the batch where the writers' table says, with the chain that it says? */
static enum ds_err walk(struct ds_shard *shard, struct ds_txn *txn, uint64_t size,
                        const struct ds_progress *progress, struct ds_tree *tree,
                        struct ds_detail *detail)
{
    (void)shard;
    memset(tree, 0, sizeof(*tree));
    for (uint64_t number = 1; number <= size; number++) {
        struct ds_key key = ds_key_journal(number);
        struct ds_slice bytes;
        enum ds_err err = ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes);
        if (err == DS_ERR_NOT_FOUND) {
            return spoiled(detail, number, NULL, "it is missing");
        }
        if (err == DS_ERR_INTEGRITY) {
            return spoiled(detail, number, NULL, "its stored bytes do not match their own tag");
        }
        DS_TRY(err);
        DS_TRY(check_entry(txn, number, bytes, detail));
        struct ds_hash leaf;
        if (ds_entry_leaf_of(bytes, &leaf) != DS_OK) {
            return spoiled(detail, number, NULL, "its bytes do not follow the format");
        }
        ds_tree_append(tree, &leaf);
        if (progress != NULL && progress->step != NULL &&
            (number % STEP_EVERY == 0 || number == size)) {
            progress->step(progress->context, number, size);
        }
    }
    return DS_OK;
}

enum ds_err ds_shard_verify(struct ds_shard *shard, const struct ds_progress *progress,
                            struct ds_head *head, struct ds_detail *detail)
{
    struct ds_txn *txn = NULL;
    struct ds_tree tree;
    DS_TRY(ds_store_begin(shard->store, false, &txn));
    enum ds_err err = ds_shard_head(shard, txn, head);
    if (err == DS_OK) {
        err = walk(shard, txn, head->size, progress, &tree, detail);
    }
    if (err == DS_OK) {
        struct ds_hash root = ds_tree_root(&tree);
        if (!ds_hash_equal(&root, &head->root)) {
            ds_detail_set(detail, "the journal's root is not the one that was kept", NULL);
            err = DS_ERR_INTEGRITY;
        }
    }
    ds_txn_abort(txn);
    return err;
}

struct refold {
    struct ds_shard *shard;
    struct ds_txn *from;
    struct ds_store *to;
    uint8_t *scratch;
    struct ds_shard_meta meta;
    struct ds_detail *detail;
};

static enum ds_err refold_some(struct refold *r, uint64_t first, uint64_t last)
{
    struct ds_txn *txn = NULL;
    DS_TRY(ds_store_begin(r->to, true, &txn));
    struct ds_desk *desk = ds_desk_begin(r->scratch, txn);
    enum ds_err err = first == 1 ? ds_meta_store(txn, &r->meta) : DS_OK;
    for (uint64_t number = first; number <= last && err == DS_OK; number++) {
        struct ds_key key = ds_key_journal(number);
        struct ds_slice bytes;
        struct ds_folded folded;
        err = ds_txn_get(r->from, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes);
        if (err == DS_OK) {
            err = ds_engine_fold(desk, &r->meta, bytes, &folded, r->detail);
        }
        if (err == DS_OK && r->meta.size != number) {
            err =
                spoiled(r->detail, number, NULL, "it folds to nothing, but stands in the journal");
        }
    }
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

static enum ds_err refold_all(struct refold *r, uint64_t size, const struct ds_progress *progress)
{
    for (uint64_t first = 1; first <= size; first += STEP_EVERY) {
        uint64_t last = size - first < STEP_EVERY ? size : first + STEP_EVERY - 1;
        DS_TRY(refold_some(r, first, last));
        if (progress != NULL && progress->step != NULL) {
            progress->step(progress->context, last, size);
        }
    }
    return DS_OK;
}

static enum ds_err digest_of(struct ds_store *store, struct ds_hash *digest)
{
    struct ds_txn *txn = NULL;
    DS_TRY(ds_store_begin(store, false, &txn));
    enum ds_err err = ds_engine_digest(txn, digest);
    ds_txn_abort(txn);
    return err;
}

enum ds_err ds_shard_rebuild(struct ds_shard *shard, struct ds_store *to,
                             const struct ds_progress *progress, struct ds_hash *have,
                             struct ds_hash *made, struct ds_detail *detail)
{
    struct refold r = {.shard = shard, .to = to, .detail = detail};
    struct ds_shard_meta meta;
    r.scratch = malloc(DS_ENGINE_SCRATCH_SIZE);
    if (r.scratch == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = ds_store_begin(shard->store, false, &r.from);
    if (err == DS_OK) {
        err = ds_meta_load(r.from, &meta);
        r.meta.station = meta.station;
        r.meta.epoch = 1;
        if (err == DS_OK) {
            err = refold_all(&r, meta.size, progress);
        }
        if (err == DS_OK) {
            err = ds_engine_digest(r.from, have);
        }
        ds_txn_abort(r.from);
    }
    free(r.scratch);
    return err == DS_OK ? digest_of(to, made) : err;
}

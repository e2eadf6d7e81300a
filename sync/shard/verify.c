/* Verifying a journal from its bytes alone, and refolding it into an empty store. */
#include "sync/core/proof.h"
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

struct verifying {
    struct ds_txn *txn;
    struct ds_detail *detail;
    uint64_t number; /* Of the entry that is looked at. */
};

static enum ds_err say(struct verifying *v, const struct ds_id *device, uint64_t first,
                       uint64_t last, const char *what)
{
    char entry[TEXT_SIZE];
    char from[TEXT_SIZE];
    char to[TEXT_SIZE];
    char name[33];
    number_text(v->number, entry);
    number_text(first, from);
    number_text(last, to);
    hex_text(device, name);
    ds_detail_set(v->detail, "journal entry ", entry, ", device ", name, ", sequence ", from, "-",
                  to, ": ", what, NULL);
    return DS_ERR_INTEGRITY;
}

/* Whose entry it is, the writers' tables know: its own bytes are not to be trusted. batch (or NULL)
 * is what they say, for a table that is damaged as well. */
static enum ds_err spoiled(struct verifying *v, const struct ds_batch *batch, const char *what)
{
    struct ds_bound_name bound;
    struct ds_life_row life;
    char entry[TEXT_SIZE];
    if (ds_bound_at(v->txn, v->number, &bound) == DS_OK &&
        ds_life_load(v->txn, &bound.name, &life) == DS_OK) {
        return say(v, &life.device, bound.first_seq, bound.last_seq, what);
    }
    if (batch != NULL) {
        return say(v, &batch->device, batch->first_seq, batch->first_seq + batch->count - 1, what);
    }
    number_text(v->number, entry);
    ds_detail_set(v->detail, "journal entry ", entry, " (the server's own): ", what, NULL);
    return DS_ERR_INTEGRITY;
}

/* An administrator's entry carries his signature. */
static enum ds_err check_admin(struct verifying *v, const struct ds_entry *entry)
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
    enum ds_err err = ds_record_load(v->txn, DS_REC_device, &entry->admin, &arena, &device);
    ds_builder_init(&builder, memory, TEXT);
    ds_entry_put_unsigned(&builder, entry);
    if (err == DS_OK) {
        err = ds_builder_end(&builder, &text);
    }
    if (err == DS_OK) {
        memcpy(signature.byte, entry->admin_signature, sizeof(signature.byte));
        bool good = ds_verify(&device.sign_key, DS_LABEL_ADMIN, text, &signature);
        err = good ? DS_OK : spoiled(v, NULL, "the administrator's signature is wrong");
    } else if (err == DS_ERR_NOT_FOUND) {
        err = spoiled(v, NULL, "the administrator is not known");
    }
    free(memory);
    return err;
}

/* An id is the hash of its key: whoever puts his own key into a device's row is found by that. */
static enum ds_err check_key(struct verifying *v, const struct ds_batch *batch)
{
    struct ds_hash key;
    DS_TRY(ds_device_key(v->txn, &batch->device, &key));
    struct ds_id id = ds_id_of(&batch->station, DS_REC_device, DS_SLICE_OF(key.byte));
    return ds_id_equal(&id, &batch->device)
               ? DS_OK
               : spoiled(v, batch, "its device's key is not the one that its id is made of");
}

/* Is the batch where the writers' tables say, with the chain that they say? */
static enum ds_err check_place(struct verifying *v, const struct ds_batch *batch)
{
    struct ds_life_row life;
    uint64_t last = batch->first_seq + batch->count - 1;
    DS_TRY(ds_life_load(v->txn, &batch->incarnation, &life));
    for (size_t i = 0; i <= life.branch_count; i++) {
        const struct ds_incarnation *name = i == 0 ? &batch->incarnation : &life.branch[i - 1].name;
        struct ds_hash chain;
        uint64_t position = 0;
        enum ds_err err = ds_chain_at(v->txn, name, (uint8_t)batch->lane, last, &chain, &position);
        if (err == DS_OK && position == v->number && ds_hash_equal(&chain, &batch->head)) {
            return DS_OK;
        }
        if (err != DS_OK && err != DS_ERR_NOT_FOUND && err != DS_ERR_INTEGRITY) {
            return err;
        }
    }
    return spoiled(v, batch, "it does not stand where its writer's chain was folded");
}

static enum ds_err check_batch(struct verifying *v, struct ds_slice bytes)
{
    struct ds_batch batch;
    struct ds_submission submission = {.batch = bytes};
    enum ds_err err = ds_submission_verify(v->txn, &submission, &batch, NULL);
    if (err == DS_ERR_SIGNATURE && submission.checked) {
        return spoiled(v, &batch, "its signature is not its device's");
    }
    if (err == DS_ERR_AUTH) {
        return spoiled(v, &batch, "its device is not known");
    }
    if (err == DS_ERR_NOMEM || err == DS_ERR_IO) {
        return err;
    }
    if (err != DS_OK) {
        return spoiled(v, NULL, "its batch does not follow the format, or its own chain");
    }
    DS_TRY(check_key(v, &batch));
    return check_place(v, &batch);
}

static enum ds_err check_entry(struct verifying *v, struct ds_slice bytes, struct ds_tree *tree)
{
    struct ds_entry entry;
    struct ds_hash leaf;
    if (ds_entry_parse(bytes, &entry, NULL) != DS_OK ||
        ds_entry_leaf(&entry, bytes, &leaf) != DS_OK) {
        return spoiled(v, NULL, "its bytes do not follow the format");
    }
    if (entry.kind == DS_ENTRY_EPOCH || entry.kind == DS_ENTRY_ERASE) {
        DS_TRY(check_admin(v, &entry));
    } else if (entry.kind == DS_ENTRY_BATCH) {
        DS_TRY(check_batch(v, entry.batch));
    }
    enum ds_err err = ds_nodes_check(v->txn, tree, &leaf);
    return err == DS_ERR_INTEGRITY ? spoiled(v, NULL, "it is not the one that the tree was made of")
                                   : err;
}

static enum ds_err walk(struct verifying *v, uint64_t size, const struct ds_progress *progress,
                        struct ds_tree *tree)
{
    memset(tree, 0, sizeof(*tree));
    for (v->number = 1; v->number <= size; v->number++) {
        struct ds_key key = ds_key_journal(v->number);
        struct ds_slice bytes;
        enum ds_err err = ds_txn_get(v->txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes);
        if (err == DS_ERR_NOT_FOUND) {
            return spoiled(v, NULL, "it is missing");
        }
        if (err == DS_ERR_INTEGRITY) {
            return spoiled(v, NULL, "its stored bytes do not match their own tag");
        }
        DS_TRY(err);
        DS_TRY(check_entry(v, bytes, tree));
        if (progress != NULL && progress->step != NULL &&
            (v->number % STEP_EVERY == 0 || v->number == size)) {
            progress->step(progress->context, v->number, size);
        }
    }
    return DS_OK;
}

enum ds_err ds_shard_verify(struct ds_shard *shard, const struct ds_progress *progress,
                            struct ds_head *head, struct ds_detail *detail)
{
    struct ds_txn *txn = NULL;
    struct ds_tree tree;
    struct verifying v = {.detail = detail};
    DS_TRY(ds_store_begin(shard->store, false, &txn));
    v.txn = txn;
    enum ds_err err = ds_shard_head(shard, txn, head);
    if (err == DS_OK) {
        err = walk(&v, head->size, progress, &tree);
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

enum ds_err ds_shard_witness(struct ds_shard *shard, uint64_t size, const struct ds_hash *root,
                             struct ds_detail *detail)
{
    struct ds_txn *txn = NULL;
    struct ds_shard_meta meta;
    struct ds_hash have;
    char text[TEXT_SIZE];
    DS_TRY(ds_store_begin(shard->store, false, &txn));
    enum ds_err err = ds_meta_load(txn, &meta);
    number_text(size, text);
    if (err == DS_OK && size > meta.size) {
        ds_detail_set(detail, "a head of ", text, " entries was signed: the journal is shorter",
                      NULL);
        err = DS_ERR_INTEGRITY;
    }
    if (err == DS_OK) {
        err = ds_nodes_root(txn, size, &have);
    }
    ds_txn_abort(txn);
    if (err == DS_OK && !ds_hash_equal(&have, root)) {
        ds_detail_set(detail, "history was rewritten: at ", text,
                      " entries the journal's root is not the witness's", NULL);
        err = DS_ERR_INTEGRITY;
    }
    return err;
}

struct refold {
    struct ds_txn *from;
    struct ds_store *to;
    uint8_t *scratch;
    struct ds_shard_meta meta;
    struct ds_tree tree;
    struct ds_detail *detail;
};

static enum ds_err refold_one(struct refold *r, struct ds_txn *txn, struct ds_desk *desk,
                              uint64_t number)
{
    struct ds_key key = ds_key_journal(number);
    struct ds_slice bytes;
    struct ds_folded folded;
    struct ds_hash leaf;
    DS_TRY(ds_txn_get(r->from, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes));
    DS_TRY(ds_engine_fold(desk, &r->meta, bytes, &folded, r->detail));
    if (r->meta.size != number) {
        struct verifying v = {r->from, r->detail, number};
        return spoiled(&v, NULL, "it folds to nothing, but stands in the journal");
    }
    DS_TRY(ds_entry_leaf_of(bytes, &leaf));
    return ds_nodes_append(txn, &r->tree, &leaf);
}

static enum ds_err refold_some(struct refold *r, uint64_t first, uint64_t last)
{
    struct ds_txn *txn = NULL;
    DS_TRY(ds_store_begin(r->to, true, &txn));
    struct ds_desk *desk = ds_desk_begin(r->scratch, txn);
    enum ds_err err = first == 1 ? ds_meta_store(txn, &r->meta) : DS_OK;
    for (uint64_t number = first; number <= last && err == DS_OK; number++) {
        err = refold_one(r, txn, desk, number);
    }
    if (err == DS_OK) {
        err = ds_tree_store(txn, &r->tree);
    }
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

static enum ds_err refold_all(struct refold *r, uint64_t size, const struct ds_progress *progress)
{
    struct ds_shard_meta meta;
    DS_TRY(ds_meta_load(r->from, &meta));
    r->meta.station = meta.station;
    r->meta.epoch = 1;
    if (size > meta.size) {
        return DS_ERR_NOT_FOUND;
    }
    size = size == 0 ? meta.size : size;
    for (uint64_t first = 1; first <= size; first += STEP_EVERY) {
        uint64_t last = size - first < STEP_EVERY ? size : first + STEP_EVERY - 1;
        DS_TRY(refold_some(r, first, last));
        if (progress != NULL && progress->step != NULL) {
            progress->step(progress->context, last, size);
        }
    }
    return DS_OK;
}

/* size 0: all. have, or NULL: the digest of what was folded from. */
static enum ds_err refold(struct ds_store *from, struct ds_store *to, uint64_t size,
                          const struct ds_progress *progress, struct ds_hash *have,
                          struct ds_detail *detail)
{
    struct refold *r = calloc(1, sizeof(*r));
    uint8_t *scratch = malloc(DS_ENGINE_SCRATCH_SIZE);
    enum ds_err err = r != NULL && scratch != NULL ? DS_OK : DS_ERR_NOMEM;
    if (err == DS_OK) {
        r->to = to;
        r->scratch = scratch;
        r->detail = detail;
        err = ds_store_begin(from, false, &r->from);
    }
    if (err == DS_OK) {
        err = refold_all(r, size, progress);
        if (err == DS_OK && have != NULL) {
            err = ds_engine_digest(r->from, have);
        }
        ds_txn_abort(r->from);
    }
    free(scratch);
    free(r);
    return err;
}

enum ds_err ds_shard_refold(struct ds_store *from, struct ds_store *to, uint64_t size,
                            const struct ds_progress *progress, struct ds_detail *detail)
{
    return size == 0 ? DS_ERR_USAGE : refold(from, to, size, progress, NULL, detail);
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
    DS_TRY(refold(shard->store, to, 0, progress, have, detail));
    return digest_of(to, made);
}

#include "sync/shard/shard.h"

#include "sync/core/proof.h"
#include "sync/shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

/* Scratch of one group: the engine's desk, and the entry's bytes. */
enum { SCRATCH_SIZE = DS_ENGINE_SCRATCH_SIZE + DS_ENTRY_SIZE_MAX };

void ds_server_keys_make(const struct ds_random *random, struct ds_server_keys *keys)
{
    random->fill(random->context, keys->sign.byte, sizeof(keys->sign.byte));
    random->fill(random->context, keys->box.byte, sizeof(keys->box.byte));
    random->fill(random->context, keys->equality.byte, sizeof(keys->equality.byte));
    random->fill(random->context, keys->master.byte, sizeof(keys->master.byte));
}

enum ds_err ds_tree_load(struct ds_txn *txn, struct ds_tree *tree)
{
    struct ds_key key = ds_key_meta("tree");
    struct ds_slice value;
    memset(tree, 0, sizeof(*tree));
    DS_TRY(ds_txn_get(txn, DS_TABLE_META, ds_key_slice(&key), &value));
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    tree->size = ds_take_u64(&cursor);
    for (unsigned level = 0; level < 64; level++) {
        if ((tree->size >> level & 1) != 0) {
            tree->peak[level] = ds_take_hash(&cursor);
        }
    }
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_tree_store(struct ds_txn *txn, const struct ds_tree *tree)
{
    uint8_t bytes[8 + 64 * 32];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_u64(&builder, tree->size);
    for (unsigned level = 0; level < 64; level++) {
        if ((tree->size >> level & 1) != 0) {
            ds_put_hash(&builder, &tree->peak[level]);
        }
    }
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_meta("tree");
    return ds_txn_put(txn, DS_TABLE_META, ds_key_slice(&key), value);
}

/* Fold one entry in an open transaction, with meta and tree of the group. */
static enum ds_err append(struct ds_shard *shard, struct ds_group *group,
                          const struct ds_entry *entry, struct ds_folded *folded,
                          struct ds_detail *detail)
{
    struct ds_builder builder;
    struct ds_slice bytes;
    ds_builder_init(&builder, shard->scratch + DS_ENGINE_SCRATCH_SIZE, DS_ENTRY_SIZE_MAX);
    ds_entry_put(&builder, entry);
    DS_TRY(ds_builder_end(&builder, &bytes));
    uint64_t size = group->meta.size;
    DS_TRY(ds_engine_fold(group->desk, &group->meta, bytes, folded, detail));
    if (group->meta.size > size) {
        struct ds_hash leaf;
        DS_TRY(ds_entry_leaf(entry, bytes, &leaf));
        DS_TRY(ds_nodes_append(group->txn, &shard->next_tree, &leaf));
    }
    return DS_OK;
}

enum ds_err ds_group_begin(struct ds_shard *shard, struct ds_group *group)
{
    DS_TRY(ds_store_begin(shard->store, true, &group->txn));
    group->desk = ds_desk_begin(shard->scratch, group->txn);
    group->meta = shard->meta;
    shard->next_tree = shard->tree;
    return DS_OK;
}

enum ds_err ds_group_commit(struct ds_shard *shard, struct ds_group *group)
{
    if (group->meta.size == shard->meta.size) {
        ds_txn_abort(group->txn); /* Nothing new: duplicates and refusals cost no fsync. */
        return DS_OK;
    }
    enum ds_err err = ds_tree_store(group->txn, &shard->next_tree);
    if (err != DS_OK) {
        ds_txn_abort(group->txn);
        return err;
    }
    DS_TRY(ds_txn_commit(group->txn));
    shard->meta = group->meta;
    shard->tree = shard->next_tree;
    if (shard->hooks.committed != NULL) {
        shard->hooks.committed(shard->hooks.context, shard->meta.size);
    }
    return DS_OK;
}

enum ds_err ds_group_append(struct ds_shard *shard, struct ds_group *group,
                            const struct ds_entry *entry, struct ds_folded *folded,
                            struct ds_detail *detail)
{
    enum ds_err err = append(shard, group, entry, folded, detail);
    return err != DS_OK ? err : folded->error;
}

static enum ds_err append_submission(struct ds_shard *shard, struct ds_group *group,
                                     struct ds_submission *submission)
{
    struct ds_entry entry = {
        .kind = DS_ENTRY_BATCH,
        .instant_ms = shard->clock.now_ms(shard->clock.context),
        .batch = submission->batch,
        .anchor_boot = submission->anchor_boot,
        .anchor_mono_ms = submission->anchor_mono_ms,
        .carrier = submission->carrier,
    };
    if (!submission->checked || !submission->signature_ok) {
        submission->folded.error = DS_ERR_SIGNATURE;
        return DS_OK;
    }
    return append(shard, group, &entry, &submission->folded, NULL);
}

static void fail_all(struct ds_submission *const *submissions, size_t count, enum ds_err err)
{
    for (size_t i = 0; i < count; i++) {
        submissions[i]->folded = (struct ds_folded){.error = err};
    }
}

/* Each alone: whatever fails takes nobody else down with it. Those that were not reached are not
 * acknowledged. */
static enum ds_err commit_singly(struct ds_shard *shard, struct ds_submission *const *submissions,
                                 size_t count)
{
    fail_all(submissions, count, DS_ERR_IO);
    for (size_t i = 0; i < count; i++) {
        struct ds_group group;
        DS_TRY(ds_group_begin(shard, &group));
        enum ds_err err = append_submission(shard, &group, submissions[i]);
        if (err != DS_OK) {
            ds_txn_abort(group.txn);
            submissions[i]->folded = (struct ds_folded){.error = err};
            if (err == DS_ERR_IO) {
                return err;
            }
            continue;
        }
        err = ds_group_commit(shard, &group);
        if (err != DS_OK) {
            submissions[i]->folded = (struct ds_folded){.error = err};
            return err;
        }
    }
    return DS_OK;
}

enum ds_err ds_shard_commit(struct ds_shard *shard, struct ds_submission *const *submissions,
                            size_t count)
{
    struct ds_group group;
    if (count > DS_COMMIT_BATCHES_MAX) {
        return DS_ERR_LIMIT;
    }
    enum ds_err err = ds_group_begin(shard, &group);
    if (err != DS_OK) {
        fail_all(submissions, count, err);
        return err;
    }
    for (size_t i = 0; i < count && err == DS_OK; i++) {
        err = append_submission(shard, &group, submissions[i]);
    }
    if (err != DS_OK) {
        ds_txn_abort(group.txn);
        if (err == DS_ERR_IO) {
            fail_all(submissions, count, err);
            return err;
        }
        return commit_singly(shard, submissions, count);
    }
    err = ds_group_commit(shard, &group);
    if (err != DS_OK) {
        fail_all(submissions, count, err);
    }
    return err;
}

enum ds_err ds_append_alone(struct ds_shard *shard, const struct ds_entry *entry)
{
    struct ds_group group;
    struct ds_folded folded;
    DS_TRY(ds_group_begin(shard, &group));
    enum ds_err err = ds_group_append(shard, &group, entry, &folded, NULL);
    if (err != DS_OK) {
        ds_txn_abort(group.txn);
        return err;
    }
    return ds_group_commit(shard, &group);
}

enum ds_err ds_shard_tick(struct ds_shard *shard)
{
    const struct ds_entry entry = {.kind = DS_ENTRY_TICK,
                                   .instant_ms = shard->clock.now_ms(shard->clock.context)};
    return ds_append_alone(shard, &entry);
}

enum ds_err ds_shard_activate(struct ds_shard *shard, uint64_t version)
{
    const struct ds_entry entry = {.kind = DS_ENTRY_ACTIVATE,
                                   .instant_ms = shard->clock.now_ms(shard->clock.context),
                                   .version = version};
    if (version < shard->meta.version || version > DS_ENGINE_VERSION) {
        return DS_ERR_VERSION;
    }
    return version == shard->meta.version ? DS_OK : ds_append_alone(shard, &entry);
}

static enum ds_err prepare(struct ds_shard *shard, struct ds_store *store, struct ds_store *keys,
                           const struct ds_server_keys *secret, const struct ds_clock *clock,
                           const struct ds_random *random)
{
    memset(shard, 0, sizeof(*shard));
    DS_TRY(ds_crypto_init());
    shard->store = store;
    shard->keys = keys;
    shard->secret = *secret;
    shard->clock = *clock;
    shard->random = *random;
    shard->lease_ms = DS_LEASE_MS;
    ds_sign_public(&secret->sign, &shard->sign_public);
    ds_box_public(&secret->box, &shard->box_public);
    shard->scratch = malloc(SCRATCH_SIZE);
    return shard->scratch == NULL ? DS_ERR_NOMEM : DS_OK;
}

enum ds_err ds_shard_open(struct ds_shard *shard, struct ds_store *store, struct ds_store *keys,
                          const struct ds_server_keys *secret, const struct ds_clock *clock,
                          const struct ds_random *random, struct ds_detail *detail)
{
    struct ds_txn *txn = NULL;
    DS_TRY(prepare(shard, store, keys, secret, clock, random));
    enum ds_err err = ds_store_begin(store, false, &txn);
    if (err == DS_OK) {
        err = ds_meta_load(txn, &shard->meta);
        if (err == DS_OK) {
            err = ds_tree_load(txn, &shard->tree);
        }
        ds_txn_abort(txn);
    }
    if (err == DS_OK && shard->meta.version > DS_ENGINE_VERSION) {
        ds_detail_set(detail, "the station was folded by a newer version of this program", NULL);
        err = DS_ERR_VERSION;
    }
    if (err == DS_OK && shard->tree.size != shard->meta.size) {
        ds_detail_set(detail, "the tree and the state disagree about the journal's size", NULL);
        err = DS_ERR_INTEGRITY;
    }
    if (err == DS_OK) {
        err = ds_erase_again(shard);
    }
    if (err != DS_OK) {
        ds_shard_close(shard);
    }
    return err;
}

enum ds_err ds_shard_view(const struct ds_shard *shard, struct ds_store *store,
                          struct ds_shard *view)
{
    struct ds_txn *txn = NULL;
    *view = *shard;
    view->store = store;
    view->scratch = NULL;
    DS_TRY(ds_store_begin(store, false, &txn));
    enum ds_err err = ds_meta_load(txn, &view->meta);
    if (err == DS_OK) {
        err = ds_tree_load(txn, &view->tree);
    }
    ds_txn_abort(txn);
    return err;
}

void ds_shard_close(struct ds_shard *shard)
{
    free(shard->scratch);
    ds_wipe(&shard->secret, sizeof(shard->secret));
    memset(shard, 0, sizeof(*shard));
}

/* The first two entries: activate, and the system actor with its own device row and the station. */
static enum ds_err first_entries(struct ds_shard *shard, const struct ds_station *station,
                                 struct ds_detail *detail)
{
    struct ds_group group;
    struct ds_folded folded;
    struct ds_entry entry = {.kind = DS_ENTRY_ACTIVATE,
                             .instant_ms = shard->clock.now_ms(shard->clock.context),
                             .version = DS_ENGINE_VERSION};
    DS_TRY(ds_group_begin(shard, &group));
    enum ds_err err = ds_meta_store(group.txn, &group.meta);
    if (err == DS_OK) {
        err = ds_group_append(shard, &group, &entry, &folded, detail);
    }
    if (err != DS_OK) {
        ds_txn_abort(group.txn);
        return err;
    }
    DS_TRY(ds_group_commit(shard, &group));
    return ds_actor_genesis(shard, station, detail);
}

static enum ds_err is_empty(struct ds_store *store, struct ds_detail *detail)
{
    struct ds_txn *txn = NULL;
    struct ds_shard_meta meta;
    DS_TRY(ds_store_begin(store, false, &txn));
    enum ds_err err = ds_meta_load(txn, &meta);
    ds_txn_abort(txn);
    if (err == DS_OK) {
        ds_detail_set(detail, "there is a station in this store already", NULL);
        return DS_ERR_EXISTS;
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_shard_create(struct ds_store *store, struct ds_store *keys,
                            const struct ds_server_keys *secret, const struct ds_clock *clock,
                            const struct ds_random *random, const struct ds_station *station,
                            struct ds_detail *detail)
{
    DS_TRY(ds_validate(ds_record_type_by_number(DS_REC_station), station, true, NULL, detail));
    DS_TRY(is_empty(store, detail));
    struct ds_shard *shard = malloc(sizeof(*shard));
    if (shard == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = prepare(shard, store, keys, secret, clock, random);
    if (err == DS_OK) {
        shard->meta.station = ds_station_id(station->number);
        shard->meta.epoch = 1;
        err = first_entries(shard, station, detail);
        ds_shard_close(shard);
    }
    free(shard);
    return err;
}

enum ds_err ds_shard_head(struct ds_shard *shard, struct ds_txn *txn, struct ds_head *head)
{
    struct ds_shard_meta meta;
    struct ds_tree tree;
    DS_TRY(ds_meta_load(txn, &meta));
    DS_TRY(ds_tree_load(txn, &tree));
    *head = (struct ds_head){.station = meta.station,
                             .epoch = meta.epoch,
                             .size = tree.size,
                             .root = ds_tree_root(&tree),
                             .instant_ms = shard->clock.now_ms(shard->clock.context)};
    return DS_OK;
}

/* ---- Checking a batch before it is committed. ---- */
enum ds_err ds_device_key(struct ds_txn *txn, const struct ds_id *id, struct ds_hash *key)
{
    enum { ROOM = DS_ROW_SIZE_MAX + 4096 }; /* Whatever stands in the row. */
    uint8_t *memory = malloc(ROOM);
    struct ds_arena arena;
    struct ds_device device;
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&arena, memory, ROOM);
    enum ds_err err = ds_record_load(txn, DS_REC_device, id, &arena, &device);
    if (err == DS_OK) {
        *key = device.sign_key;
    }
    free(memory);
    return err == DS_ERR_NOT_FOUND ? DS_ERR_AUTH : err;
}

enum ds_err ds_submission_verify(struct ds_txn *txn, struct ds_submission *submission,
                                 struct ds_batch *batch, struct ds_detail *detail)
{
    struct ds_hash key;
    struct ds_signature signature;
    submission->checked = false;
    submission->signature_ok = false;
    DS_TRY(ds_batch_parse(submission->batch, batch, detail));
    enum ds_err err = ds_device_key(txn, &batch->device, &key);
    if (err == DS_ERR_AUTH) {
        ds_detail_set(detail, "the batch's device is not known here", NULL);
    }
    DS_TRY(err);
    memcpy(signature.byte, batch->signature, sizeof(signature.byte));
    submission->checked = true;
    submission->signature_ok = ds_verify(&key, DS_LABEL_BATCH, batch->header, &signature);
    if (!submission->signature_ok) {
        ds_detail_set(detail, "the batch's signature is not its device's", NULL);
        return DS_ERR_SIGNATURE;
    }
    return DS_OK;
}

enum ds_err ds_submission_check(struct ds_shard *shard, struct ds_submission *submission,
                                struct ds_detail *detail)
{
    struct ds_txn *txn = NULL;
    struct ds_batch batch;
    DS_TRY(ds_store_begin(shard->store, false, &txn));
    enum ds_err err = ds_submission_verify(txn, submission, &batch, detail);
    ds_txn_abort(txn);
    return err;
}

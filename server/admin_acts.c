#include "schema/base/text.h"
#include "schema/codec/record_json_jansson.h"
#include "server/admin_call.h"
#include "server/bundle.h"
#include "server/outbox.h"
#include "server/proof.h"
#include "server/recon.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_SIZE ((size_t)768 * 1024) /* Bytes of a comparison's JSON. */

/* ---- Acts of an administrator, signed by his actor ---- */

struct admin_act {
    char name[DS_USER_NAME_MAX + 8];
    struct ds_id worker;
    const struct ds_id *keys; /* erase; NULL: epoch. */
    size_t key_count;
    uint64_t known; /* Epoch; in. */
    uint64_t epoch;
    uint64_t kept_size;
    struct ds_detail *detail;
};

static enum ds_err act(struct ds_shard *shard, void *context)
{
    struct admin_act *what = context;
    struct ds_actor actor;

    if (what->keys == NULL && ds_actor_known(shard, what->name) != DS_OK) {
        ds_detail_set(what->detail, what->name,
                      ": not known to this journal; a restore is declared by an administrator who "
                      "was added before the backup was taken",
                      (const char *)NULL);
        return DS_ERR_FORBIDDEN;
    }
    DS_TRY(ds_actor_open(shard, what->name, DS_ACTOR_console, &what->worker, &actor, what->detail));
    enum ds_err err = what->keys == NULL
                          ? ds_shard_epoch(shard, &actor, what->known)
                          : ds_shard_erase(shard, &actor, what->keys, what->key_count);

    what->epoch = shard->meta.epoch;
    what->kept_size = shard->meta.kept_size;
    ds_wipe(&actor, sizeof(actor));
    return err;
}

/* The user must be an administrator now. */
static enum ds_err find_admin(struct ds_admin_call *call, struct admin_act *what)
{
    struct ds_site *site = call->office->site;
    struct ds_user user = {.name = ""};
    struct ds_txn *txn = NULL;
    const char *name = NULL;
    uint16_t roles = 0;
    uint16_t team_roles = 0;
    enum ds_err err = DS_OK;

    DS_TRY(ds_admin_need(call, "user", &name));
    while ((err = ds_user_next(call->office->users, user.name, &user)) == DS_OK &&
           strcmp(user.name, name) != 0) {
    }
    if (err != DS_OK || !user.active) {
        ds_detail_set(&call->detail, "user: there is no such user", (const char *)NULL);
        return DS_ERR_NOT_FOUND;
    }
    DS_TRY(ds_store_begin(site->store, false, &txn));
    err = ds_roles_of(txn, &site->station, &user.worker, site->clock.now_ms(site->clock.context),
                      &roles, &team_roles);
    ds_txn_abort(txn);
    DS_TRY(err);
    if ((roles & DS_ROLES_ADMIN) == 0) {
        ds_detail_set(&call->detail, "user: not an administrator", (const char *)NULL);
        return DS_ERR_FORBIDDEN;
    }
    memcpy(what->name, "user:", 5);
    memcpy(what->name + 5, user.name, strlen(user.name) + 1);
    what->worker = user.worker;
    what->detail = &call->detail;
    return DS_OK;
}

enum ds_err ds_admin_epoch(struct ds_admin_call *call)
{
    struct admin_act what = {.keys = NULL};
    json_int_t known = json_integer_value(json_object_get(call->request, "known"));

    what.known = known > 0 ? (uint64_t)known : 0;
    DS_TRY(find_admin(call, &what));
    DS_TRY(ds_writer_run(call->office->writer, act, &what));
    ds_admin_put_number(call, "epoch", (int64_t)what.epoch);
    ds_admin_put_number(call, "kept_size", (int64_t)what.kept_size);
    return DS_OK;
}

enum ds_err ds_admin_erase(struct ds_admin_call *call)
{
    const json_t *keys = json_object_get(call->request, "keys");
    struct admin_act what = {.key_count = json_array_size(keys)};
    struct ds_id *ids = ds_arena_alloc(&call->arena, (what.key_count + 1) * sizeof(*ids));

    if (ids == NULL) {
        return DS_ERR_LIMIT;
    }
    for (size_t i = 0; i < what.key_count; i++) {
        const char *text = json_string_value(json_array_get(keys, i));

        if (text == NULL || ds_id_parse(ds_slice_of_text(text), &ids[i]) != DS_OK) {
            ds_detail_set(&call->detail, "keys: ids of 32 hex digits", (const char *)NULL);
            return DS_ERR_USAGE;
        }
    }
    what.keys = ids;
    DS_TRY(find_admin(call, &what));
    return ds_writer_run(call->office->writer, act, &what);
}

/* ---- Proofs ---- */

enum ds_err ds_admin_verify(struct ds_admin_call *call)
{
    struct ds_shard *shard = &call->office->site->shard;
    const char *text = ds_admin_text(call, "witness_root");
    const json_t *size = json_object_get(call->request, "witness_size");
    struct ds_hash root;
    struct ds_head head;

    if (text != NULL &&
        (ds_hex_parse(ds_slice_of_text(text), root.byte, sizeof(root.byte)) != DS_OK ||
         json_integer_value(size) <= 0)) {
        ds_detail_set(&call->detail, "a witness is SIZE:ROOT", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    DS_TRY(ds_shard_verify(shard, NULL, &head, &call->detail));
    if (text != NULL) {
        DS_TRY(ds_shard_witness(shard, (uint64_t)json_integer_value(size), &root, &call->detail));
    }
    ds_admin_put_number(call, "size", (int64_t)head.size);
    ds_admin_put_bytes(call, "root", DS_SLICE_OF(head.root));
    return DS_OK;
}

/* Members that were written as text become members of the answer. */
static enum ds_err take_text(struct ds_admin_call *call, const struct ds_builder *out)
{
    json_t *parsed = NULL;
    struct ds_slice text;

    DS_TRY(ds_builder_end(out, &text));
    DS_TRY(ds_json_parse(text, &parsed, &call->detail));
    (void)json_object_update(call->answer, parsed);
    json_decref(parsed);
    return DS_OK;
}

enum ds_err ds_admin_prove(struct ds_admin_call *call)
{
    const char *text = NULL;
    struct ds_id op;
    struct ds_builder out;
    uint8_t *memory = malloc(DS_PROOF_JSON_MAX);
    enum ds_err err = memory != NULL ? ds_admin_need(call, "op", &text) : DS_ERR_NOMEM;

    if (err == DS_OK && ds_id_parse(ds_slice_of_text(text), &op) != DS_OK) {
        ds_detail_set(&call->detail, "op: 32 hex digits", (const char *)NULL);
        err = DS_ERR_USAGE;
    }
    ds_builder_init(&out, memory, DS_PROOF_JSON_MAX);
    if (err == DS_OK) {
        err = ds_proof_put_op(call->office->site, &op, &call->arena, &out);
    }
    if (err == DS_ERR_NOT_FOUND) {
        ds_detail_set(&call->detail, "op ", text, ": not in this journal", (const char *)NULL);
    }
    if (err == DS_OK) {
        err = take_text(call, &out);
    }
    free(memory);
    return err;
}

static enum ds_err refold(struct ds_admin_call *call, const char *folder)
{
    const struct ds_store_lmdb_options options = {.map_bytes = 0};
    struct ds_store *fresh = NULL;
    struct ds_hash have;
    struct ds_hash made;

    DS_TRY(ds_store_lmdb_open(folder, &options, &fresh, &call->detail));
    enum ds_err err =
        ds_shard_rebuild(&call->office->site->shard, fresh, NULL, &have, &made, &call->detail);

    ds_store_close(fresh);
    DS_TRY(err);
    ds_admin_put_bytes(call, "have", DS_SLICE_OF(have));
    ds_admin_put_bytes(call, "made", DS_SLICE_OF(made));
    ds_admin_put(call, "equal", json_boolean(ds_hash_equal(&have, &made)));
    return DS_OK;
}

enum ds_err ds_admin_rebuild(struct ds_admin_call *call)
{
    char path[DS_PATH_MAX];
    char aside[DS_PATH_MAX];
    char folder[DS_PATH_MAX];

    DS_TRY(ds_path_join(call->office->site->dir, "rebuild", path));
    DS_TRY(ds_folder_aside(path, aside, &call->detail));
    enum ds_err err = ds_path_join(aside, "store", folder);

    if (err == DS_OK) {
        err = refold(call, folder);
    }
    ds_folder_remove(aside);
    return err;
}

enum ds_err ds_admin_digest(struct ds_admin_call *call)
{
    struct ds_txn *txn = NULL;
    struct ds_shard_meta meta;
    struct ds_hash digest;

    DS_TRY(ds_store_begin(call->office->site->store, false, &txn));
    enum ds_err err = ds_meta_load(txn, &meta);

    if (err == DS_OK) {
        err = ds_engine_digest(txn, &digest);
    }
    ds_txn_abort(txn);
    DS_TRY(err);
    ds_admin_put_bytes(call, "digest", DS_SLICE_OF(digest));
    ds_admin_put_number(call, "size", (int64_t)meta.size);
    return DS_OK;
}

/* Both stores to their end, whatever is found; the first fault is the one that is described. */
enum ds_err ds_admin_scrub(struct ds_admin_call *call)
{
    struct ds_site *site = call->office->site;
    struct ds_store *const stores[] = {site->store, site->key_store};
    static const char *const names[] = {"store: ", "keys/store: "};
    uint64_t values = 0;
    uint64_t bad = 0;
    enum ds_err err = DS_OK;

    for (size_t i = 0; i < DS_COUNT(stores); i++) {
        uint64_t values_here = 0;
        uint64_t bad_here = 0;
        struct ds_detail detail = {""};
        enum ds_err here = ds_store_scrub(stores[i], &values_here, &bad_here, &detail);

        values += values_here;
        bad += bad_here;
        if (here != DS_OK && err == DS_OK) {
            err = here;
            ds_detail_set(&call->detail, names[i], detail.text, (const char *)NULL);
        }
    }
    ds_admin_put_number(call, "values", (int64_t)values);
    ds_admin_put_number(call, "bad", (int64_t)bad);
    return err;
}

/* ---- Connectors ---- */

static enum ds_err find_consumer(struct ds_admin_call *call, enum ds_consumer *consumer)
{
    const char *name = NULL;

    DS_TRY(ds_admin_need(call, "consumer", &name));
    *consumer = (enum ds_consumer)ds_enum_number(DS_LIST_consumer, ds_slice_of_text(name));
    if (*consumer == 0) {
        ds_detail_set(&call->detail, "consumer: billing or gis", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}

static enum ds_err compare_day(struct ds_admin_call *call, enum ds_consumer consumer,
                               struct ds_date day, struct ds_slice csv)
{
    struct ds_recon_result *result = malloc(sizeof(*result));
    uint8_t *memory = malloc(ANSWER_SIZE);
    struct ds_builder out;
    enum ds_err err = result != NULL && memory != NULL ? DS_OK : DS_ERR_NOMEM;

    if (err == DS_OK) {
        err = ds_recon_day(call->office, consumer, day, csv, result, &call->detail);
    }
    ds_builder_init(&out, memory, ANSWER_SIZE);
    if (err == DS_OK) {
        ds_recon_put(&out, consumer, day, result);
        err = take_text(call, &out);
    }
    free(memory);
    free(result);
    return err;
}

enum ds_err ds_admin_statement(struct ds_admin_call *call)
{
    enum ds_consumer consumer = 0;
    const char *day_text = NULL;
    const char *file = ds_admin_text(call, "file");
    struct ds_date day;
    struct ds_builder in;

    DS_TRY(find_consumer(call, &consumer));
    DS_TRY(ds_admin_need(call, "day", &day_text));
    if (ds_date_parse(ds_slice_of_text(day_text), &day) != DS_OK) {
        ds_detail_set(&call->detail, "day: like 2026-01-05", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    if (file == NULL) {
        return compare_day(call, consumer, day, (struct ds_slice){NULL, 0});
    }
    uint8_t *memory = malloc(DS_RECON_FILE_MAX);

    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&in, memory, DS_RECON_FILE_MAX);
    enum ds_err err = ds_file_read(file, &in, &call->detail);

    if (err == DS_OK) {
        err = compare_day(call, consumer, day, (struct ds_slice){in.data, in.used});
    }
    free(memory);
    return err;
}

enum ds_err ds_admin_deliver(struct ds_admin_call *call)
{
    enum ds_consumer consumer = 0;
    uint64_t exports = 0;

    DS_TRY(find_consumer(call, &consumer));
    if (call->office->outbox == NULL) {
        return DS_ERR_NOT_FOUND;
    }
    DS_TRY(ds_outbox_deliver(call->office->outbox, consumer, &exports, &call->detail));
    ds_admin_put_number(call, "exports", (int64_t)exports);
    return DS_OK;
}

enum ds_err ds_admin_bundle(struct ds_admin_call *call)
{
    const char *file = NULL;
    json_t *answer = NULL;

    DS_TRY(ds_admin_need(call, "file", &file));
    DS_TRY(ds_bundle_take(call->office, file, &answer, &call->detail));
    (void)json_object_update(call->answer, answer);
    json_decref(answer);
    return DS_OK;
}

#include "server/backup.h"

#include "schema/base/text.h"
#include "schema/codec/record_json_jansson.h"
#include "sync/core/proof.h"
#include "sync/shard/prove.h"
#include "sync/store/store_lmdb.h"

#include <stdlib.h>
#include <string.h>

#define MANIFEST_SIZE 8192
#define SMALL_FILE_MAX DS_CONFIG_FILE_MAX

/* What a station is made of; the two stores first, in the order in which they are copied. */
enum { FILE_STORE, FILE_KEYS, FILE_SECRETS, FILE_CONFIG, FILES };
static const struct {
    const char *path;
    const char *folder; /* Of a store. */
    unsigned mode;
} files[FILES] = {
    [FILE_STORE] = {"store/data.mdb", "store", 0},
    [FILE_KEYS] = {"keys/store/data.mdb", "keys/store", 0},
    [FILE_SECRETS] = {"keys/server.keys", NULL, 0600},
    [FILE_CONFIG] = {"doorstep.ini", NULL, 0644},
};

/* ---- Copying. ---- */

static enum ds_err copy_small(const char *from_dir, const char *to_dir, const char *name,
                              unsigned mode, struct ds_detail *detail)
{
    char path[DS_PATH_MAX];
    uint8_t *memory = malloc(SMALL_FILE_MAX);
    struct ds_builder bytes;
    enum ds_err err = memory != NULL ? ds_path_join(from_dir, name, path) : DS_ERR_NOMEM;

    ds_builder_init(&bytes, memory, SMALL_FILE_MAX);
    if (err == DS_OK) {
        err = ds_file_read(path, &bytes, detail);
    }
    if (err == DS_OK) {
        err = ds_path_join(to_dir, name, path);
    }
    if (err == DS_OK) {
        err = ds_file_write(path, (struct ds_slice){bytes.data, bytes.used}, mode, detail);
    }
    if (memory != NULL) {
        ds_wipe(memory, SMALL_FILE_MAX);
    }
    free(memory);
    return err;
}

static enum ds_err copy_store(struct ds_store *store, const char *to_dir, size_t which,
                              struct ds_detail *detail)
{
    char path[DS_PATH_MAX];

    DS_TRY(ds_path_join(to_dir, files[which].folder, path));
    DS_TRY(ds_folder_make(path, detail));
    return ds_store_lmdb_copy(store, path, detail);
}

static enum ds_err copy_others(const char *from_dir, const char *to_dir, struct ds_detail *detail)
{
    for (size_t i = FILE_SECRETS; i < FILES; i++) {
        DS_TRY(copy_small(from_dir, to_dir, files[i].path, files[i].mode, detail));
    }
    return DS_OK;
}

static enum ds_err open_copy(const char *dir, size_t which, bool read_only, struct ds_store **store,
                             struct ds_detail *detail)
{
    const struct ds_store_lmdb_options options = {.read_only = read_only};
    char path[DS_PATH_MAX];

    *store = NULL;
    DS_TRY(ds_path_join(dir, files[which].folder, path));
    return ds_store_lmdb_open(path, &options, store, detail);
}

/* ---- Verifying a copy. ---- */

static enum ds_err scrub(const char *dir, size_t which, struct ds_detail *detail)
{
    struct ds_store *store = NULL;
    uint64_t values = 0;
    uint64_t bad = 0;

    DS_TRY(open_copy(dir, which, true, &store, detail));
    enum ds_err err = ds_store_scrub(store, &values, &bad, detail);

    ds_store_close(store);
    return err;
}

static enum ds_err digest_of(struct ds_store *store, struct ds_hash *digest)
{
    struct ds_txn *txn = NULL;

    DS_TRY(ds_store_begin(store, false, &txn));
    enum ds_err err = ds_engine_digest(txn, digest);

    ds_txn_abort(txn);
    return err;
}

static enum ds_err verify_journal(struct ds_site *site, const char *dir, struct ds_backup *made,
                                  struct ds_detail *detail)
{
    struct ds_store *store = NULL;
    struct ds_shard *view = malloc(sizeof(*view));
    struct ds_head head;
    enum ds_err err =
        view != NULL ? open_copy(dir, FILE_STORE, true, &store, detail) : DS_ERR_NOMEM;

    if (err == DS_OK) {
        err = ds_shard_view(&site->shard, store, view);
    }
    if (err == DS_OK) {
        err = ds_shard_verify(view, NULL, &head, detail);
    }
    if (err == DS_OK) {
        *made = (struct ds_backup){.taken_ms = head.instant_ms,
                                   .engine = view->meta.version,
                                   .epoch = head.epoch,
                                   .size = head.size,
                                   .root = head.root};
        err = digest_of(store, &made->digest);
    }
    ds_store_close(store);
    free(view);
    return err;
}

/* ---- The manifest. ---- */

static void put_hex(struct ds_builder *out, const char *name, struct ds_slice bytes)
{
    ds_put_text(out, ",\n \"");
    ds_put_text(out, name);
    ds_put_text(out, "\": \"");
    ds_put_hex(out, bytes);
    ds_put_text(out, "\"");
}

static void put_number(struct ds_builder *out, const char *name, uint64_t number)
{
    ds_put_text(out, ",\n \"");
    ds_put_text(out, name);
    ds_put_text(out, "\": ");
    ds_put_decimal(out, (int64_t)number);
}

/* Signed over the copy's own head, which nobody else will ever see under that instant. */
static enum ds_err put_head(struct ds_site *site, const struct ds_backup *made,
                            struct ds_builder *out)
{
    struct ds_receipt receipt = {.head = {.station = site->station,
                                          .epoch = made->epoch,
                                          .size = made->size,
                                          .root = made->root,
                                          .instant_ms = made->taken_ms}};
    uint8_t memory[512];
    struct ds_builder builder;
    struct ds_slice bytes;
    struct ds_signature signature;

    ds_builder_init(&builder, memory, sizeof(memory));
    ds_receipt_put(&builder, &receipt);
    DS_TRY(ds_builder_end(&builder, &bytes));
    ds_sign(&site->shard.secret.sign, DS_LABEL_RECEIPT, bytes, &signature);
    put_hex(out, "head", bytes);
    put_hex(out, "head_signature", DS_SLICE_OF(signature.byte));
    put_hex(out, "server_key", DS_SLICE_OF(site->shard.sign_public.byte));
    return DS_OK;
}

static enum ds_err put_files(const char *dir, struct ds_builder *out, struct ds_detail *detail)
{
    ds_put_text(out, ",\n \"files\": {");
    for (size_t i = 0; i < FILES; i++) {
        char path[DS_PATH_MAX];
        struct ds_hash hash;
        uint64_t size = 0;

        DS_TRY(ds_path_join(dir, files[i].path, path));
        DS_TRY(ds_file_hash(path, &size, &hash, detail));
        ds_put_text(out, i > 0 ? ",\n  \"" : "\n  \"");
        ds_put_text(out, files[i].path);
        ds_put_text(out, "\": {\"size\": ");
        ds_put_decimal(out, (int64_t)size);
        ds_put_text(out, ", \"hash\": \"");
        ds_put_hex(out, DS_SLICE_OF(hash.byte));
        ds_put_text(out, "\"}");
    }
    ds_put_text(out, "\n }\n}\n");
    return DS_OK;
}

static enum ds_err write_manifest(struct ds_site *site, const char *dir,
                                  const struct ds_backup *made, struct ds_detail *detail)
{
    char path[DS_PATH_MAX];
    uint8_t *memory = malloc(MANIFEST_SIZE);
    struct ds_builder out;
    struct ds_slice text;
    enum ds_err err = memory != NULL ? DS_OK : DS_ERR_NOMEM;

    ds_builder_init(&out, memory, MANIFEST_SIZE);
    if (err == DS_OK) {
        ds_put_text(&out, "{\"backup\": \"doorstep backup 1\",\n \"version\": \"" DS_VERSION "\"");
        put_hex(&out, "station", DS_SLICE_OF(site->station.byte));
        put_number(&out, "taken_ms", (uint64_t)made->taken_ms);
        put_number(&out, "engine", made->engine);
        put_number(&out, "epoch", made->epoch);
        put_number(&out, "size", made->size);
        put_hex(&out, "root", DS_SLICE_OF(made->root.byte));
        put_hex(&out, "digest", DS_SLICE_OF(made->digest.byte));
        err = put_head(site, made, &out);
    }
    if (err == DS_OK) {
        err = put_files(dir, &out, detail);
    }
    if (err == DS_OK) {
        err = ds_builder_end(&out, &text);
    }
    if (err == DS_OK) {
        err = ds_path_join(dir, DS_BACKUP_MANIFEST, path);
    }
    if (err == DS_OK) {
        err = ds_file_write(path, text, 0600, detail);
    }
    free(memory);
    return err;
}

static enum ds_err take_into(struct ds_site *site, const char *dir, struct ds_backup *made,
                             struct ds_detail *detail)
{
    DS_TRY(ds_site_folders(dir, detail));
    DS_TRY(copy_store(site->store, dir, FILE_STORE, detail));
    DS_TRY(copy_store(site->key_store, dir, FILE_KEYS, detail));
    DS_TRY(copy_others(site->dir, dir, detail));
    DS_TRY(scrub(dir, FILE_STORE, detail));
    DS_TRY(scrub(dir, FILE_KEYS, detail));
    DS_TRY(verify_journal(site, dir, made, detail));
    return write_manifest(site, dir, made, detail);
}

enum ds_err ds_backup_take(struct ds_site *site, const char *to, struct ds_backup *made,
                           struct ds_detail *detail)
{
    char aside[DS_PATH_MAX];

    DS_TRY(ds_folder_aside(to, aside, detail));
    enum ds_err err = take_into(site, aside, made, detail);

    if (err == DS_OK) {
        err = ds_folder_place(aside, to, detail);
    }
    if (err != DS_OK) {
        ds_folder_remove(aside);
    }
    return err;
}

/* ---- Checking. ---- */

static enum ds_err no_manifest(const char *name, struct ds_detail *detail)
{
    ds_detail_set(detail, DS_BACKUP_MANIFEST, ": ", name, " is missing, or not what it should be",
                  (const char *)NULL);
    return DS_ERR_INTEGRITY;
}

static bool take_hash(const json_t *object, const char *name, struct ds_hash *hash)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL &&
           ds_hex_parse(ds_slice_of_text(text), hash->byte, sizeof(hash->byte)) == DS_OK;
}

static bool take_number(const json_t *object, const char *name, uint64_t *number)
{
    const json_t *value = json_object_get(object, name);

    *number = json_is_integer(value) && json_integer_value(value) >= 0
                  ? (uint64_t)json_integer_value(value)
                  : 0;
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static enum ds_err read_manifest(const char *from, json_t **manifest, struct ds_backup *found,
                                 struct ds_detail *detail)
{
    char path[DS_PATH_MAX];
    uint8_t memory[MANIFEST_SIZE / 4];
    struct ds_builder bytes;
    uint64_t taken = 0;

    ds_builder_init(&bytes, memory, sizeof(memory));
    DS_TRY(ds_path_join(from, DS_BACKUP_MANIFEST, path));
    DS_TRY(ds_file_read(path, &bytes, detail));
    if (ds_json_parse((struct ds_slice){memory, bytes.used}, manifest, NULL) != DS_OK) {
        return no_manifest("its form", detail);
    }
    const char *kind = json_string_value(json_object_get(*manifest, "backup"));

    if (kind == NULL || strncmp(kind, "doorstep backup ", 16) != 0) {
        return no_manifest("\"backup\"", detail);
    }
    if (strcmp(kind, "doorstep backup 1") != 0 ||
        (take_number(*manifest, "engine", &found->engine) && found->engine > DS_ENGINE_VERSION)) {
        ds_detail_set(detail, "the backup was made by a later version", (const char *)NULL);
        return DS_ERR_VERSION;
    }
    bool whole = take_number(*manifest, "taken_ms", &taken) &&
                 take_number(*manifest, "epoch", &found->epoch) &&
                 take_number(*manifest, "size", &found->size) &&
                 take_hash(*manifest, "root", &found->root) &&
                 take_hash(*manifest, "digest", &found->digest);

    found->taken_ms = (int64_t)taken;
    return whole ? DS_OK : no_manifest("a member", detail);
}

/* Which place in a store's file is bad; a changed byte that nothing uses is no better. */
static enum ds_err differs(const char *from, size_t which, struct ds_detail *detail)
{
    struct ds_detail place = {""};

    if (files[which].folder == NULL || scrub(from, which, &place) == DS_OK) {
        ds_detail_set(&place, "in no value that is in use", (const char *)NULL);
    }
    ds_detail_set(detail, files[which].path, " is not what was backed up: ",
                  files[which].folder == NULL ? "its hash differs" : place.text,
                  (const char *)NULL);
    return DS_ERR_INTEGRITY;
}

static enum ds_err check_file(const char *from, const json_t *list, size_t which,
                              struct ds_detail *detail)
{
    const json_t *entry = json_object_get(list, files[which].path);
    char path[DS_PATH_MAX];
    struct ds_hash wanted;
    struct ds_hash hash;
    uint64_t wanted_size = 0;
    uint64_t size = 0;

    if (!take_number(entry, "size", &wanted_size) || !take_hash(entry, "hash", &wanted)) {
        return no_manifest(files[which].path, detail);
    }
    DS_TRY(ds_path_join(from, files[which].path, path));
    if (!ds_file_exists(path)) {
        ds_detail_set(detail, files[which].path, ": missing", (const char *)NULL);
        return DS_ERR_INTEGRITY;
    }
    DS_TRY(ds_file_hash(path, &size, &hash, detail));
    return size == wanted_size && ds_hash_equal(&hash, &wanted) ? DS_OK
                                                                : differs(from, which, detail);
}

enum ds_err ds_backup_check(const char *from, struct ds_backup *found, struct ds_detail *detail)
{
    json_t *manifest = NULL;

    *found = (struct ds_backup){0};
    DS_TRY(ds_crypto_init());
    enum ds_err err = read_manifest(from, &manifest, found, detail);

    for (size_t i = 0; i < FILES && err == DS_OK; i++) {
        err = check_file(from, json_object_get(manifest, "files"), i, detail);
    }
    json_decref(manifest);
    return err;
}

/* ---- Restoring. ---- */

/* The journal folded anew up to a position; its root there is known. */
static enum ds_err refold(struct ds_store *from, const char *dir, uint64_t position,
                          struct ds_detail *detail)
{
    struct ds_store *to = NULL;
    struct ds_txn *txn = NULL;
    struct ds_hash wanted;
    struct ds_hash made;

    DS_TRY(ds_store_begin(from, false, &txn));
    enum ds_err err = ds_nodes_root(txn, position, &wanted);

    ds_txn_abort(txn);
    DS_TRY(err);
    DS_TRY(open_copy(dir, FILE_STORE, false, &to, detail));
    err = ds_shard_refold(from, to, position, NULL, detail);
    if (err == DS_OK) {
        err = ds_store_begin(to, false, &txn);
    }
    if (err == DS_OK) {
        err = ds_nodes_root(txn, position, &made);
        ds_txn_abort(txn);
    }
    if (err == DS_OK && !ds_hash_equal(&made, &wanted)) {
        ds_detail_set(detail, "the journal folds to another root", (const char *)NULL);
        err = DS_ERR_INTEGRITY;
    }
    ds_store_close(to);
    return err;
}

static enum ds_err restore_into(const char *from, const char *dir, uint64_t position,
                                struct ds_detail *detail)
{
    struct ds_store *stores[2] = {NULL, NULL};
    enum ds_err err = open_copy(from, FILE_STORE, true, &stores[0], detail);

    if (err == DS_OK) {
        err = open_copy(from, FILE_KEYS, true, &stores[1], detail);
    }
    if (err == DS_OK) {
        err = position == 0 ? copy_store(stores[0], dir, FILE_STORE, detail)
                            : refold(stores[0], dir, position, detail);
    }
    if (err == DS_OK) {
        err = copy_store(stores[1], dir, FILE_KEYS, detail);
    }
    ds_store_close(stores[0]);
    ds_store_close(stores[1]);
    return err == DS_OK ? copy_others(from, dir, detail) : err;
}

enum ds_err ds_backup_restore(const char *from, const char *dir, uint64_t position,
                              struct ds_backup *found, struct ds_detail *detail)
{
    char aside[DS_PATH_MAX];

    DS_TRY(ds_backup_check(from, found, detail));
    if (position > found->size) {
        ds_detail_set(detail, "the backup has fewer entries than that", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    DS_TRY(ds_folder_aside(dir, aside, detail));
    enum ds_err err = ds_site_folders(aside, detail);

    if (err == DS_OK) {
        err = restore_into(from, aside, position == found->size ? 0 : position, detail);
    }
    if (err == DS_OK) {
        err = ds_folder_place(aside, dir, detail);
    }
    if (err != DS_OK) {
        ds_folder_remove(aside);
    }
    return err;
}

#include "handheld-sdk/src/handheld.h"

#include "handheld-sdk/src/ask.h"
#include "handheld-sdk/src/finder.h"
#include "handheld-sdk/src/replica.h"
#include "handheld-sdk/src/transport.h"
#include "sync/core/mutant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_MS INT64_C(86400000)

/* ---- Transactions and calls. ---- */

enum ds_err ds_hand_begin(struct ds_handheld *h, struct ds_txn **txn)
{
    DS_TRY(ds_store_begin(h->store, true, txn));
    h->before.writer = h->writer;
    h->before.contact = h->contact;
    h->before.witness = h->witness;
    h->before.identity = h->identity;
    h->before.vault = h->vault;
    h->before.scope_count = h->scope_count;
    memcpy(h->before.scopes, h->scopes, h->scope_count * sizeof(h->scopes[0]));
    return DS_OK;
}

static void put_back(struct ds_handheld *h)
{
    h->writer = h->before.writer;
    h->contact = h->before.contact;
    h->witness = h->before.witness;
    h->identity = h->before.identity;
    h->vault = h->before.vault;
    h->scope_count = h->before.scope_count;
    memcpy(h->scopes, h->before.scopes, h->scope_count * sizeof(h->scopes[0]));
    h->pulled++;
    h->directory++;
}

enum ds_err ds_hand_end(struct ds_handheld *h, struct ds_txn *txn, enum ds_err err)
{
    if (err != DS_OK) {
        ds_txn_abort(txn);
        put_back(h);
        return err;
    }
    err = ds_txn_commit(txn);
    if (err != DS_OK) {
        put_back(h);
        h->failed = true; /* An I/O error of a commit is never retried. */
    }
    if (DS_MUTANT("announce_before_durable")) {
        return DS_OK;
    }
    return err;
}

enum ds_err ds_hand_clamp(struct ds_handheld *h, struct ds_txn *txn, uint64_t kept_size)
{
    uint64_t *unclamped = &h->contact.unclamped;
    uint64_t pending = *unclamped == 0 ? UINT64_MAX : *unclamped - 1;
    pending = kept_size < pending ? kept_size : pending;
    if (pending == UINT64_MAX) {
        return DS_OK;
    }
    *unclamped = ds_vault_lapsed(&h->vault) ? pending + 1 : 0;
    return *unclamped != 0 ? DS_OK : ds_replica_clamp(h, txn, pending);
}

/* The server was restored while the lease had run out: make up for it before anybody looks. */
static enum ds_err catch_up(struct ds_handheld *h)
{
    struct ds_txn *txn;
    if (h->contact.unclamped == 0 || !h->vault.pulled.open) {
        return DS_OK;
    }
    DS_TRY(ds_hand_begin(h, &txn));
    enum ds_err err = ds_hand_clamp(h, txn, UINT64_MAX);
    err = err != DS_OK ? err : ds_contact_store(&h->vault, txn, &h->arena, &h->contact);
    return ds_hand_end(h, txn, err);
}

enum ds_err ds_hand_load(struct ds_handheld *h)
{
    struct ds_txn *txn;
    DS_TRY(ds_store_begin(h->store, false, &txn));
    enum ds_err err = ds_identity_load(&h->vault, txn, &h->arena, &h->identity);
    err = err != DS_OK ? err : ds_writer_load(&h->vault, txn, &h->arena, &h->writer);
    err = err != DS_OK ? err : ds_contact_load(&h->vault, txn, &h->arena, &h->contact);
    err = err != DS_OK ? err : ds_witness_load(&h->vault, txn, &h->arena, &h->witness);
    if (err == DS_OK && h->vault.pulled.open) {
        err = ds_replica_load(h, txn);
    }
    ds_txn_abort(txn);
    if (err == DS_OK && h->identity.enrolled == DS_ENROLLED_YES) {
        err = ds_link_keys_device(&h->identity.box_secret, &h->identity.server_box, &h->link);
    }
    err = err != DS_OK ? err : catch_up(h);
    h->pulled++;
    h->directory++;
    return err;
}

enum ds_err ds_hand_room(struct ds_handheld *h, uint64_t bytes)
{
    struct ds_store_room room;
    DS_TRY(ds_store_room(h->store, &room));
    bool enough =
        room.limit == UINT64_MAX || (room.limit > room.used && room.limit - room.used >= bytes);
    return enough ? DS_OK : DS_ERR_FULL;
}

/* Clear texts of earlier calls do not stay in memory. */
static void forget_scratch(struct ds_handheld *h)
{
    enum { GUARD = 256 };
    ds_arena_reset(&h->arena);
    void *all = ds_arena_room(&h->arena, DS_SCRATCH_SIZE - GUARD);
    DS_ASSERT(all != NULL);
    ds_wipe(all, DS_SCRATCH_SIZE - GUARD);
    ds_arena_reset(&h->arena);
}

static bool is_open(const struct ds_vault *vault, enum ds_open need)
{
    return need == DS_OPEN_NONE ||
           (vault->open && !(need == DS_OPEN_PULLED && ds_vault_lapsed(vault)));
}

/* A lease that has run out closes what was pulled, whichever call comes next. */
static void tend_lease(struct ds_handheld *h)
{
    bool was_open = h->vault.pulled.open;
    ds_vault_tend_lease(&h->vault);
    if (was_open && !h->vault.pulled.open) {
        ds_hand_forget_pulled(h);
    }
}

void ds_hand_forget_pulled(struct ds_handheld *h)
{
    ds_finder_close(h);
    forget_scratch(h);
    h->scope_count = 0;
    h->pulled++;
    h->directory++;
}

enum ds_err ds_hand_enter(struct ds_handheld *h, enum ds_open need)
{
    if (h == NULL) {
        return DS_ERR_USAGE;
    }
    int failed = pthread_mutex_lock(&h->lock);
    DS_ASSERT(failed == 0);
    ds_arena_reset(&h->arena);
    if (!h->failed) {
        tend_lease(h);
    }
    if (h->failed || !is_open(&h->vault, need)) {
        enum ds_err err = h->failed ? DS_ERR_IO : DS_ERR_LOCKED;
        (void)pthread_mutex_unlock(&h->lock);
        return err;
    }
    return DS_OK;
}

int ds_hand_leave(struct ds_handheld *h, enum ds_err err)
{
    int failed = pthread_mutex_unlock(&h->lock);
    DS_ASSERT(failed == 0);
    return (int)err;
}

/* ---- Opening. ---- */

static enum ds_err open_folder(struct ds_handheld *h, const struct ds_handheld_options *options,
                               struct ds_detail *detail)
{
    char path[DS_PATH_SIZE];
    struct ds_builder builder;
    if (mkdir(options->dir, 0700) != 0 && errno != EEXIST) {
        ds_detail_set(detail, options->dir, ": cannot be made", NULL);
        return DS_ERR_IO;
    }
    /* Its name, too, outlives a power cut, whoever made it: the store syncs what is below only. Who
     * may not even look at the folder above did not make this one. */
    ds_builder_init(&builder, path, sizeof(path));
    ds_put_text(&builder, options->dir);
    ds_put_text(&builder, "/..");
    if (ds_builder_text(&builder)[0] == '\0' || (!ds_ports_sync_folder(path) && errno != EACCES)) {
        ds_detail_set(detail, options->dir, ": the folder above cannot be synced", NULL);
        return DS_ERR_IO;
    }
    ds_builder_init(&builder, path, sizeof(path));
    ds_put_text(&builder, options->dir);
    ds_put_text(&builder, "/lock");
    if (ds_builder_text(&builder)[0] == '\0') {
        return DS_ERR_LIMIT;
    }
    h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (h->lock_fd < 0) {
        ds_detail_set(detail, path, ": cannot be opened", NULL);
        return DS_ERR_IO;
    }
    if (flock(h->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        ds_detail_set(detail, options->dir, ": another process has it open", NULL);
        return DS_ERR_BUSY;
    }
    ds_builder_init(&builder, path, sizeof(path));
    ds_put_text(&builder, options->dir);
    ds_put_text(&builder, "/store");
    struct ds_store_lmdb_options lmdb = {.quota_bytes = options->quota_bytes};
    h->owns_store = true;
    DS_TRY(ds_store_lmdb_open(ds_builder_text(&builder), &lmdb, &h->store, detail));
    ds_store_lmdb_check_readers(h->store);
    return DS_OK;
}

static enum ds_err open_store(struct ds_handheld *h, const struct ds_handheld_options *options,
                              struct ds_detail *detail)
{
    if (options->dir != NULL) {
        return open_folder(h, options, detail);
    }
    h->store = options->store;
    if (h->store == NULL) {
        ds_detail_set(detail, "neither a folder nor a store", NULL);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}

static void take_options(struct ds_handheld *h, const struct ds_handheld_options *options)
{
    struct ds_builder model;
    unsigned days = options->keep_days > 0 ? options->keep_days : DS_HANDHELD_KEEP_DAYS;
    h->transport = options->transport;
    h->timeout_s = options->timeout_s > 0 ? options->timeout_s : 60;
    h->columns = options->columns;
    h->battery = options->battery <= 100 ? options->battery : 100;
    h->keep_ms = (int64_t)days * DAY_MS;
    ds_builder_init(&model, h->model, sizeof(h->model));
    ds_put_text(&model, options->model != NULL ? options->model : "handheld");
    (void)ds_builder_text(&model);
    h->talk.budget = options->request_budget > 0 ? options->request_budget : DS_BUDGET_GOOD;
    h->talk.answer_budget =
        h->talk.budget < DS_BUDGET_GOOD ? 4 * h->talk.budget : DS_BUDGET_DEFAULT;
}

static enum ds_err open_vault(struct ds_handheld *h, const struct ds_handheld_options *options,
                              const char *pin, struct ds_detail *detail)
{
    struct ds_secret hardware;
    DS_TRY(ds_ports_hardware(options, &h->ports, &hardware, detail));
    enum ds_err err = ds_vault_load(&h->vault, h->store, &h->ports, &hardware);
    ds_wipe(&hardware, sizeof(hardware));
    if (err == DS_ERR_INTEGRITY) {
        ds_detail_set(detail, "the store was made on other hardware, or is damaged", NULL);
    }
    DS_TRY(err);
    if (pin == NULL && !h->vault.exists) {
        ds_detail_set(detail, "there is no vault here yet", NULL);
        return DS_ERR_NOT_FOUND;
    }
    if (pin != NULL) {
        err = h->vault.exists ? ds_vault_unlock(&h->vault, ds_slice_of_text(pin), detail)
                              : ds_vault_create(&h->vault, ds_slice_of_text(pin));
        if (err == DS_ERR_USAGE) {
            ds_detail_set(detail, "a PIN has 4 to 64 characters", NULL);
        }
        DS_TRY(err);
    }
    return ds_hand_load(h);
}

static enum ds_err open_all(struct ds_handheld *h, const struct ds_handheld_options *options,
                            const char *pin, struct ds_detail *detail)
{
    h->memory = malloc(DS_SCRATCH_SIZE);
    if (h->memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&h->arena, h->memory, DS_SCRATCH_SIZE);
    DS_TRY(ds_crypto_init());
    DS_TRY(ds_envelope_codec_init(&h->codec));
    ds_ports_init(&h->ports, options);
    take_options(h, options);
    DS_TRY(open_store(h, options, detail));
    return ds_store_explain(h->store, open_vault(h, options, pin, detail), detail);
}

int ds_handheld_open(const struct ds_handheld_options *options, const char *pin,
                     struct ds_handheld **handle, struct ds_handheld_detail *detail)
{
    if (options == NULL || handle == NULL) {
        return DS_ERR_USAGE;
    }
    *handle = NULL;
    struct ds_handheld *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        return DS_ERR_NOMEM;
    }
    h->lock_fd = -1;
    if (pthread_mutex_init(&h->lock, NULL) != 0) {
        free(h);
        return DS_ERR_NOMEM;
    }
    enum ds_err err = open_all(h, options, pin, ds_detail_of(detail));
    if (err != DS_OK) {
        ds_handheld_close(h);
        return (int)err;
    }
    *handle = h;
    return DS_OK;
}

void ds_handheld_close(struct ds_handheld *h)
{
    if (h == NULL) {
        return;
    }
    ds_transport_close(h);
    ds_finder_close(h);
    ds_vault_fini(&h->vault);
    if (h->owns_store) {
        ds_store_close(h->store);
    }
    if (h->lock_fd >= 0) {
        (void)close(h->lock_fd);
    }
    ds_envelope_codec_fini(&h->codec);
    if (h->memory != NULL) {
        forget_scratch(h);
        free(h->memory);
    }
    (void)pthread_mutex_destroy(&h->lock);
    ds_wipe(h, sizeof(*h));
    free(h);
}

int ds_handheld_unlock(struct ds_handheld *h, const char *pin, struct ds_handheld_detail *detail)
{
    if (pin == NULL) {
        return DS_ERR_USAGE;
    }
    enum ds_err err = ds_hand_enter(h, DS_OPEN_NONE);
    if (err != DS_OK) {
        return (int)err;
    }
    err = ds_vault_unlock(&h->vault, ds_slice_of_text(pin), ds_detail_of(detail));
    err = err != DS_OK ? err : ds_hand_load(h);
    return ds_hand_leave(h, err);
}

void ds_handheld_lock(struct ds_handheld *h)
{
    if (ds_hand_enter(h, DS_OPEN_NONE) != DS_OK) {
        return;
    }
    ds_vault_lock(&h->vault);
    ds_finder_close(h);
    forget_scratch(h);
    h->talk.begun = false;
    (void)ds_hand_leave(h, DS_OK);
}

int ds_handheld_change_pin(struct ds_handheld *h, const char *old_pin, const char *new_pin,
                           struct ds_handheld_detail *detail)
{
    if (old_pin == NULL || new_pin == NULL) {
        return DS_ERR_USAGE;
    }
    enum ds_err err = ds_hand_enter(h, DS_OPEN_NONE);
    if (err != DS_OK) {
        return (int)err;
    }
    err = ds_vault_change_pin(&h->vault, ds_slice_of_text(old_pin), ds_slice_of_text(new_pin),
                              ds_detail_of(detail));
    err = err != DS_OK ? err : ds_hand_load(h);
    return ds_hand_leave(h, err);
}

#include "server/site.h"

#include "schema/record.h"
#include "sync/core/row.h"
#include "sync/store/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEYS_MAGIC "DSK1"
#define KEYS_FILE_SIZE (4 + 4 * 32 + 32)
#define STATION_ARENA_SIZE 8192

/* ---- Secrets: "DSK1", sign, box, equality, master, hash of all that ---- */

static struct ds_hash hash_of_keys(struct ds_slice bytes)
{
    return ds_hash3(DS_SLICE_LIT("doorstep keys 1"), bytes, (struct ds_slice){NULL, 0});
}

static enum ds_err save_keys(const char *dir, const struct ds_server_keys *keys,
                             struct ds_detail *detail)
{
    uint8_t bytes[KEYS_FILE_SIZE];
    char path[DS_PATH_MAX];
    struct ds_builder out;
    struct ds_slice made = {NULL, 0};

    ds_builder_init(&out, bytes, sizeof(bytes));
    ds_put_text(&out, KEYS_MAGIC);
    ds_put_bytes(&out, DS_SLICE_OF(keys->sign));
    ds_put_bytes(&out, DS_SLICE_OF(keys->box));
    ds_put_bytes(&out, DS_SLICE_OF(keys->equality));
    ds_put_bytes(&out, DS_SLICE_OF(keys->master));
    const struct ds_hash hash = hash_of_keys((struct ds_slice){bytes, out.used});

    ds_put_hash(&out, &hash);
    DS_TRY(ds_builder_end(&out, &made));
    DS_TRY(ds_path_join(dir, "keys/server.keys", path));
    enum ds_err err = ds_file_write(path, made, 0600, detail);

    ds_wipe(bytes, sizeof(bytes));
    return err;
}

static struct ds_secret take_secret(struct ds_cursor *cursor)
{
    struct ds_secret secret = {{0}};
    struct ds_slice bytes = ds_take_bytes(cursor, sizeof(secret.byte));

    if (bytes.size == sizeof(secret.byte)) {
        memcpy(secret.byte, bytes.data, bytes.size);
    }
    return secret;
}

static enum ds_err load_keys(const char *dir, struct ds_server_keys *keys, struct ds_detail *detail)
{
    uint8_t bytes[KEYS_FILE_SIZE];
    char path[DS_PATH_MAX];
    struct stat status;
    struct ds_builder in;
    struct ds_cursor cursor;

    DS_TRY(ds_path_join(dir, "keys/server.keys", path));
    if (stat(path, &status) == 0 && (status.st_mode & 077) != 0) {
        ds_detail_set(detail, path, ": others may read it; chmod 600", (const char *)NULL);
        return DS_ERR_FORBIDDEN;
    }
    ds_builder_init(&in, bytes, sizeof(bytes));
    DS_TRY(ds_file_read(path, &in, detail));
    ds_cursor_init(&cursor, (struct ds_slice){bytes, in.used});
    struct ds_slice magic = ds_take_bytes(&cursor, 4);

    keys->sign = take_secret(&cursor);
    keys->box = take_secret(&cursor);
    keys->equality = take_secret(&cursor);
    keys->master = take_secret(&cursor);
    const struct ds_hash want = hash_of_keys((struct ds_slice){bytes, cursor.at});
    const struct ds_hash have = ds_take_hash(&cursor);
    bool good = ds_cursor_end(&cursor) == DS_OK && ds_hash_equal(&want, &have) &&
                ds_slice_equal(magic, DS_SLICE_LIT(KEYS_MAGIC));

    ds_wipe(bytes, sizeof(bytes));
    if (!good) {
        ds_detail_set(detail, path, ": damaged", (const char *)NULL);
        return DS_ERR_INTEGRITY;
    }
    return DS_OK;
}

/* ---- Clock ---- */

static int64_t site_now_ms(void *context)
{
    const struct ds_site *site = context;
    const struct ds_clock machine = ds_clock_system();
    const int64_t shift_ms = site->clock_shift_ms;

    if (shift_ms == 0) {
        return machine.now_ms(machine.context);
    }
    return shift_ms + machine.monotonic_ms(machine.context);
}

static int64_t site_monotonic_ms(void *context)
{
    const struct ds_clock machine = ds_clock_system();

    (void)context;
    return machine.monotonic_ms(machine.context);
}

enum ds_err ds_site_set_clock(struct ds_site *site, int64_t instant_ms, struct ds_detail *detail)
{
    if (!site->sample) {
        ds_detail_set(detail, "a settable clock is for sample stations only", (const char *)NULL);
        return DS_ERR_FORBIDDEN;
    }
    site->clock_shift_ms = instant_ms - site_monotonic_ms(NULL);
    return DS_OK;
}

/* The clock of a station that is being made. */
static int64_t first_instant(void *context)
{
    return *(const int64_t *)context;
}

/* ---- Stores ---- */

static enum ds_err open_stores(const char *dir, const struct ds_config *config,
                               struct ds_store *stores[static 2], struct ds_detail *detail)
{
    const struct ds_store_lmdb_options options = {
        .quota_bytes = (uint64_t)config->server_quota_mib * 1024 * 1024};
    char path[DS_PATH_MAX];

    stores[0] = NULL;
    stores[1] = NULL;
    DS_TRY(ds_path_join(dir, "store", path));
    DS_TRY(ds_store_lmdb_open(path, &options, &stores[0], detail));
    enum ds_err err = ds_path_join(dir, "keys/store", path);

    if (err == DS_OK) {
        err = ds_store_lmdb_open(path, &options, &stores[1], detail);
    }
    if (err != DS_OK) {
        ds_store_close(stores[0]);
        stores[0] = NULL;
    }
    return err;
}

enum ds_err ds_site_folders(const char *dir, struct ds_detail *detail)
{
    static const char *const names[] = {"keys", "blobs", "outbox", "tls"};
    char path[DS_PATH_MAX];

    for (size_t i = 0; i < DS_COUNT(names); i++) {
        DS_TRY(ds_path_join(dir, names[i], path));
        DS_TRY(ds_folder_make(path, detail));
    }
    return DS_OK;
}

static enum ds_err save_config(const char *dir, struct ds_detail *detail)
{
    char path[DS_PATH_MAX];
    struct ds_config config;
    struct ds_builder out;
    struct ds_slice made = {NULL, 0};
    uint8_t *text = malloc(DS_CONFIG_FILE_MAX);

    if (text == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_config_default(&config);
    ds_builder_init(&out, text, DS_CONFIG_FILE_MAX);
    ds_config_put_file(&out, &config);
    enum ds_err err = ds_builder_end(&out, &made);

    if (err == DS_OK) {
        err = ds_path_join(dir, "doorstep.ini", path);
    }
    if (err == DS_OK) {
        err = ds_file_write(path, made, 0644, detail);
    }
    free(text);
    return err;
}

/* Not inlined: two frames with paths in them stay below the limit of one. */
__attribute__((noinline)) static enum ds_err fill(const char *dir, const struct ds_station *station,
                                                  int64_t clock_ms, struct ds_detail *detail)
{
    struct ds_clock clock = ds_clock_system();
    const struct ds_random random = ds_random_system();
    struct ds_config config;
    struct ds_server_keys keys;
    struct ds_store *stores[2] = {NULL, NULL};

    if (clock_ms != 0) {
        clock.now_ms = first_instant;
        clock.context = &clock_ms;
    }
    ds_config_default(&config);
    DS_TRY(ds_site_folders(dir, detail));
    DS_TRY(save_config(dir, detail));
    ds_server_keys_make(&random, &keys);
    enum ds_err err = save_keys(dir, &keys, detail);

    if (err == DS_OK) {
        err = open_stores(dir, &config, stores, detail);
    }
    if (err == DS_OK) {
        err = ds_shard_create(stores[0], stores[1], &keys, &clock, &random, station, detail);
    }
    ds_store_close(stores[0]);
    ds_store_close(stores[1]);
    ds_wipe(&keys, sizeof(keys));
    return err;
}

enum ds_err ds_site_init(const char *dir, const struct ds_station *station, int64_t clock_ms,
                         struct ds_detail *detail)
{
    char aside[DS_PATH_MAX];

    DS_TRY(ds_crypto_init());
    if (clock_ms != 0 && DS_GET(station, station, sample, 0) == 0) {
        ds_detail_set(detail, "a settable clock is for sample stations only", (const char *)NULL);
        return DS_ERR_FORBIDDEN;
    }
    if (strlen(dir) >= DS_SITE_PATH_MAX) {
        ds_detail_set(detail, "the folder's path is longer than 511 bytes", (const char *)NULL);
        return DS_ERR_LIMIT;
    }
    DS_TRY(ds_folder_aside(dir, aside, detail));
    enum ds_err err = fill(aside, station, clock_ms, detail);

    if (err == DS_OK) {
        err = ds_folder_place(aside, dir, detail);
    }
    if (err != DS_OK) {
        ds_folder_remove(aside);
    }
    return err;
}

/* ---- Opening ---- */

/* The lock, as soon as nobody else has it. */
static bool take_lock(int fd, int64_t wait_ms)
{
    const struct timespec pause = {0, DS_SITE_LOCK_PAUSE_MS * 1000000L};
    const int64_t until_ms = site_monotonic_ms(NULL) + wait_ms;
    bool taken = flock(fd, LOCK_EX | LOCK_NB) == 0;

    while (!taken && site_monotonic_ms(NULL) < until_ms) {
        (void)nanosleep(&pause, NULL);
        taken = flock(fd, LOCK_EX | LOCK_NB) == 0;
    }
    return taken;
}

static enum ds_err lock(struct ds_site *site, int64_t wait_ms, struct ds_detail *detail)
{
    char path[DS_PATH_MAX];

    DS_TRY(ds_path_join(site->dir, "store", path));
    if (!ds_file_exists(path)) {
        ds_detail_set(detail, site->dir, ": no station there", (const char *)NULL);
        return DS_ERR_NOT_FOUND;
    }
    DS_TRY(ds_path_join(site->dir, "lock", path));
    site->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (site->lock_fd < 0) {
        ds_detail_set(detail, path, ": cannot be opened", (const char *)NULL);
        return DS_ERR_IO;
    }
    if (!take_lock(site->lock_fd, wait_ms)) {
        (void)close(site->lock_fd);
        site->lock_fd = -1;
        ds_detail_set(detail, site->dir, ": another process works with this station",
                      (const char *)NULL);
        return DS_ERR_LOCKED;
    }
    return DS_OK;
}

/* What the station's own row says. */
static enum ds_err read_station(struct ds_site *site, int64_t clock_ms, struct ds_detail *detail)
{
    uint8_t memory[STATION_ARENA_SIZE / 4];
    struct ds_arena arena;
    struct ds_station station;
    struct ds_txn *txn = NULL;

    site->station = site->shard.meta.station;
    ds_arena_init(&arena, memory, sizeof(memory));
    DS_TRY(ds_store_begin(site->store, false, &txn));
    enum ds_err err = ds_record_load(txn, DS_REC_station, &site->station, &arena, &station);

    ds_txn_abort(txn);
    DS_TRY(err);
    site->offset_min = (int32_t)station.offset_min;
    site->sample = DS_GET(&station, station, sample, 0) != 0;
    return clock_ms == 0 ? DS_OK : ds_site_set_clock(site, clock_ms, detail);
}

static void begin(struct ds_site *site, const struct ds_site_options *options)
{
    memset(site, 0, sizeof(*site));
    site->lock_fd = -1;
    site->clock = (struct ds_clock){site_now_ms, site_monotonic_ms, site};
    site->random =
        options != NULL && options->random != NULL ? *options->random : ds_random_system();
    ds_config_default(&site->config);
}

static enum ds_err open_shard(struct ds_site *site, const struct ds_server_keys *keys,
                              const struct ds_site_options *options, struct ds_detail *detail)
{
    DS_TRY(ds_shard_open(&site->shard, site->store, site->key_store, keys, &site->clock,
                         &site->random, detail));
    site->shard.lease_ms = (uint64_t)site->config.device_lease_hours * 3600000;
    enum ds_err err = read_station(site, options != NULL ? options->clock_ms : 0, detail);

    if (err != DS_OK) {
        ds_shard_close(&site->shard);
    }
    return err;
}

static enum ds_err open_all(struct ds_site *site, const struct ds_site_options *options,
                            struct ds_detail *detail)
{
    char path[DS_PATH_MAX];
    struct ds_server_keys keys;
    struct ds_store *stores[2] = {NULL, NULL};

    DS_TRY(ds_path_join(site->dir, "doorstep.ini", path));
    DS_TRY(ds_config_load(
        &site->config,
        options != NULL && options->config_path != NULL ? options->config_path : path, detail));
    DS_TRY(load_keys(site->dir, &keys, detail));
    DS_TRY(open_stores(site->dir, &site->config, stores, detail));
    site->store = stores[0];
    site->key_store = stores[1];
    enum ds_err err = open_shard(site, &keys, options, detail);

    ds_wipe(&keys, sizeof(keys));
    return err;
}

enum ds_err ds_site_open(struct ds_site *site, const char *dir,
                         const struct ds_site_options *options, struct ds_detail *detail)
{
    DS_TRY(ds_crypto_init());
    begin(site, options);
    if (strlen(dir) >= sizeof(site->dir)) {
        ds_detail_set(detail, "the folder's path is longer than 511 bytes", (const char *)NULL);
        return DS_ERR_LIMIT;
    }
    memcpy(site->dir, dir, strlen(dir) + 1);
    DS_TRY(lock(site, options != NULL ? options->lock_wait_ms : 0, detail));
    enum ds_err err = open_all(site, options, detail);

    if (err != DS_OK) {
        err = ds_store_explain(site->store, err, detail);
        err = ds_store_explain(site->key_store, err, detail);
        ds_store_close(site->store);
        ds_store_close(site->key_store);
        (void)close(site->lock_fd);
        site->lock_fd = -1;
    }
    return err;
}

enum ds_err ds_site_open_stores(struct ds_site *site, const char *dir, struct ds_store *stores[2],
                                const struct ds_station *create,
                                const struct ds_site_options *options, struct ds_detail *detail)
{
    struct ds_server_keys keys;

    DS_TRY(ds_crypto_init());
    begin(site, options);
    if (dir != NULL) {
        DS_ASSERT(strlen(dir) < sizeof(site->dir));
        memcpy(site->dir, dir, strlen(dir) + 1);
        DS_TRY(ds_site_folders(dir, detail));
    }
    site->store = stores[0];
    site->key_store = stores[1];
    ds_server_keys_make(&site->random, &keys);
    if (create != NULL) {
        DS_TRY(ds_shard_create(site->store, site->key_store, &keys, &site->clock, &site->random,
                               create, detail));
    }
    return open_shard(site, &keys, options, detail);
}

void ds_site_close(struct ds_site *site)
{
    ds_shard_close(&site->shard);
    ds_store_close(site->store);
    ds_store_close(site->key_store);
    if (site->lock_fd >= 0) {
        (void)close(site->lock_fd);
    }
    site->lock_fd = -1;
    site->store = NULL;
    site->key_store = NULL;
}

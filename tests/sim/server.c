/* The simulated server: the real shard over a store that can be cut off, copied and lost. */
#include "schema/codec/record_mp.h"
#include "tests/sim/sim.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

enum { STORE_MAX = 64 << 20 };
#define BACKUP_OLDEST_MS (30 * SIM_DAY_MS)

static int64_t now(void *context)
{
    struct sim *sim = context;
    sim->now_ms += sim->healed ? 0 : sim->profile.slow_ms;
    return sim->now_ms;
}

struct ds_clock server_clock(struct sim *sim)
{
    return (struct ds_clock){.now_ms = now, .monotonic_ms = now, .context = sim};
}

static void fill(void *context, void *out, size_t size)
{
    prng_fill(&((struct sim *)context)->entropy, out, size);
}

struct ds_random server_random(struct sim *sim)
{
    return (struct ds_random){.fill = fill, .context = sim};
}

/* ---- Stores: memory, or LMDB in a folder of its own per life of the store. ---- */

static void lmdb_path(struct sim *sim, unsigned number, char path[static SIM_PATH_SIZE + 16])
{
    (void)snprintf(path, SIM_PATH_SIZE + 16, "%s/%u", sim->lmdb_dir, number);
}

static void lmdb_open(struct sim *sim, unsigned number)
{
    char path[SIM_PATH_SIZE + 16];
    struct ds_detail detail = {{0}};
    struct ds_store_lmdb_options options = {.map_bytes = STORE_MAX};
    lmdb_path(sim, number, path);
    enum ds_err err = ds_store_lmdb_open(path, &options, &sim->store, &detail);
    if (err != DS_OK) {
        sim_fail(sim, "always_progress", "LMDB in %s: %s %s", path, ds_err_name(err), detail.text);
    }
}

static void remove_folder(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    closedir(dir);
    (void)rmdir(path);
}

static void lmdb_make_dir(struct sim *sim)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(sim->lmdb_dir, sizeof sim->lmdb_dir, "%s/doorstep-sim-XXXXXX",
                   base != NULL && base[0] != '\0' ? base : "/tmp");
    if (mkdtemp(sim->lmdb_dir) == NULL) {
        sim_fail(sim, "always_progress", "no folder %s", sim->lmdb_dir);
    }
}

static void open_shard(struct sim *sim)
{
    struct ds_clock clock = server_clock(sim);
    struct ds_random random = server_random(sim);
    struct ds_detail detail = {{0}};
    enum ds_err err =
        ds_shard_open(&sim->shard, sim->store, sim->keys, &sim->secret, &clock, &random, &detail);
    if (err != DS_OK) {
        sim_fail(sim, "acked_is_durable", "the shard does not open: %s %s", ds_err_name(err),
                 detail.text);
    }
    sim->shard_open = true;
}

void server_create(struct sim *sim)
{
    struct ds_station station = {.presence = {0}};
    struct ds_clock clock = server_clock(sim);
    struct ds_random random = server_random(sim);
    DS_SET(&station, station, number, DS_SLICE_LIT("S1"));
    DS_SET(&station, station, name, DS_SLICE_LIT("Simulated"));
    DS_SET(&station, station, offset_min, 480);
    DS_SET(&station, station, billing_authority, DS_AUTHORITY_central);
    if (sim->profile.lmdb) {
        lmdb_make_dir(sim);
        lmdb_open(sim, sim->lmdb_count);
    } else {
        SIM_MUST(sim, ds_store_memory_open(0, &sim->store));
    }
    SIM_MUST(sim, ds_store_memory_open(0, &sim->keys));
    ds_server_keys_make(&random, &sim->secret);
    SIM_MUST(sim,
             ds_shard_create(sim->store, sim->keys, &sim->secret, &clock, &random, &station, NULL));
    sim->station = ds_station_id(station.number);
    open_shard(sim);
}

void server_close(struct sim *sim)
{
    if (sim->shard_open) {
        ds_shard_close(&sim->shard);
        sim->shard_open = false;
    }
    ds_store_close(sim->store);
    ds_store_close(sim->keys);
    ds_store_close(sim->backup);
    if (sim->lmdb_dir[0] != '\0') {
        for (unsigned i = 0; i <= sim->lmdb_count; i++) {
            char path[SIM_PATH_SIZE + 16];
            lmdb_path(sim, i, path);
            remove_folder(path);
        }
        (void)rmdir(sim->lmdb_dir);
        sim->lmdb_dir[0] = '\0';
    }
}

static void reopen_memory(struct sim *sim, struct ds_store **store)
{
    struct ds_store *copy = NULL;
    SIM_MUST(sim, ds_store_memory_clone(*store, &copy));
    ds_store_close(*store);
    *store = copy;
}

void server_restart(struct sim *sim)
{
    ds_shard_close(&sim->shard);
    if (sim->lmdb_dir[0] != '\0') {
        ds_store_close(sim->store);
        lmdb_open(sim, sim->lmdb_count);
    } else {
        reopen_memory(sim, &sim->store);
    }
    reopen_memory(sim, &sim->keys);
    open_shard(sim);
    trace_line(&sim->trace, "server restart, size %llu", (unsigned long long)sim->shard.meta.size);
    check_acked(sim);
}

void server_backup(struct sim *sim)
{
    ds_store_close(sim->backup);
    sim->backup = NULL;
    if (sim->lmdb_dir[0] != '\0') {
        return; /* The memory seeds restore; LMDB's hot copy has a test of its own. */
    }
    SIM_MUST(sim, ds_store_memory_clone(sim->store, &sim->backup));
    sim->backup_size = sim->shard.meta.size;
    sim->backup_ms = sim->now_ms;
    trace_line(&sim->trace, "server backup, size %llu", (unsigned long long)sim->backup_size);
}

void server_restore(struct sim *sim)
{
    if (sim->backup == NULL || sim->now_ms - sim->backup_ms > BACKUP_OLDEST_MS) {
        return; /* The handhelds keep what they sent for 35 days: no older backup may be used. */
    }
    for (unsigned i = 0; i < sim->hand_count; i++) {
        hand_note_receipts(&sim->hands[i]);
    }
    model_server_restored(&sim->model);
    ds_shard_close(&sim->shard);
    ds_store_close(sim->store);
    sim->store = sim->backup;
    sim->backup = NULL;
    open_shard(sim);
    sim->undeclared = true;
    sim->server_restores++;
    trace_line(&sim->trace, "server restored to size %llu",
               (unsigned long long)sim->shard.meta.size);
}

struct ds_store *server_swap(struct sim *sim, struct ds_store *store)
{
    struct ds_store *before = sim->store;
    ds_shard_close(&sim->shard);
    sim->store = store;
    open_shard(sim);
    return before;
}

void server_declare(struct sim *sim)
{
    struct ds_actor admin;
    SIM_MUST(sim, ds_actor_open(&sim->shard, "user:boss", DS_ACTOR_console,
                                &sim->workers[SIM_HANDS_MAX], &admin, NULL));
    SIM_MUST(sim, ds_shard_epoch(&sim->shard, &admin, 0));
    sim->undeclared = false;
    trace_line(&sim->trace, "epoch %llu declared", (unsigned long long)sim->shard.meta.epoch);
}

/* ---- Serving ---- */

static int status_of(struct sim *sim, enum ds_err err)
{
    if (err == DS_ERR_IO) {
        server_restart(sim); /* It stops; the supervisor of the process starts it again. */
    } else if (err == DS_ERR_INTEGRITY || err == DS_ERR_USAGE || err == DS_ERR_NOMEM) {
        sim_fail(sim, "bounded", "the server answered %s", ds_err_name(err));
    }
    return ds_err_http(err);
}

int server_post(struct sim *sim, const uint8_t *body, size_t size, struct ds_builder *answer)
{
    struct ds_detail detail = {{0}};
    answer->used = 0;
    answer->failed = false;
    sim->exchanges++;
    enum ds_err err = ds_serve_whole(&sim->shard, &sim->codec, (struct ds_slice){body, size},
                                     sim->serve_memory, answer, &detail);
    trace_line(&sim->trace, "server %s, size %llu, answer %zu %s", ds_err_name(err),
               (unsigned long long)sim->shard.meta.size, err == DS_OK ? answer->used : 0,
               detail.text);
    if (err != DS_OK) {
        answer->used = 0;
        return status_of(sim, err);
    }
    if (answer->used > DS_ENVELOPE_SIZE_MAX) {
        sim_fail(sim, "bounded", "an answer of %zu bytes", answer->used);
    }
    trace_bytes(&sim->trace, answer->data, answer->used);
    return 200;
}

int server_enrol(struct sim *sim, const uint8_t *body, size_t size, struct ds_builder *answer)
{
    struct ds_detail detail = {{0}};
    answer->used = 0;
    answer->failed = false;
    enum ds_err err = ds_enrol(&sim->shard, (struct ds_slice){body, size}, answer, &detail);
    trace_line(&sim->trace, "enrol %s %s", ds_err_name(err), detail.text);
    return err == DS_OK ? 200 : status_of(sim, err);
}

enum ds_err server_write(struct sim *sim, const char *name, enum ds_actor_kind kind,
                         struct ds_draft *drafts, size_t count)
{
    struct ds_actor actor;
    struct ds_detail detail = {{0}};
    const struct ds_id *worker = kind == DS_ACTOR_console ? &sim->workers[SIM_HANDS_MAX] : NULL;
    enum ds_err err = ds_actor_open(&sim->shard, name, kind, worker, &actor, &detail);
    if (err == DS_OK) {
        err = ds_actor_write(&sim->shard, &actor, drafts, count, NULL, &detail);
    }
    sim->office_ops += count;
    trace_line(&sim->trace, "%s writes %zu of record %u: %s, size %llu %s", name, count,
               (unsigned)drafts[0].type, ds_err_name(err), (unsigned long long)sim->shard.meta.size,
               detail.text);
    if (err == DS_ERR_IO) {
        server_restart(sim);
    } else if (err != DS_OK) {
        sim_fail(sim, "always_progress", "%s cannot write: %s %s", name, ds_err_name(err),
                 detail.text);
    }
    return err;
}

struct ds_txn *server_begin(struct sim *sim)
{
    struct ds_txn *txn = NULL;
    SIM_MUST(sim, ds_store_begin(sim->store, false, &txn));
    return txn;
}

size_t server_queue(struct sim *sim, uint8_t type, struct ds_id *ids, size_t max)
{
    struct ds_txn *txn = server_begin(sim);
    struct ds_key key = {.byte = {type}, .size = 1};
    size_t count = 0;
    while (count < max) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_after(txn, DS_TABLE_QUEUE, ds_key_slice(&key), &found, &value);
        if (err != DS_OK || found.size != 25 || found.data[0] != type) {
            break;
        }
        memcpy(ids[count++].byte, found.data + 9, 16);
        key = ds_key_after(found);
    }
    ds_txn_abort(txn);
    return count;
}

/* bench_fold: what one reading costs the engine, without HTTP and without handhelds.
 *
 * Makes a station of B books of M meters with premises, accounts and a tariff, a device per book,
 * and reads every meter for a number of months: a batch per round and book, as sealed by the SDK.
 * Batches are sealed and checked beforehand, so that the clock sees append, fold and commit alone;
 * checking them (parse, chain, signature) is told apart. The last month is the one that is told.
 *
 * usage: bench_fold [--books B] [--meters M] [--months N] [--batch OPS] [--group BATCHES]
 *                   [--dir DIR | memory store] [--rebuild 1] */
#include "schema/base/text.h"
#include "schema/codec/record_mp.h"
#include "sync/shard/shard.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { ROOM = 65536, FIRST_PERIOD = 202401, NAME_SIZE = 32, DAY_MS = 86400000 };
#define FIRST_MS INT64_C(1704038400000) /* 2024-01-01 in China. */
#define DRAFTS_MAX 20000

struct reader { /* One device with its book. */
    struct ds_secret sign;
    struct ds_id device;
    struct ds_id book;
    struct ds_incarnation incarnation;
    uint64_t next_seq;
    struct ds_hash chain;
};

struct bench {
    struct ds_store *store;
    struct ds_store *keys;
    struct ds_server_keys secret;
    struct ds_shard shard;
    struct ds_actor import;
    int64_t now_ms;
    uint64_t random;
    uint64_t books;
    uint64_t meters;
    struct reader *readers;
    struct ds_id *meter;
    int64_t *index;
    struct ds_draft *drafts;
    size_t draft_count;
    struct ds_builder fields;
};

struct spent {
    double wall_s;
    double cpu_s;
};

struct month { /* What one month's round took. */
    uint64_t readings;
    uint64_t commits;
    uint64_t batch_bytes;
    struct spent check;
    struct spent fold;
};

struct sizes {
    uint64_t pairs;
    uint64_t bytes;   /* Keys, values and tags of all tables. */
    uint64_t journal; /* Of them in the journal. */
};

static void must(enum ds_err err, const char *what, const struct ds_detail *detail)
{
    if (err != DS_OK) {
        bench_fail("%s: %s %s", what, ds_err_name(err), detail == NULL ? "" : detail->text);
    }
}

static uint64_t below(struct bench *b, uint64_t limit)
{
    b->random = b->random * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (b->random >> 33) % limit;
}

static void fill(void *context, void *out, size_t size)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)below(context, 256);
    }
}

static int64_t now(void *context)
{
    return ((struct bench *)context)->now_ms;
}

static struct spent spent_now(void)
{
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (struct spent){bench_seconds(), (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9};
}

static void add_spent(struct spent *sum, struct spent since)
{
    struct spent at = spent_now();
    sum->wall_s += at.wall_s - since.wall_s;
    sum->cpu_s += at.cpu_s - since.cpu_s;
}

/* ---- The station ---- */

static void flush(struct bench *b)
{
    struct ds_detail detail = {{0}};
    struct ds_folded folded;
    if (b->draft_count > 0) {
        must(ds_actor_write(&b->shard, &b->import, b->drafts, b->draft_count, &folded, &detail),
             "import", &detail);
        if (folded.quarantined > 0) {
            bench_fail("the import is in quarantine");
        }
    }
    b->draft_count = 0;
    b->fields.used = 0;
}

static void draft(struct bench *b, uint8_t type, const struct ds_id *id, const void *record)
{
    size_t at = b->fields.used;
    must(ds_record_encode_op(ds_record_type_by_number(type), record, &b->fields), "encode", NULL);
    b->drafts[b->draft_count++] = (struct ds_draft){
        .type = type, .id = *id, .fields = {b->fields.data + at, b->fields.used - at}};
    if (b->draft_count == DRAFTS_MAX) {
        flush(b);
    }
}

static struct ds_slice numbered(char name[static NAME_SIZE], char letter, uint64_t number)
{
    (void)snprintf(name, NAME_SIZE, "%c%07llu", letter, (unsigned long long)number);
    return ds_slice_of_text(name);
}

static void draft_meter(struct bench *b, uint64_t book, uint64_t at)
{
    char name[NAME_SIZE];
    uint64_t number = book * b->meters + at;
    const struct ds_id *station = &b->shard.meta.station;
    struct ds_account account = {.number = {NULL, 0}};
    struct ds_premises premises = {.number = {NULL, 0}};
    struct ds_meter meter = {.meter_no = {NULL, 0}};
    struct ds_id account_id = ds_numbered_id(station, DS_REC_account, numbered(name, 'A', number));
    DS_SET(&account, account, number, ds_slice_of_text(name));
    DS_SET(&account, account, class, DS_CLASS_residential);
    DS_SET(&account, account, tariff, DS_SLICE_LIT("T1"));
    draft(b, DS_REC_account, &account_id, &account);
    struct ds_id premises_id =
        ds_numbered_id(station, DS_REC_premises, numbered(name, 'P', number));
    DS_SET(&premises, premises, number, ds_slice_of_text(name));
    DS_SET(&premises, premises, account, account_id);
    DS_SET(&premises, premises, lat_e7, 380400000 + (int64_t)number * 20);
    DS_SET(&premises, premises, lon_e7, 1145000000 + (int64_t)(number % 977) * 40);
    draft(b, DS_REC_premises, &premises_id, &premises);
    b->meter[number] = ds_meter_id(station, DS_SLICE_LIT("MAKER"), numbered(name, 'M', number));
    DS_SET(&meter, meter, manufacturer, DS_SLICE_LIT("MAKER"));
    DS_SET(&meter, meter, meter_no, ds_slice_of_text(name));
    DS_SET(&meter, meter, premises, premises_id);
    DS_SET(&meter, meter, account, account_id);
    DS_SET(&meter, meter, book, b->readers[book].book);
    DS_SET(&meter, meter, walk_order, (int64_t)at + 1);
    DS_SET(&meter, meter, dial_digits, 5);
    DS_SET(&meter, meter, unit_l, 1000);
    DS_SET(&meter, meter, yearly_l, 240000);
    draft(b, DS_REC_meter, &b->meter[number], &meter);
    b->index[number] = 100 + (int64_t)below(b, 900);
}

/* A worker with his role, his device and his book. */
static void draft_book(struct bench *b, uint64_t number)
{
    char name[NAME_SIZE];
    struct reader *reader = &b->readers[number];
    const struct ds_id *station = &b->shard.meta.station;
    struct ds_worker worker = {.number = {NULL, 0}};
    struct ds_role_grant grant = {.role = 0};
    struct ds_book book = {.number = {NULL, 0}};
    struct ds_id worker_id = ds_numbered_id(station, DS_REC_worker, numbered(name, 'W', number));
    DS_SET(&worker, worker, number, ds_slice_of_text(name));
    DS_SET(&worker, worker, name, ds_slice_of_text(name));
    draft(b, DS_REC_worker, &worker_id, &worker);
    DS_SET(&grant, role_grant, worker, worker_id);
    DS_SET(&grant, role_grant, role, DS_ROLE_reader);
    DS_SET(&grant, role_grant, subtree, *station);
    struct ds_id grant_id = ds_grant_id(station, &worker_id, DS_ROLE_reader, station);
    draft(b, DS_REC_role_grant, &grant_id, &grant);
    reader->book = ds_numbered_id(station, DS_REC_book, numbered(name, 'B', number));
    DS_SET(&book, book, number, ds_slice_of_text(name));
    DS_SET(&book, book, assignee, worker_id);
    draft(b, DS_REC_book, &reader->book, &book);
    flush(b);
    struct ds_detail detail = {{0}};
    struct ds_actor actor;
    (void)snprintf(name, sizeof name, "user:%llu", (unsigned long long)number);
    /* A handheld whose key the bench holds, without the ceremony of enrolment. */
    must(ds_actor_open(&b->shard, name, DS_ACTOR_handheld, &worker_id, &actor, &detail), "device",
         &detail);
    reader->device = actor.device;
    reader->sign = actor.seed;
    reader->incarnation = actor.incarnation;
    reader->next_seq = actor.next_seq;
    reader->chain = actor.chain;
}

static void make_station(struct bench *b)
{
    struct ds_detail detail = {{0}};
    struct ds_clock clock = {now, now, b};
    struct ds_random random = {fill, b};
    struct ds_station station = {.number = {NULL, 0}};
    struct ds_tariff tariff = {.number = {NULL, 0}};
    DS_SET(&station, station, number, DS_SLICE_LIT("BENCH"));
    DS_SET(&station, station, name, DS_SLICE_LIT("Bench"));
    DS_SET(&station, station, offset_min, 480);
    DS_SET(&station, station, billing_authority, DS_AUTHORITY_central);
    must(ds_shard_create(b->store, b->keys, &b->secret, &clock, &random, &station, &detail),
         "station", &detail);
    must(ds_shard_open(&b->shard, b->store, b->keys, &b->secret, &clock, &random, &detail),
         "station", &detail);
    must(ds_actor_open(&b->shard, "import", DS_ACTOR_import, NULL, &b->import, &detail), "import",
         &detail);
    DS_SET(&tariff, tariff, number, DS_SLICE_LIT("T1"));
    DS_SET(&tariff, tariff, price_e4, 24000);
    DS_SET(&tariff, tariff, from_day, 19000);
    struct ds_id id = ds_numbered_id(&b->shard.meta.station, DS_REC_tariff, DS_SLICE_LIT("T1"));
    draft(b, DS_REC_tariff, &id, &tariff);
    for (uint64_t book = 0; book < b->books; book++) {
        draft_book(b, book);
        for (uint64_t at = 0; at < b->meters; at++) {
            draft_meter(b, book, at);
        }
        flush(b);
    }
}

static void open_period(struct bench *b, int32_t number)
{
    for (uint64_t book = 0; book < b->books; book++) {
        struct ds_period period = {.period = 0};
        DS_SET(&period, period, book, b->readers[book].book);
        DS_SET(&period, period, period, number);
        DS_SET(&period, period, state, DS_PERIOD_open);
        struct ds_id id =
            ds_period_id(&b->shard.meta.station, &b->readers[book].book, (uint32_t)number);
        draft(b, DS_REC_period, &id, &period);
    }
    flush(b);
}

/* ---- A month ---- */

static void put_reading(struct bench *b, uint64_t number, int32_t period, uint64_t seen,
                        struct ds_builder *ops, struct ds_hash *chain)
{
    uint8_t bytes[512];
    struct ds_builder fields;
    struct ds_reading reading = {.period = 0};
    /* Use as it is: noisy, a few stand still, one in 200 is a slip of the finger. */
    uint64_t kind = below(b, 200);
    b->index[number] += kind < 6 ? 0 : 12 + (int64_t)below(b, 18);
    int64_t read = kind == 199 ? b->index[number] + 1000 : b->index[number];
    DS_SET(&reading, reading, meter, b->meter[number]);
    DS_SET(&reading, reading, period, period);
    DS_SET(&reading, reading, index, read % 100000);
    DS_SET(&reading, reading, instant_ms,
           b->now_ms + (int64_t)(number % b->meters) * 41000 + (int64_t)below(b, 9000));
    DS_SET(&reading, reading, method, DS_METHOD_on_site);
    DS_SET(&reading, reading, lat_e7, 380400000 + (int64_t)number * 20 + (int64_t)below(b, 300));
    DS_SET(&reading, reading, lon_e7,
           1145000000 + (int64_t)(number % 977) * 40 + (int64_t)below(b, 300));
    DS_SET(&reading, reading, accuracy_m, 3 + (int64_t)below(b, 10));
    ds_builder_init(&fields, bytes, sizeof bytes);
    must(ds_record_encode_op(ds_record_type_by_number(DS_REC_reading), &reading, &fields), "encode",
         NULL);
    struct ds_op op = {.type = DS_REC_reading,
                       .seen = seen,
                       .mono_ms = 1000 + (number % b->meters) * 41000,
                       .fields = {bytes, fields.used}};
    size_t at = ops->used;
    ds_op_put(ops, &op);
    *chain = ds_chain_next(chain, (struct ds_slice){ops->data + at, ops->used - at});
}

/* *memory is the caller's to free. */
static struct ds_slice seal(struct bench *b, struct reader *reader, uint64_t first, uint64_t count,
                            int32_t period, uint8_t **memory)
{
    static uint8_t ops_bytes[DS_BATCH_SIZE_MAX];
    uint8_t head_bytes[512];
    uint8_t *made = malloc(ROOM + count * 128);
    struct ds_builder ops;
    struct ds_builder head;
    struct ds_builder out;
    struct ds_signature signature;
    struct ds_batch batch = {.suite = DS_SUITE,
                             .station = b->shard.meta.station,
                             .device = reader->device,
                             .incarnation = reader->incarnation,
                             .lane = DS_LANE_WORK,
                             .first_seq = reader->next_seq,
                             .count = count,
                             .before = reader->chain,
                             .epoch = 1,
                             .boot = 7,
                             .base_ms = b->now_ms,
                             .source = DS_CLOCK_gps};
    *memory = made;
    if (made == NULL) {
        bench_fail("out of memory");
    }
    ds_builder_init(&ops, ops_bytes, sizeof ops_bytes);
    for (uint64_t i = 0; i < count; i++) {
        put_reading(b, first + i, period, b->shard.meta.size, &ops, &reader->chain);
    }
    batch.head = reader->chain;
    reader->next_seq += count;
    ds_builder_init(&head, head_bytes, sizeof head_bytes);
    ds_batch_put_header(&head, &batch);
    ds_sign(&reader->sign, DS_LABEL_BATCH, (struct ds_slice){head_bytes, head.used}, &signature);
    ds_builder_init(&out, made, ROOM + count * 128);
    ds_batch_put(&out, (struct ds_slice){head_bytes, head.used},
                 (struct ds_slice){ops_bytes, ops.used}, signature.byte);
    if (out.failed || ops.failed) {
        bench_fail("a batch is too large");
    }
    return (struct ds_slice){made, out.used};
}

/* A function of its own in every build, for profilers to name. */
__attribute__((noinline)) static void commit_all(struct bench *b, struct ds_submission *made,
                                                 size_t count, size_t group, struct month *month)
{
    static struct ds_submission *waiting[DS_COMMIT_BATCHES_MAX];
    struct spent since = spent_now();
    for (size_t at = 0; at < count; at += group) {
        size_t size = count - at < group ? count - at : group;
        for (size_t i = 0; i < size; i++) {
            waiting[i] = &made[at + i];
        }
        must(ds_shard_commit(&b->shard, waiting, size), "commit", NULL);
        month->commits++;
    }
    add_spent(&month->fold, since);
}

static struct month read_month(struct bench *b, int32_t period, uint64_t per_batch, size_t group)
{
    struct month month = {.readings = b->books * b->meters};
    uint64_t per_book = (b->meters + per_batch - 1) / per_batch;
    size_t count = 0;
    struct ds_submission *made = calloc(b->books * per_book, sizeof *made);
    uint8_t **memory = calloc(b->books * per_book, sizeof *memory);
    if (made == NULL || memory == NULL) {
        bench_fail("out of memory");
    }
    for (uint64_t book = 0; book < b->books; book++) {
        for (uint64_t at = 0; at < b->meters; at += per_batch) {
            uint64_t ops = b->meters - at < per_batch ? b->meters - at : per_batch;
            made[count].batch =
                seal(b, &b->readers[book], book * b->meters + at, ops, period, &memory[count]);
            month.batch_bytes += made[count].batch.size;
            count++;
        }
    }
    b->now_ms += DAY_MS;
    struct spent since = spent_now();
    for (size_t i = 0; i < count; i++) {
        must(ds_submission_check(&b->shard, &made[i], NULL), "check", NULL);
    }
    add_spent(&month.check, since);
    commit_all(b, made, count, group, &month);
    for (size_t i = 0; i < count; i++) {
        if (made[i].folded.error != DS_OK || made[i].folded.quarantined > 0) {
            bench_fail("a batch was not folded");
        }
        free(memory[i]);
    }
    free(memory);
    free(made);
    return month;
}

/* ---- What was stored ---- */

static struct sizes sizes_of(struct ds_store *store)
{
    struct sizes sizes = {0};
    struct ds_txn *txn = NULL;
    must(ds_store_begin(store, false, &txn), "read", NULL);
    for (uint8_t table = 0; table < DS_TABLES_MAX; table++) {
        uint8_t memory[DS_KEY_SIZE_MAX + 1] = {0};
        struct ds_slice key = {memory, 1};
        struct ds_slice found;
        struct ds_slice value;
        uint64_t begun = sizes.bytes;
        uint64_t pairs = sizes.pairs;
        while (ds_txn_at_or_after(txn, table, key, &found, &value) == DS_OK) {
            sizes.pairs++;
            sizes.bytes += found.size + value.size + DS_VALUE_TAG_SIZE;
            memcpy(memory, found.data, found.size);
            memory[found.size] = 0;
            key.size = found.size + 1;
        }
        if (table == DS_TABLE_JOURNAL) {
            sizes.journal = sizes.bytes - begun;
        }
        if (getenv("BENCH_TABLES") != NULL && sizes.bytes > begun) {
            fprintf(stderr, "table %u: %llu pairs, %llu bytes\n", table,
                    (unsigned long long)(sizes.pairs - pairs),
                    (unsigned long long)(sizes.bytes - begun));
        }
    }
    ds_txn_abort(txn);
    return sizes;
}

static uint64_t file_bytes(const char *dir)
{
    static char path[4096];
    struct stat status;
    (void)snprintf(path, sizeof path, "%s/data.mdb", dir);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static double rebuild_s(struct bench *b)
{
    struct ds_store *to = NULL;
    struct ds_hash have;
    struct ds_hash made;
    struct ds_detail detail = {{0}};
    must(ds_store_memory_open(0, &to), "memory store", NULL);
    double begun = bench_seconds();
    must(ds_shard_rebuild(&b->shard, to, NULL, &have, &made, &detail), "rebuild", &detail);
    double took = bench_seconds() - begun;
    if (!ds_hash_equal(&have, &made)) {
        bench_fail("the rebuilt state is another");
    }
    ds_store_close(to);
    return took;
}

static void tell(const struct month *month, uint64_t months, const struct sizes *before,
                 const struct sizes *after, uint64_t file_grew)
{
    double count = (double)month->readings;
    printf("{\"readings\": %llu, \"months\": %llu, \"commits\": %llu, "
           "\"readings_per_s\": %.0f, \"fold_cpu_us\": %.3f, \"fold_us\": %.3f, "
           "\"check_cpu_us\": %.3f, \"batch_bytes\": %.1f, \"stored_bytes\": %.1f, "
           "\"journal_bytes\": %.1f, \"pairs\": %.2f, \"file_bytes\": %.1f, "
           "\"rss_peak_kb\": %ld",
           (unsigned long long)month->readings, (unsigned long long)months,
           (unsigned long long)month->commits, count / month->fold.wall_s,
           month->fold.cpu_s * 1e6 / count, month->fold.wall_s * 1e6 / count,
           month->check.cpu_s * 1e6 / count, (double)month->batch_bytes / count,
           (double)(after->bytes - before->bytes) / count,
           (double)(after->journal - before->journal) / count,
           (double)(after->pairs - before->pairs) / count, (double)file_grew / count,
           bench_usage(0).rss_peak_kb);
}

static void open_bench(struct bench *b, const char *dir)
{
    enum { FIELDS_ROOM = 512 };
    struct ds_detail detail = {{0}};
    struct ds_random random = {fill, b};
    uint8_t *memory = malloc((size_t)DRAFTS_MAX * FIELDS_ROOM);
    b->now_ms = FIRST_MS;
    b->readers = calloc(b->books, sizeof *b->readers);
    b->meter = calloc(b->books * b->meters, sizeof *b->meter);
    b->index = calloc(b->books * b->meters, sizeof *b->index);
    b->drafts = calloc(DRAFTS_MAX, sizeof *b->drafts);
    if (b->readers == NULL || b->meter == NULL || b->index == NULL || b->drafts == NULL ||
        memory == NULL) {
        bench_fail("out of memory");
    }
    ds_builder_init(&b->fields, memory, (size_t)DRAFTS_MAX * FIELDS_ROOM);
    if (dir == NULL) {
        must(ds_store_memory_open(0, &b->store), "memory store", NULL);
    } else {
        struct ds_store_lmdb_options options = {0};
        must(ds_store_lmdb_open(dir, &options, &b->store, &detail), dir, &detail);
    }
    must(ds_store_memory_open(0, &b->keys), "memory store", NULL);
    ds_server_keys_make(&random, &b->secret);
    make_station(b);
}

static void close_bench(struct bench *b)
{
    ds_shard_close(&b->shard);
    ds_store_close(b->store);
    ds_store_close(b->keys);
    free(b->readers);
    free(b->meter);
    free(b->index);
    free(b->drafts);
    free(b->fields.data);
}

static void measure(struct bench *b, const char *dir, uint64_t months, uint64_t per_batch,
                    size_t group)
{
    struct sizes before = {0};
    struct month month = {0};
    uint64_t file = 0;
    int32_t period = FIRST_PERIOD;
    for (uint64_t i = 0; i < months; i++) {
        int64_t month_ms = b->now_ms;
        open_period(b, period);
        if (i + 1 == months) {
            before = sizes_of(b->store);
            file = dir == NULL ? 0 : file_bytes(dir);
        }
        month = read_month(b, period, per_batch, group);
        b->now_ms = month_ms + (int64_t)ds_period_days(period) * DAY_MS;
        period = ds_period_add(period, 1);
    }
    struct sizes after = sizes_of(b->store);
    tell(&month, months, &before, &after, dir == NULL ? 0 : file_bytes(dir) - file);
}

int main(int count, char **words)
{
    static struct bench bench = {.random = 20260101};
    const char *dir = bench_option(count, words, "--dir", NULL);
    uint64_t months = bench_number(count, words, "--months", 3);
    uint64_t per_batch = bench_number(count, words, "--batch", 400);
    uint64_t group = bench_number(count, words, "--group", 16);
    bench.books = bench_number(count, words, "--books", 50);
    bench.meters = bench_number(count, words, "--meters", 400);
    if (months == 0 || per_batch == 0 || group == 0 || group > DS_COMMIT_BATCHES_MAX ||
        bench.books * bench.meters == 0 || per_batch > DS_BATCH_OPS_MAX) {
        bench_fail("a size is out of range");
    }
    open_bench(&bench, dir);
    measure(&bench, dir, months, per_batch, group);
    if (bench_number(count, words, "--rebuild", 0) != 0) {
        double took = rebuild_s(&bench);
        printf(", \"rebuild_s\": %.3f, \"rebuild_readings_per_s\": %.0f", took,
               (double)(months * bench.books * bench.meters) / took);
    }
    printf("}\n");
    close_bench(&bench);
    return 0;
}

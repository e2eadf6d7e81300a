/* Power cuts at every step of a server's life: doorstepd and the commands that write a station run
 * under the recorder, a real handheld works with it, and what may be on the disk at each moment is
 * opened, verified and asked for what was acknowledged.
 *
 * An argument multiplies the random states: server_states_test 20. */
#include "doorstep.h"
#include "server/site.h"
#include "sync/core/tables.h"
#include "tests/support/disk_log.h"
#include "tests/support/recorded.h"
#include "tests/support/report.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS 10

static unsigned factor = 1;
static uint64_t states;

/* What the handheld was told: the signed head that it keeps. */
struct message {
    uint64_t size; /* 0: the station is made, and nothing was acknowledged to a handheld. */
    uint8_t root[32];
};

/* ---- The recorded life ---------------------------------------------------------------------- */

struct life {
    struct scratch root;    /* The station is root/st. */
    struct scratch outside; /* The log; what the daemon says. */
    char log[SCRATCH_PATH_SIZE];
    char station[SCRATCH_PATH_SIZE];
    char said[SCRATCH_PATH_SIZE];
    char answer[SCRATCH_PATH_SIZE];
    struct recorded settings;
    pid_t daemon;
    struct ds_store *store; /* Of the handheld. */
    struct ds_handheld *h;
};

static void command(const struct life *life, const char *const *argv)
{
    assert_int_equal(recorded_run(&life->settings, argv), 0);
}

static size_t read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t used = file != NULL ? fread(text, 1, size - 1, file) : 0;
    text[used] = '\0';
    if (file != NULL) {
        (void)fclose(file);
    }
    return used;
}

static void make_station(const struct life *life)
{
    static const char *const kinds[] = {"station", "worker",   "book",
                                        "account", "premises", "meter"};
    char from[64];
    const char *st = life->station;
    command(life, (const char *[]){"doorstep", "station", "init", st, "--number", "BAD01", "--name",
                                   "站", "--offset", "+08:00", "--sample", NULL});
    recorded_message(life->log, &(struct message){0}, sizeof(struct message));
    for (size_t i = 0; i < DS_COUNT(kinds); i++) {
        (void)snprintf(from, sizeof from, "tests/data/bad/base/%s.csv", kinds[i]);
        command(life, (const char *[]){"doorstep", "import", st, from, "--kind", kinds[i], NULL});
    }
    command(life, (const char *[]){"doorstep", "period", "open", st, "--all", "--period", "202601",
                                   NULL});
}

static void start_daemon(struct life *life, char url[static 64])
{
    char text[8192];
    const struct timespec moment = {.tv_nsec = 5000000};

    struct recorded settings = life->settings;
    settings.err = life->said;
    life->daemon = recorded_start(&settings, (const char *[]){"doorstepd", "--data", life->station,
                                                              "--listen", "127.0.0.1:0", NULL});
    const char *port = NULL;
    for (unsigned i = 0; port == NULL; i++) {
        assert_true(i < 4000 && kill(life->daemon, 0) == 0);
        (void)nanosleep(&moment, NULL);
        (void)read_file(life->said, text, sizeof text);
        port = strstr(text, "event=ready listen=");
    }
    (void)snprintf(url, 64, "http://127.0.0.1:%lu", strtoul(strchr(port, ':') + 1, NULL, 10));
}

static void stop_daemon(struct life *life)
{
    int status = 0;
    assert_int_equal(kill(life->daemon, SIGTERM), 0);
    assert_int_equal(waitpid(life->daemon, &status, 0), life->daemon);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int hardware(void *context, uint8_t secret[32])
{
    (void)context;
    memset(secret, 1, 32);
    return DS_E_OK;
}

static void enrol(struct life *life, const char *url)
{
    char code[1024];
    struct ds_handheld_detail detail = {""};
    command(life, (const char *[]){"doorstep", "device", "code", life->station, "--worker", "W01",
                                   "--url", url, NULL});
    size_t size = read_file(life->answer, code, sizeof code);
    code[size - 1] = '\0';
    assert_int_equal(ds_store_memory_open(0, &life->store), DS_OK);
    const struct ds_handheld_options options = {
        .store = life->store, .hardware = {hardware, NULL}, .argon = {1, 8192}};
    assert_int_equal(ds_handheld_open(&options, "246810", &life->h, &detail), DS_E_OK);
    assert_int_equal(ds_handheld_enrol(life->h, code, &detail), DS_E_OK);
}

static void sync_and_note(struct life *life)
{
    struct ds_handheld_detail detail = {""};
    struct ds_handheld_status status;
    struct message message;
    int error = ds_handheld_sync(life->h, NULL, &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(error, DS_E_OK);
    assert_int_equal(ds_handheld_status(life->h, &status), DS_E_OK);
    message.size = status.head_size;
    memcpy(message.root, status.head_root, sizeof message.root);
    recorded_message(life->log, &message, sizeof message);
}

static void work(struct life *life, unsigned round)
{
    struct ds_handheld_detail detail = {""};
    char number[8];
    for (unsigned i = 0; i < 3; i++) {
        struct ds_handheld_reading reading = {.has_index = true, .index = 1000 + 10 * round};
        (void)snprintf(number, sizeof number, "100%u", 1 + (round + i) % 5);
        assert_int_equal(ds_handheld_meter_by_number(life->h, NULL, number, &reading.meter),
                         DS_E_OK);
        int error = ds_handheld_record_reading(life->h, &reading, NULL, &detail);
        assert_string_equal(detail.text, "");
        assert_int_equal(error, DS_E_OK);
    }
}

/* A station is made and filled; a handheld enrols, pulls, and hands in its rounds. */
static void live(struct life *life)
{
    char url[64];
    memset(life, 0, sizeof *life);
    scratch_make_fast(&life->root);
    scratch_make_fast(&life->outside);
    scratch_join(&life->outside, "log", life->log);
    scratch_join(&life->outside, "said", life->said);
    scratch_join(&life->outside, "answer", life->answer);
    scratch_join(&life->root, "st", life->station);
    life->settings =
        (struct recorded){.root = life->root.path, .log = life->log, .out = life->answer};
    make_station(life);
    start_daemon(life, url);
    enrol(life, url);
    sync_and_note(life);
    for (unsigned round = 0; round < ROUNDS; round++) {
        work(life, round);
        sync_and_note(life);
    }
    stop_daemon(life);
    struct ds_handheld_status status;
    assert_int_equal(ds_handheld_status(life->h, &status), DS_E_OK);
    assert_int_equal(status.unsent, 0);
    ds_handheld_close(life->h);
    ds_store_close(life->store);
}

static void end_life(const struct life *life)
{
    scratch_remove(&life->root);
    scratch_remove(&life->outside);
}

/* ---- The judge ------------------------------------------------------------------------------ */

/* The tree's root when the journal had so many entries. */
static struct ds_hash root_at(struct ds_txn *txn, uint64_t size)
{
    struct ds_tree tree = {.size = 0};
    for (uint64_t number = 1; number <= size; number++) {
        struct ds_key key = ds_key_journal(number);
        struct ds_slice bytes;
        struct ds_hash leaf;
        assert_int_equal(ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes), DS_OK);
        assert_int_equal(ds_entry_leaf_of(bytes, &leaf), DS_OK);
        ds_tree_append(&tree, &leaf);
    }
    return ds_tree_root(&tree);
}

static void must_be_clean(struct ds_store *store)
{
    uint64_t values = 0;
    uint64_t bad = 0;
    struct ds_detail detail = {""};
    enum ds_err err = ds_store_scrub(store, &values, &bad, &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(err, DS_OK);
}

static void must_refold(struct ds_shard *shard)
{
    struct ds_store *again = NULL;
    struct ds_hash have;
    struct ds_hash made;
    struct ds_detail detail = {""};
    assert_int_equal(ds_store_memory_open(0, &again), DS_OK);
    assert_int_equal(ds_shard_rebuild(shard, again, NULL, &have, &made, &detail), DS_OK);
    assert_memory_equal(&have, &made, sizeof have);
    ds_store_close(again);
}

static void judge_site(struct ds_site *site, const struct message *message)
{
    struct ds_detail detail = {""};
    struct ds_head head;
    struct ds_txn *txn = NULL;
    enum ds_err err = ds_shard_verify(&site->shard, NULL, &head, &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(err, DS_OK);
    assert_true(head.size >= message->size);
    if (message->size > 0) {
        assert_int_equal(ds_store_begin(site->store, false, &txn), DS_OK);
        struct ds_hash root = root_at(txn, message->size);
        ds_txn_abort(txn);
        assert_memory_equal(root.byte, message->root, sizeof message->root);
    }
    must_be_clean(site->store);
    must_be_clean(site->key_store);
    if (states % 8 == 0) {
        must_refold(&site->shard);
    }
    assert_int_equal(ds_shard_tick(&site->shard), DS_OK);
}

/* made: the station was said to be made. */
static void judge(const char *dir, bool made, const struct message *message)
{
    struct ds_site *site = calloc(1, sizeof *site);
    struct ds_detail detail = {""};
    assert_non_null(site);
    enum ds_err err = ds_site_open(site, dir, NULL, &detail);
    if (!made && err == DS_ERR_NOT_FOUND) {
        free(site);
        return;
    }
    if (err != DS_OK) {
        fail_msg("the station does not open: %s: %s", ds_err_text(err), detail.text);
    }
    judge_site(site, message);
    ds_site_close(site);
    free(site);
}

static void judge_all(struct disk_log *log, unsigned random_each)
{
    struct scratch fresh;
    char dir[SCRATCH_PATH_SIZE];
    scratch_make_fast(&fresh);
    scratch_join(&fresh, "st", dir);
    for (size_t at = 0; at <= log->count; at++) {
        struct message message = {0};
        bool made = disk_log_message(log, at, &message, sizeof message);
        for (unsigned i = 0; i < 2 + random_each; i++) {
            struct disk_cut cut = {.at = at,
                                   .mode = i < 2 ? (enum disk_mode)i : DISK_RANDOM,
                                   .seed = at * 1000003 + i};
            disk_log_lay_out(log, &cut, &fresh);
            judge(dir, made, &message);
            states++;
        }
    }
    scratch_remove(&fresh);
}

/* The recording is whole: all of it gives the store that is there. */
static void must_equal_file(const struct scratch *a, const struct scratch *b, const char *name)
{
    static char bytes[2][8 << 20];
    char path[2][SCRATCH_PATH_SIZE];
    scratch_join(a, name, path[0]);
    scratch_join(b, name, path[1]);
    size_t size = read_file(path[0], bytes[0], sizeof bytes[0]);
    assert_true(size > 0);
    assert_int_equal(read_file(path[1], bytes[1], sizeof bytes[1]), size);
    assert_memory_equal(bytes[0], bytes[1], size);
}

static void case_f7__a_server_cut_off_at_any_write_has_all_that_it_acknowledged(void **state)
{
    (void)state;
    struct life life;
    struct scratch fresh;
    live(&life);
    struct disk_log *log = disk_log_read(life.log);
    scratch_make_fast(&fresh);
    const struct disk_cut whole = {.at = log->count, .mode = DISK_ALL};
    disk_log_lay_out(log, &whole, &fresh);
    must_equal_file(&life.root, &fresh, "st/store/data.mdb");
    must_equal_file(&life.root, &fresh, "st/keys/store/data.mdb");
    must_equal_file(&life.root, &fresh, "st/doorstep.ini");
    scratch_remove(&fresh);
    judge_all(log, 8 * factor);
    print_message("     %zu events, %llu states\n", log->count, (unsigned long long)states);
    assert_true(states >= 2000);
    disk_log_free(log);
    end_life(&life);
}

int main(int argc, char **argv)
{
    struct timespec began;
    struct timespec ended;
    if (argc == 2) {
        factor = (unsigned)strtoul(argv[1], NULL, 10);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_f7__a_server_cut_off_at_any_write_has_all_that_it_acknowledged),
    };
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    const struct report report = {
        "crash_states_server",      "ctest -R crash.server_states",
        "states after a power cut", states,
        (uint64_t)failed,           (double)(ended.tv_sec - began.tv_sec)};
    report_write(&report);
    return failed;
}

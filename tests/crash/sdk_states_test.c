/* Power cuts and disk errors at every step of a handheld's life: the real SDK on its own folder
 * runs under the recorder and saboteur, a server in another process answers it, and what may be on
 * its disk at each moment is opened and asked for what was recorded.
 *
 * An argument multiplies the random states: sdk_states_test 20. */
#include "tests/support/disk_log.h"
#include "tests/support/line.h"
#include "tests/support/recorded.h"
#include "tests/support/report.h"

#include <errno.h>
#include <time.h>

#define PIN "246810"
#define ROUNDS 12
#define WORK_OPS 3 /* Of a round. */

static unsigned factor = 1;
static uint64_t states;

/* ---- The handheld's process ----------------------------------------------------------------- */

/* What the SDK let go out into the world: ops whose recording returned, and whether the enrolment
 * and the last sync did. */
struct message {
    uint64_t recorded;
    uint64_t received;
    uint64_t enrolled;
};

/* How it ended: the first error of a call, of the call after it, and what was acknowledged. */
struct ending {
    int error;
    int after;
    uint64_t recorded;
};

static struct ds_handheld_options options_of(const char *dir)
{
    return (struct ds_handheld_options){
        .dir = dir, .argon = {1, 8192}, .timeout_s = 5, .model = "crashing"};
}

struct crashing {
    struct ds_handheld *h;
    int acks;
    struct message message;
};

static void tell(struct crashing *c)
{
    if (write(c->acks, &c->message, sizeof c->message) != (ssize_t)sizeof c->message) {
        _exit(9);
    }
}

/* One op; told to the world when its recording has returned. */
static int record_one(struct crashing *c, const struct ds_handheld_id *meter, unsigned i)
{
    const struct ds_handheld_visit visit = {
        .meter = *meter, .period = 202601, .outcome = DS_HANDHELD_NO_ACCESS, .note = "nobody"};
    const struct ds_handheld_reading reading = {
        .meter = *meter, .period = 202601, .has_index = true, .index = 120 + i};
    struct ds_handheld_status status;
    int error = i % 3 == 2 ? ds_handheld_record_visit(c->h, &visit, NULL, NULL)
                           : ds_handheld_record_reading(c->h, &reading, NULL, NULL);
    if (error == DS_E_OK) {
        error = ds_handheld_status(c->h, &status);
        c->message.recorded = status.recorded;
        tell(c);
    }
    return error;
}

static int one_round(struct crashing *c, unsigned round)
{
    struct ds_handheld_id meter;
    struct ds_handheld_status status;
    char number[8];
    (void)snprintf(number, sizeof number, "A%u", 1 + round % TEST_OFFICE_METERS);
    int error = ds_handheld_meter_by_number(c->h, NULL, number, &meter);
    for (unsigned i = 0; error == DS_E_OK && i < WORK_OPS; i++) {
        error = record_one(c, &meter, i + round);
    }
    if (error == DS_E_OK && round % 2 == 1) {
        error = ds_handheld_sync(c->h, NULL, NULL);
        if (error == DS_E_OK) {
            error = ds_handheld_status(c->h, &status);
            c->message.received = status.received;
            tell(c);
        }
    }
    return error;
}

static int start_life(struct crashing *c, const char *dir, const char *code)
{
    const struct ds_handheld_options options = options_of(dir);
    struct ds_handheld_detail detail = {""};
    int error = ds_handheld_open(&options, PIN, &c->h, &detail);
    if (error == DS_E_OK) {
        error = ds_handheld_enrol(c->h, code, &detail);
    }
    if (error == DS_E_OK) {
        c->message.enrolled = 1;
        tell(c);
        error = ds_handheld_sync(c->h, NULL, &detail);
    }
    return error;
}

/* argv: --handheld ROOT CODE ENDING. */
static int handheld_main(char **argv)
{
    struct crashing c = {.h = NULL};
    struct ending ending = {.error = DS_E_OK};
    char path[SCRATCH_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/acks", argv[2]);
    c.acks = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)snprintf(path, sizeof path, "%s/h", argv[2]);
    ending.error = start_life(&c, path, argv[3]);
    for (unsigned round = 0; ending.error == DS_E_OK && round < ROUNDS; round++) {
        ending.error = one_round(&c, round);
    }
    if (c.h != NULL && ending.error != DS_E_OK) {
        ending.after = ds_handheld_sync(c.h, NULL, NULL);
    }
    ds_handheld_close(c.h);
    ending.recorded = c.message.recorded;
    int out = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool told = out >= 0 && write(out, &ending, sizeof ending) == (ssize_t)sizeof ending;
    return told ? 0 : 8;
}

/* ---- Its surroundings ----------------------------------------------------------------------- */

struct world {
    struct line line;
    struct scratch root;
    struct scratch outside;
    char log[SCRATCH_PATH_SIZE];
    char ending[SCRATCH_PATH_SIZE];
};

static void open_world(struct world *world)
{
    line_open(&world->line);
    scratch_make_fast(&world->root);
    scratch_make_fast(&world->outside);
    scratch_join(&world->outside, "log", world->log);
    scratch_join(&world->outside, "ending", world->ending);
}

static void close_world(struct world *world)
{
    line_close(&world->line);
    scratch_remove(&world->root);
    scratch_remove(&world->outside);
}

static struct ending run_handheld(struct world *world, const struct recorded *settings)
{
    char code[1024];
    struct ending ending;
    struct recorded here = *settings;
    here.root = world->root.path;
    walker_code(&(struct walker){.line = &world->line}, code);
    int status = recorded_run(&here, (const char *[]){"/proc/self/exe", "--handheld",
                                                      world->root.path, code, world->ending, NULL});
    assert_int_equal(status, 0);
    int in = open(world->ending, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(in, &ending, sizeof ending), sizeof ending);
    close(in);
    return ending;
}

/* ---- The judge ------------------------------------------------------------------------------ */

static bool count_in_order(void *context, const struct ds_handheld_log_entry *entry)
{
    uint64_t *count = context;
    assert_int_equal(entry->seq, *count + 1);
    ++*count;
    return true;
}

/* A handheld that was cut off has everything whose recording returned, is whole, and works on. */
static void judge_open(struct ds_handheld *h, const struct message *message)
{
    uint64_t values = 0;
    uint64_t bad = 0;
    uint64_t count = 0;
    struct ds_handheld_detail detail = {""};
    struct ds_handheld_status status;
    assert_int_equal(ds_handheld_status(h, &status), DS_E_OK);
    assert_true(status.enrolled || message->enrolled == 0);
    /* One op at most was on its way; the first brings the one that names this life. */
    uint64_t underway = message->recorded == 0 ? 2 : 1;
    assert_in_range(status.recorded, message->recorded, message->recorded + underway);
    assert_true(status.received >= message->received);
    assert_int_equal(status.lives, message->recorded > 0 ? 1 : status.lives);
    assert_int_equal(ds_handheld_log(h, false, count_in_order, &count), DS_E_OK);
    assert_int_equal(count, status.recorded);
    int error = ds_handheld_scrub(h, &values, &bad, &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(error, DS_E_OK);
    if (message->recorded > 0) {
        struct ds_handheld_id meter;
        struct crashing next = {.h = h, .acks = open("/dev/null", O_WRONLY | O_CLOEXEC)};
        assert_int_equal(ds_handheld_meter_by_number(h, NULL, "A1", &meter), DS_E_OK);
        assert_int_equal(record_one(&next, &meter, 0), DS_E_OK);
        assert_int_equal(next.message.recorded, status.recorded + 1);
        close(next.acks);
    }
}

static void judge(const char *dir, const struct message *message)
{
    const struct ds_handheld_options options = options_of(dir);
    struct ds_handheld_detail detail = {""};
    struct ds_handheld *h = NULL;
    int error = ds_handheld_open(&options, PIN, &h, &detail);
    if (error != DS_E_OK) {
        fail_msg("the handheld does not open: %s: %s", ds_handheld_error_name(error), detail.text);
    }
    judge_open(h, message);
    ds_handheld_close(h);
}

static void judge_all(struct disk_log *log, unsigned random_each)
{
    struct scratch fresh;
    char dir[SCRATCH_PATH_SIZE];
    scratch_make_fast(&fresh);
    scratch_join(&fresh, "h", dir);
    for (size_t at = 0; at <= log->count; at++) {
        struct message message = {0};
        (void)disk_log_message(log, at, &message, sizeof message);
        for (unsigned i = 0; i < 2 + random_each; i++) {
            struct disk_cut cut = {.at = at,
                                   .mode = i < 2 ? (enum disk_mode)i : DISK_RANDOM,
                                   .seed = at * 1000003 + i};
            disk_log_lay_out(log, &cut, &fresh);
            judge(dir, &message);
            states++;
        }
    }
    scratch_remove(&fresh);
}

static void case_f7__a_handheld_cut_off_at_any_write_has_all_that_it_recorded(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    struct ending ending = run_handheld(&world, &(struct recorded){.log = world.log});
    assert_int_equal(ending.error, DS_E_OK);
    assert_true(ending.recorded >= (uint64_t)ROUNDS * WORK_OPS);
    struct disk_log *log = disk_log_read(world.log);
    judge_all(log, 8 * factor);
    print_message("     %zu events, %llu states\n", log->count, (unsigned long long)states);
    assert_true(states >= 2500);
    disk_log_free(log);
    close_world(&world);
}

/* ---- Errors of the disk --------------------------------------------------------------------- */

/* One life in which the nth call fails. False: it had no nth call. */
static bool one_failure(struct world *world, const char *call, unsigned nth, int number)
{
    char fail[32];
    char dir[SCRATCH_PATH_SIZE];
    scratch_empty(&world->root);
    (void)snprintf(fail, sizeof fail, "%s:%u:%d", call, nth, number);
    struct ending ending = run_handheld(world, &(struct recorded){.fail = fail});
    if (ending.error == DS_E_OK) {
        return false;
    }
    assert_true(ending.error == DS_E_IO || (ending.error == DS_E_FULL && number != EIO));
    /* Nothing is acknowledged after it, and nothing leaves any more. */
    assert_true(ending.after != DS_E_OK || ending.recorded == 0);
    scratch_join(&world->root, "h", dir);
    judge(dir, &(struct message){.recorded = ending.recorded});
    return true;
}

static void each_failure(const char *call, int number)
{
    struct world world;
    unsigned nth = 1;
    open_world(&world);
    while (one_failure(&world, call, nth, number)) {
        nth++;
        assert_true(nth < 2000);
    }
    print_message("     %s %d: %u failures\n", call, number, nth - 1);
    assert_true(nth > (unsigned)ROUNDS * WORK_OPS);
    close_world(&world);
}

static void case_f11__an_io_error_of_any_sync_ends_recording(void **state)
{
    (void)state;
    each_failure("sync", EIO);
}

static void case_f11__an_io_error_of_any_write_ends_recording(void **state)
{
    (void)state;
    each_failure("meta", EIO);
}

int main(int argc, char **argv)
{
    struct timespec began;
    struct timespec ended;
    if (argc == 5 && strcmp(argv[1], "--handheld") == 0) {
        return handheld_main(argv);
    }
    if (argc == 2) {
        factor = (unsigned)strtoul(argv[1], NULL, 10);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_f7__a_handheld_cut_off_at_any_write_has_all_that_it_recorded),
        cmocka_unit_test(case_f11__an_io_error_of_any_sync_ends_recording),
        cmocka_unit_test(case_f11__an_io_error_of_any_write_ends_recording),
    };
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    const struct report report = {
        "crash_states_sdk",         "ctest -R crash.sdk_states",
        "states after a power cut", states,
        (uint64_t)failed,           (double)(ended.tv_sec - began.tv_sec)};
    report_write(&report);
    return failed;
}

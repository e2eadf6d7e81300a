/* Power cuts at every step of a run (cases F7 and F10): what may be on the disk then
 * (tests/support/disk_log.h) is laid out in a fresh folder, and the judge opens it.
 *
 * An argument multiplies the number of random states: power_cut_test 50. */
#include "tests/crash/crash_child.h"
#include "tests/support/disk_log.h"
#include "tests/support/report.h"

#include <errno.h>
#include <time.h>

#define COMMITS 24U

static uint64_t judged;

/* The last acknowledgement that left before the cut. */
static uint32_t acked_before(const struct disk_log *log, size_t at)
{
    uint8_t acked = 0;
    return disk_log_message(log, at, &acked, sizeof acked) ? acked : 0;
}

/* All cuts from an event on. How many states were judged. */
static unsigned judge_all(struct disk_log *recording, size_t from, unsigned random_each)
{
    struct scratch fresh;
    char dir[SCRATCH_PATH_SIZE];
    unsigned states = 0;
    scratch_make_fast(&fresh);
    scratch_join(&fresh, "store", dir);
    for (size_t at = from; at <= recording->count; at++) {
        for (unsigned i = 0; i < 2 + random_each; i++) {
            /* The seed names the state: cmocka shows this when the case fails. */
            struct disk_cut cut = {.at = at,
                                   .mode = i < 2 ? (enum disk_mode)i : DISK_RANDOM,
                                   .seed = at * 1000003 + i};
            disk_log_lay_out(recording, &cut, &fresh);
            uint32_t acked = acked_before(recording, at);
            (void)crash_judge(dir, acked, acked + 1);
            states++;
            judged++;
        }
    }
    scratch_remove(&fresh);
    return states;
}

/* ---- The cases ------------------------------------------------------------------------------ */

static unsigned factor = 1;

static struct disk_log *record_runs(const char *fail, uint32_t first, uint32_t commits)
{
    struct scratch root;
    struct scratch outside;
    char log[SCRATCH_PATH_SIZE];
    scratch_make_fast(&root);
    scratch_make_fast(&outside);
    scratch_join(&outside, "log", log);
    struct recorded settings = {.log = log, .fail = fail};
    if (fail != NULL) {
        (void)crash_child_run(&root, first, &settings);
        settings.fail = NULL;
    }
    struct crash_report report = crash_child_run(&root, commits, &settings);
    assert_int_equal(report.open, DS_OK);
    assert_int_equal(report.commit, DS_OK);
    assert_int_equal(report.acked, commits);
    struct disk_log *recording = disk_log_read(log);
    scratch_remove(&root);
    scratch_remove(&outside);
    return recording;
}

static void case_f7__a_power_cut_at_any_write_loses_nothing_acknowledged(void **state)
{
    (void)state;
    struct disk_log *recording = record_runs(NULL, 0, COMMITS);
    unsigned states = judge_all(recording, disk_log_after_messages(recording, 1), 4 * factor);
    print_message("%u states after the first commit\n", states);
    assert_true(states >= 500);
    disk_log_free(recording);
}

static void case_f10__a_power_cut_during_birth_leaves_nothing_or_a_store(void **state)
{
    (void)state;
    struct disk_log *recording = record_runs(NULL, 0, 2);
    unsigned states = judge_all(recording, 0, 8 * factor);
    print_message("%u states of birth and two commits\n", states);
    assert_true(states >= 150);
    disk_log_free(recording);
}

/* A writer dies in its birth before its folders are synced; the next one must do it. */
static void case_f10__names_left_unsynced_by_a_killed_birth_are_synced_at_open(void **state)
{
    (void)state;
    unsigned states = 0;
    for (unsigned sync = 1; sync <= 8; sync++) {
        char fail[32];
        (void)snprintf(fail, sizeof fail, "sync:%u:%d", sync, EIO);
        struct disk_log *recording = record_runs(fail, 1, 3);
        states += judge_all(recording, disk_log_after_messages(recording, 1), factor);
        disk_log_free(recording);
    }
    print_message("%u states\n", states);
}

/* A writer is killed in the write that makes a commit visible: the next one reads that commit and
 * acknowledges it, though it never was on the disk. */
static void case_f7__a_commit_of_a_killed_writer_is_durable_before_it_is_acknowledged(void **state)
{
    (void)state;
    unsigned states = 0;
    for (unsigned meta = 2; meta <= 6; meta++) {
        char fail[32];
        (void)snprintf(fail, sizeof fail, "meta:%u:-1", meta);
        struct disk_log *recording = record_runs(fail, 8, 10);
        states += judge_all(recording, disk_log_after_messages(recording, 1), factor);
        disk_log_free(recording);
    }
    print_message("%u states\n", states);
}

int main(int argc, char **argv)
{
    struct timespec began;
    struct timespec ended;
    if (crash_child_main(argc, argv)) {
        return 0;
    }
    if (argc == 2) {
        factor = (unsigned)strtoul(argv[1], NULL, 10);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_f7__a_power_cut_at_any_write_loses_nothing_acknowledged),
        cmocka_unit_test(case_f7__a_commit_of_a_killed_writer_is_durable_before_it_is_acknowledged),
        cmocka_unit_test(case_f10__a_power_cut_during_birth_leaves_nothing_or_a_store),
        cmocka_unit_test(case_f10__names_left_unsynced_by_a_killed_birth_are_synced_at_open),
    };
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    const struct report report = {
        "crash_states_store",       "ctest -R crash.power_cut",
        "states after a power cut", judged,
        (uint64_t)failed,           (double)(ended.tv_sec - began.tv_sec)};
    report_write(&report);
    return failed;
}

/* Errors of the disk at each write and sync of a run: nothing acknowledged is lost, and nothing is
 * acknowledged after the first error (case F11). */
#include "tests/crash/crash_child.h"

#include <errno.h>

#define COMMITS 10U

static int setup(void **state)
{
    struct scratch *root = calloc(1, sizeof *root);
    assert_non_null(root);
    scratch_make_fast(root);
    *state = root;
    return 0;
}

static int teardown(void **state)
{
    scratch_remove(*state);
    free(*state);
    return 0;
}

/* LMDB takes a short write for a full disk in one place and for an error in another. */
static void must_be_error_of(enum ds_err err, int error)
{
    assert_true((err == DS_ERR_IO && error != ENOSPC) || (err == DS_ERR_FULL && error != EIO));
}

/* One run in which the nth call fails. False when the run had no nth call. */
static bool one_failure(const struct scratch *root, const char *call, unsigned nth, int error)
{
    char fail[32];
    char dir[SCRATCH_PATH_SIZE];
    scratch_empty(root);
    scratch_join(root, "store", dir);
    (void)snprintf(fail, sizeof fail, "%s:%u:%d", call, nth, error);
    struct recorded settings = {.fail = fail};
    struct crash_report report = crash_child_run(root, COMMITS, &settings);
    if (report.open != DS_OK) {
        /* Birth failed: there is no store, or a whole one. */
        assert_int_equal(report.acked, 0);
        must_be_error_of(report.open, error);
        (void)crash_judge(dir, 0, 0);
        return true;
    }
    if (report.commit == DS_OK) {
        assert_int_equal(report.acked, COMMITS);
        (void)crash_judge(dir, COMMITS, COMMITS);
        return false;
    }
    must_be_error_of(report.commit, error);
    /* Broken: it takes no further write, and reads what it had, as far as LMDB still reads. */
    assert_int_equal(report.after, DS_ERR_IO);
    assert_true(report.read == DS_OK || report.read == DS_ERR_IO);
    assert_true(report.read != DS_OK || report.seen == report.acked);
    (void)crash_judge(dir, report.acked, report.acked + 1);
    return true;
}

static void each_failure(const struct scratch *root, const char *call, int error)
{
    unsigned nth = 1;
    while (one_failure(root, call, nth, error)) {
        nth++;
        assert_true(nth < 1000);
    }
    /* Each commit makes at least one such call. */
    assert_true(nth > COMMITS);
}

static void case_f11__an_io_error_of_any_sync_ends_acknowledging(void **state)
{
    each_failure(*state, "sync", EIO);
}

static void case_f11__an_io_error_of_any_write_ends_acknowledging(void **state)
{
    each_failure(*state, "data", EIO);
    each_failure(*state, "meta", EIO);
}

static void disk_full__at_any_write_loses_nothing_acknowledged(void **state)
{
    each_failure(*state, "data", ENOSPC);
    each_failure(*state, "meta", ENOSPC);
}

static void short_write__of_any_write_loses_nothing_acknowledged(void **state)
{
    each_failure(*state, "data", 0);
    each_failure(*state, "meta", 0);
}

static void case_f12__below_the_disk_reserve_writing_is_refused_before_it_begins(void **state)
{
    static const struct {
        const char *avail;
        enum ds_err commit;
    } rows[] = {{"16777215", DS_ERR_FULL}, {"16777216", DS_OK}};
    char dir[SCRATCH_PATH_SIZE];
    scratch_join(*state, "store", dir);
    for (uint32_t row = 0; row < DS_COUNT(rows); row++) {
        struct recorded settings = {.avail = rows[row].avail};
        struct crash_report report = crash_child_run(*state, COMMITS, &settings);
        assert_int_equal(report.open, DS_OK);
        assert_int_equal(report.commit, rows[row].commit);
        /* Refused before, so nothing is broken. */
        assert_int_equal(report.after, DS_OK);
        assert_int_equal(report.acked, row == 0 ? 0 : COMMITS);
    }
}

int main(int argc, char **argv)
{
    if (crash_child_main(argc, argv)) {
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(case_f11__an_io_error_of_any_sync_ends_acknowledging, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(case_f11__an_io_error_of_any_write_ends_acknowledging,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(disk_full__at_any_write_loses_nothing_acknowledged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(short_write__of_any_write_loses_nothing_acknowledged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            case_f12__below_the_disk_reserve_writing_is_refused_before_it_begins, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

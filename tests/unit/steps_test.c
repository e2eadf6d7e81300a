#include "schema/rules/steps.h"
#include "tests/support/test.h"

/* Row: from; letter per target in the order of the list: x legal, . not. */
static void check_table(enum ds_list list, bool (*ok)(int64_t, int64_t), const char *const *rows)
{
    int64_t last = ds_enum_last(list);
    for (int64_t from = 0; from <= last; from++) {
        for (int64_t to = 1; to <= last; to++) {
            assert_int_equal(ok(from, to), rows[from][to - 1] == 'x');
            assert_int_equal(ds_step_ok(list, from, to), rows[from][to - 1] == 'x');
        }
        assert_false(ok(from, 0));
        assert_false(ok(from, last + 1));
        assert_false(ok(from, -1));
        assert_false(ok(from, INT64_MAX));
    }
    assert_false(ok(last + 1, 1));
    assert_false(ok(-1, 1));
    assert_false(ok(INT64_MIN, 1));
}

static void task__only_these_steps_are_legal(void **state)
{
    (void)state;
    /* created assigned accepted working done approved returned reassigned cancelled */
    static const char *const rows[] = {
        "xx.......", /* nothing yet */
        ".x......x", /* created */
        "..xxx.xxx", /* assigned */
        "...xx.xxx", /* accepted */
        "....x.xxx", /* working */
        ".....xx..", /* done */
        ".........", /* approved */
        ".x.....xx", /* returned */
        "..xxx.x.x", /* reassigned */
        ".........", /* cancelled */
    };
    assert_int_equal(ds_enum_last(DS_LIST_task_state) + 1, DS_COUNT(rows));
    check_table(DS_LIST_task_state, ds_task_step_ok, rows);
}

static void period__it_goes_forward_one_at_a_time_and_never_reopens(void **state)
{
    (void)state;
    /* open reading_closed billed closed */
    static const char *const rows[] = {"x..x", ".x..", "..x.", "...x", "...."};
    assert_int_equal(ds_enum_last(DS_LIST_period_state) + 1, DS_COUNT(rows));
    check_table(DS_LIST_period_state, ds_period_step_ok, rows);
}

static void device__what_was_revoked_or_wiped_never_returns(void **state)
{
    (void)state;
    /* active suspended revoked wiped locked */
    static const char *const rows[] = {"x....", ".xxxx", "x.xxx", "...x.", ".....", "xxxx."};
    assert_int_equal(ds_enum_last(DS_LIST_device_state) + 1, DS_COUNT(rows));
    check_table(DS_LIST_device_state, ds_device_step_ok, rows);
}

static void step__lists_without_a_machine_allow_any_change(void **state)
{
    (void)state;
    assert_true(ds_step_ok(DS_LIST_meter_state, DS_METER_merged, DS_METER_active));
    assert_false(ds_step_ok(DS_LIST_meter_state, DS_METER_active, DS_METER_active));
}

static void gravity__hazard_grade_1_is_the_gravest(void **state)
{
    (void)state;
    static const int64_t ascending[] = {0, DS_HAZARD_none, DS_HAZARD_grade_3, DS_HAZARD_grade_2,
                                        DS_HAZARD_grade_1};
    for (size_t i = 1; i < DS_COUNT(ascending); i++) {
        assert_true(ds_gravity(DS_LIST_hazard_grade, ascending[i - 1]) <
                    ds_gravity(DS_LIST_hazard_grade, ascending[i]));
    }
}

static void gravity__a_hold_is_graver_than_a_sample_and_that_than_a_note(void **state)
{
    (void)state;
    assert_true(ds_gravity(DS_LIST_severity, DS_SEVERITY_hold) >
                ds_gravity(DS_LIST_severity, DS_SEVERITY_sample));
    assert_true(ds_gravity(DS_LIST_severity, DS_SEVERITY_sample) >
                ds_gravity(DS_LIST_severity, DS_SEVERITY_note));
    assert_true(ds_gravity(DS_LIST_severity, DS_SEVERITY_note) > ds_gravity(DS_LIST_severity, 0));
    assert_int_equal(ds_gravity(DS_LIST_severity, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(task__only_these_steps_are_legal),
        cmocka_unit_test(period__it_goes_forward_one_at_a_time_and_never_reopens),
        cmocka_unit_test(device__what_was_revoked_or_wiped_never_returns),
        cmocka_unit_test(step__lists_without_a_machine_allow_any_change),
        cmocka_unit_test(gravity__hazard_grade_1_is_the_gravest),
        cmocka_unit_test(gravity__a_hold_is_graver_than_a_sample_and_that_than_a_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "schema/rules/choose.h"
#include "tests/support/slot_case.h"
#include "tests/support/test.h"

static struct ds_candidate of_grade(enum ds_grade grade)
{
    struct ds_candidate candidate = {
        .op = slot_case_id((uint8_t)(1 + grade)), .instant_ms = 1000, .has_index = true};
    switch (grade) {
    case DS_GRADE_decision:
        candidate.decided = true;
        candidate.method = DS_METHOD_estimate;
        break;
    case DS_GRADE_on_site_photo:
        candidate.method = DS_METHOD_on_site;
        candidate.photo = slot_case_photo(1);
        break;
    case DS_GRADE_on_site:
        candidate.method = DS_METHOD_on_site;
        break;
    case DS_GRADE_remote:
        candidate.method = DS_METHOD_remote;
        break;
    case DS_GRADE_card:
        candidate.method = DS_METHOD_card;
        break;
    case DS_GRADE_self_report:
        candidate.method = DS_METHOD_self_report;
        candidate.photo = slot_case_photo(2);
        break;
    case DS_GRADE_phone:
        candidate.method = DS_METHOD_phone;
        break;
    case DS_GRADE_estimate:
    case DS_GRADE_COUNT:
        candidate.method = DS_METHOD_estimate;
        break;
    }
    return candidate;
}

static void choose__the_shipped_precedence_is_the_rule_books(void **state)
{
    (void)state;
    for (int better = 0; better < DS_GRADE_COUNT; better++) {
        for (int worse = better + 1; worse < DS_GRADE_COUNT; worse++) {
            struct ds_candidate pair[2] = {of_grade((enum ds_grade)worse),
                                           of_grade((enum ds_grade)better)};
            pair[0].instant_ms = 2000; /* Later, and yet it loses. */
            assert_int_equal(ds_candidate_grade(&pair[0]), worse);
            assert_int_equal(ds_choose(pair, 2, ds_precedence_default()), 1);
        }
    }
}

static void choose__a_station_may_turn_the_table(void **state)
{
    (void)state;
    struct ds_precedence own = *ds_precedence_default();
    struct ds_candidate pair[2] = {of_grade(DS_GRADE_on_site), of_grade(DS_GRADE_remote)};
    own.rank[DS_GRADE_remote] = 0;
    assert_int_equal(ds_choose(pair, 2, &own), 1);
    assert_int_equal(ds_choose(pair, 2, ds_precedence_default()), 0);
}

static void choose__the_later_instant_breaks_a_tie(void **state)
{
    (void)state;
    struct ds_candidate pair[2] = {of_grade(DS_GRADE_on_site), of_grade(DS_GRADE_on_site)};
    pair[1].op = slot_case_id(0);
    pair[1].instant_ms = pair[0].instant_ms + 1;
    pair[0].order = 99; /* It arrived later; that counts for nothing. */
    assert_int_equal(ds_choose(pair, 2, ds_precedence_default()), 1);
}

static void choose__the_greater_op_breaks_a_tie_of_instants(void **state)
{
    (void)state;
    struct ds_candidate pair[2] = {of_grade(DS_GRADE_on_site), of_grade(DS_GRADE_on_site)};
    pair[0].op = slot_case_id(7);
    pair[1].op = slot_case_id(8);
    assert_int_equal(ds_choose(pair, 2, ds_precedence_default()), 1);
    pair[0].op.byte[0] = 1; /* The first byte weighs more than the last. */
    assert_int_equal(ds_choose(pair, 2, ds_precedence_default()), 0);
}

static void choose__without_an_index_nothing_beats_an_index(void **state)
{
    (void)state;
    struct ds_candidate pair[2] = {of_grade(DS_GRADE_on_site_photo), of_grade(DS_GRADE_estimate)};
    pair[0].has_index = false;
    assert_int_equal(ds_choose(pair, 2, ds_precedence_default()), 1);
    pair[1].has_index = false;
    assert_int_equal(ds_choose(pair, 2, ds_precedence_default()), 0);
}

static void choose__a_decided_volume_needs_no_index(void **state)
{
    (void)state;
    struct ds_candidate pair[2] = {of_grade(DS_GRADE_on_site_photo), of_grade(DS_GRADE_decision)};
    pair[1].has_index = false;
    assert_int_equal(ds_choose(pair, 2, ds_precedence_default()), 0);
    pair[1].has_volume = true;
    assert_int_equal(ds_choose(pair, 2, ds_precedence_default()), 1);
}

static void choose__only_regular_readings_compete(void **state)
{
    (void)state;
    for (int64_t purpose = 0; purpose <= ds_enum_last(DS_LIST_purpose); purpose++) {
        struct ds_candidate one = of_grade(DS_GRADE_on_site);
        one.purpose = (enum ds_purpose)purpose;
        bool competes = purpose == 0 || purpose == DS_PURPOSE_regular;
        assert_int_equal(ds_candidate_competes(&one), competes);
        assert_int_equal(ds_choose(&one, 1, ds_precedence_default()),
                         competes ? 0 : DS_CHOOSE_NONE);
    }
    assert_int_equal(ds_choose(NULL, 0, ds_precedence_default()), DS_CHOOSE_NONE);
}

static void grade__an_unknown_method_is_worth_an_estimate(void **state)
{
    (void)state;
    struct ds_candidate one = of_grade(DS_GRADE_on_site);
    one.method = (enum ds_method)99;
    assert_int_equal(ds_candidate_grade(&one), DS_GRADE_estimate);
}

static void cabinet__equal_names_are_one_cabinet_and_no_name_is_none(void **state)
{
    (void)state;
    uint64_t a = ds_cabinet_key(DS_SLICE_LIT("3-2-1F"));
    assert_true(a != 0);
    assert_true(a == ds_cabinet_key(DS_SLICE_LIT("3-2-1F")));
    assert_true(a != ds_cabinet_key(DS_SLICE_LIT("3-2-1G")));
    assert_true(ds_cabinet_key(DS_SLICE_LIT("")) == 0);
    /* FNV-1a 64 of "a" by its definition. */
    assert_true(ds_cabinet_key(DS_SLICE_LIT("a")) == UINT64_C(0xaf63dc4c8601ec8c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choose__the_shipped_precedence_is_the_rule_books),
        cmocka_unit_test(choose__a_station_may_turn_the_table),
        cmocka_unit_test(choose__the_later_instant_breaks_a_tie),
        cmocka_unit_test(choose__the_greater_op_breaks_a_tie_of_instants),
        cmocka_unit_test(choose__without_an_index_nothing_beats_an_index),
        cmocka_unit_test(choose__a_decided_volume_needs_no_index),
        cmocka_unit_test(choose__only_regular_readings_compete),
        cmocka_unit_test(grade__an_unknown_method_is_worth_an_estimate),
        cmocka_unit_test(cabinet__equal_names_are_one_cabinet_and_no_name_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rules of methods, conditions and several readings of one slot: a positive case and a near miss
 * each. */
#include "tests/support/slot_case.h"
#include "tests/support/test.h"

/* ---- Estimates and self-reports -------------------------------------------------------------- */

static void estimate_now(struct slot_case *slot)
{
    slot->candidate[0].method = DS_METHOD_estimate;
    slot->candidate[0].estimate_method = DS_ESTIMATE_same_season;
    slot->input.visit_proven = true;
}

static void estimates_3__the_third_in_a_row_is_sampled_and_the_second_is_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    estimate_now(&slot);
    slot_case_estimate_last(&slot, 1);
    assert_null(slot_case_judge(&slot, DS_RULE_estimates_3));
    slot_case_estimate_last(&slot, 2);
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_estimates_3);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->risk_fen, 18000); /* 60 m3 rest on estimates. */
    slot.candidate[0].method = DS_METHOD_phone; /* A number that someone read. */
    assert_null(slot_case_judge(&slot, DS_RULE_estimates_3));
}

static void estimate_limit__the_fourth_in_a_row_is_sampled_and_the_third_is_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    estimate_now(&slot);
    slot_case_estimate_last(&slot, 2);
    assert_null(slot_case_judge(&slot, DS_RULE_estimate_limit));
    slot_case_estimate_last(&slot, 3);
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_estimate_limit);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->why, DS_WHY_too_many_estimates);
}

static void estimate_limit__opening_final_and_swap_are_never_estimated(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    struct ds_candidate *second = slot_case_second(&slot);
    second->method = DS_METHOD_estimate;
    for (int64_t purpose = 1; purpose <= ds_enum_last(DS_LIST_purpose); purpose++) {
        second->purpose = (enum ds_purpose)purpose;
        const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_estimate_limit);
        bool forbidden = purpose == DS_PURPOSE_opening || purpose == DS_PURPOSE_final ||
                         purpose == DS_PURPOSE_swap_out || purpose == DS_PURPOSE_swap_in;
        assert_int_equal(finding != NULL, forbidden);
        if (finding != NULL) {
            assert_int_equal(finding->severity, DS_SEVERITY_hold);
            assert_true(ds_id_equal(&finding->op, &second->op));
        }
    }
}

static void estimate_unproven__without_a_visit_or_a_named_method_is_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    estimate_now(&slot);
    assert_null(slot_case_judge(&slot, DS_RULE_estimate_unproven));
    slot.input.visit_proven = false;
    assert_int_equal(slot_case_judge(&slot, DS_RULE_estimate_unproven)->why,
                     DS_WHY_no_proven_visit);
    slot.input.visit_proven = true;
    slot.candidate[0].estimate_method = (enum ds_estimate_method)0;
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_estimate_unproven);
    assert_int_equal(finding->why, DS_WHY_estimate_unnamed);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    slot.candidate[0].decided = true; /* A supervisor has taken it on himself. */
    assert_null(slot_case_judge(&slot, DS_RULE_estimate_unproven));
}

static void self_report_limit__within_three_periods_our_own_reading_is_needed(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].method = DS_METHOD_self_report;
    slot.past[23].method = DS_METHOD_self_report;
    slot.past[22].method = DS_METHOD_phone;
    assert_null(slot_case_judge(&slot, DS_RULE_self_report_limit));
    slot.past[21].method = DS_METHOD_estimate;
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_self_report_limit);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    slot.past[21].method = DS_METHOD_remote; /* Remote and card are ours too. */
    assert_null(slot_case_judge(&slot, DS_RULE_self_report_limit));
    slot.past[21].method = DS_METHOD_estimate;
    slot.candidate[0].method = DS_METHOD_on_site;
    assert_null(slot_case_judge(&slot, DS_RULE_self_report_limit));
}

/* ---- Several readings ------------------------------------------------------------------------ */

static void disagree__more_than_1_m3_and_5_percent_is_held(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    struct ds_candidate *second = slot_case_second(&slot);
    second->index = 1022;
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_readings_disagree);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_hold);
    assert_int_equal(finding->risk_fen, 600);
    assert_true(ds_id_equal(&finding->op, &second->op)); /* The chosen one. */
    second->index = 1021;                                /* 1 m3 is not more than 1 m3. */
    assert_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
}

static void disagree__5_percent_of_a_large_use_is_no_disagreement(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].index = 1095;
    struct ds_candidate *second = slot_case_second(&slot);
    second->index = 1100; /* 5 of 100 m3 */
    assert_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
    slot.candidate[0].index = 1094;
    assert_non_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
}

static void disagree__only_two_of_us_on_site_can(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    struct ds_candidate *second = slot_case_second(&slot);
    second->index = 1030;
    second->method = DS_METHOD_self_report;
    assert_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
    second->method = DS_METHOD_on_site;
    second->purpose = DS_PURPOSE_check;
    assert_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
    second->purpose = DS_PURPOSE_regular;
    assert_non_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
    second->decided = true; /* The supervisor's own number settles it. */
    assert_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
}

static void disagree__before_and_after_a_swap_are_two_dials(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    struct ds_candidate *second = slot_case_second(&slot);
    slot.candidate[0].index = 1012;
    second->index = 2;
    slot.swap[0] = (struct ds_swap_seen){
        .instant_ms = second->instant_ms - 1, .old_final_index = 1012, .new_initial_index = 0};
    slot.input.swap_count = 1;
    assert_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
    slot.input.swap_count = 0;
    assert_non_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
}

static void disagree__across_zero_the_short_way_counts(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->final_index = 99980;
    slot.candidate[0].index = 99999;
    slot_case_second(&slot)->index = 0;
    assert_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
    slot.candidate[1].index = 2;
    assert_int_equal(slot_case_judge(&slot, DS_RULE_readings_disagree)->risk_fen, 900);
}

static void after_billing__a_later_reading_is_held_and_the_billed_one_is_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.input.frozen = true;
    slot.input.frozen_order = slot.candidate[0].order;
    slot.input.frozen_volume_l = 20000;
    assert_null(slot_case_judge(&slot, DS_RULE_after_billing));
    struct ds_candidate *second = slot_case_second(&slot);
    second->index = 1021;
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_after_billing);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_hold);
    assert_int_equal(finding->risk_fen, 300); /* 1 m3 more than was billed. */
    assert_true(ds_id_equal(&finding->op, &second->op));
    second->purpose = DS_PURPOSE_check; /* It does not compete. */
    assert_null(slot_case_judge(&slot, DS_RULE_after_billing));
    second->purpose = DS_PURPOSE_regular;
    slot.input.frozen = false;
    assert_null(slot_case_judge(&slot, DS_RULE_after_billing));
}

static void condition__a_broken_meter_is_sampled_and_an_unread_dial_noted(void **state)
{
    (void)state;
    static const enum ds_severity severities[] = {
        [DS_CONDITION_normal] = (enum ds_severity)0,    [DS_CONDITION_not_seen] = DS_SEVERITY_note,
        [DS_CONDITION_no_access] = (enum ds_severity)0, [DS_CONDITION_stopped] = DS_SEVERITY_sample,
        [DS_CONDITION_reversed] = DS_SEVERITY_sample,   [DS_CONDITION_dirty] = DS_SEVERITY_note,
        [DS_CONDITION_damaged] = DS_SEVERITY_sample,    [DS_CONDITION_tamper] = DS_SEVERITY_sample,
        [DS_CONDITION_vacant] = (enum ds_severity)0,
    };
    assert_int_equal(ds_enum_last(DS_LIST_condition) + 1, DS_COUNT(severities));
    static struct slot_case slot;
    slot_case_init(&slot);
    for (int64_t condition = 0; condition < (int64_t)DS_COUNT(severities); condition++) {
        slot.candidate[0].condition = (enum ds_condition)condition;
        const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_condition_reported);
        assert_int_equal(finding == NULL ? 0 : finding->severity, severities[condition]);
    }
}

static void condition__the_gravest_of_several_is_reported(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    struct ds_candidate *second = slot_case_second(&slot);
    second->condition = DS_CONDITION_dirty; /* Preferred, for it is later. */
    slot.candidate[0].condition = DS_CONDITION_tamper;
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_condition_reported);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_true(ds_id_equal(&finding->op, &slot.candidate[0].op));
}

static void many__candidates_beyond_the_limit_are_not_looked_at(void **state)
{
    (void)state;
    static struct ds_candidate many[DS_CANDIDATES_MAX + 1];
    static struct slot_case slot;
    slot_case_init(&slot);
    for (size_t i = 0; i < DS_COUNT(many); i++) {
        many[i] = slot.candidate[0];
        many[i].op.byte[0] = (uint8_t)i;
        many[i].op.byte[1] = (uint8_t)(i >> 8);
        many[i].instant_ms -= (int64_t)i;
    }
    slot.input.candidates = many;
    many[DS_CANDIDATES_MAX].condition = DS_CONDITION_tamper;
    slot.input.candidate_count = DS_CANDIDATES_MAX + 1;
    assert_null(slot_case_judge(&slot, DS_RULE_condition_reported));
    many[DS_CANDIDATES_MAX - 1].condition = DS_CONDITION_tamper;
    assert_non_null(slot_case_judge(&slot, DS_RULE_condition_reported));
    assert_int_equal(slot.out.chosen, 0);
}

static void estimates_3__periods_without_an_index_do_not_break_the_row(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    estimate_now(&slot);
    slot_case_estimate_last(&slot, 3);
    slot.past[22].has_index = false;
    assert_non_null(slot_case_judge(&slot, DS_RULE_estimates_3));
    slot.past[23].method = DS_METHOD_on_site; /* An actual reading does. */
    assert_null(slot_case_judge(&slot, DS_RULE_estimates_3));
}

static void disagree__the_widest_pair_of_three_is_reported(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_second(&slot)->index = 1025;
    slot_case_second(&slot)->index = 1017;
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_readings_disagree);
    assert_int_equal(finding->risk_fen, 2400); /* 8 m3 */
    assert_int_equal(finding->input[0].value, 1017);
    assert_int_equal(finding->input[1].value, 1025);
    assert_int_equal(finding->input[3].value, 25000);
}

static void disagree__of_two_equal_pairs_that_with_the_preferred_readings_is_reported(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_second(&slot)->index = 1025;
    struct ds_candidate *third = slot_case_second(&slot);
    third->index = 1015; /* 5 from the first, 10 from the second. */
    struct ds_candidate *fourth = slot_case_second(&slot);
    fourth->index = 1025;
    fourth->instant_ms += 1;
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_readings_disagree);
    assert_true(ds_id_equal(&finding->op, &fourth->op));
    assert_int_equal(finding->input[1].value, 1015);
}

static void disagree__at_each_limit_alone_two_readings_still_agree(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].index = 1019;
    slot_case_second(&slot)->index = 1020;
    slot.rules.rule[DS_RULE_readings_disagree].limit_2 = 0;
    assert_null(slot_case_judge(&slot, DS_RULE_readings_disagree)); /* Just 1 m3. */
    slot.rules.rule[DS_RULE_readings_disagree].limit_1 = 999;
    assert_non_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
    slot.rules.rule[DS_RULE_readings_disagree].limit_2 = 5; /* Just 5 % of 20 m3. */
    assert_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
    slot.rules.rule[DS_RULE_readings_disagree].limit_2 = 4;
    assert_non_null(slot_case_judge(&slot, DS_RULE_readings_disagree));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimates_3__the_third_in_a_row_is_sampled_and_the_second_is_not),
        cmocka_unit_test(estimate_limit__the_fourth_in_a_row_is_sampled_and_the_third_is_not),
        cmocka_unit_test(estimate_limit__opening_final_and_swap_are_never_estimated),
        cmocka_unit_test(estimate_unproven__without_a_visit_or_a_named_method_is_sampled),
        cmocka_unit_test(self_report_limit__within_three_periods_our_own_reading_is_needed),
        cmocka_unit_test(disagree__more_than_1_m3_and_5_percent_is_held),
        cmocka_unit_test(disagree__5_percent_of_a_large_use_is_no_disagreement),
        cmocka_unit_test(disagree__only_two_of_us_on_site_can),
        cmocka_unit_test(disagree__before_and_after_a_swap_are_two_dials),
        cmocka_unit_test(disagree__across_zero_the_short_way_counts),
        cmocka_unit_test(after_billing__a_later_reading_is_held_and_the_billed_one_is_not),
        cmocka_unit_test(condition__a_broken_meter_is_sampled_and_an_unread_dial_noted),
        cmocka_unit_test(condition__the_gravest_of_several_is_reported),
        cmocka_unit_test(many__candidates_beyond_the_limit_are_not_looked_at),
        cmocka_unit_test(estimates_3__periods_without_an_index_do_not_break_the_row),
        cmocka_unit_test(disagree__the_widest_pair_of_three_is_reported),
        cmocka_unit_test(disagree__of_two_equal_pairs_that_with_the_preferred_readings_is_reported),
        cmocka_unit_test(disagree__at_each_limit_alone_two_readings_still_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

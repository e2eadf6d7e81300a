/* Rules of the volume: a positive case and a near miss each. */
#include "tests/support/slot_case.h"
#include "tests/support/test.h"

/* The home of slot_case expects 20 m3 with a spread of 3 m3. Judge it at another index. */
static const struct ds_finding *at_index(struct slot_case *slot, enum ds_rule rule, int64_t index)
{
    slot->candidate[0].index = index;
    return slot_case_judge(slot, rule);
}

static void nothing__a_plain_reading_raises_no_rule(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_judge(&slot, DS_RULE_reversed);
    assert_int_equal(slot.out.count, 0);
    assert_int_equal(slot.out.severity, 0);
    assert_int_equal(slot.out.chosen, 0);
    assert_int_equal(slot.out.consumption.volume_l, 20000);
    assert_int_equal(slot.out.expected.volume_l, 20000);
    assert_int_equal(slot.out.expected.spread_l, 3000);
}

static void nothing__an_empty_slot_raises_no_rule(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.input.candidate_count = 0;
    slot_case_judge(&slot, DS_RULE_reversed);
    assert_int_equal(slot.out.count, 0);
    assert_true(slot.out.chosen == DS_CHOOSE_NONE);
    assert_int_equal(slot.out.consumption.kind, DS_VOLUME_no_index);
}

static void nothing__a_rule_that_is_switched_off_is_silent(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    assert_non_null(at_index(&slot, DS_RULE_reversed, 999));
    slot.rules.rule[DS_RULE_reversed].enabled = false;
    assert_null(at_index(&slot, DS_RULE_reversed, 999));
}

static void severity__a_station_sets_the_grave_form_and_the_mild_never_exceeds_it(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.rules.rule[DS_RULE_spike].severity = DS_SEVERITY_note;
    assert_int_equal(at_index(&slot, DS_RULE_spike, 1033)->severity, DS_SEVERITY_note);
    assert_int_equal(at_index(&slot, DS_RULE_spike, 1999)->severity, DS_SEVERITY_note);
    slot.rules.rule[DS_RULE_spike].severity = DS_SEVERITY_sample;
    assert_int_equal(at_index(&slot, DS_RULE_spike, 1999)->severity, DS_SEVERITY_sample);
    assert_int_equal(slot.out.severity, DS_SEVERITY_sample);
}

static void reversed__an_index_below_the_previous_is_held(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    const struct ds_finding *finding = at_index(&slot, DS_RULE_reversed, 990);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_hold);
    assert_int_equal(finding->why, DS_WHY_below_previous);
    assert_int_equal(finding->risk_fen, 3000); /* 10 m3 at 3 yuan. */
    assert_true(ds_id_equal(&finding->op, &slot.candidate[0].op));
    assert_int_equal(slot.out.severity, DS_SEVERITY_hold);
    assert_int_equal(slot.out.count, 1); /* What is no volume is not judged as one. */
    char text[DS_FINDING_TEXT_SIZE];
    struct ds_builder builder;
    ds_builder_init(&builder, text, sizeof text);
    ds_finding_put_inputs(finding, &builder);
    assert_string_equal(
        ds_builder_text(&builder),
        "why=below_previous;index=990;previous=1000;volume_l=-10000;expected_l=20000");
}

static void reversed__the_same_index_is_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    assert_null(at_index(&slot, DS_RULE_reversed, 1000));
}

static void zero_occupied__no_use_in_a_home_is_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    const struct ds_finding *finding = at_index(&slot, DS_RULE_zero_occupied, 1000);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->risk_fen, 6000);
}

static void zero_occupied__a_litre_or_an_empty_home_is_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    assert_null(at_index(&slot, DS_RULE_zero_occupied, 1001));
    slot.meter.vacant = true;
    assert_null(at_index(&slot, DS_RULE_zero_occupied, 1000));
    slot.meter.vacant = false;
    slot.meter.paused = true;
    assert_null(at_index(&slot, DS_RULE_zero_occupied, 1000));
    slot.meter.paused = false;
    slot.candidate[0].condition = DS_CONDITION_vacant;
    assert_null(at_index(&slot, DS_RULE_zero_occupied, 1000));
    slot.candidate[0].condition = DS_CONDITION_normal;
    slot.candidate[0].method = DS_METHOD_estimate; /* Nobody saw the zero. */
    assert_null(at_index(&slot, DS_RULE_zero_occupied, 1000));
}

static void zero_occupied__where_little_is_expected_it_is_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.rules.rule[DS_RULE_zero_occupied].limit_1 = 20000;
    assert_non_null(at_index(&slot, DS_RULE_zero_occupied, 1000));
    slot.rules.rule[DS_RULE_zero_occupied].limit_1 = 20001;
    assert_null(at_index(&slot, DS_RULE_zero_occupied, 1000));
}

static void spike__above_the_band_is_sampled_and_at_its_edge_nothing(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    assert_null(at_index(&slot, DS_RULE_spike, 1032)); /* 20 + 4 x 3 */
    const struct ds_finding *finding = at_index(&slot, DS_RULE_spike, 1033);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->why, DS_WHY_above_season);
    assert_int_equal(finding->risk_fen, 3900);
}

static void spike__above_the_fen_limit_is_held_and_below_it_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    /* 200 yuan at 3 yuan are 66.67 m3. */
    assert_int_equal(at_index(&slot, DS_RULE_spike, 1086)->severity, DS_SEVERITY_sample);
    assert_int_equal(at_index(&slot, DS_RULE_spike, 1087)->severity, DS_SEVERITY_hold);
    slot.meter.price_e4 = 29800; /* 199.66 yuan */
    assert_int_equal(at_index(&slot, DS_RULE_spike, 1087)->severity, DS_SEVERITY_sample);
    slot.meter.price_e4 = 0; /* The table's price. */
    assert_int_equal(at_index(&slot, DS_RULE_spike, 1087)->severity, DS_SEVERITY_hold);
    slot.rules.rule[DS_RULE_spike].limit_1 = 20100; /* At the limit is not above it. */
    assert_int_equal(at_index(&slot, DS_RULE_spike, 1087)->severity, DS_SEVERITY_sample);
    slot.rules.rule[DS_RULE_spike].limit_1 = 20099;
    assert_int_equal(at_index(&slot, DS_RULE_spike, 1087)->severity, DS_SEVERITY_hold);
}

static void spike__a_season_without_history_is_judged_by_what_there_is(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_history(&slot, 3, 31000); /* Oct, Nov, Dec: 31, 30, 31 days. */
    slot.candidate[0].index = 2000;
    assert_int_equal(slot_case_judge(&slot, DS_RULE_spike)->why, DS_WHY_above_recent);
    slot.input.past_count = 1;
    slot.past[0].has_volume = false;
    slot.past[0].final_index = 1000;
    assert_null(slot_case_judge(&slot, DS_RULE_spike)); /* Nothing to compare with. */
    slot.meter.yearly_l = 200000;
    assert_int_equal(slot_case_judge(&slot, DS_RULE_spike)->why, DS_WHY_above_yearly);
}

static void spike__catching_up_with_estimates_is_judged_over_their_whole_time(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_estimate_last(&slot, 2);
    slot.past[22].consumption_l = 5000; /* Estimated far too low: the dial now catches up. */
    slot.past[23].consumption_l = 5000;
    slot.past[23].final_index = 970;
    assert_null(at_index(&slot, DS_RULE_spike, 1020)); /* 50 m3 now, 60 m3 in three months. */
    assert_int_equal(slot.out.consumption.volume_l, 50000);
    assert_non_null(at_index(&slot, DS_RULE_spike, 1100));
}

static void slump__below_the_band_is_sampled_and_at_its_edge_nothing(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    assert_null(at_index(&slot, DS_RULE_slump, 1011)); /* 20 - 3 x 3 */
    const struct ds_finding *finding = at_index(&slot, DS_RULE_slump, 1010);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->why, DS_WHY_below_season);
    assert_int_equal(finding->risk_fen, 3000);
    assert_null(at_index(&slot, DS_RULE_slump, 1000)); /* A zero has its own rule. */
}

static void slump__a_small_fall_is_none_however_regular_the_home(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.rules.rule[DS_RULE_slump].limit_2 = 10000;
    assert_non_null(at_index(&slot, DS_RULE_slump, 1010));
    slot.rules.rule[DS_RULE_slump].limit_2 = 10001;
    assert_null(at_index(&slot, DS_RULE_slump, 1010));
}

static void passing_zero__a_credible_turn_is_noted_and_billed(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->final_index = 99990;
    const struct ds_finding *finding = at_index(&slot, DS_RULE_passing_zero, 10);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_note);
    assert_int_equal(slot.out.consumption.volume_l, 20000);
    assert_int_equal(slot.out.count, 1);
}

static void passing_zero__five_times_the_expected_passes_and_one_more_is_reversed(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->final_index = 99990;
    assert_non_null(at_index(&slot, DS_RULE_passing_zero, 90));
    assert_null(at_index(&slot, DS_RULE_passing_zero, 91));
    assert_non_null(ds_findings_of(&slot.out, DS_RULE_reversed));
}

static void stopped_2__two_periods_without_movement_are_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->consumption_l = 0;
    const struct ds_finding *finding = at_index(&slot, DS_RULE_stopped_2, 1000);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->risk_fen, 12000); /* Both periods. */
}

static void stopped_2__one_period_or_an_estimated_zero_is_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->consumption_l = 1;
    assert_null(at_index(&slot, DS_RULE_stopped_2, 1000));
    slot_case_last(&slot)->consumption_l = 0;
    slot_case_last(&slot)->method = DS_METHOD_estimate;
    assert_null(at_index(&slot, DS_RULE_stopped_2, 1000));
    slot_case_last(&slot)->method = DS_METHOD_on_site;
    slot.rules.rule[DS_RULE_stopped_2].limit_1 = 3;
    assert_null(at_index(&slot, DS_RULE_stopped_2, 1000));
    slot.past[22].consumption_l = 0;
    assert_non_null(at_index(&slot, DS_RULE_stopped_2, 1000));
}

static void commercial_drop__half_passes_and_less_is_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.meter.account_class = DS_CLASS_commercial;
    assert_null(at_index(&slot, DS_RULE_commercial_drop, 1010));
    const struct ds_finding *finding = at_index(&slot, DS_RULE_commercial_drop, 1009);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->why, DS_WHY_dropped_by_half);
}

static void commercial_drop__a_home_or_a_small_shop_is_not_judged(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    assert_null(at_index(&slot, DS_RULE_commercial_drop, 1001));
    slot.meter.account_class = DS_CLASS_commercial;
    slot.rules.rule[DS_RULE_commercial_drop].limit_2 = 20000;
    assert_non_null(at_index(&slot, DS_RULE_commercial_drop, 1001));
    slot.rules.rule[DS_RULE_commercial_drop].limit_2 = 20001;
    assert_null(at_index(&slot, DS_RULE_commercial_drop, 1001));
}

/* Two card readings: the account says 20 m3 were used. */
static void add_card(struct slot_case *slot)
{
    slot->meter.kind = DS_METER_KIND_ic_card;
    slot->input.has_previous_card = true;
    slot->input.previous_purchased_l = 500000;
    slot->input.previous_remaining_l = 40000;
    slot->candidate[0].has_card = true;
    slot->candidate[0].purchased_l = 550000;
    slot->candidate[0].remaining_l = 70000;
}

static void meter_drift__purchases_and_dial_that_differ_are_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    add_card(&slot);
    const struct ds_finding *finding = at_index(&slot, DS_RULE_meter_drift, 1022);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->risk_fen, 600);
    assert_non_null(at_index(&slot, DS_RULE_meter_drift, 1018));
}

static void meter_drift__one_count_of_the_dial_is_no_drift(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    add_card(&slot);
    assert_null(at_index(&slot, DS_RULE_meter_drift, 1020));
    assert_null(at_index(&slot, DS_RULE_meter_drift, 1021));
    slot.rules.rule[DS_RULE_meter_drift].limit_1 = 0; /* Still one count. */
    assert_null(at_index(&slot, DS_RULE_meter_drift, 1021));
    slot.rules.rule[DS_RULE_meter_drift].limit_2 = 10; /* 2 m3 are less than a tenth of 22. */
    assert_null(at_index(&slot, DS_RULE_meter_drift, 1022));
}

static void meter_drift__without_both_card_readings_it_is_silent(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    add_card(&slot);
    slot.candidate[0].has_card = false;
    assert_null(at_index(&slot, DS_RULE_meter_drift, 1022));
    add_card(&slot);
    slot.input.has_previous_card = false;
    assert_null(at_index(&slot, DS_RULE_meter_drift, 1022));
    add_card(&slot);
    slot.meter.kind = DS_METER_KIND_mechanical;
    assert_null(at_index(&slot, DS_RULE_meter_drift, 1022));
}

static void over_estimate__a_large_correction_is_held_and_a_smaller_one_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_estimate_last(&slot, 2);
    const struct ds_finding *finding = at_index(&slot, DS_RULE_over_estimate, 970);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_hold);
    assert_int_equal(finding->risk_fen, 9000); /* 30 m3 back. */
    assert_int_equal(at_index(&slot, DS_RULE_over_estimate, 971)->severity, DS_SEVERITY_sample);
    assert_null(ds_findings_of(&slot.out, DS_RULE_reversed));
    assert_null(at_index(&slot, DS_RULE_over_estimate, 1000));
    assert_null(at_index(&slot, DS_RULE_over_estimate, 959));
    assert_non_null(ds_findings_of(&slot.out, DS_RULE_reversed));
}

static void beyond_dial__one_digit_too_many_is_held(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    const struct ds_finding *finding = at_index(&slot, DS_RULE_beyond_dial, 100000);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_hold);
    assert_int_equal(finding->why, DS_WHY_index_too_long);
    assert_int_equal(slot.out.consumption.volume_l, 0);
    assert_null(at_index(&slot, DS_RULE_beyond_dial, 99999));
    slot.meter.dial_digits = 6;
    assert_null(at_index(&slot, DS_RULE_beyond_dial, 100000));
}

static void beyond_dial__a_first_reading_is_judged_too(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.input.past_count = 0;
    assert_non_null(at_index(&slot, DS_RULE_beyond_dial, 100000));
    assert_null(at_index(&slot, DS_RULE_beyond_dial, 99999));
}

static void unknown_predecessor__a_first_period_is_noted_and_a_lost_one_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.input.past_count = 0;
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_unknown_predecessor);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_note);
    assert_int_equal(finding->why, DS_WHY_first_period);
    slot.input.past_count = 1;
    slot.past[0].has_index = false;
    finding = slot_case_judge(&slot, DS_RULE_unknown_predecessor);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->why, DS_WHY_nothing_billed_before);
    slot.past[0].has_index = true;
    assert_null(slot_case_judge(&slot, DS_RULE_unknown_predecessor));
}

static void stopped_2__an_estimated_zero_now_is_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->consumption_l = 0;
    slot.candidate[0].method = DS_METHOD_estimate;
    assert_null(at_index(&slot, DS_RULE_stopped_2, 1000));
    slot.candidate[0].method = DS_METHOD_card;
    assert_non_null(at_index(&slot, DS_RULE_stopped_2, 1000));
}

static void stopped_2__periods_without_an_index_are_passed_over(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->has_index = false;
    slot.past[22].consumption_l = 0;
    slot.past[22].final_index = 1000;
    assert_non_null(at_index(&slot, DS_RULE_stopped_2, 1000));
}

static void commercial_drop__the_missing_volume_is_at_risk(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.meter.account_class = DS_CLASS_commercial;
    assert_int_equal(at_index(&slot, DS_RULE_commercial_drop, 1004)->risk_fen, 4800);
}

static void spike__a_period_without_an_index_between_estimates_is_passed_over(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_estimate_last(&slot, 3);
    slot.past[21].consumption_l = 90000; /* Far too much was estimated before the gap. */
    slot.past[22].has_index = false;
    assert_non_null(at_index(&slot, DS_RULE_spike, 1020));
    assert_int_equal(ds_findings_of(&slot.out, DS_RULE_spike)->input[0].value, 130000);
}

static void meter_drift__at_the_share_of_the_movement_it_is_still_none(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    add_card(&slot);
    slot.rules.rule[DS_RULE_meter_drift].limit_2 = 10;
    slot.candidate[0].purchased_l = 550000 - 2500; /* 17.5 m3 sold, 20 moved. */
    assert_non_null(at_index(&slot, DS_RULE_meter_drift, 1020));
    slot.candidate[0].purchased_l = 550000 - 2000;
    assert_null(at_index(&slot, DS_RULE_meter_drift, 1020));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing__a_plain_reading_raises_no_rule),
        cmocka_unit_test(nothing__an_empty_slot_raises_no_rule),
        cmocka_unit_test(nothing__a_rule_that_is_switched_off_is_silent),
        cmocka_unit_test(severity__a_station_sets_the_grave_form_and_the_mild_never_exceeds_it),
        cmocka_unit_test(reversed__an_index_below_the_previous_is_held),
        cmocka_unit_test(reversed__the_same_index_is_not),
        cmocka_unit_test(zero_occupied__no_use_in_a_home_is_sampled),
        cmocka_unit_test(zero_occupied__a_litre_or_an_empty_home_is_not),
        cmocka_unit_test(zero_occupied__where_little_is_expected_it_is_not),
        cmocka_unit_test(spike__above_the_band_is_sampled_and_at_its_edge_nothing),
        cmocka_unit_test(spike__above_the_fen_limit_is_held_and_below_it_sampled),
        cmocka_unit_test(spike__a_season_without_history_is_judged_by_what_there_is),
        cmocka_unit_test(spike__catching_up_with_estimates_is_judged_over_their_whole_time),
        cmocka_unit_test(slump__below_the_band_is_sampled_and_at_its_edge_nothing),
        cmocka_unit_test(slump__a_small_fall_is_none_however_regular_the_home),
        cmocka_unit_test(passing_zero__a_credible_turn_is_noted_and_billed),
        cmocka_unit_test(passing_zero__five_times_the_expected_passes_and_one_more_is_reversed),
        cmocka_unit_test(stopped_2__two_periods_without_movement_are_sampled),
        cmocka_unit_test(stopped_2__one_period_or_an_estimated_zero_is_not),
        cmocka_unit_test(commercial_drop__half_passes_and_less_is_sampled),
        cmocka_unit_test(commercial_drop__a_home_or_a_small_shop_is_not_judged),
        cmocka_unit_test(meter_drift__purchases_and_dial_that_differ_are_sampled),
        cmocka_unit_test(meter_drift__one_count_of_the_dial_is_no_drift),
        cmocka_unit_test(meter_drift__without_both_card_readings_it_is_silent),
        cmocka_unit_test(over_estimate__a_large_correction_is_held_and_a_smaller_one_sampled),
        cmocka_unit_test(beyond_dial__one_digit_too_many_is_held),
        cmocka_unit_test(beyond_dial__a_first_reading_is_judged_too),
        cmocka_unit_test(unknown_predecessor__a_first_period_is_noted_and_a_lost_one_sampled),
        cmocka_unit_test(stopped_2__an_estimated_zero_now_is_not),
        cmocka_unit_test(stopped_2__periods_without_an_index_are_passed_over),
        cmocka_unit_test(commercial_drop__the_missing_volume_is_at_risk),
        cmocka_unit_test(spike__a_period_without_an_index_between_estimates_is_passed_over),
        cmocka_unit_test(meter_drift__at_the_share_of_the_movement_it_is_still_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

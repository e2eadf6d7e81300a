#include "tests/support/slot_case.h"
#include "tests/support/test.h"

static struct ds_expected expect(struct slot_case *slot)
{
    struct ds_expected out;
    ds_expected_use(&slot->meter, &slot->rules, slot->past, slot->input.past_count,
                    slot->input.period, slot->candidate[0].instant_ms, &out);
    return out;
}

static enum ds_err estimate(struct slot_case *slot, enum ds_estimate_method method,
                            int64_t agreed_l, struct ds_estimate *out)
{
    struct ds_expected expected = expect(slot);
    const struct ds_volume_input input = {
        .meter = &slot->meter,
        .rules = &slot->rules,
        .past = slot->past,
        .past_count = slot->input.past_count,
        .swaps = slot->swap,
        .swap_count = slot->input.swap_count,
        .expected = &expected,
    };
    return ds_estimate(&input, method, agreed_l, out);
}

/* Three winters of one volume each, summers of another. */
static void seasons(struct slot_case *slot, int64_t winter_l, int64_t summer_l)
{
    slot_case_history(slot, 36, 20000);
    for (size_t i = 0; i < 36; i++) {
        int32_t month = slot->past[i].period % 100;
        slot->past[i].consumption_l = month >= 11 || month <= 3 ? winter_l : summer_l;
        slot->past[i].days = 31;
    }
}

static void expected__it_is_the_median_of_the_same_season(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    seasons(&slot, 60000, 10000);
    struct ds_expected out = expect(&slot);
    assert_int_equal(out.source, DS_EXPECTED_same_season);
    /* 202301, 02, 12; 202401, 02, 12; 202501, 02: last month is no other year. */
    assert_int_equal(out.samples, 8);
    assert_int_equal(out.days, 31);
    assert_int_equal(out.volume_l, 60000);
    assert_int_equal(out.spread_l, 6000); /* 10 %: there is no deviation. */
}

static void expected__one_wild_month_does_not_move_it(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    seasons(&slot, 60000, 10000);
    slot.past[24].consumption_l = 9000000; /* 202501 */
    struct ds_expected out = expect(&slot);
    assert_int_equal(out.volume_l, 60000);
    assert_int_equal(out.spread_l, 6000);
}

static void expected__the_spread_is_the_widest_of_mad_share_and_floor(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    seasons(&slot, 60000, 10000);
    /* Of eight: 40, 40, 50, 50, 70, 70, 80, 80: median 60, deviations 10 10 10 10 20 20 20 20. */
    static const size_t places[8] = {0, 1, 11, 12, 13, 23, 24, 25};
    static const int64_t volumes[8] = {40000, 40000, 50000, 50000, 70000, 70000, 80000, 80000};
    for (size_t i = 0; i < 8; i++) {
        slot.past[places[i]].consumption_l = volumes[i];
    }
    struct ds_expected out = expect(&slot);
    assert_int_equal(out.volume_l, 60000);
    assert_int_equal(out.spread_l, 22239); /* 1.4826 x 15 m3 */
    slot.rules.floor_l = 22240;
    assert_int_equal(expect(&slot).spread_l, 22240);
    slot.rules.floor_percent = 50;
    assert_int_equal(expect(&slot).spread_l, 30000);
}

static void expected__volumes_are_scaled_by_days(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    seasons(&slot, 62000, 10000);
    slot.candidate[0].instant_ms -= INT64_C(10) * 86400000; /* Read ten days early. */
    struct ds_expected out = expect(&slot);
    assert_int_equal(out.days, 21);
    assert_int_equal(out.volume_l, 42000);
}

static void expected__estimates_and_what_corrects_them_are_left_out(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    seasons(&slot, 60000, 10000);
    slot.past[12].method = DS_METHOD_estimate; /* 202401; so 202402 corrects it. */
    assert_int_equal(expect(&slot).samples, 6);
    slot.past[0].has_volume = false;
    assert_int_equal(expect(&slot).samples, 5);
    slot.past[1].consumption_l = -1;
    assert_int_equal(expect(&slot).samples, 4);
}

static void expected__three_volumes_are_a_season_and_two_are_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    seasons(&slot, 60000, 10000);
    static const size_t places[5] = {0, 1, 11, 12, 13};
    for (size_t i = 0; i < 5; i++) {
        slot.past[places[i]].has_volume = false;
    }
    assert_int_equal(expect(&slot).source, DS_EXPECTED_same_season);
    slot.past[23].has_volume = false;
    struct ds_expected out = expect(&slot);
    assert_int_equal(out.source, DS_EXPECTED_mean_actual);
    /* Oct 10, Nov 60, Dec 60. */
    assert_int_equal(out.samples, 3);
    assert_int_equal(out.volume_l, 130000 / 3);
    assert_int_equal(out.spread_l, 130000 / 3 / 2);
}

static void expected__of_a_new_meter_it_is_the_yearly_use_by_days(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.input.past_count = 0;
    assert_int_equal(expect(&slot).source, DS_EXPECTED_none);
    assert_int_equal(expect(&slot).volume_l, 0);
    slot.meter.yearly_l = 365000;
    struct ds_expected out = expect(&slot);
    assert_int_equal(out.source, DS_EXPECTED_yearly);
    assert_int_equal(out.volume_l, 31000);
    assert_int_equal(out.spread_l, 31000);
    slot.meter.yearly_l = 10000;
    assert_int_equal(expect(&slot).spread_l, 3000); /* The floor. */
}

static void expected__more_than_sixty_periods_back_is_forgotten(void **state)
{
    (void)state;
    static struct ds_slot_past past[DS_PAST_MAX + 12];
    static struct slot_case slot;
    struct ds_expected out;
    slot_case_init(&slot);
    for (int32_t i = 0; i < (int32_t)DS_COUNT(past); i++) {
        past[i] = slot_case_month(ds_period_add(202601, i - (int32_t)DS_COUNT(past)), i, 20000);
    }
    ds_expected_use(&slot.meter, &slot.rules, past, DS_COUNT(past), 202601,
                    slot.candidate[0].instant_ms, &out);
    /* Five years: 11, 12, 13, 23, 24, 25, ... 59, 60 months ago; 61 is too old. */
    assert_int_equal(out.samples, 14);
}

static void days__instants_count_where_the_calendar_believes_them(void **state)
{
    (void)state;
    const int64_t day = INT64_C(86400000);
    struct ds_slot_past previous = slot_case_month(202512, 5, 0);
    int64_t then = previous.instant_ms;
    assert_int_equal(ds_span_days(&previous, 202601, then + 31 * day), 31);
    assert_int_equal(ds_span_days(&previous, 202601, then + 25 * day + day / 2), 26);
    assert_int_equal(ds_span_days(&previous, 202601, then + 25 * day + day / 2 - 1), 25);
    assert_int_equal(ds_span_days(&previous, 202601, then + day), 1);
    assert_int_equal(ds_span_days(&previous, 202601, then + 93 * day), 93);
    /* Beyond twice the months and 31 days, at once, backwards, at the ends of time: by months. */
    assert_int_equal(ds_span_days(&previous, 202601, then + 94 * day), 31);
    assert_int_equal(ds_span_days(&previous, 202601, then), 31);
    assert_int_equal(ds_span_days(&previous, 202601, then - 9 * day), 31);
    assert_int_equal(ds_span_days(&previous, 202603, INT64_MAX), 31 + 28 + 31);
    assert_int_equal(ds_span_days(&previous, 202603, INT64_MIN), 31 + 28 + 31);
    assert_int_equal(ds_span_days(NULL, 202402, then), 29);
    /* A previous period that is not earlier is one month. */
    assert_int_equal(ds_span_days(&previous, 202512, then), 31);
}

static void estimate__each_method_by_its_name(void **state)
{
    (void)state;
    static struct slot_case slot;
    struct ds_estimate out = {0, 0};
    slot_case_init(&slot);
    seasons(&slot, 60900, 10000);
    assert_int_equal(estimate(&slot, DS_ESTIMATE_same_season, 0, &out), DS_OK);
    assert_int_equal(out.index, 1060);
    assert_int_equal(out.volume_l, 60000); /* Whole counts. */
    assert_int_equal(estimate(&slot, DS_ESTIMATE_mean_of_3_actual, 0, &out), DS_OK);
    assert_int_equal(out.index, 1043); /* 131.8 / 3 */
    assert_int_equal(estimate(&slot, DS_ESTIMATE_zero_vacant, 0, &out), DS_OK);
    assert_int_equal(out.index, 1000);
    assert_int_equal(out.volume_l, 0);
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, 12999, &out), DS_OK);
    assert_int_equal(out.index, 1012);
    assert_int_equal(out.volume_l, 12000);
}

static void estimate__the_mean_counts_estimates_as_part_of_what_corrects_them(void **state)
{
    (void)state;
    static struct slot_case slot;
    struct ds_estimate out = {0, 0};
    slot_case_init(&slot);
    slot_case_history(&slot, 6, 20000);
    for (size_t i = 0; i < 6; i++) {
        slot.past[i].days = 31;
    }
    /* Actual 20, estimate 50, actual -10 (corrects it), actual 20, actual 20, estimate 90. */
    slot.past[1].method = DS_METHOD_estimate;
    slot.past[1].consumption_l = 50000;
    slot.past[2].consumption_l = -10000;
    slot.past[5].method = DS_METHOD_estimate;
    slot.past[5].consumption_l = 90000;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_mean_of_3_actual, 0, &out), DS_OK);
    assert_int_equal(out.volume_l, 20000); /* (20 + 20 + 40) over four months. */
    slot.past[1].days = 62;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_mean_of_3_actual, 0, &out), DS_OK);
    assert_int_equal(out.volume_l, 16000); /* ... over five. */
}

static void estimate__what_it_lacks_is_refused(void **state)
{
    (void)state;
    static struct slot_case slot;
    struct ds_estimate out = {7, 7};
    slot_case_init(&slot);
    slot_case_history(&slot, 3, 20000);
    assert_int_equal(estimate(&slot, DS_ESTIMATE_same_season, 0, &out), DS_ERR_NOT_FOUND);
    assert_int_equal(estimate(&slot, DS_ESTIMATE_mean_of_3_actual, 0, &out), DS_OK);
    slot_case_history(&slot, 2, 20000);
    assert_int_equal(estimate(&slot, DS_ESTIMATE_mean_of_3_actual, 0, &out), DS_ERR_NOT_FOUND);
    slot.input.past_count = 0;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_zero_vacant, 0, &out), DS_ERR_NOT_FOUND);
    slot_case_init(&slot);
    assert_int_equal(estimate(&slot, (enum ds_estimate_method)0, 0, &out), DS_ERR_USAGE);
    assert_int_equal(estimate(&slot, (enum ds_estimate_method)5, 0, &out), DS_ERR_USAGE);
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, -1, &out), DS_ERR_USAGE);
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, DS_VOLUME_MAX_L + 1, &out), DS_ERR_USAGE);
    slot.input.swap_count = 1;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, 0, &out), DS_ERR_CONFLICT);
}

static void estimate__half_the_dial_passes_and_one_more_does_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    struct ds_estimate out = {0, 0};
    slot_case_init(&slot);
    slot_case_last(&slot)->final_index = 60000;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, 50000000, &out), DS_OK);
    assert_int_equal(out.index, 10000); /* Round the dial. */
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, 50001000, &out), DS_ERR_LIMIT);
    slot_case_last(&slot)->final_index = 100000;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, 0, &out), DS_ERR_LIMIT);
}

static void spread__the_remainder_goes_to_the_later_part(void **state)
{
    (void)state;
    static const int32_t days[2] = {15, 15};
    int64_t shares[2];
    assert_int_equal(ds_spread(20001, days, 2, shares), DS_OK);
    assert_int_equal(shares[0], 10000);
    assert_int_equal(shares[1], 10001);
    assert_int_equal(ds_spread(-20001, days, 2, shares), DS_OK);
    assert_int_equal(shares[0], -10000);
    assert_int_equal(shares[1], -10001);
}

static void spread__each_share_is_off_by_less_than_a_litre(void **state)
{
    (void)state;
    static const int32_t days[4] = {31, 0, 28, 31};
    static const int64_t expected[4] = {34444, 0, 31111, 34445};
    int64_t shares[4];
    assert_int_equal(ds_spread(100000, days, 4, shares), DS_OK);
    assert_memory_equal(shares, expected, sizeof shares);
}

static void spread__its_limits_pass_and_the_next_values_do_not(void **state)
{
    (void)state;
    const int32_t most[2] = {99999, 1};
    const int32_t more[2] = {100000, 1};
    const int32_t negative[2] = {5, -1};
    const int32_t none[2] = {0, 0};
    int64_t shares[2];
    assert_int_equal(ds_spread(DS_VOLUME_MAX_L, most, 2, shares), DS_OK);
    assert_int_equal(shares[0] + shares[1], DS_VOLUME_MAX_L);
    assert_int_equal(ds_spread(-DS_VOLUME_MAX_L, most, 2, shares), DS_OK);
    assert_int_equal(ds_spread(DS_VOLUME_MAX_L + 1, most, 2, shares), DS_ERR_USAGE);
    assert_int_equal(ds_spread(-DS_VOLUME_MAX_L - 1, most, 2, shares), DS_ERR_USAGE);
    assert_int_equal(ds_spread(1, more, 2, shares), DS_ERR_USAGE);
    assert_int_equal(ds_spread(1, negative, 2, shares), DS_ERR_USAGE);
    assert_int_equal(ds_spread(1, none, 2, shares), DS_ERR_USAGE);
    assert_int_equal(ds_spread(1, most, 0, shares), DS_ERR_USAGE);
}

static void expected__the_largest_volumes_are_held_at_the_limit(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    seasons(&slot, DS_VOLUME_MAX_L, DS_VOLUME_MAX_L);
    for (size_t i = 0; i < 36; i++) {
        slot.past[i].days = 1; /* Thirty-one times the largest volume. */
    }
    assert_int_equal(expect(&slot).volume_l, DS_VOLUME_MAX_L);
    slot.input.past_count = 3;
    assert_int_equal(expect(&slot).source, DS_EXPECTED_mean_actual);
    assert_int_equal(expect(&slot).volume_l, DS_VOLUME_MAX_L);
    slot.input.past_count = 0;
    slot.meter.yearly_l = INT64_MAX;
    assert_int_equal(expect(&slot).volume_l, DS_VOLUME_MAX_L);
}

static void expected__a_home_that_uses_nothing_is_expected_to_use_nothing(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    seasons(&slot, 0, 0);
    struct ds_expected out = expect(&slot);
    assert_int_equal(out.source, DS_EXPECTED_same_season);
    assert_int_equal(out.volume_l, 0);
    assert_int_equal(out.spread_l, 3000);
    slot.input.past_count = 3;
    assert_int_equal(expect(&slot).source, DS_EXPECTED_mean_actual);
    slot.past[2].consumption_l = -5; /* More was given back than used: no mean. */
    assert_int_equal(expect(&slot).source, DS_EXPECTED_none);
}

static void days__of_a_past_volume_default_to_the_month_and_end_at_ten_years(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_history(&slot, 1, 31000); /* December: 31 days, as in January. */
    slot.past[0].days = 0;
    assert_int_equal(expect(&slot).volume_l, 31000);
    slot.past[0].days = 62;
    assert_int_equal(expect(&slot).volume_l, 15500);
    slot.past[0].days = 3660;
    assert_int_equal(expect(&slot).volume_l, 31000 * 31 / 3660);
    slot.past[0].days = 5000;
    assert_int_equal(expect(&slot).volume_l, 31000 * 31 / 3660);
}

static void days__more_than_ten_years_between_two_readings_are_ten_years(void **state)
{
    (void)state;
    struct ds_slot_past previous = slot_case_month(201512, 5, 0);
    assert_int_equal(ds_span_days(&previous, 202512, 0), 3653);
    assert_int_equal(ds_span_days(&previous, 202601, 0), 3653); /* 120 months, not 121. */
    assert_int_equal(ds_span_days(&previous, 205501, 0), 3653 - 1);
}

static void estimate__the_last_value_inside_the_limits_passes(void **state)
{
    (void)state;
    static struct slot_case slot;
    struct ds_estimate out = {0, 0};
    slot_case_init(&slot);
    slot.meter.dial_digits = 12;
    slot.meter.unit_l = 10000;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, DS_VOLUME_MAX_L, &out), DS_OK);
    assert_int_equal(out.volume_l, DS_VOLUME_MAX_L);
    slot_case_init(&slot);
    slot_case_last(&slot)->final_index = 99999;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, 1000, &out), DS_OK);
    assert_int_equal(out.index, 0);
    slot_case_last(&slot)->final_index = 0;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, 999, &out), DS_OK);
    assert_int_equal(out.index, 0);
    slot_case_last(&slot)->final_index = -1;
    assert_int_equal(estimate(&slot, DS_ESTIMATE_agreed, 0, &out), DS_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expected__it_is_the_median_of_the_same_season),
        cmocka_unit_test(expected__one_wild_month_does_not_move_it),
        cmocka_unit_test(expected__the_spread_is_the_widest_of_mad_share_and_floor),
        cmocka_unit_test(expected__volumes_are_scaled_by_days),
        cmocka_unit_test(expected__estimates_and_what_corrects_them_are_left_out),
        cmocka_unit_test(expected__three_volumes_are_a_season_and_two_are_not),
        cmocka_unit_test(expected__of_a_new_meter_it_is_the_yearly_use_by_days),
        cmocka_unit_test(expected__more_than_sixty_periods_back_is_forgotten),
        cmocka_unit_test(days__instants_count_where_the_calendar_believes_them),
        cmocka_unit_test(estimate__each_method_by_its_name),
        cmocka_unit_test(estimate__the_mean_counts_estimates_as_part_of_what_corrects_them),
        cmocka_unit_test(estimate__what_it_lacks_is_refused),
        cmocka_unit_test(estimate__half_the_dial_passes_and_one_more_does_not),
        cmocka_unit_test(spread__the_remainder_goes_to_the_later_part),
        cmocka_unit_test(spread__each_share_is_off_by_less_than_a_litre),
        cmocka_unit_test(spread__its_limits_pass_and_the_next_values_do_not),
        cmocka_unit_test(expected__the_largest_volumes_are_held_at_the_limit),
        cmocka_unit_test(expected__a_home_that_uses_nothing_is_expected_to_use_nothing),
        cmocka_unit_test(days__of_a_past_volume_default_to_the_month_and_end_at_ten_years),
        cmocka_unit_test(days__more_than_ten_years_between_two_readings_are_ten_years),
        cmocka_unit_test(estimate__the_last_value_inside_the_limits_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

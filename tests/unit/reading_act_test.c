/* Rules of where, when and how fast it was read, and of its photo: a positive case and a near miss
 * each. */
#include "tests/support/slot_case.h"
#include "tests/support/test.h"

/* ---- Where ----------------------------------------------------------------------------------- */

/* The premises are surveyed; the reader stands north of them by so many 1e-7 degrees. */
static void stand_north(struct slot_case *slot, int32_t north_e7)
{
    slot->meter.position_quality = DS_POSITION_surveyed;
    slot->meter.position = (struct ds_geo){380428000, 1145149000};
    slot->meter.accuracy_m = 5;
    slot->candidate[0].has_position = true;
    slot->candidate[0].position = (struct ds_geo){380428000 + north_e7, 1145149000};
    slot->candidate[0].accuracy_m = 20;
}

static void far__beyond_200_m_and_both_accuracies_is_noted(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    stand_north(&slot, 20360); /* 226 m */
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_far_from_premises);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_note);
    assert_int_equal(finding->input[0].value, 226);
    stand_north(&slot, 20270); /* 225 m */
    assert_null(slot_case_judge(&slot, DS_RULE_far_from_premises));
}

static void far__only_where_the_position_is_learned_or_surveyed(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    stand_north(&slot, 100000);
    for (int64_t quality = 0; quality <= ds_enum_last(DS_LIST_position_quality); quality++) {
        slot.meter.position_quality = (enum ds_position_quality)quality;
        assert_int_equal(slot_case_judge(&slot, DS_RULE_far_from_premises) != NULL,
                         quality == DS_POSITION_learned || quality == DS_POSITION_surveyed);
    }
}

static void far__only_on_site_and_with_a_position(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    stand_north(&slot, 100000);
    slot.candidate[0].method = DS_METHOD_self_report;
    assert_null(slot_case_judge(&slot, DS_RULE_far_from_premises));
    slot.candidate[0].method = DS_METHOD_on_site;
    slot.candidate[0].has_position = false;
    assert_null(slot_case_judge(&slot, DS_RULE_far_from_premises));
}

static void far__a_mock_position_is_reported_unless_the_station_says_otherwise(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    stand_north(&slot, 0);
    assert_null(slot_case_judge(&slot, DS_RULE_far_from_premises));
    slot.candidate[0].mock = true;
    assert_int_equal(slot_case_judge(&slot, DS_RULE_far_from_premises)->why, DS_WHY_mock_position);
    slot.rules.rule[DS_RULE_far_from_premises].limit_2 = 0;
    assert_null(slot_case_judge(&slot, DS_RULE_far_from_premises));
}

/* ---- The reading before ---------------------------------------------------------------------- */

static void come_from(struct slot_case *slot, int64_t elapsed_ms)
{
    slot->candidate[0].before = &slot->before;
    slot->before.instant_ms = slot->candidate[0].instant_ms - elapsed_ms;
}

static void pace__less_than_four_seconds_between_two_meters_is_noted(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    come_from(&slot, 3999);
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_implausible_pace);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_note);
    assert_int_equal(finding->why, DS_WHY_too_soon);
    come_from(&slot, 4000);
    assert_null(slot_case_judge(&slot, DS_RULE_implausible_pace));
    come_from(&slot, -1); /* A clock that was set back is not a pace. */
    assert_null(slot_case_judge(&slot, DS_RULE_implausible_pace));
}

static void pace__faster_than_40_m_in_a_second_is_noted(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    stand_north(&slot, 0);
    slot.before.has_position = true;
    slot.before.position = (struct ds_geo){380428000 + 100000, 1145149000}; /* 1,110 m */
    slot.before.accuracy_m = 90;
    come_from(&slot, 24999); /* 1000 m at 40 m/s take 25 s. */
    assert_int_equal(slot_case_judge(&slot, DS_RULE_implausible_pace)->why, DS_WHY_too_fast);
    come_from(&slot, 25000);
    assert_null(slot_case_judge(&slot, DS_RULE_implausible_pace));
    come_from(&slot, 24999);
    slot.candidate[0].mock = true; /* A position that was made up proves no speed. */
    assert_null(slot_case_judge(&slot, DS_RULE_implausible_pace));
}

static void pace__one_cabinet_and_one_meter_have_no_pace(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    come_from(&slot, 0);
    slot.meter.cabinet = ds_cabinet_key(DS_SLICE_LIT("B7"));
    slot.before.cabinet = ds_cabinet_key(DS_SLICE_LIT("B8"));
    assert_non_null(slot_case_judge(&slot, DS_RULE_implausible_pace));
    slot.before.cabinet = slot.meter.cabinet;
    assert_null(slot_case_judge(&slot, DS_RULE_implausible_pace));
    slot.before.cabinet = 0;
    slot.meter.cabinet = 0; /* No cabinet is not the same cabinet. */
    assert_non_null(slot_case_judge(&slot, DS_RULE_implausible_pace));
    slot.before.meter = slot.meter.meter;
    assert_null(slot_case_judge(&slot, DS_RULE_implausible_pace));
}

static void equal_index__the_number_of_the_meter_before_is_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    come_from(&slot, 60000);
    slot.before.index = 1020;
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_equal_index);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    slot.before.index = 1021;
    assert_null(slot_case_judge(&slot, DS_RULE_equal_index));
}

static void equal_index__not_within_one_cabinet_nor_near_zero(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    come_from(&slot, 60000);
    slot.before.index = 1020;
    slot.meter.cabinet = slot.before.cabinet = 5;
    assert_null(slot_case_judge(&slot, DS_RULE_equal_index));
    slot.meter.cabinet = 6;
    slot.rules.rule[DS_RULE_equal_index].limit_1 = 1020;
    assert_non_null(slot_case_judge(&slot, DS_RULE_equal_index));
    slot.rules.rule[DS_RULE_equal_index].limit_1 = 1021;
    assert_null(slot_case_judge(&slot, DS_RULE_equal_index));
    slot.rules.rule[DS_RULE_equal_index].limit_1 = 0;
    slot.before.has_index = false;
    assert_null(slot_case_judge(&slot, DS_RULE_equal_index));
}

/* ---- Photos, by their hashes ----------------------------------------------------------------- */

static void same_photo__that_of_the_meter_before_is_sampled(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    come_from(&slot, 60000);
    slot.candidate[0].photo = slot.before.photo = slot_case_photo(9);
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_same_photo);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->why, DS_WHY_photo_as_before);
    assert_int_equal(finding->input[0].value, INT64_C(0x09000000));
    slot.before.photo.byte[31] = 1; /* One byte of the hash. */
    assert_null(slot_case_judge(&slot, DS_RULE_same_photo));
}

static void same_photo__one_picture_of_a_whole_cabinet_is_allowed(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    come_from(&slot, 60000);
    slot.candidate[0].photo = slot.before.photo = slot_case_photo(9);
    slot.meter.cabinet = slot.before.cabinet = 5;
    assert_null(slot_case_judge(&slot, DS_RULE_same_photo));
}

static void same_photo__that_of_the_period_before_is_sampled_also_in_a_cabinet(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].photo = slot.input.previous_photo = slot_case_photo(9);
    slot.meter.cabinet = 5;
    assert_int_equal(slot_case_judge(&slot, DS_RULE_same_photo)->why, DS_WHY_photo_as_last_period);
    slot.input.previous_photo = slot_case_photo(8);
    assert_null(slot_case_judge(&slot, DS_RULE_same_photo));
}

static void same_photo__two_workers_cannot_have_taken_one(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].photo = slot_case_photo(9);
    struct ds_candidate *second = slot_case_second(&slot);
    assert_int_equal(slot_case_judge(&slot, DS_RULE_same_photo)->why, DS_WHY_photo_of_another);
    second->worker = slot.candidate[0].worker; /* He corrected his own entry. */
    assert_null(slot_case_judge(&slot, DS_RULE_same_photo));
}

static void same_photo__no_photo_equals_no_photo(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    come_from(&slot, 60000);
    slot_case_second(&slot);
    assert_null(slot_case_judge(&slot, DS_RULE_same_photo));
}

/* ---- When ------------------------------------------------------------------------------------ */

static void give_interval(struct slot_case *slot, int64_t before_min, int64_t after_min)
{
    slot->candidate[0].has_interval = true;
    slot->candidate[0].earliest_ms = slot->candidate[0].instant_ms - before_min * 60000;
    slot->candidate[0].latest_ms = slot->candidate[0].instant_ms + after_min * 60000;
}

static void clock__a_wide_interval_is_noted_and_two_hours_are_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].instant_ms -= INT64_C(10) * 86400000; /* Far from any month's end. */
    give_interval(&slot, 60, 60);
    assert_null(slot_case_judge(&slot, DS_RULE_clock_untrusted));
    give_interval(&slot, 60, 61);
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_clock_untrusted);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_note);
    assert_int_equal(finding->why, DS_WHY_interval_wide);
}

static void clock__a_wide_interval_across_a_period_goes_to_the_queue(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    /* 31 January 18:00 in the station's time: six hours to the end of the period. */
    give_interval(&slot, 0, 6 * 60 - 1);
    assert_int_equal(slot_case_judge(&slot, DS_RULE_clock_untrusted)->severity, DS_SEVERITY_note);
    give_interval(&slot, 0, 6 * 60);
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_clock_untrusted);
    assert_int_equal(finding->severity, DS_SEVERITY_sample);
    assert_int_equal(finding->why, DS_WHY_period_uncertain);
}

static void clock__a_claim_outside_the_interval_is_noted_beyond_a_quarter_hour(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    give_interval(&slot, -15, 30); /* Claimed 15 minutes before the earliest. */
    assert_null(slot_case_judge(&slot, DS_RULE_clock_untrusted));
    give_interval(&slot, -16, 30);
    assert_int_equal(slot_case_judge(&slot, DS_RULE_clock_untrusted)->why, DS_WHY_claimed_outside);
    give_interval(&slot, 30, -15);
    assert_null(slot_case_judge(&slot, DS_RULE_clock_untrusted));
    give_interval(&slot, 30, -16);
    assert_int_equal(slot_case_judge(&slot, DS_RULE_clock_untrusted)->why, DS_WHY_claimed_outside);
}

static void clock__b7_an_instant_in_1970_or_2099_is_noted(void **state)
{
    (void)state;
    static const int64_t claims[] = {0, INT64_C(4070908800000), INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < DS_COUNT(claims); i++) {
        static struct slot_case slot;
        slot_case_init(&slot);
        give_interval(&slot, 5, 5);
        slot.candidate[0].instant_ms = claims[i];
        slot.meter.has_expiry = true;
        slot.meter.expiry_day = slot_case_instant(202612) / 86400000;
        assert_int_equal(slot_case_judge(&slot, DS_RULE_clock_untrusted)->why,
                         DS_WHY_claimed_outside);
        assert_int_equal(slot.out.count, 1); /* Not expired: the interval tells the day. */
        assert_int_equal(slot.out.consumption.volume_l, 20000);
        assert_int_equal(slot.out.consumption.days, 31);
    }
}

static void clock__without_an_interval_time_still_does_not_run_back(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    int64_t previous_ms = slot_case_last(&slot)->instant_ms;
    slot.candidate[0].instant_ms = previous_ms - 15 * 60000;
    assert_null(slot_case_judge(&slot, DS_RULE_clock_untrusted));
    slot.candidate[0].instant_ms--;
    assert_int_equal(slot_case_judge(&slot, DS_RULE_clock_untrusted)->why, DS_WHY_claimed_outside);
}

static void clock__an_unbounded_interval_is_wide(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].has_interval = true;
    slot.candidate[0].earliest_ms = INT64_MIN;
    slot.candidate[0].latest_ms = INT64_MAX;
    assert_int_equal(slot_case_judge(&slot, DS_RULE_clock_untrusted)->why, DS_WHY_period_uncertain);
}

static void expired__the_last_day_passes_and_the_next_is_noted(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    struct ds_date date = {2026, 1, 31};
    slot.meter.has_expiry = true;
    slot.meter.expiry_day = ds_date_to_days(date);
    assert_null(slot_case_judge(&slot, DS_RULE_expired_meter));
    slot.candidate[0].instant_ms += INT64_C(6) * 3600000; /* Midnight at the station. */
    const struct ds_finding *finding = slot_case_judge(&slot, DS_RULE_expired_meter);
    assert_non_null(finding);
    assert_int_equal(finding->severity, DS_SEVERITY_note);
    slot.rules.rule[DS_RULE_expired_meter].limit_1 = 1; /* A day of grace. */
    assert_null(slot_case_judge(&slot, DS_RULE_expired_meter));
}

static void expired__a_meter_that_was_just_swapped_is_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.meter.has_expiry = true;
    slot.meter.expiry_day = 1;
    assert_non_null(slot_case_judge(&slot, DS_RULE_expired_meter));
    slot.swap[0] = (struct ds_swap_seen){.old_final_index = 1000, .new_initial_index = 0};
    slot.input.swap_count = 1;
    assert_null(slot_case_judge(&slot, DS_RULE_expired_meter));
}

static void expired__an_interval_of_one_instant_tells_the_day(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    give_interval(&slot, 0, 0);
    slot.meter.has_expiry = true;
    slot.meter.expiry_day = slot.candidate[0].instant_ms / 86400000;
    slot.candidate[0].instant_ms += INT64_C(40) * 86400000; /* A claim that cannot be. */
    assert_null(slot_case_judge(&slot, DS_RULE_expired_meter));
    slot.candidate[0].latest_ms--; /* Such an interval is none: the claim is all there is. */
    assert_non_null(slot_case_judge(&slot, DS_RULE_expired_meter));
}

static void equal_index__a_number_that_came_from_elsewhere_is_not_copied(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    come_from(&slot, 60000);
    slot.before.index = 1020;
    slot.candidate[0].method = DS_METHOD_remote;
    assert_null(slot_case_judge(&slot, DS_RULE_equal_index));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(far__beyond_200_m_and_both_accuracies_is_noted),
        cmocka_unit_test(far__only_where_the_position_is_learned_or_surveyed),
        cmocka_unit_test(far__only_on_site_and_with_a_position),
        cmocka_unit_test(far__a_mock_position_is_reported_unless_the_station_says_otherwise),
        cmocka_unit_test(pace__less_than_four_seconds_between_two_meters_is_noted),
        cmocka_unit_test(pace__faster_than_40_m_in_a_second_is_noted),
        cmocka_unit_test(pace__one_cabinet_and_one_meter_have_no_pace),
        cmocka_unit_test(equal_index__the_number_of_the_meter_before_is_sampled),
        cmocka_unit_test(equal_index__not_within_one_cabinet_nor_near_zero),
        cmocka_unit_test(same_photo__that_of_the_meter_before_is_sampled),
        cmocka_unit_test(same_photo__one_picture_of_a_whole_cabinet_is_allowed),
        cmocka_unit_test(same_photo__that_of_the_period_before_is_sampled_also_in_a_cabinet),
        cmocka_unit_test(same_photo__two_workers_cannot_have_taken_one),
        cmocka_unit_test(same_photo__no_photo_equals_no_photo),
        cmocka_unit_test(clock__a_wide_interval_is_noted_and_two_hours_are_not),
        cmocka_unit_test(clock__a_wide_interval_across_a_period_goes_to_the_queue),
        cmocka_unit_test(clock__a_claim_outside_the_interval_is_noted_beyond_a_quarter_hour),
        cmocka_unit_test(clock__b7_an_instant_in_1970_or_2099_is_noted),
        cmocka_unit_test(clock__without_an_interval_time_still_does_not_run_back),
        cmocka_unit_test(clock__an_unbounded_interval_is_wide),
        cmocka_unit_test(expired__the_last_day_passes_and_the_next_is_noted),
        cmocka_unit_test(expired__a_meter_that_was_just_swapped_is_not),
        cmocka_unit_test(expired__an_interval_of_one_instant_tells_the_day),
        cmocka_unit_test(equal_index__a_number_that_came_from_elsewhere_is_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

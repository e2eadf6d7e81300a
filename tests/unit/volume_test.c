#include "tests/support/slot_case.h"
#include "tests/support/test.h"

/* The home expects 20 m3, so five times that is 100 counts; its dial has 5 digits. */
static const struct {
    const char *name;
    int64_t previous;
    int64_t index;
    enum ds_volume_kind kind;
    int64_t volume_l;
} on_one_dial[] = {
    {"forward", 1000, 1020, DS_VOLUME_plain, 20000},
    {"not at all", 1000, 1000, DS_VOLUME_plain, 0},
    {"forward to the last number", 99000, 99999, DS_VOLUME_plain, 999000},
    {"over zero", 99990, 10, DS_VOLUME_passing_zero, 20000},
    {"over zero by one", 99999, 0, DS_VOLUME_passing_zero, 1000},
    {"over zero by five times the expected", 99950, 50, DS_VOLUME_passing_zero, 100000},
    {"over zero by one more", 99950, 51, DS_VOLUME_reversed, -99899000},
    {"back by one", 1000, 999, DS_VOLUME_reversed, -1000},
    {"back to zero", 1000, 0, DS_VOLUME_reversed, -1000000},
    {"beyond the dial", 1000, 100000, DS_VOLUME_unknown, 0},
    {"the previous one beyond the dial", 100000, 5, DS_VOLUME_unknown, 0},
};

static void consumption__on_one_dial(void **state)
{
    (void)state;
    for (size_t i = 0; i < DS_COUNT(on_one_dial); i++) {
        static struct slot_case slot;
        slot_case_init(&slot);
        slot_case_last(&slot)->final_index = on_one_dial[i].previous;
        slot.candidate[0].index = on_one_dial[i].index;
        struct ds_consumption out = slot_case_consume(&slot);
        if (out.kind != on_one_dial[i].kind || out.volume_l != on_one_dial[i].volume_l) {
            fail_msg("%s: %s %lld", on_one_dial[i].name, ds_volume_kind_name(out.kind),
                     (long long)out.volume_l);
        }
        assert_int_equal(out.previous_index, on_one_dial[i].previous);
        assert_int_equal(out.final_index, on_one_dial[i].index);
        /* What fits no dial is no place to go on from. */
        assert_int_equal(out.has_final, out.kind != DS_VOLUME_unknown);
        assert_int_equal(out.billable,
                         out.kind != DS_VOLUME_reversed && out.kind != DS_VOLUME_unknown);
        assert_false(out.swapped);
    }
}

static void passing_zero__half_the_dial_passes_and_one_more_does_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.meter.dial_digits = 2; /* 100 counts: half are 50, five times the expected is 100. */
    slot_case_last(&slot)->final_index = 90;
    slot.candidate[0].index = 40;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_passing_zero);
    assert_int_equal(out.volume_l, 50000);
    slot.candidate[0].index = 41;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_reversed);
}

static void passing_zero__without_an_expected_use_it_is_not_credible(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.input.past_count = 1;
    slot.past[0].has_volume = false;
    slot.past[0].final_index = 99990;
    slot.candidate[0].index = 3;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_reversed);
    slot.meter.yearly_l = 200000;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_passing_zero);
}

static void passing_zero__its_limits_are_the_stations(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->final_index = 99990;
    slot.candidate[0].index = 50; /* 60 m3, three times the expected. */
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_passing_zero);
    slot.rules.rule[DS_RULE_passing_zero].limit_1 = 299;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_reversed);
}

static void consumption__unit_and_multiplier_make_litres(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.meter.unit_l = 100;
    slot.meter.multiplier = 30;
    assert_int_equal(slot_case_consume(&slot).volume_l, 20 * 100 * 30);
}

static void consumption__without_an_index_there_is_none(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].has_index = false;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_no_index);
    assert_false(out.billable);
    assert_false(out.has_final);
}

static void consumption__a_start_bills_nothing_and_is_the_next_ones_previous(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.input.past_count = 0;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_no_predecessor);
    assert_int_equal(out.volume_l, 0);
    assert_int_equal(out.final_index, 1020);
    assert_true(out.has_final);
    assert_false(out.billable);
}

static void consumption__periods_without_an_index_are_passed_over(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->has_index = false;
    slot.past[22].final_index = 970;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.volume_l, 50000);
    assert_int_equal(out.days, 62);
}

static void consumption__a_decided_volume_is_taken_as_it_is(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].decided = true;
    slot.candidate[0].has_volume = true;
    slot.candidate[0].volume_l = 17500;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_agreed);
    assert_int_equal(out.volume_l, 17500);
    assert_int_equal(out.final_index, 1020);
    assert_true(out.billable);
    assert_true(out.has_final);
}

static void consumption__a_volume_agreed_without_an_index_moves_the_dial_by_it(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].decided = true;
    slot.candidate[0].has_index = false;
    slot.candidate[0].has_volume = true;
    slot.candidate[0].volume_l = 17500;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_true(out.has_final);
    assert_int_equal(out.final_index, 1017);
    slot_case_last(&slot)->final_index = 99990;
    assert_int_equal(slot_case_consume(&slot).final_index, 7);
    slot.candidate[0].volume_l = -5000; /* A gift does not turn the dial back. */
    assert_int_equal(slot_case_consume(&slot).final_index, 99990);
    slot.candidate[0].volume_l = 50000000; /* Half the dial, and one count more. */
    assert_int_equal(slot_case_consume(&slot).final_index, 49990);
    slot.candidate[0].volume_l = 50001000;
    assert_int_equal(slot_case_consume(&slot).final_index, 99990);
    slot_case_add_swap(&slot);
    slot.candidate[0].volume_l = 17500;
    assert_int_equal(slot_case_consume(&slot).final_index, 3); /* The new dial's first. */
    slot.input.swap_count = 0;
    slot.input.past_count = 0;
    assert_false(slot_case_consume(&slot).has_final);
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

static void size__the_largest_volume_passes_and_a_litre_more_does_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.meter.dial_digits = 12;
    slot.meter.unit_l = 10000;
    slot_case_last(&slot)->final_index = 0;
    slot.candidate[0].index = INT64_C(100000000000);
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_plain);
    assert_int_equal(out.volume_l, DS_VOLUME_MAX_L);
    slot.candidate[0].index++;
    out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_unknown);
    assert_int_equal(out.why, DS_WHY_volume_too_large);
    assert_int_equal(out.volume_l, 0);
    assert_false(out.billable);
}

static void size__the_widest_meter_does_not_overflow(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.meter.dial_digits = 12;
    slot.meter.unit_l = DS_UNIT_L_MAX;
    slot.meter.multiplier = DS_MULTIPLIER_MAX;
    slot_case_last(&slot)->final_index = 0;
    slot.candidate[0].index = INT64_C(999999999999);
    assert_int_equal(slot_case_consume(&slot).why, DS_WHY_volume_too_large);
    slot.candidate[0].index = 1000;
    assert_int_equal(slot_case_consume(&slot).volume_l, DS_VOLUME_MAX_L);
    slot.candidate[0].index = INT64_MAX;
    assert_int_equal(slot_case_consume(&slot).why, DS_WHY_index_too_long);
    slot.candidate[0].index = -1;
    assert_int_equal(slot_case_consume(&slot).why, DS_WHY_index_too_long);
}

static void dial__digits_are_clamped_and_default_to_five(void **state)
{
    (void)state;
    assert_int_equal(ds_dial_size(0), 100000);
    assert_int_equal(ds_dial_size(1), 10);
    assert_int_equal(ds_dial_size(12), INT64_C(1000000000000));
    assert_int_equal(ds_dial_size(13), INT64_C(1000000000000));
    assert_int_equal(ds_dial_size(-4), 10);
}

static void dial__a_reading_at_the_instant_of_a_swap_stands_on_the_new_one(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    slot.swap[0].new_dial_digits = 8;
    slot.swap[0].new_unit_l = 10;
    int64_t instant = slot.swap[0].instant_ms;
    struct ds_dial dial = ds_dial_at(&slot.meter, slot.swap, 1, instant - 1);
    assert_int_equal(dial.unit_l, 1000);
    assert_int_equal(dial.swap_count, 0);
    dial = ds_dial_at(&slot.meter, slot.swap, 1, instant);
    assert_int_equal(dial.unit_l, 10);
    assert_int_equal(dial.digits, 8);
    assert_int_equal(dial.swap_count, 1);
}

static void size__the_most_negative_volume_passes_and_a_litre_less_does_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.meter.dial_digits = 12;
    slot.meter.unit_l = 10000;
    slot_case_last(&slot)->final_index = INT64_C(100000000000);
    slot.candidate[0].index = 0;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_reversed);
    assert_int_equal(slot_case_consume(&slot).volume_l, -DS_VOLUME_MAX_L);
    slot_case_last(&slot)->final_index++;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_unknown);
}

static void size__units_and_multipliers_beyond_their_limits_count_as_the_limit(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot.candidate[0].index = 1001;
    slot.meter.unit_l = DS_UNIT_L_MAX + 1;
    slot.meter.multiplier = DS_MULTIPLIER_MAX + 1;
    assert_int_equal(slot_case_consume(&slot).volume_l, (int64_t)DS_UNIT_L_MAX * DS_MULTIPLIER_MAX);
    slot.meter.unit_l = -1;
    slot.meter.multiplier = -1;
    assert_int_equal(slot_case_consume(&slot).volume_l, DS_UNIT_L_DEFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consumption__on_one_dial),
        cmocka_unit_test(passing_zero__half_the_dial_passes_and_one_more_does_not),
        cmocka_unit_test(passing_zero__without_an_expected_use_it_is_not_credible),
        cmocka_unit_test(passing_zero__its_limits_are_the_stations),
        cmocka_unit_test(consumption__unit_and_multiplier_make_litres),
        cmocka_unit_test(consumption__without_an_index_there_is_none),
        cmocka_unit_test(consumption__a_start_bills_nothing_and_is_the_next_ones_previous),
        cmocka_unit_test(consumption__periods_without_an_index_are_passed_over),
        cmocka_unit_test(consumption__a_decided_volume_is_taken_as_it_is),
        cmocka_unit_test(consumption__a_volume_agreed_without_an_index_moves_the_dial_by_it),
        cmocka_unit_test(size__the_largest_volume_passes_and_a_litre_more_does_not),
        cmocka_unit_test(size__the_widest_meter_does_not_overflow),
        cmocka_unit_test(dial__digits_are_clamped_and_default_to_five),
        cmocka_unit_test(dial__a_reading_at_the_instant_of_a_swap_stands_on_the_new_one),
        cmocka_unit_test(size__the_most_negative_volume_passes_and_a_litre_less_does_not),
        cmocka_unit_test(size__units_and_multipliers_beyond_their_limits_count_as_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

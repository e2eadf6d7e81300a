/* Consumption over several legs: swaps, and estimates before. */
#include "tests/support/slot_case.h"
#include "tests/support/test.h"

/* ---- Swaps ----------------------------------------------------------------------------------- */

static void swap__both_dials_are_added(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_swap);
    assert_int_equal(out.volume_l, 12000 + 8000);
    assert_int_equal(out.leg_count, 2);
    assert_int_equal(out.final_index, 11);
    assert_true(out.swapped);
    assert_true(out.billable);
}

static void swap__each_dial_has_its_own_litres(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    slot.swap[0].new_unit_l = 100;
    slot.swap[0].new_dial_digits = 7;
    slot.candidate[0].index = 83;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_swap);
    assert_int_equal(out.volume_l, 12000 + 8000);
    slot.candidate[0].index = 9999999; /* Seven digits now fit. */
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_swap);
    slot.candidate[0].index = 10000000;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_unknown);
}

static void swap__two_in_one_period_are_three_legs(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    slot.swap[1] = slot.swap[0];
    slot.swap[1].instant_ms += 1000;
    slot.swap[1].old_final_index = 5;
    slot.swap[1].new_initial_index = 700;
    slot.input.swap_count = 2;
    slot.candidate[0].index = 706;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_swap);
    assert_int_equal(out.volume_l, 12000 + 2000 + 6000);
    assert_int_equal(out.leg_count, 3);
}

static void swap__a_reading_before_it_is_billed_up_to_the_swap(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    slot.swap[0].instant_ms = slot.candidate[0].instant_ms + 1;
    slot.candidate[0].index = 1009;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_swap);
    assert_int_equal(out.volume_l, 12000);
    assert_int_equal(out.final_index, 3);
}

static void swap__the_old_dial_may_pass_zero_before_it_goes(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    slot_case_last(&slot)->final_index = 99995;
    slot.swap[0].old_final_index = 7;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_passing_zero);
    assert_int_equal(out.volume_l, 12000 + 8000);
}

static void swap__a_dial_below_its_own_start_is_reversed(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    slot.candidate[0].index = 2;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_reversed);
    assert_int_equal(out.why, DS_WHY_swap_below_previous);
    assert_false(out.billable);
    slot_case_add_swap(&slot);
    slot.swap[0].old_final_index = 999;
    out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_reversed);
    assert_int_equal(out.why, DS_WHY_below_previous);
}

static void swap__an_index_beyond_its_dial_is_named(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    slot.swap[0].old_final_index = 100000;
    assert_int_equal(slot_case_consume(&slot).why, DS_WHY_swap_index_too_long);
    slot_case_add_swap(&slot);
    slot.swap[0].new_dial_digits = 1;
    slot.swap[0].new_initial_index = 10;
    slot.candidate[0].index = 9;
    assert_int_equal(slot_case_consume(&slot).why, DS_WHY_swap_index_too_long);
    slot.swap[0].new_initial_index = 9;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_swap);
}

static void swap__a_slot_without_an_index_leaves_it_to_the_next(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    slot.candidate[0].has_index = false;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_no_index);
    assert_int_equal(out.volume_l, 0);
}

/* ---- Estimates before ------------------------------------------------------------------------ */

/* The last actual index is 960, then two estimates of 20 m3: 980 and 1000. */
static const struct {
    const char *name;
    int64_t index;
    enum ds_volume_kind kind;
    int64_t volume_l;
    int64_t rebilled_l;
} after_estimates[] = {
    {"above the estimate", 1001, DS_VOLUME_plain, 1000, 0},
    {"as estimated", 1000, DS_VOLUME_plain, 0, 0},
    {"one below", 999, DS_VOLUME_over_estimate, -1000, 39000},
    {"below the first estimate too", 965, DS_VOLUME_over_estimate, -35000, 5000},
    {"at the last actual reading", 960, DS_VOLUME_over_estimate, -40000, 0},
    {"below the last actual reading", 959, DS_VOLUME_reversed, -41000, 0},
};

static void over_estimate__the_volume_since_the_last_actual_is_rebilled(void **state)
{
    (void)state;
    for (size_t i = 0; i < DS_COUNT(after_estimates); i++) {
        static struct slot_case slot;
        slot_case_init(&slot);
        slot_case_estimate_last(&slot, 2);
        slot.candidate[0].index = after_estimates[i].index;
        struct ds_consumption out = slot_case_consume(&slot);
        if (out.kind != after_estimates[i].kind || out.volume_l != after_estimates[i].volume_l) {
            fail_msg("%s: %s %lld", after_estimates[i].name, ds_volume_kind_name(out.kind),
                     (long long)out.volume_l);
        }
        assert_int_equal(out.rebilled_l, after_estimates[i].rebilled_l);
        assert_int_equal(out.billed_l, out.kind == DS_VOLUME_over_estimate ? 40000 : 0);
    }
}

static void over_estimate__an_actual_predecessor_knows_none(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_last(&slot)->has_last_actual = true;
    slot_case_last(&slot)->last_actual_index = 960;
    slot.candidate[0].index = 999;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_reversed);
}

static void over_estimate__what_was_billed_is_what_counts(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_estimate_last(&slot, 2);
    slot.past[22].consumption_l = 19500; /* Billed otherwise than the index says. */
    slot.candidate[0].index = 990;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.billed_l, 39500);
    assert_int_equal(out.volume_l, 30000 - 39500);
    slot.past[22].has_volume = false; /* Not known: the indexes tell. */
    assert_int_equal(slot_case_consume(&slot).billed_l, 40000);
}

static void over_estimate__it_is_seen_across_zero(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_estimate_last(&slot, 2);
    slot_case_last(&slot)->last_actual_index = 99975;
    slot_case_last(&slot)->final_index = 15; /* The estimates have passed zero ... */
    slot.candidate[0].index = 99990;         /* ... and the dial has not. */
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_over_estimate);
    assert_int_equal(out.rebilled_l, 15000);
    slot.candidate[0].index = 5; /* Both have. */
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_over_estimate);
    assert_int_equal(slot_case_consume(&slot).rebilled_l, 30000);
    slot.candidate[0].index = 16;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_plain);
}

static void over_estimate__a_swap_may_show_it(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_estimate_last(&slot, 2);
    slot_case_add_swap(&slot);
    slot.swap[0].old_final_index = 970;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.kind, DS_VOLUME_over_estimate);
    assert_int_equal(out.rebilled_l, 10000 + 8000);
    assert_int_equal(out.volume_l, 18000 - 40000);
}

static void over_estimate__an_actual_index_of_zero_counts(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_history(&slot, 2, 20000);
    slot_case_estimate_last(&slot, 1);
    slot_case_last(&slot)->final_index = 20;
    slot_case_last(&slot)->last_actual_index = 0;
    slot.candidate[0].index = 5;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_over_estimate);
    assert_int_equal(slot_case_consume(&slot).billed_l, 20000);
    slot_case_last(&slot)->last_actual_index = -1;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_reversed);
    slot_case_last(&slot)->last_actual_index = 100000;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_reversed);
}

static void swap__at_the_very_instant_of_the_reading_the_new_dial_was_read(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_add_swap(&slot);
    slot.swap[0].instant_ms = slot.candidate[0].instant_ms;
    struct ds_consumption out = slot_case_consume(&slot);
    assert_int_equal(out.volume_l, 20000);
    assert_int_equal(out.final_index, 11);
}

static void over_estimate__half_the_dial_passes_and_one_more_does_not(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_estimate_last(&slot, 2);
    slot_case_last(&slot)->last_actual_index = 100;
    slot_case_last(&slot)->final_index = 50100;
    slot.candidate[0].index = 50099;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_over_estimate);
    slot_case_last(&slot)->final_index = 50101;
    assert_int_equal(slot_case_consume(&slot).kind, DS_VOLUME_reversed);
}

static void over_estimate__periods_without_an_index_billed_nothing(void **state)
{
    (void)state;
    static struct slot_case slot;
    slot_case_init(&slot);
    slot_case_estimate_last(&slot, 3);
    slot.past[22].has_index = false;
    slot.candidate[0].index = 990;
    assert_int_equal(slot_case_consume(&slot).billed_l, 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swap__both_dials_are_added),
        cmocka_unit_test(swap__each_dial_has_its_own_litres),
        cmocka_unit_test(swap__two_in_one_period_are_three_legs),
        cmocka_unit_test(swap__a_reading_before_it_is_billed_up_to_the_swap),
        cmocka_unit_test(swap__the_old_dial_may_pass_zero_before_it_goes),
        cmocka_unit_test(swap__a_dial_below_its_own_start_is_reversed),
        cmocka_unit_test(swap__an_index_beyond_its_dial_is_named),
        cmocka_unit_test(swap__a_slot_without_an_index_leaves_it_to_the_next),
        cmocka_unit_test(over_estimate__the_volume_since_the_last_actual_is_rebilled),
        cmocka_unit_test(over_estimate__an_actual_predecessor_knows_none),
        cmocka_unit_test(over_estimate__what_was_billed_is_what_counts),
        cmocka_unit_test(over_estimate__it_is_seen_across_zero),
        cmocka_unit_test(over_estimate__a_swap_may_show_it),
        cmocka_unit_test(over_estimate__an_actual_index_of_zero_counts),
        cmocka_unit_test(swap__at_the_very_instant_of_the_reading_the_new_dial_was_read),
        cmocka_unit_test(over_estimate__half_the_dial_passes_and_one_more_does_not),
        cmocka_unit_test(over_estimate__periods_without_an_index_billed_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a slot bills, through the shard's own doors: each litre once, whatever becomes of the
 * readings, the meter, its dials and its book. */
#include "schema/base/text.h"
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)
#define BEFORE 202512

static struct test_station s;
static struct test_device reader;
static uint8_t memory[65536];

static int open_station(void **state)
{
    (void)state;
    test_station_open(&s);
    test_device_enrol(&s, &s.reader, 1, &reader);
    return 0;
}

static int close_station(void **state)
{
    (void)state;
    test_replay(&s); /* replay_is_identity after every case. */
    test_station_close(&s);
    return 0;
}

static void read_as_import(const struct ds_id *meter, int32_t period, int64_t index)
{
    struct ds_reading reading = {.period = 0};
    DS_SET(&reading, reading, meter, *meter);
    DS_SET(&reading, reading, period, period);
    DS_SET(&reading, reading, index, index);
    DS_SET(&reading, reading, instant_ms, s.now_ms - (period < TEST_PERIOD ? 31 * DAY_MS : 0));
    DS_SET(&reading, reading, method, DS_METHOD_on_site);
    test_write(&s, &s.import, DS_REC_reading, NULL, &reading);
}

static void set_period(const struct ds_id *book, int32_t period, enum ds_period_state state)
{
    struct ds_period change = {.period = 0};
    struct ds_id id = ds_period_id(&s.station, book, (uint32_t)period);
    if (!test_exists(&s, DS_REC_period, &id)) {
        DS_SET(&change, period, book, *book);
        DS_SET(&change, period, period, period);
    }
    DS_SET(&change, period, state, state);
    test_write(&s, &s.supervisor, DS_REC_period, &id, &change);
}

static struct ds_id slot_id(const struct ds_id *meter, int32_t period)
{
    return ds_slot_id(&s.station, meter, DS_REGISTER_mechanical, (uint32_t)period);
}

static void load_slot(const struct ds_id *meter, int32_t period, struct ds_slot *slot)
{
    struct ds_id id = slot_id(meter, period);
    test_forget(&s);
    test_load(&s, DS_REC_slot, &id, slot);
}

/* index below 0: without one. Returns the verdict. */
static int64_t decide(const struct ds_id *meter, int32_t period, enum ds_action action,
                      int64_t index)
{
    struct ds_slot slot;
    struct ds_decision decision = {.action = 0};
    struct ds_id op;
    load_slot(meter, period, &slot);
    DS_SET(&decision, decision, target_type, DS_REC_slot);
    DS_SET(&decision, decision, target, slot_id(meter, period));
    DS_SET(&decision, decision, action, action);
    DS_SET(&decision, decision, candidates_hash, slot.candidates_hash);
    DS_SET(&decision, decision, reason, ds_slice_of_text("seen"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    if (index >= 0) {
        DS_SET(&decision, decision, index, index);
    }
    (void)test_try(&s, &s.supervisor, DS_REC_decision, NULL, &decision, &op);
    return test_verdict(&s, &op);
}

static int64_t merge_meter(const struct ds_id *from, const struct ds_id *into)
{
    struct ds_decision decision = {.action = 0};
    struct ds_id op;
    DS_SET(&decision, decision, target_type, DS_REC_meter);
    DS_SET(&decision, decision, target, *from);
    DS_SET(&decision, decision, action, DS_ACTION_merge_meter);
    DS_SET(&decision, decision, into, *into);
    DS_SET(&decision, decision, reason, ds_slice_of_text("same door"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    (void)test_try(&s, &s.supervisor, DS_REC_decision, NULL, &decision, &op);
    return test_verdict(&s, &op);
}

/* A swap i days into the period from dial position 10 (i + 1) to 0; its new dial is as the old
 * one. Returns whether it was folded. */
static bool swap_dial(const struct ds_id *meter, int32_t period, int i, int64_t old_final)
{
    struct ds_swap swap = {.period = 0};
    char name[] = "N0";
    name[1] = (char)(name[1] + i);
    DS_SET(&swap, swap, meter, *meter);
    DS_SET(&swap, swap, period, period);
    DS_SET(&swap, swap, instant_ms, s.now_ms - (20 - i) * DAY_MS);
    DS_SET(&swap, swap, old_final_index, old_final);
    DS_SET(&swap, swap, new_initial_index, 0);
    DS_SET(&swap, swap, new_meter_no, ds_slice_of_text(name));
    DS_SET(&swap, swap, reason, ds_slice_of_text("expired"));
    return test_try(&s, &s.import, DS_REC_swap, NULL, &swap, NULL).folded == 1;
}

/* The handheld finds a meter that nobody knows. */
static struct ds_id find_unknown(const char *number)
{
    struct ds_builder builder;
    struct ds_meter found = {.kind = 0};
    uint64_t seq = reader.next_seq;
    ds_builder_init(&builder, memory, sizeof(memory));
    DS_SET(&found, meter, meter_no, ds_slice_of_text(number));
    struct ds_slice batch = test_batch(&s, &reader, DS_REC_meter, NULL, 0, &found, &builder);
    struct ds_folded folded = test_commit(&s, batch);
    assert_int_equal(folded.folded, 1);
    return ds_op_id(&folded.incarnation, DS_LANE_WORK, seq);
}

/* What billing would charge: of each slot the volume of its last revision. */
static int64_t billed_l(void)
{
    enum { SLOTS_MAX = 32 };
    struct {
        struct ds_id id;
        int64_t volume_l;
    } last[SLOTS_MAX];
    size_t count = 0;
    struct ds_txn *txn = NULL;
    struct ds_export next = {.position = 0};
    int64_t sum = 0;
    assert_int_equal(ds_store_begin(s.store, false, &txn), DS_OK);
    while (ds_export_next(txn, DS_CONSUMER_billing, next.position, next.ordinal, &next) == DS_OK) {
        struct ds_slot slot;
        size_t at = 0;
        assert_int_equal(ds_record_decode(ds_record_type_by_number(DS_REC_slot), next.fields,
                                          &s.arena, &slot, NULL),
                         DS_OK);
        while (at < count && !ds_id_equal(&last[at].id, &next.id)) {
            at++;
        }
        assert_true(at < SLOTS_MAX);
        count += at == count;
        last[at].id = next.id;
        last[at].volume_l = slot.consumption_l;
        assert_int_equal(slot.revision, next.revision);
        assert_int_equal(next.supersedes, next.revision - 1);
    }
    ds_txn_abort(txn);
    for (size_t i = 0; i < count; i++) {
        sum += last[i].volume_l;
    }
    return sum;
}

static void a_slot_that_was_exported_and_merged_away_is_voided_not_billed_twice(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_id unknown = find_unknown("A001?");
    read_as_import(&unknown, BEFORE, 500);
    read_as_import(&unknown, TEST_PERIOD, 520);
    assert_int_equal(decide(&unknown, TEST_PERIOD, DS_ACTION_approve, -1), 0);
    load_slot(&unknown, TEST_PERIOD, &slot);
    assert_int_equal(slot.revision, 1);
    assert_false(DS_HAS(&slot, slot, voided));
    assert_int_equal(billed_l(), 20000);
    assert_int_equal(merge_meter(&unknown, &s.meter[1]), 0);
    load_slot(&unknown, TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_empty);
    assert_int_equal(slot.revision, 2);
    assert_int_equal(slot.voided, 1);
    assert_int_equal(billed_l(), 0);
    set_period(&s.book, TEST_PERIOD, DS_PERIOD_reading_closed);
    load_slot(&s.meter[1], TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 20000);
    assert_int_equal(billed_l(), 20000);
}

static void what_billing_has_stands_while_a_decision_is_waited_for(void **state)
{
    (void)state;
    struct ds_slot slot;
    read_as_import(&s.meter[0], BEFORE, 500);
    (void)test_reading(&s, &reader, 0, 520, TEST_PERIOD);
    set_period(&s.book, TEST_PERIOD, DS_PERIOD_reading_closed);
    assert_int_equal(billed_l(), 20000);
    s.now_ms += DAY_MS;
    (void)test_reading(&s, &reader, 0, 480, TEST_PERIOD);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_held);
    assert_int_equal(slot.revision, 1);
    assert_int_equal(billed_l(), 20000);
    /* Judged as nothing that can be billed: then it is taken back. */
    read_as_import(&s.meter[0], BEFORE, 470);
    assert_int_equal(decide(&s.meter[0], TEST_PERIOD, DS_ACTION_approve, -1), 0);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_decided);
    assert_int_equal(slot.revision, 2);
}

static void a_decision_does_not_outlive_the_index_that_it_started_from(void **state)
{
    (void)state;
    struct ds_slot slot;
    read_as_import(&s.meter[0], BEFORE, 500);
    (void)test_reading(&s, &reader, 0, 520, TEST_PERIOD);
    assert_int_equal(decide(&s.meter[0], TEST_PERIOD, DS_ACTION_approve, -1), 0);
    /* Still billable from another start: the decision was over the reading, and stands. */
    assert_int_equal(decide(&s.meter[0], BEFORE, DS_ACTION_correct, 510), 0);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_decided);
    assert_int_equal(slot.revision, 2);
    assert_int_equal(billed_l(), 10000);
    /* Nobody has seen that it would run backwards. */
    assert_int_equal(decide(&s.meter[0], BEFORE, DS_ACTION_correct, 600), 0);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_decided_new_evidence);
    assert_int_equal(slot.revision, 2);
    assert_true(slot.anomalies > 0);
    assert_int_equal(billed_l(), 10000);
    /* Now somebody has. */
    assert_int_equal(decide(&s.meter[0], TEST_PERIOD, DS_ACTION_approve, -1), 0);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_decided);
    assert_int_equal(billed_l(), -80000);
}

static void what_runs_backwards_is_not_billed_even_if_no_rule_holds_it(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_rule_setting setting = {.rule = 0};
    struct ds_id id = ds_rule_setting_id(&s.station, DS_RULE_reversed);
    DS_SET(&setting, rule_setting, rule, DS_RULE_reversed);
    DS_SET(&setting, rule_setting, enabled, 0);
    test_write(&s, &s.import, DS_REC_rule_setting, &id, &setting);
    read_as_import(&s.meter[0], BEFORE, 500);
    (void)test_reading(&s, &reader, 0, 480, TEST_PERIOD);
    set_period(&s.book, TEST_PERIOD, DS_PERIOD_reading_closed);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_read);
    assert_int_equal(slot.consumption_l, -20000);
    assert_false(DS_HAS(&slot, slot, exportable));
    assert_int_equal(slot.revision, 0);
}

static void a_fifth_swap_in_one_period_is_not_folded_and_the_four_are_billed(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_meter meter;
    read_as_import(&s.meter[0], BEFORE, 0);
    for (int i = 0; i < 4; i++) {
        assert_true(swap_dial(&s.meter[0], TEST_PERIOD, i, 10));
    }
    assert_false(swap_dial(&s.meter[0], TEST_PERIOD, 4, 10));
    test_load(&s, DS_REC_meter, &s.meter[0], &meter);
    assert_true(ds_slice_equal(meter.meter_no, ds_slice_of_text("N3")));
    (void)test_reading(&s, &reader, 0, 4, TEST_PERIOD);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 44000);
}

static void a_merge_that_would_make_five_swaps_of_one_period_is_refused(void **state)
{
    (void)state;
    struct ds_meter meter;
    for (int i = 0; i < 4; i++) {
        assert_true(swap_dial(&s.meter[0], TEST_PERIOD, i, 10));
    }
    assert_true(swap_dial(&s.meter[1], TEST_PERIOD, 4, 10));
    assert_int_equal(merge_meter(&s.meter[1], &s.meter[0]), DS_VERDICT_refused);
    test_load(&s, DS_REC_meter, &s.meter[1], &meter);
    assert_false(DS_HAS(&meter, meter, merged_into));
    assert_true(swap_dial(&s.meter[2], BEFORE, 5, 10));
    assert_int_equal(merge_meter(&s.meter[2], &s.meter[0]), 0);
}

static void more_swaps_than_can_be_computed_hold_the_slot(void **state)
{
    (void)state;
    struct ds_slot slot;
    read_as_import(&s.meter[0], 202510, 0);
    for (int i = 0; i < 8; i++) {
        assert_true(swap_dial(&s.meter[0], i < 4 ? 202511 : BEFORE, i, 10));
    }
    read_as_import(&s.meter[0], TEST_PERIOD, 5);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 85000);
    assert_true(swap_dial(&s.meter[0], TEST_PERIOD, 8, 5));
    set_period(&s.book, TEST_PERIOD, DS_PERIOD_reading_closed);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_held);
    assert_false(DS_HAS(&slot, slot, consumption_l));
    assert_int_equal(billed_l(), 0);
}

/* Months of nobody at home between two readings of the first meter; returns the last. */
static int32_t empty_months(int count)
{
    int32_t period = TEST_PERIOD;
    for (int i = 0; i < count; i++) {
        period = ds_period_add(period, 1);
        set_period(&s.book, period, DS_PERIOD_open);
    }
    return period;
}

static void a_correction_reaches_the_next_reading_however_far_it_is(void **state)
{
    (void)state;
    struct ds_slot slot;
    read_as_import(&s.meter[0], TEST_PERIOD, 100);
    int32_t end = empty_months(40);
    read_as_import(&s.meter[0], end, 400);
    load_slot(&s.meter[0], end, &slot);
    assert_int_equal(slot.consumption_l, 300000);
    assert_int_equal(decide(&s.meter[0], TEST_PERIOD, DS_ACTION_correct, 150), 0);
    load_slot(&s.meter[0], end, &slot);
    assert_int_equal(slot.previous_index, 150);
    assert_int_equal(slot.consumption_l, 250000);
}

static void
a_correction_reaches_the_next_but_one_reading_through_readings_without_index(void **state)
{
    (void)state;
    struct ds_slot slot;
    int32_t period = TEST_PERIOD;
    read_as_import(&s.meter[0], period, 100);
    for (int i = 0; i < 16; i++) {
        struct ds_reading reading = {.period = 0};
        period = ds_period_add(period, 1);
        DS_SET(&reading, reading, meter, s.meter[0]);
        DS_SET(&reading, reading, period, period);
        DS_SET(&reading, reading, condition, DS_CONDITION_no_access);
        DS_SET(&reading, reading, instant_ms, s.now_ms);
        DS_SET(&reading, reading, method, DS_METHOD_on_site);
        test_write(&s, &s.import, DS_REC_reading, NULL, &reading);
    }
    period = ds_period_add(period, 1);
    read_as_import(&s.meter[0], period, 400);
    load_slot(&s.meter[0], period, &slot);
    assert_int_equal(slot.consumption_l, 300000);
    assert_int_equal(decide(&s.meter[0], TEST_PERIOD, DS_ACTION_correct, 150), 0);
    load_slot(&s.meter[0], period, &slot);
    assert_int_equal(slot.consumption_l, 250000);
}

static void a_swap_that_comes_late_moves_the_dial_of_a_slot_far_behind(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_swap swap = {.period = 0};
    read_as_import(&s.meter[0], TEST_PERIOD, 100);
    int32_t end = empty_months(20);
    read_as_import(&s.meter[0], end, 60);
    s.now_ms += 30 * DAY_MS;
    assert_true(swap_dial(&s.meter[0], end, 9, 60)); /* So the late one is not the newest. */
    s.now_ms -= 30 * DAY_MS;
    DS_SET(&swap, swap, meter, s.meter[0]);
    DS_SET(&swap, swap, period, TEST_PERIOD);
    DS_SET(&swap, swap, instant_ms, s.now_ms + 1);
    DS_SET(&swap, swap, old_final_index, 110);
    DS_SET(&swap, swap, new_initial_index, 0);
    DS_SET(&swap, swap, new_unit_l, 100);
    DS_SET(&swap, swap, new_meter_no, ds_slice_of_text("N900"));
    DS_SET(&swap, swap, reason, ds_slice_of_text("expired"));
    test_write(&s, &s.import, DS_REC_swap, NULL, &swap);
    load_slot(&s.meter[0], end, &slot);
    assert_int_equal(slot.previous_index, 0);
    assert_int_equal(slot.consumption_l, 6000);
}

static void set_unit(const struct ds_id *meter, int64_t unit_l, int64_t multiplier)
{
    struct ds_meter change = {.walk_order = 0};
    if (unit_l > 0) {
        DS_SET(&change, meter, unit_l, unit_l);
    }
    if (multiplier > 0) {
        DS_SET(&change, meter, multiplier, multiplier);
    }
    test_write(&s, &s.import, DS_REC_meter, meter, &change);
}

static void a_dial_that_was_written_down_wrongly_is_billed_as_corrected(void **state)
{
    (void)state;
    struct ds_slot slot;
    read_as_import(&s.meter[0], BEFORE, 500);
    (void)test_reading(&s, &reader, 0, 520, TEST_PERIOD);
    set_unit(&s.meter[0], 100, 0);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 2000);
    set_unit(&s.meter[0], 0, 40);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 80000);
    /* The empty slot of the next month was made before: it counts as corrected, too. */
    int32_t next = empty_months(1);
    set_unit(&s.meter[0], 10, 1);
    read_as_import(&s.meter[0], next, 530);
    load_slot(&s.meter[0], next, &slot);
    assert_int_equal(slot.consumption_l, 100);
}

static void what_billing_has_does_not_change_with_the_dial_or_the_multiplier(void **state)
{
    (void)state;
    struct ds_slot slot;
    read_as_import(&s.meter[0], BEFORE, 500);
    (void)test_reading(&s, &reader, 0, 520, TEST_PERIOD);
    set_period(&s.book, TEST_PERIOD, DS_PERIOD_reading_closed);
    set_unit(&s.meter[0], 100, 99);
    assert_int_equal(decide(&s.meter[0], BEFORE, DS_ACTION_correct, 510), 0);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 10000);
    assert_int_equal(billed_l(), 10000);
}

static void a_corrected_dial_counts_from_the_last_swap(void **state)
{
    (void)state;
    struct ds_slot slot;
    read_as_import(&s.meter[0], BEFORE, 500);
    assert_true(swap_dial(&s.meter[0], TEST_PERIOD, 0, 510));
    (void)test_reading(&s, &reader, 0, 7, TEST_PERIOD);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 17000);
    set_unit(&s.meter[0], 100, 0);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 10700);
}

static void what_billing_has_stays_with_it_when_the_meter_moves_to_another_book(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_meter change = {.walk_order = 0};
    read_as_import(&s.meter[0], BEFORE, 500);
    (void)test_reading(&s, &reader, 0, 520, TEST_PERIOD);
    set_period(&s.book, TEST_PERIOD, DS_PERIOD_reading_closed);
    DS_SET(&change, meter, book, s.other_book);
    test_write(&s, &s.supervisor, DS_REC_meter, &s.meter[0], &change);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_true(ds_id_equal(&slot.book, &s.other_book));
    assert_int_equal(slot.exportable, 1);
    assert_int_equal(billed_l(), 20000);
    load_slot(&s.meter[0], BEFORE, &slot);
    assert_true(ds_id_equal(&slot.book, &s.other_book));
    assert_int_equal(decide(&s.meter[0], BEFORE, DS_ACTION_correct, 505), 0);
    load_slot(&s.meter[0], TEST_PERIOD, &slot);
    assert_int_equal(slot.revision, 2);
    assert_int_equal(billed_l(), 15000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_station, close_station)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_slot_that_was_exported_and_merged_away_is_voided_not_billed_twice),
        CASE(what_billing_has_stands_while_a_decision_is_waited_for),
        CASE(a_decision_does_not_outlive_the_index_that_it_started_from),
        CASE(what_runs_backwards_is_not_billed_even_if_no_rule_holds_it),
        CASE(a_fifth_swap_in_one_period_is_not_folded_and_the_four_are_billed),
        CASE(a_merge_that_would_make_five_swaps_of_one_period_is_refused),
        CASE(more_swaps_than_can_be_computed_hold_the_slot),
        CASE(a_correction_reaches_the_next_reading_however_far_it_is),
        CASE(a_correction_reaches_the_next_but_one_reading_through_readings_without_index),
        CASE(a_swap_that_comes_late_moves_the_dial_of_a_slot_far_behind),
        CASE(a_dial_that_was_written_down_wrongly_is_billed_as_corrected),
        CASE(what_billing_has_does_not_change_with_the_dial_or_the_multiplier),
        CASE(a_corrected_dial_counts_from_the_last_swap),
        CASE(what_billing_has_stays_with_it_when_the_meter_moves_to_another_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the engine makes of evidence: when something was read, what it answers, what it is judged
 * by, and who hears of it. Through the shard's own doors. */
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define DAY_MS INT64_C(86400000)
#define BEFORE 202512
#define SHIJIAZHUANG_LAT INT64_C(380400000)
#define SHIJIAZHUANG_LON INT64_C(1145100000)

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

static void make_reading(size_t meter, int32_t period, int64_t index, struct ds_reading *reading)
{
    memset(reading, 0, sizeof(*reading));
    DS_SET(reading, reading, meter, s.meter[meter]);
    DS_SET(reading, reading, period, period);
    DS_SET(reading, reading, index, index);
    DS_SET(reading, reading, instant_ms, s.now_ms);
    DS_SET(reading, reading, method, DS_METHOD_on_site);
}

static void history(size_t meter, int64_t index)
{
    struct ds_reading reading;
    make_reading(meter, BEFORE, index, &reading);
    DS_SET(&reading, reading, instant_ms, s.now_ms - 31 * DAY_MS);
    test_write(&s, &s.import, DS_REC_reading, NULL, &reading);
}

/* Commit a reading by the handheld; mono_ms: its monotonic clock at the exchange, in the boot in
 * which it read (at 0); 0: another boot. Returns the op. */
static struct ds_id commit(const struct ds_reading *reading, uint64_t seen, uint64_t mono_ms)
{
    struct ds_builder builder;
    struct ds_detail detail = {{0}};
    uint64_t seq = reader.next_seq;
    ds_builder_init(&builder, memory, sizeof(memory));
    struct ds_submission submission = {
        .batch = test_batch(&s, &reader, DS_REC_reading, NULL, seen, reading, &builder),
        .anchor_boot = mono_ms == 0 ? 0 : reader.boot,
        .anchor_mono_ms = mono_ms};
    struct ds_submission *one = &submission;
    assert_int_equal(ds_submission_check(&s.shard, &submission, &detail), DS_OK);
    assert_int_equal(ds_shard_commit(&s.shard, &one, 1), DS_OK);
    assert_int_equal(submission.folded.error, DS_OK);
    return ds_op_id(&submission.folded.incarnation, DS_LANE_WORK, seq);
}

static struct ds_id decide(uint8_t type, const struct ds_id *target, enum ds_action action)
{
    struct ds_decision decision = {.action = 0};
    struct ds_id op;
    DS_SET(&decision, decision, target_type, type);
    DS_SET(&decision, decision, target, *target);
    DS_SET(&decision, decision, action, action);
    if (type == DS_REC_slot) {
        struct ds_slot slot;
        test_load(&s, DS_REC_slot, target, &slot);
        DS_SET(&decision, decision, candidates_hash, slot.candidates_hash);
    }
    if (action == DS_ACTION_merge_meter) {
        DS_SET(&decision, decision, into, s.meter[1]);
    }
    DS_SET(&decision, decision, reason, ds_slice_of_text("because"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    (void)test_try(&s, &s.supervisor, DS_REC_decision, NULL, &decision, &op);
    assert_int_equal(test_verdict(&s, &op), 0);
    return op;
}

static struct ds_id slot_of(size_t meter)
{
    return ds_slot_id(&s.station, &s.meter[meter], DS_REGISTER_mechanical, TEST_PERIOD);
}

/* State of a rule's finding at the slot of the present period; 0: it never hit. */
static int64_t finding(size_t meter, enum ds_rule rule)
{
    struct ds_anomaly row;
    struct ds_id slot = slot_of(meter);
    struct ds_id id = ds_anomaly_id(&s.station, &slot, (uint8_t)rule);
    if (!test_exists(&s, DS_REC_anomaly, &id)) {
        return 0;
    }
    test_load(&s, DS_REC_anomaly, &id, &row);
    return row.state;
}

static size_t count_links(enum ds_link kind, const struct ds_id *parent)
{
    struct ds_txn *txn = NULL;
    struct ds_key key = ds_link_first(kind, parent);
    struct ds_id id;
    uint32_t order = 0;
    uint8_t type = 0;
    size_t count = 0;
    assert_int_equal(ds_store_begin(s.store, false, &txn), DS_OK);
    while (ds_link_next(txn, &key, &order, &id, &type) == DS_OK) {
        count++;
    }
    ds_txn_abort(txn);
    return count;
}

static size_t count_queued(void)
{
    struct ds_txn *txn = NULL;
    struct ds_slice found;
    struct ds_slice value;
    struct ds_key key = {.byte = {0}, .size = 1};
    size_t count = 0;
    assert_int_equal(ds_store_begin(s.store, false, &txn), DS_OK);
    while (ds_txn_at_or_after(txn, DS_TABLE_QUEUE, ds_key_slice(&key), &found, &value) == DS_OK) {
        key = ds_key_after(found);
        count++;
    }
    ds_txn_abort(txn);
    return count;
}

static size_t count_exports(uint8_t consumer)
{
    struct ds_txn *txn = NULL;
    struct ds_export next = {.position = 0};
    size_t count = 0;
    assert_int_equal(ds_store_begin(s.store, false, &txn), DS_OK);
    while (ds_export_next(txn, consumer, next.position, next.ordinal, &next) == DS_OK) {
        count++;
    }
    ds_txn_abort(txn);
    return count;
}

/* ---- When it was read ---- */

static void a_reading_released_a_month_later_was_read_when_it_was_read(void **state)
{
    (void)state;
    struct ds_device change = {.kind = 0};
    struct ds_reading reading;
    struct ds_slot slot;
    history(0, 500);
    DS_SET(&change, device, state, DS_DEVICE_revoked);
    test_write(&s, &s.import, DS_REC_device, &reader.id, &change);
    make_reading(0, TEST_PERIOD, 520, &reading);
    DS_SET(&reading, reading, instant_ms, s.now_ms - MINUTE_MS);
    int64_t claimed = reading.instant_ms;
    struct ds_id op = commit(&reading, 1, MINUTE_MS);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_quarantined);
    s.now_ms += 30 * DAY_MS;
    struct ds_id item = ds_verdict_id(&s.station, DS_REC_quarantine_item, &op);
    (void)decide(DS_REC_quarantine_item, &item, DS_ACTION_release);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_applied); /* Told anew. */
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 520);
    assert_int_equal(slot.instant_ms, claimed);
    assert_int_equal(finding(0, DS_RULE_clock_untrusted), 0);
}

static void in_one_boot_the_monotonic_clock_says_when_whatever_the_wall_clock_claims(void **state)
{
    (void)state;
    struct ds_reading reading;
    struct ds_slot slot;
    history(0, 500);
    make_reading(0, TEST_PERIOD, 520, &reading);
    DS_SET(&reading, reading, instant_ms, s.now_ms - 2 * DAY_MS);
    (void)commit(&reading, 1, MINUTE_MS);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.instant_ms, s.now_ms - 2 * MINUTE_MS);
    assert_int_equal(finding(0, DS_RULE_clock_untrusted), DS_ANOMALY_open);
}

static void a_reading_that_claims_the_future_is_dated_up_to_its_arrival(void **state)
{
    (void)state;
    struct ds_reading reading;
    struct ds_slot slot;
    history(0, 500);
    make_reading(0, TEST_PERIOD, 520, &reading);
    DS_SET(&reading, reading, instant_ms, s.now_ms + 2 * DAY_MS);
    (void)commit(&reading, 1, 0);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.instant_ms, s.now_ms);
    assert_int_equal(finding(0, DS_RULE_clock_untrusted), DS_ANOMALY_open);
}

/* ---- What it answers ---- */

static void a_reading_made_before_the_order_does_not_answer_it_unless_it_names_it(void **state)
{
    (void)state;
    struct ds_reading reading;
    struct ds_task task;
    struct ds_id slot = slot_of(0);
    history(0, 500);
    uint64_t seen = s.shard.meta.size;
    (void)test_reading(&s, &reader, 0, 480, TEST_PERIOD);
    struct ds_id order = decide(DS_REC_slot, &slot, DS_ACTION_re_read);
    uint64_t ordered = s.shard.meta.size;
    make_reading(0, TEST_PERIOD, 481, &reading);
    (void)commit(&reading, seen, 0);
    (void)commit(&reading, ordered - 1, 0);
    test_load(&s, DS_REC_task, &order, &task);
    assert_int_equal(task.state, DS_TASK_assigned);
    struct ds_id answer = commit(&reading, ordered, 0);
    test_load(&s, DS_REC_task, &order, &task);
    assert_int_equal(task.state, DS_TASK_done);
    assert_true(ds_id_equal(&task.result, &answer));
    struct ds_id second = decide(DS_REC_slot, &slot, DS_ACTION_re_read);
    DS_SET(&reading, reading, task, second);
    (void)commit(&reading, seen, 0);
    test_load(&s, DS_REC_task, &second, &task);
    assert_int_equal(task.state, DS_TASK_done);
}

static void a_merged_meters_readings_are_shown_with_the_real_one(void **state)
{
    (void)state;
    (void)test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    assert_int_equal(count_links(DS_LINK_METER_EVENT, &s.meter[0]), 1);
    (void)decide(DS_REC_meter, &s.meter[0], DS_ACTION_merge_meter);
    assert_int_equal(count_links(DS_LINK_METER_EVENT, &s.meter[0]), 0);
    assert_int_equal(count_links(DS_LINK_METER_EVENT, &s.meter[1]), 1);
}

/* ---- What it is judged by ---- */

static void a_slot_is_judged_anew_when_its_account_is_paused(void **state)
{
    (void)state;
    struct ds_meter meter = {.kind = 0};
    struct ds_account account = {.persons = 0};
    DS_SET(&meter, meter, yearly_l, 365000);
    test_write(&s, &s.import, DS_REC_meter, &s.meter[0], &meter);
    history(0, 500);
    (void)test_reading(&s, &reader, 0, 500, TEST_PERIOD);
    assert_int_equal(finding(0, DS_RULE_zero_occupied), DS_ANOMALY_open);
    DS_SET(&account, account, state, DS_ACCOUNT_paused);
    test_write(&s, &s.import, DS_REC_account, &s.account[0], &account);
    assert_int_equal(finding(0, DS_RULE_zero_occupied), DS_ANOMALY_gone);
}

static void a_slot_is_judged_anew_when_its_premises_gets_a_position(void **state)
{
    (void)state;
    struct ds_reading reading;
    struct ds_premises premises = {.floor = 0};
    history(0, 500);
    make_reading(0, TEST_PERIOD, 520, &reading);
    DS_SET(&reading, reading, lat_e7, SHIJIAZHUANG_LAT);
    DS_SET(&reading, reading, lon_e7, SHIJIAZHUANG_LON);
    DS_SET(&reading, reading, accuracy_m, 10);
    (void)commit(&reading, 1, 0);
    assert_int_equal(finding(0, DS_RULE_far_from_premises), 0);
    DS_SET(&premises, premises, lat_e7, SHIJIAZHUANG_LAT + 1000000); /* 11 km away. */
    DS_SET(&premises, premises, lon_e7, SHIJIAZHUANG_LON);
    DS_SET(&premises, premises, position_quality, DS_POSITION_surveyed);
    test_write(&s, &s.import, DS_REC_premises, &s.premises[0], &premises);
    assert_int_equal(finding(0, DS_RULE_far_from_premises), DS_ANOMALY_open);
}

static void a_slot_is_judged_anew_when_its_meter_turns_out_to_be_expired(void **state)
{
    (void)state;
    struct ds_meter meter = {.kind = 0};
    history(0, 500);
    (void)test_reading(&s, &reader, 0, 520, TEST_PERIOD);
    assert_int_equal(finding(0, DS_RULE_expired_meter), 0);
    DS_SET(&meter, meter, expiry_day, 10000); /* 1997-05-19 */
    test_write(&s, &s.import, DS_REC_meter, &s.meter[0], &meter);
    assert_int_equal(finding(0, DS_RULE_expired_meter), DS_ANOMALY_open);
}

static void two_readings_ten_kilometres_apart_within_a_minute_are_seen(void **state)
{
    (void)state;
    struct ds_reading reading;
    history(0, 500);
    history(1, 500);
    make_reading(0, TEST_PERIOD, 520, &reading);
    DS_SET(&reading, reading, lat_e7, SHIJIAZHUANG_LAT);
    DS_SET(&reading, reading, lon_e7, SHIJIAZHUANG_LON);
    DS_SET(&reading, reading, accuracy_m, 10);
    (void)commit(&reading, 1, 0);
    reading.meter = s.meter[1];
    reading.index = 521;
    reading.lat_e7 += 1000000;
    reading.instant_ms += MINUTE_MS;
    s.now_ms += MINUTE_MS;
    (void)commit(&reading, 1, 0);
    assert_int_equal(finding(0, DS_RULE_implausible_pace), 0);
    assert_int_equal(finding(1, DS_RULE_implausible_pace), DS_ANOMALY_open);
}

static void an_estimate_is_proven_by_a_visit_that_left_a_slip(void **state)
{
    (void)state;
    struct ds_reading reading;
    struct ds_visit visit = {.outcome = 0};
    history(0, 500);
    make_reading(0, TEST_PERIOD, 520, &reading);
    DS_SET(&reading, reading, method, DS_METHOD_estimate);
    DS_SET(&reading, reading, estimate_method, DS_ESTIMATE_agreed);
    (void)commit(&reading, 1, 0);
    assert_int_equal(finding(0, DS_RULE_estimate_unproven), DS_ANOMALY_open);
    DS_SET(&visit, visit, premises, s.premises[0]);
    DS_SET(&visit, visit, meter, s.meter[0]);
    DS_SET(&visit, visit, period, TEST_PERIOD);
    DS_SET(&visit, visit, instant_ms, s.now_ms);
    DS_SET(&visit, visit, outcome, DS_VISIT_no_access);
    DS_SET(&visit, visit, slip, 1);
    test_write(&s, &s.import, DS_REC_visit, NULL, &visit);
    assert_int_equal(finding(0, DS_RULE_estimate_unproven), DS_ANOMALY_gone);
}

static void history_that_another_system_billed_is_neither_judged_nor_exported(void **state)
{
    (void)state;
    struct ds_period period = {.period = 0};
    struct ds_slot slot;
    struct ds_id id = ds_period_id(&s.station, &s.book, BEFORE);
    DS_SET(&period, period, book, s.book);
    DS_SET(&period, period, period, BEFORE);
    DS_SET(&period, period, state, DS_PERIOD_closed);
    test_write(&s, &s.import, DS_REC_period, &id, &period);
    struct ds_reading reading;
    make_reading(0, 202511, 600, &reading);
    DS_SET(&reading, reading, instant_ms, s.now_ms - 62 * DAY_MS);
    test_write(&s, &s.import, DS_REC_reading, NULL, &reading);
    history(0, 500); /* It ran backwards. */
    test_slot(&s, 0, BEFORE, &slot);
    assert_int_equal(slot.state, DS_SLOT_read);
    assert_false(DS_HAS(&slot, slot, anomalies));
    assert_int_equal(count_exports(DS_CONSUMER_billing), 0);
}

static void a_finding_whose_risk_changes_stands_in_the_queue_once(void **state)
{
    (void)state;
    history(0, 500);
    (void)test_reading(&s, &reader, 0, 480, TEST_PERIOD);
    assert_int_equal(finding(0, DS_RULE_reversed), DS_ANOMALY_open);
    size_t queued = count_queued();
    s.now_ms += DAY_MS;
    (void)test_reading(&s, &reader, 0, 479, TEST_PERIOD);
    assert_int_equal(finding(0, DS_RULE_reversed), DS_ANOMALY_open);
    assert_int_equal(count_queued(), queued);
}

/* ---- Who hears of it ---- */

static void gis_hears_of_places_and_not_of_the_order_of_the_round(void **state)
{
    (void)state;
    struct ds_meter change = {.walk_order = 0};
    struct ds_premises place = {.floor = 0};
    size_t before = count_exports(DS_CONSUMER_gis);
    DS_SET(&change, meter, walk_order, 77);
    test_write(&s, &s.supervisor, DS_REC_meter, &s.meter[0], &change);
    DS_SET(&place, premises, access_note, ds_slice_of_text("dog"));
    test_write(&s, &s.supervisor, DS_REC_premises, &s.premises[0], &place);
    assert_int_equal(count_exports(DS_CONSUMER_gis), before);
    DS_SET(&change, meter, place, ds_slice_of_text("behind the door"));
    test_write(&s, &s.supervisor, DS_REC_meter, &s.meter[0], &change);
    assert_int_equal(count_exports(DS_CONSUMER_gis), before + 1);
    DS_SET(&place, premises, floor, 7);
    test_write(&s, &s.supervisor, DS_REC_premises, &s.premises[0], &place);
    assert_int_equal(count_exports(DS_CONSUMER_gis), before + 2);
    DS_SET(&place, premises, floor, 8);
    test_write(&s, &s.import, DS_REC_premises, &s.premises[0], &place);
    assert_int_equal(count_exports(DS_CONSUMER_gis), before + 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_station, close_station)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_reading_released_a_month_later_was_read_when_it_was_read),
        CASE(in_one_boot_the_monotonic_clock_says_when_whatever_the_wall_clock_claims),
        CASE(a_reading_that_claims_the_future_is_dated_up_to_its_arrival),
        CASE(a_reading_made_before_the_order_does_not_answer_it_unless_it_names_it),
        CASE(a_merged_meters_readings_are_shown_with_the_real_one),
        CASE(a_slot_is_judged_anew_when_its_account_is_paused),
        CASE(a_slot_is_judged_anew_when_its_premises_gets_a_position),
        CASE(a_slot_is_judged_anew_when_its_meter_turns_out_to_be_expired),
        CASE(two_readings_ten_kilometres_apart_within_a_minute_are_seen),
        CASE(an_estimate_is_proven_by_a_visit_that_left_a_slip),
        CASE(history_that_another_system_billed_is_neither_judged_nor_exported),
        CASE(a_finding_whose_risk_changes_stands_in_the_queue_once),
        CASE(gis_hears_of_places_and_not_of_the_order_of_the_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

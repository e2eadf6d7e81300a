/* The engine through the shard's own doors. Cases named after the rows of "When things go wrong"
 * carry their words. */
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <string.h>

static struct test_station s;
static struct test_device reader;
static struct test_device other;
static uint8_t memory[262144];

static int open_station(void **state)
{
    (void)state;
    test_station_open(&s);
    test_device_enrol(&s, &s.reader, 1, &reader);
    test_device_enrol(&s, &s.other_reader, 2, &other);
    return 0;
}

static int close_station(void **state)
{
    (void)state;
    test_replay(&s); /* replay_is_identity after every case. */
    test_station_close(&s);
    return 0;
}

static struct ds_builder room(void)
{
    struct ds_builder builder;
    ds_builder_init(&builder, memory, sizeof(memory));
    return builder;
}

static void make_reading(size_t meter, int64_t index, struct ds_reading *reading)
{
    memset(reading, 0, sizeof(*reading));
    DS_SET(reading, reading, meter, s.meter[meter]);
    DS_SET(reading, reading, period, TEST_PERIOD);
    DS_SET(reading, reading, index, index);
    DS_SET(reading, reading, instant_ms, s.now_ms);
    DS_SET(reading, reading, method, DS_METHOD_on_site);
}

static void a_reading_fills_its_slot(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_id op = test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_read);
    assert_int_equal(slot.index, 120);
    assert_true(ds_id_equal(&slot.chosen, &op));
    assert_int_equal(test_verdict(&s, &op), 0);
}

static void response_lost_request_repeated__same_bytes_same_answer(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_reading reading;
    make_reading(0, 120, &reading);
    struct ds_slice batch = test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, &builder);
    struct ds_folded first = test_commit(&s, batch);
    uint64_t size = s.shard.meta.size;
    struct ds_folded again = test_commit(&s, batch);
    assert_int_equal(first.error, DS_OK);
    assert_int_equal(again.error, DS_OK);
    assert_true(again.duplicate);
    assert_int_equal(again.position, first.position);
    assert_int_equal(s.shard.meta.size, size);
}

static void gap_in_the_sequence__the_server_says_what_it_has(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_reading reading;
    make_reading(0, 120, &reading);
    struct ds_slice one = test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, &builder);
    make_reading(1, 130, &reading);
    struct ds_slice two = test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, &builder);
    assert_int_equal(test_commit(&s, two).error, DS_ERR_GAP);
    assert_int_equal(test_commit(&s, one).error, DS_OK);
    assert_int_equal(test_commit(&s, two).error, DS_OK);
}

static void restored_and_then_worked_on__a_branch_folds_and_the_supervisor_is_told(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_reading reading;
    struct test_device backup = reader;
    (void)test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    make_reading(1, 77, &reading);
    uint64_t seq = backup.next_seq;
    struct ds_slice batch = test_batch(&s, &backup, DS_REC_reading, NULL, 0, &reading, &builder);
    struct ds_folded folded = test_commit(&s, batch);
    assert_int_equal(folded.error, DS_OK);
    assert_true(folded.branch);
    assert_int_equal(folded.folded, 1);
    struct ds_slot slot;
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 120);
    test_slot(&s, 1, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 77);
    struct ds_incarnation name = ds_branch_name(&backup.incarnation, DS_LANE_WORK, &backup.chain);
    assert_true(ds_incarnation_equal(&name, &folded.incarnation));
    struct ds_id op = ds_op_id(&name, DS_LANE_WORK, seq);
    struct ds_id item = ds_verdict_id(&s.station, DS_REC_quarantine_item, &op);
    struct ds_quarantine_item row;
    test_load(&s, DS_REC_quarantine_item, &item, &row);
    assert_int_equal(row.reason, DS_QUARANTINE_fork);
    assert_int_equal(row.state, DS_ITEM_shown);
    /* It goes on, on its branch, and a repeat is known. */
    make_reading(2, 55, &reading);
    struct ds_slice next = test_batch(&s, &backup, DS_REC_reading, NULL, 0, &reading, &builder);
    assert_int_equal(test_commit(&s, next).folded, 1);
    assert_true(test_commit(&s, next).duplicate);
    assert_true(test_commit(&s, batch).duplicate);
}

static void two_living_clones__the_key_is_suspended_and_the_second_goes_to_quarantine(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_life life = {.parent_work_seq = 0};
    (void)test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    struct test_device child = reader;
    memset(child.incarnation.byte, 0x77, sizeof(child.incarnation.byte));
    child.next_seq = 1;
    child.chain = ds_chain_start(&child.incarnation, DS_LANE_WORK);
    DS_SET(&life, life, parent, ((struct ds_slice){reader.incarnation.byte, 8}));
    DS_SET(&life, life, parent_work_seq, 1);
    struct ds_slice born = test_batch(&s, &child, DS_REC_life, NULL, 0, &life, &builder);
    assert_int_equal(test_commit(&s, born).folded, 1);
    /* The clone lives on under the old name. */
    struct ds_id op = test_reading(&s, &reader, 1, 99, TEST_PERIOD);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_quarantined);
    struct ds_device device;
    test_load(&s, DS_REC_device, &reader.id, &device);
    assert_int_equal(device.state, DS_DEVICE_suspended);
}

static void lost_handheld__what_arrives_after_the_revocation_is_quarantined(void **state)
{
    (void)state;
    struct ds_device change = {.kind = 0};
    DS_SET(&change, device, state, DS_DEVICE_revoked);
    test_write(&s, &s.import, DS_REC_device, &reader.id, &change);
    struct ds_id op = test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_quarantined);
    struct ds_slot slot;
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_empty);
    /* A supervisor releases it: it folds now, as its writer's. */
    struct ds_decision decision = {.action = 0};
    DS_SET(&decision, decision, target_type, DS_REC_quarantine_item);
    DS_SET(&decision, decision, target, ds_verdict_id(&s.station, DS_REC_quarantine_item, &op));
    DS_SET(&decision, decision, action, DS_ACTION_release);
    DS_SET(&decision, decision, reason, ds_slice_of_text("seen the dial"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    test_write(&s, &s.supervisor, DS_REC_decision, NULL, &decision);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 120);
    assert_true(ds_id_equal(&slot.chosen, &op));
}

static void a_book_is_reassigned_while_its_reader_is_offline__his_work_counts_flagged(void **state)
{
    (void)state;
    struct ds_book change = {.difficulty_e2 = 0};
    DS_SET(&change, book, assignee, s.other_reader);
    test_write(&s, &s.supervisor, DS_REC_book, &s.book, &change);
    struct ds_id op = test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    struct ds_slot slot;
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_true(ds_id_equal(&slot.chosen, &op));
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_merged);
}

static void a_field_that_billing_owns_becomes_a_proposal_and_may_be_accepted(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_account change = {.persons = 0};
    DS_SET(&change, account, persons, 5);
    uint64_t seq = reader.next_seq;
    struct ds_slice batch =
        test_batch(&s, &reader, DS_REC_account, &s.account[0], 3, &change, &builder);
    struct ds_folded folded = test_commit(&s, batch);
    struct ds_id op = ds_op_id(&folded.incarnation, DS_LANE_WORK, seq);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_proposal);
    struct ds_account account;
    test_load(&s, DS_REC_account, &s.account[0], &account);
    assert_false(DS_HAS(&account, account, persons));
    struct ds_decision decision = {.action = 0};
    struct ds_id item =
        ds_item_id(&s.station, DS_REC_proposal, &s.account[0], DS_TAG_account_persons, &op);
    DS_SET(&decision, decision, target_type, DS_REC_proposal);
    DS_SET(&decision, decision, target, item);
    DS_SET(&decision, decision, action, DS_ACTION_accept_proposal);
    DS_SET(&decision, decision, reason, ds_slice_of_text("household register seen"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    test_write(&s, &s.supervisor, DS_REC_decision, NULL, &decision);
    test_load(&s, DS_REC_account, &s.account[0], &account);
    assert_int_equal(account.persons, 5);
    struct ds_id second;
    (void)test_try(&s, &s.supervisor, DS_REC_decision, NULL, &decision, &second);
    assert_int_equal(test_verdict(&s, &second), DS_VERDICT_conflict);
}

static void decide(size_t meter, enum ds_action action, int64_t index, struct ds_id *op)
{
    struct ds_slot slot;
    struct ds_decision decision = {.action = 0};
    test_slot(&s, meter, TEST_PERIOD, &slot);
    DS_SET(&decision, decision, target_type, DS_REC_slot);
    DS_SET(&decision, decision, target,
           ds_slot_id(&s.station, &s.meter[meter], DS_REGISTER_mechanical, TEST_PERIOD));
    DS_SET(&decision, decision, action, action);
    DS_SET(&decision, decision, candidates_hash, slot.candidates_hash);
    DS_SET(&decision, decision, reason, ds_slice_of_text("because"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    if (index >= 0) {
        DS_SET(&decision, decision, index, index);
    }
    (void)test_try(&s, &s.supervisor, DS_REC_decision, NULL, &decision, op);
}

static void history(size_t meter, int32_t period, int64_t index)
{
    struct ds_reading reading;
    make_reading(meter, index, &reading);
    DS_SET(&reading, reading, period, period);
    DS_SET(&reading, reading, instant_ms, s.now_ms - 31 * INT64_C(86400000));
    test_write(&s, &s.import, DS_REC_reading, NULL, &reading);
}

static void a_reversed_dial_is_held_until_decided_and_exported_once(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_export next;
    struct ds_txn *txn = NULL;
    history(0, 202512, 500);
    (void)test_reading(&s, &reader, 0, 480, TEST_PERIOD);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_held);
    assert_true(slot.anomalies > 0);
    struct ds_id op;
    decide(0, DS_ACTION_correct, 520, &op);
    assert_int_equal(test_verdict(&s, &op), 0);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_decided);
    assert_int_equal(slot.consumption_l, 20000);
    assert_int_equal(slot.revision, 1);
    assert_int_equal(ds_store_begin(s.store, false, &txn), DS_OK);
    assert_int_equal(ds_export_next(txn, DS_CONSUMER_billing, 0, 0, &next), DS_OK);
    assert_int_equal(next.revision, 1);
    uint64_t position = next.position;
    uint32_t ordinal = next.ordinal;
    assert_int_equal(ds_export_next(txn, DS_CONSUMER_billing, position, ordinal, &next),
                     DS_ERR_NOT_FOUND);
    ds_txn_abort(txn);
    /* Billing takes it: the slot is frozen, and a later reading raises after_billing. */
    struct ds_delivery delivery = {.consumer = 0};
    DS_SET(&delivery, delivery, consumer, DS_CONSUMER_billing);
    DS_SET(&delivery, delivery, position, (int64_t)position);
    DS_SET(&delivery, delivery, ordinal, ordinal);
    test_write(&s, &s.billing, DS_REC_delivery, NULL, &delivery);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.sent_revision, 1);
    (void)test_reading(&s, &reader, 0, 521, TEST_PERIOD);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_decided_new_evidence);
    decide(0, DS_ACTION_correct, 521, &op);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.revision, 2);
}

static void an_index_beyond_the_dial__is_never_decided_out_of_the_queue(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_id op;
    history(0, 202512, 500);
    (void)test_reading(&s, &reader, 0, 100000, TEST_PERIOD); /* Five digits. */
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_held);
    static const struct {
        enum ds_action action;
        int64_t index;
    } refused[] = {{DS_ACTION_correct, 100000},
                   {DS_ACTION_correct, 99999999},
                   {DS_ACTION_approve, -1},
                   {DS_ACTION_dismiss, -1}};
    for (size_t i = 0; i < DS_COUNT(refused); i++) {
        decide(0, refused[i].action, refused[i].index, &op);
        assert_int_equal(test_verdict(&s, &op), DS_VERDICT_refused);
        test_slot(&s, 0, TEST_PERIOD, &slot);
        assert_int_equal(slot.state, DS_SLOT_held);
        assert_true(slot.anomalies > 0);
    }
    decide(0, DS_ACTION_correct, 99999, &op);
    assert_int_equal(test_verdict(&s, &op), 0);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.state, DS_SLOT_decided);
    assert_int_equal(slot.consumption_l, 99499000);
}

static void a_clock_at_1970__dates_the_reading_and_not_the_bill(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_reading row;
    int64_t now_ms = s.now_ms;
    history(0, 202512, 500);
    s.now_ms = 5000;
    struct ds_reading reading;
    make_reading(0, 520, &reading);
    uint8_t bytes[2048];
    struct ds_builder builder;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    struct ds_id op = ds_op_id(&reader.incarnation, DS_LANE_WORK, reader.next_seq);
    struct ds_slice batch = test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, &builder);
    s.now_ms = now_ms;
    assert_int_equal(test_commit(&s, batch).error, DS_OK);
    test_load(&s, DS_REC_reading, &op, &row);
    assert_int_equal(row.instant_ms, 5000);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 520);
    assert_true(slot.instant_ms > now_ms - INT64_C(401) * 86400000);
    assert_true(slot.instant_ms <= now_ms);
}

static void a_decision_over_other_candidates_changes_nothing(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_decision decision = {.action = 0};
    history(0, 202512, 500);
    (void)test_reading(&s, &reader, 0, 480, TEST_PERIOD);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    struct ds_hash seen = slot.candidates_hash;
    (void)test_reading(&s, &other, 0, 530, TEST_PERIOD);
    DS_SET(&decision, decision, target_type, DS_REC_slot);
    DS_SET(&decision, decision, target,
           ds_slot_id(&s.station, &s.meter[0], DS_REGISTER_mechanical, TEST_PERIOD));
    DS_SET(&decision, decision, action, DS_ACTION_approve);
    DS_SET(&decision, decision, candidates_hash, seen);
    DS_SET(&decision, decision, reason, ds_slice_of_text("because"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    struct ds_id op;
    (void)test_try(&s, &s.supervisor, DS_REC_decision, NULL, &decision, &op);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_conflict);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_not_equal(slot.state, DS_SLOT_decided);
    assert_int_equal(slot.candidates, 2);
}

static void two_readings_of_one_period_are_both_kept_and_a_great_difference_is_held(void **state)
{
    (void)state;
    struct ds_slot slot;
    history(0, 202512, 500);
    (void)test_reading(&s, &reader, 0, 520, TEST_PERIOD);
    s.now_ms += 3600000;
    (void)test_reading(&s, &other, 0, 560, TEST_PERIOD);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.candidates, 2);
    assert_int_equal(slot.state, DS_SLOT_held);
}

static void a_period_that_closes_lets_billing_have_its_slots(void **state)
{
    (void)state;
    struct ds_slot slot;
    struct ds_period change = {.period = 0};
    history(0, 202512, 500);
    (void)test_reading(&s, &reader, 0, 520, TEST_PERIOD);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_false(DS_HAS(&slot, slot, exportable));
    DS_SET(&change, period, state, DS_PERIOD_reading_closed);
    struct ds_id id = ds_period_id(&s.station, &s.book, TEST_PERIOD);
    test_write(&s, &s.supervisor, DS_REC_period, &id, &change);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_true(DS_HAS(&slot, slot, exportable));
    assert_int_equal(slot.revision, 1);
    assert_int_equal(slot.consumption_l, 20000);
}

static void a_re_read_becomes_a_task_and_the_next_reading_fulfils_it(void **state)
{
    (void)state;
    struct ds_task task;
    struct ds_id op;
    history(0, 202512, 500);
    (void)test_reading(&s, &reader, 0, 480, TEST_PERIOD);
    decide(0, DS_ACTION_re_read, -1, &op);
    test_load(&s, DS_REC_task, &op, &task);
    assert_int_equal(task.state, DS_TASK_assigned);
    assert_true(ds_id_equal(&task.assignee, &s.reader));
    struct ds_id again = test_reading(&s, &reader, 0, 524, TEST_PERIOD);
    test_load(&s, DS_REC_task, &op, &task);
    assert_int_equal(task.state, DS_TASK_done);
    assert_true(ds_id_equal(&task.result, &again));
}

static void reading_of_an_unknown_meter__orphan_in_quarantine(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_reading reading;
    make_reading(0, 10, &reading);
    memset(reading.meter.byte, 9, sizeof(reading.meter.byte));
    uint64_t seq = reader.next_seq;
    struct ds_slice batch = test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, &builder);
    struct ds_folded folded = test_commit(&s, batch);
    assert_int_equal(folded.quarantined, 1);
    struct ds_id op = ds_op_id(&folded.incarnation, DS_LANE_WORK, seq);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_orphan);
}

static void an_unknown_meter_typed_offline_is_merged_with_the_real_one(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_meter found = {.kind = 0};
    struct ds_reading reading;
    struct ds_decision decision = {.action = 0};
    struct ds_slot slot;
    DS_SET(&found, meter, meter_no, ds_slice_of_text("A001?"));
    uint64_t seq = reader.next_seq;
    struct ds_slice batch = test_batch(&s, &reader, DS_REC_meter, NULL, 0, &found, &builder);
    struct ds_folded folded = test_commit(&s, batch);
    assert_int_equal(folded.folded, 1);
    struct ds_id unknown = ds_op_id(&folded.incarnation, DS_LANE_WORK, seq);
    make_reading(0, 333, &reading);
    reading.meter = unknown;
    batch = test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, &builder);
    assert_int_equal(test_commit(&s, batch).folded, 1);
    DS_SET(&decision, decision, target_type, DS_REC_meter);
    DS_SET(&decision, decision, target, unknown);
    DS_SET(&decision, decision, action, DS_ACTION_merge_meter);
    DS_SET(&decision, decision, into, s.meter[1]);
    DS_SET(&decision, decision, reason, ds_slice_of_text("same door"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    test_write(&s, &s.supervisor, DS_REC_decision, NULL, &decision);
    test_slot(&s, 1, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 333);
}

static void authority__a_reader_decides_nothing(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_decision decision = {.action = 0};
    DS_SET(&decision, decision, target_type, DS_REC_slot);
    DS_SET(&decision, decision, target, s.meter[0]);
    DS_SET(&decision, decision, action, DS_ACTION_approve);
    DS_SET(&decision, decision, reason, ds_slice_of_text("I say so"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    struct ds_slice batch = test_batch(&s, &reader, DS_REC_decision, NULL, 0, &decision, &builder);
    struct ds_folded folded = test_commit(&s, batch);
    assert_int_equal(folded.folded, 0);
    assert_int_equal(folded.quarantined, 1);
}

static void swap__consumption_runs_over_both_dials(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_swap swap = {.period = 0};
    struct ds_slot slot;
    struct ds_meter meter;
    history(0, 202512, 500);
    DS_SET(&swap, swap, meter, s.meter[0]);
    DS_SET(&swap, swap, period, TEST_PERIOD);
    DS_SET(&swap, swap, instant_ms, s.now_ms - 1000);
    DS_SET(&swap, swap, old_final_index, 510);
    DS_SET(&swap, swap, new_initial_index, 0);
    DS_SET(&swap, swap, new_meter_no, ds_slice_of_text("N900"));
    DS_SET(&swap, swap, reason, ds_slice_of_text("expired"));
    struct ds_slice batch = test_batch(&s, &reader, DS_REC_swap, NULL, 0, &swap, &builder);
    assert_int_equal(test_commit(&s, batch).folded, 1);
    (void)test_reading(&s, &reader, 0, 7, TEST_PERIOD);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 17000);
    assert_int_equal(slot.state, DS_SLOT_read);
    test_load(&s, DS_REC_meter, &s.meter[0], &meter);
    assert_true(ds_slice_equal(meter.meter_no, ds_slice_of_text("N900")));
}

static void a_swap_in_a_period_without_index_is_billed_with_the_next(void **state)
{
    (void)state;
    struct ds_swap swap = {.period = 0};
    struct ds_slot slot;
    history(0, 202511, 500);
    DS_SET(&swap, swap, meter, s.meter[0]);
    DS_SET(&swap, swap, period, 202512);
    DS_SET(&swap, swap, instant_ms, s.now_ms - 20 * INT64_C(86400000));
    DS_SET(&swap, swap, old_final_index, 510);
    DS_SET(&swap, swap, new_initial_index, 3);
    DS_SET(&swap, swap, new_meter_no, ds_slice_of_text("N901"));
    DS_SET(&swap, swap, reason, ds_slice_of_text("expired"));
    test_write(&s, &s.import, DS_REC_swap, NULL, &swap);
    (void)test_reading(&s, &reader, 0, 10, TEST_PERIOD);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.consumption_l, 17000);
}

static void unknown_fields_and_types_from_a_newer_app_are_carried_and_kept(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    static const uint8_t fields[] = {0x81, 100, 0xa1, 'x'};
    struct ds_premises change = {.floor = 0};
    change.presence.unknown = (struct ds_slice){fields + 1, 3};
    change.presence.unknown_count = 1;
    struct ds_slice batch =
        test_batch(&s, &reader, DS_REC_premises, &s.premises[0], 0, &change, &builder);
    assert_int_equal(test_commit(&s, batch).folded, 1);
    struct ds_premises row;
    test_load(&s, DS_REC_premises, &s.premises[0], &row);
    assert_int_equal(row.presence.unknown_count, 1);
    assert_true(ds_slice_equal(row.presence.unknown, change.presence.unknown));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_station, close_station)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_reading_fills_its_slot),
        CASE(response_lost_request_repeated__same_bytes_same_answer),
        CASE(gap_in_the_sequence__the_server_says_what_it_has),
        CASE(restored_and_then_worked_on__a_branch_folds_and_the_supervisor_is_told),
        CASE(two_living_clones__the_key_is_suspended_and_the_second_goes_to_quarantine),
        CASE(lost_handheld__what_arrives_after_the_revocation_is_quarantined),
        CASE(a_book_is_reassigned_while_its_reader_is_offline__his_work_counts_flagged),
        CASE(a_field_that_billing_owns_becomes_a_proposal_and_may_be_accepted),
        CASE(a_reversed_dial_is_held_until_decided_and_exported_once),
        CASE(an_index_beyond_the_dial__is_never_decided_out_of_the_queue),
        CASE(a_clock_at_1970__dates_the_reading_and_not_the_bill),
        CASE(a_decision_over_other_candidates_changes_nothing),
        CASE(two_readings_of_one_period_are_both_kept_and_a_great_difference_is_held),
        CASE(a_period_that_closes_lets_billing_have_its_slots),
        CASE(a_re_read_becomes_a_task_and_the_next_reading_fulfils_it),
        CASE(reading_of_an_unknown_meter__orphan_in_quarantine),
        CASE(an_unknown_meter_typed_offline_is_merged_with_the_real_one),
        CASE(authority__a_reader_decides_nothing),
        CASE(swap__consumption_runs_over_both_dials),
        CASE(a_swap_in_a_period_without_index_is_billed_with_the_next),
        CASE(unknown_fields_and_types_from_a_newer_app_are_carried_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The engine and the shard against hostile, odd and late work: what one device writes never stops
 * another's, nothing is folded twice, and nobody gains what he does not hold. */
#include "schema/codec/msgpack.h"
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <string.h>

enum { ROOM = 262144, DAY_MS = 86400000 };

static struct test_station s;
static struct test_device reader;
static struct test_device other;
static uint8_t memory[ROOM];

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

/* Seal one op with any fields, also such as no record struct can say. */
static struct ds_slice raw_batch(struct test_device *device, uint64_t type, const struct ds_id *id,
                                 struct ds_slice fields, struct ds_builder *out)
{
    static uint8_t bytes[65536];
    uint8_t header[512];
    struct ds_builder builder;
    struct ds_signature signature;
    struct ds_op op = {.type = type, .seen = s.shard.meta.size, .fields = fields};
    if (id != NULL) {
        op.id = *id;
    }
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_op_put(&builder, &op);
    assert_false(builder.failed);
    struct ds_slice ops = {bytes, builder.used};
    struct ds_batch batch = {.suite = DS_SUITE,
                             .station = s.station,
                             .device = device->id,
                             .incarnation = device->incarnation,
                             .lane = DS_LANE_WORK,
                             .first_seq = device->next_seq++,
                             .count = 1,
                             .before = device->chain,
                             .epoch = device->epoch,
                             .boot = device->boot,
                             .base_ms = device->base_ms,
                             .source = DS_CLOCK_rtc};
    device->chain = ds_chain_next(&device->chain, ops);
    batch.head = device->chain;
    struct ds_builder head;
    ds_builder_init(&head, header, sizeof(header));
    ds_batch_put_header(&head, &batch);
    ds_sign(&device->sign, DS_LABEL_BATCH, (struct ds_slice){header, head.used}, &signature);
    size_t at = out->used;
    ds_batch_put(out, (struct ds_slice){header, head.used}, ops, signature.byte);
    assert_false(out->failed);
    return (struct ds_slice){out->data + at, out->used - at};
}

/* A map with one pair: tag -> a text of so many bytes. */
static struct ds_slice long_text(uint64_t tag, size_t size)
{
    static uint8_t bytes[65536];
    static uint8_t text[65536];
    struct ds_builder builder;
    memset(text, 'x', sizeof(text));
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_mp_put_map(&builder, 1);
    ds_mp_put_uint(&builder, tag);
    ds_mp_put_str(&builder, (struct ds_slice){text, size});
    assert_false(builder.failed);
    return (struct ds_slice){bytes, builder.used};
}

static struct ds_folded commit_long_text(struct test_device *device, uint64_t type,
                                         const struct ds_id *id, uint64_t tag, size_t size)
{
    struct ds_builder builder = room();
    return test_commit(&s, raw_batch(device, type, id, long_text(tag, size), &builder));
}

static struct ds_folded commit_one(struct test_device *device, uint8_t type, const struct ds_id *id,
                                   const void *record, struct ds_id *op)
{
    struct ds_builder builder = room();
    uint64_t seq = device->next_seq;
    struct ds_slice batch = test_batch(&s, device, type, id, s.shard.meta.size, record, &builder);
    struct ds_folded folded = test_commit(&s, batch);
    assert_int_equal(folded.error, DS_OK);
    if (op != NULL) {
        *op = ds_op_id(&folded.incarnation, DS_LANE_WORK, seq);
    }
    return folded;
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

static struct ds_id item_of(uint8_t type, const struct ds_id *op)
{
    return ds_verdict_id(&s.station, type, op);
}

static struct ds_id decide(struct ds_actor *actor, uint8_t type, const struct ds_id *target,
                           enum ds_action action)
{
    struct ds_decision decision = {.action = 0};
    struct ds_id op;
    DS_SET(&decision, decision, target_type, type);
    DS_SET(&decision, decision, target, *target);
    DS_SET(&decision, decision, action, action);
    DS_SET(&decision, decision, reason, ds_slice_of_text("because"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    (void)test_try(&s, actor, DS_REC_decision, NULL, &decision, &op);
    return op;
}

/* ---- One device's bytes against another's work. ---- */
static void a_row_that_would_outgrow_its_room_is_quarantined_and_the_lane_goes_on(void **state)
{
    (void)state;
    uint32_t quarantined = 0;
    for (uint64_t tag = 100; tag < 110; tag++) {
        struct ds_folded folded =
            commit_long_text(&reader, DS_REC_premises, &s.premises[0], tag, 30000);
        assert_int_equal(folded.error, DS_OK);
        quarantined += folded.quarantined;
    }
    assert_in_range(quarantined, 1, 9);
    struct ds_premises note = {.floor = 0};
    DS_SET(&note, premises, access_note, ds_slice_of_text("ring twice"));
    assert_int_equal(commit_one(&other, DS_REC_premises, &s.premises[0], &note, NULL).quarantined,
                     0);
}

static void unknown_fields_leave_room_for_those_that_the_engine_writes(void **state)
{
    (void)state;
    struct ds_swap swap = {.period = 0};
    struct ds_meter meter;
    for (uint64_t tag = 60; tag < 120; tag++) {
        assert_int_equal(commit_long_text(&reader, DS_REC_meter, &s.meter[0], tag, 3).error, DS_OK);
    }
    DS_SET(&swap, swap, meter, s.meter[0]);
    DS_SET(&swap, swap, period, TEST_PERIOD);
    DS_SET(&swap, swap, instant_ms, s.now_ms);
    DS_SET(&swap, swap, old_final_index, 10);
    DS_SET(&swap, swap, new_initial_index, 0);
    DS_SET(&swap, swap, new_meter_no, ds_slice_of_text("N1"));
    DS_SET(&swap, swap, reason, ds_slice_of_text("expired"));
    assert_int_equal(commit_one(&other, DS_REC_swap, NULL, &swap, NULL).folded, 1);
    struct ds_id unknown = s.meter[0];
    struct ds_decision decision = {.action = 0};
    struct ds_id op;
    DS_SET(&decision, decision, target_type, DS_REC_meter);
    DS_SET(&decision, decision, target, unknown);
    DS_SET(&decision, decision, action, DS_ACTION_merge_meter);
    DS_SET(&decision, decision, into, s.meter[1]);
    DS_SET(&decision, decision, reason, ds_slice_of_text("same door"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    (void)test_try(&s, &s.supervisor, DS_REC_decision, NULL, &decision, &op);
    test_load(&s, DS_REC_meter, &s.meter[0], &meter);
    assert_int_equal(meter.state, DS_METER_merged);
}

static void a_record_from_a_newer_build_with_a_tag_out_of_range_is_quarantined(void **state)
{
    (void)state;
    assert_int_equal(commit_long_text(&reader, 100, NULL, 0, 3).quarantined, 1);
    assert_int_equal(commit_long_text(&reader, 100, NULL, 128, 3).quarantined, 1);
    assert_int_equal(commit_long_text(&reader, 100, NULL, 127, 3).quarantined, 0);
}

static void a_handheld_cannot_lock_another_device_out_by_swelling_its_row(void **state)
{
    (void)state;
    for (uint64_t tag = 100; tag < 104; tag++) {
        assert_int_equal(commit_long_text(&reader, DS_REC_device, &other.id, tag, 9000).error,
                         DS_OK);
    }
    (void)test_reading(&s, &other, 0, 120, TEST_PERIOD);
}

static void an_unknown_field_of_a_record_that_is_not_theirs_waits_as_a_proposal(void **state)
{
    (void)state;
    struct ds_device device;
    uint64_t seq = reader.next_seq;
    struct ds_folded folded = commit_long_text(&reader, DS_REC_device, &other.id, 100, 5);
    struct ds_id op = ds_op_id(&folded.incarnation, DS_LANE_WORK, seq);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_proposal);
    test_load(&s, DS_REC_device, &other.id, &device);
    assert_int_equal(device.presence.unknown_count, 0);
}

/* ---- Deliveries. ---- */
static int64_t deliver(uint64_t position)
{
    struct ds_delivery delivery = {.presence = {0}};
    struct ds_id op;
    DS_SET(&delivery, delivery, consumer, DS_CONSUMER_billing);
    DS_SET(&delivery, delivery, position, (int64_t)position);
    DS_SET(&delivery, delivery, ordinal, 1);
    (void)test_try(&s, &s.billing, DS_REC_delivery, NULL, &delivery, &op);
    return test_verdict(&s, &op);
}

static void a_connector_takes_its_cursor_neither_back_nor_into_the_future(void **state)
{
    (void)state;
    struct ds_txn *txn = NULL;
    uint64_t position = 0;
    uint32_t ordinal = 0;
    assert_int_equal(deliver(10), 0);
    assert_int_equal(deliver(9), DS_VERDICT_refused);
    assert_int_equal(deliver(10), DS_VERDICT_refused);
    assert_int_equal(deliver(s.shard.meta.size + 2), DS_VERDICT_refused);
    assert_int_equal(ds_store_begin(s.store, false, &txn), DS_OK);
    assert_int_equal(ds_export_cursor(txn, DS_CONSUMER_billing, &position, &ordinal), DS_OK);
    ds_txn_abort(txn);
    assert_int_equal(position, 10);
    assert_int_equal(deliver(11), 0);
}

/* ---- Forged lanes. ---- */
static enum ds_err commit_next(struct test_device *device)
{
    struct ds_builder builder = room();
    struct ds_reading reading;
    uint64_t size = s.shard.meta.size;
    make_reading(1, 20, &reading);
    struct ds_slice batch =
        test_batch(&s, device, DS_REC_reading, NULL, s.shard.meta.size, &reading, &builder);
    struct ds_folded folded = test_commit(&s, batch);
    assert_int_equal(s.shard.meta.size, folded.error == DS_OK ? size + 1 : size);
    return folded.error;
}

static void a_sequence_that_was_left_out_is_missed_whatever_the_chain_says(void **state)
{
    (void)state;
    (void)test_reading(&s, &reader, 0, 10, TEST_PERIOD);
    struct test_device forger = reader;
    forger.next_seq++; /* And nothing lies between, says the chain. */
    assert_int_equal(commit_next(&forger), DS_ERR_GAP);
    assert_int_equal(commit_next(&reader), DS_OK);
}

static void a_batch_that_hangs_on_another_chain_is_not_folded(void **state)
{
    (void)state;
    (void)test_reading(&s, &reader, 0, 10, TEST_PERIOD);
    struct test_device forger = reader;
    forger.chain.byte[5] ^= 1;
    assert_int_equal(commit_next(&forger), DS_ERR_GAP);
    assert_int_equal(commit_next(&reader), DS_OK);
}

/* ---- Authority. ---- */
static void authority__a_supervisor_may_not_accept_what_only_an_admin_may_write(void **state)
{
    (void)state;
    struct ds_device change = {.kind = 0};
    struct ds_device device;
    struct ds_id op;
    DS_SET(&change, device, worker, s.boss);
    (void)commit_one(&reader, DS_REC_device, &reader.id, &change, &op);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_proposal);
    struct ds_id item =
        ds_item_id(&s.station, DS_REC_proposal, &reader.id, DS_TAG_device_worker, &op);
    struct ds_id decision =
        decide(&s.supervisor, DS_REC_proposal, &item, DS_ACTION_accept_proposal);
    assert_int_equal(test_verdict(&s, &decision), DS_VERDICT_refused);
    test_load(&s, DS_REC_device, &reader.id, &device);
    assert_true(ds_id_equal(&device.worker, &s.reader));
    decision = decide(&s.supervisor, DS_REC_proposal, &item, DS_ACTION_refuse_proposal);
    assert_int_equal(test_verdict(&s, &decision), 0);
}

static void authority__not_even_an_admin_accepts_another_key_for_a_device(void **state)
{
    (void)state;
    struct ds_role_grant grant = {.presence = {0}};
    struct ds_device change = {.kind = 0};
    struct ds_device device;
    struct ds_id op;
    struct ds_id id = ds_grant_id(&s.station, &s.boss, DS_ROLE_admin, &s.station);
    DS_SET(&grant, role_grant, worker, s.boss);
    DS_SET(&grant, role_grant, role, DS_ROLE_admin);
    DS_SET(&grant, role_grant, subtree, s.station);
    test_write(&s, &s.import, DS_REC_role_grant, &id, &grant);
    DS_SET(&change, device, sign_key, other.sign_public);
    (void)commit_one(&reader, DS_REC_device, &reader.id, &change, &op);
    struct ds_id item =
        ds_item_id(&s.station, DS_REC_proposal, &reader.id, DS_TAG_device_sign_key, &op);
    if (test_exists(&s, DS_REC_proposal, &item)) {
        (void)decide(&s.supervisor, DS_REC_proposal, &item, DS_ACTION_accept_proposal);
    }
    test_load(&s, DS_REC_device, &reader.id, &device);
    assert_true(ds_hash_equal(&device.sign_key, &reader.sign_public));
}

static void authority__nobody_changes_the_key_that_a_device_signed_with(void **state)
{
    (void)state;
    struct ds_device change = {.kind = 0};
    struct ds_device device;
    struct ds_id op;
    (void)test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    DS_SET(&change, device, sign_key, other.sign_public);
    (void)test_try(&s, &s.import, DS_REC_device, &reader.id, &change, &op);
    test_load(&s, DS_REC_device, &reader.id, &device);
    assert_true(ds_hash_equal(&device.sign_key, &reader.sign_public));
    (void)test_reading(&s, &reader, 0, 121, TEST_PERIOD);
}

static void authority__a_connector_does_not_answer_for_another(void **state)
{
    (void)state;
    struct ds_answer answer = {.consumer = 0};
    DS_SET(&answer, answer, consumer, DS_CONSUMER_gis);
    DS_SET(&answer, answer, slot, s.meter[0]);
    DS_SET(&answer, answer, revision, 1);
    DS_SET(&answer, answer, answer, DS_ANSWER_accepted);
    assert_int_equal(test_try(&s, &s.billing, DS_REC_answer, NULL, &answer, NULL).quarantined, 1);
    DS_SET(&answer, answer, consumer, DS_CONSUMER_billing);
    assert_int_equal(test_try(&s, &s.billing, DS_REC_answer, NULL, &answer, NULL).quarantined, 0);
}

/* ---- Folded once. ---- */
static void an_op_with_a_field_that_is_not_his_is_folded_once_when_it_is_released(void **state)
{
    (void)state;
    struct ds_premises change = {.floor = 0};
    struct ds_premises row;
    struct ds_id op;
    DS_SET(&change, premises, access_note, ds_slice_of_text("old"));
    DS_SET(&change, premises, district, ds_slice_of_text("east"));
    (void)commit_one(&reader, DS_REC_premises, &s.premises[0], &change, &op);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_quarantined);
    struct ds_id item = item_of(DS_REC_quarantine_item, &op);
    (void)decide(&s.supervisor, DS_REC_quarantine_item, &item, DS_ACTION_release);
    test_load(&s, DS_REC_premises, &s.premises[0], &row);
    assert_true(ds_slice_equal(row.access_note, ds_slice_of_text("old")));
    assert_false(DS_HAS(&row, premises, district));
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_refused);
    /* It is settled: a second release changes nothing. */
    struct ds_premises newer = {.floor = 0};
    DS_SET(&newer, premises, access_note, ds_slice_of_text("new"));
    (void)commit_one(&other, DS_REC_premises, &s.premises[0], &newer, NULL);
    (void)decide(&s.supervisor, DS_REC_quarantine_item, &item, DS_ACTION_release);
    test_load(&s, DS_REC_premises, &s.premises[0], &row);
    assert_true(ds_slice_equal(row.access_note, ds_slice_of_text("new")));
}

static void a_life_under_the_name_of_a_coming_branch_does_not_let_ops_fold_twice(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_reading reading;
    struct test_device backup = reader;
    (void)test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    make_reading(1, 77, &reading);
    struct ds_slice fork = test_batch(&s, &backup, DS_REC_reading, NULL, 0, &reading, &builder);
    struct test_device squatter = reader;
    squatter.incarnation = ds_branch_name(&backup.incarnation, DS_LANE_WORK, &backup.chain);
    squatter.next_seq = 1;
    squatter.chain = ds_chain_start(&squatter.incarnation, DS_LANE_WORK);
    struct ds_id mine = test_reading(&s, &squatter, 2, 10, TEST_PERIOD);
    assert_int_equal(test_commit(&s, fork).error, DS_ERR_GAP);
    struct ds_reading row;
    test_load(&s, DS_REC_reading, &mine, &row);
    assert_int_equal(row.index, 10);
}

static void restored_on_a_branch_and_worked_on_again__a_branch_of_the_branch_folds(void **state)
{
    (void)state;
    struct test_device backup = reader;
    struct ds_slot slot;
    struct ds_builder builder = room();
    struct ds_reading reading;
    (void)test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    (void)test_reading(&s, &reader, 0, 121, TEST_PERIOD);
    (void)test_reading(&s, &backup, 1, 77, TEST_PERIOD);
    struct test_device second = backup;
    (void)test_reading(&s, &backup, 1, 78, TEST_PERIOD);
    make_reading(2, 55, &reading);
    struct ds_slice batch = test_batch(&s, &second, DS_REC_reading, NULL, 0, &reading, &builder);
    struct ds_folded folded = test_commit(&s, batch);
    assert_int_equal(folded.error, DS_OK);
    assert_true(folded.branch);
    assert_int_equal(folded.folded, 1);
    test_slot(&s, 2, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 55);
    assert_true(test_commit(&s, batch).duplicate);
    /* All three go on. */
    (void)test_reading(&s, &second, 2, 56, TEST_PERIOD);
    (void)test_reading(&s, &backup, 1, 79, TEST_PERIOD);
    (void)test_reading(&s, &reader, 0, 122, TEST_PERIOD);
}

static void two_lives_of_one_parent__the_first_that_goes_on_is_a_clone(void **state)
{
    (void)state;
    struct ds_life life = {.parent_work_seq = 0};
    struct ds_device row;
    (void)test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    struct test_device lives[2] = {reader, reader};
    for (unsigned i = 0; i < 2; i++) {
        memset(lives[i].incarnation.byte, (int)(40 + i), sizeof(lives[i].incarnation.byte));
        lives[i].next_seq = 1;
        lives[i].chain = ds_chain_start(&lives[i].incarnation, DS_LANE_WORK);
        DS_SET(&life, life, parent, DS_SLICE_OF(reader.incarnation.byte));
        DS_SET(&life, life, parent_work_seq, 1);
        (void)commit_one(&lives[i], DS_REC_life, NULL, &life, NULL);
    }
    test_load(&s, DS_REC_device, &reader.id, &row);
    assert_int_equal(row.state, DS_DEVICE_active);
    struct ds_reading reading;
    make_reading(1, 50, &reading);
    assert_int_equal(commit_one(&lives[0], DS_REC_reading, NULL, &reading, NULL).quarantined, 1);
    test_load(&s, DS_REC_device, &reader.id, &row);
    assert_int_equal(row.state, DS_DEVICE_suspended);
}

/* ---- Slots. ---- */
static void a_period_that_closes_lets_billing_have_every_register(void **state)
{
    (void)state;
    struct ds_reading reading;
    struct ds_period change = {.period = 0};
    struct ds_slot slot;
    make_reading(0, 100, &reading);
    DS_SET(&reading, reading, register_kind, DS_REGISTER_standard);
    DS_SET(&reading, reading, period, 202512);
    reading.instant_ms -= 31 * (int64_t)DAY_MS;
    test_write(&s, &s.import, DS_REC_reading, NULL, &reading);
    make_reading(0, 120, &reading);
    DS_SET(&reading, reading, register_kind, DS_REGISTER_standard);
    (void)commit_one(&reader, DS_REC_reading, NULL, &reading, NULL);
    DS_SET(&change, period, state, DS_PERIOD_reading_closed);
    struct ds_id id = ds_period_id(&s.station, &s.book, TEST_PERIOD);
    test_write(&s, &s.supervisor, DS_REC_period, &id, &change);
    struct ds_id slot_id = ds_slot_id(&s.station, &s.meter[0], DS_REGISTER_standard, TEST_PERIOD);
    test_load(&s, DS_REC_slot, &slot_id, &slot);
    assert_true(DS_HAS(&slot, slot, exportable));
    assert_int_equal(slot.revision, 1);
}

static void swap_at(size_t meter, int64_t instant_ms, int64_t last, int64_t first, const char *no,
                    int64_t digits)
{
    struct ds_swap swap = {.period = 0};
    DS_SET(&swap, swap, meter, s.meter[meter]);
    DS_SET(&swap, swap, period, TEST_PERIOD);
    DS_SET(&swap, swap, instant_ms, instant_ms);
    DS_SET(&swap, swap, old_final_index, last);
    DS_SET(&swap, swap, new_initial_index, first);
    DS_SET(&swap, swap, new_meter_no, ds_slice_of_text(no));
    DS_SET(&swap, swap, new_dial_digits, digits);
    DS_SET(&swap, swap, reason, ds_slice_of_text("expired"));
    test_write(&s, &s.import, DS_REC_swap, NULL, &swap);
}

static void a_swap_that_arrives_after_a_later_one_leaves_the_meter_as_that_one_made_it(void **state)
{
    (void)state;
    struct ds_meter meter;
    swap_at(0, s.now_ms - 1000, 20, 0, "SECOND", 7);
    swap_at(0, s.now_ms - 5000, 510, 0, "FIRST", 6);
    test_load(&s, DS_REC_meter, &s.meter[0], &meter);
    assert_true(ds_slice_equal(meter.meter_no, ds_slice_of_text("SECOND")));
    assert_int_equal(meter.dial_digits, 7);
}

static void a_merged_meter_brings_its_swaps_along(void **state)
{
    (void)state;
    struct ds_decision decision = {.action = 0};
    struct ds_reading reading;
    struct ds_slot slot;
    make_reading(1, 500, &reading);
    DS_SET(&reading, reading, period, 202512);
    reading.instant_ms -= 31 * (int64_t)DAY_MS;
    test_write(&s, &s.import, DS_REC_reading, NULL, &reading);
    swap_at(0, s.now_ms - 1000, 510, 0, "N2", 5);
    (void)test_reading(&s, &reader, 0, 7, TEST_PERIOD);
    DS_SET(&decision, decision, target_type, DS_REC_meter);
    DS_SET(&decision, decision, target, s.meter[0]);
    DS_SET(&decision, decision, action, DS_ACTION_merge_meter);
    DS_SET(&decision, decision, into, s.meter[1]);
    DS_SET(&decision, decision, reason, ds_slice_of_text("same door"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    test_write(&s, &s.supervisor, DS_REC_decision, NULL, &decision);
    test_slot(&s, 1, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 7);
    assert_int_equal(slot.consumption_l, 17000);
}

static void a_visit_at_an_unknown_meter_leaves_nothing_behind_but_its_item(void **state)
{
    (void)state;
    struct ds_visit visit = {.outcome = 0};
    struct ds_id nowhere;
    struct ds_txn *txn = NULL;
    memset(nowhere.byte, 9, sizeof(nowhere.byte));
    DS_SET(&visit, visit, premises, s.premises[0]);
    DS_SET(&visit, visit, instant_ms, s.now_ms);
    DS_SET(&visit, visit, outcome, DS_VISIT_no_access);
    DS_SET(&visit, visit, meter, nowhere);
    DS_SET(&visit, visit, period, TEST_PERIOD);
    assert_int_equal(commit_one(&reader, DS_REC_visit, NULL, &visit, NULL).quarantined, 1);
    assert_int_equal(ds_store_begin(s.store, false, &txn), DS_OK);
    struct ds_key key = ds_link_first(DS_LINK_PREMISES_EVENT, &s.premises[0]);
    uint32_t order = 0;
    struct ds_id child;
    uint8_t type = 0;
    assert_int_equal(ds_link_next(txn, &key, &order, &child, &type), DS_ERR_NOT_FOUND);
    ds_txn_abort(txn);
}

static void the_largest_index_unit_and_multiplier_do_not_overflow(void **state)
{
    (void)state;
    struct ds_meter change = {.kind = 0};
    struct ds_reading reading;
    DS_SET(&change, meter, dial_digits, 12);
    DS_SET(&change, meter, unit_l, 10000000);
    DS_SET(&change, meter, multiplier, 100000);
    test_write(&s, &s.import, DS_REC_meter, &s.meter[0], &change);
    for (int i = 0; i < 3; i++) {
        make_reading(0, i % 2 == 0 ? 0 : 999999999999, &reading);
        DS_SET(&reading, reading, period, 202511 + (i == 2 ? 90 : i));
        DS_SET(&reading, reading, instant_ms, i == 1 ? 253402300799999 : -8640000000000);
        (void)commit_one(&reader, DS_REC_reading, NULL, &reading, NULL);
    }
}

static bool in_feed(const struct ds_scope *scope, uint64_t type, const struct ds_id *id)
{
    struct ds_txn *txn = NULL;
    struct ds_page page;
    struct ds_cursor_at after = {.scope = *scope};
    bool found = false;
    assert_int_equal(ds_store_begin(s.store, false, &txn), DS_OK);
    do {
        test_forget(&s);
        assert_int_equal(ds_feed_page(txn, &after, s.shard.meta.size, 256, 65536, &s.arena, &page),
                         DS_OK);
        for (size_t i = 0; i < page.row_count; i++) {
            found = found || (page.rows[i].type == type && page.rows[i].fields.size > 0 &&
                              ds_id_equal(&page.rows[i].id, id));
        }
        after = page.cursor;
    } while (!page.complete);
    ds_txn_abort(txn);
    return found;
}

static void open_period(int32_t number)
{
    struct ds_period period = {.period = 0};
    DS_SET(&period, period, book, s.book);
    DS_SET(&period, period, period, number);
    DS_SET(&period, period, state, DS_PERIOD_open);
    struct ds_id id = ds_period_id(&s.station, &s.book, (uint32_t)number);
    test_write(&s, &s.import, DS_REC_period, &id, &period);
}

static void a_period_opened_behind_the_latest_one_brings_its_slots_to_the_handhelds(void **state)
{
    (void)state;
    struct ds_reading reading;
    struct ds_scope book = {DS_SCOPE_BOOK, s.book, 1};
    struct ds_id slot = ds_slot_id(&s.station, &s.meter[0], DS_REGISTER_mechanical, 202510);
    make_reading(0, 100, &reading);
    DS_SET(&reading, reading, period, 202510);
    test_write(&s, &s.import, DS_REC_reading, NULL, &reading);
    assert_false(in_feed(&book, DS_REC_slot, &slot));
    open_period(202510);
    assert_true(in_feed(&book, DS_REC_slot, &slot));
    open_period(202602);
    assert_false(in_feed(&book, DS_REC_slot, &slot));
}

static void a_removed_meter_gets_no_slots_when_a_period_opens(void **state)
{
    (void)state;
    struct ds_meter change = {.kind = 0};
    DS_SET(&change, meter, state, DS_METER_removed);
    test_write(&s, &s.import, DS_REC_meter, &s.meter[0], &change);
    open_period(202602);
    struct ds_id slot = ds_slot_id(&s.station, &s.meter[0], DS_REGISTER_mechanical, 202602);
    assert_false(test_exists(&s, DS_REC_slot, &slot));
    slot = ds_slot_id(&s.station, &s.meter[1], DS_REGISTER_mechanical, 202602);
    assert_true(test_exists(&s, DS_REC_slot, &slot));
}

static void who_wrote_what_is_rejected_hears_of_it(void **state)
{
    (void)state;
    struct ds_reading reading;
    struct ds_verdict verdict;
    struct ds_id op;
    struct ds_scope mailbox = {DS_SCOPE_MAILBOX, reader.id, 1};
    make_reading(0, 10, &reading);
    memset(reading.meter.byte, 9, sizeof(reading.meter.byte));
    (void)commit_one(&reader, DS_REC_reading, NULL, &reading, &op);
    struct ds_id item = item_of(DS_REC_quarantine_item, &op);
    (void)decide(&s.supervisor, DS_REC_quarantine_item, &item, DS_ACTION_reject);
    struct ds_id id = item_of(DS_REC_verdict, &op);
    test_load(&s, DS_REC_verdict, &id, &verdict);
    assert_int_equal(verdict.verdict, DS_VERDICT_refused);
    assert_true(ds_slice_equal(verdict.detail, ds_slice_of_text("because")));
    assert_true(in_feed(&mailbox, DS_REC_verdict, &id));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_station, close_station)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_row_that_would_outgrow_its_room_is_quarantined_and_the_lane_goes_on),
        CASE(unknown_fields_leave_room_for_those_that_the_engine_writes),
        CASE(a_record_from_a_newer_build_with_a_tag_out_of_range_is_quarantined),
        CASE(a_handheld_cannot_lock_another_device_out_by_swelling_its_row),
        CASE(an_unknown_field_of_a_record_that_is_not_theirs_waits_as_a_proposal),
        CASE(authority__a_supervisor_may_not_accept_what_only_an_admin_may_write),
        CASE(authority__nobody_changes_the_key_that_a_device_signed_with),
        CASE(authority__a_connector_does_not_answer_for_another),
        CASE(an_op_with_a_field_that_is_not_his_is_folded_once_when_it_is_released),
        CASE(a_life_under_the_name_of_a_coming_branch_does_not_let_ops_fold_twice),
        CASE(restored_on_a_branch_and_worked_on_again__a_branch_of_the_branch_folds),
        CASE(two_lives_of_one_parent__the_first_that_goes_on_is_a_clone),
        CASE(a_period_that_closes_lets_billing_have_every_register),
        CASE(a_swap_that_arrives_after_a_later_one_leaves_the_meter_as_that_one_made_it),
        CASE(a_merged_meter_brings_its_swaps_along),
        CASE(a_visit_at_an_unknown_meter_leaves_nothing_behind_but_its_item),
        CASE(a_period_opened_behind_the_latest_one_brings_its_slots_to_the_handhelds),
        CASE(a_removed_meter_gets_no_slots_when_a_period_opens),
        CASE(who_wrote_what_is_rejected_hears_of_it),
        CASE(the_largest_index_unit_and_multiplier_do_not_overflow),
        CASE(a_sequence_that_was_left_out_is_missed_whatever_the_chain_says),
        CASE(a_batch_that_hangs_on_another_chain_is_not_folded),
        CASE(authority__not_even_an_admin_accepts_another_key_for_a_device),
        CASE(a_connector_takes_its_cursor_neither_back_nor_into_the_future),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

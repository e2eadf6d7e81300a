/* Decisions over conflicts, proposals and slots, by the CASEs of decide.c: a decision binds to what
 * its supervisor saw, and chooses the value that it names. */
#include "schema/codec/msgpack.h"
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <string.h>

static struct test_station s;
static struct test_device reader;
static struct test_device other;
static uint8_t memory[65536];

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

/* ---- Who writes what ---- */

static struct ds_id write_as(struct test_device *device, uint8_t type, const struct ds_id *id,
                             uint64_t seen, const void *record)
{
    struct ds_builder out;
    ds_builder_init(&out, memory, sizeof(memory));
    uint64_t seq = device->next_seq;
    struct ds_folded folded = test_commit(&s, test_batch(&s, device, type, id, seen, record, &out));
    assert_int_equal(folded.error, DS_OK);
    return ds_op_id(&folded.incarnation, DS_LANE_WORK, seq);
}

static struct ds_id set_floor(struct test_device *device, uint64_t seen, int64_t floor)
{
    struct ds_premises change = {.presence = {0}};
    DS_SET(&change, premises, floor, floor);
    return write_as(device, DS_REC_premises, &s.premises[0], seen, &change);
}

static struct ds_id set_digits(struct test_device *device, uint64_t seen, int64_t digits)
{
    struct ds_meter change = {.presence = {0}};
    DS_SET(&change, meter, dial_digits, digits);
    return write_as(device, DS_REC_meter, &s.meter[0], seen, &change);
}

static int64_t floor_now(void)
{
    struct ds_premises row;
    test_load(&s, DS_REC_premises, &s.premises[0], &row);
    return DS_GET(&row, premises, floor, -99);
}

static int64_t digits_now(void)
{
    struct ds_meter row;
    test_load(&s, DS_REC_meter, &s.meter[0], &row);
    return DS_GET(&row, meter, dial_digits, -99);
}

static int64_t number_in(struct ds_slice value)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    int64_t number = ds_mp_take_int(&cursor);
    assert_int_equal(ds_cursor_end(&cursor), DS_OK);
    return number;
}

/* Decide over an item; what became of the decision. */
static int64_t decide(uint8_t type, const struct ds_id *item, enum ds_action action)
{
    struct ds_decision decision = {.presence = {0}};
    struct ds_id op;
    DS_SET(&decision, decision, target_type, type);
    DS_SET(&decision, decision, target, *item);
    DS_SET(&decision, decision, action, action);
    DS_SET(&decision, decision, reason, ds_slice_of_text("seen on site"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    (void)test_try(&s, &s.supervisor, DS_REC_decision, NULL, &decision, &op);
    return test_verdict(&s, &op);
}

static struct ds_id floor_conflict(const struct ds_id *op)
{
    return ds_item_id(&s.station, DS_REC_conflict, &s.premises[0], DS_TAG_premises_floor, op);
}

static struct ds_id digits_conflict(const struct ds_id *op)
{
    return ds_item_id(&s.station, DS_REC_conflict, &s.meter[0], DS_TAG_meter_dial_digits, op);
}

/* 5 stood; reader wrote 6; other, who knew only 5, wrote 7: the later stands, 6 is shown. */
static struct ds_id shown_conflict(void)
{
    struct ds_premises row = {.presence = {0}};
    DS_SET(&row, premises, floor, 5);
    test_write(&s, &s.import, DS_REC_premises, &s.premises[0], &row);
    uint64_t knew = s.shard.meta.size;
    (void)set_floor(&reader, knew, 6);
    struct ds_id op = set_floor(&other, knew, 7);
    assert_int_equal(floor_now(), 7);
    return floor_conflict(&op);
}

/* Digits 6 by reader stand; other, who did not know, wrote 7: both wait. */
static struct ds_id open_conflict(void)
{
    uint64_t knew = s.shard.meta.size;
    (void)set_digits(&reader, knew, 6);
    struct ds_id op = set_digits(&other, knew, 7);
    assert_int_equal(digits_now(), 6);
    return digits_conflict(&op);
}

/* ---- Conflicts ---- */

static void conflict__shows_base_mine_and_theirs(void **state)
{
    (void)state;
    struct ds_conflict row;
    struct ds_id item = shown_conflict();
    test_load(&s, DS_REC_conflict, &item, &row);
    assert_int_equal(row.state, DS_ITEM_shown);
    assert_int_equal(number_in(row.base), 5);
    assert_int_equal(number_in(row.mine), 6);
    assert_int_equal(number_in(row.theirs), 7);
}

static void conflict__the_value_that_is_named_stands(void **state)
{
    static const struct {
        enum ds_action action;
        int64_t shown; /* Of the conflict that is only shown: 7 stands. */
        int64_t open;  /* Of the open one: 6 stands. */
    } rows[] = {
        {DS_ACTION_keep_mine, 6, 6},
        {DS_ACTION_keep_theirs, 7, 7},
        {DS_ACTION_keep_base, 5, 5},
        {DS_ACTION_dismiss, 7, 6},
    };
    for (size_t i = 0; i < DS_COUNT(rows); i++) {
        struct ds_conflict row;
        struct ds_id item = shown_conflict();
        assert_int_equal(decide(DS_REC_conflict, &item, rows[i].action), 0);
        assert_int_equal(floor_now(), rows[i].shown);
        test_load(&s, DS_REC_conflict, &item, &row);
        assert_int_equal(row.state, DS_ITEM_resolved);
        item = open_conflict();
        assert_int_equal(decide(DS_REC_conflict, &item, rows[i].action), 0);
        assert_int_equal(digits_now(), rows[i].open);
        assert_int_equal(decide(DS_REC_conflict, &item, rows[i].action), DS_VERDICT_conflict);
        (void)close_station(state);
        (void)open_station(state);
    }
}

static void conflict__a_base_that_is_not_known_is_not_kept(void **state)
{
    (void)state;
    uint64_t knew = s.shard.meta.size;
    (void)set_floor(&reader, knew, 6);
    struct ds_id op = set_floor(&other, knew, 7);
    struct ds_id item = floor_conflict(&op);
    assert_int_equal(decide(DS_REC_conflict, &item, DS_ACTION_keep_base), DS_VERDICT_refused);
    assert_int_equal(floor_now(), 7);
    assert_int_equal(decide(DS_REC_conflict, &item, DS_ACTION_keep_mine), 0);
    assert_int_equal(floor_now(), 6);
}

static void conflict__a_newer_value_is_never_overruled_unseen(void **state)
{
    (void)state;
    struct ds_conflict row;
    struct ds_id item = open_conflict();
    (void)set_digits(&reader, s.shard.meta.size, 8);
    assert_int_equal(decide(DS_REC_conflict, &item, DS_ACTION_keep_theirs), DS_VERDICT_conflict);
    assert_int_equal(digits_now(), 8);
    test_load(&s, DS_REC_conflict, &item, &row);
    assert_int_equal(row.state, DS_ITEM_open);
    assert_int_equal(number_in(row.mine), 8); /* What he decides over now. */
    assert_int_equal(decide(DS_REC_conflict, &item, DS_ACTION_keep_theirs), 0);
    assert_int_equal(digits_now(), 7);
    /* The same of one that is only shown. */
    item = shown_conflict();
    (void)set_floor(&other, s.shard.meta.size, 9);
    assert_int_equal(decide(DS_REC_conflict, &item, DS_ACTION_keep_mine), DS_VERDICT_conflict);
    assert_int_equal(floor_now(), 9);
    test_load(&s, DS_REC_conflict, &item, &row);
    assert_int_equal(number_in(row.theirs), 9);
    assert_int_equal(decide(DS_REC_conflict, &item, DS_ACTION_keep_mine), 0);
    assert_int_equal(floor_now(), 6);
}

static void conflict__no_choice_leads_where_no_step_does(void **state)
{
    (void)state;
    struct ds_device row = {.presence = {0}};
    DS_SET(&row, device, state, DS_DEVICE_revoked);
    test_write(&s, &s.import, DS_REC_device, &other.id, &row);
    DS_SET(&row, device, state, DS_DEVICE_active);
    struct ds_id op = ds_op_id(&s.import.incarnation, DS_LANE_WORK, s.import.next_seq);
    (void)test_try(&s, &s.import, DS_REC_device, &other.id, &row, NULL);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_conflict);
    struct ds_verdict verdict;
    struct ds_id id = ds_verdict_id(&s.station, DS_REC_verdict, &op);
    test_load(&s, DS_REC_verdict, &id, &verdict);
    assert_int_equal(decide(DS_REC_conflict, &verdict.item, DS_ACTION_keep_theirs),
                     DS_VERDICT_refused);
    test_load(&s, DS_REC_device, &other.id, &row);
    assert_int_equal(row.state, DS_DEVICE_revoked);
    assert_int_equal(decide(DS_REC_conflict, &verdict.item, DS_ACTION_keep_mine), 0);
}

/* ---- Proposals ---- */

static void proposal__what_its_owner_wrote_since_is_not_overruled_unseen(void **state)
{
    (void)state;
    struct ds_account change = {.presence = {0}};
    struct ds_proposal row;
    DS_SET(&change, account, persons, 5);
    struct ds_id op = write_as(&reader, DS_REC_account, &s.account[0], s.shard.meta.size, &change);
    struct ds_id item =
        ds_item_id(&s.station, DS_REC_proposal, &s.account[0], DS_TAG_account_persons, &op);
    DS_SET(&change, account, persons, 6);
    test_write(&s, &s.billing, DS_REC_account, &s.account[0], &change);
    assert_int_equal(decide(DS_REC_proposal, &item, DS_ACTION_accept_proposal),
                     DS_VERDICT_conflict);
    test_load(&s, DS_REC_account, &s.account[0], &change);
    assert_int_equal(change.persons, 6);
    test_load(&s, DS_REC_proposal, &item, &row);
    assert_int_equal(row.state, DS_ITEM_open);
    assert_int_equal(number_in(row.base), 6);
    assert_int_equal(decide(DS_REC_proposal, &item, DS_ACTION_accept_proposal), 0);
    test_load(&s, DS_REC_account, &s.account[0], &change);
    assert_int_equal(change.persons, 5);
}

/* ---- Slots ---- */

static int64_t correct(const struct ds_hash *seen, int64_t index)
{
    struct ds_decision decision = {.presence = {0}};
    struct ds_id op;
    DS_SET(&decision, decision, target_type, DS_REC_slot);
    DS_SET(&decision, decision, target,
           ds_slot_id(&s.station, &s.meter[0], DS_REGISTER_mechanical, TEST_PERIOD));
    DS_SET(&decision, decision, action, DS_ACTION_correct);
    DS_SET(&decision, decision, candidates_hash, *seen);
    DS_SET(&decision, decision, index, index);
    DS_SET(&decision, decision, reason, ds_slice_of_text("seen on site"));
    DS_SET(&decision, decision, instant_ms, s.now_ms);
    (void)test_try(&s, &s.supervisor, DS_REC_decision, NULL, &decision, &op);
    return test_verdict(&s, &op);
}

static void slot__the_second_of_two_supervisors_is_told_of_the_first(void **state)
{
    (void)state;
    struct ds_slot slot;
    (void)test_reading(&s, &reader, 0, 480, TEST_PERIOD);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    struct ds_hash seen = slot.candidates_hash;
    assert_int_equal(correct(&seen, 520), 0);
    assert_int_equal(correct(&seen, 530), DS_VERDICT_conflict);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 520);
    assert_int_equal(slot.state, DS_SLOT_decided);
    seen = slot.candidates_hash;
    assert_int_equal(correct(&seen, 530), 0);
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 530);
}

/* ---- What is released late ---- */

/* An op waits in quarantine; its handheld goes on in a new life, which knew the op, and writes the
 * field again. When the op is released, the later word of the same worker stands. */
static void release__an_earlier_lifes_op_does_not_overrule_the_later_lifes(void **state)
{
    (void)state;
    struct ds_premises change = {.presence = {0}};
    struct ds_life life = {.presence = {0}};
    DS_SET(&change, premises, district, ds_slice_of_text("no field of his"));
    DS_SET(&change, premises, floor, 6);
    struct ds_id op =
        write_as(&reader, DS_REC_premises, &s.premises[0], s.shard.meta.size, &change);
    assert_int_equal(test_verdict(&s, &op), DS_VERDICT_quarantined);
    struct ds_incarnation parent = reader.incarnation;
    DS_SET(&life, life, parent, DS_SLICE_OF(parent.byte));
    DS_SET(&life, life, parent_work_seq, (int64_t)reader.next_seq - 1);
    DS_SET(&life, life, parent_track_seq, 0);
    reader.incarnation.byte[0] ^= 0x55;
    reader.next_seq = 1;
    reader.chain = ds_chain_start(&reader.incarnation, DS_LANE_WORK);
    (void)write_as(&reader, DS_REC_life, NULL, 0, &life);
    (void)set_floor(&reader, s.shard.meta.size, 9);
    struct ds_id item = ds_verdict_id(&s.station, DS_REC_quarantine_item, &op);
    assert_int_equal(decide(DS_REC_quarantine_item, &item, DS_ACTION_release), 0);
    assert_int_equal(floor_now(), 9);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_station, close_station)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(conflict__shows_base_mine_and_theirs),
        CASE(conflict__the_value_that_is_named_stands),
        CASE(conflict__a_base_that_is_not_known_is_not_kept),
        CASE(conflict__a_newer_value_is_never_overruled_unseen),
        CASE(conflict__no_choice_leads_where_no_step_does),
        CASE(proposal__what_its_owner_wrote_since_is_not_overruled_unseen),
        CASE(slot__the_second_of_two_supervisors_is_told_of_the_first),
        CASE(release__an_earlier_lifes_op_does_not_overrule_the_later_lifes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Recording: what becomes an op, what the rules ask first, and what is seen meanwhile. */
#include "sync/core/hash.h"
#include "tests/support/pocket.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
    struct test_station s;
    struct pocket p;
};

static int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    assert_non_null(pair);
    test_station_open(&pair->s);
    pocket_enrol(&pair->p, &pair->s, &pair->s.reader, 1);
    (void)pocket_sync(&pair->p);
    *state = pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    pocket_drop(&pair->p);
    test_station_close(&pair->s);
    free(pair);
    return 0;
}

struct seen { /* What a callback may keep of a place. */
    struct ds_handheld_place place;
    char note[128];
    char key_holder[128];
    char phone[64];
    char meter_no[64];
};

static bool keep(void *context, const struct ds_handheld_place *place)
{
    struct seen *seen = context;
    seen->place = *place;
    (void)snprintf(seen->note, sizeof(seen->note), "%s", place->access_note);
    (void)snprintf(seen->key_holder, sizeof(seen->key_holder), "%s", place->key_holder);
    (void)snprintf(seen->phone, sizeof(seen->phone), "%s", place->phone);
    (void)snprintf(seen->meter_no, sizeof(seen->meter_no), "%s", place->meter_no);
    return true;
}

static struct seen show(struct pair *pair, size_t meter)
{
    struct seen seen = {.note = ""};
    struct ds_handheld_id id = pocket_id(&pair->s.meter[meter]);
    assert_int_equal(ds_handheld_show(pair->p.h, &id, keep, &seen), 0);
    return seen;
}

static struct ds_handheld_reading reading_of(struct pair *pair, size_t meter, int64_t index)
{
    struct ds_handheld_reading reading = {.has_index = true, .index = index};
    reading.meter = pocket_id(&pair->s.meter[meter]);
    return reading;
}

static bool asks(struct pair *pair, const struct ds_handheld_reading *reading, const char *rule,
                 struct ds_handheld_finding *out)
{
    struct ds_handheld_finding findings[DS_HANDHELD_FINDINGS_MAX];
    size_t count;
    assert_int_equal(ds_handheld_check_reading(pair->p.h, reading, findings, &count, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(findings[i].rule, rule) == 0) {
            *out = findings[i];
            return true;
        }
    }
    return false;
}

/* Close a period with a reading of each meter, so that the next has a past. */
static void bill_period(struct pair *pair, int32_t period, int64_t index)
{
    struct ds_period row = {.period = 0};
    struct test_device device;
    test_device_enrol(&pair->s, &pair->s.reader, 60 + (unsigned)(period % 40), &device);
    for (size_t i = 0; i < TEST_METERS; i++) {
        (void)test_reading(&pair->s, &device, i, index, period);
    }
    DS_SET(&row, period, book, pair->s.book);
    DS_SET(&row, period, period, period);
    DS_SET(&row, period, state, DS_PERIOD_reading_closed);
    struct ds_id id = ds_period_id(&pair->s.station, &pair->s.book, (uint32_t)period);
    test_write(&pair->s, &pair->s.import, DS_REC_period, &id, &row);
    DS_SET(&row, period, period, period + 1);
    DS_SET(&row, period, state, DS_PERIOD_open);
    id = ds_period_id(&pair->s.station, &pair->s.book, (uint32_t)(period + 1));
    test_write(&pair->s, &pair->s.import, DS_REC_period, &id, &row);
    pair->s.now_ms += INT64_C(30) * 86400000;
    pair->p.now_ms = pair->s.now_ms;
    (void)pocket_sync(&pair->p);
}

/* ---- Readings. ---- */

static void a_reading__needs_an_index_or_a_condition_that_explains(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_detail detail;
    struct ds_handheld_reading reading = reading_of(pair, 0, 0);
    reading.has_index = false;
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, &detail), DS_E_SCHEMA);
    assert_non_null(strstr(detail.text, "reading.index"));
    reading.condition = (int)ds_handheld_word_number("condition", "not_seen");
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, &detail), 0);
    assert_int_equal(pocket_status(&pair->p).unsent, 1);
}

static void a_reading__out_of_range_is_refused_by_name_and_nothing_is_recorded(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_detail detail;
    struct ds_handheld_reading reading = reading_of(pair, 0, -1);
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, &detail), DS_E_SCHEMA);
    assert_non_null(strstr(detail.text, "reading.index"));
    reading.index = 5;
    reading.method = 99;
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, &detail), DS_E_SCHEMA);
    assert_non_null(strstr(detail.text, "reading.method"));
    reading.method = 0;
    reading.period = 202613;
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, &detail), DS_E_SCHEMA);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
}

static void a_reading__of_a_meter_nobody_knows_needs_a_period(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_reading reading = {.has_index = true, .index = 5};
    memset(reading.meter.byte, 0x5a, sizeof(reading.meter.byte));
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), DS_E_NOT_FOUND);
    reading.period = TEST_PERIOD; /* A fact is never refused. */
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), 0);
}

static void a_reading__is_for_the_open_period_of_its_book(void **state)
{
    struct pair *pair = *state;
    bill_period(pair, TEST_PERIOD, 100);
    (void)pocket_read(&pair->p, 0, 120);
    struct seen seen = show(pair, 0);
    assert_int_equal(seen.place.period, TEST_PERIOD + 1);
    assert_true(seen.place.has_previous);
    assert_int_equal(seen.place.previous_index, 100);
    assert_true(seen.place.has_consumption);
    assert_int_equal(seen.place.consumption_l, 20000);
}

/* How far the wall clock had moved against the running time, of each op of the last batch. */
static size_t shifts_of_last_batch(struct pair *pair, int64_t *shifts, size_t max)
{
    struct ds_txn *txn;
    struct ds_slice bytes;
    struct ds_entry entry;
    struct ds_batch batch;
    struct ds_cursor cursor;
    struct ds_key key = ds_key_journal(pair->s.shard.meta.size);
    assert_int_equal(ds_store_begin(pair->s.store, false, &txn), DS_OK);
    assert_int_equal(ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes), DS_OK);
    assert_int_equal(ds_entry_parse(bytes, &entry, NULL), DS_OK);
    assert_int_equal(ds_batch_parse(entry.batch, &batch, NULL), DS_OK);
    assert_true(batch.count <= max);
    ds_cursor_init(&cursor, batch.ops);
    for (size_t i = 0; i < batch.count; i++) {
        struct ds_op op;
        assert_int_equal(ds_op_take(&cursor, &op, NULL), DS_OK);
        shifts[i] = op.shift_ms;
    }
    ds_txn_abort(txn);
    return (size_t)batch.count;
}

static void a_clock_that_is_set__is_evidence_in_the_op_whichever_way(void **state)
{
    struct pair *pair = *state;
    int64_t shifts[4] = {0};
    (void)pocket_read(&pair->p, 0, 50);
    for (size_t i = 0; i < 2; i++) {
        pair->p.mono_ms += 60000;
        pair->p.now_ms += i == 0 ? 60000 - 7200000 : 60000 + 3 * 7200000;
        (void)pocket_read(&pair->p, 1 + i, 60);
    }
    (void)pocket_sync(&pair->p);
    assert_int_equal(shifts_of_last_batch(pair, shifts, DS_COUNT(shifts)), 3);
    assert_int_equal(shifts[0], 0);
    assert_int_equal(shifts[1], -7200000);
    assert_int_equal(shifts[2], 2 * 7200000);
}

static void an_op_id__is_the_one_that_the_server_knows(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_id op = pocket_read(&pair->p, 0, 50);
    (void)pocket_sync(&pair->p);
    struct ds_slot slot;
    test_slot(&pair->s, 0, TEST_PERIOD, &slot);
    assert_memory_equal(slot.chosen.byte, op.byte, sizeof(op.byte));
}

/* ---- What the rules ask. ---- */

static void rules__a_reversed_dial_is_asked_for_again_blind(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_finding finding;
    bill_period(pair, TEST_PERIOD, 100);
    struct ds_handheld_reading reading = reading_of(pair, 0, 90);
    assert_true(asks(pair, &reading, "reversed", &finding));
    assert_int_equal(finding.ask, DS_HANDHELD_ASK_BLIND);
    assert_int_equal(finding.severity, 1);
    assert_true(strlen(finding.why) > 0 && strlen(finding.why_zh) > 0);
    assert_non_null(strstr(finding.inputs, "previous"));
    reading.index = 101;
    assert_false(asks(pair, &reading, "reversed", &finding));
    assert_int_equal(pocket_status(&pair->p).unsent, 0); /* Asking records nothing. */
}

static void rules__beyond_the_dial(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_finding finding;
    struct ds_handheld_reading reading = reading_of(pair, 0, 100000);
    assert_true(asks(pair, &reading, "beyond_dial", &finding));
    reading.index = 99999;
    assert_false(asks(pair, &reading, "beyond_dial", &finding));
}

static void rules__the_same_number_at_the_next_meter(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_finding finding;
    (void)pocket_read(&pair->p, 0, 4321);
    pair->p.now_ms += 60000;
    struct ds_handheld_reading reading = reading_of(pair, 1, 4321);
    assert_true(asks(pair, &reading, "equal_index", &finding));
    reading.index = 4322;
    assert_false(asks(pair, &reading, "equal_index", &finding));
    reading = reading_of(pair, 0, 4321); /* The same meter again is no copy. */
    assert_false(asks(pair, &reading, "equal_index", &finding));
}

static void rules__an_own_swap_keeps_a_new_dial_from_running_backwards(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_finding finding;
    struct ds_handheld_swap swap = {.old_final_index = 130,
                                    .new_initial_index = 2,
                                    .new_meter_no = "N-77",
                                    .reason = "expired"};
    bill_period(pair, TEST_PERIOD, 100);
    struct ds_handheld_reading reading = reading_of(pair, 0, 12);
    assert_true(asks(pair, &reading, "reversed", &finding));
    swap.meter = reading.meter;
    assert_int_equal(ds_handheld_record_swap(pair->p.h, &swap, NULL, NULL), 0);
    pair->p.now_ms += 60000;
    assert_false(asks(pair, &reading, "reversed", &finding));
    (void)pocket_read(&pair->p, 0, 12);
    assert_int_equal(show(pair, 0).place.consumption_l, 40000);
    (void)pocket_sync(&pair->p);
    assert_int_equal(show(pair, 0).place.consumption_l, 40000);
    assert_int_equal(show(pair, 0).place.pending, 0);
}

static void rules__the_stations_settings_count(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_finding finding;
    struct ds_rule_setting setting = {.rule = 0};
    bill_period(pair, TEST_PERIOD, 100);
    DS_SET(&setting, rule_setting, rule, DS_RULE_reversed);
    DS_SET(&setting, rule_setting, enabled, 0);
    struct ds_id id = ds_rule_setting_id(&pair->s.station, DS_RULE_reversed);
    test_write(&pair->s, &pair->s.import, DS_REC_rule_setting, &id, &setting);
    struct ds_handheld_reading reading = reading_of(pair, 0, 90);
    assert_true(asks(pair, &reading, "reversed", &finding));
    (void)pocket_sync(&pair->p);
    assert_false(asks(pair, &reading, "reversed", &finding));
}

/* ---- Visits, photos, meters. ---- */

static void a_visit__counts_until_the_meter_is_read(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_visit visit = {.outcome = DS_HANDHELD_NO_ACCESS, .slip = true};
    visit.meter = pocket_id(&pair->s.meter[0]);
    assert_int_equal(ds_handheld_record_visit(pair->p.h, &visit, NULL, NULL), 0);
    assert_int_equal(show(pair, 0).place.visits, 1);
    assert_int_equal(show(pair, 0).place.slot_state, DS_HANDHELD_SLOT_EMPTY);
    (void)pocket_sync(&pair->p);
    assert_int_equal(show(pair, 0).place.visits, 1);
    assert_int_equal(show(pair, 0).place.pending, 0);
    struct ds_handheld_visit nowhere = {.outcome = DS_HANDHELD_DOG};
    assert_int_equal(ds_handheld_record_visit(pair->p.h, &nowhere, NULL, NULL), DS_E_SCHEMA);
}

static void a_photo__is_in_the_vault_with_its_op(void **state)
{
    struct pair *pair = *state;
    uint8_t photo[3000];
    uint8_t back[3000];
    size_t size;
    struct ds_handheld_reading reading = reading_of(pair, 0, 50);
    for (size_t i = 0; i < sizeof(photo); i++) {
        photo[i] = (uint8_t)(i * 7);
    }
    struct ds_hash hash = ds_hash3((struct ds_slice){photo, sizeof(photo)}, (struct ds_slice){0},
                                   (struct ds_slice){0});
    reading.photo.bytes = photo;
    reading.photo.size = sizeof(photo);
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), 0);
    assert_int_equal(ds_handheld_photo(pair->p.h, hash.byte, back, sizeof(back) - 1, &size),
                     DS_E_LIMIT);
    assert_int_equal(size, sizeof(photo));
    assert_int_equal(ds_handheld_photo(pair->p.h, hash.byte, back, sizeof(back), &size), 0);
    assert_memory_equal(back, photo, sizeof(photo));
    reading.photo.hash = photo; /* Not the hash of the bytes. */
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), DS_E_SIGNATURE);
    reading.photo.hash = NULL;
    reading.photo.size = 0;
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), DS_E_LIMIT);
}

static void an_unknown_meter__is_typed_read_and_found_and_comes_back_as_a_row(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_new_meter draft = {.manufacturer = "WHO", .meter_no = "X-99"};
    struct ds_handheld_id meter;
    struct ds_handheld_id found;
    struct seen seen = {.note = ""};
    draft.book = pocket_id(&pair->s.book);
    assert_int_equal(ds_handheld_record_meter(pair->p.h, &draft, &meter, NULL), 0);
    struct ds_handheld_reading reading = {.has_index = true, .index = 7};
    reading.meter = meter;
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), 0);
    assert_int_equal(ds_handheld_meter_by_number(pair->p.h, "WHO", "X-99", &found), 0);
    assert_memory_equal(found.byte, meter.byte, sizeof(meter.byte));
    assert_int_equal(ds_handheld_show(pair->p.h, &meter, keep, &seen), 0);
    assert_true(seen.place.unknown_here);
    assert_int_equal(seen.place.slot_state, DS_HANDHELD_SLOT_READ);
    (void)pocket_sync(&pair->p);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
    struct ds_id id;
    memcpy(id.byte, meter.byte, sizeof(id.byte));
    assert_true(test_exists(&pair->s, DS_REC_meter, &id));
}

/* ---- Edits. ---- */

static int edit(struct pair *pair, const char *record, const struct ds_id *id, const char *field,
                const char *value, struct ds_handheld_detail *detail)
{
    struct ds_handheld_edit one = {field, value};
    struct ds_handheld_edits edits = {.record = record, .edits = &one, .count = 1};
    edits.id = pocket_id(id);
    return ds_handheld_record_edit(pair->p.h, &edits, NULL, detail);
}

static void an_edit__never_blinks_out_of_sight(void **state)
{
    struct pair *pair = *state;
    const struct ds_id *id = &pair->s.premises[0];
    assert_int_equal(edit(pair, "premises", id, "access_note", "ring twice", NULL), 0);
    assert_string_equal(show(pair, 0).note, "ring twice");
    assert_int_equal(show(pair, 0).place.pending, 1);
    pocket_reopen(&pair->p, true);
    assert_string_equal(show(pair, 0).note, "ring twice");
    (void)pocket_sync(&pair->p);
    assert_string_equal(show(pair, 0).note, "ring twice");
    assert_int_equal(show(pair, 0).place.pending, 0);
    assert_int_equal(edit(pair, "premises", id, "access_note", NULL, NULL), 0);
    assert_string_equal(show(pair, 0).note, "");
    (void)pocket_sync(&pair->p);
    assert_string_equal(show(pair, 0).note, "");
}

static void an_edit__seen_is_what_its_writer_knew(void **state)
{
    struct pair *pair = *state;
    struct ds_premises other = {.number = {NULL, 0}};
    const struct ds_id *id = &pair->s.premises[0];
    DS_SET(&other, premises, best_hour, ds_slice_of_text("morning"));
    test_write(&pair->s, &pair->s.import, DS_REC_premises, id, &other);
    /* Not pulled: concurrent. `latest` merges and the loser is shown. */
    assert_int_equal(edit(pair, "premises", id, "best_hour", "evening", NULL), 0);
    struct ds_handheld_sync_result result = pocket_sync(&pair->p);
    assert_int_equal(result.verdicts, 1);
    /* Pulled: not concurrent, so there is nothing to say. */
    DS_SET(&other, premises, best_hour, ds_slice_of_text("noon"));
    test_write(&pair->s, &pair->s.import, DS_REC_premises, id, &other);
    (void)pocket_sync(&pair->p);
    assert_int_equal(edit(pair, "premises", id, "best_hour", "night", NULL), 0);
    result = pocket_sync(&pair->p);
    assert_int_equal(result.verdicts, 0);
}

static void an_edit__of_a_personal_field_is_sealed_and_readable_on_both_sides(void **state)
{
    struct pair *pair = *state;
    const struct ds_id *id = &pair->s.premises[0];
    uint8_t memory[256];
    struct ds_builder clear;
    struct ds_premises premises;
    assert_int_equal(edit(pair, "premises", id, "key_holder", "Mrs Li, 302", NULL), 0);
    assert_string_equal(show(pair, 0).key_holder, "Mrs Li, 302");
    (void)pocket_sync(&pair->p);
    assert_string_equal(show(pair, 0).key_holder, "Mrs Li, 302");
    test_load(&pair->s, DS_REC_premises, id, &premises);
    assert_true(DS_HAS(&premises, premises, key_holder));
    struct ds_txn *txn;
    assert_int_equal(ds_store_begin(pair->s.keys, false, &txn), DS_OK);
    ds_builder_init(&clear, memory, sizeof(memory));
    assert_int_equal(ds_customer_open(&pair->s.shard, txn, id, DS_TAG_premises_key_holder,
                                      premises.key_holder, &clear),
                     DS_OK);
    ds_txn_abort(txn);
    assert_string_equal(ds_builder_text(&clear), "Mrs Li, 302");
}

struct told {
    unsigned count;
    int verdict;
    char sentence[512];
    char sentence_zh[512];
};

static bool keep_verdict(void *context, const struct ds_handheld_verdict *verdict)
{
    struct told *told = context;
    told->count++;
    told->verdict = verdict->verdict;
    (void)snprintf(told->sentence, sizeof(told->sentence), "%s", verdict->sentence);
    (void)snprintf(told->sentence_zh, sizeof(told->sentence_zh), "%s", verdict->sentence_zh);
    return true;
}

static void an_edit__of_anothers_field_is_a_proposal_and_its_writer_is_told(void **state)
{
    struct pair *pair = *state;
    struct told told = {.count = 0};
    const struct ds_id *id = &pair->s.account[0];
    assert_int_equal(edit(pair, "account", id, "phone", "13911112222", NULL), 0);
    assert_string_equal(show(pair, 0).phone, "13800000000");
    assert_int_equal(show(pair, 0).place.pending, 1);
    assert_int_equal(pocket_sync(&pair->p).verdicts, 1);
    assert_int_equal(ds_handheld_verdicts(pair->p.h, keep_verdict, &told), 0);
    assert_int_equal(told.count, 1);
    assert_string_equal(ds_handheld_word("verdict", told.verdict), "proposal");
    assert_non_null(strstr(told.sentence, "proposal"));
    assert_non_null(strstr(told.sentence_zh, "作为建议"));
    assert_string_equal(show(pair, 0).phone, "13800000000");
    assert_int_equal(show(pair, 0).place.pending, 0);
}

static void an_edit__says_what_is_wrong(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_detail detail;
    const struct ds_id *id = &pair->s.premises[0];
    assert_int_equal(edit(pair, "premises", id, "no_such_field", "1", &detail), DS_E_SCHEMA);
    assert_int_equal(edit(pair, "no_such_record", id, "note", "1", &detail), DS_E_SCHEMA);
    assert_int_equal(edit(pair, "reading", id, "note", "1", &detail), DS_E_SCHEMA);
    assert_int_equal(edit(pair, "premises", id, "floor", "twelve", &detail), DS_E_SCHEMA);
    assert_non_null(strstr(detail.text, "floor"));
    assert_int_equal(edit(pair, "premises", id, "floor", "201", &detail), DS_E_SCHEMA);
    assert_int_equal(edit(pair, "premises", id, "floor", "200", &detail), 0);
    assert_int_equal(edit(pair, "meter", &pair->s.meter[0], "meter_no", NULL, &detail),
                     DS_E_SCHEMA);
    struct ds_id nobody = {{9}};
    assert_int_equal(edit(pair, "premises", &nobody, "floor", "1", &detail), DS_E_NOT_FOUND);
    assert_int_equal(pocket_status(&pair->p).unsent, 1);
}

/* ---- Tasks. ---- */

static bool keep_task(void *context, const struct ds_handheld_task *task)
{
    *(struct ds_handheld_task *)context = *task;
    return true;
}

static void a_task__is_moved_by_legal_steps(void **state)
{
    struct pair *pair = *state;
    struct ds_task record = {.kind = 0};
    struct ds_handheld_task task = {.state = 0};
    struct ds_id id = {{7}};
    DS_SET(&record, task, kind, DS_TASK_KIND_re_read);
    DS_SET(&record, task, meter, pair->s.meter[0]);
    DS_SET(&record, task, assignee, pair->s.reader);
    DS_SET(&record, task, state, DS_TASK_assigned);
    test_write(&pair->s, &pair->s.import, DS_REC_task, &id, &record);
    (void)pocket_sync(&pair->p);
    assert_true(show(pair, 0).place.re_read);
    assert_int_equal(ds_handheld_tasks(pair->p.h, keep_task, &task), 0);
    assert_int_equal(task.state, DS_TASK_assigned);
    struct ds_handheld_task_step step = {.state = DS_TASK_approved};
    struct ds_handheld_detail detail;
    step.task = task.id;
    step.state = DS_TASK_created;
    assert_int_equal(ds_handheld_record_task(pair->p.h, &step, NULL, &detail), DS_E_CONFLICT);
    step.state = DS_TASK_done;
    assert_int_equal(ds_handheld_record_task(pair->p.h, &step, NULL, &detail), 0);
    assert_int_equal(ds_handheld_tasks(pair->p.h, keep_task, &task), 0);
    assert_int_equal(task.state, DS_TASK_done);
    assert_int_equal(task.pending, 1);
    assert_false(show(pair, 0).place.re_read);
    (void)pocket_sync(&pair->p);
    struct ds_task after;
    test_load(&pair->s, DS_REC_task, &id, &after);
    assert_int_equal(after.state, DS_TASK_done);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_reading__needs_an_index_or_a_condition_that_explains),
        CASE(a_reading__out_of_range_is_refused_by_name_and_nothing_is_recorded),
        CASE(a_reading__of_a_meter_nobody_knows_needs_a_period),
        CASE(a_reading__is_for_the_open_period_of_its_book),
        CASE(an_op_id__is_the_one_that_the_server_knows),
        CASE(rules__a_reversed_dial_is_asked_for_again_blind),
        CASE(rules__beyond_the_dial),
        CASE(rules__the_same_number_at_the_next_meter),
        CASE(rules__an_own_swap_keeps_a_new_dial_from_running_backwards),
        CASE(rules__the_stations_settings_count),
        CASE(a_visit__counts_until_the_meter_is_read),
        CASE(a_photo__is_in_the_vault_with_its_op),
        CASE(an_unknown_meter__is_typed_read_and_found_and_comes_back_as_a_row),
        CASE(an_edit__never_blinks_out_of_sight),
        CASE(an_edit__seen_is_what_its_writer_knew),
        CASE(an_edit__of_a_personal_field_is_sealed_and_readable_on_both_sides),
        CASE(an_edit__of_anothers_field_is_a_proposal_and_its_writer_is_told),
        CASE(an_edit__says_what_is_wrong),
        CASE(a_task__is_moved_by_legal_steps),
        CASE(a_clock_that_is_set__is_evidence_in_the_op_whichever_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

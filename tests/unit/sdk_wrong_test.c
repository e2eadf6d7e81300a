/* "When things go wrong": the rows that a handheld lives through, against the real server half. */
#include "handheld-sdk/src/replica.h"
#include "tests/support/pocket.h"
#include "tests/support/test.h"

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

static struct ds_store *copy_of(struct ds_store *store)
{
    struct ds_store *copy = NULL;
    assert_int_equal(ds_store_memory_clone(store, &copy), DS_OK);
    return copy;
}

static int64_t slot_index(struct pair *pair, size_t meter)
{
    struct ds_slot slot;
    test_slot(&pair->s, meter, TEST_PERIOD, &slot);
    return DS_HAS(&slot, slot, index) ? slot.index : -1;
}

static int64_t candidates(struct pair *pair, size_t meter)
{
    struct ds_slot slot;
    test_slot(&pair->s, meter, TEST_PERIOD, &slot);
    return DS_GET(&slot, slot, candidates, 0);
}

static int try_sync(struct pocket *p, struct ds_handheld_sync_result *result)
{
    struct ds_handheld_detail detail;
    return ds_handheld_sync(p->h, result, &detail);
}

static void settled(struct pair *pair)
{
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_int_equal(status.unsent, 0);
    assert_int_equal(status.received, status.recorded);
    assert_string_equal(status.problem, "");
    assert_true(pocket_converged(&pair->p));
}

/* ---- Answers that do not come, or are not ours. ---- */

static void response_lost_request_repeated__same_bytes_same_answer(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_read(&pair->p, 1, 60);
    pocket_fail(&pair->p, POCKET_ANSWER_LOST, 1);
    assert_int_equal(try_sync(&pair->p, &result), DS_E_UNREACHABLE);
    assert_int_equal(pocket_status(&pair->p).unsent, 2);
    uint64_t size = pair->s.shard.meta.size;
    assert_int_equal(pocket_sync(&pair->p).acknowledged_ops, 2);
    assert_int_equal(pair->s.shard.meta.size, size); /* The duplicate added no entry. */
    assert_int_equal(candidates(pair, 0), 1);
    assert_int_equal(slot_index(pair, 1), 60);
    settled(pair);
}

static void response_lost__later_ops_do_not_change_the_bytes_already_sent(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_read(&pair->p, 0, 50);
    pocket_fail(&pair->p, POCKET_ANSWER_LOST, 1);
    assert_int_equal(try_sync(&pair->p, &result), DS_E_UNREACHABLE);
    (void)pocket_read(&pair->p, 1, 60);
    pocket_reopen(&pair->p, false);
    assert_int_equal(pocket_sync(&pair->p).acknowledged_ops, 2);
    assert_int_equal(candidates(pair, 0), 1);
    assert_int_equal(candidates(pair, 1), 1);
    settled(pair);
}

static void captive_portal__is_recognised_and_changes_nothing(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    struct ds_handheld_detail detail;
    (void)pocket_read(&pair->p, 0, 50);
    struct ds_handheld_status before = pocket_status(&pair->p);
    pocket_fail(&pair->p, POCKET_PORTAL, 1);
    assert_int_equal(ds_handheld_sync(pair->p.h, &result, &detail), DS_E_NOT_OURS);
    assert_non_null(strstr(detail.text, "not from our server"));
    struct ds_handheld_status after = pocket_status(&pair->p);
    assert_int_equal(after.unsent, before.unsent);
    assert_int_equal(after.head_size, before.head_size);
    assert_non_null(strstr(after.problem, "not from our server"));
    (void)pocket_sync(&pair->p);
    settled(pair);
}

static void a_changed_bit_of_an_answer__is_not_ours(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_read(&pair->p, 0, 50);
    pocket_fail(&pair->p, POCKET_FLIPPED, 1);
    assert_int_equal(try_sync(&pair->p, &result), DS_E_NOT_OURS);
    assert_int_equal(pocket_status(&pair->p).unsent, 1);
    (void)pocket_sync(&pair->p);
    settled(pair);
}

static void a_busy_server__is_asked_again_later(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_read(&pair->p, 0, 50);
    pocket_fail(&pair->p, POCKET_BUSY, 1);
    assert_int_equal(try_sync(&pair->p, &result), DS_E_BUSY);
    assert_true(ds_handheld_error_retryable(DS_E_BUSY));
    (void)pocket_sync(&pair->p);
    settled(pair);
}

static void an_answer_to_an_earlier_request__is_not_taken(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result = {0};
    uint8_t *request = malloc(DS_HANDHELD_REQUEST_MAX);
    uint8_t *answer = malloc(DS_HANDHELD_ANSWER_MAX);
    size_t size;
    struct ds_builder out;
    struct ds_detail detail;
    assert_true(request != NULL && answer != NULL);
    assert_int_equal(
        ds_handheld_exchange_begin(pair->p.h, request, DS_HANDHELD_REQUEST_MAX, &size, NULL), 0);
    ds_builder_init(&out, answer, DS_HANDHELD_ANSWER_MAX);
    assert_int_equal(ds_serve_whole(&pair->s.shard, &pair->p.codec,
                                    (struct ds_slice){request, size}, pair->p.memory, &out,
                                    &detail),
                     DS_OK);
    assert_int_equal(
        ds_handheld_exchange_begin(pair->p.h, request, DS_HANDHELD_REQUEST_MAX, &size, NULL), 0);
    assert_int_equal(ds_handheld_exchange_end(pair->p.h, answer, out.used, 200, &result, NULL),
                     DS_E_NOT_OURS);
    /* And without a request there is nothing to answer. */
    assert_int_equal(ds_handheld_exchange_end(pair->p.h, answer, out.used, 200, &result, NULL),
                     DS_E_USAGE);
    free(request);
    free(answer);
}

/* ---- The handheld's store went back in time. ---- */

static void handheld_restored_nothing_new_written__takes_its_suffix_back(void **state)
{
    struct pair *pair = *state;
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_sync(&pair->p);
    struct ds_store *backup = copy_of(pair->p.store);
    (void)pocket_read(&pair->p, 1, 60);
    (void)pocket_read(&pair->p, 2, 70);
    (void)pocket_sync(&pair->p);
    struct ds_handheld_status before = pocket_status(&pair->p);
    pocket_restore(&pair->p, backup);
    struct ds_handheld_sync_result result = pocket_sync(&pair->p);
    assert_true(result.new_incarnation);
    struct ds_handheld_status after = pocket_status(&pair->p);
    assert_int_equal(after.lives, 2);
    assert_memory_not_equal(after.incarnation, before.incarnation, sizeof(after.incarnation));
    settled(pair);
    /* Work goes on under the new name; nothing is there twice. */
    (void)pocket_read(&pair->p, 3, 80);
    (void)pocket_sync(&pair->p);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(slot_index(pair, i), 50 + 10 * (int64_t)i);
        assert_int_equal(candidates(pair, i), 1);
    }
    settled(pair);
}

struct log_sum {
    unsigned entries;
    unsigned readings;
    unsigned acknowledged;
};

static bool sum_log(void *context, const struct ds_handheld_log_entry *entry)
{
    struct log_sum *sum = context;
    sum->entries++;
    sum->readings += strcmp(entry->record, "reading") == 0;
    sum->acknowledged += entry->state == DS_HANDHELD_ACKNOWLEDGED;
    return true;
}

static void handheld_restored__the_log_shows_what_came_back(void **state)
{
    struct pair *pair = *state;
    struct log_sum sum = {0};
    struct ds_store *backup = copy_of(pair->p.store);
    (void)pocket_read(&pair->p, 1, 60);
    (void)pocket_read(&pair->p, 2, 70);
    (void)pocket_sync(&pair->p);
    pocket_restore(&pair->p, backup);
    (void)pocket_sync(&pair->p);
    assert_int_equal(ds_handheld_log(pair->p.h, false, sum_log, &sum), 0);
    assert_int_equal(sum.readings, 2);
    assert_int_equal(sum.acknowledged, sum.entries);
}

static void restored_and_then_worked_on__both_count_and_a_new_life_begins(void **state)
{
    struct pair *pair = *state;
    struct ds_store *backup = copy_of(pair->p.store);
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_read(&pair->p, 1, 60);
    (void)pocket_sync(&pair->p);
    pocket_restore(&pair->p, backup);
    (void)pocket_read(&pair->p, 0, 51); /* The same sequence, other content. */
    (void)pocket_read(&pair->p, 2, 70);
    (void)pocket_read(&pair->p, 3, 80);
    struct ds_handheld_sync_result result = pocket_sync(&pair->p);
    assert_true(result.new_incarnation);
    assert_int_equal(pocket_status(&pair->p).lives, 2);
    settled(pair);
    assert_int_equal(candidates(pair, 0), 2);
    assert_int_equal(slot_index(pair, 1), 60);
    assert_int_equal(slot_index(pair, 2), 70);
    assert_int_equal(slot_index(pair, 3), 80);
    (void)pocket_read(&pair->p, 4, 90);
    (void)pocket_sync(&pair->p);
    assert_int_equal(slot_index(pair, 4), 90);
    settled(pair);
    test_replay(&pair->s);
}

static void restored_and_then_worked_on__also_in_small_requests(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    struct ds_store *backup = copy_of(pair->p.store);
    for (size_t i = 0; i < 40; i++) {
        (void)pocket_read(&pair->p, i % TEST_METERS, 100 + (int64_t)i);
    }
    (void)pocket_sync(&pair->p);
    pocket_restore(&pair->p, backup);
    for (size_t i = 0; i < 60; i++) {
        (void)pocket_read(&pair->p, i % TEST_METERS, 200 + (int64_t)i);
    }
    pocket_fail(&pair->p, POCKET_NO_NETWORK, 1);
    assert_int_equal(try_sync(&pair->p, &result), DS_E_UNREACHABLE);
    (void)pocket_sync(&pair->p);
    assert_int_equal(pocket_status(&pair->p).lives, 2);
    settled(pair);
}

static void sd_card_cloned__both_are_heard(void **state)
{
    struct pair *pair = *state;
    struct pocket twin;
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_sync(&pair->p);
    pocket_make(&twin, &pair->s, 9);
    memcpy(twin.hardware, pair->p.hardware, sizeof(twin.hardware));
    pocket_restore(&twin, copy_of(pair->p.store));
    (void)pocket_read(&pair->p, 1, 60);
    (void)pocket_read(&twin, 2, 70);
    (void)pocket_sync(&pair->p);
    (void)pocket_sync(&twin);
    (void)pocket_read(&pair->p, 3, 80);
    (void)pocket_read(&twin, 4, 90);
    (void)pocket_sync(&pair->p);
    (void)pocket_sync(&twin);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
    assert_int_equal(pocket_status(&twin).unsent, 0);
    assert_int_equal(slot_index(pair, 1), 60);
    assert_int_equal(slot_index(pair, 2), 70);
    assert_true(pocket_status(&twin).lives > 1);
    pocket_drop(&twin);
}

/* ---- The server went back in time. ---- */

static void restore_server(struct pair *pair, struct ds_store *backup, bool declare)
{
    test_station_swap(&pair->s, backup);
    if (declare) {
        test_station_declare(&pair->s, 0);
    }
}

static void server_restored_from_a_backup__kept_batches_are_sent_again(void **state)
{
    struct pair *pair = *state;
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_sync(&pair->p);
    struct ds_store *backup = copy_of(pair->s.store);
    (void)pocket_read(&pair->p, 1, 60);
    (void)pocket_read(&pair->p, 2, 70);
    (void)pocket_sync(&pair->p);
    (void)pocket_read(&pair->p, 3, 80);
    restore_server(pair, backup, true);
    assert_int_equal(slot_index(pair, 1), -1);
    struct ds_handheld_sync_result result = pocket_sync(&pair->p);
    assert_true(result.new_epoch);
    assert_false(result.new_incarnation);
    assert_int_equal(pocket_status(&pair->p).epoch, 2);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(slot_index(pair, i), 50 + 10 * (int64_t)i);
        assert_int_equal(candidates(pair, i), 1);
    }
    settled(pair);
}

static void server_restored__rows_of_the_lost_time_are_fetched_anew(void **state)
{
    struct pair *pair = *state;
    struct ds_store *backup = copy_of(pair->s.store);
    struct ds_premises premises = {.number = {NULL, 0}};
    DS_SET(&premises, premises, district, ds_slice_of_text("lost district"));
    test_write(&pair->s, &pair->s.import, DS_REC_premises, &pair->s.premises[0], &premises);
    (void)pocket_sync(&pair->p);
    assert_true(pocket_converged(&pair->p));
    restore_server(pair, backup, true);
    (void)pocket_sync(&pair->p);
    settled(pair);
    struct ds_handheld_row row = {.type = DS_REC_premises};
    uint8_t fields[2048];
    row.id = pocket_id(&pair->s.premises[0]);
    row.fields = fields;
    row.size = sizeof(fields);
    assert_int_equal(ds_handheld_row(pair->p.h, &row), 0);
    for (size_t i = 0; i + 13 < row.used; i++) {
        assert_memory_not_equal(fields + i, "lost district", 13);
    }
}

static void server_restored__a_meter_that_left_the_book_in_the_lost_time_is_back(void **state)
{
    struct pair *pair = *state;
    struct ds_store *backup = copy_of(pair->s.store);
    struct ds_meter meter = {.meter_no = {NULL, 0}};
    DS_SET(&meter, meter, book, pair->s.other_book);
    test_write(&pair->s, &pair->s.import, DS_REC_meter, &pair->s.meter[0], &meter);
    (void)pocket_sync(&pair->p);
    struct ds_handheld_row row = {.type = DS_REC_meter, .id = pocket_id(&pair->s.meter[0])};
    assert_int_equal(ds_handheld_row(pair->p.h, &row), DS_E_NOT_FOUND);
    restore_server(pair, backup, true);
    unsigned refetches = pocket_status(&pair->p).refetches;
    (void)pocket_sync(&pair->p);
    settled(pair);
    uint8_t fields[2048];
    row.fields = fields;
    row.size = sizeof(fields);
    assert_int_equal(ds_handheld_row(pair->p.h, &row), DS_E_OK);
    assert_int_equal(pocket_status(&pair->p).refetches, refetches); /* No fault of the replica. */
}

static void server_shown_its_own_larger_head__answers_503_until_restore_is_declared(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    struct ds_store *backup = copy_of(pair->s.store);
    (void)pocket_read(&pair->p, 1, 60);
    (void)pocket_sync(&pair->p);
    (void)pocket_read(&pair->p, 2, 70);
    restore_server(pair, backup, false);
    assert_int_equal(try_sync(&pair->p, &result), DS_E_BUSY);
    assert_int_equal(pocket_status(&pair->p).unsent, 1);
    restore_server(pair, copy_of(pair->s.store), true);
    (void)pocket_sync(&pair->p);
    assert_int_equal(slot_index(pair, 1), 60);
    assert_int_equal(slot_index(pair, 2), 70);
    settled(pair);
}

/* ---- Our own server's key, used to tell another history. ---- */

struct forgery {
    uint64_t epoch;
    uint64_t size;
    bool other_root;
    bool other_key;
    bool other_device;
};

/* Answer the handheld's request by hand, with the server's real keys. */
static int answer_forged(struct pair *pair, const struct forgery *forgery)
{
    uint8_t *request = malloc(DS_HANDHELD_REQUEST_MAX);
    uint8_t bytes[2048];
    uint8_t plain[4096];
    uint8_t sealed[8192];
    size_t size;
    struct ds_builder builder;
    struct ds_id device;
    uint64_t counter;
    struct ds_hash box_public;
    struct ds_link_keys keys;
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_non_null(request);
    assert_int_equal(
        ds_handheld_exchange_begin(pair->p.h, request, DS_HANDHELD_REQUEST_MAX, &size, NULL), 0);
    assert_int_equal(ds_envelope_peek((struct ds_slice){request, size}, &device, &counter), DS_OK);
    free(request);
    memcpy(device.byte, status.device.byte,
           sizeof(device.byte)); /* Columns say only its beginning. */
    struct ds_device row;
    test_load(&pair->s, DS_REC_device, &device, &row);
    box_public = row.box_key;
    assert_int_equal(ds_link_keys_server(&pair->s.secret.box, &box_public, &keys), DS_OK);

    struct ds_receipt receipt = {.device = device};
    receipt.device.byte[3] ^= forgery->other_device;
    receipt.head = (struct ds_head){
        .station = pair->s.station, .epoch = forgery->epoch, .size = forgery->size};
    memcpy(receipt.head.root.byte, status.head_root, sizeof(receipt.head.root.byte));
    receipt.head.root.byte[0] ^= forgery->other_root;
    struct ds_response response = {.version = 1, .instant_ms = TEST_NOW, .snapshot = forgery->size};
    response.epoch = forgery->epoch;
    struct ds_signature signature;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_receipt_put(&builder, &receipt);
    assert_int_equal(ds_builder_end(&builder, &response.signed_bytes), DS_OK);
    struct ds_secret seed = pair->s.secret.sign;
    seed.byte[0] ^= forgery->other_key;
    ds_sign(&seed, DS_LABEL_RECEIPT, response.signed_bytes, &signature);
    response.signature = signature.byte;
    ds_builder_init(&builder, plain, sizeof(plain));
    ds_response_put(&builder, &response);
    struct ds_builder out;
    ds_builder_init(&out, sealed, sizeof(sealed));
    ds_envelope_seal(NULL, &keys.down, &device, counter, (struct ds_slice){plain, builder.used},
                     &out);
    assert_false(out.failed);
    struct ds_handheld_sync_result result = {0};
    return ds_handheld_exchange_end(pair->p.h, sealed, out.used, 200, &result, NULL);
}

static void history_rewritten_rolled_back_or_split__is_refused_and_reported(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_status before = pocket_status(&pair->p);
    struct forgery split = {before.epoch, before.head_size, true, false, false};
    struct forgery rolled_back = {before.epoch, before.head_size - 1, false, false, false};
    struct forgery new_epoch = {before.epoch + 1, before.head_size + 1, false, false, false};
    struct forgery stranger = {before.epoch, before.head_size + 1, false, true, false};
    struct forgery neighbour = {before.epoch, before.head_size + 1, false, false, true};
    assert_int_equal(answer_forged(pair, &split), DS_E_INTEGRITY);
    assert_non_null(strstr(pocket_status(&pair->p).problem, "rewritten or split"));
    assert_int_equal(answer_forged(pair, &rolled_back), DS_E_EPOCH);
    assert_int_equal(answer_forged(pair, &new_epoch), DS_E_INTEGRITY);
    assert_int_equal(answer_forged(pair, &stranger), DS_E_SIGNATURE);
    assert_int_equal(answer_forged(pair, &neighbour), DS_E_SIGNATURE);
    struct ds_handheld_status after = pocket_status(&pair->p);
    assert_int_equal(after.head_size, before.head_size);
    assert_int_equal(after.epoch, before.epoch);
    (void)pocket_sync(&pair->p);
    settled(pair);
}

/* ---- Scopes that move, and replicas that rot. ---- */

static void assign_book(struct pair *pair, const struct ds_id *worker)
{
    struct ds_book book = {.number = {NULL, 0}};
    DS_SET(&book, book, assignee, *worker);
    test_write(&pair->s, &pair->s.import, DS_REC_book, &pair->s.book, &book);
}

static bool count_row(void *context, const struct ds_handheld_row *row)
{
    (void)row;
    ++*(unsigned *)context;
    return true;
}

static unsigned rows_of(struct pocket *p, uint8_t type)
{
    unsigned count = 0;
    assert_int_equal(ds_handheld_rows(p->h, type, count_row, &count), 0);
    return count;
}

static void a_book_is_reassigned_while_its_reader_is_offline__his_work_counts(void **state)
{
    struct pair *pair = *state;
    struct pocket other;
    pocket_enrol(&other, &pair->s, &pair->s.other_reader, 2);
    (void)pocket_read(&pair->p, 0, 50);
    assign_book(pair, &pair->s.other_reader);
    (void)pocket_sync(&pair->p);
    assert_int_equal(slot_index(pair, 0), 50);
    assert_int_equal(rows_of(&pair->p, DS_REC_meter), 0);
    assert_int_equal(rows_of(&pair->p, DS_REC_account), 0);
    settled(pair);
    (void)pocket_sync(&other);
    assert_int_equal(rows_of(&other, DS_REC_meter), TEST_METERS);
    pocket_drop(&other);
}

static void a_row_leaves__only_when_nothing_is_pending_on_it(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_edit edit = {"access_note", "ring twice"};
    struct ds_handheld_edits edits = {.record = "premises", .edits = &edit, .count = 1};
    edits.id = pocket_id(&pair->s.premises[1]);
    assign_book(pair, &pair->s.other_reader);
    pair->p.first_budget = 0;
    /* The note is recorded while the answer that takes the book away is on its way. */
    uint8_t *request = malloc(DS_HANDHELD_REQUEST_MAX);
    uint8_t *answer = malloc(DS_HANDHELD_ANSWER_MAX);
    size_t size;
    struct ds_builder out;
    struct ds_detail detail;
    struct ds_handheld_sync_result result = {0};
    assert_true(request != NULL && answer != NULL);
    assert_int_equal(
        ds_handheld_exchange_begin(pair->p.h, request, DS_HANDHELD_REQUEST_MAX, &size, NULL), 0);
    ds_builder_init(&out, answer, DS_HANDHELD_ANSWER_MAX);
    assert_int_equal(ds_serve_whole(&pair->s.shard, &pair->p.codec,
                                    (struct ds_slice){request, size}, pair->p.memory, &out,
                                    &detail),
                     DS_OK);
    assert_int_equal(ds_handheld_record_edit(pair->p.h, &edits, NULL, NULL), 0);
    assert_int_equal(ds_handheld_exchange_end(pair->p.h, answer, out.used, 200, &result, NULL), 0);
    free(request);
    free(answer);
    assert_int_equal(rows_of(&pair->p, DS_REC_premises), 1);
    assert_int_equal(rows_of(&pair->p, DS_REC_meter), 0);
    (void)pocket_sync(&pair->p);
    assert_int_equal(rows_of(&pair->p, DS_REC_premises), 0);
    struct ds_premises premises;
    test_load(&pair->s, DS_REC_premises, &pair->s.premises[1], &premises);
    assert_true(DS_HAS(&premises, premises, access_note));
    settled(pair);
}

static void a_replica_goes_wrong__the_scope_is_fetched_anew_and_reported(void **state)
{
    struct pair *pair = *state;
    pair->p.h->scopes[1].digest.byte[3] ^= 1;
    struct ds_premises premises = {.number = {NULL, 0}};
    DS_SET(&premises, premises, district, ds_slice_of_text("new"));
    test_write(&pair->s, &pair->s.import, DS_REC_premises, &pair->s.premises[0], &premises);
    struct ds_handheld_sync_result result = pocket_sync(&pair->p);
    assert_int_equal(result.refetched, 1);
    assert_true(pocket_converged(&pair->p));
    assert_int_equal(pocket_status(&pair->p).refetches, 1);
    assert_int_equal(rows_of(&pair->p, DS_REC_meter), TEST_METERS);
}

static void a_replica_goes_wrong__a_row_that_vanished_is_found_and_fetched(void **state)
{
    struct pair *pair = *state;
    struct ds_txn *txn;
    uint64_t values;
    uint64_t bad;
    struct ds_key key = ds_key_row(DS_REC_meter, &pair->s.meter[2]);
    assert_int_equal(ds_store_begin(pair->p.store, true, &txn), DS_OK);
    assert_int_equal(ds_txn_del(txn, DS_KEPT_ROW, ds_key_slice(&key)), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    assert_int_equal(rows_of(&pair->p, DS_REC_meter), TEST_METERS - 1);
    assert_int_equal(ds_handheld_scrub(pair->p.h, &values, &bad, NULL), DS_E_INTEGRITY);
    assert_int_equal(bad, 1);
    (void)pocket_sync(&pair->p);
    assert_int_equal(rows_of(&pair->p, DS_REC_meter), TEST_METERS);
    assert_int_equal(ds_handheld_scrub(pair->p.h, &values, &bad, NULL), 0);
    assert_true(values > 20);
    settled(pair);
}

/* bit_rot: reported, never shown, and in nobody's way. */
static void a_replica_goes_wrong__a_row_that_rots_is_reported_and_fetched(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    uint64_t values;
    uint64_t bad;
    struct ds_premises premises = {.number = {NULL, 0}};
    struct ds_key key = ds_key_row(DS_REC_premises, &pair->s.premises[0]);
    /* A scrub finds it. */
    assert_true(ds_store_memory_rot(pair->p.store, DS_KEPT_ROW, ds_key_slice(&key), 333));
    assert_int_equal(ds_handheld_scrub(pair->p.h, &values, &bad, NULL), DS_E_INTEGRITY);
    assert_int_equal(bad, 1);
    (void)pocket_sync(&pair->p);
    assert_int_equal(ds_handheld_scrub(pair->p.h, &values, &bad, NULL), 0);
    assert_int_equal(rows_of(&pair->p, DS_REC_premises), TEST_METERS);
    settled(pair);
    /* An answer finds it, which tells of the row; what is to be sent is not kept up. */
    assert_true(ds_store_memory_rot(pair->p.store, DS_KEPT_ROW, ds_key_slice(&key), 222));
    (void)pocket_read(&pair->p, 1, 60);
    DS_SET(&premises, premises, district, ds_slice_of_text("new"));
    test_write(&pair->s, &pair->s.import, DS_REC_premises, &pair->s.premises[0], &premises);
    assert_int_equal(try_sync(&pair->p, &result), DS_E_INTEGRITY);
    assert_non_null(strstr(pocket_status(&pair->p).problem, "damaged"));
    (void)pocket_sync(&pair->p);
    settled(pair);
}

/* Each value is sound by itself, and one is of yesterday. */
static void a_replica_goes_wrong__a_row_that_went_back_in_time_is_found_and_fetched(void **state)
{
    struct pair *pair = *state;
    struct ds_txn *txn;
    struct ds_slice value;
    uint8_t earlier[4096];
    uint64_t values;
    uint64_t bad;
    struct ds_premises premises = {.number = {NULL, 0}};
    struct ds_key key = ds_key_row(DS_REC_premises, &pair->s.premises[0]);
    assert_int_equal(ds_store_begin(pair->p.store, false, &txn), DS_OK);
    assert_int_equal(ds_txn_get(txn, DS_KEPT_ROW, ds_key_slice(&key), &value), DS_OK);
    assert_true(value.size <= sizeof(earlier));
    memcpy(earlier, value.data, value.size);
    value.data = earlier;
    ds_txn_abort(txn);
    DS_SET(&premises, premises, district, ds_slice_of_text("new"));
    test_write(&pair->s, &pair->s.import, DS_REC_premises, &pair->s.premises[0], &premises);
    (void)pocket_sync(&pair->p);
    assert_int_equal(ds_store_begin(pair->p.store, true, &txn), DS_OK);
    assert_int_equal(ds_txn_put(txn, DS_KEPT_ROW, ds_key_slice(&key), value), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    assert_int_equal(ds_handheld_scrub(pair->p.h, &values, &bad, NULL), DS_E_INTEGRITY);
    (void)pocket_sync(&pair->p);
    assert_int_equal(ds_handheld_scrub(pair->p.h, &values, &bad, NULL), 0);
    settled(pair);
}

/* ---- Power, disks, and revocation. ---- */

static void power_lost_at_the_commit__what_returned_is_there_and_nothing_else(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_reading reading = {.has_index = true, .index = 50};
    reading.meter = pocket_id(&pair->s.meter[0]);
    ds_store_memory_fail_commit(pair->p.store, 1, DS_ERR_IO, false);
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), DS_E_IO);
    /* The handle serves nothing more: an I/O error of a commit is never retried. */
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), DS_E_IO);
    pocket_restore(&pair->p, copy_of(pair->p.store));
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_sync(&pair->p);
    assert_int_equal(candidates(pair, 0), 1);
    settled(pair);
}

static void power_lost_after_the_commit__is_there_though_nobody_was_told(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_reading reading = {.has_index = true, .index = 50};
    reading.meter = pocket_id(&pair->s.meter[0]);
    ds_store_memory_fail_commit(pair->p.store, 1, DS_ERR_IO, true);
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), DS_E_IO);
    pocket_restore(&pair->p, copy_of(pair->p.store));
    assert_int_equal(pocket_status(&pair->p).unsent, 1);
    (void)pocket_sync(&pair->p);
    assert_int_equal(slot_index(pair, 0), 50);
    settled(pair);
}

static void power_lost_while_an_answer_is_taken__is_repeated_whole(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    for (unsigned nth = 1; nth <= 2; nth++) {
        (void)pocket_read(&pair->p, nth, 50 + (int64_t)nth);
        ds_store_memory_fail_commit(pair->p.store, nth, DS_ERR_IO, false);
        assert_int_equal(try_sync(&pair->p, &result), DS_E_IO);
        pocket_restore(&pair->p, copy_of(pair->p.store));
        (void)pocket_sync(&pair->p);
        assert_int_equal(candidates(pair, nth), 1);
        settled(pair);
    }
}

static void lost_handheld__what_comes_after_its_revocation_is_quarantined_and_told(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_status status = pocket_status(&pair->p);
    struct ds_device device = {.kind = 0};
    struct ds_id id;
    memcpy(id.byte, status.device.byte, sizeof(id.byte));
    DS_SET(&device, device, state, DS_DEVICE_revoked);
    test_write(&pair->s, &pair->s.import, DS_REC_device, &id, &device);
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_sync(&pair->p);
    status = pocket_status(&pair->p);
    assert_int_equal(status.commands & DS_HANDHELD_REVOKED, DS_HANDHELD_REVOKED);
    assert_int_equal(status.unsent, 0);
    assert_int_equal(slot_index(pair, 0), -1);
    assert_int_equal(rows_of(&pair->p, DS_REC_account), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(response_lost_request_repeated__same_bytes_same_answer),
        CASE(response_lost__later_ops_do_not_change_the_bytes_already_sent),
        CASE(captive_portal__is_recognised_and_changes_nothing),
        CASE(a_changed_bit_of_an_answer__is_not_ours),
        CASE(a_busy_server__is_asked_again_later),
        CASE(an_answer_to_an_earlier_request__is_not_taken),
        CASE(handheld_restored_nothing_new_written__takes_its_suffix_back),
        CASE(handheld_restored__the_log_shows_what_came_back),
        CASE(restored_and_then_worked_on__both_count_and_a_new_life_begins),
        CASE(restored_and_then_worked_on__also_in_small_requests),
        CASE(sd_card_cloned__both_are_heard),
        CASE(server_restored_from_a_backup__kept_batches_are_sent_again),
        CASE(server_restored__rows_of_the_lost_time_are_fetched_anew),
        CASE(server_restored__a_meter_that_left_the_book_in_the_lost_time_is_back),
        CASE(server_shown_its_own_larger_head__answers_503_until_restore_is_declared),
        CASE(history_rewritten_rolled_back_or_split__is_refused_and_reported),
        CASE(a_book_is_reassigned_while_its_reader_is_offline__his_work_counts),
        CASE(a_row_leaves__only_when_nothing_is_pending_on_it),
        CASE(a_replica_goes_wrong__the_scope_is_fetched_anew_and_reported),
        CASE(a_replica_goes_wrong__a_row_that_vanished_is_found_and_fetched),
        CASE(power_lost_at_the_commit__what_returned_is_there_and_nothing_else),
        CASE(power_lost_after_the_commit__is_there_though_nobody_was_told),
        CASE(power_lost_while_an_answer_is_taken__is_repeated_whole),
        CASE(lost_handheld__what_comes_after_its_revocation_is_quarantined_and_told),
        CASE(a_replica_goes_wrong__a_row_that_rots_is_reported_and_fetched),
        CASE(a_replica_goes_wrong__a_row_that_went_back_in_time_is_found_and_fetched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

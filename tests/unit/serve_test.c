/* The server's half of an exchange, driven by a device that builds its requests by hand. */
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static struct test_station s;
static struct test_device reader;
static struct ds_envelope_codec codec;
static uint8_t *serve_memory;
static uint8_t *wire;
static uint8_t *answer;
static uint8_t *plain;
static uint8_t *arena_memory;
static struct ds_arena arena;
static struct ds_response response;
enum { ROOM = 4 * 1024 * 1024 + 65536 };

static int open_station(void **state)
{
    (void)state;
    test_station_open(&s);
    test_device_enrol(&s, &s.reader, 1, &reader);
    assert_int_equal(ds_envelope_codec_init(&codec), DS_OK);
    serve_memory = malloc(DS_SERVE_ARENA_SIZE);
    wire = malloc(ROOM);
    answer = malloc(ROOM);
    plain = malloc(ROOM);
    arena_memory = malloc(ROOM);
    ds_arena_init(&arena, arena_memory, ROOM);
    return 0;
}

static int close_station(void **state)
{
    (void)state;
    ds_envelope_codec_fini(&codec);
    free(serve_memory);
    free(wire);
    free(answer);
    free(plain);
    free(arena_memory);
    test_station_close(&s);
    return 0;
}

static struct ds_request ask(void)
{
    static struct ds_lane_state lane;
    struct ds_request request = {.version = 1, .epoch = 1, .budget = DS_BUDGET_DEFAULT};
    lane = (struct ds_lane_state){.incarnation = reader.incarnation,
                                  .lane = DS_LANE_WORK,
                                  .seq = reader.next_seq - 1,
                                  .chain = reader.chain};
    request.lanes[0] = lane;
    request.lane_count = 1;
    return request;
}

/* The sealed request in wire. */
static struct ds_slice seal(const struct ds_request *request)
{
    struct ds_link_keys keys;
    struct ds_builder builder;
    assert_int_equal(ds_link_keys_device(&reader.box, &s.shard.box_public, &keys), DS_OK);
    ds_builder_init(&builder, plain, ROOM);
    ds_request_put(&builder, request);
    assert_false(builder.failed);
    struct ds_slice clear = {plain, builder.used};
    ds_builder_init(&builder, wire, ROOM);
    ds_envelope_seal(&codec, &keys.up, &reader.id, 7, clear, &builder);
    assert_false(builder.failed);
    return (struct ds_slice){wire, builder.used};
}

static enum ds_err serve(struct ds_slice body, struct ds_builder *out)
{
    struct ds_detail detail = {{0}};
    ds_builder_init(out, answer, ROOM);
    return ds_serve_whole(&s.shard, &codec, body, serve_memory, out, &detail);
}

static void open_answer(const struct ds_builder *out)
{
    struct ds_link_keys keys;
    struct ds_builder buffer;
    struct ds_slice clear;
    struct ds_detail detail = {{0}};
    assert_int_equal(ds_link_keys_device(&reader.box, &s.shard.box_public, &keys), DS_OK);
    ds_builder_init(&buffer, plain, ROOM);
    assert_int_equal(ds_envelope_open(&codec, &keys.down, (struct ds_slice){out->data, out->used},
                                      &buffer, &clear, &detail),
                     DS_OK);
    ds_arena_reset(&arena);
    assert_int_equal(ds_response_parse(clear, &arena, &response, &detail), DS_OK);
}

static void exchange(const struct ds_request *request)
{
    struct ds_builder out;
    assert_int_equal(serve(seal(request), &out), DS_OK);
    open_answer(&out);
}

static const struct ds_page *page_of(uint8_t kind)
{
    for (size_t i = 0; i < response.page_count; i++) {
        if (response.pages[i].cursor.scope.kind == kind) {
            return &response.pages[i];
        }
    }
    return NULL;
}

static size_t count_type(const struct ds_page *page, uint64_t type, bool gone)
{
    size_t count = 0;
    for (size_t i = 0; i < page->row_count; i++) {
        count += page->rows[i].type == type && (page->rows[i].fields.size == 0) == gone;
    }
    return count;
}

static void a_fresh_handheld_gets_its_book_in_one_exchange_and_the_digest_agrees(void **state)
{
    (void)state;
    struct ds_request request = ask();
    exchange(&request);
    const struct ds_page *book = page_of(DS_SCOPE_BOOK);
    assert_non_null(book);
    assert_true(book->complete);
    assert_int_equal(count_type(book, DS_REC_meter, false), TEST_METERS);
    assert_int_equal(count_type(book, DS_REC_premises, false), TEST_METERS);
    assert_int_equal(count_type(book, DS_REC_account, false), TEST_METERS);
    assert_int_equal(count_type(book, DS_REC_slot, false), TEST_METERS);
    struct ds_hash digest = {{0}};
    for (size_t i = 0; i < book->row_count; i++) {
        ds_digest_add(&digest, &book->cursor.scope, &book->rows[i]);
    }
    assert_true(ds_hash_equal(&digest, &book->digest));
    assert_false(response.more);
    assert_int_equal(response.key_count, TEST_METERS);
}

static void a_view_hides_what_a_reader_may_not_see(void **state)
{
    (void)state;
    struct ds_request request = ask();
    exchange(&request);
    const struct ds_page *book = page_of(DS_SCOPE_BOOK);
    size_t accounts = 0;
    for (size_t i = 0; i < book->row_count; i++) {
        if (book->rows[i].type == DS_REC_account) {
            struct ds_account account;
            assert_int_equal(ds_record_decode(ds_record_type_by_number(DS_REC_account),
                                              book->rows[i].fields, NULL, &account, NULL),
                             DS_OK);
            assert_false(DS_HAS(&account, account, balance_fen));
            assert_true(DS_HAS(&account, account, phone));
            accounts++;
        }
    }
    assert_int_equal(accounts, TEST_METERS);
}

static void a_small_budget_still_ends(void **state)
{
    (void)state;
    struct ds_cursor_at cursors[DS_SCOPES_MAX];
    struct ds_request request = ask();
    size_t rows = 0;
    size_t rounds = 0;
    request.budget = 1;
    request.cursors = cursors;
    do {
        exchange(&request);
        for (size_t i = 0; i < response.page_count; i++) {
            size_t at = 0;
            while (at < request.cursor_count &&
                   ds_scope_compare(&cursors[at].scope, &response.pages[i].cursor.scope) != 0) {
                at++;
            }
            request.cursor_count += at == request.cursor_count;
            cursors[at] = response.pages[i].cursor;
            rows += response.pages[i].row_count;
        }
        rounds++;
    } while (response.more && rounds < 100);
    assert_true(rounds > 1 && rounds < 50);
    assert_true(rows >= 4 * TEST_METERS);
}

static void b8_b9_truncated_flipped_and_replayed_requests(void **state)
{
    (void)state;
    static uint8_t copy[65536];
    struct ds_builder out;
    struct ds_request request = ask();
    struct ds_slice body = seal(&request);
    assert_true(body.size < sizeof(copy));
    memcpy(copy, body.data, body.size);
    size_t size = body.size;
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_not_equal(serve((struct ds_slice){copy, cut}, &out), DS_OK);
    }
    for (size_t bit = 0; bit < 8 * size; bit += 5) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(serve((struct ds_slice){copy, size}, &out), DS_OK);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    uint64_t before = s.shard.meta.size;
    assert_int_equal(serve((struct ds_slice){copy, size}, &out), DS_OK);
    assert_int_equal(serve((struct ds_slice){copy, size}, &out), DS_OK);
    assert_int_equal(s.shard.meta.size, before);
}

static void b12_an_unknown_device_hears_nothing(void **state)
{
    (void)state;
    struct ds_builder out;
    struct ds_request request = ask();
    reader.id.byte[3] ^= 1;
    assert_int_equal(serve(seal(&request), &out), DS_ERR_AUTH);
    assert_int_equal(out.used, 0);
}

static struct ds_slice reading_batch(size_t meter, int64_t index, struct ds_builder *out)
{
    struct ds_reading reading = {.period = 0};
    DS_SET(&reading, reading, meter, s.meter[meter]);
    DS_SET(&reading, reading, period, TEST_PERIOD);
    DS_SET(&reading, reading, index, index);
    DS_SET(&reading, reading, instant_ms, s.now_ms);
    DS_SET(&reading, reading, method, DS_METHOD_on_site);
    return test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, out);
}

static void the_receipt_names_what_was_taken_under_the_servers_signature(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    struct ds_builder builder;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    struct ds_slice batch = reading_batch(0, 120, &builder);
    struct ds_request request = ask();
    request.batches = &batch;
    request.batch_count = 1;
    exchange(&request);
    assert_int_equal(response.taken_count, 1);
    assert_int_equal(response.taken[0].error, DS_OK);
    struct ds_receipt receipt;
    struct ds_signature signature;
    memcpy(signature.byte, response.signature, sizeof(signature.byte));
    assert_true(
        ds_verify(&s.shard.sign_public, DS_LABEL_RECEIPT, response.signed_bytes, &signature));
    assert_int_equal(ds_receipt_parse(response.signed_bytes, &receipt), DS_OK);
    assert_true(ds_id_equal(&receipt.device, &reader.id));
    assert_int_equal(receipt.lane_count, 1);
    assert_int_equal(receipt.lanes[0].seq, 1);
    assert_true(ds_hash_equal(&receipt.lanes[0].chain, &reader.chain));
    assert_int_equal(receipt.head.size, s.shard.meta.size);
    assert_int_equal(response.command_count, 0);
}

static void handheld_restored_from_a_backup_nothing_new_written__gets_its_suffix_back(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    struct ds_builder builder;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    struct test_device backup = reader;
    struct ds_slice batch = reading_batch(0, 120, &builder);
    struct ds_request request = ask();
    request.batches = &batch;
    request.batch_count = 1;
    exchange(&request);
    reader = backup;
    request = ask();
    exchange(&request);
    assert_int_equal(response.command_count, 1);
    assert_int_equal(response.commands[0], DS_COMMAND_NEW_INCARNATION);
    assert_int_equal(response.own_batch_count, 1);
    assert_true(ds_slice_equal(response.own_batches[0], batch));
}

static void a_device_that_names_anothers_life_hears_nothing_of_it(void **state)
{
    (void)state;
    struct test_device victim;
    struct ds_receipt receipt;
    test_device_enrol(&s, &s.other_reader, 2, &victim);
    (void)test_reading(&s, &victim, 4, 120, TEST_PERIOD);
    struct ds_request request = ask();
    request.lanes[0] =
        (struct ds_lane_state){.incarnation = victim.incarnation,
                               .lane = DS_LANE_WORK,
                               .chain = ds_chain_start(&victim.incarnation, DS_LANE_WORK)};
    exchange(&request);
    assert_int_equal(response.own_batch_count, 0);
    assert_int_equal(response.command_count, 0);
    assert_int_equal(ds_receipt_parse(response.signed_bytes, &receipt), DS_OK);
    for (size_t i = 0; i < receipt.lane_count; i++) {
        assert_false(ds_incarnation_equal(&receipt.lanes[i].incarnation, &victim.incarnation));
    }
}

static void a_relay_carries_what_it_cannot_read(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    static uint8_t sealed[65536];
    struct ds_builder builder;
    struct ds_builder box;
    struct test_device carrier;
    struct ds_random random = s.shard.random;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    struct ds_slice batch = reading_batch(0, 120, &builder);
    ds_builder_init(&box, sealed, sizeof(sealed));
    assert_int_equal(ds_seal(&s.shard.box_public, batch, &random, &box), DS_OK);
    struct ds_slice relayed = {sealed, box.used};
    test_device_enrol(&s, &s.other_reader, 9, &carrier);
    struct test_device owner = reader;
    reader = carrier;
    struct ds_request request = ask();
    request.relayed = &relayed;
    request.relayed_count = 1;
    exchange(&request);
    assert_int_equal(response.taken[0].error, DS_OK);
    reader = owner;
    struct ds_slot slot;
    test_slot(&s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 120);
    assert_true(ds_id_equal(&slot.read_by, &s.reader));
}

static void a_row_leaves_when_its_book_is_anothers(void **state)
{
    (void)state;
    struct ds_cursor_at cursor;
    struct ds_meter change = {.kind = 0};
    struct ds_request request = ask();
    exchange(&request);
    cursor = page_of(DS_SCOPE_BOOK)->cursor;
    DS_SET(&change, meter, book, s.other_book);
    test_write(&s, &s.import, DS_REC_meter, &s.meter[2], &change);
    request = ask();
    request.cursors = &cursor;
    request.cursor_count = 1;
    exchange(&request);
    const struct ds_page *book = page_of(DS_SCOPE_BOOK);
    assert_int_equal(count_type(book, DS_REC_meter, true), 1);
    assert_int_equal(count_type(book, DS_REC_premises, true), 1);
    assert_int_equal(count_type(book, DS_REC_account, true), 1);
    assert_int_equal(count_type(book, DS_REC_slot, true), 1);
    assert_int_equal(book->row_count, 4);
}

static void server_restored_undeclared__503_until_the_epoch_is_opened(void **state)
{
    (void)state;
    struct ds_builder out;
    struct ds_request request = ask();
    struct ds_detail detail = {{0}};
    struct ds_actor admin;
    request.witness_epoch = 1;
    request.witness_size = s.shard.meta.size + 10;
    assert_int_equal(serve(seal(&request), &out), DS_ERR_EPOCH);
    assert_int_equal(ds_actor_open(&s.shard, "system", DS_ACTOR_system, NULL, &admin, &detail),
                     DS_OK);
    assert_int_equal(ds_shard_epoch(&s.shard, &admin, 0), DS_OK);
    exchange(&request);
    assert_int_equal(response.epoch, 2);
    struct ds_entry entry;
    assert_int_equal(ds_entry_parse(response.epoch_entry, &entry, &detail), DS_OK);
    assert_int_equal(entry.kind, DS_ENTRY_EPOCH);
    assert_int_equal(entry.kept_size, response.kept_size);
}

static void a_revoked_device_still_hands_in_and_then_hears_what_is_wrong(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    struct ds_builder builder;
    struct ds_device change = {.kind = 0};
    ds_builder_init(&builder, bytes, sizeof(bytes));
    struct ds_slice batch = reading_batch(0, 120, &builder);
    DS_SET(&change, device, state, DS_DEVICE_revoked);
    test_write(&s, &s.import, DS_REC_device, &reader.id, &change);
    struct ds_request request = ask();
    request.batches = &batch;
    request.batch_count = 1;
    exchange(&request);
    assert_int_equal(response.taken[0].error, DS_OK);
    assert_int_equal(response.commands[0], DS_COMMAND_REVOKED);
    assert_null(page_of(DS_SCOPE_BOOK));
    assert_int_equal(count_type(page_of(DS_SCOPE_MAILBOX), DS_REC_verdict, false), 1);
}

static void flip_journal_bit(uint64_t number, size_t bit)
{
    static uint8_t bytes[DS_ENTRY_SIZE_MAX];
    struct ds_txn *txn = NULL;
    struct ds_slice value;
    struct ds_key key = ds_key_journal(number);
    assert_int_equal(ds_store_begin(s.store, true, &txn), DS_OK);
    assert_int_equal(ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &value), DS_OK);
    memcpy(bytes, value.data, value.size);
    bytes[(bit / 8) % value.size] ^= (uint8_t)(1 << bit % 8);
    assert_int_equal(
        ds_txn_put(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), (struct ds_slice){bytes, value.size}),
        DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
}

static void tampering_shows__any_changed_bit_of_the_journal_is_found(void **state)
{
    (void)state;
    struct ds_head head;
    struct ds_detail detail = {{0}};
    assert_int_equal(ds_shard_verify(&s.shard, NULL, &head, &detail), DS_OK);
    for (uint64_t number = 1; number <= head.size; number++) {
        for (size_t bit = number % 7; bit < 4000; bit += 397) {
            flip_journal_bit(number, bit);
            assert_int_equal(ds_shard_verify(&s.shard, NULL, &head, &detail), DS_ERR_INTEGRITY);
            flip_journal_bit(number, bit);
        }
    }
    assert_int_equal(ds_shard_verify(&s.shard, NULL, &head, &detail), DS_OK);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_station, close_station)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_fresh_handheld_gets_its_book_in_one_exchange_and_the_digest_agrees),
        CASE(a_view_hides_what_a_reader_may_not_see),
        CASE(a_small_budget_still_ends),
        CASE(b8_b9_truncated_flipped_and_replayed_requests),
        CASE(b12_an_unknown_device_hears_nothing),
        CASE(the_receipt_names_what_was_taken_under_the_servers_signature),
        CASE(handheld_restored_from_a_backup_nothing_new_written__gets_its_suffix_back),
        CASE(a_device_that_names_anothers_life_hears_nothing_of_it),
        CASE(a_relay_carries_what_it_cannot_read),
        CASE(a_row_leaves_when_its_book_is_anothers),
        CASE(server_restored_undeclared__503_until_the_epoch_is_opened),
        CASE(a_revoked_device_still_hands_in_and_then_hears_what_is_wrong),
        CASE(tampering_shows__any_changed_bit_of_the_journal_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

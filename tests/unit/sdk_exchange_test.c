/* A handheld against the real server half, in one process. Names are those of the rows of "When
 * things go wrong". */
#include "tests/support/pocket.h"
#include "tests/support/test.h"

#include <string.h>

struct pair {
    struct test_station s;
    struct pocket p;
};

static int setup(void **state)
{
    static struct pair pair;
    test_station_open(&pair.s);
    pocket_enrol(&pair.p, &pair.s, &pair.s.reader, 1);
    *state = &pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    pocket_drop(&pair->p);
    test_station_close(&pair->s);
    return 0;
}

static bool count_place(void *context, const struct ds_handheld_place *place)
{
    unsigned *count = context;
    assert_non_null(place->meter_no);
    ++*count;
    return true;
}

static unsigned places_in(struct pocket *p)
{
    unsigned count = 0;
    struct ds_handheld_id book = pocket_id(&p->station->book);
    assert_int_equal(ds_handheld_walk(p->h, &book, count_place, &count), 0);
    return count;
}

static bool keep_place(void *context, const struct ds_handheld_place *place)
{
    *(struct ds_handheld_place *)context = *place;
    return true;
}

static struct ds_handheld_place show(struct pocket *p, size_t meter)
{
    struct ds_handheld_place place = {.period = 0};
    struct ds_handheld_id id = pocket_id(&p->station->meter[meter]);
    assert_int_equal(ds_handheld_show(p->h, &id, keep_place, &place), 0);
    return place;
}

static void a_book_is_on_a_fresh_handheld_after_one_sync(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result = pocket_sync(&pair->p);
    assert_int_equal(places_in(&pair->p), TEST_METERS);
    assert_true(result.rows > TEST_METERS * 3);
    assert_true(pocket_converged(&pair->p));
    struct ds_handheld_place place = show(&pair->p, 2);
    assert_int_equal(place.period, TEST_PERIOD);
    assert_int_equal(place.pending, 0);
}

static void a_days_work_needs_one_exchange(void **state)
{
    struct pair *pair = *state;
    (void)pocket_sync(&pair->p);
    for (size_t i = 0; i < 3; i++) {
        (void)pocket_read(&pair->p, i, 100 + (int64_t)i);
        assert_int_equal(show(&pair->p, i).slot_state, DS_HANDHELD_SLOT_READ);
        assert_int_equal(show(&pair->p, i).pending, 1);
    }
    pair->p.posts = 0;
    struct ds_handheld_sync_result result = pocket_sync(&pair->p);
    assert_int_equal(pair->p.posts, 1);
    assert_int_equal(result.acknowledged_ops, 3);
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_int_equal(status.unsent, 0);
    assert_int_equal(status.received, status.recorded);
    assert_non_null(strstr(status.receipt, "4 of 4 received, position "));
    for (size_t i = 0; i < 3; i++) {
        struct ds_slot slot;
        test_slot(&pair->s, i, TEST_PERIOD, &slot);
        assert_int_equal(slot.index, 100 + (int64_t)i);
        assert_int_equal(show(&pair->p, i).index, 100 + (int64_t)i);
        assert_int_equal(show(&pair->p, i).pending, 0);
    }
    assert_true(pocket_converged(&pair->p));
}

/* ---- Enrolment. ---- */

static void make_code(struct pair *pair, char *text, size_t size)
{
    struct ds_builder builder;
    ds_builder_init(&builder, text, size);
    assert_int_equal(ds_enrol_code_make(&pair->s.shard, &pair->s.reader,
                                        ds_slice_of_text("http://127.0.0.1:8420"), NULL, 0,
                                        &builder),
                     DS_OK);
    (void)ds_builder_text(&builder);
}

static void enrol__a_lost_answer_is_asked_for_again_with_the_same_keys(void **state)
{
    struct pair *pair = *state;
    struct pocket fresh;
    char code[1024];
    pocket_make(&fresh, &pair->s, 5);
    make_code(pair, code, sizeof(code));
    pocket_fail(&fresh, POCKET_ANSWER_LOST, 1);
    assert_int_equal(ds_handheld_enrol(fresh.h, code, NULL), DS_E_UNREACHABLE);
    assert_false(pocket_status(&fresh).enrolled);
    pocket_reopen(&fresh, true);
    assert_int_equal(ds_handheld_enrol(fresh.h, code, NULL), 0);
    assert_true(pocket_status(&fresh).enrolled);
    assert_int_equal(ds_handheld_enrol(fresh.h, code, NULL), DS_E_EXISTS);
    (void)pocket_sync(&fresh);
    assert_true(pocket_converged(&fresh));
    pocket_drop(&fresh);
}

static void enrol__b13_a_used_code_is_refused(void **state)
{
    struct pair *pair = *state;
    struct pocket first;
    struct pocket second;
    char code[1024];
    make_code(pair, code, sizeof(code));
    pocket_make(&first, &pair->s, 5);
    pocket_make(&second, &pair->s, 6);
    assert_int_equal(ds_handheld_enrol(first.h, code, NULL), 0);
    assert_int_equal(ds_handheld_enrol(second.h, code, NULL), DS_E_FORBIDDEN);
    assert_false(pocket_status(&second).enrolled);
    pocket_drop(&first);
    pocket_drop(&second);
}

static void enrol__a_portal_and_bad_codes_change_nothing(void **state)
{
    struct pair *pair = *state;
    struct pocket fresh;
    char code[1024];
    struct ds_handheld_reading reading = {.has_index = true, .period = TEST_PERIOD};
    pocket_make(&fresh, &pair->s, 5);
    make_code(pair, code, sizeof(code));
    pocket_fail(&fresh, POCKET_PORTAL, 1);
    assert_int_equal(ds_handheld_enrol(fresh.h, code, NULL), DS_E_NOT_OURS);
    assert_int_equal(ds_handheld_enrol(fresh.h, "DS1:????", NULL), DS_E_DECODE);
    assert_int_equal(ds_handheld_enrol(fresh.h, "", NULL), DS_E_DECODE);
    assert_int_equal(ds_handheld_sync(fresh.h, NULL, NULL), DS_E_CONFLICT);
    reading.meter = pocket_id(&pair->s.meter[0]);
    assert_int_equal(ds_handheld_record_reading(fresh.h, &reading, NULL, NULL), DS_E_CONFLICT);
    assert_int_equal(ds_handheld_enrol(fresh.h, code, NULL), 0);
    pocket_drop(&fresh);
}

static void enrol__plain_http_goes_to_loopback_alone(void **state)
{
    struct pair *pair = *state;
    struct pocket fresh;
    char code[1024];
    static const char *const urls[] = {"http://example.com", "https://example.com",
                                       "http://127.0.0.1.example.com", "ftp://127.0.0.1"};
    pocket_make(&fresh, &pair->s, 5);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct ds_builder builder;
        ds_builder_init(&builder, code, sizeof(code));
        assert_int_equal(ds_enrol_code_make(&pair->s.shard, &pair->s.reader,
                                            ds_slice_of_text(urls[i]), NULL, 0, &builder),
                         DS_OK);
        assert_int_equal(ds_handheld_enrol(fresh.h, ds_builder_text(&builder), NULL), DS_E_DECODE);
    }
    assert_int_equal(fresh.posts, 0);
    pocket_drop(&fresh);
}

/* ---- Sizes. ---- */

static void what_was_cut_for_a_good_link__stays_as_it_is_on_a_bad_one(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_sync(&pair->p);
    for (size_t i = 0; i < 300; i++) {
        (void)pocket_read(&pair->p, i % TEST_METERS, 1000 + (int64_t)i);
    }
    pocket_fail(&pair->p, POCKET_NO_NETWORK, 1);
    assert_int_equal(ds_handheld_sync(pair->p.h, &result, NULL), DS_E_UNREACHABLE);
    uint64_t size = pair->s.shard.meta.size;
    result = pocket_sync(&pair->p);
    assert_int_equal(result.acknowledged_ops, 300);
    assert_int_equal(pair->s.shard.meta.size, size + 1); /* One batch, as it was cut. */
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
    assert_true(pocket_converged(&pair->p));
}

static void a_bad_link_from_the_start__grows_from_two_to_sixty_four_kilobytes(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_sync(&pair->p);
    pair->p.first_budget = 2048;
    pocket_reopen(&pair->p, false);
    for (size_t i = 0; i < 1000; i++) {
        (void)pocket_read(&pair->p, i % TEST_METERS, 1000 + (int64_t)i);
    }
    pair->p.greatest = 0;
    pair->p.first = 0;
    pair->p.posts = 0;
    result = pocket_sync(&pair->p);
    assert_int_equal(result.acknowledged_ops, 1000);
    assert_true(pair->p.first <= 2048 + 512);
    assert_true(pair->p.greatest <= 65536 + 1024);
    assert_in_range(pair->p.posts, 4, 10);
    assert_true(pocket_converged(&pair->p));
}

static void batches_end_where_the_boot_changes(void **state)
{
    struct pair *pair = *state;
    (void)pocket_sync(&pair->p);
    uint64_t size = pair->s.shard.meta.size;
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_read(&pair->p, 1, 60);
    pocket_reopen(&pair->p, false); /* The same boot: the same batch. */
    (void)pocket_read(&pair->p, 2, 70);
    pocket_reopen(&pair->p, true);
    (void)pocket_read(&pair->p, 3, 80);
    assert_int_equal(pocket_sync(&pair->p).acknowledged_ops, 4);
    assert_int_equal(pair->s.shard.meta.size, size + 2);
}

/* ---- What is kept, and for how long. ---- */

static bool count_entry(void *context, const struct ds_handheld_log_entry *entry)
{
    (void)entry;
    ++*(unsigned *)context;
    return true;
}

static unsigned log_size(struct pocket *p)
{
    unsigned count = 0;
    assert_int_equal(ds_handheld_log(p->h, false, count_entry, &count), 0);
    return count;
}

static void acknowledged_batches__are_kept_for_the_backup_window(void **state)
{
    struct pair *pair = *state;
    (void)pocket_sync(&pair->p);
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_sync(&pair->p);
    assert_int_equal(log_size(&pair->p), 2);
    pair->p.now_ms += INT64_C(34) * 86400000;
    pair->s.now_ms += INT64_C(34) * 86400000;
    (void)pocket_read(&pair->p, 1, 60);
    (void)pocket_sync(&pair->p);
    assert_int_equal(log_size(&pair->p), 3);
    pair->p.now_ms += INT64_C(2) * 86400000;
    pair->s.now_ms += INT64_C(2) * 86400000;
    (void)pocket_sync(&pair->p);
    assert_int_equal(log_size(&pair->p), 1);
    (void)pocket_read(&pair->p, 2, 70);
    (void)pocket_sync(&pair->p);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
    assert_true(pocket_converged(&pair->p));
}

/* ---- Relay. ---- */

struct bundle {
    uint8_t bytes[65536];
    size_t size;
};

static int add_piece(void *context, const uint8_t *bytes, size_t size)
{
    struct bundle *bundle = context;
    assert_true(size <= sizeof(bundle->bytes) - bundle->size);
    memcpy(bundle->bytes + bundle->size, bytes, size);
    bundle->size += size;
    return 0;
}

static void relay__another_handheld_carries_a_batch_and_only_its_signer_counts(void **state)
{
    struct pair *pair = *state;
    static struct bundle bundle;
    struct pocket bearer;
    struct ds_handheld_detail detail;
    uint64_t items = 0;
    uint64_t ops = 0;
    bundle.size = 0;
    pocket_enrol(&bearer, &pair->s, &pair->s.other_reader, 8);
    (void)pocket_sync(&pair->p);
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_read(&pair->p, 1, 60);
    assert_int_equal(ds_handheld_bundle_export(pair->p.h, add_piece, &bundle, &ops), 0);
    assert_int_equal(ops, 2);
    assert_int_equal(
        ds_handheld_bundle_import(bearer.h, bundle.bytes, bundle.size, &items, &detail), 0);
    assert_int_equal(items, 2);
    assert_int_equal(pocket_status(&bearer).relayed, 2);
    assert_int_equal(
        ds_handheld_bundle_import(bearer.h, bundle.bytes, bundle.size - 1, &items, &detail),
        DS_E_DECODE);
    (void)pocket_sync(&bearer);
    assert_int_equal(pocket_status(&bearer).relayed, 0);
    struct ds_slot slot;
    test_slot(&pair->s, 1, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 60);
    assert_true(ds_id_equal(&slot.read_by, &pair->s.reader));
    (void)pocket_sync(&pair->p);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
    test_slot(&pair->s, 1, TEST_PERIOD, &slot);
    assert_int_equal(slot.candidates, 1);
    pocket_drop(&bearer);
}

/* ---- Recording never waits for a transfer. ---- */

static int read_then_post(void *context, const struct ds_handheld_post *post)
{
    struct pocket *p = context;
    struct ds_handheld_options options = pocket_options(p);
    if (p->posts == 0) {
        (void)pocket_read(p, 5, 77); /* The line is busy; the handle is not. */
        assert_int_equal(ds_handheld_sync(p->h, NULL, NULL), DS_E_BUSY);
    }
    return options.transport.post(options.transport.context, post);
}

static void recording__never_waits_for_a_transfer(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_sync(&pair->p);
    ds_handheld_close(pair->p.h);
    struct ds_handheld_options options = pocket_options(&pair->p);
    options.transport.post = read_then_post;
    assert_int_equal(ds_handheld_open(&options, POCKET_PIN, &pair->p.h, NULL), 0);
    (void)pocket_read(&pair->p, 0, 50);
    pair->p.posts = 0;
    assert_int_equal(ds_handheld_sync(pair->p.h, &result, NULL), 0);
    assert_int_equal(result.acknowledged_ops, 2); /* What came meanwhile went with the next. */
    struct ds_slot slot;
    test_slot(&pair->s, 5, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 77);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
}

/* ---- No room. ---- */

static void disk_full__refuses_before_accepting_and_keeps_serving_reads(void **state)
{
    struct pair *pair = *state;
    struct pocket small;
    struct ds_handheld_sync_result result;
    struct ds_handheld_reading reading = {.has_index = true, .period = TEST_PERIOD};
    pocket_make(&small, &pair->s, 6);
    ds_handheld_close(small.h);
    ds_store_close(small.store);
    /* Room for captures, not for a pull. */
    assert_int_equal(ds_store_memory_open(DS_HANDHELD_ROOM_CAPTURE + 20000, &small.store), DS_OK);
    struct ds_handheld_options options = pocket_options(&small);
    char code[1024];
    assert_int_equal(ds_handheld_open(&options, POCKET_PIN, &small.h, NULL), 0);
    make_code(pair, code, sizeof(code));
    assert_int_equal(ds_handheld_enrol(small.h, code, NULL), 0);
    reading.meter = pocket_id(&pair->s.meter[0]);
    int error = 0;
    unsigned recorded = 0;
    for (; error == 0 && recorded < 1000; recorded += error == 0) {
        reading.index = recorded;
        error = ds_handheld_record_reading(small.h, &reading, NULL, NULL);
    }
    assert_int_equal(error, DS_E_FULL);
    assert_in_range(recorded, 5, 100);
    assert_int_equal(log_size(&small), recorded + 1);
    result = pocket_sync(&small);
    assert_true(result.refused_rows);
    assert_int_equal(result.rows, 0);
    assert_int_equal(result.acknowledged_ops, recorded + 1);
    pocket_drop(&small);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_book_is_on_a_fresh_handheld_after_one_sync),
        CASE(a_days_work_needs_one_exchange),
        CASE(enrol__a_lost_answer_is_asked_for_again_with_the_same_keys),
        CASE(enrol__b13_a_used_code_is_refused),
        CASE(enrol__a_portal_and_bad_codes_change_nothing),
        CASE(enrol__plain_http_goes_to_loopback_alone),
        CASE(what_was_cut_for_a_good_link__stays_as_it_is_on_a_bad_one),
        CASE(a_bad_link_from_the_start__grows_from_two_to_sixty_four_kilobytes),
        CASE(batches_end_where_the_boot_changes),
        CASE(acknowledged_batches__are_kept_for_the_backup_window),
        CASE(relay__another_handheld_carries_a_batch_and_only_its_signer_counts),
        CASE(recording__never_waits_for_a_transfer),
        CASE(disk_full__refuses_before_accepting_and_keeps_serving_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Finding, walking, progress, status and the log. */
#include "tests/support/pocket.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
    struct test_station s;
    struct pocket p;
};

/* Give each premises an address and a position, a hundred metres apart going north. */
static void place_premises(struct test_station *s)
{
    for (size_t i = 0; i < TEST_METERS; i++) {
        char building[16];
        struct ds_premises premises = {.number = {NULL, 0}};
        (void)snprintf(building, sizeof(building), "%zu号楼", i / 2 + 1);
        DS_SET(&premises, premises, estate, ds_slice_of_text("幸福小区"));
        DS_SET(&premises, premises, building, ds_slice_of_text(building));
        DS_SET(&premises, premises, lat_e7, 380000000 + (int64_t)i * 9000);
        DS_SET(&premises, premises, lon_e7, 1145000000);
        test_write(s, &s->import, DS_REC_premises, &s->premises[i], &premises);
    }
}

static int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    assert_non_null(pair);
    test_station_open(&pair->s);
    place_premises(&pair->s);
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

struct list {
    unsigned count;
    unsigned stop_at; /* 0: never. */
    char meter_no[16][32];
    int64_t far_m[16];
};

static bool add(void *context, const struct ds_handheld_place *place)
{
    struct list *list = context;
    assert_true(list->count < 16);
    (void)snprintf(list->meter_no[list->count], 32, "%s", place->meter_no);
    list->far_m[list->count++] = place->far_m;
    return list->count != list->stop_at;
}

static struct list search(struct pair *pair, int kind, const char *text)
{
    struct list list = {.count = 0};
    struct ds_handheld_query query = {.kind = kind, .text = text};
    assert_int_equal(ds_handheld_search(pair->p.h, &query, add, &list), 0);
    return list;
}

static struct list walk(struct pair *pair, unsigned stop_at)
{
    struct list list = {.stop_at = stop_at};
    struct ds_handheld_id book = pocket_id(&pair->s.book);
    assert_int_equal(ds_handheld_walk(pair->p.h, &book, add, &list), 0);
    return list;
}

static void walk__goes_in_walking_order_and_stops_when_told(void **state)
{
    struct pair *pair = *state;
    struct list list = walk(pair, 0);
    assert_int_equal(list.count, TEST_METERS);
    for (size_t i = 0; i < TEST_METERS; i++) {
        char number[8];
        (void)snprintf(number, sizeof(number), "A%03zu", i);
        assert_string_equal(list.meter_no[i], number);
    }
    assert_int_equal(walk(pair, 2).count, 2);
    /* The office turns the round about. */
    for (size_t i = 0; i < TEST_METERS; i++) {
        struct ds_meter meter = {.walk_order = 0};
        DS_SET(&meter, meter, walk_order, (int64_t)(TEST_METERS - i));
        test_write(&pair->s, &pair->s.import, DS_REC_meter, &pair->s.meter[i], &meter);
    }
    (void)pocket_sync(&pair->p);
    list = walk(pair, 0);
    assert_int_equal(list.count, TEST_METERS);
    assert_string_equal(list.meter_no[0], "A005");
}

static void walk__leaves_out_meters_that_were_removed(void **state)
{
    struct pair *pair = *state;
    struct ds_meter meter = {.walk_order = 0};
    DS_SET(&meter, meter, state, DS_METER_removed);
    test_write(&pair->s, &pair->s.import, DS_REC_meter, &pair->s.meter[0], &meter);
    (void)pocket_sync(&pair->p);
    assert_int_equal(walk(pair, 0).count, TEST_METERS - 1);
    assert_int_equal(search(pair, DS_HANDHELD_BY_METER_NO, "A000").count, 0);
}

static void search__by_meter_number_exact_then_beginning_then_inside(void **state)
{
    struct pair *pair = *state;
    struct list list = search(pair, DS_HANDHELD_BY_METER_NO, "A003");
    assert_int_equal(list.count, 1);
    assert_string_equal(list.meter_no[0], "A003");
    assert_int_equal(search(pair, DS_HANDHELD_BY_METER_NO, "A0").count, TEST_METERS);
    assert_int_equal(search(pair, DS_HANDHELD_BY_METER_NO, "05").count, 1);
    assert_int_equal(search(pair, DS_HANDHELD_BY_METER_NO, "B").count, 0);
    assert_int_equal(search(pair, DS_HANDHELD_BY_ACCOUNT_NO, "A001").count, 1);
}

static void search__by_address_finds_all_words_in_any_order(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(search(pair, DS_HANDHELD_BY_ADDRESS, "2号楼 幸福").count, 2);
    assert_int_equal(search(pair, DS_HANDHELD_BY_ADDRESS, "2号楼 A003").count, 1);
    assert_int_equal(search(pair, DS_HANDHELD_BY_ADDRESS, "2号楼 A001").count, 0);
    assert_int_equal(search(pair, DS_HANDHELD_BY_ADDRESS, "").count, 0);
    struct list any = search(pair, DS_HANDHELD_BY_ANY, "A003");
    assert_int_equal(any.count, 1);
}

static void search__by_nearness_is_nearest_first(void **state)
{
    struct pair *pair = *state;
    struct list list = {.count = 0};
    struct ds_handheld_query query = {.kind = DS_HANDHELD_BY_NEARNESS, .within_m = 250};
    query.near = (struct ds_handheld_position){true, false, 380000000 + 9000 * 3, 1145000000, 5};
    assert_int_equal(ds_handheld_search(pair->p.h, &query, add, &list), 0);
    assert_int_equal(list.count, 5);
    assert_string_equal(list.meter_no[0], "A003");
    assert_int_equal(list.far_m[0], 0);
    assert_in_range(list.far_m[1], 95, 105);
    assert_in_range(list.far_m[4], 190, 210);
    query.limit = 2;
    list.count = 0;
    assert_int_equal(ds_handheld_search(pair->p.h, &query, add, &list), 0);
    assert_int_equal(list.count, 2);
}

static void search__sees_an_edit_at_once_and_nothing_after_the_lock(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_edit one = {"building", "99号楼"};
    struct ds_handheld_edits edits = {.record = "premises", .edits = &one, .count = 1};
    edits.id = pocket_id(&pair->s.premises[0]);
    assert_int_equal(search(pair, DS_HANDHELD_BY_ADDRESS, "99号楼").count, 0);
    assert_int_equal(ds_handheld_record_edit(pair->p.h, &edits, NULL, NULL), 0);
    assert_int_equal(search(pair, DS_HANDHELD_BY_ADDRESS, "99号楼").count, 1);
    ds_handheld_lock(pair->p.h);
    struct list list = {.count = 0};
    struct ds_handheld_query query = {.text = "A003"};
    assert_int_equal(ds_handheld_search(pair->p.h, &query, add, &list), DS_E_LOCKED);
}

static void meter_by_number__tells_makers_apart(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_id id;
    struct ds_meter twin = {.walk_order = 0};
    assert_int_equal(ds_handheld_meter_by_number(pair->p.h, NULL, "A003", &id), 0);
    assert_memory_equal(id.byte, pair->s.meter[3].byte, sizeof(id.byte));
    struct ds_id other =
        ds_meter_id(&pair->s.station, ds_slice_of_text("OTHER"), ds_slice_of_text("A003"));
    DS_SET(&twin, meter, manufacturer, ds_slice_of_text("OTHER"));
    DS_SET(&twin, meter, meter_no, ds_slice_of_text("A003"));
    DS_SET(&twin, meter, book, pair->s.book);
    test_write(&pair->s, &pair->s.import, DS_REC_meter, &other, &twin);
    (void)pocket_sync(&pair->p);
    assert_int_equal(ds_handheld_meter_by_number(pair->p.h, NULL, "A003", &id), DS_E_CONFLICT);
    assert_int_equal(ds_handheld_meter_by_number(pair->p.h, "OTHER", "A003", &id), 0);
    assert_memory_equal(id.byte, other.byte, sizeof(id.byte));
    assert_int_equal(ds_handheld_meter_by_number(pair->p.h, NULL, "nobody", &id), DS_E_NOT_FOUND);
}

struct shelf {
    unsigned count;
    struct ds_handheld_book book;
    char number[32];
};

static bool keep_book(void *context, const struct ds_handheld_book *book)
{
    struct shelf *shelf = context;
    shelf->count++;
    shelf->book = *book;
    (void)snprintf(shelf->number, sizeof(shelf->number), "%s", book->number);
    return true;
}

static struct shelf books(struct pair *pair)
{
    struct shelf shelf = {.count = 0};
    assert_int_equal(ds_handheld_books(pair->p.h, keep_book, &shelf), 0);
    return shelf;
}

/* The next month was opened too early: the present one stays what is read. */
static void books__show_the_earliest_open_period(void **state)
{
    struct pair *pair = *state;
    struct ds_period row = {.presence = {0}};
    struct ds_id id = ds_period_id(&pair->s.station, &pair->s.book, TEST_PERIOD + 1);
    (void)pocket_read(&pair->p, 0, 50);
    DS_SET(&row, period, book, pair->s.book);
    DS_SET(&row, period, period, TEST_PERIOD + 1);
    DS_SET(&row, period, state, DS_PERIOD_open);
    test_write(&pair->s, &pair->s.import, DS_REC_period, &id, &row);
    (void)pocket_sync(&pair->p);
    assert_int_equal(books(pair).book.period, TEST_PERIOD);
    assert_int_equal(books(pair).book.progress.read, 1);
    id = ds_period_id(&pair->s.station, &pair->s.book, TEST_PERIOD);
    memset(&row, 0, sizeof(row));
    DS_SET(&row, period, state, DS_PERIOD_reading_closed);
    test_write(&pair->s, &pair->s.import, DS_REC_period, &id, &row);
    (void)pocket_sync(&pair->p);
    assert_int_equal(books(pair).book.period, TEST_PERIOD + 1);
    assert_int_equal(books(pair).book.progress.read, 0);
}

static void books__show_progress_with_pending_work(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_visit visit = {.outcome = DS_HANDHELD_NO_ACCESS};
    struct shelf shelf = books(pair);
    assert_int_equal(shelf.count, 1);
    assert_string_equal(shelf.number, "B1");
    assert_true(shelf.book.mine);
    assert_int_equal(shelf.book.period, TEST_PERIOD);
    assert_int_equal(shelf.book.progress.meters, TEST_METERS);
    assert_int_equal(shelf.book.progress.read, 0);
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_read(&pair->p, 1, 60);
    visit.meter = pocket_id(&pair->s.meter[2]);
    assert_int_equal(ds_handheld_record_visit(pair->p.h, &visit, NULL, NULL), 0);
    shelf = books(pair);
    assert_int_equal(shelf.book.progress.read, 2);
    assert_int_equal(shelf.book.progress.visited, 1);
    assert_int_equal(shelf.book.progress.pending, 3);
    (void)pocket_sync(&pair->p);
    shelf = books(pair);
    assert_int_equal(shelf.book.progress.read, 2);
    assert_int_equal(shelf.book.progress.visited, 1);
    assert_int_equal(shelf.book.progress.pending, 0);
    struct ds_handheld_id id;
    assert_int_equal(ds_handheld_book_by_number(pair->p.h, "B1", &id), 0);
    assert_memory_equal(id.byte, shelf.book.id.byte, sizeof(id.byte));
    assert_int_equal(ds_handheld_book_by_number(pair->p.h, "B9", &id), DS_E_NOT_FOUND);
}

struct entries {
    unsigned count;
    unsigned pending;
    unsigned sealed;
    unsigned acknowledged;
    char last[512];
    char last_zh[512];
};

static bool add_entry(void *context, const struct ds_handheld_log_entry *entry)
{
    struct entries *entries = context;
    entries->count++;
    entries->pending += entry->state == DS_HANDHELD_PENDING;
    entries->sealed += entry->state == DS_HANDHELD_SEALED;
    entries->acknowledged += entry->state == DS_HANDHELD_ACKNOWLEDGED;
    (void)snprintf(entries->last, sizeof(entries->last), "%s", entry->sentence);
    (void)snprintf(entries->last_zh, sizeof(entries->last_zh), "%s", entry->sentence_zh);
    return true;
}

static struct entries log_of(struct pair *pair, bool unsent_only)
{
    struct entries entries = {.count = 0};
    assert_int_equal(ds_handheld_log(pair->p.h, unsent_only, add_entry, &entries), 0);
    return entries;
}

static void log__tells_each_op_from_pending_to_acknowledged(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_read(&pair->p, 4, 50);
    struct entries entries = log_of(pair, true);
    assert_int_equal(entries.count, 1);
    assert_int_equal(entries.pending, 1);
    assert_string_equal(entries.last, "reading of meter A004, 202601: kept here, not sent yet");
    assert_string_equal(entries.last_zh, "抄表记录 表 A004，202601：已存本机，待发送");
    pocket_fail(&pair->p, POCKET_NO_NETWORK, 1);
    assert_int_equal(ds_handheld_sync(pair->p.h, &result, NULL), DS_E_UNREACHABLE);
    assert_int_equal(log_of(pair, true).sealed, 1);
    (void)pocket_sync(&pair->p);
    assert_int_equal(log_of(pair, true).count, 0);
    entries = log_of(pair, false);
    assert_int_equal(entries.acknowledged, entries.count);
    assert_non_null(strstr(entries.last, "reading of meter A004, 202601: received, position "));
}

static void status__groups_the_digits_of_its_receipt(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_true(status.enrolled && !status.locked);
    assert_int_equal(status.contact_ms, pair->p.now_ms);
    assert_int_equal(status.receipt_ms, pair->s.now_ms);
    assert_non_null(strstr(status.receipt, "1 of 1 received, position "));
    (void)pocket_read(&pair->p, 0, 50);
    pair->p.now_ms += 5000;
    status = pocket_status(&pair->p);
    assert_int_equal(status.oldest_unsent_ms, pair->p.now_ms - 5000);
    assert_non_null(strstr(status.receipt, "1 of 2 received"));
}

static void words__go_both_ways(void **state)
{
    (void)state;
    assert_string_equal(ds_handheld_word("method", DS_HANDHELD_ON_SITE), "on_site");
    assert_string_equal(ds_handheld_word_zh("visit_outcome", DS_HANDHELD_DOG), "有犬");
    assert_int_equal(ds_handheld_word_number("condition", "not_seen"), 2);
    assert_int_equal(ds_handheld_word_number("condition", "no such word"), 0);
    assert_null(ds_handheld_word("no such list", 1));
    assert_null(ds_handheld_word("method", 99));
    struct ds_handheld_id id;
    char text[33];
    assert_int_equal(ds_handheld_id_parse("00112233445566778899aabbccddeeff", &id), 0);
    ds_handheld_id_print(&id, text);
    assert_string_equal(text, "00112233445566778899aabbccddeeff");
    assert_int_not_equal(ds_handheld_id_parse("0011", &id), 0);
    assert_string_equal(ds_handheld_error_name(DS_E_FULL), "DS_ERR_FULL");
    assert_true(strlen(ds_handheld_error_text(DS_E_FULL)) > 0);
}

/* ---- Threads. ---- */

static void *record_many(void *context)
{
    struct pocket *p = context;
    for (int64_t i = 0; i < 50; i++) {
        (void)pocket_read(p, (size_t)i % TEST_METERS, 1000 + i);
    }
    return NULL;
}

static void *look_many(void *context)
{
    struct pocket *p = context;
    for (int i = 0; i < 20; i++) {
        struct shelf shelf = {.count = 0};
        assert_int_equal(ds_handheld_books(p->h, keep_book, &shelf), 0);
        assert_int_equal(shelf.count, 1);
    }
    return NULL;
}

static void *sync_many(void *context)
{
    for (int i = 0; i < 5; i++) {
        (void)pocket_sync(context);
    }
    return NULL;
}

static void threads__may_share_a_handle(void **state)
{
    struct pair *pair = *state;
    pthread_t threads[4];
    void *(*const work[4])(void *) = {record_many, look_many, record_many, sync_many};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work[i], &pair->p), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(log_of(pair, false).count, 101);
    (void)pocket_sync(&pair->p);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(walk__goes_in_walking_order_and_stops_when_told),
        CASE(walk__leaves_out_meters_that_were_removed),
        CASE(search__by_meter_number_exact_then_beginning_then_inside),
        CASE(search__by_address_finds_all_words_in_any_order),
        CASE(search__by_nearness_is_nearest_first),
        CASE(search__sees_an_edit_at_once_and_nothing_after_the_lock),
        CASE(meter_by_number__tells_makers_apart),
        CASE(books__show_progress_with_pending_work),
        CASE(books__show_the_earliest_open_period),
        CASE(log__tells_each_op_from_pending_to_acknowledged),
        CASE(status__groups_the_digits_of_its_receipt),
        CASE(words__go_both_ways),
        CASE(threads__may_share_a_handle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Columns end to end, where handheld and server do not know the same: the way back is plain
 * msgpack, one more round trip, and nothing is lost, doubled or taken for something else. */
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
    pair.p.columns = true;
    pocket_reopen(&pair.p, false);
    (void)pocket_sync(&pair.p);
    (void)pocket_sync(&pair.p);
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

/* Sync; how many requests did it take? */
static unsigned requests(struct pair *pair)
{
    unsigned before = pair->p.posts;
    pair->p.first = 0;
    (void)pocket_sync(&pair->p);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
    assert_string_equal(pocket_status(&pair->p).problem, "");
    assert_int_equal(pocket_status(&pair->p).refetches, 0);
    assert_true(pocket_converged(&pair->p));
    return pair->p.posts - before;
}

static int64_t index_of(struct pair *pair, size_t meter)
{
    struct ds_slot slot;
    test_slot(&pair->s, meter, TEST_PERIOD, &slot);
    assert_int_equal(slot.candidates, 1);
    int64_t index = slot.index;
    test_forget(&pair->s);
    return index;
}

static void columns__idle_and_a_reading_need_one_small_request_each(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(requests(pair), 1);
    assert_in_range(pair->p.first, 40, 90);
    (void)pocket_read(&pair->p, 0, 50);
    assert_int_equal(requests(pair), 1);
    assert_in_range(pair->p.first, 100, 190);
    assert_int_equal(index_of(pair, 0), 50);
    assert_int_equal(requests(pair), 1);
}

static void columns__a_walk_that_changed_in_between_is_said_again_plainly(void **state)
{
    struct pair *pair = *state;
    for (size_t i = 0; i < 2; i++) { /* The first two change places. */
        struct ds_meter meter = {.walk_order = 0};
        DS_SET(&meter, meter, walk_order, 2 - (int64_t)i);
        (void)test_write(&pair->s, &pair->s.import, DS_REC_meter, &pair->s.meter[i], &meter);
    }
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_read(&pair->p, 1, 60);
    assert_int_equal(requests(pair), 2);
    assert_int_equal(index_of(pair, 0), 50);
    assert_int_equal(index_of(pair, 1), 60);
    (void)pocket_read(&pair->p, 2, 70);
    assert_int_equal(requests(pair), 1); /* And in columns again. */
    assert_in_range(pair->p.first, 100, 190);
}

static void columns__a_history_that_changed_in_between_is_told_again_plainly(void **state)
{
    struct pair *pair = *state;
    static struct test_device other;
    test_device_enrol(&pair->s, &pair->s.other_reader, 7, &other);
    (void)test_reading(&pair->s, &other, 0, 33, TEST_PERIOD - 1 - 100 + 12); /* December. */
    (void)pocket_read(&pair->p, 0, 50);
    assert_int_equal(requests(pair), 2);
    assert_int_equal(index_of(pair, 0), 50);
    (void)pocket_read(&pair->p, 1, 60);
    assert_int_equal(requests(pair), 1);
}

static void columns__scopes_that_changed_in_between_are_listed_first(void **state)
{
    struct pair *pair = *state;
    struct ds_book book = {.name = {NULL, 0}};
    DS_SET(&book, book, assignee, pair->s.reader);
    (void)test_write(&pair->s, &pair->s.import, DS_REC_book, &pair->s.other_book, &book);
    (void)pocket_read(&pair->p, 0, 50);
    (void)requests(pair);
    assert_int_equal(index_of(pair, 0), 50);
    assert_int_equal(requests(pair), 1);
}

static void columns__a_lost_answer_is_asked_for_again_and_known(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_read(&pair->p, 0, 50);
    pocket_fail(&pair->p, POCKET_ANSWER_LOST, 1);
    assert_int_not_equal(ds_handheld_sync(pair->p.h, &result, NULL), 0);
    (void)pocket_read(&pair->p, 1, 60);
    (void)requests(pair);
    assert_int_equal(index_of(pair, 0), 50);
    assert_int_equal(index_of(pair, 1), 60);
}

static void columns__a_bent_answer_is_not_ours(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    (void)pocket_read(&pair->p, 0, 50);
    pocket_fail(&pair->p, POCKET_FLIPPED, 1);
    assert_int_equal(ds_handheld_sync(pair->p.h, &result, NULL), DS_E_NOT_OURS);
    assert_int_equal(pocket_status(&pair->p).unsent, 1);
    (void)requests(pair);
    assert_int_equal(index_of(pair, 0), 50);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(columns__idle_and_a_reading_need_one_small_request_each),
        CASE(columns__a_walk_that_changed_in_between_is_said_again_plainly),
        CASE(columns__a_history_that_changed_in_between_is_told_again_plainly),
        CASE(columns__scopes_that_changed_in_between_are_listed_first),
        CASE(columns__a_lost_answer_is_asked_for_again_and_known),
        CASE(columns__a_bent_answer_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

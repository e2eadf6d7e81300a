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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_book_is_on_a_fresh_handheld_after_one_sync, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_days_work_needs_one_exchange, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

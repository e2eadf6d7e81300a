/* The handheld as a witness, against real servers whose history is not the one that it knows.
 *
 * A fork here is what an insider with every key of the server could make: a sound journal of its
 * own, sealed and signed anew by the real shard. Only what the handheld remembers tells them
 * apart. */
#include "handheld-sdk/src/witness.h"
#include "tests/support/pocket.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 24 * 60 * 60 * 1000 };

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

static int try_sync(struct pair *pair)
{
    struct ds_handheld_sync_result result;
    struct ds_handheld_detail detail;
    return ds_handheld_sync(pair->p.h, &result, &detail);
}

static void write_something(struct pair *pair, const char *text)
{
    struct ds_premises premises = {.number = {NULL, 0}};
    DS_SET(&premises, premises, district, ds_slice_of_text(text));
    test_write(&pair->s, &pair->s.import, DS_REC_premises, &pair->s.premises[0], &premises);
}

/* The server goes on from an earlier state as if nothing had been lost, until it has so many
 * entries. */
static void fork_until(struct pair *pair, struct ds_store *earlier, uint64_t size)
{
    struct test_station *s = &pair->s;
    test_station_swap(s, earlier);
    assert_int_equal(ds_actor_open(&s->shard, "import", DS_ACTOR_import, NULL, &s->import, NULL),
                     DS_OK);
    for (unsigned i = 0; s->shard.meta.size < size; i++) {
        char text[16] = {'x', (char)('a' + i % 26), (char)('a' + i / 26), '\0'};
        write_something(pair, text);
    }
}

/* It refuses, keeps what it has, says so, also after being switched off; and it goes on to work
 * and to hand in. */
static void must_refuse(struct pair *pair, int error, int history)
{
    struct ds_handheld_status before = pocket_status(&pair->p);
    (void)pocket_read(&pair->p, 5, 900 + (int64_t)before.recorded);
    assert_int_equal(try_sync(pair), error);
    pocket_reopen(&pair->p, false);
    struct ds_handheld_status after = pocket_status(&pair->p);
    assert_true(after.history_doubted);
    assert_int_equal(after.history, history);
    assert_int_equal(after.doubts, before.doubts + 1);
    assert_int_equal(after.doubt_size, before.head_size);
    assert_int_equal(after.unsent, before.unsent + 1);
    assert_int_equal(after.received, before.received);
    assert_int_equal(after.head_size, before.head_size);
    assert_memory_equal(after.head_root, before.head_root, sizeof(after.head_root));
    assert_int_equal(after.epoch, before.epoch);
    assert_int_equal(after.doubt_ms, pair->p.now_ms);
    assert_true(after.problem[0] != '\0');
}

static void must_be_sound(struct pair *pair)
{
    (void)pocket_sync(&pair->p);
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_false(status.history_doubted);
    assert_int_equal(status.unsent, 0);
    assert_string_equal(status.problem, "");
    assert_true(pocket_converged(&pair->p));
}

static void history__is_proved_once_a_day_and_when_asked(void **state)
{
    struct pair *pair = *state;
    uint64_t first = pocket_status(&pair->p).proved_size;
    assert_true(first > 0);
    (void)pocket_read(&pair->p, 0, 50);
    pair->p.now_ms += DAY_MS - 1;
    (void)pocket_sync(&pair->p);
    assert_int_equal(pocket_status(&pair->p).proved_size, first);
    assert_true(pocket_status(&pair->p).head_size > first);
    pair->p.now_ms += 1;
    (void)pocket_sync(&pair->p);
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_int_equal(status.proved_size, status.head_size);
    assert_int_equal(status.proved_ms, pair->p.now_ms);
    (void)pocket_read(&pair->p, 1, 60);
    (void)pocket_sync(&pair->p);
    assert_true(pocket_status(&pair->p).proved_size < pocket_status(&pair->p).head_size);
    assert_int_equal(ds_handheld_prove(pair->p.h), 0);
    pocket_reopen(&pair->p, false); /* The wish outlives the process. */
    (void)pocket_sync(&pair->p);
    status = pocket_status(&pair->p);
    assert_int_equal(status.proved_size, status.head_size);
    assert_int_equal(status.doubts, 0);
}

/* Work that was acknowledged often within a day: no head under which that was is forgotten. */
static void history__many_heads_of_a_day_are_all_proved(void **state)
{
    struct pair *pair = *state;
    uint64_t first = pocket_status(&pair->p).proved_size;
    uint64_t proofs = 0;
    uint64_t last = first;
    for (int64_t i = 0; i < 40; i++) {
        (void)pocket_read(&pair->p, (size_t)i % TEST_METERS, 100 + i);
        (void)pocket_sync(&pair->p);
        struct ds_handheld_status status = pocket_status(&pair->p);
        assert_true(pair->p.h->witness.owed_count < DS_OWED_MAX);
        proofs += status.proved_size != last;
        last = status.proved_size;
    }
    assert_true(proofs >= 6 && proofs <= 8);
    assert_true(pair->p.h->witness.older_count >= 6);
    must_be_sound(pair);
}

static void rewritten_history__is_found_by_the_daily_proof(void **state)
{
    struct pair *pair = *state;
    struct ds_store *earlier = copy_of(pair->s.store);
    write_something(pair, "truth");
    assert_int_equal(ds_handheld_prove(pair->p.h), 0);
    (void)pocket_sync(&pair->p); /* A head behind the fork is proved. */
    struct ds_store *truth = copy_of(pair->s.store);
    uint64_t size = pair->s.shard.meta.size;
    fork_until(pair, earlier, size + 3);
    pair->p.now_ms += DAY_MS;
    must_refuse(pair, DS_E_INTEGRITY, DS_HANDHELD_NO_PROOF);
    must_refuse(pair, DS_E_INTEGRITY, DS_HANDHELD_NO_PROOF);
    /* What it recorded was handed in all the same. */
    struct ds_slot slot;
    test_slot(&pair->s, 5, TEST_PERIOD, &slot);
    assert_int_equal(slot.candidates, 2);
    test_station_swap(&pair->s, truth);
    must_be_sound(pair);
    test_slot(&pair->s, 5, TEST_PERIOD, &slot);
    assert_int_equal(slot.candidates, 2);
    assert_int_equal(pocket_status(&pair->p).doubts, 2); /* The report stays. */
    assert_int_equal(pocket_status(&pair->p).history, DS_HANDHELD_NO_PROOF);
}

static void rewritten_history__is_found_at_once_where_acknowledged_work_is_gone(void **state)
{
    struct pair *pair = *state;
    struct ds_store *earlier = copy_of(pair->s.store);
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_sync(&pair->p);
    struct ds_store *truth = copy_of(pair->s.store);
    fork_until(pair, earlier, pair->s.shard.meta.size + 2);
    struct ds_handheld_status before = pocket_status(&pair->p);
    assert_int_equal(try_sync(pair), DS_E_INTEGRITY);
    struct ds_handheld_status after = pocket_status(&pair->p);
    assert_int_equal(after.history, DS_HANDHELD_LOST);
    assert_int_equal(after.head_size, before.head_size);
    assert_int_equal(after.received, before.received);
    must_refuse(pair, DS_E_INTEGRITY, DS_HANDHELD_NO_PROOF); /* Now it asks each time. */
    test_station_swap(&pair->s, truth);
    must_be_sound(pair);
}

static void split_history__two_roots_of_one_size_are_refused(void **state)
{
    struct pair *pair = *state;
    struct ds_store *earlier = copy_of(pair->s.store);
    write_something(pair, "truth");
    (void)pocket_sync(&pair->p);
    struct ds_store *truth = copy_of(pair->s.store);
    fork_until(pair, earlier, pair->s.shard.meta.size);
    /* Without work of its own: that would make the other journal longer. */
    assert_int_equal(try_sync(pair), DS_E_INTEGRITY);
    assert_int_equal(pocket_status(&pair->p).history, DS_HANDHELD_OTHER_ROOT);
    test_station_swap(&pair->s, truth);
    must_be_sound(pair);
}

/* Only an administrator's epoch is a lawful fork, and only from what it names. */
static void rewritten_history__is_no_better_for_an_epoch_that_keeps_the_rewritten_part(void **state)
{
    struct pair *pair = *state;
    struct ds_store *earlier = copy_of(pair->s.store);
    struct ds_store *kept = copy_of(pair->s.store);
    write_something(pair, "truth");
    (void)pocket_sync(&pair->p);
    assert_int_equal(ds_handheld_prove(pair->p.h), 0);
    (void)pocket_sync(&pair->p);
    fork_until(pair, earlier, pair->s.shard.meta.size + 2);
    test_station_declare(&pair->s, 0);
    (void)pocket_read(&pair->p, 1, 60);
    /* The epoch itself is signed and taken; that what it kept extends the known head is not so. */
    assert_int_equal(try_sync(pair), DS_E_INTEGRITY);
    assert_true(pocket_status(&pair->p).history_doubted);
    assert_int_equal(pocket_status(&pair->p).history, DS_HANDHELD_NO_PROOF);
    assert_int_equal(try_sync(pair), DS_E_INTEGRITY);
    /* What helps is a later epoch that keeps no more than what was true. */
    test_station_swap(&pair->s, kept);
    assert_int_equal(try_sync(pair), DS_E_BUSY); /* It is behind a head of the second epoch. */
    test_station_declare(&pair->s, 2);
    must_be_sound(pair);
    struct ds_slot slot;
    test_slot(&pair->s, 1, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 60);
}

static void restored_server__is_lawful_from_the_head_before_the_fork(void **state)
{
    struct pair *pair = *state;
    struct ds_store *earlier = copy_of(pair->s.store);
    (void)pocket_read(&pair->p, 0, 50);
    (void)pocket_sync(&pair->p);
    (void)pocket_read(&pair->p, 1, 60);
    test_station_swap(&pair->s, earlier);
    test_station_declare(&pair->s, 0);
    must_be_sound(pair);
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_int_equal(status.epoch, 2);
    assert_int_equal(status.doubts, 0);
    /* That the new journal extends what was kept has been shown already. */
    assert_true(status.proved_size > pair->s.shard.meta.kept_size);
    struct ds_slot slot;
    test_slot(&pair->s, 0, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 50);
}

/* Several restores, with and without proofs between them. */
static void restored_server__time_and_again_is_lawful(void **state)
{
    struct pair *pair = *state;
    struct ds_store *first = copy_of(pair->s.store);
    for (int64_t i = 0; i < 9; i++) {
        (void)pocket_read(&pair->p, (size_t)i % TEST_METERS, 200 + i);
        (void)pocket_sync(&pair->p);
        struct ds_store *later = copy_of(pair->s.store);
        if (i % 3 == 1) {
            pair->p.now_ms += DAY_MS;
        }
        (void)pocket_read(&pair->p, (size_t)(i + 1) % TEST_METERS, 300 + i);
        (void)pocket_sync(&pair->p);
        test_station_swap(&pair->s, later);
        test_station_declare(&pair->s, 0);
        if (i % 2 == 0) { /* A second restore before the handheld comes. */
            later = copy_of(pair->s.store);
            test_station_swap(&pair->s, later);
            test_station_declare(&pair->s, 0);
        }
        must_be_sound(pair);
    }
    assert_int_equal(pocket_status(&pair->p).doubts, 0);
    ds_store_close(first);
}

static void locked_vault__checks_history_too(void **state)
{
    struct pair *pair = *state;
    struct ds_store *earlier = copy_of(pair->s.store);
    write_something(pair, "truth");
    assert_int_equal(ds_handheld_prove(pair->p.h), 0);
    (void)pocket_sync(&pair->p);
    fork_until(pair, earlier, pair->s.shard.meta.size + 3);
    (void)pocket_read(&pair->p, 0, 50);
    ds_handheld_lock(pair->p.h);
    assert_int_equal(ds_handheld_prove(pair->p.h), 0);
    struct ds_handheld_sync_result result;
    assert_int_equal(ds_handheld_deliver_locked(pair->p.h, &result, NULL), DS_E_INTEGRITY);
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_int_equal(status.history, DS_HANDHELD_NO_PROOF);
    assert_int_equal(status.unsent, 1); /* The sealed copy is kept. */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(history__is_proved_once_a_day_and_when_asked),
        CASE(history__many_heads_of_a_day_are_all_proved),
        CASE(rewritten_history__is_found_by_the_daily_proof),
        CASE(rewritten_history__is_found_at_once_where_acknowledged_work_is_gone),
        CASE(split_history__two_roots_of_one_size_are_refused),
        CASE(rewritten_history__is_no_better_for_an_epoch_that_keeps_the_rewritten_part),
        CASE(restored_server__is_lawful_from_the_head_before_the_fork),
        CASE(restored_server__time_and_again_is_lawful),
        CASE(locked_vault__checks_history_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

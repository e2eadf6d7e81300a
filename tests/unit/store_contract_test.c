/* One contract, two implementations: every case here runs on the memory store and on LMDB. */
#include "tests/support/store_fixture.h"

#include <string.h>

static int setup_memory(void **state)
{
    *state = fixture_make(false, 0);
    return 0;
}

static int setup_lmdb(void **state)
{
    *state = fixture_make(true, 0);
    return 0;
}

/* With room for little. */
#define SMALL_BYTES DS_STORE_QUOTA_MIN

static int setup_memory_small(void **state)
{
    *state = fixture_make(false, SMALL_BYTES);
    return 0;
}

static int setup_lmdb_small(void **state)
{
    *state = fixture_make(true, SMALL_BYTES);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* ---- One pair ------------------------------------------------------------------------------- */

static void get__an_absent_key_is_not_found(void **state)
{
    struct ds_txn *txn = fixture_begin(*state, false);
    must_lack(txn, 0, LIT("a"));
    must_lack(txn, DS_TABLES_MAX - 1, LIT("a"));
    ds_txn_abort(txn);
}

static void put__what_was_put_is_there_now_after_commit_and_after_opening_again(void **state)
{
    struct fixture *fixture = *state;
    struct ds_txn *txn = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_put(txn, 5, LIT("key"), LIT("value")), DS_OK);
    assert_int_equal(ds_txn_put(txn, 5, LIT("empty"), (struct ds_slice){NULL, 0}), DS_OK);
    must_hold(txn, 5, LIT("key"), LIT("value"));
    must_hold(txn, 5, LIT("empty"), LIT(""));
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    for (int round = 0; round < 2; round++) {
        txn = fixture_begin(fixture, round == 0);
        must_hold(txn, 5, LIT("key"), LIT("value"));
        must_hold(txn, 5, LIT("empty"), LIT(""));
        ds_txn_abort(txn);
        fixture_reopen(fixture);
    }
}

static void put__replaces_with_a_shorter_and_a_longer_value(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {10, 3, 2000, 0, 9000, 100, 9000};
    static uint8_t bytes[9000];
    for (size_t i = 0; i < DS_COUNT(sizes); i++) {
        memset(bytes, (int)i + 1, sizeof bytes);
        fixture_put(fixture, 1, LIT("k"), (struct ds_slice){bytes, sizes[i]});
        struct ds_txn *txn = fixture_begin(fixture, false);
        must_hold(txn, 1, LIT("k"), (struct ds_slice){bytes, sizes[i]});
        ds_txn_abort(txn);
    }
}

static void del__removes_and_an_absent_key_is_no_error(void **state)
{
    struct fixture *fixture = *state;
    fixture_put(fixture, 2, LIT("a"), LIT("1"));
    fixture_put(fixture, 2, LIT("b"), LIT("2"));
    struct ds_txn *txn = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_del(txn, 2, LIT("a")), DS_OK);
    assert_int_equal(ds_txn_del(txn, 2, LIT("a")), DS_OK);
    assert_int_equal(ds_txn_del(txn, 2, LIT("never")), DS_OK);
    assert_int_equal(ds_txn_del(txn, 3, LIT("b")), DS_OK);
    must_lack(txn, 2, LIT("a"));
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    txn = fixture_begin(fixture, false);
    must_lack(txn, 2, LIT("a"));
    must_hold(txn, 2, LIT("b"), LIT("2"));
    ds_txn_abort(txn);
}

static void tables__are_apart(void **state)
{
    struct fixture *fixture = *state;
    struct ds_txn *txn = fixture_begin(fixture, true);
    for (uint8_t table = 0; table < DS_TABLES_MAX; table++) {
        assert_int_equal(ds_txn_put(txn, table, LIT("same"), DS_SLICE_OF(table)), DS_OK);
    }
    assert_int_equal(ds_txn_del(txn, 7, LIT("same")), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    fixture_reopen(fixture);
    txn = fixture_begin(fixture, false);
    for (uint8_t table = 0; table < DS_TABLES_MAX; table++) {
        if (table == 7) {
            must_lack(txn, table, LIT("same"));
        } else {
            must_hold(txn, table, LIT("same"), DS_SLICE_OF(table));
        }
    }
    ds_txn_abort(txn);
}

/* ---- Limits, on both sides ------------------------------------------------------------------ */

static void limits__a_key_has_1_to_255_bytes(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[DS_KEY_SIZE_MAX + 2];
    struct ds_slice value;
    memset(bytes, 0xff, sizeof bytes);
    struct ds_slice most = {bytes, DS_KEY_SIZE_MAX};
    struct ds_slice over = {bytes, DS_KEY_SIZE_MAX + 1};
    struct ds_slice none = {bytes, 0};
    struct ds_txn *txn = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_put(txn, 0, (struct ds_slice){bytes, 1}, LIT("1")), DS_OK);
    assert_int_equal(ds_txn_put(txn, 0, most, LIT("255")), DS_OK);
    assert_int_equal(ds_txn_put(txn, 0, over, LIT("256")), DS_ERR_LIMIT);
    assert_int_equal(ds_txn_put(txn, 0, none, LIT("0")), DS_ERR_USAGE);
    assert_int_equal(ds_txn_get(txn, 0, over, &value), DS_ERR_LIMIT);
    assert_int_equal(ds_txn_get(txn, 0, none, &value), DS_ERR_USAGE);
    assert_int_equal(ds_txn_del(txn, 0, over), DS_ERR_LIMIT);
    assert_int_equal(ds_txn_del(txn, 0, none), DS_ERR_USAGE);
    /* A refused call spoils nothing. */
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    txn = fixture_begin(fixture, false);
    must_hold(txn, 0, most, LIT("255"));
    must_hold(txn, 0, (struct ds_slice){bytes, 1}, LIT("1"));
    ds_txn_abort(txn);
}

static void limits__a_seek_takes_0_to_256_bytes(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[DS_KEY_SIZE_MAX + 2];
    struct ds_slice key;
    struct ds_slice value;
    memset(bytes, 0xff, sizeof bytes);
    struct ds_slice most = {bytes, DS_KEY_SIZE_MAX};
    fixture_put(fixture, 0, most, LIT("x"));
    bytes[DS_KEY_SIZE_MAX] = 0;
    struct ds_txn *txn = fixture_begin(fixture, false);
    static const struct {
        size_t size;
        enum ds_err after;
        enum ds_err before;
    } rows[] = {
        {0, DS_OK, DS_ERR_NOT_FOUND},
        {1, DS_OK, DS_ERR_NOT_FOUND},
        {DS_KEY_SIZE_MAX, DS_OK, DS_OK},
        {DS_KEY_SIZE_MAX + 1, DS_ERR_NOT_FOUND, DS_OK},
        {DS_KEY_SIZE_MAX + 2, DS_ERR_LIMIT, DS_ERR_LIMIT},
    };
    for (size_t i = 0; i < DS_COUNT(rows); i++) {
        struct ds_slice from = {bytes, rows[i].size};
        assert_int_equal(ds_txn_at_or_after(txn, 0, from, &key, &value), rows[i].after);
        assert_true(rows[i].after != DS_OK || ds_slice_equal(key, most));
        assert_int_equal(ds_txn_at_or_before(txn, 0, from, &key, &value), rows[i].before);
        assert_true(rows[i].before != DS_OK || ds_slice_equal(key, most));
    }
    ds_txn_abort(txn);
}

static void limits__a_value_has_up_to_8_mib(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *bytes = calloc(1, DS_VALUE_SIZE_MAX + 1);
    assert_non_null(bytes);
    bytes[0] = 1;
    bytes[DS_VALUE_SIZE_MAX - 1] = 2;
    struct ds_slice most = {bytes, DS_VALUE_SIZE_MAX};
    struct ds_slice over = {bytes, DS_VALUE_SIZE_MAX + 1};
    struct ds_txn *txn = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_put(txn, 0, LIT("over"), over), DS_ERR_LIMIT);
    assert_int_equal(ds_txn_put(txn, 0, LIT("most"), most), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    fixture_reopen(fixture);
    txn = fixture_begin(fixture, false);
    must_hold(txn, 0, LIT("most"), most);
    must_lack(txn, 0, LIT("over"));
    ds_txn_abort(txn);
    free(bytes);
}

/* ---- Order ---------------------------------------------------------------------------------- */

static void seek__finds_neighbours_in_bytewise_order(void **state)
{
    struct fixture *fixture = *state;
    static const char *const keys[] = {"b", "bb", "bbb", "d", "\xff"};
    struct ds_txn *txn = fixture_begin(fixture, true);
    for (size_t i = DS_COUNT(keys); i-- > 0;) {
        struct ds_slice key = ds_slice_of_text(keys[i]);
        assert_int_equal(ds_txn_put(txn, 9, key, key), DS_OK);
    }
    static const struct {
        const char *from;
        const char *after; /* NULL: none. */
        const char *before;
    } rows[] = {
        {"", "b", NULL},
        {"a", "b", NULL},
        {"b", "b", "b"},
        {"ba", "bb", "b"},
        {"bb", "bb", "bb"},
        {"bbbb", "d", "bbb"},
        {"c", "d", "bbb"},
        {"d", "d", "d"},
        {"dd", "\xff", "d"},
        {"\xff", "\xff", "\xff"},
        {"\xff\xff", NULL, "\xff"},
    };
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < DS_COUNT(rows); i++) {
            struct ds_slice from = ds_slice_of_text(rows[i].from);
            struct ds_slice key;
            struct ds_slice value;
            enum ds_err err = ds_txn_at_or_after(txn, 9, from, &key, &value);
            assert_int_equal(err, rows[i].after == NULL ? DS_ERR_NOT_FOUND : DS_OK);
            assert_true(ds_slice_equal(key, ds_slice_of_text(rows[i].after)));
            assert_true(ds_slice_equal(value, key));
            err = ds_txn_at_or_before(txn, 9, from, &key, &value);
            assert_int_equal(err, rows[i].before == NULL ? DS_ERR_NOT_FOUND : DS_OK);
            assert_true(ds_slice_equal(key, ds_slice_of_text(rows[i].before)));
        }
        assert_int_equal(ds_txn_commit(txn), DS_OK);
        txn = fixture_begin(fixture, false);
    }
    ds_txn_abort(txn);
}

static void seek__an_empty_table_has_no_neighbours(void **state)
{
    struct ds_slice key;
    struct ds_slice value;
    fixture_put(*state, 3, LIT("other table"), LIT("x"));
    struct ds_txn *txn = fixture_begin(*state, true);
    assert_int_equal(ds_txn_at_or_after(txn, 4, LIT(""), &key, &value), DS_ERR_NOT_FOUND);
    assert_int_equal(ds_txn_at_or_after(txn, 4, LIT("a"), &key, &value), DS_ERR_NOT_FOUND);
    assert_int_equal(ds_txn_at_or_before(txn, 4, LIT("z"), &key, &value), DS_ERR_NOT_FOUND);
    ds_txn_abort(txn);
}

/* "To walk on: append a zero byte to the found key." */
static uint64_t walk_count(struct ds_txn *txn, uint8_t table)
{
    uint8_t from[DS_KEY_SIZE_MAX + 1];
    size_t size = 0;
    uint64_t count = 0;
    struct ds_slice key;
    struct ds_slice value;
    while (ds_txn_at_or_after(txn, table, (struct ds_slice){from, size}, &key, &value) == DS_OK) {
        memcpy(from, key.data, key.size);
        from[key.size] = 0;
        size = key.size + 1;
        count++;
    }
    return count;
}

static void seek__a_walk_that_deletes_behind_itself_sees_every_key(void **state)
{
    struct fixture *fixture = *state;
    struct ds_txn *txn = fixture_begin(fixture, true);
    for (uint16_t i = 0; i < 3000; i++) {
        uint8_t key[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        assert_int_equal(ds_txn_put(txn, 0, DS_SLICE_OF(key), LIT("some value")), DS_OK);
    }
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    txn = fixture_begin(fixture, true);
    assert_int_equal(walk_count(txn, 0), 3000);
    for (uint16_t i = 0; i < 3000; i++) {
        struct ds_slice key;
        struct ds_slice value;
        uint8_t copy[2];
        assert_int_equal(ds_txn_at_or_after(txn, 0, LIT(""), &key, &value), DS_OK);
        assert_int_equal(key.size, 2);
        memcpy(copy, key.data, 2);
        assert_int_equal(copy[0] * 256 + copy[1], i);
        assert_int_equal(ds_txn_del(txn, 0, DS_SLICE_OF(copy)), DS_OK);
    }
    assert_int_equal(walk_count(txn, 0), 0);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
}

/* ---- Transactions --------------------------------------------------------------------------- */

static void abort__takes_back_every_kind_of_change(void **state)
{
    struct fixture *fixture = *state;
    fixture_put(fixture, 0, LIT("kept"), LIT("1"));
    fixture_put(fixture, 0, LIT("changed"), LIT("2"));
    fixture_put(fixture, 0, LIT("deleted"), LIT("3"));
    struct ds_store_room before;
    assert_int_equal(ds_store_room(fixture->store, &before), DS_OK);
    struct ds_txn *txn = fixture_begin(fixture, true);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(ds_txn_put(txn, 0, LIT("new"), LIT("n")), DS_OK);
        assert_int_equal(ds_txn_put(txn, 0, LIT("new"), LIT("longer")), DS_OK);
        assert_int_equal(ds_txn_del(txn, 0, LIT("new")), DS_OK);
        assert_int_equal(ds_txn_put(txn, 0, LIT("changed"), LIT("twice changed")), DS_OK);
        assert_int_equal(ds_txn_del(txn, 0, LIT("deleted")), DS_OK);
        assert_int_equal(ds_txn_put(txn, 0, LIT("deleted"), LIT("back")), DS_OK);
        assert_int_equal(ds_txn_del(txn, 0, LIT("deleted")), DS_OK);
        assert_int_equal(ds_txn_del(txn, 0, LIT("changed")), DS_OK);
    }
    assert_int_equal(ds_txn_put(txn, 0, LIT("new"), LIT("stays new")), DS_OK);
    ds_txn_abort(txn);
    txn = fixture_begin(fixture, false);
    must_hold(txn, 0, LIT("kept"), LIT("1"));
    must_hold(txn, 0, LIT("changed"), LIT("2"));
    must_hold(txn, 0, LIT("deleted"), LIT("3"));
    must_lack(txn, 0, LIT("new"));
    assert_int_equal(walk_count(txn, 0), 3);
    ds_txn_abort(txn);
    struct ds_store_room after;
    assert_int_equal(ds_store_room(fixture->store, &after), DS_OK);
    assert_int_equal(after.used, before.used);
}

static void begin__a_second_writer_of_the_same_thread_is_busy(void **state)
{
    struct fixture *fixture = *state;
    struct ds_txn *second = NULL;
    struct ds_txn *txn = fixture_begin(fixture, true);
    assert_int_equal(ds_store_begin(fixture->store, true, &second), DS_ERR_BUSY);
    assert_null(second);
    ds_txn_abort(txn);
    txn = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
}

/* ---- Room ----------------------------------------------------------------------------------- */

static void room__is_used_up_by_puts_and_known_beforehand(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t value[5000];
    struct ds_store_room before;
    struct ds_store_room after;
    assert_int_equal(ds_store_room(fixture->store, &before), DS_OK);
    assert_true(before.limit <= SMALL_BYTES && before.limit > SMALL_BYTES - 65536);
    for (uint8_t i = 0; i < 20; i++) {
        fixture_put(fixture, 0, DS_SLICE_OF(i), DS_SLICE_OF(value));
    }
    assert_int_equal(ds_store_room(fixture->store, &after), DS_OK);
    assert_true(after.used >= before.used + 20 * sizeof value);
    assert_int_equal(after.limit, before.limit);
}

/* Put until it is full, transaction by transaction; how many pairs are in. */
static uint16_t fill_up(struct fixture *fixture)
{
    static const uint8_t value[3000];
    for (uint16_t i = 0;; i++) {
        uint8_t key[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        struct ds_txn *txn = fixture_begin(fixture, true);
        enum ds_err err = ds_txn_put(txn, 0, DS_SLICE_OF(key), DS_SLICE_OF(value));
        if (err == DS_OK) {
            assert_int_equal(ds_txn_commit(txn), DS_OK);
            continue;
        }
        assert_int_equal(err, DS_ERR_FULL);
        assert_true(i > 150 && i < SMALL_BYTES / sizeof value);
        /* The transaction can only be aborted; a commit of it is refused. */
        assert_int_equal(ds_txn_put(txn, 1, LIT("x"), LIT("y")), DS_ERR_FULL);
        assert_int_equal(ds_txn_del(txn, 0, LIT("x")), DS_ERR_FULL);
        assert_int_equal(ds_txn_commit(txn), DS_ERR_FULL);
        return i;
    }
}

static void full__is_refused_before_it_hurts_and_deletes_make_room(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 4; round++) {
        uint16_t count = fill_up(fixture);
        struct ds_txn *txn = fixture_begin(fixture, false);
        assert_int_equal(walk_count(txn, 0), count);
        ds_txn_abort(txn);
        fixture_reopen(fixture);
        for (uint16_t i = 0; i < count; i++) {
            uint8_t key[2] = {(uint8_t)(i >> 8), (uint8_t)i};
            txn = fixture_begin(fixture, true);
            assert_int_equal(ds_txn_del(txn, 0, DS_SLICE_OF(key)), DS_OK);
            assert_int_equal(ds_txn_commit(txn), DS_OK);
        }
    }
}

static void full__one_transaction_too_large_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t value[3000];
    fixture_put(fixture, 0, LIT("before"), LIT("1"));
    struct ds_txn *txn = fixture_begin(fixture, true);
    enum ds_err err = DS_OK;
    for (uint16_t i = 0; err == DS_OK; i++) {
        uint8_t key[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        err = ds_txn_put(txn, 0, DS_SLICE_OF(key), DS_SLICE_OF(value));
    }
    assert_int_equal(err, DS_ERR_FULL);
    ds_txn_abort(txn);
    txn = fixture_begin(fixture, true);
    assert_int_equal(walk_count(txn, 0), 1);
    must_hold(txn, 0, LIT("before"), LIT("1"));
    assert_int_equal(ds_txn_put(txn, 0, LIT("after"), LIT("2")), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
}

/* ---- Scrub ---------------------------------------------------------------------------------- */

static void scrub__counts_every_value_of_every_table(void **state)
{
    struct fixture *fixture = *state;
    uint64_t values = 1;
    uint64_t bad = 1;
    struct ds_detail detail = {{0}};
    assert_int_equal(ds_store_scrub(fixture->store, &values, &bad, &detail), DS_OK);
    assert_int_equal(values, 0);
    struct ds_txn *txn = fixture_begin(fixture, true);
    uint64_t count = 0;
    for (uint8_t table = 0; table < DS_TABLES_MAX; table++) {
        for (uint32_t i = 0; i < 40U * table; i++) {
            assert_int_equal(ds_txn_put(txn, table, DS_SLICE_OF(i), LIT("value")), DS_OK);
            count++;
        }
    }
    /* More than one of a scrub's read transactions. */
    for (uint32_t i = 0; i < 40000; i++) {
        assert_int_equal(ds_txn_put(txn, 0, DS_SLICE_OF(i), LIT("v")), DS_OK);
        count++;
    }
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    assert_int_equal(ds_store_scrub(fixture->store, &values, &bad, &detail), DS_OK);
    assert_int_equal(values, count);
    assert_int_equal(bad, 0);
    assert_string_equal(detail.text, "");
}

#define ON_BOTH_AS(test, memory, lmdb)                                                             \
    {"memory__" #test, test, memory, teardown, NULL},                                              \
    {                                                                                              \
        "lmdb__" #test, test, lmdb, teardown, NULL                                                 \
    }
#define ON_BOTH(test) ON_BOTH_AS(test, setup_memory, setup_lmdb)
#define ON_BOTH_SMALL(test) ON_BOTH_AS(test, setup_memory_small, setup_lmdb_small)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(get__an_absent_key_is_not_found),
        ON_BOTH(put__what_was_put_is_there_now_after_commit_and_after_opening_again),
        ON_BOTH(put__replaces_with_a_shorter_and_a_longer_value),
        ON_BOTH(del__removes_and_an_absent_key_is_no_error),
        ON_BOTH(tables__are_apart),
        ON_BOTH(limits__a_key_has_1_to_255_bytes),
        ON_BOTH(limits__a_seek_takes_0_to_256_bytes),
        ON_BOTH(limits__a_value_has_up_to_8_mib),
        ON_BOTH(seek__finds_neighbours_in_bytewise_order),
        ON_BOTH(seek__an_empty_table_has_no_neighbours),
        ON_BOTH(seek__a_walk_that_deletes_behind_itself_sees_every_key),
        ON_BOTH(abort__takes_back_every_kind_of_change),
        ON_BOTH(begin__a_second_writer_of_the_same_thread_is_busy),
        ON_BOTH_SMALL(room__is_used_up_by_puts_and_known_beforehand),
        ON_BOTH_SMALL(full__is_refused_before_it_hurts_and_deletes_make_room),
        ON_BOTH_SMALL(full__one_transaction_too_large_leaves_nothing),
        ON_BOTH(scrub__counts_every_value_of_every_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

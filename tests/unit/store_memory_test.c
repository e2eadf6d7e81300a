/* What only the memory store does: one transaction at a time, clones, commits that fail. */
#include "tests/support/store_fixture.h"

static int setup(void **state)
{
    *state = fixture_make(false, 0);
    fixture_put(*state, 1, LIT("a"), LIT("1"));
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void begin__a_second_transaction_is_busy(void **state)
{
    struct fixture *fixture = *state;
    for (int first = 0; first < 2; first++) {
        struct ds_txn *txn = fixture_begin(fixture, first == 1);
        for (int second = 0; second < 2; second++) {
            struct ds_txn *other = NULL;
            assert_int_equal(ds_store_begin(fixture->store, second == 1, &other), DS_ERR_BUSY);
        }
        ds_txn_abort(txn);
    }
}

static void clone__is_equal_and_then_apart(void **state)
{
    struct fixture *fixture = *state;
    struct fixture copy = {.lmdb = false};
    for (uint32_t i = 0; i < 1000; i++) {
        fixture_put(fixture, 2, DS_SLICE_OF(i), DS_SLICE_OF(i));
    }
    assert_int_equal(ds_store_memory_clone(fixture->store, &copy.store), DS_OK);
    struct ds_store_room one;
    struct ds_store_room other;
    assert_int_equal(ds_store_room(fixture->store, &one), DS_OK);
    assert_int_equal(ds_store_room(copy.store, &other), DS_OK);
    assert_int_equal(one.used, other.used);
    fixture_put(&copy, 1, LIT("a"), LIT("copy"));
    fixture_put(fixture, 1, LIT("b"), LIT("origin"));
    struct ds_txn *txn = fixture_begin(&copy, false);
    for (uint32_t i = 0; i < 1000; i++) {
        must_hold(txn, 2, DS_SLICE_OF(i), DS_SLICE_OF(i));
    }
    must_hold(txn, 1, LIT("a"), LIT("copy"));
    must_lack(txn, 1, LIT("b"));
    ds_txn_abort(txn);
    txn = fixture_begin(fixture, false);
    must_hold(txn, 1, LIT("a"), LIT("1"));
    ds_txn_abort(txn);
    ds_store_close(copy.store);
}

static void clone__of_a_store_with_an_open_transaction_is_busy(void **state)
{
    struct fixture *fixture = *state;
    struct ds_store *copy = NULL;
    struct ds_txn *txn = fixture_begin(fixture, true);
    assert_int_equal(ds_store_memory_clone(fixture->store, &copy), DS_ERR_BUSY);
    assert_null(copy);
    ds_txn_abort(txn);
}

static void bytes_max__counts_keys_values_and_tags(void **state)
{
    (void)state;
    struct fixture *small = fixture_make(false, 2 * (3 + 5 + DS_VALUE_TAG_SIZE));
    fixture_put(small, 0, LIT("one"), LIT("12345"));
    fixture_put(small, 0, LIT("two"), LIT("12345"));
    struct ds_txn *txn = fixture_begin(small, true);
    assert_int_equal(ds_txn_put(txn, 0, LIT("two"), LIT("54321")), DS_OK);
    assert_int_equal(ds_txn_put(txn, 0, LIT("two"), LIT("123456")), DS_ERR_FULL);
    ds_txn_abort(txn);
    txn = fixture_begin(small, true);
    assert_int_equal(ds_txn_del(txn, 0, LIT("one")), DS_OK);
    assert_int_equal(ds_txn_put(txn, 0, LIT("two"), LIT("123456")), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    fixture_free(small);
}

static void fail_commit__before__leaves_the_store_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    ds_store_memory_fail_commit(fixture->store, 2, DS_ERR_IO, false);
    fixture_put(fixture, 1, LIT("b"), LIT("2"));
    /* Reads and aborts do not count. */
    struct ds_txn *txn = fixture_begin(fixture, false);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    ds_txn_abort(fixture_begin(fixture, true));
    txn = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_put(txn, 1, LIT("b"), LIT("lost")), DS_OK);
    assert_int_equal(ds_txn_del(txn, 1, LIT("a")), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_ERR_IO);
    /* Nothing more is taken, reads are served. */
    assert_int_equal(ds_store_begin(fixture->store, true, &txn), DS_ERR_IO);
    for (int round = 0; round < 2; round++) {
        txn = fixture_begin(fixture, false);
        must_hold(txn, 1, LIT("a"), LIT("1"));
        must_hold(txn, 1, LIT("b"), LIT("2"));
        ds_txn_abort(txn);
        fixture_reopen(fixture);
    }
    fixture_put(fixture, 1, LIT("c"), LIT("3"));
}

static void fail_commit__after__has_happened_although_it_failed(void **state)
{
    struct fixture *fixture = *state;
    ds_store_memory_fail_commit(fixture->store, 1, DS_ERR_FULL, true);
    struct ds_txn *txn = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_put(txn, 1, LIT("b"), LIT("there")), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_ERR_FULL);
    assert_int_equal(ds_store_begin(fixture->store, true, &txn), DS_ERR_IO);
    fixture_reopen(fixture);
    txn = fixture_begin(fixture, true);
    must_hold(txn, 1, LIT("b"), LIT("there"));
    assert_int_equal(ds_txn_commit(txn), DS_OK);
}

static void fail_write__leaves_a_transaction_that_can_only_be_aborted(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned nth = 1; nth <= 2; nth++) {
        struct ds_txn *txn = fixture_begin(fixture, true);
        assert_false(ds_store_memory_fail_write(fixture->store, nth, DS_ERR_IO));
        enum ds_err first = ds_txn_put(txn, 1, LIT("b"), LIT("2"));
        assert_int_equal(first, nth == 1 ? DS_ERR_IO : DS_OK);
        assert_int_equal(ds_txn_del(txn, 1, LIT("a")), DS_ERR_IO);
        assert_int_equal(ds_txn_commit(txn), DS_ERR_IO);
        txn = fixture_begin(fixture, false);
        must_hold(txn, 1, LIT("a"), LIT("1"));
        must_lack(txn, 1, LIT("b"));
        ds_txn_abort(txn);
    }
    assert_false(ds_store_memory_fail_write(fixture->store, 5, DS_ERR_FULL));
    assert_true(ds_store_memory_fail_write(fixture->store, 0, DS_OK));
}

static void rot__shows_as_a_damaged_value_whose_key_can_be_told(void **state)
{
    struct fixture *fixture = *state;
    struct ds_slice found;
    struct ds_slice value;
    assert_true(ds_store_memory_rot(fixture->store, 1, LIT("a"), 70));
    assert_false(ds_store_memory_rot(fixture->store, 1, LIT("z"), 70));
    struct ds_txn *txn = fixture_begin(fixture, false);
    assert_int_equal(ds_txn_get(txn, 1, LIT("a"), &value), DS_ERR_INTEGRITY);
    assert_int_equal(ds_txn_at_or_after(txn, 1, LIT("a"), &found, &value), DS_ERR_INTEGRITY);
    assert_true(ds_slice_equal(found, LIT("a")));
    ds_txn_abort(txn);
}

static void fail_commit__zero_switches_it_off(void **state)
{
    struct fixture *fixture = *state;
    ds_store_memory_fail_commit(fixture->store, 1, DS_ERR_IO, false);
    ds_store_memory_fail_commit(fixture->store, 0, DS_OK, false);
    fixture_put(fixture, 1, LIT("b"), LIT("2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(begin__a_second_transaction_is_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(clone__is_equal_and_then_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(clone__of_a_store_with_an_open_transaction_is_busy, setup,
                                        teardown),
        cmocka_unit_test(bytes_max__counts_keys_values_and_tags),
        cmocka_unit_test_setup_teardown(fail_commit__before__leaves_the_store_as_it_was, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fail_commit__after__has_happened_although_it_failed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fail_commit__zero_switches_it_off, setup, teardown),
        cmocka_unit_test_setup_teardown(fail_write__leaves_a_transaction_that_can_only_be_aborted,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(rot__shows_as_a_damaged_value_whose_key_can_be_told, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

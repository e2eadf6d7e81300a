/* A store of either kind for tests: opened, opened again, closed; and a model to compare it with.
 *
 * The LMDB store lies in a scratch folder. "Opening again" closes an LMDB store and opens its
 * folder; a memory store is cloned, which is its way through a restart. Header only. */
#ifndef DS_TESTS_SUPPORT_STORE_FIXTURE_H
#define DS_TESTS_SUPPORT_STORE_FIXTURE_H

#include "sync/store/store.h"
#include "tests/support/scratch.h"
#include "tests/support/test.h"

#include <stdlib.h>

struct fixture {
    bool lmdb;
    uint64_t bytes_max; /* Bound of a memory store, quota of an LMDB store. */
    struct scratch scratch;
    struct ds_store *store;
};

static inline void fixture_open(struct fixture *fixture)
{
    if (!fixture->lmdb) {
        assert_int_equal(ds_store_memory_open(fixture->bytes_max, &fixture->store), DS_OK);
        return;
    }
    char dir[SCRATCH_PATH_SIZE];
    struct ds_detail detail = {{0}};
    struct ds_store_lmdb_options options = {.quota_bytes = fixture->bytes_max};
    scratch_join(&fixture->scratch, "store", dir);
    enum ds_err err = ds_store_lmdb_open(dir, &options, &fixture->store, &detail);
    if (err != DS_OK) {
        print_error("%s: %s\n", ds_err_name(err), detail.text);
    }
    assert_int_equal(err, DS_OK);
}

static inline void fixture_reopen(struct fixture *fixture)
{
    if (fixture->lmdb) {
        ds_store_close(fixture->store);
        fixture_open(fixture);
        return;
    }
    struct ds_store *copy = NULL;
    assert_int_equal(ds_store_memory_clone(fixture->store, &copy), DS_OK);
    ds_store_close(fixture->store);
    fixture->store = copy;
}

static inline struct fixture *fixture_make(bool lmdb, uint64_t bytes_max)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->lmdb = lmdb;
    fixture->bytes_max = bytes_max;
    scratch_make(&fixture->scratch);
    fixture_open(fixture);
    return fixture;
}

static inline void fixture_free(struct fixture *fixture)
{
    ds_store_close(fixture->store);
    scratch_remove(&fixture->scratch);
    free(fixture);
}

static inline struct ds_txn *fixture_begin(struct fixture *fixture, bool write)
{
    struct ds_txn *txn = NULL;
    assert_int_equal(ds_store_begin(fixture->store, write, &txn), DS_OK);
    return txn;
}

/* One transaction that puts one pair. */
static inline void fixture_put(struct fixture *fixture, uint8_t table, struct ds_slice key,
                               struct ds_slice value)
{
    struct ds_txn *txn = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_put(txn, table, key, value), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
}

static inline void must_hold(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                             struct ds_slice value)
{
    struct ds_slice got;
    assert_int_equal(ds_txn_get(txn, table, key, &got), DS_OK);
    assert_true(ds_slice_equal(got, value));
}

static inline void must_lack(struct ds_txn *txn, uint8_t table, struct ds_slice key)
{
    struct ds_slice got;
    assert_int_equal(ds_txn_get(txn, table, key, &got), DS_ERR_NOT_FOUND);
}

/* A key or value of a literal. */
#define LIT(text) DS_SLICE_LIT(text)

#endif

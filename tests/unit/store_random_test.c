/* Random histories of both stores against the simplest model: a sorted array per snapshot.
 *
 * DS_STORE_SEEDS=FROM..TO runs other seeds; a failure prints the seed. */
#include "tests/support/prng.h"
#include "tests/support/store_fixture.h"

#include <string.h>

#define KEY_MAX 24
#define PAIRS_MAX 4096
#define TABLES 3

struct pair {
    uint8_t table;
    uint8_t key_size;
    uint8_t key[KEY_MAX];
    uint32_t seed; /* The value is a function of it. */
    uint32_t size;
};

struct model {
    size_t count;
    struct pair pairs[PAIRS_MAX]; /* Ascending by (table, key). */
};

static struct ds_slice key_of(const struct pair *pair)
{
    return (struct ds_slice){pair->key, pair->key_size};
}

static int compare(const struct pair *a, const struct pair *b)
{
    if (a->table != b->table) {
        return a->table < b->table ? -1 : 1;
    }
    return ds_slice_compare(key_of(a), key_of(b));
}

/* The index of the first pair >= wanted. */
static size_t model_find(const struct model *model, const struct pair *wanted)
{
    size_t low = 0;
    size_t high = model->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&model->pairs[middle], wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool model_has(const struct model *model, size_t index, const struct pair *wanted)
{
    return index < model->count && compare(&model->pairs[index], wanted) == 0;
}

static void model_put(struct model *model, const struct pair *pair)
{
    size_t index = model_find(model, pair);
    if (!model_has(model, index, pair)) {
        assert_true(model->count < PAIRS_MAX);
        memmove(&model->pairs[index + 1], &model->pairs[index],
                (model->count - index) * sizeof *pair);
        model->count++;
    }
    model->pairs[index] = *pair;
}

static void model_del(struct model *model, const struct pair *pair)
{
    size_t index = model_find(model, pair);
    if (model_has(model, index, pair)) {
        model->count--;
        memmove(&model->pairs[index], &model->pairs[index + 1],
                (model->count - index) * sizeof *pair);
    }
}

struct run {
    struct fixture *fixture;
    struct prng prng;
    struct model *now;
    struct model *committed;
    uint8_t *value; /* Room for the largest value. */
};

#define VALUE_MAX 20000

static struct ds_slice value_of(struct run *run, const struct pair *pair)
{
    struct prng prng = {pair->seed};
    prng_fill(&prng, run->value, pair->size);
    return (struct ds_slice){run->value, pair->size};
}

/* Short keys collide and are prefixes of each other; long ones part late. */
static struct pair random_pair(struct run *run)
{
    struct prng *prng = &run->prng;
    struct pair pair = {.table = (uint8_t)prng_below(prng, TABLES)};
    bool late = prng_below(prng, 4) == 0;
    size_t size = late ? 18 + prng_below(prng, KEY_MAX - 17) : 1 + prng_below(prng, 4);
    for (size_t i = 0; i < size; i++) {
        static const uint8_t letters[] = {0, 'a', 'b', 'c', 0xff};
        pair.key[i] = late && i < 16 ? 'z' : letters[prng_below(prng, sizeof letters)];
    }
    pair.key_size = (uint8_t)size;
    pair.seed = (uint32_t)prng_next(prng);
    static const uint32_t sizes[] = {16, 100, 500, 3000, VALUE_MAX};
    pair.size = (uint32_t)prng_below(prng, sizes[prng_below(prng, 20) * 5 / 20] + 1);
    return pair;
}

static void check_pair(struct run *run, size_t index, struct ds_slice key, struct ds_slice value)
{
    const struct pair *pair = &run->now->pairs[index];
    assert_true(ds_slice_equal(key, key_of(pair)));
    assert_true(ds_slice_equal(value, value_of(run, pair)));
}

static void check_reads(struct run *run, struct ds_txn *txn)
{
    struct pair wanted = random_pair(run);
    size_t index = model_find(run->now, &wanted);
    bool has = model_has(run->now, index, &wanted);
    struct ds_slice key;
    struct ds_slice value;
    enum ds_err err = ds_txn_get(txn, wanted.table, key_of(&wanted), &value);
    assert_int_equal(err, has ? DS_OK : DS_ERR_NOT_FOUND);
    if (has) {
        check_pair(run, index, key_of(&wanted), value);
    }
    bool after = index < run->now->count && run->now->pairs[index].table == wanted.table;
    err = ds_txn_at_or_after(txn, wanted.table, key_of(&wanted), &key, &value);
    assert_int_equal(err, after ? DS_OK : DS_ERR_NOT_FOUND);
    if (after) {
        check_pair(run, index, key, value);
    }
    index -= has ? 0 : 1; /* May wrap: then there is none. */
    bool before = index < run->now->count && run->now->pairs[index].table == wanted.table;
    err = ds_txn_at_or_before(txn, wanted.table, key_of(&wanted), &key, &value);
    assert_int_equal(err, before ? DS_OK : DS_ERR_NOT_FOUND);
    if (before) {
        check_pair(run, index, key, value);
    }
}

static void check_all(struct run *run)
{
    struct ds_txn *txn = fixture_begin(run->fixture, false);
    size_t index = 0;
    for (uint8_t table = 0; table < TABLES; table++) {
        uint8_t from[KEY_MAX + 1];
        struct ds_slice at = {from, 0};
        struct ds_slice key;
        struct ds_slice value;
        while (ds_txn_at_or_after(txn, table, at, &key, &value) == DS_OK) {
            assert_true(index < run->now->count && run->now->pairs[index].table == table);
            check_pair(run, index, key, value);
            memcpy(from, key.data, key.size);
            from[key.size] = 0;
            at.size = key.size + 1;
            index++;
        }
    }
    assert_int_equal(index, run->now->count);
    ds_txn_abort(txn);
}

static void one_transaction(struct run *run)
{
    struct prng *prng = &run->prng;
    struct ds_txn *txn = fixture_begin(run->fixture, true);
    size_t changes = prng_below(prng, 120);
    /* Some transactions mostly delete, so that pages empty and merge. */
    uint64_t deletes = 1 + prng_below(prng, 9);
    for (size_t i = 0; i < changes; i++) {
        struct pair pair = random_pair(run);
        if (prng_below(prng, 10) >= deletes) {
            struct ds_slice value = value_of(run, &pair);
            assert_int_equal(ds_txn_put(txn, pair.table, key_of(&pair), value), DS_OK);
            model_put(run->now, &pair);
        } else {
            if (run->now->count > 0 && prng_below(prng, 2) == 0) {
                pair = run->now->pairs[prng_below(prng, run->now->count)];
            }
            assert_int_equal(ds_txn_del(txn, pair.table, key_of(&pair)), DS_OK);
            model_del(run->now, &pair);
        }
        if (prng_below(prng, 3) == 0) {
            check_reads(run, txn);
        }
    }
    if (prng_below(prng, 4) == 0) {
        ds_txn_abort(txn);
        memcpy(run->now, run->committed, sizeof *run->now);
    } else {
        assert_int_equal(ds_txn_commit(txn), DS_OK);
        memcpy(run->committed, run->now, sizeof *run->now);
    }
}

static void one_seed(bool lmdb, uint64_t seed)
{
    struct run run = {.fixture = fixture_make(lmdb, 0),
                      .prng = {seed},
                      .now = calloc(1, sizeof *run.now),
                      .committed = calloc(1, sizeof *run.committed),
                      .value = malloc(VALUE_MAX)};
    assert_true(run.now != NULL && run.committed != NULL && run.value != NULL);
    for (int round = 0; round < 25; round++) {
        one_transaction(&run);
        if (prng_below(&run.prng, 5) == 0) {
            fixture_reopen(run.fixture);
        }
        check_all(&run);
    }
    uint64_t values = 0;
    uint64_t bad = 0;
    struct ds_detail detail = {{0}};
    enum ds_err err = ds_store_scrub(run.fixture->store, &values, &bad, &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(err, DS_OK);
    assert_int_equal(values, run.now->count);
    free(run.now);
    free(run.committed);
    free(run.value);
    fixture_free(run.fixture);
}

static void all_seeds(bool lmdb)
{
    unsigned long first = 1;
    unsigned long last = 20;
    const char *range = getenv("DS_STORE_SEEDS");
    if (range != NULL) {
        char *end = NULL;
        first = strtoul(range, &end, 10);
        assert_int_equal(strncmp(end, "..", 2), 0);
        last = strtoul(end + 2, NULL, 10);
    }
    for (unsigned long seed = first; seed <= last; seed++) {
        /* ctest shows this only when the case fails. */
        print_message("seed %lu\n", seed);
        one_seed(lmdb, seed);
    }
}

static void memory__random_histories_equal_the_model(void **state)
{
    (void)state;
    all_seeds(false);
}

static void lmdb__random_histories_equal_the_model(void **state)
{
    (void)state;
    all_seeds(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory__random_histories_equal_the_model),
        cmocka_unit_test(lmdb__random_histories_equal_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Feeds against brute force: whoever walks a scope's feed with pages of any size, while the station
 * goes on writing, ends with exactly the rows of the scope, and with their digest.
 *
 * Random edits, moves between books, periods and readings; walkers of both books, the catalogue and
 * the office feed, each with its own page size, each step between two writes. */
#include "sync/core/row.h"
#include "tests/support/prng.h"
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { WALKERS = 4, ROWS_MAX = 2048, SEEDS = 40, STEPS = 60, MEMORY_SIZE = 4 << 20 };

struct held { /* A row as a walker has it; its fields as their hash. */
    uint8_t type;
    struct ds_id id;
    uint64_t position;
    struct ds_hash fields;
};
struct walker {
    struct ds_cursor_at at;
    size_t rows_max;
    size_t bytes_max;
    struct held *held;
    size_t count;
    struct ds_hash digest;
    bool complete;
};
struct world {
    struct test_station station;
    struct prng prng;
    struct walker walker[WALKERS];
    uint8_t *memory;
    int32_t period;
};

static struct ds_hash hash_of(struct ds_slice bytes)
{
    struct ds_slice none = {NULL, 0};
    return ds_hash3(bytes, none, none);
}

/* ---- The station goes on ---- */

static size_t any_meter(struct world *world)
{
    return (size_t)prng_below(&world->prng, TEST_METERS);
}

static const struct ds_id *any_book(struct world *world)
{
    return prng_below(&world->prng, 2) == 0 ? &world->station.book : &world->station.other_book;
}

static void write_something(struct world *world)
{
    struct test_station *s = &world->station;
    struct ds_meter meter = {.presence = {0}};
    struct ds_premises premises = {.presence = {0}};
    struct ds_account account = {.presence = {0}};
    struct ds_period period = {.presence = {0}};
    struct ds_reading reading = {.presence = {0}};
    size_t at = any_meter(world);
    switch (prng_below(&world->prng, 6)) {
    case 0:
        DS_SET(&meter, meter, book, *any_book(world));
        test_write(s, &s->import, DS_REC_meter, &s->meter[at], &meter);
        break;
    case 1:
        DS_SET(&premises, premises, floor, (int64_t)prng_below(&world->prng, 9));
        test_write(s, &s->import, DS_REC_premises, &s->premises[at], &premises);
        break;
    case 2:
        DS_SET(&account, account, balance_fen, -(int64_t)prng_below(&world->prng, 900));
        test_write(s, &s->billing, DS_REC_account, &s->account[at], &account);
        break;
    case 3: {
        const struct ds_id *book = any_book(world);
        struct ds_id id = ds_period_id(&s->station, book, (uint32_t)++world->period);
        DS_SET(&period, period, book, *book);
        DS_SET(&period, period, period, world->period);
        DS_SET(&period, period, state, DS_PERIOD_open);
        if (world->period <= TEST_PERIOD + 6) {
            test_write(s, &s->import, DS_REC_period, &id, &period);
        }
        break;
    }
    default:
        DS_SET(&reading, reading, meter, s->meter[at]);
        DS_SET(&reading, reading, period, TEST_PERIOD + (int64_t)prng_below(&world->prng, 3));
        DS_SET(&reading, reading, index, 1000 + (int64_t)prng_below(&world->prng, 3000));
        DS_SET(&reading, reading, instant_ms, s->now_ms);
        DS_SET(&reading, reading, method, DS_METHOD_remote);
        test_write(s, &s->import, DS_REC_reading, NULL, &reading);
        break;
    }
}

/* ---- Walking ---- */

static void take_row(struct walker *walker, const struct ds_row *row)
{
    size_t at = 0;
    while (at < walker->count &&
           (walker->held[at].type != row->type || !ds_id_equal(&walker->held[at].id, &row->id))) {
        at++;
    }
    if (row->fields.size == 0) {
        if (at < walker->count) {
            walker->held[at] = walker->held[--walker->count];
        }
        return;
    }
    assert_true(at < ROWS_MAX);
    walker->count += at == walker->count;
    walker->held[at] =
        (struct held){.type = (uint8_t)row->type, .id = row->id, .position = row->position};
    walker->held[at].fields = hash_of(row->fields);
}

static void walk_one_page(struct world *world, struct walker *walker)
{
    struct ds_arena arena;
    struct ds_page page;
    struct ds_txn *txn = NULL;
    ds_arena_init(&arena, world->memory, MEMORY_SIZE);
    assert_int_equal(ds_store_begin(world->station.store, false, &txn), DS_OK);
    assert_int_equal(ds_feed_page(txn, &walker->at, world->station.shard.meta.size,
                                  walker->rows_max, walker->bytes_max, &arena, &page),
                     DS_OK);
    assert_true(page.row_count <= walker->rows_max);
    for (size_t i = 0; i < page.row_count; i++) {
        take_row(walker, &page.rows[i]);
    }
    walker->at = page.cursor;
    walker->complete = page.complete;
    if (page.complete) {
        walker->digest = page.digest;
    } else {
        assert_true(page.row_count > 0); /* It moves on. */
    }
    ds_txn_abort(txn);
}

/* ---- Brute force ---- */

static bool holds(const struct ds_row_state *row, const struct ds_scope *scope)
{
    for (size_t i = 0; i < row->scope_count; i++) {
        if (ds_scope_compare(&row->scopes[i], scope) == 0) {
            return true;
        }
    }
    return false;
}

static const struct held *find(const struct walker *walker, uint8_t type, const struct ds_id *id)
{
    for (size_t i = 0; i < walker->count; i++) {
        if (walker->held[i].type == type && ds_id_equal(&walker->held[i].id, id)) {
            return &walker->held[i];
        }
    }
    return NULL;
}

/* Every row of the state, looked at by itself; gives how many the scope holds. */
static size_t compare_all(struct world *world, const struct walker *walker, struct ds_hash *digest)
{
    struct ds_txn *txn = NULL;
    struct ds_key key = {.byte = {0}, .size = 1};
    struct ds_slice found;
    struct ds_slice value;
    size_t count = 0;
    assert_int_equal(ds_store_begin(world->station.store, false, &txn), DS_OK);
    while (ds_txn_at_or_after(txn, DS_TABLE_ROW, ds_key_slice(&key), &found, &value) == DS_OK) {
        struct ds_arena arena;
        struct ds_row_state row;
        struct ds_slice fields;
        struct ds_id id;
        ds_arena_init(&arena, world->memory, MEMORY_SIZE);
        memcpy(id.byte, found.data + 1, sizeof id.byte);
        assert_int_equal(ds_row_of_pair(txn, found.data[0], value, &arena, &value), DS_OK);
        assert_int_equal(ds_row_parse(value, found.data[0], &id, &arena, &row), DS_OK);
        key = ds_key_after(found);
        if (!holds(&row, &walker->at.scope)) {
            continue;
        }
        assert_int_equal(ds_project(txn, walker->at.scope.view, row.type, &row.id, &arena, &fields),
                         DS_OK);
        const struct held *held = find(walker, row.type, &row.id);
        struct ds_hash want = hash_of(fields);
        assert_non_null(held);
        assert_int_equal(held->position, row.changed);
        assert_true(ds_hash_equal(&held->fields, &want));
        struct ds_row shown = {
            .type = row.type, .id = row.id, .position = row.changed, .fields = fields};
        ds_digest_add(digest, &walker->at.scope, &shown);
        count++;
    }
    ds_txn_abort(txn);
    return count;
}

static void check_walker(struct world *world, struct walker *walker)
{
    struct ds_hash digest = {{0}};
    while (!walker->complete || walker->at.position < world->station.shard.meta.size) {
        walk_one_page(world, walker);
    }
    assert_int_equal(compare_all(world, walker, &digest), walker->count);
    assert_true(ds_hash_equal(&digest, &walker->digest));
}

static struct world *world_make(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->prng.state = seed;
    world->period = TEST_PERIOD;
    world->memory = malloc(MEMORY_SIZE);
    assert_non_null(world->memory);
    test_station_open(&world->station);
    const struct ds_scope scopes[WALKERS] = {
        {DS_SCOPE_BOOK, world->station.book, 1},
        {DS_SCOPE_BOOK, world->station.other_book, 1},
        {DS_SCOPE_CATALOGUE, world->station.station, 1},
        {DS_SCOPE_OFFICE, world->station.station, 0},
    };
    for (size_t i = 0; i < WALKERS; i++) {
        struct walker *walker = &world->walker[i];
        walker->at.scope = scopes[i];
        walker->rows_max = 1 + (size_t)prng_below(&world->prng, 7);
        walker->bytes_max = 1 + (size_t)prng_below(&world->prng, 2000);
        walker->held = calloc(ROWS_MAX, sizeof *walker->held);
        assert_non_null(walker->held);
    }
    return world;
}

static void world_free(struct world *world)
{
    test_station_close(&world->station);
    for (size_t i = 0; i < WALKERS; i++) {
        free(world->walker[i].held);
    }
    free(world->memory);
    free(world);
}

static void feed__pages_of_any_size_between_any_writes_give_the_scope(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *world = world_make(seed);
        for (int step = 0; step < STEPS; step++) {
            if (prng_below(&world->prng, 3) == 0) {
                write_something(world);
            }
            walk_one_page(world, &world->walker[prng_below(&world->prng, WALKERS)]);
        }
        for (size_t i = 0; i < WALKERS; i++) {
            check_walker(world, &world->walker[i]);
        }
        world_free(world);
    }
}

static void digest__is_a_sum_that_knows_no_order_and_every_byte(void **state)
{
    (void)state;
    struct prng prng = {7};
    struct ds_scope scope = {.kind = 2, .view = 1};
    for (int round = 0; round < 200; round++) {
        enum { ROWS = 12 };
        uint8_t bytes[ROWS][40];
        struct ds_row rows[ROWS];
        struct ds_hash forth = {{0}};
        struct ds_hash back = {{0}};
        for (size_t i = 0; i < ROWS; i++) {
            prng_fill(&prng, bytes[i], sizeof bytes[i]);
            rows[i] = (struct ds_row){.type = 1 + prng_below(&prng, 27),
                                      .position = prng_next(&prng),
                                      .fields = {bytes[i], 1 + prng_below(&prng, 39)}};
            prng_fill(&prng, rows[i].id.byte, sizeof rows[i].id.byte);
            ds_digest_add(&forth, &scope, &rows[i]);
        }
        for (size_t i = ROWS; i-- > 0;) {
            ds_digest_add(&back, &scope, &rows[i]);
        }
        assert_true(ds_hash_equal(&forth, &back));
        /* A changed row changes it; taking the change back restores it. */
        size_t at = prng_below(&prng, ROWS);
        ds_digest_subtract(&back, &scope, &rows[at]);
        bytes[at][0] ^= (uint8_t)(1U << prng_below(&prng, 8));
        ds_digest_add(&back, &scope, &rows[at]);
        assert_false(ds_hash_equal(&forth, &back));
        ds_digest_subtract(&back, &scope, &rows[at]);
        for (size_t i = 0; i < ROWS; i++) {
            if (i != at) {
                ds_digest_subtract(&back, &scope, &rows[i]);
            }
        }
        assert_true(ds_hash_is_none(&back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feed__pages_of_any_size_between_any_writes_give_the_scope),
        cmocka_unit_test(digest__is_a_sum_that_knows_no_order_and_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rows and keys: what is packed is read back, damage is noticed, and key order is number order. */
#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "sync/core/row.h"
#include "sync/store/store.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { MEMORY_SIZE = 1 << 21, TABLE_ROW = DS_TABLE_ROW };

struct stage {
    uint8_t *memory;
    struct ds_arena arena;
    struct prng prng;
};

static struct stage *stage_make(uint64_t seed)
{
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->memory = malloc(MEMORY_SIZE);
    assert_non_null(stage->memory);
    ds_arena_init(&stage->arena, stage->memory, MEMORY_SIZE);
    stage->prng.state = seed;
    return stage;
}

static void stage_free(struct stage *stage)
{
    free(stage->memory);
    free(stage);
}

static struct ds_slice random_value(struct stage *stage)
{
    uint8_t *bytes = ds_arena_alloc(&stage->arena, 400);
    assert_non_null(bytes);
    struct ds_builder builder;
    struct ds_slice made = {NULL, 0};
    uint8_t noise[300];
    ds_builder_init(&builder, bytes, 400);
    prng_fill(&stage->prng, noise, sizeof noise);
    switch (prng_below(&stage->prng, 4)) {
    case 0:
        ds_mp_put_nil(&builder);
        break;
    case 1:
        ds_mp_put_uint(&builder, prng_edgy(&stage->prng));
        break;
    default:
        ds_mp_put_bin(&builder, (struct ds_slice){noise, prng_below(&stage->prng, 300)});
        break;
    }
    assert_int_equal(ds_builder_end(&builder, &made), DS_OK);
    return made;
}

/* One of few writes, so that cells share them. */
static struct ds_write random_write(struct stage *stage)
{
    uint64_t number = prng_below(&stage->prng, 6);
    struct ds_write write = {.position = number + 1, .seq = number * 7 + 1, .lane = DS_LANE_WORK};
    write.writer.byte[0] = (uint8_t)(number / 2 + 1);
    return write;
}

static void random_row(struct stage *stage, struct ds_row_state *row)
{
    struct ds_id id = {{0}};
    prng_fill(&stage->prng, id.byte, sizeof id.byte);
    assert_int_equal(ds_row_init(row, DS_REC_premises, &id, &stage->arena), DS_OK);
    row->made = prng_edgy(&stage->prng);
    row->changed = prng_edgy(&stage->prng);
    row->scope_count = prng_below(&stage->prng, DS_ROW_SCOPES_MAX + 1);
    for (size_t i = 0; i < row->scope_count; i++) {
        row->scopes[i].kind = (uint8_t)(1 + i);
        prng_fill(&stage->prng, row->scopes[i].key.byte, 16);
    }
    size_t cells = prng_below(&stage->prng, DS_ROW_FIELDS_MAX + 1);
    for (size_t i = 0; i < cells; i++) {
        struct ds_cell *cell =
            ds_row_cell_make(row, (uint8_t)(1 + prng_below(&stage->prng, DS_TAG_MAX)));
        assert_non_null(cell);
        cell->value =
            prng_below(&stage->prng, 8) == 0 ? (struct ds_slice){NULL, 0} : random_value(stage);
        cell->latest = random_write(stage);
        cell->other = prng_below(&stage->prng, 2) == 0 ? random_write(stage)
                                                       : (struct ds_write){.position = 0};
        cell->base = (struct ds_slice){NULL, 0};
        if (prng_below(&stage->prng, 4) == 0) {
            cell->base = random_value(stage);
            cell->base.size = cell->base.size < DS_ROW_BASE_MAX ? cell->base.size : DS_ROW_BASE_MAX;
        }
        cell->sibling_count = 0;
        if (prng_below(&stage->prng, 6) == 0) {
            cell->siblings =
                ds_arena_alloc(&stage->arena, DS_SIBLINGS_MAX * sizeof *cell->siblings);
            assert_non_null(cell->siblings);
            cell->sibling_count = 1 + prng_below(&stage->prng, DS_SIBLINGS_MAX);
            for (size_t s = 0; s < cell->sibling_count; s++) {
                cell->siblings[s] =
                    (struct ds_sibling){.write = random_write(stage), .value = random_value(stage)};
            }
        }
    }
}

static struct ds_slice packed(struct stage *stage, const struct ds_row_state *row)
{
    uint8_t *bytes = ds_arena_alloc(&stage->arena, DS_ROW_SIZE_MAX);
    struct ds_builder builder;
    struct ds_slice made = {NULL, 0};
    assert_non_null(bytes);
    ds_builder_init(&builder, bytes, DS_ROW_SIZE_MAX);
    ds_row_put(&builder, row);
    assert_int_equal(ds_builder_end(&builder, &made), DS_OK);
    return made;
}

static void assert_write_equal(const struct ds_write *a, const struct ds_write *b)
{
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->lane, b->lane);
    assert_true(ds_incarnation_equal(&a->writer, &b->writer));
}

static void assert_cell_equal(const struct ds_cell *a, const struct ds_cell *b)
{
    assert_int_equal(a->tag, b->tag);
    assert_true(ds_slice_equal(a->value, b->value));
    assert_true(ds_slice_equal(a->base, b->base));
    assert_write_equal(&a->latest, &b->latest);
    assert_int_equal(a->other.position, b->other.position);
    assert_int_equal(a->sibling_count, b->sibling_count);
    for (size_t i = 0; i < a->sibling_count; i++) {
        assert_write_equal(&a->siblings[i].write, &b->siblings[i].write);
        assert_true(ds_slice_equal(a->siblings[i].value, b->siblings[i].value));
    }
}

static void row__what_is_packed_is_read_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct stage *stage = stage_make(seed);
        struct ds_row_state row;
        struct ds_row_state back;
        random_row(stage, &row);
        struct ds_slice bytes = packed(stage, &row);
        enum ds_err err = ds_row_parse(bytes, row.type, &row.id, &stage->arena, &back);
        assert_int_equal(err, DS_OK);
        assert_true(back.exists);
        assert_int_equal(back.made, row.made);
        assert_int_equal(back.changed, row.changed);
        assert_int_equal(back.scope_count, row.scope_count);
        for (size_t i = 0; i < row.scope_count; i++) {
            assert_int_equal(ds_scope_compare(&back.scopes[i], &row.scopes[i]), 0);
        }
        assert_int_equal(back.cell_count, row.cell_count);
        for (size_t i = 0; i < row.cell_count; i++) {
            assert_cell_equal(&row.cells[i], &back.cells[i]);
        }
        /* Packing it again gives the same bytes: digests compare them. */
        assert_true(ds_slice_equal(packed(stage, &back), bytes));
        stage_free(stage);
    }
}

static void row__the_fields_map_at_the_end_is_canonical_and_found_without_parsing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct stage *stage = stage_make(seed);
        struct ds_row_state row;
        random_row(stage, &row);
        struct ds_slice fields;
        uint64_t changed = 0;
        assert_int_equal(ds_row_fields(packed(stage, &row), &fields, &changed), DS_OK);
        assert_int_equal(changed, row.changed);
        assert_int_equal(ds_mp_scan(fields, NULL), DS_OK);
        uint8_t *alone = ds_arena_alloc(&stage->arena, DS_ROW_SIZE_MAX);
        struct ds_builder builder;
        struct ds_slice made = {NULL, 0};
        ds_builder_init(&builder, alone, DS_ROW_SIZE_MAX);
        ds_row_put_fields(&builder, &row);
        assert_int_equal(ds_builder_end(&builder, &made), DS_OK);
        assert_true(ds_slice_equal(made, fields));
        stage_free(stage);
    }
}

static void row__damaged_bytes_are_an_error_or_a_row_and_never_a_crash(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct stage *stage = stage_make(seed);
        struct ds_row_state row;
        struct ds_row_state back;
        struct ds_slice fields;
        uint64_t changed = 0;
        random_row(stage, &row);
        struct ds_slice bytes = packed(stage, &row);
        uint8_t *copy = malloc(bytes.size);
        assert_non_null(copy);
        for (int i = 0; i < 20; i++) {
            memcpy(copy, bytes.data, bytes.size);
            size_t size = bytes.size;
            if (prng_below(&stage->prng, 2) == 0) {
                size = prng_below(&stage->prng, bytes.size);
            } else {
                copy[prng_below(&stage->prng, size)] ^=
                    (uint8_t)(1 + prng_below(&stage->prng, 255));
            }
            size_t mark = ds_arena_mark(&stage->arena);
            enum ds_err err = ds_row_parse((struct ds_slice){copy, size}, row.type, &row.id,
                                           &stage->arena, &back);
            assert_true(err == DS_OK || err == DS_ERR_INTEGRITY);
            (void)!ds_row_fields((struct ds_slice){copy, size}, &fields, &changed);
            ds_arena_rewind(&stage->arena, mark);
        }
        free(copy);
        stage_free(stage);
    }
}

static void row__every_cut_of_the_head_is_an_error(void **state)
{
    (void)state;
    struct stage *stage = stage_make(5);
    struct ds_row_state row;
    struct ds_row_state back;
    random_row(stage, &row);
    struct ds_slice bytes = packed(stage, &row);
    struct ds_slice fields;
    uint64_t changed = 0;
    assert_int_equal(ds_row_fields(bytes, &fields, &changed), DS_OK);
    for (size_t size = 0; size < bytes.size; size++) {
        size_t mark = ds_arena_mark(&stage->arena);
        assert_int_equal(ds_row_parse((struct ds_slice){bytes.data, size}, row.type, &row.id,
                                      &stage->arena, &back),
                         DS_ERR_INTEGRITY);
        ds_arena_rewind(&stage->arena, mark);
    }
    stage_free(stage);
}

static void row__cells_stay_ascending_and_the_sixty_fifth_has_no_room(void **state)
{
    (void)state;
    struct stage *stage = stage_make(1);
    struct ds_row_state row;
    struct ds_id id = {{1}};
    assert_int_equal(ds_row_init(&row, DS_REC_premises, &id, &stage->arena), DS_OK);
    for (unsigned i = 0; i < DS_ROW_FIELDS_MAX; i++) {
        assert_non_null(ds_row_cell_make(&row, (uint8_t)(1 + i * 37 % DS_TAG_MAX)));
    }
    assert_int_equal(row.cell_count, DS_ROW_FIELDS_MAX);
    for (size_t i = 1; i < row.cell_count; i++) {
        assert_true(row.cells[i - 1].tag < row.cells[i].tag);
    }
    assert_ptr_equal(ds_row_cell_make(&row, row.cells[9].tag), &row.cells[9]);
    uint8_t unused = 1;
    while (ds_row_cell(&row, unused) != NULL) {
        unused++;
    }
    assert_null(ds_row_cell_make(&row, unused));
    stage_free(stage);
}

static void row__an_arena_too_small_is_out_of_memory(void **state)
{
    (void)state;
    struct stage *stage = stage_make(1);
    struct ds_row_state row;
    struct ds_id id = {{1}};
    ds_arena_init(&stage->arena, stage->memory, 64);
    assert_int_equal(ds_row_init(&row, DS_REC_premises, &id, &stage->arena), DS_ERR_NOMEM);
    stage_free(stage);
}

static void row__a_stored_row_outlives_writes_to_the_store(void **state)
{
    (void)state;
    struct stage *stage = stage_make(11);
    struct ds_row_state row;
    struct ds_row_state back;
    struct ds_store *store = NULL;
    struct ds_txn *txn = NULL;
    random_row(stage, &row);
    struct ds_slice bytes = packed(stage, &row);
    struct ds_key key = ds_key_row(row.type, &row.id);
    assert_int_equal(ds_store_memory_open(0, &store), DS_OK);
    assert_int_equal(ds_store_begin(store, true, &txn), DS_OK);
    assert_int_equal(ds_row_load(txn, row.type, &row.id, &stage->arena, &back), DS_OK);
    assert_false(back.exists);
    assert_int_equal(ds_txn_put(txn, TABLE_ROW, ds_key_slice(&key), bytes), DS_OK);
    assert_int_equal(ds_row_load(txn, row.type, &row.id, &stage->arena, &back), DS_OK);
    assert_int_equal(ds_txn_del(txn, TABLE_ROW, ds_key_slice(&key)), DS_OK);
    assert_true(ds_slice_equal(packed(stage, &back), bytes));
    ds_txn_abort(txn);
    ds_store_close(store);
    stage_free(stage);
}

static void row__a_record_is_loaded_as_its_struct(void **state)
{
    (void)state;
    struct stage *stage = stage_make(1);
    struct ds_row_state row;
    struct ds_store *store = NULL;
    struct ds_txn *txn = NULL;
    struct ds_id id = {{3}};
    uint8_t digits[] = {6};
    uint8_t wrong[] = {0xa1, 'x'};
    assert_int_equal(ds_row_init(&row, DS_REC_meter, &id, &stage->arena), DS_OK);
    ds_row_cell_make(&row, DS_TAG_meter_dial_digits)->value = (struct ds_slice){digits, 1};
    struct ds_key key = ds_key_row(DS_REC_meter, &id);
    struct ds_meter meter;
    assert_int_equal(ds_store_memory_open(0, &store), DS_OK);
    assert_int_equal(ds_store_begin(store, true, &txn), DS_OK);
    assert_int_equal(ds_record_load(txn, DS_REC_meter, &id, &stage->arena, &meter),
                     DS_ERR_NOT_FOUND);
    assert_int_equal(ds_txn_put(txn, TABLE_ROW, ds_key_slice(&key), packed(stage, &row)), DS_OK);
    assert_int_equal(ds_record_load(txn, DS_REC_meter, &id, &stage->arena, &meter), DS_OK);
    assert_true(DS_HAS(&meter, meter, dial_digits));
    assert_int_equal(meter.dial_digits, 6);
    ds_row_cell(&row, DS_TAG_meter_dial_digits)->value = (struct ds_slice){wrong, 2};
    assert_int_equal(ds_txn_put(txn, TABLE_ROW, ds_key_slice(&key), packed(stage, &row)), DS_OK);
    assert_int_equal(ds_record_load(txn, DS_REC_meter, &id, &stage->arena, &meter),
                     DS_ERR_INTEGRITY);
    ds_txn_abort(txn);
    ds_store_close(store);
    stage_free(stage);
}

/* ---- Keys ---- */

static int compare_keys(struct ds_key a, struct ds_key b)
{
    return ds_slice_compare(ds_key_slice(&a), ds_key_slice(&b));
}

static void tables__key_order_is_number_order(void **state)
{
    (void)state;
    struct prng prng = {1};
    struct ds_scope scope = {.kind = 2, .view = 1};
    struct ds_id id = {{1}};
    for (int i = 0; i < 2000; i++) {
        uint64_t a = prng_edgy(&prng);
        uint64_t b = prng_edgy(&prng);
        int wanted = a < b ? -1 : a > b;
        int journal = compare_keys(ds_key_journal(a), ds_key_journal(b));
        int feed = compare_keys(ds_key_feed(&scope, a, 5), ds_key_feed(&scope, b, 5));
        int export = compare_keys(ds_key_export(1, a, 0), ds_key_export(1, b, 0));
        int queue = compare_keys(ds_key_queue(18, a, &id), ds_key_queue(18, b, &id));
        assert_int_equal((journal > 0) - (journal < 0), wanted);
        assert_int_equal((feed > 0) - (feed < 0), wanted);
        assert_int_equal((export > 0) - (export < 0), wanted);
        assert_int_equal((queue > 0) - (queue < 0), -wanted); /* Gravest first. */
    }
}

static void tables__the_key_after_is_the_next_one(void **state)
{
    (void)state;
    struct ds_key key = ds_key_journal(7);
    struct ds_key after = ds_key_after(ds_key_slice(&key));
    struct ds_key next = ds_key_journal(8);
    assert_int_equal(after.size, key.size + 1);
    assert_true(compare_keys(key, after) < 0);
    assert_true(compare_keys(after, next) < 0);
}

static void link_put(struct ds_txn *txn, enum ds_link kind, uint8_t parent, uint32_t order,
                     uint8_t child)
{
    struct ds_id from = {{parent}};
    struct ds_id to = {{child}};
    struct ds_key key = ds_key_link(kind, &from, order, &to);
    uint8_t type = DS_REC_meter;
    assert_int_equal(ds_txn_put(txn, DS_TABLE_LINK, ds_key_slice(&key), DS_SLICE_OF(type)), DS_OK);
}

static void tables__children_are_walked_by_order_and_only_those_of_the_parent(void **state)
{
    (void)state;
    struct ds_store *store = NULL;
    struct ds_txn *txn = NULL;
    assert_int_equal(ds_store_memory_open(0, &store), DS_OK);
    assert_int_equal(ds_store_begin(store, true, &txn), DS_OK);
    link_put(txn, DS_LINK_BOOK_METER, 1, 300, 7);
    link_put(txn, DS_LINK_BOOK_METER, 1, 2, 9);
    link_put(txn, DS_LINK_BOOK_METER, 1, 2, 8);
    link_put(txn, DS_LINK_BOOK_METER, 2, 1, 1);
    link_put(txn, DS_LINK_PREMISES_METER, 1, 1, 1);
    struct ds_id parent = {{1}};
    struct ds_key key = ds_link_first(DS_LINK_BOOK_METER, &parent);
    static const uint8_t wanted[3] = {8, 9, 7};
    static const uint32_t orders[3] = {2, 2, 300};
    for (size_t i = 0; i < 3; i++) {
        uint32_t order = 0;
        uint8_t type = 0;
        struct ds_id child;
        assert_int_equal(ds_link_next(txn, &key, &order, &child, &type), DS_OK);
        assert_int_equal(child.byte[0], wanted[i]);
        assert_int_equal(order, orders[i]);
        assert_int_equal(type, DS_REC_meter);
    }
    uint32_t order = 0;
    uint8_t type = 0;
    struct ds_id child;
    assert_int_equal(ds_link_next(txn, &key, &order, &child, &type), DS_ERR_NOT_FOUND);
    ds_txn_abort(txn);
    ds_store_close(store);
}

static void tables__derived_ids_differ_by_each_of_their_parts(void **state)
{
    (void)state;
    struct ds_id station = ds_station_id(DS_SLICE_LIT("S1"));
    struct ds_id other = ds_station_id(DS_SLICE_LIT("S2"));
    struct ds_id a = {{1}};
    struct ds_id b = {{2}};
    struct ds_id ids[] = {
        station,
        other,
        ds_slot_id(&station, &a, 1, 202601),
        ds_slot_id(&other, &a, 1, 202601),
        ds_slot_id(&station, &b, 1, 202601),
        ds_slot_id(&station, &a, 2, 202601),
        ds_slot_id(&station, &a, 1, 202602),
        ds_anomaly_id(&station, &a, 1),
        ds_anomaly_id(&station, &a, 2),
        ds_item_id(&station, DS_REC_conflict, &a, 1, &b),
        ds_item_id(&station, DS_REC_proposal, &a, 1, &b),
        ds_item_id(&station, DS_REC_conflict, &a, 2, &b),
        ds_item_id(&station, DS_REC_conflict, &b, 1, &b),
        ds_verdict_id(&station, DS_REC_verdict, &a),
        ds_verdict_id(&station, DS_REC_quarantine_item, &a),
        ds_meter_id(&station, DS_SLICE_LIT("ab"), DS_SLICE_LIT("c")),
        ds_meter_id(&station, DS_SLICE_LIT("a"), DS_SLICE_LIT("bc")),
        ds_code_id(&station, DS_SLICE_LIT("a"), DS_SLICE_LIT("bc")),
        ds_period_id(&station, &a, 202601),
        ds_grant_id(&station, &a, 1, &b),
        ds_grant_id(&station, &a, 2, &b),
        ds_rule_setting_id(&station, 1),
        ds_rule_setting_id(&station, 11),
        ds_numbered_id(&station, DS_REC_book, DS_SLICE_LIT("B01")),
        ds_numbered_id(&station, DS_REC_worker, DS_SLICE_LIT("B01")),
    };
    for (size_t i = 0; i < DS_COUNT(ids); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_false(ds_id_equal(&ids[i], &ids[j]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row__what_is_packed_is_read_back),
        cmocka_unit_test(row__the_fields_map_at_the_end_is_canonical_and_found_without_parsing),
        cmocka_unit_test(row__damaged_bytes_are_an_error_or_a_row_and_never_a_crash),
        cmocka_unit_test(row__every_cut_of_the_head_is_an_error),
        cmocka_unit_test(row__cells_stay_ascending_and_the_sixty_fifth_has_no_room),
        cmocka_unit_test(row__an_arena_too_small_is_out_of_memory),
        cmocka_unit_test(row__a_stored_row_outlives_writes_to_the_store),
        cmocka_unit_test(row__a_record_is_loaded_as_its_struct),
        cmocka_unit_test(tables__key_order_is_number_order),
        cmocka_unit_test(tables__the_key_after_is_the_next_one),
        cmocka_unit_test(tables__children_are_walked_by_order_and_only_those_of_the_parent),
        cmocka_unit_test(tables__derived_ids_differ_by_each_of_their_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

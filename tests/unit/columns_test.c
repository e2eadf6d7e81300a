/* Numbers, integer columns and lists: limits on both sides, strictness, what is left out. */
#include "schema/codec/msgpack.h"
#include "sync/core/columns.h"
#include "tests/support/test.h"

#include <string.h>

enum { ROOM = 65536, ARENA = 1 << 21 };
static uint8_t room[ROOM];
static uint8_t arena_memory[ARENA];

static struct ds_slice built(const struct ds_builder *builder)
{
    struct ds_slice made = {NULL, 0};
    assert_int_equal(ds_builder_end(builder, &made), DS_OK);
    return made;
}

static void numbers__every_edge_comes_back_in_its_shortest_form(void **state)
{
    static const struct {
        uint64_t value;
        size_t size;
    } table[] = {{0, 1},     {127, 1},        {128, 2},       {16383, 2},
                 {16384, 3}, {UINT32_MAX, 5}, {INT64_MAX, 9}, {UINT64_MAX, 10}};
    (void)state;
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        struct ds_builder builder;
        struct ds_cursor cursor;
        ds_builder_init(&builder, room, ROOM);
        ds_put_var(&builder, table[i].value);
        assert_int_equal(builder.used, table[i].size);
        assert_int_equal(ds_var_size(table[i].value), table[i].size);
        ds_cursor_init(&cursor, built(&builder));
        assert_true(ds_take_var(&cursor) == table[i].value);
        assert_int_equal(ds_cursor_end(&cursor), DS_OK);
    }
    static const int64_t signs[] = {0, -1, 1, -64, 63, -65, 64, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < DS_COUNT(signs); i++) {
        struct ds_builder builder;
        struct ds_cursor cursor;
        ds_builder_init(&builder, room, ROOM);
        ds_put_svar(&builder, signs[i]);
        assert_int_equal(builder.used, ds_svar_size(signs[i]));
        ds_cursor_init(&cursor, built(&builder));
        assert_true(ds_take_svar(&cursor) == signs[i]);
    }
}

static void numbers__a_longer_form_or_more_than_64_bits_is_refused(void **state)
{
    static const struct {
        uint8_t bytes[11];
        size_t size;
    } table[] = {
        {{0x80, 0x00}, 2},
        {{0xff, 0x80, 0x00}, 3},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 10},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00}, 11},
        {{0x80}, 1},
        {{0}, 0},
    };
    (void)state;
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, (struct ds_slice){table[i].bytes, table[i].size});
        (void)ds_take_var(&cursor);
        assert_true(cursor.failed);
    }
}

static void ints__the_form_with_the_fewest_bytes_is_chosen(void **state)
{
    static const int64_t same[] = {7, 7, 7, 7};
    static const int64_t step[] = {1000, 1010, 1020, 1030};
    static const int64_t near[] = {100000, 100003, 100001, 100009};
    static const int64_t far[] = {1, -2, 3, -1};
    static const int64_t ends[] = {INT64_MIN, INT64_MAX, 0, INT64_MIN};
    static const struct {
        const int64_t *values;
        int form;
        size_t size;
    } table[] = {{same, DS_INTS_SAME, 2},
                 {step, DS_INTS_STEP, 4},
                 {near, DS_INTS_DELTA, 7},
                 {far, DS_INTS_PLAIN, 5},
                 {ends, -1, 0}};
    (void)state;
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        struct ds_builder builder;
        struct ds_cursor cursor;
        int64_t back[4];
        ds_builder_init(&builder, room, ROOM);
        ds_ints_put(&builder, table[i].values, 4);
        if (table[i].form >= 0) {
            assert_int_equal(room[0], table[i].form);
            assert_int_equal(builder.used, table[i].size);
        }
        ds_cursor_init(&cursor, built(&builder));
        ds_ints_take(&cursor, back, 4);
        assert_int_equal(ds_cursor_end(&cursor), DS_OK);
        assert_memory_equal(back, table[i].values, sizeof(back));
    }
}

/* A map {1: number, 2: text, 3: id} as a canonical value in memory. */
static struct ds_slice make_map(struct ds_builder *memory, int64_t number, const char *text,
                                const struct ds_id *id)
{
    size_t begin = memory->used;
    ds_mp_put_map(memory, 3);
    ds_mp_put_uint(memory, 1);
    ds_mp_put_int(memory, number);
    ds_mp_put_uint(memory, 2);
    ds_mp_put_str(memory, ds_slice_of_text(text));
    ds_mp_put_uint(memory, 3);
    ds_mp_put_id(memory, id);
    assert_false(memory->failed);
    return (struct ds_slice){memory->data + begin, memory->used - begin};
}

static void lists__numbered_texts_and_steps_cost_a_column_and_not_a_record(void **state)
{
    enum { COUNT = 1000 };
    static uint8_t maps[COUNT * 64];
    static struct ds_columns_item items[COUNT];
    static struct ds_columns_item back[COUNT];
    struct ds_columns_context nothing = {.of = NULL};
    struct ds_builder memory;
    struct ds_builder builder;
    struct ds_arena arena;
    struct ds_cursor cursor;
    struct ds_id id = {{9}};
    (void)state;
    ds_builder_init(&memory, maps, sizeof(maps));
    for (int64_t i = 0; i < COUNT; i++) {
        char text[] = "SJZ01-0000";
        for (size_t k = 0; k < 4; k++) {
            static const int64_t tens[] = {1000, 100, 10, 1};
            text[6 + k] = (char)('0' + i / tens[k] % 10);
        }
        items[i] = (struct ds_columns_item){7, make_map(&memory, i, text, &id)};
    }
    ds_arena_init(&arena, arena_memory, ARENA);
    ds_builder_init(&builder, room, ROOM);
    assert_true(ds_columns_put(&builder, &arena, &nothing, items, COUNT));
    assert_in_range(builder.used, 30, 60);
    assert_int_equal(arena.used, 0);
    ds_cursor_init(&cursor, built(&builder));
    assert_true(ds_columns_take(&cursor, &arena, &nothing, back, COUNT, COUNT * 64));
    assert_int_equal(ds_cursor_end(&cursor), DS_OK);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(back[i].sort, 7);
        assert_true(ds_slice_equal(back[i].fields, items[i].fields));
    }
    /* One byte less than the maps need is too little, and too many records are too many. */
    ds_arena_reset(&arena);
    ds_cursor_init(&cursor, built(&builder));
    assert_false(ds_columns_take(&cursor, &arena, &nothing, back, COUNT, memory.used - 1));
    ds_arena_reset(&arena);
    ds_cursor_init(&cursor, built(&builder));
    assert_true(ds_columns_take(&cursor, &arena, &nothing, back, COUNT, memory.used));
    assert_false(ds_columns_take(&cursor, &arena, &nothing, back, DS_COLUMNS_LIST_MAX + 1, ROOM));
}

static void lists__sorts_and_columns_have_limits_on_both_sides(void **state)
{
    static uint8_t maps[8192];
    static struct ds_columns_item items[DS_COLUMNS_GROUPS_MAX + 1];
    struct ds_columns_context nothing = {.of = NULL};
    struct ds_builder memory;
    struct ds_builder builder;
    struct ds_arena arena;
    (void)state;
    ds_arena_init(&arena, arena_memory, ARENA);
    for (uint32_t tags = DS_COLUMNS_MAX; tags <= DS_COLUMNS_MAX + 1; tags++) {
        ds_builder_init(&memory, maps, sizeof(maps));
        ds_mp_put_map(&memory, tags);
        for (uint32_t tag = 0; tag < tags; tag++) {
            ds_mp_put_uint(&memory, tag);
            ds_mp_put_int(&memory, tag);
        }
        items[0] = (struct ds_columns_item){1, built(&memory)};
        ds_builder_init(&builder, room, ROOM);
        assert_int_equal(ds_columns_put(&builder, &arena, &nothing, items, 1),
                         tags <= DS_COLUMNS_MAX);
    }
    ds_builder_init(&memory, maps, sizeof(maps));
    ds_mp_put_map(&memory, 0);
    for (size_t i = 0; i <= DS_COLUMNS_GROUPS_MAX; i++) {
        items[i] = (struct ds_columns_item){i, built(&memory)};
    }
    ds_builder_init(&builder, room, ROOM);
    assert_true(ds_columns_put(&builder, &arena, &nothing, items, DS_COLUMNS_GROUPS_MAX));
    ds_builder_init(&builder, room, ROOM);
    assert_false(ds_columns_put(&builder, &arena, &nothing, items, DS_COLUMNS_GROUPS_MAX + 1));
}

static void lists__a_small_count_of_bytes_never_makes_much_of_itself(void **state)
{
    /* 4,096 records of one sort, 64 columns of one constant text of 100 bytes: 26 MiB. */
    static struct ds_columns_item items[DS_COLUMNS_LIST_MAX];
    struct ds_columns_context nothing = {.of = NULL};
    uint8_t text[100];
    struct ds_builder builder;
    struct ds_arena arena;
    struct ds_cursor cursor;
    (void)state;
    memset(text, 'x', sizeof(text));
    ds_builder_init(&builder, room, ROOM);
    ds_put_u8(&builder, DS_INTS_SAME);
    ds_put_svar(&builder, 3);
    ds_put_var(&builder, DS_COLUMNS_MAX);
    for (uint64_t tag = 0; tag < DS_COLUMNS_MAX; tag++) {
        ds_put_var(&builder, tag);
        ds_put_u8(&builder, DS_COLUMN_RAW);
        ds_mp_put_str(&builder, DS_SLICE_OF(text));
    }
    ds_arena_init(&arena, arena_memory, ARENA);
    ds_cursor_init(&cursor, built(&builder));
    assert_false(ds_columns_take(&cursor, &arena, &nothing, items, DS_COLUMNS_LIST_MAX, ARENA / 2));
    assert_true(arena.used <= ARENA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers__every_edge_comes_back_in_its_shortest_form),
        cmocka_unit_test(numbers__a_longer_form_or_more_than_64_bits_is_refused),
        cmocka_unit_test(ints__the_form_with_the_fewest_bytes_is_chosen),
        cmocka_unit_test(lists__numbered_texts_and_steps_cost_a_column_and_not_a_record),
        cmocka_unit_test(lists__sorts_and_columns_have_limits_on_both_sides),
        cmocka_unit_test(lists__a_small_count_of_bytes_never_makes_much_of_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

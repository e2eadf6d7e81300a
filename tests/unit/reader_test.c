/* The reader of maps and arrays: first failure stays, places are named, nothing is passed over. */
#include "schema/codec/msgpack.h"
#include "sync/core/reader.h"
#include "tests/support/test.h"

#include <string.h>

static struct ds_slice built(const struct ds_builder *builder)
{
    struct ds_slice made = {NULL, 0};
    assert_int_equal(ds_builder_end(builder, &made), DS_OK);
    return made;
}

static void reader__keys_come_in_order_and_are_remembered(void **state)
{
    (void)state;
    uint8_t memory[64];
    struct ds_builder builder;
    struct ds_cursor cursor;
    struct ds_reader reader;
    static const uint64_t keys[] = {0, 1, 63, 64, UINT64_MAX};
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_mp_put_map(&builder, DS_COUNT(keys));
    for (size_t i = 0; i < DS_COUNT(keys); i++) {
        ds_mp_put_uint(&builder, keys[i]);
        ds_mp_put_nil(&builder);
    }
    ds_cursor_init(&cursor, built(&builder));
    ds_reader_map(&reader, &cursor, "thing", NULL);
    for (size_t i = 0; i < DS_COUNT(keys); i++) {
        assert_true(ds_reader_next(&reader));
        assert_int_equal(reader.key, keys[i]);
        ds_reader_skip(&reader);
    }
    assert_false(ds_reader_next(&reader));
    uint64_t all = DS_READER_KEY(0) | DS_READER_KEY(1) | DS_READER_KEY(63);
    assert_true(ds_reader_has(&reader, all));
    assert_false(ds_reader_has(&reader, DS_READER_KEY(2)));
    assert_int_equal(ds_reader_end(&reader, all), DS_OK);
    assert_int_equal(ds_cursor_end(&cursor), DS_OK);
    assert_int_equal(ds_reader_end(&reader, DS_READER_KEY(5)), DS_ERR_DECODE);
}

static void reader__keys_that_repeat_or_descend_end_it(void **state)
{
    (void)state;
    static const uint8_t table[][5] = {
        {0x82, 0x00, 0xC0, 0x00, 0xC0},
        {0x82, 0x01, 0xC0, 0x01, 0xC0},
        {0x82, 0x02, 0xC0, 0x01, 0xC0},
        {0x82, 0x01, 0xC0, 0x00, 0xC0},
    };
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        struct ds_cursor cursor;
        struct ds_reader reader;
        struct ds_detail detail = {{0}};
        ds_cursor_init(&cursor, DS_SLICE_OF(table[i]));
        ds_reader_map(&reader, &cursor, "thing", &detail);
        assert_true(ds_reader_next(&reader));
        ds_reader_skip(&reader);
        assert_false(ds_reader_next(&reader));
        assert_int_equal(ds_reader_end(&reader, 0), DS_ERR_DECODE);
        assert_non_null(strstr(detail.text, "the next key does not ascend"));
    }
}

static void reader__the_first_failure_stays(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x82, 0x01, 0x05, 0x02, 0xC0};
    struct ds_cursor cursor;
    struct ds_reader reader;
    struct ds_detail detail = {{0}};
    ds_cursor_init(&cursor, DS_SLICE_OF(bytes));
    ds_reader_map(&reader, &cursor, "thing", &detail);
    assert_true(ds_reader_next(&reader));
    assert_int_equal(ds_reader_uint(&reader, 6, 9), 0);
    assert_int_equal(ds_reader_uint(&reader, 0, 9), 0);
    assert_null(ds_reader_fixed(&reader, 1));
    assert_int_equal(ds_reader_bin(&reader, 9).size, 0);
    assert_int_equal(ds_reader_array(&reader, 9), 0);
    ds_reader_tuple(&reader, 2);
    ds_reader_fail(&reader, DS_ERR_LIMIT, "another");
    assert_false(ds_reader_next(&reader));
    assert_int_equal(ds_reader_end(&reader, DS_READER_KEY(9)), DS_ERR_DECODE);
    assert_string_equal(detail.text, "thing key 1: must be 6..9");
    assert_true(cursor.failed);
}

static void reader__an_inner_failure_is_the_outer_ones_and_keeps_its_text(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x82, 0x01, 0x81, 0x07, 0xC0, 0x02, 0x00};
    struct ds_cursor cursor;
    struct ds_reader outer;
    struct ds_reader inner;
    struct ds_detail detail = {{0}};
    ds_cursor_init(&cursor, DS_SLICE_OF(bytes));
    ds_reader_map(&outer, &cursor, "thing", &detail);
    assert_true(ds_reader_next(&outer));
    ds_reader_map(&inner, &cursor, "part", &detail);
    assert_true(ds_reader_next(&inner));
    (void)ds_reader_bool(&inner);
    ds_reader_end_inner(&outer, &inner, 0);
    assert_false(ds_reader_next(&outer));
    assert_int_equal(ds_reader_end(&outer, 0), DS_ERR_DECODE);
    assert_string_equal(detail.text, "part key 7: not a boolean");
}

static void reader__numbers_of_any_size_are_named_in_full(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x81, 0xCF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                    0xFF, 0xFF, 0xFF, 0x92, 0x01, 0xC0};
    struct ds_cursor cursor;
    struct ds_reader reader;
    struct ds_detail detail = {{0}};
    ds_cursor_init(&cursor, DS_SLICE_OF(bytes));
    ds_reader_map(&reader, &cursor, "thing", &detail);
    assert_true(ds_reader_next(&reader));
    assert_int_equal(ds_reader_array(&reader, 2), 2);
    assert_int_equal(ds_reader_uint(&reader, 1, 1), 1);
    reader.item = 2;
    (void)ds_reader_id(&reader);
    assert_int_equal(ds_reader_end(&reader, 0), DS_ERR_DECODE);
    assert_string_equal(detail.text,
                        "thing key 18446744073709551615 item 2: not a bin of 16 bytes");
}

static void reader__integers_are_held_to_their_range(void **state)
{
    (void)state;
    for (int64_t value = -3; value <= 3; value++) {
        uint8_t memory[16];
        struct ds_builder builder;
        struct ds_cursor cursor;
        struct ds_reader reader;
        ds_builder_init(&builder, memory, sizeof(memory));
        ds_mp_put_int(&builder, value);
        ds_cursor_init(&cursor, built(&builder));
        ds_reader_bare(&reader, &cursor, "thing", NULL);
        int64_t taken = ds_reader_int(&reader, -2, 2);
        bool within = value >= -2 && value <= 2;
        assert_int_equal(taken, within ? value : 0);
        assert_int_equal(ds_reader_end(&reader, 0), within ? DS_OK : DS_ERR_DECODE);
    }
}

static void reader__a_failed_cursor_is_a_missing_value(void **state)
{
    (void)state;
    struct ds_cursor cursor = {.failed = true};
    struct ds_reader reader;
    struct ds_detail detail = {{0}};
    ds_reader_map(&reader, &cursor, "thing", &detail);
    assert_false(ds_reader_next(&reader));
    assert_int_equal(ds_reader_end(&reader, 0), DS_ERR_DECODE);
    assert_string_equal(detail.text, "thing: missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader__keys_come_in_order_and_are_remembered),
        cmocka_unit_test(reader__keys_that_repeat_or_descend_end_it),
        cmocka_unit_test(reader__the_first_failure_stays),
        cmocka_unit_test(reader__an_inner_failure_is_the_outer_ones_and_keeps_its_text),
        cmocka_unit_test(reader__numbers_of_any_size_are_named_in_full),
        cmocka_unit_test(reader__integers_are_held_to_their_range),
        cmocka_unit_test(reader__a_failed_cursor_is_a_missing_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

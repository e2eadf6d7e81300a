#include "schema/base/bytes.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <string.h>

static void builder__integers_are_big_endian(void **state)
{
    (void)state;
    uint8_t memory[15];
    struct ds_builder out;
    struct ds_slice made;
    ds_builder_init(&out, memory, sizeof(memory));
    ds_put_u8(&out, 0x01);
    ds_put_u16(&out, 0x0203);
    ds_put_u32(&out, 0x04050607);
    ds_put_u64(&out, 0x08090A0B0C0D0E0F);
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    for (size_t i = 0; i < made.size; i++) {
        assert_int_equal(made.data[i], i + 1);
    }
    struct ds_cursor in;
    ds_cursor_init(&in, made);
    assert_int_equal(ds_take_u8(&in), 0x01);
    assert_int_equal(ds_take_u16(&in), 0x0203);
    assert_int_equal(ds_take_u32(&in), 0x04050607);
    assert_true(ds_take_u64(&in) == 0x08090A0B0C0D0E0F);
    assert_int_equal(ds_cursor_end(&in), DS_OK);
}

static void builder__text_numbers_and_hex(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {{0, "0"},
                 {-1, "-1"},
                 {10, "10"},
                 {INT64_MAX, "9223372036854775807"},
                 {INT64_MIN, "-9223372036854775808"}};
    uint8_t memory[64];
    struct ds_builder out;
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        ds_builder_init(&out, memory, sizeof(memory));
        ds_put_decimal(&out, cases[i].value);
        assert_string_equal(ds_builder_text(&out), cases[i].text);
    }
    struct ds_id id = {{0xAB}};
    struct ds_hash hash = {{0xCD}};
    ds_builder_init(&out, memory, sizeof(memory));
    ds_put_text(&out, "x");
    ds_put_hex(&out, DS_SLICE_LIT("\x00\x9F\xF0"));
    ds_put_bytes(&out, (struct ds_slice){NULL, 0});
    assert_string_equal(ds_builder_text(&out), "x009ff0");
    ds_builder_init(&out, memory, sizeof(memory));
    ds_put_id(&out, &id);
    ds_put_hash(&out, &hash);
    assert_int_equal(out.used, 48);
    assert_int_equal(memory[0], 0xAB);
    assert_int_equal(memory[16], 0xCD);
}

/* Each kind of write, one byte short and with just room. */
static void builder__what_does_not_fit_is_not_written_and_sticks(void **state)
{
    (void)state;
    struct ds_id id = {{1}};
    struct ds_hash hash = {{1}};
    static const size_t sizes[] = {1, 2, 4, 8, 3, 4, 16, 32, 6};
    for (size_t kind = 0; kind < DS_COUNT(sizes); kind++) {
        for (size_t room = sizes[kind] - 1; room <= sizes[kind]; room++) {
            uint8_t memory[40];
            struct ds_builder out;
            struct ds_slice made;
            memset(memory, 0xEE, sizeof(memory));
            ds_builder_init(&out, memory, room);
            switch (kind) {
            case 0:
                ds_put_u8(&out, 1);
                break;
            case 1:
                ds_put_u16(&out, 1);
                break;
            case 2:
                ds_put_u32(&out, 1);
                break;
            case 3:
                ds_put_u64(&out, 1);
                break;
            case 4:
                ds_put_text(&out, "abc");
                break;
            case 5:
                ds_put_bytes(&out, DS_SLICE_LIT("abcd"));
                break;
            case 6:
                ds_put_id(&out, &id);
                break;
            case 7:
                ds_put_hash(&out, &hash);
                break;
            default:
                ds_put_decimal(&out, 123456);
                break;
            }
            bool fits = room == sizes[kind];
            assert_int_equal(ds_builder_end(&out, &made), fits ? DS_OK : DS_ERR_LIMIT);
            assert_int_equal(memory[room], 0xEE);
            if (!fits) {
                assert_string_equal(ds_builder_text(&out), "");
                out.size = sizeof(memory);
                ds_put_u8(&out, 1);
                assert_int_equal(ds_builder_end(&out, &made), DS_ERR_LIMIT);
            }
        }
    }
    /* A text needs room for its NUL, the bytes do not. */
    uint8_t memory[3];
    struct ds_builder out;
    struct ds_slice made;
    ds_builder_init(&out, memory, 3);
    ds_put_text(&out, "abc");
    assert_string_equal(ds_builder_text(&out), "");
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    ds_builder_init(&out, NULL, 0);
    assert_string_equal(ds_builder_text(&out), "");
}

static void cursor__never_passes_its_end_and_sticks(void **state)
{
    (void)state;
    static const uint8_t bytes[64] = {0xFF};
    for (size_t size = 0; size < sizeof(bytes); size++) {
        for (unsigned kind = 0; kind < 7; kind++) {
            static const size_t sizes[] = {1, 2, 4, 8, 16, 32, 5};
            struct ds_cursor in;
            ds_cursor_init(&in, (struct ds_slice){size == 0 ? NULL : bytes, size});
            assert_int_equal(ds_cursor_left(&in), size);
            switch (kind) {
            case 0:
                (void)ds_take_u8(&in);
                break;
            case 1:
                (void)ds_take_u16(&in);
                break;
            case 2:
                (void)ds_take_u32(&in);
                break;
            case 3:
                (void)ds_take_u64(&in);
                break;
            case 4:
                (void)ds_take_id(&in);
                break;
            case 5:
                (void)ds_take_hash(&in);
                break;
            default:
                (void)ds_take_bytes(&in, 5);
                break;
            }
            bool fits = size >= sizes[kind];
            assert_int_equal(in.failed, !fits);
            assert_int_equal(in.at, fits ? sizes[kind] : 0);
            assert_int_equal(ds_cursor_end(&in), size == sizes[kind] ? DS_OK : DS_ERR_DECODE);
            if (!fits) {
                assert_int_equal(ds_take_bytes(&in, 0).size, 0);
                assert_int_equal(ds_take_u8(&in), 0);
                assert_int_equal(in.at, 0);
            }
        }
    }
    struct ds_cursor in;
    ds_cursor_init(&in, (struct ds_slice){bytes, sizeof(bytes)});
    (void)ds_take_bytes(&in, SIZE_MAX);
    assert_true(in.failed);
    struct ds_id id = ds_take_id(&in);
    struct ds_hash hash = ds_take_hash(&in);
    assert_true(ds_id_is_none(&id));
    assert_true(ds_hash_is_none(&hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builder__integers_are_big_endian),
        cmocka_unit_test(builder__text_numbers_and_hex),
        cmocka_unit_test(builder__what_does_not_fit_is_not_written_and_sticks),
        cmocka_unit_test(cursor__never_passes_its_end_and_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "schema/base/text.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <string.h>

static uint8_t memory[4096];

static struct ds_builder fresh(void)
{
    struct ds_builder out;
    ds_builder_init(&out, memory, sizeof(memory));
    return out;
}

static struct ds_slice text_of(const char *text)
{
    return ds_slice_of_text(text);
}

/* ---- UTF-8 ---- */

static void utf8__the_table_of_well_formed_sequences(void **state)
{
    (void)state;
    const struct {
        struct ds_slice text;
        size_t bad; /* SIZE_MAX: fine. */
    } cases[] = {
        {DS_SLICE_LIT(""), SIZE_MAX},
        {DS_SLICE_LIT("\x00\x7F"), SIZE_MAX},
        {DS_SLICE_LIT("\xC2\x80\xDF\xBF"), SIZE_MAX},
        {DS_SLICE_LIT("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"), SIZE_MAX},
        {DS_SLICE_LIT("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), SIZE_MAX},
        {DS_SLICE_LIT("\x80"), 0},
        {DS_SLICE_LIT("\xBF"), 0},
        {DS_SLICE_LIT("\xC0\x80"), 0},
        {DS_SLICE_LIT("\xC1\xBF"), 0},
        {DS_SLICE_LIT("\xC2\x7F"), 1},
        {DS_SLICE_LIT("\xC2\xC0"), 1},
        {DS_SLICE_LIT("\xE0\x9F\xBF"), 1},
        {DS_SLICE_LIT("\xED\xA0\x80"), 1},
        {DS_SLICE_LIT("\xE8\xA1"), 2},
        {DS_SLICE_LIT("\xE8\xA1\x41"), 2},
        {DS_SLICE_LIT("\xF0\x8F\xBF\xBF"), 1},
        {DS_SLICE_LIT("\xF4\x90\x80\x80"), 1},
        {DS_SLICE_LIT("\xF5\x80\x80\x80"), 0},
        {DS_SLICE_LIT("\xFF"), 0},
        {DS_SLICE_LIT("ab\xE8\xA1\xA8z\xFE"), 6},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        size_t bad = SIZE_MAX;
        assert_int_equal(ds_utf8_check(cases[i].text, &bad), cases[i].bad == SIZE_MAX);
        assert_true(bad == cases[i].bad);
        assert_int_equal(ds_utf8_ok(cases[i].text), cases[i].bad == SIZE_MAX);
    }
}

static size_t encode_utf8(uint32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; c >>= 6) {
        out[i] = (uint8_t)(0x80 | (c & 63));
    }
    static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (uint8_t)(leads[size] | c);
    return size;
}

static void utf8__every_code_point_and_every_short_sequence(void **state)
{
    (void)state;
    uint8_t bytes[4];
    unsigned good = 0;
    for (uint32_t c = 0; c <= 0x1FFFFF; c++) {
        size_t size = encode_utf8(c, bytes);
        bool scalar = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        if (ds_utf8_ok((struct ds_slice){bytes, size}) != scalar) {
            fail_msg("U+%X", c);
        }
        assert_int_equal(ds_utf8_sequence((struct ds_slice){bytes, size}), scalar ? size : 0);
    }
    /* Two bytes are well formed exactly 128 * 128 + (0xDF - 0xC1) * 64 times. */
    for (unsigned pair = 0; pair < 65536; pair++) {
        bytes[0] = (uint8_t)(pair >> 8);
        bytes[1] = (uint8_t)(pair & 255);
        good += ds_utf8_ok((struct ds_slice){bytes, 2});
    }
    assert_int_equal(good, 128 * 128 + 30 * 64);
}

/* ---- Hex and base64url ---- */

static void hex__parses_whole_texts_only(void **state)
{
    (void)state;
    uint8_t out[2] = {7, 7};
    assert_int_equal(ds_hex_parse(text_of("00fF"), out, 2), DS_OK);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 255);
    static const char *const bad[] = {"",     "00",   "00f",  "00ff0",  "00ff00",
                                      "00fg", " 0ff", "0x00", "00f\xFF"};
    for (size_t i = 0; i < DS_COUNT(bad); i++) {
        assert_int_equal(ds_hex_parse(text_of(bad[i]), out, 2), DS_ERR_DECODE);
        assert_int_equal(out[1], 255);
    }
    assert_int_equal(ds_hex_parse(text_of(""), out, 0), DS_OK);
    struct ds_id id;
    struct ds_hash hash;
    assert_int_equal(ds_id_parse(text_of("000102030405060708090a0b0c0d0e0f"), &id), DS_OK);
    assert_int_equal(id.byte[15], 15);
    assert_int_equal(ds_id_parse(text_of("000102030405060708090a0b0c0d0e0"), &id), DS_ERR_DECODE);
    assert_int_equal(ds_hash_parse(text_of("000102030405060708090a0b0c0d0e0f"), &hash),
                     DS_ERR_DECODE);
}

static void base64url__vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *text;
    } cases[] = {{"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
                 {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_builder out = fresh();
        ds_put_base64url(&out, text_of(cases[i].bytes));
        assert_string_equal(ds_builder_text(&out), cases[i].text);
        out = fresh();
        assert_int_equal(ds_base64url_parse(text_of(cases[i].text), &out), DS_OK);
        assert_string_equal(ds_builder_text(&out), cases[i].bytes);
    }
    struct ds_builder out = fresh();
    ds_put_base64url(&out, DS_SLICE_LIT("\xFB\xFF"));
    assert_string_equal(ds_builder_text(&out), "-_8");
}

static void base64url__other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"A",   "AAAAA", "AA==", "AAA=",   "A A",
                                      "+/8", "AB",    "AAB",  "\xFFxyz"};
    for (size_t i = 0; i < DS_COUNT(bad); i++) {
        struct ds_builder out = fresh();
        assert_int_equal(ds_base64url_parse(text_of(bad[i]), &out), DS_ERR_DECODE);
    }
    struct ds_builder out;
    ds_builder_init(&out, memory, 2);
    assert_int_equal(ds_base64url_parse(text_of("AAAA"), &out), DS_ERR_LIMIT);
    ds_builder_init(&out, memory, 3);
    assert_int_equal(ds_base64url_parse(text_of("AAAA"), &out), DS_OK);
}

static void base64url__random_bytes_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct prng prng = {seed};
        uint8_t bytes[50];
        uint8_t text[80];
        size_t size = prng_below(&prng, sizeof(bytes) + 1);
        struct ds_builder out;
        prng_fill(&prng, bytes, size);
        ds_builder_init(&out, text, sizeof(text));
        ds_put_base64url(&out, (struct ds_slice){bytes, size});
        assert_int_equal(out.used, (size * 8 + 5) / 6);
        struct ds_slice made = {text, out.used};
        struct ds_builder back = fresh();
        assert_int_equal(ds_base64url_parse(made, &back), DS_OK);
        assert_int_equal(back.used, size);
        assert_memory_equal(memory, bytes, size);
    }
}

/* ---- Numbers ---- */

static void int__whole_numbers_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ds_err err;
        int64_t value;
    } cases[] = {
        {"0", DS_OK, 0},
        {"7", DS_OK, 7},
        {"-12", DS_OK, -12},
        {"9223372036854775807", DS_OK, INT64_MAX},
        {"-9223372036854775808", DS_OK, INT64_MIN},
        {"9223372036854775808", DS_ERR_LIMIT, 0},
        {"-9223372036854775809", DS_ERR_LIMIT, 0},
        {"18446744073709551616", DS_ERR_LIMIT, 0},
        {"99999999999999999999999", DS_ERR_LIMIT, 0},
        {"", DS_ERR_DECODE, 0},
        {"-", DS_ERR_DECODE, 0},
        {"-0", DS_ERR_DECODE, 0},
        {"+1", DS_ERR_DECODE, 0},
        {"01", DS_ERR_DECODE, 0},
        {"-01", DS_ERR_DECODE, 0},
        {"00", DS_ERR_DECODE, 0},
        {" 1", DS_ERR_DECODE, 0},
        {"1 ", DS_ERR_DECODE, 0},
        {"1.0", DS_ERR_DECODE, 0},
        {"1.", DS_ERR_DECODE, 0},
        {"0x1", DS_ERR_DECODE, 0},
        {"1e3", DS_ERR_DECODE, 0},
        {"--1", DS_ERR_DECODE, 0},
        {"１", DS_ERR_DECODE, 0},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        int64_t value = 0;
        if (ds_int_parse(text_of(cases[i].text), &value) != cases[i].err ||
            value != cases[i].value) {
            fail_msg("%s", cases[i].text);
        }
    }
}

static void fixed__decimal_numbers_at_a_scale(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned scale;
        enum ds_err err;
        int64_t value;
        const char *back; /* What ds_put_fixed() gives. */
    } cases[] = {
        {"114.5", 7, DS_OK, 1145000000, "114.5"},
        {"-0.0000001", 7, DS_OK, -1, "-0.0000001"},
        {"0.10", 2, DS_OK, 10, "0.1"},
        {"5", 0, DS_OK, 5, "5"},
        {"5.000", 0, DS_OK, 5, "5"},
        {"5.1230000", 3, DS_OK, 5123, "5.123"},
        {"0", 9, DS_OK, 0, "0"},
        {"0.000", 3, DS_OK, 0, "0"},
        {"9223372036.854775807", 9, DS_OK, INT64_MAX, "9223372036.854775807"},
        {"-9223372036.854775808", 9, DS_OK, INT64_MIN, "-9223372036.854775808"},
        {"-9223372036854775808", 0, DS_OK, INT64_MIN, "-9223372036854775808"},
        {"9223372036.854775808", 9, DS_ERR_LIMIT, 0, NULL},
        {"9223372037", 9, DS_ERR_LIMIT, 0, NULL},
        {"99999999999999999999", 9, DS_ERR_LIMIT, 0, NULL},
        {"0.01", 1, DS_ERR_DECODE, 0, NULL},
        {"1.", 2, DS_ERR_DECODE, 0, NULL},
        {".5", 2, DS_ERR_DECODE, 0, NULL},
        {"-.5", 2, DS_ERR_DECODE, 0, NULL},
        {"1.2.3", 2, DS_ERR_DECODE, 0, NULL},
        {"1,5", 2, DS_ERR_DECODE, 0, NULL},
        {"-0.00", 2, DS_ERR_DECODE, 0, NULL},
        {"00.5", 2, DS_ERR_DECODE, 0, NULL},
        {"1e2", 2, DS_ERR_DECODE, 0, NULL},
        {"1.-5", 2, DS_ERR_DECODE, 0, NULL},
        {"", 2, DS_ERR_DECODE, 0, NULL},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        int64_t value = 0;
        if (ds_fixed_parse(text_of(cases[i].text), cases[i].scale, &value) != cases[i].err ||
            value != cases[i].value) {
            fail_msg("%s at %u: %lld", cases[i].text, cases[i].scale, (long long)value);
        }
        if (cases[i].back != NULL) {
            struct ds_builder out = fresh();
            ds_put_fixed(&out, value, cases[i].scale);
            assert_string_equal(ds_builder_text(&out), cases[i].back);
        }
    }
}

static void fixed__numbers_of_every_magnitude_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct prng prng = {seed};
        int64_t value = (int64_t)prng_edgy(&prng);
        unsigned scale = (unsigned)prng_below(&prng, 10);
        int64_t back = 0;
        struct ds_builder out = fresh();
        ds_put_fixed(&out, value, scale);
        struct ds_slice made = {memory, out.used};
        if (ds_fixed_parse(made, scale, &back) != DS_OK || back != value) {
            fail_msg("seed %llu", (unsigned long long)seed);
        }
    }
}

/* ---- Calendar ---- */

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static void date__every_day_of_ten_thousand_years_is_the_next_one(void **state)
{
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = ds_date_to_days((struct ds_date){1, 1, 1});
    assert_int_equal(days, -719162);
    for (int year = 1; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            int length = lengths[month - 1] + (month == 2 && leap(year));
            for (int day = 1; day <= length; day++, days++) {
                struct ds_date date = ds_date_of_days(days);
                if (date.year != year || date.month != month || date.day != day ||
                    ds_date_to_days(date) != days) {
                    fail_msg("%d-%d-%d", year, month, day);
                }
            }
        }
    }
    assert_int_equal(ds_date_to_days((struct ds_date){1970, 1, 1}), 0);
    assert_int_equal(ds_date_to_days((struct ds_date){2000, 2, 29}), 11016);
}

static void date__texts(void **state)
{
    (void)state;
    struct ds_date date = {0, 0, 0};
    assert_int_equal(ds_date_parse(text_of("2024-02-29"), &date), DS_OK);
    assert_int_equal(date.year * 10000 + date.month * 100 + date.day, 20240229);
    static const char *const bad[] = {"",           "2024-2-29",  "2023-02-29", "2100-02-29",
                                      "2024-00-01", "2024-13-01", "2024-01-00", "2024-01-32",
                                      "2024-04-31", "0000-01-01", "20240229",   "2024-02-29 ",
                                      "2024/02/29", "-024-02-29", "2024-02-2x"};
    for (size_t i = 0; i < DS_COUNT(bad); i++) {
        assert_int_equal(ds_date_parse(text_of(bad[i]), &date), DS_ERR_DECODE);
        assert_int_equal(date.day, 29);
    }
    struct ds_builder out = fresh();
    ds_put_date(&out, (struct ds_date){7, 3, 9});
    assert_string_equal(ds_builder_text(&out), "0007-03-09");
}

static void instant__texts_with_offset(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t instant_ms;
        int32_t offset_min;
        const char *back;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z"},
        {"1970-01-01T08:00:00+08:00", 0, 480, "1970-01-01T08:00:00+08:00"},
        {"2026-01-05T09:30:00+08:00", 1767576600000, 480, "2026-01-05T09:30:00+08:00"},
        {"2026-01-05T09:30:00.5+08:00", 1767576600500, 480, "2026-01-05T09:30:00.500+08:00"},
        {"2026-01-05T09:30:00.123Z", 1767605400123, 0, "2026-01-05T09:30:00.123Z"},
        {"2026-01-05T09:30:00-03:30", 1767618000000, -210, "2026-01-05T09:30:00-03:30"},
        {"9999-12-31T23:59:59.999Z", 253402300799999, 0, "9999-12-31T23:59:59.999Z"},
        {"1970-01-01T00:00:00+14:00", -50400000, 840, "1970-01-01T00:00:00+14:00"},
        {"2026-01-05T09:30:00+00:00", 1767605400000, 0, "2026-01-05T09:30:00Z"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        int64_t instant_ms = -1;
        if (ds_instant_parse(text_of(cases[i].text), &instant_ms) != DS_OK ||
            instant_ms != cases[i].instant_ms) {
            fail_msg("%s: %lld", cases[i].text, (long long)instant_ms);
        }
        struct ds_builder out = fresh();
        ds_put_instant(&out, instant_ms, cases[i].offset_min);
        assert_string_equal(ds_builder_text(&out), cases[i].back);
    }
    static const char *const bad[] = {
        "",
        "2026-01-05",
        "2026-01-05T09:30:00",
        "2026-01-05 09:30:00Z",
        "2026-01-05t09:30:00Z",
        "2026-01-05T09:30:00z",
        "2026-01-05T09:30Z",
        "2026-01-05T24:00:00Z",
        "2026-01-05T09:60:00Z",
        "2026-01-05T09:30:60Z",
        "2026-01-05T09:30:00.Z",
        "2026-01-05T09:30:00.1234Z",
        "2026-01-05T09:30:00+8:00",
        "2026-01-05T09:30:00+0800",
        "2026-01-05T09:30:00+24:00",
        "2026-01-05T09:30:00+08:60",
        "2026-02-30T09:30:00Z",
        "1969-12-31T23:59:59Z",
        "2026-01-05T09:30:00Z ",
        "2026-01-05T09:30:00.",
        "2026-01-05T-9:30:00Z",
    };
    for (size_t i = 0; i < DS_COUNT(bad); i++) {
        int64_t instant_ms = -1;
        if (ds_instant_parse(text_of(bad[i]), &instant_ms) != DS_ERR_DECODE || instant_ms != -1) {
            fail_msg("%s was taken", bad[i]);
        }
    }
}

static void instant__random_ones_come_back_at_every_offset(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct prng prng = {seed};
        int64_t instant_ms = prng_between(&prng, 86400000, 253402214399999);
        int32_t offset_min = (int32_t)prng_between(&prng, -720, 840);
        int64_t back = 0;
        struct ds_builder out = fresh();
        ds_put_instant(&out, instant_ms, offset_min);
        struct ds_slice made = {memory, out.used};
        if (ds_instant_parse(made, &back) != DS_OK || back != instant_ms) {
            fail_msg("seed %llu", (unsigned long long)seed);
        }
        struct ds_date date = ds_date_of_instant(instant_ms, offset_min);
        struct ds_date said;
        assert_int_equal(ds_date_parse((struct ds_slice){memory, 10}, &said), DS_OK);
        assert_int_equal(ds_date_to_days(date), ds_date_to_days(said));
        assert_int_equal(ds_period_of_instant(instant_ms, offset_min),
                         said.year * 100 + said.month);
    }
}

static void instant__absurd_ones_print_and_do_not_overflow(void **state)
{
    (void)state;
    static const int64_t absurd[] = {INT64_MIN, INT64_MAX, -1, -62135596800001, 253402300800000};
    for (size_t i = 0; i < DS_COUNT(absurd); i++) {
        struct ds_builder out = fresh();
        ds_put_instant(&out, absurd[i], 840);
        ds_put_instant(&out, absurd[i], -720);
        assert_false(out.failed);
    }
    assert_int_equal(ds_period_of_instant(INT64_MAX, 0), 999912);
    assert_int_equal(ds_period_of_instant(INT64_MIN, 0), 101);
    assert_int_equal(ds_period_of_instant(-1, 0), 196912);
    assert_int_equal(ds_period_of_instant(-1, 1), 197001);
}

/* ---- Periods ---- */

static void period__months_add_and_subtract(void **state)
{
    (void)state;
    static const struct {
        int64_t period;
        bool ok;
    } edges[] = {{190001, true},   {190000, false}, {189912, false},  {202612, true},
                 {202613, false},  {202600, false}, {999912, true},   {999913, false},
                 {1000001, false}, {0, false},      {-202601, false}, {INT64_MAX, false}};
    for (size_t i = 0; i < DS_COUNT(edges); i++) {
        assert_int_equal(ds_period_ok(edges[i].period), edges[i].ok);
    }
    assert_int_equal(ds_period_add(202601, 0), 202601);
    assert_int_equal(ds_period_add(202601, -1), 202512);
    assert_int_equal(ds_period_add(202512, 1), 202601);
    assert_int_equal(ds_period_add(202601, 36), 202901);
    assert_int_equal(ds_period_add(202601, -36), 202301);
    assert_int_equal(ds_period_diff(202601, 202512), 1);
    assert_int_equal(ds_period_diff(202512, 202601), -1);
    for (int32_t months = -600; months <= 600; months++) {
        int32_t moved = ds_period_add(202601, months);
        assert_true(ds_period_ok(moved));
        assert_int_equal(ds_period_diff(moved, 202601), months);
    }
    assert_int_equal(ds_period_days(202402), 29);
    assert_int_equal(ds_period_days(202302), 28);
    assert_int_equal(ds_period_days(202601), 31);
    assert_int_equal(ds_period_days(202604), 30);
    assert_int_equal(ds_period_days(202613), 0);
    assert_int_equal(ds_period_days(-1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8__the_table_of_well_formed_sequences),
        cmocka_unit_test(utf8__every_code_point_and_every_short_sequence),
        cmocka_unit_test(hex__parses_whole_texts_only),
        cmocka_unit_test(base64url__vectors_of_rfc_4648),
        cmocka_unit_test(base64url__other_texts_are_refused),
        cmocka_unit_test(base64url__random_bytes_come_back),
        cmocka_unit_test(int__whole_numbers_and_nothing_else),
        cmocka_unit_test(fixed__decimal_numbers_at_a_scale),
        cmocka_unit_test(fixed__numbers_of_every_magnitude_come_back),
        cmocka_unit_test(date__every_day_of_ten_thousand_years_is_the_next_one),
        cmocka_unit_test(date__texts),
        cmocka_unit_test(instant__texts_with_offset),
        cmocka_unit_test(instant__random_ones_come_back_at_every_offset),
        cmocka_unit_test(instant__absurd_ones_print_and_do_not_overflow),
        cmocka_unit_test(period__months_add_and_subtract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

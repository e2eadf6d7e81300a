#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "schema/codec/record_json_jansson.h"
#include "schema/codec/record_mp.h"
#include "tests/support/prng.h"
#include "tests/support/random_record.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t arena_memory[1 << 20];
static uint8_t out_memory[1 << 20];

static const struct ds_record_type *type_of(const char *name)
{
    const struct ds_record_type *type = ds_record_type_by_name(ds_slice_of_text(name));
    assert_non_null(type);
    return type;
}

static const struct ds_field *field_of(const char *record, const char *name)
{
    const struct ds_field *field = ds_field_by_name(type_of(record), ds_slice_of_text(name));
    assert_non_null(field);
    return field;
}

static struct ds_builder fresh(void)
{
    struct ds_builder out;
    ds_builder_init(&out, out_memory, sizeof(out_memory));
    return out;
}

static void string__is_escaped(void **state)
{
    (void)state;
    const struct {
        struct ds_slice text;
        const char *json;
    } cases[] = {
        {DS_SLICE_LIT(""), "\"\""},
        {DS_SLICE_LIT("表\"\\/"), "\"表\\\"\\\\/\""},
        {DS_SLICE_LIT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {DS_SLICE_LIT("\x00\x1F\x7F"), "\"\\u0000\\u001f\\u007f\""},
        {DS_SLICE_LIT("a\x80z"), "\"a\xEF\xBF\xBDz\""},
        {DS_SLICE_LIT("\xE8\xA1"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {DS_SLICE_LIT("\xED\xA0\x80 "), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD \""},
        {DS_SLICE_LIT("😀"), "\"😀\""},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_builder out = fresh();
        ds_json_put_string(&out, cases[i].text);
        assert_string_equal(ds_builder_text(&out), cases[i].json);
    }
}

static void string__any_bytes_give_json_that_a_strict_parser_takes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct prng prng = {seed};
        uint8_t bytes[24];
        size_t size = prng_below(&prng, sizeof(bytes) + 1);
        json_t *json = NULL;
        prng_fill(&prng, bytes, sizeof(bytes));
        for (size_t i = 0; i < size; i++) {
            bytes[i] |= bytes[i] == 0; /* jansson takes no NUL, on purpose. */
        }
        struct ds_builder out = fresh();
        ds_json_put_string(&out, (struct ds_slice){bytes, size});
        assert_int_equal(ds_json_parse((struct ds_slice){out.data, out.used}, &json, NULL), DS_OK);
        if (ds_utf8_ok((struct ds_slice){bytes, size})) {
            assert_int_equal(json_string_length(json), size);
            assert_memory_equal(json_string_value(json), bytes, size);
        }
        json_decref(json);
    }
}

static void record__reads_like_this(void **state)
{
    (void)state;
    struct ds_meter meter;
    memset(&meter, 0, sizeof(meter));
    DS_SET(&meter, meter, meter_no, DS_SLICE_LIT("A-1"));
    DS_SET(&meter, meter, kind, DS_METER_KIND_remote);
    DS_SET(&meter, meter, dial_digits, 5);
    ds_clear(&meter.presence, DS_PLACE_meter_place);
    meter.book.byte[0] = 0xAB;
    ds_mark(&meter.presence, DS_PLACE_meter_book);
    struct ds_builder out = fresh();
    ds_json_put_record(&out, type_of("meter"), &meter, NULL);
    assert_string_equal(ds_builder_text(&out),
                        "{\"meter_no\":\"A-1\",\"kind\":\"remote\","
                        "\"book\":\"ab000000000000000000000000000000\",\"dial_digits\":5,"
                        "\"place\":null}");
    /* A word that this build does not know is its number. */
    DS_SET(&meter, meter, kind, 99);
    out = fresh();
    bool first = true;
    ds_json_put_name(&out, "id", &first);
    ds_json_put_string(&out, DS_SLICE_LIT("x"));
    ds_json_put_fields(&out, type_of("meter"), &meter, NULL, &first);
    assert_non_null(
        strstr(ds_builder_text(&out), "\"id\":\"x\",\"meter_no\":\"A-1\",\"kind\":99,"));
}

static bool open_phone(void *context, const struct ds_field *field, struct ds_slice sealed,
                       struct ds_slice *clear)
{
    assert_true(ds_slice_equal(sealed, DS_SLICE_LIT("\x01\x02")));
    *clear = ds_slice_of_text(context);
    return strcmp(field->name, "phone") == 0;
}

static void record__personal_fields_are_shown_only_through_an_opener(void **state)
{
    (void)state;
    char number[] = "0311-555";
    struct ds_account account;
    memset(&account, 0, sizeof(account));
    DS_SET(&account, account, name, DS_SLICE_LIT("\x01\x02"));
    DS_SET(&account, account, phone, DS_SLICE_LIT("\x01\x02"));
    struct ds_builder out = fresh();
    ds_json_put_record(&out, type_of("account"), &account, NULL);
    assert_string_equal(ds_builder_text(&out), "{}");
    struct ds_opener opener = {open_phone, number};
    out = fresh();
    ds_json_put_record(&out, type_of("account"), &account, &opener);
    assert_string_equal(ds_builder_text(&out), "{\"phone\":\"0311-555\"}");
    ds_clear(&account.presence, DS_PLACE_account_name);
    out = fresh();
    ds_json_put_record(&out, type_of("account"), &account, NULL);
    assert_string_equal(ds_builder_text(&out), "{\"name\":null}");
}

static void value__raw_msgpack_becomes_json(void **state)
{
    (void)state;
    const struct {
        const char *record;
        const char *field;
        struct ds_slice raw;
        const char *json; /* NULL: refused. */
    } cases[] = {
        {"meter", "kind", DS_SLICE_LIT("\x01"), "\"mechanical\""},
        {"meter", "kind", DS_SLICE_LIT("\xC0"), "null"},
        {"meter", "kind", DS_SLICE_LIT("\xC0\xC0"), NULL},
        {"meter", "kind", DS_SLICE_LIT("\xA1x"), NULL},
        {"meter", "kind", DS_SLICE_LIT(""), NULL},
        {"meter", "dial_digits", DS_SLICE_LIT("\x05"), "5"},
        {"meter", "dial_digits", DS_SLICE_LIT("\x05\x05"), NULL},
        {"reading", "scanned", DS_SLICE_LIT("\xC2"), "false"},
        {"account", "phone", DS_SLICE_LIT("\xC4\x02zz"), "null"},
        {"asset", "geometry", DS_SLICE_LIT("\xC4\x03\xFF\xFE\x00"), "\"__4A\""},
        {"premises", "photos", DS_SLICE_LIT("\xC4\x00"), "[]"},
        {"premises", "photos", DS_SLICE_LIT("\x92\xC4\x00\xC4\x00"), "{\"add\":[],\"remove\":[]}"},
        {"premises", "photos", DS_SLICE_LIT("\x91\xC4\x00"), NULL},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_builder out = fresh();
        enum ds_err err =
            ds_json_put_field_value(&out, field_of(cases[i].record, cases[i].field), cases[i].raw);
        assert_int_equal(err, cases[i].json != NULL ? DS_OK : DS_ERR_SCHEMA);
        assert_string_equal(ds_builder_text(&out), cases[i].json != NULL ? cases[i].json : "");
    }
    uint8_t raw[200];
    uint8_t hashes[64] = {[31] = 1, [63] = 2};
    struct ds_builder value;
    ds_builder_init(&value, raw, sizeof(raw));
    ds_mp_put_bin(&value, (struct ds_slice){hashes, sizeof(hashes)});
    struct ds_builder out = fresh();
    assert_int_equal(ds_json_put_field_value(&out, field_of("premises", "photos"),
                                             (struct ds_slice){raw, value.used}),
                     DS_OK);
    assert_string_equal(ds_builder_text(&out),
                        "[\"0000000000000000000000000000000000000000000000000000000000000001\","
                        "\"0000000000000000000000000000000000000000000000000000000000000002\"]");
}

/* A seal for tests: the clear text with a mark in front. */
static enum ds_err seal(void *context, const struct ds_field *field, struct ds_slice clear,
                        struct ds_arena *arena, struct ds_slice *sealed)
{
    (void)context;
    (void)field;
    uint8_t *bytes = ds_arena_alloc(arena, clear.size + 1);
    if (bytes == NULL) {
        return DS_ERR_LIMIT;
    }
    bytes[0] = 0x5E;
    memcpy(bytes + 1, clear.data, clear.size);
    *sealed = (struct ds_slice){bytes, clear.size + 1};
    return DS_OK;
}

static bool open_seal(void *context, const struct ds_field *field, struct ds_slice sealed,
                      struct ds_slice *clear)
{
    (void)context;
    (void)field;
    *clear = (struct ds_slice){sealed.data + 1, sealed.size - 1};
    return true;
}

static void round_trip__records_of_every_type_come_back(void **state)
{
    (void)state;
    const struct ds_sealer sealer = {seal, NULL};
    const struct ds_opener opener = {open_seal, NULL};
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    for (uint64_t seed = 1; seed <= 100; seed++) {
        for (size_t i = 0; i < count; i++) {
            struct prng prng = {seed << 8 | i};
            struct ds_arena arena;
            union any_record made;
            union any_record back;
            struct ds_detail detail = {""};
            json_t *json = NULL;
            ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
            random_record(&prng, &types[i], &arena, false, &made);
            for (size_t f = 0; f < types[i].field_count; f++) {
                const struct ds_field *field = &types[i].fields[f];
                if (field->type == DS_TYPE_PERSONAL) {
                    struct ds_slice sealed = DS_SLICE_LIT("\x5E电话 \"1\"");
                    memcpy((uint8_t *)&made + field->offset, &sealed, sizeof(sealed));
                }
            }
            struct ds_builder out = fresh();
            ds_json_put_record(&out, &types[i], &made, &opener);
            struct ds_slice text;
            assert_int_equal(ds_builder_end(&out, &text), DS_OK);
            assert_int_equal(ds_json_parse(text, &json, &detail), DS_OK);
            enum ds_err err = ds_record_from_json(&types[i], json, &sealer, &arena, &back, &detail);
            json_decref(json);
            if (err != DS_OK) {
                fail_msg("seed %llu: %s", (unsigned long long)seed, detail.text);
            }
            const char *differs = record_difference(&types[i], &made, &back);
            if (differs != NULL) {
                fail_msg("seed %llu: %s.%s", (unsigned long long)seed, types[i].name, differs);
            }
        }
    }
}

static void read__what_is_wrong_is_named(void **state)
{
    (void)state;
#define H16 "0123456789abcdef"
#define H64 H16 H16 H16 H16
    static const struct {
        const char *type;
        const char *json;
        const char *detail;
    } cases[] = {
        {"book", "[]", "book: not an object"},
        {"book", "5", "book: not an object"},
        {"book", "{\"numbr\":\"B1\"}", "book.numbr: there is no such field"},
        {"book", "{\"number\":5}", "book.number: not a string"},
        {"book", "{\"number\":\"\"}", "book.number: too short or too long"},
        {"book", "{\"number\":\"01234567890123456789012345678901234567890\"}",
         "book.number: too short or too long"},
        {"book", "{\"cycle_months\":\"1\"}", "book.cycle_months: not an integer"},
        {"book", "{\"cycle_months\":1.0}", "book.cycle_months: not an integer"},
        {"book", "{\"cycle_months\":13}", "book.cycle_months: out of range"},
        {"book", "{\"cycle_months\":true}", "book.cycle_months: not an integer"},
        {"book", "{\"assignee\":\"12\"}", "book.assignee: not 32 hex digits"},
        {"book", "{\"assignee\":\"" H16 H16 "0\"}", "book.assignee: not 32 hex digits"},
        {"code", "{\"active\":1}", "code.active: not true or false"},
        {"meter", "{\"kind\":\"steam\"}", "meter.kind: not a word of its list"},
        {"meter", "{\"kind\":1}", "meter.kind: not a string"},
        {"reading", "{\"period\":202600}", "reading.period: not a month YYYYMM"},
        {"reading", "{\"photo\":\"" H16 "\"}", "reading.photo: not 64 hex digits"},
        {"swap", "{\"photos\":\"" H64 "\"}", "swap.photos: not an array"},
        {"swap", "{\"photos\":[5]}", "swap.photos: not an array of strings"},
        {"swap", "{\"photos\":[\"5\"]}", "swap.photos: not 64 hex digits"},
        {"swap", "{\"photos\":[\"" H64 "\",\"" H64 "\"]}", "swap.photos: one hash twice"},
        {"asset", "{\"geometry\":\"AAAA!AAA\"}", "asset.geometry: not base64url without padding"},
        {"asset", "{\"geometry\":\"AA==\"}", "asset.geometry: not base64url without padding"},
        {"asset", "{\"geometry\":\"AAAA\"}", "asset.geometry: too short or too long"},
        {"account", "{\"phone\":\"1\"}", "account.phone: personal data is not taken here"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_arena arena;
        union any_record record;
        struct ds_detail detail = {""};
        json_t *json = NULL;
        ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
        assert_int_equal(ds_json_parse(ds_slice_of_text(cases[i].json), &json, NULL), DS_OK);
        assert_int_equal(
            ds_record_from_json(type_of(cases[i].type), json, NULL, &arena, &record, &detail),
            DS_ERR_SCHEMA);
        assert_string_equal(detail.text, cases[i].detail);
        json_decref(json);
    }
}

static void read__personal_text_is_checked_before_it_is_sealed(void **state)
{
    (void)state;
    const struct ds_sealer sealer = {seal, NULL};
    char text[80];
    for (int size = 39; size <= 41; size++) {
        struct ds_arena arena;
        struct ds_account account;
        struct ds_detail detail = {""};
        json_t *json = NULL;
        (void)snprintf(text, sizeof(text), "{\"phone\":\"%0*d\"}", size, 1);
        ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
        assert_int_equal(ds_json_parse(ds_slice_of_text(text), &json, NULL), DS_OK);
        enum ds_err err =
            ds_record_from_json(type_of("account"), json, &sealer, &arena, &account, &detail);
        assert_int_equal(err, size <= 40 ? DS_OK : DS_ERR_SCHEMA);
        assert_string_equal(detail.text, size <= 40 ? "" : "account.phone: too short or too long");
        json_decref(json);
    }
}

static void read__a_full_arena_is_a_limit(void **state)
{
    (void)state;
    struct ds_arena arena;
    struct ds_book book;
    struct ds_detail detail = {""};
    json_t *json = NULL;
    assert_int_equal(ds_json_parse(DS_SLICE_LIT("{\"name\":\"0123456789\"}"), &json, NULL), DS_OK);
    ds_arena_init(&arena, arena_memory, 9);
    assert_int_equal(ds_record_from_json(type_of("book"), json, NULL, &arena, &book, &detail),
                     DS_ERR_LIMIT);
    assert_string_equal(detail.text, "book.name: larger or longer than allowed");
    ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
    assert_int_equal(ds_record_from_json(type_of("book"), json, NULL, &arena, &book, &detail),
                     DS_OK);
    json_decref(json);
    assert_true(ds_slice_equal(book.name, DS_SLICE_LIT("0123456789")));
}

static void parse__bad_texts_are_placed(void **state)
{
    (void)state;
    const struct {
        struct ds_slice text;
        const char *detail;
    } cases[] = {
        {DS_SLICE_LIT(""), "line 1, column 0: unexpected token"},
        {DS_SLICE_LIT("{\n \"a\":1,\n \"a\":2}"), "line 3, column 4: duplicate object key"},
        {DS_SLICE_LIT("[1\0]"), "a NUL byte"},
        {DS_SLICE_LIT("{} {}"), "line 1, column 4: end of file expected"},
        {DS_SLICE_LIT("[1e999]"), "line 1, column 6: real number overflow"},
        {DS_SLICE_LIT("[9223372036854775808]"), "line 1, column 20: too big integer"},
        {DS_SLICE_LIT("[\"\\u0000\"]"),
         "line 1, column 9: \\u0000 is not allowed without JSON_ALLOW_NUL"},
        {DS_SLICE_LIT("[\"\\ud800\"]"), "line 1, column 9: invalid Unicode '\\uD800'"},
        {DS_SLICE_LIT("\"\xFF\""), "line 1, column 1: unable to decode byte 0xff"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_detail detail = {""};
        json_t *json = (json_t *)&detail;
        assert_int_equal(ds_json_parse(cases[i].text, &json, &detail), DS_ERR_DECODE);
        assert_null(json);
        assert_string_equal(detail.text, cases[i].detail);
    }
}

/* B14: deep JSON, and huge JSON. */
static void parse__b14_depth_32_passes_and_33_does_not(void **state)
{
    (void)state;
    for (unsigned depth = 31; depth <= 34; depth++) {
        char text[200];
        size_t used = 0;
        json_t *json = NULL;
        struct ds_detail detail = {""};
        for (unsigned i = 0; i < depth; i++) {
            text[used++] = '[';
        }
        for (unsigned i = 0; i < depth; i++) {
            text[used++] = ']';
        }
        enum ds_err err =
            ds_json_parse((struct ds_slice){(const uint8_t *)text, used}, &json, &detail);
        assert_int_equal(err, depth <= DS_JSON_DEPTH_MAX ? DS_OK : DS_ERR_LIMIT);
        assert_string_equal(detail.text,
                            depth <= DS_JSON_DEPTH_MAX ? "" : "byte 32: nested deeper than 32");
        json_decref(json);
    }
    /* Brackets in strings are no nesting, also behind an escaped quote. */
    assert_int_equal(ds_json_check_depth(DS_SLICE_LIT("[\"[[[\\\"[[\\\\\"]"), 1, NULL), DS_OK);
    assert_int_equal(ds_json_check_depth(DS_SLICE_LIT("[\"\\\\\"[]]"), 1, NULL), DS_ERR_LIMIT);
    assert_int_equal(ds_json_check_depth(DS_SLICE_LIT("[{}]"), 1, NULL), DS_ERR_LIMIT);
    assert_int_equal(ds_json_check_depth(DS_SLICE_LIT("[{}]"), 2, NULL), DS_OK);
    assert_int_equal(ds_json_check_depth(DS_SLICE_LIT("]]]][]"), 1, NULL), DS_OK);
    assert_int_equal(ds_json_check_depth(DS_SLICE_LIT("\"\\"), 0, NULL), DS_OK);
}

static void parse__b14_a_megabyte_passes_and_one_byte_more_does_not(void **state)
{
    (void)state;
    char *text = malloc(DS_JSON_SIZE_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', DS_JSON_SIZE_MAX + 1);
    for (size_t size = DS_JSON_SIZE_MAX; size <= DS_JSON_SIZE_MAX + 1; size++) {
        json_t *json = NULL;
        text[0] = '"';
        text[DS_JSON_SIZE_MAX - 1] = size == DS_JSON_SIZE_MAX ? '"' : 'x';
        text[size - 1] = '"';
        struct ds_slice slice = {(const uint8_t *)text, size};
        assert_int_equal(ds_json_parse(slice, &json, NULL),
                         size == DS_JSON_SIZE_MAX ? DS_OK : DS_ERR_LIMIT);
        json_decref(json);
        assert_int_equal(ds_json_parse_sized(slice, size, &json, NULL), DS_OK);
        json_decref(json);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(string__is_escaped),
        cmocka_unit_test(string__any_bytes_give_json_that_a_strict_parser_takes),
        cmocka_unit_test(record__reads_like_this),
        cmocka_unit_test(record__personal_fields_are_shown_only_through_an_opener),
        cmocka_unit_test(value__raw_msgpack_becomes_json),
        cmocka_unit_test(round_trip__records_of_every_type_come_back),
        cmocka_unit_test(read__what_is_wrong_is_named),
        cmocka_unit_test(read__personal_text_is_checked_before_it_is_sealed),
        cmocka_unit_test(read__a_full_arena_is_a_limit),
        cmocka_unit_test(parse__bad_texts_are_placed),
        cmocka_unit_test(parse__b14_depth_32_passes_and_33_does_not),
        cmocka_unit_test(parse__b14_a_megabyte_passes_and_one_byte_more_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

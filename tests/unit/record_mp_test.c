#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "tests/support/prng.h"
#include "tests/support/random_record.h"
#include "tests/support/test.h"

#include <string.h>

static uint8_t arena_memory[1 << 20];
static uint8_t bytes_a[1 << 19];
static uint8_t bytes_b[1 << 19];

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

static struct ds_slice encode(const struct ds_record_type *type, const void *record, void *memory)
{
    struct ds_builder out;
    struct ds_slice made = {NULL, 0};
    ds_builder_init(&out, memory, sizeof(bytes_a));
    assert_int_equal(ds_record_encode(type, record, &out), DS_OK);
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    return made;
}

static void encode__a_record_has_these_bytes(void **state)
{
    (void)state;
    struct ds_book book;
    memset(&book, 0, sizeof(book));
    DS_SET(&book, book, number, DS_SLICE_LIT("B7"));
    DS_SET(&book, book, cycle_months, 2);
    ds_clear(&book.presence, DS_PLACE_book_name);
    book.assignee.byte[15] = 9;
    ds_mark(&book.presence, DS_PLACE_book_assignee);
    struct ds_slice made = encode(type_of("book"), &book, bytes_a);
    struct ds_builder text;
    uint8_t memory[200];
    ds_builder_init(&text, memory, sizeof(memory));
    ds_mp_describe(made, &text);
    assert_string_equal(ds_builder_text(&text),
                        "{1: \"B7\", 2: nil, 3: 2, 5: h'00000000000000000000000000000009'}");
}

static void round_trip__records_of_every_type_come_back(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        for (size_t i = 0; i < count; i++) {
            struct prng prng = {seed << 8 | i};
            struct ds_arena arena;
            union any_record made;
            union any_record back;
            struct ds_detail detail = {""};
            ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
            random_record(&prng, &types[i], &arena, seed % 2 == 0, &made);
            if (ds_validate(&types[i], &made, seed % 2 == 0, NULL, &detail) != DS_OK) {
                fail_msg("seed %llu: %s", (unsigned long long)seed, detail.text);
            }
            struct ds_slice bytes = encode(&types[i], &made, bytes_a);
            assert_int_equal(ds_mp_scan(bytes, NULL), DS_OK);
            assert_int_equal(ds_record_decode(&types[i], bytes, NULL, &back, &detail), DS_OK);
            const char *differs = record_difference(&types[i], &made, &back);
            if (differs != NULL) {
                fail_msg("seed %llu: %s.%s", (unsigned long long)seed, types[i].name, differs);
            }
        }
    }
}

/* A map of known and unknown tags decodes, and encodes to the same bytes. */
static void check_unknown(const char *literal, size_t size, unsigned unknown_count,
                          bool needs_arena)
{
    struct ds_slice bytes = {(const uint8_t *)literal, size};
    struct ds_arena arena;
    struct ds_book book;
    ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
    assert_int_equal(ds_record_decode(type_of("book"), bytes, NULL, &book, NULL),
                     needs_arena ? DS_ERR_LIMIT : DS_OK);
    assert_int_equal(ds_record_decode(type_of("book"), bytes, &arena, &book, NULL), DS_OK);
    assert_int_equal(book.presence.unknown_count, unknown_count);
    struct ds_slice back = encode(type_of("book"), &book, bytes_b);
    assert_int_equal(back.size, bytes.size);
    assert_memory_equal(back.data, bytes.data, bytes.size);
}

static void unknown__pairs_are_kept_in_their_places(void **state)
{
    (void)state;
#define CHECK(literal, count, arena) check_unknown(literal, sizeof(literal) - 1, count, arena)
    CHECK("\x80", 0, false);
    CHECK("\x81\x03\x02", 0, false);
    CHECK("\x81\x32\xA3\xE8\xA1\xA8", 1, false);
    CHECK("\x83\x03\x02\x32\x01\x33\x92\x01\xC0", 2, false);
    CHECK("\x82\x06\xC0\x7F\x83\x01\x02\x03\x04\x05\x06", 2, false);
#undef CHECK
}

static void unknown__pairs_that_lie_apart_need_an_arena(void **state)
{
    (void)state;
    /* visit has 11 fields without holes, so a table with one is made here. */
    const struct ds_record_type *book = type_of("book");
    struct ds_field fields[2] = {book->fields[0], book->fields[2]};
    struct ds_record_type holed = *book;
    holed.fields = fields;
    holed.field_count = 2;
    static const char literal[] = "\x85\x01\xA1x\x02\xA1y\x03\x05\x04\x07\x05\xC0";
    struct ds_slice bytes = {(const uint8_t *)literal, sizeof(literal) - 1};
    struct ds_arena arena;
    struct ds_book made;
    ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
    assert_int_equal(ds_record_decode(&holed, bytes, NULL, &made, NULL), DS_ERR_LIMIT);
    ds_arena_init(&arena, arena_memory, 4);
    assert_int_equal(ds_record_decode(&holed, bytes, &arena, &made, NULL), DS_ERR_LIMIT);
    ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
    assert_int_equal(ds_record_decode(&holed, bytes, &arena, &made, NULL), DS_OK);
    assert_int_equal(made.presence.unknown_count, 3);
    assert_true(ds_slice_equal(made.presence.unknown, DS_SLICE_LIT("\x02\xA1y\x04\x07\x05\xC0")));
    struct ds_slice back = encode(&holed, &made, bytes_b);
    assert_true(ds_slice_equal(back, bytes));
}

static void unknown__damaged_pairs_are_not_written(void **state)
{
    (void)state;
    const struct {
        struct ds_slice pairs;
        uint32_t count;
    } cases[] = {
        {DS_SLICE_LIT("\x32"), 1},             /* No value. */
        {DS_SLICE_LIT("\x32\x01\x32\x02"), 2}, /* Not ascending. */
        {DS_SLICE_LIT("\x32\x01"), 2},         /* Fewer than counted. */
        {DS_SLICE_LIT("\x32\x01\x33\x01"), 1}, /* More than counted. */
        {DS_SLICE_LIT("\x03\x01"), 1},         /* A tag that is known. */
        {DS_SLICE_LIT("\xCC\x80\x01"), 1},     /* Not a tag. */
        {DS_SLICE_LIT("\xC0\x01"), 1},         /* Not a tag. */
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_book book;
        struct ds_builder out;
        memset(&book, 0, sizeof(book));
        book.presence.unknown = cases[i].pairs;
        book.presence.unknown_count = cases[i].count;
        ds_builder_init(&out, bytes_a, sizeof(bytes_a));
        assert_int_equal(ds_record_encode(type_of("book"), &book, &out), DS_ERR_DECODE);
    }
}

static void encode__what_does_not_fit_is_a_limit(void **state)
{
    (void)state;
    struct ds_book book;
    memset(&book, 0, sizeof(book));
    DS_SET(&book, book, number, DS_SLICE_LIT("B7"));
    for (size_t room = 0; room <= 5; room++) {
        struct ds_builder out;
        ds_builder_init(&out, bytes_a, room);
        assert_int_equal(ds_record_encode(type_of("book"), &book, &out),
                         room < 5 ? DS_ERR_LIMIT : DS_OK);
    }
}

static void decode__wrong_types_are_named(void **state)
{
    (void)state;
    const struct {
        struct ds_slice bytes;
        enum ds_err err;
        const char *detail;
    } cases[] = {
        {DS_SLICE_LIT("\x81\x01\x05"), DS_ERR_SCHEMA, "book.number: a value of another type"},
        {DS_SLICE_LIT("\x81\x03\xA1x"), DS_ERR_SCHEMA,
         "book.cycle_months: a value of another type"},
        {DS_SLICE_LIT("\x81\x03\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), DS_ERR_SCHEMA,
         "book.cycle_months: a value of another type"},
        {DS_SLICE_LIT("\x81\x05\xC4\x01x"), DS_ERR_SCHEMA,
         "book.assignee: a value of another type"},
        {DS_SLICE_LIT("\x81\x05\xA1x"), DS_ERR_SCHEMA, "book.assignee: a value of another type"},
        {DS_SLICE_LIT("\x81\x00\xC0"), DS_ERR_DECODE, "book: a tag outside 1..127"},
        {DS_SLICE_LIT("\x81\xCC\x80\xC0"), DS_ERR_DECODE, "book: a tag outside 1..127"},
        {DS_SLICE_LIT("\x91\xC0"), DS_ERR_DECODE, "book: not a map"},
        {DS_SLICE_LIT(""), DS_ERR_DECODE, "byte 0: truncated"},
        {DS_SLICE_LIT("\x82\x03\x01\x03\x01"), DS_ERR_DECODE,
         "byte 3: map keys that do not ascend"},
        {DS_SLICE_LIT("\x80\x80"), DS_ERR_DECODE, "byte 1: bytes behind the value"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_book book;
        struct ds_detail detail = {""};
        assert_int_equal(ds_record_decode(type_of("book"), cases[i].bytes, NULL, &book, &detail),
                         cases[i].err);
        assert_string_equal(detail.text, cases[i].detail);
        assert_int_equal(ds_record_decode(type_of("book"), cases[i].bytes, NULL, &book, NULL),
                         cases[i].err);
    }
}

static void decode__each_damaged_byte_is_refused_or_still_canonical(void **state)
{
    (void)state;
    const struct ds_record_type *type = type_of("reading");
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct prng prng = {seed};
        struct ds_arena arena;
        union any_record made;
        ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
        random_record(&prng, type, &arena, true, &made);
        struct ds_slice bytes = encode(type, &made, bytes_a);
        for (size_t at = 0; at < bytes.size; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                union any_record back;
                bytes_a[at] ^= (uint8_t)(1U << bit);
                if (ds_record_decode(type, bytes, &arena, &back, NULL) == DS_OK) {
                    struct ds_slice again = encode(type, &back, bytes_b);
                    assert_true(ds_slice_equal(again, bytes));
                }
                bytes_a[at] ^= (uint8_t)(1U << bit);
            }
            union any_record cut;
            assert_int_equal(
                ds_record_decode(type, (struct ds_slice){bytes.data, at}, &arena, &cut, NULL),
                DS_ERR_DECODE);
        }
    }
}

static void check__values_inside_ops(void **state)
{
    (void)state;
    const struct {
        const char *record;
        const char *field;
        struct ds_slice raw;
        const char *plain; /* Wrong as a value; NULL: right. */
        const char *op;    /* Wrong inside an op. */
    } cases[] = {
        {"book", "cycle_months", DS_SLICE_LIT("\x01"), NULL, NULL},
        {"book", "cycle_months", DS_SLICE_LIT("\x0C"), NULL, NULL},
        {"book", "cycle_months", DS_SLICE_LIT("\x00"), "cycle_months: out of range",
         "cycle_months: out of range"},
        {"book", "cycle_months", DS_SLICE_LIT("\x0D"), "cycle_months: out of range",
         "cycle_months: out of range"},
        {"book", "cycle_months", DS_SLICE_LIT("\xC0"), "cycle_months: a value of another type",
         NULL},
        {"book", "cycle_months", DS_SLICE_LIT(""), "cycle_months: a value of another type",
         "cycle_months: a value of another type"},
        {"book", "cycle_months", DS_SLICE_LIT("\x01\x01"), "cycle_months: bytes behind the value",
         "cycle_months: bytes behind the value"},
        {"book", "cycle_months", DS_SLICE_LIT("\xC0\xC0"), "cycle_months: a value of another type",
         "cycle_months: a value of another type"},
        {"book", "number", DS_SLICE_LIT("\xA1x"), NULL, NULL},
        {"book", "number", DS_SLICE_LIT("\xA0"), "number: too short or too long",
         "number: too short or too long"},
        {"book", "number", DS_SLICE_LIT("\xC0"), "number: a value of another type",
         "number: may not be cleared"},
        {"book", "number", DS_SLICE_LIT("\xA1\x00"), "number: contains a NUL",
         "number: contains a NUL"},
        {"book", "number", DS_SLICE_LIT("\xA1\xFF"), "number: a value of another type",
         "number: a value of another type"},
        {"meter", "kind", DS_SLICE_LIT("\x03"), NULL, NULL},
        {"meter", "kind", DS_SLICE_LIT("\x04"), "kind: not a word of its list",
         "kind: not a word of its list"},
        {"meter", "kind", DS_SLICE_LIT("\x00"), "kind: not a word of its list",
         "kind: not a word of its list"},
        {"reading", "scanned", DS_SLICE_LIT("\xC3"), NULL, NULL},
        {"reading", "scanned", DS_SLICE_LIT("\x01"), "scanned: a value of another type",
         "scanned: a value of another type"},
        {"reading", "period", DS_SLICE_LIT("\xCE\x00\x03\x17\x69"), NULL, NULL}, /* 202601 */
        {"reading", "period", DS_SLICE_LIT("\xCE\x00\x03\x17\x68"), "period: not a month YYYYMM",
         "period: not a month YYYYMM"}, /* 202600 */
        {"premises", "photos", DS_SLICE_LIT("\xC4\x00"), NULL,
         "photos: not a pair of sets of hashes"},
        {"premises", "photos", DS_SLICE_LIT("\xC4\x01x"), "photos: not a set of hashes",
         "photos: not a pair of sets of hashes"},
        {"premises", "photos", DS_SLICE_LIT("\xC0"), "photos: a value of another type",
         "photos: not a pair of sets of hashes"},
        {"premises", "photos", DS_SLICE_LIT("\x92\xC4\x00\xC4\x00"),
         "photos: a value of another type", NULL},
        {"premises", "photos", DS_SLICE_LIT("\x93\xC4\x00\xC4\x00\xC0"),
         "photos: a value of another type", "photos: not a pair of sets of hashes"},
        {"premises", "photos", DS_SLICE_LIT("\x91\xC4\x00"), "photos: a value of another type",
         "photos: not a pair of sets of hashes"},
        {"premises", "photos", DS_SLICE_LIT("\x92\xC4\x01x\xC4\x00"),
         "photos: a value of another type", "photos: not a pair of sets of hashes"},
        {"premises", "photos", DS_SLICE_LIT("\x92\xC4\x00\xC0"), "photos: a value of another type",
         "photos: not a pair of sets of hashes"},
        {"account", "phone", DS_SLICE_LIT("\xC4\x03zzz"), NULL, NULL},
        {"account", "phone", DS_SLICE_LIT("\xA3zzz"), "phone: a value of another type",
         "phone: a value of another type"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        const struct ds_field *field = field_of(cases[i].record, cases[i].field);
        for (int op = 0; op < 2; op++) {
            struct ds_detail detail = {""};
            const char *wrong = op ? cases[i].op : cases[i].plain;
            enum ds_err err = op ? ds_field_check_op_value(field, cases[i].raw, &detail)
                                 : ds_field_check_value(field, cases[i].raw, &detail);
            assert_int_equal(err, wrong == NULL ? DS_OK : DS_ERR_SCHEMA);
            assert_string_equal(detail.text, wrong == NULL ? "" : wrong);
        }
    }
}

static void union__sixteen_hashes_pass_and_seventeen_do_not(void **state)
{
    (void)state;
    uint8_t hashes[17 * 32];
    uint8_t memory[1300];
    memset(hashes, 0, sizeof(hashes));
    for (size_t i = 0; i < 17; i++) {
        hashes[i * 32] = (uint8_t)i;
    }
    for (size_t count = 15; count <= 17; count++) {
        struct ds_builder out;
        struct ds_slice add;
        struct ds_slice remove;
        struct ds_slice none = {NULL, 0};
        struct ds_slice all = {hashes, count * 32};
        ds_builder_init(&out, memory, sizeof(memory));
        ds_mp_put_union(&out, all, none);
        enum ds_err err = ds_union_decode((struct ds_slice){memory, out.used}, &add, &remove);
        assert_int_equal(err, count <= DS_HASHES_MAX ? DS_OK : DS_ERR_SCHEMA);
        if (err == DS_OK) {
            assert_true(ds_slice_equal(add, all));
            assert_int_equal(remove.size, 0);
        }
        ds_builder_init(&out, memory, sizeof(memory));
        ds_mp_put_union(&out, none, all);
        assert_int_equal(ds_union_decode((struct ds_slice){memory, out.used}, &add, &remove), err);
    }
    /* Not ascending, and twice the same. */
    hashes[0] = 1;
    struct ds_builder out;
    struct ds_slice add;
    struct ds_slice remove;
    for (uint8_t second = 0; second <= 2; second++) {
        hashes[32] = second;
        ds_builder_init(&out, memory, sizeof(memory));
        ds_mp_put_union(&out, (struct ds_slice){hashes, 64}, (struct ds_slice){NULL, 0});
        assert_int_equal(ds_union_decode((struct ds_slice){memory, out.used}, &add, &remove),
                         second == 2 ? DS_OK : DS_ERR_SCHEMA);
    }
}

static void encode_op__sets_become_pairs_and_the_rest_is_the_same(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    unsigned pairs_seen = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        for (size_t i = 0; i < count; i++) {
            struct prng prng = {seed << 8 | i};
            struct ds_arena arena;
            union any_record made;
            struct ds_builder out;
            ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
            random_record(&prng, &types[i], &arena, true, &made);
            ds_builder_init(&out, bytes_a, sizeof(bytes_a));
            assert_int_equal(ds_record_encode_op(&types[i], &made, &out), DS_OK);
            struct ds_cursor in;
            ds_cursor_init(&in, (struct ds_slice){bytes_a, out.used});
            uint32_t pairs = ds_mp_take_map(&in);
            while (pairs-- > 0) {
                const struct ds_field *field = ds_field_by_tag(&types[i], ds_mp_take_uint(&in));
                struct ds_slice raw = ds_mp_take_value(&in);
                bool set = field->policy == DS_POLICY_UNION;
                bool cleared = ds_slice_equal(raw, DS_SLICE_LIT("\xC0"));
                bool may = !cleared || (!set && field->need == DS_NEED_OPTIONAL);
                pairs_seen += set && !cleared;
                assert_int_equal(ds_field_check_op_value(field, raw, NULL),
                                 may ? DS_OK : DS_ERR_SCHEMA);
            }
            assert_int_equal(ds_cursor_end(&in), DS_OK);
        }
    }
    assert_true(pairs_seen > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode__a_record_has_these_bytes),
        cmocka_unit_test(round_trip__records_of_every_type_come_back),
        cmocka_unit_test(unknown__pairs_are_kept_in_their_places),
        cmocka_unit_test(unknown__pairs_that_lie_apart_need_an_arena),
        cmocka_unit_test(unknown__damaged_pairs_are_not_written),
        cmocka_unit_test(encode__what_does_not_fit_is_a_limit),
        cmocka_unit_test(decode__wrong_types_are_named),
        cmocka_unit_test(decode__each_damaged_byte_is_refused_or_still_canonical),
        cmocka_unit_test(check__values_inside_ops),
        cmocka_unit_test(union__sixteen_hashes_pass_and_seventeen_do_not),
        cmocka_unit_test(encode_op__sets_become_pairs_and_the_rest_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "schema/codec/record_csv.h"
#include "tests/support/prng.h"
#include "tests/support/random_record.h"
#include "tests/support/test.h"

#include <string.h>

static uint8_t arena_memory[1 << 20];
static uint8_t out_memory[1 << 18];
static struct ds_csv csv;

union member {
    int64_t number;
    struct ds_slice slice;
    struct ds_id id;
    struct ds_hash hash;
};

static const struct ds_field *field_of(const char *record, const char *name)
{
    const struct ds_record_type *type = ds_record_type_by_name(ds_slice_of_text(record));
    assert_non_null(type);
    const struct ds_field *field = ds_field_by_name(type, ds_slice_of_text(name));
    assert_non_null(field);
    return field;
}

static void read__numbers_and_words(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        const char *field;
        const char *cell;
        unsigned scale;
        int64_t value;
    } cases[] = {
        {"meter", "dial_digits", "5", 0, 5},
        {"meter", "unit_l", "0.01", 3, 10},
        {"meter", "unit_l", "1", 3, 1000},
        {"meter", "unit_l", "10000000", 0, 10000000},
        {"premises", "lat_e7", "38.0428", 7, 380428000},
        {"premises", "lat_e7", "-90", 7, -900000000},
        {"premises", "lon_e7", "114.51486120", 7, 1145148612},
        {"premises", "floor", "-2", 0, -2},
        {"account", "balance_fen", "-12.3", 2, -1230},
        {"meter", "installed_day", "2020-03-01", 0, 18322},
        {"meter", "installed_day", "18322", 0, 18322},
        {"reading", "period", "202601", 0, 202601},
        {"reading", "period", "2026-01", 0, 202601},
        {"reading", "period", "2025-12", 0, 202512},
        {"reading", "instant_ms", "2026-01-05T09:30:00+08:00", 0, 1767576600000},
        {"reading", "instant_ms", "1767576600000", 0, 1767576600000},
        {"reading", "scanned", "1", 0, 1},
        {"reading", "scanned", "true", 0, 1},
        {"reading", "scanned", "0", 0, 0},
        {"reading", "scanned", "false", 0, 0},
        {"meter", "kind", "ic_card", 0, DS_METER_KIND_ic_card},
        {"meter", "kind", "远传表", 0, DS_METER_KIND_remote},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        union member member = {.number = -77};
        struct ds_detail detail = {""};
        enum ds_err err = ds_record_from_cell(field_of(cases[i].record, cases[i].field),
                                              ds_slice_of_text(cases[i].cell), cases[i].scale, NULL,
                                              &member, &detail);
        if (err != DS_OK || member.number != cases[i].value) {
            fail_msg("%s: %lld %s", cases[i].cell, (long long)member.number, detail.text);
        }
    }
}

static void read__what_is_wrong_is_named(void **state)
{
    (void)state;
#define H16 "0123456789abcdef"
#define H64 H16 H16 H16 H16
    static const struct {
        const char *record;
        const char *field;
        const char *cell;
        unsigned scale;
        const char *detail;
    } cases[] = {
        {"meter", "dial_digits", "", 0, "dial_digits: not a whole number"},
        {"meter", "dial_digits", "5 ", 0, "dial_digits: not a whole number"},
        {"meter", "dial_digits", "+5", 0, "dial_digits: not a whole number"},
        {"meter", "dial_digits", "05", 0, "dial_digits: not a whole number"},
        {"meter", "dial_digits", "5.0", 0, "dial_digits: not a whole number"},
        {"meter", "dial_digits", "0", 0, "dial_digits: out of range"},
        {"meter", "dial_digits", "13", 0, "dial_digits: out of range"},
        {"meter", "dial_digits", "99999999999999999999", 0, "dial_digits: out of range"},
        {"meter", "unit_l", "0.0005", 3, "unit_l: not a decimal number, or finer than its unit"},
        {"meter", "unit_l", "1e3", 3, "unit_l: not a decimal number, or finer than its unit"},
        {"meter", "unit_l", "9223372036854775807", 3, "unit_l: out of range"},
        {"premises", "lat_e7", "90.0000001", 7, "lat_e7: out of range"},
        {"meter", "installed_day", "2020-02-30", 0, "installed_day: not a date like 2026-01-05"},
        {"meter", "installed_day", "2020-3-1", 0, "installed_day: not a date like 2026-01-05"},
        {"reading", "period", "2026-13", 0, "period: not a month YYYYMM"},
        {"reading", "period", "2026-00", 0, "period: not a month YYYYMM"},
        {"reading", "period", "2026-1", 0, "period: not a month like 202601"},
        {"reading", "period", "2026/01", 0, "period: not a month like 202601"},
        {"reading", "period", "2026--1", 0, "period: not a month like 202601"},
        {"reading", "period", "202613", 0, "period: not a month YYYYMM"},
        {"reading", "instant_ms", "2026-01-05 09:30", 0,
         "instant_ms: not an instant like 2026-01-05T09:30:00+08:00"},
        {"reading", "scanned", "yes", 0, "scanned: not one of 1, 0, true, false"},
        {"reading", "scanned", "", 0, "scanned: not one of 1, 0, true, false"},
        {"meter", "kind", "Remote", 0, "kind: \"Remote\" is none of mechanical, ic_card, remote"},
        {"meter", "kind", "", 0, "kind: \"\" is none of mechanical, ic_card, remote"},
        {"meter", "kind", "1", 0, "kind: \"1\" is none of mechanical, ic_card, remote"},
        {"meter", "meter_no", "", 0, "meter_no: too short or too long"},
        {"book", "assignee", H16, 0, "assignee: not 32 hex digits"},
        {"reading", "photo", H16 H16, 0, "photo: not 64 hex digits"},
        {"swap", "photos", H64 " " H64, 0, "photos: one hash twice"},
        {"swap", "photos", H64 " ", 0, "photos: a space behind the last hash"},
        {"swap", "photos", " " H64, 0, "photos: not 64 hex digits"},
        {"swap", "photos", H64 "," H64, 0, "photos: not 64 hex digits"},
        {"asset", "geometry", "AAAAA", 0, "geometry: not base64url without padding"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        union member member;
        struct ds_detail detail = {""};
        struct ds_arena arena;
        ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
        assert_int_equal(ds_record_from_cell(field_of(cases[i].record, cases[i].field),
                                             ds_slice_of_text(cases[i].cell), cases[i].scale,
                                             &arena, &member, &detail),
                         DS_ERR_SCHEMA);
        assert_string_equal(detail.text, cases[i].detail);
    }
}

static void read__personal_cells_are_left_to_the_seal(void **state)
{
    (void)state;
    const struct ds_field *phone = field_of("account", "phone");
    union member member;
    struct ds_detail detail = {""};
    uint8_t long_text[41];
    memset(long_text, '1', sizeof(long_text));
    assert_int_equal(ds_record_from_cell(phone, DS_SLICE_LIT("1"), 0, NULL, &member, &detail),
                     DS_ERR_USAGE);
    assert_int_equal(ds_personal_check(phone, (struct ds_slice){long_text, 40}, NULL), DS_OK);
    assert_int_equal(ds_personal_check(phone, (struct ds_slice){NULL, 0}, NULL), DS_OK);
    assert_int_equal(ds_personal_check(phone, (struct ds_slice){long_text, 41}, &detail),
                     DS_ERR_SCHEMA);
    assert_string_equal(detail.text, "phone: too short or too long");
    assert_int_equal(ds_personal_check(phone, DS_SLICE_LIT("\xFF"), NULL), DS_ERR_SCHEMA);
    assert_int_equal(ds_personal_check(phone, DS_SLICE_LIT("a\0b"), NULL), DS_ERR_SCHEMA);
}

static void read__sets_are_sorted_and_sixteen_is_the_most(void **state)
{
    (void)state;
    char text[17 * 65 + 1];
    for (unsigned count = 15; count <= 17; count++) {
        struct ds_arena arena;
        union member member;
        memset(text, '0', sizeof(text));
        for (unsigned i = 0; i < count; i++) {
            /* Descending in the text. */
            text[i * 65] = "gfedcba9876543210"[i + 17 - count];
            text[i * 65 + 64] = ' ';
        }
        if (count == 17) {
            text[0] = 'f';
            text[1] = '1';
        }
        ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
        enum ds_err err =
            ds_record_from_cell(field_of("swap", "photos"),
                                (struct ds_slice){(const uint8_t *)text, (size_t)count * 65 - 1}, 0,
                                &arena, &member, NULL);
        assert_int_equal(err, count <= 16 ? DS_OK : DS_ERR_SCHEMA);
        if (err == DS_OK) {
            assert_int_equal(member.slice.size, count * 32);
            assert_null(ds_field_wrong(field_of("swap", "photos"), &member));
        }
    }
    struct ds_arena arena;
    union member member;
    ds_arena_init(&arena, arena_memory, 8);
    assert_int_equal(ds_record_from_cell(field_of("swap", "photos"), DS_SLICE_LIT(H64), 0, &arena,
                                         &member, NULL),
                     DS_ERR_LIMIT);
    assert_int_equal(ds_record_from_cell(field_of("asset", "geometry"), DS_SLICE_LIT(H64), 0,
                                         &arena, &member, NULL),
                     DS_ERR_LIMIT);
}

static void write__cells_by_unit(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        const char *field;
        int64_t value;
        struct ds_cell_form form;
        const char *cell;
    } cases[] = {
        {"meter", "dial_digits", 5, {0, false, 0}, "5"},
        {"premises", "lat_e7", -380428001, {7, true, 0}, "-38.0428001"},
        {"premises", "lat_e7", 0, {7, true, 0}, "0"},
        {"slot", "consumption_l", 10, {3, false, 0}, "0.01"},
        {"meter", "installed_day", 18322, {0, true, 0}, "2020-03-01"},
        {"meter", "installed_day", 18322, {0, false, 0}, "18322"},
        {"meter", "installed_day", INT64_MAX, {0, true, 0}, "9223372036854775807"},
        {"reading", "instant_ms", 1767576600000, {0, true, 480}, "2026-01-05T09:30:00+08:00"},
        {"reading", "instant_ms", 1767576600000, {0, false, 480}, "1767576600000"},
        {"reading", "instant_ms", -5, {0, true, 480}, "-5"},
        {"reading", "instant_ms", INT64_MAX, {0, true, 480}, "9223372036854775807"},
        {"reading", "instant_ms", INT64_MIN, {0, true, 480}, "-9223372036854775808"},
        {"reading", "dwell_ms", 5000, {0, true, 0}, "5000"},
        {"reading", "scanned", 1, {0, false, 0}, "true"},
        {"meter", "kind", 3, {0, false, 0}, "remote"},
        {"meter", "kind", 99, {0, false, 0}, "99"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_builder out;
        struct ds_csv_writer writer;
        ds_builder_init(&out, out_memory, sizeof(out_memory));
        ds_csv_writer_init(&writer, &out, ',');
        ds_put_cell(&writer, field_of(cases[i].record, cases[i].field), &cases[i].value,
                    cases[i].form);
        assert_string_equal(ds_builder_text(&out), cases[i].cell);
    }
}

static void write__personal_and_absent_members_are_empty_cells(void **state)
{
    (void)state;
    struct ds_builder out;
    struct ds_csv_writer writer;
    struct ds_slice sealed = DS_SLICE_LIT("secret");
    ds_builder_init(&out, out_memory, sizeof(out_memory));
    ds_csv_writer_init(&writer, &out, ',');
    ds_put_cell(&writer, field_of("account", "phone"), &sealed, (struct ds_cell_form){0});
    ds_put_cell(&writer, field_of("meter", "dial_digits"), NULL, (struct ds_cell_form){0});
    ds_csv_end_row(&writer);
    assert_string_equal(ds_builder_text(&out), ",\n");
}

/* Write one row of all fields, read it back. Clear personal cells are empty. */
static void check_round_trip(const struct ds_record_type *type, uint64_t seed)
{
    struct prng prng = {seed};
    struct ds_arena arena;
    struct ds_builder out;
    struct ds_csv_writer writer;
    struct ds_csv_row row;
    struct ds_detail detail = {""};
    union any_record made;
    ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
    ds_builder_init(&out, out_memory, sizeof(out_memory));
    ds_csv_writer_init(&writer, &out, ',');
    struct ds_cell_form form = {0, seed % 2 == 0, 480};
    random_record(&prng, type, &arena, true, &made);
    for (size_t f = 0; f < type->field_count; f++) {
        const struct ds_field *field = &type->fields[f];
        const uint8_t *member = (const uint8_t *)&made + field->offset;
        form.scale = field->unit == DS_UNIT_E7 ? 7 : 0;
        ds_put_cell(&writer, field, ds_has(&made.presence, field->index) ? member : NULL, form);
    }
    ds_csv_end_row(&writer);
    ds_csv_init(&csv, ',');
    ds_csv_feed(&csv, (struct ds_slice){out.data, out.used});
    if (ds_csv_next(&csv, &row, &detail) != DS_CSV_ROW) {
        fail_msg("%s, seed %llu: %s", type->name, (unsigned long long)seed, detail.text);
    }
    assert_int_equal(row.count, type->field_count);
    for (size_t f = 0; f < type->field_count; f++) {
        const struct ds_field *field = &type->fields[f];
        const uint8_t *member = (const uint8_t *)&made + field->offset;
        union member back;
        if (!ds_has(&made.presence, field->index) || field->type == DS_TYPE_PERSONAL) {
            assert_int_equal(row.cells[f].size, 0);
            continue;
        }
        struct ds_slice cell = row.cells[f];
        cell = field->type == DS_TYPE_TEXT ? ds_csv_unguard(cell) : cell;
        unsigned scale = field->unit == DS_UNIT_E7 ? 7 : 0;
        if (ds_record_from_cell(field, cell, scale, &arena, &back, &detail) != DS_OK ||
            !member_equal(field, member, &back)) {
            fail_msg("%s, seed %llu: %s: %.*s", type->name, (unsigned long long)seed, detail.text,
                     (int)cell.size, (const char *)cell.data);
        }
    }
}

static void round_trip__members_of_every_type_come_back(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    for (uint64_t seed = 1; seed <= 150; seed++) {
        for (size_t i = 0; i < count; i++) {
            check_round_trip(&types[i], seed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__numbers_and_words),
        cmocka_unit_test(read__what_is_wrong_is_named),
        cmocka_unit_test(read__personal_cells_are_left_to_the_seal),
        cmocka_unit_test(read__sets_are_sorted_and_sixteen_is_the_most),
        cmocka_unit_test(write__cells_by_unit),
        cmocka_unit_test(write__personal_and_absent_members_are_empty_cells),
        cmocka_unit_test(round_trip__members_of_every_type_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

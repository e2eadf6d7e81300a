#include "schema/record.h"
#include "tests/support/prng.h"
#include "tests/support/random_record.h"
#include "tests/support/test.h"

#include <string.h>

static uint8_t arena_memory[1 << 20];

static void table__numbers_and_names_find_their_record(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    assert_true(count >= 27);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(types[i].number, i + 1);
        assert_true(types[i].number <= DS_RECORD_NUMBER_MAX);
        assert_ptr_equal(ds_record_type_by_number(types[i].number), &types[i]);
        assert_ptr_equal(ds_record_type_by_name(ds_slice_of_text(types[i].name)), &types[i]);
        assert_true(strlen(types[i].doc) > 0);
        assert_true(types[i].size <= sizeof(union any_record));
        /* The engine alone makes what is derived. */
        assert_int_equal(types[i].nature == DS_DERIVED, types[i].writers == DS_BY_NONE);
    }
    assert_null(ds_record_type_by_number(0));
    assert_null(ds_record_type_by_number(count + 1));
    assert_null(ds_record_type_by_number(UINT64_MAX));
    assert_null(ds_record_type_by_name(DS_SLICE_LIT("readings")));
    assert_null(ds_record_type_by_name(DS_SLICE_LIT("")));
}

/* What every codec relies on. */
static void check_field(const struct ds_record_type *type, size_t place)
{
    const struct ds_field *field = &type->fields[place];
    assert_int_equal(field->index, place);
    assert_in_range(field->tag, 1, DS_TAG_MAX);
    assert_true(place == 0 || field->tag > type->fields[place - 1].tag);
    assert_true(field->min <= field->max);
    assert_true(strlen(field->doc) > 0);
    assert_true(field->offset >= sizeof(struct ds_presence) && field->offset < type->size);
    assert_int_equal(field->type == DS_TYPE_ENUM, field->list != DS_LIST_none);
    assert_int_equal(field->type == DS_TYPE_PERSONAL, field->privacy == DS_PRIVACY_PERSON);
    /* A union is of hashes; an event's fields are written once, with it. */
    assert_true(field->policy != DS_POLICY_UNION || field->type == DS_TYPE_HASHES);
    assert_int_equal(field->policy == DS_POLICY_APPEND, type->nature != DS_ENTITY);
    assert_true(type->nature != DS_DERIVED || field->writers == DS_BY_NONE);
    /* Integers in JSON stay exact in every reader. Sequences have 56 bits, which nobody fills. */
    if (field->type == DS_TYPE_INT && strstr(field->name, "_seq") == NULL) {
        assert_true(field->min >= -9007199254740991 && field->max <= 9007199254740991);
    }
    assert_ptr_equal(ds_field_by_tag(type, field->tag), field);
    assert_ptr_equal(ds_field_by_name(type, ds_slice_of_text(field->name)), field);
}

static void table__fields_keep_the_rules_of_the_house(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(types[i].field_count, 1, DS_FIELDS_MAX);
        for (size_t f = 0; f < types[i].field_count; f++) {
            check_field(&types[i], f);
        }
        assert_null(ds_field_by_tag(&types[i], 0));
        assert_null(ds_field_by_tag(&types[i], 128));
        assert_null(ds_field_by_name(&types[i], DS_SLICE_LIT("nothing")));
    }
}

static void table__numbers_on_the_wire_are_these_for_ever(void **state)
{
    (void)state;
    /* A changed number here is a broken archive there. */
    assert_int_equal(DS_REC_station, 1);
    assert_int_equal(DS_REC_account, 5);
    assert_int_equal(DS_REC_premises, 6);
    assert_int_equal(DS_REC_meter, 7);
    assert_int_equal(DS_REC_reading, 14);
    assert_int_equal(DS_REC_slot, 17);
    assert_int_equal(DS_REC_decision, 19);
    assert_int_equal(DS_REC_verdict, 27);
    assert_int_equal(DS_TAG_reading_meter, 1);
    assert_int_equal(DS_TAG_reading_index, 3);
    assert_int_equal(DS_TAG_reading_task, 27);
    assert_int_equal(DS_TAG_meter_dial_digits, 8);
    assert_int_equal(DS_METHOD_on_site, 1);
    assert_int_equal(DS_CONDITION_vacant, 9);
    assert_int_equal(DS_RULE_condition_reported, 24);
}

static void list__words_and_numbers_find_each_other(void **state)
{
    (void)state;
    for (int list = DS_LIST_none + 1; list < DS_LIST_COUNT; list++) {
        enum ds_list one = (enum ds_list)list;
        int64_t last = ds_enum_last(one);
        assert_true(last >= 1);
        for (int64_t number = 1; number <= last; number++) {
            const char *name = ds_enum_name(one, number);
            assert_non_null(name);
            assert_true(strlen(ds_enum_term(one, number)) > 0);
            assert_int_equal(ds_enum_number(one, ds_slice_of_text(name)), number);
        }
        assert_null(ds_enum_name(one, 0));
        assert_null(ds_enum_name(one, last + 1));
        assert_null(ds_enum_name(one, -1));
        assert_null(ds_enum_term(one, INT64_MAX));
        assert_int_equal(ds_enum_number(one, DS_SLICE_LIT("")), 0);
        assert_int_equal(ds_enum_number(one, DS_SLICE_LIT("no such word")), 0);
    }
    assert_int_equal(ds_enum_last(DS_LIST_none), 0);
    assert_null(ds_enum_name(DS_LIST_none, 1));
    assert_string_equal(ds_enum_name(DS_LIST_method, DS_METHOD_on_site), "on_site");
    assert_string_equal(ds_enum_term(DS_LIST_method, DS_METHOD_on_site), "现场");
}

static void names__every_unit_policy_type_and_mark_has_one(void **state)
{
    (void)state;
    for (int unit = DS_UNIT_NONE; unit <= DS_UNIT_METRE; unit++) {
        assert_non_null(ds_unit_name((enum ds_unit)unit));
    }
    assert_string_equal(ds_unit_name(DS_UNIT_E7), "1e-7 deg");
    assert_string_equal(ds_policy_name(DS_POLICY_OWNER), "owner");
    assert_string_equal(ds_policy_name(DS_POLICY_STATE), "state");
    assert_string_equal(ds_type_name(DS_TYPE_INT), "int");
    assert_string_equal(ds_type_name(DS_TYPE_PERSONAL), "personal");
    assert_string_equal(ds_privacy_name(DS_PRIVACY_PERSON), "person");
    assert_string_equal(ds_nature_name(DS_DERIVED), "derived");
}

static void presence__absent_cleared_and_valued_are_three_states(void **state)
{
    (void)state;
    struct ds_book book;
    memset(&book, 0, sizeof(book));
    assert_false(DS_HAS(&book, book, cycle_months));
    assert_int_equal(DS_GET(&book, book, cycle_months, 1), 1);
    DS_SET(&book, book, cycle_months, 2);
    assert_true(DS_HAS(&book, book, cycle_months));
    assert_int_equal(DS_GET(&book, book, cycle_months, 1), 2);
    ds_clear(&book.presence, DS_PLACE_book_cycle_months);
    assert_false(DS_HAS(&book, book, cycle_months));
    assert_int_equal(book.presence.set, 1U << DS_PLACE_book_cycle_months);
    ds_mark(&book.presence, DS_PLACE_book_cycle_months);
    assert_true(DS_HAS(&book, book, cycle_months));
}

static void validate__names_the_field_and_what_is_wrong(void **state)
{
    (void)state;
    const struct ds_record_type *type = ds_record_type_by_number(DS_REC_book);
    const struct ds_field *bad = NULL;
    struct ds_detail detail = {""};
    struct ds_book book;
    memset(&book, 0, sizeof(book));
    assert_int_equal(ds_validate(type, &book, false, &bad, &detail), DS_OK);
    assert_int_equal(ds_validate(type, &book, true, &bad, &detail), DS_ERR_SCHEMA);
    assert_string_equal(detail.text, "book.number: missing");
    assert_string_equal(bad->name, "number");
    ds_clear(&book.presence, DS_PLACE_book_number);
    assert_int_equal(ds_validate(type, &book, true, NULL, NULL), DS_ERR_SCHEMA);
    DS_SET(&book, book, number, DS_SLICE_LIT("B1"));
    assert_int_equal(ds_validate(type, &book, true, &bad, &detail), DS_OK);
    DS_SET(&book, book, cycle_months, 13);
    assert_int_equal(ds_validate(type, &book, false, &bad, &detail), DS_ERR_SCHEMA);
    assert_string_equal(detail.text, "book.cycle_months: out of range");
}

/* Every field's own limits, on both sides. */
static void check_limits(const struct ds_field *field)
{
    static uint8_t text[20100];
    memset(text, 'x', sizeof(text));
    if (field->min == field->max || field->unit == DS_UNIT_PERIOD) {
        return;
    }
    for (int64_t delta = -1; delta <= 1; delta++) {
        int64_t low = field->min + delta;
        int64_t high = field->max - delta;
        bool fine = delta >= 0;
        if (field->type == DS_TYPE_INT) {
            assert_int_equal(ds_field_wrong(field, &low) == NULL, fine);
            assert_int_equal(ds_field_wrong(field, &high) == NULL, fine);
        } else if (field->type == DS_TYPE_TEXT ||
                   (field->type == DS_TYPE_BYTES && field->max < (int64_t)sizeof(text))) {
            struct ds_slice longest = {text, (size_t)high};
            struct ds_slice shortest = {text, low < 0 ? 0 : (size_t)low};
            assert_int_equal(ds_field_wrong(field, &longest) == NULL, fine);
            assert_int_equal(ds_field_wrong(field, &shortest) == NULL, fine || field->min == 0);
        }
    }
}

static void validate__every_limit_of_every_field_on_both_sides(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t f = 0; f < types[i].field_count; f++) {
            const struct ds_field *field = &types[i].fields[f];
            int64_t outside = field->type == DS_TYPE_BOOL ? 2 : ds_enum_last(field->list) + 1;
            int64_t below = field->type == DS_TYPE_BOOL ? -1 : 0;
            if (field->type == DS_TYPE_BOOL || field->type == DS_TYPE_ENUM) {
                assert_non_null(ds_field_wrong(field, &outside));
                assert_non_null(ds_field_wrong(field, &below));
            }
            check_limits(field);
        }
    }
}

static void validate__periods_are_months_and_texts_are_text(void **state)
{
    (void)state;
    const struct ds_record_type *reading = ds_record_type_by_number(DS_REC_reading);
    const struct ds_field *period = ds_field_by_tag(reading, DS_TAG_reading_period);
    const struct ds_field *note = ds_field_by_tag(reading, DS_TAG_reading_note);
    static const int64_t bad[] = {202600, 202613, 20260, 190000, 999913, -202601};
    for (size_t i = 0; i < DS_COUNT(bad); i++) {
        assert_string_equal(ds_field_wrong(period, &bad[i]), "not a month YYYYMM");
    }
    int64_t good = 202601;
    assert_null(ds_field_wrong(period, &good));
    struct ds_slice latin = DS_SLICE_LIT("\xE9");
    struct ds_slice nul = DS_SLICE_LIT("a\0b");
    struct ds_slice none = {NULL, 0};
    assert_string_equal(ds_field_wrong(note, &latin), "not UTF-8");
    assert_string_equal(ds_field_wrong(note, &nul), "contains a NUL");
    assert_null(ds_field_wrong(note, &none));
}

static void validate__random_valid_records_pass(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    for (uint64_t seed = 1; seed <= 100; seed++) {
        for (size_t i = 0; i < count; i++) {
            struct prng prng = {seed << 8 | i};
            struct ds_arena arena;
            struct ds_detail detail = {""};
            union any_record record;
            ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
            random_record(&prng, &types[i], &arena, true, &record);
            if (ds_validate(&types[i], &record, true, NULL, &detail) != DS_OK) {
                fail_msg("seed %llu: %s", (unsigned long long)seed, detail.text);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__numbers_and_names_find_their_record),
        cmocka_unit_test(table__fields_keep_the_rules_of_the_house),
        cmocka_unit_test(table__numbers_on_the_wire_are_these_for_ever),
        cmocka_unit_test(list__words_and_numbers_find_each_other),
        cmocka_unit_test(names__every_unit_policy_type_and_mark_has_one),
        cmocka_unit_test(presence__absent_cleared_and_valued_are_three_states),
        cmocka_unit_test(validate__names_the_field_and_what_is_wrong),
        cmocka_unit_test(validate__every_limit_of_every_field_on_both_sides),
        cmocka_unit_test(validate__periods_are_months_and_texts_are_text),
        cmocka_unit_test(validate__random_valid_records_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

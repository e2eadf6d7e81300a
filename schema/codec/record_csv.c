#include "schema/codec/record_csv.h"

#include "schema/base/text.h"

#include <string.h>

/* ---- Reading. ---- */

static enum ds_err scaled(struct ds_slice text, unsigned scale, int64_t *value)
{
    return scale == 0 ? ds_int_parse(text, value) : ds_fixed_parse(text, scale, value);
}

/* "2026-01" */
static enum ds_err parse_month(struct ds_slice text, int64_t *value)
{
    int64_t year = 0;
    int64_t month = 0;
    if (text.size != 7 || text.data[4] != '-' || text.data[5] > '1') {
        return DS_ERR_DECODE;
    }
    /* A leading zero of the month is no part of a number here. */
    size_t skip = text.data[5] == '0' ? 6 : 5;
    DS_TRY(ds_int_parse((struct ds_slice){text.data, 4}, &year));
    DS_TRY(ds_int_parse((struct ds_slice){text.data + skip, 7 - skip}, &month));
    *value = year * 100 + month;
    return year < 0 || month < 0 ? DS_ERR_DECODE : DS_OK;
}

/* The calendar text that a unit also allows. */
static enum ds_err parse_calendar(enum ds_unit unit, struct ds_slice text, int64_t *value)
{
    struct ds_date date;
    switch (unit) {
    case DS_UNIT_MS:
        return ds_instant_parse(text, value);
    case DS_UNIT_DAY:
        DS_TRY(ds_date_parse(text, &date));
        *value = ds_date_to_days(date);
        return DS_OK;
    case DS_UNIT_PERIOD:
        return parse_month(text, value);
    default:
        return DS_ERR_DECODE;
    }
}

static const char *what_is_wanted(enum ds_unit unit, unsigned scale)
{
    if (scale > 0) {
        return "not a decimal number, or finer than its unit";
    }
    switch (unit) {
    case DS_UNIT_MS:
        return "not an instant like 2026-01-05T09:30:00+08:00";
    case DS_UNIT_DAY:
        return "not a date like 2026-01-05";
    case DS_UNIT_PERIOD:
        return "not a month like 202601";
    default:
        return "not a whole number";
    }
}

static enum ds_err take_int(const struct ds_field *field, struct ds_slice text, unsigned scale,
                            void *member, struct ds_detail *detail)
{
    int64_t value = 0;
    enum ds_err err = scaled(text, scale, &value);
    if (err == DS_ERR_DECODE && scale == 0) {
        err = parse_calendar(field->unit, text, &value);
    }
    if (err == DS_ERR_LIMIT) {
        return ds_field_refuse(field, "out of range", detail);
    }
    if (err != DS_OK) {
        return ds_field_refuse(field, what_is_wanted(field->unit, scale), detail);
    }
    const char *wrong = ds_field_wrong(field, &value);
    if (wrong != NULL) {
        return ds_field_refuse(field, wrong, detail);
    }
    memcpy(member, &value, sizeof(value));
    return DS_OK;
}

static bool is(struct ds_slice text, const char *word)
{
    return ds_slice_equal(text, ds_slice_of_text(word));
}

static enum ds_err take_bool(const struct ds_field *field, struct ds_slice text, void *member,
                             struct ds_detail *detail)
{
    bool yes = is(text, "1") || is(text, "true");
    int64_t value = yes ? 1 : 0;
    if (!yes && !is(text, "0") && !is(text, "false")) {
        return ds_field_refuse(field, "not one of 1, 0, true, false", detail);
    }
    memcpy(member, &value, sizeof(value));
    return DS_OK;
}

/* "class: "palace" is none of residential, commercial, ...": what stood there, and what may. */
static enum ds_err refuse_word(const struct ds_field *field, struct ds_slice text,
                               struct ds_detail *detail)
{
    enum { SHOWN_MAX = 40, NAME_MAX = 64 }; /* Bytes of the cell that are shown; of a name. */
    char words[sizeof(detail->text)];
    struct ds_builder out;
    size_t shown = text.size < SHOWN_MAX ? text.size : SHOWN_MAX;
    while (shown < text.size && shown > 0 && (text.data[shown] & 0xC0) == 0x80) {
        shown--; /* Whole characters. */
    }
    if (detail == NULL) {
        return DS_ERR_SCHEMA;
    }
    ds_builder_init(&out, words, sizeof(words));
    ds_put_text(&out, "\"");
    ds_put_bytes(&out, (struct ds_slice){text.data, shown});
    ds_put_text(&out, "\" is none of ");
    for (int64_t number = 1; number <= ds_enum_last(field->list); number++) {
        const char *name = ds_enum_name(field->list, number);
        if (name != NULL && out.used + strlen(name) + 2 < sizeof(words) - NAME_MAX) {
            ds_put_text(&out, number > 1 ? ", " : "");
            ds_put_text(&out, name);
        }
    }
    return ds_field_refuse(field, ds_builder_text(&out), detail);
}

static enum ds_err take_word(const struct ds_field *field, struct ds_slice text, void *member,
                             struct ds_detail *detail)
{
    int64_t value = ds_enum_number(field->list, text);
    for (int64_t number = ds_enum_last(field->list); value == 0 && number > 0; number--) {
        value = is(text, ds_enum_term(field->list, number)) ? number : 0;
    }
    if (value == 0) {
        return refuse_word(field, text, detail);
    }
    memcpy(member, &value, sizeof(value));
    return DS_OK;
}

static enum ds_err take_hashes(const struct ds_field *field, struct ds_slice text,
                               struct ds_arena *arena, void *member, struct ds_detail *detail)
{
    struct ds_hash_set set = {.count = 0};
    struct ds_slice made;
    while (text.size > 0) {
        const uint8_t *space = memchr(text.data, ' ', text.size);
        size_t size = space == NULL ? text.size : (size_t)(space - text.data);
        const char *wrong = ds_hash_set_add(&set, (struct ds_slice){text.data, size});
        if (wrong == NULL && size + 1 == text.size) {
            wrong = "a space behind the last hash";
        }
        if (wrong != NULL) {
            return ds_field_refuse(field, wrong, detail);
        }
        size_t used = space == NULL ? size : size + 1;
        text = (struct ds_slice){text.data + used, text.size - used};
    }
    DS_TRY(ds_hash_set_copy(&set, arena, &made));
    memcpy(member, &made, sizeof(made));
    return DS_OK;
}

enum ds_err ds_record_from_cell(const struct ds_field *field, struct ds_slice text, unsigned scale,
                                struct ds_arena *arena, void *member, struct ds_detail *detail)
{
    DS_ASSERT(scale <= DS_CELL_SCALE_MAX);
    switch (field->type) {
    case DS_TYPE_INT:
        return take_int(field, text, scale, member, detail);
    case DS_TYPE_BOOL:
        return take_bool(field, text, member, detail);
    case DS_TYPE_ENUM:
        return take_word(field, text, member, detail);
    case DS_TYPE_HASHES:
        return take_hashes(field, text, arena, member, detail);
    case DS_TYPE_PERSONAL:
        ds_detail_set(detail, field->name, ": personal, to be sealed", NULL);
        return DS_ERR_USAGE;
    case DS_TYPE_BYTES:
        return ds_field_from_text(field, ds_csv_unguard(text), arena, member, detail);
    default:
        return ds_field_from_text(field, text, arena, member, detail);
    }
}

/* ---- Writing. ---- */

/* Calendar text exists for four-digit years only; other numbers stay numbers. */
static bool has_calendar(const struct ds_field *field, int64_t value)
{
    const int64_t day_first = -719162; /* 0001-01-01 */
    const int64_t day_last = 2932896;  /* 9999-12-31 */
    const int64_t ms_per_day = INT64_C(86400000);
    if (field->unit == DS_UNIT_DAY) {
        return value >= day_first && value <= day_last;
    }
    /* Instants are read from 1970 on; a day is left at both ends for the offset. */
    return field->unit == DS_UNIT_MS && value >= ms_per_day && value < day_last * ms_per_day;
}

static void put_int(struct ds_builder *out, const struct ds_field *field, int64_t value,
                    struct ds_cell_form form)
{
    if (!form.calendar || form.scale > 0 || !has_calendar(field, value)) {
        ds_put_fixed(out, value, form.scale);
    } else if (field->unit == DS_UNIT_DAY) {
        ds_put_date(out, ds_date_of_days(value));
    } else {
        ds_put_instant(out, value, form.offset_min);
    }
}

static void put_number(struct ds_csv_writer *writer, const struct ds_field *field, int64_t value,
                       struct ds_cell_form form)
{
    uint8_t memory[48];
    struct ds_builder cell;
    const char *word = field->type == DS_TYPE_ENUM ? ds_enum_name(field->list, value) : NULL;
    ds_builder_init(&cell, memory, sizeof(memory));
    if (field->type == DS_TYPE_BOOL) {
        word = value != 0 ? "true" : "false";
    }
    if (word != NULL) {
        ds_put_text(&cell, word);
    } else {
        put_int(&cell, field, value, form);
    }
    ds_csv_put_text(writer, ds_builder_text(&cell));
}

/* Hex and base64url hold nothing that must be quoted. */
static void put_made(struct ds_csv_writer *writer, const struct ds_field *field,
                     struct ds_slice bytes)
{
    size_t each = sizeof(struct ds_hash);
    ds_csv_put_verbatim(writer, (struct ds_slice){NULL, 0});
    if (field->type == DS_TYPE_BYTES) {
        /* Digit 62 is '-', which begins a formula. */
        bool guard = bytes.size > 0 && bytes.data[0] >> 2 == 62;
        ds_put_text(writer->out, guard ? "'" : "");
        ds_put_base64url(writer->out, bytes);
        return;
    }
    if (field->type != DS_TYPE_HASHES) {
        ds_put_hex(writer->out, bytes);
        return;
    }
    for (size_t at = 0; at + each <= bytes.size; at += each) {
        ds_put_text(writer->out, at > 0 ? " " : "");
        ds_put_hex(writer->out, (struct ds_slice){bytes.data + at, each});
    }
}

void ds_put_cell(struct ds_csv_writer *writer, const struct ds_field *field, const void *member,
                 struct ds_cell_form form)
{
    int64_t number = 0;
    struct ds_slice slice = {NULL, 0};
    if (member == NULL || field->type == DS_TYPE_PERSONAL) {
        ds_csv_put_cell(writer, slice);
        return;
    }
    switch (field->type) {
    case DS_TYPE_INT:
    case DS_TYPE_BOOL:
    case DS_TYPE_ENUM:
        memcpy(&number, member, sizeof(number));
        put_number(writer, field, number, form);
        break;
    case DS_TYPE_ID:
        put_made(writer, field, (struct ds_slice){member, sizeof(struct ds_id)});
        break;
    case DS_TYPE_HASH:
        put_made(writer, field, (struct ds_slice){member, sizeof(struct ds_hash)});
        break;
    case DS_TYPE_TEXT:
        memcpy(&slice, member, sizeof(slice));
        ds_csv_put_cell(writer, slice);
        break;
    default:
        memcpy(&slice, member, sizeof(slice));
        put_made(writer, field, slice);
        break;
    }
}

/* The calendar part of text.h: dates, instants, billing periods. */
#include "schema/base/text.h"

enum {
    MS_PER_MIN = 60 * 1000,
    MS_PER_DAY = 24 * 60 * 60 * 1000,
    DAYS_PER_ERA = 146097, /* 400 Gregorian years. */
    DAYS_TO_1970 = 719468  /* From 0000-03-01. */
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static int64_t floor_div(int64_t value, int64_t by)
{
    int64_t quotient = value / by;
    return value % by < 0 ? quotient - 1 : quotient;
}

static bool is_leap(int32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int32_t days_of_month(int32_t year, int32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    DS_ASSERT(month >= 1 && month <= 12);
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Years are counted from March, so that the leap day is the last of its year. */
int64_t ds_date_to_days(struct ds_date date)
{
    int64_t year = date.month <= 2 ? (int64_t)date.year - 1 : date.year;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
    int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

struct ds_date ds_date_of_days(int64_t days)
{
    int64_t shifted = days + DAYS_TO_1970;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct ds_date date = {
        .year = (int32_t)(year_of_era + era * 400 + (month >= 10 ? 1 : 0)),
        .month = (int32_t)(month < 10 ? month + 3 : month - 9),
        .day = (int32_t)(day_of_year - (153 * month + 2) / 5 + 1),
    };
    return date;
}

/* Exactly count digits at the cursor. */
static int32_t take_digits(struct ds_cursor *cursor, size_t count)
{
    struct ds_slice digits = ds_take_bytes(cursor, count);
    int32_t value = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (!is_digit(digits.data[i])) {
            cursor->failed = true;
            return 0;
        }
        value = value * 10 + (digits.data[i] - '0');
    }
    return value;
}

static void take_char(struct ds_cursor *cursor, char expected)
{
    if (ds_take_u8(cursor) != (uint8_t)expected) {
        cursor->failed = true;
    }
}

static struct ds_date take_date(struct ds_cursor *cursor)
{
    struct ds_date date = {0, 0, 0};
    date.year = take_digits(cursor, 4);
    take_char(cursor, '-');
    date.month = take_digits(cursor, 2);
    take_char(cursor, '-');
    date.day = take_digits(cursor, 2);
    if (date.year < 1 || date.month < 1 || date.month > 12 || date.day < 1 ||
        date.day > days_of_month(date.year, date.month)) {
        cursor->failed = true;
    }
    return date;
}

enum ds_err ds_date_parse(struct ds_slice text, struct ds_date *date)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, text);
    struct ds_date made = take_date(&cursor);
    DS_TRY(ds_cursor_end(&cursor));
    *date = made;
    return DS_OK;
}

/* "HH:MM:SS" and 1..3 digits of a second's part. */
static int64_t take_time_ms(struct ds_cursor *cursor)
{
    int64_t hour = take_digits(cursor, 2);
    take_char(cursor, ':');
    int64_t minute = take_digits(cursor, 2);
    take_char(cursor, ':');
    int64_t second = take_digits(cursor, 2);
    int64_t ms = 0;
    if (!cursor->failed && cursor->at < cursor->size && cursor->data[cursor->at] == '.') {
        cursor->at++;
        int64_t weight = 100;
        while (weight > 0 && cursor->at < cursor->size && is_digit(cursor->data[cursor->at])) {
            ms += weight * take_digits(cursor, 1);
            weight /= 10;
        }
        cursor->failed = cursor->failed || weight == 100;
    }
    /* No leap seconds: POSIX time has none, and nobody reads a meter in one. */
    if (hour > 23 || minute > 59 || second > 59) {
        cursor->failed = true;
    }
    return ((hour * 60 + minute) * 60 + second) * 1000 + ms;
}

static int64_t take_offset_min(struct ds_cursor *cursor)
{
    uint8_t sign = ds_take_u8(cursor);
    if (sign == 'Z') {
        return 0;
    }
    int64_t hour = take_digits(cursor, 2);
    take_char(cursor, ':');
    int64_t minute = take_digits(cursor, 2);
    if ((sign != '+' && sign != '-') || hour > 23 || minute > 59) {
        cursor->failed = true;
    }
    return sign == '-' ? -(hour * 60 + minute) : hour * 60 + minute;
}

enum ds_err ds_instant_parse(struct ds_slice text, int64_t *instant_ms)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, text);
    struct ds_date date = take_date(&cursor);
    take_char(&cursor, 'T');
    int64_t time_ms = take_time_ms(&cursor);
    int64_t offset_min = take_offset_min(&cursor);
    DS_TRY(ds_cursor_end(&cursor));
    if (date.year < 1970) {
        return DS_ERR_DECODE;
    }
    *instant_ms = ds_date_to_days(date) * MS_PER_DAY + time_ms - offset_min * MS_PER_MIN;
    return DS_OK;
}

static void put_digits(struct ds_builder *builder, int64_t value, unsigned count)
{
    int64_t unit = 1;
    for (unsigned i = 1; i < count; i++) {
        unit *= 10;
    }
    for (; unit > 0; unit /= 10) {
        ds_put_u8(builder, (uint8_t)('0' + value / unit % 10));
    }
}

void ds_put_date(struct ds_builder *builder, struct ds_date date)
{
    if (date.year < 1 || date.year > 9999) {
        ds_put_decimal(builder, date.year); /* Not ISO 8601 any more, but not a lie either. */
    } else {
        put_digits(builder, date.year, 4);
    }
    ds_put_u8(builder, '-');
    put_digits(builder, date.month, 2);
    ds_put_u8(builder, '-');
    put_digits(builder, date.day, 2);
}

/* Local days and the milliseconds of that day; both exact for any instant. */
static int64_t local_days(int64_t instant_ms, int32_t offset_min, int64_t *ms_of_day)
{
    int64_t days = floor_div(instant_ms, MS_PER_DAY);
    int64_t rest = instant_ms % MS_PER_DAY; /* Not by days * MS_PER_DAY, which can overflow. */
    int64_t ms = (rest < 0 ? rest + MS_PER_DAY : rest) + (int64_t)offset_min * MS_PER_MIN;
    int64_t carry = floor_div(ms, MS_PER_DAY);
    *ms_of_day = ms - carry * MS_PER_DAY;
    return days + carry;
}

void ds_put_instant(struct ds_builder *builder, int64_t instant_ms, int32_t offset_min)
{
    int64_t ms = 0;
    ds_put_date(builder, ds_date_of_days(local_days(instant_ms, offset_min, &ms)));
    ds_put_u8(builder, 'T');
    put_digits(builder, ms / (60 * MS_PER_MIN), 2);
    ds_put_u8(builder, ':');
    put_digits(builder, ms / MS_PER_MIN % 60, 2);
    ds_put_u8(builder, ':');
    put_digits(builder, ms / 1000 % 60, 2);
    if (ms % 1000 != 0) {
        ds_put_u8(builder, '.');
        put_digits(builder, ms % 1000, 3);
    }
    if (offset_min == 0) {
        ds_put_u8(builder, 'Z');
        return;
    }
    int64_t offset = offset_min < 0 ? -(int64_t)offset_min : offset_min;
    ds_put_u8(builder, offset_min < 0 ? '-' : '+');
    put_digits(builder, offset / 60, 2);
    ds_put_u8(builder, ':');
    put_digits(builder, offset % 60, 2);
}

struct ds_date ds_date_of_instant(int64_t instant_ms, int32_t offset_min)
{
    int64_t ms = 0;
    return ds_date_of_days(local_days(instant_ms, offset_min, &ms));
}

bool ds_period_ok(int64_t period)
{
    return period >= 190001 && period <= 999912 && period % 100 >= 1 && period % 100 <= 12;
}

/* Months since year 0, so that arithmetic is plain. */
static int32_t months_of(int32_t period)
{
    return period / 100 * 12 + period % 100 - 1;
}

int32_t ds_period_add(int32_t period, int32_t months)
{
    int32_t sum = months_of(period) + months;
    return sum / 12 * 100 + sum % 12 + 1;
}

int32_t ds_period_diff(int32_t later, int32_t earlier)
{
    return months_of(later) - months_of(earlier);
}

int32_t ds_period_of_instant(int64_t instant_ms, int32_t offset_min)
{
    struct ds_date date = ds_date_of_instant(instant_ms, offset_min);
    if (date.year > 9999) {
        return 999912;
    }
    return date.year < 1 ? 101 : date.year * 100 + date.month;
}

int32_t ds_period_days(int32_t period)
{
    return ds_period_ok(period) ? days_of_month(period / 100, period % 100) : 0;
}

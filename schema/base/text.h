/* Text at the edges: UTF-8 check, hex, base64url, decimal numbers, instants, periods.
 *
 * Everything parses a whole slice or refuses it; nothing is guessed, skipped or trimmed.
 * Pure. Calendar is proleptic Gregorian; a station's time zone is an offset in minutes. */
#ifndef DS_SCHEMA_BASE_TEXT_H
#define DS_SCHEMA_BASE_TEXT_H

#include "schema/base/bytes.h"

/* Well-formed UTF-8 (Unicode 15, table 3-7): no surrogates, no overlong forms. */
bool ds_utf8_ok(struct ds_slice text);
/* As above; on failure *bad is the index of the first wrong byte. */
bool ds_utf8_check(struct ds_slice text, size_t *bad);
/* Bytes (1..4) of the well-formed sequence that text begins with; 0 if it begins with none. */
size_t ds_utf8_sequence(struct ds_slice text);

DS_NODISCARD enum ds_err ds_hex_parse(struct ds_slice text, void *out, size_t size);
DS_NODISCARD enum ds_err ds_id_parse(struct ds_slice text, struct ds_id *id); /* 32 hex digits. */
DS_NODISCARD enum ds_err ds_hash_parse(struct ds_slice text, struct ds_hash *hash);
/* base64url without padding, RFC 4648 section 5. */
void ds_put_base64url(struct ds_builder *builder, struct ds_slice bytes);
DS_NODISCARD enum ds_err ds_base64url_parse(struct ds_slice text, struct ds_builder *out);

/* "-12", "0", "9223372036854775807": no plus sign, no spaces, no leading zeros ("-0" refused). */
DS_NODISCARD enum ds_err ds_int_parse(struct ds_slice text, int64_t *value);
/* A decimal number times 10^scale as an integer: ("114.5", 7) is 1145000000. Digits beyond the
 * scale must be zero. DS_ERR_DECODE for anything else; DS_ERR_LIMIT on overflow. scale <= 9. */
DS_NODISCARD enum ds_err ds_fixed_parse(struct ds_slice text, unsigned scale, int64_t *value);
/* The reverse; trailing zeros and a lone point are left out. */
void ds_put_fixed(struct ds_builder *builder, int64_t value, unsigned scale);

/* RFC 3339 with mandatory offset or Z, up to ms: "2026-01-05T09:30:00+08:00". Years 1970..9999. */
DS_NODISCARD enum ds_err ds_instant_parse(struct ds_slice text, int64_t *instant_ms);
void ds_put_instant(struct ds_builder *builder, int64_t instant_ms, int32_t offset_min);

struct ds_date {
    int32_t year;
    int32_t month; /* 1..12 */
    int32_t day;   /* 1..31 */
};
/* Days since 1970-01-01; any date of years 1..9999. */
int64_t ds_date_to_days(struct ds_date date);
struct ds_date ds_date_of_days(int64_t days);
/* "2026-01-05" */
DS_NODISCARD enum ds_err ds_date_parse(struct ds_slice text, struct ds_date *date);
void ds_put_date(struct ds_builder *builder, struct ds_date date);
struct ds_date ds_date_of_instant(int64_t instant_ms, int32_t offset_min);

/* Billing periods YYYYMM. */
bool ds_period_ok(int64_t period);                      /* 190001..999912, month 01..12 */
int32_t ds_period_add(int32_t period, int32_t months);  /* months may be negative */
int32_t ds_period_diff(int32_t later, int32_t earlier); /* months between */
/* Held to 000101..999912 for instants outside these years. */
int32_t ds_period_of_instant(int64_t instant_ms, int32_t offset_min);
int32_t ds_period_days(int32_t period); /* 28..31; 0 of a period that is not ok */

#endif

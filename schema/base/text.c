#include "schema/base/text.h"

/* ---- UTF-8: The Unicode Standard 15, table 3-7. ---- */

/* Bytes of the well-formed sequence that starts at text, 0 if there is none. *bad is the place of
 * the first byte that cannot be. */
static size_t sequence_size(const uint8_t *text, size_t left, size_t *bad)
{
    uint8_t first = text[0];
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    size_t size = 0;
    *bad = 0;
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        size = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        size = 3;
        low = first == 0xE0 ? 0xA0 : 0x80;  /* Overlong. */
        high = first == 0xED ? 0x9F : 0xBF; /* Surrogates. */
    } else if (first >= 0xF0 && first <= 0xF4) {
        size = 4;
        low = first == 0xF0 ? 0x90 : 0x80;  /* Overlong. */
        high = first == 0xF4 ? 0x8F : 0xBF; /* Above U+10FFFF. */
    } else {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if (i >= left || text[i] < low || text[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xBF;
    }
    return size;
}

bool ds_utf8_check(struct ds_slice text, size_t *bad)
{
    size_t at = 0;
    while (at < text.size) {
        size_t wrong = 0;
        size_t size = sequence_size(text.data + at, text.size - at, &wrong);
        if (size == 0) {
            *bad = at + wrong;
            return false;
        }
        at += size;
    }
    return true;
}

size_t ds_utf8_sequence(struct ds_slice text)
{
    size_t bad = 0;
    return text.size == 0 ? 0 : sequence_size(text.data, text.size, &bad);
}

bool ds_utf8_ok(struct ds_slice text)
{
    size_t bad = 0;
    return ds_utf8_check(text, &bad);
}

/* ---- Hex and base64url. ---- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

enum ds_err ds_hex_parse(struct ds_slice text, void *out, size_t size)
{
    uint8_t *bytes = out;
    if (text.size / 2 != size || text.size % 2 != 0) {
        return DS_ERR_DECODE;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (hex_digit(text.data[i]) < 0) {
            return DS_ERR_DECODE;
        }
    }
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text.data[2 * i]);
        int low = hex_digit(text.data[2 * i + 1]);
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return DS_OK;
}

enum ds_err ds_id_parse(struct ds_slice text, struct ds_id *id)
{
    return ds_hex_parse(text, id->byte, sizeof(id->byte));
}

enum ds_err ds_hash_parse(struct ds_slice text, struct ds_hash *hash)
{
    return ds_hex_parse(text, hash->byte, sizeof(hash->byte));
}

void ds_put_base64url(struct ds_builder *builder, struct ds_slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        bits = bits << 8 | bytes.data[i];
        count += 8;
        while (count >= 6) {
            count -= 6;
            ds_put_u8(builder, (uint8_t)digits[bits >> count & 63]);
        }
        bits &= (UINT32_C(1) << count) - 1;
    }
    if (count > 0) {
        ds_put_u8(builder, (uint8_t)digits[bits << (6 - count) & 63]);
    }
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '-') {
        return 62;
    }
    return c == '_' ? 63 : -1;
}

enum ds_err ds_base64url_parse(struct ds_slice text, struct ds_builder *out)
{
    uint32_t bits = 0;
    unsigned count = 0;
    if (text.size % 4 == 1) {
        return DS_ERR_DECODE;
    }
    for (size_t i = 0; i < text.size; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0) {
            return DS_ERR_DECODE;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            ds_put_u8(out, (uint8_t)(bits >> count & 255));
            bits &= (UINT32_C(1) << count) - 1;
        }
    }
    /* RFC 4648 section 3.5: bits that are left over are zero, or one value has many texts. */
    if (bits != 0) {
        return DS_ERR_DECODE;
    }
    return out->failed ? DS_ERR_LIMIT : DS_OK;
}

/* ---- Numbers. ---- */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* value = value * 10 + digit; false on overflow of uint64_t. */
static bool push_digit(uint64_t *value, uint8_t digit)
{
    uint64_t more = 0;
    if (__builtin_mul_overflow(*value, UINT64_C(10), &more) ||
        __builtin_add_overflow(more, (uint64_t)digit, &more)) {
        return false;
    }
    *value = more;
    return true;
}

static enum ds_err with_sign(uint64_t magnitude, bool negative, int64_t *value)
{
    uint64_t limit = negative ? UINT64_C(1) << 63 : INT64_MAX;
    if (magnitude > limit) {
        return DS_ERR_LIMIT;
    }
    if (negative && magnitude == limit) {
        *value = INT64_MIN;
    } else {
        *value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    }
    return DS_OK;
}

/* The digits of a number: an integer part without leading zeros, then optionally a point and at
 * least one digit. False if the text is anything else. */
static bool split_number(struct ds_slice text, struct ds_slice *whole, struct ds_slice *part)
{
    size_t at = 0;
    while (at < text.size && is_digit(text.data[at])) {
        at++;
    }
    *whole = (struct ds_slice){text.data, at};
    *part = (struct ds_slice){NULL, 0};
    if (at == 0 || (at > 1 && text.data[0] == '0')) {
        return false;
    }
    if (at == text.size) {
        return true;
    }
    *part = (struct ds_slice){text.data + at + 1, text.size - at - 1};
    if (text.data[at] != '.' || part->size == 0) {
        return false;
    }
    for (size_t i = 0; i < part->size; i++) {
        if (!is_digit(part->data[i])) {
            return false;
        }
    }
    return true;
}

enum ds_err ds_fixed_parse(struct ds_slice text, unsigned scale, int64_t *value)
{
    DS_ASSERT(scale <= 9);
    bool negative = text.size > 0 && text.data[0] == '-';
    if (negative) {
        text = (struct ds_slice){text.data + 1, text.size - 1};
    }
    struct ds_slice whole;
    struct ds_slice part;
    if (!split_number(text, &whole, &part)) {
        return DS_ERR_DECODE;
    }
    for (size_t i = scale; i < part.size; i++) {
        if (part.data[i] != '0') {
            return DS_ERR_DECODE;
        }
    }
    uint64_t magnitude = 0;
    bool fits = true;
    for (size_t i = 0; fits && i < whole.size; i++) {
        fits = push_digit(&magnitude, (uint8_t)(whole.data[i] - '0'));
    }
    for (size_t i = 0; fits && i < scale; i++) {
        fits = push_digit(&magnitude, i < part.size ? (uint8_t)(part.data[i] - '0') : 0);
    }
    if (!fits) {
        return DS_ERR_LIMIT;
    }
    if (negative && magnitude == 0) {
        return DS_ERR_DECODE; /* One number, one text: there is no "-0". */
    }
    return with_sign(magnitude, negative, value);
}

void ds_put_fixed(struct ds_builder *builder, int64_t value, unsigned scale)
{
    DS_ASSERT(scale <= 9);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t unit = 1;
    for (unsigned i = 0; i < scale; i++) {
        unit *= 10;
    }
    if (value < 0) {
        ds_put_u8(builder, '-');
    }
    uint64_t whole = rest / unit;
    /* 2^63 needs care only when scale is 0: above that the quotient fits an int64_t. */
    if (whole > INT64_MAX) {
        ds_put_decimal(builder, (int64_t)(whole / 10));
        ds_put_u8(builder, (uint8_t)('0' + whole % 10));
    } else {
        ds_put_decimal(builder, (int64_t)whole);
    }
    rest %= unit;
    if (rest > 0) {
        ds_put_u8(builder, '.');
    }
    while (rest > 0) {
        unit /= 10;
        ds_put_u8(builder, (uint8_t)('0' + rest / unit));
        rest %= unit;
    }
}

enum ds_err ds_int_parse(struct ds_slice text, int64_t *value)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '.') {
            return DS_ERR_DECODE;
        }
    }
    return ds_fixed_parse(text, 0, value);
}

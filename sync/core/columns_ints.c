/* Numbers of any size and columns of integers (FORMAT.md, "Columns"). */
#include "sync/core/columns.h"

enum { VAR_SIZE_MAX = 10, MORE = 0x80, LOW = 0x7f, BITS = 7 };

static uint64_t turn(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t turn_back(uint64_t value)
{
    return (int64_t)(value >> 1 ^ ((value & 1) != 0 ? UINT64_MAX : 0));
}

void ds_put_var(struct ds_builder *builder, uint64_t value)
{
    while (value > LOW) {
        ds_put_u8(builder, (uint8_t)(value | MORE));
        value >>= BITS;
    }
    ds_put_u8(builder, (uint8_t)value);
}

uint64_t ds_take_var(struct ds_cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < BITS * VAR_SIZE_MAX; shift += BITS) {
        uint8_t byte = ds_take_u8(cursor);
        bool last = shift == BITS * (VAR_SIZE_MAX - 1);
        if ((byte == 0 && shift > 0) || (last && byte > 1)) {
            break; /* Not the shortest form, or more than 64 bits. */
        }
        value |= (uint64_t)(byte & LOW) << shift;
        if ((byte & MORE) == 0) {
            return value;
        }
    }
    cursor->failed = true;
    return 0;
}

void ds_put_svar(struct ds_builder *builder, int64_t value)
{
    ds_put_var(builder, turn(value));
}

int64_t ds_take_svar(struct ds_cursor *cursor)
{
    return turn_back(ds_take_var(cursor));
}

size_t ds_var_size(uint64_t value)
{
    size_t size = 1;
    while (value > LOW) {
        value >>= BITS;
        size++;
    }
    return size;
}

size_t ds_svar_size(int64_t value)
{
    return ds_var_size(turn(value));
}

/* Differences wrap: every value can be said against every other. */
static int64_t minus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t rest_at(const int64_t *values, const int64_t *base, size_t i)
{
    return base == NULL ? values[i] : minus(values[i], base[i]);
}

enum ds_ints_form ds_ints_choose(const int64_t *values, const int64_t *base, size_t count,
                                 size_t *size)
{
    size_t plain = 0;
    size_t delta = 0;
    bool same = true;
    bool step = true;
    int64_t first = count > 0 ? rest_at(values, base, 0) : 0;
    int64_t stride = count > 1 ? minus(rest_at(values, base, 1), first) : 0;
    int64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t rest = rest_at(values, base, i);
        plain += ds_svar_size(rest);
        delta += ds_svar_size(minus(rest, before));
        same = same && rest == first;
        step = step && (i == 0 || minus(rest, before) == stride);
        before = rest;
    }
    if (count == 0 || same) {
        *size = count == 0 ? 0 : ds_svar_size(first);
        return DS_INTS_SAME;
    }
    if (step && count > 2) {
        *size = ds_svar_size(first) + ds_svar_size(stride);
        return DS_INTS_STEP;
    }
    *size = delta < plain ? delta : plain;
    return delta < plain ? DS_INTS_DELTA : DS_INTS_PLAIN;
}

void ds_ints_put_form(struct ds_builder *builder, enum ds_ints_form form, const int64_t *values,
                      const int64_t *base, size_t count)
{
    int64_t before = 0;
    if (count == 0) {
        return;
    }
    if (form == DS_INTS_SAME || form == DS_INTS_STEP) {
        before = rest_at(values, base, 0);
        ds_put_svar(builder, before);
        if (form == DS_INTS_STEP) {
            ds_put_svar(builder, count > 1 ? minus(rest_at(values, base, 1), before) : 0);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t rest = rest_at(values, base, i);
        ds_put_svar(builder, form == DS_INTS_DELTA ? minus(rest, before) : rest);
        before = rest;
    }
}

void ds_ints_take_form(struct ds_cursor *cursor, enum ds_ints_form form, int64_t *values,
                       const int64_t *base, size_t count)
{
    int64_t rest = 0;
    int64_t stride = 0;
    if (count == 0) {
        return;
    }
    if (form == DS_INTS_SAME || form == DS_INTS_STEP) {
        rest = ds_take_svar(cursor);
        stride = form == DS_INTS_STEP ? ds_take_svar(cursor) : 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (form == DS_INTS_PLAIN || form == DS_INTS_DELTA) {
            int64_t said = ds_take_svar(cursor);
            rest = form == DS_INTS_DELTA ? plus(rest, said) : said;
        } else if (i > 0) {
            rest = plus(rest, stride);
        }
        values[i] = base == NULL ? rest : plus(rest, base[i]);
    }
}

void ds_ints_put(struct ds_builder *builder, const int64_t *values, size_t count)
{
    size_t size = 0;
    enum ds_ints_form form = ds_ints_choose(values, NULL, count, &size);
    ds_put_u8(builder, (uint8_t)form);
    ds_ints_put_form(builder, form, values, NULL, count);
}

void ds_ints_take(struct ds_cursor *cursor, int64_t *values, size_t count)
{
    uint8_t form = ds_take_u8(cursor);
    if (form > DS_INTS_STEP) {
        cursor->failed = true;
    }
    if (!cursor->failed) {
        ds_ints_take_form(cursor, (enum ds_ints_form)form, values, NULL, count);
    }
}

/* Canonical msgpack as text for people; the contract is in msgpack.h. */
#include "schema/codec/msgpack.h"

static void put_quoted(struct ds_builder *out, struct ds_slice text)
{
    ds_put_u8(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c == 0x7F || c == '"' || c == '\\') {
            ds_put_text(out, "\\x");
            ds_put_hex(out, (struct ds_slice){&c, 1});
        } else {
            ds_put_u8(out, c);
        }
    }
    ds_put_u8(out, '"');
}

static void put_unsigned(struct ds_builder *out, uint64_t value)
{
    if (value > INT64_MAX) {
        ds_put_decimal(out, (int64_t)(value / 10));
        value %= 10;
    }
    ds_put_decimal(out, (int64_t)value);
}

static void describe_one(struct ds_cursor *cursor, struct ds_builder *out);

static void describe_array(struct ds_cursor *cursor, struct ds_builder *out)
{
    uint32_t count = ds_mp_take_array(cursor);
    ds_put_u8(out, '[');
    for (uint32_t i = 0; i < count && !out->failed; i++) {
        ds_put_text(out, i == 0 ? "" : ", ");
        describe_one(cursor, out);
    }
    ds_put_u8(out, ']');
}

static void describe_map(struct ds_cursor *cursor, struct ds_builder *out)
{
    uint32_t count = ds_mp_take_map(cursor);
    ds_put_u8(out, '{');
    for (uint32_t i = 0; i < count && !out->failed; i++) {
        ds_put_text(out, i == 0 ? "" : ", ");
        describe_one(cursor, out);
        ds_put_text(out, ": ");
        describe_one(cursor, out);
    }
    ds_put_u8(out, '}');
}

/* Recursion ends at DS_MP_DEPTH_MAX: the value was scanned. */
static void describe_one(struct ds_cursor *cursor, struct ds_builder *out)
{
    switch (ds_mp_peek(cursor)) {
    case DS_MP_UINT:
        put_unsigned(out, ds_mp_take_uint(cursor));
        break;
    case DS_MP_INT:
        ds_put_decimal(out, ds_mp_take_int(cursor));
        break;
    case DS_MP_NIL:
        (void)ds_mp_take_nil_if(cursor);
        ds_put_text(out, "nil");
        break;
    case DS_MP_BOOL:
        ds_put_text(out, ds_mp_take_bool(cursor) ? "true" : "false");
        break;
    case DS_MP_STR:
        put_quoted(out, ds_mp_take_str(cursor));
        break;
    case DS_MP_BIN:
        ds_put_text(out, "h'");
        ds_put_hex(out, ds_mp_take_bin(cursor));
        ds_put_u8(out, '\'');
        break;
    case DS_MP_ARRAY:
        describe_array(cursor, out);
        break;
    case DS_MP_MAP:
        describe_map(cursor, out);
        break;
    case DS_MP_NONE:
        break;
    }
}

void ds_mp_describe(struct ds_slice value, struct ds_builder *out)
{
    if (ds_mp_scan(value, NULL) != DS_OK) {
        ds_put_u8(out, '?');
        ds_put_hex(out, value);
        return;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    describe_one(&cursor, out);
}

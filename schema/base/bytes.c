#include "schema/base/bytes.h"

void ds_put_text(struct ds_builder *builder, const char *text)
{
    ds_put_bytes(builder, ds_slice_of_text(text));
}

void ds_put_decimal(struct ds_builder *builder, int64_t value)
{
    uint8_t digits[20];
    size_t count = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[sizeof(digits) - ++count] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        ds_put_u8(builder, '-');
    }
    ds_put_bytes(builder, (struct ds_slice){digits + sizeof(digits) - count, count});
}

void ds_put_hex(struct ds_builder *builder, struct ds_slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        ds_put_u8(builder, (uint8_t)digits[bytes.data[i] >> 4]);
        ds_put_u8(builder, (uint8_t)digits[bytes.data[i] & 15]);
    }
}

enum ds_err ds_builder_end(const struct ds_builder *builder, struct ds_slice *made)
{
    if (builder->failed) {
        return DS_ERR_LIMIT;
    }
    *made = (struct ds_slice){builder->data, builder->used};
    return DS_OK;
}

const char *ds_builder_text(struct ds_builder *builder)
{
    if (builder->failed || builder->used >= builder->size) {
        return "";
    }
    builder->data[builder->used] = 0;
    return (const char *)builder->data;
}

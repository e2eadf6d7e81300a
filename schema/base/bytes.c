#include "schema/base/bytes.h"

#include <string.h>

void ds_builder_init(struct ds_builder *builder, void *memory, size_t size)
{
    *builder = (struct ds_builder){.data = memory, .size = size, .used = 0, .failed = false};
}

static uint8_t *claim(struct ds_builder *builder, size_t size)
{
    DS_ASSERT(builder->used <= builder->size);
    if (builder->failed || size > builder->size - builder->used) {
        builder->failed = true;
        return NULL;
    }
    uint8_t *at = builder->data + builder->used;
    builder->used += size;
    return at;
}

static void put_big_endian(struct ds_builder *builder, uint64_t value, size_t size)
{
    uint8_t *at = claim(builder, size);
    for (size_t i = 0; at != NULL && i < size; i++) {
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
}

void ds_put_u8(struct ds_builder *builder, uint8_t value)
{
    put_big_endian(builder, value, 1);
}

void ds_put_u16(struct ds_builder *builder, uint16_t value)
{
    put_big_endian(builder, value, 2);
}

void ds_put_u32(struct ds_builder *builder, uint32_t value)
{
    put_big_endian(builder, value, 4);
}

void ds_put_u64(struct ds_builder *builder, uint64_t value)
{
    put_big_endian(builder, value, 8);
}

void ds_put_bytes(struct ds_builder *builder, struct ds_slice bytes)
{
    uint8_t *at = claim(builder, bytes.size);
    if (at != NULL && bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
}

void ds_put_text(struct ds_builder *builder, const char *text)
{
    ds_put_bytes(builder, ds_slice_of_text(text));
}

void ds_put_id(struct ds_builder *builder, const struct ds_id *id)
{
    ds_put_bytes(builder, (struct ds_slice){id->byte, sizeof(id->byte)});
}

void ds_put_hash(struct ds_builder *builder, const struct ds_hash *hash)
{
    ds_put_bytes(builder, (struct ds_slice){hash->byte, sizeof(hash->byte)});
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

void ds_cursor_init(struct ds_cursor *cursor, struct ds_slice bytes)
{
    /* The empty slice may have no address, and to that not even 0 may be added. */
    static const uint8_t nothing;
    const uint8_t *data = bytes.data == NULL ? &nothing : bytes.data;
    *cursor = (struct ds_cursor){.data = data, .size = bytes.size, .at = 0, .failed = false};
}

size_t ds_cursor_left(const struct ds_cursor *cursor)
{
    DS_ASSERT(cursor->at <= cursor->size);
    return cursor->size - cursor->at;
}

struct ds_slice ds_take_bytes(struct ds_cursor *cursor, size_t size)
{
    if (cursor->failed || size > ds_cursor_left(cursor)) {
        cursor->failed = true;
        return (struct ds_slice){NULL, 0};
    }
    struct ds_slice taken = {cursor->data + cursor->at, size};
    cursor->at += size;
    return taken;
}

static uint64_t take_big_endian(struct ds_cursor *cursor, size_t size)
{
    struct ds_slice taken = ds_take_bytes(cursor, size);
    uint64_t value = 0;
    for (size_t i = 0; i < taken.size; i++) {
        value = value << 8 | taken.data[i];
    }
    return value;
}

uint8_t ds_take_u8(struct ds_cursor *cursor)
{
    return (uint8_t)take_big_endian(cursor, 1);
}

uint16_t ds_take_u16(struct ds_cursor *cursor)
{
    return (uint16_t)take_big_endian(cursor, 2);
}

uint32_t ds_take_u32(struct ds_cursor *cursor)
{
    return (uint32_t)take_big_endian(cursor, 4);
}

uint64_t ds_take_u64(struct ds_cursor *cursor)
{
    return take_big_endian(cursor, 8);
}

struct ds_id ds_take_id(struct ds_cursor *cursor)
{
    struct ds_id id = {{0}};
    struct ds_slice taken = ds_take_bytes(cursor, sizeof(id.byte));
    if (taken.size == sizeof(id.byte)) {
        memcpy(id.byte, taken.data, sizeof(id.byte));
    }
    return id;
}

struct ds_hash ds_take_hash(struct ds_cursor *cursor)
{
    struct ds_hash hash = {{0}};
    struct ds_slice taken = ds_take_bytes(cursor, sizeof(hash.byte));
    if (taken.size == sizeof(hash.byte)) {
        memcpy(hash.byte, taken.data, sizeof(hash.byte));
    }
    return hash;
}

enum ds_err ds_cursor_end(const struct ds_cursor *cursor)
{
    return cursor->failed || ds_cursor_left(cursor) > 0 ? DS_ERR_DECODE : DS_OK;
}

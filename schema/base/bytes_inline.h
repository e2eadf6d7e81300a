/* Bodies of the small functions of bytes.h, which holds their contracts and alone includes this. */
#ifndef DS_SCHEMA_BASE_BYTES_INLINE_H
#define DS_SCHEMA_BASE_BYTES_INLINE_H

#include "schema/base/bytes.h"

#include <string.h>

static inline void ds_builder_init(struct ds_builder *builder, void *memory, size_t size)
{
    *builder = (struct ds_builder){.data = memory, .size = size, .used = 0, .failed = false};
}

static inline uint8_t *ds_builder_claim(struct ds_builder *builder, size_t size)
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

static inline void ds_put_u8(struct ds_builder *builder, uint8_t value)
{
    uint8_t *at = ds_builder_claim(builder, 1);
    if (at != NULL) {
        at[0] = value;
    }
}

/* Compilers make one swap and one store of these. */
static inline void ds_put_u16(struct ds_builder *builder, uint16_t value)
{
    uint8_t *at = ds_builder_claim(builder, 2);
    if (at != NULL) {
        at[0] = (uint8_t)(value >> 8);
        at[1] = (uint8_t)value;
    }
}

static inline void ds_put_u32(struct ds_builder *builder, uint32_t value)
{
    uint8_t *at = ds_builder_claim(builder, 4);
    if (at != NULL) {
        at[0] = (uint8_t)(value >> 24);
        at[1] = (uint8_t)(value >> 16);
        at[2] = (uint8_t)(value >> 8);
        at[3] = (uint8_t)value;
    }
}

static inline void ds_put_u64(struct ds_builder *builder, uint64_t value)
{
    uint8_t *at = ds_builder_claim(builder, 8);
    if (at != NULL) {
        at[0] = (uint8_t)(value >> 56);
        at[1] = (uint8_t)(value >> 48);
        at[2] = (uint8_t)(value >> 40);
        at[3] = (uint8_t)(value >> 32);
        at[4] = (uint8_t)(value >> 24);
        at[5] = (uint8_t)(value >> 16);
        at[6] = (uint8_t)(value >> 8);
        at[7] = (uint8_t)value;
    }
}

static inline void ds_put_bytes(struct ds_builder *builder, struct ds_slice bytes)
{
    uint8_t *at = ds_builder_claim(builder, bytes.size);
    if (at != NULL && bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
}

static inline void ds_put_id(struct ds_builder *builder, const struct ds_id *id)
{
    ds_put_bytes(builder, (struct ds_slice){id->byte, sizeof(id->byte)});
}

static inline void ds_put_hash(struct ds_builder *builder, const struct ds_hash *hash)
{
    ds_put_bytes(builder, (struct ds_slice){hash->byte, sizeof(hash->byte)});
}

static inline void ds_cursor_init(struct ds_cursor *cursor, struct ds_slice bytes)
{
    /* The empty slice may have no address, and to that not even 0 may be added. */
    static const uint8_t nothing;
    const uint8_t *data = bytes.data == NULL ? &nothing : bytes.data;
    *cursor = (struct ds_cursor){.data = data, .size = bytes.size, .at = 0, .failed = false};
}

static inline size_t ds_cursor_left(const struct ds_cursor *cursor)
{
    DS_ASSERT(cursor->at <= cursor->size);
    return cursor->size - cursor->at;
}

static inline struct ds_slice ds_take_bytes(struct ds_cursor *cursor, size_t size)
{
    if (cursor->failed || size > ds_cursor_left(cursor)) {
        cursor->failed = true;
        return (struct ds_slice){NULL, 0};
    }
    struct ds_slice taken = {cursor->data + cursor->at, size};
    cursor->at += size;
    return taken;
}

static inline uint8_t ds_take_u8(struct ds_cursor *cursor)
{
    struct ds_slice taken = ds_take_bytes(cursor, 1);
    return taken.size == 0 ? 0 : taken.data[0];
}

static inline uint16_t ds_take_u16(struct ds_cursor *cursor)
{
    struct ds_slice taken = ds_take_bytes(cursor, 2);
    return taken.size == 0 ? 0 : (uint16_t)(taken.data[0] << 8 | taken.data[1]);
}

static inline uint32_t ds_take_u32(struct ds_cursor *cursor)
{
    struct ds_slice taken = ds_take_bytes(cursor, 4);
    const uint8_t *at = taken.data;
    return taken.size == 0 ? 0
                           : (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
                                 (uint32_t)at[3];
}

static inline uint64_t ds_take_u64(struct ds_cursor *cursor)
{
    struct ds_slice taken = ds_take_bytes(cursor, 8);
    const uint8_t *at = taken.data;
    return taken.size == 0 ? 0
                           : (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 |
                                 (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 |
                                 (uint64_t)at[5] << 16 | (uint64_t)at[6] << 8 | (uint64_t)at[7];
}

static inline struct ds_id ds_take_id(struct ds_cursor *cursor)
{
    struct ds_id id = {{0}};
    struct ds_slice taken = ds_take_bytes(cursor, sizeof(id.byte));
    if (taken.size == sizeof(id.byte)) {
        memcpy(id.byte, taken.data, sizeof(id.byte));
    }
    return id;
}

static inline struct ds_hash ds_take_hash(struct ds_cursor *cursor)
{
    struct ds_hash hash = {{0}};
    struct ds_slice taken = ds_take_bytes(cursor, sizeof(hash.byte));
    if (taken.size == sizeof(hash.byte)) {
        memcpy(hash.byte, taken.data, sizeof(hash.byte));
    }
    return hash;
}

static inline enum ds_err ds_cursor_end(const struct ds_cursor *cursor)
{
    return cursor->failed || ds_cursor_left(cursor) > 0 ? DS_ERR_DECODE : DS_OK;
}

#endif

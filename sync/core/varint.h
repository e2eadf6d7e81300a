/* Integers in as few bytes as they need, for packed state: seven bits a byte, low ones first, the
 * top bit set while more follow. Signed ones are folded around zero. State, never wire. */
#ifndef DS_SYNC_CORE_VARINT_H
#define DS_SYNC_CORE_VARINT_H

#include "schema/base/bytes.h"

static inline void ds_put_varint(struct ds_builder *builder, uint64_t value)
{
    while (value > 0x7f) {
        ds_put_u8(builder, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    ds_put_u8(builder, (uint8_t)value);
}

static inline uint64_t ds_take_varint(struct ds_cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = ds_take_u8(cursor);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    cursor->failed = true;
    return 0;
}

static inline void ds_put_signed(struct ds_builder *builder, int64_t value)
{
    uint64_t bits = (uint64_t)value;
    ds_put_varint(builder, bits << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

static inline int64_t ds_take_signed(struct ds_cursor *cursor)
{
    uint64_t bits = ds_take_varint(cursor);
    return (int64_t)(bits >> 1 ^ (0 - (bits & 1)));
}

#endif

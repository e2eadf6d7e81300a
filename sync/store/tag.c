#include "sync/store/tag.h"

#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return (word << bits) | (word >> (64 - bits));
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t load(const uint8_t *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
           (uint64_t)at[7] << 56;
}

static void sip_init(struct sip *s, const uint8_t key[static 16])
{
    uint64_t k0 = load(key);
    uint64_t k1 = load(key + 8);
    s->v0 = k0 ^ UINT64_C(0x736f6d6570736575);
    s->v1 = k1 ^ UINT64_C(0x646f72616e646f6d);
    s->v2 = k0 ^ UINT64_C(0x6c7967656e657261);
    s->v3 = k1 ^ UINT64_C(0x7465646279746573);
}

/* Add bytes of any size as the last part; before is how many were added, a multiple of 8. */
static uint64_t sip_end(struct sip *s, size_t before, struct ds_slice bytes)
{
    size_t at = 0;
    for (; bytes.size - at >= 8; at += 8) {
        sip_word(s, load(bytes.data + at));
    }
    uint64_t last = (uint64_t)((before + bytes.size) & 0xff) << 56;
    for (unsigned shift = 0; at < bytes.size; at++, shift += 8) {
        last |= (uint64_t)bytes.data[at] << shift;
    }
    sip_word(s, last);
    s->v2 ^= 0xff;
    for (int round = 0; round < 4; round++) {
        sip_round(s);
    }
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t ds_siphash(const uint8_t key[static 16], struct ds_slice bytes)
{
    struct sip s;
    sip_init(&s, key);
    return sip_end(&s, 0, bytes);
}

/* Bytes under the tag: table u8, size of the key u8, key, zeros up to a multiple of 8, value. */
uint64_t ds_store_tag(uint8_t table, struct ds_slice key, struct ds_slice value)
{
    static const uint8_t tag_key[16] = "doorstep value 1";
    uint8_t head[264];
    DS_ASSERT(key.size > 0 && key.size <= 255);
    size_t size = (2 + key.size + 7) / 8 * 8;
    memset(head + size - 8, 0, 8);
    head[0] = table;
    head[1] = (uint8_t)key.size;
    memcpy(head + 2, key.data, key.size);

    struct sip s;
    sip_init(&s, tag_key);
    for (size_t at = 0; at < size; at += 8) {
        sip_word(&s, load(head + at));
    }
    return sip_end(&s, size, value);
}

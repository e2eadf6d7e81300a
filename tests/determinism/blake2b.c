/* BLAKE2b by RFC 7693, in place of libsodium's: for the 32-bit build, which then needs no foreign
 * library, and as a second opinion of every hash in the journal. Only what sync/core/hash.c asks
 * for. */
#include <sodium.h>

#include <string.h>

enum { BLOCK = 128, ROUNDS = 12 };

struct blake {
    uint64_t h[8];
    uint64_t count; /* Bytes so far; 2^64 of them are enough. */
    uint8_t block[BLOCK];
    size_t used;
    size_t size;
};
_Static_assert(sizeof(struct blake) <= sizeof(crypto_generichash_state), "it fits");

static const uint64_t start[8] = {UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b),
                                  UINT64_C(0x3c6ef372fe94f82b), UINT64_C(0xa54ff53a5f1d36f1),
                                  UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
                                  UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179)};
static const uint8_t sigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                      {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                      {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                      {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                      {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                      {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                      {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                      {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                      {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                      {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static uint64_t turn(uint64_t word, unsigned bits)
{
    return word >> bits | word << (64 - bits);
}

static void mix(uint64_t v[16], const uint8_t at[4], uint64_t x, uint64_t y)
{
    uint64_t *a = &v[at[0]];
    uint64_t *b = &v[at[1]];
    uint64_t *c = &v[at[2]];
    uint64_t *d = &v[at[3]];
    *a = *a + *b + x;
    *d = turn(*d ^ *a, 32);
    *c = *c + *d;
    *b = turn(*b ^ *c, 24);
    *a = *a + *b + y;
    *d = turn(*d ^ *a, 16);
    *c = *c + *d;
    *b = turn(*b ^ *c, 63);
}

static void compress(struct blake *s, int last)
{
    static const uint8_t places[8][4] = {{0, 4, 8, 12},  {1, 5, 9, 13},  {2, 6, 10, 14},
                                         {3, 7, 11, 15}, {0, 5, 10, 15}, {1, 6, 11, 12},
                                         {2, 7, 8, 13},  {3, 4, 9, 14}};
    uint64_t m[16];
    uint64_t v[16];
    for (size_t i = 0; i < 16; i++) {
        m[i] = 0;
        for (size_t byte = 8; byte-- > 0;) {
            m[i] = m[i] << 8 | s->block[8 * i + byte];
        }
    }
    memcpy(v, s->h, sizeof s->h);
    memcpy(v + 8, start, sizeof start);
    v[12] ^= s->count;
    v[14] ^= last ? UINT64_MAX : 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        const uint8_t *order = sigma[round % 10];
        for (size_t i = 0; i < 8; i++) {
            mix(v, places[i], m[order[2 * i]], m[order[2 * i + 1]]);
        }
    }
    for (size_t i = 0; i < 8; i++) {
        s->h[i] ^= v[i] ^ v[i + 8];
    }
}

int crypto_generichash_init(crypto_generichash_state *state, const unsigned char *key,
                            const size_t key_size, const size_t size)
{
    struct blake *s = (struct blake *)(void *)state;
    memset(s, 0, sizeof *s);
    memcpy(s->h, start, sizeof start);
    s->h[0] ^= UINT64_C(0x01010000) ^ (uint64_t)key_size << 8 ^ size;
    s->size = size;
    if (key_size > 0) {
        memcpy(s->block, key, key_size);
        s->used = BLOCK;
    }
    return 0;
}

int crypto_generichash_update(crypto_generichash_state *state, const unsigned char *bytes,
                              unsigned long long size)
{
    struct blake *s = (struct blake *)(void *)state;
    for (unsigned long long i = 0; i < size; i++) {
        if (s->used == BLOCK) {
            s->count += BLOCK;
            compress(s, 0);
            s->used = 0;
        }
        s->block[s->used++] = bytes[i];
    }
    return 0;
}

int crypto_generichash_final(crypto_generichash_state *state, unsigned char *out, const size_t size)
{
    struct blake *s = (struct blake *)(void *)state;
    s->count += s->used;
    memset(s->block + s->used, 0, BLOCK - s->used);
    compress(s, 1);
    for (size_t i = 0; i < size; i++) {
        out[i] = (unsigned char)(s->h[i / 8] >> (8 * (i % 8)));
    }
    return size == s->size ? 0 : -1;
}

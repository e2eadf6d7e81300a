/* Seeded random numbers for tests: the same seed gives the same run on every machine.
 *
 * SplitMix64, so any seed is as good as another. Tests print the seed of a failing case; nothing
 * here reads a clock or the environment. Header only; not for keys. */
#ifndef DS_TESTS_SUPPORT_PRNG_H
#define DS_TESTS_SUPPORT_PRNG_H

#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state;
};

static inline uint64_t prng_next(struct prng *prng)
{
    uint64_t z = prng->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* 0 .. limit - 1; limit > 0. */
static inline uint64_t prng_below(struct prng *prng, uint64_t limit)
{
    return prng_next(prng) % limit;
}

static inline int64_t prng_between(struct prng *prng, int64_t low, int64_t high)
{
    return low + (int64_t)prng_below(prng, (uint64_t)(high - low) + 1);
}

/* Numbers of every magnitude alike, edges included: what width-dependent code stumbles over. */
static inline uint64_t prng_edgy(struct prng *prng)
{
    unsigned bits = (unsigned)prng_below(prng, 65);
    uint64_t edge = bits == 64 ? UINT64_MAX : UINT64_C(1) << bits;
    switch (prng_below(prng, 4)) {
    case 0:
        return edge;
    case 1:
        return edge - 1;
    case 2:
        return edge + 1;
    default:
        return bits == 0 ? 0 : prng_next(prng) >> (64 - bits);
    }
}

static inline void prng_fill(struct prng *prng, void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)prng_next(prng);
    }
}

#endif

/* The tag of stored values: SipHash-2-4 as published, bound to table, key and value. */
#include "sync/store/tag.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <string.h>

/* The authors' vectors: key 00..0f, input 00..(size-1), output as little-endian bytes
 * (Aumasson and Bernstein, "SipHash: a fast short-input PRF", appendix A, and vectors.h). */
static void siphash__gives_its_authors_vectors(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        uint64_t hash;
    } rows[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {2, UINT64_C(0x0d6c8009d9a94f5a)},  {7, UINT64_C(0xab0200f58b01d137)},
        {8, UINT64_C(0x93f5f5799a932462)},  {9, UINT64_C(0x9e0082df0ba9e4b0)},
        {15, UINT64_C(0xa129ca6149be45e5)},
    };
    uint8_t key[16];
    uint8_t input[16];
    for (uint8_t i = 0; i < 16; i++) {
        key[i] = i;
        input[i] = i;
    }
    for (size_t row = 0; row < DS_COUNT(rows); row++) {
        struct ds_slice bytes = {input, rows[row].size};
        assert_int_equal(ds_siphash(key, bytes), rows[row].hash);
    }
}

/* What the header says is under the tag, joined and hashed in one piece. */
static void tag__is_siphash_over_table_key_and_value(void **state)
{
    (void)state;
    static const uint8_t tag_key[16] = "doorstep value 1";
    struct prng prng = {1};
    for (size_t key_size = 1; key_size <= 255; key_size++) {
        uint8_t joined[512];
        uint8_t key[255];
        uint8_t value[40];
        size_t value_size = prng_below(&prng, sizeof value);
        prng_fill(&prng, key, key_size);
        prng_fill(&prng, value, value_size);
        size_t head = (2 + key_size + 7) / 8 * 8;
        memset(joined, 0, sizeof joined);
        joined[0] = 7;
        joined[1] = (uint8_t)key_size;
        memcpy(joined + 2, key, key_size);
        memcpy(joined + head, value, value_size);
        assert_int_equal(
            ds_store_tag(7, (struct ds_slice){key, key_size}, (struct ds_slice){value, value_size}),
            ds_siphash(tag_key, (struct ds_slice){joined, head + value_size}));
    }
}

static void tag__any_flipped_bit_changes_it(void **state)
{
    (void)state;
    struct prng prng = {2};
    uint8_t pair[24]; /* An 8-byte key and a 16-byte value. */
    prng_fill(&prng, pair, sizeof pair);
    struct ds_slice key = {pair, 8};
    struct ds_slice value = {pair + 8, 16};
    uint64_t right = ds_store_tag(3, key, value);
    for (size_t bit = 0; bit < 8 * sizeof pair; bit++) {
        pair[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(ds_store_tag(3, key, value), right);
        pair[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_int_not_equal(ds_store_tag(2, key, value), right);
    assert_int_equal(ds_store_tag(3, key, value), right);
}

static void tag__the_border_between_key_and_value_counts(void **state)
{
    (void)state;
    struct ds_slice a = ds_slice_of_text("a");
    struct ds_slice ab = ds_slice_of_text("ab");
    struct ds_slice b = ds_slice_of_text("b");
    struct ds_slice none = {NULL, 0};
    assert_int_not_equal(ds_store_tag(0, a, b), ds_store_tag(0, ab, none));
    assert_int_not_equal(ds_store_tag(0, a, none), ds_store_tag(0, a, DS_SLICE_LIT("\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash__gives_its_authors_vectors),
        cmocka_unit_test(tag__is_siphash_over_table_key_and_value),
        cmocka_unit_test(tag__any_flipped_bit_changes_it),
        cmocka_unit_test(tag__the_border_between_key_and_value_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

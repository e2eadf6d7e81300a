/* BLAKE2b through our hasher. The published answers are in conformance/crypto_vectors_test.c. */
#include "schema/base/text.h"
#include "sync/core/hash.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <string.h>

static const struct ds_slice none = {NULL, 0};

static void must_be(struct ds_slice bytes, const char *hex)
{
    uint8_t wanted[64];
    assert_int_equal(ds_hex_parse(ds_slice_of_text(hex), wanted, bytes.size), DS_OK);
    assert_memory_equal(bytes.data, wanted, bytes.size);
}

/* RFC 7693, appendix A. */
static void hasher__gives_the_answer_of_the_rfc(void **state)
{
    (void)state;
    struct ds_hasher hasher;
    uint8_t hash[64];
    ds_hasher_init(&hasher, none, sizeof hash);
    ds_hasher_add(&hasher, DS_SLICE_LIT("abc"));
    ds_hasher_end(&hasher, hash, sizeof hash);
    must_be(DS_SLICE_OF(hash), "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                               "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
}

static void hasher__parts_of_any_size_hash_like_the_whole(void **state)
{
    (void)state;
    static uint8_t bytes[1000];
    struct prng prng = {1};
    prng_fill(&prng, bytes, sizeof bytes);
    static const size_t sizes[] = {8, 16, 32, 64};
    for (unsigned round = 0; round < 200; round++) {
        size_t size = sizes[round % 4];
        struct ds_slice key = {bytes, round % 3 == 0 ? 0 : round % 3 == 1 ? 16 : 64};
        uint8_t whole[64];
        uint8_t parts[64];
        struct ds_hasher hasher;
        ds_hasher_init(&hasher, key, size);
        ds_hasher_add(&hasher, DS_SLICE_OF(bytes));
        ds_hasher_end(&hasher, whole, size);
        ds_hasher_init(&hasher, key, size);
        for (size_t at = 0; at < sizeof bytes;) {
            size_t part = prng_below(&prng, 200);
            part = part < sizeof bytes - at ? part : sizeof bytes - at;
            ds_hasher_add(&hasher, (struct ds_slice){bytes + at, part});
            at += part;
        }
        ds_hasher_end(&hasher, parts, size);
        assert_memory_equal(whole, parts, size);
    }
}

static void hash3__is_blake2b_256_of_the_parts_in_a_row(void **state)
{
    (void)state;
    struct ds_hash whole = ds_hash3(DS_SLICE_LIT("label and text"), none, none);
    struct ds_hash parts =
        ds_hash3(DS_SLICE_LIT("label"), DS_SLICE_LIT(" and "), DS_SLICE_LIT("text"));
    assert_true(ds_hash_equal(&whole, &parts));
    struct ds_hash abc = ds_hash3(none, DS_SLICE_LIT("abc"), none);
    must_be(DS_SLICE_OF(abc), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

static void id_of__differs_by_station_kind_and_key(void **state)
{
    (void)state;
    struct ds_id station = {{1, 2, 3}};
    struct ds_id other = {{1, 2, 4}};
    struct ds_id id = ds_id_of(&station, 7, DS_SLICE_LIT("M-0001"));
    struct ds_id same = ds_id_of(&station, 7, DS_SLICE_LIT("M-0001"));
    struct ds_id ids[] = {id, ds_id_of(&other, 7, DS_SLICE_LIT("M-0001")),
                          ds_id_of(&station, 8, DS_SLICE_LIT("M-0001")),
                          ds_id_of(&station, 7, DS_SLICE_LIT("M-0002")),
                          ds_id_of(&station, 7, none)};
    assert_true(ds_id_equal(&id, &same));
    for (size_t a = 0; a < DS_COUNT(ids); a++) {
        for (size_t b = 0; b < a; b++) {
            assert_false(ds_id_equal(&ids[a], &ids[b]));
        }
    }
    /* The formula of the contract, spelled out: imported data keeps its ids for ever. */
    uint8_t joined[13 + 16 + 1 + 6] = "doorstep id 1................\7M-0001";
    uint8_t wanted[16];
    memcpy(joined + 13, station.byte, 16);
    struct ds_hasher hasher;
    ds_hasher_init(&hasher, none, sizeof wanted);
    ds_hasher_add(&hasher, DS_SLICE_OF(joined));
    ds_hasher_end(&hasher, wanted, sizeof wanted);
    assert_memory_equal(id.byte, wanted, sizeof wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hasher__gives_the_answer_of_the_rfc),
        cmocka_unit_test(hasher__parts_of_any_size_hash_like_the_whole),
        cmocka_unit_test(hash3__is_blake2b_256_of_the_parts_in_a_row),
        cmocka_unit_test(id_of__differs_by_station_kind_and_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

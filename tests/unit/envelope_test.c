/* The envelope: opened by its key alone, and no frame gets past its limits. */
#include "sync/shard/envelope.h"
#include "tests/support/exchange_bench.h"

/* Compressible like real messages, and never by more than the ratio. */
static void fill_text(struct prng *prng, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)("0123456789abcdef"[prng_below(prng, 16)]);
    }
}

struct ends { /* What both sides have. */
    struct bench bench;
    struct ds_envelope_codec codec;
    struct ds_secret key;
    struct ds_id device;
    uint8_t *room;
};

static struct ends ends_open(uint64_t seed)
{
    struct ends ends = {.bench = bench_open(seed), .room = malloc(WIRE_SIZE)};
    assert_non_null(ends.room);
    assert_int_equal(ds_crypto_init(), DS_OK);
    assert_int_equal(ds_envelope_codec_init(&ends.codec), DS_OK);
    prng_fill(&ends.bench.prng, &ends.key, sizeof(ends.key));
    prng_fill(&ends.bench.prng, &ends.device, sizeof(ends.device));
    return ends;
}

static void ends_close(struct ends *ends)
{
    ds_envelope_codec_fini(&ends->codec);
    bench_close(&ends->bench);
    free(ends->room);
}

static struct ds_slice seal(struct ends *ends, bool compressed, struct ds_slice plain)
{
    begin(&ends->bench);
    ds_envelope_seal(compressed ? &ends->codec : NULL, &ends->key, &ends->device, 77, plain,
                     &ends->bench.builder);
    return built(&ends->bench.builder);
}

static enum ds_err unseal(struct ends *ends, struct ds_slice bytes, struct ds_slice *plain,
                          struct ds_detail *detail)
{
    struct ds_builder buffer;
    ds_builder_init(&buffer, ends->room, DS_PLAIN_SIZE_MAX);
    return ds_envelope_open(&ends->codec, &ends->key, bytes, &buffer, plain, detail);
}

/* An envelope around any payload, its tag right. */
static struct ds_slice wrap(struct ends *ends, uint8_t form, size_t plain_size,
                            struct ds_slice payload)
{
    struct ds_builder *out = &ends->bench.builder;
    uint8_t tag[DS_TAG_SIZE];
    begin(&ends->bench);
    ds_put_u8(out, DS_SUITE);
    ds_put_u8(out, form);
    ds_put_id(out, &ends->device);
    ds_put_u64(out, 77);
    ds_put_u32(out, (uint32_t)plain_size);
    ds_put_bytes(out, payload);
    ds_tag(&ends->key, built(out), (struct ds_slice){NULL, 0}, tag);
    ds_put_bytes(out, DS_SLICE_OF(tag));
    return built(out);
}

static void envelope__every_size_comes_back_plain_and_compressed(void **state)
{
    (void)state;
    struct ends ends = ends_open(25);
    static const size_t large[] = {1000, 65535, 65536, 300000, 1048576, 1048577, DS_PLAIN_SIZE_MAX};
    uint8_t *text = malloc(DS_PLAIN_SIZE_MAX);
    assert_non_null(text);
    fill_text(&ends.bench.prng, text, DS_PLAIN_SIZE_MAX);
    for (size_t i = 0; i < 200 + DS_COUNT(large); i++) {
        size_t size = i < 200 ? i : large[i - 200];
        for (int compressed = 0; compressed < 2; compressed++) {
            struct ds_slice plain = {NULL, 0};
            struct ds_detail detail = {{0}};
            struct ds_id device;
            uint64_t counter = 0;
            struct ds_slice sealed = seal(&ends, compressed == 1, (struct ds_slice){text, size});
            assert_int_equal(ds_envelope_peek(sealed, &device, &counter), DS_OK);
            assert_true(ds_id_equal(&device, &ends.device));
            assert_int_equal(counter, 77);
            assert_true(sealed.size <= size + DS_ENVELOPE_OVERHEAD);
            /* In between it depends on zstd's version. */
            assert_true(size < 1000 || sealed.data[1] == compressed);
            assert_true(size >= 64 || sealed.data[1] == DS_ENVELOPE_PLAIN);
            if (unseal(&ends, sealed, &plain, &detail) != DS_OK) {
                fail_msg("size %zu: %s", size, detail.text);
            }
            assert_true(ds_slice_equal(plain, (struct ds_slice){text, size}));
        }
    }
    free(text);
    ends_close(&ends);
}

static void envelope__what_does_not_shrink_or_shrinks_too_much_travels_plain(void **state)
{
    (void)state;
    struct ends ends = ends_open(26);
    uint8_t *bytes = calloc(1, 100000);
    struct ds_slice plain;
    assert_non_null(bytes);
    struct ds_slice sealed = seal(&ends, true, (struct ds_slice){bytes, 100000});
    assert_int_equal(sealed.data[1], DS_ENVELOPE_PLAIN); /* Zeros: a ratio of thousands. */
    assert_int_equal(unseal(&ends, sealed, &plain, NULL), DS_OK);
    prng_fill(&ends.bench.prng, bytes, 100000);
    sealed = seal(&ends, true, (struct ds_slice){bytes, 100000});
    assert_int_equal(sealed.data[1], DS_ENVELOPE_PLAIN); /* Noise. */
    assert_int_equal(unseal(&ends, sealed, &plain, NULL), DS_OK);
    free(bytes);
    ends_close(&ends);
}

static void envelope__any_flipped_bit_cut_or_other_key_is_refused(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct ends ends = ends_open(27);
    for (int compressed = 0; compressed < 2; compressed++) {
        struct ds_slice plain;
        struct ds_slice sealed = seal(&ends, compressed == 1, samples->response);
        assert_int_equal(sealed.data[1], compressed);
        for (size_t bit = 0; bit < 8 * sealed.size; bit++) {
            ends.bench.wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
            enum ds_err err = unseal(&ends, sealed, &plain, NULL);
            /* The suite is looked at first. */
            assert_true(bit < 8 ? err == DS_ERR_VERSION || err == DS_ERR_DECODE
                                : err == DS_ERR_SIGNATURE);
            assert_null(plain.data);
            ends.bench.wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t size = 0; size < sealed.size; size++) {
            uint8_t *exact = malloc(size + 1);
            assert_non_null(exact);
            memcpy(exact, sealed.data, size);
            assert_int_equal(unseal(&ends, (struct ds_slice){exact, size}, &plain, NULL),
                             size < DS_ENVELOPE_OVERHEAD ? DS_ERR_DECODE : DS_ERR_SIGNATURE);
            free(exact);
        }
        ends.key.byte[31] ^= 1;
        assert_int_equal(unseal(&ends, sealed, &plain, NULL), DS_ERR_SIGNATURE);
        ends.key.byte[31] ^= 1;
        assert_int_equal(unseal(&ends, sealed, &plain, NULL), DS_OK);
    }
    ends_close(&ends);
    free(samples);
}

/* Frames by hand (RFC 8878): magic, descriptor, window, content size, one RLE block. */
struct frame {
    const char *name;
    uint8_t bytes[24];
    size_t size;
    size_t plain_size;
    enum ds_err err;
    const char *detail;
};

#define MAGIC 0x28, 0xB5, 0x2F, 0xFD
#define RLE(size) (uint8_t)((size) << 3 | 3), (uint8_t)((size) >> 5), (uint8_t)((size) >> 13), 'x'

static const struct frame frames[] = {
    {"a single segment", {MAGIC, 0x20, 100, RLE(100)}, 10, 100, DS_OK, ""},
    {"a window of 2^20", {MAGIC, 0x40, 0x50, 0xE8, 0x02, RLE(1000)}, 12, 1000, DS_OK, ""},
    {"a window an eighth larger",
     {MAGIC, 0x40, 0x51, 0xE8, 0x02, RLE(1000)},
     12,
     1000,
     DS_ERR_LIMIT,
     "envelope: a window above 1048576"},
    {"a window of 2^31",
     {MAGIC, 0x40, 0xA8, 0xE8, 0x02, RLE(1000)},
     12,
     1000,
     DS_ERR_LIMIT,
     "envelope: a window above 1048576"},
    {"a window that zstd refuses",
     {MAGIC, 0x40, 0xF8, 0xE8, 0x02, RLE(1000)},
     12,
     1000,
     DS_ERR_DECODE,
     "envelope: the frame's content size"},
    {"a size that is not told",
     {MAGIC, 0x00, 0x50, RLE(100)},
     10,
     100,
     DS_ERR_DECODE,
     "envelope: the frame's content size"},
    {"another size than declared",
     {MAGIC, 0x20, 100, RLE(100)},
     10,
     101,
     DS_ERR_DECODE,
     "envelope: the frame's content size"},
    {"less content than told",
     {MAGIC, 0x20, 100, RLE(99)},
     10,
     100,
     DS_ERR_DECODE,
     "envelope: the frame is broken"},
    {"more content than told",
     {MAGIC, 0x20, 100, RLE(101)},
     10,
     100,
     DS_ERR_DECODE,
     "envelope: the frame is broken"},
    {"a dictionary",
     {MAGIC, 0x21, 0x07, 100, RLE(100)},
     11,
     100,
     DS_ERR_DECODE,
     "envelope: the frame wants a dictionary"},
    {"a byte behind",
     {MAGIC, 0x20, 100, RLE(100), 0},
     11,
     100,
     DS_ERR_DECODE,
     "envelope: the payload is not one whole"},
    {"two frames",
     {MAGIC, 0x20, 100, RLE(100), MAGIC, 0x20, 0, 1, 0, 0},
     19,
     100,
     DS_ERR_DECODE,
     "envelope: the payload is not one whole"},
    {"a skippable frame",
     {0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 0, 0},
     10,
     100,
     DS_ERR_DECODE,
     "envelope: the payload is not a zstd"},
    {"five bytes", {MAGIC, 0x20}, 5, 100, DS_ERR_DECODE, "envelope: the payload is not a zstd"},
    {"nothing", {0}, 0, 0, DS_ERR_DECODE, "envelope: the payload is not a zstd"},
    {"a ratio of 200", {MAGIC, 0x40, 0x00, 0xD0, 0x06, RLE(2000)}, 12, 2000, DS_OK, ""},
    {"a ratio above 200",
     {MAGIC, 0x40, 0x00, 0x61, 0x08, RLE(2401)},
     12,
     2401,
     DS_ERR_LIMIT,
     "envelope: more than 200 times the payload"},
};

static void envelope__a_frame_outside_the_limits_is_refused_before_it_grows(void **state)
{
    (void)state;
    struct ends ends = ends_open(28);
    for (size_t i = 0; i < DS_COUNT(frames); i++) {
        struct ds_slice plain;
        struct ds_detail detail = {{0}};
        struct ds_slice payload = {frames[i].bytes, frames[i].size};
        struct ds_slice sealed = wrap(&ends, DS_ENVELOPE_ZSTD, frames[i].plain_size, payload);
        enum ds_err err = unseal(&ends, sealed, &plain, &detail);
        if (err != frames[i].err) {
            fail_msg("%s: %s, %s", frames[i].name, ds_err_name(err), detail.text);
        }
        must_begin(frames[i].name, &detail, frames[i].detail);
        assert_true(err != DS_OK || (plain.size == frames[i].plain_size && plain.data[0] == 'x'));
    }
    ends_close(&ends);
}

static void envelope__sizes_and_codecs_are_checked(void **state)
{
    (void)state;
    struct ends ends = ends_open(29);
    struct ds_slice plain;
    struct ds_detail detail = {{0}};
    struct ds_slice four = {ends.bench.blob, 4};
    assert_int_equal(unseal(&ends, wrap(&ends, 0, 4, four), &plain, &detail), DS_OK);
    assert_int_equal(unseal(&ends, wrap(&ends, 0, 5, four), &plain, &detail), DS_ERR_DECODE);
    must_begin("size", &detail, "envelope: the plain size is not the payload's");
    assert_int_equal(unseal(&ends, wrap(&ends, 2, 4, four), &plain, &detail), DS_ERR_VERSION);
    must_begin("codec", &detail, "envelope: unknown codec");
    assert_int_equal(unseal(&ends, wrap(&ends, 1, DS_PLAIN_SIZE_MAX + 1, four), &plain, &detail),
                     DS_ERR_LIMIT);
    must_begin("plain size", &detail, "envelope: a plain size above 4194304");

    struct ds_slice most = {ends.bench.blob, DS_PLAIN_SIZE_MAX};
    assert_int_equal(unseal(&ends, wrap(&ends, 0, most.size, most), &plain, NULL), DS_OK);
    most.size++;
    assert_int_equal(unseal(&ends, wrap(&ends, 0, most.size, most), &plain, &detail), DS_ERR_LIMIT);
    must_begin("size", &detail, "envelope: more than 4194350 bytes");
    begin(&ends.bench);
    ds_envelope_seal(NULL, &ends.key, &ends.device, 1, most, &ends.bench.builder);
    assert_true(ends.bench.builder.failed);
    ends_close(&ends);
}

static void envelope__a_buffer_too_small_is_said_and_never_overrun(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct ends ends = ends_open(30);
    struct ds_slice plain;
    struct ds_slice sealed = seal(&ends, true, samples->response);
    assert_int_equal(sealed.data[1], DS_ENVELOPE_ZSTD);
    for (size_t size = samples->response.size - 3; size <= samples->response.size; size++) {
        uint8_t *exact = malloc(size);
        struct ds_builder buffer;
        struct ds_detail detail = {{0}};
        assert_non_null(exact);
        ds_builder_init(&buffer, exact, size);
        enum ds_err err =
            ds_envelope_open(&ends.codec, &ends.key, sealed, &buffer, &plain, &detail);
        assert_int_equal(err, size < samples->response.size ? DS_ERR_LIMIT : DS_OK);
        free(exact);
    }
    /* And on the sending side: any room gives a whole envelope or a failed builder. */
    for (size_t size = 0; size < samples->response.size + DS_ENVELOPE_OVERHEAD; size += 7) {
        uint8_t *exact = malloc(size + 1);
        struct ds_builder out;
        assert_non_null(exact);
        ds_builder_init(&out, exact, size);
        ds_envelope_seal(&ends.codec, &ends.key, &ends.device, 1, samples->response, &out);
        struct ds_slice made;
        if (ds_builder_end(&out, &made) == DS_OK) {
            assert_int_equal(unseal(&ends, made, &plain, NULL), DS_OK);
            assert_true(ds_slice_equal(plain, samples->response));
        } else {
            assert_true(size < sealed.size);
        }
        free(exact);
    }
    ends_close(&ends);
    free(samples);
}

static void envelope__one_stands_behind_what_was_built_before(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct ends ends = ends_open(31);
    struct ds_slice plain;
    begin(&ends.bench);
    ds_put_text(&ends.bench.builder, "before");
    ds_envelope_seal(&ends.codec, &ends.key, &ends.device, 1, samples->request,
                     &ends.bench.builder);
    struct ds_slice made = built(&ends.bench.builder);
    assert_memory_equal(made.data, "before", 6);
    assert_int_equal(unseal(&ends, (struct ds_slice){made.data + 6, made.size - 6}, &plain, NULL),
                     DS_OK);
    assert_true(ds_slice_equal(plain, samples->request));
    ends_close(&ends);
    free(samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelope__every_size_comes_back_plain_and_compressed),
        cmocka_unit_test(envelope__what_does_not_shrink_or_shrinks_too_much_travels_plain),
        cmocka_unit_test(envelope__any_flipped_bit_cut_or_other_key_is_refused),
        cmocka_unit_test(envelope__a_frame_outside_the_limits_is_refused_before_it_grows),
        cmocka_unit_test(envelope__sizes_and_codecs_are_checked),
        cmocka_unit_test(envelope__a_buffer_too_small_is_said_and_never_overrun),
        cmocka_unit_test(envelope__one_stands_behind_what_was_built_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

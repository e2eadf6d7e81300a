/* Ops, chains, batches: what is written is read back, and nothing else is taken. */
#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "schema/record.h"
#include "sync/core/op.h"
#include "sync/crypto/crypto.h"
#include "tests/support/prng.h"
#include "tests/support/samples.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { OPS_MAX = 40, BYTES_MAX = 2 * DS_BATCH_SIZE_MAX };

static struct ds_slice built(const struct ds_builder *builder)
{
    struct ds_slice made = {NULL, 0};
    assert_int_equal(ds_builder_end(builder, &made), DS_OK);
    return made;
}

static void must_begin(const struct ds_detail *detail, const char *text)
{
    if (strncmp(detail->text, text, strlen(text)) != 0) {
        fail_msg("\"%s\" does not begin with \"%s\"", detail->text, text);
    }
}

/* A field map {1: number, 2: bin} whose size varies. */
static struct ds_slice random_fields(struct prng *prng, void *memory, size_t size)
{
    uint8_t blob[64];
    struct ds_builder builder;
    ds_builder_init(&builder, memory, size);
    prng_fill(prng, blob, sizeof(blob));
    ds_mp_put_map(&builder, 2);
    ds_mp_put_uint(&builder, 1);
    ds_mp_put_uint(&builder, prng_edgy(prng));
    ds_mp_put_uint(&builder, 2);
    ds_mp_put_bin(&builder, (struct ds_slice){blob, prng_below(prng, sizeof(blob))});
    return built(&builder);
}

static struct ds_op random_op(struct prng *prng, struct ds_slice fields)
{
    struct ds_op op = {.type = 1 + prng_below(prng, 127), .fields = fields};
    if (prng_below(prng, 2) == 0) {
        prng_fill(prng, &op.id, sizeof(op.id));
    }
    op.seen = prng_below(prng, 2) == 0 ? prng_edgy(prng) & INT64_MAX : 0;
    op.mono_ms = prng_edgy(prng) % (DS_MONO_MS_MAX + 1);
    if (prng_below(prng, 2) == 0) {
        op.shift_ms = prng_between(prng, DS_SHIFT_MS_MIN, 2 * DS_INSTANT_MS_MAX);
        op.shift_ms = prng_below(prng, 2) == 0 ? -op.shift_ms : op.shift_ms;
    }
    op.source = prng_below(prng, 5);
    return op;
}

static void assert_ops_equal(const struct ds_op *a, const struct ds_op *b)
{
    assert_int_equal(a->type, b->type);
    assert_true(ds_id_equal(&a->id, &b->id));
    assert_int_equal(a->seen, b->seen);
    assert_int_equal(a->mono_ms, b->mono_ms);
    assert_int_equal(a->shift_ms, b->shift_ms);
    assert_int_equal(a->source, b->source);
    assert_true(ds_slice_equal(a->fields, b->fields));
}

static void op__random_ops_come_back_as_they_were_written(void **state)
{
    (void)state;
    struct prng prng = {1};
    for (int i = 0; i < 3000; i++) {
        uint8_t fields[256];
        uint8_t bytes[512];
        struct ds_op op = random_op(&prng, random_fields(&prng, fields, sizeof(fields)));
        struct ds_op back;
        struct ds_builder builder;
        struct ds_cursor cursor;
        struct ds_detail detail = {{0}};
        ds_builder_init(&builder, bytes, sizeof(bytes));
        ds_op_put(&builder, &op);
        ds_cursor_init(&cursor, built(&builder));
        if (ds_op_take(&cursor, &back, &detail) != DS_OK) {
            fail_msg("op %d: %s", i, detail.text);
        }
        assert_int_equal(ds_cursor_end(&cursor), DS_OK);
        assert_ops_equal(&op, &back);
        assert_true(ds_slice_equal(back.raw, built(&builder)));
        assert_int_equal(ds_mp_scan(back.raw, NULL), DS_OK);
    }
}

static void op__an_id_is_incarnation_lane_and_sequence(void **state)
{
    (void)state;
    struct ds_incarnation incarnation = {{1, 2, 3, 4, 5, 6, 7, 8}};
    struct ds_id wanted = {{1, 2, 3, 4, 5, 6, 7, 8, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
    struct ds_id id = ds_op_id(&incarnation, DS_LANE_TRACK, DS_SEQ_MAX);
    assert_true(ds_id_equal(&id, &wanted));
    assert_false(ds_incarnation_is_none(&incarnation));
    assert_true(ds_incarnation_is_none(&(struct ds_incarnation){{0}}));
}

/* ---- Ops that are refused. ---- */

struct bad_op {
    const char *name;
    const char *bytes; /* Hex. */
    enum ds_err err;
    const char *detail;
};

static struct ds_slice unhex(const char *hex, uint8_t *memory, size_t size)
{
    size_t count = strlen(hex) / 2;
    assert_true(count <= size);
    assert_int_equal(ds_hex_parse(ds_slice_of_text(hex), memory, count), DS_OK);
    return (struct ds_slice){memory, count};
}

static void op__whatever_differs_from_the_format_is_refused_by_name(void **state)
{
    (void)state;
    static const struct bad_op table[] = {
        {"nothing", "", DS_ERR_DECODE, "op: "},
        {"an array", "9101", DS_ERR_DECODE, "op: not a map"},
        {"truncated", "83010e0405", DS_ERR_DECODE, "op: "},
        {"type 0",
         "8301000400"
         "0780",
         DS_ERR_DECODE, "op key 1: must be 1..127"},
        {"type 128",
         "8301cc800400"
         "0780",
         DS_ERR_DECODE, "op key 1: must be 1..127"},
        {"no type", "8204000780", DS_ERR_DECODE, "op key 1: missing"},
        {"no mono_ms", "82010e0780", DS_ERR_DECODE, "op key 4: missing"},
        {"no fields", "82010e0400", DS_ERR_DECODE, "op key 7: missing"},
        {"fields nil", "83010e040007c0", DS_ERR_DECODE, "op key 7: not a map"},
        {"a short entity", "84010e02c4010104000780", DS_ERR_DECODE,
         "op key 2: not a bin of 16 bytes"},
        {"an entity of zeros", "84010e02c4100000000000000000000000000000000004000780",
         DS_ERR_DECODE, "op key 2: an entity of zeros"},
        {"seen 0 written out", "84010e030004000780", DS_ERR_DECODE, "op key 3: must be 1.."},
        {"seen of 2^63", "84010e03cf800000000000000004000780", DS_ERR_DECODE,
         "op key 3: must be 1..9223372036854775807"},
        {"mono_ms above 2^48", "83010e04cf00010000000000010780", DS_ERR_DECODE,
         "op key 4: must be 0..281474976710656"},
        {"a shift of 999", "84010e040005cd03e70780", DS_ERR_DECODE, "op key 5: a shift below"},
        {"a shift of -999", "84010e040005d1fc190780", DS_ERR_DECODE, "op key 5: a shift below"},
        {"source 0", "84010e040006000780", DS_ERR_DECODE, "op key 6: must be 1..127"},
        {"a long form", "83010e04cc010780", DS_ERR_DECODE, "op: "},
        {"keys that descend", "83010e07800400", DS_ERR_DECODE, "op: "},
        {"a key twice", "84010e010e04000780", DS_ERR_DECODE, "op: "},
        {"a float", "83010eca000000000780", DS_ERR_DECODE, "op: "},
        /* Eight are the limit, the op and its fields map are two of them. */
        {"nine levels", "83010e040007810191919191919191c0", DS_ERR_DECODE, "op: "},
    };
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        uint8_t memory[128];
        struct ds_cursor cursor;
        struct ds_op op;
        struct ds_detail detail = {{0}};
        ds_cursor_init(&cursor, unhex(table[i].bytes, memory, sizeof(memory)));
        enum ds_err err = ds_op_take(&cursor, &op, &detail);
        if (err != table[i].err || !cursor.failed) {
            fail_msg("%s: %s, %s", table[i].name, ds_err_name(err), detail.text);
        }
        must_begin(&detail, table[i].detail);
        ds_cursor_init(&cursor, unhex(table[i].bytes, memory, sizeof(memory)));
        assert_int_equal(ds_op_take(&cursor, &op, NULL), err);
    }
}

static void op__edges_and_unknown_keys_are_taken(void **state)
{
    (void)state;
    static const char *const table[] = {
        "83010e04000780",                     /* The least op. */
        "83017f0400078101c0",                 /* Type 127, unknown here. */
        "84010e040005cd03e80780",             /* A shift of 1,000. */
        "84010e040005d1fc180780",             /* And of -1,000. */
        "84010e0400078008c3",                 /* A key behind the fields. */
        "85010e040007800891c2cd0100a3616263", /* Two of them. */
        "840001010e04000780",                 /* Key 0. */
        "83010e0400078101919191919190",       /* Eight levels. */
    };
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        uint8_t memory[128];
        struct ds_cursor cursor;
        struct ds_op op;
        struct ds_detail detail = {{0}};
        struct ds_slice bytes = unhex(table[i], memory, sizeof(memory));
        ds_cursor_init(&cursor, bytes);
        if (ds_op_take(&cursor, &op, &detail) != DS_OK) {
            fail_msg("%s: %s", table[i], detail.text);
        }
        assert_true(ds_slice_equal(op.raw, bytes));
        assert_int_equal(ds_mp_scan(op.fields, NULL), DS_OK);
    }
}

/* An op whose bytes are exactly size, by the length of one bin. */
static void put_sized_op(struct ds_builder *builder, size_t size)
{
    static uint8_t fields[2 * DS_OP_SIZE_MAX];
    static const uint8_t blob[2 * DS_OP_SIZE_MAX];
    size_t begin = builder->used;
    size_t content = size;
    do {
        struct ds_builder map;
        struct ds_op op = {.type = 14};
        ds_builder_init(&map, fields, sizeof(fields));
        ds_mp_put_map(&map, 1);
        ds_mp_put_uint(&map, 1);
        ds_mp_put_bin(&map, (struct ds_slice){blob, --content});
        op.fields = built(&map);
        builder->used = begin;
        ds_op_put(builder, &op);
    } while (builder->used - begin > size);
    assert_int_equal(builder->used - begin, size);
}

static void op__the_largest_op_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    static uint8_t memory[2 * DS_OP_SIZE_MAX];
    for (size_t more = 0; more < 2; more++) {
        struct ds_builder builder;
        struct ds_cursor cursor;
        struct ds_op op;
        struct ds_detail detail = {{0}};
        ds_builder_init(&builder, memory, sizeof(memory));
        put_sized_op(&builder, DS_OP_SIZE_MAX + more);
        ds_cursor_init(&cursor, built(&builder));
        assert_int_equal(ds_op_take(&cursor, &op, &detail), more == 0 ? DS_OK : DS_ERR_LIMIT);
        if (more == 1) {
            must_begin(&detail, "op: more than 32768 bytes");
        }
    }
}

/* ---- Batches. ---- */

struct ops {
    struct ds_slice bytes;
    struct ds_slice op[OPS_MAX];
    size_t count;
    uint8_t memory[16384];
};

static void make_ops(struct prng *prng, struct ops *ops, size_t count)
{
    struct ds_builder builder;
    ds_builder_init(&builder, ops->memory, sizeof(ops->memory));
    for (size_t i = 0; i < count; i++) {
        uint8_t fields[256];
        size_t begin = builder.used;
        struct ds_op op = random_op(prng, random_fields(prng, fields, sizeof(fields)));
        ds_op_put(&builder, &op);
        ops->op[i] = (struct ds_slice){ops->memory + begin, builder.used - begin};
    }
    ops->bytes = built(&builder);
    ops->count = count;
}

static struct ds_batch header_of(const struct samples *samples, uint64_t count)
{
    return (struct ds_batch){.suite = DS_SUITE,
                             .station = samples->station,
                             .device = samples->device,
                             .incarnation = samples->incarnation,
                             .lane = DS_LANE_TRACK,
                             .first_seq = 1,
                             .count = count,
                             .before = ds_chain_start(&samples->incarnation, DS_LANE_TRACK),
                             .epoch = 3,
                             .boot = UINT32_MAX,
                             .base_ms = -5000,
                             .source = DS_CLOCK_rtc};
}

static struct samples *make_samples(void)
{
    struct samples *samples = malloc(sizeof(*samples));
    assert_non_null(samples);
    samples_make(samples);
    return samples;
}

static void batch__the_chain_does_not_depend_on_where_batches_are_cut(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct prng prng = {2};
    struct ops *ops = malloc(sizeof(*ops));
    assert_non_null(ops);
    struct ds_hash wanted = {{0}};
    for (int round = 0; round < 60; round++) {
        if (round % 20 == 0) {
            make_ops(&prng, ops, 1 + prng_below(&prng, OPS_MAX));
        }
        struct ds_batch header = header_of(samples, 0);
        size_t done = 0;
        while (done < ops->count) {
            static uint8_t memory[32768];
            struct ds_builder builder;
            struct ds_batch batch;
            struct ds_detail detail = {{0}};
            header.count = 1 + prng_below(&prng, ops->count - done);
            struct ds_slice part = {ops->op[done].data, 0};
            header.head = header.before;
            for (size_t i = done; i < done + header.count; i++) {
                header.head = ds_chain_next(&header.head, ops->op[i]);
                part.size += ops->op[i].size;
            }
            ds_builder_init(&builder, memory, sizeof(memory));
            samples_seal(samples, &header, part, &builder);
            if (ds_batch_parse(built(&builder), &batch, &detail) != DS_OK) {
                fail_msg("%s", detail.text);
            }
            done += header.count;
            header.first_seq += header.count;
            header.before = header.head;
        }
        if (round % 20 > 0) {
            assert_true(ds_hash_equal(&header.head, &wanted));
        }
        wanted = header.head;
    }
    free(ops);
    free(samples);
}

static void batch__all_parts_and_fields_come_back(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct ds_batch batch;
    struct ds_batch trusted;
    assert_int_equal(ds_batch_parse(samples->batch, &batch, NULL), DS_OK);
    assert_int_equal(ds_batch_parse_trusted(samples->batch, &trusted), DS_OK);
    assert_true(ds_slice_equal(batch.raw, samples->batch));
    assert_true(ds_slice_equal(batch.header, samples->header));
    assert_true(ds_slice_equal(batch.ops, samples->ops));
    struct ds_signature signature;
    memcpy(signature.byte, batch.signature, sizeof(signature.byte));
    assert_true(ds_verify(&samples->device_sign_public, DS_LABEL_BATCH, batch.header, &signature));
    uint8_t memory[512];
    struct ds_builder builder;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_batch_put_header(&builder, &batch);
    assert_true(ds_slice_equal(built(&builder), samples->header));
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_batch_put_header(&builder, &trusted);
    assert_true(ds_slice_equal(built(&builder), samples->header));
    assert_ptr_equal(trusted.signature, batch.signature);
    assert_ptr_equal(trusted.ops.data, batch.ops.data);
    free(samples);
}

/* A batch is sealed by hash and signature: whoever checks both sees every change. */
static bool accepted(const struct samples *samples, struct ds_slice bytes)
{
    struct ds_batch batch;
    struct ds_detail detail = {{0}};
    if (ds_batch_parse(bytes, &batch, &detail) != DS_OK) {
        assert_true(detail.text[0] != 0);
        return false;
    }
    struct ds_signature signature;
    memcpy(signature.byte, batch.signature, sizeof(signature.byte));
    return ds_verify(&samples->device_sign_public, DS_LABEL_BATCH, batch.header, &signature);
}

static void batch__every_truncation_and_every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    assert_true(accepted(samples, samples->batch));
    for (size_t size = 0; size <= samples->batch.size; size++) {
        uint8_t *exact = malloc(size + 1);
        assert_non_null(exact);
        memcpy(exact, samples->batch.data, size);
        assert_int_equal(accepted(samples, (struct ds_slice){exact, size}),
                         size == samples->batch.size);
        exact[size] = 0xC0;
        assert_false(accepted(samples, (struct ds_slice){exact, size + 1}));
        free(exact);
    }
    uint8_t copy[1024];
    assert_true(samples->batch.size <= sizeof(copy));
    memcpy(copy, samples->batch.data, samples->batch.size);
    for (size_t bit = 0; bit < 8 * samples->batch.size; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (accepted(samples, (struct ds_slice){copy, samples->batch.size})) {
            fail_msg("bit %zu", bit);
        }
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(samples);
}

struct bad_batch {
    const char *name;
    enum ds_err err;
    const char *detail;
    void (*spoil)(struct ds_batch *header);
};

#define SPOIL(name, change)                                                                        \
    static void spoil_##name(struct ds_batch *header)                                              \
    {                                                                                              \
        change;                                                                                    \
    }
SPOIL(suite_later, header->suite = 2)
SPOIL(suite_none, header->suite = 0)
SPOIL(incarnation, memset(&header->incarnation, 0, sizeof(header->incarnation)))
SPOIL(lane_none, header->lane = (enum ds_lane)0)
SPOIL(lane_three, header->lane = (enum ds_lane)3)
SPOIL(seq_none, header->first_seq = 0)
SPOIL(seq_end, header->first_seq = DS_SEQ_MAX)
SPOIL(seq_beyond, header->first_seq = DS_SEQ_MAX + 1)
SPOIL(count_none, header->count = 0)
SPOIL(count_less, header->count--)
SPOIL(count_more, header->count++)
SPOIL(count_limit, header->count = DS_BATCH_OPS_MAX + 1)
SPOIL(before, header->before.byte[0] ^= 1)
SPOIL(head, header->head.byte[31] ^= 1)
SPOIL(boot, header->boot = UINT64_C(1) << 32)
SPOIL(base, header->base_ms = DS_INSTANT_MS_MAX + 1)
SPOIL(source_none, header->source = 0)
SPOIL(source_many, header->source = DS_SOURCE_MAX + 1)

static void batch__a_wrong_header_is_refused_by_name(void **state)
{
    (void)state;
    static const struct bad_batch table[] = {
        {"suite 2", DS_ERR_VERSION, "batch header key 1: a later suite", spoil_suite_later},
        {"suite 0", DS_ERR_DECODE, "batch header key 1: must be", spoil_suite_none},
        {"no incarnation", DS_ERR_DECODE, "batch header key 4: an incarnation of zeros",
         spoil_incarnation},
        {"lane 0", DS_ERR_DECODE, "batch header key 5: must be 1..2", spoil_lane_none},
        {"lane 3", DS_ERR_DECODE, "batch header key 5: must be 1..2", spoil_lane_three},
        {"seq 0", DS_ERR_DECODE, "batch header key 6: must be", spoil_seq_none},
        {"sequences that end above 2^56", DS_ERR_LIMIT, "batch header key 7: the sequences",
         spoil_seq_end},
        {"seq of 2^56", DS_ERR_DECODE, "batch header key 6: must be", spoil_seq_beyond},
        {"no ops", DS_ERR_DECODE, "batch header key 7: must be", spoil_count_none},
        {"fewer ops", DS_ERR_DECODE, "batch: more ops than", spoil_count_less},
        {"more ops", DS_ERR_DECODE, "batch op number 3: op: ", spoil_count_more},
        {"1,001 ops", DS_ERR_LIMIT, "batch header key 7: more than 1000", spoil_count_limit},
        {"another beginning", DS_ERR_SIGNATURE, "batch: the ops do not lead", spoil_before},
        {"another end", DS_ERR_SIGNATURE, "batch: the ops do not lead", spoil_head},
        {"a boot of 33 bits", DS_ERR_DECODE, "batch header key 11: must be", spoil_boot},
        {"a base beyond all clocks", DS_ERR_DECODE, "batch header key 12: out of", spoil_base},
        {"no source", DS_ERR_DECODE, "batch header key 13: must be 1..127", spoil_source_none},
        {"source 128", DS_ERR_DECODE, "batch header key 13: must be 1..127", spoil_source_many},
    };
    struct samples *samples = make_samples();
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        uint8_t memory[1024];
        struct ds_builder builder;
        struct ds_batch header;
        struct ds_batch batch;
        struct ds_detail detail = {{0}};
        assert_int_equal(ds_batch_parse(samples->batch, &header, NULL), DS_OK);
        table[i].spoil(&header);
        ds_builder_init(&builder, memory, sizeof(memory));
        samples_seal(samples, &header, samples->ops, &builder);
        enum ds_err err = ds_batch_parse(built(&builder), &batch, &detail);
        if (err != table[i].err) {
            fail_msg("%s: %s, %s", table[i].name, ds_err_name(err), detail.text);
        }
        must_begin(&detail, table[i].detail);
    }
    free(samples);
}

/* The header with one pair more behind its thirteen. */
static void put_extended(struct ds_builder *out, struct ds_slice header, struct ds_slice value)
{
    ds_put_u8(out, (uint8_t)(header.data[0] + 1));
    ds_put_bytes(out, (struct ds_slice){header.data + 1, header.size - 1});
    ds_mp_put_uint(out, 14);
    ds_put_bytes(out, value);
}

static void batch__unknown_header_keys_are_kept_if_they_are_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool good;
    } table[] = {
        {"c3", true},          {"91919191919190", true}, {"9191919191919190", false},
        {"cc01", false},       {"ca00000000", false},    {"", false},
        {"8201010101", false},
    };
    struct samples *samples = make_samples();
    const uint8_t signature[64] = {0};
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        uint8_t value[16];
        uint8_t memory[512];
        uint8_t whole[1024];
        struct ds_builder header;
        struct ds_builder builder;
        struct ds_batch batch;
        ds_builder_init(&header, memory, sizeof(memory));
        put_extended(&header, samples->header, unhex(table[i].value, value, sizeof(value)));
        ds_builder_init(&builder, whole, sizeof(whole));
        ds_batch_put(&builder, built(&header), samples->ops, signature);
        assert_int_equal(ds_batch_parse(built(&builder), &batch, NULL),
                         table[i].good ? DS_OK : DS_ERR_DECODE);
    }
    free(samples);
}

static void batch__a_thousand_ops_are_taken(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    static uint8_t memory[DS_BATCH_SIZE_MAX];
    static uint8_t sealed[DS_BATCH_SIZE_MAX];
    struct ds_builder builder;
    struct ds_batch header = header_of(samples, DS_BATCH_OPS_MAX);
    struct ds_batch batch;
    const uint8_t empty_map = 0x80;
    ds_builder_init(&builder, memory, sizeof(memory));
    header.head = header.before;
    for (size_t i = 0; i < DS_BATCH_OPS_MAX; i++) {
        struct ds_op op = {.type = 14, .mono_ms = i, .fields = {&empty_map, 1}};
        size_t begin = builder.used;
        ds_op_put(&builder, &op);
        struct ds_slice raw = {memory + begin, builder.used - begin};
        header.head = ds_chain_next(&header.head, raw);
    }
    struct ds_slice ops = built(&builder);
    ds_builder_init(&builder, sealed, sizeof(sealed));
    samples_seal(samples, &header, ops, &builder);
    assert_int_equal(ds_batch_parse(built(&builder), &batch, NULL), DS_OK);
    assert_int_equal(batch.count, DS_BATCH_OPS_MAX);
    free(samples);
}

static void batch__the_largest_batch_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    uint8_t *ops = malloc(BYTES_MAX);
    uint8_t *sealed = malloc(BYTES_MAX);
    assert_true(ops != NULL && sealed != NULL);
    for (size_t more = 0; more < 2; more++) {
        struct ds_batch header = header_of(samples, 9);
        struct ds_batch batch;
        struct ds_builder builder;
        struct ds_detail detail = {{0}};
        size_t last = 200;
        size_t total = 0;
        for (int round = 0; round < 2; round++) { /* Then the last op fills the batch exactly. */
            struct ds_builder ops_builder;
            ds_builder_init(&ops_builder, ops, BYTES_MAX);
            header.head = header.before;
            for (size_t i = 0; i < header.count; i++) {
                size_t begin = ops_builder.used;
                put_sized_op(&ops_builder, i < 7 ? DS_OP_SIZE_MAX : i == 7 ? 30000 : last);
                header.head = ds_chain_next(
                    &header.head, (struct ds_slice){ops + begin, ops_builder.used - begin});
            }
            ds_builder_init(&builder, sealed, BYTES_MAX);
            samples_seal(samples, &header, built(&ops_builder), &builder);
            total = builder.used;
            last += DS_BATCH_SIZE_MAX + more - total;
        }
        assert_int_equal(total, DS_BATCH_SIZE_MAX + more);
        enum ds_err err = ds_batch_parse(built(&builder), &batch, &detail);
        assert_int_equal(err, more == 0 ? DS_OK : DS_ERR_LIMIT);
        assert_string_equal(detail.text, more == 0 ? "" : "batch: more than 262144 bytes");
    }
    free(ops);
    free(sealed);
    free(samples);
}

static void chain__two_ways_that_diverge_have_names_of_their_own(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct ds_hash start = ds_chain_start(&samples->incarnation, DS_LANE_WORK);
    struct ds_hash other_lane = ds_chain_start(&samples->incarnation, DS_LANE_TRACK);
    struct ds_hash a = ds_chain_next(&start, samples->op_event);
    struct ds_hash b = ds_chain_next(&start, samples->op_entity);
    struct ds_incarnation of_a = ds_branch_name(&samples->incarnation, DS_LANE_WORK, &a);
    struct ds_incarnation of_b = ds_branch_name(&samples->incarnation, DS_LANE_WORK, &b);
    struct ds_incarnation track = ds_branch_name(&samples->incarnation, DS_LANE_TRACK, &a);
    assert_false(ds_hash_equal(&start, &other_lane));
    assert_false(ds_incarnation_equal(&of_a, &of_b));
    assert_false(ds_incarnation_equal(&of_a, &track));
    assert_false(ds_incarnation_equal(&of_a, &samples->incarnation));
    free(samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(op__random_ops_come_back_as_they_were_written),
        cmocka_unit_test(op__an_id_is_incarnation_lane_and_sequence),
        cmocka_unit_test(op__whatever_differs_from_the_format_is_refused_by_name),
        cmocka_unit_test(op__edges_and_unknown_keys_are_taken),
        cmocka_unit_test(op__the_largest_op_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(batch__the_chain_does_not_depend_on_where_batches_are_cut),
        cmocka_unit_test(batch__all_parts_and_fields_come_back),
        cmocka_unit_test(batch__every_truncation_and_every_flipped_bit_is_refused),
        cmocka_unit_test(batch__a_wrong_header_is_refused_by_name),
        cmocka_unit_test(batch__unknown_header_keys_are_kept_if_they_are_canonical),
        cmocka_unit_test(batch__a_thousand_ops_are_taken),
        cmocka_unit_test(batch__the_largest_batch_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(chain__two_ways_that_diverge_have_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

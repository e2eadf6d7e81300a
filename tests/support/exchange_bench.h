/* A workbench for tests of exchange messages: memory, an arena, and random parts.
 *
 * Everything random comes from the seed. Header only; the functions assert by cmocka. */
#ifndef DS_TESTS_SUPPORT_EXCHANGE_BENCH_H
#define DS_TESTS_SUPPORT_EXCHANGE_BENCH_H

#include "schema/codec/msgpack.h"
#include "sync/core/exchange.h"
#include "tests/support/prng.h"
#include "tests/support/samples.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_SIZE = 1 << 21, WIRE_SIZE = 8 << 20, LIST_MAX = 6 };

/* Memory of one test: what is written, where it is parsed, and two arenas. */
struct bench {
    uint8_t *wire;
    uint8_t *blob;
    void *memory;
    struct ds_arena arena;
    struct ds_builder builder;
    struct prng prng;
};

static inline struct bench bench_open(uint64_t seed)
{
    struct bench bench = {.wire = malloc(WIRE_SIZE),
                          .blob = malloc(WIRE_SIZE),
                          .memory = malloc(ARENA_SIZE),
                          .prng = {seed}};
    assert_true(bench.wire != NULL && bench.blob != NULL && bench.memory != NULL);
    prng_fill(&bench.prng, bench.blob, 1024);
    memset(bench.blob + 1024, 1, WIRE_SIZE - 1024);
    ds_arena_init(&bench.arena, bench.memory, ARENA_SIZE);
    ds_builder_init(&bench.builder, bench.wire, WIRE_SIZE);
    return bench;
}

static inline void bench_close(struct bench *bench)
{
    free(bench->wire);
    free(bench->blob);
    free(bench->memory);
}

static inline void begin(struct bench *bench)
{
    ds_arena_reset(&bench->arena);
    ds_builder_init(&bench->builder, bench->wire, WIRE_SIZE);
}

static inline struct ds_slice built(const struct ds_builder *builder)
{
    struct ds_slice made = {NULL, 0};
    assert_int_equal(ds_builder_end(builder, &made), DS_OK);
    return made;
}

static inline void must_begin(const char *name, const struct ds_detail *detail, const char *text)
{
    if (strncmp(detail->text, text, strlen(text)) != 0) {
        fail_msg("%s: \"%s\" does not begin with \"%s\"", name, detail->text, text);
    }
}

static inline struct samples *make_samples(void)
{
    struct samples *samples = malloc(sizeof(*samples));
    assert_non_null(samples);
    samples_make(samples);
    return samples;
}

/* ---- Random messages. ---- */

static inline struct ds_slice random_bin(struct bench *bench)
{
    return (struct ds_slice){bench->blob + prng_below(&bench->prng, 512),
                             1 + prng_below(&bench->prng, 300)};
}

static inline uint64_t random_uint(struct bench *bench)
{
    return prng_edgy(&bench->prng) & INT64_MAX;
}

static inline struct ds_id random_id(struct bench *bench)
{
    struct ds_id id;
    prng_fill(&bench->prng, &id, sizeof(id));
    return id;
}

static inline struct ds_hash random_hash(struct bench *bench)
{
    struct ds_hash hash;
    prng_fill(&bench->prng, &hash, sizeof(hash));
    return hash;
}

static inline size_t random_count(struct bench *bench)
{
    return prng_below(&bench->prng, LIST_MAX + 1);
}

static inline struct ds_cursor_at random_cursor(struct bench *bench)
{
    return (struct ds_cursor_at){.scope = {(uint8_t)(1 + prng_below(&bench->prng, 255)),
                                           random_id(bench),
                                           (uint8_t)prng_below(&bench->prng, 256)},
                                 .position = random_uint(bench),
                                 .ordinal = random_uint(bench),
                                 .phase = random_uint(bench)};
}

static inline struct ds_lane_state random_lane(struct bench *bench, bool held)
{
    struct ds_lane_state lane = {.lane = 1 + prng_below(&bench->prng, 2),
                                 .seq = random_uint(bench) & DS_SEQ_MAX,
                                 .chain = random_hash(bench),
                                 .position = held ? random_uint(bench) : 0};
    prng_fill(&bench->prng, &lane.incarnation, sizeof(lane.incarnation));
    return lane;
}

struct lists { /* Room for the lists of one random message. */
    struct ds_slice bins[2][LIST_MAX];
    struct ds_cursor_at cursors[LIST_MAX];
    struct ds_wrapped_key keys[LIST_MAX];
    struct ds_taken taken[LIST_MAX];
    struct ds_page pages[LIST_MAX];
    struct ds_row rows[LIST_MAX];
};

static inline size_t fill_bins(struct bench *bench, struct ds_slice *bins)
{
    size_t count = random_count(bench);
    for (size_t i = 0; i < count; i++) {
        bins[i] = random_bin(bench);
    }
    return count;
}

static inline size_t fill_keys(struct bench *bench, struct ds_wrapped_key *keys)
{
    size_t count = random_count(bench);
    for (size_t i = 0; i < count; i++) {
        keys[i].key_id = random_id(bench);
        keys[i].wrapped = (struct ds_slice){bench->blob + i, DS_WRAPPED_KEY_SIZE};
    }
    return count;
}

static inline enum ds_err parse_any(struct bench *bench, bool response, struct ds_detail *detail)
{
    struct ds_request request;
    struct ds_response answer;
    struct ds_slice bytes = built(&bench->builder);
    return response ? ds_response_parse(bytes, &bench->arena, &answer, detail)
                    : ds_request_parse(bytes, &bench->arena, &request, detail);
}

#endif

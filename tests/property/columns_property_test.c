/* Columns give back what was put into them, byte for byte, whatever it was; and bytes that were cut
 * or bent are refused or come out as something whose chain hash is another. */
#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "sync/core/columns_batch.h"
#include "tests/support/random_record.h"
#include "tests/support/samples.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 300, LIST_MAX = 60, MEMORY = 8 << 20, MAPS = 4 << 20, OPS_MAX = 40 };

struct work {
    struct prng prng;
    void *memory[3];
    struct ds_arena arena;  /* Scratch of the codec. */
    struct ds_arena values; /* Of random records. */
    struct ds_builder maps;
    struct ds_builder out;
    uint8_t *out_memory;
};

static struct work work_open(uint64_t seed)
{
    struct work w = {.prng = {seed}};
    for (size_t i = 0; i < DS_COUNT(w.memory); i++) {
        w.memory[i] = malloc(MEMORY);
        assert_non_null(w.memory[i]);
    }
    w.out_memory = malloc(MAPS);
    assert_non_null(w.out_memory);
    ds_arena_init(&w.arena, w.memory[0], MEMORY);
    ds_arena_init(&w.values, w.memory[1], MEMORY);
    ds_builder_init(&w.maps, w.memory[2], MAPS);
    return w;
}

static void work_close(struct work *w)
{
    ds_arena_part(w->memory[0], MEMORY);
    ds_arena_part(w->memory[1], MEMORY);
    for (size_t i = 0; i < DS_COUNT(w->memory); i++) {
        free(w->memory[i]);
    }
    free(w->out_memory);
}

static void begin(struct work *w)
{
    ds_arena_reset(&w->arena);
    ds_arena_reset(&w->values);
    w->maps.used = 0;
    ds_builder_init(&w->out, w->out_memory, MAPS);
}

/* A record of a type as a canonical map. */
static struct ds_slice random_map(struct work *w, const struct ds_record_type *type)
{
    union any_record record;
    size_t from = w->maps.used;
    memset(&record, 0, sizeof(record));
    random_record(&w->prng, type, &w->values, prng_below(&w->prng, 2) == 0, &record);
    assert_int_equal(ds_record_encode(type, &record, &w->maps), DS_OK);
    return (struct ds_slice){w->maps.data + from, w->maps.used - from};
}

static const struct ds_record_type *random_type(struct work *w)
{
    const struct ds_record_type *type = NULL;
    while (type == NULL) {
        type = ds_record_type_by_number(1 + prng_below(&w->prng, 27));
    }
    return type;
}

static void columns__random_records_of_every_type_come_back_byte_for_byte(void **state)
{
    struct ds_columns_context nothing = {.of = NULL};
    struct work w = work_open(41);
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct ds_columns_item items[LIST_MAX];
        struct ds_columns_item back[LIST_MAX];
        struct ds_cursor cursor;
        size_t count = 1 + prng_below(&w.prng, LIST_MAX);
        const struct ds_record_type *one = random_type(&w);
        bool mixed = prng_below(&w.prng, 2) == 0;
        begin(&w);
        for (size_t i = 0; i < count; i++) {
            const struct ds_record_type *type = mixed ? random_type(&w) : one;
            items[i] = (struct ds_columns_item){type->number, random_map(&w, type)};
        }
        assert_true(ds_columns_put(&w.out, &w.arena, &nothing, items, count));
        ds_cursor_init(&cursor, (struct ds_slice){w.out.data, w.out.used});
        assert_true(ds_columns_take(&cursor, &w.arena, &nothing, back, count, MAPS));
        assert_int_equal(ds_cursor_end(&cursor), DS_OK);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(back[i].sort, items[i].sort);
            assert_true(ds_slice_equal(back[i].fields, items[i].fields));
        }
    }
    work_close(&w);
}

/* ---- Batches. ---- */

struct lane {
    struct ds_lane_state state;
    struct ds_health health;
    struct ds_hash before;
    uint64_t before_seq;
};

static bool chain(void *of, const struct ds_incarnation *incarnation, enum ds_lane number,
                  uint64_t seq, struct ds_hash *hash)
{
    const struct lane *lane = of;
    *hash = lane->before;
    return number == DS_LANE_WORK && seq == lane->before_seq &&
           ds_incarnation_equal(incarnation, &lane->state.incarnation);
}

static struct ds_batch_known known_of(const struct samples *samples, struct lane *lane)
{
    return (struct ds_batch_known){.station = samples->station,
                                   .device = samples->device,
                                   .lanes = &lane->state,
                                   .lane_count = 1,
                                   .epoch = 3,
                                   .seen = 812,
                                   .health = &lane->health,
                                   .of = lane,
                                   .chain = chain};
}

/* Random ops of any record, sealed as the sample device would; the lane ends where it ends. */
static struct ds_slice random_batch(struct work *w, const struct samples *samples,
                                    struct lane *lane)
{
    static uint8_t ops_memory[1 << 20];
    struct ds_builder ops;
    struct ds_batch header = {.suite = 1,
                              .station = samples->station,
                              .device = samples->device,
                              .incarnation = samples->incarnation,
                              .lane = DS_LANE_WORK,
                              .first_seq = 1 + prng_below(&w->prng, 5000),
                              .count = 1 + prng_below(&w->prng, OPS_MAX),
                              .epoch = 2 + prng_below(&w->prng, 2),
                              .boot = prng_below(&w->prng, 3),
                              .base_ms = 1769700000000 + prng_between(&w->prng, -5, 5),
                              .source = 1 + prng_below(&w->prng, 4)};
    prng_fill(&w->prng, header.before.byte, sizeof(header.before.byte));
    if (header.first_seq == 1) {
        header.before = ds_chain_start(&samples->incarnation, DS_LANE_WORK);
    }
    header.head = header.before;
    ds_builder_init(&ops, ops_memory, sizeof(ops_memory));
    for (uint64_t i = 0; i < header.count; i++) {
        const struct ds_record_type *type = random_type(w);
        size_t from = ops.used;
        struct ds_op op = {.type = type->number,
                           .seen = prng_below(&w->prng, 2) == 0 ? 812 : prng_below(&w->prng, 900),
                           .mono_ms = 30000000 + i * 90000 + prng_below(&w->prng, 60000),
                           .source = prng_below(&w->prng, 8) == 0 ? 1 : 0,
                           .fields = random_map(w, type)};
        if (prng_below(&w->prng, 4) == 0) {
            prng_fill(&w->prng, op.id.byte, sizeof(op.id.byte));
        }
        if (prng_below(&w->prng, 4) == 0) {
            op.shift_ms = prng_between(&w->prng, 1000, 1000000);
        }
        ds_op_put(&ops, &op);
        assert_false(ops.failed);
        header.head =
            ds_chain_next(&header.head, (struct ds_slice){ops.data + from, ops.used - from});
    }
    size_t from = w->maps.used;
    samples_seal(samples, &header, (struct ds_slice){ops.data, ops.used}, &w->maps);
    assert_false(w->maps.failed);
    lane->state = (struct ds_lane_state){.incarnation = samples->incarnation,
                                         .lane = DS_LANE_WORK,
                                         .seq = header.first_seq + header.count - 1 +
                                                prng_below(&w->prng, 2)};
    lane->health =
        (struct ds_health){.boot = 1, .mono_ms = 34000000, .wall_ms = 1769700000000 + 34000000};
    lane->before = header.before;
    lane->before_seq = header.first_seq - 1;
    return (struct ds_slice){w->maps.data + from, w->maps.used - from};
}

static bool take(struct work *w, const struct ds_batch_known *known, struct ds_slice put,
                 struct ds_slice *back)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, put);
    ds_arena_reset(&w->arena);
    return ds_batch_columns_take(&cursor, &w->arena, known, back) &&
           ds_cursor_end(&cursor) == DS_OK;
}

static void columns__random_batches_come_back_as_the_bytes_that_were_signed(void **state)
{
    struct work w = work_open(42);
    struct samples *samples = malloc(sizeof(*samples));
    size_t in_columns = 0;
    (void)state;
    assert_non_null(samples);
    samples_make(samples);
    for (int round = 0; round < ROUNDS; round++) {
        struct lane lane;
        struct ds_slice back;
        begin(&w);
        struct ds_slice batch = random_batch(&w, samples, &lane);
        struct ds_batch_known known = known_of(samples, &lane);
        if (batch.size > DS_BATCH_SIZE_MAX) {
            continue;
        }
        assert_true(ds_batch_columns_put(&w.out, &w.arena, &known, batch));
        in_columns += w.out.data[0] != 128;
        assert_true(take(&w, &known, (struct ds_slice){w.out.data, w.out.used}, &back));
        assert_true(ds_slice_equal(back, batch));
    }
    assert_in_range(in_columns, ROUNDS * 9 / 10, ROUNDS);
    free(samples);
    work_close(&w);
}

/* What comes out of changed bytes is refused, is the very batch, or has another chain hash or
 * another signature: a reader who checks both is never fooled. */
static void never_fools(struct work *w, const struct ds_batch_known *known, struct ds_slice put,
                        const struct ds_batch *whole, struct ds_slice batch)
{
    struct ds_slice back;
    struct ds_batch made;
    if (!take(w, known, put, &back) || back.size == 0 || ds_slice_equal(back, batch) ||
        ds_batch_parse(back, &made, NULL) != DS_OK) {
        return;
    }
    bool same = ds_slice_equal(made.header, whole->header) &&
                memcmp(made.signature, whole->signature, 64) == 0;
    assert_false(same);
    assert_true(ds_slice_equal(made.ops, whole->ops) == ds_hash_equal(&made.head, &whole->head) ||
                !ds_hash_equal(&made.before, &whole->before));
}

static void columns__every_cut_and_every_bent_bit_is_refused_or_has_another_chain(void **state)
{
    enum { BATCHES = 12 };
    struct work w = work_open(43);
    struct samples *samples = malloc(sizeof(*samples));
    uint8_t *bent = malloc(MAPS);
    (void)state;
    assert_true(samples != NULL && bent != NULL);
    samples_make(samples);
    for (int round = 0; round < BATCHES; round++) {
        struct lane lane;
        struct ds_batch whole;
        struct ds_slice back;
        begin(&w);
        struct ds_slice batch = random_batch(&w, samples, &lane);
        struct ds_batch_known known = known_of(samples, &lane);
        assert_int_equal(ds_batch_parse_trusted(batch, &whole), DS_OK);
        assert_true(ds_batch_columns_put(&w.out, &w.arena, &known, batch));
        size_t size = w.out.used < 4096 ? w.out.used : 4096;
        for (size_t cut = 0; cut < size; cut++) {
            assert_false(take(&w, &known, (struct ds_slice){w.out.data, cut}, &back));
        }
        DS_ASSERT(bent != NULL); /* Said above; the analyser does not follow cmocka. */
        memcpy(bent, w.out.data, w.out.used);
        for (size_t at = 0; at < size; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                bent[at] ^= (uint8_t)(1U << bit);
                never_fools(&w, &known, (struct ds_slice){bent, w.out.used}, &whole, batch);
                bent[at] ^= (uint8_t)(1U << bit);
            }
        }
    }
    free(samples);
    free(bent);
    work_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns__random_records_of_every_type_come_back_byte_for_byte),
        cmocka_unit_test(columns__random_batches_come_back_as_the_bytes_that_were_signed),
        cmocka_unit_test(columns__every_cut_and_every_bent_bit_is_refused_or_has_another_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

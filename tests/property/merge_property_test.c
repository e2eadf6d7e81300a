/* Merge against its own definition: a model keeps every write for ever, with its position and what
 * it had seen, and decides by looking at all of them.
 *
 * Random histories of five writers (one is another's next life) at one premises. After each op the
 * row must say what the model says: the outcome, whether the loser is shown, the value, the set.
 * Then the same histories in other arrival orders that nobody could have told apart: `worst` and
 * `union` must come out the same. */
#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "schema/rules/steps.h"
#include "sync/core/merge.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum {
    MEMORY_SIZE = 1 << 21,
    WRITERS = 5,
    PARENT = 0,
    CHILD = 4, /* The next life of writer 0. */
    OPS = 24,
    ELEMENTS = 3, /* Times writers: below DS_SIBLINGS_MAX. */
    SEEDS = 3000
};

struct write {
    uint64_t position;
    uint64_t seq;
    uint64_t seen;
    uint8_t writer;
    uint8_t tag;
    int64_t value;    /* Of number fields. */
    unsigned add;     /* Of the set: bits. */
    unsigned removed; /* Likewise. */
    bool stood;
};

struct history {
    struct prng prng;
    struct write write[OPS];
    size_t count;
    uint64_t branch_seq; /* Of writer 0 that its child knows. */
    bool branched;
};

/* ---- The model ---- */

static bool model_own(const struct history *history, const struct write *op,
                      const struct write *earlier)
{
    return earlier->writer == op->writer || (op->writer == CHILD && earlier->writer == PARENT &&
                                             earlier->seq <= history->branch_seq);
}

static bool model_concurrent(const struct history *history, const struct write *op, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct write *other = &history->write[i];
        if (other->tag == op->tag && other->stood && !model_own(history, op, other) &&
            other->position > op->seen) {
            return true;
        }
    }
    return false;
}

/* Does `later` remove `earlier` from a worst or union field? */
static bool model_replaces(const struct history *history, const struct write *later,
                           const struct write *earlier)
{
    return earlier->position < later->position && earlier->tag == later->tag &&
           (earlier->position <= later->seen || model_own(history, later, earlier));
}

static int64_t model_worst(const struct history *history, size_t count)
{
    int64_t gravest = 0;
    for (size_t i = 0; i < count; i++) {
        const struct write *write = &history->write[i];
        bool replaced = write->tag != DS_TAG_premises_hazard;
        for (size_t j = 0; j < count && !replaced; j++) {
            replaced = model_replaces(history, &history->write[j], write);
        }
        if (!replaced && ds_gravity(DS_LIST_hazard_grade, write->value) >
                             ds_gravity(DS_LIST_hazard_grade, gravest)) {
            gravest = write->value;
        }
    }
    return gravest;
}

static unsigned model_union(const struct history *history, size_t count)
{
    unsigned set = 0;
    for (size_t i = 0; i < count; i++) {
        const struct write *write = &history->write[i];
        unsigned left = write->tag == DS_TAG_premises_photos ? write->add : 0;
        for (size_t j = 0; j < count; j++) {
            const struct write *later = &history->write[j];
            if (later->tag == DS_TAG_premises_photos && model_replaces(history, later, write)) {
                left &= ~later->removed;
            }
        }
        set |= left;
    }
    return set;
}

/* ---- Histories ---- */

static struct write *invent(struct history *history)
{
    static const uint8_t tags[] = {DS_TAG_premises_floor, DS_TAG_premises_lat_e7,
                                   DS_TAG_premises_hazard, DS_TAG_premises_photos};
    struct prng *prng = &history->prng;
    struct write *write = &history->write[history->count];
    *write = (struct write){.position = history->count + 1};
    if (!history->branched && prng_below(prng, 12) == 0) {
        history->branched = true;
        for (size_t i = 0; i < history->count; i++) {
            const struct write *earlier = &history->write[i];
            if (earlier->writer == PARENT && earlier->seq > history->branch_seq) {
                history->branch_seq = earlier->seq;
            }
        }
    }
    write->writer = (uint8_t)prng_below(prng, history->branched ? WRITERS : WRITERS - 1);
    write->tag = tags[prng_below(prng, DS_COUNT(tags))];
    write->seq = 1;
    for (size_t i = 0; i < history->count; i++) {
        const struct write *earlier = &history->write[i];
        if (model_own(history, write, earlier) && earlier->seen > write->seen) {
            write->seen = earlier->seen; /* Knowledge only grows, also from life to life. */
        }
        if (earlier->writer == write->writer) {
            write->seq = earlier->seq + 1;
        }
    }
    if (prng_below(prng, 2) == 0) {
        write->seen += prng_below(prng, write->position - write->seen);
    }
    write->value = (int64_t)prng_below(prng, 3) + 1;
    write->add = (unsigned)prng_below(prng, 1 << ELEMENTS) & (unsigned)prng_next(prng);
    write->removed = (unsigned)prng_below(prng, 1 << ELEMENTS) & ~write->add;
    return write;
}

static struct ds_slice fields_of(const struct write *write, struct ds_arena *arena)
{
    uint8_t set[2][ELEMENTS * 32] = {{0}};
    size_t used[2] = {0, 0};
    enum { ROOM = 1024 };
    uint8_t *bytes = ds_arena_alloc(arena, ROOM);
    assert_non_null(bytes);
    struct ds_builder builder;
    struct ds_slice map = {NULL, 0};
    ds_builder_init(&builder, bytes, ROOM);
    ds_mp_put_map(&builder, 1);
    ds_mp_put_uint(&builder, write->tag);
    if (write->tag == DS_TAG_premises_photos) {
        for (size_t i = 0; i < ELEMENTS; i++) {
            for (size_t side = 0; side < 2; side++) {
                if ((side == 0 ? write->add : write->removed) >> i & 1) {
                    set[side][used[side]] = (uint8_t)(i + 1);
                    used[side] += 32;
                }
            }
        }
        ds_mp_put_union(&builder, (struct ds_slice){set[0], used[0]},
                        (struct ds_slice){set[1], used[1]});
    } else {
        ds_mp_put_int(&builder, write->value);
    }
    assert_int_equal(ds_builder_end(&builder, &map), DS_OK);
    return map;
}

static struct ds_field_result fold(struct ds_row_state *row, const struct history *history,
                                   const struct write *write, struct ds_arena *arena)
{
    struct ds_lineage lineage = {.count = 1};
    struct ds_field_result results[DS_ROW_FIELDS_MAX];
    size_t count = 0;
    lineage.ancestor[0].incarnation.byte[0] = PARENT + 1;
    lineage.ancestor[0].work_seq = history->branch_seq;
    struct ds_merge_op op = {
        .type = ds_record_type_by_number(DS_REC_premises),
        .actor = DS_ACTOR_handheld,
        .write = {.position = write->position, .seq = write->seq, .lane = DS_LANE_WORK},
        .seen = write->seen,
        .lineage = write->writer == CHILD ? &lineage : NULL,
        .fields = fields_of(write, arena),
    };
    op.write.writer.byte[0] = (uint8_t)(write->writer + 1);
    assert_int_equal(ds_merge(row, &op, arena, results, &count), DS_OK);
    assert_int_equal(count, 1);
    return results[0];
}

static int64_t number_at(struct ds_row_state *row, uint8_t tag)
{
    const struct ds_cell *cell = ds_row_cell(row, tag);
    if (cell == NULL || cell->value.size == 0) {
        return 0;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, cell->value);
    return ds_mp_take_int(&cursor);
}

static unsigned set_at(struct ds_row_state *row)
{
    unsigned set = 0;
    const struct ds_cell *cell = ds_row_cell(row, DS_TAG_premises_photos);
    if (cell == NULL || cell->value.size == 0) {
        return 0;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, cell->value);
    struct ds_slice hashes = ds_mp_take_bin(&cursor);
    for (size_t at = 0; at < hashes.size; at += 32) {
        unsigned bit = 1U << (hashes.data[at] - 1);
        assert_false(set & bit);
        set |= bit;
    }
    return set;
}

/* What one op must come to, and whether its write stands. */
static void check_step(struct history *history, struct write *write, int64_t before,
                       const struct ds_field_result *result, struct ds_row_state *row)
{
    size_t earlier = history->count - 1;
    bool concurrent = model_concurrent(history, write, earlier);
    bool equal = before == write->value;
    write->stood = true;
    switch (write->tag) {
    case DS_TAG_premises_floor:
        assert_int_equal(result->outcome,
                         concurrent && !equal ? DS_OUTCOME_MERGED : DS_OUTCOME_APPLIED);
        assert_int_equal(result->shown, concurrent && !equal);
        assert_int_equal(number_at(row, write->tag), write->value);
        break;
    case DS_TAG_premises_lat_e7:
        write->stood = !concurrent || equal;
        assert_int_equal(result->outcome, write->stood ? DS_OUTCOME_APPLIED : DS_OUTCOME_CONFLICT);
        assert_int_equal(number_at(row, write->tag), write->stood ? write->value : before);
        break;
    case DS_TAG_premises_hazard:
        assert_int_equal(number_at(row, write->tag), model_worst(history, history->count));
        break;
    default:
        assert_int_equal(set_at(row), model_union(history, history->count));
        break;
    }
}

static void merge__every_op_comes_to_what_its_definition_says(void **state)
{
    (void)state;
    uint8_t *memory = malloc(MEMORY_SIZE);
    assert_non_null(memory);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct ds_arena arena;
        struct ds_row_state row;
        struct ds_id id = {{1}};
        struct history history = {.prng = {seed}};
        ds_arena_init(&arena, memory, MEMORY_SIZE);
        assert_int_equal(ds_row_init(&row, DS_REC_premises, &id, &arena), DS_OK);
        while (history.count < OPS) {
            struct write *write = invent(&history);
            history.count++;
            int64_t before = write->tag == DS_TAG_premises_photos ? 0 : number_at(&row, write->tag);
            struct ds_field_result result = fold(&row, &history, write, &arena);
            check_step(&history, write, before, &result, &row);
        }
    }
    free(memory);
}

/* Swap two neighbours of different writers if no op knew one of them without the other. */
static bool swap_is_unseen(const struct history *history, size_t at)
{
    const struct write *first = &history->write[at];
    const struct write *second = &history->write[at + 1];
    bool related = (first->writer == PARENT && second->writer == CHILD) ||
                   (first->writer == CHILD && second->writer == PARENT);
    if (first->writer == second->writer || related || second->seen >= first->position) {
        return false;
    }
    for (size_t i = 0; i < history->count; i++) {
        if (history->write[i].seen == first->position) {
            return false;
        }
    }
    return true;
}

static void merge__worst_and_union_do_not_show_the_order_of_arrival(void **state)
{
    (void)state;
    uint8_t *memory = malloc(MEMORY_SIZE);
    assert_non_null(memory);
    uint64_t swaps = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int64_t worst[2];
        unsigned set[2];
        struct history history = {.prng = {seed}};
        while (history.count < OPS) {
            invent(&history);
            history.count++;
        }
        for (int round = 0; round < 2; round++) {
            struct ds_arena arena;
            struct ds_row_state row;
            struct ds_id id = {{1}};
            ds_arena_init(&arena, memory, MEMORY_SIZE);
            assert_int_equal(ds_row_init(&row, DS_REC_premises, &id, &arena), DS_OK);
            for (size_t i = 0; i < history.count; i++) {
                (void)fold(&row, &history, &history.write[i], &arena);
            }
            worst[round] = number_at(&row, DS_TAG_premises_hazard);
            set[round] = set_at(&row);
            for (int i = 0; i < 400; i++) {
                size_t at = prng_below(&history.prng, OPS - 1);
                if (swap_is_unseen(&history, at)) {
                    struct write second = history.write[at + 1];
                    history.write[at + 1] = history.write[at];
                    history.write[at + 1].position++;
                    history.write[at] = second;
                    history.write[at].position--;
                    swaps++;
                }
            }
        }
        assert_int_equal(worst[0], worst[1]);
        assert_int_equal(set[0], set[1]);
    }
    assert_true(swaps > SEEDS); /* The test tests something. */
    free(memory);
}

/* What is released from quarantine folds late: its writer's later work stays. */
static void
merge__a_late_lower_sequence_never_takes_the_place_of_a_standing_higher_one(void **state)
{
    (void)state;
    uint8_t *memory = malloc(MEMORY_SIZE);
    assert_non_null(memory);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct ds_arena arena;
        struct ds_row_state row;
        struct ds_id id = {{1}};
        struct history history = {.prng = {seed}};
        ds_arena_init(&arena, memory, MEMORY_SIZE);
        assert_int_equal(ds_row_init(&row, DS_REC_premises, &id, &arena), DS_OK);
        while (history.count < OPS) {
            struct write *write = invent(&history);
            history.count++;
            bool late = prng_below(&history.prng, 4) == 0 && write->seq > 1;
            write->seq -= late ? 1 + prng_below(&history.prng, write->seq - 1) : 0;
            const struct ds_cell *cell = ds_row_cell(&row, write->tag);
            struct ds_cell before = {.tag = 0};
            if (cell != NULL) {
                before = *cell;
            }
            int64_t gravest = number_at(&row, DS_TAG_premises_hazard);
            (void)fold(&row, &history, write, &arena);
            bool mine = before.latest.writer.byte[0] == write->writer + 1;
            if (!mine || before.latest.seq <= write->seq) {
                continue;
            }
            if (write->tag == DS_TAG_premises_hazard) {
                assert_true(number_at(&row, write->tag) <= gravest);
            } else if (write->tag != DS_TAG_premises_photos) {
                assert_true(ds_slice_equal(ds_row_cell(&row, write->tag)->value, before.value));
            }
        }
    }
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merge__every_op_comes_to_what_its_definition_says),
        cmocka_unit_test(merge__worst_and_union_do_not_show_the_order_of_arrival),
        cmocka_unit_test(
            merge__a_late_lower_sequence_never_takes_the_place_of_a_standing_higher_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

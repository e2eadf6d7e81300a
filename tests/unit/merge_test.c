/* Merging one op into one row: every CASE of sync/core/merge.h by its number, and its near misses.
 *
 * A step is one op of one writer at one position with one `seen`; a test is a few steps on one row
 * and what the last of them came to. */
#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "sync/core/merge.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { MEMORY_SIZE = 1 << 20, A = 1, B = 2, C = 3, NIL = -1000000 };

struct stage {
    uint8_t *memory;
    struct ds_arena arena;
    struct ds_row_state row;
    uint64_t position;
    struct ds_field_result results[DS_ROW_FIELDS_MAX];
    size_t count;
    enum ds_err err;
};

static struct stage *stage_make(uint8_t type)
{
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->memory = malloc(MEMORY_SIZE);
    assert_non_null(stage->memory);
    ds_arena_init(&stage->arena, stage->memory, MEMORY_SIZE);
    struct ds_id id = {{9}};
    assert_int_equal(ds_row_init(&stage->row, type, &id, &stage->arena), DS_OK);
    return stage;
}

static void stage_free(struct stage *stage)
{
    free(stage->memory);
    free(stage);
}

struct step {
    uint8_t writer;
    uint64_t seq;
    uint64_t seen;
    enum ds_actor_kind actor; /* 0: handheld */
    bool by_owner;
    const struct ds_lineage *lineage;
};

static struct ds_incarnation named(uint8_t writer)
{
    struct ds_incarnation name = {{writer}};
    return name;
}

/* Fold a map of fields as the next entry; gives the first field's result. */
static const struct ds_field_result *fold(struct stage *stage, struct step step,
                                          struct ds_slice fields)
{
    struct ds_slice copy = {NULL, 0};
    assert_int_equal(ds_arena_copy(&stage->arena, fields, &copy), DS_OK);
    struct ds_merge_op op = {
        .type = ds_record_type_by_number(stage->row.type),
        .actor = step.actor == 0 ? DS_ACTOR_handheld : step.actor,
        .write = {.position = ++stage->position,
                  .writer = named(step.writer),
                  .seq = step.seq,
                  .lane = DS_LANE_WORK},
        .seen = step.seen,
        .lineage = step.lineage,
        .fields = copy,
        .by_owner = step.by_owner,
    };
    stage->count = 0;
    stage->err = ds_merge(&stage->row, &op, &stage->arena, stage->results, &stage->count);
    return &stage->results[0];
}

static const struct ds_field_result *fold_int(struct stage *stage, struct step step, uint8_t tag,
                                              int64_t value)
{
    uint8_t bytes[32];
    struct ds_builder builder;
    struct ds_slice map = {NULL, 0};
    ds_builder_init(&builder, bytes, sizeof bytes);
    ds_mp_put_map(&builder, 1);
    ds_mp_put_uint(&builder, tag);
    if (value == NIL) {
        ds_mp_put_nil(&builder);
    } else {
        ds_mp_put_int(&builder, value);
    }
    assert_int_equal(ds_builder_end(&builder, &map), DS_OK);
    const struct ds_field_result *result = fold(stage, step, map);
    assert_int_equal(stage->err, DS_OK);
    assert_int_equal(stage->count, 1);
    return result;
}

static const struct ds_field_result *fold_text(struct stage *stage, struct step step, uint8_t tag,
                                               const char *text)
{
    uint8_t bytes[128];
    struct ds_builder builder;
    struct ds_slice map = {NULL, 0};
    ds_builder_init(&builder, bytes, sizeof bytes);
    ds_mp_put_map(&builder, 1);
    ds_mp_put_uint(&builder, tag);
    ds_mp_put_str(&builder, ds_slice_of_text(text));
    assert_int_equal(ds_builder_end(&builder, &map), DS_OK);
    const struct ds_field_result *result = fold(stage, step, map);
    assert_int_equal(stage->err, DS_OK);
    return result;
}

/* A personal field: key id, tag and a nonce that differs each time. */
static const struct ds_field_result *fold_personal(struct stage *stage, struct step step,
                                                   uint8_t tag, uint8_t equality, uint8_t nonce)
{
    uint8_t sealed[1 + 16 + 16 + 24 + 20] = {1};
    sealed[1 + 16] = equality;
    sealed[1 + 16 + 16] = nonce;
    uint8_t bytes[128];
    struct ds_builder builder;
    struct ds_slice map = {NULL, 0};
    ds_builder_init(&builder, bytes, sizeof bytes);
    ds_mp_put_map(&builder, 1);
    ds_mp_put_uint(&builder, tag);
    ds_mp_put_bin(&builder, (struct ds_slice){sealed, sizeof sealed});
    assert_int_equal(ds_builder_end(&builder, &map), DS_OK);
    const struct ds_field_result *result = fold(stage, step, map);
    assert_int_equal(stage->err, DS_OK);
    return result;
}

/* A change of a set: adds and removes are strings of one letter per element; "" for none. */
static const struct ds_field_result *fold_set(struct stage *stage, struct step step,
                                              const char *add, const char *gone)
{
    uint8_t hashes[2][20 * 32] = {{0}};
    const char *texts[2] = {add, gone};
    struct ds_slice part[2];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < strlen(texts[side]); i++) {
            hashes[side][i * 32] = (uint8_t)texts[side][i];
        }
        part[side] = (struct ds_slice){hashes[side], strlen(texts[side]) * 32};
    }
    uint8_t bytes[2048];
    struct ds_builder builder;
    struct ds_slice map = {NULL, 0};
    ds_builder_init(&builder, bytes, sizeof bytes);
    ds_mp_put_map(&builder, 1);
    ds_mp_put_uint(&builder, DS_TAG_premises_photos);
    ds_mp_put_union(&builder, part[0], part[1]);
    assert_int_equal(ds_builder_end(&builder, &map), DS_OK);
    const struct ds_field_result *result = fold(stage, step, map);
    assert_int_equal(stage->err, DS_OK);
    return result;
}

static int64_t int_at(struct stage *stage, uint8_t tag)
{
    const struct ds_cell *cell = ds_row_cell(&stage->row, tag);
    assert_non_null(cell);
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, cell->value);
    if (cell->value.size == 0 || ds_mp_take_nil_if(&cursor)) {
        return NIL;
    }
    int64_t value = ds_mp_take_int(&cursor);
    assert_int_equal(ds_cursor_end(&cursor), DS_OK);
    return value;
}

static void assert_text_at(struct stage *stage, uint8_t tag, const char *text)
{
    const struct ds_cell *cell = ds_row_cell(&stage->row, tag);
    assert_non_null(cell);
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, cell->value);
    assert_true(ds_slice_equal(ds_mp_take_str(&cursor), ds_slice_of_text(text)));
}

static void assert_set(struct stage *stage, const char *elements)
{
    const struct ds_cell *cell = ds_row_cell(&stage->row, DS_TAG_premises_photos);
    assert_non_null(cell);
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, cell->value);
    struct ds_slice have = ds_mp_take_bin(&cursor);
    assert_int_equal(have.size, strlen(elements) * 32);
    for (size_t i = 0; i < strlen(elements); i++) {
        assert_int_equal(have.data[i * 32], elements[i]);
    }
}

static void assert_outcome(const struct ds_field_result *result, enum ds_outcome outcome,
                           bool changed, bool shown)
{
    assert_int_equal(result->outcome, outcome);
    assert_int_equal(result->changed, changed);
    assert_int_equal(result->shown, shown);
}

/* ---- CASE 1 to 4 ---- */

static void merge__case_1_a_field_never_written_is_applied(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    assert_outcome(fold_text(stage, (struct step){.writer = A, .seq = 1}, DS_TAG_premises_best_hour,
                             "evening"),
                   DS_OUTCOME_APPLIED, true, false);
    assert_text_at(stage, DS_TAG_premises_best_hour, "evening");
    const struct ds_cell *cell = ds_row_cell(&stage->row, DS_TAG_premises_best_hour);
    assert_int_equal(cell->latest.position, 1);
    assert_int_equal(cell->other.position, 0);
    stage_free(stage);
}

static void merge__case_2_an_equal_value_is_no_conflict(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_int(stage, (struct step){.writer = A, .seq = 1}, DS_TAG_premises_lat_e7, 5);
    assert_outcome(fold_int(stage, (struct step){.writer = B, .seq = 1}, DS_TAG_premises_lat_e7, 5),
                   DS_OUTCOME_APPLIED, false, false);
    /* Both writers are remembered: a third that saw neither still conflicts. */
    assert_outcome(fold_int(stage, (struct step){.writer = C, .seq = 1}, DS_TAG_premises_lat_e7, 6),
                   DS_OUTCOME_CONFLICT, false, false);
    stage_free(stage);
}

static void merge__case_2_personal_values_compare_by_tag_and_keep_the_standing_bytes(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    uint8_t tag = DS_TAG_premises_key_holder;
    fold_personal(stage, (struct step){.writer = A, .seq = 1}, tag, 7, 1);
    struct ds_slice before = ds_row_cell(&stage->row, tag)->value;
    assert_outcome(fold_personal(stage, (struct step){.writer = B, .seq = 1}, tag, 7, 2),
                   DS_OUTCOME_APPLIED, false, false);
    assert_true(ds_slice_equal(ds_row_cell(&stage->row, tag)->value, before));
    assert_outcome(fold_personal(stage, (struct step){.writer = C, .seq = 1}, tag, 8, 3),
                   DS_OUTCOME_MERGED, true, true);
    stage_free(stage);
}

static void merge__case_3_what_the_writer_had_seen_is_no_conflict(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_int(stage, (struct step){.writer = A, .seq = 1}, DS_TAG_premises_lat_e7, 5);
    assert_outcome(
        fold_int(stage, (struct step){.writer = B, .seq = 1, .seen = 1}, DS_TAG_premises_lat_e7, 6),
        DS_OUTCOME_APPLIED, true, false);
    assert_int_equal(int_at(stage, DS_TAG_premises_lat_e7), 6);
    stage_free(stage);
}

static void merge__case_3_a_days_chain_of_own_edits_is_no_conflict(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    for (uint64_t seq = 1; seq <= 20; seq++) {
        assert_outcome(fold_int(stage, (struct step){.writer = A, .seq = seq},
                                DS_TAG_premises_lat_e7, (int64_t)seq),
                       DS_OUTCOME_APPLIED, true, false);
    }
    stage_free(stage);
}

static void merge__case_3_own_writes_in_between_do_not_hide_the_other_writer(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    uint8_t tag = DS_TAG_premises_access_note;
    fold_text(stage, (struct step){.writer = B, .seq = 1}, tag, "b");             /* position 1 */
    fold_text(stage, (struct step){.writer = A, .seq = 1, .seen = 1}, tag, "a1"); /* saw it */
    fold_text(stage, (struct step){.writer = A, .seq = 2, .seen = 1}, tag, "a2");
    assert_outcome(fold_text(stage, (struct step){.writer = A, .seq = 3, .seen = 0}, tag, "a3"),
                   DS_OUTCOME_MERGED, true, true);
    assert_outcome(fold_text(stage, (struct step){.writer = A, .seq = 4, .seen = 1}, tag, "a4"),
                   DS_OUTCOME_APPLIED, true, false);
    stage_free(stage);
}

static void merge__case_3_writes_of_ancestors_up_to_the_branch_point_are_own(void **state)
{
    (void)state;
    struct ds_lineage lineage = {.count = 1};
    lineage.ancestor[0].incarnation = named(A);
    lineage.ancestor[0].work_seq = 2;
    uint8_t tag = DS_TAG_premises_lat_e7;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_int(stage, (struct step){.writer = A, .seq = 2}, tag, 5);
    assert_outcome(
        fold_int(stage, (struct step){.writer = B, .seq = 1, .lineage = &lineage}, tag, 6),
        DS_OUTCOME_APPLIED, true, false);
    stage_free(stage);
    stage = stage_make(DS_REC_premises);
    fold_int(stage, (struct step){.writer = A, .seq = 3}, tag, 5); /* beyond: a clone's work */
    assert_outcome(
        fold_int(stage, (struct step){.writer = B, .seq = 1, .lineage = &lineage}, tag, 6),
        DS_OUTCOME_CONFLICT, false, false);
    stage_free(stage);
}

static void merge__case_4_a_lower_own_sequence_never_replaces_a_higher_one(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    uint8_t tag = DS_TAG_premises_access_note;
    fold_text(stage, (struct step){.writer = A, .seq = 5}, tag, "later");
    assert_outcome(fold_text(stage, (struct step){.writer = A, .seq = 4}, tag, "earlier"),
                   DS_OUTCOME_APPLIED, false, false);
    assert_text_at(stage, tag, "later");
    /* Also when somebody else's write stands by now. */
    fold_text(stage, (struct step){.writer = B, .seq = 1, .seen = 1}, tag, "b");
    assert_outcome(fold_text(stage, (struct step){.writer = A, .seq = 4}, tag, "earlier"),
                   DS_OUTCOME_APPLIED, false, false);
    assert_text_at(stage, tag, "b");
    stage_free(stage);
}

static void merge__case_4_a_lower_own_sequence_removes_no_later_own_worst_or_union(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    uint8_t tag = DS_TAG_premises_hazard;
    fold_int(stage, (struct step){.writer = A, .seq = 5}, tag, DS_HAZARD_grade_3);
    fold_int(stage, (struct step){.writer = A, .seq = 4}, tag, DS_HAZARD_none);
    assert_int_equal(int_at(stage, tag), DS_HAZARD_grade_3);
    fold_int(stage, (struct step){.writer = A, .seq = 3}, tag, DS_HAZARD_grade_1);
    assert_int_equal(int_at(stage, tag), DS_HAZARD_grade_3);
    stage_free(stage);
    stage = stage_make(DS_REC_premises);
    fold_set(stage, (struct step){.writer = A, .seq = 5}, "p", "");
    fold_set(stage, (struct step){.writer = A, .seq = 4}, "", "p");
    assert_set(stage, "p");
    stage_free(stage);
}

/* ---- CASE 5 and 6: owner ---- */

static void merge__case_5_a_field_of_another_owner_becomes_a_proposal(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_account);
    struct step billing = {.writer = B, .seq = 1, .actor = DS_ACTOR_billing};
    fold_int(stage, billing, DS_TAG_account_class, DS_CLASS_residential);
    struct step mine = {.writer = A, .seq = 1, .seen = 1};
    const struct ds_field_result *result =
        fold_int(stage, mine, DS_TAG_account_class, DS_CLASS_commercial);
    assert_outcome(result, DS_OUTCOME_PROPOSAL, false, false);
    assert_int_equal(result->base.data[0], DS_CLASS_residential);
    assert_int_equal(result->value.data[0], DS_CLASS_commercial);
    assert_int_equal(int_at(stage, DS_TAG_account_class), DS_CLASS_residential);
    /* The same as what stands needs no decision. */
    assert_outcome(fold_int(stage, mine, DS_TAG_account_class, DS_CLASS_residential),
                   DS_OUTCOME_APPLIED, false, false);
    /* A decision counts as the owner's write. */
    struct step decided = {.writer = C, .seq = 1, .actor = DS_ACTOR_console, .by_owner = true};
    assert_outcome(fold_int(stage, decided, DS_TAG_account_class, DS_CLASS_commercial),
                   DS_OUTCOME_APPLIED, true, false);
    stage_free(stage);
}

static void merge__case_6_the_owner_writes_over_what_he_had_not_seen(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_account);
    struct step first = {.writer = B, .seq = 1, .actor = DS_ACTOR_billing};
    struct step second = {.writer = C, .seq = 1, .actor = DS_ACTOR_import};
    fold_int(stage, first, DS_TAG_account_balance_fen, -100);
    assert_outcome(fold_int(stage, second, DS_TAG_account_balance_fen, -200), DS_OUTCOME_APPLIED,
                   true, false);
    assert_int_equal(int_at(stage, DS_TAG_account_balance_fen), -200);
    stage_free(stage);
}

/* ---- CASE 7 and 8: latest, review ---- */

static void merge__case_7_latest_goes_by_journal_order_and_shows_the_loser(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_text(stage, (struct step){.writer = A, .seq = 1}, DS_TAG_premises_access_note, "dog");
    const struct ds_field_result *result =
        fold_text(stage, (struct step){.writer = B, .seq = 1}, DS_TAG_premises_access_note, "cat");
    assert_outcome(result, DS_OUTCOME_MERGED, true, true);
    assert_int_equal(result->before.position, 1);
    assert_memory_equal(result->base.data + 1, "dog", 3);
    assert_text_at(stage, DS_TAG_premises_access_note, "cat");
    stage_free(stage);
}

static void merge__case_8_review_leaves_the_value_and_raises_a_conflict(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_int(stage, (struct step){.writer = A, .seq = 1}, DS_TAG_premises_lat_e7, 5);
    assert_outcome(fold_int(stage, (struct step){.writer = B, .seq = 1}, DS_TAG_premises_lat_e7, 6),
                   DS_OUTCOME_CONFLICT, false, false);
    assert_int_equal(int_at(stage, DS_TAG_premises_lat_e7), 5);
    struct step decided = {.writer = C, .seq = 1, .by_owner = true};
    assert_outcome(fold_int(stage, decided, DS_TAG_premises_lat_e7, 6), DS_OUTCOME_APPLIED, true,
                   false);
    stage_free(stage);
}

/* ---- CASE 9: worst ---- */

static void merge__case_9_of_concurrent_writes_the_gravest_stands(void **state)
{
    (void)state;
    uint8_t tag = DS_TAG_premises_hazard;
    for (int order = 0; order < 2; order++) {
        struct stage *stage = stage_make(DS_REC_premises);
        int64_t values[2] = {DS_HAZARD_grade_1, DS_HAZARD_none};
        fold_int(stage, (struct step){.writer = A, .seq = 1}, tag, values[order]);
        const struct ds_field_result *result =
            fold_int(stage, (struct step){.writer = B, .seq = 1}, tag, values[1 - order]);
        assert_int_equal(result->outcome, DS_OUTCOME_MERGED);
        assert_int_equal(int_at(stage, tag), DS_HAZARD_grade_1);
        stage_free(stage);
    }
}

static void merge__case_9_a_write_removes_what_it_saw_and_its_own_earlier_ones(void **state)
{
    (void)state;
    uint8_t tag = DS_TAG_premises_hazard;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_int(stage, (struct step){.writer = A, .seq = 1}, tag, DS_HAZARD_grade_1);
    fold_int(stage, (struct step){.writer = B, .seq = 1}, tag, DS_HAZARD_grade_3);
    /* A closes his own; B's grade 3, which he never saw, stays. */
    fold_int(stage, (struct step){.writer = A, .seq = 2}, tag, DS_HAZARD_none);
    assert_int_equal(int_at(stage, tag), DS_HAZARD_grade_3);
    /* C saw everything. */
    assert_outcome(
        fold_int(stage, (struct step){.writer = C, .seq = 1, .seen = 3}, tag, DS_HAZARD_none),
        DS_OUTCOME_APPLIED, true, false);
    assert_int_equal(int_at(stage, tag), DS_HAZARD_none);
    stage_free(stage);
}

static void merge__case_9_beyond_sixteen_the_least_grave_is_dropped_and_shown(void **state)
{
    (void)state;
    uint8_t tag = DS_TAG_premises_hazard;
    struct stage *stage = stage_make(DS_REC_premises);
    const struct ds_field_result *result = NULL;
    for (uint8_t writer = 1; writer <= DS_SIBLINGS_MAX; writer++) {
        int64_t grade = writer == 3 ? DS_HAZARD_grade_1 : DS_HAZARD_grade_3;
        result = fold_int(stage, (struct step){.writer = writer, .seq = 1}, tag, grade);
        assert_false(result->shown);
    }
    result = fold_int(stage, (struct step){.writer = 99, .seq = 1}, tag, DS_HAZARD_none);
    assert_true(result->shown);
    const struct ds_cell *cell = ds_row_cell(&stage->row, tag);
    assert_int_equal(cell->sibling_count, DS_SIBLINGS_MAX);
    assert_int_equal(int_at(stage, tag), DS_HAZARD_grade_1);
    stage_free(stage);
}

/* ---- CASE 10: union ---- */

static void merge__case_10_an_add_wins_over_a_removal_that_did_not_see_it(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_set(stage, (struct step){.writer = A, .seq = 1}, "ab", "");
    assert_outcome(fold_set(stage, (struct step){.writer = B, .seq = 1}, "", "a"),
                   DS_OUTCOME_MERGED, false, false);
    assert_set(stage, "ab");
    assert_outcome(fold_set(stage, (struct step){.writer = B, .seq = 2, .seen = 1}, "c", "a"),
                   DS_OUTCOME_APPLIED, true, false);
    assert_set(stage, "bc");
    stage_free(stage);
}

static void merge__case_10_a_writer_removes_his_own_add_and_not_anothers_of_the_same(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_set(stage, (struct step){.writer = A, .seq = 1}, "p", "");
    fold_set(stage, (struct step){.writer = B, .seq = 1}, "p", "");
    fold_set(stage, (struct step){.writer = B, .seq = 2}, "", "p"); /* Never saw A's. */
    assert_set(stage, "p");
    fold_set(stage, (struct step){.writer = A, .seq = 2}, "", "p");
    assert_set(stage, "");
    stage_free(stage);
}

static void merge__case_10_a_full_set_takes_no_seventeenth_and_says_so(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_set(stage, (struct step){.writer = A, .seq = 1}, "abcdefghijklmnop", "");
    const struct ds_field_result *result =
        fold_set(stage, (struct step){.writer = B, .seq = 1, .seen = 1}, "q", "");
    assert_outcome(result, DS_OUTCOME_CONFLICT, false, true);
    assert_set(stage, "abcdefghijklmnop");
    /* Taking one out and putting one in is possible in one op. */
    assert_outcome(fold_set(stage, (struct step){.writer = B, .seq = 2, .seen = 2}, "q", "a"),
                   DS_OUTCOME_APPLIED, true, false);
    assert_set(stage, "bcdefghijklmnopq");
    stage_free(stage);
}

/* ---- CASE 11 to 13: once, state ---- */

static void merge__case_11_the_first_stands_and_a_different_second_is_a_conflict(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_task);
    struct ds_id ids[2] = {{{1}}, {{2}}};
    uint8_t bytes[2][32];
    struct ds_slice maps[2];
    for (int i = 0; i < 2; i++) {
        struct ds_builder builder;
        ds_builder_init(&builder, bytes[i], sizeof bytes[i]);
        ds_mp_put_map(&builder, 1);
        ds_mp_put_uint(&builder, DS_TAG_task_result);
        ds_mp_put_id(&builder, &ids[i]);
        assert_int_equal(ds_builder_end(&builder, &maps[i]), DS_OK);
    }
    assert_outcome(fold(stage, (struct step){.writer = A, .seq = 1}, maps[0]), DS_OUTCOME_APPLIED,
                   true, false);
    assert_outcome(fold(stage, (struct step){.writer = B, .seq = 1}, maps[0]), DS_OUTCOME_APPLIED,
                   false, false);
    /* Having seen it helps nothing. */
    assert_outcome(fold(stage, (struct step){.writer = B, .seq = 2, .seen = 2}, maps[1]),
                   DS_OUTCOME_CONFLICT, false, false);
    stage_free(stage);
}

static void merge__case_11_what_was_cleared_may_be_set_again(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_task);
    struct step owner = {.writer = A, .seq = 1, .by_owner = true};
    fold_int(stage, owner, DS_TAG_task_result, 1);
    owner.seq = 2;
    fold_int(stage, owner, DS_TAG_task_result, NIL);
    assert_outcome(fold_int(stage, (struct step){.writer = B, .seq = 1}, DS_TAG_task_result, 2),
                   DS_OUTCOME_APPLIED, true, false);
    stage_free(stage);
}

static void merge__case_12_a_legal_step_is_applied_also_unseen(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_task);
    uint8_t tag = DS_TAG_task_state;
    fold_int(stage, (struct step){.writer = C, .seq = 1, .actor = DS_ACTOR_console}, tag,
             DS_TASK_created);
    fold_int(stage, (struct step){.writer = C, .seq = 2, .actor = DS_ACTOR_console}, tag,
             DS_TASK_assigned);
    assert_outcome(fold_int(stage, (struct step){.writer = A, .seq = 1}, tag, DS_TASK_accepted),
                   DS_OUTCOME_APPLIED, true, false);
    stage_free(stage);
}

static void merge__case_13_an_illegal_step_is_a_conflict(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_task);
    uint8_t tag = DS_TAG_task_state;
    struct step office = {.writer = C, .seq = 1, .actor = DS_ACTOR_console};
    fold_int(stage, office, tag, DS_TASK_created);
    office.seq = 2;
    fold_int(stage, office, tag, DS_TASK_cancelled);
    assert_outcome(
        fold_int(stage, (struct step){.writer = A, .seq = 1, .seen = 1}, tag, DS_TASK_assigned),
        DS_OUTCOME_CONFLICT, false, false);
    assert_int_equal(int_at(stage, tag), DS_TASK_cancelled);
    stage_free(stage);
}

/* ---- CASE 14 and 15 ---- */

static void merge__case_14_an_unknown_tag_is_kept_as_latest(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_text(stage, (struct step){.writer = A, .seq = 1}, 120, "future");
    assert_outcome(fold_text(stage, (struct step){.writer = B, .seq = 1}, 120, "other"),
                   DS_OUTCOME_MERGED, true, true);
    assert_text_at(stage, 120, "other");
    stage_free(stage);
}

static void merge__case_14_fields_of_an_unknown_record_are_kept_as_latest(void **state)
{
    (void)state;
    struct stage *stage = stage_make(100);
    assert_null(ds_record_type_by_number(100));
    assert_outcome(fold_int(stage, (struct step){.writer = A, .seq = 1}, 3, 1), DS_OUTCOME_APPLIED,
                   true, false);
    assert_int_equal(int_at(stage, 3), 1);
    stage_free(stage);
}

/* A field that came with engine version 2, in a journal that is still at 1 and in one at 2. */
static void merge__case_14_a_field_of_a_later_engine_version_is_unknown_before(void **state)
{
    (void)state;
    struct ds_field field = {.tag = 1,
                             .type = DS_TYPE_INT,
                             .policy = DS_POLICY_REVIEW,
                             .writers = UINT16_MAX,
                             .since = 2,
                             .name = "later"};
    const struct ds_record_type type = {
        .number = DS_REC_premises, .writers = UINT16_MAX, .fields = &field, .field_count = 1};
    static const struct {
        uint64_t version;
        enum ds_outcome outcome;
    } rows[] = {{1, DS_OUTCOME_MERGED}, {2, DS_OUTCOME_CONFLICT}, {0, DS_OUTCOME_CONFLICT}};
    static const uint8_t six[] = {0x81, 0x01, 0x06};
    static const uint8_t seven[] = {0x81, 0x01, 0x07};
    for (size_t i = 0; i < DS_COUNT(rows); i++) {
        struct stage *stage = stage_make(DS_REC_premises);
        struct ds_merge_op op = {.type = &type,
                                 .version = rows[i].version,
                                 .actor = DS_ACTOR_handheld,
                                 .write = {.position = 1, .writer = named(1), .seq = 1, .lane = 1},
                                 .fields = {six, sizeof(six)}};
        assert_int_equal(ds_merge(&stage->row, &op, &stage->arena, stage->results, &stage->count),
                         DS_OK);
        op.write = (struct ds_write){.position = 2, .writer = named(2), .seq = 1, .lane = 1};
        op.fields = (struct ds_slice){seven, sizeof(seven)};
        assert_int_equal(ds_merge(&stage->row, &op, &stage->arena, stage->results, &stage->count),
                         DS_OK);
        assert_int_equal(stage->results[0].outcome, rows[i].outcome);
        stage_free(stage);
    }
}

static void merge__case_15_a_field_that_the_writer_may_not_write_is_refused(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    struct step office = {.writer = C, .seq = 1, .actor = DS_ACTOR_console};
    fold_text(stage, office, DS_TAG_premises_district, "Chang'an");
    assert_outcome(fold_text(stage, (struct step){.writer = A, .seq = 1, .seen = 1},
                             DS_TAG_premises_district, "Yuhua"),
                   DS_OUTCOME_REFUSED, false, false);
    assert_text_at(stage, DS_TAG_premises_district, "Chang'an");
    stage_free(stage);
}

/* ---- Limits and forms ---- */

static void merge__many_fields_are_judged_one_by_one(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    fold_int(stage, (struct step){.writer = B, .seq = 1}, DS_TAG_premises_lat_e7, 1);
    uint8_t bytes[64];
    struct ds_builder builder;
    struct ds_slice map = {NULL, 0};
    ds_builder_init(&builder, bytes, sizeof bytes);
    ds_mp_put_map(&builder, 3);
    ds_mp_put_uint(&builder, DS_TAG_premises_district);
    ds_mp_put_str(&builder, DS_SLICE_LIT("x"));
    ds_mp_put_uint(&builder, DS_TAG_premises_lat_e7);
    ds_mp_put_int(&builder, 2);
    ds_mp_put_uint(&builder, DS_TAG_premises_best_hour);
    ds_mp_put_str(&builder, DS_SLICE_LIT("noon"));
    assert_int_equal(ds_builder_end(&builder, &map), DS_OK);
    fold(stage, (struct step){.writer = A, .seq = 1}, map);
    assert_int_equal(stage->err, DS_OK);
    assert_int_equal(stage->count, 3);
    assert_int_equal(stage->results[0].outcome, DS_OUTCOME_REFUSED);
    assert_int_equal(stage->results[1].outcome, DS_OUTCOME_CONFLICT);
    assert_int_equal(stage->results[2].outcome, DS_OUTCOME_APPLIED);
    stage_free(stage);
}

static void merge__a_row_takes_sixty_four_fields_and_no_more(void **state)
{
    (void)state;
    struct stage *stage = stage_make(100);
    for (uint8_t tag = 1; tag <= DS_ROW_FIELDS_MAX; tag++) {
        fold_int(stage, (struct step){.writer = A, .seq = tag}, tag, 1);
    }
    uint8_t map[] = {0x81, DS_ROW_FIELDS_MAX + 1, 1};
    fold(stage, (struct step){.writer = A, .seq = 99}, (struct ds_slice){map, sizeof map});
    assert_int_equal(stage->err, DS_ERR_LIMIT);
    stage_free(stage);
}

static void merge__tag_0_and_tags_above_127_are_refused(void **state)
{
    (void)state;
    struct stage *stage = stage_make(DS_REC_premises);
    uint8_t zero[] = {0x81, 0, 1};
    uint8_t high[] = {0x81, 0xcc, 128, 1};
    fold(stage, (struct step){.writer = A, .seq = 1}, (struct ds_slice){zero, sizeof zero});
    assert_int_equal(stage->err, DS_ERR_DECODE);
    fold(stage, (struct step){.writer = A, .seq = 1}, (struct ds_slice){high, sizeof high});
    assert_int_equal(stage->err, DS_ERR_DECODE);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merge__case_1_a_field_never_written_is_applied),
        cmocka_unit_test(merge__case_2_an_equal_value_is_no_conflict),
        cmocka_unit_test(merge__case_2_personal_values_compare_by_tag_and_keep_the_standing_bytes),
        cmocka_unit_test(merge__case_3_what_the_writer_had_seen_is_no_conflict),
        cmocka_unit_test(merge__case_3_a_days_chain_of_own_edits_is_no_conflict),
        cmocka_unit_test(merge__case_3_own_writes_in_between_do_not_hide_the_other_writer),
        cmocka_unit_test(merge__case_3_writes_of_ancestors_up_to_the_branch_point_are_own),
        cmocka_unit_test(merge__case_4_a_lower_own_sequence_never_replaces_a_higher_one),
        cmocka_unit_test(merge__case_4_a_lower_own_sequence_removes_no_later_own_worst_or_union),
        cmocka_unit_test(merge__case_5_a_field_of_another_owner_becomes_a_proposal),
        cmocka_unit_test(merge__case_6_the_owner_writes_over_what_he_had_not_seen),
        cmocka_unit_test(merge__case_7_latest_goes_by_journal_order_and_shows_the_loser),
        cmocka_unit_test(merge__case_8_review_leaves_the_value_and_raises_a_conflict),
        cmocka_unit_test(merge__case_9_of_concurrent_writes_the_gravest_stands),
        cmocka_unit_test(merge__case_9_a_write_removes_what_it_saw_and_its_own_earlier_ones),
        cmocka_unit_test(merge__case_9_beyond_sixteen_the_least_grave_is_dropped_and_shown),
        cmocka_unit_test(merge__case_10_an_add_wins_over_a_removal_that_did_not_see_it),
        cmocka_unit_test(merge__case_10_a_writer_removes_his_own_add_and_not_anothers_of_the_same),
        cmocka_unit_test(merge__case_10_a_full_set_takes_no_seventeenth_and_says_so),
        cmocka_unit_test(merge__case_11_the_first_stands_and_a_different_second_is_a_conflict),
        cmocka_unit_test(merge__case_11_what_was_cleared_may_be_set_again),
        cmocka_unit_test(merge__case_12_a_legal_step_is_applied_also_unseen),
        cmocka_unit_test(merge__case_13_an_illegal_step_is_a_conflict),
        cmocka_unit_test(merge__case_14_an_unknown_tag_is_kept_as_latest),
        cmocka_unit_test(merge__case_14_fields_of_an_unknown_record_are_kept_as_latest),
        cmocka_unit_test(merge__case_14_a_field_of_a_later_engine_version_is_unknown_before),
        cmocka_unit_test(merge__case_15_a_field_that_the_writer_may_not_write_is_refused),
        cmocka_unit_test(merge__many_fields_are_judged_one_by_one),
        cmocka_unit_test(merge__a_row_takes_sixty_four_fields_and_no_more),
        cmocka_unit_test(merge__tag_0_and_tags_above_127_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "sync/core/merge.h"

#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "schema/rules/steps.h"
#include "sync/core/mutant.h"

#include <string.h>

enum { PERSONAL_TAG_END = 1 + 16 + 16, NIL_BYTE = 0xc0 };

struct one { /* One field on its way into a row. */
    const struct ds_merge_op *op;
    const struct ds_field *field; /* NULL: unknown tag. */
    struct ds_cell *cell;
    struct ds_slice value;
    struct ds_arena *arena;
    bool concurrent;
};

/* Is an earlier write the op's writer's own: its lower sequences, or its ancestors' up to the
 * branch point? */
static bool is_own(const struct ds_merge_op *op, const struct ds_write *write)
{
    if (ds_incarnation_equal(&write->writer, &op->write.writer)) {
        return true;
    }
    for (size_t i = 0; op->lineage != NULL && i < op->lineage->count; i++) {
        uint64_t last = write->lane == DS_LANE_TRACK ? op->lineage->ancestor[i].track_seq
                                                     : op->lineage->ancestor[i].work_seq;
        if (ds_incarnation_equal(&write->writer, &op->lineage->ancestor[i].incarnation) &&
            write->seq <= last) {
            return true;
        }
    }
    return false;
}

/* Did another writer write the field after what the op had seen? The two kept writes are of
 * distinct writers, so if the latest is own, the other one is the latest foreign one. */
static bool is_concurrent(const struct ds_merge_op *op, const struct ds_cell *cell)
{
    if (cell->latest.position == 0 || DS_MUTANT("conflict_ignores_writers")) {
        return false;
    }
    if (DS_MUTANT("conflict_ignores_seen")) {
        return !is_own(op, &cell->latest);
    }
    if (!is_own(op, &cell->latest)) {
        return cell->latest.position > op->seen;
    }
    return cell->other.position != 0 && !is_own(op, &cell->other) &&
           cell->other.position > op->seen;
}

static bool lower_sequence(const struct ds_write *standing, const struct ds_write *mine)
{
    return standing->position != 0 && standing->lane == mine->lane &&
           ds_incarnation_equal(&standing->writer, &mine->writer) && standing->seq > mine->seq;
}

/* Was it written by a later life of the op's writer, which knew the op? */
static bool by_heir(const struct ds_merge_op *op, const struct ds_write *standing)
{
    for (size_t i = 0; standing->position != 0 && i < op->heir_count; i++) {
        const struct ds_heir *heir = &op->heirs[i];
        uint64_t last = op->write.lane == DS_LANE_TRACK ? heir->track_seq : heir->work_seq;
        if (ds_incarnation_equal(&heir->incarnation, &standing->writer) && op->write.seq <= last) {
            return true;
        }
    }
    return false;
}

static bool is_superseded(const struct ds_merge_op *op, const struct ds_cell *cell)
{
    return lower_sequence(&cell->latest, &op->write) || lower_sequence(&cell->other, &op->write) ||
           by_heir(op, &cell->latest) || by_heir(op, &cell->other);
}

static bool values_equal(const struct ds_field *field, struct ds_slice a, struct ds_slice b)
{
    if (ds_slice_equal(a, b)) {
        return true;
    }
    if (field == NULL || field->type != DS_TYPE_PERSONAL) {
        return false;
    }
    struct ds_cursor left;
    struct ds_cursor right;
    ds_cursor_init(&left, a);
    ds_cursor_init(&right, b);
    struct ds_slice one = ds_mp_take_bin(&left);
    struct ds_slice two = ds_mp_take_bin(&right);
    return one.size >= PERSONAL_TAG_END && two.size >= PERSONAL_TAG_END &&
           memcmp(one.data, two.data, PERSONAL_TAG_END) == 0;
}

static void stand(struct one *one, struct ds_field_result *result)
{
    struct ds_cell *cell = one->cell;
    result->changed = !ds_slice_equal(cell->value, one->value);
    if (result->changed && cell->latest.position != 0 && !is_own(one->op, &cell->latest)) {
        bool fits = cell->value.size <= DS_ROW_BASE_MAX;
        cell->base = fits ? cell->value : (struct ds_slice){NULL, 0};
    }
    if (!is_own(one->op, &cell->latest) && !DS_MUTANT("lose_second_writer")) {
        cell->other = cell->latest;
    }
    if (cell->other.position != 0 && is_own(one->op, &cell->other)) {
        memset(&cell->other, 0, sizeof(cell->other));
    }
    cell->latest = one->op->write;
    cell->value = one->value;
}

static int64_t gravity_of(const struct one *one, struct ds_slice value)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    int64_t number = ds_mp_take_int(&cursor);
    return cursor.failed ? -1 : ds_gravity(one->field->list, number);
}

/* The write replaces those at or before its `seen` and its own earlier ones, never its own later
 * ones (it was released from quarantine after them). */
static bool replaces(const struct ds_merge_op *op, const struct ds_write *earlier)
{
    return !lower_sequence(earlier, &op->write) &&
           (earlier->position <= op->seen || is_own(op, earlier));
}

static enum ds_err siblings_make(struct one *one)
{
    if (one->cell->siblings == NULL) {
        one->cell->siblings =
            ds_arena_alloc(one->arena, DS_SIBLINGS_MAX * sizeof(*one->cell->siblings));
    }
    return one->cell->siblings == NULL ? DS_ERR_NOMEM : DS_OK;
}

static void worst_add(struct one *one, struct ds_field_result *result)
{
    struct ds_cell *cell = one->cell;
    if (cell->sibling_count == DS_SIBLINGS_MAX) {
        size_t least = 0;
        for (size_t i = 1; i < cell->sibling_count; i++) {
            if (gravity_of(one, cell->siblings[i].value) <
                gravity_of(one, cell->siblings[least].value)) {
                least = i;
            }
        }
        cell->siblings[least] = cell->siblings[--cell->sibling_count];
        result->shown = true;
    }
    cell->siblings[cell->sibling_count++] =
        (struct ds_sibling){.write = one->op->write, .value = one->value};
}

/* CASE 9. At most DS_SIBLINGS_MAX: beyond it the least grave one is dropped (collapsed upwards).
 * CASE 4 holds here too: a write that comes after an own later one removes only what it saw. */
static enum ds_err merge_worst(struct one *one, struct ds_field_result *result)
{
    struct ds_cell *cell = one->cell;
    DS_TRY(siblings_make(one));
    bool superseded = is_superseded(one->op, cell);
    size_t kept = 0;
    for (size_t i = 0; i < cell->sibling_count; i++) {
        superseded |= lower_sequence(&cell->siblings[i].write, &one->op->write);
        if (!replaces(one->op, &cell->siblings[i].write)) {
            cell->siblings[kept++] = cell->siblings[i];
        }
    }
    cell->sibling_count = kept;
    superseded &= kept > 0;
    if (!superseded) {
        worst_add(one, result);
    }
    struct ds_slice gravest = cell->siblings[0].value;
    for (size_t i = 1; i < cell->sibling_count; i++) {
        if (gravity_of(one, cell->siblings[i].value) > gravity_of(one, gravest) ||
            DS_MUTANT("worst_takes_latest")) {
            gravest = cell->siblings[i].value;
        }
    }
    result->outcome = cell->sibling_count > 1 ? DS_OUTCOME_MERGED : DS_OUTCOME_APPLIED;
    if (superseded) {
        result->changed = !ds_slice_equal(cell->value, gravest);
        cell->value = gravest;
        return DS_OK;
    }
    one->value = gravest;
    stand(one, result);
    return DS_OK;
}

/* Take away the adds of an element that the op replaces. Does one of another writer, or an own
 * later one, stay? */
static bool drop_element(struct one *one, const uint8_t *hash)
{
    struct ds_cell *cell = one->cell;
    bool stays = false;
    size_t kept = 0;
    for (size_t i = 0; i < cell->sibling_count; i++) {
        bool same = memcmp(cell->siblings[i].value.data, hash, sizeof(struct ds_hash)) == 0;
        if (same && replaces(one->op, &cell->siblings[i].write)) {
            continue;
        }
        stays |= same;
        cell->siblings[kept++] = cell->siblings[i];
    }
    cell->sibling_count = kept;
    return stays;
}

static enum ds_err put_union_value(struct one *one)
{
    const struct ds_cell *cell = one->cell;
    enum { ROOM = DS_SIBLINGS_MAX * sizeof(struct ds_hash) + 8 };
    uint8_t *memory = ds_arena_alloc(one->arena, ROOM);
    uint8_t *sorted = ds_arena_alloc(one->arena, ROOM);
    if (memory == NULL || sorted == NULL) {
        return DS_ERR_NOMEM;
    }
    size_t used = 0;
    for (size_t i = 0; i < cell->sibling_count; i++) {
        const uint8_t *hash = cell->siblings[i].value.data;
        size_t at = used;
        while (at > 0 && memcmp(sorted + at - 32, hash, 32) > 0) {
            at -= 32;
        }
        if (at > 0 && memcmp(sorted + at - 32, hash, 32) == 0) {
            continue; /* Two writers added it. */
        }
        memmove(sorted + at + 32, sorted + at, used - at);
        memcpy(sorted + at, hash, 32);
        used += 32;
    }
    struct ds_builder builder;
    ds_builder_init(&builder, memory, ROOM);
    ds_mp_put_bin(&builder, (struct ds_slice){sorted, used});
    return ds_builder_end(&builder, &one->value);
}

/* CASE 10. Each writer's add of an element is kept for itself. A removal removes the adds that the
 * op had seen or that are its own; an add concurrent to it stays. */
static enum ds_err merge_union(struct one *one, struct ds_field_result *result)
{
    struct ds_cell *cell = one->cell;
    struct ds_slice add;
    struct ds_slice gone;
    DS_TRY(siblings_make(one));
    DS_TRY(ds_union_decode(one->value, &add, &gone));
    for (size_t at = 0; at + 32 <= gone.size; at += 32) {
        (void)drop_element(one, gone.data + at);
    }
    for (size_t at = 0; at + 32 <= add.size; at += 32) {
        bool stays = drop_element(one, add.data + at);
        if (cell->sibling_count < DS_SIBLINGS_MAX) {
            cell->siblings[cell->sibling_count++] = (struct ds_sibling){
                .write = one->op->write, .value = (struct ds_slice){add.data + at, 32}};
        } else if (!stays) {
            result->shown = true; /* Told as a conflict: the set is full. */
            result->outcome = DS_OUTCOME_CONFLICT;
        }
    }
    DS_TRY(put_union_value(one));
    stand(one, result);
    if (result->outcome == DS_OUTCOME_APPLIED && one->concurrent) {
        result->outcome = DS_OUTCOME_MERGED;
    }
    return DS_OK;
}

static bool is_unset(struct ds_slice value)
{
    return value.size == 0 || value.data[0] == NIL_BYTE;
}

static bool step_is_legal(const struct one *one)
{
    struct ds_cursor from;
    struct ds_cursor to;
    ds_cursor_init(&from, one->cell->value);
    ds_cursor_init(&to, one->value);
    int64_t old = is_unset(one->cell->value) ? 0 : ds_mp_take_int(&from);
    int64_t next = is_unset(one->value) ? 0 : ds_mp_take_int(&to);
    return !from.failed && !to.failed && next != 0 && ds_step_ok(one->field->list, old, next);
}

static enum ds_err merge_plain(struct one *one, enum ds_policy policy,
                               struct ds_field_result *result)
{
    bool unset = is_unset(one->cell->value);
    switch (policy) {
    case DS_POLICY_OWNER:
    case DS_POLICY_APPEND:
        break;
    case DS_POLICY_LATEST:
        if (one->concurrent) {
            result->outcome = DS_OUTCOME_MERGED;
            result->shown = true;
        }
        break;
    case DS_POLICY_REVIEW:
        if (one->concurrent && !one->op->by_owner) {
            result->outcome = DS_OUTCOME_CONFLICT;
            return DS_OK;
        }
        break;
    case DS_POLICY_ONCE:
        if (!unset && !one->op->by_owner) {
            result->outcome = DS_OUTCOME_CONFLICT;
            return DS_OK;
        }
        break;
    case DS_POLICY_STATE:
        if (!one->op->by_owner && !step_is_legal(one)) {
            result->outcome = DS_OUTCOME_CONFLICT;
            return DS_OK;
        }
        break;
    case DS_POLICY_WORST:
        return merge_worst(one, result);
    case DS_POLICY_UNION:
        return merge_union(one, result);
    }
    stand(one, result);
    return DS_OK;
}

/* What this build does not know of a record belongs to those who may make such records. */
static bool may_write(const struct one *one)
{
    const struct ds_merge_op *op = one->op;
    if (op->by_owner || op->type == NULL) {
        return true;
    }
    return ((one->field == NULL ? op->type->writers : one->field->writers) >> op->actor & 1) != 0;
}

static enum ds_err merge_field(struct one *one, struct ds_field_result *result)
{
    const struct ds_merge_op *op = one->op;
    const struct ds_cell *cell = one->cell;
    enum ds_policy policy = one->field == NULL ? DS_POLICY_LATEST : one->field->policy;
    result->base = cell->value;
    result->origin = cell->base;
    result->before = cell->latest;
    result->value = one->value;
    result->outcome = DS_OUTCOME_APPLIED;
    if (!may_write(one)) {
        bool same = values_equal(one->field, cell->value, one->value);
        bool propose = policy == DS_POLICY_OWNER || one->field == NULL;
        result->outcome = same      ? DS_OUTCOME_APPLIED
                          : propose ? DS_OUTCOME_PROPOSAL
                                    : DS_OUTCOME_REFUSED;
        return DS_OK;
    }
    bool set_like = policy == DS_POLICY_UNION || policy == DS_POLICY_WORST;
    if (!set_like && is_superseded(op, cell)) {
        return DS_OK; /* CASE 4 */
    }
    one->concurrent = is_concurrent(op, cell);
    if (!set_like && values_equal(one->field, cell->value, one->value)) {
        one->value = cell->value; /* CASE 2: keep the standing bytes (personal nonces differ). */
        stand(one, result);
        return DS_OK;
    }
    return merge_plain(one, policy, result);
}

enum ds_err ds_merge(struct ds_row_state *row, const struct ds_merge_op *op, struct ds_arena *arena,
                     struct ds_field_result results[static DS_ROW_FIELDS_MAX], size_t *result_count)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, op->fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    *result_count = 0;
    if (pairs > DS_ROW_FIELDS_MAX) {
        return DS_ERR_LIMIT;
    }
    for (uint32_t i = 0; i < pairs; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (cursor.failed || tag == 0 || tag > DS_TAG_MAX) {
            return DS_ERR_DECODE;
        }
        struct one one = {.op = op,
                          .field =
                              op->type == NULL ? NULL : ds_field_at(op->type, tag, op->version),
                          .cell = ds_row_cell_make(row, (uint8_t)tag),
                          .value = value,
                          .arena = arena};
        if (one.cell == NULL) {
            return DS_ERR_LIMIT;
        }
        struct ds_field_result *result = &results[(*result_count)++];
        *result = (struct ds_field_result){.tag = (uint8_t)tag};
        DS_TRY(merge_field(&one, result));
    }
    return ds_cursor_end(&cursor);
}

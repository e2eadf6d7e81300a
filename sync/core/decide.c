/* Decisions: what a supervisor's op does to a slot, a conflict, a proposal or a quarantined op.
 *
 * CASE slot, the candidates are those that the supervisor saw ... RESULT the slot is decided
 * CASE slot, there are new ones since ......................... RESULT nothing, told "new evidence"
 * CASE slot, an index that its dial cannot show ................ RESULT nothing, told so: without a
 *                                                                  volume it would leave the queue
 *                                                                  and never be billed
 * CASE item already resolved .................................... RESULT nothing, told so
 * CASE proposal accepted ...................................... RESULT written as the owner's value
 * CASE conflict, keep mine, theirs or base ...................... RESULT that value stands
 * CASE conflict or proposal, the field stands otherwise by now .. RESULT nothing, told so; the item
 *                                                                  shows what stands
 * CASE a state that no step leads to from the present one ....... RESULT nothing, told so
 * CASE quarantine, release ................................ RESULT folded here and now, with its
 *                                                                  own writer and `seen`
 * CASE unknown meter merged into the real one ................... RESULT its readings go over */
#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "schema/rules/steps.h"
#include "sync/core/fold.h"
#include "sync/core/slot.h"

#include <string.h>

static enum ds_err refuse(struct ds_told *told, const char *why)
{
    told->verdict = DS_VERDICT_refused;
    told->detail = why;
    return DS_OK;
}

static enum ds_err stale(struct ds_told *told, const char *why)
{
    told->verdict = DS_VERDICT_conflict;
    told->detail = why;
    return DS_OK;
}

/* ---- Slots. ---- */
static enum ds_err order_re_read(struct ds_fold *fold, const struct ds_slot_full *slot,
                                 const struct ds_decision *decision)
{
    enum { ROOM = 1024 };
    struct ds_meter *meter = DS_FOLD_NEW(fold, struct ds_meter);
    struct ds_book *book = DS_FOLD_NEW(fold, struct ds_book);
    struct ds_task *task = DS_FOLD_NEW(fold, struct ds_task);
    uint8_t *memory = ds_arena_room(fold->arena, ROOM);
    if (meter == NULL || book == NULL || task == NULL || memory == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_record_load(fold->txn, DS_REC_meter, &slot->meter, fold->arena, meter));
    bool has_assignee = DS_HAS(decision, decision, assignee);
    struct ds_id assignee = decision->assignee;
    if (!has_assignee && DS_HAS(meter, meter, book)) {
        enum ds_err err = ds_record_load(fold->txn, DS_REC_book, &meter->book, fold->arena, book);
        if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
            return err;
        }
        has_assignee = err == DS_OK && DS_HAS(book, book, assignee);
        assignee = book->assignee;
    }
    DS_SET(task, task, kind, DS_TASK_KIND_re_read);
    DS_SET(task, task, meter, slot->meter);
    DS_SET(task, task, period, slot->period);
    DS_SET(task, task, reason, decision->reason);
    DS_SET(task, task, state, has_assignee ? DS_TASK_assigned : DS_TASK_created);
    if (has_assignee) {
        DS_SET(task, task, assignee, assignee);
    }
    if (DS_HAS(meter, meter, premises)) {
        DS_SET(task, task, premises, meter->premises);
    }
    struct ds_builder builder;
    struct ds_slice fields;
    ds_builder_init(&builder, memory, ROOM);
    DS_TRY(ds_record_encode(ds_record_type_by_number(DS_REC_task), task, &builder));
    DS_TRY(ds_builder_end(&builder, &fields));
    return ds_fold_write_entity(fold, DS_REC_task, &fold->op_id, fields);
}

/* Is it what the supervisor must have seen: these candidates, and the decision that stands? */
static bool shows(const struct ds_slot_full *slot, const struct ds_hash *hash)
{
    struct ds_hash shown = ds_slot_shown(slot);
    return ds_hash_equal(hash, &shown);
}

static enum ds_err decide_slot(struct ds_fold *fold, const struct ds_decision *decision,
                               struct ds_told *told)
{
    struct ds_slot_full *slot = ds_slot_new(fold);
    struct ds_id meter;
    uint8_t register_kind = 0;
    uint32_t period = 0;
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = ds_slot_find(fold->txn, &decision->target, &meter, &register_kind, &period);
    if (err == DS_ERR_NOT_FOUND) {
        return refuse(told, "decision.target: there is no such slot");
    }
    DS_TRY(err);
    DS_TRY(ds_slot_load(fold, &meter, register_kind, period, slot));
    slot->content = ds_slot_content(slot);
    if (!DS_HAS(decision, decision, candidates_hash) || !shows(slot, &decision->candidates_hash)) {
        return stale(told, "there is new evidence, or another decision, since this one was made");
    }
    switch (decision->action) {
    case DS_ACTION_re_read:
        return order_re_read(fold, slot, decision);
    case DS_ACTION_correct:
        if (!DS_HAS(decision, decision, index) && !DS_HAS(decision, decision, consumption_l)) {
            return refuse(told, "decision.index: a correction needs an index or a volume");
        }
        if (DS_HAS(decision, decision, index) && !ds_slot_shows(slot, decision->index)) {
            return refuse(told, "decision.index: the dial cannot show it, it has fewer digits");
        }
        return ds_slot_decide(fold, slot, decision);
    case DS_ACTION_approve:
    case DS_ACTION_dismiss:
        if (slot->count == 0) {
            return refuse(told, "there is no reading to decide over");
        }
        if (slot->result.has_index && !ds_slot_shows(slot, slot->result.index)) {
            return refuse(told,
                          "the dial cannot show what was read: correct it or order a re-read");
        }
        return ds_slot_decide(fold, slot, decision);
    default:
        return refuse(told, "decision.action: not for a slot");
    }
}

/* ---- Values of conflicts and proposals. ---- */
static const struct ds_field *field_of(uint8_t type, uint8_t tag)
{
    const struct ds_record_type *known = ds_record_type_by_number(type);
    return known == NULL ? NULL : ds_field_by_tag(known, tag);
}

static int64_t number_in(struct ds_slice value)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    int64_t number = value.size == 0 ? 0 : ds_mp_take_int(&cursor);
    return cursor.failed ? 0 : number;
}

/* A decision chooses among values; it leads no record where its life does not go: a revoked device
 * stays revoked. */
static bool step_leads_there(const struct ds_record_type *known, struct ds_row_state *row,
                             uint8_t tag, struct ds_slice value)
{
    const struct ds_field *field = known == NULL ? NULL : ds_field_by_tag(known, tag);
    const struct ds_cell *cell = ds_row_cell(row, tag);
    if (field == NULL || field->policy != DS_POLICY_STATE) {
        return true;
    }
    int64_t old = cell == NULL ? 0 : number_in(cell->value);
    return old == number_in(value) || ds_step_ok(field->list, old, number_in(value));
}

/* Why the decider may not put a value into this row: he needs the role that the record asks for,
 * and the row must have room. "" if he may. */
static enum ds_err stops_value(struct ds_fold *fold, uint8_t type, const struct ds_id *entity,
                               uint8_t tag, struct ds_slice value, const char **stop)
{
    const struct ds_record_type *known = ds_record_type_by_number(type);
    struct ds_row_state *before = DS_FOLD_NEW(fold, struct ds_row_state);
    struct ds_row_state *row = DS_FOLD_NEW(fold, struct ds_row_state);
    bool holds = true;
    if (before == NULL || row == NULL) {
        return DS_ERR_NOMEM;
    }
    if (known != NULL) {
        const struct ds_about about = {.type = type, .id = *entity};
        DS_TRY(ds_fold_holds_role(fold, known->roles, &about, &holds));
    }
    DS_TRY(ds_row_load(fold->txn, type, entity, fold->arena, before));
    DS_TRY(ds_row_load(fold->txn, type, entity, fold->arena, row));
    struct ds_cell *cell = ds_row_cell_make(row, tag);
    if (cell != NULL) {
        cell->value = value;
    }
    *stop = "";
    if (!step_leads_there(known, before, tag, value)) {
        *stop = "decision: no step leads to that state from the present one";
    } else if (!holds || type == DS_REC_device) { /* Who an actor is, nobody's decision changes. */
        *stop = "decision: you may not write this field yourself";
    } else if (cell == NULL || ds_row_outgrown(known, before, row)) {
        *stop = "decision: the row has no room for more";
    }
    return DS_OK;
}

static enum ds_err write_value(struct ds_fold *fold, uint8_t type, const struct ds_id *entity,
                               uint8_t tag, struct ds_slice value)
{
    uint8_t *memory = ds_arena_room(fold->arena, value.size + 8);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    struct ds_slice fields;
    ds_builder_init(&builder, memory, value.size + 8);
    ds_mp_put_map(&builder, 1);
    ds_mp_put_uint(&builder, tag);
    ds_mp_put_raw(&builder, value);
    DS_TRY(ds_builder_end(&builder, &fields));
    return ds_fold_write_entity(fold, type, entity, fields);
}

/* What stands in a field now, and by which op; copied, for what follows writes. */
struct standing {
    struct ds_slice value; /* Empty: nothing ever did. */
    struct ds_id op;       /* None if the engine wrote it. */
};

static enum ds_err standing_of(struct ds_fold *fold, uint8_t type, const struct ds_id *entity,
                               uint8_t tag, struct standing *now)
{
    struct ds_row_state *row = DS_FOLD_NEW(fold, struct ds_row_state);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    memset(now, 0, sizeof(*now));
    DS_TRY(ds_row_load(fold->txn, type, entity, fold->arena, row));
    const struct ds_cell *cell = ds_row_cell(row, tag);
    if (cell == NULL || cell->value.size == 0) {
        return DS_OK;
    }
    if (cell->latest.position != 0) {
        now->op = ds_op_id(&cell->latest.writer, (enum ds_lane)cell->latest.lane, cell->latest.seq);
    }
    return ds_arena_copy(fold->arena, cell->value, &now->value);
}

/* Sets lose nothing when they grow; every other field must stand as the decider saw it. */
static bool must_stand(uint8_t type, uint8_t tag)
{
    const struct ds_field *field = field_of(type, tag);
    return field == NULL || (field->policy != DS_POLICY_UNION && field->policy != DS_POLICY_WORST);
}

/* The item shows what stands since it was made; whoever decided over the old value decides anew. */
static enum ds_err refresh_conflict(struct ds_fold *fold, const struct ds_id *id,
                                    struct ds_conflict *row, const struct standing *now)
{
    if (row->state == DS_ITEM_shown) {
        DS_SET(row, conflict, theirs, now->value);
        DS_SET(row, conflict, theirs_op, now->op);
    } else {
        DS_SET(row, conflict, mine, now->value);
        DS_SET(row, conflict, mine_op, now->op);
    }
    return ds_fold_put_record(fold, DS_REC_conflict, id, row);
}

/* The value that a decision chooses; empty when it stands already. Returns why not, "" if so. */
static const char *chosen_of(const struct ds_decision *decision, const struct ds_conflict *row,
                             struct ds_slice *value)
{
    bool theirs_stands = row->state == DS_ITEM_shown;
    *value = (struct ds_slice){NULL, 0};
    switch (decision->action) {
    case DS_ACTION_dismiss:
        return "";
    case DS_ACTION_keep_mine:
        if (theirs_stands) {
            *value = row->mine;
        }
        return theirs_stands && value->size == 0 ? "decision: nothing stood before theirs" : "";
    case DS_ACTION_keep_theirs:
        if (!theirs_stands) {
            *value = row->theirs;
        }
        return "";
    case DS_ACTION_keep_base:
        *value = DS_HAS(row, conflict, base) ? row->base : *value;
        return value->size == 0 ? "decision: what stood before both is not known" : "";
    default:
        return "decision.action: not for a conflict";
    }
}

static enum ds_err decide_conflict(struct ds_fold *fold, const struct ds_decision *decision,
                                   struct ds_told *told)
{
    struct ds_conflict *row = DS_FOLD_NEW(fold, struct ds_conflict);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err =
        ds_record_load(fold->txn, DS_REC_conflict, &decision->target, fold->arena, row);
    if (err == DS_ERR_NOT_FOUND) {
        return refuse(told, "decision.target: there is no such conflict");
    }
    DS_TRY(err);
    if (row->state == DS_ITEM_resolved) {
        return stale(told, "the conflict is resolved already");
    }
    uint8_t type = (uint8_t)row->entity_type;
    uint8_t tag = (uint8_t)row->field;
    struct standing now;
    struct ds_slice value;
    const char *stop = chosen_of(decision, row, &value);
    if (stop[0] != '\0') {
        return refuse(told, stop);
    }
    DS_TRY(standing_of(fold, type, &row->entity, tag, &now));
    struct ds_slice seen = row->state == DS_ITEM_shown ? row->theirs : row->mine;
    if (must_stand(type, tag) && !ds_slice_equal(now.value, seen)) {
        DS_TRY(refresh_conflict(fold, &decision->target, row, &now));
        return stale(told, "the field was written since: the conflict shows what stands now");
    }
    if (value.size > 0) {
        DS_TRY(stops_value(fold, type, &row->entity, tag, value, &stop));
        if (stop[0] != '\0') {
            return refuse(told, stop);
        }
        DS_TRY(write_value(fold, type, &row->entity, tag, value));
    }
    DS_SET(row, conflict, state, DS_ITEM_resolved);
    DS_SET(row, conflict, decision, fold->op_id);
    DS_TRY(ds_fold_queue(fold, DS_REC_conflict, &decision->target, 0, false));
    return ds_fold_put_record(fold, DS_REC_conflict, &decision->target, row);
}

/* Write what was proposed, if the field still stands as the proposal shows it. *done: it does not
 * wait any longer. */
static enum ds_err accept_proposal(struct ds_fold *fold, const struct ds_decision *decision,
                                   struct ds_proposal *row, struct ds_told *told, bool *done)
{
    uint8_t type = (uint8_t)row->entity_type;
    uint8_t tag = (uint8_t)row->field;
    struct standing now;
    const char *stop = NULL;
    struct ds_slice seen = DS_HAS(row, proposal, base) ? row->base : (struct ds_slice){NULL, 0};
    *done = false;
    DS_TRY(standing_of(fold, type, &row->entity, tag, &now));
    if (must_stand(type, tag) && !ds_slice_equal(now.value, seen)) {
        DS_SET(row, proposal, base, now.value);
        DS_TRY(ds_fold_put_record(fold, DS_REC_proposal, &decision->target, row));
        return stale(told, "its owner wrote the field since: the proposal shows what stands now");
    }
    DS_TRY(stops_value(fold, type, &row->entity, tag, row->value, &stop));
    if (stop[0] != '\0') {
        return refuse(told, stop);
    }
    *done = true;
    return write_value(fold, type, &row->entity, tag, row->value);
}

static enum ds_err decide_proposal(struct ds_fold *fold, const struct ds_decision *decision,
                                   struct ds_told *told)
{
    struct ds_proposal *row = DS_FOLD_NEW(fold, struct ds_proposal);
    bool done = true;
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err =
        ds_record_load(fold->txn, DS_REC_proposal, &decision->target, fold->arena, row);
    if (err == DS_ERR_NOT_FOUND) {
        return refuse(told, "decision.target: there is no such proposal");
    }
    DS_TRY(err);
    if (row->state == DS_ITEM_resolved) {
        return stale(told, "the proposal is resolved already");
    }
    if (decision->action == DS_ACTION_accept_proposal || decision->action == DS_ACTION_approve) {
        DS_TRY(accept_proposal(fold, decision, row, told, &done));
    } else if (decision->action != DS_ACTION_refuse_proposal &&
               decision->action != DS_ACTION_dismiss) {
        return refuse(told, "decision.action: not for a proposal");
    }
    if (!done) {
        return DS_OK;
    }
    DS_SET(row, proposal, state, DS_ITEM_resolved);
    DS_SET(row, proposal, decision, fold->op_id);
    DS_TRY(ds_fold_queue(fold, DS_REC_proposal, &decision->target, 0, false));
    return ds_fold_put_record(fold, DS_REC_proposal, &decision->target, row);
}

/* Whoever wrote the op hears that it will not be folded, and why. */
static enum ds_err tell_rejected(struct ds_fold *fold, const struct ds_quarantine_item *item,
                                 struct ds_slice reason)
{
    enum { DETAIL_MAX = 255 };
    struct ds_verdict *row = DS_FOLD_NEW(fold, struct ds_verdict);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_id id = ds_verdict_id(&fold->meta->station, DS_REC_verdict, &item->op);
    enum ds_err err = ds_record_load(fold->txn, DS_REC_verdict, &id, fold->arena, row);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err; /* Only shown: nobody was told of it. */
    }
    size_t size = 0;
    while (size < reason.size) {
        size_t next = ds_utf8_sequence((struct ds_slice){reason.data + size, reason.size - size});
        if (next == 0 || size + next > DETAIL_MAX) {
            break;
        }
        size += next;
    }
    DS_SET(row, verdict, verdict, DS_VERDICT_refused);
    DS_SET(row, verdict, detail, ((struct ds_slice){reason.data, size}));
    struct ds_id decider = fold->device;
    fold->device = item->device; /* It goes into the writer's mailbox. */
    err = ds_fold_put_record(fold, DS_REC_verdict, &id, row);
    fold->device = decider;
    return err;
}

static enum ds_err decide_quarantine(struct ds_fold *fold, const struct ds_decision *decision,
                                     struct ds_told *told)
{
    struct ds_quarantine_item *row = DS_FOLD_NEW(fold, struct ds_quarantine_item);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err =
        ds_record_load(fold->txn, DS_REC_quarantine_item, &decision->target, fold->arena, row);
    if (err == DS_ERR_NOT_FOUND) {
        return refuse(told, "decision.target: there is no such item of quarantine");
    }
    DS_TRY(err);
    if (row->state == DS_ITEM_resolved) {
        return stale(told, "the item is resolved already");
    }
    if (decision->action != DS_ACTION_release && decision->action != DS_ACTION_reject) {
        return refuse(told, "decision.action: not for an item of quarantine");
    }
    DS_SET(row, quarantine_item, state, DS_ITEM_resolved);
    DS_SET(row, quarantine_item, decision, fold->op_id);
    DS_TRY(ds_fold_queue(fold, DS_REC_quarantine_item, &decision->target, 0, false));
    DS_TRY(ds_fold_put_record(fold, DS_REC_quarantine_item, &decision->target, row));
    return decision->action == DS_ACTION_release ? ds_fold_released(fold, row)
                                                 : tell_rejected(fold, row, decision->reason);
}

static enum ds_err merge_meters(struct ds_fold *fold, const struct ds_decision *decision,
                                struct ds_told *told)
{
    struct ds_meter *meter = DS_FOLD_NEW(fold, struct ds_meter);
    if (meter == NULL) {
        return DS_ERR_NOMEM;
    }
    if (decision->action != DS_ACTION_merge_meter || !DS_HAS(decision, decision, into) ||
        ds_id_equal(&decision->into, &decision->target)) {
        return refuse(told, "decision.into: name the meter that it really is");
    }
    enum ds_err err = ds_record_load(fold->txn, DS_REC_meter, &decision->into, fold->arena, meter);
    if (err == DS_OK && DS_HAS(meter, meter, merged_into)) {
        return refuse(told, "decision.into: that meter is merged itself");
    }
    if (err == DS_OK) {
        err = ds_record_load(fold->txn, DS_REC_meter, &decision->target, fold->arena, meter);
    }
    if (err == DS_ERR_NOT_FOUND) {
        return refuse(told, "decision: there is no such meter");
    }
    DS_TRY(err);
    if (DS_HAS(meter, meter, merged_into)) {
        return stale(told, "the meter is merged already");
    }
    bool can = false;
    DS_TRY(ds_slot_can_merge(fold, &decision->target, &decision->into, &can));
    if (!can) {
        return refuse(told, "decision.into: more than 4 swaps in one period");
    }
    uint8_t bytes[48];
    struct ds_builder builder;
    struct ds_slice fields;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_mp_put_map(&builder, 2);
    ds_mp_put_uint(&builder, DS_TAG_meter_state);
    ds_mp_put_uint(&builder, DS_METER_merged);
    ds_mp_put_uint(&builder, DS_TAG_meter_merged_into);
    ds_mp_put_id(&builder, &decision->into);
    DS_TRY(ds_builder_end(&builder, &fields));
    DS_TRY(ds_fold_write_entity(fold, DS_REC_meter, &decision->target, fields));
    return ds_slot_merge_meter(fold, &decision->target, &decision->into);
}

enum ds_err ds_decide(struct ds_fold *fold, struct ds_told *told)
{
    struct ds_decision *decision = DS_FOLD_NEW(fold, struct ds_decision);
    if (decision == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_record_decode(ds_record_type_by_number(DS_REC_decision), fold->op->fields,
                            fold->arena, decision, NULL));
    switch (decision->target_type) {
    case DS_REC_slot:
        return decide_slot(fold, decision, told);
    case DS_REC_conflict:
        return decide_conflict(fold, decision, told);
    case DS_REC_proposal:
        return decide_proposal(fold, decision, told);
    case DS_REC_quarantine_item:
        return decide_quarantine(fold, decision, told);
    case DS_REC_meter:
        return merge_meters(fold, decision, told);
    default:
        return refuse(told, "decision.target_type: nothing to decide there");
    }
}

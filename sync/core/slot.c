#include "schema/base/text.h"
#include "sync/core/slot_impl.h"

#include <string.h>

enum { DROPPED_MAX = 255 };
enum { PAST_ACTUAL = 2, PAST_INDEX = 1, PAST_VOLUME = 4, PAST_LAST_ACTUAL = 8 };

struct ds_slot_full *ds_slot_new(struct ds_fold *fold)
{
    return ds_arena_room(fold->arena, sizeof(struct ds_slot_full));
}

enum ds_err ds_slot_load(struct ds_fold *fold, const struct ds_id *meter, uint8_t register_kind,
                         uint32_t period, struct ds_slot_full *slot)
{
    memset(slot, 0, offsetof(struct ds_slot_full, candidates));
    slot->meter = *meter;
    slot->register_kind = register_kind;
    slot->period = period;
    struct ds_key key = ds_key_slot(meter, register_kind, period);
    struct ds_slice value;
    enum ds_err err = ds_txn_get(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &value);
    if (err == DS_ERR_NOT_FOUND) {
        slot->id = ds_slot_id(&fold->meta->station, meter, register_kind, period);
        slot->result.state = DS_SLOT_empty;
        return DS_OK;
    }
    DS_TRY(err);
    slot->exists = true;
    return ds_slot_parse(value, slot);
}

enum ds_err ds_slot_store(struct ds_fold *fold, struct ds_slot_full *slot)
{
    uint8_t *memory = ds_arena_room(fold->arena, DS_SLOT_SIZE_MAX);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, memory, DS_SLOT_SIZE_MAX);
    ds_slot_put(&builder, slot);
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_slot(&slot->meter, slot->register_kind, slot->period);
    slot->exists = true;
    return ds_txn_put(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), value);
}

/* Hash over the candidates' ids in ascending order: equal sets, equal hashes. */
static struct ds_hash content_of(const struct ds_slot_full *slot)
{
    struct ds_id ids[DS_SLOT_CANDIDATES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < slot->count; i++) {
        size_t at = count;
        while (at > 0 && memcmp(ids[at - 1].byte, slot->candidates[i].op.byte, 16) > 0) {
            ids[at] = ids[at - 1];
            at--;
        }
        ids[at] = slot->candidates[i].op;
        count++;
    }
    return ds_hash3(DS_SLICE_LIT("doorstep candidates 1"),
                    (struct ds_slice){(const uint8_t *)ids, count * sizeof(ids[0])},
                    (struct ds_slice){NULL, 0});
}

static struct ds_slot_past past_of(uint32_t period, const struct ds_slot_result *result)
{
    return (struct ds_slot_past){
        .period = (int32_t)period,
        .days = result->days,
        .instant_ms = result->instant_ms,
        .has_index = result->has_final,
        .index = result->index,
        .final_index = result->final_index,
        .has_volume = result->has_volume,
        .consumption_l = result->consumption_l,
        /* A volume agreed without an index is an estimate to its successors. */
        .method = result->has_index ? (enum ds_method)result->method : DS_METHOD_estimate,
        .has_last_actual = result->has_last_actual,
        .last_actual_index = result->last_actual_index,
    };
}

/* Swaps of a slot that billed no index are billed with the next one that has it. */
static enum ds_err gather_swaps(struct ds_fold *fold, struct ds_slot_work *work, uint32_t period)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *older = ds_slot_new(fold);
    if (older == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_slot_load(fold, &work->slot->meter, work->slot->register_kind, period, older));
    size_t count = older->swap_count;
    if (count > 0 && work->swap_count + count <= DS_SLOT_SPAN_SWAPS_MAX) {
        memmove(&work->swaps[count], work->swaps, work->swap_count * sizeof(work->swaps[0]));
        memcpy(work->swaps, older->swaps, count * sizeof(work->swaps[0]));
        work->swap_count += count;
        work->span_digits = older->start_digits;
        work->span_unit_l = older->start_unit_l;
    }
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

/* Take in the newest slot before *period; *period becomes its own. */
static enum ds_err gather_one(struct ds_fold *fold, struct ds_slot_work *work, uint32_t *period,
                              bool *has_start)
{
    const struct ds_slot_full *slot = work->slot;
    struct ds_key key = ds_key_slot(&slot->meter, slot->register_kind, *period - 1);
    size_t prefix = key.size - sizeof(*period);
    struct ds_slice found;
    struct ds_slice value;
    DS_TRY(ds_txn_at_or_before(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value));
    if (found.size != key.size || memcmp(found.data, key.byte, prefix) != 0) {
        return DS_ERR_NOT_FOUND;
    }
    struct ds_cursor cursor;
    struct ds_slot_result result;
    ds_cursor_init(&cursor, found);
    (void)ds_take_bytes(&cursor, prefix);
    *period = ds_take_u32(&cursor);
    DS_TRY(ds_slot_parse_result(value, &result));
    *has_start = *has_start || result.has_final;
    if (!*has_start) {
        DS_TRY(gather_swaps(fold, work, *period));
    }
    if (result.state == DS_SLOT_empty) {
        return DS_OK;
    }
    if (!work->has_previous) {
        work->previous = result;
        work->has_previous = true;
    }
    work->past[work->past_count++] = past_of(*period, &result);
    return DS_OK;
}

/* Predecessors, newest first while reading, then turned: rules want them ascending. */
static enum ds_err gather_past(struct ds_fold *fold, struct ds_slot_work *work)
{
    const struct ds_slot_full *slot = work->slot;
    uint32_t period = slot->period;
    bool has_start = false;
    memcpy(work->swaps, slot->swaps, slot->swap_count * sizeof(work->swaps[0]));
    work->swap_count = slot->swap_count;
    work->span_digits = slot->start_digits;
    work->span_unit_l = slot->start_unit_l;
    for (size_t i = 0; i < 2 * DS_SLOT_PAST_MAX && work->past_count < DS_SLOT_PAST_MAX; i++) {
        enum ds_err err = gather_one(fold, work, &period, &has_start);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        DS_TRY(err);
    }
    for (size_t i = 0; i < work->past_count / 2; i++) {
        struct ds_slot_past swap = work->past[i];
        work->past[i] = work->past[work->past_count - 1 - i];
        work->past[work->past_count - 1 - i] = swap;
    }
    return DS_OK;
}

static enum ds_err gather_facts(struct ds_fold *fold, struct ds_slot_work *work)
{
    const struct ds_slot_full *slot = work->slot;
    const struct ds_facts *facts = NULL;
    DS_TRY(ds_desk_meter(fold, &slot->meter, &facts));
    work->facts = facts->rule;
    if (work->span_digits != 0) {
        work->facts.dial_digits = (int32_t)work->span_digits;
    }
    if (work->span_unit_l != 0) {
        work->facts.unit_l = work->span_unit_l;
    }
    work->has_book = facts->has_book;
    work->book = facts->book;
    if (work->has_book) {
        int64_t state = 0;
        DS_TRY(ds_desk_period(fold, &work->book, slot->period, &state));
        work->period_closed = state >= DS_PERIOD_reading_closed;
        work->period_over = state == DS_PERIOD_closed;
    }
    return DS_OK;
}

/* The decision's own candidate: a correction outranks everything (schema/rules/choose.h). */
static size_t with_decision(struct ds_slot_full *slot)
{
    size_t count = slot->count;
    if (slot->decided && (slot->decision_has_index || slot->decision_has_volume)) {
        struct ds_candidate *made = &slot->candidates[count++];
        memset(made, 0, sizeof(*made));
        made->op = slot->decision;
        made->order = (int64_t)slot->decision_position;
        made->instant_ms = slot->decision_instant_ms;
        made->has_index = slot->decision_has_index;
        made->index = slot->decision_index;
        made->has_volume = slot->decision_has_volume;
        made->volume_l = slot->decision_volume_l;
        made->decided = true;
        made->method = DS_METHOD_on_site;
    }
    return count;
}

static enum ds_err run_rules(struct ds_fold *fold, struct ds_slot_work *work)
{
    struct ds_slot_full *slot = work->slot;
    const struct ds_rule_table *rules = NULL;
    DS_TRY(ds_desk_rules(fold, &rules));
    struct ds_rule_input input = {
        .rules = rules,
        .precedence = ds_precedence_default(),
        .meter = &work->facts,
        .period = (int32_t)slot->period,
        .offset_min = fold->meta->offset_min,
        .candidates = slot->candidates,
        .candidate_count = with_decision(slot),
        .past = work->past,
        .past_count = work->past_count,
        .swaps = work->swaps,
        .swap_count = work->swap_count,
        .frozen = slot->sent_revision > 0,
        .frozen_order = (int64_t)slot->sent_position,
        .frozen_volume_l = slot->exported_volume_l,
        .visit_proven = slot->visit_proven,
        .previous_photo = work->previous.photo,
        .has_previous_card = work->previous.has_card,
        .previous_purchased_l = work->previous.purchased_l,
        .previous_remaining_l = work->previous.remaining_l,
    };
    ds_reading_rules(&input, &work->findings);
    return DS_OK;
}

/* Does the standing decision bind to what is known now? */
bool ds_slot_decision_holds(const struct ds_slot_full *slot)
{
    return slot->decided && ds_hash_equal(&slot->decision_content, &slot->content);
}

static uint8_t state_of(const struct ds_slot_work *work)
{
    const struct ds_slot_full *slot = work->slot;
    if (work->findings.chosen == DS_CHOOSE_NONE) {
        return DS_SLOT_empty;
    }
    if (ds_slot_decision_holds(slot)) {
        return DS_SLOT_decided;
    }
    if (slot->decided) {
        return DS_SLOT_decided_new_evidence;
    }
    if (ds_findings_of(&work->findings, DS_RULE_after_billing) != NULL) {
        return DS_SLOT_after_billing;
    }
    return work->findings.severity == DS_SEVERITY_hold ? DS_SLOT_held : DS_SLOT_read;
}

/* When it was read: what the handheld's clock claimed, as far as the evidence lets it stand. A
 * clock at 1970 dates no bill; the reading keeps its claim. */
static int64_t instant_of(const struct ds_candidate *chosen)
{
    int64_t instant = chosen->instant_ms;
    if (chosen->has_interval && chosen->earliest_ms <= chosen->latest_ms) {
        instant = instant < chosen->earliest_ms ? chosen->earliest_ms : instant;
        instant = instant > chosen->latest_ms ? chosen->latest_ms : instant;
    }
    return instant;
}

static void result_of(struct ds_slot_work *work)
{
    struct ds_slot_full *slot = work->slot;
    struct ds_slot_result *r = &slot->result;
    const struct ds_consumption *use = &work->findings.consumption;
    memset(r, 0, sizeof(*r));
    r->state = state_of(work);
    if (r->state == DS_SLOT_empty) {
        return;
    }
    const struct ds_candidate *chosen = &slot->candidates[work->findings.chosen];
    const struct ds_slot_past *previous = ds_past_previous(work->past, work->past_count);
    r->chosen = chosen->op;
    r->read_by = chosen->worker;
    r->photo = chosen->photo;
    r->instant_ms = instant_of(chosen);
    r->method = (uint8_t)chosen->method;
    r->condition = (uint8_t)(chosen->condition == 0 ? DS_CONDITION_normal : chosen->condition);
    r->has_index = chosen->has_index;
    r->index = chosen->index;
    r->has_final = use->has_final;
    r->final_index = use->has_final ? use->final_index : 0;
    r->has_previous = previous != NULL;
    r->previous_index = previous == NULL ? 0 : use->previous_index;
    r->has_volume = use->kind != DS_VOLUME_no_index && use->kind != DS_VOLUME_no_predecessor &&
                    use->kind != DS_VOLUME_unknown;
    r->consumption_l = r->has_volume ? use->volume_l : 0;
    r->days = use->days;
    r->swapped = use->swapped;
    r->has_card = chosen->has_card;
    r->purchased_l = chosen->purchased_l;
    r->remaining_l = chosen->remaining_l;
    if (chosen->has_index && ds_method_is_actual(chosen->method)) {
        r->has_last_actual = true;
        r->last_actual_index = chosen->index;
    } else if (previous != NULL && work->swap_count == 0) {
        bool actual = previous->has_index && ds_method_is_actual(previous->method);
        r->has_last_actual = actual || previous->has_last_actual;
        r->last_actual_index = actual ? previous->final_index : previous->last_actual_index;
    }
}

static enum ds_err put_history(struct ds_fold *fold, const struct ds_slot_work *work,
                               struct ds_slice *history)
{
    enum { ROOM = DS_SLOT_PAST_MAX * DS_HISTORY_ITEM_SIZE };
    uint8_t *memory = ds_arena_room(fold->arena, ROOM);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder b;
    ds_builder_init(&b, memory, ROOM);
    for (size_t i = work->past_count; i-- > 0;) {
        const struct ds_slot_past *past = &work->past[i];
        bool actual = ds_method_is_actual(past->method);
        ds_put_u32(&b, (uint32_t)past->period);
        ds_put_u64(&b, (uint64_t)past->final_index);
        ds_put_u64(&b, (uint64_t)past->consumption_l);
        ds_put_u64(&b, (uint64_t)past->last_actual_index);
        ds_put_u64(&b, (uint64_t)past->instant_ms);
        ds_put_u8(&b, (uint8_t)past->method);
        ds_put_u8(&b, (uint8_t)((past->has_index ? PAST_INDEX : 0) | (actual ? PAST_ACTUAL : 0) |
                                (past->has_volume ? PAST_VOLUME : 0) |
                                (past->has_last_actual ? PAST_LAST_ACTUAL : 0)));
    }
    return ds_builder_end(&b, history);
}

static void fill_billed(const struct ds_slot_result *r, struct ds_slot *row)
{
    if (r->state == DS_SLOT_empty) {
        return;
    }
    DS_SET(row, slot, chosen, r->chosen);
    DS_SET(row, slot, instant_ms, r->instant_ms);
    DS_SET(row, slot, method, r->method);
    DS_SET(row, slot, condition, r->condition);
    if (r->has_index) {
        DS_SET(row, slot, index, r->index);
    }
    if (r->has_final) {
        DS_SET(row, slot, final_index, r->final_index);
    }
    if (r->has_previous) {
        DS_SET(row, slot, previous_index, r->previous_index);
    }
    if (r->has_volume) {
        DS_SET(row, slot, consumption_l, r->consumption_l);
    }
    if (r->has_last_actual) {
        DS_SET(row, slot, last_actual_index, r->last_actual_index);
    }
    if (!ds_id_is_none(&r->read_by)) {
        DS_SET(row, slot, read_by, r->read_by);
    }
    if (r->swapped) {
        DS_SET(row, slot, swapped, 1);
    }
}

static void fill_row(const struct ds_slot_work *work, bool exportable, struct ds_slot *row)
{
    const struct ds_slot_full *slot = work->slot;
    memset(row, 0, sizeof(*row));
    DS_SET(row, slot, meter, slot->meter);
    DS_SET(row, slot, register_kind, slot->register_kind);
    DS_SET(row, slot, period, slot->period);
    DS_SET(row, slot, state, slot->result.state);
    fill_billed(&slot->result, row);
    if (slot->count > 0) {
        size_t known = slot->count + slot->dropped;
        DS_SET(row, slot, candidates, known < DROPPED_MAX ? (int64_t)known : DROPPED_MAX);
        DS_SET(row, slot, candidates_hash, slot->content);
    }
    if (slot->decided) {
        DS_SET(row, slot, decision, slot->decision);
    }
    if (slot->revision > 0) {
        DS_SET(row, slot, revision, slot->revision);
    }
    if (slot->sent_revision > 0) {
        DS_SET(row, slot, sent_revision, slot->sent_revision);
    }
    if (work->open_anomalies > 0) {
        DS_SET(row, slot, anomalies, work->open_anomalies);
    }
    if (work->has_book) {
        DS_SET(row, slot, book, work->book);
    }
    if (exportable) {
        DS_SET(row, slot, exportable, 1);
    }
}

static struct ds_hash billed_hash(const struct ds_slot_result *r)
{
    uint8_t bytes[64];
    struct ds_builder b;
    struct ds_slice made = {NULL, 0};
    ds_builder_init(&b, bytes, sizeof(bytes));
    ds_put_id(&b, &r->chosen);
    ds_put_u8(&b, (uint8_t)(r->has_index | r->has_volume << 1 | r->has_previous << 2));
    ds_put_u64(&b, (uint64_t)r->index);
    ds_put_u64(&b, (uint64_t)r->previous_index);
    ds_put_u64(&b, (uint64_t)r->consumption_l);
    ds_put_u8(&b, r->method);
    ds_put_u8(&b, r->condition);
    DS_ASSERT(ds_builder_end(&b, &made) == DS_OK);
    return ds_hash3(DS_SLICE_LIT("doorstep billed 1"), made, (struct ds_slice){NULL, 0});
}

/* Export a new revision when billing may have it and its content is new. */
static enum ds_err export_slot(struct ds_fold *fold, struct ds_slot_work *work, bool exportable)
{
    struct ds_slot_full *slot = work->slot;
    struct ds_hash now = billed_hash(&slot->result);
    if (!exportable || ds_hash_equal(&now, &slot->exported)) {
        return DS_OK;
    }
    enum { ROOM = 1024 };
    struct ds_slot *row = DS_FOLD_NEW(fold, struct ds_slot);
    uint8_t *memory = ds_arena_room(fold->arena, ROOM);
    if (row == NULL || memory == NULL) {
        return DS_ERR_NOMEM;
    }
    uint32_t supersedes = slot->revision;
    slot->revision++;
    slot->exported = now;
    slot->exported_volume_l = slot->result.consumption_l;
    fill_row(work, exportable, row);
    struct ds_builder builder;
    struct ds_slice fields;
    ds_builder_init(&builder, memory, ROOM);
    DS_TRY(ds_record_encode(ds_record_type_by_number(DS_REC_slot), row, &builder));
    DS_TRY(ds_builder_end(&builder, &fields));
    return ds_fold_export(fold, DS_CONSUMER_billing, DS_EXPORT_slot, &slot->id, slot->revision,
                          supersedes, fields);
}

/* Is the slot's period among those that handhelds hold, so that its row carries the history? */
static bool wants_history(const struct ds_fold *fold, const struct ds_slot_full *slot)
{
    int32_t now = ds_period_of_instant(fold->meta->time_ms, fold->meta->offset_min);
    return ds_period_diff((int32_t)slot->period, now) >= -3;
}

/* CASE a closed period's slot was never exported, and nobody's readings are in it but those of an
 * import (no worker behind them, and not remote ones) RESULT it is history that another system has
 * judged and billed: no findings, no export, only the volumes that later slots look back at. */
static bool is_taken_over(const struct ds_slot_work *work)
{
    const struct ds_slot_full *slot = work->slot;
    for (size_t i = 0; i < slot->count; i++) {
        if (!ds_id_is_none(&slot->candidates[i].worker) ||
            slot->candidates[i].method == DS_METHOD_remote) {
            return false;
        }
    }
    return slot->count > 0 && work->period_over && slot->revision == 0 && !slot->decided;
}

enum ds_err ds_slot_recompute(struct ds_fold *fold, struct ds_slot_full *slot)
{
    struct ds_slot_work *work = ds_arena_room(fold->arena, sizeof(*work));
    struct ds_slot *row = DS_FOLD_NEW(fold, struct ds_slot);
    if (work == NULL || row == NULL) {
        return DS_ERR_NOMEM;
    }
    memset(work, 0, offsetof(struct ds_slot_work, past));
    work->slot = slot;
    slot->content = content_of(slot);
    DS_TRY(gather_past(fold, work));
    DS_TRY(gather_facts(fold, work));
    DS_TRY(run_rules(fold, work));
    bool taken_over = is_taken_over(work);
    if (taken_over) {
        work->findings.count = 0;
        work->findings.severity = (enum ds_severity)0;
    }
    result_of(work);
    DS_TRY(ds_slot_update_anomalies(fold, work));
    const struct ds_slot_result *r = &slot->result;
    bool settled = r->state == DS_SLOT_read || r->state == DS_SLOT_decided;
    bool exportable = !taken_over && settled && r->has_volume &&
                      (work->period_closed || r->state == DS_SLOT_decided) &&
                      (r->state == DS_SLOT_decided || work->findings.consumption.billable);
    DS_TRY(export_slot(fold, work, exportable));
    DS_TRY(ds_slot_store(fold, slot));
    fill_row(work, exportable, row);
    if (wants_history(fold, slot) && work->past_count > 0) {
        DS_TRY(put_history(fold, work, &row->history));
        DS_SET(row, slot, history, row->history);
    }
    return ds_fold_put_record(fold, DS_REC_slot, &slot->id, row);
}

enum ds_err ds_slot_period_after(struct ds_fold *fold, const struct ds_id *meter,
                                 uint8_t register_kind, uint32_t *period)
{
    struct ds_key key = ds_key_slot(meter, register_kind, *period);
    struct ds_slice found;
    struct ds_slice value;
    DS_TRY(ds_txn_at_or_after(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value));
    if (found.size != key.size || memcmp(found.data, key.byte, key.size - sizeof(*period)) != 0) {
        return DS_ERR_NOT_FOUND;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, found);
    (void)ds_take_bytes(&cursor, key.size - sizeof(*period));
    *period = ds_take_u32(&cursor);
    return DS_OK;
}

enum ds_err ds_slot_recompute_from(struct ds_fold *fold, struct ds_slot_full *slot)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_id meter = slot->meter;
    uint8_t register_kind = slot->register_kind;
    uint32_t period = slot->period;
    DS_TRY(ds_slot_recompute(fold, slot));
    for (size_t i = 0; i < DS_SLOT_PAST_MAX; i++) {
        period++;
        enum ds_err err = ds_slot_period_after(fold, &meter, register_kind, &period);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        DS_TRY(err);
        ds_arena_rewind(fold->arena, mark);
        struct ds_slot_full *next = ds_slot_new(fold);
        if (next == NULL) {
            return DS_ERR_NOMEM;
        }
        DS_TRY(ds_slot_load(fold, &meter, register_kind, period, next));
        bool idle = next->count == 0 && next->swap_count == 0 && !next->decided;
        if (!idle || wants_history(fold, next)) {
            DS_TRY(ds_slot_recompute(fold, next)); /* An old empty slot shows nothing of others. */
        }
    }
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

#include "schema/base/text.h"
#include "sync/core/slot_impl.h"

#include <string.h>

static enum ds_err gather_facts(struct ds_fold *fold, struct ds_slot_work *work)
{
    struct ds_slot_full *slot = work->slot;
    const struct ds_facts *facts = NULL;
    DS_TRY(ds_desk_meter(fold, &slot->meter, &facts));
    work->facts = facts->rule;
    if (work->span_digits != 0) {
        work->facts.dial_digits = (int32_t)work->span_digits;
    }
    if (work->span_unit_l != 0) {
        work->facts.unit_l = work->span_unit_l;
    }
    work->facts.multiplier = slot->multiplier;
    slot->has_book = facts->has_book;
    slot->book = facts->book;
    if (slot->has_book) {
        int64_t state = 0;
        DS_TRY(ds_desk_period(fold, &slot->book, slot->period, &state));
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
        .past = slot->past,
        .past_count = slot->past_count,
        .swaps = work->swaps,
        .swap_count = work->swap_count,
        .frozen = slot->sent_revision > 0,
        .frozen_order = (int64_t)slot->sent_position,
        .frozen_volume_l = slot->exported_volume_l,
        .visit_proven = slot->visit_proven,
        .previous_photo = slot->nearest.photo,
        .has_previous_card = slot->nearest.has_card,
        .previous_purchased_l = slot->nearest.purchased_l,
        .previous_remaining_l = slot->nearest.remaining_l,
    };
    ds_reading_rules(&input, &work->findings);
    struct ds_consumption *use = &work->findings.consumption;
    if (work->too_many_swaps && use->kind != DS_VOLUME_agreed) {
        use->kind = DS_VOLUME_unknown;
        use->billable = false;
    }
    return DS_OK;
}

/* What the decider saw beside the candidates is remembered with the first recomputation. */
static void remember_basis(struct ds_slot_work *work)
{
    struct ds_slot_full *slot = work->slot;
    const struct ds_consumption *use = &work->findings.consumption;
    if (slot->decided && !slot->decision_has_basis) {
        slot->decision_has_basis = true;
        slot->decision_previous = use->previous_index;
        slot->decision_kind = (uint8_t)use->kind;
    }
}

bool ds_slot_decision_holds(const struct ds_slot_work *work)
{
    const struct ds_slot_full *slot = work->slot;
    const struct ds_consumption *use = &work->findings.consumption;
    bool as_seen =
        slot->decision_previous == use->previous_index && slot->decision_kind == (uint8_t)use->kind;
    return slot->decided && ds_hash_equal(&slot->decision_content, &slot->content) &&
           (as_seen || use->billable);
}

static uint8_t state_of(const struct ds_slot_work *work)
{
    const struct ds_slot_full *slot = work->slot;
    if (work->findings.chosen == DS_CHOOSE_NONE) {
        return DS_SLOT_empty;
    }
    if (ds_slot_decision_holds(work)) {
        return DS_SLOT_decided;
    }
    if (slot->decided) {
        return DS_SLOT_decided_new_evidence;
    }
    if (ds_findings_of(&work->findings, DS_RULE_after_billing) != NULL) {
        return DS_SLOT_after_billing;
    }
    bool held = work->findings.severity == DS_SEVERITY_hold || work->too_many_swaps;
    return held ? DS_SLOT_held : DS_SLOT_read;
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
    const struct ds_slot_past *previous = ds_past_previous(slot->past, slot->past_count);
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

/* One slot; changed: to its successors it is not what it was. */
static enum ds_err recompute(struct ds_fold *fold, struct ds_slot_full *slot, bool *changed)
{
    struct ds_slot_work *work = ds_arena_room(fold->arena, sizeof(*work));
    if (work == NULL) {
        return DS_ERR_NOMEM;
    }
    memset(work, 0, offsetof(struct ds_slot_work, swaps));
    work->slot = slot;
    struct ds_slot_result was = slot->result;
    slot->content = ds_slot_content(slot);
    DS_TRY(ds_slot_gather_past(fold, work));
    DS_TRY(gather_facts(fold, work));
    DS_TRY(run_rules(fold, work));
    bool taken_over = is_taken_over(work);
    if (taken_over) {
        work->findings.count = 0;
        work->findings.severity = (enum ds_severity)0;
    }
    remember_basis(work);
    result_of(work);
    DS_TRY(ds_slot_update_anomalies(fold, work));
    const struct ds_slot_result *r = &slot->result;
    bool settled = r->state == DS_SLOT_read || r->state == DS_SLOT_decided;
    bool due = work->period_closed || slot->revision > 0; /* What billing has, it keeps. */
    slot->exportable = !taken_over && settled && r->has_volume &&
                       (due || r->state == DS_SLOT_decided) &&
                       (r->state == DS_SLOT_decided || work->findings.consumption.billable);
    DS_TRY(ds_slot_export(fold, slot, settled || r->state == DS_SLOT_empty));
    bool recent = ds_slot_is_recent(fold, slot);
    slot->shows_history = recent && slot->past_count > 0;
    slot->carries_past = recent && work->alone;
    *changed = !ds_slot_past_same(&was, r);
    return ds_slot_show(fold, slot);
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

/* Those that look back at a slot: up to the next that goes on from an index, and as many that are
 * not empty as each looks back at; and again behind each that changed itself. */
static enum ds_err recompute_successors(struct ds_fold *fold, const struct ds_slot_full *slot)
{
    struct ds_id meter = slot->meter;
    uint8_t register_kind = slot->register_kind;
    uint32_t period = slot->period;
    size_t seen = 0;
    bool index = false;
    while (seen < DS_SLOT_PAST_MAX || !index) {
        size_t mark = ds_arena_mark(fold->arena);
        bool changed = false;
        period++;
        enum ds_err err = ds_slot_period_after(fold, &meter, register_kind, &period);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        struct ds_slot_full *next = ds_slot_new(fold);
        if (next == NULL) {
            return DS_ERR_NOMEM;
        }
        DS_TRY(ds_slot_load(fold, &meter, register_kind, period, next));
        bool idle = next->count == 0 && next->swap_count == 0 && !next->decided;
        bool carried = next->carries_past;
        next->carries_past = false;
        if (!idle || ds_slot_is_recent(fold, next)) {
            DS_TRY(recompute(fold, next, &changed));
        } else if (carried) {
            DS_TRY(ds_slot_store(fold, next)); /* An old empty slot shows nothing of others. */
        }
        seen = changed ? 0 : seen + (next->result.state != DS_SLOT_empty);
        index = !changed && (index || next->result.has_final);
        ds_arena_rewind(fold->arena, mark);
    }
    return DS_OK;
}

enum ds_err ds_slot_recompute(struct ds_fold *fold, struct ds_slot_full *slot)
{
    bool changed = false;
    DS_TRY(recompute(fold, slot, &changed));
    return changed ? recompute_successors(fold, slot) : DS_OK;
}

enum ds_err ds_slot_recompute_from(struct ds_fold *fold, struct ds_slot_full *slot)
{
    bool changed = false;
    DS_TRY(recompute(fold, slot, &changed));
    return recompute_successors(fold, slot);
}

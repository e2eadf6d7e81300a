#include "sync/core/slot.h"

#include "schema/base/text.h"

#include <string.h>

enum { MINUTE_MS = 60000, DAY_MS = 86400000, DROPPED_MAX = 255 };
enum { PAST_ACTUAL = 2, PAST_INDEX = 1, PAST_VOLUME = 4, PAST_LAST_ACTUAL = 8 };

/* Everything that one recomputation needs; lives in the fold's arena. */
struct work {
    struct ds_slot_full *slot;
    struct ds_meter meter;
    struct ds_premises premises;
    struct ds_account account;
    struct ds_tariff tariff;
    struct ds_rule_meter facts;
    struct ds_slot_past past[DS_SLOT_PAST_MAX];
    size_t past_count;
    struct ds_slot_result previous; /* Of the nearest predecessor. */
    bool has_previous;
    struct ds_findings findings;
    bool period_closed;
    bool has_book;
    uint32_t open_anomalies;
};

enum ds_err ds_slot_load(struct ds_fold *fold, const struct ds_id *meter, uint8_t register_kind,
                         uint32_t period, struct ds_slot_full *slot)
{
    memset(slot, 0, sizeof(*slot));
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

static enum ds_err slot_store(struct ds_fold *fold, struct ds_slot_full *slot)
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
        .has_index = result->has_index,
        .index = result->index,
        .final_index = result->final_index,
        .has_volume = result->has_volume,
        .consumption_l = result->consumption_l,
        .method = result->method,
        .has_last_actual = result->has_last_actual,
        .last_actual_index = result->last_actual_index,
    };
}

/* Predecessors, newest first while reading, then turned: rules want them ascending. */
static enum ds_err gather_past(struct ds_fold *fold, struct work *work)
{
    const struct ds_slot_full *slot = work->slot;
    struct ds_key key = ds_key_slot(&slot->meter, slot->register_kind, slot->period - 1);
    size_t prefix = key.size - 4;
    work->past_count = 0;
    while (work->past_count < DS_SLOT_PAST_MAX) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_before(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND ||
            (err == DS_OK &&
             (found.size != key.size || memcmp(found.data, key.byte, prefix) != 0))) {
            break;
        }
        DS_TRY(err);
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, found);
        (void)ds_take_bytes(&cursor, prefix);
        uint32_t period = ds_take_u32(&cursor);
        struct ds_slot_result result;
        DS_TRY(ds_slot_parse_result(value, &result));
        key = ds_key_slot(&slot->meter, slot->register_kind, period - 1);
        if (result.state == DS_SLOT_empty) {
            continue;
        }
        if (!work->has_previous) {
            work->previous = result;
            work->has_previous = true;
        }
        work->past[work->past_count++] = past_of(period, &result);
    }
    for (size_t i = 0; i < work->past_count / 2; i++) {
        struct ds_slot_past swap = work->past[i];
        work->past[i] = work->past[work->past_count - 1 - i];
        work->past[work->past_count - 1 - i] = swap;
    }
    return DS_OK;
}

static enum ds_err load_or_empty(struct ds_fold *fold, uint8_t type, const struct ds_id *id,
                                 void *record, size_t size)
{
    enum ds_err err = ds_record_load(fold->txn, type, id, fold->arena, record);
    if (err == DS_ERR_NOT_FOUND) {
        memset(record, 0, size);
        return DS_OK;
    }
    return err;
}

static void facts_of_place(struct work *work)
{
    struct ds_rule_meter *facts = &work->facts;
    const struct ds_premises *premises = &work->premises;
    if (DS_HAS(premises, premises, lat_e7) && DS_HAS(premises, premises, lon_e7)) {
        facts->position.lat_e7 = (int32_t)premises->lat_e7;
        facts->position.lon_e7 = (int32_t)premises->lon_e7;
        facts->position_quality = (enum ds_position_quality)DS_GET(
            premises, premises, position_quality, DS_POSITION_imported);
        facts->accuracy_m = DS_GET(premises, premises, accuracy_m, 0);
    }
}

static enum ds_err gather_facts(struct ds_fold *fold, struct work *work)
{
    const struct ds_slot_full *slot = work->slot;
    struct ds_rule_meter *facts = &work->facts;
    struct ds_meter *meter = &work->meter;
    DS_TRY(load_or_empty(fold, DS_REC_meter, &slot->meter, meter, sizeof(*meter)));
    if (DS_HAS(meter, meter, premises)) {
        DS_TRY(load_or_empty(fold, DS_REC_premises, &meter->premises, &work->premises,
                             sizeof(work->premises)));
    }
    if (DS_HAS(meter, meter, account)) {
        DS_TRY(load_or_empty(fold, DS_REC_account, &meter->account, &work->account,
                             sizeof(work->account)));
    }
    if (DS_HAS(&work->account, account, tariff)) {
        struct ds_id id = ds_numbered_id(&fold->meta->station, DS_REC_tariff, work->account.tariff);
        DS_TRY(load_or_empty(fold, DS_REC_tariff, &id, &work->tariff, sizeof(work->tariff)));
    }
    facts->meter = slot->meter;
    facts->dial_digits = slot->start_digits != 0 ? (int32_t)slot->start_digits
                                                 : (int32_t)DS_GET(meter, meter, dial_digits, 0);
    facts->unit_l = slot->start_unit_l != 0 ? slot->start_unit_l : DS_GET(meter, meter, unit_l, 0);
    facts->multiplier = DS_GET(meter, meter, multiplier, 0);
    facts->kind = (enum ds_meter_kind)DS_GET(meter, meter, kind, 0);
    facts->account_class = (enum ds_account_class)DS_GET(&work->account, account, class, 0);
    facts->price_e4 = DS_GET(&work->tariff, tariff, price_e4, 0);
    facts->yearly_l = DS_GET(meter, meter, yearly_l, 0);
    facts->has_expiry = DS_HAS(meter, meter, expiry_day);
    facts->expiry_day = DS_GET(meter, meter, expiry_day, 0);
    facts->cabinet = DS_HAS(meter, meter, cabinet) ? ds_cabinet_key(meter->cabinet) : 0;
    facts->paused = DS_GET(&work->account, account, state, 0) == DS_ACCOUNT_paused;
    facts_of_place(work);
    work->has_book = DS_HAS(meter, meter, book);
    if (work->has_book) {
        struct ds_period *period = DS_FOLD_NEW(fold, struct ds_period);
        if (period == NULL) {
            return DS_ERR_NOMEM;
        }
        struct ds_id id = ds_period_id(&fold->meta->station, &meter->book, slot->period);
        DS_TRY(load_or_empty(fold, DS_REC_period, &id, period, sizeof(*period)));
        work->period_closed = DS_GET(period, period, state, 0) >= DS_PERIOD_reading_closed;
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

static enum ds_err run_rules(struct ds_fold *fold, struct work *work)
{
    struct ds_slot_full *slot = work->slot;
    const struct ds_rule_table *rules = NULL;
    DS_TRY(ds_fold_rules(fold, &rules));
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
        .swaps = slot->swaps,
        .swap_count = slot->swap_count,
        .frozen = slot->sent_revision > 0,
        .frozen_order = (int64_t)slot->sent_position,
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
static bool decision_holds(const struct ds_slot_full *slot)
{
    return slot->decided && ds_hash_equal(&slot->decision_content, &slot->content);
}

static uint8_t state_of(const struct work *work)
{
    const struct ds_slot_full *slot = work->slot;
    if (work->findings.chosen == DS_CHOOSE_NONE) {
        return DS_SLOT_empty;
    }
    if (decision_holds(slot)) {
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

static void result_of(struct work *work)
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
    r->instant_ms = chosen->instant_ms;
    r->method = (uint8_t)chosen->method;
    r->condition = (uint8_t)(chosen->condition == 0 ? DS_CONDITION_normal : chosen->condition);
    r->has_index = chosen->has_index;
    r->index = chosen->index;
    r->final_index = chosen->has_index ? use->final_index : 0;
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
    } else if (previous != NULL && slot->swap_count == 0) {
        bool actual = previous->has_index && ds_method_is_actual(previous->method);
        r->has_last_actual = actual || previous->has_last_actual;
        r->last_actual_index = actual ? previous->final_index : previous->last_actual_index;
    }
}

static enum ds_err put_anomaly(struct ds_fold *fold, struct work *work,
                               const struct ds_finding *finding, const struct ds_id *id)
{
    struct ds_slot_full *slot = work->slot;
    struct ds_anomaly *row = DS_FOLD_NEW(fold, struct ds_anomaly);
    uint8_t *text = ds_arena_alloc(fold->arena, DS_FINDING_TEXT_SIZE);
    if (row == NULL || text == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    struct ds_slice inputs;
    ds_builder_init(&builder, text, DS_FINDING_TEXT_SIZE);
    ds_finding_put_inputs(finding, &builder);
    DS_TRY(ds_builder_end(&builder, &inputs));
    bool open = !decision_holds(slot);
    DS_SET(row, anomaly, rule, finding->rule);
    DS_SET(row, anomaly, slot, slot->id);
    DS_SET(row, anomaly, meter, slot->meter);
    DS_SET(row, anomaly, period, slot->period);
    DS_SET(row, anomaly, severity, finding->severity);
    DS_SET(row, anomaly, state, open ? DS_ANOMALY_open : DS_ANOMALY_decided);
    DS_SET(row, anomaly, inputs, inputs);
    DS_SET(row, anomaly, version, finding->version);
    DS_SET(row, anomaly, risk_fen, finding->risk_fen);
    if (work->has_book) {
        DS_SET(row, anomaly, book, work->meter.book);
    }
    if (!ds_id_is_none(&finding->op)) {
        DS_SET(row, anomaly, reading, finding->op);
    }
    work->open_anomalies += open;
    DS_TRY(ds_fold_queue(fold, DS_REC_anomaly, id, finding->risk_fen,
                         open && finding->severity != DS_SEVERITY_note));
    DS_TRY(ds_fold_put_record(fold, DS_REC_anomaly, id, row));
    return ds_fold_link(fold, DS_LINK_SLOT_ANOMALY, &slot->id, (uint32_t)finding->rule, id,
                        DS_REC_anomaly);
}

/* Anomalies that no rule finds any more are gone; they stay as rows, for somebody saw them. */
static enum ds_err close_anomaly(struct ds_fold *fold, const struct ds_id *id)
{
    struct ds_anomaly *row = DS_FOLD_NEW(fold, struct ds_anomaly);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_record_load(fold->txn, DS_REC_anomaly, id, fold->arena, row));
    DS_TRY(ds_fold_queue(fold, DS_REC_anomaly, id, DS_GET(row, anomaly, risk_fen, 0), false));
    if (row->state == DS_ANOMALY_gone) {
        return DS_OK;
    }
    DS_SET(row, anomaly, state, DS_ANOMALY_gone);
    return ds_fold_put_record(fold, DS_REC_anomaly, id, row);
}

static enum ds_err update_anomalies(struct ds_fold *fold, struct work *work)
{
    struct ds_slot_full *slot = work->slot;
    struct ds_key key = ds_link_first(DS_LINK_SLOT_ANOMALY, &slot->id);
    work->open_anomalies = 0;
    for (;;) {
        uint32_t rule = 0;
        uint8_t type = 0;
        struct ds_id id;
        enum ds_err err = ds_link_next(fold->txn, &key, &rule, &id, &type);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        DS_TRY(err);
        if (ds_findings_of(&work->findings, (enum ds_rule)rule) == NULL) {
            size_t mark = ds_arena_mark(fold->arena);
            DS_TRY(close_anomaly(fold, &id));
            ds_arena_rewind(fold->arena, mark);
        }
    }
    for (size_t i = 0; i < work->findings.count; i++) {
        const struct ds_finding *finding = &work->findings.finding[i];
        struct ds_id id = ds_anomaly_id(&fold->meta->station, &slot->id, (uint8_t)finding->rule);
        size_t mark = ds_arena_mark(fold->arena);
        DS_TRY(put_anomaly(fold, work, finding, &id));
        ds_arena_rewind(fold->arena, mark);
    }
    return DS_OK;
}

static enum ds_err put_history(struct ds_fold *fold, const struct work *work,
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

static void fill_row(const struct work *work, bool exportable, struct ds_slot *row)
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
        DS_SET(row, slot, book, work->meter.book);
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
static enum ds_err export_slot(struct ds_fold *fold, struct work *work, bool exportable)
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

static enum ds_err recompute(struct ds_fold *fold, struct ds_slot_full *slot)
{
    struct work *work = DS_FOLD_NEW(fold, struct work);
    struct ds_slot *row = DS_FOLD_NEW(fold, struct ds_slot);
    if (work == NULL || row == NULL) {
        return DS_ERR_NOMEM;
    }
    work->slot = slot;
    slot->content = content_of(slot);
    DS_TRY(gather_past(fold, work));
    DS_TRY(gather_facts(fold, work));
    DS_TRY(run_rules(fold, work));
    result_of(work);
    DS_TRY(update_anomalies(fold, work));
    const struct ds_slot_result *r = &slot->result;
    bool settled = r->state == DS_SLOT_read || r->state == DS_SLOT_decided;
    bool exportable = settled && r->has_volume &&
                      (work->period_closed || r->state == DS_SLOT_decided) &&
                      (r->state == DS_SLOT_decided || work->findings.consumption.billable);
    DS_TRY(export_slot(fold, work, exportable));
    DS_TRY(slot_store(fold, slot));
    fill_row(work, exportable, row);
    if (wants_history(fold, slot) && work->past_count > 0) {
        DS_TRY(put_history(fold, work, &row->history));
        DS_SET(row, slot, history, row->history);
    }
    return ds_fold_put_record(fold, DS_REC_slot, &slot->id, row);
}

/* The slot, and those after it that look back at it. */
static enum ds_err recompute_from(struct ds_fold *fold, struct ds_slot_full *slot)
{
    size_t mark = ds_arena_mark(fold->arena);
    DS_TRY(recompute(fold, slot));
    struct ds_key key = ds_key_slot(&slot->meter, slot->register_kind, slot->period + 1);
    for (size_t i = 0; i < DS_SLOT_PAST_MAX; i++) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_after(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND ||
            (err == DS_OK && memcmp(found.data, key.byte, key.size - 4) != 0)) {
            break;
        }
        DS_TRY(err);
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, found);
        (void)ds_take_bytes(&cursor, key.size - 4);
        uint32_t period = ds_take_u32(&cursor);
        ds_arena_rewind(fold->arena, mark);
        struct ds_slot_full *next = DS_FOLD_NEW(fold, struct ds_slot_full);
        if (next == NULL) {
            return DS_ERR_NOMEM;
        }
        DS_TRY(ds_slot_load(fold, &slot->meter, slot->register_kind, period, next));
        DS_TRY(recompute(fold, next));
        key = ds_key_slot(&slot->meter, slot->register_kind, period + 1);
    }
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

/* ---- What happened when: the interval of a claimed instant (sync.md, "Clocks"). ---- */
static void interval_of(const struct ds_fold *fold, struct ds_candidate *made)
{
    const struct ds_batch *batch = fold->batch;
    uint64_t source = fold->op->source != 0 ? fold->op->source : batch->source;
    int64_t received = fold->instant_ms;
    made->has_interval = true;
    if (batch->boot != 0 && batch->boot == fold->anchor_boot &&
        fold->op->mono_ms <= fold->anchor_mono_ms &&
        fold->anchor_mono_ms - fold->op->mono_ms < (uint64_t)received) {
        /* Same boot: the monotonic clock tells how long ago it was, whatever the wall clock says. */
        int64_t then = received - (int64_t)(fold->anchor_mono_ms - fold->op->mono_ms);
        made->earliest_ms = then - MINUTE_MS;
        made->latest_ms = then;
        return;
    }
    int64_t claimed = made->instant_ms;
    bool known = source == DS_CLOCK_gps || source == DS_CLOCK_network || source == DS_CLOCK_server;
    int64_t slack = known ? MINUTE_MS : 10 * (int64_t)MINUTE_MS;
    bool possible = claimed <= received + slack && claimed >= received - 400 * (int64_t)DAY_MS;
    made->earliest_ms = possible ? claimed - slack : received - 400 * (int64_t)DAY_MS;
    made->latest_ms = possible && claimed + slack < received ? claimed + slack : received;
}

static void candidate_of(struct ds_fold *fold, const struct ds_reading *reading,
                         struct ds_candidate *made)
{
    memset(made, 0, sizeof(*made));
    made->op = fold->op_id;
    made->worker = fold->worker;
    made->order = (int64_t)fold->position;
    made->instant_ms = reading->instant_ms;
    made->photo = DS_GET(reading, reading, photo, (struct ds_hash){{0}});
    made->has_index = DS_HAS(reading, reading, index);
    made->index = reading->index;
    made->method = (enum ds_method)reading->method;
    made->purpose = (enum ds_purpose)DS_GET(reading, reading, purpose, 0);
    made->condition = (enum ds_condition)DS_GET(reading, reading, condition, 0);
    made->estimate_method = (enum ds_estimate_method)DS_GET(reading, reading, estimate_method, 0);
    made->has_position = DS_HAS(reading, reading, lat_e7) && DS_HAS(reading, reading, lon_e7);
    made->position.lat_e7 = (int32_t)reading->lat_e7;
    made->position.lon_e7 = (int32_t)reading->lon_e7;
    made->accuracy_m = reading->accuracy_m;
    made->mock = DS_GET(reading, reading, mock, 0) == 1;
    made->has_card = DS_HAS(reading, reading, purchased_l) && DS_HAS(reading, reading, remaining_l);
    made->purchased_l = reading->purchased_l;
    made->remaining_l = reading->remaining_l;
    if (fold->actor == DS_ACTOR_handheld) {
        interval_of(fold, made);
    }
}

/* The same device's previous reading on site, then this one in its place. */
static enum ds_err pace(struct ds_fold *fold, const struct ds_id *meter, struct ds_candidate *made,
                        struct ds_reader_before *before)
{
    if (fold->actor != DS_ACTOR_handheld || made->method != DS_METHOD_on_site) {
        return DS_OK;
    }
    enum { ROOM = 128 };
    uint8_t bytes[ROOM];
    struct ds_slice value;
    struct ds_slice key = DS_SLICE_OF(fold->device.byte);
    enum ds_err err = ds_txn_get(fold->txn, DS_TABLE_PACE, key, &value);
    if (err == DS_OK) {
        struct ds_cursor c;
        ds_cursor_init(&c, value);
        uint8_t flags = ds_take_u8(&c);
        before->meter = ds_take_id(&c);
        before->instant_ms = (int64_t)ds_take_u64(&c);
        before->index = (int64_t)ds_take_u64(&c);
        before->position.lat_e7 = (int32_t)ds_take_u32(&c);
        before->position.lon_e7 = (int32_t)ds_take_u32(&c);
        before->accuracy_m = (int64_t)ds_take_u64(&c);
        before->cabinet = ds_take_u64(&c);
        before->photo = ds_take_hash(&c);
        before->has_index = (flags & 1) != 0;
        before->has_position = (flags & 2) != 0;
        if (ds_cursor_end(&c) != DS_OK) {
            return DS_ERR_INTEGRITY;
        }
        made->before = before;
    } else if (err != DS_ERR_NOT_FOUND) {
        return err;
    }
    struct ds_meter *facts = DS_FOLD_NEW(fold, struct ds_meter);
    if (facts == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(load_or_empty(fold, DS_REC_meter, meter, facts, sizeof(*facts)));
    struct ds_builder b;
    ds_builder_init(&b, bytes, sizeof(bytes));
    ds_put_u8(&b, (uint8_t)(made->has_index | made->has_position << 1));
    ds_put_id(&b, meter);
    ds_put_u64(&b, (uint64_t)made->instant_ms);
    ds_put_u64(&b, (uint64_t)made->index);
    ds_put_u32(&b, (uint32_t)made->position.lat_e7);
    ds_put_u32(&b, (uint32_t)made->position.lon_e7);
    ds_put_u64(&b, (uint64_t)made->accuracy_m);
    ds_put_u64(&b, DS_HAS(facts, meter, cabinet) ? ds_cabinet_key(facts->cabinet) : 0);
    ds_put_hash(&b, &made->photo);
    struct ds_slice made_bytes;
    DS_TRY(ds_builder_end(&b, &made_bytes));
    return ds_txn_put(fold->txn, DS_TABLE_PACE, key, made_bytes);
}

/* Room for one more: beyond the limit the least ranked one goes (it stays in the journal). */
static size_t make_room(struct ds_slot_full *slot, const struct ds_candidate *made)
{
    if (slot->count < DS_SLOT_CANDIDATES_MAX) {
        return slot->count++;
    }
    const struct ds_precedence *precedence = ds_precedence_default();
    size_t least = 0;
    for (size_t i = 1; i < slot->count; i++) {
        if (ds_candidate_compare(&slot->candidates[i], &slot->candidates[least], precedence) > 0) {
            least = i;
        }
    }
    slot->dropped = (uint8_t)(slot->dropped < DROPPED_MAX ? slot->dropped + 1 : DROPPED_MAX);
    bool worse = ds_candidate_compare(made, &slot->candidates[least], precedence) > 0;
    return worse ? SIZE_MAX : least;
}

static enum ds_err remember_dial(struct ds_fold *fold, struct ds_slot_full *slot)
{
    if (slot->start_digits != 0) {
        return DS_OK;
    }
    struct ds_meter *meter = DS_FOLD_NEW(fold, struct ds_meter);
    if (meter == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(load_or_empty(fold, DS_REC_meter, &slot->meter, meter, sizeof(*meter)));
    slot->start_digits = (uint8_t)DS_GET(meter, meter, dial_digits, DS_DIAL_DIGITS_DEFAULT);
    slot->start_unit_l = DS_GET(meter, meter, unit_l, DS_UNIT_L_DEFAULT);
    return DS_OK;
}

enum ds_err ds_slot_add_reading(struct ds_fold *fold, const struct ds_reading *reading,
                                const struct ds_id *meter)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = DS_FOLD_NEW(fold, struct ds_slot_full);
    struct ds_candidate *made = DS_FOLD_NEW(fold, struct ds_candidate);
    struct ds_reader_before *before = DS_FOLD_NEW(fold, struct ds_reader_before);
    if (slot == NULL || made == NULL || before == NULL) {
        return DS_ERR_NOMEM;
    }
    uint8_t register_kind =
        (uint8_t)DS_GET(reading, reading, register_kind, DS_REGISTER_mechanical);
    DS_TRY(ds_slot_load(fold, meter, register_kind, (uint32_t)reading->period, slot));
    candidate_of(fold, reading, made);
    DS_TRY(pace(fold, meter, made, before));
    DS_TRY(remember_dial(fold, slot));
    size_t at = make_room(slot, made);
    if (at != SIZE_MAX) {
        slot->candidates[at] = *made;
        if (made->before != NULL) {
            slot->before[at] = *before;
            slot->candidates[at].before = &slot->before[at];
        }
    }
    DS_TRY(recompute_from(fold, slot));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

/* Later slots start on the new dial. */
static enum ds_err move_dials(struct ds_fold *fold, const struct ds_slot_full *slot,
                              const struct ds_swap_seen *swap)
{
    struct ds_key key = ds_key_slot(&slot->meter, slot->register_kind, slot->period + 1);
    for (size_t i = 0; i < DS_SLOT_PAST_MAX; i++) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_after(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND ||
            (err == DS_OK && memcmp(found.data, key.byte, key.size - 4) != 0)) {
            return DS_OK;
        }
        DS_TRY(err);
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, found);
        (void)ds_take_bytes(&cursor, key.size - 4);
        uint32_t period = ds_take_u32(&cursor);
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_slot_full *next = DS_FOLD_NEW(fold, struct ds_slot_full);
        if (next == NULL) {
            return DS_ERR_NOMEM;
        }
        DS_TRY(ds_slot_load(fold, &slot->meter, slot->register_kind, period, next));
        if (swap->new_dial_digits != 0) {
            next->start_digits = (uint8_t)swap->new_dial_digits;
        }
        if (swap->new_unit_l != 0) {
            next->start_unit_l = swap->new_unit_l;
        }
        DS_TRY(slot_store(fold, next));
        ds_arena_rewind(fold->arena, mark);
        key = ds_key_slot(&slot->meter, slot->register_kind, period + 1);
        if (next->swap_count > 0) {
            return DS_OK;
        }
    }
    return DS_OK;
}

enum ds_err ds_slot_add_swap(struct ds_fold *fold, const struct ds_swap *swap,
                             const struct ds_id *meter)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = DS_FOLD_NEW(fold, struct ds_slot_full);
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    uint8_t register_kind = (uint8_t)DS_GET(swap, swap, register_kind, DS_REGISTER_mechanical);
    DS_TRY(ds_slot_load(fold, meter, register_kind, (uint32_t)swap->period, slot));
    DS_TRY(remember_dial(fold, slot));
    struct ds_swap_seen seen = {
        .instant_ms = swap->instant_ms,
        .old_final_index = swap->old_final_index,
        .new_initial_index = swap->new_initial_index,
        .new_dial_digits = (int32_t)DS_GET(swap, swap, new_dial_digits, 0),
        .new_unit_l = DS_GET(swap, swap, new_unit_l, 0),
    };
    if (slot->swap_count < DS_SLOT_SWAPS_MAX) {
        size_t at = slot->swap_count++;
        while (at > 0 && slot->swaps[at - 1].instant_ms > seen.instant_ms) {
            slot->swaps[at] = slot->swaps[at - 1];
            at--;
        }
        slot->swaps[at] = seen;
    }
    DS_TRY(slot_store(fold, slot));
    DS_TRY(move_dials(fold, slot, &seen));
    DS_TRY(recompute_from(fold, slot));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

enum ds_err ds_slot_prove_visit(struct ds_fold *fold, const struct ds_id *meter, uint32_t period)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = DS_FOLD_NEW(fold, struct ds_slot_full);
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_slot_load(fold, meter, DS_REGISTER_mechanical, period, slot));
    slot->visit_proven = true;
    DS_TRY(recompute_from(fold, slot));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

enum ds_err ds_slot_decide(struct ds_fold *fold, struct ds_slot_full *slot,
                           const struct ds_decision *decision)
{
    slot->decided = true;
    slot->action = (uint8_t)decision->action;
    slot->decision = fold->op_id;
    slot->decision_content = slot->content;
    slot->decision_position = fold->position;
    slot->decision_instant_ms = decision->instant_ms;
    slot->decision_has_index = DS_HAS(decision, decision, index);
    slot->decision_index = decision->index;
    slot->decision_has_volume = DS_HAS(decision, decision, consumption_l);
    slot->decision_volume_l = decision->consumption_l;
    return recompute_from(fold, slot);
}

enum ds_err ds_slot_open(struct ds_fold *fold, const struct ds_id *meter, uint32_t period)
{
    return ds_slot_refresh(fold, meter, DS_REGISTER_mechanical, period);
}

enum ds_err ds_slot_refresh(struct ds_fold *fold, const struct ds_id *meter, uint8_t register_kind,
                            uint32_t period)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = DS_FOLD_NEW(fold, struct ds_slot_full);
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_slot_load(fold, meter, register_kind, period, slot));
    DS_TRY(remember_dial(fold, slot));
    DS_TRY(recompute(fold, slot));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

static enum ds_err move_candidates(struct ds_fold *fold, const struct ds_slot_full *from,
                                   const struct ds_id *into)
{
    struct ds_slot_full *slot = DS_FOLD_NEW(fold, struct ds_slot_full);
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_slot_load(fold, into, from->register_kind, from->period, slot));
    DS_TRY(remember_dial(fold, slot));
    for (size_t i = 0; i < from->count; i++) {
        size_t at = make_room(slot, &from->candidates[i]);
        if (at != SIZE_MAX) {
            slot->candidates[at] = from->candidates[i];
            slot->before[at] = from->before[i];
            slot->candidates[at].before =
                from->candidates[i].before == NULL ? NULL : &slot->before[at];
        }
    }
    slot->visit_proven = slot->visit_proven || from->visit_proven;
    return recompute_from(fold, slot);
}

enum ds_err ds_slot_merge_meter(struct ds_fold *fold, const struct ds_id *from,
                                const struct ds_id *into)
{
    struct ds_key key = ds_key_slot(from, 0, 0);
    for (;;) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_after(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND ||
            (err == DS_OK && memcmp(found.data, from->byte, sizeof(from->byte)) != 0)) {
            return DS_OK;
        }
        DS_TRY(err);
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, found);
        (void)ds_take_bytes(&cursor, sizeof(from->byte));
        uint8_t register_kind = ds_take_u8(&cursor);
        uint32_t period = ds_take_u32(&cursor);
        key = ds_key_after(found);
        struct ds_slot_full *slot = DS_FOLD_NEW(fold, struct ds_slot_full);
        if (slot == NULL) {
            return DS_ERR_NOMEM;
        }
        DS_TRY(ds_slot_load(fold, from, register_kind, period, slot));
        DS_TRY(move_candidates(fold, slot, into));
        slot->count = 0;
        slot->decided = false;
        DS_TRY(recompute(fold, slot));
        ds_arena_rewind(fold->arena, mark);
    }
}

enum ds_err ds_slot_sent(struct ds_fold *fold, const struct ds_id *slot_id, uint32_t revision)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot *row = DS_FOLD_NEW(fold, struct ds_slot);
    struct ds_slot_full *slot = DS_FOLD_NEW(fold, struct ds_slot_full);
    if (row == NULL || slot == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_record_load(fold->txn, DS_REC_slot, slot_id, fold->arena, row));
    DS_TRY(
        ds_slot_load(fold, &row->meter, (uint8_t)row->register_kind, (uint32_t)row->period, slot));
    if (revision > slot->sent_revision) {
        slot->sent_revision = revision;
        slot->sent_position = fold->position;
        DS_TRY(recompute(fold, slot));
    }
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

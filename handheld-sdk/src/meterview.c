#include "handheld-sdk/src/meterview.h"

#include "schema/codec/record_mp.h"

#include <string.h>

/* Flags of a history item (FORMAT.md, "Slot history"). */
enum { HISTORY_INDEX = 1, HISTORY_ACTUAL = 2, HISTORY_VOLUME = 4, HISTORY_LAST_ACTUAL = 8 };
enum { HISTORY_ITEM_SIZE = 38 };
static const struct ds_id no_id;

/* ---- The station's tables. ---- */

static enum ds_err read_settings(struct ds_handheld *h, struct ds_txn *txn)
{
    struct ds_held_row row;
    memset(&row, 0, sizeof(row));
    row.type = DS_REC_rule_setting;
    for (;;) {
        struct ds_rule_setting setting;
        size_t mark = ds_arena_mark(&h->arena);
        enum ds_err err = ds_replica_next(h, txn, &row);
        if (err == DS_ERR_NOT_FOUND || (err == DS_OK && row.type != DS_REC_rule_setting)) {
            return DS_OK;
        }
        DS_TRY(err);
        if (ds_record_decode(ds_record_type_by_number(row.type), row.fields, &h->arena, &setting,
                             NULL) == DS_OK) {
            ds_rule_table_apply(&h->rules, &setting);
        }
        ds_arena_rewind(&h->arena, mark);
        if (!ds_replica_step(&row)) {
            return DS_OK;
        }
    }
}

enum ds_err ds_rules_read(struct ds_handheld *h, struct ds_txn *txn)
{
    if (h->rules_of == h->pulled && h->rules_of > 0) {
        return DS_OK;
    }
    struct ds_station station;
    h->rules = *ds_rule_defaults();
    h->offset_min = 0;
    DS_TRY(read_settings(h, txn));
    enum ds_err err = ds_replica_record(h, txn, DS_REC_station, &h->identity.station, &station);
    if (err == DS_OK) {
        h->offset_min = (int32_t)DS_GET(&station, station, offset_min, 0);
    } else if (err != DS_ERR_NOT_FOUND) {
        return err;
    }
    h->rules_of = h->pulled;
    return DS_OK;
}

enum ds_err ds_book_period_of(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *book,
                              struct ds_book_period *out)
{
    struct ds_key walk = ds_link_first(DS_LINK_BOOK_PERIOD, book);
    memset(out, 0, sizeof(*out));
    for (;;) {
        uint32_t order;
        uint8_t type;
        struct ds_id id;
        struct ds_period period;
        enum ds_err err = ds_link_next(txn, &walk, &order, &id, &type);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_replica_record(h, txn, DS_REC_period, &id, &period));
        ds_arena_rewind(&h->arena, mark);
        *out = (struct ds_book_period){(int32_t)period.period, (int32_t)period.state,
                                       DS_GET(&period, period, due_day, 0)};
        if (period.state == DS_PERIOD_open) {
            return DS_OK; /* The earliest: one that was opened too soon hides no work. */
        }
    }
}

/* ---- The slot and its past. ---- */

static void take_history(struct ds_slice history, struct ds_meterview *view)
{
    struct ds_cursor cursor;
    size_t count = history.size / HISTORY_ITEM_SIZE;
    ds_cursor_init(&cursor, history);
    count = count < DS_VIEW_PAST_MAX - 1 ? count : DS_VIEW_PAST_MAX - 1;
    for (size_t i = count; i > 0; i--) { /* Newest first; rules want them ascending. */
        struct ds_slot_past *past = &view->past[i - 1];
        memset(past, 0, sizeof(*past));
        past->period = (int32_t)ds_take_u32(&cursor);
        past->final_index = (int64_t)ds_take_u64(&cursor);
        past->index = past->final_index;
        past->consumption_l = (int64_t)ds_take_u64(&cursor);
        past->last_actual_index = (int64_t)ds_take_u64(&cursor);
        past->instant_ms = (int64_t)ds_take_u64(&cursor);
        past->method = (enum ds_method)ds_take_u8(&cursor);
        uint8_t flags = ds_take_u8(&cursor);
        past->has_index = flags & HISTORY_INDEX;
        past->has_volume = flags & HISTORY_VOLUME;
        past->has_last_actual = flags & HISTORY_LAST_ACTUAL;
    }
    view->past_count = cursor.failed ? 0 : count;
}

/* A slot that was read, as the past of the next. */
static void add_slot_past(const struct ds_slot *slot, struct ds_meterview *view)
{
    if (slot->state == DS_SLOT_empty || view->past_count == DS_VIEW_PAST_MAX) {
        return;
    }
    struct ds_slot_past *past = &view->past[view->past_count++];
    memset(past, 0, sizeof(*past));
    past->period = (int32_t)slot->period;
    past->instant_ms = DS_GET(slot, slot, instant_ms, 0);
    past->has_index = DS_HAS(slot, slot, index);
    past->index = DS_GET(slot, slot, index, 0);
    past->final_index = DS_GET(slot, slot, final_index, past->index);
    past->has_volume = DS_HAS(slot, slot, consumption_l);
    past->consumption_l = DS_GET(slot, slot, consumption_l, 0);
    past->method = (enum ds_method)DS_GET(slot, slot, method, DS_METHOD_on_site);
    past->has_last_actual = DS_HAS(slot, slot, last_actual_index);
    past->last_actual_index = DS_GET(slot, slot, last_actual_index, 0);
}

/* The latest slot before the view's period; *found false: none. */
static enum ds_err slot_before(struct ds_handheld *h, struct ds_txn *txn, struct ds_meterview *view,
                               struct ds_slot *slot, bool *found)
{
    struct ds_key walk = ds_link_first((enum ds_link)DS_HELD_METER_SLOT, &view->id);
    *found = false;
    for (;;) {
        uint32_t period;
        uint8_t type;
        struct ds_id id;
        struct ds_slot one;
        enum ds_err err = ds_link_next(txn, &walk, &period, &id, &type);
        if (err == DS_ERR_NOT_FOUND || (err == DS_OK && (int64_t)period >= view->period)) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(ds_replica_record(h, txn, DS_REC_slot, &id, &one));
        if (one.register_kind == view->register_kind) {
            *slot = one;
            *found = true;
        }
    }
}

static enum ds_err load_slot(struct ds_handheld *h, struct ds_txn *txn, struct ds_meterview *view)
{
    struct ds_slot before;
    bool found;
    if (view->period == 0) {
        return DS_OK;
    }
    struct ds_id id = ds_slot_id(&h->identity.station, &view->id, (uint8_t)view->register_kind,
                                 (uint32_t)view->period);
    enum ds_err err = ds_replica_record(h, txn, DS_REC_slot, &id, &view->slot);
    view->has_slot = err == DS_OK;
    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    if (view->has_slot && DS_HAS(&view->slot, slot, history)) {
        take_history(view->slot.history, view);
        return DS_OK;
    }
    DS_TRY(slot_before(h, txn, view, &before, &found));
    if (found) {
        if (DS_HAS(&before, slot, history)) {
            take_history(before.history, view);
        }
        add_slot_past(&before, view);
    }
    return DS_OK;
}

/* ---- What the rules want to know. ---- */

static void fill_facts(struct ds_meterview *view, int64_t price_e4)
{
    struct ds_rule_meter *facts = &view->facts;
    const struct ds_meter *meter = &view->meter;
    const struct ds_premises *premises = &view->premises;
    facts->meter = view->id;
    facts->dial_digits = (int32_t)DS_GET(meter, meter, dial_digits, 0);
    facts->unit_l = DS_GET(meter, meter, unit_l, 0);
    facts->multiplier = DS_GET(meter, meter, multiplier, 0);
    facts->kind = (enum ds_meter_kind)DS_GET(meter, meter, kind, 0);
    facts->account_class = (enum ds_account_class)DS_GET(&view->account, account, class, 0);
    facts->price_e4 = price_e4;
    facts->yearly_l = DS_GET(meter, meter, yearly_l, 0);
    facts->has_expiry = DS_HAS(meter, meter, expiry_day);
    facts->expiry_day = DS_GET(meter, meter, expiry_day, 0);
    facts->cabinet = DS_HAS(meter, meter, cabinet) ? ds_cabinet_key(meter->cabinet) : 0;
    facts->paused = DS_GET(&view->account, account, state, 0) == DS_ACCOUNT_paused;
    if (DS_HAS(premises, premises, lat_e7) && DS_HAS(premises, premises, lon_e7)) {
        facts->position.lat_e7 = (int32_t)premises->lat_e7;
        facts->position.lon_e7 = (int32_t)premises->lon_e7;
        facts->position_quality = (enum ds_position_quality)DS_GET(
            premises, premises, position_quality, DS_POSITION_imported);
        facts->accuracy_m = DS_GET(premises, premises, accuracy_m, 0);
    }
}

static enum ds_err price_of(struct ds_handheld *h, struct ds_txn *txn,
                            const struct ds_account *account, int64_t *price_e4)
{
    struct ds_tariff tariff;
    *price_e4 = 0;
    if (!DS_HAS(account, account, tariff)) {
        return DS_OK;
    }
    struct ds_id id = ds_numbered_id(&h->identity.station, DS_REC_tariff, account->tariff);
    enum ds_err err = ds_replica_record(h, txn, DS_REC_tariff, &id, &tariff);
    if (err == DS_OK) {
        *price_e4 = DS_GET(&tariff, tariff, price_e4, 0);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

void ds_candidate_of(const struct ds_reading *reading, const struct ds_id *op,
                     const struct ds_id *worker, struct ds_candidate *out)
{
    *out = (struct ds_candidate){
        .op = *op,
        .worker = *worker,
        .photo = DS_GET(reading, reading, photo, (struct ds_hash){{0}}),
        .order = INT64_MAX,
        .instant_ms = reading->instant_ms,
        .has_index = DS_HAS(reading, reading, index),
        .index = DS_GET(reading, reading, index, 0),
        .method = (enum ds_method)reading->method,
        .purpose = (enum ds_purpose)DS_GET(reading, reading, purpose, 0),
        .condition = (enum ds_condition)DS_GET(reading, reading, condition, 0),
        .estimate_method = (enum ds_estimate_method)DS_GET(reading, reading, estimate_method, 0),
        .has_position = DS_HAS(reading, reading, lat_e7) && DS_HAS(reading, reading, lon_e7),
        .mock = DS_GET(reading, reading, mock, 0) != 0,
        .accuracy_m = DS_GET(reading, reading, accuracy_m, 0),
        .has_card = DS_HAS(reading, reading, purchased_l) && DS_HAS(reading, reading, remaining_l),
        .purchased_l = DS_GET(reading, reading, purchased_l, 0),
        .remaining_l = DS_GET(reading, reading, remaining_l, 0)};
    if (out->has_position) {
        out->position.lat_e7 = (int32_t)reading->lat_e7;
        out->position.lon_e7 = (int32_t)reading->lon_e7;
    }
}

/* The slot's standing choice as a candidate; who else competed there is not known here. */
static void add_standing(struct ds_meterview *view)
{
    const struct ds_slot *slot = &view->slot;
    if (!view->has_slot || !DS_HAS(slot, slot, chosen)) {
        return;
    }
    view->candidates[view->candidate_count++] = (struct ds_candidate){
        .op = slot->chosen,
        .worker = DS_GET(slot, slot, read_by, no_id),
        .instant_ms = DS_GET(slot, slot, instant_ms, 0),
        .has_index = DS_HAS(slot, slot, index),
        .index = DS_GET(slot, slot, index, 0),
        .decided = DS_HAS(slot, slot, decision),
        .method = (enum ds_method)DS_GET(slot, slot, method, DS_METHOD_on_site),
        .condition = (enum ds_condition)DS_GET(slot, slot, condition, 0)};
}

/* ---- Own events around the meter. ---- */

struct gathering {
    struct ds_handheld *h;
    struct ds_txn *txn;
    struct ds_meterview *view;
};

static enum ds_err take_reading(struct gathering *g, const struct ds_own_op *op,
                                const struct ds_op *parsed, bool lies)
{
    struct ds_meterview *view = g->view;
    struct ds_reading reading;
    if (!lies || op->period != (uint32_t)view->period) {
        return DS_OK;
    }
    DS_TRY(ds_record_decode(ds_record_type_by_number(DS_REC_reading), parsed->fields, &g->h->arena,
                            &reading, NULL));
    if (DS_GET(&reading, reading, register_kind, DS_REGISTER_mechanical) != view->register_kind) {
        return DS_OK;
    }
    if (view->has_slot && ds_id_equal(&view->slot.chosen, &op->id)) {
        return DS_OK;
    }
    if (view->candidate_count == DS_VIEW_CANDIDATES_MAX) {
        view->candidate_count--; /* The newest stand for all. */
    }
    struct ds_candidate *candidate = &view->candidates[view->candidate_count++];
    ds_candidate_of(&reading, &op->id, &g->h->identity.worker, candidate);
    view->readings_pending += ds_candidate_competes(candidate);
    return DS_OK;
}

static enum ds_err take_swap(struct gathering *g, const struct ds_own_op *op,
                             const struct ds_op *parsed)
{
    struct ds_meterview *view = g->view;
    struct ds_swap swap;
    if (op->period != (uint32_t)view->period || view->swap_count == DS_VIEW_SWAPS_MAX) {
        return DS_OK;
    }
    DS_TRY(ds_record_decode(ds_record_type_by_number(DS_REC_swap), parsed->fields, &g->h->arena,
                            &swap, NULL));
    if (DS_GET(&swap, swap, register_kind, DS_REGISTER_mechanical) == view->register_kind) {
        view->swaps[view->swap_count++] = (struct ds_swap_seen){
            .instant_ms = swap.instant_ms,
            .old_final_index = swap.old_final_index,
            .new_initial_index = swap.new_initial_index,
            .new_dial_digits = (int32_t)DS_GET(&swap, swap, new_dial_digits, 0),
            .new_unit_l = DS_GET(&swap, swap, new_unit_l, 0)};
    }
    return DS_OK;
}

static enum ds_err take_visit(struct gathering *g, const struct ds_own_op *op,
                              const struct ds_op *parsed)
{
    struct ds_visit visit;
    if (op->period != (uint32_t)g->view->period) {
        return DS_OK;
    }
    DS_TRY(ds_record_decode(ds_record_type_by_number(DS_REC_visit), parsed->fields, &g->h->arena,
                            &visit, NULL));
    bool entered = visit.outcome == DS_VISIT_entered;
    bool proof = DS_GET(&visit, visit, slip, 0) != 0 || DS_HAS(&visit, visit, photo);
    g->view->visits += !entered;
    g->view->visit_proven = g->view->visit_proven || (!entered && proof);
    return DS_OK;
}

static enum ds_err take_own(struct gathering *g, const struct ds_own_op *op)
{
    struct ds_meterview *view = g->view;
    struct ds_op parsed;
    bool lies = ds_replica_lies_over(g->h, &view->meter_row, op);
    bool event = op->type == DS_REC_reading || op->type == DS_REC_swap || op->type == DS_REC_visit;
    if (!event) {
        return DS_OK; /* Edits were counted when they were laid over. */
    }
    view->pending += lies;
    DS_TRY(ds_own_parse(op, &parsed));
    if (op->type == DS_REC_reading) {
        return take_reading(g, op, &parsed, lies);
    }
    return op->type == DS_REC_swap ? take_swap(g, op, &parsed) : take_visit(g, op, &parsed);
}

/* Ops about the meter; then those about its premises alone. */
static enum ds_err gather_own(struct gathering *g, const struct ds_id *subject, bool premises)
{
    struct ds_key walk = ds_own_about(subject);
    for (;;) {
        struct ds_own_op op;
        enum ds_err err = ds_own_next(g->h, g->txn, &walk, &op);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        bool elsewhere = premises && (op.type != DS_REC_visit || !ds_id_is_none(&op.subjects[1]));
        if (!elsewhere) {
            DS_TRY(take_own(g, &op));
        }
    }
}

/* What this worker read last, at another meter: evidence of pace and copying. */
static enum ds_err gather_before(struct gathering *g)
{
    struct ds_handheld *h = g->h;
    struct ds_meterview *view = g->view;
    struct ds_own_op op;
    struct ds_op parsed;
    struct ds_reading reading;
    struct ds_meter meter;
    if (h->writer.last_reading == 0) {
        return DS_OK;
    }
    enum ds_err err = ds_own_load(h, g->txn, h->writer.last_reading, &op);
    if (err != DS_OK || ds_id_equal(&op.subjects[0], &view->id)) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    DS_TRY(ds_own_parse(&op, &parsed));
    DS_TRY(ds_record_decode(ds_record_type_by_number(DS_REC_reading), parsed.fields, &h->arena,
                            &reading, NULL));
    struct ds_candidate as;
    ds_candidate_of(&reading, &op.id, &h->identity.worker, &as);
    view->has_before = true;
    view->before = (struct ds_reader_before){.meter = reading.meter,
                                             .instant_ms = as.instant_ms,
                                             .has_index = as.has_index,
                                             .index = as.index,
                                             .has_position = as.has_position,
                                             .position = as.position,
                                             .accuracy_m = as.accuracy_m,
                                             .photo = as.photo};
    err = ds_replica_record(h, g->txn, DS_REC_meter, &reading.meter, &meter);
    if (err == DS_OK && DS_HAS(&meter, meter, cabinet)) {
        view->before.cabinet = ds_cabinet_key(meter.cabinet);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

/* ---- The whole. ---- */

static enum ds_err load_around(struct ds_handheld *h, struct ds_txn *txn, struct ds_meterview *view)
{
    const struct ds_meter *meter = &view->meter;
    enum ds_err err = DS_ERR_NOT_FOUND;
    if (DS_HAS(meter, meter, premises)) {
        err = ds_overlay_record(h, txn, DS_REC_premises, &meter->premises, &view->premises,
                                &view->pending);
    }
    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    struct ds_id account =
        DS_GET(meter, meter, account, DS_GET(&view->premises, premises, account, no_id));
    err = ds_id_is_none(&account)
              ? DS_ERR_NOT_FOUND
              : ds_overlay_record(h, txn, DS_REC_account, &account, &view->account, &view->pending);
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static enum ds_err load_meter(struct ds_handheld *h, struct ds_txn *txn, struct ds_meterview *view)
{
    struct ds_overlaid overlaid;
    DS_TRY(ds_overlay(h, txn, DS_REC_meter, &view->id, &overlaid));
    view->meter_row = overlaid.row;
    view->meter_held = overlaid.held;
    view->pending += overlaid.pending;
    enum ds_err err = ds_record_decode(ds_record_type_by_number(DS_REC_meter), overlaid.fields,
                                       &h->arena, &view->meter, NULL);
    if (err != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    if (!view->meter_held) {
        struct ds_id book;
        DS_TRY(ds_overlay_typed_book(h, txn, &view->id, &book));
        if (!ds_id_is_none(&book)) {
            DS_SET(&view->meter, meter, book, book);
        }
    }
    return DS_OK;
}

enum ds_err ds_meterview_load(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *meter,
                              int32_t period, int32_t register_kind, struct ds_meterview **out)
{
    struct ds_meterview *view = ds_arena_alloc(&h->arena, sizeof(*view));
    struct gathering g = {h, txn, view};
    int64_t price_e4;
    if (view == NULL) {
        return DS_ERR_LIMIT;
    }
    view->id = *meter;
    view->register_kind = register_kind != 0 ? register_kind : DS_REGISTER_mechanical;
    DS_TRY(load_meter(h, txn, view));
    DS_TRY(load_around(h, txn, view));
    view->period = period;
    if (period == 0 && DS_HAS(&view->meter, meter, book)) {
        struct ds_book_period book_period;
        DS_TRY(ds_book_period_of(h, txn, &view->meter.book, &book_period));
        view->period = book_period.period;
    }
    DS_TRY(load_slot(h, txn, view));
    DS_TRY(price_of(h, txn, &view->account, &price_e4));
    fill_facts(view, price_e4);
    add_standing(view);
    DS_TRY(gather_own(&g, &view->id, false));
    if (DS_HAS(&view->meter, meter, premises)) {
        DS_TRY(gather_own(&g, &view->meter.premises, true));
    }
    if (view->swap_count == 0 && view->has_slot && DS_GET(&view->slot, slot, swapped, 0) != 0) {
        view->past_count = 0; /* Another changed the dial: its start is not known here. */
    }
    *out = view;
    return DS_OK;
}

enum ds_err ds_meterview_rules(struct ds_handheld *h, struct ds_txn *txn, struct ds_meterview *view,
                               struct ds_findings **findings)
{
    struct gathering g = {h, txn, view};
    DS_TRY(ds_rules_read(h, txn));
    DS_TRY(gather_before(&g));
    for (size_t i = 0; view->has_before && i < view->candidate_count; i++) {
        bool own = ds_id_equal(&view->candidates[i].worker, &h->identity.worker);
        view->candidates[i].before = own ? &view->before : NULL;
    }
    *findings = ds_arena_alloc(&h->arena, sizeof(**findings));
    if (*findings == NULL) {
        return DS_ERR_LIMIT;
    }
    const struct ds_slot *slot = &view->slot;
    struct ds_rule_input input = {.rules = &h->rules,
                                  .precedence = ds_precedence_default(),
                                  .meter = &view->facts,
                                  .period = view->period,
                                  .offset_min = h->offset_min,
                                  .candidates = view->candidates,
                                  .candidate_count = view->candidate_count,
                                  .past = view->past,
                                  .past_count = view->past_count,
                                  .swaps = view->swaps,
                                  .swap_count = view->swap_count,
                                  .frozen =
                                      view->has_slot && DS_GET(slot, slot, sent_revision, 0) > 0,
                                  .frozen_order = INT64_MAX - 1,
                                  .visit_proven = view->visit_proven};
    ds_reading_rules(&input, *findings);
    return DS_OK;
}

/* What is added to a slot: readings with their evidence, swaps, visits, decisions. */
#include "sync/core/slot_impl.h"

#include <string.h>

enum { MINUTE_MS = 60000, DAY_MS = 86400000, DROPPED_MAX = 255 };

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
        /* Same boot: the monotonic clock tells how long ago, whatever the wall clock says. */
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
    struct ds_pace *pace = NULL;
    const struct ds_facts *facts = NULL;
    if (fold->actor != DS_ACTOR_handheld || made->method != DS_METHOD_on_site) {
        return DS_OK;
    }
    DS_TRY(ds_desk_pace(fold->desk, &fold->device, &pace));
    if (pace->there) {
        *before = pace->last;
        made->before = before;
    }
    DS_TRY(ds_desk_meter(fold, meter, &facts));
    pace->there = true;
    pace->dirty = true;
    pace->last = (struct ds_reader_before){
        .meter = *meter,
        .instant_ms = made->instant_ms,
        .has_index = made->has_index,
        .index = made->index,
        .has_position = made->has_position && !made->mock,
        .position = made->position,
        .accuracy_m = made->accuracy_m,
        .cabinet = facts->rule.cabinet,
        .photo = made->photo,
    };
    return DS_OK;
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

/* The dial behind a slot's last swap. */
static void dial_after(const struct ds_slot_full *slot, uint8_t *digits, int64_t *unit_l)
{
    *digits = slot->start_digits;
    *unit_l = slot->start_unit_l;
    for (size_t i = 0; i < slot->swap_count; i++) {
        const struct ds_swap_seen *swap = &slot->swaps[i];
        *digits = swap->new_dial_digits != 0 ? (uint8_t)swap->new_dial_digits : *digits;
        *unit_l = swap->new_unit_l != 0 ? swap->new_unit_l : *unit_l;
    }
}

/* A slot that comes late, before one that is there, ends on the dial that that one starts on. */
static enum ds_err dial_of_next(struct ds_fold *fold, struct ds_slot_full *slot)
{
    uint32_t period = slot->period + 1;
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *next = ds_slot_new(fold);
    if (next == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = ds_slot_period_after(fold, &slot->meter, slot->register_kind, &period);
    if (err == DS_OK) {
        DS_TRY(ds_slot_load(fold, &slot->meter, slot->register_kind, period, next));
        slot->start_digits = next->start_digits;
        slot->start_unit_l = next->start_unit_l;
        slot->multiplier = next->multiplier;
    }
    ds_arena_rewind(fold->arena, mark);
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

bool ds_slot_shows(const struct ds_slot_full *slot, int64_t index)
{
    uint8_t digits = 0;
    int64_t unit_l = 0;
    int64_t end = 1;
    dial_after(slot, &digits, &unit_l);
    for (uint8_t i = 0; i < digits; i++) {
        end *= 10;
    }
    return digits == 0 || index < end;
}

static enum ds_err remember_dial(struct ds_fold *fold, struct ds_slot_full *slot)
{
    if (slot->start_digits == 0) {
        DS_TRY(dial_of_next(fold, slot));
    }
    if (slot->start_digits != 0) {
        return DS_OK;
    }
    const struct ds_facts *facts = NULL;
    DS_TRY(ds_desk_meter(fold, &slot->meter, &facts));
    slot->start_digits =
        (uint8_t)(facts->has_digits ? facts->rule.dial_digits : DS_DIAL_DIGITS_DEFAULT);
    slot->start_unit_l = facts->has_unit ? facts->rule.unit_l : DS_UNIT_L_DEFAULT;
    slot->multiplier = facts->rule.multiplier;
    return DS_OK;
}

enum ds_err ds_slot_add_reading(struct ds_fold *fold, const struct ds_reading *reading,
                                const struct ds_id *meter)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = ds_slot_new(fold);
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
    DS_TRY(ds_slot_recompute_from(fold, slot));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

/* Later slots start on the dial that this one ends on. later: one of them has a swap itself. */
static enum ds_err move_dials(struct ds_fold *fold, const struct ds_slot_full *slot, bool *later)
{
    uint32_t period = slot->period;
    uint8_t digits = 0;
    int64_t unit_l = 0;
    *later = false;
    dial_after(slot, &digits, &unit_l);
    for (;;) {
        period++;
        enum ds_err err = ds_slot_period_after(fold, &slot->meter, slot->register_kind, &period);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_slot_full *next = ds_slot_new(fold);
        if (next == NULL) {
            return DS_ERR_NOMEM;
        }
        DS_TRY(ds_slot_load(fold, &slot->meter, slot->register_kind, period, next));
        next->start_digits = digits;
        next->start_unit_l = unit_l;
        DS_TRY(ds_slot_store(fold, next));
        *later = *later || next->swap_count > 0;
        dial_after(next, &digits, &unit_l);
        ds_arena_rewind(fold->arena, mark);
    }
}

/* In the order of their instants. Returns whether none of the slot's is later. */
static bool put_swap(struct ds_slot_full *slot, const struct ds_swap_seen *seen)
{
    size_t at = slot->swap_count;
    while (at > 0 && slot->swaps[at - 1].instant_ms > seen->instant_ms) {
        at--;
    }
    bool last = at == slot->swap_count;
    DS_ASSERT(slot->swap_count < DS_SLOT_SWAPS_MAX); /* Asked before. */
    memmove(&slot->swaps[at + 1], &slot->swaps[at],
            (slot->swap_count - at) * sizeof(slot->swaps[0]));
    slot->swaps[at] = *seen;
    slot->swap_count++;
    return last;
}

enum ds_err ds_slot_takes_swap(struct ds_fold *fold, const struct ds_swap *swap,
                               const struct ds_id *meter, bool *takes)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = ds_slot_new(fold);
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    uint8_t register_kind = (uint8_t)DS_GET(swap, swap, register_kind, DS_REGISTER_mechanical);
    DS_TRY(ds_slot_load(fold, meter, register_kind, (uint32_t)swap->period, slot));
    *takes = slot->swap_count < DS_SLOT_SWAPS_MAX;
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

enum ds_err ds_slot_add_swap(struct ds_fold *fold, const struct ds_swap *swap,
                             const struct ds_id *meter, bool *newest)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = ds_slot_new(fold);
    bool later = false;
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
    bool last = put_swap(slot, &seen);
    DS_TRY(ds_slot_store(fold, slot));
    DS_TRY(move_dials(fold, slot, &later));
    *newest = last && !later;
    DS_TRY(ds_slot_recompute_from(fold, slot));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

enum ds_err ds_slot_prove_visit(struct ds_fold *fold, const struct ds_id *meter, uint32_t period)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = ds_slot_new(fold);
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_slot_load(fold, meter, DS_REGISTER_mechanical, period, slot));
    DS_TRY(remember_dial(fold, slot));
    slot->visit_proven = true;
    DS_TRY(ds_slot_recompute_from(fold, slot));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

struct ds_hash ds_slot_shown(const struct ds_slot_full *slot)
{
    if (!slot->decided) {
        return slot->content;
    }
    return ds_hash3(DS_SLICE_LIT("doorstep decided 1"), DS_SLICE_OF(slot->content.byte),
                    DS_SLICE_OF(slot->decision.byte));
}

enum ds_err ds_slot_decide(struct ds_fold *fold, struct ds_slot_full *slot,
                           const struct ds_decision *decision)
{
    slot->decided = true;
    slot->action = (uint8_t)decision->action;
    slot->decision = fold->op_id;
    slot->decision_content = slot->content;
    slot->decision_position = fold->position;
    slot->decision_has_basis = false;
    slot->decision_instant_ms = decision->instant_ms;
    slot->decision_has_index = DS_HAS(decision, decision, index);
    slot->decision_index = decision->index;
    slot->decision_has_volume = DS_HAS(decision, decision, consumption_l);
    slot->decision_volume_l = decision->consumption_l;
    return ds_slot_recompute_from(fold, slot);
}

enum ds_err ds_slot_refresh(struct ds_fold *fold, const struct ds_id *meter, uint8_t register_kind,
                            uint32_t period)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = ds_slot_new(fold);
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_slot_load(fold, meter, register_kind, period, slot));
    DS_TRY(remember_dial(fold, slot));
    DS_TRY(ds_slot_recompute(fold, slot));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

static enum ds_err move_candidates(struct ds_fold *fold, const struct ds_slot_full *from,
                                   const struct ds_id *into)
{
    struct ds_slot_full *slot = ds_slot_new(fold);
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
    for (size_t i = 0; i < from->swap_count; i++) {
        (void)put_swap(slot, &from->swaps[i]);
    }
    if (from->swap_count > 0) {
        bool later = false;
        DS_TRY(ds_slot_store(fold, slot));
        DS_TRY(move_dials(fold, slot, &later));
    }
    return ds_slot_recompute_from(fold, slot);
}

/* The first slot of a meter at or after *key, which moves behind it; DS_ERR_NOT_FOUND. */
static enum ds_err next_slot(struct ds_fold *fold, const struct ds_id *meter, struct ds_key *key,
                             struct ds_slot_full *slot)
{
    struct ds_slice found;
    struct ds_slice value;
    struct ds_cursor cursor;
    DS_TRY(ds_txn_at_or_after(fold->txn, DS_TABLE_SLOT, ds_key_slice(key), &found, &value));
    if (memcmp(found.data, meter->byte, sizeof(meter->byte)) != 0) {
        return DS_ERR_NOT_FOUND;
    }
    ds_cursor_init(&cursor, found);
    (void)ds_take_bytes(&cursor, sizeof(meter->byte));
    uint8_t register_kind = ds_take_u8(&cursor);
    uint32_t period = ds_take_u32(&cursor);
    *key = ds_key_after(found);
    return ds_slot_load(fold, meter, register_kind, period, slot);
}

enum ds_err ds_slot_can_merge(struct ds_fold *fold, const struct ds_id *from,
                              const struct ds_id *into, bool *can)
{
    struct ds_key key = ds_key_slot(from, 0, 0);
    *can = true;
    for (;;) {
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_slot_full *slot = ds_slot_new(fold);
        struct ds_slot_full *real = ds_slot_new(fold);
        if (slot == NULL || real == NULL) {
            return DS_ERR_NOMEM;
        }
        enum ds_err err = next_slot(fold, from, &key, slot);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(ds_slot_load(fold, into, slot->register_kind, slot->period, real));
        *can = *can && slot->swap_count + real->swap_count <= DS_SLOT_SWAPS_MAX;
        ds_arena_rewind(fold->arena, mark);
    }
}

/* Its readings and swaps are shown with the meter that it really is. */
static enum ds_err move_events(struct ds_fold *fold, const struct ds_id *from,
                               const struct ds_id *into)
{
    struct ds_key key = ds_link_first(DS_LINK_METER_EVENT, from);
    for (;;) {
        uint32_t period = 0;
        uint8_t type = 0;
        struct ds_id id;
        enum ds_err err = ds_link_next(fold->txn, &key, &period, &id, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(ds_fold_unlink(fold, DS_LINK_METER_EVENT, from, period, &id));
        DS_TRY(ds_fold_link(fold, DS_LINK_METER_EVENT, into, period, &id, type));
    }
}

enum ds_err ds_slot_merge_meter(struct ds_fold *fold, const struct ds_id *from,
                                const struct ds_id *into)
{
    struct ds_key key = ds_key_slot(from, 0, 0);
    DS_TRY(move_events(fold, from, into));
    for (;;) {
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_slot_full *slot = ds_slot_new(fold);
        if (slot == NULL) {
            return DS_ERR_NOMEM;
        }
        enum ds_err err = next_slot(fold, from, &key, slot);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(move_candidates(fold, slot, into));
        slot->count = 0;
        slot->swap_count = 0;
        slot->decided = false;
        DS_TRY(ds_slot_recompute(fold, slot));
        ds_arena_rewind(fold->arena, mark);
    }
}

enum ds_err ds_slot_sent(struct ds_fold *fold, const struct ds_id *slot_id, uint32_t revision)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = ds_slot_new(fold);
    struct ds_id meter;
    uint8_t register_kind = 0;
    uint32_t period = 0;
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_slot_find(fold->txn, slot_id, &meter, &register_kind, &period));
    DS_TRY(ds_slot_load(fold, &meter, register_kind, period, slot));
    if (revision > slot->sent_revision) {
        slot->sent_revision = revision;
        slot->sent_position = fold->position;
        DS_TRY(ds_slot_recompute(fold, slot));
    }
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

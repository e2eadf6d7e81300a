/* Inside the slot reducer: what slot.c (recomputing) and slot_add.c (what is added) share. */
#ifndef DS_SYNC_CORE_SLOT_IMPL_H
#define DS_SYNC_CORE_SLOT_IMPL_H

#include "sync/core/slot.h"

#define DS_SLOT_SPAN_SWAPS_MAX 8

/* Everything that one recomputation needs; lives in the fold's arena. */
struct ds_slot_work {
    struct ds_slot_full *slot;
    struct ds_rule_meter facts;
    struct ds_id book;
    struct ds_slot_result previous; /* Of the nearest predecessor. */
    bool has_previous;
    uint8_t span_digits; /* Dial at the start of the span since the previous index. */
    int64_t span_unit_l;
    bool period_closed;
    bool period_over;
    bool has_book;
    uint32_t open_anomalies;
    size_t past_count;
    size_t swap_count;
    /* From here on only what is counted is filled. */
    struct ds_slot_past past[DS_SLOT_PAST_MAX];
    struct ds_swap_seen swaps[DS_SLOT_SPAN_SWAPS_MAX]; /* Of that span. */
    struct ds_findings findings;
};

/* Does the standing decision bind to what is known now? */
bool ds_slot_decision_holds(const struct ds_slot_full *slot);
/* Rows, links and queue of what the rules found; counts the open ones into work. */
DS_NODISCARD enum ds_err ds_slot_update_anomalies(struct ds_fold *fold, struct ds_slot_work *work);
DS_NODISCARD enum ds_err ds_slot_store(struct ds_fold *fold, struct ds_slot_full *slot);
/* Choose, compute, find, export, show: one slot. */
DS_NODISCARD enum ds_err ds_slot_recompute(struct ds_fold *fold, struct ds_slot_full *slot);
/* The slot, and those after it that look back at it. */
DS_NODISCARD enum ds_err ds_slot_recompute_from(struct ds_fold *fold, struct ds_slot_full *slot);
/* The first slot of (meter, register) at or after a period; DS_ERR_NOT_FOUND behind the last. */
DS_NODISCARD enum ds_err ds_slot_period_after(struct ds_fold *fold, const struct ds_id *meter,
                                              uint8_t register_kind, uint32_t *period);

#endif

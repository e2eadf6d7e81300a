/* Inside the slot reducer: what slot.c (recomputing) and slot_add.c (what is added) share. */
#ifndef DS_SYNC_CORE_SLOT_IMPL_H
#define DS_SYNC_CORE_SLOT_IMPL_H

#include "sync/core/slot.h"

#define DS_SLOT_SPAN_SWAPS_MAX 8

/* Everything that one recomputation needs; lives in the fold's arena. */
struct ds_slot_work {
    struct ds_slot_full *slot;
    struct ds_rule_meter facts;
    uint8_t span_digits; /* Dial at the start of the span since the previous index. */
    int64_t span_unit_l;
    bool alone; /* No predecessor's swaps are in the span. */
    bool period_closed;
    bool period_over;
    bool too_many_swaps; /* Of that span: they cannot be computed, somebody has to decide. */
    size_t swap_count;
    /* From here on only what is counted is filled. */
    struct ds_swap_seen swaps[DS_SLOT_SPAN_SWAPS_MAX]; /* Of that span. */
    struct ds_findings findings;
};

/* Does the standing decision bind to what is known now? It binds to the candidates; and what it let
 * pass that no rule would bill, it lets pass from the same previous index alone. */
bool ds_slot_decision_holds(const struct ds_slot_work *work);
/* Tell billing what is new. settled: nobody is waited for; a slot that is empty is. */
DS_NODISCARD enum ds_err ds_slot_export(struct ds_fold *fold, struct ds_slot_full *slot,
                                        bool settled);
/* Has billing last been told that nothing is to be billed? */
bool ds_slot_is_voided(const struct ds_slot_full *slot);
/* Rows, links and queue of what the rules found; counts the open ones into work. */
DS_NODISCARD enum ds_err ds_slot_update_anomalies(struct ds_fold *fold, struct ds_slot_work *work);
/* The predecessors into the slot, unless it carries them; swaps and dial of the span into work. */
DS_NODISCARD enum ds_err ds_slot_gather_past(struct ds_fold *fold, struct ds_slot_work *work);
/* What a slot is to its successors, and whether two results are the same to them. */
struct ds_slot_past ds_slot_past_of(uint32_t period, const struct ds_slot_result *result);
bool ds_slot_past_same(const struct ds_slot_result *a, const struct ds_slot_result *b);
/* Does its book's window hold the slot? */
DS_NODISCARD enum ds_err ds_slot_is_held(struct ds_fold *fold, const struct ds_slot_full *slot,
                                         bool *held);
/* Store the slot as it is; its row is not shown anew. */
DS_NODISCARD enum ds_err ds_slot_store(struct ds_fold *fold, struct ds_slot_full *slot);
/* Is the slot's period among those that handhelds hold, so that it shows and carries its past? */
bool ds_slot_is_recent(const struct ds_fold *fold, const struct ds_slot_full *slot);
/* Store the slot and show its row, unless it stands so already. */
DS_NODISCARD enum ds_err ds_slot_show(struct ds_fold *fold, struct ds_slot_full *slot);
/* The billed part of a row, as an export sends it: everything but the history. */
void ds_slot_fill(const struct ds_slot_full *slot, struct ds_slot *row);
/* Choose, compute, find, export, show: one slot, and if it changed those that look back at it. */
DS_NODISCARD enum ds_err ds_slot_recompute(struct ds_fold *fold, struct ds_slot_full *slot);
/* The slot, and in any case those after it that look back at it. */
DS_NODISCARD enum ds_err ds_slot_recompute_from(struct ds_fold *fold, struct ds_slot_full *slot);
/* The first slot of (meter, register) at or after a period; DS_ERR_NOT_FOUND behind the last. */
DS_NODISCARD enum ds_err ds_slot_period_after(struct ds_fold *fold, const struct ds_id *meter,
                                              uint8_t register_kind, uint32_t *period);

#endif

/* One meter with everything around it: what a screen shows of it and what the rules need.
 *
 * Gathers the overlaid meter, premises and account, the slot of a period with its past, own
 * readings that lie over it, and own swaps and visits of that period. The rules that run on it are
 * the server's. Everything lives in the handle's arena. */
#ifndef DS_HANDHELD_SDK_SRC_METERVIEW_H
#define DS_HANDHELD_SDK_SRC_METERVIEW_H

#include "handheld-sdk/src/overlay.h"

#define DS_VIEW_CANDIDATES_MAX 16
#define DS_VIEW_SWAPS_MAX 8
#define DS_VIEW_PAST_MAX 15 /* The history of a slot row, and the slot before. */

struct ds_meterview {
    struct ds_id id;
    struct ds_meter meter;
    bool meter_held; /* In the replica, not only typed here. */
    struct ds_premises premises;
    struct ds_account account;
    struct ds_held_row meter_row;
    int32_t period; /* 0: none. */
    int32_t register_kind;
    bool has_slot;
    struct ds_slot slot; /* As pulled. */
    struct ds_rule_meter facts;
    struct ds_slot_past past[DS_VIEW_PAST_MAX]; /* Ascending. */
    size_t past_count;
    struct ds_swap_seen swaps[DS_VIEW_SWAPS_MAX];
    size_t swap_count;
    struct ds_candidate candidates[DS_VIEW_CANDIDATES_MAX + 1]; /* Room for a draft. */
    size_t candidate_count;
    struct ds_reader_before before; /* Of the candidates of this worker. */
    bool has_before;
    bool visit_proven;
    uint32_t visits;           /* Own, without entry, in this period. */
    uint32_t pending;          /* Own ops that lie over meter, premises, account or slot. */
    uint32_t readings_pending; /* Of these: regular readings of the slot. */
};

/* The period that a book is read for: the latest open one, else the latest. *id is its row's id;
 * period 0 and state 0: the book has none. */
struct ds_book_period {
    int32_t period;
    int32_t state;
    int64_t due_day;
};
/* The earliest open period of a book, else its latest; zeros if it has none. */
DS_NODISCARD enum ds_err ds_book_period_of(struct ds_handheld *h, struct ds_txn *txn,
                                           const struct ds_id *book, struct ds_book_period *out);

/* period 0: that of the meter's book. view is allocated in the handle's arena. DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_meterview_load(struct ds_handheld *h, struct ds_txn *txn,
                                           const struct ds_id *meter, int32_t period,
                                           int32_t register_kind, struct ds_meterview **view);
/* Read the station's rules and time zone, if anything was pulled since. */
DS_NODISCARD enum ds_err ds_rules_read(struct ds_handheld *h, struct ds_txn *txn);
/* Run the rules over the view's candidates; findings lives in the arena. */
DS_NODISCARD enum ds_err ds_meterview_rules(struct ds_handheld *h, struct ds_txn *txn,
                                            struct ds_meterview *view,
                                            struct ds_findings **findings);
/* A reading's record as a candidate. */
void ds_candidate_of(const struct ds_reading *reading, const struct ds_id *op,
                     const struct ds_id *worker, struct ds_candidate *out);

#endif

/* The slot of (meter, register, period): its readings, the billing choice, its anomalies.
 *
 * Everything shown is recomputed from the candidates, the swaps and the neighbours each time one of
 * them changes, by the rules of schema/rules, so the order of arrival does not matter. Stored
 * packed, once, in DS_TABLE_SLOT (state, not wire): what people see, the row of record `slot`, is
 * projected from these bytes when it is read, and DS_TABLE_ROW only says under the slot's id where
 * they are. A slot of the handhelds' window carries what it knows of its predecessors, so that a
 * reading costs one get and one put. Private to sync/core. */
#ifndef DS_SYNC_CORE_SLOT_H
#define DS_SYNC_CORE_SLOT_H

#include "sync/core/fold.h"

#define DS_SLOT_CANDIDATES_MAX 16
#define DS_SLOT_SWAPS_MAX 4
#define DS_SLOT_PAST_MAX 14 /* Predecessors that rules and handhelds look at. */
#define DS_SLOT_SIZE_MAX 8192
#define DS_HISTORY_ITEM_SIZE 38

struct ds_slot_result { /* What is billed, and what the next slot needs to know. */
    uint8_t state;      /* enum ds_slot_state */
    bool has_index;
    bool has_final; /* The next slot goes on from final_index. */
    bool has_volume;
    bool has_last_actual;
    bool swapped;
    bool has_card;
    uint8_t method;
    uint8_t condition;
    int32_t days;
    struct ds_id chosen;
    struct ds_id read_by;
    struct ds_hash photo;
    int64_t instant_ms;
    int64_t index;
    int64_t final_index;
    int64_t previous_index;
    bool has_previous;
    int64_t consumption_l;
    int64_t last_actual_index;
    int64_t purchased_l;
    int64_t remaining_l;
};

enum ds_slot_membership { DS_SLOT_NO_MEMBER, DS_SLOT_IS_MEMBER, DS_SLOT_WAS_MEMBER };
/* Its place in the feed of the one book that shows it, or that showed it last. */
struct ds_slot_member {
    enum ds_slot_membership kind;
    struct ds_id book;
    uint64_t position;
    uint32_t ordinal;
    struct ds_hash hash; /* Of the row in the scope's digest. */
};
struct ds_slot_before { /* What the rules ask of the nearest predecessor beside its past. */
    bool there;
    bool has_card;
    int64_t purchased_l;
    int64_t remaining_l;
    struct ds_hash photo;
};

struct ds_slot_full {
    struct ds_id meter;
    uint8_t register_kind;
    uint32_t period;
    struct ds_id id;
    bool exists;
    struct ds_slot_result result;
    uint8_t start_digits; /* Dial at the slot's start; 0: the meter's own. */
    int64_t start_unit_l;
    int64_t multiplier; /* As remembered with the dial; 0: 1. */
    bool visit_proven;
    uint8_t dropped; /* Candidates beyond the limit. */
    uint32_t revision;
    uint32_t sent_revision;
    uint64_t sent_position;
    int64_t exported_volume_l; /* Of the last export. */
    struct ds_hash exported;   /* Content of the last export; none: never. */
    struct ds_hash content;    /* Hash over the candidates, once recomputed. */
    bool decided;
    uint8_t action;
    bool decision_has_index;
    bool decision_has_volume;
    struct ds_id decision;
    struct ds_hash decision_content;
    int64_t decision_index;
    int64_t decision_volume_l;
    int64_t decision_instant_ms;
    uint64_t decision_position;
    bool decision_has_basis; /* What the decider saw beside the candidates. */
    uint8_t decision_kind;   /* enum ds_volume_kind */
    int64_t decision_previous;
    uint64_t made; /* Of the row; 0: never shown. */
    uint64_t changed;
    struct ds_slot_member member;
    bool member_spilled; /* Scopes that it left before that one have rows in DS_TABLE_MEMBER. */
    bool has_book;
    bool exportable;
    bool shows_history;
    bool carries_past;       /* past and nearest are those of the last recomputation, and true. */
    struct ds_id book;       /* The meter's, as the row shows it. */
    uint64_t marked;         /* Bit per rule: it has a row of anomaly. */
    uint64_t standing;       /* Of them those that are not gone. */
    uint32_t open_anomalies; /* As the row shows it. */
    struct ds_slice stored;  /* As it was loaded; empty: it did not exist. In the arena. */
    size_t stored_count;     /* Readings then. */
    bool written;            /* Since it was loaded: stored is what it was. */
    struct ds_slot_before nearest;
    size_t past_count;
    struct ds_slot_past past[DS_SLOT_PAST_MAX]; /* Ascending. */
    size_t swap_count;
    struct ds_swap_seen swaps[DS_SLOT_SWAPS_MAX];
    size_t count;
    /* From here on only what count says is filled. */
    struct ds_candidate candidates[DS_SLOT_CANDIDATES_MAX + 1]; /* One more for the decision. */
    struct ds_reader_before before[DS_SLOT_CANDIDATES_MAX + 1];
};

/* Memory for one, to be filled by ds_slot_load(); NULL: none left. */
struct ds_slot_full *ds_slot_new(struct ds_fold *fold);
/* exists is false and the rest empty if there is none yet. */
DS_NODISCARD enum ds_err ds_slot_load(struct ds_fold *fold, const struct ds_id *meter,
                                      uint8_t register_kind, uint32_t period,
                                      struct ds_slot_full *slot);
/* Where the slot of that id is; DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_slot_find(struct ds_txn *txn, const struct ds_id *id,
                                      struct ds_id *meter, uint8_t *register_kind,
                                      uint32_t *period);
void ds_slot_put(struct ds_builder *b, const struct ds_slot_full *slot);
/* Into a slot whose head is zero but for meter, register and period. */
DS_NODISCARD enum ds_err ds_slot_parse(struct ds_slice bytes, struct ds_slot_full *slot);
/* Does the slot know of an entry in a feed? Only looked at, not copied. */
DS_NODISCARD enum ds_err ds_slot_peek_member(struct ds_slice bytes, bool *member);
/* Hash over the candidates' ids: equal sets, equal hashes. */
struct ds_hash ds_slot_content(const struct ds_slot_full *slot);
/* The row's fields map. */
DS_NODISCARD enum ds_err ds_slot_fields(const struct ds_slot_full *slot, struct ds_arena *arena,
                                        struct ds_slice *fields);
/* The value that DS_TABLE_ROW would hold for the slot that its present value points at. */
DS_NODISCARD enum ds_err ds_slot_row(struct ds_txn *txn, struct ds_slice pointer,
                                     struct ds_arena *arena, struct ds_slice *value);
/* The book's window has moved: the slot enters it or leaves it. */
DS_NODISCARD enum ds_err ds_slot_touch(struct ds_fold *fold, const struct ds_id *meter,
                                       uint8_t register_kind, uint32_t period);

/* Add a reading; recompute the slot and, as far as they change, its successors. */
DS_NODISCARD enum ds_err ds_slot_add_reading(struct ds_fold *fold, const struct ds_reading *reading,
                                             const struct ds_id *meter);
/* The meter's dial or multiplier was corrected (a dial that was changed tells it by its swap): what
 * hangs there since the last swap is computed anew, but for what billing has. */
DS_NODISCARD enum ds_err ds_slot_correct_dial(struct ds_fold *fold, const struct ds_id *meter);
/* Has the slot room for one more swap? */
DS_NODISCARD enum ds_err ds_slot_takes_swap(struct ds_fold *fold, const struct ds_swap *swap,
                                            const struct ds_id *meter, bool *takes);
/* Into a slot that takes it. newest: no swap of the meter is known to be later. */
DS_NODISCARD enum ds_err ds_slot_add_swap(struct ds_fold *fold, const struct ds_swap *swap,
                                          const struct ds_id *meter, bool *newest);
/* A visit without entry, proven by slip or photo, stands behind an estimate of that period. */
DS_NODISCARD enum ds_err ds_slot_prove_visit(struct ds_fold *fold, const struct ds_id *meter,
                                             uint32_t period);
/* Can the dial that the slot ends on show this index? An unknown dial shows everything. */
bool ds_slot_shows(const struct ds_slot_full *slot, int64_t index);
/* What a decision binds to: the candidates, and whichever decision stands over them. */
struct ds_hash ds_slot_shown(const struct ds_slot_full *slot);
/* Apply a decision that was found to bind to the slot's present candidates. */
DS_NODISCARD enum ds_err ds_slot_decide(struct ds_fold *fold, struct ds_slot_full *slot,
                                        const struct ds_decision *decision);
/* Recompute, or make the empty one, after something around it changed (a period opened,
 * a period closed, a meter merged, a book moved). */
DS_NODISCARD enum ds_err ds_slot_refresh(struct ds_fold *fold, const struct ds_id *meter,
                                         uint8_t register_kind, uint32_t period);
/* Have the slots of `into` room for the swaps of `from`? */
DS_NODISCARD enum ds_err ds_slot_can_merge(struct ds_fold *fold, const struct ds_id *from,
                                           const struct ds_id *into, bool *can);
/* All readings of one meter's slots go over to another's (an unknown meter was found to be known).
 */
DS_NODISCARD enum ds_err ds_slot_merge_meter(struct ds_fold *fold, const struct ds_id *from,
                                             const struct ds_id *into);
/* Billing has taken this revision: the slot is frozen. */
DS_NODISCARD enum ds_err ds_slot_sent(struct ds_fold *fold, const struct ds_id *slot_id,
                                      uint32_t revision);

#endif

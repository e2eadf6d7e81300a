/* Volume: from two indexes to litres, what was to be expected, estimates and their spreading.
 *
 * The one idea: every movement of a dial is one leg on one dial (digits, litres per count), and a
 * swap makes one more leg; a leg is plain, passes zero, runs backwards, or corrects an estimate.
 * All in integers with checks: the result is exact or says that it is not. Pure, no allocation. */
#ifndef DS_SCHEMA_RULES_VOLUME_H
#define DS_SCHEMA_RULES_VOLUME_H

#include "schema/rules/choose.h"
#include "schema/rules/rule.h"

#define DS_PAST_MAX 60 /* Periods back that are looked at; older ones are ignored. */
#define DS_VOLUME_MAX_L INT64_C(1000000000000000) /* As slot.consumption_l. */
#define DS_DIAL_DIGITS_MAX 12
#define DS_DIAL_DIGITS_DEFAULT 5
#define DS_UNIT_L_DEFAULT 1000
#define DS_UNIT_L_MAX 10000000
#define DS_MULTIPLIER_MAX 100000

/* A meter and its premises as the rules need them. Zero means "not known" and stands for the
 * default named here. dial_digits and unit_l are those of the dial that hung there at the start of
 * the slot, before the first of its swaps. */
struct ds_rule_meter {
    int32_t dial_digits;                 /* 0: 5 */
    int64_t unit_l;                      /* 0: 1000 */
    int64_t multiplier;                  /* 0: 1 */
    enum ds_meter_kind kind;             /* 0: mechanical */
    enum ds_account_class account_class; /* 0: residential */
    int64_t price_e4;                    /* First tier; 0: the table's price_e4. */
    int64_t yearly_l;                    /* 0: not known. */
    bool has_expiry;
    int64_t expiry_day;                        /* Days since 1970-01-01. */
    enum ds_position_quality position_quality; /* 0: none. */
    struct ds_geo position;                    /* Of the premises. */
    int64_t accuracy_m;                        /* Of that position. */
    uint64_t cabinet;                          /* ds_cabinet_key(); 0: none. */
    bool vacant;                               /* Nobody lives there; false if not known. */
    bool paused;                               /* 报停. */
    struct ds_id meter;                        /* Its id, to tell it from the meter read before. */
};

/* What was billed for one earlier period of the same meter and register. Filled from that slot's
 * ds_consumption: has_index is its has_final. A volume that was agreed without an index is an
 * estimate (method) to its successors: what it had too much or too little shows in the next actual
 * reading. */
struct ds_slot_past {
    int32_t period;
    int32_t days;        /* That consumption_l covers; 0: the days of the month. */
    int64_t instant_ms;  /* Of the billed reading. */
    bool has_index;      /* false: the next slot does not start here; the rest of it is idle. */
    int64_t index;       /* Of the billed reading. */
    int64_t final_index; /* From which the next slot goes on. */
    bool has_volume;     /* false: consumption_l is not known (first period, undecided). */
    int64_t consumption_l;
    enum ds_method method;
    bool has_last_actual; /* Of an estimated slot: the last actual index is on the same dial. */
    int64_t last_actual_index;
};

/* A swap since the previous index: of a period (swap.period, whatever its instant) after that of
 * the newest past slot with an index, up to the slot's own; in the order in which they happened.
 * They are billed in this slot: a reading that was taken before the last of them is billed up to
 * that swap, and the next slot goes on from the new dial's first index. A slot without an index
 * bills nothing and leaves its swaps to the next one. */
struct ds_swap_seen {
    int64_t instant_ms;
    int64_t old_final_index;
    int64_t new_initial_index;
    int32_t new_dial_digits; /* 0: as the dial before. */
    int64_t new_unit_l;      /* 0: as the dial before. */
};

/* The newest past period that has an index; NULL if none. past ascends by period. */
const struct ds_slot_past *ds_past_previous(const struct ds_slot_past *past, size_t count);

enum ds_expected_source {
    DS_EXPECTED_none,
    DS_EXPECTED_same_season,
    DS_EXPECTED_mean_actual,
    DS_EXPECTED_yearly
};
/* What was to be expected of the span, and how far it may stray. */
struct ds_expected {
    enum ds_expected_source source;
    int32_t samples;  /* Volumes behind it. */
    int32_t days;     /* Of the span. */
    int64_t volume_l; /* 0 if source is none. */
    int64_t spread_l; /* max(1.4826 MAD, floor_percent of volume_l, floor_l) of a season; of the
                         mean of the last actuals at least half of it; of yearly_l / 365 all. */
};

/* Days from the previous reading to this one, by the instants if they make sense against the
 * calendar (1 .. twice the months between, plus 31), else the days of the months between. Without a
 * previous one: the days of the month. */
int32_t ds_span_days(const struct ds_slot_past *previous, int32_t period, int64_t instant_ms);
/* The median of the same season's actual volumes (same month of other years and season_months
 * either side), each scaled to the span by days; with fewer than season_least of them the mean of
 * the last three actual ones; else yearly_l by days. Left out: estimates, the correction after
 * them, unknown and negative volumes. */
void ds_expected_use(const struct ds_rule_meter *meter, const struct ds_rule_table *rules,
                     const struct ds_slot_past *past, size_t past_count, int32_t period,
                     int64_t instant_ms, struct ds_expected *out);

enum ds_volume_kind {
    DS_VOLUME_no_index,       /* Nothing to compute from; volume_l is 0. */
    DS_VOLUME_no_predecessor, /* A start: volume_l is 0, the index is the next one's previous. */
    DS_VOLUME_plain,
    DS_VOLUME_swap,          /* Sum over the legs, all of them plain. */
    DS_VOLUME_passing_zero,  /* Some leg passed zero, credibly. */
    DS_VOLUME_over_estimate, /* Some leg corrects an estimate; volume_l may be negative. */
    DS_VOLUME_reversed,      /* Some leg runs backwards; volume_l is index - previous. */
    DS_VOLUME_agreed,        /* A decision named the volume. */
    DS_VOLUME_unknown,       /* Beyond the dial or beyond DS_VOLUME_MAX_L; volume_l is 0. */
};
const char *ds_volume_kind_name(enum ds_volume_kind kind); /* Static. */

struct ds_volume_input {
    const struct ds_rule_meter *meter;
    const struct ds_rule_table *rules; /* passing_zero's limits. */
    const struct ds_slot_past *past;   /* Ascending by period, all before the slot's. */
    size_t past_count;
    const struct ds_swap_seen *swaps;
    size_t swap_count;
    const struct ds_expected *expected;
};

struct ds_consumption {
    enum ds_volume_kind kind;
    enum ds_why why;        /* Explains reversed and unknown; else none. */
    bool billable;          /* volume_l may be billed if nothing holds the slot. */
    bool swapped;           /* A swap lies between. */
    int64_t volume_l;       /* For this slot; of over_estimate: rebilled_l - billed_l. */
    int64_t previous_index; /* 0 if there is none. */
    bool has_final;         /* The next slot goes on from final_index; else from an older slot. */
    int64_t final_index;    /* The reading's; after a later swap the new dial's first one; of a
                               volume agreed without an index where the dial would stand then. */
    int32_t leg_count;
    int32_t days; /* Of the span. */
    /* over_estimate: what the dial moved since the last actual reading, and what estimates had
     * billed for that; 0 otherwise. */
    int64_t rebilled_l;
    int64_t billed_l;
};

/* Consumption of one candidate:
 * CASE a decision named a volume                       RESULT agreed
 * CASE no index                                        RESULT no_index
 * CASE an index does not fit its dial                  RESULT unknown
 * CASE no earlier index                                RESULT no_predecessor
 * CASE previous was estimated, and the dial moved less since the last actual reading than the
 *      estimates said                                  RESULT over_estimate
 * CASE index >= previous                               RESULT plain
 * CASE forward distance modulo 10^digits is at most half the dial and 5 x expected
 *                                                      RESULT passing_zero
 * CASE else                                            RESULT reversed
 * CASE the sum is beyond DS_VOLUME_MAX_L               RESULT unknown
 * Across swaps each dial is a leg with its own digits and litres; the gravest leg names the kind.
 * Without an expected use passing zero is not credible. */
void ds_consumption(const struct ds_volume_input *input, const struct ds_candidate *candidate,
                    struct ds_consumption *out);

/* The dial on which a reading of that instant stands: the meter's, or that of the last swap at or
 * before the instant. */
struct ds_dial {
    int32_t digits;
    int64_t unit_l;
    size_t swap_count; /* Swaps before it. */
};
struct ds_dial ds_dial_at(const struct ds_rule_meter *meter, const struct ds_swap_seen *swaps,
                          size_t swap_count, int64_t instant_ms);
int64_t ds_dial_size(int32_t digits); /* 10^digits; digits 0: the default; clamped to 1..12. */

/* An estimated index by a named method, for the span that ends at instant_ms: the volume is a whole
 * number of counts, rounded down, so that index and volume agree. agreed_l is used by `agreed`
 * alone. input->expected is that of the span. DS_ERR_NOT_FOUND: no previous index, or too few
 * volumes for the method; DS_ERR_CONFLICT: a swap of the period has an index, so nothing is to be
 * estimated; DS_ERR_USAGE: not a method, or agreed_l outside 0..DS_VOLUME_MAX_L; DS_ERR_LIMIT: more
 * than half the dial. */
struct ds_estimate {
    int64_t index;
    int64_t volume_l;
};
DS_NODISCARD enum ds_err ds_estimate(const struct ds_volume_input *input,
                                     enum ds_estimate_method method, int64_t agreed_l,
                                     struct ds_estimate *out);

/* Split a volume by days: share i = floor of the whole up to its end minus that up to its start, so
 * each is off by less than a litre, the remainder goes to the later part, and the sum is the whole.
 * A negative volume splits as its opposite. DS_ERR_USAGE: count 0, a negative day, no days at all,
 * more than 100,000 days, or more than DS_VOLUME_MAX_L. */
DS_NODISCARD enum ds_err ds_spread(int64_t volume_l, const int32_t *days, size_t count,
                                   int64_t *shares_l);

#endif

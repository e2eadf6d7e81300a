/* Shared by the files that hold the rules' bodies. Not an interface. */
#ifndef DS_SCHEMA_RULES_READING_IMPL_H
#define DS_SCHEMA_RULES_READING_IMPL_H

#include "schema/rules/reading.h"

/* One slot under judgement. */
struct ds_judge {
    const struct ds_rule_input *input;
    size_t count;                        /* Candidates that are looked at. */
    const struct ds_candidate *chosen;   /* NULL: none. */
    const struct ds_slot_past *previous; /* NULL: no index before. */
    struct ds_volume_input volume;
    int64_t price_e4;
    bool judged; /* The volume says something about the use: an actual reading of known volume. */
    /* Use of the span, estimates before it included (their correction is no spike), and what was to
     * be expected of that longer span. */
    int64_t use_l;
    int64_t expected_l;
    int64_t spread_l;
    struct ds_findings *out;
};

/* What one rule says of one candidate, or of the slot. */
struct ds_hit {
    enum ds_why why; /* none: no hit. */
    bool grave;
    int64_t risk_l; /* Volume at risk. */
    const struct ds_candidate *candidate;
    size_t input_count;
    struct ds_finding_input input[DS_FINDING_INPUTS_MAX];
};

typedef void ds_rule_check(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                           struct ds_hit *hit);
typedef void ds_rule_look(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                          const struct ds_candidate *candidate, struct ds_hit *hit);

void ds_hit_note(struct ds_hit *hit, const char *name, int64_t value);

/* Of the slot. */
ds_rule_check ds_check_reversed, ds_check_zero_occupied, ds_check_spike, ds_check_slump,
    ds_check_passing_zero, ds_check_stopped_2, ds_check_estimates_3, ds_check_commercial_drop,
    ds_check_meter_drift, ds_check_over_estimate, ds_check_readings_disagree, ds_check_beyond_dial,
    ds_check_expired_meter, ds_check_estimate_limit, ds_check_estimate_unproven,
    ds_check_self_report_limit, ds_check_unknown_predecessor;
/* Of each candidate. */
ds_rule_look ds_look_far_from_premises, ds_look_implausible_pace, ds_look_equal_index,
    ds_look_same_photo, ds_look_clock_untrusted, ds_look_after_billing, ds_look_estimate_forbidden,
    ds_look_condition_reported;
/* The gravest hit over all candidates, of equal ones the preferred candidate's. */
void ds_look_at_all(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                    ds_rule_look *look, struct ds_hit *hit);

#endif

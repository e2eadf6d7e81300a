/* Every rule of a reading slot, at capture on the handheld and again on the server: same code.
 *
 * The one idea: findings are a pure function of the slot's candidates and its neighbours, whatever
 * the order in which they came. Limits are the station's (schema/rules/rules.def has the shipped
 * ones, schema/RULES.md explains them). Nothing is decided, only explained. Pure, no allocation;
 * struct ds_findings is about 4 KiB: the caller keeps it off small stacks. */
#ifndef DS_SCHEMA_RULES_READING_H
#define DS_SCHEMA_RULES_READING_H

#include "schema/rules/volume.h"

struct ds_rule_input {
    const struct ds_rule_table *rules;
    const struct ds_precedence *precedence;
    const struct ds_rule_meter *meter;
    int32_t period;                        /* YYYYMM of the slot. */
    int32_t offset_min;                    /* The station's time zone. */
    const struct ds_candidate *candidates; /* Any order; any purpose; no op id twice. */
    size_t candidate_count;                /* Only the first DS_CANDIDATES_MAX count. */
    const struct ds_slot_past *past;       /* Ascending by period, all before the slot's. */
    size_t past_count;
    const struct ds_swap_seen *swaps; /* Since the previous index, as they happened. */
    size_t swap_count;
    bool frozen;             /* The slot was sent to billing ... */
    int64_t frozen_order;    /* ... as it stood at this journal number ... */
    int64_t frozen_volume_l; /* ... with this volume. */
    bool visit_proven;       /* A visit of this period without entry, with slip or door photo. */
    struct ds_hash previous_photo; /* Of the period before at this meter; all zero: none. */
    bool has_previous_card;        /* Card or remote volumes of the period before are known. */
    int64_t previous_purchased_l;
    int64_t previous_remaining_l;
};

struct ds_findings {
    size_t chosen; /* ds_choose(), or DS_CHOOSE_NONE. */
    struct ds_expected expected;
    struct ds_consumption consumption; /* Of the chosen one. */
    enum ds_severity severity;         /* The gravest of all; 0: nothing found. */
    size_t count;
    struct ds_finding finding[DS_FINDINGS_MAX]; /* Ascending by rule. */
};

/* Choose, compute, and apply every enabled rule. Rules of the volume judge the chosen reading;
 * rules of how it was read (far_from_premises, implausible_pace, equal_index, same_photo,
 * clock_untrusted, condition_reported, after_billing, estimate_limit of other purposes) judge each
 * candidate and report the gravest hit, and of equal ones that which ds_choose would prefer.
 * Values must lie within the limits of their record fields (ds_validate); out may hold anything
 * before. */
void ds_reading_rules(const struct ds_rule_input *input, struct ds_findings *out);
/* The finding of a rule, NULL if it did not hit. */
const struct ds_finding *ds_findings_of(const struct ds_findings *findings, enum ds_rule rule);

#endif

#include "schema/rules/reading.h"

#include "schema/rules/reading_impl.h"
#include "schema/rules/volume_impl.h"

void ds_hit_note(struct ds_hit *hit, const char *name, int64_t value)
{
    DS_ASSERT(hit->input_count < DS_FINDING_INPUTS_MAX);
    hit->input[hit->input_count++] = (struct ds_finding_input){name, value};
}

/* A rule judges the slot, or each of its candidates. */
struct rule_body {
    ds_rule_check *check;
    ds_rule_look *look;
};

/* clang-format off */
static const struct rule_body bodies[DS_RULE_COUNT] = {
    [DS_RULE_reversed] = {ds_check_reversed, NULL},
    [DS_RULE_zero_occupied] = {ds_check_zero_occupied, NULL},
    [DS_RULE_spike] = {ds_check_spike, NULL},
    [DS_RULE_slump] = {ds_check_slump, NULL},
    [DS_RULE_passing_zero] = {ds_check_passing_zero, NULL},
    [DS_RULE_stopped_2] = {ds_check_stopped_2, NULL},
    [DS_RULE_estimates_3] = {ds_check_estimates_3, NULL},
    [DS_RULE_commercial_drop] = {ds_check_commercial_drop, NULL},
    [DS_RULE_far_from_premises] = {NULL, ds_look_far_from_premises},
    [DS_RULE_implausible_pace] = {NULL, ds_look_implausible_pace},
    [DS_RULE_equal_index] = {NULL, ds_look_equal_index},
    [DS_RULE_same_photo] = {NULL, ds_look_same_photo},
    [DS_RULE_meter_drift] = {ds_check_meter_drift, NULL},
    [DS_RULE_clock_untrusted] = {NULL, ds_look_clock_untrusted},
    [DS_RULE_over_estimate] = {ds_check_over_estimate, NULL},
    [DS_RULE_readings_disagree] = {ds_check_readings_disagree, NULL},
    [DS_RULE_beyond_dial] = {ds_check_beyond_dial, NULL},
    [DS_RULE_expired_meter] = {ds_check_expired_meter, NULL},
    [DS_RULE_after_billing] = {NULL, ds_look_after_billing},
    [DS_RULE_estimate_limit] = {ds_check_estimate_limit, NULL},
    [DS_RULE_estimate_unproven] = {ds_check_estimate_unproven, NULL},
    [DS_RULE_self_report_limit] = {ds_check_self_report_limit, NULL},
    [DS_RULE_unknown_predecessor] = {ds_check_unknown_predecessor, NULL},
    [DS_RULE_condition_reported] = {NULL, ds_look_condition_reported},
};
/* clang-format on */

/* Start anew; the inputs beyond input_count are idle, and zeroing them would be most of the cost of
 * a rule that is silent. */
static void clear_hit(struct ds_hit *hit, const struct ds_candidate *candidate)
{
    hit->why = DS_WHY_none;
    hit->grave = false;
    hit->risk_l = 0;
    hit->candidate = candidate;
    hit->input_count = 0;
}

void ds_look_at_all(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                    ds_rule_look *look, struct ds_hit *hit)
{
    const struct ds_precedence *precedence = judge->input->precedence;
    for (size_t i = 0; i < judge->count; i++) {
        const struct ds_candidate *candidate = &judge->input->candidates[i];
        struct ds_hit one;
        if (candidate->decided) {
            continue;
        }
        clear_hit(&one, candidate);
        look(judge, limits, candidate, &one);
        if (one.why == DS_WHY_none) {
            continue;
        }
        if (hit->why == DS_WHY_none || (one.grave && !hit->grave) ||
            (one.grave == hit->grave &&
             ds_candidate_compare(candidate, hit->candidate, precedence) < 0)) {
            *hit = one;
        }
    }
}

static void add_finding(struct ds_judge *judge, const struct ds_rule_def *def,
                        const struct ds_rule_limits *limits, const struct ds_hit *hit)
{
    struct ds_findings *out = judge->out;
    DS_ASSERT(out->count < DS_FINDINGS_MAX);
    struct ds_finding *finding = &out->finding[out->count++];
    *finding = (struct ds_finding){
        .rule = def->rule,
        .severity = limits->severity,
        .why = hit->why,
        .version = def->version,
        .input_count = (uint16_t)hit->input_count,
        .risk_fen = ds_risk_fen(hit->risk_l, judge->price_e4),
    };
    if (!hit->grave && def->mild > finding->severity) {
        finding->severity = def->mild;
    }
    if (hit->candidate != NULL) {
        finding->op = hit->candidate->op;
    }
    for (size_t i = 0; i < hit->input_count; i++) {
        finding->input[i] = hit->input[i];
    }
    out->severity = ds_severity_max(out->severity, finding->severity);
}

/* An actual reading after estimates corrects them: judge both together, against what was to be
 * expected of the whole time since the last actual one. */
static void judge_use(struct ds_judge *judge)
{
    const struct ds_rule_input *input = judge->input;
    const struct ds_consumption *consumption = &judge->out->consumption;
    const struct ds_expected *expected = &judge->out->expected;
    int64_t days = expected->days;
    judge->judged = judge->chosen != NULL && ds_method_is_actual(judge->chosen->method) &&
                    (consumption->kind == DS_VOLUME_plain || consumption->kind == DS_VOLUME_swap ||
                     consumption->kind == DS_VOLUME_passing_zero);
    judge->use_l = consumption->volume_l;
    for (size_t i = input->past_count; i > 0; i--) {
        const struct ds_slot_past *past = &input->past[i - 1];
        if (!past->has_index) {
            continue;
        }
        if (!ds_past_estimated(past)) {
            break;
        }
        if (past->has_volume) {
            judge->use_l =
                ds_volume_scale(judge->use_l, 1, 1) + ds_volume_scale(past->consumption_l, 1, 1);
        }
        days += ds_past_days(past);
    }
    judge->expected_l = ds_volume_scale(expected->volume_l, days, expected->days);
    judge->spread_l = ds_volume_scale(expected->spread_l, days, expected->days);
}

static void prepare(struct ds_judge *judge)
{
    const struct ds_rule_input *input = judge->input;
    struct ds_findings *out = judge->out;
    out->count = 0;
    out->severity = (enum ds_severity)0;
    out->chosen = ds_choose(input->candidates, judge->count, input->precedence);
    judge->chosen = out->chosen == DS_CHOOSE_NONE ? NULL : &input->candidates[out->chosen];
    judge->previous = ds_past_previous(input->past, input->past_count);
    judge->price_e4 = input->meter->price_e4 > 0 ? input->meter->price_e4 : input->rules->price_e4;
    ds_expected_use(input->meter, input->rules, input->past, input->past_count, input->period,
                    judge->chosen == NULL ? 0 : judge->chosen->instant_ms, &out->expected);
    judge->volume = (struct ds_volume_input){
        .meter = input->meter,
        .rules = input->rules,
        .past = input->past,
        .past_count = input->past_count,
        .swaps = input->swaps,
        .swap_count = input->swap_count,
        .expected = &out->expected,
    };
    const struct ds_candidate nobody = {.has_index = false};
    ds_consumption(&judge->volume, judge->chosen == NULL ? &nobody : judge->chosen,
                   &out->consumption);
    judge_use(judge);
}

void ds_reading_rules(const struct ds_rule_input *input, struct ds_findings *out)
{
    struct ds_judge judge = {
        .input = input,
        .count =
            input->candidate_count < DS_CANDIDATES_MAX ? input->candidate_count : DS_CANDIDATES_MAX,
        .out = out,
    };
    struct ds_hit hit;
    prepare(&judge);
    for (int64_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        const struct ds_rule_limits *limits = &input->rules->rule[rule];
        if (!limits->enabled) {
            continue;
        }
        DS_ASSERT(bodies[rule].look != NULL || bodies[rule].check != NULL);
        clear_hit(&hit, judge.chosen);
        if (bodies[rule].look != NULL) {
            ds_look_at_all(&judge, limits, bodies[rule].look, &hit);
        } else {
            bodies[rule].check(&judge, limits, &hit);
        }
        if (hit.why != DS_WHY_none) {
            add_finding(&judge, ds_rule_def(rule), limits, &hit);
        }
    }
}

const struct ds_finding *ds_findings_of(const struct ds_findings *findings, enum ds_rule rule)
{
    for (size_t i = 0; i < findings->count; i++) {
        if (findings->finding[i].rule == rule) {
            return &findings->finding[i];
        }
    }
    return NULL;
}

/* Rules of how it was read: they judge the chain of methods, and each candidate. */
#include "schema/base/text.h"
#include "schema/rules/reading_impl.h"
#include "schema/rules/volume_impl.h"

#define DAY_MS INT64_C(86400000)
#define MINUTE_MS INT64_C(60000)
/* Instants outside the years 1970..9999 are held within them before any calendar. */
#define INSTANT_MAX_MS INT64_C(253370764800000)

static bool billed_by(const struct ds_judge *judge, enum ds_method method)
{
    return judge->chosen != NULL && !judge->chosen->decided && judge->chosen->method == method;
}

/* This one and the billed ones just before it that were estimated. */
static int64_t estimates_in_a_row(const struct ds_judge *judge)
{
    int64_t run = 1;
    for (size_t i = judge->input->past_count; i > 0; i--) {
        const struct ds_slot_past *past = &judge->input->past[i - 1];
        if (!past->has_index) {
            continue;
        }
        if (!ds_past_estimated(past)) {
            break;
        }
        run++;
    }
    return run;
}

void ds_check_estimates_3(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                          struct ds_hit *hit)
{
    if (!billed_by(judge, DS_METHOD_estimate)) {
        return;
    }
    int64_t run = estimates_in_a_row(judge);
    if (run < limits->limit_1) {
        return;
    }
    hit->why = DS_WHY_estimates_in_a_row;
    hit->grave = true;
    hit->risk_l = judge->use_l;
    ds_hit_note(hit, "estimates", run);
    ds_hit_note(hit, "use_l", judge->use_l);
}

void ds_look_estimate_forbidden(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                                const struct ds_candidate *candidate, struct ds_hit *hit)
{
    (void)limits;
    if (candidate->method != DS_METHOD_estimate ||
        (candidate->purpose != DS_PURPOSE_opening && candidate->purpose != DS_PURPOSE_final &&
         candidate->purpose != DS_PURPOSE_swap_out && candidate->purpose != DS_PURPOSE_swap_in)) {
        return;
    }
    hit->why = DS_WHY_estimate_forbidden;
    hit->grave = true;
    hit->risk_l = judge->out->expected.volume_l;
    ds_hit_note(hit, "purpose", candidate->purpose);
}

void ds_check_estimate_limit(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                             struct ds_hit *hit)
{
    struct ds_hit forbidden = {.why = DS_WHY_none};
    ds_look_at_all(judge, limits, ds_look_estimate_forbidden, &forbidden);
    if (forbidden.why != DS_WHY_none) {
        *hit = forbidden;
        return;
    }
    if (!billed_by(judge, DS_METHOD_estimate)) {
        return;
    }
    int64_t run = estimates_in_a_row(judge);
    if (run <= limits->limit_1) {
        return;
    }
    hit->why = DS_WHY_too_many_estimates;
    hit->risk_l = judge->use_l;
    ds_hit_note(hit, "estimates", run);
    ds_hit_note(hit, "allowed", limits->limit_1);
}

void ds_check_estimate_unproven(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                                struct ds_hit *hit)
{
    (void)limits;
    if (!billed_by(judge, DS_METHOD_estimate)) {
        return;
    }
    if (!judge->input->visit_proven) {
        hit->why = DS_WHY_no_proven_visit;
    } else if (judge->chosen->estimate_method == 0) {
        hit->why = DS_WHY_estimate_unnamed;
    } else {
        return;
    }
    hit->grave = true;
    hit->risk_l = judge->out->consumption.volume_l;
    ds_hit_note(hit, "estimate_method", judge->chosen->estimate_method);
    ds_hit_note(hit, "visit_proven", judge->input->visit_proven);
}

/* Periods in a row, this one counted, in which no reading of ours was billed. */
static int64_t without_own_reading(const struct ds_judge *judge)
{
    int64_t run = 1;
    for (size_t i = judge->input->past_count; i > 0; i--) {
        const struct ds_slot_past *past = &judge->input->past[i - 1];
        if (past->has_index &&
            (past->method == DS_METHOD_on_site || past->method == DS_METHOD_remote ||
             past->method == DS_METHOD_card)) {
            break;
        }
        run++;
    }
    return run;
}

void ds_check_self_report_limit(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                                struct ds_hit *hit)
{
    if (!billed_by(judge, DS_METHOD_self_report)) {
        return;
    }
    int64_t run = without_own_reading(judge);
    if (run <= limits->limit_1) {
        return;
    }
    hit->why = DS_WHY_own_reading_due;
    hit->grave = true;
    hit->risk_l = judge->out->consumption.volume_l;
    ds_hit_note(hit, "periods", run);
    ds_hit_note(hit, "allowed", limits->limit_1);
}

static int64_t held_within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

void ds_check_expired_meter(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                            struct ds_hit *hit)
{
    const struct ds_rule_meter *meter = judge->input->meter;
    const struct ds_candidate *chosen = judge->chosen;
    /* After a swap the expiry known is that of the device that is gone. */
    if (chosen == NULL || !meter->has_expiry || judge->input->swap_count > 0) {
        return;
    }
    int64_t instant = chosen->instant_ms;
    if (chosen->has_interval && chosen->earliest_ms <= chosen->latest_ms) {
        instant = held_within(instant, chosen->earliest_ms, chosen->latest_ms);
    }
    instant = held_within(instant, 0, INSTANT_MAX_MS) + judge->input->offset_min * MINUTE_MS;
    int64_t day = instant < 0 ? -1 : instant / DAY_MS;
    if (day <= meter->expiry_day + limits->limit_1) {
        return;
    }
    hit->why = DS_WHY_meter_expired;
    hit->grave = true;
    ds_hit_note(hit, "day", day);
    ds_hit_note(hit, "expiry_day", meter->expiry_day);
}

/* Litres between two indexes of one dial, the short way round. */
static int64_t apart_l(const struct ds_judge *judge, const struct ds_dial *dial, int64_t a,
                       int64_t b)
{
    int64_t size = ds_dial_size(dial->digits);
    int64_t counts = a > b ? a - b : b - a;
    if (counts < size && size - counts < counts) {
        counts = size - counts;
    }
    return ds_volume_scale(counts, dial->unit_l * ds_meter_multiplier(judge->input->meter), 1);
}

static int64_t consumption_size(const struct ds_judge *judge, const struct ds_candidate *candidate)
{
    struct ds_consumption consumption;
    ds_consumption(&judge->volume, candidate, &consumption);
    return consumption.volume_l < 0 ? -consumption.volume_l : consumption.volume_l;
}

static bool on_site_with_index(const struct ds_candidate *candidate)
{
    return !candidate->decided && ds_candidate_competes(candidate) &&
           candidate->method == DS_METHOD_on_site && candidate->has_index;
}

/* A pair that disagrees, the preferred one of the two first. */
struct pair {
    const struct ds_candidate *a; /* NULL: none yet. */
    const struct ds_candidate *b;
    int64_t apart_l;
    int64_t use_l; /* The larger consumption of the two. */
};

/* The wider pair is reported; of equal ones that with the preferred readings: no order of arrival
 * shows. */
static bool goes_before(const struct ds_judge *judge, const struct pair *x, const struct pair *y)
{
    const struct ds_precedence *precedence = judge->input->precedence;
    if (y->a == NULL || x->apart_l != y->apart_l) {
        return y->a == NULL || x->apart_l > y->apart_l;
    }
    int first = ds_candidate_compare(x->a, y->a, precedence);
    return first < 0 || (first == 0 && ds_candidate_compare(x->b, y->b, precedence) < 0);
}

static void compare_pair(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                         const struct pair *pair, struct pair *widest)
{
    const struct ds_rule_input *input = judge->input;
    struct pair one = *pair;
    if (ds_candidate_compare(one.a, one.b, input->precedence) > 0) {
        one.a = pair->b;
        one.b = pair->a;
    }
    struct ds_dial dial =
        ds_dial_at(input->meter, input->swaps, input->swap_count, one.a->instant_ms);
    struct ds_dial other =
        ds_dial_at(input->meter, input->swaps, input->swap_count, one.b->instant_ms);
    one.apart_l = apart_l(judge, &dial, one.a->index, one.b->index);
    if (dial.swap_count == other.swap_count && one.apart_l > limits->limit_1 &&
        one.apart_l > ds_volume_scale(one.use_l, limits->limit_2, 100) &&
        goes_before(judge, &one, widest)) {
        *widest = one;
    }
}

void ds_check_readings_disagree(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                                struct ds_hit *hit)
{
    const struct ds_candidate *candidates = judge->input->candidates;
    int64_t use_l[DS_CANDIDATES_MAX];
    uint8_t place[DS_CANDIDATES_MAX];
    size_t count = 0;
    struct pair widest = {NULL, NULL, 0, 0};
    for (size_t i = 0; i < judge->count; i++) {
        if (on_site_with_index(&candidates[i])) {
            place[count++] = (uint8_t)i;
        }
    }
    for (size_t i = 0; i < count && count > 1; i++) {
        use_l[i] = consumption_size(judge, &candidates[place[i]]);
        for (size_t j = 0; j < i; j++) {
            struct pair pair = {&candidates[place[i]], &candidates[place[j]], 0,
                                use_l[i] > use_l[j] ? use_l[i] : use_l[j]};
            compare_pair(judge, limits, &pair, &widest);
        }
    }
    if (widest.a == NULL) {
        return;
    }
    hit->why = DS_WHY_two_readings_differ;
    hit->grave = true;
    hit->risk_l = widest.apart_l;
    hit->candidate = widest.a;
    ds_hit_note(hit, "index", widest.a->index);
    ds_hit_note(hit, "other_index", widest.b->index);
    ds_hit_note(hit, "apart_l", widest.apart_l);
    ds_hit_note(hit, "use_l", widest.use_l);
}

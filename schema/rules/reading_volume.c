/* Rules of the volume: they judge the chosen reading. */
#include "schema/rules/reading_impl.h"
#include "schema/rules/volume_impl.h"

static int64_t magnitude(int64_t value)
{
    return value < 0 ? -value : value;
}

static void note_indexes(const struct ds_judge *judge, struct ds_hit *hit)
{
    ds_hit_note(hit, "index", judge->chosen->index);
    ds_hit_note(hit, "previous", judge->out->consumption.previous_index);
}

static void note_use(const struct ds_judge *judge, struct ds_hit *hit)
{
    ds_hit_note(hit, "use_l", judge->use_l);
    ds_hit_note(hit, "expected_l", judge->expected_l);
    ds_hit_note(hit, "spread_l", judge->spread_l);
    ds_hit_note(hit, "samples", judge->out->expected.samples);
}

void ds_check_reversed(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                       struct ds_hit *hit)
{
    const struct ds_consumption *consumption = &judge->out->consumption;
    (void)limits;
    if (consumption->kind != DS_VOLUME_reversed) {
        return;
    }
    hit->why = consumption->why;
    hit->grave = true;
    hit->risk_l = consumption->volume_l;
    note_indexes(judge, hit);
    ds_hit_note(hit, "volume_l", consumption->volume_l);
    ds_hit_note(hit, "expected_l", judge->out->expected.volume_l);
}

/* Somebody lives here, pays for gas, and is expected to use a noticeable amount of it. */
static bool use_is_due(const struct ds_judge *judge, int64_t least_l)
{
    const struct ds_rule_meter *meter = judge->input->meter;
    return !meter->vacant && !meter->paused && judge->chosen->condition != DS_CONDITION_vacant &&
           judge->out->expected.source != DS_EXPECTED_none && judge->expected_l >= least_l;
}

void ds_check_zero_occupied(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                            struct ds_hit *hit)
{
    if (!judge->judged || judge->use_l != 0 || !use_is_due(judge, limits->limit_1)) {
        return;
    }
    hit->why = DS_WHY_no_use_while_occupied;
    hit->grave = true;
    hit->risk_l = judge->expected_l;
    note_indexes(judge, hit);
    ds_hit_note(hit, "expected_l", judge->expected_l);
    ds_hit_note(hit, "days", judge->out->expected.days);
}

void ds_check_spike(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                    struct ds_hit *hit)
{
    static const enum ds_why whys[] = {DS_WHY_none, DS_WHY_above_season, DS_WHY_above_recent,
                                       DS_WHY_above_yearly};
    int64_t band = ds_volume_scale(judge->spread_l, limits->limit_2, 100);
    int64_t above = judge->use_l - judge->expected_l;
    if (!judge->judged || above <= band) {
        return;
    }
    hit->why = whys[judge->out->expected.source];
    hit->risk_l = above;
    hit->grave = ds_risk_fen(above, judge->price_e4) > limits->limit_1;
    note_use(judge, hit);
}

void ds_check_slump(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                    struct ds_hit *hit)
{
    static const enum ds_why whys[] = {DS_WHY_none, DS_WHY_below_season, DS_WHY_below_recent,
                                       DS_WHY_below_yearly};
    int64_t band = ds_volume_scale(judge->spread_l, limits->limit_1, 100);
    int64_t below = judge->expected_l - judge->use_l;
    if (!judge->judged || judge->use_l == 0 || below <= band || below < limits->limit_2) {
        return;
    }
    hit->why = whys[judge->out->expected.source];
    hit->grave = true;
    hit->risk_l = below;
    note_use(judge, hit);
}

void ds_check_passing_zero(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                           struct ds_hit *hit)
{
    const struct ds_consumption *consumption = &judge->out->consumption;
    (void)limits; /* ds_consumption() has used them. */
    if (consumption->kind != DS_VOLUME_passing_zero) {
        return;
    }
    hit->why = DS_WHY_dial_passed_zero;
    hit->grave = true;
    hit->risk_l = consumption->volume_l;
    note_indexes(judge, hit);
    ds_hit_note(hit, "volume_l", consumption->volume_l);
    ds_hit_note(hit, "expected_l", judge->out->expected.volume_l);
}

void ds_check_stopped_2(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                        struct ds_hit *hit)
{
    const struct ds_rule_input *input = judge->input;
    if (!judge->judged || judge->use_l != 0 || !use_is_due(judge, limits->limit_2)) {
        return;
    }
    int64_t periods = 1;
    for (size_t i = input->past_count; i > 0; i--) {
        const struct ds_slot_past *past = &input->past[i - 1];
        if (!past->has_index) {
            continue;
        }
        if (ds_past_estimated(past) || !past->has_volume || past->consumption_l != 0) {
            break;
        }
        periods++;
    }
    if (periods < limits->limit_1) {
        return;
    }
    hit->why = DS_WHY_dial_stands_still;
    hit->grave = true;
    hit->risk_l = ds_volume_scale(judge->expected_l, periods, 1);
    ds_hit_note(hit, "index", judge->chosen->index);
    ds_hit_note(hit, "periods", periods);
    ds_hit_note(hit, "expected_l", judge->expected_l);
}

void ds_check_commercial_drop(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                              struct ds_hit *hit)
{
    if (!judge->judged || judge->input->meter->account_class != DS_CLASS_commercial ||
        judge->out->expected.source == DS_EXPECTED_none || judge->expected_l < limits->limit_2 ||
        judge->use_l >= ds_volume_scale(judge->expected_l, limits->limit_1, 100)) {
        return;
    }
    hit->why = DS_WHY_dropped_by_half;
    hit->grave = true;
    hit->risk_l = judge->expected_l - judge->use_l;
    note_use(judge, hit);
}

void ds_check_over_estimate(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                            struct ds_hit *hit)
{
    const struct ds_consumption *consumption = &judge->out->consumption;
    if (consumption->kind != DS_VOLUME_over_estimate) {
        return;
    }
    hit->why = DS_WHY_estimated_too_much;
    hit->risk_l = consumption->volume_l;
    hit->grave = magnitude(consumption->volume_l) >= limits->limit_1;
    note_indexes(judge, hit);
    ds_hit_note(hit, "last_actual", judge->previous->last_actual_index);
    ds_hit_note(hit, "rebilled_l", consumption->rebilled_l);
    ds_hit_note(hit, "billed_l", consumption->billed_l);
}

void ds_check_beyond_dial(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                          struct ds_hit *hit)
{
    const struct ds_rule_input *input = judge->input;
    const struct ds_consumption *consumption = &judge->out->consumption;
    (void)limits;
    if (consumption->kind != DS_VOLUME_unknown) {
        return;
    }
    struct ds_dial dial =
        ds_dial_at(input->meter, input->swaps, input->swap_count, judge->chosen->instant_ms);
    hit->why = consumption->why;
    hit->grave = true;
    hit->risk_l = judge->out->expected.volume_l;
    note_indexes(judge, hit);
    ds_hit_note(hit, "dial", ds_dial_size(dial.digits));
    ds_hit_note(hit, "unit_l", dial.unit_l);
}

void ds_check_unknown_predecessor(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                                  struct ds_hit *hit)
{
    (void)limits;
    if (judge->out->consumption.kind != DS_VOLUME_no_predecessor) {
        return;
    }
    hit->grave = judge->input->past_count > 0;
    hit->why = hit->grave ? DS_WHY_nothing_billed_before : DS_WHY_first_period;
    hit->risk_l = judge->out->expected.volume_l;
    ds_hit_note(hit, "index", judge->chosen->index);
    ds_hit_note(hit, "periods_before", (int64_t)judge->input->past_count);
}

/* purchased - change of remaining is what the electronics let through. False on overflow. */
static bool sold(const struct ds_judge *judge, int64_t *litres)
{
    const struct ds_rule_input *input = judge->input;
    int64_t purchased = 0;
    int64_t remaining = 0;
    return !__builtin_sub_overflow(judge->chosen->purchased_l, input->previous_purchased_l,
                                   &purchased) &&
           !__builtin_sub_overflow(judge->chosen->remaining_l, input->previous_remaining_l,
                                   &remaining) &&
           !__builtin_sub_overflow(purchased, remaining, litres);
}

void ds_check_meter_drift(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                          struct ds_hit *hit)
{
    const struct ds_rule_input *input = judge->input;
    const struct ds_consumption *consumption = &judge->out->consumption;
    int64_t electronic = 0;
    int64_t apart = 0;
    if (!judge->judged || consumption->swapped || !judge->chosen->has_card ||
        !input->has_previous_card || input->meter->kind == DS_METER_KIND_mechanical ||
        ds_past_estimated(judge->previous) || !sold(judge, &electronic) ||
        __builtin_sub_overflow(electronic, consumption->volume_l, &apart)) {
        return;
    }
    struct ds_dial dial = ds_dial_at(input->meter, NULL, 0, 0);
    int64_t count_l = dial.unit_l * ds_meter_multiplier(input->meter);
    int64_t allowed = limits->limit_1 < count_l ? count_l : limits->limit_1;
    int64_t share = ds_volume_scale(consumption->volume_l, limits->limit_2, 100);
    apart = apart == INT64_MIN ? INT64_MAX : magnitude(apart);
    if (apart <= allowed || apart <= share) {
        return;
    }
    hit->why = DS_WHY_dial_and_account_differ;
    hit->grave = true;
    hit->risk_l = apart;
    ds_hit_note(hit, "dial_l", consumption->volume_l);
    ds_hit_note(hit, "card_l", electronic);
    ds_hit_note(hit, "purchased_l", judge->chosen->purchased_l);
    ds_hit_note(hit, "remaining_l", judge->chosen->remaining_l);
}

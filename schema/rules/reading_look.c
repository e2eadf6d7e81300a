/* Rules of the act of reading: where, when, how fast, with which photo. They judge each one. */
#include "schema/base/text.h"
#include "schema/rules/reading_impl.h"

#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define INSTANT_MAX_MS INT64_C(253370764800000)

void ds_look_far_from_premises(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                               const struct ds_candidate *candidate, struct ds_hit *hit)
{
    const struct ds_rule_meter *meter = judge->input->meter;
    if (candidate->method != DS_METHOD_on_site || !candidate->has_position ||
        (meter->position_quality != DS_POSITION_learned &&
         meter->position_quality != DS_POSITION_surveyed)) {
        return;
    }
    int64_t distance_m = ds_geo_distance_m(candidate->position, meter->position);
    int64_t beyond_m = limits->limit_1 + candidate->accuracy_m + meter->accuracy_m;
    if (candidate->mock && limits->limit_2 == 0) {
        return;
    }
    if (!candidate->mock && distance_m <= beyond_m) {
        return;
    }
    hit->why = candidate->mock ? DS_WHY_mock_position : DS_WHY_too_far;
    hit->grave = true;
    ds_hit_note(hit, "distance_m", distance_m);
    ds_hit_note(hit, "accuracy_m", candidate->accuracy_m);
    ds_hit_note(hit, "premises_accuracy_m", meter->accuracy_m);
    ds_hit_note(hit, "limit_m", limits->limit_1);
    ds_hit_note(hit, "mock", candidate->mock);
}

/* The worker's reading before, if it was at another meter and not in the same cabinet. */
static const struct ds_reader_before *elsewhere(const struct ds_judge *judge,
                                                const struct ds_candidate *candidate)
{
    const struct ds_rule_meter *meter = judge->input->meter;
    const struct ds_reader_before *before = candidate->before;
    if (before == NULL || ds_id_equal(&before->meter, &meter->meter) ||
        (before->cabinet != 0 && before->cabinet == meter->cabinet)) {
        return NULL;
    }
    return before;
}

void ds_look_implausible_pace(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                              const struct ds_candidate *candidate, struct ds_hit *hit)
{
    const struct ds_reader_before *before = elsewhere(judge, candidate);
    int64_t elapsed_ms = 0;
    if (before == NULL || candidate->method != DS_METHOD_on_site ||
        __builtin_sub_overflow(candidate->instant_ms, before->instant_ms, &elapsed_ms) ||
        elapsed_ms < 0) {
        return; /* A clock that ran backwards says nothing of the pace. */
    }
    int64_t distance_m = 0;
    int64_t way_m = 0; /* The least that he must have gone. */
    if (before->has_position && candidate->has_position && !candidate->mock) {
        distance_m = ds_geo_distance_m(candidate->position, before->position);
        way_m = distance_m - candidate->accuracy_m - before->accuracy_m;
    }
    if (elapsed_ms < limits->limit_1 * 1000) {
        hit->why = DS_WHY_too_soon;
    } else if (way_m > 0 && way_m * 1000 / limits->limit_2 > elapsed_ms) {
        hit->why = DS_WHY_too_fast;
    } else {
        return;
    }
    hit->grave = true;
    ds_hit_note(hit, "elapsed_ms", elapsed_ms);
    ds_hit_note(hit, "distance_m", distance_m);
    ds_hit_note(hit, "accuracy_m", candidate->accuracy_m);
    ds_hit_note(hit, "before_accuracy_m", before->accuracy_m);
}

void ds_look_equal_index(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                         const struct ds_candidate *candidate, struct ds_hit *hit)
{
    const struct ds_reader_before *before = elsewhere(judge, candidate);
    if (before == NULL || candidate->method != DS_METHOD_on_site || !candidate->has_index ||
        !before->has_index || candidate->index != before->index ||
        candidate->index < limits->limit_1) {
        return;
    }
    hit->why = DS_WHY_index_as_before;
    hit->grave = true;
    hit->risk_l = judge->out->consumption.volume_l;
    ds_hit_note(hit, "index", candidate->index);
    ds_hit_note(hit, "before_index", before->index);
}

static bool same_photo(const struct ds_hash *a, const struct ds_hash *b)
{
    return !ds_hash_is_none(a) && ds_hash_equal(a, b);
}

static bool photo_of_another(const struct ds_judge *judge, const struct ds_candidate *candidate)
{
    for (size_t i = 0; i < judge->count; i++) {
        const struct ds_candidate *other = &judge->input->candidates[i];
        if (!ds_id_equal(&other->worker, &candidate->worker) &&
            same_photo(&candidate->photo, &other->photo)) {
            return true;
        }
    }
    return false;
}

void ds_look_same_photo(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                        const struct ds_candidate *candidate, struct ds_hit *hit)
{
    const struct ds_reader_before *before = elsewhere(judge, candidate);
    (void)limits;
    if (same_photo(&candidate->photo, &judge->input->previous_photo)) {
        hit->why = DS_WHY_photo_as_last_period;
    } else if (photo_of_another(judge, candidate)) {
        hit->why = DS_WHY_photo_of_another;
    } else if (before != NULL && same_photo(&candidate->photo, &before->photo)) {
        hit->why = DS_WHY_photo_as_before;
    } else {
        return;
    }
    const uint8_t *byte = candidate->photo.byte;
    hit->grave = true;
    hit->risk_l = judge->out->consumption.volume_l;
    /* The head of the hash, enough to find the photo by eye. */
    ds_hit_note(hit, "photo_head", (int64_t)byte[0] << 24 | byte[1] << 16 | byte[2] << 8 | byte[3]);
}

static int64_t held_within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static int32_t period_of(int64_t instant_ms, int32_t offset_min)
{
    return ds_period_of_instant(held_within(instant_ms, 0, INSTANT_MAX_MS), offset_min);
}

/* Without the server's interval only one thing is sure: time does not run back behind the reading
 * that was billed before. */
static void look_without_interval(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                                  const struct ds_candidate *candidate, struct ds_hit *hit)
{
    int64_t back_ms = 0;
    if (judge->previous == NULL ||
        __builtin_sub_overflow(judge->previous->instant_ms, candidate->instant_ms, &back_ms) ||
        back_ms <= limits->limit_2 * MINUTE_MS) {
        return;
    }
    hit->why = DS_WHY_claimed_outside;
    ds_hit_note(hit, "instant_ms", candidate->instant_ms);
    ds_hit_note(hit, "previous_ms", judge->previous->instant_ms);
}

void ds_look_clock_untrusted(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                             const struct ds_candidate *candidate, struct ds_hit *hit)
{
    if (!candidate->has_interval) {
        look_without_interval(judge, limits, candidate, hit);
        return;
    }
    int64_t earliest = held_within(candidate->earliest_ms, -INSTANT_MAX_MS, INSTANT_MAX_MS);
    int64_t latest = held_within(candidate->latest_ms, -INSTANT_MAX_MS, INSTANT_MAX_MS);
    int64_t claimed = held_within(candidate->instant_ms, -INSTANT_MAX_MS, INSTANT_MAX_MS);
    int64_t slack = limits->limit_2 * MINUTE_MS;
    int32_t offset_min = judge->input->offset_min;
    if (latest - earliest > limits->limit_1 * MINUTE_MS) {
        hit->grave = period_of(earliest, offset_min) != period_of(latest, offset_min);
        hit->why = hit->grave ? DS_WHY_period_uncertain : DS_WHY_interval_wide;
    } else if (claimed < earliest - slack || claimed > latest + slack) {
        hit->why = DS_WHY_claimed_outside;
    } else {
        return;
    }
    hit->risk_l = hit->grave ? judge->out->consumption.volume_l : 0;
    ds_hit_note(hit, "instant_ms", candidate->instant_ms);
    ds_hit_note(hit, "earliest_ms", earliest);
    ds_hit_note(hit, "latest_ms", latest);
}

void ds_look_after_billing(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                           const struct ds_candidate *candidate, struct ds_hit *hit)
{
    const struct ds_rule_input *input = judge->input;
    (void)limits;
    if (!input->frozen || candidate->order <= input->frozen_order ||
        !ds_candidate_competes(candidate)) {
        return;
    }
    hit->why = DS_WHY_read_after_billing;
    hit->grave = true;
    if (__builtin_sub_overflow(judge->out->consumption.volume_l, input->frozen_volume_l,
                               &hit->risk_l)) {
        hit->risk_l = INT64_MAX;
    }
    ds_hit_note(hit, "index", candidate->has_index ? candidate->index : -1);
    ds_hit_note(hit, "volume_l", judge->out->consumption.volume_l);
    ds_hit_note(hit, "billed_l", input->frozen_volume_l);
}

void ds_look_condition_reported(const struct ds_judge *judge, const struct ds_rule_limits *limits,
                                const struct ds_candidate *candidate, struct ds_hit *hit)
{
    (void)limits;
    switch ((int)candidate->condition) {
    case DS_CONDITION_stopped:
    case DS_CONDITION_reversed:
    case DS_CONDITION_damaged:
    case DS_CONDITION_tamper:
        hit->why = DS_WHY_meter_condition;
        hit->grave = true;
        break;
    case DS_CONDITION_not_seen:
    case DS_CONDITION_dirty:
        hit->why = DS_WHY_dial_unreadable;
        break;
    default:
        return;
    }
    hit->risk_l = judge->out->expected.volume_l;
    ds_hit_note(hit, "condition", candidate->condition);
    ds_hit_note(hit, "has_index", candidate->has_index);
}

/* One plain slot to bend: a home that used 20 m3 in each of the 24 months before 202601 and is read
 * on site at 1020 after 1000; nothing is wrong with it. Tests change one thing and look for one
 * rule. Header only. */
#ifndef DS_TESTS_SUPPORT_SLOT_CASE_H
#define DS_TESTS_SUPPORT_SLOT_CASE_H

#include "schema/base/text.h"
#include "schema/rules/reading.h"

#include <string.h>

#define SLOT_CASE_CANDIDATES 8
#define SLOT_CASE_PAST 40
#define SLOT_CASE_SWAPS 4

struct slot_case {
    struct ds_rule_table rules;
    struct ds_precedence precedence;
    struct ds_rule_meter meter;
    struct ds_candidate candidate[SLOT_CASE_CANDIDATES];
    struct ds_reader_before before;
    struct ds_slot_past past[SLOT_CASE_PAST];
    struct ds_swap_seen swap[SLOT_CASE_SWAPS];
    struct ds_rule_input input;
    struct ds_findings out;
};

/* Ten in the morning, UTC, of the last day of the month. */
static inline int64_t slot_case_instant(int32_t period)
{
    struct ds_date date = {period / 100, period % 100, ds_period_days(period)};
    return ds_date_to_days(date) * INT64_C(86400000) + INT64_C(36000000);
}

static inline struct ds_slot_past slot_case_month(int32_t period, int64_t index, int64_t volume_l)
{
    return (struct ds_slot_past){
        .period = period,
        .days = ds_period_days(period),
        .instant_ms = slot_case_instant(period),
        .has_index = true,
        .index = index,
        .final_index = index,
        .has_volume = true,
        .consumption_l = volume_l,
        .method = DS_METHOD_on_site,
    };
}

static inline struct ds_id slot_case_id(uint8_t number)
{
    struct ds_id id = {{0}};
    id.byte[15] = number;
    return id;
}

static inline struct ds_hash slot_case_photo(uint8_t number)
{
    struct ds_hash hash = {{0}};
    hash.byte[0] = number;
    return hash;
}

/* Months of history, of volume_l each, that end at index 1000 (final). */
static inline void slot_case_history(struct slot_case *slot, int32_t months, int64_t volume_l)
{
    for (int32_t i = 0; i < months; i++) {
        int64_t index = 1000 - (months - 1 - i) * (volume_l / 1000);
        slot->past[i] =
            slot_case_month(ds_period_add(slot->input.period, i - months), index, volume_l);
    }
    slot->input.past_count = (size_t)months;
}

static inline void slot_case_init(struct slot_case *slot)
{
    memset(slot, 0, sizeof *slot);
    slot->rules = *ds_rule_defaults();
    slot->precedence = *ds_precedence_default();
    slot->meter.meter = slot_case_id(200);
    slot->meter.price_e4 = 30000;
    slot->candidate[0] = (struct ds_candidate){
        .op = slot_case_id(1),
        .worker = slot_case_id(101),
        .order = 10,
        .instant_ms = slot_case_instant(202601),
        .has_index = true,
        .index = 1020,
        .method = DS_METHOD_on_site,
    };
    slot->before = (struct ds_reader_before){
        .meter = slot_case_id(201),
        .instant_ms = slot->candidate[0].instant_ms - 60000,
        .has_index = true,
        .index = 777,
    };
    slot->input = (struct ds_rule_input){
        .rules = &slot->rules,
        .precedence = &slot->precedence,
        .meter = &slot->meter,
        .period = 202601,
        .offset_min = 480,
        .candidates = slot->candidate,
        .candidate_count = 1,
        .past = slot->past,
        .swaps = slot->swap,
    };
    slot_case_history(slot, 24, 20000);
}

/* The newest past month. */
static inline struct ds_slot_past *slot_case_last(struct slot_case *slot)
{
    return &slot->past[slot->input.past_count - 1];
}

/* One more candidate like the first, by another worker, an hour later. */
static inline struct ds_candidate *slot_case_second(struct slot_case *slot)
{
    struct ds_candidate *second = &slot->candidate[slot->input.candidate_count++];
    *second = slot->candidate[0];
    second->op = slot_case_id((uint8_t)slot->input.candidate_count);
    second->worker = slot_case_id((uint8_t)(100 + slot->input.candidate_count));
    second->instant_ms += 3600000;
    second->order++;
    return second;
}

/* The last months (count) become estimates from this index on, with their volumes; final indexes go
 * up by volume. */
static inline void slot_case_estimate_last(struct slot_case *slot, size_t count)
{
    size_t first = slot->input.past_count - count;
    for (size_t i = first; i < slot->input.past_count; i++) {
        slot->past[i].method = DS_METHOD_estimate;
        slot->past[i].has_last_actual = true;
        slot->past[i].last_actual_index = slot->past[first - 1].index;
    }
}

/* Judge, and give the finding of one rule. */
static inline const struct ds_finding *slot_case_judge(struct slot_case *slot, enum ds_rule rule)
{
    ds_reading_rules(&slot->input, &slot->out);
    return ds_findings_of(&slot->out, rule);
}

/* Consumption of the case's first candidate. */
static inline struct ds_consumption slot_case_consume(struct slot_case *slot)
{
    struct ds_expected expected;
    struct ds_consumption out;
    const struct ds_rule_input *input = &slot->input;
    ds_expected_use(&slot->meter, &slot->rules, slot->past, input->past_count, input->period,
                    slot->candidate[0].instant_ms, &expected);
    const struct ds_volume_input volume = {
        .meter = &slot->meter,
        .rules = &slot->rules,
        .past = slot->past,
        .past_count = input->past_count,
        .swaps = slot->swap,
        .swap_count = input->swap_count,
        .expected = &expected,
    };
    ds_consumption(&volume, &slot->candidate[0], &out);
    return out;
}

/* One swap ten days before the reading: old dial ends at 1012, new one starts at 3. */
static inline void slot_case_add_swap(struct slot_case *slot)
{
    slot->swap[0] = (struct ds_swap_seen){
        .instant_ms = slot->candidate[0].instant_ms - INT64_C(864000000),
        .old_final_index = 1012,
        .new_initial_index = 3,
    };
    slot->input.swap_count = 1;
    slot->candidate[0].index = 11;
}

#endif

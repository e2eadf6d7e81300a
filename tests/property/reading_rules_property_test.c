/* The rules under random slots: no order of arrival shows, nothing overflows, sums are whole.
 * DS_SEED=N tries one seed alone. */
#include "tests/support/prng.h"
#include "tests/support/slot_case.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#define INDEX_MAX INT64_C(999999999999)
#define INSTANT_MIN INT64_C(-8640000000000)
#define INSTANT_MAX INT64_C(253402300799999)

static uint64_t first_seed(uint64_t *last, uint64_t count)
{
    const char *text = getenv("DS_SEED");
    int64_t seed = 0;
    if (text != NULL && ds_int_parse(ds_slice_of_text(text), &seed) == DS_OK) {
        *last = (uint64_t)seed;
        return (uint64_t)seed;
    }
    *last = count;
    return 1;
}

static bool coin(struct prng *prng)
{
    return prng_below(prng, 2) == 1;
}

/* Mostly near the previous index, sometimes anywhere, sometimes beyond. */
static int64_t random_index(struct prng *prng)
{
    switch (prng_below(prng, 6)) {
    case 0:
        return prng_between(prng, 0, 99999);
    case 1:
        return (int64_t)(prng_edgy(prng) % (uint64_t)(INDEX_MAX + 1));
    default:
        return prng_between(prng, 980, 1060);
    }
}

static int64_t random_instant(struct prng *prng)
{
    switch (prng_below(prng, 8)) {
    case 0:
        return coin(prng) ? INSTANT_MIN : INSTANT_MAX;
    case 1:
        return prng_between(prng, INSTANT_MIN, INSTANT_MAX);
    default:
        return slot_case_instant(202601) - prng_between(prng, 0, 3) * 60000;
    }
}

static struct ds_geo random_position(struct prng *prng)
{
    struct ds_geo near_by = {380428000 + (int32_t)prng_between(prng, -40000, 40000), 1145149000};
    struct ds_geo anywhere = {(int32_t)prng_between(prng, -900000000, 900000000),
                              (int32_t)prng_between(prng, -1800000000, 1800000000)};
    return coin(prng) ? near_by : anywhere;
}

static int64_t random_volume(struct prng *prng)
{
    int64_t volume = (int64_t)(prng_edgy(prng) % (uint64_t)(DS_VOLUME_MAX_L + 1));
    return coin(prng) ? prng_between(prng, 0, 60000) : coin(prng) ? volume : -volume;
}

static void random_candidate(struct prng *prng, struct ds_candidate *candidate, uint8_t number)
{
    *candidate = (struct ds_candidate){
        .op = slot_case_id(number),
        .worker = slot_case_id((uint8_t)prng_between(prng, 101, 103)),
        .order = prng_between(prng, 1, 20),
        .instant_ms = random_instant(prng),
        .has_interval = coin(prng),
        .has_index = prng_below(prng, 5) > 0,
        .index = random_index(prng),
        .decided = prng_below(prng, 12) == 0,
        .method = (enum ds_method)prng_between(prng, 1, 6),
        .purpose = (enum ds_purpose)(coin(prng) ? 1 : prng_between(prng, 0, 7)),
        .condition = (enum ds_condition)prng_between(prng, 0, 9),
        .estimate_method = (enum ds_estimate_method)prng_between(prng, 0, 4),
        .has_position = coin(prng),
        .mock = prng_below(prng, 4) == 0,
        .position = random_position(prng),
        .accuracy_m = prng_between(prng, 0, 100000) % prng_between(prng, 1, 100000),
        .has_card = coin(prng),
        .purchased_l = random_volume(prng),
        .remaining_l = random_volume(prng),
    };
    candidate->has_volume = candidate->decided && coin(prng);
    candidate->volume_l = random_volume(prng);
    candidate->earliest_ms = coin(prng) ? candidate->instant_ms - 60000 : (int64_t)prng_next(prng);
    candidate->latest_ms = coin(prng) ? candidate->instant_ms + 60000 : (int64_t)prng_next(prng);
    if (coin(prng)) {
        candidate->photo = slot_case_photo((uint8_t)prng_between(prng, 1, 3));
    }
}

static void random_past(struct prng *prng, struct slot_case *slot)
{
    for (size_t i = 0; i < slot->input.past_count; i++) {
        struct ds_slot_past *past = &slot->past[i];
        if (prng_below(prng, 4) > 0) {
            continue;
        }
        past->days = (int32_t)prng_between(prng, 0, 5000);
        past->instant_ms = random_instant(prng);
        past->has_index = prng_below(prng, 4) > 0;
        past->final_index = random_index(prng);
        past->has_volume = prng_below(prng, 4) > 0;
        past->consumption_l = random_volume(prng);
        past->method = (enum ds_method)prng_between(prng, 1, 6);
        past->has_last_actual = coin(prng);
        past->last_actual_index = random_index(prng);
    }
}

static void random_slot(struct prng *prng, struct slot_case *slot)
{
    slot_case_init(slot);
    slot_case_history(slot, (int32_t)prng_between(prng, 0, 39), 20000);
    random_past(prng, slot);
    slot->input.candidate_count = (size_t)prng_between(prng, 0, 5);
    for (size_t i = 0; i < slot->input.candidate_count; i++) {
        random_candidate(prng, &slot->candidate[i], (uint8_t)(1 + i));
        slot->candidate[i].before = coin(prng) ? &slot->before : NULL;
    }
    if (slot->input.past_count > 0 && prng_below(prng, 8) == 0) { /* A dial that stands still. */
        *slot_case_last(slot) = slot_case_month(202512, 1000, 0);
        for (size_t i = 0; i < slot->input.candidate_count; i++) {
            slot->candidate[i].index = 1000;
        }
    }
    if (slot->input.past_count > 4 && prng_below(prng, 8) == 0) { /* Nobody at home for long. */
        slot_case_estimate_last(slot, (size_t)prng_between(prng, 1, 4));
    }
    slot->before.index = random_index(prng);
    slot->before.instant_ms = random_instant(prng);
    slot->before.has_position = coin(prng);
    slot->before.position = random_position(prng);
    slot->before.photo = slot_case_photo(1);
    slot->before.cabinet = prng_below(prng, 2);
    slot->meter.cabinet = prng_below(prng, 2);
    slot->meter.dial_digits = (int32_t)prng_between(prng, 0, 12);
    slot->meter.unit_l = coin(prng) ? 0 : prng_between(prng, 1, DS_UNIT_L_MAX);
    slot->meter.multiplier = coin(prng) ? 0 : prng_between(prng, 1, DS_MULTIPLIER_MAX);
    slot->meter.kind = (enum ds_meter_kind)prng_between(prng, 0, 3);
    slot->meter.account_class = (enum ds_account_class)prng_between(prng, 0, 4);
    slot->meter.price_e4 = prng_between(prng, 0, 100000000);
    slot->meter.yearly_l = coin(prng) ? 0 : prng_between(prng, 0, INT64_C(1000000000000));
    slot->meter.has_expiry = coin(prng);
    slot->meter.expiry_day = prng_between(prng, -36525, 47482);
    slot->meter.position_quality = (enum ds_position_quality)prng_between(prng, 0, 4);
    slot->meter.position = random_position(prng);
    slot->meter.accuracy_m = prng_between(prng, 0, 10000);
    slot->input.swap_count = prng_below(prng, 4) == 0 ? (size_t)prng_between(prng, 1, 3) : 0;
    for (size_t i = 0; i < slot->input.swap_count; i++) {
        slot->swap[i] = (struct ds_swap_seen){
            random_instant(prng), random_index(prng), random_index(prng),
            (int32_t)prng_between(prng, 0, 12), prng_between(prng, 0, DS_UNIT_L_MAX)};
    }
    slot->input.frozen = coin(prng);
    slot->input.frozen_order = prng_between(prng, 0, 20);
    slot->input.frozen_volume_l = random_volume(prng);
    slot->input.visit_proven = coin(prng);
    slot->input.previous_photo = slot_case_photo((uint8_t)prng_between(prng, 0, 3));
    slot->input.has_previous_card = coin(prng);
    slot->input.previous_purchased_l = random_volume(prng);
    slot->input.previous_remaining_l = random_volume(prng);
}

static void same_finding(const struct ds_finding *a, const struct ds_finding *b)
{
    assert_int_equal(a->rule, b->rule);
    assert_int_equal(a->severity, b->severity);
    assert_int_equal(a->why, b->why);
    assert_int_equal(a->risk_fen, b->risk_fen);
    assert_true(ds_id_equal(&a->op, &b->op));
    assert_int_equal(a->input_count, b->input_count);
    for (size_t i = 0; i < a->input_count; i++) {
        assert_string_equal(a->input[i].name, b->input[i].name);
        assert_int_equal(a->input[i].value, b->input[i].value);
    }
}

static void check_invariants(const struct slot_case *slot)
{
    const struct ds_findings *out = &slot->out;
    enum ds_severity gravest = (enum ds_severity)0;
    assert_true(out->count <= DS_FINDINGS_MAX);
    for (size_t i = 0; i < out->count; i++) {
        const struct ds_finding *finding = &out->finding[i];
        const struct ds_rule_def *def = ds_rule_def((int64_t)finding->rule);
        char text[DS_FINDING_TEXT_SIZE];
        struct ds_builder builder;
        ds_builder_init(&builder, text, sizeof text);
        ds_finding_put_inputs(finding, &builder);
        assert_true(strlen(ds_builder_text(&builder)) > 4); /* It fits. */
        assert_true(i == 0 || out->finding[i - 1].rule < finding->rule);
        assert_true(finding->severity == def->severity || finding->severity == def->mild);
        assert_true(finding->risk_fen >= 0 && finding->risk_fen <= DS_RISK_FEN_MAX);
        assert_int_equal(finding->version, def->version);
        gravest = ds_severity_max(gravest, finding->severity);
    }
    assert_int_equal(out->severity, gravest);
    const struct ds_consumption *consumption = &out->consumption;
    assert_true(consumption->volume_l <= DS_VOLUME_MAX_L);
    assert_true(consumption->volume_l >= -DS_VOLUME_MAX_L);
    assert_true(consumption->days >= 1);
    assert_true(out->expected.volume_l >= 0 && out->expected.volume_l <= DS_VOLUME_MAX_L);
    if (consumption->kind == DS_VOLUME_over_estimate) {
        assert_int_equal(consumption->volume_l, consumption->rebilled_l - consumption->billed_l);
    }
    /* What runs backwards or fits no dial never goes to billing without a person. */
    if (consumption->kind == DS_VOLUME_reversed || consumption->kind == DS_VOLUME_unknown) {
        assert_false(consumption->billable);
        assert_int_equal(out->severity, DS_SEVERITY_hold);
    }
}

static void order_free__findings_are_the_same_in_every_order_of_candidates(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint64_t seed = first_seed(&last, 4000); seed <= last; seed++) {
        struct prng prng = {seed};
        static struct slot_case slot;
        random_slot(&prng, &slot);
        ds_reading_rules(&slot.input, &slot.out);
        check_invariants(&slot);
        static struct ds_findings first;
        first = slot.out;
        struct ds_id chosen = {{0}};
        if (first.chosen != DS_CHOOSE_NONE) {
            chosen = slot.candidate[first.chosen].op;
        }
        size_t count = slot.input.candidate_count;
        for (int turn = 0; turn < 12 && count > 1; turn++) {
            size_t a = (size_t)prng_below(&prng, count);
            size_t b = (size_t)prng_below(&prng, count);
            struct ds_candidate kept = slot.candidate[a];
            slot.candidate[a] = slot.candidate[b];
            slot.candidate[b] = kept;
            ds_reading_rules(&slot.input, &slot.out);
            assert_int_equal(slot.out.count, first.count);
            assert_int_equal(slot.out.severity, first.severity);
            assert_int_equal(slot.out.consumption.volume_l, first.consumption.volume_l);
            assert_int_equal(slot.out.consumption.kind, first.consumption.kind);
            assert_int_equal(slot.out.chosen == DS_CHOOSE_NONE, first.chosen == DS_CHOOSE_NONE);
            if (slot.out.chosen != DS_CHOOSE_NONE) {
                assert_true(ds_id_equal(&slot.candidate[slot.out.chosen].op, &chosen));
            }
            for (size_t i = 0; i < first.count; i++) {
                same_finding(&slot.out.finding[i], &first.finding[i]);
            }
        }
    }
}

static void coverage__the_random_slots_hit_every_rule_and_every_kind(void **state)
{
    (void)state;
    size_t hits[DS_RULE_COUNT] = {0};
    size_t kinds[DS_VOLUME_unknown + 1] = {0};
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct prng prng = {seed};
        static struct slot_case slot;
        random_slot(&prng, &slot);
        ds_reading_rules(&slot.input, &slot.out);
        kinds[slot.out.consumption.kind]++;
        for (size_t i = 0; i < slot.out.count; i++) {
            hits[slot.out.finding[i].rule]++;
        }
    }
    for (size_t kind = 0; kind < DS_COUNT(kinds); kind++) {
        if (kinds[kind] == 0) {
            fail_msg("no slot of kind %s", ds_volume_kind_name((enum ds_volume_kind)kind));
        }
    }
    for (size_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        if (hits[rule] == 0) {
            fail_msg("no slot hits %s", ds_rule_def((int64_t)rule)->name);
        }
    }
}

static void spread__shares_add_up_to_the_whole(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint64_t seed = first_seed(&last, 20000); seed <= last; seed++) {
        struct prng prng = {seed};
        int32_t days[12];
        int64_t shares[12];
        size_t count = (size_t)prng_between(&prng, 1, 12);
        int64_t total = 0;
        for (size_t i = 0; i < count; i++) {
            days[i] = (int32_t)prng_between(&prng, 0, 400);
            total += days[i];
        }
        days[0] += total == 0;
        total += total == 0;
        int64_t volume = random_volume(&prng);
        int64_t sum = 0;
        assert_int_equal(ds_spread(volume, days, count, shares), DS_OK);
        for (size_t i = 0; i < count; i++) {
            sum += shares[i];
            assert_true(days[i] > 0 || shares[i] == 0);
            assert_true(volume >= 0 ? shares[i] >= 0 : shares[i] <= 0);
            /* Off by less than a litre: |share x total - volume x days| < total. */
            int64_t off = shares[i] - volume / total * days[i];
            off = off * total - volume % total * days[i];
            assert_true(off < total && off > -total);
        }
        assert_int_equal(sum, volume);
    }
}

static void estimate__billing_its_index_gives_its_volume(void **state)
{
    (void)state;
    uint64_t last = 0;
    size_t made = 0;
    uint64_t first = first_seed(&last, 20000);
    for (uint64_t seed = first; seed <= last; seed++) {
        struct prng prng = {seed};
        static struct slot_case slot;
        struct ds_expected expected;
        struct ds_estimate estimate;
        random_slot(&prng, &slot);
        ds_expected_use(&slot.meter, &slot.rules, slot.past, slot.input.past_count, 202601,
                        slot.candidate[0].instant_ms, &expected);
        struct ds_volume_input input = {&slot.meter, &slot.rules, slot.past, slot.input.past_count,
                                        NULL,        0,           &expected};
        enum ds_estimate_method method = (enum ds_estimate_method)prng_between(&prng, 1, 4);
        if (ds_estimate(&input, method, prng_between(&prng, 0, 90000), &estimate) != DS_OK) {
            continue;
        }
        const struct ds_candidate candidate = {
            .has_index = true, .index = estimate.index, .method = DS_METHOD_estimate};
        struct ds_consumption consumption;
        ds_consumption(&input, &candidate, &consumption);
        if (consumption.kind == DS_VOLUME_plain) {
            assert_int_equal(consumption.volume_l, estimate.volume_l);
            made++;
        }
    }
    assert_true(made > 1000 || first == last);
}

static void severity__a_station_that_holds_everything_holds_everything(void **state)
{
    (void)state;
    size_t grave[DS_RULE_COUNT] = {0};
    for (uint64_t seed = 1; seed <= 10000; seed++) {
        struct prng prng = {seed};
        static struct slot_case slot;
        random_slot(&prng, &slot);
        for (size_t rule = 1; rule < DS_RULE_COUNT; rule++) {
            slot.rules.rule[rule].severity = DS_SEVERITY_hold;
        }
        ds_reading_rules(&slot.input, &slot.out);
        for (size_t i = 0; i < slot.out.count; i++) {
            const struct ds_finding *finding = &slot.out.finding[i];
            const struct ds_rule_def *def = ds_rule_def((int64_t)finding->rule);
            grave[finding->rule] += finding->severity == DS_SEVERITY_hold;
            /* Only a rule with two forms may say less, and then its mild form. */
            assert_true(finding->severity == DS_SEVERITY_hold ||
                        (def->mild > def->severity && finding->severity == def->mild));
        }
    }
    for (size_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        if (grave[rule] == 0) {
            fail_msg("%s never holds", ds_rule_def((int64_t)rule)->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_free__findings_are_the_same_in_every_order_of_candidates),
        cmocka_unit_test(coverage__the_random_slots_hit_every_rule_and_every_kind),
        cmocka_unit_test(spread__shares_add_up_to_the_whole),
        cmocka_unit_test(estimate__billing_its_index_gives_its_volume),
        cmocka_unit_test(severity__a_station_that_holds_everything_holds_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

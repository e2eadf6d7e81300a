#include "schema/rules/volume.h"

#include "schema/rules/volume_impl.h"

static const char *const kind_names[] = {
    [DS_VOLUME_no_index] = "no_index",
    [DS_VOLUME_no_predecessor] = "no_predecessor",
    [DS_VOLUME_plain] = "plain",
    [DS_VOLUME_swap] = "swap",
    [DS_VOLUME_passing_zero] = "passing_zero",
    [DS_VOLUME_over_estimate] = "over_estimate",
    [DS_VOLUME_reversed] = "reversed",
    [DS_VOLUME_agreed] = "agreed",
    [DS_VOLUME_unknown] = "unknown",
};

const char *ds_volume_kind_name(enum ds_volume_kind kind)
{
    return (size_t)kind < DS_COUNT(kind_names) ? kind_names[kind] : NULL;
}

int64_t ds_dial_size(int32_t digits)
{
    int32_t left = digits == 0 ? DS_DIAL_DIGITS_DEFAULT : digits;
    left = left < 1 ? 1 : left > DS_DIAL_DIGITS_MAX ? DS_DIAL_DIGITS_MAX : left;
    int64_t size = 1;
    while (left-- > 0) {
        size *= 10;
    }
    return size;
}

static int64_t unit_of(int64_t unit_l)
{
    return unit_l <= 0 ? DS_UNIT_L_DEFAULT : unit_l > DS_UNIT_L_MAX ? DS_UNIT_L_MAX : unit_l;
}

int64_t ds_meter_multiplier(const struct ds_rule_meter *meter)
{
    return meter->multiplier <= 0                  ? 1
           : meter->multiplier > DS_MULTIPLIER_MAX ? DS_MULTIPLIER_MAX
                                                   : meter->multiplier;
}

static void swap_dial(struct ds_dial *dial, const struct ds_swap_seen *swap)
{
    dial->digits = swap->new_dial_digits == 0 ? dial->digits : swap->new_dial_digits;
    dial->unit_l = swap->new_unit_l == 0 ? dial->unit_l : unit_of(swap->new_unit_l);
    dial->swap_count++;
}

struct ds_dial ds_dial_at(const struct ds_rule_meter *meter, const struct ds_swap_seen *swaps,
                          size_t swap_count, int64_t instant_ms)
{
    struct ds_dial dial = {meter->dial_digits, unit_of(meter->unit_l), 0};
    for (size_t i = 0; i < swap_count && swaps[i].instant_ms <= instant_ms; i++) {
        swap_dial(&dial, &swaps[i]);
    }
    return dial;
}

/* What is summed up while the legs are walked. */
struct walk {
    const struct ds_volume_input *input;
    struct ds_consumption *out;
    int64_t count_l; /* Litres of one count of the leg's dial, multiplier included. */
    int64_t size;    /* Of the leg's dial. */
    bool too_large;
};

static void grow(struct walk *walk, int64_t counts)
{
    int64_t litres = 0;
    if (__builtin_mul_overflow(counts, walk->count_l, &litres) ||
        __builtin_add_overflow(walk->out->volume_l, litres, &walk->out->volume_l) ||
        walk->out->volume_l > DS_VOLUME_MAX_L || walk->out->volume_l < -DS_VOLUME_MAX_L) {
        walk->too_large = true;
        walk->out->volume_l = 0;
    }
}

static void name_kind(struct ds_consumption *out, enum ds_volume_kind kind)
{
    /* plain < swap < passing_zero < over_estimate < reversed, as the enum has them. */
    if (kind > out->kind) {
        out->kind = kind;
    }
}

static int64_t forward(int64_t from, int64_t to, int64_t size)
{
    return to >= from ? to - from : to - from + size;
}

/* Is going round credible? Half the dial and 5 x the expected use, as the station has it. */
static bool passes_zero(const struct walk *walk, int64_t counts)
{
    const struct ds_rule_limits *limits = &walk->input->rules->rule[DS_RULE_passing_zero];
    const struct ds_expected *expected = walk->input->expected;
    int64_t litres = 0;
    return expected->source != DS_EXPECTED_none &&
           counts <= ds_volume_scale(walk->size, limits->limit_2, 100) &&
           !__builtin_mul_overflow(counts, walk->count_l, &litres) &&
           litres <= ds_volume_scale(expected->volume_l, limits->limit_1, 100);
}

static void walk_leg(struct walk *walk, int64_t from, int64_t to, enum ds_why why)
{
    walk->out->leg_count++;
    if (to >= from) {
        name_kind(walk->out, DS_VOLUME_plain);
        grow(walk, to - from);
    } else if (passes_zero(walk, forward(from, to, walk->size))) {
        name_kind(walk->out, DS_VOLUME_passing_zero);
        grow(walk, forward(from, to, walk->size));
    } else {
        name_kind(walk->out, DS_VOLUME_reversed);
        walk->out->why = why;
        grow(walk, to - from);
    }
}

/* What estimates billed since the last actual reading: the sum of their volumes; where one of them
 * is not known, the distance of their indexes. */
static int64_t billed_by_estimates(const struct walk *walk, int64_t counts)
{
    int64_t sum = 0;
    size_t i = walk->input->past_count;
    for (; i > 0; i--) {
        const struct ds_slot_past *past = &walk->input->past[i - 1];
        if (!past->has_index) {
            continue;
        }
        if (!ds_past_estimated(past)) {
            return sum;
        }
        if (!past->has_volume || __builtin_add_overflow(sum, past->consumption_l, &sum)) {
            break;
        }
    }
    return ds_volume_scale(counts, walk->count_l, 1);
}

/* The leg that starts at the previous billed index, which may have been estimated too high. */
static void walk_first(struct walk *walk, const struct ds_slot_past *previous, int64_t to)
{
    int64_t actual = previous->last_actual_index;
    if (ds_past_estimated(previous) && previous->has_last_actual && actual >= 0 &&
        actual < walk->size) {
        int64_t estimated = forward(actual, previous->final_index, walk->size);
        int64_t moved = forward(actual, to, walk->size);
        if (estimated <= walk->size / 2 && moved < estimated) {
            walk->out->leg_count++;
            name_kind(walk->out, DS_VOLUME_over_estimate);
            walk->out->billed_l = billed_by_estimates(walk, estimated);
            grow(walk, moved);
            return;
        }
    }
    walk_leg(walk, previous->final_index, to, DS_WHY_below_previous);
}

static void use_dial(struct walk *walk, const struct ds_dial *dial)
{
    walk->size = ds_dial_size(dial->digits);
    walk->count_l = dial->unit_l * ds_meter_multiplier(walk->input->meter);
}

static bool fits(int64_t index, int64_t size)
{
    return index >= 0 && index < size;
}

/* Every index must fit the dial that it was read from. */
static enum ds_why misfit(const struct ds_volume_input *input, const struct ds_slot_past *previous,
                          const struct ds_candidate *candidate)
{
    struct ds_dial dial = ds_dial_at(input->meter, NULL, 0, 0);
    struct ds_dial own =
        ds_dial_at(input->meter, input->swaps, input->swap_count, candidate->instant_ms);
    if (!fits(candidate->index, ds_dial_size(own.digits)) ||
        (previous != NULL && !fits(previous->final_index, ds_dial_size(dial.digits)))) {
        return DS_WHY_index_too_long;
    }
    for (size_t i = 0; i < input->swap_count; i++) {
        if (!fits(input->swaps[i].old_final_index, ds_dial_size(dial.digits))) {
            return DS_WHY_swap_index_too_long;
        }
        swap_dial(&dial, &input->swaps[i]);
        if (!fits(input->swaps[i].new_initial_index, ds_dial_size(dial.digits))) {
            return DS_WHY_swap_index_too_long;
        }
    }
    return DS_WHY_none;
}

static void walk_legs(struct walk *walk, const struct ds_slot_past *previous,
                      const struct ds_candidate *candidate)
{
    const struct ds_volume_input *input = walk->input;
    struct ds_dial dial = ds_dial_at(input->meter, NULL, 0, 0);
    use_dial(walk, &dial);
    if (input->swap_count == 0) {
        walk_first(walk, previous, candidate->index);
        return;
    }
    walk_first(walk, previous, input->swaps[0].old_final_index);
    for (size_t i = 0; i < input->swap_count; i++) {
        const struct ds_swap_seen *swap = &input->swaps[i];
        bool last = i + 1 == input->swap_count;
        swap_dial(&dial, swap);
        use_dial(walk, &dial);
        if (!last) {
            walk_leg(walk, swap->new_initial_index, input->swaps[i + 1].old_final_index,
                     DS_WHY_swap_below_previous);
        } else if (swap->instant_ms <= candidate->instant_ms) {
            walk_leg(walk, swap->new_initial_index, candidate->index, DS_WHY_swap_below_previous);
        }
    }
    name_kind(walk->out, DS_VOLUME_swap);
}

/* Where the dial would stand after a volume that nobody read from it. */
static int64_t agreed_index(const struct ds_volume_input *input, int64_t from, int64_t volume_l)
{
    struct ds_dial dial = ds_dial_at(input->meter, NULL, 0, 0);
    int64_t size = ds_dial_size(dial.digits);
    int64_t counts = volume_l / (dial.unit_l * ds_meter_multiplier(input->meter));
    if (counts < 0 || counts > size / 2 || !fits(from, size)) {
        return from;
    }
    return (from + counts) % size;
}

/* From where the next slot goes on. */
static void set_final(const struct ds_volume_input *input, const struct ds_candidate *candidate,
                      const struct ds_slot_past *previous, struct ds_consumption *out)
{
    const struct ds_swap_seen *swap =
        input->swap_count > 0 ? &input->swaps[input->swap_count - 1] : NULL;
    out->has_final = candidate->has_index || candidate->has_volume;
    if (out->has_final && swap != NULL &&
        (!candidate->has_index || swap->instant_ms > candidate->instant_ms)) {
        out->final_index = swap->new_initial_index;
    } else if (candidate->has_index) {
        out->final_index = candidate->index;
    } else if (previous == NULL) {
        out->has_final = false;
    } else {
        out->final_index = agreed_index(input, previous->final_index,
                                        candidate->has_volume ? candidate->volume_l : 0);
    }
}

static void give_up(struct ds_consumption *out, enum ds_why why)
{
    out->kind = DS_VOLUME_unknown;
    out->why = why;
    out->volume_l = 0;
    out->rebilled_l = 0;
    out->billed_l = 0;
    out->billable = false;
    out->has_final = false;
}

void ds_consumption(const struct ds_volume_input *input, const struct ds_candidate *candidate,
                    struct ds_consumption *out)
{
    const struct ds_slot_past *previous = ds_past_previous(input->past, input->past_count);
    *out = (struct ds_consumption){
        .kind = DS_VOLUME_no_index,
        .swapped = input->swap_count > 0,
        .previous_index = previous == NULL ? 0 : previous->final_index,
        .days = input->expected->days,
    };
    set_final(input, candidate, previous, out);
    if (candidate->has_volume) {
        out->kind = DS_VOLUME_agreed;
        out->volume_l = ds_volume_scale(candidate->volume_l, 1, 1);
        out->billable = true;
        return;
    }
    if (!candidate->has_index) {
        return;
    }
    enum ds_why why = misfit(input, previous, candidate);
    if (why != DS_WHY_none) {
        give_up(out, why);
        return;
    }
    if (previous == NULL) {
        out->kind = DS_VOLUME_no_predecessor;
        return;
    }
    struct walk walk = {.input = input, .out = out};
    walk_legs(&walk, previous, candidate);
    if (out->kind != DS_VOLUME_over_estimate) {
        out->billed_l = 0;
    } else {
        out->rebilled_l = out->volume_l;
        walk.too_large |= __builtin_sub_overflow(out->volume_l, out->billed_l, &out->volume_l);
    }
    if (walk.too_large || out->volume_l > DS_VOLUME_MAX_L || out->volume_l < -DS_VOLUME_MAX_L) {
        give_up(out, DS_WHY_volume_too_large);
        return;
    }
    out->billable = out->kind != DS_VOLUME_reversed;
}

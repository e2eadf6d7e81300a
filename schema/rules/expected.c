#include "schema/base/text.h"
#include "schema/rules/volume.h"
#include "schema/rules/volume_impl.h"

/* Most seasonal volumes that are looked at: DS_PAST_MAX periods back are five years, of which each
 * may give 2 x season_months + 1. */
#define SAMPLES_MAX 60
#define DAYS_MAX 3660
#define MONTHS_MAX 120
#define DAY_MS INT64_C(86400000)
#define MEAN_OF 3
#define SPREAD_DAYS_MAX 100000

static int64_t hold(int64_t volume)
{
    return volume > DS_VOLUME_MAX_L    ? DS_VOLUME_MAX_L
           : volume < -DS_VOLUME_MAX_L ? -DS_VOLUME_MAX_L
                                       : volume;
}

int64_t ds_volume_scale(int64_t volume, int64_t numerator, int64_t denominator)
{
    DS_ASSERT(denominator > 0);
    int64_t whole = 0;
    int64_t part = 0;
    if (numerator == denominator) {
        return hold(volume);
    }
    if (!__builtin_mul_overflow(volume, numerator, &whole)) {
        return hold(whole / denominator);
    }
    /* The same result by parts, for products that do not fit. */
    if (__builtin_mul_overflow(volume / denominator, numerator, &whole) ||
        __builtin_mul_overflow(volume % denominator, numerator, &part) ||
        __builtin_add_overflow(whole, part / denominator, &whole)) {
        return (volume < 0) == (numerator < 0) ? DS_VOLUME_MAX_L : -DS_VOLUME_MAX_L;
    }
    return hold(whole);
}

const struct ds_slot_past *ds_past_previous(const struct ds_slot_past *past, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        if (past[i - 1].has_index) {
            return &past[i - 1];
        }
    }
    return NULL;
}

static int32_t clamp_days(int64_t days)
{
    return days < 1 ? 1 : days > DAYS_MAX ? DAYS_MAX : (int32_t)days;
}

int32_t ds_span_days(const struct ds_slot_past *previous, int32_t period, int64_t instant_ms)
{
    int32_t months = previous == NULL ? 1 : ds_period_diff(period, previous->period);
    months = months < 1 ? 1 : months > MONTHS_MAX ? MONTHS_MAX : months;
    int64_t calendar = 0;
    for (int32_t i = 0; i < months; i++) {
        calendar += ds_period_days(ds_period_add(period, -i));
    }
    int64_t elapsed = 0;
    if (previous != NULL && !__builtin_sub_overflow(instant_ms, previous->instant_ms, &elapsed)) {
        int64_t days = elapsed / DAY_MS + (elapsed % DAY_MS >= DAY_MS / 2);
        if (days >= 1 && days <= 2 * calendar + 31) {
            return clamp_days(days);
        }
    }
    return clamp_days(calendar);
}

int32_t ds_past_days(const struct ds_slot_past *past)
{
    return clamp_days(past->days > 0 ? past->days : ds_period_days(past->period));
}

bool ds_past_estimated(const struct ds_slot_past *past)
{
    return past->has_index && !ds_method_is_actual(past->method);
}

static int64_t median(int64_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        int64_t value = values[i];
        size_t at = i;
        for (; at > 0 && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
    int64_t upper = values[count / 2];
    int64_t lower = values[(count - 1) / 2];
    return lower + (upper - lower) / 2;
}

/* Same month of another year, or within `around` months of it; never of the last months. */
static bool same_season(int32_t months_ago, int32_t around)
{
    int32_t rest = months_ago % 12;
    return months_ago >= 12 - around && (rest <= around || rest >= 12 - around);
}

static size_t season_volumes(const struct ds_rule_table *rules, const struct ds_slot_past *past,
                             size_t count, int32_t period, int32_t days, int64_t *volumes)
{
    size_t found = 0;
    size_t oldest = count > DS_PAST_MAX ? count - DS_PAST_MAX : 0;
    for (size_t i = oldest; i < count && found < SAMPLES_MAX; i++) {
        const struct ds_slot_past *one = &past[i];
        if (!same_season(ds_period_diff(period, one->period), rules->season_months) ||
            !one->has_volume || one->consumption_l < 0 || ds_past_estimated(one) ||
            (i > 0 && ds_past_estimated(&past[i - 1]))) {
            continue;
        }
        volumes[found++] = ds_volume_scale(one->consumption_l, days, ds_past_days(one));
    }
    return found;
}

/* Mean of the newest actual volumes, at most three; estimates before an actual reading are part of
 * its volume, for it corrects them. False if there is none. */
static bool mean_actual(const struct ds_slot_past *past, size_t count, int32_t days,
                        int32_t *samples, int64_t *mean)
{
    int64_t volume = 0;
    int64_t span = 0;
    *samples = 0;
    size_t i = count;
    while (i > 0 && *samples < MEAN_OF) {
        const struct ds_slot_past *one = &past[--i];
        if (!one->has_volume || ds_past_estimated(one)) {
            continue;
        }
        int64_t own = one->consumption_l;
        span += ds_past_days(one);
        for (; i > 0 && ds_past_estimated(&past[i - 1]) && past[i - 1].has_volume; i--) {
            own += past[i - 1].consumption_l;
            span += ds_past_days(&past[i - 1]);
        }
        volume += own;
        *samples += 1;
    }
    if (*samples == 0 || volume < 0) {
        return false;
    }
    *mean = ds_volume_scale(volume, days, span);
    return true;
}

static int64_t at_least(int64_t value, int64_t least)
{
    return value < least ? least : value;
}

/* The median of the season's volumes, and how far they lie from it: 1.4826 MAD estimates a standard
 * deviation. Sorts and overwrites them. */
static void judge_season(const struct ds_rule_table *rules, int64_t *volumes, size_t count,
                         struct ds_expected *out)
{
    out->source = DS_EXPECTED_same_season;
    out->samples = (int32_t)count;
    out->volume_l = median(volumes, count);
    for (size_t i = 0; i < count; i++) {
        int64_t off = volumes[i] - out->volume_l;
        volumes[i] = off < 0 ? -off : off;
    }
    out->spread_l = at_least(ds_volume_scale(median(volumes, count), 14826, 10000),
                             ds_volume_scale(out->volume_l, rules->floor_percent, 100));
}

void ds_expected_use(const struct ds_rule_meter *meter, const struct ds_rule_table *rules,
                     const struct ds_slot_past *past, size_t past_count, int32_t period,
                     int64_t instant_ms, struct ds_expected *out)
{
    int64_t volumes[SAMPLES_MAX];
    int64_t mean_l = 0;
    int32_t samples = 0;
    *out = (struct ds_expected){
        .days = ds_span_days(ds_past_previous(past, past_count), period, instant_ms)};
    size_t found = season_volumes(rules, past, past_count, period, out->days, volumes);
    if (found > 0 && found >= (size_t)rules->season_least) {
        judge_season(rules, volumes, found, out);
    } else if (mean_actual(past, past_count, out->days, &samples, &mean_l)) {
        out->source = DS_EXPECTED_mean_actual;
        out->samples = samples;
        out->volume_l = mean_l;
        out->spread_l = mean_l / 2;
    } else if (meter->yearly_l > 0) {
        out->source = DS_EXPECTED_yearly;
        out->volume_l = ds_volume_scale(meter->yearly_l, out->days, 365);
        out->spread_l = out->volume_l;
    } else {
        return;
    }
    out->spread_l = at_least(out->spread_l, rules->floor_l);
}

static enum ds_err estimated_volume(const struct ds_volume_input *input,
                                    enum ds_estimate_method method, int64_t agreed_l,
                                    int64_t *volume)
{
    int32_t samples = 0;
    switch (method) {
    case DS_ESTIMATE_same_season:
        *volume = input->expected->volume_l;
        return input->expected->source == DS_EXPECTED_same_season ? DS_OK : DS_ERR_NOT_FOUND;
    case DS_ESTIMATE_mean_of_3_actual:
        return mean_actual(input->past, input->past_count, input->expected->days, &samples,
                           volume) &&
                       samples == MEAN_OF
                   ? DS_OK
                   : DS_ERR_NOT_FOUND;
    case DS_ESTIMATE_zero_vacant:
        *volume = 0;
        return DS_OK;
    case DS_ESTIMATE_agreed:
        *volume = agreed_l;
        return agreed_l >= 0 && agreed_l <= DS_VOLUME_MAX_L ? DS_OK : DS_ERR_USAGE;
    }
    return DS_ERR_USAGE;
}

enum ds_err ds_estimate(const struct ds_volume_input *input, enum ds_estimate_method method,
                        int64_t agreed_l, struct ds_estimate *out)
{
    const struct ds_slot_past *previous = ds_past_previous(input->past, input->past_count);
    int64_t volume = 0;
    DS_TRY(estimated_volume(input, method, agreed_l, &volume));
    if (input->swap_count > 0) {
        return DS_ERR_CONFLICT;
    }
    if (previous == NULL) {
        return DS_ERR_NOT_FOUND;
    }
    struct ds_dial dial = ds_dial_at(input->meter, NULL, 0, 0);
    int64_t size = ds_dial_size(dial.digits);
    int64_t count_l = dial.unit_l * ds_meter_multiplier(input->meter);
    int64_t counts = volume / count_l;
    if (counts > size / 2 || previous->final_index < 0 || previous->final_index >= size) {
        return DS_ERR_LIMIT;
    }
    out->index = (previous->final_index + counts) % size;
    out->volume_l = counts * count_l;
    return DS_OK;
}

enum ds_err ds_spread(int64_t volume_l, const int32_t *days, size_t count, int64_t *shares_l)
{
    int64_t total = 0;
    if (count == 0 || volume_l > DS_VOLUME_MAX_L || volume_l < -DS_VOLUME_MAX_L) {
        return DS_ERR_USAGE;
    }
    for (size_t i = 0; i < count; i++) {
        if (days[i] < 0) {
            return DS_ERR_USAGE;
        }
        total += days[i];
        if (total > SPREAD_DAYS_MAX) {
            return DS_ERR_USAGE;
        }
    }
    if (total == 0) {
        return DS_ERR_USAGE;
    }
    int64_t whole = volume_l < 0 ? -volume_l : volume_l;
    int64_t end = 0;
    int64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        end += days[i];
        int64_t up_to = whole / total * end + whole % total * end / total;
        shares_l[i] = volume_l < 0 ? before - up_to : up_to - before;
        before = up_to;
    }
    return DS_OK;
}

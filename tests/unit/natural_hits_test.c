/* The shipped limits on real series (tests/data/ATTRIBUTION.md): 221 meters over 36 months, each as
 * a small home, a large home and a shop. At most 20 of 1,000 readings may be held; and a rule that
 * nothing real ever hits would be a rule too blunt. */
#include "tests/support/slot_case.h"
#include "tests/support/test.h"

#include <stdio.h>

#define MONTHS 36
#define METERS 221
#define LINE_SIZE 1024

static int64_t kwh[METERS][MONTHS];

/* "T1,37776,29759,...": the name, then one whole number per month. */
static void parse_line(const char *line, int64_t *months)
{
    struct ds_slice rest = ds_slice_of_text(line);
    size_t start = 0;
    size_t field = 0;
    for (size_t i = 0; i <= rest.size; i++) {
        if (i < rest.size && rest.data[i] != ',' && rest.data[i] != '\n') {
            continue;
        }
        if (field >= 1 && field <= MONTHS) {
            struct ds_slice text = {rest.data + start, i - start};
            assert_int_equal(ds_int_parse(text, &months[field - 1]), DS_OK);
        }
        field++;
        start = i + 1;
    }
    assert_true(field > MONTHS);
}

static int load(void **state)
{
    (void)state;
    char line[LINE_SIZE];
    FILE *file = fopen("tests/data/monthly_kwh.csv", "rb");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    for (size_t meter = 0; meter < METERS; meter++) {
        assert_non_null(fgets(line, sizeof line, file));
        parse_line(line, kwh[meter]);
    }
    assert_null(fgets(line, sizeof line, file));
    return fclose(file);
}

struct tally {
    size_t readings;
    size_t held;
    size_t rule[DS_RULE_COUNT];
};

/* One meter for three years at so many litres a year, read on the last day of each month. */
static void walk_meter(const int64_t *months, int64_t yearly_l, struct slot_case *slot,
                       struct tally *tally)
{
    int64_t total = 0;
    int64_t used = 0;
    for (size_t i = 0; i < MONTHS; i++) {
        total += months[i];
    }
    slot->meter.yearly_l = yearly_l;
    slot->past[0] = slot_case_month(202212, 1000, 0);
    slot->past[0].has_volume = false;
    slot->input.past_count = 1;
    for (int32_t i = 0; i < MONTHS; i++) {
        int32_t period = ds_period_add(202301, i);
        used += months[i];
        slot->input.period = period;
        slot->candidate[0].instant_ms = slot_case_instant(period);
        slot->candidate[0].index = 1000 + used * (yearly_l * 3 / 1000) / total;
        ds_reading_rules(&slot->input, &slot->out);
        tally->readings++;
        tally->held += slot->out.severity == DS_SEVERITY_hold;
        for (size_t k = 0; k < slot->out.count; k++) {
            tally->rule[slot->out.finding[k].rule]++;
        }
        slot->past[slot->input.past_count++] =
            slot_case_month(period, slot->candidate[0].index, slot->out.consumption.volume_l);
    }
}

static void walk_all(int64_t yearly_l, enum ds_account_class account_class, struct tally *tally)
{
    for (size_t meter = 0; meter < METERS; meter++) {
        static struct slot_case slot;
        slot_case_init(&slot);
        slot.meter.dial_digits = 6;
        slot.meter.account_class = account_class;
        walk_meter(kwh[meter], yearly_l, &slot, tally);
    }
}

static void natural__at_most_twenty_of_a_thousand_are_held(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t yearly_l;
        enum ds_account_class account_class;
    } users[] = {
        {"small home", 180000, DS_CLASS_residential},
        {"large home", 600000, DS_CLASS_residential},
        {"shop", 6000000, DS_CLASS_commercial},
    };
    for (size_t i = 0; i < DS_COUNT(users); i++) {
        struct tally tally = {0};
        walk_all(users[i].yearly_l, users[i].account_class, &tally);
        assert_int_equal(tally.readings, METERS * MONTHS);
        print_message("%s: %zu readings, %zu held, spike %zu, slump %zu, zero %zu, stopped %zu, "
                      "drop %zu\n",
                      users[i].name, tally.readings, tally.held, tally.rule[DS_RULE_spike],
                      tally.rule[DS_RULE_slump], tally.rule[DS_RULE_zero_occupied],
                      tally.rule[DS_RULE_stopped_2], tally.rule[DS_RULE_commercial_drop]);
        assert_true(tally.held * 1000 <= 20 * tally.readings);
        assert_true(tally.rule[DS_RULE_spike] > 0 && tally.rule[DS_RULE_slump] > 0);
        /* An index that only grows, read in order, never looks reversed or too long. */
        assert_int_equal(tally.rule[DS_RULE_reversed] + tally.rule[DS_RULE_beyond_dial], 0);
        /* What only notes and samples stays workable too: a tenth of all readings at most. */
        size_t found = 0;
        for (size_t rule = 1; rule < DS_RULE_COUNT; rule++) {
            found += tally.rule[rule];
        }
        assert_true(found * 10 <= tally.readings);
    }
}

/* The same series with one wrong number each: what the limits must not let through. */
static void injected__a_wrong_digit_in_the_hundreds_is_held(void **state)
{
    (void)state;
    size_t tried = 0;
    size_t held = 0;
    for (size_t meter = 0; meter < METERS; meter++) {
        static struct slot_case slot;
        struct tally tally = {0};
        slot_case_init(&slot);
        slot.meter.dial_digits = 6;
        walk_meter(kwh[meter], 180000, &slot, &tally);
        slot.input.past_count--; /* December again, mistyped. */
        int64_t right = slot.candidate[0].index;
        static const int64_t wrong[] = {100, -100, 300, -300};
        for (size_t i = 0; i < DS_COUNT(wrong); i++) {
            slot.candidate[0].index = right + wrong[i];
            ds_reading_rules(&slot.input, &slot.out);
            tried++;
            held += slot.out.severity == DS_SEVERITY_hold;
        }
    }
    print_message("%zu of %zu wrong digits are held\n", held, tried);
    assert_true(held * 100 >= tried * 97);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(natural__at_most_twenty_of_a_thousand_are_held),
        cmocka_unit_test(injected__a_wrong_digit_in_the_hundreds_is_held),
    };
    return cmocka_run_group_tests(tests, load, NULL);
}

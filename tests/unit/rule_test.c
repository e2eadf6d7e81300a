#include "schema/rules/rule.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ds_rule_setting setting_of(enum ds_rule rule)
{
    struct ds_rule_setting setting;
    memset(&setting, 0, sizeof setting);
    DS_SET(&setting, rule_setting, rule, rule);
    return setting;
}

static void defaults__every_rule_has_a_whole_row(void **state)
{
    (void)state;
    const struct ds_rule_table *table = ds_rule_defaults();
    assert_int_equal(ds_enum_last(DS_LIST_rule) + 1, DS_RULE_COUNT);
    for (int64_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        const struct ds_rule_def *def = ds_rule_def(rule);
        assert_non_null(def);
        assert_int_equal(def->rule, rule);
        assert_string_equal(def->name, ds_enum_name(DS_LIST_rule, rule));
        assert_non_null(ds_rule_term(def->rule));
        assert_true(def->version >= 1);
        assert_true(def->mild >= def->severity);
        assert_true(strlen(def->formula) > 10 && strlen(def->source) > 3 && strlen(def->needs) > 3);
        assert_true(table->rule[rule].enabled);
        assert_int_equal(table->rule[rule].severity, def->severity);
        const int64_t values[2] = {table->rule[rule].limit_1, table->rule[rule].limit_2};
        for (size_t i = 0; i < 2; i++) {
            const struct ds_limit *limit = &def->limit[i];
            assert_int_equal(values[i], limit->value);
            assert_true(limit->value >= limit->least && limit->value <= limit->most);
            assert_int_equal(limit->unit == DS_LIMIT_NONE, limit->least == limit->most);
            assert_true(strlen(limit->meaning) > 0);
            assert_non_null(ds_limit_unit_name(limit->unit));
        }
        assert_true(def->limit[0].unit != DS_LIMIT_NONE || def->limit[1].unit == DS_LIMIT_NONE);
    }
    assert_null(ds_rule_def(0));
    assert_null(ds_rule_def(DS_RULE_COUNT));
    assert_null(ds_rule_def(-1));
    assert_null(ds_limit_unit_name((enum ds_limit_unit)99));
}

static void apply__what_a_setting_leaves_out_stays(void **state)
{
    (void)state;
    struct ds_rule_table table = *ds_rule_defaults();
    struct ds_rule_setting setting = setting_of(DS_RULE_spike);
    ds_rule_table_apply(&table, &setting);
    assert_memory_equal(&table, ds_rule_defaults(), sizeof table);
    DS_SET(&setting, rule_setting, limit_2, 700);
    ds_rule_table_apply(&table, &setting);
    assert_int_equal(table.rule[DS_RULE_spike].limit_2, 700);
    assert_int_equal(table.rule[DS_RULE_spike].limit_1,
                     ds_rule_defaults()->rule[DS_RULE_spike].limit_1);
    ds_clear(&setting.presence, DS_PLACE_rule_setting_limit_2);
    table = *ds_rule_defaults();
    ds_rule_table_apply(&table, &setting);
    assert_memory_equal(&table, ds_rule_defaults(), sizeof table);
}

static void apply__severity_and_switch_are_the_stations(void **state)
{
    (void)state;
    struct ds_rule_table table = *ds_rule_defaults();
    struct ds_rule_setting setting = setting_of(DS_RULE_expired_meter);
    DS_SET(&setting, rule_setting, severity, DS_SEVERITY_sample);
    DS_SET(&setting, rule_setting, enabled, 0);
    ds_rule_table_apply(&table, &setting);
    assert_int_equal(table.rule[DS_RULE_expired_meter].severity, DS_SEVERITY_sample);
    assert_false(table.rule[DS_RULE_expired_meter].enabled);
    DS_SET(&setting, rule_setting, severity, DS_SEVERITY_note);
    ds_rule_table_apply(&table, &setting);
    assert_int_equal(table.rule[DS_RULE_expired_meter].severity, DS_SEVERITY_note);
    DS_SET(&setting, rule_setting, severity, DS_SEVERITY_hold);
    ds_rule_table_apply(&table, &setting);
    assert_int_equal(table.rule[DS_RULE_expired_meter].severity, DS_SEVERITY_hold);
    DS_SET(&setting, rule_setting, severity, DS_SEVERITY_sample);
    ds_rule_table_apply(&table, &setting);
    DS_SET(&setting, rule_setting, severity, 4); /* No such severity: the old one stays. */
    DS_SET(&setting, rule_setting, enabled, 1);
    ds_rule_table_apply(&table, &setting);
    assert_int_equal(table.rule[DS_RULE_expired_meter].severity, DS_SEVERITY_sample);
    assert_true(table.rule[DS_RULE_expired_meter].enabled);
}

static void limit__an_engine_version_counts_the_rules_that_it_knows(void **state)
{
    (void)state;
    struct ds_rule_table table = *ds_rule_defaults();
    ds_rule_table_limit(&table, 1);
    for (int64_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        assert_int_equal(table.rule[rule].enabled, ds_rule_def(rule)->since == 1);
    }
    ds_rule_table_limit(&table, 0);
    for (int64_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        assert_false(table.rule[rule].enabled);
    }
}

static void apply__an_unknown_rule_changes_nothing(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, -1, DS_RULE_COUNT, INT64_MAX};
    for (size_t i = 0; i < DS_COUNT(numbers); i++) {
        struct ds_rule_table table = *ds_rule_defaults();
        struct ds_rule_setting setting = setting_of(DS_RULE_spike);
        setting.rule = numbers[i];
        DS_SET(&setting, rule_setting, limit_1, 1);
        ds_rule_table_apply(&table, &setting);
        assert_memory_equal(&table, ds_rule_defaults(), sizeof table);
        assert_int_equal(ds_rule_setting_check(&setting, NULL), DS_ERR_SCHEMA);
    }
}

static void limits__both_ends_pass_and_the_next_values_do_not(void **state)
{
    (void)state;
    for (int64_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        for (size_t which = 0; which < 2; which++) {
            const struct ds_limit *limit = &ds_rule_def(rule)->limit[which];
            const int64_t values[] = {limit->least, limit->most, limit->least - 1, limit->most + 1};
            for (size_t i = 0; i < DS_COUNT(values); i++) {
                struct ds_rule_table table = *ds_rule_defaults();
                struct ds_rule_setting setting = setting_of((enum ds_rule)rule);
                struct ds_detail detail = {""};
                if (which == 0) {
                    DS_SET(&setting, rule_setting, limit_1, values[i]);
                } else {
                    DS_SET(&setting, rule_setting, limit_2, values[i]);
                }
                assert_int_equal(ds_rule_setting_check(&setting, &detail),
                                 i < 2 ? DS_OK : DS_ERR_SCHEMA);
                assert_int_equal(strstr(detail.text, which == 0 ? "limit_1" : "limit_2") != NULL,
                                 i >= 2);
                /* Folding never fails: it holds the value at the nearer end. */
                ds_rule_table_apply(&table, &setting);
                int64_t folded = which == 0 ? table.rule[rule].limit_1 : table.rule[rule].limit_2;
                assert_int_equal(folded, i == 0 || i == 2 ? limit->least : limit->most);
            }
        }
    }
}

static void check__the_detail_names_rule_and_range(void **state)
{
    (void)state;
    struct ds_rule_setting setting = setting_of(DS_RULE_far_from_premises);
    struct ds_detail detail = {""};
    DS_SET(&setting, rule_setting, limit_1, 9);
    assert_int_equal(ds_rule_setting_check(&setting, &detail), DS_ERR_SCHEMA);
    assert_string_equal(detail.text, "rule_setting.limit_1: far_from_premises takes 10..100000 m");
}

static void severity__the_graver_one_wins_and_none_is_least(void **state)
{
    (void)state;
    const enum ds_severity none = (enum ds_severity)0;
    assert_int_equal(ds_severity_max(DS_SEVERITY_note, DS_SEVERITY_hold), DS_SEVERITY_hold);
    assert_int_equal(ds_severity_max(DS_SEVERITY_sample, DS_SEVERITY_note), DS_SEVERITY_sample);
    assert_int_equal(ds_severity_max(none, DS_SEVERITY_note), DS_SEVERITY_note);
    assert_int_equal(ds_severity_max(DS_SEVERITY_note, none), DS_SEVERITY_note);
    assert_int_equal(ds_severity_max(none, none), 0);
}

static void risk__litres_times_price_in_whole_fen(void **state)
{
    (void)state;
    assert_int_equal(ds_risk_fen(1000, 30000), 300); /* 1 m3 at 3 yuan */
    assert_int_equal(ds_risk_fen(-1000, 30000), 300);
    assert_int_equal(ds_risk_fen(3, 33333), 0); /* 0.99999 fen */
    assert_int_equal(ds_risk_fen(100, 1000), 1);
    assert_int_equal(ds_risk_fen(99, 1000), 0);
    assert_int_equal(ds_risk_fen(123456789, 31400), 38765431);
    assert_int_equal(ds_risk_fen(1000, 0), 0);
    assert_int_equal(ds_risk_fen(1000, -5), 0);
    assert_int_equal(ds_risk_fen(0, INT64_MAX), 0);
}

static void risk__it_never_exceeds_what_a_record_can_hold(void **state)
{
    (void)state;
    assert_int_equal(ds_risk_fen(INT64_C(1000000000000), 100000), DS_RISK_FEN_MAX);
    assert_int_equal(ds_risk_fen(INT64_C(1000000000000) - 1, 100000), DS_RISK_FEN_MAX - 1);
    assert_int_equal(ds_risk_fen(INT64_MAX, INT64_MAX), DS_RISK_FEN_MAX);
    assert_int_equal(ds_risk_fen(INT64_MIN, INT64_MAX), DS_RISK_FEN_MAX);
    assert_int_equal(ds_risk_fen(99999, INT64_MAX), DS_RISK_FEN_MAX);
}

static void why__every_reason_has_a_name_and_words_in_both_languages(void **state)
{
    (void)state;
    for (int why = 1; why < DS_WHY_COUNT; why++) {
        assert_non_null(ds_why_name((enum ds_why)why));
        assert_true(strlen(ds_why_text((enum ds_why)why)) > 5);
        assert_true(strlen(ds_why_term((enum ds_why)why)) > 5);
        for (int other = 1; other < why; other++) {
            assert_string_not_equal(ds_why_text((enum ds_why)why), ds_why_text((enum ds_why)other));
        }
    }
    assert_null(ds_why_name(DS_WHY_none));
    assert_null(ds_why_name(DS_WHY_COUNT));
    assert_null(ds_why_text(DS_WHY_COUNT));
    assert_null(ds_why_term(DS_WHY_COUNT));
}

static void inputs__they_are_pairs_of_name_and_value(void **state)
{
    (void)state;
    struct ds_finding finding = {.rule = DS_RULE_reversed,
                                 .why = DS_WHY_below_previous,
                                 .input_count = 2,
                                 .input = {{"index", 5}, {"volume_l", -7000}}};
    char text[DS_FINDING_TEXT_SIZE];
    struct ds_builder builder;
    ds_builder_init(&builder, text, sizeof text);
    ds_finding_put_inputs(&finding, &builder);
    assert_string_equal(ds_builder_text(&builder), "why=below_previous;index=5;volume_l=-7000");
}

static void asks__a_strange_number_is_asked_again_and_a_pace_is_not(void **state)
{
    (void)state;
    const struct ds_finding reversed = {.rule = DS_RULE_reversed};
    const struct ds_finding photo = {.rule = DS_RULE_same_photo};
    const struct ds_finding far_away = {.rule = DS_RULE_far_from_premises};
    const struct ds_finding pace = {.rule = DS_RULE_implausible_pace};
    const struct ds_finding unknown = {.rule = (enum ds_rule)99};
    assert_int_equal(ds_finding_asks(&reversed), DS_ASK_BLIND);
    assert_int_equal(ds_finding_asks(&photo), DS_ASK_PHOTO);
    assert_int_equal(ds_finding_asks(&far_away), DS_ASK_REASON);
    assert_true(ds_finding_asks_again(&reversed) && ds_finding_asks_again(&photo) &&
                ds_finding_asks_again(&far_away));
    assert_int_equal(ds_finding_asks(&pace), DS_ASK_NOTHING);
    assert_false(ds_finding_asks_again(&pace));
    assert_false(ds_finding_asks_again(&unknown));
}

/* ---- The reference --------------------------------------------------------------------------- */

static const char *const reference_head =
    "# Reading rules\n\n"
    "Made from `schema/rules/rules.def`; `tests/unit/rule_test.c` compares them (and rewrites this "
    "file when `DS_REWRITE=1`).\nLimits are the shipped ones; a station sets its own by a "
    "`rule_setting` record, within the range: it counts for what is folded from then on, and the "
    "slots that stand are not judged anew.\n\n"
    "Severity: **hold** unbilled until decided, **sample** billed and a share is reviewed, "
    "**note** "
    "only shown. \"hold / sample\" means: the first when grave, as the formula says, the second "
    "otherwise; a station sets the first.\nAsks, at capture: **blind** the number a second time "
    "without showing the first, then a reason or a photo; **reason** or a photo; **photo** a new "
    "photo; **nothing**.\nRules that look at photos compare their hashes.\n\n"
    "Shared by the rules of use: `expected` is the median of the same season's actual volumes "
    "(same "
    "month of other years and one month either side, each scaled by days; at least 3 of them), "
    "else "
    "the mean of the last three actual ones, else the yearly use by days. `spread` is the largest "
    "of 1.4826 x MAD, 10 % of expected and 3,000 L; of a mean half of it, of a yearly use all of "
    "it. After estimates, use and expected are those since the last actual reading. Money at risk "
    "is the volume at risk at the first tier's price, or 3 yuan per m3 where none is known.\n\n";

static void put(struct ds_builder *builder, const char *first, const char *second,
                const char *third)
{
    ds_put_text(builder, first);
    ds_put_text(builder, second);
    ds_put_text(builder, third);
}

static void put_limit(struct ds_builder *out, const struct ds_rule_def *def, size_t which)
{
    const struct ds_limit *limit = &def->limit[which];
    const char *unit = ds_limit_unit_name(limit->unit);
    if (limit->unit == DS_LIMIT_NONE) {
        return;
    }
    put(out, "- `limit_", which == 0 ? "1" : "2", "`: ");
    ds_put_decimal(out, limit->value);
    put(out, " ", unit, " (");
    ds_put_decimal(out, limit->least);
    ds_put_text(out, "..");
    ds_put_decimal(out, limit->most);
    put(out, "): ", limit->meaning, "\n");
}

static void put_reference(struct ds_builder *out)
{
    static const char *const asks[] = {"nothing", "reason", "photo", "blind"};
    ds_put_text(out, reference_head);
    ds_put_text(out, "| id | rule | 中文 | severity | asks |\n| --- | --- | --- | --- | --- |\n");
    for (int64_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        const struct ds_rule_def *def = ds_rule_def(rule);
        ds_put_text(out, "| ");
        ds_put_decimal(out, rule);
        put(out, " | [", def->name, "](#");
        put(out, def->name, ") | ", ds_rule_term(def->rule));
        put(out, " | ", ds_enum_name(DS_LIST_severity, def->severity),
            def->mild == def->severity ? "" : " / ");
        put(out, def->mild == def->severity ? "" : ds_enum_name(DS_LIST_severity, def->mild), " | ",
            asks[def->ask]);
        ds_put_text(out, " |\n");
    }
    for (int64_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        const struct ds_rule_def *def = ds_rule_def(rule);
        put(out, "\n## ", def->name, "\n\n");
        put(out, "- When: ", def->formula, "\n");
        put_limit(out, def, 0);
        put_limit(out, def, 1);
        put(out, "- Needs: ", def->needs, "\n");
        put(out, "- Source: ", def->source, "\n- Version: ");
        ds_put_decimal(out, def->version);
        ds_put_text(out, "\n");
    }
}

static void reference__it_says_what_the_table_says(void **state)
{
    (void)state;
    static char made[32768];
    static char found[32768];
    const char *rewrite = getenv("DS_REWRITE");
    struct ds_builder out;
    struct ds_slice text;
    ds_builder_init(&out, made, sizeof made);
    put_reference(&out);
    assert_int_equal(ds_builder_end(&out, &text), DS_OK);
    if (rewrite != NULL && strcmp(rewrite, "1") == 0) {
        FILE *write = fopen("schema/RULES.md", "wb");
        assert_non_null(write);
        assert_int_equal(fwrite(text.data, 1, text.size, write), text.size);
        assert_int_equal(fclose(write), 0);
    }
    FILE *file = fopen("schema/RULES.md", "rb");
    assert_non_null(file);
    size_t size = fread(found, 1, sizeof found, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(size, text.size);
    assert_memory_equal(found, text.data, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults__every_rule_has_a_whole_row),
        cmocka_unit_test(apply__what_a_setting_leaves_out_stays),
        cmocka_unit_test(apply__severity_and_switch_are_the_stations),
        cmocka_unit_test(limit__an_engine_version_counts_the_rules_that_it_knows),
        cmocka_unit_test(apply__an_unknown_rule_changes_nothing),
        cmocka_unit_test(limits__both_ends_pass_and_the_next_values_do_not),
        cmocka_unit_test(check__the_detail_names_rule_and_range),
        cmocka_unit_test(severity__the_graver_one_wins_and_none_is_least),
        cmocka_unit_test(risk__litres_times_price_in_whole_fen),
        cmocka_unit_test(risk__it_never_exceeds_what_a_record_can_hold),
        cmocka_unit_test(why__every_reason_has_a_name_and_words_in_both_languages),
        cmocka_unit_test(inputs__they_are_pairs_of_name_and_value),
        cmocka_unit_test(asks__a_strange_number_is_asked_again_and_a_pace_is_not),
        cmocka_unit_test(reference__it_says_what_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

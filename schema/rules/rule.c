#include "schema/rules/rule.h"

#include <string.h>

/* clang-format off */
#define DS_RULE_ROW(RULE, VERSION, SINCE, GRAVE, MILD, ASK, NEEDS, V1, LEAST1, MOST1, UNIT1,       \
                    MEANING1, V2, LEAST2, MOST2, UNIT2, MEANING2, FORMULA, SOURCE)                 \
    [DS_RULE_##RULE] = {.rule = DS_RULE_##RULE, .version = (VERSION), .since = (SINCE),            \
     .severity = DS_SEVERITY_##GRAVE, .mild = DS_SEVERITY_##MILD, .ask = DS_ASK_##ASK,             \
     .limit = {{(V1), (LEAST1), (MOST1), DS_LIMIT_##UNIT1, (MEANING1)},                            \
               {(V2), (LEAST2), (MOST2), DS_LIMIT_##UNIT2, (MEANING2)}},                           \
     .name = #RULE, .needs = (NEEDS), .formula = (FORMULA), .source = (SOURCE)},
static const struct ds_rule_def defs[DS_RULE_COUNT] = {
#include "schema/rules/rules.def"
};
#undef DS_RULE_ROW

#define DS_RULE_ROW(RULE, VERSION, SINCE, GRAVE, MILD, ASK, NEEDS, V1, LEAST1, MOST1, UNIT1,       \
                    MEANING1, V2, LEAST2, MOST2, UNIT2, MEANING2, FORMULA, SOURCE)                 \
    [DS_RULE_##RULE] = {DS_SEVERITY_##GRAVE, true, (V1), (V2)},
static const struct ds_rule_table shipped = {
    .rule = {
#include "schema/rules/rules.def"
    },
    .price_e4 = 30000,
    .floor_l = 3000,
    .floor_percent = 10,
    .season_months = 1,
    .season_least = 3,
};
#undef DS_RULE_ROW
/* clang-format on */

static const char *const unit_names[] = {
    [DS_LIMIT_NONE] = "-",      [DS_LIMIT_LITRE] = "L",    [DS_LIMIT_FEN] = "fen",
    [DS_LIMIT_PERCENT] = "%",   [DS_LIMIT_METRE] = "m",    [DS_LIMIT_METRE_PER_SECOND] = "m/s",
    [DS_LIMIT_SECOND] = "s",    [DS_LIMIT_MINUTE] = "min", [DS_LIMIT_DAY] = "day",
    [DS_LIMIT_COUNT] = "count",
};

struct why_words {
    const char *name;
    const char *text;
    const char *term;
};
#define X(name, english, chinese) [DS_WHY_##name] = {#name, english, chinese},
static const struct why_words whys[DS_WHY_COUNT] = {DS_WHY_TABLE(X)};
#undef X

const char *ds_limit_unit_name(enum ds_limit_unit unit)
{
    return (size_t)unit < DS_COUNT(unit_names) ? unit_names[unit] : NULL;
}

const struct ds_rule_def *ds_rule_def(int64_t rule)
{
    return rule > 0 && rule < DS_RULE_COUNT ? &defs[rule] : NULL;
}

void ds_rule_table_limit(struct ds_rule_table *table, uint64_t version)
{
    for (int64_t rule = 1; rule < DS_RULE_COUNT; rule++) {
        table->rule[rule].enabled = table->rule[rule].enabled && defs[rule].since <= version;
    }
}

const char *ds_rule_term(enum ds_rule rule)
{
    return ds_enum_term(DS_LIST_rule, rule);
}

const struct ds_rule_table *ds_rule_defaults(void)
{
    return &shipped;
}

static int64_t clamp(int64_t value, const struct ds_limit *limit)
{
    return value < limit->least ? limit->least : value > limit->most ? limit->most : value;
}

void ds_rule_table_apply(struct ds_rule_table *table, const struct ds_rule_setting *setting)
{
    const struct ds_rule_def *def =
        DS_HAS(setting, rule_setting, rule) ? ds_rule_def(setting->rule) : NULL;
    if (def == NULL) {
        return;
    }
    struct ds_rule_limits *limits = &table->rule[def->rule];
    if (DS_HAS(setting, rule_setting, severity) && setting->severity >= DS_SEVERITY_hold &&
        setting->severity <= DS_SEVERITY_note) {
        limits->severity = (enum ds_severity)setting->severity;
    }
    if (DS_HAS(setting, rule_setting, enabled)) {
        limits->enabled = setting->enabled != 0;
    }
    if (DS_HAS(setting, rule_setting, limit_1)) {
        limits->limit_1 = clamp(setting->limit_1, &def->limit[0]);
    }
    if (DS_HAS(setting, rule_setting, limit_2)) {
        limits->limit_2 = clamp(setting->limit_2, &def->limit[1]);
    }
}

static enum ds_err check_limit(const struct ds_rule_def *def, size_t which, int64_t value,
                               struct ds_detail *detail)
{
    const struct ds_limit *limit = &def->limit[which];
    const char *field = which == 0 ? "limit_1" : "limit_2";
    if (limit->unit == DS_LIMIT_NONE) {
        if (value == 0) {
            return DS_OK;
        }
        ds_detail_set(detail, "rule_setting.", field, ": ", def->name, " has no such limit", NULL);
        return DS_ERR_SCHEMA;
    }
    if (value >= limit->least && value <= limit->most) {
        return DS_OK;
    }
    char text[48];
    struct ds_builder range;
    ds_builder_init(&range, text, sizeof text);
    ds_put_decimal(&range, limit->least);
    ds_put_text(&range, "..");
    ds_put_decimal(&range, limit->most);
    ds_detail_set(detail, "rule_setting.", field, ": ", def->name, " takes ",
                  ds_builder_text(&range), " ", ds_limit_unit_name(limit->unit), NULL);
    return DS_ERR_SCHEMA;
}

enum ds_err ds_rule_setting_check(const struct ds_rule_setting *setting, struct ds_detail *detail)
{
    const struct ds_rule_def *def =
        DS_HAS(setting, rule_setting, rule) ? ds_rule_def(setting->rule) : NULL;
    if (def == NULL) {
        ds_detail_set(detail, "rule_setting.rule: there is no such rule", NULL);
        return DS_ERR_SCHEMA;
    }
    if (DS_HAS(setting, rule_setting, limit_1)) {
        DS_TRY(check_limit(def, 0, setting->limit_1, detail));
    }
    if (DS_HAS(setting, rule_setting, limit_2)) {
        DS_TRY(check_limit(def, 1, setting->limit_2, detail));
    }
    return DS_OK;
}

enum ds_severity ds_severity_max(enum ds_severity a, enum ds_severity b)
{
    if (a == 0 || b == 0) {
        return a == 0 ? b : a;
    }
    return a < b ? a : b;
}

const char *ds_why_name(enum ds_why why)
{
    return (size_t)why < DS_WHY_COUNT ? whys[why].name : NULL;
}

const char *ds_why_text(enum ds_why why)
{
    return (size_t)why < DS_WHY_COUNT ? whys[why].text : NULL;
}

const char *ds_why_term(enum ds_why why)
{
    return (size_t)why < DS_WHY_COUNT ? whys[why].term : NULL;
}

void ds_finding_put_inputs(const struct ds_finding *finding, struct ds_builder *builder)
{
    DS_ASSERT(finding->input_count <= DS_FINDING_INPUTS_MAX);
    ds_put_text(builder, "why=");
    ds_put_text(builder, ds_why_name(finding->why));
    for (size_t i = 0; i < finding->input_count; i++) {
        ds_put_text(builder, ";");
        ds_put_text(builder, finding->input[i].name);
        ds_put_text(builder, "=");
        ds_put_decimal(builder, finding->input[i].value);
    }
}

enum ds_ask ds_finding_asks(const struct ds_finding *finding)
{
    const struct ds_rule_def *def = ds_rule_def((int64_t)finding->rule);
    return def == NULL ? DS_ASK_NOTHING : def->ask;
}

bool ds_finding_asks_again(const struct ds_finding *finding)
{
    return ds_finding_asks(finding) != DS_ASK_NOTHING;
}

int64_t ds_risk_fen(int64_t volume_l, int64_t price_e4)
{
    if (price_e4 <= 0 || volume_l == 0) {
        return 0;
    }
    /* litres / 1000 x price / 10000 yuan x 100 = litres x price / 100000 fen. */
    uint64_t litres = volume_l < 0 ? (uint64_t)0 - (uint64_t)volume_l : (uint64_t)volume_l;
    uint64_t whole = litres / 100000;
    uint64_t rest = litres % 100000;
    uint64_t price = (uint64_t)price_e4;
    uint64_t fen = 0;
    uint64_t part = 0;
    if (__builtin_mul_overflow(whole, price, &fen) || __builtin_mul_overflow(rest, price, &part) ||
        __builtin_add_overflow(fen, part / 100000, &fen) || fen > (uint64_t)DS_RISK_FEN_MAX) {
        return DS_RISK_FEN_MAX;
    }
    return (int64_t)fen;
}

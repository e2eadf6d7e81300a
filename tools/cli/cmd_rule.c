/* rule list, rule set: the reading rules as this station has them. */
#include "schema/base/text.h"
#include "schema/rules/rule.h"
#include "sync/core/tables.h"
#include "tools/cli/commands.h"
#include "tools/cli/state.h"

#include <string.h>

#define ARENA_SIZE 1024 /* One setting. */

/* The shipped table with the station's settings over it; *own: has the station set this rule? */
static enum ds_err load_rules(struct ds_state *state, struct ds_rule_table *table,
                              bool own[static DS_RULE_COUNT])
{
    uint8_t memory[ARENA_SIZE];
    struct ds_arena arena;
    *table = *ds_rule_defaults();
    for (unsigned rule = 1; rule < DS_RULE_COUNT; rule++) {
        struct ds_rule_setting setting;
        struct ds_id id = ds_rule_setting_id(&state->station, (uint8_t)rule);
        ds_arena_init(&arena, memory, sizeof(memory));
        enum ds_err err = ds_state_load(state, DS_REC_rule_setting, &id, &arena, &setting);
        own[rule] = err == DS_OK;
        if (err == DS_OK) {
            ds_rule_table_apply(table, &setting);
        } else if (err != DS_ERR_NOT_FOUND) {
            return err;
        }
    }
    return DS_OK;
}

/* "5000 L", "-" of a rule that has no such limit. */
static void put_limit(char text[static 40], const struct ds_limit *limit, int64_t value)
{
    if (limit->unit == DS_LIMIT_NONE) {
        snprintf(text, 40, "-");
    } else {
        snprintf(text, 40, "%lld %s", (long long)value, ds_limit_unit_name(limit->unit));
    }
}

static void show_rule(struct ds_cli *cli, json_t *rules, const struct ds_rule_def *def,
                      const struct ds_rule_limits *limits, bool own)
{
    char first[40];
    char second[40];
    const char *severity = ds_enum_name(DS_LIST_severity, limits->severity);
    put_limit(first, &def->limit[0], limits->limit_1);
    put_limit(second, &def->limit[1], limits->limit_2);
    ds_cli_print(cli, "%-20s %-8s %-4s %-14s %-14s %-8s %s", def->name, severity,
                 limits->enabled ? "on" : "off", first, second, own ? "station" : "shipped",
                 ds_rule_term(def->rule));
    json_array_append_new(rules, json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:b}", "rule", def->name,
                                           "rule_zh", ds_rule_term(def->rule), "severity", severity,
                                           "enabled", limits->enabled, "limit_1",
                                           (json_int_t)limits->limit_1, "limit_2",
                                           (json_int_t)limits->limit_2, "own", own));
}

enum ds_exit ds_cmd_rule_list(struct ds_cli *cli)
{
    struct ds_state state;
    struct ds_rule_table table;
    bool own[DS_RULE_COUNT] = {false};
    struct ds_detail detail = {""};
    json_t *rules = json_array();
    enum ds_err err = ds_state_open(&state, cli->position[0], &detail);
    if (err == DS_OK) {
        err = load_rules(&state, &table, own);
        ds_state_close(&state);
    }
    ds_cli_put(cli, "rules", rules);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_print(cli, "%-20s %-8s %-4s %-14s %-14s %-8s %s", "rule", "severity", "is", "limit 1",
                 "limit 2", "set by", "名称");
    for (unsigned rule = 1; rule < DS_RULE_COUNT; rule++) {
        const struct ds_rule_def *def = ds_rule_def(rule);
        if (def != NULL) {
            show_rule(cli, rules, def, &table.rule[rule], own[rule]);
        }
    }
    return DS_EXIT_OK;
}

/* ---- rule set ---- */

/* The options as a record; DS_ERR_USAGE says which is wrong. */
static enum ds_err take_setting(struct ds_cli *cli, json_t *fields, struct ds_detail *detail)
{
    static const char *const limits[] = {"limit-1", "limit-2"};
    static const char *const names[] = {"limit_1", "limit_2"};
    const int64_t most = INT64_C(1000000000000);
    if (ds_cli_given(cli, "severity")) {
        json_object_set_new(fields, "severity", json_string(ds_cli_value(cli, "severity")));
    }
    if (ds_cli_given(cli, "on") || ds_cli_given(cli, "off")) {
        json_object_set_new(fields, "enabled", json_boolean(ds_cli_given(cli, "on")));
    }
    for (size_t i = 0; i < DS_COUNT(limits); i++) {
        int64_t value = 0;
        DS_TRY(ds_cli_number(cli, limits[i], -most, most, &value, detail));
        if (ds_cli_given(cli, limits[i])) {
            json_object_set_new(fields, names[i], json_integer(value));
        }
    }
    if (json_object_size(fields) == 1) {
        ds_detail_set(detail,
                      "nothing to set: give --severity, --on, --off, --limit-1 or --limit-2", NULL);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}

static enum ds_err write_setting(struct ds_cli *cli, int64_t rule, json_t *fields,
                                 struct ds_detail *detail)
{
    struct ds_state state;
    char hex[33];
    enum ds_err err = ds_state_open(&state, cli->position[0], detail);
    if (err != DS_OK) {
        return err;
    }
    struct ds_id id = ds_rule_setting_id(&state.station, (uint8_t)rule);
    ds_id_print(&id, hex);
    json_t *drafts =
        json_pack("[{s:s, s:s, s:O}]", "type", "rule_setting", "id", hex, "fields", fields);
    err = ds_state_write(&state, drafts, NULL, detail);
    ds_state_close(&state);
    return err;
}

enum ds_exit ds_cmd_rule_set(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    const char *name = ds_cli_value(cli, "rule");
    int64_t rule = ds_enum_number(DS_LIST_rule, ds_slice_of_text(name));
    if (rule == 0) {
        return ds_cli_usage(cli, "--rule %s: there is no such rule; `rule list` shows them", name);
    }
    if (ds_cli_given(cli, "on") && ds_cli_given(cli, "off")) {
        return ds_cli_usage(cli, "give either --on or --off");
    }
    json_t *fields = json_pack("{s:s}", "rule", name);
    enum ds_err err = take_setting(cli, fields, &detail);
    if (err == DS_ERR_USAGE) {
        json_decref(fields);
        return ds_cli_usage(cli, "%s", detail.text);
    }
    err = write_setting(cli, rule, fields, &detail);
    json_decref(fields);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_print(cli, "rule %s is set; it holds for every reading that is judged from now on",
                 name);
    return DS_EXIT_OK;
}

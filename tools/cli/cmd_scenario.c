/* scenario decide, scenario check. */
#include "schema/base/text.h"
#include "tools/cli/commands.h"
#include "tools/cli/rest.h"
#include "tools/cli/scenario_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MAX 10000

/* ---- decide ---- */

struct deciding {
    struct ds_cli *cli;
    struct ds_rest *rest;
    struct ds_scenario *scenario;
    struct ds_truth truth;
    json_t *done;    /* Slots that were decided here. */
    json_t *rules;   /* Rule -> how many findings were seen. */
    json_t *actions; /* Action -> how many slots. */
};

static void count_in(json_t *counts, const char *word)
{
    json_int_t count = json_integer_value(json_object_get(counts, word));
    json_object_set_new(counts, word, json_integer(count + 1));
}

static const char *text_in(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* Decide the slot of one finding: as injected.csv says, else by approving. */
static enum ds_err decide_slot(struct deciding *d, const json_t *item, struct ds_detail *detail)
{
    char path[DS_REST_PATH_MAX];
    struct ds_id meter;
    json_t *answer = NULL;
    const char *slot = text_in(item, "slot");
    const json_t *row = json_object_get(item, "slot_row");
    DS_TRY(ds_id_parse(ds_slice_of_text(text_in(item, "meter")), &meter));
    const struct ds_truth_slot *truth = ds_truth_find(&d->truth, &meter);
    const char *action = truth != NULL && truth->action[0] != '\0' ? truth->action : "approve";
    json_t *body = json_pack("{s:s, s:s, s:s}", "action", action, "reason",
                             strcmp(action, "correct") == 0   ? "D03"
                             : strcmp(action, "re_read") == 0 ? "D04"
                                                              : "D01",
                             "candidates_hash", text_in(row, "candidates_hash"));
    if (strcmp(action, "correct") == 0) {
        json_object_set_new(body, "index", json_integer(truth->correct_to));
    }
    snprintf(path, sizeof(path), "/api/v1/slots/%s/decide", slot);
    enum ds_err err = ds_rest_call(d->rest, path, body, &answer, detail);
    json_decref(body);
    DS_TRY(err);
    const char *verdict = text_in(answer, "verdict");
    bool applied = strcmp(verdict, "applied") == 0 || strcmp(verdict, "merged") == 0;
    if (!applied) {
        ds_detail_set(detail, "slot ", slot, ": ", action, ": ", verdict, " ",
                      text_in(answer, "detail"), NULL);
        err = DS_ERR_CONFLICT;
    }
    json_decref(answer);
    count_in(d->actions, action);
    json_object_set_new(d->done, slot, json_true());
    return err;
}

/* One page of the queue; *decided: how many slots it brought. */
static enum ds_err decide_page(struct deciding *d, const json_t *page, size_t *decided,
                               struct ds_detail *detail)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(page, "items"), i, item)
    {
        bool now = json_integer_value(json_object_get(item, "period")) == d->scenario->period;
        if (!now || json_object_get(d->done, text_in(item, "slot")) != NULL) {
            continue;
        }
        count_in(d->rules, text_in(item, "rule"));
        DS_TRY(decide_slot(d, item, detail));
        (*decided)++;
    }
    return DS_OK;
}

/* The queue, from the top, until a walk through it finds nothing left to decide: a decision changes
 * the slots behind it. */
static enum ds_err decide_queue(struct deciding *d, struct ds_detail *detail)
{
    char path[DS_REST_PATH_MAX] = "/api/v1/anomalies?limit=200";
    size_t decided = 0;
    for (int pages = 0; pages < PAGES_MAX; pages++) {
        json_t *page = NULL;
        DS_TRY(ds_rest_call(d->rest, path, NULL, &page, detail));
        enum ds_err err = decide_page(d, page, &decided, detail);
        const char *next = json_string_value(json_object_get(page, "next"));
        bool end = next == NULL || next[0] == '\0';
        snprintf(path, sizeof(path), "/api/v1/anomalies?limit=200%s%s",
                 end ? "" : "&after=", end ? "" : next);
        json_decref(page);
        DS_TRY(err);
        if (end && decided == 0) {
            return DS_OK;
        }
        decided = end ? 0 : decided;
    }
    ds_detail_set(detail, "the queue does not end", NULL);
    return DS_ERR_LIMIT;
}

static enum ds_err station_of(struct ds_rest *rest, struct ds_id *station, int32_t *offset_min,
                              struct ds_detail *detail)
{
    json_t *me = NULL;
    DS_TRY(ds_rest_call(rest, "/api/v1/me", NULL, &me, detail));
    const json_t *row = json_object_get(me, "station");
    enum ds_err err = ds_id_parse(ds_slice_of_text(text_in(row, "id")), station);
    *offset_min = (int32_t)json_integer_value(json_object_get(row, "offset_min"));
    json_decref(me);
    return err;
}

static enum ds_err decide(struct deciding *d, const char *password, struct ds_detail *detail)
{
    struct ds_id station;
    int32_t offset_min = 0;
    DS_TRY(ds_rest_open(ds_cli_value(d->cli, "server"), &d->rest, detail));
    DS_TRY(ds_rest_login(d->rest, ds_cli_value(d->cli, "user"), password, detail));
    DS_TRY(station_of(d->rest, &station, &offset_min, detail));
    DS_TRY(ds_scenario_load(ds_cli_value(d->cli, "scenario"), offset_min, &d->scenario, detail));
    DS_TRY(ds_truth_make(d->scenario, &station, &d->truth, detail));
    return decide_queue(d, detail);
}

enum ds_exit ds_cmd_scenario_decide(struct ds_cli *cli)
{
    struct ds_cli_secret password;
    struct ds_detail detail = {""};
    struct deciding d = {
        .cli = cli, .done = json_object(), .rules = json_object(), .actions = json_object()};
    enum ds_err err = ds_cli_secret(cli, "password-file", "DOORSTEP_PASSWORD", &password, &detail);
    if (err == DS_OK) {
        err = decide(&d, password.text, &detail);
    }
    const char *word = NULL;
    json_t *count = NULL;
    json_object_foreach(d.actions, word, count)
    {
        ds_cli_print(cli, "%-20s %lld slots", word, (long long)json_integer_value(count));
    }
    ds_cli_put(cli, "actions", d.actions);
    ds_cli_put(cli, "rules", d.rules);
    json_decref(d.done);
    ds_truth_free(&d.truth);
    ds_scenario_free(d.scenario);
    ds_rest_close(d.rest);
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(cli, err, &detail);
}

/* ---- check ---- */

static enum ds_exit put_checks(struct ds_cli *cli, const struct ds_checks *checks)
{
    json_t *array = json_array();
    bool all = true;
    for (size_t i = 0; i < checks->count; i++) {
        const struct ds_check *check = &checks->checks[i];
        all = all && check->held;
        ds_cli_print(cli, "%-18s %-6s %8" PRIu64 " compared %6" PRIu64 " wrong  %s", check->name,
                     check->held ? "held" : "BROKEN", check->compared, check->wrong, check->words);
        json_array_append_new(array,
                              json_pack("{s:s, s:b, s:I, s:I, s:s}", "name", check->name, "held",
                                        check->held, "compared", (json_int_t)check->compared,
                                        "wrong", (json_int_t)check->wrong, "words", check->words));
    }
    ds_cli_put(cli, "checks", array);
    return all ? DS_EXIT_OK : DS_EXIT_INTEGRITY;
}

static enum ds_err check(struct ds_cli *cli, struct ds_state *state, struct ds_checks *checks,
                         struct ds_detail *detail)
{
    struct ds_truth truth = {.slots = NULL};
    struct ds_check_input input = {.state = state, .truth = &truth};
    const char *path = ds_cli_value(cli, "record");
    json_t *record = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    enum ds_err err = DS_OK;
    if (record == NULL) {
        ds_detail_set(detail, path, ": cannot be read as JSON", NULL);
        return DS_ERR_DECODE;
    }
    input.record = record;
    err =
        ds_scenario_load(ds_cli_value(cli, "scenario"), state->offset_min, &input.scenario, detail);
    if (err == DS_OK) {
        err = ds_truth_make(input.scenario, &state->station, &truth, detail);
    }
    if (err == DS_OK) {
        err = ds_scenario_check(&input, checks, detail);
    }
    ds_truth_free(&truth);
    ds_scenario_free(input.scenario);
    json_decref(record);
    return err;
}

enum ds_exit ds_cmd_scenario_check(struct ds_cli *cli)
{
    struct ds_state state;
    struct ds_checks checks;
    struct ds_detail detail = {""};
    enum ds_err err = ds_state_open(&state, cli->position[0], &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    err = check(cli, &state, &checks, &detail);
    ds_state_close(&state);
    return err == DS_OK ? put_checks(cli, &checks) : ds_cli_fail(cli, err, &detail);
}

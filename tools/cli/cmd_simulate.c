/* simulate: the command around tools/cli/simulate.h; its table and its record. */
#include "tools/cli/commands.h"
#include "tools/cli/handheld_store.h"
#include "tools/cli/simulate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum ds_err ds_simulate_drop(struct ds_simulation *s, const struct ds_act *act, size_t handheld,
                             struct ds_detail *detail)
{
    struct ds_act again = *act;
    again.note = "committed, and never sent";
    s->fleet[handheld].now_ms += 60000;
    return ds_fleet_act(&s->fleet[handheld], &again, detail);
}

/* ---- What came of it. ---- */

static json_t *count_json(const struct ds_fleet_handheld *f,
                          const struct ds_handheld_status *status)
{
    const struct ds_fleet_count *c = &f->count;
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                     "worker", f->worker, "readings", (json_int_t)c->readings, "visits",
                     (json_int_t)c->visits, "swaps", (json_int_t)c->swaps, "asked",
                     (json_int_t)c->asked, "mended", (json_int_t)c->mended, "syncs",
                     (json_int_t)c->syncs, "exchanges", (json_int_t)c->exchanges, "sent",
                     (json_int_t)c->sent, "acknowledged", (json_int_t)c->acknowledged, "rows",
                     (json_int_t)c->rows, "verdicts", (json_int_t)c->verdicts, "lives",
                     (json_int_t)status->lives, "unsent", (json_int_t)status->unsent);
}

static void print_head(struct ds_cli *cli)
{
    ds_cli_print(cli, "%-8s %8s %6s %5s %5s %6s %5s %6s %6s %6s %5s %6s", "worker", "readings",
                 "visits", "swaps", "asked", "mended", "syncs", "sent", "acked", "rows", "lives",
                 "unsent");
}

static void print_count(struct ds_cli *cli, const char *worker, const struct ds_fleet_count *c,
                        unsigned lives, uint64_t unsent)
{
    ds_cli_print(cli,
                 "%-8s %8" PRIu64 " %6" PRIu64 " %5" PRIu64 " %5" PRIu64 " %6" PRIu64 " %5" PRIu64
                 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %5u %6" PRIu64,
                 worker, c->readings, c->visits, c->swaps, c->asked, c->mended, c->syncs, c->sent,
                 c->acknowledged, c->rows, lives, unsent);
}

static void add_count(struct ds_fleet_count *sum, const struct ds_fleet_count *c)
{
    sum->readings += c->readings;
    sum->visits += c->visits;
    sum->swaps += c->swaps;
    sum->asked += c->asked;
    sum->mended += c->mended;
    sum->syncs += c->syncs;
    sum->sent += c->sent;
    sum->acknowledged += c->acknowledged;
    sum->rows += c->rows;
}

/* What `scenario check` demands from the station. */
static enum ds_err write_record(const char *path, json_t *handhelds, struct ds_detail *detail)
{
    json_t *record = json_pack("{s:O}", "handhelds", handhelds);
    int failed = json_dump_file(record, path, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(record);
    if (failed != 0) {
        ds_detail_set(detail, path, ": cannot be written", NULL);
        return DS_ERR_IO;
    }
    return DS_OK;
}

static enum ds_err report(struct ds_simulation *s, struct ds_detail *detail)
{
    struct ds_fleet_count sum = {.readings = 0};
    uint64_t unsent = 0;
    unsigned lives = 0;
    json_t *table = json_array();
    json_t *record = json_array();
    print_head(s->cli);
    for (size_t i = 0; i < s->count; i++) {
        struct ds_fleet_handheld *f = &s->fleet[i];
        struct ds_handheld_status status = {.enrolled = false};
        char device[33] = "";
        if (f->worker[0] == '\0') {
            continue; /* It ended before this one was enrolled. */
        }
        if (f->handheld != NULL && ds_handheld_status(f->handheld, &status) == DS_E_OK) {
            ds_handheld_id_print(&status.device, device);
        }
        print_count(s->cli, f->worker, &f->count, status.lives, status.unsent);
        add_count(&sum, &f->count);
        unsent += status.unsent;
        lives += status.lives;
        json_array_append_new(table, count_json(f, &status));
        json_array_append_new(record, json_pack("{s:s, s:s, s:I, s:O}", "worker", f->worker,
                                                "device", device, "unsent",
                                                (json_int_t)status.unsent, "commits", f->commits));
    }
    print_count(s->cli, "all", &sum, lives, unsent);
    ds_cli_print(s->cli,
                 "asked: a rule looked twice; mended: read again, and changed; acked: under "
                 "the server's receipt;");
    ds_cli_print(s->cli, "rows: taken from the server; lives: how often the store began anew");
    ds_cli_put(s->cli, "handhelds", table);
    ds_cli_put_number(s->cli, "readings", (int64_t)sum.readings);
    ds_cli_put_number(s->cli, "acknowledged", (int64_t)sum.acknowledged);
    ds_cli_put_number(s->cli, "unsent", (int64_t)unsent);
    enum ds_err err = DS_OK;
    if (ds_cli_given(s->cli, "record")) {
        err = write_record(ds_cli_value(s->cli, "record"), record, detail);
    }
    json_decref(record);
    return err;
}

/* ---- The command. ---- */

static enum ds_err take_options(struct ds_simulation *s, struct ds_detail *detail)
{
    int64_t handhelds = 20;
    int64_t days = 1;
    int64_t seed = 1;
    const char *scenario = ds_cli_value(s->cli, "scenario");
    DS_TRY(ds_cli_number(s->cli, "handhelds", 1, DS_SIMULATE_HANDHELDS_MAX, &handhelds, detail));
    DS_TRY(ds_cli_number(s->cli, "days", 1, DS_SIMULATE_DAYS_MAX, &days, detail));
    DS_TRY(ds_cli_number(s->cli, "seed", 0, INT64_MAX, &seed, detail));
    if (scenario != NULL && s->rest != NULL) {
        ds_detail_set(detail, "--scenario needs --station: it sets the sample station's clock",
                      NULL);
        return DS_ERR_USAGE;
    }
    if (scenario != NULL) {
        DS_TRY(ds_scenario_load(scenario, s->state.offset_min, &s->scenario, detail));
        handhelds = (int64_t)s->scenario->handheld_count;
    }
    s->count = (size_t)handhelds;
    s->days = (size_t)days;
    s->seed = (uint64_t)seed;
    s->fleet = calloc(s->count, sizeof(s->fleet[0]));
    return s->fleet != NULL ? DS_OK : DS_ERR_NOMEM;
}

static enum ds_err make_dir(struct ds_simulation *s, char made[static DS_FLEET_PATH_MAX],
                            struct ds_detail *detail)
{
    const char *given = ds_cli_value(s->cli, "stores");
    if (given != NULL) {
        s->dir = given;
        if (mkdir(given, 0700) != 0) {
            ds_detail_set(detail, given, ": exists already, or cannot be made", NULL);
            return DS_ERR_EXISTS;
        }
        return DS_OK;
    }
    snprintf(made, DS_FLEET_PATH_MAX, "/tmp/doorstep-simulate-XXXXXX");
    s->dir = mkdtemp(made);
    return s->dir != NULL ? DS_OK : DS_ERR_IO;
}

static enum ds_err simulate(struct ds_simulation *s, struct ds_detail *detail)
{
    char made[DS_FLEET_PATH_MAX] = "";
    DS_TRY(take_options(s, detail));
    if (s->drop_op && s->scenario == NULL) {
        ds_detail_set(detail, "--drop-op needs --scenario", NULL);
        return DS_ERR_USAGE;
    }
    DS_TRY(make_dir(s, made, detail));
    enum ds_err err =
        s->scenario != NULL ? ds_simulate_day(s, detail) : ds_simulate_rounds(s, detail);
    struct ds_detail why = {""};
    enum ds_err told = report(s, &why);
    if (err == DS_OK && told != DS_OK) {
        err = told;
        *detail = why;
    }
    for (size_t i = 0; i < s->count; i++) {
        ds_fleet_free(&s->fleet[i]);
    }
    if (made[0] != '\0') {
        ds_fleet_remove(made);
    }
    return err;
}

enum ds_exit ds_cmd_simulate(struct ds_cli *cli)
{
    struct ds_simulation s = {
        .cli = cli, .url = ds_cli_value(cli, "server"), .drop_op = ds_cli_given(cli, "drop-op")};
    struct ds_detail detail = {""};
    enum ds_err err = ds_simulate_open(&s, &detail);
    if (err == DS_OK) {
        err = simulate(&s, &detail);
    }
    free(s.fleet);
    ds_scenario_free(s.scenario);
    ds_simulate_close(&s);
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(cli, err, &detail);
}

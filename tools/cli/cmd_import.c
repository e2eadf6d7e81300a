/* import DIR --kind K FILE: the command around tools/cli/import.h. */
#include "schema/base/text.h"
#include "tools/cli/commands.h"
#include "tools/cli/import.h"
#include "tools/cli/progress.h"
#include "tools/cli/state.h"

#include <string.h>

static enum ds_err load_record(void *context, uint8_t type, const struct ds_id *id,
                               struct ds_arena *arena, void *record)
{
    return ds_state_load(context, type, id, arena, record);
}

static enum ds_err write_drafts(void *context, const char *actor, json_t *drafts, json_t **answer,
                                struct ds_detail *detail)
{
    json_t *request =
        json_pack("{s:s, s:s, s:o}", "do", "import", "actor", actor, "drafts", drafts);
    return ds_state_call(context, request, answer, detail);
}

static void draw(void *context, uint64_t done, uint64_t total)
{
    ds_progress_step(context, done, total);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    size_t tail = strlen(end);
    return size >= tail && strcmp(text + size - tail, end) == 0;
}

static void put_result(struct ds_cli *cli, const struct ds_import_result *result)
{
    ds_cli_put_number(cli, "rows", (int64_t)result->rows);
    ds_cli_put_number(cli, "loaded", (int64_t)result->loaded);
    ds_cli_put_number(cli, "rejected", (int64_t)result->rejected);
    ds_cli_put_number(cli, "written", (int64_t)result->written);
    ds_cli_put_number(cli, "unchanged", (int64_t)result->unchanged);
    ds_cli_put_number(cli, "position", (int64_t)result->position);
    ds_cli_put(cli, "verdicts", json_incref(result->verdicts));
    ds_cli_put(cli, "shown", json_incref(result->shown));
    if (result->bad_path[0] != '\0') {
        ds_cli_put_text(cli, "bad_file", result->bad_path);
    }
}

static void print_result(struct ds_cli *cli, const struct ds_import_result *result)
{
    const char *word = NULL;
    json_t *value = NULL;
    size_t i = 0;
    ds_cli_print(cli, "%s: %llu rows, %llu loaded, %llu rejected; %llu written, %llu unchanged%s",
                 cli->position[1], (unsigned long long)result->rows,
                 (unsigned long long)result->loaded, (unsigned long long)result->rejected,
                 (unsigned long long)result->written, (unsigned long long)result->unchanged,
                 ds_cli_given(cli, "dry-run") ? " (nothing was written: --dry-run)" : "");
    json_object_foreach(result->verdicts, word, value)
    {
        ds_cli_print(cli, "  %s: %lld", word, (long long)json_integer_value(value));
    }
    json_array_foreach(result->shown, i, value)
    {
        ds_cli_print(cli, "  line %lld: %s %s",
                     (long long)json_integer_value(json_object_get(value, "line")),
                     json_string_value(json_object_get(value, "verdict")),
                     json_string_value(json_object_get(value, "detail")));
    }
    if (result->bad_path[0] != '\0') {
        ds_cli_print(cli, "  rejected rows: %s", result->bad_path);
    }
}

static enum ds_exit run(struct ds_cli *cli, struct ds_import_options *options)
{
    struct ds_import_result result;
    struct ds_progress_bar bar;
    struct ds_detail detail = {""};
    ds_progress_begin(&bar, cli->err, options->path);
    options->step = draw;
    options->step_context = &bar;
    enum ds_err err = ds_import_run(options, &result, &detail);
    ds_progress_end(&bar);
    put_result(cli, &result);
    if (err == DS_OK) {
        print_result(cli, &result);
    }
    json_decref(result.verdicts);
    json_decref(result.shown);
    if (err != DS_OK) {
        struct ds_detail where;
        ds_detail_set(&where, options->path, ": ", detail.text, NULL);
        return ds_cli_fail(cli, err, &where);
    }
    return result.rejected > 0 ? DS_EXIT_PARTLY : DS_EXIT_OK;
}

enum ds_exit ds_cmd_import(struct ds_cli *cli)
{
    struct ds_state state;
    struct ds_detail detail = {""};
    struct ds_import_options options = {
        .kind = ds_kind_by_name(ds_cli_value(cli, "kind")),
        .path = cli->position[1],
        .map = ds_cli_value(cli, "map"),
        .dry_run = ds_cli_given(cli, "dry-run"),
        .geojson = ends_with(cli->position[1], ".geojson"),
        .write = write_drafts,
        .write_context = &state,
    };
    if (options.kind == NULL) {
        return ds_cli_usage(cli, "--kind %s: there is no such kind", ds_cli_value(cli, "kind"));
    }
    if (options.geojson && !options.kind->geojson) {
        return ds_cli_usage(cli, "--kind %s: only premises and asset come as GeoJSON",
                            options.kind->name);
    }
    enum ds_err err = ds_state_open(&state, cli->position[0], &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    options.port = (struct ds_station_port){
        .station = state.station,
        .offset_min = state.offset_min,
        .load = load_record,
        .context = &state,
    };
    enum ds_exit code = run(cli, &options);
    ds_state_close(&state);
    return code;
}

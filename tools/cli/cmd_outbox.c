/* outbox deliver, reconcile: billing and GIS from the command line. */
#include "server/files.h"
#include "tools/cli/commands.h"
#include "tools/cli/state.h"

#include <string.h>

static long long number_of(const json_t *object, const char *name)
{
    return (long long)json_integer_value(json_object_get(object, name));
}

enum ds_exit ds_cmd_outbox_deliver(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    enum ds_err err = ds_state_ask(
        cli->position[0],
        json_pack("{s:s, s:s}", "do", "deliver", "consumer", ds_cli_value(cli, "consumer")),
        &answer, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_put_number(cli, "exports", number_of(answer, "exports"));
    ds_cli_print(cli, "%lld exports handed over", number_of(answer, "exports"));
    json_decref(answer);
    return DS_EXIT_OK;
}

static void print_side(struct ds_cli *cli, const char *who, const json_t *total)
{
    ds_cli_print(cli, "%-6s %8lld slots %14lld L", who, number_of(total, "count"),
                 number_of(total, "consumption_l"));
}

enum ds_exit ds_cmd_reconcile(struct ds_cli *cli)
{
    char file[DS_PATH_MAX];
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    size_t i = 0;
    const json_t *difference = NULL;
    enum ds_err err = ds_state_absolute(ds_cli_value(cli, "statement"), file, &detail);
    if (err == DS_OK) {
        err = ds_state_ask(cli->position[0],
                           json_pack("{s:s, s:s, s:s, s:s}", "do", "statement", "consumer",
                                     ds_cli_value(cli, "consumer"), "day", ds_cli_value(cli, "day"),
                                     "file", file),
                           &answer, &detail);
    }
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    json_object_del(answer, "ok");
    json_object_update(cli->answer, answer);
    print_side(cli, "ours", json_object_get(answer, "ours"));
    print_side(cli, "theirs", json_object_get(answer, "theirs"));
    ds_cli_print(cli, "%lld differences", number_of(answer, "difference_count"));
    json_array_foreach(json_object_get(answer, "differences"), i, difference)
    {
        const char *type = json_string_value(json_object_get(difference, "type"));
        const char *slot = json_string_value(json_object_get(difference, "slot"));
        ds_cli_print(cli, "  %-14s slot %s revision %lld", type != NULL ? type : "",
                     slot != NULL ? slot : "", number_of(difference, "revision"));
    }
    bool agrees = json_is_true(json_object_get(answer, "agrees"));
    json_decref(answer);
    return agrees ? DS_EXIT_OK : DS_EXIT_FAILED;
}

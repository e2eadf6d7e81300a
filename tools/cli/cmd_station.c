/* station init, station show, station proxy. */
#include "schema/base/text.h"
#include "sync/core/tables.h"
#include "tools/cli/commands.h"
#include "tools/cli/proxy.h"
#include "tools/cli/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "+08:00", "-03:30", "Z" */
static bool parse_offset(const char *text, int64_t *offset_min)
{
    char instant[48];
    int64_t there_ms = 0;
    /* An instant of one day with this offset and with Z differ by it: one parser for offsets. */
    int size = snprintf(instant, sizeof(instant), "2026-01-05T00:00:00%s", text);
    const int64_t utc_ms = ds_date_to_days((struct ds_date){2026, 1, 5}) * INT64_C(86400000);
    if (size < 0 || (size_t)size >= sizeof(instant) ||
        ds_instant_parse(ds_slice_of_text(instant), &there_ms) != DS_OK) {
        return false;
    }
    *offset_min = (utc_ms - there_ms) / 60000;
    return true;
}

enum ds_exit ds_cmd_station_init(struct ds_cli *cli)
{
    struct ds_station station = {.presence = {0}};
    struct ds_detail detail = {""};
    char id[33];
    int64_t offset_min = 0;
    int64_t clock_ms = 0;
    const char *billing = ds_cli_value(cli, "billing");
    struct ds_slice authority = ds_slice_of_text(billing != NULL ? billing : "central");
    if (!parse_offset(ds_cli_value(cli, "offset"), &offset_min)) {
        return ds_cli_usage(cli, "--offset %s: not an offset like +08:00",
                            ds_cli_value(cli, "offset"));
    }
    if (ds_cli_instant(cli, "clock", &clock_ms, &detail) != DS_OK) {
        return ds_cli_usage(cli, "%s", detail.text);
    }
    if (ds_enum_number(DS_LIST_billing_authority, authority) == 0) {
        return ds_cli_usage(cli, "--billing %s: give central or doorstep", billing);
    }
    if (ds_cli_value(cli, "number")[0] == '\0' || ds_cli_value(cli, "name")[0] == '\0') {
        return ds_cli_usage(cli, "--number and --name may not be empty");
    }
    DS_SET(&station, station, number, ds_slice_of_text(ds_cli_value(cli, "number")));
    DS_SET(&station, station, name, ds_slice_of_text(ds_cli_value(cli, "name")));
    DS_SET(&station, station, offset_min, offset_min);
    DS_SET(&station, station, billing_authority,
           ds_enum_number(DS_LIST_billing_authority, authority));
    if (ds_cli_given(cli, "sample")) {
        DS_SET(&station, station, sample, 1);
    }
    enum ds_err err =
        ds_validate(ds_record_type_by_number(DS_REC_station), &station, true, NULL, &detail);
    if (err == DS_OK) {
        err = ds_site_init(cli->position[0], &station, clock_ms, &detail);
    }
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    struct ds_id station_id = ds_station_id(station.number);
    ds_id_print(&station_id, id);
    ds_cli_put_text(cli, "dir", cli->position[0]);
    ds_cli_put_text(cli, "id", id);
    ds_cli_print(cli, "station %s made in %s", ds_cli_value(cli, "number"), cli->position[0]);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_station_show(struct ds_cli *cli)
{
    struct ds_state state;
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    enum ds_err err = ds_state_open(&state, cli->position[0], &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    err = ds_state_call(&state, json_pack("{s:s}", "do", "station"), &answer, &detail);
    if (err == DS_OK) {
        const char *name = NULL;
        json_t *value = NULL;
        json_object_del(answer, "ok");
        json_object_foreach(answer, name, value)
        {
            char *text = json_dumps(value, JSON_ENCODE_ANY);
            ds_cli_print(cli, "%-12s %s", name, text != NULL ? text : "");
            free(text);
        }
        ds_cli_put(cli, "station", answer);
        ds_cli_put(cli, "daemon", json_boolean(ds_admin_is_daemon(state.admin)));
    }
    ds_state_close(&state);
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(cli, err, &detail);
}

/* What is still to be done before handhelds come through the proxy. */
static void tell_next(struct ds_cli *cli, const struct ds_config *config,
                      const struct ds_proxy_files *files)
{
    const char *colon = strrchr(config->proxy_listen, ':');
    ds_cli_put_text(cli, "public_url", config->server_public_url);
    if (config->server_public_url[0] == '\0') {
        ds_cli_print(cli,
                     "next, in %s/doorstep.ini under [server]: public_url = https://%s%s, "
                     "with the name and port that handhelds can reach",
                     cli->position[0], config->proxy_name, colon != NULL ? colon : "");
    }
    ds_cli_print(cli, "then  doorstepd --data %s --behind-proxy", cli->position[0]);
    ds_cli_print(cli, "and   haproxy -f %s/haproxy.cfg", files->folder);
}

enum ds_exit ds_cmd_station_proxy(struct ds_cli *cli)
{
    struct ds_config *config = malloc(sizeof(*config));
    struct ds_proxy_files files = {.folder = ""};
    struct ds_detail detail = {""};
    char path[DS_PATH_MAX];
    char dir[DS_PATH_MAX];
    enum ds_err err = config != NULL ? DS_OK : DS_ERR_NOMEM;
    if (err == DS_OK) {
        ds_config_default(config);
        err = ds_state_absolute(cli->position[0], dir, &detail);
    }
    if (err == DS_OK) {
        err = ds_path_join(dir, "doorstep.ini", path);
    }
    if (err == DS_OK) {
        err = ds_config_load(config, path, &detail);
    }
    if (err == DS_OK) {
        err = ds_proxy_make(dir, config, ds_cli_given(cli, "renew"), cli->environment, &files,
                            &detail);
    }
    if (err == DS_OK) {
        ds_cli_put_text(cli, "folder", files.folder);
        ds_cli_put_text(cli, "pin", files.pin);
        ds_cli_put(cli, "made", json_boolean(files.made));
        ds_cli_print(cli, "%s: %s", files.folder,
                     files.made ? "a new key and certificate" : "the key that was there");
        ds_cli_print(cli, "pin  %s", files.pin);
        tell_next(cli, config, &files);
    }
    free(config);
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(cli, err, &detail);
}

/* user add, remove, list; user role remove. */
#include "schema/base/text.h"
#include "tools/cli/commands.h"
#include "tools/cli/state.h"

#include <stdlib.h>
#include <string.h>

enum ds_exit ds_cmd_user_add(struct ds_cli *cli)
{
    struct ds_cli_secret password;
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    const char *worker = ds_cli_value(cli, "worker");
    const char *role = ds_cli_value(cli, "role");
    enum ds_err err = ds_cli_secret(cli, "password-file", "DOORSTEP_PASSWORD", &password, &detail);
    if (err == DS_OK) {
        json_t *request = json_pack("{s:s, s:s, s:s}", "do", "user_add", "name",
                                    ds_cli_value(cli, "name"), "password", password.text);
        if (worker != NULL) {
            json_object_set_new(request, "worker", json_string(worker));
        }
        if (role != NULL) {
            json_object_set_new(request, "roles", ds_cli_words(role));
        }
        err = ds_state_ask(cli->position[0], request, &answer, &detail);
    }
    ds_wipe(&password, sizeof(password));
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_put(cli, "worker", json_incref(json_object_get(answer, "worker")));
    ds_cli_print(cli, "user %s may log in", ds_cli_value(cli, "name"));
    json_decref(answer);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_user_remove(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    const char *name = ds_cli_value(cli, "name");
    enum ds_err err =
        ds_state_ask(cli->position[0], json_pack("{s:s, s:s}", "do", "user_remove", "name", name),
                     &answer, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_print(cli, "user %s may no longer log in", name);
    json_decref(answer);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_user_list(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    size_t i = 0;
    json_t *user = NULL;
    enum ds_err err =
        ds_state_ask(cli->position[0], json_pack("{s:s}", "do", "user_list"), &answer, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    json_array_foreach(json_object_get(answer, "users"), i, user)
    {
        char *roles = json_dumps(json_object_get(user, "roles"), JSON_COMPACT);
        ds_cli_print(cli, "%-20s %-8s %s", json_string_value(json_object_get(user, "name")),
                     json_is_true(json_object_get(user, "active")) ? "active" : "off",
                     roles != NULL ? roles : "");
        free(roles);
    }
    ds_cli_put(cli, "users", json_incref(json_object_get(answer, "users")));
    json_decref(answer);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_user_role_remove(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    const char *name = ds_cli_value(cli, "name");
    const char *worker = ds_cli_value(cli, "worker");
    if ((name == NULL) == (worker == NULL)) {
        return ds_cli_usage(cli, "give either --name N or --worker W");
    }
    json_t *request = json_pack("{s:s, s:o, s:s}", "do", "role_end", "roles",
                                ds_cli_words(ds_cli_value(cli, "role")),
                                name != NULL ? "user" : "worker", name != NULL ? name : worker);
    enum ds_err err = ds_state_ask(cli->position[0], request, &answer, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_put(cli, "worker", json_incref(json_object_get(answer, "worker")));
    ds_cli_print(cli, "%s no longer holds: %s", name != NULL ? name : worker,
                 ds_cli_value(cli, "role"));
    json_decref(answer);
    return DS_EXIT_OK;
}

/* user add, remove, list; device code. */
#include "schema/base/text.h"
#include "tools/cli/commands.h"
#include "tools/cli/qr.h"
#include "tools/cli/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *words(const char *text)
{
    json_t *array = json_array();
    while (*text != '\0') {
        size_t size = strcspn(text, " ,");
        if (size > 0) {
            json_array_append_new(array, json_stringn(text, size));
        }
        text += size;
        text += *text != '\0';
    }
    return array;
}

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
            json_object_set_new(request, "roles", words(role));
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

static enum ds_err show_qr(struct ds_cli *cli, const char *text, struct ds_detail *detail)
{
    const char *path = ds_cli_value(cli, "qr");
    if (path != NULL) {
        DS_TRY(ds_qr_png(text, path, detail));
        ds_cli_put_text(cli, "qr", path);
        ds_cli_print(cli, "QR code: %s", path);
    }
    return ds_cli_given(cli, "qr-text") && !cli->json ? ds_qr_text(text, cli->out, detail) : DS_OK;
}

enum ds_exit ds_cmd_device_code(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:s}", "do", "code", "worker", ds_cli_value(cli, "worker"));
    if (ds_cli_given(cli, "url")) {
        json_object_set_new(request, "url", json_string(ds_cli_value(cli, "url")));
    }
    if (ds_cli_given(cli, "pins")) {
        json_object_set_new(request, "pins", words(ds_cli_value(cli, "pins")));
    }
    enum ds_err err = ds_state_ask(cli->position[0], request, &answer, &detail);
    const char *text = json_string_value(json_object_get(answer, "text"));
    if (err == DS_OK && text == NULL) {
        err = DS_ERR_DECODE;
    }
    if (err == DS_OK) {
        ds_cli_put_text(cli, "code", text);
        ds_cli_put(cli, "expires_ms", json_incref(json_object_get(answer, "expires_ms")));
        ds_cli_print(cli, "%s", text);
        err = show_qr(cli, text, &detail);
    }
    json_decref(answer);
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(cli, err, &detail);
}

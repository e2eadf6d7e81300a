/* device code, list, revoke, state. */
#include "schema/base/text.h"
#include "tools/cli/commands.h"
#include "tools/cli/qr.h"
#include "tools/cli/state.h"

#include <stdio.h>
#include <string.h>

#define ARENA_SIZE 2048 /* One device. */

static enum ds_err show_qr(struct ds_cli *cli, const char *text, struct ds_detail *detail)
{
    const char *path = ds_cli_value(cli, "qr");
    if (path != NULL) {
        DS_TRY(ds_qr_png(text, path, detail));
        ds_cli_put_text(cli, "qr", path);
        ds_cli_note(cli, "QR code: %s", path);
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
        json_object_set_new(request, "pins", ds_cli_words(ds_cli_value(cli, "pins")));
    }
    enum ds_err err = ds_state_ask(cli->position[0], request, &answer, &detail);
    const char *text = json_string_value(json_object_get(answer, "text"));
    if (err == DS_OK && text == NULL) {
        err = DS_ERR_DECODE;
    }
    if (err == DS_OK) {
        const char *url = json_string_value(json_object_get(answer, "url"));
        ds_cli_put_text(cli, "code", text);
        ds_cli_put_text(cli, "url", url != NULL ? url : "");
        /* The code alone is the answer; beside it, what somebody would check. */
        ds_cli_note(cli, "the device will call %s", url != NULL ? url : "");
        ds_cli_put(cli, "expires_ms", json_incref(json_object_get(answer, "expires_ms")));
        ds_cli_print(cli, "%s", text);
        err = show_qr(cli, text, &detail);
    }
    json_decref(answer);
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(cli, err, &detail);
}

/* ---- device list, device revoke ---- */

static const char *text_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text != NULL ? text : "";
}

static enum ds_err all_devices(struct ds_cli *cli, json_t *devices, struct ds_detail *detail)
{
    struct ds_state state;
    json_t *answer = NULL;
    json_t *after = NULL;
    enum ds_err err = ds_state_open(&state, cli->position[0], detail);
    if (err != DS_OK) {
        return err;
    }
    do {
        json_t *request = json_pack("{s:s, s:s, s:b, s:O*}", "do", "rows", "type", "device",
                                    "health", 1, "after", after);
        json_decref(after);
        after = NULL;
        err = ds_state_call(&state, request, &answer, detail);
        if (err == DS_OK) {
            json_array_extend(devices, json_object_get(answer, "rows"));
            after = json_incref(json_object_get(answer, "next"));
            json_decref(answer);
        }
    } while (err == DS_OK && after != NULL);
    ds_state_close(&state);
    return err;
}

static const char *obeyed_word(const json_t *device)
{
    const json_t *obeyed = json_object_get(device, "obeyed");
    return obeyed == NULL ? "" : json_is_true(obeyed) ? " (it did)" : " (not yet)";
}

static void print_device(struct ds_cli *cli, const json_t *device)
{
    uint8_t memory[40];
    struct ds_builder contact;
    char unsent[24] = "-";
    const json_t *contact_ms = json_object_get(device, "contact_ms");
    ds_builder_init(&contact, memory, sizeof(memory));
    if (json_is_integer(contact_ms)) {
        ds_put_instant(&contact, json_integer_value(contact_ms), 0);
        snprintf(unsent, sizeof(unsent), "%lld",
                 (long long)json_integer_value(json_object_get(device, "unsent")));
    } else {
        ds_put_text(&contact, "never");
    }
    ds_cli_print(cli, "%-32s %-8s %s%-10s %-24s %6s  %s", text_of(device, "id"),
                 text_of(device, "worker_number"), text_of(device, "state"), obeyed_word(device),
                 ds_builder_text(&contact), unsent, text_of(device, "model"));
}

enum ds_exit ds_cmd_device_list(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *devices = json_array();
    json_t *shown = json_array();
    size_t i = 0;
    json_t *device = NULL;
    enum ds_err err = all_devices(cli, devices, &detail);
    ds_cli_print(cli, "%-32s %-8s %-10s %-24s %6s  %s", "device", "worker", "state",
                 "last contact (UTC)", "unsent", "model");
    json_array_foreach(devices, i, device)
    {
        /* The office's own writers have keys too; a person asks for handhelds. */
        if (strcmp(text_of(device, "kind"), "handheld") == 0) {
            print_device(cli, device);
            json_array_append(shown, device);
        }
    }
    json_decref(devices);
    ds_cli_put(cli, "devices", shown);
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(cli, err, &detail);
}

static enum ds_err revoke(struct ds_cli *cli, const char *text, const struct ds_id *id,
                          struct ds_detail *detail)
{
    struct ds_state state;
    struct ds_device device;
    uint8_t memory[ARENA_SIZE];
    struct ds_arena arena;
    ds_arena_init(&arena, memory, sizeof(memory));
    DS_TRY(ds_state_open(&state, cli->position[0], detail));
    enum ds_err err = ds_state_load(&state, DS_REC_device, id, &arena, &device);
    if (err == DS_ERR_NOT_FOUND) {
        ds_detail_set(detail, "device ", text, ": there is no such device", NULL);
    }
    if (err == DS_OK) {
        json_t *drafts = json_pack("[{s:s, s:s, s:{s:s}}]", "type", "device", "id", text, "fields",
                                   "state", "revoked");
        err = ds_state_write(&state, drafts, NULL, detail);
    }
    ds_state_close(&state);
    return err;
}

enum ds_exit ds_cmd_device_revoke(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    struct ds_id id;
    const char *device = ds_cli_value(cli, "device");
    if (ds_id_parse(ds_slice_of_text(device), &id) != DS_OK) {
        return ds_cli_usage(cli, "--device %s: not 32 hex digits; `device list` shows them",
                            device);
    }
    enum ds_err err = revoke(cli, device, &id, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_put_text(cli, "device", device);
    ds_cli_print(cli,
                 "device %s is revoked: what it sends from now on waits in quarantine, "
                 "for a supervisor to decide",
                 device);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_device_state(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    const char *device = ds_cli_value(cli, "device");
    const char *to = ds_cli_value(cli, "to");
    enum ds_err err = ds_state_ask(
        cli->position[0],
        json_pack("{s:s, s:s, s:s}", "do", "device_state", "device", device, "state", to), &answer,
        &detail);
    json_decref(answer);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_put_text(cli, "device", device);
    ds_cli_print(cli, "device %s is %s; it hears of it at its next exchange", device, to);
    return DS_EXIT_OK;
}

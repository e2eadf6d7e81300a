/* journal verify, journal head, rebuild, scrub, backup, restore, bundle import, reconcile. */
#include "schema/base/text.h"
#include "server/backup.h"
#include "tools/cli/commands.h"
#include "tools/cli/state.h"

#include <string.h>
#include <unistd.h>

static long long number_of(const json_t *answer, const char *name)
{
    return (long long)json_integer_value(json_object_get(answer, name));
}

static const char *text_of(const json_t *answer, const char *name)
{
    const char *text = json_string_value(json_object_get(answer, name));
    return text != NULL ? text : "";
}

/* Every member of the answer is a member of ours. */
static void put_all(struct ds_cli *cli, json_t *answer)
{
    json_object_del(answer, "ok");
    json_object_update(cli->answer, answer);
}

/* SIZE:ROOT, as a handheld's status shows them. */
static enum ds_err add_witness(const char *text, json_t *request, struct ds_detail *detail)
{
    const char *colon = strchr(text, ':');
    int64_t size = 0;
    if (colon == NULL ||
        ds_int_parse((struct ds_slice){(const uint8_t *)text, (size_t)(colon - text)}, &size) !=
            DS_OK) {
        ds_detail_set(detail, "--witness: SIZE:ROOT", NULL);
        return DS_ERR_USAGE;
    }
    json_object_set_new(request, "witness_size", json_integer(size));
    json_object_set_new(request, "witness_root", json_string(colon + 1));
    return DS_OK;
}

enum ds_exit ds_cmd_journal_verify(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    json_t *request = json_pack("{s:s}", "do", "verify");
    const char *witness = ds_cli_value(cli, "witness");
    enum ds_err err = witness != NULL ? add_witness(witness, request, &detail) : DS_OK;
    if (err != DS_OK) {
        json_decref(request);
        return ds_cli_fail(cli, err, &detail);
    }
    err = ds_state_ask(cli->position[0], request, &answer, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    put_all(cli, answer);
    ds_cli_print(cli, "journal of %lld entries: every form, signature, chain and hash is right",
                 number_of(answer, "size"));
    ds_cli_print(cli, "root %s", text_of(answer, "root"));
    json_decref(answer);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_journal_head(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    enum ds_err err =
        ds_state_ask(cli->position[0], json_pack("{s:s}", "do", "station"), &answer, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    static const char *const names[] = {"id", "epoch", "size", "root", "sign_key"};
    for (size_t i = 0; i < DS_COUNT(names); i++) {
        json_t *value = json_object_get(answer, names[i]);
        if (value != NULL) {
            ds_cli_put(cli, names[i], json_incref(value));
        }
    }
    ds_cli_print(cli, "epoch %lld, size %lld", number_of(answer, "epoch"),
                 number_of(answer, "size"));
    ds_cli_print(cli, "root %s", text_of(answer, "root"));
    json_decref(answer);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_rebuild(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    enum ds_err err =
        ds_state_ask(cli->position[0], json_pack("{s:s}", "do", "rebuild"), &answer, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    put_all(cli, answer);
    bool equal = json_is_true(json_object_get(answer, "equal"));
    ds_cli_print(cli, "state   %s", text_of(answer, "have"));
    ds_cli_print(cli, "rebuilt %s: %s", text_of(answer, "made"), equal ? "equal" : "DIFFERENT");
    json_decref(answer);
    if (!equal) {
        ds_detail_set(&detail, "refolding the journal gives another state", NULL);
        return ds_cli_fail(cli, DS_ERR_INTEGRITY, &detail);
    }
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_scrub(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    enum ds_err err =
        ds_state_ask(cli->position[0], json_pack("{s:s}", "do", "scrub"), &answer, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    put_all(cli, answer);
    ds_cli_print(cli, "%lld values read, %lld bad", number_of(answer, "values"),
                 number_of(answer, "bad"));
    json_decref(answer);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_backup(struct ds_cli *cli)
{
    char to[DS_PATH_MAX];
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    enum ds_err err = ds_state_absolute(cli->position[1], to, &detail);
    if (err == DS_OK) {
        err = ds_state_ask(cli->position[0], json_pack("{s:s, s:s}", "do", "backup", "to", to),
                           &answer, &detail);
    }
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    put_all(cli, answer);
    ds_cli_put_text(cli, "to", to);
    ds_cli_print(cli, "backed up to %s: %lld entries, every one read back and verified", to,
                 number_of(answer, "size"));
    ds_cli_print(cli, "root %s", text_of(answer, "root"));
    json_decref(answer);
    return DS_EXIT_OK;
}

struct restoring {
    const char *user;
    int64_t position; /* 0: all. */
    int64_t epoch;    /* That handhelds know of; 0: the backup's. */
};

/* The copy becomes a station only with its new epoch: before that nobody may be served from it. */
static enum ds_err restore(const char *from, const char *dir, const struct restoring *how,
                           json_t **answer, struct ds_detail *detail)
{
    char aside[DS_PATH_MAX];
    struct ds_backup found;
    if (ds_file_exists(dir) && rmdir(dir) != 0) {
        ds_detail_set(detail, dir, ": is there already, and is no empty folder", NULL);
        return DS_ERR_EXISTS;
    }
    DS_TRY(ds_folder_aside(dir, aside, detail));
    enum ds_err err = ds_backup_restore(from, aside, (uint64_t)how->position, &found, detail);
    if (err == DS_OK) {
        int64_t known = (int64_t)found.epoch > how->epoch ? (int64_t)found.epoch : how->epoch;
        err = ds_state_ask(aside,
                           json_pack("{s:s, s:s, s:I}", "do", "epoch", "user", how->user, "known",
                                     (json_int_t)known),
                           answer, detail);
    }
    if (err == DS_OK) {
        err = ds_folder_place(aside, dir, detail);
    }
    if (err != DS_OK) {
        ds_folder_remove(aside);
    }
    return err;
}

enum ds_exit ds_cmd_restore(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    struct restoring how = {.user = ds_cli_value(cli, "user")};
    enum ds_err err = ds_cli_number(cli, "position", 1, INT64_MAX, &how.position, &detail);
    if (err == DS_OK) {
        err = ds_cli_number(cli, "after-epoch", 1, INT64_MAX, &how.epoch, &detail);
    }
    if (err == DS_OK) {
        err = restore(cli->position[0], cli->position[1], &how, &answer, &detail);
    }
    if (err != DS_OK) {
        json_decref(answer);
        return ds_cli_fail(cli, err, &detail);
    }
    put_all(cli, answer);
    ds_cli_print(cli, "restored to %s: epoch %lld from size %lld on", cli->position[1],
                 number_of(answer, "epoch"), number_of(answer, "kept_size"));
    ds_cli_print(cli, "handhelds bring back what the backup does not hold");
    json_decref(answer);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_bundle_import(struct ds_cli *cli)
{
    char file[DS_PATH_MAX];
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    enum ds_err err = ds_state_absolute(cli->position[1], file, &detail);
    if (err == DS_OK) {
        err = ds_state_ask(cli->position[0], json_pack("{s:s, s:s}", "do", "bundle", "file", file),
                           &answer, &detail);
    }
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    put_all(cli, answer);
    long long refused = number_of(answer, "refused");
    ds_cli_print(cli, "%lld batches taken, %lld refused", number_of(answer, "taken"), refused);
    json_decref(answer);
    return refused > 0 ? DS_EXIT_PARTLY : DS_EXIT_OK;
}

#include "tools/cli/state.h"

#include "schema/base/text.h"
#include "sync/core/row.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ds_id_print(const struct ds_id *id, char text[static 33])
{
    struct ds_builder out;
    ds_builder_init(&out, text, 33);
    ds_put_hex(&out, DS_SLICE_OF(*id));
    (void)ds_builder_text(&out);
}

static enum ds_err ask_station(struct ds_state *state, struct ds_detail *detail)
{
    json_t *answer = NULL;
    DS_TRY(ds_state_call(state, json_pack("{s:s}", "do", "station"), &answer, detail));
    const char *id = json_string_value(json_object_get(answer, "id"));
    const char *number = json_string_value(json_object_get(answer, "number"));
    enum ds_err err = ds_id_parse(ds_slice_of_text(id), &state->station);
    if (err != DS_OK || number == NULL) {
        ds_detail_set(detail, "the station's answer names neither id nor number", NULL);
        err = DS_ERR_DECODE;
    } else {
        snprintf(state->number, sizeof(state->number), "%s", number);
    }
    state->offset_min = (int32_t)json_integer_value(json_object_get(answer, "offset_min"));
    state->now_ms = json_integer_value(json_object_get(answer, "now_ms"));
    state->sample = json_is_true(json_object_get(answer, "sample"));
    json_decref(answer);
    return err;
}

enum ds_err ds_state_open(struct ds_state *state, const char *dir, struct ds_detail *detail)
{
    *state = (struct ds_state){.admin = NULL};
    DS_TRY(ds_path_join(dir, "store", state->path));
    DS_TRY(ds_admin_open(dir, &state->admin, detail));
    struct ds_site *site = ds_admin_site(state->admin);
    state->store = site != NULL ? site->store : NULL;
    enum ds_err err = ask_station(state, detail);
    if (err != DS_OK) {
        ds_state_close(state);
    }
    return err;
}

void ds_state_close(struct ds_state *state)
{
    ds_state_end(state);
    if (state->own_store) {
        ds_store_close(state->store);
    }
    ds_admin_close(state->admin);
    *state = (struct ds_state){.admin = NULL};
}

enum ds_err ds_state_call(struct ds_state *state, json_t *request, json_t **answer,
                          struct ds_detail *detail)
{
    if (request == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_state_end(state);
    enum ds_err err = ds_admin_call(state->admin, request, answer, detail);
    json_decref(request);
    return err;
}

enum ds_err ds_state_write(struct ds_state *state, json_t *drafts, uint64_t *written,
                           struct ds_detail *detail)
{
    json_t *answer = NULL;
    DS_TRY(ds_state_call(state, json_pack("{s:s, s:o}", "do", "import", "drafts", drafts), &answer,
                         detail));
    const json_t *item = json_array_get(json_object_get(answer, "items"), 0);
    const char *error = json_string_value(json_object_get(item, "error"));
    const char *verdict = json_string_value(json_object_get(item, "verdict"));
    const char *words = json_string_value(json_object_get(item, "detail"));
    enum ds_err err = DS_OK;
    if (item != NULL) {
        ds_detail_set(detail, verdict != NULL ? verdict : "", verdict != NULL ? " " : "",
                      words != NULL   ? words
                      : error != NULL ? error
                                      : "",
                      NULL);
        err = error != NULL ? DS_ERR_SCHEMA : DS_ERR_CONFLICT;
    }
    if (written != NULL) {
        *written += (uint64_t)json_integer_value(json_object_get(answer, "written"));
    }
    json_decref(answer);
    return err;
}

enum ds_err ds_state_ask(const char *dir, json_t *request, json_t **answer,
                         struct ds_detail *detail)
{
    struct ds_state state;
    enum ds_err err = ds_state_open(&state, dir, detail);
    if (err != DS_OK) {
        json_decref(request);
        return err;
    }
    err = ds_state_call(&state, request, answer, detail);
    ds_state_close(&state);
    return err;
}

enum ds_err ds_state_absolute(const char *path, char whole[static DS_PATH_MAX],
                              struct ds_detail *detail)
{
    char here[DS_PATH_MAX];
    size_t size = strlen(path);
    if (path[0] == '/' && size < DS_PATH_MAX) {
        memcpy(whole, path, size + 1);
        return DS_OK;
    }
    if (getcwd(here, sizeof(here)) == NULL) {
        ds_detail_set(detail, "the present folder has no name", NULL);
        return DS_ERR_IO;
    }
    return ds_path_join(here, path, whole);
}

enum ds_err ds_state_begin(struct ds_state *state)
{
    ds_state_end(state);
    if (state->store == NULL) {
        struct ds_store_lmdb_options options = {.read_only = true};
        DS_TRY(ds_store_lmdb_open(state->path, &options, &state->store, NULL));
        state->own_store = true;
    }
    return ds_store_begin(state->store, false, &state->txn);
}

void ds_state_end(struct ds_state *state)
{
    if (state->txn != NULL) {
        ds_txn_abort(state->txn);
        state->txn = NULL;
    }
}

enum ds_err ds_state_load(struct ds_state *state, uint8_t type, const struct ds_id *id,
                          struct ds_arena *arena, void *record)
{
    if (state->txn == NULL) {
        DS_TRY(ds_state_begin(state));
    }
    return ds_record_load(state->txn, type, id, arena, record);
}

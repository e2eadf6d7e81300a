#include "schema/base/text.h"
#include "schema/codec/record_json_jansson.h"
#include "server/admin_call.h"
#include "server/backup.h"
#include "server/call.h"
#include "server/drafts.h"
#include "server/people.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_SIZE ((size_t)768 * 1024)  /* Bytes of rows in one answer. */
#define WORK_SIZE ((size_t)1024 * 1024) /* Arena of one request. */

/* ---- Members ---- */

const char *ds_admin_text(const struct ds_admin_call *call, const char *name)
{
    return json_string_value(json_object_get(call->request, name));
}

enum ds_err ds_admin_need(struct ds_admin_call *call, const char *name, const char **text)
{
    *text = ds_admin_text(call, name);
    if (*text == NULL) {
        ds_detail_set(&call->detail, name, ": a string is needed", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}

void ds_admin_put(struct ds_admin_call *call, const char *name, json_t *value)
{
    (void)json_object_set_new(call->answer, name, value);
}

void ds_admin_put_number(struct ds_admin_call *call, const char *name, int64_t value)
{
    ds_admin_put(call, name, json_integer(value));
}

void ds_admin_put_bytes(struct ds_admin_call *call, const char *name, struct ds_slice bytes)
{
    char text[80];
    struct ds_builder out;

    ds_builder_init(&out, text, sizeof(text));
    ds_put_hex(&out, bytes);
    ds_admin_put(call, name, json_string(ds_builder_text(&out)));
}

/* ---- Requests ---- */

static enum ds_err do_ping(struct ds_admin_call *call)
{
    ds_admin_put(call, "version", json_string(DS_VERSION));
    ds_admin_put_number(call, "pid", (int64_t)getpid());
    ds_admin_put(call, "daemon", json_boolean(call->office->daemon));
    return DS_OK;
}

static enum ds_err describe_station(struct ds_admin_call *call, struct ds_txn *txn)
{
    struct ds_site *site = call->office->site;
    struct ds_station station;
    struct ds_head head;

    DS_TRY(ds_record_load(txn, DS_REC_station, &site->station, &call->arena, &station));
    DS_TRY(ds_shard_head(&site->shard, txn, &head));
    ds_admin_put_bytes(call, "id", DS_SLICE_OF(site->station));
    ds_admin_put(call, "number",
                 json_stringn((const char *)station.number.data, station.number.size));
    ds_admin_put(call, "name", json_stringn((const char *)station.name.data, station.name.size));
    ds_admin_put_number(call, "offset_min", station.offset_min);
    ds_admin_put(call, "sample", json_boolean(site->sample));
    ds_admin_put_number(call, "epoch", (int64_t)head.epoch);
    ds_admin_put_number(call, "size", (int64_t)head.size);
    ds_admin_put_bytes(call, "root", DS_SLICE_OF(head.root));
    ds_admin_put_bytes(call, "sign_key", DS_SLICE_OF(site->shard.sign_public));
    ds_admin_put_bytes(call, "box_key", DS_SLICE_OF(site->shard.box_public));
    ds_admin_put_number(call, "now_ms", site->clock.now_ms(site->clock.context));
    return DS_OK;
}

static enum ds_err do_station(struct ds_admin_call *call)
{
    struct ds_txn *txn = NULL;

    DS_TRY(ds_store_begin(call->office->site->store, false, &txn));
    enum ds_err err = describe_station(call, txn);

    ds_txn_abort(txn);
    return err;
}

static enum ds_err do_clock(struct ds_admin_call *call)
{
    struct ds_site *site = call->office->site;
    const json_t *instant = json_object_get(call->request, "instant_ms");

    if (!json_is_integer(instant) || json_integer_value(instant) <= 0) {
        ds_detail_set(&call->detail, "instant_ms: a number is needed", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    DS_TRY(ds_site_set_clock(site, json_integer_value(instant), &call->detail));
    ds_admin_put_number(call, "now_ms", site->clock.now_ms(site->clock.context));
    return DS_OK;
}

static enum ds_err do_import(struct ds_admin_call *call)
{
    static const struct {
        const char *name;
        enum ds_actor_kind kind;
    } actors[] = {
        {"import", DS_ACTOR_import}, {"billing", DS_ACTOR_billing}, {"gis", DS_ACTOR_gis}};
    const char *name = ds_admin_text(call, "actor");
    const char *repeat = ds_admin_text(call, "repeat");
    json_t *answer = NULL;

    for (size_t i = 0; i < DS_COUNT(actors); i++) {
        if (strcmp(name != NULL ? name : "import", actors[i].name) == 0) {
            const struct ds_office_actor actor = {.name = actors[i].name, .kind = actors[i].kind};

            DS_TRY(ds_drafts_write(call->office, &actor, json_object_get(call->request, "drafts"),
                                   repeat == NULL || strcmp(repeat, "write") != 0, &answer,
                                   &call->detail));
            (void)json_object_update(call->answer, answer);
            json_decref(answer);
            return DS_OK;
        }
    }
    ds_detail_set(&call->detail, "actor: import, billing or gis", (const char *)NULL);
    return DS_ERR_USAGE;
}

/* The next row of a type at or behind *id. */
static enum ds_err next_row(struct ds_txn *txn, uint8_t type, struct ds_id *id, bool *more)
{
    const struct ds_key from = ds_key_row(type, id);
    struct ds_slice found;
    struct ds_slice value;
    enum ds_err err = ds_txn_at_or_after(txn, DS_TABLE_ROW, ds_key_slice(&from), &found, &value);

    *more = err == DS_OK && found.size == 1 + sizeof(*id) && found.data[0] == type;
    if (*more) {
        memcpy(id->byte, found.data + 1, sizeof(id->byte));
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static bool step_id(struct ds_id *id)
{
    for (size_t i = sizeof(id->byte); i > 0; i--) {
        if (++id->byte[i - 1] != 0) {
            return true;
        }
    }
    return false;
}

/* Rows as JSON text, parsed once whole: the writer of records is the API's own. */
static enum ds_err collect_rows(struct ds_admin_call *call, struct ds_view *view, uint8_t type,
                                struct ds_id id, int64_t limit)
{
    bool more = true;
    int64_t count = 0;
    json_t *rows = NULL;
    struct ds_slice text;

    const bool health =
        type == DS_REC_device && json_is_true(json_object_get(call->request, "health"));

    ds_put_text(view->out, "[");
    DS_TRY(next_row(view->txn, type, &id, &more));
    while (more && count < limit && view->out->used < ROWS_SIZE - 2 * (size_t)DS_OP_SIZE_MAX) {
        ds_put_text(view->out, count > 0 ? "," : "");
        DS_TRY(health ? ds_view_put_device(view, &id) : ds_view_put_row(view, type, &id));
        count++;
        more = step_id(&id);
        if (more) {
            DS_TRY(next_row(view->txn, type, &id, &more));
        }
    }
    ds_put_text(view->out, "]");
    DS_TRY(ds_builder_end(view->out, &text));
    DS_TRY(ds_json_parse(text, &rows, &call->detail));
    ds_admin_put(call, "rows", rows);
    if (more) {
        ds_admin_put_bytes(call, "next", DS_SLICE_OF(id));
    }
    return DS_OK;
}

static enum ds_err do_rows(struct ds_admin_call *call)
{
    const char *name = NULL;
    const char *after = ds_admin_text(call, "after");
    const json_t *limit = json_object_get(call->request, "limit");
    int64_t count = limit != NULL ? json_integer_value(limit) : DS_ADMIN_ROWS_MAX;
    struct ds_id id = {{0}};
    struct ds_builder out;
    struct ds_view view;

    DS_TRY(ds_admin_need(call, "type", &name));
    const struct ds_record_type *type = ds_record_type_by_name(ds_slice_of_text(name));

    if (type == NULL || count < 1 || count > DS_ADMIN_ROWS_MAX ||
        (after != NULL && ds_id_parse(ds_slice_of_text(after), &id) != DS_OK)) {
        ds_detail_set(&call->detail, "type: a record; limit: 1 to 1,000; after: the next of a page",
                      (const char *)NULL);
        return DS_ERR_USAGE;
    }
    uint8_t *memory = malloc(ROWS_SIZE);

    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&out, memory, ROWS_SIZE);
    enum ds_err err = ds_view_begin(&view, call->office, &call->arena, &out, true);

    if (err == DS_OK) {
        err = collect_rows(call, &view, type->number, id, count);
        ds_view_end(&view);
    }
    free(memory);
    return err;
}

static enum ds_err do_code(struct ds_admin_call *call)
{
    const char *text = NULL;
    const json_t *pins = json_object_get(call->request, "pins");
    struct ds_hash parsed[DS_PINS_MAX];
    size_t count = json_array_size(pins);
    struct ds_id worker;
    struct ds_people_code code;

    DS_TRY(ds_admin_need(call, "worker", &text));
    DS_TRY(ds_people_worker(call->office, text, &worker, &call->detail));
    for (size_t i = 0; i < count; i++) {
        const char *pin = json_string_value(json_array_get(pins, i));

        if (i >= DS_PINS_MAX || pin == NULL ||
            ds_hash_parse(ds_slice_of_text(pin), &parsed[i]) != DS_OK) {
            ds_detail_set(&call->detail, "pins: at most 4 of 64 hex digits", (const char *)NULL);
            return DS_ERR_USAGE;
        }
    }
    DS_TRY(ds_people_code(call->office, &worker, ds_admin_text(call, "url"),
                          count > 0 ? parsed : NULL, count, &code, &call->detail));
    ds_admin_put(call, "text", json_string(code.text));
    ds_admin_put(call, "url", json_string(code.url));
    ds_admin_put_number(call, "expires_ms", code.expires_ms);
    return DS_OK;
}

static enum ds_err do_user_add(struct ds_admin_call *call)
{
    struct ds_people_user user = {.worker = ds_admin_text(call, "worker"),
                                  .worker_name = ds_admin_text(call, "worker_name")};
    const json_t *password = json_object_get(call->request, "password");
    const json_t *roles = json_object_get(call->request, "roles");
    struct ds_id worker;

    DS_TRY(ds_admin_need(call, "name", &user.name));
    if (!json_is_string(password)) {
        ds_detail_set(&call->detail, "password: a string is needed", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    user.password = (struct ds_slice){(const uint8_t *)json_string_value(password),
                                      json_string_length(password)};
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const char *word = json_string_value(json_array_get(roles, i));
        int64_t role = word != NULL ? ds_enum_number(DS_LIST_role, ds_slice_of_text(word)) : 0;

        if (role == 0) {
            ds_detail_set(&call->detail, "roles: no such role", (const char *)NULL);
            return DS_ERR_USAGE;
        }
        user.roles |= (uint16_t)(1U << role);
    }
    DS_TRY(ds_people_user_add(call->office, &user, &worker, &call->detail));
    ds_admin_put_bytes(call, "worker", DS_SLICE_OF(worker));
    return DS_OK;
}

static enum ds_err do_user_remove(struct ds_admin_call *call)
{
    const char *name = NULL;

    DS_TRY(ds_admin_need(call, "name", &name));
    enum ds_err err = ds_user_remove(call->office->users, name);

    if (err == DS_ERR_NOT_FOUND) {
        ds_detail_set(&call->detail, "user ", name, ": there is no such user", (const char *)NULL);
    }
    return err;
}

static json_t *role_names(uint16_t roles)
{
    json_t *names = json_array();

    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        if ((roles >> role & 1) != 0) {
            (void)json_array_append_new(names, json_string(ds_enum_name(DS_LIST_role, role)));
        }
    }
    return names;
}

static enum ds_err describe_user(struct ds_admin_call *call, const struct ds_user *user,
                                 json_t *users)
{
    struct ds_site *site = call->office->site;
    struct ds_txn *txn = NULL;
    uint16_t roles = 0;
    uint16_t team_roles = 0;
    char hex[40];
    struct ds_builder out;

    DS_TRY(ds_store_begin(site->store, false, &txn));
    enum ds_err err = ds_roles_of(txn, &site->station, &user->worker,
                                  site->clock.now_ms(site->clock.context), &roles, &team_roles);

    ds_txn_abort(txn);
    DS_TRY(err);
    ds_builder_init(&out, hex, sizeof(hex));
    ds_put_hex(&out, DS_SLICE_OF(user->worker));
    (void)json_array_append_new(users, json_pack("{s:s, s:s, s:b, s:o}", "name", user->name,
                                                 "worker", ds_builder_text(&out), "active",
                                                 user->active, "roles", role_names(roles)));
    return DS_OK;
}

static enum ds_err do_user_list(struct ds_admin_call *call)
{
    struct ds_user user = {.name = ""};
    json_t *users = json_array();
    enum ds_err err = DS_OK;

    ds_admin_put(call, "users", users);
    while ((err = ds_user_next(call->office->users, user.name, &user)) == DS_OK) {
        DS_TRY(describe_user(call, &user, users));
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static enum ds_err do_backup(struct ds_admin_call *call)
{
    const char *to = NULL;
    struct ds_backup made;

    DS_TRY(ds_admin_need(call, "to", &to));
    DS_TRY(ds_backup_take(call->office->site, to, &made, &call->detail));
    ds_admin_put_number(call, "epoch", (int64_t)made.epoch);
    ds_admin_put_number(call, "size", (int64_t)made.size);
    ds_admin_put_bytes(call, "root", DS_SLICE_OF(made.root));
    ds_admin_put_bytes(call, "digest", DS_SLICE_OF(made.digest));
    return DS_OK;
}

static const struct {
    const char *name;
    enum ds_err (*run)(struct ds_admin_call *call);
} requests[] = {
    {"ping", do_ping},
    {"station", do_station},
    {"clock", do_clock},
    {"import", do_import},
    {"rows", do_rows},
    {"code", do_code},
    {"user_add", do_user_add},
    {"user_remove", do_user_remove},
    {"user_list", do_user_list},
    {"role_end", ds_admin_role_end},
    {"device_state", ds_admin_device_state},
    {"backup", do_backup},
    {"epoch", ds_admin_epoch},
    {"erase", ds_admin_erase},
    {"verify", ds_admin_verify},
    {"prove", ds_admin_prove},
    {"rebuild", ds_admin_rebuild},
    {"digest", ds_admin_digest},
    {"scrub", ds_admin_scrub},
    {"bundle", ds_admin_bundle},
    {"statement", ds_admin_statement},
    {"deliver", ds_admin_deliver},
};

static enum ds_err run(struct ds_admin_call *call)
{
    const char *name = NULL;

    DS_TRY(ds_admin_need(call, "do", &name));
    for (size_t i = 0; i < DS_COUNT(requests); i++) {
        if (strcmp(requests[i].name, name) == 0) {
            return requests[i].run(call);
        }
    }
    ds_detail_set(&call->detail, "do: there is no such request", (const char *)NULL);
    return DS_ERR_USAGE;
}

json_t *ds_admin_execute(struct ds_office *office, const json_t *request)
{
    struct ds_admin_call call = {.office = office, .request = request, .answer = json_object()};
    uint8_t *memory = malloc(WORK_SIZE);
    struct ds_log_line line;
    enum ds_err err = memory != NULL && call.answer != NULL ? DS_OK : DS_ERR_NOMEM;

    ds_arena_init(&call.arena, memory, memory != NULL ? WORK_SIZE : 0);
    if (err == DS_OK) {
        err = run(&call);
    }
    ds_admin_put(&call, "ok", json_boolean(err == DS_OK));
    if (err != DS_OK) {
        ds_admin_put(&call, "error", json_string(ds_err_name(err)));
        ds_admin_put(
            &call, "detail",
            json_string(call.detail.text[0] != '\0' ? call.detail.text : ds_err_text(err)));
    }
    ds_log_begin(&line, office->log, DS_LOG_INFO, "admin");
    ds_log_text(&line, "do", ds_admin_text(&call, "do") != NULL ? ds_admin_text(&call, "do") : "");
    ds_log_text(&line, "result", ds_err_name(err));
    ds_log_end(&line);
    free(memory);
    return call.answer;
}

#include "server/people.h"

#include "schema/base/text.h"
#include "schema/codec/record_mp.h"
#include "server/files.h"
#include "sync/core/row.h"
#include "sync/core/tables.h"

#include <stdio.h>
#include <string.h>

#define FIELDS_SIZE 512

enum ds_err ds_people_worker(struct ds_office *office, const char *text, struct ds_id *worker,
                             struct ds_detail *detail)
{
    uint8_t memory[1024];
    struct ds_arena arena;
    struct ds_worker row;
    struct ds_txn *txn = NULL;

    if (ds_id_parse(ds_slice_of_text(text), worker) != DS_OK) {
        *worker = ds_numbered_id(&office->site->station, DS_REC_worker, ds_slice_of_text(text));
    }
    ds_arena_init(&arena, memory, sizeof(memory));
    DS_TRY(ds_store_begin(office->site->store, false, &txn));
    enum ds_err err = ds_record_load(txn, DS_REC_worker, worker, &arena, &row);

    ds_txn_abort(txn);
    if (err == DS_ERR_NOT_FOUND) {
        ds_detail_set(detail, "worker: none of that number", (const char *)NULL);
    }
    return err;
}

/* ---- Codes ---- */

static enum ds_err proxy_pin(const struct ds_site *site, struct ds_hash *pin)
{
    char path[DS_PATH_MAX];
    char text[128];
    struct ds_builder in;

    DS_TRY(ds_path_join(site->dir, "tls/pin", path));
    ds_builder_init(&in, text, sizeof(text));
    DS_TRY(ds_file_read(path, &in, NULL));
    return ds_hash_parse((struct ds_slice){in.data, in.used < 64 ? in.used : 64}, pin);
}

struct coding {
    const struct ds_id *worker;
    struct ds_slice url;
    const struct ds_hash *pins;
    size_t pin_count;
    struct ds_builder text;
};

static enum ds_err make_code(struct ds_shard *shard, void *context)
{
    struct coding *coding = context;

    return ds_enrol_code_make(shard, coding->worker, coding->url, coding->pins, coding->pin_count,
                              &coding->text);
}

/* The settings' url, or that of the address listened at. */
static void standard_url(const struct ds_config *config, char url[static DS_URL_SIZE_MAX + 1])
{
    struct ds_builder out;

    ds_builder_init(&out, url, DS_URL_SIZE_MAX + 1);
    if (config->server_public_url[0] == '\0') {
        ds_put_text(&out, "http://");
        ds_put_text(&out, config->server_listen);
    } else {
        ds_put_text(&out, config->server_public_url);
    }
    (void)ds_builder_text(&out);
}

enum ds_err ds_people_code(struct ds_office *office, const struct ds_id *worker, const char *url,
                           const struct ds_hash *pins, size_t pin_count,
                           struct ds_people_code *code, struct ds_detail *detail)
{
    char standard[DS_URL_SIZE_MAX + 1];
    struct ds_hash pin;
    struct coding coding = {.worker = worker, .pins = pins, .pin_count = pin_count};

    standard_url(&office->site->config, standard);
    if (url == NULL && office->site->config.server_public_url[0] == '\0' &&
        proxy_pin(office->site, &pin) == DS_OK) {
        ds_detail_set(detail,
                      "this station has a proxy, but public_url in doorstep.ini is empty: a "
                      "handheld would call the server's inner address. Set it, or give the url",
                      (const char *)NULL);
        return DS_ERR_CONFLICT;
    }
    if (url == NULL) {
        url = standard;
    }
    if (strlen(url) > DS_URL_SIZE_MAX) {
        ds_detail_set(detail, "url: longer than allowed", (const char *)NULL);
        return DS_ERR_LIMIT;
    }
    memcpy(code->url, url, strlen(url) + 1);
    if (pins == NULL && strncmp(url, "https:", 6) == 0) {
        if (proxy_pin(office->site, &pin) != DS_OK) {
            ds_detail_set(detail, "https needs a pin: give it, or make the proxy's certificate",
                          (const char *)NULL);
            return DS_ERR_CONFLICT;
        }
        coding.pins = &pin;
        coding.pin_count = 1;
    }
    coding.url = ds_slice_of_text(url);
    ds_builder_init(&coding.text, code->text, sizeof(code->text));
    code->expires_ms = office->site->clock.now_ms(office->site->clock.context) + DS_CODE_LIFE_MS;
    DS_TRY(ds_writer_run(office->writer, make_code, &coding));
    return ds_builder_text(&coding.text)[0] != '\0' ? DS_OK : DS_ERR_LIMIT;
}

/* ---- Users ---- */

static enum ds_err encode(uint8_t type, const void *record, struct ds_builder *out,
                          struct ds_slice *fields)
{
    DS_TRY(ds_validate(ds_record_type_by_number(type), record, true, NULL, NULL));
    DS_TRY(ds_record_encode_op(ds_record_type_by_number(type), record, out));
    return ds_builder_end(out, fields);
}

static enum ds_err write_one(struct ds_office *office, struct ds_draft *draft,
                             struct ds_detail *detail)
{
    const struct ds_office_actor system = {.name = "system", .kind = DS_ACTOR_system};
    struct ds_office_verdict verdict;

    DS_TRY(ds_office_write(office, &system, draft, 1, &verdict, NULL, detail));
    if (verdict.verdict != DS_VERDICT_applied && verdict.verdict != DS_VERDICT_merged) {
        ds_detail_set(detail, verdict.words.text, (const char *)NULL);
        return DS_ERR_CONFLICT;
    }
    return DS_OK;
}

static enum ds_err make_worker(struct ds_office *office, const char *number, const char *name,
                               struct ds_id *id, struct ds_detail *detail)
{
    struct ds_worker worker = {.presence = {0}};
    uint8_t bytes[FIELDS_SIZE];
    struct ds_builder out;
    struct ds_draft draft = {.type = DS_REC_worker};

    *id = ds_numbered_id(&office->site->station, DS_REC_worker, ds_slice_of_text(number));
    draft.id = *id;
    DS_SET(&worker, worker, number, ds_slice_of_text(number));
    DS_SET(&worker, worker, name, ds_slice_of_text(name));
    DS_SET(&worker, worker, active, 1);
    ds_builder_init(&out, bytes, sizeof(bytes));
    if (encode(DS_REC_worker, &worker, &out, &draft.fields) != DS_OK) {
        ds_detail_set(detail, "worker: number or name is not allowed", (const char *)NULL);
        return DS_ERR_SCHEMA;
    }
    return write_one(office, &draft, detail);
}

/* Write a worker's grant for the whole station; until_ms 0: without an end. */
static enum ds_err write_grant(struct ds_office *office, const struct ds_id *worker, int64_t role,
                               int64_t until_ms, struct ds_detail *detail)
{
    const struct ds_id *station = &office->site->station;
    struct ds_role_grant row = {.presence = {0}};
    uint8_t bytes[FIELDS_SIZE];
    struct ds_builder out;
    struct ds_draft draft = {.type = DS_REC_role_grant,
                             .id = ds_grant_id(station, worker, (uint8_t)role, station)};

    DS_SET(&row, role_grant, worker, *worker);
    DS_SET(&row, role_grant, role, role);
    DS_SET(&row, role_grant, subtree, *station);
    if (until_ms != 0) {
        DS_SET(&row, role_grant, until_ms, until_ms);
    } else {
        ds_clear(&row.presence, DS_PLACE_role_grant_until_ms); /* One that had ended goes on. */
    }
    ds_builder_init(&out, bytes, sizeof(bytes));
    DS_TRY(encode(DS_REC_role_grant, &row, &out, &draft.fields));
    return write_one(office, &draft, detail);
}

struct introduction {
    char name[DS_USER_NAME_MAX + 8];
    const struct ds_id *worker;
    struct ds_detail *detail;
};

static enum ds_err introduce(struct ds_shard *shard, void *context)
{
    struct introduction *who = context;
    struct ds_actor actor;
    enum ds_err err =
        ds_actor_open(shard, who->name, DS_ACTOR_console, who->worker, &actor, who->detail);

    ds_wipe(&actor, sizeof(actor));
    return err;
}

/* The journal knows a user from the day he was added: a backup of any later day then holds who may
 * declare its restore. */
static enum ds_err announce(struct ds_office *office, const char *name, const struct ds_id *worker,
                            struct ds_detail *detail)
{
    struct introduction who = {.worker = worker, .detail = detail};
    int size = snprintf(who.name, sizeof(who.name), "user:%s", name);

    if (size < 0 || (size_t)size >= sizeof(who.name)) {
        return DS_ERR_LIMIT;
    }
    return ds_writer_run(office->writer, introduce, &who);
}

/* The roles that a worker holds now. */
static enum ds_err roles_now(struct ds_office *office, const struct ds_id *worker, uint16_t *roles)
{
    struct ds_txn *txn = NULL;
    uint16_t in_teams = 0;

    DS_TRY(ds_store_begin(office->site->store, false, &txn));
    enum ds_err err =
        ds_roles_of(txn, &office->site->station, worker,
                    office->site->clock.now_ms(office->site->clock.context), roles, &in_teams);

    ds_txn_abort(txn);
    return err;
}

enum ds_err ds_people_role_end(struct ds_office *office, const struct ds_id *worker, uint16_t roles,
                               struct ds_detail *detail)
{
    uint16_t has = 0;

    DS_TRY(roles_now(office, worker, &has));
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        if (((roles & ~has) >> role & 1) != 0) {
            ds_detail_set(detail, "this worker does not hold the role ",
                          ds_enum_name(DS_LIST_role, role), (const char *)NULL);
            return DS_ERR_NOT_FOUND;
        }
    }
    const int64_t now_ms = office->site->clock.now_ms(office->site->clock.context);

    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        if ((roles >> role & 1) != 0) {
            DS_TRY(write_grant(office, worker, role, now_ms, detail));
        }
    }
    return DS_OK;
}

enum ds_err ds_people_user_add(struct ds_office *office, const struct ds_people_user *user,
                               struct ds_id *worker, struct ds_detail *detail)
{
    const char *number = user->worker != NULL ? user->worker : user->name;
    uint16_t has = 0;

    /* First whatever may be wrong: a refused call leaves no worker behind. */
    DS_TRY(ds_user_check(user->name, user->password, detail));
    enum ds_err err = ds_people_worker(office, number, worker, detail);

    if (err == DS_ERR_NOT_FOUND) {
        const char *name = user->worker_name != NULL ? user->worker_name : number;

        err = make_worker(office, number, name, worker, detail);
    }
    DS_TRY(err);
    DS_TRY(ds_user_put(office->users, user->name, user->password, worker, detail));
    DS_TRY(roles_now(office, worker, &has));
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        if (((user->roles & ~has) >> role & 1) != 0) {
            DS_TRY(write_grant(office, worker, role, 0, detail));
        }
    }
    return announce(office, user->name, worker, detail);
}

enum ds_err ds_people_device_state(struct ds_office *office, const struct ds_id *device,
                                   int64_t state, struct ds_detail *detail)
{
    struct ds_device row = {.presence = {0}};
    uint8_t bytes[FIELDS_SIZE];
    struct ds_builder out;
    struct ds_draft draft = {.type = DS_REC_device, .id = *device};

    DS_SET(&row, device, state, state);
    ds_builder_init(&out, bytes, sizeof(bytes));
    DS_TRY(ds_record_encode_op(ds_record_type_by_number(DS_REC_device), &row, &out));
    DS_TRY(ds_builder_end(&out, &draft.fields));
    return write_one(office, &draft, detail);
}

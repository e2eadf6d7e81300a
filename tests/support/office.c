#include "tests/support/office.h"

#include "schema/base/text.h"
#include "schema/codec/record_mp.h"
#include "server/drafts.h"
#include "server/people.h"
#include "sync/core/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_SIZE ((size_t)2 * 1024 * 1024)
#define MEMORY_SIZE ((size_t)DS_HTTP_ARENA_SIZE + ANSWER_SIZE + DS_HTTP_HEAD_EXTRA_MAX)

const char *test_hex(const struct ds_id *id)
{
    static char text[16][40];
    static unsigned next;
    struct ds_builder out;
    char *into = text[next++ % 16];

    ds_builder_init(&out, into, 40);
    ds_put_hex(&out, DS_SLICE_OF(*id));
    return ds_builder_text(&out);
}

static struct ds_store *open_store(const struct scratch *scratch, const char *name)
{
    const struct ds_store_lmdb_options options = {.map_bytes = 0};
    struct ds_store *store = NULL;
    struct ds_detail detail = {""};
    char path[SCRATCH_PATH_SIZE];

    scratch_join(scratch, name, path);
    if (ds_store_lmdb_open(path, &options, &store, &detail) != DS_OK) {
        fail_msg("%s", detail.text);
    }
    return store;
}

static void make_station(struct ds_station *station)
{
    memset(station, 0, sizeof(*station));
    DS_SET(station, station, number, DS_SLICE_LIT("T1"));
    DS_SET(station, station, name, DS_SLICE_LIT("测试站"));
    DS_SET(station, station, offset_min, 480);
    DS_SET(station, station, billing_authority, DS_AUTHORITY_central);
    DS_SET(station, station, sample, 1);
}

void test_office_open(struct test_office *o, const struct ds_carrier *const *carriers)
{
    const struct ds_argon_cost cheap = {1, 8192};
    const struct ds_site_options site = {.clock_ms = TEST_OFFICE_NOW};
    const struct ds_office_options office = {.argon = &cheap, .log_fd = -1};
    const struct ds_api_options api = {
        .office = &o->office, .version = "test", .event_streams_max = 1};
    struct ds_store *stores[2];
    struct ds_station station;
    struct ds_detail detail = {""};

    memset(o, 0, sizeof(*o));
    scratch_make_fast(&o->scratch);
    stores[0] = open_store(&o->scratch, "store");
    stores[1] = open_store(&o->scratch, "keys");
    make_station(&station);
    if (ds_site_open_stores(&o->site, o->scratch.path, stores, &station, &site, &detail) != DS_OK) {
        fail_msg("%s", detail.text);
    }
    assert_int_equal(ds_office_open(&o->office, &o->site, &office, &detail), DS_OK);
    assert_int_equal(ds_outbox_open(&o->office, carriers, &o->outbox), DS_OK);
    o->office.outbox = o->outbox;
    assert_int_equal(ds_api_open(&api, &o->api), DS_OK);
    o->memory = malloc(MEMORY_SIZE);
    assert_non_null(o->memory);
}

void test_office_close(struct test_office *o)
{
    json_decref(o->json);
    free(o->memory);
    ds_api_close(o->api);
    ds_outbox_close(o->outbox);
    ds_office_close(&o->office);
    ds_site_close(&o->site);
    scratch_remove(&o->scratch);
}

/* ---- Data ---- */

void test_office_import(struct test_office *o, const char *actor, const char *drafts)
{
    const struct ds_office_actor as = {
        .name = actor,
        .kind = (enum ds_actor_kind)ds_enum_number(DS_LIST_actor_kind, ds_slice_of_text(actor))};
    struct ds_detail detail = {""};
    json_t *parsed = json_loads(drafts, JSON_REJECT_DUPLICATES, NULL);

    json_decref(o->json);
    o->json = NULL;
    if (parsed == NULL) {
        fail_msg("not JSON: %s", drafts);
    }
    if (ds_drafts_write(&o->office, &as, parsed, true, &o->json, &detail) != DS_OK) {
        fail_msg("%s", detail.text);
    }
    json_decref(parsed);
}

static void import_well(struct test_office *o, const char *actor, const char *drafts)
{
    test_office_import(o, actor, drafts);
    if (json_array_size(test_at(o, "items")) != 0) {
        char *text = json_dumps(o->json, JSON_INDENT(1));

        fail_msg("%s", text);
    }
}

void test_office_read(struct test_office *o, size_t i, int period, long index, const char *more)
{
    char drafts[512];
    char number[48] = "";

    if (index >= 0) {
        (void)snprintf(number, sizeof(number), "\"index\":%ld,", index);
    }
    (void)snprintf(drafts, sizeof(drafts),
                   "[{\"type\":\"reading\",\"fields\":{\"meter\":\"%s\",\"period\":%d,%s"
                   "\"method\":\"on_site\"%s}}]",
                   test_hex(&o->meter[i]), period, number, more);
    import_well(o, "import", drafts);
}

static void load_meter(struct test_office *o, size_t i)
{
    char drafts[2048];
    char number[16];
    const struct ds_id *station = &o->site.station;

    (void)snprintf(number, sizeof(number), "A%zu", i + 1);
    o->account[i] = ds_numbered_id(station, DS_REC_account, ds_slice_of_text(number));
    o->premises[i] = ds_numbered_id(station, DS_REC_premises, ds_slice_of_text(number));
    o->meter[i] = ds_meter_id(station, DS_SLICE_LIT("金卡"), ds_slice_of_text(number));
    (void)snprintf(
        drafts, sizeof(drafts),
        "[{\"type\":\"account\",\"id\":\"%s\",\"fields\":{\"number\":\"%s\",\"name\":\"张%zu\","
        "\"phone\":\"1380000000%zu\",\"class\":\"residential\",\"persons\":3,\"state\":\"open\"}},"
        "{\"type\":\"premises\",\"id\":\"%s\",\"fields\":{\"number\":\"%s\",\"account\":\"%s\","
        "\"estate\":\"和平小区\",\"building\":\"1\",\"room\":\"%zu01\",\"lat_e7\":380400000,"
        "\"lon_e7\":1145000000,\"position_quality\":\"surveyed\"}},"
        "{\"type\":\"meter\",\"id\":\"%s\",\"fields\":{\"manufacturer\":\"金卡\",\"meter_no\":\"%"
        "s\","
        "\"kind\":\"mechanical\",\"premises\":\"%s\",\"account\":\"%s\",\"book\":\"%s\","
        "\"walk_order\":%zu,\"dial_digits\":5,\"unit_l\":1000,\"state\":\"active\","
        "\"yearly_l\":240000}}]",
        test_hex(&o->account[i]), number, i + 1, i + 1, test_hex(&o->premises[i]), number,
        test_hex(&o->account[i]), i + 1, test_hex(&o->meter[i]), number, test_hex(&o->premises[i]),
        test_hex(&o->account[i]), test_hex(&o->book), i + 1);
    import_well(o, "import", drafts);
}

static void load_book(struct test_office *o)
{
    char drafts[2048];
    const struct ds_id *station = &o->site.station;

    o->reader = ds_numbered_id(station, DS_REC_worker, DS_SLICE_LIT("R1"));
    o->book = ds_numbered_id(station, DS_REC_book, DS_SLICE_LIT("B1"));
    const struct ds_id december = ds_period_id(station, &o->book, 202512);
    const struct ds_id january = ds_period_id(station, &o->book, 202601);
    const struct ds_id grant = ds_grant_id(station, &o->reader, DS_ROLE_reader, station);

    (void)snprintf(
        drafts, sizeof(drafts),
        "[{\"type\":\"worker\",\"id\":\"%s\",\"fields\":{\"number\":\"R1\",\"name\":\"李一\","
        "\"active\":true}},"
        "{\"type\":\"role_grant\",\"id\":\"%s\",\"fields\":{\"worker\":\"%s\",\"role\":\"reader\","
        "\"subtree\":\"%s\"}},"
        "{\"type\":\"book\",\"id\":\"%s\",\"fields\":{\"number\":\"B1\",\"name\":\"和平\","
        "\"assignee\":\"%s\"}},"
        "{\"type\":\"period\",\"id\":\"%s\",\"fields\":{\"book\":\"%s\",\"period\":202512,"
        "\"state\":\"open\"}},"
        "{\"type\":\"period\",\"id\":\"%s\",\"fields\":{\"book\":\"%s\",\"period\":202601,"
        "\"state\":\"open\"}}]",
        test_hex(&o->reader), test_hex(&grant), test_hex(&o->reader), test_hex(station),
        test_hex(&o->book), test_hex(&o->reader), test_hex(&december), test_hex(&o->book),
        test_hex(&january), test_hex(&o->book));
    import_well(o, "import", drafts);
}

void test_office_load(struct test_office *o)
{
    load_book(o);
    for (size_t i = 0; i < TEST_OFFICE_METERS; i++) {
        load_meter(o, i);
        test_office_read(o, i, 202512, 100, ",\"instant_ms\":1766000000000");
    }
}

struct ds_id test_office_write(struct test_office *o, const struct ds_office_actor *actor,
                               uint8_t type, const struct ds_id *id, const void *record,
                               uint64_t seen)
{
    struct ds_draft draft = {.type = type, .seen = seen};
    struct ds_office_verdict verdict;
    struct ds_detail detail = {""};
    uint8_t bytes[4096];
    struct ds_builder out;

    if (id != NULL) {
        draft.id = *id;
    }
    ds_builder_init(&out, bytes, sizeof(bytes));
    assert_int_equal(ds_record_encode_op(ds_record_type_by_number(type), record, &out), DS_OK);
    assert_int_equal(ds_builder_end(&out, &draft.fields), DS_OK);
    if (ds_office_write(&o->office, actor, &draft, 1, &verdict, NULL, &detail) != DS_OK) {
        fail_msg("%s", detail.text);
    }
    return draft.made_id;
}

/* ---- Users and calls ---- */

void test_office_user(struct test_office *o, const char *name, uint16_t roles)
{
    const struct ds_people_user user = {
        .name = name, .password = DS_SLICE_LIT(TEST_PASSWORD), .roles = roles};
    struct ds_detail detail = {""};
    struct ds_id worker;

    if (ds_people_user_add(&o->office, &user, &worker, &detail) != DS_OK) {
        fail_msg("%s", detail.text);
    }
    test_office_login(o, name);
}

void test_office_login(struct test_office *o, const char *name)
{
    char body[128];

    (void)snprintf(body, sizeof(body), "{\"user\":\"%s\",\"password\":\"%s\"}", name,
                   TEST_PASSWORD);
    o->session[0] = '\0';
    test_call(o, "POST", "/api/v1/login", body);
    assert_int_equal(o->status, 200);
    (void)snprintf(o->session, sizeof(o->session), "%s", test_text(o, "session"));
    (void)snprintf(o->token, sizeof(o->token), "%s", test_text(o, "token"));
}

void test_call_with(struct test_office *o, const char *method, const char *target, const char *body,
                    const struct test_header *headers, size_t count)
{
    struct ds_http_header head[16];
    struct ds_http_request request = {.method = method};
    struct ds_http_answer answer = {.status = 500};
    struct ds_arena arena;
    const char *query = strchr(target, '?');
    size_t size = query != NULL ? (size_t)(query - target) : strlen(target);

    assert_true(count <= DS_COUNT(head) && size < sizeof(request.path));
    for (size_t i = 0; i < count; i++) {
        head[i] = (struct ds_http_header){headers[i].name, headers[i].value};
    }
    memcpy(request.path, target, size);
    request.head = (struct ds_http_head){.method = method,
                                         .target = target,
                                         .query = query != NULL ? query + 1 : NULL,
                                         .headers = head,
                                         .header_count = count};
    request.body = ds_slice_of_text(body);
    memcpy(request.address, "127.0.0.1", 10);
    ds_arena_init(&arena, o->memory, DS_HTTP_ARENA_SIZE);
    request.arena = &arena;
    ds_builder_init(&answer.body, o->memory + DS_HTTP_ARENA_SIZE, ANSWER_SIZE);
    ds_builder_init(&answer.extra, o->memory + DS_HTTP_ARENA_SIZE + ANSWER_SIZE,
                    DS_HTTP_HEAD_EXTRA_MAX);
    ds_api_handle(o->api, &request, &answer);
    o->status = answer.status;
    if (answer.stream != NULL) { /* Nobody streams here: give its place back. */
        atomic_fetch_sub(&o->office.metrics->event_streams, 1);
    }
    o->text = ds_builder_text(&answer.body);
    o->extra = ds_builder_text(&answer.extra);
    json_decref(o->json);
    o->json = json_loadb((const char *)answer.body.data, answer.body.used,
                         JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
}

void test_call(struct test_office *o, const char *method, const char *target, const char *body)
{
    char bearer[DS_SESSION_TEXT_SIZE + 16];
    struct test_header headers[2];
    size_t count = 0;

    if (o->session[0] != '\0') {
        (void)snprintf(bearer, sizeof(bearer), "Bearer %s", o->session);
        headers[count++] = (struct test_header){"Authorization", bearer};
    }
    if (body != NULL) {
        headers[count++] = (struct test_header){"Content-Type", "application/json"};
    }
    test_call_with(o, method, target, body, headers, count);
}

/* ---- Looking into answers ---- */

const json_t *test_at(const struct test_office *o, const char *path)
{
    const json_t *at = o->json;
    char part[64];

    while (at != NULL && *path != '\0') {
        size_t size = strcspn(path, ".");
        int64_t place = 0;

        assert_true(size < sizeof(part));
        memcpy(part, path, size);
        part[size] = '\0';
        if (json_is_array(at) && ds_int_parse(ds_slice_of_text(part), &place) == DS_OK) {
            at = json_array_get(at, (size_t)place);
        } else {
            at = json_object_get(at, part);
        }
        path += size + (path[size] == '.');
    }
    return at;
}

const char *test_text(const struct test_office *o, const char *path)
{
    const char *text = json_string_value(test_at(o, path));

    if (text == NULL) {
        fail_msg("no text at %s in %s", path, o->text != NULL ? o->text : "");
    }
    return text;
}

long long test_number(const struct test_office *o, const char *path)
{
    const json_t *value = test_at(o, path);

    if (!json_is_integer(value)) {
        fail_msg("no number at %s in %s", path, o->text != NULL ? o->text : "");
    }
    return json_integer_value(value);
}

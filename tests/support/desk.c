#include "tests/support/desk.h"

#include "schema/base/text.h"
#include "schema/codec/record_json_jansson.h"
#include "schema/codec/record_mp.h"
#include "server/drafts.h"
#include "server/people.h"
#include "sync/core/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void desk_hex(const struct ds_id *id, char out[static DESK_ID_SIZE])
{
    struct ds_builder builder;

    ds_builder_init(&builder, out, DESK_ID_SIZE);
    ds_put_hex(&builder, DS_SLICE_OF(*id));
    (void)ds_builder_text(&builder);
}

/* ---- Calls ---- */

json_t *desk_call(struct desk *desk, enum desk_who who, const char *target, json_t *body,
                  const char *shape, int status)
{
    struct ds_arena arena;
    char bearer[80] = "Bearer ";
    const struct ds_http_header headers[] = {{"Content-Type", "application/json"},
                                             {"Authorization", bearer}};
    struct ds_http_request request = {.method = body != NULL ? "POST" : "GET", .arena = &arena};
    struct ds_http_answer answer = {.status = 500};
    uint8_t extra[DS_HTTP_HEAD_EXTRA_MAX];
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    size_t size = strcspn(target, "?");
    struct ds_detail detail = {""};
    json_t *json = NULL;

    if (who != DESK_NOBODY) {
        memcpy(bearer + 7, desk->session[who], DS_SESSION_TEXT_SIZE);
    }
    ds_arena_init(&arena, desk->arena, DS_HTTP_ARENA_SIZE);
    ds_builder_init(&answer.body, desk->answer, DS_HTTP_ANSWER_MAX);
    ds_builder_init(&answer.extra, extra, sizeof(extra));
    memcpy(request.path, target, size);
    request.path[size] = '\0';
    (void)snprintf(request.address, sizeof(request.address), "127.0.0.1");
    request.head = (struct ds_http_head){.method = request.method,
                                         .target = request.path,
                                         .query = target[size] == '?' ? target + size + 1 : NULL,
                                         .headers = headers,
                                         .header_count = who != DESK_NOBODY ? 2 : 1};
    request.body = ds_slice_of_text(text != NULL ? text : "");
    ds_api_handle(desk->api, &request, &answer);
    free(text);
    json_decref(body);
    struct ds_slice bytes = {answer.body.data, answer.body.used};

    if (answer.status != status) {
        print_error("%s: %d %.*s\n", target, answer.status, (int)bytes.size,
                    (const char *)bytes.data);
    }
    assert_int_equal(answer.status, status);
    assert_int_equal(ds_json_parse(bytes, &json, &detail), DS_OK);
    if (ds_shape_check(status == 200 ? shape : "Problem", json, &detail) != DS_OK) {
        print_error("%s: %s\n%.*s\n", target, detail.text, (int)bytes.size,
                    (const char *)bytes.data);
        fail();
    }
    return json;
}

json_t *desk_get(struct desk *desk, const char *target, const char *shape)
{
    return desk_call(desk, DESK_ANNA, target, NULL, shape, 200);
}

const char *desk_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

int64_t desk_number(const json_t *object, const char *name)
{
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

const char *desk_path(const char *before, const char *id, const char *behind)
{
    static char path[160];

    (void)snprintf(path, sizeof(path), "/api/v1/%s/%s%s", before, id, behind);
    return path;
}

/* ---- The station ---- */

const struct ds_office_actor desk_importer = {.name = "import", .kind = DS_ACTOR_import};

void desk_write(struct desk *desk, const struct ds_office_actor *actor, json_t *drafts)
{
    json_t *answer = NULL;
    struct ds_detail detail = {""};

    assert_non_null(drafts);
    enum ds_err err = ds_drafts_write(&desk->office, actor, drafts, false, &answer, &detail);

    if (err != DS_OK) {
        print_error("%s: %s\n", ds_err_name(err), detail.text);
    }
    assert_int_equal(err, DS_OK);
    json_t *items = json_object_get(answer, "items");

    for (size_t i = 0; i < json_array_size(items); i++) {
        const char *why = json_string_value(json_object_get(json_array_get(items, i), "error"));

        if (why != NULL) {
            fail_msg("%s: %s", why, desk_text(json_array_get(items, i), "detail"));
        }
    }
    json_decref(answer);
    json_decref(drafts);
}

json_t *desk_reading(const char *meter, int period, int64_t index)
{
    return json_pack(
        "{s:s, s:{s:s, s:i, s:I, s:I, s:s, s:s, s:s, s:s}}", "type", "reading", "fields", "meter",
        meter, "period", period, "index", (json_int_t)index, "instant_ms",
        (json_int_t)(DESK_CLOCK_MS - (202601 - period) * 86400000LL * 31), "method", "on_site",
        "register_kind", "mechanical", "purpose", "regular", "condition", "normal");
}

/* Another one that runs backwards, by less. */
static void make_second_meter(struct desk *desk, const char *book)
{
    const struct ds_id meter =
        ds_meter_id(&desk->site.station, DS_SLICE_LIT("M"), DS_SLICE_LIT("3"));
    char m[DESK_ID_SIZE];

    desk_hex(&meter, m);
    desk_write(desk, &desk_importer,
               json_pack("[{s:s, s:s, s:{s:s, s:s, s:s, s:i, s:i, s:I}}]", "type", "meter", "id", m,
                         "fields", "manufacturer", "M", "meter_no", "3", "book", book, "walk_order",
                         2, "dial_digits", 5, "yearly_l", (json_int_t)300000));
    desk_write(desk, &desk_importer,
               json_pack("[o, o]", desk_reading(m, 202512, 1000), desk_reading(m, 202601, 990)));
}

static void make_station(struct desk *desk)
{
    const struct ds_id *station = &desk->site.station;
    const struct ds_id book = ds_numbered_id(station, DS_REC_book, DS_SLICE_LIT("B01"));
    const struct ds_id account = ds_numbered_id(station, DS_REC_account, DS_SLICE_LIT("A1"));
    char b[DESK_ID_SIZE];
    char a[DESK_ID_SIZE];
    char m[DESK_ID_SIZE];

    desk->meter = ds_meter_id(station, DS_SLICE_LIT("M"), DS_SLICE_LIT("1"));
    desk_hex(&book, b);
    desk_hex(&account, a);
    desk_hex(&desk->meter, m);
    desk_write(desk, &desk_importer,
               json_pack("[{s:s, s:s, s:{s:s}}, {s:s, s:s, s:{s:s, s:s, s:i}},"
                         " {s:s, s:s, s:{s:s, s:s, s:s, s:s, s:i, s:i, s:I}}]",
                         "type", "book", "id", b, "fields", "number", "B01", /* */
                         "type", "account", "id", a, "fields", "number", "A1", "class",
                         "residential", "persons", 3, /* */
                         "type", "meter", "id", m, "fields", "manufacturer", "M", "meter_no", "1",
                         "book", b, "account", a, "walk_order", 1, "dial_digits", 5, "yearly_l",
                         (json_int_t)300000));
    desk_write(desk, &desk_importer,
               json_pack("[o, o]", desk_reading(m, 202512, 1000), desk_reading(m, 202601, 900)));
    make_second_meter(desk, b);
    const struct ds_id slot = ds_slot_id(station, &desk->meter, DS_REGISTER_mechanical, 202601);

    desk_hex(&slot, desk->slot);
}

static void sign_in(struct desk *desk, enum desk_who who, const char *name, uint16_t roles)
{
    const struct ds_people_user user = {
        .name = name, .password = DS_SLICE_LIT("correct horse battery"), .roles = roles};
    struct ds_session session;
    struct ds_detail detail = {""};
    struct ds_id worker;
    uint32_t wait_s = 0;

    assert_int_equal(ds_people_user_add(&desk->office, &user, &worker, &detail), DS_OK);
    assert_int_equal(ds_session_begin(desk->office.users, name, user.password, "127.0.0.1",
                                      desk->session[who], &session, &wait_s),
                     DS_OK);
}

int desk_open(void **state)
{
    static const struct ds_argon_cost cheap = {1, 8192};
    const struct ds_site_options options = {.clock_ms = DESK_CLOCK_MS};
    const struct ds_office_options office = {.argon = &cheap, .log_fd = -1};
    struct desk *desk = calloc(1, sizeof(*desk));
    struct ds_store *stores[2] = {NULL, NULL};
    struct ds_station station = {.presence = {0}};
    struct ds_detail detail = {""};

    assert_non_null(desk);
    desk->arena = malloc(DS_HTTP_ARENA_SIZE);
    desk->answer = malloc(DS_HTTP_ANSWER_MAX);
    assert_non_null(desk->arena);
    assert_non_null(desk->answer);
    DS_SET(&station, station, number, DS_SLICE_LIT("S1"));
    DS_SET(&station, station, name, DS_SLICE_LIT("Test"));
    DS_SET(&station, station, offset_min, 480);
    DS_SET(&station, station, billing_authority, DS_AUTHORITY_central);
    DS_SET(&station, station, sample, 1);
    assert_int_equal(ds_store_memory_open(64 << 20, &stores[0]), DS_OK);
    assert_int_equal(ds_store_memory_open(16 << 20, &stores[1]), DS_OK);
    assert_int_equal(ds_site_open_stores(&desk->site, NULL, stores, &station, &options, &detail),
                     DS_OK);
    assert_int_equal(ds_office_open(&desk->office, &desk->site, &office, &detail), DS_OK);
    const struct ds_api_options api = {
        .office = &desk->office, .version = "test", .event_streams_max = 2};

    assert_int_equal(ds_api_open(&api, &desk->api), DS_OK);
    sign_in(desk, DESK_ANNA, "anna", 1 << DS_ROLE_supervisor | 1 << DS_ROLE_admin);
    sign_in(desk, DESK_NED, "ned", 1 << DS_ROLE_auditor);
    make_station(desk);
    *state = desk;
    return 0;
}

int desk_close(void **state)
{
    struct desk *desk = *state;

    ds_api_close(desk->api);
    ds_office_close(&desk->office);
    ds_site_close(&desk->site);
    free(desk->arena);
    free(desk->answer);
    free(desk);
    return 0;
}

json_t *desk_only_item(struct desk *desk, const char *list, const char *shape,
                       char id[static DESK_ID_SIZE])
{
    char target[80];

    (void)snprintf(target, sizeof(target), "/api/v1/%s", list);
    json_t *page = desk_get(desk, target, shape);
    json_t *item = json_incref(json_array_get(json_object_get(page, "items"), 0));

    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    memcpy(id, desk_text(item, "id"), DESK_ID_SIZE);
    json_decref(page);
    return item;
}

void desk_assert_empty(struct desk *desk, const char *list, const char *shape)
{
    char target[80];

    (void)snprintf(target, sizeof(target), "/api/v1/%s", list);
    json_t *page = desk_get(desk, target, shape);

    assert_int_equal(json_array_size(json_object_get(page, "items")), 0);
    json_decref(page);
}

void desk_propose(struct desk *desk, int persons)
{
    const struct ds_id account =
        ds_numbered_id(&desk->site.station, DS_REC_account, DS_SLICE_LIT("A1"));
    struct ds_office_actor anna = {.name = "user:anna", .kind = DS_ACTOR_console};
    char id[DESK_ID_SIZE];

    anna.worker = ds_numbered_id(&desk->site.station, DS_REC_worker, DS_SLICE_LIT("anna"));
    desk_hex(&account, id);
    desk_write(desk, &anna,
               json_pack("[{s:s, s:s, s:{s:i}}]", "type", "account", "id", id, "fields", "persons",
                         persons));
}

void desk_contradict(struct desk *desk, int64_t digits)
{
    const struct ds_office_actor gis = {.name = "gis", .kind = DS_ACTOR_gis};
    struct ds_meter meter = {.presence = {0}};
    uint8_t bytes[64];
    struct ds_builder builder;
    struct ds_draft draft = {.type = DS_REC_meter, .id = desk->meter, .seen = 1};
    struct ds_office_verdict verdict;
    struct ds_detail detail = {""};

    DS_SET(&meter, meter, dial_digits, digits);
    ds_builder_init(&builder, bytes, sizeof(bytes));
    assert_int_equal(ds_record_encode_op(ds_record_type_by_number(DS_REC_meter), &meter, &builder),
                     DS_OK);
    assert_int_equal(ds_builder_end(&builder, &draft.fields), DS_OK);
    assert_int_equal(ds_office_write(&desk->office, &gis, &draft, 1, &verdict, NULL, &detail),
                     DS_OK);
    assert_int_equal(verdict.verdict, DS_VERDICT_conflict);
}

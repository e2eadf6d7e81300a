/* The supervisors' queue, items, devices and tasks, asked through the dispatcher. */
#include "schema/base/text.h"
#include "schema/codec/record_json_jansson.h"
#include "schema/codec/record_mp.h"
#include "server/api.h"
#include "server/drafts.h"
#include "server/people.h"
#include "sync/core/tables.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_MS 1769331600000 /* 2026-01-25T09:00:00Z */
#define ID_SIZE 33

struct fixture {
    struct ds_site site;
    struct ds_office office;
    struct ds_api *api;
    void *arena;
    void *answer;
    char session[2][DS_SESSION_TEXT_SIZE]; /* Of anna, supervisor and admin; of ned, auditor. */
    struct ds_id meter;
    char slot[ID_SIZE]; /* Held: its index runs backwards. */
};

static void hex_id(const struct ds_id *id, char out[static ID_SIZE])
{
    struct ds_builder builder;

    ds_builder_init(&builder, out, ID_SIZE);
    ds_put_hex(&builder, DS_SLICE_OF(*id));
    (void)ds_builder_text(&builder);
}

/* ---- Calls ---- */

/* who: 0 anna, 1 ned, 2 nobody. body (NULL: none) is taken over. The answer is yours; if it is to
 * be 200 it must be of that shape. */
static json_t *call(struct fixture *fixture, int who, const char *target, json_t *body,
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

    if (who < 2) {
        memcpy(bearer + 7, fixture->session[who], DS_SESSION_TEXT_SIZE);
    }
    ds_arena_init(&arena, fixture->arena, DS_HTTP_ARENA_SIZE);
    ds_builder_init(&answer.body, fixture->answer, DS_HTTP_ANSWER_MAX);
    ds_builder_init(&answer.extra, extra, sizeof(extra));
    memcpy(request.path, target, size);
    request.path[size] = '\0';
    (void)snprintf(request.address, sizeof(request.address), "127.0.0.1");
    request.head = (struct ds_http_head){.method = request.method,
                                         .target = request.path,
                                         .query = target[size] == '?' ? target + size + 1 : NULL,
                                         .headers = headers,
                                         .header_count = who < 2 ? 2 : 1};
    request.body = ds_slice_of_text(text != NULL ? text : "");
    ds_api_handle(fixture->api, &request, &answer);
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

static json_t *get(struct fixture *fixture, const char *target, const char *shape)
{
    return call(fixture, 0, target, NULL, shape, 200);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

static int64_t number_of(const json_t *object, const char *name)
{
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

/* "/api/v1/BEFORE/ID/BEHIND" */
static const char *path_of(const char *before, const char *id, const char *behind)
{
    static char path[160];

    (void)snprintf(path, sizeof(path), "/api/v1/%s/%s%s", before, id, behind);
    return path;
}

/* ---- The station ---- */

static const struct ds_office_actor importer = {.name = "import", .kind = DS_ACTOR_import};

/* drafts is taken over. */
static void write_as(struct fixture *fixture, const struct ds_office_actor *actor, json_t *drafts)
{
    json_t *answer = NULL;
    struct ds_detail detail = {""};

    assert_non_null(drafts);
    enum ds_err err = ds_drafts_write(&fixture->office, actor, drafts, false, &answer, &detail);

    if (err != DS_OK) {
        print_error("%s: %s\n", ds_err_name(err), detail.text);
    }
    assert_int_equal(err, DS_OK);
    json_t *items = json_object_get(answer, "items");

    for (size_t i = 0; i < json_array_size(items); i++) {
        const char *why = json_string_value(json_object_get(json_array_get(items, i), "error"));

        if (why != NULL) {
            fail_msg("%s: %s", why, text_of(json_array_get(items, i), "detail"));
        }
    }
    json_decref(answer);
    json_decref(drafts);
}

static json_t *reading(const char *meter, int period, int64_t index)
{
    return json_pack("{s:s, s:{s:s, s:i, s:I, s:I, s:s, s:s, s:s, s:s}}", "type", "reading",
                     "fields", "meter", meter, "period", period, "index", (json_int_t)index,
                     "instant_ms", (json_int_t)(CLOCK_MS - (202601 - period) * 86400000LL * 31),
                     "method", "on_site", "register_kind", "mechanical", "purpose", "regular",
                     "condition", "normal");
}

/* Another one that runs backwards, by less. */
static void make_second_meter(struct fixture *fixture, const char *book)
{
    const struct ds_id meter =
        ds_meter_id(&fixture->site.station, DS_SLICE_LIT("M"), DS_SLICE_LIT("3"));
    char m[ID_SIZE];

    hex_id(&meter, m);
    write_as(fixture, &importer,
             json_pack("[{s:s, s:s, s:{s:s, s:s, s:s, s:i, s:i, s:I}}]", "type", "meter", "id", m,
                       "fields", "manufacturer", "M", "meter_no", "3", "book", book, "walk_order",
                       2, "dial_digits", 5, "yearly_l", (json_int_t)300000));
    write_as(fixture, &importer,
             json_pack("[o, o]", reading(m, 202512, 1000), reading(m, 202601, 990)));
}

static void make_station(struct fixture *fixture)
{
    const struct ds_id *station = &fixture->site.station;
    const struct ds_id book = ds_numbered_id(station, DS_REC_book, DS_SLICE_LIT("B01"));
    const struct ds_id account = ds_numbered_id(station, DS_REC_account, DS_SLICE_LIT("A1"));
    char b[ID_SIZE];
    char a[ID_SIZE];
    char m[ID_SIZE];

    fixture->meter = ds_meter_id(station, DS_SLICE_LIT("M"), DS_SLICE_LIT("1"));
    hex_id(&book, b);
    hex_id(&account, a);
    hex_id(&fixture->meter, m);
    write_as(fixture, &importer,
             json_pack("[{s:s, s:s, s:{s:s}}, {s:s, s:s, s:{s:s, s:s, s:i}},"
                       " {s:s, s:s, s:{s:s, s:s, s:s, s:s, s:i, s:i, s:I}}]",
                       "type", "book", "id", b, "fields", "number", "B01", /* */
                       "type", "account", "id", a, "fields", "number", "A1", "class", "residential",
                       "persons", 3, /* */
                       "type", "meter", "id", m, "fields", "manufacturer", "M", "meter_no", "1",
                       "book", b, "account", a, "walk_order", 1, "dial_digits", 5, "yearly_l",
                       (json_int_t)300000));
    write_as(fixture, &importer,
             json_pack("[o, o]", reading(m, 202512, 1000), reading(m, 202601, 900)));
    make_second_meter(fixture, b);
    const struct ds_id slot = ds_slot_id(station, &fixture->meter, DS_REGISTER_mechanical, 202601);

    hex_id(&slot, fixture->slot);
}

static void sign_in(struct fixture *fixture, int who, const char *name, uint16_t roles)
{
    const struct ds_people_user user = {
        .name = name, .password = DS_SLICE_LIT("correct horse battery"), .roles = roles};
    struct ds_session session;
    struct ds_detail detail = {""};
    struct ds_id worker;
    uint32_t wait_s = 0;

    assert_int_equal(ds_people_user_add(&fixture->office, &user, &worker, &detail), DS_OK);
    assert_int_equal(ds_session_begin(fixture->office.users, name, user.password, "127.0.0.1",
                                      fixture->session[who], &session, &wait_s),
                     DS_OK);
}

static int setup(void **state)
{
    static const struct ds_argon_cost cheap = {1, 8192};
    const struct ds_site_options options = {.clock_ms = CLOCK_MS};
    const struct ds_office_options office = {.argon = &cheap, .log_fd = -1};
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct ds_store *stores[2] = {NULL, NULL};
    struct ds_station station = {.presence = {0}};
    struct ds_detail detail = {""};

    assert_non_null(fixture);
    fixture->arena = malloc(DS_HTTP_ARENA_SIZE);
    fixture->answer = malloc(DS_HTTP_ANSWER_MAX);
    assert_non_null(fixture->arena);
    assert_non_null(fixture->answer);
    DS_SET(&station, station, number, DS_SLICE_LIT("S1"));
    DS_SET(&station, station, name, DS_SLICE_LIT("Test"));
    DS_SET(&station, station, offset_min, 480);
    DS_SET(&station, station, billing_authority, DS_AUTHORITY_central);
    DS_SET(&station, station, sample, 1);
    assert_int_equal(ds_store_memory_open(64 << 20, &stores[0]), DS_OK);
    assert_int_equal(ds_store_memory_open(16 << 20, &stores[1]), DS_OK);
    assert_int_equal(ds_site_open_stores(&fixture->site, NULL, stores, &station, &options, &detail),
                     DS_OK);
    assert_int_equal(ds_office_open(&fixture->office, &fixture->site, &office, &detail), DS_OK);
    const struct ds_api_options api = {
        .office = &fixture->office, .version = "test", .event_streams_max = 2};

    assert_int_equal(ds_api_open(&api, &fixture->api), DS_OK);
    sign_in(fixture, 0, "anna", 1 << DS_ROLE_supervisor | 1 << DS_ROLE_admin);
    sign_in(fixture, 1, "ned", 1 << DS_ROLE_auditor);
    make_station(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    ds_api_close(fixture->api);
    ds_office_close(&fixture->office);
    ds_site_close(&fixture->site);
    free(fixture->arena);
    free(fixture->answer);
    free(fixture);
    return 0;
}

/* ---- The queue ---- */

static json_t *decision(const char *action, const char *hash)
{
    return json_pack("{s:s, s:s, s:s}", "action", action, "reason", "seen it", "candidates_hash",
                     hash);
}

/* The hash of the held slot, as the queue shows it. */
static void queue_hash(struct fixture *fixture, char hash[static 65])
{
    json_t *slot = get(fixture, path_of("slots", fixture->slot, ""), "Slot");

    memcpy(hash, text_of(slot, "candidates_hash"), 65);
    json_decref(slot);
}

static void queue__a_reversed_reading_is_found_with_slot_and_meter(void **state)
{
    struct fixture *fixture = *state;
    json_t *page = get(fixture, "/api/v1/anomalies?rule=reversed", "AnomalyList");
    const json_t *item = json_array_get(json_object_get(page, "items"), 0);

    assert_int_equal(json_array_size(json_object_get(page, "items")), 2);
    assert_string_equal(text_of(item, "slot"), fixture->slot); /* More is at risk. */
    assert_string_equal(text_of(json_object_get(item, "slot_row"), "state"), "held");
    assert_string_equal(text_of(json_object_get(item, "meter_row"), "meter_no"), "1");
    json_decref(get(fixture, path_of("anomalies", text_of(item, "id"), ""), "AnomalyItem"));
    json_decref(page);
    page = get(fixture, "/api/v1/anomalies?rule=same_photo", "AnomalyList");
    assert_int_equal(json_array_size(json_object_get(page, "items")), 0);
    json_decref(page);
}

static void queue__pages_of_one_show_every_item_once(void **state)
{
    struct fixture *fixture = *state;
    json_t *whole = get(fixture, "/api/v1/anomalies", "AnomalyList");
    size_t count = json_array_size(json_object_get(whole, "items"));
    char target[160] = "/api/v1/anomalies?limit=1";
    int64_t risk = INT64_MAX;
    size_t seen = 0;

    assert_true(count >= 2);
    for (;;) {
        json_t *page = get(fixture, target, "AnomalyList");
        const json_t *item = json_array_get(json_object_get(page, "items"), 0);
        const char *next = json_string_value(json_object_get(page, "next"));

        assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
        assert_string_equal(text_of(item, "id"),
                            text_of(json_array_get(json_object_get(whole, "items"), seen), "id"));
        int64_t fen = json_integer_value(json_object_get(item, "risk_fen"));

        assert_true(fen <= risk);
        risk = fen;
        seen++;
        if (next == NULL) {
            json_decref(page);
            break;
        }
        (void)snprintf(target, sizeof(target), "/api/v1/anomalies?limit=1&after=%s", next);
        json_decref(page);
    }
    assert_int_equal(seen, count);
    json_decref(whole);
}

static void queue__a_bad_cursor_filter_or_limit_is_refused_by_name(void **state)
{
    struct fixture *fixture = *state;

    json_decref(call(fixture, 0, "/api/v1/anomalies?after=00", NULL, "", 400));
    json_decref(call(fixture, 0, "/api/v1/anomalies?rule=nonsense", NULL, "", 400));
    json_decref(call(fixture, 0, "/api/v1/anomalies?limit=0", NULL, "", 400));
    json_decref(call(fixture, 0, "/api/v1/anomalies?limit=201", NULL, "", 400));
    json_decref(call(fixture, 0, "/api/v1/anomalies?limit=200", NULL, "AnomalyList", 200));
}

static void decide__a_correction_stands_at_the_slot_and_leaves_the_queue(void **state)
{
    struct fixture *fixture = *state;
    char hash[65];

    queue_hash(fixture, hash);
    json_t *body = decision("correct", hash);

    json_object_set_new(body, "index", json_integer(1020));
    json_t *written =
        call(fixture, 0, path_of("slots", fixture->slot, "/decide"), body, "Decided", 200);
    const json_t *after = json_object_get(written, "slot");

    assert_string_equal(text_of(written, "verdict"), "applied");
    assert_string_equal(text_of(after, "state"), "decided");
    assert_int_equal(number_of(after, "index"), 1020);
    assert_int_equal(number_of(after, "consumption_l"), 20000);
    assert_string_equal(text_of(after, "decision"), text_of(written, "id"));
    json_decref(written);
    json_t *page = get(fixture, "/api/v1/anomalies?rule=reversed", "AnomalyList");

    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    assert_string_not_equal(text_of(json_array_get(json_object_get(page, "items"), 0), "slot"),
                            fixture->slot);
    json_decref(page);
}

static void decide__a_hash_of_other_candidates_decides_nothing(void **state)
{
    struct fixture *fixture = *state;
    char hash[65];
    char meter[ID_SIZE];

    queue_hash(fixture, hash);
    hex_id(&fixture->meter, meter);
    write_as(fixture, &importer, json_pack("[o]", reading(meter, 202601, 905)));
    json_t *problem = call(fixture, 0, path_of("slots", fixture->slot, "/decide"),
                           decision("approve", hash), "", 409);

    assert_non_null(strstr(text_of(problem, "detail"), "new evidence"));
    json_decref(problem);
    json_t *slot = get(fixture, path_of("slots", fixture->slot, ""), "Slot");

    assert_null(json_object_get(slot, "decision"));
    json_decref(slot);
}

static void decide__the_hash_the_reason_and_a_fitting_action_are_required(void **state)
{
    struct fixture *fixture = *state;
    char hash[65];
    const char *path = NULL;

    queue_hash(fixture, hash);
    path = path_of("slots", fixture->slot, "/decide");
    json_t *body = decision("approve", hash);

    json_object_del(body, "candidates_hash");
    json_decref(call(fixture, 0, path, body, "", 422));
    body = decision("approve", hash);
    json_object_del(body, "reason");
    json_decref(call(fixture, 0, path, body, "", 422));
    json_decref(call(fixture, 0, path, decision("keep_mine", hash), "", 422));
    json_decref(call(fixture, 0, path, decision("correct", hash), "", 409));
    json_decref(call(fixture, 1, path, decision("approve", hash), "", 403));
    json_decref(call(fixture, 2, path, decision("approve", hash), "", 401));
}

static void decide__a_re_read_becomes_an_open_task_at_the_meter(void **state)
{
    struct fixture *fixture = *state;
    char hash[65];
    char meter[ID_SIZE];

    queue_hash(fixture, hash);
    hex_id(&fixture->meter, meter);
    json_t *page = get(fixture, "/api/v1/anomalies?rule=reversed", "AnomalyList");
    const char *id = text_of(json_array_get(json_object_get(page, "items"), 0), "id");

    json_decref(call(fixture, 0, path_of("anomalies", id, "/decide"), decision("re_read", hash),
                     "Decided", 200));
    json_decref(page);
    json_t *tasks = get(fixture, "/api/v1/tasks", "TaskList");
    const json_t *task = json_array_get(json_object_get(tasks, "items"), 0);

    assert_int_equal(json_array_size(json_object_get(tasks, "items")), 1);
    assert_string_equal(text_of(task, "kind"), "re_read");
    assert_string_equal(text_of(task, "meter"), meter);
    json_decref(tasks);
}

/* ---- Items ---- */

/* The only open item of a list; its id. */
static json_t *only_item(struct fixture *fixture, const char *list, const char *shape,
                         char id[static ID_SIZE])
{
    char target[80];

    (void)snprintf(target, sizeof(target), "/api/v1/%s", list);
    json_t *page = get(fixture, target, shape);
    json_t *item = json_incref(json_array_get(json_object_get(page, "items"), 0));

    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    memcpy(id, text_of(item, "id"), ID_SIZE);
    json_decref(page);
    return item;
}

static void assert_empty(struct fixture *fixture, const char *list, const char *shape)
{
    char target[80];

    (void)snprintf(target, sizeof(target), "/api/v1/%s", list);
    json_t *page = get(fixture, target, shape);

    assert_int_equal(json_array_size(json_object_get(page, "items")), 0);
    json_decref(page);
}

static void resolve(struct fixture *fixture, const char *list, const char *id, const char *action,
                    int status)
{
    json_decref(call(fixture, 0, path_of(list, id, "/resolve"),
                     json_pack("{s:s, s:s}", "action", action, "reason", "asked"), "Written",
                     status));
}

static void propose_persons(struct fixture *fixture, int persons)
{
    const struct ds_id account =
        ds_numbered_id(&fixture->site.station, DS_REC_account, DS_SLICE_LIT("A1"));
    struct ds_office_actor anna = {.name = "user:anna", .kind = DS_ACTOR_console};
    char id[ID_SIZE];

    anna.worker = ds_numbered_id(&fixture->site.station, DS_REC_worker, DS_SLICE_LIT("anna"));
    hex_id(&account, id);
    write_as(fixture, &anna,
             json_pack("[{s:s, s:s, s:{s:i}}]", "type", "account", "id", id, "fields", "persons",
                       persons));
}

static void proposals__accepted_becomes_the_value_refused_leaves_it(void **state)
{
    struct fixture *fixture = *state;
    char id[ID_SIZE];

    propose_persons(fixture, 5);
    json_t *item = only_item(fixture, "proposals", "ProposalList", id);

    assert_string_equal(text_of(item, "record_name"), "account");
    assert_string_equal(text_of(item, "field_name"), "persons");
    assert_int_equal(number_of(item, "base_value"), 3);
    assert_int_equal(number_of(item, "proposed_value"), 5);
    json_decref(item);
    resolve(fixture, "proposals", id, "release", 422);
    resolve(fixture, "proposals", id, "accept_proposal", 200);
    resolve(fixture, "proposals", id, "accept_proposal", 409);
    assert_empty(fixture, "proposals", "ProposalList");
    propose_persons(fixture, 9);
    item = only_item(fixture, "proposals", "ProposalList", id);
    assert_int_equal(number_of(item, "base_value"), 5);
    json_decref(item);
    resolve(fixture, "proposals", id, "refuse_proposal", 200);
    assert_empty(fixture, "proposals", "ProposalList");
    item = get(fixture, path_of("proposals", id, ""), "ProposalItem");
    assert_string_equal(text_of(item, "state"), "resolved");
    json_decref(item);
}

/* A write of a reviewed field by someone who saw the journal's beginning only. */
static void contradict(struct fixture *fixture, int64_t digits)
{
    const struct ds_office_actor gis = {.name = "gis", .kind = DS_ACTOR_gis};
    struct ds_meter meter = {.presence = {0}};
    uint8_t bytes[64];
    struct ds_builder builder;
    struct ds_draft draft = {.type = DS_REC_meter, .id = fixture->meter, .seen = 1};
    struct ds_office_verdict verdict;
    struct ds_detail detail = {""};

    DS_SET(&meter, meter, dial_digits, digits);
    ds_builder_init(&builder, bytes, sizeof(bytes));
    assert_int_equal(ds_record_encode_op(ds_record_type_by_number(DS_REC_meter), &meter, &builder),
                     DS_OK);
    assert_int_equal(ds_builder_end(&builder, &draft.fields), DS_OK);
    assert_int_equal(ds_office_write(&fixture->office, &gis, &draft, 1, &verdict, NULL, &detail),
                     DS_OK);
    assert_int_equal(verdict.verdict, DS_VERDICT_conflict);
}

static int64_t digits_of(struct fixture *fixture)
{
    char id[ID_SIZE];

    hex_id(&fixture->meter, id);
    json_t *story = get(fixture, path_of("meters", id, ""), "Story");
    int64_t digits = number_of(json_object_get(story, "meter"), "dial_digits");

    json_decref(story);
    return digits;
}

static void conflicts__both_values_are_shown_and_either_can_stand(void **state)
{
    struct fixture *fixture = *state;
    char id[ID_SIZE];

    contradict(fixture, 6);
    json_t *item = only_item(fixture, "conflicts", "ConflictList", id);

    assert_string_equal(text_of(item, "record_name"), "meter");
    assert_string_equal(text_of(item, "field_name"), "dial_digits");
    assert_int_equal(number_of(item, "mine_value"), 5);
    assert_int_equal(number_of(item, "theirs_value"), 6);
    json_decref(item);
    resolve(fixture, "conflicts", id, "keep_theirs", 200);
    assert_int_equal(digits_of(fixture), 6);
    assert_empty(fixture, "conflicts", "ConflictList");
    contradict(fixture, 7);
    json_decref(only_item(fixture, "conflicts", "ConflictList", id));
    resolve(fixture, "conflicts", id, "keep_mine", 200);
    assert_int_equal(digits_of(fixture), 6);
    assert_empty(fixture, "conflicts", "ConflictList");
    contradict(fixture, 8);
    json_decref(only_item(fixture, "conflicts", "ConflictList", id));
    resolve(fixture, "conflicts", id, "keep_base", 200);
    assert_empty(fixture, "conflicts", "ConflictList");
}

static void quarantine__an_orphan_is_released_once_its_meter_is_there(void **state)
{
    struct fixture *fixture = *state;
    const struct ds_id later =
        ds_meter_id(&fixture->site.station, DS_SLICE_LIT("M"), DS_SLICE_LIT("2"));
    char meter[ID_SIZE];
    char id[ID_SIZE];

    hex_id(&later, meter);
    write_as(fixture, &importer, json_pack("[o]", reading(meter, 202601, 44)));
    json_t *item = only_item(fixture, "quarantine", "QuarantineList", id);

    assert_string_equal(text_of(item, "reason"), "orphan");
    assert_string_equal(text_of(item, "record_name"), "reading");
    assert_int_equal(number_of(json_object_get(item, "theirs"), "index"), 44);
    json_decref(item);
    resolve(fixture, "quarantine", id, "release", 200);
    json_decref(only_item(fixture, "quarantine", "QuarantineList", id)); /* It still has none. */
    write_as(fixture, &importer,
             json_pack("[{s:s, s:s, s:{s:s, s:s}}]", "type", "meter", "id", meter, "fields",
                       "manufacturer", "M", "meter_no", "2"));
    resolve(fixture, "quarantine", id, "release", 200);
    assert_empty(fixture, "quarantine", "QuarantineList");
    json_t *readings = get(fixture, path_of("meters", meter, "/readings"), "ReadingList");

    assert_int_equal(json_array_size(json_object_get(readings, "items")), 1);
    json_decref(readings);
}

static void quarantine__a_rejected_op_leaves_the_list(void **state)
{
    struct fixture *fixture = *state;
    char id[ID_SIZE];

    write_as(fixture, &importer,
             json_pack("[o]", reading("00112233445566778899aabbccddeeff", 202601, 44)));
    json_decref(only_item(fixture, "quarantine", "QuarantineList", id));
    resolve(fixture, "quarantine", id, "keep_mine", 422);
    resolve(fixture, "quarantine", id, "reject", 200);
    assert_empty(fixture, "quarantine", "QuarantineList");
}

static json_t *merge_into(const char *meter)
{
    return json_pack("{s:s, s:s}", "into", meter, "reason", "the number was misread");
}

static void meters__an_unknown_one_brings_its_readings_to_the_real_one_once(void **state)
{
    struct fixture *fixture = *state;
    const struct ds_id unknown =
        ds_meter_id(&fixture->site.station, DS_SLICE_LIT("M"), DS_SLICE_LIT("l"));
    char real[ID_SIZE];
    char id[ID_SIZE];

    hex_id(&fixture->meter, real);
    hex_id(&unknown, id);
    write_as(fixture, &importer,
             json_pack("[{s:s, s:s, s:{s:s, s:s}}]", "type", "meter", "id", id, "fields",
                       "manufacturer", "M", "meter_no", "l"));
    write_as(fixture, &importer, json_pack("[o]", reading(id, 202601, 1011)));
    json_decref(call(fixture, 1, path_of("meters", id, "/merge"), merge_into(real), "", 403));
    json_decref(call(fixture, 0, path_of("meters", id, "/merge"), merge_into(id), "", 409));
    json_decref(
        call(fixture, 0, path_of("meters", id, "/merge"), merge_into(real), "Written", 200));
    json_decref(call(fixture, 0, path_of("meters", id, "/merge"), merge_into(real), "", 409));
    json_t *slot = get(fixture, path_of("slots", fixture->slot, ""), "Slot");

    assert_int_equal(number_of(slot, "candidates"), 2);
    json_decref(slot);
}

/* ---- Devices and tasks ---- */

static void devices__are_listed_and_one_is_suspended_and_let_in_again(void **state)
{
    struct fixture *fixture = *state;
    json_t *page = get(fixture, "/api/v1/devices", "DeviceList");
    const json_t *items = json_object_get(page, "items");
    const char *id = NULL;

    for (size_t i = 0; i < json_array_size(items); i++) {
        if (strcmp(text_of(json_array_get(items, i), "kind"), "import") == 0) {
            id = text_of(json_array_get(items, i), "id");
        }
    }
    assert_non_null(id);
    json_decref(call(fixture, 0, path_of("devices", id, "/state"),
                     json_pack("{s:s}", "state", "suspended"), "Written", 200));
    json_t *device = get(fixture, path_of("devices", id, ""), "DeviceItem");

    assert_string_equal(text_of(device, "state"), "suspended");
    json_decref(device);
    json_decref(call(fixture, 0, path_of("devices", id, "/state"),
                     json_pack("{s:s}", "state", "active"), "Written", 200));
    json_decref(call(fixture, 1, path_of("devices", id, "/state"),
                     json_pack("{s:s}", "state", "revoked"), "", 403));
    json_decref(page);
}

static void devices__a_code_is_made_for_a_worker_of_the_station_only(void **state)
{
    struct fixture *fixture = *state;
    json_t *code = call(fixture, 0, "/api/v1/devices/codes", json_pack("{s:s}", "worker", "anna"),
                        "EnrolCode", 200);

    assert_memory_equal(text_of(code, "text"), "DS1:", 4);
    json_decref(code);
    json_decref(
        call(fixture, 0, "/api/v1/devices/codes", json_pack("{s:s}", "worker", "nobody"), "", 404));
}

static void tasks__one_is_made_assigned_and_cancelled(void **state)
{
    struct fixture *fixture = *state;
    const struct ds_id worker =
        ds_numbered_id(&fixture->site.station, DS_REC_worker, DS_SLICE_LIT("ned"));
    char assignee[ID_SIZE];
    char meter[ID_SIZE];
    char id[ID_SIZE];

    hex_id(&worker, assignee);
    hex_id(&fixture->meter, meter);
    json_t *made =
        call(fixture, 0, "/api/v1/tasks",
             json_pack("{s:s, s:s, s:i}", "kind", "check", "meter", meter, "priority", 9),
             "Written", 200);

    memcpy(id, text_of(made, "id"), ID_SIZE);
    json_decref(made);
    json_decref(call(fixture, 0, "/api/v1/tasks",
                     json_pack("{s:s, s:i}", "kind", "check", "priority", 10), "", 422));
    json_decref(call(fixture, 0, path_of("tasks", id, ""),
                     json_pack("{s:s, s:s}", "assignee", assignee, "state", "assigned"), "Written",
                     200));
    json_t *task = get(fixture, path_of("tasks", id, ""), "Task");

    assert_string_equal(text_of(task, "state"), "assigned");
    assert_string_equal(text_of(task, "assignee"), assignee);
    json_decref(task);
    json_decref(call(fixture, 0, path_of("tasks", id, ""), json_pack("{s:s}", "state", "cancelled"),
                     "Written", 200));
    assert_empty(fixture, "tasks", "TaskList");
    json_decref(call(fixture, 0, path_of("tasks", id, ""), json_object(), "", 422));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(queue__a_reversed_reading_is_found_with_slot_and_meter),
        CASE(queue__pages_of_one_show_every_item_once),
        CASE(queue__a_bad_cursor_filter_or_limit_is_refused_by_name),
        CASE(decide__a_correction_stands_at_the_slot_and_leaves_the_queue),
        CASE(decide__a_hash_of_other_candidates_decides_nothing),
        CASE(decide__the_hash_the_reason_and_a_fitting_action_are_required),
        CASE(decide__a_re_read_becomes_an_open_task_at_the_meter),
        CASE(proposals__accepted_becomes_the_value_refused_leaves_it),
        CASE(conflicts__both_values_are_shown_and_either_can_stand),
        CASE(quarantine__an_orphan_is_released_once_its_meter_is_there),
        CASE(quarantine__a_rejected_op_leaves_the_list),
        CASE(meters__an_unknown_one_brings_its_readings_to_the_real_one_once),
        CASE(devices__are_listed_and_one_is_suspended_and_let_in_again),
        CASE(devices__a_code_is_made_for_a_worker_of_the_station_only),
        CASE(tasks__one_is_made_assigned_and_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

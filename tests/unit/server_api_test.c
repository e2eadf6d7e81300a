/* The REST API: every route is called, its answer held against the OpenAPI document, and every
 * route against every role. */
#include "schema/base/text.h"
#include "server/call.h"
#include "tests/support/json_schema.h"
#include "tests/support/office.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUTES_MAX 64

static struct test_office office;
static json_t *document;
static bool called[ROUTES_MAX];

static const struct ds_office_actor importer = {.name = "import", .kind = DS_ACTOR_import};

/* A second value that has not seen the first: a conflict at the meter's digits. */
static void make_conflict(struct test_office *o, size_t meter, int64_t digits)
{
    struct ds_office_actor other = {.name = "gis", .kind = DS_ACTOR_gis};
    struct ds_meter row = {.presence = {0}};

    DS_SET(&row, meter, dial_digits, digits);
    test_office_write(o, &other, DS_REC_meter, &o->meter[meter], &row, 1);
}

/* What a console user may not set is a proposal to billing. */
static void make_proposal(struct test_office *o, size_t account, int64_t persons)
{
    struct ds_session session;
    struct ds_account row = {.presence = {0}};

    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_OK);
    const struct ds_office_actor boss = {
        .name = "user:boss", .kind = DS_ACTOR_console, .worker = session.user.worker};

    DS_SET(&row, account, persons, persons);
    test_office_write(o, &boss, DS_REC_account, &o->account[account], &row, 0);
}

/* A reading of no meter at all waits in quarantine. */
static void make_orphan(struct test_office *o, uint8_t name)
{
    struct ds_reading row = {.presence = {0}};
    const struct ds_id nowhere = {{9, 9, name}};

    DS_SET(&row, reading, meter, nowhere);
    DS_SET(&row, reading, period, 202601);
    DS_SET(&row, reading, index, 7);
    DS_SET(&row, reading, instant_ms, TEST_OFFICE_NOW);
    DS_SET(&row, reading, method, DS_METHOD_on_site);
    test_office_write(o, &importer, DS_REC_reading, NULL, &row, 0);
}

static int open_office(void **state)
{
    struct test_office *o = &office;

    (void)state;
    test_office_open(o, NULL);
    test_office_user(o, "boss", 1U << DS_ROLE_supervisor | 1U << DS_ROLE_admin);
    test_office_load(o);
    for (size_t i = 0; i < TEST_OFFICE_METERS; i++) {
        /* Meters 0 and 1 run backwards: two to decide over. */
        test_office_read(o, i, 202601, i < 2 ? 50 : 120, ",\"instant_ms\":1767900000000");
    }
    for (uint8_t i = 0; i < 2; i++) {
        make_conflict(o, i, 6);
        make_proposal(o, i, 5);
        make_orphan(o, i);
    }
    test_call(o, "GET", "/api/v1/openapi.json", NULL);
    assert_int_equal(o->status, 200);
    document = json_incref(o->json);
    return document != NULL ? 0 : 1;
}

static int close_office(void **state)
{
    (void)state;
    json_decref(document);
    test_office_close(&office);
    return 0;
}

/* ---- Against the document ---- */

static const json_t *schema_of(const struct ds_route *route, bool good)
{
    char method[8] = "";

    for (size_t i = 0; route->method[i] != '\0'; i++) {
        method[i] = (char)(route->method[i] - 'A' + 'a');
    }
    const json_t *answer = json_object_get(
        json_object_get(
            json_object_get(json_object_get(json_object_get(document, "paths"), route->path),
                            method),
            "responses"),
        good ? "200" : "default");
    const json_t *content = json_object_get(json_object_get(answer, "content"),
                                            good ? "application/json" : "application/problem+json");

    return json_object_get(content, "schema");
}

static const struct ds_route *route_named(const char *name)
{
    size_t count = 0;
    const struct ds_route *routes = ds_routes(&count);

    assert_true(count <= ROUTES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(routes[i].name, name) == 0) {
            called[i] = true;
            return &routes[i];
        }
    }
    fail_msg("no route %s", name);
    return NULL;
}

/* Call a route by name: target is what stands in place of its path. */
static void call(const char *name, const char *target, const char *body, int status)
{
    struct test_office *o = &office;
    const struct ds_route *route = route_named(name);
    char why[SCHEMA_WHY_SIZE];

    test_call(o, route->method, target, body);
    if (o->status != status) {
        fail_msg("%s %s %s: %d %s", route->method, target, body != NULL ? body : "", o->status,
                 o->text);
    }
    if (!schema_follows(document, schema_of(route, status == 200), o->json, why)) {
        fail_msg("%s: %s\n%s", target, why, o->text);
    }
}

/* pattern with id in place of its "%s". */
static const char *path(const char *pattern, const char *id)
{
    static char text[4][256];
    static unsigned next;
    char *into = text[next++ % 4];
    const char *gap = strstr(pattern, "%s");

    assert_non_null(gap);
    (void)snprintf(into, sizeof(text[0]), "%.*s%s%s", (int)(gap - pattern), pattern, id, gap + 2);
    return into;
}

static void me__says_who_asks_and_where(void **state)
{
    (void)state;
    call("me", "/api/v1/me", NULL, 200);
    assert_string_equal(test_text(&office, "user"), "boss");
    assert_string_equal(test_text(&office, "station.number"), "T1");
    assert_string_equal(test_text(&office, "roles.0"), "supervisor");
    call("workers", "/api/v1/workers?limit=1", NULL, 200);
    assert_int_equal(json_array_size(test_at(&office, "items")), 1);
    call("workers", path("/api/v1/workers?after=%s", test_text(&office, "next")), NULL, 200);
    assert_null(test_at(&office, "next"));
}

static void books__show_their_progress(void **state)
{
    struct test_office *o = &office;

    (void)state;
    call("books", "/api/v1/books", NULL, 200);
    assert_int_equal(test_number(o, "items.0.progress.period"), 202601);
    assert_int_equal(test_number(o, "items.0.progress.meters"), 4);
    assert_int_equal(test_number(o, "items.0.progress.read"), 4);
    assert_int_equal(test_number(o, "items.0.progress.held"), 2);
    assert_string_equal(test_text(o, "items.0.assignee_number"), "R1");
    call("book", path("/api/v1/books/%s?period=202511", test_hex(&o->book)), NULL, 200);
    assert_int_equal(test_number(o, "progress.read"), 0);
    assert_null(test_at(o, "progress.state"));
    call("book", path("/api/v1/books/%s", test_hex(&o->meter[0])), NULL, 404);
    call("books", "/api/v1/books?period=202613", NULL, 400);
    call("bookMeters", path("/api/v1/books/%s/meters?limit=3", test_hex(&o->book)), NULL, 200);
    assert_int_equal(json_array_size(test_at(o, "items")), 3);
    assert_string_equal(test_text(o, "items.0.meter.meter_no"), "A1");
    assert_string_equal(test_text(o, "items.0.account.phone"), "13800000001");
    assert_string_equal(test_text(o, "items.0.slot.state"), "held");
    char target[256];

    (void)snprintf(target, sizeof(target), "/api/v1/books/%s/meters?after=%s", test_hex(&o->book),
                   test_text(o, "next"));
    call("bookMeters", target, NULL, 200);
    assert_int_equal(json_array_size(test_at(o, "items")), 1);
    assert_string_equal(test_text(o, "items.0.meter.meter_no"), "A4");
    assert_null(test_at(o, "next"));
}

static void books__are_given_to_a_worker(void **state)
{
    struct test_office *o = &office;
    char body[128];

    (void)state;
    (void)snprintf(body, sizeof(body), "{\"assignee\":\"%s\"}", test_hex(&o->reader));
    call("assignBook", path("/api/v1/books/%s/assign", test_hex(&o->book)), body, 200);
    assert_string_equal(test_text(o, "verdict"), "applied");
    (void)snprintf(body, sizeof(body), "{\"assignee\":\"%s\"}", test_hex(&o->book));
    call("assignBook", path("/api/v1/books/%s/assign", test_hex(&o->book)), body, 404);
    call("assignBook", path("/api/v1/books/%s/assign", test_hex(&o->book)), "{}", 422);
}

static void periods__are_opened_and_closed(void **state)
{
    struct test_office *o = &office;
    char body[128];

    (void)state;
    call("periods", "/api/v1/periods", NULL, 200);
    assert_int_equal(test_number(o, "items.0.period"), 202601);
    call("periods", path("/api/v1/periods?book=%s", test_hex(&o->book)), NULL, 200);
    assert_int_equal(test_number(o, "items.0.period"), 202512);
    (void)snprintf(body, sizeof(body), "{\"book\":\"%s\",\"period\":202602,\"due_day\":20500}",
                   test_hex(&o->book));
    call("openPeriod", "/api/v1/periods", body, 200);
    char *id = strdup(test_text(o, "id"));

    call("changePeriod", path("/api/v1/periods/%s/state", id), "{\"state\":\"reading_closed\"}",
         200);
    call("changePeriod", path("/api/v1/periods/%s/state", id), "{\"state\":\"shut\"}", 422);
    free(id);
    (void)snprintf(body, sizeof(body), "{\"book\":\"%s\",\"period\":202613}", test_hex(&o->book));
    call("openPeriod", "/api/v1/periods", body, 422);
}

static void meters__are_found_and_told_whole(void **state)
{
    struct test_office *o = &office;

    (void)state;
    call("meters", "/api/v1/meters?meter_no=A2&manufacturer=%E9%87%91%E5%8D%A1", NULL, 200);
    assert_string_equal(test_text(o, "items.0.id"), test_hex(&o->meter[1]));
    call("meters", "/api/v1/meters?meter_no=A2&manufacturer=another", NULL, 200);
    assert_int_equal(json_array_size(test_at(o, "items")), 0);
    call("meters", "/api/v1/meters?account=A3", NULL, 200);
    assert_string_equal(test_text(o, "items.0.id"), test_hex(&o->meter[2]));
    call("meters", "/api/v1/meters", NULL, 400);
    call("meters", "/api/v1/meters?account=A3&account=A4", NULL, 400);
    call("meter", path("/api/v1/meters/%s", test_hex(&o->meter[0])), NULL, 200);
    assert_string_equal(test_text(o, "account.name"), "张1");
    assert_int_equal(test_number(o, "slots.0.period"), 202601);
    assert_int_equal(json_array_size(test_at(o, "readings")), 2);
    assert_string_equal(test_text(o, "anomalies.0.rule"), "reversed");
    assert_int_equal(test_number(o, "conflicts.0.theirs_value"), 6);
    assert_int_equal(test_number(o, "proposals.0.proposed_value"), 5);
    char *reading = strdup(test_text(o, "readings.0.id"));
    char *slot = strdup(test_text(o, "slots.0.id"));

    call("proof", path("/api/v1/journal/proof?op=%s", reading), NULL, 200);
    assert_string_equal(test_text(o, "proof"), "doorstep op 1");
    call("reading", path("/api/v1/readings/%s", reading), NULL, 200);
    assert_int_equal(test_number(o, "index"), 50);
    call("slot", path("/api/v1/slots/%s", slot), NULL, 200);
    free(reading);
    free(slot);
    call("meterReadings", path("/api/v1/meters/%s/readings", test_hex(&o->meter[0])), NULL, 200);
    assert_int_equal(json_array_size(test_at(o, "items")), 2);
    call("meterReadings", path("/api/v1/meters/%s/readings?period=202512", test_hex(&o->meter[0])),
         NULL, 200);
    assert_int_equal(test_number(o, "items.0.index"), 100);
    call("meterSlots", path("/api/v1/meters/%s/slots", test_hex(&o->meter[0])), NULL, 200);
    assert_int_equal(test_number(o, "items.0.period"), 202512);
    call("meter", path("/api/v1/meters/%s", test_hex(&o->book)), NULL, 404);
}

static void queue__is_ordered_filtered_paged_and_decided(void **state)
{
    struct test_office *o = &office;
    char body[256];

    (void)state;
    call("anomalies", "/api/v1/anomalies?severity=hold&rule=reversed", NULL, 200);
    assert_int_equal(json_array_size(test_at(o, "items")), 2);
    call("anomalies", "/api/v1/anomalies?severity=grave", NULL, 400);
    call("anomalies", "/api/v1/anomalies?limit=201", NULL, 400);
    call("anomalies", "/api/v1/anomalies?limit=200&period=202601", NULL, 200);
    long long risk = INT64_MAX;

    for (size_t i = 0; i < json_array_size(test_at(o, "items")); i++) {
        char member[64];

        (void)snprintf(member, sizeof(member), "items.%zu.risk_fen", i);
        assert_true(test_number(o, member) <= risk);
        risk = test_number(o, member);
    }
    call("anomalies", "/api/v1/anomalies?severity=hold&limit=1", NULL, 200);
    char *id = strdup(test_text(o, "items.0.id"));
    char *hash = strdup(test_text(o, "items.0.slot_row.candidates_hash"));

    call("anomalies", path("/api/v1/anomalies?severity=hold&after=%s", test_text(o, "next")), NULL,
         200);
    assert_int_equal(json_array_size(test_at(o, "items")), 1);
    char *slot = strdup(test_text(o, "items.0.slot"));
    char *slot_hash = strdup(test_text(o, "items.0.slot_row.candidates_hash"));

    assert_string_not_equal(test_text(o, "items.0.id"), id);
    call("anomaly", path("/api/v1/anomalies/%s", id), NULL, 200);
    assert_string_equal(test_text(o, "slot_row.state"), "held");
    /* A decision over other candidates than those that stand is refused. */
    (void)snprintf(body, sizeof(body),
                   "{\"action\":\"approve\",\"reason\":\"seen\",\"candidates_hash\":\"%064d\"}", 1);
    call("decideAnomaly", path("/api/v1/anomalies/%s/decide", id), body, 409);
    (void)snprintf(body, sizeof(body),
                   "{\"action\":\"release\",\"reason\":\"x\",\"candidates_hash\":\"%s\"}", hash);
    call("decideAnomaly", path("/api/v1/anomalies/%s/decide", id), body, 422);
    (void)snprintf(body, sizeof(body),
                   "{\"action\":\"correct\",\"reason\":\"typed 50 for 150\",\"index\":150,"
                   "\"candidates_hash\":\"%s\"}",
                   hash);
    call("decideAnomaly", path("/api/v1/anomalies/%s/decide", id), body, 200);
    call("anomaly", path("/api/v1/anomalies/%s", id), NULL, 200);
    assert_string_equal(test_text(o, "slot_row.state"), "decided");
    assert_int_equal(test_number(o, "slot_row.consumption_l"), 50000);
    (void)snprintf(body, sizeof(body),
                   "{\"action\":\"re_read\",\"reason\":\"go again\",\"candidates_hash\":\"%s\"}",
                   slot_hash);
    call("decideSlot", path("/api/v1/slots/%s/decide", slot), body, 200);
    call("tasks", "/api/v1/tasks", NULL, 200);
    assert_string_equal(test_text(o, "items.0.kind"), "re_read");
    free(id);
    free(hash);
    free(slot);
    free(slot_hash);
}

/* Two of each kind: one ends one way, one the other; and then none is open. */
static void resolve_two(const char *list, const char *one, const char *end, const char *first,
                        const char *second)
{
    struct test_office *o = &office;
    const char *const actions[2] = {first, second};
    const struct ds_route *route = route_named(list);
    char target[256];
    char body[128];

    for (size_t i = 0; i < 2; i++) {
        call(list, route->path, NULL, 200);
        assert_int_equal(json_array_size(test_at(o, "items")), 2 - i);
        char *id = strdup(test_text(o, "items.0.id"));

        (void)snprintf(target, sizeof(target), "%s/%s", route->path, id);
        call(one, target, NULL, 200);
        (void)snprintf(target, sizeof(target), "%s/%s/resolve", route->path, id);
        call(end, target, "{\"action\":\"approve\",\"reason\":\"no\"}", 422);
        (void)snprintf(body, sizeof(body), "{\"action\":\"%s\",\"reason\":\"seen\"}", actions[i]);
        call(end, target, body, 200);
        assert_string_equal(test_text(o, "verdict"), "applied");
        call(end, target, body, 409); /* It has ended. */
        free(id);
    }
    call(list, route->path, NULL, 200);
    assert_int_equal(json_array_size(test_at(o, "items")), 0);
}

static void items__conflicts_show_base_mine_and_theirs_and_end_in_one_step(void **state)
{
    (void)state;
    call("conflicts", "/api/v1/conflicts", NULL, 200);
    assert_string_equal(test_text(&office, "items.0.record_name"), "meter");
    assert_string_equal(test_text(&office, "items.0.field_name"), "dial_digits");
    assert_int_equal(test_number(&office, "items.0.mine_value"), 5);
    assert_int_equal(test_number(&office, "items.0.theirs_value"), 6);
    resolve_two("conflicts", "conflict", "resolveConflict", "keep_theirs", "keep_mine");
}

static void items__proposals_end_in_one_step(void **state)
{
    (void)state;
    call("proposals", "/api/v1/proposals", NULL, 200);
    assert_int_equal(test_number(&office, "items.0.base_value"), 3);
    assert_int_equal(test_number(&office, "items.0.proposed_value"), 5);
    resolve_two("proposals", "proposal", "resolveProposal", "accept_proposal", "refuse_proposal");
}

static void items__quarantine_shows_the_op_and_ends_in_one_step(void **state)
{
    (void)state;
    call("quarantine", "/api/v1/quarantine", NULL, 200);
    assert_string_equal(test_text(&office, "items.0.reason"), "orphan");
    assert_string_equal(test_text(&office, "items.0.record_name"), "reading");
    assert_int_equal(test_number(&office, "items.0.theirs.index"), 7);
    resolve_two("quarantine", "quarantineItem", "resolveQuarantine", "reject", "reject");
}

static void devices__are_enrolled_by_code_seen_and_revoked(void **state)
{
    struct test_office *o = &office;
    struct ds_health health = {.unsent = 12,
                               .oldest_unsent_ms = TEST_OFFICE_NOW - 5000,
                               .wall_ms = TEST_OFFICE_NOW + 90000,
                               .battery_percent = 55,
                               .free_kib = 1000,
                               .version = DS_SLICE_LIT("doorstep 0.1\n\xff")};

    (void)state;
    call("enrolCode", "/api/v1/devices/codes", "{\"worker\":\"R1\"}", 200);
    assert_int_equal(strncmp(test_text(o, "text"), "DS1:", 4), 0);
    call("enrolCode", "/api/v1/devices/codes", "{\"worker\":\"R9\"}", 404);
    call("devices", "/api/v1/devices?limit=1", NULL, 200);
    char *id = strdup(test_text(o, "items.0.id"));
    struct ds_id device;

    assert_int_equal(ds_id_parse(ds_slice_of_text(id), &device), DS_OK);
    assert_null(test_at(o, "items.0.contact_ms"));
    ds_healths_note(o->office.healths, &device, TEST_OFFICE_NOW, &health, 0, 0);
    call("device", path("/api/v1/devices/%s", id), NULL, 200);
    assert_int_equal(test_number(o, "contact_ms"), TEST_OFFICE_NOW);
    assert_int_equal(test_number(o, "unsent"), 12);
    assert_int_equal(test_number(o, "skew_ms"), 90000);
    assert_string_equal(test_text(o, "version"), "doorstep 0.1");
    free(id);
}

static void meters__an_unknown_one_is_merged_into_the_real_one(void **state)
{
    struct test_office *o = &office;
    char body[512];
    const struct ds_id unknown =
        ds_meter_id(&o->site.station, DS_SLICE_LIT("?"), DS_SLICE_LIT("X9"));

    (void)state;
    (void)snprintf(body, sizeof(body),
                   "[{\"type\":\"meter\",\"id\":\"%s\",\"fields\":{\"meter_no\":\"X9\"}}]",
                   test_hex(&unknown));
    test_office_import(o, "import", body);
    (void)snprintf(body, sizeof(body), "{\"into\":\"%s\",\"reason\":\"same dial\"}",
                   test_hex(&o->meter[3]));
    call("mergeMeter", path("/api/v1/meters/%s/merge", test_hex(&unknown)), body, 200);
    call("meter", path("/api/v1/meters/%s", test_hex(&unknown)), NULL, 200);
    assert_string_equal(test_text(o, "meter.merged_into"), test_hex(&o->meter[3]));
}

static void tasks__are_made_and_changed(void **state)
{
    struct test_office *o = &office;
    char body[256];

    (void)state;
    (void)snprintf(body, sizeof(body),
                   "{\"kind\":\"check\",\"meter\":\"%s\",\"assignee\":\"%s\",\"priority\":9,"
                   "\"reason\":\"noise\",\"due_ms\":1768000000000,\"period\":202601}",
                   test_hex(&o->meter[3]), test_hex(&o->reader));
    call("makeTask", "/api/v1/tasks", body, 200);
    char *id = strdup(test_text(o, "id"));

    call("task", path("/api/v1/tasks/%s", id), NULL, 200);
    assert_string_equal(test_text(o, "state"), "assigned");
    call("changeTask", path("/api/v1/tasks/%s", id), "{\"state\":\"cancelled\"}", 200);
    call("task", path("/api/v1/tasks/%s", id), NULL, 200);
    assert_string_equal(test_text(o, "state"), "cancelled");
    call("changeTask", path("/api/v1/tasks/%s", id), "{}", 422);
    call("makeTask", "/api/v1/tasks", "{\"kind\":\"check\",\"priority\":10}", 422);
    free(id);
}

static void journal__its_head_is_signed_and_its_feed_has_no_gap(void **state)
{
    struct test_office *o = &office;
    struct ds_signature signature;
    uint8_t bytes[512];
    struct ds_hash key;
    char next[64] = "";
    size_t seen = 0;

    (void)state;
    call("head", "/api/v1/journal/head", NULL, 200);
    size_t size = strlen(test_text(o, "bytes")) / 2;

    assert_int_equal(ds_hex_parse(ds_slice_of_text(test_text(o, "bytes")), bytes, size), DS_OK);
    assert_int_equal(ds_hex_parse(ds_slice_of_text(test_text(o, "signature")), signature.byte, 64),
                     DS_OK);
    assert_int_equal(ds_hash_parse(ds_slice_of_text(test_text(o, "sign_key")), &key), DS_OK);
    assert_true(ds_verify(&key, DS_LABEL_RECEIPT, (struct ds_slice){bytes, size}, &signature));
    bytes[size / 2] ^= 1;
    assert_false(ds_verify(&key, DS_LABEL_RECEIPT, (struct ds_slice){bytes, size}, &signature));

    /* From any size to this one; and neither both kinds of proof nor none. */
    call("proof", "/api/v1/journal/proof?from=1", NULL, 200);
    assert_true(json_array_size(test_at(o, "path")) > 0);
    call("proof", "/api/v1/journal/proof?from=2&to=2", NULL, 200);
    assert_int_equal(json_array_size(test_at(o, "path")), 0);
    call("proof", "/api/v1/journal/proof?from=3&to=2", NULL, 400);
    call("proof", "/api/v1/journal/proof?from=999999", NULL, 400);
    call("proof", "/api/v1/journal/proof", NULL, 400);
    call("proof", "/api/v1/journal/proof?from=1&op=00112233445566778899aabbccddeeff", NULL, 400);
    call("proof", "/api/v1/journal/proof?op=00112233445566778899aabbccddeeff", NULL, 404);

    call("changes", "/api/v1/changes?limit=200", NULL, 200);
    size_t all = json_array_size(test_at(o, "items"));

    assert_true(all > 5);
    for (bool more = true; more;) { /* Page by page it is the same. */
        call("changes", path("/api/v1/changes?limit=3&after=%s", next), NULL, 200);
        seen += json_array_size(test_at(o, "items"));
        more = json_is_true(test_at(o, "more"));
        (void)snprintf(next, sizeof(next), "%s", test_text(o, "next"));
    }
    assert_int_equal(seen, all);
    call("changes", path("/api/v1/changes?after=%s", next), NULL, 200);
    assert_int_equal(json_array_size(test_at(o, "items")), 0);
    call("changes", "/api/v1/changes?after=12.x", NULL, 400);
}

static void exports__answers_and_reconciliation(void **state)
{
    struct test_office *o = &office;
    char body[256];

    (void)state;
    call("exports", "/api/v1/exports", NULL, 200);
    assert_string_equal(test_text(o, "items.0.consumer"), "billing");
    (void)snprintf(body, sizeof(body),
                   "{\"consumer\":\"billing\",\"accounts\":[{\"number\":\"A4\",\"name\":\"王五\","
                   "\"persons\":4}]}");
    call("centralAnswers", "/api/v1/central/answers", body, 200);
    assert_int_equal(test_number(o, "written"), 1);
    call("centralAnswers", "/api/v1/central/answers", body, 200);
    assert_int_equal(test_number(o, "written"), 0);
    assert_int_equal(test_number(o, "unchanged"), 1);
    call("centralAnswers", "/api/v1/central/answers",
         "{\"consumer\":\"billing\",\"accounts\":[{\"numbr\":\"A4\"}]}", 422);
    call("centralAnswers", "/api/v1/central/answers",
         "{\"consumer\":\"billing\",\"accounts\":[{\"number\":\"A4\",\"persons\":1000}]}", 200);
    assert_string_equal(test_text(o, "items.0.error"), "DS_ERR_SCHEMA");
    call("reconciliation", "/api/v1/reconciliation?day=2026-01-09", NULL, 404);
    call("reconciliation", "/api/v1/reconciliation?day=2026-13-09", NULL, 400);

    const struct ds_route *route = route_named("statement");
    char bearer[256];
    char why[SCHEMA_WHY_SIZE];

    (void)snprintf(bearer, sizeof(bearer), "Bearer %s", o->session);
    const struct test_header headers[] = {{"Authorization", bearer},
                                          {"Content-Type", "text/csv; charset=utf-8"}};

    test_call_with(o, "POST", "/api/v1/reconciliation?day=2026-01-09",
                   "slot,revision,consumption_l\n00000000000000000000000000000001,1,5\n", headers,
                   2);
    assert_int_equal(o->status, 200);
    assert_true(schema_follows(document, schema_of(route, true), o->json, why));
    assert_string_equal(test_text(o, "differences.0.type"), "missing_here");
    long long ours = test_number(o, "ours.count"); /* The slot decided above, and no other. */

    assert_int_equal(ours, 1);
    call("reconciliation", "/api/v1/reconciliation?day=2026-01-09", NULL, 200);
    assert_int_equal(test_number(o, "difference_count"), ours + 1);
}

static void system__public_routes_answer_without_a_session(void **state)
{
    struct test_office *o = &office;
    char kept[DS_SESSION_TEXT_SIZE];

    (void)state;
    memcpy(kept, o->session, sizeof(kept));
    o->session[0] = '\0';
    call("alive", "/healthz", NULL, 200);
    call("openapi", "/api/v1/openapi.json", NULL, 200);
    (void)route_named("metrics");
    test_call(o, "GET", "/metrics", NULL);
    assert_int_equal(o->status, 200);
    assert_non_null(strstr(o->text, "doorstep_journal_entries "));
    assert_non_null(strstr(o->text, "doorstep_verdicts_total{verdict=\"conflict\"} "));
    /* Bytes that are no exchange: a status, and nothing said. */
    const struct test_header octets[] = {{"Content-Type", "application/octet-stream"}};

    (void)route_named("exchange");
    test_call_with(o, "POST", "/sync/v1/exchange", "garbage", octets, 1);
    assert_int_equal(o->status, 400);
    assert_string_equal(o->text, "");
    test_call_with(o, "POST", "/sync/v1/exchange", "garbage", NULL, 0); /* None named: octets. */
    assert_int_equal(o->status, 400);
    const struct test_header json[] = {{"Content-Type", "application/json"}};
    test_call_with(o, "POST", "/sync/v1/exchange", "garbage", json, 1);
    assert_int_equal(o->status, 415);
    (void)route_named("enrol");
    test_call_with(o, "POST", "/sync/v1/enrol", "garbage", octets, 1);
    assert_in_range(o->status, 400, 404);
    assert_string_equal(o->text, "");
    memcpy(o->session, kept, sizeof(kept));
}

static void events__beyond_the_cap_comes_503_with_retry_after(void **state)
{
    struct test_office *o = &office;

    (void)state;
    (void)route_named("events");
    test_call(o, "GET", "/api/v1/events?after=3", NULL);
    assert_int_equal(o->status, 200);
    atomic_fetch_add(&o->office.metrics->event_streams, 1); /* The one that is allowed here. */
    call("events", "/api/v1/events", NULL, 503);
    assert_non_null(strstr(o->extra, "Retry-After: 5\r\n"));
    atomic_fetch_sub(&o->office.metrics->event_streams, 1);
    call("events", "/api/v1/events?after=x", NULL, 400);
}

static void login__cookies_need_the_header_token_for_changes(void **state)
{
    struct test_office *o = &office;
    char cookie[256];

    (void)state;
    (void)route_named("login");
    test_office_login(o, "boss");
    assert_non_null(strstr(o->extra, "Set-Cookie: __Host-doorstep="));
    assert_non_null(strstr(o->extra, "; Path=/; Secure; HttpOnly; SameSite=Strict\r\n"));
    (void)snprintf(cookie, sizeof(cookie), "a=b; __Host-doorstep=%s; c=d", o->session);
    struct test_header headers[] = {
        {"Cookie", cookie}, {"Content-Type", "application/json"}, {"X-Doorstep-Token", o->token}};

    test_call_with(o, "GET", "/api/v1/me", NULL, headers, 1);
    assert_int_equal(o->status, 200);
    test_call_with(o, "POST", "/api/v1/tasks", "{\"kind\":\"check\"}", headers, 2);
    assert_int_equal(o->status, 403);
    test_call_with(o, "POST", "/api/v1/tasks", "{\"kind\":\"check\"}", headers, 3);
    assert_int_equal(o->status, 200);
    headers[2].value = o->session;
    test_call_with(o, "POST", "/api/v1/tasks", "{\"kind\":\"check\"}", headers, 3);
    assert_int_equal(o->status, 403);
    headers[0].value = "x__Host-doorstep=1";
    test_call_with(o, "GET", "/api/v1/me", NULL, headers, 1);
    assert_int_equal(o->status, 401);
    call("logout", "/api/v1/logout", NULL, 200);
    call("me", "/api/v1/me", NULL, 401);
    assert_non_null(strstr(o->extra, "WWW-Authenticate: Bearer\r\n"));
    test_office_login(o, "boss");
}

static void dispatch__what_does_not_fit_is_refused_by_name(void **state)
{
    struct test_office *o = &office;
    char *deep = malloc(4096);

    (void)state;
    test_call(o, "GET", "/api/v1/nothing", NULL);
    assert_int_equal(o->status, 404);
    test_call(o, "GET", "/api/v1/books/", NULL);
    assert_int_equal(o->status, 404);
    test_call(o, "GET", "/api/v1/books/../me", NULL);
    assert_int_equal(o->status, 404);
    test_call(o, "GET", "/api/v1/meters/00ff", NULL);
    assert_int_equal(o->status, 404);
    test_call(o, "DELETE", "/api/v1/books", NULL);
    assert_int_equal(o->status, 405);
    assert_non_null(strstr(o->extra, "Allow: GET\r\n"));
    test_call(o, "POST", "/api/v1/tasks", "{\"kind\":\"check\",\"kind\":\"read\"}");
    assert_int_equal(o->status, 400);
    test_call(o, "POST", "/api/v1/tasks", "{\"kind\":\"check\",\"colour\":1}");
    assert_int_equal(o->status, 422);
    assert_string_equal(test_text(o, "detail"), "NewTask.colour: there is no such member");
    const struct test_header plain[] = {{"Content-Type", "text/plain"}};

    test_call_with(o, "POST", "/api/v1/login", "{}", plain, 1);
    assert_int_equal(o->status, 415);
    /* B14: deep JSON. */
    assert_non_null(deep);
    memset(deep, '[', 4095);
    deep[4095] = '\0';
    test_call(o, "POST", "/api/v1/tasks", deep);
    assert_int_equal(o->status, 413);
    free(deep);
}

static void login__who_tries_too_often_hears_429_and_how_long_to_wait(void **state)
{
    struct test_office *o = &office;
    const char *wrong = "{\"user\":\"nobody-at-all\",\"password\":\"a wrong password\"}";

    (void)state;
    for (int64_t i = 0; i < o->site.config.session_tries_max; i++) {
        test_call(o, "POST", "/api/v1/login", wrong);
        assert_int_equal(o->status, 401);
    }
    test_call(o, "POST", "/api/v1/login", wrong);
    assert_int_equal(o->status, 429);
    assert_non_null(strstr(o->extra, "Retry-After: "));
}

static void b14__a_huge_json_is_refused(void **state)
{
    struct test_office *o = &office;
    char *huge = malloc(DS_JSON_SIZE_MAX + 64);

    (void)state;
    assert_non_null(huge);
    int size = snprintf(huge, 64, "{\"kind\":\"check\",\"reason\":\"");

    memset(huge + size, 'x', DS_JSON_SIZE_MAX);
    memcpy(huge + size + DS_JSON_SIZE_MAX, "\"}", 3);
    test_call(o, "POST", "/api/v1/tasks", huge);
    assert_int_equal(o->status, 413);
    free(huge);
}

/* Every route against every role: 403 exactly where the table says so. */
static void roles__each_cell_of_routes_and_roles_holds(void **state)
{
    struct test_office *o = &office;
    size_t count = 0;
    const struct ds_route *routes = ds_routes(&count);

    (void)state;
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "only-%s", ds_enum_name(DS_LIST_role, role));
        test_office_user(o, name, (uint16_t)(1U << role));
        for (size_t i = 0; i < count; i++) {
            char target[256];
            const char *at = strstr(routes[i].path, "{id}");
            size_t size = at != NULL ? (size_t)(at - routes[i].path) : strlen(routes[i].path);

            /* A body that no shape takes, an id of nothing: allowed calls fail later than 403. */
            (void)snprintf(target, sizeof(target), "%.*s%s%s", (int)size, routes[i].path,
                           at != NULL ? "00000000000000000000000000000000" : "",
                           at != NULL ? at + 4 : "");
            if (strcmp(routes[i].name, "logout") == 0) {
                continue;
            }
            test_call(o, routes[i].method, target,
                      strcmp(routes[i].method, "POST") == 0 ? "[]" : NULL);
            bool allowed = routes[i].roles == DS_API_PUBLIC ||
                           routes[i].roles == DS_API_SIGNED_IN ||
                           (routes[i].roles & 1U << role) != 0;

            if ((o->status != 403) != allowed) {
                fail_msg("%s as %s: %d", routes[i].name, name, o->status);
            }
        }
    }
    test_office_login(o, "boss");
}

static void personal__is_opened_only_for_those_who_may_see_it(void **state)
{
    struct test_office *o = &office;

    (void)state;
    test_office_login(o, "only-clerk");
    call("meter", path("/api/v1/meters/%s", test_hex(&o->meter[1])), NULL, 200);
    assert_string_equal(test_text(o, "account.phone"), "13800000002");
    test_office_login(o, "only-auditor");
    call("meter", path("/api/v1/meters/%s", test_hex(&o->meter[1])), NULL, 200);
    assert_null(test_at(o, "account.phone"));
    assert_null(test_at(o, "account.name"));
    assert_null(strstr(o->text, "13800000002"));
    test_office_login(o, "boss");
}

/* Reader R1, who has book B1, goes to a team. */
static void move_reader(struct test_office *o, const char *team)
{
    struct ds_worker row = {.presence = {0}};

    DS_SET(&row, worker, team, ds_slice_of_text(team));
    test_office_write(o, &importer, DS_REC_worker, &o->reader, &row, 0);
}

static void grant_for_team(struct test_office *o, enum ds_role role, const char *team)
{
    struct ds_session session;
    struct ds_role_grant row = {.presence = {0}};
    const struct ds_id *station = &o->site.station;

    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_OK);
    DS_SET(&row, role_grant, worker, session.user.worker);
    DS_SET(&row, role_grant, role, role);
    DS_SET(&row, role_grant, subtree, ds_team_id(station, ds_slice_of_text(team)));
    const struct ds_id id = ds_grant_id(station, &session.user.worker, (uint8_t)role, &row.subtree);

    test_office_write(o, &importer, DS_REC_role_grant, &id, &row, 0);
}

static void roles__for_a_team_open_its_own_rows_alone(void **state)
{
    struct test_office *o = &office;
    char meter[64];
    char task[128];

    (void)state;
    test_office_user(o, "lead", 0);
    (void)snprintf(meter, sizeof(meter), "/api/v1/meters/%s", test_hex(&o->meter[1]));
    (void)snprintf(task, sizeof(task), "{\"kind\":\"check\",\"meter\":\"%s\"}",
                   test_hex(&o->meter[1]));
    call("meter", meter, NULL, 403);
    grant_for_team(o, DS_ROLE_clerk, "north");
    grant_for_team(o, DS_ROLE_admin, "north");
    move_reader(o, "north");
    call("me", "/api/v1/me", NULL, 200);
    assert_int_equal(json_array_size(test_at(o, "roles")), 0);
    assert_int_equal(json_array_size(test_at(o, "team_roles")), 2);
    call("meter", meter, NULL, 200);
    assert_string_equal(test_text(o, "account.phone"), "13800000002");
    call("makeTask", "/api/v1/tasks", task, 200);
    move_reader(o, "south");
    call("meter", meter, NULL, 200);
    assert_null(test_at(o, "account.phone"));
    assert_null(strstr(o->text, "13800000002"));
    call("makeTask", "/api/v1/tasks", task, 409);
    /* What the fold does not judge needs the whole station. */
    call("enrolCode", "/api/v1/devices/codes", "{\"worker\":\"R1\"}", 403);
    test_office_login(o, "boss");
}

static void document__every_route_was_called_and_no_schema_dangles(void **state)
{
    size_t count = 0;
    const struct ds_route *routes = ds_routes(&count);
    const char *name = NULL;
    json_t *schema = NULL;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct ds_shape shape;

        if (!called[i] && strcmp(routes[i].name, "changeDevice") != 0) {
            fail_msg("%s was not called", routes[i].name);
        }
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(routes[k].name, routes[i].name);
        }
        if (routes[i].takes != NULL && strchr(routes[i].takes, '/') == NULL) {
            assert_true(ds_shape_find(routes[i].takes, &shape));
        }
        if (strchr(routes[i].gives, '/') == NULL) {
            assert_true(ds_shape_find(routes[i].gives, &shape));
        }
    }
    json_object_foreach(json_object_get(json_object_get(document, "components"), "schemas"), name,
                        schema)
    {
        assert_string_equal(json_string_value(json_object_get(schema, "type")), "object");
        assert_non_null(json_object_get(schema, "description"));
    }
}

static void devices__a_revoked_one_stays_revoked(void **state)
{
    struct test_office *o = &office;

    (void)state;
    call("devices", "/api/v1/devices", NULL, 200);
    char *id = NULL;

    for (size_t i = 0; i < json_array_size(test_at(o, "items")); i++) {
        char member[48];

        (void)snprintf(member, sizeof(member), "items.%zu.name", i);
        if (strcmp(test_text(o, member), "gis") == 0) {
            (void)snprintf(member, sizeof(member), "items.%zu.id", i);
            id = strdup(test_text(o, member));
            break;
        }
    }
    assert_non_null(id);
    call("changeDevice", path("/api/v1/devices/%s/state", id), "{\"state\":\"revoked\"}", 200);
    call("device", path("/api/v1/devices/%s", id), NULL, 200);
    assert_string_equal(test_text(o, "state"), "revoked");
    free(id);
}

int main(void)
{
    /* One station for all, in this order: what one decides, the next does not find open. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(me__says_who_asks_and_where),
        cmocka_unit_test(books__show_their_progress),
        cmocka_unit_test(books__are_given_to_a_worker),
        cmocka_unit_test(meters__are_found_and_told_whole),
        cmocka_unit_test(queue__is_ordered_filtered_paged_and_decided),
        cmocka_unit_test(periods__are_opened_and_closed),
        cmocka_unit_test(items__conflicts_show_base_mine_and_theirs_and_end_in_one_step),
        cmocka_unit_test(items__proposals_end_in_one_step),
        cmocka_unit_test(items__quarantine_shows_the_op_and_ends_in_one_step),
        cmocka_unit_test(devices__are_enrolled_by_code_seen_and_revoked),
        cmocka_unit_test(meters__an_unknown_one_is_merged_into_the_real_one),
        cmocka_unit_test(tasks__are_made_and_changed),
        cmocka_unit_test(journal__its_head_is_signed_and_its_feed_has_no_gap),
        cmocka_unit_test(exports__answers_and_reconciliation),
        cmocka_unit_test(system__public_routes_answer_without_a_session),
        cmocka_unit_test(events__beyond_the_cap_comes_503_with_retry_after),
        cmocka_unit_test(login__cookies_need_the_header_token_for_changes),
        cmocka_unit_test(dispatch__what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(login__who_tries_too_often_hears_429_and_how_long_to_wait),
        cmocka_unit_test(b14__a_huge_json_is_refused),
        cmocka_unit_test(roles__each_cell_of_routes_and_roles_holds),
        cmocka_unit_test(personal__is_opened_only_for_those_who_may_see_it),
        cmocka_unit_test(roles__for_a_team_open_its_own_rows_alone),
        cmocka_unit_test(devices__a_revoked_one_stays_revoked),
        cmocka_unit_test(document__every_route_was_called_and_no_schema_dangles),
    };

    return cmocka_run_group_tests(tests, open_office, close_office);
}

/* Every route is called once and answers in the shape that the document promises; and nobody may
 * call what his roles do not allow. What is not JSON is asked in server_routes_sync_test.c. */
#include "sync/core/tables.h"
#include "tests/support/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum what {
    NONE,
    BOOK,
    PERIOD,
    METER,
    OTHER_METER,
    WORKER,
    READING,
    SLOT,
    ANOMALY,
    CONFLICT,
    PROPOSAL,
    QUARANTINE,
    DEVICE,
    TASK,
    HASH
};

struct ask {
    const char *name; /* Of the route. */
    enum what id;     /* For {id}. */
    const char *query;
    const char *body; /* With one %s for: */
    enum what in_body;
};

static const struct ask asks[] = {
    {"me", NONE, "", NULL, NONE},
    {"workers", NONE, "?limit=1", NULL, NONE},
    {"login", NONE, "", "{\"user\":\"anna\",\"password\":\"correct horse battery\"}", NONE},
    {"openPeriod", NONE, "", "{\"book\":\"%s\",\"period\":202601,\"due_day\":20480}", BOOK},
    {"books", NONE, "?period=202601", NULL, NONE},
    {"book", BOOK, "", NULL, NONE},
    {"bookMeters", BOOK, "?limit=1", NULL, NONE},
    {"periods", NONE, "", NULL, NONE},
    {"assignBook", BOOK, "", "{\"assignee\":\"%s\"}", WORKER},
    {"changePeriod", PERIOD, "", "{\"state\":\"reading_closed\"}", NONE},
    {"meters", NONE, "?account=A1", NULL, NONE},
    {"meter", METER, "", NULL, NONE},
    {"meterReadings", METER, "?period=202601", NULL, NONE},
    {"meterSlots", METER, "", NULL, NONE},
    {"reading", READING, "", NULL, NONE},
    {"slot", SLOT, "", NULL, NONE},
    {"anomalies", NONE, "?severity=hold", NULL, NONE},
    {"anomaly", ANOMALY, "", NULL, NONE},
    {"decideAnomaly", ANOMALY, "",
     "{\"action\":\"re_read\",\"reason\":\"look again\",\"candidates_hash\":\"%s\"}", HASH},
    {"decideSlot", SLOT, "",
     "{\"action\":\"approve\",\"reason\":\"photo seen\",\"candidates_hash\":\"%s\"}", HASH},
    {"conflicts", NONE, "", NULL, NONE},
    {"conflict", CONFLICT, "", NULL, NONE},
    {"resolveConflict", CONFLICT, "", "{\"action\":\"keep_mine\",\"reason\":\"seen\"}", NONE},
    {"proposals", NONE, "", NULL, NONE},
    {"proposal", PROPOSAL, "", NULL, NONE},
    {"resolveProposal", PROPOSAL, "", "{\"action\":\"refuse_proposal\",\"reason\":\"no\"}", NONE},
    {"quarantine", NONE, "", NULL, NONE},
    {"quarantineItem", QUARANTINE, "", NULL, NONE},
    {"resolveQuarantine", QUARANTINE, "", "{\"action\":\"reject\",\"reason\":\"no\"}", NONE},
    {"devices", NONE, "", NULL, NONE},
    {"device", DEVICE, "", NULL, NONE},
    {"changeDevice", DEVICE, "", "{\"state\":\"active\"}", NONE},
    {"enrolCode", NONE, "", "{\"worker\":\"anna\"}", NONE},
    {"makeTask", NONE, "", "{\"kind\":\"check\",\"meter\":\"%s\"}", METER},
    {"tasks", NONE, "", NULL, NONE},
    {"task", TASK, "", NULL, NONE},
    {"changeTask", TASK, "", "{\"priority\":9}", NONE},
    {"mergeMeter", OTHER_METER, "", "{\"into\":\"%s\",\"reason\":\"misread\"}", METER},
    {"head", NONE, "", NULL, NONE},
    {"proof", NONE, "?from=1", NULL, NONE},
    {"changes", NONE, "?after=1&limit=20", NULL, NONE},
    {"exports", NONE, "", NULL, NONE},
    {"centralAnswers", NONE, "",
     "{\"consumer\":\"billing\",\"accounts\":[{\"number\":\"A1\",\"persons\":4}]}", NONE},
    {"alive", NONE, "", NULL, NONE},
    {"logout", NONE, "", "", NONE},
};

/* Bytes, text or streams; they have cases of their own in server_routes_sync_test.c. */
static const char *const elsewhere[] = {"events",   "reconciliation", "statement", "openapi",
                                        "exchange", "enrol",          "metrics"};

static const struct ds_route *route_of(const char *name)
{
    size_t count = 0;
    const struct ds_route *routes = ds_routes(&count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(routes[i].name, name) == 0) {
            return &routes[i];
        }
    }
    fail_msg("no route %s", name);
    return NULL;
}

/* The id of a list's first item. */
static void first_of(struct desk *desk, const char *target, const char *shape, char out[static 65])
{
    json_t *page = desk_get(desk, target, shape);

    assert_true(json_array_size(json_object_get(page, "items")) > 0);
    memcpy(out, desk_text(json_array_get(json_object_get(page, "items"), 0), "id"), DESK_ID_SIZE);
    json_decref(page);
}

static void put_row_id(struct desk *desk, enum what what, char out[static 65])
{
    const struct ds_id *station = &desk->site.station;
    const struct ds_id book = ds_numbered_id(station, DS_REC_book, DS_SLICE_LIT("B01"));
    struct ds_id id = book;

    if (what == PERIOD) {
        id = ds_period_id(station, &book, 202601);
    } else if (what == METER) {
        id = desk->meter;
    } else if (what == OTHER_METER) {
        id = ds_meter_id(station, DS_SLICE_LIT("M"), DS_SLICE_LIT("3"));
    } else if (what == WORKER) {
        id = ds_numbered_id(station, DS_REC_worker, DS_SLICE_LIT("anna"));
    }
    desk_hex(&id, out);
}

static void find(struct desk *desk, enum what what, char out[static 65])
{
    static const struct {
        enum what what;
        const char *target;
        const char *shape;
    } lists[] = {
        {ANOMALY, "/api/v1/anomalies?rule=reversed", "AnomalyList"},
        {CONFLICT, "/api/v1/conflicts", "ConflictList"},
        {PROPOSAL, "/api/v1/proposals", "ProposalList"},
        {QUARANTINE, "/api/v1/quarantine", "QuarantineList"},
        {DEVICE, "/api/v1/devices", "DeviceList"},
        {TASK, "/api/v1/tasks", "TaskList"},
    };
    char meter[DESK_ID_SIZE];

    out[0] = '\0';
    for (size_t i = 0; i < DS_COUNT(lists); i++) {
        if (lists[i].what == what) {
            first_of(desk, lists[i].target, lists[i].shape, out);
            return;
        }
    }
    if (what == READING) {
        desk_hex(&desk->meter, meter);
        first_of(desk, desk_path("meters", meter, "/readings"), "ReadingList", out);
    } else if (what == SLOT) {
        memcpy(out, desk->slot, DESK_ID_SIZE);
    } else if (what == HASH) {
        json_t *slot = desk_get(desk, desk_path("slots", desk->slot, ""), "Slot");

        memcpy(out, desk_text(slot, "candidates_hash"), 65);
        json_decref(slot);
    } else if (what != NONE) {
        put_row_id(desk, what, out);
    }
}

/* A route's path with that for {id}. */
static void put_target(const struct ds_route *route, const char *id, const char *query,
                       char out[static 200])
{
    const char *hole = strstr(route->path, "{id}");

    if (hole == NULL) {
        (void)snprintf(out, 200, "%s%s", route->path, query);
    } else {
        (void)snprintf(out, 200, "%.*s%s%s%s", (int)(hole - route->path), route->path, id, hole + 4,
                       query);
    }
}

/* NULL: a GET. An empty text: a POST without a body. */
static json_t *body_of(struct desk *desk, const struct ask *ask)
{
    const char *hole = ask->body != NULL ? strstr(ask->body, "%s") : NULL;
    char id[65];
    char text[400];

    if (ask->body == NULL) {
        return NULL;
    }
    find(desk, ask->in_body, id);
    if (hole == NULL) {
        (void)snprintf(text, sizeof(text), "%s", ask->body);
    } else {
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(hole - ask->body), ask->body, id,
                       hole + 2);
    }
    json_t *body = text[0] == '\0' ? json_null() : json_loads(text, 0, NULL);

    assert_non_null(body);
    return body;
}

static void routes__each_one_answers_in_the_shape_of_the_document(void **state)
{
    struct desk *desk = *state;

    desk_propose(desk, 5);
    desk_contradict(desk, 6);
    desk_write(desk, &desk_importer,
               json_pack("[o]", desk_reading("00112233445566778899aabbccddeeff", 202601, 4)));
    for (size_t i = 0; i < DS_COUNT(asks); i++) {
        const struct ds_route *route = route_of(asks[i].name);
        char id[65];
        char target[200];

        find(desk, asks[i].id, id);
        put_target(route, id, asks[i].query, target);
        json_decref(desk_call(desk, DESK_ANNA, target, body_of(desk, &asks[i]), route->gives, 200));
    }
}

static void routes__none_is_left_out_here(void **state)
{
    size_t count = 0;
    const struct ds_route *routes = ds_routes(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        bool found = false;

        for (size_t j = 0; j < DS_COUNT(asks); j++) {
            found = found || strcmp(asks[j].name, routes[i].name) == 0;
        }
        for (size_t j = 0; j < DS_COUNT(elsewhere); j++) {
            found = found || strcmp(elsewhere[j], routes[i].name) == 0;
        }
        if (!found) {
            fail_msg("route %s is called by no test", routes[i].name);
        }
    }
    assert_int_equal(count, DS_COUNT(asks) + DS_COUNT(elsewhere));
}

/* An auditor reads and changes nothing; without a session there is nothing at all. */
static void routes__roles_are_asked_before_anything_else(void **state)
{
    struct desk *desk = *state;
    size_t count = 0;
    const struct ds_route *routes = ds_routes(&count);

    for (size_t i = 0; i < count; i++) {
        const struct ds_route *route = &routes[i];
        bool post = strcmp(route->method, "POST") == 0;
        bool open = route->roles == DS_API_SIGNED_IN || (route->roles & 1 << DS_ROLE_auditor) != 0;
        char target[200];

        if (route->roles == DS_API_PUBLIC) {
            continue;
        }
        put_target(route, "00112233445566778899aabbccddeeff", "", target);
        json_decref(
            desk_call(desk, DESK_NOBODY, target, post ? json_object() : NULL, "Problem", 401));
        if (!open) {
            json_decref(
                desk_call(desk, DESK_NED, target, post ? json_object() : NULL, "Problem", 403));
        }
        if (post && strcmp(route->name, "logout") != 0) {
            assert_false(open);
        }
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(routes__each_one_answers_in_the_shape_of_the_document),
        CASE(routes__none_is_left_out_here),
        CASE(routes__roles_are_asked_before_anything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Handhelds, the journal's feed, the outbox and the server's own routes, asked through the
 * dispatcher. B8, B12 and B13 as a handheld meets them over HTTP. */
#include "schema/base/text.h"
#include "schema/codec/record_json_jansson.h"
#include "server/api.h"
#include "server/outbox.h"
#include "server/people.h"
#include "sync/core/exchange.h"
#include "sync/shard/serve.h"
#include "tests/support/scratch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define STREAMS_MAX 2
#define WIRE_SIZE 65536
#define PLAIN_SIZE (4 * 1024 * 1024)
#define OCTETS "application/octet-stream"

struct device {
    struct ds_secret sign;
    struct ds_secret box;
    struct ds_hash sign_public;
    struct ds_hash box_public;
    struct ds_id id;
};

struct fixture {
    struct scratch scratch;
    struct ds_site site;
    struct ds_office office;
    struct ds_outbox *outbox;
    struct ds_api *api;
    struct ds_id worker;
    char session[DS_SESSION_TEXT_SIZE];
    char bearer[DS_SESSION_TEXT_SIZE + 8];
    uint8_t *arena_memory;
    uint8_t *body_memory;
    uint8_t *extra_memory;
    uint8_t *plain;
    uint8_t wire[WIRE_SIZE];
    struct ds_arena arena;
    struct ds_http_answer answer; /* Of the last call. */
};

static void open_store(const struct scratch *scratch, const char *name, struct ds_store **store)
{
    const struct ds_store_lmdb_options options = {.map_bytes = 0};
    struct ds_detail detail = {""};
    char path[SCRATCH_PATH_SIZE];

    scratch_join(scratch, name, path);
    if (ds_store_lmdb_open(path, &options, store, &detail) != DS_OK) {
        fail_msg("%s", detail.text);
    }
}

static int set_up(void **state)
{
    static struct fixture f;
    static const struct ds_argon_cost cheap = {1, 8192};
    const struct ds_office_options options = {.argon = &cheap, .log_fd = -1};
    const struct ds_people_user boss = {.name = "boss",
                                        .password = DS_SLICE_LIT("a long password"),
                                        .roles = 1 << DS_ROLE_supervisor | 1 << DS_ROLE_admin};
    struct ds_store *stores[2] = {NULL, NULL};
    struct ds_station station = {.presence = {0}};
    struct ds_detail detail = {""};
    struct ds_session session;
    uint32_t wait_s = 0;

    memset(&f, 0, sizeof(f));
    *state = &f;
    scratch_make_fast(&f.scratch);
    DS_SET(&station, station, number, DS_SLICE_LIT("S1"));
    DS_SET(&station, station, name, DS_SLICE_LIT("Station"));
    DS_SET(&station, station, offset_min, 480);
    DS_SET(&station, station, billing_authority, DS_AUTHORITY_central);
    /* LMDB: a stream reads on its own thread while others write. */
    open_store(&f.scratch, "store", &stores[0]);
    open_store(&f.scratch, "customers", &stores[1]);
    assert_int_equal(ds_site_open_stores(&f.site, f.scratch.path, stores, &station, NULL, &detail),
                     DS_OK);
    assert_int_equal(ds_office_open(&f.office, &f.site, &options, &detail), DS_OK);
    assert_int_equal(ds_people_user_add(&f.office, &boss, &f.worker, &detail), DS_OK);
    assert_int_equal(ds_session_begin(f.office.users, "boss", boss.password, "127.0.0.1", f.session,
                                      &session, &wait_s),
                     DS_OK);
    (void)snprintf(f.bearer, sizeof(f.bearer), "Bearer %s", f.session);
    assert_int_equal(ds_outbox_open(&f.office, NULL, &f.outbox), DS_OK);
    f.office.outbox = f.outbox;
    const struct ds_api_options api = {
        .office = &f.office, .version = "test", .event_streams_max = STREAMS_MAX};

    assert_int_equal(ds_api_open(&api, &f.api), DS_OK);
    f.arena_memory = malloc(DS_HTTP_ARENA_SIZE);
    f.body_memory = malloc(DS_HTTP_ANSWER_MAX);
    f.extra_memory = malloc(DS_HTTP_HEAD_EXTRA_MAX);
    f.plain = malloc(PLAIN_SIZE);
    return f.plain != NULL ? 0 : 1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ds_api_close(f->api);
    ds_outbox_close(f->outbox);
    ds_office_close(&f->office);
    ds_site_close(&f->site);
    free(f->arena_memory);
    free(f->body_memory);
    free(f->extra_memory);
    free(f->plain);
    scratch_remove(&f->scratch);
    return 0;
}

/* ---- Calls ---- */

static int call(struct fixture *f, const char *method, const char *path, const char *query,
                const char *type, struct ds_slice body)
{
    const struct ds_http_header headers[] = {{"Authorization", f->bearer}, {"Content-Type", type}};
    struct ds_http_request request = {
        .method = method,
        .head = {.method = method,
                 .target = path,
                 .query = query,
                 .headers = headers,
                 .header_count = type != NULL ? 2 : 1},
        .body = body,
        .address = "127.0.0.1",
        .arena = &f->arena,
    };

    (void)snprintf(request.path, sizeof(request.path), "%s", path);
    ds_arena_init(&f->arena, f->arena_memory, DS_HTTP_ARENA_SIZE);
    f->answer = (struct ds_http_answer){.status = 500};
    ds_builder_init(&f->answer.body, f->body_memory, DS_HTTP_ANSWER_MAX);
    ds_builder_init(&f->answer.extra, f->extra_memory, DS_HTTP_HEAD_EXTRA_MAX);
    ds_api_handle(f->api, &request, &f->answer);
    return f->answer.status;
}

static int get(struct fixture *f, const char *path, const char *query)
{
    return call(f, "GET", path, query, NULL, (struct ds_slice){NULL, 0});
}

static int post(struct fixture *f, const char *path, struct ds_slice body)
{
    return call(f, "POST", path, NULL, OCTETS, body);
}

static bool has_header(const struct fixture *f, const char *name)
{
    char text[DS_HTTP_HEAD_EXTRA_MAX];

    memcpy(text, f->answer.extra.data, f->answer.extra.used);
    text[f->answer.extra.used] = '\0';
    return strstr(text, name) != NULL;
}

/* The last answer, checked against its shape. */
static json_t *json_of(struct fixture *f, const char *shape)
{
    const struct ds_slice text = {f->answer.body.data, f->answer.body.used};
    struct ds_detail detail = {""};
    json_t *parsed = NULL;

    assert_int_equal(ds_json_parse(text, &parsed, &detail), DS_OK);
    if (ds_shape_check(shape, parsed, &detail) != DS_OK) {
        fail_msg("%s", detail.text);
    }
    return parsed;
}

static json_int_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static uint64_t counter(atomic_uint_least64_t *at)
{
    return ds_metrics_get(at);
}

/* ---- Devices ---- */

static void make_device(struct device *device, unsigned seed)
{
    memset(device, 0, sizeof(*device));
    memset(device->sign.byte, (int)seed, sizeof(device->sign.byte));
    memset(device->box.byte, (int)seed + 100, sizeof(device->box.byte));
    ds_sign_public(&device->sign, &device->sign_public);
    ds_box_public(&device->box, &device->box_public);
}

/* The enrolment request of a device for a code, in wire. */
static struct ds_slice enrol_body(struct fixture *f, const struct device *device,
                                  const char *code_text)
{
    uint8_t memory[1024];
    uint8_t bytes[1024];
    struct ds_builder scratch;
    struct ds_builder out;
    struct ds_enrol_code code;
    struct ds_signature signature;

    ds_builder_init(&scratch, memory, sizeof(memory));
    assert_int_equal(ds_enrol_code_parse(ds_slice_of_text(code_text), &scratch, &code, NULL),
                     DS_OK);
    struct ds_enrol_request request = {.code = code.code,
                                       .sign_key = device->sign_public,
                                       .box_key = device->box_public,
                                       .model = DS_SLICE_LIT("bench")};

    ds_builder_init(&out, bytes, sizeof(bytes));
    ds_enrol_request_put(&out, &request);
    ds_sign(&device->sign, DS_LABEL_ENROL, (struct ds_slice){bytes, out.used}, &signature);
    request.signature = signature.byte;
    ds_builder_init(&out, bytes, sizeof(bytes));
    ds_enrol_request_put(&out, &request);
    const struct ds_slice clear = {bytes, out.used};

    ds_builder_init(&out, f->wire, WIRE_SIZE);
    assert_int_equal(ds_seal(&code.server_box, clear, &f->site.random, &out), DS_OK);
    return (struct ds_slice){f->wire, out.used};
}

static void make_code(struct fixture *f, struct ds_people_code *code)
{
    assert_int_equal(
        ds_people_code(&f->office, &f->worker, "http://127.0.0.1:1", NULL, 0, code, NULL), DS_OK);
}

static void enrol(struct fixture *f, struct device *device, unsigned seed)
{
    static struct ds_people_code code;
    struct ds_enrol_answer answer;

    make_device(device, seed);
    make_code(f, &code);
    assert_int_equal(post(f, "/sync/v1/enrol", enrol_body(f, device, code.text)), 200);
    assert_int_equal(
        ds_enrol_answer_parse((struct ds_slice){f->answer.body.data, f->answer.body.used}, &answer),
        DS_OK);
    device->id = answer.device;
}

/* A sealed request without work, in wire. */
static struct ds_slice ask(struct fixture *f, const struct device *device, uint64_t unsent)
{
    const struct ds_request request = {
        .version = 1, .epoch = 1, .budget = DS_BUDGET_DEFAULT, .health = {.unsent = unsent}};
    struct ds_link_keys keys;
    struct ds_builder plain;
    struct ds_builder out;

    assert_int_equal(ds_link_keys_device(&device->box, &f->site.shard.box_public, &keys), DS_OK);
    ds_builder_init(&plain, f->plain, PLAIN_SIZE);
    ds_request_put(&plain, &request);
    ds_builder_init(&out, f->wire, WIRE_SIZE);
    ds_envelope_seal(NULL, &keys.up, &device->id, 7, (struct ds_slice){f->plain, plain.used}, &out);
    assert_false(out.failed);
    return (struct ds_slice){f->wire, out.used};
}

static void exchange__a_known_device_is_answered_and_its_health_is_noted(void **state)
{
    struct fixture *f = *state;
    struct device device;
    struct ds_device_health health;
    struct ds_envelope_codec codec;
    struct ds_link_keys keys;
    struct ds_builder buffer;
    struct ds_slice plain;

    enrol(f, &device, 1);
    assert_int_equal(counter(&f->office.metrics->enrolments), 1);
    assert_int_equal(post(f, "/sync/v1/exchange", ask(f, &device, 3)), 200);
    assert_true(f->answer.bare);
    assert_null(f->answer.content_type);
    assert_int_equal(ds_envelope_codec_init(&codec), DS_OK);
    assert_int_equal(ds_link_keys_device(&device.box, &f->site.shard.box_public, &keys), DS_OK);
    ds_builder_init(&buffer, f->plain, PLAIN_SIZE);
    assert_int_equal(ds_envelope_open(&codec, &keys.down,
                                      (struct ds_slice){f->answer.body.data, f->answer.body.used},
                                      &buffer, &plain, NULL),
                     DS_OK);
    ds_envelope_codec_fini(&codec);
    assert_int_equal(ds_healths_get(f->office.healths, &device.id, &health), DS_OK);
    assert_int_equal(health.unsent, 3);
    assert_true(health.contact_ms > 0);
    assert_int_equal(counter(&f->office.metrics->exchanges), 1);
    assert_int_equal(counter(&f->office.metrics->exchange_refused), 0);
    assert_int_equal(counter(&f->office.metrics->exchange_bytes_out), f->answer.body.used);
}

static void exchange__b12_an_unknown_device_gets_401_and_an_empty_body(void **state)
{
    struct fixture *f = *state;
    struct device device;

    make_device(&device, 2);
    memset(&device.id, 9, sizeof(device.id));
    assert_int_equal(post(f, "/sync/v1/exchange", ask(f, &device, 0)), 401);
    assert_int_equal(f->answer.body.used, 0);
    assert_int_equal(counter(&f->office.metrics->exchange_refused), 1);
}

static void exchange__keys_that_do_not_match_get_401_and_an_empty_body(void **state)
{
    struct fixture *f = *state;
    struct device device;
    struct ds_device_health health;

    enrol(f, &device, 3);
    memset(device.box.byte, 77, sizeof(device.box.byte));
    assert_int_equal(post(f, "/sync/v1/exchange", ask(f, &device, 0)), 401);
    assert_int_equal(f->answer.body.used, 0);
    assert_int_equal(ds_healths_get(f->office.healths, &device.id, &health), DS_ERR_NOT_FOUND);
}

static void exchange__b8_a_cut_or_flipped_request_is_refused_without_a_word(void **state)
{
    struct fixture *f = *state;
    struct device device;

    enrol(f, &device, 4);
    struct ds_slice body = ask(f, &device, 0);

    for (size_t size = 0; size < body.size; size++) {
        int status = post(f, "/sync/v1/exchange", (struct ds_slice){body.data, size});

        assert_true(status == 400 || status == 401);
        assert_int_equal(f->answer.body.used, 0);
    }
    for (size_t bit = 0; bit < body.size * 8; bit += 5) {
        f->wire[bit / 8] ^= (uint8_t)(1U << bit % 8);
        int status = post(f, "/sync/v1/exchange", body);

        f->wire[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_true(status >= 400 && status < 500);
        assert_int_equal(f->answer.body.used, 0);
    }
    assert_int_equal(post(f, "/sync/v1/exchange", body), 200);
}

static void enrol__b13_a_used_code_is_refused_but_the_same_request_is_answered_again(void **state)
{
    struct fixture *f = *state;
    struct ds_people_code *code = malloc(sizeof(*code));
    struct device first;
    struct device second;

    assert_non_null(code);
    make_device(&first, 5);
    make_device(&second, 6);
    make_code(f, code);
    assert_int_equal(post(f, "/sync/v1/enrol", enrol_body(f, &first, code->text)), 200);
    assert_int_equal(post(f, "/sync/v1/enrol", enrol_body(f, &second, code->text)), 403);
    assert_int_equal(f->answer.body.used, 0);
    assert_int_equal(counter(&f->office.metrics->enrolments_refused), 1);
    assert_int_equal(post(f, "/sync/v1/enrol", enrol_body(f, &first, code->text)), 200);
    free(code);
}

/* ---- The journal ---- */

static void head__is_signed_by_the_server_and_tells_the_journals_size(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[512];
    struct ds_signature signature;
    struct ds_receipt receipt;

    assert_int_equal(get(f, "/api/v1/journal/head", NULL), 200);
    json_t *head = json_of(f, "Head");
    const char *hex = json_string_value(json_object_get(head, "bytes"));
    const char *proof = json_string_value(json_object_get(head, "signature"));
    size_t size = strlen(hex) / 2;

    assert_true(size <= sizeof(bytes));
    assert_int_equal(ds_hex_parse(ds_slice_of_text(hex), bytes, size), DS_OK);
    assert_int_equal(ds_hex_parse(ds_slice_of_text(proof), signature.byte, sizeof(signature.byte)),
                     DS_OK);
    assert_true(ds_verify(&f->site.shard.sign_public, DS_LABEL_RECEIPT,
                          (struct ds_slice){bytes, size}, &signature));
    assert_int_equal(ds_receipt_parse((struct ds_slice){bytes, size}, &receipt), DS_OK);
    assert_int_equal(receipt.head.size, f->site.shard.meta.size);
    assert_int_equal(number(head, "size"), f->site.shard.meta.size);
    json_decref(head);
}

static void changes__small_pages_tell_the_same_as_one_large_page(void **state)
{
    struct fixture *f = *state;
    struct device device;
    char query[128] = "limit=1";
    json_t *all = json_array();
    bool more = true;

    enrol(f, &device, 7);
    assert_int_equal(get(f, "/api/v1/changes", "limit=200"), 200);
    json_t *large = json_of(f, "Changes");

    assert_true(json_array_size(json_object_get(large, "items")) > 1);
    while (more) {
        assert_int_equal(get(f, "/api/v1/changes", query), 200);
        json_t *page = json_of(f, "Changes");

        assert_true(json_array_size(json_object_get(page, "items")) <= 1);
        assert_int_equal(json_array_extend(all, json_object_get(page, "items")), 0);
        (void)snprintf(query, sizeof(query), "limit=1&after=%s",
                       json_string_value(json_object_get(page, "next")));
        more = json_is_true(json_object_get(page, "more"));
        json_decref(page);
    }
    assert_true(json_equal(all, json_object_get(large, "items")));
    json_decref(all);
    json_decref(large);
    assert_int_equal(get(f, "/api/v1/changes", "after=nothing"), 400);
    assert_int_equal(get(f, "/api/v1/changes", "after=-1"), 400);
}

static void events__beyond_the_limit_503_says_when_to_come_again(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < STREAMS_MAX; i++) {
        assert_int_equal(get(f, "/api/v1/events", NULL), 200);
        assert_string_equal(f->answer.content_type, "text/event-stream");
        assert_non_null(f->answer.stream);
    }
    assert_int_equal(get(f, "/api/v1/events", NULL), 503);
    assert_null(f->answer.stream);
    assert_true(has_header(f, "Retry-After: "));
    assert_int_equal(counter(&f->office.metrics->events_refused), 1);
    assert_int_equal(counter(&f->office.metrics->event_streams), STREAMS_MAX);
    json_decref(json_of(f, "Problem"));
}

static int post_json(struct fixture *f, const char *path, const char *text)
{
    return call(f, "POST", path, NULL, "application/json", ds_slice_of_text(text));
}

/* Read a stream until text comes; false if it ends before. */
static bool read_until(int fd, const char *text)
{
    char seen[32768] = "";
    size_t used = 0;

    while (strstr(seen, text) == NULL) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};

        assert_int_equal(poll(&wait, 1, 20000), 1);
        ssize_t got = recv(fd, seen + used, sizeof(seen) - 1 - used, 0);

        if (got <= 0) {
            return false;
        }
        used += (size_t)got;
        seen[used] = '\0';
    }
    return true;
}

static int listen_to_events(const struct fixture *f, const struct ds_http *http)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(ds_http_port(http))};
    char request[256];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    int size =
        snprintf(request, sizeof(request),
                 "GET /api/v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: %s\r\n\r\n", f->bearer);

    assert_int_equal(send(fd, request, (size_t)size, 0), size);
    return fd;
}

static void events__a_stream_tells_what_comes_and_gives_its_place_back_at_the_end(void **state)
{
    struct fixture *f = *state;
    const struct ds_http_options options = {
        .listen = "127.0.0.1:0",
        .workers = 4,
        .request_timeout_ms = 5000,
        .body_deadline_ms = 5000,
        .handle = ds_api_handle,
        .refuse = ds_api_refuse,
        .context = f->api,
        .metrics = f->office.metrics,
    };
    struct ds_http *http = NULL;

    assert_int_equal(ds_http_start(&options, &http, NULL), DS_OK);
    int fd = listen_to_events(f, http);

    assert_true(read_until(fd, "event: cursor\n"));
    assert_int_equal(counter(&f->office.metrics->event_streams), 1);
    assert_int_equal(post_json(f, "/api/v1/central/answers",
                               "{\"consumer\":\"billing\",\"answers\":[{\"slot\":"
                               "\"00112233445566778899aabbccddeeff\",\"revision\":1,"
                               "\"answer\":\"rejected\"}]}"),
                     200);
    assert_true(read_until(fd, "event: change\ndata: {"));
    ds_http_stop_streams(http);
    assert_false(read_until(fd, "nothing more"));
    ds_http_stop(http);
    (void)close(fd);
    assert_int_equal(counter(&f->office.metrics->event_streams), 0);
}

/* ---- The outbox ---- */

static void answers__what_the_schema_refuses_is_told_and_the_rest_is_written_once(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        "{\"consumer\":\"billing\",\"answers\":["
        "{\"slot\":\"00112233445566778899aabbccddeeff\",\"revision\":1,\"answer\":\"accepted\"},"
        "{\"slot\":\"00112233445566778899aabbccddeeff\",\"revision\":0,\"answer\":\"accepted\"}]}";

    assert_int_equal(post_json(f, "/api/v1/central/answers", text), 200);
    json_t *answer = json_of(f, "Answered");

    assert_int_equal(number(answer, "written"), 1);
    assert_int_equal(number(json_array_get(json_object_get(answer, "items"), 0), "index"), 1);
    json_decref(answer);
    assert_int_equal(post_json(f, "/api/v1/central/answers", text), 200);
    answer = json_of(f, "Answered");
    assert_int_equal(number(answer, "written"), 0);
    assert_int_equal(number(answer, "unchanged"), 1);
    json_decref(answer);
    assert_int_equal(post_json(f, "/api/v1/central/answers", "{\"consumer\":\"nobody\"}"), 422);
}

static void exports__every_consumer_stands_at_the_beginning(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, "/api/v1/exports", NULL), 200);
    json_t *list = json_of(f, "ExportList");
    const json_t *items = json_object_get(list, "items");

    assert_int_equal(json_array_size(items), DS_OUTBOX_CONSUMERS);
    for (size_t i = 0; i < json_array_size(items); i++) {
        assert_int_equal(number(json_array_get(items, i), "position"), 0);
        assert_int_equal(number(json_array_get(items, i), "waiting"), 0);
        assert_int_equal(number(json_array_get(items, i), "dead_letters"), 0);
    }
    json_decref(list);
}

static void reconciliation__a_statement_is_compared_and_kept(void **state)
{
    struct fixture *f = *state;
    static const char csv[] = "slot,revision,consumption_l\n"
                              "00112233445566778899aabbccddeeff,1,5000\n";

    assert_int_equal(get(f, "/api/v1/reconciliation", "day=2026-01-05"), 404);
    assert_int_equal(get(f, "/api/v1/reconciliation", "day=2026-02-30"), 400);
    assert_int_equal(get(f, "/api/v1/reconciliation", NULL), 400);
    assert_int_equal(call(f, "POST", "/api/v1/reconciliation", "day=2026-01-05", "text/csv",
                          DS_SLICE_LIT("slot,revision\nx,1\n")),
                     422);
    assert_int_equal(get(f, "/api/v1/reconciliation", "day=2026-01-05"), 404);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(i == 0 ? call(f, "POST", "/api/v1/reconciliation", "day=2026-01-05",
                                       "text/csv", ds_slice_of_text(csv))
                                : get(f, "/api/v1/reconciliation", "day=2026-01-05"),
                         200);
        json_t *result = json_of(f, "Reconciliation");
        const json_t *difference = json_array_get(json_object_get(result, "differences"), 0);

        assert_true(json_is_false(json_object_get(result, "agrees")));
        assert_int_equal(number(result, "difference_count"), 1);
        assert_string_equal(json_string_value(json_object_get(difference, "type")), "missing_here");
        json_decref(result);
    }
}

/* ---- The server itself ---- */

static void alive__and_the_counters_are_told_to_anybody(void **state)
{
    struct fixture *f = *state;

    memcpy(f->bearer, "Nobody", 7);
    assert_int_equal(get(f, "/healthz", NULL), 200);
    json_decref(json_of(f, "Alive"));
    assert_int_equal(get(f, "/metrics", NULL), 200);
    ds_put_u8(&f->answer.body, 0);
    assert_non_null(strstr((const char *)f->answer.body.data, "\ndoorstep_exchanges_total 0\n"));
    assert_non_null(strstr((const char *)f->answer.body.data, "\ndoorstep_journal_entries "));
    assert_int_equal(get(f, "/api/v1/journal/head", NULL), 401);
}

/* Every $ref of a JSON value names a schema. */
static void check_refs(const json_t *value, const json_t *schemas)
{
    static const char begin[] = "#/components/schemas/";
    const char *name = NULL;
    const json_t *member = NULL;

    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            check_refs(json_array_get(value, i), schemas);
        }
    }
    json_object_foreach((json_t *)value, name, member)
    {
        const char *text = json_string_value(member);

        if (strcmp(name, "$ref") == 0) {
            assert_int_equal(strncmp(text, begin, sizeof(begin) - 1), 0);
            assert_non_null(json_object_get(schemas, text + sizeof(begin) - 1));
        }
        check_refs(member, schemas);
    }
}

static void openapi__names_every_route_once_and_every_reference_leads_somewhere(void **state)
{
    struct fixture *f = *state;
    size_t count = 0;
    size_t operations = 0;
    const struct ds_route *routes = ds_routes(&count);
    const char *path = NULL;
    const json_t *methods = NULL;

    assert_int_equal(get(f, "/api/v1/openapi.json", NULL), 200);
    json_t *document = json_loadb((const char *)f->answer.body.data, f->answer.body.used,
                                  JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(document);
    assert_string_equal(json_string_value(json_object_get(document, "openapi")), "3.1.0");
    json_object_foreach(json_object_get(document, "paths"), path, methods)
    {
        operations += json_object_size(methods);
    }
    assert_int_equal(operations, count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(json_object_get(json_object_get(document, "paths"), routes[i].path));
    }
    check_refs(document, json_object_get(json_object_get(document, "components"), "schemas"));
    json_decref(document);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(exchange__a_known_device_is_answered_and_its_health_is_noted),
        CASE(exchange__b12_an_unknown_device_gets_401_and_an_empty_body),
        CASE(exchange__keys_that_do_not_match_get_401_and_an_empty_body),
        CASE(exchange__b8_a_cut_or_flipped_request_is_refused_without_a_word),
        CASE(enrol__b13_a_used_code_is_refused_but_the_same_request_is_answered_again),
        CASE(head__is_signed_by_the_server_and_tells_the_journals_size),
        CASE(changes__small_pages_tell_the_same_as_one_large_page),
        CASE(events__beyond_the_limit_503_says_when_to_come_again),
        CASE(events__a_stream_tells_what_comes_and_gives_its_place_back_at_the_end),
        CASE(answers__what_the_schema_refuses_is_told_and_the_rest_is_written_once),
        CASE(exports__every_consumer_stands_at_the_beginning),
        CASE(reconciliation__a_statement_is_compared_and_kept),
        CASE(alive__and_the_counters_are_told_to_anybody),
        CASE(openapi__names_every_route_once_and_every_reference_leads_somewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

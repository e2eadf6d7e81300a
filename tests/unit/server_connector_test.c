/* The HTTP carrier against a central system of the test's own: keys, refusals, silence. */
#include "server/http.h"
#include "server/outbox.h"
#include "sync/core/tables.h"
#include "tests/support/office.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POSTS_MAX 64

/* What the central system got, and how it answers. */
struct central {
    pthread_mutex_t lock;
    int status; /* Of each answer; 0: 422 if bad stands in the body, else 200. */
    char bad[64];
    size_t posts;
    size_t taken; /* Lines of exports in bodies that were answered 200. */
    char keys[POSTS_MAX][DS_PARCEL_NAME_MAX + 32];
};

struct fixture {
    struct test_office office;
    struct central central;
    struct ds_http *http;
    struct ds_metrics metrics;
    struct ds_outbox *outbox;
};

static bool holds(struct ds_slice body, const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; size > 0 && i + size <= body.size; i++) {
        if (memcmp(body.data + i, text, size) == 0) {
            return true;
        }
    }
    return false;
}

static size_t count_exports(struct ds_slice body)
{
    size_t count = 0;

    for (size_t i = 0; i + 10 <= body.size; i++) {
        count += memcmp(body.data + i, "{\"export\":", 10) == 0;
    }
    return count;
}

static void answer_post(void *context, const struct ds_http_request *request,
                        struct ds_http_answer *answer)
{
    struct central *central = context;
    const char *key = ds_http_find(&request->head, "Idempotency-Key");

    pthread_mutex_lock(&central->lock);
    (void)snprintf(central->keys[central->posts % POSTS_MAX], sizeof(central->keys[0]), "%s",
                   key != NULL ? key : "");
    central->posts++;
    answer->status = central->status;
    if (central->status == 0) {
        answer->status = holds(request->body, central->bad) ? 422 : 200;
    }
    if (answer->status == 200) {
        central->taken += count_exports(request->body);
    }
    pthread_mutex_unlock(&central->lock);
}

static void refuse(struct ds_builder *out, int status, const char *why)
{
    (void)status;
    ds_put_text(out, why);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    const struct ds_http_options options = {
        .listen = "127.0.0.1:0",
        .workers = 2,
        .request_timeout_ms = 1000,
        .body_deadline_ms = 1000,
        .handle = answer_post,
        .refuse = refuse,
        .context = &f->central,
        .metrics = &f->metrics,
    };
    struct ds_config *config = &f->office.site.config;

    memset(f, 0, sizeof(*f));
    pthread_mutex_init(&f->central.lock, NULL);
    ds_metrics_init(&f->metrics);
    assert_int_equal(ds_http_start(&options, &f->http, NULL), DS_OK);
    test_office_open(&f->office, NULL);
    (void)snprintf(config->billing_kind, sizeof(config->billing_kind), "http");
    (void)snprintf(config->billing_url, sizeof(config->billing_url), "http://127.0.0.1:%u/take",
                   (unsigned)ds_http_port(f->http));
    config->outbox_timeout_ms = 3000;
    assert_int_equal(ds_outbox_open(&f->office.office, NULL, &f->outbox), DS_OK);
    test_office_load(&f->office);
    for (size_t i = 0; i < TEST_OFFICE_METERS; i++) {
        test_office_read(&f->office, i, 202601, 120, ",\"instant_ms\":1767900000000");
    }
    const struct ds_office_actor importer = {.name = "import", .kind = DS_ACTOR_import};
    struct ds_period period = {.presence = {0}};
    const struct ds_id id = ds_period_id(&f->office.site.station, &f->office.book, 202601);

    DS_SET(&period, period, state, DS_PERIOD_reading_closed);
    test_office_write(&f->office, &importer, DS_REC_period, &id, &period, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ds_outbox_close(f->outbox);
    test_office_close(&f->office);
    ds_http_stop(f->http);
    pthread_mutex_destroy(&f->central.lock);
    return 0;
}

static uint64_t deliver(struct fixture *f, enum ds_err want, struct ds_detail *detail)
{
    uint64_t exports = 0;

    assert_int_equal(ds_outbox_deliver(f->outbox, DS_CONSUMER_billing, &exports, detail), want);
    return exports;
}

static void http__a_parcel_goes_out_once_under_its_idempotency_key(void **state)
{
    struct fixture *f = *state;
    struct ds_detail detail = {""};

    assert_int_equal(deliver(f, DS_OK, &detail), 4);
    assert_int_equal(f->central.posts, 1);
    assert_int_equal(f->central.taken, 4);
    assert_string_equal(f->central.keys[0], "\"billing-000000000000-000000\"");
    assert_int_equal(deliver(f, DS_OK, &detail), 0);
    assert_int_equal(f->central.posts, 1);
}

static void http__busy_and_broken_answers_are_tried_again_under_the_same_key(void **state)
{
    static const int statuses[] = {500, 503, 429, 408, 301};
    struct fixture *f = *state;
    struct ds_detail detail = {""};

    for (size_t i = 0; i < DS_COUNT(statuses); i++) {
        f->central.status = statuses[i];
        assert_int_equal(deliver(f, DS_ERR_UNREACHABLE, &detail), 0);
        assert_string_equal(f->central.keys[i], f->central.keys[0]);
    }
    f->central.status = 200;
    assert_int_equal(deliver(f, DS_OK, &detail), 4);
    assert_string_equal(f->central.keys[DS_COUNT(statuses)], f->central.keys[0]);
    assert_int_equal(f->central.taken, 4);
}

static void http__nobody_there_is_unreachable(void **state)
{
    struct fixture *f = *state;
    struct ds_detail detail = {""};

    ds_http_stop(f->http);
    f->http = NULL;
    assert_int_equal(deliver(f, DS_ERR_UNREACHABLE, &detail), 0);
    assert_int_equal(strncmp(detail.text, "billing: ", 9), 0);
}

static void http__the_one_export_that_is_refused_is_buried_and_the_others_get_through(void **state)
{
    struct fixture *f = *state;
    struct ds_detail detail = {""};
    struct ds_outbox_state look;
    char folder[DS_PATH_MAX];
    char path[DS_PATH_MAX];
    static uint8_t letter[8192];
    struct ds_builder in;

    (void)snprintf(f->central.bad, sizeof(f->central.bad), "\"meter_no\":\"A3\"");
    assert_int_equal(deliver(f, DS_OK, &detail), 4);
    assert_int_equal(f->central.taken, 3);
    assert_int_equal(ds_outbox_look(f->outbox, DS_CONSUMER_billing, &look), DS_OK);
    assert_int_equal(look.dead_letters, 1);
    assert_int_equal(look.waiting, 0);
    /* Each part went under a key of its own. */
    for (size_t i = 0; i < f->central.posts; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(f->central.keys[i], f->central.keys[k]);
        }
    }
    assert_int_equal(ds_outbox_folder(&f->office.site, DS_CONSUMER_billing, folder), DS_OK);
    for (size_t i = 0; i < TEST_OFFICE_METERS; i++) {
        char name[96];

        (void)snprintf(name, sizeof(name), "dead/billing-000000000000-000000.%zu-%zu.jsonl", i,
                       i + 1);
        assert_int_equal(ds_path_join(folder, name, path), DS_OK);
        if (ds_file_exists(path)) {
            ds_builder_init(&in, letter, sizeof(letter));
            assert_int_equal(ds_file_read(path, &in, NULL), DS_OK);
        }
    }
    const struct ds_slice bytes = {letter, in.used};

    assert_int_equal(memcmp(letter, "; status 422\n", 13), 0);
    assert_true(holds(bytes, "\"meter_no\":\"A3\""));
    assert_int_equal(count_exports(bytes), 1);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(http__a_parcel_goes_out_once_under_its_idempotency_key),
        ONE(http__busy_and_broken_answers_are_tried_again_under_the_same_key),
        ONE(http__nobody_there_is_unreachable),
        ONE(http__the_one_export_that_is_refused_is_buried_and_the_others_get_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

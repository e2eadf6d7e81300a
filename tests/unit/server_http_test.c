/* The adapter over real sockets: bounds, refusals, deadlines, streams. B15 on the wire. */
#include "server/http.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 300
#define ANSWER_SIZE 2048

struct fixture {
    struct ds_http *http;
    struct ds_metrics metrics;
    char seen[1024]; /* By the handler: method, path, size of the body. */
};

static void stream_lines(void *context, struct ds_http_stream *stream)
{
    int written = 0;

    (void)context;
    while (written < 3 && ds_http_stream_write(stream, DS_SLICE_LIT("line\n"))) {
        written++;
    }
}

static void handle(void *context, const struct ds_http_request *request,
                   struct ds_http_answer *answer)
{
    struct fixture *fixture = context;

    (void)snprintf(fixture->seen, sizeof(fixture->seen), "%s %s %zu from %s", request->method,
                   request->path, request->body.size, request->address);
    answer->status = 200;
    answer->content_type = "text/plain";
    ds_http_add_header(answer, "X-Good", "yes");
    ds_http_add_header(answer, "X-Bad", "a\r\nSet-Cookie: b");
    if (strcmp(request->path, "/large") == 0) {
        answer->body.used = answer->body.size;
        ds_put_u8(&answer->body, 1);
    } else if (strcmp(request->path, "/stream") == 0) {
        answer->stream = stream_lines;
    } else if (strcmp(request->path, "/arena") == 0) {
        assert_non_null(ds_arena_alloc(request->arena, DS_HTTP_ARENA_SIZE - 64));
        ds_put_text(&answer->body, "filled");
    } else {
        ds_put_bytes(&answer->body, request->body);
    }
}

static void refuse(struct ds_builder *out, int status, const char *why)
{
    ds_put_text(out, "refused ");
    ds_put_decimal(out, status);
    ds_put_text(out, ": ");
    ds_put_text(out, why);
}

static int start(void **state)
{
    static struct fixture fixture;
    const struct ds_http_options options = {
        .listen = "127.0.0.1:0",
        .workers = 4,
        .request_timeout_ms = 2000,
        .body_deadline_ms = DEADLINE_MS,
        .handle = handle,
        .refuse = refuse,
        .context = &fixture,
        .metrics = &fixture.metrics,
    };

    memset(&fixture, 0, sizeof(fixture));
    ds_metrics_init(&fixture.metrics);
    *state = &fixture;
    return ds_http_start(&options, &fixture.http, NULL) == DS_OK ? 0 : 1;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;

    ds_http_stop(fixture->http);
    return 0;
}

static int dial(const struct fixture *fixture)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(ds_http_port(fixture->http))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Everything that comes until the other side closes. */
static void receive(int fd, char answer[static ANSWER_SIZE])
{
    size_t used = 0;

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};

        assert_int_equal(poll(&wait, 1, 10000), 1);
        ssize_t size = recv(fd, answer + used, ANSWER_SIZE - 1 - used, 0);

        if (size <= 0) {
            break;
        }
        used += (size_t)size;
    }
    answer[used] = '\0';
    close(fd);
}

static void say(int fd, const char *text)
{
    size_t size = strlen(text);

    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), size);
}

static void ask(const struct fixture *fixture, const char *request, char answer[static ANSWER_SIZE])
{
    int fd = dial(fixture);

    say(fd, request);
    receive(fd, answer);
}

static void http__a_request_reaches_the_handler_and_its_answer_comes_back_guarded(void **state)
{
    struct fixture *fixture = *state;
    char answer[ANSWER_SIZE];

    ask(fixture, "POST /a%20b?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", answer);
    assert_string_equal(fixture->seen, "POST /a b 5 from 127.0.0.1");
    assert_ptr_equal(strstr(answer, "HTTP/1.1 200 OK\r\n"), answer);
    assert_non_null(strstr(answer, "\r\nContent-Length: 5\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\nhello"));
    static const char *const guards[] = {
        "\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        "\r\nX-Content-Type-Options: nosniff\r\n",
        "\r\nX-Frame-Options: DENY\r\n",
        "\r\nCache-Control: no-store\r\n",
        "\r\nReferrer-Policy: no-referrer\r\n",
        "\r\nConnection: close\r\n",
        "\r\nX-Good: yes\r\n",
    };
    for (size_t i = 0; i < DS_COUNT(guards); i++) {
        assert_non_null(strstr(answer, guards[i]));
    }
    assert_null(strstr(answer, "X-Bad"));
    assert_null(strstr(answer, "Set-Cookie"));
}

static void http__an_answer_to_a_device_has_the_lines_that_http_needs_and_no_other(void **state)
{
    struct ds_http_answer answer = {.status = 200, .bare = true};
    uint8_t extra[64];
    uint8_t memory[256];
    struct ds_builder head;

    (void)state;
    ds_builder_init(&answer.extra, extra, sizeof(extra));
    ds_builder_init(&head, memory, sizeof(memory));
    ds_http_put_head(&head, &answer, 57);
    assert_string_equal(ds_builder_text(&head), "HTTP/1.0 200 OK\r\nContent-Length: 57\r\n\r\n");
}

static void b15__two_lengths_chunked_with_length_and_5x7_are_refused_on_the_wire(void **state)
{
    static const struct {
        const char *request;
        const char *status;
    } cases[] = {
        {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nhello",
         "HTTP/1.1 400 "},
        {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         "HTTP/1.1 400 "},
        {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5x7\r\n\r\nhello", "HTTP/1.1 400 "},
        {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello", "HTTP/1.1 411 "},
        {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\nhello", "HTTP/1.1 413 "},
        {"POST /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 411 "},
        {"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
        {"BREW /a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
        {"garbage\r\n\r\n", "HTTP/1.1 400 "},
    };
    struct fixture *fixture = *state;
    uint64_t before = ds_metrics_get(&fixture->metrics.http_refused);
    char answer[ANSWER_SIZE];

    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        fixture->seen[0] = '\0';
        ask(fixture, cases[i].request, answer);
        if (strncmp(answer, cases[i].status, strlen(cases[i].status)) != 0) {
            fail_msg("%s\n->\n%s", cases[i].request, answer);
        }
        assert_string_equal(fixture->seen, "");
        assert_non_null(strstr(answer, "refused 4"));
        assert_non_null(strstr(answer, "\r\nX-Frame-Options: DENY\r\n"));
    }
    assert_int_equal(ds_metrics_get(&fixture->metrics.http_refused) - before, DS_COUNT(cases));
}

static void f3__a_refused_body_that_drips_on_does_not_hold_its_thread(void **state)
{
    struct fixture *fixture = *state;
    int fd = dial(fixture);
    struct pollfd wait = {.fd = fd, .events = POLLHUP};
    int sent = 0;

    say(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
    while (poll(&wait, 1, 20) == 0 && send(fd, "x", 1, MSG_NOSIGNAL) == 1) {
        sent++;
    }
    assert_in_range(sent, 0, 100);
    close(fd);
}

static void http__nothing_follows_a_request_on_its_connection(void **state)
{
    struct fixture *fixture = *state;
    char answer[ANSWER_SIZE];

    ask(fixture,
        "GET /first HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
        "GET /second HTTP/1.1\r\nHost: x\r\n\r\n",
        answer);
    assert_string_equal(fixture->seen, "GET /first 0 from 127.0.0.1");
    assert_null(strstr(answer + 1, "HTTP/1.1"));
}

static void f3__a_body_that_drips_is_cut_at_its_deadline(void **state)
{
    struct fixture *fixture = *state;
    int fd = dial(fixture);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    uint64_t before = ds_metrics_get(&fixture->metrics.http_deadline);
    int sent = 0;

    fixture->seen[0] = '\0';
    say(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    /* A byte each 20 ms would take 20 s; the deadline is 0.3 s. */
    while (poll(&wait, 1, 20) == 0 && send(fd, "x", 1, MSG_NOSIGNAL) == 1) {
        sent++;
    }
    assert_in_range(sent, 1, 200);
    assert_string_equal(fixture->seen, "");
    assert_int_equal(ds_metrics_get(&fixture->metrics.http_deadline), before + 1);
    close(fd);
    /* And the thread serves again. */
    char answer[ANSWER_SIZE];

    for (int i = 0; i < 8; i++) {
        ask(fixture, "GET /after HTTP/1.1\r\nHost: x\r\n\r\n", answer);
        assert_ptr_equal(strstr(answer, "HTTP/1.1 200 OK\r\n"), answer);
    }
}

static void http__an_answer_beyond_its_limit_becomes_an_error(void **state)
{
    struct fixture *fixture = *state;
    char answer[ANSWER_SIZE];

    ask(fixture, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", answer);
    assert_ptr_equal(strstr(answer, "HTTP/1.1 500 "), answer);
    assert_non_null(strstr(answer, "refused 500: the answer is larger than allowed"));
}

static void http__a_handler_may_fill_its_arena_again_and_again(void **state)
{
    struct fixture *fixture = *state;
    char answer[ANSWER_SIZE];

    for (int i = 0; i < 6; i++) {
        ask(fixture, "GET /arena HTTP/1.1\r\nHost: x\r\n\r\n", answer);
        assert_non_null(strstr(answer, "\r\n\r\nfilled"));
    }
}

static void http__a_stream_writes_until_it_returns_or_streams_are_stopped(void **state)
{
    struct fixture *fixture = *state;
    char answer[ANSWER_SIZE];

    ask(fixture, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", answer);
    assert_non_null(strstr(answer, "\r\n\r\nline\nline\nline\n"));
    assert_null(strstr(answer, "Content-Length"));
    ds_http_stop_streams(fixture->http);
    ask(fixture, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", answer);
    assert_null(strstr(answer, "line"));
}

static void f1__only_loopback_is_served_without_a_proxy_in_front(void **state)
{
    static const struct {
        const char *listen;
        bool behind_proxy;
        enum ds_err err;
    } cases[] = {
        {"0.0.0.0:0", false, DS_ERR_FORBIDDEN},
        {"192.168.1.1:8420", false, DS_ERR_FORBIDDEN},
        {"128.0.0.1:0", false, DS_ERR_FORBIDDEN},
        {"0.0.0.0:0", true, DS_OK},
        {"127.0.0.1:0", false, DS_OK},
        {"localhost:8420", false, DS_ERR_USAGE},
        {"127.0.0.1", false, DS_ERR_USAGE},
        {"127.0.0.1:65536", false, DS_ERR_USAGE},
        {"127.0.0.1:x", false, DS_ERR_USAGE},
        {":8420", true, DS_ERR_USAGE},
        {"127.1:80", false, DS_ERR_USAGE},
        {"127.0.0.1:0,0.0.0.0:0", false, DS_ERR_USAGE},
        {"", false, DS_ERR_USAGE},
    };
    struct ds_metrics metrics;

    (void)state;
    ds_metrics_init(&metrics);
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        const struct ds_http_options options = {
            .listen = cases[i].listen,
            .behind_proxy = cases[i].behind_proxy,
            .workers = 1,
            .request_timeout_ms = 100,
            .body_deadline_ms = 100,
            .handle = handle,
            .refuse = refuse,
            .metrics = &metrics,
        };
        struct ds_http *http = NULL;
        enum ds_err err = ds_http_start(&options, &http, NULL);

        if (err != cases[i].err) {
            fail_msg("%s: %s", cases[i].listen, ds_err_name(err));
        }
        ds_http_stop(http);
    }
}

static void http__a_port_that_is_taken_is_an_error_that_names_it(void **state)
{
    struct fixture *fixture = *state;
    struct ds_detail detail = {""};
    char listen[32];

    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", (unsigned)ds_http_port(fixture->http));
    const struct ds_http_options options = {.listen = listen,
                                            .workers = 1,
                                            .request_timeout_ms = 100,
                                            .body_deadline_ms = 100,
                                            .handle = handle,
                                            .refuse = refuse,
                                            .metrics = &fixture->metrics};
    struct ds_http *http = NULL;

    assert_int_equal(ds_http_start(&options, &http, &detail), DS_ERR_IO);
    assert_non_null(strstr(detail.text, listen));
    assert_null(http);
}

int main(void)
{
    /* One server for all: it takes two seconds to stop (civetweb's own poll). */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http__a_request_reaches_the_handler_and_its_answer_comes_back_guarded),
        cmocka_unit_test(http__an_answer_to_a_device_has_the_lines_that_http_needs_and_no_other),
        cmocka_unit_test(b15__two_lengths_chunked_with_length_and_5x7_are_refused_on_the_wire),
        cmocka_unit_test(f3__a_refused_body_that_drips_on_does_not_hold_its_thread),
        cmocka_unit_test(http__nothing_follows_a_request_on_its_connection),
        cmocka_unit_test(f3__a_body_that_drips_is_cut_at_its_deadline),
        cmocka_unit_test(http__an_answer_beyond_its_limit_becomes_an_error),
        cmocka_unit_test(http__a_handler_may_fill_its_arena_again_and_again),
        cmocka_unit_test(http__a_port_that_is_taken_is_an_error_that_names_it),
        cmocka_unit_test(f1__only_loopback_is_served_without_a_proxy_in_front),
        cmocka_unit_test(http__a_stream_writes_until_it_returns_or_streams_are_stopped),
    };

    return cmocka_run_group_tests(tests, start, stop);
}

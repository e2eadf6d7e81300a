/* For mmap and madvise: a desk's memory goes back to the system after a large request. */
#define _DEFAULT_SOURCE

#include "server/http.h"

#include "server/http_watch.h"

#include <civetweb.h>

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEP_SIZE ((size_t)1024 * 1024) /* Of a request and its answer; beyond it ... */
#define KEEP_REQUESTS 64                /* ... and after so many, a desk's memory is given back. */
#define HEAD_SIZE 4096
#define NUDGE_MS 20
#define LINGER_MS 300

/* One worker thread's memory and what it is doing. */
struct desk {
    uint8_t *memory; /* Body, arena, answer, extra, head: one mapping. */
    struct ds_http *http;
    struct desk *next; /* Under http->lock. */
    struct ds_watch_entry watched;
    uint32_t served;
};
#define AT_ARENA ((size_t)DS_HTTP_BODY_MAX)
#define AT_ANSWER (AT_ARENA + DS_HTTP_ARENA_SIZE)
#define AT_EXTRA (AT_ANSWER + DS_HTTP_ANSWER_MAX)
#define AT_HEAD (AT_EXTRA + DS_HTTP_HEAD_EXTRA_MAX)
#define DESK_SIZE (AT_HEAD + HEAD_SIZE)

struct ds_http {
    struct ds_http_options options;
    struct mg_context *civetweb;
    struct ds_watch *watch;
    pthread_mutex_t lock;
    struct desk *desks;
    atomic_bool streams_stop;
    atomic_bool stopped;
    uint16_t port;
};

struct ds_http_stream {
    struct ds_http *http;
    struct mg_connection *connection;
    struct desk *desk;
    bool gone;
};

/* ---- Desks ---- */

static void *make_desk(const struct mg_context *context, int thread_type)
{
    struct ds_http *http = mg_get_user_data(context);
    struct desk *desk = thread_type == 1 ? calloc(1, sizeof(*desk)) : NULL;

    if (desk == NULL) {
        return NULL;
    }
    void *memory =
        mmap(NULL, DESK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        free(desk);
        return NULL;
    }
    desk->memory = memory;
    desk->http = http;
    pthread_mutex_lock(&http->lock);
    desk->next = http->desks;
    http->desks = desk;
    pthread_mutex_unlock(&http->lock);
    ds_watch_add(http->watch, &desk->watched);
    return desk;
}

static void free_desks(struct ds_http *http)
{
    while (http->desks != NULL) {
        struct desk *desk = http->desks;

        http->desks = desk->next;
        ds_arena_part(desk->memory, DESK_SIZE);
        (void)munmap(desk->memory, DESK_SIZE);
        free(desk);
    }
}

/* ---- Answers ---- */

static void watch_begin(struct desk *desk, const struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);

    ds_watch_begin(desk->http->watch, &desk->watched, info->remote_addr, info->remote_port,
                   info->server_port, desk->http->options.body_deadline_ms);
}

static bool write_all(struct mg_connection *connection, struct ds_slice bytes)
{
    return bytes.size == 0 ||
           mg_write(connection, bytes.data, bytes.size) == (int)bytes.size; /* At most 5 MiB. */
}

bool ds_http_stream_alive(const struct ds_http_stream *stream)
{
    return !stream->gone && !atomic_load(&stream->http->streams_stop);
}

bool ds_http_stream_write(struct ds_http_stream *stream, struct ds_slice bytes)
{
    if (!ds_http_stream_alive(stream)) {
        return false;
    }
    watch_begin(stream->desk, stream->connection);
    stream->gone = !write_all(stream->connection, bytes);
    (void)ds_watch_end(stream->http->watch, &stream->desk->watched);
    return !stream->gone;
}

static void send_answer(struct desk *desk, struct mg_connection *connection,
                        struct ds_http_answer *answer)
{
    struct ds_builder head;
    struct ds_slice bytes = {NULL, 0};
    struct ds_slice body = {NULL, 0};

    if (answer->stream == NULL && ds_builder_end(&answer->body, &body) != DS_OK) {
        answer->status = 500;
        answer->content_type = "application/problem+json";
        ds_builder_init(&answer->body, answer->body.data, answer->body.size);
        desk->http->options.refuse(&answer->body, 500, "the answer is larger than allowed");
        if (ds_builder_end(&answer->body, &body) != DS_OK) {
            return;
        }
    }
    ds_builder_init(&head, desk->memory + AT_HEAD, HEAD_SIZE);
    ds_http_put_head(&head, answer, answer->stream == NULL ? (int64_t)body.size : -1);
    if (ds_builder_end(&head, &bytes) != DS_OK) {
        return;
    }
    watch_begin(desk, connection);
    bool sent = write_all(connection, bytes) && write_all(connection, body);

    (void)ds_watch_end(desk->http->watch, &desk->watched);
    if (answer->stream != NULL) { /* Also of a client that is gone: it gives back what it holds. */
        struct ds_http_stream stream = {desk->http, connection, desk, !sent};

        answer->stream(answer->stream_context, &stream);
    }
}

static void refuse(struct desk *desk, struct mg_connection *connection, int status, const char *why)
{
    struct ds_http_answer answer = {.status = status, .content_type = "application/problem+json"};

    ds_builder_init(&answer.body, desk->memory + AT_ANSWER, DS_HTTP_ANSWER_MAX);
    ds_builder_init(&answer.extra, desk->memory + AT_EXTRA, DS_HTTP_HEAD_EXTRA_MAX);
    ds_metrics_add(&desk->http->options.metrics->http_refused, 1);
    desk->http->options.refuse(&answer.body, status, why);
    send_answer(desk, connection, &answer);
}

/* ---- Requests ---- */

/* False: the body did not come whole before the deadline. */
static bool read_body(struct desk *desk, struct mg_connection *connection, size_t size)
{
    size_t got = 0;

    if (size == 0) {
        return true;
    }
    watch_begin(desk, connection);
    while (got < size) {
        int read = mg_read(connection, desk->memory + got, size - got);

        if (read <= 0) {
            break;
        }
        got += (size_t)read;
    }
    return ds_watch_end(desk->http->watch, &desk->watched) && got == size;
}

static void handle(struct desk *desk, struct mg_connection *connection,
                   struct ds_http_request *request)
{
    struct ds_http *http = desk->http;
    struct ds_arena arena;
    struct ds_http_answer answer = {.status = 500};

    ds_arena_init(&arena, desk->memory + AT_ARENA, DS_HTTP_ARENA_SIZE);
    ds_builder_init(&answer.body, desk->memory + AT_ANSWER, DS_HTTP_ANSWER_MAX);
    ds_builder_init(&answer.extra, desk->memory + AT_EXTRA, DS_HTTP_HEAD_EXTRA_MAX);
    request->arena = &arena;
    http->options.handle(http->options.context, request, &answer);
    send_answer(desk, connection, &answer);
    ds_metrics_add(&http->options.metrics->http_requests, 1);
    /* Memory goes back after a large request, and now and then: an arena does not tell how much
     * of it was touched. */
    if (request->body.size + answer.body.used > KEEP_SIZE || ++desk->served % KEEP_REQUESTS == 0) {
        (void)madvise(desk->memory, DESK_SIZE, MADV_DONTNEED);
    }
}

/* civetweb reads on what a refused request still sends, without an end of its own: it has this
 * long, until the connection is closed. */
static void let_linger(struct desk *desk, const struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);

    ds_watch_begin(desk->http->watch, &desk->watched, info->remote_addr, info->remote_port,
                   info->server_port, LINGER_MS);
}

static void connection_closed(const struct mg_connection *connection)
{
    struct desk *desk = mg_get_thread_pointer(connection);

    if (desk != NULL) {
        (void)ds_watch_end(desk->http->watch, &desk->watched);
    }
}

static int begin_request(struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct desk *desk = mg_get_thread_pointer(connection);
    struct ds_http_header headers[MG_MAX_HEADERS];
    struct ds_http_request request;

    if (desk == NULL) { /* No memory for this thread: nothing can be said either. */
        return 503;
    }
    memset(&request, 0, sizeof(request));
    for (int i = 0; i < info->num_headers; i++) {
        headers[i] =
            (struct ds_http_header){info->http_headers[i].name, info->http_headers[i].value};
    }
    request.method = info->request_method;
    request.head = (struct ds_http_head){.method = info->request_method,
                                         .target = info->request_uri,
                                         .query = info->query_string,
                                         .headers = headers,
                                         .header_count = (size_t)info->num_headers};
    struct ds_http_verdict verdict = ds_http_check(&request.head, DS_HTTP_BODY_MAX);

    if (verdict.status == 0 && ds_http_decode(ds_slice_of_text(info->request_uri), false,
                                              request.path, sizeof(request.path)) != DS_OK) {
        verdict = (struct ds_http_verdict){.status = 400, .why = "the path is not sound"};
    }
    if (verdict.status != 0) {
        refuse(desk, connection, verdict.status, verdict.why);
        let_linger(desk, connection);
        return verdict.status;
    }
    if (!desk->http->options.behind_proxy ||
        !ds_http_forwarded(&request.head, request.address, sizeof(request.address))) {
        (void)snprintf(request.address, sizeof(request.address), "%s", info->remote_addr);
    }
    if (!read_body(desk, connection, verdict.body_size)) {
        refuse(desk, connection, 408, "the body did not come in time");
        return 408;
    }
    request.body = (struct ds_slice){desk->memory, verdict.body_size};
    handle(desk, connection, &request);
    return 200;
}

/* civetweb's own refusals, in our form. */
static int http_error(struct mg_connection *connection, int status, const char *why)
{
    struct desk *desk = mg_get_thread_pointer(connection);

    (void)why; /* It may hold parts of the request. */
    if (desk == NULL) {
        return 1;
    }
    refuse(desk, connection, status, "the request is not sound");
    let_linger(desk, connection);
    return 0;
}

static int log_message(const struct mg_connection *connection, const char *message)
{
    const struct mg_context *context = mg_get_context(connection);
    struct ds_http *http = context != NULL ? mg_get_user_data(context) : NULL;
    struct ds_log_line line;

    if (http != NULL) {
        ds_log_begin(&line, http->options.log, DS_LOG_WARN, "http");
        ds_log_text(&line, "message", message);
        ds_log_end(&line);
    }
    return 1;
}

/* ---- Starting and stopping ---- */

static enum ds_err start_civetweb(struct ds_http *http, struct ds_detail *detail)
{
    char workers[16];
    char timeout[16];
    struct mg_server_port port = {0};
    const char *const options[] = {
        "listening_ports",
        http->options.listen,
        "num_threads",
        workers,
        "request_timeout_ms",
        timeout,
        "linger_timeout_ms",
        "1000",
        "enable_keep_alive",
        "no",
        "tcp_nodelay",
        "1",
        "connection_queue",
        "64",
        "listen_backlog",
        "1024",
        "decode_url",
        "no",
        "enable_auth_domain_check",
        "no",
        NULL,
    };
    const struct mg_callbacks callbacks = {
        .begin_request = begin_request,
        .http_error = http_error,
        .log_message = log_message,
        .init_thread = make_desk,
        .connection_closed = connection_closed,
    };

    (void)snprintf(workers, sizeof(workers), "%u", (unsigned)http->options.workers);
    (void)snprintf(timeout, sizeof(timeout), "%u", (unsigned)http->options.request_timeout_ms);
    /* The feature is there in every build; what counts is that the library answers (F1). */
    if (mg_init_library(MG_FEATURES_FILES) == 0) {
        ds_detail_set(detail, "civetweb cannot be initialised", (const char *)NULL);
        return DS_ERR_IO;
    }
    http->civetweb = mg_start(&callbacks, http, (const char **)options);
    if (http->civetweb == NULL) {
        ds_detail_set(detail, "cannot listen at ", http->options.listen, (const char *)NULL);
        (void)mg_exit_library();
        return DS_ERR_IO;
    }
    if (mg_get_server_ports(http->civetweb, 1, &port) == 1) {
        http->port = (uint16_t)port.port;
    }
    return DS_OK;
}

static void free_http(struct ds_http *http)
{
    ds_watch_close(http->watch); /* Before the desks, whose entries it walks. */
    free_desks(http);
    (void)pthread_mutex_destroy(&http->lock);
    free(http);
}

enum ds_err ds_http_start(const struct ds_http_options *options, struct ds_http **http,
                          struct ds_detail *detail)
{
    struct ds_http *made = NULL;
    bool loopback = false;

    *http = NULL;
    if (!ds_http_listen_ok(options->listen, &loopback)) {
        ds_detail_set(detail, options->listen, ": not an IPv4 address and port",
                      (const char *)NULL);
        return DS_ERR_USAGE;
    }
    if (!loopback && !options->behind_proxy) {
        ds_detail_set(detail, options->listen,
                      ": not loopback; plain HTTP leaves this machine only behind a proxy",
                      (const char *)NULL);
        return DS_ERR_FORBIDDEN;
    }
    made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->options = *options;
    atomic_init(&made->streams_stop, false);
    atomic_init(&made->stopped, false);
    (void)pthread_mutex_init(&made->lock, NULL);
    enum ds_err err = ds_watch_open(&options->metrics->http_deadline, &made->watch);

    if (err == DS_OK) {
        err = start_civetweb(made, detail);
    }
    if (err != DS_OK) {
        free_http(made);
        return err;
    }
    *http = made;
    return DS_OK;
}

void ds_http_stop_streams(struct ds_http *http)
{
    atomic_store(&http->streams_stop, true);
}

/* civetweb looks for its stop flag every two seconds, or when a connection comes: here one is. */
static void *nudge(void *context)
{
    struct ds_http *http = context;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http->port)};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while (!atomic_load(&http->stopped)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd >= 0) {
            (void)connect(fd, (const struct sockaddr *)&to, sizeof(to));
            (void)close(fd);
        }
        (void)poll(NULL, 0, NUDGE_MS);
    }
    return NULL;
}

void ds_http_stop(struct ds_http *http)
{
    pthread_t nudger;

    if (http == NULL) {
        return;
    }
    ds_http_stop_streams(http);
    bool nudged = pthread_create(&nudger, NULL, nudge, http) == 0;

    mg_stop(http->civetweb);
    atomic_store(&http->stopped, true);
    if (nudged) {
        (void)pthread_join(nudger, NULL);
    }
    (void)mg_exit_library();
    free_http(http);
}

uint16_t ds_http_port(const struct ds_http *http)
{
    return http->port;
}

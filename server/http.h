/* HTTP serving: the one adapter over civetweb; handlers see the small structs here, nothing else.
 *
 * One connection is one request (no keep-alive: an idle connection would hold a thread, design:
 * trust, F4). Plain HTTP, on loopback unless a proxy stands in front. Each worker thread has a
 * desk: memory for one request, its handler's arena and its answer, made once and given back to
 * the system after a large one; worker stacks are 100 KiB. A connection whose body or answer is
 * not through at its deadline is cut (http_watch.h). */
#ifndef DS_SERVER_HTTP_H
#define DS_SERVER_HTTP_H

#include "schema/base/arena.h"
#include "server/http_head.h"
#include "server/log.h"
#include "server/metrics.h"

#define DS_HTTP_BODY_MAX 1048576              /* Bytes; as DS_REQUEST_SIZE_MAX. */
#define DS_HTTP_ANSWER_MAX (5 * 1024 * 1024)  /* Bytes of a body that is not a stream. */
#define DS_HTTP_ARENA_SIZE (13 * 1024 * 1024) /* As DS_SERVE_ARENA_SIZE, and a little. */
#define DS_HTTP_HEAD_EXTRA_MAX 2048           /* Bytes of an answer's further header lines. */
#define DS_HTTP_ADDRESS_MAX 48

struct ds_http;
struct ds_http_stream; /* A connection that an answer is being streamed to. */

struct ds_http_request {
    const char *method;
    char path[DS_HTTP_PATH_MAX + 1]; /* Decoded. */
    struct ds_http_head head;
    struct ds_slice body;
    char address
        [DS_HTTP_ADDRESS_MAX]; /* The client's, as the proxy in front told if there is one. */
    struct ds_arena *arena;    /* Empty; for whatever the handler needs. */
};

struct ds_http_answer {
    int status;
    const char *content_type; /* Static; NULL: not named. */
    bool bare;                /* For a device that counts bytes: nothing that only browsers heed. */
    struct ds_builder body;   /* DS_HTTP_ANSWER_MAX bytes of room; unused by a stream. */
    struct ds_builder extra;  /* Header lines, through ds_http_add_header() only. */
    /* Not NULL: after the head this writes the body, until it returns. */
    void (*stream)(void *context, struct ds_http_stream *stream);
    void *stream_context;
};
/* Values with control characters are left out. */
void ds_http_add_header(struct ds_http_answer *answer, const char *name, const char *value);
/* False when the client is gone or the server stops. */
bool ds_http_stream_write(struct ds_http_stream *stream, struct ds_slice bytes);
bool ds_http_stream_alive(const struct ds_http_stream *stream);

struct ds_http_options {
    const char *listen; /* "127.0.0.1:8420", port 0: any. */
    bool behind_proxy;
    uint32_t workers;
    uint32_t request_timeout_ms;
    uint32_t body_deadline_ms;
    /* Any worker thread; answer comes with status 500 and empty. */
    void (*handle)(void *context, const struct ds_http_request *request,
                   struct ds_http_answer *answer);
    /* Writes the body of a refusal that no handler saw, application/problem+json. */
    void (*refuse)(struct ds_builder *out, int status, const char *why);
    void *context;
    struct ds_log *log;         /* Borrowed, may be NULL. */
    struct ds_metrics *metrics; /* Borrowed. */
};

/* DS_ERR_FORBIDDEN: not a loopback address and no proxy; DS_ERR_USAGE: not ADDR:PORT;
 * DS_ERR_IO: the port is taken, or the library is not as expected. */
DS_NODISCARD enum ds_err ds_http_start(const struct ds_http_options *options, struct ds_http **http,
                                       struct ds_detail *detail);
/* Waits for the requests that are being handled. NULL is allowed. */
void ds_http_stop(struct ds_http *http);
/* Streams end soon after this; call it before ds_http_stop(). */
void ds_http_stop_streams(struct ds_http *http);
uint16_t ds_http_port(const struct ds_http *http);

/* An answer's head; size -1: the body ends with the connection. */
void ds_http_put_head(struct ds_builder *out, const struct ds_http_answer *answer, int64_t size);

/* Is "A.B.C.D:PORT" well formed, and is it loopback? */
bool ds_http_listen_ok(const char *listen, bool *loopback);

#endif

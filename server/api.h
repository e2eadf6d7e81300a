/* The REST API's frame: one route table, one dispatcher, one way to answer.
 *
 * A route says who may call it, what it takes and gives; the dispatcher finds it, knows the caller
 * (session by Bearer or cookie, with a header token against forged requests), checks his roles and
 * the body's shape, runs the handler, and turns errors into application/problem+json by the one
 * error table. A handler sees a struct ds_call and writes JSON into call->out. */
#ifndef DS_SERVER_API_H
#define DS_SERVER_API_H

#include "server/http.h"
#include "server/office.h"
#include "server/shapes.h"

#define DS_API_PARAMETERS_MAX 3 /* Of a path. */
#define DS_API_LIMIT_DEFAULT 50
#define DS_API_LIMIT_MAX 200
#define DS_API_COOKIE "__Host-doorstep"
#define DS_API_TOKEN_HEADER "X-Doorstep-Token"

/* Who may call a route, beside a set of roles: */
#define DS_API_PUBLIC 0          /* Anybody. */
#define DS_API_SIGNED_IN 0x8000U /* Whoever has a session. */

struct ds_api;
struct ds_call;

struct ds_route_query {
    const char *name;
    const char *type; /* int, text, id, day or enum:LIST. */
    const char *doc;
};
struct ds_route {
    const char *method;
    const char *path; /* "/api/v1/meters/{id}": the parameter is 32 hex digits. */
    const char *name; /* For the document: operationId. */
    uint16_t roles;   /* DS_API_PUBLIC, DS_API_SIGNED_IN, or a set of roles, any of which. */
    enum ds_err (*handle)(struct ds_call *call);
    const char
        *takes; /* Shape of the body; NULL: none; "text/csv" or "application/octet-stream". */
    const char *gives; /* Shape of the answer; or a content type, when it is not JSON. */
    const struct ds_route_query *queries; /* Ends with a NULL name; may be NULL. */
    const char *doc;
};
/* Static; count routes. */
const struct ds_route *ds_routes(size_t *count);

struct ds_call {
    struct ds_api *api;
    struct ds_office *office;
    const struct ds_http_request *request;
    struct ds_http_answer *answer;
    struct ds_builder *out; /* The answer's body. */
    struct ds_arena *arena;
    const struct ds_route *route;
    struct ds_session session;               /* If the route is not public. */
    char session_id[DS_SESSION_TEXT_SIZE];   /* "" without. */
    struct ds_id ids[DS_API_PARAMETERS_MAX]; /* Of each {id} in the path. */
    json_t *body;                            /* Of routes that take a shape. */
    struct ds_detail detail;
    uint32_t retry_after_s; /* Goes with DS_ERR_BUSY. */
    int status;             /* Of an error, where another one than its own fits; 0: its own. */
    uint32_t opened;        /* Personal fields that were opened. */
};

struct ds_api_options {
    struct ds_office *office; /* Borrowed. */
    const char *version;      /* Of the program. */
    uint32_t event_streams_max;
};
DS_NODISCARD enum ds_err ds_api_open(const struct ds_api_options *options, struct ds_api **api);
void ds_api_close(struct ds_api *api);
/* For ds_http_start(): context is the ds_api. */
void ds_api_handle(void *context, const struct ds_http_request *request,
                   struct ds_http_answer *answer);
void ds_api_refuse(struct ds_builder *out, int status, const char *why);

/* The OpenAPI 3.1 document. */
void ds_openapi_put(struct ds_builder *out);
/* The reference of routes as Markdown (API.md). */
void ds_api_put_reference(struct ds_builder *out);

#endif

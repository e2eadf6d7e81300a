#include "schema/base/text.h"
#include "server/api_state.h"
#include "server/call.h"

#include <stdlib.h>
#include <string.h>

enum ds_err ds_api_open(const struct ds_api_options *options, struct ds_api **api)
{
    struct ds_api *made = calloc(1, sizeof(*made));

    *api = made;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->options = *options;
    (void)pthread_mutex_init(&made->lock, NULL);
    return DS_OK;
}

void ds_api_close(struct ds_api *api)
{
    if (api == NULL) {
        return;
    }
    for (size_t i = 0; i < api->codec_count; i++) {
        ds_envelope_codec_fini(&api->codecs[i]);
    }
    (void)pthread_mutex_destroy(&api->lock);
    free(api);
}

/* ---- Problems ---- */

static void put_problem(struct ds_builder *out, int status, const char *title, const char *code,
                        const char *detail)
{
    ds_put_text(out, "{\"type\":\"about:blank\",\"title\":");
    ds_json_put_string(out, ds_slice_of_text(title));
    ds_put_text(out, ",\"status\":");
    ds_put_decimal(out, status);
    ds_put_text(out, ",\"code\":");
    ds_json_put_string(out, ds_slice_of_text(code));
    if (detail[0] != '\0') {
        ds_put_text(out, ",\"detail\":");
        ds_json_put_string(out, ds_slice_of_text(detail));
    }
    ds_put_text(out, "}");
}

void ds_api_refuse(struct ds_builder *out, int status, const char *why)
{
    enum ds_err err =
        status == 413 || status == 414 || status == 431 ? DS_ERR_LIMIT : DS_ERR_DECODE;

    err = status >= 500 ? DS_ERR_LIMIT : err;
    put_problem(out, status, ds_err_text(err), ds_err_name(err), why);
}

static void answer_problem(struct ds_call *call, enum ds_err err, int status)
{
    struct ds_http_answer *answer = call->answer;
    uint8_t digits[16];
    struct ds_builder seconds;

    answer->status = status;
    answer->content_type = "application/problem+json";
    answer->stream = NULL;
    ds_builder_init(&answer->body, answer->body.data, answer->body.size);
    put_problem(&answer->body, status, ds_err_text(err), ds_err_name(err), call->detail.text);
    if (status == 503 || status == 429) {
        ds_builder_init(&seconds, digits, sizeof(digits));
        ds_put_decimal(&seconds, call->retry_after_s > 0 ? call->retry_after_s : 1);
        ds_http_add_header(answer, "Retry-After", ds_builder_text(&seconds));
    }
    if (status == 401) {
        ds_http_add_header(answer, "WWW-Authenticate", "Bearer");
    }
}

/* ---- Finding a route ---- */

/* One segment of a path against one of a pattern. */
static bool match_segment(struct ds_call *call, struct ds_slice pattern, struct ds_slice segment,
                          size_t *ids)
{
    if (!ds_slice_equal(pattern, DS_SLICE_LIT("{id}"))) {
        return ds_slice_equal(pattern, segment);
    }
    return *ids < DS_API_PARAMETERS_MAX && ds_id_parse(segment, &call->ids[(*ids)++]) == DS_OK;
}

static struct ds_slice next_segment(const char **path)
{
    const char *from = *path + (**path == '/');
    size_t size = strcspn(from, "/");

    *path = from + size;
    return (struct ds_slice){(const uint8_t *)from, size};
}

static bool match(struct ds_call *call, const char *pattern, const char *path)
{
    size_t ids = 0;

    while (*pattern != '\0' && *path != '\0') {
        struct ds_slice want = next_segment(&pattern);
        struct ds_slice have = next_segment(&path);

        if (!match_segment(call, want, have, &ids)) {
            return false;
        }
    }
    return *pattern == '\0' && *path == '\0';
}

/* NULL: none; *other then tells whether the path is one of another method. */
static const struct ds_route *find_route(struct ds_call *call, const char **other)
{
    size_t count = 0;
    const struct ds_route *routes = ds_routes(&count);

    *other = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!match(call, routes[i].path, call->request->path)) {
            continue;
        }
        if (strcmp(routes[i].method, call->request->method) == 0) {
            return &routes[i];
        }
        *other = routes[i].method;
    }
    return NULL;
}

/* ---- Who calls ---- */

static bool take_session_id(struct ds_call *call, const char *from, size_t size)
{
    if (size != DS_SESSION_TEXT_SIZE - 1) {
        return false;
    }
    memcpy(call->session_id, from, size);
    call->session_id[size] = '\0';
    return true;
}

/* The value of our cookie in a Cookie header. */
static bool take_cookie(struct ds_call *call, const char *header)
{
    static const char name[] = DS_API_COOKIE "=";

    while (header != NULL && *header != '\0') {
        header += strspn(header, "; ");
        size_t size = strcspn(header, ";");

        if (size > sizeof(name) - 1 && memcmp(header, name, sizeof(name) - 1) == 0) {
            return take_session_id(call, header + sizeof(name) - 1, size - (sizeof(name) - 1));
        }
        header += size;
    }
    return false;
}

static enum ds_err authenticate(struct ds_call *call)
{
    const struct ds_http_head *head = &call->request->head;
    const char *bearer = ds_http_find(head, "Authorization");
    bool by_cookie = false;

    if (bearer != NULL) {
        if (strncmp(bearer, "Bearer ", 7) != 0 ||
            !take_session_id(call, bearer + 7, strlen(bearer + 7))) {
            return ds_call_wrong(call, DS_ERR_AUTH, "Authorization: not a session");
        }
    } else {
        by_cookie = take_cookie(call, ds_http_find(head, "Cookie"));
        if (!by_cookie) {
            return ds_call_wrong(call, DS_ERR_AUTH, "log in first");
        }
    }
    DS_TRY(ds_session_find(call->office->users, call->session_id, &call->session));
    /* Another site can make a browser send the cookie, but not read or send the token. */
    if (by_cookie && strcmp(call->request->method, "GET") != 0) {
        const char *token = ds_http_find(head, DS_API_TOKEN_HEADER);

        if (token == NULL || strlen(token) != strlen(call->session.token) ||
            !ds_equal_secret(token, call->session.token, strlen(token))) {
            return ds_call_wrong(call, DS_ERR_FORBIDDEN, DS_API_TOKEN_HEADER ": missing or wrong");
        }
    }
    return DS_OK;
}

/* A role for a team opens what shows and what writes an op: the fold asks whose team it is about,
 * and personal fields open by the team of their row. Everything else needs the whole station. */
static uint16_t roles_here(const struct ds_call *call)
{
    bool judged_later = strcmp(call->route->method, "GET") == 0 ||
                        strcmp(call->route->gives, "Written") == 0 ||
                        strcmp(call->route->gives, "Decided") == 0;

    return call->session.roles | (judged_later ? call->session.team_roles : 0);
}

static enum ds_err authorise(struct ds_call *call)
{
    uint16_t roles = call->route->roles;

    if (roles == DS_API_PUBLIC) {
        return DS_OK;
    }
    DS_TRY(authenticate(call));
    if (roles == DS_API_SIGNED_IN || (roles & roles_here(call)) != 0) {
        return DS_OK;
    }
    return ds_call_wrong(call, DS_ERR_FORBIDDEN, "none of your roles allows this");
}

/* ---- Bodies ---- */

static bool is_media(const char *name)
{
    return strchr(name, '/') != NULL;
}

/* The media type without its parameters, against the one wanted. Who names none sends octets (RFC
 * 9110, 8.3): a handheld saves the line. */
static bool has_media(const struct ds_call *call, const char *want)
{
    const char *have = ds_http_find(&call->request->head, "Content-Type");
    size_t size = strlen(want);

    if (have == NULL) {
        return strcmp(want, "application/octet-stream") == 0;
    }
    return strncmp(have, want, size) == 0 &&
           (have[size] == '\0' || have[size] == ';' || have[size] == ' ');
}

static enum ds_err take_body(struct ds_call *call)
{
    const char *takes = call->route->takes;

    if (takes == NULL) {
        if (call->request->body.size > 0) {
            return ds_call_wrong(call, DS_ERR_USAGE, "this takes no body");
        }
        return DS_OK;
    }
    if (!has_media(call, is_media(takes) ? takes : "application/json")) {
        call->status = 415;
        return ds_call_wrong(call, DS_ERR_USAGE, "Content-Type: not what this takes");
    }
    if (is_media(takes)) {
        return DS_OK;
    }
    DS_TRY(ds_json_parse(call->request->body, &call->body, &call->detail));
    return ds_shape_check(takes, call->body, &call->detail);
}

/* ---- Dispatch ---- */

static enum ds_err dispatch(struct ds_call *call)
{
    const char *other = NULL;

    call->route = find_route(call, &other);
    if (call->route == NULL) {
        if (other != NULL) {
            call->status = 405;
            ds_http_add_header(call->answer, "Allow", other);
            return ds_call_wrong(call, DS_ERR_USAGE, "not with this method");
        }
        return ds_call_wrong(call, DS_ERR_NOT_FOUND, "no such path");
    }
    DS_TRY(authorise(call));
    DS_TRY(take_body(call));
    call->answer->status = 200;
    call->answer->content_type =
        is_media(call->route->gives) ? call->route->gives : "application/json";
    return call->route->handle(call);
}

static void log_call(struct ds_call *call, enum ds_err err)
{
    struct ds_log_line line;

    /* Reads that went well are counted, not told, unless somebody's personal data was read. */
    if (err == DS_OK && call->opened == 0 && strcmp(call->request->method, "GET") == 0) {
        return;
    }
    ds_log_begin(&line, call->office->log, call->answer->status >= 500 ? DS_LOG_ERROR : DS_LOG_INFO,
                 "request");
    ds_log_text(&line, "method", call->request->method);
    ds_log_text(&line, "route", call->route != NULL ? call->route->name : "none");
    ds_log_number(&line, "status", call->answer->status);
    if (!ds_id_is_none(&call->session.user.worker)) {
        ds_log_id(&line, "worker", &call->session.user.worker);
    }
    if (call->opened != 0) {
        ds_log_number(&line, "personal", call->opened);
        ds_log_text(&line, "path", call->request->path);
    }
    if (err != DS_OK) {
        ds_log_text(&line, "error", ds_err_name(err));
    }
    ds_log_text(&line, "address", call->request->address);
    ds_log_end(&line);
}

void ds_api_handle(void *context, const struct ds_http_request *request,
                   struct ds_http_answer *answer)
{
    struct ds_api *api = context;
    struct ds_call *call = ds_arena_alloc(request->arena, sizeof(*call));

    DS_ASSERT(call != NULL);
    call->api = api;
    call->office = api->options.office;
    call->request = request;
    call->answer = answer;
    call->out = &answer->body;
    call->arena = request->arena;
    enum ds_err err = dispatch(call);

    if (err == DS_OK && answer->body.failed) {
        err = DS_ERR_LIMIT;
        call->status = 500;
    }
    if (err != DS_OK) {
        answer_problem(call, err, call->status != 0 ? call->status : ds_err_http(err));
    }
    log_call(call, err);
    json_decref(call->body);
    ds_wipe(&call->session, sizeof(call->session));
    if (answer->stream == NULL) {
        ds_wipe(call->session_id, sizeof(call->session_id));
    }
}

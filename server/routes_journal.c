/* The journal's head, proofs over it, and the office's feed: by polling and as an event stream. */
#include "schema/base/text.h"
#include "server/api_state.h"
#include "server/proof.h"
#include "server/routes.h"

#include <string.h>

#define FEED_ROWS 200 /* Of one page. */
#define FEED_BYTES ((size_t)512 * 1024)
#define STREAM_CHUNK ((size_t)2 * 1024 * 1024) /* Room for one page as JSON. */
#define STREAM_WAIT_MS 2000 /* How late a stream notices that the server stops. */
#define STREAM_PING_MS 6000
#define RETRY_AFTER_S 5

/* ---- Head and proofs ---- */

enum ds_err ds_route_head(struct ds_call *call)
{
    return ds_proof_put_head(call->office->site, call->out);
}

enum ds_err ds_route_proof(struct ds_call *call)
{
    struct ds_id op;
    bool given = false;
    int64_t from = 0;
    int64_t to = 0;

    DS_TRY(ds_call_query_id(call, "op", &op, &given));
    DS_TRY(ds_call_int(call, "from", 1, INT64_MAX, &from));
    DS_TRY(ds_call_int(call, "to", 1, INT64_MAX, &to));
    if (given == (from > 0)) {
        return ds_call_wrong(call, DS_ERR_USAGE, "either op or from");
    }
    if (given) {
        return ds_proof_put_op(call->office->site, &op, call->arena, call->out);
    }
    enum ds_err err =
        ds_proof_put_range(call->office->site, (uint64_t)from, (uint64_t)to, call->out);

    return err == DS_ERR_USAGE ? ds_call_wrong(call, err, "from <= to <= the journal's size") : err;
}

/* ---- Feed ---- */

/* after=POSITION or POSITION.ORDINAL; absent: from the beginning. */
static enum ds_err take_cursor(struct ds_call *call, struct ds_cursor_at *at)
{
    char text[64];
    bool given = false;
    int64_t position = 0;
    int64_t ordinal = UINT32_MAX;

    *at = (struct ds_cursor_at){
        .scope = {.kind = DS_SCOPE_OFFICE, .key = call->office->site->station, .view = 0}};
    DS_TRY(ds_call_text(call, "after", text, sizeof(text), &given));
    if (!given || text[0] == '\0') {
        return DS_OK;
    }
    size_t size = strcspn(text, ".");
    bool sound = ds_int_parse((struct ds_slice){(const uint8_t *)text, size}, &position) == DS_OK;

    if (sound && text[size] == '.') {
        sound = ds_int_parse(ds_slice_of_text(text + size + 1), &ordinal) == DS_OK;
    }
    if (!sound || position < 0 || ordinal < 0 || ordinal > UINT32_MAX) {
        return ds_call_wrong(call, DS_ERR_USAGE, "after: POSITION or POSITION.ORDINAL");
    }
    at->position = (uint64_t)position;
    at->ordinal = (uint64_t)ordinal;
    return DS_OK;
}

static void put_cursor(struct ds_builder *out, const struct ds_cursor_at *at)
{
    ds_put_decimal(out, (int64_t)at->position);
    if (at->ordinal < UINT32_MAX) {
        ds_put_text(out, ".");
        ds_put_decimal(out, (int64_t)at->ordinal);
    }
}

static enum ds_err put_change(struct ds_view *view, const struct ds_row *row)
{
    const struct ds_record_type *type = ds_record_type_by_number(row->type);

    ds_put_text(view->out, "{\"record\":");
    ds_json_put_string(view->out, ds_slice_of_text(type != NULL ? type->name : "unknown"));
    ds_put_text(view->out, ",\"id\":\"");
    ds_put_hex(view->out, DS_SLICE_OF(row->id));
    ds_put_text(view->out, "\",\"position\":");
    ds_put_decimal(view->out, (int64_t)row->position);
    ds_put_text(view->out, row->fields.size == 0 ? ",\"gone\":true" : ",\"gone\":false");
    if (row->fields.size != 0) {
        ds_put_text(view->out, ",\"row\":");
        DS_TRY(ds_view_put_map(view, (uint8_t)row->type, &row->id, row->fields));
    }
    ds_put_text(view->out, "}");
    return DS_OK;
}

static enum ds_err read_page(struct ds_view *view, const struct ds_cursor_at *at, size_t rows,
                             struct ds_page *page)
{
    uint64_t position = 0;

    DS_TRY(ds_view_position(view, &position));
    return ds_feed_page(view->txn, at, position, rows, FEED_BYTES, view->arena, page);
}

static enum ds_err put_changes(struct ds_call *call, struct ds_view *view, size_t limit)
{
    struct ds_cursor_at at;
    struct ds_page page;

    DS_TRY(take_cursor(call, &at));
    DS_TRY(read_page(view, &at, limit, &page));
    ds_put_text(call->out, "{\"items\":[");
    for (size_t i = 0; i < page.row_count; i++) {
        ds_put_text(call->out, i > 0 ? "," : "");
        DS_TRY(put_change(view, &page.rows[i]));
    }
    ds_put_text(call->out, "],\"next\":\"");
    put_cursor(call->out, &page.cursor);
    ds_put_text(call->out, page.complete ? "\",\"more\":false}" : "\",\"more\":true}");
    return DS_OK;
}

enum ds_err ds_route_changes(struct ds_call *call)
{
    struct ds_view view;
    size_t limit = 0;

    DS_TRY(ds_call_limit(call, &limit));
    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put_changes(call, &view, limit);

    ds_view_end(&view);
    return err;
}

/* ---- Events (WHATWG HTML, server-sent events) ---- */

struct events {
    struct ds_office *office;
    struct ds_arena *arena;
    uint8_t *chunk; /* STREAM_CHUNK */
    struct ds_cursor_at at;
    bool personal;
    char session[DS_SESSION_TEXT_SIZE];
};

/* One page of the feed as events; *more: another one waits. */
static enum ds_err write_page(struct events *events, struct ds_http_stream *stream, bool *more)
{
    struct ds_builder out;
    struct ds_slice bytes;
    struct ds_view view;
    struct ds_page page;
    size_t mark = ds_arena_mark(events->arena);

    ds_builder_init(&out, events->chunk, STREAM_CHUNK);
    DS_TRY(ds_view_begin(&view, events->office, events->arena, &out, events->personal));
    enum ds_err err = read_page(&view, &events->at, FEED_ROWS, &page);

    for (size_t i = 0; err == DS_OK && i < page.row_count; i++) {
        ds_put_text(&out, "event: change\ndata: ");
        err = put_change(&view, &page.rows[i]);
        ds_put_text(&out, "\n\n");
    }
    ds_view_end(&view);
    ds_arena_rewind(events->arena, mark);
    DS_TRY(err);
    *more = !page.complete;
    events->at = page.cursor;
    if (page.row_count > 0) {
        /* The browser hands the id back when it reconnects: only a page that is whole counts. */
        ds_put_text(&out, "id: ");
        put_cursor(&out, &page.cursor);
        ds_put_text(&out, "\nevent: cursor\ndata: ");
        put_cursor(&out, &page.cursor);
        ds_put_text(&out, "\n\n");
    }
    DS_TRY(ds_builder_end(&out, &bytes));
    return bytes.size == 0 || ds_http_stream_write(stream, bytes) ? DS_OK : DS_ERR_UNREACHABLE;
}

static bool still_signed_in(struct events *events)
{
    struct ds_session session;
    bool good = ds_session_peek(events->office->users, events->session, &session) == DS_OK &&
                (session.roles & DS_ROLES_READ) != 0;

    events->personal = good && (session.roles & DS_ROLES_PERSONAL) != 0;
    return good;
}

static void run_events(void *context, struct ds_http_stream *stream)
{
    struct events *events = context;
    struct ds_metrics *metrics = events->office->metrics;
    uint64_t size = 0;
    uint32_t silent_ms = 0;
    bool more = true;

    while (ds_http_stream_alive(stream)) {
        if (more) {
            if (!still_signed_in(events) || write_page(events, stream, &more) != DS_OK) {
                break;
            }
            size = events->at.position;
            silent_ms = 0;
            continue;
        }
        uint64_t now = ds_writer_wait(events->office->writer, size, STREAM_WAIT_MS);

        more = now > size;
        silent_ms = more ? 0 : silent_ms + STREAM_WAIT_MS;
        if (silent_ms >= STREAM_PING_MS) {
            silent_ms = 0;
            if (!still_signed_in(events) ||
                !ds_http_stream_write(stream, DS_SLICE_LIT(": still here\n\n"))) {
                break;
            }
        }
    }
    ds_wipe(events->session, sizeof(events->session));
    atomic_fetch_sub(&metrics->event_streams, 1);
}

enum ds_err ds_route_events(struct ds_call *call)
{
    struct ds_metrics *metrics = call->office->metrics;
    struct events *events = ds_arena_alloc(call->arena, sizeof(*events));
    const char *last = ds_http_find(&call->request->head, "Last-Event-ID");

    if (events == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(take_cursor(call, &events->at));
    if (last != NULL) {
        struct ds_http_request again = *call->request;
        char query[80] = "after=";

        /* What the stream itself gave out goes before what the page was opened with. */
        if (strlen(last) < sizeof(query) - 7 && strspn(last, "0123456789.") == strlen(last)) {
            memcpy(query + 6, last, strlen(last) + 1);
            again.head.query = query;
            const struct ds_http_request *before = call->request;

            call->request = &again;
            enum ds_err err = take_cursor(call, &events->at);

            call->request = before;
            DS_TRY(err);
        }
    }
    events->chunk = ds_arena_room(call->arena, STREAM_CHUNK);
    if (events->chunk == NULL) {
        return DS_ERR_NOMEM;
    }
    if (atomic_fetch_add(&metrics->event_streams, 1) >= call->api->options.event_streams_max) {
        atomic_fetch_sub(&metrics->event_streams, 1);
        ds_metrics_add(&metrics->events_refused, 1);
        call->retry_after_s = RETRY_AFTER_S;
        return ds_call_wrong(call, DS_ERR_BUSY,
                             "all event streams are taken; poll /api/v1/changes?after=");
    }
    events->office = call->office;
    events->arena = call->arena;
    memcpy(events->session, call->session_id, sizeof(events->session));
    call->answer->content_type = "text/event-stream";
    call->answer->stream = run_events;
    call->answer->stream_context = events;
    return DS_OK;
}

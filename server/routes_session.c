/* Logging in and out, who asks, and who works here. */
#include "server/routes.h"

#include <string.h>

static void put_roles(struct ds_builder *out, uint16_t roles)
{
    bool first = true;

    ds_put_text(out, "[");
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        if ((roles >> role & 1) != 0) {
            ds_put_text(out, first ? "\"" : ",\"");
            ds_put_text(out, ds_enum_name(DS_LIST_role, role));
            ds_put_text(out, "\"");
            first = false;
        }
    }
    ds_put_text(out, "]");
}

static void put_who(struct ds_call *call)
{
    struct ds_builder *out = call->out;

    ds_put_text(out, "\"token\":\"");
    ds_put_text(out, call->session.token);
    ds_put_text(out, "\",\"expires_ms\":");
    ds_put_decimal(out, call->session.expires_ms);
    ds_put_text(out, ",\"user\":");
    ds_json_put_string(out, ds_slice_of_text(call->session.user.name));
    ds_put_text(out, ",\"worker\":\"");
    ds_put_hex(out, DS_SLICE_OF(call->session.user.worker));
    ds_put_text(out, "\",\"roles\":");
    put_roles(out, call->session.roles);
    ds_put_text(out, ",\"team_roles\":");
    put_roles(out, call->session.team_roles);
}

enum ds_err ds_route_login(struct ds_call *call)
{
    const char *name = ds_call_member(call, "user");
    const json_t *password = json_object_get(call->body, "password");
    char cookie[DS_SESSION_TEXT_SIZE + 96];
    struct ds_builder text;
    enum ds_err err = ds_session_begin(
        call->office->users, name,
        (struct ds_slice){(const uint8_t *)json_string_value(password),
                          json_string_length(password)},
        call->request->address, call->session_id, &call->session, &call->retry_after_s);

    if (err != DS_OK) {
        ds_metrics_add(&call->office->metrics->logins_refused, 1);
        call->status = err == DS_ERR_BUSY ? 429 : 0; /* He asks too often; the server is well. */
        return ds_call_wrong(
            call, err, err == DS_ERR_AUTH ? "user or password is wrong" : "too many tries; wait");
    }
    ds_metrics_add(&call->office->metrics->logins, 1);
    ds_builder_init(&text, cookie, sizeof(cookie));
    ds_put_text(&text, DS_API_COOKIE "=");
    ds_put_text(&text, call->session_id);
    ds_put_text(&text, "; Path=/; Secure; HttpOnly; SameSite=Strict");
    ds_http_add_header(call->answer, "Set-Cookie", ds_builder_text(&text));
    ds_put_text(call->out, "{\"session\":\"");
    ds_put_text(call->out, call->session_id);
    ds_put_text(call->out, "\",");
    put_who(call);
    ds_put_text(call->out, "}");
    ds_wipe(cookie, sizeof(cookie));
    return DS_OK;
}

enum ds_err ds_route_logout(struct ds_call *call)
{
    ds_session_end(call->office->users, call->session_id);
    ds_http_add_header(call->answer, "Set-Cookie",
                       DS_API_COOKIE "=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    ds_put_text(call->out, "{\"ok\":true}");
    return DS_OK;
}

static enum ds_err put_me(struct ds_call *call, struct ds_view *view)
{
    bool first = false;
    uint64_t position = 0;

    DS_TRY(ds_view_position(view, &position));
    ds_put_text(call->out, "{");
    put_who(call);
    DS_TRY(
        ds_view_put_member(view, "station", DS_REC_station, &call->office->site->station, &first));
    ds_put_text(call->out, ",\"now_ms\":");
    ds_put_decimal(call->out, ds_call_now_ms(call));
    ds_put_text(call->out, ",\"position\":");
    ds_put_decimal(call->out, (int64_t)position);
    ds_put_text(call->out, "}");
    return DS_OK;
}

enum ds_err ds_route_me(struct ds_call *call)
{
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put_me(call, &view);

    ds_view_end(&view);
    return err;
}

static enum ds_err put_worker(struct ds_call *call, struct ds_view *view, const struct ds_id *id)
{
    struct ds_worker worker;
    uint16_t roles = 0;
    uint16_t team_roles = 0;
    bool first = true;
    size_t mark = ds_arena_mark(call->arena);

    DS_TRY(ds_record_load(view->txn, DS_REC_worker, id, call->arena, &worker));
    DS_TRY(ds_roles_of(view->txn, &call->office->site->station, id, ds_call_now_ms(call), &roles,
                       &team_roles));
    ds_put_text(call->out, "{");
    ds_view_put_fields(view, DS_REC_worker, id, &worker, &first);
    ds_put_text(call->out, ",\"roles\":");
    put_roles(call->out, roles);
    ds_put_text(call->out, ",\"team_roles\":");
    put_roles(call->out, team_roles);
    ds_put_text(call->out, "}");
    ds_arena_rewind(call->arena, mark);
    return DS_OK;
}

enum ds_err ds_route_workers(struct ds_call *call)
{
    struct ds_page_of_links page;
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err =
        ds_page_begin(call, &view, DS_LINK_STATION_WORKER, &call->office->site->station, &page);

    while (err == DS_OK && ds_page_next(&page, &err)) {
        err = put_worker(call, &view, &page.child);
    }
    if (err == DS_OK) {
        ds_page_end(&page);
    }
    ds_view_end(&view);
    return err;
}

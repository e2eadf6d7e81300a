/* Devices with their health, enrolment codes, and tasks. */
#include "server/people.h"
#include "server/routes.h"

#include <string.h>

/* ---- Devices ---- */

static void put_health(struct ds_view *view, const struct ds_device_health *health)
{
    struct ds_builder *out = view->out;

    ds_put_text(out, ",\"contact_ms\":");
    ds_put_decimal(out, health->contact_ms);
    ds_put_text(out, ",\"unsent\":");
    ds_put_decimal(out, (int64_t)health->unsent);
    if (health->oldest_unsent_ms != 0) {
        ds_put_text(out, ",\"oldest_unsent_ms\":");
        ds_put_decimal(out, health->oldest_unsent_ms);
    }
    ds_put_text(out, ",\"skew_ms\":");
    ds_put_decimal(out, health->skew_ms);
    if (health->battery_percent != 0) {
        ds_put_text(out, ",\"battery_percent\":");
        ds_put_decimal(out, health->battery_percent);
    }
    ds_put_text(out, ",\"free_kib\":");
    ds_put_decimal(out, (int64_t)health->free_kib);
    ds_put_text(out, ",\"version\":");
    ds_json_put_string(out, ds_slice_of_text(health->version));
}

static void put_doubt(struct ds_view *view, const struct ds_device_health *health)
{
    static const char *const words[] = {
        [DS_DOUBT_ROLLED_BACK] = "rolled_back",
        [DS_DOUBT_OTHER_ROOT] = "other_root",
        [DS_DOUBT_NO_PROOF] = "no_proof",
        [DS_DOUBT_EPOCH] = "epoch",
        [DS_DOUBT_LOST] = "lost",
    };
    struct ds_builder *out = view->out;
    bool known = health->doubt < DS_COUNT(words) && words[health->doubt] != NULL;

    ds_put_text(out, ",\"doubts\":");
    ds_put_decimal(out, (int64_t)health->doubts);
    ds_put_text(out, ",\"doubt\":");
    ds_json_put_string(out, ds_slice_of_text(known ? words[health->doubt] : "unknown"));
    ds_put_text(out, health->doubt_open ? ",\"doubt_open\":true" : ",\"doubt_open\":false");
    ds_put_text(out, ",\"doubt_size\":");
    ds_put_decimal(out, (int64_t)health->doubt_size);
    ds_put_text(out, ",\"shown_size\":");
    ds_put_decimal(out, (int64_t)health->shown_size);
}

/* An order's number is the position at which its state was given. */
static enum ds_err put_obeyed(struct ds_view *view, const struct ds_id *id,
                              const struct ds_device *device, uint64_t obeyed)
{
    struct ds_key key = ds_key_row(DS_REC_device, id);
    struct ds_slice value;
    struct ds_slice fields;
    uint64_t changed = 0;

    if (device->state != DS_DEVICE_locked && device->state != DS_DEVICE_wiped) {
        return DS_OK;
    }
    DS_TRY(ds_txn_get(view->txn, DS_TABLE_ROW, ds_key_slice(&key), &value));
    DS_TRY(ds_row_fields(value, &fields, &changed));
    ds_put_text(view->out, changed == obeyed ? ",\"obeyed\":true" : ",\"obeyed\":false");
    return DS_OK;
}

enum ds_err ds_view_put_device(struct ds_view *view, const struct ds_id *id)
{
    struct ds_device device;
    struct ds_device_health health = {.obeyed = 0};
    char number[64];
    bool first = true;
    size_t mark = ds_arena_mark(view->arena);

    DS_TRY(ds_record_load(view->txn, DS_REC_device, id, view->arena, &device));
    ds_put_text(view->out, "{");
    ds_view_put_fields(view, DS_REC_device, id, &device, &first);
    if (DS_HAS(&device, device, worker) &&
        ds_view_number(view, DS_REC_worker, &device.worker, number, sizeof(number))) {
        ds_put_text(view->out, ",\"worker_number\":");
        ds_json_put_string(view->out, ds_slice_of_text(number));
    }
    if (ds_healths_get(view->office->healths, id, &health) == DS_OK) {
        put_health(view, &health);
        if (health.doubts > 0) {
            put_doubt(view, &health);
        }
    }
    DS_TRY(put_obeyed(view, id, &device, health.obeyed));
    ds_put_text(view->out, "}");
    ds_arena_rewind(view->arena, mark);
    return DS_OK;
}

enum ds_err ds_route_devices(struct ds_call *call)
{
    struct ds_page_of_links page;
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err =
        ds_page_begin(call, &view, DS_LINK_STATION_DEVICE, &call->office->site->station, &page);

    while (err == DS_OK && ds_page_next(&page, &err)) {
        err = ds_view_put_device(&view, &page.child);
    }
    if (err == DS_OK) {
        ds_page_end(&page);
    }
    ds_view_end(&view);
    return err;
}

enum ds_err ds_route_device(struct ds_call *call)
{
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = ds_view_put_device(&view, &call->ids[0]);

    ds_view_end(&view);
    return err;
}

enum ds_err ds_route_device_code(struct ds_call *call)
{
    struct ds_people_code *code = ds_arena_alloc(call->arena, sizeof(*code));
    struct ds_id worker;

    if (code == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_people_worker(call->office, ds_call_member(call, "worker"), &worker, &call->detail));
    DS_TRY(ds_people_code(call->office, &worker, NULL, NULL, 0, code, &call->detail));
    ds_put_text(call->out, "{\"text\":");
    ds_json_put_string(call->out, ds_slice_of_text(code->text));
    ds_put_text(call->out, ",\"expires_ms\":");
    ds_put_decimal(call->out, code->expires_ms);
    ds_put_text(call->out, "}");
    return DS_OK;
}

enum ds_err ds_route_device_change(struct ds_call *call)
{
    struct ds_device device = {.presence = {0}};

    DS_TRY(ds_call_must_exist(call, DS_REC_device, &call->ids[0], "no such device"));
    DS_SET(&device, device, state, ds_call_member_word(call, "state", DS_LIST_device_state));
    return ds_call_write(call, DS_REC_device, &device, &call->ids[0], false);
}

/* ---- Tasks ---- */

enum ds_err ds_route_tasks(struct ds_call *call)
{
    struct ds_page_of_links page;
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err =
        ds_page_begin(call, &view, DS_LINK_STATION_TASK, &call->office->site->station, &page);

    while (err == DS_OK && ds_page_next(&page, &err)) {
        err = ds_view_put_row(&view, DS_REC_task, &page.child);
    }
    if (err == DS_OK) {
        ds_page_end(&page);
    }
    ds_view_end(&view);
    return err;
}

enum ds_err ds_route_task(struct ds_call *call)
{
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = ds_view_put_row(&view, DS_REC_task, &call->ids[0]);

    ds_view_end(&view);
    return err;
}

/* Members that a new task and a changed one have alike. */
static void take_task(struct ds_call *call, struct ds_task *task)
{
    struct ds_id id;
    int64_t number = 0;
    const char *reason = ds_call_member(call, "reason");

    if (ds_call_member_id(call, "assignee", &id)) {
        DS_SET(task, task, assignee, id);
    }
    if (ds_call_member_int(call, "due_ms", &number)) {
        DS_SET(task, task, due_ms, number);
    }
    if (ds_call_member_int(call, "priority", &number)) {
        DS_SET(task, task, priority, number);
    }
    if (reason != NULL) {
        DS_SET(task, task, reason, ds_slice_of_text(reason));
    }
}

enum ds_err ds_route_task_make(struct ds_call *call)
{
    struct ds_task task = {.presence = {0}};
    struct ds_id id;
    int64_t number = 0;

    take_task(call, &task);
    DS_SET(&task, task, kind, ds_call_member_word(call, "kind", DS_LIST_task_kind));
    if (ds_call_member_id(call, "premises", &id)) {
        DS_SET(&task, task, premises, id);
    }
    if (ds_call_member_id(call, "meter", &id)) {
        DS_SET(&task, task, meter, id);
    }
    if (ds_call_member_int(call, "period", &number)) {
        DS_SET(&task, task, period, number);
    }
    DS_SET(&task, task, state, DS_HAS(&task, task, assignee) ? DS_TASK_assigned : DS_TASK_created);
    return ds_call_write(call, DS_REC_task, &task, NULL, true);
}

enum ds_err ds_route_task_change(struct ds_call *call)
{
    struct ds_task task = {.presence = {0}};
    int64_t state = ds_call_member_word(call, "state", DS_LIST_task_state);

    DS_TRY(ds_call_must_exist(call, DS_REC_task, &call->ids[0], "no such task"));
    take_task(call, &task);
    if (state != 0) {
        DS_SET(&task, task, state, state);
    }
    if (task.presence.set == 0) {
        return ds_call_wrong(call, DS_ERR_SCHEMA, "nothing to change");
    }
    return ds_call_write(call, DS_REC_task, &task, &call->ids[0], false);
}

/* Books with their progress, rounds in walking order, and periods. */
#include "schema/base/text.h"
#include "server/routes.h"

#include <string.h>

/* The latest period of a book that was ever opened; 0: none. */
static enum ds_err latest_period(struct ds_view *view, const struct ds_id *book, uint32_t *period)
{
    struct ds_key key = ds_link_first(DS_LINK_BOOK_PERIOD, book);
    struct ds_id child;
    uint32_t order = 0;
    uint8_t type = 0;
    enum ds_err err = DS_OK;

    *period = 0;
    while ((err = ds_link_next(view->txn, &key, &order, &child, &type)) == DS_OK) {
        *period = order;
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

struct progress {
    int64_t state; /* enum ds_period_state, 0: never opened. */
    uint64_t meters;
    uint64_t read;
    uint64_t held;
    uint64_t decided;
    uint64_t anomalies;
    uint64_t exportable;
    uint64_t sent;
    int64_t consumption_l;
};

static void count_slot(struct progress *progress, const struct ds_slot *slot)
{
    progress->read += slot->state != DS_SLOT_empty;
    progress->held += slot->state == DS_SLOT_held || slot->state == DS_SLOT_decided_new_evidence;
    progress->decided +=
        slot->state == DS_SLOT_decided || slot->state == DS_SLOT_decided_new_evidence;
    progress->anomalies += (uint64_t)DS_GET(slot, slot, anomalies, 0);
    progress->exportable += DS_GET(slot, slot, exportable, 0) != 0;
    progress->sent += DS_GET(slot, slot, sent_revision, 0) > 0;
    progress->consumption_l += DS_GET(slot, slot, consumption_l, 0);
}

static enum ds_err count_book(struct ds_view *view, const struct ds_id *book, uint32_t period,
                              struct progress *progress)
{
    const struct ds_id period_id = ds_period_id(&view->office->site->station, book, period);
    struct ds_key key = ds_link_first(DS_LINK_BOOK_METER, book);
    struct ds_period row;
    struct ds_id child;
    uint32_t order = 0;
    uint8_t type = 0;
    size_t mark = ds_arena_mark(view->arena);

    memset(progress, 0, sizeof(*progress));
    enum ds_err err = ds_record_load(view->txn, DS_REC_period, &period_id, view->arena, &row);

    if (err == DS_OK) {
        progress->state = row.state;
    } else if (err != DS_ERR_NOT_FOUND) {
        return err;
    }
    while ((err = ds_link_next(view->txn, &key, &order, &child, &type)) == DS_OK) {
        struct ds_slot slot;
        struct ds_id slot_id;

        progress->meters++;
        err = ds_view_slot(view, &child, period, &slot_id, &slot);
        if (err == DS_OK) {
            count_slot(progress, &slot);
        } else if (err != DS_ERR_NOT_FOUND) {
            return err;
        }
        ds_arena_rewind(view->arena, mark);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static void put_number(struct ds_builder *out, const char *name, int64_t value)
{
    ds_put_text(out, ",\"");
    ds_put_text(out, name);
    ds_put_text(out, "\":");
    ds_put_decimal(out, value);
}

static enum ds_err put_progress(struct ds_view *view, const struct ds_id *book, uint32_t period)
{
    struct ds_builder *out = view->out;
    struct progress progress;

    DS_TRY(count_book(view, book, period, &progress));
    ds_put_text(out, ",\"progress\":{\"period\":");
    ds_put_decimal(out, period);
    if (progress.state != 0) {
        ds_put_text(out, ",\"state\":\"");
        ds_put_text(out, ds_enum_name(DS_LIST_period_state, progress.state));
        ds_put_text(out, "\"");
    }
    put_number(out, "meters", (int64_t)progress.meters);
    put_number(out, "read", (int64_t)progress.read);
    put_number(out, "held", (int64_t)progress.held);
    put_number(out, "decided", (int64_t)progress.decided);
    put_number(out, "anomalies", (int64_t)progress.anomalies);
    put_number(out, "exportable", (int64_t)progress.exportable);
    put_number(out, "sent", (int64_t)progress.sent);
    put_number(out, "consumption_l", progress.consumption_l);
    ds_put_text(out, "}");
    return DS_OK;
}

/* Number and name of the worker who walks a book. */
static void put_assignee(struct ds_view *view, const struct ds_id *id)
{
    struct ds_worker worker;

    if (ds_record_load(view->txn, DS_REC_worker, id, view->arena, &worker) == DS_OK) {
        ds_put_text(view->out, ",\"assignee_number\":");
        ds_json_put_string(view->out, worker.number);
        ds_put_text(view->out, ",\"assignee_name\":");
        ds_json_put_string(view->out, worker.name);
    }
}

/* period 0: the latest that was opened. */
static enum ds_err put_book(struct ds_view *view, const struct ds_id *id, uint32_t period)
{
    struct ds_book book;
    bool first = true;
    size_t mark = ds_arena_mark(view->arena);

    DS_TRY(ds_record_load(view->txn, DS_REC_book, id, view->arena, &book));
    ds_put_text(view->out, "{");
    ds_view_put_fields(view, DS_REC_book, id, &book, &first);
    if (DS_HAS(&book, book, assignee)) {
        put_assignee(view, &book.assignee);
    }
    ds_arena_rewind(view->arena, mark);
    if (period == 0) {
        DS_TRY(latest_period(view, id, &period));
    }
    if (period != 0) {
        DS_TRY(put_progress(view, id, period));
    }
    ds_put_text(view->out, "}");
    return DS_OK;
}

static enum ds_err take_period(struct ds_call *call, uint32_t *period)
{
    int64_t value = 0;

    DS_TRY(ds_call_int(call, "period", 190001, 999912, &value));
    if (value != 0 && !ds_period_ok(value)) {
        return ds_call_wrong(call, DS_ERR_USAGE, "period: not YYYYMM");
    }
    *period = (uint32_t)value;
    return DS_OK;
}

enum ds_err ds_route_books(struct ds_call *call)
{
    struct ds_page_of_links page;
    struct ds_view view;
    uint32_t period = 0;

    DS_TRY(take_period(call, &period));
    DS_TRY(ds_call_view(call, &view));
    enum ds_err err =
        ds_page_begin(call, &view, DS_LINK_STATION_BOOK, &call->office->site->station, &page);

    while (err == DS_OK && ds_page_next(&page, &err)) {
        err = put_book(&view, &page.child, period);
    }
    if (err == DS_OK) {
        ds_page_end(&page);
    }
    ds_view_end(&view);
    return err;
}

enum ds_err ds_route_book(struct ds_call *call)
{
    struct ds_view view;
    uint32_t period = 0;

    DS_TRY(take_period(call, &period));
    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put_book(&view, &call->ids[0], period);

    ds_view_end(&view);
    return err;
}

static enum ds_err put_round_item(struct ds_view *view, const struct ds_id *meter_id,
                                  uint32_t period)
{
    struct ds_meter meter;
    struct ds_slot slot;
    struct ds_id slot_id;
    const struct ds_id none = {{0}};
    bool first = true;
    size_t mark = ds_arena_mark(view->arena);

    DS_TRY(ds_record_load(view->txn, DS_REC_meter, meter_id, view->arena, &meter));
    ds_put_text(view->out, "{");
    DS_TRY(ds_view_put_member(view, "meter", DS_REC_meter, meter_id, &first));
    DS_TRY(ds_view_put_member(view, "premises", DS_REC_premises,
                              DS_HAS(&meter, meter, premises) ? &meter.premises : &none, &first));
    DS_TRY(ds_view_put_member(view, "account", DS_REC_account,
                              DS_HAS(&meter, meter, account) ? &meter.account : &none, &first));
    if (period != 0) {
        enum ds_err err = ds_view_slot(view, meter_id, period, &slot_id, &slot);

        if (err == DS_OK) {
            DS_TRY(ds_view_put_member(view, "slot", DS_REC_slot, &slot_id, &first));
        } else if (err != DS_ERR_NOT_FOUND) {
            return err;
        }
    }
    ds_put_text(view->out, "}");
    ds_arena_rewind(view->arena, mark);
    return DS_OK;
}

static enum ds_err put_round(struct ds_call *call, struct ds_view *view, uint32_t period)
{
    struct ds_page_of_links page;
    struct ds_book book;
    enum ds_err err = DS_OK;

    DS_TRY(ds_record_load(view->txn, DS_REC_book, &call->ids[0], call->arena, &book));
    if (period == 0) {
        DS_TRY(latest_period(view, &call->ids[0], &period));
    }
    DS_TRY(ds_page_begin(call, view, DS_LINK_BOOK_METER, &call->ids[0], &page));
    while (err == DS_OK && ds_page_next(&page, &err)) {
        err = put_round_item(view, &page.child, period);
    }
    DS_TRY(err);
    ds_page_end(&page);
    return DS_OK;
}

enum ds_err ds_route_book_meters(struct ds_call *call)
{
    struct ds_view view;
    uint32_t period = 0;

    DS_TRY(take_period(call, &period));
    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put_round(call, &view, period);

    ds_view_end(&view);
    return err;
}

enum ds_err ds_route_book_assign(struct ds_call *call)
{
    struct ds_book book = {.presence = {0}};
    struct ds_id worker;

    DS_TRY(ds_call_must_exist(call, DS_REC_book, &call->ids[0], "no such book"));
    DS_ASSERT(ds_call_member_id(call, "assignee", &worker));
    DS_TRY(ds_call_must_exist(call, DS_REC_worker, &worker, "no such worker"));
    DS_SET(&book, book, assignee, worker);
    return ds_call_write(call, DS_REC_book, &book, &call->ids[0], false);
}

/* ---- Periods ---- */

static enum ds_err put_periods_of_all(struct ds_call *call, struct ds_view *view)
{
    struct ds_page_of_links page;
    enum ds_err err =
        ds_page_begin(call, view, DS_LINK_STATION_BOOK, &call->office->site->station, &page);
    bool first = true;

    while (err == DS_OK && ds_page_next(&page, &err)) {
        uint32_t period = 0;

        err = latest_period(view, &page.child, &period);
        if (err == DS_OK && period != 0) {
            const struct ds_id id = ds_period_id(&call->office->site->station, &page.child, period);

            err = ds_view_put_row(view, DS_REC_period, &id);
            first = false;
        } else if (err == DS_OK && !call->out->failed && call->out->used > 0 &&
                   call->out->data[call->out->used - 1] == ',') {
            call->out->used--; /* Nothing came behind the page's comma. */
        }
        if (first) {
            page.count = 0;
        }
    }
    DS_TRY(err);
    ds_page_end(&page);
    return DS_OK;
}

static enum ds_err put_periods(struct ds_call *call, struct ds_view *view)
{
    struct ds_page_of_links page;
    struct ds_id book;
    bool given = false;
    enum ds_err err = DS_OK;

    DS_TRY(ds_call_query_id(call, "book", &book, &given));
    if (!given) {
        return put_periods_of_all(call, view);
    }
    DS_TRY(ds_page_begin(call, view, DS_LINK_BOOK_PERIOD, &book, &page));
    while (err == DS_OK && ds_page_next(&page, &err)) {
        err = ds_view_put_row(view, DS_REC_period, &page.child);
    }
    DS_TRY(err);
    ds_page_end(&page);
    return DS_OK;
}

enum ds_err ds_route_periods(struct ds_call *call)
{
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put_periods(call, &view);

    ds_view_end(&view);
    return err;
}

enum ds_err ds_route_period_open(struct ds_call *call)
{
    struct ds_period period = {.presence = {0}};
    struct ds_id book;
    int64_t month = 0;
    int64_t day = 0;

    DS_ASSERT(ds_call_member_id(call, "book", &book));
    DS_ASSERT(ds_call_member_int(call, "period", &month));
    DS_TRY(ds_call_must_exist(call, DS_REC_book, &book, "no such book"));
    if (!ds_period_ok(month)) {
        return ds_call_wrong(call, DS_ERR_SCHEMA, "period: not YYYYMM");
    }
    const struct ds_id id = ds_period_id(&call->office->site->station, &book, (uint32_t)month);

    DS_SET(&period, period, book, book);
    DS_SET(&period, period, period, month);
    DS_SET(&period, period, state, DS_PERIOD_open);
    if (ds_call_member_int(call, "due_day", &day)) {
        DS_SET(&period, period, due_day, day);
    }
    return ds_call_write(call, DS_REC_period, &period, &id, true);
}

enum ds_err ds_route_period_change(struct ds_call *call)
{
    struct ds_period period = {.presence = {0}};

    DS_TRY(ds_call_must_exist(call, DS_REC_period, &call->ids[0], "no such period"));
    DS_SET(&period, period, state, ds_call_member_word(call, "state", DS_LIST_period_state));
    return ds_call_write(call, DS_REC_period, &period, &call->ids[0], false);
}

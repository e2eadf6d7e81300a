/* The supervisors' queue: open anomalies by money at risk, and decisions over slots. */
#include "schema/base/text.h"
#include "server/queue.h"
#include "server/routes.h"

#include <string.h>

/* ---- Pages of the queue (also of conflicts, proposals, quarantine) ---- */

enum ds_err ds_queue_begin(struct ds_call *call, struct ds_view *view, uint8_t type,
                           struct ds_queue_page *page)
{
    uint8_t after[DS_QUEUE_KEY_SIZE];
    size_t used = 0;

    memset(page, 0, sizeof(*page));
    page->call = call;
    page->view = view;
    page->type = type;
    page->scanned_max = DS_QUEUE_SCAN_MAX;
    DS_TRY(ds_call_limit(call, &page->left));
    DS_TRY(ds_call_after(call, after, sizeof(after), &used));
    if (used == 0) {
        page->at.byte[0] = type;
        page->at.size = 1;
    } else if (used != sizeof(after) || after[0] != type) {
        return ds_call_wrong(call, DS_ERR_USAGE, "after: not the next= of a page");
    } else {
        page->at = ds_key_after((struct ds_slice){after, sizeof(after)});
    }
    ds_put_text(call->out, "{\"items\":[");
    return DS_OK;
}

bool ds_queue_next(struct ds_queue_page *page, struct ds_id *id, enum ds_err *err)
{
    struct ds_slice found;
    struct ds_slice value;

    *err = ds_txn_at_or_after(page->view->txn, DS_TABLE_QUEUE, ds_key_slice(&page->at), &found,
                              &value);
    if (*err != DS_OK || found.size != DS_QUEUE_KEY_SIZE || found.data[0] != page->type) {
        *err = *err == DS_ERR_NOT_FOUND ? DS_OK : *err;
        return false;
    }
    if (page->left == 0 || page->scanned == page->scanned_max) {
        page->more = true;
        return false;
    }
    page->scanned++;
    memcpy(page->last, found.data, sizeof(page->last));
    memcpy(id->byte, found.data + DS_QUEUE_KEY_SIZE - sizeof(id->byte), sizeof(id->byte));
    page->at = ds_key_after(found);
    return true;
}

void ds_queue_comma(struct ds_queue_page *page)
{
    ds_put_text(page->call->out, page->count > 0 ? "," : "");
    page->count++;
    page->left--;
}

enum ds_err ds_queue_end(struct ds_queue_page *page)
{
    struct ds_builder *out = page->call->out;
    uint64_t position = 0;

    DS_TRY(ds_view_position(page->view, &position));
    ds_put_text(out, "]");
    if (page->more) {
        ds_put_text(out, ",\"next\":\"");
        ds_put_hex(out, (struct ds_slice){page->last, sizeof(page->last)});
        ds_put_text(out, "\"");
    }
    ds_put_text(out, ",\"position\":");
    ds_put_decimal(out, (int64_t)position);
    ds_put_text(out, "}");
    return DS_OK;
}

/* ---- Anomalies ---- */

struct filter {
    int64_t severity; /* 0: all */
    int64_t rule;
    int64_t period;
    struct ds_id book;
    bool by_book;
};

static enum ds_err take_word(struct ds_call *call, const char *name, enum ds_list list,
                             int64_t *number)
{
    char text[64];
    bool given = false;

    DS_TRY(ds_call_text(call, name, text, sizeof(text), &given));
    *number = given ? ds_enum_number(list, ds_slice_of_text(text)) : 0;
    if (given && *number == 0) {
        ds_detail_set(&call->detail, name, ": no such word", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}

static enum ds_err take_filter(struct ds_call *call, struct filter *filter)
{
    memset(filter, 0, sizeof(*filter));
    DS_TRY(take_word(call, "severity", DS_LIST_severity, &filter->severity));
    DS_TRY(take_word(call, "rule", DS_LIST_rule, &filter->rule));
    DS_TRY(ds_call_int(call, "period", 190001, 999912, &filter->period));
    return ds_call_query_id(call, "book", &filter->book, &filter->by_book);
}

static bool passes(const struct filter *filter, const struct ds_anomaly *anomaly)
{
    return (filter->severity == 0 || anomaly->severity == filter->severity) &&
           (filter->rule == 0 || anomaly->rule == filter->rule) &&
           (filter->period == 0 || anomaly->period == filter->period) &&
           (!filter->by_book ||
            (DS_HAS(anomaly, anomaly, book) && ds_id_equal(&anomaly->book, &filter->book)));
}

/* The anomaly with its slot and meter; without braces of its own when it fails the filter. */
static enum ds_err put_anomaly(struct ds_view *view, const struct ds_id *id,
                               const struct filter *filter, struct ds_queue_page *page)
{
    struct ds_anomaly anomaly;
    bool first = true;
    size_t mark = ds_arena_mark(view->arena);

    DS_TRY(ds_record_load(view->txn, DS_REC_anomaly, id, view->arena, &anomaly));
    if (filter != NULL && !passes(filter, &anomaly)) {
        ds_arena_rewind(view->arena, mark);
        return DS_OK;
    }
    if (page != NULL) {
        ds_queue_comma(page);
    }
    ds_put_text(view->out, "{");
    ds_view_put_fields(view, DS_REC_anomaly, id, &anomaly, &first);
    DS_TRY(ds_view_put_member(view, "slot_row", DS_REC_slot, &anomaly.slot, &first));
    DS_TRY(ds_view_put_member(view, "meter_row", DS_REC_meter, &anomaly.meter, &first));
    ds_put_text(view->out, "}");
    ds_arena_rewind(view->arena, mark);
    return DS_OK;
}

enum ds_err ds_route_anomalies(struct ds_call *call)
{
    struct ds_queue_page page;
    struct ds_view view;
    struct filter filter;
    struct ds_id id;

    DS_TRY(take_filter(call, &filter));
    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = ds_queue_begin(call, &view, DS_REC_anomaly, &page);

    while (err == DS_OK && ds_queue_next(&page, &id, &err)) {
        err = put_anomaly(&view, &id, &filter, &page);
    }
    if (err == DS_OK) {
        err = ds_queue_end(&page);
    }
    ds_view_end(&view);
    return err;
}

enum ds_err ds_route_anomaly(struct ds_call *call)
{
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put_anomaly(&view, &call->ids[0], NULL, NULL);

    ds_view_end(&view);
    return err;
}

/* ---- Decisions ---- */

/* Behind what was written: the slot as it now stands. */
static enum ds_err put_slot_after(struct ds_call *call, const struct ds_id *slot)
{
    struct ds_builder *out = call->out;
    struct ds_view view;

    DS_ASSERT(!out->failed && out->used > 0 && out->data[out->used - 1] == '}');
    out->used--;
    DS_TRY(ds_call_view(call, &view));
    ds_put_text(out, ",\"slot\":");
    enum ds_err err = ds_view_put_row(&view, DS_REC_slot, slot);

    ds_view_end(&view);
    ds_put_text(out, "}");
    return err;
}

static enum ds_err decide(struct ds_call *call, const struct ds_id *slot)
{
    struct ds_decision decision = {.presence = {0}};
    struct ds_hash hash;
    struct ds_id assignee;
    int64_t number = 0;
    int64_t action = ds_call_member_word(call, "action", DS_LIST_action);

    if (action != DS_ACTION_approve && action != DS_ACTION_correct && action != DS_ACTION_re_read &&
        action != DS_ACTION_dismiss) {
        return ds_call_wrong(call, DS_ERR_SCHEMA, "action: approve, correct, re_read or dismiss");
    }
    DS_TRY(ds_hash_parse(ds_slice_of_text(ds_call_member(call, "candidates_hash")), &hash));
    DS_SET(&decision, decision, target_type, DS_REC_slot);
    DS_SET(&decision, decision, target, *slot);
    DS_SET(&decision, decision, action, action);
    DS_SET(&decision, decision, candidates_hash, hash);
    DS_SET(&decision, decision, reason, ds_slice_of_text(ds_call_member(call, "reason")));
    DS_SET(&decision, decision, instant_ms, ds_call_now_ms(call));
    if (ds_call_member_int(call, "index", &number)) {
        DS_SET(&decision, decision, index, number);
    }
    if (ds_call_member_int(call, "consumption_l", &number)) {
        DS_SET(&decision, decision, consumption_l, number);
    }
    if (action == DS_ACTION_correct && !DS_HAS(&decision, decision, index) &&
        !DS_HAS(&decision, decision, consumption_l)) {
        return ds_call_wrong(call, DS_ERR_SCHEMA, "index: a correction needs an index or a volume");
    }
    if (ds_call_member_id(call, "assignee", &assignee)) {
        DS_SET(&decision, decision, assignee, assignee);
    }
    DS_TRY(ds_call_write(call, DS_REC_decision, &decision, NULL, true));
    return put_slot_after(call, slot);
}

enum ds_err ds_route_anomaly_decide(struct ds_call *call)
{
    struct ds_anomaly anomaly;
    struct ds_txn *txn = NULL;

    DS_TRY(ds_store_begin(call->office->site->store, false, &txn));
    enum ds_err err = ds_record_load(txn, DS_REC_anomaly, &call->ids[0], call->arena, &anomaly);
    const struct ds_id slot = err == DS_OK ? anomaly.slot : (struct ds_id){{0}};

    ds_txn_abort(txn);
    DS_TRY(err);
    return decide(call, &slot);
}

enum ds_err ds_route_slot_decide(struct ds_call *call)
{
    DS_TRY(ds_call_must_exist(call, DS_REC_slot, &call->ids[0], "no such slot"));
    return decide(call, &call->ids[0]);
}

enum ds_err ds_route_meter_merge(struct ds_call *call)
{
    struct ds_decision decision = {.presence = {0}};
    struct ds_id into;

    DS_ASSERT(ds_call_member_id(call, "into", &into));
    DS_TRY(ds_call_must_exist(call, DS_REC_meter, &call->ids[0], "no such meter"));
    DS_TRY(ds_call_must_exist(call, DS_REC_meter, &into, "into: no such meter"));
    DS_SET(&decision, decision, target_type, DS_REC_meter);
    DS_SET(&decision, decision, target, call->ids[0]);
    DS_SET(&decision, decision, action, DS_ACTION_merge_meter);
    DS_SET(&decision, decision, into, into);
    DS_SET(&decision, decision, reason, ds_slice_of_text(ds_call_member(call, "reason")));
    DS_SET(&decision, decision, instant_ms, ds_call_now_ms(call));
    return ds_call_write(call, DS_REC_decision, &decision, NULL, true);
}

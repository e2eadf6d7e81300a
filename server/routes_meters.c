/* Meters: found, and told whole; their readings and slots. */
#include "schema/base/text.h"
#include "server/routes.h"

#include <string.h>

#define STORY_PERIODS_DEFAULT 24
#define STORY_PERIODS_MAX 120
#define EVENTS_MAX 1000 /* Of a meter that are shown at once. */

/* ---- Finding ---- */

static enum ds_err put_by_account(struct ds_view *view, const char *number)
{
    const struct ds_id account = ds_call_numbered(view->office, DS_REC_account, number);

    return ds_view_put_links(view, DS_LINK_ACCOUNT_METER, &account, DS_REC_meter);
}

static enum ds_err put_by_number(struct ds_view *view, const char *manufacturer,
                                 const char *meter_no)
{
    const struct ds_id id = ds_meter_id(&view->office->site->station,
                                        ds_slice_of_text(manufacturer), ds_slice_of_text(meter_no));

    ds_put_text(view->out, "[");
    enum ds_err err = ds_view_put_row(view, DS_REC_meter, &id);

    ds_put_text(view->out, "]");
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_route_meters(struct ds_call *call)
{
    char manufacturer[160];
    char meter_no[160];
    char account[160];
    bool by_number = false;
    bool by_account = false;
    bool given = false;
    struct ds_view view;

    DS_TRY(ds_call_text(call, "manufacturer", manufacturer, sizeof(manufacturer), &given));
    DS_TRY(ds_call_text(call, "meter_no", meter_no, sizeof(meter_no), &by_number));
    DS_TRY(ds_call_text(call, "account", account, sizeof(account), &by_account));
    if (by_number == by_account) {
        return ds_call_wrong(call, DS_ERR_USAGE, "give meter_no (with manufacturer), or account");
    }
    DS_TRY(ds_call_view(call, &view));
    ds_put_text(call->out, "{\"items\":");
    enum ds_err err =
        by_number ? put_by_number(&view, manufacturer, meter_no) : put_by_account(&view, account);

    ds_put_text(call->out, "}");
    ds_view_end(&view);
    return err;
}

/* ---- Events of a meter, by period ---- */

struct events {
    uint32_t order[EVENTS_MAX];
    struct ds_id id[EVENTS_MAX];
    uint8_t type[EVENTS_MAX];
    size_t count;
};

static enum ds_err collect(struct ds_view *view, enum ds_link kind, const struct ds_id *parent,
                           uint32_t from, struct events **made)
{
    const struct ds_id none = {{0}};
    struct ds_key key = ds_key_link(kind, parent, from, &none);
    struct events *events = ds_arena_alloc(view->arena, sizeof(*events));
    enum ds_err err = DS_OK;

    *made = events;
    if (events == NULL) {
        return DS_ERR_NOMEM;
    }
    while (events->count < EVENTS_MAX &&
           (err = ds_link_next(view->txn, &key, &events->order[events->count],
                               &events->id[events->count], &events->type[events->count])) ==
               DS_OK) {
        events->count++;
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

/* ,"name":[rows of that type], newest period first. */
static enum ds_err put_events(struct ds_view *view, const char *name, const struct events *events,
                              uint8_t type, bool *first)
{
    bool empty = true;

    ds_json_put_name(view->out, name, first);
    ds_put_text(view->out, "[");
    for (size_t i = events->count; i > 0; i--) {
        if (events->type[i - 1] != type) {
            continue;
        }
        ds_put_text(view->out, empty ? "" : ",");
        DS_TRY(ds_view_put_row(view, type, &events->id[i - 1]));
        empty = false;
    }
    ds_put_text(view->out, "]");
    return DS_OK;
}

static enum ds_err put_visits(struct ds_view *view, const struct ds_id *premises,
                              const struct ds_id *meter, bool *first)
{
    struct events *events = NULL;
    bool empty = true;

    ds_json_put_name(view->out, "visits", first);
    ds_put_text(view->out, "[");
    if (!ds_id_is_none(premises)) {
        DS_TRY(collect(view, DS_LINK_PREMISES_EVENT, premises, 0, &events));
        for (size_t i = 0; i < events->count; i++) {
            struct ds_visit visit;
            size_t mark = ds_arena_mark(view->arena);

            DS_TRY(ds_record_load(view->txn, DS_REC_visit, &events->id[i], view->arena, &visit));
            bool ours = !DS_HAS(&visit, visit, meter) || ds_id_equal(&visit.meter, meter);

            ds_arena_rewind(view->arena, mark);
            if (ours) {
                ds_put_text(view->out, empty ? "" : ",");
                DS_TRY(ds_view_put_row(view, DS_REC_visit, &events->id[i]));
                empty = false;
            }
        }
    }
    ds_put_text(view->out, "]");
    return DS_OK;
}

/* ---- Slots of a meter ---- */

struct slots {
    struct ds_id id[STORY_PERIODS_MAX];
    struct ds_id decision[STORY_PERIODS_MAX]; /* None: undecided. */
    size_t count;
};

/* Newest first. Slots are keyed by (meter, register, period), so the last of a register is found by
 * looking back from beyond its end. */
static enum ds_err collect_slots(struct ds_view *view, const struct ds_id *meter, size_t limit,
                                 struct slots *slots)
{
    const struct ds_id *station = &view->office->site->station;

    slots->count = 0;
    for (int64_t kind = 1; kind <= ds_enum_last(DS_LIST_register); kind++) {
        uint32_t period = 999912;

        while (slots->count < limit && period > 0) {
            const struct ds_key key = ds_key_slot(meter, (uint8_t)kind, period);
            struct ds_slice found;
            struct ds_slice value;
            enum ds_err err =
                ds_txn_at_or_before(view->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value);

            if (err == DS_ERR_NOT_FOUND ||
                (err == DS_OK &&
                 (found.size != key.size || memcmp(found.data, key.byte, key.size - 4) != 0))) {
                break;
            }
            DS_TRY(err);
            struct ds_cursor cursor;
            struct ds_slot slot;
            size_t mark = ds_arena_mark(view->arena);

            ds_cursor_init(&cursor, found);
            (void)ds_take_bytes(&cursor, found.size - 4);
            period = ds_take_u32(&cursor);
            const struct ds_id id = ds_slot_id(station, meter, (uint8_t)kind, period);

            DS_TRY(ds_record_load(view->txn, DS_REC_slot, &id, view->arena, &slot));
            slots->id[slots->count] = id;
            slots->decision[slots->count] =
                DS_HAS(&slot, slot, decision) ? slot.decision : (struct ds_id){{0}};
            slots->count++;
            ds_arena_rewind(view->arena, mark);
            period--;
        }
    }
    return DS_OK;
}

static enum ds_err put_slot_parts(struct ds_view *view, const struct slots *slots, bool *first)
{
    bool empty = true;

    ds_json_put_name(view->out, "slots", first);
    ds_put_text(view->out, "[");
    for (size_t i = 0; i < slots->count; i++) {
        ds_put_text(view->out, i > 0 ? "," : "");
        DS_TRY(ds_view_put_row(view, DS_REC_slot, &slots->id[i]));
    }
    ds_put_text(view->out, "],\"decisions\":[");
    for (size_t i = 0; i < slots->count; i++) {
        if (!ds_id_is_none(&slots->decision[i])) {
            ds_put_text(view->out, empty ? "" : ",");
            DS_TRY(ds_view_put_row(view, DS_REC_decision, &slots->decision[i]));
            empty = false;
        }
    }
    ds_put_text(view->out, "],\"anomalies\":[");
    empty = true;
    for (size_t i = 0; i < slots->count; i++) {
        struct ds_key key = ds_link_first(DS_LINK_SLOT_ANOMALY, &slots->id[i]);
        struct ds_id child;
        uint32_t order = 0;
        uint8_t type = 0;
        enum ds_err err = DS_OK;

        while ((err = ds_link_next(view->txn, &key, &order, &child, &type)) == DS_OK) {
            ds_put_text(view->out, empty ? "" : ",");
            DS_TRY(ds_view_put_row(view, DS_REC_anomaly, &child));
            empty = false;
        }
        if (err != DS_ERR_NOT_FOUND) {
            return err;
        }
    }
    ds_put_text(view->out, "]");
    return DS_OK;
}

/* ---- The whole story ---- */

static enum ds_err put_items(struct ds_view *view, const struct ds_id entities[static 3],
                             uint8_t type, const char *name)
{
    bool first = true;

    ds_put_text(view->out, ",\"");
    ds_put_text(view->out, name);
    ds_put_text(view->out, "\":[");
    for (size_t i = 0; i < 3; i++) {
        if (!ds_id_is_none(&entities[i])) {
            DS_TRY(ds_items_about(view, type, &entities[i], &first));
        }
    }
    ds_put_text(view->out, "]");
    return DS_OK;
}

static enum ds_err put_story(struct ds_call *call, struct ds_view *view, size_t periods)
{
    const struct ds_id *id = &call->ids[0];
    const struct ds_id none = {{0}};
    struct ds_meter meter;
    struct slots *slots = ds_arena_alloc(call->arena, sizeof(*slots));
    struct events *events = NULL;
    bool first = true;

    if (slots == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_record_load(view->txn, DS_REC_meter, id, call->arena, &meter));
    const struct ds_id entities[3] = {
        *id,
        DS_HAS(&meter, meter, premises) ? meter.premises : none,
        DS_HAS(&meter, meter, account) ? meter.account : none,
    };

    ds_put_text(call->out, "{");
    DS_TRY(ds_view_put_member(view, "meter", DS_REC_meter, id, &first));
    DS_TRY(ds_view_put_member(view, "premises", DS_REC_premises, &entities[1], &first));
    DS_TRY(ds_view_put_member(view, "account", DS_REC_account, &entities[2], &first));
    DS_TRY(ds_view_put_member(view, "book", DS_REC_book,
                              DS_HAS(&meter, meter, book) ? &meter.book : &none, &first));
    DS_TRY(collect_slots(view, id, periods, slots));
    DS_TRY(put_slot_parts(view, slots, &first));
    DS_TRY(collect(view, DS_LINK_METER_EVENT, id, 0, &events));
    DS_TRY(put_events(view, "readings", events, DS_REC_reading, &first));
    DS_TRY(put_events(view, "swaps", events, DS_REC_swap, &first));
    DS_TRY(put_visits(view, &entities[1], id, &first));
    ds_put_text(call->out, ",\"tasks\":");
    DS_TRY(ds_view_put_links(view, DS_LINK_METER_TASK, id, DS_REC_task));
    DS_TRY(put_items(view, entities, DS_REC_conflict, "conflicts"));
    DS_TRY(put_items(view, entities, DS_REC_proposal, "proposals"));
    ds_put_text(call->out, "}");
    return DS_OK;
}

enum ds_err ds_route_meter(struct ds_call *call)
{
    int64_t periods = STORY_PERIODS_DEFAULT;
    struct ds_view view;

    DS_TRY(ds_call_int(call, "periods", 1, STORY_PERIODS_MAX, &periods));
    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put_story(call, &view, (size_t)periods);

    ds_view_end(&view);
    return err;
}

static enum ds_err put_readings(struct ds_call *call, struct ds_view *view, uint32_t period)
{
    struct events *events = NULL;
    bool first = true;

    DS_TRY(collect(view, DS_LINK_METER_EVENT, &call->ids[0], period, &events));
    ds_put_text(call->out, "{\"items\":[");
    for (size_t i = 0; i < events->count; i++) {
        if (events->type[i] != DS_REC_reading || (period != 0 && events->order[i] != period)) {
            continue;
        }
        ds_put_text(call->out, first ? "" : ",");
        DS_TRY(ds_view_put_row(view, DS_REC_reading, &events->id[i]));
        first = false;
    }
    ds_put_text(call->out, "]}");
    return DS_OK;
}

enum ds_err ds_route_meter_readings(struct ds_call *call)
{
    int64_t period = 0;
    struct ds_view view;

    DS_TRY(ds_call_int(call, "period", 190001, 999912, &period));
    DS_TRY(ds_call_must_exist(call, DS_REC_meter, &call->ids[0], "no such meter"));
    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put_readings(call, &view, (uint32_t)period);

    ds_view_end(&view);
    return err;
}

static enum ds_err put_slots(struct ds_call *call, struct ds_view *view)
{
    struct slots *slots = ds_arena_alloc(call->arena, sizeof(*slots));

    if (slots == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(collect_slots(view, &call->ids[0], STORY_PERIODS_MAX, slots));
    ds_put_text(call->out, "{\"items\":[");
    for (size_t i = slots->count; i > 0; i--) {
        ds_put_text(call->out, i < slots->count ? "," : "");
        DS_TRY(ds_view_put_row(view, DS_REC_slot, &slots->id[i - 1]));
    }
    ds_put_text(call->out, "]}");
    return DS_OK;
}

enum ds_err ds_route_meter_slots(struct ds_call *call)
{
    struct ds_view view;

    DS_TRY(ds_call_must_exist(call, DS_REC_meter, &call->ids[0], "no such meter"));
    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put_slots(call, &view);

    ds_view_end(&view);
    return err;
}

static enum ds_err put_one(struct ds_call *call, uint8_t type)
{
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = ds_view_put_row(&view, type, &call->ids[0]);

    ds_view_end(&view);
    return err;
}

enum ds_err ds_route_reading(struct ds_call *call)
{
    return put_one(call, DS_REC_reading);
}

enum ds_err ds_route_slot(struct ds_call *call)
{
    return put_one(call, DS_REC_slot);
}

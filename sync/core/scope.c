/* Which scopes hold a row, and which scopes a device holds (FORMAT.md, "Scopes"). */
#include "schema/base/text.h"
#include "sync/core/slot_impl.h"

#include <string.h>

enum { VIEW_READER = 1, VIEW_ALL = 0 };

static void add_scope(struct ds_scope_list *list, uint8_t kind, const struct ds_id *key,
                      uint8_t view)
{
    struct ds_scope scope = {.kind = kind, .key = *key, .view = view};
    size_t at = 0;
    while (at < list->count && ds_scope_compare(&list->scope[at], &scope) < 0) {
        at++;
    }
    bool there = at < list->count && ds_scope_compare(&list->scope[at], &scope) == 0;
    if (there || list->count == DS_ROW_SCOPES_MAX) {
        return; /* More than 16 scopes for one row: an account in 16 books. The least stay. */
    }
    memmove(&list->scope[at + 1], &list->scope[at], (list->count - at) * sizeof(scope));
    list->scope[at] = scope;
    list->count++;
}

/* The book of each meter that hangs at a premises or belongs to an account. */
static enum ds_err add_books_of(struct ds_fold *fold, enum ds_link kind, const struct ds_id *parent,
                                struct ds_scope_list *list)
{
    struct ds_key key = ds_link_first(kind, parent);
    uint32_t order = 0;
    struct ds_id child;
    uint8_t type = 0;
    for (;;) {
        enum ds_err err = ds_link_next(fold->txn, &key, &order, &child, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_meter *meter = DS_FOLD_NEW(fold, struct ds_meter);
        if (meter == NULL) {
            return DS_ERR_NOMEM;
        }
        DS_TRY(ds_record_load(fold->txn, DS_REC_meter, &child, fold->arena, meter));
        if (DS_HAS(meter, meter, book)) {
            add_scope(list, DS_SCOPE_BOOK, &meter->book, VIEW_READER);
        }
        ds_arena_rewind(fold->arena, mark);
    }
}

/* The latest period of a book at or before a bound; 0 if none. */
static enum ds_err period_before(struct ds_fold *fold, const struct ds_id *book, uint32_t bound,
                                 uint32_t *period)
{
    struct ds_id last;
    memset(&last, 0xff, sizeof(last));
    struct ds_key key = ds_key_link(DS_LINK_BOOK_PERIOD, book, bound, &last);
    struct ds_slice found;
    struct ds_slice value;
    *period = 0;
    enum ds_err err =
        ds_txn_at_or_before(fold->txn, DS_TABLE_LINK, ds_key_slice(&key), &found, &value);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_OK;
    }
    DS_TRY(err);
    if (found.size == key.size && memcmp(found.data, key.byte, 17) == 0) {
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, found);
        (void)ds_take_bytes(&cursor, 17);
        *period = ds_take_u32(&cursor);
    }
    return DS_OK;
}

enum ds_err ds_slots_from(struct ds_fold *fold, const struct ds_id *book, uint32_t without,
                          uint32_t *period)
{
    uint32_t latest[2] = {0, 0};
    uint32_t bound = UINT32_MAX;
    size_t count = 0;
    struct ds_book_facts *known = NULL;
    DS_TRY(ds_desk_book(fold, book, &known));
    if (without == 0 && known->window_known) {
        *period = known->window;
        return DS_OK;
    }
    *period = 0;
    while (count < DS_COUNT(latest)) {
        DS_TRY(period_before(fold, book, bound, &latest[count]));
        if (latest[count] == 0) {
            break;
        }
        bound = latest[count] - 1;
        count += latest[count] != without && ds_period_ok(latest[count]);
    }
    if (count > 0) {
        *period = count == 2 ? latest[1] : (uint32_t)ds_period_add((int32_t)latest[0], -1);
    }
    if (without == 0) {
        known->window_known = true;
        known->window = *period;
    }
    return DS_OK;
}

enum ds_err ds_slot_is_held(struct ds_fold *fold, const struct ds_slot_full *slot, bool *held)
{
    uint32_t from = 0;
    *held = false;
    if (slot->has_book) {
        DS_TRY(ds_slots_from(fold, &slot->book, 0, &from));
        *held = from != 0 && slot->period >= from;
    }
    return DS_OK;
}

static bool task_is_open(int64_t state)
{
    return state != DS_TASK_done && state != DS_TASK_approved && state != DS_TASK_cancelled;
}

static void task_scopes(struct ds_fold *fold, struct ds_row_state *row, struct ds_scope_list *list)
{
    struct ds_id worker;
    int64_t state = 0;
    add_scope(list, DS_SCOPE_OFFICE, &fold->meta->station, VIEW_ALL);
    if (ds_cell_int(row, DS_TAG_task_state, &state) && task_is_open(state) &&
        ds_cell_id(row, DS_TAG_task_assignee, &worker)) {
        add_scope(list, DS_SCOPE_TASKS, &worker, VIEW_READER);
    }
}

enum ds_err ds_scopes_of_row(struct ds_fold *fold, struct ds_row_state *row,
                             struct ds_scope_list *list)
{
    const struct ds_id *station = &fold->meta->station;
    struct ds_id id;
    switch (row->type) {
    case DS_REC_station:
    case DS_REC_worker:
    case DS_REC_code:
    case DS_REC_rule_setting:
    case DS_REC_tariff:
        add_scope(list, DS_SCOPE_CATALOGUE, station, VIEW_READER);
        return DS_OK;
    case DS_REC_book:
        add_scope(list, DS_SCOPE_CATALOGUE, station, VIEW_READER);
        add_scope(list, DS_SCOPE_BOOK, &row->id, VIEW_READER);
        return DS_OK;
    case DS_REC_device:
        add_scope(list, DS_SCOPE_MAILBOX, &row->id, VIEW_READER);
        add_scope(list, DS_SCOPE_OFFICE, station, VIEW_ALL);
        return DS_OK;
    case DS_REC_verdict:
        add_scope(list, DS_SCOPE_MAILBOX, &fold->device, VIEW_READER);
        return DS_OK;
    case DS_REC_account:
        return add_books_of(fold, DS_LINK_ACCOUNT_METER, &row->id, list);
    case DS_REC_premises:
        return add_books_of(fold, DS_LINK_PREMISES_METER, &row->id, list);
    case DS_REC_meter:
        if (ds_cell_id(row, DS_TAG_meter_book, &id)) {
            add_scope(list, DS_SCOPE_BOOK, &id, VIEW_READER);
        }
        return DS_OK;
    case DS_REC_period:
        if (ds_cell_id(row, DS_TAG_period_book, &id)) {
            add_scope(list, DS_SCOPE_BOOK, &id, VIEW_READER);
        }
        return DS_OK;
    case DS_REC_task:
        task_scopes(fold, row, list);
        return DS_OK;
    case DS_REC_anomaly:
    case DS_REC_conflict:
    case DS_REC_proposal:
    case DS_REC_quarantine_item:
    case DS_REC_answer:
        add_scope(list, DS_SCOPE_OFFICE, station, VIEW_ALL);
        return DS_OK;
    default:
        return DS_OK;
    }
}

enum ds_err ds_scopes_of_device(struct ds_txn *txn, const struct ds_id *device,
                                struct ds_arena *arena,
                                struct ds_scope scopes[static DS_SCOPES_MAX], size_t *count)
{
    struct ds_shard_meta meta;
    struct ds_device *row = ds_arena_alloc(arena, sizeof(*row));
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    *count = 0;
    DS_TRY(ds_meta_load(txn, &meta));
    DS_TRY(ds_record_load(txn, DS_REC_device, device, arena, row));
    bool active = DS_GET(row, device, state, 0) == DS_DEVICE_active;
    struct ds_id worker = DS_GET(row, device, worker, (struct ds_id){{0}});
    if (active && !ds_id_is_none(&worker)) {
        scopes[(*count)++] = (struct ds_scope){DS_SCOPE_CATALOGUE, meta.station, VIEW_READER};
        struct ds_key key = ds_link_first(DS_LINK_WORKER_BOOK, &worker);
        enum { REST = 3 };
        while (*count < DS_SCOPES_MAX - REST) {
            uint32_t order = 0;
            uint8_t type = 0;
            struct ds_id book;
            enum ds_err err = ds_link_next(txn, &key, &order, &book, &type);
            if (err == DS_ERR_NOT_FOUND) {
                break;
            }
            DS_TRY(err);
            scopes[(*count)++] = (struct ds_scope){DS_SCOPE_BOOK, book, VIEW_READER};
        }
        scopes[(*count)++] = (struct ds_scope){DS_SCOPE_TASKS, worker, VIEW_READER};
    }
    scopes[(*count)++] = (struct ds_scope){DS_SCOPE_MAILBOX, *device, VIEW_READER};
    return DS_OK;
}

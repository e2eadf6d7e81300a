/* What follows from a merged entity: links, cascades, periods, rules, exports to GIS. */
#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "sync/core/fold.h"
#include "sync/core/slot.h"

#include <string.h>

enum { LINKS_MAX = 8 };

struct links {
    struct {
        enum ds_link kind;
        struct ds_id parent;
        uint32_t order;
    } link[LINKS_MAX];
    size_t count;
};

static void add_link(struct links *links, enum ds_link kind, const struct ds_id *parent,
                     uint32_t order)
{
    DS_ASSERT(links->count < LINKS_MAX);
    links->link[links->count].kind = kind;
    links->link[links->count].parent = *parent;
    links->link[links->count].order = order;
    links->count++;
}

static void add_id_link(struct links *links, struct ds_row_state *row, uint8_t tag,
                        enum ds_link kind, uint32_t order)
{
    struct ds_id parent;
    if (ds_cell_id(row, tag, &parent)) {
        add_link(links, kind, &parent, order);
    }
}

static bool task_open(struct ds_row_state *row)
{
    int64_t state = 0;
    (void)ds_cell_int(row, DS_TAG_task_state, &state);
    return state != DS_TASK_done && state != DS_TASK_approved && state != DS_TASK_cancelled;
}

/* The links of a row as it stands; an entity that does not exist has none. */
static void links_of(const struct ds_fold *fold, struct ds_row_state *row, struct links *links)
{
    const struct ds_id *station = &fold->meta->station;
    int64_t order = 0;
    links->count = 0;
    if (!row->exists) {
        return;
    }
    switch (row->type) {
    case DS_REC_meter:
        (void)ds_cell_int(row, DS_TAG_meter_walk_order, &order);
        add_id_link(links, row, DS_TAG_meter_book, DS_LINK_BOOK_METER, (uint32_t)order);
        add_id_link(links, row, DS_TAG_meter_premises, DS_LINK_PREMISES_METER, 0);
        add_id_link(links, row, DS_TAG_meter_account, DS_LINK_ACCOUNT_METER, 0);
        break;
    case DS_REC_premises:
        add_id_link(links, row, DS_TAG_premises_account, DS_LINK_ACCOUNT_PREMISES, 0);
        add_link(links, DS_LINK_STATION_OTHER, station, DS_REC_premises);
        break;
    case DS_REC_book:
        add_id_link(links, row, DS_TAG_book_assignee, DS_LINK_WORKER_BOOK, 0);
        add_link(links, DS_LINK_STATION_BOOK, station, 0);
        break;
    case DS_REC_device:
        add_id_link(links, row, DS_TAG_device_worker, DS_LINK_WORKER_DEVICE, 0);
        add_link(links, DS_LINK_STATION_DEVICE, station, 0);
        break;
    case DS_REC_worker:
        add_link(links, DS_LINK_STATION_WORKER, station, 0);
        break;
    case DS_REC_period:
        (void)ds_cell_int(row, DS_TAG_period_period, &order);
        add_id_link(links, row, DS_TAG_period_book, DS_LINK_BOOK_PERIOD, (uint32_t)order);
        break;
    case DS_REC_task:
        if (task_open(row)) {
            add_id_link(links, row, DS_TAG_task_meter, DS_LINK_METER_TASK, 0);
            add_link(links, DS_LINK_STATION_TASK, station, 0);
        }
        break;
    case DS_REC_account:
    case DS_REC_tariff:
    case DS_REC_code:
    case DS_REC_rule_setting:
    case DS_REC_asset:
        add_link(links, DS_LINK_STATION_OTHER, station, row->type);
        break;
    case DS_REC_role_grant:
        add_id_link(links, row, DS_TAG_role_grant_worker, DS_LINK_WORKER_GRANT, 0);
        add_link(links, DS_LINK_STATION_OTHER, station, row->type);
        break;
    default:
        break;
    }
}

static bool has_link(const struct links *links, enum ds_link kind, const struct ds_id *parent,
                     uint32_t order)
{
    for (size_t i = 0; i < links->count; i++) {
        if (links->link[i].kind == kind && links->link[i].order == order &&
            ds_id_equal(&links->link[i].parent, parent)) {
            return true;
        }
    }
    return false;
}

static enum ds_err relink(struct ds_fold *fold, struct ds_row_state *before,
                          struct ds_row_state *after)
{
    struct links old;
    struct links now;
    links_of(fold, before, &old);
    links_of(fold, after, &now);
    for (size_t i = 0; i < old.count; i++) {
        if (!has_link(&now, old.link[i].kind, &old.link[i].parent, old.link[i].order)) {
            DS_TRY(ds_fold_unlink(fold, old.link[i].kind, &old.link[i].parent, old.link[i].order,
                                  &after->id));
        }
    }
    for (size_t i = 0; i < now.count; i++) {
        if (!has_link(&old, now.link[i].kind, &now.link[i].parent, now.link[i].order)) {
            DS_TRY(ds_fold_link(fold, now.link[i].kind, &now.link[i].parent, now.link[i].order,
                                &after->id, after->type));
        }
    }
    return DS_OK;
}

static bool id_changed(struct ds_row_state *before, struct ds_row_state *after, uint8_t tag,
                       struct ds_id *old, struct ds_id *now)
{
    memset(old, 0, sizeof(*old));
    memset(now, 0, sizeof(*now));
    if (before->exists) {
        (void)ds_cell_id(before, tag, old);
    }
    (void)ds_cell_id(after, tag, now);
    return !ds_id_equal(old, now);
}

/* Has any of these fields another value now? */
static bool any_changed(struct ds_row_state *before, struct ds_row_state *after,
                        const uint8_t *tags, size_t count)
{
    const struct ds_slice none = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        const struct ds_cell *old = before->exists ? ds_row_cell(before, tags[i]) : NULL;
        const struct ds_cell *now = ds_row_cell(after, tags[i]);
        if (!ds_slice_equal(old == NULL ? none : old->value, now == NULL ? none : now->value)) {
            return true;
        }
    }
    return false;
}

static enum ds_err touch_both(struct ds_fold *fold, uint8_t type, const struct ds_id *old,
                              const struct ds_id *now)
{
    if (!ds_id_is_none(old)) {
        DS_TRY(ds_fold_touch(fold, type, old));
    }
    return ds_id_is_none(now) ? DS_OK : ds_fold_touch(fold, type, now);
}

/* The slots of a meter that one of two books shows, in its new book. */
static enum ds_err refresh_slots(struct ds_fold *fold, const struct ds_id *meter,
                                 const struct ds_id *old_book, const struct ds_id *book)
{
    uint32_t from = 0;
    uint32_t other = 0;
    DS_TRY(ds_slots_from(fold, old_book, 0, &from));
    DS_TRY(ds_slots_from(fold, book, 0, &other));
    from = from == 0 || (other != 0 && other < from) ? other : from;
    struct ds_key key = ds_key_slot(meter, UINT8_MAX, UINT32_MAX);
    for (;;) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_before(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND ||
            (err == DS_OK && memcmp(found.data, meter->byte, sizeof(meter->byte)) != 0)) {
            return DS_OK;
        }
        DS_TRY(err);
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, found);
        (void)ds_take_bytes(&cursor, sizeof(meter->byte));
        uint8_t register_kind = ds_take_u8(&cursor);
        uint32_t period = ds_take_u32(&cursor);
        if (period < from) {
            key = ds_key_slot(meter, register_kind, 0); /* On to the next register. */
            continue;
        }
        DS_TRY(ds_slot_refresh(fold, meter, register_kind, period));
        key = ds_key_slot(meter, register_kind, period - 1);
    }
}

/* A removed or merged meter is read no more. */
static enum ds_err is_read(struct ds_fold *fold, const struct ds_id *meter, bool *read)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_meter *row = DS_FOLD_NEW(fold, struct ds_meter);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_record_load(fold->txn, DS_REC_meter, meter, fold->arena, row));
    int64_t state = DS_GET(row, meter, state, DS_METER_active);
    *read = state != DS_METER_removed && state != DS_METER_merged;
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

/* One step on each slot that a meter has in a period. The mechanical one is made if need be. */
static enum ds_err each_register(struct ds_fold *fold, const struct ds_id *meter, uint32_t period,
                                 bool touch_only)
{
    bool read = false;
    DS_TRY(is_read(fold, meter, &read));
    for (uint8_t kind = 1; kind <= (uint8_t)ds_enum_last(DS_LIST_register); kind++) {
        struct ds_key key = ds_key_slot(meter, kind, period);
        struct ds_slice value;
        enum ds_err err = ds_txn_get(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &value);
        if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
            return err;
        }
        if (touch_only && err == DS_OK) {
            DS_TRY(ds_slot_touch(fold, meter, kind, period));
        } else if (!touch_only && (err == DS_OK || (read && kind == DS_REGISTER_mechanical))) {
            DS_TRY(ds_slot_refresh(fold, meter, kind, period));
        }
    }
    return DS_OK;
}

/* A meter's slots of its book's open periods: made if there is none yet, else computed anew. */
static enum ds_err refresh_open(struct ds_fold *fold, const struct ds_id *meter,
                                const struct ds_id *book)
{
    struct ds_key key = ds_link_first(DS_LINK_BOOK_PERIOD, book);
    for (;;) {
        uint32_t period = 0;
        uint8_t type = 0;
        int64_t state = 0;
        struct ds_id id;
        enum ds_err err = ds_link_next(fold->txn, &key, &period, &id, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(ds_desk_period(fold, book, period, &state));
        if (state == DS_PERIOD_open) {
            DS_TRY(each_register(fold, meter, period, false));
        }
    }
}

/* What the rules ask of a premises or an account has changed: judge its meters' open slots anew. */
static enum ds_err inputs_changed(struct ds_fold *fold, enum ds_link meters,
                                  const struct ds_id *parent)
{
    struct ds_key key = ds_link_first(meters, parent);
    for (;;) {
        const struct ds_facts *facts = NULL;
        uint32_t order = 0;
        uint8_t type = 0;
        struct ds_id meter;
        enum ds_err err = ds_link_next(fold->txn, &key, &order, &meter, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(ds_desk_meter(fold, &meter, &facts));
        struct ds_id book = facts->book;
        if (facts->has_book) {
            DS_TRY(refresh_open(fold, &meter, &book));
        }
    }
}

static enum ds_err meter_changed(struct ds_fold *fold, struct ds_row_state *before,
                                 struct ds_row_state *after)
{
    struct ds_id old;
    struct ds_id now;
    struct ds_id old_book;
    struct ds_id book;
    bool moved = id_changed(before, after, DS_TAG_meter_book, &old_book, &book);
    bool place = id_changed(before, after, DS_TAG_meter_premises, &old, &now);
    if (moved || place) {
        DS_TRY(touch_both(fold, DS_REC_premises, &old, &now));
    }
    bool payer = id_changed(before, after, DS_TAG_meter_account, &old, &now);
    if (moved || payer) {
        DS_TRY(touch_both(fold, DS_REC_account, &old, &now));
    }
    static const uint8_t dial[] = {DS_TAG_meter_dial_digits, DS_TAG_meter_unit_l,
                                   DS_TAG_meter_multiplier};
    static const uint8_t inputs[] = {DS_TAG_meter_kind,       DS_TAG_meter_premises,
                                     DS_TAG_meter_account,    DS_TAG_meter_yearly_l,
                                     DS_TAG_meter_expiry_day, DS_TAG_meter_cabinet};
    if (before->exists && any_changed(before, after, dial, DS_COUNT(dial))) {
        DS_TRY(ds_slot_correct_dial(fold, &after->id));
    }
    if (moved && before->exists) {
        DS_TRY(refresh_slots(fold, &after->id, &old_book, &book));
    }
    bool judged = moved || any_changed(before, after, inputs, DS_COUNT(inputs));
    return judged && !ds_id_is_none(&book) ? refresh_open(fold, &after->id, &book) : DS_OK;
}

/* The same for each meter of a book. */
static enum ds_err each_meter(struct ds_fold *fold, const struct ds_id *book, uint32_t period,
                              bool touch_only)
{
    struct ds_key key = ds_link_first(DS_LINK_BOOK_METER, book);
    for (;;) {
        uint32_t order = 0;
        uint8_t type = 0;
        struct ds_id meter;
        enum ds_err err = ds_link_next(fold->txn, &key, &order, &meter, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(each_register(fold, &meter, period, touch_only));
    }
}

/* A period was opened: slots of earlier ones leave the handhelds (or come, with the first). */
static enum ds_err shift_window(struct ds_fold *fold, const struct ds_id *book, uint32_t opened)
{
    enum { MONTHS_MAX = 36 }; /* A book that slept longer holds nothing on a handheld. */
    uint32_t before = 0;
    uint32_t now = 0;
    DS_TRY(ds_slots_from(fold, book, opened, &before));
    DS_TRY(ds_slots_from(fold, book, 0, &now));
    before = before == 0 ? opened : before;
    int32_t at = (int32_t)(before < now ? before : now);
    int32_t end = (int32_t)(before < now ? now : before);
    for (size_t i = 0; i < MONTHS_MAX && at < end; i++) {
        DS_TRY(each_meter(fold, book, (uint32_t)at, true));
        at = ds_period_add(at, 1);
    }
    return DS_OK;
}

static enum ds_err period_changed(struct ds_fold *fold, struct ds_row_state *before,
                                  struct ds_row_state *after)
{
    struct ds_id book;
    int64_t period = 0;
    int64_t old_state = 0;
    int64_t state = 0;
    if (!ds_cell_id(after, DS_TAG_period_book, &book) ||
        !ds_cell_int(after, DS_TAG_period_period, &period)) {
        return DS_OK;
    }
    if (before->exists) {
        (void)ds_cell_int(before, DS_TAG_period_state, &old_state);
    }
    (void)ds_cell_int(after, DS_TAG_period_state, &state);
    if (old_state == state || !ds_period_ok(period)) {
        return DS_OK;
    }
    if (state == DS_PERIOD_open || state == DS_PERIOD_reading_closed) {
        DS_TRY(each_meter(fold, &book, (uint32_t)period, false));
    }
    return old_state == 0 ? shift_window(fold, &book, (uint32_t)period) : DS_OK;
}

/* What GIS keeps: where a premises is, and which meter hangs there. */
static const uint8_t premises_of_gis[] = {
    DS_TAG_premises_number,    DS_TAG_premises_district, DS_TAG_premises_street_office,
    DS_TAG_premises_community, DS_TAG_premises_estate,   DS_TAG_premises_building,
    DS_TAG_premises_entrance,  DS_TAG_premises_floor,    DS_TAG_premises_room,
    DS_TAG_premises_lat_e7,    DS_TAG_premises_lon_e7,   DS_TAG_premises_position_quality};
static const uint8_t meter_of_gis[] = {DS_TAG_meter_manufacturer, DS_TAG_meter_meter_no,
                                       DS_TAG_meter_kind,         DS_TAG_meter_premises,
                                       DS_TAG_meter_place,        DS_TAG_meter_state,
                                       DS_TAG_meter_merged_into};

/* GIS hears of what the field or the office confirmed; not of what it or an import told us, nor of
 * what it does not keep. */
static enum ds_err export_place(struct ds_fold *fold, struct ds_row_state *before,
                                struct ds_row_state *row, enum ds_export_kind kind)
{
    bool meter = kind == DS_EXPORT_meter;
    if ((fold->actor != DS_ACTOR_handheld && fold->actor != DS_ACTOR_console) ||
        !any_changed(before, row, meter ? meter_of_gis : premises_of_gis,
                     meter ? DS_COUNT(meter_of_gis) : DS_COUNT(premises_of_gis))) {
        return DS_OK;
    }
    uint8_t name[1 + 1 + 16];
    struct ds_builder builder;
    struct ds_slice key;
    ds_builder_init(&builder, name, sizeof(name));
    ds_put_u8(&builder, 0);
    ds_put_u8(&builder, row->type);
    ds_put_id(&builder, &row->id);
    DS_TRY(ds_builder_end(&builder, &key));
    struct ds_slice value;
    uint32_t revision = 0;
    enum ds_err err = ds_txn_get(fold->txn, DS_TABLE_CURSOR, key, &value);
    if (err == DS_OK) {
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, value);
        revision = ds_take_u32(&cursor);
    } else if (err != DS_ERR_NOT_FOUND) {
        return err;
    }
    uint8_t number[4];
    struct ds_slice next;
    ds_builder_init(&builder, number, sizeof(number));
    ds_put_u32(&builder, revision + 1);
    DS_TRY(ds_builder_end(&builder, &next));
    DS_TRY(ds_txn_put(fold->txn, DS_TABLE_CURSOR, key, next));
    uint8_t *memory = ds_arena_room(fold->arena, DS_ROW_SIZE_MAX);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_export export = {
        .kind = (uint8_t)kind, .id = row->id, .revision = revision + 1, .supersedes = revision};
    ds_builder_init(&builder, memory, DS_ROW_SIZE_MAX);
    ds_row_put_fields(&builder, row);
    DS_TRY(ds_builder_end(&builder, &export.fields));
    return ds_fold_export(fold, DS_CONSUMER_gis, &export, meter ? &row->id : NULL);
}

enum ds_err ds_reduce_entity(struct ds_fold *fold, struct ds_row_state *before,
                             struct ds_row_state *after)
{
    static const uint8_t position[] = {DS_TAG_premises_lat_e7, DS_TAG_premises_lon_e7,
                                       DS_TAG_premises_position_quality,
                                       DS_TAG_premises_accuracy_m};
    static const uint8_t judged[] = {DS_TAG_account_class, DS_TAG_account_state,
                                     DS_TAG_account_tariff};
    int64_t number = 0;
    DS_TRY(relink(fold, before, after));
    switch (after->type) {
    case DS_REC_station:
        if (ds_id_equal(&after->id, &fold->meta->station) &&
            ds_cell_int(after, DS_TAG_station_offset_min, &number)) {
            fold->meta->offset_min = (int32_t)number;
        }
        return DS_OK;
    case DS_REC_meter:
        DS_TRY(meter_changed(fold, before, after));
        return export_place(fold, before, after, DS_EXPORT_meter);
    case DS_REC_premises:
        /* Scopes hang on its meters, which may have come first. */
        DS_TRY(ds_fold_touch(fold, DS_REC_premises, &after->id));
        if (any_changed(before, after, position, DS_COUNT(position))) {
            DS_TRY(inputs_changed(fold, DS_LINK_PREMISES_METER, &after->id));
        }
        return export_place(fold, before, after, DS_EXPORT_premises);
    case DS_REC_account:
        DS_TRY(ds_fold_touch(fold, DS_REC_account, &after->id));
        return any_changed(before, after, judged, DS_COUNT(judged))
                   ? inputs_changed(fold, DS_LINK_ACCOUNT_METER, &after->id)
                   : DS_OK;
    case DS_REC_period:
        DS_TRY(ds_fold_touch(fold, DS_REC_period, &after->id));
        return period_changed(fold, before, after);
    default:
        return DS_OK;
    }
}

/* doorstep.h: queries. Each function is one read transaction. */
#include "handheld-sdk/src/finder.h"
#include "handheld-sdk/src/place.h"
#include "handheld-sdk/src/progress.h"
#include "schema/codec/record_mp.h"

#include <stdlib.h>
#include <string.h>

static enum ds_err begin(struct ds_handheld *h, struct ds_txn **txn)
{
    DS_TRY(ds_hand_enter(h, DS_OPEN_PULLED));
    enum ds_err err = ds_store_begin(h->store, false, txn);
    return err == DS_OK ? DS_OK : (enum ds_err)ds_hand_leave(h, err);
}

static int end(struct ds_handheld *h, struct ds_txn *txn, enum ds_err err)
{
    ds_txn_abort(txn);
    return ds_hand_leave(h, err);
}

static const char *text_of(struct ds_handheld *h, struct ds_slice text)
{
    char *copy = ds_arena_alloc(&h->arena, text.size + 1);
    if (copy == NULL || text.size == 0) {
        return "";
    }
    memcpy(copy, text.data, text.size);
    return copy;
}

/* ---- Rows of a type. ---- */

/* The next row of *row's type from *row on; DS_ERR_NOT_FOUND: no more. */
static enum ds_err next_of_type(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                                struct ds_held_row *row)
{
    DS_TRY(ds_replica_next(h, txn, row));
    return type != 0 && row->type != type ? DS_ERR_NOT_FOUND : DS_OK;
}

static enum ds_err done(enum ds_err err)
{
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

/* ---- Books. ---- */

static bool is_held(const struct ds_handheld *h, const struct ds_id *book)
{
    for (size_t i = 0; i < h->scope_count; i++) {
        if (h->scopes[i].scope.kind == DS_SCOPE_BOOK &&
            ds_id_equal(&h->scopes[i].scope.key, book)) {
            return true;
        }
    }
    return false;
}

static enum ds_err fill_book(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *id,
                             const struct ds_book *record, struct ds_handheld_book *book)
{
    static const struct ds_slice none;
    struct ds_book_period period;
    DS_TRY(ds_book_period_of(h, txn, id, &period));
    memset(book, 0, sizeof(*book));
    book->id = ds_id_to_public(id);
    book->number = text_of(h, DS_GET(record, book, number, none));
    book->name = text_of(h, DS_GET(record, book, name, none));
    book->period = period.period;
    book->period_state = period.state;
    book->due_day = period.due_day;
    book->mine =
        DS_HAS(record, book, assignee) && ds_id_equal(&record->assignee, &h->identity.worker);
    return ds_progress_of(h, txn, id, period.period, &book->progress);
}

static enum ds_err each_book(struct ds_handheld *h, struct ds_txn *txn, ds_handheld_each_book *each,
                             void *context)
{
    struct ds_held_row row;
    bool on = true;
    memset(&row, 0, sizeof(row));
    row.type = DS_REC_book;
    while (on) {
        struct ds_book record;
        struct ds_handheld_book book;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(next_of_type(h, txn, DS_REC_book, &row));
        if (is_held(h, &row.id)) {
            DS_TRY(ds_record_decode(ds_record_type_by_number(DS_REC_book), row.fields, &h->arena,
                                    &record, NULL));
            DS_TRY(fill_book(h, txn, &row.id, &record, &book));
            on = each(context, &book);
        }
        ds_arena_rewind(&h->arena, mark);
        on = on && ds_replica_step(&row);
    }
    return DS_OK;
}

int ds_handheld_books(struct ds_handheld *h, ds_handheld_each_book *each, void *context)
{
    struct ds_txn *txn;
    enum ds_err err = begin(h, &txn);
    return err != DS_OK ? (int)err : end(h, txn, done(each_book(h, txn, each, context)));
}

int ds_handheld_book_by_number(struct ds_handheld *h, const char *number,
                               struct ds_handheld_id *book)
{
    struct ds_txn *txn;
    struct ds_held_row row;
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    struct ds_id id = ds_numbered_id(&h->identity.station, DS_REC_book, ds_slice_of_text(number));
    err = ds_replica_row(h, txn, DS_REC_book, &id, &row);
    if (err == DS_OK) {
        *book = ds_id_to_public(&id);
    }
    return end(h, txn, err);
}

/* ---- Places. ---- */

static enum ds_err show_one(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *meter,
                            int32_t period, bool personal, struct ds_handheld_place *place)
{
    struct ds_meterview *view;
    DS_TRY(ds_meterview_load(h, txn, meter, period, 0, &view));
    return ds_place_fill(h, txn, view, personal, place);
}

static enum ds_err walk_book(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *book,
                             ds_handheld_each_place *each, void *context)
{
    struct ds_book_walk walk = {.book = *book};
    struct ds_book_period period;
    bool on = true;
    DS_TRY(ds_book_period_of(h, txn, book, &period));
    while (on) {
        struct ds_id meter;
        struct ds_handheld_place place;
        DS_TRY(ds_book_walk_next(h, txn, &walk, &meter));
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(show_one(h, txn, &meter, period.period, false, &place));
        on = each(context, &place);
        ds_arena_rewind(&h->arena, mark);
    }
    return DS_OK;
}

int ds_handheld_walk(struct ds_handheld *h, const struct ds_handheld_id *book,
                     ds_handheld_each_place *each, void *context)
{
    struct ds_txn *txn;
    struct ds_id id = ds_id_of_public(book);
    enum ds_err err = begin(h, &txn);
    return err != DS_OK ? (int)err : end(h, txn, done(walk_book(h, txn, &id, each, context)));
}

int ds_handheld_show(struct ds_handheld *h, const struct ds_handheld_id *meter,
                     ds_handheld_each_place *each, void *context)
{
    struct ds_txn *txn;
    struct ds_handheld_place place;
    struct ds_id id = ds_id_of_public(meter);
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    err = show_one(h, txn, &id, 0, true, &place);
    if (err == DS_OK) {
        (void)each(context, &place);
    }
    return end(h, txn, err);
}

static enum ds_err search(struct ds_handheld *h, struct ds_txn *txn,
                          const struct ds_handheld_query *query, ds_handheld_each_place *each,
                          void *context)
{
    struct ds_found *found;
    size_t count;
    bool on = true;
    enum ds_err err = ds_finder_search(h, txn, query, &found, &count);
    for (size_t i = 0; i < count && on && err == DS_OK; i++) {
        struct ds_handheld_place place;
        size_t mark = ds_arena_mark(&h->arena);
        err = show_one(h, txn, &found[i].meter, 0, false, &place);
        if (err == DS_OK) {
            place.far_m = found[i].far_m;
            on = each(context, &place);
        }
        ds_arena_rewind(&h->arena, mark);
    }
    free(found);
    return err;
}

int ds_handheld_search(struct ds_handheld *h, const struct ds_handheld_query *query,
                       ds_handheld_each_place *each, void *context)
{
    struct ds_txn *txn;
    enum ds_err err = begin(h, &txn);
    return err != DS_OK ? (int)err : end(h, txn, search(h, txn, query, each, context));
}

/* An imported meter's id follows from maker and number; others are searched for. */
static enum ds_err find_meter(struct ds_handheld *h, struct ds_txn *txn, struct ds_slice maker,
                              struct ds_slice number, struct ds_id *meter)
{
    struct ds_held_row row;
    size_t count = 0;
    *meter = ds_meter_id(&h->identity.station, maker, number);
    enum ds_err err =
        maker.size == 0 ? DS_ERR_NOT_FOUND : ds_replica_row(h, txn, DS_REC_meter, meter, &row);
    if (err != DS_ERR_NOT_FOUND) {
        return err;
    }
    DS_TRY(ds_finder_exact(h, txn, maker, number, meter, &count));
    return count == 0 ? DS_ERR_NOT_FOUND : count > 1 ? DS_ERR_CONFLICT : DS_OK;
}

int ds_handheld_meter_by_number(struct ds_handheld *h, const char *manufacturer,
                                const char *meter_no, struct ds_handheld_id *meter)
{
    struct ds_txn *txn;
    struct ds_id id;
    if (meter_no == NULL || meter == NULL) {
        return DS_ERR_USAGE;
    }
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    err = find_meter(h, txn, ds_slice_of_text(manufacturer), ds_slice_of_text(meter_no), &id);
    if (err == DS_OK) {
        *meter = ds_id_to_public(&id);
    }
    return end(h, txn, err);
}

/* ---- Tasks. ---- */

static enum ds_err fill_task(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *id,
                             struct ds_handheld_task *task)
{
    static const struct ds_id no_id;
    static const struct ds_slice none;
    struct ds_task record;
    memset(task, 0, sizeof(*task));
    DS_TRY(ds_overlay_record(h, txn, DS_REC_task, id, &record, &task->pending));
    struct ds_id meter = DS_GET(&record, task, meter, no_id);
    struct ds_id premises = DS_GET(&record, task, premises, no_id);
    task->id = ds_id_to_public(id);
    task->meter = ds_id_to_public(&meter);
    task->premises = ds_id_to_public(&premises);
    task->kind = (int)record.kind;
    task->state = (int)record.state;
    task->priority = (int)DS_GET(&record, task, priority, 0);
    task->due_ms = DS_GET(&record, task, due_ms, 0);
    task->period = (int32_t)DS_GET(&record, task, period, 0);
    task->reason = text_of(h, DS_GET(&record, task, reason, none));
    return DS_OK;
}

static enum ds_err each_task(struct ds_handheld *h, struct ds_txn *txn, ds_handheld_each_task *each,
                             void *context)
{
    struct ds_held_row row;
    bool on = true;
    memset(&row, 0, sizeof(row));
    row.type = DS_REC_task;
    while (on) {
        struct ds_handheld_task task;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(next_of_type(h, txn, DS_REC_task, &row));
        DS_TRY(fill_task(h, txn, &row.id, &task));
        on = each(context, &task);
        ds_arena_rewind(&h->arena, mark);
        on = on && ds_replica_step(&row);
    }
    return DS_OK;
}

int ds_handheld_tasks(struct ds_handheld *h, ds_handheld_each_task *each, void *context)
{
    struct ds_txn *txn;
    enum ds_err err = begin(h, &txn);
    return err != DS_OK ? (int)err : end(h, txn, done(each_task(h, txn, each, context)));
}

/* ---- Raw rows, photos, scopes. ---- */

int ds_handheld_row(struct ds_handheld *h, struct ds_handheld_row *row)
{
    struct ds_txn *txn;
    struct ds_overlaid overlaid;
    struct ds_id id = ds_id_of_public(&row->id);
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    err = ds_overlay(h, txn, row->type, &id, &overlaid);
    if (err == DS_OK && !row->overlaid && !overlaid.held) {
        err = DS_ERR_NOT_FOUND;
    }
    if (err == DS_OK) {
        struct ds_slice fields = row->overlaid ? overlaid.fields : overlaid.row.fields;
        row->position = overlaid.row.position;
        row->as_of = overlaid.row.as_of;
        row->used = fields.size;
        if (fields.size > row->size) {
            err = DS_ERR_LIMIT;
        } else if (fields.size > 0) {
            memcpy(row->fields, fields.data, fields.size);
        }
    }
    return end(h, txn, err);
}

static enum ds_err each_row(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                            ds_handheld_each_row *each, void *context)
{
    struct ds_held_row row;
    bool on = true;
    memset(&row, 0, sizeof(row));
    row.type = type;
    while (on) {
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(next_of_type(h, txn, type, &row));
        struct ds_handheld_row shown = {.type = row.type,
                                        .id = ds_id_to_public(&row.id),
                                        .used = row.fields.size,
                                        .position = row.position,
                                        .as_of = row.as_of};
        on = each(context, &shown);
        ds_arena_rewind(&h->arena, mark);
        on = on && ds_replica_step(&row);
    }
    return DS_OK;
}

int ds_handheld_rows(struct ds_handheld *h, uint8_t type, ds_handheld_each_row *each, void *context)
{
    struct ds_txn *txn;
    enum ds_err err = begin(h, &txn);
    return err != DS_OK ? (int)err : end(h, txn, done(each_row(h, txn, type, each, context)));
}

/* A photo is larger than a call's scratch: it opens in memory of its own. */
static enum ds_err open_photo(struct ds_handheld *h, struct ds_txn *txn, const struct ds_hash *hash,
                              uint8_t *bytes, size_t bytes_max, size_t *size)
{
    struct ds_slice sealed;
    struct ds_slice clear;
    struct ds_arena arena;
    enum { SLACK = 256 };
    DS_TRY(ds_txn_get(txn, DS_KEPT_PHOTO, DS_SLICE_OF(hash->byte), &sealed));
    *size = sealed.size - DS_SAFE_OVERHEAD;
    if (*size > bytes_max) {
        return DS_ERR_LIMIT;
    }
    void *memory = malloc(sealed.size + SLACK);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&arena, memory, sealed.size + SLACK);
    enum ds_err err =
        ds_safe_open(&h->vault, DS_KEPT_PHOTO, DS_SLICE_OF(hash->byte), sealed, &arena, &clear);
    if (err == DS_OK) {
        memcpy(bytes, clear.data, clear.size);
    }
    free(memory);
    return err;
}

int ds_handheld_photo(struct ds_handheld *h, const uint8_t hash[32], uint8_t *bytes,
                      size_t bytes_max, size_t *size)
{
    struct ds_txn *txn;
    struct ds_hash wanted;
    memcpy(wanted.byte, hash, sizeof(wanted.byte));
    enum ds_err err = begin(h, &txn);
    return err != DS_OK ? (int)err
                        : end(h, txn, open_photo(h, txn, &wanted, bytes, bytes_max, size));
}

int ds_handheld_scopes(struct ds_handheld *h, ds_handheld_each_scope *each, void *context)
{
    enum ds_err err = ds_hand_enter(h, DS_OPEN_PULLED);
    if (err != DS_OK) {
        return (int)err;
    }
    bool on = true;
    for (size_t i = 0; i < h->scope_count && on; i++) {
        const struct ds_held_scope *held = &h->scopes[i];
        struct ds_handheld_scope scope = {.kind = held->scope.kind,
                                          .key = ds_id_to_public(&held->scope.key),
                                          .view = held->scope.view,
                                          .position = held->cursor.position,
                                          .ordinal = held->cursor.ordinal,
                                          .complete = held->complete,
                                          .rows = held->rows};
        memcpy(scope.digest, held->digest.byte, sizeof(scope.digest));
        on = each(context, &scope);
    }
    return ds_hand_leave(h, DS_OK);
}

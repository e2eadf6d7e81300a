#include "handheld-sdk/src/progress.h"

#include <string.h>

/* Still of this book? A typed one was given it by whoever typed it. */
static enum ds_err is_active(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *id,
                             const struct ds_book_walk *walk, bool *active)
{
    struct ds_meter meter;
    size_t mark = ds_arena_mark(&h->arena);
    enum ds_err err = ds_overlay_record(h, txn, DS_REC_meter, id, &meter, NULL);
    ds_arena_rewind(&h->arena, mark);
    bool here =
        walk->typed || (DS_HAS(&meter, meter, book) && ds_id_equal(&meter.book, &walk->book));
    *active =
        err == DS_OK && here && DS_GET(&meter, meter, state, DS_METER_active) == DS_METER_active;
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static enum ds_err next_pulled(struct ds_txn *txn, struct ds_book_walk *walk, struct ds_id *id)
{
    uint32_t order;
    uint8_t type;
    if (!walk->begun) {
        walk->key = ds_link_first(DS_LINK_BOOK_METER, &walk->book);
        walk->begun = true;
    }
    return ds_link_next(txn, &walk->key, &order, id, &type);
}

/* A meter typed here for this book that is not in the replica yet. */
static enum ds_err next_typed(struct ds_handheld *h, struct ds_txn *txn, struct ds_book_walk *walk,
                              struct ds_id *id)
{
    for (;;) {
        struct ds_own_op op;
        struct ds_held_row row;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_own_next(h, txn, &walk->key, &op));
        bool made = op.type == DS_REC_meter && ds_id_equal(&op.entity, &op.id);
        enum ds_err err = made ? ds_replica_row(h, txn, DS_REC_meter, &op.entity, &row) : DS_OK;
        *id = op.entity;
        ds_arena_rewind(&h->arena, mark);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
    }
}

enum ds_err ds_book_walk_next(struct ds_handheld *h, struct ds_txn *txn, struct ds_book_walk *walk,
                              struct ds_id *meter)
{
    for (;;) {
        bool active;
        enum ds_err err =
            walk->typed ? next_typed(h, txn, walk, meter) : next_pulled(txn, walk, meter);
        if (err == DS_ERR_NOT_FOUND && !walk->typed) {
            walk->typed = true;
            walk->key = ds_own_about(&walk->book);
            continue;
        }
        DS_TRY(err);
        DS_TRY(is_active(h, txn, meter, walk, &active));
        if (active) {
            return DS_OK;
        }
    }
}

struct seen { /* What own ops say of one meter. */
    bool pending;
    bool read;
    bool visited;
};

static enum ds_err look_at_own(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *meter,
                               int32_t period, struct seen *seen)
{
    struct ds_held_row row;
    struct ds_key walk = ds_own_about(meter);
    bool loaded = false;
    for (;;) {
        struct ds_own_op op;
        size_t mark = ds_arena_mark(&h->arena);
        enum ds_err err = ds_own_next(h, txn, &walk, &op);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        if (!loaded) {
            err = ds_replica_row(h, txn, DS_REC_meter, meter, &row);
            loaded = err == DS_OK || err == DS_ERR_NOT_FOUND;
            DS_TRY(loaded ? DS_OK : err);
        }
        bool lies = ds_replica_lies_over(h, &row, &op);
        bool now = op.period == (uint32_t)period;
        seen->pending = seen->pending || lies;
        seen->read = seen->read || (op.type == DS_REC_reading && now && lies);
        seen->visited = seen->visited || (op.type == DS_REC_visit && now);
        ds_arena_rewind(&h->arena, mark);
    }
}

static enum ds_err count_meter(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *meter,
                               int32_t period, struct ds_handheld_progress *progress)
{
    struct seen seen = {0};
    struct ds_slot slot = {0};
    struct ds_id id =
        ds_slot_id(&h->identity.station, meter, DS_REGISTER_mechanical, (uint32_t)period);
    enum ds_err err = ds_replica_record(h, txn, DS_REC_slot, &id, &slot);
    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    DS_TRY(look_at_own(h, txn, meter, period, &seen));
    bool read = err == DS_OK && slot.state != DS_SLOT_empty;
    progress->meters++;
    progress->read += read || seen.read;
    progress->held += read && slot.state == DS_SLOT_held;
    progress->visited += seen.visited && !read && !seen.read;
    progress->pending += seen.pending;
    return DS_OK;
}

enum ds_err ds_progress_of(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *book,
                           int32_t period, struct ds_handheld_progress *progress)
{
    struct ds_book_walk walk = {.book = *book};
    memset(progress, 0, sizeof(*progress));
    for (;;) {
        struct ds_id meter;
        enum ds_err err = ds_book_walk_next(h, txn, &walk, &meter);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(count_meter(h, txn, &meter, period, progress));
        ds_arena_rewind(&h->arena, mark);
    }
}

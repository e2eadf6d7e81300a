/* A batch in columns (FORMAT.md, "Columns", "Batch").
 *
 * What both sides know by then is left out: station, device, lane, clock, and the chain hashes, for
 * the one before follows from the sequence and the one after from the ops. The signature over the
 * header made anew is the check: whoever knows something else gets another header. Pure. */
#ifndef DS_SYNC_CORE_COLUMNS_BATCH_H
#define DS_SYNC_CORE_COLUMNS_BATCH_H

#include "sync/core/columns.h"
#include "sync/core/exchange.h"

struct ds_batch_known {
    struct ds_id station;
    struct ds_id device;
    const struct ds_lane_state *lanes; /* Those that the request claims. */
    size_t lane_count;
    uint64_t epoch; /* Of the request. */
    uint64_t seen;  /* The position at which all its cursors stand; 0: they do not. */
    const struct ds_health *health;
    struct ds_columns_context columns; /* Guesses are guess 2 here; guess 1 is the op's time. */
    void *of;
    /* The chain hash after a sequence above 0; false: not known. */
    bool (*chain)(void *of, const struct ds_incarnation *incarnation, enum ds_lane lane,
                  uint64_t seq, struct ds_hash *hash);
};

/* Put one batch: in columns if that gives back the same bytes and is smaller, else as it is.
 * Scratch comes from the arena and goes back. False: the builder or the arena is full. */
bool ds_batch_columns_put(struct ds_builder *builder, struct ds_arena *arena,
                          const struct ds_batch_known *known, struct ds_slice batch);
/* Take one into the arena. False: not what was put. A batch whose chain is not known comes out
 * empty, for it must be asked for as it is. */
bool ds_batch_columns_take(struct ds_cursor *cursor, struct ds_arena *arena,
                           const struct ds_batch_known *known, struct ds_slice *batch);

#endif

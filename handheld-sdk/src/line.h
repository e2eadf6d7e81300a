/* The handheld's end of a line that speaks in columns: what it knows of itself (sync/shard/wire.h).
 *
 * Looks things up in the replica and among own ops, in a transaction that the caller holds. What it
 * gives is what the server told it, never what own pending ops laid over it. */
#ifndef DS_HANDHELD_SDK_SRC_LINE_H
#define DS_HANDHELD_SDK_SRC_LINE_H

#include "handheld-sdk/src/replica.h"

struct ds_line_key { /* A customer key that came with a row. */
    struct ds_id id;
    struct ds_secret key;
};
struct ds_line {
    struct ds_wire wire;
    struct ds_handheld *h;
    struct ds_txn *txn;
    struct ds_scope scopes[DS_SCOPES_MAX];
    const struct ds_request *request; /* While one is written. */
    struct ds_line_key *keys;         /* While an answer is read: room for DS_KEYS_MAX. */
    size_t key_count;
};
/* arena: for what is taken. Sorts the held scopes. */
void ds_line_init(struct ds_line *line, struct ds_handheld *h, struct ds_txn *txn,
                  struct ds_arena *arena);
/* Do all cursors stand whole behind one position? */
bool ds_line_at_one(const struct ds_handheld *h, uint64_t *position);

#endif

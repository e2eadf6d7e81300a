/* Feeds as they are kept: entries in the order of positions, many to a value.
 *
 * DS_TABLE_FEED: scope, position u64, first ordinal u32 -> entries one after another, ascending by
 * ordinal: ordinal (varint), type u8, gone u8, then an id, or for a slot its meter, register and
 * period, from which its id follows. What a batch changes in a scope lies in few values, and an
 * entry that is superseded is taken out of its value, so that a feed holds each row once. The desk
 * keeps the values in hand, and the digests of scopes, until the fold ends. Private to sync/core.
 */
#ifndef DS_SYNC_CORE_FEED_H
#define DS_SYNC_CORE_FEED_H

#include "sync/core/slot.h"

struct ds_feed_entry {
    uint64_t position;
    uint32_t ordinal;
    uint8_t type;
    bool gone;
    struct ds_id id;       /* Of a slot: its meter. */
    uint8_t register_kind; /* Of a slot. */
    uint32_t period;
};

/* Append at the fold's position; the ordinal is greater than all before. */
DS_NODISCARD enum ds_err ds_feed_append(struct ds_desk *desk, const struct ds_scope *scope,
                                        const struct ds_feed_entry *entry);
DS_NODISCARD enum ds_err ds_feed_remove(struct ds_desk *desk, const struct ds_scope *scope,
                                        uint64_t position, uint32_t ordinal);

/* Walk a scope's entries after (position, ordinal). */
struct ds_feed_walk {
    struct ds_txn *txn;
    struct ds_key next; /* Where the next value is looked for. */
    struct ds_scope scope;
    uint64_t position; /* Of the value in hand. */
    uint32_t after;    /* Entries of it up to here are skipped. */
    bool skips;
    struct ds_cursor entries;
};
DS_NODISCARD enum ds_err ds_feed_walk_begin(struct ds_feed_walk *walk, struct ds_txn *txn,
                                            const struct ds_scope *scope, uint64_t position,
                                            uint32_t ordinal);
/* DS_ERR_NOT_FOUND at the end. */
DS_NODISCARD enum ds_err ds_feed_walk_next(struct ds_feed_walk *walk, struct ds_feed_entry *entry);

/* A scope's digest, count of rows and last position. */
DS_NODISCARD enum ds_err ds_scope_state(struct ds_txn *txn, const struct ds_scope *scope,
                                        struct ds_scope_state *state);
/* The same from the desk's hand, to be changed there; borrowed until the next call. */
DS_NODISCARD enum ds_err ds_desk_scope(struct ds_desk *desk, const struct ds_scope *scope,
                                       struct ds_scope_state **state);
/* Write down what is in hand. */
DS_NODISCARD enum ds_err ds_desk_settle(struct ds_desk *desk);

/* The map as a view shows it: the same bytes, or a copy without what is hidden. */
DS_NODISCARD enum ds_err ds_feed_show(struct ds_arena *arena, uint8_t view, uint8_t type,
                                      struct ds_slice fields, struct ds_slice *shown);
struct ds_hash ds_feed_row_hash(const struct ds_scope *scope, const struct ds_row *row);
void ds_feed_sum(struct ds_hash *digest, const struct ds_hash *hash, bool subtract);
/* Move the slot in, within or out of its book's feed; fields as they will be shown. */
DS_NODISCARD enum ds_err ds_feed_slot(struct ds_fold *fold, struct ds_slot_full *slot,
                                      struct ds_slice fields);

#endif

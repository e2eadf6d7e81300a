/* Inside the engine: what one fold carries, and the functions its parts share.
 *
 * Private to sync/core. A fold is one entry inside one write transaction; each op is folded with
 * the arena rewound behind it. Order of the parts: engine.c (entries, writers) -> fold_op.c (one
 * op) -> merge.c, reduce.c, slot.c, decide.c -> feed.c (rows out to scopes). */
#ifndef DS_SYNC_CORE_FOLD_H
#define DS_SYNC_CORE_FOLD_H

#include "schema/codec/record_mp.h"
#include "schema/rules/reading.h"
#include "sync/core/desk.h"
#include "sync/core/engine.h"

struct ds_fold {
    struct ds_desk *desk;
    struct ds_txn *txn;
    struct ds_shard_meta *meta;
    struct ds_arena *arena;
    uint64_t position; /* Of the entry being folded. */
    uint64_t origin;   /* Of the entry that holds the op: the same, or an earlier one (released). */
    uint32_t ordinal;  /* Last one given out in this entry; the first is 1. */
    int64_t instant_ms;
    uint64_t anchor_boot;
    uint64_t anchor_mono_ms;
    /* The batch's actor. */
    struct ds_id device;
    enum ds_actor_kind actor;
    enum ds_device_state device_state;
    struct ds_id worker;
    struct ds_lineage lineage;
    const struct ds_heir *heirs; /* Of the writer of a released op. */
    size_t heir_count;
    /* The op. */
    const struct ds_batch *batch;
    const struct ds_op *op;
    struct ds_write write;
    struct ds_id op_id;
    struct ds_id entity; /* The op's id, or op_id. */
    bool released;       /* Folded again from quarantine by a decision. */
    bool clone;          /* The writer's life was closed before this op. */
    struct ds_folded *out;
};

/* What became of the op so far; the gravest verdict wins. */
struct ds_told {
    enum ds_verdict_kind verdict;
    struct ds_id item;
    enum ds_quarantine_reason reason; /* 0: none */
    const char *detail;               /* Static or borrowed; "" : none */
};

/* Write a row of an entity: stores it, moves it between scopes, appends it to their feeds. */
DS_NODISCARD enum ds_err ds_fold_put(struct ds_fold *fold, struct ds_row_state *row);
/* Encode a record struct and write it as a row without versions, unless it stands so already. */
DS_NODISCARD enum ds_err ds_fold_put_record(struct ds_fold *fold, uint8_t type,
                                            const struct ds_id *id, const void *record);
/* Something that a row's scopes depend on changed: compute them anew, and show the row again. */
DS_NODISCARD enum ds_err ds_fold_touch(struct ds_fold *fold, uint8_t type, const struct ds_id *id);
/* Keep or drop an item of the open queue. */
DS_NODISCARD enum ds_err ds_fold_queue(struct ds_fold *fold, uint8_t type, const struct ds_id *id,
                                       int64_t risk_fen, bool open);
DS_NODISCARD enum ds_err ds_fold_link(struct ds_fold *fold, enum ds_link kind,
                                      const struct ds_id *parent, uint32_t order,
                                      const struct ds_id *child, uint8_t type);
DS_NODISCARD enum ds_err ds_fold_unlink(struct ds_fold *fold, enum ds_link kind,
                                        const struct ds_id *parent, uint32_t order,
                                        const struct ds_id *child);

/* Open a new epoch; remembers what it kept. */
DS_NODISCARD enum ds_err ds_fold_epoch(struct ds_fold *fold, const struct ds_entry *entry);
/* Fold fold->op. Errors are the store's; what was wrong with the op becomes a verdict. */
DS_NODISCARD enum ds_err ds_fold_op(struct ds_fold *fold);
/* What an act is about, for the question of who may do it. */
struct ds_about {
    uint8_t type;
    struct ds_id id;
    struct ds_slice fields; /* Of what is being made; empty: the row stands. */
    bool fact;              /* It happened: a role for the writer's own team is enough. */
};
/* Does the person behind the actor hold any of these roles (DS_ROLES_*) there? */
DS_NODISCARD enum ds_err ds_fold_holds_role(struct ds_fold *fold, uint16_t roles,
                                            const struct ds_about *about, bool *holds);
/* A verdict row in the device's mailbox, unless it is plainly applied. */
DS_NODISCARD enum ds_err ds_fold_tell(struct ds_fold *fold, const struct ds_told *told);
/* The op as an item of quarantine, with its verdict. */
DS_NODISCARD enum ds_err ds_fold_quarantine(struct ds_fold *fold, enum ds_quarantine_reason reason,
                                            enum ds_item_state state, const char *detail);
/* Merge fields into an entity on the engine's or a decision's own authority. */
DS_NODISCARD enum ds_err ds_fold_write_entity(struct ds_fold *fold, uint8_t type,
                                              const struct ds_id *id, struct ds_slice fields);
/* After a row of an entity was merged: links, cascades, periods, devices. before is the row as it
 * was (before->exists tells). */
DS_NODISCARD enum ds_err ds_reduce_entity(struct ds_fold *fold, struct ds_row_state *before,
                                          struct ds_row_state *after);
/* An event's consequences; told says what to tell its writer. */
DS_NODISCARD enum ds_err ds_reduce_event(struct ds_fold *fold, struct ds_told *told);
DS_NODISCARD enum ds_err ds_decide(struct ds_fold *fold, struct ds_told *told);
/* Fold a quarantined op again, with its original writer and `seen`. */
DS_NODISCARD enum ds_err ds_fold_released(struct ds_fold *fold,
                                          const struct ds_quarantine_item *item);

/* The scopes that a row belongs to as it stands, ascending. */
struct ds_scope_list {
    struct ds_scope *scope; /* Room for DS_ROW_SCOPES_MAX. */
    size_t count;
};
/* Handhelds hold the slots of a book from this period on: the later but one of its periods, or the
 * month before its only one. 0: the book has none. without: a period to leave out, or 0. */
DS_NODISCARD enum ds_err ds_slots_from(struct ds_fold *fold, const struct ds_id *book,
                                       uint32_t without, uint32_t *period);
DS_NODISCARD enum ds_err ds_scopes_of_row(struct ds_fold *fold, struct ds_row_state *row,
                                          struct ds_scope_list *list);

/* Append an export for a consumer, with the numbers that its meter has now (NULL: about none). */
DS_NODISCARD enum ds_err ds_fold_export(struct ds_fold *fold, uint8_t consumer,
                                        const struct ds_export *export, const struct ds_id *meter);

/* Values of a row's cells; false if absent, cleared or of another type. */
bool ds_cell_id(struct ds_row_state *row, uint8_t tag, struct ds_id *id);
bool ds_cell_int(struct ds_row_state *row, uint8_t tag, int64_t *value);
struct ds_slice ds_cell_text(struct ds_row_state *row, uint8_t tag); /* empty if none */

/* Scratch from the fold's arena; NULL becomes DS_ERR_NOMEM. */
#define DS_FOLD_NEW(fold, type) ((type *)ds_arena_alloc((fold)->arena, sizeof(type)))

#endif

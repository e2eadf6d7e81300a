/* The handle: everything that one open store needs, and how its modules reach each other.
 *
 * Modules take the handle and, where they touch the store, the caller's transaction. Every write
 * goes through ds_hand_begin() and ds_hand_end(), which put the structs in memory back as they
 * were if the transaction does not become durable: memory never runs ahead of the store. Order of
 * the modules: ports, vault, self -> own, outbound (what was recorded) -> replica (what was
 * pulled) -> overlay, place, capture, finder (what the worker sees) -> talk (the exchange). */
#ifndef DS_HANDHELD_SDK_SRC_HANDHELD_H
#define DS_HANDHELD_SDK_SRC_HANDHELD_H

#include "handheld-sdk/src/self.h"
#include "schema/rules/reading.h"
#include "sync/shard/envelope.h"
#include "sync/shard/wire.h"

#include <pthread.h>

#define DS_SCRATCH_SIZE (1536 * 1024) /* Arena of one call. */
#define DS_MODEL_SIZE 100             /* With its NUL. */
#define DS_BUDGET_BAD 2048            /* First request on a bad link ... */
#define DS_BUDGET_GOOD 65536          /* ... doubling up to this. */
#define DS_ANSWER_BUDGET_MAX 1048576
#define DS_ASK_KEYS_MAX 16    /* Customer keys made here, in one request. */
#define DS_ASK_SEALED_MAX 200 /* Relayed batches, or sealed ops, in one request. */

/* A scope that this device holds (replica.h). */
struct ds_held_scope {
    struct ds_scope scope;
    uint16_t index; /* Its short name in rows. */
    uint32_t generation;
    uint32_t asked; /* Generation for which the request under way asks; not stored. */
    struct ds_cursor_at cursor;
    uint64_t complete; /* Everything up to here was delivered. */
    uint64_t changed;  /* Greatest position of a delivered row, also of one that left. */
    uint64_t rows;
    struct ds_hash digest;
    bool refetching;
    int64_t refetched_ms; /* Own clock; 0: never. */
};

struct ds_sent { /* A batch in the request that is under way. */
    uint64_t first_order;
    uint64_t count;
    uint32_t life;
};
struct ds_talk { /* The exchange that is under way (ask.h, hear.h). */
    bool begun;
    bool no_rows;
    bool locked;
    bool sealed_only; /* Send as if the vault were locked. */
    bool claimed_old; /* A lane of an earlier life was claimed, too. */
    uint64_t counter;
    struct ds_sent sent[DS_REQUEST_BATCHES_MAX];
    size_t sent_count;
    uint64_t relay_until; /* Relayed batches below this number were sent. */
    struct ds_id keys[DS_ASK_KEYS_MAX];
    size_t key_count;
    uint32_t budget;
    uint32_t answer_budget;
    struct ds_known_head asked[DS_PROOFS_MAX]; /* Heads to be proved; ascending. */
    size_t asked_count;
    bool plain;                /* Columns were not understood: this time in plain msgpack. */
    bool columns;              /* The request under way is in columns. */
    bool version_told;         /* Since the store was opened. */
    struct ds_wire_asked said; /* With columns: what the answer is said against. */
};

struct ds_finder; /* finder.h */

struct ds_handheld {
    pthread_mutex_t lock;
    int lock_fd; /* Holds the folder against other processes; -1: none. */
    struct ds_store *store;
    bool owns_store;
    struct ds_ports ports;
    struct ds_vault vault;
    struct ds_handheld_transport transport;
    void *curl; /* Of transport_curl.c; NULL: not used yet. */
    unsigned timeout_s;
    bool columns; /* As opened. */
    unsigned battery;
    int64_t keep_ms;
    char model[DS_MODEL_SIZE];

    struct ds_identity identity;
    struct ds_link_keys link;
    struct ds_writer writer;
    struct ds_contact contact;
    struct ds_witness witness;
    struct ds_held_scope scopes[DS_SCOPES_MAX];
    size_t scope_count;
    bool on_line;       /* A call waits for the network; another must not begin an exchange. */
    uint64_t pulled;    /* Counts pulls ... */
    uint64_t directory; /* ... and, with them, own edits of what a search looks at. */
    bool failed;        /* A commit failed: only closing helps. */

    struct { /* As they were when the open transaction began. */
        struct ds_writer writer;
        struct ds_contact contact;
        struct ds_witness witness;
        struct ds_identity identity;
        struct ds_vault vault;
        struct ds_held_scope scopes[DS_SCOPES_MAX];
        size_t scope_count;
    } before;

    uint64_t rules_of; /* The count of pulls at which these were read; 0: never. */
    struct ds_rule_table rules;
    int32_t offset_min; /* The station's time zone. */
    struct ds_finder *finder;
    struct ds_talk talk;
    struct ds_envelope_codec codec;
    struct ds_arena arena;
    void *memory; /* Of the arena. */
};

/* Begin a write; the arena is not touched. */
DS_NODISCARD enum ds_err ds_hand_begin(struct ds_handheld *h, struct ds_txn **txn);
/* Commit if err is DS_OK, else abort and put memory back; gives err or the commit's error. */
DS_NODISCARD enum ds_err ds_hand_end(struct ds_handheld *h, struct ds_txn *txn, enum ds_err err);
/* Load identity, writer, contact and, if the vault is open, scopes. */
DS_NODISCARD enum ds_err ds_hand_load(struct ds_handheld *h);
/* DS_ERR_FULL if fewer than bytes are free. */
DS_NODISCARD enum ds_err ds_hand_room(struct ds_handheld *h, uint64_t bytes);

/* What a call needs to be open: nothing, own work (the PIN), or what was pulled (PIN and lease;
 * before the first lease there is nothing to be open). */
enum ds_open { DS_OPEN_NONE, DS_OPEN_WORK, DS_OPEN_PULLED };
/* Enter and leave a public call: lock, fresh arena, a look at the lease. enter fails with
 * DS_ERR_LOCKED if what it needs is closed, with DS_ERR_IO after a failed commit; leave is then not
 * called. */
DS_NODISCARD enum ds_err ds_hand_enter(struct ds_handheld *h, enum ds_open need);
int ds_hand_leave(struct ds_handheld *h, enum ds_err err);
/* The server kept so much of its journal (UINT64_MAX: nothing new): clamp what was pulled, or
 * remember to do so when it opens. The caller stores the contact. */
DS_NODISCARD enum ds_err ds_hand_clamp(struct ds_handheld *h, struct ds_txn *txn,
                                       uint64_t kept_size);
/* What was pulled is closed: nothing of it stays in memory. Forgets the arena, too. */
void ds_hand_forget_pulled(struct ds_handheld *h);

static inline struct ds_detail *ds_detail_of(struct ds_handheld_detail *detail)
{
    _Static_assert(sizeof(struct ds_handheld_detail) == sizeof(struct ds_detail), "one buffer");
    return (struct ds_detail *)(void *)detail;
}
static inline struct ds_id ds_id_of_public(const struct ds_handheld_id *id)
{
    struct ds_id out;
    for (size_t i = 0; i < sizeof(out.byte); i++) {
        out.byte[i] = id->byte[i];
    }
    return out;
}
static inline struct ds_handheld_id ds_id_to_public(const struct ds_id *id)
{
    struct ds_handheld_id out;
    for (size_t i = 0; i < sizeof(out.byte); i++) {
        out.byte[i] = id->byte[i];
    }
    return out;
}

#endif

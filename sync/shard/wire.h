/* Exchange messages in columns (FORMAT.md, "Columns"): the smallest form of a request or an answer.
 *
 * The same structs as in sync/core/exchange.h, without what the other side knows: it held a scope's
 * rows before, it wrote an op itself, it can make an id again. Both sides answer the same questions
 * through a struct ds_wire; whoever answers differently gets other bytes, and the checks (a batch's
 * signature, the digest of all scopes, a block's hash) find that: then the exchange is repeated in
 * plain msgpack. Takes nothing on trust and no memory but the arena's. */
#ifndef DS_SYNC_SHARD_WIRE_H
#define DS_SYNC_SHARD_WIRE_H

#include "sync/core/columns_batch.h"
#include "sync/core/tables.h"
#include "sync/crypto/crypto.h"

struct ds_envelope_codec;

#define DS_WIRE_DIGEST_SIZE 8
#define DS_WIRE_RETRY_MS 60000 /* The hint that need not be said. */

/* What the reader of an answer must know of the request, and its writer knows: fixed when the
 * request is made. */
struct ds_wire_asked {
    uint64_t epoch;
    bool at_one; /* All cursors stood behind this position, whole. */
    uint64_t position;
    bool scopes_known; /* The scopes meant are those that he holds. */
    int64_t wall_ms;
    struct ds_lane_state lanes[DS_LANES_MAX];
    size_t lane_count;
    struct ds_taken sent[DS_REQUEST_BATCHES_MAX]; /* As if each were taken at position 0. */
    size_t sent_count;
};
void ds_wire_asked_of(const struct ds_request *request, struct ds_wire_asked *asked);

/* One end of the line. Unset functions: nothing is known. */
struct ds_wire {
    struct ds_id station;
    struct ds_id device;
    struct ds_id worker;
    const struct ds_scope *scopes; /* Of the device, ascending. */
    size_t scope_count;
    struct ds_arena *arena; /* For what is taken, and for scratch. */
    void *of;
    /* ---- Both. ---- */
    /* A meter's book and place in its walk; the first meter there. */
    bool (*place_of)(void *of, const struct ds_id *meter, struct ds_id *book, uint32_t *order);
    bool (*meter_at)(void *of, const struct ds_id *book, uint32_t order, struct ds_id *meter);
    /* A row's fields as the server last told them (the server: tells them now), borrowed from the
     * arena or the store. */
    bool (*held)(void *of, uint8_t type, const struct ds_id *id, struct ds_slice *fields);
    bool (*chain)(void *of, const struct ds_incarnation *incarnation, enum ds_lane lane,
                  uint64_t seq, struct ds_hash *hash);
    /* An op of the request's batches, from 0, and its id. */
    bool (*own_op)(void *of, size_t number, struct ds_op *op, struct ds_id *id);
    /* ---- Who writes rows. ---- */
    const struct ds_cursor_at *cursors; /* Where the reader stood. */
    size_t cursor_count;
    bool (*was_told)(void *of, const struct ds_scope *scope, uint8_t type, const struct ds_id *id,
                     const struct ds_cursor_at *before);
    bool (*customer_key)(void *of, const struct ds_id *id, struct ds_secret *key);
    /* ---- Who reads rows. ---- */
    /* The first held row of a type whose id begins with these bits. */
    bool (*held_from)(void *of, uint8_t type, const struct ds_id *from, struct ds_id *id);
    bool (*take_key)(void *of, const struct ds_id *id, const struct ds_secret *key);
    /* ---- For blocks of rows. ---- */
    struct ds_envelope_codec *codec;
    const struct ds_secret *down; /* Link key. */
    const struct ds_random *random;
};

/* Write a request. */
DS_NODISCARD enum ds_err ds_wire_request_put(struct ds_builder *builder, struct ds_wire *wire,
                                             const struct ds_request *request);
/* Read one: cursors of an at_one request are left to ds_wire_cursors(), a batch that could not be
 * made again is empty. DS_ERR_DECODE, _LIMIT. */
DS_NODISCARD enum ds_err ds_wire_request_take(struct ds_slice bytes, struct ds_wire *wire,
                                              struct ds_request *request, struct ds_detail *detail);
/* Say what at_one left out. False: the scopes are not those that the device means. */
bool ds_wire_cursors(struct ds_wire *wire, struct ds_request *request);

/* Write an answer to a request, and read it. DS_ERR_LIMIT; DS_ERR_DECODE. */
DS_NODISCARD enum ds_err ds_wire_response_put(struct ds_builder *builder, struct ds_wire *wire,
                                              const struct ds_wire_asked *asked,
                                              const struct ds_response *response);
DS_NODISCARD enum ds_err ds_wire_response_take(struct ds_slice bytes, struct ds_wire *wire,
                                               const struct ds_wire_asked *asked,
                                               struct ds_response *response,
                                               struct ds_detail *detail);
/* The digest of all scopes together: over their own, in the order of the list. */
void ds_wire_digest(const struct ds_hash *digests, size_t count,
                    uint8_t digest[static DS_WIRE_DIGEST_SIZE]);

/* ---- Blocks of rows (wire_rows.c). ---- */
/* echo: may rows be said against what the device itself wrote and holds? Only where the digest of
 * all scopes follows. */
bool ds_wire_rows_put(struct ds_builder *builder, struct ds_wire *wire, const struct ds_page *page,
                      const struct ds_cursor_at *before, uint64_t snapshot, bool echo);
bool ds_wire_rows_take(struct ds_cursor *cursor, struct ds_wire *wire, uint64_t snapshot,
                       struct ds_page *page);
/* The row of a slot as its reader expects it after an own reading. False: he expects nothing. */
bool ds_wire_expect_slot(struct ds_wire *wire, const struct ds_op *op, const struct ds_id *op_id,
                         struct ds_slice held, struct ds_slice *expected);
/* The index that a slot goes on from: its own previous one, or the final one of the period before.
 * False: none is known. */
bool ds_wire_index_before(struct ds_wire *wire, const struct ds_id *meter, int64_t register_kind,
                          int64_t period, int64_t *index);
/* The id that an entity's own fields give it. False: they give none. */
bool ds_wire_natural_id(const struct ds_id *station, uint8_t type, struct ds_slice fields,
                        struct ds_id *id);

#endif

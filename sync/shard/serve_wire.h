/* The server's end of a line that speaks in columns: what it knows of the device (wire.h).
 *
 * Looks things up in the state of the transaction at hand. Private to sync/shard. */
#ifndef DS_SYNC_SHARD_SERVE_WIRE_H
#define DS_SYNC_SHARD_SERVE_WIRE_H

#include "sync/shard/serve.h"
#include "sync/shard/wire.h"

struct ds_serve_wire {
    struct ds_wire wire;
    struct ds_serve *serve;
    struct ds_txn *txn;      /* Borrowed. */
    struct ds_txn *keys_txn; /* Of the key store; NULL: not needed yet. */
    struct ds_scope scopes[DS_SCOPES_MAX];
    struct ds_op *ops; /* Of the request's batches, for an answer. */
    struct ds_id *op_ids;
    size_t op_count;
};
/* From the arena of the serve. The device's row must be there. */
DS_NODISCARD enum ds_err ds_serve_wire_make(struct ds_serve *serve, struct ds_envelope_codec *codec,
                                            struct ds_txn *txn, struct ds_serve_wire **out);
/* Read a request; what was said against something that we do not know makes it not_understood. */
DS_NODISCARD enum ds_err ds_serve_wire_take(struct ds_serve_wire *wire, struct ds_slice plain,
                                            struct ds_detail *detail);
/* DS_ERR_EPOCH: the device knows a later head of this journal than we have (serve.c). */
DS_NODISCARD enum ds_err ds_serve_behind(struct ds_txn *txn, const struct ds_request *request,
                                         struct ds_detail *detail);
/* Before an answer is written: read the ops that it may echo. False: no room. */
bool ds_serve_wire_ops(struct ds_serve_wire *wire);
/* Can the personal fields of a row be made again from key and text? */
bool ds_serve_wire_opens(struct ds_serve_wire *wire, const struct ds_row *row);

#endif

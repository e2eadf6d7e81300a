/* What the worker sees: the pulled row with his pending ops laid over it.
 *
 * The same merge as the server's runs here. A pulled row does not say who wrote which field, so no
 * field counts as written concurrently: his own value shows until the server has said otherwise.
 * What he may only propose does not change the value; the op is counted as pending. */
#ifndef DS_HANDHELD_SDK_SRC_OVERLAY_H
#define DS_HANDHELD_SDK_SRC_OVERLAY_H

#include "handheld-sdk/src/replica.h"

struct ds_overlaid {
    struct ds_held_row row; /* As pulled; row.position 0 and no members if it is not held. */
    bool held;              /* There is such a row in the replica. */
    struct ds_slice fields; /* Overlaid; in the arena. */
    uint32_t pending;       /* Ops about this entity that lie over it. */
};
/* DS_ERR_NOT_FOUND: neither pulled nor made here. */
DS_NODISCARD enum ds_err ds_overlay(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                                    const struct ds_id *id, struct ds_overlaid *out);
/* The same, decoded; pending (optional) is added to. */
DS_NODISCARD enum ds_err ds_overlay_record(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                                           const struct ds_id *id, void *record, uint32_t *pending);
/* The book that a meter typed here was given. The book is the office's to say, so the overlay shows
 * it as none; whoever typed it walks it with that book nevertheless. None: no such meter. */
DS_NODISCARD enum ds_err ds_overlay_typed_book(struct ds_handheld *h, struct ds_txn *txn,
                                               const struct ds_id *meter, struct ds_id *book);

#endif

/* The request of an exchange: what goes up.
 *
 * Cuts what waits into batches (durably, before the first byte leaves), gathers as many as the link
 * bears, and adds cursors, claims, health, keys, the witness and others' sealed batches. With the
 * vault locked only sealed ops go, as relayed batches, and no rows are asked for. */
#ifndef DS_HANDHELD_SDK_SRC_ASK_H
#define DS_HANDHELD_SDK_SRC_ASK_H

#include "handheld-sdk/src/outbound.h"

/* Write the sealed request into out and remember in h->talk what it holds. DS_ERR_CONFLICT: not
 * enrolled. DS_ERR_LIMIT: out is too small. */
DS_NODISCARD enum ds_err ds_ask(struct ds_handheld *h, struct ds_builder *out,
                                struct ds_detail *detail);
/* How many sealed ops wait in the outbox. */
DS_NODISCARD enum ds_err ds_ask_outbox_count(struct ds_handheld *h, struct ds_txn *txn,
                                             uint64_t *count);
struct ds_sealed_list { /* Sealed batches of a table (outbox or relay). */
    uint8_t table;
    uint64_t from; /* The first number wanted. */
    size_t max;
    size_t count; /* Out. */
    struct ds_slice sealed[DS_ASK_SEALED_MAX];
    uint64_t numbers[DS_ASK_SEALED_MAX]; /* The place of each. */
};
/* At most max from a number on; bytes in arena. */
DS_NODISCARD enum ds_err ds_ask_sealed(struct ds_handheld *h, struct ds_txn *txn,
                                       struct ds_arena *arena, struct ds_sealed_list *list);

#endif

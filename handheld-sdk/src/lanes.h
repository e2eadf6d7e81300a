/* What the server's word about our lanes means: let go, take back, or begin a new life.
 *
 * CASE the receipt's chain hash is ours at its watermark ........ RESULT those batches are let go
 * CASE the watermark is ahead, and the server gives our own
 *      batches back .............................................. RESULT taken back, new life
 * CASE a batch was taken under the name of a branch .............. RESULT the rest is cut, new life
 * CASE a new life is commanded (a clone has begun one) ........... RESULT the rest is cut, new life
 * CASE the chain hash is not ours where we had a receipt, or the
 *      watermark is below it in the same epoch ................... RESULT refused: work was lost */
#ifndef DS_HANDHELD_SDK_SRC_LANES_H
#define DS_HANDHELD_SDK_SRC_LANES_H

#include "handheld-sdk/src/outbound.h"

struct ds_lanes_told {
    const struct ds_response *response;
    const struct ds_receipt *receipt;
    bool signed_ok; /* The receipt was verified. */
    bool commanded; /* To begin a new life. */
    /* Out: */
    bool new_life;
    bool took_back;
    bool awaits_more; /* Of our own batches. */
    bool lost;        /* With DS_ERR_INTEGRITY: what was under a receipt is not there. */
};
/* *acked: ops newly under a receipt. */
DS_NODISCARD enum ds_err ds_lanes_take(struct ds_handheld *h, struct ds_txn *txn,
                                       struct ds_lanes_told *told, uint64_t *acked);
/* With the vault locked: drop from the outbox what the receipt covers. */
DS_NODISCARD enum ds_err ds_lanes_take_sealed(struct ds_handheld *h, struct ds_txn *txn,
                                              const struct ds_receipt *receipt,
                                              uint64_t *delivered);

#endif

/* What became of an op, in sentences: English and Chinese. */
#ifndef DS_HANDHELD_SDK_SRC_TELLING_H
#define DS_HANDHELD_SDK_SRC_TELLING_H

#include "handheld-sdk/src/own.h"

#define DS_SENTENCE_SIZE 512

struct ds_telling {
    const struct ds_own_op *op;       /* NULL: no longer kept. */
    const struct ds_verdict *verdict; /* NULL: none. */
    int state;                        /* enum ds_handheld_op_state; 0 without an op. */
    uint64_t position;
};
/* "reading of meter 0042, 202601: quarantined (terminal revoked): ..." */
DS_NODISCARD enum ds_err ds_tell(struct ds_handheld *h, struct ds_txn *txn,
                                 const struct ds_telling *telling, bool chinese,
                                 char text[static DS_SENTENCE_SIZE]);
/* 8812345 as "8,812,345". */
void ds_put_grouped(struct ds_builder *out, uint64_t value);

#endif

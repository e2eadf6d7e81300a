/* From ops to batches: cut once, sent as the same bytes until acknowledged, kept for the backup
 * window.
 *
 * A batch's record holds its header and signature; its ops stand in their own table, so what is
 * sent is put together again, byte for byte. All below writer.cut_order is cut, all below
 * writer.acked_order is under a signed receipt. */
#ifndef DS_HANDHELD_SDK_SRC_OUTBOUND_H
#define DS_HANDHELD_SDK_SRC_OUTBOUND_H

#include "handheld-sdk/src/own.h"

#define DS_CUT_HEADER_MAX 320 /* Bytes of a header. */

struct ds_cut { /* A batch's record. */
    uint64_t first_order;
    uint32_t count;
    uint32_t life;
    uint64_t first_seq;
    uint64_t last_seq;
    uint32_t size; /* Bytes of its ops. */
    bool acked;
    uint64_t position;
    int64_t acked_ms; /* The server's clock: the own one may jump by years. */
    struct ds_signature signature;
    struct ds_slice header; /* In the arena. */
};

/* Cut ops that are not in batches yet, until the batches that wait reach budget bytes (at least one
 * batch), or all ops before until_order (0: no such bound). *cut (optional): was anything? */
DS_NODISCARD enum ds_err ds_outbound_cut(struct ds_handheld *h, struct ds_txn *txn, size_t budget,
                                         bool *cut);
DS_NODISCARD enum ds_err ds_outbound_cut_all(struct ds_handheld *h, struct ds_txn *txn,
                                             uint64_t until_order);
/* Is there anything that ds_outbound_cut() would cut, with waiting batches below budget? */
DS_NODISCARD enum ds_err ds_outbound_wants_cut(struct ds_handheld *h, struct ds_txn *txn,
                                               size_t budget, bool *wants);

/* The batches that wait, oldest first, within budget bytes but at least one; bytes in arena. */
DS_NODISCARD enum ds_err ds_outbound_gather(struct ds_handheld *h, struct ds_txn *txn,
                                            size_t budget, struct ds_arena *arena,
                                            struct ds_slice *batches, struct ds_sent *sent,
                                            size_t *count);

/* One batch at or after an order; DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_outbound_load(struct ds_handheld *h, struct ds_txn *txn, uint64_t order,
                                          struct ds_cut *cut);

struct ds_ack {
    const struct ds_own_life *life;
    uint64_t watermark;         /* Sequences up to here are under the receipt. */
    uint64_t position;          /* Of the last batch. */
    int64_t now_ms;             /* The server's clock. */
    const struct ds_sent *sent; /* Batches of this exchange, and where each was folded. */
    const uint64_t *sent_position;
    size_t sent_count;
};
/* Let go of the batches of that life which the watermark covers, as far as nothing older waits.
 * *ops is added to. */
DS_NODISCARD enum ds_err ds_outbound_ack(struct ds_handheld *h, struct ds_txn *txn,
                                         const struct ds_ack *ack, uint64_t *ops);
/* The server was restored: what it had taken after kept_size waits again. */
DS_NODISCARD enum ds_err ds_outbound_unack(struct ds_handheld *h, struct ds_txn *txn,
                                           uint64_t kept_size);
/* Drop acknowledged batches older than the backup window whose ops lie over nothing, and receipts
 * of that age. */
DS_NODISCARD enum ds_err ds_outbound_prune(struct ds_handheld *h, struct ds_txn *txn,
                                           int64_t server_ms);
/* Take back the ops of an own batch that this store had forgotten (it was restored from a backup).
 * They must join the present life's chain; DS_ERR_FORK if they do not, DS_ERR_SIGNATURE,
 * DS_ERR_DECODE. */
DS_NODISCARD enum ds_err ds_outbound_take_back(struct ds_handheld *h, struct ds_txn *txn,
                                               struct ds_slice batch);

#endif

/* An answer while it is taken: shared by hear.c, which takes it, and hear_order.c, which looks
 * after orders and leases. Private to them. */
#ifndef DS_HANDHELD_SDK_SRC_HEARING_H
#define DS_HANDHELD_SDK_SRC_HEARING_H

#include "handheld-sdk/src/hear.h"
#include "handheld-sdk/src/lanes.h"
#include "handheld-sdk/src/line.h"

struct hearing {
    struct ds_handheld *h;
    struct ds_txn *txn;
    struct ds_handheld_sync_result *result;
    struct ds_detail *detail;
    struct ds_arena arena; /* Of the answer. */
    struct ds_response response;
    struct ds_receipt receipt;
    struct ds_line *line; /* NULL: the answer is in plain msgpack. */
    bool signed_ok;
    struct ds_order order; /* Kind 0: none. */
    bool new_epoch;
    bool plain_wanted;  /* The server did not understand our columns. */
    bool misunderstood; /* Columns came out as something else. */
    struct ds_lanes_told told;
};

/* What destroys or closes data needs the server's signature, beside the answer's tag; asked before
 * anything is taken. DS_ERR_SIGNATURE. */
DS_NODISCARD enum ds_err ds_hear_check_order(struct hearing *a);
/* Do what was ordered, once, inside the answer's transaction. */
DS_NODISCARD enum ds_err ds_hear_obey(struct hearing *a);
/* Keep the lease that came, and open with it what was pulled. No lease is no error. */
DS_NODISCARD enum ds_err ds_hear_lease(struct hearing *a);

#endif

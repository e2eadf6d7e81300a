/* The answer of an exchange: what comes down, taken whole or not at all.
 *
 * Everything an answer changes becomes durable in one transaction. Nothing is believed before the
 * tag of the link key fits this very request; no batch is let go before the server's signature over
 * the receipt was verified and its chain hash met ours. */
#ifndef DS_HANDHELD_SDK_SRC_HEAR_H
#define DS_HANDHELD_SDK_SRC_HEAR_H

#include "handheld-sdk/src/outbound.h"

/* status: of HTTP; 0: no answer came. result is added to. DS_ERR_NOT_OURS: nothing changed. */
DS_NODISCARD enum ds_err ds_hear(struct ds_handheld *h, struct ds_slice answer, int status,
                                 struct ds_handheld_sync_result *result, struct ds_detail *detail);

#endif

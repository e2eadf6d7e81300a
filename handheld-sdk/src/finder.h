/* Finding a meter by number, account, address or nearness.
 *
 * The one idea: names of meters are short and few (20,000 at most), so the first search after a
 * pull reads them once into memory, in clear only while the vault is open, and every search is a
 * walk over that. It is thrown away with the lock, a pull, or an edit of what it holds. */
#ifndef DS_HANDHELD_SDK_SRC_FINDER_H
#define DS_HANDHELD_SDK_SRC_FINDER_H

#include "handheld-sdk/src/handheld.h"

#define DS_FINDER_RESULTS_MAX 1000
#define DS_FINDER_RESULTS_DEFAULT 50

struct ds_found {
    struct ds_id meter;
    int rank;      /* The lower the better. */
    int64_t far_m; /* -1: not known. */
};
/* *found is the caller's to free(). */
DS_NODISCARD enum ds_err ds_finder_search(struct ds_handheld *h, struct ds_txn *txn,
                                          const struct ds_handheld_query *query,
                                          struct ds_found **found, size_t *count);
/* Meters whose number is exactly this (and maker, unless empty): the first in *meter, how many in
 * *count. */
DS_NODISCARD enum ds_err ds_finder_exact(struct ds_handheld *h, struct ds_txn *txn,
                                         struct ds_slice manufacturer, struct ds_slice meter_no,
                                         struct ds_id *meter, size_t *count);
/* Forget everything; also before anything was read. */
void ds_finder_close(struct ds_handheld *h);

#endif

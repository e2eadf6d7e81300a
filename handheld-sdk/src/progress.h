/* How far a book is: counted from slots and own ops, without building the whole view of a meter. */
#ifndef DS_HANDHELD_SDK_SRC_PROGRESS_H
#define DS_HANDHELD_SDK_SRC_PROGRESS_H

#include "handheld-sdk/src/meterview.h"

DS_NODISCARD enum ds_err ds_progress_of(struct ds_handheld *h, struct ds_txn *txn,
                                        const struct ds_id *book, int32_t period,
                                        struct ds_handheld_progress *progress);
/* The meters of a book in walking order, then those typed here: start with *at zeroed.
 * DS_ERR_NOT_FOUND ends. Only meters that are active. */
struct ds_book_walk {
    struct ds_id book;
    bool typed; /* Among the typed ones now. */
    bool begun;
    struct ds_key key;
};
DS_NODISCARD enum ds_err ds_book_walk_next(struct ds_handheld *h, struct ds_txn *txn,
                                           struct ds_book_walk *walk, struct ds_id *meter);

#endif

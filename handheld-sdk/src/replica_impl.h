/* What the replica's parts share. Private to replica.c, replica_pull.c and replica_link.c. */
#ifndef DS_HANDHELD_SDK_SRC_REPLICA_IMPL_H
#define DS_HANDHELD_SDK_SRC_REPLICA_IMPL_H

#include "handheld-sdk/src/replica.h"

DS_NODISCARD enum ds_err ds_row_store(struct ds_handheld *h, struct ds_txn *txn,
                                      const struct ds_held_row *row);
DS_NODISCARD enum ds_err ds_scope_store(struct ds_handheld *h, struct ds_txn *txn,
                                        const struct ds_held_scope *scope);
/* NULL: not held. */
struct ds_held_scope *ds_scope_held(struct ds_handheld *h, const struct ds_scope *scope);
/* Add a part to a digest, or take it away. */
void ds_digest_move(struct ds_hash *digest, const struct ds_hash *part, bool add);
/* Move a row in memory out of or into a scope, and the scope's digest with it. */
void ds_scope_leave(struct ds_held_row *row, struct ds_held_scope *scope);
DS_NODISCARD enum ds_err ds_scope_enter(struct ds_held_row *row, struct ds_held_scope *scope,
                                        const struct ds_row *pulled);
/* Store a row that left a scope; or drop it, or list it as an orphan, if no scope has it. */
DS_NODISCARD enum ds_err ds_row_settle(struct ds_handheld *h, struct ds_txn *txn,
                                       const struct ds_held_row *row);

#endif

/* Is it so already? Compares a record to be written with what stands. Private to server/. */
#ifndef DS_SERVER_DRAFTS_KNOWN_H
#define DS_SERVER_DRAFTS_KNOWN_H

#include "schema/base/arena.h"
#include "schema/record.h"
#include "sync/core/engine.h"

struct ds_known {
    struct ds_txn *txn; /* Read. */
    struct ds_id station;
    struct ds_id *answers; /* Ascending names of the answers that stand; made when first asked. */
    size_t answer_count;
};
void ds_known_fini(struct ds_known *known);

/* Take away the fields of record that the entity's row has alike; *left is whether any remain. */
DS_NODISCARD enum ds_err ds_known_entity(struct ds_known *known, const struct ds_record_type *type,
                                         const struct ds_id *id, void *record,
                                         struct ds_arena *arena, bool *left);
/* Does an event with the same fields stand? *id is that event's. */
DS_NODISCARD enum ds_err ds_known_event(struct ds_known *known, const struct ds_record_type *type,
                                        const void *record, struct ds_arena *arena, bool *found,
                                        struct ds_id *id);

#endif

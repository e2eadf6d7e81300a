/* Looking at the server's state from outside: every journal op, every row, by plain walking.
 *
 * The checks use these and nothing of the engine's own shortcuts (links, feeds, cached scopes), so
 * that what a shortcut forgets is seen. */
#ifndef DS_TESTS_SIM_LOOK_H
#define DS_TESTS_SIM_LOOK_H

#include "sync/core/op.h"
#include "tests/sim/sim.h"

struct look_op {
    uint64_t position;
    const struct ds_entry *entry;
    const struct ds_batch *batch;
    uint64_t seq;
    struct ds_op op;
    struct ds_id id; /* Header's incarnation, lane, seq. */
};
typedef void look_each_op(void *context, const struct look_op *op);
/* Every op of every batch entry, in journal order, overlaps included. entry_end (optional) comes
 * behind each entry that is no batch, or behind the last op of one that is. */
void look_journal(struct sim *sim, look_each_op *each,
                  void (*entry_end)(void *context, uint64_t position, const struct ds_entry *entry),
                  void *context);

/* The bytes of one entry, borrowed from an open transaction. */
struct ds_slice look_entry(struct sim *sim, struct ds_txn *txn, uint64_t position);

struct look_row {
    uint8_t type;
    struct ds_id id;
    uint64_t changed;
    struct ds_slice fields;
    struct ds_slice stored;
};
typedef void look_each_row(void *context, const struct look_row *row);
/* Every row of a type (0: all), ascending. */
void look_rows(struct sim *sim, struct ds_txn *txn, uint8_t type, look_each_row *each,
               void *context);
bool look_row(struct sim *sim, struct ds_txn *txn, uint8_t type, const struct ds_id *id,
              struct look_row *row);
/* Value of a field; false if absent or of another form. */
bool look_id(struct ds_slice fields, uint8_t tag, struct ds_id *id);
bool look_int(struct ds_slice fields, uint8_t tag, int64_t *value);
struct ds_slice look_value(struct ds_slice fields, uint8_t tag); /* Empty: absent. */
/* Whose is an op? Kind 0 if unknown. */
void look_writer(struct sim *sim, struct ds_txn *txn, const struct ds_id *op, struct ds_id *device,
                 enum ds_actor_kind *kind);

#endif

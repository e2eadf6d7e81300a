/* A row: one entity's merged fields with what the merge must remember.
 *
 * Stored packed, in this order: u64 made, u64 changed, u8 scopes and 18 bytes each, u8 writes and
 * 24 bytes each (position, incarnation, lane and 7 bytes of seq), u8 cells and 3 bytes each (tag,
 * index of the latest write, index of the other or 255), u8 sibling groups (tag, u8 count, and per
 * sibling u8 write, u32 size, bytes), u8 bases (tag, u16 size, bytes), then the fields map (tag ->
 * value) to the end. Writes are shared, for most cells of a row were written by one op. It is
 * state, not wire: it may change with the engine's version, and a rebuild makes it anew.
 * The fields map is what everybody sees (tag -> value); versions keep, per field, the latest write
 * of two distinct writers, which makes the conflict check exact. A parsed row borrows its bytes. */
#ifndef DS_SYNC_CORE_ROW_H
#define DS_SYNC_CORE_ROW_H

#include "schema/record.h"
#include "sync/core/tables.h"

#define DS_ROW_FIELDS_MAX 64 /* Known and unknown tags together. */
#define DS_ROW_SCOPES_MAX 16
#define DS_SIBLINGS_MAX 16
#define DS_ROW_SIZE_MAX 131072
#define DS_ROW_VALUES_MAX 65536 /* Bytes of values that ops may fill; the rest is the engine's. */
#define DS_ROW_BASE_MAX 256     /* Bytes of a base; a longer one is not kept. */
#define DS_ROW_UNKNOWN_MAX 32   /* Unknown tags, so that every known one finds its cell. */

struct ds_write { /* Who wrote a field, and where it was folded. */
    uint64_t position;
    struct ds_incarnation writer;
    uint64_t seq;
    uint8_t lane;
};
struct ds_sibling { /* One write of a `worst` field, or one element of a `union`. */
    struct ds_write write;
    struct ds_slice value; /* Canonical value, or a 32-byte hash. */
};
struct ds_cell { /* One field of a row. */
    uint8_t tag;
    struct ds_slice value; /* Canonical value (nil if cleared); empty: never written. */
    struct ds_slice base;  /* What stood before the latest writer's; empty: nothing, or too long. */
    struct ds_write latest;
    struct ds_write other;       /* Latest write of another writer; position 0: none. */
    struct ds_sibling *siblings; /* In the arena. */
    size_t sibling_count;
};
struct ds_row_state {
    uint8_t type;
    struct ds_id id;
    bool exists;
    uint64_t made;
    uint64_t changed;
    struct ds_cell *cells; /* Ascending by tag; room for DS_ROW_FIELDS_MAX in the arena. */
    size_t cell_count;
    struct ds_scope scopes[DS_ROW_SCOPES_MAX];
    size_t scope_count;
};

/* An empty row for (type, id). DS_ERR_NOMEM when the arena is full. */
DS_NODISCARD enum ds_err ds_row_init(struct ds_row_state *row, uint8_t type, const struct ds_id *id,
                                     struct ds_arena *arena);
DS_NODISCARD enum ds_err ds_row_parse(struct ds_slice bytes, uint8_t type, const struct ds_id *id,
                                      struct ds_arena *arena, struct ds_row_state *row);
void ds_row_put(struct ds_builder *builder, const struct ds_row_state *row);
/* The fields map alone (tag -> value), as feeds and REST show it. */
void ds_row_put_fields(struct ds_builder *builder, const struct ds_row_state *row);
struct ds_cell *ds_row_cell(struct ds_row_state *row, uint8_t tag);      /* NULL: none */
struct ds_cell *ds_row_cell_make(struct ds_row_state *row, uint8_t tag); /* NULL: full */

/* Did the row grow beyond what ops may fill? type NULL: unknown to this build. */
bool ds_row_outgrown(const struct ds_record_type *type, const struct ds_row_state *before,
                     const struct ds_row_state *row);

struct ds_row_head { /* What stands before the fields. */
    uint64_t made;
    uint64_t changed;
    const struct ds_scope *scopes;
    size_t scope_count;
};
/* A row without versions: head and fields map. */
void ds_row_put_plain(struct ds_builder *builder, const struct ds_row_head *head,
                      struct ds_slice fields);
/* The bytes of a stored row. Most rows lie in DS_TABLE_ROW and are borrowed from the store, but a
 * slot's is projected into the arena. DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_row_get(struct ds_txn *txn, uint8_t type, const struct ds_id *id,
                                    struct ds_arena *arena, struct ds_slice *value);
/* The same from a pair of DS_TABLE_ROW that a walk has found. */
DS_NODISCARD enum ds_err ds_row_of_pair(struct ds_txn *txn, uint8_t type, struct ds_slice pair,
                                        struct ds_arena *arena, struct ds_slice *value);

/* Load a row; row->exists tells. The row borrows the store until the next write. */
DS_NODISCARD enum ds_err ds_row_load(struct ds_txn *txn, uint8_t type, const struct ds_id *id,
                                     struct ds_arena *arena, struct ds_row_state *row);
/* Load only the fields map and decode it into a record struct (zeroed; slices live in the arena).
 * DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_record_load(struct ds_txn *txn, uint8_t type, const struct ds_id *id,
                                        struct ds_arena *arena, void *record);
/* The fields map of a stored row value, borrowed. */
DS_NODISCARD enum ds_err ds_row_fields(struct ds_slice value, struct ds_slice *fields,
                                       uint64_t *changed);

#endif

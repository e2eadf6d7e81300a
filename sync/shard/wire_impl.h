/* Inside the codec of rows. Private to sync/shard. */
#ifndef DS_SYNC_SHARD_WIRE_IMPL_H
#define DS_SYNC_SHARD_WIRE_IMPL_H

#include "sync/shard/wire.h"

/* What only the two ends may read: customer keys and clear texts, in the order in which the columns
 * need them. */
struct ds_wire_secret {
    struct ds_builder keys; /* Writing. */
    struct ds_builder texts;
    struct ds_cursor keys_in; /* Reading. */
    struct ds_cursor texts_in;
};

struct ds_wire_index_item { /* Of an id to its row. */
    struct ds_id id;
    uint32_t at;
};

struct ds_wire_block { /* The rows of one page, on their way. */
    struct ds_wire *wire;
    struct ds_row *rows;
    size_t count;
    const struct ds_cursor_at *begin; /* Writing: what the reader holds already. */
    struct ds_wire_secret *secret;
    bool *known;      /* Is the row's id known to the reader by now? */
    int64_t *sorts;   /* Type and what sort of row of it. */
    int64_t *own;     /* The reader's op that it echoes; -1: none. */
    int64_t *numbers; /* Scratch. */
    uint32_t *members;
    struct ds_columns_item *items;
    bool *key_said;
    struct ds_secret *keys; /* Reading: of each row. */
    struct ds_wire_index_item *index;
    int64_t seen[DS_COLUMNS_GROUPS_MAX];
    size_t seen_count;
    struct ds_wire_index_item *own_index; /* Writing: slots of the reader's own readings. */
    size_t own_count;
};

bool ds_wire_block_put(struct ds_builder *builder, struct ds_wire *wire, const struct ds_page *page,
                       const struct ds_cursor_at *begin, uint64_t snapshot, bool echo,
                       struct ds_wire_secret *secret);
bool ds_wire_block_take(struct ds_cursor *cursor, struct ds_wire *wire, uint64_t snapshot,
                        bool echo, struct ds_wire_secret *secret, struct ds_page *page);
void ds_wire_index_sort(struct ds_wire_index_item *items, size_t count);
/* NULL: not there. */
const struct ds_wire_index_item *ds_wire_index_find(const struct ds_wire_index_item *items,
                                                    size_t count, const struct ds_id *id);
/* Sort the ids; then find a row that the reader knows by now. */
bool ds_wire_block_index(struct ds_wire_block *block);
bool ds_wire_block_find(const struct ds_wire_block *block, uint8_t type, const struct ds_id *id,
                        size_t *at);

/* Personal fields, as a struct ds_columns_context wants them; of: the block. */
bool ds_wire_personal_open(void *of, size_t member, uint64_t tag, struct ds_slice field,
                           uint8_t *equality);
bool ds_wire_personal_opens(const struct ds_wire *wire, const struct ds_row *row);
bool ds_wire_personal_close(void *of, const struct ds_columns_group *group, size_t i, uint64_t tag,
                            const uint8_t *equality, struct ds_slice *field);

/* ---- Pages (wire_pages.c). ---- */
/* Room for count items of size bytes and one more; a failed cursor if there are more than max or
 * the arena is full. */
void *ds_wire_list(struct ds_cursor *cursor, struct ds_wire *wire, uint64_t count, size_t max,
                   size_t size);
/* whole: every scope is complete at the snapshot; its digest follows. */
DS_NODISCARD enum ds_err ds_wire_pages_put(struct ds_builder *builder, struct ds_wire *wire,
                                           const struct ds_wire_asked *asked,
                                           const struct ds_response *response, bool whole);
void ds_wire_pages_take(struct ds_cursor *cursor, struct ds_wire *wire,
                        struct ds_response *response, bool whole);

/* ---- Slots of own readings (wire_slot.c). ---- */
bool ds_wire_slot_of(const struct ds_wire *wire, const struct ds_op *op, struct ds_id *slot);
/* The fields of a slot's row that a reading does not change. */
bool ds_wire_held_part(struct ds_arena *arena, struct ds_slice fields, struct ds_slice *held);
/* What a map has otherwise than another (nil: it has no such tag), and the map made from both. */
bool ds_wire_less(struct ds_arena *arena, struct ds_slice fields, struct ds_slice expected,
                  struct ds_slice *rest);
bool ds_wire_more(struct ds_arena *arena, struct ds_slice rest, struct ds_slice expected,
                  struct ds_slice *fields);

#endif

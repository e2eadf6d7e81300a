/* Columns: many records as one kind of value at a time (FORMAT.md, "Columns").
 *
 * A lossless compression of canonical maps: what is put is taken again byte for byte, or refused.
 * Integers travel as differences to what both sides expect: the value before, another column of the
 * record, or a guess of the context; ids as names that the context can find again. A receiver that
 * guesses differently gets other bytes: whoever uses a context puts a hash beside, and has a plain
 * way to fall back on. Taking is strict and bounded: no count is believed, memory comes from the
 * caller's arena alone, and what is built fits the caller's limit. Pure. */
#ifndef DS_SYNC_CORE_COLUMNS_H
#define DS_SYNC_CORE_COLUMNS_H

#include "schema/base/arena.h"
#include "schema/base/bytes.h"

#define DS_COLUMNS_MAX 64        /* Of one group. */
#define DS_COLUMNS_GROUPS_MAX 32 /* Of one list. */
#define DS_COLUMNS_LIST_MAX 4096 /* Records of one list. */
#define DS_COLUMN_TEXT_MAX 32768 /* Bytes of one value. */

/* Numbers of any size: 7 bits a byte, least first, the top bit says that more follow; shortest form
 * only. A signed number is turned so that small ones stay small: 0, -1, 1, -2 ... */
void ds_put_var(struct ds_builder *builder, uint64_t value);
uint64_t ds_take_var(struct ds_cursor *cursor);
void ds_put_svar(struct ds_builder *builder, int64_t value);
int64_t ds_take_svar(struct ds_cursor *cursor);
size_t ds_var_size(uint64_t value);
size_t ds_svar_size(int64_t value);

/* ---- One column of integers. ---- */

enum ds_ints_form { DS_INTS_SAME = 0, DS_INTS_PLAIN = 1, DS_INTS_DELTA = 2, DS_INTS_STEP = 3 };
/* The form that needs the fewest bytes, and how many. base: what each is a difference to; NULL: 0.
 */
enum ds_ints_form ds_ints_choose(const int64_t *values, const int64_t *base, size_t count,
                                 size_t *size);
void ds_ints_put_form(struct ds_builder *builder, enum ds_ints_form form, const int64_t *values,
                      const int64_t *base, size_t count);
void ds_ints_take_form(struct ds_cursor *cursor, enum ds_ints_form form, int64_t *values,
                       const int64_t *base, size_t count);
/* With the form in a byte before them. */
void ds_ints_put(struct ds_builder *builder, const int64_t *values, size_t count);
void ds_ints_take(struct ds_cursor *cursor, int64_t *values, size_t count);

/* ---- A list of maps. ---- */

enum ds_column_kind {
    DS_COLUMN_INT = 0,
    DS_COLUMN_ID = 1,
    DS_COLUMN_RAW = 2,
    DS_COLUMN_PERSONAL = 3
};
struct ds_column_value {
    int64_t number;
    struct ds_slice raw; /* The value's canonical bytes; an id's are its 16. */
    bool present;
};
struct ds_column {
    uint64_t tag;
    enum ds_column_kind kind;
    struct ds_column_value *values; /* One per member of the group. */
};
struct ds_columns_group { /* The records of one sort, in their order. */
    uint64_t sort;
    uint32_t *members; /* Their places in the list. */
    size_t count;
    struct ds_column *columns; /* Those put, or taken so far. */
    size_t column_count;
};
struct ds_columns_item {
    uint64_t sort;
    struct ds_slice fields; /* A canonical map. */
};

/* What both sides know beside the bytes. Unset functions: nothing. */
struct ds_columns_context {
    void *of;
    /* Fill guesses, one per member, for the integers of a tag; which: 1 or 2. False: none. A guess
     * may look at the columns that stand in the group before. */
    bool (*guess)(void *of, const struct ds_columns_group *group, uint64_t tag, int which,
                  int64_t *guesses);
    /* The tag of a sort whose column stands last, for its guess looks at others; 0: none. */
    uint64_t (*last)(void *of, uint64_t sort);
    /* A name for an id that the other side finds again; and the finding. */
    bool (*name)(void *of, uint64_t sort, uint64_t tag, size_t member, const struct ds_id *id,
                 int64_t part[2]);
    bool (*find)(void *of, uint64_t sort, uint64_t tag, size_t member, const int64_t part[2],
                 struct ds_id *id);
    /* A personal field without what can be made again: its clear text goes another way. open: the
     * 16 bytes of its equality tag (NULL: can it be made again?); close: the field made anew, in
     * the arena, of the group's member number i, whose columns before are known. */
    bool (*open)(void *of, size_t member, uint64_t tag, struct ds_slice field, uint8_t *equality);
    bool (*close)(void *of, const struct ds_columns_group *group, size_t i, uint64_t tag,
                  const uint8_t *equality, struct ds_slice *field);
};

/* Put a list; false: it cannot be said in columns (more groups or columns than the limits, maps
 * that are not canonical), or the arena or the builder is full. */
bool ds_columns_put(struct ds_builder *builder, struct ds_arena *arena,
                    const struct ds_columns_context *context, const struct ds_columns_item *items,
                    size_t count);
/* Take count records: sorts and fields, which lie in the arena, together at most room bytes. False:
 * not what ds_columns_put() makes, or too much. */
bool ds_columns_take(struct ds_cursor *cursor, struct ds_arena *arena,
                     const struct ds_columns_context *context, struct ds_columns_item *items,
                     size_t count, size_t room);

/* ---- A column of ids. (columns_ids.c) ---- */
bool ds_ids_put(struct ds_builder *builder, struct ds_arena *arena,
                const struct ds_columns_context *context, const struct ds_columns_group *group,
                const struct ds_column *column, size_t present);
bool ds_ids_take(struct ds_cursor *cursor, struct ds_arena *arena,
                 const struct ds_columns_context *context, const struct ds_columns_group *group,
                 struct ds_column *column, size_t present);
/* ---- A column of slot histories (FORMAT.md, "Slot history"; columns_history.c). ---- */
/* Are these all histories? */
bool ds_history_is(const struct ds_column *column, size_t count);
bool ds_history_put(struct ds_builder *builder, struct ds_arena *arena,
                    const struct ds_columns_group *group, const struct ds_column *column);
bool ds_history_take(struct ds_cursor *cursor, struct ds_arena *arena,
                     const struct ds_columns_group *group, struct ds_column *column, size_t room);

#endif

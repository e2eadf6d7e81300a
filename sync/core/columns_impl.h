/* What putting and taking columns have in common. Private to sync/core. */
#ifndef DS_SYNC_CORE_COLUMNS_IMPL_H
#define DS_SYNC_CORE_COLUMNS_IMPL_H

#include "schema/codec/msgpack.h"
#include "sync/core/columns.h"

/* A column's head byte: kind, which members have a value, and the form of what follows. */
enum { HEAD_PRESENCE = 2, HEAD_FORM = 4, KIND_MASK = 3, PRESENCE_MASK = 3 };
enum presence { HAVE_ALL = 0, HAVE_BITS = 1, HAVE_BUT = 2, HAVE_ONLY = 3 };
/* Form of integers: what they are a difference to, and how the differences stand. */
enum { BASE_SHIFT = 2, BASE_NONE = 0, BASE_GUESS = 1, BASE_OTHER_GUESS = 2, BASE_COLUMN = 3 };
enum { FORM_MASK = 3, ID_SIZE = 16, EQUALITY_SIZE = 16 };
enum ids_form { IDS_SAME = 0, IDS_RAW = 1, IDS_NAMED = 2 };
enum raw_form { RAW_SAME = 0, RAW_LIST = 1, RAW_NUMBERED = 2, RAW_HISTORY = 3 };
enum { NUMBERED_PREFIX_MAX = 31, NUMBERED_WIDTH_MAX = 18, NOT_NAMED = -1 };

static inline size_t ds_column_present(const struct ds_column *column, size_t count)
{
    size_t present = 0;
    for (size_t i = 0; i < count; i++) {
        present += column->values[i].present;
    }
    return present;
}

/* The numbers of those that are present, in order; and back. */
static inline void ds_column_gather(const struct ds_column *column, size_t count, int64_t *numbers)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (column->values[i].present) {
            numbers[at++] = column->values[i].number;
        }
    }
}

static inline void ds_column_scatter(struct ds_column *column, size_t count, const int64_t *numbers)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (column->values[i].present) {
            column->values[i].number = numbers[at++];
        }
    }
}

/* What the context guesses, of those that are present. False: it guesses nothing. */
static inline bool ds_column_guess(const struct ds_columns_context *context,
                                   const struct ds_columns_group *group,
                                   const struct ds_column *column, int which, int64_t *all,
                                   int64_t *guesses)
{
    if (context->guess == NULL || !context->guess(context->of, group, column->tag, which, all)) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < group->count; i++) {
        if (column->values[i].present) {
            guesses[at++] = all[i];
        }
    }
    return true;
}

/* Another column's numbers where this one has a value; 0 where the other has none. */
static inline void ds_column_align(const struct ds_column *other, const struct ds_column *column,
                                   size_t count, int64_t *numbers)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (column->values[i].present) {
            numbers[at++] = other->values[i].present ? other->values[i].number : 0;
        }
    }
}

#endif

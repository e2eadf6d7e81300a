/* A column of ids that the other side may find by a name (FORMAT.md, "Columns"). */
#include "sync/core/columns_impl.h"

#include <string.h>

/* Two columns of integers, the parts of the names; -1 as the first part: the id itself stands
 * behind them. */
struct names {
    int64_t *first;
    int64_t *second;
};

static bool make_names(struct ds_arena *arena, size_t count, struct names *names)
{
    names->first = ds_arena_alloc(arena, count * sizeof(int64_t));
    names->second = ds_arena_alloc(arena, count * sizeof(int64_t));
    return names->first != NULL && names->second != NULL;
}

bool ds_ids_put(struct ds_builder *builder, struct ds_arena *arena,
                const struct ds_columns_context *context, const struct ds_columns_group *group,
                const struct ds_column *column, size_t present)
{
    size_t mark = ds_arena_mark(arena);
    struct names names;
    size_t at = 0;
    size_t named = 0;
    if (!make_names(arena, present, &names)) {
        return false;
    }
    for (size_t i = 0; i < group->count; i++) {
        int64_t part[2] = {NOT_NAMED, 0};
        struct ds_id id;
        if (!column->values[i].present) {
            continue;
        }
        memcpy(id.byte, column->values[i].raw.data, sizeof(id.byte));
        bool found =
            context->name(context->of, group->sort, column->tag, group->members[i], &id, part) &&
            part[0] >= 0;
        names.first[at++] = found ? part[0] : NOT_NAMED;
        if (found) {
            names.second[named++] = part[1];
        }
    }
    ds_ints_put(builder, names.first, present);
    ds_ints_put(builder, names.second, named);
    at = 0;
    for (size_t i = 0; i < group->count; i++) {
        if (column->values[i].present && names.first[at++] == NOT_NAMED) {
            ds_put_bytes(builder, column->values[i].raw);
        }
    }
    ds_arena_rewind(arena, mark);
    return true;
}

static bool find(const struct ds_columns_context *context, const struct ds_columns_group *group,
                 const struct ds_column *column, size_t i, const int64_t part[2],
                 struct ds_arena *arena, struct ds_slice *raw)
{
    struct ds_id id;
    if (part[0] < 0 || context->find == NULL ||
        !context->find(context->of, group->sort, column->tag, group->members[i], part, &id)) {
        return false;
    }
    return ds_arena_copy(arena, DS_SLICE_OF(id.byte), raw) == DS_OK;
}

bool ds_ids_take(struct ds_cursor *cursor, struct ds_arena *arena,
                 const struct ds_columns_context *context, const struct ds_columns_group *group,
                 struct ds_column *column, size_t present)
{
    struct names names;
    size_t named = 0;
    if (!make_names(arena, present, &names)) {
        return false;
    }
    ds_ints_take(cursor, names.first, present);
    for (size_t i = 0; i < present; i++) {
        named += names.first[i] != NOT_NAMED;
    }
    ds_ints_take(cursor, names.second, named);
    size_t at = 0;
    named = 0;
    for (size_t i = 0; i < group->count && !cursor->failed; i++) {
        if (!column->values[i].present) {
            continue;
        }
        int64_t part[2] = {names.first[at++], 0};
        if (part[0] == NOT_NAMED) {
            column->values[i].raw = ds_take_bytes(cursor, ID_SIZE);
            continue;
        }
        part[1] = names.second[named++];
        if (!find(context, group, column, i, part, arena, &column->values[i].raw)) {
            return false;
        }
    }
    return !cursor->failed;
}

/* Taking a list of maps out of columns (FORMAT.md, "Columns"). Nothing here is believed. */
#include "sync/core/columns.h"
#include "sync/core/columns_impl.h"

#include <string.h>

struct taking {
    struct ds_cursor *cursor;
    struct ds_arena *arena;
    const struct ds_columns_context *context;
    struct ds_columns_group groups[DS_COLUMNS_GROUPS_MAX];
    size_t group_count;
    int64_t *numbers; /* Scratch, one per record. */
    int64_t *all;
    int64_t *base;
    size_t room;
};

/* ---- Groups. ---- */

static struct ds_columns_group *group_of(struct taking *t, uint64_t sort)
{
    for (size_t i = 0; i < t->group_count; i++) {
        if (t->groups[i].sort == sort) {
            return &t->groups[i];
        }
    }
    if (t->group_count == DS_COLUMNS_GROUPS_MAX) {
        return NULL;
    }
    t->groups[t->group_count] = (struct ds_columns_group){.sort = sort};
    return &t->groups[t->group_count++];
}

static bool take_groups(struct taking *t, struct ds_columns_item *items, size_t count)
{
    ds_ints_take(t->cursor, t->numbers, count);
    for (size_t i = 0; i < count && !t->cursor->failed; i++) {
        items[i] = (struct ds_columns_item){.sort = (uint64_t)t->numbers[i]};
        struct ds_columns_group *group = t->numbers[i] < 0 ? NULL : group_of(t, items[i].sort);
        if (group == NULL) {
            return false;
        }
        group->count++;
    }
    for (size_t g = 0; g < t->group_count && !t->cursor->failed; g++) {
        struct ds_columns_group *group = &t->groups[g];
        size_t at = 0;
        group->members = ds_arena_alloc(t->arena, group->count * sizeof(*group->members));
        if (group->members == NULL) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            if (items[i].sort == group->sort) {
                group->members[at++] = (uint32_t)i;
            }
        }
    }
    return !t->cursor->failed;
}

/* ---- Who has a value. ---- */

static void take_bits(struct ds_cursor *cursor, struct ds_column *column, size_t count)
{
    for (size_t at = 0; at < count; at += 8) {
        uint8_t bits = ds_take_u8(cursor);
        for (size_t i = at; i < at + 8; i++) {
            bool there = (bits >> (i - at) & 1) != 0;
            if (i < count) {
                column->values[i].present = there;
            } else if (there) {
                cursor->failed = true; /* No member there. */
            }
        }
    }
}

static void take_gaps(struct ds_cursor *cursor, struct ds_column *column, size_t count,
                      bool present)
{
    uint64_t found = ds_take_var(cursor);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        column->values[i].present = !present;
    }
    for (uint64_t i = 0; i < found && !cursor->failed; i++) {
        uint64_t gap = ds_take_var(cursor);
        if (at >= count || gap >= count - at) {
            cursor->failed = true;
            return;
        }
        at += (size_t)gap;
        column->values[at++].present = present;
    }
}

static void take_presence(struct ds_cursor *cursor, enum presence presence,
                          struct ds_column *column, size_t count)
{
    switch (presence) {
    case HAVE_ALL:
        for (size_t i = 0; i < count; i++) {
            column->values[i].present = true;
        }
        break;
    case HAVE_BITS:
        take_bits(cursor, column, count);
        break;
    default:
        take_gaps(cursor, column, count, presence == HAVE_ONLY);
    }
}

/* ---- One column. ---- */

static bool take_ints(struct taking *t, const struct ds_columns_group *group,
                      struct ds_column *column, size_t present, unsigned form)
{
    unsigned base = form >> BASE_SHIFT;
    const int64_t *against = NULL;
    if (base == BASE_COLUMN) {
        uint64_t other = ds_take_var(t->cursor);
        if (other >= group->column_count || group->columns[other].kind != DS_COLUMN_INT) {
            return false;
        }
        ds_column_align(&group->columns[other], column, group->count, t->base);
        against = t->base;
    } else if (base != BASE_NONE) {
        if (!ds_column_guess(t->context, group, column, (int)base, t->all, t->base)) {
            return false;
        }
        against = t->base;
    }
    ds_ints_take_form(t->cursor, (enum ds_ints_form)(form & FORM_MASK), t->numbers, against,
                      present);
    ds_column_scatter(column, group->count, t->numbers);
    return true;
}

static bool take_ids(struct taking *t, const struct ds_columns_group *group,
                     struct ds_column *column, size_t present, unsigned form)
{
    struct ds_slice same = {NULL, 0};
    if (form == IDS_NAMED) {
        return ds_ids_take(t->cursor, t->arena, t->context, group, column, present);
    }
    if (form == IDS_SAME) {
        same = ds_take_bytes(t->cursor, ID_SIZE);
    } else if (form != IDS_RAW) {
        return false;
    }
    for (size_t i = 0; i < group->count && !t->cursor->failed; i++) {
        if (column->values[i].present) {
            column->values[i].raw = form == IDS_SAME ? same : ds_take_bytes(t->cursor, ID_SIZE);
        }
    }
    return true;
}

static bool put_text(struct taking *t, struct ds_slice prefix, uint8_t width, int64_t number,
                     struct ds_slice *raw)
{
    uint8_t text[NUMBERED_PREFIX_MAX + NUMBERED_WIDTH_MAX];
    size_t size = prefix.size + width + 2;
    struct ds_builder builder;
    for (size_t k = 0; k < width; k++) {
        text[prefix.size + width - 1 - k] = (uint8_t)('0' + number % 10);
        number /= 10;
    }
    if (number != 0) {
        return false; /* More digits than the width. */
    }
    memcpy(text, prefix.data, prefix.size);
    ds_builder_init(&builder, ds_arena_room(t->arena, size), size);
    if (builder.data == NULL) {
        return false;
    }
    ds_mp_put_str(&builder, (struct ds_slice){text, prefix.size + width});
    return ds_builder_end(&builder, raw) == DS_OK;
}

static bool take_numbered(struct taking *t, const struct ds_columns_group *group,
                          struct ds_column *column, size_t present)
{
    uint8_t prefix_size = ds_take_u8(t->cursor);
    if (prefix_size > NUMBERED_PREFIX_MAX) {
        return false;
    }
    struct ds_slice prefix = ds_take_bytes(t->cursor, prefix_size);
    uint8_t width = ds_take_u8(t->cursor);
    if (t->cursor->failed || width == 0 || width > NUMBERED_WIDTH_MAX) {
        return false;
    }
    ds_ints_take(t->cursor, t->numbers, present);
    size_t at = 0;
    for (size_t i = 0; i < group->count && !t->cursor->failed; i++) {
        if (!column->values[i].present) {
            continue;
        }
        int64_t number = t->numbers[at++];
        if (number < 0 || !put_text(t, prefix, width, number, &column->values[i].raw)) {
            return false;
        }
    }
    return true;
}

static bool take_raw(struct taking *t, const struct ds_columns_group *group,
                     struct ds_column *column, size_t present, unsigned form)
{
    struct ds_slice same = {NULL, 0};
    switch (form) {
    case RAW_NUMBERED:
        return take_numbered(t, group, column, present);
    case RAW_HISTORY:
        return ds_history_take(t->cursor, t->arena, group, column, t->room);
    case RAW_SAME:
        same = ds_mp_take_value(t->cursor);
        break;
    case RAW_LIST:
        break;
    default:
        return false;
    }
    for (size_t i = 0; i < group->count && !t->cursor->failed; i++) {
        if (column->values[i].present) {
            column->values[i].raw = form == RAW_SAME ? same : ds_mp_take_value(t->cursor);
        }
    }
    return true;
}

static bool take_personal(struct taking *t, const struct ds_columns_group *group,
                          struct ds_column *column)
{
    if (t->context->close == NULL) {
        return false;
    }
    for (size_t i = 0; i < group->count; i++) {
        if (!column->values[i].present) {
            continue;
        }
        struct ds_slice equality = ds_take_bytes(t->cursor, EQUALITY_SIZE);
        if (t->cursor->failed || !t->context->close(t->context->of, group, i, column->tag,
                                                    equality.data, &column->values[i].raw)) {
            return false;
        }
    }
    return true;
}

static bool take_values(struct taking *t, const struct ds_columns_group *group,
                        struct ds_column *column, unsigned form)
{
    size_t present = ds_column_present(column, group->count);
    switch (column->kind) {
    case DS_COLUMN_INT:
        return take_ints(t, group, column, present, form);
    case DS_COLUMN_ID:
        return take_ids(t, group, column, present, form);
    case DS_COLUMN_PERSONAL:
        return form == 0 && take_personal(t, group, column);
    default:
        return take_raw(t, group, column, present, form);
    }
}

/* A tag may have columns of several kinds, but a member one value of it. */
static bool is_new(const struct ds_columns_group *group, const struct ds_column *column)
{
    for (size_t c = 0; c < group->column_count; c++) {
        const struct ds_column *other = &group->columns[c];
        if (other->tag != column->tag) {
            continue;
        }
        for (size_t i = 0; i < group->count; i++) {
            if (other->values[i].present && column->values[i].present) {
                return false;
            }
        }
    }
    return true;
}

static bool take_column(struct taking *t, struct ds_columns_group *group)
{
    struct ds_column column = {.tag = ds_take_var(t->cursor)};
    uint8_t head = ds_take_u8(t->cursor);
    size_t size = group->count * sizeof(*column.values);
    if (t->cursor->failed || size > t->room * sizeof(*column.values)) {
        return false;
    }
    column.kind = (enum ds_column_kind)(head & KIND_MASK);
    column.values = ds_arena_alloc(t->arena, size);
    if (column.values == NULL) {
        return false;
    }
    take_presence(t->cursor, (enum presence)(head >> HEAD_PRESENCE & PRESENCE_MASK), &column,
                  group->count);
    if (t->cursor->failed || !is_new(group, &column) ||
        !take_values(t, group, &column, head >> HEAD_FORM) || t->cursor->failed) {
        return false;
    }
    group->columns[group->column_count++] = column;
    return true;
}

static bool take_group(struct taking *t, struct ds_columns_group *group)
{
    uint64_t count = ds_take_var(t->cursor);
    if (t->cursor->failed || count > DS_COLUMNS_MAX) {
        return false;
    }
    group->columns = ds_arena_alloc(t->arena, DS_COLUMNS_MAX * sizeof(*group->columns));
    if (group->columns == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!take_column(t, group)) {
            return false;
        }
    }
    return true;
}

/* ---- Back to maps. ---- */

static void sort_columns(struct ds_columns_group *group)
{
    for (size_t i = 1; i < group->column_count; i++) {
        struct ds_column moved = group->columns[i];
        size_t at = i;
        for (; at > 0 && group->columns[at - 1].tag > moved.tag; at--) {
            group->columns[at] = group->columns[at - 1];
        }
        group->columns[at] = moved;
    }
}

static void put_value(struct ds_builder *builder, const struct ds_column *column, size_t i)
{
    const struct ds_column_value *value = &column->values[i];
    switch (column->kind) {
    case DS_COLUMN_INT:
        ds_mp_put_int(builder, value->number);
        break;
    case DS_COLUMN_RAW:
        ds_mp_put_raw(builder, value->raw);
        break;
    default:
        ds_mp_put_bin(builder, value->raw);
    }
}

static void put_map(struct ds_builder *builder, const struct ds_columns_group *group, size_t i)
{
    uint32_t pairs = 0;
    for (size_t c = 0; c < group->column_count; c++) {
        pairs += group->columns[c].values[i].present;
    }
    ds_mp_put_map(builder, pairs);
    for (size_t c = 0; c < group->column_count; c++) {
        if (group->columns[c].values[i].present) {
            ds_mp_put_uint(builder, group->columns[c].tag);
            put_value(builder, &group->columns[c], i);
        }
    }
}

static bool put_maps(struct taking *t, struct ds_builder *out, struct ds_columns_item *items)
{
    for (size_t g = 0; g < t->group_count; g++) {
        struct ds_columns_group *group = &t->groups[g];
        sort_columns(group);
        for (size_t i = 0; i < group->count; i++) {
            size_t begin = out->used;
            put_map(out, group, i);
            if (out->failed) {
                return false;
            }
            items[group->members[i]].fields =
                (struct ds_slice){out->data + begin, out->used - begin};
        }
    }
    return true;
}

static bool take_list(struct taking *t, struct ds_columns_item *items, size_t count)
{
    size_t size = count * sizeof(int64_t);
    t->numbers = ds_arena_alloc(t->arena, size);
    t->all = ds_arena_alloc(t->arena, size);
    t->base = ds_arena_alloc(t->arena, size);
    if (t->numbers == NULL || t->all == NULL || t->base == NULL || !take_groups(t, items, count)) {
        return false;
    }
    for (size_t g = 0; g < t->group_count; g++) {
        if (!take_group(t, &t->groups[g])) {
            return false;
        }
    }
    return true;
}

bool ds_columns_take(struct ds_cursor *cursor, struct ds_arena *arena,
                     const struct ds_columns_context *context, struct ds_columns_item *items,
                     size_t count, size_t room)
{
    if (count == 0 || count > DS_COLUMNS_LIST_MAX) {
        return count == 0;
    }
    /* The maps first, so that the rest can go back; what they do not fill goes back, too. */
    struct ds_builder out;
    ds_builder_init(&out, ds_arena_room(arena, room), room);
    struct taking *t = ds_arena_alloc(arena, sizeof(*t));
    if (out.data == NULL || t == NULL) {
        return false;
    }
    t->cursor = cursor;
    t->arena = arena;
    t->context = context;
    t->room = room;
    if (!take_list(t, items, count) || !put_maps(t, &out, items)) {
        cursor->failed = true;
        return false;
    }
    ds_arena_rewind(arena, (size_t)(out.data - arena->base) + out.used);
    return true;
}

/* Putting a list of maps into columns (FORMAT.md, "Columns"). */
#include "sync/core/columns.h"

#include "sync/core/columns_impl.h"

#include <string.h>

struct putting {
    struct ds_builder *builder;
    struct ds_arena *arena;
    const struct ds_columns_context *context;
    struct ds_columns_group groups[DS_COLUMNS_GROUPS_MAX];
    size_t group_count;
    int64_t *numbers; /* Scratch, one per record: values, guesses, aligned columns. */
    int64_t *all;
    int64_t *base;
    int64_t *best;
};

/* ---- Sorting records into groups, values into columns. ---- */

static struct ds_columns_group *group_of(struct putting *p, uint64_t sort)
{
    for (size_t i = 0; i < p->group_count; i++) {
        if (p->groups[i].sort == sort) {
            return &p->groups[i];
        }
    }
    if (p->group_count == DS_COLUMNS_GROUPS_MAX) {
        return NULL;
    }
    struct ds_columns_group *group = &p->groups[p->group_count++];
    *group = (struct ds_columns_group){.sort = sort};
    return group;
}

static bool make_groups(struct putting *p, const struct ds_columns_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ds_columns_group *group = group_of(p, items[i].sort);
        if (group == NULL) {
            return false;
        }
        group->count++;
    }
    for (size_t g = 0; g < p->group_count; g++) {
        struct ds_columns_group *group = &p->groups[g];
        group->members = ds_arena_alloc(p->arena, group->count * sizeof(*group->members));
        group->columns = ds_arena_alloc(p->arena, DS_COLUMNS_MAX * sizeof(*group->columns));
        if (group->members == NULL || group->columns == NULL) {
            return false;
        }
        size_t at = 0;
        for (size_t i = 0; i < count; i++) {
            if (items[i].sort == group->sort) {
                group->members[at++] = (uint32_t)i;
            }
        }
    }
    return true;
}

/* The column of a tag and kind; columns stand by tag, then kind. */
static struct ds_column *column_of(struct putting *p, struct ds_columns_group *group, uint64_t tag,
                                   enum ds_column_kind kind)
{
    size_t at = 0;
    while (at < group->column_count &&
           (group->columns[at].tag < tag ||
            (group->columns[at].tag == tag && group->columns[at].kind < kind))) {
        at++;
    }
    if (at < group->column_count && group->columns[at].tag == tag &&
        group->columns[at].kind == kind) {
        return &group->columns[at];
    }
    if (group->column_count == DS_COLUMNS_MAX) {
        return NULL;
    }
    struct ds_column_value *values =
        ds_arena_alloc(p->arena, group->count * sizeof(*values)); /* All absent. */
    if (values == NULL) {
        return NULL;
    }
    memset(values, 0, group->count * sizeof(*values));
    memmove(&group->columns[at + 1], &group->columns[at],
            (group->column_count - at) * sizeof(*group->columns));
    group->columns[at] = (struct ds_column){.tag = tag, .kind = kind, .values = values};
    group->column_count++;
    return &group->columns[at];
}

static enum ds_column_kind kind_of(struct putting *p, size_t member, uint64_t tag,
                                   struct ds_slice raw, struct ds_column_value *value)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, raw);
    enum ds_mp_kind kind = ds_mp_peek(&cursor);
    *value = (struct ds_column_value){.raw = raw, .present = true};
    if (kind == DS_MP_UINT || kind == DS_MP_INT) {
        value->number = ds_mp_take_int(&cursor);
        return cursor.failed ? DS_COLUMN_RAW : DS_COLUMN_INT;
    }
    if (kind != DS_MP_BIN) {
        return DS_COLUMN_RAW;
    }
    struct ds_slice bin = ds_mp_take_bin(&cursor);
    if (bin.size == ID_SIZE) {
        value->raw = bin;
        return DS_COLUMN_ID;
    }
    if (p->context->open != NULL && p->context->open(p->context->of, member, tag, bin, NULL)) {
        value->raw = bin;
        return DS_COLUMN_PERSONAL;
    }
    return DS_COLUMN_RAW;
}

static bool sort_fields(struct putting *p, struct ds_columns_group *group, size_t g,
                        struct ds_slice fields)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs && !cursor.failed; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice raw = ds_mp_take_value(&cursor);
        struct ds_column_value value;
        if (cursor.failed || raw.size > DS_COLUMN_TEXT_MAX) {
            return false;
        }
        enum ds_column_kind kind = kind_of(p, group->members[g], tag, raw, &value);
        struct ds_column *column = column_of(p, group, tag, kind);
        if (column == NULL) {
            return false;
        }
        column->values[g] = value;
    }
    return ds_cursor_end(&cursor) == DS_OK;
}

/* ---- Writing one column. ---- */

/* Gaps between the members that are, or are not, there. */
static size_t put_gaps(struct ds_builder *builder, const struct ds_column *column, size_t count,
                       bool present)
{
    size_t before = 0;
    size_t found = 0;
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        found += column->values[i].present == present;
    }
    size += ds_var_size(found);
    if (builder != NULL) {
        ds_put_var(builder, found);
    }
    for (size_t i = 0; i < count; i++) {
        if (column->values[i].present == present) {
            size += ds_var_size(i - before);
            if (builder != NULL) {
                ds_put_var(builder, i - before);
            }
            before = i + 1;
        }
    }
    return size;
}

static enum presence choose_presence(const struct ds_column *column, size_t count, size_t present)
{
    if (present == count) {
        return HAVE_ALL;
    }
    size_t bits = (count + 7) / 8;
    size_t but = put_gaps(NULL, column, count, false);
    size_t only = put_gaps(NULL, column, count, true);
    if (bits <= but && bits <= only) {
        return HAVE_BITS;
    }
    return but < only ? HAVE_BUT : HAVE_ONLY;
}

static void put_presence(struct ds_builder *builder, enum presence presence,
                         const struct ds_column *column, size_t count)
{
    if (presence == HAVE_BITS) {
        for (size_t at = 0; at < count; at += 8) {
            uint8_t bits = 0;
            for (size_t i = at; i < at + 8 && i < count; i++) {
                bits |= (uint8_t)(column->values[i].present << (i - at));
            }
            ds_put_u8(builder, bits);
        }
    } else if (presence != HAVE_ALL) {
        put_gaps(builder, column, count, presence == HAVE_ONLY);
    }
}

static void put_head(struct ds_builder *builder, const struct ds_column *column, size_t count,
                     size_t present, unsigned form)
{
    enum presence presence = choose_presence(column, count, present);
    ds_put_var(builder, column->tag);
    ds_put_u8(builder, (uint8_t)((unsigned)column->kind | (unsigned)presence << HEAD_PRESENCE |
                                 form << HEAD_FORM));
    put_presence(builder, presence, column, count);
}

struct ints_choice {
    enum ds_ints_form form;
    unsigned base;
    size_t other; /* BASE_COLUMN: which. */
    size_t size;
};

static void consider(struct putting *p, struct ints_choice *choice, unsigned base, size_t other,
                     size_t present)
{
    size_t size = 0;
    enum ds_ints_form form =
        ds_ints_choose(p->numbers, base == BASE_NONE ? NULL : p->base, present, &size);
    size += base == BASE_COLUMN ? ds_var_size(other) : 0;
    if (base == BASE_NONE || size < choice->size) {
        *choice = (struct ints_choice){form, base, other, size};
        if (base != BASE_NONE) {
            memcpy(p->best, p->base, present * sizeof(*p->best));
        }
    }
}

/* The column must be the next behind those that count as put in the group. */
static void put_ints(struct putting *p, const struct ds_columns_group *group,
                     const struct ds_column *column, size_t present)
{
    struct ints_choice choice = {0};
    ds_column_gather(column, group->count, p->numbers);
    consider(p, &choice, BASE_NONE, 0, present);
    for (int which = 1; which <= 2 && choice.size > 1; which++) {
        if (ds_column_guess(p->context, group, column, which, p->all, p->base)) {
            consider(p, &choice, which == 1 ? BASE_GUESS : BASE_OTHER_GUESS, 0, present);
        }
    }
    for (size_t i = 0; i < group->column_count && choice.size > 2; i++) {
        if (group->columns[i].kind == DS_COLUMN_INT) {
            ds_column_align(&group->columns[i], column, group->count, p->base);
            consider(p, &choice, BASE_COLUMN, i, present);
        }
    }
    put_head(p->builder, column, group->count, present,
             (unsigned)choice.form | choice.base << BASE_SHIFT);
    if (choice.base == BASE_COLUMN) {
        ds_put_var(p->builder, choice.other);
    }
    ds_ints_put_form(p->builder, choice.form, p->numbers, choice.base == BASE_NONE ? NULL : p->best,
                     present);
}

/* ---- Texts. ---- */

struct numbered { /* Texts that are one beginning and a number of fixed width. */
    uint8_t prefix;
    uint8_t width;
    struct ds_slice first;
};

static bool text_of(struct ds_slice raw, struct ds_slice *text)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, raw);
    if (ds_mp_peek(&cursor) != DS_MP_STR) {
        return false;
    }
    *text = ds_mp_take_str(&cursor);
    return !cursor.failed;
}

static bool all_digits(struct ds_slice text, size_t from)
{
    for (size_t i = from; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return true;
}

static bool is_numbered(const struct ds_column *column, size_t count, struct numbered *out)
{
    size_t common = 0;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        struct ds_slice text;
        if (!column->values[i].present) {
            continue;
        }
        if (!text_of(column->values[i].raw, &text) || (any && text.size != out->first.size)) {
            return false;
        }
        if (!any) {
            out->first = text;
            common = text.size;
        }
        size_t same = 0;
        while (same < common && text.data[same] == out->first.data[same]) {
            same++;
        }
        common = same;
        any = true;
    }
    for (size_t i = 0; any && i < count; i++) {
        struct ds_slice text;
        if (column->values[i].present &&
            (!text_of(column->values[i].raw, &text) || !all_digits(text, common))) {
            return false;
        }
    }
    size_t width = any ? out->first.size - common : 0;
    out->prefix = (uint8_t)common;
    out->width = (uint8_t)width;
    return width > 0 && width <= NUMBERED_WIDTH_MAX && common <= NUMBERED_PREFIX_MAX;
}

static void put_numbered(struct putting *p, const struct ds_column *column, size_t count,
                         size_t present, const struct numbered *numbered)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        struct ds_slice text;
        if (!column->values[i].present || !text_of(column->values[i].raw, &text)) {
            continue;
        }
        int64_t number = 0;
        for (size_t k = numbered->prefix; k < text.size; k++) {
            number = number * 10 + (text.data[k] - '0');
        }
        p->numbers[at++] = number;
    }
    ds_put_u8(p->builder, numbered->prefix);
    ds_put_bytes(p->builder, (struct ds_slice){numbered->first.data, numbered->prefix});
    ds_put_u8(p->builder, numbered->width);
    ds_ints_put(p->builder, p->numbers, present);
}

static bool all_same(const struct ds_column *column, size_t count, struct ds_slice *value)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (!column->values[i].present) {
            continue;
        }
        if (any && !ds_slice_equal(column->values[i].raw, *value)) {
            return false;
        }
        *value = column->values[i].raw;
        any = true;
    }
    return any;
}

static bool put_raw(struct putting *p, const struct ds_columns_group *group,
                    const struct ds_column *column, size_t present)
{
    struct ds_slice value = {NULL, 0};
    struct numbered numbered = {0};
    size_t count = group->count;
    if (all_same(column, count, &value)) {
        put_head(p->builder, column, count, present, RAW_SAME);
        ds_put_bytes(p->builder, value);
        return true;
    }
    if (is_numbered(column, count, &numbered)) {
        put_head(p->builder, column, count, present, RAW_NUMBERED);
        put_numbered(p, column, count, present, &numbered);
        return true;
    }
    if (ds_history_is(column, count)) {
        put_head(p->builder, column, count, present, RAW_HISTORY);
        return ds_history_put(p->builder, p->arena, group, column);
    }
    put_head(p->builder, column, count, present, RAW_LIST);
    for (size_t i = 0; i < count; i++) {
        if (column->values[i].present) {
            ds_put_bytes(p->builder, column->values[i].raw);
        }
    }
    return true;
}

static bool put_ids(struct putting *p, const struct ds_columns_group *group,
                    const struct ds_column *column, size_t present)
{
    struct ds_slice value = {NULL, 0};
    if (all_same(column, group->count, &value) && (present > 1 || p->context->name == NULL)) {
        put_head(p->builder, column, group->count, present, IDS_SAME);
        ds_put_bytes(p->builder, value);
        return true;
    }
    if (p->context->name == NULL) {
        put_head(p->builder, column, group->count, present, IDS_RAW);
        for (size_t i = 0; i < group->count; i++) {
            if (column->values[i].present) {
                ds_put_bytes(p->builder, column->values[i].raw);
            }
        }
        return true;
    }
    put_head(p->builder, column, group->count, present, IDS_NAMED);
    return ds_ids_put(p->builder, p->arena, p->context, group, column, present);
}

static bool put_personal(struct putting *p, const struct ds_columns_group *group,
                         const struct ds_column *column, size_t present)
{
    put_head(p->builder, column, group->count, present, 0);
    for (size_t i = 0; i < group->count; i++) {
        uint8_t equality[EQUALITY_SIZE];
        if (!column->values[i].present) {
            continue;
        }
        if (!p->context->open(p->context->of, group->members[i], column->tag, column->values[i].raw,
                              equality)) {
            return false;
        }
        ds_put_bytes(p->builder, DS_SLICE_OF(equality));
    }
    return true;
}

static bool put_column(struct putting *p, const struct ds_columns_group *group,
                       const struct ds_column *column)
{
    size_t present = ds_column_present(column, group->count);
    switch (column->kind) {
    case DS_COLUMN_INT:
        put_ints(p, group, column, present);
        return true;
    case DS_COLUMN_ID:
        return put_ids(p, group, column, present);
    case DS_COLUMN_PERSONAL:
        return put_personal(p, group, column, present);
    default:
        return put_raw(p, group, column, present);
    }
}

/* The tag whose guess looks at the others goes behind them. */
static void move_last(struct putting *p, struct ds_columns_group *group)
{
    uint64_t tag = p->context->last != NULL ? p->context->last(p->context->of, group->sort) : 0;
    size_t at = 0;
    while (at < group->column_count && group->columns[at].tag != tag) {
        at++;
    }
    for (; at + 1 < group->column_count; at++) {
        struct ds_column moved = group->columns[at];
        group->columns[at] = group->columns[at + 1];
        group->columns[at + 1] = moved;
    }
}

static bool put_group(struct putting *p, struct ds_columns_group *group)
{
    size_t all = group->column_count;
    move_last(p, group);
    ds_put_var(p->builder, all);
    bool done = true;
    for (size_t i = 0; i < all && done; i++) {
        struct ds_columns_group so_far = *group; /* What the other side knows by then. */
        so_far.column_count = i;
        done = put_column(p, &so_far, &group->columns[i]);
    }
    return done;
}

static bool put_list(struct putting *p, const struct ds_columns_item *items, size_t count)
{
    size_t size = count * sizeof(int64_t);
    p->numbers = ds_arena_alloc(p->arena, size);
    p->all = ds_arena_alloc(p->arena, size);
    p->base = ds_arena_alloc(p->arena, size);
    p->best = ds_arena_alloc(p->arena, size);
    if (p->numbers == NULL || p->all == NULL || p->base == NULL || p->best == NULL ||
        !make_groups(p, items, count)) {
        return false;
    }
    for (size_t g = 0; g < p->group_count; g++) {
        struct ds_columns_group *group = &p->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            if (!sort_fields(p, group, i, items[group->members[i]].fields)) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        p->numbers[i] = (int64_t)items[i].sort;
    }
    ds_ints_put(p->builder, p->numbers, count);
    for (size_t g = 0; g < p->group_count; g++) {
        if (!put_group(p, &p->groups[g])) {
            return false;
        }
    }
    return !p->builder->failed;
}

bool ds_columns_put(struct ds_builder *builder, struct ds_arena *arena,
                    const struct ds_columns_context *context, const struct ds_columns_item *items,
                    size_t count)
{
    if (count == 0 || count > DS_COLUMNS_LIST_MAX) {
        return count == 0;
    }
    size_t mark = ds_arena_mark(arena);
    struct putting *p = ds_arena_alloc(arena, sizeof(*p));
    if (p == NULL) {
        return false;
    }
    memset(p, 0, sizeof(*p));
    p->builder = builder;
    p->arena = arena;
    p->context = context;
    bool done = put_list(p, items, count);
    ds_arena_rewind(arena, mark);
    return done;
}

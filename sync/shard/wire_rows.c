/* Blocks of rows in columns (FORMAT.md, "Columns", "Rows").
 *
 * A row's id is left out where its own fields make it; a field that names another row says where it
 * stands in the block, or the first bits of its id where its reader holds it from before. The row
 * of a slot that changed by the reader's own reading is said against what he expects of it. */
#include "schema/codec/msgpack.h"
#include "schema/record.h"
#include "sync/core/hash.h"
#include "sync/shard/wire_impl.h"

#include <string.h>

enum { GONE = 1, ECHO = 2, SORT_BITS = 2, CHECK_SIZE = 8, PREFIX_BITS = 34, ID_BITS = 64 };
enum { ID_RAW = 0, ID_NATURAL = 1 };

/* ---- Fields that name rows. ---- */

static uint8_t target_of(uint64_t type, uint64_t tag)
{
    static const struct {
        uint8_t type;
        uint8_t tag;
        uint8_t target;
    } table[] = {
        {DS_REC_premises, DS_TAG_premises_account, DS_REC_account},
        {DS_REC_meter, DS_TAG_meter_premises, DS_REC_premises},
        {DS_REC_meter, DS_TAG_meter_account, DS_REC_account},
        {DS_REC_meter, DS_TAG_meter_book, DS_REC_book},
        {DS_REC_slot, DS_TAG_slot_meter, DS_REC_meter},
        {DS_REC_slot, DS_TAG_slot_book, DS_REC_book},
        {DS_REC_period, DS_TAG_period_book, DS_REC_book},
        {DS_REC_task, DS_TAG_task_meter, DS_REC_meter},
        {DS_REC_task, DS_TAG_task_premises, DS_REC_premises},
    };
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        if (table[i].type == type && table[i].tag == tag) {
            return table[i].target;
        }
    }
    return 0;
}

static uint64_t bits_of(const struct ds_id *id)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof(bits); i++) {
        bits = bits << 8 | id->byte[i];
    }
    return bits >> (ID_BITS - PREFIX_BITS);
}

static struct ds_id from_bits(uint64_t bits)
{
    struct ds_id id = {{0}};
    bits <<= ID_BITS - PREFIX_BITS;
    for (size_t i = 0; i < sizeof(bits); i++) {
        id.byte[i] = (uint8_t)(bits >> (ID_BITS - 8 - 8 * i));
    }
    return id;
}

/* Of the row at a place of the block, as far as its id is known by then. */
static bool name(void *of, uint64_t sort, uint64_t tag, size_t member, const struct ds_id *id,
                 int64_t part[2])
{
    struct ds_wire_block *block = of;
    const struct ds_wire *wire = block->wire;
    uint8_t target = target_of(sort >> SORT_BITS, tag);
    size_t at = 0;
    (void)member;
    if (target == 0) {
        return false;
    }
    if (ds_wire_block_find(block, target, id, &at)) {
        part[0] = (int64_t)at + 1;
        part[1] = 0;
        return true;
    }
    if (wire->was_told == NULL ||
        !wire->was_told(wire->of, &block->begin->scope, target, id, block->begin)) {
        return false;
    }
    part[0] = 0;
    part[1] = (int64_t)bits_of(id);
    return true;
}

static bool find(void *of, uint64_t sort, uint64_t tag, size_t member, const int64_t part[2],
                 struct ds_id *id)
{
    struct ds_wire_block *block = of;
    const struct ds_wire *wire = block->wire;
    uint8_t target = target_of(sort >> SORT_BITS, tag);
    (void)member;
    if (target == 0) {
        return false;
    }
    if (part[0] > 0) {
        size_t at = (size_t)part[0] - 1;
        if (at >= block->count || !block->known[at] || block->rows[at].type != target) {
            return false;
        }
        *id = block->rows[at].id;
        return true;
    }
    struct ds_id from = from_bits((uint64_t)part[1]);
    return part[1] >= 0 && (uint64_t)part[1] >> PREFIX_BITS == 0 && wire->held_from != NULL &&
           wire->held_from(wire->of, target, &from, id);
}

/* The volume of a slot is mostly the difference of its indexes, in cubic metres. */
static bool guess(void *of, const struct ds_columns_group *group, uint64_t tag, int which,
                  int64_t *guesses)
{
    enum { UNIT_L = 1000 };
    const struct ds_column *index = NULL;
    const struct ds_column *previous = NULL;
    (void)of;
    if (which != 1 || group->sort >> SORT_BITS != DS_REC_slot || tag != DS_TAG_slot_consumption_l) {
        return false;
    }
    for (size_t i = 0; i < group->column_count; i++) {
        const struct ds_column *column = &group->columns[i];
        if (column->kind == DS_COLUMN_INT && column->tag == DS_TAG_slot_index) {
            index = column;
        } else if (column->kind == DS_COLUMN_INT && column->tag == DS_TAG_slot_previous_index) {
            previous = column;
        }
    }
    for (size_t i = 0; i < group->count; i++) {
        bool both = index != NULL && previous != NULL && index->values[i].present &&
                    previous->values[i].present;
        guesses[i] = both ? (int64_t)(((uint64_t)index->values[i].number -
                                       (uint64_t)previous->values[i].number) *
                                      UNIT_L)
                          : 0;
    }
    return true;
}

static struct ds_columns_context context_of(struct ds_wire_block *block)
{
    return (struct ds_columns_context){
        .of = block,
        .guess = guess,
        .name = name,
        .find = find,
        .open = block->wire->customer_key == NULL ? NULL : ds_wire_personal_open,
        .close = ds_wire_personal_close};
}

static void check_of(const struct ds_row *rows, size_t count, uint8_t check[static CHECK_SIZE])
{
    struct ds_hasher hasher;
    ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, CHECK_SIZE);
    ds_hasher_add(&hasher, DS_SLICE_LIT("doorstep rows 1"));
    for (size_t i = 0; i < count; i++) {
        uint8_t head[1 + 16 + 8 + 4];
        struct ds_builder builder;
        ds_builder_init(&builder, head, sizeof(head));
        ds_put_u8(&builder, (uint8_t)rows[i].type);
        ds_put_id(&builder, &rows[i].id);
        ds_put_u64(&builder, rows[i].position);
        ds_put_u32(&builder, (uint32_t)rows[i].fields.size);
        ds_hasher_add(&hasher, DS_SLICE_OF(head));
        ds_hasher_add(&hasher, rows[i].fields);
    }
    ds_hasher_end(&hasher, check, CHECK_SIZE);
}

/* ---- Echoes. ---- */

/* The slots of the reader's own readings, by id. */
static bool index_own(struct ds_wire_block *block)
{
    const struct ds_wire *wire = block->wire;
    size_t number = 0;
    struct ds_op op;
    struct ds_id op_id;
    size_t size = DS_COLUMNS_LIST_MAX * sizeof(*block->own_index);
    block->own_index = ds_arena_alloc(wire->arena, size);
    block->own_count = 0;
    if (block->own_index == NULL) {
        return false;
    }
    for (; number < DS_COLUMNS_LIST_MAX && wire->own_op(wire->of, number, &op, &op_id); number++) {
        struct ds_id slot;
        if (ds_wire_slot_of(wire, &op, &slot)) {
            block->own_index[block->own_count++] =
                (struct ds_wire_index_item){slot, (uint32_t)number};
        }
    }
    ds_wire_index_sort(block->own_index, block->own_count);
    return true;
}

static bool find_echo(struct ds_wire_block *block, const struct ds_row *row, int64_t *number)
{
    const struct ds_wire_index_item *found = NULL;
    if (row->type == DS_REC_slot && row->fields.size > 0) {
        found = ds_wire_index_find(block->own_index, block->own_count, &row->id);
    }
    *number = found == NULL ? -1 : (int64_t)found->at;
    return found != NULL;
}

static bool expect_row(struct ds_wire_block *block, size_t i, struct ds_slice held,
                       struct ds_slice *expected)
{
    struct ds_wire *wire = block->wire;
    struct ds_op op;
    struct ds_id op_id;
    return block->own[i] >= 0 && wire->own_op != NULL &&
           wire->own_op(wire->of, (size_t)block->own[i], &op, &op_id) &&
           ds_wire_expect_slot(wire, &op, &op_id, held, expected);
}

/* ---- Putting. ---- */

static bool make_block(struct ds_wire *wire, size_t count, struct ds_wire_block *block)
{
    block->wire = wire;
    block->count = count;
    block->known = ds_arena_alloc(wire->arena, count * sizeof(*block->known));
    block->sorts = ds_arena_alloc(wire->arena, count * sizeof(int64_t));
    block->own = ds_arena_alloc(wire->arena, count * sizeof(int64_t));
    block->numbers = ds_arena_alloc(wire->arena, count * sizeof(int64_t));
    block->members = ds_arena_alloc(wire->arena, count * sizeof(*block->members));
    block->items = ds_arena_alloc(wire->arena, count * sizeof(*block->items));
    block->key_said = ds_arena_alloc(wire->arena, count * sizeof(*block->key_said));
    block->keys = ds_arena_alloc(wire->arena, count * sizeof(*block->keys));
    return block->known != NULL && block->sorts != NULL && block->own != NULL &&
           block->numbers != NULL && block->members != NULL && block->items != NULL &&
           block->key_said != NULL && block->keys != NULL;
}

static size_t members_of(struct ds_wire_block *block, int64_t sort)
{
    size_t found = 0;
    for (size_t i = 0; i < block->count; i++) {
        if (block->sorts[i] == sort) {
            block->members[found++] = (uint32_t)i;
        }
    }
    return found;
}

/* Sorts in the order in which they first appear. */
static bool is_first(struct ds_wire_block *block, size_t i, bool *too_many)
{
    for (size_t k = 0; k < block->seen_count; k++) {
        if (block->seen[k] == block->sorts[i]) {
            return false;
        }
    }
    *too_many = block->seen_count == DS_COLUMNS_GROUPS_MAX;
    if (!*too_many) {
        block->seen[block->seen_count++] = block->sorts[i];
    }
    return !*too_many;
}

static void put_ids(struct ds_builder *builder, struct ds_wire_block *block, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        const struct ds_row *row = &block->rows[block->members[k]];
        struct ds_id natural;
        bool is =
            row->fields.size > 0 &&
            ds_wire_natural_id(&block->wire->station, (uint8_t)row->type, row->fields, &natural) &&
            ds_id_equal(&natural, &row->id);
        block->numbers[k] = is ? ID_NATURAL : ID_RAW;
    }
    ds_ints_put(builder, block->numbers, count);
    for (size_t k = 0; k < count; k++) {
        if (block->numbers[k] == ID_RAW) {
            ds_put_id(builder, &block->rows[block->members[k]].id);
        }
    }
}

static bool put_sort(struct ds_builder *builder, struct ds_wire_block *block, int64_t sort)
{
    size_t count = members_of(block, sort);
    struct ds_columns_context context = context_of(block);
    for (size_t k = 0; k < count; k++) {
        size_t i = block->members[k];
        block->items[k] = (struct ds_columns_item){(uint64_t)sort, block->rows[i].fields};
        block->numbers[k] = block->own[i];
        if ((sort & ECHO) != 0) {
            struct ds_slice held;
            struct ds_slice expected;
            if (!ds_wire_held_part(block->wire->arena, block->rows[i].fields, &held) ||
                !expect_row(block, i, held, &expected) ||
                !ds_wire_less(block->wire->arena, block->rows[i].fields, expected,
                              &block->items[k].fields)) {
                return false;
            }
        }
    }
    if ((sort & ECHO) != 0) {
        ds_ints_put(builder, block->numbers, count);
    }
    if ((sort & GONE) == 0 &&
        !ds_columns_put(builder, block->wire->arena, &context, block->items, count)) {
        return false;
    }
    if ((sort & ECHO) == 0) {
        put_ids(builder, block, count);
    }
    for (size_t k = 0; k < count; k++) {
        block->known[block->members[k]] = true;
    }
    return true;
}

static bool put_block(struct ds_builder *builder, struct ds_wire_block *block, uint64_t snapshot,
                      bool echo)
{
    if (echo && (block->wire->own_op == NULL || !index_own(block))) {
        return false;
    }
    for (size_t i = 0; i < block->count; i++) {
        const struct ds_row *row = &block->rows[i];
        block->own[i] = -1;
        bool echoes = echo && find_echo(block, row, &block->own[i]);
        block->sorts[i] = (int64_t)(row->type << SORT_BITS | (row->fields.size == 0 ? GONE : 0U) |
                                    (echoes ? ECHO : 0U));
        block->numbers[i] = (int64_t)(snapshot - row->position);
    }
    ds_ints_put(builder, block->sorts, block->count);
    ds_ints_put(builder, block->numbers, block->count);
    bool too_many = false;
    for (size_t i = 0; i < block->count && !too_many; i++) {
        if (is_first(block, i, &too_many) && !put_sort(builder, block, block->sorts[i])) {
            return false;
        }
    }
    return !builder->failed && !too_many;
}

bool ds_wire_block_put(struct ds_builder *builder, struct ds_wire *wire, const struct ds_page *page,
                       const struct ds_cursor_at *begin, uint64_t snapshot, bool echo,
                       struct ds_wire_secret *secret)
{
    struct ds_wire_block block = {.rows = page->rows, .begin = begin, .secret = secret};
    if (!make_block(wire, page->row_count, &block) || !ds_wire_block_index(&block) ||
        !put_block(builder, &block, snapshot, echo)) {
        return false;
    }
    if (!echo) { /* Else the digest of all scopes says as much. */
        uint8_t check[CHECK_SIZE];
        check_of(page->rows, page->row_count, check);
        ds_put_bytes(builder, DS_SLICE_OF(check));
    }
    return !builder->failed;
}

/* ---- Taking. ---- */

static bool take_ids(struct ds_cursor *cursor, struct ds_wire_block *block, size_t count)
{
    int64_t *numbers = block->numbers;
    DS_ASSERT(numbers != NULL);
    ds_ints_take(cursor, numbers, count);
    for (size_t k = 0; k < count && !cursor->failed; k++) {
        struct ds_row *row = &block->rows[block->members[k]];
        if (numbers[k] == ID_RAW) {
            row->id = ds_take_id(cursor);
        } else if (numbers[k] != ID_NATURAL || row->fields.size == 0 ||
                   !ds_wire_natural_id(&block->wire->station, (uint8_t)row->type, row->fields,
                                       &row->id)) {
            return false;
        }
    }
    return !cursor->failed;
}

static bool take_echoes(struct ds_wire_block *block, size_t count)
{
    const struct ds_wire *wire = block->wire;
    for (size_t k = 0; k < count; k++) {
        struct ds_row *row = &block->rows[block->members[k]];
        struct ds_op op;
        struct ds_id op_id;
        struct ds_slice held;
        struct ds_slice expected;
        block->own[block->members[k]] = block->numbers[k];
        if (block->numbers[k] < 0 || wire->own_op == NULL || wire->held == NULL ||
            !wire->own_op(wire->of, (size_t)block->numbers[k], &op, &op_id) ||
            !ds_wire_slot_of(wire, &op, &row->id) ||
            !wire->held(wire->of, DS_REC_slot, &row->id, &held) ||
            !expect_row(block, block->members[k], held, &expected) ||
            !ds_wire_more(wire->arena, block->items[k].fields, expected, &row->fields)) {
            return false;
        }
    }
    return true;
}

/* For the maps of one sort: half of what is left, for they are made beside their columns. */
static size_t room_left(const struct ds_arena *arena)
{
    size_t half = (arena->size - arena->used) / 2;
    return half < DS_PLAIN_SIZE_MAX / 2 ? half : DS_PLAIN_SIZE_MAX / 2;
}

static bool take_sort(struct ds_cursor *cursor, struct ds_wire_block *block, int64_t sort)
{
    size_t count = members_of(block, sort);
    struct ds_columns_context context = context_of(block);
    int64_t *own = NULL;
    if ((sort & ECHO) != 0) {
        ds_ints_take(cursor, block->numbers, count);
        own = block->numbers;
    }
    if ((sort & GONE) == 0) {
        if (!ds_columns_take(cursor, block->wire->arena, &context, block->items, count,
                             room_left(block->wire->arena))) {
            return false;
        }
        for (size_t k = 0; k < count; k++) {
            if (block->items[k].sort != (uint64_t)sort) {
                return false;
            }
            block->rows[block->members[k]].fields = block->items[k].fields;
        }
    }
    bool taken = own != NULL ? take_echoes(block, count) : take_ids(cursor, block, count);
    for (size_t k = 0; k < count && taken; k++) {
        block->known[block->members[k]] = true;
    }
    return taken;
}

static bool take_block(struct ds_cursor *cursor, struct ds_wire_block *block, uint64_t snapshot)
{
    ds_ints_take(cursor, block->sorts, block->count);
    ds_ints_take(cursor, block->numbers, block->count);
    for (size_t i = 0; i < block->count && !cursor->failed; i++) {
        struct ds_row *row = &block->rows[i];
        int64_t sort = block->sorts[i];
        row->type = (uint64_t)sort >> SORT_BITS;
        row->position = snapshot - (uint64_t)block->numbers[i];
        if (sort < 0 || (sort & (GONE | ECHO)) == (GONE | ECHO) || row->type == 0 ||
            row->type > DS_RECORD_NUMBER_MAX || row->position > (uint64_t)INT64_MAX ||
            ((sort & ECHO) != 0 && row->type != DS_REC_slot)) {
            return false;
        }
    }
    bool too_many = false;
    for (size_t i = 0; i < block->count && !cursor->failed && !too_many; i++) {
        if (is_first(block, i, &too_many) && !take_sort(cursor, block, block->sorts[i])) {
            return false;
        }
    }
    return !cursor->failed && !too_many;
}

bool ds_wire_block_take(struct ds_cursor *cursor, struct ds_wire *wire, uint64_t snapshot,
                        bool echo, struct ds_wire_secret *secret, struct ds_page *page)
{
    struct ds_wire_block block = {.rows = page->rows, .secret = secret};
    if (!make_block(wire, page->row_count, &block) || !take_block(cursor, &block, snapshot)) {
        return false;
    }
    if (!echo) {
        uint8_t check[CHECK_SIZE];
        struct ds_slice said = ds_take_bytes(cursor, CHECK_SIZE);
        check_of(page->rows, page->row_count, check);
        return !cursor->failed && memcmp(said.data, check, CHECK_SIZE) == 0;
    }
    return true;
}

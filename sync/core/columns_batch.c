#include "sync/core/columns_batch.h"

#include <string.h>

enum { SIGNATURE_SIZE = 64, LANE_MASK = 7, NO_LANE = 7, HEADER_ROOM = 320 };
enum { EPOCH_OTHER = 1 << 3, BOOT_OTHER = 1 << 4, SEQ_OTHER = 1 << 5, AS_IT_IS = 1 << 7 };
enum { OPS_SEEN = 1, OPS_SHIFT = 2, OPS_SOURCE = 4, OPS_ENTITY = 8, OPS_SEEN_KNOWN = 16 };
enum { OPS_FLAGS = 31 };

struct ops { /* A batch's ops side by side. */
    size_t count;
    struct ds_columns_item *items;
    int64_t *seen;
    int64_t *mono; /* Less the request's. */
    int64_t *shift;
    int64_t *source;
    int64_t *time; /* Wall clock of each, by header and op. */
    struct ds_id *entity;
    unsigned flags;
};

static bool make_ops(struct ds_arena *arena, size_t count, struct ops *ops)
{
    *ops = (struct ops){.count = count};
    ops->items = ds_arena_alloc(arena, count * sizeof(*ops->items));
    ops->seen = ds_arena_alloc(arena, count * sizeof(int64_t));
    ops->mono = ds_arena_alloc(arena, count * sizeof(int64_t));
    ops->shift = ds_arena_alloc(arena, count * sizeof(int64_t));
    ops->source = ds_arena_alloc(arena, count * sizeof(int64_t));
    ops->time = ds_arena_alloc(arena, count * sizeof(int64_t));
    ops->entity = ds_arena_alloc(arena, count * sizeof(*ops->entity));
    return ops->items != NULL && ops->seen != NULL && ops->mono != NULL && ops->shift != NULL &&
           ops->source != NULL && ops->time != NULL && ops->entity != NULL;
}

/* ---- Guesses. ---- */

struct guessing {
    const struct ds_batch_known *known;
    const struct ops *ops;
};

static bool guess(void *of, const struct ds_columns_group *group, uint64_t tag, int which,
                  int64_t *guesses)
{
    const struct guessing *guessing = of;
    const struct ds_columns_context *inner = &guessing->known->columns;
    if (which != 1) {
        return inner->guess != NULL && inner->guess(inner->of, group, tag, which, guesses);
    }
    for (size_t i = 0; i < group->count; i++) {
        guesses[i] = guessing->ops->time[group->members[i]];
    }
    return true;
}

static uint64_t last(void *of, uint64_t sort)
{
    const struct ds_columns_context *inner = &((const struct guessing *)of)->known->columns;
    return inner->last == NULL ? 0 : inner->last(inner->of, sort);
}

static bool name(void *of, uint64_t sort, uint64_t tag, size_t member, const struct ds_id *id,
                 int64_t part[2])
{
    const struct ds_columns_context *inner = &((const struct guessing *)of)->known->columns;
    return inner->name(inner->of, sort, tag, member, id, part);
}

static bool find(void *of, uint64_t sort, uint64_t tag, size_t member, const int64_t part[2],
                 struct ds_id *id)
{
    const struct ds_columns_context *inner = &((const struct guessing *)of)->known->columns;
    return inner->find(inner->of, sort, tag, member, part, id);
}

static struct ds_columns_context context_of(struct guessing *guessing)
{
    const struct ds_columns_context *inner = &guessing->known->columns;
    return (struct ds_columns_context){.of = guessing,
                                       .guess = guess,
                                       .last = last,
                                       .name = inner->name == NULL ? NULL : name,
                                       .find = inner->find == NULL ? NULL : find};
}

/* ---- Putting. ---- */

static void side_by_side(const struct ds_batch_known *known, const struct ds_batch *batch,
                         const struct ds_op *op, size_t i, struct ops *ops)
{
    ops->items[i] = (struct ds_columns_item){.sort = op->type, .fields = op->fields};
    ops->seen[i] = (int64_t)op->seen;
    ops->mono[i] = (int64_t)op->mono_ms - (int64_t)known->health->mono_ms;
    ops->shift[i] = op->shift_ms;
    ops->source[i] = (int64_t)op->source;
    ops->time[i] = batch->base_ms + (int64_t)op->mono_ms + op->shift_ms;
    ops->entity[i] = op->id;
    ops->flags |= op->seen != 0 ? OPS_SEEN : 0;
    ops->flags |= op->shift_ms != 0 ? OPS_SHIFT : 0;
    ops->flags |= op->source != 0 ? OPS_SOURCE : 0;
    ops->flags |= ds_id_is_none(&op->id) ? 0 : OPS_ENTITY;
}

static bool split_ops(struct ds_arena *arena, const struct ds_batch_known *known,
                      const struct ds_batch *batch, struct ops *ops)
{
    struct ds_cursor cursor;
    bool as_known = known->seen != 0;
    if (!make_ops(arena, (size_t)batch->count, ops)) {
        return false;
    }
    ds_cursor_init(&cursor, batch->ops);
    for (size_t i = 0; i < ops->count; i++) {
        struct ds_op op;
        if (ds_op_take(&cursor, &op, NULL) != DS_OK) {
            return false;
        }
        side_by_side(known, batch, &op, i, ops);
        as_known = as_known && op.seen == known->seen;
    }
    if (as_known) {
        ops->flags = (ops->flags & ~(unsigned)OPS_SEEN) | OPS_SEEN_KNOWN;
    }
    return true;
}

static void put_entities(struct ds_builder *builder, const struct ops *ops)
{
    for (size_t i = 0; i < ops->count; i++) {
        bool has = !ds_id_is_none(&ops->entity[i]);
        ds_put_u8(builder, has);
        if (has) {
            ds_put_id(builder, &ops->entity[i]);
        }
    }
}

static bool put_ops(struct ds_builder *builder, struct ds_arena *arena,
                    const struct ds_batch_known *known, const struct ops *ops)
{
    struct guessing guessing = {known, ops};
    struct ds_columns_context context = context_of(&guessing);
    ds_put_u8(builder, (uint8_t)ops->flags);
    ds_ints_put(builder, ops->mono, ops->count);
    if ((ops->flags & OPS_SEEN) != 0) {
        ds_ints_put(builder, ops->seen, ops->count);
    }
    if ((ops->flags & OPS_SHIFT) != 0) {
        ds_ints_put(builder, ops->shift, ops->count);
    }
    if ((ops->flags & OPS_SOURCE) != 0) {
        ds_ints_put(builder, ops->source, ops->count);
    }
    if ((ops->flags & OPS_ENTITY) != 0) {
        put_entities(builder, ops);
    }
    return ds_columns_put(builder, arena, &context, ops->items, ops->count);
}

static unsigned lane_of(const struct ds_batch_known *known, const struct ds_batch *batch)
{
    unsigned lane = 0;
    while (lane < known->lane_count && lane < NO_LANE &&
           (!ds_incarnation_equal(&known->lanes[lane].incarnation, &batch->incarnation) ||
            known->lanes[lane].lane != (uint64_t)batch->lane)) {
        lane++;
    }
    return lane < known->lane_count ? lane : NO_LANE;
}

static int64_t base_expected(const struct ds_batch_known *known)
{
    return known->health->wall_ms - (int64_t)known->health->mono_ms;
}

static bool put_columns(struct ds_builder *builder, struct ds_arena *arena,
                        const struct ds_batch_known *known, struct ds_slice bytes)
{
    struct ds_batch batch;
    struct ops ops;
    if (ds_batch_parse_trusted(bytes, &batch) != DS_OK) {
        return false;
    }
    unsigned lane = lane_of(known, &batch);
    if (lane == NO_LANE || !ds_id_equal(&batch.station, &known->station) ||
        !ds_id_equal(&batch.device, &known->device) || !split_ops(arena, known, &batch, &ops)) {
        return false;
    }
    uint64_t last_seq = batch.first_seq + batch.count - 1;
    bool epoch = batch.epoch != known->epoch;
    bool boot = batch.boot != known->health->boot;
    bool seq = last_seq != known->lanes[lane].seq;
    ds_put_u8(builder, (uint8_t)(lane | (epoch ? EPOCH_OTHER : 0U) | (boot ? BOOT_OTHER : 0U) |
                                 (seq ? SEQ_OTHER : 0U)));
    if (epoch) {
        ds_put_var(builder, batch.epoch);
    }
    if (boot) {
        ds_put_u32(builder, (uint32_t)batch.boot);
    }
    if (seq) {
        ds_put_svar(builder, (int64_t)known->lanes[lane].seq - (int64_t)last_seq);
    }
    ds_put_var(builder, batch.count);
    ds_put_svar(builder, batch.base_ms - base_expected(known));
    ds_put_u8(builder, (uint8_t)batch.source);
    ds_put_bytes(builder, (struct ds_slice){batch.signature, SIGNATURE_SIZE});
    return put_ops(builder, arena, known, &ops) && !builder->failed;
}

/* What was put must come back as the same bytes, or it was for nothing. */
static bool comes_back(struct ds_arena *arena, const struct ds_batch_known *known,
                       struct ds_slice put, struct ds_slice batch)
{
    struct ds_cursor cursor;
    struct ds_slice back;
    ds_cursor_init(&cursor, put);
    return ds_batch_columns_take(&cursor, arena, known, &back) && ds_cursor_end(&cursor) == DS_OK &&
           ds_slice_equal(back, batch);
}

bool ds_batch_columns_put(struct ds_builder *builder, struct ds_arena *arena,
                          const struct ds_batch_known *known, struct ds_slice batch)
{
    size_t begin = builder->used;
    size_t mark = ds_arena_mark(arena);
    bool done = put_columns(builder, arena, known, batch) && builder->used - begin < batch.size;
    ds_arena_rewind(arena, mark);
    struct ds_slice put = {builder->data + begin, builder->used - begin};
    done = done && comes_back(arena, known, put, batch);
    ds_arena_rewind(arena, mark);
    if (!done) {
        builder->used = begin;
        builder->failed = false;
        ds_put_u8(builder, AS_IT_IS);
        ds_put_var(builder, batch.size);
        ds_put_bytes(builder, batch);
    }
    return !builder->failed;
}

/* ---- Taking. ---- */

static bool take_entities(struct ds_cursor *cursor, struct ops *ops)
{
    for (size_t i = 0; i < ops->count; i++) {
        uint8_t has = ds_take_u8(cursor);
        if (has > 1) {
            return false;
        }
        if (has == 1) {
            ops->entity[i] = ds_take_id(cursor);
        }
    }
    return !cursor->failed;
}

static bool sane(const struct ds_batch_known *known, const struct ops *ops, size_t i)
{
    int64_t mono = ops->mono[i] + (int64_t)known->health->mono_ms;
    return ops->mono[i] >= -(int64_t)DS_MONO_MS_MAX && ops->mono[i] <= (int64_t)DS_MONO_MS_MAX &&
           mono >= 0 && mono <= (int64_t)DS_MONO_MS_MAX && ops->seen[i] >= 0 &&
           ops->source[i] >= 0 && ops->shift[i] >= -2 * DS_INSTANT_MS_MAX &&
           ops->shift[i] <= 2 * DS_INSTANT_MS_MAX;
}

static bool take_sides(struct ds_cursor *cursor, const struct ds_batch_known *known,
                       const struct ds_batch *batch, struct ops *ops)
{
    ops->flags = ds_take_u8(cursor);
    bool both = (ops->flags & OPS_SEEN) != 0 && (ops->flags & OPS_SEEN_KNOWN) != 0;
    if (ops->flags > OPS_FLAGS || both) {
        return false;
    }
    ds_ints_take(cursor, ops->mono, ops->count);
    if ((ops->flags & OPS_SEEN) != 0) {
        ds_ints_take(cursor, ops->seen, ops->count);
    }
    if ((ops->flags & OPS_SHIFT) != 0) {
        ds_ints_take(cursor, ops->shift, ops->count);
    }
    if ((ops->flags & OPS_SOURCE) != 0) {
        ds_ints_take(cursor, ops->source, ops->count);
    }
    if (((ops->flags & OPS_ENTITY) != 0 && !take_entities(cursor, ops)) || cursor->failed) {
        return false;
    }
    for (size_t i = 0; i < ops->count; i++) {
        if ((ops->flags & OPS_SEEN_KNOWN) != 0) {
            ops->seen[i] = (int64_t)known->seen;
        }
        if (!sane(known, ops, i)) {
            return false;
        }
        ops->time[i] =
            batch->base_ms + ops->mono[i] + (int64_t)known->health->mono_ms + ops->shift[i];
    }
    return true;
}

static void put_op(struct ds_builder *builder, const struct ds_batch_known *known,
                   const struct ops *ops, size_t i, struct ds_hash *chain)
{
    size_t begin = builder->used;
    struct ds_op op = {.type = ops->items[i].sort,
                       .id = ops->entity[i],
                       .seen = (uint64_t)ops->seen[i],
                       .mono_ms = (uint64_t)(ops->mono[i] + (int64_t)known->health->mono_ms),
                       .shift_ms = ops->shift[i],
                       .source = (uint64_t)ops->source[i],
                       .fields = ops->items[i].fields};
    ds_op_put(builder, &op);
    if (!builder->failed) {
        *chain =
            ds_chain_next(chain, (struct ds_slice){builder->data + begin, builder->used - begin});
    }
}

static bool join(struct ds_arena *arena, const struct ds_batch_known *known, struct ds_batch *batch,
                 const struct ops *ops, const uint8_t *signature, struct ds_slice *out)
{
    uint8_t header_bytes[HEADER_ROOM];
    struct ds_builder header;
    struct ds_builder run;
    struct ds_builder whole;
    struct ds_slice header_made;
    struct ds_slice run_made;
    size_t size = DS_BATCH_SIZE_MAX;
    ds_builder_init(&whole, ds_arena_room(arena, size), size);
    size_t mark = ds_arena_mark(arena);
    ds_builder_init(&run, ds_arena_room(arena, size), size);
    if (whole.data == NULL || run.data == NULL) {
        return false;
    }
    batch->head = batch->before;
    for (size_t i = 0; i < ops->count; i++) {
        put_op(&run, known, ops, i, &batch->head);
    }
    ds_builder_init(&header, header_bytes, sizeof(header_bytes));
    ds_batch_put_header(&header, batch);
    if (ds_builder_end(&run, &run_made) != DS_OK ||
        ds_builder_end(&header, &header_made) != DS_OK) {
        return false;
    }
    ds_batch_put(&whole, header_made, run_made, signature);
    ds_arena_rewind(arena, mark);
    return ds_builder_end(&whole, out) == DS_OK;
}

static bool take_head(struct ds_cursor *cursor, uint8_t flags, const struct ds_batch_known *known,
                      struct ds_batch *batch)
{
    unsigned lane = flags & LANE_MASK;
    if (lane >= known->lane_count) {
        return false;
    }
    batch->suite = 1;
    batch->station = known->station;
    batch->device = known->device;
    batch->incarnation = known->lanes[lane].incarnation;
    batch->lane = (enum ds_lane)known->lanes[lane].lane;
    batch->epoch = (flags & EPOCH_OTHER) != 0 ? ds_take_var(cursor) : known->epoch;
    batch->boot = (flags & BOOT_OTHER) != 0 ? ds_take_u32(cursor) : known->health->boot;
    int64_t less = (flags & SEQ_OTHER) != 0 ? ds_take_svar(cursor) : 0;
    batch->count = ds_take_var(cursor);
    int64_t base = ds_take_svar(cursor);
    batch->source = ds_take_u8(cursor);
    int64_t last_seq = (int64_t)((uint64_t)known->lanes[lane].seq - (uint64_t)less);
    if (cursor->failed || batch->count == 0 || batch->count > DS_BATCH_OPS_MAX || last_seq < 1 ||
        last_seq > (int64_t)DS_SEQ_MAX || batch->count > (uint64_t)last_seq ||
        base < -2 * DS_INSTANT_MS_MAX || base > 2 * DS_INSTANT_MS_MAX) {
        return false;
    }
    batch->base_ms = base_expected(known) + base;
    batch->first_seq = (uint64_t)last_seq - batch->count + 1;
    return true;
}

static bool find_before(const struct ds_batch_known *known, struct ds_batch *batch)
{
    if (batch->first_seq == 1) {
        batch->before = ds_chain_start(&batch->incarnation, batch->lane);
        return true;
    }
    return known->chain != NULL && known->chain(known->of, &batch->incarnation, batch->lane,
                                                batch->first_seq - 1, &batch->before);
}

bool ds_batch_columns_take(struct ds_cursor *cursor, struct ds_arena *arena,
                           const struct ds_batch_known *known, struct ds_slice *batch)
{
    struct ds_batch header = {0};
    struct ops ops;
    uint8_t flags = ds_take_u8(cursor);
    *batch = (struct ds_slice){NULL, 0};
    if (flags == AS_IT_IS) {
        uint64_t size = ds_take_var(cursor);
        *batch = size <= DS_BATCH_SIZE_MAX ? ds_take_bytes(cursor, (size_t)size) : *batch;
        return !cursor->failed && batch->size > 0;
    }
    if (cursor->failed ||
        (flags & ~(unsigned)(LANE_MASK | EPOCH_OTHER | BOOT_OTHER | SEQ_OTHER)) != 0 ||
        !take_head(cursor, flags, known, &header)) {
        return false;
    }
    struct ds_slice signature = ds_take_bytes(cursor, SIGNATURE_SIZE);
    struct guessing guessing = {known, &ops};
    struct ds_columns_context context = context_of(&guessing);
    if (cursor->failed || !make_ops(arena, (size_t)header.count, &ops) ||
        !take_sides(cursor, known, &header, &ops) ||
        !ds_columns_take(cursor, arena, &context, ops.items, ops.count, DS_BATCH_SIZE_MAX)) {
        return false;
    }
    if (!find_before(known, &header)) {
        return true; /* Asked for as it is. */
    }
    return join(arena, known, &header, &ops, signature.data, batch);
}

/* What a handheld expects of a slot's row after a reading of its own (FORMAT.md, "Columns",
 * "Expected slot"). */
#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "schema/record.h"
#include "sync/shard/wire_impl.h"

enum { TAGS = 32, UNIT_L = 1000, PAIR_ROOM = 64 };

/* The values of a map's small tags, borrowed. */
struct values {
    struct ds_slice of[TAGS];
};

static bool read_values(struct ds_slice fields, struct values *values)
{
    struct ds_cursor cursor;
    *values = (struct values){0};
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs && !cursor.failed; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (tag >= TAGS) {
            return false;
        }
        values->of[tag] = value;
    }
    return ds_cursor_end(&cursor) == DS_OK;
}

static bool write_values(struct ds_arena *arena, const struct values *values, struct ds_slice *made)
{
    struct ds_builder builder;
    uint32_t pairs = 0;
    size_t room = PAIR_ROOM;
    for (size_t tag = 0; tag < TAGS; tag++) {
        pairs += values->of[tag].size > 0;
        room += values->of[tag].size + 2;
    }
    ds_builder_init(&builder, ds_arena_room(arena, room), room);
    if (builder.data == NULL) {
        return false;
    }
    ds_mp_put_map(&builder, pairs);
    for (size_t tag = 0; tag < TAGS; tag++) {
        if (values->of[tag].size > 0) {
            ds_mp_put_uint(&builder, tag);
            ds_mp_put_raw(&builder, values->of[tag]);
        }
    }
    return ds_builder_end(&builder, made) == DS_OK;
}

static bool read_op(struct ds_arena *arena, const struct ds_op *op, struct ds_reading *reading)
{
    return op->type == DS_REC_reading &&
           ds_record_decode(ds_record_type_by_number(DS_REC_reading), op->fields, arena, reading,
                            NULL) == DS_OK &&
           DS_HAS(reading, reading, meter) && DS_HAS(reading, reading, period) &&
           reading->period > 0 && reading->period <= UINT32_MAX;
}

bool ds_wire_slot_of(const struct ds_wire *wire, const struct ds_op *op, struct ds_id *slot)
{
    size_t mark = ds_arena_mark(wire->arena);
    struct ds_reading *reading = ds_arena_alloc(wire->arena, sizeof(*reading));
    bool is = reading != NULL && read_op(wire->arena, op, reading);
    if (is) {
        int64_t kind = DS_GET(reading, reading, register_kind, DS_REGISTER_mechanical);
        *slot =
            ds_slot_id(&wire->station, &reading->meter, (uint8_t)kind, (uint32_t)reading->period);
    }
    ds_arena_rewind(wire->arena, mark);
    return is;
}

/* ---- Differences. ---- */

bool ds_wire_held_part(struct ds_arena *arena, struct ds_slice fields, struct ds_slice *held)
{
    static const uint8_t kept[] = {DS_TAG_slot_previous_index, DS_TAG_slot_book,
                                   DS_TAG_slot_swapped, DS_TAG_slot_history};
    struct values values;
    struct values part = {0};
    if (!read_values(fields, &values)) {
        return false;
    }
    for (size_t i = 0; i < DS_COUNT(kept); i++) {
        part.of[kept[i]] = values.of[kept[i]];
    }
    return write_values(arena, &part, held);
}

static const uint8_t nil_byte[] = {0xc0};

static bool is_nil(struct ds_slice value)
{
    return ds_slice_equal(value, DS_SLICE_OF(nil_byte));
}

bool ds_wire_less(struct ds_arena *arena, struct ds_slice fields, struct ds_slice expected,
                  struct ds_slice *rest)
{
    struct values have;
    struct values want;
    struct values said = {0};
    if (!read_values(fields, &have) || !read_values(expected, &want)) {
        return false;
    }
    for (size_t tag = 0; tag < TAGS; tag++) {
        if (is_nil(have.of[tag])) {
            return false; /* It would read as "no such tag". */
        }
        if (!ds_slice_equal(have.of[tag], want.of[tag])) {
            said.of[tag] = have.of[tag].size > 0 ? have.of[tag] : DS_SLICE_OF(nil_byte);
        }
    }
    return write_values(arena, &said, rest);
}

bool ds_wire_more(struct ds_arena *arena, struct ds_slice rest, struct ds_slice expected,
                  struct ds_slice *fields)
{
    struct values said;
    struct values made;
    if (!read_values(rest, &said) || !read_values(expected, &made)) {
        return false;
    }
    for (size_t tag = 0; tag < TAGS; tag++) {
        if (is_nil(said.of[tag])) {
            made.of[tag] = (struct ds_slice){NULL, 0};
        } else if (said.of[tag].size > 0) {
            made.of[tag] = said.of[tag];
        }
    }
    return write_values(arena, &made, fields);
}

/* ---- What is expected. ---- */

static void put_pair_int(struct ds_builder *builder, uint32_t *pairs, uint64_t tag, bool has,
                         int64_t value)
{
    if (has) {
        ds_mp_put_uint(builder, tag);
        ds_mp_put_int(builder, value);
        ++*pairs;
    }
}

static void put_pair_id(struct ds_builder *builder, uint32_t *pairs, uint64_t tag,
                        const struct ds_id *id)
{
    ds_mp_put_uint(builder, tag);
    ds_mp_put_id(builder, id);
    ++*pairs;
}

static void put_pair_held(struct ds_builder *builder, uint32_t *pairs, uint64_t tag,
                          const struct values *held)
{
    if (held->of[tag].size > 0) {
        ds_mp_put_uint(builder, tag);
        ds_mp_put_raw(builder, held->of[tag]);
        ++*pairs;
    }
}

static bool number_of(struct ds_slice value, int64_t *number)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    enum ds_mp_kind kind = ds_mp_peek(&cursor);
    if (value.size == 0 || (kind != DS_MP_UINT && kind != DS_MP_INT)) {
        return false;
    }
    *number = ds_mp_take_int(&cursor);
    return !cursor.failed;
}

static bool slot_number(struct ds_wire *wire, const struct ds_id *meter, int64_t register_kind,
                        int64_t period, uint64_t tag, int64_t *number)
{
    struct ds_slice fields;
    struct values values;
    struct ds_id id = ds_slot_id(&wire->station, meter, (uint8_t)register_kind, (uint32_t)period);
    return wire->held(wire->of, DS_REC_slot, &id, &fields) && read_values(fields, &values) &&
           number_of(values.of[tag], number);
}

bool ds_wire_index_before(struct ds_wire *wire, const struct ds_id *meter, int64_t register_kind,
                          int64_t period, int64_t *index)
{
    *index = 0;
    return wire->held != NULL && register_kind > 0 && register_kind <= UINT8_MAX &&
           ds_period_ok(period) &&
           (slot_number(wire, meter, register_kind, period, DS_TAG_slot_previous_index, index) ||
            slot_number(wire, meter, register_kind, ds_period_add((int32_t)period, -1),
                        DS_TAG_slot_final_index, index));
}

static uint32_t put_pairs(struct ds_builder *b, const struct ds_reading *reading,
                          const struct ds_id *op_id, const struct ds_id *worker,
                          const struct values *held, const int64_t *before)
{
    uint32_t pairs = 0;
    int64_t previous = before == NULL ? 0 : *before;
    bool has = DS_HAS(reading, reading, index);
    bool both = before != NULL && has;
    uint64_t volume = ((uint64_t)reading->index - (uint64_t)previous) * UNIT_L;
    put_pair_id(b, &pairs, DS_TAG_slot_meter, &reading->meter);
    put_pair_int(b, &pairs, DS_TAG_slot_register_kind, true,
                 DS_GET(reading, reading, register_kind, DS_REGISTER_mechanical));
    put_pair_int(b, &pairs, DS_TAG_slot_period, true, reading->period);
    put_pair_int(b, &pairs, DS_TAG_slot_state, true, DS_SLOT_read);
    put_pair_id(b, &pairs, DS_TAG_slot_chosen, op_id);
    put_pair_int(b, &pairs, DS_TAG_slot_index, has, reading->index);
    put_pair_int(b, &pairs, DS_TAG_slot_instant_ms, true, reading->instant_ms);
    put_pair_int(b, &pairs, DS_TAG_slot_method, true, reading->method);
    put_pair_int(b, &pairs, DS_TAG_slot_condition, true,
                 DS_GET(reading, reading, condition, DS_CONDITION_normal));
    put_pair_int(b, &pairs, DS_TAG_slot_previous_index, before != NULL, previous);
    put_pair_int(b, &pairs, DS_TAG_slot_consumption_l, both, (int64_t)volume);
    put_pair_int(b, &pairs, DS_TAG_slot_candidates, true, 1);
    put_pair_held(b, &pairs, DS_TAG_slot_book, held);
    put_pair_id(b, &pairs, DS_TAG_slot_read_by, worker);
    put_pair_held(b, &pairs, DS_TAG_slot_swapped, held);
    put_pair_int(b, &pairs, DS_TAG_slot_final_index, has, reading->index);
    put_pair_held(b, &pairs, DS_TAG_slot_history, held);
    put_pair_int(b, &pairs, DS_TAG_slot_last_actual_index, has, reading->index);
    return pairs;
}

/* What the row itself says of the index before stands; an empty slot's row says nothing. */
static bool before_of(struct ds_wire *wire, const struct ds_reading *reading,
                      const struct values *held, int64_t *before)
{
    int64_t kind = DS_GET(reading, reading, register_kind, DS_REGISTER_mechanical);
    return number_of(held->of[DS_TAG_slot_previous_index], before) ||
           ds_wire_index_before(wire, &reading->meter, kind, reading->period, before);
}

bool ds_wire_expect_slot(struct ds_wire *wire, const struct ds_op *op, const struct ds_id *op_id,
                         struct ds_slice held, struct ds_slice *expected)
{
    enum { ROOM = 1024 };
    struct ds_arena *arena = wire->arena;
    struct ds_reading *reading = ds_arena_alloc(arena, sizeof(*reading));
    uint8_t *memory = ds_arena_room(arena, ROOM);
    struct values values;
    int64_t before = 0;
    if (reading == NULL || memory == NULL || !read_op(arena, op, reading) ||
        !read_values(held, &values)) {
        return false;
    }
    bool known = before_of(wire, reading, &values, &before);
    struct ds_builder pairs;
    struct ds_builder whole;
    ds_builder_init(&pairs, memory, ROOM);
    uint32_t count =
        put_pairs(&pairs, reading, op_id, &wire->worker, &values, known ? &before : NULL);
    ds_builder_init(&whole, ds_arena_room(arena, pairs.used + 3), pairs.used + 3);
    if (whole.data == NULL || pairs.failed) {
        return false;
    }
    ds_mp_put_map(&whole, count);
    ds_put_bytes(&whole, (struct ds_slice){memory, pairs.used});
    return ds_builder_end(&whole, expected) == DS_OK;
}

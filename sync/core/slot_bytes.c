#include "sync/core/slot.h"

#include <string.h>

enum {
    HAS_INDEX = 1,
    HAS_VOLUME = 2,
    HAS_LAST_ACTUAL = 4,
    SWAPPED = 8,
    HAS_CARD = 16,
    HAS_PREVIOUS = 32,
    DECIDED = 64,
    VISIT_PROVEN = 128,
};
enum { HAS_FINAL = 128 }; /* In the byte of the state. */
enum {
    C_INTERVAL = 1,
    C_INDEX = 2,
    C_POSITION = 4,
    C_MOCK = 8,
    C_CARD = 16,
    C_BEFORE = 32,
    B_INDEX = 64,
    B_POSITION = 128,
};
enum { D_INDEX = 1, D_VOLUME = 2 };

static uint8_t bit(bool on, int flag)
{
    return on ? (uint8_t)flag : 0;
}

static void put_i64(struct ds_builder *builder, int64_t value)
{
    ds_put_u64(builder, (uint64_t)value);
}

static int64_t take_i64(struct ds_cursor *cursor)
{
    return (int64_t)ds_take_u64(cursor);
}

static void put_result(struct ds_builder *b, const struct ds_slot_full *slot)
{
    const struct ds_slot_result *r = &slot->result;
    ds_put_u8(b, (uint8_t)(bit(r->has_index, HAS_INDEX) | bit(r->has_volume, HAS_VOLUME) |
                           bit(r->has_last_actual, HAS_LAST_ACTUAL) | bit(r->swapped, SWAPPED) |
                           bit(r->has_card, HAS_CARD) | bit(r->has_previous, HAS_PREVIOUS) |
                           bit(slot->decided, DECIDED) | bit(slot->visit_proven, VISIT_PROVEN)));
    ds_put_u8(b, (uint8_t)(r->state | bit(r->has_final, HAS_FINAL)));
    ds_put_u8(b, r->method);
    ds_put_u8(b, r->condition);
    ds_put_u32(b, (uint32_t)r->days);
    ds_put_id(b, &r->chosen);
    ds_put_id(b, &r->read_by);
    ds_put_hash(b, &r->photo);
    put_i64(b, r->instant_ms);
    put_i64(b, r->index);
    put_i64(b, r->final_index);
    put_i64(b, r->previous_index);
    put_i64(b, r->consumption_l);
    put_i64(b, r->last_actual_index);
    put_i64(b, r->purchased_l);
    put_i64(b, r->remaining_l);
}

static uint8_t take_result(struct ds_cursor *c, struct ds_slot_result *r)
{
    uint8_t flags = ds_take_u8(c);
    r->has_index = (flags & HAS_INDEX) != 0;
    r->has_volume = (flags & HAS_VOLUME) != 0;
    r->has_last_actual = (flags & HAS_LAST_ACTUAL) != 0;
    r->swapped = (flags & SWAPPED) != 0;
    r->has_card = (flags & HAS_CARD) != 0;
    r->has_previous = (flags & HAS_PREVIOUS) != 0;
    uint8_t state = ds_take_u8(c);
    r->has_final = (state & HAS_FINAL) != 0;
    r->state = state & (HAS_FINAL - 1);
    r->method = ds_take_u8(c);
    r->condition = ds_take_u8(c);
    r->days = (int32_t)ds_take_u32(c);
    r->chosen = ds_take_id(c);
    r->read_by = ds_take_id(c);
    r->photo = ds_take_hash(c);
    r->instant_ms = take_i64(c);
    r->index = take_i64(c);
    r->final_index = take_i64(c);
    r->previous_index = take_i64(c);
    r->consumption_l = take_i64(c);
    r->last_actual_index = take_i64(c);
    r->purchased_l = take_i64(c);
    r->remaining_l = take_i64(c);
    return flags;
}

static void put_decision(struct ds_builder *b, const struct ds_slot_full *slot)
{
    ds_put_u8(b, slot->action);
    ds_put_u8(b, (uint8_t)(bit(slot->decision_has_index, D_INDEX) |
                           bit(slot->decision_has_volume, D_VOLUME)));
    ds_put_id(b, &slot->decision);
    ds_put_hash(b, &slot->decision_content);
    put_i64(b, slot->decision_index);
    put_i64(b, slot->decision_volume_l);
    put_i64(b, slot->decision_instant_ms);
    ds_put_u64(b, slot->decision_position);
}

static void take_decision(struct ds_cursor *c, struct ds_slot_full *slot)
{
    slot->action = ds_take_u8(c);
    uint8_t flags = ds_take_u8(c);
    slot->decision_has_index = (flags & D_INDEX) != 0;
    slot->decision_has_volume = (flags & D_VOLUME) != 0;
    slot->decision = ds_take_id(c);
    slot->decision_content = ds_take_hash(c);
    slot->decision_index = take_i64(c);
    slot->decision_volume_l = take_i64(c);
    slot->decision_instant_ms = take_i64(c);
    slot->decision_position = ds_take_u64(c);
}

static void put_geo(struct ds_builder *b, const struct ds_geo *geo)
{
    ds_put_u32(b, (uint32_t)geo->lat_e7);
    ds_put_u32(b, (uint32_t)geo->lon_e7);
}

static struct ds_geo take_geo(struct ds_cursor *c)
{
    struct ds_geo geo;
    geo.lat_e7 = (int32_t)ds_take_u32(c);
    geo.lon_e7 = (int32_t)ds_take_u32(c);
    return geo;
}

static void put_before(struct ds_builder *b, const struct ds_reader_before *before)
{
    ds_put_id(b, &before->meter);
    put_i64(b, before->instant_ms);
    put_i64(b, before->index);
    put_geo(b, &before->position);
    put_i64(b, before->accuracy_m);
    ds_put_u64(b, before->cabinet);
    ds_put_hash(b, &before->photo);
}

static void put_candidate(struct ds_builder *b, const struct ds_candidate *k)
{
    const struct ds_reader_before *before = k->before;
    ds_put_u8(b, (uint8_t)(bit(k->has_interval, C_INTERVAL) | bit(k->has_index, C_INDEX) |
                           bit(k->has_position, C_POSITION) | bit(k->mock, C_MOCK) |
                           bit(k->has_card, C_CARD) | bit(before != NULL, C_BEFORE) |
                           bit(before != NULL && before->has_index, B_INDEX) |
                           bit(before != NULL && before->has_position, B_POSITION)));
    ds_put_u8(b, (uint8_t)k->method);
    ds_put_u8(b, (uint8_t)k->purpose);
    ds_put_u8(b, (uint8_t)k->condition);
    ds_put_u8(b, (uint8_t)k->estimate_method);
    ds_put_id(b, &k->op);
    ds_put_id(b, &k->worker);
    ds_put_hash(b, &k->photo);
    put_i64(b, k->order);
    put_i64(b, k->instant_ms);
    put_i64(b, k->earliest_ms);
    put_i64(b, k->latest_ms);
    put_i64(b, k->index);
    put_geo(b, &k->position);
    put_i64(b, k->accuracy_m);
    put_i64(b, k->purchased_l);
    put_i64(b, k->remaining_l);
    if (before != NULL) {
        put_before(b, before);
    }
}

static void take_candidate(struct ds_cursor *c, struct ds_candidate *k,
                           struct ds_reader_before *before)
{
    uint8_t flags = ds_take_u8(c);
    memset(k, 0, sizeof(*k));
    k->has_interval = (flags & C_INTERVAL) != 0;
    k->has_index = (flags & C_INDEX) != 0;
    k->has_position = (flags & C_POSITION) != 0;
    k->mock = (flags & C_MOCK) != 0;
    k->has_card = (flags & C_CARD) != 0;
    k->method = ds_take_u8(c);
    k->purpose = ds_take_u8(c);
    k->condition = ds_take_u8(c);
    k->estimate_method = ds_take_u8(c);
    k->op = ds_take_id(c);
    k->worker = ds_take_id(c);
    k->photo = ds_take_hash(c);
    k->order = take_i64(c);
    k->instant_ms = take_i64(c);
    k->earliest_ms = take_i64(c);
    k->latest_ms = take_i64(c);
    k->index = take_i64(c);
    k->position = take_geo(c);
    k->accuracy_m = take_i64(c);
    k->purchased_l = take_i64(c);
    k->remaining_l = take_i64(c);
    if ((flags & C_BEFORE) != 0) {
        memset(before, 0, sizeof(*before));
        before->meter = ds_take_id(c);
        before->instant_ms = take_i64(c);
        before->index = take_i64(c);
        before->position = take_geo(c);
        before->accuracy_m = take_i64(c);
        before->cabinet = ds_take_u64(c);
        before->photo = ds_take_hash(c);
        before->has_index = (flags & B_INDEX) != 0;
        before->has_position = (flags & B_POSITION) != 0;
        k->before = before;
    }
}

void ds_slot_put(struct ds_builder *b, const struct ds_slot_full *slot)
{
    put_result(b, slot);
    ds_put_id(b, &slot->id);
    ds_put_u8(b, slot->start_digits);
    put_i64(b, slot->start_unit_l);
    ds_put_u8(b, slot->dropped);
    ds_put_u32(b, slot->revision);
    ds_put_u32(b, slot->sent_revision);
    ds_put_u64(b, slot->sent_position);
    put_i64(b, slot->exported_volume_l);
    ds_put_hash(b, &slot->exported);
    ds_put_hash(b, &slot->content);
    if (slot->decided) {
        put_decision(b, slot);
    }
    ds_put_u8(b, (uint8_t)slot->swap_count);
    for (size_t i = 0; i < slot->swap_count; i++) {
        const struct ds_swap_seen *swap = &slot->swaps[i];
        put_i64(b, swap->instant_ms);
        put_i64(b, swap->old_final_index);
        put_i64(b, swap->new_initial_index);
        ds_put_u8(b, (uint8_t)swap->new_dial_digits);
        put_i64(b, swap->new_unit_l);
    }
    ds_put_u8(b, (uint8_t)slot->count);
    for (size_t i = 0; i < slot->count; i++) {
        put_candidate(b, &slot->candidates[i]);
    }
}

enum ds_err ds_slot_parse_result(struct ds_slice bytes, struct ds_slot_result *result)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, bytes);
    memset(result, 0, sizeof(*result));
    (void)take_result(&cursor, result);
    return cursor.failed ? DS_ERR_INTEGRITY : DS_OK;
}

enum ds_err ds_slot_parse(struct ds_slice bytes, struct ds_slot_full *slot)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, bytes);
    uint8_t flags = take_result(&cursor, &slot->result);
    slot->decided = (flags & DECIDED) != 0;
    slot->visit_proven = (flags & VISIT_PROVEN) != 0;
    slot->id = ds_take_id(&cursor);
    slot->start_digits = ds_take_u8(&cursor);
    slot->start_unit_l = take_i64(&cursor);
    slot->dropped = ds_take_u8(&cursor);
    slot->revision = ds_take_u32(&cursor);
    slot->sent_revision = ds_take_u32(&cursor);
    slot->sent_position = ds_take_u64(&cursor);
    slot->exported_volume_l = take_i64(&cursor);
    slot->exported = ds_take_hash(&cursor);
    slot->content = ds_take_hash(&cursor);
    if (slot->decided) {
        take_decision(&cursor, slot);
    }
    slot->swap_count = ds_take_u8(&cursor);
    if (slot->swap_count > DS_SLOT_SWAPS_MAX) {
        return DS_ERR_INTEGRITY;
    }
    for (size_t i = 0; i < slot->swap_count; i++) {
        struct ds_swap_seen *swap = &slot->swaps[i];
        swap->instant_ms = take_i64(&cursor);
        swap->old_final_index = take_i64(&cursor);
        swap->new_initial_index = take_i64(&cursor);
        swap->new_dial_digits = ds_take_u8(&cursor);
        swap->new_unit_l = take_i64(&cursor);
    }
    slot->count = ds_take_u8(&cursor);
    if (slot->count > DS_SLOT_CANDIDATES_MAX) {
        return DS_ERR_INTEGRITY;
    }
    for (size_t i = 0; i < slot->count; i++) {
        take_candidate(&cursor, &slot->candidates[i], &slot->before[i]);
    }
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

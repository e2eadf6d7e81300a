/* A slot's bytes in DS_TABLE_SLOT: all that its row shows, and all that its next recomputation asks
 * of its predecessors. Integers are varints; what is absent costs a bit. */
#include "sync/core/slot.h"
#include "sync/core/varint.h"

#include <string.h>

enum {
    S_HAS_INDEX = 1,
    S_HAS_VOLUME = 2,
    S_HAS_LAST_ACTUAL = 4,
    S_SWAPPED = 8,
    S_HAS_CARD = 16,
    S_HAS_PREVIOUS = 32,
    S_HAS_FINAL = 64,
    S_DECIDED = 128,
    S_VISIT_PROVEN = 256,
    S_HAS_BOOK = 512,
    S_EXPORTABLE = 1024,
    S_SHOWS_HISTORY = 2048,
    S_CARRIES_PAST = 4096,
    S_SENT = 8192, /* revision > 0 */
    S_SPILLED = 16384,
};
enum {
    C_INTERVAL = 1,
    C_INDEX = 2,
    C_POSITION = 4,
    C_MOCK = 8,
    C_CARD = 16,
    C_BEFORE = 32,
    C_WORKER = 64,
    C_PHOTO = 128,
};
enum { B_INDEX = 1, B_POSITION = 2, B_PHOTO = 4 };
enum { D_INDEX = 1, D_VOLUME = 2 };
enum { P_INDEX = 1, P_VOLUME = 2, P_LAST_ACTUAL = 4, P_FINAL = 8 };
enum { CHOSEN_NONE = 255, CHOSEN_DECISION = 254 };

static unsigned bit(bool on, unsigned flag)
{
    return on ? flag : 0;
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

/* ---- The result. The chosen candidate is named by its place; a decision's own is none. ---- */

static uint8_t place_of_chosen(const struct ds_slot_full *slot)
{
    for (size_t i = 0; i < slot->count; i++) {
        if (ds_id_equal(&slot->candidates[i].op, &slot->result.chosen)) {
            return (uint8_t)i;
        }
    }
    bool made = slot->decided && ds_id_equal(&slot->decision, &slot->result.chosen);
    return made ? CHOSEN_DECISION : CHOSEN_NONE;
}

static void put_result(struct ds_builder *b, const struct ds_slot_full *slot)
{
    const struct ds_slot_result *r = &slot->result;
    ds_put_u8(b, r->state);
    if (r->state == DS_SLOT_empty) {
        return;
    }
    ds_put_u8(b, r->method);
    ds_put_u8(b, r->condition);
    ds_put_u8(b, place_of_chosen(slot));
    ds_put_signed(b, r->days);
    ds_put_signed(b, r->instant_ms);
    ds_put_signed(b, r->index);
    ds_put_signed(b, r->final_index);
    ds_put_signed(b, r->previous_index);
    ds_put_signed(b, r->consumption_l);
    ds_put_signed(b, r->last_actual_index);
    if (r->has_card) {
        ds_put_signed(b, r->purchased_l);
        ds_put_signed(b, r->remaining_l);
    }
}

static uint8_t take_result(struct ds_cursor *c, struct ds_slot_result *r)
{
    r->state = ds_take_u8(c);
    if (r->state == DS_SLOT_empty) {
        return CHOSEN_NONE;
    }
    r->method = ds_take_u8(c);
    r->condition = ds_take_u8(c);
    uint8_t chosen = ds_take_u8(c);
    r->days = (int32_t)ds_take_signed(c);
    r->instant_ms = ds_take_signed(c);
    r->index = ds_take_signed(c);
    r->final_index = ds_take_signed(c);
    r->previous_index = ds_take_signed(c);
    r->consumption_l = ds_take_signed(c);
    r->last_actual_index = ds_take_signed(c);
    if (r->has_card) {
        r->purchased_l = ds_take_signed(c);
        r->remaining_l = ds_take_signed(c);
    }
    return chosen;
}

static enum ds_err name_chosen(struct ds_slot_full *slot, uint8_t chosen)
{
    struct ds_slot_result *r = &slot->result;
    if (chosen == CHOSEN_NONE) {
        return DS_OK;
    }
    if (chosen == CHOSEN_DECISION) {
        r->chosen = slot->decision;
        return DS_OK;
    }
    if (chosen >= slot->count) {
        return DS_ERR_INTEGRITY;
    }
    r->chosen = slot->candidates[chosen].op;
    r->read_by = slot->candidates[chosen].worker;
    r->photo = slot->candidates[chosen].photo;
    return DS_OK;
}

/* ---- Decision, exports, membership ---- */

static void put_decision(struct ds_builder *b, const struct ds_slot_full *slot)
{
    ds_put_u8(b, slot->action);
    ds_put_u8(b, (uint8_t)(bit(slot->decision_has_index, D_INDEX) |
                           bit(slot->decision_has_volume, D_VOLUME)));
    ds_put_id(b, &slot->decision);
    ds_put_hash(b, &slot->decision_content);
    ds_put_signed(b, slot->decision_index);
    ds_put_signed(b, slot->decision_volume_l);
    ds_put_signed(b, slot->decision_instant_ms);
    ds_put_varint(b, slot->decision_position);
    ds_put_u8(b, slot->decision_kind);
    ds_put_signed(b, slot->decision_previous);
}

static void take_decision(struct ds_cursor *c, struct ds_slot_full *slot)
{
    slot->action = ds_take_u8(c);
    uint8_t flags = ds_take_u8(c);
    slot->decision_has_index = (flags & D_INDEX) != 0;
    slot->decision_has_volume = (flags & D_VOLUME) != 0;
    slot->decision = ds_take_id(c);
    slot->decision_content = ds_take_hash(c);
    slot->decision_index = ds_take_signed(c);
    slot->decision_volume_l = ds_take_signed(c);
    slot->decision_instant_ms = ds_take_signed(c);
    slot->decision_position = ds_take_varint(c);
    slot->decision_kind = ds_take_u8(c);
    slot->decision_previous = ds_take_signed(c);
    slot->decision_has_basis = true;
}

static void put_exports(struct ds_builder *b, const struct ds_slot_full *slot)
{
    ds_put_varint(b, slot->revision);
    ds_put_varint(b, slot->sent_revision);
    ds_put_varint(b, slot->sent_position);
    ds_put_signed(b, slot->exported_volume_l);
    ds_put_hash(b, &slot->exported);
}

static void take_exports(struct ds_cursor *c, struct ds_slot_full *slot)
{
    slot->revision = (uint32_t)ds_take_varint(c);
    slot->sent_revision = (uint32_t)ds_take_varint(c);
    slot->sent_position = ds_take_varint(c);
    slot->exported_volume_l = ds_take_signed(c);
    slot->exported = ds_take_hash(c);
}

static void put_member(struct ds_builder *b, const struct ds_slot_member *member)
{
    ds_put_u8(b, (uint8_t)member->kind);
    if (member->kind == DS_SLOT_NO_MEMBER) {
        return;
    }
    ds_put_id(b, &member->book);
    ds_put_varint(b, member->position);
    ds_put_varint(b, member->ordinal);
    if (member->kind == DS_SLOT_IS_MEMBER) {
        ds_put_hash(b, &member->hash);
    }
}

static void take_member(struct ds_cursor *c, struct ds_slot_member *member)
{
    member->kind = (enum ds_slot_membership)ds_take_u8(c);
    if (member->kind == DS_SLOT_NO_MEMBER) {
        return;
    }
    member->book = ds_take_id(c);
    member->position = ds_take_varint(c);
    member->ordinal = (uint32_t)ds_take_varint(c);
    if (member->kind == DS_SLOT_IS_MEMBER) {
        member->hash = ds_take_hash(c);
    }
}

/* ---- Candidates ---- */

static void put_before(struct ds_builder *b, const struct ds_reader_before *before)
{
    bool photo = !ds_hash_is_none(&before->photo);
    ds_put_u8(b, (uint8_t)(bit(before->has_index, B_INDEX) | bit(before->has_position, B_POSITION) |
                           bit(photo, B_PHOTO)));
    ds_put_id(b, &before->meter);
    ds_put_signed(b, before->instant_ms);
    ds_put_signed(b, before->index);
    put_geo(b, &before->position);
    ds_put_signed(b, before->accuracy_m);
    ds_put_varint(b, before->cabinet);
    if (photo) {
        ds_put_hash(b, &before->photo);
    }
}

static void take_before(struct ds_cursor *c, struct ds_reader_before *before)
{
    memset(before, 0, sizeof(*before));
    uint8_t flags = ds_take_u8(c);
    before->has_index = (flags & B_INDEX) != 0;
    before->has_position = (flags & B_POSITION) != 0;
    before->meter = ds_take_id(c);
    before->instant_ms = ds_take_signed(c);
    before->index = ds_take_signed(c);
    before->position = take_geo(c);
    before->accuracy_m = ds_take_signed(c);
    before->cabinet = ds_take_varint(c);
    if ((flags & B_PHOTO) != 0) {
        before->photo = ds_take_hash(c);
    }
}

static void put_candidate(struct ds_builder *b, const struct ds_candidate *k)
{
    bool worker = !ds_id_is_none(&k->worker);
    bool photo = !ds_hash_is_none(&k->photo);
    ds_put_u8(b, (uint8_t)(bit(k->has_interval, C_INTERVAL) | bit(k->has_index, C_INDEX) |
                           bit(k->has_position, C_POSITION) | bit(k->mock, C_MOCK) |
                           bit(k->has_card, C_CARD) | bit(k->before != NULL, C_BEFORE) |
                           bit(worker, C_WORKER) | bit(photo, C_PHOTO)));
    ds_put_u8(b, (uint8_t)k->method);
    ds_put_u8(b, (uint8_t)k->purpose);
    ds_put_u8(b, (uint8_t)k->condition);
    ds_put_u8(b, (uint8_t)k->estimate_method);
    ds_put_id(b, &k->op);
    if (worker) {
        ds_put_id(b, &k->worker);
    }
    if (photo) {
        ds_put_hash(b, &k->photo);
    }
    ds_put_signed(b, k->order);
    ds_put_signed(b, k->instant_ms);
    if (k->has_interval) {
        ds_put_signed(b, k->earliest_ms);
        ds_put_signed(b, k->latest_ms - k->earliest_ms);
    }
    ds_put_signed(b, k->index);
    if (k->has_position) {
        put_geo(b, &k->position);
    }
    ds_put_signed(b, k->accuracy_m);
    if (k->has_card) {
        ds_put_signed(b, k->purchased_l);
        ds_put_signed(b, k->remaining_l);
    }
    if (k->before != NULL) {
        put_before(b, k->before);
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
    if ((flags & C_WORKER) != 0) {
        k->worker = ds_take_id(c);
    }
    if ((flags & C_PHOTO) != 0) {
        k->photo = ds_take_hash(c);
    }
    k->order = ds_take_signed(c);
    k->instant_ms = ds_take_signed(c);
    if (k->has_interval) {
        k->earliest_ms = ds_take_signed(c);
        k->latest_ms = k->earliest_ms + ds_take_signed(c);
    }
    k->index = ds_take_signed(c);
    if (k->has_position) {
        k->position = take_geo(c);
    }
    k->accuracy_m = ds_take_signed(c);
    if (k->has_card) {
        k->purchased_l = ds_take_signed(c);
        k->remaining_l = ds_take_signed(c);
    }
    if ((flags & C_BEFORE) != 0) {
        take_before(c, before);
        k->before = before;
    }
}

/* ---- The past: each item against the one after it, newest first. ---- */

static void put_past_item(struct ds_builder *b, const struct ds_slot_past *past,
                          struct ds_slot_past *next)
{
    bool final = past->final_index != past->index;
    ds_put_u8(b, (uint8_t)(bit(past->has_index, P_INDEX) | bit(past->has_volume, P_VOLUME) |
                           bit(past->has_last_actual, P_LAST_ACTUAL) | bit(final, P_FINAL)));
    ds_put_u8(b, (uint8_t)past->method);
    ds_put_varint(b, (uint64_t)(uint32_t)(next->period - past->period));
    ds_put_signed(b, past->days);
    ds_put_signed(b, next->instant_ms - past->instant_ms);
    ds_put_signed(b, next->index - past->index);
    if (final) {
        ds_put_signed(b, past->final_index);
    }
    ds_put_signed(b, past->consumption_l);
    ds_put_signed(b, past->last_actual_index - past->index);
    *next = *past;
}

static void take_past_item(struct ds_cursor *c, struct ds_slot_past *past,
                           struct ds_slot_past *next)
{
    memset(past, 0, sizeof(*past));
    uint8_t flags = ds_take_u8(c);
    past->has_index = (flags & P_INDEX) != 0;
    past->has_volume = (flags & P_VOLUME) != 0;
    past->has_last_actual = (flags & P_LAST_ACTUAL) != 0;
    past->method = (enum ds_method)ds_take_u8(c);
    past->period = next->period - (int32_t)(uint32_t)ds_take_varint(c);
    past->days = (int32_t)ds_take_signed(c);
    past->instant_ms = next->instant_ms - ds_take_signed(c);
    past->index = next->index - ds_take_signed(c);
    past->final_index = (flags & P_FINAL) != 0 ? ds_take_signed(c) : past->index;
    past->consumption_l = ds_take_signed(c);
    past->last_actual_index = past->index + ds_take_signed(c);
    *next = *past;
}

static void put_past(struct ds_builder *b, const struct ds_slot_full *slot)
{
    const struct ds_slot_before *nearest = &slot->nearest;
    bool photo = !ds_hash_is_none(&nearest->photo);
    struct ds_slot_past next = {.period = (int32_t)slot->period};
    ds_put_u8(b, (uint8_t)slot->past_count);
    for (size_t i = slot->past_count; i-- > 0;) {
        put_past_item(b, &slot->past[i], &next);
    }
    ds_put_u8(b, (uint8_t)(bit(nearest->there, 1) | bit(nearest->has_card, 2) | bit(photo, 4)));
    if (nearest->has_card) {
        ds_put_signed(b, nearest->purchased_l);
        ds_put_signed(b, nearest->remaining_l);
    }
    if (photo) {
        ds_put_hash(b, &nearest->photo);
    }
}

static enum ds_err take_past(struct ds_cursor *c, struct ds_slot_full *slot)
{
    struct ds_slot_past next = {.period = (int32_t)slot->period};
    slot->past_count = ds_take_u8(c);
    if (slot->past_count > DS_SLOT_PAST_MAX) {
        return DS_ERR_INTEGRITY;
    }
    for (size_t i = slot->past_count; i-- > 0;) {
        take_past_item(c, &slot->past[i], &next);
    }
    struct ds_slot_before *nearest = &slot->nearest;
    uint8_t flags = ds_take_u8(c);
    nearest->there = (flags & 1) != 0;
    nearest->has_card = (flags & 2) != 0;
    if (nearest->has_card) {
        nearest->purchased_l = ds_take_signed(c);
        nearest->remaining_l = ds_take_signed(c);
    }
    if ((flags & 4) != 0) {
        nearest->photo = ds_take_hash(c);
    }
    return DS_OK;
}

/* ---- Swaps, and the whole. ---- */

static void put_swaps(struct ds_builder *b, const struct ds_slot_full *slot)
{
    ds_put_u8(b, (uint8_t)slot->swap_count);
    for (size_t i = 0; i < slot->swap_count; i++) {
        const struct ds_swap_seen *swap = &slot->swaps[i];
        ds_put_signed(b, swap->instant_ms);
        ds_put_signed(b, swap->old_final_index);
        ds_put_signed(b, swap->new_initial_index);
        ds_put_u8(b, (uint8_t)swap->new_dial_digits);
        ds_put_signed(b, swap->new_unit_l);
    }
}

static enum ds_err take_swaps(struct ds_cursor *c, struct ds_slot_full *slot)
{
    slot->swap_count = ds_take_u8(c);
    if (slot->swap_count > DS_SLOT_SWAPS_MAX) {
        return DS_ERR_INTEGRITY;
    }
    for (size_t i = 0; i < slot->swap_count; i++) {
        struct ds_swap_seen *swap = &slot->swaps[i];
        swap->instant_ms = ds_take_signed(c);
        swap->old_final_index = ds_take_signed(c);
        swap->new_initial_index = ds_take_signed(c);
        swap->new_dial_digits = ds_take_u8(c);
        swap->new_unit_l = ds_take_signed(c);
    }
    return DS_OK;
}

static unsigned flags_of(const struct ds_slot_full *slot)
{
    const struct ds_slot_result *r = &slot->result;
    return bit(r->has_index, S_HAS_INDEX) | bit(r->has_volume, S_HAS_VOLUME) |
           bit(r->has_last_actual, S_HAS_LAST_ACTUAL) | bit(r->swapped, S_SWAPPED) |
           bit(r->has_card, S_HAS_CARD) | bit(r->has_previous, S_HAS_PREVIOUS) |
           bit(r->has_final, S_HAS_FINAL) | bit(slot->decided, S_DECIDED) |
           bit(slot->visit_proven, S_VISIT_PROVEN) | bit(slot->has_book, S_HAS_BOOK) |
           bit(slot->exportable, S_EXPORTABLE) | bit(slot->shows_history, S_SHOWS_HISTORY) |
           bit(slot->carries_past, S_CARRIES_PAST) | bit(slot->revision > 0, S_SENT) |
           bit(slot->member_spilled, S_SPILLED);
}

static void take_flags(struct ds_slot_full *slot, uint64_t flags)
{
    struct ds_slot_result *r = &slot->result;
    r->has_index = (flags & S_HAS_INDEX) != 0;
    r->has_volume = (flags & S_HAS_VOLUME) != 0;
    r->has_last_actual = (flags & S_HAS_LAST_ACTUAL) != 0;
    r->swapped = (flags & S_SWAPPED) != 0;
    r->has_card = (flags & S_HAS_CARD) != 0;
    r->has_previous = (flags & S_HAS_PREVIOUS) != 0;
    r->has_final = (flags & S_HAS_FINAL) != 0;
    slot->decided = (flags & S_DECIDED) != 0;
    slot->visit_proven = (flags & S_VISIT_PROVEN) != 0;
    slot->has_book = (flags & S_HAS_BOOK) != 0;
    slot->exportable = (flags & S_EXPORTABLE) != 0;
    slot->shows_history = (flags & S_SHOWS_HISTORY) != 0;
    slot->carries_past = (flags & S_CARRIES_PAST) != 0;
    slot->member_spilled = (flags & S_SPILLED) != 0;
}

void ds_slot_put(struct ds_builder *b, const struct ds_slot_full *slot)
{
    ds_put_varint(b, flags_of(slot));
    put_result(b, slot);
    ds_put_u8(b, slot->start_digits);
    ds_put_signed(b, slot->start_unit_l);
    ds_put_signed(b, slot->multiplier);
    ds_put_u8(b, slot->dropped);
    ds_put_varint(b, slot->made);
    ds_put_varint(b, slot->changed);
    ds_put_varint(b, slot->marked);
    ds_put_varint(b, slot->standing);
    ds_put_varint(b, slot->open_anomalies);
    if (slot->has_book) {
        ds_put_id(b, &slot->book);
    }
    put_member(b, &slot->member);
    if (slot->revision > 0) {
        put_exports(b, slot);
    }
    if (slot->decided) {
        put_decision(b, slot);
    }
    put_swaps(b, slot);
    ds_put_u8(b, (uint8_t)slot->count);
    for (size_t i = 0; i < slot->count; i++) {
        put_candidate(b, &slot->candidates[i]);
    }
    if (slot->carries_past || slot->shows_history) {
        put_past(b, slot);
    }
}

/* Before the membership stand only numbers, the result's and the book's. */
enum ds_err ds_slot_peek_member(struct ds_slice bytes, bool *member)
{
    enum { NUMBERS = 5 }; /* made, changed, marked, standing, open anomalies. */
    struct ds_slot_result result = {.has_card = false};
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, bytes);
    uint64_t flags = ds_take_varint(&cursor);
    result.has_card = (flags & S_HAS_CARD) != 0;
    (void)take_result(&cursor, &result);
    (void)ds_take_u8(&cursor);
    (void)ds_take_signed(&cursor);
    (void)ds_take_signed(&cursor);
    (void)ds_take_u8(&cursor);
    for (size_t i = 0; i < NUMBERS; i++) {
        (void)ds_take_varint(&cursor);
    }
    (void)ds_take_bytes(&cursor, (flags & S_HAS_BOOK) != 0 ? sizeof(struct ds_id) : 0);
    *member = ds_take_u8(&cursor) != DS_SLOT_NO_MEMBER;
    return cursor.failed ? DS_ERR_INTEGRITY : DS_OK;
}

enum ds_err ds_slot_parse(struct ds_slice bytes, struct ds_slot_full *slot)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, bytes);
    uint64_t flags = ds_take_varint(&cursor);
    take_flags(slot, flags);
    uint8_t chosen = take_result(&cursor, &slot->result);
    slot->start_digits = ds_take_u8(&cursor);
    slot->start_unit_l = ds_take_signed(&cursor);
    slot->multiplier = ds_take_signed(&cursor);
    slot->dropped = ds_take_u8(&cursor);
    slot->made = ds_take_varint(&cursor);
    slot->changed = ds_take_varint(&cursor);
    slot->marked = ds_take_varint(&cursor);
    slot->standing = ds_take_varint(&cursor);
    slot->open_anomalies = (uint32_t)ds_take_varint(&cursor);
    if (slot->has_book) {
        slot->book = ds_take_id(&cursor);
    }
    take_member(&cursor, &slot->member);
    if ((flags & S_SENT) != 0) {
        take_exports(&cursor, slot);
    }
    if (slot->decided) {
        take_decision(&cursor, slot);
    }
    DS_TRY(take_swaps(&cursor, slot));
    slot->count = ds_take_u8(&cursor);
    if (slot->count > DS_SLOT_CANDIDATES_MAX) {
        return DS_ERR_INTEGRITY;
    }
    for (size_t i = 0; i < slot->count; i++) {
        take_candidate(&cursor, &slot->candidates[i], &slot->before[i]);
    }
    if (slot->carries_past || slot->shows_history) {
        DS_TRY(take_past(&cursor, slot));
    }
    DS_TRY(name_chosen(slot, chosen));
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

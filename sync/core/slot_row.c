/* A slot's bytes and its row: loading, storing, and what people see of it. */
#include "schema/base/text.h"
#include "sync/core/feed.h"
#include "sync/core/slot_impl.h"

#include <string.h>

enum { DROPPED_MAX = 255 };
enum { PAST_ACTUAL = 2, PAST_INDEX = 1, PAST_VOLUME = 4, PAST_LAST_ACTUAL = 8 };

struct ds_hash ds_slot_content(const struct ds_slot_full *slot)
{
    struct ds_id ids[DS_SLOT_CANDIDATES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < slot->count; i++) {
        size_t at = count;
        while (at > 0 && memcmp(ids[at - 1].byte, slot->candidates[i].op.byte, 16) > 0) {
            ids[at] = ids[at - 1];
            at--;
        }
        ids[at] = slot->candidates[i].op;
        count++;
    }
    return ds_hash3(DS_SLICE_LIT("doorstep candidates 1"),
                    (struct ds_slice){(const uint8_t *)ids, count * sizeof(ids[0])},
                    (struct ds_slice){NULL, 0});
}

bool ds_slot_is_recent(const struct ds_fold *fold, const struct ds_slot_full *slot)
{
    int32_t now = ds_period_of_instant(fold->meta->time_ms, fold->meta->offset_min);
    return ds_period_diff((int32_t)slot->period, now) >= -3;
}

enum { HISTORY_ROOM = DS_SLOT_PAST_MAX * DS_HISTORY_ITEM_SIZE };

static struct ds_slice put_history(const struct ds_slot_full *slot,
                                   uint8_t memory[static HISTORY_ROOM])
{
    struct ds_builder b;
    ds_builder_init(&b, memory, HISTORY_ROOM);
    for (size_t i = slot->past_count; i-- > 0;) {
        const struct ds_slot_past *past = &slot->past[i];
        bool actual = ds_method_is_actual(past->method);
        ds_put_u32(&b, (uint32_t)past->period);
        ds_put_u64(&b, (uint64_t)past->final_index);
        ds_put_u64(&b, (uint64_t)past->consumption_l);
        ds_put_u64(&b, (uint64_t)past->last_actual_index);
        ds_put_u64(&b, (uint64_t)past->instant_ms);
        ds_put_u8(&b, (uint8_t)past->method);
        ds_put_u8(&b, (uint8_t)((past->has_index ? PAST_INDEX : 0) | (actual ? PAST_ACTUAL : 0) |
                                (past->has_volume ? PAST_VOLUME : 0) |
                                (past->has_last_actual ? PAST_LAST_ACTUAL : 0)));
    }
    DS_ASSERT(!b.failed);
    return (struct ds_slice){memory, b.used};
}

static void fill_billed(const struct ds_slot_result *r, struct ds_slot *row)
{
    if (r->state == DS_SLOT_empty) {
        return;
    }
    DS_SET(row, slot, chosen, r->chosen);
    DS_SET(row, slot, instant_ms, r->instant_ms);
    DS_SET(row, slot, method, r->method);
    DS_SET(row, slot, condition, r->condition);
    if (r->has_index) {
        DS_SET(row, slot, index, r->index);
    }
    if (r->has_final) {
        DS_SET(row, slot, final_index, r->final_index);
    }
    if (r->has_previous) {
        DS_SET(row, slot, previous_index, r->previous_index);
    }
    if (r->has_volume) {
        DS_SET(row, slot, consumption_l, r->consumption_l);
    }
    if (r->has_last_actual) {
        DS_SET(row, slot, last_actual_index, r->last_actual_index);
    }
    if (!ds_id_is_none(&r->read_by)) {
        DS_SET(row, slot, read_by, r->read_by);
    }
    if (r->swapped) {
        DS_SET(row, slot, swapped, 1);
    }
}

void ds_slot_fill(const struct ds_slot_full *slot, struct ds_slot *row)
{
    memset(row, 0, sizeof(*row));
    DS_SET(row, slot, meter, slot->meter);
    DS_SET(row, slot, register_kind, slot->register_kind);
    DS_SET(row, slot, period, slot->period);
    DS_SET(row, slot, state, slot->result.state);
    fill_billed(&slot->result, row);
    if (slot->count > 0) {
        size_t known = slot->count + slot->dropped;
        DS_SET(row, slot, candidates, known < DROPPED_MAX ? (int64_t)known : DROPPED_MAX);
        DS_SET(row, slot, candidates_hash, ds_slot_shown(slot));
    }
    if (slot->decided) {
        DS_SET(row, slot, decision, slot->decision);
    }
    if (slot->revision > 0) {
        DS_SET(row, slot, revision, slot->revision);
    }
    if (slot->sent_revision > 0) {
        DS_SET(row, slot, sent_revision, slot->sent_revision);
    }
    if (slot->open_anomalies > 0) {
        DS_SET(row, slot, anomalies, slot->open_anomalies);
    }
    if (slot->has_book) {
        DS_SET(row, slot, book, slot->book);
    }
    if (slot->exportable) {
        DS_SET(row, slot, exportable, 1);
    }
    if (ds_slot_is_voided(slot)) {
        DS_SET(row, slot, voided, 1);
    }
}

/* ---- Loading and storing. ---- */

struct ds_slot_full *ds_slot_new(struct ds_fold *fold)
{
    return ds_arena_room(fold->arena, sizeof(struct ds_slot_full));
}

enum ds_err ds_slot_load(struct ds_fold *fold, const struct ds_id *meter, uint8_t register_kind,
                         uint32_t period, struct ds_slot_full *slot)
{
    memset(slot, 0, offsetof(struct ds_slot_full, candidates));
    slot->meter = *meter;
    slot->register_kind = register_kind;
    slot->period = period;
    struct ds_key key = ds_key_slot(meter, register_kind, period);
    struct ds_slice value;
    enum ds_err err = ds_txn_get(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &value);
    if (err == DS_ERR_NOT_FOUND) {
        slot->id = ds_slot_id(&fold->meta->station, meter, register_kind, period);
        slot->result.state = DS_SLOT_empty;
        return DS_OK;
    }
    DS_TRY(err);
    slot->exists = true;
    slot->id = ds_slot_id(&fold->meta->station, meter, register_kind, period);
    /* A copy, to see whether it changes. */
    DS_TRY(ds_arena_copy(fold->arena, value, &slot->stored));
    DS_TRY(ds_slot_parse(slot->stored, slot));
    slot->stored_count = slot->count;
    return DS_OK;
}

static enum ds_err encode(struct ds_fold *fold, const struct ds_slot_full *slot,
                          struct ds_slice *value)
{
    uint8_t *memory = ds_arena_room(fold->arena, DS_SLOT_SIZE_MAX);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    ds_builder_init(&builder, memory, DS_SLOT_SIZE_MAX);
    ds_slot_put(&builder, slot);
    return ds_builder_end(&builder, value);
}

/* The id leads to the slot: its row in DS_TABLE_ROW is this pointer, for good. */
static enum ds_err put_pointer(struct ds_fold *fold, const struct ds_slot_full *slot)
{
    struct ds_key row = ds_key_row(DS_REC_slot, &slot->id);
    struct ds_key key = ds_key_slot(&slot->meter, slot->register_kind, slot->period);
    return ds_txn_put(fold->txn, DS_TABLE_ROW, ds_key_slice(&row), ds_key_slice(&key));
}

enum ds_err ds_slot_store(struct ds_fold *fold, struct ds_slot_full *slot)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slice value;
    struct ds_key key = ds_key_slot(&slot->meter, slot->register_kind, slot->period);
    DS_TRY(encode(fold, slot, &value));
    if (!slot->written && ds_slice_equal(value, slot->stored)) {
        ds_arena_rewind(fold->arena, mark);
        return DS_OK;
    }
    if (!slot->exists) {
        slot->exists = true;
        DS_TRY(put_pointer(fold, slot));
    }
    slot->written = true;
    DS_TRY(ds_txn_put(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), value));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

/* Does the row stand so already? One that has another number of readings does not: its hash over
 * them is another. Else the row that the stored bytes show tells. */
static enum ds_err stands(struct ds_fold *fold, const struct ds_slot_full *slot,
                          struct ds_slice fields, bool *same)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *before = ds_slot_new(fold);
    struct ds_slice standing;
    *same = false;
    if (slot->stored.size == 0 || slot->made == 0 || slot->count != slot->stored_count) {
        return DS_OK;
    }
    if (before == NULL) {
        return DS_ERR_NOMEM;
    }
    memset(before, 0, offsetof(struct ds_slot_full, candidates));
    before->meter = slot->meter;
    before->register_kind = slot->register_kind;
    before->period = slot->period;
    DS_TRY(ds_slot_parse(slot->stored, before));
    before->content = ds_slot_content(before);
    DS_TRY(ds_slot_fields(before, fold->arena, &standing));
    *same = ds_slice_equal(standing, fields);
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

enum ds_err ds_slot_show(struct ds_fold *fold, struct ds_slot_full *slot)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slice fields;
    bool same = false;
    DS_TRY(ds_slot_fields(slot, fold->arena, &fields));
    DS_TRY(stands(fold, slot, fields, &same));
    if (!same) {
        slot->made = slot->made == 0 ? fold->position : slot->made;
        slot->changed = fold->position;
        DS_TRY(ds_feed_slot(fold, slot, fields));
    }
    ds_arena_rewind(fold->arena, mark);
    return ds_slot_store(fold, slot);
}

enum ds_err ds_slot_touch(struct ds_fold *fold, const struct ds_id *meter, uint8_t register_kind,
                          uint32_t period)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *slot = ds_slot_new(fold);
    bool held = false;
    if (slot == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_slot_load(fold, meter, register_kind, period, slot));
    DS_TRY(ds_slot_is_held(fold, slot, &held));
    if (slot->exists && held != (slot->member.kind == DS_SLOT_IS_MEMBER)) {
        if (!held) {
            slot->shows_history = false; /* Nobody runs the rules over it any more. */
            slot->carries_past = false;
        }
        slot->stored.size = 0;
        DS_TRY(ds_slot_show(fold, slot));
    }
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

/* ---- Reading rows. ---- */

enum { POINTER_SIZE = 16 + 1 + 4 };

static enum ds_err take_pointer(struct ds_slice pointer, struct ds_id *meter,
                                uint8_t *register_kind, uint32_t *period)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, pointer);
    *meter = ds_take_id(&cursor);
    *register_kind = ds_take_u8(&cursor);
    *period = ds_take_u32(&cursor);
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_slot_find(struct ds_txn *txn, const struct ds_id *id, struct ds_id *meter,
                         uint8_t *register_kind, uint32_t *period)
{
    struct ds_key key = ds_key_row(DS_REC_slot, id);
    struct ds_slice pointer;
    DS_TRY(ds_txn_get(txn, DS_TABLE_ROW, ds_key_slice(&key), &pointer));
    return take_pointer(pointer, meter, register_kind, period);
}

enum ds_err ds_slot_fields(const struct ds_slot_full *slot, struct ds_arena *arena,
                           struct ds_slice *fields)
{
    enum { ROOM = 1024 };
    uint8_t history[HISTORY_ROOM];
    struct ds_slot row;
    uint8_t *memory = ds_arena_room(arena, ROOM);
    struct ds_builder builder;
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_slot_fill(slot, &row);
    if (slot->shows_history) {
        DS_SET(&row, slot, history, put_history(slot, history));
    }
    ds_builder_init(&builder, memory, ROOM);
    DS_TRY(ds_record_encode(ds_record_type_by_number(DS_REC_slot), &row, &builder));
    return ds_builder_end(&builder, fields);
}

enum ds_err ds_slot_row(struct ds_txn *txn, struct ds_slice pointer, struct ds_arena *arena,
                        struct ds_slice *value)
{
    enum { ROOM = 1024 + 64 };
    struct ds_slot_full *slot = ds_arena_room(arena, sizeof(*slot));
    uint8_t *memory = ds_arena_room(arena, ROOM);
    struct ds_slice stored;
    struct ds_slice fields;
    if (slot == NULL || memory == NULL) {
        return DS_ERR_NOMEM;
    }
    memset(slot, 0, offsetof(struct ds_slot_full, candidates));
    DS_TRY(take_pointer(pointer, &slot->meter, &slot->register_kind, &slot->period));
    enum ds_err err = ds_txn_get(txn, DS_TABLE_SLOT, pointer, &stored);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_ERR_INTEGRITY : err;
    }
    DS_TRY(ds_slot_parse(stored, slot));
    slot->content = ds_slot_content(slot);
    DS_TRY(ds_slot_fields(slot, arena, &fields));
    struct ds_scope scope = {.kind = DS_SCOPE_BOOK, .key = slot->member.book, .view = 1};
    bool held = slot->member.kind == DS_SLOT_IS_MEMBER;
    struct ds_row_head head = {.made = slot->made,
                               .changed = slot->changed,
                               .scopes = &scope,
                               .scope_count = held ? 1 : 0};
    struct ds_builder builder;
    ds_builder_init(&builder, memory, ROOM);
    ds_row_put_plain(&builder, &head, fields);
    return ds_builder_end(&builder, value);
}

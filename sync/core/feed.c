/* Rows into the feeds of their scopes, and out of them. */
#include "sync/core/feed.h"

#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "sync/core/mutant.h"
#include "sync/core/slot_impl.h"

#include <string.h>

enum { MEMBER_SIZE = 8 + 4 + 1 + 32, ROW_ROOM = DS_ROW_SIZE_MAX, VIEW_READER = 1 };

/* An entry that is superseded, and its row's hash, leave feed and digest. */
static enum ds_err forget(struct ds_fold *fold, const struct ds_scope *scope, uint64_t position,
                          uint32_t ordinal, const struct ds_hash *hash)
{
    if (hash != NULL) {
        struct ds_scope_state *state = NULL;
        DS_TRY(ds_desk_scope(fold->desk, scope, &state));
        if (state->rows == 0) {
            return DS_ERR_INTEGRITY;
        }
        ds_feed_sum(&state->digest, hash, true);
        state->rows--;
    }
    return ds_feed_remove(fold->desk, scope, position, ordinal);
}

/* A new entry at the fold's position; hash NULL: the row is gone from the scope. */
static enum ds_err append(struct ds_fold *fold, const struct ds_scope *scope,
                          struct ds_feed_entry *entry, const struct ds_hash *hash)
{
    struct ds_scope_state *state = NULL;
    DS_TRY(ds_desk_scope(fold->desk, scope, &state));
    if (hash != NULL) {
        if (!DS_MUTANT("digest_skips_row") || hash->byte[0] % 8 != 0) {
            ds_feed_sum(&state->digest, hash, false);
        }
        state->rows++;
    }
    state->last = fold->position;
    entry->position = fold->position;
    entry->ordinal = ++fold->ordinal;
    entry->gone = hash == NULL;
    return ds_feed_append(fold->desk, scope, entry);
}

static enum ds_err member_store(struct ds_fold *fold, const struct ds_key *member,
                                const struct ds_feed_entry *entry, const struct ds_hash *hash)
{
    static const struct ds_hash none;
    uint8_t bytes[MEMBER_SIZE];
    struct ds_builder builder;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_u64(&builder, entry->position);
    ds_put_u32(&builder, entry->ordinal);
    ds_put_u8(&builder, entry->gone);
    ds_put_hash(&builder, hash == NULL ? &none : hash);
    DS_ASSERT(!builder.failed);
    return ds_txn_put(fold->txn, DS_TABLE_MEMBER, ds_key_slice(member), DS_SLICE_OF(bytes));
}

static enum ds_err member_forget(struct ds_fold *fold, const struct ds_scope *scope,
                                 const struct ds_key *member)
{
    struct ds_slice value;
    enum ds_err err = ds_txn_get(fold->txn, DS_TABLE_MEMBER, ds_key_slice(member), &value);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_OK;
    }
    DS_TRY(err);
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    uint64_t position = ds_take_u64(&cursor);
    uint32_t ordinal = ds_take_u32(&cursor);
    bool gone = ds_take_u8(&cursor) != 0;
    struct ds_hash hash = ds_take_hash(&cursor);
    DS_TRY(ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY);
    return forget(fold, scope, position, ordinal, gone ? NULL : &hash);
}

static enum ds_err member_put(struct ds_fold *fold, const struct ds_scope *scope,
                              const struct ds_row_state *row, bool gone, struct ds_slice fields)
{
    struct ds_key member = ds_key_member(scope, row->type, &row->id);
    struct ds_feed_entry entry = {.type = row->type, .id = row->id};
    struct ds_hash hash = {{0}};
    DS_TRY(member_forget(fold, scope, &member));
    if (!gone) {
        struct ds_slice shown;
        DS_TRY(ds_feed_show(fold->arena, scope->view, row->type, fields, &shown));
        struct ds_row out = {
            .type = row->type, .id = row->id, .position = row->changed, .fields = shown};
        hash = ds_feed_row_hash(scope, &out);
    }
    DS_TRY(append(fold, scope, &entry, gone ? NULL : &hash));
    return member_store(fold, &member, &entry, gone ? NULL : &hash);
}

/* ---- Slots: their place in the feed lies in themselves. ---- */

static struct ds_scope scope_of_book(const struct ds_id *book)
{
    return (struct ds_scope){.kind = DS_SCOPE_BOOK, .key = *book, .view = VIEW_READER};
}

static struct ds_feed_entry entry_of(const struct ds_slot_full *slot)
{
    return (struct ds_feed_entry){.type = DS_REC_slot,
                                  .id = slot->meter,
                                  .register_kind = slot->register_kind,
                                  .period = slot->period};
}

/* It enters another book: that it left the last one is written where there is room for many. */
static enum ds_err spill(struct ds_fold *fold, struct ds_slot_full *slot)
{
    struct ds_scope scope = scope_of_book(&slot->member.book);
    struct ds_key member = ds_key_member(&scope, DS_REC_slot, &slot->id);
    struct ds_feed_entry entry = entry_of(slot);
    entry.position = slot->member.position;
    entry.ordinal = slot->member.ordinal;
    entry.gone = true;
    slot->member.kind = DS_SLOT_NO_MEMBER;
    slot->member_spilled = true;
    return member_store(fold, &member, &entry, NULL);
}

static enum ds_err unspill(struct ds_fold *fold, const struct ds_slot_full *slot,
                           const struct ds_scope *scope)
{
    struct ds_key member = ds_key_member(scope, DS_REC_slot, &slot->id);
    DS_TRY(member_forget(fold, scope, &member));
    return ds_txn_del(fold->txn, DS_TABLE_MEMBER, ds_key_slice(&member));
}

static enum ds_err slot_leaves(struct ds_fold *fold, struct ds_slot_full *slot)
{
    struct ds_scope scope = scope_of_book(&slot->member.book);
    struct ds_feed_entry entry = entry_of(slot);
    DS_TRY(forget(fold, &scope, slot->member.position, slot->member.ordinal, &slot->member.hash));
    if (DS_MUTANT("forget_gone")) {
        slot->member.kind = DS_SLOT_NO_MEMBER;
        return DS_OK;
    }
    DS_TRY(append(fold, &scope, &entry, NULL));
    slot->member.kind = DS_SLOT_WAS_MEMBER;
    slot->member.position = entry.position;
    slot->member.ordinal = entry.ordinal;
    return DS_OK;
}

static enum ds_err slot_enters(struct ds_fold *fold, struct ds_slot_full *slot,
                               struct ds_slice fields)
{
    struct ds_slot_member *member = &slot->member;
    bool same = member->kind != DS_SLOT_NO_MEMBER && ds_id_equal(&member->book, &slot->book);
    struct ds_scope scope = scope_of_book(&slot->book);
    if (member->kind == DS_SLOT_WAS_MEMBER && !same) {
        DS_TRY(spill(fold, slot));
    }
    if (slot->member_spilled) {
        DS_TRY(unspill(fold, slot, &scope));
    }
    if (same) {
        DS_TRY(forget(fold, &scope, member->position, member->ordinal,
                      member->kind == DS_SLOT_IS_MEMBER ? &member->hash : NULL));
    }
    struct ds_slice shown;
    DS_TRY(ds_feed_show(fold->arena, scope.view, DS_REC_slot, fields, &shown));
    struct ds_row out = {
        .type = DS_REC_slot, .id = slot->id, .position = slot->changed, .fields = shown};
    struct ds_feed_entry entry = entry_of(slot);
    member->hash = ds_feed_row_hash(&scope, &out);
    DS_TRY(append(fold, &scope, &entry, &member->hash));
    member->kind = DS_SLOT_IS_MEMBER;
    member->book = slot->book;
    member->position = entry.position;
    member->ordinal = entry.ordinal;
    return DS_OK;
}

enum ds_err ds_feed_slot(struct ds_fold *fold, struct ds_slot_full *slot, struct ds_slice fields)
{
    bool held = false;
    DS_TRY(ds_slot_is_held(fold, slot, &held));
    if (slot->member.kind == DS_SLOT_IS_MEMBER &&
        (!held || !ds_id_equal(&slot->member.book, &slot->book))) {
        DS_TRY(slot_leaves(fold, slot));
    }
    return held ? slot_enters(fold, slot, fields) : DS_OK;
}

/* ---- Rows. ---- */

static bool holds(const struct ds_scope *scopes, size_t count, const struct ds_scope *scope)
{
    for (size_t i = 0; i < count; i++) {
        if (ds_scope_compare(&scopes[i], scope) == 0) {
            return true;
        }
    }
    return false;
}

enum ds_err ds_fold_put(struct ds_fold *fold, struct ds_row_state *row)
{
    struct ds_scope now[DS_ROW_SCOPES_MAX];
    struct ds_scope_list list = {now, 0};
    if (!row->exists) {
        row->made = fold->position;
        row->exists = true;
    }
    row->changed = fold->position;
    DS_TRY(ds_desk_forget(fold, row->type, &row->id));
    DS_TRY(ds_scopes_of_row(fold, row, &list));
    struct ds_scope before[DS_ROW_SCOPES_MAX];
    size_t before_count = row->scope_count;
    memcpy(before, row->scopes, before_count * sizeof(before[0]));
    memcpy(row->scopes, now, list.count * sizeof(now[0]));
    row->scope_count = list.count;

    uint8_t *memory = ds_arena_room(fold->arena, ROW_ROOM);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    struct ds_slice bytes;
    ds_builder_init(&builder, memory, ROW_ROOM);
    ds_row_put(&builder, row);
    DS_TRY(ds_builder_end(&builder, &bytes));
    struct ds_key key = ds_key_row(row->type, &row->id);
    DS_TRY(ds_txn_put(fold->txn, DS_TABLE_ROW, ds_key_slice(&key), bytes));

    struct ds_slice fields;
    uint64_t changed = 0;
    DS_TRY(ds_row_fields(bytes, &fields, &changed));
    for (size_t i = 0; i < before_count; i++) {
        if (!holds(now, list.count, &before[i]) && !DS_MUTANT("forget_gone")) {
            DS_TRY(member_put(fold, &before[i], row, true, fields));
        }
    }
    for (size_t i = 0; i < list.count; i++) {
        DS_TRY(member_put(fold, &now[i], row, false, fields));
    }
    return DS_OK;
}

enum ds_err ds_fold_put_record(struct ds_fold *fold, uint8_t type, const struct ds_id *id,
                               const void *record)
{
    size_t mark = ds_arena_mark(fold->arena);
    const struct ds_record_type *known = ds_record_type_by_number(type);
    struct ds_row_state *row = DS_FOLD_NEW(fold, struct ds_row_state);
    uint8_t *memory = ds_arena_room(fold->arena, ROW_ROOM);
    if (row == NULL || memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    struct ds_slice fields;
    ds_builder_init(&builder, memory, ROW_ROOM);
    DS_TRY(ds_record_encode(known, record, &builder));
    DS_TRY(ds_builder_end(&builder, &fields));
    DS_TRY(ds_row_load(fold->txn, type, id, fold->arena, row));
    if (row->exists) {
        uint8_t *have = ds_arena_room(fold->arena, ROW_ROOM);
        if (have == NULL) {
            return DS_ERR_NOMEM;
        }
        ds_builder_init(&builder, have, ROW_ROOM);
        ds_row_put_fields(&builder, row);
        struct ds_slice standing;
        DS_TRY(ds_builder_end(&builder, &standing));
        if (ds_slice_equal(standing, fields)) {
            ds_arena_rewind(fold->arena, mark);
            return DS_OK;
        }
    }
    row->cell_count = 0;
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs; i++) {
        struct ds_cell *cell = ds_row_cell_make(row, (uint8_t)ds_mp_take_uint(&cursor));
        DS_ASSERT(cell != NULL);
        cell->value = ds_mp_take_value(&cursor);
        memset(&cell->latest, 0, sizeof(cell->latest));
    }
    DS_TRY(ds_fold_put(fold, row));
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

enum ds_err ds_fold_touch(struct ds_fold *fold, uint8_t type, const struct ds_id *id)
{
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_row_state *row = DS_FOLD_NEW(fold, struct ds_row_state);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_row_load(fold->txn, type, id, fold->arena, row));
    if (row->exists) {
        struct ds_scope now[DS_ROW_SCOPES_MAX];
        struct ds_scope_list list = {now, 0};
        DS_TRY(ds_scopes_of_row(fold, row, &list));
        bool same = list.count == row->scope_count;
        for (size_t i = 0; same && i < list.count; i++) {
            same = ds_scope_compare(&now[i], &row->scopes[i]) == 0;
        }
        if (!same) {
            DS_TRY(ds_fold_put(fold, row));
        }
    }
    ds_arena_rewind(fold->arena, mark);
    return DS_OK;
}

#include "sync/core/feed.h"
#include "sync/core/varint.h"

#include <string.h>

enum { ENTRY_MAX = 5 + 1 + 1 + 16 + 1 + 5, SCOPE_VALUE_SIZE = 32 + 8 + 8 };
_Static_assert(ENTRY_MAX * 8 <= DS_DESK_CHUNK_SIZE, "a value holds a few entries");

/* ---- Entries. ---- */

static void put_entry(struct ds_builder *b, const struct ds_feed_entry *entry)
{
    ds_put_varint(b, entry->ordinal);
    ds_put_u8(b, entry->type);
    ds_put_u8(b, entry->gone);
    ds_put_id(b, &entry->id);
    if (entry->type == DS_REC_slot) {
        ds_put_u8(b, entry->register_kind);
        ds_put_varint(b, entry->period);
    }
}

static void take_entry(struct ds_cursor *c, struct ds_feed_entry *entry)
{
    entry->ordinal = (uint32_t)ds_take_varint(c);
    entry->type = ds_take_u8(c);
    entry->gone = ds_take_u8(c) != 0;
    entry->id = ds_take_id(c);
    if (entry->type == DS_REC_slot) {
        entry->register_kind = ds_take_u8(c);
        entry->period = (uint32_t)ds_take_varint(c);
    }
}

/* ---- Values in hand. ---- */

static struct ds_slice chunk_bytes(const struct ds_chunk *chunk)
{
    return (struct ds_slice){chunk->bytes, chunk->size};
}

static enum ds_err chunk_write(struct ds_desk *desk, struct ds_chunk *chunk)
{
    if (!chunk->used || !chunk->dirty) {
        return DS_OK;
    }
    struct ds_key key = ds_key_feed(&chunk->scope, chunk->position, chunk->first);
    chunk->dirty = false;
    return chunk->size == 0
               ? ds_txn_del(desk->txn, DS_TABLE_FEED, ds_key_slice(&key))
               : ds_txn_put(desk->txn, DS_TABLE_FEED, ds_key_slice(&key), chunk_bytes(chunk));
}

/* A place for another value; whoever has had it longest goes. */
static enum ds_err chunk_place(struct ds_desk *desk, struct ds_chunk **chunk)
{
    *chunk = &desk->chunk[desk->next_chunk];
    desk->next_chunk = (desk->next_chunk + 1) % DS_DESK_CHUNKS;
    DS_TRY(chunk_write(desk, *chunk));
    (*chunk)->used = false;
    (*chunk)->open = false;
    return DS_OK;
}

static bool is_of(const struct ds_chunk *chunk, const struct ds_scope *scope, uint64_t position)
{
    return chunk->used && chunk->position == position &&
           ds_scope_compare(&chunk->scope, scope) == 0;
}

/* The value that the fold appends to in that scope, if it is still in hand. */
static struct ds_chunk *open_chunk(struct ds_desk *desk, const struct ds_scope *scope,
                                   uint64_t position)
{
    for (size_t i = 0; i < DS_DESK_CHUNKS; i++) {
        if (desk->chunk[i].open && is_of(&desk->chunk[i], scope, position)) {
            return &desk->chunk[i];
        }
    }
    return NULL;
}

enum ds_err ds_feed_append(struct ds_desk *desk, const struct ds_scope *scope,
                           const struct ds_feed_entry *entry)
{
    struct ds_chunk *chunk = open_chunk(desk, scope, entry->position);
    if (chunk == NULL || chunk->size + ENTRY_MAX > sizeof(chunk->bytes)) {
        if (chunk != NULL) {
            chunk->open = false;
        }
        DS_TRY(chunk_place(desk, &chunk));
        chunk->used = true;
        chunk->open = true;
        chunk->scope = *scope;
        chunk->position = entry->position;
        chunk->first = entry->ordinal;
        chunk->size = 0;
    }
    struct ds_builder b;
    ds_builder_init(&b, chunk->bytes + chunk->size, sizeof(chunk->bytes) - chunk->size);
    put_entry(&b, entry);
    DS_ASSERT(!b.failed);
    chunk->size += b.used;
    chunk->dirty = true;
    return DS_OK;
}

static bool chunk_cut(struct ds_chunk *chunk, uint32_t ordinal)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, chunk_bytes(chunk));
    while (ds_cursor_left(&cursor) > 0 && !cursor.failed) {
        struct ds_feed_entry entry;
        size_t at = cursor.at;
        take_entry(&cursor, &entry);
        if (!cursor.failed && entry.ordinal == ordinal) {
            memmove(chunk->bytes + at, chunk->bytes + cursor.at, chunk->size - cursor.at);
            chunk->size -= cursor.at - at;
            chunk->dirty = true;
            return true;
        }
    }
    return false;
}

enum ds_err ds_feed_remove(struct ds_desk *desk, const struct ds_scope *scope, uint64_t position,
                           uint32_t ordinal)
{
    for (size_t i = 0; i < DS_DESK_CHUNKS; i++) {
        struct ds_chunk *chunk = &desk->chunk[i];
        if (is_of(chunk, scope, position) && chunk->first <= ordinal && chunk_cut(chunk, ordinal)) {
            return DS_OK;
        }
    }
    struct ds_chunk *chunk = NULL;
    DS_TRY(chunk_place(desk, &chunk));
    struct ds_key key = ds_key_feed(scope, position, ordinal);
    struct ds_slice found;
    struct ds_slice value;
    enum ds_err err =
        ds_txn_at_or_before(desk->txn, DS_TABLE_FEED, ds_key_slice(&key), &found, &value);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_ERR_INTEGRITY;
    }
    DS_TRY(err);
    if (found.size != key.size || memcmp(found.data, key.byte, key.size - 4) != 0 ||
        value.size > sizeof(chunk->bytes)) {
        return DS_ERR_INTEGRITY;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, found);
    (void)ds_take_bytes(&cursor, key.size - 4);
    *chunk = (struct ds_chunk){.used = true,
                               .scope = *scope,
                               .position = position,
                               .first = ds_take_u32(&cursor),
                               .size = value.size};
    memcpy(chunk->bytes, value.data, value.size);
    return chunk_cut(chunk, ordinal) ? DS_OK : DS_ERR_INTEGRITY;
}

/* ---- Scopes in hand. ---- */

enum ds_err ds_scope_state(struct ds_txn *txn, const struct ds_scope *scope,
                           struct ds_scope_state *state)
{
    struct ds_key key = ds_key_scope(scope);
    struct ds_slice value;
    memset(state, 0, sizeof(*state));
    enum ds_err err = ds_txn_get(txn, DS_TABLE_SCOPE, ds_key_slice(&key), &value);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_OK;
    }
    DS_TRY(err);
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    state->digest = ds_take_hash(&cursor);
    state->rows = ds_take_u64(&cursor);
    state->last = ds_take_u64(&cursor);
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

static enum ds_err scope_write(struct ds_desk *desk, size_t at)
{
    if (!desk->scope[at].used || !desk->scope[at].dirty) {
        return DS_OK;
    }
    uint8_t bytes[SCOPE_VALUE_SIZE];
    struct ds_builder builder;
    const struct ds_scope_state *state = &desk->scope[at].state;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_hash(&builder, &state->digest);
    ds_put_u64(&builder, state->rows);
    ds_put_u64(&builder, state->last);
    DS_ASSERT(!builder.failed);
    struct ds_key key = ds_key_scope(&desk->scope[at].scope);
    desk->scope[at].dirty = false;
    return ds_txn_put(desk->txn, DS_TABLE_SCOPE, ds_key_slice(&key), DS_SLICE_OF(bytes));
}

enum ds_err ds_desk_scope(struct ds_desk *desk, const struct ds_scope *scope,
                          struct ds_scope_state **state)
{
    for (size_t i = 0; i < DS_DESK_SCOPES; i++) {
        if (desk->scope[i].used && ds_scope_compare(&desk->scope[i].scope, scope) == 0) {
            desk->scope[i].dirty = true;
            *state = &desk->scope[i].state;
            return DS_OK;
        }
    }
    size_t at = desk->next_scope;
    desk->next_scope = (at + 1) % DS_DESK_SCOPES;
    DS_TRY(scope_write(desk, at));
    desk->scope[at].used = false;
    DS_TRY(ds_scope_state(desk->txn, scope, &desk->scope[at].state));
    desk->scope[at].used = true;
    desk->scope[at].dirty = true;
    desk->scope[at].scope = *scope;
    *state = &desk->scope[at].state;
    return DS_OK;
}

enum ds_err ds_desk_settle(struct ds_desk *desk)
{
    DS_TRY(ds_desk_pace_write(desk));
    for (size_t i = 0; i < DS_DESK_SCOPES; i++) {
        DS_TRY(scope_write(desk, i));
    }
    for (size_t i = 0; i < DS_DESK_CHUNKS; i++) {
        struct ds_chunk *chunk = &desk->chunk[i];
        DS_TRY(chunk_write(desk, chunk));
        chunk->used = false;
        chunk->open = false;
    }
    /* Where values begin and end follows from the entry alone, not from the ones before it. */
    desk->next_chunk = 0;
    return DS_OK;
}

/* ---- Walking. ---- */

enum ds_err ds_feed_walk_begin(struct ds_feed_walk *walk, struct ds_txn *txn,
                               const struct ds_scope *scope, uint64_t position, uint32_t ordinal)
{
    struct ds_slice found;
    struct ds_slice value;
    memset(walk, 0, sizeof(*walk));
    walk->txn = txn;
    walk->scope = *scope;
    walk->next = ds_key_feed(scope, position, ordinal);
    ds_cursor_init(&walk->entries, (struct ds_slice){NULL, 0});
    if (ordinal == UINT32_MAX) {
        walk->next = ds_key_feed(scope, position + 1, 0);
        return DS_OK;
    }
    /* The value that holds the ordinal may have begun before it. */
    enum ds_err err =
        ds_txn_at_or_before(txn, DS_TABLE_FEED, ds_key_slice(&walk->next), &found, &value);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_OK;
    }
    DS_TRY(err);
    if (found.size == walk->next.size &&
        memcmp(found.data, walk->next.byte, found.size - sizeof(ordinal)) == 0) {
        walk->position = position;
        walk->after = ordinal;
        walk->skips = true;
        walk->next = ds_key_after(found);
        ds_cursor_init(&walk->entries, value);
    }
    return DS_OK;
}

static enum ds_err next_value(struct ds_feed_walk *walk)
{
    struct ds_slice found;
    struct ds_slice value;
    struct ds_key prefix = ds_key_scope(&walk->scope);
    DS_TRY(ds_txn_at_or_after(walk->txn, DS_TABLE_FEED, ds_key_slice(&walk->next), &found, &value));
    if (found.size < prefix.size || memcmp(found.data, prefix.byte, prefix.size) != 0) {
        return DS_ERR_NOT_FOUND;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, found);
    (void)ds_take_bytes(&cursor, prefix.size);
    walk->position = ds_take_u64(&cursor);
    walk->skips = false;
    walk->next = ds_key_after(found);
    ds_cursor_init(&walk->entries, value);
    return DS_OK;
}

enum ds_err ds_feed_walk_next(struct ds_feed_walk *walk, struct ds_feed_entry *entry)
{
    for (;;) {
        while (ds_cursor_left(&walk->entries) > 0) {
            memset(entry, 0, sizeof(*entry));
            take_entry(&walk->entries, entry);
            entry->position = walk->position;
            if (walk->entries.failed) {
                return DS_ERR_INTEGRITY;
            }
            if (!walk->skips || entry->ordinal > walk->after) {
                return DS_OK;
            }
        }
        DS_TRY(next_value(walk));
    }
}

/* ---- Counting. ---- */

static uint64_t entries_in(struct ds_slice value)
{
    struct ds_cursor cursor;
    uint64_t count = 0;
    ds_cursor_init(&cursor, value);
    while (ds_cursor_left(&cursor) > 0 && !cursor.failed) {
        struct ds_feed_entry entry;
        take_entry(&cursor, &entry);
        count++;
    }
    return count;
}

static enum ds_err count_in(struct ds_txn *txn, uint8_t table, uint64_t *entries, uint64_t *members)
{
    struct ds_key key = {.byte = {0}, .size = 1};
    for (;;) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err = ds_txn_at_or_after(txn, table, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        key = ds_key_after(found);
        if (table == DS_TABLE_FEED) {
            *entries += entries_in(value);
        } else if (table == DS_TABLE_MEMBER) {
            ++*members;
        } else {
            bool member = false;
            DS_TRY(ds_slot_peek_member(value, &member));
            *members += member;
        }
    }
}

enum ds_err ds_feed_count(struct ds_txn *txn, uint64_t *entries, uint64_t *members)
{
    static const uint8_t tables[] = {DS_TABLE_FEED, DS_TABLE_MEMBER, DS_TABLE_SLOT};
    *entries = 0;
    *members = 0;
    for (size_t i = 0; i < DS_COUNT(tables); i++) {
        DS_TRY(count_in(txn, tables[i], entries, members));
    }
    return DS_OK;
}

#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "sync/core/fold.h"
#include "sync/core/mutant.h"

#include <string.h>

enum { MEMBER_SIZE = 8 + 4 + 1 + 32, FEED_VALUE_SIZE = 1 + 16 + 1, SCOPE_VALUE_SIZE = 32 + 8 + 8 };
enum { ROW_ROOM = DS_ROW_SIZE_MAX, VIEW_READER = 1, VIEW_ALL = 0 };

/* Fields that a view does not show. */
static const struct {
    uint8_t view;
    uint8_t type;
    uint8_t tag;
} hidden[] = {
    {VIEW_READER, DS_REC_account, DS_TAG_account_persons},
    {VIEW_READER, DS_REC_account, DS_TAG_account_balance_fen},
};

static bool is_hidden(uint8_t view, uint8_t type, uint64_t tag)
{
    for (size_t i = 0; i < DS_COUNT(hidden); i++) {
        if (hidden[i].view == view && hidden[i].type == type && hidden[i].tag == tag) {
            return true;
        }
    }
    return false;
}

/* The map without the hidden pairs; the same bytes when there are none. */
static enum ds_err show(struct ds_arena *arena, uint8_t view, uint8_t type, struct ds_slice fields,
                        struct ds_slice *shown)
{
    struct ds_cursor cursor;
    uint32_t kept = 0;
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs; i++) {
        kept += !is_hidden(view, type, ds_mp_take_uint(&cursor));
        (void)ds_mp_take_value(&cursor);
    }
    if (ds_cursor_end(&cursor) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    if (kept == pairs) {
        *shown = fields;
        return DS_OK;
    }
    uint8_t *memory = ds_arena_alloc(arena, fields.size);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    ds_builder_init(&builder, memory, fields.size);
    ds_cursor_init(&cursor, fields);
    (void)ds_mp_take_map(&cursor);
    ds_mp_put_map(&builder, kept);
    for (uint32_t i = 0; i < pairs; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (!is_hidden(view, type, tag)) {
            ds_mp_put_uint(&builder, tag);
            ds_mp_put_raw(&builder, value);
        }
    }
    return ds_builder_end(&builder, shown);
}

enum ds_err ds_project(struct ds_txn *txn, uint8_t view, uint8_t type, const struct ds_id *id,
                       struct ds_arena *arena, struct ds_slice *fields)
{
    struct ds_key key = ds_key_row(type, id);
    struct ds_slice value;
    struct ds_slice all;
    uint64_t changed = 0;
    DS_TRY(ds_txn_get(txn, DS_TABLE_ROW, ds_key_slice(&key), &value));
    DS_TRY(ds_row_fields(value, &all, &changed));
    return show(arena, view, type, all, fields);
}

static struct ds_hash row_hash(const struct ds_scope *scope, const struct ds_row *row)
{
    struct ds_hash hash;
    struct ds_hasher hasher;
    uint8_t head[DS_SCOPE_SIZE + 1 + 16 + 8];
    struct ds_builder builder;
    ds_builder_init(&builder, head, sizeof(head));
    ds_put_scope(&builder, scope);
    ds_put_u8(&builder, (uint8_t)row->type);
    ds_put_id(&builder, &row->id);
    ds_put_u64(&builder, row->position);
    ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, sizeof(hash.byte));
    ds_hasher_add(&hasher, DS_SLICE_LIT("doorstep row 1"));
    ds_hasher_add(&hasher, DS_SLICE_OF(head));
    ds_hasher_add(&hasher, row->fields);
    ds_hasher_end(&hasher, hash.byte, sizeof(hash.byte));
    return hash;
}

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < 8; i++) {
        word = word << 8 | bytes[i];
    }
    return word;
}

static void sum_words(struct ds_hash *digest, const struct ds_hash *hash, bool subtract)
{
    for (size_t at = 0; at < sizeof(digest->byte); at += 8) {
        uint64_t add = word_at(hash->byte + at);
        uint64_t sum = word_at(digest->byte + at) + (subtract ? 0 - add : add);
        for (size_t i = 0; i < 8; i++) {
            digest->byte[at + i] = (uint8_t)(sum >> (56 - 8 * i));
        }
    }
}

void ds_digest_add(struct ds_hash *digest, const struct ds_scope *scope, const struct ds_row *row)
{
    struct ds_hash hash = row_hash(scope, row);
    sum_words(digest, &hash, false);
}

void ds_digest_subtract(struct ds_hash *digest, const struct ds_scope *scope,
                        const struct ds_row *row)
{
    struct ds_hash hash = row_hash(scope, row);
    sum_words(digest, &hash, true);
}

struct scope_state {
    struct ds_hash digest;
    uint64_t rows;
    uint64_t last;
};

static enum ds_err scope_load(struct ds_txn *txn, const struct ds_scope *scope,
                              struct scope_state *state)
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

static enum ds_err scope_store(struct ds_txn *txn, const struct ds_scope *scope,
                               const struct scope_state *state)
{
    uint8_t bytes[SCOPE_VALUE_SIZE];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_hash(&builder, &state->digest);
    ds_put_u64(&builder, state->rows);
    ds_put_u64(&builder, state->last);
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_scope(scope);
    return ds_txn_put(txn, DS_TABLE_SCOPE, ds_key_slice(&key), value);
}

/* Take the row's earlier feed entry away, and its hash out of the digest. */
static enum ds_err member_forget(struct ds_fold *fold, const struct ds_scope *scope,
                                 const struct ds_key *member, struct scope_state *state)
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
    if (ds_cursor_end(&cursor) != DS_OK || (!gone && state->rows == 0)) {
        return DS_ERR_INTEGRITY;
    }
    if (!gone) {
        sum_words(&state->digest, &hash, true);
        state->rows--;
    }
    struct ds_key key = ds_key_feed(scope, position, ordinal);
    return ds_txn_del(fold->txn, DS_TABLE_FEED, ds_key_slice(&key));
}

static enum ds_err member_put(struct ds_fold *fold, const struct ds_scope *scope,
                              const struct ds_row_state *row, bool gone, struct ds_slice fields)
{
    struct ds_key member = ds_key_member(scope, row->type, &row->id);
    struct scope_state state;
    DS_TRY(scope_load(fold->txn, scope, &state));
    DS_TRY(member_forget(fold, scope, &member, &state));
    struct ds_hash hash = {{0}};
    if (!gone) {
        struct ds_slice shown;
        DS_TRY(show(fold->arena, scope->view, row->type, fields, &shown));
        struct ds_row out = {
            .type = row->type, .id = row->id, .position = row->changed, .fields = shown};
        hash = row_hash(scope, &out);
        if (!DS_MUTANT("digest_skips_row") || row->id.byte[0] % 8 != 0) {
            sum_words(&state.digest, &hash, false);
        }
        state.rows++;
    }
    fold->ordinal++;
    state.last = fold->position;
    DS_TRY(scope_store(fold->txn, scope, &state));

    uint8_t bytes[MEMBER_SIZE];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_u64(&builder, fold->position);
    ds_put_u32(&builder, fold->ordinal);
    ds_put_u8(&builder, gone);
    ds_put_hash(&builder, &hash);
    DS_TRY(ds_builder_end(&builder, &value));
    DS_TRY(ds_txn_put(fold->txn, DS_TABLE_MEMBER, ds_key_slice(&member), value));

    struct ds_key key = ds_key_feed(scope, fold->position, fold->ordinal);
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_u8(&builder, row->type);
    ds_put_id(&builder, &row->id);
    ds_put_u8(&builder, gone);
    DS_TRY(ds_builder_end(&builder, &value));
    return ds_txn_put(fold->txn, DS_TABLE_FEED, ds_key_slice(&key), value);
}

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
    ds_desk_forget(fold->desk, row->type, &row->id);
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

/* ---- Reading the feeds. ---- */
static bool same_scope(struct ds_slice key, const struct ds_key *prefix)
{
    return key.size >= DS_SCOPE_SIZE && memcmp(key.data, prefix->byte, DS_SCOPE_SIZE) == 0;
}

static enum ds_err read_row(struct ds_txn *txn, const struct ds_scope *scope, struct ds_slice value,
                            struct ds_arena *arena, struct ds_row *row)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    memset(row, 0, sizeof(*row));
    row->type = ds_take_u8(&cursor);
    row->id = ds_take_id(&cursor);
    bool gone = ds_take_u8(&cursor) != 0;
    if (ds_cursor_end(&cursor) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    if (gone) {
        return DS_OK;
    }
    struct ds_key key = ds_key_row((uint8_t)row->type, &row->id);
    struct ds_slice stored;
    struct ds_slice fields;
    struct ds_slice shown;
    DS_TRY(ds_txn_get(txn, DS_TABLE_ROW, ds_key_slice(&key), &stored));
    DS_TRY(ds_row_fields(stored, &fields, &row->position));
    DS_TRY(show(arena, scope->view, (uint8_t)row->type, fields, &shown));
    return ds_arena_copy(arena, shown, &row->fields);
}

/* How many rows wait behind a key, at most max: a page takes no more memory than it has rows, for a
 * device may hold DS_SCOPES_MAX scopes. */
static enum ds_err count_rows(struct ds_txn *txn, struct ds_key key, size_t max, size_t *count)
{
    struct ds_key prefix = key;
    for (*count = 0; *count < max; ++*count) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_after(txn, DS_TABLE_FEED, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND || (err == DS_OK && !same_scope(found, &prefix))) {
            break;
        }
        DS_TRY(err);
        key = ds_key_after(found);
    }
    return DS_OK;
}

enum { ROW_OVERHEAD = 34 };

enum ds_err ds_feed_page(struct ds_txn *txn, const struct ds_cursor_at *after, uint64_t snapshot,
                         size_t rows_max, size_t bytes_max, struct ds_arena *arena,
                         struct ds_page *page)
{
    memset(page, 0, sizeof(*page));
    page->cursor = *after;
    if (after->position == 0 && after->ordinal == 0 && after->phase == 0) {
        page->cursor.phase = snapshot;
    }
    size_t room = rows_max < DS_PAGE_ROWS_MAX ? rows_max : DS_PAGE_ROWS_MAX;
    bool whole = after->ordinal >= UINT32_MAX;
    struct ds_key key = ds_key_feed(&after->scope, after->position + (whole ? 1 : 0),
                                    whole ? 0 : (uint32_t)after->ordinal + 1);
    if (DS_MUTANT("cursor_skips_ordinal") && !whole && after->position > 0) {
        key = ds_key_feed(&after->scope, after->position + 1, 0);
    }
    struct ds_key prefix = key;
    size_t bytes = 0;
    size_t waiting = 0;
    DS_TRY(count_rows(txn, key, room, &waiting));
    page->rows = ds_arena_alloc(arena, (waiting + 1) * sizeof(*page->rows));
    if (page->rows == NULL) {
        return DS_ERR_NOMEM;
    }
    while (page->row_count < room && bytes < bytes_max) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_after(txn, DS_TABLE_FEED, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND || (err == DS_OK && !same_scope(found, &prefix))) {
            page->complete = true;
            break;
        }
        DS_TRY(err);
        struct ds_row *row = &page->rows[page->row_count];
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, found);
        (void)ds_take_bytes(&cursor, DS_SCOPE_SIZE);
        uint64_t position = ds_take_u64(&cursor);
        uint32_t ordinal = ds_take_u32(&cursor);
        key = ds_key_after(found);
        DS_TRY(read_row(txn, &after->scope, value, arena, row));
        page->cursor.position = position;
        page->cursor.ordinal = ordinal;
        if (row->fields.size == 0 && position <= page->cursor.phase) {
            continue; /* It left before a fresh holder began: he never had it. */
        }
        if (row->fields.size == 0) {
            row->position = position;
        }
        page->row_count++;
        bytes += row->fields.size + ROW_OVERHEAD;
    }
    if (page->complete) {
        struct scope_state state;
        DS_TRY(scope_load(txn, &after->scope, &state));
        page->digest = state.digest;
        page->cursor.position = snapshot;
        page->cursor.ordinal = UINT32_MAX;
        page->cursor.phase = 0;
    }
    return DS_OK;
}

/* What feeds give out: pages of rows as a view shows them, and the digest that they add up to. */
#include "schema/codec/msgpack.h"
#include "sync/core/feed.h"
#include "sync/core/mutant.h"

#include <string.h>

enum { VIEW_READER = 1 };

/* Fields that a view does not show. */
static const struct {
    uint8_t view;
    uint8_t type;
    uint8_t tag;
} hidden[] = {
    {VIEW_READER, DS_REC_account, DS_TAG_account_persons},
    {VIEW_READER, DS_REC_account, DS_TAG_account_balance_fen},
    {VIEW_READER, DS_REC_slot, DS_TAG_slot_candidates_hash},
};

static bool hides_nothing(uint8_t view, uint8_t type)
{
    for (size_t i = 0; i < DS_COUNT(hidden); i++) {
        if (hidden[i].view == view && hidden[i].type == type) {
            return false;
        }
    }
    return true;
}

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
enum ds_err ds_feed_show(struct ds_arena *arena, uint8_t view, uint8_t type, struct ds_slice fields,
                         struct ds_slice *shown)
{
    struct ds_cursor cursor;
    uint32_t kept = 0;
    *shown = fields;
    if (hides_nothing(view, type)) {
        return DS_OK;
    }
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
    struct ds_slice value;
    struct ds_slice all;
    uint64_t changed = 0;
    DS_TRY(ds_row_get(txn, type, id, arena, &value));
    DS_TRY(ds_row_fields(value, &all, &changed));
    return ds_feed_show(arena, view, type, all, fields);
}

struct ds_hash ds_feed_row_hash(const struct ds_scope *scope, const struct ds_row *row)
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

void ds_feed_sum(struct ds_hash *digest, const struct ds_hash *hash, bool subtract)
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
    struct ds_hash hash = ds_feed_row_hash(scope, row);
    ds_feed_sum(digest, &hash, false);
}

void ds_digest_subtract(struct ds_hash *digest, const struct ds_scope *scope,
                        const struct ds_row *row)
{
    struct ds_hash hash = ds_feed_row_hash(scope, row);
    ds_feed_sum(digest, &hash, true);
}

/* ---- Pages. ---- */

/* A projected row passes through scratch; only what is shown stays. */
enum { SCRATCH_ROOM = 24576 };

static enum ds_err read_row(struct ds_feed_walk *walk, const struct ds_feed_entry *entry,
                            const struct ds_id *station, uint8_t *memory, struct ds_arena *arena,
                            struct ds_row *row)
{
    struct ds_arena scratch;
    struct ds_slice stored;
    struct ds_slice fields;
    struct ds_slice shown;
    memset(row, 0, sizeof(*row));
    row->type = entry->type;
    row->id = entry->id;
    struct ds_key slot = ds_key_slot(&entry->id, entry->register_kind, entry->period);
    if (entry->type == DS_REC_slot) {
        row->id = ds_slot_id(station, &entry->id, entry->register_kind, entry->period);
    }
    if (entry->gone) {
        return DS_OK;
    }
    if (entry->type == DS_REC_slot) {
        ds_arena_init(&scratch, memory, SCRATCH_ROOM);
        DS_TRY(ds_slot_row(walk->txn, ds_key_slice(&slot), &scratch, &stored));
    } else {
        DS_TRY(ds_row_get(walk->txn, entry->type, &entry->id, arena, &stored));
    }
    DS_TRY(ds_row_fields(stored, &fields, &row->position));
    DS_TRY(ds_feed_show(arena, walk->scope.view, entry->type, fields, &shown));
    return ds_arena_copy(arena, shown, &row->fields);
}

/* How many rows wait, at most max: a page takes no more memory than it has rows, for a device may
 * hold DS_SCOPES_MAX scopes. */
static enum ds_err count_rows(struct ds_feed_walk walk, size_t max, size_t *count)
{
    for (*count = 0; *count < max; ++*count) {
        struct ds_feed_entry entry;
        enum ds_err err = ds_feed_walk_next(&walk, &entry);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        DS_TRY(err);
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
    uint32_t ordinal = whole ? UINT32_MAX : (uint32_t)after->ordinal;
    if (DS_MUTANT("cursor_skips_ordinal") && after->position > 0) {
        ordinal = UINT32_MAX;
    }
    struct ds_feed_walk walk;
    struct ds_shard_meta meta;
    size_t bytes = 0;
    size_t waiting = 0;
    DS_TRY(ds_meta_load(txn, &meta));
    DS_TRY(ds_feed_walk_begin(&walk, txn, &after->scope, after->position, ordinal));
    DS_TRY(count_rows(walk, room, &waiting));
    page->rows = ds_arena_alloc(arena, (waiting + 1) * sizeof(*page->rows));
    uint8_t *scratch = waiting == 0 ? NULL : ds_arena_room(arena, SCRATCH_ROOM);
    if (page->rows == NULL || (waiting > 0 && scratch == NULL)) {
        return DS_ERR_NOMEM;
    }
    while (page->row_count < room && bytes < bytes_max) {
        struct ds_feed_entry entry;
        enum ds_err err = ds_feed_walk_next(&walk, &entry);
        if (err == DS_ERR_NOT_FOUND) {
            page->complete = true;
            break;
        }
        DS_TRY(err);
        struct ds_row *row = &page->rows[page->row_count];
        DS_TRY(read_row(&walk, &entry, &meta.station, scratch, arena, row));
        page->cursor.position = entry.position;
        page->cursor.ordinal = entry.ordinal;
        if (row->fields.size == 0 && entry.position <= page->cursor.phase) {
            continue; /* It left before a fresh holder began: he never had it. */
        }
        if (row->fields.size == 0) {
            row->position = entry.position;
        }
        page->row_count++;
        bytes += row->fields.size + ROW_OVERHEAD;
    }
    if (page->complete) {
        struct ds_scope_state state;
        DS_TRY(ds_scope_state(txn, &after->scope, &state));
        page->digest = state.digest;
        page->cursor.position = snapshot;
        page->cursor.ordinal = UINT32_MAX;
        page->cursor.phase = 0;
    }
    return DS_OK;
}

#include "handheld-sdk/src/replica_impl.h"
#include "schema/codec/record_mp.h"
#include "sync/core/engine.h"

#include <string.h>

enum { ROW_VERSION = 1, ROW_HEAD_MAX = 32 + DS_MEMBERS_MAX * 64, SCOPE_SIZE_MAX = 192 };

/* ---- Stored form of a row. ---- */

enum ds_err ds_row_store(struct ds_handheld *h, struct ds_txn *txn, const struct ds_held_row *row)
{
    size_t mark = ds_arena_mark(&h->arena);
    size_t size = row->fields.size + ROW_HEAD_MAX;
    struct ds_builder builder;
    struct ds_slice clear;
    ds_builder_init(&builder, ds_arena_room(&h->arena, size), size);
    if (builder.data == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_put_u8(&builder, ROW_VERSION);
    ds_put_u64(&builder, row->position);
    ds_put_u64(&builder, row->as_of);
    ds_put_u8(&builder, (uint8_t)row->member_count);
    for (size_t i = 0; i < row->member_count; i++) {
        ds_put_u16(&builder, row->members[i].index);
        ds_put_u32(&builder, row->members[i].generation);
        ds_put_hash(&builder, &row->members[i].part);
    }
    ds_put_bytes(&builder, row->fields);
    struct ds_key key = ds_key_row(row->type, &row->id);
    enum ds_err err = ds_builder_end(&builder, &clear);
    err = err != DS_OK
              ? err
              : ds_safe_put(&h->vault, txn, DS_KEPT_ROW, ds_key_slice(&key), clear, &h->arena);
    ds_arena_rewind(&h->arena, mark);
    return err;
}

static enum ds_err take_row(struct ds_slice clear, struct ds_held_row *row)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, clear);
    if (ds_take_u8(&cursor) > ROW_VERSION) {
        return DS_ERR_VERSION;
    }
    row->position = ds_take_u64(&cursor);
    row->as_of = ds_take_u64(&cursor);
    row->member_count = ds_take_u8(&cursor);
    if (row->member_count > DS_MEMBERS_MAX) {
        return DS_ERR_INTEGRITY;
    }
    for (size_t i = 0; i < row->member_count; i++) {
        row->members[i].index = ds_take_u16(&cursor);
        row->members[i].generation = ds_take_u32(&cursor);
        row->members[i].part = ds_take_hash(&cursor);
    }
    row->fields = ds_take_bytes(&cursor, ds_cursor_left(&cursor));
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_replica_row(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                           const struct ds_id *id, struct ds_held_row *row)
{
    struct ds_key key = ds_key_row(type, id);
    struct ds_slice clear;
    memset(row, 0, sizeof(*row));
    row->type = type;
    row->id = *id;
    if (!h->vault.pulled.open) {
        return DS_ERR_NOT_FOUND; /* Recording goes on without what was pulled. */
    }
    DS_TRY(ds_safe_get(&h->vault, txn, DS_KEPT_ROW, ds_key_slice(&key), &h->arena, &clear));
    return take_row(clear, row);
}

enum ds_err ds_replica_record(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                              const struct ds_id *id, void *record)
{
    struct ds_held_row row;
    DS_TRY(ds_replica_row(h, txn, type, id, &row));
    enum ds_err err =
        ds_record_decode(ds_record_type_by_number(type), row.fields, &h->arena, record, NULL);
    return err == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_replica_next(struct ds_handheld *h, struct ds_txn *txn, struct ds_held_row *row)
{
    struct ds_key key = ds_key_row(row->type, &row->id);
    struct ds_slice found;
    struct ds_slice sealed;
    struct ds_slice clear;
    struct ds_cursor cursor;
    if (!h->vault.pulled.open) {
        return DS_ERR_NOT_FOUND;
    }
    DS_TRY(ds_txn_at_or_after(txn, DS_KEPT_ROW, ds_key_slice(&key), &found, &sealed));
    DS_TRY(ds_safe_open(&h->vault, DS_KEPT_ROW, found, sealed, &h->arena, &clear));
    ds_cursor_init(&cursor, found);
    row->type = ds_take_u8(&cursor);
    row->id = ds_take_id(&cursor);
    return ds_cursor_end(&cursor) == DS_OK ? take_row(clear, row) : DS_ERR_INTEGRITY;
}

bool ds_replica_step(struct ds_held_row *row)
{
    for (size_t i = sizeof(row->id.byte); i > 0; i--) {
        if (++row->id.byte[i - 1] != 0) {
            return true;
        }
    }
    return ++row->type != 0;
}

/* ---- Stored form of a scope. ---- */

enum ds_err ds_scope_store(struct ds_handheld *h, struct ds_txn *txn,
                           const struct ds_held_scope *scope)
{
    uint8_t memory[SCOPE_SIZE_MAX];
    struct ds_builder builder;
    struct ds_slice clear;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_put_u8(&builder, ROW_VERSION);
    ds_put_u16(&builder, scope->index);
    ds_put_u32(&builder, scope->generation);
    ds_put_u64(&builder, scope->cursor.position);
    ds_put_u64(&builder, scope->cursor.ordinal);
    ds_put_u64(&builder, scope->cursor.phase);
    ds_put_u64(&builder, scope->complete);
    ds_put_u64(&builder, scope->changed);
    ds_put_u64(&builder, scope->rows);
    ds_put_hash(&builder, &scope->digest);
    ds_put_u8(&builder, scope->refetching);
    ds_put_u64(&builder, (uint64_t)scope->refetched_ms);
    DS_TRY(ds_builder_end(&builder, &clear));
    struct ds_key key = ds_key_scope(&scope->scope);
    return ds_safe_put(&h->vault, txn, DS_KEPT_SCOPE, ds_key_slice(&key), clear, &h->arena);
}

static enum ds_err take_scope(struct ds_slice key, struct ds_slice clear,
                              struct ds_held_scope *scope)
{
    struct ds_cursor cursor;
    memset(scope, 0, sizeof(*scope));
    ds_cursor_init(&cursor, key);
    scope->scope = ds_take_scope(&cursor);
    if (ds_cursor_end(&cursor) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    ds_cursor_init(&cursor, clear);
    if (ds_take_u8(&cursor) > ROW_VERSION) {
        return DS_ERR_VERSION;
    }
    scope->index = ds_take_u16(&cursor);
    scope->generation = ds_take_u32(&cursor);
    scope->cursor.scope = scope->scope;
    scope->cursor.position = ds_take_u64(&cursor);
    scope->cursor.ordinal = ds_take_u64(&cursor);
    scope->cursor.phase = ds_take_u64(&cursor);
    scope->complete = ds_take_u64(&cursor);
    scope->changed = ds_take_u64(&cursor);
    scope->rows = ds_take_u64(&cursor);
    scope->digest = ds_take_hash(&cursor);
    scope->refetching = ds_take_u8(&cursor) != 0;
    scope->refetched_ms = (int64_t)ds_take_u64(&cursor);
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_replica_load(struct ds_handheld *h, struct ds_txn *txn)
{
    struct ds_key key = {.size = 1};
    key.byte[0] = 0;
    h->scope_count = 0;
    for (;;) {
        struct ds_slice found;
        struct ds_slice sealed;
        struct ds_slice clear;
        enum ds_err err =
            ds_txn_at_or_after(txn, DS_KEPT_SCOPE, ds_key_slice(&key), &found, &sealed);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        if (h->scope_count == DS_SCOPES_MAX) {
            return DS_ERR_INTEGRITY;
        }
        DS_TRY(ds_safe_open(&h->vault, DS_KEPT_SCOPE, found, sealed, &h->arena, &clear));
        DS_TRY(take_scope(found, clear, &h->scopes[h->scope_count]));
        h->scope_count++;
        key = ds_key_after(found);
    }
}

struct ds_held_scope *ds_scope_held(struct ds_handheld *h, const struct ds_scope *scope)
{
    for (size_t i = 0; i < h->scope_count; i++) {
        if (ds_scope_compare(&h->scopes[i].scope, scope) == 0) {
            return &h->scopes[i];
        }
    }
    return NULL;
}

static const struct ds_held_scope *scope_by_index(const struct ds_handheld *h, uint16_t index)
{
    for (size_t i = 0; i < h->scope_count; i++) {
        if (h->scopes[i].index == index) {
            return &h->scopes[i];
        }
    }
    return NULL;
}

/* ---- What is known of a row. ---- */

uint64_t ds_replica_seen(const struct ds_handheld *h, const struct ds_held_row *row)
{
    uint64_t seen = 0;
    bool held = false;
    for (size_t i = 0; i < row->member_count; i++) {
        const struct ds_held_scope *scope = scope_by_index(h, row->members[i].index);
        if (scope != NULL) {
            held = true;
            seen = scope->complete > seen ? scope->complete : seen;
        }
    }
    return !held ? 0 : row->as_of > seen ? row->as_of : seen;
}

bool ds_replica_lies_over(const struct ds_handheld *h, const struct ds_held_row *row,
                          const struct ds_own_op *op)
{
    if (!op->acked) {
        return true;
    }
    if (row->member_count == 0) {
        return false;
    }
    return op->position == 0 || op->position > ds_replica_seen(h, row);
}

/* ---- Digests: four 64-bit words, each added for itself. ---- */

void ds_digest_move(struct ds_hash *digest, const struct ds_hash *part, bool add)
{
    struct ds_cursor left;
    struct ds_cursor right;
    struct ds_builder sum;
    uint8_t memory[sizeof(struct ds_hash)];
    ds_cursor_init(&left, DS_SLICE_OF(digest->byte));
    ds_cursor_init(&right, DS_SLICE_OF(part->byte));
    ds_builder_init(&sum, memory, sizeof(memory));
    for (int i = 0; i < 4; i++) {
        uint64_t a = ds_take_u64(&left);
        uint64_t b = ds_take_u64(&right);
        ds_put_u64(&sum, add ? a + b : a - b);
    }
    memcpy(digest->byte, memory, sizeof(memory));
}

/* ---- Membership. ---- */

static struct ds_held_member *member_of(struct ds_held_row *row, uint16_t index)
{
    for (size_t i = 0; i < row->member_count; i++) {
        if (row->members[i].index == index) {
            return &row->members[i];
        }
    }
    return NULL;
}

void ds_scope_leave(struct ds_held_row *row, struct ds_held_scope *scope)
{
    struct ds_held_member *member = member_of(row, scope->index);
    if (member == NULL) {
        return;
    }
    if (member->generation == scope->generation) {
        ds_digest_move(&scope->digest, &member->part, false);
        scope->rows--;
    }
    *member = row->members[--row->member_count];
}

enum ds_err ds_scope_enter(struct ds_held_row *row, struct ds_held_scope *scope,
                           const struct ds_row *pulled)
{
    ds_scope_leave(row, scope);
    if (row->member_count == DS_MEMBERS_MAX) {
        return DS_ERR_LIMIT;
    }
    struct ds_held_member *member = &row->members[row->member_count++];
    *member = (struct ds_held_member){.index = scope->index, .generation = scope->generation};
    ds_digest_add(&member->part, &scope->scope, pulled);
    ds_digest_move(&scope->digest, &member->part, true);
    scope->rows++;
    return DS_OK;
}

static const struct ds_id no_id;

static enum ds_err mark_orphan(struct ds_txn *txn, const struct ds_held_row *row, bool orphan)
{
    struct ds_key key = ds_key_held(DS_HELD_ORPHAN, &no_id, row->type, &row->id);
    struct ds_slice type = {&row->type, 1};
    return orphan ? ds_txn_put(txn, DS_KEPT_LINK, ds_key_slice(&key), type)
                  : ds_txn_del(txn, DS_KEPT_LINK, ds_key_slice(&key));
}

static enum ds_err anything_lies_over(struct ds_handheld *h, struct ds_txn *txn,
                                      const struct ds_held_row *row, bool *lies)
{
    struct ds_key walk = ds_own_about(&row->id);
    *lies = false;
    for (;;) {
        struct ds_own_op op;
        size_t mark = ds_arena_mark(&h->arena);
        enum ds_err err = ds_own_next(h, txn, &walk, &op);
        ds_arena_rewind(&h->arena, mark);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        if (ds_replica_lies_over(h, row, &op)) {
            *lies = true;
            return DS_OK;
        }
    }
}

static enum ds_err row_delete(struct ds_handheld *h, struct ds_txn *txn,
                              const struct ds_held_row *row)
{
    struct ds_key key = ds_key_row(row->type, &row->id);
    DS_TRY(ds_replica_link(h, txn, row->type, &row->id, row->fields, false));
    return ds_txn_del(txn, DS_KEPT_ROW, ds_key_slice(&key));
}

/* A row whose membership was taken away: it goes, or waits for what lies over it. */
enum ds_err ds_row_settle(struct ds_handheld *h, struct ds_txn *txn, const struct ds_held_row *row)
{
    bool lies = false;
    if (row->member_count == 0) {
        DS_TRY(anything_lies_over(h, txn, row, &lies));
        if (!lies) {
            return row_delete(h, txn, row);
        }
        DS_TRY(mark_orphan(txn, row, true));
    }
    return ds_row_store(h, txn, row);
}

enum ds_err ds_replica_drop_orphans(struct ds_handheld *h, struct ds_txn *txn)
{
    struct ds_key walk = ds_link_first((enum ds_link)DS_HELD_ORPHAN, &no_id);
    for (;;) {
        uint32_t order;
        uint8_t type;
        struct ds_id id;
        struct ds_held_row row;
        bool lies = false;
        enum ds_err err = ds_link_next(txn, &walk, &order, &id, &type);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        size_t mark = ds_arena_mark(&h->arena);
        err = ds_replica_row(h, txn, type, &id, &row);
        if (err == DS_OK && row.member_count == 0) {
            DS_TRY(anything_lies_over(h, txn, &row, &lies));
            if (!lies) {
                DS_TRY(row_delete(h, txn, &row));
            }
        } else if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
            return err;
        }
        if (!lies) {
            DS_TRY(mark_orphan(txn, &row, false));
        }
        ds_arena_rewind(&h->arena, mark);
    }
}

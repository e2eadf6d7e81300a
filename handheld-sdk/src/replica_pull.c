#include "handheld-sdk/src/replica_impl.h"
#include "sync/core/mutant.h"

#include <string.h>

/* ---- The scopes that are held. ---- */

static bool is_listed(const struct ds_response *response, const struct ds_scope *scope)
{
    for (size_t i = 0; i < response->scope_count; i++) {
        if (ds_scope_compare(&response->scopes[i], scope) == 0) {
            return true;
        }
    }
    return false;
}

/* A short name that no held scope has; rows hold none of a scope that was dropped. */
static uint16_t free_index(const struct ds_handheld *h)
{
    for (uint16_t index = 1;; index++) {
        bool taken = false;
        for (size_t i = 0; i < h->scope_count && !taken; i++) {
            taken = h->scopes[i].index == index;
        }
        if (!taken) {
            return index;
        }
    }
}

static enum ds_err hold_scope(struct ds_handheld *h, struct ds_txn *txn,
                              const struct ds_scope *scope)
{
    if (h->scope_count == DS_SCOPES_MAX) {
        return DS_ERR_LIMIT;
    }
    uint16_t index = free_index(h);
    struct ds_held_scope *held = &h->scopes[h->scope_count++];
    *held = (struct ds_held_scope){.scope = *scope, .index = index, .generation = 1, .asked = 1};
    held->cursor.scope = *scope;
    return ds_scope_store(h, txn, held);
}

typedef enum ds_err visit_row(struct ds_handheld *h, struct ds_txn *txn, struct ds_held_row *row,
                              void *context);

/* Every row once. The visitor may change or drop the row it is given. */
static enum ds_err each_row(struct ds_handheld *h, struct ds_txn *txn, visit_row *visit,
                            void *context)
{
    struct ds_held_row row;
    memset(&row, 0, sizeof(row));
    for (;;) {
        size_t mark = ds_arena_mark(&h->arena);
        enum ds_err err = ds_replica_next(h, txn, &row);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        struct ds_held_row copy = row;
        DS_TRY(visit(h, txn, &copy, context));
        ds_arena_rewind(&h->arena, mark);
        if (!ds_replica_step(&row)) {
            return DS_OK;
        }
    }
}

static bool member_generation(const struct ds_held_row *row, uint16_t index, uint32_t *generation)
{
    for (size_t i = 0; i < row->member_count; i++) {
        if (row->members[i].index == index) {
            *generation = row->members[i].generation;
            return true;
        }
    }
    return false;
}

static enum ds_err leave_whole(struct ds_handheld *h, struct ds_txn *txn, struct ds_held_row *row,
                               void *context)
{
    struct ds_held_scope *scope = context;
    uint32_t generation;
    if (!member_generation(row, scope->index, &generation)) {
        return DS_OK;
    }
    ds_scope_leave(row, scope);
    return ds_row_settle(h, txn, row);
}

static enum ds_err leave_outdated(struct ds_handheld *h, struct ds_txn *txn,
                                  struct ds_held_row *row, void *context)
{
    struct ds_held_scope *scope = context;
    uint32_t generation;
    if (!member_generation(row, scope->index, &generation) || generation == scope->generation) {
        return DS_OK;
    }
    ds_scope_leave(row, scope);
    return ds_row_settle(h, txn, row);
}

static enum ds_err drop_scope(struct ds_handheld *h, struct ds_txn *txn, size_t at)
{
    struct ds_held_scope scope = h->scopes[at];
    struct ds_key key = ds_key_scope(&scope.scope);
    DS_TRY(ds_txn_del(txn, DS_KEPT_SCOPE, ds_key_slice(&key)));
    h->scopes[at] = h->scopes[--h->scope_count];
    return each_row(h, txn, leave_whole, &scope);
}

static enum ds_err take_scopes(struct ds_handheld *h, struct ds_txn *txn,
                               const struct ds_response *response)
{
    for (size_t i = h->scope_count; i > 0; i--) {
        if (!is_listed(response, &h->scopes[i - 1].scope)) {
            DS_TRY(drop_scope(h, txn, i - 1));
        }
    }
    for (size_t i = 0; i < response->scope_count; i++) {
        if (ds_scope_held(h, &response->scopes[i]) == NULL) {
            DS_TRY(hold_scope(h, txn, &response->scopes[i]));
        }
    }
    return DS_OK;
}

/* ---- Pages. ---- */

static enum ds_err take_row(struct ds_handheld *h, struct ds_txn *txn, struct ds_held_scope *scope,
                            const struct ds_row *pulled, uint64_t snapshot,
                            struct ds_applied *applied)
{
    struct ds_held_row row;
    if (pulled->type == 0 || pulled->type > UINT8_MAX) {
        return DS_ERR_DECODE;
    }
    enum ds_err err = ds_replica_row(h, txn, (uint8_t)pulled->type, &pulled->id, &row);
    bool fresh = err == DS_ERR_NOT_FOUND;
    if (err != DS_OK && !fresh) {
        return err;
    }
    applied->rows++;
    scope->changed = scope->changed < pulled->position ? pulled->position : scope->changed;
    if (pulled->fields.size == 0) {
        if (fresh) {
            return DS_OK;
        }
        ds_scope_leave(&row, scope);
        return ds_row_settle(h, txn, &row);
    }
    applied->verdicts += fresh && pulled->type == DS_REC_verdict;
    if (!ds_slice_equal(row.fields, pulled->fields)) {
        DS_TRY(ds_replica_link(h, txn, row.type, &row.id, row.fields, false));
        DS_TRY(ds_replica_link(h, txn, row.type, &row.id, pulled->fields, true));
    }
    DS_TRY(ds_scope_enter(&row, scope, pulled));
    row.position = pulled->position;
    row.as_of = snapshot;
    row.fields = pulled->fields;
    return ds_row_store(h, txn, &row);
}

static void begin_refetch(struct ds_handheld *h, struct ds_held_scope *scope,
                          struct ds_applied *applied)
{
    scope->generation++;
    scope->cursor.position = 0;
    scope->cursor.ordinal = 0;
    scope->cursor.phase = 0;
    scope->complete = 0;
    scope->rows = 0;
    memset(&scope->digest, 0, sizeof(scope->digest));
    scope->refetching = true;
    scope->refetched_ms = ds_ports_now_ms(&h->ports);
    h->contact.refetches++;
    applied->refetched++;
    applied->again = true;
}

/* At a complete cursor the digests agree, or the scope is fetched anew: once, and again only after
 * a pause, lest a fault on either side keep the line busy. */
static enum ds_err end_page(struct ds_handheld *h, struct ds_txn *txn, struct ds_held_scope *scope,
                            const struct ds_page *page, bool told, struct ds_applied *applied)
{
    bool fetched_anew = scope->refetching;
    if (fetched_anew) {
        scope->refetching = false;
        DS_TRY(each_row(h, txn, leave_outdated, scope));
    }
    if (!told || ds_hash_equal(&scope->digest, &page->digest)) {
        return DS_OK; /* Columns tell one digest for all. */
    }
    int64_t since_ms = ds_ports_now_ms(&h->ports) - scope->refetched_ms;
    bool lately = scope->refetched_ms != 0 && since_ms >= 0 && since_ms < DS_REFETCH_PAUSE_MS;
    if (!fetched_anew && !lately) {
        begin_refetch(h, scope, applied);
    }
    struct ds_detail detail;
    ds_detail_set(
        &detail, "a scope's digest differs from the server's",
        fetched_anew || lately ? ", also after it was fetched anew" : "; it is fetched anew", NULL);
    memcpy(h->contact.problem, detail.text, sizeof(h->contact.problem));
    return DS_OK;
}

static enum ds_err take_page(struct ds_handheld *h, struct ds_txn *txn,
                             const struct ds_response *response, const struct ds_page *page,
                             struct ds_applied *applied)
{
    uint64_t snapshot = response->snapshot;
    struct ds_held_scope *scope = ds_scope_held(h, &page->cursor.scope);
    if (scope == NULL) {
        return DS_OK; /* It was taken away in the same answer. */
    }
    if (scope->asked != scope->generation) {
        applied->again = true; /* It is to be fetched anew; this page goes on from elsewhere. */
        return DS_OK;
    }
    for (size_t i = 0; i < page->row_count; i++) {
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(take_row(h, txn, scope, &page->rows[i], snapshot, applied));
        ds_arena_rewind(&h->arena, mark);
    }
    scope->cursor = page->cursor;
    uint64_t whole = page->cursor.position > 0 ? page->cursor.position - 1 : 0;
    whole = page->complete ? snapshot : whole;
    scope->complete = whole > scope->complete ? whole : scope->complete;
    if (page->complete) {
        DS_TRY(end_page(h, txn, scope, page, !response->in_columns, applied));
    }
    return ds_scope_store(h, txn, scope);
}

enum ds_err ds_replica_apply(struct ds_handheld *h, struct ds_txn *txn,
                             const struct ds_response *response, struct ds_applied *applied)
{
    DS_TRY(take_scopes(h, txn, response));
    for (size_t i = 0; i < response->page_count; i++) {
        DS_TRY(take_page(h, txn, response, &response->pages[i], applied));
    }
    h->pulled++;
    h->directory++;
    return DS_OK;
}

/* ---- The server was restored. ---- */

static enum ds_err clamp_row(struct ds_handheld *h, struct ds_txn *txn, struct ds_held_row *row,
                             void *context)
{
    const uint64_t *kept_size = context;
    if (row->as_of <= *kept_size) {
        return DS_OK;
    }
    row->as_of = *kept_size;
    return ds_row_store(h, txn, row);
}

/* A scope that told of a change after the kept size is fetched anew: its rows may show what no
 * longer is, and one that left may be back without a word in the feed. */
enum ds_err ds_replica_clamp(struct ds_handheld *h, struct ds_txn *txn, uint64_t kept_size)
{
    if (DS_MUTANT("epoch_not_clamped")) {
        return DS_OK;
    }
    DS_TRY(each_row(h, txn, clamp_row, &kept_size));
    for (size_t i = 0; i < h->scope_count; i++) {
        struct ds_held_scope *scope = &h->scopes[i];
        struct ds_applied applied = {0};
        if (scope->cursor.position > kept_size) {
            scope->cursor.position = kept_size;
            scope->cursor.ordinal = UINT32_MAX; /* All of that position. */
        }
        scope->complete = scope->complete < kept_size ? scope->complete : kept_size;
        if (scope->changed > kept_size) {
            begin_refetch(h, scope, &applied);
            scope->changed = 0;
            scope->refetched_ms = 0;
            h->contact.refetches--; /* Not a fault of the replica. */
        }
        DS_TRY(ds_scope_store(h, txn, scope));
    }
    h->pulled++;
    h->directory++;
    return DS_OK;
}

/* ---- Does the store still hold what was delivered? ---- */

struct audit {
    struct ds_hash digest[DS_SCOPES_MAX]; /* By place in h->scopes. */
    uint64_t rows[DS_SCOPES_MAX];
};

static enum ds_err audit_row(struct ds_handheld *h, struct ds_txn *txn, struct ds_held_row *row,
                             void *context)
{
    struct audit *audit = context;
    (void)txn;
    for (size_t m = 0; m < row->member_count; m++) {
        for (size_t i = 0; i < h->scope_count; i++) {
            if (h->scopes[i].index == row->members[m].index &&
                h->scopes[i].generation == row->members[m].generation) {
                ds_digest_move(&audit->digest[i], &row->members[m].part, true);
                audit->rows[i]++;
            }
        }
    }
    return DS_OK;
}

enum ds_err ds_replica_audit(struct ds_handheld *h, struct ds_txn *txn, uint64_t *bad)
{
    struct audit audit = {.rows = {0}};
    DS_TRY(each_row(h, txn, audit_row, &audit));
    for (size_t i = 0; i < h->scope_count; i++) {
        struct ds_held_scope *scope = &h->scopes[i];
        struct ds_applied applied = {0};
        if (ds_hash_equal(&audit.digest[i], &scope->digest) && audit.rows[i] == scope->rows) {
            continue;
        }
        begin_refetch(h, scope, &applied);
        DS_TRY(ds_scope_store(h, txn, scope));
        if (bad != NULL) {
            ++*bad;
        }
    }
    h->contact.audited_ms = ds_ports_now_ms(&h->ports);
    return ds_contact_store(&h->vault, txn, &h->arena, &h->contact);
}

/* ---- Values that rot. ---- */

enum ds_err ds_replica_mend(struct ds_handheld *h, struct ds_txn *txn, uint64_t *bad)
{
    uint8_t memory[DS_KEY_SIZE_MAX + 1] = {0};
    struct ds_slice next = {memory, 1};
    *bad = 0;
    for (;;) {
        struct ds_slice found;
        struct ds_slice sealed;
        struct ds_slice clear;
        size_t mark = ds_arena_mark(&h->arena);
        enum ds_err err = ds_txn_at_or_after(txn, DS_KEPT_ROW, next, &found, &sealed);
        if (err == DS_ERR_NOT_FOUND) {
            return *bad > 0 ? ds_replica_audit(h, txn, NULL) : DS_OK;
        }
        if (err != DS_OK && found.size == 0) {
            return err;
        }
        memcpy(memory, found.data, found.size);
        struct ds_slice key = {memory, found.size};
        if (err == DS_OK) {
            err = ds_safe_open(&h->vault, DS_KEPT_ROW, key, sealed, &h->arena, &clear);
        }
        ds_arena_rewind(&h->arena, mark);
        if (err == DS_ERR_INTEGRITY) {
            ++*bad;
            err = ds_txn_del(txn, DS_KEPT_ROW, key);
        }
        DS_TRY(err);
        memory[key.size] = 0;
        next.size = key.size + 1;
    }
}

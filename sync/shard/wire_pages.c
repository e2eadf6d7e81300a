/* The pages of an answer in columns, and the digest of all scopes together. */
#include "sync/core/hash.h"
#include "sync/shard/wire_impl.h"

enum { PAGE_WHOLE = 1 };

void ds_wire_digest(const struct ds_hash *digests, size_t count,
                    uint8_t digest[static DS_WIRE_DIGEST_SIZE])
{
    struct ds_hasher hasher;
    ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, DS_WIRE_DIGEST_SIZE);
    ds_hasher_add(&hasher, DS_SLICE_LIT("doorstep scopes digest 1"));
    for (size_t i = 0; i < count; i++) {
        ds_hasher_add(&hasher, DS_SLICE_OF(digests[i].byte));
    }
    ds_hasher_end(&hasher, digest, DS_WIRE_DIGEST_SIZE);
}

void *ds_wire_list(struct ds_cursor *cursor, struct ds_wire *wire, uint64_t count, size_t max,
                   size_t size)
{
    if (cursor->failed || count > max) {
        cursor->failed = true;
        return NULL;
    }
    void *memory = ds_arena_alloc(wire->arena, ((size_t)count + 1) * size);
    cursor->failed = memory == NULL;
    return memory;
}

static size_t scope_at(const struct ds_response *response, const struct ds_scope *scope)
{
    size_t at = 0;
    while (at < response->scope_count && ds_scope_compare(&response->scopes[at], scope) != 0) {
        at++;
    }
    return at;
}

/* Where a page began: what the request said of its scope. */
static struct ds_cursor_at begin_of(const struct ds_wire *wire, const struct ds_scope *scope)
{
    for (size_t i = 0; i < wire->cursor_count; i++) {
        if (ds_scope_compare(&wire->cursors[i].scope, scope) == 0) {
            return wire->cursors[i];
        }
    }
    return (struct ds_cursor_at){.scope = *scope};
}

static void put_digest(struct ds_builder *builder, struct ds_wire *wire,
                       const struct ds_response *response)
{
    uint8_t digest[DS_WIRE_DIGEST_SIZE];
    struct ds_hash *all = ds_arena_alloc(wire->arena, (response->page_count + 1) * sizeof(*all));
    if (all == NULL) {
        builder->failed = true;
        return;
    }
    for (size_t i = 0; i < response->page_count; i++) {
        all[i] = response->pages[i].digest;
    }
    ds_wire_digest(all, response->page_count, digest);
    ds_put_bytes(builder, DS_SLICE_OF(digest));
}

enum ds_err ds_wire_pages_put(struct ds_builder *builder, struct ds_wire *wire,
                              const struct ds_wire_asked *asked, const struct ds_response *response,
                              bool whole)
{
    size_t said = 0;
    for (size_t i = 0; i < response->page_count; i++) {
        said += !whole || response->pages[i].row_count > 0;
    }
    ds_put_var(builder, said);
    for (size_t i = 0; i < response->page_count; i++) {
        const struct ds_page *page = &response->pages[i];
        struct ds_cursor_at begin = begin_of(wire, &page->cursor.scope);
        if (whole && page->row_count == 0) {
            continue;
        }
        ds_put_u8(builder, (uint8_t)scope_at(response, &page->cursor.scope));
        if (!whole) {
            ds_put_u8(builder, page->complete ? PAGE_WHOLE : 0);
            ds_put_var(builder, page->cursor.position);
            ds_put_var(builder, page->cursor.ordinal);
            ds_put_var(builder, page->cursor.phase);
        }
        if (!ds_wire_rows_put(builder, wire, page, &begin, response->snapshot,
                              whole && asked->at_one)) {
            return DS_ERR_LIMIT;
        }
    }
    if (whole) {
        put_digest(builder, wire, response);
    }
    return DS_OK;
}

static void take_page(struct ds_cursor *cursor, struct ds_wire *wire, struct ds_response *response,
                      struct ds_page *page, bool whole)
{
    uint8_t at = ds_take_u8(cursor);
    if (cursor->failed || at >= response->scope_count) {
        cursor->failed = true;
        return;
    }
    if (!whole) {
        uint8_t complete = ds_take_u8(cursor);
        page->cursor.scope = response->scopes[at];
        page->complete = complete == PAGE_WHOLE;
        page->cursor.position = ds_take_var(cursor);
        page->cursor.ordinal = ds_take_var(cursor);
        page->cursor.phase = ds_take_var(cursor);
        cursor->failed = cursor->failed || complete > PAGE_WHOLE ||
                         page->cursor.position > (uint64_t)INT64_MAX ||
                         page->cursor.ordinal > (uint64_t)INT64_MAX ||
                         page->cursor.phase > (uint64_t)INT64_MAX;
    } else {
        page = &response->pages[at]; /* Set up before. */
        cursor->failed = page->row_count > 0;
    }
    if (!cursor->failed && !ds_wire_rows_take(cursor, wire, response->snapshot, page)) {
        cursor->failed = true;
    }
}

void ds_wire_pages_take(struct ds_cursor *cursor, struct ds_wire *wire,
                        struct ds_response *response, bool whole)
{
    uint64_t said = ds_take_var(cursor);
    size_t room = response->scope_count + 1;
    response->pages = ds_wire_list(cursor, wire, said, response->scope_count, 1);
    response->pages = ds_wire_list(cursor, wire, room, room, sizeof(*response->pages));
    if (cursor->failed) {
        return;
    }
    for (size_t i = 0; whole && i < response->scope_count; i++) {
        response->pages[i] = (struct ds_page){.cursor = {.scope = response->scopes[i],
                                                         .position = response->snapshot,
                                                         .ordinal = UINT32_MAX},
                                              .complete = true};
    }
    for (uint64_t i = 0; i < said && !cursor->failed; i++) {
        take_page(cursor, wire, response, &response->pages[i], whole);
    }
    response->page_count = whole ? response->scope_count : (size_t)said;
    if (whole) {
        struct ds_slice digest = ds_take_bytes(cursor, DS_WIRE_DIGEST_SIZE);
        response->digest = cursor->failed ? NULL : digest.data;
    }
}

/* The response of an exchange, and the receipt inside it that the server signs. */
#include "schema/codec/msgpack.h"
#include "schema/record.h"
#include "sync/core/exchange_parts.h"

enum {
    RESPONSE_VERSION = 1,
    RESPONSE_INSTANT = 2,
    RESPONSE_EPOCH = 3,
    RESPONSE_KEPT_SIZE = 4,
    RESPONSE_SNAPSHOT = 5,
    RESPONSE_TAKEN = 6,
    RESPONSE_LANES = 7,
    RESPONSE_SCOPES = 8,
    RESPONSE_PAGES = 9,
    RESPONSE_KEYS = 10,
    RESPONSE_SIGNED = 11,
    RESPONSE_SIGNATURE = 12,
    RESPONSE_MORE = 13,
    RESPONSE_RETRY = 14,
    RESPONSE_COMMANDS = 15,
    RESPONSE_OWN_BATCHES = 16,
    RESPONSE_EPOCH_ENTRY = 17,
    RESPONSE_EPOCH_KEY = 18,
    RESPONSE_PROOFS = 19,
    RESPONSE_LEASE = 24,
    RESPONSE_ORDER = 25
};
enum { TAKEN_ITEMS = 5, SCOPE_ITEMS = 3, PAGE_ITEMS = 9, ROW_ITEMS = 4, SIGNATURE_SIZE = 64 };
#define RESPONSE_REQUIRED                                                                          \
    (DS_READER_KEY(RESPONSE_VERSION) | DS_READER_KEY(RESPONSE_INSTANT) |                           \
     DS_READER_KEY(RESPONSE_EPOCH))
#define RESPONSE_RECEIPT (DS_READER_KEY(RESPONSE_SIGNED) | DS_READER_KEY(RESPONSE_SIGNATURE))

/* ---- Reading. ---- */

static void take_taken(struct ds_reader *reader, struct ds_arena *arena,
                       struct ds_response *response)
{
    uint32_t count = ds_reader_array(reader, DS_REQUEST_BATCHES_MAX);
    response->taken = ds_exchange_list(reader, arena, count, sizeof(*response->taken));
    response->taken_count = response->taken == NULL ? 0 : count;
    for (size_t i = 0; i < response->taken_count && reader->err == DS_OK; i++) {
        struct ds_taken *taken = &response->taken[i];
        reader->item = i + 1;
        ds_reader_tuple(reader, TAKEN_ITEMS);
        taken->error = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        taken->position = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        /* All three are zero for a batch that could not be read. */
        taken->incarnation = ds_exchange_take_incarnation(reader);
        taken->lane = ds_reader_uint(reader, 0, DS_LANE_TRACK);
        taken->last_seq = ds_reader_uint(reader, 0, DS_SEQ_MAX);
    }
}

static void take_scopes(struct ds_reader *reader, struct ds_response *response)
{
    uint32_t count = ds_reader_array(reader, DS_SCOPES_MAX);
    for (uint32_t i = 0; i < count && reader->err == DS_OK; i++) {
        reader->item = i + 1;
        ds_reader_tuple(reader, SCOPE_ITEMS);
        response->scopes[i] = ds_exchange_take_scope(reader);
        if (i > 0 && ds_scope_compare(&response->scopes[i - 1], &response->scopes[i]) >= 0) {
            ds_reader_fail(reader, DS_ERR_DECODE, "the scopes do not ascend");
        }
    }
    response->scope_count = count;
}

static void take_row(struct ds_reader *reader, struct ds_row *row)
{
    ds_reader_tuple(reader, ROW_ITEMS);
    row->type = ds_reader_uint(reader, 1, DS_RECORD_NUMBER_MAX);
    row->id = ds_reader_id(reader);
    row->position = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
    row->fields = (struct ds_slice){NULL, 0};
    if (reader->err == DS_OK && !ds_mp_take_nil_if(reader->cursor)) {
        row->fields = ds_reader_raw_map(reader);
    }
}

static void take_page(struct ds_reader *outer, struct ds_arena *arena, struct ds_page *page)
{
    struct ds_reader reader;
    ds_reader_bare(&reader, outer->cursor, "response page", outer->detail);
    ds_reader_tuple(&reader, PAGE_ITEMS);
    page->cursor = ds_exchange_take_cursor(&reader);
    page->complete = ds_reader_bool(&reader);
    page->digest = ds_reader_hash(&reader);
    if (!page->complete && !ds_hash_is_none(&page->digest)) {
        ds_reader_fail(&reader, DS_ERR_DECODE, "a digest on a page that is not complete");
    }
    uint32_t count = ds_reader_array(&reader, DS_PAGE_ROWS_MAX);
    page->rows = ds_exchange_list(&reader, arena, count, sizeof(*page->rows));
    page->row_count = page->rows == NULL ? 0 : count;
    for (size_t i = 0; i < page->row_count && reader.err == DS_OK; i++) {
        reader.item = i + 1;
        take_row(&reader, &page->rows[i]);
    }
    ds_reader_end_inner(outer, &reader, 0);
}

static void take_pages(struct ds_reader *reader, struct ds_arena *arena,
                       struct ds_response *response)
{
    uint32_t count = ds_reader_array(reader, DS_PAGES_MAX);
    response->pages = ds_exchange_list(reader, arena, count, sizeof(*response->pages));
    response->page_count = response->pages == NULL ? 0 : count;
    for (size_t i = 0; i < response->page_count && reader->err == DS_OK; i++) {
        reader->item = i + 1;
        take_page(reader, arena, &response->pages[i]);
    }
}

static void take_commands(struct ds_reader *reader, struct ds_response *response)
{
    uint32_t count = ds_reader_array(reader, DS_COMMANDS_MAX);
    for (uint32_t i = 0; i < count && reader->err == DS_OK; i++) {
        reader->item = i + 1;
        response->commands[i] = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
    }
    response->command_count = count;
}

static void take_tail_key(struct ds_reader *reader, struct ds_arena *arena,
                          struct ds_response *response)
{
    switch (reader->key) {
    case RESPONSE_KEYS:
        response->keys = ds_exchange_take_keys(reader, arena, &response->key_count);
        break;
    case RESPONSE_SIGNED:
        response->signed_bytes = ds_reader_bin(reader, DS_PLAIN_SIZE_MAX);
        break;
    case RESPONSE_SIGNATURE:
        response->signature = ds_reader_fixed(reader, SIGNATURE_SIZE);
        break;
    case RESPONSE_MORE:
        response->more = ds_reader_bool(reader);
        break;
    case RESPONSE_RETRY:
        response->retry_ms = ds_reader_uint(reader, 0, DS_MONO_MS_MAX);
        break;
    case RESPONSE_COMMANDS:
        take_commands(reader, response);
        break;
    case RESPONSE_OWN_BATCHES:
        response->own_batches = ds_exchange_take_bins(
            reader, arena, DS_REQUEST_BATCHES_MAX, DS_BATCH_SIZE_MAX, &response->own_batch_count);
        break;
    case RESPONSE_EPOCH_ENTRY:
        response->epoch_entry = ds_reader_bin(reader, DS_ENTRY_SIZE_MAX);
        break;
    case RESPONSE_EPOCH_KEY:
        response->epoch_key = ds_reader_hash(reader);
        break;
    case RESPONSE_PROOFS:
        response->proofs = ds_exchange_take_proofs(reader, arena, &response->proof_count);
        break;
    case RESPONSE_LEASE:
        response->lease = ds_exchange_take_lease(reader);
        break;
    case RESPONSE_ORDER:
        response->order = ds_exchange_take_order(reader, &response->order_signature);
        break;
    default:
        ds_reader_skip(reader);
    }
}

static void take_key(struct ds_reader *reader, struct ds_arena *arena, struct ds_response *response)
{
    switch (reader->key) {
    case RESPONSE_VERSION:
        response->version = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
        break;
    case RESPONSE_INSTANT:
        response->instant_ms = ds_reader_int(reader, 0, DS_INSTANT_MS_MAX);
        break;
    case RESPONSE_EPOCH:
        response->epoch = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
        break;
    case RESPONSE_KEPT_SIZE:
        response->kept_size = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        break;
    case RESPONSE_SNAPSHOT:
        response->snapshot = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        break;
    case RESPONSE_TAKEN:
        take_taken(reader, arena, response);
        break;
    case RESPONSE_LANES:
        response->lane_count = ds_exchange_take_lanes(reader, DS_LANE_HELD, response->lanes);
        break;
    case RESPONSE_SCOPES:
        take_scopes(reader, response);
        break;
    case RESPONSE_PAGES:
        take_pages(reader, arena, response);
        break;
    default:
        take_tail_key(reader, arena, response);
    }
}

enum ds_err ds_response_parse(struct ds_slice bytes, struct ds_arena *arena,
                              struct ds_response *response, struct ds_detail *detail)
{
    *response = (struct ds_response){0};
    if (bytes.size > DS_PLAIN_SIZE_MAX) {
        ds_detail_set(detail, "response: more than 4194304 bytes", NULL);
        return DS_ERR_LIMIT;
    }
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, bytes);
    ds_reader_map(&reader, &cursor, "response", detail);
    while (ds_reader_next(&reader)) {
        take_key(&reader, arena, response);
    }
    uint64_t receipt = reader.keys & RESPONSE_RECEIPT;
    DS_TRY(ds_exchange_end(&reader, RESPONSE_REQUIRED | (receipt != 0 ? RESPONSE_RECEIPT : 0)));
    if (response->version > DS_EXCHANGE_VERSION) {
        ds_detail_set(detail, "response key 1: a later version than 1", NULL);
        return DS_ERR_VERSION;
    }
    return DS_OK;
}

/* ---- Writing. ---- */

static void put_taken(struct ds_builder *builder, const struct ds_response *response)
{
    ds_mp_put_array(builder, (uint32_t)response->taken_count);
    for (size_t i = 0; i < response->taken_count; i++) {
        const struct ds_taken *taken = &response->taken[i];
        ds_mp_put_array(builder, TAKEN_ITEMS);
        ds_mp_put_uint(builder, taken->error);
        ds_mp_put_uint(builder, taken->position);
        ds_exchange_put_incarnation(builder, &taken->incarnation);
        ds_mp_put_uint(builder, taken->lane);
        ds_mp_put_uint(builder, taken->last_seq);
    }
}

static void put_scopes(struct ds_builder *builder, const struct ds_response *response)
{
    ds_mp_put_array(builder, (uint32_t)response->scope_count);
    for (size_t i = 0; i < response->scope_count; i++) {
        ds_mp_put_array(builder, SCOPE_ITEMS);
        ds_exchange_put_scope(builder, &response->scopes[i]);
    }
}

static void put_row(struct ds_builder *builder, const struct ds_row *row)
{
    ds_mp_put_array(builder, ROW_ITEMS);
    ds_mp_put_uint(builder, row->type);
    ds_mp_put_id(builder, &row->id);
    ds_mp_put_uint(builder, row->position);
    if (row->fields.size == 0) {
        ds_mp_put_nil(builder);
    } else {
        ds_mp_put_raw(builder, row->fields);
    }
}

static void put_pages(struct ds_builder *builder, const struct ds_response *response)
{
    static const struct ds_hash none;
    ds_mp_put_array(builder, (uint32_t)response->page_count);
    for (size_t i = 0; i < response->page_count; i++) {
        const struct ds_page *page = &response->pages[i];
        ds_mp_put_array(builder, PAGE_ITEMS);
        ds_exchange_put_cursor(builder, &page->cursor);
        ds_mp_put_bool(builder, page->complete);
        ds_mp_put_hash(builder, page->complete ? &page->digest : &none);
        ds_mp_put_array(builder, (uint32_t)page->row_count);
        for (size_t k = 0; k < page->row_count; k++) {
            put_row(builder, &page->rows[k]);
        }
    }
}

static void put_commands(struct ds_builder *builder, const struct ds_response *response)
{
    ds_mp_put_array(builder, (uint32_t)response->command_count);
    for (size_t i = 0; i < response->command_count; i++) {
        ds_mp_put_uint(builder, response->commands[i]);
    }
}

static void put_value(struct ds_builder *builder, const struct ds_response *response, uint64_t key)
{
    switch (key) {
    case RESPONSE_VERSION:
        ds_mp_put_uint(builder, response->version);
        break;
    case RESPONSE_INSTANT:
        ds_mp_put_int(builder, response->instant_ms);
        break;
    case RESPONSE_EPOCH:
        ds_mp_put_uint(builder, response->epoch);
        break;
    case RESPONSE_KEPT_SIZE:
        ds_mp_put_uint(builder, response->kept_size);
        break;
    case RESPONSE_SNAPSHOT:
        ds_mp_put_uint(builder, response->snapshot);
        break;
    case RESPONSE_TAKEN:
        put_taken(builder, response);
        break;
    case RESPONSE_LANES:
        ds_exchange_put_lanes(builder, DS_LANE_HELD, response->lanes, response->lane_count);
        break;
    case RESPONSE_SCOPES:
        put_scopes(builder, response);
        break;
    case RESPONSE_PAGES:
        put_pages(builder, response);
        break;
    case RESPONSE_KEYS:
        ds_exchange_put_keys(builder, response->keys, response->key_count);
        break;
    case RESPONSE_SIGNED:
        ds_mp_put_bin(builder, response->signed_bytes);
        break;
    case RESPONSE_SIGNATURE:
        ds_mp_put_bin(builder, (struct ds_slice){response->signature, SIGNATURE_SIZE});
        break;
    case RESPONSE_MORE:
        ds_mp_put_bool(builder, response->more);
        break;
    case RESPONSE_RETRY:
        ds_mp_put_uint(builder, response->retry_ms);
        break;
    case RESPONSE_COMMANDS:
        put_commands(builder, response);
        break;
    case RESPONSE_OWN_BATCHES:
        ds_exchange_put_bins(builder, response->own_batches, response->own_batch_count);
        break;
    case RESPONSE_LEASE:
        ds_exchange_put_lease(builder, &response->lease);
        break;
    case RESPONSE_ORDER:
        ds_exchange_put_order(builder, response->order, response->order_signature);
        break;
    case RESPONSE_EPOCH_ENTRY:
        ds_mp_put_bin(builder, response->epoch_entry);
        break;
    case RESPONSE_EPOCH_KEY:
        ds_mp_put_hash(builder, &response->epoch_key);
        break;
    default:
        ds_exchange_put_proofs(builder, response->proofs, response->proof_count);
    }
}

void ds_response_put(struct ds_builder *builder, const struct ds_response *response)
{
    DS_ASSERT((response->signature != NULL) == (response->signed_bytes.size > 0));
    const bool has[] = {
        [RESPONSE_VERSION] = true,
        [RESPONSE_INSTANT] = true,
        [RESPONSE_EPOCH] = true,
        [RESPONSE_KEPT_SIZE] = response->kept_size != 0,
        [RESPONSE_SNAPSHOT] = response->snapshot != 0,
        [RESPONSE_TAKEN] = response->taken_count > 0,
        [RESPONSE_LANES] = response->lane_count > 0,
        [RESPONSE_SCOPES] = response->scope_count > 0,
        [RESPONSE_PAGES] = response->page_count > 0,
        [RESPONSE_KEYS] = response->key_count > 0,
        [RESPONSE_SIGNED] = response->signed_bytes.size > 0,
        [RESPONSE_SIGNATURE] = response->signature != NULL,
        [RESPONSE_MORE] = response->more,
        [RESPONSE_RETRY] = response->retry_ms != 0,
        [RESPONSE_COMMANDS] = response->command_count > 0,
        [RESPONSE_OWN_BATCHES] = response->own_batch_count > 0,
        [RESPONSE_EPOCH_ENTRY] = response->epoch_entry.size > 0,
        [RESPONSE_EPOCH_KEY] = !ds_hash_is_none(&response->epoch_key),
        [RESPONSE_PROOFS] = response->proof_count > 0,
        [RESPONSE_LEASE] = response->lease.wrapped.size > 0,
        [RESPONSE_ORDER] = response->order.size > 0,
    };
    ds_exchange_put_map(builder, has, DS_COUNT(has));
    for (size_t key = 0; key < DS_COUNT(has); key++) {
        if (has[key]) {
            ds_mp_put_uint(builder, key);
            put_value(builder, response, key);
        }
    }
}

/* ---- The receipt. ---- */

enum { RECEIPT_HEAD = 1, RECEIPT_DEVICE = 2, RECEIPT_LANES = 3, RECEIPT_PAIRS = 3 };
#define RECEIPT_REQUIRED ((DS_READER_KEY(RECEIPT_PAIRS + 1) - 1) & ~UINT64_C(1))

void ds_receipt_put(struct ds_builder *builder, const struct ds_receipt *receipt)
{
    ds_mp_put_map(builder, RECEIPT_PAIRS);
    ds_mp_put_uint(builder, RECEIPT_HEAD);
    ds_head_put(builder, &receipt->head);
    ds_mp_put_uint(builder, RECEIPT_DEVICE);
    ds_mp_put_id(builder, &receipt->device);
    ds_mp_put_uint(builder, RECEIPT_LANES);
    ds_exchange_put_lanes(builder, DS_LANE_HELD, receipt->lanes, receipt->lane_count);
}

enum ds_err ds_receipt_parse(struct ds_slice bytes, struct ds_receipt *receipt)
{
    *receipt = (struct ds_receipt){0};
    DS_TRY(ds_mp_scan(bytes, NULL));
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, bytes);
    ds_reader_map(&reader, &cursor, "receipt", NULL);
    while (ds_reader_next(&reader)) {
        if (reader.key == RECEIPT_HEAD) {
            ds_head_take(&cursor, &receipt->head);
        } else if (reader.key == RECEIPT_DEVICE) {
            receipt->device = ds_reader_id(&reader);
        } else if (reader.key == RECEIPT_LANES) {
            receipt->lane_count = ds_exchange_take_lanes(&reader, DS_LANE_HELD, receipt->lanes);
        } else {
            ds_reader_skip(&reader);
        }
    }
    return ds_exchange_end(&reader, RECEIPT_REQUIRED);
}

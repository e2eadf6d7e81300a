/* An answer in columns. */
#include "sync/shard/wire_impl.h"

#include <string.h>

enum {
    SCOPES = 1,    /* They are said; else they are those of the request. */
    PAGES = 2,     /* There are some. */
    ALL_WHOLE = 4, /* Every scope is delivered up to the snapshot. */
    RECEIPT = 8,   /* Root and signature; the rest of it is known. */
    RECEIPT_RAW = 16,
    MORE = 32,
    KEYS = 64,
    COMMANDS = 128,
    OWN_BATCHES = 256,
    RARE = 512,         /* What seldom is said stands behind, as an answer in plain msgpack. */
    TAKEN_OTHER = 1024, /* Not all was taken as it was sent. */
    LANES_OTHER = 2048, /* Not all stands as it was claimed. */
    RETRY = 4096,
    KEPT_SIZE = 8192,
    FLAGS = 16383
};
enum { SIGNATURE_SIZE = 64, RECEIPT_ROOM = 2048 };

/* ---- What needs no saying. ---- */

static bool taken_as_sent(const struct ds_wire_asked *asked, const struct ds_response *response)
{
    if (response->taken_count != asked->sent_count) {
        return false;
    }
    for (size_t i = 0; i < response->taken_count; i++) {
        const struct ds_taken *taken = &response->taken[i];
        const struct ds_taken *sent = &asked->sent[i];
        if (taken->error != 0 || !ds_incarnation_equal(&taken->incarnation, &sent->incarnation) ||
            taken->lane != sent->lane || taken->last_seq != sent->last_seq) {
            return false;
        }
    }
    return true;
}

static bool lanes_as_claimed(const struct ds_wire_asked *asked, const struct ds_response *response)
{
    if (response->lane_count != asked->lane_count) {
        return false;
    }
    for (size_t i = 0; i < response->lane_count; i++) {
        const struct ds_lane_state *lane = &response->lanes[i];
        const struct ds_lane_state *claimed = &asked->lanes[i];
        if (!ds_incarnation_equal(&lane->incarnation, &claimed->incarnation) ||
            lane->lane != claimed->lane || lane->seq != claimed->seq ||
            !ds_lane_chain_is(claimed, &lane->chain)) {
            return false;
        }
    }
    return true;
}

static bool scopes_as_asked(const struct ds_wire *wire, const struct ds_wire_asked *asked,
                            const struct ds_response *response)
{
    if (!asked->scopes_known || response->scope_count != wire->scope_count) {
        return false;
    }
    for (size_t i = 0; i < response->scope_count; i++) {
        if (ds_scope_compare(&response->scopes[i], &wire->scopes[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool all_whole(const struct ds_response *response)
{
    if (response->page_count != response->scope_count || response->page_count == 0) {
        return false;
    }
    for (size_t i = 0; i < response->page_count; i++) {
        const struct ds_cursor_at *at = &response->pages[i].cursor;
        if (!response->pages[i].complete || at->position != response->snapshot ||
            at->ordinal != UINT32_MAX || at->phase != 0 ||
            ds_scope_compare(&at->scope, &response->scopes[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- The receipt. ---- */

/* The signed bytes from what both sides know by then, the head's root and instant. */
static bool make_receipt(struct ds_wire *wire, const struct ds_response *response, uint64_t size,
                         const struct ds_hash *root, int64_t instant_ms, struct ds_slice *bytes)
{
    struct ds_receipt *receipt = ds_arena_alloc(wire->arena, sizeof(*receipt));
    uint8_t *memory = ds_arena_room(wire->arena, RECEIPT_ROOM);
    struct ds_builder builder;
    if (receipt == NULL || memory == NULL) {
        return false;
    }
    receipt->head = (struct ds_head){.station = wire->station,
                                     .epoch = response->epoch,
                                     .size = size,
                                     .root = *root,
                                     .instant_ms = instant_ms};
    receipt->device = wire->device;
    receipt->lane_count = response->lane_count;
    memcpy(receipt->lanes, response->lanes, sizeof(receipt->lanes));
    ds_builder_init(&builder, memory, RECEIPT_ROOM);
    ds_receipt_put(&builder, receipt);
    return ds_builder_end(&builder, bytes) == DS_OK;
}

static bool receipt_is_known(struct ds_wire *wire, const struct ds_response *response,
                             struct ds_receipt *receipt)
{
    struct ds_slice made;
    return response->signature != NULL &&
           ds_receipt_parse(response->signed_bytes, receipt) == DS_OK &&
           make_receipt(wire, response, receipt->head.size, &receipt->head.root,
                        receipt->head.instant_ms, &made) &&
           ds_slice_equal(made, response->signed_bytes);
}

static void put_receipt(struct ds_builder *builder, const struct ds_response *response,
                        const struct ds_receipt *receipt, bool known)
{
    ds_put_bytes(builder, (struct ds_slice){response->signature, SIGNATURE_SIZE});
    if (known) {
        ds_put_svar(builder, (int64_t)(response->snapshot - receipt->head.size));
        ds_put_hash(builder, &receipt->head.root);
        ds_put_svar(builder, response->instant_ms - receipt->head.instant_ms);
    } else {
        ds_put_var(builder, response->signed_bytes.size);
        ds_put_bytes(builder, response->signed_bytes);
    }
}

static void take_receipt(struct ds_cursor *cursor, struct ds_wire *wire,
                         struct ds_response *response, bool known)
{
    struct ds_slice signature = ds_take_bytes(cursor, SIGNATURE_SIZE);
    if (!known) {
        uint64_t size = ds_take_var(cursor);
        cursor->failed = cursor->failed || size == 0 || size > RECEIPT_ROOM;
        response->signed_bytes =
            cursor->failed ? response->signed_bytes : ds_take_bytes(cursor, (size_t)size);
    } else {
        uint64_t size = response->snapshot - (uint64_t)ds_take_svar(cursor);
        struct ds_hash root = ds_take_hash(cursor);
        int64_t age = ds_take_svar(cursor);
        bool sane = !cursor->failed && size <= (uint64_t)INT64_MAX && age >= -DS_INSTANT_MS_MAX &&
                    age <= DS_INSTANT_MS_MAX;
        cursor->failed =
            !sane || !make_receipt(wire, response, size, &root, response->instant_ms - age,
                                   &response->signed_bytes);
    }
    response->signature = cursor->failed ? NULL : signature.data;
}

/* ---- Lists. ---- */

static void put_taken(struct ds_builder *builder, const struct ds_response *response, bool as_sent)
{
    if (!as_sent) {
        ds_put_var(builder, response->taken_count);
    }
    for (size_t i = 0; i < response->taken_count; i++) {
        const struct ds_taken *taken = &response->taken[i];
        ds_put_svar(builder, (int64_t)(response->snapshot - taken->position));
        if (!as_sent) {
            ds_put_var(builder, taken->error);
            ds_put_bytes(builder, DS_SLICE_OF(taken->incarnation.byte));
            ds_put_u8(builder, (uint8_t)taken->lane);
            ds_put_var(builder, taken->last_seq);
        }
    }
}

static void take_incarnation(struct ds_cursor *cursor, struct ds_incarnation *incarnation)
{
    struct ds_slice bytes = ds_take_bytes(cursor, sizeof(incarnation->byte));
    if (!cursor->failed) {
        memcpy(incarnation->byte, bytes.data, bytes.size);
    }
}

static void take_taken(struct ds_cursor *cursor, struct ds_wire *wire,
                       const struct ds_wire_asked *asked, struct ds_response *response,
                       bool as_sent)
{
    uint64_t count = as_sent ? asked->sent_count : ds_take_var(cursor);
    response->taken =
        ds_wire_list(cursor, wire, count, DS_REQUEST_BATCHES_MAX, sizeof(*response->taken));
    for (uint64_t i = 0; i < count && !cursor->failed; i++) {
        struct ds_taken *taken = &response->taken[i];
        uint64_t position = response->snapshot - (uint64_t)ds_take_svar(cursor);
        if (as_sent) {
            *taken = asked->sent[i];
        } else {
            taken->error = ds_take_var(cursor);
            take_incarnation(cursor, &taken->incarnation);
            taken->lane = ds_take_u8(cursor);
            taken->last_seq = ds_take_var(cursor);
        }
        taken->position = position;
        cursor->failed = cursor->failed || position > (uint64_t)INT64_MAX ||
                         taken->lane > DS_LANE_TRACK || taken->last_seq > DS_SEQ_MAX;
        response->taken_count++;
    }
}

static void put_lanes(struct ds_builder *builder, const struct ds_response *response,
                      bool as_claimed)
{
    if (!as_claimed) {
        ds_put_u8(builder, (uint8_t)response->lane_count);
    }
    for (size_t i = 0; i < response->lane_count; i++) {
        const struct ds_lane_state *lane = &response->lanes[i];
        ds_put_svar(builder, (int64_t)(response->snapshot - lane->position));
        if (!as_claimed) {
            ds_put_bytes(builder, DS_SLICE_OF(lane->incarnation.byte));
            ds_put_u8(builder, (uint8_t)lane->lane);
            ds_put_var(builder, lane->seq);
            ds_put_hash(builder, &lane->chain);
        }
    }
}

static void take_lanes(struct ds_cursor *cursor, const struct ds_wire_asked *asked,
                       struct ds_response *response, bool as_claimed)
{
    size_t count = as_claimed ? asked->lane_count : ds_take_u8(cursor);
    cursor->failed = cursor->failed || count > DS_LANES_MAX;
    for (size_t i = 0; i < count && !cursor->failed; i++) {
        struct ds_lane_state *lane = &response->lanes[i];
        uint64_t position = response->snapshot - (uint64_t)ds_take_svar(cursor);
        if (as_claimed) {
            *lane = asked->lanes[i];
        } else {
            take_incarnation(cursor, &lane->incarnation);
            lane->lane = ds_take_u8(cursor);
            lane->seq = ds_take_var(cursor);
            lane->chain = ds_take_hash(cursor);
        }
        lane->position = position;
        cursor->failed = cursor->failed || position > (uint64_t)INT64_MAX ||
                         lane->lane < DS_LANE_WORK || lane->lane > DS_LANE_TRACK ||
                         lane->seq > DS_SEQ_MAX;
        response->lane_count++;
    }
}

static void put_keys(struct ds_builder *builder, const struct ds_response *response)
{
    ds_put_var(builder, response->key_count);
    for (size_t i = 0; i < response->key_count; i++) {
        ds_put_id(builder, &response->keys[i].key_id);
        ds_put_bytes(builder, response->keys[i].wrapped);
    }
}

static void take_keys(struct ds_cursor *cursor, struct ds_wire *wire, struct ds_response *response)
{
    uint64_t count = ds_take_var(cursor);
    response->keys = ds_wire_list(cursor, wire, count, DS_KEYS_MAX, sizeof(*response->keys));
    for (uint64_t i = 0; i < count && !cursor->failed; i++) {
        response->keys[i].key_id = ds_take_id(cursor);
        response->keys[i].wrapped = ds_take_bytes(cursor, DS_WRAPPED_KEY_SIZE);
        response->key_count++;
    }
}

static void take_own_batches(struct ds_cursor *cursor, struct ds_wire *wire,
                             struct ds_response *response)
{
    uint64_t count = ds_take_var(cursor);
    response->own_batches =
        ds_wire_list(cursor, wire, count, DS_REQUEST_BATCHES_MAX, sizeof(*response->own_batches));
    for (uint64_t i = 0; i < count && !cursor->failed; i++) {
        uint64_t size = ds_take_var(cursor);
        cursor->failed = cursor->failed || size == 0 || size > DS_BATCH_SIZE_MAX;
        if (!cursor->failed) {
            response->own_batches[i] = ds_take_bytes(cursor, (size_t)size);
            response->own_batch_count++;
        }
    }
}

static void put_scopes(struct ds_builder *builder, const struct ds_response *response)
{
    ds_put_u8(builder, (uint8_t)response->scope_count);
    for (size_t i = 0; i < response->scope_count; i++) {
        ds_put_scope(builder, &response->scopes[i]);
    }
}

static void take_scopes(struct ds_cursor *cursor, const struct ds_wire *wire,
                        const struct ds_wire_asked *asked, struct ds_response *response, bool said)
{
    if (!said) {
        cursor->failed = cursor->failed || !asked->scopes_known;
        for (size_t i = 0; i < wire->scope_count && !cursor->failed; i++) {
            response->scopes[response->scope_count++] = wire->scopes[i];
        }
        return;
    }
    uint8_t count = ds_take_u8(cursor);
    cursor->failed = cursor->failed || count > DS_SCOPES_MAX;
    for (uint8_t i = 0; i < count && !cursor->failed; i++) {
        response->scopes[i] = ds_take_scope(cursor);
        cursor->failed =
            cursor->failed || response->scopes[i].kind == 0 ||
            (i > 0 && ds_scope_compare(&response->scopes[i - 1], &response->scopes[i]) >= 0);
        response->scope_count++;
    }
}

/* ---- The whole. ---- */

static bool has_rare(const struct ds_response *response)
{
    return response->epoch_entry.size > 0 || response->proof_count > 0 ||
           response->lease.wrapped.size > 0 || response->order.size > 0;
}

static unsigned flags_of(const struct ds_wire *wire, const struct ds_wire_asked *asked,
                         const struct ds_response *response, bool receipt_known)
{
    return (scopes_as_asked(wire, asked, response) ? 0U : (unsigned)SCOPES) |
           (response->page_count > 0 ? (unsigned)PAGES : 0U) |
           (all_whole(response) ? (unsigned)ALL_WHOLE : 0U) |
           (response->signature == NULL ? 0U
            : receipt_known             ? (unsigned)RECEIPT
                                        : (unsigned)RECEIPT_RAW) |
           (response->more ? (unsigned)MORE : 0U) |
           (response->key_count > 0 ? (unsigned)KEYS : 0U) |
           (response->command_count > 0 ? (unsigned)COMMANDS : 0U) |
           (response->own_batch_count > 0 ? (unsigned)OWN_BATCHES : 0U) |
           (has_rare(response) ? (unsigned)RARE : 0U) |
           (taken_as_sent(asked, response) ? 0U : (unsigned)TAKEN_OTHER) |
           (lanes_as_claimed(asked, response) ? 0U : (unsigned)LANES_OTHER) |
           (response->retry_ms != DS_WIRE_RETRY_MS ? (unsigned)RETRY : 0U) |
           (response->kept_size != 0 ? (unsigned)KEPT_SIZE : 0U);
}

static void put_rare(struct ds_builder *builder, const struct ds_response *response, unsigned flags)
{
    if ((flags & RETRY) != 0) {
        ds_put_var(builder, response->retry_ms);
    }
    if ((flags & KEPT_SIZE) != 0) {
        ds_put_var(builder, response->kept_size);
    }
    if ((flags & COMMANDS) != 0) {
        ds_put_u8(builder, (uint8_t)response->command_count);
        for (size_t i = 0; i < response->command_count; i++) {
            ds_put_var(builder, response->commands[i]);
        }
    }
    if ((flags & OWN_BATCHES) != 0) {
        ds_put_var(builder, response->own_batch_count);
        for (size_t i = 0; i < response->own_batch_count; i++) {
            ds_put_var(builder, response->own_batches[i].size);
            ds_put_bytes(builder, response->own_batches[i]);
        }
    }
    if ((flags & RARE) != 0) {
        struct ds_response rare = {.version = DS_EXCHANGE_VERSION,
                                   .instant_ms = response->instant_ms,
                                   .epoch = response->epoch,
                                   .epoch_entry = response->epoch_entry,
                                   .epoch_key = response->epoch_key,
                                   .proofs = response->proofs,
                                   .proof_count = response->proof_count,
                                   .lease = response->lease,
                                   .order = response->order,
                                   .order_signature = response->order_signature};
        size_t begin = builder->used;
        ds_put_u32(builder, 0);
        ds_response_put(builder, &rare);
        if (!builder->failed) {
            struct ds_builder size;
            ds_builder_init(&size, builder->data + begin, 4);
            ds_put_u32(&size, (uint32_t)(builder->used - begin - 4));
        }
    }
}

static void take_rare(struct ds_cursor *cursor, struct ds_wire *wire, struct ds_response *response,
                      unsigned flags)
{
    response->retry_ms = (flags & RETRY) != 0 ? ds_take_var(cursor) : DS_WIRE_RETRY_MS;
    response->kept_size = (flags & KEPT_SIZE) != 0 ? ds_take_var(cursor) : 0;
    cursor->failed = cursor->failed || response->retry_ms > DS_MONO_MS_MAX ||
                     response->kept_size > (uint64_t)INT64_MAX;
    if ((flags & COMMANDS) != 0) {
        uint8_t count = ds_take_u8(cursor);
        cursor->failed = cursor->failed || count > DS_COMMANDS_MAX;
        for (uint8_t i = 0; i < count && !cursor->failed; i++) {
            response->commands[response->command_count++] = ds_take_var(cursor);
        }
    }
    if ((flags & OWN_BATCHES) != 0 && !cursor->failed) {
        take_own_batches(cursor, wire, response);
    }
    if ((flags & RARE) != 0 && !cursor->failed) {
        struct ds_response *rare = ds_arena_alloc(wire->arena, sizeof(*rare));
        uint32_t size = ds_take_u32(cursor);
        struct ds_slice bytes = ds_take_bytes(cursor, size);
        if (cursor->failed || rare == NULL ||
            ds_response_parse(bytes, wire->arena, rare, NULL) != DS_OK) {
            cursor->failed = true;
            return;
        }
        response->epoch_entry = rare->epoch_entry;
        response->epoch_key = rare->epoch_key;
        response->proofs = rare->proofs;
        response->proof_count = rare->proof_count;
        response->lease = rare->lease;
        response->order = rare->order;
        response->order_signature = rare->order_signature;
    }
}

enum ds_err ds_wire_response_put(struct ds_builder *builder, struct ds_wire *wire,
                                 const struct ds_wire_asked *asked,
                                 const struct ds_response *response)
{
    struct ds_receipt *receipt = ds_arena_alloc(wire->arena, sizeof(*receipt));
    if (receipt == NULL) {
        return DS_ERR_LIMIT;
    }
    unsigned flags = flags_of(wire, asked, response, receipt_is_known(wire, response, receipt));
    ds_put_var(builder, flags);
    ds_put_svar(builder, response->instant_ms - asked->wall_ms);
    ds_put_svar(builder, (int64_t)(response->epoch - asked->epoch));
    ds_put_svar(builder, (int64_t)(response->snapshot - asked->position));
    put_taken(builder, response, (flags & TAKEN_OTHER) == 0);
    put_lanes(builder, response, (flags & LANES_OTHER) == 0);
    put_rare(builder, response, flags);
    if ((flags & (RECEIPT | RECEIPT_RAW)) != 0) {
        put_receipt(builder, response, receipt, (flags & RECEIPT) != 0);
    }
    if ((flags & SCOPES) != 0) {
        put_scopes(builder, response);
    }
    if ((flags & KEYS) != 0) {
        put_keys(builder, response);
    }
    if ((flags & PAGES) != 0) {
        DS_TRY(ds_wire_pages_put(builder, wire, asked, response, (flags & ALL_WHOLE) != 0));
    }
    return builder->failed ? DS_ERR_LIMIT : DS_OK;
}

static void take_parts(struct ds_cursor *cursor, struct ds_wire *wire,
                       const struct ds_wire_asked *asked, struct ds_response *response)
{
    uint64_t flags = ds_take_var(cursor);
    int64_t instant = ds_take_svar(cursor);
    response->epoch = asked->epoch + (uint64_t)ds_take_svar(cursor);
    response->snapshot = asked->position + (uint64_t)ds_take_svar(cursor);
    bool whole = (flags & ALL_WHOLE) != 0;
    if (cursor->failed || flags > FLAGS || (whole && (flags & PAGES) == 0) ||
        instant < -2 * DS_INSTANT_MS_MAX || instant > 2 * DS_INSTANT_MS_MAX ||
        response->epoch == 0 || response->epoch > (uint64_t)INT64_MAX ||
        response->snapshot > (uint64_t)INT64_MAX ||
        (flags & (RECEIPT | RECEIPT_RAW)) == (RECEIPT | RECEIPT_RAW)) {
        cursor->failed = true;
        return;
    }
    response->instant_ms = asked->wall_ms + instant;
    cursor->failed = response->instant_ms < 0 || response->instant_ms > DS_INSTANT_MS_MAX;
    take_taken(cursor, wire, asked, response, (flags & TAKEN_OTHER) == 0);
    take_lanes(cursor, asked, response, (flags & LANES_OTHER) == 0);
    take_rare(cursor, wire, response, (unsigned)flags);
    response->more = (flags & MORE) != 0;
    if ((flags & (RECEIPT | RECEIPT_RAW)) != 0) {
        take_receipt(cursor, wire, response, (flags & RECEIPT) != 0);
    }
    take_scopes(cursor, wire, asked, response, (flags & SCOPES) != 0);
    if ((flags & KEYS) != 0) {
        take_keys(cursor, wire, response);
    }
    if ((flags & PAGES) != 0) {
        ds_wire_pages_take(cursor, wire, response, whole);
    }
}

enum ds_err ds_wire_response_take(struct ds_slice bytes, struct ds_wire *wire,
                                  const struct ds_wire_asked *asked, struct ds_response *response,
                                  struct ds_detail *detail)
{
    struct ds_cursor cursor;
    *response = (struct ds_response){.version = DS_EXCHANGE_VERSION, .in_columns = true};
    ds_cursor_init(&cursor, bytes);
    take_parts(&cursor, wire, asked, response);
    if (ds_cursor_end(&cursor) != DS_OK) {
        ds_detail_set(detail, "response: not what columns hold, or what they are held against",
                      NULL);
        return DS_ERR_DECODE;
    }
    return DS_OK;
}

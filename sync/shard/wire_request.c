/* A request in columns. */
#include "schema/record.h"
#include "sync/core/hash.h"
#include "sync/shard/wire_impl.h"

#include <string.h>

enum {
    AT_ONE = 1,
    BUDGET = 2,
    NO_ROWS = 4,
    RELAYED = 8,
    KEYS = 16,
    WITNESS_ROOT = 32, /* The witness is said; else it is the position's head. */
    NO_WITNESS = 64,
    BATCHES = 128,
    RARE = 256, /* What seldom is said stands behind, as a request in plain msgpack. */
    FLAGS = 511
};
enum { CHAIN_SHORT = 8 };
enum {
    HEALTH_UNSENT = 1,
    HEALTH_OLDEST = 2,
    HEALTH_BATTERY = 4,
    HEALTH_FREE = 8,
    HEALTH_VERSION = 16,
    HEALTH_FLAGS = 31
};

/* ---- What reading ops are said against. ---- */

/* Which fields name a meter of a held book. */
static bool is_meter(uint64_t sort, uint64_t tag)
{
    return (sort == DS_REC_reading && tag == DS_TAG_reading_meter) ||
           (sort == DS_REC_swap && tag == DS_TAG_swap_meter) ||
           (sort == DS_REC_visit && tag == DS_TAG_visit_meter);
}

/* Books are counted among the device's scopes. */
static bool book_number(const struct ds_wire *wire, const struct ds_id *book, int64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < wire->scope_count; i++) {
        if (wire->scopes[i].kind != DS_SCOPE_BOOK) {
            continue;
        }
        if (ds_id_equal(&wire->scopes[i].key, book)) {
            return true;
        }
        ++*number;
    }
    return false;
}

static bool book_of(const struct ds_wire *wire, int64_t number, struct ds_id *book)
{
    for (size_t i = 0; i < wire->scope_count; i++) {
        if (wire->scopes[i].kind == DS_SCOPE_BOOK && number-- == 0) {
            *book = wire->scopes[i].key;
            return true;
        }
    }
    return false;
}

static bool name(void *of, uint64_t sort, uint64_t tag, size_t member, const struct ds_id *id,
                 int64_t part[2])
{
    const struct ds_wire *wire = of;
    struct ds_id book;
    struct ds_id found;
    uint32_t order = 0;
    (void)member;
    if (!is_meter(sort, tag) || wire->place_of == NULL || wire->meter_at == NULL ||
        !wire->place_of(wire->of, id, &book, &order) || !book_number(wire, &book, &part[0]) ||
        !wire->meter_at(wire->of, &book, order, &found) || !ds_id_equal(&found, id)) {
        return false;
    }
    part[1] = order;
    return true;
}

static bool find(void *of, uint64_t sort, uint64_t tag, size_t member, const int64_t part[2],
                 struct ds_id *id)
{
    const struct ds_wire *wire = of;
    struct ds_id book;
    (void)member;
    return is_meter(sort, tag) && wire->meter_at != NULL && part[1] >= 0 && part[1] <= UINT32_MAX &&
           book_of(wire, part[0], &book) && wire->meter_at(wire->of, &book, (uint32_t)part[1], id);
}

static uint64_t last(void *of, uint64_t sort)
{
    (void)of;
    return sort == DS_REC_reading ? DS_TAG_reading_index : 0;
}

static const struct ds_column *column_of(const struct ds_columns_group *group, uint64_t tag,
                                         enum ds_column_kind kind)
{
    for (size_t i = 0; i < group->column_count; i++) {
        if (group->columns[i].tag == tag && group->columns[i].kind == kind) {
            return &group->columns[i];
        }
    }
    return NULL;
}

static int64_t number_at(const struct ds_column *column, size_t i, int64_t fallback)
{
    return column != NULL && column->values[i].present ? column->values[i].number : fallback;
}

static bool guess(void *of, const struct ds_columns_group *group, uint64_t tag, int which,
                  int64_t *guesses)
{
    struct ds_wire *wire = of;
    const struct ds_column *meter = column_of(group, DS_TAG_reading_meter, DS_COLUMN_ID);
    const struct ds_column *period = column_of(group, DS_TAG_reading_period, DS_COLUMN_INT);
    const struct ds_column *reg = column_of(group, DS_TAG_reading_register_kind, DS_COLUMN_INT);
    if (which != 2 || group->sort != DS_REC_reading || tag != DS_TAG_reading_index ||
        wire->held == NULL || meter == NULL || period == NULL) {
        return false;
    }
    for (size_t i = 0; i < group->count; i++) {
        struct ds_id id;
        guesses[i] = 0;
        if (meter->values[i].present) {
            memcpy(id.byte, meter->values[i].raw.data, sizeof(id.byte));
            (void)ds_wire_index_before(wire, &id, number_at(reg, i, DS_REGISTER_mechanical),
                                       number_at(period, i, 0), &guesses[i]);
        }
    }
    return true;
}

static struct ds_batch_known known_of(struct ds_wire *wire, const struct ds_request *request)
{
    struct ds_batch_known known = {
        .station = wire->station,
        .device = wire->device,
        .lanes = request->lanes,
        .lane_count = request->lane_count,
        .epoch = request->epoch,
        .seen = request->at_one ? request->position : 0,
        .health = &request->health,
        .columns = {.of = wire, .guess = guess, .last = last},
        .of = wire->of,
        .chain = wire->chain,
    };
    if (request->at_one) { /* Both then know the same books. */
        known.columns.name = name;
        known.columns.find = find;
    }
    return known;
}

/* ---- Parts. ---- */

static void hash_scopes(const struct ds_scope *scopes, size_t count,
                        uint8_t hash[static DS_SCOPES_HASH_SIZE])
{
    struct ds_hasher hasher;
    uint8_t whole[16];
    ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, sizeof(whole));
    ds_hasher_add(&hasher, DS_SLICE_LIT("doorstep scopes 1"));
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[DS_SCOPE_SIZE];
        struct ds_builder builder;
        ds_builder_init(&builder, bytes, sizeof(bytes));
        ds_put_scope(&builder, &scopes[i]);
        ds_hasher_add(&hasher, DS_SLICE_OF(bytes));
    }
    ds_hasher_end(&hasher, whole, sizeof(whole));
    memcpy(hash, whole, DS_SCOPES_HASH_SIZE);
}

static void put_cursors(struct ds_builder *builder, const struct ds_wire *wire,
                        const struct ds_request *request)
{
    if (request->at_one) {
        uint8_t hash[DS_SCOPES_HASH_SIZE];
        hash_scopes(wire->scopes, wire->scope_count, hash);
        ds_put_var(builder, request->position);
        ds_put_bytes(builder, DS_SLICE_OF(hash));
        return;
    }
    ds_put_var(builder, request->cursor_count);
    for (size_t i = 0; i < request->cursor_count; i++) {
        const struct ds_cursor_at *at = &request->cursors[i];
        ds_put_scope(builder, &at->scope);
        ds_put_var(builder, at->position);
        ds_put_var(builder, at->ordinal);
        ds_put_var(builder, at->phase);
    }
}

/* A chain hash that a batch of the request leads to need not be said. */
static bool covered(const struct ds_request *request, const struct ds_lane_state *lane)
{
    for (size_t i = 0; i < request->batch_count; i++) {
        struct ds_batch batch;
        if (ds_batch_parse_trusted(request->batches[i], &batch) == DS_OK &&
            ds_incarnation_equal(&batch.incarnation, &lane->incarnation) &&
            (uint64_t)batch.lane == lane->lane && batch.first_seq + batch.count - 1 == lane->seq &&
            ds_hash_equal(&batch.head, &lane->chain)) {
            return true;
        }
    }
    return false;
}

static void put_lanes(struct ds_builder *builder, const struct ds_request *request)
{
    ds_put_u8(builder, (uint8_t)request->lane_count);
    for (size_t i = 0; i < request->lane_count; i++) {
        const struct ds_lane_state *lane = &request->lanes[i];
        bool said = covered(request, lane);
        ds_put_bytes(builder, DS_SLICE_OF(lane->incarnation.byte));
        ds_put_u8(builder, (uint8_t)(lane->lane | (said ? 0U : 4U)));
        ds_put_var(builder, lane->seq);
        if (!said) {
            ds_put_bytes(builder, (struct ds_slice){lane->chain.byte, CHAIN_SHORT});
        }
    }
}

static void put_health(struct ds_builder *builder, const struct ds_health *health)
{
    unsigned flags = (health->unsent != 0 ? HEALTH_UNSENT : 0U) |
                     (health->oldest_unsent_ms != 0 ? HEALTH_OLDEST : 0U) |
                     (health->battery_percent != 0 ? HEALTH_BATTERY : 0U) |
                     (health->free_kib != 0 ? HEALTH_FREE : 0U) |
                     (health->version.size > 0 ? HEALTH_VERSION : 0U);
    ds_put_u8(builder, (uint8_t)flags);
    ds_put_u32(builder, (uint32_t)health->boot);
    ds_put_var(builder, health->mono_ms);
    ds_put_svar(builder, health->wall_ms);
    if ((flags & HEALTH_UNSENT) != 0) {
        ds_put_var(builder, health->unsent);
    }
    if ((flags & HEALTH_OLDEST) != 0) {
        ds_put_svar(builder, health->wall_ms - health->oldest_unsent_ms);
    }
    if ((flags & HEALTH_BATTERY) != 0) {
        ds_put_u8(builder, (uint8_t)health->battery_percent);
    }
    if ((flags & HEALTH_FREE) != 0) {
        ds_put_var(builder, health->free_kib);
    }
    if ((flags & HEALTH_VERSION) != 0) {
        ds_put_u8(builder, (uint8_t)health->version.size);
        ds_put_bytes(builder, health->version);
    }
}

static void put_bins(struct ds_builder *builder, const struct ds_slice *bins, size_t count)
{
    ds_put_var(builder, count);
    for (size_t i = 0; i < count; i++) {
        ds_put_var(builder, bins[i].size);
        ds_put_bytes(builder, bins[i]);
    }
}

static bool has_rare(const struct ds_request *request)
{
    return request->prove_count > 0 || request->health.doubt.count > 0 || request->lease_wanted ||
           request->obeyed > 0;
}

static unsigned flags_of(const struct ds_request *request)
{
    bool witness_known = request->at_one && request->witness_epoch == request->epoch &&
                         request->witness_size == request->position;
    unsigned witness = request->witness_size == 0 ? NO_WITNESS
                       : witness_known            ? 0U
                                                  : (unsigned)WITNESS_ROOT;
    return (request->at_one ? AT_ONE : 0U) | (request->budget != DS_BUDGET_DEFAULT ? BUDGET : 0U) |
           (request->no_rows ? NO_ROWS : 0U) | (request->relayed_count > 0 ? RELAYED : 0U) |
           (request->key_count > 0 ? KEYS : 0U) | witness |
           (request->batch_count > 0 ? BATCHES : 0U) | (has_rare(request) ? (unsigned)RARE : 0U);
}

static void put_rare(struct ds_builder *builder, const struct ds_request *request)
{
    struct ds_request rare = {.version = DS_EXCHANGE_VERSION, .budget = DS_BUDGET_DEFAULT};
    rare.health.doubt = request->health.doubt;
    rare.prove_count = request->prove_count;
    memcpy(rare.prove, request->prove, sizeof(rare.prove));
    rare.lease_wanted = request->lease_wanted;
    rare.obeyed = request->obeyed;
    size_t begin = builder->used;
    ds_put_u32(builder, 0);
    ds_request_put(builder, &rare);
    if (!builder->failed) {
        struct ds_builder size;
        ds_builder_init(&size, builder->data + begin, 4);
        ds_put_u32(&size, (uint32_t)(builder->used - begin - 4));
    }
}

enum ds_err ds_wire_request_put(struct ds_builder *builder, struct ds_wire *wire,
                                const struct ds_request *request)
{
    unsigned flags = flags_of(request);
    ds_put_var(builder, flags);
    ds_put_var(builder, request->epoch);
    put_cursors(builder, wire, request);
    put_lanes(builder, request);
    put_health(builder, &request->health);
    if ((flags & BUDGET) != 0) {
        ds_put_var(builder, request->budget);
    }
    if ((flags & RELAYED) != 0) {
        put_bins(builder, request->relayed, request->relayed_count);
    }
    if ((flags & KEYS) != 0) {
        ds_put_var(builder, request->key_count);
        for (size_t i = 0; i < request->key_count; i++) {
            ds_put_id(builder, &request->keys[i].key_id);
            ds_put_bytes(builder, request->keys[i].wrapped);
        }
    }
    if ((flags & WITNESS_ROOT) != 0) {
        ds_put_var(builder, request->witness_epoch);
        ds_put_var(builder, request->witness_size);
        ds_put_hash(builder, &request->witness_root);
    }
    if ((flags & RARE) != 0) {
        put_rare(builder, request);
    }
    if ((flags & BATCHES) != 0) {
        struct ds_batch_known known = known_of(wire, request);
        ds_put_var(builder, request->batch_count);
        for (size_t i = 0; i < request->batch_count; i++) {
            if (!ds_batch_columns_put(builder, wire->arena, &known, request->batches[i])) {
                return DS_ERR_LIMIT;
            }
        }
    }
    return builder->failed ? DS_ERR_LIMIT : DS_OK;
}

/* ---- Reading. ---- */

static void take_cursors(struct ds_cursor *cursor, struct ds_wire *wire, struct ds_request *request)
{
    if (request->at_one) {
        request->position = ds_take_var(cursor);
        struct ds_slice hash = ds_take_bytes(cursor, DS_SCOPES_HASH_SIZE);
        if (!cursor->failed) {
            memcpy(request->scopes_hash, hash.data, DS_SCOPES_HASH_SIZE);
        }
        cursor->failed =
            cursor->failed || request->position == 0 || request->position > (uint64_t)INT64_MAX;
        return;
    }
    uint64_t count = ds_take_var(cursor);
    request->cursors = ds_wire_list(cursor, wire, count, DS_SCOPES_MAX, sizeof(*request->cursors));
    for (uint64_t i = 0; i < count && !cursor->failed; i++) {
        struct ds_cursor_at *at = &request->cursors[i];
        at->scope = ds_take_scope(cursor);
        at->position = ds_take_var(cursor);
        at->ordinal = ds_take_var(cursor);
        at->phase = ds_take_var(cursor);
        request->cursor_count++;
    }
}

static void take_lanes(struct ds_cursor *cursor, struct ds_request *request)
{
    uint8_t count = ds_take_u8(cursor);
    cursor->failed = cursor->failed || count > DS_LANES_MAX;
    for (uint8_t i = 0; i < count && !cursor->failed; i++) {
        struct ds_lane_state *lane = &request->lanes[i];
        struct ds_slice incarnation = ds_take_bytes(cursor, sizeof(lane->incarnation.byte));
        uint8_t head = ds_take_u8(cursor);
        lane->seq = ds_take_var(cursor);
        lane->lane = head & 3U;
        lane->chain_known = (head & 4U) != 0 ? CHAIN_SHORT : 0;
        struct ds_slice chain = ds_take_bytes(cursor, lane->chain_known);
        if (cursor->failed || head > 6 || lane->lane < DS_LANE_WORK || lane->lane > DS_LANE_TRACK ||
            lane->seq > DS_SEQ_MAX) {
            cursor->failed = true;
            return;
        }
        memcpy(lane->incarnation.byte, incarnation.data, incarnation.size);
        if (chain.size > 0) {
            memcpy(lane->chain.byte, chain.data, chain.size);
        }
        request->lane_count++;
    }
}

static void take_health(struct ds_cursor *cursor, struct ds_health *health)
{
    uint8_t flags = ds_take_u8(cursor);
    health->boot = ds_take_u32(cursor);
    health->mono_ms = ds_take_var(cursor);
    health->wall_ms = ds_take_svar(cursor);
    health->unsent = (flags & HEALTH_UNSENT) != 0 ? ds_take_var(cursor) : 0;
    int64_t age = (flags & HEALTH_OLDEST) != 0 ? ds_take_svar(cursor) : 0;
    health->battery_percent = (flags & HEALTH_BATTERY) != 0 ? ds_take_u8(cursor) : 0;
    health->free_kib = (flags & HEALTH_FREE) != 0 ? ds_take_var(cursor) : 0;
    if ((flags & HEALTH_VERSION) != 0) {
        health->version = ds_take_bytes(cursor, ds_take_u8(cursor));
    }
    bool good = flags <= HEALTH_FLAGS && health->mono_ms <= DS_MONO_MS_MAX &&
                health->wall_ms >= -DS_INSTANT_MS_MAX && health->wall_ms <= DS_INSTANT_MS_MAX &&
                age >= -2 * DS_INSTANT_MS_MAX && age <= 2 * DS_INSTANT_MS_MAX &&
                health->battery_percent <= 100 && health->unsent <= (uint64_t)INT64_MAX &&
                health->free_kib <= (uint64_t)INT64_MAX &&
                health->version.size <= DS_APP_VERSION_SIZE_MAX;
    health->oldest_unsent_ms = (flags & HEALTH_OLDEST) != 0 ? health->wall_ms - age : 0;
    cursor->failed = cursor->failed || !good;
}

static struct ds_slice *take_bins(struct ds_cursor *cursor, struct ds_wire *wire, size_t max_size,
                                  size_t *found)
{
    uint64_t count = ds_take_var(cursor);
    struct ds_slice *bins =
        ds_wire_list(cursor, wire, count, DS_REQUEST_BATCHES_MAX, sizeof(*bins));
    for (uint64_t i = 0; i < count && !cursor->failed; i++) {
        uint64_t size = ds_take_var(cursor);
        cursor->failed = cursor->failed || size == 0 || size > max_size;
        bins[i] = cursor->failed ? bins[i] : ds_take_bytes(cursor, (size_t)size);
        ++*found;
    }
    return bins;
}

static void take_keys(struct ds_cursor *cursor, struct ds_wire *wire, struct ds_request *request)
{
    uint64_t count = ds_take_var(cursor);
    request->keys = ds_wire_list(cursor, wire, count, DS_KEYS_MAX, sizeof(*request->keys));
    for (uint64_t i = 0; i < count && !cursor->failed; i++) {
        request->keys[i].key_id = ds_take_id(cursor);
        request->keys[i].wrapped = ds_take_bytes(cursor, DS_WRAPPED_KEY_SIZE);
        request->key_count++;
    }
}

static void take_batches(struct ds_cursor *cursor, struct ds_wire *wire, struct ds_request *request)
{
    struct ds_batch_known known = known_of(wire, request);
    uint64_t count = ds_take_var(cursor);
    request->batches =
        ds_wire_list(cursor, wire, count, DS_REQUEST_BATCHES_MAX, sizeof(*request->batches));
    for (uint64_t i = 0; i < count && !cursor->failed; i++) {
        /* Said against what we do not know: what follows cannot be read, but is not lost. */
        if (!ds_batch_columns_take(cursor, wire->arena, &known, &request->batches[i])) {
            request->not_understood = true;
            cursor->failed = false;
            (void)ds_take_bytes(cursor, ds_cursor_left(cursor));
            return;
        }
        request->not_understood = request->not_understood || request->batches[i].size == 0;
        request->batch_count++;
    }
}

static void take_rare(struct ds_cursor *cursor, struct ds_wire *wire, struct ds_request *request)
{
    struct ds_request *rare = ds_arena_alloc(wire->arena, sizeof(*rare));
    uint32_t size = ds_take_u32(cursor);
    struct ds_slice bytes = ds_take_bytes(cursor, size);
    if (cursor->failed || rare == NULL ||
        ds_request_parse(bytes, wire->arena, rare, NULL) != DS_OK) {
        cursor->failed = true;
        return;
    }
    request->health.doubt = rare->health.doubt;
    request->prove_count = rare->prove_count;
    memcpy(request->prove, rare->prove, sizeof(request->prove));
    request->lease_wanted = rare->lease_wanted;
    request->obeyed = rare->obeyed;
}

/* What a lane's chain leads to stands in the batch that ends there. */
static void cover_lanes(struct ds_request *request)
{
    for (size_t i = 0; i < request->lane_count; i++) {
        struct ds_lane_state *lane = &request->lanes[i];
        bool known = lane->chain_known > 0;
        for (size_t b = 0; b < request->batch_count && !known; b++) {
            struct ds_batch batch;
            known = request->batches[b].size > 0 &&
                    ds_batch_parse_trusted(request->batches[b], &batch) == DS_OK &&
                    ds_incarnation_equal(&batch.incarnation, &lane->incarnation) &&
                    (uint64_t)batch.lane == lane->lane &&
                    batch.first_seq + batch.count - 1 == lane->seq;
            if (known) {
                lane->chain = batch.head;
            }
        }
        request->not_understood = request->not_understood || !known;
    }
}

static void take_parts(struct ds_cursor *cursor, struct ds_wire *wire, struct ds_request *request)
{
    uint64_t flags = ds_take_var(cursor);
    request->epoch = ds_take_var(cursor);
    cursor->failed = cursor->failed || flags > FLAGS;
    request->at_one = (flags & AT_ONE) != 0;
    request->no_rows = (flags & NO_ROWS) != 0;
    take_cursors(cursor, wire, request);
    take_lanes(cursor, request);
    take_health(cursor, &request->health);
    if ((flags & BUDGET) != 0) {
        request->budget = ds_take_var(cursor);
        cursor->failed = cursor->failed || request->budget == 0;
    }
    if ((flags & RELAYED) != 0 && !cursor->failed) {
        request->relayed =
            take_bins(cursor, wire, DS_SEALED_BATCH_SIZE_MAX, &request->relayed_count);
    }
    if ((flags & KEYS) != 0 && !cursor->failed) {
        take_keys(cursor, wire, request);
    }
    if ((flags & WITNESS_ROOT) != 0) {
        request->witness_epoch = ds_take_var(cursor);
        request->witness_size = ds_take_var(cursor);
        request->witness_root = ds_take_hash(cursor);
    } else if ((flags & NO_WITNESS) == 0) {
        request->witness_epoch = request->epoch;
        request->witness_size = request->position;
        cursor->failed = cursor->failed || !request->at_one;
    }
    if ((flags & RARE) != 0 && !cursor->failed) {
        take_rare(cursor, wire, request);
    }
    if ((flags & BATCHES) != 0 && !cursor->failed) {
        take_batches(cursor, wire, request);
    }
    if (!cursor->failed) {
        cover_lanes(request);
    }
}

enum ds_err ds_wire_request_take(struct ds_slice bytes, struct ds_wire *wire,
                                 struct ds_request *request, struct ds_detail *detail)
{
    struct ds_cursor cursor;
    *request = (struct ds_request){
        .version = DS_EXCHANGE_VERSION, .budget = DS_BUDGET_DEFAULT, .in_columns = true};
    ds_cursor_init(&cursor, bytes);
    take_parts(&cursor, wire, request);
    if (ds_cursor_end(&cursor) != DS_OK || request->epoch > (uint64_t)INT64_MAX ||
        request->witness_size > (uint64_t)INT64_MAX) {
        ds_detail_set(detail, "request: not what columns hold", NULL);
        return DS_ERR_DECODE;
    }
    return DS_OK;
}

bool ds_wire_cursors(struct ds_wire *wire, struct ds_request *request)
{
    uint8_t hash[DS_SCOPES_HASH_SIZE];
    hash_scopes(wire->scopes, wire->scope_count, hash);
    struct ds_cursor_at *cursors =
        ds_arena_alloc(wire->arena, (wire->scope_count + 1) * sizeof(*cursors));
    if (cursors == NULL || memcmp(hash, request->scopes_hash, sizeof(hash)) != 0) {
        return false;
    }
    for (size_t i = 0; i < wire->scope_count; i++) {
        cursors[i] = (struct ds_cursor_at){
            .scope = wire->scopes[i], .position = request->position, .ordinal = UINT32_MAX};
    }
    request->cursors = cursors;
    request->cursor_count = wire->scope_count;
    return true;
}

void ds_wire_asked_of(const struct ds_request *request, struct ds_wire_asked *asked)
{
    memset(asked, 0, sizeof(*asked));
    asked->epoch = request->epoch;
    asked->at_one = request->at_one;
    asked->scopes_known = request->at_one && !request->scopes_other;
    asked->position = request->at_one ? request->position : 0;
    asked->wall_ms = request->health.wall_ms;
    asked->lane_count = request->lane_count;
    memcpy(asked->lanes, request->lanes, sizeof(asked->lanes));
    asked->sent_count = request->batch_count;
    for (size_t i = 0; i < request->batch_count; i++) {
        struct ds_batch batch;
        if (ds_batch_parse_trusted(request->batches[i], &batch) == DS_OK) {
            asked->sent[i] = (struct ds_taken){.incarnation = batch.incarnation,
                                               .lane = (uint64_t)batch.lane,
                                               .last_seq = batch.first_seq + batch.count - 1};
        }
    }
}

/* The request of an exchange; the response is in exchange_response.c. */
#include "sync/core/exchange.h"

#include "schema/codec/msgpack.h"
#include "sync/core/exchange_parts.h"

enum {
    REQUEST_VERSION = 1,
    REQUEST_EPOCH = 2,
    REQUEST_BATCHES = 3,
    REQUEST_CURSORS = 4,
    REQUEST_LANES = 5,
    REQUEST_HEALTH = 6,
    REQUEST_BUDGET = 7,
    REQUEST_RELAYED = 8,
    REQUEST_WITNESS = 9,
    REQUEST_KEYS = 10,
    REQUEST_NO_ROWS = 11,
    REQUEST_PROVE = 12,
    REQUEST_LEASE = 16,
    REQUEST_OBEYED = 17
};
enum {
    HEALTH_UNSENT = 1,
    HEALTH_OLDEST = 2,
    HEALTH_BOOT = 3,
    HEALTH_MONO = 4,
    HEALTH_WALL = 5,
    HEALTH_BATTERY = 6,
    HEALTH_FREE = 7,
    HEALTH_VERSION = 8,
    HEALTH_DOUBT = 9
};
enum { CURSOR_ITEMS = 6, WITNESS_ITEMS = 3, DOUBT_ITEMS = 9, PERCENT_MAX = 100 };

/* ---- Reading. ---- */

static void take_doubt(struct ds_reader *reader, struct ds_doubt *doubt)
{
    ds_reader_tuple(reader, DOUBT_ITEMS);
    doubt->kind = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
    doubt->count = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
    doubt->open = ds_reader_bool(reader);
    doubt->epoch = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
    doubt->size = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
    doubt->root = ds_reader_hash(reader);
    doubt->shown_epoch = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
    doubt->shown_size = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
    doubt->shown_root = ds_reader_hash(reader);
}

static void take_health_key(struct ds_reader *reader, struct ds_health *health)
{
    switch (reader->key) {
    case HEALTH_UNSENT:
        health->unsent = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        break;
    case HEALTH_OLDEST:
        health->oldest_unsent_ms = ds_reader_int(reader, -DS_INSTANT_MS_MAX, DS_INSTANT_MS_MAX);
        break;
    case HEALTH_BOOT:
        health->boot = ds_reader_uint(reader, 0, UINT32_MAX);
        break;
    case HEALTH_MONO:
        health->mono_ms = ds_reader_uint(reader, 0, DS_MONO_MS_MAX);
        break;
    case HEALTH_WALL:
        health->wall_ms = ds_reader_int(reader, -DS_INSTANT_MS_MAX, DS_INSTANT_MS_MAX);
        break;
    case HEALTH_BATTERY:
        health->battery_percent = ds_reader_uint(reader, 0, PERCENT_MAX);
        break;
    case HEALTH_FREE:
        health->free_kib = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        break;
    case HEALTH_VERSION:
        health->version = ds_reader_str(reader, DS_APP_VERSION_SIZE_MAX);
        break;
    case HEALTH_DOUBT:
        take_doubt(reader, &health->doubt);
        break;
    default:
        ds_reader_skip(reader);
    }
}

static void take_health(struct ds_reader *outer, struct ds_health *health)
{
    struct ds_reader reader;
    ds_reader_map(&reader, outer->cursor, "request health", outer->detail);
    while (ds_reader_next(&reader)) {
        take_health_key(&reader, health);
    }
    ds_reader_end_inner(outer, &reader, 0);
}

static void take_cursors(struct ds_reader *reader, struct ds_arena *arena,
                         struct ds_request *request)
{
    uint32_t count = ds_reader_array(reader, DS_SCOPES_MAX);
    request->cursors = ds_exchange_list(reader, arena, count, sizeof(*request->cursors));
    request->cursor_count = request->cursors == NULL ? 0 : count;
    for (size_t i = 0; i < request->cursor_count && reader->err == DS_OK; i++) {
        reader->item = i + 1;
        ds_reader_tuple(reader, CURSOR_ITEMS);
        request->cursors[i] = ds_exchange_take_cursor(reader);
    }
}

static void take_witness(struct ds_reader *reader, struct ds_request *request)
{
    ds_reader_tuple(reader, WITNESS_ITEMS);
    request->witness_epoch = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
    request->witness_size = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
    request->witness_root = ds_reader_hash(reader);
}

static void take_prove(struct ds_reader *reader, struct ds_request *request)
{
    uint32_t count = ds_reader_array(reader, DS_PROOFS_MAX);
    for (uint32_t i = 0; i < count && reader->err == DS_OK; i++) {
        reader->item = i + 1;
        request->prove[i] = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
        if (i > 0 && request->prove[i] <= request->prove[i - 1]) {
            ds_reader_fail(reader, DS_ERR_DECODE, "the sizes do not ascend");
        }
    }
    request->prove_count = count;
}

static void take_key(struct ds_reader *reader, struct ds_arena *arena, struct ds_request *request)
{
    switch (reader->key) {
    case REQUEST_VERSION:
        request->version = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
        break;
    case REQUEST_EPOCH:
        request->epoch = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        break;
    case REQUEST_BATCHES:
        request->batches = ds_exchange_take_bins(reader, arena, DS_REQUEST_BATCHES_MAX,
                                                 DS_BATCH_SIZE_MAX, &request->batch_count);
        break;
    case REQUEST_CURSORS:
        take_cursors(reader, arena, request);
        break;
    case REQUEST_LANES:
        request->lane_count = ds_exchange_take_lanes(reader, DS_LANE_SEALED, request->lanes);
        break;
    case REQUEST_HEALTH:
        take_health(reader, &request->health);
        break;
    case REQUEST_BUDGET:
        request->budget = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
        break;
    case REQUEST_RELAYED:
        request->relayed = ds_exchange_take_bins(reader, arena, DS_REQUEST_BATCHES_MAX,
                                                 DS_SEALED_BATCH_SIZE_MAX, &request->relayed_count);
        break;
    case REQUEST_WITNESS:
        take_witness(reader, request);
        break;
    case REQUEST_KEYS:
        request->keys = ds_exchange_take_keys(reader, arena, &request->key_count);
        break;
    case REQUEST_NO_ROWS:
        request->no_rows = ds_reader_uint(reader, 0, 1) == 1;
        break;
    case REQUEST_PROVE:
        take_prove(reader, request);
        break;
    case REQUEST_LEASE:
        request->lease_wanted = ds_reader_uint(reader, 0, 1) == 1;
        break;
    case REQUEST_OBEYED:
        request->obeyed = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        break;
    default:
        ds_reader_skip(reader);
    }
}

enum ds_err ds_request_parse(struct ds_slice bytes, struct ds_arena *arena,
                             struct ds_request *request, struct ds_detail *detail)
{
    *request = (struct ds_request){.budget = DS_BUDGET_DEFAULT};
    if (bytes.size > DS_PLAIN_SIZE_MAX) {
        ds_detail_set(detail, "request: more than 4194304 bytes", NULL);
        return DS_ERR_LIMIT;
    }
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, bytes);
    ds_reader_map(&reader, &cursor, "request", detail);
    while (ds_reader_next(&reader)) {
        take_key(&reader, arena, request);
    }
    DS_TRY(ds_exchange_end(&reader, DS_READER_KEY(REQUEST_VERSION)));
    if (request->version > DS_EXCHANGE_VERSION) {
        ds_detail_set(detail, "request key 1: a later version than 1", NULL);
        return DS_ERR_VERSION;
    }
    return DS_OK;
}

/* ---- Writing. ---- */

static void put_cursors(struct ds_builder *builder, const struct ds_request *request)
{
    ds_mp_put_array(builder, (uint32_t)request->cursor_count);
    for (size_t i = 0; i < request->cursor_count; i++) {
        ds_mp_put_array(builder, CURSOR_ITEMS);
        ds_exchange_put_cursor(builder, &request->cursors[i]);
    }
}

static void put_witness(struct ds_builder *builder, const struct ds_request *request)
{
    ds_mp_put_array(builder, WITNESS_ITEMS);
    ds_mp_put_uint(builder, request->witness_epoch);
    ds_mp_put_uint(builder, request->witness_size);
    ds_mp_put_hash(builder, &request->witness_root);
}

static void put_doubt(struct ds_builder *builder, const struct ds_doubt *doubt)
{
    ds_mp_put_array(builder, DOUBT_ITEMS);
    ds_mp_put_uint(builder, doubt->kind);
    ds_mp_put_uint(builder, doubt->count);
    ds_mp_put_bool(builder, doubt->open);
    ds_mp_put_uint(builder, doubt->epoch);
    ds_mp_put_uint(builder, doubt->size);
    ds_mp_put_hash(builder, &doubt->root);
    ds_mp_put_uint(builder, doubt->shown_epoch);
    ds_mp_put_uint(builder, doubt->shown_size);
    ds_mp_put_hash(builder, &doubt->shown_root);
}

static void put_health_value(struct ds_builder *builder, const struct ds_health *health,
                             uint64_t key)
{
    switch (key) {
    case HEALTH_UNSENT:
        ds_mp_put_uint(builder, health->unsent);
        break;
    case HEALTH_OLDEST:
        ds_mp_put_int(builder, health->oldest_unsent_ms);
        break;
    case HEALTH_BOOT:
        ds_mp_put_uint(builder, health->boot);
        break;
    case HEALTH_MONO:
        ds_mp_put_uint(builder, health->mono_ms);
        break;
    case HEALTH_WALL:
        ds_mp_put_int(builder, health->wall_ms);
        break;
    case HEALTH_BATTERY:
        ds_mp_put_uint(builder, health->battery_percent);
        break;
    case HEALTH_FREE:
        ds_mp_put_uint(builder, health->free_kib);
        break;
    case HEALTH_VERSION:
        ds_mp_put_str(builder, health->version);
        break;
    default:
        put_doubt(builder, &health->doubt);
    }
}

static void put_health(struct ds_builder *builder, const struct ds_health *health)
{
    const bool has[] = {
        [HEALTH_UNSENT] = health->unsent != 0,
        [HEALTH_OLDEST] = health->oldest_unsent_ms != 0,
        [HEALTH_BOOT] = true,
        [HEALTH_MONO] = true,
        [HEALTH_WALL] = true,
        [HEALTH_BATTERY] = health->battery_percent != 0,
        [HEALTH_FREE] = health->free_kib != 0,
        [HEALTH_VERSION] = health->version.size > 0,
        [HEALTH_DOUBT] = health->doubt.count > 0,
    };
    ds_exchange_put_map(builder, has, DS_COUNT(has));
    for (size_t key = 0; key < DS_COUNT(has); key++) {
        if (has[key]) {
            ds_mp_put_uint(builder, key);
            put_health_value(builder, health, key);
        }
    }
}

static void put_prove(struct ds_builder *builder, const struct ds_request *request)
{
    ds_mp_put_array(builder, (uint32_t)request->prove_count);
    for (size_t i = 0; i < request->prove_count; i++) {
        ds_mp_put_uint(builder, request->prove[i]);
    }
}

static void put_value(struct ds_builder *builder, const struct ds_request *request, uint64_t key)
{
    switch (key) {
    case REQUEST_VERSION:
        ds_mp_put_uint(builder, request->version);
        break;
    case REQUEST_EPOCH:
        ds_mp_put_uint(builder, request->epoch);
        break;
    case REQUEST_BATCHES:
        ds_exchange_put_bins(builder, request->batches, request->batch_count);
        break;
    case REQUEST_CURSORS:
        put_cursors(builder, request);
        break;
    case REQUEST_LANES:
        ds_exchange_put_lanes(builder, DS_LANE_SEALED, request->lanes, request->lane_count);
        break;
    case REQUEST_HEALTH:
        put_health(builder, &request->health);
        break;
    case REQUEST_BUDGET:
        ds_mp_put_uint(builder, request->budget);
        break;
    case REQUEST_RELAYED:
        ds_exchange_put_bins(builder, request->relayed, request->relayed_count);
        break;
    case REQUEST_WITNESS:
        put_witness(builder, request);
        break;
    case REQUEST_KEYS:
        ds_exchange_put_keys(builder, request->keys, request->key_count);
        break;
    case REQUEST_LEASE:
        ds_mp_put_uint(builder, 1);
        break;
    case REQUEST_OBEYED:
        ds_mp_put_uint(builder, request->obeyed);
        break;
    case REQUEST_NO_ROWS:
        ds_mp_put_uint(builder, request->no_rows ? 1 : 0);
        break;
    default:
        put_prove(builder, request);
    }
}

static bool has_health(const struct ds_health *health)
{
    return health->unsent != 0 || health->oldest_unsent_ms != 0 || health->boot != 0 ||
           health->mono_ms != 0 || health->wall_ms != 0 || health->battery_percent != 0 ||
           health->free_kib != 0 || health->version.size > 0 || health->doubt.count > 0;
}

void ds_request_put(struct ds_builder *builder, const struct ds_request *request)
{
    const bool has[] = {
        [REQUEST_VERSION] = true,
        [REQUEST_EPOCH] = request->epoch != 0,
        [REQUEST_BATCHES] = request->batch_count > 0,
        [REQUEST_CURSORS] = request->cursor_count > 0,
        [REQUEST_LANES] = request->lane_count > 0,
        [REQUEST_HEALTH] = has_health(&request->health),
        /* 0 stands for the default, which is not written. */
        [REQUEST_BUDGET] = request->budget != 0 && request->budget != DS_BUDGET_DEFAULT,
        [REQUEST_RELAYED] = request->relayed_count > 0,
        [REQUEST_WITNESS] = request->witness_size > 0,
        [REQUEST_KEYS] = request->key_count > 0,
        [REQUEST_NO_ROWS] = request->no_rows,
        [REQUEST_PROVE] = request->prove_count > 0,
        [REQUEST_LEASE] = request->lease_wanted,
        [REQUEST_OBEYED] = request->obeyed != 0,
    };
    ds_exchange_put_map(builder, has, DS_COUNT(has));
    for (size_t key = 0; key < DS_COUNT(has); key++) {
        if (has[key]) {
            ds_mp_put_uint(builder, key);
            put_value(builder, request, key);
        }
    }
}

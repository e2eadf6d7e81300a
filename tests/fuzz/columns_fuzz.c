/* Columns: a request, an answer, a batch and a list from any bytes. What is taken is put again and
 * comes back the same; nothing is larger than its arena. */
#include "sync/core/columns_batch.h"
#include "sync/crypto/crypto.h"
#include "sync/shard/envelope.h"
#include "sync/shard/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 16 << 20, OUT = 4 << 20, LIST = 64, ROOM = 1 << 20 };
static uint8_t arena_memory[ARENA];
static uint8_t out_memory[OUT];
static const struct ds_scope scopes[] = {{DS_SCOPE_CATALOGUE, {{1}}, 1}, {DS_SCOPE_BOOK, {{2}}, 1}};
static const struct ds_secret key = {{7}};

/* A world that knows everything asked, from the asking alone. */
static bool meter_at(void *of, const struct ds_id *book, uint32_t order, struct ds_id *meter)
{
    (void)of;
    *meter = *book;
    meter->byte[0] = (uint8_t)order;
    return true;
}

static bool held(void *of, uint8_t type, const struct ds_id *id, struct ds_slice *fields)
{
    static const uint8_t row[] = {0x82, 10, 0xcd, 4, 0x57, 22, 0xcd, 5, 0x57};
    (void)of;
    (void)type;
    *fields = DS_SLICE_OF(row);
    return id->byte[0] % 2 == 0;
}

static bool held_from(void *of, uint8_t type, const struct ds_id *from, struct ds_id *id)
{
    (void)of;
    *id = *from;
    id->byte[15] = type;
    return true;
}

static bool chain(void *of, const struct ds_incarnation *incarnation, enum ds_lane lane,
                  uint64_t seq, struct ds_hash *hash)
{
    (void)of;
    (void)lane;
    memset(hash, incarnation->byte[0], sizeof(*hash));
    return seq % 3 != 0;
}

static bool take_key(void *of, const struct ds_id *id, const struct ds_secret *taken)
{
    (void)of;
    return id->byte[0] == taken->byte[0] || id->byte[1] == 0;
}

static void list(struct ds_wire *wire, struct ds_slice bytes)
{
    struct ds_columns_context nothing = {.of = NULL};
    struct ds_columns_item items[LIST];
    struct ds_columns_item again[LIST];
    struct ds_cursor cursor;
    struct ds_builder out;
    size_t count = bytes.size > 0 ? 1 + bytes.data[0] % LIST : 0;
    ds_cursor_init(&cursor, bytes);
    (void)ds_take_u8(&cursor);
    if (count == 0 || !ds_columns_take(&cursor, wire->arena, &nothing, items, count, ROOM)) {
        return;
    }
    ds_builder_init(&out, out_memory, OUT);
    if (!ds_columns_put(&out, wire->arena, &nothing, items, count)) {
        return; /* More kinds of a tag than this writer makes. */
    }
    ds_cursor_init(&cursor, (struct ds_slice){out.data, out.used});
    if (!ds_columns_take(&cursor, wire->arena, &nothing, again, count, ROOM) ||
        ds_cursor_end(&cursor) != DS_OK) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        if (again[i].sort != items[i].sort || !ds_slice_equal(again[i].fields, items[i].fields)) {
            abort();
        }
    }
}

static void request(struct ds_wire *wire, struct ds_slice bytes)
{
    static struct ds_request taken;
    static struct ds_request again;
    struct ds_builder out;
    if (ds_wire_request_take(bytes, wire, &taken, NULL) != DS_OK || taken.not_understood) {
        return;
    }
    (void)ds_wire_cursors(wire, &taken);
    ds_builder_init(&out, out_memory, OUT);
    if (ds_wire_request_put(&out, wire, &taken) != DS_OK) {
        return;
    }
    if (ds_wire_request_take((struct ds_slice){out.data, out.used}, wire, &again, NULL) != DS_OK ||
        again.batch_count != taken.batch_count || again.lane_count != taken.lane_count ||
        again.epoch != taken.epoch || again.health.wall_ms != taken.health.wall_ms) {
        abort();
    }
    for (size_t i = 0; i < taken.batch_count && !again.not_understood; i++) {
        if (!ds_slice_equal(again.batches[i], taken.batches[i])) {
            abort();
        }
    }
}

static void answer(struct ds_wire *wire, struct ds_slice bytes)
{
    static struct ds_response taken;
    static struct ds_wire_asked asked = {.epoch = 1,
                                         .at_one = true,
                                         .position = 40,
                                         .scopes_known = true,
                                         .wall_ms = 1769700000000,
                                         .lane_count = 1,
                                         .sent_count = 1};
    asked.lanes[0] = (struct ds_lane_state){.incarnation = {{5}}, .lane = DS_LANE_WORK, .seq = 12};
    asked.sent[0] = (struct ds_taken){.incarnation = {{5}}, .lane = DS_LANE_WORK, .last_seq = 12};
    if (ds_wire_response_take(bytes, wire, &asked, &taken, NULL) != DS_OK) {
        return;
    }
    for (size_t i = 0; i < taken.page_count; i++) {
        for (size_t r = 0; r < taken.pages[i].row_count; r++) {
            if (taken.pages[i].rows[r].type == 0) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ds_envelope_codec codec;
    struct ds_arena arena;
    if (size == 0 || ds_crypto_init() != DS_OK ||
        (codec.compress == NULL && ds_envelope_codec_init(&codec) != DS_OK)) {
        return 0;
    }
    ds_arena_init(&arena, arena_memory, ARENA);
    struct ds_wire wire = {.station = {{1}},
                           .device = {{2}},
                           .worker = {{3}},
                           .scopes = scopes,
                           .scope_count = DS_COUNT(scopes),
                           .arena = &arena,
                           .meter_at = meter_at,
                           .held = held,
                           .held_from = held_from,
                           .chain = chain,
                           .take_key = take_key,
                           .codec = &codec,
                           .down = &key};
    struct ds_slice bytes = {data + 1, size - 1};
    switch (data[0] % 3) {
    case 0:
        list(&wire, bytes);
        break;
    case 1:
        request(&wire, bytes);
        break;
    default:
        answer(&wire, bytes);
    }
    return 0;
}

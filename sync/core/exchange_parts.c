#include "sync/core/exchange_parts.h"

#include "schema/codec/msgpack.h"

#include <string.h>

/* ---- Scopes. ---- */

void ds_put_scope(struct ds_builder *builder, const struct ds_scope *scope)
{
    ds_put_u8(builder, scope->kind);
    ds_put_id(builder, &scope->key);
    ds_put_u8(builder, scope->view);
}

struct ds_scope ds_take_scope(struct ds_cursor *cursor)
{
    struct ds_scope scope;
    scope.kind = ds_take_u8(cursor);
    scope.key = ds_take_id(cursor);
    scope.view = ds_take_u8(cursor);
    return scope;
}

int ds_scope_compare(const struct ds_scope *a, const struct ds_scope *b)
{
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    int order = memcmp(a->key.byte, b->key.byte, sizeof(a->key.byte));
    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return a->view == b->view ? 0 : (a->view < b->view ? -1 : 1);
}

struct ds_scope ds_exchange_take_scope(struct ds_reader *reader)
{
    struct ds_scope scope;
    scope.kind = (uint8_t)ds_reader_uint(reader, 1, UINT8_MAX);
    scope.key = ds_reader_id(reader);
    scope.view = (uint8_t)ds_reader_uint(reader, 0, UINT8_MAX);
    return scope;
}

void ds_exchange_put_scope(struct ds_builder *builder, const struct ds_scope *scope)
{
    ds_mp_put_uint(builder, scope->kind);
    ds_mp_put_id(builder, &scope->key);
    ds_mp_put_uint(builder, scope->view);
}

struct ds_cursor_at ds_exchange_take_cursor(struct ds_reader *reader)
{
    struct ds_cursor_at at;
    at.scope = ds_exchange_take_scope(reader);
    at.position = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
    at.ordinal = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
    at.phase = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
    return at;
}

void ds_exchange_put_cursor(struct ds_builder *builder, const struct ds_cursor_at *cursor)
{
    ds_exchange_put_scope(builder, &cursor->scope);
    ds_mp_put_uint(builder, cursor->position);
    ds_mp_put_uint(builder, cursor->ordinal);
    ds_mp_put_uint(builder, cursor->phase);
}

/* ---- Lists. ---- */

void *ds_exchange_list(struct ds_reader *reader, struct ds_arena *arena, size_t count, size_t size)
{
    if (count == 0 || reader->err != DS_OK) {
        return NULL;
    }
    void *list = ds_arena_alloc(arena, count * size);
    if (list == NULL) {
        ds_reader_fail(reader, DS_ERR_LIMIT, "no room left in the arena");
    }
    return list;
}

struct ds_slice *ds_exchange_take_bins(struct ds_reader *reader, struct ds_arena *arena,
                                       uint32_t max_count, size_t max_size, size_t *count)
{
    uint32_t found = ds_reader_array(reader, max_count);
    struct ds_slice *bins = ds_exchange_list(reader, arena, found, sizeof(*bins));
    *count = bins == NULL ? 0 : found;
    for (size_t i = 0; i < *count && reader->err == DS_OK; i++) {
        reader->item = i + 1;
        bins[i] = ds_reader_bin(reader, max_size);
    }
    return bins;
}

void ds_exchange_put_bins(struct ds_builder *builder, const struct ds_slice *bins, size_t count)
{
    ds_mp_put_array(builder, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ds_mp_put_bin(builder, bins[i]);
    }
}

struct ds_wrapped_key *ds_exchange_take_keys(struct ds_reader *reader, struct ds_arena *arena,
                                             size_t *count)
{
    uint32_t found = ds_reader_array(reader, DS_KEYS_MAX);
    struct ds_wrapped_key *keys = ds_exchange_list(reader, arena, found, sizeof(*keys));
    *count = keys == NULL ? 0 : found;
    for (size_t i = 0; i < *count && reader->err == DS_OK; i++) {
        reader->item = i + 1;
        ds_reader_tuple(reader, 2);
        keys[i].key_id = ds_reader_id(reader);
        const uint8_t *wrapped = ds_reader_fixed(reader, DS_WRAPPED_KEY_SIZE);
        keys[i].wrapped = (struct ds_slice){wrapped, wrapped == NULL ? 0 : DS_WRAPPED_KEY_SIZE};
    }
    return keys;
}

void ds_exchange_put_keys(struct ds_builder *builder, const struct ds_wrapped_key *keys,
                          size_t count)
{
    ds_mp_put_array(builder, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ds_mp_put_array(builder, 2);
        ds_mp_put_id(builder, &keys[i].key_id);
        ds_mp_put_bin(builder, keys[i].wrapped);
    }
}

/* ---- Lanes. ---- */

bool ds_lane_chain_is(const struct ds_lane_state *lane, const struct ds_hash *chain)
{
    size_t known = lane->chain_known == 0 ? sizeof(chain->byte) : lane->chain_known;
    return memcmp(lane->chain.byte, chain->byte, known) == 0;
}

struct ds_incarnation ds_exchange_take_incarnation(struct ds_reader *reader)
{
    struct ds_incarnation incarnation = {{0}};
    const uint8_t *bytes = ds_reader_fixed(reader, sizeof(incarnation.byte));
    if (bytes != NULL) {
        memcpy(incarnation.byte, bytes, sizeof(incarnation.byte));
    }
    return incarnation;
}

void ds_exchange_put_incarnation(struct ds_builder *builder,
                                 const struct ds_incarnation *incarnation)
{
    ds_mp_put_bin(builder, DS_SLICE_OF(incarnation->byte));
}

size_t ds_exchange_take_lanes(struct ds_reader *reader, enum ds_lane_form form,
                              struct ds_lane_state *lanes)
{
    uint32_t count = ds_reader_array(reader, DS_LANES_MAX);
    for (uint32_t i = 0; i < count && reader->err == DS_OK; i++) {
        struct ds_lane_state *lane = &lanes[i];
        reader->item = i + 1;
        ds_reader_tuple(reader, (uint32_t)form);
        lane->incarnation = ds_exchange_take_incarnation(reader);
        lane->lane = ds_reader_uint(reader, DS_LANE_WORK, DS_LANE_TRACK);
        lane->seq = ds_reader_uint(reader, 0, DS_SEQ_MAX);
        lane->chain = ds_reader_hash(reader);
        if (form == DS_LANE_HELD) {
            lane->position = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        }
    }
    return count;
}

void ds_exchange_put_lanes(struct ds_builder *builder, enum ds_lane_form form,
                           const struct ds_lane_state *lanes, size_t count)
{
    ds_mp_put_array(builder, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ds_mp_put_array(builder, (uint32_t)form);
        ds_exchange_put_incarnation(builder, &lanes[i].incarnation);
        ds_mp_put_uint(builder, lanes[i].lane);
        ds_mp_put_uint(builder, lanes[i].seq);
        ds_mp_put_hash(builder, &lanes[i].chain);
        if (form == DS_LANE_HELD) {
            ds_mp_put_uint(builder, lanes[i].position);
        }
    }
}

static void take_proof(struct ds_reader *outer, struct ds_proof *proof)
{
    struct ds_reader reader;
    ds_reader_bare(&reader, outer->cursor, "response proof", outer->detail);
    proof->count = ds_reader_array(&reader, DS_PROOF_HASHES_MAX);
    for (size_t i = 0; i < proof->count && reader.err == DS_OK; i++) {
        reader.item = i + 1;
        proof->hash[i] = ds_reader_hash(&reader);
    }
    ds_reader_end_inner(outer, &reader, 0);
}

struct ds_proof *ds_exchange_take_proofs(struct ds_reader *reader, struct ds_arena *arena,
                                         size_t *count)
{
    uint32_t wanted = ds_reader_array(reader, DS_PROOFS_MAX);
    struct ds_proof *proofs = ds_exchange_list(reader, arena, wanted, sizeof(*proofs));
    *count = proofs == NULL ? 0 : wanted;
    for (size_t i = 0; i < *count && reader->err == DS_OK; i++) {
        reader->item = i + 1;
        take_proof(reader, &proofs[i]);
    }
    return proofs;
}

void ds_exchange_put_proofs(struct ds_builder *builder, const struct ds_proof *proofs, size_t count)
{
    ds_mp_put_array(builder, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ds_mp_put_array(builder, (uint32_t)proofs[i].count);
        for (size_t k = 0; k < proofs[i].count; k++) {
            ds_mp_put_hash(builder, &proofs[i].hash[k]);
        }
    }
}

void ds_exchange_put_map(struct ds_builder *builder, const bool *has, size_t count)
{
    uint32_t pairs = 0;
    for (size_t key = 0; key < count; key++) {
        pairs += has[key] ? 1 : 0;
    }
    ds_mp_put_map(builder, pairs);
}

enum ds_err ds_exchange_end(struct ds_reader *reader, uint64_t required)
{
    DS_TRY(ds_reader_end(reader, required));
    if (ds_cursor_end(reader->cursor) != DS_OK) {
        ds_reader_fail(reader, DS_ERR_DECODE, "bytes behind its last value");
    }
    return reader->err;
}

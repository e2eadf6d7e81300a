#include "sync/core/op.h"

#include "schema/codec/msgpack.h"
#include "schema/record.h"
#include "sync/core/reader.h"

#include <string.h>

/* Keys of an op (FORMAT.md, "Op"). */
enum {
    OP_TYPE = 1,
    OP_ENTITY = 2,
    OP_SEEN = 3,
    OP_MONO = 4,
    OP_SHIFT = 5,
    OP_SOURCE = 6,
    OP_FIELDS = 7
};
#define OP_REQUIRED (DS_READER_KEY(OP_TYPE) | DS_READER_KEY(OP_MONO) | DS_READER_KEY(OP_FIELDS))

bool ds_incarnation_equal(const struct ds_incarnation *a, const struct ds_incarnation *b)
{
    return memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}

bool ds_incarnation_is_none(const struct ds_incarnation *incarnation)
{
    static const struct ds_incarnation none;
    return ds_incarnation_equal(incarnation, &none);
}

struct ds_id ds_op_id(const struct ds_incarnation *incarnation, enum ds_lane lane, uint64_t seq)
{
    DS_ASSERT(seq <= DS_SEQ_MAX);
    struct ds_id id;
    struct ds_builder builder;
    ds_builder_init(&builder, id.byte, sizeof(id.byte));
    ds_put_bytes(&builder, DS_SLICE_OF(incarnation->byte));
    ds_put_u64(&builder, (uint64_t)lane << 56 | seq);
    DS_ASSERT(!builder.failed);
    return id;
}

/* ---- Reading one op. ---- */

/* A key whose value is the default must not stand there: one op has one encoding. */
static int64_t take_shift(struct ds_reader *reader)
{
    int64_t shift = ds_reader_int(reader, -2 * DS_INSTANT_MS_MAX, 2 * DS_INSTANT_MS_MAX);
    if (shift > -DS_SHIFT_MS_MIN && shift < DS_SHIFT_MS_MIN) {
        ds_reader_fail(reader, DS_ERR_DECODE, "a shift below 1000 ms must be absent");
    }
    return shift;
}

static struct ds_id take_entity(struct ds_reader *reader)
{
    struct ds_id id = ds_reader_id(reader);
    if (ds_id_is_none(&id)) {
        ds_reader_fail(reader, DS_ERR_DECODE, "an entity of zeros must be absent");
    }
    return id;
}

/* The op was scanned as a whole; so where the fields are its last value they are simply the rest,
 * and the hot path does not walk them twice. */
static struct ds_slice take_fields(struct ds_reader *reader)
{
    struct ds_cursor *cursor = reader->cursor;
    if (reader->left > 0 || cursor->failed || ds_mp_peek(cursor) != DS_MP_MAP) {
        return ds_reader_raw_map(reader);
    }
    return ds_take_bytes(cursor, ds_cursor_left(cursor));
}

static enum ds_err parse_op(struct ds_slice raw, struct ds_op *op, struct ds_detail *detail)
{
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, raw);
    ds_reader_map(&reader, &cursor, "op", detail);
    while (ds_reader_next(&reader)) {
        switch (reader.key) {
        case OP_TYPE:
            op->type = ds_reader_uint(&reader, 1, DS_RECORD_NUMBER_MAX);
            break;
        case OP_ENTITY:
            op->id = take_entity(&reader);
            break;
        case OP_SEEN:
            op->seen = ds_reader_uint(&reader, 1, DS_READER_UINT_MAX);
            break;
        case OP_MONO:
            op->mono_ms = ds_reader_uint(&reader, 0, DS_MONO_MS_MAX);
            break;
        case OP_SHIFT:
            op->shift_ms = take_shift(&reader);
            break;
        case OP_SOURCE:
            op->source = ds_reader_uint(&reader, 1, DS_SOURCE_MAX);
            break;
        case OP_FIELDS:
            op->fields = take_fields(&reader);
            break;
        default:
            ds_reader_skip(&reader);
        }
    }
    op->raw = raw;
    return ds_reader_end(&reader, OP_REQUIRED);
}

enum ds_err ds_op_take(struct ds_cursor *cursor, struct ds_op *op, struct ds_detail *detail)
{
    *op = (struct ds_op){0};
    struct ds_cursor rest = *cursor;
    struct ds_slice bytes = ds_take_bytes(&rest, ds_cursor_left(&rest));
    struct ds_detail inner;
    inner.text[0] = 0;
    size_t size = 0;
    enum ds_err err = ds_mp_scan_prefix(bytes, &size, detail == NULL ? NULL : &inner);
    if (err != DS_OK) {
        ds_detail_set(detail, "op: ", inner.text, NULL);
    } else if (size > DS_OP_SIZE_MAX) {
        err = DS_ERR_LIMIT;
        ds_detail_set(detail, "op: more than 32768 bytes", NULL);
    } else {
        err = parse_op(ds_take_bytes(cursor, size), op, detail);
    }
    if (err != DS_OK) {
        cursor->failed = true;
    }
    return err;
}

/* ---- Writing one op. ---- */

void ds_op_put(struct ds_builder *builder, const struct ds_op *op)
{
    bool entity = !ds_id_is_none(&op->id);
    bool shift = op->shift_ms <= -DS_SHIFT_MS_MIN || op->shift_ms >= DS_SHIFT_MS_MIN;
    uint32_t pairs = 3 + (uint32_t)entity + (op->seen > 0) + (uint32_t)shift + (op->source > 0);
    ds_mp_put_map(builder, pairs);
    ds_mp_put_uint(builder, OP_TYPE);
    ds_mp_put_uint(builder, op->type);
    if (entity) {
        ds_mp_put_uint(builder, OP_ENTITY);
        ds_mp_put_id(builder, &op->id);
    }
    if (op->seen > 0) {
        ds_mp_put_uint(builder, OP_SEEN);
        ds_mp_put_uint(builder, op->seen);
    }
    ds_mp_put_uint(builder, OP_MONO);
    ds_mp_put_uint(builder, op->mono_ms);
    if (shift) {
        ds_mp_put_uint(builder, OP_SHIFT);
        ds_mp_put_int(builder, op->shift_ms);
    }
    if (op->source > 0) {
        ds_mp_put_uint(builder, OP_SOURCE);
        ds_mp_put_uint(builder, op->source);
    }
    ds_mp_put_uint(builder, OP_FIELDS);
    ds_mp_put_raw(builder, op->fields);
}

/* ---- The chain. ---- */

struct ds_hash ds_chain_start(const struct ds_incarnation *incarnation, enum ds_lane lane)
{
    uint8_t number = (uint8_t)lane;
    return ds_hash3(DS_SLICE_LIT("doorstep chain 1"), DS_SLICE_OF(incarnation->byte),
                    DS_SLICE_OF(number));
}

struct ds_hash ds_op_hash(struct ds_slice op)
{
    return ds_hash3(DS_SLICE_LIT("doorstep op 1"), op, (struct ds_slice){NULL, 0});
}

struct ds_hash ds_chain_step(const struct ds_hash *before, const struct ds_hash *op_hash)
{
    return ds_hash3(DS_SLICE_LIT("doorstep next 1"), DS_SLICE_OF(before->byte),
                    DS_SLICE_OF(op_hash->byte));
}

struct ds_hash ds_chain_next(const struct ds_hash *before, struct ds_slice op)
{
    struct ds_hash hash = ds_op_hash(op);
    return ds_chain_step(before, &hash);
}

struct ds_incarnation ds_branch_name(const struct ds_incarnation *incarnation, enum ds_lane lane,
                                     const struct ds_hash *after)
{
    struct ds_incarnation branch;
    struct ds_hasher hasher;
    uint8_t number = (uint8_t)lane;
    ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, sizeof(branch.byte));
    ds_hasher_add(&hasher, DS_SLICE_LIT("doorstep branch 1"));
    ds_hasher_add(&hasher, DS_SLICE_OF(incarnation->byte));
    ds_hasher_add(&hasher, DS_SLICE_OF(number));
    ds_hasher_add(&hasher, DS_SLICE_OF(after->byte));
    ds_hasher_end(&hasher, branch.byte, sizeof(branch.byte));
    return branch;
}

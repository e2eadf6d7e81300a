/* Sealed batches: [bin header, bin ops, bin64 signature]. */
#include "schema/codec/msgpack.h"
#include "sync/core/op.h"
#include "sync/core/reader.h"

#include <string.h>

enum { BATCH_PARTS = 3, SIGNATURE_SIZE = 64, SUITE = 1 };
/* Keys of the header (FORMAT.md, "Batch"). */
enum {
    HEADER_SUITE = 1,
    HEADER_STATION = 2,
    HEADER_DEVICE = 3,
    HEADER_INCARNATION = 4,
    HEADER_LANE = 5,
    HEADER_FIRST_SEQ = 6,
    HEADER_COUNT = 7,
    HEADER_BEFORE = 8,
    HEADER_HEAD = 9,
    HEADER_EPOCH = 10,
    HEADER_BOOT = 11,
    HEADER_BASE = 12,
    HEADER_SOURCE = 13,
    HEADER_PAIRS = 13
};
#define HEADER_REQUIRED                                                                            \
    ((DS_READER_KEY(HEADER_PAIRS + 1) - 1) & ~UINT64_C(1)) /* 1..13, that is all of them. */

static uint64_t take_suite(struct ds_reader *reader)
{
    uint64_t suite = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
    if (suite > SUITE) {
        ds_reader_fail(reader, DS_ERR_VERSION, "a later suite than 1");
    }
    return suite;
}

static struct ds_incarnation take_incarnation(struct ds_reader *reader)
{
    struct ds_incarnation incarnation = {{0}};
    const uint8_t *bytes = ds_reader_fixed(reader, sizeof(incarnation.byte));
    if (bytes != NULL) {
        memcpy(incarnation.byte, bytes, sizeof(incarnation.byte));
        if (ds_incarnation_is_none(&incarnation)) {
            ds_reader_fail(reader, DS_ERR_DECODE, "an incarnation of zeros");
        }
    }
    return incarnation;
}

static void take_clock_key(struct ds_reader *reader, struct ds_batch *batch)
{
    switch (reader->key) {
    case HEADER_EPOCH:
        batch->epoch = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        break;
    case HEADER_BOOT:
        batch->boot = ds_reader_uint(reader, 0, UINT32_MAX);
        break;
    case HEADER_BASE:
        batch->base_ms = ds_reader_int(reader, -DS_INSTANT_MS_MAX, DS_INSTANT_MS_MAX);
        break;
    case HEADER_SOURCE:
        batch->source = ds_reader_uint(reader, 1, DS_SOURCE_MAX);
        break;
    default:
        ds_reader_skip(reader);
    }
}

static void take_header_key(struct ds_reader *reader, struct ds_batch *batch)
{
    switch (reader->key) {
    case HEADER_SUITE:
        batch->suite = take_suite(reader);
        break;
    case HEADER_STATION:
        batch->station = ds_reader_id(reader);
        break;
    case HEADER_DEVICE:
        batch->device = ds_reader_id(reader);
        break;
    case HEADER_INCARNATION:
        batch->incarnation = take_incarnation(reader);
        break;
    case HEADER_LANE:
        batch->lane = (enum ds_lane)ds_reader_uint(reader, DS_LANE_WORK, DS_LANE_TRACK);
        break;
    case HEADER_FIRST_SEQ:
        batch->first_seq = ds_reader_uint(reader, 1, DS_SEQ_MAX);
        break;
    case HEADER_COUNT:
        batch->count = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
        if (batch->count > DS_BATCH_OPS_MAX) {
            ds_reader_fail(reader, DS_ERR_LIMIT, "more than 1000 ops");
        }
        break;
    case HEADER_BEFORE:
        batch->before = ds_reader_hash(reader);
        break;
    case HEADER_HEAD:
        batch->head = ds_reader_hash(reader);
        break;
    default:
        take_clock_key(reader, batch);
    }
}

static enum ds_err parse_header(struct ds_batch *batch, struct ds_detail *detail)
{
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, batch->header);
    ds_reader_map(&reader, &cursor, "batch header", detail);
    while (ds_reader_next(&reader)) {
        take_header_key(&reader, batch);
    }
    DS_TRY(ds_reader_end(&reader, HEADER_REQUIRED));
    if (ds_cursor_end(&cursor) != DS_OK) {
        ds_detail_set(detail, "batch header: bytes behind it", NULL);
        return DS_ERR_DECODE;
    }
    if (batch->first_seq + (batch->count - 1) > DS_SEQ_MAX) {
        ds_detail_set(detail, "batch header key 7: the sequences end above 2^56 - 1", NULL);
        return DS_ERR_LIMIT;
    }
    return DS_OK;
}

/* The three parts, without looking into them. */
static enum ds_err split(struct ds_slice bytes, struct ds_batch *batch, struct ds_detail *detail)
{
    *batch = (struct ds_batch){.raw = bytes};
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, bytes);
    ds_reader_bare(&reader, &cursor, "batch", detail);
    if (bytes.size > DS_BATCH_SIZE_MAX) {
        ds_reader_fail(&reader, DS_ERR_LIMIT, "more than 262144 bytes");
    } else {
        ds_reader_tuple(&reader, BATCH_PARTS);
    }
    if (reader.err == DS_OK) {
        reader.item = 1;
        batch->header = ds_reader_bin(&reader, DS_BATCH_SIZE_MAX);
        reader.item++;
        batch->ops = ds_reader_bin(&reader, DS_BATCH_SIZE_MAX);
        reader.item++;
        batch->signature = ds_reader_fixed(&reader, SIGNATURE_SIZE);
        reader.item = 0;
    }
    if (reader.err == DS_OK && ds_cursor_end(&cursor) != DS_OK) {
        ds_reader_fail(&reader, DS_ERR_DECODE, "bytes behind it");
    }
    return reader.err;
}

/* "batch op N: what" */
static void name_op(struct ds_detail *detail, uint64_t number)
{
    if (detail == NULL) {
        return;
    }
    char digits[24];
    struct ds_builder text;
    struct ds_detail inner = *detail;
    ds_builder_init(&text, digits, sizeof(digits));
    ds_put_decimal(&text, (int64_t)number);
    ds_detail_set(detail, "batch op number ", ds_builder_text(&text), ": ", inner.text, NULL);
}

static enum ds_err walk_ops(const struct ds_batch *batch, struct ds_detail *detail)
{
    struct ds_cursor cursor;
    struct ds_hash chain = batch->before;
    ds_cursor_init(&cursor, batch->ops);
    for (uint64_t i = 0; i < batch->count; i++) {
        struct ds_op op;
        enum ds_err err = ds_op_take(&cursor, &op, detail);
        if (err != DS_OK) {
            name_op(detail, i + 1);
            return err;
        }
        chain = ds_chain_next(&chain, op.raw);
    }
    if (ds_cursor_end(&cursor) != DS_OK) {
        ds_detail_set(detail, "batch: more ops than the header's key 7 says", NULL);
        return DS_ERR_DECODE;
    }
    if (!ds_hash_equal(&chain, &batch->head)) {
        ds_detail_set(detail, "batch: the ops do not lead to the header's key 9", NULL);
        return DS_ERR_SIGNATURE;
    }
    return DS_OK;
}

enum ds_err ds_batch_parse(struct ds_slice bytes, struct ds_batch *batch, struct ds_detail *detail)
{
    DS_TRY(split(bytes, batch, detail));
    DS_TRY(parse_header(batch, detail));
    /* Some 250 bytes: this adds what a walk by keys cannot see, the depth of unknown values. */
    DS_TRY(ds_reader_scan(batch->header, "batch header", detail));
    return walk_ops(batch, detail);
}

enum ds_err ds_batch_parse_trusted(struct ds_slice bytes, struct ds_batch *batch)
{
    DS_TRY(split(bytes, batch, NULL));
    return parse_header(batch, NULL);
}

enum ds_err ds_batch_parse_header(struct ds_slice header, struct ds_batch *batch,
                                  struct ds_detail *detail)
{
    *batch = (struct ds_batch){.header = header};
    DS_TRY(ds_reader_scan(header, "batch header", detail));
    return parse_header(batch, detail);
}

static void put_incarnation(struct ds_builder *builder, const struct ds_incarnation *incarnation)
{
    ds_mp_put_bin(builder, DS_SLICE_OF(incarnation->byte));
}

void ds_batch_put_header(struct ds_builder *builder, const struct ds_batch *batch)
{
    ds_mp_put_map(builder, HEADER_PAIRS);
    ds_mp_put_uint(builder, HEADER_SUITE);
    ds_mp_put_uint(builder, batch->suite);
    ds_mp_put_uint(builder, HEADER_STATION);
    ds_mp_put_id(builder, &batch->station);
    ds_mp_put_uint(builder, HEADER_DEVICE);
    ds_mp_put_id(builder, &batch->device);
    ds_mp_put_uint(builder, HEADER_INCARNATION);
    put_incarnation(builder, &batch->incarnation);
    ds_mp_put_uint(builder, HEADER_LANE);
    ds_mp_put_uint(builder, (uint64_t)batch->lane);
    ds_mp_put_uint(builder, HEADER_FIRST_SEQ);
    ds_mp_put_uint(builder, batch->first_seq);
    ds_mp_put_uint(builder, HEADER_COUNT);
    ds_mp_put_uint(builder, batch->count);
    ds_mp_put_uint(builder, HEADER_BEFORE);
    ds_mp_put_hash(builder, &batch->before);
    ds_mp_put_uint(builder, HEADER_HEAD);
    ds_mp_put_hash(builder, &batch->head);
    ds_mp_put_uint(builder, HEADER_EPOCH);
    ds_mp_put_uint(builder, batch->epoch);
    ds_mp_put_uint(builder, HEADER_BOOT);
    ds_mp_put_uint(builder, batch->boot);
    ds_mp_put_uint(builder, HEADER_BASE);
    ds_mp_put_int(builder, batch->base_ms);
    ds_mp_put_uint(builder, HEADER_SOURCE);
    ds_mp_put_uint(builder, batch->source);
}

void ds_batch_put(struct ds_builder *builder, struct ds_slice header, struct ds_slice ops,
                  const uint8_t signature[static 64])
{
    ds_mp_put_array(builder, BATCH_PARTS);
    ds_mp_put_bin(builder, header);
    ds_mp_put_bin(builder, ops);
    ds_mp_put_bin(builder, (struct ds_slice){signature, SIGNATURE_SIZE});
}

/* Canonical msgpack: the only form in which anything is signed, stored or compared.
 *
 * Every value has exactly one encoding: shortest forms, unsigned formats for all numbers >= 0,
 * maps with ascending unique unsigned integer keys, str that is UTF-8, no floating point, no
 * extension types, nesting at most DS_MP_DEPTH_MAX, no bytes behind the value. Whatever differs is
 * refused, never repaired: two encodings of one value would be two hashes of one value.
 * Writing is msgpack-c's packing templates into a builder; reading is ours, because msgpack-c's
 * unpacker believes counts and takes long forms. Pure; nothing is allocated. */
#ifndef DS_SCHEMA_CODEC_MSGPACK_H
#define DS_SCHEMA_CODEC_MSGPACK_H

#include "schema/base/bytes.h"

/* Arrays and maps around a value, itself included: [[1]] has depth 2, a number has depth 0. */
#define DS_MP_DEPTH_MAX 8

/* ---- Writing. Sticky like every ds_put: look at ds_builder_end(). The caller writes as many
 * values behind an array or map head as he announced, map keys ascending. ---- */
void ds_mp_put_uint(struct ds_builder *builder, uint64_t value);
void ds_mp_put_int(struct ds_builder *builder, int64_t value);
void ds_mp_put_bool(struct ds_builder *builder, bool value);
void ds_mp_put_nil(struct ds_builder *builder);
/* text must be UTF-8; it is not checked here. Sizes above 2^32 - 1 fail the builder. */
void ds_mp_put_str(struct ds_builder *builder, struct ds_slice text);
void ds_mp_put_bin(struct ds_builder *builder, struct ds_slice bytes);
void ds_mp_put_id(struct ds_builder *builder, const struct ds_id *id);       /* bin of 16 */
void ds_mp_put_hash(struct ds_builder *builder, const struct ds_hash *hash); /* bin of 32 */
void ds_mp_put_array(struct ds_builder *builder, uint32_t count);
void ds_mp_put_map(struct ds_builder *builder, uint32_t pairs);
/* Already canonical bytes of one value, verbatim. */
void ds_mp_put_raw(struct ds_builder *builder, struct ds_slice value);

/* ---- Scanning: the strict walk that stands before everything else. ---- */
/* Is bytes exactly one canonical value? DS_ERR_DECODE with "byte N: what" otherwise. */
DS_NODISCARD enum ds_err ds_mp_scan(struct ds_slice bytes, struct ds_detail *detail);
/* The same for the first value of bytes, whose size comes back; what follows is not looked at. */
DS_NODISCARD enum ds_err ds_mp_scan_prefix(struct ds_slice bytes, size_t *size,
                                           struct ds_detail *detail);

/* ---- Reading over a cursor, of scanned or unscanned bytes: each checks type, canonical form and
 * bounds; on failure it returns 0 or empty, sets cursor->failed and does not move. Slices borrow
 * the cursor's bytes. Key order and depth are seen by the scan and ds_mp_take_value() only. ---- */
enum ds_mp_kind {
    DS_MP_NONE, /* Failed, at the end, or a byte that no canonical value starts with. */
    DS_MP_UINT, /* 0 .. 2^64 - 1 */
    DS_MP_INT,  /* -2^63 .. -1 */
    DS_MP_NIL,
    DS_MP_BOOL,
    DS_MP_STR,
    DS_MP_BIN,
    DS_MP_ARRAY,
    DS_MP_MAP
};
enum ds_mp_kind ds_mp_peek(const struct ds_cursor *cursor); /* By the first byte alone. */

uint64_t ds_mp_take_uint(struct ds_cursor *cursor);
int64_t ds_mp_take_int(struct ds_cursor *cursor); /* UINT up to 2^63 - 1, or INT. */
bool ds_mp_take_bool(struct ds_cursor *cursor);
struct ds_slice ds_mp_take_str(struct ds_cursor *cursor); /* UTF-8 checked. */
struct ds_slice ds_mp_take_bin(struct ds_cursor *cursor);
struct ds_id ds_mp_take_id(struct ds_cursor *cursor);
struct ds_hash ds_mp_take_hash(struct ds_cursor *cursor);
/* How many values (array) or pairs (map) follow; never more than the bytes that are left. */
uint32_t ds_mp_take_array(struct ds_cursor *cursor);
uint32_t ds_mp_take_map(struct ds_cursor *cursor);
/* Take a nil if one is next. False, and nothing taken, for anything else; never fails. */
bool ds_mp_take_nil_if(struct ds_cursor *cursor);
/* The raw bytes of the next value, whatever it is, scanned as by ds_mp_scan_prefix(). */
struct ds_slice ds_mp_take_value(struct ds_cursor *cursor);

/* A canonical value as text for people, logs and golden traces:
 * {1: "表", 2: -3, 4: h'00ff', 5: nil, 6: [true, false]}. Control characters, '"' and '\' in
 * strings appear as \xNN. Bytes that are not canonical give "?" and their hex. */
void ds_mp_describe(struct ds_slice value, struct ds_builder *out);

#endif

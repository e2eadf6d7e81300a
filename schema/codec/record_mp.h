/* Records as canonical msgpack: the field map {tag: value}, driven by the tables of record.h.
 *
 * A field is absent (no pair), cleared (its pair holds nil) or valued. Pairs whose tag this build
 * does not know are kept verbatim and written again in their place, so that an old build cannot
 * wipe what a newer one wrote. Types are checked on reading; ranges by ds_validate() or
 * ds_field_check_value(). Pure; slices borrow the input. */
#ifndef DS_SCHEMA_CODEC_RECORD_MP_H
#define DS_SCHEMA_CODEC_RECORD_MP_H

#include "schema/base/arena.h"
#include "schema/record.h"

/* Write the field map of a record struct, the kept unknown pairs merged in by ascending tag.
 * DS_ERR_LIMIT if it does not fit; DS_ERR_DECODE if presence.unknown is not ascending canonical
 * pairs of unknown tags. */
DS_NODISCARD enum ds_err ds_record_encode(const struct ds_record_type *type, const void *record,
                                          struct ds_builder *out);

/* The same as an op carries it: a valued UNION field becomes the pair [its hashes, none]. */
DS_NODISCARD enum ds_err ds_record_encode_op(const struct ds_record_type *type, const void *record,
                                             struct ds_builder *out);

/* Read a field map into a record struct, which is zeroed first. map_bytes is scanned strictly.
 * Unknown pairs go to presence.unknown: borrowed when they lie together in map_bytes, else copied
 * into arena (which may be NULL: then DS_ERR_LIMIT). DS_ERR_DECODE for bytes that are not one
 * canonical map with tags 1..DS_TAG_MAX; DS_ERR_SCHEMA, "record.field: what", for a value of the
 * wrong type. Strings and byte strings borrow map_bytes. */
DS_NODISCARD enum ds_err ds_record_decode(const struct ds_record_type *type,
                                          struct ds_slice map_bytes, struct ds_arena *arena,
                                          void *record, struct ds_detail *detail);
/* The same of bytes that ds_mp_scan() has passed, or that we wrote and that a tag guards. */
DS_NODISCARD enum ds_err ds_record_decode_scanned(const struct ds_record_type *type,
                                                  struct ds_slice map_bytes, struct ds_arena *arena,
                                                  void *record, struct ds_detail *detail);

/* One value, never nil. member points to the struct's member (see the DS_C_* types). */
void ds_field_encode(const struct ds_field *field, const void *member, struct ds_builder *out);
/* DS_ERR_SCHEMA if the next value has another type, DS_ERR_DECODE if it is not canonical. */
DS_NODISCARD enum ds_err ds_field_decode(const struct ds_field *field, struct ds_cursor *cursor,
                                         void *member);

/* A UNION field inside an op is what the op changes: [add, remove], each a bin of ascending unique
 * hashes (DS_TYPE_HASHES). */
void ds_mp_put_union(struct ds_builder *out, struct ds_slice add, struct ds_slice remove);
/* DS_ERR_SCHEMA if raw is not such a pair. The slices borrow raw. */
DS_NODISCARD enum ds_err ds_union_decode(struct ds_slice raw, struct ds_slice *add,
                                         struct ds_slice *remove);

/* Is raw (one whole value) a valid value of the field: canonical, of its type, in its range?
 * Not nil. Allocation-free, no struct needed. DS_ERR_SCHEMA, "field: what". */
DS_NODISCARD enum ds_err ds_field_check_value(const struct ds_field *field, struct ds_slice raw,
                                              struct ds_detail *detail);
/* The same for a value inside an op: also nil (clears; not for REQUIRED or UNION fields), and for
 * UNION fields the pair [add, remove] and nothing else. */
DS_NODISCARD enum ds_err ds_field_check_op_value(const struct ds_field *field, struct ds_slice raw,
                                                 struct ds_detail *detail);

#endif

/* One value from one text, strictly: what JSON strings and CSV cells have in common.
 *
 * ENUM: the word of its list. TEXT: as it is. BYTES: base64url. ID, HASH: hex. Sets of hashes are
 * made one by one. Every value is checked against its field's limits. Pure. */
#ifndef DS_SCHEMA_CODEC_RECORD_TEXT_H
#define DS_SCHEMA_CODEC_RECORD_TEXT_H

#include "schema/base/arena.h"
#include "schema/record.h"

/* For ENUM, TEXT, BYTES, ID and HASH fields; another type is DS_ERR_USAGE. A TEXT is borrowed,
 * BYTES lie in arena (DS_ERR_LIMIT when full). DS_ERR_SCHEMA "field: what". */
DS_NODISCARD enum ds_err ds_field_from_text(const struct ds_field *field, struct ds_slice text,
                                            struct ds_arena *arena, void *member,
                                            struct ds_detail *detail);

/* A set of hashes that grows in ascending order. */
struct ds_hash_set {
    struct ds_hash hashes[DS_HASHES_MAX];
    size_t count;
};
/* Add the hash that text is, 64 hex digits. What is wrong, or NULL; static text. */
const char *ds_hash_set_add(struct ds_hash_set *set, struct ds_slice text);
DS_NODISCARD enum ds_err ds_hash_set_copy(const struct ds_hash_set *set, struct ds_arena *arena,
                                          struct ds_slice *made);

/* Is clear a permitted clear text of a PERSONAL field: UTF-8, no NUL, within the limits? */
DS_NODISCARD enum ds_err ds_personal_check(const struct ds_field *field, struct ds_slice clear,
                                           struct ds_detail *detail);

/* "field: what" into detail, and DS_ERR_SCHEMA. */
enum ds_err ds_field_refuse(const struct ds_field *field, const char *what,
                            struct ds_detail *detail);

#endif

/* Records from JSON, strictly: the one door between jansson and the schema.
 *
 * A text is measured (size, nesting) before jansson sees it; duplicate members, NUL in strings,
 * and bytes behind the value are refused. A record's unknown member is an error that names it:
 * nothing from outside is dropped silently. Not pure (jansson allocates). */
#ifndef DS_SCHEMA_CODEC_RECORD_JSON_JANSSON_H
#define DS_SCHEMA_CODEC_RECORD_JSON_JANSSON_H

#include "schema/base/arena.h"
#include "schema/codec/record_json.h"

#include <jansson.h>

/* Bytes of a text for ds_json_parse(). */
#define DS_JSON_SIZE_MAX (1024 * 1024)

/* Seals the clear text of a personal field (UTF-8, in the field's limits) into arena. */
struct ds_sealer {
    enum ds_err (*seal)(void *context, const struct ds_field *field, struct ds_slice clear,
                        struct ds_arena *arena, struct ds_slice *sealed);
    void *context;
};

/* *out is yours (json_decref). DS_ERR_LIMIT: larger than DS_JSON_SIZE_MAX or nested deeper than
 * DS_JSON_DEPTH_MAX; DS_ERR_DECODE, mostly "line L, column C: what", otherwise. Any JSON value is
 * taken, not only objects and arrays. */
DS_NODISCARD enum ds_err ds_json_parse(struct ds_slice text, json_t **out,
                                       struct ds_detail *detail);
/* The same for trusted files (a GeoJSON import) with a size limit of the caller's. */
DS_NODISCARD enum ds_err ds_json_parse_sized(struct ds_slice text, size_t size_max, json_t **out,
                                             struct ds_detail *detail);

/* Fill a record struct (zeroed first) from an object: null clears. Texts are copied into arena, so
 * the object may go. sealer may be NULL: then personal members are refused. Types, ranges and lists
 * are checked; REQUIRED is the caller's ds_validate(). DS_ERR_SCHEMA "record.member: what",
 * DS_ERR_LIMIT if arena is full. */
DS_NODISCARD enum ds_err ds_record_from_json(const struct ds_record_type *type,
                                             const json_t *object, const struct ds_sealer *sealer,
                                             struct ds_arena *arena, void *record,
                                             struct ds_detail *detail);
/* One member of a record struct from one JSON value (not null, not personal). */
DS_NODISCARD enum ds_err ds_field_from_json(const struct ds_field *field, const json_t *value,
                                            struct ds_arena *arena, void *member,
                                            struct ds_detail *detail);

#endif

/* Records as JSON, written: what the REST edge, exports and logs show of a record.
 *
 * Ids and hashes are lower-case hex, enums their words, HASHES arrays of hex, BYTES base64url,
 * integers numbers, booleans true and false. An absent field is left out, a cleared one is null.
 * Personal fields are sealed bytes here and never printed; a caller who may show them hands in an
 * opener that knows the clear text. Pure: writes into a builder; reading JSON is
 * record_json_jansson.h. */
#ifndef DS_SCHEMA_CODEC_RECORD_JSON_H
#define DS_SCHEMA_CODEC_RECORD_JSON_H

#include "schema/record.h"

/* Nesting of a JSON text that is let near a recursive parser. */
#define DS_JSON_DEPTH_MAX 32

/* Gives the clear text of a sealed personal field, or false: then the field is left out. The text
 * is borrowed until the next call. */
struct ds_opener {
    bool (*open)(void *context, const struct ds_field *field, struct ds_slice sealed,
                 struct ds_slice *clear);
    void *context;
};

/* A string with its quotes: ", \, controls and U+007F escaped, other UTF-8 as it is; bytes that are
 * not UTF-8 become U+FFFD. */
void ds_json_put_string(struct ds_builder *out, struct ds_slice text);
/* "name": with a comma before it unless *first, which becomes false. */
void ds_json_put_name(struct ds_builder *out, const char *name, bool *first);

/* One member of a record struct (never of a personal field: that is null). */
void ds_json_put_member(struct ds_builder *out, const struct ds_field *field, const void *member);
/* One field's value from its canonical msgpack: nil is null, a UNION field's op value is
 * {"add": [...], "remove": [...]}, a personal value is null. DS_ERR_SCHEMA if raw does not fit the
 * field; then nothing was written. */
DS_NODISCARD enum ds_err ds_json_put_field_value(struct ds_builder *out,
                                                 const struct ds_field *field, struct ds_slice raw);
/* name: value pairs of a record struct without the braces, so that the caller can add his own;
 * opener may be NULL. */
void ds_json_put_fields(struct ds_builder *out, const struct ds_record_type *type,
                        const void *record, const struct ds_opener *opener, bool *first);
/* {...} of a whole record struct. */
void ds_json_put_record(struct ds_builder *out, const struct ds_record_type *type,
                        const void *record, const struct ds_opener *opener);

/* Does the nesting of [ and { outside strings stay within depth_max? DS_ERR_LIMIT with "byte N:
 * nested deeper than M" otherwise. It stands before every parser that recurses. */
DS_NODISCARD enum ds_err ds_json_check_depth(struct ds_slice text, unsigned depth_max,
                                             struct ds_detail *detail);

#endif

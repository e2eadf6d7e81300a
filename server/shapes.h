/* The shapes of the API's JSON: one table for checking requests and for the OpenAPI document.
 *
 * shapes.def says each object once; a record of the schema is a shape too, under its own name in
 * capitals (quarantine_item: QuarantineItem), with all its fields optional and its id. */
#ifndef DS_SERVER_SHAPES_H
#define DS_SERVER_SHAPES_H

#include "schema/record.h"

#include <jansson.h>

#define DS_SHAPE_NAME_MAX 64

struct ds_shape_member {
    const char *name;
    const char *type; /* As in shapes.def. */
    const char *doc;
};
struct ds_shape {
    const char *name;
    const struct ds_record_type *base; /* NULL: none. */
    const struct ds_shape_member *members;
    size_t member_count;
    const char *doc;
};

size_t ds_shape_count(void);
/* By place; the shapes of shapes.def, without those of the bare records. */
struct ds_shape ds_shape_at(size_t place);
/* By name, a bare record's too; false if there is none. */
bool ds_shape_find(const char *name, struct ds_shape *shape);

/* Is value of that shape: every member there or optional, none unknown, each of its type (record
 * fields with their ranges and words)? DS_ERR_SCHEMA "Shape.member: what". */
DS_NODISCARD enum ds_err ds_shape_check(const char *name, const json_t *value,
                                        struct ds_detail *detail);

/* "quarantine_item" to "QuarantineItem". */
void ds_shape_record_name(const char *record, char name[static DS_SHAPE_NAME_MAX]);

/* The JSON Schema of a type as in shapes.def, and of a whole shape. */
void ds_shape_put_type(struct ds_builder *out, const char *type);
void ds_shape_put_schema(struct ds_builder *out, const struct ds_shape *shape);

#endif

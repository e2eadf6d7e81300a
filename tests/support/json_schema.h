/* A small JSON Schema validator: what our own OpenAPI document uses, and nothing more.
 *
 * type, enum, properties, required, additionalProperties (false), items, $ref inside the document,
 * pattern, minimum, maximum, maxLength, format date. Any other keyword that constrains fails the
 * test: a schema that is not understood checks nothing. */
#ifndef DS_TESTS_SUPPORT_JSON_SCHEMA_H
#define DS_TESTS_SUPPORT_JSON_SCHEMA_H

#include "tests/support/test.h"

#include <jansson.h>

#include <stdbool.h>

#define SCHEMA_WHY_SIZE 512

/* Does value follow schema (a node of document)? why: where and what is wrong. */
bool schema_follows(const json_t *document, const json_t *schema, const json_t *value,
                    char why[static SCHEMA_WHY_SIZE]);

#endif

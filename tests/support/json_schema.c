#include "tests/support/json_schema.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 32

struct walk {
    const json_t *document;
    char *why;
    char path[256];
    unsigned depth;
};

static bool follows(struct walk *walk, const json_t *schema, const json_t *value);

static bool wrong(struct walk *walk, const char *what)
{
    (void)snprintf(walk->why, SCHEMA_WHY_SIZE, "%s: %s", walk->path, what);
    return false;
}

static bool has_type(const char *type, const json_t *value)
{
    return (strcmp(type, "object") == 0 && json_is_object(value)) ||
           (strcmp(type, "array") == 0 && json_is_array(value)) ||
           (strcmp(type, "string") == 0 && json_is_string(value)) ||
           (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
           (strcmp(type, "null") == 0 && json_is_null(value));
}

static bool check_type(struct walk *walk, const json_t *type, const json_t *value)
{
    if (json_is_string(type)) {
        return has_type(json_string_value(type), value) || wrong(walk, "another type");
    }
    for (size_t i = 0; i < json_array_size(type); i++) {
        if (has_type(json_string_value(json_array_get(type, i)), value)) {
            return true;
        }
    }
    return wrong(walk, "none of its types");
}

static bool check_enum(struct walk *walk, const json_t *words, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(words); i++) {
        if (json_equal(json_array_get(words, i), value)) {
            return true;
        }
    }
    return wrong(walk, "none of its words");
}

static bool check_pattern(struct walk *walk, const json_t *pattern, const json_t *value)
{
    regex_t regex;

    if (!json_is_string(value)) {
        return true;
    }
    if (regcomp(&regex, json_string_value(pattern), REG_EXTENDED | REG_NOSUB) != 0) {
        return wrong(walk, "the pattern is not sound");
    }
    bool good = regexec(&regex, json_string_value(value), 0, NULL, 0) == 0;

    regfree(&regex);
    return good || wrong(walk, "does not match its pattern");
}

static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

static bool check_bounds(struct walk *walk, const json_t *schema, const json_t *value)
{
    const json_t *least = json_object_get(schema, "minimum");
    const json_t *most = json_object_get(schema, "maximum");
    const json_t *length = json_object_get(schema, "maxLength");

    if (json_is_integer(value) &&
        ((least != NULL && json_integer_value(value) < json_integer_value(least)) ||
         (most != NULL && json_integer_value(value) > json_integer_value(most)))) {
        return wrong(walk, "out of its range");
    }
    if (json_is_string(value) && length != NULL &&
        (json_int_t)characters(json_string_value(value)) > json_integer_value(length)) {
        return wrong(walk, "too long");
    }
    return true;
}

static bool check_member(struct walk *walk, const json_t *schema, const char *name,
                         const json_t *value)
{
    size_t size = strlen(walk->path);
    const json_t *member = json_object_get(json_object_get(schema, "properties"), name);

    (void)snprintf(walk->path + size, sizeof(walk->path) - size, "/%s", name);
    if (member == NULL) {
        return wrong(walk, "there is no such member");
    }
    bool good = follows(walk, member, value);

    walk->path[size] = '\0';
    return good;
}

static bool check_object(struct walk *walk, const json_t *schema, const json_t *value)
{
    const json_t *required = json_object_get(schema, "required");
    const char *name = NULL;
    json_t *member = NULL;

    for (size_t i = 0; i < json_array_size(required); i++) {
        name = json_string_value(json_array_get(required, i));
        if (json_object_get(value, name) == NULL) {
            char what[128];

            (void)snprintf(what, sizeof(what), "%s is missing", name);
            return wrong(walk, what);
        }
    }
    if (!json_is_false(json_object_get(schema, "additionalProperties"))) {
        return true;
    }
    json_object_foreach((json_t *)value, name, member)
    {
        if (!check_member(walk, schema, name, member)) {
            return false;
        }
    }
    return true;
}

static bool check_items(struct walk *walk, const json_t *items, const json_t *value)
{
    size_t size = strlen(walk->path);

    for (size_t i = 0; i < json_array_size(value); i++) {
        (void)snprintf(walk->path + size, sizeof(walk->path) - size, "/%zu", i);
        if (!follows(walk, items, json_array_get(value, i))) {
            return false;
        }
    }
    walk->path[size] = '\0';
    return true;
}

static const json_t *find(const struct walk *walk, const char *reference)
{
    static const char prefix[] = "#/components/schemas/";

    if (strncmp(reference, prefix, sizeof(prefix) - 1) != 0) {
        return NULL;
    }
    return json_object_get(
        json_object_get(json_object_get(walk->document, "components"), "schemas"),
        reference + sizeof(prefix) - 1);
}

static bool known_keywords(struct walk *walk, const json_t *schema)
{
    static const char *const known[] = {
        "type",    "enum",    "properties", "required",  "additionalProperties", "items", "$ref",
        "pattern", "minimum", "maximum",    "maxLength", "description",          "format"};
    const char *name = NULL;
    json_t *unused = NULL;

    json_object_foreach((json_t *)schema, name, unused)
    {
        bool found = false;

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            found = found || strcmp(known[i], name) == 0;
        }
        if (!found) {
            return wrong(walk, "a keyword that this validator does not know");
        }
    }
    return true;
}

static bool follows(struct walk *walk, const json_t *schema, const json_t *value)
{
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    const json_t *node = schema;

    if (++walk->depth > DEPTH_MAX || !known_keywords(walk, schema)) {
        return wrong(walk, "too deep, or not understood");
    }
    if (reference != NULL) {
        node = find(walk, reference);
        if (node == NULL || !known_keywords(walk, node)) {
            return wrong(walk, "refers to nothing");
        }
    }
    const json_t *type = json_object_get(node, "type");
    const json_t *words = json_object_get(node, "enum");
    const json_t *pattern = json_object_get(node, "pattern");
    const json_t *items = json_object_get(node, "items");
    bool good = (type == NULL || check_type(walk, type, value)) &&
                (words == NULL || check_enum(walk, words, value)) &&
                (pattern == NULL || check_pattern(walk, pattern, value)) &&
                check_bounds(walk, node, value) &&
                (items == NULL || check_items(walk, items, value)) &&
                (!json_is_object(value) || check_object(walk, node, value));

    walk->depth--;
    return good;
}

bool schema_follows(const json_t *document, const json_t *schema, const json_t *value,
                    char why[static SCHEMA_WHY_SIZE])
{
    struct walk walk = {.document = document, .why = why, .path = ""};

    why[0] = '\0';
    if (schema == NULL || value == NULL) {
        return wrong(&walk, "no schema, or not JSON");
    }
    return follows(&walk, schema, value);
}

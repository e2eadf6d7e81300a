#include "server/shapes.h"

#include "schema/base/text.h"
#include "schema/codec/record_json.h"

#include <string.h>

/* clang-format off */
#define DS_SHAPE(id, name, base, doc) static const struct ds_shape_member id##_members[] = {
#define DS_MEMBER(name, type, doc) {#name, type, doc},
#define DS_SHAPE_END(id) };
#include "server/shapes.def"
#undef DS_SHAPE
#undef DS_MEMBER
#undef DS_SHAPE_END

static const struct {
    const char *name;
    const char *base;
    const struct ds_shape_member *members;
    size_t member_count;
    const char *doc;
} shapes[] = {
#define DS_SHAPE(id, name, base, doc) {#name, #base, id##_members, DS_COUNT(id##_members), doc},
#define DS_MEMBER(name, type, doc)
#define DS_SHAPE_END(id)
#include "server/shapes.def"
#undef DS_SHAPE
#undef DS_MEMBER
#undef DS_SHAPE_END
};
/* clang-format on */

size_t ds_shape_count(void)
{
    return DS_COUNT(shapes);
}

struct ds_shape ds_shape_at(size_t place)
{
    DS_ASSERT(place < DS_COUNT(shapes));
    return (struct ds_shape){
        .name = shapes[place].name,
        .base = ds_record_type_by_name(ds_slice_of_text(shapes[place].base)),
        .members = shapes[place].members,
        .member_count = shapes[place].member_count,
        .doc = shapes[place].doc,
    };
}

void ds_shape_record_name(const char *record, char name[static DS_SHAPE_NAME_MAX])
{
    size_t used = 0;
    bool capital = true;

    for (const char *at = record; *at != '\0' && used + 1 < DS_SHAPE_NAME_MAX; at++) {
        if (*at == '_') {
            capital = true;
            continue;
        }
        name[used] = *at;
        if (capital && *at >= 'a' && *at <= 'z') {
            name[used] = (char)(*at - 'a' + 'A');
        }
        used++;
        capital = false;
    }
    name[used] = '\0';
}

bool ds_shape_find(const char *name, struct ds_shape *shape)
{
    size_t count = 0;
    const struct ds_record_type *types = ds_record_types(&count);

    for (size_t i = 0; i < DS_COUNT(shapes); i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            *shape = ds_shape_at(i);
            return true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        char of_record[DS_SHAPE_NAME_MAX];

        ds_shape_record_name(types[i].name, of_record);
        if (strcmp(of_record, name) == 0) {
            *shape = (struct ds_shape){.name = name, .base = &types[i], .doc = types[i].doc};
            return true;
        }
    }
    return false;
}

/* ---- Types ---- */

struct type {
    char word[DS_SHAPE_NAME_MAX]; /* Without the brackets and the question mark. */
    bool array;
    bool optional;
    enum ds_list list; /* Of an enum:LIST. */
};

static enum ds_list list_of(const char *name)
{
    static const char *const names[] = {"none",
#define X(list, LIST) #list,
                                        DS_ENUM_LISTS(X)
#undef X
    };

    for (size_t i = 1; i < DS_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return (enum ds_list)i;
        }
    }
    return DS_LIST_none;
}

static struct type parse_type(const char *text)
{
    struct type type = {.array = text[0] == '['};
    size_t size = strlen(text);

    type.optional = size > 0 && text[size - 1] == '?';
    size -= type.optional;
    if (type.array) {
        text++;
        size -= 2;
    }
    DS_ASSERT(size > 0 && size < sizeof(type.word));
    memcpy(type.word, text, size);
    if (strncmp(type.word, "enum:", 5) == 0) {
        type.list = list_of(type.word + 5);
        DS_ASSERT(type.list != DS_LIST_none);
    }
    return type;
}

/* ---- Checking ---- */

static enum ds_err fault(struct ds_detail *detail, const char *where, const char *member,
                         const char *what)
{
    ds_detail_set(detail, where, member[0] != '\0' ? "." : "", member, ": ", what,
                  (const char *)NULL);
    return DS_ERR_SCHEMA;
}

static bool is_hex(const json_t *value, size_t size)
{
    uint8_t bytes[32];

    return json_is_string(value) && json_string_length(value) == 2 * size &&
           ds_hex_parse(ds_slice_of_text(json_string_value(value)), bytes, size) == DS_OK;
}

static bool is_word(enum ds_list list, const json_t *value)
{
    return json_is_string(value) &&
           ds_enum_number(list, ds_slice_of_text(json_string_value(value))) != 0;
}

static const char *const plain_types[] = {"int", "bool", "text", "id", "hash", "day", "any"};

static bool is_plain(const char *word)
{
    for (size_t i = 0; i < DS_COUNT(plain_types); i++) {
        if (strcmp(plain_types[i], word) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL if value is of the plain type or enum, else what it must be. */
static const char *wrong_plain(const struct type *type, const json_t *value)
{
    struct ds_date date;

    if (type->list != DS_LIST_none) {
        return is_word(type->list, value) ? NULL : "must be a word of its list";
    }
    if (strcmp(type->word, "int") == 0) {
        return json_is_integer(value) ? NULL : "must be an integer";
    }
    if (strcmp(type->word, "bool") == 0) {
        return json_is_boolean(value) ? NULL : "must be true or false";
    }
    if (strcmp(type->word, "text") == 0) {
        return json_is_string(value) ? NULL : "must be a string";
    }
    if (strcmp(type->word, "id") == 0) {
        return is_hex(value, 16) ? NULL : "must be 32 hex digits";
    }
    if (strcmp(type->word, "hash") == 0) {
        return is_hex(value, 32) ? NULL : "must be 64 hex digits";
    }
    if (strcmp(type->word, "day") == 0) {
        return json_is_string(value) &&
                       ds_date_parse(ds_slice_of_text(json_string_value(value)), &date) == DS_OK
                   ? NULL
                   : "must be a day like 2026-01-05";
    }
    return NULL;
}

/* Record members are read strictly where they become a record; here only that they exist. */
static bool is_member(const struct ds_shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->member_count; i++) {
        if (strcmp(shape->members[i].name, name) == 0) {
            return true;
        }
    }
    return shape->base != NULL && (strcmp(name, "id") == 0 ||
                                   ds_field_by_name(shape->base, ds_slice_of_text(name)) != NULL);
}

static enum ds_err check_one(const char *where, const struct ds_shape_member *member,
                             const struct type *type, const json_t *value, struct ds_detail *detail)
{
    if (type->list == DS_LIST_none && !is_plain(type->word)) {
        struct ds_shape inner;

        /* No shape that is taken nests deeper than a record in a list. */
        if (!ds_shape_find(type->word, &inner) || !json_is_object(value)) {
            return fault(detail, where, member->name, "must be an object");
        }
        const char *name = NULL;
        json_t *unused = NULL;

        json_object_foreach((json_t *)value, name, unused)
        {
            if (!is_member(&inner, name)) {
                return fault(detail, inner.name, name, "there is no such member");
            }
        }
        return DS_OK;
    }
    const char *wrong = wrong_plain(type, value);

    return wrong == NULL ? DS_OK : fault(detail, where, member->name, wrong);
}

static enum ds_err check_member(const char *where, const struct ds_shape_member *member,
                                const json_t *value, struct ds_detail *detail)
{
    const struct type type = parse_type(member->type);

    if (value == NULL) {
        return type.optional ? DS_OK : fault(detail, where, member->name, "is missing");
    }
    if (!type.array) {
        return check_one(where, member, &type, value, detail);
    }
    if (!json_is_array(value)) {
        return fault(detail, where, member->name, "must be an array");
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        DS_TRY(check_one(where, member, &type, json_array_get(value, i), detail));
    }
    return DS_OK;
}

enum ds_err ds_shape_check(const char *name, const json_t *value, struct ds_detail *detail)
{
    struct ds_shape shape;
    const char *key = NULL;
    json_t *unused = NULL;
    bool known = ds_shape_find(name, &shape);

    DS_ASSERT(known);
    if (!json_is_object(value)) {
        return fault(detail, name, "", "must be an object");
    }
    json_object_foreach((json_t *)value, key, unused)
    {
        if (!is_member(&shape, key)) {
            return fault(detail, name, key, "there is no such member");
        }
    }
    for (size_t i = 0; i < shape.member_count; i++) {
        DS_TRY(check_member(name, &shape.members[i], json_object_get(value, shape.members[i].name),
                            detail));
    }
    return DS_OK;
}

/* ---- JSON Schema ---- */

static void put_words(struct ds_builder *out, enum ds_list list, bool or_null)
{
    ds_put_text(out, or_null ? "{\"enum\":[" : "{\"type\":\"string\",\"enum\":[");
    for (int64_t number = 1; number <= ds_enum_last(list); number++) {
        ds_put_text(out, number > 1 ? "," : "");
        ds_json_put_string(out, ds_slice_of_text(ds_enum_name(list, number)));
    }
    ds_put_text(out, or_null ? ",null]" : "]");
}

static void put_word(struct ds_builder *out, const struct type *type)
{
    static const struct {
        const char *word;
        const char *schema;
    } plain[] = {
        {"int", "{\"type\":\"integer\"}"},
        {"bool", "{\"type\":\"boolean\"}"},
        {"text", "{\"type\":\"string\"}"},
        {"id", "{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{32}$\"}"},
        {"hash", "{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\"}"},
        {"day", "{\"type\":\"string\",\"format\":\"date\"}"},
        {"any", "{}"},
    };

    if (type->list != DS_LIST_none) {
        put_words(out, type->list, false);
        ds_put_text(out, "}");
        return;
    }
    for (size_t i = 0; i < DS_COUNT(plain); i++) {
        if (strcmp(plain[i].word, type->word) == 0) {
            ds_put_text(out, plain[i].schema);
            return;
        }
    }
    ds_put_text(out, "{\"$ref\":\"#/components/schemas/");
    ds_put_text(out, type->word);
    ds_put_text(out, "\"}");
}

void ds_shape_put_type(struct ds_builder *out, const char *type)
{
    const struct type parsed = parse_type(type);

    if (parsed.array) {
        ds_put_text(out, "{\"type\":\"array\",\"items\":");
    }
    put_word(out, &parsed);
    if (parsed.array) {
        ds_put_text(out, "}");
    }
}

static void put_range(struct ds_builder *out, const struct ds_field *field, const char *least,
                      const char *most)
{
    if (field->min == field->max) {
        return;
    }
    if (field->min != 0 || field->type == DS_TYPE_INT) {
        ds_put_text(out, ",\"");
        ds_put_text(out, least);
        ds_put_text(out, "\":");
        ds_put_decimal(out, field->min);
    }
    ds_put_text(out, ",\"");
    ds_put_text(out, most);
    ds_put_text(out, "\":");
    ds_put_decimal(out, field->max);
}

/* A record's field: its value, or null where it was cleared. Sizes are bytes of UTF-8, so they
 * bound characters from above only. */
static void put_field(struct ds_builder *out, const struct ds_field *field)
{
    switch (field->type) {
    case DS_TYPE_INT:
        ds_put_text(out, "{\"type\":[\"integer\",\"null\"]");
        put_range(out, field, "minimum", "maximum");
        break;
    case DS_TYPE_BOOL:
        ds_put_text(out, "{\"type\":[\"boolean\",\"null\"]");
        break;
    case DS_TYPE_ENUM:
        put_words(out, field->list, true);
        break;
    case DS_TYPE_TEXT:
    case DS_TYPE_PERSONAL:
        ds_put_text(out, "{\"type\":[\"string\",\"null\"],\"maxLength\":");
        ds_put_decimal(out, field->max);
        break;
    case DS_TYPE_BYTES:
        ds_put_text(out, "{\"type\":[\"string\",\"null\"],\"pattern\":\"^[A-Za-z0-9_-]*$\"");
        break;
    case DS_TYPE_ID:
        ds_put_text(out, "{\"type\":[\"string\",\"null\"],\"pattern\":\"^[0-9a-f]{32}$\"");
        break;
    case DS_TYPE_HASH:
        ds_put_text(out, "{\"type\":[\"string\",\"null\"],\"pattern\":\"^[0-9a-f]{64}$\"");
        break;
    case DS_TYPE_HASHES:
        ds_put_text(out, "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\","
                         "\"pattern\":\"^[0-9a-f]{64}$\"}");
        break;
    }
    ds_put_text(out, ",\"description\":");
    ds_json_put_string(out, ds_slice_of_text(field->doc));
    ds_put_text(out, "}");
}

/* A member's type with its description beside it. */
static void put_member(struct ds_builder *out, const struct ds_shape_member *member)
{
    ds_shape_put_type(out, member->type);
    if (out->failed || out->used < 2) {
        return;
    }
    bool bare = out->data[out->used - 2] == '{';

    out->used--; /* Its closing brace comes behind the description. */
    ds_put_text(out, bare ? "\"description\":" : ",\"description\":");
    ds_json_put_string(out, ds_slice_of_text(member->doc));
    ds_put_text(out, "}");
}

void ds_shape_put_schema(struct ds_builder *out, const struct ds_shape *shape)
{
    bool first = true;

    ds_put_text(out, "{\"type\":\"object\",\"description\":");
    ds_json_put_string(out, ds_slice_of_text(shape->doc));
    ds_put_text(out, ",\"properties\":{");
    if (shape->base != NULL) {
        ds_json_put_name(out, "id", &first);
        ds_shape_put_type(out, "id");
        for (size_t i = 0; i < shape->base->field_count; i++) {
            ds_json_put_name(out, shape->base->fields[i].name, &first);
            put_field(out, &shape->base->fields[i]);
        }
    }
    for (size_t i = 0; i < shape->member_count; i++) {
        ds_json_put_name(out, shape->members[i].name, &first);
        put_member(out, &shape->members[i]);
    }
    ds_put_text(out, "},\"required\":[");
    first = true;
    for (size_t i = 0; i < shape->member_count; i++) {
        if (!parse_type(shape->members[i].type).optional) {
            ds_put_text(out, first ? "" : ",");
            ds_json_put_string(out, ds_slice_of_text(shape->members[i].name));
            first = false;
        }
    }
    ds_put_text(out, "],\"additionalProperties\":false}");
}

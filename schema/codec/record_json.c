#include "schema/codec/record_json.h"

#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"

#include <string.h>

/* ---- Strings and names. ---- */

static void put_escaped(struct ds_builder *out, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    char short_form = '\0';
    switch (c) {
    case '"':
    case '\\':
        short_form = (char)c;
        break;
    case '\b':
        short_form = 'b';
        break;
    case '\f':
        short_form = 'f';
        break;
    case '\n':
        short_form = 'n';
        break;
    case '\r':
        short_form = 'r';
        break;
    case '\t':
        short_form = 't';
        break;
    default:
        break;
    }
    ds_put_u8(out, '\\');
    if (short_form != '\0') {
        ds_put_u8(out, (uint8_t)short_form);
        return;
    }
    ds_put_text(out, "u00");
    ds_put_u8(out, (uint8_t)digits[c >> 4]);
    ds_put_u8(out, (uint8_t)digits[c & 15]);
}

void ds_json_put_string(struct ds_builder *out, struct ds_slice text)
{
    ds_put_u8(out, '"');
    while (text.size > 0) {
        size_t size = ds_utf8_sequence(text);
        uint8_t c = text.data[0];
        if (size == 0) {
            ds_put_text(out, "\xEF\xBF\xBD");
            size = 1;
        } else if (c < 0x20 || c == 0x7F || c == '"' || c == '\\') {
            put_escaped(out, c);
        } else {
            ds_put_bytes(out, (struct ds_slice){text.data, size});
        }
        text = (struct ds_slice){text.data + size, text.size - size};
    }
    ds_put_u8(out, '"');
}

void ds_json_put_name(struct ds_builder *out, const char *name, bool *first)
{
    if (!*first) {
        ds_put_u8(out, ',');
    }
    *first = false;
    ds_json_put_string(out, ds_slice_of_text(name));
    ds_put_u8(out, ':');
}

static void put_hex_string(struct ds_builder *out, struct ds_slice bytes)
{
    ds_put_u8(out, '"');
    ds_put_hex(out, bytes);
    ds_put_u8(out, '"');
}

/* ---- Values. ---- */

static void put_hashes(struct ds_builder *out, struct ds_slice hashes)
{
    size_t each = sizeof(struct ds_hash);
    ds_put_u8(out, '[');
    for (size_t at = 0; at + each <= hashes.size; at += each) {
        ds_put_text(out, at > 0 ? "," : "");
        put_hex_string(out, (struct ds_slice){hashes.data + at, each});
    }
    ds_put_u8(out, ']');
}

static void put_number(struct ds_builder *out, const struct ds_field *field, int64_t number)
{
    const char *word = NULL;
    if (field->type == DS_TYPE_BOOL) {
        word = number != 0 ? "true" : "false";
        ds_put_text(out, word);
        return;
    }
    /* A word that this build does not know keeps its number. */
    word = field->type == DS_TYPE_ENUM ? ds_enum_name(field->list, number) : NULL;
    if (word != NULL) {
        ds_json_put_string(out, ds_slice_of_text(word));
    } else {
        ds_put_decimal(out, number);
    }
}

void ds_json_put_member(struct ds_builder *out, const struct ds_field *field, const void *member)
{
    int64_t number = 0;
    struct ds_slice slice = {NULL, 0};
    switch (field->type) {
    case DS_TYPE_INT:
    case DS_TYPE_BOOL:
    case DS_TYPE_ENUM:
        memcpy(&number, member, sizeof(number));
        put_number(out, field, number);
        return;
    case DS_TYPE_ID:
        put_hex_string(out, (struct ds_slice){member, sizeof(struct ds_id)});
        return;
    case DS_TYPE_HASH:
        put_hex_string(out, (struct ds_slice){member, sizeof(struct ds_hash)});
        return;
    case DS_TYPE_PERSONAL:
        ds_put_text(out, "null");
        return;
    case DS_TYPE_TEXT:
    case DS_TYPE_BYTES:
    case DS_TYPE_HASHES:
        memcpy(&slice, member, sizeof(slice));
        break;
    }
    if (field->type == DS_TYPE_TEXT) {
        ds_json_put_string(out, slice);
    } else if (field->type == DS_TYPE_HASHES) {
        put_hashes(out, slice);
    } else {
        ds_put_u8(out, '"');
        ds_put_base64url(out, slice);
        ds_put_u8(out, '"');
    }
}

enum ds_err ds_json_put_field_value(struct ds_builder *out, const struct ds_field *field,
                                    struct ds_slice raw)
{
    union {
        int64_t number;
        struct ds_slice slice;
        struct ds_id id;
        struct ds_hash hash;
    } member;
    struct ds_slice add;
    struct ds_slice remove;
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, raw);
    if (ds_mp_take_nil_if(&cursor)) {
        DS_TRY(ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_SCHEMA);
        ds_put_text(out, "null");
        return DS_OK;
    }
    if (field->policy == DS_POLICY_UNION && ds_union_decode(raw, &add, &remove) == DS_OK) {
        ds_put_text(out, "{\"add\":");
        put_hashes(out, add);
        ds_put_text(out, ",\"remove\":");
        put_hashes(out, remove);
        ds_put_u8(out, '}');
        return DS_OK;
    }
    if (ds_field_decode(field, &cursor, &member) != DS_OK || ds_cursor_end(&cursor) != DS_OK) {
        return DS_ERR_SCHEMA;
    }
    ds_json_put_member(out, field, &member);
    return DS_OK;
}

/* ---- Records. ---- */

/* The clear text of a personal field, if the caller may show it. */
static bool open_personal(const struct ds_opener *opener, const struct ds_field *field,
                          const void *member, struct ds_slice *clear)
{
    struct ds_slice sealed;
    memcpy(&sealed, member, sizeof(sealed));
    return opener != NULL && opener->open(opener->context, field, sealed, clear);
}

void ds_json_put_fields(struct ds_builder *out, const struct ds_record_type *type,
                        const void *record, const struct ds_opener *opener, bool *first)
{
    const struct ds_presence *presence = record;
    for (size_t i = 0; i < type->field_count; i++) {
        const struct ds_field *field = &type->fields[i];
        const void *member = (const uint8_t *)record + field->offset;
        struct ds_slice clear = {NULL, 0};
        if ((presence->set >> field->index & 1) == 0) {
            continue;
        }
        bool valued = ds_has(presence, field->index);
        bool personal = field->type == DS_TYPE_PERSONAL && valued;
        if (personal && !open_personal(opener, field, member, &clear)) {
            continue;
        }
        ds_json_put_name(out, field->name, first);
        if (!valued) {
            ds_put_text(out, "null");
        } else if (personal) {
            ds_json_put_string(out, clear);
        } else {
            ds_json_put_member(out, field, member);
        }
    }
}

void ds_json_put_record(struct ds_builder *out, const struct ds_record_type *type,
                        const void *record, const struct ds_opener *opener)
{
    bool first = true;
    ds_put_u8(out, '{');
    ds_json_put_fields(out, type, record, opener, &first);
    ds_put_u8(out, '}');
}

/* ---- Depth. ---- */

enum ds_err ds_json_check_depth(struct ds_slice text, unsigned depth_max, struct ds_detail *detail)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (in_string) {
            if (c == '\\') {
                i++; /* Whatever is escaped, it does not end the string. */
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
        if (depth > depth_max) {
            uint8_t memory[48];
            struct ds_builder numbers;
            ds_builder_init(&numbers, memory, sizeof(memory));
            ds_put_decimal(&numbers, (int64_t)i);
            ds_put_text(&numbers, ": nested deeper than ");
            ds_put_decimal(&numbers, depth_max);
            ds_detail_set(detail, "byte ", ds_builder_text(&numbers), NULL);
            return DS_ERR_LIMIT;
        }
    }
    return DS_OK;
}

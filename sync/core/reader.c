#include "sync/core/reader.h"

#include "schema/codec/msgpack.h"

enum { NUMBER_TEXT_SIZE = 24 };

/* A number of any size as text in a buffer of NUMBER_TEXT_SIZE. */
static const char *number_text(char *buffer, uint64_t value)
{
    struct ds_builder text;
    ds_builder_init(&text, buffer, NUMBER_TEXT_SIZE);
    if (value > DS_READER_UINT_MAX) { /* ds_put_decimal() is signed. */
        ds_put_decimal(&text, (int64_t)(value / 10));
        value %= 10;
    }
    ds_put_decimal(&text, (int64_t)value);
    return ds_builder_text(&text);
}

enum ds_err ds_reader_scan(struct ds_slice bytes, const char *what, struct ds_detail *detail)
{
    struct ds_detail inner = {{0}};
    enum ds_err err = ds_mp_scan(bytes, detail == NULL ? NULL : &inner);
    if (err != DS_OK) {
        ds_detail_set(detail, what, ": ", inner.text, NULL);
    }
    return err;
}

void ds_reader_bare(struct ds_reader *reader, struct ds_cursor *cursor, const char *what,
                    struct ds_detail *detail)
{
    *reader = (struct ds_reader){.cursor = cursor, .what = what, .detail = detail};
    if (cursor->failed) {
        ds_reader_fail(reader, DS_ERR_DECODE, "missing");
    }
}

void ds_reader_map(struct ds_reader *reader, struct ds_cursor *cursor, const char *what,
                   struct ds_detail *detail)
{
    ds_reader_bare(reader, cursor, what, detail);
    if (reader->err != DS_OK) {
        return;
    }
    reader->left = ds_mp_take_map(cursor);
    if (cursor->failed) {
        ds_reader_fail(reader, DS_ERR_DECODE, "not a map");
    }
    reader->in_map = true;
}

void ds_reader_fail(struct ds_reader *reader, enum ds_err err, const char *problem)
{
    if (reader->err != DS_OK) {
        return;
    }
    reader->err = err;
    reader->cursor->failed = true;
    char key[NUMBER_TEXT_SIZE];
    char item[NUMBER_TEXT_SIZE];
    bool in_item = reader->item > 0;
    ds_detail_set(reader->detail, reader->what, reader->in_map ? " key " : "",
                  reader->in_map ? number_text(key, reader->key) : "", in_item ? " item " : "",
                  in_item ? number_text(item, reader->item) : "", ": ", problem, NULL);
}

/* After a value was taken: did it come off? */
static bool taken(struct ds_reader *reader, const char *problem)
{
    if (reader->cursor->failed) {
        ds_reader_fail(reader, DS_ERR_DECODE, problem);
        return false;
    }
    return true;
}

static void fail_range(struct ds_reader *reader, uint64_t min, uint64_t max)
{
    char low[NUMBER_TEXT_SIZE];
    char high[NUMBER_TEXT_SIZE];
    struct ds_detail problem;
    ds_detail_set(&problem, "must be ", number_text(low, min), "..", number_text(high, max), NULL);
    ds_reader_fail(reader, DS_ERR_DECODE, problem.text);
}

static void fail_limit(struct ds_reader *reader, uint64_t max, const char *unit)
{
    char high[NUMBER_TEXT_SIZE];
    struct ds_detail problem;
    ds_detail_set(&problem, "more than ", number_text(high, max), unit, NULL);
    ds_reader_fail(reader, DS_ERR_LIMIT, problem.text);
}

bool ds_reader_next(struct ds_reader *reader)
{
    if (reader->err != DS_OK || reader->left == 0) {
        return false;
    }
    bool first = reader->keys == 0 && reader->key == 0;
    uint64_t key = ds_mp_take_uint(reader->cursor);
    reader->item = 0;
    if (!taken(reader, "the next key is not an unsigned integer")) {
        return false;
    }
    if (key <= reader->key && !(first && key == 0)) {
        ds_reader_fail(reader, DS_ERR_DECODE, "the next key does not ascend");
        return false;
    }
    reader->key = key;
    reader->left--;
    if (key < 64) {
        reader->keys |= DS_READER_KEY(key);
    }
    return true;
}

bool ds_reader_has(const struct ds_reader *reader, uint64_t keys)
{
    return (reader->keys & keys) == keys;
}

enum ds_err ds_reader_end(struct ds_reader *reader, uint64_t required)
{
    uint64_t missing = required & ~reader->keys;
    if (reader->err == DS_OK && missing != 0) {
        reader->key = 0;
        while ((missing & DS_READER_KEY(reader->key)) == 0) {
            reader->key++;
        }
        reader->item = 0;
        ds_reader_fail(reader, DS_ERR_DECODE, "missing");
    }
    return reader->err;
}

void ds_reader_end_inner(struct ds_reader *outer, struct ds_reader *inner, uint64_t required)
{
    enum ds_err err = ds_reader_end(inner, required);
    if (outer->err == DS_OK) {
        outer->err = err;
    }
}

uint64_t ds_reader_uint(struct ds_reader *reader, uint64_t min, uint64_t max)
{
    uint64_t value = ds_mp_take_uint(reader->cursor);
    if (!taken(reader, "not an unsigned integer")) {
        return 0;
    }
    if (value < min || value > max) {
        fail_range(reader, min, max);
        return 0;
    }
    return value;
}

int64_t ds_reader_int(struct ds_reader *reader, int64_t min, int64_t max)
{
    int64_t value = ds_mp_take_int(reader->cursor);
    if (!taken(reader, "not an integer of 64 bits")) {
        return 0;
    }
    if (value < min || value > max) {
        ds_reader_fail(reader, DS_ERR_DECODE, "out of range");
        return 0;
    }
    return value;
}

bool ds_reader_bool(struct ds_reader *reader)
{
    bool value = ds_mp_take_bool(reader->cursor);
    return taken(reader, "not a boolean") && value;
}

struct ds_id ds_reader_id(struct ds_reader *reader)
{
    struct ds_id id = ds_mp_take_id(reader->cursor);
    (void)taken(reader, "not a bin of 16 bytes");
    return id;
}

struct ds_hash ds_reader_hash(struct ds_reader *reader)
{
    struct ds_hash hash = ds_mp_take_hash(reader->cursor);
    (void)taken(reader, "not a bin of 32 bytes");
    return hash;
}

const uint8_t *ds_reader_fixed(struct ds_reader *reader, size_t size)
{
    struct ds_slice bytes = ds_mp_take_bin(reader->cursor);
    if (!taken(reader, "not a bin")) {
        return NULL;
    }
    if (bytes.size != size) {
        char text[NUMBER_TEXT_SIZE];
        struct ds_detail problem;
        ds_detail_set(&problem, "not a bin of ", number_text(text, size), " bytes", NULL);
        ds_reader_fail(reader, DS_ERR_DECODE, problem.text);
        return NULL;
    }
    return bytes.data;
}

static struct ds_slice bounded(struct ds_reader *reader, struct ds_slice bytes, size_t max)
{
    if (bytes.size == 0) {
        ds_reader_fail(reader, DS_ERR_DECODE, "empty");
        return (struct ds_slice){NULL, 0};
    }
    if (bytes.size > max) {
        fail_limit(reader, max, " bytes");
        return (struct ds_slice){NULL, 0};
    }
    return bytes;
}

struct ds_slice ds_reader_bin(struct ds_reader *reader, size_t max)
{
    struct ds_slice bytes = ds_mp_take_bin(reader->cursor);
    return taken(reader, "not a bin") ? bounded(reader, bytes, max) : bytes;
}

struct ds_slice ds_reader_str(struct ds_reader *reader, size_t max)
{
    struct ds_slice text = ds_mp_take_str(reader->cursor);
    return taken(reader, "not a str of UTF-8") ? bounded(reader, text, max) : text;
}

struct ds_slice ds_reader_raw_map(struct ds_reader *reader)
{
    struct ds_slice none = {NULL, 0};
    if (!reader->cursor->failed && ds_mp_peek(reader->cursor) != DS_MP_MAP) {
        ds_reader_fail(reader, DS_ERR_DECODE, "not a map");
        return none;
    }
    struct ds_slice raw = ds_mp_take_value(reader->cursor);
    return taken(reader, "not a canonical map") ? raw : none;
}

void ds_reader_tuple(struct ds_reader *reader, uint32_t count)
{
    uint32_t found = ds_mp_take_array(reader->cursor);
    if (!taken(reader, "not an array")) {
        return;
    }
    if (found != count) {
        char text[NUMBER_TEXT_SIZE];
        struct ds_detail problem;
        ds_detail_set(&problem, "not an array of ", number_text(text, count), NULL);
        ds_reader_fail(reader, DS_ERR_DECODE, problem.text);
    }
}

uint32_t ds_reader_array(struct ds_reader *reader, uint32_t max)
{
    uint32_t count = ds_mp_take_array(reader->cursor);
    if (!taken(reader, "not an array")) {
        return 0;
    }
    if (count > max) {
        fail_limit(reader, max, " items");
        return 0;
    }
    return count;
}

void ds_reader_skip(struct ds_reader *reader)
{
    (void)ds_mp_take_value(reader->cursor);
    (void)taken(reader, "not a canonical value");
}

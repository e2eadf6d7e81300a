#include "schema/codec/msgpack.h"

#include "schema/base/text.h"

/* ---- Reading: the heads. ----
 *
 * First byte (msgpack specification, "Formats"), and what we make of it:
 *   00-7f number          a0-bf str           c4 c5 c6 bin 8 16 32      ca cb float: refused
 *   80-8f map             c0 nil              c7 c8 c9 ext: refused     cc-cf uint 8 16 32 64
 *   90-9f array           c1 never used       d4-d8 fixext: refused     d0-d3 int 8 16 32 64
 *   e0-ff number -32..-1  c2 c3 false true    d9 da db str 8 16 32      dc dd array, de df map
 * A longer form is taken only if no shorter one holds the number or the size. */

/* What stands before a value's content. */
struct head {
    enum ds_mp_kind kind;
    uint32_t size;     /* Bytes of the head itself. */
    uint64_t number;   /* UINT: itself; INT: in two's complement; BOOL; else a size or a count. */
    const char *wrong; /* Why there is no head, else NULL. */
};

static struct head refuse(const char *wrong)
{
    return (struct head){DS_MP_NONE, 0, 0, wrong};
}

/* Forms with a big-endian number behind the first byte, from 0xC4 on. */
struct form {
    enum ds_mp_kind kind; /* DS_MP_NONE: refused. */
    uint32_t width;       /* Bytes of the number. */
    uint64_t least;       /* What a shorter form does not hold. */
};

#define FORM_FIRST 0xC4
static const struct form forms[] = {
    [0xC4 - FORM_FIRST] = {DS_MP_BIN, 1, 0},
    [0xC5 - FORM_FIRST] = {DS_MP_BIN, 2, UINT64_C(1) << 8},
    [0xC6 - FORM_FIRST] = {DS_MP_BIN, 4, UINT64_C(1) << 16},
    [0xCC - FORM_FIRST] = {DS_MP_UINT, 1, UINT64_C(1) << 7},
    [0xCD - FORM_FIRST] = {DS_MP_UINT, 2, UINT64_C(1) << 8},
    [0xCE - FORM_FIRST] = {DS_MP_UINT, 4, UINT64_C(1) << 16},
    [0xCF - FORM_FIRST] = {DS_MP_UINT, 8, UINT64_C(1) << 32},
    [0xD0 - FORM_FIRST] = {DS_MP_INT, 1, UINT64_C(1) << 5},
    [0xD1 - FORM_FIRST] = {DS_MP_INT, 2, UINT64_C(1) << 7},
    [0xD2 - FORM_FIRST] = {DS_MP_INT, 4, UINT64_C(1) << 15},
    [0xD3 - FORM_FIRST] = {DS_MP_INT, 8, UINT64_C(1) << 31},
    [0xD9 - FORM_FIRST] = {DS_MP_STR, 1, 32},
    [0xDA - FORM_FIRST] = {DS_MP_STR, 2, UINT64_C(1) << 8},
    [0xDB - FORM_FIRST] = {DS_MP_STR, 4, UINT64_C(1) << 16},
    [0xDC - FORM_FIRST] = {DS_MP_ARRAY, 2, 16},
    [0xDD - FORM_FIRST] = {DS_MP_ARRAY, 4, UINT64_C(1) << 16},
    [0xDE - FORM_FIRST] = {DS_MP_MAP, 2, 16},
    [0xDF - FORM_FIRST] = {DS_MP_MAP, 4, UINT64_C(1) << 16},
};

/* An INT's form: negative, and not one that the next narrower form holds. */
static const char *int_wrong(const struct form *form, uint64_t *number)
{
    unsigned bits = form->width * 8;
    DS_ASSERT(bits > 0); /* The table says so. */
    if ((*number >> (bits - 1) & 1) == 0) {
        return "a number >= 0 in a signed form";
    }
    if (bits < 64) {
        *number |= UINT64_MAX << bits;
    }
    /* least is 2^k where the narrower form goes down to -2^k. */
    return ~*number < form->least ? "not the shortest form" : NULL;
}

static struct head wide_head(const uint8_t *data, size_t left)
{
    const struct form *form = data[0] < FORM_FIRST || data[0] >= FORM_FIRST + DS_COUNT(forms)
                                  ? &forms[0xC7 - FORM_FIRST]
                                  : &forms[data[0] - FORM_FIRST];
    if (form->kind == DS_MP_NONE) {
        return refuse(data[0] == 0xC1                      ? "the byte c1"
                      : data[0] == 0xCA || data[0] == 0xCB ? "floating point"
                                                           : "an extension type");
    }
    if (left - 1 < form->width) {
        return refuse("truncated");
    }
    uint64_t number = 0;
    for (uint32_t i = 1; i <= form->width; i++) {
        number = number << 8 | data[i];
    }
    const char *wrong = NULL;
    if (form->kind == DS_MP_INT) {
        wrong = int_wrong(form, &number);
    } else if (number < form->least) {
        wrong = "not the shortest form";
    }
    return wrong != NULL ? refuse(wrong) : (struct head){form->kind, 1 + form->width, number, NULL};
}

static inline struct head head_of(const uint8_t *data, size_t left)
{
    if (left == 0) {
        return refuse("truncated");
    }
    uint8_t first = data[0];
    if (first <= 0x7F) {
        return (struct head){DS_MP_UINT, 1, first, NULL};
    }
    if (first >= 0xE0) {
        return (struct head){DS_MP_INT, 1, (uint64_t)(int64_t)(int8_t)first, NULL};
    }
    if (first <= 0x8F) {
        return (struct head){DS_MP_MAP, 1, first & 0x0F, NULL};
    }
    if (first <= 0x9F) {
        return (struct head){DS_MP_ARRAY, 1, first & 0x0F, NULL};
    }
    if (first <= 0xBF) {
        return (struct head){DS_MP_STR, 1, first & 0x1F, NULL};
    }
    if (first == 0xC0) {
        return (struct head){DS_MP_NIL, 1, 0, NULL};
    }
    if (first == 0xC2 || first == 0xC3) {
        return (struct head){DS_MP_BOOL, 1, first == 0xC3, NULL};
    }
    return wide_head(data, left);
}

/* The head, and that its content can be there: bytes of a str or bin, one byte at least for each
 * value of an array or map. *content is the size of a str's or bin's bytes. */
static inline struct head checked_head(const uint8_t *data, size_t left, size_t *content)
{
    struct head head = head_of(data, left);
    *content = 0;
    if (head.kind == DS_MP_NONE) {
        return head;
    }
    uint64_t rest = left - head.size;
    if (head.kind == DS_MP_STR || head.kind == DS_MP_BIN) {
        if (head.number > rest) {
            return refuse("truncated");
        }
        *content = (size_t)head.number;
    } else if (head.kind == DS_MP_ARRAY || head.kind == DS_MP_MAP) {
        uint64_t values = head.kind == DS_MP_MAP ? 2 * head.number : head.number;
        if (values > rest) {
            return refuse("announces more values than bytes are left");
        }
    }
    return head;
}

/* ---- Scanning. ---- */

struct level {
    uint64_t left; /* Values still to come, keys and values of a map alike. */
    bool map;
    bool any_key;
    uint64_t last_key;
};

struct scan {
    const uint8_t *data;
    size_t size;
    size_t at;
    const char *wrong;
    size_t wrong_at;
    unsigned depth;
    struct level levels[DS_MP_DEPTH_MAX];
};

static void fail(struct scan *scan, size_t at, const char *wrong)
{
    scan->wrong = wrong;
    scan->wrong_at = at;
}

/* A map's key: an unsigned integer above the one before. */
static void check_key(struct scan *scan, struct head head)
{
    struct level *level = &scan->levels[scan->depth - 1];
    if (!level->map || level->left % 2 != 0) {
        return;
    }
    if (head.kind != DS_MP_UINT) {
        fail(scan, scan->at, "a map key that is not an unsigned integer");
    } else if (level->any_key && head.number <= level->last_key) {
        fail(scan, scan->at, "map keys that do not ascend");
    }
    level->any_key = true;
    level->last_key = head.number;
}

static void scan_one(struct scan *scan)
{
    size_t content = 0;
    struct head head = checked_head(scan->data + scan->at, scan->size - scan->at, &content);
    if (head.kind == DS_MP_NONE) {
        fail(scan, scan->at, head.wrong);
        return;
    }
    if (scan->depth > 0) {
        check_key(scan, head);
        scan->levels[scan->depth - 1].left--;
    }
    size_t bad = 0;
    struct ds_slice bytes = {scan->data + scan->at + head.size, content};
    if (head.kind == DS_MP_STR && !ds_utf8_check(bytes, &bad)) {
        fail(scan, scan->at + head.size + bad, "text that is not UTF-8");
    }
    if (head.kind == DS_MP_ARRAY || head.kind == DS_MP_MAP) {
        if (scan->depth == DS_MP_DEPTH_MAX) {
            fail(scan, scan->at, "nested too deep");
            return;
        }
        bool map = head.kind == DS_MP_MAP;
        scan->levels[scan->depth++] =
            (struct level){.left = map ? 2 * head.number : head.number, .map = map};
    }
    scan->at += head.size + content;
    while (scan->depth > 0 && scan->levels[scan->depth - 1].left == 0) {
        scan->depth--;
    }
}

static void scan_value(struct scan *scan, struct ds_slice bytes)
{
    /* The empty slice may have no address, and to that not even 0 may be added. */
    static const uint8_t nothing;
    scan->data = bytes.data == NULL ? &nothing : bytes.data;
    scan->size = bytes.size;
    scan->at = 0;
    scan->wrong = NULL;
    scan->wrong_at = 0;
    scan->depth = 0; /* Levels are filled when they are entered. */
    do {
        scan_one(scan);
    } while (scan->wrong == NULL && scan->depth > 0);
}

static enum ds_err tell(const struct scan *scan, struct ds_detail *detail)
{
    if (scan->wrong == NULL) {
        return DS_OK;
    }
    if (detail != NULL) {
        uint8_t digits[24];
        struct ds_builder number;
        ds_builder_init(&number, digits, sizeof(digits));
        ds_put_decimal(&number, (int64_t)scan->wrong_at);
        ds_detail_set(detail, "byte ", ds_builder_text(&number), ": ", scan->wrong, NULL);
    }
    return DS_ERR_DECODE;
}

enum ds_err ds_mp_scan_prefix(struct ds_slice bytes, size_t *size, struct ds_detail *detail)
{
    struct scan scan;
    scan_value(&scan, bytes);
    DS_TRY(tell(&scan, detail));
    *size = scan.at;
    return DS_OK;
}

enum ds_err ds_mp_scan(struct ds_slice bytes, struct ds_detail *detail)
{
    struct scan scan;
    scan_value(&scan, bytes);
    if (scan.wrong == NULL && scan.at < bytes.size) {
        fail(&scan, scan.at, "bytes behind the value");
    }
    return tell(&scan, detail);
}

/* ---- Reading over a cursor. ---- */

static struct head peek_head(const struct ds_cursor *cursor, size_t *content)
{
    *content = 0;
    if (cursor->failed || ds_cursor_left(cursor) == 0) {
        return refuse("nothing left");
    }
    return checked_head(cursor->data + cursor->at, ds_cursor_left(cursor), content);
}

/* Take a value's head and content if it is of the kind, else fail. */
static struct head take_kind(struct ds_cursor *cursor, enum ds_mp_kind kind,
                             struct ds_slice *content)
{
    size_t size = 0;
    struct head head = peek_head(cursor, &size);
    *content = (struct ds_slice){NULL, 0};
    if (head.kind != kind) {
        cursor->failed = true;
        return refuse("another kind");
    }
    *content = (struct ds_slice){cursor->data + cursor->at + head.size, size};
    cursor->at += head.size + size;
    return head;
}

enum ds_mp_kind ds_mp_peek(const struct ds_cursor *cursor)
{
    if (cursor->failed || ds_cursor_left(cursor) == 0) {
        return DS_MP_NONE;
    }
    uint8_t first = cursor->data[cursor->at];
    if (first >= FORM_FIRST && first < FORM_FIRST + DS_COUNT(forms)) {
        return forms[first - FORM_FIRST].kind;
    }
    return head_of(&first, 1).kind;
}

uint64_t ds_mp_take_uint(struct ds_cursor *cursor)
{
    struct ds_slice none;
    if (!cursor->failed && cursor->at < cursor->size && cursor->data[cursor->at] <= 0x7F) {
        return cursor->data[cursor->at++]; /* Every tag is one of these. */
    }
    return take_kind(cursor, DS_MP_UINT, &none).number;
}

int64_t ds_mp_take_int(struct ds_cursor *cursor)
{
    size_t at = cursor->at;
    struct ds_slice none;
    struct head head =
        take_kind(cursor, ds_mp_peek(cursor) == DS_MP_INT ? DS_MP_INT : DS_MP_UINT, &none);
    if (head.kind == DS_MP_UINT && head.number > INT64_MAX) {
        cursor->at = at;
        cursor->failed = true;
        return 0;
    }
    /* Two's complement back, without a conversion that the standard leaves open. */
    return head.kind == DS_MP_INT ? -(int64_t)~head.number - 1 : (int64_t)head.number;
}

bool ds_mp_take_bool(struct ds_cursor *cursor)
{
    struct ds_slice none;
    return take_kind(cursor, DS_MP_BOOL, &none).number != 0;
}

struct ds_slice ds_mp_take_str(struct ds_cursor *cursor)
{
    size_t at = cursor->at;
    struct ds_slice text;
    (void)take_kind(cursor, DS_MP_STR, &text);
    if (!ds_utf8_ok(text)) {
        cursor->at = at;
        cursor->failed = true;
        return (struct ds_slice){NULL, 0};
    }
    return text;
}

struct ds_slice ds_mp_take_bin(struct ds_cursor *cursor)
{
    struct ds_slice bytes;
    (void)take_kind(cursor, DS_MP_BIN, &bytes);
    return bytes;
}

/* A bin of exactly size bytes, else fail without moving. */
static struct ds_cursor take_fixed(struct ds_cursor *cursor, size_t size)
{
    size_t at = cursor->at;
    struct ds_slice bytes = ds_mp_take_bin(cursor);
    if (bytes.size != size) {
        cursor->at = at;
        cursor->failed = true;
        bytes = (struct ds_slice){NULL, 0};
    }
    struct ds_cursor inner;
    ds_cursor_init(&inner, bytes);
    return inner;
}

struct ds_id ds_mp_take_id(struct ds_cursor *cursor)
{
    struct ds_cursor inner = take_fixed(cursor, sizeof(struct ds_id));
    return ds_take_id(&inner);
}

struct ds_hash ds_mp_take_hash(struct ds_cursor *cursor)
{
    struct ds_cursor inner = take_fixed(cursor, sizeof(struct ds_hash));
    return ds_take_hash(&inner);
}

uint32_t ds_mp_take_array(struct ds_cursor *cursor)
{
    struct ds_slice none;
    return (uint32_t)take_kind(cursor, DS_MP_ARRAY, &none).number;
}

uint32_t ds_mp_take_map(struct ds_cursor *cursor)
{
    struct ds_slice none;
    return (uint32_t)take_kind(cursor, DS_MP_MAP, &none).number;
}

bool ds_mp_take_nil_if(struct ds_cursor *cursor)
{
    if (ds_mp_peek(cursor) != DS_MP_NIL) {
        return false;
    }
    cursor->at++;
    return true;
}

struct ds_slice ds_mp_take_value(struct ds_cursor *cursor)
{
    size_t size = 0;
    if (cursor->failed || ds_cursor_left(cursor) == 0) {
        cursor->failed = true;
        return (struct ds_slice){NULL, 0};
    }
    struct ds_slice rest = {cursor->data + cursor->at, ds_cursor_left(cursor)};
    struct head head = checked_head(rest.data, rest.size, &size);
    if (head.kind != DS_MP_NONE && head.kind != DS_MP_STR && head.kind != DS_MP_ARRAY &&
        head.kind != DS_MP_MAP) {
        return ds_take_bytes(cursor, head.size + size); /* Nothing inside to look at. */
    }
    if (ds_mp_scan_prefix(rest, &size, NULL) != DS_OK) {
        cursor->failed = true;
        return (struct ds_slice){NULL, 0};
    }
    return ds_take_bytes(cursor, size);
}

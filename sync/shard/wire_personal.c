/* Personal fields of rows in columns: the key and the clear text go in the secret part, nonce and
 * seal are made again (FORMAT.md, "Columns", "Secrets"); and how a page's block is packed. */
#include "schema/codec/msgpack.h"
#include "schema/record.h"
#include "sync/shard/envelope.h"
#include "sync/shard/wire_impl.h"

#include <string.h>

enum { PACKED = 1, SECRET = 2, ECHO = 4, KINDS = 7, PACK_SIZE_MIN = 512, NUMBER_TAG = 1 };
#define LABEL_SECRET DS_SLICE_LIT("doorstep secret 1")

/* A row with a number of its own that makes its id: account and premises. */
static bool is_owner(const struct ds_wire *wire, const struct ds_row *row)
{
    struct ds_id natural;
    return (row->type == DS_REC_account || row->type == DS_REC_premises) &&
           ds_wire_natural_id(&wire->station, (uint8_t)row->type, row->fields, &natural) &&
           ds_id_equal(&natural, &row->id);
}

static bool again(const struct ds_wire *wire, const struct ds_row *row, uint8_t tag,
                  struct ds_slice field, struct ds_secret *key, struct ds_builder *clear)
{
    struct ds_personal_view view;
    uint8_t memory[DS_PERSONAL_CLEAR_MAX + DS_PERSONAL_OVERHEAD];
    struct ds_builder made;
    struct ds_slice text;
    struct ds_slice whole;
    ds_builder_init(&made, memory, sizeof(memory));
    return ds_personal_view(field, &view) == DS_OK && ds_id_equal(&view.key_id, &row->id) &&
           wire->customer_key(wire->of, &row->id, key) &&
           ds_personal_open(field, key, &row->id, tag, clear) == DS_OK &&
           ds_builder_end(clear, &text) == DS_OK && text.size <= UINT8_MAX &&
           ds_personal_make(&row->id, key, view.tag, &row->id, tag, text, &made) == DS_OK &&
           ds_builder_end(&made, &whole) == DS_OK && ds_slice_equal(whole, field);
}

/* Every personal field, or none: a row has one key. */
bool ds_wire_personal_opens(const struct ds_wire *wire, const struct ds_row *row)
{
    const struct ds_record_type *type = ds_record_type_by_number(row->type);
    struct ds_cursor cursor;
    struct ds_secret key;
    uint8_t memory[DS_PERSONAL_CLEAR_MAX + 1];
    bool good = type != NULL && row->fields.size > 0 && is_owner(wire, row);
    ds_cursor_init(&cursor, row->fields);
    uint32_t pairs = good ? ds_mp_take_map(&cursor) : 0;
    for (uint32_t i = 0; i < pairs && good; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        const struct ds_field *field = ds_field_by_tag(type, tag);
        if (field != NULL && field->type == DS_TYPE_PERSONAL && value.size > 1) {
            struct ds_cursor inner;
            struct ds_builder clear;
            ds_cursor_init(&inner, value);
            struct ds_slice bin = ds_mp_take_bin(&inner);
            ds_builder_init(&clear, memory, sizeof(memory));
            good = !inner.failed && again(wire, row, (uint8_t)tag, bin, &key, &clear);
        }
    }
    ds_wipe(&key, sizeof(key));
    ds_wipe(memory, sizeof(memory));
    return good;
}

bool ds_wire_personal_open(void *of, size_t member, uint64_t tag, struct ds_slice field,
                           uint8_t *equality)
{
    struct ds_wire_block *block = of;
    const struct ds_wire *wire = block->wire;
    size_t at = block->members[member];
    const struct ds_row *row = &block->rows[at];
    const struct ds_record_type *type = ds_record_type_by_number(row->type);
    const struct ds_field *known = type == NULL ? NULL : ds_field_by_tag(type, tag);
    struct ds_personal_view view;
    if (!row->opened || block->secret == NULL || known == NULL || known->type != DS_TYPE_PERSONAL ||
        ds_personal_view(field, &view) != DS_OK) {
        return false;
    }
    if (equality == NULL) {
        return true;
    }
    struct ds_secret key;
    uint8_t memory[DS_PERSONAL_CLEAR_MAX + 1];
    struct ds_builder clear;
    ds_builder_init(&clear, memory, sizeof(memory));
    bool good = wire->customer_key(wire->of, &row->id, &key) &&
                ds_personal_open(field, &key, &row->id, (uint8_t)tag, &clear) == DS_OK &&
                !clear.failed && clear.used <= UINT8_MAX;
    if (good) {
        memcpy(equality, view.tag, sizeof(view.tag));
        if (!block->key_said[at]) {
            ds_put_bytes(&block->secret->keys, DS_SLICE_OF(key.byte));
            block->key_said[at] = true;
        }
        ds_put_u8(&block->secret->texts, (uint8_t)clear.used);
        ds_put_bytes(&block->secret->texts, (struct ds_slice){memory, clear.used});
        good = !block->secret->keys.failed && !block->secret->texts.failed;
    }
    ds_wipe(&key, sizeof(key));
    ds_wipe(memory, sizeof(memory));
    return good;
}

/* The id of a row whose number has been taken by now. */
static bool owner_of(const struct ds_wire_block *block, const struct ds_columns_group *group,
                     size_t i, uint8_t type, struct ds_id *id)
{
    for (size_t c = 0; c < group->column_count; c++) {
        const struct ds_column *column = &group->columns[c];
        struct ds_cursor cursor;
        if (column->tag != NUMBER_TAG || column->kind != DS_COLUMN_RAW ||
            !column->values[i].present) {
            continue;
        }
        ds_cursor_init(&cursor, column->values[i].raw);
        if (ds_mp_peek(&cursor) != DS_MP_STR) {
            return false;
        }
        struct ds_slice number = ds_mp_take_str(&cursor);
        *id = ds_numbered_id(&block->wire->station, type, number);
        return !cursor.failed;
    }
    return false;
}

static bool key_of(struct ds_wire_block *block, size_t at, const struct ds_id *id)
{
    struct ds_wire *wire = block->wire;
    if (block->key_said[at]) {
        return true;
    }
    struct ds_slice key = ds_take_bytes(&block->secret->keys_in, sizeof(block->keys[at].byte));
    if (block->secret->keys_in.failed) {
        return false;
    }
    memcpy(block->keys[at].byte, key.data, key.size);
    block->key_said[at] = true;
    return wire->take_key != NULL && wire->take_key(wire->of, id, &block->keys[at]);
}

bool ds_wire_personal_close(void *of, const struct ds_columns_group *group, size_t i, uint64_t tag,
                            const uint8_t *equality, struct ds_slice *field)
{
    struct ds_wire_block *block = of;
    size_t at = block->members[group->members[i]];
    uint8_t type = (uint8_t)block->rows[at].type;
    struct ds_id id;
    bool owner = type == DS_REC_account || type == DS_REC_premises;
    if (block->secret == NULL || tag > UINT8_MAX || !owner ||
        !owner_of(block, group, i, type, &id) || !key_of(block, at, &id)) {
        return false;
    }
    struct ds_cursor *texts = &block->secret->texts_in;
    struct ds_slice text = ds_take_bytes(texts, ds_take_u8(texts));
    size_t size = text.size + DS_PERSONAL_OVERHEAD;
    struct ds_builder made;
    ds_builder_init(&made, ds_arena_room(block->wire->arena, size), size);
    return !texts->failed && made.data != NULL &&
           ds_personal_make(&id, &block->keys[at], equality, &id, (uint8_t)tag, text, &made) ==
               DS_OK &&
           ds_builder_end(&made, field) == DS_OK;
}

/* ---- A page's block, packed, with its secret. ---- */

static bool room_for(struct ds_arena *arena, size_t size, struct ds_builder *builder)
{
    ds_builder_init(builder, ds_arena_room(arena, size), size);
    return builder->data != NULL;
}

/* keys and packed texts behind each other, sealed for the link. */
static bool put_secret(struct ds_builder *builder, struct ds_wire *wire,
                       const struct ds_wire_secret *secret)
{
    struct ds_builder clear;
    size_t size = secret->keys.used + secret->texts.used + 16;
    if (!room_for(wire->arena, size, &clear)) {
        return false;
    }
    ds_put_var(&clear, secret->keys.used / sizeof(struct ds_secret));
    ds_put_bytes(&clear, (struct ds_slice){secret->keys.data, secret->keys.used});
    ds_put_var(&clear, secret->texts.used);
    struct ds_slice texts = {secret->texts.data, secret->texts.used};
    if (!ds_envelope_pack(wire->codec, texts, &clear)) {
        ds_put_bytes(&clear, texts);
    }
    ds_put_var(builder, clear.used + DS_AEAD_OVERHEAD);
    bool sealed = !clear.failed &&
                  ds_aead_seal(wire->down, LABEL_SECRET, (struct ds_slice){clear.data, clear.used},
                               wire->random, builder) == DS_OK;
    ds_wipe(clear.data, clear.used);
    return sealed;
}

static bool take_secret(struct ds_cursor *cursor, struct ds_wire *wire,
                        struct ds_wire_secret *secret)
{
    uint64_t size = ds_take_var(cursor);
    struct ds_builder clear;
    struct ds_slice whole;
    if (cursor->failed || wire->down == NULL || size > ds_cursor_left(cursor) ||
        !room_for(wire->arena, (size_t)size, &clear) ||
        ds_aead_open(wire->down, LABEL_SECRET, ds_take_bytes(cursor, (size_t)size), &clear) !=
            DS_OK ||
        ds_builder_end(&clear, &whole) != DS_OK) {
        return false;
    }
    struct ds_cursor in;
    ds_cursor_init(&in, whole);
    uint64_t keys = ds_take_var(&in);
    if (in.failed || keys > DS_COLUMNS_LIST_MAX) {
        return false;
    }
    ds_cursor_init(&secret->keys_in, ds_take_bytes(&in, (size_t)keys * sizeof(struct ds_secret)));
    uint64_t texts = ds_take_var(&in);
    struct ds_slice packed = ds_take_bytes(&in, ds_cursor_left(&in));
    struct ds_slice plain = packed;
    if (in.failed || texts > DS_COLUMNS_LIST_MAX * 2 * (DS_PERSONAL_CLEAR_MAX + 1)) {
        return false;
    }
    if (packed.size != texts &&
        !ds_envelope_unpack(wire->codec, packed, (size_t)texts, wire->arena, &plain)) {
        return false;
    }
    ds_cursor_init(&secret->texts_in, plain);
    return true;
}

static bool make_secret(struct ds_wire *wire, size_t rows, struct ds_wire_secret *secret)
{
    enum { KEY = sizeof(struct ds_secret), TEXTS = 192 };
    return room_for(wire->arena, rows * KEY, &secret->keys) &&
           room_for(wire->arena, rows * TEXTS, &secret->texts);
}

bool ds_wire_rows_put(struct ds_builder *builder, struct ds_wire *wire, const struct ds_page *page,
                      const struct ds_cursor_at *begin, uint64_t snapshot, bool echo)
{
    enum { ROW_OVERHEAD = 64 };
    struct ds_wire_secret secret = {0};
    struct ds_builder block;
    size_t size = ROW_OVERHEAD;
    ds_put_var(builder, page->row_count);
    if (page->row_count == 0) {
        return !builder->failed;
    }
    for (size_t i = 0; i < page->row_count; i++) {
        size += page->rows[i].fields.size + ROW_OVERHEAD;
    }
    size_t mark = ds_arena_mark(wire->arena);
    if (!make_secret(wire, page->row_count, &secret) || !room_for(wire->arena, size, &block) ||
        !ds_wire_block_put(&block, wire, page, begin, snapshot, echo, &secret)) {
        return false;
    }
    struct ds_slice plain = {block.data, block.used};
    struct ds_builder packed;
    if (!room_for(wire->arena, block.used + 1, &packed)) {
        return false;
    }
    bool pack = block.used >= PACK_SIZE_MIN && ds_envelope_pack(wire->codec, plain, &packed);
    bool has_secret = secret.keys.used > 0;
    ds_put_u8(builder,
              (uint8_t)((pack ? PACKED : 0U) | (has_secret ? SECRET : 0U) | (echo ? ECHO : 0U)));
    bool done = !has_secret || put_secret(builder, wire, &secret); /* Its reader needs it first. */
    if (pack) {
        ds_put_var(builder, plain.size);
        ds_put_var(builder, packed.used);
    }
    ds_put_bytes(builder, pack ? (struct ds_slice){packed.data, packed.used} : plain);
    ds_wipe(secret.keys.data, secret.keys.used);
    ds_wipe(secret.texts.data, secret.texts.used);
    ds_arena_rewind(wire->arena, mark);
    return done && !builder->failed;
}

static bool take_packed(struct ds_cursor *cursor, struct ds_wire *wire, struct ds_slice *plain)
{
    uint64_t size = ds_take_var(cursor);
    uint64_t packed_size = ds_take_var(cursor);
    if (cursor->failed || packed_size > ds_cursor_left(cursor) || size > DS_PLAIN_SIZE_MAX) {
        return false;
    }
    struct ds_slice packed = ds_take_bytes(cursor, (size_t)packed_size);
    return wire->codec != NULL &&
           ds_envelope_unpack(wire->codec, packed, (size_t)size, wire->arena, plain);
}

bool ds_wire_rows_take(struct ds_cursor *cursor, struct ds_wire *wire, uint64_t snapshot,
                       struct ds_page *page)
{
    uint64_t count = ds_take_var(cursor);
    struct ds_wire_secret secret = {0};
    page->row_count = 0;
    if (cursor->failed || count > DS_PAGE_ROWS_MAX) {
        return false;
    }
    if (count == 0) {
        return true;
    }
    page->rows = ds_arena_alloc(wire->arena, (size_t)count * sizeof(*page->rows));
    uint8_t kind = ds_take_u8(cursor);
    if (page->rows == NULL || cursor->failed || kind > KINDS) {
        return false;
    }
    page->row_count = (size_t)count;
    bool has_secret = (kind & SECRET) != 0;
    bool echo = (kind & ECHO) != 0;
    if (has_secret && !take_secret(cursor, wire, &secret)) {
        return false;
    }
    if ((kind & PACKED) == 0) {
        return ds_wire_block_take(cursor, wire, snapshot, echo, has_secret ? &secret : NULL, page);
    }
    struct ds_slice plain;
    struct ds_cursor inner;
    if (!take_packed(cursor, wire, &plain)) {
        return false;
    }
    ds_cursor_init(&inner, plain);
    return ds_wire_block_take(&inner, wire, snapshot, echo, has_secret ? &secret : NULL, page) &&
           ds_cursor_end(&inner) == DS_OK;
}

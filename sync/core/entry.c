/* Journal entries and signed heads. */
#include "schema/codec/msgpack.h"
#include "sync/core/op.h"
#include "sync/core/reader.h"

enum { SUITE = 1, SIGNATURE_SIZE = 64 };
/* Keys of an entry (FORMAT.md, "Entry"). */
enum {
    ENTRY_KIND = 1,
    ENTRY_INSTANT = 2,
    ENTRY_BATCH_BYTES = 3,
    ENTRY_ANCHOR_BOOT = 4,
    ENTRY_ANCHOR_MONO = 5,
    ENTRY_CARRIER = 6,
    ENTRY_VERSION = 7,
    ENTRY_EPOCH_NUMBER = 8,
    ENTRY_KEPT_SIZE = 9,
    ENTRY_KEPT_ROOT = 10,
    ENTRY_ADMIN = 11,
    ENTRY_ADMIN_SIGNATURE = 12,
    ENTRY_ERASED = 13
};

#define KEY DS_READER_KEY
#define COMMON (KEY(ENTRY_KIND) | KEY(ENTRY_INSTANT))
#define ANCHOR (KEY(ENTRY_ANCHOR_BOOT) | KEY(ENTRY_ANCHOR_MONO))
#define ADMIN (KEY(ENTRY_ADMIN) | KEY(ENTRY_ADMIN_SIGNATURE))
#define EPOCH (KEY(ENTRY_EPOCH_NUMBER) | KEY(ENTRY_KEPT_SIZE) | KEY(ENTRY_KEPT_ROOT))

/* Which keys each kind has, and which more it may have. */
static const struct {
    uint64_t required;
    uint64_t optional;
} kind_keys[] = {
    [DS_ENTRY_BATCH] = {COMMON | KEY(ENTRY_BATCH_BYTES), ANCHOR | KEY(ENTRY_CARRIER)},
    [DS_ENTRY_TICK] = {COMMON, 0},
    [DS_ENTRY_ACTIVATE] = {COMMON | KEY(ENTRY_VERSION), 0},
    [DS_ENTRY_EPOCH] = {COMMON | EPOCH | ADMIN, 0},
    [DS_ENTRY_ERASE] = {COMMON | ADMIN | KEY(ENTRY_ERASED), 0},
};

static void take_kind(struct ds_reader *reader, struct ds_entry *entry)
{
    uint64_t kind = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
    if (kind > DS_ENTRY_ERASE) {
        ds_reader_fail(reader, DS_ERR_VERSION, "a kind of entry that this version does not know");
    }
    entry->kind = (enum ds_entry_kind)kind;
}

static void take_erased(struct ds_reader *reader, struct ds_entry *entry)
{
    entry->erased = ds_reader_bin(reader, DS_ERASED_MAX * sizeof(struct ds_id));
    if (entry->erased.size % sizeof(struct ds_id) != 0) {
        ds_reader_fail(reader, DS_ERR_DECODE, "not whole key ids of 16 bytes");
    }
}

static void take_admin_key(struct ds_reader *reader, struct ds_entry *entry)
{
    switch (reader->key) {
    case ENTRY_VERSION:
        entry->version = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
        break;
    case ENTRY_EPOCH_NUMBER:
        entry->epoch = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
        break;
    case ENTRY_KEPT_SIZE:
        entry->kept_size = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        break;
    case ENTRY_KEPT_ROOT:
        entry->kept_root = ds_reader_hash(reader);
        break;
    case ENTRY_ADMIN:
        entry->admin = ds_reader_id(reader);
        break;
    case ENTRY_ADMIN_SIGNATURE:
        entry->admin_signature = ds_reader_fixed(reader, SIGNATURE_SIZE);
        break;
    case ENTRY_ERASED:
        take_erased(reader, entry);
        break;
    default:
        /* What a later version says in an entry may change what the entry does, so it is not
         * stepped over. */
        ds_reader_fail(reader, DS_ERR_VERSION, "a key that this version does not know");
    }
}

static void take_key(struct ds_reader *reader, struct ds_entry *entry)
{
    switch (reader->key) {
    case ENTRY_KIND:
        take_kind(reader, entry);
        break;
    case ENTRY_INSTANT:
        entry->instant_ms = ds_reader_int(reader, 0, DS_INSTANT_MS_MAX);
        break;
    case ENTRY_BATCH_BYTES:
        entry->batch = ds_reader_bin(reader, DS_BATCH_SIZE_MAX);
        break;
    case ENTRY_ANCHOR_BOOT:
        entry->anchor_boot = ds_reader_uint(reader, 0, UINT32_MAX);
        break;
    case ENTRY_ANCHOR_MONO:
        entry->anchor_mono_ms = ds_reader_uint(reader, 0, DS_MONO_MS_MAX);
        break;
    case ENTRY_CARRIER:
        entry->carrier = ds_reader_id(reader);
        break;
    default:
        take_admin_key(reader, entry);
    }
}

/* Anchor and carrier are absent or whole and real; only a signer's own exchange is an anchor. */
static void check_sender(struct ds_reader *reader, const struct ds_entry *entry)
{
    bool carried = ds_reader_has(reader, KEY(ENTRY_CARRIER));
    uint64_t anchor = reader->keys & ANCHOR;
    reader->key = ENTRY_CARRIER;
    if (carried && ds_id_is_none(&entry->carrier)) {
        ds_reader_fail(reader, DS_ERR_DECODE, "a carrier of zeros must be absent");
    }
    if (carried && anchor != 0) {
        ds_reader_fail(reader, DS_ERR_DECODE, "carrier and anchor exclude each other");
    }
    reader->key = ENTRY_ANCHOR_BOOT;
    if (anchor != 0 && anchor != ANCHOR) {
        ds_reader_fail(reader, DS_ERR_DECODE, "keys 4 and 5 come together");
    }
    if (anchor != 0 && entry->anchor_boot == 0 && entry->anchor_mono_ms == 0) {
        ds_reader_fail(reader, DS_ERR_DECODE, "an anchor of zeros must be absent");
    }
}

enum ds_err ds_entry_parse(struct ds_slice bytes, struct ds_entry *entry, struct ds_detail *detail)
{
    *entry = (struct ds_entry){0};
    if (bytes.size > DS_ENTRY_SIZE_MAX) {
        ds_detail_set(detail, "entry: more than 262656 bytes", NULL);
        return DS_ERR_LIMIT;
    }
    DS_TRY(ds_reader_scan(bytes, "entry", detail));
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, bytes);
    ds_reader_map(&reader, &cursor, "entry", detail);
    while (ds_reader_next(&reader)) {
        take_key(&reader, entry);
    }
    DS_TRY(ds_reader_end(&reader, COMMON));
    uint64_t required = kind_keys[entry->kind].required;
    uint64_t allowed = required | kind_keys[entry->kind].optional;
    DS_TRY(ds_reader_end(&reader, required));
    if ((reader.keys & ~allowed) != 0) {
        reader.key = ENTRY_KIND;
        ds_reader_fail(&reader, DS_ERR_DECODE, "a key of another kind of entry stands here");
    }
    check_sender(&reader, entry);
    return ds_reader_end(&reader, required);
}

/* ---- Writing. ---- */

static uint32_t count_pairs(uint64_t keys)
{
    uint32_t count = 0;
    for (; keys != 0; keys &= keys - 1) {
        count++;
    }
    return count;
}

static void put_batch_keys(struct ds_builder *builder, const struct ds_entry *entry, uint64_t keys)
{
    ds_mp_put_uint(builder, ENTRY_BATCH_BYTES);
    ds_mp_put_bin(builder, entry->batch);
    if ((keys & ANCHOR) != 0) {
        ds_mp_put_uint(builder, ENTRY_ANCHOR_BOOT);
        ds_mp_put_uint(builder, entry->anchor_boot);
        ds_mp_put_uint(builder, ENTRY_ANCHOR_MONO);
        ds_mp_put_uint(builder, entry->anchor_mono_ms);
    }
    if ((keys & KEY(ENTRY_CARRIER)) != 0) {
        ds_mp_put_uint(builder, ENTRY_CARRIER);
        ds_mp_put_id(builder, &entry->carrier);
    }
}

static void put_admin_keys(struct ds_builder *builder, const struct ds_entry *entry, uint64_t keys)
{
    if ((keys & EPOCH) != 0) {
        ds_mp_put_uint(builder, ENTRY_EPOCH_NUMBER);
        ds_mp_put_uint(builder, entry->epoch);
        ds_mp_put_uint(builder, ENTRY_KEPT_SIZE);
        ds_mp_put_uint(builder, entry->kept_size);
        ds_mp_put_uint(builder, ENTRY_KEPT_ROOT);
        ds_mp_put_hash(builder, &entry->kept_root);
    }
    ds_mp_put_uint(builder, ENTRY_ADMIN);
    ds_mp_put_id(builder, &entry->admin);
    if ((keys & KEY(ENTRY_ADMIN_SIGNATURE)) != 0) {
        ds_mp_put_uint(builder, ENTRY_ADMIN_SIGNATURE);
        ds_mp_put_bin(builder, (struct ds_slice){entry->admin_signature, SIGNATURE_SIZE});
    }
    if ((keys & KEY(ENTRY_ERASED)) != 0) {
        ds_mp_put_uint(builder, ENTRY_ERASED);
        ds_mp_put_bin(builder, entry->erased);
    }
}

/* Write what kind has, less the keys of without. */
static void put_entry(struct ds_builder *builder, const struct ds_entry *entry, uint64_t without)
{
    DS_ASSERT(entry->kind >= DS_ENTRY_BATCH && entry->kind <= DS_ENTRY_ERASE);
    uint64_t keys = kind_keys[entry->kind].required & ~without;
    if (entry->kind == DS_ENTRY_BATCH && !ds_id_is_none(&entry->carrier)) {
        keys |= KEY(ENTRY_CARRIER);
    } else if (entry->kind == DS_ENTRY_BATCH &&
               (entry->anchor_boot != 0 || entry->anchor_mono_ms != 0)) {
        keys |= ANCHOR;
    }
    ds_mp_put_map(builder, count_pairs(keys));
    ds_mp_put_uint(builder, ENTRY_KIND);
    ds_mp_put_uint(builder, (uint64_t)entry->kind);
    ds_mp_put_uint(builder, ENTRY_INSTANT);
    ds_mp_put_int(builder, entry->instant_ms);
    if (entry->kind == DS_ENTRY_BATCH) {
        put_batch_keys(builder, entry, keys);
    } else if (entry->kind == DS_ENTRY_ACTIVATE) {
        ds_mp_put_uint(builder, ENTRY_VERSION);
        ds_mp_put_uint(builder, entry->version);
    } else if ((keys & KEY(ENTRY_ADMIN)) != 0) {
        put_admin_keys(builder, entry, keys);
    }
}

void ds_entry_put(struct ds_builder *builder, const struct ds_entry *entry)
{
    bool signs = entry->kind == DS_ENTRY_EPOCH || entry->kind == DS_ENTRY_ERASE;
    DS_ASSERT(!signs || entry->admin_signature != NULL);
    put_entry(builder, entry, 0);
}

void ds_entry_put_unsigned(struct ds_builder *builder, const struct ds_entry *entry)
{
    put_entry(builder, entry, KEY(ENTRY_ADMIN_SIGNATURE));
}

/* ---- Stubs. ---- */

struct ds_hash ds_sealed_hash(struct ds_slice header, const uint8_t signature[static 64])
{
    return ds_hash3(DS_SLICE_LIT("doorstep sealed 1"), header,
                    (struct ds_slice){signature, SIGNATURE_SIZE});
}

enum ds_err ds_entry_put_stub(struct ds_builder *builder, const struct ds_entry *entry)
{
    struct ds_entry stub = *entry;
    struct ds_batch batch;
    DS_ASSERT(entry->kind == DS_ENTRY_BATCH);
    if (ds_batch_parse_trusted(entry->batch, &batch) != DS_OK) {
        return DS_ERR_DECODE;
    }
    struct ds_hash sealed = ds_sealed_hash(batch.header, batch.signature);
    stub.batch = DS_SLICE_OF(sealed.byte);
    ds_entry_put(builder, &stub);
    return DS_OK;
}

enum ds_err ds_entry_leaf(const struct ds_entry *entry, struct ds_slice bytes, struct ds_hash *leaf)
{
    uint8_t memory[DS_STUB_SIZE_MAX];
    struct ds_builder builder;
    struct ds_slice stub = bytes;
    if (entry->kind == DS_ENTRY_BATCH) {
        ds_builder_init(&builder, memory, sizeof(memory));
        DS_TRY(ds_entry_put_stub(&builder, entry));
        DS_TRY(ds_builder_end(&builder, &stub));
    }
    *leaf = ds_tree_leaf(stub);
    return DS_OK;
}

enum ds_err ds_entry_leaf_of(struct ds_slice bytes, struct ds_hash *leaf)
{
    struct ds_entry entry;
    bool good =
        ds_entry_parse(bytes, &entry, NULL) == DS_OK && ds_entry_leaf(&entry, bytes, leaf) == DS_OK;
    return good ? DS_OK : DS_ERR_INTEGRITY;
}

/* ---- Heads. ---- */

enum {
    HEAD_SUITE = 1,
    HEAD_STATION = 2,
    HEAD_EPOCH = 3,
    HEAD_SIZE = 4,
    HEAD_ROOT = 5,
    HEAD_INSTANT = 6,
    HEAD_PAIRS = 6
};
#define HEAD_REQUIRED ((KEY(HEAD_PAIRS + 1) - 1) & ~UINT64_C(1))

void ds_head_put(struct ds_builder *builder, const struct ds_head *head)
{
    ds_mp_put_map(builder, HEAD_PAIRS);
    ds_mp_put_uint(builder, HEAD_SUITE);
    ds_mp_put_uint(builder, SUITE);
    ds_mp_put_uint(builder, HEAD_STATION);
    ds_mp_put_id(builder, &head->station);
    ds_mp_put_uint(builder, HEAD_EPOCH);
    ds_mp_put_uint(builder, head->epoch);
    ds_mp_put_uint(builder, HEAD_SIZE);
    ds_mp_put_uint(builder, head->size);
    ds_mp_put_uint(builder, HEAD_ROOT);
    ds_mp_put_hash(builder, &head->root);
    ds_mp_put_uint(builder, HEAD_INSTANT);
    ds_mp_put_int(builder, head->instant_ms);
}

static void take_head_key(struct ds_reader *reader, struct ds_head *head)
{
    switch (reader->key) {
    case HEAD_SUITE:
        (void)ds_reader_uint(reader, SUITE, SUITE);
        break;
    case HEAD_STATION:
        head->station = ds_reader_id(reader);
        break;
    case HEAD_EPOCH:
        head->epoch = ds_reader_uint(reader, 1, DS_READER_UINT_MAX);
        break;
    case HEAD_SIZE:
        head->size = ds_reader_uint(reader, 0, DS_READER_UINT_MAX);
        break;
    case HEAD_ROOT:
        head->root = ds_reader_hash(reader);
        break;
    case HEAD_INSTANT:
        head->instant_ms = ds_reader_int(reader, 0, DS_INSTANT_MS_MAX);
        break;
    default:
        ds_reader_skip(reader);
    }
}

void ds_head_take(struct ds_cursor *cursor, struct ds_head *head)
{
    *head = (struct ds_head){0};
    struct ds_reader reader;
    ds_reader_map(&reader, cursor, "head", NULL);
    while (ds_reader_next(&reader)) {
        take_head_key(&reader, head);
    }
    if (ds_reader_end(&reader, HEAD_REQUIRED) != DS_OK) {
        cursor->failed = true;
    }
}

#include "sync/shard/envelope.h"

#include "sync/core/columns.h"

#include <zstd.h>

#include <string.h>

enum {
    COMPRESSION_LEVEL = 3,
    WINDOW_LOG_MAX = 20,
    COMPRESS_SIZE_MIN = 64, /* Below, a frame's head eats what it saves. */
    FRAME_HEAD_SIZE_MIN = 6,
};
_Static_assert(1 << WINDOW_LOG_MAX == DS_ENVELOPE_WINDOW_MAX, "one limit, said twice");

enum ds_err ds_envelope_codec_init(struct ds_envelope_codec *codec)
{
    ZSTD_CCtx *compress = ZSTD_createCCtx();
    codec->compress = compress;
    codec->decompress = ZSTD_createDCtx();
    if (compress == NULL || codec->decompress == NULL) {
        return DS_ERR_NOMEM;
    }
    size_t level = ZSTD_CCtx_setParameter(compress, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
    size_t window = ZSTD_CCtx_setParameter(compress, ZSTD_c_windowLog, WINDOW_LOG_MAX);
    DS_ASSERT(ZSTD_isError(level) == 0 && ZSTD_isError(window) == 0);
    return DS_OK;
}

void ds_envelope_codec_fini(struct ds_envelope_codec *codec)
{
    ZSTD_freeCCtx(codec->compress); /* NULL is fine. */
    ZSTD_freeDCtx(codec->decompress);
    *codec = (struct ds_envelope_codec){0};
}

/* ---- Sealing. ---- */

/* Compress into the room at the builder's end; 0 if that does not make it smaller, or so small
 * that the other side would take it for a bomb, or if memory is out. Nothing is claimed yet. */
static size_t compress(struct ds_envelope_codec *codec, struct ds_slice plain,
                       const struct ds_builder *out)
{
    if (codec == NULL || plain.size < COMPRESS_SIZE_MIN || out->failed) {
        return 0;
    }
    size_t room = out->size - out->used;
    size_t most = room < plain.size - 1 ? room : plain.size - 1;
    size_t size =
        ZSTD_compress2(codec->compress, out->data + out->used, most, plain.data, plain.size);
    if (ZSTD_isError(size) != 0 || plain.size > size * DS_ENVELOPE_RATIO_MAX) {
        return 0;
    }
    return size;
}

static void put_head(struct ds_builder *out, enum ds_envelope_form form, const struct ds_id *device,
                     uint64_t counter, size_t plain_size)
{
    ds_put_u8(out, DS_SUITE);
    ds_put_u8(out, (uint8_t)form);
    ds_put_id(out, device);
    ds_put_u64(out, counter);
    ds_put_u32(out, (uint32_t)plain_size);
}

void ds_envelope_seal(struct ds_envelope_codec *codec, const struct ds_secret *key,
                      const struct ds_id *device, uint64_t counter, struct ds_slice plain,
                      struct ds_builder *out)
{
    if (plain.size > DS_PLAIN_SIZE_MAX) {
        out->failed = true;
        return;
    }
    size_t begin = out->used;
    put_head(out, DS_ENVELOPE_ZSTD, device, counter, plain.size);
    size_t compressed = compress(codec, plain, out);
    if (compressed > 0) {
        out->used += compressed;
    } else {
        out->used = begin;
        put_head(out, DS_ENVELOPE_PLAIN, device, counter, plain.size);
        ds_put_bytes(out, plain);
    }
    if (out->failed) {
        return;
    }
    uint8_t tag[DS_TAG_SIZE];
    struct ds_slice sealed = {out->data + begin, out->used - begin};
    ds_tag(key, sealed, (struct ds_slice){NULL, 0}, tag);
    ds_put_bytes(out, DS_SLICE_OF(tag));
}

/* ---- Opening. ---- */

struct head {
    uint8_t form;
    struct ds_id device;
    uint64_t counter;
    uint32_t plain_size;
    struct ds_slice tagged; /* All but the tag. */
    struct ds_slice payload;
    struct ds_slice tag;
};

static enum ds_err parse_head(struct ds_slice bytes, struct head *head, struct ds_detail *detail)
{
    if (bytes.size < DS_ENVELOPE_OVERHEAD) {
        ds_detail_set(detail, "envelope: fewer bytes than its head and tag have", NULL);
        return DS_ERR_DECODE;
    }
    if (bytes.size > DS_ENVELOPE_SIZE_MAX) {
        ds_detail_set(detail, "envelope: more than 4194350 bytes", NULL);
        return DS_ERR_LIMIT;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, bytes);
    uint8_t suite = ds_take_u8(&cursor);
    head->form = ds_take_u8(&cursor);
    head->device = ds_take_id(&cursor);
    head->counter = ds_take_u64(&cursor);
    head->plain_size = ds_take_u32(&cursor);
    head->tagged = (struct ds_slice){bytes.data, bytes.size - DS_TAG_SIZE};
    head->payload = ds_take_bytes(&cursor, ds_cursor_left(&cursor) - DS_TAG_SIZE);
    head->tag = ds_take_bytes(&cursor, DS_TAG_SIZE);
    DS_ASSERT(ds_cursor_end(&cursor) == DS_OK);
    if (suite != DS_SUITE) {
        ds_detail_set(detail, "envelope: unknown suite", NULL);
        return suite > DS_SUITE ? DS_ERR_VERSION : DS_ERR_DECODE;
    }
    return DS_OK;
}

static bool parse_short(struct ds_slice bytes, bool down, struct head *head);

enum ds_err ds_envelope_peek(struct ds_slice bytes, struct ds_id *device, uint64_t *counter)
{
    struct head head;
    if (!parse_short(bytes, false, &head)) {
        DS_TRY(parse_head(bytes, &head, NULL));
    }
    *device = head.device;
    *counter = head.counter;
    return DS_OK;
}

/* The window that a frame asks for (RFC 8878, section 3.1.1.1): its descriptor's, or the whole
 * content where the frame is a single segment. zstd checks windows only when streaming. */
static uint64_t frame_window(struct ds_slice frame, uint64_t content_size)
{
    uint8_t descriptor = frame.data[4];
    if ((descriptor & 0x20) != 0) {
        return content_size;
    }
    uint8_t window = frame.data[5];
    uint64_t base = UINT64_C(1) << (10 + (window >> 3));
    return base + base / 8 * (window & 7);
}

/* Exactly one frame, no dictionary, its size known and as declared, its window within the limit. */
static const char *frame_problem(struct ds_slice frame, uint32_t plain_size)
{
    static const uint8_t magic[] = {0x28, 0xB5, 0x2F, 0xFD};
    if (frame.size < FRAME_HEAD_SIZE_MIN ||
        !ds_slice_equal((struct ds_slice){frame.data, sizeof(magic)}, DS_SLICE_OF(magic))) {
        return "the payload is not a zstd frame";
    }
    if (ZSTD_getFrameContentSize(frame.data, frame.size) != plain_size) {
        return "the frame's content size is not the declared one";
    }
    if (ZSTD_getDictID_fromFrame(frame.data, frame.size) != 0) {
        return "the frame wants a dictionary";
    }
    if (ZSTD_findFrameCompressedSize(frame.data, frame.size) != frame.size) {
        return "the payload is not one whole frame";
    }
    return NULL;
}

static enum ds_err check_sizes(const struct head *head, struct ds_detail *detail)
{
    if (head->form > DS_ENVELOPE_ZSTD) {
        ds_detail_set(detail, "envelope: unknown codec", NULL);
        return DS_ERR_VERSION;
    }
    if (head->plain_size > DS_PLAIN_SIZE_MAX) {
        ds_detail_set(detail, "envelope: a plain size above 4194304", NULL);
        return DS_ERR_LIMIT;
    }
    if (head->form == DS_ENVELOPE_PLAIN && head->plain_size != head->payload.size) {
        ds_detail_set(detail, "envelope: the plain size is not the payload's", NULL);
        return DS_ERR_DECODE;
    }
    if (head->form == DS_ENVELOPE_ZSTD &&
        head->plain_size > head->payload.size * DS_ENVELOPE_RATIO_MAX) {
        ds_detail_set(detail, "envelope: more than 200 times the payload", NULL);
        return DS_ERR_LIMIT;
    }
    return DS_OK;
}

static enum ds_err decompress(struct ds_envelope_codec *codec, const struct head *head,
                              struct ds_builder *buffer, struct ds_slice *plain,
                              struct ds_detail *detail)
{
    const char *problem = frame_problem(head->payload, head->plain_size);
    if (problem != NULL) {
        ds_detail_set(detail, "envelope: ", problem, NULL);
        return DS_ERR_DECODE;
    }
    if (frame_window(head->payload, head->plain_size) > DS_ENVELOPE_WINDOW_MAX) {
        ds_detail_set(detail, "envelope: a window above 1048576", NULL);
        return DS_ERR_LIMIT;
    }
    if (buffer->failed || head->plain_size > buffer->size - buffer->used) {
        ds_detail_set(detail, "envelope: more than the buffer holds", NULL);
        return DS_ERR_LIMIT;
    }
    uint8_t *room = buffer->data + buffer->used;
    size_t size = ZSTD_decompressDCtx(codec->decompress, room, head->plain_size, head->payload.data,
                                      head->payload.size);
    if (ZSTD_isError(size) != 0 || size != head->plain_size) {
        ds_detail_set(detail, "envelope: the frame is broken", NULL);
        return DS_ERR_DECODE;
    }
    buffer->used += size;
    *plain = (struct ds_slice){room, size};
    return DS_OK;
}

enum ds_err ds_envelope_open(struct ds_envelope_codec *codec, const struct ds_secret *key,
                             struct ds_slice bytes, struct ds_builder *buffer,
                             struct ds_slice *plain, struct ds_detail *detail)
{
    *plain = (struct ds_slice){NULL, 0};
    struct head head;
    DS_TRY(parse_head(bytes, &head, detail));
    uint8_t tag[DS_TAG_SIZE];
    ds_tag(key, head.tagged, (struct ds_slice){NULL, 0}, tag);
    if (!ds_equal_secret(tag, head.tag.data, sizeof(tag))) {
        ds_detail_set(detail, "envelope: the tag does not match", NULL);
        return DS_ERR_SIGNATURE;
    }
    DS_TRY(check_sizes(&head, detail));
    if (head.form == DS_ENVELOPE_PLAIN) {
        *plain = head.payload;
        return DS_OK;
    }
    return decompress(codec, &head, buffer, plain, detail);
}

/* ---- Frames inside columns. ---- */

bool ds_envelope_pack(struct ds_envelope_codec *codec, struct ds_slice plain,
                      struct ds_builder *out)
{
    size_t size = compress(codec, plain, out);
    out->used += size;
    return size > 0;
}

bool ds_envelope_unpack(struct ds_envelope_codec *codec, struct ds_slice frame, size_t plain_size,
                        struct ds_arena *arena, struct ds_slice *plain)
{
    struct head head = {
        .form = DS_ENVELOPE_ZSTD, .plain_size = (uint32_t)plain_size, .payload = frame};
    struct ds_builder buffer;
    if (codec == NULL || plain_size > DS_PLAIN_SIZE_MAX || check_sizes(&head, NULL) != DS_OK) {
        return false;
    }
    ds_builder_init(&buffer, ds_arena_room(arena, plain_size), plain_size);
    return buffer.data != NULL && decompress(codec, &head, &buffer, plain, NULL) == DS_OK;
}

/* ---- Short envelopes. ---- */

/* Who speaks and which request this is goes into every tag; down, it is not said. */
static void tag_short(const struct ds_secret *key, const struct ds_id *device, uint64_t counter,
                      struct ds_slice bytes, uint8_t tag[static DS_TAG_SIZE])
{
    uint8_t memory[sizeof(device->byte) + sizeof(counter)];
    struct ds_builder builder;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_put_id(&builder, device);
    ds_put_u64(&builder, counter);
    ds_tag(key, DS_SLICE_OF(memory), bytes, tag);
}

static void put_short_head(struct ds_builder *out, enum ds_envelope_form form, bool down,
                           const struct ds_id *device, uint64_t counter, size_t plain_size)
{
    ds_put_u8(out, DS_SUITE);
    ds_put_u8(out, (uint8_t)form);
    if (!down) {
        ds_put_bytes(out, (struct ds_slice){device->byte, DS_SHORT_DEVICE_SIZE});
        ds_put_var(out, counter);
    }
    if (form == DS_ENVELOPE_COLUMNS_ZSTD) {
        ds_put_var(out, plain_size);
    }
}

static void seal_short(struct ds_envelope_codec *codec, const struct ds_secret *key, bool down,
                       const struct ds_id *device, uint64_t counter, struct ds_slice plain,
                       struct ds_builder *out)
{
    size_t begin = out->used;
    if (plain.size > DS_PLAIN_SIZE_MAX) {
        out->failed = true;
        return;
    }
    put_short_head(out, DS_ENVELOPE_COLUMNS_ZSTD, down, device, counter, plain.size);
    size_t compressed = compress(codec, plain, out);
    if (compressed > 0) {
        out->used += compressed;
    } else {
        out->used = begin;
        put_short_head(out, DS_ENVELOPE_COLUMNS, down, device, counter, plain.size);
        ds_put_bytes(out, plain);
    }
    if (!out->failed) {
        uint8_t tag[DS_TAG_SIZE];
        tag_short(key, device, counter, (struct ds_slice){out->data + begin, out->used - begin},
                  tag);
        ds_put_bytes(out, DS_SLICE_OF(tag));
    }
}

void ds_envelope_seal_up(struct ds_envelope_codec *codec, const struct ds_secret *key,
                         const struct ds_id *device, uint64_t counter, struct ds_slice plain,
                         struct ds_builder *out)
{
    seal_short(codec, key, false, device, counter, plain, out);
}

void ds_envelope_seal_down(struct ds_envelope_codec *codec, const struct ds_secret *key,
                           const struct ds_id *device, uint64_t counter, struct ds_slice plain,
                           struct ds_builder *out)
{
    seal_short(codec, key, true, device, counter, plain, out);
}

enum ds_err ds_envelope_form_of(struct ds_slice bytes, enum ds_envelope_form *form)
{
    if (bytes.size < DS_SHORT_DOWN_OVERHEAD) {
        return DS_ERR_DECODE;
    }
    *form = (enum ds_envelope_form)bytes.data[1];
    return DS_OK;
}

static bool is_short(uint8_t form)
{
    return form == DS_ENVELOPE_COLUMNS || form == DS_ENVELOPE_COLUMNS_ZSTD;
}

/* The head of a short envelope; false: it is none. */
static bool parse_short(struct ds_slice bytes, bool down, struct head *head)
{
    struct ds_cursor cursor;
    *head = (struct head){0};
    if (bytes.size < DS_SHORT_DOWN_OVERHEAD || bytes.size > DS_ENVELOPE_SIZE_MAX) {
        return false;
    }
    ds_cursor_init(&cursor, (struct ds_slice){bytes.data, bytes.size - DS_TAG_SIZE});
    uint8_t suite = ds_take_u8(&cursor);
    head->form = ds_take_u8(&cursor);
    if (!down) {
        struct ds_slice device = ds_take_bytes(&cursor, DS_SHORT_DEVICE_SIZE);
        if (device.size > 0) {
            memcpy(head->device.byte, device.data, device.size);
        }
        head->counter = ds_take_var(&cursor);
    }
    uint64_t size = head->form == DS_ENVELOPE_COLUMNS_ZSTD ? ds_take_var(&cursor) : 0;
    head->plain_size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    head->payload = ds_take_bytes(&cursor, ds_cursor_left(&cursor));
    head->tagged = (struct ds_slice){bytes.data, bytes.size - DS_TAG_SIZE};
    head->tag = (struct ds_slice){bytes.data + bytes.size - DS_TAG_SIZE, DS_TAG_SIZE};
    return !cursor.failed && suite == DS_SUITE && is_short(head->form);
}

/* NOLINTNEXTLINE(readability-function-size): nine parameters, none of which has a default. */
enum ds_err ds_envelope_open_short(struct ds_envelope_codec *codec, const struct ds_secret *key,
                                   bool down, const struct ds_id *device, uint64_t counter,
                                   struct ds_slice bytes, struct ds_builder *buffer,
                                   struct ds_slice *plain, struct ds_detail *detail)
{
    struct head head;
    uint8_t tag[DS_TAG_SIZE];
    *plain = (struct ds_slice){NULL, 0};
    if (!parse_short(bytes, down, &head)) {
        ds_detail_set(detail, "envelope: not a short one", NULL);
        return DS_ERR_DECODE;
    }
    tag_short(key, device, counter, head.tagged, tag);
    if (!ds_equal_secret(tag, head.tag.data, sizeof(tag))) {
        ds_detail_set(detail, "envelope: the tag does not match", NULL);
        return DS_ERR_SIGNATURE;
    }
    if (head.form == DS_ENVELOPE_COLUMNS) {
        *plain = head.payload;
        return DS_OK;
    }
    head.form = DS_ENVELOPE_ZSTD;
    DS_TRY(check_sizes(&head, detail));
    return decompress(codec, &head, buffer, plain, detail);
}

#include "tools/cli/qr.h"

#include <qrencode.h>

#include <stdlib.h>
#include <string.h>

static enum ds_err encode(const char *text, QRcode **code, struct ds_detail *detail)
{
    if (strlen(text) > DS_QR_TEXT_MAX) {
        ds_detail_set(detail, "the code is too long for a QR symbol", NULL);
        return DS_ERR_LIMIT;
    }
    *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
    return *code != NULL ? DS_OK : DS_ERR_NOMEM;
}

static bool dark(const QRcode *code, int x, int y)
{
    bool inside = x >= 0 && y >= 0 && x < code->width && y < code->width;
    return inside && (code->data[y * code->width + x] & 1) != 0;
}

/* ---- PNG ---- */

static uint32_t crc32_of(struct ds_slice bytes)
{
    uint32_t crc = UINT32_MAX;
    DS_ASSERT(bytes.data != NULL);
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= bytes.data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
        }
    }
    return ~crc;
}

static uint32_t adler32_of(struct ds_slice bytes)
{
    uint32_t a = 1;
    uint32_t b = 0;
    DS_ASSERT(bytes.data != NULL);
    for (size_t i = 0; i < bytes.size; i++) {
        a = (a + bytes.data[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* Length, type, data, checksum over type and data. */
static void put_chunk(struct ds_builder *out, const char *type, struct ds_slice data)
{
    ds_put_u32(out, (uint32_t)data.size);
    size_t from = out->used;
    ds_put_text(out, type);
    ds_put_bytes(out, data);
    if (!out->failed) {
        ds_put_u32(out, crc32_of((struct ds_slice){out->data + from, out->used - from}));
    }
}

/* A zlib stream of stored blocks of at most 65,535 bytes; their lengths are little-endian. */
static void put_stored(struct ds_builder *out, struct ds_slice data)
{
    ds_put_u16(out, 0x7801);
    for (size_t at = 0; at < data.size;) {
        size_t size = data.size - at < 65535 ? data.size - at : 65535;
        ds_put_u8(out, at + size == data.size);
        ds_put_u8(out, (uint8_t)(size & 0xFF));
        ds_put_u8(out, (uint8_t)(size >> 8));
        ds_put_u8(out, (uint8_t)(~size & 0xFF));
        ds_put_u8(out, (uint8_t)(~size >> 8 & 0xFF));
        ds_put_bytes(out, (struct ds_slice){data.data + at, size});
        at += size;
    }
    ds_put_u32(out, adler32_of(data));
}

/* Rows of one bit a pixel, each behind its filter byte 0; 1 is white. */
static void put_pixels(struct ds_builder *out, const QRcode *code)
{
    int modules = code->width + 2 * DS_QR_BORDER;
    for (int row = 0; row < modules * DS_QR_SCALE; row++) {
        ds_put_u8(out, 0);
        for (int x = 0; x < modules; x++) {
            bool black = dark(code, x - DS_QR_BORDER, row / DS_QR_SCALE - DS_QR_BORDER);
            ds_put_u8(out, black ? 0x00 : 0xFF);
        }
    }
}

static void put_png(struct ds_builder *out, const QRcode *code, struct ds_slice stream)
{
    uint8_t memory[13];
    struct ds_builder head;
    uint32_t pixels = (uint32_t)((code->width + 2 * DS_QR_BORDER) * DS_QR_SCALE);
    ds_builder_init(&head, memory, sizeof(memory));
    ds_put_u32(&head, pixels);
    ds_put_u32(&head, pixels);
    ds_put_u8(&head, 1);  /* Bits of a pixel ... */
    ds_put_u8(&head, 0);  /* ... of grey. */
    ds_put_u16(&head, 0); /* Compression and filter: the only ones there are. */
    ds_put_u8(&head, 0);  /* Not interlaced. */
    ds_put_bytes(out, DS_SLICE_LIT("\x89PNG\r\n\x1a\n"));
    put_chunk(out, "IHDR", (struct ds_slice){memory, head.used});
    put_chunk(out, "IDAT", stream);
    put_chunk(out, "IEND", (struct ds_slice){NULL, 0});
}

static enum ds_err write_png(const QRcode *code, const char *path, struct ds_detail *detail)
{
    size_t modules = (size_t)code->width + 2 * DS_QR_BORDER;
    size_t size = (modules + 1) * modules * DS_QR_SCALE;
    size_t room = size + size / 65535 * 5 + 256;
    uint8_t *memory = malloc(size + 2 * room);
    struct ds_builder pixels;
    struct ds_builder stream;
    struct ds_builder png;
    struct ds_slice made = {NULL, 0};
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&pixels, memory, size);
    ds_builder_init(&stream, memory + size, room);
    ds_builder_init(&png, memory + size + room, room);
    put_pixels(&pixels, code);
    put_stored(&stream, (struct ds_slice){pixels.data, pixels.used});
    put_png(&png, code, (struct ds_slice){stream.data, stream.used});
    enum ds_err err = ds_builder_end(&png, &made);
    FILE *file = err == DS_OK ? fopen(path, "wb") : NULL;
    bool written = file != NULL && fwrite(made.data, 1, made.size, file) == made.size;
    if (file != NULL) {
        written = fclose(file) == 0 && written;
    }
    free(memory);
    if (err == DS_OK && !written) {
        ds_detail_set(detail, path, ": cannot be written", NULL);
        err = DS_ERR_IO;
    }
    return err;
}

enum ds_err ds_qr_png(const char *text, const char *path, struct ds_detail *detail)
{
    QRcode *code = NULL;
    DS_TRY(encode(text, &code, detail));
    enum ds_err err = write_png(code, path, detail);
    QRcode_free(code);
    return err;
}

/* Light modules are drawn: terminals are dark. */
enum ds_err ds_qr_text(const char *text, FILE *to, struct ds_detail *detail)
{
    static const char *const blocks[] = {"\u2588", "\u2580", "\u2584", " "};
    QRcode *code = NULL;
    DS_TRY(encode(text, &code, detail));
    for (int y = -2; y < code->width + 2; y += 2) {
        for (int x = -2; x < code->width + 2; x++) {
            unsigned upper = dark(code, x, y) ? 2 : 0;
            unsigned lower = dark(code, x, y + 1) ? 1 : 0;
            fputs(blocks[upper + lower], to);
        }
        fputc('\n', to);
    }
    QRcode_free(code);
    return DS_OK;
}

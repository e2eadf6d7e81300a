/* The envelope of an exchange: who speaks, compressed or not, and a tag over all of it.
 *
 * u8 suite, u8 codec, device id (16), u64 counter, u32 plain size, payload, tag (16): FORMAT.md,
 * "Exchange". The tag is checked, in constant time, before anything of the payload is looked at;
 * a frame is decompressed only into a buffer of the size it declares, after its window, its size
 * and its ratio were found within the limits. The only file that knows zstd. */
#ifndef DS_SYNC_SHARD_ENVELOPE_H
#define DS_SYNC_SHARD_ENVELOPE_H

#include "sync/core/exchange.h"
#include "sync/crypto/crypto.h"

#define DS_ENVELOPE_HEAD_SIZE 30
#define DS_ENVELOPE_OVERHEAD (DS_ENVELOPE_HEAD_SIZE + DS_TAG_SIZE)
/* On the wire, either way; a request is at most DS_REQUEST_SIZE_MAX, which its receiver checks. */
#define DS_ENVELOPE_SIZE_MAX (DS_PLAIN_SIZE_MAX + DS_ENVELOPE_OVERHEAD)
#define DS_ENVELOPE_WINDOW_MAX (1 << 20)
#define DS_ENVELOPE_RATIO_MAX 200 /* Plain size to payload size. */

#define DS_SHORT_DOWN_OVERHEAD (2 + DS_TAG_SIZE) /* The least that a short envelope adds. */

enum ds_envelope_form {
    DS_ENVELOPE_PLAIN = 0,
    DS_ENVELOPE_ZSTD = 1,
    DS_ENVELOPE_COLUMNS = 2,     /* A short envelope around columns (wire.h) ... */
    DS_ENVELOPE_COLUMNS_ZSTD = 3 /* ... in a zstd frame. */
};

/* Compression contexts to use again and again, by one thread at a time. */
struct ds_envelope_codec {
    void *compress; /* Owned; private. */
    void *decompress;
};
DS_NODISCARD enum ds_err ds_envelope_codec_init(struct ds_envelope_codec *codec); /* _NOMEM */
void ds_envelope_codec_fini(struct ds_envelope_codec *codec); /* Also after a failed init. */

/* Write an envelope behind what out holds. codec NULL: not compressed; else compressed if that is
 * smaller and within the limits of ds_envelope_open(). A plain text above DS_PLAIN_SIZE_MAX fails
 * the builder. key is the link key of the direction. */
void ds_envelope_seal(struct ds_envelope_codec *codec, const struct ds_secret *key,
                      const struct ds_id *device, uint64_t counter, struct ds_slice plain,
                      struct ds_builder *out);

/* Who says he speaks, before a key is known: nothing is verified. Of a short envelope the device's
 * last bytes are zeros. DS_ERR_DECODE if it is no
 * envelope, DS_ERR_VERSION for a later suite, DS_ERR_LIMIT. */
DS_NODISCARD enum ds_err ds_envelope_peek(struct ds_slice bytes, struct ds_id *device,
                                          uint64_t *counter);

/* Verify the tag and give the plain text, which borrows bytes (not compressed) or buffer, behind
 * what buffer holds. DS_ERR_SIGNATURE if anything was changed, DS_ERR_LIMIT if it is too large,
 * also for buffer; DS_ERR_DECODE, DS_ERR_VERSION. */
DS_NODISCARD enum ds_err ds_envelope_open(struct ds_envelope_codec *codec,
                                          const struct ds_secret *key, struct ds_slice bytes,
                                          struct ds_builder *buffer, struct ds_slice *plain,
                                          struct ds_detail *detail);

/* ---- Short envelopes (columns). ---- */

#define DS_SHORT_DEVICE_SIZE 8 /* The beginning of a device's id is enough to find it. */

/* Up: u8 suite, u8 codec, first bytes of the device id (8), counter, [plain size], payload, tag.
 * Down: the same without device and counter; the tag covers them, in full, in front. Numbers are
 * those of columns.h. */
void ds_envelope_seal_up(struct ds_envelope_codec *codec, const struct ds_secret *key,
                         const struct ds_id *device, uint64_t counter, struct ds_slice plain,
                         struct ds_builder *out);
void ds_envelope_seal_down(struct ds_envelope_codec *codec, const struct ds_secret *key,
                           const struct ds_id *device, uint64_t counter, struct ds_slice plain,
                           struct ds_builder *out);
/* Which form has this? DS_ERR_DECODE: too short. */
DS_NODISCARD enum ds_err ds_envelope_form_of(struct ds_slice bytes, enum ds_envelope_form *form);
/* As ds_envelope_open(), of a form with columns; device and counter are those expected. Up, they
 * are those of ds_envelope_peek(). */
DS_NODISCARD enum ds_err ds_envelope_open_short(struct ds_envelope_codec *codec,
                                                const struct ds_secret *key, bool down,
                                                const struct ds_id *device, uint64_t counter,
                                                struct ds_slice bytes, struct ds_builder *buffer,
                                                struct ds_slice *plain, struct ds_detail *detail);

/* ---- Frames inside columns. ---- */

/* Write a zstd frame behind what out holds. False, with nothing written: it would not be smaller,
 * or not within the limits, or there is no codec. */
bool ds_envelope_pack(struct ds_envelope_codec *codec, struct ds_slice plain,
                      struct ds_builder *out);
/* Unpack one of exactly so many bytes into the arena, under the limits of an envelope. */
bool ds_envelope_unpack(struct ds_envelope_codec *codec, struct ds_slice frame, size_t plain_size,
                        struct ds_arena *arena, struct ds_slice *plain);

#endif

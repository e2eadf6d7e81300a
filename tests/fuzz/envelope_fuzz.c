/* Envelopes: the bytes as they are, and as what follows the counter under a right tag, so that the
 * fuzzer reaches the frames. What opens is no larger than said and sealed again opens again. */
#include "sync/shard/envelope.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIRE_SIZE = 1 << 20, PLAIN_SIZE = 1 << 20, SAID_SIZE = 5 };

static uint8_t wire[WIRE_SIZE];
static uint8_t plain_memory[2][PLAIN_SIZE];

static const struct ds_secret key = {{7}};
static const struct ds_id device = {{8}};

static void open_and_check(struct ds_envelope_codec *codec, struct ds_slice bytes)
{
    struct ds_builder buffer;
    struct ds_slice plain;
    struct ds_id who;
    uint64_t counter = 0;
    struct ds_detail detail = {""};
    ds_builder_init(&buffer, plain_memory[0], PLAIN_SIZE);
    enum ds_err err = ds_envelope_open(codec, &key, bytes, &buffer, &plain, &detail);
    enum ds_err peeked = ds_envelope_peek(bytes, &who, &counter);
    if ((err == DS_OK) != (detail.text[0] == '\0') || (err == DS_OK && peeked != DS_OK)) {
        abort();
    }
    if (err != DS_OK || plain.size + DS_ENVELOPE_OVERHEAD > WIRE_SIZE) {
        return;
    }
    struct ds_builder out;
    struct ds_slice sealed;
    struct ds_slice again;
    static uint8_t second[WIRE_SIZE];
    ds_builder_init(&out, second, sizeof(second));
    ds_envelope_seal(codec, &key, &who, counter, plain, &out);
    ds_builder_init(&buffer, plain_memory[1], PLAIN_SIZE);
    if (ds_builder_end(&out, &sealed) != DS_OK ||
        ds_envelope_open(codec, &key, sealed, &buffer, &again, NULL) != DS_OK ||
        !ds_slice_equal(plain, again)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ds_envelope_codec codec;
    if (ds_crypto_init() != DS_OK || ds_envelope_codec_init(&codec) != DS_OK) {
        abort();
    }
    open_and_check(&codec, (struct ds_slice){data, size});
    if (size >= SAID_SIZE && size + DS_ENVELOPE_OVERHEAD <= WIRE_SIZE) {
        /* data: codec, plain size (4), payload. */
        struct ds_builder out;
        struct ds_slice made;
        uint8_t tag[DS_TAG_SIZE];
        ds_builder_init(&out, wire, sizeof(wire));
        ds_put_u8(&out, DS_SUITE);
        ds_put_u8(&out, data[0]);
        ds_put_id(&out, &device);
        ds_put_u64(&out, 9);
        ds_put_bytes(&out, (struct ds_slice){data + 1, size - 1});
        if (ds_builder_end(&out, &made) != DS_OK) {
            abort();
        }
        ds_tag(&key, made, (struct ds_slice){NULL, 0}, tag);
        ds_put_bytes(&out, DS_SLICE_OF(tag));
        if (ds_builder_end(&out, &made) != DS_OK) {
            abort();
        }
        open_and_check(&codec, made);
    }
    ds_envelope_codec_fini(&codec);
    return 0;
}

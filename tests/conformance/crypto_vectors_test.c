/* Published answers (data/crypto/ATTRIBUTION.md) through our own interface. */
#include "schema/base/text.h"
#include "sync/core/hash.h"
#include "sync/crypto/crypto.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_SIZE 4096
#define FIELDS_MAX 8

struct line {
    char text[LINE_MAX_SIZE];
    struct ds_slice field[FIELDS_MAX];
    size_t count;
};

static FILE *open_data(const char *name)
{
    char path[512];
    const char *root = getenv("DS_SRC");
    int size = snprintf(path, sizeof path, "%s/tests/conformance/data/crypto/%s",
                        root != NULL ? root : ".", name);
    assert_in_range(size, 1, sizeof path - 1);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

/* The next line that is no comment, cut at spaces. */
static bool next_line(FILE *file, struct line *line)
{
    do {
        if (fgets(line->text, sizeof line->text, file) == NULL) {
            assert_int_equal(fclose(file), 0);
            return false;
        }
    } while (line->text[0] == '#');
    const char *at = line->text;
    line->count = 0;
    while (*at != '\0' && *at != '\n') {
        size_t size = strcspn(at, " \n");
        assert_true(line->count < FIELDS_MAX);
        line->field[line->count++] = (struct ds_slice){(const uint8_t *)at, size};
        at += size;
        at += *at == ' ' ? 1 : 0;
    }
    return true;
}

static struct ds_slice hex_of(const struct line *line, size_t field, uint8_t room[static 2048])
{
    struct ds_slice hex = line->field[field];
    assert_true(field < line->count);
    if (ds_slice_equal(hex, DS_SLICE_LIT("-"))) {
        return (struct ds_slice){room, 0};
    }
    assert_int_equal(ds_hex_parse(hex, room, hex.size / 2), DS_OK);
    return (struct ds_slice){room, hex.size / 2};
}

static void bytes_of(const struct line *line, size_t field, void *out, size_t size)
{
    assert_true(field < line->count);
    assert_int_equal(ds_hex_parse(line->field[field], out, size), DS_OK);
}

static bool is(const struct line *line, const char *result)
{
    return ds_slice_equal(line->field[1], ds_slice_of_text(result));
}

static void blake2b__known_answers(void **state)
{
    (void)state;
    uint8_t counting[256];
    for (size_t i = 0; i < sizeof counting; i++) {
        counting[i] = (uint8_t)i;
    }
    static struct line line;
    FILE *file = open_data("blake2b.txt");
    unsigned count = 0;
    while (next_line(file, &line)) {
        int64_t input_size = 0;
        int64_t key_size = 0;
        uint8_t wanted[64];
        uint8_t hash[64];
        struct ds_hasher hasher;
        assert_int_equal(ds_int_parse(line.field[0], &input_size), DS_OK);
        assert_int_equal(ds_int_parse(line.field[1], &key_size), DS_OK);
        bytes_of(&line, 2, wanted, sizeof wanted);
        ds_hasher_init(&hasher, (struct ds_slice){counting, (size_t)key_size}, sizeof hash);
        ds_hasher_add(&hasher, (struct ds_slice){counting, (size_t)input_size});
        ds_hasher_end(&hasher, hash, sizeof hash);
        assert_memory_equal(hash, wanted, sizeof hash);
        count++;
    }
    assert_int_equal(count, 357);
}

static void ed25519__wycheproof(void **state)
{
    (void)state;
    static uint8_t room[2048];
    static uint8_t signature_room[2048];
    static struct line line;
    FILE *file = open_data("ed25519.txt");
    unsigned count[2] = {0};
    while (next_line(file, &line)) {
        struct ds_hash public_key;
        struct ds_signature signature = {{0}};
        bytes_of(&line, 2, &public_key, sizeof public_key);
        struct ds_slice given = hex_of(&line, 3, signature_room);
        struct ds_slice message = hex_of(&line, 4, room);
        bool valid = is(&line, "valid");
        if (given.size != sizeof signature) {
            /* Of another size: our types cannot hold it, the codecs refuse it. */
            assert_false(valid);
            continue;
        }
        memcpy(&signature, given.data, sizeof signature);
        for (size_t cut = 0; cut <= message.size; cut += message.size / 2 + 1) {
            /* The label is the message's beginning, wherever it ends. */
            struct ds_slice label = {message.data, cut};
            struct ds_slice rest = {message.data + cut, message.size - cut};
            bool verified = ds_verify(&public_key, label, rest, &signature);
            assert_int_equal(verified, valid);
        }
        count[valid]++;
    }
    assert_int_equal(count[true], 68);
    assert_in_range(count[false], 30, 40);
}

/* crypto_kx, as libsodium documents it: rx || tx = BLAKE2b-512(shared || client || server). */
static void x25519__wycheproof_through_the_link_keys(void **state)
{
    (void)state;
    static struct line line;
    FILE *file = open_data("x25519.txt");
    unsigned count[2] = {0};
    while (next_line(file, &line)) {
        struct ds_hash server;
        struct ds_hash client;
        struct ds_hash shared;
        struct ds_secret secret;
        struct ds_link_keys keys;
        uint8_t wanted[64];
        bytes_of(&line, 2, &server, sizeof server);
        bytes_of(&line, 3, &secret, sizeof secret);
        bytes_of(&line, 4, &shared, sizeof shared);
        bool zero = is(&line, "zero");
        enum ds_err err = ds_link_keys_device(&secret, &server, &keys);
        assert_int_equal(err, zero ? DS_ERR_USAGE : DS_OK);
        count[zero]++;
        if (zero) {
            continue;
        }
        ds_box_public(&secret, &client);
        struct ds_hasher hasher;
        ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, sizeof wanted);
        ds_hasher_add(&hasher, DS_SLICE_OF(shared));
        ds_hasher_add(&hasher, DS_SLICE_OF(client));
        ds_hasher_add(&hasher, DS_SLICE_OF(server));
        ds_hasher_end(&hasher, wanted, sizeof wanted);
        assert_memory_equal(&keys.down, wanted, 32);
        assert_memory_equal(&keys.up, wanted + 32, 32);
    }
    assert_int_equal(count[false] + count[true], 369);
    assert_true(count[true] > 15);
}

static void give_nonce(void *context, void *out, size_t size)
{
    assert_int_equal(size, DS_NONCE_SIZE);
    memcpy(out, context, size);
}

static void xchacha20_poly1305__wycheproof_and_the_draft(void **state)
{
    (void)state;
    static uint8_t aad_room[2048];
    static uint8_t message_room[2048];
    static uint8_t sealed_room[4096];
    static uint8_t made_room[4096];
    static struct line line;
    FILE *file = open_data("xchacha20_poly1305.txt");
    unsigned count[2] = {0};
    while (next_line(file, &line)) {
        struct ds_secret key;
        bytes_of(&line, 2, &key, sizeof key);
        bytes_of(&line, 3, sealed_room, DS_NONCE_SIZE);
        struct ds_slice aad = hex_of(&line, 4, aad_room);
        struct ds_slice message = hex_of(&line, 5, message_room);
        struct ds_slice text = hex_of(&line, 6, sealed_room + DS_NONCE_SIZE);
        bytes_of(&line, 7, sealed_room + DS_NONCE_SIZE + text.size, 16);
        struct ds_slice sealed = {sealed_room, DS_AEAD_OVERHEAD + text.size};
        bool valid = is(&line, "valid");
        struct ds_builder clear;
        struct ds_slice made;
        ds_builder_init(&clear, made_room, sizeof made_room);
        enum ds_err err = ds_aead_open(&key, aad, sealed, &clear);
        assert_int_equal(err, valid ? DS_OK : DS_ERR_SIGNATURE);
        assert_int_equal(ds_builder_end(&clear, &made), DS_OK);
        assert_int_equal(made.size, valid ? message.size : 0);
        assert_true(!valid || ds_slice_equal(made, message));
        struct ds_random nonce = {give_nonce, sealed_room};
        struct ds_builder out;
        ds_builder_init(&out, made_room, sizeof made_room);
        assert_int_equal(ds_aead_seal(&key, aad, message, &nonce, &out), DS_OK);
        assert_int_equal(ds_builder_end(&out, &made), DS_OK);
        assert_int_equal(ds_slice_equal(made, sealed), valid);
        count[valid]++;
    }
    assert_int_equal(count[true], 174);
    assert_int_equal(count[false], 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blake2b__known_answers),
        cmocka_unit_test(ed25519__wycheproof),
        cmocka_unit_test(x25519__wycheproof_through_the_link_keys),
        cmocka_unit_test(xchacha20_poly1305__wycheproof_and_the_draft),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

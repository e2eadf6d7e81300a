/* Cryptography: RFC answers, byte compatibility with libsodium, and refusals. */
#include "schema/base/text.h"
#include "sync/crypto/crypto.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <sodium.h>

#include <string.h>

static const struct ds_slice none = {NULL, 0};

static void prng_port(void *context, void *out, size_t size)
{
    prng_fill(context, out, size);
}

static void parse(const char *hex, void *out, size_t size)
{
    assert_int_equal(ds_hex_parse(ds_slice_of_text(hex), out, size), DS_OK);
}

static struct ds_slice built(const struct ds_builder *builder)
{
    struct ds_slice made = {NULL, 0};
    assert_int_equal(ds_builder_end(builder, &made), DS_OK);
    return made;
}

/* ---- Ed25519 -------------------------------------------------------------------------------- */

/* RFC 8032, section 7.1: tests 1, 2, 3 and SHA(abc). */
static void sign__gives_the_answers_of_rfc_8032(void **state)
{
    (void)state;
    static const struct {
        const char *seed;
        const char *public_key;
        const char *message;
        const char *signature;
    } rows[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
         "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
         "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
         "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
        {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
         "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
         "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
         "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"},
    };
    for (size_t row = 0; row < DS_COUNT(rows); row++) {
        struct ds_secret seed;
        struct ds_hash public_key;
        struct ds_hash wanted_key;
        struct ds_signature signature;
        struct ds_signature wanted;
        uint8_t message[64];
        size_t size = strlen(rows[row].message) / 2;
        parse(rows[row].seed, &seed, sizeof seed);
        parse(rows[row].public_key, &wanted_key, sizeof wanted_key);
        parse(rows[row].signature, &wanted, sizeof wanted);
        parse(rows[row].message, message, size);
        ds_sign_public(&seed, &public_key);
        assert_memory_equal(&public_key, &wanted_key, sizeof wanted_key);
        for (size_t cut = 0; cut <= size; cut++) {
            struct ds_slice label = {message, cut};
            struct ds_slice rest = {message + cut, size - cut};
            ds_sign(&seed, label, rest, &signature);
            assert_memory_equal(&signature, &wanted, sizeof wanted);
            assert_true(ds_verify(&public_key, label, rest, &signature));
        }
    }
}

static void sign__a_label_a_byte_or_a_key_changed_does_not_verify(void **state)
{
    (void)state;
    struct ds_secret seed = {{1}};
    struct ds_secret other_seed = {{2}};
    struct ds_hash public_key;
    struct ds_hash other_key;
    struct ds_signature signature;
    struct ds_slice label = DS_SLICE_LIT("doorstep batch 1");
    struct ds_slice message = DS_SLICE_LIT("header");
    ds_sign_public(&seed, &public_key);
    ds_sign_public(&other_seed, &other_key);
    ds_sign(&seed, label, message, &signature);
    assert_true(ds_verify(&public_key, label, message, &signature));
    assert_false(ds_verify(&other_key, label, message, &signature));
    assert_false(ds_verify(&public_key, DS_SLICE_LIT("doorstep heads 1"), message, &signature));
    assert_false(ds_verify(&public_key, label, DS_SLICE_LIT("headeR"), &signature));
    assert_false(ds_verify(&public_key, label, none, &signature));
    for (size_t bit = 0; bit < 8 * sizeof signature; bit++) {
        signature.byte[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(ds_verify(&public_key, label, message, &signature));
        signature.byte[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

/* Both ways of joining label and message: on the stack, and beyond it. */
static void sign__messages_of_all_sizes_are_plain_ed25519(void **state)
{
    (void)state;
    static uint8_t joined[10000];
    struct prng prng = {3};
    struct ds_secret seed;
    struct ds_hash public_key;
    struct ds_signature signature;
    prng_fill(&prng, joined, sizeof joined);
    prng_fill(&prng, &seed, sizeof seed);
    ds_sign_public(&seed, &public_key);
    static const size_t sizes[] = {0, 1, 2047, 2048, 2049, 10000};
    for (size_t i = 0; i < DS_COUNT(sizes); i++) {
        size_t cut = sizes[i] / 3;
        ds_sign(&seed, (struct ds_slice){joined, cut},
                (struct ds_slice){joined + cut, sizes[i] - cut}, &signature);
        assert_int_equal(
            crypto_sign_verify_detached(signature.byte, joined, sizes[i], public_key.byte), 0);
        assert_true(ds_verify(&public_key, none, (struct ds_slice){joined, sizes[i]}, &signature));
    }
}

/* ---- Sealed boxes --------------------------------------------------------------------------- */

struct pair {
    struct ds_secret secret;
    struct ds_hash public_key;
};

static struct pair make_pair(struct prng *prng)
{
    struct pair pair;
    prng_fill(prng, &pair.secret, sizeof pair.secret);
    ds_box_public(&pair.secret, &pair.public_key);
    return pair;
}

static void seal__libsodium_opens_ours_and_we_open_libsodiums(void **state)
{
    (void)state;
    static uint8_t message[5000];
    static uint8_t sealed_room[5000 + DS_SEAL_OVERHEAD];
    static uint8_t clear_room[5000];
    struct prng prng = {4};
    struct ds_random rnd = {prng_port, &prng};
    struct pair to = make_pair(&prng);
    prng_fill(&prng, message, sizeof message);
    static const size_t sizes[] = {0, 1, 32, 1000, 5000};
    for (size_t i = 0; i < DS_COUNT(sizes); i++) {
        struct ds_slice clear = {message, sizes[i]};
        struct ds_builder out;
        ds_builder_init(&out, sealed_room, sizeof sealed_room);
        assert_int_equal(ds_seal(&to.public_key, clear, &rnd, &out), DS_OK);
        struct ds_slice sealed = built(&out);
        assert_int_equal(sealed.size, sizes[i] + DS_SEAL_OVERHEAD);
        assert_int_equal(crypto_box_seal_open(clear_room, sealed.data, sealed.size,
                                              to.public_key.byte, to.secret.byte),
                         0);
        assert_memory_equal(clear_room, message, sizes[i]);

        assert_int_equal(crypto_box_seal(sealed_room, message, sizes[i], to.public_key.byte), 0);
        ds_builder_init(&out, clear_room, sizeof clear_room);
        sealed = (struct ds_slice){sealed_room, sizes[i] + DS_SEAL_OVERHEAD};
        assert_int_equal(ds_unseal(&to.secret, sealed, &out), DS_OK);
        assert_true(ds_slice_equal(built(&out), clear));
    }
}

static void seal__the_port_alone_decides_the_bytes(void **state)
{
    (void)state;
    uint8_t rooms[3][64];
    struct prng prng = {5};
    struct pair to = make_pair(&prng);
    for (size_t i = 0; i < 3; i++) {
        struct prng seeded = {i / 2};
        struct ds_random rnd = {prng_port, &seeded};
        struct ds_builder out;
        ds_builder_init(&out, rooms[i], sizeof rooms[i]);
        assert_int_equal(ds_seal(&to.public_key, DS_SLICE_LIT("sixteen bytes ..."), &rnd, &out),
                         DS_ERR_LIMIT);
        ds_builder_init(&out, rooms[i], sizeof rooms[i]);
        assert_int_equal(ds_seal(&to.public_key, DS_SLICE_LIT("sixteen bytes .."), &rnd, &out),
                         DS_OK);
    }
    assert_memory_equal(rooms[0], rooms[1], sizeof rooms[0]);
    assert_memory_not_equal(rooms[0], rooms[2], sizeof rooms[0]);
}

static void unseal__refuses_changed_short_and_foreign_bytes(void **state)
{
    (void)state;
    uint8_t room[DS_SEAL_OVERHEAD + 7];
    uint8_t clear[64];
    struct prng prng = {6};
    struct ds_random rnd = {prng_port, &prng};
    struct pair to = make_pair(&prng);
    struct pair other = make_pair(&prng);
    struct ds_builder out;
    ds_builder_init(&out, room, sizeof room);
    assert_int_equal(ds_seal(&to.public_key, DS_SLICE_LIT("message"), &rnd, &out), DS_OK);
    struct ds_slice sealed = built(&out);
    ds_builder_init(&out, clear, sizeof clear);
    assert_int_equal(ds_unseal(&other.secret, sealed, &out), DS_ERR_SIGNATURE);
    for (size_t size = 0; size < sealed.size; size++) {
        struct ds_slice cut = {room, size};
        assert_int_equal(ds_unseal(&to.secret, cut, &out), DS_ERR_SIGNATURE);
    }
    for (size_t byte = 0; byte < sizeof room; byte++) {
        room[byte] ^= 1;
        assert_int_equal(ds_unseal(&to.secret, sealed, &out), DS_ERR_SIGNATURE);
        room[byte] ^= 1;
    }
    /* Refusals leave nothing behind; the bytes themselves still open. */
    assert_int_equal(built(&out).size, 0);
    assert_int_equal(ds_unseal(&to.secret, sealed, &out), DS_OK);
    assert_true(ds_slice_equal(built(&out), DS_SLICE_LIT("message")));
    /* No room: said so, and the builder has failed. */
    ds_builder_init(&out, clear, 6);
    assert_int_equal(ds_unseal(&to.secret, sealed, &out), DS_ERR_LIMIT);
    assert_true(out.failed);
}

static void seal__to_a_key_that_nobody_holds_is_refused(void **state)
{
    (void)state;
    uint8_t room[128];
    struct prng prng = {7};
    struct ds_random rnd = {prng_port, &prng};
    struct ds_hash zero = {{0}};
    struct ds_builder out;
    ds_builder_init(&out, room, sizeof room);
    assert_int_equal(ds_seal(&zero, DS_SLICE_LIT("message"), &rnd, &out), DS_ERR_USAGE);
    assert_int_equal(built(&out).size, 0);
}

/* ---- Link keys ------------------------------------------------------------------------------ */

static void link__both_sides_agree_and_are_crypto_kx(void **state)
{
    (void)state;
    struct prng prng = {8};
    struct pair device = make_pair(&prng);
    struct pair server = make_pair(&prng);
    struct pair stranger = make_pair(&prng);
    struct ds_link_keys up;
    struct ds_link_keys down;
    uint8_t rx[32];
    uint8_t tx[32];
    assert_int_equal(ds_link_keys_device(&device.secret, &server.public_key, &up), DS_OK);
    assert_int_equal(ds_link_keys_server(&server.secret, &device.public_key, &down), DS_OK);
    assert_memory_equal(&up, &down, sizeof up);
    assert_memory_not_equal(&up.up, &up.down, 32);
    assert_int_equal(crypto_kx_client_session_keys(rx, tx, device.public_key.byte,
                                                   device.secret.byte, server.public_key.byte),
                     0);
    assert_memory_equal(tx, up.up.byte, 32);
    assert_memory_equal(rx, up.down.byte, 32);
    assert_int_equal(ds_link_keys_server(&server.secret, &stranger.public_key, &down), DS_OK);
    assert_memory_not_equal(&up, &down, sizeof up);
    struct ds_hash zero = {{0}};
    assert_int_equal(ds_link_keys_device(&device.secret, &zero, &up), DS_ERR_USAGE);
    assert_int_equal(ds_link_keys_server(&server.secret, &zero, &up), DS_ERR_USAGE);
}

/* ---- Tags, subkeys, comparison -------------------------------------------------------------- */

static void tag__is_keyed_blake2b_128_of_both_parts(void **state)
{
    (void)state;
    struct ds_secret key = {{9}};
    struct ds_secret other = {{10}};
    uint8_t tag[DS_TAG_SIZE];
    uint8_t again[DS_TAG_SIZE];
    uint8_t wanted[16];
    ds_tag(&key, DS_SLICE_LIT("one"), DS_SLICE_LIT("two"), tag);
    crypto_generichash(wanted, sizeof wanted, (const uint8_t *)"onetwo", 6, key.byte, 32);
    assert_memory_equal(tag, wanted, sizeof tag);
    assert_true(ds_equal_secret(tag, wanted, sizeof tag));
    ds_tag(&key, DS_SLICE_LIT("onetwo"), none, again);
    assert_memory_equal(tag, again, sizeof tag);
    ds_tag(&other, DS_SLICE_LIT("one"), DS_SLICE_LIT("two"), again);
    assert_false(ds_equal_secret(tag, again, sizeof tag));
}

static void subkey__differs_by_key_label_and_context(void **state)
{
    (void)state;
    struct ds_secret key = {{11}};
    struct ds_secret subkeys[4];
    ds_subkey(&key, DS_SLICE_LIT("records"), DS_SLICE_LIT("1"), &subkeys[0]);
    ds_subkey(&key, DS_SLICE_LIT("index"), DS_SLICE_LIT("1"), &subkeys[1]);
    ds_subkey(&key, DS_SLICE_LIT("records"), DS_SLICE_LIT("2"), &subkeys[2]);
    ds_subkey(&subkeys[0], DS_SLICE_LIT("records"), DS_SLICE_LIT("1"), &subkeys[3]);
    for (size_t a = 0; a < 4; a++) {
        for (size_t b = 0; b < a; b++) {
            assert_memory_not_equal(&subkeys[a], &subkeys[b], sizeof subkeys[a]);
        }
    }
    uint8_t wanted[32];
    crypto_generichash(wanted, 32, (const uint8_t *)"records1", 8, key.byte, 32);
    assert_memory_equal(&subkeys[0], wanted, 32);
}

static void wipe__leaves_zeros(void **state)
{
    (void)state;
    uint8_t bytes[5] = {1, 2, 3, 4, 5};
    static const uint8_t wanted[5] = {1, 0, 0, 0, 5};
    ds_wipe(bytes + 1, 3);
    assert_memory_equal(bytes, wanted, sizeof bytes);
}

/* ---- XChaCha20-Poly1305 --------------------------------------------------------------------- */

static void aead__opens_only_with_its_key_data_and_bytes(void **state)
{
    (void)state;
    uint8_t room[DS_AEAD_OVERHEAD + 7];
    uint8_t clear[16];
    struct prng prng = {12};
    struct ds_random rnd = {prng_port, &prng};
    struct ds_secret key = {{12}};
    struct ds_secret other = {{13}};
    struct ds_slice aad = DS_SLICE_LIT("store 1, key 2");
    struct ds_builder out;
    ds_builder_init(&out, room, sizeof room);
    assert_int_equal(ds_aead_seal(&key, aad, DS_SLICE_LIT("message"), &rnd, &out), DS_OK);
    struct ds_slice sealed = built(&out);
    assert_int_equal(sealed.size, sizeof room);
    ds_builder_init(&out, clear, sizeof clear);
    assert_int_equal(ds_aead_open(&other, aad, sealed, &out), DS_ERR_SIGNATURE);
    assert_int_equal(ds_aead_open(&key, none, sealed, &out), DS_ERR_SIGNATURE);
    assert_int_equal(ds_aead_open(&key, DS_SLICE_LIT("store 1, key 3"), sealed, &out),
                     DS_ERR_SIGNATURE);
    for (size_t size = 0; size < sizeof room; size++) {
        assert_int_equal(ds_aead_open(&key, aad, (struct ds_slice){room, size}, &out),
                         DS_ERR_SIGNATURE);
    }
    for (size_t byte = 0; byte < sizeof room; byte++) {
        room[byte] ^= 0x80;
        assert_int_equal(ds_aead_open(&key, aad, sealed, &out), DS_ERR_SIGNATURE);
        room[byte] ^= 0x80;
    }
    assert_int_equal(built(&out).size, 0);
    assert_int_equal(ds_aead_open(&key, aad, sealed, &out), DS_OK);
    assert_true(ds_slice_equal(built(&out), DS_SLICE_LIT("message")));
    ds_builder_init(&out, room, sizeof room - 1);
    assert_int_equal(ds_aead_seal(&key, aad, DS_SLICE_LIT("message"), &rnd, &out), DS_ERR_LIMIT);
    assert_true(out.failed);
}

static void aead__the_same_message_never_looks_the_same(void **state)
{
    (void)state;
    uint8_t rooms[2][DS_AEAD_OVERHEAD + 7];
    struct ds_random rnd = ds_random_system();
    struct ds_secret key = {{14}};
    for (size_t i = 0; i < 2; i++) {
        struct ds_builder out;
        ds_builder_init(&out, rooms[i], sizeof rooms[i]);
        assert_int_equal(ds_aead_seal(&key, none, DS_SLICE_LIT("message"), &rnd, &out), DS_OK);
    }
    assert_memory_not_equal(rooms[0], rooms[1], DS_NONCE_SIZE);
    assert_memory_not_equal(rooms[0] + DS_NONCE_SIZE, rooms[1] + DS_NONCE_SIZE, 7);
}

/* ---- Argon2id ------------------------------------------------------------------------------- */

/* From the reference implementation's own command (argon2 20171227, p = 1, 32 bytes). */
static void argon2id__gives_the_reference_implementations_answers(void **state)
{
    (void)state;
    static const struct {
        struct ds_argon_cost cost;
        const char *key;
    } rows[] = {
        {{1, 8192}, "05b6ca8f8038b683887ad4916533858b49cb52040126c134f4c6e9d8711b8c09"},
        {{3, 1 << 20}, "f663220e2d954b93588ebcbcdbe308ae6b2dbb62d317b6d6feff63535b6e3a6e"},
        {{2, 1 << 26}, "fc33b78139231d34b71626bd6245c1d72efa190ad605c3d8166a72adcedfa2c2"},
    };
    uint8_t salt[DS_SALT_SIZE];
    memcpy(salt, "somesaltsomesalt", sizeof salt);
    for (size_t row = 0; row < DS_COUNT(rows); row++) {
        struct ds_secret key;
        struct ds_secret wanted;
        parse(rows[row].key, &wanted, sizeof wanted);
        assert_int_equal(ds_argon2id(DS_SLICE_LIT("password"), salt, rows[row].cost, &key), DS_OK);
        assert_memory_equal(&key, &wanted, sizeof key);
    }
}

static void argon2id__costs_below_the_least_are_refused(void **state)
{
    (void)state;
    static const uint8_t salt[DS_SALT_SIZE];
    struct ds_secret key;
    static const struct ds_argon_cost bad[] = {{0, 8192}, {1, 8191}, {1, 0}};
    for (size_t i = 0; i < DS_COUNT(bad); i++) {
        assert_int_equal(ds_argon2id(DS_SLICE_LIT("x"), salt, bad[i], &key), DS_ERR_USAGE);
    }
    assert_int_equal(ds_argon2id(none, salt, (struct ds_argon_cost){1, 8192}, &key), DS_OK);
}

/* ---- Personal fields ------------------------------------------------------------------------ */

struct person {
    struct prng prng;
    struct ds_random rnd;
    struct ds_id key_id;
    struct ds_id entity;
    struct ds_secret customer_key;
    struct ds_secret equality_key;
    uint8_t room[DS_PERSONAL_OVERHEAD + DS_PERSONAL_CLEAR_MAX];
    uint8_t clear[DS_PERSONAL_CLEAR_MAX];
};

static void person_init(struct person *person)
{
    memset(person, 0, sizeof *person);
    person->prng.state = 15;
    person->rnd = (struct ds_random){prng_port, &person->prng};
    prng_fill(&person->prng, &person->key_id, 16);
    prng_fill(&person->prng, &person->entity, 16);
    prng_fill(&person->prng, &person->customer_key, 32);
    prng_fill(&person->prng, &person->equality_key, 32);
}

static struct ds_slice person_seal(struct person *person, uint8_t field_tag, struct ds_slice clear)
{
    struct ds_builder out;
    ds_builder_init(&out, person->room, sizeof person->room);
    assert_int_equal(ds_personal_seal(&person->key_id, &person->customer_key, &person->equality_key,
                                      &person->entity, field_tag, clear, &out),
                     DS_OK);
    return built(&out);
}

static enum ds_err person_open(struct person *person, uint8_t field_tag, struct ds_slice field,
                               struct ds_slice *clear)
{
    struct ds_builder out;
    ds_builder_init(&out, person->clear, sizeof person->clear);
    enum ds_err err =
        ds_personal_open(field, &person->customer_key, &person->entity, field_tag, &out);
    *clear = built(&out);
    assert_true(err == DS_OK || clear->size == 0);
    return err;
}

static void personal__what_is_sealed_opens_at_all_sizes(void **state)
{
    (void)state;
    struct person person;
    uint8_t clear[DS_PERSONAL_CLEAR_MAX];
    person_init(&person);
    prng_fill(&person.prng, clear, sizeof clear);
    static const size_t sizes[] = {0, 1, 11, 255, DS_PERSONAL_CLEAR_MAX};
    for (size_t i = 0; i < DS_COUNT(sizes); i++) {
        struct ds_slice text = {clear, sizes[i]};
        struct ds_slice opened;
        struct ds_personal_view view;
        struct ds_slice field = person_seal(&person, 5, text);
        assert_int_equal(field.size, DS_PERSONAL_OVERHEAD + sizes[i]);
        assert_int_equal(field.data[0], DS_SUITE);
        assert_int_equal(person_open(&person, 5, field, &opened), DS_OK);
        assert_true(ds_slice_equal(opened, text));
        assert_int_equal(ds_personal_view(field, &view), DS_OK);
        assert_true(ds_id_equal(&view.key_id, &person.key_id));
        assert_int_equal(view.sealed.size, DS_AEAD_OVERHEAD + sizes[i]);
    }
}

static void personal__more_than_256_bytes_are_refused(void **state)
{
    (void)state;
    struct person person;
    static uint8_t bytes[DS_PERSONAL_OVERHEAD + DS_PERSONAL_CLEAR_MAX + 1] = {DS_SUITE};
    uint8_t room[sizeof bytes];
    struct ds_builder out;
    struct ds_personal_view view;
    person_init(&person);
    ds_builder_init(&out, room, sizeof room);
    assert_int_equal(ds_personal_seal(&person.key_id, &person.customer_key, &person.equality_key,
                                      &person.entity, 5,
                                      (struct ds_slice){bytes, DS_PERSONAL_CLEAR_MAX + 1}, &out),
                     DS_ERR_LIMIT);
    struct ds_slice field = {bytes, sizeof bytes};
    assert_int_equal(ds_personal_view(field, &view), DS_ERR_DECODE);
    field.size--;
    assert_int_equal(ds_personal_view(field, &view), DS_OK);
    field.size = DS_PERSONAL_OVERHEAD;
    assert_int_equal(ds_personal_view(field, &view), DS_OK);
    while (field.size-- > 0) {
        assert_int_equal(ds_personal_view(field, &view), DS_ERR_DECODE);
    }
    field.size = DS_PERSONAL_OVERHEAD;
    bytes[0] = DS_SUITE + 1;
    assert_int_equal(ds_personal_view(field, &view), DS_ERR_DECODE);
    bytes[0] = DS_SUITE;
}

static void personal__equal_texts_have_equal_tags_and_unequal_bytes(void **state)
{
    (void)state;
    struct person person;
    uint8_t first_room[DS_PERSONAL_OVERHEAD + 11];
    struct ds_personal_view first;
    struct ds_personal_view view;
    struct ds_slice phone = DS_SLICE_LIT("13912345678");
    person_init(&person);
    struct ds_slice field = person_seal(&person, 5, phone);
    memcpy(first_room, field.data, sizeof first_room);
    struct ds_slice kept = {first_room, sizeof first_room};
    assert_int_equal(ds_personal_view(kept, &first), DS_OK);

    /* Another customer, the same phone: the tag is the station's. */
    prng_fill(&person.prng, &person.entity, 16);
    prng_fill(&person.prng, &person.customer_key, 32);
    assert_int_equal(ds_personal_view(person_seal(&person, 5, phone), &view), DS_OK);
    assert_memory_equal(view.tag, first.tag, sizeof view.tag);
    assert_false(ds_slice_equal(view.sealed, first.sealed));

    assert_int_equal(ds_personal_view(person_seal(&person, 6, phone), &view), DS_OK);
    assert_memory_not_equal(view.tag, first.tag, sizeof view.tag);
    struct ds_slice other = DS_SLICE_LIT("13912345679");
    assert_int_equal(ds_personal_view(person_seal(&person, 5, other), &view), DS_OK);
    assert_memory_not_equal(view.tag, first.tag, sizeof view.tag);
    person.equality_key.byte[0] ^= 1;
    assert_int_equal(ds_personal_view(person_seal(&person, 5, phone), &view), DS_OK);
    assert_memory_not_equal(view.tag, first.tag, sizeof view.tag);
}

static void personal__a_wrong_key_or_a_moved_or_changed_field_is_refused(void **state)
{
    (void)state;
    struct person person;
    struct ds_slice opened;
    person_init(&person);
    struct ds_slice field = person_seal(&person, 5, DS_SLICE_LIT("Wang Xiaoming"));
    assert_int_equal(person_open(&person, 6, field, &opened), DS_ERR_SIGNATURE);
    person.customer_key.byte[31] ^= 1;
    assert_int_equal(person_open(&person, 5, field, &opened), DS_ERR_SIGNATURE);
    person.customer_key.byte[31] ^= 1;
    person.entity.byte[0] ^= 1;
    assert_int_equal(person_open(&person, 5, field, &opened), DS_ERR_SIGNATURE);
    person.entity.byte[0] ^= 1;
    /* Key id and equality tag are bound too: nobody swaps them unseen. */
    for (size_t byte = 0; byte < field.size; byte++) {
        person.room[byte] ^= 4;
        assert_int_equal(person_open(&person, 5, field, &opened),
                         byte == 0 ? DS_ERR_DECODE : DS_ERR_SIGNATURE);
        person.room[byte] ^= 4;
    }
    assert_int_equal(person_open(&person, 5, field, &opened), DS_OK);
    assert_true(ds_slice_equal(opened, DS_SLICE_LIT("Wang Xiaoming")));
}

/* ---- Ports ---------------------------------------------------------------------------------- */

static void ports__the_systems_clock_goes_forward_and_its_randomness_differs(void **state)
{
    (void)state;
    struct ds_clock clock = ds_clock_system();
    struct ds_random rnd = ds_random_system();
    int64_t before = clock.monotonic_ms(clock.context);
    uint8_t one[16];
    uint8_t other[16];
    rnd.fill(rnd.context, one, sizeof one);
    rnd.fill(rnd.context, other, sizeof other);
    assert_memory_not_equal(one, other, sizeof one);
    assert_true(clock.monotonic_ms(clock.context) >= before);
    /* After this was written, and before 2100: milliseconds, not seconds. */
    int64_t now = clock.now_ms(clock.context);
    assert_true(now > INT64_C(1577836800000) && now < INT64_C(4102444800000));
}

static int init(void **state)
{
    (void)state;
    /* A second time is no error. */
    assert_int_equal(ds_crypto_init(), DS_OK);
    return ds_crypto_init() == DS_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign__gives_the_answers_of_rfc_8032),
        cmocka_unit_test(sign__a_label_a_byte_or_a_key_changed_does_not_verify),
        cmocka_unit_test(sign__messages_of_all_sizes_are_plain_ed25519),
        cmocka_unit_test(seal__libsodium_opens_ours_and_we_open_libsodiums),
        cmocka_unit_test(seal__the_port_alone_decides_the_bytes),
        cmocka_unit_test(unseal__refuses_changed_short_and_foreign_bytes),
        cmocka_unit_test(seal__to_a_key_that_nobody_holds_is_refused),
        cmocka_unit_test(link__both_sides_agree_and_are_crypto_kx),
        cmocka_unit_test(tag__is_keyed_blake2b_128_of_both_parts),
        cmocka_unit_test(subkey__differs_by_key_label_and_context),
        cmocka_unit_test(wipe__leaves_zeros),
        cmocka_unit_test(aead__opens_only_with_its_key_data_and_bytes),
        cmocka_unit_test(aead__the_same_message_never_looks_the_same),
        cmocka_unit_test(argon2id__gives_the_reference_implementations_answers),
        cmocka_unit_test(argon2id__costs_below_the_least_are_refused),
        cmocka_unit_test(personal__what_is_sealed_opens_at_all_sizes),
        cmocka_unit_test(personal__more_than_256_bytes_are_refused),
        cmocka_unit_test(personal__equal_texts_have_equal_tags_and_unequal_bytes),
        cmocka_unit_test(personal__a_wrong_key_or_a_moved_or_changed_field_is_refused),
        cmocka_unit_test(ports__the_systems_clock_goes_forward_and_its_randomness_differs),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}

#include "sync/crypto/crypto.h"

#include <sodium.h>

#include <stdlib.h>
#include <string.h>

_Static_assert(DS_SIGNATURE_SIZE == crypto_sign_BYTES, "Ed25519");
_Static_assert(DS_SEAL_OVERHEAD == crypto_box_SEALBYTES, "sealed box");
_Static_assert(DS_NONCE_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "XChaCha20");
_Static_assert(DS_AEAD_OVERHEAD == DS_NONCE_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "XChaCha20-Poly1305");
_Static_assert(DS_SALT_SIZE == crypto_pwhash_SALTBYTES, "Argon2id");

enum ds_err ds_crypto_init(void)
{
    return sodium_init() < 0 ? DS_ERR_IO : DS_OK;
}

void ds_wipe(void *memory, size_t size)
{
    sodium_memzero(memory, size);
}

bool ds_equal_secret(const void *a, const void *b, size_t size)
{
    return sodium_memcmp(a, b, size) == 0;
}

/* Room for size more bytes at the end of out, or NULL; the builder then has failed for good. */
static uint8_t *grow(struct ds_builder *out, size_t size)
{
    if (out->failed || size > out->size - out->used) {
        out->failed = true;
        return NULL;
    }
    uint8_t *room = out->data + out->used;
    out->used += size;
    return room;
}

/* Take back what grow() gave last: nothing half-made or unauthenticated stays in the builder. */
static void shrink(struct ds_builder *out, size_t size)
{
    sodium_memzero(out->data + out->used - size, size);
    out->used -= size;
}

/* ---- Ed25519 -------------------------------------------------------------------------------- */

/* What is signed is short (a header, a head, a certificate): it is joined here without malloc. */
#define SIGNED_SIZE_SMALL 2048

struct joined {
    uint8_t small[SIGNED_SIZE_SMALL];
    uint8_t *data;
    size_t size;
};

/* Plain Ed25519 wants its message in one piece. False when memory is out. */
static bool join(struct joined *joined, struct ds_slice label, struct ds_slice message)
{
    joined->size = label.size + message.size;
    joined->data = joined->small;
    if (joined->size > sizeof joined->small) {
        joined->data = malloc(joined->size);
        if (joined->data == NULL) {
            return false;
        }
    }
    if (label.size > 0) {
        memcpy(joined->data, label.data, label.size);
    }
    if (message.size > 0) {
        memcpy(joined->data + label.size, message.data, message.size);
    }
    return true;
}

static void joined_fini(struct joined *joined)
{
    if (joined->data != joined->small) {
        free(joined->data);
    }
}

void ds_sign_public(const struct ds_secret *seed, struct ds_hash *public_key)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    int failed = crypto_sign_seed_keypair(public_key->byte, secret, seed->byte);
    DS_ASSERT(failed == 0);
    sodium_memzero(secret, sizeof secret);
}

void ds_sign(const struct ds_secret *seed, struct ds_slice label, struct ds_slice message,
             struct ds_signature *signature)
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    struct joined joined;
    bool ready = join(&joined, label, message);
    DS_ASSERT(ready);
    int failed = crypto_sign_seed_keypair(public_key, secret, seed->byte);
    DS_ASSERT(failed == 0);
    failed = crypto_sign_detached(signature->byte, NULL, joined.data, joined.size, secret);
    DS_ASSERT(failed == 0);
    sodium_memzero(secret, sizeof secret);
    joined_fini(&joined);
}

bool ds_verify(const struct ds_hash *public_key, struct ds_slice label, struct ds_slice message,
               const struct ds_signature *signature)
{
    struct joined joined;
    if (!join(&joined, label, message)) {
        return false;
    }
    int failed =
        crypto_sign_verify_detached(signature->byte, joined.data, joined.size, public_key->byte);
    joined_fini(&joined);
    return failed == 0;
}

/* ---- X25519: sealed boxes and link keys ----------------------------------------------------- */

void ds_box_public(const struct ds_secret *secret, struct ds_hash *public_key)
{
    int failed = crypto_scalarmult_base(public_key->byte, secret->byte);
    DS_ASSERT(failed == 0);
}

/* The nonce of libsodium's sealed box: BLAKE2b-192(ephemeral public key, recipient). */
static void seal_nonce(const uint8_t ephemeral[static crypto_box_PUBLICKEYBYTES],
                       const struct ds_hash *to, uint8_t nonce[static crypto_box_NONCEBYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, crypto_box_NONCEBYTES);
    crypto_generichash_update(&state, ephemeral, crypto_box_PUBLICKEYBYTES);
    crypto_generichash_update(&state, to->byte, sizeof to->byte);
    crypto_generichash_final(&state, nonce, crypto_box_NONCEBYTES);
}

/* Sealed box:
 *   0  32  ephemeral X25519 public key
 *  32  16  Poly1305 tag
 *  48  n   XSalsa20 text */
enum ds_err ds_seal(const struct ds_hash *to, struct ds_slice message, const struct ds_random *rnd,
                    struct ds_builder *out)
{
    if (message.size > SIZE_MAX - DS_SEAL_OVERHEAD) {
        return DS_ERR_LIMIT;
    }
    size_t size = message.size + DS_SEAL_OVERHEAD;
    uint8_t *room = grow(out, size);
    if (room == NULL) {
        return DS_ERR_LIMIT;
    }
    struct ds_secret ephemeral;
    uint8_t nonce[crypto_box_NONCEBYTES];
    rnd->fill(rnd->context, ephemeral.byte, sizeof ephemeral.byte);
    int failed = crypto_scalarmult_base(room, ephemeral.byte);
    DS_ASSERT(failed == 0);
    seal_nonce(room, to, nonce);
    failed = crypto_box_easy(room + crypto_box_PUBLICKEYBYTES, message.data, message.size, nonce,
                             to->byte, ephemeral.byte);
    sodium_memzero(&ephemeral, sizeof ephemeral);
    if (failed != 0) {
        /* A public key of small order: nobody holds its secret. */
        shrink(out, size);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}

enum ds_err ds_unseal(const struct ds_secret *secret, struct ds_slice sealed,
                      struct ds_builder *out)
{
    if (sealed.size < DS_SEAL_OVERHEAD) {
        return DS_ERR_SIGNATURE;
    }
    size_t size = sealed.size - DS_SEAL_OVERHEAD;
    uint8_t *room = grow(out, size);
    if (room == NULL) {
        return DS_ERR_LIMIT;
    }
    struct ds_hash public_key;
    ds_box_public(secret, &public_key);
    int failed =
        crypto_box_seal_open(room, sealed.data, sealed.size, public_key.byte, secret->byte);
    if (failed != 0) {
        shrink(out, size);
        return DS_ERR_SIGNATURE;
    }
    return DS_OK;
}

enum ds_err ds_link_keys_device(const struct ds_secret *device_box,
                                const struct ds_hash *server_box, struct ds_link_keys *keys)
{
    struct ds_hash device_public;
    ds_box_public(device_box, &device_public);
    int failed = crypto_kx_client_session_keys(keys->down.byte, keys->up.byte, device_public.byte,
                                               device_box->byte, server_box->byte);
    return failed != 0 ? DS_ERR_USAGE : DS_OK;
}

enum ds_err ds_link_keys_server(const struct ds_secret *server_box,
                                const struct ds_hash *device_box, struct ds_link_keys *keys)
{
    struct ds_hash server_public;
    ds_box_public(server_box, &server_public);
    return ds_link_keys_known(server_box, &server_public, device_box, keys);
}

enum ds_err ds_link_keys_known(const struct ds_secret *server_box,
                               const struct ds_hash *server_public,
                               const struct ds_hash *device_box, struct ds_link_keys *keys)
{
    int failed = crypto_kx_server_session_keys(keys->up.byte, keys->down.byte, server_public->byte,
                                               server_box->byte, device_box->byte);
    return failed != 0 ? DS_ERR_USAGE : DS_OK;
}

/* ---- Keyed BLAKE2b -------------------------------------------------------------------------- */

static void keyed_hash(const struct ds_secret *key, struct ds_slice a, struct ds_slice b,
                       uint8_t *out, size_t size)
{
    crypto_generichash_state state;
    int failed = crypto_generichash_init(&state, key->byte, sizeof key->byte, size);
    DS_ASSERT(failed == 0);
    crypto_generichash_update(&state, a.data, a.size);
    crypto_generichash_update(&state, b.data, b.size);
    failed = crypto_generichash_final(&state, out, size);
    DS_ASSERT(failed == 0);
    sodium_memzero(&state, sizeof state);
}

void ds_tag(const struct ds_secret *key, struct ds_slice a, struct ds_slice b,
            uint8_t tag[static DS_TAG_SIZE])
{
    keyed_hash(key, a, b, tag, DS_TAG_SIZE);
}

void ds_subkey(const struct ds_secret *key, struct ds_slice label, struct ds_slice context,
               struct ds_secret *subkey)
{
    keyed_hash(key, label, context, subkey->byte, sizeof subkey->byte);
}

/* ---- XChaCha20-Poly1305 --------------------------------------------------------------------- */

/* Sealed bytes:
 *   0   24  nonce
 *  24   n   XChaCha20 text
 *  24+n 16  Poly1305 tag */
enum ds_err ds_aead_seal(const struct ds_secret *key, struct ds_slice aad, struct ds_slice clear,
                         const struct ds_random *rnd, struct ds_builder *out)
{
    if (clear.size > SIZE_MAX - DS_AEAD_OVERHEAD) {
        return DS_ERR_LIMIT;
    }
    uint8_t *room = grow(out, clear.size + DS_AEAD_OVERHEAD);
    if (room == NULL) {
        return DS_ERR_LIMIT;
    }
    rnd->fill(rnd->context, room, DS_NONCE_SIZE);
    int failed = crypto_aead_xchacha20poly1305_ietf_encrypt(room + DS_NONCE_SIZE, NULL, clear.data,
                                                            clear.size, aad.data, aad.size, NULL,
                                                            room, key->byte);
    DS_ASSERT(failed == 0);
    return DS_OK;
}

enum ds_err ds_aead_open(const struct ds_secret *key, struct ds_slice aad, struct ds_slice sealed,
                         struct ds_builder *out)
{
    if (sealed.size < DS_AEAD_OVERHEAD) {
        return DS_ERR_SIGNATURE;
    }
    size_t size = sealed.size - DS_AEAD_OVERHEAD;
    uint8_t *room = grow(out, size);
    if (room == NULL) {
        return DS_ERR_LIMIT;
    }
    int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
        room, NULL, NULL, sealed.data + DS_NONCE_SIZE, sealed.size - DS_NONCE_SIZE, aad.data,
        aad.size, sealed.data, key->byte);
    if (failed != 0) {
        shrink(out, size);
        return DS_ERR_SIGNATURE;
    }
    return DS_OK;
}

/* ---- Argon2id ------------------------------------------------------------------------------- */

enum ds_err ds_argon2id(struct ds_slice password, const uint8_t salt[static DS_SALT_SIZE],
                        struct ds_argon_cost cost, struct ds_secret *key)
{
    if (cost.passes < crypto_pwhash_argon2id_OPSLIMIT_MIN ||
        cost.memory_bytes < crypto_pwhash_argon2id_MEMLIMIT_MIN ||
        password.size > crypto_pwhash_argon2id_PASSWD_MAX) {
        return DS_ERR_USAGE;
    }
    /* libsodium touches the pointer even for an empty password. */
    const char *text = password.size == 0 ? "" : (const char *)password.data;
    int failed = crypto_pwhash(key->byte, sizeof key->byte, text, password.size, salt, cost.passes,
                               cost.memory_bytes, crypto_pwhash_ALG_ARGON2ID13);
    return failed != 0 ? DS_ERR_NOMEM : DS_OK;
}

/* Everything cryptographic, behind one small interface over libsodium (suite 1).
 *
 * Suite 1: Ed25519, X25519, BLAKE2b, XChaCha20-Poly1305, Argon2id. Secrets are wiped by their
 * owners with ds_wipe(). Randomness is a port, so the simulation is repeatable. The functions have
 * no state and may be called from any thread after ds_crypto_init(). */
#ifndef DS_SYNC_CRYPTO_CRYPTO_H
#define DS_SYNC_CRYPTO_CRYPTO_H

#include "schema/base/bytes.h"

#define DS_SUITE 1
#define DS_SIGNATURE_SIZE 64
#define DS_TAG_SIZE 16      /* keyed BLAKE2b-128 */
#define DS_SEAL_OVERHEAD 48 /* crypto_box_seal */
#define DS_NONCE_SIZE 24    /* XChaCha20 */
#define DS_AEAD_OVERHEAD 40 /* nonce 24 + tag 16 */
#define DS_SALT_SIZE 16

struct ds_random { /* The random port. */
    void (*fill)(void *context, void *out, size_t size);
    void *context;
};
struct ds_clock {                           /* The clock port. */
    int64_t (*now_ms)(void *context);       /* Wall clock, Unix ms UTC. */
    int64_t (*monotonic_ms)(void *context); /* Never goes back while the process lives. */
    void *context;
};
struct ds_random ds_random_system(void);
struct ds_clock ds_clock_system(void);

struct ds_secret { /* 32 bytes: seed of a signing key, box secret key, or symmetric key. */
    uint8_t byte[32];
};
struct ds_signature {
    uint8_t byte[DS_SIGNATURE_SIZE];
};

DS_NODISCARD enum ds_err ds_crypto_init(void);
void ds_wipe(void *memory, size_t size);
bool ds_equal_secret(const void *a, const void *b, size_t size); /* Constant time. */

/* Ed25519 from a 32-byte seed. The message is label bytes followed by message bytes. */
void ds_sign_public(const struct ds_secret *seed, struct ds_hash *public_key);
void ds_sign(const struct ds_secret *seed, struct ds_slice label, struct ds_slice message,
             struct ds_signature *signature);
bool ds_verify(const struct ds_hash *public_key, struct ds_slice label, struct ds_slice message,
               const struct ds_signature *signature);

/* X25519. */
void ds_box_public(const struct ds_secret *secret, struct ds_hash *public_key);
/* crypto_box_seal: out has message.size + DS_SEAL_OVERHEAD bytes. rnd is not used by libsodium's
 * own seal, so this composes the same construction from an ephemeral key of the port. */
DS_NODISCARD enum ds_err ds_seal(const struct ds_hash *to, struct ds_slice message,
                                 const struct ds_random *rnd, struct ds_builder *out);
DS_NODISCARD enum ds_err ds_unseal(const struct ds_secret *secret, struct ds_slice sealed,
                                   struct ds_builder *out);

/* The two directional keys of (device, server) as crypto_kx derives them from static keys. */
struct ds_link_keys {
    struct ds_secret up;   /* device to server */
    struct ds_secret down; /* server to device */
};
DS_NODISCARD enum ds_err ds_link_keys_device(const struct ds_secret *device_box,
                                             const struct ds_hash *server_box,
                                             struct ds_link_keys *keys);
DS_NODISCARD enum ds_err ds_link_keys_server(const struct ds_secret *server_box,
                                             const struct ds_hash *device_box,
                                             struct ds_link_keys *keys);
/* The same for who keeps the server's public key at hand: half the work. */
DS_NODISCARD enum ds_err ds_link_keys_known(const struct ds_secret *server_box,
                                            const struct ds_hash *server_public,
                                            const struct ds_hash *device_box,
                                            struct ds_link_keys *keys);

/* Keyed BLAKE2b-128 over up to two parts. */
void ds_tag(const struct ds_secret *key, struct ds_slice a, struct ds_slice b,
            uint8_t tag[static DS_TAG_SIZE]);
/* A subkey: keyed BLAKE2b-256 over label and context. */
void ds_subkey(const struct ds_secret *key, struct ds_slice label, struct ds_slice context,
               struct ds_secret *subkey);

/* XChaCha20-Poly1305: out gets nonce (24, from rnd), ciphertext, tag (16). */
DS_NODISCARD enum ds_err ds_aead_seal(const struct ds_secret *key, struct ds_slice aad,
                                      struct ds_slice clear, const struct ds_random *rnd,
                                      struct ds_builder *out);
/* DS_ERR_SIGNATURE if anything was changed. */
DS_NODISCARD enum ds_err ds_aead_open(const struct ds_secret *key, struct ds_slice aad,
                                      struct ds_slice sealed, struct ds_builder *out);

struct ds_argon_cost { /* A port: the simulation uses {1, 8192}. */
    uint32_t passes;
    uint32_t memory_bytes;
};
DS_NODISCARD enum ds_err ds_argon2id(struct ds_slice password,
                                     const uint8_t salt[static DS_SALT_SIZE],
                                     struct ds_argon_cost cost, struct ds_secret *key);

/* A sealed personal field (FORMAT.md, "Personal field"). */
#define DS_PERSONAL_OVERHEAD (1 + 16 + 16 + DS_AEAD_OVERHEAD)
#define DS_PERSONAL_CLEAR_MAX 256
struct ds_personal_view { /* Borrowed parts of a sealed field. */
    struct ds_id key_id;
    uint8_t tag[16];
    struct ds_slice sealed; /* nonce, text, tag */
};
DS_NODISCARD enum ds_err ds_personal_view(struct ds_slice field, struct ds_personal_view *view);
/* customer_key encrypts; equality_key (the station's) makes the tag. aad binds entity and tag. The
 * nonce is made from key, place and text: the same in gives the same bytes out. */
DS_NODISCARD enum ds_err ds_personal_seal(const struct ds_id *key_id,
                                          const struct ds_secret *customer_key,
                                          const struct ds_secret *equality_key,
                                          const struct ds_id *entity, uint8_t field_tag,
                                          struct ds_slice clear, struct ds_builder *out);
/* The same for who knows the tag and not the key that made it. */
DS_NODISCARD enum ds_err ds_personal_make(const struct ds_id *key_id,
                                          const struct ds_secret *customer_key,
                                          const uint8_t tag[static 16], const struct ds_id *entity,
                                          uint8_t field_tag, struct ds_slice clear,
                                          struct ds_builder *out);
DS_NODISCARD enum ds_err ds_personal_open(struct ds_slice field,
                                          const struct ds_secret *customer_key,
                                          const struct ds_id *entity, uint8_t field_tag,
                                          struct ds_builder *clear);

#endif

/* Curve arithmetic is asked for once: the simulation's linker puts these in front of libsodium's
 * functions (CMakeLists.txt, --wrap), so the shipped code runs unchanged and gets the same answers.
 *
 * One process plays both sides, so most of what it verifies it has just signed, and the same few
 * keys are expanded again and again: without this that is a third of a seed's time. An answer is
 * kept under BLAKE2b-128 of the function's number and its whole input; a signature that this
 * process did not make is verified. Nothing here can make a wrong answer right. */
#include "schema/base/base.h"

#include <sodium.h>

#include <string.h>

enum { ENTRIES = 1 << 12, ANSWER_SIZE = 96, NAME_SIZE = 16 };
enum memo_what {
    MEMO_NONE,
    MEMO_KEYPAIR,
    MEMO_SIGNED,
    MEMO_PUBLIC,
    MEMO_KX_CLIENT,
    MEMO_KX_SERVER
};

struct part {
    const void *bytes;
    size_t size;
};
struct entry {
    uint8_t name[NAME_SIZE];
    uint8_t answer[ANSWER_SIZE];
    enum memo_what what;
};
static struct entry entries[ENTRIES];

/* The names by which the linker knows them. */
int real_sign_seed_keypair(uint8_t *public_key, uint8_t *secret,
                           const uint8_t *seed) __asm__("__real_crypto_sign_seed_keypair");
int wrap_sign_seed_keypair(uint8_t *public_key, uint8_t *secret,
                           const uint8_t *seed) __asm__("__wrap_crypto_sign_seed_keypair");
int real_sign_detached(uint8_t *signature, unsigned long long *signature_size,
                       const uint8_t *message, unsigned long long size,
                       const uint8_t *secret) __asm__("__real_crypto_sign_detached");
int wrap_sign_detached(uint8_t *signature, unsigned long long *signature_size,
                       const uint8_t *message, unsigned long long size,
                       const uint8_t *secret) __asm__("__wrap_crypto_sign_detached");
int real_sign_verify_detached(
    const uint8_t *signature, const uint8_t *message, unsigned long long size,
    const uint8_t *public_key) __asm__("__real_crypto_sign_verify_detached");
int wrap_sign_verify_detached(
    const uint8_t *signature, const uint8_t *message, unsigned long long size,
    const uint8_t *public_key) __asm__("__wrap_crypto_sign_verify_detached");
int real_scalarmult_base(uint8_t *public_key,
                         const uint8_t *secret) __asm__("__real_crypto_scalarmult_base");
int wrap_scalarmult_base(uint8_t *public_key,
                         const uint8_t *secret) __asm__("__wrap_crypto_scalarmult_base");
int real_kx_client_session_keys(
    uint8_t *receive, uint8_t *send, const uint8_t *own_public, const uint8_t *own_secret,
    const uint8_t *other) __asm__("__real_crypto_kx_client_session_keys");
int wrap_kx_client_session_keys(
    uint8_t *receive, uint8_t *send, const uint8_t *own_public, const uint8_t *own_secret,
    const uint8_t *other) __asm__("__wrap_crypto_kx_client_session_keys");
int real_kx_server_session_keys(
    uint8_t *receive, uint8_t *send, const uint8_t *own_public, const uint8_t *own_secret,
    const uint8_t *other) __asm__("__real_crypto_kx_server_session_keys");
int wrap_kx_server_session_keys(
    uint8_t *receive, uint8_t *send, const uint8_t *own_public, const uint8_t *own_secret,
    const uint8_t *other) __asm__("__wrap_crypto_kx_server_session_keys");

/* Where the answer to this input stands or will stand; true: it is there. */
static bool find(enum memo_what what, const struct part *parts, size_t count, struct entry **entry)
{
    crypto_generichash_state state;
    uint8_t name[NAME_SIZE];
    size_t index = 0;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof name);
    (void)crypto_generichash_update(&state, (const uint8_t *)&what, sizeof what);
    for (size_t i = 0; i < count; i++) {
        (void)crypto_generichash_update(&state, parts[i].bytes, parts[i].size);
    }
    (void)crypto_generichash_final(&state, name, sizeof name);
    memcpy(&index, name, sizeof index);
    *entry = &entries[index % ENTRIES];
    if ((*entry)->what == what && memcmp((*entry)->name, name, sizeof name) == 0) {
        return true;
    }
    memcpy((*entry)->name, name, sizeof name);
    (*entry)->what = MEMO_NONE;
    return false;
}

int wrap_sign_seed_keypair(uint8_t *public_key, uint8_t *secret, const uint8_t *seed)
{
    struct part parts[] = {{seed, 32}};
    struct entry *entry = NULL;
    if (!find(MEMO_KEYPAIR, parts, 1, &entry)) {
        if (real_sign_seed_keypair(entry->answer, entry->answer + 32, seed) != 0) {
            return -1;
        }
        entry->what = MEMO_KEYPAIR;
    }
    memcpy(public_key, entry->answer, 32);
    memcpy(secret, entry->answer + 32, 64);
    return 0;
}

static bool is_signed(const uint8_t *signature, const uint8_t *message, unsigned long long size,
                      const uint8_t *public_key, struct entry **entry)
{
    struct part parts[] = {{public_key, 32}, {signature, 64}, {message, (size_t)size}};
    return find(MEMO_SIGNED, parts, DS_COUNT(parts), entry);
}

int wrap_sign_detached(uint8_t *signature, unsigned long long *signature_size,
                       const uint8_t *message, unsigned long long size, const uint8_t *secret)
{
    struct entry *entry = NULL;
    int failed = real_sign_detached(signature, signature_size, message, size, secret);
    if (failed == 0) { /* The second half of an Ed25519 secret key is the public key. */
        (void)is_signed(signature, message, size, secret + 32, &entry);
        entry->what = MEMO_SIGNED;
    }
    return failed;
}

int wrap_sign_verify_detached(const uint8_t *signature, const uint8_t *message,
                              unsigned long long size, const uint8_t *public_key)
{
    struct entry *entry = NULL;
    if (is_signed(signature, message, size, public_key, &entry)) {
        return 0;
    }
    int failed = real_sign_verify_detached(signature, message, size, public_key);
    if (failed == 0) {
        entry->what = MEMO_SIGNED;
    }
    return failed;
}

int wrap_scalarmult_base(uint8_t *public_key, const uint8_t *secret)
{
    struct part parts[] = {{secret, 32}};
    struct entry *entry = NULL;
    if (!find(MEMO_PUBLIC, parts, 1, &entry)) {
        if (real_scalarmult_base(entry->answer, secret) != 0) {
            return -1;
        }
        entry->what = MEMO_PUBLIC;
    }
    memcpy(public_key, entry->answer, 32);
    return 0;
}

typedef int kx(uint8_t *receive, uint8_t *send, const uint8_t *own_public,
               const uint8_t *own_secret, const uint8_t *other);

static int session_keys(enum memo_what what, kx *real, uint8_t *receive, uint8_t *send,
                        const struct part parts[static 3])
{
    struct entry *entry = NULL;
    if (!find(what, parts, 3, &entry)) {
        if (real(entry->answer, entry->answer + 32, parts[0].bytes, parts[1].bytes,
                 parts[2].bytes) != 0) {
            return -1;
        }
        entry->what = what;
    }
    memcpy(receive, entry->answer, 32);
    memcpy(send, entry->answer + 32, 32);
    return 0;
}

int wrap_kx_client_session_keys(uint8_t *receive, uint8_t *send, const uint8_t *own_public,
                                const uint8_t *own_secret, const uint8_t *other)
{
    struct part parts[] = {{own_public, 32}, {own_secret, 32}, {other, 32}};
    return session_keys(MEMO_KX_CLIENT, real_kx_client_session_keys, receive, send, parts);
}

int wrap_kx_server_session_keys(uint8_t *receive, uint8_t *send, const uint8_t *own_public,
                                const uint8_t *own_secret, const uint8_t *other)
{
    struct part parts[] = {{own_public, 32}, {own_secret, 32}, {other, 32}};
    return session_keys(MEMO_KX_SERVER, real_kx_server_session_keys, receive, send, parts);
}

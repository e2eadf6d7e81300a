#include "sync/core/hash.h"

#include <sodium.h>

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(((struct ds_hasher *)0)->opaque),
               "the hasher has room for libsodium's state");
_Static_assert(_Alignof(crypto_generichash_state) <= _Alignof(struct ds_hasher),
               "the hasher is aligned for libsodium's state");

#define HASH_SIZE_MIN 8
#define HASH_SIZE_MAX 64
#define KEY_SIZE_MIN 16
#define KEY_SIZE_MAX 64

static crypto_generichash_state *state_of(struct ds_hasher *hasher)
{
    return (crypto_generichash_state *)(void *)hasher->opaque;
}

void ds_hasher_init(struct ds_hasher *hasher, struct ds_slice key, size_t size)
{
    DS_ASSERT(size >= HASH_SIZE_MIN && size <= HASH_SIZE_MAX);
    DS_ASSERT(key.size == 0 || (key.size >= KEY_SIZE_MIN && key.size <= KEY_SIZE_MAX));
    int failed =
        crypto_generichash_init(state_of(hasher), key.size == 0 ? NULL : key.data, key.size, size);
    DS_ASSERT(failed == 0);
}

void ds_hasher_add(struct ds_hasher *hasher, struct ds_slice bytes)
{
    if (bytes.size > 0) {
        int failed = crypto_generichash_update(state_of(hasher), bytes.data, bytes.size);
        DS_ASSERT(failed == 0);
    }
}

void ds_hasher_end(struct ds_hasher *hasher, void *out, size_t size)
{
    int failed = crypto_generichash_final(state_of(hasher), out, size);
    DS_ASSERT(failed == 0);
}

struct ds_hash ds_hash3(struct ds_slice a, struct ds_slice b, struct ds_slice c)
{
    struct ds_hash hash;
    struct ds_hasher hasher;
    ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, sizeof hash.byte);
    ds_hasher_add(&hasher, a);
    ds_hasher_add(&hasher, b);
    ds_hasher_add(&hasher, c);
    ds_hasher_end(&hasher, hash.byte, sizeof hash.byte);
    return hash;
}

struct ds_id ds_id_of(const struct ds_id *station, uint8_t record_number, struct ds_slice key)
{
    struct ds_id id;
    struct ds_hasher hasher;
    ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, sizeof id.byte);
    ds_hasher_add(&hasher, DS_SLICE_LIT("doorstep id 1"));
    ds_hasher_add(&hasher, (struct ds_slice){station->byte, sizeof station->byte});
    ds_hasher_add(&hasher, (struct ds_slice){&record_number, 1});
    ds_hasher_add(&hasher, key);
    ds_hasher_end(&hasher, id.byte, sizeof id.byte);
    return id;
}

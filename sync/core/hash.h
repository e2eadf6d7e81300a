/* BLAKE2b, the one hash: ids, chains, trees, digests, tags of stored values.
 *
 * A label separates purposes: every hash of ours begins with a label of its own, so bytes hashed
 * for one purpose never verify for another. Pure: libsodium's generichash only. */
#ifndef DS_SYNC_CORE_HASH_H
#define DS_SYNC_CORE_HASH_H

#include "schema/base/base.h"

struct ds_hasher {
    _Alignas(64) uint8_t opaque[384]; /* crypto_generichash_state */
};

/* size 16, 32 or 8..64; key may be empty (else 16..64 bytes). */
void ds_hasher_init(struct ds_hasher *hasher, struct ds_slice key, size_t size);
void ds_hasher_add(struct ds_hasher *hasher, struct ds_slice bytes);
void ds_hasher_end(struct ds_hasher *hasher, void *out, size_t size);

/* Hash of up to three parts, unkeyed. */
struct ds_hash ds_hash3(struct ds_slice a, struct ds_slice b, struct ds_slice c);
/* BLAKE2b-128 over (label, station, kind byte, natural key): the id of an imported or derived
 * entity. The label is "doorstep id 1". */
struct ds_id ds_id_of(const struct ds_id *station, uint8_t record_number, struct ds_slice key);

#endif

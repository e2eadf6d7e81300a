/* The tag that every stored value carries: SipHash-2-4 over (table, key, value).
 *
 * It finds accidents (flipped bits, a page of another place), not attackers: its key is public.
 * Why not BLAKE2b: DECISIONS.md, number 1. Pure. */
#ifndef DS_SYNC_STORE_TAG_H
#define DS_SYNC_STORE_TAG_H

#include "schema/base/base.h"

/* SipHash-2-4 of bytes under a 16-byte key, as its authors define it. */
uint64_t ds_siphash(const uint8_t key[static 16], struct ds_slice bytes);

/* Key sizes up to 255. */
uint64_t ds_store_tag(uint8_t table, struct ds_slice key, struct ds_slice value);

#endif

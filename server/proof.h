/* Proofs over the journal as JSON: what `doorstep journal prove` writes and the API gives.
 *
 * Bytes are hex. The members are those of the shape JournalProof (shapes.def); FORMAT.md, "Proofs",
 * says how anybody checks them. */
#ifndef DS_SERVER_PROOF_H
#define DS_SERVER_PROOF_H

#include "server/site.h"
#include "sync/shard/prove.h"

#define DS_PROOF_JSON_MAX ((size_t)256 * 1024) /* With 999 ops behind, and the largest op. */

/* That an op is in the journal. DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_proof_put_op(struct ds_site *site, const struct ds_id *op,
                                         struct ds_arena *arena, struct ds_builder *out);
/* That the journal of size `to` (0: the present one) begins with that of size `from`. DS_ERR_USAGE
 * unless 0 < from <= to <= the journal's size. */
DS_NODISCARD enum ds_err ds_proof_put_range(struct ds_site *site, uint64_t from, uint64_t to,
                                            struct ds_builder *out);
/* The signed head: epoch, size, root, instant_ms, bytes, signature, sign_key. */
DS_NODISCARD enum ds_err ds_proof_put_head(struct ds_site *site, struct ds_builder *out);

#endif

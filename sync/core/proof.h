/* Proofs over the journal's tree: that one head extends another, and that an entry, or one op of
 * it, is under a head (RFC 6962, sections 2.1.1 and 2.1.2, with BLAKE2b-256).
 *
 * The one idea: the roots of all full subtrees never change once they are made, so they are kept,
 * sixteen siblings to a value, and a proof reads about four values per million entries and nothing
 * of the journal. Checking takes no store, no keys and no memory of its own. Pure. */
#ifndef DS_SYNC_CORE_PROOF_H
#define DS_SYNC_CORE_PROOF_H

#include "sync/core/tables.h"

/* ---- Keeping the subtrees: table DS_TABLE_TREE. ---- */
/* Append a leaf to the frontier and to the stored subtrees, in the caller's transaction. */
DS_NODISCARD enum ds_err ds_nodes_append(struct ds_txn *txn, struct ds_tree *tree,
                                         const struct ds_hash *leaf);
/* The same walk over what is stored already: DS_ERR_INTEGRITY where a subtree is not the one that
 * these leaves make. The frontier grows all the same. */
DS_NODISCARD enum ds_err ds_nodes_check(struct ds_txn *txn, struct ds_tree *tree,
                                        const struct ds_hash *leaf);
/* The leaf of an entry, index from 0. DS_ERR_NOT_FOUND beyond the last. */
DS_NODISCARD enum ds_err ds_nodes_leaf(struct ds_txn *txn, uint64_t index, struct ds_hash *leaf);
/* The root at an earlier or the present size. DS_ERR_INTEGRITY if nodes are missing. */
DS_NODISCARD enum ds_err ds_nodes_root(struct ds_txn *txn, uint64_t size, struct ds_hash *root);

/* ---- Making: size is at most the stored tree's. ---- */
/* That the tree of size `to` begins with the tree of size `from`; 0 < from <= to, else
 * DS_ERR_USAGE. Empty where they are equal. */
DS_NODISCARD enum ds_err ds_prove_consistency(struct ds_txn *txn, uint64_t from, uint64_t to,
                                              struct ds_proof *proof);
/* That the leaf at index (from 0) is in the tree of that size; index < size, else DS_ERR_USAGE. */
DS_NODISCARD enum ds_err ds_prove_inclusion(struct ds_txn *txn, uint64_t index, uint64_t size,
                                            struct ds_proof *proof);

/* ---- Checking: false for whatever is not exactly the proof. ---- */
bool ds_check_consistency(uint64_t from, const struct ds_hash *from_root, uint64_t to,
                          const struct ds_hash *to_root, const struct ds_proof *proof);
bool ds_check_inclusion(const struct ds_hash *leaf, uint64_t index, uint64_t size,
                        const struct ds_hash *root, const struct ds_proof *proof);

#endif

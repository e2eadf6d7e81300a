/* Proofs over the journal's tree (RFC 6962, section 2.1; checking as in RFC 9162, section 2.1). */
#include "sync/core/proof.h"

#include <string.h>

/* A tile holds up to 16 consecutive roots of full subtrees of 2^(4 * level) leaves each: key
 * (level u8, number u64), value their hashes one after another. What lies between two levels is
 * hashed from a tile when it is asked for. */
enum { TILE_HEIGHT = 4, TILE_HASHES = 1 << TILE_HEIGHT, HASH_SIZE = 32 };

/* ---- Tiles. ---- */

static enum ds_err tile_load(struct ds_txn *txn, unsigned level, uint64_t number,
                             struct ds_slice *hashes)
{
    struct ds_key key = ds_key_tile((uint8_t)level, number);
    DS_TRY(ds_txn_get(txn, DS_TABLE_TREE, ds_key_slice(&key), hashes));
    bool sound = hashes->size > 0 && hashes->size % HASH_SIZE == 0 &&
                 hashes->size <= (size_t)TILE_HASHES * HASH_SIZE;
    return sound ? DS_OK : DS_ERR_INTEGRITY;
}

static enum ds_err tile_add(struct ds_txn *txn, unsigned level, uint64_t index,
                            const struct ds_hash *hash)
{
    uint8_t memory[TILE_HASHES * HASH_SIZE];
    struct ds_slice have = {NULL, 0};
    struct ds_builder builder;
    struct ds_slice value;
    uint64_t number = index / TILE_HASHES;
    if (index % TILE_HASHES != 0) {
        DS_TRY(tile_load(txn, level, number, &have));
    }
    if (have.size != index % TILE_HASHES * HASH_SIZE) {
        return DS_ERR_INTEGRITY;
    }
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_put_bytes(&builder, have);
    ds_put_hash(&builder, hash);
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_tile((uint8_t)level, number);
    return ds_txn_put(txn, DS_TABLE_TREE, ds_key_slice(&key), value);
}

static enum ds_err tile_same(struct ds_txn *txn, unsigned level, uint64_t index,
                             const struct ds_hash *hash)
{
    struct ds_slice have;
    struct ds_cursor cursor;
    enum ds_err err = tile_load(txn, level, index / TILE_HASHES, &have);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_ERR_INTEGRITY : err;
    }
    ds_cursor_init(&cursor, have);
    (void)ds_take_bytes(&cursor, index % TILE_HASHES * HASH_SIZE);
    struct ds_hash kept = ds_take_hash(&cursor);
    return !cursor.failed && ds_hash_equal(&kept, hash) ? DS_OK : DS_ERR_INTEGRITY;
}

/* As ds_tree_append(); each full subtree whose height is a tile's is visited on the way. */
static enum ds_err grow(struct ds_txn *txn, struct ds_tree *tree, const struct ds_hash *leaf,
                        enum ds_err (*visit)(struct ds_txn *txn, unsigned level, uint64_t index,
                                             const struct ds_hash *hash))
{
    struct ds_hash carry = *leaf;
    enum ds_err err = DS_OK;
    unsigned height = 0;
    DS_ASSERT(tree->size < UINT64_MAX);
    for (;; height++) {
        if (height % TILE_HEIGHT == 0 && err == DS_OK) {
            err = visit(txn, height / TILE_HEIGHT, tree->size >> height, &carry);
        }
        if ((tree->size >> height & 1) == 0) {
            break;
        }
        carry = ds_tree_node(&tree->peak[height], &carry);
    }
    tree->peak[height] = carry;
    tree->size++;
    return err;
}

enum ds_err ds_nodes_append(struct ds_txn *txn, struct ds_tree *tree, const struct ds_hash *leaf)
{
    return grow(txn, tree, leaf, tile_add);
}

enum ds_err ds_nodes_check(struct ds_txn *txn, struct ds_tree *tree, const struct ds_hash *leaf)
{
    return grow(txn, tree, leaf, tile_same);
}

/* The root of the full subtree of 2^height leaves that is the index-th of its kind. */
static enum ds_err full_root(struct ds_txn *txn, unsigned height, uint64_t index,
                             struct ds_hash *root)
{
    struct ds_hash row[TILE_HASHES];
    struct ds_slice tile;
    struct ds_cursor cursor;
    unsigned above = height % TILE_HEIGHT;
    size_t count = (size_t)1 << above;
    uint64_t first = index << above;
    DS_TRY(tile_load(txn, height / TILE_HEIGHT, first / TILE_HASHES, &tile));
    ds_cursor_init(&cursor, tile);
    (void)ds_take_bytes(&cursor, first % TILE_HASHES * HASH_SIZE);
    for (size_t i = 0; i < count; i++) {
        row[i] = ds_take_hash(&cursor);
    }
    if (cursor.failed) {
        return DS_ERR_NOT_FOUND;
    }
    for (; count > 1; count /= 2) {
        for (size_t i = 0; i < count / 2; i++) {
            row[i] = ds_tree_node(&row[2 * i], &row[2 * i + 1]);
        }
    }
    *root = row[0];
    return DS_OK;
}

static unsigned height_below(uint64_t size) /* Of the largest power of two below size >= 2. */
{
    unsigned height = 0;
    while ((UINT64_C(2) << height) < size) {
        height++;
    }
    return height;
}

/* The root of the leaves [begin, end): full subtrees from left to right, joined from the right.
 * begin is a multiple of the largest power of two below the count, as in every proof. */
static enum ds_err range_root(struct ds_txn *txn, uint64_t begin, uint64_t end,
                              struct ds_hash *root)
{
    struct ds_tree peaks = {.size = end - begin};
    uint64_t at = begin;
    for (unsigned height = 63; height < 64; height--) {
        if ((peaks.size >> height & 1) != 0) {
            DS_TRY(full_root(txn, height, at >> height, &peaks.peak[height]));
            at += UINT64_C(1) << height;
        }
    }
    *root = ds_tree_root(&peaks);
    return DS_OK;
}

/* Nodes that must be there are damage if they are not. */
static enum ds_err must_exist(enum ds_err err)
{
    return err == DS_ERR_NOT_FOUND ? DS_ERR_INTEGRITY : err;
}

enum ds_err ds_nodes_leaf(struct ds_txn *txn, uint64_t index, struct ds_hash *leaf)
{
    return full_root(txn, 0, index, leaf);
}

enum ds_err ds_nodes_root(struct ds_txn *txn, uint64_t size, struct ds_hash *root)
{
    return must_exist(range_root(txn, 0, size, root));
}

/* ---- Making. ---- */

/* Both proofs go down from the root, write the sibling at each step, and are read upwards. */
struct descent {
    struct ds_txn *txn;
    uint64_t begin;
    uint64_t end;
    struct ds_proof *proof;
};

static enum ds_err add_range(struct descent *d, uint64_t begin, uint64_t end)
{
    DS_ASSERT(d->proof->count < DS_PROOF_HASHES_MAX);
    return must_exist(range_root(d->txn, begin, end, &d->proof->hash[d->proof->count++]));
}

/* One step down, to the side on which the leaf is. */
static enum ds_err step_down(struct descent *d, uint64_t leaf, bool *went_right)
{
    uint64_t split = d->begin + (UINT64_C(1) << height_below(d->end - d->begin));
    *went_right = leaf >= split;
    if (*went_right) {
        DS_TRY(add_range(d, d->begin, split));
        d->begin = split;
    } else {
        DS_TRY(add_range(d, split, d->end));
        d->end = split;
    }
    return DS_OK;
}

static void turn_round(struct ds_proof *proof)
{
    for (size_t i = 0; i < proof->count / 2; i++) {
        struct ds_hash other = proof->hash[i];
        proof->hash[i] = proof->hash[proof->count - 1 - i];
        proof->hash[proof->count - 1 - i] = other;
    }
}

enum ds_err ds_prove_inclusion(struct ds_txn *txn, uint64_t index, uint64_t size,
                               struct ds_proof *proof)
{
    struct descent d = {txn, 0, size, proof};
    bool right = false;
    proof->count = 0;
    if (index >= size) {
        return DS_ERR_USAGE;
    }
    while (d.end - d.begin > 1) {
        DS_TRY(step_down(&d, index, &right));
    }
    turn_round(proof);
    return DS_OK;
}

/* Down to the subtree that ends where the old tree ended; it is left out only if it is the whole
 * old tree, whose root the other side knows. */
enum ds_err ds_prove_consistency(struct ds_txn *txn, uint64_t from, uint64_t to,
                                 struct ds_proof *proof)
{
    struct descent d = {txn, 0, to, proof};
    bool known = true;
    proof->count = 0;
    if (from == 0 || from > to) {
        return DS_ERR_USAGE;
    }
    while (d.end != from) {
        bool right = false;
        DS_TRY(step_down(&d, from - 1, &right));
        known = known && !right;
    }
    if (!known) {
        DS_TRY(add_range(&d, d.begin, d.end));
    }
    turn_round(proof);
    return DS_OK;
}

/* ---- Checking. ---- */

bool ds_check_inclusion(const struct ds_hash *leaf, uint64_t index, uint64_t size,
                        const struct ds_hash *root, const struct ds_proof *proof)
{
    struct ds_hash hash = *leaf;
    uint64_t last = size - 1;
    if (index >= size || proof->count > DS_PROOF_HASHES_MAX) {
        return false;
    }
    for (size_t i = 0; i < proof->count; i++) {
        if (last == 0) {
            return false; /* More hashes than the tree is high. */
        }
        if ((index & 1) != 0 || index == last) {
            hash = ds_tree_node(&proof->hash[i], &hash);
            for (; (index & 1) == 0 && index != 0; index >>= 1) {
                last >>= 1;
            }
        } else {
            hash = ds_tree_node(&hash, &proof->hash[i]);
        }
        index >>= 1;
        last >>= 1;
    }
    return last == 0 && ds_hash_equal(&hash, root);
}

bool ds_check_consistency(uint64_t from, const struct ds_hash *from_root, uint64_t to,
                          const struct ds_hash *to_root, const struct ds_proof *proof)
{
    size_t next = 0;
    if (from == 0 || from > to || proof->count > DS_PROOF_HASHES_MAX) {
        return false;
    }
    if (from == to) {
        return proof->count == 0 && ds_hash_equal(from_root, to_root);
    }
    uint64_t index = from - 1;
    uint64_t last = to - 1;
    for (; (index & 1) != 0; index >>= 1) {
        last >>= 1;
    }
    /* An old tree that is one full subtree is itself the beginning. */
    bool whole = index == 0;
    if (!whole && proof->count == 0) {
        return false;
    }
    struct ds_hash old_root = whole ? *from_root : proof->hash[next++];
    struct ds_hash new_root = old_root;
    for (; next < proof->count; next++) {
        const struct ds_hash *hash = &proof->hash[next];
        if (last == 0) {
            return false;
        }
        if ((index & 1) != 0 || index == last) {
            old_root = ds_tree_node(hash, &old_root);
            new_root = ds_tree_node(hash, &new_root);
            for (; (index & 1) == 0 && index != 0; index >>= 1) {
                last >>= 1;
            }
        } else {
            new_root = ds_tree_node(&new_root, hash);
        }
        index >>= 1;
        last >>= 1;
    }
    return last == 0 && ds_hash_equal(&old_root, from_root) && ds_hash_equal(&new_root, to_root);
}

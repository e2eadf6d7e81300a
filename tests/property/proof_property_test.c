/* Proofs against the definition of RFC 6962, section 2.1, word by word: every pair of sizes and
 * every leaf of every size up to 130, then random ones of a tree of several levels of tiles.
 *
 * What the product stores and walks is not looked at: the model keeps all leaves and recurses. */
#include "sync/core/proof.h"
#include "sync/store/store.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE_MAX_ALL = 130, SIZE_LARGE = 20000, RANDOM_PAIRS = 4000, BITS_SIZE_MAX = 24 };

struct fixture {
    struct ds_store *store;
    struct ds_tree tree;
    struct ds_hash *leaves;
    struct ds_hash *roots; /* Of each size. */
};

/* ---- The definition. ---- */

static size_t split_of(size_t count)
{
    size_t split = 1;
    while (split * 2 < count) {
        split *= 2;
    }
    return split;
}

static struct ds_hash model_root(const struct ds_hash *leaves, size_t count)
{
    if (count == 1) {
        return leaves[0];
    }
    size_t split = split_of(count);
    struct ds_hash left = model_root(leaves, split);
    struct ds_hash right = model_root(leaves + split, count - split);
    return ds_tree_node(&left, &right);
}

static void add(struct ds_proof *proof, struct ds_hash hash)
{
    assert_true(proof->count < DS_PROOF_HASHES_MAX);
    proof->hash[proof->count++] = hash;
}

/* PATH(m, D[n]) */
static void model_path(const struct ds_hash *leaves, size_t index, size_t count,
                       struct ds_proof *proof)
{
    if (count == 1) {
        return;
    }
    size_t split = split_of(count);
    if (index < split) {
        model_path(leaves, index, split, proof);
        add(proof, model_root(leaves + split, count - split));
    } else {
        model_path(leaves + split, index - split, count - split, proof);
        add(proof, model_root(leaves, split));
    }
}

/* SUBPROOF(m, D[n], b) */
static void model_subproof(const struct ds_hash *leaves, size_t from, size_t count, bool whole,
                           struct ds_proof *proof)
{
    if (from == count) {
        if (!whole) {
            add(proof, model_root(leaves, count));
        }
        return;
    }
    size_t split = split_of(count);
    if (from <= split) {
        model_subproof(leaves, from, split, whole, proof);
        add(proof, model_root(leaves + split, count - split));
    } else {
        model_subproof(leaves + split, from - split, count - split, false, proof);
        add(proof, model_root(leaves, split));
    }
}

/* ---- The product's tree. ---- */

static struct ds_hash leaf_of(size_t number)
{
    uint8_t stub[4] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16), 0x5A};
    return ds_tree_leaf(DS_SLICE_OF(stub));
}

static struct fixture grow(size_t size)
{
    struct fixture f = {.leaves = calloc(size, sizeof(struct ds_hash)),
                        .roots = calloc(size + 1, sizeof(struct ds_hash))};
    struct ds_txn *txn = NULL;
    assert_true(f.leaves != NULL && f.roots != NULL);
    assert_int_equal(ds_store_memory_open(0, &f.store), DS_OK);
    assert_int_equal(ds_store_begin(f.store, true, &txn), DS_OK);
    for (size_t i = 0; i < size; i++) {
        f.leaves[i] = leaf_of(i);
        assert_int_equal(ds_nodes_append(txn, &f.tree, &f.leaves[i]), DS_OK);
        f.roots[i + 1] = ds_tree_root(&f.tree);
    }
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    assert_int_equal(f.tree.size, size);
    return f;
}

static struct ds_txn *read(struct fixture *f)
{
    struct ds_txn *txn = NULL;
    assert_int_equal(ds_store_begin(f->store, false, &txn), DS_OK);
    return txn;
}

static void end(struct fixture *f)
{
    ds_store_close(f->store);
    free(f->leaves);
    free(f->roots);
}

static void must_equal(const struct ds_proof *made, const struct ds_proof *wanted, const char *what,
                       size_t a, size_t b)
{
    bool equal = made->count == wanted->count;
    for (size_t i = 0; equal && i < made->count; i++) {
        equal = ds_hash_equal(&made->hash[i], &wanted->hash[i]);
    }
    if (!equal) {
        fail_msg("%s %zu, %zu: another proof than the definition's", what, a, b);
    }
}

static void one_consistency(struct fixture *f, struct ds_txn *txn, size_t from, size_t to)
{
    struct ds_proof made;
    struct ds_proof wanted = {.count = 0};
    assert_int_equal(ds_prove_consistency(txn, from, to, &made), DS_OK);
    model_subproof(f->leaves, from, to, true, &wanted);
    must_equal(&made, &wanted, "consistency", from, to);
    if (!ds_check_consistency(from, &f->roots[from], to, &f->roots[to], &made)) {
        fail_msg("consistency %zu, %zu: refused", from, to);
    }
    /* A history that was another at any size below says so. */
    struct ds_hash other = leaf_of(77777);
    assert_false(ds_check_consistency(from, &other, to, &f->roots[to], &made));
    assert_false(ds_check_consistency(from, &f->roots[from], to, &other, &made));
}

static void one_inclusion(struct fixture *f, struct ds_txn *txn, size_t index, size_t size)
{
    struct ds_proof made;
    struct ds_proof wanted = {.count = 0};
    assert_int_equal(ds_prove_inclusion(txn, index, size, &made), DS_OK);
    model_path(f->leaves, index, size, &wanted);
    must_equal(&made, &wanted, "inclusion", index, size);
    if (!ds_check_inclusion(&f->leaves[index], index, size, &f->roots[size], &made)) {
        fail_msg("inclusion %zu, %zu: refused", index, size);
    }
    struct ds_hash other = leaf_of(77777);
    assert_false(ds_check_inclusion(&other, index, size, &f->roots[size], &made));
}

static void proof__all_sizes_up_to_130_are_proved_as_the_definition_says(void **state)
{
    (void)state;
    struct fixture f = grow(SIZE_MAX_ALL);
    struct ds_txn *txn = read(&f);
    struct ds_hash root;
    for (size_t to = 1; to <= SIZE_MAX_ALL; to++) {
        struct ds_hash wanted = model_root(f.leaves, to);
        assert_int_equal(ds_nodes_root(txn, to, &root), DS_OK);
        assert_true(ds_hash_equal(&root, &wanted) && ds_hash_equal(&f.roots[to], &wanted));
        for (size_t from = 1; from <= to; from++) {
            one_consistency(&f, txn, from, to);
            one_inclusion(&f, txn, from - 1, to);
        }
    }
    ds_txn_abort(txn);
    end(&f);
}

static void proof__random_sizes_of_a_large_tree_are_proved_as_the_definition_says(void **state)
{
    (void)state;
    struct fixture f = grow(SIZE_LARGE);
    struct ds_txn *txn = read(&f);
    struct prng prng = {6962};
    for (size_t i = 0; i < RANDOM_PAIRS / 40; i++) {
        size_t to = 1 + prng_below(&prng, SIZE_LARGE);
        one_consistency(&f, txn, 1 + prng_below(&prng, to), to);
        one_inclusion(&f, txn, prng_below(&prng, to), to);
    }
    for (size_t i = 0; i < RANDOM_PAIRS; i++) { /* Without the slow model. */
        size_t to = 1 + prng_below(&prng, SIZE_LARGE);
        size_t from = 1 + prng_below(&prng, to);
        struct ds_proof proof;
        assert_int_equal(ds_prove_consistency(txn, from, to, &proof), DS_OK);
        assert_true(ds_check_consistency(from, &f.roots[from], to, &f.roots[to], &proof));
        assert_int_equal(ds_prove_inclusion(txn, from - 1, to, &proof), DS_OK);
        assert_true(ds_check_inclusion(&f.leaves[from - 1], from - 1, to, &f.roots[to], &proof));
    }
    ds_txn_abort(txn);
    end(&f);
}

/* Hashes: every bit. Their number: one more, one less. Sizes and place: every other one. */
static void proof__every_change_of_a_proof_is_refused(void **state)
{
    (void)state;
    struct fixture f = grow(BITS_SIZE_MAX);
    struct ds_txn *txn = read(&f);
    size_t refused = 0;
    for (size_t to = 1; to <= BITS_SIZE_MAX; to++) {
        for (size_t from = 1; from <= to; from++) {
            struct ds_proof c;
            struct ds_proof i;
            assert_int_equal(ds_prove_consistency(txn, from, to, &c), DS_OK);
            assert_int_equal(ds_prove_inclusion(txn, from - 1, to, &i), DS_OK);
            for (size_t bit = 0; bit < c.count * 256; bit++) {
                uint8_t *byte = &c.hash[bit / 256].byte[bit / 8 % 32];
                *byte ^= (uint8_t)(1U << bit % 8);
                assert_false(ds_check_consistency(from, &f.roots[from], to, &f.roots[to], &c));
                *byte ^= (uint8_t)(1U << bit % 8);
                refused++;
            }
            for (size_t bit = 0; bit < i.count * 256; bit++) {
                uint8_t *byte = &i.hash[bit / 256].byte[bit / 8 % 32];
                *byte ^= (uint8_t)(1U << bit % 8);
                assert_false(
                    ds_check_inclusion(&f.leaves[from - 1], from - 1, to, &f.roots[to], &i));
                *byte ^= (uint8_t)(1U << bit % 8);
                refused++;
            }
            for (size_t other = 0; other < to + 3; other++) { /* Another place. */
                assert_true(other == from - 1 ||
                            !ds_check_inclusion(&f.leaves[from - 1], other, to, &f.roots[to], &i));
            }
            for (size_t more = 0; more <= 2; more += 2) {
                struct ds_proof bent = c;
                bent.count = c.count + more - 1;
                assert_false(bent.count <= DS_PROOF_HASHES_MAX &&
                             ds_check_consistency(from, &f.roots[from], to, &f.roots[to], &bent));
                bent = i;
                bent.count = i.count + more - 1;
                assert_false(
                    bent.count <= DS_PROOF_HASHES_MAX &&
                    ds_check_inclusion(&f.leaves[from - 1], from - 1, to, &f.roots[to], &bent));
            }
        }
    }
    assert_true(refused > 400000);
    ds_txn_abort(txn);
    end(&f);
}

static void proof__what_is_no_place_or_size_is_refused(void **state)
{
    (void)state;
    struct fixture f = grow(5);
    struct ds_txn *txn = read(&f);
    struct ds_proof proof = {.count = 0};
    struct ds_hash hash;
    assert_int_equal(ds_prove_consistency(txn, 0, 5, &proof), DS_ERR_USAGE);
    assert_int_equal(ds_prove_consistency(txn, 5, 4, &proof), DS_ERR_USAGE);
    assert_int_equal(ds_prove_consistency(txn, 3, 6, &proof), DS_ERR_INTEGRITY);
    assert_int_equal(ds_prove_inclusion(txn, 5, 5, &proof), DS_ERR_USAGE);
    assert_int_equal(ds_prove_inclusion(txn, 0, 9, &proof), DS_ERR_INTEGRITY);
    assert_int_equal(ds_nodes_leaf(txn, 5, &hash), DS_ERR_NOT_FOUND);
    assert_int_equal(ds_nodes_root(txn, 6, &hash), DS_ERR_INTEGRITY);
    proof.count = 0;
    assert_false(ds_check_consistency(0, &hash, 5, &f.roots[5], &proof));
    assert_false(ds_check_consistency(3, &f.roots[3], 5, &f.roots[5], &proof));
    assert_false(ds_check_consistency(6, &f.roots[5], 5, &f.roots[5], &proof));
    assert_false(ds_check_inclusion(&f.leaves[0], 0, 0, &f.roots[5], &proof));
    proof.count = DS_PROOF_HASHES_MAX + 1;
    assert_false(ds_check_inclusion(&f.leaves[0], 0, 5, &f.roots[5], &proof));
    assert_false(ds_check_consistency(3, &f.roots[3], 5, &f.roots[5], &proof));
    ds_txn_abort(txn);
    end(&f);
}

static void proof__a_tree_whose_tile_was_cut_is_damage(void **state)
{
    (void)state;
    struct fixture f = grow(40);
    struct ds_txn *txn = NULL;
    struct ds_key key = ds_key_tile(0, 1);
    struct ds_hash leaf = leaf_of(40);
    struct ds_proof proof;
    assert_int_equal(ds_store_begin(f.store, true, &txn), DS_OK);
    assert_int_equal(ds_txn_put(txn, DS_TABLE_TREE, ds_key_slice(&key), DS_SLICE_OF(leaf.byte)),
                     DS_OK);
    key = ds_key_tile(0, 2);
    assert_int_equal(ds_txn_put(txn, DS_TABLE_TREE, ds_key_slice(&key), DS_SLICE_OF(leaf.byte)),
                     DS_OK);
    assert_int_equal(ds_prove_inclusion(txn, 20, 40, &proof), DS_ERR_INTEGRITY);
    assert_int_equal(ds_nodes_append(txn, &f.tree, &leaf), DS_ERR_INTEGRITY);
    ds_txn_abort(txn);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proof__all_sizes_up_to_130_are_proved_as_the_definition_says),
        cmocka_unit_test(proof__random_sizes_of_a_large_tree_are_proved_as_the_definition_says),
        cmocka_unit_test(proof__every_change_of_a_proof_is_refused),
        cmocka_unit_test(proof__what_is_no_place_or_size_is_refused),
        cmocka_unit_test(proof__a_tree_whose_tile_was_cut_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

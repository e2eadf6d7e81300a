/* The Merkle tree against the definition of RFC 6962, section 2.1, word by word. */
#include "sync/core/op.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { LEAVES_MAX = 300 };

static struct ds_hash leaf_of(size_t number)
{
    uint8_t entry[3] = {(uint8_t)number, (uint8_t)(number >> 8), 0x5A};
    return ds_tree_leaf(DS_SLICE_OF(entry));
}

/* MTH(D[n]) = HASH(0x01 || MTH(D[0:k]) || MTH(D[k:n])), k the largest power of two below n. */
static struct ds_hash naive_root(const struct ds_hash *leaves, size_t count)
{
    if (count == 0) {
        struct ds_slice nothing = {NULL, 0};
        return ds_hash3(nothing, nothing, nothing);
    }
    if (count == 1) {
        return leaves[0];
    }
    size_t split = 1;
    while (split * 2 < count) {
        split *= 2;
    }
    struct ds_hash left = naive_root(leaves, split);
    struct ds_hash right = naive_root(leaves + split, count - split);
    uint8_t joined[1 + 2 * sizeof(left.byte)] = {0x01};
    memcpy(joined + 1, left.byte, sizeof(left.byte));
    memcpy(joined + 1 + sizeof(left.byte), right.byte, sizeof(right.byte));
    struct ds_slice nothing = {NULL, 0};
    return ds_hash3(DS_SLICE_OF(joined), nothing, nothing);
}

static void tree__every_size_up_to_300_has_the_root_of_the_definition(void **state)
{
    (void)state;
    static struct ds_hash leaves[LEAVES_MAX];
    struct ds_tree tree = {0};
    for (size_t size = 0; size <= LEAVES_MAX; size++) {
        struct ds_hash root = ds_tree_root(&tree);
        struct ds_hash wanted = naive_root(leaves, size);
        assert_int_equal(tree.size, size);
        if (!ds_hash_equal(&root, &wanted)) {
            fail_msg("size %zu", size);
        }
        if (size < LEAVES_MAX) {
            leaves[size] = leaf_of(size);
            ds_tree_append(&tree, &leaves[size]);
        }
    }
}

static void tree__a_leaf_is_never_a_node(void **state)
{
    (void)state;
    struct ds_hash a = leaf_of(1);
    struct ds_hash b = leaf_of(2);
    struct ds_hash node = ds_tree_node(&a, &b);
    uint8_t joined[2 * sizeof(a.byte)];
    memcpy(joined, a.byte, sizeof(a.byte));
    memcpy(joined + sizeof(a.byte), b.byte, sizeof(b.byte));
    struct ds_hash leaf = ds_tree_leaf(DS_SLICE_OF(joined));
    struct ds_hash swapped = ds_tree_node(&b, &a);
    assert_false(ds_hash_equal(&node, &leaf));
    assert_false(ds_hash_equal(&node, &swapped));
}

static void tree__a_changed_leaf_changes_the_root_wherever_it_stands(void **state)
{
    (void)state;
    enum { SIZE = 37 };
    static struct ds_tree good;
    static struct ds_tree tree;
    for (size_t i = 0; i < SIZE; i++) {
        struct ds_hash leaf = leaf_of(i);
        ds_tree_append(&good, &leaf);
    }
    struct ds_hash wanted = ds_tree_root(&good);
    for (size_t changed = 0; changed < SIZE; changed++) {
        memset(&tree, 0, sizeof(tree));
        for (size_t i = 0; i < SIZE; i++) {
            struct ds_hash leaf = leaf_of(i == changed ? 9999 : i);
            ds_tree_append(&tree, &leaf);
        }
        struct ds_hash root = ds_tree_root(&tree);
        assert_false(ds_hash_equal(&root, &wanted));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree__every_size_up_to_300_has_the_root_of_the_definition),
        cmocka_unit_test(tree__a_leaf_is_never_a_node),
        cmocka_unit_test(tree__a_changed_leaf_changes_the_root_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

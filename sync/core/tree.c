/* The Merkle tree of RFC 6962, section 2.1, with BLAKE2b-256. */
#include "sync/core/op.h"

enum { TREE_HEIGHT_MAX = 64 };

struct ds_hash ds_tree_leaf(struct ds_slice stub)
{
    static const uint8_t prefix = 0x00;
    return ds_hash3(DS_SLICE_OF(prefix), stub, (struct ds_slice){NULL, 0});
}

struct ds_hash ds_tree_node(const struct ds_hash *left, const struct ds_hash *right)
{
    static const uint8_t prefix = 0x01;
    return ds_hash3(DS_SLICE_OF(prefix), DS_SLICE_OF(left->byte), DS_SLICE_OF(right->byte));
}

/* Like adding one to a binary number: each carry joins two full subtrees of equal size. */
void ds_tree_append(struct ds_tree *tree, const struct ds_hash *leaf)
{
    DS_ASSERT(tree->size < UINT64_MAX);
    struct ds_hash carry = *leaf;
    unsigned height = 0;
    while ((tree->size >> height & 1) != 0) {
        carry = ds_tree_node(&tree->peak[height], &carry);
        height++;
    }
    tree->peak[height] = carry;
    tree->size++;
}

/* The peaks joined from the right: RFC 6962 splits at the largest power of two below the size. */
struct ds_hash ds_tree_root(const struct ds_tree *tree)
{
    struct ds_hash root;
    bool begun = false;
    for (unsigned height = 0; height < TREE_HEIGHT_MAX; height++) {
        if ((tree->size >> height & 1) == 0) {
            continue;
        }
        root = begun ? ds_tree_node(&tree->peak[height], &root) : tree->peak[height];
        begun = true;
    }
    struct ds_slice nothing = {NULL, 0};
    return begun ? root : ds_hash3(nothing, nothing, nothing);
}

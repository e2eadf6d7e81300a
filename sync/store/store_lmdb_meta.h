/* Page heads and meta pages of LMDB's data format, version 1, as in the file (host byte order).
 *
 * The first two pages are meta pages; a commit writes the one whose index is the parity of its
 * number, so the numbers of the two differ by exactly one. */
#ifndef DS_SYNC_STORE_STORE_LMDB_META_H
#define DS_SYNC_STORE_STORE_LMDB_META_H

#include <stddef.h>
#include <stdint.h>

#define DS_LMDB_META_FLAG 0x08U
#define DS_LMDB_NODE_HEAD 8U /* Bytes of a node before its key. */
#define DS_LMDB_NO_PAGE SIZE_MAX

struct ds_lmdb_page_head {
    size_t pgno;
    uint16_t pad;
    uint16_t flags;
    union {
        struct {
            uint16_t lower; /* End of the node pointers. */
            uint16_t upper; /* Start of the nodes. */
        } node;
        uint32_t pages; /* Of an overflow run. */
    } room;
};

struct ds_lmdb_tree {
    uint32_t pad; /* Of the first tree: the page size. */
    uint16_t flags;
    uint16_t depth;
    size_t branch_pages;
    size_t leaf_pages;
    size_t overflow_pages;
    size_t entries;
    size_t root; /* DS_LMDB_NO_PAGE: empty. */
};

struct ds_lmdb_meta {
    struct ds_lmdb_page_head head;
    uint32_t magic;
    uint32_t version;
    void *address;
    size_t map_size;
    struct ds_lmdb_tree free; /* Txn number -> page numbers that it freed. */
    struct ds_lmdb_tree names;
    size_t last_page;
    size_t txn;
};

_Static_assert(sizeof(struct ds_lmdb_page_head) == sizeof(size_t) + 8, "as in mdb.c");
_Static_assert(sizeof(struct ds_lmdb_tree) == 8 + 5 * sizeof(size_t), "as in mdb.c");

#endif

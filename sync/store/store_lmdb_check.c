#include "sync/store/store_lmdb_check.h"

#include "schema/base/bytes.h"
#include "sync/store/store_lmdb_meta.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As in mdb.c: a page is a head, node pointers (u16) growing up, nodes growing down. A node is
 * u16 lo, u16 hi, u16 flags, u16 key size, key, data; lo and hi are the size of a leaf's data; with
 * flags as the high bits, the page number of a branch's child. */
#define PAGE_BRANCH 0x01U
#define PAGE_LEAF 0x02U
#define PAGE_OVERFLOW 0x04U
#define NODE_BIG 0x01U  /* The data is the number of an overflow page. */
#define NODE_TREE 0x02U /* The data is a struct ds_lmdb_tree. */
#define DEPTH_MAX 32    /* LMDB's own limit. */
#define KEY_MAX 511U
#define PAGE_SIZE_MIN 512U
#define PAGE_SIZE_MAX 32768U
#define PAGES_UNWRITTEN_MAX 1048576U /* At the end of the file; an estimate, against nonsense. */

enum tree_kind { TREE_FREE, TREE_NAMES, TREE_TABLE };

struct checker {
    int fd;
    size_t page_size;
    size_t last_page;
    bool names_only;
    uint8_t *seen; /* A bit per page. */
    struct ds_detail *detail;
};

/* One tree being walked. */
struct walk {
    struct checker *checker;
    enum tree_kind kind;
    const struct ds_lmdb_tree *tree;
    uint8_t *pages; /* One page per level. */
    size_t branch_pages;
    size_t leaf_pages;
    size_t overflow_pages;
    size_t entries;
    uint8_t last[KEY_MAX]; /* The key before. */
    size_t last_size;
    uint8_t floor[KEY_MAX]; /* The next key may not be less: what the parent promised. */
    size_t floor_size;
};

struct node {
    size_t data_size; /* Of a leaf. */
    size_t child;     /* Of a branch. */
    uint16_t flags;
    struct ds_slice key;
    const uint8_t *data;
    size_t end; /* Offset in the page. */
};

static enum ds_err fault(struct checker *checker, size_t page, const char *what)
{
    char text[24];
    struct ds_builder builder;
    ds_builder_init(&builder, text, sizeof text);
    ds_put_decimal(&builder, (int64_t)page);
    ds_detail_set(checker->detail, "page ", ds_builder_text(&builder), ": ", what, NULL);
    return DS_ERR_INTEGRITY;
}

static enum ds_err read_at(const struct checker *checker, size_t page, void *out, size_t size)
{
    ssize_t got = pread(checker->fd, out, size, (off_t)(page * checker->page_size));
    if (got < 0) {
        return DS_ERR_IO;
    }
    return (size_t)got == size ? DS_OK : DS_ERR_INTEGRITY;
}

/* Every page stands in one place only. */
static enum ds_err claim(struct checker *checker, size_t page)
{
    if (page < 2 || page > checker->last_page) {
        return fault(checker, page, "lies outside the file");
    }
    uint8_t bit = (uint8_t)(1U << page % 8);
    if ((checker->seen[page / 8] & bit) != 0) {
        return fault(checker, page, "stands in two places");
    }
    checker->seen[page / 8] |= bit;
    return DS_OK;
}

/* ---- One page ------------------------------------------------------------------------------- */

static uint16_t u16_at(const uint8_t *at)
{
    uint16_t value = 0;
    memcpy(&value, at, sizeof value);
    return value;
}

static size_t size_at(const uint8_t *at)
{
    size_t value = 0;
    memcpy(&value, at, sizeof value);
    return value;
}

static size_t node_count(const uint8_t *page)
{
    struct ds_lmdb_page_head head;
    memcpy(&head, page, sizeof head);
    return (head.room.node.lower - sizeof head) / 2;
}

/* Read and check the head of a page of a tree at this level. */
static enum ds_err load_page(struct walk *walk, size_t number, bool leaf, uint8_t *page)
{
    struct checker *checker = walk->checker;
    struct ds_lmdb_page_head head;
    DS_TRY(claim(checker, number));
    if (read_at(checker, number, page, checker->page_size) != DS_OK) {
        return fault(checker, number, "cannot be read");
    }
    memcpy(&head, page, sizeof head);
    if (head.pgno != number || head.flags != (leaf ? PAGE_LEAF : PAGE_BRANCH)) {
        return fault(checker, number, "is not what its parent says");
    }
    size_t lower = head.room.node.lower;
    size_t upper = head.room.node.upper;
    /* A branch has two children, but for the free list's (mdb.c, ITS#8336). */
    size_t least = sizeof head + (leaf || walk->kind == TREE_FREE ? 2 : 4);
    if (lower < least || lower % 2 != 0 || upper < lower || upper > checker->page_size) {
        return fault(checker, number, "has impossible bounds");
    }
    *(leaf ? &walk->leaf_pages : &walk->branch_pages) += 1;
    return DS_OK;
}

static enum ds_err load_node(struct checker *checker, const uint8_t *page, size_t index, bool leaf,
                             struct node *node)
{
    struct ds_lmdb_page_head head;
    memcpy(&head, page, sizeof head);
    size_t at = u16_at(page + sizeof head + 2 * index);
    if (at < head.room.node.upper || at % 2 != 0 || at > checker->page_size - DS_LMDB_NODE_HEAD) {
        return fault(checker, head.pgno, "has a node outside itself");
    }
    const uint8_t *raw = page + at;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    size_t low = (size_t)u16_at(raw + 2) | (size_t)u16_at(raw) << 16;
#else
    size_t low = (size_t)u16_at(raw) | (size_t)u16_at(raw + 2) << 16;
#endif
    node->flags = u16_at(raw + 4);
    node->key = (struct ds_slice){raw + DS_LMDB_NODE_HEAD, u16_at(raw + 6)};
    node->data = raw + DS_LMDB_NODE_HEAD + node->key.size;
    node->data_size = low;
    node->child = low;
#if SIZE_MAX > UINT32_MAX
    node->child |= (size_t)node->flags << 32;
#endif
    size_t inside = !leaf ? 0 : (node->flags & NODE_BIG) != 0 ? sizeof(size_t) : low;
    size_t left = checker->page_size - at - DS_LMDB_NODE_HEAD;
    if (node->key.size > KEY_MAX || node->key.size > left || inside > left - node->key.size) {
        return fault(checker, head.pgno, "has a node that is too large");
    }
    node->end = at + DS_LMDB_NODE_HEAD + node->key.size + inside;
    return DS_OK;
}

/* ---- Order ---------------------------------------------------------------------------------- */

static int compare_keys(const struct walk *walk, struct ds_slice a, struct ds_slice b)
{
    if (walk->kind != TREE_FREE) {
        return ds_slice_compare(a, b);
    }
    /* Keys of the free list are numbers in host order. */
    size_t x = a.size == sizeof x ? size_at(a.data) : 0;
    size_t y = b.size == sizeof y ? size_at(b.data) : 0;
    return (x > y) - (x < y);
}

static enum ds_err check_order(struct walk *walk, size_t page, struct ds_slice key)
{
    struct ds_slice last = {walk->last, walk->last_size};
    struct ds_slice floor = {walk->floor, walk->floor_size};
    if (key.size == 0 || (walk->kind == TREE_FREE && key.size != sizeof(size_t))) {
        return fault(walk->checker, page, "has a key of a wrong size");
    }
    if ((last.size > 0 && compare_keys(walk, last, key) >= 0) ||
        (floor.size > 0 && compare_keys(walk, floor, key) > 0)) {
        return fault(walk->checker, page, "has keys out of order");
    }
    memcpy(walk->last, key.data, key.size);
    walk->last_size = key.size;
    return DS_OK;
}

/* A branch says: what came before is less than this key, what comes is not. */
static enum ds_err check_floor(struct walk *walk, size_t page, struct ds_slice key)
{
    struct ds_slice last = {walk->last, walk->last_size};
    if (key.size == 0 || compare_keys(walk, last, key) >= 0) {
        return fault(walk->checker, page, "parts its children wrongly");
    }
    memcpy(walk->floor, key.data, key.size);
    walk->floor_size = key.size;
    return DS_OK;
}

/* ---- Values --------------------------------------------------------------------------------- */

static enum ds_err claim_overflow(struct walk *walk, size_t page, const struct node *node)
{
    struct checker *checker = walk->checker;
    struct ds_lmdb_page_head head;
    size_t first = size_at(node->data);
    if (first < 2 || first > checker->last_page ||
        read_at(checker, first, &head, sizeof head) != DS_OK || head.pgno != first ||
        head.flags != PAGE_OVERFLOW) {
        return fault(checker, page, "has a large value that is not there");
    }
    /* A shorter value keeps the pages of the longer one that it replaced in one transaction. */
    size_t pages = head.room.pages;
    size_t wanted = (sizeof head + node->data_size + checker->page_size - 1) / checker->page_size;
    if (pages < wanted || pages > checker->last_page - first + 1) {
        return fault(checker, first, "is of another size than its value");
    }
    for (size_t i = 0; i < pages; i++) {
        DS_TRY(claim(checker, first + i));
    }
    walk->overflow_pages += pages;
    return DS_OK;
}

/* A list of free pages: count, then page numbers. */
static enum ds_err claim_free(struct walk *walk, size_t page, const struct node *node)
{
    struct checker *checker = walk->checker;
    bool big = (node->flags & NODE_BIG) != 0;
    uint8_t *list = malloc(node->data_size + 1);
    if (list == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = DS_OK;
    if (big) {
        size_t at = size_at(node->data) * checker->page_size + sizeof(struct ds_lmdb_page_head);
        ssize_t got = pread(checker->fd, list, node->data_size, (off_t)at);
        err = got >= 0 && (size_t)got == node->data_size ? DS_OK : DS_ERR_INTEGRITY;
    } else {
        memcpy(list, node->data, node->data_size);
    }
    size_t room = node->data_size / sizeof(size_t);
    size_t count = err == DS_OK && room > 0 ? size_at(list) : 0;
    if (err != DS_OK || room == 0 || count > room - 1) {
        err = fault(checker, page, "has a list of free pages that is cut off");
    }
    for (size_t i = 0; i < count && err == DS_OK; i++) {
        err = claim(checker, size_at(list + (i + 1) * sizeof(size_t)));
    }
    free(list);
    return err;
}

static enum ds_err check_tree(struct checker *checker, enum tree_kind kind,
                              const struct ds_lmdb_tree *tree);

static enum ds_err check_value(struct walk *walk, size_t page, const struct node *node)
{
    unsigned flags = walk->kind == TREE_NAMES ? NODE_TREE : NODE_BIG;
    if ((node->flags & ~flags) != 0) {
        return fault(walk->checker, page, "has a node of an unknown kind");
    }
    if ((node->flags & NODE_BIG) != 0) {
        DS_TRY(claim_overflow(walk, page, node));
    }
    if (walk->kind == TREE_FREE) {
        return claim_free(walk, page, node);
    }
    if (walk->kind == TREE_NAMES) {
        struct ds_lmdb_tree tree;
        if (node->flags != NODE_TREE || node->data_size != sizeof tree) {
            return fault(walk->checker, page, "has a table without a root");
        }
        memcpy(&tree, node->data, sizeof tree);
        return walk->checker->names_only ? DS_OK : check_tree(walk->checker, TREE_TABLE, &tree);
    }
    return DS_OK;
}

/* ---- Walking -------------------------------------------------------------------------------- */

static enum ds_err check_page(struct walk *walk, size_t number, unsigned level)
{
    uint8_t *page = walk->pages + level * walk->checker->page_size;
    bool leaf = level + 1 == walk->tree->depth;
    DS_TRY(load_page(walk, number, leaf, page));
    size_t count = node_count(page);
    for (size_t index = 0; index < count; index++) {
        struct node node;
        DS_TRY(load_node(walk->checker, page, index, leaf, &node));
        if (leaf) {
            walk->entries++;
            DS_TRY(check_order(walk, number, node.key));
            DS_TRY(check_value(walk, number, &node));
            continue;
        }
        /* The first key of a branch is not looked at, by LMDB neither. */
        if (index > 0) {
            DS_TRY(check_floor(walk, number, node.key));
        }
        DS_TRY(check_page(walk, node.child, level + 1));
    }
    return DS_OK;
}

static enum ds_err check_tree(struct checker *checker, enum tree_kind kind,
                              const struct ds_lmdb_tree *tree)
{
    if (tree->root == DS_LMDB_NO_PAGE) {
        bool empty = tree->depth == 0 && tree->entries == 0;
        return empty ? DS_OK : fault(checker, 0, "an empty tree has entries");
    }
    if (tree->depth == 0 || tree->depth > DEPTH_MAX) {
        return fault(checker, tree->root, "is the root of a tree of impossible depth");
    }
    struct walk *walk = calloc(1, sizeof *walk);
    uint8_t *pages = malloc(tree->depth * checker->page_size);
    enum ds_err err = DS_ERR_NOMEM;
    if (walk != NULL && pages != NULL) {
        walk->checker = checker;
        walk->kind = kind;
        walk->tree = tree;
        walk->pages = pages;
        err = check_page(walk, tree->root, 0);
        if (err == DS_OK &&
            (walk->entries != tree->entries || walk->branch_pages != tree->branch_pages ||
             walk->leaf_pages != tree->leaf_pages ||
             walk->overflow_pages != tree->overflow_pages)) {
            err = fault(checker, tree->root, "is the root of a tree with a wrong count");
        }
    }
    free(walk);
    free(pages);
    return err;
}

/* The meta page of txn: the one whose index is its parity. */
static enum ds_err load_meta(struct checker *checker, size_t txn, struct ds_lmdb_meta *meta)
{
    struct ds_lmdb_meta first;
    checker->page_size = 0;
    DS_TRY(read_at(checker, 0, &first, sizeof first));
    checker->page_size = first.free.pad;
    DS_TRY(read_at(checker, txn & 1, meta, sizeof *meta));
    checker->last_page = meta->last_page;
    return meta->txn == txn ? DS_OK : DS_ERR_BUSY;
}

enum ds_err ds_lmdb_pages_check(int fd, size_t txn, bool names_only, struct ds_detail *detail)
{
    struct checker checker = {.fd = fd, .names_only = names_only, .detail = detail};
    struct ds_lmdb_meta meta;
    DS_TRY(load_meta(&checker, txn, &meta));
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return DS_ERR_IO;
    }
    /* Pages at the end may have been given out and never written; none of them is in a tree. */
    size_t file_pages = checker.page_size == 0 ? 0 : (size_t)status.st_size / checker.page_size;
    if (checker.page_size < PAGE_SIZE_MIN || checker.page_size > PAGE_SIZE_MAX ||
        checker.last_page > file_pages + PAGES_UNWRITTEN_MAX) {
        return fault(&checker, txn & 1, "does not fit the file");
    }
    checker.seen = calloc(1, checker.last_page / 8 + 1);
    if (checker.seen == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = check_tree(&checker, TREE_NAMES, &meta.names);
    if (err == DS_OK && !names_only) {
        err = check_tree(&checker, TREE_FREE, &meta.free);
    }
    free(checker.seen);
    return err;
}

/* The memory store: one skip list per table, and an undo log for the open transaction.
 *
 * A skip list gives O(log n) for all five operations with one search function and no balancing.
 * Heights come from a counter, not from chance: equal histories give equal stores. */
#include "sync/store/store.h"
#include "sync/store/tag.h"

#include <stdlib.h>
#include <string.h>

#define HEIGHT_MAX 12 /* A quarter of the nodes reaches each next level: good for 16 million. */

struct node {
    uint8_t *value;
    size_t value_size;
    uint16_t key_size;
    uint16_t height;
    struct node *next[]; /* height of them, then the key. */
};

enum undo_kind {
    UNDO_INSERT,  /* node is new */
    UNDO_REPLACE, /* node had value before */
    UNDO_DELETE   /* node was unlinked and waits here */
};

struct undo {
    struct node *node;
    uint8_t *value;
    size_t value_size;
    uint8_t table;
    enum undo_kind kind;
};

struct list {
    struct node *head[HEIGHT_MAX];
};

struct memory_store {
    struct ds_store base;
    struct list table[DS_TABLES_MAX];
    uint64_t bytes_used; /* Keys and values, tags included. */
    uint64_t bytes_max;  /* 0: no bound. */
    uint64_t nodes_made;
    struct ds_txn txn; /* The one transaction. */
    bool txn_open;
    struct undo *undo;
    size_t undo_count;
    size_t undo_room;
    unsigned fail_nth; /* 0: off. */
    enum ds_err fail_err;
    bool fail_after;
    unsigned fail_write_nth;
    enum ds_err fail_write_err;
};

static struct memory_store *store_of(struct ds_txn *txn)
{
    return (struct memory_store *)(void *)txn->store;
}

/* ---- One skip list -------------------------------------------------------------------------- */

static struct ds_slice node_key(const struct node *node)
{
    return (struct ds_slice){(const uint8_t *)&node->next[node->height], node->key_size};
}

static struct ds_slice node_value(const struct node *node)
{
    return (struct ds_slice){node->value, node->value_size};
}

static uint64_t node_bytes(const struct node *node)
{
    return (uint64_t)node->key_size + node->value_size;
}

/* The last node < key, or NULL, with the links that lead to the place of key at each level. */
static struct node *list_find(struct list *list, struct ds_slice key,
                              struct node **links[static HEIGHT_MAX])
{
    struct node *before = NULL;
    struct node **next = list->head;
    for (size_t level = HEIGHT_MAX; level-- > 0;) {
        while (next[level] != NULL && ds_slice_compare(node_key(next[level]), key) < 0) {
            before = next[level];
            next = before->next;
        }
        links[level] = &next[level];
    }
    return before;
}

static struct node *list_at(struct node *const *const links[static HEIGHT_MAX], struct ds_slice key)
{
    struct node *node = *links[0];
    return node != NULL && ds_slice_equal(node_key(node), key) ? node : NULL;
}

static void list_link(struct list *list, struct node *node)
{
    struct node **links[HEIGHT_MAX];
    (void)list_find(list, node_key(node), links);
    for (size_t level = 0; level < node->height; level++) {
        node->next[level] = *links[level];
        *links[level] = node;
    }
}

static void list_unlink(struct list *list, struct node *node)
{
    struct node **links[HEIGHT_MAX];
    (void)list_find(list, node_key(node), links);
    for (size_t level = 0; level < node->height; level++) {
        DS_ASSERT(*links[level] == node);
        *links[level] = node->next[level];
    }
}

static void node_free(struct node *node)
{
    free(node->value);
    free(node);
}

/* Height h with probability 4^-h, by hashing the count of nodes made. */
static uint16_t node_height(uint64_t nodes_made)
{
    static const uint8_t height_key[16] = "doorstep height";
    uint64_t bits = ds_siphash(height_key, DS_SLICE_OF(nodes_made));
    uint16_t height = 1;
    while (height < HEIGHT_MAX && (bits & 3) == 0) {
        bits >>= 2;
        height++;
    }
    return height;
}

static struct node *node_make(struct memory_store *store, struct ds_slice key, size_t value_size)
{
    uint16_t height = node_height(++store->nodes_made);
    struct node *node = malloc(sizeof *node + height * sizeof(void *) + key.size);
    uint8_t *value = malloc(value_size);
    if (node == NULL || value == NULL) {
        free(node);
        free(value);
        return NULL;
    }
    *node = (struct node){
        .value = value, .value_size = value_size, .key_size = (uint16_t)key.size, .height = height};
    memcpy(&node->next[height], key.data, key.size);
    return node;
}

/* ---- Undo ----------------------------------------------------------------------------------- */

/* Room for one more entry, made before anything changes. */
static struct undo *undo_next(struct memory_store *store)
{
    if (store->undo_count == store->undo_room) {
        size_t room = store->undo_room == 0 ? 64 : store->undo_room * 2;
        struct undo *bigger = realloc(store->undo, room * sizeof *bigger);
        if (bigger == NULL) {
            return NULL;
        }
        store->undo = bigger;
        store->undo_room = room;
    }
    return &store->undo[store->undo_count];
}

/* Keep the changes: what they replaced is freed. */
static void undo_drop(struct memory_store *store)
{
    for (size_t index = 0; index < store->undo_count; index++) {
        struct undo *undo = &store->undo[index];
        if (undo->kind == UNDO_REPLACE) {
            free(undo->value);
        } else if (undo->kind == UNDO_DELETE) {
            node_free(undo->node);
        }
    }
    store->undo_count = 0;
}

/* Take the changes back, last one first. */
static void undo_play(struct memory_store *store)
{
    while (store->undo_count > 0) {
        struct undo *undo = &store->undo[--store->undo_count];
        struct list *list = &store->table[undo->table];
        struct node *node = undo->node;
        switch (undo->kind) {
        case UNDO_INSERT:
            list_unlink(list, node);
            store->bytes_used -= node_bytes(node);
            node_free(node);
            break;
        case UNDO_REPLACE:
            store->bytes_used -= node->value_size;
            free(node->value);
            node->value = undo->value;
            node->value_size = undo->value_size;
            store->bytes_used += node->value_size;
            break;
        case UNDO_DELETE:
            list_link(list, node);
            store->bytes_used += node_bytes(node);
            break;
        }
    }
}

/* ---- The operations ------------------------------------------------------------------------- */

static enum ds_err memory_begin(struct ds_store *base, bool write, struct ds_txn **txn)
{
    struct memory_store *store = (struct memory_store *)(void *)base;
    (void)write;
    if (store->txn_open) {
        return DS_ERR_BUSY;
    }
    store->txn_open = true;
    *txn = &store->txn;
    return DS_OK;
}

static void memory_abort(struct ds_txn *txn)
{
    struct memory_store *store = store_of(txn);
    undo_play(store);
    store->txn_open = false;
}

static enum ds_err memory_commit(struct ds_txn *txn)
{
    struct memory_store *store = store_of(txn);
    enum ds_err err = DS_OK;
    if (txn->write && store->fail_nth > 0 && --store->fail_nth == 0) {
        err = store->fail_err;
    }
    if (err != DS_OK && !store->fail_after) {
        memory_abort(txn);
        return err;
    }
    undo_drop(store);
    store->txn_open = false;
    return err;
}

static enum ds_err memory_get(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                              struct ds_slice *value)
{
    struct node **links[HEIGHT_MAX];
    (void)list_find(&store_of(txn)->table[table], key, links);
    struct node *node = list_at((struct node *const *const *)links, key);
    if (node == NULL) {
        return DS_ERR_NOT_FOUND;
    }
    *value = node_value(node);
    return DS_OK;
}

/* DS_OK, or what an armed fault wants this put or delete to say. */
static enum ds_err memory_fault(struct memory_store *store)
{
    bool now = store->fail_write_nth > 0 && --store->fail_write_nth == 0;
    return now ? store->fail_write_err : DS_OK;
}

static bool memory_has_room(const struct memory_store *store, uint64_t freed, uint64_t needed)
{
    return store->bytes_max == 0 || store->bytes_used - freed + needed <= store->bytes_max;
}

static enum ds_err memory_replace(struct memory_store *store, uint8_t table, struct node *node,
                                  size_t size)
{
    struct undo *undo = undo_next(store);
    if (!memory_has_room(store, node->value_size, size)) {
        return DS_ERR_FULL;
    }
    uint8_t *value = malloc(size);
    if (undo == NULL || value == NULL) {
        free(value);
        return DS_ERR_NOMEM;
    }
    *undo = (struct undo){.node = node,
                          .value = node->value,
                          .value_size = node->value_size,
                          .table = table,
                          .kind = UNDO_REPLACE};
    store->undo_count++;
    store->bytes_used += size;
    store->bytes_used -= node->value_size;
    node->value = value;
    node->value_size = size;
    return DS_OK;
}

static enum ds_err memory_reserve(struct ds_txn *txn, uint8_t table, struct ds_slice key,
                                  size_t size, uint8_t **room)
{
    struct memory_store *store = store_of(txn);
    struct node **links[HEIGHT_MAX];
    DS_TRY(memory_fault(store));
    (void)list_find(&store->table[table], key, links);
    struct node *node = list_at((struct node *const *const *)links, key);
    if (node != NULL) {
        DS_TRY(memory_replace(store, table, node, size));
        *room = node->value;
        return DS_OK;
    }
    if (!memory_has_room(store, 0, (uint64_t)key.size + size)) {
        return DS_ERR_FULL;
    }
    struct undo *undo = undo_next(store);
    node = node_make(store, key, size);
    if (undo == NULL || node == NULL) {
        if (node != NULL) {
            node_free(node);
        }
        return DS_ERR_NOMEM;
    }
    *undo = (struct undo){.node = node, .table = table, .kind = UNDO_INSERT};
    store->undo_count++;
    for (size_t level = 0; level < node->height; level++) {
        node->next[level] = *links[level];
        *links[level] = node;
    }
    store->bytes_used += node_bytes(node);
    *room = node->value;
    return DS_OK;
}

static enum ds_err memory_del(struct ds_txn *txn, uint8_t table, struct ds_slice key)
{
    struct memory_store *store = store_of(txn);
    struct list *list = &store->table[table];
    struct node **links[HEIGHT_MAX];
    DS_TRY(memory_fault(store));
    (void)list_find(list, key, links);
    struct node *node = list_at((struct node *const *const *)links, key);
    if (node == NULL) {
        return DS_ERR_NOT_FOUND;
    }
    struct undo *undo = undo_next(store);
    if (undo == NULL) {
        return DS_ERR_NOMEM;
    }
    *undo = (struct undo){.node = node, .table = table, .kind = UNDO_DELETE};
    store->undo_count++;
    list_unlink(list, node);
    store->bytes_used -= node_bytes(node);
    return DS_OK;
}

static enum ds_err memory_seek(struct ds_txn *txn, uint8_t table, struct ds_slice key, bool after,
                               struct ds_slice *found, struct ds_slice *value)
{
    struct node **links[HEIGHT_MAX];
    struct node *before = list_find(&store_of(txn)->table[table], key, links);
    struct node *node = *links[0];
    if (!after && (node == NULL || !ds_slice_equal(node_key(node), key))) {
        node = before;
    }
    if (node == NULL) {
        return DS_ERR_NOT_FOUND;
    }
    *found = node_key(node);
    *value = node_value(node);
    return DS_OK;
}

static void memory_close(struct ds_store *base)
{
    struct memory_store *store = (struct memory_store *)(void *)base;
    DS_ASSERT(!store->txn_open);
    for (size_t table = 0; table < DS_TABLES_MAX; table++) {
        struct node *node = store->table[table].head[0];
        while (node != NULL) {
            struct node *next = node->next[0];
            node_free(node);
            node = next;
        }
    }
    free(store->undo);
    free(store);
}

static enum ds_err memory_room(struct ds_store *base, uint64_t *used, uint64_t *limit)
{
    struct memory_store *store = (struct memory_store *)(void *)base;
    *used = store->bytes_used;
    *limit = store->bytes_max == 0 ? UINT64_MAX : store->bytes_max;
    return DS_OK;
}

static const struct ds_store_ops memory_ops = {
    .begin = memory_begin,
    .commit = memory_commit,
    .abort = memory_abort,
    .get = memory_get,
    .reserve = memory_reserve,
    .del = memory_del,
    .seek = memory_seek,
    .close = memory_close,
    .room = memory_room,
};

/* ---- Opening, cloning, failing -------------------------------------------------------------- */

enum ds_err ds_store_memory_open(uint64_t bytes_max, struct ds_store **store)
{
    *store = NULL;
    struct memory_store *memory = calloc(1, sizeof *memory);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    memory->base.ops = &memory_ops;
    memory->bytes_max = bytes_max;
    *store = &memory->base;
    return DS_OK;
}

/* Append copies of all nodes in order: tail holds the last link of each level. */
static enum ds_err list_copy(struct memory_store *to, const struct list *from, size_t table)
{
    struct node **tail[HEIGHT_MAX];
    for (size_t level = 0; level < HEIGHT_MAX; level++) {
        tail[level] = &to->table[table].head[level];
    }
    for (const struct node *node = from->head[0]; node != NULL; node = node->next[0]) {
        struct node *copy = node_make(to, node_key(node), node->value_size);
        if (copy == NULL) {
            return DS_ERR_NOMEM;
        }
        memcpy(copy->value, node->value, node->value_size);
        for (size_t level = 0; level < copy->height; level++) {
            copy->next[level] = NULL;
            *tail[level] = copy;
            tail[level] = &copy->next[level];
        }
        to->bytes_used += node_bytes(copy);
    }
    return DS_OK;
}

enum ds_err ds_store_memory_clone(struct ds_store *from, struct ds_store **copy)
{
    DS_ASSERT(from->ops == &memory_ops);
    const struct memory_store *origin = (const struct memory_store *)(const void *)from;
    *copy = NULL;
    if (origin->txn_open) {
        return DS_ERR_BUSY;
    }
    struct ds_store *made = NULL;
    DS_TRY(ds_store_memory_open(origin->bytes_max, &made));
    struct memory_store *to = (struct memory_store *)(void *)made;
    for (size_t table = 0; table < DS_TABLES_MAX; table++) {
        enum ds_err err = list_copy(to, &origin->table[table], table);
        if (err != DS_OK) {
            ds_store_close(made);
            return err;
        }
    }
    *copy = made;
    return DS_OK;
}

void ds_store_memory_fail_commit(struct ds_store *store, unsigned nth, enum ds_err err, bool after)
{
    DS_ASSERT(store->ops == &memory_ops);
    DS_ASSERT(nth == 0 || err != DS_OK);
    struct memory_store *memory = (struct memory_store *)(void *)store;
    memory->fail_nth = nth;
    memory->fail_err = err;
    memory->fail_after = after;
}

bool ds_store_memory_fail_write(struct ds_store *store, unsigned nth, enum ds_err err)
{
    DS_ASSERT(store->ops == &memory_ops);
    DS_ASSERT(nth == 0 || err != DS_OK);
    struct memory_store *memory = (struct memory_store *)(void *)store;
    bool waits = memory->fail_write_nth > 0;
    memory->fail_write_nth = nth;
    memory->fail_write_err = err;
    return waits;
}

bool ds_store_memory_rot(struct ds_store *store, uint8_t table, struct ds_slice key, uint64_t bit)
{
    DS_ASSERT(store->ops == &memory_ops);
    struct memory_store *memory = (struct memory_store *)(void *)store;
    struct node **links[HEIGHT_MAX];
    (void)list_find(&memory->table[table], key, links);
    struct node *node = list_at((struct node *const *const *)links, key);
    if (node == NULL) {
        return false;
    }
    uint64_t at = bit % (8 * (uint64_t)node->value_size);
    node->value[at / 8] ^= (uint8_t)(1U << at % 8);
    return true;
}

/* bench_raw: what the storage alone would take.
 *
 * Compares two folders of a store (before and after a measured run), and writes every pair that is
 * new or has changed, under the same key with as many bytes, into a copy of the store as it was, in
 * as many transactions as the run made, neighbours together: the best that storage can hope for. It
 * goes through the product's own thin layer over LMDB, so
 * the file's settings, the 8 bytes of tag per value and the fsync per commit are the same.
 *
 * usage: bench_raw --before DIR|none --after DIR --into DIR --commits N */
#include "sync/store/store.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
    uint8_t table;
    uint32_t key_size;
    uint32_t value_size;
    size_t at; /* Of the key in bytes. */
};
struct dump {
    struct pair *pair;
    size_t count;
    size_t room;
    uint8_t *bytes;
    size_t used;
    size_t bytes_room;
    uint64_t payload; /* Keys and values. */
};

static struct ds_store *open_store(const char *dir, bool read_only)
{
    struct ds_store *store = NULL;
    struct ds_detail detail = {{0}};
    struct ds_store_lmdb_options options = {.read_only = read_only};
    if (ds_store_lmdb_open(dir, &options, &store, &detail) != DS_OK) {
        bench_fail("%s: %s", dir, detail.text);
    }
    return store;
}

static struct ds_txn *begin(struct ds_store *store, bool write)
{
    struct ds_txn *txn = NULL;
    if (ds_store_begin(store, write, &txn) != DS_OK) {
        bench_fail("no transaction");
    }
    return txn;
}

static void add(struct dump *dump, uint8_t table, struct ds_slice key, size_t value_size)
{
    if (dump->count == dump->room) {
        dump->room = dump->room * 2 + 1024;
        dump->pair = realloc(dump->pair, dump->room * sizeof *dump->pair);
    }
    if (dump->used + key.size > dump->bytes_room) {
        dump->bytes_room = dump->bytes_room * 2 + 65536;
        dump->bytes = realloc(dump->bytes, dump->bytes_room);
    }
    if (dump->pair == NULL || dump->bytes == NULL) {
        bench_fail("out of memory");
    }
    memcpy(dump->bytes + dump->used, key.data, key.size);
    dump->pair[dump->count++] =
        (struct pair){table, (uint32_t)key.size, (uint32_t)value_size, dump->used};
    dump->used += key.size;
    dump->payload += key.size + value_size;
}

static bool unchanged(struct ds_txn *before, uint8_t table, struct ds_slice key,
                      struct ds_slice value)
{
    struct ds_slice had;
    return before != NULL && ds_txn_get(before, table, key, &had) == DS_OK &&
           ds_slice_equal(had, value);
}

static void compare(struct ds_txn *before, struct ds_txn *after, struct dump *dump)
{
    for (uint8_t table = 0; table < DS_TABLES_MAX; table++) {
        uint8_t memory[DS_KEY_SIZE_MAX + 1] = {0};
        struct ds_slice key = {memory, 1};
        struct ds_slice found;
        struct ds_slice value;
        while (ds_txn_at_or_after(after, table, key, &found, &value) == DS_OK) {
            if (!unchanged(before, table, found, value)) {
                add(dump, table, found, value.size);
            }
            memcpy(memory, found.data, found.size);
            memory[found.size] = 0;
            key.size = found.size + 1;
        }
    }
}

static double write_all(struct ds_store *store, const struct dump *dump, uint64_t commits)
{
    uint8_t *value = calloc(1, DS_VALUE_SIZE_MAX);
    uint64_t noise = 1;
    if (value == NULL) {
        bench_fail("out of memory");
    }
    for (size_t i = 0; i < DS_VALUE_SIZE_MAX; i++) {
        noise = noise * UINT64_C(6364136223846793005) + 1442695040888963407;
        value[i] = (uint8_t)(noise >> 56);
    }
    double begun = bench_seconds();
    for (uint64_t c = 0; c < commits; c++) {
        struct ds_txn *txn = begin(store, true);
        size_t end = (size_t)(dump->count * (c + 1) / commits);
        for (size_t i = (size_t)(dump->count * c / commits); i < end; i++) {
            const struct pair *pair = &dump->pair[i];
            struct ds_slice key = {dump->bytes + pair->at, pair->key_size};
            if (ds_txn_put(txn, pair->table, key, (struct ds_slice){value, pair->value_size}) !=
                DS_OK) {
                bench_fail("a pair does not go in");
            }
        }
        if (ds_txn_commit(txn) != DS_OK) {
            bench_fail("a commit failed");
        }
    }
    double took = bench_seconds() - begun;
    free(value);
    return took;
}

int main(int count, char **words)
{
    const char *before_dir = bench_option(count, words, "--before", "none");
    const char *after_dir = bench_option(count, words, "--after", NULL);
    const char *into = bench_option(count, words, "--into", NULL);
    uint64_t commits = bench_number(count, words, "--commits", 1);
    struct dump dump = {0};
    if (after_dir == NULL || into == NULL || commits == 0) {
        bench_fail("usage: bench_raw --before DIR|none --after DIR --into DIR --commits N");
    }
    bool had = strcmp(before_dir, "none") != 0;
    struct ds_store *before = had ? open_store(before_dir, true) : NULL;
    struct ds_store *after = open_store(after_dir, true);
    struct ds_txn *old = had ? begin(before, false) : NULL;
    struct ds_txn *now = begin(after, false);
    compare(old, now, &dump);
    ds_txn_abort(now);
    if (old != NULL) {
        ds_txn_abort(old);
    }
    ds_store_close(after);
    ds_store_close(before);
    struct ds_store *store = open_store(into, false);
    double seconds = write_all(store, &dump, commits);
    ds_store_close(store);
    printf("{\"pairs\": %zu, \"payload_bytes\": %llu, \"commits\": %llu, \"seconds\": %.6f}\n",
           dump.count, (unsigned long long)dump.payload, (unsigned long long)commits, seconds);
    free(dump.pair);
    free(dump.bytes);
    return 0;
}

/* bench_proof: what proofs cost in a large journal.
 *
 * Appends N leaves to the stored tree in an LMDB store, in groups as the writer would; then makes
 * and checks random proofs, each in a read transaction of its own. Nothing of a journal is there,
 * so nothing of it can be read.
 *
 * usage: bench_proof --dir DIR [--entries 10000000] [--proofs 10000] [--group 100] */
#include "sync/core/proof.h"
#include "sync/store/store.h"
#include "tests/bench/bench.h"
#include "tests/support/prng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(enum ds_err err, const char *what)
{
    if (err != DS_OK) {
        bench_fail("%s: %s", what, ds_err_name(err));
    }
}

static struct ds_hash leaf_of(uint64_t number)
{
    return ds_tree_leaf(DS_SLICE_OF(number));
}

static double grow(struct ds_store *store, uint64_t entries, uint64_t group)
{
    struct ds_tree *tree = calloc(1, sizeof *tree);
    double begun = bench_seconds();
    if (tree == NULL) {
        bench_fail("no memory");
    }
    while (tree->size < entries) {
        struct ds_txn *txn = NULL;
        must(ds_store_begin(store, true, &txn), "begin");
        for (uint64_t i = 0; i < group && tree->size < entries; i++) {
            struct ds_hash leaf = leaf_of(tree->size);
            must(ds_nodes_append(txn, tree, &leaf), "append");
        }
        must(ds_txn_commit(txn), "commit");
    }
    free(tree);
    return bench_seconds() - begun;
}

struct cost {
    double make_s;
    double check_s;
    uint64_t hashes;
};

static void one_proof(struct ds_store *store, struct prng *prng, uint64_t entries, bool inclusion,
                      struct cost *cost)
{
    struct ds_txn *txn = NULL;
    struct ds_proof proof;
    struct ds_hash old_root;
    struct ds_hash root;
    uint64_t to = 1 + prng_below(prng, entries);
    uint64_t from = 1 + prng_below(prng, to);
    struct ds_hash leaf = leaf_of(from - 1);
    must(ds_store_begin(store, false, &txn), "begin");
    must(ds_nodes_root(txn, from, &old_root), "root");
    must(ds_nodes_root(txn, to, &root), "root");
    double begun = bench_seconds();
    must(inclusion ? ds_prove_inclusion(txn, from - 1, to, &proof)
                   : ds_prove_consistency(txn, from, to, &proof),
         "prove");
    double made = bench_seconds();
    bool good = inclusion ? ds_check_inclusion(&leaf, from - 1, to, &root, &proof)
                          : ds_check_consistency(from, &old_root, to, &root, &proof);
    double checked = bench_seconds();
    ds_txn_abort(txn);
    if (!good) {
        bench_fail("a proof from %llu to %llu does not hold", (unsigned long long)from,
                   (unsigned long long)to);
    }
    cost->make_s += made - begun;
    cost->check_s += checked - made;
    cost->hashes += proof.count;
}

int main(int count, char **words)
{
    const char *dir = bench_option(count, words, "--dir", NULL);
    uint64_t entries = bench_number(count, words, "--entries", 10000000);
    uint64_t proofs = bench_number(count, words, "--proofs", 10000);
    uint64_t group = bench_number(count, words, "--group", 100);
    struct ds_store *store = NULL;
    struct ds_store_lmdb_options options = {.map_bytes = 0};
    struct ds_store_room room;
    struct prng prng = {1};
    struct cost cost[2] = {{.hashes = 0}, {.hashes = 0}};
    if (dir == NULL || entries == 0 || proofs == 0 || group == 0) {
        bench_fail("usage: bench_proof --dir DIR [--entries N] [--proofs N] [--group N]");
    }
    must(ds_store_lmdb_open(dir, &options, &store, NULL), dir);
    double grown_s = grow(store, entries, group);
    must(ds_store_room(store, &room), "room");
    for (uint64_t i = 0; i < proofs; i++) {
        one_proof(store, &prng, entries, i % 2 == 0, &cost[i % 2]);
    }
    ds_store_close(store);
    for (int i = 0; i < 2; i++) {
        uint64_t half = (proofs + (i == 0)) / 2;
        half = half == 0 ? 1 : half;
        printf("{\"proof\": \"%s\", \"entries\": %llu, \"make_us\": %.1f, \"check_us\": %.1f, "
               "\"hashes\": %.1f}\n",
               i == 0 ? "inclusion" : "consistency", (unsigned long long)entries,
               cost[i].make_s / (double)half * 1e6, cost[i].check_s / (double)half * 1e6,
               (double)cost[i].hashes / (double)half);
    }
    printf("{\"append_us_per_entry\": %.2f, \"store_bytes_per_entry\": %.1f, \"group\": %llu}\n",
           grown_s / (double)entries * 1e6, (double)room.used / (double)entries,
           (unsigned long long)group);
    return 0;
}

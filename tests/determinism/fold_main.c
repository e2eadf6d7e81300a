/* fold FILE...: fold journals (tests/support/journal_file.h) into memory and print size and digest
 * of each. Built from the pure parts alone, by tests/determinism/build_test.sh, with many compilers
 * and for 32 bit: the lines must be the same. */
#include "tests/support/journal_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_SIZE_MAX = 16 << 20 };

static struct ds_slice read_whole(const char *path, uint8_t *memory)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return (struct ds_slice){NULL, 0};
    }
    size_t size = fread(memory, 1, FILE_SIZE_MAX, file);
    (void)fclose(file);
    return (struct ds_slice){memory, size};
}

static enum ds_err digest_of(struct ds_store *store, struct ds_hash *digest)
{
    struct ds_txn *txn = NULL;
    DS_TRY(ds_store_begin(store, false, &txn));
    enum ds_err err = ds_engine_digest(txn, digest);
    ds_txn_abort(txn);
    return err;
}

static int fold_file(const char *path, uint8_t *memory, uint8_t *scratch)
{
    struct ds_store *store = NULL;
    struct ds_shard_meta meta;
    struct ds_hash digest;
    struct ds_detail detail = {{0}};
    struct ds_slice file = read_whole(path, memory);
    enum ds_err err = ds_store_memory_open(0, &store);
    if (err == DS_OK) {
        err = journal_file_fold(file, store, scratch, &meta, &detail);
    }
    err = err != DS_OK ? err : digest_of(store, &digest);
    ds_store_close(store);
    if (err != DS_OK) {
        fprintf(stderr, "%s: %s %s\n", path, ds_err_name(err), detail.text);
        return 1;
    }
    printf("%s: %" PRIu64 " entries, digest ", path, meta.size);
    for (size_t i = 0; i < sizeof digest.byte; i++) {
        printf("%02x", digest.byte[i]);
    }
    printf("\n");
    return 0;
}

int main(int count, char **words)
{
    uint8_t *memory = malloc(FILE_SIZE_MAX);
    uint8_t *scratch = malloc(DS_ENGINE_SCRATCH_SIZE);
    int failed = memory == NULL || scratch == NULL;
    for (int i = 1; i < count && !failed; i++) {
        failed = fold_file(words[i], memory, scratch);
    }
    free(memory);
    free(scratch);
    return failed;
}

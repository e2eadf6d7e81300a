/* Journal entries, as a backup or another machine's store may hold them: any bytes, parsed. What is
 * taken is written again as the same bytes, and has a leaf in the tree. */
#include "sync/core/op.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out_memory[2 << 20];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ds_entry entry;
    struct ds_hash leaf;
    struct ds_builder out;
    struct ds_slice made;
    struct ds_detail detail = {""};
    struct ds_slice bytes = {data, size};
    enum ds_err err = ds_entry_parse(bytes, &entry, &detail);
    if ((err == DS_OK) != (detail.text[0] == '\0')) {
        abort();
    }
    if (err != DS_OK) {
        return 0;
    }
    ds_builder_init(&out, out_memory, sizeof(out_memory));
    ds_entry_put(&out, &entry);
    if (ds_builder_end(&out, &made) != DS_OK || !ds_slice_equal(made, bytes)) {
        abort();
    }
    if (ds_entry_leaf_of(bytes, &leaf) == DS_OK && entry.kind == 0) {
        abort();
    }
    return 0;
}

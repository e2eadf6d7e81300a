/* Bundle files: any bytes, parsed. What is taken are slices of the file, one behind the other, as
 * many as it says; written again by the same rules it is the same file. */
#include "schema/codec/msgpack.h"
#include "sync/core/exchange.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t arena_memory[1 << 20];
static uint8_t out_memory[2 << 20];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ds_arena arena;
    struct ds_builder out;
    struct ds_slice made;
    struct ds_slice *sealed = NULL;
    size_t count = 0;
    struct ds_detail detail = {""};
    struct ds_slice bytes = {data, size};
    ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
    if (ds_bundle_parse(bytes, &arena, &sealed, &count, &detail) != DS_OK) {
        if (detail.text[0] == '\0') {
            abort();
        }
        return 0;
    }
    ds_builder_init(&out, out_memory, sizeof(out_memory));
    ds_put_text(&out, "DSB1");
    ds_mp_put_array(&out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ds_mp_put_bin(&out, sealed[i]);
    }
    if (ds_builder_end(&out, &made) != DS_OK || !ds_slice_equal(made, bytes)) {
        abort();
    }
    return 0;
}

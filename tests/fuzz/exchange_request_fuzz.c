/* Exchange requests: what parses is written, parsed and written again as the same bytes. */
#include "sync/core/exchange.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_SIZE = 16 << 20, OUT_SIZE = 4 << 20 };

static uint8_t arena_memory[2][ARENA_SIZE];
static uint8_t out_memory[2][OUT_SIZE];

/* Write the request into one of the two places. */
static struct ds_slice put(const struct ds_request *request, int place)
{
    struct ds_builder out;
    struct ds_slice made = {NULL, 0};
    ds_builder_init(&out, out_memory[place], OUT_SIZE);
    ds_request_put(&out, request);
    if (ds_builder_end(&out, &made) != DS_OK) {
        abort();
    }
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ds_request request;
    static struct ds_request again;
    struct ds_arena arena;
    struct ds_detail detail = {""};
    ds_arena_init(&arena, arena_memory[0], ARENA_SIZE);
    enum ds_err err = ds_request_parse((struct ds_slice){data, size}, &arena, &request, &detail);
    if ((err == DS_OK) != (detail.text[0] == '\0')) {
        abort();
    }
    if (err != DS_OK && err != DS_ERR_VERSION) {
        return 0;
    }
    struct ds_slice first = put(&request, 0);
    ds_arena_init(&arena, arena_memory[1], ARENA_SIZE);
    if (first.size > size || ds_request_parse(first, &arena, &again, NULL) != err) {
        abort();
    }
    if (!ds_slice_equal(put(&again, 1), first)) {
        abort();
    }
    return 0;
}

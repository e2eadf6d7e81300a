/* Enrolment codes, requests and answers, receipts and bundles from the same bytes. The signed maps
 * and bundles have one encoding: what parses is written again as the same bytes. */
#include "schema/codec/msgpack.h"
#include "sync/core/exchange.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_SIZE = 1 << 20, OUT_SIZE = 4 << 20 };

static uint8_t arena_memory[ARENA_SIZE];
static uint8_t out_memory[OUT_SIZE];

static void demand(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct ds_builder begin(void)
{
    struct ds_builder out;
    ds_builder_init(&out, out_memory, sizeof(out_memory));
    return out;
}

static struct ds_slice built(const struct ds_builder *builder)
{
    struct ds_slice made = {NULL, 0};
    demand(ds_builder_end(builder, &made) == DS_OK);
    return made;
}

static void try_code(struct ds_slice bytes)
{
    uint8_t memory[2048];
    struct ds_builder scratch;
    struct ds_enrol_code code;
    struct ds_detail detail = {""};
    ds_builder_init(&scratch, memory, sizeof(memory));
    if (ds_enrol_code_parse(bytes, &scratch, &code, &detail) != DS_OK) {
        demand(detail.text[0] != '\0');
        return;
    }
    struct ds_builder out = begin();
    ds_enrol_code_put(&out, &code);
    demand(built(&out).size <= bytes.size);
}

static void try_maps(struct ds_slice bytes)
{
    struct ds_enrol_request request;
    struct ds_enrol_answer answer;
    struct ds_receipt receipt;
    if (ds_enrol_request_parse(bytes, &request) == DS_OK) {
        struct ds_builder out = begin();
        ds_enrol_request_put(&out, &request);
        demand(ds_slice_equal(built(&out), bytes));
    }
    if (ds_enrol_answer_parse(bytes, &answer) == DS_OK) {
        struct ds_builder out = begin();
        ds_enrol_answer_put(&out, &answer);
        demand(ds_slice_equal(built(&out), bytes));
    }
    if (ds_receipt_parse(bytes, &receipt) == DS_OK) {
        struct ds_builder out = begin();
        ds_receipt_put(&out, &receipt);
        demand(built(&out).size <= bytes.size && ds_mp_scan(bytes, NULL) == DS_OK);
    }
}

static void try_bundle(struct ds_slice bytes)
{
    struct ds_arena arena;
    struct ds_slice *sealed = NULL;
    size_t count = 0;
    struct ds_detail detail = {""};
    ds_arena_init(&arena, arena_memory, sizeof(arena_memory));
    if (ds_bundle_parse(bytes, &arena, &sealed, &count, &detail) != DS_OK) {
        demand(detail.text[0] != '\0');
        return;
    }
    struct ds_builder out = begin();
    ds_bundle_put(&out, sealed, count);
    demand(ds_slice_equal(built(&out), bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ds_slice bytes = {data, size};
    try_code(bytes);
    try_maps(bytes);
    try_bundle(bytes);
    return 0;
}

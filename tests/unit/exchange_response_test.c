/* Responses, their pages and rows, receipts and scopes. */
#include "sync/core/proof.h"
#include "tests/support/exchange_bench.h"

static struct ds_response random_response(struct bench *bench, struct lists *lists)
{
    static const uint8_t map[] = {0x82, 0x01, 0x02, 0x7F, 0xC0};
    struct ds_response response = {.version = 1,
                                   .instant_ms = (int64_t)(random_uint(bench) >> 16),
                                   .epoch = 1 + random_count(bench),
                                   .kept_size = random_uint(bench),
                                   .snapshot = random_uint(bench),
                                   .taken = lists->taken,
                                   .pages = lists->pages,
                                   .keys = lists->keys,
                                   .own_batches = lists->bins[0],
                                   .more = prng_below(&bench->prng, 2) == 0,
                                   .retry_ms = random_uint(bench) >> 16};
    response.own_batch_count = fill_bins(bench, lists->bins[0]);
    response.key_count = fill_keys(bench, lists->keys);
    response.taken_count = random_count(bench);
    for (size_t i = 0; i < response.taken_count; i++) {
        lists->taken[i] = (struct ds_taken){.error = random_count(bench),
                                            .position = random_uint(bench),
                                            .lane = prng_below(&bench->prng, 3),
                                            .last_seq = random_uint(bench) & DS_SEQ_MAX};
        prng_fill(&bench->prng, &lists->taken[i].incarnation, 8);
    }
    response.lane_count = prng_below(&bench->prng, DS_LANES_MAX + 1);
    for (size_t i = 0; i < response.lane_count; i++) {
        response.lanes[i] = random_lane(bench, true);
    }
    response.scope_count = prng_below(&bench->prng, DS_SCOPES_MAX + 1);
    for (size_t i = 0; i < response.scope_count; i++) {
        response.scopes[i] = random_cursor(bench).scope;
        response.scopes[i].kind = (uint8_t)(i + 1);
    }
    for (size_t i = 0; i < LIST_MAX; i++) {
        lists->rows[i] = (struct ds_row){.type = 1 + prng_below(&bench->prng, 127),
                                         .id = random_id(bench),
                                         .position = random_uint(bench)};
        if (prng_below(&bench->prng, 2) == 0) {
            lists->rows[i].fields = DS_SLICE_OF(map);
        }
    }
    response.page_count = random_count(bench);
    for (size_t i = 0; i < response.page_count; i++) {
        lists->pages[i] = (struct ds_page){.cursor = random_cursor(bench),
                                           .complete = prng_below(&bench->prng, 2) == 0,
                                           .digest = random_hash(bench),
                                           .rows = lists->rows,
                                           .row_count = random_count(bench)};
    }
    if (prng_below(&bench->prng, 2) == 0) {
        response.signed_bytes = random_bin(bench);
        response.signature = bench->blob + 3;
    }
    if (prng_below(&bench->prng, 2) == 0) {
        response.lease = (struct ds_lease){1 + random_count(bench), {bench->blob, 72}};
        response.order = (struct ds_slice){bench->blob, 40};
        response.order_signature = bench->blob + 5;
    }
    response.command_count = prng_below(&bench->prng, DS_COMMANDS_MAX + 1);
    for (size_t i = 0; i < response.command_count; i++) {
        response.commands[i] = 1 + random_count(bench);
    }
    if (prng_below(&bench->prng, 2) == 0) {
        response.epoch_entry = random_bin(bench);
        response.epoch_key = random_hash(bench);
    }
    static struct ds_proof proofs[DS_PROOFS_MAX];
    response.proofs = proofs;
    response.proof_count = prng_below(&bench->prng, DS_PROOFS_MAX + 1);
    for (size_t i = 0; i < response.proof_count; i++) {
        proofs[i].count = random_count(bench);
        for (size_t k = 0; k < proofs[i].count; k++) {
            proofs[i].hash[k] = random_hash(bench);
        }
    }
    return response;
}

static void response__random_ones_come_back_as_they_were_written(void **state)
{
    (void)state;
    struct bench bench = bench_open(13);
    uint8_t *again = malloc(WIRE_SIZE);
    assert_non_null(again);
    for (int i = 0; i < 500; i++) {
        static struct lists lists;
        static struct ds_response back;
        struct ds_detail detail = {{0}};
        struct ds_builder builder;
        begin(&bench);
        struct ds_response response = random_response(&bench, &lists);
        ds_response_put(&bench.builder, &response);
        if (ds_response_parse(built(&bench.builder), &bench.arena, &back, &detail) != DS_OK) {
            fail_msg("response %d: %s", i, detail.text);
        }
        assert_int_equal(ds_mp_scan(built(&bench.builder), NULL), DS_OK);
        ds_builder_init(&builder, again, WIRE_SIZE);
        ds_response_put(&builder, &back);
        assert_true(ds_slice_equal(built(&builder), built(&bench.builder)));
    }
    free(again);
    bench_close(&bench);
}

static void response__every_field_is_where_it_belongs(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct bench bench = bench_open(14);
    struct ds_response response;
    struct ds_receipt receipt;
    assert_int_equal(ds_response_parse(samples->response, &bench.arena, &response, NULL), DS_OK);
    assert_int_equal(response.instant_ms, SAMPLES_INSTANT_MS + 600000);
    assert_int_equal(response.epoch, 2);
    assert_int_equal(response.kept_size, 2);
    assert_int_equal(response.snapshot, 42);
    assert_int_equal(response.taken_count, 1);
    assert_int_equal(response.taken[0].position, 2);
    assert_int_equal(response.taken[0].last_seq, 2);
    assert_int_equal(response.lane_count, 1);
    assert_int_equal(response.lanes[0].position, 2);
    assert_int_equal(response.scope_count, 2);
    assert_int_equal(ds_scope_compare(&response.scopes[1], &samples->mailbox), 0);
    assert_int_equal(response.page_count, 2);
    assert_true(response.pages[0].complete);
    assert_false(response.pages[1].complete);
    assert_int_equal(response.pages[0].row_count, 2);
    assert_true(response.pages[0].rows[0].fields.size > 0);
    assert_int_equal(response.pages[0].rows[1].fields.size, 0);
    assert_int_equal(response.pages[0].rows[1].position, 42);
    assert_int_equal(response.pages[1].row_count, 0);
    assert_true(ds_slice_equal(response.signed_bytes, samples->receipt));
    assert_memory_equal(response.signature, samples->receipt_signature.data, 64);
    assert_true(response.more);
    assert_int_equal(response.retry_ms, 30000);
    assert_int_equal(response.command_count, 1);
    assert_int_equal(response.commands[0], DS_COMMAND_NEW_INCARNATION);
    assert_true(ds_slice_equal(response.own_batches[0], samples->batch));
    assert_true(ds_slice_equal(response.epoch_entry, samples->entry[DS_ENTRY_EPOCH - 1]));
    struct ds_hash admin_key;
    struct ds_hash first;
    ds_sign_public(&samples->admin_sign, &admin_key);
    assert_true(ds_hash_equal(&response.epoch_key, &admin_key));
    /* The proof leads from the activate entry alone to the root of both. */
    assert_int_equal(response.proof_count, 1);
    assert_int_equal(ds_entry_leaf_of(samples->entry[DS_ENTRY_ACTIVATE - 1], &first), DS_OK);
    assert_true(ds_check_consistency(1, &first, 2, &samples->root, &response.proofs[0]));

    assert_int_equal(ds_receipt_parse(response.signed_bytes, &receipt), DS_OK);
    assert_true(ds_id_equal(&receipt.device, &samples->device));
    assert_true(ds_hash_equal(&receipt.head.root, &samples->root));
    assert_int_equal(receipt.lane_count, 1);
    assert_int_equal(receipt.lanes[0].seq, 2);
    assert_int_equal(receipt.lanes[0].position, 2);
    bench_close(&bench);
    free(samples);
}

static void response__a_page_holds_4096_rows_and_no_more(void **state)
{
    (void)state;
    struct bench bench = bench_open(15);
    struct ds_row *rows = calloc(DS_PAGE_ROWS_MAX + 1, sizeof(*rows));
    assert_non_null(rows);
    for (size_t i = 0; i <= DS_PAGE_ROWS_MAX; i++) {
        rows[i].type = 7;
    }
    for (size_t more = 0; more < 2; more++) {
        struct ds_page page = {
            .cursor = {.scope = {.kind = 2}}, .rows = rows, .row_count = DS_PAGE_ROWS_MAX + more};
        struct ds_response response = {.version = 1, .epoch = 1, .pages = &page, .page_count = 1};
        struct ds_detail detail = {{0}};
        begin(&bench);
        ds_response_put(&bench.builder, &response);
        assert_int_equal(parse_any(&bench, true, &detail), more == 0 ? DS_OK : DS_ERR_LIMIT);
        if (more == 1) {
            must_begin("rows", &detail, "response page: more than 4096 items");
        }
    }
    free(rows);
    bench_close(&bench);
}

static void response__a_row_may_be_as_deep_as_an_op_allows(void **state)
{
    (void)state;
    /* An op's unknown field may hold six levels, so a row's map has seven: eleven from outside. */
    static const uint8_t map[] = {0x81, 0x7F, 0x91, 0x91, 0x91, 0x91, 0x91, 0x90};
    static const uint8_t deep[] = {0x81, 0x7F, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x90};
    struct bench bench = bench_open(16);
    struct ds_row row = {.type = 7, .fields = DS_SLICE_OF(map)};
    struct ds_page page = {.cursor = {.scope = {.kind = 2}}, .rows = &row, .row_count = 1};
    struct ds_response response = {.version = 1, .epoch = 1, .pages = &page, .page_count = 1};
    struct ds_detail detail = {{0}};
    ds_response_put(&bench.builder, &response);
    assert_int_equal(parse_any(&bench, true, &detail), DS_OK);
    row.fields = DS_SLICE_OF(deep);
    begin(&bench);
    ds_response_put(&bench.builder, &response);
    assert_int_equal(parse_any(&bench, true, &detail), DS_ERR_DECODE);
    must_begin("row", &detail, "response page item 1: not a canonical map");
    bench_close(&bench);
}

static void order__comes_back_and_a_broken_one_does_not(void **state)
{
    uint8_t bytes[128];
    struct ds_builder builder;
    struct ds_slice made;
    struct ds_order back;
    const struct ds_order order = {.device = {{7, 7}}, .kind = DS_ORDER_WIPE, .number = 8812345};
    (void)state;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_order_put(&builder, &order);
    assert_int_equal(ds_builder_end(&builder, &made), DS_OK);
    assert_int_equal(ds_order_parse(made, &back), DS_OK);
    assert_memory_equal(&back, &order, sizeof(order));
    for (size_t size = 0; size < made.size; size++) {
        assert_int_not_equal(ds_order_parse((struct ds_slice){bytes, size}, &back), DS_OK);
    }
    bytes[made.size - 1] = 0; /* Number 0x..00, still one. */
    bytes[20] = 0;            /* Kind 0 is none. */
    assert_int_not_equal(ds_order_parse(made, &back), DS_OK);
}

static void receipt__truncations_flips_and_missing_keys_never_verify(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct ds_receipt receipt;
    uint8_t copy[512];
    assert_true(samples->receipt.size <= sizeof(copy));
    for (size_t size = 0; size < samples->receipt.size; size++) {
        struct ds_slice cut = {samples->receipt.data, size};
        assert_int_equal(ds_receipt_parse(cut, &receipt), DS_ERR_DECODE);
    }
    struct ds_signature signature;
    memcpy(signature.byte, samples->receipt_signature.data, sizeof(signature.byte));
    memcpy(copy, samples->receipt.data, samples->receipt.size);
    struct ds_slice bytes = {copy, samples->receipt.size};
    assert_true(ds_verify(&samples->server_sign_public, DS_LABEL_RECEIPT, bytes, &signature));
    for (size_t bit = 0; bit < 8 * bytes.size; bit += 3) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(ds_verify(&samples->server_sign_public, DS_LABEL_RECEIPT, bytes, &signature));
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(samples);
}

/* ---- Scopes. ---- */

static void scope__orders_like_its_bytes(void **state)
{
    (void)state;
    struct bench bench = bench_open(17);
    for (int i = 0; i < 2000; i++) {
        struct ds_scope pair[2];
        uint8_t memory[2][DS_SCOPE_SIZE];
        for (int k = 0; k < 2; k++) {
            struct ds_builder builder;
            pair[k] = (struct ds_scope){.kind = (uint8_t)prng_below(&bench.prng, 2),
                                        .view = (uint8_t)prng_below(&bench.prng, 2)};
            pair[k].key.byte[15] = (uint8_t)prng_below(&bench.prng, 2);
            ds_builder_init(&builder, memory[k], sizeof(memory[k]));
            ds_put_scope(&builder, &pair[k]);
            struct ds_cursor cursor;
            ds_cursor_init(&cursor, built(&builder));
            struct ds_scope back = ds_take_scope(&cursor);
            assert_int_equal(ds_cursor_end(&cursor), DS_OK);
            assert_int_equal(ds_scope_compare(&back, &pair[k]), 0);
        }
        int wanted = memcmp(memory[0], memory[1], DS_SCOPE_SIZE);
        int order = ds_scope_compare(&pair[0], &pair[1]);
        assert_int_equal(order, (wanted > 0) - (wanted < 0));
    }
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(response__random_ones_come_back_as_they_were_written),
        cmocka_unit_test(response__every_field_is_where_it_belongs),
        cmocka_unit_test(response__a_page_holds_4096_rows_and_no_more),
        cmocka_unit_test(response__a_row_may_be_as_deep_as_an_op_allows),
        cmocka_unit_test(order__comes_back_and_a_broken_one_does_not),
        cmocka_unit_test(receipt__truncations_flips_and_missing_keys_never_verify),
        cmocka_unit_test(scope__orders_like_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

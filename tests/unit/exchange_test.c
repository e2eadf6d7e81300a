/* Requests and what both messages have in common: round trips, limits, damage, refusals by name. */
#include "tests/support/exchange_bench.h"

static struct ds_request random_request(struct bench *bench, struct lists *lists)
{
    struct ds_request request = {.version = 1,
                                 .epoch = random_uint(bench),
                                 .batches = lists->bins[0],
                                 .cursors = lists->cursors,
                                 .relayed = lists->bins[1],
                                 .keys = lists->keys,
                                 .no_rows = prng_below(&bench->prng, 2) == 0};
    request.batch_count = fill_bins(bench, lists->bins[0]);
    request.relayed_count = fill_bins(bench, lists->bins[1]);
    request.key_count = fill_keys(bench, lists->keys);
    request.cursor_count = random_count(bench);
    for (size_t i = 0; i < request.cursor_count; i++) {
        lists->cursors[i] = random_cursor(bench);
    }
    request.lane_count = prng_below(&bench->prng, DS_LANES_MAX + 1);
    for (size_t i = 0; i < request.lane_count; i++) {
        request.lanes[i] = random_lane(bench, false);
    }
    request.budget = prng_below(&bench->prng, 2) == 0 ? DS_BUDGET_DEFAULT : 1 + random_count(bench);
    if (prng_below(&bench->prng, 2) == 0) {
        request.witness_epoch = 1 + random_count(bench);
        request.witness_size = 1 + random_count(bench);
        request.witness_root = random_hash(bench);
    }
    if (prng_below(&bench->prng, 4) > 0) {
        request.health = (struct ds_health){
            .unsent = random_uint(bench),
            .oldest_unsent_ms = prng_between(&bench->prng, -DS_INSTANT_MS_MAX, DS_INSTANT_MS_MAX),
            .boot = random_uint(bench) & UINT32_MAX,
            .mono_ms = random_uint(bench) % (DS_MONO_MS_MAX + 1),
            .wall_ms = prng_between(&bench->prng, -DS_INSTANT_MS_MAX, DS_INSTANT_MS_MAX),
            .battery_percent = prng_below(&bench->prng, 101),
            .free_kib = random_uint(bench),
            .version = DS_SLICE_LIT("0.1.0 测试"),
        };
    }
    if (prng_below(&bench->prng, 4) == 0) {
        request.health.doubt = (struct ds_doubt){.kind = 1 + random_count(bench),
                                                 .count = 1 + random_count(bench),
                                                 .open = prng_below(&bench->prng, 2) == 0,
                                                 .epoch = random_uint(bench),
                                                 .size = random_uint(bench),
                                                 .root = random_hash(bench),
                                                 .shown_epoch = random_uint(bench),
                                                 .shown_size = random_uint(bench),
                                                 .shown_root = random_hash(bench)};
    }
    request.prove_count = prng_below(&bench->prng, DS_PROOFS_MAX + 1);
    for (size_t i = 0; i < request.prove_count; i++) {
        request.prove[i] = (i == 0 ? 0 : request.prove[i - 1]) + 1 + random_count(bench);
    }
    return request;
}

/* Structs differ in padding and pointers; what was written of both does not. */
static void request__random_ones_come_back_as_they_were_written(void **state)
{
    (void)state;
    struct bench bench = bench_open(4);
    uint8_t *again = malloc(WIRE_SIZE);
    assert_non_null(again);
    for (int i = 0; i < 500; i++) {
        static struct lists lists;
        struct ds_request back;
        struct ds_detail detail = {{0}};
        struct ds_builder builder;
        begin(&bench);
        struct ds_request request = random_request(&bench, &lists);
        ds_request_put(&bench.builder, &request);
        if (ds_request_parse(built(&bench.builder), &bench.arena, &back, &detail) != DS_OK) {
            fail_msg("request %d: %s", i, detail.text);
        }
        assert_int_equal(ds_mp_scan(built(&bench.builder), NULL), DS_OK);
        ds_builder_init(&builder, again, WIRE_SIZE);
        ds_request_put(&builder, &back);
        assert_true(ds_slice_equal(built(&builder), built(&bench.builder)));
    }
    free(again);
    bench_close(&bench);
}

static void request__every_field_is_where_it_belongs(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct bench bench = bench_open(5);
    struct ds_request request;
    assert_int_equal(ds_request_parse(samples->request, &bench.arena, &request, NULL), DS_OK);
    assert_int_equal(request.version, 1);
    assert_int_equal(request.epoch, 1);
    assert_int_equal(request.batch_count, 1);
    assert_true(ds_slice_equal(request.batches[0], samples->batch));
    assert_int_equal(request.cursor_count, 1);
    assert_int_equal(ds_scope_compare(&request.cursors[0].scope, &samples->book), 0);
    assert_int_equal(request.cursors[0].position, 41);
    assert_int_equal(request.cursors[0].ordinal, 3);
    assert_int_equal(request.cursors[0].phase, 0);
    assert_int_equal(request.lane_count, 1);
    assert_int_equal(request.lanes[0].lane, DS_LANE_WORK);
    assert_int_equal(request.lanes[0].seq, 2);
    assert_true(ds_hash_equal(&request.lanes[0].chain, &samples->chain));
    assert_int_equal(request.health.unsent, 2);
    assert_int_equal(request.health.oldest_unsent_ms, SAMPLES_INSTANT_MS);
    assert_int_equal(request.health.boot, 0x5EED0001);
    assert_int_equal(request.health.mono_ms, 4200000);
    assert_int_equal(request.health.wall_ms, SAMPLES_INSTANT_MS + 600000);
    assert_int_equal(request.health.battery_percent, 83);
    assert_int_equal(request.health.free_kib, 1048576);
    assert_true(ds_slice_equal(request.health.version, DS_SLICE_LIT("0.1.0")));
    assert_int_equal(request.budget, 65536);
    assert_int_equal(request.relayed_count, 1);
    assert_true(ds_slice_equal(request.relayed[0], samples->sealed_batch));
    assert_int_equal(request.witness_epoch, 1);
    assert_int_equal(request.witness_size, 1);
    assert_int_equal(request.key_count, 1);
    assert_true(ds_id_equal(&request.keys[0].key_id, &samples->account));
    assert_true(ds_slice_equal(request.keys[0].wrapped, samples->wrapped));
    assert_true(request.no_rows);
    assert_int_equal(request.prove_count, 1);
    assert_int_equal(request.prove[0], 1);
    const struct ds_doubt *doubt = &request.health.doubt;
    assert_int_equal(doubt->kind, DS_DOUBT_ROLLED_BACK);
    assert_int_equal(doubt->count, 2);
    assert_false(doubt->open);
    assert_int_equal(doubt->epoch, 1);
    assert_int_equal(doubt->size, 2);
    assert_true(ds_hash_equal(&doubt->root, &samples->root));
    assert_int_equal(doubt->shown_epoch, 1);
    assert_int_equal(doubt->shown_size, 1);
    assert_true(ds_hash_is_none(&doubt->shown_root));
    bench_close(&bench);
    free(samples);
}

static void request__absent_keys_mean_none_or_the_default(void **state)
{
    (void)state;
    struct bench bench = bench_open(6);
    static const uint8_t least[] = {0x81, 0x01, 0x01};
    struct ds_request request;
    assert_int_equal(ds_request_parse(DS_SLICE_OF(least), &bench.arena, &request, NULL), DS_OK);
    assert_int_equal(request.budget, DS_BUDGET_DEFAULT);
    assert_int_equal(request.batch_count + request.cursor_count + request.lane_count, 0);
    assert_int_equal(request.witness_size, 0);
    assert_false(request.no_rows);
    ds_request_put(&bench.builder, &request);
    assert_true(ds_slice_equal(built(&bench.builder), DS_SLICE_OF(least)));
    request.budget = 0; /* Stands for the default as well. */
    begin(&bench);
    ds_request_put(&bench.builder, &request);
    assert_true(ds_slice_equal(built(&bench.builder), DS_SLICE_OF(least)));
    bench_close(&bench);
}

static void request__one_of_a_later_version_is_parsed_and_then_named(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct bench bench = bench_open(7);
    struct ds_request request = {.version = 2, .batches = &samples->batch, .batch_count = 1};
    struct ds_request back;
    struct ds_detail detail = {{0}};
    ds_request_put(&bench.builder, &request);
    assert_int_equal(ds_request_parse(built(&bench.builder), &bench.arena, &back, &detail),
                     DS_ERR_VERSION);
    must_begin("version 2", &detail, "request key 1: a later version");
    assert_int_equal(back.batch_count, 1);
    assert_true(ds_slice_equal(back.batches[0], samples->batch));
    bench_close(&bench);
    free(samples);
}

/* ---- Limits, on both sides. ---- */

struct limit {
    const char *name;
    unsigned key;
    size_t count; /* Taken; one more is not. */
    size_t size;  /* Of each bin, taken; 0: each item is what put_item() writes for the key. */
    const char *detail;
};

static void put_item(struct bench *bench, unsigned key, bool response)
{
    struct ds_builder *out = &bench->builder;
    struct ds_wrapped_key wrapped = {{{1}}, {bench->blob, DS_WRAPPED_KEY_SIZE}};
    struct ds_cursor_at cursor = {.scope = {1, {{2}}, 1}};
    struct ds_lane_state lane = {.lane = 1};
    struct ds_id id = {{0}};
    struct ds_hash none = {{0}};
    if (key == 10) {
        ds_mp_put_array(out, 2);
        ds_mp_put_id(out, &wrapped.key_id);
        ds_mp_put_bin(out, wrapped.wrapped);
    } else if (key == 4 || key == 9) {
        ds_mp_put_array(out, key == 4 ? 6 : 9);
        ds_mp_put_uint(out, cursor.scope.kind);
        ds_mp_put_id(out, &cursor.scope.key);
        for (int i = 0; i < 4; i++) {
            ds_mp_put_uint(out, 1);
        }
        if (key == 9) {
            ds_mp_put_bool(out, false);
            ds_mp_put_hash(out, &none);
            ds_mp_put_array(out, 0);
        }
    } else if (key == 6 || (key == 7 && response) || key == 5) {
        ds_mp_put_array(out, key == 5 ? 4 : 5);
        if (key == 6) {
            ds_mp_put_uint(out, 0);
            ds_mp_put_uint(out, 1);
        }
        ds_mp_put_bin(out, (struct ds_slice){bench->blob, 8});
        ds_mp_put_uint(out, lane.lane);
        ds_mp_put_uint(out, 0);
        if (key != 6) {
            ds_mp_put_hash(out, &lane.chain);
        }
        if (key == 7) {
            ds_mp_put_uint(out, 0);
        }
    } else if (key == 8) {
        static uint8_t number;
        id.byte[0] = ++number; /* Scopes ascend. */
        ds_mp_put_array(out, 3);
        ds_mp_put_uint(out, 1);
        ds_mp_put_id(out, &id);
        ds_mp_put_uint(out, 0);
    } else if (key == 12) {
        static uint8_t size;
        ds_mp_put_uint(out, ++size); /* Sizes ascend. */
    } else if (key == 19) {
        ds_mp_put_array(out, DS_PROOF_HASHES_MAX);
        for (size_t i = 0; i < DS_PROOF_HASHES_MAX; i++) {
            ds_mp_put_hash(out, &none);
        }
    } else {
        ds_mp_put_uint(out, 1);
    }
}

/* {version, [2: 0, 3: 1 of a response,] key: [count items]} */
static void put_list(struct bench *bench, bool response, const struct limit *limit, size_t count,
                     size_t size)
{
    struct ds_builder *out = &bench->builder;
    begin(bench);
    ds_mp_put_map(out, response ? 4 : 2);
    ds_mp_put_uint(out, 1);
    ds_mp_put_uint(out, 1);
    if (response) {
        ds_mp_put_uint(out, 2);
        ds_mp_put_uint(out, 0);
        ds_mp_put_uint(out, 3);
        ds_mp_put_uint(out, 1);
    }
    ds_mp_put_uint(out, limit->key);
    ds_mp_put_array(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        if (limit->size > 0) {
            ds_mp_put_bin(out, (struct ds_slice){bench->blob, size});
        } else {
            put_item(bench, limit->key, response);
        }
    }
}

static void check_limits(bool response, const struct limit *table, size_t rows)
{
    struct bench bench = bench_open(8);
    for (size_t i = 0; i < rows; i++) {
        const struct limit *limit = &table[i];
        struct ds_detail detail = {{0}};
        put_list(&bench, response, limit, limit->count, limit->size > 0 ? 1 : 0);
        if (parse_any(&bench, response, &detail) != DS_OK) {
            fail_msg("%s: %s", limit->name, detail.text);
        }
        put_list(&bench, response, limit, limit->count + 1, limit->size > 0 ? 1 : 0);
        assert_int_equal(parse_any(&bench, response, &detail), DS_ERR_LIMIT);
        must_begin(limit->name, &detail, limit->detail);
        if (limit->size == 0) {
            continue;
        }
        put_list(&bench, response, limit, 2, limit->size);
        assert_int_equal(parse_any(&bench, response, &detail), DS_OK);
        put_list(&bench, response, limit, 2, limit->size + 1);
        assert_int_equal(parse_any(&bench, response, &detail), DS_ERR_LIMIT);
        put_list(&bench, response, limit, 2, 0);
        assert_int_equal(parse_any(&bench, response, &detail), DS_ERR_DECODE);
    }
    bench_close(&bench);
}

static void request__lists_hold_as_many_as_their_limits_and_no_more(void **state)
{
    (void)state;
    static const struct limit table[] = {
        {"batches", 3, DS_REQUEST_BATCHES_MAX, DS_BATCH_SIZE_MAX, "request key 3: more than 256"},
        {"cursors", 4, DS_SCOPES_MAX, 0, "request key 4: more than 64 items"},
        {"lanes", 5, DS_LANES_MAX, 0, "request key 5: more than 8 items"},
        {"relayed", 8, DS_REQUEST_BATCHES_MAX, DS_SEALED_BATCH_SIZE_MAX,
         "request key 8: more than 256 items"},
        {"keys", 10, DS_KEYS_MAX, 0, "request key 10: more than 4096 items"},
        {"prove", 12, DS_PROOFS_MAX, 0, "request key 12: more than 8 items"},
    };
    check_limits(false, table, DS_COUNT(table));
}

static void response__lists_hold_as_many_as_their_limits_and_no_more(void **state)
{
    (void)state;
    static const struct limit table[] = {
        {"taken", 6, DS_REQUEST_BATCHES_MAX, 0, "response key 6: more than 256 items"},
        {"lanes", 7, DS_LANES_MAX, 0, "response key 7: more than 8 items"},
        {"scopes", 8, DS_SCOPES_MAX, 0, "response key 8: more than 64 items"},
        {"pages", 9, DS_PAGES_MAX, 0, "response key 9: more than 256 items"},
        {"keys", 10, DS_KEYS_MAX, 0, "response key 10: more than 4096 items"},
        {"commands", 15, DS_COMMANDS_MAX, 0, "response key 15: more than 8 items"},
        {"own batches", 16, DS_REQUEST_BATCHES_MAX, DS_BATCH_SIZE_MAX,
         "response key 16: more than 256 items"},
        {"proofs", 19, DS_PROOFS_MAX, 0, "response key 19: more than 8 items"},
    };
    check_limits(true, table, DS_COUNT(table));
}

static void request__sizes_to_prove_ascend(void **state)
{
    (void)state;
    struct bench bench = bench_open(33);
    for (uint64_t second = 4; second <= 6; second++) {
        struct ds_request request = {.version = 1, .prove = {5, second}, .prove_count = 2};
        struct ds_request back;
        struct ds_detail detail = {{0}};
        begin(&bench);
        ds_request_put(&bench.builder, &request);
        enum ds_err err = ds_request_parse(built(&bench.builder), &bench.arena, &back, &detail);
        assert_int_equal(err, second == 6 ? DS_OK : DS_ERR_DECODE);
        if (err != DS_OK) {
            must_begin("prove", &detail, "request key 12 item 2: the sizes do not ascend");
        }
    }
    bench_close(&bench);
}

static void response__a_proof_holds_64_hashes_and_no_more(void **state)
{
    (void)state;
    struct bench bench = bench_open(34);
    for (uint32_t more = 0; more <= 1; more++) {
        struct ds_hash none = {{0}};
        struct ds_response back;
        struct ds_detail detail = {{0}};
        begin(&bench);
        ds_mp_put_map(&bench.builder, 4);
        for (uint64_t key = 1; key <= 3; key++) {
            ds_mp_put_uint(&bench.builder, key);
            ds_mp_put_uint(&bench.builder, 1);
        }
        ds_mp_put_uint(&bench.builder, 19);
        ds_mp_put_array(&bench.builder, 1);
        ds_mp_put_array(&bench.builder, DS_PROOF_HASHES_MAX + more);
        for (uint32_t i = 0; i < DS_PROOF_HASHES_MAX + more; i++) {
            ds_mp_put_hash(&bench.builder, &none);
        }
        enum ds_err err = ds_response_parse(built(&bench.builder), &bench.arena, &back, &detail);
        assert_int_equal(err, more == 0 ? DS_OK : DS_ERR_LIMIT);
    }
    bench_close(&bench);
}

static void message__a_payload_above_four_mebibytes_is_refused_unread(void **state)
{
    (void)state;
    struct bench bench = bench_open(9);
    struct ds_request request;
    struct ds_response response;
    struct ds_detail detail = {{0}};
    struct ds_slice bytes = {bench.blob, DS_PLAIN_SIZE_MAX + 1};
    assert_int_equal(ds_request_parse(bytes, &bench.arena, &request, &detail), DS_ERR_LIMIT);
    must_begin("request", &detail, "request: more than 4194304 bytes");
    assert_int_equal(ds_response_parse(bytes, &bench.arena, &response, &detail), DS_ERR_LIMIT);
    must_begin("response", &detail, "response: more than 4194304 bytes");
    bench_close(&bench);
}

static void message__a_full_arena_is_said_and_nothing_is_overrun(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    for (size_t room = 0; room < 4608; room += 16) {
        void *memory = malloc(room + 1);
        struct ds_arena arena;
        struct ds_request request;
        struct ds_response response;
        struct ds_detail detail = {{0}};
        assert_non_null(memory);
        ds_arena_init(&arena, memory, room);
        enum ds_err err = ds_request_parse(samples->request, &arena, &request, &detail);
        assert_true(err == DS_OK || err == DS_ERR_LIMIT);
        assert_true(room > 0 || err == DS_ERR_LIMIT);
        ds_arena_init(&arena, memory, room);
        err = ds_response_parse(samples->response, &arena, &response, &detail);
        assert_true(err == DS_OK || err == DS_ERR_LIMIT);
        assert_true(room < 4500 || err == DS_OK);
        free(memory);
    }
    free(samples);
}

static void message__nothing_at_all_is_refused_by_every_parser(void **state)
{
    (void)state;
    struct bench bench = bench_open(32);
    struct ds_slice nothing = {NULL, 0};
    static struct ds_request request;
    static struct ds_response response;
    struct ds_receipt receipt;
    struct ds_enrol_request enrol_request;
    struct ds_enrol_answer enrol_answer;
    struct ds_batch batch;
    struct ds_entry entry;
    struct ds_op op;
    struct ds_cursor cursor;
    assert_int_equal(ds_request_parse(nothing, &bench.arena, &request, NULL), DS_ERR_DECODE);
    assert_int_equal(ds_response_parse(nothing, &bench.arena, &response, NULL), DS_ERR_DECODE);
    assert_int_equal(ds_receipt_parse(nothing, &receipt), DS_ERR_DECODE);
    assert_int_equal(ds_enrol_request_parse(nothing, &enrol_request), DS_ERR_DECODE);
    assert_int_equal(ds_enrol_answer_parse(nothing, &enrol_answer), DS_ERR_DECODE);
    assert_int_equal(ds_batch_parse(nothing, &batch, NULL), DS_ERR_DECODE);
    assert_int_equal(ds_batch_parse_trusted(nothing, &batch), DS_ERR_DECODE);
    assert_int_equal(ds_entry_parse(nothing, &entry, NULL), DS_ERR_DECODE);
    ds_cursor_init(&cursor, nothing);
    assert_int_equal(ds_op_take(&cursor, &op, NULL), DS_ERR_DECODE);
    bench_close(&bench);
}

/* ---- Damage. ---- */

/* A flipped bit may hit an unknown key or a number: then the message is another one, never a
 * crash. Whoever opens envelopes never sees it. */
static void message__every_truncation_and_flipped_bit_is_refused_or_harmless(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct bench bench = bench_open(10);
    const struct ds_slice whole[] = {samples->request, samples->response};
    for (size_t which = 0; which < DS_COUNT(whole); which++) {
        for (size_t size = 0; size < whole[which].size; size++) {
            uint8_t *exact = malloc(size + 1);
            assert_non_null(exact);
            memcpy(exact, whole[which].data, size);
            bench.builder =
                (struct ds_builder){.data = exact, .size = size, .used = size, .failed = false};
            struct ds_detail detail = {{0}};
            ds_arena_reset(&bench.arena);
            assert_int_equal(parse_any(&bench, which == 1, &detail), DS_ERR_DECODE);
            assert_true(detail.text[0] != 0);
            free(exact);
        }
        uint8_t *copy = malloc(whole[which].size + 1);
        assert_non_null(copy);
        memcpy(copy, whole[which].data, whole[which].size);
        size_t refused = 0;
        for (size_t bit = 0; bit < 8 * whole[which].size; bit++) {
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            bench.builder = (struct ds_builder){
                .data = copy, .size = whole[which].size, .used = whole[which].size};
            ds_arena_reset(&bench.arena);
            refused += parse_any(&bench, which == 1, NULL) != DS_OK;
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_true(refused > 300);
        free(copy);
    }
    bench_close(&bench);
    free(samples);
}

static void message__unknown_keys_are_skipped_if_they_are_canonical(void **state)
{
    (void)state;
    static const struct {
        uint8_t value[12];
        size_t size;
        enum ds_err err;
    } table[] = {
        {{0xC3}, 1, DS_OK},
        {{0x81, 0x05, 0xA1, 'x'}, 4, DS_OK},
        {{0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x90}, 8, DS_OK},
        {{0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x90}, 9, DS_ERR_DECODE},
        {{0xCC, 0x05}, 2, DS_ERR_DECODE},
        {{0xC1}, 1, DS_ERR_DECODE},
        {{0x82, 0x02, 0x01, 0x01, 0x01}, 5, DS_ERR_DECODE},
        {{0xC3, 0xC3}, 2, DS_ERR_DECODE},
        {{0}, 0, DS_ERR_DECODE},
    };
    struct bench bench = bench_open(11);
    for (size_t i = 0; i < 2 * DS_COUNT(table); i++) {
        bool response = i % 2 == 1;
        struct ds_builder *out = &bench.builder;
        begin(&bench);
        ds_mp_put_map(out, response ? 4 : 2);
        for (unsigned key = 1; key <= (response ? 3U : 1U); key++) {
            ds_mp_put_uint(out, key);
            ds_mp_put_uint(out, 1);
        }
        ds_mp_put_uint(out, 18 + i * 100);
        ds_put_bytes(out, (struct ds_slice){table[i / 2].value, table[i / 2].size});
        struct ds_detail detail = {{0}};
        enum ds_err err = parse_any(&bench, response, &detail);
        if (err != table[i / 2].err) {
            fail_msg("value %zu: %s, %s", i / 2, ds_err_name(err), detail.text);
        }
    }
    bench_close(&bench);
}

struct bad { /* Hex of a whole message. */
    const char *bytes;
    const char *detail;
};

static void must_refuse(bool response, const struct bad *table, size_t rows)
{
    struct bench bench = bench_open(12);
    for (size_t i = 0; i < rows; i++) {
        struct ds_detail detail = {{0}};
        begin(&bench);
        for (const char *at = table[i].bytes; *at != 0; at += 2) {
            static const char digits[] = "0123456789abcdef";
            size_t high = (size_t)(strchr(digits, at[0]) - digits);
            size_t low = (size_t)(strchr(digits, at[1]) - digits);
            ds_put_u8(&bench.builder, (uint8_t)(high << 4 | low));
        }
        assert_int_equal(parse_any(&bench, response, &detail), DS_ERR_DECODE);
        must_begin(table[i].bytes, &detail, table[i].detail);
    }
    bench_close(&bench);
}

static void request__what_is_wrong_is_said_with_its_place(void **state)
{
    (void)state;
    static const struct bad table[] = {
        {"", "request: not a map"},
        {"c0", "request: not a map"},
        {"80", "request key 1: missing"},
        {"810100", "request key 1: must be 1.."},
        {"8101a131", "request key 1: not an unsigned integer"},
        {"81010100", "request key 1: bytes behind its last value"},
        {"8201010100", "request key 1: the next key does not ascend"},
        {"820101c001", "request key 1: the next key is not an unsigned integer"},
        {"820101"
         "03c0",
         "request key 3: not an array"},
        {"820101"
         "0391a0",
         "request key 3 item 1: not a bin"},
        {"820101"
         "0392c40101c400",
         "request key 3 item 2: empty"},
        {"820101"
         "0491950101010101",
         "request key 4 item 1: not an array of 6"},
        {"820101"
         "049196000000000000",
         "request key 4 item 1: must be 1..255"},
        {"820101"
         "059194c40700000000000000",
         "request key 5 item 1: not a bin of 8"},
        {"820101"
         "06c0",
         "request health: not a map"},
        {"820101"
         "0681066b",
         "request health key 6: must"},
        {"820101"
         "068108a0",
         "request health key 8: empty"},
        {"820101"
         "068108a1ff",
         "request health key 8: not a str"},
        {"820101"
         "0700",
         "request key 7: must be 1.."},
        {"820101"
         "09930101c0",
         "request key 9: not a bin of 32 bytes"},
        {"820101"
         "09930100c0",
         "request key 9: must be 1.."},
        {"820101"
         "0b02",
         "request key 11: must be 0..1"},
    };
    must_refuse(false, table, DS_COUNT(table));
}

static void response__what_is_wrong_is_said_with_its_place(void **state)
{
    (void)state;
    static const struct bad table[] = {
        {"810101", "response key 2: missing"},
        {"8201010200", "response key 3: missing"},
        {"83010102000300", "response key 3: must be 1.."},
        {"84010102000301"
         "0691950000c4080000000000000000"
         "0300",
         "response key 6 item 1: must be 0..2"},
        {"84010102000301"
         "08929301c41000000000000000000000000000000000019301c410000000000000000000"
         "0000000000000001",
         "response key 8 item 2: the scopes do not ascend"},
        {"84010102000301"
         "0991c0",
         "response page: not an array"},
        {"84010102000301"
         "0bc40100",
         "response key 12: missing"},
        {"84010102000301"
         "0cc40100",
         "response key 12: not a bin of 64 bytes"},
        {"84010102000301"
         "0d01",
         "response key 13: not a boolean"},
        {"84010102000301"
         "0f9100",
         "response key 15 item 1: must be 1.."},
        {"84010102000301"
         "11c400",
         "response key 17: empty"},
    };
    must_refuse(true, table, DS_COUNT(table));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request__random_ones_come_back_as_they_were_written),
        cmocka_unit_test(request__every_field_is_where_it_belongs),
        cmocka_unit_test(request__absent_keys_mean_none_or_the_default),
        cmocka_unit_test(request__one_of_a_later_version_is_parsed_and_then_named),
        cmocka_unit_test(request__lists_hold_as_many_as_their_limits_and_no_more),
        cmocka_unit_test(response__lists_hold_as_many_as_their_limits_and_no_more),
        cmocka_unit_test(request__sizes_to_prove_ascend),
        cmocka_unit_test(response__a_proof_holds_64_hashes_and_no_more),
        cmocka_unit_test(message__a_payload_above_four_mebibytes_is_refused_unread),
        cmocka_unit_test(message__a_full_arena_is_said_and_nothing_is_overrun),
        cmocka_unit_test(message__nothing_at_all_is_refused_by_every_parser),
        cmocka_unit_test(message__every_truncation_and_flipped_bit_is_refused_or_harmless),
        cmocka_unit_test(message__unknown_keys_are_skipped_if_they_are_canonical),
        cmocka_unit_test(request__what_is_wrong_is_said_with_its_place),
        cmocka_unit_test(response__what_is_wrong_is_said_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

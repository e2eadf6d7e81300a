/* Enrolment texts and maps, and bundle files. */
#include "schema/base/text.h"
#include "tests/support/exchange_bench.h"

enum { TEXT_SIZE = 1024 };

static struct ds_enrol_code random_code(struct bench *bench, size_t pins, size_t url_size)
{
    static uint8_t url[DS_URL_SIZE_MAX + 1];
    struct ds_enrol_code code = {.station = random_id(bench),
                                 .server_sign = random_hash(bench),
                                 .server_box = random_hash(bench),
                                 .code = random_id(bench),
                                 .pin_count = pins,
                                 .url = {url, url_size}};
    for (size_t i = 0; i < url_size; i++) {
        url[i] = (uint8_t)('!' + prng_below(&bench->prng, '~' - '!' + 1));
    }
    for (size_t i = 0; i < pins; i++) {
        code.pins[i] = random_hash(bench);
    }
    return code;
}

static void code__random_ones_come_back_as_they_were_written(void **state)
{
    (void)state;
    struct bench bench = bench_open(18);
    for (size_t i = 0; i < 300; i++) {
        char text[TEXT_SIZE];
        char again[TEXT_SIZE];
        uint8_t memory[TEXT_SIZE];
        struct ds_builder builder;
        struct ds_builder scratch;
        struct ds_builder second;
        struct ds_enrol_code back;
        struct ds_detail detail = {{0}};
        struct ds_enrol_code code =
            random_code(&bench, i % (DS_PINS_MAX + 1), i % 2 == 0 ? DS_URL_SIZE_MAX : 1 + i % 100);
        ds_builder_init(&builder, text, sizeof(text));
        ds_builder_init(&scratch, memory, sizeof(memory));
        ds_put_u8(&scratch, 0xEE); /* What stands there stays. */
        ds_enrol_code_put(&builder, &code);
        if (ds_enrol_code_parse(built(&builder), &scratch, &back, &detail) != DS_OK) {
            fail_msg("code %zu: %s", i, detail.text);
        }
        ds_builder_init(&second, again, sizeof(again));
        ds_enrol_code_put(&second, &back);
        assert_true(ds_slice_equal(built(&builder), built(&second)));
        assert_int_equal(memory[0], 0xEE);
        assert_int_equal(back.pin_count, code.pin_count);
        assert_true(ds_slice_equal(back.url, code.url));
        assert_true(ds_id_equal(&back.code, &code.code));
    }
    bench_close(&bench);
}

static void code__a_url_too_long_fails_the_builder(void **state)
{
    (void)state;
    struct bench bench = bench_open(19);
    char text[TEXT_SIZE];
    struct ds_builder builder;
    struct ds_enrol_code code = random_code(&bench, 1, DS_URL_SIZE_MAX + 1);
    ds_builder_init(&builder, text, sizeof(text));
    ds_enrol_code_put(&builder, &code);
    assert_true(builder.failed);
    bench_close(&bench);
}

/* The sample's map, one byte changed, as a text. */
static enum ds_err parse_changed(struct ds_slice map, size_t at, uint8_t byte,
                                 struct ds_detail *detail)
{
    uint8_t copy[TEXT_SIZE];
    uint8_t memory[TEXT_SIZE];
    char text[TEXT_SIZE];
    struct ds_builder builder;
    struct ds_builder scratch;
    struct ds_enrol_code code;
    assert_true(map.size <= sizeof(copy));
    memcpy(copy, map.data, map.size);
    copy[at] = byte;
    ds_builder_init(&builder, text, sizeof(text));
    ds_builder_init(&scratch, memory, sizeof(memory));
    ds_put_text(&builder, "DS1:");
    ds_put_base64url(&builder, (struct ds_slice){copy, map.size});
    return ds_enrol_code_parse(built(&builder), &scratch, &code, detail);
}

static void code__what_is_wrong_is_said(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    uint8_t memory[TEXT_SIZE];
    struct ds_builder scratch;
    struct ds_enrol_code code;
    struct ds_detail detail = {{0}};
    static const struct {
        const char *text;
        const char *detail;
    } table[] = {
        {"", "enrolment code: does not begin with DS1:"},
        {"ds1:hgHE", "enrolment code: does not begin with DS1:"},
        {"DS2:hgHE", "enrolment code: does not begin with DS1:"},
        {"DS1:", "enrolment code: "},
        {"DS1:hgHE EE", "enrolment code: not base64url"},
        {"DS1:gQEB", "enrolment code key 1: not a bin of 16"},
        {"DS1:gA", "enrolment code key 1: missing"},
    };
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        ds_builder_init(&scratch, memory, sizeof(memory));
        assert_int_equal(
            ds_enrol_code_parse(ds_slice_of_text(table[i].text), &scratch, &code, &detail),
            DS_ERR_DECODE);
        must_begin(table[i].text, &detail, table[i].detail);
    }
    struct ds_slice cut = samples->enrol_code;
    for (cut.size = 0; cut.size < samples->enrol_code.size; cut.size++) {
        ds_builder_init(&scratch, memory, sizeof(memory));
        assert_int_equal(ds_enrol_code_parse(cut, &scratch, &code, &detail), DS_ERR_DECODE);
    }
    ds_builder_init(&scratch, memory, 64);
    assert_int_equal(ds_enrol_code_parse(samples->enrol_code, &scratch, &code, NULL), DS_ERR_LIMIT);

    ds_builder_init(&scratch, memory, sizeof(memory));
    assert_int_equal(ds_enrol_code_parse(samples->enrol_code, &scratch, &code, &detail), DS_OK);
    struct ds_slice map = built(&scratch);
    assert_int_equal(parse_changed(map, map.size - 1, 'x', &detail), DS_OK);
    assert_int_equal(parse_changed(map, map.size - 1, ' ', &detail), DS_ERR_DECODE);
    must_begin("space", &detail, "enrolment code key 6: a URL is printable");
    assert_int_equal(parse_changed(map, map.size - 1, 0x7F, &detail), DS_ERR_DECODE);
    assert_int_equal(parse_changed(map, 0, 0x85, &detail), DS_ERR_DECODE);
    free(samples);
}

static void code__five_pins_or_an_empty_list_are_refused(void **state)
{
    (void)state;
    struct bench bench = bench_open(20);
    for (uint32_t pins = 0; pins <= DS_PINS_MAX + 1; pins++) {
        struct ds_enrol_code code = random_code(&bench, 0, 10);
        struct ds_hash pin = random_hash(&bench);
        char text[TEXT_SIZE];
        struct ds_builder builder;
        struct ds_builder *map = &bench.builder;
        begin(&bench);
        ds_mp_put_map(map, 6);
        ds_mp_put_uint(map, 1);
        ds_mp_put_id(map, &code.station);
        ds_mp_put_uint(map, 2);
        ds_mp_put_hash(map, &code.server_sign);
        ds_mp_put_uint(map, 3);
        ds_mp_put_hash(map, &code.server_box);
        ds_mp_put_uint(map, 4);
        ds_mp_put_id(map, &code.code);
        ds_mp_put_uint(map, 5);
        ds_mp_put_array(map, pins);
        for (uint32_t i = 0; i < pins; i++) {
            ds_mp_put_hash(map, &pin);
        }
        ds_mp_put_uint(map, 6);
        ds_mp_put_str(map, code.url);
        ds_builder_init(&builder, text, sizeof(text));
        ds_put_text(&builder, "DS1:");
        ds_put_base64url(&builder, built(map));
        uint8_t memory[TEXT_SIZE];
        struct ds_builder scratch;
        ds_builder_init(&scratch, memory, sizeof(memory));
        enum ds_err err = ds_enrol_code_parse(built(&builder), &scratch, &code, NULL);
        enum ds_err wanted = pins == 0 ? DS_ERR_DECODE : pins > DS_PINS_MAX ? DS_ERR_LIMIT : DS_OK;
        assert_int_equal(err, wanted);
    }
    bench_close(&bench);
}

/* ---- The two signed maps. ---- */

static void enrol__both_maps_come_back_and_their_signatures_verify(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct bench bench = bench_open(21);
    struct ds_enrol_request request;
    struct ds_enrol_answer answer;
    struct ds_signature signature;
    assert_int_equal(ds_enrol_request_parse(samples->enrol_request, &request), DS_OK);
    memcpy(signature.byte, request.signature, sizeof(signature.byte));
    assert_true(ds_hash_equal(&request.sign_key, &samples->device_sign_public));
    assert_true(ds_hash_equal(&request.box_key, &samples->device_box_public));
    assert_true(ds_slice_equal(request.model, DS_SLICE_LIT("PDA-7 / 0.1.0")));
    request.signature = NULL;
    ds_enrol_request_put(&bench.builder, &request);
    assert_true(ds_verify(&request.sign_key, DS_LABEL_ENROL, built(&bench.builder), &signature));

    assert_int_equal(ds_enrol_answer_parse(samples->enrol_answer, &answer), DS_OK);
    memcpy(signature.byte, answer.signature, sizeof(signature.byte));
    assert_true(ds_id_equal(&answer.station, &samples->station));
    assert_true(ds_id_equal(&answer.device, &samples->device));
    assert_true(ds_id_equal(&answer.worker, &samples->worker));
    answer.signature = NULL;
    begin(&bench);
    ds_enrol_answer_put(&bench.builder, &answer);
    assert_true(
        ds_verify(&answer.server_sign, DS_LABEL_ENROLLED, built(&bench.builder), &signature));
    bench_close(&bench);
    free(samples);
}

static void enrol__without_a_signature_or_with_an_unknown_key_a_map_is_refused(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    uint8_t memory[TEXT_SIZE];
    const struct ds_slice whole[] = {samples->enrol_request, samples->enrol_answer};
    for (size_t i = 0; i < DS_COUNT(whole); i++) {
        struct ds_enrol_request request;
        struct ds_enrol_answer answer;
        struct ds_slice bytes = {memory, whole[i].size};
        memcpy(memory, whole[i].data, whole[i].size);
        for (bytes.size = 0; bytes.size < whole[i].size; bytes.size++) {
            assert_int_equal(i == 0 ? ds_enrol_request_parse(bytes, &request)
                                    : ds_enrol_answer_parse(bytes, &answer),
                             DS_ERR_DECODE);
        }
        memory[0] = 0x84; /* Without key 5, which has 67 bytes. */
        bytes.size = whole[i].size - 67;
        assert_int_equal(i == 0 ? ds_enrol_request_parse(bytes, &request)
                                : ds_enrol_answer_parse(bytes, &answer),
                         DS_ERR_DECODE);
        memory[0] = 0x86;
        memory[whole[i].size] = 6;
        memory[whole[i].size + 1] = 0;
        bytes.size = whole[i].size + 2;
        assert_int_equal(i == 0 ? ds_enrol_request_parse(bytes, &request)
                                : ds_enrol_answer_parse(bytes, &answer),
                         DS_ERR_VERSION);
    }
    free(samples);
}

static void enrol__a_model_has_at_most_120_bytes(void **state)
{
    (void)state;
    struct bench bench = bench_open(22);
    static const uint8_t signature[64];
    for (size_t size = 0; size <= DS_MODEL_SIZE_MAX + 1; size++) {
        struct ds_enrol_request request = {.model = {bench.blob + 1024, size},
                                           .signature = signature};
        struct ds_enrol_request back;
        begin(&bench);
        ds_enrol_request_put(&bench.builder, &request);
        enum ds_err wanted = size == 0                  ? DS_ERR_DECODE
                             : size > DS_MODEL_SIZE_MAX ? DS_ERR_LIMIT
                                                        : DS_OK;
        assert_int_equal(ds_enrol_request_parse(built(&bench.builder), &back), wanted);
    }
    bench_close(&bench);
}

/* ---- Bundles. ---- */

static void bundle__its_batches_come_back_in_order(void **state)
{
    (void)state;
    struct bench bench = bench_open(23);
    for (size_t count = 0; count <= LIST_MAX; count++) {
        static struct lists lists;
        struct ds_slice *back = NULL;
        size_t back_count = 0;
        begin(&bench);
        for (size_t i = 0; i < count; i++) {
            lists.bins[0][i] = random_bin(&bench);
        }
        ds_bundle_put(&bench.builder, lists.bins[0], count);
        assert_int_equal(
            ds_bundle_parse(built(&bench.builder), &bench.arena, &back, &back_count, NULL), DS_OK);
        assert_int_equal(back_count, count);
        for (size_t i = 0; i < count; i++) {
            assert_true(ds_slice_equal(back[i], lists.bins[0][i]));
        }
    }
    bench_close(&bench);
}

static void bundle__what_is_wrong_is_said(void **state)
{
    (void)state;
    struct bench bench = bench_open(24);
    static const struct {
        uint8_t bytes[12];
        size_t size;
        const char *detail;
    } table[] = {
        {{0}, 0, "bundle: does not begin with DSB1"},
        {{'D', 'S', 'B', '2', 0x90}, 5, "bundle: does not begin with DSB1"},
        {{'D', 'S', 'B', '1'}, 4, "bundle: not an array"},
        {{'D', 'S', 'B', '1', 0x80}, 5, "bundle: not an array"},
        {{'D', 'S', 'B', '1', 0x90, 0x90}, 6, "bundle: bytes behind its last value"},
        {{'D', 'S', 'B', '1', 0x91, 0xC4, 0x00}, 7, "bundle item 1: empty"},
        {{'D', 'S', 'B', '1', 0x91, 0x01}, 6, "bundle item 1: not a bin"},
    };
    struct ds_slice *sealed = NULL;
    size_t count = 0;
    struct ds_detail detail = {{0}};
    for (size_t i = 0; i < DS_COUNT(table); i++) {
        struct ds_slice bytes = {table[i].bytes, table[i].size};
        assert_int_equal(ds_bundle_parse(bytes, &bench.arena, &sealed, &count, &detail),
                         DS_ERR_DECODE);
        must_begin("bundle", &detail, table[i].detail);
    }
    for (size_t more = 0; more < 2; more++) {
        begin(&bench);
        ds_put_text(&bench.builder, "DSB1");
        ds_mp_put_array(&bench.builder, (uint32_t)(DS_BUNDLE_BATCHES_MAX + more));
        for (size_t i = 0; i < DS_BUNDLE_BATCHES_MAX + more; i++) {
            ds_mp_put_bin(&bench.builder, (struct ds_slice){bench.blob, 1});
        }
        assert_int_equal(
            ds_bundle_parse(built(&bench.builder), &bench.arena, &sealed, &count, &detail),
            more == 0 ? DS_OK : DS_ERR_LIMIT);
    }
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code__random_ones_come_back_as_they_were_written),
        cmocka_unit_test(code__a_url_too_long_fails_the_builder),
        cmocka_unit_test(code__what_is_wrong_is_said),
        cmocka_unit_test(code__five_pins_or_an_empty_list_are_refused),
        cmocka_unit_test(enrol__both_maps_come_back_and_their_signatures_verify),
        cmocka_unit_test(enrol__without_a_signature_or_with_an_unknown_key_a_map_is_refused),
        cmocka_unit_test(enrol__a_model_has_at_most_120_bytes),
        cmocka_unit_test(bundle__its_batches_come_back_in_order),
        cmocka_unit_test(bundle__what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

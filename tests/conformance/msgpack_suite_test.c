/* msgpack-test-suite: of all legal encodings of a value exactly the canonical one is taken, and
 * none of what has no canonical form here (floating point, extensions, text keys). */
#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "schema/codec/record_json_jansson.h"
#include "tests/support/file.h"
#include "tests/support/test.h"

#include <string.h>

/* "c4-02-00-ff" */
static size_t dashed_hex(const char *text, uint8_t *out, size_t room)
{
    size_t size = 0;
    while (*text != '\0') {
        assert_true(size < room);
        assert_int_equal(ds_hex_parse((struct ds_slice){(const uint8_t *)text, 2}, &out[size], 1),
                         DS_OK);
        size++;
        text += text[2] == '-' ? 3 : 2;
    }
    return size;
}

static bool put_json(struct ds_builder *out, const json_t *value)
{
    bool fine = true;
    if (json_is_integer(value)) {
        ds_mp_put_int(out, json_integer_value(value));
    } else if (json_is_string(value)) {
        ds_mp_put_str(out, ds_slice_of_text(json_string_value(value)));
    } else if (json_is_array(value)) {
        ds_mp_put_array(out, (uint32_t)json_array_size(value));
        for (size_t i = 0; i < json_array_size(value); i++) {
            fine = fine && put_json(out, json_array_get(value, i));
        }
    } else if (json_is_object(value) && json_object_size(value) == 0) {
        ds_mp_put_map(out, 0);
    } else {
        fine = false; /* Floating point, or a map with text keys. */
    }
    return fine;
}

/* The canonical bytes of a case's value; false if it has none. */
static bool canonical(const json_t *one, struct ds_builder *out)
{
    const char *binary = json_string_value(json_object_get(one, "binary"));
    const char *bignum = json_string_value(json_object_get(one, "bignum"));
    int64_t number = 0;
    if (binary != NULL) {
        uint8_t bytes[64];
        ds_mp_put_bin(out, (struct ds_slice){bytes, dashed_hex(binary, bytes, sizeof(bytes))});
        return true;
    }
    if (bignum != NULL) {
        struct ds_slice text = ds_slice_of_text(bignum);
        if (ds_int_parse(text, &number) == DS_OK) {
            ds_mp_put_int(out, number);
        } else {
            /* Above 2^63: its last digit apart. */
            assert_int_equal(ds_int_parse((struct ds_slice){text.data, text.size - 1}, &number),
                             DS_OK);
            ds_mp_put_uint(out, (uint64_t)number * 10 + (uint64_t)(bignum[text.size - 1] - '0'));
        }
        return true;
    }
    static const char *const kinds[] = {"number", "string", "array", "map"};
    for (size_t i = 0; i < DS_COUNT(kinds); i++) {
        const json_t *value = json_object_get(one, kinds[i]);
        if (value != NULL) {
            return put_json(out, value);
        }
    }
    return false;
}

static void check_case(const char *group, const json_t *one, unsigned *taken, unsigned *refused)
{
    uint8_t memory[256];
    struct ds_builder out;
    ds_builder_init(&out, memory, sizeof(memory));
    bool has_form = canonical(one, &out);
    unsigned matches = 0;
    const json_t *encodings = json_object_get(one, "msgpack");
    for (size_t i = 0; i < json_array_size(encodings); i++) {
        uint8_t bytes[256];
        const char *text = json_string_value(json_array_get(encodings, i));
        size_t size = dashed_hex(text, bytes, sizeof(bytes));
        bool expected = has_form && size == out.used && memcmp(bytes, memory, size) == 0;
        bool fine = ds_mp_scan((struct ds_slice){bytes, size}, NULL) == DS_OK;
        if (fine != expected) {
            fail_msg("%s: %s is %s", group, text, fine ? "taken" : "refused");
        }
        matches += expected;
        *taken += fine;
        *refused += !fine;
    }
    if (matches != (has_form ? 1 : 0)) {
        fail_msg("%s: the suite knows our form %u times", group, matches);
    }
}

static void suite__exactly_the_canonical_encoding_is_taken(void **state)
{
    (void)state;
    json_t *suite = NULL;
    const char *group = NULL;
    json_t *cases = NULL;
    unsigned taken = 0;
    unsigned refused = 0;
    struct ds_slice text = read_source("tests/conformance/data/msgpack/msgpack-test-suite.json");
    assert_int_equal(ds_json_parse(text, &suite, NULL), DS_OK);
    json_object_foreach(suite, group, cases)
    {
        for (size_t i = 0; i < json_array_size(cases); i++) {
            check_case(group, json_array_get(cases, i), &taken, &refused);
        }
    }
    assert_int_equal(taken, 32);
    assert_int_equal(refused, 128);
    json_decref(suite);
    free((void *)text.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suite__exactly_the_canonical_encoding_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "schema/base/base.h"
#include "tests/support/test.h"

#include <string.h>

static void err__every_error_has_a_row(void **state)
{
    (void)state;
    static const struct {
        enum ds_err err;
        const char *name;
    } all[] = {
#define ROW(err, http, retry, text) {err, #err},
        DS_ERR_TABLE(ROW)
#undef ROW
    };
    assert_int_equal(DS_OK, 0);
    for (size_t i = 0; i < DS_COUNT(all); i++) {
        assert_int_equal(all[i].err, i);
        assert_string_equal(ds_err_name(all[i].err), all[i].name);
        assert_true(strlen(ds_err_text(all[i].err)) > 1);
        int http = ds_err_http(all[i].err);
        assert_true(all[i].err == DS_OK ? http == 200 : http >= 400 && http <= 599);
        /* A status that tells people and proxies to come again, or 409 (a gap). */
        if (ds_err_retryable(all[i].err)) {
            assert_true(http == 502 || http == 503 || http == 507 || http == 423 || http == 409);
        }
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(ds_err_text(all[i].err), ds_err_text(all[j].err));
        }
    }
}

static void slice__compares_like_bytes(void **state)
{
    (void)state;
    struct ds_slice none = {NULL, 0};
    const struct {
        struct ds_slice a;
        struct ds_slice b;
        int order;
    } cases[] = {
        {none, none, 0},
        {none, DS_SLICE_LIT(""), 0},
        {none, DS_SLICE_LIT("a"), -1},
        {DS_SLICE_LIT("a"), DS_SLICE_LIT("a"), 0},
        {DS_SLICE_LIT("a"), DS_SLICE_LIT("ab"), -1},
        {DS_SLICE_LIT("b"), DS_SLICE_LIT("ab"), 1},
        {DS_SLICE_LIT("\xFF"), DS_SLICE_LIT("\x01"), 1},
        {DS_SLICE_LIT("a\0b"), DS_SLICE_LIT("a\0c"), -1},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        int order = ds_slice_compare(cases[i].a, cases[i].b);
        int reverse = ds_slice_compare(cases[i].b, cases[i].a);
        assert_int_equal((order > 0) - (order < 0), cases[i].order);
        assert_int_equal((reverse > 0) - (reverse < 0), -cases[i].order);
        assert_int_equal(ds_slice_equal(cases[i].a, cases[i].b), cases[i].order == 0);
    }
    assert_int_equal(ds_slice_of_text(NULL).size, 0);
    assert_int_equal(ds_slice_of_text("abc").size, 3);
}

static void id__none_is_all_zero_and_every_byte_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < 32; i++) {
        struct ds_hash hash = {{0}};
        struct ds_hash other = {{0}};
        assert_true(ds_hash_is_none(&hash));
        hash.byte[i] = 1;
        assert_false(ds_hash_is_none(&hash));
        assert_false(ds_hash_equal(&hash, &other));
        other.byte[i] = 1;
        assert_true(ds_hash_equal(&hash, &other));
    }
    for (size_t i = 0; i < 16; i++) {
        struct ds_id id = {{0}};
        struct ds_id other = {{0}};
        assert_true(ds_id_is_none(&id));
        id.byte[i] = 0x80;
        assert_false(ds_id_is_none(&id));
        assert_false(ds_id_equal(&id, &other));
        other.byte[i] = 0x80;
        assert_true(ds_id_equal(&id, &other));
    }
}

static void detail__joins_and_cuts(void **state)
{
    (void)state;
    struct ds_detail detail;
    char long_text[DS_DETAIL_SIZE + 10];
    ds_detail_set(NULL, "nobody listens", NULL);
    ds_detail_set(&detail, "a", "", "bc", NULL);
    assert_string_equal(detail.text, "abc");
    memset(long_text, 'x', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    ds_detail_set(&detail, "ab", long_text, "cd", NULL);
    assert_int_equal(strlen(detail.text), DS_DETAIL_SIZE - 1);
    assert_int_equal(detail.text[DS_DETAIL_SIZE - 2], 'x');
    long_text[DS_DETAIL_SIZE - 1] = '\0';
    ds_detail_set(&detail, long_text, NULL);
    assert_string_equal(detail.text, long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err__every_error_has_a_row),
        cmocka_unit_test(slice__compares_like_bytes),
        cmocka_unit_test(id__none_is_all_zero_and_every_byte_counts),
        cmocka_unit_test(detail__joins_and_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* B15 and its kin: a head that two parties could read in two ways is refused before its body. */
#include "server/http_head.h"
#include "tests/support/test.h"

#include <string.h>

#define BODY_MAX 1048576

static struct ds_http_verdict check(const char *method, const char *const *lines, size_t count)
{
    struct ds_http_header headers[80];
    struct ds_http_head head = {.method = method, .target = "/a", .headers = headers};

    for (size_t i = 0; i < count; i++) {
        headers[i] = (struct ds_http_header){lines[2 * i], lines[2 * i + 1]};
    }
    head.header_count = count;
    return ds_http_check(&head, BODY_MAX);
}

static void b15__what_could_be_read_in_two_ways_is_refused(void **state)
{
    static const struct {
        const char *method;
        const char *lines[6];
        int status;
        size_t size;
    } cases[] = {
        {"POST", {"Content-Length", "5"}, 0, 5},
        {"POST", {"content-LENGTH", "0"}, 0, 0},
        {"POST", {"Content-Length", "1048576"}, 0, 1048576},
        {"POST", {"Content-Length", "1048577"}, 413, 0},
        {"POST", {"Content-Length", "99999999999999999999999999"}, 413, 0},
        {"POST", {"Content-Length", "5x7"}, 400, 0},
        {"POST", {"Content-Length", "-5"}, 400, 0},
        {"POST", {"Content-Length", "+5"}, 400, 0},
        {"POST", {"Content-Length", "05"}, 400, 0},
        {"POST", {"Content-Length", "0x5"}, 400, 0},
        {"POST", {"Content-Length", "5, 5"}, 400, 0},
        {"POST", {"Content-Length", ""}, 400, 0},
        {"POST", {"Content-Length", "5", "Content-Length", "5"}, 400, 0},
        {"POST", {"Content-Length", "5", "content-length", "3"}, 400, 0},
        {"POST", {"Content-Length", "5", "Transfer-Encoding", "chunked"}, 400, 0},
        {"POST", {"Transfer-Encoding", "chunked", "Content-Length", "5"}, 400, 0},
        {"POST", {"Transfer-Encoding", "chunked"}, 411, 0},
        {"GET", {"Transfer-Encoding", "chunked"}, 411, 0},
        {"POST", {"Host", "x"}, 411, 0},
        {"PUT", {"Host", "x"}, 411, 0},
        {"GET", {"Host", "x"}, 0, 0},
        {"GET", {"Content-Length", "0"}, 0, 0},
        {"GET", {"Content-Length", "1"}, 400, 0},
        {"GET", {"Host", "x", "Host", "y"}, 400, 0},
    };

    (void)state;
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        size_t count = 0;

        while (count < 3 && cases[i].lines[2 * count] != NULL) {
            count++;
        }
        struct ds_http_verdict verdict = check(cases[i].method, cases[i].lines, count);

        assert_int_equal(verdict.status, cases[i].status);
        assert_int_equal(verdict.body_size, cases[i].size);
    }
}

static void head__63_headers_are_read_and_64_refused(void **state)
{
    const char *lines[160];

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        lines[2 * i] = "X";
        lines[2 * i + 1] = "1";
    }
    assert_int_equal(check("GET", lines, 63).status, 0);
    assert_int_equal(check("GET", lines, 64).status, 431);
}

static void head__targets_are_paths_of_bounded_length(void **state)
{
    static char query[DS_HTTP_QUERY_MAX + 2];
    static char target[3 * DS_HTTP_PATH_MAX + 2];
    struct ds_http_head head = {.method = "GET", .target = "*"};

    (void)state;
    assert_int_equal(ds_http_check(&head, BODY_MAX).status, 400);
    head.target = "http://elsewhere/a";
    assert_int_equal(ds_http_check(&head, BODY_MAX).status, 400);
    memset(target, 'a', sizeof(target) - 1);
    target[0] = '/';
    head.target = target;
    assert_int_equal(ds_http_check(&head, BODY_MAX).status, 414);
    target[3 * DS_HTTP_PATH_MAX] = '\0';
    assert_int_equal(ds_http_check(&head, BODY_MAX).status, 0);
    memset(query, 'a', sizeof(query) - 1);
    head.query = query;
    assert_int_equal(ds_http_check(&head, BODY_MAX).status, 414);
    query[DS_HTTP_QUERY_MAX] = '\0';
    assert_int_equal(ds_http_check(&head, BODY_MAX).status, 0);
}

static void decode__escapes_become_bytes_and_nothing_is_guessed(void **state)
{
    static const struct {
        const char *from;
        bool plus;
        enum ds_err err;
        const char *to;
    } cases[] = {
        {"/a%2Fb", false, DS_OK, "/a/b"},     {"/%E8%A1%A8", false, DS_OK, "/\xe8\xa1\xa8"},
        {"a+b", false, DS_OK, "a+b"},         {"a+b", true, DS_OK, "a b"},
        {"a%00b", false, DS_ERR_DECODE, 0},   {"a%0ab", false, DS_ERR_DECODE, 0},
        {"a%", false, DS_ERR_DECODE, 0},      {"a%2", false, DS_ERR_DECODE, 0},
        {"a%zz", false, DS_ERR_DECODE, 0},    {"%ff", false, DS_ERR_DECODE, 0},
        {"1234567", false, DS_OK, "1234567"}, {"12345678", false, DS_ERR_LIMIT, 0},
    };
    char out[8];

    (void)state;
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        enum ds_err err =
            ds_http_decode(ds_slice_of_text(cases[i].from), cases[i].plus, out, sizeof(out));

        assert_int_equal(err, cases[i].err);
        if (err == DS_OK) {
            assert_string_equal(out, cases[i].to);
        }
    }
}

static void parameter__is_found_whole_once_and_decoded(void **state)
{
    char out[32];
    bool given = false;

    (void)state;
    assert_int_equal(ds_http_parameter("a=1&limit=20&b", "limit", out, sizeof(out), &given), DS_OK);
    assert_true(given);
    assert_string_equal(out, "20");
    assert_int_equal(ds_http_parameter("xlimit=1&limits=2", "limit", out, sizeof(out), &given),
                     DS_OK);
    assert_false(given);
    assert_int_equal(ds_http_parameter("b&limit", "limit", out, sizeof(out), &given), DS_OK);
    assert_true(given);
    assert_string_equal(out, "");
    assert_int_equal(ds_http_parameter(NULL, "limit", out, sizeof(out), &given), DS_OK);
    assert_false(given);
    assert_int_equal(ds_http_parameter("limit=1&limit=2", "limit", out, sizeof(out), &given),
                     DS_ERR_DECODE);
}

static void forwarded__only_the_address_that_the_proxy_wrote_counts(void **state)
{
    struct ds_http_header headers[2] = {{"X-Forwarded-For", "6.6.6.6"},
                                        {"x-forwarded-for", "7.7.7.7, 10.1.2.3"}};
    struct ds_http_head head = {.headers = headers, .header_count = 2};
    char address[48];

    (void)state;
    assert_true(ds_http_forwarded(&head, address, sizeof(address)));
    assert_string_equal(address, "10.1.2.3");
    headers[1].value = "10.1.2.3 level=error";
    assert_false(ds_http_forwarded(&head, address, sizeof(address)));
    headers[1].value = "";
    assert_false(ds_http_forwarded(&head, address, sizeof(address)));
    head.header_count = 0;
    assert_false(ds_http_forwarded(&head, address, sizeof(address)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b15__what_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(head__63_headers_are_read_and_64_refused),
        cmocka_unit_test(head__targets_are_paths_of_bounded_length),
        cmocka_unit_test(decode__escapes_become_bytes_and_nothing_is_guessed),
        cmocka_unit_test(parameter__is_found_whole_once_and_decoded),
        cmocka_unit_test(forwarded__only_the_address_that_the_proxy_wrote_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

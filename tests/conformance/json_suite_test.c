/* JSONTestSuite: what must be refused is, and what must be accepted is, save four files whose
 * content this house forbids on purpose. */
#include "schema/codec/record_json_jansson.h"
#include "tests/support/file.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <string.h>

#define FOLDER "tests/conformance/data/json/test_parsing"

/* Legal JSON that is refused here: a member twice (which one counts?), and NUL in a text, which no
 * field may hold. */
static const char *const forbidden[] = {
    "y_object_duplicated_key.json",
    "y_object_duplicated_key_and_value.json",
    "y_object_escaped_null_in_key.json",
    "y_string_null_escape.json",
};

static bool is_forbidden(const char *name)
{
    for (size_t i = 0; i < DS_COUNT(forbidden); i++) {
        if (strcmp(name, forbidden[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void check_file(const char *name, unsigned seen[static 128])
{
    char path[512];
    json_t *json = NULL;
    (void)snprintf(path, sizeof(path), FOLDER "/%s", name);
    struct ds_slice text = read_source(path);
    struct ds_detail detail = {""};
    enum ds_err err = ds_json_parse(text, &json, &detail);
    bool accepted = err == DS_OK;
    assert_true(accepted == (json != NULL));
    assert_true(accepted || err == DS_ERR_DECODE || err == DS_ERR_LIMIT);
    assert_true(accepted || detail.text[0] != '\0');
    bool wanted = name[0] == 'y' && !is_forbidden(name);
    if (name[0] != 'i' && accepted != wanted) {
        fail_msg("%s: %s %s", name, accepted ? "accepted" : "refused", detail.text);
    }
    json_decref(json);
    free((void *)text.data);
    seen[name[0] & 127]++;
}

static void suite__every_file_is_judged_right(void **state)
{
    (void)state;
    char path[512];
    unsigned seen[128] = {0};
    DIR *dir = opendir(source_path(FOLDER, path));
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            check_file(entry->d_name, seen);
        }
    }
    (void)closedir(dir);
    assert_int_equal(seen['y'], 72);
    assert_int_equal(seen['n'], 128);
    assert_int_equal(seen['i'], 23);
}

/* The suite's two bombs: n_structure_100000_opening_arrays, n_structure_open_array_object. */
static void suite__nesting_bombs_are_refused_before_the_parser_sees_them(void **state)
{
    (void)state;
    static const char *const units[] = {"[", "[{\"\":"};
    for (size_t i = 0; i < DS_COUNT(units); i++) {
        size_t unit = strlen(units[i]);
        size_t size = 50000 * unit;
        char *text = malloc(size);
        assert_non_null(text);
        for (size_t at = 0; at < size; at++) {
            text[at] = units[i][at % unit];
        }
        json_t *json = NULL;
        assert_int_equal(ds_json_parse((struct ds_slice){(const uint8_t *)text, size}, &json, NULL),
                         DS_ERR_LIMIT);
        assert_null(json);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suite__every_file_is_judged_right),
        cmocka_unit_test(suite__nesting_bombs_are_refused_before_the_parser_sees_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

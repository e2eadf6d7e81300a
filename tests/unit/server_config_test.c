/* doorstep.ini: one table of keys; whatever is not exactly understood is refused by name. */
#include "server/config.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static enum ds_err parse(struct ds_config *config, const char *text, struct ds_detail *detail)
{
    ds_config_default(config);
    return ds_config_parse(config, ds_slice_of_text(text), detail);
}

static void config__without_a_file_every_key_has_its_default(void **state)
{
    struct ds_config config;

    (void)state;
    ds_config_default(&config);
    assert_string_equal(config.server_listen, "127.0.0.1:8420");
    assert_int_equal(config.server_workers, 48);
    assert_int_equal(config.server_event_streams_max, 8);
    assert_false(config.server_behind_proxy);
    assert_string_equal(config.billing_kind, "file");
}

static void config__sections_keys_comments_and_values_are_read(void **state)
{
    struct ds_config config;
    struct ds_detail detail = {""};

    (void)state;
    assert_int_equal(parse(&config,
                           "; a comment\n[server]\nworkers=12 ; inline\n behind_proxy = yes\n"
                           "[billing]\r\nkind = http\r\nurl = http://127.0.0.1:9/x?a=b\r\n",
                           &detail),
                     DS_OK);
    assert_int_equal(config.server_workers, 12);
    assert_string_equal(config.billing_kind, "http");
    assert_string_equal(config.billing_url, "http://127.0.0.1:9/x?a=b");
}

static void config__what_is_wrong_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text;
        enum ds_err err;
        const char *detail;
    } cases[] = {
        {"[server]\nworker = 3\n", DS_ERR_SCHEMA, "line 2: server.worker: there is no such"},
        {"[serve]\nworkers = 3\n", DS_ERR_SCHEMA, "line 2: serve.workers: there is no such"},
        {"workers = 5\n", DS_ERR_SCHEMA, "line 1: .workers: there is no such"},
        {"[server]\nworkers = 3\n", DS_ERR_SCHEMA,
         "line 2: server.workers: must be a number from 4 to 512"},
        {"[server]\nworkers = 513\n", DS_ERR_SCHEMA, "line 2: server.workers: must be a number"},
        {"[server]\nworkers = 12x\n", DS_ERR_SCHEMA, "line 2: server.workers: must be a number"},
        {"[server]\nworkers =\n", DS_ERR_SCHEMA, "line 2: server.workers: must be a number"},
        {"[server]\nworkers = 12\nworkers = 12\n", DS_ERR_SCHEMA,
         "line 3: server.workers: given twice"},
        {"[server]\nbehind_proxy = maybe\n", DS_ERR_SCHEMA,
         "line 2: server.behind_proxy: must be true or false"},
        {"[billing]\nkind = ftp\n", DS_ERR_SCHEMA,
         "line 2: billing.kind: must be one of: off file http"},
        {"[billing]\nkind = fil\n", DS_ERR_SCHEMA, "line 2: billing.kind: must be one of"},
        {"[server]\nnothing\n", DS_ERR_DECODE, "line 2: neither [section] nor key = value"},
        {"[server\nworkers = 12\n", DS_ERR_DECODE, "line 1: neither"},
        {"[server]\nlisten = a\n continued\n", DS_ERR_DECODE, "line 3: neither [section]"},
        {"[server]\nworkers = 8\n", DS_ERR_SCHEMA,
         "server.event_streams_max: must be less than server.workers"},
        {"[server]\nlisten = \xff\n", DS_ERR_DECODE, "not UTF-8"},
    };
    struct ds_config config;
    struct ds_detail detail;

    (void)state;
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        detail.text[0] = '\0';
        assert_int_equal(parse(&config, cases[i].text, &detail), cases[i].err);
        if (strncmp(detail.text, cases[i].detail, strlen(cases[i].detail)) != 0) {
            fail_msg("%s: %s", cases[i].text, detail.text);
        }
    }
}

static void config__a_line_may_have_190_bytes_and_not_191(void **state)
{
    char text[400];
    struct ds_config config;
    struct ds_detail detail = {""};

    (void)state;
    for (int size = 190; size <= 191; size++) {
        int used = snprintf(text, sizeof(text), "[server]\n;");

        memset(text + used, 'x', (size_t)size - 1);
        text[used + size - 1] = '\0';
        assert_int_equal(parse(&config, text, &detail), size == 190 ? DS_OK : DS_ERR_DECODE);
    }
    assert_string_equal(detail.text, "line 2: longer than 190 bytes");
}

static void config__a_text_may_have_140_bytes_and_not_141(void **state)
{
    char text[400];
    struct ds_config config;
    struct ds_detail detail = {""};

    (void)state;
    for (int size = 140; size <= 141; size++) {
        int used = snprintf(text, sizeof(text), "[gis]\nurl=");

        memset(text + used, 'x', (size_t)size);
        text[used + size] = '\0';
        assert_int_equal(parse(&config, text, &detail), size == 140 ? DS_OK : DS_ERR_SCHEMA);
    }
}

static void config__what_init_writes_reads_back_the_same(void **state)
{
    static uint8_t text[16384];
    struct ds_builder out;
    struct ds_slice made;
    struct ds_config config;
    struct ds_config back;
    struct ds_detail detail = {""};

    (void)state;
    ds_config_default(&config);
    assert_int_equal(ds_config_set(&config, "proxy", "name", "doorstep.example", &detail), DS_OK);
    assert_int_equal(ds_config_set(&config, "server", "behind_proxy", "true", &detail), DS_OK);
    assert_int_equal(ds_config_set(&config, "server", "nothing", "true", &detail), DS_ERR_SCHEMA);
    ds_builder_init(&out, text, sizeof(text));
    ds_config_put_file(&out, &config);
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    ds_config_default(&back);
    assert_int_equal(ds_config_parse(&back, made, &detail), DS_OK);
    assert_memory_equal(&config, &back, sizeof(config));
}

static void config__the_reference_page_is_what_the_table_says(void **state)
{
    static uint8_t text[65536];
    static char page[65536];
    struct ds_builder out;
    struct ds_slice made;
    FILE *file = fopen("server/CONFIG.md", "r");

    (void)state;
    assert_non_null(file);
    size_t size = fread(page, 1, sizeof(page), file);
    assert_int_equal(fclose(file), 0);
    ds_builder_init(&out, text, sizeof(text));
    ds_config_put_reference(&out);
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    assert_int_equal(size, made.size);
    assert_memory_equal(page, made.data, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config__without_a_file_every_key_has_its_default),
        cmocka_unit_test(config__sections_keys_comments_and_values_are_read),
        cmocka_unit_test(config__what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(config__a_line_may_have_190_bytes_and_not_191),
        cmocka_unit_test(config__a_text_may_have_140_bytes_and_not_141),
        cmocka_unit_test(config__what_init_writes_reads_back_the_same),
        cmocka_unit_test(config__the_reference_page_is_what_the_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

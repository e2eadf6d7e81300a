#include "tests/support/test.h"
#include "tools/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- A small table of its own. ---- */

static const struct ds_cli_option none[] = {{NULL, NULL, NULL, false}};
static const struct ds_cli_option make_options[] = {
    {"number", "N", "A number.", true},
    {"sample", NULL, "A switch.", false},
    {"at", "INSTANT", "An instant.", false},
    {NULL, NULL, NULL, false},
};
static const struct ds_cli_option use_options[] = {
    {"store", "H", "A folder.", true},
    {NULL, NULL, NULL, false},
};

static enum ds_exit run_make(struct ds_cli *cli)
{
    struct ds_detail detail = {""};
    int64_t number = 7;
    int64_t at_ms = 0;
    if (ds_cli_number(cli, "number", 1, 10, &number, &detail) != DS_OK ||
        ds_cli_instant(cli, "at", &at_ms, &detail) != DS_OK) {
        return ds_cli_usage(cli, "%s", detail.text);
    }
    ds_cli_put_number(cli, "number", number);
    ds_cli_put_number(cli, "at_ms", at_ms);
    ds_cli_print(cli, "%s %s %d", cli->position[0],
                 cli->position[1] != NULL ? cli->position[1] : "-", (int)number);
    return ds_cli_given(cli, "sample") ? DS_EXIT_PARTLY : DS_EXIT_OK;
}

static enum ds_exit run_use(struct ds_cli *cli)
{
    struct ds_detail detail = {"no such thing here"};
    ds_cli_print(cli, "store %s", ds_cli_value(cli, "store"));
    return ds_cli_fail(cli, DS_ERR_UNREACHABLE, &detail);
}

static const struct ds_cli_command table[] = {
    {"thing make", "DIR [FILE]", make_options, "Make it.", "And more.", run_make},
    {"use one", "", use_options, "Use one.", "", run_use},
    {"use", "", none, "Use all.", "", run_use},
};

struct outcome {
    enum ds_exit code;
    char *out;
    char *err;
};

static struct outcome call_table(const struct ds_cli_command *commands, size_t count,
                                 const char *line)
{
    char words[512];
    char program[] = "doorstep";
    char *argv[32] = {program};
    int argc = 1;
    struct outcome got = {DS_EXIT_OK, NULL, NULL};
    size_t out_size = 0;
    size_t err_size = 0;
    assert_true(strlen(line) < sizeof(words));
    memcpy(words, line, strlen(line) + 1);
    for (char *at = words; *at != '\0';) {
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at == ' ') {
            *at++ = '\0';
        }
    }
    struct ds_cli cli = {.out = open_memstream(&got.out, &out_size),
                         .err = open_memstream(&got.err, &err_size),
                         .commands = commands,
                         .command_count = count};
    got.code = ds_cli_main(&cli, argc, argv);
    fclose(cli.out);
    fclose(cli.err);
    return got;
}

static struct outcome call(const char *line)
{
    return call_table(table, DS_COUNT(table), line);
}

static void done(struct outcome got)
{
    free(got.out);
    free(got.err);
}

static void positions_and_options__stand_in_any_order(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "thing make d f --number 3", "--number 3 thing make d f",    "thing --number=3 make d f",
        "thing make --number 3 d f", "thing make d --number 3 -- f",
    };
    for (size_t i = 0; i < DS_COUNT(lines); i++) {
        struct outcome got = call(lines[i]);
        assert_int_equal(got.code, DS_EXIT_OK);
        assert_string_equal(got.out, "d f 3\n");
        done(got);
    }
}

static void a_position_in_brackets__may_be_left_out(void **state)
{
    (void)state;
    struct outcome got = call("thing make d --number 1 --sample");
    assert_int_equal(got.code, DS_EXIT_PARTLY);
    assert_string_equal(got.out, "d - 1\n");
    done(got);
}

static void the_longest_name__wins_over_a_shorter_one(void **state)
{
    (void)state;
    struct outcome got = call("use --store h one");
    assert_int_equal(got.code, DS_EXIT_UNREACHABLE);
    assert_string_equal(got.out, "store h\n");
    assert_non_null(strstr(got.err, "doorstep use one: "));
    done(got);
}

static void wrong_calls__are_refused_with_a_reason_and_exit_2(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *why;
    } cases[] = {
        {"thing make d", "option --number N is missing"},
        {"thing make --number 1", "DIR is missing"},
        {"thing make d f g --number 1", "g is one too many"},
        {"thing make d --number", "option --number needs a value N"},
        {"thing make d --number 1 --number 2", "option --number is given twice"},
        {"thing make d --number 1 --sample=1", "option --sample takes no value"},
        {"thing make d --number 1 --colour red", "unknown option --colour"},
        {"thing make d --number 1 --store s", "unknown option --store"},
        {"thing make d --number 0", "not a whole number from 1 to 10"},
        {"thing make d --number 11", "not a whole number from 1 to 10"},
        {"thing make d --number 1x", "not a whole number from 1 to 10"},
        {"thing make d --number 1 --at today", "not an instant"},
        {"thing", "no such command: thing"},
        {"thing break", "no such command: thing break"},
        {"thin make", "no such command"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct outcome got = call(cases[i].line);
        assert_int_equal(got.code, DS_EXIT_USAGE);
        if (strstr(got.err, cases[i].why) == NULL) {
            fail_msg("%s: %s", cases[i].line, got.err);
        }
        assert_string_equal(got.out, "");
        done(got);
    }
}

static void json__is_one_object_on_standard_output_also_of_a_failure(void **state)
{
    (void)state;
    struct outcome got = call("thing make d --json --number 2 --at 2026-01-30T08:00:00+08:00");
    assert_int_equal(got.code, DS_EXIT_OK);
    assert_string_equal(got.out, "{\"number\":2,\"at_ms\":1769731200000,\"ok\":true,\"exit\":0}\n");
    done(got);
    got = call("use one --json --store h");
    assert_int_equal(got.code, DS_EXIT_UNREACHABLE);
    assert_string_equal(got.out, "{\"error\":\"DS_ERR_UNREACHABLE\",\"detail\":\"no such thing "
                                 "here\",\"ok\":false,\"exit\":5}\n");
    done(got);
    got = call("thing make --json");
    assert_int_equal(got.code, DS_EXIT_USAGE);
    assert_non_null(strstr(got.out, "\"error\":\"DS_ERR_USAGE\""));
    done(got);
}

static void help__says_usage_options_and_the_rest(void **state)
{
    (void)state;
    struct outcome got = call("thing make --help");
    assert_int_equal(got.code, DS_EXIT_OK);
    assert_non_null(strstr(got.out, "usage: doorstep thing make DIR [FILE] --number N [--sample] "
                                    "[--at INSTANT]\n"));
    assert_non_null(strstr(got.out, "And more."));
    assert_non_null(strstr(got.out, "--at INSTANT"));
    assert_non_null(strstr(got.out, "--json"));
    done(got);
    got = call("--help");
    assert_int_equal(got.code, DS_EXIT_OK);
    assert_non_null(strstr(got.out, "thing make"));
    assert_non_null(strstr(got.out, "3 partly loaded"));
    done(got);
    got = call("use --help one");
    assert_non_null(strstr(got.out, "Use one."));
    done(got);
    got = call("--version");
    assert_int_equal(got.code, DS_EXIT_OK);
    assert_string_equal(got.out, "doorstep " DS_VERSION "\n");
    done(got);
    got = call("");
    assert_int_equal(got.code, DS_EXIT_USAGE);
    assert_non_null(strstr(got.err, "thing make"));
    done(got);
}

static void too_many_arguments__are_refused(void **state)
{
    (void)state;
    char word[] = "use";
    char *argv[DS_CLI_ARGUMENTS_MAX + 1];
    char *out = NULL;
    size_t size = 0;
    for (int i = 0; i <= DS_CLI_ARGUMENTS_MAX; i++) {
        argv[i] = word;
    }
    for (int argc = DS_CLI_ARGUMENTS_MAX; argc <= DS_CLI_ARGUMENTS_MAX + 1; argc++) {
        FILE *to = open_memstream(&out, &size);
        struct ds_cli cli = {
            .out = to, .err = to, .commands = table, .command_count = DS_COUNT(table)};
        assert_int_equal(ds_cli_main(&cli, argc, argv), DS_EXIT_USAGE);
        fclose(to);
        bool many = strstr(out, "more than 64 arguments") != NULL;
        assert_int_equal(many, argc > DS_CLI_ARGUMENTS_MAX);
        free(out);
    }
}

static void errors__have_the_exit_codes_that_are_promised(void **state)
{
    (void)state;
    assert_int_equal(ds_exit_of(DS_OK), 0);
    assert_int_equal(ds_exit_of(DS_ERR_IO), 1);
    assert_int_equal(ds_exit_of(DS_ERR_NOT_FOUND), 1);
    assert_int_equal(ds_exit_of(DS_ERR_USAGE), 2);
    assert_int_equal(ds_exit_of(DS_ERR_INTEGRITY), 4);
    assert_int_equal(ds_exit_of(DS_ERR_UNREACHABLE), 5);
    assert_int_equal(ds_exit_of(DS_ERR_NOT_OURS), 5);
}

static void environment__is_read_by_whole_names(void **state)
{
    (void)state;
    char other[] = "DOORSTEP_PINS=no";
    char pin[] = "DOORSTEP_PIN=1234=5";
    char *const environment[] = {other, pin, NULL};
    struct ds_cli cli = {.environment = environment};
    assert_string_equal(ds_cli_environment(&cli, "DOORSTEP_PIN"), "1234=5");
    assert_null(ds_cli_environment(&cli, "DOORSTEP_PI"));
    assert_null(ds_cli_environment(&cli, "PATH"));
}

/* ---- The program's own table. ---- */

/* An option's name takes a value in all commands or in none: it is split before the command is
 * known. */
static void the_table__uses_each_option_in_one_way(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_cli_command *commands = ds_commands(&count);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        size_t options = 0;
        for (const struct ds_cli_option *a = commands[i].options; a->name != NULL; a++, options++) {
            assert_non_null(a->help);
            for (size_t k = 0; k < count; k++) {
                for (const struct ds_cli_option *b = commands[k].options; b->name != NULL; b++) {
                    bool same = strcmp(a->name, b->name) == 0;
                    if (same && (a->value == NULL) != (b->value == NULL)) {
                        fail_msg("--%s of %s and of %s", a->name, commands[i].name,
                                 commands[k].name);
                    }
                }
            }
        }
        assert_true(options < DS_CLI_OPTIONS_MAX);
    }
}

static void the_table__has_no_empty_cell_and_no_name_twice(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_cli_command *commands = ds_commands(&count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(commands[i].run);
        assert_non_null(commands[i].positions);
        assert_non_null(commands[i].more);
        assert_true(strlen(commands[i].help) > 10);
        assert_int_equal(commands[i].help[strlen(commands[i].help) - 1], '.');
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(commands[i].name, commands[k].name);
        }
    }
}

static void every_command__answers_help(void **state)
{
    (void)state;
    size_t count = 0;
    const struct ds_cli_command *commands = ds_commands(&count);
    for (size_t i = 0; i < count; i++) {
        char line[128];
        snprintf(line, sizeof(line), "%s --help", commands[i].name);
        struct outcome got = call_table(commands, count, line);
        assert_int_equal(got.code, DS_EXIT_OK);
        snprintf(line, sizeof(line), "usage: doorstep %s", commands[i].name);
        assert_non_null(strstr(got.out, line));
        done(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_and_options__stand_in_any_order),
        cmocka_unit_test(a_position_in_brackets__may_be_left_out),
        cmocka_unit_test(the_longest_name__wins_over_a_shorter_one),
        cmocka_unit_test(wrong_calls__are_refused_with_a_reason_and_exit_2),
        cmocka_unit_test(json__is_one_object_on_standard_output_also_of_a_failure),
        cmocka_unit_test(help__says_usage_options_and_the_rest),
        cmocka_unit_test(too_many_arguments__are_refused),
        cmocka_unit_test(errors__have_the_exit_codes_that_are_promised),
        cmocka_unit_test(environment__is_read_by_whole_names),
        cmocka_unit_test(the_table__uses_each_option_in_one_way),
        cmocka_unit_test(the_table__has_no_empty_cell_and_no_name_twice),
        cmocka_unit_test(every_command__answers_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

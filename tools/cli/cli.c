#include "tools/cli/cli.h"

#include "schema/base/text.h"

#include <stdarg.h>
#include <string.h>

/* Options that every command has. */
static const struct ds_cli_option common_options[] = {
    {"json", NULL, "Answer with one JSON object.", false},
    {"help", NULL, "Say how it is used.", false},
    {"version", NULL, "Say the version.", false},
    {NULL, NULL, NULL, false},
};

static const struct ds_cli_option *find_option(const struct ds_cli_option *options,
                                               struct ds_slice name)
{
    for (; options->name != NULL; options++) {
        if (ds_slice_equal(ds_slice_of_text(options->name), name)) {
            return options;
        }
    }
    return NULL;
}

/* Whether an option takes a value must be known before the command is: "handheld --store H read".
 * A name means the same in all commands (a test looks). */
static const struct ds_cli_option *find_anywhere(const struct ds_cli *cli, struct ds_slice name)
{
    const struct ds_cli_option *option = find_option(common_options, name);
    for (size_t i = 0; option == NULL && i < cli->command_count; i++) {
        option = find_option(cli->commands[i].options, name);
    }
    return option;
}

/* ---- Help ---- */

static void put_usage(const struct ds_cli_command *command, FILE *to)
{
    fprintf(to, "doorstep %s", command->name);
    if (command->positions[0] != '\0') {
        fprintf(to, " %s", command->positions);
    }
    for (const struct ds_cli_option *o = command->options; o->name != NULL; o++) {
        fprintf(to, o->required ? " --%s" : " [--%s", o->name);
        if (o->value != NULL) {
            fprintf(to, " %s", o->value);
        }
        fputs(o->required ? "" : "]", to);
    }
    fputc('\n', to);
}

static void put_option_help(const struct ds_cli_option *option, FILE *to)
{
    char left[64];
    snprintf(left, sizeof(left), "--%s%s%s", option->name, option->value != NULL ? " " : "",
             option->value != NULL ? option->value : "");
    fprintf(to, "  %-26s %s\n", left, option->help);
}

static void put_help(const struct ds_cli *cli, const struct ds_cli_command *command)
{
    fputs("usage: ", cli->out);
    put_usage(command, cli->out);
    fprintf(cli->out, "\n%s\n", command->help);
    if (command->more[0] != '\0') {
        fprintf(cli->out, "%s\n", command->more);
    }
    fputc('\n', cli->out);
    for (const struct ds_cli_option *o = command->options; o->name != NULL; o++) {
        put_option_help(o, cli->out);
    }
    put_option_help(&common_options[0], cli->out);
    put_option_help(&common_options[1], cli->out);
}

static const char exit_codes[] =
    "Exit codes: 0 ok, 1 failed, 2 usage, 3 partly loaded, 4 integrity broken, 5 unreachable.\n";

/* The commands whose names begin with these words; all if there is none. */
static void put_overview(const struct ds_cli *cli, const char *const *words, size_t count, FILE *to)
{
    fputs("usage: doorstep COMMAND [OPTION...]\n\n", to);
    for (size_t i = 0; i < cli->command_count; i++) {
        const struct ds_cli_command *command = &cli->commands[i];
        size_t size = count > 0 ? strlen(words[0]) : 0;
        if (count == 0 ||
            (strncmp(command->name, words[0], size) == 0 && command->name[size] == ' ')) {
            fprintf(to, "  %-20s %s\n", command->name, command->help);
        }
    }
    fputs("\n`doorstep COMMAND --help` says more; --json answers with one JSON object.\n", to);
    fputs(exit_codes, to);
}

/* ---- Parsing ---- */

struct parsed {
    const char *words[DS_CLI_ARGUMENTS_MAX];
    size_t word_count;
    struct {
        struct ds_slice name;
        const char *value; /* NULL: a switch. */
    } options[DS_CLI_ARGUMENTS_MAX];
    size_t option_count;
};

/* Split the arguments into words and options with their values. */
static bool split(struct ds_cli *cli, int argc, char *const *argv, struct parsed *parsed)
{
    bool only_words = false;
    if (argc > DS_CLI_ARGUMENTS_MAX) {
        ds_cli_usage(cli, "more than %d arguments", DS_CLI_ARGUMENTS_MAX);
        return false;
    }
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (only_words || strncmp(word, "--", 2) != 0) {
            parsed->words[parsed->word_count++] = word;
            continue;
        }
        if (word[2] == '\0') {
            only_words = true;
            continue;
        }
        const char *equals = strchr(word, '=');
        struct ds_slice name = ds_slice_of_text(word + 2);
        if (equals != NULL) {
            name.size = (size_t)(equals - word - 2);
        }
        const struct ds_cli_option *option = find_anywhere(cli, name);
        if (option == NULL) {
            ds_cli_usage(cli, "unknown option --%.*s", (int)name.size, (const char *)name.data);
            return false;
        }
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (option->value == NULL && value != NULL) {
            ds_cli_usage(cli, "option --%s takes no value", option->name);
            return false;
        }
        if (option->value != NULL && value == NULL && ++i < argc) {
            value = argv[i];
        }
        if (option->value != NULL && value == NULL) {
            ds_cli_usage(cli, "option --%s needs a value %s", option->name, option->value);
            return false;
        }
        parsed->options[parsed->option_count].name = name;
        parsed->options[parsed->option_count++].value = value;
    }
    return true;
}

/* The command with the longest name that the words begin with; *used: its words. */
static const struct ds_cli_command *find_command(const struct ds_cli *cli,
                                                 const struct parsed *parsed, size_t *used)
{
    const struct ds_cli_command *found = NULL;
    *used = 0;
    for (size_t i = 0; i < cli->command_count; i++) {
        const char *name = cli->commands[i].name;
        size_t word = 0;
        while (*name != '\0' && word < parsed->word_count) {
            size_t size = strlen(parsed->words[word]);
            if (size == 0 || strncmp(name, parsed->words[word], size) != 0 ||
                (name[size] != ' ' && name[size] != '\0')) {
                break;
            }
            name += size + (name[size] == ' ');
            word++;
        }
        if (*name == '\0' && word > *used) {
            found = &cli->commands[i];
            *used = word;
        }
    }
    return found;
}

static bool take_options(struct ds_cli *cli, const struct parsed *parsed)
{
    for (size_t i = 0; i < parsed->option_count; i++) {
        struct ds_slice name = parsed->options[i].name;
        if (find_option(common_options, name) != NULL) {
            continue;
        }
        const struct ds_cli_option *option = find_option(cli->command->options, name);
        if (option == NULL) {
            ds_cli_usage(cli, "unknown option --%.*s", (int)name.size, (const char *)name.data);
            return false;
        }
        size_t place = (size_t)(option - cli->command->options);
        DS_ASSERT(place < DS_CLI_OPTIONS_MAX);
        if (cli->value[place] != NULL) {
            ds_cli_usage(cli, "option --%s is given twice", option->name);
            return false;
        }
        cli->value[place] = parsed->options[i].value != NULL ? parsed->options[i].value : "";
    }
    for (const struct ds_cli_option *o = cli->command->options; o->name != NULL; o++) {
        if (o->required && cli->value[o - cli->command->options] == NULL) {
            ds_cli_usage(cli, "option --%s %s is missing", o->name, o->value);
            return false;
        }
    }
    return true;
}

/* Positions are words of the table's text: "DIR [FILE]". */
static bool take_positions(struct ds_cli *cli, const struct parsed *parsed, size_t used)
{
    const char *names = cli->command->positions;
    size_t count = 0;
    while (*names != '\0') {
        size_t size = strcspn(names, " ");
        if (used < parsed->word_count) {
            cli->position[count] = parsed->words[used++];
        } else if (names[0] != '[') {
            ds_cli_usage(cli, "%.*s is missing", (int)size, names);
            return false;
        }
        count++;
        DS_ASSERT(count <= DS_CLI_POSITIONS_MAX);
        names += size;
        names += *names == ' ';
    }
    if (used < parsed->word_count) {
        ds_cli_usage(cli, "%s is one too many", parsed->words[used]);
        return false;
    }
    return true;
}

static bool has_option(const struct parsed *parsed, const char *name)
{
    for (size_t i = 0; i < parsed->option_count; i++) {
        if (ds_slice_equal(parsed->options[i].name, ds_slice_of_text(name))) {
            return true;
        }
    }
    return false;
}

/* ---- Answers ---- */

static void end_answer(struct ds_cli *cli, enum ds_exit code)
{
    if (cli->json) {
        json_object_set_new(cli->answer, "ok", json_boolean(code == DS_EXIT_OK));
        json_object_set_new(cli->answer, "exit", json_integer(code));
        json_dumpf(cli->answer, cli->out, JSON_COMPACT | JSON_PRESERVE_ORDER);
        fputc('\n', cli->out);
    }
    json_decref(cli->answer);
    cli->answer = NULL;
    fflush(cli->out);
}

enum ds_exit ds_cli_main(struct ds_cli *cli, int argc, char *const *argv)
{
    struct parsed parsed = {.word_count = 0};
    cli->answer = json_object();
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        cli->json = cli->json || strcmp(argv[i], "--json") == 0;
    }
    enum ds_exit code = DS_EXIT_USAGE;
    size_t used = 0;
    if (!split(cli, argc, argv, &parsed)) {
        end_answer(cli, code);
        return code;
    }
    cli->command = find_command(cli, &parsed, &used);
    bool help = has_option(&parsed, "help");
    if (has_option(&parsed, "version")) {
        ds_cli_put_text(cli, "version", DS_VERSION);
        ds_cli_print(cli, "doorstep %s", DS_VERSION);
        end_answer(cli, DS_EXIT_OK);
        return DS_EXIT_OK;
    }
    if (cli->command == NULL && (help || parsed.word_count == 0)) {
        put_overview(cli, parsed.words, parsed.word_count, help ? cli->out : cli->err);
        json_decref(cli->answer);
        return help ? DS_EXIT_OK : DS_EXIT_USAGE;
    }
    if (cli->command == NULL) {
        ds_cli_usage(cli, "no such command: %s%s%s", parsed.words[0],
                     parsed.word_count > 1 ? " " : "",
                     parsed.word_count > 1 ? parsed.words[1] : "");
    } else if (help) {
        put_help(cli, cli->command);
        json_decref(cli->answer);
        return DS_EXIT_OK;
    } else if (take_options(cli, &parsed) && take_positions(cli, &parsed, used)) {
        code = cli->command->run(cli);
    }
    end_answer(cli, code);
    return code;
}

static size_t place_of(const struct ds_cli *cli, const char *option)
{
    const struct ds_cli_option *found =
        find_option(cli->command->options, ds_slice_of_text(option));
    DS_ASSERT(found != NULL);
    return (size_t)(found - cli->command->options);
}

const char *ds_cli_value(const struct ds_cli *cli, const char *option)
{
    return cli->value[place_of(cli, option)];
}

bool ds_cli_given(const struct ds_cli *cli, const char *option)
{
    return ds_cli_value(cli, option) != NULL;
}

enum ds_err ds_cli_number(const struct ds_cli *cli, const char *option, int64_t least, int64_t most,
                          int64_t *value, struct ds_detail *detail)
{
    const char *text = ds_cli_value(cli, option);
    if (text == NULL) {
        return DS_OK;
    }
    int64_t number = 0;
    if (ds_int_parse(ds_slice_of_text(text), &number) != DS_OK || number < least || number > most) {
        char from[24];
        char to[24];
        snprintf(from, sizeof(from), "%lld", (long long)least);
        snprintf(to, sizeof(to), "%lld", (long long)most);
        ds_detail_set(detail, "--", option, " ", text, ": not a whole number from ", from, " to ",
                      to, NULL);
        return DS_ERR_USAGE;
    }
    *value = number;
    return DS_OK;
}

enum ds_err ds_cli_instant(const struct ds_cli *cli, const char *option, int64_t *instant_ms,
                           struct ds_detail *detail)
{
    const char *text = ds_cli_value(cli, option);
    if (text != NULL && ds_instant_parse(ds_slice_of_text(text), instant_ms) != DS_OK) {
        ds_detail_set(detail, "--", option, " ", text,
                      ": not an instant like 2026-01-30T08:14:05+08:00", NULL);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}

json_t *ds_cli_words(const char *text)
{
    json_t *array = json_array();
    while (*text != '\0') {
        size_t size = strcspn(text, " ,");
        if (size > 0) {
            json_array_append_new(array, json_stringn(text, size));
        }
        text += size;
        text += *text != '\0';
    }
    return array;
}

const char *ds_cli_environment(const struct ds_cli *cli, const char *name)
{
    size_t size = strlen(name);
    for (char *const *entry = cli->environment; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, name, size) == 0 && (*entry)[size] == '=') {
            return *entry + size + 1;
        }
    }
    return NULL;
}

enum ds_err ds_cli_secret(const struct ds_cli *cli, const char *option, const char *variable,
                          struct ds_cli_secret *secret, struct ds_detail *detail)
{
    const char *path = ds_cli_value(cli, option);
    const char *value = ds_cli_environment(cli, variable);
    if (path != NULL) {
        FILE *file = fopen(path, "re");
        char *got = file != NULL ? fgets(secret->text, sizeof(secret->text), file) : NULL;
        if (file != NULL) {
            fclose(file);
        }
        if (got == NULL) {
            ds_detail_set(detail, path, ": cannot be read, or is empty", NULL);
            return DS_ERR_IO;
        }
        secret->text[strcspn(secret->text, "\r\n")] = '\0';
        return DS_OK;
    }
    if (value == NULL || strlen(value) >= sizeof(secret->text)) {
        ds_detail_set(detail, "set ", variable, " or give --", option,
                      ": a secret is never an argument, for others can read those", NULL);
        return DS_ERR_USAGE;
    }
    memcpy(secret->text, value, strlen(value) + 1);
    return DS_OK;
}

void ds_cli_print(struct ds_cli *cli, const char *format, ...)
{
    if (cli->json) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vfprintf(cli->out, format, arguments);
    va_end(arguments);
    fputc('\n', cli->out);
}

void ds_cli_note(struct ds_cli *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(cli->err, format, arguments);
    va_end(arguments);
    fputc('\n', cli->err);
}

void ds_cli_put(struct ds_cli *cli, const char *name, json_t *value)
{
    json_object_set_new(cli->answer, name, value);
}

void ds_cli_put_text(struct ds_cli *cli, const char *name, const char *value)
{
    ds_cli_put(cli, name, json_string(value));
}

void ds_cli_put_number(struct ds_cli *cli, const char *name, int64_t value)
{
    ds_cli_put(cli, name, json_integer(value));
}

enum ds_exit ds_exit_of(enum ds_err err)
{
    switch (err) {
    case DS_OK:
        return DS_EXIT_OK;
    case DS_ERR_USAGE:
        return DS_EXIT_USAGE;
    case DS_ERR_INTEGRITY:
    case DS_ERR_EPOCH:
        return DS_EXIT_INTEGRITY;
    case DS_ERR_UNREACHABLE:
    case DS_ERR_NOT_OURS:
        return DS_EXIT_UNREACHABLE;
    default:
        return DS_EXIT_FAILED;
    }
}

enum ds_exit ds_cli_fail(struct ds_cli *cli, enum ds_err err, const struct ds_detail *detail)
{
    const char *where = cli->command != NULL ? cli->command->name : "";
    const char *what = detail != NULL ? detail->text : "";
    /* A refusal that came without words has the error's own: they are said once. */
    bool own = what[0] != '\0' && strcmp(what, ds_err_text(err)) != 0;
    fprintf(cli->err, "doorstep %s: %s%s%s\n", where, ds_err_text(err), own ? ": " : "",
            own ? what : "");
    ds_cli_put_text(cli, "error", ds_err_name(err));
    ds_cli_put_text(cli, "detail", what);
    return ds_exit_of(err);
}

enum ds_exit ds_cli_usage(struct ds_cli *cli, const char *format, ...)
{
    char text[DS_DETAIL_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(cli->err, "doorstep%s%s: %s\n", cli->command != NULL ? " " : "",
            cli->command != NULL ? cli->command->name : "", text);
    if (cli->command != NULL) {
        fputs("usage: ", cli->err);
        put_usage(cli->command, cli->err);
    } else {
        fputs("`doorstep --help` lists the commands\n", cli->err);
    }
    ds_cli_put_text(cli, "error", ds_err_name(DS_ERR_USAGE));
    ds_cli_put_text(cli, "detail", text);
    return DS_EXIT_USAGE;
}

/* The command line `doorstep`: one table of commands, one parser, one way to answer.
 *
 * A command is a row of the table in commands.c: name, what it takes, its options, its help and the
 * function that runs it. Usage lines and --help are printed from that row, so they cannot differ
 * from what is parsed. A command answers twice at once: text lines for people, and members of one
 * JSON object for programs; --json decides which of them is shown. No station is touched here. */
#ifndef DS_TOOLS_CLI_CLI_H
#define DS_TOOLS_CLI_CLI_H

#include "schema/base/base.h"

#include <jansson.h>

#include <stdio.h>

#define DS_CLI_OPTIONS_MAX 32   /* Options of one command. */
#define DS_CLI_POSITIONS_MAX 4  /* DIR, FILE, ... of one command. */
#define DS_CLI_WORDS_MAX 3      /* Words of a command's name. */
#define DS_CLI_ARGUMENTS_MAX 64 /* Of one call; more is a usage error. */
#define DS_CLI_SECRET_MAX 256   /* Bytes of a password or PIN, its NUL included. */

enum ds_exit {
    DS_EXIT_OK = 0,
    DS_EXIT_FAILED = 1,
    DS_EXIT_USAGE = 2,
    DS_EXIT_PARTLY = 3,     /* Rows were rejected, the others are loaded. */
    DS_EXIT_INTEGRITY = 4,  /* Stored data does not match its own hash; an invariant is broken. */
    DS_EXIT_UNREACHABLE = 5 /* No server there, or not ours. */
};

struct ds_cli_option {
    const char *name;  /* "number": given as --number VALUE or --number=VALUE. */
    const char *value; /* Stands for the value in the usage; NULL: a switch. */
    const char *help;
    bool required;
};

struct ds_cli;
struct ds_cli_command {
    const char *name;      /* One or two words: "station init". */
    const char *positions; /* "DIR FILE"; one in brackets, "[FILE]", may be left out. */
    const struct ds_cli_option *options; /* The last one's name is NULL. */
    const char *help;                    /* One sentence. */
    const char *more;                    /* What else --help says; "" if nothing. */
    enum ds_exit (*run)(struct ds_cli *cli);
};

/* One call. The caller sets what stands above the line, the parser the rest. */
struct ds_cli {
    FILE *out;
    FILE *err;
    char *const *environment; /* "NAME=value", NULL ends it. */
    const struct ds_cli_command *commands;
    size_t command_count;
    /* ---- */
    const struct ds_cli_command *command;
    const char *position[DS_CLI_POSITIONS_MAX]; /* NULL: left out. */
    const char *value[DS_CLI_OPTIONS_MAX];      /* By place in the table; a switch's is "". */
    bool json;
    json_t *answer; /* Members of the JSON answer. */
};

/* Parse, run, answer. Returns the exit code. cli's upper members are set, the others zero. */
enum ds_exit ds_cli_main(struct ds_cli *cli, int argc, char *const *argv);

/* The table of the program, and how many rows it has. */
const struct ds_cli_command *ds_commands(size_t *count);

/* ---- For commands. ---- */

/* The option's value, "" of a given switch, NULL if it was not given. Asserts that the command has
 * such an option. */
const char *ds_cli_value(const struct ds_cli *cli, const char *option);
bool ds_cli_given(const struct ds_cli *cli, const char *option);
/* A whole number within [least, most]; *value keeps its default if the option was not given.
 * DS_ERR_USAGE with detail. */
DS_NODISCARD enum ds_err ds_cli_number(const struct ds_cli *cli, const char *option, int64_t least,
                                       int64_t most, int64_t *value, struct ds_detail *detail);
/* An instant, RFC 3339 with offset; likewise. */
DS_NODISCARD enum ds_err ds_cli_instant(const struct ds_cli *cli, const char *option,
                                        int64_t *instant_ms, struct ds_detail *detail);
/* The words of a text with blanks or commas between, as an array; yours. */
json_t *ds_cli_words(const char *text);
/* A variable of the environment, NULL if it is not set. */
const char *ds_cli_environment(const struct ds_cli *cli, const char *name);

/* A secret: the first line of the file that the option names, else the variable. Never an argument.
 * DS_ERR_USAGE: neither was given. Wipe it after use. */
struct ds_cli_secret {
    char text[DS_CLI_SECRET_MAX];
};
DS_NODISCARD enum ds_err ds_cli_secret(const struct ds_cli *cli, const char *option,
                                       const char *variable, struct ds_cli_secret *secret,
                                       struct ds_detail *detail);

/* A line of the text answer; with --json nothing. */
void ds_cli_print(struct ds_cli *cli, const char *format, ...) DS_PRINTF(2, 3);
/* A line for people beside the answer (stderr), also with --json. */
void ds_cli_note(struct ds_cli *cli, const char *format, ...) DS_PRINTF(2, 3);
/* A member of the JSON answer; steals value. */
void ds_cli_put(struct ds_cli *cli, const char *name, json_t *value);
void ds_cli_put_text(struct ds_cli *cli, const char *name, const char *value);
void ds_cli_put_number(struct ds_cli *cli, const char *name, int64_t value);

/* Say that it failed, and with which exit code to end; detail may be NULL. */
enum ds_exit ds_cli_fail(struct ds_cli *cli, enum ds_err err, const struct ds_detail *detail);
/* Say that the call makes no sense, and how it would. */
enum ds_exit ds_cli_usage(struct ds_cli *cli, const char *format, ...) DS_PRINTF(2, 3);
enum ds_exit ds_exit_of(enum ds_err err);

#endif

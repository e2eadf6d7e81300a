#include "server/config.h"

#include "schema/base/text.h"

#include <ini.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum key_type { KEY_NUMBER, KEY_SWITCH, KEY_TEXT, KEY_CHOICE };

struct config_key {
    const char *section;
    const char *name;
    enum key_type type;
    size_t offset;
    int64_t number; /* Default of a number or a switch. */
    const char *text;
    int64_t least;
    int64_t most;
    const char *words; /* Of a choice, with single spaces between. */
    const char *doc;
};

/* clang-format off */
#define NUMBER(section, key, standard, least, most, doc)                                           \
    {#section, #key, KEY_NUMBER, offsetof(struct ds_config, section##_##key), standard, "", least, \
     most, "", doc},
#define SWITCH(section, key, standard, doc)                                                        \
    {#section, #key, KEY_SWITCH, offsetof(struct ds_config, section##_##key), standard, "", 0, 1,  \
     "", doc},
#define TEXT(section, key, standard, doc)                                                          \
    {#section, #key, KEY_TEXT, offsetof(struct ds_config, section##_##key), 0, standard, 0,        \
     DS_CONFIG_TEXT_MAX, "", doc},
#define CHOICE(section, key, standard, words, doc)                                                 \
    {#section, #key, KEY_CHOICE, offsetof(struct ds_config, section##_##key), 0, standard, 0, 0,   \
     words, doc},
/* clang-format on */
static const struct config_key keys[] = {DS_CONFIG_TABLE(NUMBER, SWITCH, TEXT, CHOICE)};
#undef NUMBER
#undef SWITCH
#undef TEXT
#undef CHOICE
_Static_assert(DS_COUNT(keys) <= 64, "the set of keys already given is 64 bits");

static void *member_of(struct ds_config *config, const struct config_key *key)
{
    return (uint8_t *)config + key->offset;
}

static const void *member_of_const(const struct ds_config *config, const struct config_key *key)
{
    return (const uint8_t *)config + key->offset;
}

static void set_text(struct ds_config *config, const struct config_key *key, const char *text)
{
    char *to = member_of(config, key);
    size_t size = strlen(text);

    DS_ASSERT(size <= DS_CONFIG_TEXT_MAX);
    memcpy(to, text, size + 1);
}

void ds_config_default(struct ds_config *config)
{
    memset(config, 0, sizeof(*config));
    for (size_t i = 0; i < DS_COUNT(keys); i++) {
        const struct config_key *key = &keys[i];

        if (key->type == KEY_NUMBER) {
            memcpy(member_of(config, key), &key->number, sizeof(key->number));
        } else if (key->type == KEY_SWITCH) {
            *(bool *)member_of(config, key) = key->number != 0;
        } else {
            set_text(config, key, key->text);
        }
    }
}

static enum ds_err wrong(const struct config_key *key, struct ds_detail *detail, const char *what)
{
    ds_detail_set(detail, key->section, ".", key->name, ": ", what, (const char *)NULL);
    return DS_ERR_SCHEMA;
}

static enum ds_err set_number(struct ds_config *config, const struct config_key *key,
                              const char *value, struct ds_detail *detail)
{
    int64_t number = 0;
    uint8_t text[96];
    struct ds_builder say;

    if (ds_int_parse(ds_slice_of_text(value), &number) == DS_OK && number >= key->least &&
        number <= key->most) {
        memcpy(member_of(config, key), &number, sizeof(number));
        return DS_OK;
    }
    ds_builder_init(&say, text, sizeof(text));
    ds_put_text(&say, "must be a number from ");
    ds_put_decimal(&say, key->least);
    ds_put_text(&say, " to ");
    ds_put_decimal(&say, key->most);
    return wrong(key, detail, ds_builder_text(&say));
}

/* Is value one of the words of the list? */
static bool is_word(const char *words, const char *value)
{
    size_t size = strlen(value);

    while (*words != '\0') {
        size_t word = strcspn(words, " ");

        if (word == size && memcmp(words, value, size) == 0) {
            return true;
        }
        words += word + (words[word] == ' ');
    }
    return false;
}

static enum ds_err set_value(struct ds_config *config, const struct config_key *key,
                             const char *value, struct ds_detail *detail)
{
    switch (key->type) {
    case KEY_NUMBER:
        return set_number(config, key, value, detail);
    case KEY_SWITCH:
        if (!is_word("true false yes no 1 0", value)) {
            return wrong(key, detail, "must be true or false");
        }
        *(bool *)member_of(config, key) = is_word("true yes 1", value);
        return DS_OK;
    case KEY_TEXT:
        if (strlen(value) > DS_CONFIG_TEXT_MAX || !ds_utf8_ok(ds_slice_of_text(value))) {
            return wrong(key, detail, "must be UTF-8 of at most 140 bytes");
        }
        break;
    case KEY_CHOICE:
        if (!is_word(key->words, value)) {
            ds_detail_set(detail, key->section, ".", key->name, ": must be one of: ", key->words,
                          (const char *)NULL);
            return DS_ERR_SCHEMA;
        }
        break;
    }
    set_text(config, key, value);
    return DS_OK;
}

static const struct config_key *find(const char *section, const char *name)
{
    for (size_t i = 0; i < DS_COUNT(keys); i++) {
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

enum ds_err ds_config_set(struct ds_config *config, const char *section, const char *key,
                          const char *value, struct ds_detail *detail)
{
    const struct config_key *found = find(section, key);

    if (found == NULL) {
        ds_detail_set(detail, section, ".", key, ": there is no such setting", (const char *)NULL);
        return DS_ERR_SCHEMA;
    }
    return set_value(config, found, value, detail);
}

/* ---- The file ---- */

struct parse {
    struct ds_config *config;
    struct ds_slice text;
    size_t at;
    int64_t line; /* Of the text that inih was given last. */
    uint64_t given;
    enum ds_err err;
    struct ds_detail *detail;
};

static void say_line(struct parse *parse, int64_t line, enum ds_err err, const char *what)
{
    uint8_t number[24];
    struct ds_builder say;

    ds_builder_init(&say, number, sizeof(number));
    ds_put_decimal(&say, line);
    parse->err = err;
    ds_detail_set(parse->detail, "line ", ds_builder_text(&say), ": ", what, (const char *)NULL);
}

/* Is the line (without blanks in front) a comment, a [section], key = value, or nothing? */
static bool is_sound(const char *line)
{
    switch (line[0]) {
    case '\0':
    case '\r':
    case ';':
    case '#':
        return true;
    case '[':
        return strchr(line, ']') != NULL;
    default:
        return strpbrk(line, "=:") != NULL;
    }
}

/* inih's line source: it counts, so that the handler can name a line, and leaves out blanks in
 * front, which inih would take for the continuation of a value. */
static char *next_line(char *out, int size, void *stream)
{
    struct parse *parse = stream;
    size_t left = parse->text.size - parse->at;
    const uint8_t *from = parse->text.data + parse->at;
    const uint8_t *end = left > 0 ? memchr(from, '\n', left) : NULL;
    size_t length = end != NULL ? (size_t)(end - from) : left;

    if (left == 0 || parse->err != DS_OK || size <= 0) {
        return NULL;
    }
    parse->line++;
    parse->at += length + (end != NULL);
    if (length > DS_CONFIG_LINE_MAX || length + 2 > (size_t)size) {
        say_line(parse, parse->line, DS_ERR_DECODE, "longer than 190 bytes");
        return NULL;
    }
    while (length > 0 && (from[0] == ' ' || from[0] == '\t')) {
        from++;
        length--;
    }
    memcpy(out, from, length);
    out[length] = '\0';
    if (!is_sound(out)) {
        say_line(parse, parse->line, DS_ERR_DECODE, "neither [section] nor key = value");
        return NULL;
    }
    out[length] = '\n';
    out[length + 1] = '\0';
    return out;
}

static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct parse *parse = user;
    const struct config_key *key = find(section, name);
    struct ds_detail why;

    if (parse->err != DS_OK) {
        return 0;
    }
    if (key == NULL) {
        ds_detail_set(&why, section, ".", name, ": there is no such setting", (const char *)NULL);
        say_line(parse, parse->line, DS_ERR_SCHEMA, why.text);
        return 0;
    }
    uint64_t bit = UINT64_C(1) << (key - keys);

    if ((parse->given & bit) != 0) {
        (void)wrong(key, &why, "given twice");
        say_line(parse, parse->line, DS_ERR_SCHEMA, why.text);
        return 0;
    }
    parse->given |= bit;
    if (set_value(parse->config, key, value, &why) != DS_OK) {
        say_line(parse, parse->line, DS_ERR_SCHEMA, why.text);
        return 0;
    }
    return 1;
}

enum ds_err ds_config_parse(struct ds_config *config, struct ds_slice text,
                            struct ds_detail *detail)
{
    struct parse parse = {.config = config, .text = text, .detail = detail};
    size_t bad = 0;

    if (text.size > DS_CONFIG_FILE_MAX) {
        ds_detail_set(detail, "larger than 64 KiB", (const char *)NULL);
        return DS_ERR_LIMIT;
    }
    if (!ds_utf8_check(text, &bad) || (text.size > 0 && memchr(text.data, 0, text.size) != NULL)) {
        ds_detail_set(detail, "not UTF-8, or a NUL in it", (const char *)NULL);
        return DS_ERR_DECODE;
    }
    int line = ini_parse_stream(next_line, &parse, take_pair, &parse);

    if (parse.err != DS_OK) {
        return parse.err;
    }
    if (line != 0) {
        say_line(&parse, line, DS_ERR_DECODE, "neither [section] nor key = value");
        return DS_ERR_DECODE;
    }
    if (config->server_event_streams_max >= config->server_workers) {
        ds_detail_set(detail, "server.event_streams_max: must be less than server.workers",
                      (const char *)NULL);
        return DS_ERR_SCHEMA;
    }
    return DS_OK;
}

enum ds_err ds_config_load(struct ds_config *config, const char *path, struct ds_detail *detail)
{
    FILE *file = fopen(path, "re");
    uint8_t *text = NULL;
    enum ds_err err = DS_OK;

    if (file == NULL) {
        ds_detail_set(detail, path, ": cannot be read", (const char *)NULL);
        return errno == ENOENT ? DS_ERR_NOT_FOUND : DS_ERR_IO;
    }
    text = malloc(DS_CONFIG_FILE_MAX + 1);
    if (text == NULL) {
        err = DS_ERR_NOMEM;
    } else {
        size_t size = fread(text, 1, DS_CONFIG_FILE_MAX + 1, file);
        struct ds_detail why = {""};

        err = ferror(file) != 0 ? DS_ERR_IO
                                : ds_config_parse(config, (struct ds_slice){text, size}, &why);
        if (err != DS_OK) {
            ds_detail_set(detail, path, ": ", why.text, (const char *)NULL);
        }
    }
    free(text);
    (void)fclose(file);
    return err;
}

/* ---- The reference ---- */

static void put_value(struct ds_builder *out, const struct config_key *key,
                      const struct ds_config *config)
{
    const void *member = member_of_const(config, key);

    if (key->type == KEY_NUMBER) {
        int64_t number = 0;

        memcpy(&number, member, sizeof(number));
        ds_put_decimal(out, number);
    } else if (key->type == KEY_SWITCH) {
        ds_put_text(out, *(const bool *)member ? "true" : "false");
    } else {
        ds_put_text(out, member);
    }
}

static void put_allowed(struct ds_builder *out, const struct config_key *key)
{
    switch (key->type) {
    case KEY_NUMBER:
        ds_put_decimal(out, key->least);
        ds_put_text(out, " to ");
        ds_put_decimal(out, key->most);
        break;
    case KEY_SWITCH:
        ds_put_text(out, "true, false");
        break;
    case KEY_TEXT:
        ds_put_text(out, "text");
        break;
    case KEY_CHOICE:
        for (const char *at = key->words; *at != '\0'; at++) {
            ds_put_text(out, *at == ' ' ? ", " : (char[]){*at, '\0'});
        }
        break;
    }
}

void ds_config_put_reference(struct ds_builder *out)
{
    struct ds_config standard;
    const char *section = "";

    ds_config_default(&standard);
    ds_put_text(
        out, "# Settings of a station\n\n"
             "Generated by `ds-gen-config` from `server/config.h`; do not edit.\n\n"
             "They stand in `DIR/doorstep.ini` (`--config FILE` names another): `[section]`, then "
             "`key = value`, comments behind `;`. What is absent has its default. An unknown or "
             "repeated key, or a value that is not allowed, is an error that names the line. "
             "Changes are read at the next start.\n");
    for (size_t i = 0; i < DS_COUNT(keys); i++) {
        const struct config_key *key = &keys[i];

        if (strcmp(section, key->section) != 0) {
            section = key->section;
            ds_put_text(out, "\n## ");
            ds_put_text(out, section);
            ds_put_text(out, "\n\n| key | default | allowed | meaning |\n"
                             "| --- | --- | --- | --- |\n");
        }
        ds_put_text(out, "| `");
        ds_put_text(out, key->name);
        ds_put_text(out, "` | ");
        if ((key->type == KEY_TEXT || key->type == KEY_CHOICE) && key->text[0] == '\0') {
            ds_put_text(out, "(empty)");
        } else {
            ds_put_text(out, "`");
            put_value(out, key, &standard);
            ds_put_text(out, "`");
        }
        ds_put_text(out, " | ");
        put_allowed(out, key);
        ds_put_text(out, " | ");
        ds_put_text(out, key->doc);
        ds_put_text(out, " |\n");
    }
}

void ds_config_put_file(struct ds_builder *out, const struct ds_config *config)
{
    const char *section = "";

    ds_put_text(out, "; Settings of this station; server/CONFIG.md explains each.\n");
    for (size_t i = 0; i < DS_COUNT(keys); i++) {
        const struct config_key *key = &keys[i];

        if (strcmp(section, key->section) != 0) {
            section = key->section;
            ds_put_text(out, "\n[");
            ds_put_text(out, section);
            ds_put_text(out, "]\n");
        }
        ds_put_text(out, key->name);
        ds_put_text(out, " = ");
        put_value(out, key, config);
        ds_put_text(out, "\n");
    }
}

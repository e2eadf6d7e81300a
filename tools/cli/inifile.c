#include "tools/cli/inifile.h"

#include "schema/base/text.h"

#include <ini.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parse {
    struct ds_ini *ini;
    struct ds_slice left;
    uint32_t line;
    enum ds_err err;
    struct ds_detail *detail;
};

static void say_line(struct parse *parse, enum ds_err err, const char *what)
{
    char number[16];
    if (parse->err == DS_OK) {
        snprintf(number, sizeof(number), "%u", (unsigned)parse->line);
        ds_detail_set(parse->detail, "line ", number, ": ", what, NULL);
        parse->err = err;
    }
}

/* inih's source of lines: it hands over a buffer and takes NULL for the end. Blanks in front are
 * taken away, because inih reads a line that begins with one as the continuation of another. */
static char *next_line(char *out, int room, void *context)
{
    struct parse *parse = context;
    if (parse->left.size == 0 || parse->err != DS_OK) {
        return NULL;
    }
    const uint8_t *from = parse->left.data;
    const uint8_t *end = memchr(from, '\n', parse->left.size);
    size_t size = end == NULL ? parse->left.size : (size_t)(end - from);
    size_t used = end == NULL ? size : size + 1;
    parse->left.data += used;
    parse->left.size -= used;
    parse->line++;
    if (size > 0 && from[size - 1] == '\r') {
        size--;
    }
    while (size > 0 && (from[0] == ' ' || from[0] == '\t')) {
        from++;
        size--;
    }
    if (size > DS_INI_LINE_MAX || size + 2 > (size_t)room) {
        say_line(parse, DS_ERR_LIMIT, "longer than 190 bytes");
        return NULL;
    }
    memcpy(out, from, size);
    out[size] = '\n';
    out[size + 1] = '\0';
    return out;
}

static const char *keep(struct ds_ini *ini, const char *text)
{
    size_t size = strlen(text) + 1;
    char *kept = ini->text + ini->text_used;
    memcpy(kept, text, size);
    ini->text_used += size;
    return kept;
}

static int take_pair(void *context, const char *section, const char *key, const char *value)
{
    struct parse *parse = context;
    struct ds_ini *ini = parse->ini;
    if (strlen(section) >= DS_INI_WORD_MAX || strlen(key) >= DS_INI_WORD_MAX) {
        say_line(parse, DS_ERR_LIMIT, "a name longer than 47 bytes");
        return 0;
    }
    if (ds_ini_find(ini, section, key) != NULL) {
        say_line(parse, DS_ERR_DECODE, "the key is given twice");
        return 0;
    }
    if (ini->count == DS_INI_ENTRIES_MAX) {
        say_line(parse, DS_ERR_LIMIT, "more than 4096 keys");
        return 0;
    }
    const char *last = ini->count > 0 ? ini->entries[ini->count - 1].section : NULL;
    struct ds_ini_entry *entry = &ini->entries[ini->count++];
    entry->section = last != NULL && strcmp(last, section) == 0 ? last : keep(ini, section);
    entry->key = keep(ini, key);
    entry->value = keep(ini, value);
    entry->line = parse->line;
    return 1;
}

enum ds_err ds_ini_parse(struct ds_ini *ini, struct ds_slice text, struct ds_detail *detail)
{
    *ini = (struct ds_ini){.entries = NULL};
    struct parse parse = {.ini = ini, .left = text, .detail = detail};
    if (text.size > DS_INI_FILE_MAX) {
        ds_detail_set(detail, "larger than 256 KiB", NULL);
        return DS_ERR_LIMIT;
    }
    if (!ds_utf8_ok(text) || (text.size > 0 && memchr(text.data, 0, text.size) != NULL)) {
        ds_detail_set(detail, "not UTF-8, or a NUL in it", NULL);
        return DS_ERR_DECODE;
    }
    /* Each pair keeps its own bytes, three NULs, and perhaps its section's name once more. */
    ini->entries = calloc(DS_INI_ENTRIES_MAX, sizeof(ini->entries[0]));
    ini->text = malloc(text.size + (size_t)DS_INI_ENTRIES_MAX * (DS_INI_WORD_MAX + 3));
    if (ini->entries == NULL || ini->text == NULL) {
        return DS_ERR_NOMEM;
    }
    int line = ini_parse_stream(next_line, &parse, take_pair, &parse);
    if (parse.err == DS_OK && line != 0) {
        parse.line = line > 0 ? (uint32_t)line : 0;
        say_line(&parse, DS_ERR_DECODE, "neither [section] nor key=value");
    }
    return parse.err;
}

enum ds_err ds_ini_load(struct ds_ini *ini, const char *path, struct ds_detail *detail)
{
    *ini = (struct ds_ini){.entries = NULL};
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        ds_detail_set(detail, path, ": cannot be read", NULL);
        return errno == ENOENT ? DS_ERR_NOT_FOUND : DS_ERR_IO;
    }
    uint8_t *text = malloc(DS_INI_FILE_MAX + 1);
    size_t size = text != NULL ? fread(text, 1, DS_INI_FILE_MAX + 1, file) : 0;
    bool failed = ferror(file) != 0;
    fclose(file);
    enum ds_err err = text == NULL ? DS_ERR_NOMEM : failed ? DS_ERR_IO : DS_OK;
    if (err == DS_OK) {
        struct ds_detail why = {""};
        err = ds_ini_parse(ini, (struct ds_slice){text, size}, &why);
        if (err != DS_OK) {
            ds_detail_set(detail, path, ": ", why.text, NULL);
        }
    }
    free(text);
    return err;
}

void ds_ini_free(struct ds_ini *ini)
{
    free(ini->entries);
    free(ini->text);
    *ini = (struct ds_ini){.entries = NULL};
}

const struct ds_ini_entry *ds_ini_find(const struct ds_ini *ini, const char *section,
                                       const char *key)
{
    for (size_t i = 0; i < ini->count; i++) {
        if (strcmp(ini->entries[i].section, section) == 0 &&
            strcmp(ini->entries[i].key, key) == 0) {
            return &ini->entries[i];
        }
    }
    return NULL;
}

const char *ds_ini_value(const struct ds_ini *ini, const char *section, const char *key,
                         const char *fallback)
{
    const struct ds_ini_entry *entry = ds_ini_find(ini, section, key);
    return entry != NULL ? entry->value : fallback;
}

enum ds_err ds_ini_refuse(const struct ds_ini_entry *entry, const char *what,
                          struct ds_detail *detail)
{
    char line[16];
    struct ds_detail made; /* `what` may stand in detail itself. */
    snprintf(line, sizeof(line), "%u", (unsigned)entry->line);
    ds_detail_set(&made, "line ", line, ": [", entry->section, "] ", entry->key, ": ", what, NULL);
    ds_detail_set(detail, made.text, NULL);
    return DS_ERR_SCHEMA;
}

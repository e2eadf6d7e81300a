/* A whole INI file in memory: mapping files and scenarios.
 *
 * [section], key=value, comment lines beginning with # or ;. Every pair is kept in order with the
 * line that it stood in, so that whoever reads the file can name what is wrong with it. A key given
 * twice in a section, a line that is neither, and bytes that are not UTF-8 are refused. The only
 * file of the tools that includes <ini.h>. */
#ifndef DS_TOOLS_CLI_INIFILE_H
#define DS_TOOLS_CLI_INIFILE_H

#include "schema/base/base.h"

#define DS_INI_FILE_MAX (256 * 1024) /* Bytes of a file. */
#define DS_INI_LINE_MAX 190          /* Bytes of a line: inih keeps 200. */
#define DS_INI_WORD_MAX 48           /* Bytes of a section's or a key's name: inih keeps 50. */
#define DS_INI_ENTRIES_MAX 4096

struct ds_ini_entry {
    const char *section; /* "" before the first one. */
    const char *key;
    const char *value;
    uint32_t line;
};
struct ds_ini {
    struct ds_ini_entry *entries;
    size_t count;
    char *text; /* What the entries point into. */
    size_t text_used;
};

/* DS_ERR_DECODE "line N: what", DS_ERR_LIMIT, DS_ERR_NOMEM. What was made is yours: ds_ini_free(),
 * after an error too. */
DS_NODISCARD enum ds_err ds_ini_parse(struct ds_ini *ini, struct ds_slice text,
                                      struct ds_detail *detail);
/* The same from a file; detail begins with its path. DS_ERR_NOT_FOUND, DS_ERR_IO. */
DS_NODISCARD enum ds_err ds_ini_load(struct ds_ini *ini, const char *path,
                                     struct ds_detail *detail);
void ds_ini_free(struct ds_ini *ini);

/* NULL if there is no such key. */
const struct ds_ini_entry *ds_ini_find(const struct ds_ini *ini, const char *section,
                                       const char *key);
/* Its value, or the fallback. */
const char *ds_ini_value(const struct ds_ini *ini, const char *section, const char *key,
                         const char *fallback);
/* "line N: what", for a fault found at an entry. Returns DS_ERR_SCHEMA. */
enum ds_err ds_ini_refuse(const struct ds_ini_entry *entry, const char *what,
                          struct ds_detail *detail);

#endif

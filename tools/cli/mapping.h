/* A mapping file: how another system's table becomes fields of the schema.
 *
 *     [file]    encoding=gb18030  delimiter=,  header=1  empty=keep  guard=0
 *     [columns] meter_no=表号           field = header of the file (header=0: number from 1)
 *     [values.kind] 机械表=mechanical   text of the file = text that the field takes
 *     [const]   book=B07                a field that the file does not have
 *     [units]   index=m3                unit of the file, where it is not the field's own
 *
 * With [columns] only these columns are read, without it headers are field names. empty=clear: an
 * empty cell takes a value away, else it says nothing. guard=1: the file was written by us and
 * apostrophes in front of formulas are taken off. Anything unknown is refused with its line. */
#ifndef DS_TOOLS_CLI_MAPPING_H
#define DS_TOOLS_CLI_MAPPING_H

#include "schema/record.h"
#include "tools/cli/inifile.h"

struct ds_mapping {
    struct ds_ini ini;
    const char *encoding;
    char delimiter;
    bool header;
    bool clear_empty;
    bool guard;
    bool columns; /* There is a section [columns]. */
};

/* What stands where no file is given. */
void ds_mapping_default(struct ds_mapping *mapping);
/* known: is that word a field of what is imported? Asked of each field named. mapping is yours:
 * ds_mapping_free(), after an error too. DS_ERR_SCHEMA and the errors of ds_ini_load(). */
DS_NODISCARD enum ds_err ds_mapping_load(struct ds_mapping *mapping, const char *path,
                                         bool (*known)(const void *context, struct ds_slice field),
                                         const void *context, struct ds_detail *detail);
/* The same of a text. */
DS_NODISCARD enum ds_err ds_mapping_parse(struct ds_mapping *mapping, struct ds_slice text,
                                          bool (*known)(const void *context, struct ds_slice field),
                                          const void *context, struct ds_detail *detail);
void ds_mapping_free(struct ds_mapping *mapping);

/* What a field takes instead of a text of the file; the text itself if nothing is said of it. */
struct ds_slice ds_mapping_value(const struct ds_mapping *mapping, const char *field,
                                 struct ds_slice text);

/* How a number of the file becomes the field's. */
struct ds_map_unit {
    unsigned scale;  /* Digits behind the point of the file's number. */
    bool of_dial_m3; /* Cubic metres where the field counts the dial's last digit. */
};
/* The unit of a field: [units], else the field's own. DS_ERR_SCHEMA: such a unit it has not. */
DS_NODISCARD enum ds_err ds_mapping_unit(const struct ds_mapping *mapping,
                                         const struct ds_field *field, struct ds_map_unit *unit,
                                         struct ds_detail *detail);

#endif

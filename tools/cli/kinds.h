/* What can be imported: which columns each kind takes, and what they stand for.
 *
 * A column is a field of the kind's record, or the number of another record that a field points to
 * (book=B07), or one of the few words that belong to a kind alone (role of a worker, the meter's
 * maker and number in front of a reading, i202512 of a history). Data and look-up only. */
#ifndef DS_TOOLS_CLI_KINDS_H
#define DS_TOOLS_CLI_KINDS_H

#include "schema/record.h"

enum ds_kind_shape {
    DS_KIND_ENTITY,  /* One row is one entity, found by its natural key. */
    DS_KIND_READING, /* One row is one reading of a meter. */
    DS_KIND_ANSWER,  /* One row is billing's answer to one slot. */
    DS_KIND_HISTORY  /* One row is one meter with an index per period. */
};

struct ds_kind {
    const char *name;
    uint8_t record;
    enum ds_kind_shape shape;
    const char *key[2]; /* Columns that must be there and filled; the last one is named if wrong. */
    bool geojson;
    const char *doc;
};
const struct ds_kind *ds_kinds(size_t *count);
const struct ds_kind *ds_kind_by_name(const char *name); /* NULL: none. */

enum ds_target_use {
    DS_TARGET_FIELD,
    DS_TARGET_REFERENCE, /* The number of a record of type `refers`. */
    DS_TARGET_MAKER,     /* With METER_NO: which meter the row is about. */
    DS_TARGET_METER_NO,
    DS_TARGET_PERIOD,   /* Of an answer: with the meter it names the slot. */
    DS_TARGET_REGISTER, /* Likewise. */
    DS_TARGET_ROLE,
    DS_TARGET_INDEX /* iYYYYMM of a history. */
};
struct ds_target {
    enum ds_target_use use;
    const struct ds_field *field; /* NULL where there is none. */
    uint8_t refers;
    int32_t period;
    char name[48]; /* As the header writes it. */
};
/* What a column's name means in a kind. False: nothing. */
bool ds_kind_target(const struct ds_kind *kind, struct ds_slice name, struct ds_target *target);

/* The record type that a field of type ID points to by number; 0: to none. */
uint8_t ds_field_refers(uint8_t record, const struct ds_field *field);

#endif

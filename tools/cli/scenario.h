/* A scripted day: who reads which meter when, what the office does, and what must come out of it.
 *
 * tools/sample/day.ini says what its keys and the columns of its tables mean. Loaded whole into one
 * piece of memory; nothing here plays it. */
#ifndef DS_TOOLS_CLI_SCENARIO_H
#define DS_TOOLS_CLI_SCENARIO_H

#include "schema/base/arena.h"
#include "tools/cli/inifile.h"

#define DS_SCENARIO_HANDHELDS_MAX 256
#define DS_SCENARIO_SYNCS_MAX 16
#define DS_SCENARIO_EVENTS_MAX 64
#define DS_SCENARIO_ACTS_MAX 100000
#define DS_SCENARIO_ARENA (64 * 1024 * 1024)

enum ds_act_kind { DS_ACT_READ, DS_ACT_VISIT, DS_ACT_SWAP };

/* Texts are never NULL; numbers that are not given are -1. */
struct ds_act {
    enum ds_act_kind kind;
    int64_t instant_ms; /* True time. */
    const char *worker;
    const char *book;
    const char *manufacturer;
    const char *meter_no;
    int64_t index;       /* What the dial shows. */
    int64_t entered;     /* What is recorded in the end. */
    int64_t blind_index; /* What is typed first. */
    const char *method;
    const char *condition;
    bool photo;
    const char *photo_as; /* "MANUFACTURER/NUMBER" */
    const char *note;
    const char *outcome;
    bool slip;
    const char *reason;
    int64_t away_m;
    const char *estimate_method;
    /* Of a swap. */
    int64_t old_final_index;
    int64_t new_initial_index;
    const char *new_manufacturer;
    const char *new_meter_no;
    int64_t new_dial_digits;
    int64_t new_unit_l;
    const char *seal;
};

struct ds_scenario_handheld {
    const char *worker;
    const char *book;
    int64_t syncs_ms[DS_SCENARIO_SYNCS_MAX];
    size_t sync_count;
    int64_t clock_offset_ms;
    int64_t backup_ms; /* 0: none. */
    int64_t restore_ms;
};

struct ds_scenario_event {
    int64_t at_ms;
    const char *kind; /* reassign */
    const char *book;
    const char *to;
    const char *by;
};

struct ds_scenario {
    struct ds_ini ini;
    struct ds_arena arena;
    char folder[512]; /* Of the file: its tables lie there. */
    int32_t period;
    int32_t offset_min; /* Of the day's times. */
    int64_t day_ms;     /* Begin of the day. */
    struct ds_scenario_handheld handhelds[DS_SCENARIO_HANDHELDS_MAX];
    size_t handheld_count;
    struct ds_scenario_event events[DS_SCENARIO_EVENTS_MAX];
    size_t event_count;
    struct ds_act *acts; /* As in the files: acts, then swaps. */
    size_t act_count;
};

/* offset_min: the station's time zone. DS_ERR_NOT_FOUND, DS_ERR_SCHEMA: detail names file, line
 * and what. *scenario is yours. */
DS_NODISCARD enum ds_err ds_scenario_load(const char *path, int32_t offset_min,
                                          struct ds_scenario **scenario, struct ds_detail *detail);
void ds_scenario_free(struct ds_scenario *scenario); /* NULL is allowed. */

/* One row of a table with a header, its cells as NUL-terminated texts by column name. */
struct ds_table_row {
    const char *const *names;
    char *const *cells;
    size_t count;
    uint64_t line;
};
/* "" if there is no such column. */
const char *ds_table_text(const struct ds_table_row *row, const char *name);
/* -1 if the cell is empty. DS_ERR_SCHEMA. */
DS_NODISCARD enum ds_err ds_table_number(const struct ds_table_row *row, const char *name,
                                         int64_t *value, struct ds_detail *detail);
/* Walk a CSV with header; cells and names live in arena. each may stop with an error. */
DS_NODISCARD enum ds_err ds_table_read(const char *path, struct ds_arena *arena,
                                       enum ds_err (*each)(void *context,
                                                           const struct ds_table_row *row,
                                                           struct ds_detail *detail),
                                       void *context, struct ds_detail *detail);

#endif

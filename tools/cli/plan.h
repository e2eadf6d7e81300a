/* From the cells of a row to drafts of ops: what each column means, and whether the row can be.
 *
 * A plan is made once per header. A row goes through it without touching the station except to ask
 * whether a record is there; what comes out are drafts as the station's admin door takes them
 * (server/admin.h, "import"), with ids derived from natural keys, so that loading a file twice
 * changes nothing. A wrong row costs itself and says which column and why. */
#ifndef DS_TOOLS_CLI_PLAN_H
#define DS_TOOLS_CLI_PLAN_H

#include "schema/base/arena.h"
#include "tools/cli/kinds.h"
#include "tools/cli/mapping.h"
#include "tools/cli/seen.h"

#include <jansson.h>

#define DS_PLAN_COLUMNS_MAX 320 /* Columns read and constants. */
#define DS_PLAN_DRAFTS_MAX 320  /* Of one row: a history of 256 periods, its roles. */
#define DS_PLAN_ARENA (256 * 1024)

/* What a plan must know of the station; a port, so that tests need none. */
struct ds_station_port {
    struct ds_id station;
    int32_t offset_min;
    /* The record's struct, slices in arena. DS_ERR_NOT_FOUND. */
    enum ds_err (*load)(void *context, uint8_t type, const struct ds_id *id, struct ds_arena *arena,
                        void *record);
    void *context;
};

struct ds_plan_column {
    struct ds_target target;
    struct ds_map_unit unit;
    int32_t place;            /* Of the cell in the row; -1: a constant. */
    struct ds_slice constant; /* Borrowed from the mapping. */
};

struct ds_plan {
    const struct ds_kind *kind;
    const struct ds_mapping *mapping;
    const struct ds_station_port *port;
    struct ds_seen *seen; /* Keys of the file so far. */
    struct ds_plan_column columns[DS_PLAN_COLUMNS_MAX];
    size_t count;
    size_t width; /* Cells that a row must have. */
    void *record; /* Room for any record struct. */
    struct ds_arena arena;
};

/* What a row gave. */
struct ds_planned {
    json_t *drafts[DS_PLAN_DRAFTS_MAX]; /* Yours. */
    size_t count;
    bool bad; /* Rejected: wholly, or (history) a cell of it. */
    char column[64];
    struct ds_detail why;
};

/* Borrow kind, mapping, port, seen. names: the header's cells. DS_ERR_SCHEMA: the file cannot be
 * meant so: detail names the column. plan is yours: ds_plan_fini(), after an error too. */
DS_NODISCARD enum ds_err ds_plan_init(struct ds_plan *plan, const struct ds_kind *kind,
                                      const struct ds_mapping *mapping,
                                      const struct ds_station_port *port, struct ds_seen *seen);
DS_NODISCARD enum ds_err ds_plan_header(struct ds_plan *plan, const struct ds_slice *names,
                                        size_t count, struct ds_detail *detail);
void ds_plan_fini(struct ds_plan *plan);
/* What the file calls a field: its heading by the mapping, else the field's name. Borrowed. */
const char *ds_plan_heading(const struct ds_plan *plan, const char *field);

/* Plan one row. line: for keys that come twice. An error is the world's (DS_ERR_NOMEM, DS_ERR_IO);
 * what is wrong with the row is in *planned. */
DS_NODISCARD enum ds_err ds_plan_row(struct ds_plan *plan, const struct ds_slice *cells,
                                     size_t count, uint64_t line, struct ds_planned *planned);

/* ---- Shared by plan.c and plan_row.c, plan_meter.c. ---- */

/* Reject: column's name and reason. Returns DS_ERR_SCHEMA. */
enum ds_err ds_plan_reject(struct ds_planned *planned, const char *column, const char *why);
/* The cell of a column after unguarding and the value table; empty if there is none. */
struct ds_slice ds_plan_cell(const struct ds_plan *plan, const struct ds_plan_column *column,
                             const struct ds_slice *cells);
const struct ds_plan_column *ds_plan_find(const struct ds_plan *plan, enum ds_target_use use);
/* Add {"type", "id"?, "fields"} of a record struct; steals nulls (names of fields to clear). */
DS_NODISCARD enum ds_err ds_plan_add(struct ds_planned *planned, const struct ds_record_type *type,
                                     const struct ds_id *id, const void *record);
/* The field's value out of a cell into plan->record; on DS_ERR_SCHEMA the row is rejected. */
DS_NODISCARD enum ds_err ds_plan_take(struct ds_plan *plan, const struct ds_plan_column *column,
                                      struct ds_slice cell, struct ds_planned *planned);
/* The meter that a row is about. */
DS_NODISCARD enum ds_err ds_plan_meter(struct ds_plan *plan, const struct ds_slice *cells,
                                       struct ds_id *id, struct ds_meter *meter,
                                       struct ds_planned *planned);
DS_NODISCARD enum ds_err ds_plan_reading_row(struct ds_plan *plan, const struct ds_slice *cells,
                                             struct ds_planned *planned);
DS_NODISCARD enum ds_err ds_plan_answer_row(struct ds_plan *plan, const struct ds_slice *cells,
                                            struct ds_planned *planned);
DS_NODISCARD enum ds_err ds_plan_history_row(struct ds_plan *plan, const struct ds_slice *cells,
                                             uint64_t line, struct ds_planned *planned);

#endif

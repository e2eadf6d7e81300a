/* Reconciliation: what we exported on a day against what the other side says it has.
 *
 * Both sides are lists of (slot, revision, volume). Each difference is typed: missing_there (we
 * sent it, they do not have it), missing_here (they have what we never sent), doubled (they have it
 * more than once), amount (another volume), wrong_day (they have it under this day, we sent it on
 * another). A day is that of the journal entry which made the export, in the station's time zone.
 * The comparison itself is pure; whoever calls brings both lists. */
#ifndef DS_SERVER_RECON_H
#define DS_SERVER_RECON_H

#include "schema/base/text.h"
#include "server/office.h"

#define DS_RECON_ROWS_MAX 2000000            /* Of either side. */
#define DS_RECON_DIFFERENCES_MAX 1000        /* That are kept; all are counted. */
#define DS_RECON_FILE_MAX (64 * 1024 * 1024) /* Bytes of a statement from a file. */

enum ds_recon_type {
    DS_RECON_MISSING_THERE = 1,
    DS_RECON_MISSING_HERE,
    DS_RECON_DOUBLED,
    DS_RECON_AMOUNT,
    DS_RECON_WRONG_DAY
};
const char *ds_recon_type_name(enum ds_recon_type type); /* "missing_there"; static */

struct ds_recon_row {
    struct ds_id slot;
    uint32_t revision;
    int64_t consumption_l;
};
struct ds_recon_list { /* Owned rows; zeroed is empty. */
    struct ds_recon_row *rows;
    size_t count;
    size_t room;
};
DS_NODISCARD enum ds_err ds_recon_add(struct ds_recon_list *list, const struct ds_recon_row *row);
void ds_recon_free(struct ds_recon_list *list);

struct ds_recon_difference {
    enum ds_recon_type type;
    struct ds_id slot;
    uint32_t revision;
    bool has_ours;
    bool has_theirs;
    int64_t ours_l;
    int64_t theirs_l;
    uint64_t count; /* How often they have it. */
};
struct ds_recon_result {
    uint64_t ours_count;
    uint64_t theirs_count;
    int64_t ours_l;
    int64_t theirs_l;
    uint64_t difference_count;
    uint64_t by_type[DS_RECON_WRONG_DAY + 1];
    struct ds_recon_difference differences[DS_RECON_DIFFERENCES_MAX]; /* About 64 KB: no local. */
};

/* Compare; sorts all three lists. others: what we sent on other days. */
void ds_recon_compare(struct ds_recon_list *ours, struct ds_recon_list *theirs,
                      struct ds_recon_list *others, struct ds_recon_result *result);

/* Their statement: CSV with header slot,revision,consumption_l in any order of columns; other
 * columns are left alone; an empty volume is 0. DS_ERR_SCHEMA "line N: what". */
DS_NODISCARD enum ds_err ds_recon_parse(struct ds_slice csv, struct ds_recon_list *list,
                                        struct ds_detail *detail);
/* What we exported to a consumer on a day, and on all others. */
DS_NODISCARD enum ds_err ds_recon_ours(struct ds_office *office, enum ds_consumer consumer,
                                       struct ds_date day, struct ds_recon_list *ours,
                                       struct ds_recon_list *others);

/* The whole: keeps the statement as DIR/outbox/NAME/statements/DAY.csv and compares. With csv empty
 * the kept one is read again: DS_ERR_NOT_FOUND if there is none. */
DS_NODISCARD enum ds_err ds_recon_day(struct ds_office *office, enum ds_consumer consumer,
                                      struct ds_date day, struct ds_slice csv,
                                      struct ds_recon_result *result, struct ds_detail *detail);

/* A shape Reconciliation. */
void ds_recon_put(struct ds_builder *out, enum ds_consumer consumer, struct ds_date day,
                  const struct ds_recon_result *result);

#endif

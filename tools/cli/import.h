/* One import: a file of rows into a station, in requests of at most 1,000 drafts.
 *
 * Rows become drafts (plan.h); drafts go through a writer, which is the station's admin door or a
 * test's. What was rejected is in FILE.bad.csv, everything else is loaded; loading the file again
 * writes nothing. Knows nothing of the command line. */
#ifndef DS_TOOLS_CLI_IMPORT_H
#define DS_TOOLS_CLI_IMPORT_H

#include "tools/cli/badfile.h"
#include "tools/cli/geojson.h"
#include "tools/cli/plan.h"

#define DS_IMPORT_DRAFTS_MAX 1000          /* Of one request. */
#define DS_IMPORT_REQUEST_MAX (700 * 1024) /* Bytes of one request, about: its line holds 1 MiB. */
#define DS_IMPORT_BOOKS_MAX 4096           /* Books of one history. */

struct ds_import_options {
    const struct ds_kind *kind;
    const char *path;
    const char *map; /* NULL: none. */
    bool dry_run;    /* Write the file of rejected rows, nothing else. */
    bool geojson;
    struct ds_station_port port;
    /* Write drafts (stolen) as actor; the answer of the admin request "import" is the caller's. */
    enum ds_err (*write)(void *context, const char *actor, json_t *drafts, json_t **answer,
                         struct ds_detail *detail);
    void *write_context;
    void (*step)(void *context, uint64_t done, uint64_t total); /* NULL: nobody watches. */
    void *step_context;
};

struct ds_import_result {
    uint64_t rows;      /* Data rows of the file. */
    uint64_t loaded;    /* Rows (history: readings) that the station has now. */
    uint64_t rejected;  /* Rows in the file of rejected rows. */
    uint64_t written;   /* Ops. */
    uint64_t unchanged; /* Drafts that said what was so already. */
    uint64_t position;  /* Journal size after it. */
    json_t *verdicts;   /* Word -> how many, of drafts that were not plainly applied; yours. */
    json_t *shown;      /* The first 20 of them, {line, verdict, detail}; yours. */
    char bad_path[DS_BADFILE_PATH_MAX]; /* "": none. */
};

/* result is filled as far as it went, also on an error. DS_ERR_SCHEMA, DS_ERR_DECODE: the file as a
 * whole cannot be meant; nothing was loaded. */
DS_NODISCARD enum ds_err ds_import_run(const struct ds_import_options *options,
                                       struct ds_import_result *result, struct ds_detail *detail);

#endif

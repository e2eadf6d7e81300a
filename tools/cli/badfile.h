/* FILE.bad.csv: the rows that did not load, as they stood, with where and why.
 *
 * Columns _line, _column and _reason stand behind the original ones, in the file's own encoding and
 * delimiter, so that the file can be mended and loaded again: its own three columns then fall away,
 * and what is still wrong goes to FILE.bad2.csv, and so on. It is written aside and takes its name
 * at the end, readable by its owner alone; when nothing was rejected, the one of an earlier load is
 * removed. */
#ifndef DS_TOOLS_CLI_BADFILE_H
#define DS_TOOLS_CLI_BADFILE_H

#include "schema/codec/csv.h"
#include "tools/cli/rows.h"

#define DS_BADFILE_PATH_MAX 1024

struct ds_badfile {
    char path[DS_BADFILE_PATH_MAX];
    char aside[DS_BADFILE_PATH_MAX];
    FILE *file;    /* Made with the first rejected row. */
    FILE *feature; /* The GeoJSON file, for copying; NULL of a CSV. */
    struct ds_rows *rows;
    char delimiter;
    uint64_t header_offset; /* Of a CSV's header line; size 0: none. */
    uint64_t header_size;
    bool ours; /* The file was written here: its rows end with our three cells. */
    uint64_t count;
};

struct ds_bad_row {
    uint64_t line;
    uint64_t offset; /* Range of bytes in the file. */
    uint64_t size;
    const char *column;
    const char *why;
};

/* Do these cells of a header end with our three names? */
bool ds_badfile_is_ours(const struct ds_slice *cells, size_t count);
/* One of rows and feature_path is given. DS_ERR_LIMIT: the path is too long; DS_ERR_IO. */
DS_NODISCARD enum ds_err ds_badfile_init(struct ds_badfile *bad, const char *path,
                                         struct ds_rows *rows, char delimiter,
                                         struct ds_detail *detail);
DS_NODISCARD enum ds_err ds_badfile_add(struct ds_badfile *bad, const struct ds_bad_row *row,
                                        struct ds_detail *detail);
/* Close and give it its name. */
DS_NODISCARD enum ds_err ds_badfile_end(struct ds_badfile *bad, struct ds_detail *detail);
/* After an error: leave nothing behind. */
void ds_badfile_drop(struct ds_badfile *bad);

#endif

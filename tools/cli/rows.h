/* The rows of a CSV file in whatever encoding, each with its place in the file.
 *
 * The file is read once, in pieces, whatever its size; a row that is wrong is given back as such
 * and reading goes on behind it (schema/codec/csv.h). Each row knows the line of its first byte and
 * its range of bytes in the file, so that a rejected row can be copied as it stood. */
#ifndef DS_TOOLS_CLI_ROWS_H
#define DS_TOOLS_CLI_ROWS_H

#include "schema/codec/csv.h"
#include "tools/cli/charset.h"

#include <stdio.h>

#define DS_ROWS_PIECE 65536 /* Bytes that are read at a time. */
#define DS_ROWS_CUT_MAX 8   /* Cells that ds_rows_without_last() takes off. */

struct ds_rows;

struct ds_rows_options {
    const char *encoding; /* NULL: utf-8 */
    char delimiter;       /* 0: ',' */
};

/* Everything is borrowed until the next ds_rows_next(). */
struct ds_file_row {
    bool bad;        /* column and why tell; there are no cells. */
    uint64_t line;   /* Of its first byte, from 1. */
    uint64_t offset; /* Of its first byte in the file. */
    uint64_t size;   /* Its bytes in the file without the line end. */
    uint32_t column; /* Cell at fault, from 1; 0: the whole row. */
    uint32_t count;
    const struct ds_slice *cells;
    struct ds_detail why;
};

/* DS_ERR_NOT_FOUND, DS_ERR_IO, DS_ERR_SCHEMA. *rows is yours. */
DS_NODISCARD enum ds_err ds_rows_open(const char *path, const struct ds_rows_options *options,
                                      struct ds_rows **rows, struct ds_detail *detail);
void ds_rows_close(struct ds_rows *rows); /* NULL is allowed. */

/* DS_ERR_NOT_FOUND after the last row; DS_ERR_IO. */
DS_NODISCARD enum ds_err ds_rows_next(struct ds_rows *rows, struct ds_file_row *row);

/* Bytes of the file, and how many of them are read. */
uint64_t ds_rows_size(const struct ds_rows *rows);
uint64_t ds_rows_done(const struct ds_rows *rows);
struct ds_charset *ds_rows_charset(struct ds_rows *rows); /* Borrowed. */

/* Shorten *size to a row without its last cells; a row that has no more than these stays whole.
 * Delimiter and quote are no part of another character in any encoding known here. DS_ERR_IO. */
DS_NODISCARD enum ds_err ds_rows_without_last(struct ds_rows *rows, uint64_t offset, uint64_t *size,
                                              char delimiter, size_t cells);
/* Copy bytes of the file as they stand. DS_ERR_IO. */
DS_NODISCARD enum ds_err ds_rows_copy(struct ds_rows *rows, uint64_t offset, uint64_t size,
                                      FILE *to);

#endif

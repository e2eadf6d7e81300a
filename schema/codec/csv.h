/* CSV, RFC 4180, read as a stream and written safely.
 *
 * The reader takes bytes in chunks of any size and gives rows; its memory is the struct. It never
 * guesses: a row that breaks the rules is given back as DS_CSV_BAD with line, column and reason,
 * and reading goes on behind it, so that one bad row costs one row. Rows end with LF or CRLF; cells
 * in quotes may hold delimiters, line ends and doubled quotes; in a bare cell a quote is a letter
 * like others. Text behind a closing quote, a lone CR, NUL and anything that is not UTF-8 are
 * refused. Nothing is trimmed. A quote that is not closed within a row's limit costs its line, and
 * the next line is read afresh. A UTF-8 byte order mark is skipped and named in bom. Pure. */
#ifndef DS_SCHEMA_CODEC_CSV_H
#define DS_SCHEMA_CODEC_CSV_H

#include "schema/base/bytes.h"

#define DS_CSV_LINE_MAX 65536 /* Bytes of a row, its line end not counted. */
#define DS_CSV_CELL_MAX 32768 /* Bytes of a cell, quotes counted. */
#define DS_CSV_CELLS_MAX 256  /* Cells of a row. */

enum ds_csv_event {
    DS_CSV_MORE, /* The chunk is used up: ds_csv_feed() or ds_csv_finish(). */
    DS_CSV_ROW,  /* row is a good row. */
    DS_CSV_BAD,  /* row is a bad row: row.line, column, byte, raw; detail says why. */
    DS_CSV_END   /* After ds_csv_finish(): no more rows. */
};

/* Everything is borrowed from the reader until the next ds_csv_next(). */
struct ds_csv_row {
    uint64_t line;   /* Of the row's first byte, from 1. Of DS_CSV_BAD: the line at fault. */
    uint32_t column; /* DS_CSV_BAD: the cell at fault, from 1; 0 if it is the whole row. */
    uint64_t byte;   /* DS_CSV_BAD: byte at fault in that line, from 1. */
    uint64_t offset; /* Of the row's first byte in the stream. */
    uint64_t size;   /* Its bytes in the stream without the line end, raw.size if that is all. */
    struct ds_slice raw; /* The row as it stood; its first DS_CSV_LINE_MAX bytes if it is longer. */
    uint32_t count;      /* Cells; 0 of a DS_CSV_BAD row. */
    const struct ds_slice *cells;
};

/* About 200 KiB: belongs on the heap, not on a stack. Members are the reader's own, save bom. */
struct ds_csv {
    bool bom;   /* The stream began with a byte order mark. */
    bool begun; /* It was looked for. */
    bool finished;
    bool skipping; /* Inside a line that is too long: window holds its begin. */
    uint8_t delimiter;
    uint8_t state;         /* Of the scan for the row's end. */
    struct ds_slice chunk; /* The caller's, what is not yet copied. */
    size_t start;          /* Place of the row's first byte in window. */
    size_t at;             /* Place of the next byte to scan. */
    size_t held;           /* Bytes in window. */
    uint64_t line;         /* Of start. */
    uint64_t offset;       /* Of start. */
    uint64_t skipped;      /* Bytes of a too long line that are gone. */
    struct ds_slice cells[DS_CSV_CELLS_MAX];
    uint32_t begins[DS_CSV_CELLS_MAX];   /* Of the cells in the row, quotes included. */
    uint8_t text[DS_CSV_LINE_MAX];       /* Cells with doubled quotes, undoubled. */
    uint8_t window[2 * DS_CSV_LINE_MAX]; /* Bytes of the stream from the row on. */
};

/* delimiter: ',' ';' '\t' '|' or any other ASCII byte but quote, CR, LF. */
void ds_csv_init(struct ds_csv *csv, char delimiter);
/* Hand in the next chunk; only after DS_CSV_MORE or init. Borrowed until DS_CSV_MORE comes
 * again. */
void ds_csv_feed(struct ds_csv *csv, struct ds_slice chunk);
/* There are no more chunks. A last row without line end is a row. */
void ds_csv_finish(struct ds_csv *csv);
/* detail of DS_CSV_BAD (optional): "line L, column C, byte B: what". */
enum ds_csv_event ds_csv_next(struct ds_csv *csv, struct ds_csv_row *row, struct ds_detail *detail);
/* An empty line: one empty bare cell. */
bool ds_csv_row_blank(const struct ds_csv_row *row);

/* Writing: one row after the other into a builder; rows end with LF. A cell is quoted when it must
 * be. Against formula injection a cell that begins with = + - @ tab or CR (apostrophes before it
 * not counted) gets one more apostrophe in front, unless it is a plain number. */
struct ds_csv_writer {
    struct ds_builder *out;
    uint8_t delimiter;
    bool in_row;
};
void ds_csv_writer_init(struct ds_csv_writer *writer, struct ds_builder *out, char delimiter);
void ds_csv_put_cell(struct ds_csv_writer *writer, struct ds_slice text);
void ds_csv_put_text(struct ds_csv_writer *writer, const char *text);
void ds_csv_put_number(struct ds_csv_writer *writer, int64_t value);
/* A row or cells as they stand in another file, without guard and quoting. */
void ds_csv_put_verbatim(struct ds_csv_writer *writer, struct ds_slice raw);
void ds_csv_end_row(struct ds_csv_writer *writer);
/* What the guard put in front is taken away again; for files that we wrote ourselves. */
struct ds_slice ds_csv_unguard(struct ds_slice cell);

#endif

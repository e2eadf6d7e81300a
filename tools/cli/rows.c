#include "tools/cli/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where a line begins, in the file and in the decoded stream. */
struct line {
    uint64_t decoded;
    uint64_t raw;
    uint64_t number; /* From 1. */
    uint64_t fault;  /* First byte in the file that is no text, counted from 1; 0: none. */
};

struct ds_rows {
    FILE *file;
    FILE *again; /* The same file, for copying rows. */
    struct ds_charset *charset;
    uint64_t size;
    uint64_t raw;     /* Bytes of the file that are decoded. */
    uint64_t decoded; /* Bytes handed to the reader. */
    bool at_end;
    bool finished;
    struct line *lines; /* From the one of the last row on. */
    size_t first_line;
    size_t line_count;
    size_t line_room;
    size_t held;                     /* Bytes in piece that are not decoded yet. */
    uint8_t piece[DS_ROWS_PIECE];    /* As read. */
    uint8_t text[DS_ROWS_PIECE * 2]; /* Decoded: at most 3 bytes for 2. */
    struct ds_csv csv;
};

static enum ds_err add_line(struct ds_rows *rows, struct line line)
{
    if (rows->line_count == rows->line_room) {
        size_t kept = rows->line_count - rows->first_line;
        if (rows->first_line >= kept && rows->first_line > 0) {
            memmove(rows->lines, rows->lines + rows->first_line, kept * sizeof(rows->lines[0]));
            rows->line_count = kept;
            rows->first_line = 0;
        } else {
            size_t room = rows->line_room == 0 ? 1024 : rows->line_room * 2;
            struct line *grown = realloc(rows->lines, room * sizeof(*grown));
            if (grown == NULL) {
                return DS_ERR_NOMEM;
            }
            rows->lines = grown;
            rows->line_room = room;
        }
    }
    rows->lines[rows->line_count++] = line;
    return DS_OK;
}

enum ds_err ds_rows_open(const char *path, const struct ds_rows_options *options,
                         struct ds_rows **rows, struct ds_detail *detail)
{
    struct ds_rows *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    struct stat about;
    enum ds_err err = DS_OK;
    made->file = fopen(path, "rb");
    made->again = made->file != NULL ? fopen(path, "rb") : NULL;
    if (made->again == NULL || fstat(fileno(made->file), &about) != 0 || !S_ISREG(about.st_mode)) {
        err = errno == ENOENT && made->file == NULL ? DS_ERR_NOT_FOUND : DS_ERR_IO;
        ds_detail_set(detail, path, ": cannot be read", NULL);
    } else {
        made->size = (uint64_t)about.st_size;
        const char *encoding = options->encoding != NULL ? options->encoding : "utf-8";
        err = ds_charset_open(encoding, &made->charset, detail);
    }
    if (err == DS_OK) {
        err = add_line(made, (struct line){0, 0, 1, 0});
    }
    if (err != DS_OK) {
        ds_rows_close(made);
        return err;
    }
    ds_csv_init(&made->csv, (char)(options->delimiter != '\0' ? options->delimiter : ','));
    *rows = made;
    return DS_OK;
}

void ds_rows_close(struct ds_rows *rows)
{
    if (rows == NULL) {
        return;
    }
    if (rows->file != NULL) {
        fclose(rows->file);
    }
    if (rows->again != NULL) {
        fclose(rows->again);
    }
    ds_charset_close(rows->charset);
    free(rows->lines);
    free(rows);
}

/* Note where the lines begin that stand in a decoded stretch. A line feed is one byte in every
 * encoding that is known here, and no part of another character, so the two sides have as many. */
static enum ds_err note_lines(struct ds_rows *rows, struct ds_slice raw, struct ds_slice text)
{
    const uint8_t *from = raw.data;
    const uint8_t *to = text.data;
    for (;;) {
        from = memchr(from, '\n', raw.size - (size_t)(from - raw.data));
        to = memchr(to, '\n', text.size - (size_t)(to - text.data));
        if (from == NULL || to == NULL) {
            return DS_OK;
        }
        from++;
        to++;
        DS_TRY(add_line(rows, (struct line){
                                  .decoded = rows->decoded + (size_t)(to - text.data),
                                  .raw = rows->raw + (size_t)(from - raw.data),
                                  .number = rows->lines[rows->line_count - 1].number + 1,
                              }));
    }
}

static enum ds_err decode(struct ds_rows *rows, struct ds_slice *text)
{
    size_t taken = 0;
    size_t made = 0;
    if (ds_charset_is_utf8(rows->charset)) {
        DS_TRY(note_lines(rows, (struct ds_slice){rows->piece, rows->held},
                          (struct ds_slice){rows->piece, rows->held}));
        *text = (struct ds_slice){rows->piece, rows->held};
        rows->raw += rows->held;
        rows->decoded += rows->held;
        rows->held = 0;
        return DS_OK;
    }
    while (taken < rows->held && made + 8 <= sizeof(rows->text)) {
        struct ds_slice from = {rows->piece + taken, rows->held - taken};
        struct ds_decoded step = ds_charset_decode(rows->charset, from, rows->at_end,
                                                   rows->text + made, sizeof(rows->text) - made);
        DS_TRY(note_lines(rows, (struct ds_slice){from.data, step.taken},
                          (struct ds_slice){rows->text + made, step.made}));
        struct line *line = &rows->lines[rows->line_count - 1];
        taken += step.taken;
        made += step.made;
        rows->raw += step.taken;
        rows->decoded += step.made;
        if (step.fault && line->fault == 0) {
            line->fault = rows->raw - line->raw;
        }
        if (step.taken == 0) {
            break; /* A character whose end is not read yet. */
        }
    }
    memmove(rows->piece, rows->piece + taken, rows->held - taken);
    rows->held -= taken;
    *text = (struct ds_slice){rows->text, made};
    return DS_OK;
}

static enum ds_err feed(struct ds_rows *rows)
{
    struct ds_slice text = {NULL, 0};
    while (text.size == 0) {
        if (!rows->at_end) {
            size_t room = sizeof(rows->piece) - rows->held;
            size_t got = fread(rows->piece + rows->held, 1, room, rows->file);
            if (ferror(rows->file) != 0) {
                return DS_ERR_IO;
            }
            rows->held += got;
            rows->at_end = got < room;
        }
        if (rows->at_end && rows->held == 0) {
            rows->finished = true;
            ds_csv_finish(&rows->csv);
            return DS_OK;
        }
        DS_TRY(decode(rows, &text));
    }
    ds_csv_feed(&rows->csv, text);
    return DS_OK;
}

/* The last line that begins at or before a place of the decoded stream. */
static size_t line_of(const struct ds_rows *rows, uint64_t decoded)
{
    size_t place = rows->first_line;
    while (place + 1 < rows->line_count && rows->lines[place + 1].decoded <= decoded) {
        place++;
    }
    return place;
}

static void place_row(struct ds_rows *rows, const struct ds_csv_row *from, struct ds_file_row *row)
{
    rows->first_line = line_of(rows, from->offset);
    const struct line *first = &rows->lines[rows->first_line];
    uint64_t end = from->offset + from->size;
    size_t last = line_of(rows, end);
    row->line = first->number;
    row->offset = first->raw + (from->offset - first->decoded);
    uint64_t raw_end = rows->raw;
    if (last + 1 < rows->line_count) {
        const struct line *next = &rows->lines[last + 1];
        raw_end = next->raw - (next->decoded - end);
    }
    row->size = raw_end - row->offset;
    for (size_t i = rows->first_line; row->bad && i <= last; i++) {
        if (rows->lines[i].fault > 0 && strstr(row->why.text, "not UTF-8") != NULL) {
            char line[24];
            char byte[24];
            snprintf(line, sizeof(line), "%llu", (unsigned long long)rows->lines[i].number);
            snprintf(byte, sizeof(byte), "%llu", (unsigned long long)rows->lines[i].fault);
            ds_detail_set(&row->why, "line ", line, ", byte ", byte, ": not ",
                          ds_charset_name(rows->charset), NULL);
            break;
        }
    }
}

enum ds_err ds_rows_next(struct ds_rows *rows, struct ds_file_row *row)
{
    struct ds_csv_row from;
    for (;;) {
        *row = (struct ds_file_row){.bad = false};
        switch (ds_csv_next(&rows->csv, &from, &row->why)) {
        case DS_CSV_MORE:
            DS_TRY(feed(rows));
            break;
        case DS_CSV_END:
            return DS_ERR_NOT_FOUND;
        case DS_CSV_BAD:
            row->bad = true;
            row->column = from.column;
            place_row(rows, &from, row);
            return DS_OK;
        case DS_CSV_ROW:
            place_row(rows, &from, row);
            if (ds_csv_row_blank(&from)) {
                break; /* An empty line says nothing. */
            }
            row->count = from.count;
            row->cells = from.cells;
            return DS_OK;
        }
    }
}

uint64_t ds_rows_size(const struct ds_rows *rows)
{
    return rows->size;
}

uint64_t ds_rows_done(const struct ds_rows *rows)
{
    return rows->raw;
}

struct ds_charset *ds_rows_charset(struct ds_rows *rows)
{
    return rows->charset;
}

enum ds_err ds_rows_copy(struct ds_rows *rows, uint64_t offset, uint64_t size, FILE *to)
{
    char piece[4000];
    if (fseeko(rows->again, (off_t)offset, SEEK_SET) != 0) {
        return DS_ERR_IO;
    }
    while (size > 0) {
        size_t want = size < sizeof(piece) ? (size_t)size : sizeof(piece);
        if (fread(piece, 1, want, rows->again) != want || fwrite(piece, 1, want, to) != want) {
            return DS_ERR_IO;
        }
        size -= want;
    }
    return DS_OK;
}

enum ds_err ds_rows_without_last(struct ds_rows *rows, uint64_t offset, uint64_t *size,
                                 char delimiter, size_t cells)
{
    uint64_t ends[DS_ROWS_CUT_MAX]; /* Places of the last delimiters, as a ring. */
    uint64_t count = 0;
    bool quoted = false;
    DS_ASSERT(cells > 0 && cells <= DS_ROWS_CUT_MAX);
    if (fseeko(rows->again, (off_t)offset, SEEK_SET) != 0) {
        return DS_ERR_IO;
    }
    for (uint64_t at = 0; at < *size; at++) {
        int c = fgetc(rows->again);
        if (c == EOF) {
            return DS_ERR_IO;
        }
        quoted = quoted != (c == '"');
        if (!quoted && c == (unsigned char)delimiter) {
            ends[count++ % cells] = at;
        }
    }
    *size = count >= cells ? ends[count % cells] : *size;
    return DS_OK;
}

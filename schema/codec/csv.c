#include "schema/codec/csv.h"

#include "schema/base/text.h"

#include <string.h>

/* Where the scan for a row's end stands. It only tells quoted line ends from real ones; what else
 * is wrong with a row is seen when it is split. */
enum state {
    AT_CELL,  /* Before the first byte of a cell. */
    IN_BARE,  /* Inside a cell without quotes. */
    IN_QUOTE, /* Inside quotes. */
    AT_QUOTE  /* Behind a quote inside quotes: the cell's end, or the first of two. */
};

void ds_csv_init(struct ds_csv *csv, char delimiter)
{
    DS_ASSERT(delimiter > 0 && delimiter != '"' && delimiter != '\r' && delimiter != '\n');
    memset(csv, 0, offsetof(struct ds_csv, cells));
    csv->delimiter = (uint8_t)delimiter;
    csv->line = 1;
}

void ds_csv_feed(struct ds_csv *csv, struct ds_slice chunk)
{
    DS_ASSERT(csv->chunk.size == 0 && !csv->finished);
    csv->chunk = chunk;
}

void ds_csv_finish(struct ds_csv *csv)
{
    csv->finished = true;
}

bool ds_csv_row_blank(const struct ds_csv_row *row)
{
    return row->count == 1 && row->raw.size == 0;
}

/* ---- The window. ---- */

/* Bring the row to the front and fill up from the chunk. False if there is nothing to come. */
static bool fill(struct ds_csv *csv)
{
    if (csv->start > 0) {
        memmove(csv->window, csv->window + csv->start, csv->held - csv->start);
        csv->held -= csv->start;
        csv->at -= csv->start;
        csv->start = 0;
    }
    size_t room = sizeof(csv->window) - csv->held;
    size_t take = csv->chunk.size < room ? csv->chunk.size : room;
    if (take == 0) {
        return false;
    }
    memcpy(csv->window + csv->held, csv->chunk.data, take);
    csv->held += take;
    csv->chunk = (struct ds_slice){csv->chunk.data + take, csv->chunk.size - take};
    return true;
}

static uint64_t count_lines(struct ds_slice bytes)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        lines += bytes.data[i] == '\n';
    }
    return lines;
}

/* Go on behind the first size bytes of the row; what was scanned behind them is forgotten. */
static void leave(struct ds_csv *csv, size_t size)
{
    csv->line += count_lines((struct ds_slice){csv->window + csv->start, size});
    csv->offset += size;
    csv->start += size;
    csv->at = csv->start;
    csv->state = AT_CELL;
}

/* A byte order mark, once. False while too little is there to tell. */
static bool begin(struct ds_csv *csv)
{
    static const uint8_t mark[] = {0xEF, 0xBB, 0xBF};
    while (csv->held < sizeof(mark) && fill(csv)) {
    }
    size_t seen = csv->held < sizeof(mark) ? csv->held : sizeof(mark);
    bool like_mark = memcmp(csv->window, mark, seen) == 0;
    if (like_mark && seen < sizeof(mark) && !csv->finished) {
        return false;
    }
    csv->begun = true;
    csv->bom = like_mark && seen == sizeof(mark);
    if (csv->bom) {
        leave(csv, sizeof(mark));
    }
    return true;
}

/* ---- Bad rows. ---- */

/* What is wrong with a row, and at which of its bytes. */
struct fault {
    const char *what; /* NULL: nothing. */
    size_t at;
    uint32_t column;
};

static enum ds_csv_event bad_row(struct ds_csv_row *row, struct fault fault,
                                 struct ds_detail *detail)
{
    uint8_t memory[96];
    struct ds_builder place;
    size_t line_start = 0;
    for (size_t i = 0; i < fault.at && i < row->raw.size; i++) {
        if (row->raw.data[i] == '\n') {
            row->line++;
            line_start = i + 1;
        }
    }
    row->column = fault.column;
    row->byte = fault.at - line_start + 1;
    row->count = 0;
    ds_builder_init(&place, memory, sizeof(memory));
    ds_put_text(&place, "line ");
    ds_put_decimal(&place, (int64_t)row->line);
    if (fault.column > 0) {
        ds_put_text(&place, ", column ");
        ds_put_decimal(&place, fault.column);
    }
    ds_put_text(&place, ", byte ");
    ds_put_decimal(&place, (int64_t)row->byte);
    ds_detail_set(detail, ds_builder_text(&place), ": ", fault.what, NULL);
    return DS_CSV_BAD;
}

/* ---- Splitting a whole row. ---- */

struct split {
    struct ds_csv *csv;
    struct ds_slice raw;
    size_t at;
    size_t text_used;
    uint32_t count;
    struct fault fault;
};

static void wrong(struct split *split, size_t at, const char *what)
{
    split->fault = (struct fault){what, at, split->count + 1};
}

/* The cell behind an opening quote; at stands on that quote. */
static struct ds_slice split_quoted(struct split *split)
{
    struct ds_slice raw = split->raw;
    size_t body = split->at + 1;
    size_t from = body;
    size_t begin_text = split->text_used;
    bool doubled = false;
    for (;;) {
        const uint8_t *quote = memchr(raw.data + from, '"', raw.size - from);
        if (quote == NULL) {
            wrong(split, split->at, "a quote that is not closed");
            return (struct ds_slice){NULL, 0};
        }
        size_t end = (size_t)(quote - raw.data);
        bool more = end + 1 < raw.size && raw.data[end + 1] == '"';
        if (more || doubled) {
            size_t size = end - from + (more ? 1 : 0);
            memcpy(split->csv->text + split->text_used, raw.data + from, size);
            split->text_used += size;
            doubled = true;
        }
        if (!more) {
            split->at = end + 1;
            return doubled ? (struct ds_slice){split->csv->text + begin_text,
                                               split->text_used - begin_text}
                           : (struct ds_slice){raw.data + body, end - body};
        }
        from = end + 2;
    }
}

static struct ds_slice split_bare(struct split *split)
{
    size_t start = split->at;
    for (; split->at < split->raw.size; split->at++) {
        uint8_t c = split->raw.data[split->at];
        if (c == split->csv->delimiter) {
            break;
        }
        if (c == '\r') {
            wrong(split, split->at, "a CR that ends no line");
            break;
        }
    }
    return (struct ds_slice){split->raw.data + start, split->at - start};
}

static void split_cell(struct split *split)
{
    size_t start = split->at;
    struct ds_slice raw = split->raw;
    if (split->count == DS_CSV_CELLS_MAX) {
        wrong(split, start, "more than 256 cells");
        return;
    }
    split->csv->begins[split->count] = (uint32_t)start;
    bool quoted = start < raw.size && raw.data[start] == '"';
    struct ds_slice cell = quoted ? split_quoted(split) : split_bare(split);
    if (split->fault.what != NULL) {
        return;
    }
    if (split->at < raw.size && raw.data[split->at] != split->csv->delimiter) {
        wrong(split, split->at, "text behind a closing quote");
    } else if (split->at - start > DS_CSV_CELL_MAX) {
        wrong(split, start + DS_CSV_CELL_MAX, "a cell longer than 32768 bytes");
    } else {
        split->csv->cells[split->count++] = cell;
    }
}

/* The cell of a byte: the last one that begins at or before it. */
static uint32_t column_of(const struct split *split, size_t at)
{
    uint32_t begun = split->count + (split->fault.what != NULL && split->count < DS_CSV_CELLS_MAX);
    uint32_t column = 1;
    while (column < begun && split->csv->begins[column] <= at) {
        column++;
    }
    return column;
}

static enum ds_csv_event split_row(struct ds_csv *csv, struct ds_csv_row *row,
                                   struct ds_detail *detail)
{
    struct split split = {.csv = csv, .raw = row->raw};
    size_t bad = 0;
    const uint8_t *nul = row->raw.size > 0 ? memchr(row->raw.data, 0, row->raw.size) : NULL;
    split_cell(&split);
    while (split.fault.what == NULL && split.at < row->raw.size) {
        split.at++; /* The delimiter; there is a cell behind it, if only an empty one. */
        split_cell(&split);
    }
    /* Bytes that are not text come first: what they break is their fault. */
    if (!ds_utf8_check(row->raw, &bad)) {
        split.fault = (struct fault){"not UTF-8", bad, column_of(&split, bad)};
    } else if (nul != NULL) {
        bad = (size_t)(nul - row->raw.data);
        split.fault = (struct fault){"a NUL byte", bad, column_of(&split, bad)};
    }
    if (split.fault.what != NULL) {
        return bad_row(row, split.fault, detail);
    }
    row->count = split.count;
    row->cells = csv->cells;
    return DS_CSV_ROW;
}

/* ---- Finding a row's end. ---- */

/* Scan what the window holds. True: at stands on the LF that ends the row. False: at the window's
 * end, or so far that the row is too long. */
static bool find_end(struct ds_csv *csv)
{
    size_t limit = csv->start + DS_CSV_LINE_MAX + 2;
    size_t end = csv->held < limit ? csv->held : limit;
    for (; csv->at < end; csv->at++) {
        uint8_t c = csv->window[csv->at];
        if (csv->state == IN_QUOTE) {
            csv->state = c == '"' ? AT_QUOTE : IN_QUOTE;
        } else if (c == '\n') {
            return true;
        } else if (c == csv->delimiter) {
            csv->state = AT_CELL;
        } else if (c == '"' && csv->state != IN_BARE) {
            csv->state = IN_QUOTE; /* An opening quote, or the second of two. */
        } else {
            csv->state = IN_BARE;
        }
    }
    return false;
}

/* Give the row that ends before at, and stand behind its end of skip bytes. */
static enum ds_csv_event give_row(struct ds_csv *csv, size_t line_end, struct ds_csv_row *row,
                                  struct ds_detail *detail)
{
    struct ds_slice raw = {csv->window + csv->start, csv->at - csv->start};
    if (line_end > 0 && raw.size > 0 && raw.data[raw.size - 1] == '\r') {
        raw.size--;
    }
    row->size = raw.size;
    row->raw = raw;
    leave(csv, csv->at - csv->start + line_end);
    if (raw.size > DS_CSV_LINE_MAX) {
        row->raw.size = DS_CSV_LINE_MAX;
        return bad_row(row, (struct fault){"a row longer than 65536 bytes", DS_CSV_LINE_MAX, 0},
                       detail);
    }
    return split_row(csv, row, detail);
}

/* A quote is still open where the row must end: only its first line is given up. False if it has
 * no second line. */
static bool give_first_line(struct ds_csv *csv, struct ds_csv_row *row, struct ds_detail *detail)
{
    struct ds_slice raw = {csv->window + csv->start, csv->at - csv->start};
    const uint8_t *end = memchr(raw.data, '\n', raw.size);
    if (end == NULL) {
        return false;
    }
    size_t size = (size_t)(end - raw.data);
    row->raw = (struct ds_slice){raw.data, size > 0 && end[-1] == '\r' ? size - 1 : size};
    row->size = row->raw.size;
    struct split split = {.csv = csv, .raw = row->raw};
    while (split.fault.what == NULL && split.at < row->raw.size) {
        split.at += split.count > 0;
        split_cell(&split);
    }
    if (split.fault.what == NULL) {
        wrong(&split, 0, "a quote that is not closed");
    }
    leave(csv, size + 1);
    (void)bad_row(row, split.fault, detail);
    return true;
}

/* Go through the rest of a line that is too long; its begin stays in the window. */
static enum ds_csv_event skip_line(struct ds_csv *csv, struct ds_csv_row *row,
                                   struct ds_detail *detail)
{
    for (;;) {
        size_t kept = csv->start + DS_CSV_LINE_MAX;
        const uint8_t *end = memchr(csv->window + csv->at, '\n', csv->held - csv->at);
        bool last = end == NULL && csv->finished && csv->chunk.size == 0;
        if (end == NULL && !last) {
            csv->skipped += csv->held - kept;
            csv->held = kept;
            csv->at = kept;
            if (!fill(csv)) {
                return DS_CSV_MORE;
            }
            continue;
        }
        size_t stop = end == NULL ? csv->held : (size_t)(end - csv->window);
        uint64_t gone = csv->skipped;
        row->raw = (struct ds_slice){csv->window + csv->start, DS_CSV_LINE_MAX};
        row->size = DS_CSV_LINE_MAX + gone + (stop - kept);
        leave(csv, stop - csv->start + (end != NULL ? 1 : 0));
        csv->offset += gone;
        csv->skipped = 0;
        csv->skipping = false;
        return bad_row(row, (struct fault){"a row longer than 65536 bytes", DS_CSV_LINE_MAX, 0},
                       detail);
    }
}

enum ds_csv_event ds_csv_next(struct ds_csv *csv, struct ds_csv_row *row, struct ds_detail *detail)
{
    if (!csv->begun && !begin(csv)) {
        return DS_CSV_MORE;
    }
    *row = (struct ds_csv_row){.line = csv->line, .offset = csv->offset};
    while (!csv->skipping) {
        if (find_end(csv)) {
            return give_row(csv, 1, row, detail);
        }
        bool too_long = csv->at - csv->start > DS_CSV_LINE_MAX + 1;
        if (!too_long && fill(csv)) {
            continue;
        }
        if (!too_long && !csv->finished) {
            return DS_CSV_MORE;
        }
        if (csv->start == csv->held) {
            return DS_CSV_END;
        }
        if ((too_long || csv->state == IN_QUOTE) && give_first_line(csv, row, detail)) {
            return DS_CSV_BAD;
        }
        if (!too_long) {
            return give_row(csv, 0, row, detail);
        }
        csv->skipping = true;
    }
    return skip_line(csv, row, detail);
}

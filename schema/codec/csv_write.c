/* The writing half of csv.h. */
#include "schema/codec/csv.h"

void ds_csv_writer_init(struct ds_csv_writer *writer, struct ds_builder *out, char delimiter)
{
    DS_ASSERT(delimiter > 0 && delimiter != '"' && delimiter != '\r' && delimiter != '\n');
    *writer = (struct ds_csv_writer){.out = out, .delimiter = (uint8_t)delimiter};
}

static void separate(struct ds_csv_writer *writer)
{
    if (writer->in_row) {
        ds_put_u8(writer->out, writer->delimiter);
    }
    writer->in_row = true;
}

/* "-12", "0.5": what a spreadsheet takes for a number and cannot take for a formula. */
static bool is_plain_number(struct ds_slice text)
{
    size_t at = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    size_t digits = 0;
    bool point = false;
    for (; at < text.size; at++) {
        if (text.data[at] >= '0' && text.data[at] <= '9') {
            digits++;
        } else if (text.data[at] == '.' && !point && digits > 0) {
            point = true;
            digits = 0;
        } else {
            return false;
        }
    }
    return digits > 0;
}

static bool is_formula_sign(uint8_t c)
{
    return c == '=' || c == '+' || c == '-' || c == '@' || c == '\t' || c == '\r';
}

/* Does a formula begin here, apostrophes in front not counted? */
static bool begins_formula(struct ds_slice text)
{
    size_t at = 0;
    while (at < text.size && text.data[at] == '\'') {
        at++;
    }
    return at < text.size && is_formula_sign(text.data[at]);
}

static bool needs_quotes(const struct ds_csv_writer *writer, struct ds_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == writer->delimiter || c == '"' || c == '\r' || c == '\n') {
            return true;
        }
    }
    return false;
}

void ds_csv_put_cell(struct ds_csv_writer *writer, struct ds_slice text)
{
    struct ds_builder *out = writer->out;
    bool guard = begins_formula(text) && !is_plain_number(text);
    separate(writer);
    if (!needs_quotes(writer, text)) {
        ds_put_text(out, guard ? "'" : "");
        ds_put_bytes(out, text);
        return;
    }
    ds_put_text(out, guard ? "\"'" : "\"");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') {
            ds_put_u8(out, '"');
        }
        ds_put_u8(out, text.data[i]);
    }
    ds_put_u8(out, '"');
}

void ds_csv_put_text(struct ds_csv_writer *writer, const char *text)
{
    ds_csv_put_cell(writer, ds_slice_of_text(text));
}

void ds_csv_put_number(struct ds_csv_writer *writer, int64_t value)
{
    separate(writer);
    ds_put_decimal(writer->out, value);
}

void ds_csv_put_verbatim(struct ds_csv_writer *writer, struct ds_slice raw)
{
    separate(writer);
    ds_put_bytes(writer->out, raw);
}

void ds_csv_end_row(struct ds_csv_writer *writer)
{
    ds_put_u8(writer->out, '\n');
    writer->in_row = false;
}

struct ds_slice ds_csv_unguard(struct ds_slice cell)
{
    if (cell.size > 1 && cell.data[0] == '\'' && begins_formula(cell)) {
        return (struct ds_slice){cell.data + 1, cell.size - 1};
    }
    return cell;
}

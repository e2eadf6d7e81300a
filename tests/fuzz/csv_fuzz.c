/* Any bytes as CSV: the first byte chooses the size of chunks and the delimiter. Chunks do not
 * matter, rows lie where they say, and a good row written again is read as the same cells. */
#include "schema/codec/csv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ds_csv first;
static struct ds_csv second;
static struct ds_csv third;

struct source {
    struct ds_slice rest;
    size_t step;
};

static enum ds_csv_event next(struct ds_csv *csv, struct source *source, struct ds_csv_row *row)
{
    enum ds_csv_event event = DS_CSV_MORE;
    while ((event = ds_csv_next(csv, row, NULL)) == DS_CSV_MORE) {
        size_t size = source->step < source->rest.size ? source->step : source->rest.size;
        if (size == 0) {
            ds_csv_finish(csv);
        } else {
            ds_csv_feed(csv, (struct ds_slice){source->rest.data, size});
            source->rest = (struct ds_slice){source->rest.data + size, source->rest.size - size};
        }
    }
    return event;
}

static void demand(bool cond)
{
    if (!cond) {
        abort();
    }
}

static void same_row(const struct ds_csv_row *a, const struct ds_csv_row *b)
{
    demand(a->line == b->line && a->column == b->column && a->byte == b->byte);
    demand(a->offset == b->offset && a->size == b->size && a->count == b->count);
    demand(ds_slice_equal(a->raw, b->raw));
    for (uint32_t i = 0; i < a->count; i++) {
        demand(ds_slice_equal(a->cells[i], b->cells[i]));
    }
}

static void rewrite(const struct ds_csv_row *row)
{
    static uint8_t memory[4 * DS_CSV_LINE_MAX];
    struct ds_builder out;
    struct ds_csv_writer writer;
    struct ds_csv_row back;
    ds_builder_init(&out, memory, sizeof(memory));
    ds_csv_writer_init(&writer, &out, ',');
    for (uint32_t i = 0; i < row->count; i++) {
        ds_csv_put_cell(&writer, row->cells[i]);
    }
    ds_csv_end_row(&writer);
    demand(!out.failed);
    if (out.used > DS_CSV_LINE_MAX) {
        return; /* Quotes and guards may take it over the limit. */
    }
    /* A mark that is data in the middle of a file is a mark at its begin. */
    if (out.used >= 3 && memcmp(memory, "\xEF\xBB\xBF", 3) == 0) {
        return;
    }
    ds_csv_init(&third, ',');
    struct source source = {{memory, out.used}, sizeof(memory)};
    demand(next(&third, &source, &back) == DS_CSV_ROW);
    demand(back.count == row->count);
    for (uint32_t i = 0; i < row->count; i++) {
        demand(ds_slice_equal(ds_csv_unguard(back.cells[i]), row->cells[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char delimiter = ",;\t|"[data[0] & 3];
    struct ds_slice text = {data + 1, size - 1};
    struct source whole = {text, text.size};
    struct source parts = {text, 1 + data[0] / 4};
    struct ds_csv_row row;
    struct ds_csv_row other;
    uint64_t end = 0;
    ds_csv_init(&first, delimiter);
    ds_csv_init(&second, delimiter);
    for (;;) {
        enum ds_csv_event event = next(&first, &whole, &row);
        demand(event == next(&second, &parts, &other));
        if (event == DS_CSV_END) {
            break;
        }
        same_row(&row, &other);
        demand(row.offset >= end && row.offset + row.size <= text.size);
        demand(row.raw.size <= row.size && row.raw.size <= DS_CSV_LINE_MAX);
        demand(row.raw.size == 0 ||
               memcmp(row.raw.data, text.data + row.offset, row.raw.size) == 0);
        end = row.offset + row.size;
        if (event == DS_CSV_ROW) {
            rewrite(&row);
        }
    }
    demand(first.bom == second.bom);
    return 0;
}

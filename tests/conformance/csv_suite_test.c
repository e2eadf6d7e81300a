/* csv-spectrum: the files give the rows that their JSON twins say, also when written again. */
#include "schema/codec/csv.h"
#include "schema/codec/record_json_jansson.h"
#include "tests/support/file.h"
#include "tests/support/test.h"

#include <string.h>

static struct ds_csv csv;

static const char *const names[] = {
    "comma_in_quotes", "empty", "empty_crlf", "json", "newlines", "simple_crlf", "simple",
};

enum { CELLS_MAX = 16 };

static void check_row(const char *name, const struct ds_csv_row *row, char header[CELLS_MAX][64],
                      const json_t *expected)
{
    if (json_object_size(expected) != row->count) {
        fail_msg("%s, line %llu: %u cells", name, (unsigned long long)row->line, row->count);
    }
    for (uint32_t i = 0; i < row->count; i++) {
        const char *cell = json_string_value(json_object_get(expected, header[i]));
        if (cell == NULL || !ds_slice_equal(row->cells[i], ds_slice_of_text(cell))) {
            fail_msg("%s, line %llu: %s is %.*s", name, (unsigned long long)row->line, header[i],
                     (int)row->cells[i].size, (const char *)row->cells[i].data);
        }
    }
}

/* Read text in chunks of step bytes; write what was read to copy, if it is not NULL. */
static void check_text(const char *name, struct ds_slice text, size_t step, const json_t *expected,
                       struct ds_csv_writer *copy)
{
    char header[CELLS_MAX][64];
    struct ds_csv_row row;
    struct ds_detail detail = {""};
    size_t at = 0;
    size_t rows = 0;
    ds_csv_init(&csv, ',');
    for (enum ds_csv_event event; (event = ds_csv_next(&csv, &row, &detail)) != DS_CSV_END;) {
        if (event == DS_CSV_MORE) {
            size_t size = step < text.size - at ? step : text.size - at;
            ds_csv_feed(&csv, (struct ds_slice){text.data + at, size});
            at += size;
            if (size == 0) {
                ds_csv_finish(&csv);
            }
            continue;
        }
        if (event == DS_CSV_BAD) {
            fail_msg("%s: %s", name, detail.text);
        }
        assert_in_range(row.count, 1, CELLS_MAX);
        for (uint32_t i = 0; i < row.count; i++) {
            if (copy != NULL) {
                ds_csv_put_cell(copy, row.cells[i]);
            }
            if (rows == 0) {
                (void)snprintf(header[i], sizeof(header[i]), "%.*s", (int)row.cells[i].size,
                               (const char *)row.cells[i].data);
            }
        }
        if (copy != NULL) {
            ds_csv_end_row(copy);
        }
        if (rows > 0) {
            check_row(name, &row, header, json_array_get(expected, rows - 1));
        }
        rows++;
    }
    assert_int_equal(rows, json_array_size(expected) + 1);
}

static void suite__every_file_gives_its_rows_in_every_chunking(void **state)
{
    (void)state;
    for (size_t i = 0; i < DS_COUNT(names); i++) {
        char path[200];
        static uint8_t memory[4096];
        struct ds_builder out;
        struct ds_csv_writer copy;
        json_t *expected = NULL;
        (void)snprintf(path, sizeof(path), "tests/conformance/data/csv/%s.csv", names[i]);
        struct ds_slice text = read_source(path);
        (void)snprintf(path, sizeof(path), "tests/conformance/data/csv/%s.json", names[i]);
        struct ds_slice json = read_source(path);
        assert_int_equal(ds_json_parse(json, &expected, NULL), DS_OK);
        for (size_t step = 1; step <= text.size; step++) {
            check_text(names[i], text, step, expected, NULL);
        }
        ds_builder_init(&out, memory, sizeof(memory));
        ds_csv_writer_init(&copy, &out, ',');
        check_text(names[i], text, text.size, expected, &copy);
        struct ds_slice written;
        assert_int_equal(ds_builder_end(&out, &written), DS_OK);
        check_text(names[i], written, written.size, expected, NULL);
        json_decref(expected);
        free((void *)text.data);
        free((void *)json.data);
    }
}

/* This file's twin is one object, of another phone number: only the cell with quotes counts. */
static void suite__quotes_in_a_bare_cell_are_letters(void **state)
{
    (void)state;
    json_t *expected = NULL;
    struct ds_csv_row row;
    struct ds_slice text = read_source("tests/conformance/data/csv/location_coordinates.csv");
    struct ds_slice json = read_source("tests/conformance/data/csv/location_coordinates.json");
    assert_int_equal(ds_json_parse(json, &expected, NULL), DS_OK);
    ds_csv_init(&csv, ',');
    ds_csv_feed(&csv, text);
    assert_int_equal(ds_csv_next(&csv, &row, NULL), DS_CSV_ROW);
    assert_int_equal(row.count, 4);
    enum ds_csv_event event = ds_csv_next(&csv, &row, NULL);
    if (event == DS_CSV_MORE) {
        ds_csv_finish(&csv);
        event = ds_csv_next(&csv, &row, NULL);
    }
    assert_int_equal(event, DS_CSV_ROW);
    assert_int_equal(row.count, 4);
    const char *place = json_string_value(json_object_get(expected, "Location Coordinates"));
    assert_true(ds_slice_equal(row.cells[1], ds_slice_of_text(place)));
    json_decref(expected);
    free((void *)text.data);
    free((void *)json.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suite__every_file_gives_its_rows_in_every_chunking),
        cmocka_unit_test(suite__quotes_in_a_bare_cell_are_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

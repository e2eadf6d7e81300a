#include "schema/codec/csv.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ds_csv csv;

/* Reads a whole text in chunks of step bytes into one line a row: cells as [a|b|c], bad rows as
 * their detail; what reading gave, as text. */
struct transcript {
    char text[16384];
    size_t used;
};

static void note(struct transcript *out, const void *bytes, size_t size)
{
    assert_true(out->used + size < sizeof(out->text));
    memcpy(out->text + out->used, bytes, size);
    out->used += size;
    out->text[out->used] = '\0';
}

static void note_text(struct transcript *out, const char *text)
{
    note(out, text, strlen(text));
}

static void note_row(struct transcript *out, enum ds_csv_event event, const struct ds_csv_row *row,
                     const struct ds_detail *detail)
{
    if (event == DS_CSV_BAD) {
        note_text(out, detail->text);
        note_text(out, "\n");
        return;
    }
    note_text(out, "[");
    for (uint32_t i = 0; i < row->count; i++) {
        note_text(out, i > 0 ? "|" : "");
        note(out, row->cells[i].data, row->cells[i].size);
    }
    note_text(out, "]\n");
}

static void read_all(struct ds_slice text, size_t step, char delimiter, struct transcript *out)
{
    struct ds_csv_row row;
    struct ds_detail detail = {""};
    size_t at = 0;
    uint64_t end_before = 0;
    uint8_t *chunk = NULL;
    out->used = 0;
    out->text[0] = '\0';
    ds_csv_init(&csv, delimiter);
    for (;;) {
        enum ds_csv_event event = ds_csv_next(&csv, &row, &detail);
        if (event == DS_CSV_END) {
            break;
        }
        if (event == DS_CSV_MORE) {
            size_t size = step < text.size - at ? step : text.size - at;
            /* A heap copy of exactly the chunk, gone when the next one comes. */
            free(chunk);
            chunk = malloc(size + 1);
            assert_non_null(chunk);
            memcpy(chunk, text.data + at, size);
            if (size == 0) {
                ds_csv_finish(&csv);
            } else {
                ds_csv_feed(&csv, (struct ds_slice){chunk, size});
                at += size;
            }
            continue;
        }
        /* Rows lie in the stream where they say, one behind the other. */
        assert_true(row.offset >= end_before);
        assert_true(row.offset + row.size <= text.size);
        assert_memory_equal(row.raw.data, text.data + row.offset, row.raw.size);
        assert_true(row.raw.size <= DS_CSV_LINE_MAX && row.raw.size <= row.size);
        end_before = row.offset + row.size;
        note_row(out, event, &row, &detail);
    }
    free(chunk);
    assert_int_equal(at, text.size);
    assert_int_equal(ds_csv_next(&csv, &row, &detail), DS_CSV_END);
}

struct reading {
    const char *text;
    const char *rows;
};

static void check_readings(const struct reading *cases, size_t count, char delimiter)
{
    static struct transcript out;
    for (size_t i = 0; i < count; i++) {
        for (size_t step = 1; step <= strlen(cases[i].text) + 1; step++) {
            read_all(ds_slice_of_text(cases[i].text), step, delimiter, &out);
            if (strcmp(out.text, cases[i].rows) != 0) {
                fail_msg("case %zu, chunks of %zu: got\n%swanted\n%s", i, step, out.text,
                         cases[i].rows);
            }
        }
    }
}

static void read__good_rows_in_chunks_of_every_size(void **state)
{
    (void)state;
    static const struct reading cases[] = {
        {"", ""},
        {"a", "[a]\n"},
        {"a\n", "[a]\n"},
        {"a\r\n", "[a]\n"},
        {"a,b\nc,d", "[a|b]\n[c|d]\n"},
        {"a,b\r\nc,d\r\n", "[a|b]\n[c|d]\n"},
        {",\n", "[|]\n"},
        {"a,\n", "[a|]\n"},
        {"\n\na\n", "[]\n[]\n[a]\n"},
        {"\"\"\n", "[]\n"},
        {"\"a\"", "[a]\n"},
        {"\"a\",\"b\"\n", "[a|b]\n"},
        {"\"a,b\",c\n", "[a,b|c]\n"},
        {"\"a\nb\r\nc\",d\n", "[a\nb\r\nc|d]\n"},
        {"\"say \"\"hi\"\" twice\",x\n", "[say \"hi\" twice|x]\n"},
        {"\"\"\"\"\n", "[\"]\n"},
        {"\"\"\"a\",\"b\"\"\"\n", "[\"a|b\"]\n"},
        {" a , b \n", "[ a | b ]\n"},
        {"表号,读数\nA1,5\n", "[表号|读数]\n[A1|5]\n"},
        {"\xEF\xBB\xBF"
         "a,b\n",
         "[a|b]\n"},
        {"\xEF\xBB\xBF", ""},
        {"\xEF\xBB\xBF\"a\"\n", "[a]\n"},
        {"a;b\n", "[a;b]\n"},
        {"a,b\"c,d\nnext,1\n", "[a|b\"c|d]\n[next|1]\n"},
        {"5\",\"6\"\"\",7\"\"\n", "[5\"|6\"|7\"\"]\n"},
    };
    check_readings(cases, DS_COUNT(cases), ',');
}

static void read__bad_rows_are_named_and_cost_only_themselves(void **state)
{
    (void)state;
    static const struct reading cases[] = {
        {"x\na,\"b\"c,d\nnext\n",
         "[x]\nline 2, column 2, byte 6: text behind a closing quote\n[next]\n"},
        {"a,b\rc\nnext\n", "line 1, column 2, byte 4: a CR that ends no line\n[next]\n"},
        {"a\rb", "line 1, column 1, byte 2: a CR that ends no line\n"},
        {"a\r", "line 1, column 1, byte 2: a CR that ends no line\n"},
        {"a\r\r\nb\n", "line 1, column 1, byte 2: a CR that ends no line\n[b]\n"},
        /* A quote that is never closed costs its line, not the file. */
        {"a\nb,\"c\nd,e\nf\n",
         "[a]\nline 2, column 2, byte 3: a quote that is not closed\n[d|e]\n[f]\n"},
        {"a,\"b", "line 1, column 2, byte 3: a quote that is not closed\n"},
        {"\"\r\nb\r\n", "line 1, column 1, byte 1: a quote that is not closed\n[b]\n"},
        {"\"\"\"\nb\n", "line 1, column 1, byte 1: a quote that is not closed\n[b]\n"},
        /* The fault on the second line of a row. */
        {"a,\"b\nc\"d\ne\n", "line 2, column 2, byte 3: text behind a closing quote\n[e]\n"},
        {"a,\"b\nc\xFF\"\ne\n", "line 2, column 2, byte 2: not UTF-8\n[e]\n"},
        {"a,\xD6\xD0,c\nok\n", "line 1, column 2, byte 4: not UTF-8\n[ok]\n"},
        {"\xD6\xD0,c\nok\n", "line 1, column 1, byte 2: not UTF-8\n[ok]\n"},
        {"a,\"b\"c,\xFF\nok\n", "line 1, column 2, byte 8: not UTF-8\n[ok]\n"},
        {"a,b,\xE8\xA1", "line 1, column 3, byte 7: not UTF-8\n"},
        {"\xEF\xBB,a\n", "line 1, column 1, byte 3: not UTF-8\n"},
        {"\xFF\xFE"
         "a\n",
         "line 1, column 1, byte 1: not UTF-8\n"},
        {"a\n\xEF\xBB\xBF"
         "b\n",
         "[a]\n[\xEF\xBB\xBF"
         "b]\n"},
    };
    check_readings(cases, DS_COUNT(cases), ',');
    static struct transcript out;
    read_all(DS_SLICE_LIT("a,b\0c\nd\n"), 3, ',', &out);
    assert_string_equal(out.text, "line 1, column 2, byte 4: a NUL byte\n[d]\n");
}

static void read__other_delimiters(void **state)
{
    (void)state;
    static const struct reading semicolon[] = {{"a;b,c;\"d;e\"\n", "[a|b,c|d;e]\n"}};
    static const struct reading tab[] = {{"a\tb\t\"c\td\"\n", "[a|b|c\td]\n"}};
    check_readings(semicolon, 1, ';');
    check_readings(tab, 1, '\t');
}

static void read__rows_carry_line_offset_and_raw_bytes(void **state)
{
    (void)state;
    static const char text[] = "\xEF\xBB\xBFh1,h2\r\n\"a\nb\",2\r\n\r\nlast";
    struct ds_csv_row row;
    ds_csv_init(&csv, ',');
    assert_int_equal(ds_csv_next(&csv, &row, NULL), DS_CSV_MORE);
    ds_csv_feed(&csv, ds_slice_of_text(text));
    ds_csv_finish(&csv);
    assert_int_equal(ds_csv_next(&csv, &row, NULL), DS_CSV_ROW);
    assert_true(csv.bom);
    assert_int_equal(row.line, 1);
    assert_int_equal(row.offset, 3);
    assert_int_equal(row.size, 5);
    assert_false(ds_csv_row_blank(&row));
    assert_int_equal(ds_csv_next(&csv, &row, NULL), DS_CSV_ROW);
    assert_int_equal(row.line, 2);
    assert_int_equal(row.offset, 10);
    assert_true(ds_slice_equal(row.raw, DS_SLICE_LIT("\"a\nb\",2")));
    assert_int_equal(ds_csv_next(&csv, &row, NULL), DS_CSV_ROW);
    assert_int_equal(row.line, 4);
    assert_true(ds_csv_row_blank(&row));
    assert_int_equal(ds_csv_next(&csv, &row, NULL), DS_CSV_ROW);
    assert_int_equal(row.line, 5);
    assert_int_equal(row.offset, 21);
    assert_int_equal(ds_csv_next(&csv, &row, NULL), DS_CSV_END);
    ds_csv_init(&csv, ',');
    ds_csv_feed(&csv, DS_SLICE_LIT("a\n"));
    assert_int_equal(ds_csv_next(&csv, &row, NULL), DS_CSV_ROW);
    assert_false(csv.bom);
}

/* A row of size bytes in cells of cell bytes, then a line end. */
static char *long_row(size_t size, size_t cell, bool quoted)
{
    char *text = malloc(size + 8);
    assert_non_null(text);
    memset(text, 'x', size);
    for (size_t at = cell; at < size; at += cell + 1) {
        text[at] = ',';
    }
    if (quoted) {
        text[0] = '"';
        text[1] = '\n';
        text[size - 1] = '"';
    }
    memcpy(text + size, "\nok\n", 5);
    return text;
}

static void limit__a_row_of_65536_bytes_passes_and_one_more_does_not(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 4096, 65536, 1 << 20};
    for (size_t size = DS_CSV_LINE_MAX - 1; size <= DS_CSV_LINE_MAX + 3; size++) {
        for (size_t i = 0; i < DS_COUNT(steps); i++) {
            struct ds_csv_row row;
            struct ds_detail detail = {""};
            char *text = long_row(size, 1000, false);
            size_t length = strlen(text);
            size_t at = 0;
            enum ds_csv_event event = DS_CSV_MORE;
            ds_csv_init(&csv, ',');
            while ((event = ds_csv_next(&csv, &row, &detail)) == DS_CSV_MORE) {
                size_t take = steps[i] < length - at ? steps[i] : length - at;
                ds_csv_feed(&csv, (struct ds_slice){(const uint8_t *)text + at, take});
                at += take;
            }
            assert_int_equal(row.size, size);
            if (size <= DS_CSV_LINE_MAX) {
                assert_int_equal(event, DS_CSV_ROW);
                assert_int_equal(row.raw.size, size);
            } else {
                assert_int_equal(event, DS_CSV_BAD);
                assert_int_equal(row.raw.size, DS_CSV_LINE_MAX);
                assert_string_equal(detail.text,
                                    "line 1, byte 65537: a row longer than 65536 bytes");
            }
            while ((event = ds_csv_next(&csv, &row, &detail)) == DS_CSV_MORE) {
                size_t take = steps[i] < length - at ? steps[i] : length - at;
                ds_csv_feed(&csv, (struct ds_slice){(const uint8_t *)text + at, take});
                at += take;
            }
            assert_int_equal(event, DS_CSV_ROW);
            assert_true(ds_slice_equal(row.cells[0], DS_SLICE_LIT("ok")));
            assert_int_equal(row.line, 2);
            assert_int_equal(row.offset, size + 1);
            free(text);
        }
    }
    /* CRLF: the CR is not of the row. */
    char *text = long_row(DS_CSV_LINE_MAX, 1000, false);
    memcpy(text + DS_CSV_LINE_MAX, "\r\n", 3);
    struct ds_csv_row row;
    ds_csv_init(&csv, ',');
    ds_csv_feed(&csv, ds_slice_of_text(text));
    assert_int_equal(ds_csv_next(&csv, &row, NULL), DS_CSV_ROW);
    assert_int_equal(row.raw.size, DS_CSV_LINE_MAX);
    free(text);
}

static void limit__a_cell_of_32768_bytes_passes_and_one_more_does_not(void **state)
{
    (void)state;
    for (int quoted = 0; quoted < 2; quoted++) {
        for (size_t size = DS_CSV_CELL_MAX; size <= DS_CSV_CELL_MAX + 1; size++) {
            struct ds_csv_row row;
            struct ds_detail detail = {""};
            char *text = long_row(size, size, quoted);
            ds_csv_init(&csv, ',');
            ds_csv_feed(&csv, ds_slice_of_text(text));
            enum ds_csv_event event = ds_csv_next(&csv, &row, &detail);
            if (size == DS_CSV_CELL_MAX) {
                assert_int_equal(event, DS_CSV_ROW);
                assert_int_equal(row.cells[0].size, size - (quoted ? 2 : 0));
            } else {
                assert_int_equal(event, DS_CSV_BAD);
                assert_int_equal(row.column, 1);
                assert_string_equal(
                    detail.text, quoted ? "line 2, column 1, byte 32767: a cell longer than 32768 "
                                          "bytes"
                                        : "line 1, column 1, byte 32769: a cell longer than 32768 "
                                          "bytes");
            }
            assert_int_equal(ds_csv_next(&csv, &row, &detail), DS_CSV_ROW);
            free(text);
        }
    }
}

static void limit__a_row_of_256_cells_passes_and_one_more_does_not(void **state)
{
    (void)state;
    for (unsigned cells = DS_CSV_CELLS_MAX; cells <= DS_CSV_CELLS_MAX + 1; cells++) {
        char text[400];
        struct ds_csv_row row;
        struct ds_detail detail = {""};
        memset(text, ',', cells - 1);
        memcpy(text + cells - 1, "\nok\n", 5);
        ds_csv_init(&csv, ',');
        ds_csv_feed(&csv, ds_slice_of_text(text));
        enum ds_csv_event event = ds_csv_next(&csv, &row, &detail);
        assert_int_equal(event, cells <= DS_CSV_CELLS_MAX ? DS_CSV_ROW : DS_CSV_BAD);
        assert_int_equal(row.count, cells <= DS_CSV_CELLS_MAX ? cells : 0);
        assert_string_equal(detail.text, cells <= DS_CSV_CELLS_MAX
                                             ? ""
                                             : "line 1, column 257, byte 257: more than 256 cells");
        assert_int_equal(ds_csv_next(&csv, &row, &detail), DS_CSV_ROW);
    }
}

/* B3: a line of 50 MB. Its place and size are named, memory stays the struct, the rest loads. */
static void limit__b3_a_line_of_50_megabytes_costs_one_row(void **state)
{
    (void)state;
    static const struct {
        const char *before; /* Begin of the long line. */
        const char *after;  /* Its end, and the lines behind it. */
        uint64_t extra;     /* Bytes of the line besides the filling. */
        unsigned rows;      /* Good rows behind. */
    } cases[] = {
        {"", "\nB2,7\n", 0, 1},
        {"B1,", "\r\nB2,7\nB3,8", 4, 2},
        {"B1,\"", "\nB2,7\n", 4, 1},
        {"", "", 0, 0},
    };
    static char chunk[100000];
    memset(chunk, 'z', sizeof(chunk));
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_csv_row row;
        struct ds_detail detail = {""};
        unsigned good = 0;
        unsigned bad = 0;
        unsigned fed = 0;
        ds_csv_init(&csv, ',');
        ds_csv_feed(&csv, DS_SLICE_LIT("h1,h2\n"));
        for (;;) {
            enum ds_csv_event event = ds_csv_next(&csv, &row, &detail);
            if (event == DS_CSV_END) {
                break;
            }
            if (event == DS_CSV_MORE && fed == 0) {
                ds_csv_feed(&csv, ds_slice_of_text(cases[i].before));
            } else if (event == DS_CSV_MORE && fed <= 500) {
                ds_csv_feed(&csv, (struct ds_slice){(const uint8_t *)chunk, sizeof(chunk)});
            } else if (event == DS_CSV_MORE && fed == 501) {
                ds_csv_feed(&csv, ds_slice_of_text(cases[i].after));
            } else if (event == DS_CSV_MORE) {
                ds_csv_finish(&csv);
            }
            fed += event == DS_CSV_MORE;
            good += event == DS_CSV_ROW;
            if (event == DS_CSV_BAD) {
                bad++;
                assert_string_equal(detail.text,
                                    "line 2, byte 65537: a row longer than 65536 bytes");
                assert_int_equal(row.offset, 6);
                assert_int_equal(row.size, 50000000 + cases[i].extra);
            }
            if (event == DS_CSV_ROW && good > 1) {
                assert_int_equal(row.line, good + 1);
                assert_int_equal(row.offset > 50000000, 1);
            }
        }
        assert_int_equal(bad, 1);
        assert_int_equal(good, 1 + cases[i].rows);
    }
}

static void limit__an_open_quote_costs_its_line_and_the_lines_behind_load(void **state)
{
    (void)state;
    enum { LINES = 40000, OPEN_1 = 7, OPEN_2 = 39990 };
    char *text = malloc(LINES * 16);
    assert_non_null(text);
    size_t used = 0;
    for (unsigned i = 1; i <= LINES; i++) {
        const char *quote = i == OPEN_1 || i == OPEN_2 ? "\"" : "";
        used += (size_t)snprintf(text + used, 16, "m,%s%u\n", quote, i);
    }
    struct ds_csv_row row;
    unsigned good = 0;
    unsigned bad = 0;
    ds_csv_init(&csv, ',');
    ds_csv_feed(&csv, (struct ds_slice){(const uint8_t *)text, used});
    for (enum ds_csv_event event; (event = ds_csv_next(&csv, &row, NULL)) != DS_CSV_END;) {
        unsigned line = good + bad + 1;
        if (event == DS_CSV_MORE) {
            ds_csv_finish(&csv);
            continue;
        }
        assert_int_equal(row.line, line);
        if (event == DS_CSV_BAD) {
            assert_true(line == OPEN_1 || line == OPEN_2);
            assert_int_equal(row.column, 2);
            bad++;
        } else {
            good++;
        }
    }
    assert_int_equal(bad, 2);
    assert_int_equal(good, LINES - 2);
    free(text);
}

/* ---- Writing. ---- */

static uint8_t written[1 << 16];

static void write__cells_are_quoted_and_guarded_when_they_must_be(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *cell;
    } cases[] = {
        {"", ""},
        {"a b", "a b"},
        {"a,b", "\"a,b\""},
        {"a;b", "a;b"},
        {"say \"x\"", "\"say \"\"x\"\"\""},
        {"a\nb", "\"a\nb\""},
        {"a\rb", "\"a\rb\""},
        {"=1+1", "'=1+1"},
        {"+86 311", "'+86 311"},
        {"-x", "'-x"},
        {"@x", "'@x"},
        {"\tx", "'\tx"},
        {"\rx", "\"'\rx\""},
        {"=\"a\"", "\"'=\"\"a\"\"\""},
        {"'=x", "''=x"},
        {"''=x", "'''=x"},
        {"'x", "'x"},
        {"-12", "-12"},
        {"-0.5", "-0.5"},
        {"-", "'-"},
        {"-1.", "'-1."},
        {"-.5", "'-.5"},
        {"-1.5.2", "'-1.5.2"},
        {"-1-1", "'-1-1"},
        {"--1", "'--1"},
        {"+5", "'+5"},
        {"5=5", "5=5"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_builder out;
        struct ds_csv_writer writer;
        ds_builder_init(&out, written, sizeof(written));
        ds_csv_writer_init(&writer, &out, ',');
        ds_csv_put_text(&writer, cases[i].text);
        assert_string_equal(ds_builder_text(&out), cases[i].cell);
    }
}

static void write__rows_are_joined_by_the_delimiter_and_end_with_lf(void **state)
{
    (void)state;
    struct ds_builder out;
    struct ds_csv_writer writer;
    ds_builder_init(&out, written, sizeof(written));
    ds_csv_writer_init(&writer, &out, ';');
    ds_csv_put_text(&writer, "a;b");
    ds_csv_put_number(&writer, -5);
    ds_csv_end_row(&writer);
    ds_csv_put_verbatim(&writer, DS_SLICE_LIT("\"as it;stood"));
    ds_csv_put_text(&writer, "a,b");
    ds_csv_end_row(&writer);
    ds_csv_end_row(&writer);
    assert_string_equal(ds_builder_text(&out), "\"a;b\";-5\n\"as it;stood;a,b\n\n");
}

static void round_trip__written_cells_read_back_and_the_guard_comes_off(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        static const char letters[] = "a,;\"\n\r'=+-@\t0.9 x";
        struct prng prng = {seed};
        uint8_t cells[6][12];
        size_t sizes[6];
        uint32_t count = 1 + (uint32_t)prng_below(&prng, 6);
        struct ds_builder out;
        struct ds_csv_writer writer;
        ds_builder_init(&out, written, sizeof(written));
        ds_csv_writer_init(&writer, &out, seed % 2 ? ',' : ';');
        for (uint32_t i = 0; i < count; i++) {
            sizes[i] = prng_below(&prng, sizeof(cells[i]) + 1);
            for (size_t at = 0; at < sizes[i]; at++) {
                cells[i][at] = (uint8_t)letters[prng_below(&prng, sizeof(letters) - 1)];
            }
            ds_csv_put_cell(&writer, (struct ds_slice){cells[i], sizes[i]});
        }
        ds_csv_end_row(&writer);
        struct ds_csv_row row;
        struct ds_detail detail = {""};
        ds_csv_init(&csv, seed % 2 ? ',' : ';');
        ds_csv_feed(&csv, (struct ds_slice){written, out.used});
        if (ds_csv_next(&csv, &row, &detail) != DS_CSV_ROW) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, detail.text);
        }
        assert_int_equal(row.count, count);
        for (uint32_t i = 0; i < count; i++) {
            struct ds_slice back = ds_csv_unguard(row.cells[i]);
            struct ds_slice cell = {cells[i], sizes[i]};
            if (!ds_slice_equal(back, cell)) {
                fail_msg("seed %llu, cell %u", (unsigned long long)seed, i);
            }
            /* Nothing that a spreadsheet would run. */
            uint8_t first = row.cells[i].size == 0 ? 'x' : row.cells[i].data[0];
            assert_false(first == '=' || first == '+' || first == '@' || first == '\t' ||
                         first == '\r');
        }
        assert_int_equal(row.size, out.used - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__good_rows_in_chunks_of_every_size),
        cmocka_unit_test(read__bad_rows_are_named_and_cost_only_themselves),
        cmocka_unit_test(read__other_delimiters),
        cmocka_unit_test(read__rows_carry_line_offset_and_raw_bytes),
        cmocka_unit_test(limit__a_row_of_65536_bytes_passes_and_one_more_does_not),
        cmocka_unit_test(limit__a_cell_of_32768_bytes_passes_and_one_more_does_not),
        cmocka_unit_test(limit__a_row_of_256_cells_passes_and_one_more_does_not),
        cmocka_unit_test(limit__b3_a_line_of_50_megabytes_costs_one_row),
        cmocka_unit_test(limit__an_open_quote_costs_its_line_and_the_lines_behind_load),
        cmocka_unit_test(write__cells_are_quoted_and_guarded_when_they_must_be),
        cmocka_unit_test(write__rows_are_joined_by_the_delimiter_and_end_with_lf),
        cmocka_unit_test(round_trip__written_cells_read_back_and_the_guard_comes_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

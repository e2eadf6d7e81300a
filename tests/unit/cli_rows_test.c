/* Rows of a file in whatever encoding: each knows its line and its range of bytes, wherever the
 * pieces are cut. */
#include "tests/support/prng.h"
#include "tests/support/test.h"
#include "tools/cli/rows.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void write_bytes(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static struct ds_rows *open_rows(const char *encoding)
{
    struct ds_rows_options options = {encoding, ','};
    struct ds_rows *rows = NULL;
    struct ds_detail detail = {""};
    assert_int_equal(ds_rows_open(path, &options, &rows, &detail), DS_OK);
    return rows;
}

/* The bytes of a row as ds_rows_copy() gives them. */
static char *copied(struct ds_rows *rows, const struct ds_file_row *row)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_int_equal(ds_rows_copy(rows, row->offset, row->size, to), DS_OK);
    fclose(to);
    assert_int_equal(size, row->size);
    return text;
}

static void rows__know_their_lines_and_bytes_across_quotes_and_line_ends(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "a,b\r\n\"x\ny\",2\n\nlast,3";
    static const struct {
        uint64_t line;
        uint64_t offset;
        const char *raw;
    } expected[] = {{1, 3, "a,b"}, {2, 8, "\"x\ny\",2"}, {5, 17, "last,3"}};
    write_bytes(text, sizeof(text) - 1);
    struct ds_rows *rows = open_rows(NULL);
    struct ds_file_row row;
    for (size_t i = 0; i < DS_COUNT(expected); i++) {
        assert_int_equal(ds_rows_next(rows, &row), DS_OK);
        assert_false(row.bad);
        assert_int_equal(row.line, expected[i].line);
        assert_int_equal(row.offset, expected[i].offset);
        char *raw = copied(rows, &row);
        assert_string_equal(raw, expected[i].raw);
        free(raw);
    }
    assert_int_equal(ds_rows_next(rows, &row), DS_ERR_NOT_FOUND);
    assert_int_equal(ds_rows_done(rows), ds_rows_size(rows));
    ds_rows_close(rows);
}

/* Texts of one, two and four bytes a character in GB18030, so that some are cut by every piece. */
static const struct {
    const char *gb;
    const char *utf8;
} texts[] = {
    {"x", "x"},
    {"\xb1\xed", "表"},
    {"\xd5\xf4\xc6\xf8", "蒸气"},
    {"\x95\x32\x82\x36", "\xf0\xa0\x80\x80"},
    {"\xa1\xe4", "′"},
};

static void gb18030__is_decoded_alike_wherever_the_pieces_are_cut(void **state)
{
    (void)state;
    enum { ROWS = 30000 };
    struct prng prng = {.state = 1};
    uint8_t *gb = calloc(ROWS, 64);
    uint8_t *chosen = calloc(ROWS, 6);
    size_t *offsets = calloc(ROWS + 1, sizeof(*offsets));
    assert_non_null(gb);
    assert_non_null(chosen);
    assert_non_null(offsets);
    struct ds_builder file;
    ds_builder_init(&file, gb, (size_t)ROWS * 64);
    for (size_t i = 0; i < ROWS; i++) {
        offsets[i] = file.used;
        for (size_t k = 0; k < 6; k++) {
            chosen[i * 6 + k] = (uint8_t)prng_below(&prng, DS_COUNT(texts));
            ds_put_text(&file, texts[chosen[i * 6 + k]].gb);
            ds_put_text(&file, k == 5 ? "\n" : ",");
        }
    }
    struct ds_slice bytes;
    assert_int_equal(ds_builder_end(&file, &bytes), DS_OK);
    offsets[ROWS] = bytes.size;
    assert_true(bytes.size > 5 * DS_ROWS_PIECE);
    write_bytes(bytes.data, bytes.size);
    struct ds_rows *rows = open_rows("GB18030");
    struct ds_file_row row;
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(ds_rows_next(rows, &row), DS_OK);
        assert_false(row.bad);
        assert_int_equal(row.line, i + 1);
        assert_int_equal(row.offset, offsets[i]);
        assert_int_equal(row.size, offsets[i + 1] - offsets[i] - 1);
        assert_int_equal(row.count, 6);
        for (size_t k = 0; k < 6; k++) {
            const char *text = texts[chosen[i * 6 + k]].utf8;
            assert_true(ds_slice_equal(row.cells[k], ds_slice_of_text(text)));
        }
    }
    assert_int_equal(ds_rows_next(rows, &row), DS_ERR_NOT_FOUND);
    ds_rows_close(rows);
    free(gb);
    free(chosen);
    free(offsets);
}

static void gb18030__a_bad_byte_costs_its_row_and_is_named_in_the_files_own_bytes(void **state)
{
    (void)state;
    /* Row 2: a lead byte before the line end; row 4: a second byte that is none, at byte 5. */
    static const char text[] = "\xb1\xed,1\nab\xb1\nc,\xb1\xed\n\xb1\xed,d\xff!\nlast,2\nx\xb1";
    static const struct {
        bool bad;
        uint64_t line;
        uint32_t column;
        const char *why;
    } expected[] = {
        {false, 1, 0, ""}, {true, 2, 1, "line 2, byte 3: not GB18030"},
        {false, 3, 0, ""}, {true, 4, 2, "line 4, byte 5: not GB18030"},
        {false, 5, 0, ""}, {true, 6, 1, "line 6, byte 2: not GB18030"},
    };
    write_bytes(text, sizeof(text) - 1);
    struct ds_rows *rows = open_rows("gb18030");
    struct ds_file_row row;
    for (size_t i = 0; i < DS_COUNT(expected); i++) {
        assert_int_equal(ds_rows_next(rows, &row), DS_OK);
        assert_int_equal(row.bad, expected[i].bad);
        assert_int_equal(row.line, expected[i].line);
        if (row.bad) {
            assert_int_equal(row.column, expected[i].column);
            assert_string_equal(row.why.text, expected[i].why);
        }
    }
    assert_int_equal(ds_rows_next(rows, &row), DS_ERR_NOT_FOUND);
    ds_rows_close(rows);
}

static void gb18030__a_line_that_is_too_long_is_copied_whole(void **state)
{
    (void)state;
    enum { PAIRS = 200000 };
    uint8_t *text = malloc(2 * PAIRS + 16);
    assert_non_null(text);
    struct ds_builder file;
    ds_builder_init(&file, text, 2 * PAIRS + 16);
    ds_put_text(&file, "a,b\n");
    for (size_t i = 0; i < PAIRS; i++) {
        ds_put_text(&file, "\xb1\xed");
    }
    ds_put_text(&file, "\nc,d\n");
    struct ds_slice bytes;
    assert_int_equal(ds_builder_end(&file, &bytes), DS_OK);
    write_bytes(bytes.data, bytes.size);
    struct ds_rows *rows = open_rows("gbk");
    struct ds_file_row row;
    assert_int_equal(ds_rows_next(rows, &row), DS_OK);
    assert_int_equal(ds_rows_next(rows, &row), DS_OK);
    assert_true(row.bad);
    assert_int_equal(row.line, 2);
    assert_int_equal(row.offset, 4);
    assert_int_equal(row.size, 2 * PAIRS);
    char *raw = copied(rows, &row);
    assert_memory_equal(raw, text + 4, 2 * PAIRS);
    free(raw);
    assert_int_equal(ds_rows_next(rows, &row), DS_OK);
    assert_false(row.bad);
    assert_int_equal(row.line, 3);
    ds_rows_close(rows);
    free(text);
}

static void a_quote_that_is_never_closed__costs_its_own_line(void **state)
{
    (void)state;
    static const char text[] = "a,b\n\"open,2\nc,d\n";
    write_bytes(text, sizeof(text) - 1);
    struct ds_rows *rows = open_rows("utf-8");
    struct ds_file_row row;
    assert_int_equal(ds_rows_next(rows, &row), DS_OK);
    assert_int_equal(ds_rows_next(rows, &row), DS_OK);
    assert_true(row.bad);
    assert_int_equal(row.line, 2);
    char *raw = copied(rows, &row);
    assert_string_equal(raw, "\"open,2");
    free(raw);
    assert_int_equal(ds_rows_next(rows, &row), DS_OK);
    assert_false(row.bad);
    assert_int_equal(row.line, 3);
    ds_rows_close(rows);
}

static void encodings__are_known_by_name_and_written_back(void **state)
{
    (void)state;
    static const char *const known[] = {"utf-8", "UTF8", "gb18030", "GB-18030", "gbk", "GBK"};
    static const char *const unknown[] = {"", "latin1", "utf-16", "gb18030x", "utf-88888888888888"};
    struct ds_charset *charset = NULL;
    struct ds_detail detail = {""};
    uint8_t memory[64];
    struct ds_builder out;
    for (size_t i = 0; i < DS_COUNT(known); i++) {
        assert_int_equal(ds_charset_open(known[i], &charset, &detail), DS_OK);
        ds_charset_close(charset);
    }
    for (size_t i = 0; i < DS_COUNT(unknown); i++) {
        assert_int_equal(ds_charset_open(unknown[i], &charset, &detail), DS_ERR_SCHEMA);
    }
    assert_int_equal(ds_charset_open("gbk", &charset, &detail), DS_OK);
    ds_builder_init(&out, memory, sizeof(memory));
    /* GBK has no character outside the BMP. */
    ds_charset_encode(charset, DS_SLICE_LIT("a表\xf0\xa0\x80\x80z"), &out);
    assert_int_equal(out.used, 5);
    assert_memory_equal(memory, "a\xb1\xed?z", 5);
    ds_charset_close(charset);
}

static void a_file_that_cannot_be_read__is_named(void **state)
{
    (void)state;
    struct ds_rows_options options = {NULL, ','};
    struct ds_rows *rows = NULL;
    struct ds_detail detail = {""};
    assert_int_equal(ds_rows_open("/nowhere/at.csv", &options, &rows, &detail), DS_ERR_NOT_FOUND);
    assert_non_null(strstr(detail.text, "/nowhere/at.csv"));
    assert_int_equal(ds_rows_open("/tmp", &options, &rows, &detail), DS_ERR_IO);
}

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/cli-rows-XXXXXX");
    int fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows__know_their_lines_and_bytes_across_quotes_and_line_ends),
        cmocka_unit_test(gb18030__is_decoded_alike_wherever_the_pieces_are_cut),
        cmocka_unit_test(gb18030__a_bad_byte_costs_its_row_and_is_named_in_the_files_own_bytes),
        cmocka_unit_test(gb18030__a_line_that_is_too_long_is_copied_whole),
        cmocka_unit_test(a_quote_that_is_never_closed__costs_its_own_line),
        cmocka_unit_test(encodings__are_known_by_name_and_written_back),
        cmocka_unit_test(a_file_that_cannot_be_read__is_named),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}

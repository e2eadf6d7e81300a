#include "tools/cli/badfile.h"

#include "schema/base/text.h"
#include "tools/cli/outfile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const own_columns[] = {"_line", "_column", "_reason"};

bool ds_badfile_is_ours(const struct ds_slice *cells, size_t count)
{
    const size_t own = DS_COUNT(own_columns);
    bool ours = count > own;
    for (size_t i = 0; ours && i < own; i++) {
        ours = ds_slice_equal(cells[count - own + i], ds_slice_of_text(own_columns[i]));
    }
    return ours;
}

/* FILE.bad.csv of FILE; FILE.bad2.csv of FILE.bad.csv, and so on. */
static int name_after(const char *path, char name[static DS_BADFILE_PATH_MAX])
{
    static const char end[] = ".csv";
    static const char mark[] = ".bad";
    size_t size = strlen(path);
    size_t digits = size < sizeof(end) ? 0 : size - (sizeof(end) - 1);
    size_t stem = digits;
    while (stem > 0 && path[stem - 1] >= '0' && path[stem - 1] <= '9') {
        stem--;
    }
    int64_t number = 1;
    if (digits > 0 && strcmp(path + digits, end) == 0 && stem >= sizeof(mark) &&
        strncmp(path + stem - (sizeof(mark) - 1), mark, sizeof(mark) - 1) == 0 &&
        (digits == stem ||
         ds_int_parse((struct ds_slice){(const uint8_t *)path + stem, digits - stem}, &number) ==
             DS_OK)) {
        return snprintf(name, DS_BADFILE_PATH_MAX, "%.*s%lld%s", (int)stem, path,
                        (long long)number + 1, end);
    }
    return snprintf(name, DS_BADFILE_PATH_MAX, "%s.bad.csv", path);
}

enum ds_err ds_badfile_init(struct ds_badfile *bad, const char *path, struct ds_rows *rows,
                            char delimiter, struct ds_detail *detail)
{
    *bad = (struct ds_badfile){.rows = rows, .delimiter = delimiter};
    int size = name_after(path, bad->path);
    int aside = size < 0 || (size_t)size >= sizeof(bad->path)
                    ? -1
                    : snprintf(bad->aside, sizeof(bad->aside), "%s.new", bad->path);
    if (aside < 0 || (size_t)aside >= sizeof(bad->aside)) {
        ds_detail_set(detail, path, ": the path is too long", NULL);
        return DS_ERR_LIMIT;
    }
    if (rows == NULL) {
        bad->feature = fopen(path, "rb");
        if (bad->feature == NULL) {
            ds_detail_set(detail, path, ": cannot be read", NULL);
            return DS_ERR_IO;
        }
    }
    return DS_OK;
}

static enum ds_err failed(const struct ds_badfile *bad, struct ds_detail *detail)
{
    ds_detail_set(detail, bad->aside, ": cannot be written", NULL);
    return DS_ERR_IO;
}

/* Cells behind the original ones, in the file's encoding. */
static enum ds_err put_cells(struct ds_badfile *bad, const char *const *cells, size_t count)
{
    uint8_t memory[1024];
    uint8_t encoded_memory[2048];
    struct ds_builder made;
    struct ds_builder encoded;
    struct ds_csv_writer writer;
    struct ds_slice text;
    ds_builder_init(&made, memory, sizeof(memory));
    ds_builder_init(&encoded, encoded_memory, sizeof(encoded_memory));
    ds_csv_writer_init(&writer, &made, bad->delimiter);
    for (size_t i = 0; i < count; i++) {
        ds_csv_put_text(&writer, cells[i]);
    }
    ds_csv_end_row(&writer);
    DS_TRY(ds_builder_end(&made, &text));
    if (bad->rows != NULL) {
        ds_charset_encode(ds_rows_charset(bad->rows), text, &encoded);
        DS_TRY(ds_builder_end(&encoded, &text));
    }
    size_t put = fwrite(text.data, 1, text.size, bad->file);
    return put == text.size ? DS_OK : DS_ERR_IO;
}

/* A GeoJSON feature becomes one quoted cell. */
static enum ds_err copy_feature(struct ds_badfile *bad, uint64_t offset, uint64_t size)
{
    if (fseeko(bad->feature, (off_t)offset, SEEK_SET) != 0 || fputc('"', bad->file) == EOF) {
        return DS_ERR_IO;
    }
    for (; size > 0; size--) {
        int c = fgetc(bad->feature);
        if (c == EOF || fputc(c, bad->file) == EOF || (c == '"' && fputc(c, bad->file) == EOF)) {
            return DS_ERR_IO;
        }
    }
    return fputc('"', bad->file) == EOF ? DS_ERR_IO : DS_OK;
}

/* A row as it stood, without the three cells that an earlier load put behind it. */
static enum ds_err copy_row(struct ds_badfile *bad, uint64_t offset, uint64_t size)
{
    if (bad->ours) {
        DS_TRY(
            ds_rows_without_last(bad->rows, offset, &size, bad->delimiter, DS_COUNT(own_columns)));
    }
    return ds_rows_copy(bad->rows, offset, size, bad->file);
}

static enum ds_err open_file(struct ds_badfile *bad)
{
    bad->file = ds_outfile_open(bad->aside);
    if (bad->file == NULL) {
        return DS_ERR_IO;
    }
    if (bad->rows == NULL) {
        fputs("feature,", bad->file);
    } else if (bad->header_size > 0) {
        DS_TRY(copy_row(bad, bad->header_offset, bad->header_size));
        fputc(bad->delimiter, bad->file);
    } else {
        return DS_OK; /* A file without a header: so is this one. */
    }
    return put_cells(bad, own_columns, DS_COUNT(own_columns));
}

static enum ds_err add(struct ds_badfile *bad, const struct ds_bad_row *row)
{
    char line[24];
    const char *cells[] = {line, row->column, row->why};
    if (bad->file == NULL) {
        DS_TRY(open_file(bad));
    }
    snprintf(line, sizeof(line), "%llu", (unsigned long long)row->line);
    if (bad->rows == NULL) {
        DS_TRY(copy_feature(bad, row->offset, row->size));
    } else {
        DS_TRY(copy_row(bad, row->offset, row->size));
    }
    if (fputc(bad->delimiter, bad->file) == EOF) {
        return DS_ERR_IO;
    }
    bad->count++;
    return put_cells(bad, cells, DS_COUNT(cells));
}

enum ds_err ds_badfile_add(struct ds_badfile *bad, const struct ds_bad_row *row,
                           struct ds_detail *detail)
{
    enum ds_err err = add(bad, row);
    return err == DS_ERR_IO ? failed(bad, detail) : err;
}

enum ds_err ds_badfile_end(struct ds_badfile *bad, struct ds_detail *detail)
{
    bool ok = true;
    if (bad->file == NULL) {
        (void)unlink(bad->path);
    } else {
        ok = fflush(bad->file) == 0 && ferror(bad->file) == 0;
        ok = fclose(bad->file) == 0 && ok;
        bad->file = NULL;
        ok = ok && rename(bad->aside, bad->path) == 0;
    }
    ds_badfile_drop(bad);
    return ok ? DS_OK : failed(bad, detail);
}

void ds_badfile_drop(struct ds_badfile *bad)
{
    if (bad->file != NULL) {
        fclose(bad->file);
        (void)unlink(bad->aside);
        bad->file = NULL;
    }
    if (bad->feature != NULL) {
        fclose(bad->feature);
        bad->feature = NULL;
    }
}

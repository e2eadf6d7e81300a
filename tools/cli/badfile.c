#include "tools/cli/badfile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum ds_err ds_badfile_init(struct ds_badfile *bad, const char *path, struct ds_rows *rows,
                            char delimiter, struct ds_detail *detail)
{
    *bad = (struct ds_badfile){.rows = rows, .delimiter = delimiter};
    int size = snprintf(bad->path, sizeof(bad->path), "%s.bad.csv", path);
    int aside = snprintf(bad->aside, sizeof(bad->aside), "%s.bad.csv.new", path);
    if (size < 0 || aside < 0 || (size_t)aside >= sizeof(bad->aside)) {
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

static enum ds_err open_file(struct ds_badfile *bad)
{
    static const char *const names[] = {"_line", "_column", "_reason"};
    bad->file = fopen(bad->aside, "wb");
    if (bad->file == NULL) {
        return DS_ERR_IO;
    }
    if (bad->rows == NULL) {
        fputs("feature,", bad->file);
    } else if (bad->header_size > 0) {
        DS_TRY(ds_rows_copy(bad->rows, bad->header_offset, bad->header_size, bad->file));
        fputc(bad->delimiter, bad->file);
    } else {
        return DS_OK; /* A file without a header: so is this one. */
    }
    return put_cells(bad, names, DS_COUNT(names));
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
        DS_TRY(ds_rows_copy(bad->rows, row->offset, row->size, bad->file));
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

/* A CSV with header as rows of texts (scenario.h). */
#include "schema/base/text.h"
#include "tools/cli/rows.h"
#include "tools/cli/scenario.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 64

static enum ds_err keep(struct ds_arena *arena, struct ds_slice cell, char **text)
{
    char *kept = ds_arena_alloc(arena, cell.size + 1);
    if (kept == NULL) {
        return DS_ERR_LIMIT;
    }
    if (cell.size > 0) {
        memcpy(kept, cell.data, cell.size);
    }
    *text = kept;
    return DS_OK;
}

const char *ds_table_text(const struct ds_table_row *row, const char *name)
{
    for (size_t i = 0; i < row->count; i++) {
        if (strcmp(row->names[i], name) == 0) {
            return row->cells[i];
        }
    }
    return "";
}

enum ds_err ds_table_number(const struct ds_table_row *row, const char *name, int64_t *value,
                            struct ds_detail *detail)
{
    const char *text = ds_table_text(row, name);
    *value = -1;
    if (text[0] != '\0' && ds_int_parse(ds_slice_of_text(text), value) != DS_OK) {
        ds_detail_set(detail, name, " ", text, ": not a whole number", NULL);
        return DS_ERR_SCHEMA;
    }
    return DS_OK;
}

struct table {
    struct ds_rows *rows;
    struct ds_file_row row;
    char *names[COLUMNS_MAX];
    size_t count;
    char *cells[COLUMNS_MAX];
};

static enum ds_err next_row(struct table *table, struct ds_arena *arena, char **cells,
                            struct ds_detail *detail)
{
    DS_TRY(ds_rows_next(table->rows, &table->row));
    if (table->row.bad) {
        ds_detail_set(detail, table->row.why.text, NULL);
        return DS_ERR_DECODE;
    }
    if (table->row.count > COLUMNS_MAX || (table->count > 0 && table->row.count != table->count)) {
        ds_detail_set(detail, "another number of cells than the header has", NULL);
        return DS_ERR_SCHEMA;
    }
    for (uint32_t i = 0; i < table->row.count; i++) {
        DS_TRY(keep(arena, table->row.cells[i], &cells[i]));
    }
    return DS_OK;
}

static enum ds_err read_all(struct table *table, struct ds_arena *arena,
                            enum ds_err (*each)(void *context, const struct ds_table_row *row,
                                                struct ds_detail *detail),
                            void *context, struct ds_detail *detail)
{
    DS_TRY(next_row(table, arena, table->names, detail));
    table->count = table->row.count;
    for (;;) {
        enum ds_err err = next_row(table, arena, table->cells, detail);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        struct ds_table_row row = {(const char *const *)table->names, table->cells, table->count,
                                   table->row.line};
        DS_TRY(each(context, &row, detail));
    }
}

enum ds_err ds_table_read(const char *path, struct ds_arena *arena,
                          enum ds_err (*each)(void *context, const struct ds_table_row *row,
                                              struct ds_detail *detail),
                          void *context, struct ds_detail *detail)
{
    struct ds_rows_options options = {NULL, ','};
    struct table *table = calloc(1, sizeof(*table));
    struct ds_detail why = {""};
    if (table == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = ds_rows_open(path, &options, &table->rows, &why);
    if (err == DS_OK) {
        err = read_all(table, arena, each, context, &why);
        ds_rows_close(table->rows);
    }
    if (err != DS_OK) {
        char line[24];
        snprintf(line, sizeof(line), "%llu", (unsigned long long)table->row.line);
        ds_detail_set(detail, path, ", line ", line, ": ", why.text, NULL);
    }
    free(table);
    return err;
}

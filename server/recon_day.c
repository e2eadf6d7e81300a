/* Where the lists of a reconciliation come from: the journal's exports and a statement in CSV. */
#include "schema/codec/csv.h"
#include "schema/codec/record_json.h"
#include "schema/codec/record_mp.h"
#include "server/outbox.h"
#include "server/recon.h"
#include "sync/core/op.h"
#include "sync/core/tables.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_SIZE 16384

/* ---- Their statement ---- */

enum { COLUMN_SLOT, COLUMN_REVISION, COLUMN_VOLUME, COLUMNS };
static const char *const column_names[COLUMNS] = {"slot", "revision", "consumption_l"};

struct statement {
    struct ds_recon_list *list;
    uint32_t place[COLUMNS]; /* From 1; 0: not found. */
    bool header;
    struct ds_detail *detail;
};

static enum ds_err fault(struct statement *statement, uint64_t line, const char *what)
{
    uint8_t digits[24];
    struct ds_builder number;

    ds_builder_init(&number, digits, sizeof(digits));
    ds_put_decimal(&number, (int64_t)line);
    ds_detail_set(statement->detail, "line ", ds_builder_text(&number), ": ", what,
                  (const char *)NULL);
    return DS_ERR_SCHEMA;
}

static enum ds_err take_header(struct statement *statement, const struct ds_csv_row *row)
{
    for (uint32_t i = 0; i < row->count; i++) {
        for (size_t k = 0; k < COLUMNS; k++) {
            if (ds_slice_equal(row->cells[i], ds_slice_of_text(column_names[k]))) {
                statement->place[k] = i + 1;
            }
        }
    }
    statement->header = true;
    for (size_t k = 0; k < COLUMNS; k++) {
        if (statement->place[k] == 0) {
            return fault(statement, row->line, "the header needs slot, revision, consumption_l");
        }
    }
    return DS_OK;
}

static enum ds_err take_row(struct statement *statement, const struct ds_csv_row *row)
{
    struct ds_recon_row made = {.revision = 0};
    int64_t revision = 0;

    for (size_t k = 0; k < COLUMNS; k++) {
        if (statement->place[k] > row->count) {
            return fault(statement, row->line, "too few cells");
        }
    }
    struct ds_slice volume = ds_csv_unguard(row->cells[statement->place[COLUMN_VOLUME] - 1]);

    if (ds_id_parse(row->cells[statement->place[COLUMN_SLOT] - 1], &made.slot) != DS_OK) {
        return fault(statement, row->line, "slot: not 32 hex digits");
    }
    if (ds_int_parse(row->cells[statement->place[COLUMN_REVISION] - 1], &revision) != DS_OK ||
        revision < 1 || revision > 65535) {
        return fault(statement, row->line, "revision: not 1 to 65535");
    }
    if (volume.size > 0 && ds_int_parse(volume, &made.consumption_l) != DS_OK) {
        return fault(statement, row->line, "consumption_l: not a number");
    }
    made.revision = (uint32_t)revision;
    return ds_recon_add(statement->list, &made);
}

enum ds_err ds_recon_parse(struct ds_slice csv, struct ds_recon_list *list,
                           struct ds_detail *detail)
{
    struct statement statement = {.list = list, .detail = detail};
    struct ds_csv *reader = malloc(sizeof(*reader));
    struct ds_csv_row row;
    struct ds_detail why = {""};
    enum ds_err err = DS_OK;
    bool fed = false;

    if (reader == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_csv_init(reader, ',');
    for (enum ds_csv_event event = DS_CSV_MORE; event != DS_CSV_END && err == DS_OK;
         event = ds_csv_next(reader, &row, &why)) {
        if (event == DS_CSV_MORE && !fed) {
            ds_csv_feed(reader, csv);
            fed = true;
        } else if (event == DS_CSV_MORE) {
            ds_csv_finish(reader);
        } else if (event == DS_CSV_BAD) {
            err = fault(&statement, row.line, why.text);
        } else if (!ds_csv_row_blank(&row)) {
            err = statement.header ? take_row(&statement, &row) : take_header(&statement, &row);
        }
    }
    free(reader);
    if (err == DS_OK && !statement.header) {
        err = fault(&statement, 1, "the header needs slot, revision, consumption_l");
    }
    return err;
}

/* ---- Our exports ---- */

/* The day of a journal entry; entries of one position are asked for in a row. */
struct days {
    struct ds_txn *txn;
    int32_t offset_min;
    uint64_t position;
    struct ds_date day;
};

static enum ds_err day_of(struct days *days, uint64_t position, struct ds_date *day)
{
    const struct ds_key key = ds_key_journal(position);
    struct ds_slice bytes;
    struct ds_entry entry;

    if (days->position != position) {
        DS_TRY(ds_txn_get(days->txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes));
        DS_TRY(ds_entry_parse(bytes, &entry, NULL));
        days->position = position;
        days->day = ds_date_of_instant(entry.instant_ms, days->offset_min);
    }
    *day = days->day;
    return DS_OK;
}

static bool same_day(struct ds_date a, struct ds_date b)
{
    return a.year == b.year && a.month == b.month && a.day == b.day;
}

static enum ds_err sort_exports(struct ds_txn *txn, enum ds_consumer consumer, struct ds_date day,
                                struct days *days, struct ds_recon_list *lists[static 2])
{
    uint8_t memory[ARENA_SIZE / 8];
    struct ds_export export = {.position = 0};
    enum ds_err err = DS_OK;

    while ((err = ds_export_next(txn, (uint8_t)consumer, export.position, export.ordinal,
                                 &export)) == DS_OK) {
        struct ds_recon_row row = {.slot = export.id, .revision = export.revision};
        struct ds_date made;

        if (export.kind == DS_EXPORT_slot) {
            struct ds_slot slot;
            struct ds_arena arena;

            ds_arena_init(&arena, memory, sizeof(memory));
            DS_TRY(ds_record_decode(ds_record_type_by_number(DS_REC_slot), export.fields, &arena,
                                    &slot, NULL));
            row.consumption_l = DS_GET(&slot, slot, consumption_l, 0);
        }
        DS_TRY(day_of(days, export.position, &made));
        DS_TRY(ds_recon_add(lists[same_day(made, day) ? 0 : 1], &row));
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_recon_ours(struct ds_office *office, enum ds_consumer consumer, struct ds_date day,
                          struct ds_recon_list *ours, struct ds_recon_list *others)
{
    struct ds_recon_list *lists[2] = {ours, others};
    struct days days = {.offset_min = office->site->offset_min};
    struct ds_txn *txn = NULL;

    DS_TRY(ds_store_begin(office->site->store, false, &txn));
    days.txn = txn;
    enum ds_err err = sort_exports(txn, consumer, day, &days, lists);

    ds_txn_abort(txn);
    return err;
}

/* ---- The whole ---- */

static enum ds_err statement_path(const struct ds_site *site, enum ds_consumer consumer,
                                  struct ds_date day, char path[static DS_PATH_MAX],
                                  struct ds_detail *detail)
{
    char folder[DS_PATH_MAX];
    char statements[DS_PATH_MAX];
    char name[32];
    struct ds_builder out;

    DS_TRY(ds_outbox_folder(site, consumer, folder));
    DS_TRY(ds_folder_make(folder, detail));
    DS_TRY(ds_path_join(folder, "statements", statements));
    DS_TRY(ds_folder_make(statements, detail));
    ds_builder_init(&out, name, sizeof(name));
    ds_put_date(&out, day);
    ds_put_text(&out, ".csv");
    return ds_path_join(statements, ds_builder_text(&out), path);
}

/* The statement given is kept; else the kept one is read into memory of DS_RECON_FILE_MAX. */
static enum ds_err take_statement(const char *path, struct ds_slice *csv, uint8_t **memory,
                                  struct ds_detail *detail)
{
    struct ds_builder in;

    if (csv->size > 0) {
        return ds_file_write(path, *csv, 0640, detail);
    }
    if (!ds_file_exists(path)) {
        ds_detail_set(detail, "there is no statement of that day", (const char *)NULL);
        return DS_ERR_NOT_FOUND;
    }
    *memory = malloc(DS_RECON_FILE_MAX);
    if (*memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&in, *memory, DS_RECON_FILE_MAX);
    DS_TRY(ds_file_read(path, &in, detail));
    *csv = (struct ds_slice){in.data, in.used};
    return DS_OK;
}

enum ds_err ds_recon_day(struct ds_office *office, enum ds_consumer consumer, struct ds_date day,
                         struct ds_slice csv, struct ds_recon_result *result,
                         struct ds_detail *detail)
{
    struct ds_recon_list ours = {.count = 0};
    struct ds_recon_list theirs = {.count = 0};
    struct ds_recon_list others = {.count = 0};
    char path[DS_PATH_MAX];
    uint8_t *memory = NULL;
    enum ds_err err = statement_path(office->site, consumer, day, path, detail);

    if (err == DS_OK && csv.size > 0) {
        err = ds_recon_parse(csv, &theirs, detail); /* What is not sound is not kept. */
        ds_recon_free(&theirs);
    }
    if (err == DS_OK) {
        err = take_statement(path, &csv, &memory, detail);
    }
    if (err == DS_OK) {
        err = ds_recon_parse(csv, &theirs, detail);
    }
    if (err == DS_OK) {
        err = ds_recon_ours(office, consumer, day, &ours, &others);
    }
    if (err == DS_OK) {
        ds_recon_compare(&ours, &theirs, &others, result);
    }
    ds_recon_free(&ours);
    ds_recon_free(&theirs);
    ds_recon_free(&others);
    free(memory);
    return err;
}

static void put_total(struct ds_builder *out, const char *name, uint64_t count, int64_t sum)
{
    ds_put_text(out, ",\"");
    ds_put_text(out, name);
    ds_put_text(out, "\":{\"count\":");
    ds_put_decimal(out, (int64_t)count);
    ds_put_text(out, ",\"consumption_l\":");
    ds_put_decimal(out, sum);
    ds_put_text(out, "}");
}

void ds_recon_put(struct ds_builder *out, enum ds_consumer consumer, struct ds_date day,
                  const struct ds_recon_result *result)
{
    ds_put_text(out, "{\"consumer\":\"");
    ds_put_text(out, ds_enum_name(DS_LIST_consumer, consumer));
    ds_put_text(out, "\",\"day\":\"");
    ds_put_date(out, day);
    ds_put_text(out, "\"");
    put_total(out, "ours", result->ours_count, result->ours_l);
    put_total(out, "theirs", result->theirs_count, result->theirs_l);
    ds_put_text(out, result->difference_count == 0 ? ",\"agrees\":true" : ",\"agrees\":false");
    ds_put_text(out, ",\"difference_count\":");
    ds_put_decimal(out, (int64_t)result->difference_count);
    ds_put_text(out, ",\"differences\":[");
    for (size_t i = 0; i < result->difference_count && i < DS_RECON_DIFFERENCES_MAX; i++) {
        const struct ds_recon_difference *at = &result->differences[i];

        ds_put_text(out, i > 0 ? ",{\"type\":\"" : "{\"type\":\"");
        ds_put_text(out, ds_recon_type_name(at->type));
        ds_put_text(out, "\",\"slot\":\"");
        ds_put_hex(out, DS_SLICE_OF(at->slot));
        ds_put_text(out, "\",\"revision\":");
        ds_put_decimal(out, at->revision);
        if (at->has_ours) {
            ds_put_text(out, ",\"ours_l\":");
            ds_put_decimal(out, at->ours_l);
        }
        if (at->has_theirs) {
            ds_put_text(out, ",\"theirs_l\":");
            ds_put_decimal(out, at->theirs_l);
        }
        ds_put_text(out, ",\"count\":");
        ds_put_decimal(out, (int64_t)at->count);
        ds_put_text(out, "}");
    }
    ds_put_text(out, "]}");
}

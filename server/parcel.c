#include "server/parcel.h"

#include "schema/codec/csv.h"
#include "schema/codec/record_csv.h"
#include "schema/codec/record_json.h"
#include "schema/codec/record_mp.h"
#include "server/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_SIZE ((size_t)1024 * 1024)
#define NAME_SIZE 256 /* A number of 40 characters, however many bytes they have. */
#define MARGIN 1024   /* Room for the totals line. */

enum ds_err ds_parcel_maker_init(struct ds_parcel_maker *maker)
{
    memset(maker, 0, sizeof(*maker));
    maker->memory = malloc(2 * (size_t)DS_PARCEL_SIZE_MAX + ARENA_SIZE);
    maker->ends = malloc(DS_PARCEL_EXPORTS_MAX * sizeof(*maker->ends));
    if (maker->memory == NULL || maker->ends == NULL) {
        ds_parcel_maker_fini(maker);
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&maker->arena, maker->memory + 2 * (size_t)DS_PARCEL_SIZE_MAX, ARENA_SIZE);
    return DS_OK;
}

void ds_parcel_maker_fini(struct ds_parcel_maker *maker)
{
    free(maker->memory);
    free(maker->ends);
    memset(maker, 0, sizeof(*maker));
}

/* ---- Columns: the same for both forms ---- */

struct names { /* By which the other side knows what the export is about. */
    char account[NAME_SIZE];
    char manufacturer[NAME_SIZE];
    char meter_no[NAME_SIZE];
    char book[NAME_SIZE];
};

static void copy(char out[static NAME_SIZE], struct ds_slice text)
{
    size_t size = text.size < NAME_SIZE ? text.size : NAME_SIZE - 1;

    memcpy(out, text.data, size);
    out[size] = '\0';
}

static void take_names(const struct ds_export *export, struct names *names)
{
    copy(names->account, export->account);
    copy(names->manufacturer, export->manufacturer);
    copy(names->meter_no, export->meter_no);
    copy(names->book, export->book);
}

static uint8_t record_of(uint8_t kind)
{
    switch (kind) {
    case DS_EXPORT_slot:
        return DS_REC_slot;
    case DS_EXPORT_premises:
        return DS_REC_premises;
    default:
        return DS_REC_meter;
    }
}

/* Fields of each kind that stand in the CSV, in this order. */
static const char *const slot_columns[] = {
    "register_kind", "period", "previous_index", "index", "consumption_l", "instant_ms", "method",
    "condition",     "state",  "voided",         NULL};
static const char *const gis_columns[] = {"number", "district", "street_office", "community",
                                          "estate", "building", "entrance",      "floor",
                                          "room",   "lat_e7",   "lon_e7",        "position_quality",
                                          "kind",   "place",    "state",         NULL};

static const char *const *columns_of(enum ds_consumer consumer)
{
    return consumer == DS_CONSUMER_billing ? slot_columns : gis_columns;
}

static void put_csv_head(struct ds_csv_writer *csv, enum ds_consumer consumer)
{
    static const char *const first[] = {"export",  "id",           "revision", "supersedes",
                                        "account", "manufacturer", "meter_no", "book"};

    for (size_t i = 0; i < DS_COUNT(first); i++) {
        ds_csv_put_text(csv, first[i]);
    }
    for (const char *const *at = columns_of(consumer); *at != NULL; at++) {
        ds_csv_put_text(csv, *at);
    }
    ds_csv_end_row(csv);
}

static void put_id_cell(struct ds_csv_writer *csv, const struct ds_id *id)
{
    char text[40];
    struct ds_builder out;

    ds_builder_init(&out, text, sizeof(text));
    ds_put_hex(&out, DS_SLICE_OF(*id));
    ds_csv_put_text(csv, ds_builder_text(&out));
}

static void put_csv_row(struct ds_csv_writer *csv, enum ds_consumer consumer,
                        const struct ds_export *export, const void *record,
                        const struct names *names)
{
    const struct ds_record_type *type = ds_record_type_by_number(record_of(export->kind));
    const struct ds_cell_form form = {.scale = 0};

    ds_csv_put_text(csv, ds_enum_name(DS_LIST_export_kind, export->kind));
    put_id_cell(csv, &export->id);
    ds_csv_put_number(csv, export->revision);
    ds_csv_put_number(csv, export->supersedes);
    ds_csv_put_text(csv, names->account);
    ds_csv_put_text(csv, names->manufacturer);
    ds_csv_put_text(csv, names->meter_no);
    ds_csv_put_text(csv, names->book);
    for (const char *const *at = columns_of(consumer); *at != NULL; at++) {
        const struct ds_field *field = ds_field_by_name(type, ds_slice_of_text(*at));
        bool valued = field != NULL && ds_has(record, field->index);

        if (field == NULL) {
            ds_csv_put_text(csv, "");
        } else {
            ds_put_cell(csv, field, valued ? (const uint8_t *)record + field->offset : NULL, form);
        }
    }
    ds_csv_end_row(csv);
}

static void put_name(struct ds_builder *out, const char *name, const char *value)
{
    if (value[0] != '\0') {
        ds_put_text(out, ",\"");
        ds_put_text(out, name);
        ds_put_text(out, "\":");
        ds_json_put_string(out, ds_slice_of_text(value));
    }
}

static void put_number(struct ds_builder *out, const char *name, uint64_t value)
{
    ds_put_text(out, ",\"");
    ds_put_text(out, name);
    ds_put_text(out, "\":");
    ds_put_decimal(out, (int64_t)value);
}

static void put_line(struct ds_builder *out, const struct ds_export *export, const void *record,
                     const struct names *names)
{
    const struct ds_record_type *type = ds_record_type_by_number(record_of(export->kind));

    ds_put_text(out, "{\"export\":\"");
    ds_put_text(out, ds_enum_name(DS_LIST_export_kind, export->kind));
    ds_put_text(out, "\",\"id\":\"");
    ds_put_hex(out, DS_SLICE_OF(export->id));
    ds_put_text(out, "\"");
    put_number(out, "revision", export->revision);
    put_number(out, "supersedes", export->supersedes);
    put_number(out, "position", export->position);
    put_number(out, "ordinal", export->ordinal);
    put_name(out, "account", names->account);
    put_name(out, "manufacturer", names->manufacturer);
    put_name(out, "meter_no", names->meter_no);
    put_name(out, "book", names->book);
    ds_put_text(out, ",\"fields\":");
    ds_json_put_record(out, type, record, NULL);
    ds_put_text(out, "}\n");
}

/* One export behind what the maker holds; false when it does not fit any more. */
static enum ds_err add(struct ds_parcel_maker *maker, struct ds_view *view,
                       const struct ds_export *export, bool *full)
{
    _Alignas(16) uint8_t record[1024];
    const struct ds_record_type *type = ds_record_type_by_number(record_of(export->kind));
    const struct ds_builder lines = maker->lines;
    const struct ds_builder csv_before = maker->csv;
    struct ds_csv_writer csv;
    struct names names;
    int64_t consumption_l = 0;

    DS_ASSERT(type->size <= sizeof(record));
    DS_TRY(ds_record_decode(type, export->fields, view->arena, record, NULL));
    if (export->kind == DS_EXPORT_slot) {
        const struct ds_slot *slot = (const struct ds_slot *)(const void *)record;

        consumption_l = DS_GET(slot, slot, consumption_l, 0);
    }
    take_names(export, &names);
    put_line(&maker->lines, export, record, &names);
    ds_csv_writer_init(&csv, &maker->csv, ',');
    put_csv_row(&csv, maker->parcel.consumer, export, record, &names);
    *full = maker->lines.failed || maker->csv.failed ||
            maker->lines.used + MARGIN > DS_PARCEL_SIZE_MAX ||
            maker->csv.used + MARGIN > DS_PARCEL_SIZE_MAX;
    if (*full) {
        maker->lines = lines;
        maker->csv = csv_before;
        return maker->parcel.count > 0 ? DS_OK : DS_ERR_LIMIT;
    }
    maker->parcel.consumption_l += consumption_l;
    maker->ends[maker->parcel.count++] = maker->lines.used;
    maker->parcel.to_position = export->position;
    maker->parcel.to_ordinal = export->ordinal;
    return DS_OK;
}

static void put_totals(struct ds_parcel_maker *maker)
{
    const struct ds_parcel *parcel = &maker->parcel;
    struct ds_csv_writer csv;

    ds_put_text(&maker->lines, "{\"total\":true,\"consumer\":\"");
    ds_put_text(&maker->lines, parcel->name);
    ds_put_text(&maker->lines, "\",\"exports\":");
    ds_put_decimal(&maker->lines, (int64_t)parcel->count);
    ds_put_text(&maker->lines, ",\"consumption_l\":");
    ds_put_decimal(&maker->lines, parcel->consumption_l);
    ds_put_text(&maker->lines, "}\n");
    ds_csv_writer_init(&csv, &maker->csv, ',');
    ds_csv_put_text(&csv, "total");
    ds_csv_put_number(&csv, (int64_t)parcel->count);
    ds_csv_put_number(&csv, parcel->consumption_l);
    ds_csv_end_row(&csv);
}

static bool beyond(const struct ds_export *export, const struct ds_parcel *range)
{
    return range->to_position != 0 &&
           (export->position > range->to_position ||
            (export->position == range->to_position && export->ordinal > range->to_ordinal));
}

static enum ds_err collect(struct ds_parcel_maker *maker, struct ds_view *view, size_t exports_max,
                           const struct ds_parcel *range)
{
    uint64_t position = range->from_position;
    uint32_t ordinal = range->from_ordinal;
    bool full = false;
    enum ds_err err = DS_OK;

    while (!full && maker->parcel.count < exports_max) {
        struct ds_export export;

        ds_arena_reset(&maker->arena);
        err =
            ds_export_next(view->txn, (uint8_t)maker->parcel.consumer, position, ordinal, &export);
        if (err == DS_ERR_NOT_FOUND || (err == DS_OK && beyond(&export, range))) {
            break;
        }
        DS_TRY(err);
        DS_TRY(add(maker, view, &export, &full));
        position = export.position;
        ordinal = export.ordinal;
    }
    return maker->parcel.count > 0 ? DS_OK : DS_ERR_NOT_FOUND;
}

enum ds_err ds_parcel_make(struct ds_parcel_maker *maker, struct ds_office *office,
                           enum ds_consumer consumer, size_t exports_max,
                           const struct ds_parcel *range)
{
    struct ds_csv_writer csv;
    struct ds_view view;

    maker->parcel = (struct ds_parcel){.consumer = consumer,
                                       .name = ds_enum_name(DS_LIST_consumer, consumer),
                                       .from_position = range->from_position,
                                       .from_ordinal = range->from_ordinal};
    (void)snprintf(maker->parcel.key, sizeof(maker->parcel.key), "%s-%012llu-%06u",
                   maker->parcel.name, (unsigned long long)range->from_position,
                   (unsigned)range->from_ordinal);
    ds_builder_init(&maker->lines, maker->memory, DS_PARCEL_SIZE_MAX);
    ds_builder_init(&maker->csv, maker->memory + DS_PARCEL_SIZE_MAX, DS_PARCEL_SIZE_MAX);
    ds_csv_writer_init(&csv, &maker->csv, ',');
    put_csv_head(&csv, consumer);
    DS_TRY(ds_view_begin(&view, office, &maker->arena, &maker->lines, false));
    enum ds_err err = collect(maker, &view, exports_max, range);

    ds_view_end(&view);
    DS_TRY(err);
    put_totals(maker);
    DS_TRY(ds_builder_end(&maker->lines, &maker->parcel.lines));
    DS_TRY(ds_builder_end(&maker->csv, &maker->parcel.csv));
    maker->parcel.line_end = maker->ends;
    return DS_OK;
}

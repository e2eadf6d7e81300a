/* export DIR --kind K --format csv|jsonl|geojson: records out of a station.
 *
 * Rows come through the admin door, personal fields in clear: whoever may open it is the
 * administrator. A CSV has the columns that import takes (references as numbers), so that what was
 * exported can be imported again and changes nothing. */
#include "schema/base/text.h"
#include "schema/codec/record_csv.h"
#include "tools/cli/commands.h"
#include "tools/cli/kinds.h"
#include "tools/cli/state.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 500
#define ROW_SIZE_MAX (256 * 1024)
#define ARENA_SIZE (64 * 1024)

struct export
{
    struct ds_cli *cli;
    struct ds_state state;
    const struct ds_record_type *type;
    FILE *to;
    struct ds_arena arena;
    uint8_t *row;
    uint64_t count;
    bool (*put)(struct export * export, const json_t *row);
};

/* ---- CSV ---- */

/* Is the record found by its natural key, so that its id need not be told? */
static bool has_key(const struct ds_record_type *type)
{
    const struct ds_kind *kind = ds_kind_by_name(type->name);
    return kind != NULL && kind->shape == DS_KIND_ENTITY;
}

static bool is_meter(const struct ds_field *field)
{
    return field->type == DS_TYPE_ID && strcmp(field->name, "meter") == 0;
}

/* Told by import too; merged_into is a decision's. */
static bool left_out(const struct ds_record_type *type, const struct ds_field *field)
{
    return type->number == DS_REC_meter && field->tag == DS_TAG_meter_merged_into;
}

static void put_header(struct export *export)
{
    struct ds_builder out;
    struct ds_csv_writer writer;
    ds_builder_init(&out, export->row, ROW_SIZE_MAX);
    ds_csv_writer_init(&writer, &out, ',');
    if (!has_key(export->type)) {
        ds_csv_put_text(&writer, "id");
    }
    for (size_t i = 0; i < export->type->field_count; i++) {
        const struct ds_field *field = &export->type->fields[i];
        if (is_meter(field)) {
            ds_csv_put_text(&writer, "manufacturer");
            ds_csv_put_text(&writer, "meter_no");
        } else if (!left_out(export->type, field)) {
            ds_csv_put_text(&writer, field->name);
        }
    }
    ds_csv_end_row(&writer);
    fwrite(export->row, 1, out.used, export->to);
}

/* A record's text field, "" if it is not there. */
static struct ds_slice text_of(struct export *export, uint8_t type, const struct ds_id *id,
                               const char *name)
{
    const struct ds_record_type *about = ds_record_type_by_number(type);
    const struct ds_field *field = ds_field_by_name(about, ds_slice_of_text(name));
    struct ds_slice text = {NULL, 0};
    ds_arena_reset(&export->arena);
    void *record = ds_arena_alloc(&export->arena, about->size);
    if (record != NULL &&
        ds_state_load(&export->state, type, id, &export->arena, record) == DS_OK &&
        ds_has(record, field->index)) {
        memcpy(&text, (const uint8_t *)record + field->offset, sizeof(text));
    }
    return text;
}

static void put_meter(struct export *export, struct ds_csv_writer *writer, const json_t *value)
{
    struct ds_id id;
    if (ds_id_parse(ds_slice_of_text(json_string_value(value)), &id) != DS_OK) {
        ds_csv_put_text(writer, "");
        ds_csv_put_text(writer, "");
        return;
    }
    ds_csv_put_cell(writer, text_of(export, DS_REC_meter, &id, "manufacturer"));
    ds_csv_put_cell(writer, text_of(export, DS_REC_meter, &id, "meter_no"));
}

static void put_number(struct export *export, struct ds_csv_writer *writer,
                       const struct ds_field *field, json_int_t value)
{
    int64_t number = value;
    struct ds_cell_form form = {.calendar = true, .offset_min = export->state.offset_min};
    ds_put_cell(writer, field, &number, form);
}

static void put_array(struct ds_csv_writer *writer, const json_t *value)
{
    char joined[DS_HASHES_MAX * 65 + 1];
    size_t used = 0;
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(value, i, item)
    {
        size_t size = json_string_length(item);
        if (used + size + 2 > sizeof(joined)) {
            break;
        }
        if (used > 0) {
            joined[used++] = ' ';
        }
        memcpy(joined + used, json_string_value(item), size);
        used += size;
    }
    ds_csv_put_cell(writer, (struct ds_slice){(const uint8_t *)joined, used});
}

static void put_cell(struct export *export, struct ds_csv_writer *writer,
                     const struct ds_field *field, const json_t *value)
{
    uint8_t refers = ds_field_refers(export->type->number, field);
    struct ds_id id;
    if (json_is_integer(value)) {
        put_number(export, writer, field, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        ds_csv_put_text(writer, json_is_true(value) ? "1" : "0");
    } else if (json_is_array(value)) {
        put_array(writer, value);
    } else if (!json_is_string(value)) {
        ds_csv_put_text(writer, "");
    } else if (refers != 0 &&
               ds_id_parse(ds_slice_of_text(json_string_value(value)), &id) == DS_OK) {
        ds_csv_put_cell(writer, text_of(export, refers, &id, "number"));
    } else {
        ds_csv_put_cell(writer, (struct ds_slice){(const uint8_t *)json_string_value(value),
                                                  json_string_length(value)});
    }
}

static bool put_csv(struct export *export, const json_t *row)
{
    struct ds_builder out;
    struct ds_csv_writer writer;
    struct ds_slice made;
    ds_builder_init(&out, export->row, ROW_SIZE_MAX);
    ds_csv_writer_init(&writer, &out, ',');
    if (!has_key(export->type)) {
        ds_csv_put_text(&writer, json_string_value(json_object_get(row, "id")));
    }
    for (size_t i = 0; i < export->type->field_count; i++) {
        const struct ds_field *field = &export->type->fields[i];
        const json_t *value = json_object_get(row, field->name);
        if (is_meter(field)) {
            put_meter(export, &writer, value);
        } else if (!left_out(export->type, field)) {
            put_cell(export, &writer, field, value);
        }
    }
    ds_csv_end_row(&writer);
    ds_state_end(&export->state); /* Whoever reads what we write may take his time. */
    return ds_builder_end(&out, &made) == DS_OK &&
           fwrite(made.data, 1, made.size, export->to) == made.size;
}

/* ---- JSON lines and GeoJSON ---- */

static bool put_jsonl(struct export *export, const json_t *row)
{
    return json_dumpf(row, export->to, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0 &&
           fputc('\n', export->to) != EOF;
}

static void put_degrees(FILE *to, int64_t e7)
{
    uint8_t memory[32];
    struct ds_builder text;
    ds_builder_init(&text, memory, sizeof(memory));
    ds_put_fixed(&text, e7, 7);
    fputs(ds_builder_text(&text), to);
}

static void put_position(FILE *to, int64_t lat_e7, int64_t lon_e7)
{
    fputc('[', to);
    put_degrees(to, lon_e7);
    fputc(',', to);
    put_degrees(to, lat_e7);
    fputc(']', to);
}

static void put_point(FILE *to, const json_t *row)
{
    const json_t *lat = json_object_get(row, "lat_e7");
    const json_t *lon = json_object_get(row, "lon_e7");
    if (!json_is_integer(lat) || !json_is_integer(lon)) {
        fputs("null", to);
        return;
    }
    fputs("{\"type\":\"Point\",\"coordinates\":", to);
    put_position(to, json_integer_value(lat), json_integer_value(lon));
    fputc('}', to);
}

/* asset.geometry: pairs of big-endian int32, as base64url. */
static void put_line(struct export *export, const json_t *row)
{
    const char *text = json_string_value(json_object_get(row, "geometry"));
    struct ds_builder packed;
    struct ds_cursor cursor;
    ds_builder_init(&packed, export->row, ROW_SIZE_MAX);
    if (text == NULL || ds_base64url_parse(ds_slice_of_text(text), &packed) != DS_OK) {
        fputs("null", export->to);
        return;
    }
    size_t points = packed.used / 8;
    fprintf(export->to, "{\"type\":\"%s\",\"coordinates\":%s", points == 1 ? "Point" : "LineString",
            points == 1 ? "" : "[");
    ds_cursor_init(&cursor, (struct ds_slice){packed.data, packed.used});
    for (size_t i = 0; i < points; i++) {
        int32_t lat_e7 = (int32_t)ds_take_u32(&cursor);
        int32_t lon_e7 = (int32_t)ds_take_u32(&cursor);
        fputs(i > 0 ? "," : "", export->to);
        put_position(export->to, lat_e7, lon_e7);
    }
    fputs(points == 1 ? "}" : "]}", export->to);
}

/* References become numbers here too. */
static json_t *properties_of(struct export *export, const json_t *row)
{
    json_t *properties = json_object();
    for (size_t i = 0; i < export->type->field_count; i++) {
        const struct ds_field *field = &export->type->fields[i];
        json_t *value = json_object_get(row, field->name);
        uint8_t refers = ds_field_refers(export->type->number, field);
        struct ds_id id;
        bool position = strcmp(field->name, "lat_e7") == 0 || strcmp(field->name, "lon_e7") == 0 ||
                        strcmp(field->name, "geometry") == 0;
        if (value == NULL || position) {
            continue;
        }
        if (refers != 0 && json_is_string(value) &&
            ds_id_parse(ds_slice_of_text(json_string_value(value)), &id) == DS_OK) {
            struct ds_slice number = text_of(export, refers, &id, "number");
            json_object_set_new(properties, field->name,
                                json_stringn((const char *)number.data, number.size));
        } else {
            json_object_set(properties, field->name, value);
        }
    }
    return properties;
}

static bool put_geojson(struct export *export, const json_t *row)
{
    json_t *properties = properties_of(export, row);
    ds_state_end(&export->state);
    fputs(export->count > 0 ? ",\n" : "", export->to);
    fputs("{\"type\":\"Feature\",\"properties\":", export->to);
    bool ok = json_dumpf(properties, export->to, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0;
    json_decref(properties);
    fputs(",\"geometry\":", export->to);
    if (export->type->number == DS_REC_asset) {
        put_line(export, row);
    } else {
        put_point(export->to, row);
    }
    return fputc('}', export->to) != EOF && ok;
}

/* ---- All rows ---- */

static enum ds_err put_page(struct export *export, json_t *answer)
{
    size_t i = 0;
    const json_t *row = NULL;
    json_array_foreach(json_object_get(answer, "rows"), i, row)
    {
        if (!export->put(export, row)) {
            return DS_ERR_IO;
        }
        export->count++;
    }
    return DS_OK;
}

static enum ds_err put_all(struct export *export, struct ds_detail *detail)
{
    json_t *after = NULL;
    enum ds_err err = DS_OK;
    do {
        json_t *answer = NULL;
        json_t *request = json_pack("{s:s, s:s, s:i}", "do", "rows", "type", export->type->name,
                                    "limit", PAGE_ROWS);
        if (after != NULL) {
            json_object_set_new(request, "after", after);
            after = NULL;
        }
        err = ds_state_call(&export->state, request, &answer, detail);
        if (err == DS_OK) {
            err = put_page(export, answer);
            after = json_incref(json_object_get(answer, "next"));
        }
        json_decref(answer);
    } while (err == DS_OK && json_is_string(after));
    json_decref(after);
    return err;
}

static enum ds_err run(struct export *export, const char *format, struct ds_detail *detail)
{
    if (strcmp(format, "geojson") == 0) {
        fputs("{\"type\":\"FeatureCollection\",\"features\":[\n", export->to);
    } else if (strcmp(format, "csv") == 0) {
        put_header(export);
    }
    DS_TRY(put_all(export, detail));
    if (strcmp(format, "geojson") == 0) {
        fputs("\n]}\n", export->to);
    }
    return fflush(export->to) == 0 && ferror(export->to) == 0 ? DS_OK : DS_ERR_IO;
}

static bool choose_format(struct export *export, const char *format)
{
    if (strcmp(format, "csv") == 0) {
        export->put = put_csv;
    } else if (strcmp(format, "jsonl") == 0) {
        export->put = put_jsonl;
    } else if (strcmp(format, "geojson") == 0 &&
               (export->type->number == DS_REC_premises || export->type->number == DS_REC_asset)) {
        export->put = put_geojson;
    }
    return export->put != NULL;
}

static enum ds_exit export_to(struct export *export, const char *format)
{
    struct ds_detail detail = {""};
    enum ds_err err = ds_state_open(&export->state, export->cli->position[0], &detail);
    if (err == DS_OK) {
        err = run(export, format, &detail);
        ds_state_close(&export->state);
    }
    return err == DS_OK ? DS_EXIT_OK : ds_cli_fail(export->cli, err, &detail);
}

enum ds_exit ds_cmd_export(struct ds_cli *cli)
{
    const char *kind = ds_cli_value(cli, "kind");
    const char *format = ds_cli_value(cli, "format");
    const char *path = ds_cli_value(cli, "out");
    struct export export = {.cli = cli, .type = ds_record_type_by_name(ds_slice_of_text(kind))};
    if (export.type == NULL) {
        return ds_cli_usage(cli, "--kind %s: there is no such record", kind);
    }
    if (cli->json && path == NULL) {
        return ds_cli_usage(cli, "--json needs --out: else two answers stand in one stream");
    }
    if (!choose_format(&export, format)) {
        return ds_cli_usage(cli, "--format %s: csv, jsonl; for premises and asset also geojson",
                            format);
    }
    export.to = path != NULL ? fopen(path, "wb") : cli->out;
    export.row = malloc(ROW_SIZE_MAX);
    void *memory = malloc(ARENA_SIZE);
    enum ds_exit code = DS_EXIT_FAILED;
    if (export.to == NULL || export.row == NULL || memory == NULL) {
        struct ds_detail detail;
        ds_detail_set(&detail, path != NULL ? path : "", ": cannot be written", NULL);
        code = ds_cli_fail(cli, DS_ERR_IO, &detail);
    } else {
        ds_arena_init(&export.arena, memory, ARENA_SIZE);
        code = export_to(&export, format);
    }
    if (path != NULL && export.to != NULL) {
        fclose(export.to);
        ds_cli_put_number(cli, "rows", (int64_t) export.count);
        ds_cli_print(cli, "%llu rows in %s", (unsigned long long)export.count, path);
    }
    free(export.row);
    free(memory);
    return code;
}

/* export DIR --kind K --format csv|jsonl|geojson: records out of a station.
 *
 * Rows come through the admin door, personal fields in clear: whoever may open it is the
 * administrator. A CSV has the columns that import takes (references as numbers), so that what was
 * exported can be imported again and changes nothing. */
#include "schema/base/text.h"
#include "schema/codec/record_csv.h"
#include "sync/core/authority.h"
#include "tools/cli/charset.h"
#include "tools/cli/commands.h"
#include "tools/cli/kinds.h"
#include "tools/cli/outfile.h"
#include "tools/cli/state.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 500
#define ROW_SIZE_MAX (256 * 1024)
#define ENCODED_SIZE_MAX (2 * ROW_SIZE_MAX)
#define ARENA_SIZE (64 * 1024)

struct export
{
    struct ds_cli *cli;
    struct ds_state state;
    const struct ds_record_type *type;
    FILE *to;
    struct ds_arena arena;
    uint8_t *row;
    uint8_t *encoded; /* The row once more, in the file's encoding. */
    uint64_t count;
    bool (*put)(struct export * export, const json_t *row);
    struct ds_charset *charset; /* Of a CSV; NULL: UTF-8. */
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

/* A made row in the file's encoding. */
static bool write_row(struct export *export, struct ds_slice row)
{
    struct ds_builder out;
    struct ds_slice made = row;
    if (export->charset != NULL) {
        ds_builder_init(&out, export->encoded, ENCODED_SIZE_MAX);
        ds_charset_encode(export->charset, row, &out);
        if (ds_builder_end(&out, &made) != DS_OK) {
            return false;
        }
    }
    return fwrite(made.data, 1, made.size, export->to) == made.size;
}

/* import takes the roles of workers in a column of their own; so it is written. */
static bool has_roles(const struct ds_record_type *type)
{
    return type->number == DS_REC_worker;
}

static void put_roles(struct export *export, struct ds_csv_writer *writer, const json_t *row)
{
    char words[256] = "";
    size_t used = 0;
    uint16_t roles = 0;
    uint16_t in_teams = 0;
    struct ds_id id;
    const char *text = json_string_value(json_object_get(row, "id"));
    if (text == NULL || ds_id_parse(ds_slice_of_text(text), &id) != DS_OK ||
        ds_state_begin(&export->state) != DS_OK ||
        ds_roles_of(export->state.txn, &export->state.station, &id, export->state.now_ms, &roles,
                    &in_teams) != DS_OK) {
        roles = 0;
    }
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        const char *name = ds_enum_name(DS_LIST_role, role);
        if ((roles >> role & 1) != 0 && used + strlen(name) + 2 < sizeof(words)) {
            used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s",
                                     used > 0 ? " " : "", name);
        }
    }
    ds_csv_put_text(writer, words);
}

static bool put_header(struct export *export)
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
    if (has_roles(export->type)) {
        ds_csv_put_text(&writer, "role");
    }
    ds_csv_end_row(&writer);
    return write_row(export, (struct ds_slice){export->row, out.used});
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
    if (has_roles(export->type)) {
        put_roles(export, &writer, row);
    }
    ds_csv_end_row(&writer);
    ds_state_end(&export->state); /* Whoever reads what we write may take his time. */
    return ds_builder_end(&out, &made) == DS_OK && write_row(export, made);
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
    } else if (strcmp(format, "csv") == 0 && !put_header(export)) {
        return DS_ERR_IO;
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

/* --encoding: utf-8, utf-8-bom (a mark in front, which Excel wants), or one of charset.h. */
static enum ds_err take_encoding(struct export *export, const char *format,
                                 struct ds_detail *detail)
{
    const char *encoding = ds_cli_value(export->cli, "encoding");
    if (encoding == NULL || strcmp(encoding, "utf-8") == 0) {
        return DS_OK;
    }
    if (strcmp(format, "csv") != 0) {
        ds_detail_set(detail, "--encoding is for --format csv; JSON is always UTF-8", NULL);
        return DS_ERR_USAGE;
    }
    if (strcmp(encoding, "utf-8-bom") == 0) {
        return fputs("\xEF\xBB\xBF", export->to) != EOF ? DS_OK : DS_ERR_IO;
    }
    enum ds_err err = ds_charset_open(encoding, &export->charset, detail);
    return err == DS_ERR_SCHEMA ? DS_ERR_USAGE : err;
}

static enum ds_exit export_all(struct export *export, const char *format)
{
    struct ds_detail detail = {""};
    void *memory = malloc(ARENA_SIZE);
    export->row = malloc(ROW_SIZE_MAX);
    export->encoded = malloc(ENCODED_SIZE_MAX);
    enum ds_err err = memory != NULL && export->row != NULL && export->encoded != NULL
                          ? take_encoding(export, format, &detail)
                          : DS_ERR_NOMEM;
    enum ds_exit code = DS_EXIT_FAILED;
    if (err == DS_OK) {
        ds_arena_init(&export->arena, memory, ARENA_SIZE);
        code = export_to(export, format);
    } else {
        code = ds_cli_fail(export->cli, err, &detail);
    }
    ds_charset_close(export->charset);
    free(export->encoded);
    free(export->row);
    free(memory);
    return code;
}

enum ds_exit ds_cmd_export(struct ds_cli *cli)
{
    const char *kind = ds_cli_value(cli, "kind");
    const char *format = ds_cli_value(cli, "format");
    const char *path = ds_cli_value(cli, "out");
    struct export export = {.cli = cli, .type = ds_record_type_by_name(ds_slice_of_text(kind))};
    if (path != NULL && strcmp(path, "-") == 0) {
        path = NULL; /* As everywhere: standard output. */
    }
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
    export.to = path != NULL ? ds_outfile_open(path) : cli->out;
    if (export.to == NULL) {
        struct ds_detail detail;
        ds_detail_set(&detail, path, ": cannot be written", NULL);
        return ds_cli_fail(cli, DS_ERR_IO, &detail);
    }
    enum ds_exit code = export_all(&export, format);
    if (path != NULL) {
        bool good = fclose(export.to) == 0;
        code = code == DS_EXIT_OK && !good ? ds_cli_fail(cli, DS_ERR_IO, NULL) : code;
    }
    if (path != NULL && code == DS_EXIT_OK) {
        ds_cli_put_number(cli, "rows", (int64_t) export.count);
        ds_cli_print(cli, "%llu rows in %s, readable by you alone",
                     (unsigned long long)export.count, path);
    }
    return code;
}

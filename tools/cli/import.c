#include "tools/cli/import.h"

#include "schema/base/text.h"
#include "tools/cli/import_periods.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 20

/* Where a draft came from, for a refusal that comes back. */
struct origin {
    uint64_t line;
    uint64_t offset;
    uint64_t size;
    bool rejected;
};

struct import {
    const struct ds_import_options *options;
    struct ds_import_result *result;
    struct ds_mapping mapping;
    struct ds_seen seen;
    struct ds_plan plan;
    struct ds_planned planned;
    struct ds_badfile bad;
    struct ds_rows *rows;
    struct ds_geojson *features;
    struct ds_slice names[DS_GEOJSON_CELLS_MAX]; /* Of the feature that the plan was made for. */
    struct ds_file_row row;
    struct ds_feature feature;
    struct ds_id books[DS_IMPORT_BOOKS_MAX]; /* History: of its meters. */
    size_t book_count;
    json_t *drafts;
    size_t bytes; /* Of the drafts, about. */
    struct origin origins[DS_IMPORT_DRAFTS_MAX + DS_PLAN_DRAFTS_MAX];
};

static bool known_field(const void *context, struct ds_slice name)
{
    struct ds_target target;
    return ds_kind_target(context, name, &target);
}

static enum ds_err reject(struct import *import, const struct origin *origin, const char *column,
                          const char *why, struct ds_detail *detail)
{
    struct ds_bad_row row = {origin->line, origin->offset, origin->size,
                             ds_plan_heading(&import->plan, column), why};
    import->result->rejected++;
    return ds_badfile_add(&import->bad, &row, detail);
}

/* ---- Writing. ---- */

static void show(struct import *import, const struct origin *origin, const char *word,
                 const char *words)
{
    json_t *verdicts = import->result->verdicts;
    json_int_t count = json_integer_value(json_object_get(verdicts, word));
    json_object_set_new(verdicts, word, json_integer(count + 1));
    if (json_array_size(import->result->shown) < SHOWN_MAX) {
        json_array_append_new(import->result->shown,
                              json_pack("{s:I, s:s, s:s}", "line", (json_int_t)origin->line,
                                        "verdict", word, "detail", words != NULL ? words : ""));
    }
}

/* A draft that the station refused costs its row; one that it took as a proposal or a conflict is
 * loaded, and told. */
static enum ds_err take_items(struct import *import, const json_t *answer, size_t sent,
                              struct ds_detail *detail)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        size_t index = (size_t)json_integer_value(json_object_get(item, "index"));
        const char *error = json_string_value(json_object_get(item, "error"));
        const char *verdict = json_string_value(json_object_get(item, "verdict"));
        const char *words = json_string_value(json_object_get(item, "detail"));
        if (index >= sent) {
            return DS_ERR_DECODE;
        }
        struct origin *origin = &import->origins[index];
        if (verdict != NULL) {
            show(import, origin, verdict, words);
        }
        if (error != NULL && origin->line == 0) {
            ds_detail_set(detail, "a period cannot be closed: ", words != NULL ? words : error,
                          NULL);
            return DS_ERR_CONFLICT;
        }
        if (error != NULL && !origin->rejected) {
            /* Every draft of this row shares its fate in the count. */
            uint64_t offset = origin->offset;
            for (size_t k = 0; k < sent; k++) {
                import->origins[k].rejected |= import->origins[k].offset == offset;
            }
            import->result->loaded -= import->result->loaded > 0 ? 1 : 0;
            DS_TRY(reject(import, origin, "", words != NULL ? words : error, detail));
        }
    }
    return DS_OK;
}

static enum ds_err flush(struct import *import, struct ds_detail *detail)
{
    const char *actor = import->options->kind->shape == DS_KIND_ANSWER ? "billing" : "import";
    size_t sent = json_array_size(import->drafts);
    json_t *answer = NULL;
    if (sent == 0) {
        return DS_OK;
    }
    json_t *drafts = import->drafts;
    import->drafts = json_array();
    import->bytes = 0;
    if (import->options->dry_run) {
        json_decref(drafts);
        return DS_OK;
    }
    DS_TRY(import->options->write(import->options->write_context, actor, drafts, &answer, detail));
    import->result->written += (uint64_t)json_integer_value(json_object_get(answer, "written"));
    import->result->unchanged += (uint64_t)json_integer_value(json_object_get(answer, "unchanged"));
    uint64_t position = (uint64_t)json_integer_value(json_object_get(answer, "position"));
    import->result->position = position > 0 ? position : import->result->position;
    enum ds_err err = take_items(import, answer, sent, detail);
    json_decref(answer);
    return err;
}

/* About how long a draft's JSON is; texts count as they stand. */
static size_t draft_size(const json_t *draft)
{
    size_t size = 80;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(draft, "fields"), name, value)
    {
        size += strlen(name) + 24 + 2 * json_string_length(value);
    }
    return size;
}

/* Queue a draft, which is stolen. */
static enum ds_err queue(struct import *import, json_t *draft, const struct origin *origin,
                         struct ds_detail *detail)
{
    size_t count = json_array_size(import->drafts);
    size_t size = draft_size(draft);
    if (count >= DS_IMPORT_DRAFTS_MAX || import->bytes + size > DS_IMPORT_REQUEST_MAX) {
        enum ds_err err = flush(import, detail);
        if (err != DS_OK) {
            json_decref(draft);
            return err;
        }
        count = 0;
    }
    import->origins[count] = *origin;
    import->bytes += size;
    return json_array_append_new(import->drafts, draft) == 0 ? DS_OK : DS_ERR_NOMEM;
}

/* ---- Reading. ---- */

static enum ds_err plan_one(struct import *import, const struct ds_slice *cells, size_t count,
                            const struct origin *origin, struct ds_detail *detail)
{
    struct ds_planned *planned = &import->planned;
    DS_TRY(ds_plan_row(&import->plan, cells, count, origin->line, planned));
    if (planned->bad) {
        DS_TRY(reject(import, origin, planned->column, planned->why.text, detail));
    }
    bool history = import->options->kind->shape == DS_KIND_HISTORY;
    import->result->loaded += history ? planned->count : (size_t)(planned->count > 0);
    enum ds_err err = DS_OK;
    for (size_t i = 0; i < planned->count; i++) {
        if (err == DS_OK) {
            err = queue(import, planned->drafts[i], origin, detail);
        } else {
            json_decref(planned->drafts[i]);
        }
    }
    planned->count = 0;
    return err;
}

/* A file in another encoding than was said is the commonest mistake: say how to tell it. */
static void hint_encoding(const struct import *import, struct ds_detail *why)
{
    if (strstr(why->text, "not UTF-8") != NULL && import->mapping.ini.count == 0) {
        struct ds_detail made;
        ds_detail_set(&made, why->text,
                      "; a file in GB18030 needs --map with [file] encoding=gb18030", NULL);
        *why = made;
    }
}

static const char *column_name(const struct import *import, uint32_t column)
{
    for (size_t i = 0; i < import->plan.count; i++) {
        if (import->plan.columns[i].place == (int32_t)column - 1) {
            return import->plan.columns[i].target.name;
        }
    }
    return "";
}

static enum ds_err take_header(struct import *import, struct ds_detail *detail)
{
    struct ds_file_row *row = &import->row;
    if (!import->mapping.header) {
        return ds_plan_header(&import->plan, NULL, 0, detail);
    }
    enum ds_err err = ds_rows_next(import->rows, row);
    if (err == DS_ERR_NOT_FOUND) {
        ds_detail_set(detail, "the file is empty: not even a header", NULL);
        return DS_ERR_SCHEMA;
    }
    DS_TRY(err);
    if (row->bad) {
        hint_encoding(import, &row->why);
        ds_detail_set(detail, "header: ", row->why.text, NULL);
        return DS_ERR_DECODE;
    }
    import->bad.header_offset = row->offset;
    import->bad.header_size = row->size;
    import->bad.ours = ds_badfile_is_ours(row->cells, row->count);
    return ds_plan_header(&import->plan, row->cells, row->count, detail);
}

static void step(const struct import *import, uint64_t done, uint64_t total)
{
    if (import->options->step != NULL) {
        import->options->step(import->options->step_context, done, total);
    }
}

static enum ds_err read_rows(struct import *import, struct ds_detail *detail)
{
    struct ds_file_row *row = &import->row;
    DS_TRY(take_header(import, detail));
    for (;;) {
        enum ds_err err = ds_rows_next(import->rows, row);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        struct origin origin = {row->line, row->offset, row->size, false};
        import->result->rows++;
        if (row->bad) {
            hint_encoding(import, &row->why);
            DS_TRY(
                reject(import, &origin, column_name(import, row->column), row->why.text, detail));
        } else {
            DS_TRY(plan_one(import, row->cells, row->count, &origin, detail));
        }
        step(import, ds_rows_done(import->rows), ds_rows_size(import->rows));
    }
}

static enum ds_err read_features(struct import *import, struct ds_detail *detail)
{
    struct ds_feature *feature = &import->feature;
    for (;;) {
        enum ds_err err = ds_geojson_next(import->features, feature, detail);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        struct origin origin = {feature->line, feature->offset, feature->size, false};
        struct ds_detail why = {""};
        import->result->rows++;
        if (feature->bad) {
            DS_TRY(reject(import, &origin, feature->at, feature->why.text, detail));
        } else if (ds_plan_header(&import->plan, feature->names, feature->count, &why) != DS_OK) {
            /* Each feature has its own properties: one with wrong names is rejected alone. */
            DS_TRY(reject(import, &origin, "", why.text, detail));
        } else {
            DS_TRY(plan_one(import, feature->cells, feature->count, &origin, detail));
        }
        step(import, ds_geojson_done(import->features), ds_geojson_size(import->features));
    }
}

/* ---- History. ---- */

/* The book of the meter that a row is about. */
static enum ds_err note_book(struct import *import, const struct ds_slice *cells)
{
    struct ds_planned *planned = &import->planned;
    struct ds_meter *meter = NULL;
    struct ds_id id;
    ds_arena_reset(&import->plan.arena);
    meter = ds_arena_alloc(&import->plan.arena, sizeof(*meter));
    if (meter == NULL) {
        return DS_ERR_NOMEM;
    }
    planned->bad = false;
    enum ds_err err = ds_plan_meter(&import->plan, cells, &id, meter, planned);
    if (err == DS_ERR_SCHEMA || (err == DS_OK && !DS_HAS(meter, meter, book))) {
        return DS_OK; /* The second walk says so. */
    }
    DS_TRY(err);
    for (size_t i = 0; i < import->book_count; i++) {
        if (ds_id_equal(&import->books[i], &meter->book)) {
            return DS_OK;
        }
    }
    if (import->book_count == DS_IMPORT_BOOKS_MAX) {
        return DS_ERR_LIMIT;
    }
    import->books[import->book_count++] = meter->book;
    return DS_OK;
}

static enum ds_err queue_period(struct import *import, const struct ds_id *book, int32_t period,
                                struct ds_detail *detail)
{
    struct origin origin = {.line = 0};
    struct ds_planned *planned = &import->planned;
    planned->count = 0;
    ds_arena_reset(&import->plan.arena);
    DS_TRY(ds_close_period(&import->options->port, &import->plan.arena, book, period, planned));
    if (planned->count == 0) {
        return DS_OK;
    }
    planned->count = 0;
    return queue(import, planned->drafts[0], &origin, detail);
}

/* A first walk over a history: its periods were judged and billed by somebody else. They are closed
 * before their readings come, so that these are taken as history and not as work of today. */
static enum ds_err close_periods(struct import *import, struct ds_detail *detail)
{
    struct ds_rows_options rows = {import->mapping.encoding, import->mapping.delimiter};
    DS_TRY(take_header(import, detail));
    for (;;) {
        enum ds_err err = ds_rows_next(import->rows, &import->row);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        DS_TRY(err);
        if (!import->row.bad && import->row.count == import->plan.width) {
            DS_TRY(note_book(import, import->row.cells));
        }
    }
    for (size_t i = 0; i < import->plan.count; i++) {
        const struct ds_target *target = &import->plan.columns[i].target;
        for (size_t k = 0; target->use == DS_TARGET_INDEX && k < import->book_count; k++) {
            DS_TRY(queue_period(import, &import->books[k], target->period, detail));
        }
    }
    DS_TRY(flush(import, detail));
    ds_rows_close(import->rows);
    import->rows = NULL;
    DS_TRY(ds_rows_open(import->options->path, &rows, &import->rows, detail));
    import->bad.rows = import->rows;
    return DS_OK;
}

static enum ds_err open_all(struct import *import, struct ds_detail *detail)
{
    const struct ds_import_options *options = import->options;
    ds_mapping_default(&import->mapping);
    if (options->map != NULL) {
        DS_TRY(ds_mapping_load(&import->mapping, options->map, known_field, options->kind, detail));
    }
    DS_TRY(ds_plan_init(&import->plan, options->kind, &import->mapping, &options->port,
                        &import->seen));
    if (options->geojson) {
        bool lines = options->kind->record == DS_REC_asset;
        DS_TRY(ds_geojson_open(options->path, lines, &import->features, detail));
        return ds_badfile_init(&import->bad, options->path, NULL, ',', detail);
    }
    struct ds_rows_options rows = {import->mapping.encoding, import->mapping.delimiter};
    DS_TRY(ds_rows_open(options->path, &rows, &import->rows, detail));
    return ds_badfile_init(&import->bad, options->path, import->rows, rows.delimiter, detail);
}

static enum ds_err run(struct import *import, struct ds_detail *detail)
{
    DS_TRY(open_all(import, detail));
    if (import->options->kind->shape == DS_KIND_HISTORY) {
        DS_TRY(close_periods(import, detail));
    }
    DS_TRY(import->features != NULL ? read_features(import, detail) : read_rows(import, detail));
    DS_TRY(flush(import, detail));
    memcpy(import->result->bad_path, import->bad.path, sizeof(import->result->bad_path));
    if (import->bad.count == 0) {
        import->result->bad_path[0] = '\0';
    }
    return ds_badfile_end(&import->bad, detail);
}

enum ds_err ds_import_run(const struct ds_import_options *options, struct ds_import_result *result,
                          struct ds_detail *detail)
{
    *result = (struct ds_import_result){.verdicts = json_object(), .shown = json_array()};
    struct import *import = calloc(1, sizeof(*import));
    if (import == NULL) {
        return DS_ERR_NOMEM;
    }
    import->options = options;
    import->result = result;
    import->drafts = json_array();
    enum ds_err err = run(import, detail);
    ds_badfile_drop(&import->bad);
    while (import->planned.count > 0) {
        json_decref(import->planned.drafts[--import->planned.count]);
    }
    json_decref(import->drafts);
    ds_plan_fini(&import->plan);
    ds_seen_free(&import->seen);
    ds_mapping_free(&import->mapping);
    ds_geojson_close(import->features);
    ds_rows_close(import->rows);
    free(import);
    return err;
}

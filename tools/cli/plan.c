#include "tools/cli/plan.h"

#include "schema/base/text.h"
#include "schema/codec/record_csv.h"
#include "sync/core/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum ds_err ds_plan_init(struct ds_plan *plan, const struct ds_kind *kind,
                         const struct ds_mapping *mapping, const struct ds_station_port *port,
                         struct ds_seen *seen)
{
    memset(plan, 0, sizeof(*plan)); /* Too large for a literal on the stack. */
    plan->kind = kind;
    plan->mapping = mapping;
    plan->port = port;
    plan->seen = seen;
    size_t count = 0;
    size_t largest = 0;
    const struct ds_record_type *types = ds_record_types(&count);
    for (size_t i = 0; i < count; i++) {
        largest = types[i].size > largest ? types[i].size : largest;
    }
    DS_ASSERT(largest > 0);
    plan->record = malloc(largest);
    void *memory = malloc(DS_PLAN_ARENA);
    if (plan->record == NULL || memory == NULL) {
        free(memory);
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&plan->arena, memory, DS_PLAN_ARENA);
    return DS_OK;
}

void ds_plan_fini(struct ds_plan *plan)
{
    free(plan->record);
    free(plan->arena.base);
    plan->record = NULL;
    plan->arena.base = NULL;
}

/* ---- The header. ---- */

static enum ds_err refuse(struct ds_detail *detail, struct ds_slice name, const char *what)
{
    char text[64];
    size_t size = name.size < sizeof(text) ? name.size : sizeof(text) - 1;
    if (size > 0) {
        memcpy(text, name.data, size);
    }
    text[size] = '\0';
    ds_detail_set(detail, "column ", text, ": ", what, NULL);
    return DS_ERR_SCHEMA;
}

/* Columns that we put into files of rejected rows, so that such a file can be loaded again. */
static bool is_ours(struct ds_slice name)
{
    return ds_slice_equal(name, DS_SLICE_LIT("_line")) ||
           ds_slice_equal(name, DS_SLICE_LIT("_column")) ||
           ds_slice_equal(name, DS_SLICE_LIT("_reason"));
}

static enum ds_err add_column(struct ds_plan *plan, struct ds_slice name, int32_t place,
                              struct ds_slice constant, struct ds_detail *detail)
{
    struct ds_plan_column column = {.place = place, .constant = constant};
    if (!ds_kind_target(plan->kind, name, &column.target)) {
        return refuse(detail, name, "no field of this kind");
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->columns[i].target.name, column.target.name) == 0) {
            return refuse(detail, name, "given twice");
        }
    }
    if (plan->count == DS_PLAN_COLUMNS_MAX) {
        return refuse(detail, name, "more than 320 columns");
    }
    if (column.target.field != NULL) {
        DS_TRY(ds_mapping_unit(plan->mapping, column.target.field, &column.unit, detail));
    }
    plan->columns[plan->count++] = column;
    return DS_OK;
}

/* The place of a header's cell; -1: there is none, -2: there are two. */
static int32_t place_of(const struct ds_slice *names, size_t count, struct ds_slice name)
{
    int32_t place = -1;
    for (size_t i = 0; i < count; i++) {
        if (ds_slice_equal(names[i], name)) {
            place = place == -1 ? (int32_t)i : -2;
        }
    }
    return place;
}

const char *ds_plan_heading(const struct ds_plan *plan, const char *field)
{
    const struct ds_ini *ini = &plan->mapping->ini;
    for (size_t i = 0; i < ini->count; i++) {
        const struct ds_ini_entry *entry = &ini->entries[i];
        if (strcmp(entry->section, "columns") == 0 && strcmp(entry->key, field) == 0) {
            return entry->value;
        }
    }
    return field;
}

/* One line of [columns]: field=header, or field=number where there is no header. */
static enum ds_err map_column(struct ds_plan *plan, const struct ds_ini_entry *entry,
                              const struct ds_slice *names, size_t count, struct ds_detail *detail)
{
    struct ds_slice header = ds_slice_of_text(entry->value);
    int64_t number = 0;
    if (!plan->mapping->header) {
        if (ds_int_parse(header, &number) != DS_OK || number < 1 || number > 256) {
            return ds_ini_refuse(entry, "not the number of a column, from 1 to 256", detail);
        }
        plan->width = (size_t)number > plan->width ? (size_t)number : plan->width;
        return add_column(plan, ds_slice_of_text(entry->key), (int32_t)number - 1,
                          (struct ds_slice){NULL, 0}, detail);
    }
    int32_t place = place_of(names, count, header);
    if (place < 0) {
        struct ds_detail why;
        ds_detail_set(&why, "the file has ", place == -1 ? "no column \"" : "two columns \"",
                      entry->value, "\"", NULL);
        (void)ds_ini_refuse(entry, why.text, &why);
        ds_detail_set(detail, "mapping, ", why.text, NULL);
        return DS_ERR_SCHEMA;
    }
    return add_column(plan, ds_slice_of_text(entry->key), place, (struct ds_slice){NULL, 0},
                      detail);
}

static bool has_column(const struct ds_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->columns[i].target.name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* History: periods rise from column to column. */
static enum ds_err check_periods(const struct ds_plan *plan, struct ds_detail *detail)
{
    int32_t last = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct ds_target *target = &plan->columns[i].target;
        if (target->use != DS_TARGET_INDEX) {
            continue;
        }
        if (target->period <= last) {
            return refuse(detail, ds_slice_of_text(target->name), "periods must rise");
        }
        last = target->period;
    }
    if (last == 0) {
        ds_detail_set(detail, "no column iYYYYMM", NULL);
        return DS_ERR_SCHEMA;
    }
    return DS_OK;
}

static enum ds_err map_columns(struct ds_plan *plan, const struct ds_slice *names, size_t count,
                               struct ds_detail *detail)
{
    const struct ds_ini *ini = &plan->mapping->ini;
    for (size_t i = 0; i < ini->count; i++) {
        if (strcmp(ini->entries[i].section, "columns") == 0) {
            DS_TRY(map_column(plan, &ini->entries[i], names, count, detail));
        }
    }
    return DS_OK;
}

enum ds_err ds_plan_header(struct ds_plan *plan, const struct ds_slice *names, size_t count,
                           struct ds_detail *detail)
{
    const struct ds_ini *ini = &plan->mapping->ini;
    plan->count = 0;
    plan->width = count;
    if (plan->mapping->columns) {
        DS_TRY(map_columns(plan, names, count, detail));
    }
    for (size_t i = 0; i < count && !plan->mapping->columns; i++) {
        if (!is_ours(names[i])) {
            DS_TRY(add_column(plan, names[i], (int32_t)i, (struct ds_slice){NULL, 0}, detail));
        }
    }
    for (size_t i = 0; i < ini->count; i++) {
        if (strcmp(ini->entries[i].section, "const") == 0) {
            DS_TRY(add_column(plan, ds_slice_of_text(ini->entries[i].key), -1,
                              ds_slice_of_text(ini->entries[i].value), detail));
        }
    }
    bool by_slot = plan->kind->shape == DS_KIND_ANSWER && has_column(plan, "slot");
    bool by_meter = has_column(plan, "meter_no") && has_column(plan, "period");
    if (plan->kind->shape == DS_KIND_ANSWER && by_slot == by_meter) {
        ds_detail_set(detail, "either slot, or manufacturer, meter_no and period must be there",
                      NULL);
        return DS_ERR_SCHEMA;
    }
    for (size_t i = 0; i < DS_COUNT(plan->kind->key) && plan->kind->key[i] != NULL; i++) {
        if (!has_column(plan, plan->kind->key[i])) {
            return refuse(detail, ds_slice_of_text(plan->kind->key[i]), "missing");
        }
    }
    return plan->kind->shape == DS_KIND_HISTORY ? check_periods(plan, detail) : DS_OK;
}

/* ---- Cells. ---- */

enum ds_err ds_plan_reject(struct ds_planned *planned, const char *column, const char *why)
{
    if (!planned->bad) {
        planned->bad = true;
        snprintf(planned->column, sizeof(planned->column), "%s", column);
        ds_detail_set(&planned->why, why, NULL);
    }
    return DS_ERR_SCHEMA;
}

const struct ds_plan_column *ds_plan_find(const struct ds_plan *plan, enum ds_target_use use)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->columns[i].target.use == use) {
            return &plan->columns[i];
        }
    }
    return NULL;
}

struct ds_slice ds_plan_cell(const struct ds_plan *plan, const struct ds_plan_column *column,
                             const struct ds_slice *cells)
{
    if (column == NULL) {
        return (struct ds_slice){NULL, 0};
    }
    if (column->place < 0) {
        return column->constant;
    }
    struct ds_slice cell = cells[column->place];
    if (plan->mapping->guard) {
        cell = ds_csv_unguard(cell);
    }
    return ds_mapping_value(plan->mapping, column->target.name, cell);
}

/* A reference by number: the id that follows from it, if such a record is there. */
static enum ds_err take_reference(struct ds_plan *plan, const struct ds_plan_column *column,
                                  struct ds_slice cell, struct ds_id *id,
                                  struct ds_planned *planned)
{
    size_t mark = ds_arena_mark(&plan->arena);
    const struct ds_record_type *type = ds_record_type_by_number(column->target.refers);
    void *other = ds_arena_alloc(&plan->arena, type->size);
    if (other == NULL) {
        return DS_ERR_NOMEM;
    }
    *id = ds_numbered_id(&plan->port->station, column->target.refers, cell);
    enum ds_err err =
        plan->port->load(plan->port->context, column->target.refers, id, &plan->arena, other);
    ds_arena_rewind(&plan->arena, mark);
    if (err == DS_ERR_NOT_FOUND) {
        struct ds_detail why;
        ds_detail_set(&why, "there is no ", type->name, " of this number", NULL);
        return ds_plan_reject(planned, column->target.name, why.text);
    }
    return err;
}

enum ds_err ds_plan_take(struct ds_plan *plan, const struct ds_plan_column *column,
                         struct ds_slice cell, struct ds_planned *planned)
{
    const struct ds_field *field = column->target.field;
    uint8_t *member = (uint8_t *)plan->record + field->offset;
    struct ds_detail why = {""};
    enum ds_err err = DS_OK;
    if (column->target.use == DS_TARGET_REFERENCE) {
        struct ds_id id;
        DS_TRY(take_reference(plan, column, cell, &id, planned));
        memcpy(member, &id, sizeof(id));
    } else if (field->type == DS_TYPE_PERSONAL) {
        /* The clear text travels to the station, which seals it. */
        err = ds_personal_check(field, cell, &why);
        memcpy(member, &cell, sizeof(cell));
    } else {
        err = ds_record_from_cell(field, cell, column->unit.scale, &plan->arena, member, &why);
    }
    if (err == DS_ERR_SCHEMA || err == DS_ERR_DECODE || err == DS_ERR_LIMIT) {
        return ds_plan_reject(planned, column->target.name, why.text);
    }
    if (err == DS_OK) {
        ds_mark(plan->record, field->index);
    }
    return err;
}

/* ---- Drafts. ---- */

static json_t *text_json(struct ds_slice text)
{
    return json_stringn((const char *)text.data, text.size);
}

static json_t *hex_json(struct ds_slice bytes)
{
    uint8_t memory[65];
    struct ds_builder out;
    ds_builder_init(&out, memory, sizeof(memory));
    ds_put_hex(&out, bytes);
    return json_string(ds_builder_text(&out));
}

static json_t *base64_json(struct ds_slice bytes)
{
    size_t room = bytes.size / 3 * 4 + 5;
    uint8_t *memory = malloc(room);
    struct ds_builder out;
    if (memory == NULL) {
        return NULL;
    }
    ds_builder_init(&out, memory, room);
    ds_put_base64url(&out, bytes);
    json_t *made = json_string(ds_builder_text(&out));
    free(memory);
    return made;
}

static json_t *hashes_json(struct ds_slice hashes)
{
    json_t *array = json_array();
    for (size_t at = 0; at + 32 <= hashes.size; at += 32) {
        json_array_append_new(array, hex_json((struct ds_slice){hashes.data + at, 32}));
    }
    return array;
}

static json_t *member_json(const struct ds_field *field, const void *member)
{
    int64_t number = 0;
    struct ds_slice slice = {NULL, 0};
    memcpy(&number, member, sizeof(number));
    switch (field->type) {
    case DS_TYPE_INT:
        return json_integer(number);
    case DS_TYPE_BOOL:
        return json_boolean(number != 0);
    case DS_TYPE_ENUM:
        return json_string(ds_enum_name(field->list, number));
    case DS_TYPE_ID:
        return hex_json((struct ds_slice){member, sizeof(struct ds_id)});
    case DS_TYPE_HASH:
        return hex_json((struct ds_slice){member, sizeof(struct ds_hash)});
    default:
        break;
    }
    memcpy(&slice, member, sizeof(slice));
    switch (field->type) {
    case DS_TYPE_BYTES:
        return base64_json(slice);
    case DS_TYPE_HASHES:
        return hashes_json(slice);
    default:
        return text_json(slice);
    }
}

enum ds_err ds_plan_add(struct ds_planned *planned, const struct ds_record_type *type,
                        const struct ds_id *id, const void *record)
{
    const struct ds_presence *presence = record;
    json_t *draft = json_object();
    json_t *fields = json_object();
    DS_ASSERT(planned->count < DS_PLAN_DRAFTS_MAX);
    json_object_set_new(draft, "type", json_string(type->name));
    if (id != NULL) {
        json_object_set_new(draft, "id", hex_json(DS_SLICE_OF(*id)));
    }
    for (size_t i = 0; i < type->field_count; i++) {
        const struct ds_field *field = &type->fields[i];
        bool set = presence->set >> field->index & 1;
        bool null = presence->null >> field->index & 1;
        if (set) {
            json_object_set_new(fields, field->name,
                                null ? json_null()
                                     : member_json(field, (const uint8_t *)record + field->offset));
        }
    }
    if (json_object_set_new(draft, "fields", fields) != 0) {
        json_decref(draft);
        return DS_ERR_NOMEM;
    }
    planned->drafts[planned->count++] = draft;
    return DS_OK;
}

/* Rows that are one entity each, and the door to the others (plan_meter.c). */
#include "schema/base/text.h"
#include "schema/rules/rule.h"
#include "sync/core/authority.h"
#include "tools/cli/plan.h"

#include <stdio.h>
#include <string.h>

/* The text of a member that is a TEXT, "" if it has none. */
static struct ds_slice text_of(const struct ds_plan *plan, const char *name)
{
    const struct ds_record_type *type = ds_record_type_by_number(plan->kind->record);
    const struct ds_field *field = ds_field_by_name(type, ds_slice_of_text(name));
    struct ds_slice text = {NULL, 0};
    if (ds_has(plan->record, field->index)) {
        memcpy(&text, (const uint8_t *)plan->record + field->offset, sizeof(text));
    }
    return text;
}

static const char *key_column(const struct ds_kind *kind)
{
    return kind->key[1] != NULL ? kind->key[1] : kind->key[0];
}

/* The id that follows from the natural key. A meter without a maker's name is one of no maker. */
static enum ds_err natural_id(struct ds_plan *plan, struct ds_id *id, struct ds_planned *planned)
{
    const struct ds_id *station = &plan->port->station;
    const char *last = key_column(plan->kind);
    if (plan->kind->record == DS_REC_rule_setting) {
        const struct ds_rule_setting *setting = plan->record;
        if (!DS_HAS(setting, rule_setting, rule)) {
            return ds_plan_reject(planned, last, "empty, and nothing else names the record");
        }
        *id = ds_rule_setting_id(station, (uint8_t)setting->rule);
        return DS_OK;
    }
    if (text_of(plan, last).size == 0) {
        return ds_plan_reject(planned, last, "empty, and nothing else names the record");
    }
    switch (plan->kind->record) {
    case DS_REC_meter:
        *id = ds_meter_id(station, text_of(plan, "manufacturer"), text_of(plan, "meter_no"));
        return DS_OK;
    case DS_REC_code:
        if (text_of(plan, "list").size == 0) {
            return ds_plan_reject(planned, "list", "empty, and nothing else names the record");
        }
        *id = ds_code_id(station, text_of(plan, "list"), text_of(plan, "number"));
        return DS_OK;
    case DS_REC_station:
        *id = ds_station_id(text_of(plan, "number"));
        if (!ds_id_equal(id, station)) {
            return ds_plan_reject(planned, "number", "another station than this one");
        }
        return DS_OK;
    default:
        *id = ds_numbered_id(station, plan->kind->record, text_of(plan, last));
        return DS_OK;
    }
}

static enum ds_err once_in_file(struct ds_plan *plan, const struct ds_id *id, uint64_t line,
                                const char *column, struct ds_planned *planned)
{
    uint64_t before = 0;
    DS_TRY(ds_seen_add(plan->seen, id, line, &before));
    if (before != 0) {
        char why[64];
        snprintf(why, sizeof(why), "the same key stands in line %llu", (unsigned long long)before);
        return ds_plan_reject(planned, column, why);
    }
    return DS_OK;
}

static enum ds_err take_cells(struct ds_plan *plan, const struct ds_slice *cells,
                              struct ds_planned *planned)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct ds_plan_column *column = &plan->columns[i];
        bool field =
            column->target.use == DS_TARGET_FIELD || column->target.use == DS_TARGET_REFERENCE;
        struct ds_slice cell = ds_plan_cell(plan, column, cells);
        if (field && cell.size > 0) {
            DS_TRY(ds_plan_take(plan, column, cell, planned));
        }
    }
    return DS_OK;
}

/* empty=clear: an empty cell takes away a value that is there. */
static enum ds_err clear_empty(struct ds_plan *plan, const struct ds_slice *cells, void *present,
                               struct ds_planned *planned)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct ds_plan_column *column = &plan->columns[i];
        const struct ds_field *field = column->target.field;
        if (field == NULL || ds_plan_cell(plan, column, cells).size > 0 ||
            !ds_has(present, field->index)) {
            continue;
        }
        if (field->need == DS_NEED_REQUIRED) {
            return ds_plan_reject(planned, column->target.name, "empty, and may not be");
        }
        ds_clear(plan->record, field->index);
    }
    return DS_OK;
}

/* Against what is there: a new record must be complete, a known one may be named in part. */
static enum ds_err against_present(struct ds_plan *plan, const struct ds_id *id,
                                   const struct ds_slice *cells, struct ds_planned *planned)
{
    const struct ds_record_type *type = ds_record_type_by_number(plan->kind->record);
    const struct ds_field *bad = NULL;
    struct ds_detail why = {""};
    void *present = ds_arena_alloc(&plan->arena, type->size);
    if (present == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err =
        plan->port->load(plan->port->context, type->number, id, &plan->arena, present);
    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    if (err == DS_OK && plan->mapping->clear_empty) {
        DS_TRY(clear_empty(plan, cells, present, planned));
    }
    err = ds_validate(type, plan->record, err == DS_ERR_NOT_FOUND, &bad, &why);
    if (err == DS_OK && type->number == DS_REC_rule_setting) {
        err = ds_rule_setting_check(plan->record, &why);
    }
    if (err == DS_ERR_SCHEMA) {
        return ds_plan_reject(planned, bad != NULL ? bad->name : "", why.text);
    }
    return err;
}

/* "reader supervisor@team": a grant for each word, for the station or for a team of it. */
static enum ds_err take_roles(struct ds_plan *plan, const struct ds_id *worker,
                              struct ds_slice cell, struct ds_planned *planned)
{
    while (cell.size > 0) {
        const uint8_t *blank = memchr(cell.data, ' ', cell.size);
        size_t size = blank == NULL ? cell.size : (size_t)(blank - cell.data);
        const uint8_t *at = memchr(cell.data, '@', size);
        struct ds_slice word = {cell.data, at == NULL ? size : (size_t)(at - cell.data)};
        struct ds_slice team = {at == NULL ? NULL : at + 1, at == NULL ? 0 : size - word.size - 1};
        struct ds_id subtree =
            at == NULL ? plan->port->station : ds_team_id(&plan->port->station, team);
        int64_t role = ds_enum_number(DS_LIST_role, word);
        for (int64_t n = ds_enum_last(DS_LIST_role); role == 0 && n > 0; n--) {
            bool term = ds_slice_equal(word, ds_slice_of_text(ds_enum_term(DS_LIST_role, n)));
            role = term ? n : 0;
        }
        if (role == 0 || (at != NULL && team.size == 0)) {
            struct ds_detail why;
            char shown[48];
            snprintf(shown, sizeof(shown), "%.*s", (int)size, (const char *)cell.data);
            ds_detail_set(&why, "role: \"", shown, "\" is no role; schema/FIELDS.md lists them",
                          NULL);
            return ds_plan_reject(planned, "role", why.text);
        }
        struct ds_role_grant grant = {.presence = {0}};
        DS_SET(&grant, role_grant, worker, *worker);
        DS_SET(&grant, role_grant, role, role);
        DS_SET(&grant, role_grant, subtree, subtree);
        struct ds_id id = ds_grant_id(&plan->port->station, worker, (uint8_t)role, &subtree);
        DS_TRY(ds_plan_add(planned, ds_record_type_by_number(DS_REC_role_grant), &id, &grant));
        size_t used = blank == NULL ? size : size + 1;
        cell = (struct ds_slice){cell.data + used, cell.size - used};
    }
    return DS_OK;
}

static enum ds_err entity_row(struct ds_plan *plan, const struct ds_slice *cells, uint64_t line,
                              struct ds_planned *planned)
{
    const struct ds_record_type *type = ds_record_type_by_number(plan->kind->record);
    struct ds_id id;
    memset(plan->record, 0, type->size);
    DS_TRY(take_cells(plan, cells, planned));
    DS_TRY(natural_id(plan, &id, planned));
    DS_TRY(once_in_file(plan, &id, line, key_column(plan->kind), planned));
    DS_TRY(against_present(plan, &id, cells, planned));
    DS_TRY(ds_plan_add(planned, type, &id, plan->record));
    return take_roles(plan, &id, ds_plan_cell(plan, ds_plan_find(plan, DS_TARGET_ROLE), cells),
                      planned);
}

static enum ds_err plan_cells(struct ds_plan *plan, const struct ds_slice *cells, size_t count,
                              uint64_t line, struct ds_planned *planned)
{
    bool narrow = count < plan->width;
    bool wide = plan->mapping->header && count > plan->width;
    if (narrow || wide) {
        char why[80];
        snprintf(why, sizeof(why), "%zu cells, the header has %zu", count, plan->width);
        return ds_plan_reject(planned, "", why);
    }
    switch (plan->kind->shape) {
    case DS_KIND_ENTITY:
        return entity_row(plan, cells, line, planned);
    case DS_KIND_READING:
        return ds_plan_reading_row(plan, cells, planned);
    case DS_KIND_ANSWER:
        return ds_plan_answer_row(plan, cells, planned);
    case DS_KIND_HISTORY:
        return ds_plan_history_row(plan, cells, line, planned);
    }
    DS_ASSERT(false);
    return DS_OK;
}

enum ds_err ds_plan_row(struct ds_plan *plan, const struct ds_slice *cells, size_t count,
                        uint64_t line, struct ds_planned *planned)
{
    planned->count = 0;
    planned->bad = false;
    planned->column[0] = '\0';
    ds_arena_reset(&plan->arena);
    enum ds_err err = plan_cells(plan, cells, count, line, planned);
    if (err == DS_ERR_SCHEMA && planned->bad) {
        /* The row is rejected as a whole. */
        while (planned->count > 0) {
            json_decref(planned->drafts[--planned->count]);
        }
        return DS_OK;
    }
    return err;
}

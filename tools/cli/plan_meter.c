/* Rows that are about a meter: readings, billing's answers, and the history of what was billed. */
#include "schema/base/text.h"
#include "sync/core/tables.h"
#include "tools/cli/plan.h"

#include <stdio.h>
#include <string.h>

#define HISTORY_HOUR_MS                                                                            \
    (18 * INT64_C(3600000)) /* Readings of the history: 18:00 of the last day. */
#define DAY_MS INT64_C(86400000)
#define LITRES_A_COUNT 1000 /* meter.unit_l, where it is not given. */

enum ds_err ds_plan_meter(struct ds_plan *plan, const struct ds_slice *cells, struct ds_id *id,
                          struct ds_meter *meter, struct ds_planned *planned)
{
    struct ds_slice maker = ds_plan_cell(plan, ds_plan_find(plan, DS_TARGET_MAKER), cells);
    struct ds_slice number = ds_plan_cell(plan, ds_plan_find(plan, DS_TARGET_METER_NO), cells);
    if (number.size == 0) {
        return ds_plan_reject(planned, "meter_no", "empty");
    }
    *id = ds_meter_id(&plan->port->station, maker, number);
    enum ds_err err = plan->port->load(plan->port->context, DS_REC_meter, id, &plan->arena, meter);
    if (err == DS_ERR_NOT_FOUND) {
        return ds_plan_reject(planned, "meter_no", "there is no meter of this maker and number");
    }
    return err;
}

/* Cubic metres that were read into litres become counts of the meter's last digit, if they can. */
static enum ds_err counts_of_litres(const struct ds_meter *meter, const char *column,
                                    int64_t *value, struct ds_planned *planned)
{
    int64_t unit_l = DS_GET(meter, meter, unit_l, LITRES_A_COUNT);
    if (*value % unit_l != 0) {
        return ds_plan_reject(planned, column, "no whole number of the dial's counts");
    }
    *value /= unit_l;
    return DS_OK;
}

enum ds_err ds_plan_reading_row(struct ds_plan *plan, const struct ds_slice *cells,
                                struct ds_planned *planned)
{
    const struct ds_record_type *type = ds_record_type_by_number(DS_REC_reading);
    struct ds_meter *meter = ds_arena_alloc(&plan->arena, sizeof(*meter));
    struct ds_reading *reading = plan->record;
    const struct ds_field *bad = NULL;
    struct ds_detail why = {""};
    struct ds_id id;
    if (meter == NULL) {
        return DS_ERR_NOMEM;
    }
    memset(reading, 0, sizeof(*reading));
    DS_TRY(ds_plan_meter(plan, cells, &id, meter, planned));
    for (size_t i = 0; i < plan->count; i++) {
        const struct ds_plan_column *column = &plan->columns[i];
        struct ds_slice cell = ds_plan_cell(plan, column, cells);
        if (column->target.use != DS_TARGET_FIELD || cell.size == 0) {
            continue;
        }
        DS_TRY(ds_plan_take(plan, column, cell, planned));
        if (column->unit.of_dial_m3) {
            DS_TRY(counts_of_litres(meter, column->target.name, &reading->index, planned));
        }
    }
    DS_SET(reading, reading, meter, id);
    if (!DS_HAS(reading, reading, method)) {
        DS_SET(reading, reading, method, DS_METHOD_remote);
    }
    enum ds_err err = ds_validate(type, reading, true, &bad, &why);
    if (err == DS_ERR_SCHEMA) {
        return ds_plan_reject(planned, bad != NULL ? bad->name : "", why.text);
    }
    DS_TRY(err);
    return ds_plan_add(planned, type, NULL, reading);
}

/* The slot that an answer is about: named by its id, or by meter, period and register. */
static enum ds_err slot_of_answer(struct ds_plan *plan, const struct ds_slice *cells,
                                  struct ds_answer *answer, struct ds_planned *planned)
{
    if (DS_HAS(answer, answer, slot)) {
        return DS_OK;
    }
    struct ds_meter *meter = ds_arena_alloc(&plan->arena, sizeof(*meter));
    struct ds_id id;
    if (meter == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_plan_meter(plan, cells, &id, meter, planned));
    struct ds_slice text = ds_plan_cell(plan, ds_plan_find(plan, DS_TARGET_PERIOD), cells);
    struct ds_slice kind = ds_plan_cell(plan, ds_plan_find(plan, DS_TARGET_REGISTER), cells);
    int64_t period = 0;
    int64_t reg = kind.size == 0 ? DS_REGISTER_mechanical : ds_enum_number(DS_LIST_register, kind);
    if (ds_int_parse(text, &period) != DS_OK || !ds_period_ok(period)) {
        return ds_plan_reject(planned, "period", "not a month like 202601");
    }
    if (reg == 0) {
        return ds_plan_reject(planned, "register_kind", "not a word of its list");
    }
    DS_SET(answer, answer, slot,
           ds_slot_id(&plan->port->station, &id, (uint8_t)reg, (uint32_t)period));
    return DS_OK;
}

enum ds_err ds_plan_answer_row(struct ds_plan *plan, const struct ds_slice *cells,
                               struct ds_planned *planned)
{
    const struct ds_record_type *type = ds_record_type_by_number(DS_REC_answer);
    struct ds_answer *answer = plan->record;
    const struct ds_field *bad = NULL;
    struct ds_detail why = {""};
    memset(answer, 0, sizeof(*answer));
    for (size_t i = 0; i < plan->count; i++) {
        const struct ds_plan_column *column = &plan->columns[i];
        struct ds_slice cell = ds_plan_cell(plan, column, cells);
        if (column->target.use == DS_TARGET_FIELD && cell.size > 0) {
            DS_TRY(ds_plan_take(plan, column, cell, planned));
        }
    }
    DS_TRY(slot_of_answer(plan, cells, answer, planned));
    DS_SET(answer, answer, consumer, DS_CONSUMER_billing);
    enum ds_err err = ds_validate(type, answer, true, &bad, &why);
    if (err == DS_ERR_SCHEMA) {
        return ds_plan_reject(planned, bad != NULL ? bad->name : "", why.text);
    }
    DS_TRY(err);
    return ds_plan_add(planned, type, NULL, answer);
}

/* ---- History (tools/sample/HISTORY-FORMAT.md). ---- */

static int64_t history_instant(int32_t period, int32_t offset_min)
{
    struct ds_date day = {period / 100, period % 100, ds_period_days(period)};
    return ds_date_to_days(day) * DAY_MS + HISTORY_HOUR_MS - (int64_t)offset_min * 60000;
}

/* "4391", "4630e". */
static enum ds_err history_cell(const struct ds_plan_column *column, struct ds_slice cell,
                                const struct ds_meter *meter, struct ds_reading *reading,
                                struct ds_planned *planned)
{
    bool estimate = cell.data[cell.size - 1] == 'e';
    cell.size -= estimate ? 1 : 0;
    int64_t index = 0;
    enum ds_err err = cell.size == 0 || cell.data[0] == '-' ? DS_ERR_DECODE
                      : column->unit.of_dial_m3 ? ds_fixed_parse(cell, column->unit.scale, &index)
                                                : ds_int_parse(cell, &index);
    if (err != DS_OK) {
        return ds_plan_reject(planned, column->target.name,
                              "not digits, or digits and one small e");
    }
    if (column->unit.of_dial_m3) {
        DS_TRY(counts_of_litres(meter, column->target.name, &index, planned));
    }
    if (ds_field_wrong(column->target.field, &index) != NULL) {
        return ds_plan_reject(planned, column->target.name, "out of range");
    }
    DS_SET(reading, reading, index, index);
    DS_SET(reading, reading, method, estimate ? DS_METHOD_estimate : DS_METHOD_on_site);
    if (estimate) {
        DS_SET(reading, reading, estimate_method, DS_ESTIMATE_same_season);
    }
    return DS_OK;
}

enum ds_err ds_plan_history_row(struct ds_plan *plan, const struct ds_slice *cells, uint64_t line,
                                struct ds_planned *planned)
{
    const struct ds_record_type *type = ds_record_type_by_number(DS_REC_reading);
    struct ds_meter *meter = ds_arena_alloc(&plan->arena, sizeof(*meter));
    struct ds_id id;
    uint64_t before = 0;
    if (meter == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_plan_meter(plan, cells, &id, meter, planned));
    DS_TRY(ds_seen_add(plan->seen, &id, line, &before));
    if (before != 0) {
        char why[64];
        snprintf(why, sizeof(why), "the same meter stands in line %llu",
                 (unsigned long long)before);
        return ds_plan_reject(planned, "meter_no", why);
    }
    for (size_t i = 0; i < plan->count; i++) {
        const struct ds_plan_column *column = &plan->columns[i];
        struct ds_slice cell = ds_plan_cell(plan, column, cells);
        if (column->target.use != DS_TARGET_INDEX || cell.size == 0) {
            continue;
        }
        struct ds_reading reading = {.presence = {0}};
        DS_SET(&reading, reading, meter, id);
        DS_SET(&reading, reading, period, column->target.period);
        DS_SET(&reading, reading, instant_ms,
               history_instant(column->target.period, plan->port->offset_min));
        /* A wrong cell costs itself: the others of the row load. */
        if (history_cell(column, cell, meter, &reading, planned) == DS_OK) {
            DS_TRY(ds_plan_add(planned, type, NULL, &reading));
        }
    }
    return DS_OK;
}

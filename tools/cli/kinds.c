#include "tools/cli/kinds.h"

#include "schema/base/text.h"

#include <string.h>

static const struct ds_kind kinds[] = {
    {"station", DS_REC_station, DS_KIND_ENTITY, {"number", NULL}, false, "the station's own row"},
    {"worker",
     DS_REC_worker,
     DS_KIND_ENTITY,
     {"number", NULL},
     false,
     "workers; column role: roles held for the station, or ROLE@TEAM, with blanks between"},
    {"account", DS_REC_account, DS_KIND_ENTITY, {"number", NULL}, false, "accounts"},
    {"premises",
     DS_REC_premises,
     DS_KIND_ENTITY,
     {"number", NULL},
     true,
     "premises; also GeoJSON points"},
    {"meter", DS_REC_meter, DS_KIND_ENTITY, {"manufacturer", "meter_no"}, false, "meters"},
    {"book", DS_REC_book, DS_KIND_ENTITY, {"number", NULL}, false, "books"},
    {"tariff", DS_REC_tariff, DS_KIND_ENTITY, {"number", NULL}, false, "tariffs"},
    {"code", DS_REC_code, DS_KIND_ENTITY, {"list", "number"}, false, "rows of the code tables"},
    {"rule_setting",
     DS_REC_rule_setting,
     DS_KIND_ENTITY,
     {"rule", NULL},
     false,
     "severity, limits and on/off of the reading rules at this station"},
    {"asset",
     DS_REC_asset,
     DS_KIND_ENTITY,
     {"number", NULL},
     true,
     "pipes, valves and so on; also GeoJSON points and lines"},
    {"history",
     DS_REC_reading,
     DS_KIND_HISTORY,
     {"manufacturer", "meter_no"},
     false,
     "what was billed before: one row a meter, one column a period"},
    {"remote_reading",
     DS_REC_reading,
     DS_KIND_READING,
     {"manufacturer", "meter_no"},
     false,
     "readings of the remote head-end"},
    {"billing_answer",
     DS_REC_answer,
     DS_KIND_ANSWER,
     {"revision", "answer"},
     false,
     "what billing said to exported slots"},
};

const struct ds_kind *ds_kinds(size_t *count)
{
    *count = DS_COUNT(kinds);
    return kinds;
}

const struct ds_kind *ds_kind_by_name(const char *name)
{
    for (size_t i = 0; i < DS_COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* Fields that point to a numbered record. */
static const struct {
    uint8_t record;
    uint8_t tag;
    uint8_t refers;
} references[] = {
    {DS_REC_premises, DS_TAG_premises_account, DS_REC_account},
    {DS_REC_meter, DS_TAG_meter_premises, DS_REC_premises},
    {DS_REC_meter, DS_TAG_meter_account, DS_REC_account},
    {DS_REC_meter, DS_TAG_meter_book, DS_REC_book},
    {DS_REC_book, DS_TAG_book_assignee, DS_REC_worker},
    {DS_REC_period, DS_TAG_period_book, DS_REC_book},
    {DS_REC_task, DS_TAG_task_premises, DS_REC_premises},
    {DS_REC_task, DS_TAG_task_assignee, DS_REC_worker},
    {DS_REC_visit, DS_TAG_visit_premises, DS_REC_premises},
    {DS_REC_device, DS_TAG_device_worker, DS_REC_worker},
    {DS_REC_role_grant, DS_TAG_role_grant_worker, DS_REC_worker},
    {DS_REC_slot, DS_TAG_slot_book, DS_REC_book},
    {DS_REC_slot, DS_TAG_slot_read_by, DS_REC_worker},
    {DS_REC_anomaly, DS_TAG_anomaly_book, DS_REC_book},
};

uint8_t ds_field_refers(uint8_t record, const struct ds_field *field)
{
    for (size_t i = 0; i < DS_COUNT(references); i++) {
        if (references[i].record == record && references[i].tag == field->tag) {
            return references[i].refers;
        }
    }
    return 0;
}

static bool is(struct ds_slice name, const char *word)
{
    return ds_slice_equal(name, ds_slice_of_text(word));
}

/* "i202512" */
static bool index_period(struct ds_slice name, int32_t *period)
{
    int64_t value = 0;
    if (name.size != 7 || name.data[0] != 'i' ||
        ds_int_parse((struct ds_slice){name.data + 1, 6}, &value) != DS_OK ||
        !ds_period_ok(value)) {
        return false;
    }
    *period = (int32_t)value;
    return true;
}

/* Columns that a kind has beside its record's fields, or instead of one. */
static bool own_target(const struct ds_kind *kind, struct ds_slice name, struct ds_target *target)
{
    bool of_meter = kind->shape != DS_KIND_ENTITY;
    if (of_meter && is(name, "manufacturer")) {
        target->use = DS_TARGET_MAKER;
    } else if (of_meter && is(name, "meter_no")) {
        target->use = DS_TARGET_METER_NO;
    } else if (kind->shape == DS_KIND_ANSWER && is(name, "period")) {
        target->use = DS_TARGET_PERIOD;
        target->field = ds_field_by_tag(ds_record_type_by_number(DS_REC_slot), DS_TAG_slot_period);
    } else if (kind->shape == DS_KIND_ANSWER && is(name, "register_kind")) {
        target->use = DS_TARGET_REGISTER;
        target->field =
            ds_field_by_tag(ds_record_type_by_number(DS_REC_slot), DS_TAG_slot_register_kind);
    } else if (kind->record == DS_REC_worker && is(name, "role")) {
        target->use = DS_TARGET_ROLE;
    } else if (kind->shape == DS_KIND_HISTORY && index_period(name, &target->period)) {
        target->use = DS_TARGET_INDEX;
        target->field =
            ds_field_by_tag(ds_record_type_by_number(DS_REC_reading), DS_TAG_reading_index);
    } else {
        return false;
    }
    return true;
}

/* Fields that no file may set: they are told by the row's meter, or are not an import's. */
static bool hidden(const struct ds_kind *kind, const struct ds_field *field)
{
    if (kind->shape == DS_KIND_READING) {
        return field->tag == DS_TAG_reading_meter || field->tag == DS_TAG_reading_task ||
               field->tag == DS_TAG_reading_blind_index;
    }
    if (kind->shape == DS_KIND_ANSWER) {
        return field->tag == DS_TAG_answer_consumer;
    }
    return kind->record == DS_REC_meter && field->tag == DS_TAG_meter_merged_into;
}

bool ds_kind_target(const struct ds_kind *kind, struct ds_slice name, struct ds_target *target)
{
    *target = (struct ds_target){.use = DS_TARGET_FIELD};
    if (name.size >= sizeof(target->name)) {
        return false;
    }
    if (name.size > 0) {
        memcpy(target->name, name.data, name.size);
    }
    if (own_target(kind, name, target)) {
        return true;
    }
    if (kind->shape == DS_KIND_HISTORY) {
        return false;
    }
    target->field = ds_field_by_name(ds_record_type_by_number(kind->record), name);
    if (target->field == NULL || hidden(kind, target->field)) {
        return false;
    }
    target->refers = ds_field_refers(kind->record, target->field);
    if (target->refers != 0) {
        target->use = DS_TARGET_REFERENCE;
    }
    return true;
}

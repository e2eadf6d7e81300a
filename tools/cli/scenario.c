#include "tools/cli/scenario.h"

#include "schema/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)

/* "07:31" or "07:31:05" of the day. */
static bool time_of_day(const struct ds_scenario *scenario, const char *text, size_t size,
                        int64_t *instant_ms)
{
    int64_t part[3] = {0, 0, 0};
    size_t parts = (size + 1) / 3;
    if ((size != 5 && size != 8) || text[2] != ':' || (size == 8 && text[5] != ':')) {
        return false;
    }
    for (size_t i = 0; i < parts; i++) {
        for (size_t k = i * 3; k < i * 3 + 2; k++) {
            if (text[k] < '0' || text[k] > '9') {
                return false;
            }
            part[i] = part[i] * 10 + (text[k] - '0');
        }
    }
    *instant_ms = scenario->day_ms + ((part[0] * 60 + part[1]) * 60 + part[2]) * 1000;
    return part[0] < 24 && part[1] < 60 && part[2] < 60;
}

static const char *take_sync(struct ds_scenario *scenario, struct ds_scenario_handheld *handheld,
                             const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        if (handheld->sync_count == DS_SCENARIO_SYNCS_MAX) {
            return "more than 16 times";
        }
        int64_t *sync = &handheld->syncs_ms[handheld->sync_count++];
        if (!time_of_day(scenario, text, size, sync)) {
            return "not a time like 07:31";
        }
        text += size;
        text += *text == ',';
    }
    return NULL;
}

static const char *take_handheld_key(struct ds_scenario *scenario,
                                     struct ds_scenario_handheld *handheld,
                                     const struct ds_ini_entry *entry)
{
    const char *value = entry->value;
    int64_t number = 0;
    bool time = true;
    if (strcmp(entry->key, "worker") == 0) {
        handheld->worker = value;
    } else if (strcmp(entry->key, "book") == 0) {
        handheld->book = value;
    } else if (strcmp(entry->key, "sync") == 0) {
        return take_sync(scenario, handheld, value);
    } else if (strcmp(entry->key, "clock_offset_s") == 0) {
        if (ds_int_parse(ds_slice_of_text(value), &number) != DS_OK) {
            return "not a number of seconds";
        }
        handheld->clock_offset_ms = number * 1000;
    } else if (strcmp(entry->key, "backup_at") == 0) {
        time = time_of_day(scenario, value, strlen(value), &handheld->backup_ms);
    } else if (strcmp(entry->key, "restore_at") == 0) {
        time = time_of_day(scenario, value, strlen(value), &handheld->restore_ms);
    } else {
        return "no such key";
    }
    return time ? NULL : "not a time like 07:31";
}

static const char *take_event_key(struct ds_scenario *scenario, struct ds_scenario_event *event,
                                  const struct ds_ini_entry *entry)
{
    const char *value = entry->value;
    if (strcmp(entry->key, "at") == 0) {
        bool time = time_of_day(scenario, value, strlen(value), &event->at_ms);
        return time ? NULL : "not a time like 12:00";
    }
    if (strcmp(entry->key, "kind") == 0) {
        event->kind = value;
        return strcmp(value, "reassign") == 0 ? NULL : "the only kind is reassign";
    }
    if (strcmp(entry->key, "book") == 0) {
        event->book = value;
    } else if (strcmp(entry->key, "to") == 0) {
        event->to = value;
    } else if (strcmp(entry->key, "by") == 0) {
        event->by = value;
    } else {
        return "no such key";
    }
    return NULL;
}

/* The handheld or event of a section; sections come one after the other. */
static const char *take_entry(struct ds_scenario *scenario, const struct ds_ini_entry *entry,
                              const struct ds_ini_entry *before)
{
    bool begins = before == NULL || strcmp(before->section, entry->section) != 0;
    if (strncmp(entry->section, "handheld.", 9) == 0) {
        if (begins && scenario->handheld_count == DS_SCENARIO_HANDHELDS_MAX) {
            return "more than 256 handhelds";
        }
        scenario->handheld_count += begins ? 1 : 0;
        struct ds_scenario_handheld *handheld = &scenario->handhelds[scenario->handheld_count - 1];
        if (begins) {
            handheld->worker = "";
            handheld->book = "";
        }
        return take_handheld_key(scenario, handheld, entry);
    }
    if (strncmp(entry->section, "event.", 6) == 0) {
        if (begins && scenario->event_count == DS_SCENARIO_EVENTS_MAX) {
            return "more than 64 events";
        }
        scenario->event_count += begins ? 1 : 0;
        struct ds_scenario_event *event = &scenario->events[scenario->event_count - 1];
        if (begins) {
            *event = (struct ds_scenario_event){.kind = "", .book = "", .to = "", .by = ""};
        }
        return take_event_key(scenario, event, entry);
    }
    bool known = strcmp(entry->section, "scenario") == 0 || strcmp(entry->section, "expect") == 0;
    return known ? NULL : "no such section";
}

static enum ds_err take_head(struct ds_scenario *scenario, struct ds_detail *detail)
{
    struct ds_date day;
    int64_t period = 0;
    const char *text = ds_ini_value(&scenario->ini, "scenario", "period", "");
    if (ds_int_parse(ds_slice_of_text(text), &period) != DS_OK || !ds_period_ok(period)) {
        ds_detail_set(detail, "[scenario] period: not a month like 202601", NULL);
        return DS_ERR_SCHEMA;
    }
    text = ds_ini_value(&scenario->ini, "scenario", "day", "");
    if (ds_date_parse(ds_slice_of_text(text), &day) != DS_OK) {
        ds_detail_set(detail, "[scenario] day: not a date like 2026-01-30", NULL);
        return DS_ERR_SCHEMA;
    }
    scenario->period = (int32_t)period;
    scenario->day_ms =
        ds_date_to_days(day) * DAY_MS - (int64_t)scenario->offset_min * INT64_C(60000);
    return DS_OK;
}

static struct ds_act *new_act(struct ds_scenario *scenario)
{
    if (scenario->act_count == DS_SCENARIO_ACTS_MAX) {
        return NULL;
    }
    return &scenario->acts[scenario->act_count++];
}

static enum ds_err take_act(void *context, const struct ds_table_row *row, struct ds_detail *detail)
{
    struct ds_act *act = new_act(context);
    const char *what = ds_table_text(row, "act");
    if (act == NULL) {
        ds_detail_set(detail, "more than 100,000 acts", NULL);
        return DS_ERR_LIMIT;
    }
    if (strcmp(what, "read") != 0 && strcmp(what, "visit") != 0) {
        ds_detail_set(detail, "act ", what, ": neither read nor visit", NULL);
        return DS_ERR_SCHEMA;
    }
    act->kind = strcmp(what, "read") == 0 ? DS_ACT_READ : DS_ACT_VISIT;
    act->worker = ds_table_text(row, "worker");
    act->book = ds_table_text(row, "book");
    act->manufacturer = ds_table_text(row, "manufacturer");
    act->meter_no = ds_table_text(row, "meter_no");
    act->method = ds_table_text(row, "method");
    act->condition = ds_table_text(row, "condition");
    act->photo = strcmp(ds_table_text(row, "photo"), "1") == 0;
    act->photo_as = ds_table_text(row, "photo_as");
    act->note = ds_table_text(row, "note");
    act->outcome = ds_table_text(row, "outcome");
    act->slip = strcmp(ds_table_text(row, "slip"), "1") == 0;
    act->reason = ds_table_text(row, "reason");
    act->estimate_method = ds_table_text(row, "estimate_method");
    act->seal = "";
    DS_TRY(ds_table_number(row, "index", &act->index, detail));
    DS_TRY(ds_table_number(row, "entered", &act->entered, detail));
    DS_TRY(ds_table_number(row, "blind_index", &act->blind_index, detail));
    DS_TRY(ds_table_number(row, "away_m", &act->away_m, detail));
    if (ds_instant_parse(ds_slice_of_text(ds_table_text(row, "instant")), &act->instant_ms) !=
        DS_OK) {
        ds_detail_set(detail, "instant: not one", NULL);
        return DS_ERR_SCHEMA;
    }
    return DS_OK;
}

static enum ds_err take_swap(void *context, const struct ds_table_row *row,
                             struct ds_detail *detail)
{
    struct ds_act *act = new_act(context);
    if (act == NULL) {
        ds_detail_set(detail, "more than 100,000 acts", NULL);
        return DS_ERR_LIMIT;
    }
    *act = (struct ds_act){.kind = DS_ACT_SWAP,
                           .book = "",
                           .method = "",
                           .condition = "",
                           .photo_as = "",
                           .note = "",
                           .outcome = "",
                           .estimate_method = "",
                           .index = -1,
                           .entered = -1,
                           .blind_index = -1};
    act->worker = ds_table_text(row, "worker");
    act->manufacturer = ds_table_text(row, "manufacturer");
    act->meter_no = ds_table_text(row, "meter_no");
    act->new_manufacturer = ds_table_text(row, "new_manufacturer");
    act->new_meter_no = ds_table_text(row, "new_meter_no");
    act->reason = ds_table_text(row, "reason");
    act->seal = ds_table_text(row, "seal");
    DS_TRY(ds_table_number(row, "old_final_index", &act->old_final_index, detail));
    DS_TRY(ds_table_number(row, "new_initial_index", &act->new_initial_index, detail));
    DS_TRY(ds_table_number(row, "new_dial_digits", &act->new_dial_digits, detail));
    DS_TRY(ds_table_number(row, "new_unit_l", &act->new_unit_l, detail));
    if (ds_instant_parse(ds_slice_of_text(ds_table_text(row, "instant")), &act->instant_ms) !=
        DS_OK) {
        ds_detail_set(detail, "instant: not one", NULL);
        return DS_ERR_SCHEMA;
    }
    return DS_OK;
}

static enum ds_err read_beside(struct ds_scenario *scenario, const char *key,
                               enum ds_err (*take)(void *context, const struct ds_table_row *row,
                                                   struct ds_detail *detail),
                               struct ds_detail *detail)
{
    char path[1024];
    const char *name = ds_ini_value(&scenario->ini, "scenario", key, "");
    if (name[0] == '\0') {
        return DS_OK;
    }
    snprintf(path, sizeof(path), "%s%s", scenario->folder, name);
    return ds_table_read(path, &scenario->arena, take, scenario, detail);
}

static enum ds_err load(struct ds_scenario *scenario, const char *path, struct ds_detail *detail)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    struct ds_detail why = {""};
    if (folder >= sizeof(scenario->folder)) {
        return DS_ERR_LIMIT;
    }
    memcpy(scenario->folder, path, folder);
    DS_TRY(ds_ini_load(&scenario->ini, path, detail));
    enum ds_err err = take_head(scenario, &why);
    const struct ds_ini_entry *before = NULL;
    for (size_t i = 0; err == DS_OK && i < scenario->ini.count; i++) {
        const struct ds_ini_entry *entry = &scenario->ini.entries[i];
        const char *wrong = take_entry(scenario, entry, before);
        err = wrong != NULL ? ds_ini_refuse(entry, wrong, &why) : DS_OK;
        before = entry;
    }
    if (err != DS_OK) {
        ds_detail_set(detail, path, ": ", why.text, NULL);
        return err;
    }
    DS_TRY(read_beside(scenario, "truth", take_act, detail));
    return read_beside(scenario, "swaps", take_swap, detail);
}

enum ds_err ds_scenario_load(const char *path, int32_t offset_min, struct ds_scenario **scenario,
                             struct ds_detail *detail)
{
    struct ds_scenario *made = calloc(1, sizeof(*made));
    void *memory = malloc(DS_SCENARIO_ARENA);
    struct ds_act *acts = calloc(DS_SCENARIO_ACTS_MAX, sizeof(*acts));
    if (made == NULL || memory == NULL || acts == NULL) {
        free(made);
        free(memory);
        free(acts);
        return DS_ERR_NOMEM;
    }
    made->acts = acts;
    made->offset_min = offset_min;
    ds_arena_init(&made->arena, memory, DS_SCENARIO_ARENA);
    enum ds_err err = load(made, path, detail);
    if (err != DS_OK) {
        ds_scenario_free(made);
        return err;
    }
    *scenario = made;
    return DS_OK;
}

void ds_scenario_free(struct ds_scenario *scenario)
{
    if (scenario != NULL) {
        ds_ini_free(&scenario->ini);
        free(scenario->arena.base);
        free(scenario->acts);
        free(scenario);
    }
}

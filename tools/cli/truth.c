#include "tools/cli/truth.h"

#include "schema/base/text.h"
#include "sync/core/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOT_GRADED 100

struct making {
    struct ds_scenario *scenario;
    struct ds_truth *truth;
    struct ds_id station;
};

static enum ds_err slot_of(struct making *m, const char *maker, const char *number,
                           struct ds_truth_slot **slot)
{
    struct ds_truth *truth = m->truth;
    struct ds_id meter =
        ds_meter_id(&m->station, ds_slice_of_text(maker), ds_slice_of_text(number));
    uint64_t place = 0;
    DS_TRY(ds_seen_add(&truth->places, &meter, truth->count + 1, &place));
    if (place == 0) {
        if (truth->count == truth->room) {
            size_t room = truth->room == 0 ? 1024 : truth->room * 2;
            struct ds_truth_slot *grown = realloc(truth->slots, room * sizeof(*grown));
            if (grown == NULL) {
                return DS_ERR_NOMEM;
            }
            truth->slots = grown;
            truth->room = room;
        }
        truth->slots[truth->count++] = (struct ds_truth_slot){.meter = meter,
                                                              .meter_no = number,
                                                              .index = -1,
                                                              .grade = NOT_GRADED,
                                                              .worker = "",
                                                              .action = "",
                                                              .correct_to = -1};
        place = truth->count;
    }
    *slot = &truth->slots[place - 1];
    return DS_OK;
}

/* A candidate for the slot: the better grade wins, then the later claimed instant. */
static void compete(struct ds_truth_slot *slot, int grade, int64_t instant_ms, int64_t index)
{
    if (grade < slot->grade || (grade == slot->grade && instant_ms > slot->instant_ms)) {
        slot->grade = grade;
        slot->instant_ms = instant_ms;
        slot->index = index;
    }
}

static int64_t clock_offset(const struct ds_scenario *scenario, const char *worker)
{
    for (size_t i = 0; i < scenario->handheld_count; i++) {
        if (strcmp(scenario->handhelds[i].worker, worker) == 0) {
            return scenario->handhelds[i].clock_offset_ms;
        }
    }
    return 0;
}

static enum ds_err take_acts(struct making *m)
{
    for (size_t i = 0; i < m->scenario->act_count; i++) {
        const struct ds_act *act = &m->scenario->acts[i];
        struct ds_truth_slot *slot = NULL;
        DS_TRY(slot_of(m, act->manufacturer, act->meter_no, &slot));
        slot->visits += act->kind == DS_ACT_VISIT ? 1 : 0;
        slot->swaps += act->kind == DS_ACT_SWAP ? 1 : 0;
        if (act->kind != DS_ACT_READ) {
            continue;
        }
        bool estimate = strcmp(act->method, "estimate") == 0;
        int64_t claimed = act->instant_ms + clock_offset(m->scenario, act->worker);
        int grade = estimate ? 9 : act->photo ? 1 : 2;
        compete(slot, grade, claimed, act->entered >= 0 ? act->entered : act->index);
        slot->readings++;
        if (!estimate) {
            bool another = slot->worker[0] != '\0' && strcmp(slot->worker, act->worker) != 0;
            slot->two_workers = slot->two_workers || another;
            slot->worker = act->worker;
        }
    }
    return DS_OK;
}

static enum ds_err take_remote(void *context, const struct ds_table_row *row,
                               struct ds_detail *detail)
{
    struct making *m = context;
    struct ds_truth_slot *slot = NULL;
    int64_t index = 0;
    int64_t instant_ms = 0;
    DS_TRY(ds_table_number(row, "index", &index, detail));
    DS_TRY(ds_instant_parse(ds_slice_of_text(ds_table_text(row, "instant_ms")), &instant_ms));
    DS_TRY(slot_of(m, ds_table_text(row, "manufacturer"), ds_table_text(row, "meter_no"), &slot));
    compete(slot, 3, instant_ms, index);
    slot->remote++;
    m->truth->remote_rows++;
    return DS_OK;
}

/* Only what was put into the open period is decided. */
static enum ds_err take_injected(void *context, const struct ds_table_row *row,
                                 struct ds_detail *detail)
{
    struct making *m = context;
    struct ds_truth_slot *slot = NULL;
    int64_t period = 0;
    const char *action = ds_table_text(row, "decision");
    DS_TRY(ds_table_number(row, "period", &period, detail));
    if (period != m->scenario->period || action[0] == '\0') {
        return DS_OK;
    }
    DS_TRY(slot_of(m, ds_table_text(row, "manufacturer"), ds_table_text(row, "meter_no"), &slot));
    slot->action = action;
    return ds_table_number(row, "correct_to", &slot->correct_to, detail);
}

static enum ds_err read_beside(struct making *m, const char *name,
                               enum ds_err (*take)(void *context, const struct ds_table_row *row,
                                                   struct ds_detail *detail),
                               struct ds_detail *detail)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s%s", m->scenario->folder, name);
    if (access(path, F_OK) != 0) {
        return DS_OK;
    }
    return ds_table_read(path, &m->scenario->arena, take, m, detail);
}

enum ds_err ds_truth_make(struct ds_scenario *scenario, const struct ds_id *station,
                          struct ds_truth *truth, struct ds_detail *detail)
{
    struct making m = {.scenario = scenario, .truth = truth, .station = *station};
    *truth = (struct ds_truth){.slots = NULL};
    DS_TRY(take_acts(&m));
    DS_TRY(read_beside(&m, "remote_reading.csv", take_remote, detail));
    DS_TRY(read_beside(&m, "injected.csv", take_injected, detail));
    for (size_t i = 0; i < truth->count; i++) {
        struct ds_truth_slot *slot = &truth->slots[i];
        if (strcmp(slot->action, "correct") == 0) {
            slot->index = slot->correct_to;
        }
    }
    return DS_OK;
}

void ds_truth_free(struct ds_truth *truth)
{
    free(truth->slots);
    ds_seen_free(&truth->places);
    *truth = (struct ds_truth){.slots = NULL};
}

const struct ds_truth_slot *ds_truth_find(const struct ds_truth *truth, const struct ds_id *meter)
{
    uint64_t place = ds_seen_find(&truth->places, meter);
    return place != 0 ? &truth->slots[place - 1] : NULL;
}

const char *ds_truth_against_expect(const struct ds_scenario *scenario,
                                    const struct ds_truth *truth)
{
    int64_t readings = 0;
    int64_t visits = 0;
    int64_t swaps = 0;
    int64_t empty = 0;
    int64_t two = 0;
    for (size_t i = 0; i < truth->count; i++) {
        const struct ds_truth_slot *slot = &truth->slots[i];
        readings += slot->readings;
        visits += slot->visits;
        swaps += slot->swaps;
        empty += slot->index < 0 ? 1 : 0;
        two += slot->two_workers ? 1 : 0;
    }
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {
        {"readings", readings},     {"visits", visits},
        {"swaps", swaps},           {"slots_empty", empty},
        {"slots_two_readers", two}, {"remote_readings", (int64_t)truth->remote_rows},
    };
    for (size_t i = 0; i < DS_COUNT(counts); i++) {
        int64_t expected = -1;
        const char *text = ds_ini_value(&scenario->ini, "expect", counts[i].name, "");
        if (ds_int_parse(ds_slice_of_text(text), &expected) != DS_OK ||
            expected != counts[i].value) {
            return counts[i].name;
        }
    }
    return NULL;
}

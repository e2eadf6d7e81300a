/* A scripted day: acts, exchanges and what the office does, as one sequence by time. */
#include "schema/base/text.h"
#include "sync/core/tables.h"
#include "tools/cli/progress.h"
#include "tools/cli/simulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_HOUR_MS (7 * INT64_C(3600000)) /* Handhelds are switched on at 07:00. */

/* At equal times they happen in this order. */
enum step_kind { STEP_EVENT, STEP_SYNC, STEP_BACKUP, STEP_RESTORE, STEP_ACT };

struct step {
    int64_t at_ms;
    enum step_kind kind;
    size_t handheld;
    size_t place; /* Of the act or event; keeps the order of the file. */
};

static int compare_steps(const void *a, const void *b)
{
    const struct step *x = a;
    const struct step *y = b;
    if (x->at_ms != y->at_ms) {
        return x->at_ms < y->at_ms ? -1 : 1;
    }
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    if (x->handheld != y->handheld) {
        return x->handheld < y->handheld ? -1 : 1;
    }
    return x->place < y->place ? -1 : x->place > y->place;
}

static size_t handheld_of(const struct ds_simulation *s, const char *worker)
{
    size_t i = 0;
    while (i < s->count && strcmp(s->fleet[i].worker, worker) != 0) {
        i++;
    }
    return i;
}

static enum ds_err make_steps(const struct ds_simulation *s, struct step **steps, size_t *count,
                              struct ds_detail *detail)
{
    const struct ds_scenario *scenario = s->scenario;
    size_t room =
        scenario->act_count + scenario->event_count + s->count * (DS_SCENARIO_SYNCS_MAX + 2);
    struct step *made = calloc(room + 1, sizeof(*made));
    size_t used = 0;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    *steps = made;
    for (size_t i = 0; i < scenario->event_count; i++) {
        made[used++] = (struct step){scenario->events[i].at_ms, STEP_EVENT, 0, i};
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct ds_scenario_handheld *handheld = &scenario->handhelds[i];
        for (size_t k = 0; k < handheld->sync_count; k++) {
            made[used++] = (struct step){handheld->syncs_ms[k], STEP_SYNC, i, k};
        }
        if (handheld->backup_ms != 0) {
            made[used++] = (struct step){handheld->backup_ms, STEP_BACKUP, i, 0};
        }
        if (handheld->restore_ms != 0) {
            made[used++] = (struct step){handheld->restore_ms, STEP_RESTORE, i, 0};
        }
    }
    for (size_t i = 0; i < scenario->act_count; i++) {
        size_t handheld = handheld_of(s, scenario->acts[i].worker);
        if (handheld == s->count) {
            ds_detail_set(detail, "worker ", scenario->acts[i].worker, " has no handheld", NULL);
            return DS_ERR_SCHEMA;
        }
        made[used++] = (struct step){scenario->acts[i].instant_ms, STEP_ACT, handheld, i};
    }
    qsort(made, used, sizeof(*made), compare_steps);
    *count = used;
    return DS_OK;
}

/* ---- What the office does. ---- */

/* The server's clock goes with the day; the station is one of sample data. */
static enum ds_err set_clock(struct ds_simulation *s, int64_t instant_ms, struct ds_detail *detail)
{
    json_t *answer = NULL;
    DS_TRY(ds_state_call(
        &s->state, json_pack("{s:s, s:I}", "do", "clock", "instant_ms", (json_int_t)instant_ms),
        &answer, detail));
    json_decref(answer);
    return DS_OK;
}

static enum ds_err reassign(struct ds_simulation *s, const struct ds_scenario_event *event,
                            struct ds_detail *detail)
{
    char book[33];
    char worker[33];
    json_t *answer = NULL;
    struct ds_id book_id =
        ds_numbered_id(&s->state.station, DS_REC_book, ds_slice_of_text(event->book));
    struct ds_id worker_id =
        ds_numbered_id(&s->state.station, DS_REC_worker, ds_slice_of_text(event->to));
    ds_id_print(&book_id, book);
    ds_id_print(&worker_id, worker);
    DS_TRY(ds_state_call(&s->state,
                         json_pack("{s:s, s:[{s:s, s:s, s:{s:s}}]}", "do", "import", "drafts",
                                   "type", "book", "id", book, "fields", "assignee", worker),
                         &answer, detail));
    size_t items = json_array_size(json_object_get(answer, "items"));
    json_decref(answer);
    if (items > 0) {
        ds_detail_set(detail, "book ", event->book, ": the reassignment was not applied", NULL);
        return DS_ERR_CONFLICT;
    }
    return DS_OK;
}

/* ---- Playing. ---- */

static enum ds_err prepare(struct ds_simulation *s, struct ds_detail *detail)
{
    const struct ds_scenario *scenario = s->scenario;
    char code[1024];
    DS_TRY(set_clock(s, scenario->day_ms + BOOT_HOUR_MS, detail));
    for (size_t i = 0; i < s->count; i++) {
        struct ds_fleet_handheld *f = &s->fleet[i];
        const struct ds_scenario_handheld *handheld = &scenario->handhelds[i];
        snprintf(f->worker, sizeof(f->worker), "%s", handheld->worker);
        snprintf(f->dir, sizeof(f->dir), "%s/%s", s->dir, handheld->worker);
        f->period = scenario->period;
        f->offset_ms = handheld->clock_offset_ms;
        f->boot_ms = scenario->day_ms + BOOT_HOUR_MS;
        f->now_ms = f->boot_ms + INT64_C(60000);
        f->boot_id = (uint32_t)(i + 1);
        DS_TRY(ds_fleet_open(f, detail));
        DS_TRY(ds_simulate_code(s, f->worker, code, sizeof(code), detail));
        DS_TRY(ds_fleet_enrol(f, code, detail));
    }
    return DS_OK;
}

static enum ds_err play(struct ds_simulation *s, const struct step *step, struct ds_detail *detail)
{
    struct ds_fleet_handheld *f = &s->fleet[step->handheld];
    if (step->kind != STEP_EVENT) {
        f->now_ms = step->at_ms;
    }
    switch (step->kind) {
    case STEP_EVENT:
        DS_TRY(set_clock(s, step->at_ms, detail));
        return reassign(s, &s->scenario->events[step->place], detail);
    case STEP_SYNC:
        DS_TRY(set_clock(s, step->at_ms, detail));
        return ds_fleet_sync(f, detail);
    case STEP_BACKUP:
        return ds_fleet_backup(f, detail);
    case STEP_RESTORE:
        return ds_fleet_restore(f, detail);
    case STEP_ACT:
        return ds_fleet_act(f, &s->scenario->acts[step->place], detail);
    }
    DS_ASSERT(false);
    return DS_OK;
}

enum ds_err ds_simulate_day(struct ds_simulation *s, struct ds_detail *detail)
{
    struct step *steps = NULL;
    struct ds_progress_bar bar;
    size_t count = 0;
    const struct step *last_act = NULL;
    DS_TRY(prepare(s, detail));
    enum ds_err err = make_steps(s, &steps, &count, detail);
    ds_progress_begin(&bar, s->cli->err, "playing the day");
    for (size_t i = 0; err == DS_OK && i < count; i++) {
        err = play(s, &steps[i], detail);
        last_act = steps[i].kind == STEP_ACT ? &steps[i] : last_act;
        ds_progress_step(&bar, i + 1, count);
    }
    ds_progress_end(&bar);
    if (err == DS_OK && s->drop_op && last_act != NULL) {
        err = ds_simulate_drop(s, &s->scenario->acts[last_act->place], last_act->handheld, detail);
    }
    free(steps);
    return err;
}

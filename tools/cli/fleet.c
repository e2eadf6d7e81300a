#include "tools/cli/fleet.h"

#include "tools/cli/handheld_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PHOTO_SIZE 256
#define DWELL_MS 15000
#define METRES_A_DEGREE 111195

static int64_t wall_ms(void *context)
{
    const struct ds_fleet_handheld *f = context;
    return f->now_ms + f->offset_ms;
}

static int64_t running_ms(void *context)
{
    const struct ds_fleet_handheld *f = context;
    return f->now_ms - f->boot_ms;
}

static uint32_t boot_of(void *context)
{
    const struct ds_fleet_handheld *f = context;
    return f->boot_id;
}

static enum ds_err taken(const struct ds_fleet_handheld *f, int error,
                         const struct ds_handheld_detail *why, struct ds_detail *detail)
{
    if (error != DS_E_OK) {
        ds_detail_set(detail, "handheld of ", f->worker, ": ", ds_handheld_error_text(error), ": ",
                      why->text, NULL);
    }
    return ds_err_of_handheld(error);
}

enum ds_err ds_fleet_open(struct ds_fleet_handheld *f, struct ds_detail *detail)
{
    struct ds_handheld_detail why = {""};
    struct ds_handheld_options options = {.dir = f->dir,
                                          .model = "doorstep simulate",
                                          .argon = {.passes = 1, .memory_bytes = 8192},
                                          .quota_bytes = DS_FLEET_QUOTA};
    if (!f->real_clock) {
        options.clock.now_ms = wall_ms;
        options.clock.monotonic_ms = running_ms;
        options.clock.boot_id = boot_of;
        options.clock.context = f;
    }
    if (f->commits == NULL) {
        f->commits = json_array();
    }
    return taken(f, ds_handheld_open(&options, DS_FLEET_PIN, &f->handheld, &why), &why, detail);
}

void ds_fleet_close(struct ds_fleet_handheld *f)
{
    ds_handheld_close(f->handheld);
    f->handheld = NULL;
}

void ds_fleet_free(struct ds_fleet_handheld *f)
{
    ds_fleet_close(f);
    json_decref(f->commits);
    f->commits = NULL;
}

enum ds_err ds_fleet_enrol(struct ds_fleet_handheld *f, const char *code, struct ds_detail *detail)
{
    struct ds_handheld_detail why = {""};
    return taken(f, ds_handheld_enrol(f->handheld, code, &why), &why, detail);
}

enum ds_err ds_fleet_sync(struct ds_fleet_handheld *f, struct ds_detail *detail)
{
    struct ds_handheld_detail why = {""};
    struct ds_handheld_sync_result result = {.exchanges = 0};
    int error = ds_handheld_sync(f->handheld, &result, &why);
    f->count.syncs++;
    f->count.exchanges += result.exchanges;
    f->count.sent += result.sent_ops;
    f->count.acknowledged += result.acknowledged_ops;
    f->count.rows += result.rows;
    f->count.verdicts += result.verdicts;
    f->count.lives += result.new_incarnation ? 1 : 0;
    return taken(f, error, &why, detail);
}

/* ---- What was committed. ---- */

static enum ds_err note(struct ds_fleet_handheld *f, const char *type,
                        const struct ds_handheld_id *meter, int64_t instant_ms, int64_t index)
{
    char hex[33];
    ds_handheld_id_print(meter, hex);
    json_t *commit =
        json_pack("{s:s, s:s, s:i, s:I}", "type", type, "meter", hex, "period", (int)f->period,
                  "instant_ms", (json_int_t)(instant_ms != 0 ? instant_ms : wall_ms(f)));
    if (index >= 0) {
        json_object_set_new(commit, "index", json_integer(index));
    }
    return json_array_append_new(f->commits, commit) == 0 ? DS_OK : DS_ERR_NOMEM;
}

enum ds_err ds_fleet_record(struct ds_fleet_handheld *f, struct ds_handheld_reading *reading,
                            struct ds_detail *detail)
{
    struct ds_handheld_detail why = {""};
    struct ds_handheld_id op;
    char hex[33];
    DS_TRY(taken(f, ds_handheld_record_reading(f->handheld, reading, &op, &why), &why, detail));
    f->count.readings++;
    DS_TRY(note(f, "reading", &reading->meter, reading->instant_ms,
                reading->has_index ? reading->index : -1));
    ds_handheld_id_print(&op, hex);
    json_t *commit = json_array_get(f->commits, json_array_size(f->commits) - 1);
    json_object_set_new(commit, "op", json_string(hex));
    return DS_OK;
}

/* ---- Acts. ---- */

struct seen_place {
    bool found;
    struct ds_handheld_position position;
    struct ds_handheld_id premises;
};

static bool see(void *context, const struct ds_handheld_place *place)
{
    struct seen_place *seen = context;
    seen->found = true;
    seen->position = place->position;
    seen->premises = place->premises;
    return false;
}

static enum ds_err find_meter(struct ds_fleet_handheld *f, const struct ds_act *act,
                              struct ds_handheld_id *meter, struct seen_place *seen,
                              struct ds_detail *detail)
{
    struct ds_handheld_detail why = {""};
    int error = ds_handheld_meter_by_number(f->handheld, act->manufacturer, act->meter_no, meter);
    *seen = (struct seen_place){.found = false};
    if (error == DS_E_OK) {
        error = ds_handheld_show(f->handheld, meter, see, seen);
    }
    if (error != DS_E_OK) {
        snprintf(why.text, sizeof(why.text), "meter %.40s is not on it", act->meter_no);
    }
    return taken(f, error, &why, detail);
}

/* Bytes that stand for a picture of one dial in one period. */
static size_t paint(const struct ds_act *act, int32_t period, uint8_t photo[static PHOTO_SIZE])
{
    char name[160];
    int size = snprintf(name, sizeof(name), "%s/%s %d\n",
                        act->photo_as[0] != '\0' ? "" : act->manufacturer,
                        act->photo_as[0] != '\0' ? act->photo_as : act->meter_no, (int)period);
    const char *from = act->photo_as[0] != '\0' ? name + 1 : name;
    size_t used = (size_t)size - (act->photo_as[0] != '\0' ? 1 : 0);
    for (size_t i = 0; i < PHOTO_SIZE; i++) {
        photo[i] = (uint8_t)from[i % used];
    }
    return PHOTO_SIZE;
}

static struct ds_handheld_position stand(const struct seen_place *seen, int64_t away_m)
{
    struct ds_handheld_position position = seen->position;
    int64_t north = (away_m > 0 ? away_m : 0) * INT64_C(10000000) / METRES_A_DEGREE;
    position.lat_e7 = (int32_t)(position.lat_e7 + north);
    position.accuracy_m = 10;
    position.mock = false;
    return position;
}

static int word_number(const char *list, const char *word)
{
    return word[0] == '\0' ? 0 : (int)ds_handheld_word_number(list, word);
}

/* The gravest thing that the rules ask for. */
static enum ds_err asked(struct ds_fleet_handheld *f, const struct ds_handheld_reading *reading,
                         int *ask, struct ds_detail *detail)
{
    struct ds_handheld_detail why = {""};
    struct ds_handheld_finding *findings = calloc(DS_HANDHELD_FINDINGS_MAX, sizeof(*findings));
    size_t count = 0;
    if (findings == NULL) {
        return DS_ERR_NOMEM;
    }
    int error = ds_handheld_check_reading(f->handheld, reading, findings, &count, &why);
    *ask = DS_HANDHELD_ASK_NOTHING;
    for (size_t i = 0; error == DS_E_OK && i < count; i++) {
        *ask = findings[i].ask > *ask ? findings[i].ask : *ask;
    }
    free(findings);
    return taken(f, error, &why, detail);
}

/* Enter the number, and again where the rules want it blind; then a reason where they want one. */
static enum ds_err answer_rules(struct ds_fleet_handheld *f, const struct ds_act *act,
                                struct ds_handheld_reading *reading, struct ds_detail *detail)
{
    int64_t last = act->entered >= 0 ? act->entered : act->index;
    int ask = 0;
    reading->index = act->blind_index >= 0 ? act->blind_index : last;
    DS_TRY(asked(f, reading, &ask, detail));
    f->count.asked += ask != DS_HANDHELD_ASK_NOTHING ? 1 : 0;
    if (ask == DS_HANDHELD_ASK_BLIND) {
        reading->has_blind_index = true;
        reading->blind_index = reading->index;
        reading->index = last;
        f->count.mended += reading->blind_index != last ? 1 : 0;
        DS_TRY(asked(f, reading, &ask, detail));
    }
    if (act->reason[0] != '\0') {
        reading->reason = act->reason;
    } else if (ask != DS_HANDHELD_ASK_NOTHING) {
        reading->reason = "R01";
    }
    return DS_OK;
}

static enum ds_err read_meter(struct ds_fleet_handheld *f, const struct ds_act *act,
                              struct ds_detail *detail)
{
    uint8_t photo[PHOTO_SIZE];
    struct seen_place seen;
    struct ds_handheld_reading reading = {.period = f->period,
                                          .has_index = true,
                                          .method = word_number("method", act->method),
                                          .condition = word_number("condition", act->condition),
                                          .estimate_method =
                                              word_number("estimate_method", act->estimate_method),
                                          .note = act->note[0] != '\0' ? act->note : NULL,
                                          .dwell_ms = DWELL_MS};
    DS_TRY(find_meter(f, act, &reading.meter, &seen, detail));
    reading.position = stand(&seen, act->away_m);
    if (act->photo) {
        reading.photo.size = paint(act, f->period, photo);
        reading.photo.bytes = photo;
    }
    DS_TRY(answer_rules(f, act, &reading, detail));
    return ds_fleet_record(f, &reading, detail);
}

static enum ds_err visit_meter(struct ds_fleet_handheld *f, const struct ds_act *act,
                               struct ds_detail *detail)
{
    uint8_t photo[PHOTO_SIZE];
    struct seen_place seen;
    struct ds_handheld_detail why = {""};
    struct ds_handheld_id op;
    struct ds_handheld_visit visit = {.period = f->period,
                                      .outcome = word_number("visit_outcome", act->outcome),
                                      .slip = act->slip,
                                      .note = act->note[0] != '\0' ? act->note : NULL};
    DS_TRY(find_meter(f, act, &visit.meter, &seen, detail));
    visit.premises = seen.premises;
    visit.position = stand(&seen, act->away_m);
    if (act->photo) {
        visit.photo.size = paint(act, f->period, photo);
        visit.photo.bytes = photo;
    }
    DS_TRY(taken(f, ds_handheld_record_visit(f->handheld, &visit, &op, &why), &why, detail));
    f->count.visits++;
    return note(f, "visit", &visit.meter, 0, -1);
}

static enum ds_err swap_meter(struct ds_fleet_handheld *f, const struct ds_act *act,
                              struct ds_detail *detail)
{
    struct seen_place seen;
    struct ds_handheld_detail why = {""};
    struct ds_handheld_id op;
    struct ds_handheld_swap swap = {
        .period = f->period,
        .old_final_index = act->old_final_index,
        .new_initial_index = act->new_initial_index,
        .new_manufacturer = act->new_manufacturer,
        .new_meter_no = act->new_meter_no,
        .new_dial_digits = act->new_dial_digits > 0 ? (int)act->new_dial_digits : 0,
        .new_unit_l = act->new_unit_l > 0 ? act->new_unit_l : 0,
        .reason = act->reason,
        .seal = act->seal[0] != '\0' ? act->seal : NULL,
    };
    DS_TRY(find_meter(f, act, &swap.meter, &seen, detail));
    DS_TRY(taken(f, ds_handheld_record_swap(f->handheld, &swap, &op, &why), &why, detail));
    f->count.swaps++;
    return note(f, "swap", &swap.meter, 0, act->new_initial_index);
}

enum ds_err ds_fleet_act(struct ds_fleet_handheld *f, const struct ds_act *act,
                         struct ds_detail *detail)
{
    switch (act->kind) {
    case DS_ACT_READ:
        return read_meter(f, act, detail);
    case DS_ACT_VISIT:
        return visit_meter(f, act, detail);
    case DS_ACT_SWAP:
        return swap_meter(f, act, detail);
    }
    DS_ASSERT(false);
    return DS_OK;
}

/* ---- Going back in time. ---- */

enum ds_err ds_fleet_backup(struct ds_fleet_handheld *f, struct ds_detail *detail)
{
    int size = snprintf(f->backup, sizeof(f->backup), "%s.backup", f->dir);
    if (size < 0 || (size_t)size >= sizeof(f->backup)) {
        return DS_ERR_LIMIT;
    }
    ds_fleet_close(f);
    DS_TRY(ds_fleet_copy(f->dir, f->backup, detail));
    return ds_fleet_open(f, detail);
}

enum ds_err ds_fleet_restore(struct ds_fleet_handheld *f, struct ds_detail *detail)
{
    if (f->backup[0] == '\0') {
        ds_detail_set(detail, "handheld of ", f->worker, ": there is no copy to restore", NULL);
        return DS_ERR_USAGE;
    }
    ds_fleet_close(f);
    DS_TRY(ds_fleet_copy(f->backup, f->dir, detail));
    return ds_fleet_open(f, detail);
}

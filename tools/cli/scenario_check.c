#include "tools/cli/scenario_check.h"

#include "schema/base/text.h"
#include "sync/core/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_SIZE (256 * 1024)

struct checking {
    const struct ds_check_input *input;
    struct ds_checks *checks;
    struct ds_arena arena;
    json_t *due; /* Meter -> array of what was committed there. */
    uint64_t rules[DS_RULE_COUNT];
    uint64_t slots;
    uint64_t empty;
};

static struct ds_check *begin(struct checking *c, const char *name)
{
    DS_ASSERT(c->checks->count < DS_CHECKS_MAX);
    struct ds_check *check = &c->checks->checks[c->checks->count++];
    *check = (struct ds_check){.name = name, .held = true};
    return check;
}

static void wrong(struct ds_check *check, const char *what, const char *where, int64_t is,
                  int64_t expected)
{
    if (check->held) {
        snprintf(check->words, sizeof(check->words), "%s %s: %" PRId64 ", expected %" PRId64, what,
                 where, is, expected);
    }
    check->held = false;
    check->wrong++;
}

/* ---- acknowledged ---- */

static void check_acknowledged(struct checking *c)
{
    struct ds_check *check = begin(c, "acknowledged");
    size_t i = 0;
    const json_t *handheld = NULL;
    json_array_foreach(json_object_get(c->input->record, "handhelds"), i, handheld)
    {
        const char *worker = json_string_value(json_object_get(handheld, "worker"));
        int64_t unsent = json_integer_value(json_object_get(handheld, "unsent"));
        check->compared += json_array_size(json_object_get(handheld, "commits"));
        if (unsent != 0) {
            wrong(check, "unsent on the handheld of", worker != NULL ? worker : "?", unsent, 0);
        }
    }
}

/* ---- exactly_once ---- */

static enum ds_err gather_due(struct checking *c)
{
    size_t i = 0;
    size_t k = 0;
    const json_t *handheld = NULL;
    json_t *commit = NULL;
    c->due = json_object();
    json_array_foreach(json_object_get(c->input->record, "handhelds"), i, handheld)
    {
        json_array_foreach(json_object_get(handheld, "commits"), k, commit)
        {
            const char *meter = json_string_value(json_object_get(commit, "meter"));
            if (meter == NULL) {
                return DS_ERR_DECODE;
            }
            if (json_object_get(c->due, meter) == NULL) {
                json_object_set_new(c->due, meter, json_array());
            }
            json_array_append(json_object_get(c->due, meter), commit);
        }
    }
    return DS_OK;
}

/* Take one event of the state off what is due at its meter; false: nobody committed it. */
static bool take_due(struct checking *c, const char *meter, const char *type, int64_t instant_ms,
                     int64_t index)
{
    json_t *due = json_object_get(c->due, meter);
    size_t i = 0;
    const json_t *commit = NULL;
    json_array_foreach(due, i, commit)
    {
        const json_t *counted = json_object_get(commit, "index");
        const char *is = json_string_value(json_object_get(commit, "type"));
        bool same = is != NULL && strcmp(is, type) == 0 &&
                    json_integer_value(json_object_get(commit, "instant_ms")) == instant_ms &&
                    (counted != NULL ? json_integer_value(counted) : -1) == index;
        if (same) {
            json_array_remove(due, i);
            return true;
        }
    }
    return false;
}

static enum ds_err check_event(struct checking *c, struct ds_check *check, uint8_t type,
                               const struct ds_id *id)
{
    union {
        struct ds_reading reading;
        struct ds_swap swap;
        struct ds_visit visit;
    } *event = ds_arena_alloc(&c->arena, sizeof(*event));
    char hex[33];
    char op[33];
    bool known = true;
    if (event == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_state_load(c->input->state, type, id, &c->arena, event));
    ds_id_print(id, op);
    if (type == DS_REC_reading) {
        const struct ds_reading *r = &event->reading;
        if (r->period != c->input->scenario->period || r->method == DS_METHOD_remote) {
            return DS_OK;
        }
        ds_id_print(&r->meter, hex);
        known =
            take_due(c, hex, "reading", r->instant_ms, DS_HAS(r, reading, index) ? r->index : -1);
    } else if (type == DS_REC_swap) {
        ds_id_print(&event->swap.meter, hex);
        known = take_due(c, hex, "swap", event->swap.instant_ms, event->swap.new_initial_index);
    } else if (type == DS_REC_visit) {
        ds_id_print(&event->visit.meter, hex);
        known = take_due(c, hex, "visit", event->visit.instant_ms, -1);
    } else {
        return DS_OK;
    }
    check->compared++;
    if (!known) {
        wrong(check, "nobody committed, or somebody once and it is there again:", op, 1, 0);
    }
    return DS_OK;
}

static enum ds_err check_events(struct checking *c, struct ds_check *check, enum ds_link kind,
                                const struct ds_id *parent)
{
    struct ds_key key = ds_link_first(kind, parent);
    for (;;) {
        uint32_t order = 0;
        uint8_t type = 0;
        struct ds_id id;
        enum ds_err err = ds_link_next(c->input->state->txn, &key, &order, &id, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        ds_arena_reset(&c->arena);
        bool due = kind != DS_LINK_METER_EVENT || order == (uint32_t)c->input->scenario->period;
        if (due) {
            DS_TRY(check_event(c, check, type, &id));
        }
    }
}

static enum ds_err check_exactly_once(struct checking *c)
{
    struct ds_check *check = begin(c, "exactly_once");
    const struct ds_truth *truth = c->input->truth;
    json_t *premises = json_object();
    enum ds_err err = gather_due(c);
    for (size_t i = 0; err == DS_OK && i < truth->count; i++) {
        struct ds_meter meter;
        char hex[33];
        ds_arena_reset(&c->arena);
        err =
            ds_state_load(c->input->state, DS_REC_meter, &truth->slots[i].meter, &c->arena, &meter);
        if (err == DS_OK) {
            struct ds_id at = meter.premises;
            ds_id_print(&at, hex);
            err = check_events(c, check, DS_LINK_METER_EVENT, &truth->slots[i].meter);
            /* Two meters may hang at one premises. */
            if (err == DS_OK && json_object_get(premises, hex) == NULL) {
                json_object_set_new(premises, hex, json_true());
                err = check_events(c, check, DS_LINK_PREMISES_EVENT, &at);
            }
        }
    }
    json_decref(premises);
    const char *meter = NULL;
    json_t *left = NULL;
    json_object_foreach(c->due, meter, left)
    {
        if (json_array_size(left) > 0) {
            wrong(check, "committed and not in the state, at meter", meter,
                  (int64_t)json_array_size(left), 0);
        }
    }
    return err;
}

/* ---- slots_are_truth ---- */

static enum ds_err check_slot(struct checking *c, struct ds_check *check,
                              const struct ds_truth_slot *truth)
{
    struct ds_slot slot;
    uint32_t period = (uint32_t)c->input->scenario->period;
    struct ds_id id =
        ds_slot_id(&c->input->state->station, &truth->meter, DS_REGISTER_mechanical, period);
    ds_arena_reset(&c->arena);
    enum ds_err err = ds_state_load(c->input->state, DS_REC_slot, &id, &c->arena, &slot);
    if (err == DS_ERR_NOT_FOUND) {
        wrong(check, "no slot of meter", truth->meter_no, -1, truth->index);
        return DS_OK;
    }
    DS_TRY(err);
    bool read = DS_GET(&slot, slot, state, DS_SLOT_empty) != DS_SLOT_empty;
    int64_t index = read ? DS_GET(&slot, slot, index, -1) : -1;
    c->slots++;
    c->empty += read ? 0 : 1;
    check->compared++;
    if (index != truth->index) {
        wrong(check, "meter", truth->meter_no, index, truth->index);
    }
    return DS_OK;
}

/* ---- expected ---- */

/* Rules that hit at slots of the period, whatever became of the finding. */
static enum ds_err count_rules(struct checking *c, const struct ds_truth_slot *truth)
{
    uint32_t period = (uint32_t)c->input->scenario->period;
    struct ds_id slot =
        ds_slot_id(&c->input->state->station, &truth->meter, DS_REGISTER_mechanical, period);
    struct ds_key key = ds_link_first(DS_LINK_SLOT_ANOMALY, &slot);
    for (;;) {
        uint32_t rule = 0;
        uint8_t type = 0;
        struct ds_id id;
        enum ds_err err = ds_link_next(c->input->state->txn, &key, &rule, &id, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        if (rule < DS_RULE_COUNT) {
            c->rules[rule]++;
        }
    }
}

static void check_rule(struct checking *c, struct ds_check *check, const char *name,
                       int64_t expected)
{
    int64_t rule = ds_enum_number(DS_LIST_rule, ds_slice_of_text(name));
    check->compared++;
    if (rule == 0 || (int64_t)c->rules[rule] < expected) {
        wrong(check, "rule", name, rule == 0 ? -1 : (int64_t)c->rules[rule], expected);
    }
}

static void check_expected(struct checking *c)
{
    struct ds_check *check = begin(c, "expected");
    const struct ds_ini *ini = &c->input->scenario->ini;
    for (size_t i = 0; i < ini->count; i++) {
        const struct ds_ini_entry *entry = &ini->entries[i];
        int64_t expected = 0;
        if (strcmp(entry->section, "expect") != 0 ||
            ds_int_parse(ds_slice_of_text(entry->value), &expected) != DS_OK) {
            continue;
        }
        if (strncmp(entry->key, "rule.", 5) == 0) {
            check_rule(c, check, entry->key + 5, expected);
        } else if (strcmp(entry->key, "meters") == 0 && (int64_t)c->slots != expected) {
            wrong(check, "slots of the period", "", (int64_t)c->slots, expected);
        } else if (strcmp(entry->key, "slots_empty") == 0 && (int64_t)c->empty != expected) {
            wrong(check, "slots that nobody read", "", (int64_t)c->empty, expected);
        }
    }
    const char *differs = ds_truth_against_expect(c->input->scenario, c->input->truth);
    check->compared += 6;
    if (differs != NULL) {
        wrong(check, "the tables themselves:", differs, 0, 1);
    }
}

/* ---- The journal ---- */

static void check_journal(struct checking *c)
{
    struct ds_check *check = begin(c, "journal_verifies");
    struct ds_detail detail = {""};
    json_t *answer = NULL;
    enum ds_err err =
        ds_state_call(c->input->state, json_pack("{s:s}", "do", "verify"), &answer, &detail);
    check->compared = (uint64_t)json_integer_value(json_object_get(answer, "size"));
    if (err != DS_OK) {
        wrong(check, ds_err_name(err), detail.text, 0, 1);
    }
    json_decref(answer);
    answer = NULL;
    check = begin(c, "replay_is_same");
    err = ds_state_call(c->input->state, json_pack("{s:s}", "do", "rebuild"), &answer, &detail);
    check->compared = 1;
    if (err != DS_OK || !json_is_true(json_object_get(answer, "equal"))) {
        wrong(check, "rebuild", detail.text, 0, 1);
    }
    json_decref(answer);
}

static enum ds_err check_state(struct checking *c)
{
    const struct ds_truth *truth = c->input->truth;
    DS_TRY(ds_state_begin(c->input->state));
    check_acknowledged(c);
    DS_TRY(check_exactly_once(c));
    struct ds_check *check = begin(c, "slots_are_truth");
    for (size_t i = 0; i < truth->count; i++) {
        DS_TRY(check_slot(c, check, &truth->slots[i]));
        DS_TRY(count_rules(c, &truth->slots[i]));
    }
    check_expected(c);
    return DS_OK;
}

enum ds_err ds_scenario_check(const struct ds_check_input *input, struct ds_checks *checks,
                              struct ds_detail *detail)
{
    struct checking *c = calloc(1, sizeof(*c));
    void *memory = malloc(ARENA_SIZE);
    *checks = (struct ds_checks){.count = 0};
    if (c == NULL || memory == NULL) {
        free(c);
        free(memory);
        return DS_ERR_NOMEM;
    }
    c->input = input;
    c->checks = checks;
    ds_arena_init(&c->arena, memory, ARENA_SIZE);
    enum ds_err err = check_state(c);
    ds_state_end(input->state);
    if (err != DS_OK) {
        ds_detail_set(detail, "the state cannot be read", NULL);
    } else {
        check_journal(c);
    }
    json_decref(c->due);
    free(memory);
    free(c);
    return err;
}

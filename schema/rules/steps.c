#include "schema/rules/steps.h"

/* One row per state that can be left: the set of states that it may go to, bit = 1 << number. Row 0
 * is creation. */
#define TASK(name) (1U << DS_TASK_##name)
static const uint16_t task_steps[] = {
    [0] = TASK(created) | TASK(assigned),
    [DS_TASK_created] = TASK(assigned) | TASK(cancelled),
    [DS_TASK_assigned] = TASK(accepted) | TASK(working) | TASK(done) | TASK(returned) |
                         TASK(reassigned) | TASK(cancelled),
    [DS_TASK_accepted] =
        TASK(working) | TASK(done) | TASK(returned) | TASK(reassigned) | TASK(cancelled),
    [DS_TASK_working] = TASK(done) | TASK(returned) | TASK(reassigned) | TASK(cancelled),
    [DS_TASK_done] = TASK(approved) | TASK(returned),
    [DS_TASK_returned] = TASK(assigned) | TASK(reassigned) | TASK(cancelled),
    [DS_TASK_reassigned] =
        TASK(accepted) | TASK(working) | TASK(done) | TASK(returned) | TASK(cancelled),
};

#define PERIOD(name) (1U << DS_PERIOD_##name)
static const uint16_t period_steps[] = {
    [0] = PERIOD(open) | PERIOD(closed),
    [DS_PERIOD_open] = PERIOD(reading_closed),
    [DS_PERIOD_reading_closed] = PERIOD(billed),
    [DS_PERIOD_billed] = PERIOD(closed),
};

#define DEVICE(name) (1U << DS_DEVICE_##name)
static const uint16_t device_steps[] = {
    [0] = DEVICE(active),
    [DS_DEVICE_active] = DEVICE(suspended) | DEVICE(locked) | DEVICE(revoked) | DEVICE(wiped),
    [DS_DEVICE_suspended] = DEVICE(active) | DEVICE(locked) | DEVICE(revoked) | DEVICE(wiped),
    [DS_DEVICE_locked] = DEVICE(active) | DEVICE(suspended) | DEVICE(revoked) | DEVICE(wiped),
    [DS_DEVICE_revoked] = DEVICE(wiped),
};

static bool step_ok(const uint16_t *steps, size_t count, int64_t from, int64_t to)
{
    return from >= 0 && (uint64_t)from < count && to > 0 && to < 16 && (steps[from] >> to & 1U);
}

bool ds_task_step_ok(int64_t from, int64_t to)
{
    return step_ok(task_steps, DS_COUNT(task_steps), from, to);
}

bool ds_period_step_ok(int64_t from, int64_t to)
{
    return step_ok(period_steps, DS_COUNT(period_steps), from, to);
}

bool ds_device_step_ok(int64_t from, int64_t to)
{
    return step_ok(device_steps, DS_COUNT(device_steps), from, to);
}

bool ds_step_ok(enum ds_list list, int64_t from, int64_t to)
{
    switch (list) {
    case DS_LIST_task_state:
        return ds_task_step_ok(from, to);
    case DS_LIST_period_state:
        return ds_period_step_ok(from, to);
    case DS_LIST_device_state:
        return ds_device_step_ok(from, to);
    default:
        return from != to;
    }
}

int64_t ds_gravity(enum ds_list list, int64_t value)
{
    if (list != DS_LIST_severity || value <= 0) {
        return value;
    }
    /* hold 1, sample 2, note 3: the other way round. */
    return value > DS_SEVERITY_note ? 0 : 1 + DS_SEVERITY_note - value;
}

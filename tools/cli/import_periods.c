#include "tools/cli/import_periods.h"

#include "sync/core/tables.h"

enum ds_err ds_period_now(const struct ds_station_port *port, struct ds_arena *arena,
                          const struct ds_id *book, int32_t period, int64_t *state)
{
    const struct ds_id id = ds_period_id(&port->station, book, (uint32_t)period);
    size_t mark = ds_arena_mark(arena);
    struct ds_period *now = ds_arena_alloc(arena, sizeof(*now));
    if (now == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = port->load(port->context, DS_REC_period, &id, arena, now);
    *state = err == DS_OK ? DS_GET(now, period, state, 0) : 0;
    ds_arena_rewind(arena, mark);
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_step_period(const struct ds_station_port *port, struct ds_arena *arena,
                           const struct ds_period *to, struct ds_planned *planned)
{
    const struct ds_record_type *type = ds_record_type_by_number(DS_REC_period);
    struct ds_id id = ds_period_id(&port->station, &to->book, (uint32_t)to->period);
    int64_t state = 0;
    DS_TRY(ds_period_now(port, arena, &to->book, (int32_t)to->period, &state));
    while (state < to->state) {
        /* Each step is whole: where the period is new, no other draft has made it yet. */
        struct ds_period step = *to;
        state++;
        DS_SET(&step, period, state, state);
        DS_TRY(ds_plan_add(planned, type, &id, &step));
    }
    return DS_OK;
}

enum ds_err ds_close_period(const struct ds_station_port *port, struct ds_arena *arena,
                            const struct ds_id *book, int32_t period, struct ds_planned *planned)
{
    struct ds_id id = ds_period_id(&port->station, book, (uint32_t)period);
    struct ds_period to = {.presence = {0}};
    int64_t state = 0;
    DS_TRY(ds_period_now(port, arena, book, period, &state));
    if (state != 0) {
        return DS_OK;
    }
    DS_SET(&to, period, book, *book);
    DS_SET(&to, period, period, period);
    DS_SET(&to, period, state, DS_PERIOD_closed);
    return ds_plan_add(planned, ds_record_type_by_number(DS_REC_period), &id, &to);
}

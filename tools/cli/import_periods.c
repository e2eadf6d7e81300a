#include "tools/cli/import_periods.h"

#include "sync/core/tables.h"

enum ds_err ds_step_period(const struct ds_station_port *port, struct ds_arena *arena,
                           const struct ds_period *to, struct ds_planned *planned)
{
    const struct ds_record_type *type = ds_record_type_by_number(DS_REC_period);
    struct ds_id id = ds_period_id(&port->station, &to->book, (uint32_t)to->period);
    size_t mark = ds_arena_mark(arena);
    struct ds_period *now = ds_arena_alloc(arena, sizeof(*now));
    if (now == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = port->load(port->context, DS_REC_period, &id, arena, now);
    int64_t state = err == DS_OK ? DS_GET(now, period, state, 0) : 0;
    ds_arena_rewind(arena, mark);
    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    while (state < to->state) {
        struct ds_period step = {.presence = {0}};
        state++;
        DS_SET(&step, period, state, state);
        if (state == DS_PERIOD_open) {
            step = *to;
            DS_SET(&step, period, state, DS_PERIOD_open);
        }
        DS_TRY(ds_plan_add(planned, type, &id, &step));
    }
    return DS_OK;
}

enum ds_err ds_close_period(const struct ds_station_port *port, struct ds_arena *arena,
                            const struct ds_id *book, int32_t period, struct ds_planned *planned)
{
    struct ds_period to = {.presence = {0}};
    DS_SET(&to, period, book, *book);
    DS_SET(&to, period, period, period);
    DS_SET(&to, period, state, DS_PERIOD_closed);
    return ds_step_period(port, arena, &to, planned);
}

#include "sync/core/authority.h"
#include "sync/core/fold.h"

/* Connectors, imports and the system hold no roles and need none. Most roles are held for the whole
 * station: that is asked first, and costs one or two look-ups. */
enum ds_err ds_fold_holds_role(struct ds_fold *fold, uint16_t roles, const struct ds_about *about,
                               bool *holds)
{
    const struct ds_id *station = &fold->meta->station;
    const struct ds_slice stored = {NULL, 0};
    struct ds_units units = {.unit = {*station}, .count = 1};
    *holds = true;
    if (roles == 0 || (fold->actor != DS_ACTOR_handheld && fold->actor != DS_ACTOR_console)) {
        return DS_OK;
    }
    DS_TRY(ds_holds_role(fold->txn, station, &fold->worker, &units, fold->meta->time_ms, roles,
                         holds));
    if (*holds) {
        return DS_OK;
    }
    DS_TRY(ds_units_of_station(fold->txn, station, &units));
    DS_TRY(ds_units_add_team(fold->txn, station, about->type, &about->id, about->fields, &units));
    if (about->fact) {
        DS_TRY(ds_units_add_team(fold->txn, station, DS_REC_worker, &fold->worker, stored, &units));
    }
    return ds_holds_role(fold->txn, station, &fold->worker, &units, fold->meta->time_ms, roles,
                         holds);
}

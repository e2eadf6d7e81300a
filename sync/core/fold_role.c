#include "sync/core/authority.h"
#include "sync/core/fold.h"

static bool has_role(const struct ds_grants *grants, uint16_t roles, int64_t instant_ms)
{
    for (uint8_t role = 1; role < DS_DESK_ROLES; role++) {
        if ((roles >> role & 1) != 0 && grants->there[role] &&
            grants->from_ms[role] <= instant_ms && instant_ms < grants->until_ms[role]) {
            return true;
        }
    }
    return false;
}

/* Connectors, imports and the system hold no roles and need none. Most roles are held for the whole
 * station or for one's own team: that is asked first, from the desk. */
enum ds_err ds_fold_holds_role(struct ds_fold *fold, uint16_t roles, const struct ds_about *about,
                               bool *holds)
{
    const struct ds_id *station = &fold->meta->station;
    const struct ds_slice stored = {NULL, 0};
    struct ds_units units;
    *holds = true;
    if (roles == 0 || (fold->actor != DS_ACTOR_handheld && fold->actor != DS_ACTOR_console)) {
        return DS_OK;
    }
    const struct ds_worker_grants *grants = NULL;
    DS_TRY(ds_desk_grants(fold, &fold->worker, &grants));
    *holds = has_role(&grants->station, roles, fold->meta->time_ms) ||
             (about->fact && has_role(&grants->team, roles, fold->meta->time_ms));
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

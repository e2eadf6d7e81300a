/* Which roles a person holds, where: grants hold for a subtree of the organisation and a time.
 *
 * The one idea: a grant names a unit (station, branch, company or team), and an act is about an
 * entity; the roles that count are those granted for a unit that holds the entity. A team is that
 * of the worker who has the entity's book, task or device. Reads the state alone, so the fold, the
 * console and the command line judge alike. Pure; any thread with a transaction. */
#ifndef DS_SYNC_CORE_AUTHORITY_H
#define DS_SYNC_CORE_AUTHORITY_H

#include "sync/core/row.h"
#include "sync/core/tables.h"

#define DS_UNITS_MAX 5   /* Station, branch, company, and two teams. */
#define DS_GRANTS_MAX 64 /* Of one worker; those beyond it do not count. */

struct ds_units {
    struct ds_id unit[DS_UNITS_MAX];
    size_t count;
};
/* FORMAT.md, "Ids": organisation unit. */
struct ds_id ds_company_id(struct ds_slice company);
struct ds_id ds_branch_id(struct ds_slice company, struct ds_slice branch);
struct ds_id ds_team_id(const struct ds_id *station, struct ds_slice team);

/* The station and what is above it. */
DS_NODISCARD enum ds_err ds_units_of_station(struct ds_txn *txn, const struct ds_id *station,
                                             struct ds_units *units);
/* And the team that an entity belongs to, if it can be told. fields: those of a record that is
 * being made; empty: of the stored row. */
DS_NODISCARD enum ds_err ds_units_add_team(struct ds_txn *txn, const struct ds_id *station,
                                           uint8_t type, const struct ds_id *id,
                                           struct ds_slice fields, struct ds_units *units);
/* Does the worker hold any of these roles (a set of 1 << enum ds_role) then at any of the units? */
DS_NODISCARD enum ds_err ds_holds_role(struct ds_txn *txn, const struct ds_id *station,
                                       const struct ds_id *worker, const struct ds_units *units,
                                       int64_t instant_ms, uint16_t roles, bool *holds);
/* Roles for the whole station (also by a grant for branch or company), and those that he holds for
 * some team of it only. */
DS_NODISCARD enum ds_err ds_roles_of(struct ds_txn *txn, const struct ds_id *station,
                                     const struct ds_id *worker, int64_t instant_ms,
                                     uint16_t *roles, uint16_t *team_roles);

#endif

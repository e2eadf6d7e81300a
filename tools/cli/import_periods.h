/* The steps that bring a book's period to a state: drafts, one per legal step. */
#ifndef DS_TOOLS_CLI_IMPORT_PERIODS_H
#define DS_TOOLS_CLI_IMPORT_PERIODS_H

#include "tools/cli/plan.h"

/* The state that a book's period has now; 0: it was never opened. */
DS_NODISCARD enum ds_err ds_period_now(const struct ds_station_port *port, struct ds_arena *arena,
                                       const struct ds_id *book, int32_t period, int64_t *state);
/* Add the drafts that lead from the present state (none: there is no such period yet) to `to`;
 * none if it is there already or beyond. */
DS_NODISCARD enum ds_err ds_step_period(const struct ds_station_port *port, struct ds_arena *arena,
                                        const struct ds_period *to, struct ds_planned *planned);
/* A period that begins as closed, for another system has billed it; one that there is already is
 * left alone: it lives here. */
DS_NODISCARD enum ds_err ds_close_period(const struct ds_station_port *port, struct ds_arena *arena,
                                         const struct ds_id *book, int32_t period,
                                         struct ds_planned *planned);

#endif

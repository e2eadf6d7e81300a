/* Which step from state to state is legal, and which of two values is graver.
 *
 * The one idea: a table per list; the engine sends an illegal step to review and never guesses.
 * from 0 means "is being created". Staying is no step (equal values are no conflict). Pure. */
#ifndef DS_SCHEMA_RULES_STEPS_H
#define DS_SCHEMA_RULES_STEPS_H

#include "schema/record.h"

/* created -> assigned -> accepted -> working -> done -> approved, with returned, reassigned and
 * cancelled. Whoever holds it may do it at once (assigned -> done). What is done is never
 * cancelled, only approved or returned for another try; approved and cancelled are ends. */
bool ds_task_step_ok(int64_t from, int64_t to);
/* open -> reading_closed -> billed -> closed, one at a time; one that another system has billed may
 * begin as closed. Reopening needs four eyes: no step here leads back. */
bool ds_period_step_ok(int64_t from, int64_t to);
/* active <-> suspended; either may be revoked, all may be wiped; neither of these returns. */
bool ds_device_step_ok(int64_t from, int64_t to);
/* The machine of that list; true for lists that have none, but never for staying. */
bool ds_step_ok(enum ds_list list, int64_t from, int64_t to);

/* Rank for WORST fields: the greater one is graver. Hazard grades ascend with their number; of
 * severities the smallest number is gravest; every other list ranks by number. 0 (not given) ranks
 * 0. A number that this build does not know ranks as its number, or least for severities. */
int64_t ds_gravity(enum ds_list list, int64_t value);

#endif

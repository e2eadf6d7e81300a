/* Drafts from JSON to ops: what imports, the command line and central answers write.
 *
 * A draft is {type, id?, fields}; personal fields come in clear and are sealed here. What is so
 * already is not written again: fields of an entity that are equal fall away, and an event that
 * stands with all its fields is left out, so that repeating a file doubles nothing. A draft that
 * the schema refuses is told and does not stop the others. */
#ifndef DS_SERVER_DRAFTS_H
#define DS_SERVER_DRAFTS_H

#include "server/office.h"

#include <jansson.h>

#define DS_DRAFTS_MAX 1000                      /* Of one call. */
#define DS_DRAFTS_ARENA_SIZE (16 * 1024 * 1024) /* Memory of one call. */
#define DS_DRAFTS_ANSWERS_MAX 1000000           /* Answers of a station that are compared with. */

/* Write drafts (an array) as actor. *answer (yours) gets written, unchanged, position, ids, items,
 * as "import" of admin.h says. skip: as above; else everything is written. */
DS_NODISCARD enum ds_err ds_drafts_write(struct ds_office *office,
                                         const struct ds_office_actor *actor, const json_t *drafts,
                                         bool skip, json_t **answer, struct ds_detail *detail);

#endif

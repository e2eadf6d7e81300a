/* A set of ids with the line where each stood: finds one key twice in one file. */
#ifndef DS_TOOLS_CLI_SEEN_H
#define DS_TOOLS_CLI_SEEN_H

#include "schema/base/base.h"

#define DS_SEEN_MAX (UINT64_C(1) << 26) /* Ids of one file: 67 million. */

struct ds_seen {
    struct ds_seen_place *places;
    size_t room; /* A power of two, or 0. */
    size_t count;
};
struct ds_seen_place {
    struct ds_id id; /* None: free. */
    uint64_t line;
};

/* Add an id; *line is where it stood before, 0 if it is new. DS_ERR_NOMEM, DS_ERR_LIMIT. */
DS_NODISCARD enum ds_err ds_seen_add(struct ds_seen *seen, const struct ds_id *id, uint64_t at,
                                     uint64_t *line);
/* Where an id stands; 0: nowhere. */
uint64_t ds_seen_find(const struct ds_seen *seen, const struct ds_id *id);
void ds_seen_free(struct ds_seen *seen);

#endif

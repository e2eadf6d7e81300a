/* A progress bar on a terminal; nothing anywhere else.
 *
 * It is drawn in place on stderr, at most once per percent, and wiped at the end. */
#ifndef DS_TOOLS_CLI_PROGRESS_H
#define DS_TOOLS_CLI_PROGRESS_H

#include "schema/base/base.h"

#include <stdio.h>

struct ds_progress_bar {
    FILE *to; /* NULL: nothing is drawn. */
    const char *what;
    int percent;
};

/* what: "importing meter.csv"; borrowed. */
void ds_progress_begin(struct ds_progress_bar *bar, FILE *to, const char *what);
void ds_progress_step(struct ds_progress_bar *bar, uint64_t done, uint64_t total);
void ds_progress_end(struct ds_progress_bar *bar);

#endif

/* Which deliberate fault this process has. Only sim_mutants holds any. */
#ifdef DS_MUTANTS
#include "sync/core/mutant.h"

#include <string.h>

static const char *chosen = "";

void ds_mutant_choose(const char *name)
{
    chosen = name;
}

bool ds_mutant_is(const char *name)
{
    return strcmp(chosen, name) == 0;
}
#else
typedef int ds_no_mutants; /* A translation unit is not empty. */
#endif

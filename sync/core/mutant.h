/* Deliberate faults, to prove that the tests would notice them.
 *
 * DS_MUTANT("name") is the constant false in everything that ships. In the target sim_mutants
 * (DS_MUTANTS=1) it is true for the one name that the command line chose, and the line that asks
 * breaks its own rule. tests/sim/mutants_test.sh runs each and wants it caught. */
#ifndef DS_SYNC_CORE_MUTANT_H
#define DS_SYNC_CORE_MUTANT_H

#ifdef DS_MUTANTS
#include <stdbool.h>

bool ds_mutant_is(const char *name); /* tests/sim/mutant.c */
void ds_mutant_choose(const char *name);
#define DS_MUTANT(name) ds_mutant_is(name)
#else
#define DS_MUTANT(name) false
#endif

#endif

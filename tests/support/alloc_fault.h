/* The nth allocation of the product fails, once.
 *
 * A test that includes this is linked with --wrap=malloc, calloc and realloc (CMakeLists.txt), so
 * the calls of our own layers come by here; those of libc, libsodium, zstd and LMDB do not. */
#ifndef DS_TESTS_SUPPORT_ALLOC_FAULT_H
#define DS_TESTS_SUPPORT_ALLOC_FAULT_H

#include <stdbool.h>
#include <stddef.h>

void alloc_fault_arm(unsigned nth); /* From now, from 1; 0: none fails. */
bool alloc_fault_fired(void);       /* Since it was armed. */

#endif

#include "schema/base/base.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void ds_assert_fail(const char *file, int line, const char *cond)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, cond);
    abort();
}

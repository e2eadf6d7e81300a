/* What every test file includes: cmocka with the headers that it needs before it.
 *
 * cmocka.h asks its includer for setjmp, stdarg, stddef and stdint, in front; the formatter would
 * put it first. Nothing else belongs in here. */
#ifndef DS_TESTS_SUPPORT_TEST_H
#define DS_TESTS_SUPPORT_TEST_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif

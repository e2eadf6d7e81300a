#include "tests/support/alloc_fault.h"

#include <stdlib.h>

static unsigned countdown;
static bool fired;

void *real_malloc(size_t size) __asm__("__real_malloc");
void *wrap_malloc(size_t size) __asm__("__wrap_malloc");
void *real_calloc(size_t count, size_t size) __asm__("__real_calloc");
void *wrap_calloc(size_t count, size_t size) __asm__("__wrap_calloc");
void *real_realloc(void *memory, size_t size) __asm__("__real_realloc");
void *wrap_realloc(void *memory, size_t size) __asm__("__wrap_realloc");

void alloc_fault_arm(unsigned nth)
{
    countdown = nth;
    fired = false;
}

bool alloc_fault_fired(void)
{
    return fired;
}

static bool fails(void)
{
    if (countdown == 0 || --countdown > 0) {
        return false;
    }
    fired = true;
    return true;
}

void *wrap_malloc(size_t size)
{
    return fails() ? NULL : real_malloc(size);
}

void *wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : real_calloc(count, size);
}

void *wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : real_realloc(memory, size);
}

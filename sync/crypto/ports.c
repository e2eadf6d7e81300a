/* The system's own randomness and clocks behind the ports of crypto.h. */
#include "sync/crypto/crypto.h"

#include <sodium.h>

#include <time.h>

static void system_fill(void *context, void *out, size_t size)
{
    (void)context;
    randombytes_buf(out, size);
}

struct ds_random ds_random_system(void)
{
    return (struct ds_random){.fill = system_fill, .context = NULL};
}

static int64_t clock_ms(clockid_t which)
{
    struct timespec now;
    int failed = clock_gettime(which, &now);
    DS_ASSERT(failed == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_now_ms(void *context)
{
    (void)context;
    return clock_ms(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(void *context)
{
    (void)context;
    return clock_ms(CLOCK_MONOTONIC);
}

struct ds_clock ds_clock_system(void)
{
    return (struct ds_clock){
        .now_ms = system_now_ms, .monotonic_ms = system_monotonic_ms, .context = NULL};
}

/* A counting relay: every byte between a handheld's own transport and the server, heads included.
 *
 * One thread takes connections on a free port of loopback, one after the other, and carries bytes
 * both ways until either end hangs up. Failures end the program. */
#ifndef DS_TESTS_BENCH_BENCH_PROXY_H
#define DS_TESTS_BENCH_BENCH_PROXY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct bench_proxy {
    int listener;
    uint16_t port;   /* Ours. */
    uint16_t server; /* Whom we carry to. */
    pthread_t thread;
    atomic_uint_fast64_t up;
    atomic_uint_fast64_t down;
    atomic_uint_fast64_t connections;
};
/* port: where to listen. */
void bench_proxy_start(struct bench_proxy *proxy, uint16_t port, uint16_t server);
/* The process ends with the thread still waiting; there is nothing to stop. */

#endif

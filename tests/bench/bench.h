/* What the measuring programs share: a clock, what a process has used, one HTTP connection.
 *
 * The connection speaks just enough HTTP/1.1 to post a body over loopback and stay open, so that
 * what is measured is the server. Failures end the program: a measurement has no half results. */
#ifndef DS_TESTS_BENCH_BENCH_H
#define DS_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
double bench_seconds(void); /* Monotonic. */

struct bench_usage {
    double cpu_s;     /* User and system. */
    long rss_peak_kb; /* VmHWM */
};
/* Of a running process; pid 0: this one. */
struct bench_usage bench_usage(long pid);

struct bench_link {
    int fd; /* -1: not open. */
    uint16_t port;
    uint64_t up; /* Bytes of bodies. */
    uint64_t down;
};
void bench_link_open(struct bench_link *link, uint16_t port); /* To 127.0.0.1. */
void bench_link_close(struct bench_link *link);
/* Post to a path; the status comes back, the body's size in *size. */
int bench_post(struct bench_link *link, const char *path, const uint8_t *body, size_t body_size,
               uint8_t *answer, size_t answer_max, size_t *size);

/* Value of "--name" in words; fallback if it is not there. */
const char *bench_option(int count, char **words, const char *name, const char *fallback);
uint64_t bench_number(int count, char **words, const char *name, uint64_t fallback);

#endif

/* The trace of a run: lines of text, hashed; the last ones are kept for the report of a failure. */
#ifndef DS_TESTS_SIM_TRACE_H
#define DS_TESTS_SIM_TRACE_H

#include "schema/base/base.h"

enum { TRACE_KEPT = 60, TRACE_LINE_SIZE = 200 };

struct sim_trace {
    uint64_t hash; /* FNV-1a over every line and every message on the wire. */
    uint64_t lines;
    bool print;
    char kept[TRACE_KEPT][TRACE_LINE_SIZE];
};

void trace_start(struct sim_trace *trace, bool print);
void trace_line(struct sim_trace *trace, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void trace_bytes(struct sim_trace *trace, const uint8_t *bytes, size_t size);
void trace_print_kept(const struct sim_trace *trace); /* To stderr, oldest first. */

#endif

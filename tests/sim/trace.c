#include "tests/sim/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void trace_start(struct sim_trace *trace, bool print)
{
    memset(trace, 0, sizeof *trace);
    trace->hash = UINT64_C(0xcbf29ce484222325);
    trace->print = print;
}

void trace_bytes(struct sim_trace *trace, const uint8_t *bytes, size_t size)
{
    uint64_t hash = trace->hash;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    trace->hash = hash;
}

void trace_line(struct sim_trace *trace, const char *format, ...)
{
    char *line = trace->kept[trace->lines % TRACE_KEPT];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, TRACE_LINE_SIZE, format, arguments);
    va_end(arguments);
    trace->lines++;
    trace_bytes(trace, (const uint8_t *)line, strlen(line));
    if (trace->print) {
        printf("%6" PRIu64 " %s\n", trace->lines, line);
    }
}

void trace_print_kept(const struct sim_trace *trace)
{
    uint64_t first = trace->lines > TRACE_KEPT ? trace->lines - TRACE_KEPT : 0;
    for (uint64_t i = first; i < trace->lines; i++) {
        fprintf(stderr, "  %6" PRIu64 " %s\n", i + 1, trace->kept[i % TRACE_KEPT]);
    }
}

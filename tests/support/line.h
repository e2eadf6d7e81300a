/* A handheld, a bad line and a server: the SDK with its own HTTP client, the proxy of lossy.h, and
 * the real HTTP server over the office of office.h, all in one process. */
#ifndef DS_TESTS_SUPPORT_LINE_H
#define DS_TESTS_SUPPORT_LINE_H

#include "doorstep.h"
#include "tests/support/lossy.h"
#include "tests/support/office.h"

struct line {
    struct test_office office;
    struct ds_http *http;
    struct lossy *lossy;
    struct lossy_rule rule; /* Of all connections, unless weather is set. Set between calls only. */
    uint64_t weather;       /* Seed of lossy_weather(); 0: none. */
};
void line_open(struct line *line);
void line_close(struct line *line);
/* Entries of the server's journal. */
uint64_t line_size(struct line *line);
/* Refold the server's journal and compare digests; verify it. */
void line_prove(struct line *line);

struct walker { /* A handheld on a memory store. */
    struct line *line;
    struct ds_store *store;
    struct ds_handheld *h;
    int64_t mono_ms;
    uint8_t seed;
};
/* An open handheld that is not enrolled; seed makes it another one. */
void walker_make(struct walker *walker, struct line *line, uint8_t seed);
/* A code for it, as the office gives it, for the address of the proxy. */
void walker_code(struct walker *walker, char code[static 1024]);
/* Enrolled for reader R1, everything pulled. */
void walker_enrol(struct walker *walker, struct line *line, uint8_t seed);
void walker_drop(struct walker *walker);
/* A reading of meter i and a visit to its premises: two ops. */
void walker_work(struct walker *walker, size_t i, int64_t index);
struct ds_handheld_status walker_status(struct walker *walker);
/* A sync that must succeed. */
struct ds_handheld_sync_result walker_sync(struct walker *walker);

#endif

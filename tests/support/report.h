/* A run's result as a small file: what was counted, by which command, with how many failures.
 *
 * Written to DS_REPORT/NAME.json where the environment names that folder; a report is collected
 * from these, so that its numbers are measured ones. Header only. */
#ifndef DS_TESTS_SUPPORT_REPORT_H
#define DS_TESTS_SUPPORT_REPORT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct report {
    const char *name;
    const char *command;
    const char *unit;
    uint64_t count;
    uint64_t failures;
    double seconds;
};

static inline void report_write(const struct report *report)
{
    char path[512];
    const char *folder = getenv("DS_REPORT");
    if (folder == NULL || snprintf(path, sizeof path, "%s/%s.json", folder, report->name) < 0) {
        return;
    }
    FILE *file = fopen(path, "w");
    if (file != NULL) {
        (void)fprintf(file,
                      "{\"name\":\"%s\",\"command\":\"%s\",\"count\":%llu,\"unit\":\"%s\","
                      "\"failures\":%llu,\"seconds\":%.1f}\n",
                      report->name, report->command, (unsigned long long)report->count,
                      report->unit, (unsigned long long)report->failures, report->seconds);
        (void)fclose(file);
    }
}

#endif

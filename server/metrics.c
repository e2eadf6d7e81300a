#include "server/metrics.h"

#include "schema/base/text.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ds_metrics_init(struct ds_metrics *metrics)
{
#define X(name, help) atomic_init(&metrics->name, 0);
    DS_METRICS_TABLE(X)
#undef X
    atomic_init(&metrics->event_streams, 0);
    for (size_t i = 0; i < DS_COUNT(metrics->verdicts); i++) {
        atomic_init(&metrics->verdicts[i], 0);
    }
}

static void put_head(struct ds_builder *out, const char *name, const char *type, const char *help)
{
    ds_put_text(out, "# HELP ");
    ds_put_text(out, name);
    ds_put_text(out, " ");
    ds_put_text(out, help);
    ds_put_text(out, "\n# TYPE ");
    ds_put_text(out, name);
    ds_put_text(out, " ");
    ds_put_text(out, type);
    ds_put_text(out, "\n");
}

static void put_number(struct ds_builder *out, uint64_t value)
{
    ds_put_decimal(out, value > INT64_MAX ? INT64_MAX : (int64_t)value);
    ds_put_text(out, "\n");
}

void ds_metrics_put(struct ds_builder *out, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    put_head(out, name, type, help);
    ds_put_text(out, name);
    ds_put_text(out, " ");
    put_number(out, value);
}

void ds_metrics_put_counters(struct ds_builder *out, struct ds_metrics *metrics)
{
#define X(name, help)                                                                              \
    ds_metrics_put(out, "doorstep_" #name "_total", "counter", help,                               \
                   ds_metrics_get(&metrics->name));
    DS_METRICS_TABLE(X)
#undef X
    ds_metrics_put(out, "doorstep_event_streams", "gauge", "Event streams open now.",
                   ds_metrics_get(&metrics->event_streams));
    put_head(out, "doorstep_verdicts_total", "counter",
             "Ops of console users, connectors and imports by verdict.");
    for (int64_t verdict = 1; verdict <= ds_enum_last(DS_LIST_verdict); verdict++) {
        if ((size_t)verdict >= DS_COUNT(metrics->verdicts)) {
            break;
        }
        ds_put_text(out, "doorstep_verdicts_total{verdict=\"");
        ds_put_text(out, ds_enum_name(DS_LIST_verdict, verdict));
        ds_put_text(out, "\"} ");
        put_number(out, ds_metrics_get(&metrics->verdicts[verdict]));
    }
}

/* The number behind "name:" in /proc/self/status; 0 if it is not there. */
static uint64_t status_of(const char *name)
{
    char line[256];
    uint64_t value = 0;
    size_t size = strlen(name);
    FILE *file = fopen("/proc/self/status", "re");

    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, size) == 0) {
            const char *at = line + size + strspn(line + size, " \t");
            int64_t number = 0;

            if (ds_int_parse((struct ds_slice){(const uint8_t *)at, strspn(at, "0123456789")},
                             &number) == DS_OK) {
                value = (uint64_t)number;
            }
            break;
        }
    }
    (void)fclose(file);
    return value;
}

static uint64_t count_open_files(void)
{
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");

    if (dir == NULL) {
        return 0;
    }
    /* Each thread has a stream of its own. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(dir);
    return count > 0 ? count - 1 : 0; /* Not the folder that we are reading. */
}

void ds_metrics_put_process(struct ds_builder *out)
{
    ds_metrics_put(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                   status_of("VmRSS:") * 1024);
    ds_metrics_put(out, "process_open_fds", "gauge", "Open files.", count_open_files());
    ds_metrics_put(out, "process_threads", "gauge", "Threads.", status_of("Threads:"));
}

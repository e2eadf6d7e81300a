/* Counters of a running station, and their Prometheus text.
 *
 * Every counter stands once in DS_METRICS_TABLE; threads add to them without a lock. Numbers of the
 * writer and of the process are asked where they live. No label holds anything of a person. */
#ifndef DS_SERVER_METRICS_H
#define DS_SERVER_METRICS_H

#include "schema/base/bytes.h"
#include "schema/record.h"

#include <stdatomic.h>

/* X(name, help): counters, doorstep_<name>_total. */
/* clang-format off */
#define DS_METRICS_TABLE(X) \
    X(http_requests, "Requests answered.") \
    X(http_refused, "Requests refused before a handler saw them (malformed, too large).") \
    X(http_deadline, "Connections cut because a body was not complete in time.") \
    X(exchanges, "Exchanges answered.") \
    X(history_doubts, "Exchanges whose device had refused this server's history before.") \
    X(exchange_refused, "Exchanges refused: unknown device, wrong tag, malformed.") \
    X(exchange_bytes_in, "Bytes of exchange requests.") \
    X(exchange_bytes_out, "Bytes of exchange answers.") \
    X(enrolments, "Devices enrolled.") \
    X(enrolments_refused, "Enrolments refused.") \
    X(ops_folded, "Ops applied, merged, proposed or in conflict.") \
    X(ops_quarantined, "Ops in quarantine.") \
    X(batches_duplicate, "Batches that were known already.") \
    X(batches_branch, "Batches that diverged from what was known.") \
    X(logins, "Sessions begun.") \
    X(logins_refused, "Logins refused.") \
    X(events_refused, "Event streams refused because all were taken.") \
    X(deliveries, "Deliveries taken by billing or GIS.") \
    X(delivery_failures, "Deliveries that failed and are tried again.") \
    X(exports_delivered, "Exports in those deliveries.") \
    X(dead_letters, "Exports that the other side refuses.")
/* clang-format on */

struct ds_metrics {
#define X(name, help) atomic_uint_least64_t name;
    DS_METRICS_TABLE(X)
#undef X
    atomic_uint_least64_t event_streams; /* Open now. */
    atomic_uint_least64_t verdicts[8];   /* Ops of server-held actors by enum ds_verdict_kind. */
};

void ds_metrics_init(struct ds_metrics *metrics);
static inline void ds_metrics_add(atomic_uint_least64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}
static inline uint64_t ds_metrics_get(atomic_uint_least64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Prometheus text, version 0.0.4: one sample with its HELP and TYPE. */
void ds_metrics_put(struct ds_builder *out, const char *name, const char *type, const char *help,
                    uint64_t value);
/* All counters of the table. */
void ds_metrics_put_counters(struct ds_builder *out, struct ds_metrics *metrics);
/* Of this process: resident bytes, open files, threads. */
void ds_metrics_put_process(struct ds_builder *out);

#endif

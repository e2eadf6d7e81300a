/* Is it alive, what does it count, and what does it speak. */
#include "server/api_state.h"
#include "server/routes.h"

enum ds_err ds_route_alive(struct ds_call *call)
{
    struct ds_txn *txn = NULL;
    struct ds_shard_meta meta;

    DS_TRY(ds_store_begin(call->office->site->store, false, &txn));
    enum ds_err err = ds_meta_load(txn, &meta);

    ds_txn_abort(txn);
    DS_TRY(err);
    ds_put_text(call->out, "{\"status\":\"ok\",\"version\":");
    ds_json_put_string(call->out, ds_slice_of_text(call->api->options.version));
    ds_put_text(call->out, ",\"position\":");
    ds_put_decimal(call->out, (int64_t)meta.size);
    ds_put_text(call->out, "}");
    return DS_OK;
}

static void put_groups(struct ds_builder *out, const struct ds_writer_stats *stats)
{
    static const char *const limits[] = {"1", "2", "4", "8", "16", "32", "64", "+Inf"};
    uint64_t sum = 0;

    ds_put_text(out, "# HELP doorstep_commit_group Submissions of one group commit.\n"
                     "# TYPE doorstep_commit_group histogram\n");
    for (size_t i = 0; i < DS_COUNT(limits); i++) {
        sum += stats->groups[i];
        ds_put_text(out, "doorstep_commit_group_bucket{le=\"");
        ds_put_text(out, limits[i]);
        ds_put_text(out, "\"} ");
        ds_put_decimal(out, (int64_t)sum);
        ds_put_text(out, "\n");
    }
    ds_put_text(out, "doorstep_commit_group_sum ");
    ds_put_decimal(out, (int64_t)stats->submissions);
    ds_put_text(out, "\ndoorstep_commit_group_count ");
    ds_put_decimal(out, (int64_t)stats->commits);
    ds_put_text(out, "\n");
}

enum ds_err ds_route_metrics(struct ds_call *call)
{
    struct ds_builder *out = call->out;
    struct ds_store_room room;
    struct ds_writer_stats stats;

    ds_metrics_put_counters(out, call->office->metrics);
    ds_writer_stats(call->office->writer, &stats);
    put_groups(out, &stats);
    ds_metrics_put(out, "doorstep_commit_bytes_total", "counter", "Bytes of committed batches.",
                   stats.bytes);
    ds_metrics_put(out, "doorstep_writer_jobs_total", "counter",
                   "Writes of server-held actors, enrolments and other jobs.", stats.jobs);
    ds_metrics_put(out, "doorstep_writer_refused_total", "counter",
                   "Submissions and jobs turned away because the queue was full.", stats.refused);
    ds_metrics_put(out, "doorstep_ticks_total", "counter", "Tick entries.", stats.ticks);
    ds_metrics_put(out, "doorstep_writer_queue", "gauge", "Submissions and jobs that wait.",
                   stats.queued);
    ds_metrics_put(out, "doorstep_journal_entries", "gauge", "Size of the journal.",
                   ds_writer_wait(call->office->writer, 0, 0));
    ds_metrics_put(out, "doorstep_sessions", "gauge", "Sessions of console users.",
                   ds_session_count(call->office->users));
    if (ds_store_room(call->office->site->store, &room) == DS_OK) {
        ds_metrics_put(out, "doorstep_store_bytes", "gauge", "Bytes in use in the store.",
                       room.used);
    }
    ds_metrics_put_process(out);
    return DS_OK;
}

enum ds_err ds_route_openapi(struct ds_call *call)
{
    ds_openapi_put(call->out);
    return DS_OK;
}

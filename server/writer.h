/* The one thread that writes to a shard: group commit for everybody.
 *
 * Request threads hand in submissions and wait; the writer takes everything that waits, commits it
 * in one transaction with one fsync (ds_shard_commit) and wakes them. Writes of server-held actors
 * are jobs: functions that run on the writer thread. The queue is bounded: beyond it DS_ERR_BUSY at
 * once. An I/O error or a contradiction in the state is never acknowledged: on_fatal is called (the
 * daemon ends there), and everybody after it gets that error. */
#ifndef DS_SERVER_WRITER_H
#define DS_SERVER_WRITER_H

#include "sync/shard/shard.h"

#define DS_WRITER_QUEUE_DEFAULT 1024

struct ds_writer;

struct ds_writer_options {
    uint32_t queue_max; /* Submissions and jobs that wait; 0: DS_WRITER_QUEUE_DEFAULT. */
    uint32_t tick_s;    /* Seconds between ticks; 0: none. */
    /* Called on the writer thread; may not return in the daemon. NULL: nothing. */
    void (*on_fatal)(void *context, enum ds_err err);
    /* Called on the writer thread about every tick_s (each minute without ticks). NULL: nothing. */
    void (*on_minute)(void *context);
    void *context;
};

struct ds_writer_stats {
    uint64_t commits;     /* Group commits. */
    uint64_t submissions; /* In them. */
    uint64_t group_max;   /* Largest group. */
    uint64_t groups[8];   /* Groups of at most 1, 2, 4, 8, 16, 32, 64, more submissions. */
    uint64_t jobs;
    uint64_t refused; /* Turned away by the bound. */
    uint64_t ticks;
    uint64_t bytes;  /* Of committed batches. */
    uint32_t queued; /* Now. */
};

/* shard is borrowed until ds_writer_stop(). */
DS_NODISCARD enum ds_err ds_writer_start(struct ds_shard *shard,
                                         const struct ds_writer_options *options,
                                         struct ds_writer **writer);
/* Finish what is queued, then end the thread. NULL is allowed. */
void ds_writer_stop(struct ds_writer *writer);

/* Commit checked submissions and wait until they are durable; the answers are in
 * submissions[i]->folded. DS_ERR_BUSY: nothing was queued, try later. count up to
 * DS_COMMIT_BATCHES_MAX. Any thread but the writer's. */
DS_NODISCARD enum ds_err ds_writer_commit(struct ds_writer *writer,
                                          struct ds_submission *const *submissions, size_t count);

/* Run a job on the writer thread and wait for its result. A job may call everything that is marked
 * "writer thread only". DS_ERR_BUSY as above. */
DS_NODISCARD enum ds_err ds_writer_run(struct ds_writer *writer,
                                       enum ds_err (*job)(struct ds_shard *shard, void *context),
                                       void *context);

void ds_writer_stats(struct ds_writer *writer, struct ds_writer_stats *stats);

/* Wait until the journal is larger than size, the timeout passed, or the writer is stopping; the
 * present size. For event streams. */
uint64_t ds_writer_wait(struct ds_writer *writer, uint64_t size, uint32_t timeout_ms);

#endif

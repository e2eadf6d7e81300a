#include "server/writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define MINUTE_MS 60000

/* One waiter: lies on his stack until he is told. */
struct ticket {
    struct ticket *next;
    struct ds_submission *const *submissions;
    size_t count;
    enum ds_err (*job)(struct ds_shard *shard, void *context); /* NULL: submissions. */
    void *context;
    enum ds_err err;
    bool done;
    pthread_cond_t told;
};

struct ds_writer {
    struct ds_shard *shard;
    struct ds_writer_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* Everything below. */
    pthread_cond_t work;
    pthread_cond_t grown;
    struct ticket *first;
    struct ticket *last;
    uint32_t queued;
    bool stopping;
    enum ds_err fatal; /* Not DS_OK: everybody is answered with this. */
    uint64_t size;     /* Journal entries that are durable. */
    struct ds_writer_stats stats;
    /* Of the writer thread alone. */
    int64_t next_minute_ms;
    struct ds_submission **group;
};

static int64_t monotonic_ms(void)
{
    struct timespec now = {0};
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);

    DS_ASSERT(failed == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct timespec at_ms(int64_t instant_ms)
{
    return (struct timespec){.tv_sec = instant_ms / 1000, .tv_nsec = instant_ms % 1000 * 1000000};
}

static void tell(struct ds_writer *writer, struct ticket *tickets, enum ds_err err)
{
    pthread_mutex_lock(&writer->lock);
    writer->size = writer->shard->meta.size;
    pthread_cond_broadcast(&writer->grown);
    while (tickets != NULL) {
        struct ticket *next = tickets->next;

        /* Once told, the ticket is its owner's again: nothing of it is read behind this. */
        tickets->err = err;
        tickets->done = true;
        pthread_cond_signal(&tickets->told);
        tickets = next;
    }
    pthread_mutex_unlock(&writer->lock);
}

/* An error after which nothing may be acknowledged any more (design: trust, F11). */
static void check_fatal(struct ds_writer *writer, enum ds_err err)
{
    bool broken = writer->shard->store->broken || writer->shard->keys->broken;

    if (!broken && err != DS_ERR_IO && err != DS_ERR_INTEGRITY) {
        return;
    }
    err = err != DS_OK ? err : DS_ERR_IO;
    if (writer->options.on_fatal != NULL) {
        writer->options.on_fatal(writer->options.context, err);
    }
    pthread_mutex_lock(&writer->lock);
    writer->fatal = err;
    pthread_mutex_unlock(&writer->lock);
}

static void count_group(struct ds_writer *writer, size_t count)
{
    size_t place = 0;
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += writer->group[i]->batch.size;
    }
    while (place + 1 < DS_COUNT(writer->stats.groups) && count > (size_t)1 << place) {
        place++;
    }
    pthread_mutex_lock(&writer->lock);
    writer->stats.commits++;
    writer->stats.submissions += count;
    writer->stats.bytes += bytes;
    writer->stats.groups[place]++;
    if (count > writer->stats.group_max) {
        writer->stats.group_max = count;
    }
    pthread_mutex_unlock(&writer->lock);
}

/* Commit the submissions of tickets in one group and tell their owners. */
static void commit_group(struct ds_writer *writer, struct ticket *tickets)
{
    size_t count = 0;

    for (const struct ticket *at = tickets; at != NULL; at = at->next) {
        for (size_t i = 0; i < at->count; i++) {
            writer->group[count++] = at->submissions[i];
        }
    }
    enum ds_err err = writer->fatal;

    if (err == DS_OK) {
        err = ds_shard_commit(writer->shard, writer->group, count);
        check_fatal(writer, err);
        count_group(writer, count);
    }
    tell(writer, tickets, err);
}

static void run_job(struct ds_writer *writer, struct ticket *ticket)
{
    enum ds_err err = writer->fatal;

    if (err == DS_OK) {
        err = ticket->job(writer->shard, ticket->context);
        /* A job may fail at a file of its own; only a broken store is the end. */
        check_fatal(writer, DS_OK);
        pthread_mutex_lock(&writer->lock);
        writer->stats.jobs++;
        pthread_mutex_unlock(&writer->lock);
    }
    tell(writer, ticket, err);
}

/* Everything that waited, in its order: runs of submissions as groups, jobs between them. */
static void serve(struct ds_writer *writer, struct ticket *tickets)
{
    while (tickets != NULL) {
        struct ticket *head = tickets;
        struct ticket *tail = tickets;
        size_t count = head->count;

        while (head->job == NULL && tail->next != NULL && tail->next->job == NULL &&
               count + tail->next->count <= DS_COMMIT_BATCHES_MAX) {
            tail = tail->next;
            count += tail->count;
        }
        tickets = tail->next;
        tail->next = NULL;
        if (head->job != NULL) {
            run_job(writer, head);
        } else {
            commit_group(writer, head);
        }
    }
}

static void do_minute(struct ds_writer *writer)
{
    int64_t step = writer->options.tick_s > 0 ? (int64_t)writer->options.tick_s * 1000 : MINUTE_MS;

    writer->next_minute_ms = monotonic_ms() + step;
    if (writer->options.tick_s > 0 && writer->fatal == DS_OK) {
        enum ds_err err = ds_shard_tick(writer->shard);

        check_fatal(writer, err);
        if (err == DS_OK) {
            pthread_mutex_lock(&writer->lock);
            writer->stats.ticks++;
            pthread_mutex_unlock(&writer->lock);
        }
        tell(writer, NULL, DS_OK);
    }
    if (writer->options.on_minute != NULL) {
        writer->options.on_minute(writer->options.context);
    }
}

static void *write_all(void *context)
{
    struct ds_writer *writer = context;

    for (;;) {
        struct timespec until = at_ms(writer->next_minute_ms);
        struct ticket *tickets = NULL;

        pthread_mutex_lock(&writer->lock);
        while (writer->first == NULL && !writer->stopping &&
               monotonic_ms() < writer->next_minute_ms) {
            (void)pthread_cond_timedwait(&writer->work, &writer->lock, &until);
        }
        bool stopping = writer->stopping;

        tickets = writer->first;
        writer->first = NULL;
        writer->last = NULL;
        writer->queued = 0;
        pthread_mutex_unlock(&writer->lock);
        serve(writer, tickets);
        if (tickets == NULL && stopping) {
            return NULL;
        }
        if (monotonic_ms() >= writer->next_minute_ms) {
            do_minute(writer);
        }
    }
}

static void destroy(struct ds_writer *writer)
{
    (void)pthread_cond_destroy(&writer->work);
    (void)pthread_cond_destroy(&writer->grown);
    (void)pthread_mutex_destroy(&writer->lock);
    free(writer->group);
    free(writer);
}

enum ds_err ds_writer_start(struct ds_shard *shard, const struct ds_writer_options *options,
                            struct ds_writer **writer)
{
    struct ds_writer *made = calloc(1, sizeof(*made));
    pthread_condattr_t monotonic;

    *writer = NULL;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->group = malloc(DS_COMMIT_BATCHES_MAX * sizeof(struct ds_submission *));
    made->shard = shard;
    made->options = *options;
    if (made->options.queue_max == 0) {
        made->options.queue_max = DS_WRITER_QUEUE_DEFAULT;
    }
    made->size = shard->meta.size;
    made->next_minute_ms =
        monotonic_ms() + (options->tick_s > 0 ? (int64_t)options->tick_s * 1000 : MINUTE_MS);
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&made->work, &monotonic);
    (void)pthread_cond_init(&made->grown, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (made->group == NULL || pthread_create(&made->thread, NULL, write_all, made) != 0) {
        destroy(made);
        return DS_ERR_NOMEM;
    }
    *writer = made;
    return DS_OK;
}

void ds_writer_stop(struct ds_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_broadcast(&writer->work);
    pthread_cond_broadcast(&writer->grown);
    pthread_mutex_unlock(&writer->lock);
    (void)pthread_join(writer->thread, NULL);
    destroy(writer);
}

/* Queue a ticket and wait until it is done. */
static enum ds_err wait_for(struct ds_writer *writer, struct ticket *ticket, uint32_t weight)
{
    pthread_mutex_lock(&writer->lock);
    if (writer->stopping || writer->queued + weight > writer->options.queue_max) {
        writer->stats.refused++;
        pthread_mutex_unlock(&writer->lock);
        return DS_ERR_BUSY;
    }
    if (writer->last != NULL) {
        writer->last->next = ticket;
    } else {
        writer->first = ticket;
    }
    writer->last = ticket;
    writer->queued += weight;
    (void)pthread_cond_init(&ticket->told, NULL);
    pthread_cond_signal(&writer->work);
    while (!ticket->done) {
        (void)pthread_cond_wait(&ticket->told, &writer->lock);
    }
    pthread_mutex_unlock(&writer->lock);
    (void)pthread_cond_destroy(&ticket->told);
    return ticket->err;
}

enum ds_err ds_writer_commit(struct ds_writer *writer, struct ds_submission *const *submissions,
                             size_t count)
{
    struct ticket ticket = {.submissions = submissions, .count = count};

    DS_ASSERT(count <= DS_COMMIT_BATCHES_MAX);
    return count == 0 ? DS_OK : wait_for(writer, &ticket, (uint32_t)count);
}

enum ds_err ds_writer_run(struct ds_writer *writer,
                          enum ds_err (*job)(struct ds_shard *shard, void *context), void *context)
{
    struct ticket ticket = {.job = job, .context = context};

    return wait_for(writer, &ticket, 1);
}

void ds_writer_stats(struct ds_writer *writer, struct ds_writer_stats *stats)
{
    pthread_mutex_lock(&writer->lock);
    *stats = writer->stats;
    stats->queued = writer->queued;
    pthread_mutex_unlock(&writer->lock);
}

uint64_t ds_writer_wait(struct ds_writer *writer, uint64_t size, uint32_t timeout_ms)
{
    struct timespec until = at_ms(monotonic_ms() + timeout_ms);
    int timed_out = 0;

    pthread_mutex_lock(&writer->lock);
    while (writer->size <= size && !writer->stopping && timed_out == 0) {
        timed_out = pthread_cond_timedwait(&writer->grown, &writer->lock, &until);
    }
    uint64_t now = writer->size;

    pthread_mutex_unlock(&writer->lock);
    return now;
}

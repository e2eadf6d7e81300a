/* The writer thread: groups, order, the bound, the end after an I/O error. */
#include "server/writer.h"
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#define DEVICES 8

/* A job that holds the writer until it is let go, so that others gather behind it. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered;
    bool open;
};

struct fixture {
    struct test_station station;
    struct test_device devices[DEVICES];
    uint8_t bytes[DEVICES][4096];
    struct ds_submission submissions[DEVICES];
    struct ds_writer *writer;
    struct gate gate;
    pthread_t holder;
    unsigned fatal;
    enum ds_err fatal_err;
};

static enum ds_err hold(struct ds_shard *shard, void *context)
{
    struct gate *gate = context;

    (void)shard;
    pthread_mutex_lock(&gate->lock);
    gate->entered = true;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
    return DS_OK;
}

static void *hold_writer(void *context)
{
    struct fixture *f = context;

    assert_int_equal(ds_writer_run(f->writer, hold, &f->gate), DS_OK);
    return NULL;
}

static void close_gate(struct fixture *f)
{
    assert_int_equal(pthread_create(&f->holder, NULL, hold_writer, f), 0);
    pthread_mutex_lock(&f->gate.lock);
    while (!f->gate.entered) {
        pthread_cond_wait(&f->gate.changed, &f->gate.lock);
    }
    pthread_mutex_unlock(&f->gate.lock);
}

static void open_gate(struct fixture *f)
{
    pthread_mutex_lock(&f->gate.lock);
    f->gate.open = true;
    pthread_cond_broadcast(&f->gate.changed);
    pthread_mutex_unlock(&f->gate.lock);
    assert_int_equal(pthread_join(f->holder, NULL), 0);
}

static void wait_queued(struct fixture *f, uint32_t count)
{
    struct ds_writer_stats stats;

    do {
        sched_yield();
        ds_writer_stats(f->writer, &stats);
    } while (stats.queued < count);
}

static void note_fatal(void *context, enum ds_err err)
{
    struct fixture *f = context;

    f->fatal++;
    f->fatal_err = err;
}

static void start_writer(struct fixture *f, uint32_t queue_max, uint32_t tick_s)
{
    const struct ds_writer_options options = {
        .queue_max = queue_max, .tick_s = tick_s, .on_fatal = note_fatal, .context = f};

    assert_int_equal(ds_writer_start(&f->station.shard, &options, &f->writer), DS_OK);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;

    memset(f, 0, sizeof(*f));
    pthread_mutex_init(&f->gate.lock, NULL);
    pthread_cond_init(&f->gate.changed, NULL);
    test_station_open(&f->station);
    for (size_t i = 0; i < DEVICES; i++) {
        struct ds_reading reading = {.presence = {0}};
        struct ds_builder out;
        struct ds_detail detail = {""};

        test_device_enrol(&f->station, &f->station.reader, (unsigned)i + 1, &f->devices[i]);
        DS_SET(&reading, reading, meter, f->station.meter[i % TEST_METERS]);
        DS_SET(&reading, reading, period, TEST_PERIOD);
        DS_SET(&reading, reading, index, 100 + (int64_t)i);
        DS_SET(&reading, reading, instant_ms, TEST_NOW);
        DS_SET(&reading, reading, method, DS_METHOD_on_site);
        ds_builder_init(&out, f->bytes[i], sizeof(f->bytes[i]));
        f->submissions[i].batch =
            test_batch(&f->station, &f->devices[i], DS_REC_reading, NULL, 0, &reading, &out);
        assert_int_equal(ds_submission_check(&f->station.shard, &f->submissions[i], &detail),
                         DS_OK);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ds_writer_stop(f->writer);
    test_station_close(&f->station);
    pthread_cond_destroy(&f->gate.changed);
    pthread_mutex_destroy(&f->gate.lock);
    return 0;
}

struct committer {
    struct fixture *f;
    struct ds_submission *submission;
    pthread_t thread;
    enum ds_err err;
};

static void *commit_one(void *context)
{
    struct committer *committer = context;

    committer->err = ds_writer_commit(committer->f->writer, &committer->submission, 1);
    return NULL;
}

static void start_committers(struct fixture *f, struct committer *committers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        committers[i] = (struct committer){.f = f, .submission = &f->submissions[i]};
        assert_int_equal(pthread_create(&committers[i].thread, NULL, commit_one, &committers[i]),
                         0);
    }
}

static void join_committers(struct committer *committers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_join(committers[i].thread, NULL), 0);
    }
}

static void writer__everything_that_waits_goes_into_one_commit(void **state)
{
    struct fixture *f = *state;
    struct committer committers[DEVICES];
    struct ds_writer_stats stats;
    uint64_t before = f->station.shard.meta.size;

    start_writer(f, 0, 0);
    close_gate(f);
    start_committers(f, committers, DEVICES);
    wait_queued(f, DEVICES);
    assert_int_equal(f->station.shard.meta.size, before);
    open_gate(f);
    join_committers(committers, DEVICES);
    for (size_t i = 0; i < DEVICES; i++) {
        assert_int_equal(committers[i].err, DS_OK);
        assert_int_equal(f->submissions[i].folded.error, DS_OK);
        assert_int_equal(f->submissions[i].folded.folded, 1);
    }
    ds_writer_stats(f->writer, &stats);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.submissions, DEVICES);
    assert_int_equal(stats.group_max, DEVICES);
    assert_int_equal(stats.groups[3], 1); /* At most 8. */
    assert_int_equal(ds_writer_wait(f->writer, 0, 0), before + DEVICES);
}

static void writer__beyond_its_bound_it_says_busy_at_once(void **state)
{
    struct fixture *f = *state;
    struct committer committers[2];
    struct ds_submission *third = &f->submissions[2];
    struct ds_submission *both[2] = {&f->submissions[2], &f->submissions[3]};
    struct ds_writer_stats stats;

    start_writer(f, 2, 0);
    close_gate(f);
    start_committers(f, committers, 1);
    wait_queued(f, 1);
    assert_int_equal(ds_writer_commit(f->writer, both, 2), DS_ERR_BUSY);
    committers[1] = (struct committer){.f = f, .submission = &f->submissions[1]};
    assert_int_equal(pthread_create(&committers[1].thread, NULL, commit_one, &committers[1]), 0);
    wait_queued(f, 2);
    assert_int_equal(ds_writer_commit(f->writer, &third, 1), DS_ERR_BUSY);
    assert_int_equal(ds_writer_run(f->writer, hold, &f->gate), DS_ERR_BUSY);
    open_gate(f);
    join_committers(committers, 2);
    ds_writer_stats(f->writer, &stats);
    assert_int_equal(stats.refused, 3);
    /* And then there is room again. */
    assert_int_equal(ds_writer_commit(f->writer, &third, 1), DS_OK);
    assert_int_equal(third->folded.folded, 1);
}

static void writer__after_an_io_error_nothing_is_acknowledged_any_more(void **state)
{
    struct fixture *f = *state;
    struct ds_submission *one = &f->submissions[0];
    struct ds_submission *two = &f->submissions[1];

    start_writer(f, 0, 0);
    ds_store_memory_fail_commit(f->station.store, 1, DS_ERR_IO, true);
    assert_int_equal(ds_writer_commit(f->writer, &one, 1), DS_ERR_IO);
    assert_int_equal(f->fatal, 1);
    assert_int_equal(f->fatal_err, DS_ERR_IO);
    assert_int_equal(ds_writer_commit(f->writer, &two, 1), DS_ERR_IO);
    assert_int_equal(ds_writer_run(f->writer, hold, &f->gate), DS_ERR_IO);
    assert_false(f->gate.entered);
}

static enum ds_err fail_alone(struct ds_shard *shard, void *context)
{
    (void)shard;
    (void)context;
    return DS_ERR_IO; /* Of a file of its own, say. */
}

static void writer__a_job_that_fails_at_its_own_file_is_no_end(void **state)
{
    struct fixture *f = *state;
    struct ds_submission *one = &f->submissions[0];

    start_writer(f, 0, 0);
    assert_int_equal(ds_writer_run(f->writer, fail_alone, NULL), DS_ERR_IO);
    assert_int_equal(f->fatal, 0);
    assert_int_equal(ds_writer_commit(f->writer, &one, 1), DS_OK);
}

struct counting {
    uint64_t size;
};

static enum ds_err note_size(struct ds_shard *shard, void *context)
{
    struct counting *counting = context;

    counting->size = shard->meta.size;
    return DS_OK;
}

static void *count_later(void *context)
{
    struct fixture *f = context;
    static struct counting counting;

    assert_int_equal(ds_writer_run(f->writer, note_size, &counting), DS_OK);
    return &counting;
}

static void writer__jobs_and_submissions_keep_their_order(void **state)
{
    struct fixture *f = *state;
    struct committer committers[2];
    pthread_t counter;
    void *counting = NULL;
    struct ds_writer_stats stats;
    uint64_t before = f->station.shard.meta.size;

    start_writer(f, 0, 0);
    close_gate(f);
    start_committers(f, committers, 1);
    wait_queued(f, 1);
    assert_int_equal(pthread_create(&counter, NULL, count_later, f), 0);
    wait_queued(f, 2);
    committers[1] = (struct committer){.f = f, .submission = &f->submissions[1]};
    assert_int_equal(pthread_create(&committers[1].thread, NULL, commit_one, &committers[1]), 0);
    wait_queued(f, 3);
    open_gate(f);
    join_committers(committers, 2);
    assert_int_equal(pthread_join(counter, &counting), 0);
    assert_int_equal(((const struct counting *)counting)->size, before + 1);
    ds_writer_stats(f->writer, &stats);
    assert_int_equal(stats.commits, 2);
    assert_int_equal(f->station.shard.meta.size, before + 2);
}

static void writer__stopping_finishes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct committer committers[3];

    start_writer(f, 0, 0);
    close_gate(f);
    start_committers(f, committers, 3);
    wait_queued(f, 3);
    open_gate(f);
    ds_writer_stop(f->writer);
    f->writer = NULL;
    join_committers(committers, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(committers[i].err, DS_OK);
    }
}

static void writer__time_moves_by_ticks(void **state)
{
    struct fixture *f = *state;
    struct ds_writer_stats stats;
    uint64_t before = f->station.shard.meta.size;

    start_writer(f, 0, 1);
    assert_int_equal(ds_writer_wait(f->writer, before, 10000), before + 1);
    ds_writer_stats(f->writer, &stats);
    assert_int_equal(stats.ticks, 1);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(writer__everything_that_waits_goes_into_one_commit),
        ONE(writer__beyond_its_bound_it_says_busy_at_once),
        ONE(writer__after_an_io_error_nothing_is_acknowledged_any_more),
        ONE(writer__a_job_that_fails_at_its_own_file_is_no_end),
        ONE(writer__jobs_and_submissions_keep_their_order),
        ONE(writer__stopping_finishes_what_is_queued),
        ONE(writer__time_moves_by_ticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

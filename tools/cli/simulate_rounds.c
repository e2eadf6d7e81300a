/* Drawn rounds: N handhelds walk the station's own books for D days, each on its own.
 *
 * Everything drawn comes from the seed and the handheld's number; clocks are the machine's. A
 * server that goes away meanwhile is called again until it is back, so that tests may kill it. */
#include "schema/base/text.h"
#include "sync/crypto/crypto.h"
#include "tools/cli/simulate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 64
#define METERS_MAX 20000
#define CODE_SIZE 1024
#define READS_A_SYNC 25 /* A round has an exchange about so often. */

struct round_meter {
    struct ds_handheld_id id;
    int64_t previous;
    int64_t expected; /* Counts. */
};

/* What one handheld is to do. */
struct round {
    struct ds_simulation *s;
    struct ds_fleet_handheld *f;
    char book[48];
    size_t share; /* Takes each meter whose place modulo `of` is this. */
    size_t of;
    char code[CODE_SIZE];
    uint64_t drawn; /* State of its random numbers. */
    struct round_meter *meters;
    size_t count;
    enum ds_err err;
    struct ds_detail detail;
};

struct rounds {
    struct round *rounds;
    size_t count;
    atomic_size_t next;
};

/* splitmix64: small, and good enough to draw rounds. */
static uint64_t draw(struct round *r, uint64_t below)
{
    uint64_t z = (r->drawn += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % below;
}

static void pause_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

/* Repeat what may succeed later. */
static enum ds_err persist(struct round *r, enum ds_err (*attempt)(struct round *r))
{
    enum ds_err err = attempt(r);
    for (int i = 0; i < DS_SIMULATE_TRIES_MAX && ds_err_retryable(err); i++) {
        pause_ms(DS_SIMULATE_PAUSE_MS);
        err = attempt(r);
    }
    return err;
}

static enum ds_err try_enrol(struct round *r)
{
    enum ds_err err = ds_fleet_enrol(r->f, r->code, &r->detail);
    /* The answer of an earlier try was lost behind the server's commit. */
    return err == DS_ERR_EXISTS ? DS_OK : err;
}

static enum ds_err try_sync(struct round *r)
{
    return ds_fleet_sync(r->f, &r->detail);
}

static bool take_meter(void *context, const struct ds_handheld_place *place)
{
    struct round *r = context;
    int64_t counts = place->has_expected ? place->expected_l / place->unit_l : 20;
    if (r->count < METERS_MAX) {
        r->meters[r->count++] = (struct round_meter){
            place->meter, place->has_previous ? place->previous_index : 0, counts};
    }
    return true;
}

static bool take_period(void *context, const struct ds_handheld_book *book)
{
    struct round *r = context;
    if (strcmp(book->number, r->book) == 0) {
        r->f->period = book->period;
    }
    return true;
}

static enum ds_err look_around(struct round *r)
{
    struct ds_handheld_id book;
    int error = ds_handheld_books(r->f->handheld, take_period, r);
    if (error == DS_E_OK) {
        error = ds_handheld_book_by_number(r->f->handheld, r->book, &book);
    }
    if (error == DS_E_OK) {
        error = ds_handheld_walk(r->f->handheld, &book, take_meter, r);
    }
    if (error != DS_E_OK || r->f->period == 0) {
        ds_detail_set(&r->detail, "book ", r->book, " of ", r->f->worker,
                      ": not on its handheld, or no period is open", NULL);
        return error != DS_E_OK ? (enum ds_err)error : DS_ERR_CONFLICT;
    }
    return DS_OK;
}

static enum ds_err read_one(struct round *r, const struct round_meter *meter)
{
    const struct ds_clock clock = ds_clock_system();
    int64_t spread = meter->expected / 4 + 1;
    struct ds_handheld_reading reading = {
        .meter = meter->id,
        .period = r->f->period,
        .has_index = true,
        .index = meter->previous + meter->expected + (int64_t)draw(r, (uint64_t)spread),
        .instant_ms = clock.now_ms(clock.context),
        .dwell_ms = (int64_t)draw(r, 60000),
    };
    return ds_fleet_record(r->f, &reading, &r->detail);
}

/* One day's part of the handheld's meters, with an exchange now and then. */
static enum ds_err walk_day(struct round *r, size_t day)
{
    size_t mine = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (i % r->of != r->share || mine++ % r->s->days != day) {
            continue;
        }
        DS_TRY(read_one(r, &r->meters[i]));
        if (draw(r, READS_A_SYNC) == 0) {
            DS_TRY(persist(r, try_sync));
        }
    }
    return persist(r, try_sync);
}

static enum ds_err walk(struct round *r)
{
    DS_TRY(ds_fleet_open(r->f, &r->detail));
    DS_TRY(persist(r, try_enrol));
    DS_TRY(persist(r, try_sync));
    DS_TRY(look_around(r));
    for (size_t day = 0; day < r->s->days; day++) {
        DS_TRY(walk_day(r, day));
    }
    return DS_OK;
}

static void *work(void *context)
{
    struct rounds *rounds = context;
    for (size_t i = atomic_fetch_add(&rounds->next, 1); i < rounds->count;
         i = atomic_fetch_add(&rounds->next, 1)) {
        struct round *r = &rounds->rounds[i];
        r->meters = calloc(METERS_MAX, sizeof(r->meters[0]));
        r->err = r->meters != NULL ? walk(r) : DS_ERR_NOMEM;
        free(r->meters);
        r->meters = NULL;
    }
    return NULL;
}

/* ---- Who walks which book. ---- */

static enum ds_err make_round(struct ds_simulation *s, const struct ds_simulate_books *books,
                              size_t place, struct round *r)
{
    size_t book_count = books->count;
    const struct ds_simulate_book *book = &books->books[place % book_count];
    struct ds_fleet_handheld *f = &s->fleet[place];
    r->s = s;
    r->f = f;
    r->share = place / book_count;
    r->of = (s->count - place % book_count + book_count - 1) / book_count;
    r->drawn = s->seed * UINT64_C(1000003) + place;
    snprintf(r->book, sizeof(r->book), "%s", book->number);
    snprintf(f->worker, sizeof(f->worker), "%s", book->worker);
    snprintf(f->dir, sizeof(f->dir), "%s/h%04zu", s->dir, place + 1);
    f->real_clock = true;
    return ds_simulate_code(s, f->worker, r->code, sizeof(r->code), &r->detail);
}

static enum ds_err run_threads(struct rounds *rounds)
{
    pthread_t threads[THREADS_MAX];
    size_t started = 0;
    size_t wanted = rounds->count < THREADS_MAX ? rounds->count : THREADS_MAX;
    while (started < wanted && pthread_create(&threads[started], NULL, work, rounds) == 0) {
        started++;
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    return started > 0 ? DS_OK : DS_ERR_NOMEM;
}

enum ds_err ds_simulate_rounds(struct ds_simulation *s, struct ds_detail *detail)
{
    struct ds_simulate_books *books = calloc(1, sizeof(*books));
    struct rounds rounds = {.rounds = calloc(s->count, sizeof(struct round)), .count = s->count};
    enum ds_err err = DS_ERR_NOMEM;
    if (books != NULL && rounds.rounds != NULL) {
        err = ds_simulate_find_books(s, books, detail);
    }
    for (size_t i = 0; err == DS_OK && i < s->count; i++) {
        err = make_round(s, books, i, &rounds.rounds[i]);
        if (err != DS_OK) {
            *detail = rounds.rounds[i].detail;
        }
    }
    if (err == DS_OK) {
        err = run_threads(&rounds);
    }
    for (size_t i = 0; err == DS_OK && i < s->count; i++) {
        err = rounds.rounds[i].err;
        *detail = rounds.rounds[i].detail;
    }
    free(rounds.rounds);
    free(books);
    return err;
}

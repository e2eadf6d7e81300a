/* sim: run seeds, one in twenty of them twice, and say which invariant fails and how to see it
 * again.
 *
 * usage: sim --seed N | --seeds A..B [--trace] [--lmdb-percent P] [--mutant NAME]
 *            [--journal FILE] */
#include "tests/sim/sim.h"
#include "tests/support/report.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LMDB_PERCENT = 5, TWICE_EVERY = 20 };

#ifdef DS_MUTANTS
#include "sync/core/mutant.h"
#endif

static const char *const invariants[] = {
    "acked_is_durable",   "exactly_once",    "nothing_lost",    "replicas_converge", "order_free",
    "replay_is_identity", "authority_holds", "always_progress", "tampering_shows",   "bounded",
    "cursors_complete",   "nothing_leaks"};
static uint64_t checks[DS_COUNT(invariants)];

void sim_checked(const char *invariant)
{
    for (size_t i = 0; i < DS_COUNT(invariants); i++) {
        if (strcmp(invariants[i], invariant) == 0) {
            checks[i]++;
            return;
        }
    }
    DS_ASSERT(invariant == NULL);
}

static void report(struct sim *sim, const char *invariant, const char *why)
{
    fflush(stdout);
    fprintf(stderr, "seed %" PRIu64 ": FAILED %s: %s\n", sim->seed, invariant, why);
    trace_print_kept(&sim->trace);
    fprintf(stderr,
            "seed %" PRIu64 ": FAILED %s: %s\nsee it again: tests/sim/run --seed %" PRIu64
            " --trace\n",
            sim->seed, invariant, why, sim->seed);
}

void sim_fail(struct sim *sim, const char *invariant, const char *format, ...)
{
    char why[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    report(sim, invariant, why);
    if (sim->lmdb_dir[0] != '\0') {
        fprintf(stderr, "its store is in %s\n", sim->lmdb_dir);
    }
    exit(1);
}

/* An assertion of the product, or worse. The process is lost; the seed is not: what to say of it
 * stands ready, for a signal handler may hardly do more than write. */
static char crash_line[128];

static void on_crash(int signal_number)
{
    ssize_t written = write(STDERR_FILENO, crash_line, strlen(crash_line));
    _exit(written > 0 ? 1 : signal_number);
}

void sim_expect_crash(uint64_t seed)
{
    (void)snprintf(crash_line, sizeof crash_line,
                   "seed %" PRIu64 ": FAILED bounded: a crash or an assertion\n"
                   "see it again: tests/sim/run --seed %" PRIu64 " --trace\n",
                   seed, seed);
}

/* ---- Command line ---- */

struct arguments {
    uint64_t first;
    uint64_t last;
    struct sim_options options;
};

static int usage(void)
{
    fputs("usage: sim --seed N | --seeds A..B [--trace] [--lmdb-percent P] [--mutant NAME] "
          "[--journal FILE]\n",
          stderr);
    return 2;
}

static bool parse_range(const char *text, struct arguments *arguments)
{
    char *end = NULL;
    arguments->first = strtoull(text, &end, 10);
    arguments->last = arguments->first;
    if (end != text && strncmp(end, "..", 2) == 0) {
        text = end + 2;
        arguments->last = strtoull(text, &end, 10);
    }
    return end != text && *end == '\0' && arguments->first <= arguments->last;
}

static bool choose_mutant(const char *name)
{
#ifdef DS_MUTANTS
    ds_mutant_choose(name);
    return true;
#else
    (void)name;
    fputs("this build has no mutants: build the target sim_mutants\n", stderr);
    return false;
#endif
}

static bool parse(int count, char **words, struct arguments *arguments)
{
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(words[i], "--trace") == 0) {
            arguments->options.print = true;
            continue;
        }
        if (value == NULL) {
            return false;
        }
        i++;
        if (strcmp(words[i - 1], "--seed") == 0 || strcmp(words[i - 1], "--seeds") == 0) {
            if (!parse_range(value, arguments)) {
                return false;
            }
        } else if (strcmp(words[i - 1], "--lmdb-percent") == 0) {
            arguments->options.lmdb_percent = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(words[i - 1], "--journal") == 0) {
            arguments->options.journal = value;
        } else if (strcmp(words[i - 1], "--mutant") != 0 || !choose_mutant(value)) {
            return false;
        }
    }
    return arguments->first != 0;
}

static void print_summary(const struct arguments *arguments, const struct sim_totals *totals,
                          uint64_t runs, double seconds)
{
    double seeds = (double)(arguments->last - arguments->first + 1);
    printf("seeds %" PRIu64 "..%" PRIu64 ": all hold, %" PRIu64 " ran twice with equal traces\n",
           arguments->first, arguments->last, runs - (uint64_t)seeds);
    for (size_t i = 0; i < DS_COUNT(invariants); i++) {
        printf("  %-18s %" PRIu64 " checks\n", invariants[i], checks[i]);
    }
    printf("  money_balances     no receipts in this version\n");
    printf("  %" PRIu64 " handhelds, %" PRIu64 " ops, %" PRIu64 " requests, %" PRIu64
           " entries, %.1f ms CPU per seed, %.0f simulated hours per second\n",
           totals->hands, totals->ops, totals->exchanges, totals->entries, seconds * 1000.0 / seeds,
           (double)totals->simulated_ms / 3600000.0 / seconds);
}

/* What the report of all runs says of this one; seconds are CPU time. */
static void leave_report(const struct arguments *arguments, const struct sim_totals *totals,
                         double seconds)
{
    char command[64];
    char name[3][64];
    (void)snprintf(command, sizeof command, "tests/sim/run --seeds %" PRIu64 "..%" PRIu64,
                   arguments->first, arguments->last);
    (void)snprintf(name[0], sizeof name[0], "simulated_stations.%" PRIu64, arguments->first);
    (void)snprintf(name[1], sizeof name[1], "simulated_handhelds.%" PRIu64, arguments->first);
    (void)snprintf(name[2], sizeof name[2], "simulated_time.%" PRIu64, arguments->first);
    struct report reports[] = {
        {name[0], command, "seeds, every invariant checked", arguments->last - arguments->first + 1,
         0, seconds},
        {name[1], command, "handhelds through the real SDK", totals->hands, 0, seconds},
        {name[2], command, "hours", totals->simulated_ms / 3600000, 0, seconds},
    };
    for (size_t i = 0; i < DS_COUNT(reports); i++) {
        report_write(&reports[i]);
    }
}

/* The hash of one run, and for one seed in twenty, or a single one, that of another. */
static bool run_seed(const struct arguments *arguments, uint64_t seed, struct sim_totals *totals,
                     uint64_t *runs)
{
    struct sim_options silent = {.lmdb_percent = arguments->options.lmdb_percent};
    uint64_t once = sim_run(seed, &arguments->options, totals);
    ++*runs;
    if (seed % TWICE_EVERY != 0 && arguments->first != arguments->last) {
        return true;
    }
    uint64_t again = sim_run(seed, &silent, totals);
    ++*runs;
    if (once != again) {
        fprintf(stderr,
                "seed %" PRIu64 ": FAILED replay_is_identity: two runs, two traces (%016" PRIx64
                ", %016" PRIx64 ")\n",
                seed, once, again);
    }
    return once == again;
}

int main(int count, char **words)
{
    struct arguments arguments = {.options = {.lmdb_percent = LMDB_PERCENT}};
    struct sim_totals totals = {0};
    uint64_t runs = 0;
    if (!parse(count, words, &arguments)) {
        return usage();
    }
    /* Large buffers come and go with each run: keep their pages. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    signal(SIGFPE, on_crash);
    clock_t begin = clock();
    for (uint64_t seed = arguments.first; seed <= arguments.last; seed++) {
        if (!run_seed(&arguments, seed, &totals, &runs)) {
            return 1;
        }
    }
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    print_summary(&arguments, &totals, runs, seconds);
    if (arguments.first != arguments.last) {
        leave_report(&arguments, &totals, seconds);
    }
    return 0;
}

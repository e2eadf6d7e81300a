/* sim: run seeds, each twice, and say which invariant fails and how to see it again.
 *
 * usage: sim --seed N | --seeds A..B [--trace] [--lmdb-percent P] [--mutant NAME] */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { SCRATCH_SIZE = 8 << 20, ROUNDS_MAX = 24, LMDB_PERCENT = 5 };

#ifdef DS_MUTANTS
#include "sync/core/mutant.h"
#endif

static const char *const invariants[] = {
    "acked_is_durable",   "exactly_once",    "nothing_lost",    "replicas_converge", "order_free",
    "replay_is_identity", "authority_holds", "always_progress", "tampering_shows",   "bounded",
    "cursors_complete"};
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

static void expect_crash(uint64_t seed)
{
    (void)snprintf(crash_line, sizeof crash_line,
                   "seed %" PRIu64 ": FAILED bounded: a crash or an assertion\n"
                   "see it again: tests/sim/run --seed %" PRIu64 " --trace\n",
                   seed, seed);
}

/* ---- One seed ---- */

static void draw_profile(struct sim *sim)
{
    struct sim_profile *p = &sim->profile;
    p->hands = 3 + (sim_chance(sim, 200) ? sim_below(sim, 6) : sim_below(sim, 2));
    p->books = 2 + sim_below(sim, SIM_BOOKS_MAX - 1);
    p->meters = 2 + sim_below(sim, 3);
    p->steps = 30 + sim_below(sim, 60);
    p->office = 50 + 50 * sim_below(sim, 5);
    p->sync = 150 + 100 * sim_below(sim, 5);
    p->fault = 30 * sim_below(sim, 6);
    p->net = 60 * sim_below(sim, 8);
    p->disk = sim_chance(sim, 600) ? 0 : 10 * sim_below(sim, 8);
    p->jump = 20 * sim_below(sim, 4);
    p->page = sim_chance(sim, 400) ? 512 : 0;
    p->lmdb = prng_below(&sim->choose, 100) < sim->lmdb_percent;
    p->hand_restores = sim_chance(sim, 400);
    p->clones = sim_chance(sim, 200);
    p->revokes = sim_chance(sim, 150);
    p->server_restores = !p->lmdb && sim_chance(sim, 250);
    p->evil = sim_chance(sim, 300);
    trace_line(&sim->trace,
               "profile: %u hands, %u books of %u, %u steps, office %u, sync %u, fault %u, net %u, "
               "disk %u, page %u%s%s%s%s%s%s",
               p->hands, p->books, p->meters, p->steps, p->office, p->sync, p->fault, p->net,
               p->disk, p->page, p->lmdb ? ", lmdb" : "", p->hand_restores ? ", restores" : "",
               p->clones ? ", clones" : "", p->revokes ? ", revokes" : "",
               p->server_restores ? ", server restores" : "", p->evil ? ", evil" : "");
}

static void jump_clock(struct sim *sim)
{
    struct sim_hand *hand = hand_any(sim);
    switch (sim_below(sim, 4)) {
    case 0:
        hand->clock_offset_ms = 5000 - sim->now_ms; /* 1970 */
        break;
    case 1:
        hand->clock_offset_ms = INT64_C(86400000) * (int64_t)sim_below(sim, 40000); /* 2099 */
        break;
    case 2:
        hand->clock_offset_ms -= 3600000;
        break;
    default:
        hand->clock_offset_ms = 0;
        break;
    }
    trace_line(&sim->trace, "h%u clock is off by %" PRId64 " ms", hand->index,
               hand->clock_offset_ms);
}

static void break_server_disk(struct sim *sim)
{
    if (sim->lmdb_dir[0] == '\0') {
        bool after = sim_chance(sim, 500);
        ds_store_memory_fail_commit(sim->store, 1 + sim_below(sim, 3), DS_ERR_IO, after);
        trace_line(&sim->trace, "the server's disk will fail%s", after ? " after" : "");
    }
}

static void server_fault(struct sim *sim)
{
    if (sim->profile.server_restores && sim_chance(sim, 600)) {
        if (sim->backup != NULL && sim->server_restores < 3 && sim_chance(sim, 500)) {
            server_restore(sim);
        } else {
            server_backup(sim);
        }
    } else if (sim_chance(sim, 500)) {
        server_restart(sim);
    } else {
        break_server_disk(sim);
    }
}

/* Until somebody declares the restore, the server must not answer those who know more. */
static void undeclared_step(struct sim *sim)
{
    struct sim_hand *hand = hand_any(sim);
    struct ds_handheld_status status;
    SIM_MUST(sim, ds_handheld_status(hand->sdk, &status));
    if (status.head_size > sim->shard.meta.size && sim_chance(sim, 500)) {
        uint64_t size = sim->shard.meta.size;
        hand_exchange(hand);
        if (sim->shard.meta.size != size) {
            sim_fail(sim, "acked_is_durable",
                     "a server that was rolled back took work before its restore was declared");
        }
    } else {
        server_declare(sim);
    }
}

static void step(struct sim *sim)
{
    const struct sim_profile *p = &sim->profile;
    sim->now_ms += 1000 + (int64_t)prng_below(&sim->choose, 1200000);
    if (sim->undeclared) {
        undeclared_step(sim);
    } else if (sim_chance(sim, p->jump)) {
        jump_clock(sim);
    } else if (sim_chance(sim, p->office)) {
        office_step(sim);
    } else if (sim_chance(sim, p->fault)) {
        if (sim_chance(sim, 350)) {
            server_fault(sim);
        } else {
            hand_fault(hand_any(sim));
        }
    } else if (sim_chance(sim, 30)) {
        net_replay(sim);
    } else if (sim->evil != NULL && sim_chance(sim, 60)) {
        evil_step(sim);
    } else if (sim_chance(sim, p->sync)) {
        hand_exchange(hand_any(sim));
    } else {
        hand_work(hand_any(sim));
    }
}

/* The faults are over. Everybody syncs until nobody has anything left. */
static void heal(struct sim *sim)
{
    if (sim->lmdb_dir[0] == '\0') {
        ds_store_memory_fail_commit(sim->store, 0, DS_OK, false);
    }
    server_restart(sim);
    if (sim->undeclared) {
        server_declare(sim);
    }
    sim->healed = true;
    for (unsigned i = 0; i < sim->hand_count; i++) {
        ds_store_memory_fail_commit(sim->hands[i].store, 0, DS_OK, false);
    }
    trace_line(&sim->trace, "healed");
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        uint64_t size = sim->shard.meta.size;
        uint64_t moved = 0;
        sim->now_ms += 60000;
        for (unsigned i = 0; i < sim->hand_count; i++) {
            uint64_t rows = 0;
            if (!hand_drain(&sim->hands[i], &rows)) {
                sim_fail(sim, "always_progress", "h%u does not come to an end", i);
            }
            moved += rows;
        }
        if (sim->shard.meta.size == size && moved == 0) {
            sim_checked("always_progress");
            return;
        }
    }
    sim_fail(sim, "always_progress", "after %d rounds there is still something to send",
             (int)ROUNDS_MAX);
}

static void check_all(struct sim *sim)
{
    check_acked(sim);
    check_journal(sim);
    check_conflicts(sim);
    check_authority(sim);
    check_replicas(sim);
    check_bounds(sim);
    check_replay(sim);
    check_order(sim);
    if (sim->seed % 4 == 0) {
        check_tampering(sim);
    }
}

static struct sim *make(uint64_t seed, unsigned lmdb_percent, bool print)
{
    struct sim *sim = calloc(1, sizeof *sim);
    DS_ASSERT(sim != NULL);
    sim->seed = seed;
    sim->choose.state = seed;
    sim->entropy.state = seed ^ UINT64_C(0x5eed5eed5eed5eed);
    sim->now_ms = SIM_START_MS;
    sim->lmdb_percent = lmdb_percent;
    sim->serve_memory = malloc(DS_SERVE_ARENA_SIZE);
    sim->answer_memory = malloc(DS_ENVELOPE_SIZE_MAX);
    sim->request_memory = malloc(DS_HANDHELD_REQUEST_MAX);
    sim->scratch = malloc(SCRATCH_SIZE);
    DS_ASSERT(sim->serve_memory != NULL && sim->answer_memory != NULL &&
              sim->request_memory != NULL && sim->scratch != NULL);
    expect_crash(sim->seed);
    trace_start(&sim->trace, print);
    model_start(&sim->model);
    SIM_MUST(sim, ds_envelope_codec_init(&sim->codec));
    return sim;
}

static void destroy(struct sim *sim)
{
    for (unsigned i = 0; i < sim->hand_count; i++) {
        hand_close(&sim->hands[i]);
    }
    evil_close(sim);
    server_close(sim);
    ds_envelope_codec_fini(&sim->codec);
    for (size_t i = 0; i < SIM_REPLAY_MAX; i++) {
        free(sim->replay[i].bytes);
    }
    free(sim->serve_memory);
    free(sim->answer_memory);
    free(sim->request_memory);
    free(sim->scratch);
    free(sim);
}

struct totals {
    uint64_t ops;
    uint64_t exchanges;
    uint64_t entries;
};
static struct totals totals;

uint64_t sim_run(uint64_t seed, unsigned lmdb_percent, bool print)
{
    struct sim *sim = make(seed, lmdb_percent, print);
    draw_profile(sim);
    server_create(sim);
    office_found(sim);
    for (unsigned i = 0; i < sim->profile.hands; i++) {
        hand_make(sim, i);
    }
    if (sim->profile.evil) {
        evil_make(sim);
    }
    /* Everybody begins the day with a full replica. */
    sim->healed = true;
    for (unsigned i = 0; i < sim->hand_count; i++) {
        uint64_t rows = 0;
        if (!hand_drain(&sim->hands[i], &rows) || rows == 0) {
            sim_fail(sim, "always_progress", "h%u does not get its first replica", i);
        }
        sim->hands[i].snapshot = sim->shard.meta.size;
    }
    sim->healed = false;
    for (unsigned i = 0; i < sim->profile.steps; i++) {
        step(sim);
    }
    heal(sim);
    check_all(sim);
    uint64_t hash = sim->trace.hash;
    totals.ops += sim->model.count;
    totals.exchanges += sim->exchanges;
    totals.entries += sim->shard.meta.size;
    destroy(sim);
    return hash;
}

/* ---- Command line ---- */

struct arguments {
    uint64_t first;
    uint64_t last;
    unsigned lmdb_percent;
    bool print;
};

static int usage(void)
{
    fputs("usage: sim --seed N | --seeds A..B [--trace] [--lmdb-percent P] [--mutant NAME]\n",
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
            arguments->print = true;
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
            arguments->lmdb_percent = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(words[i - 1], "--mutant") != 0 || !choose_mutant(value)) {
            return false;
        }
    }
    return arguments->first != 0;
}

static void print_summary(const struct arguments *arguments, double seconds)
{
    printf("seeds %" PRIu64 "..%" PRIu64 ": all hold, each run twice with equal traces\n",
           arguments->first, arguments->last);
    for (size_t i = 0; i < DS_COUNT(invariants); i++) {
        printf("  %-18s %" PRIu64 " checks\n", invariants[i], checks[i]);
    }
    uint64_t runs = 2 * (arguments->last - arguments->first + 1);
    printf("  %" PRIu64 " ops, %" PRIu64 " requests, %" PRIu64 " entries, %.1f ms CPU per run\n",
           totals.ops, totals.exchanges, totals.entries, seconds * 1000.0 / (double)runs);
}

int main(int count, char **words)
{
    struct arguments arguments = {.lmdb_percent = LMDB_PERCENT};
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
        uint64_t once = sim_run(seed, arguments.lmdb_percent, arguments.print);
        uint64_t again = sim_run(seed, arguments.lmdb_percent, false);
        if (once != again) {
            fprintf(stderr,
                    "seed %" PRIu64 ": FAILED replay_is_identity: two runs, two traces "
                    "(%016" PRIx64 ", %016" PRIx64 ")\n",
                    seed, once, again);
            return 1;
        }
    }
    print_summary(&arguments, (double)(clock() - begin) / CLOCKS_PER_SEC);
    return 0;
}

/* bench_wire: how many bytes an exchange takes, all of HTTP counted, both ways.
 *
 * A handheld of the real SDK with its own transport (libcurl) speaks to a real doorstepd through a
 * counting relay. It pulls its book, is idle, sends one reading, ten, four hundred, and is idle
 * again; each phase ends when nothing is left to exchange. The readings are those of a plan file:
 * real indexes at real intervals, with milliseconds of their own. Two more handhelds then take the
 * book afresh.
 *
 * usage: bench_wire --port P --proxy P --pid PID --codes FILE --plan FILE [--away METRES]
 * FILE of codes: three enrolment codes, naming the relay's port; of the plan: lines of
 * "meter number,index,seconds since the reading before". --away: with a position, noisy by so many
 * metres. The answer is one JSON object: the phases; of the
 * readings sent, how far each index is from the one told last, and the pauses. */
#include "doorstep.h"
#include "tests/bench/bench.h"
#include "tests/bench/bench_proxy.h"
#include "tests/support/prng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAN_MAX = 2048, CODE_SIZE = 1024, HANDS = 3, NUMBER_SIZE = 40, PHASES_MAX = 12 };
#define METRE_E7 90 /* A metre of latitude in 1e-7 degrees. */
static const char pin[] = "13579";

struct act {
    char number[NUMBER_SIZE];
    int64_t index;
    int64_t gap_s;
    struct ds_handheld_id meter;
    struct ds_handheld_position position;
    int64_t before; /* The index that the handheld was told last. */
    bool known;
};
static struct act plan[PLAN_MAX];
static size_t plan_count;
static size_t plan_done;

struct phase {
    char name[24];
    uint64_t readings;
    uint64_t rows;
    uint64_t up;
    uint64_t down;
    unsigned exchanges;
    double server_s;
    double seconds;
};
static struct phase phases[PHASES_MAX];
static size_t phase_count;

static struct bench_proxy proxy;
static struct prng prng = {20260130};
static int64_t wall_ms = 1769731200000; /* 2026-01-30, 08:00 at the sample's station. */
static int64_t booted_ms = 1769700000000;
static uint64_t away_m;
static long server_pid;

static void must(int error, const char *what, const struct ds_handheld_detail *detail)
{
    if (error != DS_E_OK) {
        bench_fail("%s: %s %s", what, ds_handheld_error_text(error),
                   detail == NULL ? "" : detail->text);
    }
}

static int64_t now_ms(void *context)
{
    (void)context;
    return wall_ms;
}

static int64_t mono_ms(void *context)
{
    (void)context;
    return wall_ms - booted_ms;
}

static uint32_t boot_id(void *context)
{
    (void)context;
    return 0x5f3a9c11;
}

static struct ds_handheld *open_hand(const char *dir, size_t number, const char *code)
{
    char path[512];
    struct ds_handheld *sdk = NULL;
    struct ds_handheld_detail detail = {{0}};
    (void)snprintf(path, sizeof path, "%s/hand%zu", dir, number);
    struct ds_handheld_options options = {
        .columns = true,
        .dir = path,
        .clock = {.now_ms = now_ms, .monotonic_ms = mono_ms, .boot_id = boot_id},
        .argon = {.passes = 1, .memory_bytes = 8192},
        .battery = 76,
    };
    must(ds_handheld_open(&options, pin, &sdk, &detail), "open", &detail);
    must(ds_handheld_enrol(sdk, code, &detail), "enrol", &detail);
    return sdk;
}

/* ---- Phases ---- */

static void sync_phase(struct ds_handheld *sdk, const char *name, uint64_t readings)
{
    struct ds_handheld_sync_result result = {0};
    struct ds_handheld_detail detail = {{0}};
    struct ds_handheld_status status;
    struct phase *phase = &phases[phase_count++];
    uint64_t up = atomic_load(&proxy.up);
    uint64_t down = atomic_load(&proxy.down);
    double server = bench_usage(server_pid).cpu_s;
    double begun = bench_seconds();
    wall_ms += 1000;
    must(ds_handheld_sync(sdk, &result, &detail), "sync", &detail);
    phase->seconds = bench_seconds() - begun;
    phase->server_s = bench_usage(server_pid).cpu_s - server;
    must(ds_handheld_status(sdk, &status), "status", NULL);
    if (status.unsent != 0 || status.problem[0] != '\0' || result.refetched != 0) {
        bench_fail("%s: %s", name, status.problem[0] != '\0' ? status.problem : "not all is sent");
    }
    (void)snprintf(phase->name, sizeof phase->name, "%s", name);
    phase->readings = readings;
    phase->rows = result.rows;
    phase->exchanges = result.exchanges;
    phase->up = atomic_load(&proxy.up) - up;
    phase->down = atomic_load(&proxy.down) - down;
}

static double noise(void) /* Near enough to normal: twelve uniform ones. */
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        sum += (double)prng_below(&prng, 1000000) / 1e6;
    }
    return sum - 6;
}

static void record(struct ds_handheld *sdk, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct ds_handheld_detail detail = {{0}};
        if (plan_done == plan_count) {
            bench_fail("the plan has only %zu readings", plan_count);
        }
        struct act *act = &plan[plan_done++];
        wall_ms += act->gap_s * 1000 + (int64_t)prng_below(&prng, 1000);
        struct ds_handheld_reading reading = {
            .meter = act->meter, .has_index = true, .index = act->index};
        if (away_m > 0) {
            double metres = (double)away_m;
            reading.position = act->position;
            reading.position.lat_e7 += (int32_t)(noise() * metres * METRE_E7);
            reading.position.lon_e7 += (int32_t)(noise() * metres * METRE_E7);
            reading.position.accuracy_m = 3 + (int32_t)prng_below(&prng, 12);
            reading.position.known = true;
        }
        must(ds_handheld_record_reading(sdk, &reading, NULL, &detail), act->number, &detail);
    }
}

static bool know_place(void *context, const struct ds_handheld_place *place)
{
    (void)context;
    for (size_t i = 0; i < plan_count; i++) {
        if (strcmp(plan[i].number, place->meter_no) == 0) {
            plan[i].meter = place->meter;
            plan[i].position = place->position;
            plan[i].before = place->has_previous ? place->previous_index : 0;
            plan[i].known = true;
        }
    }
    return true;
}

static bool walk_book(void *context, const struct ds_handheld_book *book)
{
    if (book->mine) {
        *(struct ds_handheld_id *)context = book->id;
    }
    return true;
}

static void know_meters(struct ds_handheld *sdk)
{
    struct ds_handheld_id book;
    memset(&book, 0, sizeof book);
    must(ds_handheld_books(sdk, walk_book, &book), "books", NULL);
    must(ds_handheld_walk(sdk, &book, know_place, NULL), "walk", NULL);
    size_t kept = 0;
    for (size_t i = 0; i < plan_count; i++) {
        if (plan[i].known) {
            plan[kept++] = plan[i];
        }
    }
    plan_count = kept;
}

/* ---- Input and output ---- */

static void read_plan(const char *path)
{
    char line[256];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        bench_fail("%s: no such file", path);
    }
    while (plan_count < PLAN_MAX && fgets(line, sizeof line, file) != NULL) {
        struct act *act = &plan[plan_count++];
        char *comma = strchr(line, ',');
        char *second = comma == NULL ? NULL : strchr(comma + 1, ',');
        if (second == NULL || comma - line >= NUMBER_SIZE) {
            bench_fail("%s: not a plan", path);
        }
        memcpy(act->number, line, (size_t)(comma - line));
        act->index = strtoll(comma + 1, NULL, 10);
        act->gap_s = strtoll(second + 1, NULL, 10);
    }
    fclose(file);
}

static void read_codes(const char *path, char codes[HANDS][CODE_SIZE])
{
    FILE *file = fopen(path, "r");
    for (size_t i = 0; i < HANDS; i++) {
        if (file == NULL || fgets(codes[i], CODE_SIZE, file) == NULL) {
            bench_fail("%s: three codes are needed", path);
        }
        codes[i][strcspn(codes[i], "\r\n")] = '\0';
    }
    fclose(file);
}

static void report(void)
{
    printf("{\"phases\": [");
    for (size_t i = 0; i < phase_count; i++) {
        const struct phase *phase = &phases[i];
        printf("%s{\"name\": \"%s\", \"readings\": %llu, \"rows\": %llu, \"exchanges\": %u, "
               "\"up\": %llu, \"down\": %llu, \"server_s\": %.3f, \"seconds\": %.3f}",
               i == 0 ? "" : ",\n ", phase->name, (unsigned long long)phase->readings,
               (unsigned long long)phase->rows, phase->exchanges, (unsigned long long)phase->up,
               (unsigned long long)phase->down, phase->server_s, phase->seconds);
    }
    /* What there was to say: for the entropy, which the caller works out. */
    printf("],\n \"uses\": [");
    for (size_t i = 0; i < plan_done; i++) {
        printf("%s%lld", i == 0 ? "" : ", ", (long long)(plan[i].index - plan[i].before));
    }
    printf("],\n \"pauses_s\": [");
    for (size_t i = 0; i < plan_done; i++) {
        printf("%s%lld", i == 0 ? "" : ", ", (long long)plan[i].gap_s);
    }
    printf("]}\n");
}

int main(int count, char **words)
{
    static char codes[HANDS][CODE_SIZE];
    const char *code_file = bench_option(count, words, "--codes", NULL);
    const char *plan_file = bench_option(count, words, "--plan", NULL);
    const char *dir = bench_option(count, words, "--dir", NULL);
    uint16_t port = (uint16_t)bench_number(count, words, "--port", 0);
    uint16_t proxy_port = (uint16_t)bench_number(count, words, "--proxy", 0);
    server_pid = (long)bench_number(count, words, "--pid", 0);
    away_m = bench_number(count, words, "--away", 0);
    if (code_file == NULL || plan_file == NULL || dir == NULL || port == 0 || proxy_port == 0) {
        bench_fail("usage: bench_wire --port P --proxy P --pid PID --codes FILE --plan FILE "
                   "--dir DIR [--away METRES]");
    }
    read_plan(plan_file);
    read_codes(code_file, codes);
    bench_proxy_start(&proxy, proxy_port, port);
    struct ds_handheld *sdk = open_hand(dir, 0, codes[0]);
    sync_phase(sdk, "first pull", 0);
    know_meters(sdk);
    sync_phase(sdk, "idle", 0);
    static const uint64_t steps[] = {1, 10, 400};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "push %llu", (unsigned long long)steps[i]);
        record(sdk, steps[i]);
        sync_phase(sdk, name, steps[i]);
    }
    sync_phase(sdk, "idle again", 0);
    ds_handheld_close(sdk);
    for (size_t i = 1; i < HANDS; i++) {
        sdk = open_hand(dir, i, codes[i]);
        sync_phase(sdk, i == 1 ? "fresh pull" : "cached pull", 0);
        ds_handheld_close(sdk);
    }
    report();
    return 0;
}

/* bench_fleet: handhelds of the real SDK against a real doorstepd over loopback.
 *
 * push: every handheld enrols, pulls, records its readings and seals its request; then all requests
 * go out at once, a thread per handheld, and the clock stops when the last is acknowledged. Only
 * the time between sending and answer counts; what the handhelds do in between does not.
 * pull: one fresh handheld takes everything that it may see into a store on disk.
 * catchup: the same handheld syncs again after the command of --between has changed something.
 *
 * usage: bench_fleet push|pull|catchup --port P --pid PID --codes FILE [--readings N] [--store DIR]
 *                    [--between COMMAND]
 * FILE: one enrolment code per line. The answer is one JSON object. */
#include "doorstep.h"
#include "sync/store/store.h"
#include "tests/bench/bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HANDS_MAX = 512, CODE_SIZE = 1024, BODY_MAX = DS_HANDHELD_REQUEST_MAX };
static const char pin[] = "13579";

struct hand {
    struct ds_handheld *sdk;
    struct ds_store *store;
    struct bench_link link;
    pthread_t thread;
    uint8_t *request;
    size_t request_size;
    uint8_t *answer;
    size_t answer_size;
    int status;
    uint64_t readings;
    uint64_t recorded;
    int64_t ago_ms; /* Its clocks are behind by this: a round took hours, not a second. */
    bool more;
};
static struct hand hands[HANDS_MAX];
static size_t hand_count;

static void must(int error, const char *what, const struct ds_handheld_detail *detail)
{
    if (error != DS_E_OK) {
        bench_fail("%s: %s %s", what, ds_handheld_error_text(error),
                   detail == NULL ? "" : detail->text);
    }
}

static int post(void *context, const struct ds_handheld_post *message)
{
    struct hand *hand = context;
    const char *path = strstr(message->url, "/sync/");
    *message->status = bench_post(&hand->link, path, message->body, message->body_size,
                                  message->answer, message->answer_max, message->answer_size);
    return 0;
}

/* ---- A clock that the round moves on ---- */

enum { READING_MS = 41000 };

static int64_t clock_ms(clockid_t id, const struct hand *hand)
{
    struct timespec at;
    clock_gettime(id, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000 - hand->ago_ms;
}

static int64_t wall(void *context)
{
    return clock_ms(CLOCK_REALTIME, context);
}

static int64_t running(void *context)
{
    /* The machine may have booted after the round began. */
    return clock_ms(CLOCK_MONOTONIC, context) + (int64_t)1000 * READING_MS;
}

static uint32_t boot(void *context)
{
    (void)context;
    return 1;
}

/* A handheld without a folder has no place for a key of its own. */
static int hardware(void *context, uint8_t secret[32])
{
    (void)context;
    memset(secret, 7, 32);
    return 0;
}

static void open_hand(struct hand *hand, const char *code, const char *dir, uint16_t port)
{
    struct ds_handheld_detail detail = {{0}};
    struct ds_handheld_options options = {
        .dir = dir,
        .transport = {.post = post, .context = hand},
        .clock = {wall, running, boot, hand},
        .argon = {.passes = 1, .memory_bytes = 8192},
    };
    hand->link.fd = -1;
    hand->link.port = port;
    if (dir == NULL) {
        must((int)ds_store_memory_open(0, &hand->store), "memory store", NULL);
        options.store = hand->store;
        options.hardware.secret = hardware;
    }
    must(ds_handheld_open(&options, pin, &hand->sdk, &detail), "open", &detail);
    must(ds_handheld_enrol(hand->sdk, code, &detail), "enrol", &detail);
}

static void sync_hand(struct hand *hand, struct ds_handheld_sync_result *result)
{
    struct ds_handheld_detail detail = {{0}};
    must(ds_handheld_sync(hand->sdk, result, &detail), "sync", &detail);
}

/* ---- push ---- */

struct plan { /* The meters of a book, gathered before reading: a callback may not record. */
    struct ds_handheld_id meter[1024];
    int64_t index[1024];
    size_t count;
    size_t max;
};

static bool plan_place(void *context, const struct ds_handheld_place *place)
{
    struct plan *plan = context;
    plan->meter[plan->count] = place->meter;
    plan->index[plan->count] = place->has_previous ? place->previous_index + 17 : 1000;
    plan->count++;
    return plan->count < plan->max;
}

struct books {
    struct ds_handheld_id book[64];
    size_t count;
};

static bool note_book(void *context, const struct ds_handheld_book *book)
{
    struct books *books = context;
    if (book->mine && books->count < 64) {
        books->book[books->count++] = book->id;
    }
    return true;
}

static void record(struct hand *hand, uint64_t readings)
{
    struct books books = {.count = 0};
    must(ds_handheld_books(hand->sdk, note_book, &books), "books", NULL);
    for (size_t b = 0; b < books.count && hand->recorded < readings; b++) {
        static struct plan plan;
        plan.count = 0;
        plan.max = readings - hand->recorded;
        plan.max = plan.max < 1024 ? plan.max : 1024;
        must(ds_handheld_walk(hand->sdk, &books.book[b], plan_place, &plan), "walk", NULL);
        for (size_t i = 0; i < plan.count; i++) {
            struct ds_handheld_detail detail = {{0}};
            hand->ago_ms = (int64_t)(readings - hand->recorded) * READING_MS;
            struct ds_handheld_reading reading = {
                .meter = plan.meter[i], .has_index = true, .index = plan.index[i]};
            must(ds_handheld_record_reading(hand->sdk, &reading, NULL, &detail), "read", &detail);
            hand->recorded++;
        }
    }
    hand->ago_ms = 0;
    if (hand->recorded != readings) {
        bench_fail("only %llu meters to read", (unsigned long long)hand->recorded);
    }
}

static void *send_one(void *context)
{
    struct hand *hand = context;
    hand->status = bench_post(&hand->link, "/sync/v1/exchange", hand->request, hand->request_size,
                              hand->answer, DS_HANDHELD_ANSWER_MAX, &hand->answer_size);
    return NULL;
}

/* Seal, send all at once, take in. Only the sending is timed. */
static double round_trip(bool *more)
{
    struct ds_handheld_detail detail = {{0}};
    for (size_t i = 0; i < hand_count; i++) {
        must(ds_handheld_exchange_begin(hands[i].sdk, hands[i].request, BODY_MAX,
                                        &hands[i].request_size, &detail),
             "seal", &detail);
    }
    double begun = bench_seconds();
    for (size_t i = 0; i < hand_count; i++) {
        if (pthread_create(&hands[i].thread, NULL, send_one, &hands[i]) != 0) {
            bench_fail("no thread");
        }
    }
    for (size_t i = 0; i < hand_count; i++) {
        pthread_join(hands[i].thread, NULL);
    }
    double took = bench_seconds() - begun;
    *more = false;
    for (size_t i = 0; i < hand_count; i++) {
        struct ds_handheld_sync_result result = {0};
        struct ds_handheld_status status;
        must(ds_handheld_exchange_end(hands[i].sdk, hands[i].answer, hands[i].answer_size,
                                      hands[i].status, &result, &detail),
             "take the answer", &detail);
        must(ds_handheld_status(hands[i].sdk, &status), "status", NULL);
        *more = *more || status.unsent > 0;
    }
    return took;
}

static void run_between(const char *command)
{
    if (command != NULL && system(command) != 0) {
        bench_fail("%s: failed", command);
    }
}

static void push(long pid, uint64_t readings, const char *between)
{
    uint64_t wire = 0;
    for (size_t i = 0; i < hand_count; i++) {
        struct ds_handheld_sync_result result = {0};
        sync_hand(&hands[i], &result);
        record(&hands[i], readings);
        hands[i].request = malloc(BODY_MAX);
        hands[i].answer = malloc(DS_HANDHELD_ANSWER_MAX);
        if (hands[i].request == NULL || hands[i].answer == NULL) {
            bench_fail("out of memory");
        }
        wire += hands[i].link.up;
    }
    run_between(between);
    struct bench_usage before = bench_usage(pid);
    double seconds = 0;
    bool more = true;
    unsigned rounds = 0;
    for (; more && rounds < 100; rounds++) {
        seconds += round_trip(&more);
    }
    struct bench_usage after = bench_usage(pid);
    uint64_t up = 0;
    for (size_t i = 0; i < hand_count; i++) {
        up += hands[i].link.up;
    }
    uint64_t total = (uint64_t)readings * hand_count;
    printf("{\"handhelds\": %zu, \"readings\": %llu, \"seconds\": %.6f, \"rounds\": %u, "
           "\"cpu_s\": %.3f, \"rss_peak_kb\": %ld, \"request_bytes\": %llu}\n",
           hand_count, (unsigned long long)total, seconds, rounds, after.cpu_s - before.cpu_s,
           after.rss_peak_kb, (unsigned long long)(up - wire));
}

/* ---- pull, catchup ---- */

static void pull(long pid, const char *between)
{
    struct ds_handheld_sync_result result = {0};
    if (between != NULL) {
        sync_hand(&hands[0], &result);
        run_between(between);
        memset(&result, 0, sizeof result);
    }
    struct bench_usage before = bench_usage(pid);
    struct bench_usage own = bench_usage(0);
    uint64_t up = hands[0].link.up;
    uint64_t down = hands[0].link.down;
    double begun = bench_seconds();
    sync_hand(&hands[0], &result);
    double seconds = bench_seconds() - begun;
    struct bench_usage after = bench_usage(pid);
    struct bench_usage own_after = bench_usage(0);
    printf("{\"rows\": %llu, \"exchanges\": %u, \"seconds\": %.6f, \"cpu_s\": %.3f, "
           "\"rss_peak_kb\": %ld, \"handheld_cpu_s\": %.3f, \"handheld_rss_peak_kb\": %ld, "
           "\"up_bytes\": %llu, \"down_bytes\": %llu}\n",
           (unsigned long long)result.rows, result.exchanges, seconds, after.cpu_s - before.cpu_s,
           after.rss_peak_kb, own_after.cpu_s - own.cpu_s, own_after.rss_peak_kb,
           (unsigned long long)(hands[0].link.up - up),
           (unsigned long long)(hands[0].link.down - down));
}

static void read_codes(const char *path, const char *dir, uint16_t port, int64_t round_ms)
{
    char code[CODE_SIZE];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        bench_fail("%s: no such file", path);
    }
    while (hand_count < HANDS_MAX && fgets(code, sizeof code, file) != NULL) {
        code[strcspn(code, "\r\n")] = '\0';
        if (code[0] != '\0') {
            hands[hand_count].ago_ms = round_ms;
            open_hand(&hands[hand_count++], code, dir, port);
        }
    }
    fclose(file);
    if (hand_count == 0) {
        bench_fail("%s: no enrolment codes", path);
    }
}

int main(int count, char **words)
{
    const char *mode = count > 1 ? words[1] : "";
    const char *codes = bench_option(count, words, "--codes", NULL);
    const char *between = bench_option(count, words, "--between", NULL);
    uint16_t port = (uint16_t)bench_number(count, words, "--port", 0);
    long pid = (long)bench_number(count, words, "--pid", 0);
    uint64_t readings = bench_number(count, words, "--readings", 400);
    bool is_push = strcmp(mode, "push") == 0;
    if (codes == NULL || port == 0 || pid == 0 ||
        (!is_push && strcmp(mode, "pull") != 0 && strcmp(mode, "catchup") != 0)) {
        bench_fail("usage: bench_fleet push|pull|catchup --port P --pid PID --codes FILE ...");
    }
    read_codes(codes, is_push ? NULL : bench_option(count, words, "--store", NULL), port,
               is_push ? (int64_t)readings * READING_MS : 0);
    if (is_push) {
        push(pid, readings, between);
    } else {
        pull(pid, between);
    }
    for (size_t i = 0; i < hand_count; i++) {
        ds_handheld_close(hands[i].sdk);
        ds_store_close(hands[i].store);
        bench_link_close(&hands[i].link);
        free(hands[i].request);
        free(hands[i].answer);
    }
    return 0;
}

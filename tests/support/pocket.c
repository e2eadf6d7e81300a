#include "tests/support/pocket.h"

#include "sync/core/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void must_zero(int error, const struct ds_handheld_detail *detail, const char *what)
{
    if (error != 0) {
        fprintf(stderr, "%s: %s: %s\n", what, ds_handheld_error_name(error), detail->text);
        abort();
    }
}

struct ds_handheld_id pocket_id(const struct ds_id *id)
{
    struct ds_handheld_id out;
    memcpy(out.byte, id->byte, sizeof(out.byte));
    return out;
}

/* ---- Ports. ---- */

static int64_t now(void *context)
{
    return ((struct pocket *)context)->now_ms;
}

static int64_t mono(void *context)
{
    return ((struct pocket *)context)->mono_ms;
}

static uint32_t boot(void *context)
{
    return ((struct pocket *)context)->boot;
}

static void fill(void *context, void *out, size_t size)
{
    struct pocket *p = context;
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        p->random_state = p->random_state * UINT64_C(6364136223846793005) + 1442695040888963407U;
        bytes[i] = (uint8_t)(p->random_state >> 56);
    }
}

static int hardware(void *context, uint8_t secret[32])
{
    memcpy(secret, ((struct pocket *)context)->hardware, 32);
    return 0;
}

/* ---- The server in the same process. ---- */

static int answer_with(const struct ds_handheld_post *post, int status, const char *text)
{
    size_t size = strlen(text);
    memcpy(post->answer, text, size);
    *post->answer_size = size;
    *post->status = status;
    return 0;
}

static enum ds_err serve(struct pocket *p, const struct ds_handheld_post *post,
                         struct ds_builder *out)
{
    struct ds_detail detail;
    struct ds_slice body = {post->body, post->body_size};
    if (strstr(post->url, "/enrol") != NULL) {
        return ds_enrol(&p->station->shard, body, out, &detail);
    }
    return ds_serve_whole(&p->station->shard, &p->codec, body, p->memory, out, &detail);
}

static int post_port(void *context, const struct ds_handheld_post *post)
{
    struct pocket *p = context;
    enum pocket_fault fault = p->fault_times > 0 ? p->fault : POCKET_FINE;
    struct ds_builder out;
    p->fault_times -= p->fault_times > 0;
    p->posts++;
    p->greatest = post->body_size > p->greatest ? post->body_size : p->greatest;
    p->first = p->first == 0 ? post->body_size : p->first;
    if (fault == POCKET_NO_NETWORK) {
        return DS_E_UNREACHABLE;
    }
    if (fault == POCKET_PORTAL) {
        return answer_with(post, 200, "<html><body>Please log in to Free WiFi</body></html>");
    }
    if (fault == POCKET_BUSY) {
        return answer_with(post, 503, "");
    }
    ds_builder_init(&out, post->answer, post->answer_max);
    enum ds_err err = serve(p, post, &out);
    if (fault == POCKET_ANSWER_LOST) {
        return DS_E_UNREACHABLE;
    }
    if (err != DS_OK) {
        return answer_with(post, ds_err_http(err), "");
    }
    if (fault == POCKET_FLIPPED) {
        post->answer[out.used / 2] ^= 1;
    }
    *post->answer_size = out.used;
    *post->status = 200;
    return 0;
}

void pocket_fail(struct pocket *p, enum pocket_fault fault, unsigned times)
{
    p->fault = fault;
    p->fault_times = times;
}

/* ---- Life. ---- */

struct ds_handheld_options pocket_options(struct pocket *p)
{
    return (struct ds_handheld_options){.store = p->store,
                                        .clock = {now, mono, boot, p},
                                        .random = {fill, p},
                                        .hardware = {hardware, p},
                                        .transport = {post_port, p},
                                        .argon = {1, 8192},
                                        .request_budget = p->first_budget,
                                        .columns = p->columns,
                                        .model = "pocket"};
}

static void open_it(struct pocket *p)
{
    struct ds_handheld_options options = pocket_options(p);
    struct ds_handheld_detail detail = {{0}};
    must_zero(ds_handheld_open(&options, POCKET_PIN, &p->h, &detail), &detail, "open");
}

void pocket_make(struct pocket *p, struct test_station *station, unsigned seed)
{
    memset(p, 0, sizeof(*p));
    p->station = station;
    p->now_ms = TEST_NOW;
    p->mono_ms = 1000;
    p->boot = 7 + seed;
    p->random_state = seed * 977 + 1;
    memset(p->hardware, (int)(seed & 0xff), sizeof(p->hardware));
    p->memory = malloc(DS_SERVE_ARENA_SIZE);
    MUST(p->memory != NULL && ds_envelope_codec_init(&p->codec) == DS_OK);
    MUST(ds_store_memory_open(0, &p->store) == DS_OK);
    open_it(p);
}

void pocket_enrol(struct pocket *p, struct test_station *station, const struct ds_id *worker,
                  unsigned seed)
{
    char text[1024];
    struct ds_builder builder;
    struct ds_handheld_detail detail = {{0}};
    pocket_make(p, station, seed);
    ds_builder_init(&builder, text, sizeof(text));
    MUST(ds_enrol_code_make(&station->shard, worker, ds_slice_of_text("http://127.0.0.1:8420"),
                            NULL, 0, &builder) == DS_OK);
    must_zero(ds_handheld_enrol(p->h, ds_builder_text(&builder), &detail), &detail, "enrol");
}

void pocket_drop(struct pocket *p)
{
    ds_handheld_close(p->h);
    ds_store_close(p->store);
    ds_envelope_codec_fini(&p->codec);
    free(p->memory);
}

void pocket_reopen(struct pocket *p, bool reboot)
{
    ds_handheld_close(p->h);
    if (reboot) {
        p->boot += 100;
        p->mono_ms = 500;
    }
    open_it(p);
}

void pocket_restore(struct pocket *p, struct ds_store *copy)
{
    ds_handheld_close(p->h);
    ds_store_close(p->store);
    p->store = copy;
    p->random_state += 1; /* Time went on: randomness does not repeat. */
    open_it(p);
}

struct ds_handheld_sync_result pocket_sync(struct pocket *p)
{
    struct ds_handheld_sync_result result;
    struct ds_handheld_detail detail = {{0}};
    must_zero(ds_handheld_sync(p->h, &result, &detail), &detail, "sync");
    return result;
}

struct ds_handheld_id pocket_read(struct pocket *p, size_t meter, int64_t index)
{
    struct ds_handheld_reading reading = {.has_index = true, .index = index};
    struct ds_handheld_detail detail = {{0}};
    struct ds_handheld_id op;
    reading.meter = pocket_id(&p->station->meter[meter]);
    must_zero(ds_handheld_record_reading(p->h, &reading, &op, &detail), &detail, "read");
    return op;
}

struct ds_handheld_status pocket_status(struct pocket *p)
{
    struct ds_handheld_status status;
    struct ds_handheld_detail detail = {{0}};
    must_zero(ds_handheld_status(p->h, &status), &detail, "status");
    return status;
}

struct comparing {
    struct pocket *p;
    struct ds_txn *txn;
    unsigned scopes;
    bool equal;
};

static bool compare_scope(void *context, const struct ds_handheld_scope *held)
{
    struct comparing *c = context;
    struct ds_scope scope = {.kind = held->kind, .view = held->view};
    struct ds_cursor_at after = {.position = held->position};
    struct ds_page page;
    memcpy(scope.key.byte, held->key.byte, sizeof(scope.key.byte));
    after.scope = scope;
    after.ordinal = held->ordinal;
    test_forget(c->p->station);
    MUST(ds_feed_page(c->txn, &after, c->p->station->shard.meta.size, 10, 65536,
                      &c->p->station->arena, &page) == DS_OK);
    c->scopes++;
    c->equal = c->equal && page.complete && page.row_count == 0 &&
               memcmp(page.digest.byte, held->digest, sizeof(held->digest)) == 0;
    return true;
}

bool pocket_converged(struct pocket *p)
{
    struct comparing c = {.p = p, .equal = true};
    MUST(ds_store_begin(p->station->store, false, &c.txn) == DS_OK);
    MUST(ds_handheld_scopes(p->h, compare_scope, &c) == 0);
    ds_txn_abort(c.txn);
    return c.equal && c.scopes > 0;
}

#include "tests/support/line.h"

#include "server/people.h"

#include <stdlib.h>
#include <string.h>

/* ---- The server and the line ---------------------------------------------------------------- */

static struct lossy_rule draw(void *context, uint64_t number)
{
    const struct line *line = context;
    return line->weather != 0 ? lossy_weather(line->weather, number) : line->rule;
}

void line_open(struct line *line)
{
    struct ds_detail detail = {""};
    memset(line, 0, sizeof *line);
    line->rule = lossy_fine();
    test_office_open(&line->office, NULL);
    test_office_load(&line->office);
    const struct ds_http_options options = {
        .listen = "127.0.0.1:0",
        .workers = 2,
        .request_timeout_ms = 5000,
        .body_deadline_ms = 5000,
        .handle = ds_api_handle,
        .refuse = ds_api_refuse,
        .context = line->office.api,
        .metrics = line->office.office.metrics,
    };
    if (ds_http_start(&options, &line->http, &detail) != DS_OK) {
        fail_msg("%s", detail.text);
    }
    line->lossy = lossy_start(0, ds_http_port(line->http), draw, line);
    assert_non_null(line->lossy);
}

void line_close(struct line *line)
{
    lossy_stop(line->lossy);
    ds_http_stop(line->http);
    test_office_close(&line->office);
}

uint64_t line_size(struct line *line)
{
    return ds_writer_wait(line->office.office.writer, 0, 0);
}

static enum ds_err prove(struct ds_shard *shard, void *context)
{
    struct ds_head head;
    struct ds_hash have;
    struct ds_hash made;
    struct ds_store *again = NULL;
    struct ds_detail *detail = context;
    DS_TRY(ds_shard_verify(shard, NULL, &head, detail));
    DS_TRY(ds_store_memory_open(0, &again));
    enum ds_err err = ds_shard_rebuild(shard, again, NULL, &have, &made, detail);
    ds_store_close(again);
    return err != DS_OK || memcmp(&have, &made, sizeof have) == 0 ? err : DS_ERR_INTEGRITY;
}

void line_prove(struct line *line)
{
    struct ds_detail detail = {""};
    if (ds_writer_run(line->office.office.writer, prove, &detail) != DS_OK) {
        fail_msg("the journal: %s", detail.text);
    }
}

/* ---- The handheld --------------------------------------------------------------------------- */

static int64_t now(void *context)
{
    (void)context;
    return TEST_OFFICE_NOW;
}

static int64_t mono(void *context)
{
    return ((struct walker *)context)->mono_ms++;
}

static uint32_t boot(void *context)
{
    (void)context;
    return 7;
}

static int hardware(void *context, uint8_t secret[32])
{
    memset(secret, ((struct walker *)context)->seed, 32);
    return 0;
}

static void must(int error, const struct ds_handheld_detail *detail)
{
    if (error != DS_E_OK) {
        fail_msg("%s: %s", ds_handheld_error_name(error), detail->text);
    }
}

void walker_make(struct walker *walker, struct line *line, uint8_t seed)
{
    struct ds_handheld_detail detail = {""};
    *walker = (struct walker){.line = line, .mono_ms = 1000, .seed = seed};
    assert_int_equal(ds_store_memory_open(0, &walker->store), DS_OK);
    const struct ds_handheld_options options = {.store = walker->store,
                                                .clock = {now, mono, boot, walker},
                                                .hardware = {hardware, walker},
                                                .argon = {1, 8192},
                                                .timeout_s = 1,
                                                .model = "walker"};
    must(ds_handheld_open(&options, "246810", &walker->h, &detail), &detail);
}

void walker_code(struct walker *walker, char code[static 1024])
{
    char url[64];
    struct ds_people_code made;
    struct ds_detail detail = {""};
    struct line *line = walker->line;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", lossy_port(line->lossy));
    if (ds_people_code(&line->office.office, &line->office.reader, url, NULL, 0, &made, &detail) !=
        DS_OK) {
        fail_msg("%s", detail.text);
    }
    (void)snprintf(code, 1024, "%s", made.text);
}

void walker_enrol(struct walker *walker, struct line *line, uint8_t seed)
{
    char code[1024];
    struct ds_handheld_detail detail = {""};
    walker_make(walker, line, seed);
    walker_code(walker, code);
    must(ds_handheld_enrol(walker->h, code, &detail), &detail);
    (void)walker_sync(walker);
}

void walker_drop(struct walker *walker)
{
    ds_handheld_close(walker->h);
    ds_store_close(walker->store);
}

static struct ds_handheld_id public_id(const struct ds_id *id)
{
    struct ds_handheld_id out;
    memcpy(out.byte, id->byte, sizeof out.byte);
    return out;
}

void walker_work(struct walker *walker, size_t i, int64_t index)
{
    struct ds_handheld_detail detail = {""};
    const struct test_office *office = &walker->line->office;
    const struct ds_handheld_reading reading = {
        .meter = public_id(&office->meter[i]), .has_index = true, .index = index};
    const struct ds_handheld_visit visit = {.premises = public_id(&office->premises[i]),
                                            .period = 202601,
                                            .outcome = DS_HANDHELD_NO_ACCESS,
                                            .slip = true};
    must(ds_handheld_record_reading(walker->h, &reading, NULL, &detail), &detail);
    must(ds_handheld_record_visit(walker->h, &visit, NULL, &detail), &detail);
}

struct ds_handheld_status walker_status(struct walker *walker)
{
    struct ds_handheld_status status;
    must(ds_handheld_status(walker->h, &status), &(struct ds_handheld_detail){"status"});
    return status;
}

struct ds_handheld_sync_result walker_sync(struct walker *walker)
{
    struct ds_handheld_sync_result result;
    struct ds_handheld_detail detail = {""};
    must(ds_handheld_sync(walker->h, &result, &detail), &detail);
    return result;
}

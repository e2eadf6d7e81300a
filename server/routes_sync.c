/* The handhelds' endpoints: exchange and enrolment. Bytes in, bytes out (sync/FORMAT.md).
 *
 * An exchange is checked on its request thread, waits in the writer's queue with others, and is
 * answered on its own thread again. Its errors have empty bodies: who is not known is told
 * nothing. */
#include "server/api_state.h"
#include "server/routes.h"
#include "sync/shard/serve.h"

#include <string.h>

#define RETRY_AFTER_S 2

/* ---- Compression contexts, used again ---- */

static enum ds_err borrow_codec(struct ds_api *api, struct ds_envelope_codec *codec)
{
    bool found = false;

    pthread_mutex_lock(&api->lock);
    if (api->codec_count > 0) {
        *codec = api->codecs[--api->codec_count];
        found = true;
    }
    pthread_mutex_unlock(&api->lock);
    enum ds_err err = found ? DS_OK : ds_envelope_codec_init(codec);

    if (err != DS_OK) {
        ds_envelope_codec_fini(codec);
    }
    return err;
}

static void return_codec(struct ds_api *api, struct ds_envelope_codec *codec)
{
    bool kept = false;

    pthread_mutex_lock(&api->lock);
    if (api->codec_count < DS_API_CODECS_MAX) {
        api->codecs[api->codec_count++] = *codec;
        kept = true;
    }
    pthread_mutex_unlock(&api->lock);
    if (!kept) {
        ds_envelope_codec_fini(codec);
    }
}

/* ---- Exchange ---- */

static enum ds_err take_keys(struct ds_shard *shard, void *context)
{
    (void)shard;
    return ds_serve_take_keys(context);
}

/* Ops of the sender's own batches that this exchange put under a receipt, known ones included. */
static uint64_t taken_ops(const struct ds_serve *serve)
{
    uint64_t taken = 0;

    for (size_t i = 0; i < serve->request.batch_count && i < serve->submission_count; i++) {
        struct ds_batch batch;

        if (serve->errors[i] == DS_OK && serve->submissions[i].folded.error == DS_OK &&
            ds_batch_parse_trusted(serve->submissions[i].batch, &batch) == DS_OK) {
            taken += batch.count;
        }
    }
    return taken;
}

static void count_exchange(struct ds_call *call, const struct ds_serve *serve)
{
    struct ds_metrics *metrics = call->office->metrics;

    for (size_t i = 0; i < serve->to_commit_count; i++) {
        const struct ds_folded *folded = &serve->to_commit[i]->folded;

        ds_metrics_add(&metrics->ops_folded, folded->folded);
        ds_metrics_add(&metrics->ops_quarantined, folded->quarantined);
        ds_metrics_add(&metrics->batches_duplicate, folded->duplicate);
        ds_metrics_add(&metrics->batches_branch, folded->branch);
    }
    ds_metrics_add(&metrics->exchanges, 1);
    ds_metrics_add(&metrics->history_doubts, serve->request.health.doubt.open);
    ds_metrics_add(&metrics->exchange_bytes_in, call->request->body.size);
    ds_metrics_add(&metrics->exchange_bytes_out, call->out->used);
}

static void log_exchange(struct ds_call *call, const struct ds_serve *serve)
{
    struct ds_log_line line;

    const struct ds_doubt *doubt = &serve->request.health.doubt;

    ds_log_begin(&line, call->office->log, doubt->open ? DS_LOG_WARN : DS_LOG_INFO,
                 doubt->open ? "exchange_history_doubted" : "exchange");
    ds_log_id(&line, "device", &serve->device);
    ds_log_number(&line, "batches", (int64_t)serve->submission_count);
    ds_log_number(&line, "unsent", (int64_t)serve->request.health.unsent);
    ds_log_number(&line, "in", (int64_t)call->request->body.size);
    ds_log_number(&line, "out", (int64_t)call->out->used);
    if (doubt->open) {
        ds_log_number(&line, "doubt", (int64_t)doubt->kind);
        ds_log_number(&line, "doubt_size", (int64_t)doubt->size);
        ds_log_number(&line, "shown_size", (int64_t)doubt->shown_size);
    }
    ds_log_end(&line);
}

static enum ds_err exchange(struct ds_call *call, struct ds_envelope_codec *codec)
{
    struct ds_office *office = call->office;
    struct ds_serve *serve = ds_arena_alloc(call->arena, sizeof(*serve));
    void *memory = ds_arena_room(call->arena, DS_SERVE_ARENA_SIZE);

    if (serve == NULL || memory == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = ds_serve_open(serve, &office->site->shard, codec, call->request->body, memory,
                                    &call->detail);

    if (err == DS_ERR_SIGNATURE) { /* Of the envelope: his keys are not those that we know. */
        return DS_ERR_AUTH;
    }
    DS_TRY(err);
    if (serve->request.key_count > 0) {
        DS_TRY(ds_writer_run(office->writer, take_keys, serve));
    }
    DS_TRY(ds_writer_commit(office->writer, serve->to_commit, serve->to_commit_count));
    DS_TRY(ds_serve_answer(serve, codec, call->out, &call->detail));
    ds_healths_note(office->healths, &serve->device, ds_call_now_ms(call), &serve->request.health,
                    taken_ops(serve), serve->request.obeyed);
    count_exchange(call, serve);
    log_exchange(call, serve);
    return DS_OK;
}

/* A failure tells its status and nothing else. */
static enum ds_err answer_bare(struct ds_call *call, enum ds_err err, const char *event)
{
    struct ds_log_line line;

    if (err == DS_OK) {
        return DS_OK;
    }
    call->out->used = 0;
    call->out->failed = false;
    call->answer->status = ds_err_http(err);
    if (call->answer->status == 503 || call->answer->status == 507) {
        uint8_t digits[16];
        struct ds_builder seconds;

        ds_builder_init(&seconds, digits, sizeof(digits));
        ds_put_decimal(&seconds, RETRY_AFTER_S);
        ds_http_add_header(call->answer, "Retry-After", ds_builder_text(&seconds));
    }
    ds_log_begin(&line, call->office->log, DS_LOG_WARN, event);
    ds_log_text(&line, "error", ds_err_name(err));
    ds_log_text(&line, "detail", call->detail.text);
    ds_log_text(&line, "address", call->request->address);
    ds_log_end(&line);
    return DS_OK;
}

enum ds_err ds_route_exchange(struct ds_call *call)
{
    struct ds_envelope_codec codec;

    call->answer->bare = true;
    call->answer->content_type = NULL;
    enum ds_err err = borrow_codec(call->api, &codec);

    if (err == DS_OK) {
        err = exchange(call, &codec);
        return_codec(call->api, &codec);
    }
    if (err != DS_OK) {
        ds_metrics_add(&call->office->metrics->exchange_refused, 1);
    }
    return answer_bare(call, err, "exchange_refused");
}

/* ---- Enrolment ---- */

struct enrolling {
    struct ds_slice body;
    struct ds_builder *answer;
    struct ds_detail *detail;
};

static enum ds_err enrol(struct ds_shard *shard, void *context)
{
    struct enrolling *enrolling = context;

    return ds_enrol(shard, enrolling->body, enrolling->answer, enrolling->detail);
}

enum ds_err ds_route_enrol(struct ds_call *call)
{
    struct enrolling enrolling = {call->request->body, call->out, &call->detail};
    enum ds_err err = ds_writer_run(call->office->writer, enrol, &enrolling);
    struct ds_metrics *metrics = call->office->metrics;

    ds_metrics_add(err == DS_OK ? &metrics->enrolments : &metrics->enrolments_refused, 1);
    return answer_bare(call, err, "enrol_refused");
}

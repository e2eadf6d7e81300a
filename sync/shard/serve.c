#include "sync/shard/serve.h"

#include "sync/shard/serve_wire.h"
#include "sync/shard/shard_impl.h"

#include <string.h>

/* A short envelope says the beginning of its device's id. */
static enum ds_err find_device(struct ds_serve *serve, struct ds_slice body, struct ds_txn *txn)
{
    enum ds_envelope_form form = DS_ENVELOPE_PLAIN;
    struct ds_key key = ds_key_row(DS_REC_device, &serve->device);
    struct ds_slice found;
    struct ds_slice value;
    DS_TRY(ds_envelope_form_of(body, &form));
    if (form < DS_ENVELOPE_COLUMNS) {
        return DS_OK;
    }
    enum ds_err err = ds_txn_at_or_after(txn, DS_TABLE_ROW, ds_key_slice(&key), &found, &value);
    if (err == DS_ERR_NOT_FOUND || found.size != key.size ||
        memcmp(found.data, key.byte, 1 + DS_SHORT_DEVICE_SIZE) != 0) {
        return err == DS_OK || err == DS_ERR_NOT_FOUND ? DS_ERR_AUTH : err;
    }
    memcpy(serve->device.byte, found.data + 1, sizeof(serve->device.byte));
    return err;
}

static enum ds_err device_keys(struct ds_serve *serve, struct ds_txn *txn)
{
    struct ds_device *device = ds_arena_alloc(&serve->arena, sizeof(*device));
    if (device == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = ds_record_load(txn, DS_REC_device, &serve->device, &serve->arena, device);
    if (err == DS_ERR_NOT_FOUND || (err == DS_OK && !DS_HAS(device, device, box_key))) {
        return DS_ERR_AUTH;
    }
    DS_TRY(err);
    return ds_link_keys_known(&serve->shard->secret.box, &serve->shard->box_public,
                              &device->box_key, &serve->keys);
}

/* One batch of the request: parse, find its signer, verify. A batch that is not this device's own
 * was carried. */
static enum ds_err take_batch(struct ds_serve *serve, struct ds_txn *txn, struct ds_slice bytes,
                              struct ds_submission *submission)
{
    struct ds_batch batch;
    *submission = (struct ds_submission){.batch = bytes};
    enum ds_err err = ds_submission_verify(txn, submission, &batch, NULL);
    if (err == DS_OK && ds_id_equal(&batch.device, &serve->device)) {
        submission->anchor_boot = serve->request.health.boot;
        submission->anchor_mono_ms = serve->request.health.mono_ms;
    } else {
        submission->carrier = serve->device;
    }
    return err;
}

static enum ds_err unseal_relayed(struct ds_serve *serve, struct ds_slice sealed,
                                  struct ds_slice *bytes)
{
    uint8_t *memory = ds_arena_room(&serve->arena, sealed.size + 1);
    struct ds_builder builder;
    if (memory == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_builder_init(&builder, memory, sealed.size + 1);
    DS_TRY(ds_unseal(&serve->shard->secret.box, sealed, &builder));
    return ds_builder_end(&builder, bytes);
}

static enum ds_err take_batches(struct ds_serve *serve, struct ds_txn *txn)
{
    const struct ds_request *request = &serve->request;
    size_t count = request->batch_count + request->relayed_count;
    serve->submissions = ds_arena_alloc(&serve->arena, (count + 1) * sizeof(*serve->submissions));
    serve->to_commit = ds_arena_alloc(&serve->arena, (count + 1) * sizeof(struct ds_submission *));
    serve->errors = ds_arena_alloc(&serve->arena, (count + 1) * sizeof(*serve->errors));
    if (serve->submissions == NULL || serve->to_commit == NULL || serve->errors == NULL) {
        return DS_ERR_LIMIT;
    }
    serve->submission_count = count;
    serve->to_commit_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct ds_slice bytes;
        enum ds_err err = DS_OK;
        if (i < request->batch_count) {
            bytes = request->batches[i];
        } else {
            err = unseal_relayed(serve, request->relayed[i - request->batch_count], &bytes);
        }
        if (err == DS_OK) {
            err = take_batch(serve, txn, bytes, &serve->submissions[i]);
        }
        serve->errors[i] = err;
        /* Columns that came out as something else: another context than ours. */
        if (i < request->batch_count && (err == DS_ERR_DECODE || err == DS_ERR_SIGNATURE)) {
            serve->request.not_understood = request->in_columns;
        }
        if (err == DS_OK) {
            serve->to_commit[serve->to_commit_count++] = &serve->submissions[i];
        }
    }
    return DS_OK;
}

/* Has the device seen more of this journal than we have? Then we were rolled back. */
static bool is_behind(const struct ds_shard_meta *meta, const struct ds_request *request)
{
    if (request->epoch > meta->epoch || request->witness_epoch > meta->epoch) {
        return true;
    }
    if (request->witness_epoch == meta->epoch && request->witness_size > meta->size) {
        return true;
    }
    for (size_t i = 0; i < request->prove_count && request->epoch == meta->epoch; i++) {
        if (request->prove[i] > meta->size) {
            return true;
        }
    }
    for (size_t i = 0; i < request->cursor_count && request->epoch == meta->epoch; i++) {
        if (request->cursors[i].position > meta->size) {
            return true;
        }
    }
    return false;
}

enum ds_err ds_serve_behind(struct ds_txn *txn, const struct ds_request *request,
                            struct ds_detail *detail)
{
    struct ds_shard_meta meta;
    DS_TRY(ds_meta_load(txn, &meta));
    if (is_behind(&meta, request)) {
        ds_detail_set(detail, "the device knows a later head of this journal than we have", NULL);
        return DS_ERR_EPOCH;
    }
    return DS_OK;
}

/* Plain msgpack, or columns in a short envelope. */
static enum ds_err read_request(struct ds_serve *serve, struct ds_envelope_codec *codec,
                                struct ds_slice body, struct ds_txn *txn, struct ds_detail *detail)
{
    uint8_t *memory = ds_arena_room(&serve->arena, DS_PLAIN_SIZE_MAX);
    enum ds_envelope_form form = DS_ENVELOPE_PLAIN;
    struct ds_builder buffer;
    struct ds_slice plain;
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_envelope_form_of(body, &form));
    bool columns = form == DS_ENVELOPE_COLUMNS || form == DS_ENVELOPE_COLUMNS_ZSTD;
    ds_builder_init(&buffer, memory, DS_PLAIN_SIZE_MAX);
    DS_TRY(columns ? ds_envelope_open_short(codec, &serve->keys.up, false, &serve->device,
                                            serve->counter, body, &buffer, &plain, detail)
                   : ds_envelope_open(codec, &serve->keys.up, body, &buffer, &plain, detail));
    /* What was not needed goes back: the plain text is the last thing in the arena. */
    ds_arena_rewind(&serve->arena, (size_t)(memory - serve->arena.base) + buffer.used);
    if (!columns) {
        return ds_request_parse(plain, &serve->arena, &serve->request, detail);
    }
    struct ds_serve_wire *wire = NULL;
    DS_TRY(ds_serve_wire_make(serve, codec, txn, &wire));
    return ds_serve_wire_take(wire, plain, detail);
}

static enum ds_err open_request(struct ds_serve *serve, struct ds_envelope_codec *codec,
                                struct ds_slice body, struct ds_txn *txn, struct ds_detail *detail)
{
    DS_TRY(find_device(serve, body, txn));
    DS_TRY(device_keys(serve, txn));
    DS_TRY(read_request(serve, codec, body, txn, detail));
    /* Before any work is taken: what a rolled back journal takes in would look as if the restore,
     * once it is declared, had kept it. */
    DS_TRY(ds_serve_behind(txn, &serve->request, detail));
    return take_batches(serve, txn);
}

enum ds_err ds_serve_open(struct ds_serve *serve, struct ds_shard *shard,
                          struct ds_envelope_codec *codec, struct ds_slice body, void *memory,
                          struct ds_detail *detail)
{
    struct ds_txn *txn = NULL;
    memset(serve, 0, sizeof(*serve));
    serve->shard = shard;
    ds_arena_init(&serve->arena, memory, DS_SERVE_ARENA_SIZE);
    if (body.size > DS_REQUEST_SIZE_MAX) {
        ds_detail_set(detail, "the request is larger than 1,048,576 bytes", NULL);
        return DS_ERR_LIMIT;
    }
    DS_TRY(ds_envelope_peek(body, &serve->device, &serve->counter));
    DS_TRY(ds_store_begin(shard->store, false, &txn));
    enum ds_err err = open_request(serve, codec, body, txn, detail);
    ds_txn_abort(txn);
    return err;
}

enum ds_err ds_serve_whole(struct ds_shard *shard, struct ds_envelope_codec *codec,
                           struct ds_slice body, void *memory, struct ds_builder *out,
                           struct ds_detail *detail)
{
    struct ds_serve serve;
    DS_TRY(ds_serve_open(&serve, shard, codec, body, memory, detail));
    DS_TRY(ds_serve_take_keys(&serve));
    if (serve.to_commit_count > 0) {
        DS_TRY(ds_shard_commit(shard, serve.to_commit, serve.to_commit_count));
    }
    return ds_serve_answer(&serve, codec, out, detail);
}

/* Enrolment: a one-time code becomes a device that holds its own keys. */
#include "schema/codec/record_mp.h"
#include "sync/shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

enum { CODE_SIZE = 16 + 8 + 1 + 32 + 32, REQUEST_MAX = 1024 };

struct code_row {
    struct ds_id worker;
    int64_t expires_ms;
    bool used;
    struct ds_hash sign_key;
    struct ds_hash box_key;
};

static enum ds_err code_store(struct ds_shard *shard, const struct ds_id *code,
                              const struct code_row *row)
{
    uint8_t bytes[CODE_SIZE];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_id(&builder, &row->worker);
    ds_put_u64(&builder, (uint64_t)row->expires_ms);
    ds_put_u8(&builder, row->used);
    ds_put_hash(&builder, &row->sign_key);
    ds_put_hash(&builder, &row->box_key);
    DS_TRY(ds_builder_end(&builder, &value));
    return ds_keys_put(shard, DS_KEYS_CODE, DS_SLICE_OF(code->byte), value);
}

static enum ds_err code_load(struct ds_shard *shard, const struct ds_id *code, struct code_row *row)
{
    uint8_t bytes[CODE_SIZE];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    DS_TRY(ds_keys_get(shard, DS_KEYS_CODE, DS_SLICE_OF(code->byte), &builder));
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    row->worker = ds_take_id(&cursor);
    row->expires_ms = (int64_t)ds_take_u64(&cursor);
    row->used = ds_take_u8(&cursor) != 0;
    row->sign_key = ds_take_hash(&cursor);
    row->box_key = ds_take_hash(&cursor);
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_enrol_code_make(struct ds_shard *shard, const struct ds_id *worker,
                               struct ds_slice url, const struct ds_hash *pins, size_t pin_count,
                               struct ds_builder *text)
{
    struct ds_enrol_code code = {.station = shard->meta.station,
                                 .server_sign = shard->sign_public,
                                 .server_box = shard->box_public,
                                 .pin_count = pin_count,
                                 .url = url};
    if (pin_count > DS_PINS_MAX || url.size > DS_URL_SIZE_MAX) {
        return DS_ERR_LIMIT;
    }
    for (size_t i = 0; i < pin_count; i++) {
        code.pins[i] = pins[i];
    }
    shard->random.fill(shard->random.context, code.code.byte, sizeof(code.code.byte));
    struct code_row row = {.worker = *worker,
                           .expires_ms =
                               shard->clock.now_ms(shard->clock.context) + DS_CODE_LIFE_MS};
    DS_TRY(code_store(shard, &code.code, &row));
    ds_enrol_code_put(text, &code);
    return text->failed ? DS_ERR_LIMIT : DS_OK;
}

static enum ds_err check_proof(const struct ds_enrol_request *request)
{
    uint8_t bytes[REQUEST_MAX];
    struct ds_builder builder;
    struct ds_slice text;
    struct ds_signature signature;
    struct ds_enrol_request unsigned_part = *request;
    unsigned_part.signature = NULL;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_enrol_request_put(&builder, &unsigned_part);
    DS_TRY(ds_builder_end(&builder, &text));
    memcpy(signature.byte, request->signature, sizeof(signature.byte));
    return ds_verify(&request->sign_key, DS_LABEL_ENROL, text, &signature) ? DS_OK : DS_ERR_AUTH;
}

static enum ds_err check_code(struct ds_shard *shard, const struct ds_enrol_request *request,
                              struct code_row *row, struct ds_detail *detail)
{
    enum ds_err err = code_load(shard, &request->code, row);
    if (err == DS_ERR_NOT_FOUND) {
        ds_detail_set(detail, "there is no such enrolment code", NULL);
    }
    DS_TRY(err);
    if (row->used) {
        /* The answer may have been lost: the same keys hear the same again. */
        bool same = ds_hash_equal(&row->sign_key, &request->sign_key) &&
                    ds_hash_equal(&row->box_key, &request->box_key);
        ds_detail_set(detail, "this enrolment code was used already", NULL);
        return same ? DS_OK : DS_ERR_FORBIDDEN;
    }
    if (shard->clock.now_ms(shard->clock.context) > row->expires_ms) {
        ds_detail_set(detail, "this enrolment code has expired", NULL);
        return DS_ERR_AUTH;
    }
    return DS_OK;
}

/* A key that was suspended, revoked or wiped does not come back by a code: the office unlocks it,
 * or the device makes new keys. */
static enum ds_err check_standing(struct ds_shard *shard, const struct ds_id *id,
                                  struct ds_detail *detail)
{
    enum { ROOM = DS_ROW_SIZE_MAX + 4096 };
    struct ds_txn *txn = NULL;
    struct ds_arena arena;
    struct ds_device device;
    uint8_t *memory = malloc(ROOM);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&arena, memory, ROOM);
    enum ds_err err = ds_store_begin(shard->store, false, &txn);
    if (err == DS_OK) {
        err = ds_record_load(txn, DS_REC_device, id, &arena, &device);
        ds_txn_abort(txn);
    }
    if (err == DS_OK && device.state != DS_DEVICE_active) {
        ds_detail_set(detail, "this device's key was suspended or revoked", NULL);
        err = DS_ERR_FORBIDDEN;
    }
    free(memory);
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static enum ds_err write_device(struct ds_shard *shard, const struct ds_enrol_request *request,
                                const struct code_row *row, const struct ds_id *id,
                                struct ds_detail *detail)
{
    struct ds_actor system;
    struct ds_device device = {.kind = 0};
    uint8_t bytes[512];
    struct ds_builder builder;
    struct ds_draft draft = {.type = DS_REC_device, .id = *id};
    struct ds_folded folded;
    DS_SET(&device, device, kind, DS_ACTOR_handheld);
    DS_SET(&device, device, worker, row->worker);
    DS_SET(&device, device, sign_key, request->sign_key);
    DS_SET(&device, device, box_key, request->box_key);
    DS_SET(&device, device, state, DS_DEVICE_active);
    DS_SET(&device, device, enrolled_ms, shard->clock.now_ms(shard->clock.context));
    if (request->model.size > 0) {
        DS_SET(&device, device, model, request->model);
    }
    DS_TRY(ds_validate(ds_record_type_by_number(DS_REC_device), &device, true, NULL, detail));
    ds_builder_init(&builder, bytes, sizeof(bytes));
    DS_TRY(ds_record_encode_op(ds_record_type_by_number(DS_REC_device), &device, &builder));
    DS_TRY(ds_builder_end(&builder, &draft.fields));
    DS_TRY(ds_actor_open(shard, "system", DS_ACTOR_system, NULL, &system, detail));
    enum ds_err err = ds_actor_write(shard, &system, &draft, 1, &folded, detail);
    ds_wipe(&system, sizeof(system));
    return err;
}

static enum ds_err answer_put(struct ds_shard *shard, const struct ds_id *device,
                              const struct ds_id *worker, struct ds_builder *answer)
{
    uint8_t bytes[512];
    struct ds_builder builder;
    struct ds_slice text;
    struct ds_signature signature;
    struct ds_enrol_answer made = {.station = shard->meta.station,
                                   .device = *device,
                                   .worker = *worker,
                                   .server_sign = shard->sign_public};
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_enrol_answer_put(&builder, &made);
    DS_TRY(ds_builder_end(&builder, &text));
    ds_sign(&shard->secret.sign, DS_LABEL_ENROLLED, text, &signature);
    made.signature = signature.byte;
    ds_enrol_answer_put(answer, &made);
    return answer->failed ? DS_ERR_LIMIT : DS_OK;
}

enum ds_err ds_enrol(struct ds_shard *shard, struct ds_slice body, struct ds_builder *answer,
                     struct ds_detail *detail)
{
    uint8_t clear[REQUEST_MAX];
    struct ds_builder opened;
    struct ds_enrol_request request;
    struct code_row row;
    ds_builder_init(&opened, clear, sizeof(clear));
    if (body.size > REQUEST_MAX) {
        return DS_ERR_LIMIT;
    }
    if (ds_unseal(&shard->secret.box, body, &opened) != DS_OK) {
        ds_detail_set(detail, "the request was not sealed to this server", NULL);
        return DS_ERR_AUTH;
    }
    DS_TRY(ds_enrol_request_parse((struct ds_slice){clear, opened.used}, &request));
    DS_TRY(check_proof(&request));
    DS_TRY(check_code(shard, &request, &row, detail));
    struct ds_id device =
        ds_id_of(&shard->meta.station, DS_REC_device, DS_SLICE_OF(request.sign_key.byte));
    if (!row.used) {
        DS_TRY(check_standing(shard, &device, detail));
        /* The device first: if the power goes before the code is marked, the same keys come again
         * and find the same device. */
        DS_TRY(write_device(shard, &request, &row, &device, detail));
        row.used = true;
        row.sign_key = request.sign_key;
        row.box_key = request.box_key;
        DS_TRY(code_store(shard, &request.code, &row));
    }
    return answer_put(shard, &device, &row.worker, answer);
}

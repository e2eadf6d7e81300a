#include "handheld-sdk/src/enrol.h"

#include "handheld-sdk/src/own.h"

#include <string.h>

enum { CODE_SCRATCH = 1024, REQUEST_MAX = 1024, ANSWER_MAX = 1024 };

static bool url_is_loopback(const char *url)
{
    static const char *const starts[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
    for (size_t i = 0; i < DS_COUNT(starts); i++) {
        size_t size = strlen(starts[i]);
        bool starts_so = strncmp(url, starts[i], size) == 0;
        if (starts_so && (url[size] == '\0' || url[size] == ':' || url[size] == '/')) {
            return true;
        }
    }
    return false;
}

/* Plain HTTP goes to this machine alone; TLS needs the keys to check it by. */
static enum ds_err check_url(const struct ds_identity *identity, struct ds_detail *detail)
{
    bool tls = strncmp(identity->url, "https://", 8) == 0;
    if (tls && identity->pin_count == 0) {
        ds_detail_set(detail, "the code has a https address without pins", NULL);
        return DS_ERR_DECODE;
    }
    if (!tls && !url_is_loopback(identity->url)) {
        ds_detail_set(detail, "the code's address is neither https nor loopback", NULL);
        return DS_ERR_DECODE;
    }
    return DS_OK;
}

static enum ds_err take_code(const struct ds_enrol_code *code, struct ds_identity *identity,
                             struct ds_detail *detail)
{
    identity->station = code->station;
    identity->server_sign = code->server_sign;
    identity->server_box = code->server_box;
    identity->code = code->code;
    identity->pin_count = (uint8_t)code->pin_count;
    memcpy(identity->pins, code->pins, sizeof(identity->pins));
    memset(identity->url, 0, sizeof(identity->url));
    size_t size = code->url.size;
    while (size > 0 && code->url.data[size - 1] == '/') {
        size--;
    }
    memcpy(identity->url, code->url.data, size);
    return check_url(identity, detail);
}

static void make_keys(struct ds_handheld *h, struct ds_identity *identity)
{
    ds_ports_random(&h->ports, identity->sign_seed.byte, sizeof(identity->sign_seed.byte));
    ds_ports_random(&h->ports, identity->box_secret.byte, sizeof(identity->box_secret.byte));
    ds_ports_random(&h->ports, identity->equality.byte, sizeof(identity->equality.byte));
    identity->enrolled = DS_ENROLLED_ASKED;
}

static enum ds_err put_request(struct ds_handheld *h, struct ds_builder *out)
{
    const struct ds_identity *identity = &h->identity;
    struct ds_enrol_request request = {.code = identity->code, .model = ds_slice_of_text(h->model)};
    uint8_t memory[REQUEST_MAX];
    struct ds_builder builder;
    struct ds_slice bytes;
    struct ds_signature signature;
    ds_sign_public(&identity->sign_seed, &request.sign_key);
    ds_box_public(&identity->box_secret, &request.box_key);
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_enrol_request_put(&builder, &request);
    DS_TRY(ds_builder_end(&builder, &bytes));
    ds_sign(&identity->sign_seed, DS_LABEL_ENROL, bytes, &signature);
    request.signature = signature.byte;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_enrol_request_put(&builder, &request);
    DS_TRY(ds_builder_end(&builder, &bytes));
    DS_TRY(ds_seal(&identity->server_box, bytes, &h->ports.random, out));
    return out->failed ? DS_ERR_LIMIT : DS_OK;
}

static enum ds_err store_identity(struct ds_handheld *h, const struct ds_identity *identity)
{
    struct ds_txn *txn;
    DS_TRY(ds_hand_begin(h, &txn));
    h->identity = *identity;
    return ds_hand_end(h, txn, ds_identity_store(&h->vault, txn, &h->arena, &h->identity));
}

enum ds_err ds_enrol_ask(struct ds_handheld *h, const char *text, struct ds_builder *out,
                         struct ds_detail *detail)
{
    uint8_t memory[CODE_SCRATCH];
    struct ds_builder scratch;
    struct ds_enrol_code code;
    if (h->identity.enrolled == DS_ENROLLED_YES) {
        ds_detail_set(detail, "this handheld is enrolled already", NULL);
        return DS_ERR_EXISTS;
    }
    ds_builder_init(&scratch, memory, sizeof(memory));
    DS_TRY(ds_enrol_code_parse(ds_slice_of_text(text), &scratch, &code, detail));
    struct ds_identity identity = h->identity;
    if (identity.enrolled == DS_ENROLLED_NO || !ds_id_equal(&identity.code, &code.code)) {
        make_keys(h, &identity);
    }
    enum ds_err err = take_code(&code, &identity, detail);
    err = err != DS_OK ? err : store_identity(h, &identity);
    ds_wipe(&identity, sizeof(identity));
    return err != DS_OK ? err : put_request(h, out);
}

static enum ds_err judge_status(int status, struct ds_detail *detail)
{
    switch (status) {
    case 200:
        return DS_OK;
    case 0:
        return DS_ERR_UNREACHABLE;
    case 401:
        ds_detail_set(detail, "the code is too old, or the proof is wrong", NULL);
        return DS_ERR_AUTH;
    case 403:
        ds_detail_set(detail, "the code was used already", NULL);
        return DS_ERR_FORBIDDEN;
    case 404:
        ds_detail_set(detail, "the server does not know this code", NULL);
        return DS_ERR_NOT_FOUND;
    case 503:
        return DS_ERR_BUSY;
    default:
        return DS_ERR_NOT_OURS;
    }
}

static enum ds_err check_answer(const struct ds_identity *identity,
                                const struct ds_enrol_answer *answer)
{
    uint8_t memory[ANSWER_MAX];
    struct ds_builder builder;
    struct ds_slice bytes;
    struct ds_signature signature;
    struct ds_hash sign_public;
    struct ds_enrol_answer unsigned_part = *answer;
    unsigned_part.signature = NULL;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_enrol_answer_put(&builder, &unsigned_part);
    DS_TRY(ds_builder_end(&builder, &bytes));
    memcpy(signature.byte, answer->signature, sizeof(signature.byte));
    ds_sign_public(&identity->sign_seed, &sign_public);
    struct ds_id device =
        ds_id_of(&identity->station, DS_REC_device, DS_SLICE_OF(sign_public.byte));
    bool ours = ds_hash_equal(&answer->server_sign, &identity->server_sign) &&
                ds_id_equal(&answer->station, &identity->station) &&
                ds_id_equal(&answer->device, &device) &&
                ds_verify(&identity->server_sign, DS_LABEL_ENROLLED, bytes, &signature);
    return ours ? DS_OK : DS_ERR_NOT_OURS;
}

static enum ds_err take_answer(struct ds_handheld *h, struct ds_txn *txn,
                               const struct ds_enrol_answer *answer)
{
    h->identity.device = answer->device;
    h->identity.worker = answer->worker;
    h->identity.enrolled = DS_ENROLLED_YES;
    DS_TRY(ds_identity_store(&h->vault, txn, &h->arena, &h->identity));
    DS_TRY(ds_link_keys_device(&h->identity.box_secret, &h->identity.server_box, &h->link));
    return ds_own_life_begin(h, txn, "first");
}

enum ds_err ds_enrol_hear(struct ds_handheld *h, struct ds_slice bytes, int status,
                          struct ds_detail *detail)
{
    struct ds_enrol_answer answer;
    struct ds_txn *txn;
    if (h->identity.enrolled != DS_ENROLLED_ASKED) {
        return DS_ERR_USAGE;
    }
    DS_TRY(judge_status(status, detail));
    if (ds_enrol_answer_parse(bytes, &answer) != DS_OK ||
        check_answer(&h->identity, &answer) != DS_OK) {
        ds_detail_set(detail, "the answer is not from the server of the code", NULL);
        return DS_ERR_NOT_OURS;
    }
    DS_TRY(ds_hand_begin(h, &txn));
    return ds_hand_end(h, txn, take_answer(h, txn, &answer));
}

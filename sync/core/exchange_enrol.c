/* Enrolment and bundle files. What a signature covers is written anew by who verifies it, so the
 * signed maps take no unknown keys: a key of a later version could not be verified anyway. */
#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "sync/core/exchange_parts.h"

enum { SIGNATURE_SIZE = 64, CODE_SIZE_MAX = 512 };
#define CODE_PREFIX "DS1:"
#define BUNDLE_MAGIC "DSB1"

static void refuse_key(struct ds_reader *reader)
{
    ds_reader_fail(reader, DS_ERR_VERSION, "a key that this version does not know");
}

/* ---- The code. ---- */

enum {
    CODE_STATION = 1,
    CODE_SIGN = 2,
    CODE_BOX = 3,
    CODE_CODE = 4,
    CODE_PINS = 5,
    CODE_URL = 6,
    CODE_PAIRS = 6
};
#define CODE_REQUIRED                                                                              \
    (DS_READER_KEY(CODE_STATION) | DS_READER_KEY(CODE_SIGN) | DS_READER_KEY(CODE_BOX) |            \
     DS_READER_KEY(CODE_CODE) | DS_READER_KEY(CODE_URL))

void ds_enrol_code_put(struct ds_builder *text, const struct ds_enrol_code *code)
{
    uint8_t memory[CODE_SIZE_MAX];
    struct ds_builder map;
    ds_builder_init(&map, memory, sizeof(memory));
    ds_mp_put_map(&map, code->pin_count > 0 ? CODE_PAIRS : CODE_PAIRS - 1);
    ds_mp_put_uint(&map, CODE_STATION);
    ds_mp_put_id(&map, &code->station);
    ds_mp_put_uint(&map, CODE_SIGN);
    ds_mp_put_hash(&map, &code->server_sign);
    ds_mp_put_uint(&map, CODE_BOX);
    ds_mp_put_hash(&map, &code->server_box);
    ds_mp_put_uint(&map, CODE_CODE);
    ds_mp_put_id(&map, &code->code);
    if (code->pin_count > 0) {
        DS_ASSERT(code->pin_count <= DS_PINS_MAX);
        ds_mp_put_uint(&map, CODE_PINS);
        ds_mp_put_array(&map, (uint32_t)code->pin_count);
        for (size_t i = 0; i < code->pin_count; i++) {
            ds_mp_put_hash(&map, &code->pins[i]);
        }
    }
    ds_mp_put_uint(&map, CODE_URL);
    ds_mp_put_str(&map, code->url);
    struct ds_slice made;
    if (code->url.size > DS_URL_SIZE_MAX || ds_builder_end(&map, &made) != DS_OK) {
        text->failed = true;
        return;
    }
    ds_put_text(text, CODE_PREFIX);
    ds_put_base64url(text, made);
}

static void take_pins(struct ds_reader *reader, struct ds_enrol_code *code)
{
    uint32_t count = ds_reader_array(reader, DS_PINS_MAX);
    if (count == 0) {
        ds_reader_fail(reader, DS_ERR_DECODE, "no pins must be absent");
    }
    for (uint32_t i = 0; i < count && reader->err == DS_OK; i++) {
        reader->item = i + 1;
        code->pins[i] = ds_reader_hash(reader);
    }
    code->pin_count = count;
}

/* Printable ASCII without spaces: it goes to a command line, a log and an HTTP library. */
static struct ds_slice take_url(struct ds_reader *reader)
{
    struct ds_slice url = ds_reader_str(reader, DS_URL_SIZE_MAX);
    for (size_t i = 0; i < url.size; i++) {
        if (url.data[i] <= ' ' || url.data[i] > '~') {
            ds_reader_fail(reader, DS_ERR_DECODE, "a URL is printable ASCII without spaces");
        }
    }
    return url;
}

static void take_code_key(struct ds_reader *reader, struct ds_enrol_code *code)
{
    switch (reader->key) {
    case CODE_STATION:
        code->station = ds_reader_id(reader);
        break;
    case CODE_SIGN:
        code->server_sign = ds_reader_hash(reader);
        break;
    case CODE_BOX:
        code->server_box = ds_reader_hash(reader);
        break;
    case CODE_CODE:
        code->code = ds_reader_id(reader);
        break;
    case CODE_PINS:
        take_pins(reader, code);
        break;
    case CODE_URL:
        code->url = take_url(reader);
        break;
    default:
        ds_reader_skip(reader);
    }
}

/* Skip the text's prefix; false if it is another. */
static bool skip_prefix(struct ds_slice *text, const char *prefix)
{
    struct ds_slice wanted = ds_slice_of_text(prefix);
    if (text->size < wanted.size ||
        !ds_slice_equal((struct ds_slice){text->data, wanted.size}, wanted)) {
        return false;
    }
    text->data += wanted.size;
    text->size -= wanted.size;
    return true;
}

enum ds_err ds_enrol_code_parse(struct ds_slice text, struct ds_builder *scratch,
                                struct ds_enrol_code *code, struct ds_detail *detail)
{
    *code = (struct ds_enrol_code){0};
    size_t begin = scratch->used;
    if (!skip_prefix(&text, CODE_PREFIX)) {
        ds_detail_set(detail, "enrolment code: does not begin with " CODE_PREFIX, NULL);
        return DS_ERR_DECODE;
    }
    if (text.size > CODE_SIZE_MAX / 3 * 4 + 4) {
        ds_detail_set(detail, "enrolment code: too long", NULL);
        return DS_ERR_LIMIT;
    }
    enum ds_err err = ds_base64url_parse(text, scratch);
    if (err != DS_OK) {
        ds_detail_set(detail, "enrolment code: not base64url", NULL);
        return err;
    }
    struct ds_slice map = {scratch->data + begin, scratch->used - begin};
    DS_TRY(ds_reader_scan(map, "enrolment code", detail));
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, map);
    ds_reader_map(&reader, &cursor, "enrolment code", detail);
    while (ds_reader_next(&reader)) {
        take_code_key(&reader, code);
    }
    return ds_exchange_end(&reader, CODE_REQUIRED);
}

/* ---- The request. ---- */

enum {
    ENROL_CODE = 1,
    ENROL_SIGN = 2,
    ENROL_BOX = 3,
    ENROL_MODEL = 4,
    ENROL_SIGNATURE = 5,
    ENROL_PAIRS = 5
};
#define ENROL_REQUIRED ((DS_READER_KEY(ENROL_PAIRS + 1) - 1) & ~UINT64_C(1))

/* Key 5 of both maps, unless the part that is signed is written. */
static void put_signature(struct ds_builder *builder, const uint8_t *signature)
{
    if (signature != NULL) {
        ds_mp_put_uint(builder, ENROL_SIGNATURE);
        ds_mp_put_bin(builder, (struct ds_slice){signature, SIGNATURE_SIZE});
    }
}

void ds_enrol_request_put(struct ds_builder *builder, const struct ds_enrol_request *request)
{
    ds_mp_put_map(builder, request->signature != NULL ? ENROL_PAIRS : ENROL_PAIRS - 1);
    ds_mp_put_uint(builder, ENROL_CODE);
    ds_mp_put_id(builder, &request->code);
    ds_mp_put_uint(builder, ENROL_SIGN);
    ds_mp_put_hash(builder, &request->sign_key);
    ds_mp_put_uint(builder, ENROL_BOX);
    ds_mp_put_hash(builder, &request->box_key);
    ds_mp_put_uint(builder, ENROL_MODEL);
    ds_mp_put_str(builder, request->model);
    put_signature(builder, request->signature);
}

enum ds_err ds_enrol_request_parse(struct ds_slice bytes, struct ds_enrol_request *request)
{
    *request = (struct ds_enrol_request){0};
    DS_TRY(ds_mp_scan(bytes, NULL));
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, bytes);
    ds_reader_map(&reader, &cursor, "enrolment request", NULL);
    while (ds_reader_next(&reader)) {
        switch (reader.key) {
        case ENROL_CODE:
            request->code = ds_reader_id(&reader);
            break;
        case ENROL_SIGN:
            request->sign_key = ds_reader_hash(&reader);
            break;
        case ENROL_BOX:
            request->box_key = ds_reader_hash(&reader);
            break;
        case ENROL_MODEL:
            request->model = ds_reader_str(&reader, DS_MODEL_SIZE_MAX);
            break;
        case ENROL_SIGNATURE:
            request->signature = ds_reader_fixed(&reader, SIGNATURE_SIZE);
            break;
        default:
            refuse_key(&reader);
        }
    }
    return ds_exchange_end(&reader, ENROL_REQUIRED);
}

/* ---- The answer. ---- */

enum {
    ANSWER_STATION = 1,
    ANSWER_DEVICE = 2,
    ANSWER_WORKER = 3,
    ANSWER_SIGN = 4,
    ANSWER_SIGNATURE = ENROL_SIGNATURE
};

void ds_enrol_answer_put(struct ds_builder *builder, const struct ds_enrol_answer *answer)
{
    ds_mp_put_map(builder, answer->signature != NULL ? ENROL_PAIRS : ENROL_PAIRS - 1);
    ds_mp_put_uint(builder, ANSWER_STATION);
    ds_mp_put_id(builder, &answer->station);
    ds_mp_put_uint(builder, ANSWER_DEVICE);
    ds_mp_put_id(builder, &answer->device);
    ds_mp_put_uint(builder, ANSWER_WORKER);
    ds_mp_put_id(builder, &answer->worker);
    ds_mp_put_uint(builder, ANSWER_SIGN);
    ds_mp_put_hash(builder, &answer->server_sign);
    put_signature(builder, answer->signature);
}

enum ds_err ds_enrol_answer_parse(struct ds_slice bytes, struct ds_enrol_answer *answer)
{
    *answer = (struct ds_enrol_answer){0};
    DS_TRY(ds_mp_scan(bytes, NULL));
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, bytes);
    ds_reader_map(&reader, &cursor, "enrolment answer", NULL);
    while (ds_reader_next(&reader)) {
        switch (reader.key) {
        case ANSWER_STATION:
            answer->station = ds_reader_id(&reader);
            break;
        case ANSWER_DEVICE:
            answer->device = ds_reader_id(&reader);
            break;
        case ANSWER_WORKER:
            answer->worker = ds_reader_id(&reader);
            break;
        case ANSWER_SIGN:
            answer->server_sign = ds_reader_hash(&reader);
            break;
        case ANSWER_SIGNATURE:
            answer->signature = ds_reader_fixed(&reader, SIGNATURE_SIZE);
            break;
        default:
            refuse_key(&reader);
        }
    }
    return ds_exchange_end(&reader, ENROL_REQUIRED);
}

/* ---- Bundle files. ---- */

void ds_bundle_put(struct ds_builder *builder, const struct ds_slice *sealed, size_t count)
{
    ds_put_text(builder, BUNDLE_MAGIC);
    ds_exchange_put_bins(builder, sealed, count);
}

enum ds_err ds_bundle_parse(struct ds_slice bytes, struct ds_arena *arena, struct ds_slice **sealed,
                            size_t *count, struct ds_detail *detail)
{
    *sealed = NULL;
    *count = 0;
    if (!skip_prefix(&bytes, BUNDLE_MAGIC)) {
        ds_detail_set(detail, "bundle: does not begin with " BUNDLE_MAGIC, NULL);
        return DS_ERR_DECODE;
    }
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, bytes);
    ds_reader_bare(&reader, &cursor, "bundle", detail);
    *sealed = ds_exchange_take_bins(&reader, arena, DS_BUNDLE_BATCHES_MAX, DS_SEALED_BATCH_SIZE_MAX,
                                    count);
    return ds_exchange_end(&reader, 0);
}

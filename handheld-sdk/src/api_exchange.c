/* doorstep.h: enrolment, exchange, relay. */
#include "handheld-sdk/src/ask.h"
#include "handheld-sdk/src/enrol.h"
#include "handheld-sdk/src/hear.h"
#include "handheld-sdk/src/transport.h"
#include "schema/codec/msgpack.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(DS_HANDHELD_REQUEST_MAX == DS_REQUEST_SIZE_MAX, "one limit, said twice");
_Static_assert(DS_HANDHELD_ANSWER_MAX >= DS_ENVELOPE_SIZE_MAX, "an answer fits");

enum {
    ENROL_SIZE_MAX = 4096,
    IDLE_MAX = 8, /* Exchanges in a row that move nothing; then a sync ends. */
};
#define PATH_EXCHANGE "/sync/v1/exchange"
#define PATH_ENROL "/sync/v1/enrol"

/* ---- One call at a time is on the line. ---- */

static enum ds_err line_take(struct ds_handheld *h, bool sealed_only)
{
    DS_TRY(ds_hand_enter(h, sealed_only ? DS_OPEN_NONE : DS_OPEN_WORK));
    enum ds_err err = h->on_line ? DS_ERR_BUSY : DS_OK;
    if (err == DS_OK) {
        h->on_line = true;
        h->talk.sealed_only = sealed_only;
    }
    return (enum ds_err)ds_hand_leave(h, err);
}

static void line_give(struct ds_handheld *h)
{
    int failed = pthread_mutex_lock(&h->lock);
    DS_ASSERT(failed == 0);
    h->on_line = false;
    h->talk.sealed_only = false;
    (void)ds_hand_leave(h, DS_OK);
}

/* ---- Enrolment. ---- */

int ds_handheld_enrol_begin(struct ds_handheld *h, const char *code, uint8_t *request,
                            size_t request_max, size_t *request_size,
                            struct ds_handheld_detail *detail)
{
    struct ds_builder out;
    if (code == NULL || request == NULL || request_size == NULL) {
        return DS_ERR_USAGE;
    }
    enum ds_err err = ds_hand_enter(h, DS_OPEN_WORK);
    if (err != DS_OK) {
        return (int)err;
    }
    ds_builder_init(&out, request, request_max);
    err = ds_enrol_ask(h, code, &out, ds_detail_of(detail));
    *request_size = err == DS_OK ? out.used : 0;
    return ds_hand_leave(h, err);
}

int ds_handheld_enrol_end(struct ds_handheld *h, const uint8_t *answer, size_t answer_size,
                          int http_status, struct ds_handheld_detail *detail)
{
    enum ds_err err = ds_hand_enter(h, DS_OPEN_WORK);
    if (err != DS_OK) {
        return (int)err;
    }
    err =
        ds_enrol_hear(h, (struct ds_slice){answer, answer_size}, http_status, ds_detail_of(detail));
    return ds_hand_leave(h, err);
}

static int enrol_on_line(struct ds_handheld *h, const char *code, struct ds_handheld_detail *detail)
{
    uint8_t request[ENROL_SIZE_MAX / 2];
    uint8_t reply[ENROL_SIZE_MAX / 4];
    size_t size = 0;
    int status = 0;
    struct ds_builder answer;
    int error = ds_handheld_enrol_begin(h, code, request, sizeof(request), &size, detail);
    if (error != DS_OK) {
        return error;
    }
    ds_builder_init(&answer, reply, sizeof(reply));
    enum ds_err err = ds_transport_post(h, PATH_ENROL, (struct ds_slice){request, size}, &answer,
                                        &status, ds_detail_of(detail));
    if (err != DS_OK) {
        return err == DS_ERR_LIMIT ? DS_ERR_NOT_OURS : (int)err;
    }
    return ds_handheld_enrol_end(h, reply, answer.used, status, detail);
}

int ds_handheld_enrol(struct ds_handheld *h, const char *code, struct ds_handheld_detail *detail)
{
    enum ds_err err = line_take(h, false);
    if (err != DS_OK) {
        return (int)err;
    }
    int error = enrol_on_line(h, code, detail);
    line_give(h);
    return error;
}

/* ---- Exchange. ---- */

/* on_line: whether the caller is the one who has the line. */
static int begin(struct ds_handheld *h, bool on_line, uint8_t *request, size_t request_max,
                 size_t *request_size, struct ds_handheld_detail *detail)
{
    struct ds_builder out;
    *request_size = 0;
    enum ds_err err = ds_hand_enter(h, DS_OPEN_NONE);
    if (err != DS_OK) {
        return (int)err;
    }
    if (h->on_line != on_line) {
        return ds_hand_leave(h, DS_ERR_BUSY);
    }
    size_t room = request_max < DS_REQUEST_SIZE_MAX ? request_max : DS_REQUEST_SIZE_MAX;
    ds_builder_init(&out, request, room);
    err = ds_ask(h, &out, ds_detail_of(detail));
    *request_size = err == DS_OK ? out.used : 0;
    return ds_hand_leave(h, err);
}

static int end(struct ds_handheld *h, bool on_line, struct ds_slice answer, int http_status,
               struct ds_handheld_sync_result *result, struct ds_handheld_detail *detail)
{
    struct ds_handheld_sync_result own = {0};
    enum ds_err err = ds_hand_enter(h, DS_OPEN_NONE);
    if (err != DS_OK) {
        return (int)err;
    }
    if (h->on_line != on_line) {
        return ds_hand_leave(h, DS_ERR_BUSY);
    }
    err = ds_hear(h, answer, http_status, result != NULL ? result : &own, ds_detail_of(detail));
    return ds_hand_leave(h, err);
}

int ds_handheld_exchange_begin(struct ds_handheld *h, uint8_t *request, size_t request_max,
                               size_t *request_size, struct ds_handheld_detail *detail)
{
    if (request == NULL || request_size == NULL) {
        return DS_ERR_USAGE;
    }
    return begin(h, false, request, request_max, request_size, detail);
}

int ds_handheld_exchange_end(struct ds_handheld *h, const uint8_t *answer, size_t answer_size,
                             int http_status, struct ds_handheld_sync_result *result,
                             struct ds_handheld_detail *detail)
{
    return end(h, false, (struct ds_slice){answer, answer_size}, http_status, result, detail);
}

/* One round trip over the network. */
static int round_trip(struct ds_handheld *h, uint8_t *memory,
                      struct ds_handheld_sync_result *result, struct ds_handheld_detail *detail)
{
    uint8_t *reply = memory + DS_REQUEST_SIZE_MAX;
    size_t size = 0;
    int status = 0;
    struct ds_builder answer;
    int error = begin(h, true, memory, DS_REQUEST_SIZE_MAX, &size, detail);
    if (error != DS_OK) {
        return error;
    }
    ds_builder_init(&answer, reply, DS_HANDHELD_ANSWER_MAX);
    enum ds_err err = ds_transport_post(h, PATH_EXCHANGE, (struct ds_slice){memory, size}, &answer,
                                        &status, ds_detail_of(detail));
    if (err != DS_OK) {
        /* Tell the exchange that nothing came, but keep what the transport said. */
        int told = end(h, true, (struct ds_slice){0}, 0, result, NULL);
        DS_ASSERT(told != DS_OK);
        return err == DS_ERR_LIMIT ? DS_ERR_NOT_OURS : (int)err;
    }
    return end(h, true, (struct ds_slice){reply, answer.used}, status, result, detail);
}

static bool moved(const struct ds_handheld_sync_result *before,
                  const struct ds_handheld_sync_result *after)
{
    return after->acknowledged_ops > before->acknowledged_ops || after->rows > before->rows ||
           after->new_incarnation;
}

static int exchange_all(struct ds_handheld *h, struct ds_handheld_sync_result *result,
                        struct ds_handheld_detail *detail)
{
    uint8_t *memory = malloc(DS_REQUEST_SIZE_MAX + DS_HANDHELD_ANSWER_MAX);
    int error = memory != NULL ? DS_OK : DS_ERR_NOMEM;
    unsigned idle = 0;
    do {
        struct ds_handheld_sync_result before = *result;
        if (error == DS_OK) {
            error = round_trip(h, memory, result, detail);
        }
        idle = moved(&before, result) ? 0 : idle + 1;
    } while (error == DS_OK && result->more && idle < IDLE_MAX);
    free(memory);
    return error;
}

static int sync_with(struct ds_handheld *h, bool sealed_only,
                     struct ds_handheld_sync_result *result, struct ds_handheld_detail *detail)
{
    struct ds_handheld_sync_result own;
    result = result != NULL ? result : &own;
    memset(result, 0, sizeof(*result));
    enum ds_err err = line_take(h, sealed_only);
    if (err != DS_OK) {
        return (int)err;
    }
    int error = exchange_all(h, result, detail);
    line_give(h);
    return error;
}

int ds_handheld_sync(struct ds_handheld *h, struct ds_handheld_sync_result *result,
                     struct ds_handheld_detail *detail)
{
    return sync_with(h, false, result, detail);
}

int ds_handheld_deliver_locked(struct ds_handheld *h, struct ds_handheld_sync_result *result,
                               struct ds_handheld_detail *detail)
{
    return sync_with(h, true, result, detail);
}

static enum ds_err want_proof(struct ds_handheld *h)
{
    struct ds_txn *txn;
    DS_TRY(ds_hand_begin(h, &txn));
    h->witness.wanted = true;
    return ds_hand_end(h, txn, ds_witness_store(&h->vault, txn, &h->arena, &h->witness));
}

int ds_handheld_prove(struct ds_handheld *h)
{
    enum ds_err err = ds_hand_enter(h, DS_OPEN_NONE);
    return err != DS_OK ? (int)err : ds_hand_leave(h, want_proof(h));
}

/* ---- Relay. ---- */

typedef int write_piece(void *context, const uint8_t *bytes, size_t size);

static enum ds_err write_out(write_piece *write, void *context, const struct ds_builder *piece)
{
    struct ds_slice bytes;
    DS_TRY(ds_builder_end(piece, &bytes));
    return (enum ds_err)write(context, bytes.data, bytes.size);
}

static enum ds_err export_one(struct ds_handheld *h, struct ds_txn *txn,
                              struct ds_sealed_list *list, write_piece *write, void *context)
{
    struct ds_builder piece;
    DS_TRY(ds_ask_sealed(h, txn, &h->arena, list));
    if (list->count == 0) {
        return DS_ERR_INTEGRITY;
    }
    size_t size = list->sealed[0].size + 8;
    ds_builder_init(&piece, ds_arena_room(&h->arena, size), size);
    if (piece.data == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_mp_put_bin(&piece, list->sealed[0]);
    list->from = list->numbers[0] + 1;
    return write_out(write, context, &piece);
}

static enum ds_err export_items(struct ds_handheld *h, struct ds_txn *txn, uint64_t count,
                                write_piece *write, void *context)
{
    uint8_t head[16];
    struct ds_builder piece;
    struct ds_sealed_list *list = ds_arena_alloc(&h->arena, sizeof(*list));
    if (list == NULL) {
        return DS_ERR_LIMIT;
    }
    list->table = DS_KEPT_OUTBOX;
    list->max = 1;
    ds_builder_init(&piece, head, sizeof(head));
    ds_put_text(&piece, "DSB1");
    ds_mp_put_array(&piece, (uint32_t)count);
    DS_TRY(write_out(write, context, &piece));
    for (uint64_t i = 0; i < count; i++) {
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(export_one(h, txn, list, write, context));
        ds_arena_rewind(&h->arena, mark);
    }
    return DS_OK;
}

int ds_handheld_bundle_export(struct ds_handheld *h, write_piece *write, void *context,
                              uint64_t *ops)
{
    struct ds_txn *txn;
    uint64_t count = 0;
    if (write == NULL) {
        return DS_ERR_USAGE;
    }
    enum ds_err err = ds_hand_enter(h, DS_OPEN_NONE);
    if (err != DS_OK) {
        return (int)err;
    }
    err = ds_store_begin(h->store, false, &txn);
    if (err == DS_OK) {
        err = ds_ask_outbox_count(h, txn, &count);
        err = err != DS_OK ? err : export_items(h, txn, count, write, context);
        ds_txn_abort(txn);
    }
    if (ops != NULL) {
        *ops = count;
    }
    return ds_hand_leave(h, err);
}

static enum ds_err keep_items(struct ds_handheld *h, struct ds_txn *txn,
                              const struct ds_slice *sealed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ds_key key = ds_key_order(++h->contact.relay_number);
        DS_TRY(
            ds_safe_put(&h->vault, txn, DS_KEPT_RELAY, ds_key_slice(&key), sealed[i], &h->arena));
    }
    return ds_contact_store(&h->vault, txn, &h->arena, &h->contact);
}

static enum ds_err import(struct ds_handheld *h, struct ds_slice bytes, uint64_t *items,
                          struct ds_detail *detail)
{
    struct ds_slice *sealed;
    size_t count;
    struct ds_txn *txn;
    DS_TRY(ds_bundle_parse(bytes, &h->arena, &sealed, &count, detail));
    DS_TRY(ds_hand_room(h, bytes.size * 2 + DS_HANDHELD_ROOM_CAPTURE));
    DS_TRY(ds_hand_begin(h, &txn));
    DS_TRY(ds_hand_end(h, txn, keep_items(h, txn, sealed, count)));
    *items = count;
    return DS_OK;
}

int ds_handheld_bundle_import(struct ds_handheld *h, const uint8_t *bytes, size_t size,
                              uint64_t *items, struct ds_handheld_detail *detail)
{
    uint64_t count = 0;
    enum ds_err err = ds_hand_enter(h, DS_OPEN_NONE);
    if (err != DS_OK) {
        return (int)err;
    }
    err = import(h, (struct ds_slice){bytes, size}, &count, ds_detail_of(detail));
    if (items != NULL) {
        *items = count;
    }
    return ds_hand_leave(h, err);
}

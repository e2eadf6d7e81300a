#include "tests/support/station.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_SIZE = 4194304 };

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void fill(void *context, void *out, size_t size)
{
    struct test_station *s = context;
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        s->random_state = s->random_state * UINT64_C(6364136223846793005) + 1442695040888963407U;
        bytes[i] = (uint8_t)(s->random_state >> 56);
    }
}

static int64_t now(void *context)
{
    return ((struct test_station *)context)->now_ms;
}

static void must(enum ds_err err, const struct ds_detail *detail)
{
    if (err != DS_OK) {
        fprintf(stderr, "%s: %s\n", ds_err_name(err), detail->text);
        abort();
    }
}

struct ds_folded test_try(struct test_station *s, struct ds_actor *actor, uint8_t type,
                          const struct ds_id *id, const void *record, struct ds_id *made)
{
    static uint8_t bytes[65536];
    struct ds_detail detail = {{0}};
    struct ds_builder builder;
    struct ds_folded folded;
    struct ds_draft draft = {.type = type};
    ds_builder_init(&builder, bytes, sizeof(bytes));
    must(ds_record_encode_op(ds_record_type_by_number(type), record, &builder), &detail);
    must(ds_builder_end(&builder, &draft.fields), &detail);
    if (id != NULL) {
        draft.id = *id;
    }
    must(ds_actor_write(&s->shard, actor, &draft, 1, &folded, &detail), &detail);
    if (made != NULL) {
        *made = draft.made_id;
    }
    return folded;
}

struct ds_id test_write(struct test_station *s, struct ds_actor *actor, uint8_t type,
                        const struct ds_id *id, const void *record)
{
    struct ds_id made;
    struct ds_folded folded = test_try(s, actor, type, id, record, &made);
    MUST(folded.folded >= 1 && folded.quarantined == 0);
    return made;
}

static struct ds_slice text(const char *value)
{
    return ds_slice_of_text(value);
}

static struct ds_id add_worker(struct test_station *s, const char *number, enum ds_role role)
{
    struct ds_worker worker = {.number = {NULL, 0}};
    struct ds_role_grant grant = {.role = 0};
    DS_SET(&worker, worker, number, text(number));
    DS_SET(&worker, worker, name, text(number));
    struct ds_id id = ds_numbered_id(&s->station, DS_REC_worker, text(number));
    test_write(s, &s->import, DS_REC_worker, &id, &worker);
    DS_SET(&grant, role_grant, worker, id);
    DS_SET(&grant, role_grant, role, role);
    DS_SET(&grant, role_grant, subtree, s->station);
    struct ds_id grant_id = ds_grant_id(&s->station, &id, (uint8_t)role, &s->station);
    test_write(s, &s->import, DS_REC_role_grant, &grant_id, &grant);
    return id;
}

static struct ds_id add_book(struct test_station *s, const char *number, const struct ds_id *worker)
{
    struct ds_book book = {.number = {NULL, 0}};
    struct ds_period period = {.period = 0};
    struct ds_id id = ds_numbered_id(&s->station, DS_REC_book, text(number));
    DS_SET(&book, book, number, text(number));
    DS_SET(&book, book, assignee, *worker);
    test_write(s, &s->import, DS_REC_book, &id, &book);
    DS_SET(&period, period, book, id);
    DS_SET(&period, period, period, TEST_PERIOD);
    DS_SET(&period, period, state, DS_PERIOD_open);
    struct ds_id period_id = ds_period_id(&s->station, &id, TEST_PERIOD);
    test_write(s, &s->import, DS_REC_period, &period_id, &period);
    return id;
}

static void add_meter(struct test_station *s, size_t i)
{
    char number[16];
    struct ds_account account = {.number = {NULL, 0}};
    struct ds_premises premises = {.number = {NULL, 0}};
    struct ds_meter meter = {.meter_no = {NULL, 0}};
    uint8_t sealed[256];
    struct ds_builder builder;
    struct ds_detail detail = {{0}};
    snprintf(number, sizeof(number), "A%03zu", i);
    s->account[i] = ds_numbered_id(&s->station, DS_REC_account, text(number));
    ds_builder_init(&builder, sealed, sizeof(sealed));
    must(ds_customer_seal(&s->shard, &s->account[i], DS_TAG_account_phone, text("13800000000"),
                          &builder),
         &detail);
    DS_SET(&account, account, number, text(number));
    DS_SET(&account, account, phone, ((struct ds_slice){sealed, builder.used}));
    DS_SET(&account, account, class, DS_CLASS_residential);
    DS_SET(&account, account, balance_fen, 1234);
    test_write(s, &s->import, DS_REC_account, &s->account[i], &account);
    s->premises[i] = ds_numbered_id(&s->station, DS_REC_premises, text(number));
    DS_SET(&premises, premises, number, text(number));
    DS_SET(&premises, premises, account, s->account[i]);
    DS_SET(&premises, premises, room, text(number));
    test_write(s, &s->import, DS_REC_premises, &s->premises[i], &premises);
    s->meter[i] = ds_meter_id(&s->station, text("MAKER"), text(number));
    DS_SET(&meter, meter, manufacturer, text("MAKER"));
    DS_SET(&meter, meter, meter_no, text(number));
    DS_SET(&meter, meter, premises, s->premises[i]);
    DS_SET(&meter, meter, account, s->account[i]);
    DS_SET(&meter, meter, book, s->book);
    DS_SET(&meter, meter, walk_order, (int64_t)i + 1);
    DS_SET(&meter, meter, dial_digits, 5);
    DS_SET(&meter, meter, unit_l, 1000);
    test_write(s, &s->import, DS_REC_meter, &s->meter[i], &meter);
}

static void open_actors(struct test_station *s)
{
    struct ds_detail detail = {{0}};
    must(ds_actor_open(&s->shard, "import", DS_ACTOR_import, NULL, &s->import, &detail), &detail);
    s->reader = add_worker(s, "W1", DS_ROLE_reader);
    s->other_reader = add_worker(s, "W2", DS_ROLE_reader);
    s->boss = add_worker(s, "W9", DS_ROLE_supervisor);
    must(ds_actor_open(&s->shard, "billing", DS_ACTOR_billing, NULL, &s->billing, &detail),
         &detail);
    must(ds_actor_open(&s->shard, "user:boss", DS_ACTOR_console, &s->boss, &s->supervisor, &detail),
         &detail);
}

void test_station_open(struct test_station *s)
{
    struct ds_detail detail = {{0}};
    struct ds_station station = {.number = {NULL, 0}};
    memset(s, 0, sizeof(*s));
    s->now_ms = TEST_NOW;
    s->random_state = 42;
    struct ds_clock clock = {now, now, s};
    struct ds_random random = {fill, s};
    must(ds_store_memory_open(0, &s->store), &detail);
    must(ds_store_memory_open(0, &s->keys), &detail);
    ds_server_keys_make(&random, &s->secret);
    DS_SET(&station, station, number, text("SJZ01"));
    DS_SET(&station, station, name, text("station"));
    DS_SET(&station, station, offset_min, 480);
    DS_SET(&station, station, billing_authority, DS_AUTHORITY_central);
    must(ds_shard_create(s->store, s->keys, &s->secret, &clock, &random, &station, &detail),
         &detail);
    must(ds_shard_open(&s->shard, s->store, s->keys, &s->secret, &clock, &random, &detail),
         &detail);
    s->station = s->shard.meta.station;
    s->arena_memory = malloc(ARENA_SIZE);
    MUST(s->arena_memory != NULL);
    ds_arena_init(&s->arena, s->arena_memory, ARENA_SIZE);
    open_actors(s);
    s->book = add_book(s, "B1", &s->reader);
    s->other_book = add_book(s, "B2", &s->other_reader);
    for (size_t i = 0; i < TEST_METERS; i++) {
        add_meter(s, i);
    }
}

void test_station_close(struct test_station *s)
{
    ds_shard_close(&s->shard);
    ds_store_close(s->store);
    ds_store_close(s->keys);
    free(s->arena_memory);
}

void test_station_swap(struct test_station *s, struct ds_store *store)
{
    struct ds_clock clock = s->shard.clock;
    struct ds_random random = s->shard.random;
    struct ds_detail detail = {{0}};
    ds_shard_close(&s->shard);
    ds_store_close(s->store);
    s->store = store;
    must(ds_shard_open(&s->shard, s->store, s->keys, &s->secret, &clock, &random, &detail),
         &detail);
}

void test_station_declare(struct test_station *s, uint64_t known)
{
    struct ds_detail detail = {{0}};
    must(ds_actor_open(&s->shard, "user:boss", DS_ACTOR_console, &s->boss, &s->supervisor, &detail),
         &detail);
    must(ds_shard_epoch(&s->shard, &s->supervisor, known), &detail);
}

void test_device_enrol(struct test_station *s, const struct ds_id *worker, unsigned seed,
                       struct test_device *device)
{
    static uint8_t bytes[4096];
    static uint8_t more[4096];
    struct ds_detail detail = {{0}};
    struct ds_builder builder;
    struct ds_builder scratch;
    struct ds_enrol_code code;
    struct ds_random random = {fill, s};
    memset(device, 0, sizeof(*device));
    memset(device->sign.byte, (int)seed, sizeof(device->sign.byte));
    memset(device->box.byte, (int)seed + 100, sizeof(device->box.byte));
    ds_sign_public(&device->sign, &device->sign_public);
    ds_box_public(&device->box, &device->box_public);
    ds_builder_init(&builder, bytes, sizeof(bytes));
    must(ds_enrol_code_make(&s->shard, worker, text("http://127.0.0.1:1"), NULL, 0, &builder),
         &detail);
    ds_builder_init(&scratch, more, sizeof(more));
    must(ds_enrol_code_parse((struct ds_slice){bytes, builder.used}, &scratch, &code, &detail),
         &detail);
    struct ds_enrol_request request = {.code = code.code,
                                       .sign_key = device->sign_public,
                                       .box_key = device->box_public,
                                       .model = text("bench")};
    struct ds_signature signature;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_enrol_request_put(&builder, &request);
    ds_sign(&device->sign, DS_LABEL_ENROL, (struct ds_slice){bytes, builder.used}, &signature);
    request.signature = signature.byte;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_enrol_request_put(&builder, &request);
    ds_builder_init(&scratch, more, sizeof(more));
    must(ds_seal(&code.server_box, (struct ds_slice){bytes, builder.used}, &random, &scratch),
         &detail);
    struct ds_enrol_answer answer;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    must(ds_enrol(&s->shard, (struct ds_slice){more, scratch.used}, &builder, &detail), &detail);
    must(ds_enrol_answer_parse((struct ds_slice){bytes, builder.used}, &answer), &detail);
    device->id = answer.device;
    memset(device->incarnation.byte, (int)seed, sizeof(device->incarnation.byte));
    device->next_seq = 1;
    device->chain = ds_chain_start(&device->incarnation, DS_LANE_WORK);
    device->epoch = 1;
    device->boot = seed;
    device->base_ms = s->now_ms;
}

void test_op(struct test_device *device, uint8_t type, const struct ds_id *id, uint64_t seen,
             const void *record, struct ds_builder *ops, struct ds_hash *chain)
{
    static uint8_t bytes[65536];
    struct ds_detail detail = {{0}};
    struct ds_builder builder;
    struct ds_op op = {.type = type, .seen = seen};
    (void)device;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    must(ds_record_encode_op(ds_record_type_by_number(type), record, &builder), &detail);
    must(ds_builder_end(&builder, &op.fields), &detail);
    if (id != NULL) {
        op.id = *id;
    }
    size_t at = ops->used;
    ds_op_put(ops, &op);
    MUST(!ops->failed);
    *chain = ds_chain_next(chain, (struct ds_slice){ops->data + at, ops->used - at});
}

struct ds_slice test_batch(struct test_station *s, struct test_device *device, uint8_t type,
                           const struct ds_id *id, uint64_t seen, const void *record,
                           struct ds_builder *out)
{
    static uint8_t bytes[65536];
    uint8_t header[512];
    struct ds_builder ops;
    struct ds_builder head;
    struct ds_signature signature;
    struct ds_batch batch = {.suite = DS_SUITE,
                             .station = s->station,
                             .device = device->id,
                             .incarnation = device->incarnation,
                             .lane = DS_LANE_WORK,
                             .first_seq = device->next_seq,
                             .count = 1,
                             .before = device->chain,
                             .epoch = device->epoch,
                             .boot = device->boot,
                             .base_ms = device->base_ms,
                             .source = DS_CLOCK_rtc};
    ds_builder_init(&ops, bytes, sizeof(bytes));
    test_op(device, type, id, seen, record, &ops, &device->chain);
    batch.head = device->chain;
    device->next_seq++;
    ds_builder_init(&head, header, sizeof(header));
    ds_batch_put_header(&head, &batch);
    MUST(!head.failed);
    ds_sign(&device->sign, DS_LABEL_BATCH, (struct ds_slice){header, head.used}, &signature);
    size_t at = out->used;
    ds_batch_put(out, (struct ds_slice){header, head.used}, (struct ds_slice){bytes, ops.used},
                 signature.byte);
    MUST(!out->failed);
    return (struct ds_slice){out->data + at, out->used - at};
}

struct ds_folded test_commit(struct test_station *s, struct ds_slice batch)
{
    struct ds_detail detail = {{0}};
    struct ds_submission submission = {.batch = batch, .anchor_boot = 0};
    struct ds_submission *one = &submission;
    must(ds_submission_check(&s->shard, &submission, &detail), &detail);
    must(ds_shard_commit(&s->shard, &one, 1), &detail);
    return submission.folded;
}

struct ds_id test_reading(struct test_station *s, struct test_device *device, size_t meter,
                          int64_t index, int32_t period)
{
    static uint8_t bytes[65536];
    struct ds_builder builder;
    struct ds_reading reading = {.period = 0};
    DS_SET(&reading, reading, meter, s->meter[meter]);
    DS_SET(&reading, reading, period, period);
    DS_SET(&reading, reading, index, index);
    DS_SET(&reading, reading, instant_ms, s->now_ms);
    DS_SET(&reading, reading, method, DS_METHOD_on_site);
    ds_builder_init(&builder, bytes, sizeof(bytes));
    uint64_t seq = device->next_seq;
    struct ds_slice batch =
        test_batch(s, device, DS_REC_reading, NULL, s->shard.meta.size, &reading, &builder);
    struct ds_folded folded = test_commit(s, batch);
    MUST(folded.error == DS_OK);
    return ds_op_id(&folded.incarnation, DS_LANE_WORK, seq);
}

void test_load(struct test_station *s, uint8_t type, const struct ds_id *id, void *record)
{
    struct ds_txn *txn = NULL;
    struct ds_detail detail = {{0}};
    must(ds_store_begin(s->store, false, &txn), &detail);
    must(ds_record_load(txn, type, id, &s->arena, record), &detail);
    ds_txn_abort(txn);
}

bool test_exists(struct test_station *s, uint8_t type, const struct ds_id *id)
{
    struct ds_txn *txn = NULL;
    struct ds_detail detail = {{0}};
    struct ds_slice value;
    struct ds_key key = ds_key_row(type, id);
    must(ds_store_begin(s->store, false, &txn), &detail);
    enum ds_err err = ds_txn_get(txn, DS_TABLE_ROW, ds_key_slice(&key), &value);
    ds_txn_abort(txn);
    MUST(err == DS_OK || err == DS_ERR_NOT_FOUND);
    return err == DS_OK;
}

void test_slot(struct test_station *s, size_t meter, int32_t period, struct ds_slot *slot)
{
    struct ds_id id =
        ds_slot_id(&s->station, &s->meter[meter], DS_REGISTER_mechanical, (uint32_t)period);
    test_load(s, DS_REC_slot, &id, slot);
}

void test_forget(struct test_station *s)
{
    ds_arena_reset(&s->arena);
}

int64_t test_verdict(struct test_station *s, const struct ds_id *op)
{
    struct ds_verdict verdict;
    struct ds_id id = ds_verdict_id(&s->station, DS_REC_verdict, op);
    if (!test_exists(s, DS_REC_verdict, &id)) {
        return 0;
    }
    test_load(s, DS_REC_verdict, &id, &verdict);
    return verdict.verdict;
}

struct ds_hash test_digest(struct test_station *s)
{
    struct ds_txn *txn = NULL;
    struct ds_hash digest;
    struct ds_detail detail = {{0}};
    must(ds_store_begin(s->store, false, &txn), &detail);
    must(ds_engine_digest(txn, &digest), &detail);
    ds_txn_abort(txn);
    return digest;
}

void test_replay(struct test_station *s)
{
    struct ds_store *empty = NULL;
    struct ds_hash have;
    struct ds_hash made;
    struct ds_head head;
    struct ds_detail detail = {{0}};
    must(ds_shard_verify(&s->shard, NULL, &head, &detail), &detail);
    must(ds_store_memory_open(0, &empty), &detail);
    must(ds_shard_rebuild(&s->shard, empty, NULL, &have, &made, &detail), &detail);
    ds_store_close(empty);
    MUST(ds_hash_equal(&have, &made));
}

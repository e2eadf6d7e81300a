/* The golden examples of sync/FORMAT.md, byte by byte: tests/golden/format.txt.
 *
 * DS_UPDATE_GOLDEN=1 writes the file anew; a change of it is a change of the format. */
#include "schema/codec/msgpack.h"
#include "sync/shard/envelope.h"
#include "sync/shard/wire.h"
#include "tests/support/samples.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_PATH "tests/golden/format.txt"
enum { TEXT_SIZE_MAX = 262144, HEX_LINE_BYTES = 48 };

static void put_hex_lines(struct ds_builder *text, struct ds_slice bytes)
{
    for (size_t at = 0; at < bytes.size; at += HEX_LINE_BYTES) {
        size_t left = bytes.size - at;
        size_t size = left < HEX_LINE_BYTES ? left : HEX_LINE_BYTES;
        ds_put_hex(text, (struct ds_slice){bytes.data + at, size});
        ds_put_text(text, "\n");
    }
}

static void put_raw(struct ds_builder *text, const char *name, struct ds_slice bytes)
{
    ds_put_text(text, "\n== ");
    ds_put_text(text, name);
    ds_put_text(text, "\n");
    put_hex_lines(text, bytes);
}

/* With its description: bytes are one canonical value. */
static void put_value(struct ds_builder *text, const char *name, struct ds_slice bytes)
{
    put_raw(text, name, bytes);
    ds_put_text(text, "-- ");
    ds_mp_describe(bytes, text);
    ds_put_text(text, "\n");
}

static void put_text(struct ds_builder *text, const char *name, struct ds_slice bytes)
{
    ds_put_text(text, "\n== ");
    ds_put_text(text, name);
    ds_put_text(text, "\n");
    ds_put_bytes(text, bytes);
    ds_put_text(text, "\n");
}

static void put_keys(struct ds_builder *text, const struct samples *samples)
{
    put_raw(text, "device sign seed", DS_SLICE_OF(samples->device_sign.byte));
    put_raw(text, "device sign key", DS_SLICE_OF(samples->device_sign_public.byte));
    put_raw(text, "device box secret", DS_SLICE_OF(samples->device_box.byte));
    put_raw(text, "device box key", DS_SLICE_OF(samples->device_box_public.byte));
    put_raw(text, "server sign seed", DS_SLICE_OF(samples->server_sign.byte));
    put_raw(text, "server sign key", DS_SLICE_OF(samples->server_sign_public.byte));
    put_raw(text, "server box secret", DS_SLICE_OF(samples->server_box.byte));
    put_raw(text, "server box key", DS_SLICE_OF(samples->server_box_public.byte));
    put_raw(text, "administrator sign seed", DS_SLICE_OF(samples->admin_sign.byte));
    put_raw(text, "link key up", DS_SLICE_OF(samples->link.up.byte));
    put_raw(text, "link key down", DS_SLICE_OF(samples->link.down.byte));
    put_raw(text, "customer key", DS_SLICE_OF(samples->customer_key.byte));
    put_raw(text, "equality key", DS_SLICE_OF(samples->equality_key.byte));
}

static void put_ids(struct ds_builder *text, const struct samples *samples)
{
    put_raw(text, "station id of number SJZ-01", DS_SLICE_OF(samples->station.byte));
    put_raw(text, "device id of the device sign key", DS_SLICE_OF(samples->device.byte));
    put_raw(text, "worker id of number W-017", DS_SLICE_OF(samples->worker.byte));
    put_raw(text, "meter id of goldcard, 20231107", DS_SLICE_OF(samples->meter.byte));
    put_raw(text, "account id of number 100234", DS_SLICE_OF(samples->account.byte));
    put_raw(text, "incarnation", DS_SLICE_OF(samples->incarnation.byte));
    struct ds_id op = ds_op_id(&samples->incarnation, DS_LANE_WORK, 2);
    put_raw(text, "op id of work 2", DS_SLICE_OF(op.byte));
    struct ds_hash start = ds_chain_start(&samples->incarnation, DS_LANE_WORK);
    put_raw(text, "chain hash before work 1", DS_SLICE_OF(start.byte));
    put_raw(text, "chain hash after work 2", DS_SLICE_OF(samples->chain.byte));
    struct ds_incarnation branch =
        ds_branch_name(&samples->incarnation, DS_LANE_WORK, &samples->chain);
    put_raw(text, "branch that diverges there", DS_SLICE_OF(branch.byte));
}

static void put_journal(struct ds_builder *text, const struct samples *samples)
{
    static const char *const kinds[SAMPLES_ENTRIES] = {
        "entry batch", "entry tick", "entry activate", "entry epoch", "entry erase"};
    put_value(text, "op reading", samples->op_event);
    put_value(text, "op meter", samples->op_entity);
    put_value(text, "batch header", samples->header);
    put_value(text, "batch of both ops", samples->batch);
    for (size_t i = 0; i < SAMPLES_ENTRIES; i++) {
        put_value(text, kinds[i], samples->entry[i]);
    }
    put_raw(text, "root of the activate and the batch entry", DS_SLICE_OF(samples->root.byte));
    put_value(text, "head", samples->head);
    put_value(text, "receipt", samples->receipt);
    put_raw(text, "receipt signature", samples->receipt_signature);
}

static void put_exchange(struct ds_builder *text, const struct samples *samples, const char *name,
                         const struct ds_secret *key, struct ds_slice plain)
{
    static uint8_t memory[SAMPLES_MEMORY_SIZE];
    static uint8_t product_memory[SAMPLES_MEMORY_SIZE];
    struct ds_builder envelope;
    struct ds_slice made;
    uint8_t tag[DS_TAG_SIZE];
    /* Written by hand from FORMAT.md, and then the same by the product. */
    ds_builder_init(&envelope, memory, sizeof(memory));
    ds_put_u8(&envelope, DS_SUITE);
    ds_put_u8(&envelope, 0);
    ds_put_id(&envelope, &samples->device);
    ds_put_u64(&envelope, SAMPLES_COUNTER);
    ds_put_u32(&envelope, (uint32_t)plain.size);
    ds_put_bytes(&envelope, plain);
    assert_int_equal(ds_builder_end(&envelope, &made), DS_OK);
    ds_tag(key, made, (struct ds_slice){NULL, 0}, tag);
    ds_put_bytes(&envelope, DS_SLICE_OF(tag));
    assert_int_equal(ds_builder_end(&envelope, &made), DS_OK);
    put_raw(text, name, made);

    struct ds_builder product;
    struct ds_slice sealed;
    ds_builder_init(&product, product_memory, sizeof(product_memory));
    ds_envelope_seal(NULL, key, &samples->device, SAMPLES_COUNTER, plain, &product);
    assert_int_equal(ds_builder_end(&product, &sealed), DS_OK);
    assert_true(ds_slice_equal(sealed, made));
}

static bool chain_before(void *of, const struct ds_incarnation *incarnation, enum ds_lane lane,
                         uint64_t seq, struct ds_hash *hash)
{
    const struct ds_batch *batch = of;
    (void)incarnation;
    *hash = batch->before;
    return lane == batch->lane && seq + 1 == batch->first_seq;
}

static void put_short(struct ds_builder *text, const struct samples *samples, const char *name,
                      bool down, struct ds_slice payload)
{
    static uint8_t memory[SAMPLES_MEMORY_SIZE];
    static uint8_t product_memory[SAMPLES_MEMORY_SIZE];
    const struct ds_secret *key = down ? &samples->link.down : &samples->link.up;
    uint8_t head[24];
    struct ds_builder envelope;
    struct ds_builder front;
    struct ds_slice made;
    uint8_t tag[DS_TAG_SIZE];
    /* Written by hand from FORMAT.md, and then the same by the product. */
    ds_builder_init(&envelope, memory, sizeof(memory));
    ds_put_u8(&envelope, DS_SUITE);
    ds_put_u8(&envelope, 2);
    if (!down) {
        ds_put_bytes(&envelope, (struct ds_slice){samples->device.byte, 8});
        ds_put_u8(&envelope, SAMPLES_COUNTER);
    }
    ds_put_bytes(&envelope, payload);
    assert_int_equal(ds_builder_end(&envelope, &made), DS_OK);
    ds_builder_init(&front, head, sizeof(head));
    ds_put_id(&front, &samples->device);
    ds_put_u64(&front, SAMPLES_COUNTER);
    ds_tag(key, DS_SLICE_OF(head), made, tag);
    ds_put_bytes(&envelope, DS_SLICE_OF(tag));
    assert_int_equal(ds_builder_end(&envelope, &made), DS_OK);
    put_raw(text, name, made);

    struct ds_builder product;
    struct ds_slice sealed;
    ds_builder_init(&product, product_memory, sizeof(product_memory));
    (down ? ds_envelope_seal_down : ds_envelope_seal_up)(NULL, key, &samples->device,
                                                         SAMPLES_COUNTER, payload, &product);
    assert_int_equal(ds_builder_end(&product, &sealed), DS_OK);
    assert_true(ds_slice_equal(sealed, made));
}

/* The sample batch in columns, and what an idle handheld and its server say. */
static void put_columns(struct ds_builder *text, const struct samples *samples)
{
    static uint8_t memory[1 << 20];
    static uint8_t room[SAMPLES_MEMORY_SIZE];
    struct ds_batch batch;
    struct ds_arena arena;
    struct ds_builder out;
    struct ds_slice made;
    assert_int_equal(ds_batch_parse_trusted(samples->batch, &batch), DS_OK);
    struct ds_request request = {
        .epoch = batch.epoch,
        .budget = DS_BUDGET_DEFAULT,
        .lane_count = 1,
        .at_one = true,
        .position = 40,
        .witness_epoch = batch.epoch,
        .witness_size = 40,
        .health = {.boot = batch.boot, .mono_ms = 3600000, .wall_ms = batch.base_ms + 3600000}};
    request.lanes[0] = (struct ds_lane_state){.incarnation = batch.incarnation,
                                              .lane = (uint64_t)batch.lane,
                                              .seq = batch.first_seq + batch.count - 1,
                                              .chain = batch.head};
    struct ds_batch_known known = {.station = samples->station,
                                   .device = samples->device,
                                   .lanes = request.lanes,
                                   .lane_count = 1,
                                   .epoch = request.epoch,
                                   .seen = request.position,
                                   .health = &request.health,
                                   .of = &batch,
                                   .chain = chain_before};
    ds_arena_init(&arena, memory, sizeof(memory));
    ds_builder_init(&out, room, sizeof(room));
    assert_true(ds_batch_columns_put(&out, &arena, &known, samples->batch));
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    put_raw(text, "batch of both ops in columns; boot and clock as its header, mono_ms 3600000",
            made);

    struct ds_scope scopes[] = {samples->book, samples->mailbox};
    struct ds_wire wire = {.station = samples->station,
                           .device = samples->device,
                           .scopes = scopes,
                           .scope_count = DS_COUNT(scopes),
                           .arena = &arena};
    ds_builder_init(&out, room, sizeof(room));
    assert_int_equal(ds_wire_request_put(&out, &wire, &request), DS_OK);
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    put_short(text, samples, "idle request in its envelope, codec 2", false, made);

    struct ds_wire_asked asked;
    struct ds_page pages[DS_COUNT(scopes)];
    struct ds_response response = {.instant_ms = request.health.wall_ms + 250,
                                   .epoch = request.epoch,
                                   .snapshot = 42,
                                   .retry_ms = DS_WIRE_RETRY_MS,
                                   .lane_count = 1,
                                   .scope_count = DS_COUNT(scopes),
                                   .pages = pages,
                                   .page_count = DS_COUNT(scopes)};
    response.lanes[0] = request.lanes[0];
    response.lanes[0].position = 39;
    memcpy(response.scopes, scopes, sizeof(scopes));
    memset(pages, 0, sizeof(pages));
    for (size_t i = 0; i < DS_COUNT(scopes); i++) {
        pages[i].cursor = (struct ds_cursor_at){scopes[i], 42, UINT32_MAX, 0};
        pages[i].complete = true;
    }
    ds_wire_asked_of(&request, &asked);
    ds_builder_init(&out, room, sizeof(room));
    assert_int_equal(ds_wire_response_put(&out, &wire, &asked, &response), DS_OK);
    assert_int_equal(ds_builder_end(&out, &made), DS_OK);
    put_short(text, samples, "its answer: nothing new but two entries, digests of zeros, codec 2",
              true, made);
}

static void put_all(struct ds_builder *text, const struct samples *samples)
{
    ds_put_text(text,
                "Golden examples of sync/FORMAT.md. After == a name, then bytes in hex; after "
                "-- what they say.\n");
    put_keys(text, samples);
    put_ids(text, samples);
    put_raw(text, "personal field: the account's phone " SAMPLES_PHONE, samples->personal);
    put_raw(text, "wrapped key: the customer key, down", samples->wrapped);
    put_journal(text, samples);
    put_value(text, "exchange request", samples->request);
    put_exchange(text, samples, "exchange request in its envelope, codec 0", &samples->link.up,
                 samples->request);
    put_value(text, "exchange response", samples->response);
    put_exchange(text, samples, "exchange response in its envelope, codec 0", &samples->link.down,
                 samples->response);
    put_columns(text, samples);
    put_text(text, "enrolment code", samples->enrol_code);
    put_value(text, "enrolment request, before it is sealed", samples->enrol_request);
    put_value(text, "enrolment answer", samples->enrol_answer);
    put_raw(text, "bundle of one batch", samples->bundle);
}

static void golden__every_object_has_the_bytes_of_the_golden_file(void **state)
{
    (void)state;
    struct samples *samples = malloc(sizeof(*samples));
    char *memory = malloc(TEXT_SIZE_MAX);
    char *wanted = malloc(TEXT_SIZE_MAX);
    assert_true(samples != NULL && memory != NULL && wanted != NULL);
    struct ds_builder text;
    struct ds_slice made;
    samples_make(samples);
    ds_builder_init(&text, memory, TEXT_SIZE_MAX);
    put_all(&text, samples);
    assert_int_equal(ds_builder_end(&text, &made), DS_OK);

    bool update = getenv("DS_UPDATE_GOLDEN") != NULL;
    FILE *file = fopen(GOLDEN_PATH, update ? "wb" : "rb");
    if (file == NULL) {
        fail_msg("cannot open %s; run in the source folder, DS_UPDATE_GOLDEN=1 makes it",
                 GOLDEN_PATH);
    }
    if (update) {
        assert_int_equal(fwrite(made.data, 1, made.size, file), made.size);
    } else {
        size_t size = fread(wanted, 1, TEXT_SIZE_MAX, file);
        size_t line = 1;
        for (size_t i = 0; i < size && i < made.size && wanted[i] == memory[i]; i++) {
            line += wanted[i] == '\n';
        }
        if (size != made.size || memcmp(wanted, memory, size) != 0) {
            fail_msg("%s differs from line %zu on", GOLDEN_PATH, line);
        }
    }
    assert_int_equal(fclose(file), 0);
    free(samples);
    free(memory);
    free(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden__every_object_has_the_bytes_of_the_golden_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

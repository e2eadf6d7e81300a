#include "tests/support/samples.h"

#include "schema/codec/msgpack.h"
#include "schema/record.h"
#include "tests/support/prng.h"

#include <string.h>

enum { PERIOD = 202601, BOOT = 0x5EED0001, MONO_MS = 3600000, BATCH_OPS = 2 };

static void prng_port(void *context, void *out, size_t size)
{
    prng_fill(context, out, size);
}

/* Slices of what is built in turn in samples->room. */
static struct ds_slice since(const struct samples *samples, size_t begin)
{
    DS_ASSERT(!samples->room.failed);
    return (struct ds_slice){samples->memory + begin, samples->room.used - begin};
}

static struct ds_secret counted_secret(uint8_t first)
{
    struct ds_secret secret;
    for (size_t i = 0; i < sizeof(secret.byte); i++) {
        secret.byte[i] = (uint8_t)(first + i);
    }
    return secret;
}

static void make_keys(struct samples *samples)
{
    samples->device_sign = counted_secret(0x01);
    samples->device_box = counted_secret(0x21);
    samples->server_sign = counted_secret(0x41);
    samples->server_box = counted_secret(0x61);
    samples->admin_sign = counted_secret(0x81);
    samples->customer_key = counted_secret(0xA1);
    samples->equality_key = counted_secret(0xC1);
    ds_sign_public(&samples->device_sign, &samples->device_sign_public);
    ds_box_public(&samples->device_box, &samples->device_box_public);
    ds_sign_public(&samples->server_sign, &samples->server_sign_public);
    ds_box_public(&samples->server_box, &samples->server_box_public);
    ds_sign_public(&samples->admin_sign, &samples->admin_sign_public);
    DS_ASSERT(ds_link_keys_device(&samples->device_box, &samples->server_box_public,
                                  &samples->link) == DS_OK);
}

static void make_ids(struct samples *samples)
{
    struct ds_slice nothing = {NULL, 0};
    struct ds_hash station =
        ds_hash3(DS_SLICE_LIT("doorstep station 1"), DS_SLICE_LIT("SJZ-01"), nothing);
    memcpy(samples->station.byte, station.byte, sizeof(samples->station.byte));
    samples->device =
        ds_id_of(&samples->station, DS_REC_device, DS_SLICE_OF(samples->device_sign_public.byte));
    samples->admin =
        ds_id_of(&samples->station, DS_REC_device, DS_SLICE_OF(samples->admin_sign_public.byte));
    samples->worker = ds_id_of(&samples->station, DS_REC_worker, DS_SLICE_LIT("W-017"));
    samples->meter = ds_id_of(&samples->station, DS_REC_meter,
                              DS_SLICE_LIT("goldcard\x1f"
                                           "20231107"));
    samples->account = ds_id_of(&samples->station, DS_REC_account, DS_SLICE_LIT("100234"));
    for (size_t i = 0; i < sizeof(samples->incarnation.byte); i++) {
        samples->incarnation.byte[i] = (uint8_t)(0xE1 + i);
    }
    struct ds_id book = ds_id_of(&samples->station, DS_REC_book, DS_SLICE_LIT("B07"));
    samples->book = (struct ds_scope){DS_SCOPE_BOOK, book, 1};
    samples->mailbox = (struct ds_scope){DS_SCOPE_MAILBOX, samples->device, 1};
}

/* ---- Ops and the batch. ---- */

static struct ds_slice make_reading(struct samples *samples)
{
    struct ds_builder *out = &samples->room;
    size_t begin = out->used;
    ds_mp_put_map(out, 5);
    ds_mp_put_uint(out, DS_TAG_reading_meter);
    ds_mp_put_id(out, &samples->meter);
    ds_mp_put_uint(out, DS_TAG_reading_period);
    ds_mp_put_uint(out, PERIOD);
    ds_mp_put_uint(out, DS_TAG_reading_index);
    ds_mp_put_uint(out, 1234);
    ds_mp_put_uint(out, DS_TAG_reading_instant_ms);
    ds_mp_put_int(out, SAMPLES_INSTANT_MS);
    ds_mp_put_uint(out, DS_TAG_reading_method);
    ds_mp_put_uint(out, DS_METHOD_on_site);
    return since(samples, begin);
}

/* Clears a field, and carries one that this build does not know. */
static struct ds_slice make_change(struct samples *samples)
{
    struct ds_builder *out = &samples->room;
    size_t begin = out->used;
    ds_mp_put_map(out, 3);
    ds_mp_put_uint(out, DS_TAG_meter_place);
    ds_mp_put_str(out, DS_SLICE_LIT("门后"));
    ds_mp_put_uint(out, DS_TAG_meter_cabinet);
    ds_mp_put_nil(out);
    ds_mp_put_uint(out, 120);
    ds_mp_put_int(out, -5);
    return since(samples, begin);
}

void samples_seal(const struct samples *samples, const struct ds_batch *header, struct ds_slice ops,
                  struct ds_builder *out)
{
    uint8_t memory[512];
    struct ds_builder builder;
    struct ds_slice bytes;
    struct ds_signature signature;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_batch_put_header(&builder, header);
    enum ds_err err = ds_builder_end(&builder, &bytes);
    DS_ASSERT(err == DS_OK);
    ds_sign(&samples->device_sign, DS_LABEL_BATCH, bytes, &signature);
    ds_batch_put(out, bytes, ops, signature.byte);
}

static void make_batch(struct samples *samples)
{
    struct ds_op reading = {.type = DS_REC_reading, .mono_ms = MONO_MS};
    struct ds_op change = {.type = DS_REC_meter,
                           .id = samples->meter,
                           .seen = 41,
                           .mono_ms = MONO_MS + 65000,
                           .shift_ms = -7200000,
                           .source = DS_CLOCK_gps};
    reading.fields = make_reading(samples);
    change.fields = make_change(samples);
    size_t begin = samples->room.used;
    ds_op_put(&samples->room, &reading);
    samples->op_event = since(samples, begin);
    size_t second = samples->room.used;
    ds_op_put(&samples->room, &change);
    samples->op_entity = since(samples, second);
    samples->ops = since(samples, begin);

    struct ds_batch batch = {.suite = DS_SUITE,
                             .station = samples->station,
                             .device = samples->device,
                             .incarnation = samples->incarnation,
                             .lane = DS_LANE_WORK,
                             .first_seq = 1,
                             .count = BATCH_OPS,
                             .before = ds_chain_start(&samples->incarnation, DS_LANE_WORK),
                             .epoch = 1,
                             .boot = BOOT,
                             .base_ms = SAMPLES_INSTANT_MS - MONO_MS,
                             .source = DS_CLOCK_network};
    batch.head = ds_chain_next(&batch.before, samples->op_event);
    batch.head = ds_chain_next(&batch.head, samples->op_entity);
    samples->chain = batch.head;
    begin = samples->room.used;
    ds_batch_put_header(&samples->room, &batch);
    samples->header = since(samples, begin);
    begin = samples->room.used;
    samples_seal(samples, &batch, samples->ops, &samples->room);
    samples->batch = since(samples, begin);
}

/* ---- Entries, heads, receipts. ---- */

static void put_entry(struct samples *samples, const struct ds_entry *entry)
{
    struct ds_signature signature;
    struct ds_entry whole = *entry;
    size_t begin = samples->room.used;
    if (entry->kind == DS_ENTRY_EPOCH || entry->kind == DS_ENTRY_ERASE) {
        ds_entry_put_unsigned(&samples->room, entry);
        ds_sign(&samples->admin_sign, DS_LABEL_ADMIN, since(samples, begin), &signature);
        whole.admin_signature = signature.byte;
        samples->room.used = begin;
    }
    ds_entry_put(&samples->room, &whole);
    samples->entry[entry->kind - 1] = since(samples, begin);
}

static struct ds_hash leaf_of(struct ds_slice entry)
{
    struct ds_hash leaf;
    enum ds_err err = ds_entry_leaf_of(entry, &leaf);
    DS_ASSERT(err == DS_OK);
    return leaf;
}

static void make_entries(struct samples *samples)
{
    struct ds_entry entry = {
        .kind = DS_ENTRY_ACTIVATE, .instant_ms = SAMPLES_INSTANT_MS - 86400000, .version = 1};
    put_entry(samples, &entry);
    entry = (struct ds_entry){.kind = DS_ENTRY_BATCH,
                              .instant_ms = SAMPLES_INSTANT_MS + 600000,
                              .batch = samples->batch,
                              .anchor_boot = BOOT,
                              .anchor_mono_ms = MONO_MS + 600000};
    put_entry(samples, &entry);
    entry = (struct ds_entry){.kind = DS_ENTRY_TICK, .instant_ms = SAMPLES_INSTANT_MS + 700000};
    put_entry(samples, &entry);

    struct ds_tree tree = {0};
    struct ds_hash first = leaf_of(samples->entry[DS_ENTRY_ACTIVATE - 1]);
    struct ds_hash second = leaf_of(samples->entry[DS_ENTRY_BATCH - 1]);
    ds_tree_append(&tree, &first);
    ds_tree_append(&tree, &second);
    samples->root = ds_tree_root(&tree);
    entry = (struct ds_entry){.kind = DS_ENTRY_EPOCH,
                              .instant_ms = SAMPLES_INSTANT_MS + 800000,
                              .epoch = 2,
                              .kept_size = tree.size,
                              .kept_root = samples->root,
                              .admin = samples->admin};
    put_entry(samples, &entry);
    entry = (struct ds_entry){.kind = DS_ENTRY_ERASE,
                              .instant_ms = SAMPLES_INSTANT_MS + 900000,
                              .admin = samples->admin,
                              .erased = DS_SLICE_OF(samples->account.byte)};
    put_entry(samples, &entry);
}

static struct ds_lane_state lane_of(const struct samples *samples, uint64_t position)
{
    return (struct ds_lane_state){.incarnation = samples->incarnation,
                                  .lane = DS_LANE_WORK,
                                  .seq = BATCH_OPS,
                                  .chain = samples->chain,
                                  .position = position};
}

static void make_receipt(struct samples *samples)
{
    struct ds_receipt receipt = {.head = {.station = samples->station,
                                          .epoch = 1,
                                          .size = 2,
                                          .root = samples->root,
                                          .instant_ms = SAMPLES_INSTANT_MS + 600000},
                                 .device = samples->device,
                                 .lanes = {lane_of(samples, 2)},
                                 .lane_count = 1};
    struct ds_signature signature;
    size_t begin = samples->room.used;
    ds_head_put(&samples->room, &receipt.head);
    samples->head = since(samples, begin);
    begin = samples->room.used;
    ds_receipt_put(&samples->room, &receipt);
    samples->receipt = since(samples, begin);
    ds_sign(&samples->server_sign, DS_LABEL_RECEIPT, samples->receipt, &signature);
    begin = samples->room.used;
    ds_put_bytes(&samples->room, DS_SLICE_OF(signature.byte));
    samples->receipt_signature = since(samples, begin);
}

/* ---- Personal fields, keys, enrolment. ---- */

static void make_secrets(struct samples *samples, const struct ds_random *random)
{
    size_t begin = samples->room.used;
    enum ds_err err = ds_personal_seal(
        &samples->account, &samples->customer_key, &samples->equality_key, &samples->account,
        DS_TAG_account_phone, DS_SLICE_LIT(SAMPLES_PHONE), &samples->room);
    DS_ASSERT(err == DS_OK);
    samples->personal = since(samples, begin);

    uint8_t memory[64];
    struct ds_builder aad;
    struct ds_slice aad_bytes;
    ds_builder_init(&aad, memory, sizeof(memory));
    ds_put_text(&aad, "doorstep wrap 1");
    ds_put_id(&aad, &samples->account);
    err = ds_builder_end(&aad, &aad_bytes);
    DS_ASSERT(err == DS_OK);
    begin = samples->room.used;
    err = ds_aead_seal(&samples->link.down, aad_bytes, DS_SLICE_OF(samples->customer_key.byte),
                       random, &samples->room);
    DS_ASSERT(err == DS_OK);
    samples->wrapped = since(samples, begin);
    begin = samples->room.used;
    err = ds_seal(&samples->server_box_public, samples->batch, random, &samples->room);
    DS_ASSERT(err == DS_OK);
    samples->sealed_batch = since(samples, begin);
}

static void make_enrolment(struct samples *samples)
{
    struct ds_id code = {{0x0C, 0x0D, 0x0E}};
    struct ds_enrol_code text = {.station = samples->station,
                                 .server_sign = samples->server_sign_public,
                                 .server_box = samples->server_box_public,
                                 .code = code,
                                 .pins = {{{0xF1}}, {{0xF2}}},
                                 .pin_count = 2,
                                 .url = DS_SLICE_LIT("https://gas.example:8443")};
    struct ds_enrol_request request = {.code = code,
                                       .sign_key = samples->device_sign_public,
                                       .box_key = samples->device_box_public,
                                       .model = DS_SLICE_LIT("PDA-7 / 0.1.0")};
    struct ds_enrol_answer answer = {.station = samples->station,
                                     .device = samples->device,
                                     .worker = samples->worker,
                                     .server_sign = samples->server_sign_public};
    struct ds_signature signature;
    struct ds_builder *out = &samples->room;
    size_t begin = out->used;
    ds_enrol_code_put(out, &text);
    samples->enrol_code = since(samples, begin);

    begin = out->used;
    ds_enrol_request_put(out, &request);
    ds_sign(&samples->device_sign, DS_LABEL_ENROL, since(samples, begin), &signature);
    out->used = begin;
    request.signature = signature.byte;
    ds_enrol_request_put(out, &request);
    samples->enrol_request = since(samples, begin);

    begin = out->used;
    ds_enrol_answer_put(out, &answer);
    ds_sign(&samples->server_sign, DS_LABEL_ENROLLED, since(samples, begin), &signature);
    out->used = begin;
    answer.signature = signature.byte;
    ds_enrol_answer_put(out, &answer);
    samples->enrol_answer = since(samples, begin);

    begin = out->used;
    ds_bundle_put(out, &samples->sealed_batch, 1);
    samples->bundle = since(samples, begin);
}

/* ---- Exchange. ---- */

static void make_request(struct samples *samples)
{
    struct ds_cursor_at cursor = {.scope = samples->book, .position = 41, .ordinal = 3};
    struct ds_wrapped_key key = {samples->account, samples->wrapped};
    struct ds_request request = {.version = DS_EXCHANGE_VERSION,
                                 .epoch = 1,
                                 .batches = &samples->batch,
                                 .batch_count = 1,
                                 .cursors = &cursor,
                                 .cursor_count = 1,
                                 .lanes = {lane_of(samples, 0)},
                                 .lane_count = 1,
                                 .health = {.unsent = BATCH_OPS,
                                            .oldest_unsent_ms = SAMPLES_INSTANT_MS,
                                            .boot = BOOT,
                                            .mono_ms = MONO_MS + 600000,
                                            .wall_ms = SAMPLES_INSTANT_MS + 600000,
                                            .battery_percent = 83,
                                            .free_kib = 1048576,
                                            .version = DS_SLICE_LIT("0.1.0"),
                                            .doubt = {.kind = DS_DOUBT_ROLLED_BACK,
                                                      .count = 2,
                                                      .epoch = 1,
                                                      .size = 2,
                                                      .root = samples->root,
                                                      .shown_epoch = 1,
                                                      .shown_size = 1}},
                                 .budget = 65536,
                                 .relayed = &samples->sealed_batch,
                                 .relayed_count = 1,
                                 .witness_epoch = 1,
                                 .witness_size = 1,
                                 .witness_root = leaf_of(samples->entry[2]),
                                 .keys = &key,
                                 .key_count = 1,
                                 .no_rows = true,
                                 .prove = {1},
                                 .prove_count = 1};
    size_t begin = samples->room.used;
    ds_request_put(&samples->room, &request);
    samples->request = since(samples, begin);
}

/* The scope's digest with one row in it: the sum of one hash. */
static struct ds_hash digest_of(const struct ds_scope *scope, const struct ds_row *row)
{
    uint8_t memory[64];
    struct ds_builder head;
    struct ds_slice bytes;
    ds_builder_init(&head, memory, sizeof(memory));
    ds_put_scope(&head, scope);
    ds_put_u8(&head, (uint8_t)row->type);
    ds_put_id(&head, &row->id);
    ds_put_u64(&head, row->position);
    enum ds_err err = ds_builder_end(&head, &bytes);
    DS_ASSERT(err == DS_OK);
    return ds_hash3(DS_SLICE_LIT("doorstep row 1"), bytes, row->fields);
}

static struct ds_slice make_account(struct samples *samples)
{
    struct ds_builder *out = &samples->room;
    size_t begin = out->used;
    ds_mp_put_map(out, 3);
    ds_mp_put_uint(out, DS_TAG_account_number);
    ds_mp_put_str(out, DS_SLICE_LIT("100234"));
    ds_mp_put_uint(out, DS_TAG_account_phone);
    ds_mp_put_bin(out, samples->personal);
    ds_mp_put_uint(out, DS_TAG_account_class);
    ds_mp_put_uint(out, DS_CLASS_residential);
    return since(samples, begin);
}

static void make_response(struct samples *samples)
{
    struct ds_row rows[] = {
        {.type = DS_REC_account, .id = samples->account, .position = 40},
        {.type = DS_REC_meter, .id = samples->meter, .position = 42},
    };
    rows[0].fields = make_account(samples);
    struct ds_page pages[] = {
        {.cursor = {.scope = samples->book, .position = 42, .ordinal = 0},
         .complete = true,
         .digest = digest_of(&samples->book, &rows[0]),
         .rows = rows,
         .row_count = DS_COUNT(rows)},
        {.cursor = {.scope = samples->mailbox, .position = 17, .ordinal = 2}},
    };
    struct ds_taken taken = {.position = 2,
                             .incarnation = samples->incarnation,
                             .lane = DS_LANE_WORK,
                             .last_seq = BATCH_OPS};
    struct ds_wrapped_key key = {samples->account, samples->wrapped};
    /* The second of two leaves is all that it takes to grow from one to two. */
    struct ds_proof proof = {.hash = {leaf_of(samples->entry[DS_ENTRY_BATCH - 1])}, .count = 1};
    struct ds_response response = {.version = DS_EXCHANGE_VERSION,
                                   .instant_ms = SAMPLES_INSTANT_MS + 600000,
                                   .epoch = 2,
                                   .kept_size = 2,
                                   .snapshot = 42,
                                   .taken = &taken,
                                   .taken_count = 1,
                                   .lanes = {lane_of(samples, 2)},
                                   .lane_count = 1,
                                   .scopes = {samples->book, samples->mailbox},
                                   .scope_count = 2,
                                   .pages = pages,
                                   .page_count = DS_COUNT(pages),
                                   .keys = &key,
                                   .key_count = 1,
                                   .signed_bytes = samples->receipt,
                                   .signature = samples->receipt_signature.data,
                                   .more = true,
                                   .retry_ms = 30000,
                                   .commands = {DS_COMMAND_NEW_INCARNATION},
                                   .command_count = 1,
                                   .own_batches = &samples->batch,
                                   .own_batch_count = 1,
                                   .epoch_entry = samples->entry[DS_ENTRY_EPOCH - 1],
                                   .proofs = &proof,
                                   .proof_count = 1};
    ds_sign_public(&samples->admin_sign, &response.epoch_key);
    size_t begin = samples->room.used;
    ds_response_put(&samples->room, &response);
    samples->response = since(samples, begin);
}

void samples_make(struct samples *samples)
{
    struct prng prng = {1};
    struct ds_random random = {prng_port, &prng};
    enum ds_err err = ds_crypto_init();
    DS_ASSERT(err == DS_OK);
    memset(samples, 0, sizeof(*samples));
    ds_builder_init(&samples->room, samples->memory, sizeof(samples->memory));
    make_keys(samples);
    make_ids(samples);
    make_batch(samples);
    make_entries(samples);
    make_receipt(samples);
    make_secrets(samples, &random);
    make_enrolment(samples);
    make_request(samples);
    make_response(samples);
    DS_ASSERT(!samples->room.failed);
}

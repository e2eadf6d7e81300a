/* A device whose owner has its keys and wishes harm: enrolled, correctly signed, full of lies.
 *
 * It writes what handhelds may not write, speaks in others' names, leaves gaps, repeats, forges
 * knowledge, and sends plain rubbish. The checks look at what stands afterwards. */
#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "tests/sim/sim.h"

struct sim_evil {
    struct ds_secret sign;
    struct ds_secret box;
    struct ds_link_keys link;
    struct ds_id device;
    struct ds_incarnation name;
    uint64_t seq; /* Next. */
    struct ds_hash chain;
    uint64_t counter;
    struct ds_request request; /* Too large for a stack. */
    uint8_t memory[65536];
};

enum { OPS_MAX = 4, OPS_ROOM = 8192 };

/* The request that shows the code and both keys, signed; borrows evil->memory. */
static struct ds_slice enrol_request(struct sim *sim, const struct ds_id *code)
{
    enum { ROOM = 1024 };
    struct sim_evil *evil = sim->evil;
    struct ds_enrol_request request = {.code = *code, .model = DS_SLICE_LIT("evil")};
    struct ds_builder builder;
    struct ds_slice bytes = {NULL, 0};
    struct ds_signature signature;
    ds_sign_public(&evil->sign, &request.sign_key);
    ds_box_public(&evil->box, &request.box_key);
    ds_builder_init(&builder, evil->memory, ROOM);
    ds_enrol_request_put(&builder, &request);
    SIM_MUST(sim, ds_builder_end(&builder, &bytes));
    ds_sign(&evil->sign, DS_LABEL_ENROL, bytes, &signature);
    request.signature = signature.byte;
    ds_builder_init(&builder, evil->memory, ROOM);
    ds_enrol_request_put(&builder, &request);
    SIM_MUST(sim, ds_builder_end(&builder, &bytes));
    return bytes;
}

static void enrol(struct sim *sim)
{
    struct sim_evil *evil = sim->evil;
    struct ds_random random = server_random(sim);
    struct ds_builder text;
    struct ds_builder decoded;
    struct ds_builder sealed;
    struct ds_builder answer;
    struct ds_enrol_code code;
    struct ds_enrol_answer told;
    ds_builder_init(&text, sim->scratch, 4096);
    ds_builder_init(&decoded, sim->scratch + 4096, 4096);
    ds_builder_init(&sealed, sim->scratch + 8192, 4096);
    SIM_MUST(sim, ds_enrol_code_make(&sim->shard, &sim->workers[0], DS_SLICE_LIT("http://x"), NULL,
                                     0, &text));
    SIM_MUST(sim,
             ds_enrol_code_parse((struct ds_slice){text.data, text.used}, &decoded, &code, NULL));
    SIM_MUST(sim, ds_seal(&code.server_box, enrol_request(sim, &code.code), &random, &sealed));
    ds_builder_init(&answer, sim->answer_memory, DS_ENVELOPE_SIZE_MAX);
    if (server_enrol(sim, sealed.data, sealed.used, &answer) != 200) {
        sim_fail(sim, "always_progress", "the evil device is not enrolled");
    }
    SIM_MUST(sim, ds_enrol_answer_parse((struct ds_slice){answer.data, answer.used}, &told));
    evil->device = told.device;
    SIM_MUST(sim, ds_link_keys_device(&evil->box, &code.server_box, &evil->link));
}

void evil_make(struct sim *sim)
{
    struct sim_evil *evil = calloc(1, sizeof *evil);
    struct ds_random random = server_random(sim);
    DS_ASSERT(evil != NULL);
    sim->evil = evil;
    random.fill(random.context, evil->sign.byte, sizeof evil->sign.byte);
    random.fill(random.context, evil->box.byte, sizeof evil->box.byte);
    random.fill(random.context, evil->name.byte, sizeof evil->name.byte);
    evil->seq = 1;
    evil->chain = ds_chain_start(&evil->name, DS_LANE_WORK);
    enrol(sim);
}

void evil_close(struct sim *sim)
{
    free(sim->evil);
    sim->evil = NULL;
}

/* ---- Lies ---- */

struct lie {
    uint8_t type;
    const struct ds_id *id; /* NULL: the op's own. */
    uint8_t tag;
    int64_t number; /* With id_value NULL. */
    const struct ds_id *id_value;
    uint64_t seen;
};

static struct lie invent(struct sim *sim)
{
    const struct sim_meter *meter = &sim->meters[sim_below(sim, sim->meter_count)];
    const struct sim_hand *other = hand_any(sim);
    const struct lie lies[] = {
        {.type = DS_REC_book,
         .id = &sim->books[0],
         .tag = DS_TAG_book_assignee,
         .id_value = &sim->workers[0]},
        {.type = DS_REC_device,
         .id = &other->device,
         .tag = DS_TAG_device_state,
         .number = DS_DEVICE_wiped},
        {.type = DS_REC_account,
         .id = &meter->account,
         .tag = DS_TAG_account_balance_fen,
         .number = 999999},
        {.type = DS_REC_meter,
         .id = &meter->id,
         .tag = DS_TAG_meter_book,
         .id_value = &sim->books[0]},
        {.type = DS_REC_meter,
         .id = &meter->id,
         .tag = DS_TAG_meter_merged_into,
         .id_value = &meter->id},
        {.type = DS_REC_period, .tag = DS_TAG_period_state, .number = DS_PERIOD_closed},
        {.type = DS_REC_role_grant,
         .id = &sim->workers[0],
         .tag = DS_TAG_role_grant_role,
         .number = DS_ROLE_admin},
        {.type = DS_REC_decision, .tag = DS_TAG_decision_action, .number = DS_ACTION_approve},
        {.type = DS_REC_delivery, .tag = DS_TAG_delivery_position, .number = 5},
        {.type = DS_REC_slot, .tag = DS_TAG_slot_state, .number = DS_SLOT_decided},
        {.type = DS_REC_verdict, .tag = DS_TAG_verdict_verdict, .number = DS_VERDICT_applied},
        {.type = DS_REC_reading, .id = &meter->id, .tag = DS_TAG_reading_index, .number = 1},
        {.type = DS_REC_reading, .tag = DS_TAG_reading_index, .number = -7},
        {.type = DS_REC_premises,
         .id = &meter->premises,
         .tag = DS_TAG_premises_hazard,
         .number = DS_HAZARD_none,
         .seen = INT64_MAX},
        {.type = DS_REC_premises,
         .id = &meter->premises,
         .tag = DS_TAG_premises_hazard,
         .number = 77},
        {.type = DS_REC_premises, .id = &meter->premises, .tag = 120, .number = 1},
        {.type = 100, .tag = 1, .number = 1},
        {.type = DS_REC_station,
         .id = &sim->station,
         .tag = DS_TAG_station_offset_min,
         .number = -600},
        {.type = DS_REC_rule_setting, .tag = DS_TAG_rule_setting_enabled, .number = 0},
    };
    return lies[sim_below(sim, DS_COUNT(lies))];
}

/* Whole records, with nothing wrong but who writes them. */
static uint8_t put_record(struct sim *sim, struct ds_builder *fields, struct ds_id *id)
{
    struct ds_decision decision = {.presence = {0}};
    struct ds_delivery delivery = {.presence = {0}};
    struct ds_role_grant grant = {.presence = {0}};
    struct ds_code code = {.presence = {0}};
    const struct sim_meter *meter = &sim->meters[sim_below(sim, sim->meter_count)];
    const void *record = &decision;
    uint8_t type = DS_REC_decision;
    DS_SET(&decision, decision, target_type, DS_REC_meter);
    DS_SET(&decision, decision, target, meter->id);
    DS_SET(&decision, decision, action, DS_ACTION_merge_meter);
    DS_SET(&decision, decision, into, sim->meters[0].id);
    DS_SET(&decision, decision, reason, DS_SLICE_LIT("because"));
    DS_SET(&decision, decision, instant_ms, sim->now_ms);
    DS_SET(&delivery, delivery, consumer, DS_CONSUMER_billing);
    DS_SET(&delivery, delivery, position, (int64_t)sim->shard.meta.size);
    DS_SET(&delivery, delivery, ordinal, 1);
    DS_SET(&grant, role_grant, worker, sim->workers[0]);
    DS_SET(&grant, role_grant, role, DS_ROLE_admin);
    DS_SET(&grant, role_grant, subtree, sim->station);
    DS_SET(&code, code, list, DS_SLICE_LIT("reason"));
    DS_SET(&code, code, number, DS_SLICE_LIT("666"));
    switch (sim_below(sim, 4)) {
    case 0:
        type = DS_REC_delivery;
        record = &delivery;
        break;
    case 1:
        type = DS_REC_role_grant;
        record = &grant;
        *id = ds_grant_id(&sim->station, &sim->workers[0], DS_ROLE_admin, &sim->station);
        break;
    case 2: /* Made in the field, under the op's own id. */
        type = DS_REC_code;
        record = &code;
        break;
    default:
        break;
    }
    SIM_MUST(sim, ds_record_encode_op(ds_record_type_by_number(type), record, fields));
    return type;
}

static uint8_t put_field(struct sim *sim, struct ds_builder *fields, struct ds_op *op)
{
    struct lie lie = invent(sim);
    ds_mp_put_map(fields, 1);
    ds_mp_put_uint(fields, lie.tag);
    if (lie.id_value != NULL) {
        ds_mp_put_id(fields, lie.id_value);
    } else {
        ds_mp_put_int(fields, lie.number);
    }
    op->seen = lie.seen;
    op->id = lie.id != NULL ? *lie.id : op->id;
    return lie.type;
}

static void put_lie(struct sim *sim, struct ds_builder *ops)
{
    uint8_t bytes[512];
    struct ds_builder fields;
    struct ds_op op = {.mono_ms = 1};
    ds_builder_init(&fields, bytes, sizeof bytes);
    op.type =
        sim_chance(sim, 400) ? put_record(sim, &fields, &op.id) : put_field(sim, &fields, &op);
    SIM_MUST(sim, ds_builder_end(&fields, &op.fields));
    trace_line(&sim->trace, "evil: record %u, %zu bytes", (unsigned)op.type, op.fields.size);
    ds_op_put(ops, &op);
}

/* ---- Batches ---- */

static void sign_and_put(struct sim *sim, struct ds_batch *batch, struct ds_slice ops,
                         struct ds_builder *out)
{
    struct ds_signature signature;
    struct ds_builder builder;
    struct ds_slice header = {NULL, 0};
    uint8_t bytes[512];
    ds_builder_init(&builder, bytes, sizeof bytes);
    ds_batch_put_header(&builder, batch);
    SIM_MUST(sim, ds_builder_end(&builder, &header));
    ds_sign(&sim->evil->sign, DS_LABEL_BATCH, header, &signature);
    if (sim_chance(sim, 50)) {
        signature.byte[5] ^= 1;
    }
    ds_batch_put(out, header, ops, signature.byte);
}

static void build(struct sim *sim, struct ds_builder *out, struct ds_batch *batch)
{
    struct sim_evil *evil = sim->evil;
    uint8_t *room = evil->memory + 32768;
    struct ds_builder ops;
    struct ds_slice bytes = {NULL, 0};
    *batch = (struct ds_batch){.suite = DS_SUITE,
                               .station = sim->station,
                               .device = evil->device,
                               .incarnation = evil->name,
                               .lane = DS_LANE_WORK,
                               .first_seq = evil->seq,
                               .before = evil->chain,
                               .epoch = 1,
                               .boot = 1,
                               .base_ms = sim->now_ms,
                               .source = DS_CLOCK_gps};
    const struct sim_hand *other = hand_any(sim);
    switch (sim_below(sim, 12)) {
    case 0: /* In another device's name. */
        batch->device = other->device;
        break;
    case 1:
        batch->first_seq += 5;
        break;
    case 2:
        batch->before.byte[0] ^= 1;
        break;
    case 3:
        batch->epoch = 99;
        break;
    default:
        break;
    }
    ds_builder_init(&ops, room, OPS_ROOM);
    batch->head = batch->before;
    batch->count = 1 + sim_below(sim, OPS_MAX);
    for (uint64_t i = 0; i < batch->count; i++) {
        size_t before = ops.used;
        put_lie(sim, &ops);
        batch->head =
            ds_chain_next(&batch->head, (struct ds_slice){room + before, ops.used - before});
    }
    SIM_MUST(sim, ds_builder_end(&ops, &bytes));
    sign_and_put(sim, batch, bytes, out);
}

/* Did the server take it as the next of our lane? Then we go on behind it. */
static void hear(struct sim *sim, const struct ds_builder *answer, const struct ds_batch *batch)
{
    struct sim_evil *evil = sim->evil;
    struct ds_builder plain;
    struct ds_slice bytes;
    struct ds_arena arena;
    struct ds_response response;
    ds_builder_init(&plain, sim->scratch, 4 << 20);
    if (ds_envelope_open(&sim->codec, &evil->link.down,
                         (struct ds_slice){answer->data, answer->used}, &plain, &bytes,
                         NULL) != DS_OK) {
        sim_fail(sim, "always_progress", "the evil device gets an answer that is not its");
    }
    ds_arena_init(&arena, sim->scratch + (4 << 20), 4 << 20);
    SIM_MUST(sim, ds_response_parse(bytes, &arena, &response, NULL));
    trace_line(&sim->trace, "evil: answer %u", (unsigned)response.taken[0].error);
    if (response.taken[0].error == DS_OK && ds_id_equal(&batch->device, &evil->device) &&
        ds_incarnation_equal(&response.taken[0].incarnation, &evil->name) &&
        batch->first_seq == evil->seq && ds_hash_equal(&batch->before, &evil->chain)) {
        evil->seq += batch->count;
        evil->chain = batch->head;
    }
}

void evil_step(struct sim *sim)
{
    struct sim_evil *evil = sim->evil;
    struct ds_builder out;
    struct ds_builder body;
    struct ds_builder answer;
    struct ds_batch batch;
    struct ds_slice bytes = {NULL, 0};
    struct ds_request *request = &evil->request;
    ds_builder_init(&out, evil->memory, 32768);
    build(sim, &out, &batch);
    SIM_MUST(sim, ds_builder_end(&out, &bytes));
    memset(request, 0, sizeof *request);
    request->version = DS_EXCHANGE_VERSION;
    request->epoch = 1;
    request->batches = &bytes;
    request->batch_count = 1;
    struct ds_builder plain;
    struct ds_slice payload = {NULL, 0};
    ds_builder_init(&plain, sim->scratch, 65536);
    ds_request_put(&plain, request);
    SIM_MUST(sim, ds_builder_end(&plain, &payload));
    ds_builder_init(&body, sim->request_memory, DS_REQUEST_SIZE_MAX);
    ds_envelope_seal(&sim->codec, &evil->link.up, &evil->device, ++evil->counter, payload, &body);
    ds_builder_init(&answer, sim->answer_memory, DS_ENVELOPE_SIZE_MAX);
    int status = server_post(sim, body.data, body.used, &answer);
    if (status == 200) {
        hear(sim, &answer, &batch);
    }
    /* And rubbish. */
    prng_fill(&sim->choose, sim->request_memory + DS_ENVELOPE_HEAD_SIZE, 200);
    (void)server_post(sim, sim->request_memory, 30 + sim_below(sim, 200), &answer);
}

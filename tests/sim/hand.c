/* Handhelds of the simulation: the real SDK over memory stores, with workers who use it badly. */
#include "tests/sim/look.h"

#include <stdio.h>

enum { EXCHANGES_MAX = 40, TEXT_SIZE = 48, HAND_ROWS = 12 /* handheld-sdk/src/kept.h */ };
static const char pin[] = "2468";

/* ---- Ports ---- */

/* On a slow disk it is later each time that somebody looks. */
static int64_t hand_now(void *context)
{
    const struct sim_hand *hand = context;
    hand->sim->now_ms += hand->sim->healed ? 0 : hand->sim->profile.slow_ms;
    return hand->sim->now_ms + hand->clock_offset_ms;
}

static int64_t hand_monotonic(void *context)
{
    const struct sim_hand *hand = context;
    return hand->sim->now_ms - hand->boot_ms;
}

static uint32_t hand_boot_id(void *context)
{
    return ((const struct sim_hand *)context)->boot_id;
}

static void hand_fill(void *context, void *out, size_t size)
{
    prng_fill(&((struct sim_hand *)context)->random, out, size);
}

static int hand_secret(void *context, uint8_t secret[32])
{
    const struct sim_hand *hand = context;
    memset(secret, 0x5a, 32); /* A clone of the card in the same kind of machine. */
    secret[0] = (uint8_t)hand->worker;
    return 0;
}

static int hand_post(void *context, const struct ds_handheld_post *post)
{
    struct sim_hand *hand = context;
    struct ds_builder answer;
    ds_builder_init(&answer, hand->sim->answer_memory, DS_ENVELOPE_SIZE_MAX);
    int status = net_post(hand, post->body, post->body_size, &answer);
    if (status == 0) {
        return DS_E_UNREACHABLE;
    }
    if (answer.used > post->answer_max) {
        return DS_E_LIMIT;
    }
    memcpy(post->answer, answer.data, answer.used);
    *post->answer_size = answer.used;
    *post->status = status;
    return 0;
}

static struct ds_handheld_options options_of(struct sim_hand *hand)
{
    return (struct ds_handheld_options){
        .store = hand->store,
        .clock = {.now_ms = hand_now,
                  .monotonic_ms = hand_monotonic,
                  .boot_id = hand_boot_id,
                  .context = hand},
        .random = {.fill = hand_fill, .context = hand},
        .hardware = {.secret = hand_secret, .context = hand},
        .transport = {.post = hand_post, .context = hand},
        .argon = {.passes = 1, .memory_bytes = 8192},
        .model = "sim",
        .request_budget = hand->sim->profile.page,
    };
}

/* ---- Power ---- */

/* What was committed is there, the rest is lost. */
void hand_lose_memory(struct sim_hand *hand)
{
    struct ds_store *copy = NULL;
    SIM_MUST(hand->sim, ds_store_memory_clone(hand->store, &copy));
    ds_handheld_close(hand->sdk);
    hand->sdk = NULL;
    ds_store_close(hand->store);
    hand->store = copy;
}

void hand_open(struct sim_hand *hand)
{
    for (unsigned tries = 0; hand->sdk == NULL; tries++) {
        struct ds_handheld_options options = options_of(hand);
        struct ds_handheld_detail detail = {{0}};
        int err = ds_handheld_open(&options, pin, &hand->sdk, &detail);
        trace_line(&hand->sim->trace, "h%u opens: %s %s", hand->index, ds_handheld_error_name(err),
                   detail.text);
        if (err == DS_E_OK) {
            return;
        }
        hand->sdk = NULL;
        if ((err != DS_E_IO && err != DS_E_FULL) || tries > 4) {
            sim_fail(hand->sim, "acked_is_durable", "h%u does not open: %s %s", hand->index,
                     ds_handheld_error_name(err), detail.text);
        }
        hand_lose_memory(hand);
    }
}

bool hand_opens_for_thief(struct sim_hand *hand)
{
    struct ds_handheld_options options = options_of(hand);
    struct ds_handheld_detail detail = {{0}};
    ds_handheld_close(hand->sdk);
    hand->sdk = NULL;
    int err = ds_handheld_open(&options, pin, &hand->sdk, &detail);
    trace_line(&hand->sim->trace, "h%u opens for a thief: %s %s", hand->index,
               ds_handheld_error_name(err), detail.text);
    return err == DS_E_OK;
}

static void reboot(struct sim_hand *hand)
{
    hand_lose_memory(hand);
    hand->boot_ms = hand->sim->now_ms - 20000;
    hand->boot_id++;
    hand_open(hand);
}

void hand_close(struct sim_hand *hand)
{
    ds_handheld_close(hand->sdk);
    hand->sdk = NULL;
    ds_store_close(hand->store);
    ds_store_close(hand->backup);
    hand->store = NULL;
    hand->backup = NULL;
}

static void enrol(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    static uint8_t text[1024]; /* One simulation at a time. */
    static uint8_t request[2048];
    size_t request_size = 0;
    struct ds_builder code;
    struct ds_builder answer;
    struct ds_handheld_detail detail = {{0}};
    ds_builder_init(&code, text, sizeof text);
    SIM_MUST(sim, ds_enrol_code_make(&sim->shard, &sim->workers[hand->worker],
                                     DS_SLICE_LIT("http://127.0.0.1:8420"), NULL, 0, &code));
    const char *printed = ds_builder_text(&code);
    /* The first answer may get lost: the same code serves the same keys again. */
    for (unsigned round = 0; round < 2; round++) {
        SIM_MUST(sim, ds_handheld_enrol_begin(hand->sdk, printed, request, sizeof request,
                                              &request_size, &detail));
        ds_builder_init(&answer, sim->answer_memory, DS_ENVELOPE_SIZE_MAX);
        int status = server_enrol(sim, request, request_size, &answer);
        if (round == 0 && sim_chance(sim, 300)) {
            continue;
        }
        int err = ds_handheld_enrol_end(hand->sdk, answer.data, answer.used, status, &detail);
        if (err != DS_E_OK) {
            sim_fail(sim, "always_progress", "h%u cannot enrol: %d %s %s", hand->index, status,
                     ds_handheld_error_name(err), detail.text);
        }
        break;
    }
    struct ds_handheld_status state;
    SIM_MUST(sim, ds_handheld_status(hand->sdk, &state));
    memcpy(hand->device.byte, state.device.byte, 16);
}

void hand_make(struct sim *sim, unsigned index)
{
    struct sim_hand *hand = &sim->hands[index];
    memset(hand, 0, sizeof *hand);
    hand->sim = sim;
    hand->index = index;
    hand->worker = index;
    hand->boot_ms = sim->now_ms - 60000;
    hand->boot_id = 1 + index * 1000;
    hand->random.state = sim->seed * 1000 + index;
    hand->clock_offset_ms = (int64_t)sim_below(sim, 120000) - 60000;
    SIM_MUST(sim, ds_store_memory_open(0, &hand->store));
    hand_open(hand);
    enrol(hand);
    sim->hand_count = index + 1;
}

/* ---- What the SDK says of itself ---- */

static bool note_receipt(void *context, const struct ds_handheld_log_entry *entry)
{
    struct sim_hand *hand = context;
    struct ds_id id;
    memcpy(id.byte, entry->op.byte, 16);
    struct model_op *op =
        model_by_id(&hand->sim->model, &id, hand->index, (uint8_t)entry->type, entry->instant_ms);
    if (op != NULL && entry->state == DS_HANDHELD_ACKNOWLEDGED) {
        op->acked = true;
    }
    return true;
}

void hand_note_receipts(struct sim_hand *hand)
{
    if (hand->sdk == NULL) {
        return;
    }
    int err = ds_handheld_log(hand->sdk, false, note_receipt, hand);
    bool rotten = err == DS_E_INTEGRITY && hand->rotted;
    if (err != DS_E_OK && err != DS_E_IO && err != DS_E_LOCKED && !rotten) {
        sim_fail(hand->sim, "nothing_lost", "h%u cannot list its work: %s", hand->index,
                 ds_handheld_error_name(err));
    }
}

/* What stands on the screen, or below the own work, of a premises; position 0: nothing. */
static struct ds_handheld_row look_at(struct sim_hand *hand, const struct ds_id *entity,
                                      bool overlaid, int *err)
{
    struct ds_handheld_row row = {
        .type = DS_REC_premises, .overlaid = overlaid, .fields = hand->sim->scratch, .size = 65536};
    memcpy(row.id.byte, entity->byte, 16);
    *err = ds_handheld_row(hand->sdk, &row);
    if (*err != DS_E_OK) {
        row.used = 0;
        row.position = 0;
    }
    return row;
}

static bool is_lapsed(struct sim_hand *hand)
{
    struct ds_handheld_status status;
    return ds_handheld_status(hand->sdk, &status) == DS_E_OK && status.lapsed;
}

/* Work never blinks out of sight: what is not acknowledged is seen on the screen. */
static void check_overlay(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    int err = 0;
    hand_note_receipts(hand);
    for (size_t i = sim->model.count; i-- > 0;) {
        const struct model_op *op = &sim->model.op[i];
        if (!(op->storages >> hand->index & 1) || op->type != DS_REC_premises) {
            continue;
        }
        if (!op->certain || op->acked) {
            return;
        }
        struct ds_handheld_row row = look_at(hand, &op->entity, true, &err);
        const struct model_op *shown =
            model_find(&sim->model, (struct ds_slice){row.fields, row.used});
        bool closed = err == DS_E_LOCKED && is_lapsed(hand); /* Without a lease nobody looks. */
        bool rotten = err == DS_E_INTEGRITY && hand->rotted;
        if (shown != op && err != DS_E_IO && !closed && !rotten) {
            sim_fail(sim, "nothing_lost", "h%u does not show its pending op #%07u (%s)",
                     hand->index, op->serial, ds_handheld_error_name(err));
        }
        sim_checked("nothing_lost");
        return;
    }
}

/* ---- Recording ---- */

/* What a recording function returned, as the model sees it. */
static void recorded(struct sim_hand *hand, struct model_op *op, int err,
                     const struct ds_handheld_id *id, const char *what, const char *detail)
{
    struct sim *sim = hand->sim;
    trace_line(&sim->trace, "h%u %s #%07u: %s %s", hand->index, what, op->serial,
               ds_handheld_error_name(err), detail);
    switch (err) {
    case DS_E_OK:
        op->certain = true;
        memcpy(op->op.byte, id->byte, 16);
        break;
    case DS_E_IO: /* The worker was told that it failed; it may be there all the same. */
        break;
    case DS_E_FULL:
    case DS_E_INTEGRITY: /* Of a row that rotted. */
    case DS_E_NOT_FOUND:
    case DS_E_SCHEMA:
    case DS_E_CONFLICT:
    case DS_E_USAGE:
        model_drop(&sim->model);
        break;
    case DS_E_LOCKED: /* Without a lease facts are recorded; what was pulled is not edited. */
        if (!is_lapsed(hand)) {
            sim_fail(sim, "always_progress", "h%u cannot record %s: locked", hand->index, what);
        }
        model_drop(&sim->model);
        break;
    default:
        sim_fail(sim, "always_progress", "h%u cannot record %s: %s %s", hand->index, what,
                 ds_handheld_error_name(err), detail);
    }
    if (err == DS_E_INTEGRITY && !hand->rotted) {
        sim_fail(sim, "replicas_converge", "h%u %s: %s", hand->index, what, detail);
    }
    if (err == DS_E_IO || err == DS_E_FULL) {
        hand_lose_memory(hand);
        hand_open(hand);
    }
}

static struct model_op *next_op(struct sim_hand *hand, uint8_t type, const struct ds_id *entity,
                                char marker[static MODEL_MARKER_SIZE])
{
    struct model_op *op = model_next(&hand->sim->model, marker);
    if (op == NULL) {
        return NULL;
    }
    op->hand = hand->index;
    op->type = type;
    op->entity = *entity;
    op->instant_ms = hand_now(hand);
    op->storages = UINT64_C(1) << hand->index;
    op->snapshot = hand->snapshot;
    return op;
}

static struct ds_handheld_id out(const struct ds_id *id)
{
    struct ds_handheld_id copy;
    memcpy(copy.byte, id->byte, 16);
    return copy;
}

/* Mostly one of the worker's own books. */
static struct sim_meter *meter_for(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    struct sim_meter *meter = &sim->meters[sim_below(sim, sim->meter_count)];
    for (unsigned i = 0; i < 6 && sim->book_worker[meter->book] != hand->worker; i++) {
        meter = &sim->meters[sim_below(sim, sim->meter_count)];
    }
    return meter;
}

static void read_meter(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    char marker[MODEL_MARKER_SIZE];
    struct sim_meter *meter = meter_for(hand);
    struct ds_id id = meter->id;
    bool typed = sim->unknown_count > 0 && sim_chance(sim, 80);
    if (typed) {
        id = sim->unknown[sim_below(sim, sim->unknown_count)];
    }
    struct model_op *op = next_op(hand, DS_REC_reading, &id, marker);
    if (op == NULL) {
        return;
    }
    meter->index += (int64_t)sim_below(sim, 40);
    struct ds_handheld_reading reading = {
        .meter = out(&id), .has_index = true, .index = meter->index, .note = marker};
    switch (sim_below(sim, 10)) {
    case 0: /* Typed wrong. */
        reading.index = sim_chance(sim, 500) ? meter->index + 5000 : meter->index / 2;
        reading.reason = "checked twice";
        break;
    case 1:
        reading.has_index = false;
        reading.condition = DS_CONDITION_no_access;
        reading.method = DS_HANDHELD_ON_SITE;
        break;
    case 2:
        reading.method = DS_HANDHELD_ESTIMATE;
        reading.estimate_method = DS_ESTIMATE_same_season;
        break;
    case 3:
        reading.method = DS_HANDHELD_SELF_REPORT;
        break;
    default:
        break;
    }
    if (typed || sim->book_worker[meter->book] != hand->worker || sim_chance(sim, 100)) {
        reading.period = sim->period[meter->book]; /* He knows it where his replica does not. */
    }
    struct ds_handheld_id made;
    struct ds_handheld_detail detail = {{0}};
    int err = ds_handheld_record_reading(hand->sdk, &reading, &made, &detail);
    recorded(hand, op, err, &made, "reads", detail.text);
}

static void visit(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    char marker[MODEL_MARKER_SIZE];
    const struct sim_meter *meter = meter_for(hand);
    struct model_op *op = next_op(hand, DS_REC_visit, &meter->premises, marker);
    if (op == NULL) {
        return;
    }
    struct ds_handheld_visit visit = {
        .premises = out(&meter->premises),
        .meter = out(&meter->id),
        .period = sim->period[meter->book],
        .outcome = 1 + (int)sim_below(sim, 6),
        .slip = sim_chance(sim, 500),
        .note = marker,
    };
    struct ds_handheld_id made;
    struct ds_handheld_detail detail = {{0}};
    int err = ds_handheld_record_visit(hand->sdk, &visit, &made, &detail);
    recorded(hand, op, err, &made, "visits", detail.text);
}

static void swap(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    char marker[MODEL_MARKER_SIZE];
    struct sim_meter *meter = meter_for(hand);
    struct model_op *op = next_op(hand, DS_REC_swap, &meter->id, marker);
    if (op == NULL) {
        return;
    }
    struct ds_handheld_swap swap = {
        .meter = out(&meter->id),
        .period = sim->period[meter->book],
        .old_final_index = meter->index,
        .new_meter_no = marker,
        .new_dial_digits = 6,
        .reason = "too old",
    };
    struct ds_handheld_id made;
    struct ds_handheld_detail detail = {{0}};
    meter->index = 0;
    int err = ds_handheld_record_swap(hand->sdk, &swap, &made, &detail);
    recorded(hand, op, err, &made, "swaps", detail.text);
}

static void type_meter(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    char marker[MODEL_MARKER_SIZE];
    const struct sim_meter *near = meter_for(hand);
    struct ds_id none = {{0}};
    struct model_op *op = next_op(hand, DS_REC_meter, &none, marker);
    if (op == NULL) {
        return;
    }
    struct ds_handheld_new_meter meter = {.manufacturer = "Unknown",
                                          .meter_no = marker,
                                          .premises = out(&near->premises),
                                          .book = out(&sim->books[near->book]),
                                          .dial_digits = 5,
                                          .place = "cellar"};
    struct ds_handheld_id made;
    struct ds_handheld_detail detail = {{0}};
    int err = ds_handheld_record_meter(hand->sdk, &meter, &made, &detail);
    recorded(hand, op, err, &made, "types a meter", detail.text);
    if (err == DS_E_OK && sim->unknown_count < SIM_UNKNOWN_MAX) {
        memcpy(sim->unknown[sim->unknown_count++].byte, made.byte, 16);
    }
}

static void edit_premises(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    char marker[MODEL_MARKER_SIZE];
    char number[TEXT_SIZE];
    const struct sim_meter *meter = meter_for(hand);
    struct model_op *op = next_op(hand, DS_REC_premises, &meter->premises, marker);
    if (op == NULL) {
        return;
    }
    int err = 0;
    op->held = look_at(hand, &meter->premises, false, &err).position;
    static const char *const grades[] = {"none", "grade_3", "grade_2", "grade_1"};
    struct ds_handheld_edit edits[3] = {{"access_note", marker}};
    struct ds_handheld_edits all = {
        .record = "premises", .id = out(&meter->premises), .edits = edits, .count = 2};
    switch (sim_below(sim, 5)) {
    case 0:
        (void)snprintf(number, sizeof number, "%u", 380000000 + sim_below(sim, 4));
        edits[1] = (struct ds_handheld_edit){"lat_e7", number};
        break;
    case 1:
        edits[1] = (struct ds_handheld_edit){"hazard", grades[sim_below(sim, 4)]};
        break;
    case 2:
        (void)snprintf(number, sizeof number, "neighbour %u", sim_below(sim, 9));
        edits[1] = (struct ds_handheld_edit){"key_holder", number};
        break;
    case 3: /* The office's: refused. Rarely, for what is refused is left out of some checks. */
        edits[1] = (struct ds_handheld_edit){"district", "elsewhere"};
        all.count = sim_chance(sim, 150) ? 2 : 1;
        break;
    default:
        all.count = 1;
        break;
    }
    struct ds_handheld_id made;
    struct ds_handheld_detail detail = {{0}};
    err = ds_handheld_record_edit(hand->sdk, &all, &made, &detail);
    recorded(hand, op, err, &made, "edits", detail.text);
}

static void propose(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    char marker[MODEL_MARKER_SIZE];
    char phone[TEXT_SIZE];
    const struct sim_meter *meter = meter_for(hand);
    struct model_op *op = next_op(hand, DS_REC_account, &meter->account, marker);
    if (op == NULL) {
        return;
    }
    (void)snprintf(phone, sizeof phone, "138%08u", sim_below(sim, 99));
    struct ds_handheld_edit edits[2] = {{"tariff", marker}, {"phone", phone}};
    struct ds_handheld_edits all = {
        .record = "account", .id = out(&meter->account), .edits = edits, .count = 2};
    struct ds_handheld_id made;
    struct ds_handheld_detail detail = {{0}};
    int err = ds_handheld_record_edit(hand->sdk, &all, &made, &detail);
    recorded(hand, op, err, &made, "proposes", detail.text);
}

static void step_task(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    char marker[MODEL_MARKER_SIZE];
    if (sim->task_count == 0) {
        return;
    }
    const struct ds_id *task = &sim->tasks[sim_below(sim, sim->task_count)];
    struct model_op *op = next_op(hand, DS_REC_task, task, marker);
    if (op == NULL) {
        return;
    }
    static const int states[] = {DS_TASK_accepted, DS_TASK_working, DS_TASK_done, DS_TASK_returned};
    struct ds_handheld_task_step step = {
        .task = out(task), .state = states[sim_below(sim, DS_COUNT(states))], .reason = marker};
    struct ds_handheld_id made;
    struct ds_handheld_detail detail = {{0}};
    int err = ds_handheld_record_task(hand->sdk, &step, &made, &detail);
    recorded(hand, op, err, &made, "steps a task", detail.text);
}

static void maybe_break_disk(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    if (!sim->healed && sim_chance(sim, sim->profile.disk)) {
        bool after = sim_chance(sim, 400);
        enum ds_err err = !after && sim_chance(sim, 300) ? DS_ERR_FULL : DS_ERR_IO;
        ds_store_memory_fail_commit(hand->store, 1 + sim_below(sim, 3), err, after);
        trace_line(&sim->trace, "h%u disk will fail: %s%s", hand->index, ds_err_name(err),
                   after ? " after" : "");
    }
}

void hand_work(struct sim_hand *hand)
{
    static void (*const acts[])(struct sim_hand * hand) = {
        read_meter,    read_meter, read_meter, read_meter, read_meter,    read_meter,
        read_meter,    read_meter, visit,      swap,       type_meter,    edit_premises,
        edit_premises, propose,    step_task,  step_task,  edit_premises, edit_premises,
    };
    maybe_break_disk(hand);
    unsigned times = 1 + sim_below(hand->sim, 3);
    for (unsigned i = 0; i < times; i++) {
        acts[sim_below(hand->sim, DS_COUNT(acts))](hand);
    }
    if (sim_chance(hand->sim, 100)) {
        check_overlay(hand);
    }
}

/* ---- Exchange ---- */

/* After an error the handheld must be usable again: opened anew where the storage failed. */
static void after_exchange(struct sim_hand *hand, int err, const char *detail)
{
    struct sim *sim = hand->sim;
    trace_line(&sim->trace, "h%u exchange: %s %s", hand->index, ds_handheld_error_name(err),
               detail);
    if (err == DS_E_IO || err == DS_E_FULL) {
        hand_lose_memory(hand);
        hand_open(hand);
    }
    if (err == DS_E_INTEGRITY && hand->rotted) {
        return; /* Reported; the next one goes on. */
    }
    if (sim->healed && err != DS_E_OK) {
        sim_fail(sim, "always_progress", "h%u exchange over a good network: %s %s", hand->index,
                 ds_handheld_error_name(err), detail);
    }
    if (err == DS_E_INTEGRITY) {
        sim_fail(sim, "replicas_converge", "h%u exchange: %s", hand->index, detail);
    }
}

void hand_exchange(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    struct ds_handheld_detail detail = {{0}};
    struct ds_handheld_sync_result result = {0};
    struct ds_builder answer;
    size_t size = 0;
    maybe_break_disk(hand);
    int err = ds_handheld_exchange_begin(hand->sdk, sim->request_memory, DS_HANDHELD_REQUEST_MAX,
                                         &size, &detail);
    if (err != DS_E_OK) {
        after_exchange(hand, err, detail.text);
        return;
    }
    if (sim_chance(sim, 150)) {
        hand_work(hand); /* Recording never waits for a transfer. */
    }
    if (hand->sdk == NULL) {
        return;
    }
    if (sim_chance(sim, 60)) {
        office_reassign(sim); /* In the middle of a pull. */
    }
    if (sim->profile.revokes && !hand->revoked && !sim->undeclared && sim_chance(sim, 20)) {
        office_revoke(sim, hand); /* In the middle of a push. */
    }
    ds_builder_init(&answer, sim->answer_memory, DS_ENVELOPE_SIZE_MAX);
    int status = net_post(hand, sim->request_memory, size, &answer);
    uint64_t known = sim->shard.meta.size;
    if (status == 0 && sim_chance(sim, 300)) {
        return; /* Begins again without an end. */
    }
    if (sim_chance(sim, 30) && !sim->healed) {
        reboot(hand); /* Power lost with the answer in hand. */
        return;
    }
    err = ds_handheld_exchange_end(hand->sdk, answer.data, answer.used, status, &result, &detail);
    if (err == DS_E_OK && known > hand->snapshot) {
        hand->snapshot = known;
    }
    if (err == DS_E_IO && known > hand->snapshot) {
        hand->snapshot = known; /* Perhaps. */
    }
    trace_line(&sim->trace, "h%u status %d: sent %llu, acknowledged %llu, rows %llu%s%s%s",
               hand->index, status, (unsigned long long)result.sent_ops,
               (unsigned long long)result.acknowledged_ops, (unsigned long long)result.rows,
               result.more ? ", more" : "", result.new_incarnation ? ", new incarnation" : "",
               result.refetched != 0 ? ", refetch" : "");
    after_exchange(hand, err, detail.text);
    if (result.acknowledged_ops > 0) {
        hand_note_receipts(hand); /* While the list holds them: it forgets what is old. */
    }
    if (sim_chance(sim, 100)) {
        check_overlay(hand);
    }
}

bool hand_drain(struct sim_hand *hand, uint64_t *rows)
{
    struct sim *sim = hand->sim;
    struct ds_handheld_status status;
    *rows = 0;
    for (unsigned i = 0; i < EXCHANGES_MAX; i++) {
        struct ds_handheld_sync_result result = {0};
        struct ds_handheld_detail detail = {{0}};
        int err = ds_handheld_sync(hand->sdk, &result, &detail);
        trace_line(&sim->trace,
                   "h%u drains: %s, %u exchanges, sent %llu, acknowledged %llu, rows %llu%s%s %s",
                   hand->index, ds_handheld_error_name(err), result.exchanges,
                   (unsigned long long)result.sent_ops, (unsigned long long)result.acknowledged_ops,
                   (unsigned long long)result.rows,
                   result.new_incarnation ? ", new incarnation" : "",
                   result.refetched != 0 ? ", refetch" : "", detail.text);
        after_exchange(hand, err, detail.text);
        if (result.acknowledged_ops > 0) {
            hand_note_receipts(hand);
        }
        *rows += result.rows;
        SIM_MUST(sim, ds_handheld_status(hand->sdk, &status));
        if (!result.more && status.unsent == 0 && result.refetched == 0) {
            return true;
        }
    }
    trace_line(&sim->trace, "h%u still has %llu unsent: %s", hand->index,
               (unsigned long long)status.unsent, status.problem);
    return false;
}

/* ---- What goes wrong with a handheld ---- */

static void back_up(struct sim_hand *hand)
{
    ds_store_close(hand->backup);
    SIM_MUST(hand->sim, ds_store_memory_clone(hand->store, &hand->backup));
    model_backup(&hand->sim->model, hand->index);
    trace_line(&hand->sim->trace, "h%u is backed up", hand->index);
}

static void restore(struct sim_hand *hand)
{
    if (hand->backup == NULL) {
        back_up(hand);
        return;
    }
    hand_note_receipts(hand);
    ds_handheld_close(hand->sdk);
    hand->sdk = NULL;
    ds_store_close(hand->store);
    hand->store = NULL;
    SIM_MUST(hand->sim, ds_store_memory_clone(hand->backup, &hand->store));
    model_restore(&hand->sim->model, hand->index);
    hand->went_back = true;
    trace_line(&hand->sim->trace, "h%u is restored from its backup", hand->index);
    hand_open(hand);
}

static void clone(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    if (sim->hand_count == SIM_HANDS_MAX || sim->hand_count > sim->profile.hands) {
        return;
    }
    struct sim_hand *twin = &sim->hands[sim->hand_count];
    *twin = *hand;
    twin->index = sim->hand_count;
    twin->random.state = sim->seed * 1000 + twin->index;
    twin->sdk = NULL;
    twin->backup = NULL;
    twin->boot_id += 500;
    SIM_MUST(sim, ds_store_memory_clone(hand->store, &twin->store));
    model_clone(&sim->model, hand->index, twin->index);
    hand->cloned = true;
    twin->cloned = true;
    sim->hand_count++;
    trace_line(&sim->trace, "h%u is cloned as h%u", hand->index, twin->index);
    hand_open(twin);
}

/* The vault is locked; what is sealed goes out all the same. */
static void deliver_locked(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    struct ds_handheld_detail detail = {{0}};
    struct ds_handheld_sync_result result = {0};
    if (sim->undeclared) {
        return;
    }
    ds_handheld_lock(hand->sdk);
    int err = ds_handheld_deliver_locked(hand->sdk, &result, &detail);
    trace_line(&sim->trace, "h%u delivers locked: %s, sent %llu %s", hand->index,
               ds_handheld_error_name(err), (unsigned long long)result.sent_ops, detail.text);
    if (err != DS_E_IO && err != DS_E_FULL) {
        err = ds_handheld_unlock(hand->sdk, pin, &detail);
    }
    if (result.acknowledged_ops > 0) {
        hand_note_receipts(hand);
    }
    if (err == DS_E_IO || err == DS_E_FULL) {
        hand_lose_memory(hand);
        hand_open(hand);
    } else if (err != DS_E_OK) {
        sim_fail(sim, "always_progress", "h%u does not unlock: %s %s", hand->index,
                 ds_handheld_error_name(err), detail.text);
    }
}

/* What rotted and was met by nobody is found by the scrub that the SDK asks for now and then. */
void hand_scrub(struct sim_hand *hand)
{
    struct ds_handheld_detail detail = {{0}};
    uint64_t values = 0;
    uint64_t bad = 0;
    if (hand->sdk != NULL && hand->rotted) {
        int err = ds_handheld_scrub(hand->sdk, &values, &bad, &detail);
        trace_line(&hand->sim->trace, "h%u is scrubbed: %s", hand->index,
                   ds_handheld_error_name(err));
    }
}

/* One bit of a row of the replica turns over. Nobody sees a wrong value; a scrub, or the next
 * answer that meets the row, reports it, and what was lost is fetched anew. */
static void rot(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    struct ds_id id = sim->meters[sim_below(sim, sim->meter_count)].id;
    struct ds_key key = ds_key_row(DS_REC_meter, &id);
    struct ds_handheld_detail detail = {{0}};
    uint64_t values = 0;
    uint64_t bad = 0;
    if (!ds_store_memory_rot(hand->store, HAND_ROWS, ds_key_slice(&key), prng_next(&sim->choose))) {
        return;
    }
    hand->rotted = true;
    trace_line(&sim->trace, "h%u's replica rots", hand->index);
    if (sim_chance(sim, 500)) {
        return; /* Found on the way. */
    }
    int err = ds_handheld_scrub(hand->sdk, &values, &bad, &detail);
    trace_line(&sim->trace, "h%u scrubs: %s %s", hand->index, ds_handheld_error_name(err),
               detail.text);
    if (err == DS_E_IO || err == DS_E_FULL) {
        hand_lose_memory(hand);
        hand_open(hand);
    } else if (err != DS_E_INTEGRITY) {
        sim_fail(sim, "replicas_converge", "h%u's damaged replica passes a scrub: %s", hand->index,
                 ds_handheld_error_name(err));
    }
}

/* Out of reach for days, or for a year. */
static void go_away(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    uint64_t days = 1 + prng_below(&sim->choose, sim_chance(sim, 300) ? 400 : 30);
    hand->cut_off_until_ms = sim->now_ms + (int64_t)days * SIM_DAY_MS;
    trace_line(&sim->trace, "h%u is away for %llu days", hand->index, (unsigned long long)days);
}

void hand_fault(struct sim_hand *hand)
{
    struct sim *sim = hand->sim;
    switch (sim_below(sim, 10)) {
    case 0:
    case 1:
        trace_line(&sim->trace, "h%u reboots", hand->index);
        reboot(hand);
        break;
    case 2:
    case 3:
        back_up(hand);
        break;
    case 4:
    case 5:
        if (sim->profile.hand_restores) {
            restore(hand);
        }
        break;
    case 6:
        if (sim->profile.clones) {
            clone(hand);
        }
        break;
    case 7:
        if (sim->profile.away) {
            go_away(hand);
        }
        if (sim->profile.rots) {
            rot(hand);
        }
        break;
    case 8:
        deliver_locked(hand);
        break;
    default:
        if (sim->profile.revokes && !hand->revoked) {
            office_revoke(sim, hand);
        }
        break;
    }
}

struct sim_hand *hand_any(struct sim *sim)
{
    return sim->hand_count == 0 ? NULL : &sim->hands[sim_below(sim, sim->hand_count)];
}

/* The office of the simulation: imports, clerks, the supervisor, billing. */
#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "tests/sim/sim.h"

#include <stdio.h>

enum { DRAFTS_MAX = 40, PAPER_SIZE = 65536, TEXT_SIZE = 32 };

/* Drafts on their way to the server, with the memory that their fields lie in. */
struct paper {
    struct sim *sim;
    struct ds_draft draft[DRAFTS_MAX];
    size_t count;
    uint8_t bytes[PAPER_SIZE];
    size_t used;
};

static struct paper *paper_make(struct sim *sim)
{
    struct paper *paper = calloc(1, sizeof *paper);
    DS_ASSERT(paper != NULL);
    paper->sim = sim;
    return paper;
}

static void paper_add(struct paper *paper, uint8_t type, const struct ds_id *id, const void *record)
{
    struct ds_builder builder;
    struct ds_draft *draft = &paper->draft[paper->count];
    DS_ASSERT(paper->count < DRAFTS_MAX);
    ds_builder_init(&builder, paper->bytes + paper->used, PAPER_SIZE - paper->used);
    SIM_MUST(paper->sim, ds_record_encode_op(ds_record_type_by_number(type), record, &builder));
    *draft = (struct ds_draft){.type = type};
    SIM_MUST(paper->sim, ds_builder_end(&builder, &draft->fields));
    if (id != NULL) {
        draft->id = *id;
    }
    paper->used += builder.used;
    paper->count++;
}

static enum ds_err paper_send(struct paper *paper, const char *actor, enum ds_actor_kind kind)
{
    enum ds_err err = DS_OK;
    if (paper->count > 0) {
        err = server_write(paper->sim, actor, kind, paper->draft, paper->count);
    }
    paper->count = 0;
    paper->used = 0;
    return err;
}

/* Founding happens before anything breaks: it must work. */
static void import(struct paper *paper)
{
    SIM_MUST(paper->sim, paper_send(paper, "import", DS_ACTOR_import));
}

static struct ds_slice numbered(char text[static TEXT_SIZE], const char *prefix, unsigned number)
{
    (void)snprintf(text, TEXT_SIZE, "%s%02u", prefix, number);
    return ds_slice_of_text(text);
}

/* ---- Founding ---- */

static void add_grant(struct paper *paper, const struct ds_id *worker, enum ds_role role)
{
    struct ds_role_grant grant = {.presence = {0}};
    struct ds_id id =
        ds_grant_id(&paper->sim->station, worker, (uint8_t)role, &paper->sim->station);
    DS_SET(&grant, role_grant, worker, *worker);
    DS_SET(&grant, role_grant, role, role);
    DS_SET(&grant, role_grant, subtree, paper->sim->station);
    paper_add(paper, DS_REC_role_grant, &id, &grant);
}

static void found_workers(struct sim *sim, struct paper *paper)
{
    for (unsigned i = 0; i <= SIM_HANDS_MAX; i++) {
        if (i >= sim->profile.hands && i < SIM_HANDS_MAX) {
            continue;
        }
        if (paper->count + 3 > DRAFTS_MAX) {
            import(paper);
        }
        char text[TEXT_SIZE];
        struct ds_worker worker = {.presence = {0}};
        struct ds_slice number = numbered(text, "W", i);
        DS_SET(&worker, worker, number, number);
        DS_SET(&worker, worker, name, number);
        sim->workers[i] = ds_numbered_id(&sim->station, DS_REC_worker, number);
        paper_add(paper, DS_REC_worker, &sim->workers[i], &worker);
        if (i < SIM_HANDS_MAX) {
            add_grant(paper, &sim->workers[i], DS_ROLE_reader);
        } else {
            add_grant(paper, &sim->workers[i], DS_ROLE_supervisor);
            add_grant(paper, &sim->workers[i], DS_ROLE_admin);
        }
    }
    import(paper);
}

static void open_period(struct paper *paper, unsigned book, int32_t period)
{
    struct ds_period row = {.presence = {0}};
    struct ds_id id =
        ds_period_id(&paper->sim->station, &paper->sim->books[book], (uint32_t)period);
    DS_SET(&row, period, book, paper->sim->books[book]);
    DS_SET(&row, period, period, period);
    DS_SET(&row, period, state, DS_PERIOD_open);
    paper_add(paper, DS_REC_period, &id, &row);
}

static void found_books(struct sim *sim, struct paper *paper)
{
    for (unsigned i = 0; i < sim->profile.books; i++) {
        char text[TEXT_SIZE];
        struct ds_book book = {.presence = {0}};
        struct ds_slice number = numbered(text, "B", i);
        sim->books[i] = ds_numbered_id(&sim->station, DS_REC_book, number);
        sim->book_worker[i] = i % sim->profile.hands;
        sim->period[i] = SIM_PERIOD;
        DS_SET(&book, book, number, number);
        DS_SET(&book, book, assignee, sim->workers[sim->book_worker[i]]);
        paper_add(paper, DS_REC_book, &sim->books[i], &book);
    }
    import(paper);
}

static void found_meter(struct sim *sim, struct paper *paper, unsigned book, unsigned order)
{
    struct sim_meter *meter = &sim->meters[sim->meter_count];
    char text[TEXT_SIZE];
    struct ds_account account = {.presence = {0}};
    struct ds_premises premises = {.presence = {0}};
    struct ds_meter row = {.presence = {0}};
    struct ds_slice number = numbered(text, "N", sim->meter_count);
    (void)snprintf(meter->number, sizeof meter->number, "N%02u", sim->meter_count);
    meter->book = book;
    meter->index = (int64_t)(1000 + prng_below(&sim->choose, 3000));
    /* Two meters of a staircase may hang at one premises, two premises have one account. */
    bool shared = sim->meter_count > 0 && sim_chance(sim, 150);
    meter->account = ds_numbered_id(&sim->station, DS_REC_account, number);
    meter->premises = ds_numbered_id(&sim->station, DS_REC_premises, number);
    if (shared) {
        meter->premises = sim->meters[sim->meter_count - 1].premises;
        meter->account = sim->meters[sim->meter_count - 1].account;
    } else {
        DS_SET(&account, account, number, number);
        DS_SET(&account, account, class, DS_CLASS_residential);
        DS_SET(&account, account, persons, 3);
        DS_SET(&account, account, balance_fen, -1234);
        paper_add(paper, DS_REC_account, &meter->account, &account);
        DS_SET(&premises, premises, number, number);
        DS_SET(&premises, premises, account, meter->account);
        paper_add(paper, DS_REC_premises, &meter->premises, &premises);
    }
    DS_SET(&row, meter, meter_no, number);
    DS_SET(&row, meter, manufacturer, DS_SLICE_LIT("Goldcard"));
    DS_SET(&row, meter, premises, meter->premises);
    DS_SET(&row, meter, account, meter->account);
    DS_SET(&row, meter, book, sim->books[book]);
    DS_SET(&row, meter, walk_order, (int64_t)order * 10);
    DS_SET(&row, meter, state, DS_METER_active);
    DS_SET(&row, meter, yearly_l, 240000);
    meter->id = ds_meter_id(&sim->station, row.manufacturer, row.meter_no);
    paper_add(paper, DS_REC_meter, &meter->id, &row);
    sim->meter_count++;
}

void office_found(struct sim *sim)
{
    struct paper *paper = paper_make(sim);
    struct ds_actor boss;
    found_workers(sim, paper);
    /* Known before any backup: who declares a restore must not write anything before the epoch. */
    SIM_MUST(sim, ds_actor_open(&sim->shard, "user:boss", DS_ACTOR_console,
                                &sim->workers[SIM_HANDS_MAX], &boss, NULL));
    found_books(sim, paper);
    for (unsigned book = 0; book < sim->profile.books; book++) {
        for (unsigned i = 0; i < sim->profile.meters && sim->meter_count < SIM_METERS_MAX; i++) {
            found_meter(sim, paper, book, i);
        }
        import(paper);
        open_period(paper, book, SIM_PERIOD);
    }
    import(paper);
    free(paper);
}

/* ---- Clerks ---- */

static struct sim_meter *any_meter(struct sim *sim)
{
    return &sim->meters[sim_below(sim, sim->meter_count)];
}

/* A newer office writes a field that this version's schema does not know. */
static void write_newer(struct sim *sim, struct paper *paper)
{
    struct ds_builder builder;
    char text[TEXT_SIZE];
    const struct sim_meter *meter = any_meter(sim);
    struct ds_draft *draft = &paper->draft[0];
    *draft = (struct ds_draft){.type = DS_REC_premises, .id = meter->premises};
    ds_builder_init(&builder, paper->bytes, PAPER_SIZE);
    ds_mp_put_map(&builder, 1);
    ds_mp_put_uint(&builder, SIM_NEWER_TAG);
    ds_mp_put_str(&builder, numbered(text, "newer ", sim_below(sim, 90)));
    SIM_MUST(sim, ds_builder_end(&builder, &draft->fields));
    paper->count = 1;
    (void)paper_send(paper, "user:boss", DS_ACTOR_console);
}

/* The same fields that the field edits, at the same time. */
static void edit_premises(struct sim *sim, struct paper *paper)
{
    struct ds_premises row = {.presence = {0}};
    char text[TEXT_SIZE];
    uint8_t photo[32] = {0};
    const struct sim_meter *meter = any_meter(sim);
    if (sim->profile.newer && sim_chance(sim, 400)) {
        write_newer(sim, paper);
        return;
    }
    switch (sim_below(sim, 5)) {
    case 0:
        DS_SET(&row, premises, access_note, numbered(text, "office", sim_below(sim, 90)));
        break;
    case 1:
        DS_SET(&row, premises, lat_e7, (int64_t)380000000 + sim_below(sim, 5));
        break;
    case 2:
        DS_SET(&row, premises, hazard, 1 + (int64_t)sim_below(sim, 4));
        break;
    case 3:
        photo[31] = (uint8_t)sim_below(sim, 4);
        DS_SET(&row, premises, photos, ((struct ds_slice){photo, sizeof photo}));
        break;
    default:
        DS_SET(&row, premises, district, numbered(text, "district", sim_below(sim, 9)));
        break;
    }
    paper_add(paper, DS_REC_premises, &meter->premises, &row);
    (void)paper_send(paper, "user:boss", DS_ACTOR_console);
}

static void edit_account(struct sim *sim, struct paper *paper)
{
    struct ds_account row = {.presence = {0}};
    uint8_t sealed[256];
    struct ds_builder builder;
    struct ds_slice name = {NULL, 0};
    char text[TEXT_SIZE];
    const struct sim_meter *meter = any_meter(sim);
    ds_builder_init(&builder, sealed, sizeof sealed);
    enum ds_err err = ds_customer_seal(&sim->shard, &meter->account, DS_TAG_account_name,
                                       numbered(text, "Customer ", sim_below(sim, 99)), &builder);
    if (err == DS_ERR_IO) {
        server_restart(sim);
    }
    if (err == DS_ERR_IO || err == DS_ERR_FORBIDDEN) {
        return; /* Erased: nothing personal is written of him any more. */
    }
    SIM_MUST(sim, err);
    SIM_MUST(sim, ds_builder_end(&builder, &name));
    DS_SET(&row, account, name, name);
    DS_SET(&row, account, balance_fen, -(int64_t)sim_below(sim, 5000));
    paper_add(paper, DS_REC_account, &meter->account, &row);
    (void)paper_send(paper, "billing", DS_ACTOR_billing);
}

static void move_meter(struct sim *sim, struct paper *paper)
{
    struct ds_meter row = {.presence = {0}};
    struct sim_meter *meter = any_meter(sim);
    unsigned book = sim_below(sim, sim->profile.books);
    DS_SET(&row, meter, book, sim->books[book]);
    paper_add(paper, DS_REC_meter, &meter->id, &row);
    if (paper_send(paper, "user:boss", DS_ACTOR_console) == DS_OK) {
        meter->book = book;
        trace_line(&sim->trace, "meter %s goes to book %u", meter->number, book);
    }
}

static void reassign_book(struct sim *sim, struct paper *paper)
{
    struct ds_book row = {.presence = {0}};
    unsigned book = sim_below(sim, sim->profile.books);
    unsigned worker = sim_below(sim, sim->profile.hands);
    DS_SET(&row, book, assignee, sim->workers[worker]);
    paper_add(paper, DS_REC_book, &sim->books[book], &row);
    if (paper_send(paper, "user:boss", DS_ACTOR_console) == DS_OK) {
        sim->book_worker[book] = worker;
        trace_line(&sim->trace, "book %u goes to worker %u", book, worker);
    }
}

static void give_task(struct sim *sim, struct paper *paper)
{
    struct ds_task row = {.presence = {0}};
    const struct sim_meter *meter = any_meter(sim);
    if (sim->task_count == SIM_TASKS_MAX) {
        return;
    }
    DS_SET(&row, task, kind, DS_TASK_KIND_check);
    DS_SET(&row, task, meter, meter->id);
    DS_SET(&row, task, premises, meter->premises);
    DS_SET(&row, task, assignee, sim->workers[sim_below(sim, sim->profile.hands)]);
    DS_SET(&row, task, state, DS_TASK_assigned);
    paper_add(paper, DS_REC_task, NULL, &row);
    if (server_write(sim, "user:boss", DS_ACTOR_console, paper->draft, 1) == DS_OK) {
        sim->tasks[sim->task_count++] = paper->draft[0].made_id;
    }
}

static void cancel_task(struct sim *sim, struct paper *paper)
{
    struct ds_task row = {.presence = {0}};
    if (sim->task_count == 0) {
        return;
    }
    DS_SET(&row, task, state, DS_TASK_cancelled);
    paper_add(paper, DS_REC_task, &sim->tasks[sim_below(sim, sim->task_count)], &row);
    (void)paper_send(paper, "user:boss", DS_ACTOR_console);
}

/* A customer wants to be forgotten. */
static void erase_customer(struct sim *sim, struct paper *paper)
{
    struct ds_actor boss;
    const struct sim_meter *meter = any_meter(sim);
    (void)paper;
    if (!sim_chance(sim, 200)) {
        return;
    }
    enum ds_err err = ds_actor_open(&sim->shard, "user:boss", DS_ACTOR_console,
                                    &sim->workers[SIM_HANDS_MAX], &boss, NULL);
    if (err == DS_OK) {
        err = ds_shard_erase(&sim->shard, &boss, &meter->account, 1);
    }
    trace_line(&sim->trace, "customer of %s erased: %s", meter->number, ds_err_name(err));
    if (err == DS_ERR_IO) {
        server_restart(sim);
    } else {
        SIM_MUST(sim, err);
    }
}

/* Close the reading of a book and open its next month. */
static void next_period(struct sim *sim, struct paper *paper)
{
    struct ds_period row = {.presence = {0}};
    unsigned book = sim_below(sim, sim->profile.books);
    struct ds_id id = ds_period_id(&sim->station, &sim->books[book], (uint32_t)sim->period[book]);
    DS_SET(&row, period, state, DS_PERIOD_reading_closed);
    paper_add(paper, DS_REC_period, &id, &row);
    if (paper_send(paper, "user:boss", DS_ACTOR_console) != DS_OK) {
        return;
    }
    if (sim->period[book] < SIM_PERIOD + 3) {
        open_period(paper, book, sim->period[book] + 1);
        if (paper_send(paper, "user:boss", DS_ACTOR_console) == DS_OK) {
            sim->period[book]++;
        }
    }
}

/* ---- The supervisor ---- */

static bool load(struct sim *sim, uint8_t type, const struct ds_id *id, struct ds_arena *arena,
                 void *record)
{
    struct ds_txn *txn = server_begin(sim);
    enum ds_err err = ds_record_load(txn, type, id, arena, record);
    ds_txn_abort(txn);
    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        sim_fail(sim, "acked_is_durable", "a row does not load: %s", ds_err_name(err));
    }
    return err == DS_OK;
}

static void decide(struct sim *sim, struct paper *paper, struct ds_decision *row, uint8_t type,
                   const struct ds_id *target, enum ds_action action)
{
    DS_SET(row, decision, target_type, type);
    DS_SET(row, decision, target, *target);
    DS_SET(row, decision, action, action);
    DS_SET(row, decision, reason, DS_SLICE_LIT("looked at it"));
    DS_SET(row, decision, instant_ms, sim->now_ms);
    paper_add(paper, DS_REC_decision, NULL, row);
    trace_line(&sim->trace, "decides over a %s: %s", ds_record_type_by_number(type)->name,
               ds_enum_name(DS_LIST_action, action));
    (void)paper_send(paper, "user:boss", DS_ACTOR_console);
}

static void decide_slot(struct sim *sim, struct paper *paper, const struct ds_id *anomaly)
{
    struct ds_arena arena;
    struct ds_anomaly found;
    struct ds_slot slot;
    struct ds_decision row = {.presence = {0}};
    static const enum ds_action actions[] = {DS_ACTION_approve, DS_ACTION_correct,
                                             DS_ACTION_re_read, DS_ACTION_dismiss};
    ds_arena_init(&arena, sim->scratch, 65536);
    if (!load(sim, DS_REC_anomaly, anomaly, &arena, &found) ||
        !load(sim, DS_REC_slot, &found.slot, &arena, &slot)) {
        return;
    }
    enum ds_action action = actions[sim_below(sim, DS_COUNT(actions))];
    if (DS_HAS(&slot, slot, candidates_hash)) {
        DS_SET(&row, decision, candidates_hash, slot.candidates_hash);
    }
    if (action == DS_ACTION_correct) {
        DS_SET(&row, decision, index, DS_GET(&slot, slot, index, 1000));
    }
    decide(sim, paper, &row, DS_REC_slot, &found.slot, action);
}

static void decide_item(struct sim *sim, struct paper *paper)
{
    static const struct {
        uint8_t type;
        enum ds_action actions[3];
    } kinds[] = {
        {DS_REC_anomaly, {0}},
        {DS_REC_conflict, {DS_ACTION_keep_mine, DS_ACTION_keep_theirs, DS_ACTION_keep_base}},
        {DS_REC_proposal,
         {DS_ACTION_accept_proposal, DS_ACTION_refuse_proposal, DS_ACTION_accept_proposal}},
        {DS_REC_quarantine_item, {DS_ACTION_release, DS_ACTION_release, DS_ACTION_reject}},
    };
    enum { LOOK = 8 };
    struct ds_id ids[LOOK];
    struct ds_decision row = {.presence = {0}};
    unsigned kind = sim_below(sim, DS_COUNT(kinds));
    size_t count = server_queue(sim, kinds[kind].type, ids, LOOK);
    if (count == 0) {
        return;
    }
    const struct ds_id *id = &ids[sim_below(sim, count)];
    if (kinds[kind].type == DS_REC_anomaly) {
        decide_slot(sim, paper, id);
    } else {
        decide(sim, paper, &row, kinds[kind].type, id, kinds[kind].actions[sim_below(sim, 3)]);
    }
}

/* A meter that somebody typed in the field is one that we know. */
static void merge_unknown(struct sim *sim, struct paper *paper)
{
    struct ds_decision row = {.presence = {0}};
    if (sim->unknown_count == 0) {
        return;
    }
    DS_SET(&row, decision, into, any_meter(sim)->id);
    decide(sim, paper, &row, DS_REC_meter, &sim->unknown[sim_below(sim, sim->unknown_count)],
           DS_ACTION_merge_meter);
}

void office_revoke(struct sim *sim, struct sim_hand *hand)
{
    struct paper *paper = paper_make(sim);
    struct ds_device row = {.presence = {0}};
    DS_SET(&row, device, state, sim_chance(sim, 500) ? DS_DEVICE_revoked : DS_DEVICE_suspended);
    paper_add(paper, DS_REC_device, &hand->device, &row);
    if (paper_send(paper, "user:boss", DS_ACTOR_console) == DS_OK) {
        trace_line(&sim->trace, "h%u is revoked or suspended", hand->index);
        hand->revoked = true;
        hand->revoked_at = sim->shard.meta.size;
    }
    free(paper);
}

void office_wipe(struct sim *sim, struct sim_hand *hand)
{
    struct paper *paper = paper_make(sim);
    struct ds_device row = {.presence = {0}};
    DS_SET(&row, device, state, DS_DEVICE_wiped);
    paper_add(paper, DS_REC_device, &hand->device, &row);
    SIM_MUST(sim, paper_send(paper, "user:boss", DS_ACTOR_console));
    trace_line(&sim->trace, "h%u was stolen: it is to be wiped", hand->index);
    free(paper);
}

void office_reassign(struct sim *sim)
{
    struct paper *paper = paper_make(sim);
    if (!sim->undeclared) {
        reassign_book(sim, paper);
    }
    free(paper);
}

/* ---- Billing ---- */

enum { EXPORTS_MAX = 8 };

void office_billing(struct sim *sim)
{
    struct paper *paper = paper_make(sim);
    struct ds_delivery row = {.presence = {0}};
    struct ds_txn *txn = server_begin(sim);
    uint64_t position = 0;
    uint32_t ordinal = 0;
    int64_t taken = 0;
    SIM_MUST(sim, ds_export_cursor(txn, DS_CONSUMER_billing, &position, &ordinal));
    while (taken < EXPORTS_MAX) {
        struct ds_export next;
        enum ds_err err = ds_export_next(txn, DS_CONSUMER_billing, position, ordinal, &next);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        SIM_MUST(sim, err);
        position = next.position;
        ordinal = next.ordinal;
        taken++;
    }
    ds_txn_abort(txn);
    if (taken > 0) {
        DS_SET(&row, delivery, consumer, DS_CONSUMER_billing);
        DS_SET(&row, delivery, position, (int64_t)position);
        DS_SET(&row, delivery, ordinal, ordinal);
        DS_SET(&row, delivery, exports, taken);
        paper_add(paper, DS_REC_delivery, NULL, &row);
        (void)paper_send(paper, "billing", DS_ACTOR_billing);
    }
    free(paper);
}

void office_step(struct sim *sim)
{
    static void (*const acts[])(struct sim * sim, struct paper * paper) = {
        edit_premises, edit_premises, edit_account,   move_meter,  reassign_book,
        give_task,     cancel_task,   next_period,    decide_item, decide_item,
        decide_item,   merge_unknown, erase_customer,
    };
    unsigned which = sim_below(sim, DS_COUNT(acts) + 2);
    if (which == DS_COUNT(acts)) {
        office_billing(sim);
        return;
    }
    if (which > DS_COUNT(acts)) {
        enum ds_err err = ds_shard_tick(&sim->shard);
        if (err == DS_ERR_IO) {
            server_restart(sim);
        }
        return;
    }
    struct paper *paper = paper_make(sim);
    acts[which](sim, paper);
    free(paper);
}

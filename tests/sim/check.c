/* What the journal and the state must say: nothing lost, nothing twice, nothing forged. */
#include "schema/codec/msgpack.h"
#include "tests/sim/look.h"

enum { KNOWN_MAX = 1 << 13, LIVES_MAX = 256 };

/* ---- Ops in the journal ---- */

struct known_life {    /* Sequences of a life: none is missing. */
    struct ds_id name; /* Incarnation and lane. */
    uint64_t greatest;
};
struct known { /* A set of op identities: place and content. */
    struct ds_hash slot[KNOWN_MAX];
    struct known_life life[LIVES_MAX];
    size_t life_count;
    size_t count;
    unsigned fresh; /* Of the present entry. */
    struct sim *sim;
};

static bool is_new(struct known *known, const struct look_op *look)
{
    struct ds_hash hash = ds_hash3(DS_SLICE_OF(look->id), look->op.raw, (struct ds_slice){NULL, 0});
    size_t at = (size_t)(hash.byte[0] | hash.byte[1] << 8) % KNOWN_MAX;
    while (!ds_hash_is_none(&known->slot[at])) {
        if (ds_hash_equal(&known->slot[at], &hash)) {
            return false;
        }
        at = (at + 1) % KNOWN_MAX;
    }
    known->slot[at] = hash;
    known->count++;
    DS_ASSERT(known->count < KNOWN_MAX);
    return true;
}

static void must_follow(struct known *known, const struct look_op *look)
{
    struct ds_id name = ds_op_id(&look->batch->incarnation, look->batch->lane, 0);
    size_t at = 0;
    while (at < known->life_count && !ds_id_equal(&known->life[at].name, &name)) {
        at++;
    }
    DS_ASSERT(at < LIVES_MAX);
    if (at == known->life_count) {
        known->life[known->life_count++] = (struct known_life){.name = name};
    }
    struct known_life *life = &known->life[at];
    if (look->seq > life->greatest + 1) {
        sim_fail(known->sim, "nothing_lost", "entry %llu: sequence %llu follows %llu",
                 (unsigned long long)look->position, (unsigned long long)look->seq,
                 (unsigned long long)life->greatest);
    }
    life->greatest = look->seq > life->greatest ? look->seq : life->greatest;
}

static void note_op(void *context, const struct look_op *look)
{
    struct known *known = context;
    if (!is_new(known, look)) {
        return;
    }
    must_follow(known, look);
    known->fresh++;
    struct model_op *op = model_find(&known->sim->model, look->op.raw);
    if (op != NULL && look->op.type == op->type) {
        op->found++;
        op->position = look->position;
        op->place = look->id;
    }
}

static void end_entry(void *context, uint64_t position, const struct ds_entry *entry)
{
    struct known *known = context;
    if (entry->kind == DS_ENTRY_BATCH && known->fresh == 0) {
        sim_fail(known->sim, "exactly_once", "entry %llu holds nothing that was not there",
                 (unsigned long long)position);
    }
    known->fresh = 0;
}

static void find_all(struct sim *sim)
{
    struct known *known = calloc(1, sizeof *known);
    DS_ASSERT(known != NULL);
    known->sim = sim;
    for (size_t i = 0; i < sim->model.count; i++) {
        sim->model.op[i].found = 0;
    }
    look_journal(sim, note_op, end_entry, known);
    free(known);
}

/* An acknowledged op is there after any crash; after the server's restore, as far as a storage
 * lives that holds it (it will be sent again). */
void check_acked(struct sim *sim)
{
    for (unsigned i = 0; i < sim->hand_count; i++) {
        hand_note_receipts(&sim->hands[i]);
    }
    find_all(sim);
    for (size_t i = 0; i < sim->model.count; i++) {
        const struct model_op *op = &sim->model.op[i];
        bool may_miss = op->acked_before && (op->storages == 0 || !sim->healed);
        if (op->acked && op->found == 0 && !may_miss) {
            sim_fail(sim, "acked_is_durable", "op #%07u of h%u was acknowledged and is not there",
                     op->serial, op->hand);
        }
    }
    sim_checked("acked_is_durable");
}

void check_taken(struct sim *sim, const struct sim_hand *hand)
{
    find_all(sim);
    for (size_t i = 0; i < sim->model.count; i++) {
        const struct model_op *op = &sim->model.op[i];
        if (op->certain && op->found == 0 && (op->storages >> hand->index & 1)) {
            sim_fail(sim, "nothing_lost", "op #%07u of h%u went with its handheld", op->serial,
                     op->hand);
        }
    }
}

/* ---- Rows ---- */

static void note_event(void *context, const struct look_row *row)
{
    struct sim *sim = context;
    struct model_op *op = model_find(&sim->model, row->fields);
    if (op == NULL || op->type != row->type) {
        return;
    }
    if (op->folded_row) {
        sim_fail(sim, "exactly_once", "op #%07u stands in two rows", op->serial);
    }
    op->folded_row = true;
}

static void note_quarantine(void *context, const struct look_row *row)
{
    struct sim *sim = context;
    struct model_op *op =
        model_find(&sim->model, look_value(row->fields, DS_TAG_quarantine_item_body));
    int64_t state = 0;
    (void)look_int(row->fields, DS_TAG_quarantine_item_state, &state);
    if (op != NULL && state != DS_ITEM_shown) {
        op->quarantined = true;
    }
}

struct told { /* Walking items that must have told somebody. */
    struct sim *sim;
    struct ds_txn *txn;
    uint8_t op_tag;
};

static void must_be_told(void *context, const struct look_row *row)
{
    struct told *told = context;
    struct ds_id op;
    struct look_row verdict;
    int64_t state = 0;
    if (row->type == DS_REC_quarantine_item &&
        look_int(row->fields, DS_TAG_quarantine_item_state, &state) && state == DS_ITEM_shown) {
        return; /* A fork: for the supervisor. */
    }
    if (!look_id(row->fields, told->op_tag, &op)) {
        sim_fail(told->sim, "nothing_lost", "an item of record %u names no op", row->type);
    }
    struct ds_id id = ds_verdict_id(&told->sim->station, DS_REC_verdict, &op);
    if (!look_row(told->sim, told->txn, DS_REC_verdict, &id, &verdict)) {
        sim_fail(told->sim, "nothing_lost", "no verdict tells of an item of record %u", row->type);
    }
}

static void check_verdicts(struct sim *sim)
{
    struct told told = {.sim = sim, .txn = server_begin(sim)};
    told.op_tag = DS_TAG_quarantine_item_op;
    look_rows(sim, told.txn, DS_REC_quarantine_item, must_be_told, &told);
    told.op_tag = DS_TAG_proposal_op;
    look_rows(sim, told.txn, DS_REC_proposal, must_be_told, &told);
    told.op_tag = DS_TAG_conflict_theirs_op;
    look_rows(sim, told.txn, DS_REC_conflict, must_be_told, &told);
    ds_txn_abort(told.txn);
}

/* What came after its device was revoked waits for somebody to look at it. */
static void check_revoked(struct sim *sim, const struct model_op *op)
{
    uint64_t since = sim->hands[op->hand].revoked_at;
    if (since != 0 && op->found == 1 && op->position > since && op->folded_row &&
        !op->quarantined && sim->server_restores == 0) {
        sim_fail(sim, "authority_holds", "op #%07u of h%u counts, its device was revoked at %llu",
                 op->serial, op->hand, (unsigned long long)since);
    }
}

static void check_op(struct sim *sim, const struct model_op *op)
{
    check_revoked(sim, op);
    static const uint8_t events[] = {DS_REC_reading, DS_REC_visit, DS_REC_swap};
    if (op->found > 1) {
        sim_fail(sim, "exactly_once", "op #%07u of h%u stands at %u places of the journal",
                 op->serial, op->hand, op->found);
    }
    if (op->found == 0 && op->certain && op->storages != 0) {
        sim_fail(sim, "nothing_lost", "op #%07u of h%u is not in the journal", op->serial,
                 op->hand);
    }
    bool event = memchr(events, op->type, sizeof events) != NULL;
    if (op->found == 1 && event && !op->folded_row && !op->quarantined) {
        sim_fail(sim, "nothing_lost",
                 "op #%07u of h%u, entry %llu, is neither folded nor in quarantine", op->serial,
                 op->hand, (unsigned long long)op->position);
    }
}

void check_journal(struct sim *sim)
{
    static const uint8_t events[] = {DS_REC_reading, DS_REC_visit, DS_REC_swap};
    find_all(sim);
    struct ds_txn *txn = server_begin(sim);
    for (size_t i = 0; i < sim->model.count; i++) {
        sim->model.op[i].folded_row = false;
        sim->model.op[i].quarantined = false;
    }
    for (size_t i = 0; i < DS_COUNT(events); i++) {
        look_rows(sim, txn, events[i], note_event, sim);
    }
    look_rows(sim, txn, DS_REC_quarantine_item, note_quarantine, sim);
    ds_txn_abort(txn);
    for (size_t i = 0; i < sim->model.count; i++) {
        check_op(sim, &sim->model.op[i]);
    }
    check_verdicts(sim);
    check_billing(sim);
    sim_checked("nothing_lost");
    sim_checked("exactly_once");
}

/* ---- What this version does not know ---- */

struct newer {
    struct ds_id entity[SIM_METERS_MAX];
    size_t count;
};

static void note_newer(void *context, const struct look_op *look)
{
    struct newer *newer = context;
    if (look->op.type != DS_REC_premises || look_value(look->op.fields, SIM_NEWER_TAG).size == 0) {
        return;
    }
    for (size_t i = 0; i < newer->count; i++) {
        if (ds_id_equal(&newer->entity[i], &look->op.id)) {
            return;
        }
    }
    DS_ASSERT(newer->count < SIM_METERS_MAX);
    newer->entity[newer->count++] = look->op.id;
}

/* A newer office wrote it, older handhelds wrote beside it: it is still there. */
void check_newer(struct sim *sim)
{
    struct newer newer = {.count = 0};
    if (!sim->profile.newer) {
        return;
    }
    look_journal(sim, note_newer, NULL, &newer);
    struct ds_txn *txn = server_begin(sim);
    for (size_t i = 0; i < newer.count; i++) {
        struct look_row row;
        if (!look_row(sim, txn, DS_REC_premises, &newer.entity[i], &row) ||
            look_value(row.fields, SIM_NEWER_TAG).size == 0) {
            sim_fail(sim, "nothing_lost", "a field of a newer schema is gone from a premises");
        }
    }
    ds_txn_abort(txn);
    sim_checked("nothing_lost");
}

/* ---- Authority ---- */

struct audit {
    struct sim *sim;
    struct ds_txn *txn;
};

static void audit_cells(struct audit *audit, const struct look_row *row,
                        const struct ds_record_type *type)
{
    struct ds_arena arena;
    struct ds_row_state state;
    ds_arena_init(&arena, audit->sim->scratch, 1 << 20);
    SIM_MUST(audit->sim, ds_row_parse(row->stored, row->type, &row->id, &arena, &state));
    for (size_t i = 0; i < state.cell_count; i++) {
        const struct ds_field *field = ds_field_by_tag(type, state.cells[i].tag);
        const struct ds_write *write = &state.cells[i].latest;
        if (field == NULL || write->position == 0 || write->lane == 0) {
            continue;
        }
        struct ds_id op = ds_op_id(&write->writer, (enum ds_lane)write->lane, write->seq);
        struct ds_id device;
        enum ds_actor_kind kind = 0;
        look_writer(audit->sim, audit->txn, &op, &device, &kind);
        /* The engine itself suspends a cloned device, in the name of the op that showed it. */
        bool by_engine = type->number == DS_REC_device && field->tag == DS_TAG_device_state;
        if (kind == DS_ACTOR_handheld && !by_engine && !(field->writers >> kind & 1)) {
            sim_fail(audit->sim, "authority_holds", "a handheld wrote %s.%s", type->name,
                     field->name);
        }
    }
}

static void audit_row(void *context, const struct look_row *row)
{
    struct audit *audit = context;
    const struct ds_record_type *type = ds_record_type_by_number(row->type);
    if (type == NULL) {
        return;
    }
    if (type->nature == DS_ENTITY) {
        audit_cells(audit, row, type);
    } else if (type->nature == DS_EVENT) {
        struct ds_id device;
        enum ds_actor_kind kind = 0;
        look_writer(audit->sim, audit->txn, &row->id, &device, &kind);
        if (kind == 0 || !(type->writers >> kind & 1)) {
            sim_fail(audit->sim, "authority_holds", "an actor of kind %d wrote a %s", (int)kind,
                     type->name);
        }
    }
}

void check_authority(struct sim *sim)
{
    struct audit audit = {.sim = sim, .txn = server_begin(sim)};
    look_rows(sim, audit.txn, 0, audit_row, &audit);
    ds_txn_abort(audit.txn);
    sim_checked("authority_holds");
}

/* ---- Replay, tampering, bounds ---- */

void check_replay(struct sim *sim)
{
    struct ds_store *to = NULL;
    struct ds_hash have;
    struct ds_hash made;
    struct ds_detail detail = {{0}};
    SIM_MUST(sim, ds_store_memory_open(0, &to));
    enum ds_err err = ds_shard_rebuild(&sim->shard, to, NULL, &have, &made, &detail);
    if (err != DS_OK || !ds_hash_equal(&have, &made)) {
        sim_fail(sim, "replay_is_identity", "refolding the journal gives another state: %s %s",
                 ds_err_name(err), detail.text);
    }
    ds_store_close(to);
    sim_checked("replay_is_identity");
}

void check_tampering(struct sim *sim)
{
    struct ds_store *copy = NULL;
    struct ds_txn *txn = NULL;
    struct ds_shard *shard = calloc(1, sizeof *shard);
    struct ds_head head;
    struct ds_detail detail = {{0}};
    DS_ASSERT(shard != NULL);
    struct ds_clock clock = server_clock(sim);
    struct ds_random random = server_random(sim);
    enum ds_err err = ds_shard_verify(&sim->shard, NULL, &head, &detail);
    if (err != DS_OK) {
        sim_fail(sim, "tampering_shows", "a sound journal does not verify: %s %s", ds_err_name(err),
                 detail.text);
    }
    if (sim->lmdb_dir[0] != '\0') {
        free(shard);
        return;
    }
    SIM_MUST(sim, ds_store_memory_clone(sim->store, &copy));
    uint64_t number = 1 + prng_below(&sim->choose, sim->shard.meta.size);
    SIM_MUST(sim, ds_store_begin(copy, true, &txn));
    struct ds_slice bytes = look_entry(sim, txn, number);
    uint8_t *bent = malloc(bytes.size);
    DS_ASSERT(bent != NULL);
    memcpy(bent, bytes.data, bytes.size);
    size_t at = prng_below(&sim->choose, bytes.size);
    bent[at] ^= (uint8_t)(1U << sim_below(sim, 8));
    struct ds_key key = ds_key_journal(number);
    SIM_MUST(sim, ds_txn_put(txn, DS_TABLE_JOURNAL, ds_key_slice(&key),
                             (struct ds_slice){bent, bytes.size}));
    SIM_MUST(sim, ds_txn_commit(txn));
    free(bent);
    SIM_MUST(sim, ds_shard_open(shard, copy, sim->keys, &sim->secret, &clock, &random, NULL));
    err = ds_shard_verify(shard, NULL, &head, &detail);
    if (err == DS_OK) {
        sim_fail(sim, "tampering_shows", "byte %zu of entry %llu was changed and nobody saw it", at,
                 (unsigned long long)number);
    }
    trace_line(&sim->trace, "tampering with entry %llu shows: %s", (unsigned long long)number,
               detail.text);
    ds_shard_close(shard);
    free(shard);
    ds_store_close(copy);
    sim_checked("tampering_shows");
}

/* A feed holds each row once, whatever happens to it. */
void check_bounds(struct sim *sim)
{
    struct ds_txn *txn = server_begin(sim);
    uint64_t feed = 0;
    uint64_t members = 0;
    SIM_MUST(sim, ds_feed_count(txn, &feed, &members));
    ds_txn_abort(txn);
    if (feed != members) {
        sim_fail(sim, "bounded", "%llu rows in feeds, %llu members", (unsigned long long)feed,
                 (unsigned long long)members);
    }
    sim_checked("bounded");
}

/* Nobody is silently overruled: conflicts by definition, from the journal alone.
 *
 * A field conflicts when another writer wrote it at a position after the op's `seen`. The engine
 * keeps two writes per field to know that; here all of them are kept. Premises are looked at, whose
 * fields have the policies latest, review, worst and union. Left out are premises over which a
 * supervisor decided, which quarantine touched or where a clone wrote: there the order of folding
 * is not the journal's. */
#include "schema/codec/msgpack.h"
#include "schema/codec/record_mp.h"
#include "schema/rules/steps.h"
#include "tests/sim/look.h"

enum { WRITES_MAX = 2500, LIVES_MAX = 256, ENTITIES_MAX = 256, EPOCHS_MAX = 16 };

struct life {
    struct ds_incarnation name;
    struct ds_incarnation parent;
    uint64_t parent_seq;
};

struct one_write {
    struct ds_id entity;
    struct ds_id op;
    uint8_t tag;
    enum ds_policy policy;
    uint64_t position;
    uint64_t seq;
    uint64_t seen;
    struct ds_incarnation writer;
    struct ds_slice value; /* Copied. */
    bool stood;
    bool shown;                /* Must stand as a conflict. */
    const struct model_op *by; /* Of a handheld's; else NULL. */
};

struct history {
    struct sim *sim;
    struct one_write *write;
    size_t write_count;
    struct life life[LIVES_MAX];
    size_t life_count;
    struct {
        struct ds_id place;
        struct ds_hash content;
    } * op; /* Every op once, to find forks. */
    size_t op_count;
    struct ds_incarnation forked[LIVES_MAX];
    size_t forked_count;
    struct ds_id left_out[ENTITIES_MAX];
    size_t left_out_count;
    struct {
        uint64_t epoch;
        uint64_t kept;
    } epoch[EPOCHS_MAX];
    size_t epoch_count;
    uint8_t *bytes;
    size_t used;
    struct ds_txn *txn;
};

static bool is_left_out(const struct history *history, const struct ds_id *entity)
{
    for (size_t i = 0; i < history->left_out_count; i++) {
        if (ds_id_equal(&history->left_out[i], entity)) {
            return true;
        }
    }
    return false;
}

static void leave_out(struct history *history, const struct ds_id *entity)
{
    if (!is_left_out(history, entity) && history->left_out_count < ENTITIES_MAX) {
        history->left_out[history->left_out_count++] = *entity;
    }
}

/* ---- Gathering ---- */

static const struct life *find_life(const struct history *history,
                                    const struct ds_incarnation *name)
{
    for (size_t i = 0; i < history->life_count; i++) {
        if (ds_incarnation_equal(&history->life[i].name, name)) {
            return &history->life[i];
        }
    }
    return NULL;
}

static void note_life(struct history *history, const struct look_op *look)
{
    struct ds_life record;
    if (history->life_count == LIVES_MAX || find_life(history, &look->batch->incarnation) != NULL ||
        ds_record_decode(ds_record_type_by_number(DS_REC_life), look->op.fields, NULL, &record,
                         NULL) != DS_OK ||
        !DS_HAS(&record, life, parent)) {
        return;
    }
    struct life *life = &history->life[history->life_count++];
    life->name = look->batch->incarnation;
    memcpy(life->parent.byte, record.parent.data, sizeof life->parent.byte);
    life->parent_seq = (uint64_t)DS_GET(&record, life, parent_work_seq, 0);
}

/* Positions above what a later restore kept mean nothing any more. */
static uint64_t clamped(const struct history *history, const struct look_op *look)
{
    uint64_t seen = look->op.seen;
    for (size_t i = 0; i < history->epoch_count; i++) {
        if (history->epoch[i].epoch > look->batch->epoch && seen > history->epoch[i].kept) {
            seen = history->epoch[i].kept;
        }
    }
    return seen;
}

static void note_write(struct history *history, const struct look_op *look, uint8_t tag,
                       struct ds_slice value)
{
    const struct ds_field *field = ds_field_by_tag(ds_record_type_by_number(DS_REC_premises), tag);
    DS_ASSERT(history->write_count < WRITES_MAX);
    struct one_write *write = &history->write[history->write_count++];
    *write = (struct one_write){.entity = look->op.id,
                                .op = look->id,
                                .tag = tag,
                                .policy = field->policy,
                                .position = look->position,
                                .seq = look->seq,
                                .seen = clamped(history, look),
                                .writer = look->batch->incarnation,
                                .by = model_find(&history->sim->model, look->op.raw)};
    memcpy(history->bytes + history->used, value.data, value.size);
    write->value = (struct ds_slice){history->bytes + history->used, value.size};
    history->used += value.size;
}

static bool is_forked(const struct history *history, const struct ds_incarnation *name)
{
    for (size_t i = 0; i < history->forked_count; i++) {
        if (ds_incarnation_equal(&history->forked[i], name)) {
            return true;
        }
    }
    return false;
}

/* Two contents at one place: the life has branches, whose names are not in the headers. */
static void note_fork(struct history *history, const struct look_op *look)
{
    struct ds_slice none = {NULL, 0};
    struct ds_hash content = ds_hash3(look->op.raw, none, none);
    for (size_t i = 0; i < history->op_count; i++) {
        if (!ds_id_equal(&history->op[i].place, &look->id)) {
            continue;
        }
        if (!ds_hash_equal(&history->op[i].content, &content) &&
            !is_forked(history, &look->batch->incarnation) && history->forked_count < LIVES_MAX) {
            history->forked[history->forked_count++] = look->batch->incarnation;
        }
        return;
    }
    DS_ASSERT(history->op_count < WRITES_MAX);
    history->op[history->op_count].place = look->id;
    history->op[history->op_count++].content = content;
}

static bool known_before(const struct history *history, const struct look_op *look)
{
    for (size_t i = history->write_count; i-- > 0;) {
        if (ds_id_equal(&history->write[i].op, &look->id)) {
            return history->write[i].position < look->position;
        }
    }
    return false;
}

static void gather(void *context, const struct look_op *look)
{
    struct history *history = context;
    if (look->op.type == DS_REC_life) {
        note_life(history, look);
    }
    if (history->op != NULL) {
        note_fork(history, look);
    }
    if (look->op.type == DS_REC_premises && is_forked(history, &look->batch->incarnation)) {
        leave_out(history, &look->op.id);
    }
    if (look->op.type != DS_REC_premises || known_before(history, look)) {
        return;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, look->op.fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (tag == DS_TAG_premises_access_note || tag == DS_TAG_premises_lat_e7 ||
            tag == DS_TAG_premises_hazard || tag == DS_TAG_premises_photos) {
            note_write(history, look, (uint8_t)tag, value);
        }
    }
}

static void gather_entry(void *context, uint64_t position, const struct ds_entry *entry)
{
    struct history *history = context;
    (void)position;
    if (entry->kind == DS_ENTRY_EPOCH && history->epoch_count < EPOCHS_MAX) {
        history->epoch[history->epoch_count].epoch = entry->epoch;
        history->epoch[history->epoch_count++].kept = entry->kept_size;
    }
}

static void leave_out_item(void *context, const struct look_row *row)
{
    struct history *history = context;
    struct ds_id entity;
    struct ds_id decision;
    bool quarantine = row->type == DS_REC_quarantine_item;
    bool decided =
        (row->type == DS_REC_conflict &&
         look_id(row->fields, DS_TAG_conflict_decision, &decision)) ||
        (row->type == DS_REC_proposal && look_id(row->fields, DS_TAG_proposal_decision, &decision));
    uint8_t tag = quarantine                     ? DS_TAG_quarantine_item_entity
                  : row->type == DS_REC_conflict ? DS_TAG_conflict_entity
                                                 : DS_TAG_proposal_entity;
    if ((quarantine || decided) && look_id(row->fields, tag, &entity)) {
        leave_out(history, &entity);
    }
}

/* ---- The definition ---- */

static bool own(const struct history *history, const struct one_write *op,
                const struct one_write *earlier)
{
    struct ds_incarnation at = op->writer;
    uint64_t last = UINT64_MAX;
    for (unsigned depth = 0; depth < LIVES_MAX; depth++) {
        if (ds_incarnation_equal(&at, &earlier->writer)) {
            return earlier->seq <= last;
        }
        const struct life *life = find_life(history, &at);
        if (life == NULL) {
            return false;
        }
        at = life->parent;
        last = life->parent_seq;
    }
    return false;
}

static bool same_field(const struct one_write *a, const struct one_write *b)
{
    return a->tag == b->tag && ds_id_equal(&a->entity, &b->entity);
}

static bool replaces(const struct history *history, const struct one_write *later,
                     const struct one_write *earlier)
{
    return earlier->position <= later->position && earlier != later && earlier < later &&
           same_field(later, earlier) &&
           (earlier->position <= later->seen || own(history, later, earlier));
}

static void judge(struct history *history, size_t at)
{
    struct one_write *op = &history->write[at];
    const struct one_write *standing = NULL;
    bool concurrent = false;
    for (size_t i = 0; i < at; i++) {
        const struct one_write *earlier = &history->write[i];
        if (!same_field(op, earlier) || !earlier->stood) {
            continue;
        }
        standing = earlier;
        concurrent |= earlier->position > op->seen && !own(history, op, earlier);
    }
    bool equal = standing != NULL && ds_slice_equal(standing->value, op->value);
    bool conflict = concurrent && !equal;
    op->stood = op->policy != DS_POLICY_REVIEW || !conflict;
    op->shown = conflict && (op->policy == DS_POLICY_REVIEW || op->policy == DS_POLICY_LATEST);
}

static int64_t number_of(struct ds_slice value)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    return ds_mp_take_int(&cursor);
}

static bool add_stands(const struct history *history, const struct one_write *add,
                       const uint8_t *hash)
{
    struct ds_slice added;
    struct ds_slice gone;
    for (size_t i = 0; i < history->write_count; i++) {
        const struct one_write *later = &history->write[i];
        if (!replaces(history, later, add) ||
            ds_union_decode(later->value, &added, &gone) != DS_OK) {
            continue;
        }
        for (size_t at = 0; at < gone.size; at += 32) {
            if (memcmp(gone.data + at, hash, 32) == 0) {
                return false;
            }
        }
    }
    return true;
}

/* ---- What an op says that it had seen. ---- */

/* Its handheld held the row as of a position: that it had seen, and of what others wrote later it
 * claims nothing. */
static void check_seen(const struct history *history, const struct one_write *write)
{
    struct sim *sim = history->sim;
    bool left = write->seen == 0; /* The row lay there for pending work, in no held scope. */
    if (write->by == NULL || write->by->held == 0 || left || sim->server_restores > 0) {
        return;
    }
    if (write->seen < write->by->held) {
        sim_fail(sim, "nothing_lost", "op #%07u had seen %llu, but says %llu", write->by->serial,
                 (unsigned long long)write->by->held, (unsigned long long)write->seen);
    }
    for (const struct one_write *earlier = history->write; earlier < write; earlier++) {
        if (ds_id_equal(&earlier->entity, &write->entity) && earlier->position <= write->seen &&
            earlier->position > write->by->held && !own(history, write, earlier)) {
            sim_fail(sim, "cursors_complete",
                     "op #%07u says that it had seen %llu, but entry %llu was not there yet",
                     write->by->serial, (unsigned long long)write->seen,
                     (unsigned long long)earlier->position);
        }
    }
}

/* ---- What stands must be what the definition says. ---- */

static void check_value(struct history *history, const struct one_write *last)
{
    struct sim *sim = history->sim;
    struct look_row row;
    if (!look_row(sim, history->txn, DS_REC_premises, &last->entity, &row)) {
        return;
    }
    struct ds_slice have = look_value(row.fields, last->tag);
    struct ds_slice want = {NULL, 0};
    int64_t gravest = 0;
    for (size_t i = 0; i < history->write_count; i++) {
        const struct one_write *write = &history->write[i];
        if (!same_field(write, last)) {
            continue;
        }
        if (write->stood) {
            want = write->value;
        }
        bool replaced = false;
        for (size_t j = i + 1; j < history->write_count && !replaced; j++) {
            replaced = replaces(history, &history->write[j], write);
        }
        if (last->policy == DS_POLICY_WORST && !replaced && number_of(write->value) > gravest) {
            gravest = number_of(write->value);
        }
    }
    if (last->policy == DS_POLICY_WORST) {
        if (number_of(have) != gravest) {
            sim_fail(sim, "order_free", "hazard is %lld, by definition it is %lld",
                     (long long)number_of(have), (long long)gravest);
        }
    } else if (last->policy != DS_POLICY_UNION && !ds_slice_equal(have, want)) {
        const struct model_op *stands = model_find(&sim->model, have);
        const struct model_op *wanted = model_find(&sim->model, want);
        sim_fail(sim, "nothing_lost",
                 "premises field %u is not what its last writer left: #%07u stands, not #%07u",
                 last->tag, stands == NULL ? 0 : stands->serial,
                 wanted == NULL ? 0 : wanted->serial);
    }
}

static void check_union(struct history *history, const struct one_write *write)
{
    struct sim *sim = history->sim;
    struct look_row row;
    struct ds_slice added;
    struct ds_slice gone;
    struct ds_cursor cursor;
    if (!look_row(sim, history->txn, DS_REC_premises, &write->entity, &row) ||
        ds_union_decode(write->value, &added, &gone) != DS_OK) {
        return;
    }
    ds_cursor_init(&cursor, look_value(row.fields, write->tag));
    struct ds_slice have = ds_mp_take_bin(&cursor);
    for (size_t at = 0; at < added.size; at += 32) {
        bool there = false;
        for (size_t i = 0; i < have.size; i += 32) {
            there |= memcmp(have.data + i, added.data + at, 32) == 0;
        }
        if (!there && add_stands(history, write, added.data + at)) {
            sim_fail(sim, "order_free", "a photo that nobody removed is not in the set");
        }
    }
}

static void check_write(struct history *history, const struct one_write *write)
{
    struct look_row row;
    struct ds_id id =
        ds_item_id(&history->sim->station, DS_REC_conflict, &write->entity, write->tag, &write->op);
    bool told = look_row(history->sim, history->txn, DS_REC_conflict, &id, &row);
    if (write->policy == DS_POLICY_UNION) {
        check_union(history, write);
    } else if (write->policy != DS_POLICY_WORST && told != write->shown) {
        sim_fail(history->sim, "nothing_lost", "entry %llu: premises field %u was %s (seen %llu)",
                 (unsigned long long)write->position, write->tag,
                 told ? "said to conflict with nothing" : "silently overruled",
                 (unsigned long long)write->seen);
    }
}

static bool may_fork(const struct sim *sim)
{
    for (unsigned i = 0; i < sim->hand_count; i++) {
        if (sim->hands[i].cloned || sim->hands[i].went_back) {
            return true;
        }
    }
    return false;
}

void check_conflicts(struct sim *sim)
{
    struct history *history = calloc(1, sizeof *history);
    DS_ASSERT(history != NULL);
    history->sim = sim;
    history->write = calloc(WRITES_MAX, sizeof *history->write);
    history->bytes = malloc((size_t)WRITES_MAX * 256);
    DS_ASSERT(history->write != NULL && history->bytes != NULL);
    history->op = may_fork(sim) ? calloc(WRITES_MAX, sizeof *history->op) : NULL;
    look_journal(sim, gather, gather_entry, history);
    history->txn = server_begin(sim);
    look_rows(sim, history->txn, DS_REC_quarantine_item, leave_out_item, history);
    look_rows(sim, history->txn, DS_REC_conflict, leave_out_item, history);
    look_rows(sim, history->txn, DS_REC_proposal, leave_out_item, history);
    for (size_t i = 0; i < history->write_count; i++) {
        judge(history, i);
        if (is_forked(history, &history->write[i].writer)) {
            leave_out(history, &history->write[i].entity);
        }
    }
    for (size_t i = 0; i < history->write_count; i++) {
        if (!is_left_out(history, &history->write[i].entity)) {
            check_seen(history, &history->write[i]);
            check_write(history, &history->write[i]);
            check_value(history, &history->write[i]);
        }
    }
    ds_txn_abort(history->txn);
    free(history->op);
    free(history->write);
    free(history->bytes);
    free(history);
    sim_checked("nothing_lost");
}

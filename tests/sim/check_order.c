/* order_free: the same work in another order of arrival comes to the same readings, billing choice,
 * worst and union.
 *
 * The journal's batches of handhelds change places with their neighbours where nobody could have
 * known one without the other: not within one device, not where an op's `seen` lies between them
 * and it writes what they write, not where one was recorded with the other in view. So every
 * `seen` keeps its meaning without being remapped, and not one byte of a batch changes. What the
 * office wrote stays in its place. The new order is folded into a fresh store. */
#include "tests/sim/look.h"

enum { ENTRIES_MAX = 800, SWAPS_PER_ENTRY = 12 };

struct item {
    uint64_t origin; /* Position in the journal as it is. */
    struct ds_id device;
    uint64_t knows; /* Greatest snapshot with which one of its ops was recorded. */
    bool moves;
};

struct touch { /* One op that writes a shared entity. */
    uint64_t origin;
    uint64_t seen;
    struct ds_id entity;
};

struct order {
    struct sim *sim;
    struct item item[ENTRIES_MAX];
    size_t count;
    struct touch touch[MODEL_OPS_MAX * 2];
    size_t touch_count;
};

static void note(void *context, const struct look_op *look)
{
    struct order *order = context;
    struct item *item = &order->item[look->position - 1];
    const struct model_op *op = model_find(&order->sim->model, look->op.raw);
    item->device = look->batch->device;
    if (op != NULL && op->snapshot > item->knows) {
        item->knows = op->snapshot;
    }
    if (op == NULL && look->op.type != DS_REC_life) {
        item->moves = false; /* The office's, or of unknown knowledge. */
    }
    if (!ds_id_is_none(&look->op.id) && order->touch_count < DS_COUNT(order->touch)) {
        order->touch[order->touch_count++] =
            (struct touch){.origin = look->position, .seen = look->op.seen, .entity = look->op.id};
    }
    if (ds_id_is_none(&look->op.id) && look->op.type == DS_REC_meter) {
        item->moves = false; /* Others may read a meter as soon as it is typed. */
    }
}

static void note_entry(void *context, uint64_t position, const struct ds_entry *entry)
{
    struct order *order = context;
    (void)position;
    if (entry->kind != DS_ENTRY_BATCH) {
        order->item[position - 1].moves = false;
    }
}

static bool touches(const struct order *order, uint64_t origin, const struct ds_id *entity)
{
    for (size_t i = 0; i < order->touch_count; i++) {
        if (order->touch[i].origin == origin && ds_id_equal(&order->touch[i].entity, entity)) {
            return true;
        }
    }
    return false;
}

/* Would some op's `seen` part the two, on an entity that one of them writes? */
static bool is_parted(const struct order *order, uint64_t position, uint64_t a, uint64_t b)
{
    for (size_t i = 0; i < order->touch_count; i++) {
        const struct touch *touch = &order->touch[i];
        if (touch->seen == position &&
            (touches(order, a, &touch->entity) || touches(order, b, &touch->entity))) {
            return true;
        }
    }
    return false;
}

/* at: index; the pair stands at positions at + 1 and at + 2. */
static bool may_swap(const struct order *order, size_t at)
{
    const struct item *first = &order->item[at];
    const struct item *second = &order->item[at + 1];
    return first->moves && second->moves && !ds_id_equal(&first->device, &second->device) &&
           second->knows < first->origin && first->knows < second->origin &&
           !is_parted(order, at + 1, first->origin, second->origin);
}

/* ---- Folding and comparing ---- */

static void fold_again(struct sim *sim, const struct order *order, struct ds_store *store)
{
    struct ds_txn *from = server_begin(sim);
    struct ds_txn *txn = NULL;
    struct ds_shard_meta meta;
    struct ds_folded folded;
    SIM_MUST(sim, ds_meta_load(from, &meta));
    meta = (struct ds_shard_meta){.station = meta.station, .epoch = 1};
    SIM_MUST(sim, ds_store_begin(store, true, &txn));
    SIM_MUST(sim, ds_meta_store(txn, &meta));
    struct ds_desk *desk = ds_desk_begin(sim->scratch, txn);
    for (size_t i = 0; i < order->count; i++) {
        struct ds_detail detail = {{0}};
        enum ds_err err = ds_engine_fold(desk, &meta, look_entry(sim, from, order->item[i].origin),
                                         &folded, &detail);
        if (err != DS_OK || folded.error != DS_OK || folded.duplicate) {
            sim_fail(sim, "order_free", "entry %llu does not fold at %zu: %s %s %s",
                     (unsigned long long)order->item[i].origin, i + 1, ds_err_name(err),
                     ds_err_name(folded.error), detail.text);
        }
    }
    SIM_MUST(sim, ds_txn_commit(txn));
    ds_txn_abort(from);
}

struct comparison {
    struct sim *sim;
    struct ds_txn *other;
};

static void compare_fields(struct comparison *c, const struct look_row *row, const uint8_t *tags,
                           size_t count)
{
    struct look_row other;
    const struct ds_record_type *type = ds_record_type_by_number(row->type);
    if (!look_row(c->sim, c->other, row->type, &row->id, &other)) {
        sim_fail(c->sim, "order_free", "in another order of arrival there is no such %s",
                 type->name);
    }
    for (size_t i = 0; i < count; i++) {
        if (!ds_slice_equal(look_value(row->fields, tags[i]), look_value(other.fields, tags[i]))) {
            sim_fail(c->sim, "order_free", "in another order of arrival %s.%s differs", type->name,
                     ds_field_by_tag(type, tags[i])->name);
        }
    }
}

static void compare_slot(void *context, const struct look_row *row)
{
    static const uint8_t tags[] = {DS_TAG_slot_state,          DS_TAG_slot_chosen,
                                   DS_TAG_slot_index,          DS_TAG_slot_final_index,
                                   DS_TAG_slot_consumption_l,  DS_TAG_slot_candidates,
                                   DS_TAG_slot_candidates_hash};
    compare_fields(context, row, tags, DS_COUNT(tags));
}

static void compare_premises(void *context, const struct look_row *row)
{
    static const uint8_t tags[] = {DS_TAG_premises_hazard, DS_TAG_premises_photos};
    compare_fields(context, row, tags, DS_COUNT(tags));
}

static void compare_reading(void *context, const struct look_row *row)
{
    compare_fields(context, row, NULL, 0);
}

static bool has_branches(struct sim *sim)
{
    for (unsigned i = 0; i < sim->hand_count; i++) {
        if (sim->hands[i].cloned || sim->hands[i].went_back || sim->hands[i].revoked) {
            return true; /* What a clone may do depends on who was first. */
        }
    }
    return sim->server_restores > 0 || sim->shard.meta.size > ENTRIES_MAX;
}

void check_order(struct sim *sim)
{
    if (has_branches(sim)) {
        return;
    }
    struct order *order = calloc(1, sizeof *order);
    struct ds_store *store = NULL;
    size_t swaps = 0;
    DS_ASSERT(order != NULL);
    order->sim = sim;
    order->count = sim->shard.meta.size;
    for (size_t i = 0; i < order->count; i++) {
        order->item[i] = (struct item){.origin = i + 1, .moves = true};
    }
    look_journal(sim, note, note_entry, order);
    for (size_t i = 0; i < order->count * SWAPS_PER_ENTRY; i++) {
        size_t at = prng_below(&sim->choose, order->count - 1);
        if (may_swap(order, at)) {
            struct item first = order->item[at];
            order->item[at] = order->item[at + 1];
            order->item[at + 1] = first;
            swaps++;
        }
    }
    trace_line(&sim->trace, "another order: %zu swaps", swaps);
    if (swaps > 0) {
        SIM_MUST(sim, ds_store_memory_open(0, &store));
        fold_again(sim, order, store);
        struct comparison comparison = {.sim = sim};
        struct ds_txn *txn = server_begin(sim);
        SIM_MUST(sim, ds_store_begin(store, false, &comparison.other));
        look_rows(sim, txn, DS_REC_slot, compare_slot, &comparison);
        look_rows(sim, txn, DS_REC_premises, compare_premises, &comparison);
        look_rows(sim, txn, DS_REC_reading, compare_reading, &comparison);
        ds_txn_abort(comparison.other);
        ds_txn_abort(txn);
        ds_store_close(store);
        sim_checked("order_free");
    }
    free(order);
}

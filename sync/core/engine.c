#include "schema/codec/msgpack.h"
#include "sync/core/feed.h"
#include "sync/core/fold.h"
#include "sync/core/mutant.h"
#include "sync/core/slot.h"
#include "sync/core/writer.h"

#include <string.h>

enum { META_SIZE = 16 + 8 + 8 + 8 + 8 + 8 + 4 };

enum ds_err ds_meta_load(struct ds_txn *txn, struct ds_shard_meta *meta)
{
    struct ds_key key = ds_key_meta("shard");
    struct ds_slice value;
    memset(meta, 0, sizeof(*meta));
    DS_TRY(ds_txn_get(txn, DS_TABLE_META, ds_key_slice(&key), &value));
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    meta->station = ds_take_id(&cursor);
    meta->size = ds_take_u64(&cursor);
    meta->epoch = ds_take_u64(&cursor);
    meta->kept_size = ds_take_u64(&cursor);
    meta->version = ds_take_u64(&cursor);
    meta->time_ms = (int64_t)ds_take_u64(&cursor);
    meta->offset_min = (int32_t)ds_take_u32(&cursor);
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_meta_store(struct ds_txn *txn, const struct ds_shard_meta *meta)
{
    uint8_t bytes[META_SIZE];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_id(&builder, &meta->station);
    ds_put_u64(&builder, meta->size);
    ds_put_u64(&builder, meta->epoch);
    ds_put_u64(&builder, meta->kept_size);
    ds_put_u64(&builder, meta->version);
    ds_put_u64(&builder, (uint64_t)meta->time_ms);
    ds_put_u32(&builder, (uint32_t)meta->offset_min);
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_meta("shard");
    return ds_txn_put(txn, DS_TABLE_META, ds_key_slice(&key), value);
}

enum ds_err ds_lane_of(struct ds_txn *txn, const struct ds_incarnation *incarnation, uint8_t lane,
                       struct ds_lane_state *state, struct ds_id *device)
{
    struct ds_lane_row row;
    DS_TRY(ds_lane_load(txn, incarnation, lane, &row));
    if (!row.exists) {
        return DS_ERR_NOT_FOUND;
    }
    *device = row.device;
    *state = (struct ds_lane_state){.incarnation = *incarnation,
                                    .lane = lane,
                                    .seq = row.next_seq - 1,
                                    .chain = row.chain,
                                    .position = row.position};
    return DS_OK;
}

/* The batch's device as the state knows it. The very first batch of a journal makes its own. */
static enum ds_err load_device(struct ds_txn *txn, const struct ds_batch *batch, uint64_t size,
                               struct ds_arena *arena, struct ds_device *device)
{
    enum ds_err err = ds_record_load(txn, DS_REC_device, &batch->device, arena, device);
    if (err == DS_ERR_NOT_FOUND && size == 1) {
        memset(device, 0, sizeof(*device));
        device->kind = DS_ACTOR_system;
        device->state = DS_DEVICE_active;
        return DS_OK;
    }
    return err == DS_ERR_NOT_FOUND ? DS_ERR_AUTH : err;
}

static enum ds_err judge(struct ds_txn *txn, const struct ds_shard_meta *meta,
                         const struct ds_batch *batch, struct ds_arena *arena,
                         struct ds_device *device, struct ds_judged *judged)
{
    struct ds_life_row life;
    if (!ds_id_equal(&batch->station, &meta->station)) {
        return DS_ERR_AUTH;
    }
    DS_TRY(load_device(txn, batch, meta->size, arena, device));
    DS_TRY(ds_life_load(txn, &batch->incarnation, &life));
    if (life.exists && !ds_id_equal(&life.device, &batch->device)) {
        return DS_ERR_AUTH; /* Another device's name. */
    }
    return ds_judge_batch(txn, batch, judged);
}

static void tell_judgement(const struct ds_batch *batch, const struct ds_judged *judged,
                           struct ds_folded *folded)
{
    folded->incarnation = judged->writer;
    folded->lane = (uint8_t)batch->lane;
    folded->last_seq = batch->first_seq + batch->count - 1;
    folded->duplicate = judged->kind == DS_JUDGED_DUPLICATE;
    folded->branch = !ds_incarnation_equal(&judged->writer, &batch->incarnation);
    folded->position = folded->duplicate ? judged->position : 0;
    folded->error = judged->kind == DS_JUDGED_GAP ? DS_ERR_GAP : DS_OK;
}

enum ds_err ds_engine_judge(struct ds_txn *txn, const struct ds_batch *batch,
                            struct ds_arena *arena, struct ds_folded *folded)
{
    size_t mark = ds_arena_mark(arena);
    struct ds_shard_meta meta;
    struct ds_judged judged;
    struct ds_device *device = ds_arena_alloc(arena, sizeof(*device));
    memset(folded, 0, sizeof(*folded));
    if (device == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_meta_load(txn, &meta));
    enum ds_err err = judge(txn, &meta, batch, arena, device, &judged);
    ds_arena_rewind(arena, mark);
    if (err == DS_ERR_AUTH) {
        folded->error = DS_ERR_AUTH;
        return DS_OK;
    }
    DS_TRY(err);
    tell_judgement(batch, &judged, folded);
    return DS_OK;
}

/* Ancestors of a life, nearest first, as far as the table reaches. */
static enum ds_err load_lineage(struct ds_txn *txn, const struct ds_incarnation *name,
                                struct ds_lineage *lineage)
{
    struct ds_life_row life;
    struct ds_incarnation at = *name;
    lineage->count = 0;
    while (lineage->count < DS_COUNT(lineage->ancestor)) {
        DS_TRY(ds_life_load(txn, &at, &life));
        if (!life.exists || ds_incarnation_is_none(&life.parent)) {
            break;
        }
        size_t i = lineage->count++;
        lineage->ancestor[i].incarnation = life.parent;
        lineage->ancestor[i].work_seq = life.parent_work_seq;
        lineage->ancestor[i].track_seq = life.parent_track_seq;
        at = life.parent;
    }
    return DS_OK;
}

/* A fork opens a branch: its own lane from the branch point, its own life under the incarnation. */
static enum ds_err open_branch(struct ds_fold *fold, const struct ds_judged *judged)
{
    const struct ds_batch *batch = fold->batch;
    struct ds_life_row life;
    struct ds_lane_row other;
    uint8_t other_lane = batch->lane == DS_LANE_WORK ? DS_LANE_TRACK : DS_LANE_WORK;
    DS_TRY(ds_lane_load(fold->txn, &batch->incarnation, other_lane, &other));
    struct ds_lane_row lane = {.exists = true,
                               .device = batch->device,
                               .next_seq = judged->first_new,
                               .chain = judged->branch_point};
    DS_TRY(ds_lane_store(fold->txn, &judged->writer, (uint8_t)batch->lane, &lane));
    DS_TRY(ds_life_load(fold->txn, &batch->incarnation, &life));
    DS_ASSERT(life.branch_count < DS_BRANCHES_MAX); /* ds_judge_batch() has looked. */
    life.branch[life.branch_count].lane = (uint8_t)batch->lane;
    life.branch[life.branch_count].name = judged->writer;
    life.branch_count++;
    DS_TRY(ds_life_store(fold->txn, &batch->incarnation, &life));
    bool work = batch->lane == DS_LANE_WORK;
    struct ds_life_row born = {
        .exists = true,
        .device = batch->device,
        .parent = judged->parent,
        .parent_work_seq = work ? judged->first_new - 1 : other.next_seq - 1,
        .parent_track_seq = work ? other.next_seq - 1 : judged->first_new - 1,
    };
    return ds_life_store(fold->txn, &judged->writer, &born);
}

/* The first op of a lane names the life's parent (record `life`), or there is none. */
static enum ds_err open_life(struct ds_fold *fold, const struct ds_incarnation *name)
{
    struct ds_life_row life;
    DS_TRY(ds_life_load(fold->txn, name, &life));
    if (life.exists) {
        return DS_OK;
    }
    struct ds_life_row born = {.exists = true, .device = fold->device};
    return ds_life_store(fold->txn, name, &born);
}

/* The parent has a child already, and now another life goes on from it: whichever of the two
 * lines lives on from here holds a copied store. The newer one is the heir, so the older one's
 * newest life gets it as its child. */
static enum ds_err disinherit(struct ds_fold *fold, const struct ds_incarnation *first,
                              const struct ds_incarnation *name)
{
    enum { LIVES_MAX = 16 };
    struct ds_incarnation at = *first;
    for (size_t i = 0; i < LIVES_MAX && !ds_incarnation_equal(&at, name); i++) {
        struct ds_life_row life;
        struct ds_lane_row work;
        struct ds_lane_row track;
        DS_TRY(ds_life_load(fold->txn, &at, &life));
        if (!ds_incarnation_is_none(&life.child)) {
            at = life.child;
            continue;
        }
        DS_TRY(ds_lane_load(fold->txn, &at, DS_LANE_WORK, &work));
        DS_TRY(ds_lane_load(fold->txn, &at, DS_LANE_TRACK, &track));
        life.child = *name;
        life.child_work_seq = work.next_seq - 1;
        life.child_track_seq = track.next_seq - 1;
        return ds_life_store(fold->txn, &at, &life);
    }
    return DS_OK;
}

static enum ds_err fold_life(struct ds_fold *fold, const struct ds_incarnation *name)
{
    struct ds_life *record = DS_FOLD_NEW(fold, struct ds_life);
    struct ds_life_row own;
    struct ds_life_row parent;
    if (record == NULL) {
        return DS_ERR_NOMEM;
    }
    if (ds_record_decode(ds_record_type_by_number(DS_REC_life), fold->op->fields, fold->arena,
                         record, NULL) != DS_OK ||
        !DS_HAS(record, life, parent) || record->parent.size != sizeof(struct ds_incarnation)) {
        return DS_OK; /* The first life, or malformed: then ds_fold_op() says so. */
    }
    DS_TRY(ds_life_load(fold->txn, name, &own));
    if (!ds_incarnation_is_none(&own.parent)) {
        return DS_OK; /* Named once and for all. */
    }
    struct ds_incarnation parent_name;
    memcpy(parent_name.byte, record->parent.data, sizeof(parent_name.byte));
    DS_TRY(ds_life_load(fold->txn, &parent_name, &parent));
    if (!parent.exists || !ds_id_equal(&parent.device, &fold->device) ||
        ds_incarnation_equal(&parent_name, name)) {
        return DS_OK; /* Nothing is inherited from a life that is not this device's. */
    }
    own.parent = parent_name;
    own.parent_work_seq = (uint64_t)DS_GET(record, life, parent_work_seq, 0);
    own.parent_track_seq = (uint64_t)DS_GET(record, life, parent_track_seq, 0);
    DS_TRY(ds_life_store(fold->txn, name, &own));
    if (ds_incarnation_is_none(&parent.child)) {
        parent.child = *name;
        parent.child_work_seq = own.parent_work_seq;
        parent.child_track_seq = own.parent_track_seq;
        DS_TRY(ds_life_store(fold->txn, &parent_name, &parent));
    } else {
        DS_TRY(disinherit(fold, &parent.child, name));
    }
    return load_lineage(fold->txn, name, &fold->lineage);
}

/* Is somebody else living on: does the life go on though a child of it, or of a branch of it, has
 * begun? Then two devices hold one key. Ops of that life after *last are a clone's. */
static enum ds_err find_clone(struct ds_fold *fold, const struct ds_incarnation *name,
                              uint64_t *last)
{
    struct ds_life_row life;
    bool track = fold->batch->lane == DS_LANE_TRACK;
    *last = UINT64_MAX;
    DS_TRY(ds_life_load(fold->txn, name, &life));
    if (!ds_incarnation_is_none(&life.child)) {
        *last = track ? life.child_track_seq : life.child_work_seq;
    }
    for (size_t i = 0; i<life.branch_count && * last> 0; i++) {
        struct ds_life_row branch;
        DS_TRY(ds_life_load(fold->txn, &life.branch[i].name, &branch));
        *last = ds_incarnation_is_none(&branch.child) ? *last : 0;
    }
    return DS_OK;
}

static enum ds_err suspend_device(struct ds_fold *fold)
{
    uint8_t bytes[8];
    struct ds_builder builder;
    struct ds_slice fields;
    if (fold->device_state != DS_DEVICE_active) {
        return DS_OK;
    }
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_mp_put_map(&builder, 1);
    ds_mp_put_uint(&builder, DS_TAG_device_state);
    ds_mp_put_uint(&builder, DS_DEVICE_suspended);
    DS_TRY(ds_builder_end(&builder, &fields));
    fold->device_state = DS_DEVICE_suspended;
    return ds_fold_write_entity(fold, DS_REC_device, &fold->device, fields);
}

/* A `seen` from before a restore counts up to what was kept. */
static enum ds_err clamp_seen(struct ds_fold *fold, struct ds_op *op)
{
    uint64_t kept = 0;
    if (fold->batch->epoch >= fold->meta->epoch || DS_MUTANT("seen_not_clamped")) {
        return DS_OK;
    }
    DS_TRY(ds_kept_since(fold->txn, fold->batch->epoch, &kept));
    op->seen = op->seen < kept ? op->seen : kept;
    return DS_OK;
}

static enum ds_err fold_one(struct ds_fold *fold, const struct ds_incarnation *name,
                            struct ds_op *op, uint64_t seq, uint64_t *clone_after)
{
    size_t mark = ds_arena_mark(fold->arena);
    fold->op = op;
    fold->op_id = ds_op_id(name, fold->batch->lane, seq);
    fold->entity = ds_id_is_none(&op->id) ? fold->op_id : op->id;
    fold->write = (struct ds_write){.position = fold->position,
                                    .writer = *name,
                                    .seq = seq,
                                    .lane = (uint8_t)fold->batch->lane};
    DS_TRY(clamp_seen(fold, op));
    fold->clone = seq > *clone_after;
    if (fold->clone) {
        DS_TRY(suspend_device(fold));
    }
    if (op->type == DS_REC_life) {
        DS_TRY(fold_life(fold, name));
        DS_TRY(find_clone(fold, name, clone_after));
    }
    enum ds_err err = ds_fold_op(fold);
    ds_arena_rewind(fold->arena, mark);
    return err;
}

static enum ds_err fold_ops(struct ds_fold *fold, const struct ds_judged *judged)
{
    const struct ds_batch *batch = fold->batch;
    struct ds_cursor cursor;
    uint64_t clone_after = 0;
    DS_TRY(find_clone(fold, &judged->writer, &clone_after));
    ds_cursor_init(&cursor, batch->ops);
    for (uint64_t seq = batch->first_seq; seq < batch->first_seq + batch->count; seq++) {
        struct ds_op op;
        if (ds_op_take(&cursor, &op, NULL) != DS_OK) {
            return DS_ERR_INTEGRITY; /* ds_batch_parse() has walked it. */
        }
        if (seq < judged->first_new) {
            continue;
        }
        DS_TRY(fold_one(fold, &judged->writer, &op, seq, &clone_after));
    }
    struct ds_lane_row lane = {.exists = true,
                               .device = batch->device,
                               .next_seq = batch->first_seq + batch->count,
                               .chain = batch->head,
                               .position = fold->position};
    DS_TRY(ds_lane_store(fold->txn, &judged->writer, (uint8_t)batch->lane, &lane));
    struct ds_bound_row bound = {
        .position = fold->position, .first_seq = judged->first_new, .chain = batch->head};
    return ds_bound_store(fold->txn, &judged->writer, (uint8_t)batch->lane, lane.next_seq - 1,
                          &bound);
}

/* The supervisor is told of a branch: an item that is only shown. */
static enum ds_err tell_branch(struct ds_fold *fold, const struct ds_judged *judged)
{
    struct ds_cursor cursor;
    struct ds_op op;
    uint64_t seq = fold->batch->first_seq;
    ds_cursor_init(&cursor, fold->batch->ops);
    do {
        if (ds_op_take(&cursor, &op, NULL) != DS_OK) {
            return DS_ERR_INTEGRITY;
        }
    } while (seq++ < judged->first_new);
    fold->op = &op;
    fold->op_id = ds_op_id(&judged->writer, fold->batch->lane, judged->first_new);
    fold->entity = ds_id_is_none(&op.id) ? fold->op_id : op.id;
    fold->write.seq = judged->first_new;
    return ds_fold_quarantine(fold, DS_QUARANTINE_fork, DS_ITEM_shown,
                              "same sequence, other content: restored and worked on, or cloned");
}

static enum ds_err fold_batch(struct ds_fold *fold, const struct ds_entry *entry,
                              struct ds_detail *detail)
{
    struct ds_batch batch;
    struct ds_judged judged;
    struct ds_device *device = DS_FOLD_NEW(fold, struct ds_device);
    if (device == NULL) {
        return DS_ERR_NOMEM;
    }
    if (ds_batch_parse_trusted(entry->batch, &batch) != DS_OK) {
        fold->out->error = DS_ERR_DECODE;
        return DS_OK;
    }
    fold->batch = &batch;
    enum ds_err err = judge(fold->txn, fold->meta, &batch, fold->arena, device, &judged);
    if (err == DS_ERR_AUTH) {
        fold->out->error = DS_ERR_AUTH;
        ds_detail_set(detail, "the batch's device is not known here", NULL);
        return DS_OK;
    }
    DS_TRY(err);
    tell_judgement(&batch, &judged, fold->out);
    if (judged.kind == DS_JUDGED_GAP || judged.kind == DS_JUDGED_DUPLICATE) {
        return DS_OK;
    }
    fold->out->position = fold->position;
    fold->device = batch.device;
    fold->actor = (enum ds_actor_kind)device->kind;
    fold->device_state = (enum ds_device_state)device->state;
    fold->worker = DS_GET(device, device, worker, (struct ds_id){{0}});
    fold->anchor_boot = entry->anchor_boot;
    fold->anchor_mono_ms = entry->anchor_mono_ms;
    if (judged.kind == DS_JUDGED_FORK) {
        DS_TRY(open_branch(fold, &judged));
        DS_TRY(tell_branch(fold, &judged));
    }
    DS_TRY(open_life(fold, &judged.writer));
    DS_TRY(load_lineage(fold->txn, &judged.writer, &fold->lineage));
    return fold_ops(fold, &judged);
}

/* Fold a quarantined op again: its own writer and `seen`, at the decision's position. */
enum ds_err ds_fold_released(struct ds_fold *fold, const struct ds_quarantine_item *item)
{
    struct ds_key key = ds_key_journal((uint64_t)item->position);
    struct ds_slice stored;
    struct ds_slice copy;
    struct ds_entry entry;
    struct ds_batch *batch = DS_FOLD_NEW(fold, struct ds_batch);
    struct ds_device *device = DS_FOLD_NEW(fold, struct ds_device);
    struct ds_fold *again = DS_FOLD_NEW(fold, struct ds_fold);
    if (batch == NULL || device == NULL || again == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_txn_get(fold->txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &stored));
    DS_TRY(ds_arena_copy(fold->arena, stored, &copy));
    if (ds_entry_parse(copy, &entry, NULL) != DS_OK ||
        ds_batch_parse_trusted(entry.batch, batch) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    struct ds_cursor cursor;
    struct ds_op op = {0};
    ds_cursor_init(&cursor, batch->ops);
    for (int64_t i = 0; i <= item->ordinal; i++) {
        if (ds_op_take(&cursor, &op, NULL) != DS_OK) {
            return DS_ERR_INTEGRITY;
        }
    }
    DS_TRY(ds_record_load(fold->txn, DS_REC_device, &item->device, fold->arena, device));
    *again = *fold;
    again->released = true;
    again->origin = (uint64_t)item->position;
    again->clone = false;
    again->batch = batch;
    again->device = item->device;
    again->actor = (enum ds_actor_kind)device->kind;
    again->worker = DS_GET(device, device, worker, (struct ds_id){{0}});
    again->instant_ms = entry.instant_ms; /* Received then: its clocks are read against that. */
    again->anchor_boot = entry.anchor_boot;
    again->anchor_mono_ms = entry.anchor_mono_ms;
    again->op = &op;
    again->op_id = item->op;
    memcpy(again->write.writer.byte, item->op.byte, sizeof(again->write.writer.byte));
    again->write.lane = item->op.byte[8];
    again->write.seq = batch->first_seq + (uint64_t)item->ordinal;
    DS_TRY(clamp_seen(again, &op));
    DS_TRY(load_lineage(fold->txn, &again->write.writer, &again->lineage));
    struct ds_heir heirs[DS_HEIRS_MAX];
    DS_TRY(ds_heirs_load(fold->txn, &again->write.writer, heirs, &again->heir_count));
    again->heirs = heirs;
    enum ds_err err = ds_fold_op(again);
    fold->ordinal = again->ordinal;
    return err;
}

static enum ds_err store_entry(struct ds_fold *fold, struct ds_slice bytes)
{
    struct ds_key key = ds_key_journal(fold->position);
    return ds_txn_put(fold->txn, DS_TABLE_JOURNAL, ds_key_slice(&key), bytes);
}

enum ds_err ds_engine_fold(struct ds_desk *desk, struct ds_shard_meta *meta, struct ds_slice bytes,
                           struct ds_folded *folded, struct ds_detail *detail)
{
    struct ds_entry entry;
    struct ds_shard_meta next = *meta;
    ds_arena_reset(&desk->arena);
    struct ds_fold *fold = ds_arena_alloc(&desk->arena, sizeof(*fold));
    memset(folded, 0, sizeof(*folded));
    if (fold == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = ds_entry_parse(bytes, &entry, detail);
    if (err != DS_OK) {
        folded->error = err;
        return DS_OK;
    }
    if (meta->version == 0 && entry.kind != DS_ENTRY_ACTIVATE) {
        ds_detail_set(detail, "the first entry of a journal is activate", NULL);
        folded->error = DS_ERR_DECODE;
        return DS_OK;
    }
    if (entry.instant_ms > next.time_ms) {
        next.time_ms = entry.instant_ms;
    }
    *fold = (struct ds_fold){.desk = desk,
                             .txn = desk->txn,
                             .meta = &next,
                             .arena = &desk->arena,
                             .position = meta->size + 1,
                             .origin = meta->size + 1,
                             .instant_ms = entry.instant_ms,
                             .out = folded};
    switch (entry.kind) {
    case DS_ENTRY_BATCH:
        /* First, so that a fork or a release may look the entry up by its position. */
        DS_TRY(store_entry(fold, bytes));
        err = fold_batch(fold, &entry, detail);
        break;
    case DS_ENTRY_TICK:
    case DS_ENTRY_ERASE:
        err = store_entry(fold, bytes);
        break;
    case DS_ENTRY_ACTIVATE:
        if (entry.version > DS_ENGINE_VERSION || entry.version < next.version ||
            entry.version == 0) {
            ds_detail_set(detail, "activate: made by a newer engine, or leads back", NULL);
            folded->error = DS_ERR_VERSION;
        } else {
            next.version = entry.version;
            desk->rules_loaded = false; /* Others may count now. */
            err = store_entry(fold, bytes);
        }
        break;
    case DS_ENTRY_EPOCH:
        DS_TRY(ds_fold_epoch(fold, &entry));
        err = store_entry(fold, bytes);
        break;
    }
    DS_TRY(err);
    if (folded->error != DS_OK || folded->duplicate) {
        /* Nothing was folded: the number stays free for the next entry. */
        struct ds_key key = ds_key_journal(fold->position);
        return ds_txn_del(desk->txn, DS_TABLE_JOURNAL, ds_key_slice(&key));
    }
    next.size = fold->position;
    DS_TRY(ds_desk_settle(desk));
    DS_TRY(ds_meta_store(desk->txn, &next));
    *meta = next;
    return DS_OK;
}

enum ds_err ds_engine_digest(struct ds_txn *txn, struct ds_hash *digest)
{
    struct ds_hasher hasher;
    ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, sizeof(digest->byte));
    ds_hasher_add(&hasher, DS_SLICE_LIT("doorstep digest 1"));
    for (unsigned table = DS_TABLE_ROW; table <= DS_TABLE_FACTS; table++) {
        struct ds_key key = {.byte = {0}, .size = 1};
        for (;;) {
            struct ds_slice found;
            struct ds_slice value;
            enum ds_err err =
                ds_txn_at_or_after(txn, (uint8_t)table, ds_key_slice(&key), &found, &value);
            if (err == DS_ERR_NOT_FOUND) {
                break;
            }
            DS_TRY(err);
            uint8_t head[16];
            struct ds_builder builder;
            ds_builder_init(&builder, head, sizeof(head));
            ds_put_u8(&builder, (uint8_t)table);
            ds_put_u32(&builder, (uint32_t)found.size);
            ds_put_u32(&builder, (uint32_t)value.size);
            ds_hasher_add(&hasher, (struct ds_slice){head, builder.used});
            ds_hasher_add(&hasher, found);
            ds_hasher_add(&hasher, value);
            key = ds_key_after(found);
        }
    }
    ds_hasher_end(&hasher, digest->byte, sizeof(digest->byte));
    return DS_OK;
}

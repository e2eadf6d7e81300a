#include "sync/core/writer.h"

#include "schema/codec/msgpack.h"
#include "sync/core/mutant.h"

#include <string.h>

static void put_name(struct ds_builder *builder, const struct ds_incarnation *name)
{
    ds_put_bytes(builder, DS_SLICE_OF(name->byte));
}

static struct ds_incarnation take_name(struct ds_cursor *cursor)
{
    struct ds_incarnation name = {{0}};
    struct ds_slice bytes = ds_take_bytes(cursor, sizeof(name.byte));
    if (bytes.size == sizeof(name.byte)) {
        memcpy(name.byte, bytes.data, bytes.size);
    }
    return name;
}

enum ds_err ds_lane_load(struct ds_txn *txn, const struct ds_incarnation *name, uint8_t lane,
                         struct ds_lane_row *row)
{
    struct ds_key key = ds_key_writer(name, lane);
    struct ds_slice value;
    memset(row, 0, sizeof(*row));
    enum ds_err err = ds_txn_get(txn, DS_TABLE_WRITER, ds_key_slice(&key), &value);
    if (err == DS_ERR_NOT_FOUND) {
        row->next_seq = 1;
        row->chain = ds_chain_start(name, (enum ds_lane)lane);
        return DS_OK;
    }
    DS_TRY(err);
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    row->exists = true;
    row->device = ds_take_id(&cursor);
    row->next_seq = ds_take_u64(&cursor);
    row->chain = ds_take_hash(&cursor);
    row->position = ds_take_u64(&cursor);
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_lane_store(struct ds_txn *txn, const struct ds_incarnation *name, uint8_t lane,
                          const struct ds_lane_row *row)
{
    uint8_t bytes[16 + 8 + 32 + 8];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_id(&builder, &row->device);
    ds_put_u64(&builder, row->next_seq);
    ds_put_hash(&builder, &row->chain);
    ds_put_u64(&builder, row->position);
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_writer(name, lane);
    return ds_txn_put(txn, DS_TABLE_WRITER, ds_key_slice(&key), value);
}

enum ds_err ds_life_load(struct ds_txn *txn, const struct ds_incarnation *name,
                         struct ds_life_row *row)
{
    struct ds_key key = ds_key_writer(name, 0);
    struct ds_slice value;
    memset(row, 0, sizeof(*row));
    enum ds_err err = ds_txn_get(txn, DS_TABLE_WRITER, ds_key_slice(&key), &value);
    if (err == DS_ERR_NOT_FOUND) {
        return DS_OK;
    }
    DS_TRY(err);
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value);
    row->exists = true;
    row->device = ds_take_id(&cursor);
    row->parent = take_name(&cursor);
    row->parent_work_seq = ds_take_u64(&cursor);
    row->parent_track_seq = ds_take_u64(&cursor);
    row->child = take_name(&cursor);
    row->child_work_seq = ds_take_u64(&cursor);
    row->child_track_seq = ds_take_u64(&cursor);
    row->branch_count = ds_take_u8(&cursor);
    for (size_t i = 0; i < row->branch_count && i < DS_BRANCHES_MAX; i++) {
        row->branch[i].lane = ds_take_u8(&cursor);
        row->branch[i].name = take_name(&cursor);
    }
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_life_store(struct ds_txn *txn, const struct ds_incarnation *name,
                          const struct ds_life_row *row)
{
    uint8_t bytes[16 + 8 + 16 + 8 + 16 + 1 + DS_BRANCHES_MAX * 9];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_id(&builder, &row->device);
    put_name(&builder, &row->parent);
    ds_put_u64(&builder, row->parent_work_seq);
    ds_put_u64(&builder, row->parent_track_seq);
    put_name(&builder, &row->child);
    ds_put_u64(&builder, row->child_work_seq);
    ds_put_u64(&builder, row->child_track_seq);
    ds_put_u8(&builder, row->branch_count);
    for (size_t i = 0; i < row->branch_count; i++) {
        ds_put_u8(&builder, row->branch[i].lane);
        put_name(&builder, &row->branch[i].name);
    }
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_writer(name, 0);
    return ds_txn_put(txn, DS_TABLE_WRITER, ds_key_slice(&key), value);
}

enum ds_err ds_heirs_load(struct ds_txn *txn, const struct ds_incarnation *name,
                          struct ds_heir heirs[static DS_HEIRS_MAX], size_t *count)
{
    struct ds_life_row life;
    struct ds_heir heir = {.work_seq = 0};
    *count = 0;
    DS_TRY(ds_life_load(txn, name, &life));
    heir.work_seq = life.child_work_seq;
    heir.track_seq = life.child_track_seq;
    while (life.exists && !ds_incarnation_is_none(&life.child) && *count < DS_HEIRS_MAX) {
        heir.incarnation = life.child;
        heirs[(*count)++] = heir;
        DS_TRY(ds_life_load(txn, &heir.incarnation, &life));
    }
    return DS_OK;
}

enum ds_err ds_bound_store(struct ds_txn *txn, const struct ds_incarnation *name, uint8_t lane,
                           uint64_t last_seq, const struct ds_bound_row *row)
{
    uint8_t bytes[8 + 8 + 32];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_u64(&builder, row->position);
    ds_put_u64(&builder, row->first_seq);
    ds_put_hash(&builder, &row->chain);
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_bound(name, lane, last_seq);
    return ds_txn_put(txn, DS_TABLE_BOUND, ds_key_slice(&key), value);
}

enum ds_err ds_bound_at(struct ds_txn *txn, uint64_t position, struct ds_bound_name *bound)
{
    struct ds_key key = {.byte = {0}, .size = 1};
    for (;;) {
        struct ds_slice found;
        struct ds_slice value;
        struct ds_cursor cursor;
        DS_TRY(ds_txn_at_or_after(txn, DS_TABLE_BOUND, ds_key_slice(&key), &found, &value));
        ds_cursor_init(&cursor, value);
        if (ds_take_u64(&cursor) == position) {
            bound->first_seq = ds_take_u64(&cursor);
            ds_cursor_init(&cursor, found);
            bound->name = take_name(&cursor);
            bound->lane = ds_take_u8(&cursor);
            bound->last_seq = ds_take_u64(&cursor);
            return cursor.failed ? DS_ERR_INTEGRITY : DS_OK;
        }
        key = ds_key_after(found);
    }
}

/* The chain hash inside a stored batch, after seq. */
static enum ds_err chain_inside(struct ds_txn *txn, uint64_t position, uint64_t seq,
                                struct ds_hash *chain)
{
    struct ds_key key = ds_key_journal(position);
    struct ds_slice bytes;
    struct ds_entry entry;
    struct ds_batch batch;
    DS_TRY(ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes));
    if (ds_entry_parse(bytes, &entry, NULL) != DS_OK ||
        ds_batch_parse_trusted(entry.batch, &batch) != DS_OK || seq + 1 < batch.first_seq) {
        return DS_ERR_INTEGRITY;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, batch.ops);
    *chain = batch.before;
    for (uint64_t at = batch.first_seq; at <= seq; at++) {
        struct ds_op op;
        if (ds_op_take(&cursor, &op, NULL) != DS_OK) {
            return DS_ERR_INTEGRITY;
        }
        *chain = ds_chain_next(chain, op.raw);
    }
    return DS_OK;
}

enum ds_err ds_chain_at(struct ds_txn *txn, const struct ds_incarnation *name, uint8_t lane,
                        uint64_t seq, struct ds_hash *chain, uint64_t *position)
{
    *position = 0;
    if (seq == 0) {
        *chain = ds_chain_start(name, (enum ds_lane)lane);
        return DS_OK;
    }
    struct ds_key key = ds_key_bound(name, lane, seq);
    struct ds_slice found;
    struct ds_slice value;
    DS_TRY(ds_txn_at_or_after(txn, DS_TABLE_BOUND, ds_key_slice(&key), &found, &value));
    if (found.size != key.size || memcmp(found.data, key.byte, key.size - 8) != 0) {
        return DS_ERR_NOT_FOUND;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, found);
    (void)ds_take_bytes(&cursor, key.size - 8);
    uint64_t last = ds_take_u64(&cursor);
    ds_cursor_init(&cursor, value);
    *position = ds_take_u64(&cursor);
    uint64_t first = ds_take_u64(&cursor);
    *chain = ds_take_hash(&cursor);
    if (ds_cursor_end(&cursor) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    if (seq < first) {
        return DS_ERR_NOT_FOUND; /* A branch knows nothing before its branch point. */
    }
    return seq == last ? DS_OK : chain_inside(txn, *position, seq, chain);
}

/* The batch's own chain after seq (first_seq - 1 gives `before`). */
static enum ds_err own_chain(const struct ds_batch *batch, uint64_t seq, struct ds_hash *chain)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, batch->ops);
    *chain = batch->before;
    for (uint64_t at = batch->first_seq; at <= seq; at++) {
        struct ds_op op;
        DS_TRY(ds_op_take(&cursor, &op, NULL));
        *chain = ds_chain_next(chain, op.raw);
    }
    return DS_OK;
}

/* Does the batch agree with the lane up to seq? */
static enum ds_err agrees(struct ds_txn *txn, const struct ds_incarnation *name,
                          const struct ds_batch *batch, uint64_t seq, bool *same,
                          uint64_t *position)
{
    struct ds_hash mine;
    struct ds_hash theirs;
    enum ds_err err = ds_chain_at(txn, name, (uint8_t)batch->lane, seq, &mine, position);
    if (err == DS_ERR_NOT_FOUND) {
        *same = false;
        return DS_OK;
    }
    DS_TRY(err);
    DS_TRY(own_chain(batch, seq, &theirs));
    *same = ds_hash_equal(&mine, &theirs);
    return DS_OK;
}

/* Judge against one lane, the incarnation's own or a branch's. meets: the batch hangs on it. */
static enum ds_err judge_lane(struct ds_txn *txn, const struct ds_incarnation *name,
                              const struct ds_batch *batch, struct ds_judged *judged, bool *meets)
{
    struct ds_lane_row lane;
    DS_TRY(ds_lane_load(txn, name, (uint8_t)batch->lane, &lane));
    uint64_t last = batch->first_seq + batch->count - 1;
    *meets = false;
    judged->writer = *name;
    if (batch->first_seq > lane.next_seq && DS_MUTANT("skip_gap_check")) {
        *meets = true;
        judged->first_new = batch->first_seq;
        return DS_OK;
    }
    if (batch->first_seq > lane.next_seq) {
        judged->kind = DS_JUDGED_GAP;
        return DS_OK;
    }
    if (batch->first_seq == lane.next_seq) {
        *meets = ds_hash_equal(&batch->before, &lane.chain);
        judged->kind = DS_JUDGED_NEW;
        judged->first_new = batch->first_seq;
        return DS_OK;
    }
    uint64_t known = last < lane.next_seq ? last : lane.next_seq - 1;
    DS_TRY(agrees(txn, name, batch, known, meets, &judged->position));
    *meets = *meets || DS_MUTANT("skip_fork_test");
    judged->kind = last < lane.next_seq ? DS_JUDGED_DUPLICATE : DS_JUDGED_NEW;
    judged->first_new = known + 1;
    if (DS_MUTANT("double_fold")) {
        judged->kind = DS_JUDGED_NEW;
        judged->first_new = batch->first_seq;
    }
    return DS_OK;
}

static uint64_t last_known(const struct ds_batch *batch, const struct ds_lane_row *lane)
{
    uint64_t last = batch->first_seq + batch->count - 1;
    return last < lane->next_seq ? last : lane->next_seq - 1;
}

/* The first sequence whose op differs from the base's: at low they agree, at the last known one
 * they do not. The chain diverges once and for all, so halving finds it. */
static enum ds_err find_fork(struct ds_txn *txn, const struct ds_incarnation *base,
                             const struct ds_batch *batch, uint64_t low, struct ds_judged *judged)
{
    struct ds_lane_row lane;
    DS_TRY(ds_lane_load(txn, base, (uint8_t)batch->lane, &lane));
    uint64_t high = last_known(batch, &lane);
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        bool same = false;
        uint64_t position = 0;
        DS_TRY(agrees(txn, base, batch, middle, &same, &position));
        if (same) {
            low = middle;
        } else {
            high = middle;
        }
    }
    struct ds_hash after;
    DS_TRY(own_chain(batch, high, &after));
    DS_TRY(own_chain(batch, low, &judged->branch_point));
    judged->kind = DS_JUDGED_FORK;
    judged->writer = ds_branch_name(&batch->incarnation, batch->lane, &after);
    judged->parent = *base;
    judged->first_new = high;
    return DS_OK;
}

static bool is_branch(const struct ds_life_row *life, const struct ds_batch *batch,
                      const struct ds_incarnation *name)
{
    for (size_t i = 0; i < life->branch_count; i++) {
        if (life->branch[i].lane == batch->lane &&
            ds_incarnation_equal(&life->branch[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* The lane, the incarnation's own or a branch's, on whose path the batch begins before it leaves
 * it. */
static enum ds_err find_base(struct ds_txn *txn, const struct ds_batch *batch,
                             const struct ds_life_row *life, struct ds_incarnation *base,
                             bool *found)
{
    *found = false;
    for (size_t i = 0; i <= life->branch_count && !*found; i++) {
        struct ds_lane_row lane;
        uint64_t position = 0;
        if (i > 0 && life->branch[i - 1].lane != batch->lane) {
            continue;
        }
        *base = i == 0 ? batch->incarnation : life->branch[i - 1].name;
        DS_TRY(ds_lane_load(txn, base, (uint8_t)batch->lane, &lane));
        if (batch->first_seq < lane.next_seq) {
            DS_TRY(agrees(txn, base, batch, batch->first_seq - 1, found, &position));
        }
    }
    return DS_OK;
}

/* A branch that we know, sent again from before its branch point: known, or it goes on? */
static enum ds_err judge_known(struct ds_txn *txn, const struct ds_batch *batch,
                               struct ds_judged *judged, bool *meets)
{
    struct ds_lane_row branch;
    DS_TRY(ds_lane_load(txn, &judged->writer, (uint8_t)batch->lane, &branch));
    uint64_t known = last_known(batch, &branch);
    DS_TRY(agrees(txn, &judged->writer, batch, known, meets, &judged->position));
    if (*meets) {
        bool all = batch->first_seq + batch->count - 1 < branch.next_seq;
        judged->kind = all ? DS_JUDGED_DUPLICATE : DS_JUDGED_NEW;
        judged->first_new = known + 1;
    }
    return DS_OK;
}

/* It hangs on no lane's end. Where does it leave which path? A branch may leave a branch. */
static enum ds_err judge_fork(struct ds_txn *txn, const struct ds_batch *batch,
                              const struct ds_life_row *life, struct ds_judged *judged)
{
    struct ds_incarnation base;
    struct ds_life_row other;
    uint64_t low = batch->first_seq - 1;
    bool found = false;
    DS_TRY(find_base(txn, batch, life, &base, &found));
    for (size_t hops = 0; found && hops <= DS_BRANCHES_MAX; hops++) {
        DS_TRY(find_fork(txn, &base, batch, low, judged));
        if (!is_branch(life, batch, &judged->writer)) {
            /* Neither beyond the limit, nor under a name that somebody took. */
            DS_TRY(ds_life_load(txn, &judged->writer, &other));
            found = !other.exists && life->branch_count < DS_BRANCHES_MAX;
            break;
        }
        bool meets = false;
        DS_TRY(judge_known(txn, batch, judged, &meets));
        if (meets) {
            return DS_OK;
        }
        base = judged->writer;
        low = judged->first_new;
    }
    if (!found || judged->kind != DS_JUDGED_FORK) {
        /* It diverged earlier, or continues what never came: what leads there must come first. */
        memset(judged, 0, sizeof(*judged));
        judged->kind = DS_JUDGED_GAP;
        judged->writer = batch->incarnation;
    }
    return DS_OK;
}

enum ds_err ds_judge_batch(struct ds_txn *txn, const struct ds_batch *batch,
                           struct ds_judged *judged)
{
    struct ds_life_row life;
    bool meets = false;
    memset(judged, 0, sizeof(*judged));
    DS_TRY(judge_lane(txn, &batch->incarnation, batch, judged, &meets));
    if (meets) {
        return DS_OK;
    }
    DS_TRY(ds_life_load(txn, &batch->incarnation, &life));
    for (size_t i = 0; i < life.branch_count; i++) {
        if (life.branch[i].lane != batch->lane) {
            continue;
        }
        DS_TRY(judge_lane(txn, &life.branch[i].name, batch, judged, &meets));
        if (meets) {
            return DS_OK;
        }
    }
    return judge_fork(txn, batch, &life, judged);
}

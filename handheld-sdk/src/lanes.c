#include "handheld-sdk/src/lanes.h"

#include "sync/core/mutant.h"

#include <string.h>

/* The life that goes by a name: its own, or its branch's. DS_ERR_NOT_FOUND. */
static enum ds_err life_named(struct ds_handheld *h, struct ds_txn *txn,
                              const struct ds_incarnation *name, struct ds_own_life *life)
{
    for (uint32_t number = h->writer.life; number > 0; number--) {
        DS_TRY(ds_own_life_load(h, txn, number, life));
        if (ds_incarnation_equal(&life->incarnation, name) ||
            ds_incarnation_equal(&life->branch, name)) {
            return DS_OK;
        }
    }
    return DS_ERR_NOT_FOUND;
}

static uint64_t last_of(const struct ds_handheld *h, const struct ds_own_life *life)
{
    return life->number == h->writer.life ? h->writer.seq : life->last_seq;
}

/* Is the chain hash after seq ours? DS_ERR_NOT_FOUND: that op is no longer kept. */
static enum ds_err meets(struct ds_handheld *h, struct ds_txn *txn, const struct ds_own_life *life,
                         const struct ds_lane_state *lane, bool *same)
{
    struct ds_hash chain;
    if (lane->seq == 0) {
        chain = ds_chain_start(&life->incarnation, DS_LANE_WORK);
    } else if (life->number == h->writer.life && lane->seq == h->writer.seq) {
        chain = h->writer.chain;
    } else {
        struct ds_own_op op;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_own_load(h, txn, life->first_order + lane->seq - 1, &op));
        chain = ds_own_chain_after(&op);
        ds_arena_rewind(&h->arena, mark);
    }
    *same = ds_hash_equal(&chain, &lane->chain);
    return DS_OK;
}

/* ---- Forks. ---- */

/* Which op of a batch gave the branch its name? 0: none, the name is not of our making. */
static enum ds_err branch_seq(struct ds_handheld *h, struct ds_txn *txn,
                              const struct ds_own_life *life, const struct ds_sent *sent,
                              const struct ds_incarnation *branch, uint64_t *seq)
{
    *seq = 0;
    for (uint64_t i = 0; i < sent->count && *seq == 0; i++) {
        struct ds_own_op op;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_own_load(h, txn, sent->first_order + i, &op));
        struct ds_hash after = ds_own_chain_after(&op);
        struct ds_incarnation name = ds_branch_name(&life->incarnation, DS_LANE_WORK, &after);
        *seq = ds_incarnation_equal(&name, branch) ? op.seq : 0;
        ds_arena_rewind(&h->arena, mark);
    }
    return DS_OK;
}

/* A batch of ours was taken as a branch: same sequence, other content. Engine and device name the
 * branch alike, so nobody can make us believe in one that we did not write. */
static enum ds_err find_forks(struct ds_handheld *h, struct ds_txn *txn,
                              const struct ds_response *response, bool *forked)
{
    const struct ds_talk *talk = &h->talk;
    for (size_t i = 0; i < talk->sent_count && i < response->taken_count; i++) {
        const struct ds_taken *taken = &response->taken[i];
        struct ds_own_life life;
        uint64_t seq;
        if (taken->error != DS_OK) {
            continue;
        }
        DS_TRY(ds_own_life_load(h, txn, talk->sent[i].life, &life));
        if (ds_incarnation_equal(&taken->incarnation, &life.incarnation) ||
            ds_incarnation_equal(&taken->incarnation, &life.branch)) {
            continue;
        }
        DS_TRY(branch_seq(h, txn, &life, &talk->sent[i], &taken->incarnation, &seq));
        if (seq > 0) {
            DS_TRY(ds_own_life_branch(h, txn, &life, &taken->incarnation, seq));
            *forked = *forked || life.number == h->writer.life;
        }
    }
    return DS_OK;
}

/* ---- One lane. ---- */

struct lane_work {
    struct ds_handheld *h;
    struct ds_txn *txn;
    struct ds_lanes_told *told;
    uint64_t position[DS_REQUEST_BATCHES_MAX]; /* Where each batch sent was folded. */
    bool restored;
    bool agreed; /* The present life's lane was met: its chain is the server's. */
    uint64_t *acked;
};

/* The server is ahead: this store went back in time. What it forgot comes home first. */
static enum ds_err take_back(struct lane_work *work, const struct ds_lane_state *lane)
{
    const struct ds_response *response = work->told->response;
    uint64_t before = work->h->writer.seq;
    for (size_t i = 0; i < response->own_batch_count; i++) {
        enum ds_err err = ds_outbound_take_back(work->h, work->txn, response->own_batches[i]);
        if (err == DS_ERR_FORK || err == DS_ERR_SIGNATURE || err == DS_ERR_DECODE) {
            return DS_OK; /* Not of this life's path: the fork will tell its name. */
        }
        DS_TRY(err);
    }
    work->told->took_back = work->h->writer.seq > before;
    work->restored = work->h->writer.seq >= lane->seq;
    work->told->awaits_more = work->told->took_back && !work->restored;
    return DS_OK;
}

static enum ds_err let_go(struct lane_work *work, const struct ds_own_life *life,
                          const struct ds_lane_state *lane)
{
    struct ds_handheld *h = work->h;
    struct ds_ack ack = {.life = life,
                         .watermark = DS_MUTANT("drop_ack_check") ? h->writer.seq : lane->seq,
                         .position = lane->position,
                         .now_ms = work->told->response->instant_ms,
                         .sent = h->talk.sent,
                         .sent_position = work->position,
                         .sent_count = h->talk.sent_count};
    uint64_t before = *work->acked;
    DS_TRY(ds_outbound_ack(h, work->txn, &ack, work->acked));
    if (*work->acked > before) {
        h->contact.receipt_position = lane->position;
    }
    return DS_OK;
}

static enum ds_err take_lane(struct lane_work *work, const struct ds_lane_state *lane)
{
    struct ds_handheld *h = work->h;
    struct ds_own_life life;
    bool same = false;
    enum ds_err err = life_named(h, work->txn, &lane->incarnation, &life);
    if (err != DS_OK || lane->lane != DS_LANE_WORK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    bool branch = !ds_incarnation_is_none(&life.branch);
    bool trunk = ds_incarnation_equal(&life.incarnation, &lane->incarnation);
    if (branch && trunk) {
        return DS_OK; /* A clone's lane: its branch's own entry speaks for our ops. */
    }
    if (lane->seq > last_of(h, &life) && life.number == h->writer.life) {
        DS_TRY(take_back(work, lane));
    }
    if (lane->seq > last_of(h, &life)) {
        return DS_OK;
    }
    err = meets(h, work->txn, &life, lane, &same);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    /* A new epoch has put the acknowledgements of this life back already (ds_outbound_unack). */
    uint64_t end = life.first_order + last_of(h, &life);
    uint64_t acked = h->writer.acked_order < end ? h->writer.acked_order : end;
    bool behind = life.first_order + lane->seq < acked;
    if (behind || (!same && life.first_order + lane->seq <= h->writer.acked_order)) {
        work->told->lost = true;
        return DS_ERR_INTEGRITY;
    }
    if (!same) {
        return DS_OK;
    }
    work->agreed = work->agreed || life.number == h->writer.life;
    return let_go(work, &life, lane);
}

static void learn_positions(struct lane_work *work)
{
    const struct ds_response *response = work->told->response;
    for (size_t i = 0; i < work->h->talk.sent_count && i < response->taken_count; i++) {
        if (response->taken[i].error == DS_OK) {
            work->position[i] = response->taken[i].position;
        }
    }
}

/* The lanes speak for what this life can still write: an open path to take back goes first. */
static enum ds_err begin_life(struct lane_work *work, bool forked)
{
    struct ds_handheld *h = work->h;
    bool wanted = forked || work->restored || (work->told->commanded && work->agreed);
    if (!wanted || work->told->awaits_more) {
        return DS_OK;
    }
    DS_TRY(ds_outbound_cut_all(h, work->txn, h->writer.next_order));
    DS_TRY(ds_own_life_begin(h, work->txn, work->restored ? "restored" : "fork"));
    work->told->new_life = true;
    return DS_OK;
}

enum ds_err ds_lanes_take(struct ds_handheld *h, struct ds_txn *txn, struct ds_lanes_told *told,
                          uint64_t *acked)
{
    bool forked = false;
    struct lane_work work = {.h = h, .txn = txn, .told = told};
    work.acked = acked;
    if (!told->signed_ok) {
        return DS_OK;
    }
    learn_positions(&work);
    DS_TRY(find_forks(h, txn, told->response, &forked));
    for (size_t i = 0; i < told->receipt->lane_count; i++) {
        DS_TRY(take_lane(&work, &told->receipt->lanes[i]));
    }
    return begin_life(&work, forked);
}

/* ---- With the vault locked. ---- */

struct sealed_op { /* Head of an outbox value (own.c). */
    uint64_t order;
    uint32_t life;
    uint64_t seq;
    struct ds_hash after;
};

static enum ds_err next_sealed(struct ds_handheld *h, struct ds_txn *txn, uint64_t from,
                               struct sealed_op *op)
{
    struct ds_slice sealed;
    struct ds_slice clear;
    struct ds_cursor cursor;
    DS_TRY(ds_kept_next(txn, DS_KEPT_OUTBOX, from, &op->order, &sealed));
    struct ds_key key = ds_key_order(op->order);
    size_t mark = ds_arena_mark(&h->arena);
    DS_TRY(ds_safe_open(&h->vault, DS_KEPT_OUTBOX, ds_key_slice(&key), sealed, &h->arena, &clear));
    ds_cursor_init(&cursor, clear);
    op->life = ds_take_u32(&cursor);
    op->seq = ds_take_u64(&cursor);
    op->after = ds_take_hash(&cursor);
    ds_arena_rewind(&h->arena, mark);
    return cursor.failed ? DS_ERR_INTEGRITY : DS_OK;
}

/* The last op that the lane covers and whose chain hash is the receipt's, in the outbox. */
static enum ds_err covered_until(struct ds_handheld *h, struct ds_txn *txn,
                                 const struct ds_own_life *life, const struct ds_lane_state *lane,
                                 uint64_t *until)
{
    struct sealed_op op;
    *until = 0;
    if (lane->seq == 0) {
        return DS_OK;
    }
    enum ds_err err = next_sealed(h, txn, life->first_order + lane->seq - 1, &op);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    bool same =
        op.life == life->number && op.seq == lane->seq && ds_hash_equal(&op.after, &lane->chain);
    *until = same ? op.order + 1 : 0;
    return DS_OK;
}

static enum ds_err drop_sealed(struct ds_handheld *h, struct ds_txn *txn, uint64_t from,
                               uint64_t until, uint64_t *delivered)
{
    struct sealed_op op;
    enum ds_err err;
    while ((err = next_sealed(h, txn, from, &op)) == DS_OK && op.order < until) {
        struct ds_key key = ds_key_order(op.order);
        DS_TRY(ds_txn_del(txn, DS_KEPT_OUTBOX, ds_key_slice(&key)));
        from = op.order + 1;
        ++*delivered;
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_lanes_take_sealed(struct ds_handheld *h, struct ds_txn *txn,
                                 const struct ds_receipt *receipt, uint64_t *delivered)
{
    for (size_t i = 0; i < receipt->lane_count; i++) {
        const struct ds_lane_state *lane = &receipt->lanes[i];
        struct ds_own_life life;
        uint64_t until;
        enum ds_err err = life_named(h, txn, &lane->incarnation, &life);
        if (err == DS_ERR_NOT_FOUND) {
            continue;
        }
        DS_TRY(err);
        DS_TRY(covered_until(h, txn, &life, lane, &until));
        DS_TRY(drop_sealed(h, txn, life.first_order, until, delivered));
    }
    return DS_OK;
}

#include "handheld-sdk/src/ask.h"

#include "handheld-sdk/src/customer.h"
#include "handheld-sdk/src/line.h"
#include "handheld-sdk/src/witness.h"

#include <stdlib.h>
#include <string.h>

enum {
    BIG_SIZE = DS_REQUEST_SIZE_MAX + 3 * DS_BATCH_SIZE_MAX, /* Batches, then the plain request. */
    OUTBOX_HEAD_SIZE = 4 + 8 + 32,
};
#define VERSION_TEXT DS_SLICE_LIT("libdoorstep " DS_HANDHELD_VERSION)

struct asking {
    struct ds_handheld *h;
    struct ds_txn *txn;
    struct ds_arena arena; /* The request's memory. */
    struct ds_request request;
    struct ds_slice batches[DS_REQUEST_BATCHES_MAX];
    struct ds_sealed_list list;
    struct ds_cursor_at cursors[DS_SCOPES_MAX];
    struct ds_wrapped_key keys[DS_ASK_KEYS_MAX];
};

/* ---- What is sealed already. ---- */

static bool next_number(struct ds_txn *txn, uint8_t table, uint64_t from, uint64_t *number,
                        struct ds_slice *value, enum ds_err *err)
{
    *err = ds_kept_next(txn, table, from, number, value);
    bool there = *err == DS_OK;
    *err = *err == DS_ERR_NOT_FOUND ? DS_OK : *err;
    return there;
}

enum ds_err ds_ask_outbox_count(struct ds_handheld *h, struct ds_txn *txn, uint64_t *count)
{
    enum ds_err err;
    uint64_t number = 0;
    struct ds_slice value;
    (void)h;
    *count = 0;
    while (next_number(txn, DS_KEPT_OUTBOX, number, &number, &value, &err)) {
        ++*count;
        number++;
    }
    return err;
}

enum ds_err ds_ask_sealed(struct ds_handheld *h, struct ds_txn *txn, struct ds_arena *arena,
                          struct ds_sealed_list *list)
{
    enum ds_err err = DS_OK;
    uint64_t number = list->from;
    struct ds_slice value;
    size_t head = list->table == DS_KEPT_OUTBOX ? OUTBOX_HEAD_SIZE : 0;
    list->count = 0;
    while (list->count < list->max &&
           next_number(txn, list->table, number, &number, &value, &err)) {
        struct ds_key key = ds_key_order(number);
        struct ds_slice clear;
        DS_TRY(ds_safe_open(&h->vault, list->table, ds_key_slice(&key), value, arena, &clear));
        if (clear.size < head) {
            return DS_ERR_INTEGRITY;
        }
        list->sealed[list->count] = (struct ds_slice){clear.data + head, clear.size - head};
        list->numbers[list->count++] = number++;
    }
    return err;
}

/* As many as fit what is left of the request's budget; *until is the number after the last. */
static enum ds_err add_sealed(struct asking *a, uint8_t table, size_t room, uint64_t *until)
{
    struct ds_sealed_list *list = &a->list;
    list->table = table;
    list->max = DS_ASK_SEALED_MAX;
    DS_TRY(ds_ask_sealed(a->h, a->txn, &a->arena, list));
    size_t taken = 0;
    size_t bytes = 0;
    while (taken < list->count && (bytes + list->sealed[taken].size <= room || taken == 0)) {
        bytes += list->sealed[taken].size;
        *until = list->numbers[taken++] + 1;
    }
    a->request.relayed = list->sealed;
    a->request.relayed_count = taken;
    return DS_OK;
}

/* ---- Parts of the request. ---- */

static void add_health(struct asking *a)
{
    struct ds_handheld *h = a->h;
    struct ds_store_room room;
    struct ds_health *health = &a->request.health;
    health->unsent = h->writer.next_order - h->writer.acked_order;
    health->oldest_unsent_ms = h->writer.oldest_unsent_ms;
    health->boot = h->ports.boot;
    health->mono_ms = ds_ports_mono_ms(&h->ports);
    health->wall_ms = ds_ports_now_ms(&h->ports);
    health->battery_percent = h->battery;
    if (!h->talk.columns || !h->talk.version_told) {
        health->version = VERSION_TEXT;
    }
    if (ds_store_room(h->store, &room) == DS_OK && room.limit != UINT64_MAX) {
        health->free_kib = (room.limit > room.used ? room.limit - room.used : 0) / 1024;
    }
}

static void add_lane(struct asking *a, const struct ds_incarnation *incarnation, uint64_t seq,
                     const struct ds_hash *chain)
{
    a->request.lanes[a->request.lane_count++] = (struct ds_lane_state){
        .incarnation = *incarnation, .lane = DS_LANE_WORK, .seq = seq, .chain = *chain};
}

/* Every op is sealed when it is recorded, so the present life claims all of them: a server that has
 * more knows by that that this store went back in time. */
static void add_claims(struct asking *a)
{
    a->request.version = DS_EXCHANGE_VERSION;
    a->request.lease_wanted = ds_vault_lease_left_ms(&a->h->vault) <= a->h->vault.lease.life_ms / 2;
    if ((a->h->contact.commands & (DS_HANDHELD_LOCKED | DS_HANDHELD_WIPED)) != 0) {
        a->request.obeyed = a->h->contact.obeyed;
    }
    add_lane(a, &a->h->writer.incarnation, a->h->writer.seq, &a->h->writer.chain);
}

/* Of an earlier life that still waits, what this request holds is claimed, so that the answer's
 * receipt covers it. */
static enum ds_err add_old_lanes(struct asking *a)
{
    struct ds_handheld *h = a->h;
    struct ds_talk *talk = &h->talk;
    talk->claimed_old = false;
    for (size_t i = 0; i < talk->sent_count; i++) {
        bool last_of_life =
            i + 1 == talk->sent_count || talk->sent[i + 1].life != talk->sent[i].life;
        if (talk->sent[i].life == h->writer.life || !last_of_life ||
            a->request.lane_count == DS_LANES_MAX) {
            continue;
        }
        struct ds_own_op op;
        struct ds_own_life life;
        uint64_t order = talk->sent[i].first_order + talk->sent[i].count - 1;
        DS_TRY(ds_own_load(h, a->txn, order, &op));
        DS_TRY(ds_own_life_load(h, a->txn, op.life, &life));
        struct ds_hash chain = ds_own_chain_after(&op);
        add_lane(a, &life.incarnation, op.seq, &chain);
        talk->claimed_old = true;
    }
    return DS_OK;
}

static void add_cursors(struct asking *a)
{
    for (size_t i = 0; i < a->h->scope_count; i++) {
        a->cursors[i] = a->h->scopes[i].cursor;
        a->h->scopes[i].asked = a->h->scopes[i].generation;
    }
    a->request.cursors = a->cursors;
    a->request.cursor_count = a->h->scope_count;
}

static enum ds_err add_keys(struct asking *a)
{
    struct ds_talk *talk = &a->h->talk;
    DS_TRY(ds_customer_unsent(a->h, a->txn, &a->arena, a->keys, DS_ASK_KEYS_MAX, &talk->key_count));
    for (size_t i = 0; i < talk->key_count; i++) {
        talk->keys[i] = a->keys[i].key_id;
    }
    a->request.keys = a->keys;
    a->request.key_count = talk->key_count;
    return DS_OK;
}

static enum ds_err fill_open(struct asking *a)
{
    struct ds_handheld *h = a->h;
    struct ds_talk *talk = &h->talk;
    DS_TRY(ds_outbound_gather(h, a->txn, talk->budget, &a->arena, a->batches, talk->sent,
                              &talk->sent_count));
    size_t bytes = 0;
    for (size_t i = 0; i < talk->sent_count; i++) {
        bytes += a->batches[i].size;
    }
    a->request.batches = a->batches;
    a->request.batch_count = talk->sent_count;
    a->request.budget = talk->answer_budget;
    a->request.no_rows = talk->no_rows;
    add_cursors(a);
    if (h->vault.pulled.open) {
        DS_TRY(add_keys(a));
    }
    DS_TRY(add_old_lanes(a));
    if (bytes < talk->budget) {
        DS_TRY(add_sealed(a, DS_KEPT_RELAY, talk->budget - bytes, &talk->relay_until));
    }
    return DS_OK;
}

static enum ds_err fill_locked(struct asking *a)
{
    uint64_t until = 0;
    a->request.no_rows = true;
    a->request.budget = DS_BUDGET_BAD;
    return add_sealed(a, DS_KEPT_OUTBOX, a->h->talk.budget, &until);
}

static enum ds_err fill(struct asking *a)
{
    add_claims(a);
    add_health(a);
    ds_witness_ask(a->h, &a->request);
    return a->h->talk.locked ? fill_locked(a) : fill_open(a);
}

static enum ds_err seal_plain(struct asking *a, struct ds_builder *builder, struct ds_builder *out)
{
    struct ds_handheld *h = a->h;
    struct ds_slice plain;
    ds_request_put(builder, &a->request);
    DS_TRY(ds_builder_end(builder, &plain));
    ds_envelope_seal(&h->codec, &h->link.up, &h->identity.device, h->talk.counter, plain, out);
    return out->failed ? DS_ERR_LIMIT : DS_OK;
}

static enum ds_err seal_columns(struct asking *a, struct ds_builder *builder,
                                struct ds_builder *out)
{
    struct ds_handheld *h = a->h;
    struct ds_slice plain;
    struct ds_line *line = ds_arena_alloc(&a->arena, sizeof(*line));
    if (line == NULL) {
        return DS_ERR_LIMIT;
    }
    /* What this request brings waits no longer when it is read. */
    uint64_t brought = 0;
    for (size_t i = 0; i < h->talk.sent_count; i++) {
        brought += h->talk.sent[i].count;
    }
    struct ds_health *health = &a->request.health;
    health->unsent -= brought < health->unsent ? brought : health->unsent;
    health->oldest_unsent_ms = health->unsent > 0 ? health->oldest_unsent_ms : 0;
    a->request.at_one = ds_line_at_one(h, &a->request.position);
    ds_line_init(line, h, a->txn, &a->arena);
    line->request = &a->request;
    ds_wire_asked_of(&a->request, &h->talk.said);
    DS_TRY(ds_wire_request_put(builder, &line->wire, &a->request));
    DS_TRY(ds_builder_end(builder, &plain));
    ds_envelope_seal_up(&h->codec, &h->link.up, &h->identity.device, h->talk.counter, plain, out);
    return out->failed ? DS_ERR_LIMIT : DS_OK;
}

static enum ds_err seal(struct asking *a, struct ds_builder *out)
{
    struct ds_builder builder;
    /* Columns are made beside what they are made of. */
    size_t left = a->arena.size - ds_arena_mark(&a->arena) - 64;
    size_t size = a->h->talk.columns ? left / 2 : left;
    ds_builder_init(&builder, ds_arena_room(&a->arena, size), size);
    if (builder.data == NULL) {
        return DS_ERR_LIMIT;
    }
    return a->h->talk.columns ? seal_columns(a, &builder, out) : seal_plain(a, &builder, out);
}

/* ---- The whole. ---- */

/* What goes out in batches is cut for good before anything leaves. */
static enum ds_err cut(struct ds_handheld *h)
{
    bool wants = false;
    struct ds_txn *txn;
    DS_TRY(ds_store_begin(h->store, false, &txn));
    enum ds_err err = ds_outbound_wants_cut(h, txn, h->talk.budget, &wants);
    ds_txn_abort(txn);
    if (err != DS_OK || !wants) {
        return err;
    }
    DS_TRY(ds_hand_begin(h, &txn));
    return ds_hand_end(h, txn, ds_outbound_cut(h, txn, h->talk.budget, NULL));
}

enum ds_err ds_ask(struct ds_handheld *h, struct ds_builder *out, struct ds_detail *detail)
{
    struct ds_talk *talk = &h->talk;
    talk->begun = false;
    if (h->identity.enrolled != DS_ENROLLED_YES) {
        ds_detail_set(detail, "this handheld is not enrolled", NULL);
        return DS_ERR_CONFLICT;
    }
    talk->locked = !h->vault.open || talk->sealed_only;
    talk->no_rows = talk->locked || ds_vault_lapsed(&h->vault) ||
                    ds_hand_room(h, DS_HANDHELD_ROOM_PULL) != DS_OK;
    talk->columns = h->columns && !talk->locked && !talk->plain && !ds_vault_lapsed(&h->vault);
    talk->counter = ++h->contact.counter;
    talk->sent_count = 0;
    talk->key_count = 0;
    talk->relay_until = 0;
    if (!talk->locked) {
        DS_TRY(cut(h));
    }
    struct asking *a = malloc(sizeof(*a) + BIG_SIZE);
    if (a == NULL) {
        return DS_ERR_NOMEM;
    }
    memset(a, 0, sizeof(*a));
    a->h = h;
    ds_arena_init(&a->arena, a + 1, BIG_SIZE);
    enum ds_err err = ds_store_begin(h->store, false, &a->txn);
    if (err == DS_OK) {
        err = fill(a);
        err = err != DS_OK ? err : seal(a, out);
        ds_txn_abort(a->txn);
    }
    free(a);
    talk->begun = err == DS_OK;
    return err;
}

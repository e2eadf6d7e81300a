/* Replicas against the server, by brute force: for every row of the state, which scopes of
 * sync/FORMAT.md hold it, and does exactly that stand on each handheld? */
#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "tests/sim/look.h"

enum { ROWS_MAX = 4096, SCOPES_MAX = 32 };

struct place { /* A meter with what hangs on it. */
    struct ds_id meter;
    struct ds_id premises;
    struct ds_id account;
    struct ds_id book;
};

struct latest { /* The two latest periods of a book. */
    struct ds_id book;
    int64_t period[2];
};

struct expected {
    struct sim *sim;
    struct sim_hand *hand;
    struct ds_txn *txn;
    struct ds_scope scope[SCOPES_MAX];
    struct latest latest[SCOPES_MAX]; /* Of a scope that is a book. */
    struct ds_hash digest[SCOPES_MAX];
    size_t scope_count;
    struct place *places;
    size_t place_count;
    struct {
        uint8_t type;
        struct ds_id id;
    } * row; /* Rows that the handheld must have, in order. */
    size_t row_count;
    size_t at; /* While walking the handheld's. */
    bool active;
    struct ds_id worker;
};

static void note_place(void *context, const struct look_row *row)
{
    struct expected *expected = context;
    DS_ASSERT(expected->place_count < ROWS_MAX);
    struct place *place = &expected->places[expected->place_count++];
    place->meter = row->id;
    (void)look_id(row->fields, DS_TAG_meter_premises, &place->premises);
    (void)look_id(row->fields, DS_TAG_meter_account, &place->account);
    (void)look_id(row->fields, DS_TAG_meter_book, &place->book);
}

/* ---- Which scopes does the device hold? ---- */

static void note_latest(void *context, const struct look_row *row)
{
    struct latest *latest = context;
    struct ds_id book;
    int64_t period = 0;
    if (!look_id(row->fields, DS_TAG_period_book, &book) || !ds_id_equal(&book, &latest->book) ||
        !look_int(row->fields, DS_TAG_period_period, &period)) {
        return;
    }
    if (period > latest->period[0]) {
        latest->period[1] = latest->period[0];
        latest->period[0] = period;
    } else if (period > latest->period[1]) {
        latest->period[1] = period;
    }
}

static void hold(struct expected *expected, uint8_t kind, const struct ds_id *key)
{
    DS_ASSERT(expected->scope_count < SCOPES_MAX);
    struct latest *latest = &expected->latest[expected->scope_count];
    latest->book = *key;
    if (kind == DS_SCOPE_BOOK) {
        look_rows(expected->sim, expected->txn, DS_REC_period, note_latest, latest);
    }
    expected->scope[expected->scope_count++] =
        (struct ds_scope){.kind = kind, .key = *key, .view = 1};
}

static void hold_book(void *context, const struct look_row *row)
{
    struct expected *expected = context;
    struct ds_id worker;
    if (look_id(row->fields, DS_TAG_book_assignee, &worker) &&
        ds_id_equal(&worker, &expected->worker)) {
        hold(expected, DS_SCOPE_BOOK, &row->id);
    }
}

static void find_scopes(struct expected *expected)
{
    struct look_row row;
    int64_t state = 0;
    struct sim *sim = expected->sim;
    if (!look_row(sim, expected->txn, DS_REC_device, &expected->hand->device, &row)) {
        sim_fail(sim, "acked_is_durable", "h%u is not known", expected->hand->index);
    }
    (void)look_int(row.fields, DS_TAG_device_state, &state);
    (void)look_id(row.fields, DS_TAG_device_worker, &expected->worker);
    expected->active = state == DS_DEVICE_active;
    if (expected->active) {
        hold(expected, DS_SCOPE_CATALOGUE, &sim->station);
        look_rows(sim, expected->txn, DS_REC_book, hold_book, expected);
        hold(expected, DS_SCOPE_TASKS, &expected->worker);
    }
    hold(expected, DS_SCOPE_MAILBOX, &expected->hand->device);
}

/* ---- Which of them hold a row? ---- */

static bool in_book(const struct expected *expected, const struct look_row *row,
                    const struct latest *latest)
{
    const struct ds_id *book = &latest->book;
    struct ds_id id;
    switch (row->type) {
    case DS_REC_book:
        return ds_id_equal(&row->id, book);
    case DS_REC_meter:
        return look_id(row->fields, DS_TAG_meter_book, &id) && ds_id_equal(&id, book);
    case DS_REC_period:
        return look_id(row->fields, DS_TAG_period_book, &id) && ds_id_equal(&id, book);
    case DS_REC_premises:
    case DS_REC_account:
        for (size_t i = 0; i < expected->place_count; i++) {
            const struct place *place = &expected->places[i];
            const struct ds_id *hangs =
                row->type == DS_REC_premises ? &place->premises : &place->account;
            if (ds_id_equal(&place->book, book) && ds_id_equal(hangs, &row->id)) {
                return true;
            }
        }
        return false;
    case DS_REC_slot: {
        int64_t period = 0;
        int64_t from = latest->period[1] != 0   ? latest->period[1]
                       : latest->period[0] != 0 ? ds_period_add((int32_t)latest->period[0], -1)
                                                : INT64_MAX;
        return look_id(row->fields, DS_TAG_slot_book, &id) && ds_id_equal(&id, book) &&
               look_int(row->fields, DS_TAG_slot_period, &period) && period >= from;
    }
    default:
        return false;
    }
}

static bool in_tasks(const struct look_row *row, const struct ds_id *worker)
{
    int64_t state = 0;
    struct ds_id assignee;
    return row->type == DS_REC_task && look_int(row->fields, DS_TAG_task_state, &state) &&
           state != DS_TASK_done && state != DS_TASK_approved && state != DS_TASK_cancelled &&
           look_id(row->fields, DS_TAG_task_assignee, &assignee) && ds_id_equal(&assignee, worker);
}

static bool in_mailbox(const struct expected *expected, const struct look_row *row,
                       const struct ds_id *device)
{
    struct ds_id op;
    struct ds_id writer;
    enum ds_actor_kind kind = 0;
    if (row->type == DS_REC_device) {
        return ds_id_equal(&row->id, device);
    }
    if (row->type != DS_REC_verdict || !look_id(row->fields, DS_TAG_verdict_op, &op)) {
        return false;
    }
    look_writer(expected->sim, expected->txn, &op, &writer, &kind);
    return ds_id_equal(&writer, device);
}

static bool in_scope(const struct expected *expected, const struct look_row *row, size_t index)
{
    const struct ds_scope *scope = &expected->scope[index];
    static const uint8_t catalogue[] = {DS_REC_station, DS_REC_worker,       DS_REC_book,
                                        DS_REC_code,    DS_REC_rule_setting, DS_REC_tariff};
    switch (scope->kind) {
    case DS_SCOPE_CATALOGUE:
        return memchr(catalogue, row->type, sizeof catalogue) != NULL;
    case DS_SCOPE_BOOK:
        return in_book(expected, row, &expected->latest[index]);
    case DS_SCOPE_TASKS:
        return in_tasks(row, &scope->key);
    case DS_SCOPE_MAILBOX:
        return in_mailbox(expected, row, &scope->key);
    default:
        return false;
    }
}

/* ---- What of it may a reader see? ---- */

/* FORMAT.md, "Scopes": what view 1 hides. */
static bool is_hidden(uint8_t type, uint64_t tag)
{
    return (type == DS_REC_account &&
            (tag == DS_TAG_account_balance_fen || tag == DS_TAG_account_persons)) ||
           (type == DS_REC_slot && tag == DS_TAG_slot_candidates_hash);
}

static struct ds_slice shown(struct sim *sim, const struct look_row *row)
{
    struct ds_cursor cursor;
    struct ds_builder builder;
    struct ds_slice made = {NULL, 0};
    if (row->type != DS_REC_account && row->type != DS_REC_slot) {
        return row->fields;
    }
    uint32_t kept = 0;
    for (int round = 0; round < 2; round++) {
        ds_cursor_init(&cursor, row->fields);
        uint32_t pairs = ds_mp_take_map(&cursor);
        ds_builder_init(&builder, sim->scratch, 65536);
        ds_mp_put_map(&builder, kept);
        for (uint32_t i = 0; i < pairs; i++) {
            uint64_t tag = ds_mp_take_uint(&cursor);
            struct ds_slice value = ds_mp_take_value(&cursor);
            if (!is_hidden(row->type, tag)) {
                kept += round == 0;
                ds_mp_put_uint(&builder, tag);
                ds_mp_put_raw(&builder, value);
            }
        }
    }
    SIM_MUST(sim, ds_builder_end(&builder, &made));
    return made;
}

static void compare_row(struct expected *expected, const struct look_row *row)
{
    struct sim *sim = expected->sim;
    struct ds_slice want = shown(sim, row);
    struct ds_handheld_row have = {
        .type = row->type, .fields = sim->scratch + 65536, .size = 65536};
    memcpy(have.id.byte, row->id.byte, 16);
    int err = ds_handheld_row(expected->hand->sdk, &have);
    const char *name = ds_record_type_by_number(row->type)->name;
    if (err == DS_E_NOT_FOUND) {
        sim_fail(sim, "cursors_complete", "h%u lacks a %s changed at %llu", expected->hand->index,
                 name, (unsigned long long)row->changed);
    }
    SIM_MUST(sim, err);
    if (have.position != row->changed ||
        !ds_slice_equal((struct ds_slice){have.fields, have.used}, want)) {
        sim_fail(sim, "cursors_complete",
                 "h%u holds a %s of position %llu, the server's is of %llu", expected->hand->index,
                 name, (unsigned long long)have.position, (unsigned long long)row->changed);
    }
}

static void expect_row(void *context, const struct look_row *row)
{
    struct expected *expected = context;
    bool held = false;
    for (size_t i = 0; i < expected->scope_count; i++) {
        if (!in_scope(expected, row, i)) {
            continue;
        }
        struct ds_row counted = {.type = row->type,
                                 .id = row->id,
                                 .position = row->changed,
                                 .fields = shown(expected->sim, row)};
        ds_digest_add(&expected->digest[i], &expected->scope[i], &counted);
        held = true;
    }
    if (held) {
        DS_ASSERT(expected->row_count < ROWS_MAX);
        expected->row[expected->row_count].type = row->type;
        expected->row[expected->row_count++].id = row->id;
        compare_row(expected, row);
    }
}

/* ---- The handheld's side ---- */

static bool must_be_expected(void *context, const struct ds_handheld_row *row)
{
    struct expected *expected = context;
    struct sim *sim = expected->sim;
    size_t at = expected->at++;
    if (at >= expected->row_count || expected->row[at].type != row->type ||
        memcmp(expected->row[at].id.byte, row->id.byte, 16) != 0) {
        const struct ds_record_type *type = ds_record_type_by_number(row->type);
        struct ds_id id;
        struct look_row servers = {.changed = 0};
        memcpy(id.byte, row->id.byte, 16);
        bool there = look_row(sim, expected->txn, row->type, &id, &servers);
        sim_fail(
            sim, "cursors_complete",
            "h%u holds a %s of position %llu that is in none of its scopes; the server's %s %llu",
            expected->hand->index, type == NULL ? "?" : type->name,
            (unsigned long long)row->position, there ? "is of" : "does not exist",
            (unsigned long long)servers.changed);
    }
    return true;
}

static bool must_agree(void *context, const struct ds_handheld_scope *scope)
{
    struct expected *expected = context;
    struct sim *sim = expected->sim;
    for (size_t i = 0; i < expected->scope_count; i++) {
        if (expected->scope[i].kind != scope->kind ||
            memcmp(expected->scope[i].key.byte, scope->key.byte, 16) != 0) {
            continue;
        }
        struct ds_key key = ds_key_scope(&expected->scope[i]);
        struct ds_slice state;
        struct ds_hash servers = {{0}};
        enum ds_err err = ds_txn_get(expected->txn, DS_TABLE_SCOPE, ds_key_slice(&key), &state);
        if (err == DS_OK && state.size >= sizeof servers) {
            memcpy(servers.byte, state.data, sizeof servers);
        }
        if (memcmp(scope->digest, servers.byte, sizeof servers) != 0) {
            sim_fail(sim, "replicas_converge", "h%u and the server differ in a scope of kind %u",
                     expected->hand->index, scope->kind);
        }
        if (!ds_hash_equal(&servers, &expected->digest[i])) {
            sim_fail(sim, "replicas_converge",
                     "the digest of a scope of kind %u is not that of its rows", scope->kind);
        }
        return true;
    }
    sim_fail(sim, "authority_holds", "h%u holds a scope of kind %u that is not its",
             expected->hand->index, scope->kind);
}

/* At rest only who gets no lease has none, and then nothing pulled opens. */
static bool is_lapsed(struct sim *sim, const struct expected *expected)
{
    struct ds_handheld_status status;
    struct ds_handheld *sdk = expected->hand->sdk;
    SIM_MUST(sim, ds_handheld_status(sdk, &status));
    if (!status.lapsed) {
        return false;
    }
    if (expected->active) {
        sim_fail(sim, "always_progress", "h%u is active and has no lease", expected->hand->index);
    }
    if (ds_handheld_rows(sdk, 0, must_be_expected, NULL) != DS_E_LOCKED) {
        sim_fail(sim, "nothing_leaks", "h%u shows rows without a lease", expected->hand->index);
    }
    return true;
}

static void check_rows(struct sim *sim, struct sim_hand *hand, struct expected *expected)
{
    look_rows(sim, expected->txn, 0, expect_row, expected);
    SIM_MUST(sim, ds_handheld_rows(hand->sdk, 0, must_be_expected, expected));
    if (expected->at != expected->row_count) {
        sim_fail(sim, "cursors_complete", "h%u holds %zu rows of %zu", hand->index, expected->at,
                 expected->row_count);
    }
    SIM_MUST(sim, ds_handheld_scopes(hand->sdk, must_agree, expected));
}

static void check_one(struct sim *sim, struct sim_hand *hand)
{
    struct expected *expected = calloc(1, sizeof *expected);
    DS_ASSERT(expected != NULL);
    expected->sim = sim;
    expected->hand = hand;
    expected->places = calloc(ROWS_MAX, sizeof *expected->places);
    expected->row = calloc(ROWS_MAX, sizeof *expected->row);
    DS_ASSERT(expected->places != NULL && expected->row != NULL);
    expected->txn = server_begin(sim);
    look_rows(sim, expected->txn, DS_REC_meter, note_place, expected);
    find_scopes(expected);
    if (!is_lapsed(sim, expected)) {
        check_rows(sim, hand, expected);
    }
    ds_txn_abort(expected->txn);
    free(expected->places);
    free(expected->row);
    free(expected);
}

/* Nothing damaged a replica, so no scope was fetched anew: that would hide a fault in the feeds. */
static void check_refetches(struct sim *sim, struct sim_hand *hand)
{
    struct ds_handheld_status status;
    SIM_MUST(sim, ds_handheld_status(hand->sdk, &status));
    if (status.refetches != 0 && !hand->rotted) {
        sim_fail(sim, "cursors_complete", "h%u had to fetch %u scopes anew", hand->index,
                 status.refetches);
    }
}

void check_replicas(struct sim *sim)
{
    for (unsigned i = 0; i < sim->hand_count; i++) {
        check_refetches(sim, &sim->hands[i]);
        check_one(sim, &sim->hands[i]);
    }
    sim_checked("replicas_converge");
    sim_checked("cursors_complete");
}

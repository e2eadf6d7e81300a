/* Every allocation and every write of engine, SDK and exchange fails once, by counter.
 *
 * An act runs from the same state again and again; the nth allocation fails, or the nth put or
 * delete, or the nth commit, before or after it happened. Each time the act returns an error (or
 * did without what it asked for, and came to the same result), the stores are as they were, and the
 * same act done again succeeds. The sanitizers see what leaks. */
#include "tests/support/alloc_fault.h"
#include "tests/support/pocket.h"
#include "tests/support/report.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEW_PIN "135791"

enum { ROOM = 262144, TRIES_MAX = 4000 };

struct world {
    struct test_station s;
    struct pocket p;
    struct test_device device;
    struct test_device stranger; /* With a code and a request to enrol. */
    struct ds_id task;
    /* What the acts take in, made before anything fails. */
    uint8_t *memory;
    struct ds_slice batch;
    struct ds_slice enrol;
    struct ds_slice request; /* Of the pocket, begun. */
    struct ds_slice answer;
    struct ds_slice bundle; /* Of another handheld. */
    uint8_t *out;
    struct ds_submission submission;
    /* The state from which each try begins. */
    struct ds_store *store;
    struct ds_store *keys;
    struct ds_store *pocket;
    struct ds_actor supervisor;
    uint64_t station_random;
    uint64_t pocket_random;
};

enum place { SERVER, HANDHELD };
enum fault { FAULT_ALLOC, FAULT_WRITE_IO, FAULT_WRITE_FULL, FAULT_COMMIT, FAULT_COMMIT_AFTER };

struct act {
    const char *name;
    int (*run)(struct world *w);
    enum place place;
    bool begun;   /* The handheld waits for the answer to w->request. */
    bool locked;  /* The handheld is locked. */
    bool closed;  /* The handheld is not open. */
    bool several; /* It commits more than once: what was done stays done. */
    bool spares;  /* It may do without what it asked for: tries anew, or does not compress. */
};

/* ---- The stores as they were. ---- */

static struct ds_hash picture(struct ds_store *store)
{
    struct ds_hash digest = {{0}};
    struct ds_txn *txn = NULL;
    assert_int_equal(ds_store_begin(store, false, &txn), DS_OK);
    for (uint8_t table = 0; table < DS_TABLES_MAX; table++) {
        struct ds_key key = {.byte = {0}, .size = 1};
        struct ds_slice found;
        struct ds_slice value;
        while (ds_txn_at_or_after(txn, table, ds_key_slice(&key), &found, &value) == DS_OK) {
            digest = ds_hash3(DS_SLICE_OF(digest), found, value);
            key = ds_key_after(found);
        }
    }
    ds_txn_abort(txn);
    return digest;
}

static void reopen_station(struct world *w, struct ds_store *store, struct ds_store *keys)
{
    struct test_station *s = &w->s;
    struct ds_clock clock = s->shard.clock;
    struct ds_random random = s->shard.random;
    struct ds_detail detail = {{0}};
    struct ds_store *fresh[2];
    assert_int_equal(ds_store_memory_clone(store, &fresh[0]), DS_OK);
    assert_int_equal(ds_store_memory_clone(keys, &fresh[1]), DS_OK);
    ds_shard_close(&s->shard);
    ds_store_close(s->store);
    ds_store_close(s->keys);
    s->store = fresh[0];
    s->keys = fresh[1];
    assert_int_equal(
        ds_shard_open(&s->shard, s->store, s->keys, &s->secret, &clock, &random, &detail), DS_OK);
}

static void begin_exchange(struct world *w)
{
    size_t size = 0;
    assert_int_equal(ds_handheld_exchange_begin(w->p.h, w->out, ROOM, &size, NULL), 0);
}

static void reopen_pocket(struct world *w, struct ds_store *store, const struct act *act)
{
    struct ds_handheld_options options;
    struct ds_store *fresh;
    assert_int_equal(ds_store_memory_clone(store, &fresh), DS_OK);
    ds_handheld_close(w->p.h);
    ds_store_close(w->p.store);
    w->p.h = NULL;
    w->p.store = fresh;
    if (act->closed) {
        return;
    }
    options = pocket_options(&w->p);
    if (ds_handheld_open(&options, POCKET_PIN, &w->p.h, NULL) != 0) {
        assert_int_equal(ds_handheld_open(&options, NEW_PIN, &w->p.h, NULL), 0);
    }
    if (act->begun) {
        begin_exchange(w);
    }
    if (act->locked) {
        ds_handheld_lock(w->p.h);
    }
}

/* Back to where the tries begin, or on from where the stores are now. */
static void settle(struct world *w, const struct act *act, bool back)
{
    if (back) {
        w->s.random_state = w->station_random;
        w->s.supervisor = w->supervisor;
        w->p.random_state = w->pocket_random;
    }
    reopen_station(w, back ? w->store : w->s.store, back ? w->keys : w->s.keys);
    reopen_pocket(w, back ? w->pocket : w->p.store, act);
}

static struct ds_store *target(struct world *w, const struct act *act)
{
    return act->place == SERVER ? w->s.store : w->p.store;
}

/* ---- The acts of the server. ---- */

static int fold_batch(struct world *w)
{
    struct ds_submission *one = &w->submission;
    w->submission = (struct ds_submission){.batch = w->batch};
    enum ds_err err = ds_submission_check(&w->s.shard, &w->submission, NULL);
    err = err != DS_OK ? err : ds_shard_commit(&w->s.shard, &one, 1);
    return err != DS_OK ? (int)err : (int)w->submission.folded.error;
}

static int decide(struct world *w)
{
    struct ds_premises change = {.presence = {0}};
    struct ds_draft draft = {.type = DS_REC_premises, .id = w->s.premises[0]};
    struct ds_builder builder;
    uint8_t bytes[256];
    DS_SET(&change, premises, room, DS_SLICE_LIT("12"));
    ds_builder_init(&builder, bytes, sizeof(bytes));
    enum ds_err err =
        ds_record_encode_op(ds_record_type_by_number(DS_REC_premises), &change, &builder);
    err = err != DS_OK ? err : ds_builder_end(&builder, &draft.fields);
    return (int)(err != DS_OK
                     ? err
                     : ds_actor_write(&w->s.shard, &w->s.supervisor, &draft, 1, NULL, NULL));
}

static int tick(struct world *w)
{
    return (int)ds_shard_tick(&w->s.shard);
}

static int declare_epoch(struct world *w)
{
    return (int)ds_shard_epoch(&w->s.shard, &w->s.supervisor, 0);
}

static int enrol(struct world *w)
{
    struct ds_builder answer;
    ds_builder_init(&answer, w->out, ROOM);
    return (int)ds_enrol(&w->s.shard, w->enrol, &answer, NULL);
}

static int serve(struct world *w)
{
    struct ds_builder answer;
    struct ds_detail detail;
    ds_builder_init(&answer, w->out, ROOM);
    return (int)ds_serve_whole(&w->s.shard, &w->p.codec, w->request, w->p.memory, &answer, &detail);
}

static int verify(struct world *w)
{
    struct ds_head head;
    return (int)ds_shard_verify(&w->s.shard, NULL, &head, NULL);
}

/* ---- The acts of the handheld. ---- */

static int open_it(struct world *w)
{
    struct ds_handheld_options options = pocket_options(&w->p);
    return ds_handheld_open(&options, POCKET_PIN, &w->p.h, NULL);
}

static int unlock(struct world *w)
{
    return ds_handheld_unlock(w->p.h, POCKET_PIN, NULL);
}

static int change_pin(struct world *w)
{
    return ds_handheld_change_pin(w->p.h, POCKET_PIN, NEW_PIN, NULL);
}

static int read_meter(struct world *w)
{
    uint8_t photo[300] = {1};
    struct ds_handheld_reading reading = {.has_index = true, .index = 77, .note = "by the door"};
    reading.meter = pocket_id(&w->s.meter[2]);
    reading.photo.bytes = photo;
    reading.photo.size = sizeof(photo);
    return ds_handheld_record_reading(w->p.h, &reading, NULL, NULL);
}

static int visit(struct world *w)
{
    struct ds_handheld_visit visit = {.outcome = DS_HANDHELD_NO_ACCESS, .note = "twice"};
    visit.meter = pocket_id(&w->s.meter[1]);
    return ds_handheld_record_visit(w->p.h, &visit, NULL, NULL);
}

static int swap(struct world *w)
{
    struct ds_handheld_swap swap = {
        .old_final_index = 500, .new_meter_no = "N-77", .new_dial_digits = 6, .reason = "old"};
    swap.meter = pocket_id(&w->s.meter[3]);
    return ds_handheld_record_swap(w->p.h, &swap, NULL, NULL);
}

static int type_meter(struct world *w)
{
    struct ds_handheld_new_meter meter = {
        .manufacturer = "New", .meter_no = "X1", .dial_digits = 5, .place = "cellar"};
    meter.premises = pocket_id(&w->s.premises[0]);
    meter.book = pocket_id(&w->s.book);
    return ds_handheld_record_meter(w->p.h, &meter, NULL, NULL);
}

static int edit(struct world *w)
{
    struct ds_handheld_edit edits[] = {{"key_holder", "neighbour"}, {"access_note", "dog"}};
    struct ds_handheld_edits all = {.record = "premises", .edits = edits, .count = 2};
    all.id = pocket_id(&w->s.premises[1]);
    return ds_handheld_record_edit(w->p.h, &all, NULL, NULL);
}

static int step_task(struct world *w)
{
    struct ds_handheld_task_step step = {.state = DS_TASK_accepted};
    step.task = pocket_id(&w->task);
    return ds_handheld_record_task(w->p.h, &step, NULL, NULL);
}

static int begin(struct world *w)
{
    size_t size = 0;
    return ds_handheld_exchange_begin(w->p.h, w->out, ROOM, &size, NULL);
}

static int end(struct world *w)
{
    struct ds_handheld_sync_result result = {0};
    return ds_handheld_exchange_end(w->p.h, w->answer.data, w->answer.size, 200, &result, NULL);
}

static int sync_all(struct world *w)
{
    return ds_handheld_sync(w->p.h, NULL, NULL);
}

static int deliver(struct world *w)
{
    return ds_handheld_deliver_locked(w->p.h, NULL, NULL);
}

static int import_bundle(struct world *w)
{
    return ds_handheld_bundle_import(w->p.h, w->bundle.data, w->bundle.size, NULL, NULL);
}

static bool each_place(void *context, const struct ds_handheld_place *place)
{
    (void)place;
    ++*(unsigned *)context;
    return true;
}

static int search(struct world *w)
{
    unsigned places = 0;
    struct ds_handheld_query query = {.text = "A001"};
    return ds_handheld_search(w->p.h, &query, each_place, &places);
}

static int scrub(struct world *w)
{
    uint64_t values = 0;
    uint64_t bad = 0;
    return ds_handheld_scrub(w->p.h, &values, &bad, NULL);
}

static const struct act acts[] = {
    {"folds a batch", fold_batch, SERVER, false, false, false, false, true},
    {"writes as an actor", decide, SERVER, false, false, false, false, true},
    {"ticks", tick, SERVER, false, false, false, false, false},
    {"declares an epoch", declare_epoch, SERVER, false, false, false, false, false},
    {"enrols", enrol, SERVER, false, false, false, true, true},
    {"serves an exchange", serve, SERVER, false, false, false, true, true},
    {"verifies", verify, SERVER, false, false, false, false, false},
    {"opens", open_it, HANDHELD, false, false, true, true, false},
    {"unlocks", unlock, HANDHELD, false, true, false, true, false},
    {"changes its PIN", change_pin, HANDHELD, false, false, false, true, false},
    {"reads", read_meter, HANDHELD, false, false, false, false, false},
    {"visits", visit, HANDHELD, false, false, false, false, false},
    {"swaps", swap, HANDHELD, false, false, false, false, false},
    {"types a meter", type_meter, HANDHELD, false, false, false, false, false},
    {"edits", edit, HANDHELD, false, false, false, false, false},
    {"steps a task", step_task, HANDHELD, false, false, false, false, false},
    {"begins an exchange", begin, HANDHELD, false, false, false, true, true},
    {"ends an exchange", end, HANDHELD, true, false, false, false, false},
    {"syncs", sync_all, HANDHELD, false, false, false, true, true},
    {"delivers locked", deliver, HANDHELD, false, true, false, true, true},
    {"imports a bundle", import_bundle, HANDHELD, false, false, false, false, false},
    {"searches", search, HANDHELD, false, false, false, false, false},
    {"scrubs", scrub, HANDHELD, false, false, false, true, false},
};

/* ---- Making the world. ---- */

static struct ds_slice keep(struct world *w, size_t *used, struct ds_slice bytes)
{
    assert_true(*used + bytes.size <= ROOM);
    memcpy(w->memory + *used, bytes.data, bytes.size);
    struct ds_slice kept = {w->memory + *used, bytes.size};
    *used += bytes.size;
    return kept;
}

static struct ds_slice reading_batch(struct world *w, struct ds_builder *builder)
{
    struct ds_reading reading = {.presence = {0}};
    DS_SET(&reading, reading, meter, w->s.meter[0]);
    DS_SET(&reading, reading, period, TEST_PERIOD);
    DS_SET(&reading, reading, index, 120);
    DS_SET(&reading, reading, instant_ms, w->s.now_ms);
    DS_SET(&reading, reading, method, DS_METHOD_on_site);
    return test_batch(&w->s, &w->device, DS_REC_reading, NULL, 0, &reading, builder);
}

static void give_task(struct world *w)
{
    struct ds_task task = {.presence = {0}};
    DS_SET(&task, task, kind, DS_TASK_KIND_check);
    DS_SET(&task, task, meter, w->s.meter[0]);
    DS_SET(&task, task, assignee, w->s.reader);
    DS_SET(&task, task, state, DS_TASK_assigned);
    w->task = test_write(&w->s, &w->s.supervisor, DS_REC_task, NULL, &task);
}

static struct ds_slice enrol_request(struct world *w, struct ds_builder *sealed)
{
    uint8_t text[1024];
    uint8_t decoded[1024];
    struct ds_builder builder;
    struct ds_builder more;
    struct ds_enrol_code code;
    struct ds_signature signature;
    struct ds_enrol_request request = {.model = DS_SLICE_LIT("new")};
    struct ds_secret sign = {{7}};
    struct ds_secret box = {{8}};
    ds_builder_init(&builder, text, sizeof(text));
    assert_int_equal(
        ds_enrol_code_make(&w->s.shard, &w->s.reader, DS_SLICE_LIT("http://x"), NULL, 0, &builder),
        DS_OK);
    ds_builder_init(&more, decoded, sizeof(decoded));
    assert_int_equal(ds_enrol_code_parse((struct ds_slice){text, builder.used}, &more, &code, NULL),
                     DS_OK);
    request.code = code.code;
    ds_sign_public(&sign, &request.sign_key);
    ds_box_public(&box, &request.box_key);
    ds_builder_init(&builder, text, sizeof(text));
    ds_enrol_request_put(&builder, &request);
    ds_sign(&sign, DS_LABEL_ENROL, (struct ds_slice){text, builder.used}, &signature);
    request.signature = signature.byte;
    ds_builder_init(&builder, text, sizeof(text));
    ds_enrol_request_put(&builder, &request);
    assert_int_equal(ds_seal(&code.server_box, (struct ds_slice){text, builder.used},
                             &w->s.shard.random, sealed),
                     DS_OK);
    return (struct ds_slice){sealed->data, sealed->used};
}

static int append(void *context, const uint8_t *bytes, size_t size)
{
    ds_put_bytes(context, (struct ds_slice){bytes, size});
    return 0;
}

/* Another handheld's unsent work. */
static struct ds_slice other_bundle(struct world *w, struct ds_builder *bundle)
{
    struct pocket other;
    pocket_enrol(&other, &w->s, &w->s.other_reader, 9);
    struct ds_handheld_reading reading = {.has_index = true, .index = 44, .period = TEST_PERIOD};
    reading.meter = pocket_id(&w->s.meter[4]); /* Of a book that is not his. */
    (void)pocket_sync(&other);
    assert_int_equal(ds_handheld_record_reading(other.h, &reading, NULL, NULL), 0);
    assert_int_equal(ds_handheld_bundle_export(other.h, append, bundle, NULL), 0);
    pocket_drop(&other);
    return (struct ds_slice){bundle->data, bundle->used};
}

/* The request that begin() makes from this state, and the server's answer to it. */
static void prepare_exchange(struct world *w, size_t *used)
{
    struct ds_builder answer;
    struct ds_detail detail;
    static const struct act plain = {.name = "", .begun = false};
    size_t size = 0;
    settle(w, &plain, true);
    assert_int_equal(ds_handheld_exchange_begin(w->p.h, w->out, ROOM, &size, NULL), 0);
    w->request = keep(w, used, (struct ds_slice){w->out, size});
    ds_builder_init(&answer, w->out, ROOM);
    assert_int_equal(
        ds_serve_whole(&w->s.shard, &w->p.codec, w->request, w->p.memory, &answer, &detail), DS_OK);
    w->answer = keep(w, used, (struct ds_slice){answer.data, answer.used});
}

static int make_world(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct ds_builder builder;
    size_t used = 0;
    assert_non_null(w);
    w->memory = malloc(ROOM);
    w->out = malloc(ROOM);
    assert_true(w->memory != NULL && w->out != NULL);
    test_station_open(&w->s);
    test_device_enrol(&w->s, &w->s.other_reader, 1, &w->device);
    give_task(w);
    pocket_enrol(&w->p, &w->s, &w->s.reader, 3);
    (void)pocket_sync(&w->p);
    (void)pocket_read(&w->p, 0, 33);
    (void)pocket_read(&w->p, 1, 34);
    ds_builder_init(&builder, w->out, ROOM);
    w->batch = keep(w, &used, reading_batch(w, &builder));
    ds_builder_init(&builder, w->out, ROOM);
    w->enrol = keep(w, &used, enrol_request(w, &builder));
    ds_builder_init(&builder, w->out, ROOM);
    w->bundle = keep(w, &used, other_bundle(w, &builder));
    assert_int_equal(ds_store_memory_clone(w->s.store, &w->store), DS_OK);
    assert_int_equal(ds_store_memory_clone(w->s.keys, &w->keys), DS_OK);
    assert_int_equal(ds_store_memory_clone(w->p.store, &w->pocket), DS_OK);
    w->supervisor = w->s.supervisor;
    w->station_random = w->s.random_state;
    w->pocket_random = w->p.random_state;
    prepare_exchange(w, &used);
    *state = w;
    return 0;
}

static int drop_world(void **state)
{
    struct world *w = *state;
    pocket_drop(&w->p);
    test_station_close(&w->s);
    ds_store_close(w->store);
    ds_store_close(w->keys);
    ds_store_close(w->pocket);
    free(w->memory);
    free(w->out);
    free(w);
    return 0;
}

/* ---- The tries. ---- */

static void arm(struct world *w, const struct act *act, enum fault fault, unsigned nth)
{
    struct ds_store *store = target(w, act);
    switch (fault) {
    case FAULT_ALLOC:
        alloc_fault_arm(nth);
        break;
    case FAULT_WRITE_IO:
        ds_store_memory_fail_write(store, nth, DS_ERR_IO);
        break;
    case FAULT_WRITE_FULL:
        ds_store_memory_fail_write(store, nth, DS_ERR_FULL);
        break;
    case FAULT_COMMIT:
    case FAULT_COMMIT_AFTER:
        ds_store_memory_fail_commit(store, nth, DS_ERR_IO, fault == FAULT_COMMIT_AFTER);
        break;
    }
}

/* Switch it off; had it happened? */
static bool disarm(struct world *w, const struct act *act, enum fault fault)
{
    struct ds_store *store = target(w, act);
    bool happened = false;
    if (fault == FAULT_ALLOC) {
        happened = alloc_fault_fired();
        alloc_fault_arm(0);
    } else if (fault == FAULT_WRITE_IO || fault == FAULT_WRITE_FULL) {
        happened = !ds_store_memory_fail_write(store, 0, DS_OK);
    } else {
        happened = store->broken;
        ds_store_memory_fail_commit(store, 0, DS_OK, false);
    }
    return happened;
}

/* It took another way, or told of the fault inside its answer: done again, at the latest, it comes
 * to the same end. A handheld's nonces then differ, but nothing waits and its replica is right. */
static bool ends_alike(struct world *w, const struct act *act, const struct ds_hash *after)
{
    struct ds_handheld_status status;
    if (!act->spares) {
        return false;
    }
    struct ds_hash now = picture(target(w, act));
    if (ds_hash_equal(&now, after)) {
        return true;
    }
    assert_int_equal(act->run(w), DS_OK);
    now = picture(target(w, act));
    if (ds_hash_equal(&now, after) || act->place == SERVER) {
        return ds_hash_equal(&now, after);
    }
    assert_int_equal(ds_handheld_status(w->p.h, &status), 0);
    return status.unsent == 0 && (status.locked || pocket_converged(&w->p));
}

static bool is_fault(const struct act *act, int err)
{
    if (err == DS_ERR_BUSY) {
        return act->several; /* 503: it was the server's memory. */
    }
    return err == DS_ERR_NOMEM || err == DS_ERR_IO || err == DS_ERR_FULL || err == DS_ERR_LIMIT;
}

/* Try the act with the nth fault; false: there are not so many places. */
static bool try_it(struct world *w, const struct act *act, enum fault fault, unsigned nth,
                   const struct ds_hash *before, const struct ds_hash *after)
{
    settle(w, act, true);
    arm(w, act, fault, nth);
    int err = act->run(w);
    bool happened = disarm(w, act, fault);
    struct ds_hash now = picture(target(w, act));
    if (!happened) {
        assert_int_equal(err, DS_OK);
        return false;
    }
    if (err == DS_OK) {
        if (!ends_alike(w, act, after)) {
            fail_msg("%s: fault %d at %u is not told", act->name, (int)fault, nth);
        }
        return true;
    }
    if (!is_fault(act, err)) {
        fail_msg("%s: fault %d at %u is told as %s", act->name, (int)fault, nth,
                 ds_err_name((enum ds_err)err));
    }
    if (fault != FAULT_COMMIT_AFTER && !act->several && !ds_hash_equal(&now, before)) {
        fail_msg("%s: fault %d at %u leaves half a state", act->name, (int)fault, nth);
    }
    settle(w, act, false);
    err = act->run(w);
    /* After a commit whose answer was lost it is there already. */
    bool there =
        (fault == FAULT_COMMIT_AFTER || act->several) && err != DS_OK && !is_fault(act, err);
    if (err != DS_OK && !there) {
        fail_msg("%s: after fault %d at %u it ends with %s", act->name, (int)fault, nth,
                 ds_err_name((enum ds_err)err));
    }
    return true;
}

static uint64_t places; /* Where something failed, over all acts. */

static void try_all(struct world *w, const struct act *act)
{
    unsigned count[FAULT_COMMIT_AFTER + 1] = {0};
    settle(w, act, true);
    struct ds_hash before = picture(target(w, act));
    assert_int_equal(act->run(w), DS_OK);
    struct ds_hash after = picture(target(w, act));
    for (unsigned fault = FAULT_ALLOC; fault <= FAULT_COMMIT_AFTER; fault++) {
        for (unsigned nth = 1;
             nth < TRIES_MAX && try_it(w, act, (enum fault)fault, nth, &before, &after); nth++) {
            count[fault]++;
            places++;
        }
    }
    print_message("%s: %u allocations, %u writes, %u commits\n", act->name, count[FAULT_ALLOC],
                  count[FAULT_WRITE_IO], count[FAULT_COMMIT]);
    assert_true(count[FAULT_ALLOC] + count[FAULT_WRITE_IO] + count[FAULT_COMMIT] > 0);
}

static void the_server_tells_each_fault_and_stays_whole(void **state)
{
    for (size_t i = 0; i < DS_COUNT(acts); i++) {
        if (acts[i].place == SERVER) {
            try_all(*state, &acts[i]);
        }
    }
}

static void the_handheld_tells_each_fault_and_stays_whole(void **state)
{
    for (size_t i = 0; i < DS_COUNT(acts); i++) {
        if (acts[i].place == HANDHELD) {
            try_all(*state, &acts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_tells_each_fault_and_stays_whole),
        cmocka_unit_test(the_handheld_tells_each_fault_and_stays_whole),
    };
    int failed = cmocka_run_group_tests(tests, make_world, drop_world);
    struct report report = {"failing_allocations_writes_commits",
                            "tests/unit/each_fault_test.c",
                            "places, one at a time",
                            places,
                            (uint64_t)failed,
                            0};
    report_write(&report);
    return failed;
}

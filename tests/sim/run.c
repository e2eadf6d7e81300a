/* One seed: founding, faults, healing, and every invariant by its name. */
#include "tests/sim/look.h"
#include "tests/support/journal_file.h"

#include <inttypes.h>
#include <stdio.h>

enum { SCRATCH_SIZE = 8 << 20, ROUNDS_MAX = 24 };

/* ---- Faults ---- */

static void jump_clock(struct sim *sim)
{
    struct sim_hand *hand = hand_any(sim);
    switch (sim_below(sim, 5)) {
    case 0:
        hand->clock_offset_ms = 5000 - sim->now_ms; /* 1970 */
        break;
    case 1:
        hand->clock_offset_ms = SIM_DAY_MS * (int64_t)sim_below(sim, 40000); /* 2099 */
        break;
    case 2:
        hand->clock_offset_ms = prng_between(&sim->choose, -20 * SIM_YEAR_MS, 20 * SIM_YEAR_MS);
        break;
    case 3:
        hand->clock_offset_ms -= 3600000;
        break;
    default:
        hand->clock_offset_ms = 0;
        break;
    }
    trace_line(&sim->trace, "h%u clock is off by %" PRId64 " ms", hand->index,
               hand->clock_offset_ms);
}

static void break_server_disk(struct sim *sim)
{
    if (sim->lmdb_dir[0] == '\0') {
        bool after = sim_chance(sim, 500);
        ds_store_memory_fail_commit(sim->store, 1 + sim_below(sim, 3), DS_ERR_IO, after);
        trace_line(&sim->trace, "the server's disk will fail%s", after ? " after" : "");
    }
}

static void server_fault(struct sim *sim)
{
    if (sim->profile.server_restores && sim_chance(sim, 600)) {
        if (sim->backup != NULL && sim->server_restores < 3 && sim_chance(sim, 500)) {
            server_restore(sim);
        } else {
            server_backup(sim);
        }
    } else if (sim_chance(sim, 500)) {
        server_restart(sim);
    } else {
        break_server_disk(sim);
    }
}

/* A server that was rolled back, over a good network: refused on both sides, and reported. */
static void must_refuse(struct sim *sim, struct sim_hand *hand)
{
    struct ds_handheld_status status;
    struct ds_handheld_detail detail = {{0}};
    uint64_t size = sim->shard.meta.size;
    sim->healed = true;
    int err = ds_handheld_sync(hand->sdk, NULL, &detail);
    sim->healed = false;
    trace_line(&sim->trace, "h%u meets a server that was rolled back: %s %s", hand->index,
               ds_handheld_error_name(err), detail.text);
    if (sim->shard.meta.size != size || err == DS_E_OK) {
        sim_fail(sim, "acked_is_durable",
                 "a server that was rolled back took work before its restore was declared");
    }
    if (err == DS_E_IO || err == DS_E_FULL) {
        hand_lose_memory(hand);
        hand_open(hand);
        return;
    }
    SIM_MUST(sim, ds_handheld_status(hand->sdk, &status));
    if (status.problem[0] == '\0') {
        sim_fail(sim, "acked_is_durable", "h%u does not report a server that was rolled back",
                 hand->index);
    }
}

/* Until somebody declares the restore, the server must not answer those who know more. */
static void undeclared_step(struct sim *sim)
{
    struct sim_hand *hand = hand_any(sim);
    struct ds_handheld_status status;
    SIM_MUST(sim, ds_handheld_status(hand->sdk, &status));
    bool knows_more =
        status.epoch == sim->shard.meta.epoch && status.head_size > sim->shard.meta.size;
    if (knows_more && sim_chance(sim, 500)) {
        must_refuse(sim, hand);
    } else {
        server_declare(sim);
    }
}

static void step(struct sim *sim)
{
    const struct sim_profile *p = &sim->profile;
    sim->now_ms += 1000 + (int64_t)prng_below(&sim->choose, (uint64_t)p->step_ms);
    if (sim->undeclared) {
        undeclared_step(sim);
    } else if (sim_chance(sim, p->jump)) {
        jump_clock(sim);
    } else if (sim_chance(sim, p->office)) {
        office_step(sim);
    } else if (sim_chance(sim, p->fault)) {
        if (sim_chance(sim, 350)) {
            server_fault(sim);
        } else {
            hand_fault(hand_any(sim));
        }
    } else if (sim_chance(sim, p->partition)) {
        net_partition(sim);
    } else if (sim_chance(sim, 20 + 2 * p->delay)) {
        net_late(sim);
    } else if (sim_chance(sim, 30 * p->carriers)) {
        carrier_step(sim);
    } else if (sim->evil != NULL && sim_chance(sim, 60)) {
        evil_step(sim);
    } else if (sim_chance(sim, p->sync)) {
        hand_exchange(hand_any(sim));
    } else {
        hand_work(hand_any(sim));
    }
}

/* The faults are over. Everybody syncs until nobody has anything left. */
static void heal(struct sim *sim)
{
    if (sim->lmdb_dir[0] == '\0') {
        ds_store_memory_fail_commit(sim->store, 0, DS_OK, false);
    }
    server_restart(sim);
    if (sim->undeclared) {
        server_declare(sim);
    }
    sim->healed = true;
    for (unsigned i = 0; i < sim->hand_count; i++) {
        struct sim_hand *hand = &sim->hands[i];
        ds_store_memory_fail_commit(hand->store, 0, DS_OK, false);
        if (hand->sdk != NULL) { /* A storage may have failed where nobody had to hear of it. */
            hand_lose_memory(hand);
            hand_open(hand);
        }
    }
    trace_line(&sim->trace, "healed");
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        uint64_t size = sim->shard.meta.size;
        uint64_t moved = 0;
        sim->now_ms += 60000;
        for (unsigned i = 0; i < sim->hand_count; i++) {
            uint64_t rows = 0;
            if (round == 1) { /* By now each has a lease, and can look at what it holds. */
                hand_scrub(&sim->hands[i]);
            }
            if (!hand_drain(&sim->hands[i], &rows)) {
                sim_fail(sim, "always_progress", "h%u does not come to an end", i);
            }
            moved += rows;
        }
        if (round > 0 && sim->shard.meta.size == size && moved == 0) {
            sim_checked("always_progress");
            return;
        }
    }
    sim_fail(sim, "always_progress", "after %d rounds there is still something to send",
             (int)ROUNDS_MAX);
}

static void check_all(struct sim *sim)
{
    check_acked(sim);
    check_journal(sim);
    check_newer(sim);
    check_conflicts(sim);
    check_authority(sim);
    check_replicas(sim);
    check_bounds(sim);
    check_leaks(sim);
    check_replay(sim);
    check_order(sim);
    if (sim->seed % 4 == 0) {
        check_tampering(sim);
        check_witness(sim);
    }
    check_stolen(sim);
}

static struct sim *make(uint64_t seed, const struct sim_options *options)
{
    struct sim *sim = calloc(1, sizeof *sim);
    DS_ASSERT(sim != NULL);
    sim->seed = seed;
    sim->choose.state = seed;
    sim->entropy.state = seed ^ UINT64_C(0x5eed5eed5eed5eed);
    sim->now_ms = SIM_START_MS;
    sim->lmdb_percent = options->lmdb_percent;
    sim->serve_memory = malloc(DS_SERVE_ARENA_SIZE);
    sim->answer_memory = malloc(DS_ENVELOPE_SIZE_MAX);
    sim->request_memory = malloc(DS_HANDHELD_REQUEST_MAX);
    sim->scratch = malloc(SCRATCH_SIZE);
    DS_ASSERT(sim->serve_memory != NULL && sim->answer_memory != NULL &&
              sim->request_memory != NULL && sim->scratch != NULL);
    sim_expect_crash(sim->seed);
    trace_start(&sim->trace, options->print);
    model_start(&sim->model);
    SIM_MUST(sim, ds_envelope_codec_init(&sim->codec));
    return sim;
}

static void destroy(struct sim *sim)
{
    for (unsigned i = 0; i < sim->hand_count; i++) {
        hand_close(&sim->hands[i]);
    }
    evil_close(sim);
    server_close(sim);
    ds_envelope_codec_fini(&sim->codec);
    for (size_t i = 0; i < SIM_KEPT_MAX; i++) {
        sim_forget(&sim->kept[i]);
    }
    for (size_t i = 0; i < SIM_CARRIERS_MAX; i++) {
        sim_forget(&sim->carrier[i]);
    }
    sim_forget(&sim->answer);
    free(sim->serve_memory);
    free(sim->answer_memory);
    free(sim->request_memory);
    free(sim->scratch);
    free(sim);
}

static void write_journal(struct sim *sim, const char *path)
{
    struct ds_builder out;
    struct ds_slice bytes = {NULL, 0};
    ds_builder_init(&out, sim->scratch, SCRATCH_SIZE);
    journal_file_begin(&out, &sim->station);
    struct ds_txn *txn = server_begin(sim);
    for (uint64_t position = 1; position <= sim->shard.meta.size; position++) {
        journal_file_entry(&out, look_entry(sim, txn, position));
    }
    ds_txn_abort(txn);
    SIM_MUST(sim, ds_builder_end(&out, &bytes));
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes.data, 1, bytes.size, file) != bytes.size ||
        fclose(file) != 0) {
        sim_fail(sim, "always_progress", "cannot write %s", path);
    }
}

/* Everybody begins the day with a full replica. */
static void first_replicas(struct sim *sim)
{
    sim->healed = true;
    for (unsigned i = 0; i < sim->hand_count; i++) {
        uint64_t rows = 0;
        if (!hand_drain(&sim->hands[i], &rows) || rows == 0) {
            sim_fail(sim, "always_progress", "h%u does not get its first replica", i);
        }
        sim->hands[i].snapshot = sim->shard.meta.size;
    }
    sim->healed = false;
}

uint64_t sim_run(uint64_t seed, const struct sim_options *options, struct sim_totals *totals)
{
    struct sim *sim = make(seed, options);
    profile_draw(sim);
    server_create(sim);
    office_found(sim);
    for (unsigned i = 0; i < sim->profile.hands; i++) {
        hand_make(sim, i);
    }
    if (sim->profile.evil) {
        evil_make(sim);
    }
    first_replicas(sim);
    for (unsigned i = 0; i < sim->profile.steps; i++) {
        step(sim);
    }
    heal(sim);
    check_all(sim);
    if (options->journal != NULL) {
        write_journal(sim, options->journal);
    }
    uint64_t hash = sim->trace.hash;
    totals->ops += sim->model.count;
    totals->exchanges += sim->exchanges;
    totals->entries += sim->shard.meta.size;
    totals->hands += sim->hand_count;
    totals->simulated_ms += (uint64_t)(sim->now_ms - SIM_START_MS);
    destroy(sim);
    return hash;
}

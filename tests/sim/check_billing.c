/* exactly_once, for money: billing has got each revision of each slot once and in order, and the
 * last ones say what the slots say now. */
#include "schema/codec/record_mp.h"
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_MAX = 512, ARENA_SIZE = 65536 };

struct billed { /* The last revision of a slot. */
    struct ds_id id;
    uint32_t revision;
    bool voided;
    int64_t volume_l;
};

static void note_revision(struct sim *sim, struct billed *billed, const struct ds_export *next,
                          struct ds_arena *arena)
{
    struct ds_slot row;
    if (next->revision != billed->revision + 1 || next->supersedes != billed->revision) {
        sim_fail(sim, "exactly_once", "export of slot revision %u after %u, supersedes %u",
                 next->revision, billed->revision, next->supersedes);
    }
    SIM_MUST(sim, ds_record_decode(ds_record_type_by_number(DS_REC_slot), next->fields, arena, &row,
                                   NULL));
    billed->revision = next->revision;
    billed->voided = DS_GET(&row, slot, voided, 0) == 1;
    billed->volume_l = row.consumption_l;
}

/* A slot that waits for a decision may differ: then what billing has stands. */
static void compare(struct sim *sim, struct ds_txn *txn, const struct billed *billed,
                    struct ds_arena *arena)
{
    struct ds_slot row;
    SIM_MUST(sim, ds_record_load(txn, DS_REC_slot, &billed->id, arena, &row));
    bool exportable = DS_GET(&row, slot, exportable, 0) == 1;
    bool settled = row.state == DS_SLOT_read || row.state == DS_SLOT_decided;
    if (row.revision != (int64_t)billed->revision) {
        sim_fail(sim, "exactly_once", "slot says revision %lld, billing has %u",
                 (long long)row.revision, billed->revision);
    }
    if (exportable && (billed->voided || billed->volume_l != row.consumption_l)) {
        sim_fail(sim, "exactly_once", "billing has %lld l of a slot of %lld l",
                 (long long)billed->volume_l, (long long)row.consumption_l);
    }
    if (!exportable && (settled || row.state == DS_SLOT_empty) && billed->volume_l != 0) {
        sim_fail(sim, "exactly_once", "billing has %lld l of a slot that is not billed",
                 (long long)billed->volume_l);
    }
}

void check_billing(struct sim *sim)
{
    struct billed *billed = calloc(SLOTS_MAX, sizeof *billed);
    uint8_t *memory = malloc(ARENA_SIZE);
    struct ds_arena arena;
    struct ds_export next = {.position = 0};
    size_t count = 0;
    DS_ASSERT(billed != NULL && memory != NULL);
    struct ds_txn *txn = server_begin(sim);
    for (;;) {
        ds_arena_init(&arena, memory, ARENA_SIZE);
        enum ds_err err =
            ds_export_next(txn, DS_CONSUMER_billing, next.position, next.ordinal, &next);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        SIM_MUST(sim, err);
        size_t at = 0;
        while (at < count && !ds_id_equal(&billed[at].id, &next.id)) {
            at++;
        }
        DS_ASSERT(at < SLOTS_MAX);
        count += at == count;
        billed[at].id = next.id;
        note_revision(sim, &billed[at], &next, &arena);
    }
    for (size_t i = 0; i < count; i++) {
        ds_arena_init(&arena, memory, ARENA_SIZE);
        compare(sim, txn, &billed[i], &arena);
    }
    ds_txn_abort(txn);
    free(billed);
    free(memory);
    sim_checked("exactly_once");
}

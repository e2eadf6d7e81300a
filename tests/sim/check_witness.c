/* tampering_shows: a server whose history is not the one that it signed is refused by its
 * handhelds, reported, and forgiven when the true history comes back.
 *
 * The other history is sound in itself: the journal folded anew up to some entry, and then going on
 * in another way, as if a backup had been put back and nobody had said so, or as if somebody with
 * all keys had rewritten it. */
#include "tests/sim/sim.h"

static struct ds_handheld_status status_of(struct sim_hand *hand)
{
    struct ds_handheld_status status;
    SIM_MUST(hand->sim, ds_handheld_status(hand->sdk, &status));
    return status;
}

/* One that the server still lets in, of the present epoch. */
static struct sim_hand *witness_of(struct sim *sim, struct ds_handheld_status *status)
{
    for (unsigned i = 0; i < sim->hand_count; i++) {
        struct sim_hand *hand = &sim->hands[i];
        if (hand->sdk == NULL) {
            continue;
        }
        *status = status_of(hand);
        if (!status->locked && status->epoch == sim->shard.meta.epoch &&
            status->proved_size > sim->shard.meta.kept_size + 3) {
            return hand;
        }
    }
    return NULL;
}

static void must_refuse(struct sim *sim, struct sim_hand *hand,
                        const struct ds_handheld_status *before, uint64_t forked_at)
{
    struct ds_handheld_sync_result result = {0};
    struct ds_handheld_detail detail = {{0}};
    SIM_MUST(sim, ds_handheld_prove(hand->sdk));
    int err = ds_handheld_sync(hand->sdk, &result, &detail);
    struct ds_handheld_status after = status_of(hand);
    bool behind = sim->shard.meta.size < before->head_size;
    trace_line(&sim->trace, "h%u meets a history that forked at %llu: %s %s", hand->index,
               (unsigned long long)forked_at, ds_handheld_error_name(err), detail.text);
    if (err == DS_E_AUTH) {
        return; /* It was not enrolled yet in that past. */
    }
    if (behind ? err != DS_E_BUSY : err != DS_E_INTEGRITY && err != DS_E_EPOCH) {
        sim_fail(sim, "tampering_shows", "h%u took a history that forked at %llu of %llu: %s",
                 hand->index, (unsigned long long)forked_at, (unsigned long long)before->head_size,
                 ds_handheld_error_name(err));
    }
    if (!behind && !after.history_doubted) {
        sim_fail(sim, "tampering_shows", "h%u refused another history and told nobody",
                 hand->index);
    }
    if (after.head_size != before->head_size || after.unsent != before->unsent ||
        after.received != before->received || after.epoch != before->epoch) {
        sim_fail(sim, "tampering_shows", "h%u let go of something towards another history",
                 hand->index);
    }
}

void check_witness(struct sim *sim)
{
    struct ds_handheld_status before;
    struct ds_store *other = NULL;
    struct ds_handheld_sync_result result = {0};
    struct ds_handheld_detail detail = {{0}};
    struct sim_hand *hand = sim->lmdb_dir[0] == '\0' ? witness_of(sim, &before) : NULL;
    if (hand == NULL) {
        return;
    }
    /* Behind the last lawful fork, and before the proved head: only the past itself can tell. */
    uint64_t first = sim->shard.meta.kept_size + 2;
    uint64_t forked_at = first + prng_below(&sim->choose, before.proved_size - first);
    uint64_t size = before.head_size + prng_below(&sim->choose, 4);
    bool rolled_back = sim_chance(sim, 200);
    SIM_MUST(sim, ds_store_memory_open(0, &other));
    SIM_MUST(sim, ds_shard_refold(sim->store, other, forked_at, NULL, NULL));
    struct ds_store *truth = server_swap(sim, other);
    sim->now_ms += 1; /* Its ticks have instants of their own. */
    while (!rolled_back && sim->shard.meta.size < size) {
        SIM_MUST(sim, ds_shard_tick(&sim->shard));
    }
    must_refuse(sim, hand, &before, forked_at);
    ds_store_close(server_swap(sim, truth));
    SIM_MUST(sim, ds_handheld_sync(hand->sdk, &result, &detail));
    if (status_of(hand).history_doubted) {
        sim_fail(sim, "tampering_shows", "h%u still doubts the true history", hand->index);
    }
    sim_checked("tampering_shows");
}

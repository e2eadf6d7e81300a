/* The network between a handheld and the station: it loses, repeats, delays, cuts, bends and lies.
 */
#include "tests/sim/sim.h"

static const char portal[] = "<!DOCTYPE html><html><head><title>Wi-Fi login</title></head><body>"
                             "Please accept the terms of the hotel.</body></html>";

/* Messages that are late overtake each other: which of the kept ones comes is a matter of luck. */
void net_late(struct sim *sim)
{
    struct sim_bytes *late = &sim->kept[sim_below(sim, SIM_KEPT_MAX)];
    struct ds_builder answer;
    if (late->data == NULL || sim->undeclared) {
        return;
    }
    trace_line(&sim->trace, "a request of h%u of %zu bytes arrives late", late->from, late->size);
    ds_builder_init(&answer, sim->answer_memory, DS_ENVELOPE_SIZE_MAX);
    (void)server_post(sim, late->data, late->size, &answer);
    if (sim_chance(sim, 500)) {
        sim_forget(late); /* Else it comes again. */
    }
}

void net_partition(struct sim *sim)
{
    int64_t until_ms = sim->now_ms + 60000 + (int64_t)prng_below(&sim->choose, 3 * SIM_DAY_MS);
    unsigned share = 100 + sim_below(sim, 900);
    for (unsigned i = 0; i < sim->hand_count; i++) {
        struct sim_hand *hand = &sim->hands[i];
        if (sim_chance(sim, share) && hand->cut_off_until_ms < until_ms) {
            hand->cut_off_until_ms = until_ms;
            trace_line(&sim->trace, "h%u is cut off", i);
        }
    }
}

static void bend(struct sim *sim, uint8_t *bytes, size_t size)
{
    if (size > 0) {
        bytes[prng_below(&sim->choose, size)] ^= (uint8_t)(1U << sim_below(sim, 8));
    }
}

/* What arrives of it, once. */
static int arrive(struct sim *sim, const uint8_t *body, size_t size, struct ds_builder *answer)
{
    const struct sim_profile *p = &sim->profile;
    bool cut = sim_chance(sim, p->cut);
    bool bent = sim_chance(sim, p->bend);
    if (!cut && !bent) {
        return server_post(sim, body, size, answer);
    }
    uint8_t *copy = malloc(size);
    DS_ASSERT(copy != NULL);
    memcpy(copy, body, size);
    if (bent) {
        bend(sim, copy, size);
    }
    size = cut ? sim_below(sim, size) : size;
    trace_line(&sim->trace, "the request is %s", cut ? "cut" : "bent");
    int status = server_post(sim, copy, size, answer);
    free(copy);
    return status;
}

/* What comes back of it. */
static int come_back(struct sim_hand *hand, int status, struct ds_builder *answer)
{
    struct sim *sim = hand->sim;
    const struct sim_profile *p = &sim->profile;
    if (sim_chance(sim, p->answer_loss)) {
        trace_line(&sim->trace, "h%u's answer is lost", hand->index);
        return 0;
    }
    if (sim_chance(sim, p->portal)) {
        answer->used = 0;
        ds_put_text(answer, portal);
        return 200;
    }
    if (sim->answer.data != NULL && sim_chance(sim, p->stale)) {
        trace_line(&sim->trace, "h%u gets an earlier answer to h%u", hand->index, sim->answer.from);
        answer->used = 0;
        ds_put_bytes(answer, (struct ds_slice){sim->answer.data, sim->answer.size});
        return 200;
    }
    if (status == 200 && p->stale > 0 && sim_chance(sim, 200)) {
        sim_keep(&sim->answer, answer->data, answer->used, hand->index);
    }
    if (answer->used > 0 && sim_chance(sim, p->cut)) {
        trace_line(&sim->trace, "the answer is cut");
        answer->used = sim_below(sim, answer->used);
    }
    if (answer->used > 0 && sim_chance(sim, p->bend)) {
        trace_line(&sim->trace, "the answer is bent");
        bend(sim, answer->data, answer->used);
    }
    return status;
}

int net_post(struct sim_hand *hand, const uint8_t *body, size_t size, struct ds_builder *answer)
{
    struct sim *sim = hand->sim;
    const struct sim_profile *p = &sim->profile;
    trace_bytes(&sim->trace, body, size);
    if (size > DS_REQUEST_SIZE_MAX) {
        sim_fail(sim, "bounded", "h%u sends %zu bytes", hand->index, size);
    }
    if (sim->healed) {
        return server_post(sim, body, size, answer);
    }
    if (hand->cut_off_until_ms > sim->now_ms || sim_chance(sim, p->loss)) {
        trace_line(&sim->trace, "h%u's request is lost", hand->index);
        return 0;
    }
    if (sim_chance(sim, p->busy)) {
        return 503;
    }
    if (sim_chance(sim, p->delay)) {
        trace_line(&sim->trace, "h%u's request takes its time", hand->index);
        sim_keep(&sim->kept[sim_below(sim, SIM_KEPT_MAX)], body, size, hand->index);
        return 0;
    }
    int status = arrive(sim, body, size, answer);
    if (sim_chance(sim, p->repeat)) {
        status = server_post(sim, body, size, answer);
        if (sim_chance(sim, 200)) {
            sim_keep(&sim->kept[sim_below(sim, SIM_KEPT_MAX)], body, size, hand->index);
        }
    }
    return come_back(hand, status, answer);
}

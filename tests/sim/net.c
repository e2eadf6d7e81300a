/* The network between a handheld and the station: it loses, repeats, cuts, bends and lies. */
#include "tests/sim/sim.h"

static const char portal[] = "<!DOCTYPE html><html><head><title>Wi-Fi login</title></head><body>"
                             "Please accept the terms of the hotel.</body></html>";

static void keep_for_replay(struct sim *sim, const uint8_t *body, size_t size)
{
    struct sim_replay *replay = &sim->replay[sim_below(sim, SIM_REPLAY_MAX)];
    free(replay->bytes);
    replay->bytes = malloc(size);
    DS_ASSERT(replay->bytes != NULL);
    memcpy(replay->bytes, body, size);
    replay->size = size;
}

void net_replay(struct sim *sim)
{
    struct sim_replay *replay = &sim->replay[sim_below(sim, SIM_REPLAY_MAX)];
    struct ds_builder answer;
    if (replay->bytes == NULL || sim->undeclared) {
        return;
    }
    trace_line(&sim->trace, "an old request of %zu bytes arrives", replay->size);
    ds_builder_init(&answer, sim->answer_memory, DS_ENVELOPE_SIZE_MAX);
    (void)server_post(sim, replay->bytes, replay->size, &answer);
}

static void flip(struct sim *sim, uint8_t *bytes, size_t size)
{
    if (size > 0) {
        bytes[prng_below(&sim->choose, size)] ^= (uint8_t)(1U << sim_below(sim, 8));
    }
}

static int fake_portal(struct ds_builder *answer)
{
    answer->used = 0;
    ds_put_text(answer, portal);
    return 200;
}

enum net_fate {
    NET_LOST,
    NET_ANSWER_LOST,
    NET_PORTAL,
    NET_CUT,
    NET_FLIP_UP,
    NET_FLIP_DOWN,
    NET_TWICE,
    NET_KEPT,
    NET_BUSY,
    NET_FATES
};

int net_post(struct sim_hand *hand, const uint8_t *body, size_t size, struct ds_builder *answer)
{
    struct sim *sim = hand->sim;
    enum net_fate fate = NET_FATES;
    trace_bytes(&sim->trace, body, size);
    if (size > DS_REQUEST_SIZE_MAX) {
        sim_fail(sim, "bounded", "h%u sends %zu bytes", hand->index, size);
    }
    if (!sim->healed && sim_chance(sim, sim->profile.net)) {
        fate = (enum net_fate)sim_below(sim, NET_FATES);
        trace_line(&sim->trace, "h%u net fate %d", hand->index, (int)fate);
    }
    int status = 0;
    switch (fate) {
    case NET_LOST:
        return 0;
    case NET_ANSWER_LOST:
        (void)server_post(sim, body, size, answer);
        answer->used = 0;
        return 0;
    case NET_PORTAL:
        return fake_portal(answer);
    case NET_CUT:
        status = server_post(sim, body, size, answer);
        answer->used = answer->used == 0 ? 0 : sim_below(sim, answer->used);
        return status;
    case NET_FLIP_UP: {
        uint8_t *copy = malloc(size);
        DS_ASSERT(copy != NULL);
        memcpy(copy, body, size);
        flip(sim, copy, size);
        status = server_post(sim, copy, size, answer);
        free(copy);
        return status;
    }
    case NET_FLIP_DOWN:
        status = server_post(sim, body, size, answer);
        flip(sim, answer->data, answer->used);
        return status;
    case NET_TWICE:
        (void)server_post(sim, body, size, answer);
        return server_post(sim, body, size, answer);
    case NET_KEPT:
        keep_for_replay(sim, body, size);
        return server_post(sim, body, size, answer);
    case NET_BUSY:
        return 503;
    case NET_FATES:
        break;
    }
    return server_post(sim, body, size, answer);
}

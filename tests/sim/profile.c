/* What a seed is like. Every rate may be nought, and most seeds are spared most faults: what only
 * happens when little else is wrong must happen, too. */
#include "tests/sim/sim.h"

#include <inttypes.h>

enum {
    LOSS_MAX = 300, /* Per thousand. */
    REPEAT_MAX = 500,
    OTHER_MAX = 100,
    LOOKS_MAX = 16 /* At a clock while one op is recorded. */
};

/* Nought for one seed in three, else anything up to the greatest. */
static unsigned rate(struct sim *sim, unsigned greatest)
{
    return sim_chance(sim, 350) ? 0 : sim_below(sim, greatest + 1);
}

static unsigned draw_hands(struct sim *sim)
{
    unsigned kind = sim_below(sim, 1000);
    if (kind < 700) {
        return 3 + sim_below(sim, 2);
    }
    if (kind < 940) {
        return 5 + sim_below(sim, 4);
    }
    return kind < 990 ? 9 + sim_below(sim, 12) : 21 + sim_below(sim, 30);
}

static void draw_network(struct sim *sim)
{
    struct sim_profile *p = &sim->profile;
    if (sim_chance(sim, 150)) {
        return; /* A good network. */
    }
    p->loss = rate(sim, LOSS_MAX);
    p->repeat = rate(sim, REPEAT_MAX);
    p->answer_loss = rate(sim, LOSS_MAX);
    p->delay = rate(sim, OTHER_MAX);
    p->stale = rate(sim, OTHER_MAX);
    p->cut = rate(sim, OTHER_MAX);
    p->bend = rate(sim, OTHER_MAX);
    p->portal = rate(sim, OTHER_MAX);
    p->busy = rate(sim, OTHER_MAX);
    p->partition = rate(sim, 40);
}

static void print(struct sim *sim)
{
    const struct sim_profile *p = &sim->profile;
    trace_line(&sim->trace,
               "profile: %u hands, %u carriers, %u books of %u, %u steps of %" PRId64
               " s, office %u, sync %u, fault %u, jump %u, disk %u, slow %u ms, page %u",
               p->hands, p->carriers, p->books, p->meters, p->steps, p->step_ms / 1000, p->office,
               p->sync, p->fault, p->jump, p->disk, p->slow_ms, p->page);
    trace_line(&sim->trace,
               "network: loss %u, answers lost %u, repeat %u, delay %u, stale %u, cut %u, bend %u, "
               "portal %u, busy %u, partition %u",
               p->loss, p->answer_loss, p->repeat, p->delay, p->stale, p->cut, p->bend, p->portal,
               p->busy, p->partition);
    trace_line(&sim->trace, "also:%s%s%s%s%s%s%s%s%s", p->lmdb ? " lmdb" : "",
               p->hand_restores ? " restores" : "", p->clones ? " clones" : "",
               p->revokes ? " revokes" : "", p->server_restores ? " server-restores" : "",
               p->evil ? " evil" : "", p->newer ? " newer" : "", p->away ? " away" : "",
               p->rots ? " rots" : "");
}

void profile_draw(struct sim *sim)
{
    static const int64_t paces[] = {20 * 60000, 20 * 60000, 8 * 3600000, 6 * SIM_DAY_MS};
    struct sim_profile *p = &sim->profile;
    p->hands = draw_hands(sim);
    p->carriers = sim_below(sim, SIM_CARRIERS_MAX + 1);
    p->books = 2 + sim_below(sim, p->hands > 4 ? SIM_BOOKS_MAX - 1 : 3);
    p->meters = 2 + sim_below(sim, 3);
    p->steps = 30 + sim_below(sim, 60) + 2 * (p->hands - 3);
    p->step_ms = paces[sim_below(sim, DS_COUNT(paces))];
    p->slow_ms = sim_chance(sim, 200) ? 1 + sim_below(sim, 4000) : 0;
    sim->model.slack_ms = LOOKS_MAX * (int64_t)p->slow_ms;
    p->office = 50 + 50 * sim_below(sim, 5);
    p->sync = 150 + 100 * sim_below(sim, 5);
    p->fault = 30 * sim_below(sim, 6);
    p->jump = 20 * sim_below(sim, 4);
    p->disk = sim_chance(sim, 600) ? 0 : 10 * sim_below(sim, 8);
    draw_network(sim);
    p->page = sim_chance(sim, 400) ? 512 : 0;
    p->lmdb = prng_below(&sim->choose, 100) < sim->lmdb_percent;
    p->hand_restores = sim_chance(sim, 400);
    p->clones = sim_chance(sim, 200);
    p->revokes = sim_chance(sim, 150);
    p->server_restores = !p->lmdb && sim_chance(sim, 250);
    p->evil = sim_chance(sim, 300);
    p->newer = sim_chance(sim, 300);
    p->away = sim_chance(sim, 150);
    p->rots = sim_chance(sim, 150);
    print(sim);
}

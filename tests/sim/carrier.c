/* Carriers: people with a stick who take unsent work along and hand it over, later, elsewhere,
 * twice, bent, or never. Any bearer will do, and only the signer of a batch counts. */
#include "tests/sim/sim.h"

static int bundle_write(void *context, const uint8_t *bytes, size_t size)
{
    struct ds_builder *bundle = context;
    ds_put_bytes(bundle, (struct ds_slice){bytes, size});
    return bundle->failed ? DS_E_LIMIT : 0;
}

/* After a failed write the storage is opened anew; any other error is the bearer's fault. */
static void settle(struct sim_hand *hand, int err, bool may_refuse, const char *what)
{
    if (err == DS_E_IO || err == DS_E_FULL) {
        hand_lose_memory(hand);
        hand_open(hand);
    } else if (err != DS_E_OK && !may_refuse) {
        sim_fail(hand->sim, "always_progress", "h%u cannot %s a bundle: %s", hand->index, what,
                 ds_handheld_error_name(err));
    }
}

static void load(struct sim *sim, unsigned carrier, struct sim_hand *hand)
{
    struct ds_builder bundle;
    uint64_t ops = 0;
    ds_builder_init(&bundle, sim->answer_memory, DS_ENVELOPE_SIZE_MAX);
    int err = ds_handheld_bundle_export(hand->sdk, bundle_write, &bundle, &ops);
    trace_line(&sim->trace, "carrier %u takes %llu ops of h%u: %s", carrier,
               (unsigned long long)ops, hand->index, ds_handheld_error_name(err));
    settle(hand, err, false, "write");
    if (err == DS_E_OK && ops > 0) {
        sim_keep(&sim->carrier[carrier], bundle.data, bundle.used, hand->index);
    }
}

static void hand_over(struct sim *sim, unsigned carrier, struct sim_hand *bearer)
{
    struct sim_bytes *bundle = &sim->carrier[carrier];
    struct ds_handheld_detail detail = {{0}};
    uint64_t items = 0;
    bool bent = sim_chance(sim, sim->profile.bend);
    if (bent) {
        bundle->data[prng_below(&sim->choose, bundle->size)] ^= (uint8_t)(1U << sim_below(sim, 8));
    }
    int err = ds_handheld_bundle_import(bearer->sdk, bundle->data, bundle->size, &items, &detail);
    trace_line(&sim->trace, "carrier %u hands over h%u's work to h%u%s: %llu items, %s %s", carrier,
               bundle->from, bearer->index, bent ? ", bent" : "", (unsigned long long)items,
               ds_handheld_error_name(err), detail.text);
    settle(bearer, err, bent, "take");
    if (bent || sim_chance(sim, 600)) {
        sim_forget(bundle); /* Else it is handed over again. */
    }
}

void carrier_step(struct sim *sim)
{
    struct sim_hand *hand = hand_any(sim);
    if (sim->profile.carriers == 0) {
        return;
    }
    unsigned carrier = sim_below(sim, sim->profile.carriers);
    if (sim->carrier[carrier].data == NULL) {
        load(sim, carrier, hand);
    } else if (sim_chance(sim, 50)) {
        trace_line(&sim->trace, "carrier %u loses the stick", carrier);
        sim_forget(&sim->carrier[carrier]);
    } else {
        hand_over(sim, carrier, hand);
    }
}

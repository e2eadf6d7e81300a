/* nothing_leaks: strings that are known to be personal, or a worker's words, are searched for in
 * every key and value of every handheld's storage. */
#include "tests/sim/look.h"

static const char *const secrets[] = {
    "Customer ",  /* Names, which billing wrote. */
    "138000000",  /* Phones, which collectors proposed. */
    "neighbour ", /* Who has the key. */
    "#000",       /* Notes: each text of a worker holds its marker. */
    "Goldcard",
};

static bool holds(struct ds_slice bytes, const char *secret)
{
    size_t size = strlen(secret);
    const uint8_t *at = bytes.data;
    const uint8_t *end = bytes.data + bytes.size;
    while (at != NULL && (size_t)(end - at) >= size) {
        at = memchr(at, secret[0], (size_t)(end - at) - size + 1);
        if (at == NULL) {
            return false;
        }
        if (memcmp(at, secret, size) == 0) {
            return true;
        }
        at++;
    }
    return false;
}

static void search(struct sim_hand *hand, uint8_t table, struct ds_slice bytes, const char *what)
{
    for (size_t i = 0; i < DS_COUNT(secrets); i++) {
        if (holds(bytes, secrets[i])) {
            sim_fail(hand->sim, "nothing_leaks", "\"%s\" stands in clear in a %s of h%u's table %u",
                     secrets[i], what, hand->index, table);
        }
    }
}

static void search_table(struct sim_hand *hand, struct ds_txn *txn, uint8_t table)
{
    struct ds_key key = {.byte = {0}, .size = 1};
    for (;;) {
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err = ds_txn_at_or_after(txn, table, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND) {
            return;
        }
        SIM_MUST(hand->sim, err);
        search(hand, table, found, "key");
        search(hand, table, value, "value");
        key = ds_key_after(found);
    }
}

static void search_store(struct sim_hand *hand)
{
    struct ds_txn *txn = NULL;
    SIM_MUST(hand->sim, ds_store_begin(hand->store, false, &txn));
    for (uint8_t table = 0; table < DS_TABLES_MAX; table++) {
        search_table(hand, txn, table);
    }
    ds_txn_abort(txn);
}

void check_leaks(struct sim *sim)
{
    for (unsigned i = 0; i < sim->hand_count; i++) {
        search_store(&sim->hands[i]);
    }
    sim_checked("nothing_leaks");
}

/* ---- A stolen handheld ---- */

/* What was sealed goes out of a wiped handheld, too. */
static void deliver_all(struct sim_hand *hand)
{
    enum { TRIES_MAX = 30 };
    struct sim *sim = hand->sim;
    struct ds_handheld_status status;
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        struct ds_handheld_sync_result result = {0};
        struct ds_handheld_detail detail = {{0}};
        int err = ds_handheld_deliver_locked(hand->sdk, &result, &detail);
        trace_line(&sim->trace, "h%u delivers wiped: %s, sent %llu %s", hand->index,
                   ds_handheld_error_name(err), (unsigned long long)result.sent_ops, detail.text);
        SIM_MUST(sim, ds_handheld_status(hand->sdk, &status));
        if (err != DS_E_OK || !result.more) {
            break;
        }
    }
    if (status.unsent != 0) {
        sim_fail(sim, "nothing_lost", "h%u was wiped with %llu ops unsent", hand->index,
                 (unsigned long long)status.unsent);
    }
}

void check_stolen(struct sim *sim)
{
    struct sim_hand *hand = &sim->hands[0];
    struct ds_handheld_detail detail = {{0}};
    if (!sim->profile.revokes || hand->revoked || hand->cloned) {
        return;
    }
    hand_work(hand); /* Work that nobody else has yet. */
    office_wipe(sim, hand);
    int err = ds_handheld_sync(hand->sdk, NULL, &detail);
    trace_line(&sim->trace, "h%u hears of it: %s %s", hand->index, ds_handheld_error_name(err),
               detail.text);
    deliver_all(hand);
    check_taken(sim, hand);
    if (hand_opens_for_thief(hand)) {
        sim_fail(sim, "nothing_leaks", "h%u was wiped and opens with its PIN", hand->index);
    }
    search_store(hand);
    sim_checked("nothing_leaks");
    sim_checked("nothing_lost");
}

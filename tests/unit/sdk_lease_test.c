/* Leases and orders: what a handheld may still open, and what it does when the office says so. */
#include "handheld-sdk/src/handheld.h"
#include "tests/support/pocket.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define LIFE_MS (72 * HOUR_MS)
#define YEARS_20_MS (20 * 365 * 24 * HOUR_MS)

struct pair {
    struct test_station s;
    struct pocket p;
};

static int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    assert_non_null(pair);
    test_station_open(&pair->s);
    pocket_enrol(&pair->p, &pair->s, &pair->s.reader, 3);
    (void)pocket_sync(&pair->p);
    *state = pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    pocket_drop(&pair->p);
    test_station_close(&pair->s);
    free(pair);
    return 0;
}

/* ---- Looking and recording. ---- */

static bool on_each(void *context, const struct ds_handheld_place *place)
{
    unsigned *count = context;
    (void)place;
    ++*count;
    return true;
}

/* DS_E_LOCKED, or DS_E_OK with every meter of the book there. */
static int walk(struct pocket *p)
{
    unsigned count = 0;
    struct ds_handheld_id book = pocket_id(&p->station->book);
    int error = ds_handheld_walk(p->h, &book, on_each, &count);
    assert_int_equal(count, error == DS_E_OK ? TEST_METERS : 0);
    return error;
}

/* As somebody does who sees nothing: by id and period. */
static int record(struct pocket *p, size_t meter, int64_t index)
{
    struct ds_handheld_reading reading = {.meter = pocket_id(&p->station->meter[meter]),
                                          .period = TEST_PERIOD,
                                          .has_index = true,
                                          .index = index};
    return ds_handheld_record_reading(p->h, &reading, NULL, NULL);
}

static int64_t slot_index(struct pair *pair, size_t meter)
{
    struct ds_slot slot;
    test_slot(&pair->s, meter, TEST_PERIOD, &slot);
    int64_t index = DS_GET(&slot, slot, index, -1);
    test_forget(&pair->s);
    return index;
}

static void run_for(struct pocket *p, int64_t ms)
{
    p->mono_ms += ms;
    p->now_ms += ms;
    p->station->now_ms += ms;
}

static void order(struct pair *pair, enum ds_device_state to)
{
    struct ds_handheld_status status = pocket_status(&pair->p);
    struct ds_device device = {.kind = 0};
    struct ds_id id;
    memcpy(id.byte, status.device.byte, sizeof(id.byte));
    DS_SET(&device, device, state, to);
    test_write(&pair->s, &pair->s.import, DS_REC_device, &id, &device);
}

static int open_again(struct pocket *p, const char *pin)
{
    struct ds_handheld_options options = pocket_options(p);
    ds_handheld_close(p->h);
    p->h = NULL;
    return ds_handheld_open(&options, pin, &p->h, NULL);
}

/* ---- Lapse. ---- */

static void lease__runs_out_by_running_time_and_work_goes_on(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    assert_int_equal(pocket_status(p).lease_left_ms, LIFE_MS);
    run_for(p, LIFE_MS - 1);
    assert_int_equal(walk(p), DS_E_OK);
    assert_int_equal(pocket_status(p).lease_left_ms, 1);
    run_for(p, 1);
    assert_int_equal(walk(p), DS_E_LOCKED);
    assert_true(pocket_status(p).lapsed);
    assert_false(pocket_status(p).locked);
    /* Sealed to the server at once, durable, and delivered without the lease. */
    assert_int_equal(record(p, 0, 50), DS_E_OK);
    order(pair, DS_DEVICE_suspended);
    (void)pocket_sync(p);
    assert_true(pocket_status(p).lapsed);
    order(pair, DS_DEVICE_active);
    assert_int_equal(record(p, 1, 60), DS_E_OK);
    (void)pocket_sync(p);
    assert_int_equal(slot_index(pair, 1), 60);
    /* And with it everything is there again, without a PIN and without pulling it anew. */
    assert_int_equal(walk(p), DS_E_OK);
    assert_int_equal(pocket_status(p).lease_left_ms, LIFE_MS);
    assert_int_equal(pocket_status(p).refetches, 0);
    assert_int_equal(pocket_status(p).unsent, 0);
    assert_true(pocket_converged(p));
}

static void lease__that_ran_out_stays_out_over_restarts_and_pins(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    run_for(p, LIFE_MS);
    assert_int_equal(open_again(p, POCKET_PIN), DS_E_OK);
    assert_int_equal(walk(p), DS_E_LOCKED);
    assert_int_equal(ds_handheld_change_pin(p->h, POCKET_PIN, "97531", NULL), DS_E_LOCKED);
    pocket_reopen(p, true);
    assert_int_equal(walk(p), DS_E_LOCKED);
    assert_int_equal(record(p, 0, 50), DS_E_OK);
    (void)pocket_sync(p);
    assert_int_equal(walk(p), DS_E_OK);
    assert_int_equal(slot_index(pair, 0), 50);
    assert_int_equal(ds_handheld_change_pin(p->h, POCKET_PIN, "97531", NULL), DS_E_OK);
    assert_int_equal(open_again(p, "97531"), DS_E_OK);
    assert_int_equal(walk(p), DS_E_OK);
}

static void lease__runs_on_over_boots_and_switching_off_gains_nothing(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    unsigned boots = 0;
    /* Always off again just before the count would be noted. */
    while (walk(p) == DS_E_OK) {
        run_for(p, DS_LEASE_NOTE_MS - 1);
        pocket_reopen(p, true);
        boots++;
        assert_true(boots < 1000);
    }
    assert_true((int64_t)boots * DS_LEASE_NOTE_MS <= LIFE_MS + DS_LEASE_NOTE_MS);
}

static void lease__a_wall_clock_that_jumps_asks_for_contact_and_closes_nothing(void **state)
{
    static const int64_t jumps[] = {YEARS_20_MS, -YEARS_20_MS, LIFE_MS + 1, -1};
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    const int64_t now_ms = p->now_ms;
    for (size_t i = 0; i < DS_COUNT(jumps); i++) {
        p->now_ms = now_ms + jumps[i];
        assert_true(pocket_status(p).contact_wanted);
        assert_int_equal(walk(p), DS_E_OK);
        assert_int_equal(open_again(p, POCKET_PIN), DS_E_OK);
        assert_int_equal(walk(p), DS_E_OK);
    }
    p->now_ms = now_ms + LIFE_MS;
    assert_false(pocket_status(p).contact_wanted);
}

static void lease__is_renewed_from_half_of_its_life_on(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    run_for(p, LIFE_MS / 2 - 1);
    (void)pocket_sync(p);
    assert_int_equal(pocket_status(p).lease_left_ms, LIFE_MS / 2 + 1);
    run_for(p, 1);
    (void)pocket_sync(p);
    assert_int_equal(pocket_status(p).lease_left_ms, LIFE_MS);
}

static void lease__that_comes_while_locked_opens_with_the_next_pin(void **state)
{
    struct pair *pair = *state;
    struct pocket fresh;
    struct ds_handheld_sync_result result;
    pocket_enrol(&fresh, &pair->s, &pair->s.reader, 4);
    ds_handheld_lock(fresh.h);
    assert_int_equal(ds_handheld_deliver_locked(fresh.h, &result, NULL), DS_E_OK);
    assert_int_equal(pocket_status(&fresh).lease_left_ms, LIFE_MS);
    assert_int_equal(ds_handheld_unlock(fresh.h, POCKET_PIN, NULL), DS_E_OK);
    (void)pocket_sync(&fresh);
    assert_int_equal(walk(&fresh), DS_E_OK);
    /* The same after a lapse. */
    run_for(&fresh, LIFE_MS);
    assert_int_equal(walk(&fresh), DS_E_LOCKED);
    ds_handheld_lock(fresh.h);
    assert_int_equal(ds_handheld_deliver_locked(fresh.h, &result, NULL), DS_E_OK);
    assert_int_equal(ds_handheld_unlock(fresh.h, POCKET_PIN, NULL), DS_E_OK);
    assert_int_equal(walk(&fresh), DS_E_OK);
    pocket_drop(&fresh);
}

static void lease__is_not_given_to_a_device_that_was_revoked(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    run_for(p, LIFE_MS);
    assert_int_equal(walk(p), DS_E_LOCKED);
    order(pair, DS_DEVICE_revoked);
    assert_int_equal(record(p, 0, 50), DS_E_OK);
    (void)pocket_sync(p);
    assert_int_equal(walk(p), DS_E_LOCKED);
    assert_int_equal(open_again(p, POCKET_PIN), DS_E_OK);
    assert_int_equal(walk(p), DS_E_LOCKED);
}

/* ---- Orders. ---- */

static void lock__is_obeyed_and_told_and_work_goes_on(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    assert_int_equal(record(p, 0, 50), DS_E_OK);
    order(pair, DS_DEVICE_locked);
    unsigned posts = p->posts;
    (void)pocket_sync(p);
    assert_true(p->posts - posts >= 2); /* The server hears at once that it was obeyed. */
    struct ds_handheld_status status = pocket_status(p);
    assert_true(status.lapsed);
    assert_int_equal(status.commands, DS_HANDHELD_LOCKED);
    assert_int_equal(walk(p), DS_E_LOCKED);
    assert_int_equal(slot_index(pair, 0), 50);
    assert_int_equal(record(p, 1, 60), DS_E_OK);
    pocket_reopen(p, true);
    assert_int_equal(record(p, 2, 70), DS_E_OK);
    (void)pocket_sync(p);
    assert_int_equal(walk(p), DS_E_LOCKED);
    assert_int_equal(slot_index(pair, 1), 60);
    assert_int_equal(slot_index(pair, 2), 70);
    order(pair, DS_DEVICE_active);
    (void)pocket_sync(p);
    assert_int_equal(walk(p), DS_E_OK);
    assert_int_equal(pocket_status(p).commands, 0);
    assert_true(pocket_converged(p));
}

static void wipe__of_a_lapsed_vault_leaves_nothing_and_loses_nothing(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    run_for(p, LIFE_MS);
    assert_int_equal(record(p, 0, 50), DS_E_OK);
    order(pair, DS_DEVICE_wiped);
    (void)pocket_sync(p);
    struct ds_handheld_status status = pocket_status(p);
    assert_true(status.locked);
    assert_int_equal(status.unsent, 0);
    assert_int_equal(status.lease_left_ms, 0);
    assert_int_equal(open_again(p, POCKET_PIN), DS_E_AUTH);
    assert_int_equal(open_again(p, NULL), DS_E_OK);
    /* A wiped device's work waits for the supervisor: there may be cash in it. */
    assert_int_equal(slot_index(pair, 0), -1);
}

/* An answer that is under the link's tag, with an order of this kind, number and signer. */
static int hear_order(struct pair *pair, const struct ds_id *device, uint64_t kind, uint64_t number,
                      const struct ds_secret *signer)
{
    static uint8_t request[65536];
    static uint8_t answer[65536];
    static uint8_t plain[4096];
    uint8_t bytes[128];
    struct pocket *p = &pair->p;
    struct ds_order made = {.device = *device, .kind = kind, .number = number};
    struct ds_response response = {.version = 1, .instant_ms = p->now_ms, .epoch = 1};
    struct ds_signature signature;
    struct ds_builder builder;
    struct ds_slice text;
    struct ds_id from;
    uint64_t counter = 0;
    size_t size = 0;
    assert_int_equal(ds_handheld_exchange_begin(p->h, request, sizeof(request), &size, NULL),
                     DS_E_OK);
    assert_int_equal(ds_envelope_peek((struct ds_slice){request, size}, &from, &counter), DS_OK);
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_order_put(&builder, &made);
    assert_int_equal(ds_builder_end(&builder, &response.order), DS_OK);
    ds_sign(signer, DS_LABEL_ORDER, response.order, &signature);
    response.order_signature = signature.byte;
    ds_builder_init(&builder, plain, sizeof(plain));
    ds_response_put(&builder, &response);
    assert_int_equal(ds_builder_end(&builder, &text), DS_OK);
    ds_builder_init(&builder, answer, sizeof(answer));
    ds_envelope_seal(&p->codec, &p->h->link.down, &from, counter, text, &builder);
    return ds_handheld_exchange_end(p->h, answer, builder.used, 200, NULL, NULL);
}

static void order__only_the_servers_word_for_this_device_is_obeyed(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    const struct ds_secret *server = &pair->s.secret.sign;
    const struct ds_secret thief = {{7}};
    struct ds_id own = p->h->identity.device;
    struct ds_id other = {{1}};
    const uint64_t number = 1000;
    assert_int_equal(hear_order(pair, &own, DS_ORDER_WIPE, number, &thief), DS_E_SIGNATURE);
    assert_int_equal(hear_order(pair, &other, DS_ORDER_WIPE, number, server), DS_E_SIGNATURE);
    assert_int_equal(hear_order(pair, &own, 99, number, server), DS_E_OK); /* Of later versions. */
    assert_true(p->h->vault.pulled.open);
    assert_int_equal(hear_order(pair, &own, DS_ORDER_LOCK, number, server), DS_E_OK);
    assert_false(p->h->vault.pulled.open);
    assert_int_equal(hear_order(pair, &own, DS_ORDER_WIPE, number - 1, server), DS_E_OK);
    assert_false(p->h->vault.wiped);
    assert_int_equal(hear_order(pair, &own, DS_ORDER_WIPE, number, server), DS_E_OK);
    assert_true(p->h->vault.wiped);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lease__runs_out_by_running_time_and_work_goes_on),
        CASE(lease__that_ran_out_stays_out_over_restarts_and_pins),
        CASE(lease__runs_on_over_boots_and_switching_off_gains_nothing),
        CASE(lease__a_wall_clock_that_jumps_asks_for_contact_and_closes_nothing),
        CASE(lease__is_renewed_from_half_of_its_life_on),
        CASE(lease__that_comes_while_locked_opens_with_the_next_pin),
        CASE(lease__is_not_given_to_a_device_that_was_revoked),
        CASE(lock__is_obeyed_and_told_and_work_goes_on),
        CASE(wipe__of_a_lapsed_vault_leaves_nothing_and_loses_nothing),
        CASE(order__only_the_servers_word_for_this_device_is_obeyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

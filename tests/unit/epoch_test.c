/* Several restores, one after the other: what somebody knew two epochs ago counts only as far as
 * every restore since has kept it. */
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static void declare(struct test_station *s)
{
    struct ds_actor boss;
    assert_int_equal(ds_actor_open(&s->shard, "user:boss", DS_ACTOR_console, &s->boss, &boss, NULL),
                     DS_OK);
    assert_int_equal(ds_shard_epoch(&s->shard, &boss, 0), DS_OK);
}

static uint64_t kept_since(struct test_station *s, uint64_t epoch)
{
    struct ds_txn *txn = NULL;
    uint64_t kept = 0;
    assert_int_equal(ds_store_begin(s->store, false, &txn), DS_OK);
    assert_int_equal(ds_kept_since(txn, epoch, &kept), DS_OK);
    ds_txn_abort(txn);
    return kept;
}

static void write_latitude(struct test_station *s, int64_t lat_e7)
{
    struct ds_premises row = {.presence = {0}};
    DS_SET(&row, premises, lat_e7, lat_e7);
    test_write(s, &s->import, DS_REC_premises, &s->premises[0], &row);
}

static void epoch__the_least_that_any_restore_kept_counts(void **state)
{
    (void)state;
    struct test_station *s = calloc(1, sizeof *s);
    assert_non_null(s);
    test_station_open(s);
    assert_true(kept_since(s, 1) == UINT64_MAX);
    declare(s); /* The actor's own row may come before it. */
    uint64_t first = s->shard.meta.kept_size;
    write_latitude(s, 1);
    write_latitude(s, 2);
    declare(s);
    uint64_t second = s->shard.meta.kept_size;
    assert_int_equal(s->shard.meta.epoch, 3);
    assert_true(second > first);
    assert_int_equal(kept_since(s, 1), first);
    assert_int_equal(kept_since(s, 2), second);
    assert_true(kept_since(s, 3) == UINT64_MAX);
    test_replay(s);
    test_station_close(s);
    free(s);
}

/* The epochs between were declared in a history that is gone: who comes from one of them knows what
 * this restore kept, and nothing more. */
static void epoch__one_may_follow_upon_epochs_that_are_gone(void **state)
{
    (void)state;
    struct test_station *s = calloc(1, sizeof *s);
    struct ds_actor boss;
    assert_non_null(s);
    test_station_open(s);
    assert_int_equal(ds_actor_open(&s->shard, "user:boss", DS_ACTOR_console, &s->boss, &boss, NULL),
                     DS_OK);
    uint64_t far = 1 + DS_EPOCHS_SKIPPED_MAX;
    assert_int_equal(ds_shard_epoch(&s->shard, &boss, far + 1), DS_ERR_EPOCH);
    assert_int_equal(ds_shard_epoch(&s->shard, &boss, 4), DS_OK);
    assert_int_equal(s->shard.meta.epoch, 5);
    uint64_t kept = s->shard.meta.kept_size;
    for (uint64_t epoch = 1; epoch < 5; epoch++) {
        assert_int_equal(kept_since(s, epoch), kept);
    }
    write_latitude(s, 3);
    assert_int_equal(ds_shard_epoch(&s->shard, &boss, 4), DS_OK); /* Older than its own. */
    assert_int_equal(s->shard.meta.epoch, 6);
    assert_int_equal(kept_since(s, 4), kept);
    assert_true(kept_since(s, 5) > kept);
    assert_int_equal(ds_shard_epoch(&s->shard, &boss, 6 + DS_EPOCHS_SKIPPED_MAX), DS_OK);
    test_replay(s);
    test_station_close(s);
    free(s);
}

/* `seen` lies between what the first restore kept and what the second did. In the old history the
 * writer had seen another entry of that number: the one that stands there now he has not. */
static void epoch__an_edit_from_two_epochs_ago_overrules_nobody(void **state)
{
    (void)state;
    struct test_station *s = calloc(1, sizeof *s);
    struct test_device *device = calloc(1, sizeof *device);
    uint8_t *memory = malloc(4096);
    struct ds_builder batch;
    struct ds_premises row = {.presence = {0}};
    assert_true(s != NULL && device != NULL && memory != NULL);
    test_station_open(s);
    test_device_enrol(s, &s->reader, 1, device);
    declare(s);
    write_latitude(s, 380000001);
    uint64_t position = s->shard.meta.size;
    declare(s);
    device->epoch = 1;
    DS_SET(&row, premises, lat_e7, 380000009);
    ds_builder_init(&batch, memory, 4096);
    uint64_t seq = device->next_seq;
    struct ds_folded folded = test_commit(
        s, test_batch(s, device, DS_REC_premises, &s->premises[0], position, &row, &batch));
    assert_int_equal(folded.error, DS_OK);
    struct ds_id op = ds_op_id(&device->incarnation, DS_LANE_WORK, seq);
    assert_int_equal(test_verdict(s, &op), DS_VERDICT_conflict);
    struct ds_premises now;
    test_load(s, DS_REC_premises, &s->premises[0], &now);
    assert_int_equal(now.lat_e7, 380000001);
    /* In the present epoch the same `seen` means what it says. */
    device->epoch = s->shard.meta.epoch;
    ds_builder_init(&batch, memory, 4096);
    seq = device->next_seq;
    folded = test_commit(
        s, test_batch(s, device, DS_REC_premises, &s->premises[0], position, &row, &batch));
    assert_int_equal(folded.error, DS_OK);
    op = ds_op_id(&device->incarnation, DS_LANE_WORK, seq);
    assert_int_equal(test_verdict(s, &op), 0);
    test_load(s, DS_REC_premises, &s->premises[0], &now);
    assert_int_equal(now.lat_e7, 380000009);
    test_forget(s);
    test_replay(s);
    test_station_close(s);
    free(memory);
    free(device);
    free(s);
}

/* A journal's engine version moves forward, by an entry, and never beyond what this build knows. */
static void activate__only_forward_and_only_what_is_known(void **state)
{
    (void)state;
    struct test_station *s = calloc(1, sizeof *s);
    assert_non_null(s);
    test_station_open(s);
    uint64_t size = s->shard.meta.size;
    assert_int_equal(s->shard.meta.version, DS_ENGINE_VERSION);
    assert_int_equal(ds_shard_activate(&s->shard, DS_ENGINE_VERSION), DS_OK);
    assert_int_equal(s->shard.meta.size, size); /* Nothing to say. */
    assert_int_equal(ds_shard_activate(&s->shard, DS_ENGINE_VERSION + 1), DS_ERR_VERSION);
    assert_int_equal(ds_shard_activate(&s->shard, DS_ENGINE_VERSION - 1), DS_ERR_VERSION);
    assert_int_equal(s->shard.meta.size, size);
    assert_int_equal(s->shard.meta.version, DS_ENGINE_VERSION);
    test_station_close(s);
    free(s);
}

/* A station that a newer engine folded is not opened, and so not folded otherwise. */
static void activate__a_station_of_a_newer_engine_is_not_opened(void **state)
{
    (void)state;
    struct test_station *s = calloc(1, sizeof *s);
    struct ds_shard_meta meta;
    struct ds_shard again;
    struct ds_txn *txn = NULL;
    struct ds_detail detail = {""};
    assert_non_null(s);
    test_station_open(s);
    assert_int_equal(ds_store_begin(s->store, true, &txn), DS_OK);
    assert_int_equal(ds_meta_load(txn, &meta), DS_OK);
    meta.version = DS_ENGINE_VERSION + 1;
    assert_int_equal(ds_meta_store(txn, &meta), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    assert_int_equal(ds_shard_open(&again, s->store, s->keys, &s->secret, &s->shard.clock,
                                   &s->shard.random, &detail),
                     DS_ERR_VERSION);
    assert_non_null(strstr(detail.text, "newer version"));
    test_station_close(s);
    free(s);
}

static enum ds_err fold_epoch(struct test_station *s, uint64_t epoch, uint64_t kept_size)
{
    struct ds_entry entry = {.kind = DS_ENTRY_EPOCH,
                             .instant_ms = TEST_NOW,
                             .epoch = epoch,
                             .kept_size = kept_size,
                             .admin = s->supervisor.device};
    struct ds_shard_meta meta = s->shard.meta;
    static const uint8_t signature[DS_SIGNATURE_SIZE];
    uint8_t bytes[512];
    struct ds_builder builder;
    struct ds_folded folded = {.error = DS_OK};
    struct ds_txn *txn = NULL;
    entry.admin_signature = signature;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_entry_put(&builder, &entry);
    assert_false(builder.failed);
    uint8_t *scratch = malloc(DS_ENGINE_SCRATCH_SIZE);
    assert_non_null(scratch);
    assert_int_equal(ds_store_begin(s->store, true, &txn), DS_OK);
    assert_int_equal(ds_engine_fold(ds_desk_begin(scratch, txn), &meta,
                                    (struct ds_slice){bytes, builder.used}, &folded, NULL),
                     DS_OK);
    ds_txn_abort(txn);
    free(scratch);
    return folded.error;
}

/* Whoever signed it (ds_shard_verify() looks), it keeps exactly what is there, and is the next. */
static void epoch__keeps_what_is_there_and_is_the_next(void **state)
{
    (void)state;
    struct test_station *s = calloc(1, sizeof *s);
    assert_non_null(s);
    test_station_open(s);
    uint64_t size = s->shard.meta.size;
    assert_int_equal(fold_epoch(s, 2, size), DS_OK);
    assert_int_equal(fold_epoch(s, 2, size + 1), DS_ERR_EPOCH);
    assert_int_equal(fold_epoch(s, 2, size - 1), DS_ERR_EPOCH);
    assert_int_equal(fold_epoch(s, 1, size), DS_ERR_EPOCH);
    test_station_close(s);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activate__only_forward_and_only_what_is_known),
        cmocka_unit_test(activate__a_station_of_a_newer_engine_is_not_opened),
        cmocka_unit_test(epoch__the_least_that_any_restore_kept_counts),
        cmocka_unit_test(epoch__one_may_follow_upon_epochs_that_are_gone),
        cmocka_unit_test(epoch__an_edit_from_two_epochs_ago_overrules_nobody),
        cmocka_unit_test(epoch__keeps_what_is_there_and_is_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

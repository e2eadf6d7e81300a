/* The shard against what goes wrong around it: groups that fail, keys that were lost or made twice,
 * codes that come back. */
#include "sync/shard/shard_impl.h"
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <string.h>

enum { ROOM = 262144 };

static struct test_station s;
static struct test_device reader;
static struct test_device other;
static uint8_t memory[ROOM];

static int open_station(void **state)
{
    (void)state;
    test_station_open(&s);
    test_device_enrol(&s, &s.reader, 1, &reader);
    test_device_enrol(&s, &s.other_reader, 2, &other);
    return 0;
}

static int close_station(void **state)
{
    (void)state;
    test_replay(&s); /* replay_is_identity after every case. */
    test_station_close(&s);
    return 0;
}

static struct ds_builder room(void)
{
    struct ds_builder builder;
    ds_builder_init(&builder, memory, sizeof(memory));
    return builder;
}

static void make_reading(size_t meter, int64_t index, struct ds_reading *reading)
{
    memset(reading, 0, sizeof(*reading));
    DS_SET(reading, reading, meter, s.meter[meter]);
    DS_SET(reading, reading, period, TEST_PERIOD);
    DS_SET(reading, reading, index, index);
    DS_SET(reading, reading, instant_ms, s.now_ms);
    DS_SET(reading, reading, method, DS_METHOD_on_site);
}

static void a_group_that_could_not_be_committed_acknowledges_nothing(void **state)
{
    (void)state;
    static uint8_t huge[DS_ENTRY_SIZE_MAX + 1];
    struct ds_builder builder = room();
    struct ds_reading reading;
    struct ds_submission submissions[3] = {{.anchor_boot = 0}};
    struct ds_submission *group[3] = {&submissions[0], &submissions[1], &submissions[2]};
    make_reading(0, 120, &reading);
    submissions[0].batch = test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, &builder);
    make_reading(1, 130, &reading);
    submissions[1].batch = test_batch(&s, &other, DS_REC_reading, NULL, 0, &reading, &builder);
    submissions[2].batch = DS_SLICE_OF(huge);
    for (size_t i = 0; i < 3; i++) {
        submissions[i].checked = true;
        submissions[i].signature_ok = true;
    }
    ds_store_memory_fail_commit(s.store, 1, DS_ERR_IO, false);
    assert_int_equal(ds_shard_commit(&s.shard, group, 3), DS_ERR_IO);
    ds_store_memory_fail_commit(s.store, 0, DS_OK, false);
    for (size_t i = 0; i < 3; i++) {
        assert_int_not_equal(submissions[i].folded.error, DS_OK);
        assert_int_equal(submissions[i].folded.position, 0);
    }
}

static void a_batch_of_a_wrong_signature_is_not_folded_though_somebody_commits_it(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_reading reading;
    struct ds_submission submission = {.checked = true, .signature_ok = false};
    struct ds_submission *one = &submission;
    uint64_t size = s.shard.meta.size;
    make_reading(0, 120, &reading);
    submission.batch = test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, &builder);
    assert_int_equal(ds_shard_commit(&s.shard, &one, 1), DS_OK);
    assert_int_equal(submission.folded.error, DS_ERR_SIGNATURE);
    assert_int_equal(s.shard.meta.size, size);
}

/* What does not fold is tried alone; a disk that fails is not tried again. */
static void an_io_error_inside_a_group_ends_all_of_it(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_reading reading;
    struct ds_submission submissions[2] = {{.checked = true, .signature_ok = true},
                                           {.checked = true, .signature_ok = true}};
    struct ds_submission *group[2] = {&submissions[0], &submissions[1]};
    uint64_t size = s.shard.meta.size;
    make_reading(0, 120, &reading);
    submissions[0].batch = test_batch(&s, &reader, DS_REC_reading, NULL, 0, &reading, &builder);
    make_reading(1, 130, &reading);
    submissions[1].batch = test_batch(&s, &other, DS_REC_reading, NULL, 0, &reading, &builder);
    (void)ds_store_memory_fail_write(s.store, 2, DS_ERR_IO);
    assert_int_equal(ds_shard_commit(&s.shard, group, 2), DS_ERR_IO);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(submissions[i].folded.error, DS_ERR_IO);
        assert_int_equal(submissions[i].folded.position, 0);
    }
    assert_int_equal(s.shard.meta.size, size);
}

static void a_tree_that_is_not_of_this_journal_keeps_the_shard_closed(void **state)
{
    (void)state;
    struct ds_shard shard;
    struct ds_store *copy = NULL;
    struct ds_txn *txn = NULL;
    struct ds_slice tree;
    struct ds_key key = ds_key_meta("tree");
    uint8_t earlier[8 + 64 * 32];
    struct ds_clock clock = s.shard.clock;
    struct ds_random random = s.shard.random;
    struct ds_detail detail = {{0}};
    assert_int_equal(ds_store_begin(s.store, false, &txn), DS_OK);
    assert_int_equal(ds_txn_get(txn, DS_TABLE_META, ds_key_slice(&key), &tree), DS_OK);
    assert_true(tree.size <= sizeof(earlier));
    memcpy(earlier, tree.data, tree.size);
    tree.data = earlier;
    ds_txn_abort(txn);
    (void)test_reading(&s, &reader, 0, 120, TEST_PERIOD);
    assert_int_equal(ds_store_memory_clone(s.store, &copy), DS_OK);
    assert_int_equal(ds_store_begin(copy, true, &txn), DS_OK);
    assert_int_equal(ds_txn_put(txn, DS_TABLE_META, ds_key_slice(&key), tree), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    assert_int_equal(ds_shard_open(&shard, copy, s.keys, &s.secret, &clock, &random, &detail),
                     DS_ERR_INTEGRITY);
    ds_store_close(copy);
}

/* ---- Keys. ---- */
static void an_erasure_that_the_key_store_lost_is_applied_again_when_the_shard_opens(void **state)
{
    (void)state;
    struct ds_store *backup = NULL;
    struct ds_secret key;
    struct ds_detail detail = {{0}};
    struct ds_clock clock = s.shard.clock;
    struct ds_random random = s.shard.random;
    assert_int_equal(ds_store_memory_clone(s.keys, &backup), DS_OK);
    assert_int_equal(ds_shard_erase(&s.shard, &s.supervisor, &s.account[0], 1), DS_OK);
    assert_int_equal(ds_customer_key_make(&s.shard, &s.account[0], &key), DS_ERR_FORBIDDEN);
    ds_shard_close(&s.shard);
    ds_store_close(s.keys);
    s.keys = backup;
    assert_int_equal(ds_shard_open(&s.shard, s.store, s.keys, &s.secret, &clock, &random, &detail),
                     DS_OK);
    assert_int_equal(ds_customer_key_make(&s.shard, &s.account[0], &key), DS_ERR_FORBIDDEN);
    assert_int_equal(ds_customer_key_make(&s.shard, &s.account[1], &key), DS_OK);
}

/* What a handheld seals offline for a customer who has no key yet. */
static struct ds_slice seal_offline(unsigned seed, const struct ds_id *entity, const char *clear,
                                    struct ds_secret *key, struct ds_builder *out)
{
    struct ds_secret equality;
    size_t at = out->used;
    memset(key->byte, (int)seed, sizeof(key->byte));
    memset(equality.byte, (int)seed + 1, sizeof(equality.byte));
    assert_int_equal(ds_personal_seal(entity, key, &equality, entity, DS_TAG_premises_key_holder,
                                      ds_slice_of_text(clear), out),
                     DS_OK);
    return (struct ds_slice){out->data + at, out->used - at};
}

static enum ds_err open_sealed(const struct ds_id *entity, struct ds_slice sealed, char *text,
                               size_t size)
{
    struct ds_txn *txn = NULL;
    struct ds_builder builder;
    memset(text, 0, size);
    ds_builder_init(&builder, text, size - 1);
    assert_int_equal(ds_store_begin(s.keys, false, &txn), DS_OK);
    enum ds_err err =
        ds_customer_open(&s.shard, txn, entity, DS_TAG_premises_key_holder, sealed, &builder);
    ds_txn_abort(txn);
    return err;
}

static void two_devices_that_made_a_key_for_one_customer__both_texts_can_be_read(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_secret keys[2];
    char text[64];
    const struct ds_id *place = &s.premises[0];
    struct ds_slice one = seal_offline(10, place, "neighbour", &keys[0], &builder);
    struct ds_slice two = seal_offline(20, place, "caretaker", &keys[1], &builder);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ds_customer_key_take(&s.shard, place, &keys[i % 2]), DS_OK);
    }
    assert_int_equal(open_sealed(place, one, text, sizeof(text)), DS_OK);
    assert_string_equal(text, "neighbour");
    assert_int_equal(open_sealed(place, two, text, sizeof(text)), DS_OK);
    assert_string_equal(text, "caretaker");
    /* An erasure destroys both, and neither comes back. */
    assert_int_equal(ds_shard_erase(&s.shard, &s.supervisor, place, 1), DS_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ds_customer_key_take(&s.shard, place, &keys[i]), DS_OK);
    }
    assert_int_equal(open_sealed(place, one, text, sizeof(text)), DS_ERR_NOT_FOUND);
    assert_int_equal(open_sealed(place, two, text, sizeof(text)), DS_ERR_NOT_FOUND);
}

static void a_flood_of_keys_for_one_customer_is_bounded(void **state)
{
    (void)state;
    struct ds_builder builder = room();
    struct ds_secret key;
    struct ds_slice sealed = {NULL, 0};
    char text[64];
    const struct ds_id *place = &s.premises[0];
    for (unsigned i = 0; i < 2 + DS_CUSTOMER_OTHERS_MAX; i++) {
        sealed = seal_offline(10 + i, place, "x", &key, &builder);
        assert_int_equal(ds_customer_key_take(&s.shard, place, &key), DS_OK);
        assert_int_equal(open_sealed(place, sealed, text, sizeof(text)),
                         i <= DS_CUSTOMER_OTHERS_MAX ? DS_OK : DS_ERR_SIGNATURE);
    }
}

/* ---- Enrolment. ---- */
static void make_code(struct ds_enrol_code *code)
{
    static uint8_t text[1024];
    static uint8_t scratch[1024];
    struct ds_builder builder;
    struct ds_builder more;
    ds_builder_init(&builder, text, sizeof(text));
    assert_int_equal(ds_enrol_code_make(&s.shard, &s.reader, ds_slice_of_text("http://127.0.0.1:1"),
                                        NULL, 0, &builder),
                     DS_OK);
    ds_builder_init(&more, scratch, sizeof(scratch));
    assert_int_equal(ds_enrol_code_parse((struct ds_slice){text, builder.used}, &more, code, NULL),
                     DS_OK);
}

static enum ds_err try_enrol(const struct ds_enrol_code *code, const struct test_device *device)
{
    uint8_t clear[1024];
    uint8_t sealed[1200];
    struct ds_builder builder;
    struct ds_signature signature;
    struct ds_detail detail = {{0}};
    struct ds_enrol_request request = {.code = code->code,
                                       .sign_key = device->sign_public,
                                       .box_key = device->box_public,
                                       .model = ds_slice_of_text("bench")};
    ds_builder_init(&builder, clear, sizeof(clear));
    ds_enrol_request_put(&builder, &request);
    ds_sign(&device->sign, DS_LABEL_ENROL, (struct ds_slice){clear, builder.used}, &signature);
    request.signature = signature.byte;
    ds_builder_init(&builder, clear, sizeof(clear));
    ds_enrol_request_put(&builder, &request);
    struct ds_slice text = {clear, builder.used};
    ds_builder_init(&builder, sealed, sizeof(sealed));
    assert_int_equal(ds_seal(&code->server_box, text, &s.shard.random, &builder), DS_OK);
    struct ds_slice body = {sealed, builder.used};
    ds_builder_init(&builder, clear, sizeof(clear));
    return ds_enrol(&s.shard, body, &builder, &detail);
}

static void a_revoked_key_does_not_come_back_by_a_new_code(void **state)
{
    (void)state;
    struct ds_enrol_code code;
    struct ds_device change = {.kind = 0};
    struct ds_device row;
    DS_SET(&change, device, state, DS_DEVICE_revoked);
    test_write(&s, &s.import, DS_REC_device, &reader.id, &change);
    make_code(&code);
    assert_int_equal(try_enrol(&code, &reader), DS_ERR_FORBIDDEN);
    test_load(&s, DS_REC_device, &reader.id, &row);
    assert_int_equal(row.state, DS_DEVICE_revoked);
    struct test_device fresh = reader;
    memset(fresh.sign.byte, 77, sizeof(fresh.sign.byte));
    ds_sign_public(&fresh.sign, &fresh.sign_public);
    assert_int_equal(try_enrol(&code, &fresh), DS_OK);
    assert_int_equal(try_enrol(&code, &fresh), DS_OK);
    assert_int_equal(try_enrol(&code, &other), DS_ERR_FORBIDDEN);
}

static void a_code_serves_until_its_last_millisecond_and_not_after_it(void **state)
{
    (void)state;
    struct ds_enrol_code code;
    make_code(&code);
    s.now_ms += DS_CODE_LIFE_MS + 1;
    assert_int_equal(try_enrol(&code, &other), DS_ERR_AUTH);
    s.now_ms -= 1;
    assert_int_equal(try_enrol(&code, &other), DS_OK);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_station, close_station)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_erasure_that_the_key_store_lost_is_applied_again_when_the_shard_opens),
        CASE(two_devices_that_made_a_key_for_one_customer__both_texts_can_be_read),
        CASE(a_flood_of_keys_for_one_customer_is_bounded),
        CASE(a_revoked_key_does_not_come_back_by_a_new_code),
        CASE(a_code_serves_until_its_last_millisecond_and_not_after_it),
        CASE(a_group_that_could_not_be_committed_acknowledges_nothing),
        CASE(a_batch_of_a_wrong_signature_is_not_folded_though_somebody_commits_it),
        CASE(an_io_error_inside_a_group_ends_all_of_it),
        CASE(a_tree_that_is_not_of_this_journal_keeps_the_shard_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The vault: PINs, compartments, and what the files of a store may hold. */
#include "handheld-sdk/src/handheld.h"
#include "tests/support/pocket.h"
#include "tests/support/scratch.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* Close and open with another PIN (NULL: locked). */
static int reopen_with(struct pocket *p, const char *pin)
{
    struct ds_handheld_options options = pocket_options(p);
    struct ds_handheld_detail detail;
    ds_handheld_close(p->h);
    p->h = NULL;
    return ds_handheld_open(&options, pin, &p->h, &detail);
}

static void pin__has_four_to_sixty_four_bytes(void **state)
{
    struct pair *pair = *state;
    struct pocket fresh;
    char longest[DS_HANDHELD_PIN_MAX + 2];
    memset(longest, '1', sizeof(longest));
    longest[DS_HANDHELD_PIN_MAX] = '\0';
    pocket_make(&fresh, &pair->s, 4);
    assert_int_equal(ds_handheld_change_pin(fresh.h, POCKET_PIN, "123", NULL), DS_E_USAGE);
    assert_int_equal(ds_handheld_change_pin(fresh.h, POCKET_PIN, "1234", NULL), 0);
    assert_int_equal(ds_handheld_change_pin(fresh.h, "1234", longest, NULL), 0);
    assert_int_equal(reopen_with(&fresh, longest), 0);
    longest[DS_HANDHELD_PIN_MAX] = '1';
    longest[DS_HANDHELD_PIN_MAX + 1] = '\0';
    assert_int_equal(ds_handheld_unlock(fresh.h, longest, NULL), DS_E_USAGE);
    pocket_drop(&fresh);
}

static void pin__a_wrong_one_opens_nothing(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(reopen_with(&pair->p, "000000"), DS_E_AUTH);
    assert_null(pair->p.h);
    assert_int_equal(reopen_with(&pair->p, POCKET_PIN), 0);
    assert_int_equal(pocket_status(&pair->p).wrong_pins, 0);
}

static void pin__wrong_ones_lock_for_growing_times_that_restarts_do_not_shorten(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    uint64_t wait = 60000;
    for (unsigned i = 0; i < DS_HANDHELD_PINS_FREE; i++) {
        assert_int_equal(reopen_with(p, "000000"), DS_E_AUTH);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(reopen_with(p, "000000"), DS_E_AUTH);
        assert_int_equal(reopen_with(p, POCKET_PIN), DS_E_LOCKED);
        assert_int_equal(reopen_with(p, NULL), 0);
        assert_int_equal(pocket_status(p).pin_wait_ms, wait);
        p->mono_ms += (int64_t)wait - 1;
        p->now_ms += 1000 * (int64_t)wait; /* The wall clock counts for nothing. */
        assert_int_equal(reopen_with(p, POCKET_PIN), DS_E_LOCKED);
        /* After a restart the rest of the wait begins anew. */
        p->boot += 1;
        p->mono_ms = 5;
        assert_int_equal(reopen_with(p, POCKET_PIN), DS_E_LOCKED);
        p->mono_ms += (int64_t)wait;
        wait *= 2;
    }
    assert_int_equal(reopen_with(p, POCKET_PIN), 0);
    assert_int_equal(pocket_status(p).wrong_pins, 0);
    assert_int_equal(pocket_status(p).pin_wait_ms, 0);
}

static void pin__the_wait_ends_at_a_day(void **state)
{
    struct pair *pair = *state;
    struct pocket *p = &pair->p;
    for (unsigned i = 0; i < 24; i++) {
        p->mono_ms += 86400000;
        assert_int_equal(reopen_with(p, "000000"), DS_E_AUTH);
    }
    assert_int_equal(reopen_with(p, NULL), 0);
    assert_int_equal(pocket_status(p).pin_wait_ms, 86400000);
}

static void pin__changed__the_old_one_is_wrong(void **state)
{
    struct pair *pair = *state;
    (void)pocket_read(&pair->p, 0, 50);
    assert_int_equal(ds_handheld_change_pin(pair->p.h, "000000", "135790", NULL), DS_E_AUTH);
    assert_int_equal(ds_handheld_change_pin(pair->p.h, POCKET_PIN, "135790", NULL), 0);
    assert_int_equal(reopen_with(&pair->p, POCKET_PIN), DS_E_AUTH);
    assert_int_equal(reopen_with(&pair->p, "135790"), 0);
    (void)pocket_sync(&pair->p);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
}

static void another_hardware__opens_neither_compartment(void **state)
{
    struct pair *pair = *state;
    pair->p.hardware[5] ^= 1;
    assert_int_equal(reopen_with(&pair->p, POCKET_PIN), DS_E_INTEGRITY);
    assert_int_equal(reopen_with(&pair->p, NULL), DS_E_INTEGRITY);
    pair->p.hardware[5] ^= 1;
    assert_int_equal(reopen_with(&pair->p, POCKET_PIN), 0);
}

static void a_value_moved_to_another_key__does_not_open(void **state)
{
    struct pair *pair = *state;
    struct ds_txn *txn;
    struct ds_slice value;
    uint8_t copy[4096];
    struct ds_key from = ds_key_row(DS_REC_premises, &pair->s.premises[0]);
    struct ds_key to = ds_key_row(DS_REC_premises, &pair->s.premises[1]);
    assert_int_equal(ds_store_begin(pair->p.store, true, &txn), DS_OK);
    assert_int_equal(ds_txn_get(txn, DS_KEPT_ROW, ds_key_slice(&from), &value), DS_OK);
    assert_true(value.size <= sizeof(copy));
    memcpy(copy, value.data, value.size);
    value.data = copy;
    assert_int_equal(ds_txn_put(txn, DS_KEPT_ROW, ds_key_slice(&to), value), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    struct ds_handheld_row row = {.type = DS_REC_premises, .fields = copy, .size = sizeof(copy)};
    row.id = pocket_id(&pair->s.premises[1]);
    assert_int_equal(ds_handheld_row(pair->p.h, &row), DS_E_INTEGRITY);
    uint64_t values;
    uint64_t bad;
    assert_int_equal(ds_handheld_scrub(pair->p.h, &values, &bad, NULL), DS_E_INTEGRITY);
    assert_int_equal(bad, 1);
}

static void locked__nothing_but_status_and_sealed_work(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_reading reading = {.has_index = true};
    struct ds_handheld_sync_result result;
    reading.meter = pocket_id(&pair->s.meter[0]);
    (void)pocket_read(&pair->p, 0, 50);
    ds_handheld_lock(pair->p.h);
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_true(status.locked && status.enrolled);
    assert_int_equal(status.unsent, 1);
    assert_int_equal(ds_handheld_record_reading(pair->p.h, &reading, NULL, NULL), DS_E_LOCKED);
    assert_int_equal(ds_handheld_log(pair->p.h, false, NULL, NULL), DS_E_LOCKED);
    assert_int_equal(ds_handheld_sync(pair->p.h, &result, NULL), DS_E_LOCKED);
    assert_int_equal(ds_handheld_unlock(pair->p.h, POCKET_PIN, NULL), 0);
    (void)pocket_read(&pair->p, 1, 60);
    (void)pocket_sync(&pair->p);
}

static void locked__sealed_work_is_delivered_and_is_not_there_twice(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    struct ds_slot slot;
    for (size_t i = 0; i < 5; i++) {
        (void)pocket_read(&pair->p, i, 50 + (int64_t)i);
    }
    assert_int_equal(reopen_with(&pair->p, NULL), 0);
    assert_int_equal(ds_handheld_deliver_locked(pair->p.h, &result, NULL), 0);
    assert_int_equal(result.acknowledged_ops, 5);
    assert_int_equal(result.rows, 0);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
    test_slot(&pair->s, 4, TEST_PERIOD, &slot);
    assert_int_equal(slot.index, 54);
    assert_int_equal(reopen_with(&pair->p, POCKET_PIN), 0);
    (void)pocket_sync(&pair->p);
    struct ds_handheld_status status = pocket_status(&pair->p);
    assert_int_equal(status.unsent, 0);
    assert_int_equal(status.lives, 1);
    test_slot(&pair->s, 4, TEST_PERIOD, &slot);
    assert_int_equal(slot.candidates, 1);
    assert_true(pocket_converged(&pair->p));
}

static void locked__delivery_that_was_cut_short_goes_on_where_it_was(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_sync_result result;
    for (size_t i = 0; i < 30; i++) {
        (void)pocket_read(&pair->p, i % TEST_METERS, 50 + (int64_t)i);
    }
    pair->p.first_budget = 2048;
    assert_int_equal(reopen_with(&pair->p, NULL), 0);
    pocket_fail(&pair->p, POCKET_ANSWER_LOST, 1);
    assert_int_equal(ds_handheld_deliver_locked(pair->p.h, &result, NULL), DS_E_UNREACHABLE);
    assert_int_equal(ds_handheld_deliver_locked(pair->p.h, &result, NULL), 0);
    assert_int_equal(result.acknowledged_ops, 30);
    /* Cut in other sizes afterwards, the server still knows them all. */
    assert_int_equal(reopen_with(&pair->p, POCKET_PIN), 0);
    (void)pocket_sync(&pair->p);
    assert_int_equal(pocket_status(&pair->p).unsent, 0);
    assert_int_equal(pocket_status(&pair->p).lives, 1);
}

static void wiped__nothing_opens_it_and_sealed_work_still_arrives(void **state)
{
    struct pair *pair = *state;
    struct ds_handheld_status status = pocket_status(&pair->p);
    struct ds_device device = {.kind = 0};
    struct ds_handheld_sync_result result;
    struct ds_id id;
    memcpy(id.byte, status.device.byte, sizeof(id.byte));
    DS_SET(&device, device, state, DS_DEVICE_wiped);
    test_write(&pair->s, &pair->s.import, DS_REC_device, &id, &device);
    (void)pocket_read(&pair->p, 0, 50);
    assert_int_equal(ds_handheld_sync(pair->p.h, &result, NULL), 0);
    status = pocket_status(&pair->p);
    assert_true(status.locked);
    assert_int_equal(status.commands & DS_HANDHELD_WIPED, DS_HANDHELD_WIPED);
    assert_int_equal(status.unsent, 0);
    assert_int_equal(ds_handheld_unlock(pair->p.h, POCKET_PIN, NULL), DS_E_AUTH);
    assert_int_equal(reopen_with(&pair->p, POCKET_PIN), DS_E_AUTH);
    assert_int_equal(reopen_with(&pair->p, NULL), 0);
}

/* ---- Files. ---- */

static bool file_holds(const char *path, const char *text)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    uint8_t *bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), (size_t)size);
    (void)fclose(file);
    bool found = false;
    size_t length = strlen(text);
    for (size_t i = 0; i + length <= (size_t)size && !found; i++) {
        found = memcmp(bytes + i, text, length) == 0;
    }
    free(bytes);
    return found;
}

static bool folder_holds(const char *dir, const char *text)
{
    DIR *folder = opendir(dir);
    bool found = false;
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[4096];
        struct stat about;
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        assert_int_equal(stat(path, &about), 0);
        found =
            found || (S_ISDIR(about.st_mode) ? folder_holds(path, text) : file_holds(path, text));
    }
    (void)closedir(folder);
    return found;
}

static void make_code(struct pair *pair, char *text, size_t size)
{
    struct ds_builder builder;
    ds_builder_init(&builder, text, size);
    assert_int_equal(ds_enrol_code_make(&pair->s.shard, &pair->s.reader,
                                        ds_slice_of_text("http://127.0.0.1:8420"), NULL, 0,
                                        &builder),
                     DS_OK);
    (void)ds_builder_text(&builder);
}

static bool keep_phone(void *context, const struct ds_handheld_place *place)
{
    (void)snprintf(context, 64, "%s", place->phone);
    return true;
}

/* Invariant nothing_leaks: the files hold no personal data in clear. */
static void nothing_leaks(void **state)
{
    struct pair *pair = *state;
    struct scratch scratch;
    char code[1024];
    char phone[64] = "";
    uint8_t photo[5000];
    struct ds_handheld *h;
    struct ds_handheld_options options = pocket_options(&pair->p);
    struct ds_handheld_sync_result result;
    scratch_make(&scratch);
    options.dir = scratch.path;
    options.store = NULL;
    options.hardware.secret = NULL; /* A file of its own, then. */
    assert_int_equal(ds_handheld_open(&options, POCKET_PIN, &h, NULL), 0);
    make_code(pair, code, sizeof(code));
    assert_int_equal(ds_handheld_enrol(h, code, NULL), 0);
    assert_int_equal(ds_handheld_sync(h, &result, NULL), 0);
    struct ds_handheld_id meter = pocket_id(&pair->s.meter[1]);
    assert_int_equal(ds_handheld_show(h, &meter, keep_phone, phone), 0);
    assert_string_equal(phone, "13800000000");

    memset(photo, 'P', sizeof(photo));
    struct ds_handheld_reading reading = {.has_index = true, .index = 50};
    reading.meter = meter;
    reading.note = "behind the wardrobe of Mrs Zhang";
    reading.photo.bytes = photo;
    reading.photo.size = sizeof(photo);
    assert_int_equal(ds_handheld_record_reading(h, &reading, NULL, NULL), 0);
    struct ds_handheld_edit edit[] = {{"key_holder", "neighbour Li Weiguo"}};
    struct ds_handheld_edits edits = {.record = "premises", .edits = edit, .count = 1};
    edits.id = pocket_id(&pair->s.premises[1]);
    assert_int_equal(ds_handheld_record_edit(h, &edits, NULL, NULL), 0);
    struct ds_handheld_query query = {.text = "A001"};
    assert_int_equal(ds_handheld_search(h, &query, keep_phone, phone), 0);
    ds_handheld_close(h);
    static const char *const secrets[] = {"13800000000", "Zhang", "Weiguo",     "PPPPPPPP",
                                          "A001",        "MAKER", "B1\x06\xcd", POCKET_PIN};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        assert_false(folder_holds(scratch.path, secrets[i]));
    }
    /* The search itself can find: a key's name stands in clear. */
    assert_true(folder_holds(scratch.path, "vault"));

    options.clock.boot_id = NULL;
    assert_int_equal(ds_handheld_open(&options, POCKET_PIN, &h, NULL), 0);
    struct ds_handheld *second;
    assert_int_equal(ds_handheld_open(&options, POCKET_PIN, &second, NULL), DS_E_BUSY);
    assert_int_equal(ds_handheld_sync(h, &result, NULL), 0);
    assert_int_equal(result.acknowledged_ops, 2);
    ds_handheld_close(h);
    scratch_remove(&scratch);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(pin__has_four_to_sixty_four_bytes),
        CASE(pin__a_wrong_one_opens_nothing),
        CASE(pin__wrong_ones_lock_for_growing_times_that_restarts_do_not_shorten),
        CASE(pin__the_wait_ends_at_a_day),
        CASE(pin__changed__the_old_one_is_wrong),
        CASE(another_hardware__opens_neither_compartment),
        CASE(a_value_moved_to_another_key__does_not_open),
        CASE(locked__nothing_but_status_and_sealed_work),
        CASE(locked__sealed_work_is_delivered_and_is_not_there_twice),
        CASE(locked__delivery_that_was_cut_short_goes_on_where_it_was),
        CASE(wiped__nothing_opens_it_and_sealed_work_still_arrives),
        CASE(nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

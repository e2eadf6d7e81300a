/* The outbox: every export once, in order; a crash repeats the same parcel; refusals are buried. */
#define _GNU_SOURCE /* memmem */

#include "server/outbox.h"
#include "server/parcel.h"
#include "sync/core/tables.h"
#include "tests/support/office.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_MAX 64

struct sink {
    enum ds_err next; /* What it says next time; then DS_OK again. */
    size_t parcels;
    size_t exports;
    char keys[SEEN_MAX][DS_PARCEL_NAME_MAX];
    char ids[SEEN_MAX][40];
    long long revisions[SEEN_MAX];
    long long supersedes[SEEN_MAX];
    uint8_t last[8192];
    size_t last_size;
    uint8_t copy[4][8192]; /* Of the first parcels. */
    size_t copy_size[4];
};

static void note_line(struct sink *sink, const char *line, size_t size)
{
    json_t *export = json_loadb(line, size, 0, NULL);

    assert_non_null(export);
    assert_true(sink->exports < SEEN_MAX);
    (void)snprintf(sink->ids[sink->exports], 40, "%s",
                   json_string_value(json_object_get(export, "id")));
    sink->revisions[sink->exports] = json_integer_value(json_object_get(export, "revision"));
    sink->supersedes[sink->exports] = json_integer_value(json_object_get(export, "supersedes"));
    sink->exports++;
    json_decref(export);
}

static enum ds_err take(void *context, const struct ds_parcel *parcel, struct ds_detail *detail)
{
    struct sink *sink = context;
    enum ds_err said = sink->next;
    size_t begin = 0;

    assert_true(parcel->lines.size <= sizeof(sink->last));
    memcpy(sink->last, parcel->lines.data, parcel->lines.size);
    sink->last_size = parcel->lines.size;
    if (sink->parcels < DS_COUNT(sink->copy)) {
        memcpy(sink->copy[sink->parcels], parcel->lines.data, parcel->lines.size);
        sink->copy_size[sink->parcels] = parcel->lines.size;
    }
    (void)snprintf(sink->keys[sink->parcels++ % SEEN_MAX], DS_PARCEL_NAME_MAX, "%s", parcel->key);
    sink->next = DS_OK;
    if (said != DS_OK) {
        ds_detail_set(detail, "said no", (const char *)NULL);
        return said;
    }
    for (size_t i = 0; i < parcel->count; i++) {
        note_line(sink, (const char *)parcel->lines.data + begin, parcel->line_end[i] - begin);
        begin = parcel->line_end[i];
    }
    return DS_OK;
}

static struct test_office office;
static struct sink billing;
static struct sink gis;

static int open_office(void **state)
{
    static const struct ds_carrier to_billing = {take, &billing};
    static const struct ds_carrier to_gis = {take, &gis};
    static const struct ds_carrier *const carriers[] = {&to_billing, &to_gis};

    memset(&billing, 0, sizeof(billing));
    memset(&gis, 0, sizeof(gis));
    *state = &office;
    test_office_open(&office, carriers);
    test_office_load(&office);
    for (size_t i = 0; i < TEST_OFFICE_METERS; i++) {
        test_office_read(&office, i, 202601, 120, ",\"instant_ms\":1767900000000");
    }
    return 0;
}

static int close_office(void **state)
{
    test_office_close(*state);
    return 0;
}

static void set_period(struct test_office *o, enum ds_period_state to)
{
    const struct ds_office_actor importer = {.name = "import", .kind = DS_ACTOR_import};
    struct ds_period period = {.presence = {0}};
    const struct ds_id id = ds_period_id(&o->site.station, &o->book, 202601);

    DS_SET(&period, period, state, to);
    test_office_write(o, &importer, DS_REC_period, &id, &period, 0);
}

static uint64_t deliver(struct test_office *o, enum ds_consumer consumer, enum ds_err want)
{
    struct ds_detail detail = {""};
    uint64_t exports = 0;

    assert_int_equal(ds_outbox_deliver(o->outbox, consumer, &exports, &detail), want);
    return exports;
}

static struct ds_outbox_state look(struct test_office *o, enum ds_consumer consumer)
{
    struct ds_outbox_state state;

    assert_int_equal(ds_outbox_look(o->outbox, consumer, &state), DS_OK);
    return state;
}

static void
outbox__billing_gets_nothing_before_the_reading_is_closed_and_then_each_slot_once(void **state)
{
    struct test_office *o = *state;

    assert_int_equal(deliver(o, DS_CONSUMER_billing, DS_OK), 0);
    set_period(o, DS_PERIOD_reading_closed);
    assert_int_equal(look(o, DS_CONSUMER_billing).waiting, 4);
    assert_int_equal(deliver(o, DS_CONSUMER_billing, DS_OK), 4);
    assert_int_equal(look(o, DS_CONSUMER_billing).waiting, 0);
    assert_int_equal(deliver(o, DS_CONSUMER_billing, DS_OK), 0);
    assert_int_equal(billing.exports, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(billing.revisions[i], 1);
        assert_int_equal(billing.supersedes[i], 0);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(billing.ids[i], billing.ids[k]);
        }
    }
}

static void outbox__what_failed_goes_out_again_under_the_same_key_with_the_same_bytes(void **state)
{
    struct test_office *o = *state;
    const struct ds_id february = ds_period_id(&o->site.station, &o->book, 202602);
    char drafts[512];

    set_period(o, DS_PERIOD_reading_closed);
    billing.next = DS_ERR_UNREACHABLE;
    assert_int_equal(deliver(o, DS_CONSUMER_billing, DS_ERR_UNREACHABLE), 0);
    /* More comes meanwhile, and meter and account are renamed; the parcel on its way stays as it
     * was planned. */
    (void)snprintf(drafts, sizeof(drafts),
                   "[{\"type\":\"meter\",\"id\":\"%s\",\"fields\":{\"meter_no\":\"Z9\"}},"
                   "{\"type\":\"account\",\"id\":\"%s\",\"fields\":{\"number\":\"Y9\"}}]",
                   test_hex(&o->meter[0]), test_hex(&o->account[0]));
    test_office_import(o, "import", drafts);
    test_office_read(o, 0, 202602, 150, ",\"instant_ms\":1767920000000");
    (void)snprintf(drafts, sizeof(drafts),
                   "[{\"type\":\"period\",\"id\":\"%s\",\"fields\":{\"book\":\"%s\","
                   "\"period\":202602,\"state\":\"open\"}}]",
                   test_hex(&february), test_hex(&o->book));
    test_office_import(o, "import", drafts);
    (void)snprintf(
        drafts, sizeof(drafts),
        "[{\"type\":\"period\",\"id\":\"%s\",\"fields\":{\"state\":\"reading_closed\"}}]",
        test_hex(&february));
    test_office_import(o, "import", drafts);
    assert_int_equal(look(o, DS_CONSUMER_billing).waiting, 5);
    assert_int_equal(deliver(o, DS_CONSUMER_billing, DS_OK), 5);
    assert_int_equal(billing.parcels, 3);
    assert_string_equal(billing.keys[0], billing.keys[1]);
    assert_string_not_equal(billing.keys[1], billing.keys[2]);
    assert_int_equal(billing.copy_size[0], billing.copy_size[1]);
    assert_memory_equal(billing.copy[0], billing.copy[1], billing.copy_size[0]);
    assert_null(memmem(billing.copy[1], billing.copy_size[1], "Z9", 2));
    assert_non_null(memmem(billing.copy[2], billing.copy_size[2], "\"meter_no\":\"Z9\"", 15));
    assert_int_equal(billing.exports, 5);
}

static void outbox__a_crash_between_delivery_and_cursor_repeats_the_same_files(void **state)
{
    struct test_office *o = *state;
    static struct ds_parcel_maker maker;
    char folder[DS_PATH_MAX];
    char path[DS_PATH_MAX];
    static uint8_t before[8192];
    static uint8_t after[8192];
    struct ds_builder in;
    struct ds_parcel range = {.from_position = 0};
    struct ds_detail detail = {""};

    set_period(o, DS_PERIOD_reading_closed);
    assert_int_equal(ds_parcel_maker_init(&maker), DS_OK);
    assert_int_equal(ds_outbox_folder(&o->site, DS_CONSUMER_billing, folder), DS_OK);
    assert_int_equal(ds_path_join(folder, "billing-000000000000-000000.csv", path), DS_OK);
    for (int round = 0; round < 2; round++) { /* The cursor has not moved in between. */
        assert_int_equal(ds_parcel_make(&maker, &o->office, DS_CONSUMER_billing, 100, &range),
                         DS_OK);
        assert_int_equal(ds_connector_file(folder, &maker.parcel, &detail), DS_OK);
        ds_builder_init(&in, round == 0 ? before : after, sizeof(before));
        assert_int_equal(ds_file_read(path, &in, &detail), DS_OK);
    }
    assert_memory_equal(before, after, sizeof(before));
    /* The last line is the totals. */
    assert_non_null(memmem(after, in.used, "\ntotal,4,80000\n", 15));
    assert_non_null(memmem(after, in.used, "export,id,revision,supersedes,account,", 38));
    ds_parcel_maker_fini(&maker);
}

static void outbox__a_batch_ends_at_its_limit(void **state)
{
    struct test_office *o = *state;
    struct ds_outbox *small = NULL;
    static const struct ds_carrier to_billing = {take, &billing};
    const struct ds_carrier *const carriers[] = {&to_billing, &to_billing};
    uint64_t exports = 0;
    struct ds_detail detail = {""};

    set_period(o, DS_PERIOD_reading_closed);
    o->site.config.billing_batch_max = 3;
    assert_int_equal(ds_outbox_open(&o->office, carriers, &small), DS_OK);
    assert_int_equal(ds_outbox_deliver(small, DS_CONSUMER_billing, &exports, &detail), DS_OK);
    assert_int_equal(exports, 4);
    assert_int_equal(billing.parcels, 2);
    ds_outbox_close(small);
}

static void outbox__a_correction_goes_out_as_the_next_revision(void **state)
{
    struct test_office *o = *state;
    char target[256];
    char body[256];

    test_office_user(o, "boss", 1U << DS_ROLE_supervisor);
    set_period(o, DS_PERIOD_reading_closed);
    assert_int_equal(deliver(o, DS_CONSUMER_billing, DS_OK), 4);
    (void)snprintf(target, sizeof(target), "/api/v1/slots/%s", billing.ids[0]);
    test_call(o, "GET", target, NULL);
    (void)snprintf(body, sizeof(body),
                   "{\"action\":\"correct\",\"index\":125,\"reason\":\"again\","
                   "\"candidates_hash\":\"%s\"}",
                   test_text(o, "candidates_hash"));
    (void)snprintf(target, sizeof(target), "/api/v1/slots/%s/decide", billing.ids[0]);
    test_call(o, "POST", target, body);
    assert_int_equal(o->status, 200);
    assert_int_equal(deliver(o, DS_CONSUMER_billing, DS_OK), 1);
    assert_string_equal(billing.ids[4], billing.ids[0]);
    assert_int_equal(billing.revisions[4], 2);
    assert_int_equal(billing.supersedes[4], 1);
}

static void outbox__a_parcel_that_is_refused_for_good_lies_dead_with_its_reason(void **state)
{
    struct test_office *o = *state;
    char folder[DS_PATH_MAX];
    char path[DS_PATH_MAX];
    static uint8_t letter[8192];
    struct ds_builder in;

    set_period(o, DS_PERIOD_reading_closed);
    billing.next = DS_ERR_SCHEMA;
    assert_int_equal(deliver(o, DS_CONSUMER_billing, DS_OK), 4);
    assert_int_equal(look(o, DS_CONSUMER_billing).dead_letters, 1);
    assert_int_equal(look(o, DS_CONSUMER_billing).waiting, 0);
    assert_int_equal(ds_outbox_folder(&o->site, DS_CONSUMER_billing, folder), DS_OK);
    assert_int_equal(ds_path_join(folder, "dead/billing-000000000000-000000.jsonl", path), DS_OK);
    ds_builder_init(&in, letter, sizeof(letter));
    assert_int_equal(ds_file_read(path, &in, NULL), DS_OK);
    assert_int_equal(memcmp(letter, "; said no\n{\"export\":", 20), 0);
}

static void outbox__gis_hears_of_premises_and_meters_and_of_no_person(void **state)
{
    struct test_office *o = *state;

    (void)deliver(o, DS_CONSUMER_gis, DS_OK);
    assert_int_equal(look(o, DS_CONSUMER_gis).waiting, 0);
    for (size_t i = 0; i < gis.last_size; i++) {
        gis.last[i] = gis.last[i] == '\0' ? ' ' : gis.last[i];
    }
    assert_null(memmem(gis.last, gis.last_size, "1380000000", 10));
    assert_null(memmem(billing.last, billing.last_size, "1380000000", 10));
}

static void outbox__a_consumer_that_is_off_takes_nothing(void **state)
{
    struct test_office *o = *state;
    struct ds_outbox *off = NULL;
    struct ds_detail detail = {""};
    uint64_t exports = 0;

    (void)snprintf(o->site.config.billing_kind, sizeof(o->site.config.billing_kind), "off");
    assert_int_equal(ds_outbox_open(&o->office, NULL, &off), DS_OK);
    assert_int_equal(ds_outbox_deliver(off, DS_CONSUMER_billing, &exports, &detail),
                     DS_ERR_NOT_FOUND);
    assert_string_equal(detail.text, "billing: switched off");
    ds_outbox_close(off);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, open_office, close_office)
    const struct CMUnitTest tests[] = {
        ONE(outbox__billing_gets_nothing_before_the_reading_is_closed_and_then_each_slot_once),
        ONE(outbox__what_failed_goes_out_again_under_the_same_key_with_the_same_bytes),
        ONE(outbox__a_crash_between_delivery_and_cursor_repeats_the_same_files),
        ONE(outbox__a_batch_ends_at_its_limit),
        ONE(outbox__a_correction_goes_out_as_the_next_revision),
        ONE(outbox__a_parcel_that_is_refused_for_good_lies_dead_with_its_reason),
        ONE(outbox__gis_hears_of_premises_and_meters_and_of_no_person),
        ONE(outbox__a_consumer_that_is_off_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

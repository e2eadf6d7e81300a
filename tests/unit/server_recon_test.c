/* Reconciliation: each kind of difference is found, and nothing else is. */
#include "server/recon.h"
#include "sync/core/tables.h"
#include "tests/support/office.h"
#include "tests/support/prng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ds_recon_row row(uint8_t slot, uint32_t revision, int64_t consumption_l)
{
    return (struct ds_recon_row){{{slot}}, revision, consumption_l};
}

static void fill(struct ds_recon_list *list, const struct ds_recon_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ds_recon_add(list, &rows[i]), DS_OK);
    }
}

struct sides {
    struct ds_recon_list ours;
    struct ds_recon_list theirs;
    struct ds_recon_list others;
    struct ds_recon_result result;
};

static struct sides *compare(const struct ds_recon_row *ours, size_t our_count,
                             const struct ds_recon_row *theirs, size_t their_count,
                             const struct ds_recon_row *others, size_t other_count)
{
    static struct sides sides;

    ds_recon_free(&sides.ours);
    ds_recon_free(&sides.theirs);
    ds_recon_free(&sides.others);
    fill(&sides.ours, ours, our_count);
    fill(&sides.theirs, theirs, their_count);
    fill(&sides.others, others, other_count);
    ds_recon_compare(&sides.ours, &sides.theirs, &sides.others, &sides.result);
    return &sides;
}

static void compare__equal_lists_in_any_order_agree(void **state)
{
    const struct ds_recon_row ours[] = {row(1, 1, 10), row(2, 1, 20), row(2, 2, -5)};
    const struct ds_recon_row theirs[] = {row(2, 2, -5), row(1, 1, 10), row(2, 1, 20)};

    (void)state;
    const struct sides *sides = compare(ours, 3, theirs, 3, NULL, 0);

    assert_int_equal(sides->result.difference_count, 0);
    assert_int_equal(sides->result.ours_l, 25);
    assert_int_equal(sides->result.theirs_l, 25);
    assert_int_equal(sides->result.ours_count, 3);
    sides = compare(NULL, 0, NULL, 0, NULL, 0);
    assert_int_equal(sides->result.difference_count, 0);
}

static void compare__each_kind_of_difference_is_named_once(void **state)
{
    const struct ds_recon_row ours[] = {row(1, 1, 10), row(2, 1, 20), row(3, 1, 30), row(4, 1, 40)};
    const struct ds_recon_row theirs[] = {row(2, 1, 21), row(3, 1, 30), row(3, 1, 30),
                                          row(4, 1, 40), row(5, 1, 50), row(6, 1, 60)};
    const struct ds_recon_row others[] = {row(6, 1, 60)};
    static const struct {
        enum ds_recon_type type;
        uint8_t slot;
        uint64_t count;
    } want[] = {
        {DS_RECON_MISSING_THERE, 1, 0}, {DS_RECON_AMOUNT, 2, 1},    {DS_RECON_DOUBLED, 3, 2},
        {DS_RECON_MISSING_HERE, 5, 1},  {DS_RECON_WRONG_DAY, 6, 1},
    };

    (void)state;
    const struct sides *sides = compare(ours, 4, theirs, 6, others, 1);

    assert_int_equal(sides->result.difference_count, DS_COUNT(want));
    for (size_t i = 0; i < DS_COUNT(want); i++) {
        assert_int_equal(sides->result.differences[i].type, want[i].type);
        assert_int_equal(sides->result.differences[i].slot.byte[0], want[i].slot);
        assert_int_equal(sides->result.differences[i].count, want[i].count);
        assert_int_equal(sides->result.by_type[want[i].type], 1);
    }
    assert_int_equal(sides->result.differences[1].ours_l, 20);
    assert_int_equal(sides->result.differences[1].theirs_l, 21);
}

static void compare__a_later_revision_is_another_export(void **state)
{
    const struct ds_recon_row ours[] = {row(1, 1, 10), row(1, 2, 12)};
    const struct ds_recon_row theirs[] = {row(1, 1, 10)};

    (void)state;
    const struct sides *sides = compare(ours, 2, theirs, 1, NULL, 0);

    assert_int_equal(sides->result.difference_count, 1);
    assert_int_equal(sides->result.differences[0].type, DS_RECON_MISSING_THERE);
    assert_int_equal(sides->result.differences[0].revision, 2);
}

static void compare__beyond_1000_differences_are_counted_and_not_kept(void **state)
{
    struct ds_recon_row ours[1001];

    (void)state;
    for (size_t i = 0; i < DS_COUNT(ours); i++) {
        ours[i] = row((uint8_t)(i / 256), (uint32_t)(i % 256) + 1, 1);
    }
    assert_int_equal(compare(ours, 1000, NULL, 0, NULL, 0)->result.difference_count, 1000);
    assert_int_equal(compare(ours, 1001, NULL, 0, NULL, 0)->result.difference_count, 1001);
}

/* Against a definition that looks at every pair. */
static void compare__random_lists_agree_with_a_slow_definition(void **state)
{
    struct prng prng = {7};

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct ds_recon_row ours[40];
        struct ds_recon_row theirs[40];
        size_t our_count = 0;
        size_t their_count = 0;
        uint64_t want[DS_RECON_WRONG_DAY + 1] = {0};

        for (uint8_t key = 1; key <= 12; key++) {
            uint64_t copies = prng_below(&prng, 4);
            bool sent = prng_below(&prng, 3) != 0;
            bool same = prng_below(&prng, 3) != 0;

            if (sent) {
                ours[our_count++] = row(key, 1, 100);
            }
            for (uint64_t i = 0; i < copies; i++) {
                theirs[their_count++] = row(key, 1, same ? 100 : 101);
            }
            if (sent && copies == 0) {
                want[DS_RECON_MISSING_THERE]++;
            } else if (!sent && copies > 0) {
                want[DS_RECON_MISSING_HERE]++;
            } else if (sent && copies > 1) {
                want[DS_RECON_DOUBLED]++;
            } else if (sent && !same) {
                want[DS_RECON_AMOUNT]++;
            }
        }
        const struct sides *sides = compare(ours, our_count, theirs, their_count, NULL, 0);

        assert_memory_equal(sides->result.by_type, want, sizeof(want));
    }
}

static enum ds_err parse(const char *csv, struct ds_recon_list *list, struct ds_detail *detail)
{
    ds_recon_free(list);
    detail->text[0] = '\0';
    return ds_recon_parse(ds_slice_of_text(csv), list, detail);
}

#define SLOT "00000000000000000000000000000007"

static void statement__columns_stand_in_any_order_and_others_are_left_alone(void **state)
{
    struct ds_recon_list list = {.count = 0};
    struct ds_detail detail;

    (void)state;
    assert_int_equal(parse("consumption_l,bill,slot,revision\n-5,B1," SLOT ",2\n\n,B2," SLOT
                           ",3\r\n",
                           &list, &detail),
                     DS_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.rows[0].slot.byte[15], 7);
    assert_int_equal(list.rows[0].revision, 2);
    assert_int_equal(list.rows[0].consumption_l, -5);
    assert_int_equal(list.rows[1].consumption_l, 0);
    ds_recon_free(&list);
}

static void statement__what_is_wrong_is_named_with_its_line(void **state)
{
    static const struct {
        const char *csv;
        const char *detail;
    } cases[] = {
        {"", "line 1: the header needs slot, revision, consumption_l"},
        {"slot,revision\n", "line 1: the header needs"},
        {"slot,revision,consumption_l\n7,1,1\n", "line 2: slot: not 32 hex digits"},
        {"slot,revision,consumption_l\n" SLOT ",0,1\n", "line 2: revision: not 1 to 65535"},
        {"slot,revision,consumption_l\n" SLOT ",65536,1\n", "line 2: revision: not 1 to 65535"},
        {"slot,revision,consumption_l\n" SLOT ",1,1.5\n", "line 2: consumption_l: not a number"},
        {"slot,revision,consumption_l\n" SLOT ",1\n", "line 2: too few cells"},
        {"slot,revision,consumption_l\n" SLOT ",1,1\n\"x", "line 3: "},
    };
    struct ds_recon_list list = {.count = 0};
    struct ds_detail detail;

    (void)state;
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        assert_int_equal(parse(cases[i].csv, &list, &detail), DS_ERR_SCHEMA);
        if (strncmp(detail.text, cases[i].detail, strlen(cases[i].detail)) != 0) {
            fail_msg("%s: %s", cases[i].csv, detail.text);
        }
    }
    ds_recon_free(&list);
}

/* ---- The whole, with a sink that loses, doubles and changes ---- */

struct sink {
    char statement[8192];
    size_t used;
};

static enum ds_err take(void *context, const struct ds_parcel *parcel, struct ds_detail *detail)
{
    struct sink *sink = context;
    const char *line = (const char *)parcel->lines.data;

    (void)detail;
    for (size_t i = 0; i < parcel->count; i++) {
        const char *end = (const char *)parcel->lines.data + parcel->line_end[i];
        json_t *export = json_loadb(line, (size_t)(end - line), 0, NULL);
        const char *id = json_string_value(json_object_get(export, "id"));
        long long revision = json_integer_value(json_object_get(export, "revision"));
        long long volume =
            json_integer_value(json_object_get(json_object_get(export, "fields"), "consumption_l"));

        assert_non_null(id);
        /* Meter by meter: kept, lost, doubled, changed. */
        size_t copies = i == 1 ? 0 : (i == 2 ? 2 : 1);

        for (size_t k = 0; k < copies; k++) {
            sink->used +=
                (size_t)snprintf(sink->statement + sink->used, sizeof(sink->statement) - sink->used,
                                 "%s,%lld,%lld\n", id, revision, volume + (i == 3));
        }
        json_decref(export);
        line = end;
    }
    return DS_OK;
}

static void close_reading(struct test_office *o, int month)
{
    const struct ds_office_actor importer = {.name = "import", .kind = DS_ACTOR_import};
    struct ds_period period = {.presence = {0}};
    const struct ds_id id = ds_period_id(&o->site.station, &o->book, (uint32_t)month);

    DS_SET(&period, period, state, DS_PERIOD_reading_closed);
    test_office_write(o, &importer, DS_REC_period, &id, &period, 0);
}

static void sink__an_injected_loss_double_and_change_are_all_found(void **state)
{
    static struct test_office office;
    static struct sink sink;
    static struct ds_recon_result result;
    struct test_office *o = &office;
    const struct ds_carrier carrier = {take, &sink};
    const struct ds_carrier *const carriers[DS_OUTBOX_CONSUMERS] = {&carrier, &carrier};
    struct ds_detail detail = {""};
    uint64_t exports = 0;
    const struct ds_date day = {2026, 1, 9};

    (void)state;
    test_office_open(o, carriers);
    test_office_load(o);
    for (size_t i = 0; i < TEST_OFFICE_METERS; i++) {
        test_office_read(o, i, 202601, 120 + (long)i, ",\"instant_ms\":1767900000000");
    }
    sink.used =
        (size_t)snprintf(sink.statement, sizeof(sink.statement), "slot,revision,consumption_l\n");
    close_reading(o, 202601);
    assert_int_equal(ds_outbox_deliver(o->outbox, DS_CONSUMER_billing, &exports, &detail), DS_OK);
    assert_int_equal(exports, TEST_OFFICE_METERS);
    assert_int_equal(ds_recon_day(&o->office, DS_CONSUMER_billing, day,
                                  (struct ds_slice){(const uint8_t *)sink.statement, sink.used},
                                  &result, &detail),
                     DS_OK);
    assert_int_equal(result.ours_count, 4);
    assert_int_equal(result.theirs_count, 4);
    assert_int_equal(result.difference_count, 3);
    assert_int_equal(result.by_type[DS_RECON_MISSING_THERE], 1);
    assert_int_equal(result.by_type[DS_RECON_DOUBLED], 1);
    assert_int_equal(result.by_type[DS_RECON_AMOUNT], 1);
    /* The statement is kept: the same comparison without it. */
    memset(&result, 0, sizeof(result));
    assert_int_equal(ds_recon_day(&o->office, DS_CONSUMER_billing, day, (struct ds_slice){NULL, 0},
                                  &result, &detail),
                     DS_OK);
    assert_int_equal(result.difference_count, 3);
    /* Under another day all of theirs are of a wrong day. */
    const struct ds_date next = {2026, 1, 10};

    assert_int_equal(ds_recon_day(&o->office, DS_CONSUMER_billing, next,
                                  (struct ds_slice){(const uint8_t *)sink.statement, sink.used},
                                  &result, &detail),
                     DS_OK);
    assert_int_equal(result.by_type[DS_RECON_WRONG_DAY], 3);
    assert_int_equal(result.difference_count, 3);
    test_office_close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compare__equal_lists_in_any_order_agree),
        cmocka_unit_test(compare__each_kind_of_difference_is_named_once),
        cmocka_unit_test(compare__a_later_revision_is_another_export),
        cmocka_unit_test(compare__beyond_1000_differences_are_counted_and_not_kept),
        cmocka_unit_test(compare__random_lists_agree_with_a_slow_definition),
        cmocka_unit_test(statement__columns_stand_in_any_order_and_others_are_left_alone),
        cmocka_unit_test(statement__what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(sink__an_injected_loss_double_and_change_are_all_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Scenarios and the truth that follows from their tables, with the sample day itself. */
#include "schema/base/text.h"
#include "sync/core/tables.h"
#include "tests/support/test.h"
#include "tools/cli/truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY "tools/sample/day.ini"

static char folder[64];

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void the_sample_day__loads_whole(void **state)
{
    (void)state;
    struct ds_scenario *day = NULL;
    struct ds_detail detail = {""};
    assert_int_equal(ds_scenario_load(DAY, 480, &day, &detail), DS_OK);
    assert_int_equal(day->period, 202601);
    assert_int_equal(day->handheld_count, 20);
    assert_int_equal(day->event_count, 1);
    assert_int_equal(day->act_count, 1086 + 4);
    /* 2026-01-30T12:00+08:00 */
    assert_int_equal(day->events[0].at_ms, INT64_C(1769745600000));
    assert_string_equal(day->events[0].to, "W08");
    assert_string_equal(day->handhelds[8].worker, "W09");
    assert_int_equal(day->handhelds[8].sync_count, 3);
    assert_int_equal(day->handhelds[8].restore_ms - day->handhelds[8].backup_ms, 220 * 60000);
    assert_int_equal(day->handhelds[10].clock_offset_ms, 172800000);
    ds_scenario_free(day);
}

/* What was committed on a storage that is then put back, and never sent, is lost with it. */
static void the_sample_day__sends_everything_before_a_handheld_goes_back_in_time(void **state)
{
    (void)state;
    struct ds_scenario *day = NULL;
    struct ds_detail detail = {""};
    size_t looked_at = 0;
    assert_int_equal(ds_scenario_load(DAY, 480, &day, &detail), DS_OK);
    for (size_t i = 0; i < day->handheld_count; i++) {
        const struct ds_scenario_handheld *handheld = &day->handhelds[i];
        int64_t sent_ms = 0;
        for (size_t k = 0; k < handheld->sync_count; k++) {
            bool before = handheld->syncs_ms[k] < handheld->restore_ms;
            sent_ms = before ? handheld->syncs_ms[k] : sent_ms;
        }
        for (size_t k = 0; handheld->restore_ms != 0 && k < day->act_count; k++) {
            const struct ds_act *act = &day->acts[k];
            bool his = strcmp(act->worker, handheld->worker) == 0;
            bool lost = act->instant_ms >= sent_ms && act->instant_ms < handheld->restore_ms;
            looked_at += his ? 1 : 0;
            assert_false(his && lost);
        }
    }
    assert_true(looked_at > 0);
    ds_scenario_free(day);
}

static void the_sample_day__agrees_with_what_it_expects(void **state)
{
    (void)state;
    struct ds_scenario *day = NULL;
    struct ds_truth truth;
    struct ds_detail detail = {""};
    struct ds_id station = ds_station_id(DS_SLICE_LIT("SJZ01"));
    assert_int_equal(ds_scenario_load(DAY, 480, &day, &detail), DS_OK);
    assert_int_equal(ds_truth_make(day, &station, &truth, &detail), DS_OK);
    assert_int_equal(truth.count, 1075);
    const char *differs = ds_truth_against_expect(day, &truth);
    if (differs != NULL) {
        fail_msg("%s differs", differs);
    }
    /* A slip at first, a reading with two thousands too many, and the supervisor's correction. */
    struct ds_id meter =
        ds_meter_id(&station, DS_SLICE_LIT("示例丙表厂"), DS_SLICE_LIT("26555677"));
    assert_int_equal(ds_truth_find(&truth, &meter)->index, 17751);
    meter = ds_meter_id(&station, DS_SLICE_LIT("示例乙表厂"), DS_SLICE_LIT("25789316"));
    assert_int_equal(ds_truth_find(&truth, &meter)->index, 10408);
    assert_string_equal(ds_truth_find(&truth, &meter)->action, "correct");
    meter = ds_meter_id(&station, DS_SLICE_LIT("示例甲表厂"), DS_SLICE_LIT("21055910"));
    assert_true(ds_truth_find(&truth, &meter)->two_workers);
    assert_int_equal(ds_truth_find(&truth, &meter)->index, 7314);
    meter.byte[0] ^= 1;
    assert_null(ds_truth_find(&truth, &meter));
    ds_truth_free(&truth);
    ds_scenario_free(day);
}

/* Better evidence wins; of equal evidence the later claimed instant, whatever the true time was. */
static void the_choice__is_by_grade_and_then_by_the_claimed_instant(void **state)
{
    (void)state;
    /* Rows: index, time, method, photo, worker. */
    static const struct {
        const char *rows[2];
        int64_t index;
    } cases[] = {
        {{"1,2026-01-30T08:00:00+08:00,on_site,0,W1", "2,2026-01-30T09:00:00+08:00,on_site,0,W1"},
         2},
        {{"1,2026-01-30T08:00:00+08:00,on_site,1,W1", "2,2026-01-30T09:00:00+08:00,on_site,0,W1"},
         1},
        {{"1,2026-01-30T08:00:00+08:00,on_site,0,W1", "2,2026-01-30T09:00:00+08:00,estimate,0,W1"},
         1},
        {{"1,2026-01-30T08:00:00+08:00,on_site,0,W2", "2,2026-01-30T09:00:00+08:00,on_site,0,W1"},
         1},
        {{"1,2026-01-30T08:00:00+08:00,estimate,0,W2", "2,2026-01-30T09:00:00+08:00,estimate,0,W1"},
         1},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        char table[1024];
        snprintf(table, sizeof(table),
                 "act,manufacturer,meter_no,index,instant,method,photo,worker\n"
                 "read,m,1,%s\nread,m,1,%s\n",
                 cases[i].rows[0], cases[i].rows[1]);
        write_file("truth.csv", table);
        write_file("day.ini", "[scenario]\nperiod=202601\nday=2026-01-30\ntruth=truth.csv\n"
                              "[handheld.1]\nworker=W1\nsync=18:00\n"
                              "[handheld.2]\nworker=W2\nsync=18:00\nclock_offset_s=172800\n");
        struct ds_scenario *day = NULL;
        struct ds_truth truth;
        struct ds_detail detail = {""};
        struct ds_id station = ds_station_id(DS_SLICE_LIT("X"));
        assert_int_equal(ds_scenario_load(path_of("day.ini"), 480, &day, &detail), DS_OK);
        assert_int_equal(ds_truth_make(day, &station, &truth, &detail), DS_OK);
        assert_int_equal(truth.count, 1);
        assert_int_equal(truth.slots[0].index, cases[i].index);
        ds_truth_free(&truth);
        ds_scenario_free(day);
    }
}

static void a_wrong_scenario__is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"[scenario]\nday=2026-01-30\n", "period: not a month"},
        {"[scenario]\nperiod=202601\nday=today\n", "day: not a date"},
        {"[scenario]\nperiod=202601\nday=2026-01-30\n[weather]\nrain=1\n",
         "line 5: [weather] rain"},
        {"[scenario]\nperiod=202601\nday=2026-01-30\n[handheld.1]\nsync=7:31\n", "line 5"},
        {"[scenario]\nperiod=202601\nday=2026-01-30\n[handheld.1]\nsync=24:00\n", "line 5"},
        {"[scenario]\nperiod=202601\nday=2026-01-30\n[handheld.1]\ncolour=red\n", "no such key"},
        {"[scenario]\nperiod=202601\nday=2026-01-30\n[event.1]\nkind=fire\n", "only kind"},
        {"[scenario]\nperiod=202601\nday=2026-01-30\ntruth=none.csv\n", "none.csv"},
    };
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_scenario *day = NULL;
        struct ds_detail detail = {""};
        write_file("day.ini", cases[i].text);
        assert_int_not_equal(ds_scenario_load(path_of("day.ini"), 480, &day, &detail), DS_OK);
        if (strstr(detail.text, cases[i].why) == NULL) {
            fail_msg("%s: %s", cases[i].text, detail.text);
        }
    }
    write_file("truth.csv", "act,instant\nsleep,2026-01-30T08:00:00+08:00\n");
    write_file("day.ini", "[scenario]\nperiod=202601\nday=2026-01-30\ntruth=truth.csv\n");
    struct ds_scenario *day = NULL;
    struct ds_detail detail = {""};
    assert_int_equal(ds_scenario_load(path_of("day.ini"), 480, &day, &detail), DS_ERR_SCHEMA);
    assert_non_null(strstr(detail.text, "truth.csv, line 2: act sleep"));
}

static void seen__finds_one_id_among_many(void **state)
{
    (void)state;
    struct ds_seen seen = {.places = NULL};
    struct ds_id id = {{0}};
    uint64_t line = 0;
    for (uint32_t i = 1; i <= 5000; i++) {
        memcpy(id.byte, &i, sizeof(i));
        assert_int_equal(ds_seen_add(&seen, &id, i, &line), DS_OK);
        assert_int_equal(line, 0);
    }
    for (uint32_t i = 1; i <= 5000; i++) {
        memcpy(id.byte, &i, sizeof(i));
        assert_int_equal(ds_seen_add(&seen, &id, 1, &line), DS_OK);
        assert_int_equal(line, i);
        assert_int_equal(ds_seen_find(&seen, &id), i);
    }
    id.byte[15] = 1;
    assert_int_equal(ds_seen_find(&seen, &id), 0);
    assert_int_equal(seen.count, 5000);
    ds_seen_free(&seen);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/cli-scenario-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path_of("day.ini"));
    (void)unlink(path_of("truth.csv"));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_day__loads_whole),
        cmocka_unit_test(the_sample_day__sends_everything_before_a_handheld_goes_back_in_time),
        cmocka_unit_test(the_sample_day__agrees_with_what_it_expects),
        cmocka_unit_test(the_choice__is_by_grade_and_then_by_the_claimed_instant),
        cmocka_unit_test(a_wrong_scenario__is_refused_with_its_place),
        cmocka_unit_test(seen__finds_one_id_among_many),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* A walk of AppSync #9979: a hundred records made between no signal and a poor one, a sync tried
 * after each. There they were lost; here 100 of 100 are under a receipt, and none is there twice.
 *
 * The weather of each walk hangs on its seed. An argument is the number of walks: walk_test 200. */
#include "tests/support/line.h"
#include "tests/support/report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORDS 100U

static unsigned walks = 3;
static uint64_t walked;
static uint64_t lost_connections;

static void record_visit(struct walker *walker, unsigned i)
{
    struct ds_handheld_detail detail = {""};
    const struct test_office *office = &walker->line->office;
    struct ds_handheld_visit visit = {.period = 202601, .outcome = DS_HANDHELD_NO_ACCESS};
    memcpy(visit.premises.byte, office->premises[i % TEST_OFFICE_METERS].byte,
           sizeof visit.premises.byte);
    int error = ds_handheld_record_visit(walker->h, &visit, NULL, &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(error, DS_E_OK);
}

/* Records that the server folded from everybody, since it began. */
static uint64_t folded(struct line *line)
{
    return atomic_load(&line->office.office.metrics->ops_folded);
}

static void one_walk(struct line *line, uint64_t seed)
{
    struct walker walker;
    unsigned good = 0;
    line->weather = 0;
    walker_enrol(&walker, line, (uint8_t)seed);
    uint64_t others = folded(line);
    uint64_t before = walker_status(&walker).recorded;
    (void)lossy_take_counts(line->lossy);
    line->weather = seed;
    for (unsigned i = 0; i < RECORDS; i++) {
        record_visit(&walker, i);
        int error = ds_handheld_sync(walker.h, NULL, NULL);
        assert_true(error == DS_E_OK || error == DS_E_UNREACHABLE || error == DS_E_NOT_OURS);
        good += error == DS_E_OK;
    }
    struct lossy_counts counts = lossy_take_counts(line->lossy);
    line->weather = 0;
    struct ds_handheld_sync_result result = walker_sync(&walker);
    struct ds_handheld_status status = walker_status(&walker);
    print_message("     walk %llu: %llu connections, %llu lost, %u syncs went through: %s\n",
                  (unsigned long long)seed, (unsigned long long)counts.connections,
                  (unsigned long long)counts.cut, good, status.receipt);
    assert_int_equal(status.recorded - before, RECORDS);
    assert_int_equal(status.unsent, 0);
    assert_int_equal(status.received, status.recorded);
    assert_int_equal(folded(line) - others, RECORDS);
    assert_false(result.new_incarnation);
    /* The weather was bad, and not so bad that nothing ever went through. */
    assert_true(counts.cut > RECORDS / 3 && good > 0);
    walker_drop(&walker);
    walked++;
    lost_connections += counts.cut;
}

static void appsync_9979__a_hundred_records_on_a_poor_line_are_a_hundred(void **state)
{
    struct line *line = malloc(sizeof *line);
    (void)state;
    assert_non_null(line);
    line_open(line);
    for (uint64_t seed = 1; seed <= walks; seed++) {
        one_walk(line, seed);
    }
    line_prove(line);
    line_close(line);
    free(line);
}

int main(int argc, char **argv)
{
    struct timespec began;
    struct timespec ended;
    if (argc == 2) {
        walks = (unsigned)strtoul(argv[1], NULL, 10);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appsync_9979__a_hundred_records_on_a_poor_line_are_a_hundred),
    };
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    const struct report report = {
        "links_walk", "ctest -R links.walk", "walks of 100 records on a poor line",
        walked,       (uint64_t)failed,      (double)(ended.tv_sec - began.tv_sec)};
    report_write(&report);
    print_message("     %llu connections lost\n", (unsigned long long)lost_connections);
    return failed;
}

/* The connection is cut after byte k, for every k of what goes up and of what comes down, and then
 * taken up again: nothing is lost, nothing is there twice, and no more is sent than once more.
 * (The public cases 7, 8, 10 of the design: repeated, doubled and re-sent records.) */
#include "tests/support/line.h"
#include "tests/support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FRESH_EVERY 256 /* Sessions after which another handheld takes over. */
#define SLACK 48        /* Bytes by which numbers in two requests of the same work may differ. */

static uint64_t sessions;

static int open_line(void **state)
{
    struct line *line = malloc(sizeof *line);
    assert_non_null(line);
    line_open(line);
    *state = line;
    return 0;
}

static int close_line(void **state)
{
    line_close(*state);
    free(*state);
    return 0;
}

static void set_cut(struct line *line, int way, int64_t at)
{
    line->rule = lossy_fine();
    line->rule.cut[way] = at;
    line->rule.reset = at % 2 != 0;
}

/* A sync without a cut: how many bytes it moves. */
static struct lossy_counts whole_session(struct walker *walker)
{
    set_cut(walker->line, LOSSY_UP, LOSSY_NEVER);
    walker_work(walker, 0, 120);
    (void)lossy_take_counts(walker->line->lossy);
    (void)walker_sync(walker);
    return lossy_take_counts(walker->line->lossy);
}

/* What the server may have done with a request that was cut: taken all of it or nothing. */
static void check_taken(int way, int64_t at, int64_t whole, uint64_t entries)
{
    assert_in_range(entries, 0, 1);
    if (way == LOSSY_DOWN) {
        assert_int_equal(entries, 1);
    } else if (at + SLACK < whole) {
        assert_int_equal(entries, 0);
    }
}

/* One session, cut; then the line is fine again. False: the cut lay beyond its end. */
static bool one_cut(struct walker *walker, int way, int64_t at, const struct lossy_counts *whole)
{
    struct line *line = walker->line;
    struct ds_handheld_sync_result result;
    uint64_t before = line_size(line);
    walker_work(walker, (size_t)at % TEST_OFFICE_METERS, 120 + at % 7);
    set_cut(line, way, at);
    int error = ds_handheld_sync(walker->h, &result, NULL);
    struct lossy_counts first = lossy_take_counts(line->lossy);
    assert_true(first.bytes[way] <= (uint64_t)at);
    bool answered = error == DS_E_OK;
    if (!answered) {
        struct ds_handheld_status status = walker_status(walker);
        assert_true(error == DS_E_UNREACHABLE || error == DS_E_NOT_OURS);
        assert_int_equal(status.unsent, 2);
        assert_int_equal(first.cut, 1);
        check_taken(way, at, (int64_t)whole->bytes[LOSSY_UP], line_size(line) - before);
        set_cut(line, way, LOSSY_NEVER);
        result = walker_sync(walker);
        struct lossy_counts again = lossy_take_counts(line->lossy);
        /* Taken up again: the same work once more, in one round trip. */
        assert_int_equal(again.connections, 1);
        assert_in_range(again.bytes[LOSSY_UP], 1, whole->bytes[LOSSY_UP] + SLACK);
    }
    assert_int_equal(result.refetched, 0);
    assert_false(result.new_incarnation);
    struct ds_handheld_status status = walker_status(walker);
    assert_int_equal(status.unsent, 0);
    assert_int_equal(status.received, status.recorded);
    assert_int_equal(line_size(line), before + 1);
    sessions++;
    return !answered || first.cut > 0;
}

static void each_cut(struct line *line, int way)
{
    struct walker walker;
    uint8_t seed = (uint8_t)(1 + way * 100);
    walker_enrol(&walker, line, seed);
    struct lossy_counts whole = whole_session(&walker);
    int64_t at = 0;
    while (one_cut(&walker, way, at, &whole)) {
        at++;
        if (at % FRESH_EVERY == 0) {
            walker_drop(&walker);
            set_cut(line, way, LOSSY_NEVER);
            walker_enrol(&walker, line, ++seed);
            whole = whole_session(&walker);
        }
    }
    /* Every byte of the session had its cut. */
    assert_in_range(at, (int64_t)whole.bytes[way] - SLACK, (int64_t)whole.bytes[way] + SLACK);
    print_message("     %s: %lld cuts\n", way == LOSSY_UP ? "up" : "down", (long long)at);
    walker_drop(&walker);
    line_prove(line);
}

static void case_8__a_request_cut_after_any_byte_is_taken_once(void **state)
{
    each_cut(*state, LOSSY_UP);
}

static void
case_10__an_answer_cut_after_any_byte_is_asked_for_again_and_nothing_is_doubled(void **state)
{
    each_cut(*state, LOSSY_DOWN);
}

/* ---- Enrolment ------------------------------------------------------------------------------ */

/* The code serves once, and the handheld whose answer was lost is that once. */
static bool one_enrolment(struct line *line, int way, int64_t at)
{
    struct walker walker;
    char code[1024];
    struct ds_handheld_detail detail = {""};
    set_cut(line, way, LOSSY_NEVER);
    walker_make(&walker, line, (uint8_t)at);
    walker_code(&walker, code);
    set_cut(line, way, at);
    int error = ds_handheld_enrol(walker.h, code, &detail);
    bool was_cut = lossy_take_counts(line->lossy).cut > 0;
    set_cut(line, way, LOSSY_NEVER);
    if (error != DS_E_OK) {
        assert_true(was_cut);
        assert_false(walker_status(&walker).enrolled);
        uint64_t before = line_size(line);
        detail.text[0] = '\0';
        error = ds_handheld_enrol(walker.h, code, &detail);
        assert_string_equal(detail.text, "");
        assert_int_equal(error, DS_E_OK);
        if (way == LOSSY_DOWN) {
            assert_int_equal(line_size(line), before); /* He was a device already. */
        }
    }
    assert_true(walker_status(&walker).enrolled);
    (void)lossy_take_counts(line->lossy);
    walker_drop(&walker);
    sessions++;
    return was_cut;
}

static void an_enrolment_cut_after_any_byte_is_one_device(void **state)
{
    for (int way = LOSSY_UP; way < LOSSY_DIRECTIONS; way++) {
        int64_t at = 0;
        while (one_enrolment(*state, way, at)) {
            at++;
        }
        assert_true(at > 200);
    }
    line_prove(*state);
}

int main(void)
{
    struct timespec began;
    struct timespec ended;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(case_8__a_request_cut_after_any_byte_is_taken_once,
                                        open_line, close_line),
        cmocka_unit_test_setup_teardown(
            case_10__an_answer_cut_after_any_byte_is_asked_for_again_and_nothing_is_doubled,
            open_line, close_line),
        cmocka_unit_test_setup_teardown(an_enrolment_cut_after_any_byte_is_one_device, open_line,
                                        close_line),
    };
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    const struct report report = {
        "links_cut", "ctest -R links.cut", "sessions cut at every byte",
        sessions,    (uint64_t)failed,     (double)(ended.tv_sec - began.tv_sec)};
    report_write(&report);
    return failed;
}

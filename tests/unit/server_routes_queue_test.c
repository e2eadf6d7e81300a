/* The supervisors' queue and decisions over slots, asked through the dispatcher. */
#include "tests/support/desk.h"

#include <stdio.h>
#include <string.h>

/* ---- The queue ---- */

static json_t *decision(const char *action, const char *hash)
{
    return json_pack("{s:s, s:s, s:s}", "action", action, "reason", "seen it", "candidates_hash",
                     hash);
}

/* The hash of the held slot, as the queue shows it. */
static void queue_hash(struct desk *desk, char hash[static 65])
{
    json_t *slot = desk_get(desk, desk_path("slots", desk->slot, ""), "Slot");

    memcpy(hash, desk_text(slot, "candidates_hash"), 65);
    json_decref(slot);
}

static void queue__a_reversed_reading_is_found_with_slot_and_meter(void **state)
{
    struct desk *desk = *state;
    json_t *page = desk_get(desk, "/api/v1/anomalies?rule=reversed", "AnomalyList");
    const json_t *item = json_array_get(json_object_get(page, "items"), 0);

    assert_int_equal(json_array_size(json_object_get(page, "items")), 2);
    assert_string_equal(desk_text(item, "slot"), desk->slot); /* More is at risk. */
    assert_string_equal(desk_text(json_object_get(item, "slot_row"), "state"), "held");
    assert_string_equal(desk_text(json_object_get(item, "meter_row"), "meter_no"), "1");
    json_decref(desk_get(desk, desk_path("anomalies", desk_text(item, "id"), ""), "AnomalyItem"));
    json_decref(page);
    page = desk_get(desk, "/api/v1/anomalies?rule=same_photo", "AnomalyList");
    assert_int_equal(json_array_size(json_object_get(page, "items")), 0);
    json_decref(page);
}

static void queue__pages_of_one_show_every_item_once(void **state)
{
    struct desk *desk = *state;
    json_t *whole = desk_get(desk, "/api/v1/anomalies", "AnomalyList");
    size_t count = json_array_size(json_object_get(whole, "items"));
    char target[160] = "/api/v1/anomalies?limit=1";
    int64_t risk = INT64_MAX;
    size_t seen = 0;

    assert_true(count >= 2);
    for (;;) {
        json_t *page = desk_get(desk, target, "AnomalyList");
        const json_t *item = json_array_get(json_object_get(page, "items"), 0);
        const char *next = json_string_value(json_object_get(page, "next"));

        assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
        assert_string_equal(desk_text(item, "id"),
                            desk_text(json_array_get(json_object_get(whole, "items"), seen), "id"));
        int64_t fen = json_integer_value(json_object_get(item, "risk_fen"));

        assert_true(fen <= risk);
        risk = fen;
        seen++;
        if (next == NULL) {
            json_decref(page);
            break;
        }
        (void)snprintf(target, sizeof(target), "/api/v1/anomalies?limit=1&after=%s", next);
        json_decref(page);
    }
    assert_int_equal(seen, count);
    json_decref(whole);
}

static void queue__a_bad_cursor_filter_or_limit_is_refused_by_name(void **state)
{
    struct desk *desk = *state;

    json_decref(desk_call(desk, DESK_ANNA, "/api/v1/anomalies?after=00", NULL, "", 400));
    json_decref(desk_call(desk, DESK_ANNA, "/api/v1/anomalies?rule=nonsense", NULL, "", 400));
    json_decref(desk_call(desk, DESK_ANNA, "/api/v1/anomalies?limit=0", NULL, "", 400));
    json_decref(desk_call(desk, DESK_ANNA, "/api/v1/anomalies?limit=201", NULL, "", 400));
    json_decref(
        desk_call(desk, DESK_ANNA, "/api/v1/anomalies?limit=200", NULL, "AnomalyList", 200));
}

static void decide__a_correction_stands_at_the_slot_and_leaves_the_queue(void **state)
{
    struct desk *desk = *state;
    char hash[65];

    queue_hash(desk, hash);
    json_t *body = decision("correct", hash);

    json_object_set_new(body, "index", json_integer(1020));
    json_t *written =
        desk_call(desk, DESK_ANNA, desk_path("slots", desk->slot, "/decide"), body, "Decided", 200);
    const json_t *after = json_object_get(written, "slot");

    assert_string_equal(desk_text(written, "verdict"), "applied");
    assert_string_equal(desk_text(after, "state"), "decided");
    assert_int_equal(desk_number(after, "index"), 1020);
    assert_int_equal(desk_number(after, "consumption_l"), 20000);
    assert_string_equal(desk_text(after, "decision"), desk_text(written, "id"));
    json_decref(written);
    json_t *page = desk_get(desk, "/api/v1/anomalies?rule=reversed", "AnomalyList");

    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    assert_string_not_equal(desk_text(json_array_get(json_object_get(page, "items"), 0), "slot"),
                            desk->slot);
    json_decref(page);
}

static void decide__a_hash_of_other_candidates_decides_nothing(void **state)
{
    struct desk *desk = *state;
    char hash[65];
    char meter[DESK_ID_SIZE];

    queue_hash(desk, hash);
    desk_hex(&desk->meter, meter);
    desk_write(desk, &desk_importer, json_pack("[o]", desk_reading(meter, 202601, 905)));
    json_t *problem = desk_call(desk, DESK_ANNA, desk_path("slots", desk->slot, "/decide"),
                                decision("approve", hash), "", 409);

    assert_non_null(strstr(desk_text(problem, "detail"), "new evidence"));
    json_decref(problem);
    json_t *slot = desk_get(desk, desk_path("slots", desk->slot, ""), "Slot");

    assert_null(json_object_get(slot, "decision"));
    json_decref(slot);
}

static void decide__the_hash_the_reason_and_a_fitting_action_are_required(void **state)
{
    struct desk *desk = *state;
    char hash[65];
    const char *path = NULL;

    queue_hash(desk, hash);
    path = desk_path("slots", desk->slot, "/decide");
    json_t *body = decision("approve", hash);

    json_object_del(body, "candidates_hash");
    json_decref(desk_call(desk, DESK_ANNA, path, body, "", 422));
    body = decision("approve", hash);
    json_object_del(body, "reason");
    json_decref(desk_call(desk, DESK_ANNA, path, body, "", 422));
    json_decref(desk_call(desk, DESK_ANNA, path, decision("keep_mine", hash), "", 422));
    json_decref(desk_call(desk, DESK_ANNA, path, decision("correct", hash), "", 422));
    body = decision("correct", hash);
    json_object_set_new(body, "index", json_integer(99999999)); /* The dial has five digits. */
    json_decref(desk_call(desk, DESK_ANNA, path, body, "", 409));
    json_decref(desk_call(desk, DESK_NED, path, decision("approve", hash), "", 403));
    json_decref(desk_call(desk, DESK_NOBODY, path, decision("approve", hash), "", 401));
}

static void decide__a_re_read_becomes_an_open_task_at_the_meter(void **state)
{
    struct desk *desk = *state;
    char hash[65];
    char meter[DESK_ID_SIZE];

    queue_hash(desk, hash);
    desk_hex(&desk->meter, meter);
    json_t *page = desk_get(desk, "/api/v1/anomalies?rule=reversed", "AnomalyList");
    const char *id = desk_text(json_array_get(json_object_get(page, "items"), 0), "id");

    json_decref(desk_call(desk, DESK_ANNA, desk_path("anomalies", id, "/decide"),
                          decision("re_read", hash), "Decided", 200));
    json_decref(page);
    json_t *tasks = desk_get(desk, "/api/v1/tasks", "TaskList");
    const json_t *task = json_array_get(json_object_get(tasks, "items"), 0);

    assert_int_equal(json_array_size(json_object_get(tasks, "items")), 1);
    assert_string_equal(desk_text(task, "kind"), "re_read");
    assert_string_equal(desk_text(task, "meter"), meter);
    json_decref(tasks);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(queue__a_reversed_reading_is_found_with_slot_and_meter),
        CASE(queue__pages_of_one_show_every_item_once),
        CASE(queue__a_bad_cursor_filter_or_limit_is_refused_by_name),
        CASE(decide__a_correction_stands_at_the_slot_and_leaves_the_queue),
        CASE(decide__a_hash_of_other_candidates_decides_nothing),
        CASE(decide__the_hash_the_reason_and_a_fitting_action_are_required),
        CASE(decide__a_re_read_becomes_an_open_task_at_the_meter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Conflicts, proposals, quarantine, unknown meters, devices and tasks, asked through the
 * dispatcher: no item is a dead end. */
#include "schema/base/text.h"
#include "sync/core/tables.h"
#include "tests/support/desk.h"

#include <string.h>

/* ---- Items ---- */

static void resolve(struct desk *desk, const char *list, const char *id, const char *action,
                    int status)
{
    json_decref(desk_call(desk, DESK_ANNA, desk_path(list, id, "/resolve"),
                          json_pack("{s:s, s:s}", "action", action, "reason", "asked"), "Written",
                          status));
}

static void proposals__accepted_becomes_the_value_refused_leaves_it(void **state)
{
    struct desk *desk = *state;
    char id[DESK_ID_SIZE];

    desk_propose(desk, 5);
    json_t *item = desk_only_item(desk, "proposals", "ProposalList", id);

    assert_string_equal(desk_text(item, "record_name"), "account");
    assert_string_equal(desk_text(item, "field_name"), "persons");
    assert_int_equal(desk_number(item, "base_value"), 3);
    assert_int_equal(desk_number(item, "proposed_value"), 5);
    json_decref(item);
    resolve(desk, "proposals", id, "release", 422);
    resolve(desk, "proposals", id, "accept_proposal", 200);
    resolve(desk, "proposals", id, "accept_proposal", 409);
    desk_assert_empty(desk, "proposals", "ProposalList");
    desk_propose(desk, 9);
    item = desk_only_item(desk, "proposals", "ProposalList", id);
    assert_int_equal(desk_number(item, "base_value"), 5);
    json_decref(item);
    resolve(desk, "proposals", id, "refuse_proposal", 200);
    desk_assert_empty(desk, "proposals", "ProposalList");
    item = desk_get(desk, desk_path("proposals", id, ""), "ProposalItem");
    assert_string_equal(desk_text(item, "state"), "resolved");
    json_decref(item);
}

static int64_t digits_of(struct desk *desk)
{
    char id[DESK_ID_SIZE];

    desk_hex(&desk->meter, id);
    json_t *story = desk_get(desk, desk_path("meters", id, ""), "Story");
    int64_t digits = desk_number(json_object_get(story, "meter"), "dial_digits");

    json_decref(story);
    return digits;
}

static void conflicts__both_values_are_shown_and_either_can_stand(void **state)
{
    struct desk *desk = *state;
    char id[DESK_ID_SIZE];

    desk_contradict(desk, 6);
    json_t *item = desk_only_item(desk, "conflicts", "ConflictList", id);

    assert_string_equal(desk_text(item, "record_name"), "meter");
    assert_string_equal(desk_text(item, "field_name"), "dial_digits");
    assert_int_equal(desk_number(item, "mine_value"), 5);
    assert_int_equal(desk_number(item, "theirs_value"), 6);
    json_decref(item);
    resolve(desk, "conflicts", id, "keep_theirs", 200);
    assert_int_equal(digits_of(desk), 6);
    desk_assert_empty(desk, "conflicts", "ConflictList");
    desk_contradict(desk, 7);
    json_decref(desk_only_item(desk, "conflicts", "ConflictList", id));
    resolve(desk, "conflicts", id, "keep_mine", 200);
    assert_int_equal(digits_of(desk), 6);
    desk_assert_empty(desk, "conflicts", "ConflictList");
    desk_contradict(desk, 8);
    json_decref(desk_only_item(desk, "conflicts", "ConflictList", id));
    resolve(desk, "conflicts", id, "keep_base", 200);
    desk_assert_empty(desk, "conflicts", "ConflictList");
}

static void quarantine__an_orphan_is_released_once_its_meter_is_there(void **state)
{
    struct desk *desk = *state;
    const struct ds_id later =
        ds_meter_id(&desk->site.station, DS_SLICE_LIT("M"), DS_SLICE_LIT("2"));
    char meter[DESK_ID_SIZE];
    char id[DESK_ID_SIZE];

    desk_hex(&later, meter);
    desk_write(desk, &desk_importer, json_pack("[o]", desk_reading(meter, 202601, 44)));
    json_t *item = desk_only_item(desk, "quarantine", "QuarantineList", id);

    assert_string_equal(desk_text(item, "reason"), "orphan");
    assert_string_equal(desk_text(item, "record_name"), "reading");
    assert_int_equal(desk_number(json_object_get(item, "theirs"), "index"), 44);
    json_decref(item);
    resolve(desk, "quarantine", id, "release", 200);
    json_decref(desk_only_item(desk, "quarantine", "QuarantineList", id)); /* It still has none. */
    desk_write(desk, &desk_importer,
               json_pack("[{s:s, s:s, s:{s:s, s:s}}]", "type", "meter", "id", meter, "fields",
                         "manufacturer", "M", "meter_no", "2"));
    resolve(desk, "quarantine", id, "release", 200);
    desk_assert_empty(desk, "quarantine", "QuarantineList");
    json_t *readings = desk_get(desk, desk_path("meters", meter, "/readings"), "ReadingList");

    assert_int_equal(json_array_size(json_object_get(readings, "items")), 1);
    json_decref(readings);
}

static void quarantine__a_rejected_op_leaves_the_list(void **state)
{
    struct desk *desk = *state;
    char id[DESK_ID_SIZE];

    desk_write(desk, &desk_importer,
               json_pack("[o]", desk_reading("00112233445566778899aabbccddeeff", 202601, 44)));
    json_decref(desk_only_item(desk, "quarantine", "QuarantineList", id));
    resolve(desk, "quarantine", id, "keep_mine", 422);
    resolve(desk, "quarantine", id, "reject", 200);
    desk_assert_empty(desk, "quarantine", "QuarantineList");
}

static json_t *merge_into(const char *meter)
{
    return json_pack("{s:s, s:s}", "into", meter, "reason", "the number was misread");
}

static void meters__an_unknown_one_brings_its_readings_to_the_real_one_once(void **state)
{
    struct desk *desk = *state;
    const struct ds_id unknown =
        ds_meter_id(&desk->site.station, DS_SLICE_LIT("M"), DS_SLICE_LIT("l"));
    char real[DESK_ID_SIZE];
    char id[DESK_ID_SIZE];

    desk_hex(&desk->meter, real);
    desk_hex(&unknown, id);
    desk_write(desk, &desk_importer,
               json_pack("[{s:s, s:s, s:{s:s, s:s}}]", "type", "meter", "id", id, "fields",
                         "manufacturer", "M", "meter_no", "l"));
    desk_write(desk, &desk_importer, json_pack("[o]", desk_reading(id, 202601, 1011)));
    json_decref(
        desk_call(desk, DESK_NED, desk_path("meters", id, "/merge"), merge_into(real), "", 403));
    json_decref(
        desk_call(desk, DESK_ANNA, desk_path("meters", id, "/merge"), merge_into(id), "", 409));
    json_decref(desk_call(desk, DESK_ANNA, desk_path("meters", id, "/merge"), merge_into(real),
                          "Written", 200));
    json_decref(
        desk_call(desk, DESK_ANNA, desk_path("meters", id, "/merge"), merge_into(real), "", 409));
    json_t *slot = desk_get(desk, desk_path("slots", desk->slot, ""), "Slot");

    assert_int_equal(desk_number(slot, "candidates"), 2);
    json_decref(slot);
}

/* ---- Devices and tasks ---- */

static void devices__are_listed_and_one_is_suspended_and_let_in_again(void **state)
{
    struct desk *desk = *state;
    json_t *page = desk_get(desk, "/api/v1/devices", "DeviceList");
    const json_t *items = json_object_get(page, "items");
    const char *id = NULL;

    for (size_t i = 0; i < json_array_size(items); i++) {
        if (strcmp(desk_text(json_array_get(items, i), "kind"), "import") == 0) {
            id = desk_text(json_array_get(items, i), "id");
        }
    }
    assert_non_null(id);
    json_decref(desk_call(desk, DESK_ANNA, desk_path("devices", id, "/state"),
                          json_pack("{s:s}", "state", "suspended"), "Written", 200));
    json_t *device = desk_get(desk, desk_path("devices", id, ""), "DeviceItem");

    assert_string_equal(desk_text(device, "state"), "suspended");
    json_decref(device);
    json_decref(desk_call(desk, DESK_ANNA, desk_path("devices", id, "/state"),
                          json_pack("{s:s}", "state", "active"), "Written", 200));
    json_decref(desk_call(desk, DESK_NED, desk_path("devices", id, "/state"),
                          json_pack("{s:s}", "state", "revoked"), "", 403));
    json_decref(page);
}

static void devices__a_code_is_made_for_a_worker_of_the_station_only(void **state)
{
    struct desk *desk = *state;
    json_t *code = desk_call(desk, DESK_ANNA, "/api/v1/devices/codes",
                             json_pack("{s:s}", "worker", "anna"), "EnrolCode", 200);

    assert_memory_equal(desk_text(code, "text"), "DS1:", 4);
    json_decref(code);
    json_decref(desk_call(desk, DESK_ANNA, "/api/v1/devices/codes",
                          json_pack("{s:s}", "worker", "nobody"), "", 404));
}

static void tasks__one_is_made_assigned_and_cancelled(void **state)
{
    struct desk *desk = *state;
    const struct ds_id worker =
        ds_numbered_id(&desk->site.station, DS_REC_worker, DS_SLICE_LIT("ned"));
    char assignee[DESK_ID_SIZE];
    char meter[DESK_ID_SIZE];
    char id[DESK_ID_SIZE];

    desk_hex(&worker, assignee);
    desk_hex(&desk->meter, meter);
    json_t *made =
        desk_call(desk, DESK_ANNA, "/api/v1/tasks",
                  json_pack("{s:s, s:s, s:i}", "kind", "check", "meter", meter, "priority", 9),
                  "Written", 200);

    memcpy(id, desk_text(made, "id"), DESK_ID_SIZE);
    json_decref(made);
    json_decref(desk_call(desk, DESK_ANNA, "/api/v1/tasks",
                          json_pack("{s:s, s:i}", "kind", "check", "priority", 10), "", 422));
    json_decref(desk_call(desk, DESK_ANNA, desk_path("tasks", id, ""),
                          json_pack("{s:s, s:s}", "assignee", assignee, "state", "assigned"),
                          "Written", 200));
    json_t *task = desk_get(desk, desk_path("tasks", id, ""), "Task");

    assert_string_equal(desk_text(task, "state"), "assigned");
    assert_string_equal(desk_text(task, "assignee"), assignee);
    json_decref(task);
    json_decref(desk_call(desk, DESK_ANNA, desk_path("tasks", id, ""),
                          json_pack("{s:s}", "state", "cancelled"), "Written", 200));
    desk_assert_empty(desk, "tasks", "TaskList");
    json_decref(desk_call(desk, DESK_ANNA, desk_path("tasks", id, ""), json_object(), "", 422));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(proposals__accepted_becomes_the_value_refused_leaves_it),
        CASE(conflicts__both_values_are_shown_and_either_can_stand),
        CASE(quarantine__an_orphan_is_released_once_its_meter_is_there),
        CASE(quarantine__a_rejected_op_leaves_the_list),
        CASE(meters__an_unknown_one_brings_its_readings_to_the_real_one_once),
        CASE(devices__are_listed_and_one_is_suspended_and_let_in_again),
        CASE(devices__a_code_is_made_for_a_worker_of_the_station_only),
        CASE(tasks__one_is_made_assigned_and_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The table of AUTHORITY.md against what the fold does: every actor, role, record, field and act.
 *
 * The table says what is declared (schema/rules/may.h). Here each cell is tried by a real op,
 * signed by an actor of that kind whose person holds that one role, and what became of it is read
 * from the state. Subtrees and times of grants follow below, case by case. */
#include "schema/rules/may.h"
#include "sync/core/authority.h"
#include "tests/support/random_record.h"
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

enum { ROLES = 13 /* 0: none. */, ARENA = 262144 };

static struct test_station station;
static struct prng prng = {7};

struct actor { /* One column. */
    enum ds_actor_kind kind;
    int role;
    struct ds_actor held; /* All but handhelds. */
    struct test_device device;
};
static struct actor actors[2 * ROLES + 4];
static size_t actor_count;

static struct ds_id add_worker(const char *number, const char *team)
{
    struct ds_worker worker = {.presence = {0}};
    DS_SET(&worker, worker, number, ds_slice_of_text(number));
    DS_SET(&worker, worker, name, ds_slice_of_text(number));
    if (team != NULL) {
        DS_SET(&worker, worker, team, ds_slice_of_text(team));
    }
    struct ds_id id = ds_numbered_id(&station.station, DS_REC_worker, ds_slice_of_text(number));
    return test_write(&station, &station.import, DS_REC_worker, &id, &worker);
}

static struct ds_id add_grant(const struct ds_id *worker, int role, const struct ds_id *subtree,
                              int64_t from_ms, int64_t until_ms)
{
    struct ds_role_grant grant = {.presence = {0}};
    DS_SET(&grant, role_grant, worker, *worker);
    DS_SET(&grant, role_grant, role, role);
    DS_SET(&grant, role_grant, subtree, *subtree);
    if (from_ms > 0) {
        DS_SET(&grant, role_grant, from_ms, from_ms);
    }
    if (until_ms > 0) {
        DS_SET(&grant, role_grant, until_ms, until_ms);
    }
    struct ds_id id = ds_grant_id(&station.station, worker, (uint8_t)role, subtree);
    return test_write(&station, &station.import, DS_REC_role_grant, &id, &grant);
}

static void open_console(struct ds_actor *actor, const char *name, const struct ds_id *worker)
{
    struct ds_detail detail = {{0}};
    assert_int_equal(ds_actor_open(&station.shard, name, DS_ACTOR_console, worker, actor, &detail),
                     DS_OK);
}

static void add_people(void)
{
    for (int role = 0; role < ROLES; role++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "P%d", role);
        struct ds_id worker = add_worker(name, NULL);
        if (role > 0) {
            add_grant(&worker, role, &station.station, 0, 0);
        }
        struct actor *hand = &actors[actor_count++];
        *hand = (struct actor){.kind = DS_ACTOR_handheld, .role = role};
        test_device_enrol(&station, &worker, 10 + (unsigned)role, &hand->device);
        struct actor *desk = &actors[actor_count++];
        *desk = (struct actor){.kind = DS_ACTOR_console, .role = role};
        open_console(&desk->held, name, &worker);
    }
}

static int open_all(void **state)
{
    static const struct {
        const char *name;
        enum ds_actor_kind kind;
    } others[] = {
        {"billing", DS_ACTOR_billing}, {"gis", DS_ACTOR_gis}, {"system", DS_ACTOR_system}};
    struct ds_detail detail = {{0}};
    (void)state;
    test_station_open(&station);
    add_people();
    for (size_t i = 0; i < DS_COUNT(others); i++) {
        struct actor *actor = &actors[actor_count++];
        *actor = (struct actor){.kind = others[i].kind};
        assert_int_equal(ds_actor_open(&station.shard, others[i].name, others[i].kind, NULL,
                                       &actor->held, &detail),
                         DS_OK);
    }
    actors[actor_count++].kind = DS_ACTOR_import; /* There is one: station.import. */
    assert_int_equal(actor_count, DS_COUNT(actors));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    test_station_close(&station);
    return 0;
}

/* ---- One op and what became of it. ---- */

static struct ds_id send(struct actor *actor, uint8_t type, const struct ds_id *id,
                         const void *record)
{
    static uint8_t bytes[131072];
    struct ds_builder out;
    struct ds_id op;
    if (actor->kind != DS_ACTOR_handheld) {
        struct ds_detail detail = {{0}};
        if (actor->kind == DS_ACTOR_system) { /* It writes beside us: find its place. */
            assert_int_equal(ds_actor_open(&station.shard, "system", DS_ACTOR_system, NULL,
                                           &actor->held, &detail),
                             DS_OK);
        }
        struct ds_actor *held = actor->kind == DS_ACTOR_import ? &station.import : &actor->held;
        op = ds_op_id(&held->incarnation, DS_LANE_WORK, held->next_seq);
        assert_int_equal(test_try(&station, held, type, id, record, NULL).error, DS_OK);
        return op;
    }
    op = ds_op_id(&actor->device.incarnation, DS_LANE_WORK, actor->device.next_seq);
    ds_builder_init(&out, bytes, sizeof(bytes));
    struct ds_slice batch =
        test_batch(&station, &actor->device, type, id, station.shard.meta.size, record, &out);
    assert_int_equal(test_commit(&station, batch).error, DS_OK);
    return op;
}

static bool was_forbidden(const struct ds_id *op)
{
    struct ds_quarantine_item item;
    struct ds_id id = ds_verdict_id(&station.station, DS_REC_quarantine_item, op);
    if (!test_exists(&station, DS_REC_quarantine_item, &id)) {
        return false;
    }
    test_load(&station, DS_REC_quarantine_item, &id, &item);
    if (item.reason != DS_QUARANTINE_not_allowed && item.reason != DS_QUARANTINE_orphan) {
        fail_msg("quarantined for another reason: %s, %.*s",
                 ds_enum_name(DS_LIST_quarantine_reason, item.reason), (int)item.detail.size,
                 (const char *)item.detail.data);
    }
    return item.reason == DS_QUARANTINE_not_allowed;
}

static enum ds_may observed(const struct ds_id *op, const struct ds_id *entity, uint8_t tag)
{
    struct ds_id item = ds_item_id(&station.station, DS_REC_proposal, entity, tag, op);
    if (was_forbidden(op)) {
        return DS_MAY_NOT;
    }
    return test_exists(&station, DS_REC_proposal, &item) ? DS_MAY_PROPOSE : DS_MAY_WRITE;
}

static void compare(const struct actor *actor, const struct ds_record_type *type, const char *field,
                    const char *act, int want, int found)
{
    static const char *const words[] = {"no", "propose", "write"};
    if (want != found) {
        fail_msg("%s.%s, %s by %s as %s: declared %s, found %s", type->name, field, act,
                 ds_enum_name(DS_LIST_actor_kind, actor->kind),
                 actor->role > 0 ? ds_enum_name(DS_LIST_role, actor->role) : "nobody", words[want],
                 words[found]);
    }
}

/* ---- The table. ---- */

static uint16_t roles_of(const struct actor *actor)
{
    return actor->role > 0 ? (uint16_t)(1U << actor->role) : 0;
}

/* A valid value; sealed, if it is personal. */
static void put_value(const struct ds_field *field, struct ds_arena *arena,
                      union any_record *record)
{
    enum { SEALED = 128 };
    struct ds_builder sealed;
    struct ds_slice value;
    void *member = (uint8_t *)record + field->offset;
    random_member(&prng, field, arena, member);
    if (field->type == DS_TYPE_PERSONAL) {
        uint8_t text[8];
        prng_fill(&prng, text, sizeof(text));
        ds_builder_init(&sealed, ds_arena_alloc(arena, SEALED), SEALED);
        assert_int_equal(ds_customer_seal(&station.shard, &station.account[0], field->tag,
                                          DS_SLICE_OF(text), &sealed),
                         DS_OK);
        assert_int_equal(ds_builder_end(&sealed, &value), DS_OK);
        memcpy(member, &value, sizeof(value));
    }
    ds_mark(&record->presence, field->index);
}

static void fill_required(const struct ds_record_type *type, struct ds_arena *arena,
                          union any_record *record)
{
    memset(record, 0, sizeof(*record));
    for (size_t i = 0; i < type->field_count; i++) {
        const struct ds_field *field = &type->fields[i];
        if (field->need == DS_NEED_REQUIRED) {
            put_value(field, arena, record);
        }
    }
}

/* Another value than the one that stands: writing the same again is no act. */
static void put_another(const struct ds_record_type *type, const struct ds_id *stands,
                        const struct ds_field *field, struct ds_arena *arena,
                        union any_record *record)
{
    union any_record now;
    memset(record, 0, sizeof(*record));
    test_load(&station, type->number, stands, &now);
    do {
        put_value(field, arena, record);
    } while (
        ds_has(&now.presence, field->index) &&
        member_equal(field, (uint8_t *)record + field->offset, (uint8_t *)&now + field->offset));
}

/* A connector speaks for itself alone (authority__a_connector_does_not_answer_for_another). */
static void speak_for_oneself(const struct actor *actor, const struct ds_record_type *type,
                              union any_record *record)
{
    int64_t consumer =
        actor->kind == DS_ACTOR_gis ? (int64_t)DS_CONSUMER_gis : (int64_t)DS_CONSUMER_billing;
    if (type->number == DS_REC_answer) {
        DS_SET(&record->answer, answer, consumer, consumer);
    } else if (type->number == DS_REC_delivery) {
        DS_SET(&record->delivery, delivery, consumer, consumer);
    }
}

/* One that stands, made by the system, with its required fields. */
static struct ds_id standing(const struct ds_record_type *type, struct ds_arena *arena)
{
    union any_record record;
    struct ds_id id;
    fill_required(type, arena, &record);
    if (record.presence.set == 0) {
        put_value(&type->fields[0], arena, &record); /* An op says something. */
    }
    prng_fill(&prng, id.byte, sizeof(id.byte));
    struct ds_folded folded = test_try(&station, &station.import, type->number, &id, &record, NULL);
    if (folded.error != DS_OK || folded.folded != 1) {
        fail_msg("%s: none can be made: %s", type->name, ds_err_name(folded.error));
    }
    return id;
}

static unsigned try_field(struct actor *actor, const struct ds_record_type *type,
                          const struct ds_field *field, const struct ds_id *stands,
                          struct ds_arena *arena)
{
    union any_record record;
    unsigned cells = 1;
    size_t mark = ds_arena_mark(arena);
    if (type->nature == DS_ENTITY) {
        put_another(type, stands, field, arena, &record);
        struct ds_id op = send(actor, (uint8_t)type->number, stands, &record);
        compare(actor, type, field->name, "change",
                (int)ds_may_write(type, field, actor->kind, roles_of(actor), false),
                (int)observed(&op, stands, field->tag));
        cells++;
    }
    fill_required(type, arena, &record);
    put_value(field, arena, &record);
    speak_for_oneself(actor, type, &record);
    struct ds_id op = send(actor, (uint8_t)type->number, NULL, &record);
    enum ds_may want = ds_may_write(type, field, actor->kind, roles_of(actor), true);
    compare(actor, type, field->name, "create", (int)want, (int)observed(&op, &op, field->tag));
    ds_arena_rewind(arena, mark);
    test_forget(&station);
    return cells;
}

static void authority__each_cell_of_the_table_is_what_the_fold_does(void **state)
{
    static uint8_t memory[ARENA];
    struct ds_arena arena;
    unsigned cells = 0;
    (void)state;
    ds_arena_init(&arena, memory, sizeof(memory));
    for (unsigned number = 1; number <= DS_RECORD_NUMBER_MAX; number++) {
        const struct ds_record_type *type = ds_record_type_by_number(number);
        if (type == NULL || type->nature == DS_DERIVED) {
            continue;
        }
        struct ds_id stands = {{0}};
        if (type->nature == DS_ENTITY) {
            stands = standing(type, &arena);
        }
        for (size_t f = 0; f < type->field_count; f++) {
            for (size_t a = 0; a < actor_count; a++) {
                cells += try_field(&actors[a], type, &type->fields[f], &stands, &arena);
            }
        }
    }
    print_message("%u cells tried\n", cells);
    assert_true(cells > 5000);
}

/* ---- Subtrees and times. ---- */

static bool may_edit(struct actor *actor, size_t meter)
{
    struct ds_premises edit = {.presence = {0}};
    DS_SET(&edit, premises, floor, (int64_t)(prng_below(&prng, 100)));
    struct ds_id op = send(actor, DS_REC_premises, &station.premises[meter], &edit);
    return !was_forbidden(&op);
}

static bool may_decide(struct actor *actor, size_t meter)
{
    struct ds_decision decision = {.presence = {0}};
    struct ds_id slot =
        ds_slot_id(&station.station, &station.meter[meter], DS_REGISTER_mechanical, TEST_PERIOD);
    DS_SET(&decision, decision, target_type, DS_REC_slot);
    DS_SET(&decision, decision, target, slot);
    DS_SET(&decision, decision, action, DS_ACTION_approve);
    DS_SET(&decision, decision, reason, DS_SLICE_LIT("seen"));
    DS_SET(&decision, decision, instant_ms, station.now_ms);
    struct ds_id op = send(actor, DS_REC_decision, NULL, &decision);
    return !was_forbidden(&op);
}

static struct actor console_of(const char *name, const struct ds_id *worker)
{
    struct actor actor = {.kind = DS_ACTOR_console};
    open_console(&actor.held, name, worker);
    return actor;
}

/* Meters 0..2 go with book B1 of a reader of team north, meter 5 with book B2 of team south. */
static void lay_out_teams(void)
{
    struct ds_worker worker = {.presence = {0}};
    struct ds_meter meter = {.presence = {0}};
    DS_SET(&worker, worker, team, DS_SLICE_LIT("north"));
    (void)test_write(&station, &station.import, DS_REC_worker, &station.reader, &worker);
    DS_SET(&worker, worker, team, DS_SLICE_LIT("south"));
    (void)test_write(&station, &station.import, DS_REC_worker, &station.other_reader, &worker);
    DS_SET(&meter, meter, book, station.other_book);
    (void)test_write(&station, &station.import, DS_REC_meter, &station.meter[5], &meter);
}

static void subtree__a_role_for_a_team_holds_for_its_rounds_alone(void **state)
{
    struct ds_id north = ds_team_id(&station.station, DS_SLICE_LIT("north"));
    (void)state;
    lay_out_teams();
    struct ds_id lead = add_worker("T1", "north");
    struct actor desk = console_of("user:t1", &lead);
    assert_false(may_decide(&desk, 0));
    add_grant(&lead, DS_ROLE_supervisor, &north, 0, 0);
    assert_true(may_decide(&desk, 0));
    assert_true(may_edit(&desk, 0));
    assert_false(may_decide(&desk, 5));
    assert_false(may_edit(&desk, 5));
    /* The book goes to a reader of the other team: the round is no longer his. */
    struct ds_book book = {.presence = {0}};
    DS_SET(&book, book, assignee, station.other_reader);
    (void)test_write(&station, &station.import, DS_REC_book, &station.book, &book);
    assert_false(may_decide(&desk, 0));
    DS_SET(&book, book, assignee, station.reader);
    (void)test_write(&station, &station.import, DS_REC_book, &station.book, &book);
    assert_true(may_decide(&desk, 0));
    test_forget(&station);
}

static void subtree__a_fact_of_the_field_counts_wherever_it_happened(void **state)
{
    struct ds_id north = ds_team_id(&station.station, DS_SLICE_LIT("north"));
    struct ds_reading reading = {.presence = {0}};
    (void)state;
    struct ds_id walker = add_worker("T2", "north");
    struct actor hand = {.kind = DS_ACTOR_handheld};
    test_device_enrol(&station, &walker, 60, &hand.device);
    DS_SET(&reading, reading, meter, station.meter[5]);
    DS_SET(&reading, reading, period, TEST_PERIOD);
    DS_SET(&reading, reading, index, 77);
    DS_SET(&reading, reading, instant_ms, station.now_ms);
    DS_SET(&reading, reading, method, DS_METHOD_on_site);
    struct ds_id op = send(&hand, DS_REC_reading, NULL, &reading);
    assert_true(was_forbidden(&op));
    add_grant(&walker, DS_ROLE_reader, &north, 0, 0);
    op = send(&hand, DS_REC_reading, NULL, &reading);
    assert_false(was_forbidden(&op));
    assert_true(may_edit(&hand, 0));
    assert_false(may_edit(&hand, 5)); /* To change what is another team's is no fact. */
    test_forget(&station);
}

static void subtree__branch_and_company_reach_their_stations_alone(void **state)
{
    struct ds_station own = {.presence = {0}};
    (void)state;
    DS_SET(&own, station, company, DS_SLICE_LIT("gas"));
    DS_SET(&own, station, branch, DS_SLICE_LIT("east"));
    (void)test_write(&station, &station.import, DS_REC_station, &station.station, &own);
    const struct {
        struct ds_id unit;
        bool holds;
    } rows[] = {
        {ds_company_id(DS_SLICE_LIT("gas")), true},
        {ds_branch_id(DS_SLICE_LIT("gas"), DS_SLICE_LIT("east")), true},
        {ds_company_id(DS_SLICE_LIT("water")), false},
        {ds_branch_id(DS_SLICE_LIT("gas"), DS_SLICE_LIT("west")), false},
        {ds_branch_id(DS_SLICE_LIT("water"), DS_SLICE_LIT("east")), false},
        {ds_team_id(&station.station, DS_SLICE_LIT("east")), false},
        {station.station, true},
    };
    for (size_t i = 0; i < DS_COUNT(rows); i++) {
        char number[16];
        (void)snprintf(number, sizeof(number), "U%zu", i);
        struct ds_id worker = add_worker(number, NULL);
        struct actor desk = console_of(number, &worker);
        add_grant(&worker, DS_ROLE_supervisor, &rows[i].unit, 0, 0);
        assert_int_equal(may_decide(&desk, 0), rows[i].holds);
        uint16_t roles = 0;
        uint16_t team_roles = 0;
        struct ds_txn *txn = NULL;
        assert_int_equal(ds_store_begin(station.store, false, &txn), DS_OK);
        assert_int_equal(
            ds_roles_of(txn, &station.station, &worker, station.now_ms, &roles, &team_roles),
            DS_OK);
        ds_txn_abort(txn);
        assert_int_equal(roles, rows[i].holds ? 1U << DS_ROLE_supervisor : 0);
        assert_int_equal(team_roles, rows[i].holds ? 0 : 1U << DS_ROLE_supervisor);
    }
    test_forget(&station);
}

static void time__a_grant_holds_from_its_begin_to_before_its_end(void **state)
{
    const int64_t now = station.now_ms;
    const struct {
        int64_t from_ms;
        int64_t until_ms;
        bool holds;
    } rows[] = {{now, 0, true},           {now + 1, 0, false},  {0, now + 1, true},
                {0, now, false},          {now, now + 1, true}, {now + 5, now + 9, false},
                {now - 9, now - 5, false}};
    (void)state;
    for (size_t i = 0; i < DS_COUNT(rows); i++) {
        char number[16];
        (void)snprintf(number, sizeof(number), "V%zu", i);
        struct ds_id worker = add_worker(number, NULL);
        struct actor desk = console_of(number, &worker);
        add_grant(&worker, DS_ROLE_supervisor, &station.station, rows[i].from_ms, rows[i].until_ms);
        assert_int_equal(may_decide(&desk, 0), rows[i].holds);
    }
    test_forget(&station);
}

static void replay__all_of_it_folds_to_the_same(void **state)
{
    (void)state;
    test_replay(&station);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subtree__a_role_for_a_team_holds_for_its_rounds_alone),
        cmocka_unit_test(subtree__a_fact_of_the_field_counts_wherever_it_happened),
        cmocka_unit_test(subtree__branch_and_company_reach_their_stations_alone),
        cmocka_unit_test(time__a_grant_holds_from_its_begin_to_before_its_end),
        cmocka_unit_test(authority__each_cell_of_the_table_is_what_the_fold_does),
        cmocka_unit_test(replay__all_of_it_folds_to_the_same),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

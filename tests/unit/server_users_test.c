/* Console users: passwords, sessions, throttle, roles for a time. */
#include "sync/core/tables.h"
#include "tests/support/office.h"

#include <string.h>

static int open_office(void **state)
{
    static struct test_office office;

    *state = &office;
    test_office_open(&office, NULL);
    return 0;
}

static int close_office(void **state)
{
    test_office_close(*state);
    return 0;
}

static enum ds_err begin(struct test_office *o, const char *name, const char *password,
                         const char *address, char id[static DS_SESSION_TEXT_SIZE],
                         uint32_t *wait_s)
{
    struct ds_session session;

    return ds_session_begin(o->office.users, name, ds_slice_of_text(password), address, id,
                            &session, wait_s);
}

static void users__a_right_password_begins_a_session_with_the_workers_roles(void **state)
{
    struct test_office *o = *state;
    struct ds_session session;

    test_office_user(o, "boss", 1U << DS_ROLE_supervisor | 1U << DS_ROLE_auditor);
    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_OK);
    assert_int_equal(session.roles, 1U << DS_ROLE_supervisor | 1U << DS_ROLE_auditor);
    assert_string_equal(session.user.name, "boss");
    assert_int_equal(strlen(o->session), 43);
    assert_string_not_equal(o->session, o->token);
    ds_session_end(o->office.users, o->session);
    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_ERR_AUTH);
}

static void users__a_role_that_has_ended_is_none(void **state)
{
    struct test_office *o = *state;
    struct ds_role_grant grant = {.presence = {0}};
    struct ds_session session;

    test_office_user(o, "boss", 1U << DS_ROLE_supervisor);
    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_OK);
    const struct ds_id id =
        ds_grant_id(&o->site.station, &session.user.worker, DS_ROLE_supervisor, &o->site.station);

    DS_SET(&grant, role_grant, until_ms, TEST_OFFICE_NOW);
    const struct ds_office_actor system = {.name = "system", .kind = DS_ACTOR_system};

    test_office_write(o, &system, DS_REC_role_grant, &id, &grant, 0);
    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_OK);
    assert_int_equal(session.roles, 0);
    /* Adding the user with the role again lets it go on. */
    test_office_user(o, "boss", 1U << DS_ROLE_supervisor);
    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_OK);
    assert_int_equal(session.roles, 1U << DS_ROLE_supervisor);
}

static void users__wrong_password_unknown_user_and_removed_user_look_alike(void **state)
{
    struct test_office *o = *state;
    char id[DS_SESSION_TEXT_SIZE];
    uint32_t wait_s = 0;
    struct ds_session session;

    test_office_user(o, "boss", 0);
    assert_int_equal(begin(o, "boss", "wrong password", "a", id, &wait_s), DS_ERR_AUTH);
    assert_int_equal(begin(o, "nobody", TEST_PASSWORD, "a", id, &wait_s), DS_ERR_AUTH);
    assert_int_equal(begin(o, "", TEST_PASSWORD, "a", id, &wait_s), DS_ERR_AUTH);
    assert_int_equal(ds_user_remove(o->office.users, "boss"), DS_OK);
    assert_int_equal(begin(o, "boss", TEST_PASSWORD, "a", id, &wait_s), DS_ERR_AUTH);
    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_ERR_AUTH);
    assert_int_equal(ds_user_remove(o->office.users, "nobody"), DS_ERR_NOT_FOUND);
}

static void throttle__five_wrong_passwords_of_a_user_make_him_wait(void **state)
{
    struct test_office *o = *state;
    char id[DS_SESSION_TEXT_SIZE];
    uint32_t wait_s = 0;

    test_office_user(o, "boss", 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(begin(o, "boss", "wrong password", i % 2 != 0 ? "a" : "b", id, &wait_s),
                         DS_ERR_AUTH);
    }
    assert_int_equal(begin(o, "boss", TEST_PASSWORD, "c", id, &wait_s), DS_ERR_BUSY);
    assert_in_range(wait_s, 1, 60);
    /* Somebody else may go on from there. */
    test_office_user(o, "clerk", 0);
}

static void throttle__a_right_password_forgets_the_wrong_ones(void **state)
{
    struct test_office *o = *state;
    char id[DS_SESSION_TEXT_SIZE];
    uint32_t wait_s = 0;

    test_office_user(o, "boss", 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            assert_int_equal(begin(o, "boss", "wrong password", "a", id, &wait_s), DS_ERR_AUTH);
        }
        assert_int_equal(begin(o, "boss", TEST_PASSWORD, "b", id, &wait_s), DS_OK);
    }
}

static void throttle__an_address_waits_after_four_times_as_many(void **state)
{
    struct test_office *o = *state;
    char id[DS_SESSION_TEXT_SIZE];
    char name[16] = "user-a";
    uint32_t wait_s = 0;

    for (int i = 0; i < 20; i++) {
        name[5] = (char)('a' + i);
        assert_int_equal(begin(o, name, "wrong password", "a", id, &wait_s), DS_ERR_AUTH);
    }
    assert_int_equal(begin(o, "another", "wrong password", "a", id, &wait_s), DS_ERR_BUSY);
    assert_int_equal(begin(o, "another", "wrong password", "b", id, &wait_s), DS_ERR_AUTH);
}

static void users__names_and_passwords_have_limits_on_both_sides(void **state)
{
    static const struct {
        const char *name;
        size_t password;
        enum ds_err err;
    } cases[] = {
        {"a", 10, DS_OK},
        {"a", 9, DS_ERR_SCHEMA},
        {"a", 200, DS_OK},
        {"a", 201, DS_ERR_SCHEMA},
        {"", 10, DS_ERR_SCHEMA},
        {"a b", 10, DS_ERR_SCHEMA},
        {"a/b", 10, DS_ERR_SCHEMA},
        {"1234567890123456789012345678901234567890", 10, DS_OK},
        {"12345678901234567890123456789012345678901", 10, DS_ERR_SCHEMA},
    };
    struct test_office *o = *state;
    uint8_t password[256];
    const struct ds_id worker = {{1}};

    memset(password, 'x', sizeof(password));
    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        struct ds_detail detail = {""};

        assert_int_equal(ds_user_put(o->office.users, cases[i].name,
                                     (struct ds_slice){password, cases[i].password}, &worker,
                                     &detail),
                         cases[i].err);
        assert_int_equal(detail.text[0] != '\0', cases[i].err != DS_OK);
    }
}

static void users__are_listed_by_name_and_kept_over_a_restart(void **state)
{
    struct test_office *o = *state;
    const struct ds_argon_cost cheap = {1, 8192};
    struct ds_users *again = NULL;
    struct ds_user user = {.name = ""};

    test_office_user(o, "b", 0);
    test_office_user(o, "a", 0);
    test_office_user(o, "ab", 0);
    assert_int_equal(ds_users_open(&o->site, &cheap, &again), DS_OK);
    static const char *const names[] = {"a", "ab", "b"};

    for (size_t i = 0; i < DS_COUNT(names); i++) {
        assert_int_equal(ds_user_next(again, user.name, &user), DS_OK);
        assert_string_equal(user.name, names[i]);
        assert_true(user.active);
    }
    assert_int_equal(ds_user_next(again, user.name, &user), DS_ERR_NOT_FOUND);
    /* Sessions end with the process. */
    struct ds_session session;

    assert_int_equal(ds_session_find(again, o->session, &session), DS_ERR_AUTH);
    ds_users_close(again);
}

static void sessions__an_idle_one_ends(void **state)
{
    struct test_office *o = *state;
    struct ds_session session;

    test_office_user(o, "boss", 0);
    o->site.config.session_idle_min = 0;
    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_ERR_AUTH);
    o->site.config.session_idle_min = 30;
    /* It is gone, not asleep. */
    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_ERR_AUTH);
}

static int64_t minutes;

static int64_t fake_monotonic_ms(void *context)
{
    (void)context;
    return minutes * 60000;
}

static void sessions__use_prolongs_them_looking_does_not_and_12_hours_end_them(void **state)
{
    struct test_office *o = *state;
    struct ds_users *users = o->office.users;
    struct ds_session session;

    o->site.clock.monotonic_ms = fake_monotonic_ms;
    minutes = 0;
    test_office_user(o, "boss", 0);
    minutes = 20;
    assert_int_equal(ds_session_find(users, o->session, &session), DS_OK);
    minutes = 49;
    assert_int_equal(ds_session_peek(users, o->session, &session), DS_OK);
    minutes = 50;
    assert_int_equal(ds_session_peek(users, o->session, &session), DS_ERR_AUTH);
    test_office_login(o, "boss");
    for (minutes = 50; minutes < 50 + 12 * 60; minutes += 15) {
        assert_int_equal(ds_session_find(users, o->session, &session), DS_OK);
    }
    assert_int_equal(ds_session_find(users, o->session, &session), DS_ERR_AUTH);
}

static void sessions__beyond_1024_the_oldest_gives_way(void **state)
{
    struct test_office *o = *state;
    char id[DS_SESSION_TEXT_SIZE];
    uint32_t wait_s = 0;
    struct ds_session session;

    test_office_user(o, "boss", 0);
    for (int i = 0; i < DS_SESSIONS_MAX - 1; i++) {
        assert_int_equal(begin(o, "boss", TEST_PASSWORD, "a", id, &wait_s), DS_OK);
    }
    assert_int_equal(ds_session_count(o->office.users), DS_SESSIONS_MAX);
    assert_int_equal(begin(o, "boss", TEST_PASSWORD, "a", id, &wait_s), DS_OK);
    assert_int_equal(ds_session_count(o->office.users), DS_SESSIONS_MAX);
    assert_int_equal(ds_session_find(o->office.users, id, &session), DS_OK);
    assert_int_equal(ds_session_find(o->office.users, o->session, &session), DS_ERR_AUTH);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, open_office, close_office)
    const struct CMUnitTest tests[] = {
        ONE(users__a_right_password_begins_a_session_with_the_workers_roles),
        ONE(users__a_role_that_has_ended_is_none),
        ONE(users__wrong_password_unknown_user_and_removed_user_look_alike),
        ONE(throttle__five_wrong_passwords_of_a_user_make_him_wait),
        ONE(throttle__a_right_password_forgets_the_wrong_ones),
        ONE(throttle__an_address_waits_after_four_times_as_many),
        ONE(users__names_and_passwords_have_limits_on_both_sides),
        ONE(users__are_listed_by_name_and_kept_over_a_restart),
        ONE(sessions__an_idle_one_ends),
        ONE(sessions__use_prolongs_them_looking_does_not_and_12_hours_end_them),
        ONE(sessions__beyond_1024_the_oldest_gives_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

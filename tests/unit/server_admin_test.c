/* The back door: the same requests with a daemon and without, over a real station folder. */
#include "schema/base/text.h"
#include "server/admin.h"
#include "server/backup.h"
#include "server/outbox.h"
#include "sync/core/tables.h"
#include "tests/support/scratch.h"

#include <stdlib.h>

#define CLOCK_MS INT64_C(1767930000000)

struct fixture {
    struct scratch scratch;
    char dir[SCRATCH_PATH_SIZE];
    struct ds_admin *admin;
    json_t *answer;
    struct ds_detail detail;
    /* A daemon in this process. */
    struct ds_site site;
    struct ds_office office;
    struct ds_admin_server *server;
};

static void make_station(struct ds_station *station, bool sample)
{
    memset(station, 0, sizeof(*station));
    DS_SET(station, station, number, DS_SLICE_LIT("T1"));
    DS_SET(station, station, name, DS_SLICE_LIT("测试站"));
    DS_SET(station, station, offset_min, 480);
    DS_SET(station, station, billing_authority, DS_AUTHORITY_central);
    if (sample) {
        DS_SET(station, station, sample, 1);
    }
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    struct ds_station station;

    memset(f, 0, sizeof(*f));
    scratch_make(&f->scratch);
    scratch_join(&f->scratch, "st", f->dir);
    make_station(&station, true);
    if (ds_site_init(f->dir, &station, CLOCK_MS, &f->detail) != DS_OK) {
        fail_msg("%s", f->detail.text);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    json_decref(f->answer);
    ds_admin_close(f->admin);
    if (f->server != NULL) {
        ds_admin_server_stop(f->server);
        ds_office_close(&f->office);
        ds_site_close(&f->site);
    }
    scratch_remove(&f->scratch);
    return 0;
}

static void open_admin(struct fixture *f)
{
    if (ds_admin_open(f->dir, &f->admin, &f->detail) != DS_OK) {
        fail_msg("%s", f->detail.text);
    }
}

static enum ds_err ask(struct fixture *f, const char *request)
{
    json_t *parsed = json_loads(request, JSON_REJECT_DUPLICATES, NULL);

    if (parsed == NULL) {
        fail_msg("not JSON: %s", request);
    }
    json_decref(f->answer);
    f->answer = NULL;
    f->detail.text[0] = '\0';
    enum ds_err err = ds_admin_call(f->admin, parsed, &f->answer, &f->detail);

    json_decref(parsed);
    return err;
}

static void ask_well(struct fixture *f, const char *request)
{
    if (ask(f, request) != DS_OK) {
        fail_msg("%s: %s", request, f->detail.text);
    }
}

static long long number(struct fixture *f, const char *name)
{
    const json_t *value = json_object_get(f->answer, name);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static const char *word(struct fixture *f, const char *name)
{
    const char *value = json_string_value(json_object_get(f->answer, name));

    assert_non_null(value);
    return value;
}

static const char *hex(const struct ds_id *id)
{
    static char text[4][40];
    static unsigned next;
    struct ds_builder out;
    char *into = text[next++ % 4];

    ds_builder_init(&out, into, 40);
    ds_put_hex(&out, DS_SLICE_OF(*id));
    return ds_builder_text(&out);
}

/* The requests go the same way with a daemon and without. */
static void serve_everything(struct fixture *f)
{
    char request[1024];
    const struct ds_id station = ds_station_id(DS_SLICE_LIT("T1"));
    const struct ds_id account = ds_numbered_id(&station, DS_REC_account, DS_SLICE_LIT("A1"));

    ask_well(f, "{\"do\":\"ping\"}");
    ask_well(f, "{\"do\":\"station\"}");
    assert_string_equal(word(f, "id"), hex(&station));
    assert_string_equal(word(f, "number"), "T1");
    assert_int_equal(number(f, "offset_min"), 480);
    assert_int_equal(strlen(word(f, "root")), 64);
    long long size = number(f, "size");

    /* An import: one good, one with a personal field, one wrong. */
    (void)snprintf(request, sizeof(request),
                   "{\"do\":\"import\",\"drafts\":["
                   "{\"type\":\"code\",\"id\":\"%032d\",\"fields\":{\"list\":\"reason\","
                   "\"number\":\"1\"}},"
                   "{\"type\":\"account\",\"id\":\"%s\",\"fields\":{\"number\":\"A1\","
                   "\"name\":\"张三\",\"class\":\"residential\"}},"
                   "{\"type\":\"account\",\"id\":\"%032d\",\"fields\":{\"number\":\"A2\","
                   "\"class\":\"royal\"}}]}",
                   1, hex(&account), 3);
    ask_well(f, request);
    assert_int_equal(number(f, "written"), 2);
    assert_int_equal(number(f, "unchanged"), 0);
    assert_true(number(f, "position") > size);
    const json_t *items = json_object_get(f->answer, "items");

    assert_int_equal(json_array_size(items), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(items, 0), "index")), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(items, 0), "error")),
                        "DS_ERR_SCHEMA");
    /* Again: nothing is written. */
    ask_well(f, request);
    assert_int_equal(number(f, "written"), 0);
    assert_int_equal(number(f, "unchanged"), 2);
    /* Rows come back with the personal field in clear. */
    ask_well(f, "{\"do\":\"rows\",\"type\":\"account\"}");
    const json_t *rows = json_object_get(f->answer, "rows");

    assert_int_equal(json_array_size(rows), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "name")),
                        "张三");
    assert_null(json_object_get(f->answer, "next"));
    /* People and devices. */
    ask_well(f, "{\"do\":\"user_add\",\"name\":\"boss\",\"password\":\"correct horse\","
                "\"roles\":[\"admin\",\"supervisor\"]}");
    ask_well(f, "{\"do\":\"user_list\"}");
    const json_t *users = json_object_get(f->answer, "users");

    assert_int_equal(json_array_size(users), 1);
    assert_int_equal(json_array_size(json_object_get(json_array_get(users, 0), "roles")), 2);
    ask_well(f, "{\"do\":\"code\",\"worker\":\"boss\"}");
    assert_int_equal(strncmp(word(f, "text"), "DS1:", 4), 0);
    /* Proofs. */
    ask_well(f, "{\"do\":\"verify\"}");
    ask_well(f, "{\"do\":\"digest\"}");
    char *digest = strdup(word(f, "digest"));

    ask_well(f, "{\"do\":\"rebuild\"}");
    assert_true(json_is_true(json_object_get(f->answer, "equal")));
    assert_string_equal(word(f, "made"), digest);
    free(digest);
    ask_well(f, "{\"do\":\"scrub\"}");
    assert_int_equal(number(f, "bad"), 0);
    assert_true(number(f, "values") > 10);
    ask_well(f, "{\"do\":\"clock\",\"instant_ms\":1768000000000}");
    assert_in_range(number(f, "now_ms"), 1768000000000, 1768000060000);
}

static void refuse_everything_wrong(struct fixture *f)
{
    static const struct {
        const char *request;
        enum ds_err err;
        const char *detail;
    } cases[] = {
        {"{\"do\":\"nothing\"}", DS_ERR_USAGE, "do: there is no such request"},
        {"{}", DS_ERR_USAGE, "do: a string is needed"},
        {"{\"do\":\"rows\",\"type\":\"colour\"}", DS_ERR_USAGE, "type: a record"},
        {"{\"do\":\"rows\",\"type\":\"meter\",\"limit\":1001}", DS_ERR_USAGE, "type: a record"},
        {"{\"do\":\"code\",\"worker\":\"R9\"}", DS_ERR_NOT_FOUND, "worker: none of that number"},
        {"{\"do\":\"import\",\"drafts\":{}}", DS_ERR_USAGE, "drafts: an array"},
        {"{\"do\":\"import\",\"actor\":\"boss\",\"drafts\":[]}", DS_ERR_USAGE, "actor: import"},
        {"{\"do\":\"user_add\",\"name\":\"a b\",\"password\":\"correct horse\"}", DS_ERR_SCHEMA,
         "user: a name"},
        {"{\"do\":\"user_add\",\"name\":\"a\",\"password\":\"correct horse\",\"roles\":[\"king\"]}",
         DS_ERR_USAGE, "roles: no such role"},
        {"{\"do\":\"user_remove\",\"name\":\"nobody\"}", DS_ERR_NOT_FOUND,
         "user nobody: there is no such user"},
        {"{\"do\":\"epoch\",\"user\":\"nobody\"}", DS_ERR_NOT_FOUND, "user: there is no such user"},
        {"{\"do\":\"bundle\",\"file\":\"/nowhere\"}", DS_ERR_NOT_FOUND, "/nowhere: cannot"},
        {"{\"do\":\"statement\",\"consumer\":\"tax\",\"day\":\"2026-01-09\"}", DS_ERR_USAGE,
         "consumer: billing or gis"},
        {"{\"do\":\"clock\",\"instant_ms\":\"noon\"}", DS_ERR_USAGE, "instant_ms: a number"},
    };

    for (size_t i = 0; i < DS_COUNT(cases); i++) {
        enum ds_err err = ask(f, cases[i].request);

        if (err != cases[i].err ||
            strncmp(f->detail.text, cases[i].detail, strlen(cases[i].detail)) != 0) {
            fail_msg("%s: %s %s", cases[i].request, ds_err_name(err), f->detail.text);
        }
    }
}

static void admin__without_a_daemon_a_command_serves_itself(void **state)
{
    struct fixture *f = *state;
    struct ds_admin *second = NULL;

    open_admin(f);
    assert_false(ds_admin_is_daemon(f->admin));
    assert_non_null(ds_admin_site(f->admin));
    serve_everything(f);
    refuse_everything_wrong(f);
    /* And holds the station meanwhile. */
    assert_int_equal(ds_admin_open(f->dir, &second, &f->detail), DS_ERR_LOCKED);
}

static void start_daemon(struct fixture *f)
{
    const struct ds_argon_cost cheap = {1, 8192};
    const struct ds_office_options options = {.argon = &cheap, .log_fd = -1};

    assert_int_equal(ds_site_open(&f->site, f->dir, NULL, &f->detail), DS_OK);
    assert_int_equal(ds_office_open(&f->office, &f->site, &options, &f->detail), DS_OK);
    assert_int_equal(ds_admin_serve(&f->office, &f->server, &f->detail), DS_OK);
}

static void admin__with_a_daemon_the_same_requests_go_through_its_socket(void **state)
{
    struct fixture *f = *state;
    char path[SCRATCH_PATH_SIZE];
    struct stat status;
    struct ds_admin *second = NULL;

    start_daemon(f);
    open_admin(f);
    assert_true(ds_admin_is_daemon(f->admin));
    assert_null(ds_admin_site(f->admin));
    scratch_join(&f->scratch, "st/admin.sock", path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    serve_everything(f);
    refuse_everything_wrong(f);
    /* Several at a time. */
    assert_int_equal(ds_admin_open(f->dir, &second, &f->detail), DS_OK);
    assert_true(ds_admin_is_daemon(second));
    ds_admin_close(second);
    ask_well(f, "{\"do\":\"ping\"}");
    /* A daemon that goes away is noticed, and its socket goes with it. */
    ds_admin_server_stop(f->server);
    ds_office_close(&f->office);
    ds_site_close(&f->site);
    f->server = NULL;
    assert_int_equal(ask(f, "{\"do\":\"ping\"}"), DS_ERR_UNREACHABLE);
    assert_int_not_equal(stat(path, &status), 0);
}

static void admin__a_line_beyond_1_mib_is_refused(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(DS_ADMIN_LINE_MAX + 64);

    assert_non_null(text);
    start_daemon(f);
    open_admin(f);
    int used = snprintf(text, 64, "{\"do\":\"");

    memset(text + used, 'x', DS_ADMIN_LINE_MAX);
    memcpy(text + used + DS_ADMIN_LINE_MAX, "\"}", 3);
    assert_int_equal(ask(f, text), DS_ERR_LIMIT);
    free(text);
    ask_well(f, "{\"do\":\"ping\"}");
}

static void admin__rows_come_in_pages(void **state)
{
    struct fixture *f = *state;
    char request[256];
    size_t seen = 0;
    char after[48] = "";

    open_admin(f);
    for (int i = 1; i <= 7; i++) {
        (void)snprintf(request, sizeof(request),
                       "{\"do\":\"import\",\"drafts\":[{\"type\":\"code\",\"id\":\"%032d\","
                       "\"fields\":{\"list\":\"l\",\"number\":\"%d\"}}]}",
                       i, i);
        ask_well(f, request);
    }
    for (int page = 0; page < 3; page++) {
        (void)snprintf(request, sizeof(request),
                       "{\"do\":\"rows\",\"type\":\"code\",\"limit\":3%s%s%s}",
                       page > 0 ? ",\"after\":\"" : "", after, page > 0 ? "\"" : "");
        ask_well(f, request);
        seen += json_array_size(json_object_get(f->answer, "rows"));
        if (page < 2) {
            (void)snprintf(after, sizeof(after), "%s", word(f, "next"));
        }
    }
    assert_int_equal(seen, 7);
    assert_null(json_object_get(f->answer, "next"));
}

static void admin__an_event_is_not_doubled_by_repeating_its_file(void **state)
{
    struct fixture *f = *state;
    const struct ds_id station = ds_station_id(DS_SLICE_LIT("T1"));
    const struct ds_id meter = ds_meter_id(&station, DS_SLICE_LIT("M"), DS_SLICE_LIT("1"));
    char request[1024];

    open_admin(f);
    (void)snprintf(request, sizeof(request),
                   "{\"do\":\"import\",\"drafts\":[{\"type\":\"meter\",\"id\":\"%s\",\"fields\":"
                   "{\"manufacturer\":\"M\",\"meter_no\":\"1\"}}]}",
                   hex(&meter));
    ask_well(f, request);
    for (int round = 0; round < 3; round++) {
        (void)snprintf(request, sizeof(request),
                       "{\"do\":\"import\",\"repeat\":\"%s\",\"drafts\":[{\"type\":\"reading\","
                       "\"fields\":{\"meter\":\"%s\",\"period\":202601,\"index\":5,\"instant_ms\":"
                       "1767900000000,\"method\":\"on_site\"}}]}",
                       round < 2 ? "skip" : "write", hex(&meter));
        ask_well(f, request);
        assert_int_equal(number(f, "written"), round != 1);
        assert_int_equal(
            strlen(json_string_value(json_array_get(json_object_get(f->answer, "ids"), 0))), 32);
    }
    /* One field more is another event. */
    (void)snprintf(request, sizeof(request),
                   "{\"do\":\"import\",\"drafts\":[{\"type\":\"reading\",\"fields\":{\"meter\":"
                   "\"%s\",\"period\":202601,\"index\":5,\"instant_ms\":1767900000000,"
                   "\"method\":\"on_site\",\"note\":\"x\"}}]}",
                   hex(&meter));
    ask_well(f, request);
    assert_int_equal(number(f, "written"), 1);
    ask_well(f, "{\"do\":\"rows\",\"type\":\"reading\"}");
    assert_int_equal(json_array_size(json_object_get(f->answer, "rows")), 3);
}

static void restore__a_backup_becomes_a_station_of_the_next_epoch(void **state)
{
    struct fixture *f = *state;
    char request[SCRATCH_PATH_SIZE + 64];
    char backup[SCRATCH_PATH_SIZE];
    char again[SCRATCH_PATH_SIZE];

    scratch_join(&f->scratch, "backup", backup);
    scratch_join(&f->scratch, "again", again);
    open_admin(f);
    ask_well(f, "{\"do\":\"user_add\",\"name\":\"boss\",\"password\":\"correct horse\","
                "\"roles\":[\"admin\"]}");
    ask_well(f, "{\"do\":\"user_add\",\"name\":\"clerk\",\"password\":\"correct horse\","
                "\"roles\":[\"clerk\"]}");
    ask_well(f, "{\"do\":\"digest\"}");
    char *digest = strdup(word(f, "digest"));
    long long size = number(f, "size");

    (void)snprintf(request, sizeof(request), "{\"do\":\"backup\",\"to\":\"%s\"}", backup);
    ask_well(f, request);
    assert_int_equal(ask(f, request), DS_ERR_EXISTS);
    ask_well(f, "{\"do\":\"user_add\",\"name\":\"late\",\"password\":\"correct horse\"}");
    ds_admin_close(f->admin);
    f->admin = NULL;
    struct ds_backup found;
    assert_int_equal(ds_backup_restore(backup, again, 0, &found, &f->detail), DS_OK);
    assert_int_equal(found.size, size);
    assert_int_equal(ds_backup_restore(backup, again, 0, &found, &f->detail), DS_ERR_EXISTS);
    memcpy(f->dir, again, sizeof(again));
    open_admin(f);
    ask_well(f, "{\"do\":\"digest\"}");
    assert_string_equal(word(f, "digest"), digest);
    free(digest);
    /* Only an administrator may declare it, whom the journal knows: what would have to be written
     * to make him known would count as kept. */
    struct ds_users *users = NULL;
    struct ds_user boss = {.name = ""};
    assert_int_equal(ds_users_open(ds_admin_site(f->admin), NULL, &users), DS_OK);
    while (strcmp(boss.name, "boss") != 0) {
        assert_int_equal(ds_user_next(users, boss.name, &boss), DS_OK);
    }
    assert_int_equal(
        ds_user_put(users, "ghost", DS_SLICE_LIT("correct horse"), &boss.worker, &f->detail),
        DS_OK);
    ds_users_close(users);
    assert_int_equal(ask(f, "{\"do\":\"epoch\",\"user\":\"ghost\"}"), DS_ERR_FORBIDDEN);
    assert_non_null(strstr(f->detail.text, "not known to this journal"));
    assert_int_equal(ask(f, "{\"do\":\"epoch\",\"user\":\"clerk\"}"), DS_ERR_FORBIDDEN);
    ask_well(f, "{\"do\":\"epoch\",\"user\":\"boss\"}");
    assert_int_equal(number(f, "epoch"), 2);
    assert_int_equal(number(f, "kept_size"), size);
    ask_well(f, "{\"do\":\"verify\"}");
}

static void site__a_folder_that_is_no_station_or_in_use_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[SCRATCH_PATH_SIZE];
    struct ds_station station;
    struct ds_site *site = malloc(sizeof(*site));

    assert_non_null(site);
    make_station(&station, true);
    assert_int_equal(ds_site_init(f->dir, &station, 0, &f->detail), DS_ERR_EXISTS);
    scratch_join(&f->scratch, "nothing", path);
    assert_int_equal(ds_admin_open(path, &f->admin, &f->detail), DS_ERR_NOT_FOUND);
    /* Keys that others may read are not used. */
    scratch_join(&f->scratch, "st/keys/server.keys", path);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(ds_site_open(site, f->dir, NULL, &f->detail), DS_ERR_FORBIDDEN);
    assert_int_equal(chmod(path, 0600), 0);
    /* Nor damaged ones. */
    FILE *file = fopen(path, "r+");

    assert_non_null(file);
    assert_int_equal(fseek(file, 40, SEEK_SET), 0);
    int byte = fgetc(file);

    assert_int_equal(fseek(file, 40, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ 1, file), EOF);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(ds_site_open(site, f->dir, NULL, &f->detail), DS_ERR_INTEGRITY);
    file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 40, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte, file), EOF);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(ds_site_open(site, f->dir, NULL, &f->detail), DS_OK);
    ds_site_close(site);
    free(site);
}

static void site__only_a_sample_station_has_a_settable_clock(void **state)
{
    struct fixture *f = *state;
    struct ds_station station;
    struct ds_site *site = malloc(sizeof(*site));
    const struct ds_site_options options = {.clock_ms = CLOCK_MS + 86400000};
    char path[SCRATCH_PATH_SIZE];

    assert_non_null(site);
    assert_int_equal(ds_site_open(site, f->dir, &options, &f->detail), DS_OK);
    assert_in_range(site->clock.now_ms(site->clock.context), CLOCK_MS + 86400000,
                    CLOCK_MS + 86460000);
    ds_site_close(site);
    scratch_join(&f->scratch, "real", path);
    make_station(&station, false);
    assert_int_equal(ds_site_init(path, &station, CLOCK_MS, &f->detail), DS_ERR_FORBIDDEN);
    assert_int_equal(ds_site_init(path, &station, 0, &f->detail), DS_OK);
    assert_int_equal(ds_site_open(site, path, &options, &f->detail), DS_ERR_FORBIDDEN);
    assert_int_equal(ds_site_open(site, path, NULL, &f->detail), DS_OK);
    assert_int_equal(ds_site_set_clock(site, CLOCK_MS, &f->detail), DS_ERR_FORBIDDEN);
    ds_site_close(site);
    free(site);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ONE(admin__without_a_daemon_a_command_serves_itself),
        ONE(admin__with_a_daemon_the_same_requests_go_through_its_socket),
        ONE(admin__a_line_beyond_1_mib_is_refused),
        ONE(admin__rows_come_in_pages),
        ONE(admin__an_event_is_not_doubled_by_repeating_its_file),
        ONE(restore__a_backup_becomes_a_station_of_the_next_epoch),
        ONE(site__a_folder_that_is_no_station_or_in_use_is_refused),
        ONE(site__only_a_sample_station_has_a_settable_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

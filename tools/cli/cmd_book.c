/* period open, period close, book assign. */
#include "schema/base/text.h"
#include "sync/core/authority.h"
#include "sync/core/tables.h"
#include "tools/cli/commands.h"
#include "tools/cli/import_periods.h"
#include "tools/cli/state.h"

#include <stdlib.h>
#include <string.h>

#define BOOKS_MAX 4096
#define ARENA_SIZE (64 * 1024)

struct books {
    struct ds_state state;
    struct ds_arena arena;
    struct ds_id books[BOOKS_MAX];
    size_t count;
    struct ds_planned planned;
};

static enum ds_err load_record(void *context, uint8_t type, const struct ds_id *id,
                               struct ds_arena *arena, void *record)
{
    return ds_state_load(context, type, id, arena, record);
}

static enum ds_err books_open(struct ds_cli *cli, struct books **books, struct ds_detail *detail)
{
    struct books *made = calloc(1, sizeof(*made));
    void *memory = malloc(ARENA_SIZE);
    if (made == NULL || memory == NULL) {
        free(made);
        free(memory);
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&made->arena, memory, ARENA_SIZE);
    enum ds_err err = ds_state_open(&made->state, cli->position[0], detail);
    if (err != DS_OK) {
        free(memory);
        free(made);
        return err;
    }
    *books = made;
    return DS_OK;
}

static void books_close(struct books *books)
{
    if (books != NULL) {
        ds_state_close(&books->state);
        free(books->arena.base);
        free(books);
    }
}

static enum ds_err add_book(struct books *books, const char *number, struct ds_detail *detail)
{
    struct ds_book book;
    struct ds_id id = ds_numbered_id(&books->state.station, DS_REC_book, ds_slice_of_text(number));
    ds_arena_reset(&books->arena);
    enum ds_err err = ds_state_load(&books->state, DS_REC_book, &id, &books->arena, &book);
    if (err == DS_ERR_NOT_FOUND) {
        ds_detail_set(detail, "book ", number, NULL);
    }
    books->books[books->count++] = id;
    return err;
}

static enum ds_err add_all_books(struct books *books, struct ds_detail *detail)
{
    struct ds_key key = ds_link_first(DS_LINK_STATION_BOOK, &books->state.station);
    DS_TRY(ds_state_begin(&books->state));
    for (;;) {
        uint32_t order = 0;
        uint8_t type = 0;
        struct ds_id id;
        enum ds_err err = ds_link_next(books->state.txn, &key, &order, &id, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        if (books->count == BOOKS_MAX) {
            ds_detail_set(detail, "more than 4096 books", NULL);
            return DS_ERR_LIMIT;
        }
        books->books[books->count++] = id;
    }
}

/* ---- What stands in a book ---- */

struct count {
    uint64_t meters;
    uint64_t unread;
    uint64_t held;
};

/* A meter counts as read if one of its registers is. */
static enum ds_err count_meter(struct books *books, const struct ds_id *meter, int64_t period,
                               struct count *count)
{
    bool read = false;
    bool held = false;
    for (int64_t kind = 1; kind <= ds_enum_last(DS_LIST_register); kind++) {
        struct ds_slot slot;
        struct ds_id id = ds_slot_id(&books->state.station, meter, (uint8_t)kind, (uint32_t)period);
        ds_arena_reset(&books->arena);
        enum ds_err err = ds_state_load(&books->state, DS_REC_slot, &id, &books->arena, &slot);
        if (err == DS_ERR_NOT_FOUND) {
            continue;
        }
        DS_TRY(err);
        read = read || slot.state != DS_SLOT_empty;
        held = held || slot.state == DS_SLOT_held || slot.state == DS_SLOT_decided_new_evidence;
    }
    count->meters++;
    count->unread += !read;
    count->held += held;
    return DS_OK;
}

static enum ds_err count_book(struct books *books, const struct ds_id *book, int64_t period,
                              struct count *count)
{
    struct ds_key key = ds_link_first(DS_LINK_BOOK_METER, book);
    *count = (struct count){.meters = 0};
    DS_TRY(ds_state_begin(&books->state));
    for (;;) {
        uint32_t order = 0;
        uint8_t type = 0;
        struct ds_id meter;
        enum ds_err err = ds_link_next(books->state.txn, &key, &order, &meter, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(count_meter(books, &meter, period, count));
    }
}

/* Its number, for people. */
static void book_number(struct books *books, const struct ds_id *id, char text[static 48])
{
    struct ds_book book;
    ds_arena_reset(&books->arena);
    text[0] = '\0';
    if (ds_state_load(&books->state, DS_REC_book, id, &books->arena, &book) == DS_OK) {
        snprintf(text, 48, "%.*s", (int)book.number.size, (const char *)book.number.data);
    }
}

/* ---- Steps of a period ---- */

struct stepping {
    struct ds_cli *cli;
    struct books *books;
    struct ds_station_port port;
    struct ds_period to;
    bool go[BOOKS_MAX]; /* The book takes the step. */
    size_t going;
    size_t same;        /* Books that are there already. */
    size_t never;       /* Closing: books that never had this period. */
    size_t past;        /* Opening: books whose period is closed, which is for ever. */
    struct count count; /* Closing: of the books that take the step. */
    size_t unread_books;
    uint64_t written;
};

/* Which books take the step, and which cannot; nothing is written. */
static enum ds_err look_at_book(struct stepping *s, size_t i)
{
    const struct ds_id *book = &s->books->books[i];
    const bool closing = s->to.state == DS_PERIOD_reading_closed;
    struct count count;
    char number[48];
    int64_t state = 0;
    ds_arena_reset(&s->books->arena);
    DS_TRY(ds_period_now(&s->port, &s->books->arena, book, (int32_t)s->to.period, &state));
    s->same += state == s->to.state || (closing && state > s->to.state);
    s->never += closing && state == 0;
    s->past += !closing && state > s->to.state;
    s->go[i] = closing ? state == DS_PERIOD_open : state == 0;
    s->going += s->go[i];
    book_number(s->books, book, number);
    if (!closing && state > s->to.state) {
        ds_cli_note(s->cli, "book %s: period %lld is %s; that is for good", number,
                    (long long)s->to.period, ds_enum_name(DS_LIST_period_state, state));
    }
    if (!closing || !s->go[i]) {
        return DS_OK;
    }
    DS_TRY(count_book(s->books, book, s->to.period, &count));
    s->count.meters += count.meters;
    s->count.unread += count.unread;
    s->count.held += count.held;
    s->unread_books += count.unread > 0;
    if (count.unread > 0 || count.held > 0) {
        ds_cli_note(s->cli, "book %s: %llu of %llu meters are unread, %llu are held", number,
                    (unsigned long long)count.unread, (unsigned long long)count.meters,
                    (unsigned long long)count.held);
    }
    return DS_OK;
}

static enum ds_err step_book(struct stepping *s, size_t i, struct ds_detail *detail)
{
    struct books *books = s->books;
    json_t *drafts = json_array();
    ds_arena_reset(&books->arena);
    books->planned.count = 0;
    DS_SET(&s->to, period, book, books->books[i]);
    enum ds_err err = ds_step_period(&s->port, &books->arena, &s->to, &books->planned);
    for (size_t k = 0; k < books->planned.count; k++) {
        json_array_append_new(drafts, books->planned.drafts[k]);
    }
    books->planned.count = 0;
    if (err != DS_OK || json_array_size(drafts) == 0) {
        json_decref(drafts);
        return err;
    }
    return ds_state_write(&books->state, drafts, &s->written, detail);
}

/* Why the step is not taken at all; DS_OK: it is. */
static enum ds_err refuse_step(const struct stepping *s, struct ds_detail *detail)
{
    const char *period = ds_cli_value(s->cli, "period");
    if (s->going == 0 && s->never > 0 && s->same == 0) {
        ds_detail_set(detail, "period ", period, " was never opened; nothing was closed", NULL);
        return DS_ERR_NOT_FOUND;
    }
    if (s->going == 0 && s->past > 0 && s->same == 0) {
        ds_detail_set(detail, "period ", period, " is closed; a closed period is not opened again",
                      NULL);
        return DS_ERR_CONFLICT;
    }
    if (s->unread_books > 0 && !ds_cli_given(s->cli, "unread-too")) {
        ds_detail_set(detail,
                      "meters are unread, and a closed period is not opened again; "
                      "nothing was closed. Close it all the same with --unread-too",
                      NULL);
        return DS_ERR_CONFLICT;
    }
    return DS_OK;
}

static enum ds_err step_books(struct stepping *s, struct ds_detail *detail)
{
    struct books *books = s->books;
    for (size_t i = 0; i < books->count; i++) {
        DS_TRY(look_at_book(s, i));
    }
    DS_TRY(refuse_step(s, detail));
    for (size_t i = 0; i < books->count; i++) {
        if (s->go[i]) {
            DS_TRY(step_book(s, i, detail));
        }
    }
    return DS_OK;
}

static enum ds_err take_period(struct stepping *s, int64_t state, struct ds_detail *detail)
{
    struct ds_date due;
    int64_t period = 0;
    const char *text = ds_cli_value(s->cli, "period");
    if (ds_int_parse(ds_slice_of_text(text), &period) != DS_OK || !ds_period_ok(period)) {
        ds_detail_set(detail, "--period ", text, ": not a month like 202601", NULL);
        return DS_ERR_USAGE;
    }
    if (state == DS_PERIOD_open && ds_cli_given(s->cli, "due")) {
        const char *day = ds_cli_value(s->cli, "due");
        if (ds_date_parse(ds_slice_of_text(day), &due) != DS_OK) {
            ds_detail_set(detail, "--due ", day, ": not a date like 2026-01-31", NULL);
            return DS_ERR_USAGE;
        }
        DS_SET(&s->to, period, due_day, ds_date_to_days(due));
    }
    DS_SET(&s->to, period, period, period);
    DS_SET(&s->to, period, state, state);
    return ds_cli_given(s->cli, "all") ? add_all_books(s->books, detail)
                                       : add_book(s->books, ds_cli_value(s->cli, "book"), detail);
}

static void tell_step(const struct stepping *s)
{
    struct ds_cli *cli = s->cli;
    const bool closing = s->to.state == DS_PERIOD_reading_closed;
    ds_cli_put_number(cli, "books", (int64_t)s->going);
    ds_cli_put_number(cli, "same", (int64_t)s->same);
    ds_cli_put_number(cli, closing ? "never_opened" : "closed_before",
                      (int64_t)(closing ? s->never : s->past));
    ds_cli_put_number(cli, "written", (int64_t)s->written);
    ds_cli_print(cli, "period %s: %zu books %s, %zu were so already", ds_cli_value(cli, "period"),
                 s->going, closing ? "closed" : "opened", s->same);
    if (closing) {
        ds_cli_put_number(cli, "unread", (int64_t)s->count.unread);
        ds_cli_put_number(cli, "held", (int64_t)s->count.held);
        ds_cli_print(cli, "of their %llu meters %llu are unread and %llu are held",
                     (unsigned long long)s->count.meters, (unsigned long long)s->count.unread,
                     (unsigned long long)s->count.held);
    }
    if (s->never > 0) {
        ds_cli_print(cli, "%zu books never had this period", s->never);
    }
    if (s->past > 0) {
        ds_cli_print(cli, "%zu books stay closed", s->past);
    }
}

static enum ds_exit step_command(struct ds_cli *cli, int64_t state)
{
    struct ds_detail detail = {""};
    struct stepping *s = NULL;
    if (ds_cli_given(cli, "all") == ds_cli_given(cli, "book")) {
        return ds_cli_usage(cli, "give either --book B or --all");
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return ds_cli_fail(cli, DS_ERR_NOMEM, NULL);
    }
    s->cli = cli;
    enum ds_err err = books_open(cli, &s->books, &detail);
    if (err == DS_OK) {
        s->port = (struct ds_station_port){.station = s->books->state.station,
                                           .offset_min = s->books->state.offset_min,
                                           .load = load_record,
                                           .context = &s->books->state};
        err = take_period(s, state, &detail);
    }
    if (err == DS_OK) {
        err = step_books(s, &detail);
    }
    if (err == DS_OK) {
        tell_step(s);
    }
    /* Of all the books some could not: the others did. */
    enum ds_exit code = s->past > 0 ? DS_EXIT_PARTLY : DS_EXIT_OK;
    books_close(s->books);
    free(s);
    return err == DS_OK ? code : ds_cli_fail(cli, err, &detail);
}

enum ds_exit ds_cmd_period_open(struct ds_cli *cli)
{
    return step_command(cli, DS_PERIOD_open);
}

enum ds_exit ds_cmd_period_close(struct ds_cli *cli)
{
    return step_command(cli, DS_PERIOD_reading_closed);
}

/* ---- book assign ---- */

/* Does the worker hold a reader's role now, for the station or a part of it? */
static enum ds_err must_read(struct books *books, const struct ds_id *worker, const char *number,
                             struct ds_detail *detail)
{
    uint16_t roles = 0;
    uint16_t in_teams = 0;
    DS_TRY(ds_state_begin(&books->state));
    DS_TRY(ds_roles_of(books->state.txn, &books->state.station, worker, books->state.now_ms, &roles,
                       &in_teams));
    if (((roles | in_teams) >> DS_ROLE_reader & 1) != 0) {
        return DS_OK;
    }
    ds_detail_set(detail, "worker ", number, " does not hold the role reader", NULL);
    return DS_ERR_CONFLICT;
}

static enum ds_err assign(struct ds_cli *cli, struct books *books, struct ds_detail *detail)
{
    struct ds_worker worker;
    struct ds_book book = {.presence = {0}};
    const char *number = ds_cli_value(cli, "worker");
    struct ds_id id =
        ds_numbered_id(&books->state.station, DS_REC_worker, ds_slice_of_text(number));
    DS_TRY(add_book(books, ds_cli_value(cli, "book"), detail));
    enum ds_err err = ds_state_load(&books->state, DS_REC_worker, &id, &books->arena, &worker);
    if (err == DS_ERR_NOT_FOUND) {
        ds_detail_set(detail, "worker ", number, NULL);
    }
    DS_TRY(err);
    DS_TRY(must_read(books, &id, number, detail));
    DS_SET(&book, book, assignee, id);
    DS_TRY(ds_plan_add(&books->planned, ds_record_type_by_number(DS_REC_book), &books->books[0],
                       &book));
    json_t *drafts = json_array();
    json_array_append_new(drafts, books->planned.drafts[0]);
    return ds_state_write(&books->state, drafts, NULL, detail);
}

enum ds_exit ds_cmd_book_assign(struct ds_cli *cli)
{
    struct books *books = NULL;
    struct ds_detail detail = {""};
    enum ds_err err = books_open(cli, &books, &detail);
    if (err == DS_OK) {
        err = assign(cli, books, &detail);
    }
    books_close(books);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_print(cli, "book %s: %s", ds_cli_value(cli, "book"), ds_cli_value(cli, "worker"));
    return DS_EXIT_OK;
}

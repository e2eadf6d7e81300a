/* period open, period close, book assign. */
#include "schema/base/text.h"
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

/* Bring the period of one book to a state; it must have been the state before, if asked. */
static enum ds_err step_book(struct books *books, const struct ds_period *to, uint64_t *written,
                             struct ds_detail *detail)
{
    struct ds_station_port port = {.station = books->state.station,
                                   .offset_min = books->state.offset_min,
                                   .load = load_record,
                                   .context = &books->state};
    json_t *drafts = json_array();
    ds_arena_reset(&books->arena);
    books->planned.count = 0;
    enum ds_err err = ds_step_period(&port, &books->arena, to, &books->planned);
    for (size_t i = 0; i < books->planned.count; i++) {
        json_array_append_new(drafts, books->planned.drafts[i]);
    }
    books->planned.count = 0;
    if (err != DS_OK || json_array_size(drafts) == 0) {
        json_decref(drafts);
        return err;
    }
    return ds_state_write(&books->state, drafts, written, detail);
}

static enum ds_err step_books(struct ds_cli *cli, struct books *books, int64_t state,
                              uint64_t *written, struct ds_detail *detail)
{
    struct ds_period to = {.presence = {0}};
    struct ds_date due;
    int64_t period = 0;
    const char *text = ds_cli_value(cli, "period");
    if (ds_int_parse(ds_slice_of_text(text), &period) != DS_OK || !ds_period_ok(period)) {
        ds_detail_set(detail, "--period ", text, ": not a month like 202601", NULL);
        return DS_ERR_USAGE;
    }
    if (state == DS_PERIOD_open && ds_cli_given(cli, "due")) {
        const char *day = ds_cli_value(cli, "due");
        if (ds_date_parse(ds_slice_of_text(day), &due) != DS_OK) {
            ds_detail_set(detail, "--due ", day, ": not a date like 2026-01-31", NULL);
            return DS_ERR_USAGE;
        }
        DS_SET(&to, period, due_day, ds_date_to_days(due));
    }
    DS_TRY(ds_cli_given(cli, "all") ? add_all_books(books, detail)
                                    : add_book(books, ds_cli_value(cli, "book"), detail));
    for (size_t i = 0; i < books->count; i++) {
        DS_SET(&to, period, book, books->books[i]);
        DS_SET(&to, period, period, period);
        DS_SET(&to, period, state, state);
        DS_TRY(step_book(books, &to, written, detail));
    }
    return DS_OK;
}

static enum ds_exit step_command(struct ds_cli *cli, int64_t state)
{
    struct books *books = NULL;
    struct ds_detail detail = {""};
    uint64_t written = 0;
    if (ds_cli_given(cli, "all") == ds_cli_given(cli, "book")) {
        return ds_cli_usage(cli, "give either --book B or --all");
    }
    enum ds_err err = books_open(cli, &books, &detail);
    if (err == DS_OK) {
        err = step_books(cli, books, state, &written, &detail);
    }
    size_t count = books != NULL ? books->count : 0;
    books_close(books);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_cli_put_number(cli, "books", (int64_t)count);
    ds_cli_put_number(cli, "written", (int64_t)written);
    ds_cli_print(cli, "period %s: %zu books are %s, %llu steps written",
                 ds_cli_value(cli, "period"), count, ds_enum_name(DS_LIST_period_state, state),
                 (unsigned long long)written);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_period_open(struct ds_cli *cli)
{
    return step_command(cli, DS_PERIOD_open);
}

enum ds_exit ds_cmd_period_close(struct ds_cli *cli)
{
    return step_command(cli, DS_PERIOD_reading_closed);
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

/* What a simulation asks of the office: enrolment codes, and who walks which book. By the station's
 * admin door, or by a console user over the REST API alone (simulate.h). */
#include "tools/cli/simulate.h"

#include <stdlib.h>
#include <string.h>

#define PAGES_MAX 10000

/* Invented readings would be billed: only a station of sample data gets them. */
static enum ds_err only_sample(bool sample, struct ds_detail *detail)
{
    if (sample) {
        return DS_OK;
    }
    ds_detail_set(detail,
                  "this station holds real data, and simulate records invented readings; "
                  "use a station made with `station init --sample`",
                  NULL);
    return DS_ERR_FORBIDDEN;
}

static enum ds_err sample_by_rest(struct ds_simulation *s, struct ds_detail *detail)
{
    json_t *me = NULL;
    DS_TRY(ds_rest_call(s->rest, "/api/v1/me", NULL, &me, detail));
    bool sample = json_is_true(json_object_get(json_object_get(me, "station"), "sample"));
    json_decref(me);
    return only_sample(sample, detail);
}

enum ds_err ds_simulate_open(struct ds_simulation *s, struct ds_detail *detail)
{
    const char *station = ds_cli_value(s->cli, "station");
    const char *user = ds_cli_value(s->cli, "user");
    if ((station == NULL) == (user == NULL)) {
        ds_detail_set(detail, "give either --station DIR or --user NAME", NULL);
        return DS_ERR_USAGE;
    }
    if (station != NULL) {
        DS_TRY(ds_state_open(&s->state, station, detail));
        if (!ds_admin_is_daemon(s->state.admin)) {
            ds_detail_set(detail, "no doorstepd runs on ", station, NULL);
            return DS_ERR_UNREACHABLE;
        }
        return only_sample(s->state.sample, detail);
    }
    struct ds_cli_secret password;
    DS_TRY(ds_cli_secret(s->cli, "password-file", "DOORSTEP_PASSWORD", &password, detail));
    enum ds_err err = ds_rest_open(s->url, &s->rest, detail);
    if (err == DS_OK) {
        err = ds_rest_login(s->rest, user, password.text, detail);
    }
    if (err == DS_OK) {
        err = sample_by_rest(s, detail);
    }
    ds_wipe(&password, sizeof(password));
    return err;
}

void ds_simulate_close(struct ds_simulation *s)
{
    ds_rest_close(s->rest);
    if (s->state.admin != NULL) {
        ds_state_close(&s->state);
    }
}

enum ds_err ds_simulate_code(struct ds_simulation *s, const char *worker, char *text, size_t room,
                             struct ds_detail *detail)
{
    json_t *answer = NULL;
    json_t *body = json_pack("{s:s}", "worker", worker);
    enum ds_err err = body == NULL ? DS_ERR_NOMEM : DS_OK;
    if (err == DS_OK && s->rest != NULL) {
        err = ds_rest_call(s->rest, "/api/v1/devices/codes", body, &answer, detail);
        json_decref(body);
    } else if (err == DS_OK) {
        json_object_set_new(body, "do", json_string("code"));
        json_object_set_new(body, "url", json_string(s->url));
        err = ds_state_call(&s->state, body, &answer, detail);
    }
    DS_TRY(err);
    const char *code = json_string_value(json_object_get(answer, "text"));
    err = code != NULL && strlen(code) < room ? DS_OK : DS_ERR_LIMIT;
    if (err == DS_OK) {
        memcpy(text, code, strlen(code) + 1);
    }
    json_decref(answer);
    return err;
}

/* ---- Books ---- */

static const char *text_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text != NULL ? text : "";
}

static void add_book(struct ds_simulate_books *books, const char *number, const char *worker)
{
    if (books->count < DS_SIMULATE_BOOKS_MAX && worker[0] != '\0') {
        struct ds_simulate_book *book = &books->books[books->count++];
        snprintf(book->number, sizeof(book->number), "%s", number);
        snprintf(book->worker, sizeof(book->worker), "%s", worker);
    }
}

static enum ds_err books_by_rest(struct ds_simulation *s, struct ds_simulate_books *books,
                                 struct ds_detail *detail)
{
    char path[DS_REST_PATH_MAX] = "/api/v1/books?limit=200";
    for (int pages = 0; pages < PAGES_MAX; pages++) {
        json_t *page = NULL;
        size_t i = 0;
        const json_t *book = NULL;
        DS_TRY(ds_rest_call(s->rest, path, NULL, &page, detail));
        json_array_foreach(json_object_get(page, "items"), i, book)
        {
            add_book(books, text_of(book, "number"), text_of(book, "assignee_number"));
        }
        const char *next = text_of(page, "next");
        bool end = next[0] == '\0';
        snprintf(path, sizeof(path), "/api/v1/books?limit=200&after=%s", next);
        json_decref(page);
        if (end) {
            return DS_OK;
        }
    }
    return DS_ERR_LIMIT;
}

/* All rows of a type by the admin door. */
static enum ds_err ask_rows(struct ds_simulation *s, const char *type, json_t **rows,
                            struct ds_detail *detail)
{
    json_t *answer = NULL;
    json_t *all = json_array();
    json_t *after = NULL;
    enum ds_err err = DS_OK;
    do {
        json_t *request = json_pack("{s:s, s:s}", "do", "rows", "type", type);
        if (after != NULL) {
            json_object_set_new(request, "after", after);
            after = NULL;
        }
        err = ds_state_call(&s->state, request, &answer, detail);
        if (err == DS_OK) {
            json_array_extend(all, json_object_get(answer, "rows"));
            after = json_incref(json_object_get(answer, "next"));
            json_decref(answer);
        }
    } while (err == DS_OK && json_is_string(after));
    json_decref(after);
    if (err != DS_OK) {
        json_decref(all);
        return err;
    }
    *rows = all;
    return DS_OK;
}

static void match_books(const json_t *rows, const json_t *workers, struct ds_simulate_books *books)
{
    size_t i = 0;
    size_t k = 0;
    const json_t *book = NULL;
    const json_t *worker = NULL;
    json_array_foreach(rows, i, book)
    {
        json_array_foreach(workers, k, worker)
        {
            if (strcmp(text_of(book, "assignee"), text_of(worker, "id")) == 0) {
                add_book(books, text_of(book, "number"), text_of(worker, "number"));
            }
        }
    }
}

static enum ds_err books_by_door(struct ds_simulation *s, struct ds_simulate_books *books,
                                 struct ds_detail *detail)
{
    json_t *rows = NULL;
    json_t *workers = NULL;
    enum ds_err err = ask_rows(s, "book", &rows, detail);
    if (err == DS_OK) {
        err = ask_rows(s, "worker", &workers, detail);
    }
    if (err == DS_OK) {
        match_books(rows, workers, books);
    }
    json_decref(rows);
    json_decref(workers);
    return err;
}

enum ds_err ds_simulate_find_books(struct ds_simulation *s, struct ds_simulate_books *books,
                                   struct ds_detail *detail)
{
    books->count = 0;
    DS_TRY(s->rest != NULL ? books_by_rest(s, books, detail) : books_by_door(s, books, detail));
    if (books->count == 0) {
        ds_detail_set(detail, "no book is assigned to anybody", NULL);
        return DS_ERR_NOT_FOUND;
    }
    return DS_OK;
}

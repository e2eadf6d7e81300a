/* The two ways to simulate: a scripted day (simulate_day.c), and drawn rounds (simulate_rounds.c).
 *
 * Both drive handhelds of the real SDK against a server over HTTP; the station's admin door, or a
 * console user over the REST API, gives enrolment codes. A scripted day needs the door: what the
 * office does and the sample station's clock go through it. They fill the same fleet, which is
 * reported and recorded in one way. */
#ifndef DS_TOOLS_CLI_SIMULATE_H
#define DS_TOOLS_CLI_SIMULATE_H

#include "tools/cli/fleet.h"
#include "tools/cli/rest.h"
#include "tools/cli/state.h"

#define DS_SIMULATE_HANDHELDS_MAX 1000
#define DS_SIMULATE_DAYS_MAX 31
#define DS_SIMULATE_BOOKS_MAX 4096
/* A server that is away is called again so often; tests kill it meanwhile. */
#define DS_SIMULATE_TRIES_MAX 600
#define DS_SIMULATE_PAUSE_MS 100

struct ds_simulation {
    struct ds_cli *cli;
    struct ds_state state; /* Of the station; its admin NULL: over REST. One thread at a time. */
    struct ds_rest *rest;  /* NULL: by the admin door. */
    const char *url;
    const char *dir; /* Of the stores. */
    struct ds_fleet_handheld *fleet;
    size_t count;
    size_t days;
    uint64_t seed;
    bool drop_op;
    struct ds_scenario *scenario; /* NULL: drawn rounds. */
};

DS_NODISCARD enum ds_err ds_simulate_day(struct ds_simulation *s, struct ds_detail *detail);
DS_NODISCARD enum ds_err ds_simulate_rounds(struct ds_simulation *s, struct ds_detail *detail);

/* simulate_office.c: by --station or --user. Always followed by ds_simulate_close(). */
DS_NODISCARD enum ds_err ds_simulate_open(struct ds_simulation *s, struct ds_detail *detail);
void ds_simulate_close(struct ds_simulation *s);
struct ds_simulate_book {
    char number[48];
    char worker[48]; /* Number of the one who walks it. */
};
struct ds_simulate_books {
    struct ds_simulate_book books[DS_SIMULATE_BOOKS_MAX];
    size_t count;
};
/* Books that somebody walks. DS_ERR_NOT_FOUND: none. */
DS_NODISCARD enum ds_err ds_simulate_find_books(struct ds_simulation *s,
                                                struct ds_simulate_books *books,
                                                struct ds_detail *detail);
/* An enrolment code for a worker, by number; text is NUL-terminated. */
DS_NODISCARD enum ds_err ds_simulate_code(struct ds_simulation *s, const char *worker, char *text,
                                          size_t room, struct ds_detail *detail);
/* Commit one reading more and never send it: the op that must be missed. */
DS_NODISCARD enum ds_err ds_simulate_drop(struct ds_simulation *s, const struct ds_act *act,
                                          size_t handheld, struct ds_detail *detail);

#endif

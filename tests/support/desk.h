/* An office over a station in memory, and its desk: requests go through the API's dispatcher as
 * they would from a socket, and every answer is held against its shape.
 *
 * The station has book B01, account A1 and two meters of maker M, 1 and 3, each read in 202512 and,
 * backwards, in 202601; so two slots are held. Failures are assertions. */
#ifndef DS_TESTS_SUPPORT_DESK_H
#define DS_TESTS_SUPPORT_DESK_H

#include "server/api.h"
#include "tests/support/test.h"

#define DESK_CLOCK_MS 1769331600000 /* 2026-01-25T09:00:00Z */
#define DESK_ID_SIZE 33

enum desk_who { DESK_ANNA, DESK_NED, DESK_NOBODY }; /* Supervisor and admin; auditor. */

struct desk {
    struct ds_site site;
    struct ds_office office;
    struct ds_api *api;
    void *arena;
    void *answer;
    char session[2][DS_SESSION_TEXT_SIZE]; /* Of anna, supervisor and admin; of ned, auditor. */
    struct ds_id meter;
    char slot[DESK_ID_SIZE]; /* Held: its index runs backwards. */
};

/* For cmocka_unit_test_setup_teardown(); *state is a struct desk. */
int desk_open(void **state);
int desk_close(void **state);

/* body (NULL: none, a GET) is taken over. The answer is yours: of that shape if status is 200, else
 * a Problem. */
json_t *desk_call(struct desk *desk, enum desk_who who, const char *target, json_t *body,
                  const char *shape, int status);
/* By anna, 200. */
json_t *desk_get(struct desk *desk, const char *target, const char *shape);
/* Members that must be there. */
const char *desk_text(const json_t *object, const char *name);
int64_t desk_number(const json_t *object, const char *name);
/* "/api/v1/BEFORE/ID/BEHIND", until the next call. */
const char *desk_path(const char *before, const char *id, const char *behind);
void desk_hex(const struct ds_id *id, char out[static DESK_ID_SIZE]);

extern const struct ds_office_actor desk_importer;
/* Write drafts, which are taken over, as an actor. */
void desk_write(struct desk *desk, const struct ds_office_actor *actor, json_t *drafts);
/* A draft of a regular reading on site. */
json_t *desk_reading(const char *meter, int period, int64_t index);
/* The only open item of a list, and its id. */
json_t *desk_only_item(struct desk *desk, const char *list, const char *shape,
                       char id[static DESK_ID_SIZE]);
void desk_assert_empty(struct desk *desk, const char *list, const char *shape);
/* Anna writes account A1's persons, which billing owns: a proposal. */
void desk_propose(struct desk *desk, int persons);
/* A write of meter 1's digits by someone who saw only the journal's beginning: a conflict. */
void desk_contradict(struct desk *desk, int64_t digits);

#endif

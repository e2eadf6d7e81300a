/* A station's office for tests: LMDB stores in a scratch folder, a writer, users, the API, and a
 * little data that shows one of everything. Requests go through the dispatcher without sockets. */
#ifndef DS_TESTS_SUPPORT_OFFICE_H
#define DS_TESTS_SUPPORT_OFFICE_H

#include "server/api.h"
#include "server/outbox.h"
#include "tests/support/scratch.h"

#define TEST_OFFICE_NOW INT64_C(1767930000000) /* 2026-01-09T11:40:00+08:00 */
#define TEST_OFFICE_METERS 4
#define TEST_PASSWORD "correct horse"

struct test_office {
    struct scratch scratch;
    struct ds_site site;
    struct ds_office office;
    struct ds_outbox *outbox;
    struct ds_api *api;
    struct ds_metrics metrics;
    struct ds_id book;
    struct ds_id reader; /* Worker R1. */
    struct ds_id account[TEST_OFFICE_METERS];
    struct ds_id premises[TEST_OFFICE_METERS];
    struct ds_id meter[TEST_OFFICE_METERS];
    uint8_t *memory; /* One request's arena, answer and head. */
    char session[DS_SESSION_TEXT_SIZE];
    char token[DS_SESSION_TEXT_SIZE];
    int status;        /* Of the last call, as what follows. */
    const char *text;  /* Its body. */
    const char *extra; /* Its further headers. */
    json_t *json;      /* Its body parsed; NULL if it is not JSON. */
};

/* carriers: of the outbox, as ds_outbox_open(); NULL: files. */
void test_office_open(struct test_office *o, const struct ds_carrier *const *carriers);
void test_office_close(struct test_office *o);
/* Book B1 of reader R1 with four meters, read in 202512 and open in 202601. */
void test_office_load(struct test_office *o);

/* Import drafts (JSON text) as an actor; the answer is in o->json. */
void test_office_import(struct test_office *o, const char *actor, const char *drafts);
/* A reading of meter i; index < 0: none. */
void test_office_read(struct test_office *o, size_t i, int period, long index, const char *more);
/* Write a record as an actor as if he had seen the journal up to seen only (0: all of it). */
struct ds_id test_office_write(struct test_office *o, const struct ds_office_actor *actor,
                               uint8_t type, const struct ds_id *id, const void *record,
                               uint64_t seen);

/* Add a user whose roles are a set; log in as him from now on. */
void test_office_user(struct test_office *o, const char *name, uint16_t roles);
void test_office_login(struct test_office *o, const char *name);
/* A request with the present session (Bearer). body NULL: none, else JSON unless type says. */
void test_call(struct test_office *o, const char *method, const char *target, const char *body);
struct test_header {
    const char *name;
    const char *value;
};
void test_call_with(struct test_office *o, const char *method, const char *target, const char *body,
                    const struct test_header *headers, size_t count);
/* A member of o->json by path: "items.0.id"; NULL if it is not there. */
const json_t *test_at(const struct test_office *o, const char *path);
const char *test_text(const struct test_office *o, const char *path);
long long test_number(const struct test_office *o, const char *path);
/* An id as 32 hex digits; of the last 16 calls. */
const char *test_hex(const struct ds_id *id);

#endif

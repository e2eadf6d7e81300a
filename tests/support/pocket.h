/* A handheld beside the small station of station.h: its own clock, random and memory store, and a
 * transport that calls the server in the same process and can fail on demand. */
#ifndef DS_TESTS_SUPPORT_POCKET_H
#define DS_TESTS_SUPPORT_POCKET_H

#include "doorstep.h"
#include "tests/support/station.h"

#define POCKET_PIN "246810"

enum pocket_fault {
    POCKET_FINE,
    POCKET_NO_NETWORK,  /* The request does not arrive. */
    POCKET_ANSWER_LOST, /* The server took it; its answer is lost. */
    POCKET_PORTAL,      /* A captive portal answers with a page and status 200. */
    POCKET_BUSY,        /* 503 */
    POCKET_FLIPPED      /* One bit of the answer is changed. */
};

struct pocket {
    struct test_station *station;
    struct ds_store *store;
    struct ds_handheld *h;
    int64_t now_ms;
    int64_t mono_ms;
    uint32_t boot;
    uint64_t random_state;
    uint8_t hardware[32];
    enum pocket_fault fault;
    unsigned fault_times;  /* How often; then it is fine. */
    unsigned posts;        /* Requests made. */
    size_t greatest;       /* Bytes of the largest request. */
    size_t first;          /* Bytes of the first request since it was zeroed. */
    uint32_t first_budget; /* For options; 0: default. */
    bool columns;          /* For options. */
    uint8_t *memory;       /* Of the server's half. */
    struct ds_envelope_codec codec;
};

/* An open, empty handheld; seed makes it another one. */
void pocket_make(struct pocket *p, struct test_station *station, unsigned seed);
/* The same, enrolled for a worker of the station. */
void pocket_enrol(struct pocket *p, struct test_station *station, const struct ds_id *worker,
                  unsigned seed);
void pocket_drop(struct pocket *p);
/* Close and open again; reboot: under another boot. */
void pocket_reopen(struct pocket *p, bool reboot);
/* Put back an earlier copy of the store (ds_store_memory_clone), which becomes the pocket's. */
void pocket_restore(struct pocket *p, struct ds_store *copy);
/* The options that pocket_make() uses. */
struct ds_handheld_options pocket_options(struct pocket *p);
/* Sync that must succeed. */
struct ds_handheld_sync_result pocket_sync(struct pocket *p);
/* The next requests meet a fault. */
void pocket_fail(struct pocket *p, enum pocket_fault fault, unsigned times);
/* Record a reading that must succeed; the op's id. */
struct ds_handheld_id pocket_read(struct pocket *p, size_t meter, int64_t index);
struct ds_handheld_status pocket_status(struct pocket *p);
/* Does every scope's digest and cursor equal the server's? */
bool pocket_converged(struct pocket *p);
struct ds_handheld_id pocket_id(const struct ds_id *id);

#endif

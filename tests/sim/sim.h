/* The simulation: one thread, one seed, one station with its handhelds, its office and its faults.
 *
 * Everything that is not deterministic in the product comes from ports, and every port hangs on the
 * seed: clock, random numbers, storage, network. The shipped engine, shard and SDK run unchanged.
 * A run works, breaks, heals and is then held against the invariants of design/sync.md by name.
 * What was promised to a worker is remembered by the model (model.h), which knows nothing of how
 * the product works inside; what a run did is a trace, and its hash is equal for equal seeds. */
#ifndef DS_TESTS_SIM_SIM_H
#define DS_TESTS_SIM_SIM_H

#include "doorstep.h"
#include "sync/shard/serve.h"
#include "sync/store/store_lmdb.h"
#include "tests/sim/model.h"
#include "tests/sim/trace.h"
#include "tests/support/prng.h"

#include <stdlib.h>
#include <string.h>

enum {
    SIM_HANDS_MAX = MODEL_STORAGES_MAX, /* Handhelds and clones of them. */
    SIM_BOOKS_MAX = 8,
    SIM_METERS_MAX = 40,
    SIM_TASKS_MAX = 40,
    SIM_UNKNOWN_MAX = 16, /* Meters typed in the field. */
    SIM_KEPT_MAX = 8,     /* Requests that are late, or come again. */
    SIM_CARRIERS_MAX = 3,
    SIM_PATH_SIZE = 256
};
#define SIM_DAY_MS INT64_C(86400000)
#define SIM_YEAR_MS (365 * SIM_DAY_MS)
#define SIM_START_MS INT64_C(1767400000000) /* 2026-01-03 */
#define SIM_PERIOD 202601
#define SIM_NEWER_TAG 121 /* Of premises; unknown to this version. */

/* What a seed is like: each draws its own. Rates are per thousand. */
struct sim_profile {
    unsigned hands;
    unsigned carriers;
    unsigned books;
    unsigned meters; /* Per book. */
    unsigned steps;
    int64_t step_ms;    /* Longest time between two steps: minutes, hours or days. */
    unsigned slow_ms;   /* Disks: each look at a clock finds it so much later. */
    unsigned office;    /* Of the steps, how many are the office's. */
    unsigned sync;      /* ... a handheld's exchange. */
    unsigned fault;     /* ... something breaks. */
    unsigned jump;      /* ... a clock moves. */
    unsigned partition; /* ... some handhelds are cut off for a while. */
    unsigned disk;      /* Of the handhelds' commits, how many fail. */
    /* Of the messages: */
    unsigned loss;        /* The request does not arrive. */
    unsigned answer_loss; /* The answer does not, after the commit. */
    unsigned repeat;      /* The request arrives twice. */
    unsigned delay;       /* It arrives later, behind others. */
    unsigned stale;       /* An earlier answer comes instead. */
    unsigned cut;         /* Request or answer ends early. */
    unsigned bend;        /* One bit of either is another. */
    unsigned portal;      /* A hotel answers. */
    unsigned busy;        /* The server says 503. */
    uint32_t page;        /* Rows and bytes are asked for in pages of so many bytes; 0: default. */
    bool lmdb;
    bool server_restores;
    bool hand_restores;
    bool clones;
    bool revokes;
    bool evil;
    bool newer; /* The office runs a newer schema: fields that no handheld knows. */
    bool rots;  /* Bits turn over in the replicas. */
    bool away;  /* Handhelds may be out for up to a year. */
};

struct sim;

struct sim_hand {
    struct sim *sim;
    unsigned index;
    struct ds_store *store;
    struct ds_store *backup; /* Or NULL. */
    struct ds_handheld *sdk; /* NULL: switched off. */
    struct prng random;
    int64_t clock_offset_ms;
    int64_t boot_ms; /* True time of the last boot. */
    uint32_t boot_id;
    unsigned worker;
    struct ds_id device;
    bool revoked;             /* Or suspended: what it sends goes to quarantine. */
    uint64_t revoked_at;      /* Size of the journal then. */
    bool cloned;              /* It, or a copy of it, lives twice. */
    bool rotted;              /* A row of its replica was damaged: its scopes were fetched anew. */
    bool went_back;           /* Restored from a backup since it was made. */
    int64_t cut_off_until_ms; /* By a partition, or because it is far away. */
    uint64_t snapshot;        /* Greatest position that it may know of. */
};

struct sim_meter {
    struct ds_id id;
    struct ds_id premises;
    struct ds_id account;
    unsigned book;
    int64_t index; /* What the dial shows. */
    char number[16];
};

struct sim_bytes { /* A message or a bundle that somebody holds. */
    uint8_t *data; /* Or NULL. */
    size_t size;
    unsigned from; /* Handheld. */
};

struct sim {
    uint64_t seed;
    struct prng choose;  /* What happens. */
    struct prng entropy; /* The server's random numbers. */
    struct sim_profile profile;
    struct sim_trace trace;
    struct model model;
    int64_t now_ms;
    /* The server. */
    struct ds_store *store;
    struct ds_store *keys;
    struct ds_store *backup; /* Of the store, or NULL. */
    uint64_t backup_size;
    int64_t backup_ms;
    struct ds_server_keys secret;
    struct ds_shard shard;
    bool shard_open;
    bool undeclared; /* Restored, and nobody has said so yet. */
    unsigned server_restores;
    char lmdb_dir[SIM_PATH_SIZE]; /* "" : memory */
    unsigned lmdb_count;
    struct ds_envelope_codec codec;
    uint8_t *serve_memory;
    uint8_t *answer_memory;
    uint8_t *request_memory;
    uint8_t *scratch; /* For checks. */
    /* The station. */
    struct ds_id station;
    struct ds_id workers[SIM_HANDS_MAX + 1]; /* The last is the supervisor. */
    struct ds_id books[SIM_BOOKS_MAX];
    unsigned book_worker[SIM_BOOKS_MAX];
    int32_t period[SIM_BOOKS_MAX];
    struct sim_meter meters[SIM_METERS_MAX];
    unsigned meter_count;
    struct ds_id tasks[SIM_TASKS_MAX];
    unsigned task_count;
    struct ds_id unknown[SIM_UNKNOWN_MAX];
    unsigned unknown_count;
    struct sim_hand hands[SIM_HANDS_MAX];
    unsigned hand_count;
    struct sim_bytes kept[SIM_KEPT_MAX]; /* Requests. */
    struct sim_bytes answer;             /* An earlier answer. */
    struct sim_bytes carrier[SIM_CARRIERS_MAX];
    struct sim_evil *evil; /* Or NULL. */
    bool healed;
    unsigned lmdb_percent;
    /* Totals, for the summary. */
    uint64_t exchanges;
    uint64_t office_ops;
};

/* ---- run.c: one seed from founding to the checks; the hash of its trace comes back. It fails by
 * sim_fail(), which does not return. ---- */
struct sim_totals {
    uint64_t ops;
    uint64_t exchanges;
    uint64_t entries;
    uint64_t hands;
    uint64_t simulated_ms;
};
struct sim_options {
    unsigned lmdb_percent;
    bool print;          /* The trace. */
    const char *journal; /* NULL, or where the journal goes (tests/support/journal_file.h). */
};
uint64_t sim_run(uint64_t seed, const struct sim_options *options, struct sim_totals *totals);

/* ---- profile.c ---- */
void profile_draw(struct sim *sim);

/* ---- main.c ---- */
void sim_expect_crash(uint64_t seed); /* What to say should the process die. */
/* Say seed, invariant, why, and the last lines of the trace; end with status 1. */
_Noreturn void sim_fail(struct sim *sim, const char *invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Count one check of an invariant, for the summary. */
void sim_checked(const char *invariant);
/* For steps that cannot fail unless the simulation itself is wrong. */
#define SIM_MUST(sim, expr)                                                                        \
    do {                                                                                           \
        enum ds_err sim_err_ = (enum ds_err)(expr);                                                \
        if (sim_err_ != 0) {                                                                       \
            sim_fail((sim), "always_progress", "%s: %s", #expr, ds_err_name(sim_err_));            \
        }                                                                                          \
    } while (0)

/* Hold a copy instead of what is held. */
static inline void sim_keep(struct sim_bytes *kept, const uint8_t *bytes, size_t size,
                            unsigned from)
{
    free(kept->data);
    kept->data = malloc(size + 1);
    DS_ASSERT(kept->data != NULL);
    memcpy(kept->data, bytes, size);
    kept->size = size;
    kept->from = from;
}
static inline void sim_forget(struct sim_bytes *kept)
{
    free(kept->data);
    kept->data = NULL;
}
static inline bool sim_chance(struct sim *sim, unsigned per_mille)
{
    return prng_below(&sim->choose, 1000) < per_mille;
}
static inline unsigned sim_below(struct sim *sim, size_t limit)
{
    return (unsigned)prng_below(&sim->choose, limit);
}

/* ---- server.c ---- */
void server_create(struct sim *sim);
void server_close(struct sim *sim);
/* Power off and on: memory is lost, committed data is there. */
void server_restart(struct sim *sim);
void server_backup(struct sim *sim);
void server_restore(struct sim *sim); /* Not yet declared. */
void server_declare(struct sim *sim); /* The new epoch. */
/* Go on with another store; the one before comes back. */
struct ds_store *server_swap(struct sim *sim, struct ds_store *store);
/* One request as the HTTP layer would serve it: the status comes back, 200 with an answer. */
int server_post(struct sim *sim, const uint8_t *body, size_t size, struct ds_builder *answer);
int server_enrol(struct sim *sim, const uint8_t *body, size_t size, struct ds_builder *answer);
/* Write as a server-held actor; restarts the server after a failed commit. */
enum ds_err server_write(struct sim *sim, const char *name, enum ds_actor_kind kind,
                         struct ds_draft *drafts, size_t count);
struct ds_txn *server_begin(struct sim *sim); /* A read transaction. */
/* The open items of a queue, at most max. */
size_t server_queue(struct sim *sim, uint8_t type, struct ds_id *ids, size_t max);
struct ds_clock server_clock(struct sim *sim);
struct ds_random server_random(struct sim *sim);

/* ---- office.c ---- */
void office_found(struct sim *sim); /* Workers, books, premises, meters, accounts, periods. */
void office_step(struct sim *sim);
void office_revoke(struct sim *sim, struct sim_hand *hand);
void office_wipe(struct sim *sim, struct sim_hand *hand);
void office_reassign(struct sim *sim); /* A book goes to somebody else. */
void office_billing(struct sim *sim);  /* Take exports, write the delivery. */

/* ---- hand.c ---- */
void hand_scrub(struct sim_hand *hand);
void hand_make(struct sim *sim, unsigned index);
void hand_close(struct sim_hand *hand);
void hand_open(struct sim_hand *hand);
void hand_work(struct sim_hand *hand);
void hand_exchange(struct sim_hand *hand); /* One round trip over a bad network. */
/* Sync until nothing is left over a good network; false if it has not come to an end. rows: how
 * many it took. */
bool hand_drain(struct sim_hand *hand, uint64_t *rows);
void hand_fault(struct sim_hand *hand);
/* Open what a thief has: must fail, with the right PIN too. */
bool hand_opens_for_thief(struct sim_hand *hand);
void hand_lose_memory(struct sim_hand *hand);   /* Power off; hand_open() switches it on. */
void hand_note_receipts(struct sim_hand *hand); /* Tell the model what the SDK says is received. */
struct sim_hand *hand_any(struct sim *sim);     /* One that is switched on, or NULL. */

/* ---- net.c ---- */
/* Carry a request to the server and its answer back, or what is left of them. */
int net_post(struct sim_hand *hand, const uint8_t *body, size_t size, struct ds_builder *answer);
void net_late(struct sim *sim);      /* Something old arrives. */
void net_partition(struct sim *sim); /* Some are cut off for minutes or days. */

/* ---- carrier.c ---- */
void carrier_step(struct sim *sim); /* Somebody with a stick takes work along, or hands it over. */

/* ---- evil.c: a device whose keys are not in the SDK's hands. ---- */
void evil_make(struct sim *sim);
void evil_step(struct sim *sim);
void evil_close(struct sim *sim);

/* ---- check*.c: the invariants. ---- */
void check_acked(struct sim *sim); /* acked_is_durable; also while things are broken. */
void check_taken(struct sim *sim, const struct sim_hand *hand); /* All its work is there. */
void check_journal(struct sim *sim);                            /* exactly_once, nothing_lost */
void check_billing(struct sim *sim);   /* exactly_once: what billing would charge */
void check_newer(struct sim *sim);     /* nothing_lost: what this version does not know. */
void check_conflicts(struct sim *sim); /* nothing_lost: nobody was silently overruled. */
void check_authority(struct sim *sim);
void check_replicas(struct sim *sim); /* replicas_converge, cursors_complete */
void check_replay(struct sim *sim);   /* replay_is_identity */
void check_tampering(struct sim *sim);
void check_witness(struct sim *sim); /* tampering_shows, as a handheld sees it. */
void check_bounds(struct sim *sim);
void check_leaks(struct sim *sim); /* nothing_leaks */
/* nothing_leaks, nothing_lost: one handheld is stolen and wiped. Nothing is as before behind it. */
void check_stolen(struct sim *sim);
void check_order(struct sim *sim); /* order_free */

#endif

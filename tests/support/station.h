/* A small station in memory for tests: shard, one book, its meters, and bare devices that seal
 * batches by hand, so that a test can do what the SDK never would. Clock and random are fixed. */
#ifndef DS_TESTS_SUPPORT_STATION_H
#define DS_TESTS_SUPPORT_STATION_H

#include "schema/codec/record_mp.h"
#include "sync/shard/serve.h"

#define TEST_METERS 6

struct test_device {
    struct ds_secret sign;
    struct ds_secret box;
    struct ds_hash sign_public;
    struct ds_hash box_public;
    struct ds_id id;
    struct ds_incarnation incarnation;
    uint64_t next_seq;
    struct ds_hash chain;
    uint64_t epoch;
    uint64_t boot;
    int64_t base_ms;
};

struct test_station {
    struct ds_store *store;
    struct ds_store *keys;
    struct ds_server_keys secret;
    struct ds_shard shard;
    int64_t now_ms;
    uint64_t random_state;
    struct ds_actor import;
    struct ds_actor billing;
    struct ds_actor supervisor;
    struct ds_id station;
    struct ds_id reader; /* Worker of the book. */
    struct ds_id other_reader;
    struct ds_id boss;
    struct ds_id book;
    struct ds_id other_book;
    struct ds_id account[TEST_METERS];
    struct ds_id premises[TEST_METERS];
    struct ds_id meter[TEST_METERS];
    uint8_t *arena_memory;
    struct ds_arena arena;
};

#define TEST_NOW INT64_C(1768000000000) /* 2026-01-09 */
#define TEST_PERIOD 202601

void test_station_open(struct test_station *s);
void test_station_close(struct test_station *s);
/* Go on with another store (ds_store_memory_clone), which becomes the station's. */
void test_station_swap(struct test_station *s, struct ds_store *store);
/* Declare a restore: a new epoch, by the supervisor; known as for ds_shard_epoch(). */
void test_station_declare(struct test_station *s, uint64_t known);
/* Write one record as an actor; asserts that it was folded. Returns the entity's id. */
struct ds_id test_write(struct test_station *s, struct ds_actor *actor, uint8_t type,
                        const struct ds_id *id, const void *record);
/* The same, but tells what became of it. */
struct ds_folded test_try(struct test_station *s, struct ds_actor *actor, uint8_t type,
                          const struct ds_id *id, const void *record, struct ds_id *made);

/* Enrol a handheld of a worker by the real enrolment. */
void test_device_enrol(struct test_station *s, const struct ds_id *worker, unsigned seed,
                       struct test_device *device);
/* Append an op to ops and move the chain on; fields from a record struct. */
void test_op(struct test_device *device, uint8_t type, const struct ds_id *id, uint64_t seen,
             const void *record, struct ds_builder *ops, struct ds_hash *chain);
/* Seal one op into a batch and move the device on. *bytes live in memory. */
struct ds_slice test_batch(struct test_station *s, struct test_device *device, uint8_t type,
                           const struct ds_id *id, uint64_t seen, const void *record,
                           struct ds_builder *out);
/* Check and commit one batch as the server does. */
struct ds_folded test_commit(struct test_station *s, struct ds_slice batch);
/* A reading by a device, committed; returns the op's id. */
struct ds_id test_reading(struct test_station *s, struct test_device *device, size_t meter,
                          int64_t index, int32_t period);

/* Load a record; asserts that it is there. Lives until test_forget(). */
void test_load(struct test_station *s, uint8_t type, const struct ds_id *id, void *record);
bool test_exists(struct test_station *s, uint8_t type, const struct ds_id *id);
void test_slot(struct test_station *s, size_t meter, int32_t period, struct ds_slot *slot);
void test_forget(struct test_station *s);
/* The verdict of an op; 0: none, it was plainly applied. */
int64_t test_verdict(struct test_station *s, const struct ds_id *op);
struct ds_hash test_digest(struct test_station *s);
/* Refold the journal and compare the digests: replay_is_identity. */
void test_replay(struct test_station *s);

#endif

/* One example of each object of sync/FORMAT.md, from fixed keys and a fixed random port.
 *
 * The golden file, the tests that break bytes and the corpora of the fuzzers all begin here. The
 * seeds of the keys are counted bytes (01 02 03 ..), so a stranger can make them again. */
#ifndef DS_TESTS_SUPPORT_SAMPLES_H
#define DS_TESTS_SUPPORT_SAMPLES_H

#include "sync/core/exchange.h"
#include "sync/crypto/crypto.h"

#define SAMPLES_MEMORY_SIZE 65536
#define SAMPLES_COUNTER 7
#define SAMPLES_INSTANT_MS INT64_C(1767576600000) /* 2026-01-05T09:30:00+08:00 */
#define SAMPLES_PHONE "13900000000"

enum { SAMPLES_ENTRIES = 5 };

struct samples {
    struct ds_secret device_sign;
    struct ds_secret device_box;
    struct ds_secret server_sign;
    struct ds_secret server_box;
    struct ds_secret admin_sign;
    struct ds_secret customer_key;
    struct ds_secret equality_key;
    struct ds_hash device_sign_public;
    struct ds_hash device_box_public;
    struct ds_hash server_sign_public;
    struct ds_hash server_box_public;
    struct ds_hash admin_sign_public;
    struct ds_link_keys link;

    struct ds_id station;
    struct ds_id device;
    struct ds_id worker;
    struct ds_id admin;
    struct ds_id meter;
    struct ds_id account;
    struct ds_incarnation incarnation;
    struct ds_hash chain; /* After the sample batch. */
    struct ds_hash root;  /* Of a journal of the activate and the batch entry. */
    struct ds_scope book;
    struct ds_scope mailbox;

    struct ds_slice personal;  /* The account's phone. */
    struct ds_slice wrapped;   /* The account's key, wrapped for the device. */
    struct ds_slice op_event;  /* A reading: the smallest form. */
    struct ds_slice op_entity; /* Every key there is. */
    struct ds_slice ops;
    struct ds_slice header;
    struct ds_slice batch;
    struct ds_slice sealed_batch;
    struct ds_slice entry[SAMPLES_ENTRIES]; /* By kind, from 1. */
    struct ds_slice head;
    struct ds_slice receipt;
    struct ds_slice receipt_signature;
    struct ds_slice request;
    struct ds_slice response;
    struct ds_slice enrol_code;
    struct ds_slice enrol_request;
    struct ds_slice enrol_answer;
    struct ds_slice bundle;

    struct ds_builder room;
    uint8_t memory[SAMPLES_MEMORY_SIZE];
};

/* Fills everything; asserts on any failure. The slices borrow samples->memory. */
void samples_make(struct samples *samples);
/* Seal another batch of the sample device: ops as they stand, from the chain hash before. Behind
 * what out holds. */
void samples_seal(const struct samples *samples, const struct ds_batch *header, struct ds_slice ops,
                  struct ds_builder *out);

#endif

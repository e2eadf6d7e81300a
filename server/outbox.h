/* The outbox: billing and GIS get every export once, in journal order.
 *
 * A consumer's cursor lies in the journal (a `delivery` op of its own actor), so what was taken is
 * part of the truth. A parcel is a run of exports behind the cursor; its end is written to a plan
 * file before anything leaves, so that after a crash the same parcel goes out again: same name (or
 * idempotency key), same exports. Only when the other side has it does the cursor move. One thread
 * per consumer; what a consumer refuses for good becomes a dead letter with its reason and does not
 * stop the others. */
#ifndef DS_SERVER_OUTBOX_H
#define DS_SERVER_OUTBOX_H

#include "server/office.h"

#define DS_OUTBOX_CONSUMERS 2                /* enum ds_consumer, from 1. */
#define DS_PARCEL_EXPORTS_MAX 5000           /* As billing.batch_max at most. */
#define DS_PARCEL_SIZE_MAX (4 * 1024 * 1024) /* Bytes of a parcel's lines; it ends before. */
#define DS_PARCEL_NAME_MAX 80
#define DS_OUTBOX_COUNT_MAX 10000 /* What waits is counted up to this. */

struct ds_outbox;

struct ds_parcel {
    enum ds_consumer consumer;
    const char *name;             /* Of the consumer: "billing". */
    char key[DS_PARCEL_NAME_MAX]; /* File name or idempotency key, from the cursor. */
    uint64_t from_position;       /* The cursor: behind this, */
    uint32_t from_ordinal;
    uint64_t to_position; /* up to this. */
    uint32_t to_ordinal;
    size_t count;
    int64_t consumption_l; /* Sum. */
    struct ds_slice lines; /* JSON lines, the totals line last. */
    struct ds_slice csv;
    const size_t *line_end; /* Per export: where its line ends in lines, its LF included. */
};

/* How parcels leave; a port, so that tests have sinks of their own. */
struct ds_carrier {
    /* DS_OK: taken. DS_ERR_SCHEMA: refused for good, why in detail. Anything else: try again. */
    enum ds_err (*carry)(void *context, const struct ds_parcel *parcel, struct ds_detail *detail);
    void *context;
};

/* Carriers from the settings; carriers[consumer] (may be NULL) instead of them. */
DS_NODISCARD enum ds_err ds_outbox_open(struct ds_office *office,
                                        const struct ds_carrier *const *carriers,
                                        struct ds_outbox **outbox);
void ds_outbox_close(struct ds_outbox *outbox);
/* Begin and end the threads. */
DS_NODISCARD enum ds_err ds_outbox_start(struct ds_outbox *outbox);
void ds_outbox_stop(struct ds_outbox *outbox);

/* Hand over everything that waits now; *exports counts it. Any thread. The first failure comes
 * back; what was taken before it stays taken. DS_ERR_NOT_FOUND: the consumer is off. */
DS_NODISCARD enum ds_err ds_outbox_deliver(struct ds_outbox *outbox, enum ds_consumer consumer,
                                           uint64_t *exports, struct ds_detail *detail);

struct ds_outbox_state {
    const char *kind; /* "off", "file", "http" or "test". */
    uint64_t position;
    uint32_t ordinal;
    uint64_t waiting;
    uint64_t dead_letters;
};
DS_NODISCARD enum ds_err ds_outbox_look(struct ds_outbox *outbox, enum ds_consumer consumer,
                                        struct ds_outbox_state *state);

/* The folder of a consumer: DIR/outbox/NAME. */
DS_NODISCARD enum ds_err ds_outbox_folder(const struct ds_site *site, enum ds_consumer consumer,
                                          char path[static DS_PATH_MAX]);

/* ---- The carriers ---- */
/* NAME.csv and NAME.jsonl in folder, whole or not at all; a repeat writes the same bytes. */
DS_NODISCARD enum ds_err ds_connector_file(const char *folder, const struct ds_parcel *parcel,
                                           struct ds_detail *detail);
/* POST of the lines (application/x-ndjson) with Idempotency-Key. 2xx: taken; 408, 425, 429, 5xx and
 * silence: try again (DS_ERR_UNREACHABLE); other answers: DS_ERR_SCHEMA. */
struct ds_connector_http;
DS_NODISCARD enum ds_err ds_connector_http_open(const char *url, uint32_t timeout_ms,
                                                struct ds_connector_http **http);
void ds_connector_http_close(struct ds_connector_http *http);
DS_NODISCARD enum ds_err ds_connector_http_post(struct ds_connector_http *http, const char *key,
                                                struct ds_slice lines, struct ds_detail *detail);

#endif

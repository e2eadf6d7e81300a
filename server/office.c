#include "server/office.h"

#include "sync/core/row.h"
#include "sync/core/tables.h"

#include <stdlib.h>
#include <string.h>

#define VERDICT_ARENA_SIZE 2048

static void end_process(void *context, enum ds_err err)
{
    struct ds_office *office = context;

    ds_log_error(office->log, "storage_failed", err, NULL);
    /* Nothing is flushed, answered or closed: what was acknowledged is durable, what was not is
     * repeated by its sender (design: trust, F11). */
    _Exit(74);
}

static void each_minute(void *context)
{
    struct ds_office *office = context;
    enum ds_err err = ds_healths_flush(office->healths);

    if (err != DS_OK) {
        ds_log_error(office->log, "health_flush", err, NULL);
    }
    if (office->site->lock_fd >= 0) { /* LMDB stores (trust, F12). */
        ds_store_lmdb_check_readers(office->site->store);
        ds_store_lmdb_check_readers(office->site->key_store);
    }
}

enum ds_err ds_office_open(struct ds_office *office, struct ds_site *site,
                           const struct ds_office_options *options, struct ds_detail *detail)
{
    (void)detail;
    memset(office, 0, sizeof(*office));
    office->site = site;
    office->daemon = options->daemon;
    office->metrics = calloc(1, sizeof(*office->metrics));
    office->log = calloc(1, sizeof(*office->log));
    enum ds_err err = office->metrics != NULL && office->log != NULL ? DS_OK : DS_ERR_NOMEM;

    if (err == DS_OK) {
        ds_metrics_init(office->metrics);
        *office->log = (struct ds_log){.fd = options->log_fd, .clock = site->clock};
        err = ds_healths_open(site, &office->healths);
    }
    if (err == DS_OK) {
        err = ds_users_open(site, options->argon, &office->users);
    }
    if (err == DS_OK && options->daemon) { /* A new release began to serve: its rules count now. */
        err = ds_shard_activate(&site->shard, DS_ENGINE_VERSION);
    }
    if (err == DS_OK) {
        const struct ds_writer_options writing = {
            .queue_max = (uint32_t)site->config.server_queue_max,
            .tick_s = options->daemon ? (uint32_t)site->config.server_tick_s : 0,
            .on_fatal = options->daemon ? end_process : NULL,
            .on_minute = each_minute,
            .context = office,
        };

        err = ds_writer_start(&site->shard, &writing, &office->writer);
    }
    if (err != DS_OK) {
        ds_office_close(office);
    }
    return err;
}

void ds_office_close(struct ds_office *office)
{
    ds_writer_stop(office->writer);
    if (office->healths != NULL && ds_healths_flush(office->healths) != DS_OK) {
        ds_log_error(office->log, "health_flush", DS_ERR_IO, NULL);
    }
    ds_users_close(office->users);
    ds_healths_close(office->healths);
    free(office->metrics);
    free(office->log);
    memset(office, 0, sizeof(*office));
}

/* ---- Writing as an actor ---- */

struct writing {
    struct ds_office *office;
    const struct ds_office_actor *actor;
    struct ds_draft *drafts;
    size_t count;
    struct ds_incarnation incarnation; /* Out: the ops' ids are this, work, first_seq ... */
    uint64_t first_seq;
    uint64_t position;
    struct ds_detail *detail;
};

static enum ds_err write_as_actor(struct ds_shard *shard, void *context)
{
    struct writing *writing = context;
    struct ds_actor actor;
    struct ds_folded folded = {.error = DS_OK};

    DS_TRY(ds_actor_open(shard, writing->actor->name, writing->actor->kind, &writing->actor->worker,
                         &actor, writing->detail));
    writing->incarnation = actor.incarnation;
    writing->first_seq = actor.next_seq;
    enum ds_err err =
        ds_actor_write(shard, &actor, writing->drafts, writing->count, &folded, writing->detail);

    if (err == DS_OK) {
        err = folded.error;
    }
    writing->position = shard->meta.size;
    ds_wipe(&actor, sizeof(actor));
    return err;
}

/* The mailbox row of an op; plainly applied ops have none. */
enum ds_err ds_office_verdict(struct ds_office *office, struct ds_txn *txn,
                              struct ds_office_verdict *out)
{
    uint8_t memory[VERDICT_ARENA_SIZE];
    struct ds_arena arena;
    struct ds_verdict row;
    const struct ds_id id = ds_verdict_id(&office->site->station, DS_REC_verdict, &out->op);

    ds_arena_init(&arena, memory, sizeof(memory));
    enum ds_err err = ds_record_load(txn, DS_REC_verdict, &id, &arena, &row);

    out->verdict = DS_VERDICT_applied;
    out->words.text[0] = '\0';
    memset(&out->item, 0, sizeof(out->item));
    if (err == DS_OK) {
        out->verdict = (enum ds_verdict_kind)row.verdict;
    } else if (err != DS_ERR_NOT_FOUND) {
        return err;
    }
    if ((size_t)out->verdict < DS_COUNT(office->metrics->verdicts)) {
        ds_metrics_add(&office->metrics->verdicts[out->verdict], 1);
    }
    if (err != DS_OK) {
        return DS_OK;
    }
    if (DS_HAS(&row, verdict, item)) {
        out->item = row.item;
    }
    if (DS_HAS(&row, verdict, detail)) {
        size_t size = row.detail.size < DS_DETAIL_SIZE - 1 ? row.detail.size : DS_DETAIL_SIZE - 1;

        memcpy(out->words.text, row.detail.data, size);
        out->words.text[size] = '\0';
    }
    return DS_OK;
}

static enum ds_err load_verdicts(struct ds_office *office, const struct writing *writing,
                                 struct ds_office_verdict *verdicts)
{
    struct ds_txn *txn = NULL;
    enum ds_err err = ds_store_begin(office->site->store, false, &txn);

    DS_TRY(err);
    for (size_t i = 0; i < writing->count && err == DS_OK; i++) {
        verdicts[i].op = ds_op_id(&writing->incarnation, DS_LANE_WORK, writing->first_seq + i);
        err = ds_office_verdict(office, txn, &verdicts[i]);
    }
    ds_txn_abort(txn);
    return err;
}

enum ds_err ds_office_write(struct ds_office *office, const struct ds_office_actor *actor,
                            struct ds_draft *drafts, size_t count,
                            struct ds_office_verdict *verdicts, uint64_t *position,
                            struct ds_detail *detail)
{
    struct writing writing = {
        .office = office, .actor = actor, .drafts = drafts, .count = count, .detail = detail};

    DS_TRY(ds_writer_run(office->writer, write_as_actor, &writing));
    if (position != NULL) {
        *position = writing.position;
    }
    return verdicts != NULL ? load_verdicts(office, &writing, verdicts) : DS_OK;
}

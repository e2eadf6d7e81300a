/* What every way into a station shares: the open site, its writer, users and counters.
 *
 * doorstepd makes one office and hangs HTTP, the admin socket and the connectors on it; a command
 * without a daemon makes one for itself. All writes of server-held actors go through
 * ds_office_write(), which tells the verdict of each op. */
#ifndef DS_SERVER_OFFICE_H
#define DS_SERVER_OFFICE_H

#include "server/health.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/site.h"
#include "server/users.h"
#include "server/writer.h"

struct ds_outbox;
struct ds_office {
    struct ds_site *site;
    struct ds_writer *writer;
    struct ds_users *users;
    struct ds_healths *healths;
    struct ds_metrics *metrics;
    struct ds_log *log;
    bool daemon;
    struct ds_outbox *outbox; /* Set by whoever opened one (outbox.h); borrowed, may be NULL. */
};

struct ds_office_options {
    bool daemon; /* Ticks, and an I/O error of a commit ends the process. */
    const struct ds_argon_cost *argon;
    int log_fd; /* -1: no log. */
};
/* Start writer and users over an open site (borrowed). */
DS_NODISCARD enum ds_err ds_office_open(struct ds_office *office, struct ds_site *site,
                                        const struct ds_office_options *options,
                                        struct ds_detail *detail);
void ds_office_close(struct ds_office *office);

struct ds_office_verdict { /* What became of one draft. */
    enum ds_verdict_kind verdict;
    struct ds_id op;
    struct ds_id item;      /* The conflict, proposal or quarantine item, if any. */
    struct ds_detail words; /* In words, "" if plainly applied. */
};
/* Fill in what became of verdict->op. */
DS_NODISCARD enum ds_err ds_office_verdict(struct ds_office *office, struct ds_txn *txn,
                                           struct ds_office_verdict *verdict);
struct ds_office_actor {
    const char *name; /* "system", "billing", "gis", "import", "user:NAME" */
    enum ds_actor_kind kind;
    struct ds_id worker; /* Of a console user. */
};
/* Write drafts as an actor, durably. verdicts (optional) has count entries. *position is the
 * journal's size after it. Any thread but the writer's. DS_ERR_BUSY, DS_ERR_FULL, or the shard's
 * error. */
DS_NODISCARD enum ds_err ds_office_write(struct ds_office *office,
                                         const struct ds_office_actor *actor,
                                         struct ds_draft *drafts, size_t count,
                                         struct ds_office_verdict *verdicts, uint64_t *position,
                                         struct ds_detail *detail);

#endif

/* Deadlines of connections: whoever is not through in time is cut.
 *
 * civetweb's timeout bounds a silence, not a drip (design: trust, F3), and it does not tell its
 * socket. So a thread here looks every DS_WATCH_STEP_MS for entries past their deadline, finds the
 * socket by its two ends among this process's own, and shuts it; the worker's read then ends. The
 * worker holds the socket while its entry is set, so the ends cannot be another connection's. */
#ifndef DS_SERVER_HTTP_WATCH_H
#define DS_SERVER_HTTP_WATCH_H

#include "server/metrics.h"

#define DS_WATCH_STEP_MS 100
#define DS_WATCH_ADDRESS_MAX 48

struct ds_watch;

struct ds_watch_entry { /* The caller's memory; the watch's while it is added. */
    struct ds_watch_entry *next;
    int64_t deadline_ms; /* Monotonic; 0: nothing to cut. */
    char far_address[DS_WATCH_ADDRESS_MAX];
    int far_port;
    int near_port;
    bool cut;
};

/* cuts counts what was cut; borrowed. */
DS_NODISCARD enum ds_err ds_watch_open(atomic_uint_least64_t *cuts, struct ds_watch **watch);
void ds_watch_close(struct ds_watch *watch);
/* For the life of the watch. */
void ds_watch_add(struct ds_watch *watch, struct ds_watch_entry *entry);

/* Cut the connection with these ends in so many ms. */
void ds_watch_begin(struct ds_watch *watch, struct ds_watch_entry *entry, const char *far_address,
                    int far_port, int near_port, uint32_t in_ms);
/* It is through. False: it was cut. */
bool ds_watch_end(struct ds_watch *watch, struct ds_watch_entry *entry);

#endif

/* A station's folder, opened: settings, secrets, stores and the shard in them.
 *
 * DIR/{doorstep.ini,lock,store/,keys/{server.keys,store/},blobs/,outbox/,tls/,admin.sock}. The one
 * idea: whoever may write holds DIR/lock (flock), so that there is one writer per station: the
 * daemon while it runs, else one command. The same struct serves both. Knows no HTTP. */
#ifndef DS_SERVER_SITE_H
#define DS_SERVER_SITE_H

#include "server/config.h"
#include "server/files.h"
#include "sync/shard/shard.h"

#define DS_SITE_PATH_MAX 512 /* Bytes of DIR, its NUL included; files below it: DS_PATH_MAX. */

/* Tables of the key store that are the server's; sync/shard uses those below 16. */
enum ds_site_table {
    DS_SITE_TABLE_USER = 16,   /* name -> user (users.h) */
    DS_SITE_TABLE_HEALTH = 17, /* device id -> health as last told (health.h) */
};

/* A command holds a station for a moment; whoever comes meanwhile waits this long for it. */
#define DS_SITE_LOCK_WAIT_MS 5000
#define DS_SITE_LOCK_PAUSE_MS 20 /* Between two tries. */

struct ds_site {
    char dir[DS_SITE_PATH_MAX];
    int lock_fd;
    struct ds_config config;
    struct ds_clock clock;
    struct ds_random random;
    struct ds_store *store;     /* Journal and state: DIR/store. */
    struct ds_store *key_store; /* Customer keys, actors' seeds, codes, users: DIR/keys/store. */
    struct ds_shard shard;      /* Written by the writer thread alone (writer.h). */
    struct ds_id station;
    int32_t offset_min; /* The station's time zone, as it was when the site was opened. */
    bool sample;        /* Marked as made of sample data. */
    /* A set clock: its instant minus the monotonic clock; 0: the machine's clock. */
    _Atomic int64_t clock_shift_ms;
};

/* Make DIR with everything in it; it may not exist or must be empty (DS_ERR_EXISTS). station needs
 * number, name, offset_min and billing_authority; sample marks it. DIR is made aside and renamed,
 * so that no half station is ever left. clock_ms: the instant at which a sample station begins, 0:
 * the machine's clock. */
DS_NODISCARD enum ds_err ds_site_init(const char *dir, const struct ds_station *station,
                                      int64_t clock_ms, struct ds_detail *detail);

struct ds_site_options {
    const char *config_path;        /* NULL: DIR/doorstep.ini. */
    int64_t clock_ms;               /* --clock: the instant to begin with; 0: the machine's clock.
                                       DS_ERR_FORBIDDEN unless the station is marked sample. */
    const struct ds_random *random; /* NULL: the system's. */
    int64_t lock_wait_ms;           /* Wait so long for another process to end; 0: not at all. */
};
/* Open DIR for writing; site is the caller's memory and may not move while open. DS_ERR_LOCKED if
 * another process holds it, DS_ERR_NOT_FOUND if there is no station. options may be NULL. */
DS_NODISCARD enum ds_err ds_site_open(struct ds_site *site, const char *dir,
                                      const struct ds_site_options *options,
                                      struct ds_detail *detail);
void ds_site_close(struct ds_site *site);

/* Set the clock to an instant, from which it runs on. DS_ERR_FORBIDDEN unless the station is marked
 * sample. Any thread. */
DS_NODISCARD enum ds_err ds_site_set_clock(struct ds_site *site, int64_t instant_ms,
                                           struct ds_detail *detail);

/* Open over stores that the caller made (tests), state and keys: no lock, no settings file, fresh
 * secrets. dir may be NULL; with it, outbox and blobs lie there. create: make the shard first. The
 * stores are closed by ds_site_close(). */
DS_NODISCARD enum ds_err ds_site_open_stores(struct ds_site *site, const char *dir,
                                             struct ds_store *stores[2],
                                             const struct ds_station *create,
                                             const struct ds_site_options *options,
                                             struct ds_detail *detail);

/* The folders of a station that are not stores, made where they are not. */
DS_NODISCARD enum ds_err ds_site_folders(const char *dir, struct ds_detail *detail);

#endif

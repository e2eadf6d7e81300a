/* What devices told of themselves at their last exchange: unsent ops, clock, battery, version.
 *
 * Health is not part of the truth: it is no op, folds into nothing and is lost without harm. It is
 * kept in memory and written to the key store about once a minute, for the board of devices. */
#ifndef DS_SERVER_HEALTH_H
#define DS_SERVER_HEALTH_H

#include "server/site.h"

#define DS_HEALTH_DEVICES_MAX 65536
#define DS_HEALTH_VERSION_MAX 40 /* Bytes of the version text that are kept. */

struct ds_device_health {
    int64_t contact_ms; /* The server's clock at the last exchange. */
    uint64_t unsent;
    int64_t oldest_unsent_ms; /* 0: none */
    int64_t skew_ms;          /* Device's wall clock minus the server's. */
    uint32_t battery_percent; /* 0: unknown */
    uint64_t free_kib;
    uint64_t doubt;      /* enum ds_doubt_kind: what it last found wrong with our history. */
    uint64_t doubts;     /* Answers of ours that it refused for that. */
    bool doubt_open;     /* It has had no sound answer since. */
    uint64_t doubt_size; /* The head that it knew ... */
    uint64_t shown_size; /* ... and what it was shown. */
    uint64_t obeyed;     /* Number of the last order that it told to have obeyed; 0: none. */
    char version[DS_HEALTH_VERSION_MAX + 1];
};

struct ds_healths; /* Thread-safe. */

/* Reads what was kept. site is borrowed. */
DS_NODISCARD enum ds_err ds_healths_open(struct ds_site *site, struct ds_healths **healths);
void ds_healths_close(struct ds_healths *healths);
/* Note an exchange: what the device told when it asked, less the taken ops that this very exchange
 * acknowledged. Beyond DS_HEALTH_DEVICES_MAX devices nothing is noted. */
void ds_healths_note(struct ds_healths *healths, const struct ds_id *device, int64_t now_ms,
                     const struct ds_health *told, uint64_t taken, uint64_t obeyed);
/* DS_ERR_NOT_FOUND if the device never came. */
DS_NODISCARD enum ds_err ds_healths_get(struct ds_healths *healths, const struct ds_id *device,
                                        struct ds_device_health *health);
/* Write what changed since the last flush, in one commit. */
DS_NODISCARD enum ds_err ds_healths_flush(struct ds_healths *healths);

#endif

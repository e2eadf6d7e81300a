/* One simulated worker with his handheld: the real SDK on a real store, a clock that is told.
 *
 * He reads, visits and swaps as a scenario says, answers what the rules ask as its table says, and
 * writes down what was committed, so that afterwards everything can be demanded from the station.
 * Knows no server but through the SDK. Not thread-safe; one thread per worker is fine. */
#ifndef DS_TOOLS_CLI_FLEET_H
#define DS_TOOLS_CLI_FLEET_H

#include "doorstep.h"
#include "tools/cli/scenario.h"

#include <jansson.h>

/* Bytes of a handheld's store. Without a limit each takes 1 TiB of addresses, of which a process
 * has 128: 500 handhelds in one process would be refused as "out of memory". */
#define DS_FLEET_QUOTA (UINT64_C(4) << 30)
#define DS_FLEET_PATH_MAX 512
#define DS_FLEET_PIN "246810" /* Of simulated handhelds; nobody else's. */

struct ds_fleet_count {
    uint64_t readings;
    uint64_t visits;
    uint64_t swaps;
    uint64_t asked;  /* Readings at which a rule asked for something. */
    uint64_t mended; /* Of these: the second, blind entry was another number. */
    uint64_t syncs;
    uint64_t exchanges;
    uint64_t sent;
    uint64_t acknowledged;
    uint64_t rows;
    uint64_t verdicts;
    uint64_t lives; /* New incarnations that a sync began. */
};

struct ds_fleet_handheld {
    char worker[48];
    char dir[DS_FLEET_PATH_MAX];
    char backup[DS_FLEET_PATH_MAX]; /* Where a copy of the store lies; "": none. */
    struct ds_handheld *handheld;   /* NULL: closed. */
    bool real_clock;                /* The machine's clocks instead of now_ms. */
    int64_t now_ms;                 /* True time. */
    int64_t offset_ms;              /* His wall clock minus the true time. */
    int64_t boot_ms;                /* True time of his handheld's start. */
    uint32_t boot_id;
    int32_t period;
    struct ds_fleet_count count;
    json_t *commits; /* {"type", "meter"|"premises", "period", "instant_ms", "index"?}; owned. */
};

/* The caller fills worker, dir, clock and period; the rest is zero. */
DS_NODISCARD enum ds_err ds_fleet_open(struct ds_fleet_handheld *f, struct ds_detail *detail);
void ds_fleet_close(struct ds_fleet_handheld *f);
void ds_fleet_free(struct ds_fleet_handheld *f); /* Also closes. */
DS_NODISCARD enum ds_err ds_fleet_enrol(struct ds_fleet_handheld *f, const char *code,
                                        struct ds_detail *detail);
DS_NODISCARD enum ds_err ds_fleet_sync(struct ds_fleet_handheld *f, struct ds_detail *detail);
DS_NODISCARD enum ds_err ds_fleet_act(struct ds_fleet_handheld *f, const struct ds_act *act,
                                      struct ds_detail *detail);
/* Copy the whole store aside; put the copy in place of the store. */
DS_NODISCARD enum ds_err ds_fleet_backup(struct ds_fleet_handheld *f, struct ds_detail *detail);
DS_NODISCARD enum ds_err ds_fleet_restore(struct ds_fleet_handheld *f, struct ds_detail *detail);

/* Note what was committed at a meter (or premises); used by drawn rounds too. */
DS_NODISCARD enum ds_err ds_fleet_record(struct ds_fleet_handheld *f,
                                         struct ds_handheld_reading *reading,
                                         struct ds_detail *detail);

/* "DIR/name", DS_ERR_LIMIT; copy a folder of plain files and folders; remove one. */
DS_NODISCARD enum ds_err ds_fleet_copy(const char *from, const char *to, struct ds_detail *detail);
void ds_fleet_remove(const char *dir);

#endif

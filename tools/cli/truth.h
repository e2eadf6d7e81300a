/* What a scenario says must stand in each slot, worked out without the product's own rules.
 *
 * The billing choice is taken here a second time from the tables alone (precedence of the domain,
 * then the later claimed instant), and the scripted decisions of injected.csv are laid over it. A
 * wrong precedence in the product and the same wrong one here would have to be written twice. */
#ifndef DS_TOOLS_CLI_TRUTH_H
#define DS_TOOLS_CLI_TRUTH_H

#include "tools/cli/scenario.h"
#include "tools/cli/seen.h"

struct ds_truth_slot {
    struct ds_id meter;
    const char *meter_no;
    int64_t index; /* -1: nobody read it. */
    int grade;     /* 1 on site with photo, 2 on site, 3 remote, 9 estimate. */
    int64_t instant_ms;
    uint32_t readings; /* On the handhelds. */
    uint32_t remote;
    uint32_t visits;
    uint32_t swaps;
    bool two_workers;
    const char *worker; /* Of the last reading on site. */
    const char *action; /* What the supervisor does: approve, correct, re_read; "": nothing said. */
    int64_t correct_to; /* -1: nothing. */
};

struct ds_truth {
    struct ds_truth_slot *slots;
    size_t count;
    size_t room;
    struct ds_seen places; /* Meter -> place in slots, from 1. */
    uint64_t remote_rows;
};

/* Read acts, remote_reading.csv and injected.csv (those that are there). scenario is borrowed.
 * truth is yours: ds_truth_free(), after an error too. */
DS_NODISCARD enum ds_err ds_truth_make(struct ds_scenario *scenario, const struct ds_id *station,
                                       struct ds_truth *truth, struct ds_detail *detail);
void ds_truth_free(struct ds_truth *truth);
/* NULL if the scenario does not know the meter. */
const struct ds_truth_slot *ds_truth_find(const struct ds_truth *truth, const struct ds_id *meter);

/* Every [expect] number that the tables alone can tell, compared with them; for tests of the
 * scenario itself. NULL, or the name of the first one that differs. */
const char *ds_truth_against_expect(const struct ds_scenario *scenario,
                                    const struct ds_truth *truth);

#endif

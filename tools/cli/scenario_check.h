/* The invariants of a scenario, by name: what was committed, what stands, what was expected.
 *
 * acknowledged     every handheld's work is under a receipt
 * exactly_once     what was committed is in the state once, and nothing else is
 * slots_are_truth  each slot of the period holds what the scenario's tables say
 * expected         the counts of [expect], and each rule at as many slots as expected
 * journal_verifies every form, signature, chain and hash of the journal is right
 * replay_is_same   refolding the journal gives the same state
 * Reads the state at a snapshot; changes nothing. */
#ifndef DS_TOOLS_CLI_SCENARIO_CHECK_H
#define DS_TOOLS_CLI_SCENARIO_CHECK_H

#include "tools/cli/scenario.h"
#include "tools/cli/state.h"
#include "tools/cli/truth.h"

#define DS_CHECKS_MAX 8
#define DS_CHECK_WORDS 200

struct ds_check {
    const char *name;
    bool held;
    uint64_t compared; /* How many things. */
    uint64_t wrong;
    char words[DS_CHECK_WORDS]; /* Of the first wrong one. */
};
struct ds_checks {
    struct ds_check checks[DS_CHECKS_MAX];
    size_t count;
};

struct ds_check_input {
    struct ds_state *state;
    struct ds_scenario *scenario;
    const struct ds_truth *truth;
    const json_t *record; /* Of simulate. */
};
/* An error is the world's; what does not hold is in checks. */
DS_NODISCARD enum ds_err ds_scenario_check(const struct ds_check_input *input,
                                           struct ds_checks *checks, struct ds_detail *detail);

#endif

/* The witness: what this handheld knows of the journal's history, and what it found wrong with it.
 *
 * The one idea: a head is believed for a while and then has to be shown to be the beginning of the
 * present one. Once a day, when asked, after a restore, and at once when something was wrong, a
 * request names the heads that are owed a proof; no answer is taken that does not give it. So work
 * is recorded and handed in whatever the server's history looks like, but no batch is let go, no
 * row is taken and no head is replaced towards a history that is not the one that was signed. The
 * only lawful fork is an epoch entry that an actor of the station signed (FORMAT.md, "Witness"). */
#ifndef DS_HANDHELD_SDK_SRC_WITNESS_H
#define DS_HANDHELD_SDK_SRC_WITNESS_H

#include "handheld-sdk/src/handheld.h"

#define DS_PROVE_PAUSE_MS (INT64_C(24) * 60 * 60 * 1000) /* Own clock. */

/* Add to a request: the last head, the sizes to prove, and what was found wrong so far. */
void ds_witness_ask(struct ds_handheld *h, struct ds_request *request);

/* What an answer shows. receipt: NULL if it brought none. */
struct ds_shown {
    const struct ds_response *response;
    const struct ds_receipt *receipt;
};
/* May the answer be believed? DS_ERR_EPOCH: an older history; DS_ERR_INTEGRITY: another one; then
 * *kind says what to report. */
DS_NODISCARD enum ds_err ds_witness_check(const struct ds_handheld *h, const struct ds_shown *shown,
                                          enum ds_doubt_kind *kind, struct ds_detail *detail);
/* Remember, durably, what was wrong. */
DS_NODISCARD enum ds_err ds_witness_report(struct ds_handheld *h, const struct ds_shown *shown,
                                           enum ds_doubt_kind kind);
/* Take over the epoch, and then the head, of a good answer. new_epoch: it was not the one of the
 * request; used: work was acknowledged under the head. The caller stores contact and witness. */
void ds_witness_take_epoch(struct ds_handheld *h, const struct ds_response *response);
void ds_witness_take_head(struct ds_handheld *h, const struct ds_head *shown, bool new_epoch,
                          bool used);

#endif

/* Relayed batches from a bundle file (sync/FORMAT.md, "Bundle file"): opened, checked, committed.
 *
 * Whoever carries a bundle cannot read it, and only its signer counts, so any bearer will do. */
#ifndef DS_SERVER_BUNDLE_H
#define DS_SERVER_BUNDLE_H

#include "server/office.h"

#include <jansson.h>

#define DS_BUNDLE_SIZE_MAX (64 * 1024 * 1024) /* Bytes of a bundle file. */

/* *answer (yours): taken, refused, items of those refused: {index, error, detail?}. */
DS_NODISCARD enum ds_err ds_bundle_take(struct ds_office *office, const char *path, json_t **answer,
                                        struct ds_detail *detail);

#endif

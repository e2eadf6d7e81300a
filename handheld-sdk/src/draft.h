/* From what a caller filled in to an op: checked, completed, encoded.
 *
 * A draft becomes a record struct of the schema, is validated like any other, and is then
 * committed by own.h in the caller's transaction. A photo's bytes go into the vault in the same
 * transaction, so a record never names a photo that is not there. */
#ifndef DS_HANDHELD_SDK_SRC_DRAFT_H
#define DS_HANDHELD_SDK_SRC_DRAFT_H

#include "handheld-sdk/src/own.h"

/* Fill a record from the public draft: defaults, period, photo's hash. DS_ERR_SCHEMA names the
 * field; DS_ERR_NOT_FOUND: no such meter and no period given. */
DS_NODISCARD enum ds_err ds_draft_reading(struct ds_handheld *h, struct ds_txn *txn,
                                          const struct ds_handheld_reading *draft,
                                          struct ds_reading *record, struct ds_detail *detail);
DS_NODISCARD enum ds_err ds_draft_visit(struct ds_handheld *h, struct ds_txn *txn,
                                        const struct ds_handheld_visit *draft,
                                        struct ds_visit *record, struct ds_detail *detail);
DS_NODISCARD enum ds_err ds_draft_swap(struct ds_handheld *h, struct ds_txn *txn,
                                       const struct ds_handheld_swap *draft, struct ds_swap *record,
                                       struct ds_detail *detail);

/* Validate and commit a record as an op about an entity (none: its own). */
DS_NODISCARD enum ds_err ds_draft_commit(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                                         const struct ds_id *entity, const void *record,
                                         struct ds_id *op, struct ds_detail *detail);
/* Fields of an edit as a record struct in the arena. */
DS_NODISCARD enum ds_err ds_draft_edit(struct ds_handheld *h, struct ds_txn *txn,
                                       const struct ds_handheld_edits *edits, uint8_t *type,
                                       void **record, struct ds_detail *detail);
/* Keep a photo's bytes; nothing if only a hash is given. */
DS_NODISCARD enum ds_err ds_draft_photo(struct ds_handheld *h, struct ds_txn *txn,
                                        const struct ds_handheld_photo *photo);

#endif

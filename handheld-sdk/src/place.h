/* A meter at its premises as the public struct shows it. */
#ifndef DS_HANDHELD_SDK_SRC_PLACE_H
#define DS_HANDHELD_SDK_SRC_PLACE_H

#include "handheld-sdk/src/meterview.h"

/* Fill place from a view; texts live in the handle's arena. personal: open what is sealed, too. */
DS_NODISCARD enum ds_err ds_place_fill(struct ds_handheld *h, struct ds_txn *txn,
                                       struct ds_meterview *view, bool personal,
                                       struct ds_handheld_place *place);
/* The address in one line, words parted by spaces. */
void ds_place_put_address(const struct ds_premises *premises, struct ds_builder *out);

#endif

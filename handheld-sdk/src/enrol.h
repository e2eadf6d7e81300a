/* Enrolment: a one-time code becomes this handheld's own keys and name.
 *
 * Keys are made and stored before the request leaves, so a lost answer costs nothing: the same code
 * asks again with the same keys, and the server answers the same. */
#ifndef DS_HANDHELD_SDK_SRC_ENROL_H
#define DS_HANDHELD_SDK_SRC_ENROL_H

#include "handheld-sdk/src/handheld.h"

DS_NODISCARD enum ds_err ds_enrol_ask(struct ds_handheld *h, const char *code,
                                      struct ds_builder *out, struct ds_detail *detail);
DS_NODISCARD enum ds_err ds_enrol_hear(struct ds_handheld *h, struct ds_slice answer, int status,
                                       struct ds_detail *detail);

#endif

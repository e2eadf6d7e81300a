/* Shared by the files of schema/rules alone: small facts about volumes. Not an interface. */
#ifndef DS_SCHEMA_RULES_VOLUME_IMPL_H
#define DS_SCHEMA_RULES_VOLUME_IMPL_H

#include "schema/rules/volume.h"

/* volume x numerator / denominator, cut towards zero, held within +-DS_VOLUME_MAX_L. */
int64_t ds_volume_scale(int64_t volume, int64_t numerator, int64_t denominator);
int64_t ds_meter_multiplier(const struct ds_rule_meter *meter);
/* Days that a past volume covers, 1..3660. */
int32_t ds_past_days(const struct ds_slot_past *past);
bool ds_past_estimated(const struct ds_slot_past *past);

#endif

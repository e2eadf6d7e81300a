/* Parcels: a run of exports as JSON lines and CSV. Private to server/.
 *
 * A line tells the export with the numbers by which the other side knows things (meter, account,
 * book) beside our ids. No personal field is in it. The last line is the totals. */
#ifndef DS_SERVER_PARCEL_H
#define DS_SERVER_PARCEL_H

#include "server/outbox.h"

struct ds_parcel_maker {
    struct ds_parcel parcel;
    struct ds_builder lines;
    struct ds_builder csv;
    size_t *ends; /* DS_PARCEL_EXPORTS_MAX */
    uint8_t *memory;
    struct ds_arena arena;
};
DS_NODISCARD enum ds_err ds_parcel_maker_init(struct ds_parcel_maker *maker);
void ds_parcel_maker_fini(struct ds_parcel_maker *maker);
/* Make the parcel behind (from_position, from_ordinal): at most exports_max, and not beyond
 * (to_position, to_ordinal) unless that is zero. DS_ERR_NOT_FOUND: nothing waits. */
DS_NODISCARD enum ds_err ds_parcel_make(struct ds_parcel_maker *maker, struct ds_office *office,
                                        enum ds_consumer consumer, size_t exports_max,
                                        const struct ds_parcel *range);

#endif

/* Distance between two WGS-84 positions, in whole metres, by integers alone.
 *
 * The one idea: two sines from a table of whole degrees give the straight line between the two
 * points on the ellipsoid's local radii; so no floating point can make two machines disagree about
 * who stood too far away. Up to 50 km and 85 degrees of latitude the error is at most
 * 0.5 % + 1 m (in fact about 0.02 % + 1 m); beyond, it is the chord through the earth, which is
 * less than the way on the ground. Knows no GCJ-02. Pure. */
#ifndef DS_SCHEMA_GEO_GEO_H
#define DS_SCHEMA_GEO_GEO_H

#include "schema/base/base.h"

#define DS_GEO_LAT_MAX_E7 INT32_C(900000000)
#define DS_GEO_LON_MAX_E7 INT32_C(1800000000)

struct ds_geo {
    int32_t lat_e7;
    int32_t lon_e7;
};

/* Both within +-90 and +-180 degrees. */
bool ds_geo_ok(int64_t lat_e7, int64_t lon_e7);
/* Metres, rounded to the nearest; symmetric; the antimeridian is no border. Positions outside the
 * limits above are clamped to them. */
int64_t ds_geo_distance_m(struct ds_geo a, struct ds_geo b);

#endif

#include "schema/geo/geo.h"

/* sin of whole degrees times 2^30, rounded. Between them a straight line: it is low by at most
 * (1 degree)^2 / 8 = 3.8e-5 of the value, also near 0 and near 90. */
static const int32_t sine_q30[91] = {
    0,          18739379,   37473049,   56195305,   74900443,   93582766,   112236583,  130856211,
    149435979,  167970228,  186453311,  204879599,  223243478,  241539355,  259761657,  277904834,
    295963357,  313931728,  331804471,  349576144,  367241333,  384794656,  402230767,  419544355,
    436730145,  453782903,  470697435,  487468587,  504091252,  520560366,  536870912,  553017922,
    568996477,  584801711,  600428808,  615873009,  631129609,  646193961,  661061475,  675727625,
    690187940,  704438018,  718473518,  732290163,  745883746,  759250125,  772385229,  785285058,
    797945680,  810363241,  822533958,  834454122,  846120104,  857528349,  868675383,  879557810,
    890172315,  900515665,  910584710,  920376381,  929887697,  939115760,  948057759,  956710970,
    965072759,  973140576,  980911966,  988384560,  995556083,  1002424350, 1008987269, 1015242840,
    1021189159, 1026824413, 1032146887, 1037154959, 1041847103, 1046221891, 1050277989, 1054014162,
    1057429273, 1060522280, 1063292242, 1065738315, 1067859754, 1069655912, 1071126243, 1072270298,
    1073087729, 1073578288, 1073741824,
};

#define DEGREE_E7 10000000

/* sin(angle) x 2^30 x 100 for 0 <= angle <= 90 degrees: the factor keeps the digits of the tiny
 * angles between neighbours (1e-7 degree is 1.1 cm). */
static int64_t sine_q30_e2(int64_t angle_e7)
{
    int64_t degree = angle_e7 / DEGREE_E7;
    int64_t part = angle_e7 % DEGREE_E7;
    if (degree >= 90) {
        return (int64_t)sine_q30[90] * 100;
    }
    int64_t low = sine_q30[degree];
    int64_t high = sine_q30[degree + 1];
    return (low * (DEGREE_E7 - part) + high * part) / (DEGREE_E7 / 100);
}

/* 2 r sin(angle / 2) in centimetres: the chord of an angle of at most 180 degrees. The angle is
 * halved last, so that an odd one loses nothing. */
static int64_t chord_cm(int64_t angle_e7, int64_t radius_m)
{
    int64_t half = sine_q30_e2(angle_e7 / 2);
    int64_t next = sine_q30_e2((angle_e7 + 1) / 2);
    return (half + next) / 2 * (2 * radius_m) >> 30;
}

static int64_t root(int64_t square)
{
    if (square == 0) {
        return 0;
    }
    /* Newton from above; exact floor. */
    int64_t guess = INT64_C(3037000499);
    for (;;) {
        int64_t next = (guess + square / guess) / 2;
        if (next >= guess) {
            return guess;
        }
        guess = next;
    }
}

static int64_t clamp(int64_t value, int64_t limit)
{
    return value < -limit ? -limit : value > limit ? limit : value;
}

static int64_t magnitude(int64_t value)
{
    return value < 0 ? -value : value;
}

bool ds_geo_ok(int64_t lat_e7, int64_t lon_e7)
{
    return magnitude(clamp(lat_e7, INT32_MAX)) <= DS_GEO_LAT_MAX_E7 &&
           magnitude(clamp(lon_e7, INT32_MAX)) <= DS_GEO_LON_MAX_E7;
}

int64_t ds_geo_distance_m(struct ds_geo a, struct ds_geo b)
{
    int64_t lat_a = clamp(a.lat_e7, DS_GEO_LAT_MAX_E7);
    int64_t lat_b = clamp(b.lat_e7, DS_GEO_LAT_MAX_E7);
    int64_t lon =
        magnitude(clamp(a.lon_e7, DS_GEO_LON_MAX_E7) - clamp(b.lon_e7, DS_GEO_LON_MAX_E7));
    if (lon > DS_GEO_LON_MAX_E7) {
        lon = 2 * INT64_C(1800000000) - lon;
    }
    /* Radii of curvature on WGS-84 at the middle latitude: along the meridian 6,335,439 m at the
     * equator to 6,399,594 m at the pole, across it 6,378,137 m to the same. Both go with the
     * square of the sine, to within 0.02 %. */
    int64_t sine = sine_q30_e2(magnitude(lat_a + lat_b) / 2) / 100;
    int64_t square_e6 = (sine * sine >> 30) * 1000000 >> 30;
    int64_t along_m = 6335439 + 64155 * square_e6 / 1000000;
    int64_t across_m = 6378137 + 21457 * square_e6 / 1000000;

    /* chord^2 = (2 M sin(dlat/2))^2 + cos a cos b (2 N sin(dlon/2))^2 */
    int64_t north = chord_cm(magnitude(lat_a - lat_b), along_m);
    int64_t cos_a = sine_q30_e2(DS_GEO_LAT_MAX_E7 - magnitude(lat_a)) / 100;
    int64_t cos_b = sine_q30_e2(DS_GEO_LAT_MAX_E7 - magnitude(lat_b)) / 100;
    int64_t circle = root(cos_a * cos_b);
    int64_t east = (chord_cm(lon, across_m) * circle >> 30);
    return (root(north * north + east * east) + 50) / 100;
}

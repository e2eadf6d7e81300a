#include "schema/geo/geo.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

/* Geodesics on WGS-84 by Vincenty's inverse formula (1975), in millimetres. */
static const struct {
    struct ds_geo a;
    struct ds_geo b;
    int64_t mm;
} known[] = {
    {{380428000, 1145149000}, {380428000, 1145149000}, 0},
    {{380428000, 1145149000}, {380428001, 1145149000}, 11},
    {{380428000, 1145149000}, {380438000, 1145149000}, 110997},
    {{380428000, 1145149000}, {380428000, 1145159000}, 87781},
    {{380428000, 1145149000}, {380446000, 1145149000}, 199795},
    {{380428000, 1145149000}, {381428000, 1146149000}, 14147682},
    {{380428000, 1145149000}, {383428000, 1149149000}, 48339845},
    {{0, 0}, {0, 100000}, 1113195},
    {{0, 0}, {100000, 0}, 1105743},
    {{0, -2000000}, {0, 2000000}, 44527796},
    {{-338688000, 1512093000}, {-338188000, 1511793000}, 6202211},
    {{312304000, 1214737000}, {314304000, 1216737000}, 29224137},
    {{225431000, 1140579000}, {224431000, 1143579000}, 32796464},
    {{599139000, 107522000}, {601139000, 102522000}, 35696715},
    {{849000000, 200000000}, {849500000, 230000000}, 30158257},
    {{-845000000, 1799000000}, {-844000000, -1798000000}, 11628956},
    {{120000000, 1799990000}, {120000000, -1799990000}, 217805},
    {{-178000000, 1799000000}, {-177000000, -1798000000}, 33686054},
    {{535000000, 1223000000}, {539000000, 1224000000}, 45006990},
    {{182000000, 1095000000}, {182010000, 1094980000}, 238772},
};

static void distance__known_geodesics_are_met_within_half_a_percent_and_a_metre(void **state)
{
    (void)state;
    for (size_t i = 0; i < DS_COUNT(known); i++) {
        int64_t off = ds_geo_distance_m(known[i].a, known[i].b) * 1000 - known[i].mm;
        off = off < 0 ? -off : off;
        assert_true(off <= known[i].mm / 200 + 1000);
        /* And in fact within 0.02 % and half a metre of rounding. */
        assert_true(off <= known[i].mm / 5000 + 600);
    }
}

static void distance__there_is_as_far_as_back(void **state)
{
    (void)state;
    struct prng prng = {1};
    for (int i = 0; i < 20000; i++) {
        struct ds_geo a = {(int32_t)prng_between(&prng, -900000000, 900000000),
                           (int32_t)prng_between(&prng, -1800000000, 1800000000)};
        struct ds_geo b = {(int32_t)prng_between(&prng, -900000000, 900000000),
                           (int32_t)prng_between(&prng, -1800000000, 1800000000)};
        int64_t way = ds_geo_distance_m(a, b);
        assert_int_equal(way, ds_geo_distance_m(b, a));
        assert_in_range(way, 0, 12800000);
        assert_int_equal(ds_geo_distance_m(a, a), 0);
    }
}

static void distance__opposite_ends_of_the_earth_are_its_diameter(void **state)
{
    (void)state;
    struct ds_geo north = {900000000, 0};
    struct ds_geo south = {-900000000, 1234567890};
    struct ds_geo west = {0, -900000000};
    struct ds_geo east = {0, 900000000};
    assert_in_range(ds_geo_distance_m(north, south), 12600000, 12760000);
    assert_in_range(ds_geo_distance_m(west, east), 12756000, 12757000);
    /* All meridians meet at the pole. */
    struct ds_geo pole = {900000000, 1700000000};
    assert_int_equal(ds_geo_distance_m(north, pole), 0);
}

static void distance__both_names_of_the_antimeridian_are_one_place(void **state)
{
    (void)state;
    struct ds_geo a = {-178000000, 1800000000};
    struct ds_geo b = {-178000000, -1800000000};
    assert_int_equal(ds_geo_distance_m(a, b), 0);
}

static void distance__positions_off_the_globe_are_held_at_its_edge(void **state)
{
    (void)state;
    struct ds_geo off = {INT32_MAX, INT32_MIN};
    struct ds_geo edge = {900000000, -1800000000};
    assert_int_equal(ds_geo_distance_m(off, edge), 0);
}

static void ok__the_last_position_passes_and_the_next_does_not(void **state)
{
    (void)state;
    assert_true(ds_geo_ok(900000000, 1800000000));
    assert_true(ds_geo_ok(-900000000, -1800000000));
    assert_false(ds_geo_ok(900000001, 0));
    assert_false(ds_geo_ok(-900000001, 0));
    assert_false(ds_geo_ok(0, 1800000001));
    assert_false(ds_geo_ok(0, -1800000001));
    assert_false(ds_geo_ok(INT64_MIN, INT64_MIN));
    assert_false(ds_geo_ok(INT64_MAX, INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance__known_geodesics_are_met_within_half_a_percent_and_a_metre),
        cmocka_unit_test(distance__there_is_as_far_as_back),
        cmocka_unit_test(distance__opposite_ends_of_the_earth_are_its_diameter),
        cmocka_unit_test(distance__both_names_of_the_antimeridian_are_one_place),
        cmocka_unit_test(distance__positions_off_the_globe_are_held_at_its_edge),
        cmocka_unit_test(ok__the_last_position_passes_and_the_next_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

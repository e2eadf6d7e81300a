#include "tools/cli/geojson_feature.h"

#include "schema/base/text.h"
#include "schema/codec/record_json_jansson.h"

#include <stdio.h>
#include <string.h>

#define E7 10000000.0

static void refuse(struct ds_feature *feature, struct ds_feature_cells *cells, const char *at,
                   const char *why)
{
    snprintf(cells->at, sizeof(cells->at), "%s", at);
    feature->bad = true;
    feature->at = cells->at;
    ds_detail_set(&feature->why, why, NULL);
}

/* Keep bytes of text; false when there is no room. */
static bool keep(struct ds_feature_cells *cells, struct ds_slice text, struct ds_slice *kept)
{
    if (text.size > sizeof(cells->text) - cells->used) {
        return false;
    }
    *kept = (struct ds_slice){cells->text + cells->used, text.size};
    if (text.size > 0) {
        memcpy(cells->text + cells->used, text.data, text.size);
    }
    cells->used += text.size;
    return true;
}

static void add(struct ds_feature *feature, struct ds_feature_cells *cells, const char *name,
                struct ds_slice text)
{
    size_t place = cells->count;
    if (place == DS_GEOJSON_CELLS_MAX ||
        !keep(cells, ds_slice_of_text(name), &cells->names[place]) ||
        !keep(cells, text, &cells->cells[place])) {
        refuse(feature, cells, name, "more properties than a feature may have");
        return;
    }
    cells->count++;
}

static void add_property(struct ds_feature *feature, struct ds_feature_cells *cells,
                         const char *name, const json_t *value)
{
    char number[32];
    switch (json_typeof(value)) {
    case JSON_STRING:
        add(feature, cells, name,
            (struct ds_slice){(const uint8_t *)json_string_value(value),
                              json_string_length(value)});
        return;
    case JSON_INTEGER:
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        add(feature, cells, name, ds_slice_of_text(number));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        add(feature, cells, name, ds_slice_of_text(json_is_true(value) ? "true" : "false"));
        return;
    case JSON_NULL:
        add(feature, cells, name, (struct ds_slice){NULL, 0});
        return;
    default:
        refuse(feature, cells, name, "neither text, whole number, true, false nor null");
    }
}

/* To the nearest 1e-7 degree; degrees lie within +-180. */
static int32_t to_e7(double degrees)
{
    return (int32_t)(degrees * E7 + (degrees < 0 ? -0.5 : 0.5));
}

/* [longitude, latitude, ...] as 1e-7 degrees. */
static bool position(const json_t *pair, int32_t *lat_e7, int32_t *lon_e7)
{
    const json_t *lon = json_array_get(pair, 0);
    const json_t *lat = json_array_get(pair, 1);
    if (!json_is_number(lon) || !json_is_number(lat)) {
        return false;
    }
    double x = json_number_value(lon);
    double y = json_number_value(lat);
    if (!(x >= -180.0 && x <= 180.0 && y >= -90.0 && y <= 90.0)) {
        return false;
    }
    *lon_e7 = to_e7(x);
    *lat_e7 = to_e7(y);
    return true;
}

static void add_point(struct ds_feature *feature, struct ds_feature_cells *cells,
                      const json_t *geometry)
{
    char number[24];
    int32_t lat_e7 = 0;
    int32_t lon_e7 = 0;
    const char *type = json_string_value(json_object_get(geometry, "type"));
    if (type == NULL || strcmp(type, "Point") != 0 ||
        !position(json_object_get(geometry, "coordinates"), &lat_e7, &lon_e7)) {
        refuse(feature, cells, "geometry", "not a Point with longitude and latitude in degrees");
        return;
    }
    snprintf(number, sizeof(number), "%ld", (long)lat_e7);
    add(feature, cells, "lat_e7", ds_slice_of_text(number));
    snprintf(number, sizeof(number), "%ld", (long)lon_e7);
    add(feature, cells, "lon_e7", ds_slice_of_text(number));
}

/* Pairs of big-endian int32, base64url: behind the texts that are kept already. */
static void add_line(struct ds_feature *feature, struct ds_feature_cells *cells,
                     const json_t *geometry)
{
    const json_t *all = json_object_get(geometry, "coordinates");
    const char *type = json_string_value(json_object_get(geometry, "type"));
    bool point = type != NULL && strcmp(type, "Point") == 0;
    bool line = type != NULL && strcmp(type, "LineString") == 0;
    size_t count = point ? 1 : json_array_size(all);
    size_t room = sizeof(cells->text) - cells->used;
    struct ds_builder packed;
    struct ds_builder text;
    struct ds_slice made;
    if ((!point && !line) || count == 0) {
        refuse(feature, cells, "geometry", "neither a Point nor a LineString");
        return;
    }
    if (count > DS_GEOJSON_POINTS_MAX || room < count * 24) {
        refuse(feature, cells, "geometry", "a line of more than 2048 points");
        return;
    }
    ds_builder_init(&packed, cells->text + cells->used, count * 8);
    for (size_t i = 0; i < count; i++) {
        int32_t lat_e7 = 0;
        int32_t lon_e7 = 0;
        if (!position(point ? all : json_array_get(all, i), &lat_e7, &lon_e7)) {
            refuse(feature, cells, "geometry", "a position that is none");
            return;
        }
        ds_put_u32(&packed, (uint32_t)lat_e7);
        ds_put_u32(&packed, (uint32_t)lon_e7);
    }
    uint8_t *behind = cells->text + cells->used + count * 8;
    ds_builder_init(&text, behind, room - count * 8);
    ds_put_base64url(&text, (struct ds_slice){packed.data, packed.used});
    if (ds_builder_end(&text, &made) != DS_OK || cells->count == DS_GEOJSON_CELLS_MAX) {
        refuse(feature, cells, "geometry", "no room for it");
        return;
    }
    cells->names[cells->count] = DS_SLICE_LIT("geometry");
    cells->cells[cells->count++] = made;
}

void ds_feature_read(struct ds_slice text, bool as_lines, struct ds_feature_cells *cells,
                     struct ds_feature *feature)
{
    json_t *root = NULL;
    cells->count = 0;
    cells->used = 0;
    cells->at[0] = '\0';
    enum ds_err err = ds_json_parse_sized(text, DS_GEOJSON_FEATURE_MAX, &root, &feature->why);
    if (err != DS_OK) {
        feature->bad = true;
        return;
    }
    const char *type = json_string_value(json_object_get(root, "type"));
    json_t *properties = json_object_get(root, "properties");
    const json_t *geometry = json_object_get(root, "geometry");
    const char *name = NULL;
    json_t *value = NULL;
    if (type == NULL || strcmp(type, "Feature") != 0 || !json_is_object(properties)) {
        refuse(feature, cells, "", "not a Feature with properties");
    } else {
        json_object_foreach(properties, name, value)
        {
            if (!feature->bad) {
                add_property(feature, cells, name, value);
            }
        }
    }
    if (!feature->bad && json_is_object(geometry)) {
        if (as_lines) {
            add_line(feature, cells, geometry);
        } else {
            add_point(feature, cells, geometry);
        }
    }
    json_decref(root);
    feature->names = cells->names;
    feature->cells = cells->cells;
    feature->count = feature->bad ? 0 : cells->count;
}

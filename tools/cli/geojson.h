/* The features of a GeoJSON file, one after the other, whatever the file's size.
 *
 * RFC 7946: a FeatureCollection in WGS-84. The file is walked as a stream: only one feature is held
 * at a time (jansson parses it), so the size of the file does not matter. A feature's properties
 * become cells under their names; its geometry becomes cells too: lat_e7 and lon_e7 of a point for
 * premises, geometry (schema/records/fields.def, asset) of a point or a line for assets.
 * Positions are rounded to 1e-7 degree, which is a centimetre. */
#ifndef DS_TOOLS_CLI_GEOJSON_H
#define DS_TOOLS_CLI_GEOJSON_H

#include "schema/base/base.h"

#define DS_GEOJSON_FEATURE_MAX (1024 * 1024) /* Bytes of one feature. */
#define DS_GEOJSON_CELLS_MAX 64              /* Properties and geometry of one feature. */
#define DS_GEOJSON_TEXT_MAX (256 * 1024)     /* Bytes of its cells. */
#define DS_GEOJSON_POINTS_MAX 2048           /* As asset.geometry holds. */

struct ds_geojson;

/* Borrowed until the next call. */
struct ds_feature {
    bool bad;        /* why tells; there are no cells. */
    const char *at;  /* Property or "geometry" at fault; "": the whole. */
    uint64_t line;   /* Of its first byte, from 1. */
    uint64_t offset; /* Range of bytes in the file. */
    uint64_t size;
    const struct ds_slice *names;
    const struct ds_slice *cells;
    size_t count;
    struct ds_detail why;
};

/* as_lines: geometry for assets, else a point's position. DS_ERR_NOT_FOUND, DS_ERR_IO. *file is
 * yours. */
DS_NODISCARD enum ds_err ds_geojson_open(const char *path, bool as_lines, struct ds_geojson **file,
                                         struct ds_detail *detail);
void ds_geojson_close(struct ds_geojson *file); /* NULL is allowed. */

/* DS_ERR_NOT_FOUND after the last one. DS_ERR_DECODE "line N: what" where the file itself is no
 * FeatureCollection: nothing can be read behind that. */
DS_NODISCARD enum ds_err ds_geojson_next(struct ds_geojson *file, struct ds_feature *feature,
                                         struct ds_detail *detail);
uint64_t ds_geojson_size(const struct ds_geojson *file);
uint64_t ds_geojson_done(const struct ds_geojson *file);

#endif

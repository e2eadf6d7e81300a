/* One GeoJSON feature as named cells; inside of geojson.h. */
#ifndef DS_TOOLS_CLI_GEOJSON_FEATURE_H
#define DS_TOOLS_CLI_GEOJSON_FEATURE_H

#include "schema/base/bytes.h"
#include "tools/cli/geojson.h"

struct ds_feature_cells {
    struct ds_slice names[DS_GEOJSON_CELLS_MAX];
    struct ds_slice cells[DS_GEOJSON_CELLS_MAX];
    size_t count;
    size_t used;
    char at[48];
    uint8_t text[DS_GEOJSON_TEXT_MAX];
};

/* Fill feature from the feature's text; what is wrong is in feature->bad, at, why. */
void ds_feature_read(struct ds_slice text, bool as_lines, struct ds_feature_cells *cells,
                     struct ds_feature *feature);

#endif

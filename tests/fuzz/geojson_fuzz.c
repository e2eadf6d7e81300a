/* GeoJSON files, as lines and as points: the walk ends, features lie where they say, a bad one says
 * why, and the cells of a good one are UTF-8 texts. */
#define _GNU_SOURCE /* memfd_create */
#include "schema/base/text.h"
#include "tools/cli/geojson.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool cond)
{
    if (!cond) {
        abort();
    }
}

static void check(const struct ds_feature *feature, size_t size)
{
    demand(feature->offset + feature->size <= size && feature->line > 0);
    demand(feature->bad == (feature->why.text[0] != '\0'));
    demand(!feature->bad || feature->at != NULL);
    demand(feature->bad || feature->count <= DS_GEOJSON_CELLS_MAX);
    for (size_t i = 0; !feature->bad && i < feature->count; i++) {
        demand(ds_utf8_ok(feature->names[i]) && ds_utf8_ok(feature->cells[i]));
    }
}

static void walk(const char *path, bool as_lines, size_t size)
{
    struct ds_geojson *file = NULL;
    struct ds_feature feature;
    struct ds_detail detail = {""};
    demand(ds_geojson_open(path, as_lines, &file, &detail) == DS_OK);
    size_t features = 0;
    enum ds_err err = DS_OK;
    while ((err = ds_geojson_next(file, &feature, &detail)) == DS_OK) {
        check(&feature, size);
        demand(++features <= size);
    }
    demand(err == DS_ERR_NOT_FOUND || detail.text[0] != '\0');
    ds_geojson_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("geojson", MFD_CLOEXEC);
    demand(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    walk(path, true, size);
    walk(path, false, size);
    close(fd);
    return 0;
}

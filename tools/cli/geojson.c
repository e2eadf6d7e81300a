/* The stream of features; geojson_feature.c reads one of them. */
#include "tools/cli/geojson.h"

#include "tools/cli/geojson_feature.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct ds_geojson {
    FILE *file;
    bool as_lines;
    bool in_features; /* Behind "features": [ */
    bool first;       /* No feature was read yet. */
    bool ended;
    uint64_t size;
    uint64_t at; /* Bytes that are read. */
    uint64_t line;
    size_t held;
    uint8_t text[DS_GEOJSON_FEATURE_MAX];
    struct ds_feature_cells cells;
};

enum ds_err ds_geojson_open(const char *path, bool as_lines, struct ds_geojson **file,
                            struct ds_detail *detail)
{
    struct ds_geojson *made = calloc(1, sizeof(*made));
    struct stat about;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->file = fopen(path, "rb");
    if (made->file == NULL || fstat(fileno(made->file), &about) != 0) {
        enum ds_err err = errno == ENOENT ? DS_ERR_NOT_FOUND : DS_ERR_IO;
        ds_detail_set(detail, path, ": cannot be read", NULL);
        ds_geojson_close(made);
        return err;
    }
    made->size = (uint64_t)about.st_size;
    made->as_lines = as_lines;
    made->first = true;
    made->line = 1;
    *file = made;
    return DS_OK;
}

void ds_geojson_close(struct ds_geojson *file)
{
    if (file != NULL) {
        if (file->file != NULL) {
            fclose(file->file);
        }
        free(file);
    }
}

static int take(struct ds_geojson *file)
{
    int c = fgetc(file->file);
    if (c != EOF) {
        file->at++;
        file->line += c == '\n';
    }
    return c;
}

static int take_visible(struct ds_geojson *file)
{
    int c = take(file);
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        c = take(file);
    }
    return c;
}

static enum ds_err wrong(const struct ds_geojson *file, const char *what, struct ds_detail *detail)
{
    char line[24];
    snprintf(line, sizeof(line), "%llu", (unsigned long long)file->line);
    ds_detail_set(detail, "line ", line, ": ", what, NULL);
    return DS_ERR_DECODE;
}

/* Where a walk over brackets and strings stands. */
struct walk {
    unsigned depth;
    bool in_string;
    bool escaped;
};

/* False: the byte closes more than was opened. */
static bool step(struct walk *walk, int c)
{
    if (walk->in_string) {
        bool escaped = walk->escaped;
        walk->escaped = !escaped && c == '\\';
        walk->in_string = escaped || c != '"';
    } else if (c == '"') {
        walk->in_string = true;
    } else if (c == '{' || c == '[') {
        walk->depth++;
    } else if (c == '}' || c == ']') {
        if (walk->depth == 0) {
            return false;
        }
        walk->depth--;
    }
    return true;
}

/* Go to the opening bracket of the member "features" of the outermost object. */
static enum ds_err find_features(struct ds_geojson *file, struct ds_detail *detail)
{
    static const char name[] = "features";
    struct walk walk = {.depth = 0};
    size_t matched = 0; /* Bytes of name that the present string began with; SIZE_MAX: another. */
    bool found = false;
    for (int c = take(file); c != EOF; c = take(file)) {
        bool was_string = walk.in_string;
        if (!step(&walk, c)) {
            break;
        }
        if (!was_string && walk.in_string) {
            matched = 0;
        } else if (was_string && walk.in_string && walk.depth == 1) {
            bool same = matched < sizeof(name) - 1 && name[matched] == c;
            matched = same ? matched + 1 : SIZE_MAX;
        } else if (was_string && !walk.in_string) {
            found = walk.depth == 1 && matched == sizeof(name) - 1;
        } else if (found && c == '[') {
            file->in_features = true;
            return DS_OK;
        } else if (c != ':' && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
            found = false;
        }
    }
    return wrong(file, "no member \"features\" with an array: not a GeoJSON FeatureCollection",
                 detail);
}

/* Hold the bytes of one feature, whose first one is c. Of one that is too long only the beginning
 * is held, but all of it is read. */
static enum ds_err hold_feature(struct ds_geojson *file, int c, struct ds_feature *feature,
                                struct ds_detail *detail)
{
    struct walk walk = {.depth = 0};
    feature->line = file->line;
    feature->offset = file->at - 1;
    file->held = 0;
    if (c != '{') {
        return wrong(file, "an object was expected", detail);
    }
    while (c != EOF) {
        (void)step(&walk, c);
        if (file->held < sizeof(file->text)) {
            file->text[file->held] = (uint8_t)c;
        }
        file->held++;
        if (walk.depth == 0) {
            feature->size = file->at - feature->offset;
            return DS_OK;
        }
        c = take(file);
    }
    return wrong(file, "the file ends inside a feature", detail);
}

enum ds_err ds_geojson_next(struct ds_geojson *file, struct ds_feature *feature,
                            struct ds_detail *detail)
{
    *feature = (struct ds_feature){.bad = false, .at = ""};
    if (!file->in_features) {
        DS_TRY(find_features(file, detail));
    }
    if (file->ended) {
        return DS_ERR_NOT_FOUND;
    }
    int c = take_visible(file);
    if (c == ']') {
        file->ended = true;
        return DS_ERR_NOT_FOUND;
    }
    if (!file->first) {
        if (c != ',') {
            return wrong(file, "a comma or the end of the features was expected", detail);
        }
        c = take_visible(file);
    }
    file->first = false;
    DS_TRY(hold_feature(file, c, feature, detail));
    if (file->held > sizeof(file->text)) {
        feature->bad = true;
        ds_detail_set(&feature->why, "a feature longer than 1 MiB", NULL);
        return DS_OK;
    }
    ds_feature_read((struct ds_slice){file->text, file->held}, file->as_lines, &file->cells,
                    feature);
    return DS_OK;
}

uint64_t ds_geojson_size(const struct ds_geojson *file)
{
    return file->size;
}

uint64_t ds_geojson_done(const struct ds_geojson *file)
{
    return file->at;
}

/* Folders of handhelds: copied and removed whole (fleet.h). */
#include "tools/cli/fleet.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 8 /* A store is one folder with a folder or two in it. */

static bool join(char path[static DS_FLEET_PATH_MAX], const char *dir, const char *name)
{
    int size = snprintf(path, DS_FLEET_PATH_MAX, "%s/%s", dir, name);
    return size > 0 && size < DS_FLEET_PATH_MAX;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool copy_bytes(FILE *in, FILE *out)
{
    static const size_t piece = 2048;
    char bytes[2048];
    for (;;) {
        size_t size = fread(bytes, 1, piece, in);
        if (size == 0) {
            return ferror(in) == 0;
        }
        if (fwrite(bytes, 1, size, out) != size) {
            return false;
        }
    }
}

static bool copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb");
    FILE *out = in != NULL ? fopen(to, "wb") : NULL;
    bool ok = out != NULL && copy_bytes(in, out);
    if (in != NULL) {
        fclose(in);
    }
    if (out != NULL) {
        ok = fclose(out) == 0 && ok;
    }
    return ok && chmod(to, 0600) == 0;
}

/* Depth first by recursion: the depth is bounded, and so is the path. */
static bool copy_tree(const char *from, const char *to, int depth)
{
    DIR *dir = opendir(from);
    bool ok = dir != NULL && depth < DEPTH_MAX && (mkdir(to, 0700) == 0 || depth == 0);
    struct dirent *entry = NULL;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): each stream is read by one thread alone. */
    while (ok && (entry = readdir(dir)) != NULL) {
        char in[DS_FLEET_PATH_MAX];
        char out[DS_FLEET_PATH_MAX];
        struct stat about;
        if (is_dots(entry->d_name)) {
            continue;
        }
        ok =
            join(in, from, entry->d_name) && join(out, to, entry->d_name) && lstat(in, &about) == 0;
        if (ok && S_ISDIR(about.st_mode)) {
            ok = copy_tree(in, out, depth + 1);
        } else if (ok && S_ISREG(about.st_mode)) {
            ok = copy_file(in, out);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return ok;
}

enum ds_err ds_fleet_copy(const char *from, const char *to, struct ds_detail *detail)
{
    ds_fleet_remove(to);
    if (!copy_tree(from, to, 0)) {
        ds_detail_set(detail, from, ": cannot be copied to ", to, NULL);
        return DS_ERR_IO;
    }
    return DS_OK;
}

static void remove_tree(const char *path, int depth)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(path) : NULL;
    struct dirent *entry = NULL;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): each stream is read by one thread alone. */
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char inner[DS_FLEET_PATH_MAX];
        struct stat about;
        if (is_dots(entry->d_name) || !join(inner, path, entry->d_name) ||
            lstat(inner, &about) != 0) {
            continue;
        }
        if (S_ISDIR(about.st_mode)) {
            remove_tree(inner, depth + 1);
        } else {
            (void)unlink(inner);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    (void)rmdir(path);
}

void ds_fleet_remove(const char *dir)
{
    remove_tree(dir, 0);
}

/* A folder of a test's own, made under TMPDIR and removed with what lies in it.
 *
 * Header only. Failures are assertions: a test cannot go on without its folder. */
#ifndef DS_TESTS_SUPPORT_SCRATCH_H
#define DS_TESTS_SUPPORT_SCRATCH_H

#include "tests/support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRATCH_PATH_SIZE 256

struct scratch {
    char path[SCRATCH_PATH_SIZE];
};

static inline void scratch_make_in(struct scratch *scratch, const char *base)
{
    int size = snprintf(scratch->path, sizeof scratch->path, "%s/doorstep-test-XXXXXX", base);
    assert_in_range(size, 1, sizeof scratch->path - 1);
    assert_non_null(mkdtemp(scratch->path));
}

static inline void scratch_make(struct scratch *scratch)
{
    const char *base = getenv("TMPDIR");
    scratch_make_in(scratch, base != NULL && base[0] != '\0' ? base : "/tmp");
}

/* In memory where that is to be had: for many small files that are synced for show. */
static inline void scratch_make_fast(struct scratch *scratch)
{
    if (access("/dev/shm", W_OK | X_OK) == 0) {
        scratch_make_in(scratch, "/dev/shm");
    } else {
        scratch_make(scratch);
    }
}

/* Remove what lies in the folder that fd names, at most so many levels deep. Closes fd. */
static inline void scratch_empty_at(int fd, unsigned levels)
{
    DIR *dir = fdopendir(fd);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(dirfd(dir), entry->d_name, 0) == 0) {
            continue;
        }
        int inner = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (inner >= 0 && levels > 0) {
            scratch_empty_at(inner, levels - 1);
        }
        (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
    }
    closedir(dir);
}

static inline void scratch_empty(const struct scratch *scratch)
{
    int fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    scratch_empty_at(fd, 8);
}

static inline void scratch_remove(const struct scratch *scratch)
{
    scratch_empty(scratch);
    assert_int_equal(rmdir(scratch->path), 0);
}

/* scratch/name into a path of SCRATCH_PATH_SIZE bytes. */
static inline void scratch_join(const struct scratch *scratch, const char *name,
                                char path[static SCRATCH_PATH_SIZE])
{
    int size = snprintf(path, SCRATCH_PATH_SIZE, "%s/%s", scratch->path, name);
    assert_in_range(size, 1, SCRATCH_PATH_SIZE - 1);
}

#endif

#include "server/files.h"

#include "sync/core/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEVELS_MAX 4
#define HASH_PIECE 2048 /* Bytes read at once; a frame holds them. */

static enum ds_err join(char out[static DS_PATH_MAX], const char *first, const char *second)
{
    int size = snprintf(out, DS_PATH_MAX, "%s%s", first, second);

    return size > 0 && size < DS_PATH_MAX ? DS_OK : DS_ERR_LIMIT;
}

enum ds_err ds_path_join(const char *folder, const char *name, char path[static DS_PATH_MAX])
{
    int size = snprintf(path, DS_PATH_MAX, "%s/%s", folder, name);

    return size > 0 && size < DS_PATH_MAX ? DS_OK : DS_ERR_LIMIT;
}

static enum ds_err failed(const char *path, const char *what, struct ds_detail *detail)
{
    int number = errno;

    ds_detail_set(detail, path, ": ", what, (const char *)NULL);
    switch (number) {
    case ENOENT:
        return DS_ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return DS_ERR_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return DS_ERR_FULL;
    case EACCES:
    case EPERM:
        return DS_ERR_FORBIDDEN;
    default:
        return DS_ERR_IO;
    }
}

enum ds_err ds_file_read(const char *path, struct ds_builder *out, struct ds_detail *detail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum ds_err err = DS_OK;

    if (fd < 0) {
        return failed(path, "cannot be read", detail);
    }
    for (;;) {
        uint8_t more[1];
        bool full = out->used == out->size;
        ssize_t size =
            full ? read(fd, more, 1) : read(fd, out->data + out->used, out->size - out->used);

        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            err = failed(path, "cannot be read", detail);
        } else if (size > 0 && full) {
            ds_detail_set(detail, path, ": larger than allowed", (const char *)NULL);
            err = DS_ERR_LIMIT;
        }
        if (size <= 0 || full) {
            break;
        }
        out->used += (size_t)size;
    }
    (void)close(fd);
    return err;
}

enum ds_err ds_file_hash(const char *path, uint64_t *size, struct ds_hash *hash,
                         struct ds_detail *detail)
{
    uint8_t piece[HASH_PIECE];
    struct ds_hasher hasher;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *size = 0;
    if (fd < 0) {
        return failed(path, "cannot be read", detail);
    }
    ds_hasher_init(&hasher, (struct ds_slice){NULL, 0}, sizeof(hash->byte));
    while ((got = read(fd, piece, sizeof(piece))) > 0 || (got < 0 && errno == EINTR)) {
        if (got > 0) {
            ds_hasher_add(&hasher, (struct ds_slice){piece, (size_t)got});
            *size += (uint64_t)got;
        }
    }
    ds_hasher_end(&hasher, hash->byte, sizeof(hash->byte));
    enum ds_err err = got == 0 ? DS_OK : failed(path, "cannot be read", detail);

    (void)close(fd);
    return err;
}

static bool write_all(int fd, struct ds_slice bytes)
{
    size_t done = 0;

    while (done < bytes.size) {
        ssize_t size = write(fd, bytes.data + done, bytes.size - done);

        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return false;
        }
        done += (size_t)size;
    }
    return true;
}

enum ds_err ds_file_sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return DS_ERR_IO;
    }
    int status = fsync(fd);

    (void)close(fd);
    return status == 0 ? DS_OK : DS_ERR_IO;
}

/* The folder that path lies in. */
static enum ds_err folder_of(const char *path, char folder[static DS_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 1 : (slash == path ? 1 : (size_t)(slash - path));

    if (size >= DS_PATH_MAX) {
        return DS_ERR_LIMIT;
    }
    memcpy(folder, slash == NULL ? "." : path, size);
    folder[size] = '\0';
    return DS_OK;
}

enum ds_err ds_file_write(const char *path, struct ds_slice bytes, unsigned mode,
                          struct ds_detail *detail)
{
    char aside[DS_PATH_MAX];
    char folder[DS_PATH_MAX];

    DS_TRY(join(aside, path, ".part"));
    DS_TRY(folder_of(path, folder));
    (void)unlink(aside); /* What a power cut left. */
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);

    if (fd < 0) {
        return failed(path, "cannot be written", detail);
    }
    bool good = fchmod(fd, (mode_t)mode) == 0 && write_all(fd, bytes) && fsync(fd) == 0;

    good = close(fd) == 0 && good;
    if (!good || rename(aside, path) != 0) {
        enum ds_err err = failed(path, "cannot be written", detail);

        (void)unlink(aside);
        return err == DS_ERR_NOT_FOUND ? DS_ERR_IO : err;
    }
    return ds_file_sync_folder(folder);
}

bool ds_file_exists(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

enum ds_err ds_folder_make(const char *path, struct ds_detail *detail)
{
    struct stat status;

    if (mkdir(path, 0700) == 0 ||
        (errno == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))) {
        return DS_OK;
    }
    return failed(path, "cannot be made", detail);
}

enum ds_err ds_folder_aside(const char *path, char aside[static DS_PATH_MAX],
                            struct ds_detail *detail)
{
    size_t size = strlen(path);
    char trimmed[DS_PATH_MAX];

    if (size >= DS_PATH_MAX) {
        return DS_ERR_LIMIT;
    }
    memcpy(trimmed, path, size + 1);
    while (size > 1 && trimmed[size - 1] == '/') {
        trimmed[--size] = '\0';
    }
    DS_TRY(join(aside, trimmed, ".XXXXXX"));
    return mkdtemp(aside) != NULL ? DS_OK : failed(path, "cannot be made", detail);
}

enum ds_err ds_folder_place(const char *aside, const char *path, struct ds_detail *detail)
{
    char folder[DS_PATH_MAX];

    DS_TRY(ds_file_sync_folder(aside));
    if (rename(aside, path) != 0) {
        return failed(path, "exists already and is not empty", detail);
    }
    DS_TRY(folder_of(path, folder));
    return ds_file_sync_folder(folder);
}

static void empty_folder(int fd, unsigned levels)
{
    DIR *dir = fdopendir(fd);

    if (dir == NULL) {
        (void)close(fd);
        return;
    }
    /* The stream is this call's own. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    for (const struct dirent *at = readdir(dir); at != NULL; at = readdir(dir)) {
        if (strcmp(at->d_name, ".") == 0 || strcmp(at->d_name, "..") == 0 ||
            unlinkat(dirfd(dir), at->d_name, 0) == 0) {
            continue;
        }
        int inner = openat(dirfd(dir), at->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (inner >= 0 && levels > 0) {
            empty_folder(inner, levels - 1);
        } else if (inner >= 0) {
            (void)close(inner);
        }
        (void)unlinkat(dirfd(dir), at->d_name, AT_REMOVEDIR);
    }
    (void)closedir(dir);
}

void ds_folder_remove(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0) {
        empty_folder(fd, LEVELS_MAX);
        (void)rmdir(path);
    }
}

enum ds_err ds_program_run(const char *const argv[], struct ds_detail *detail)
{
    extern char **environ;
    pid_t child = 0;
    int status = 0;
    posix_spawn_file_actions_t actions;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int failure = posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)argv, environ);

    (void)posix_spawn_file_actions_destroy(&actions);
    while (failure == 0 && waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            failure = errno;
        }
    }
    if (failure != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        ds_detail_set(detail, argv[0], argv[1] != NULL ? " " : "", argv[1] != NULL ? argv[1] : "",
                      failure != 0 ? ": cannot be run" : ": failed", (const char *)NULL);
        return DS_ERR_IO;
    }
    return DS_OK;
}

/* Recorder and saboteur of file input and output, for LD_PRELOAD.
 *
 * DS_IO_ROOT=FOLDER   only files below it are touched; without it nothing happens
 * DS_IO_LOG=FILE      every change below the folder is appended as a record (io_log.h)
 * DS_IO_FAIL=CALL:N:ERRNO  the Nth CALL to a path with "store" in it fails with that number;
 *                     0: a write stops half way; -1: the process is killed in it, when the bytes
 *                     are in the page cache and not on the disk. CALL is data (writes that are not
 *                     synchronous), meta (those that are) or sync (fsync, fdatasync)
 * DS_IO_AVAIL=BYTES   what fstatvfs says is free
 *
 * One call at a time is made and recorded, so that the log's order is the world's. System calls are
 * made directly, so that nothing here calls what it replaces. */
#define _GNU_SOURCE
#include "tests/crash/io_log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_SIZE 1024

static struct {
    bool ready;
    const char *root; /* NULL: off. */
    size_t root_size;
    int log; /* -1: none. */
    char call[8];
    unsigned long nth; /* 0: none fails. */
    int error;
} io;

static pthread_mutex_t one_call = PTHREAD_MUTEX_INITIALIZER;

static void start(void)
{
    if (io.ready) {
        return;
    }
    io.ready = true;
    io.log = -1;
    io.root = getenv("DS_IO_ROOT");
    io.root_size = io.root != NULL ? strlen(io.root) : 0;
    const char *log = getenv("DS_IO_LOG");
    if (log != NULL) {
        io.log = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0600);
    }
    const char *fail = getenv("DS_IO_FAIL");
    if (fail != NULL) {
        char *end = NULL;
        size_t size = strcspn(fail, ":");
        if (size >= sizeof io.call || fail[size] == '\0') {
            abort();
        }
        memcpy(io.call, fail, size);
        io.nth = strtoul(fail + size + 1, &end, 10);
        io.error = *end == ':' ? (int)strtol(end + 1, NULL, 10) : 0;
    }
}

/* Is it time for this call to fail? Only a store's files and folder ever do. */
static bool fails(const char *call, const char *path)
{
    return path != NULL && (strstr(path, "store") != NULL || strstr(io.root, "store") != NULL) &&
           strcmp(call, io.call) == 0 && io.nth > 0 && --io.nth == 0;
}

/* ---- Paths ---------------------------------------------------------------------------------- */

/* The part of an absolute path below the root, or NULL. */
static const char *below_root(const char *path)
{
    if (io.root == NULL || strncmp(path, io.root, io.root_size) != 0 || path[io.root_size] != '/') {
        return NULL;
    }
    return path + io.root_size + 1;
}

static const char *path_of_fd(int fd, char room[static PATH_SIZE])
{
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long size = syscall(SYS_readlinkat, AT_FDCWD, link, room, PATH_SIZE - 1);
    if (size <= 0) {
        return NULL;
    }
    room[size] = '\0';
    return below_root(room);
}

static const char *path_at(int dir, const char *name, char room[static PATH_SIZE])
{
    char folder[PATH_SIZE];
    if (io.root == NULL) {
        return NULL;
    }
    if (name[0] == '/') {
        return below_root(name);
    }
    const char *below = dir == AT_FDCWD ? NULL : path_of_fd(dir, folder);
    if (below == NULL) {
        return NULL;
    }
    int size = snprintf(room, PATH_SIZE, "%s/%s", below, name);
    return size > 0 && size < PATH_SIZE ? room : NULL;
}

/* ---- The log -------------------------------------------------------------------------------- */

/* In one append, so that other processes may add theirs (a client what it was told). */
static void record(struct io_head head, const char *path, const char *second, const void *data)
{
    if (io.log < 0 || path == NULL) {
        return;
    }
    int kept = errno;
    head.path_size = (uint16_t)strlen(path);
    head.second_size = (uint16_t)(second != NULL ? strlen(second) : 0);
    const struct iovec parts[] = {{&head, sizeof head},
                                  {(void *)path, head.path_size},
                                  {(void *)second, head.second_size},
                                  {(void *)data, head.data_size}};
    size_t size = sizeof head + head.path_size + head.second_size + head.data_size;
    if (syscall(SYS_writev, io.log, parts, sizeof parts / sizeof parts[0]) != (long)size) {
        abort();
    }
    errno = kept;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static bool is_synchronous(int fd)
{
    return (syscall(SYS_fcntl, fd, F_GETFL) & O_DSYNC) != 0;
}

/* at < 0: at the file's own offset. */
static ssize_t write_locked(int fd, const void *bytes, size_t size, off_t at)
{
    char room[PATH_SIZE];
    start();
    const char *path = io.root != NULL ? path_of_fd(fd, room) : NULL;
    bool synchronous = path != NULL && is_synchronous(fd);
    off_t offset = at;
    if (path != NULL && at < 0) {
        offset = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    }
    bool failing = fails(synchronous ? "meta" : "data", path);
    if (failing && io.error > 0) {
        errno = io.error;
        return -1;
    }
    if (failing && io.error == 0) {
        size /= 2;
    }
    ssize_t done =
        at < 0 ? syscall(SYS_write, fd, bytes, size) : syscall(SYS_pwrite64, fd, bytes, size, at);
    if (done > 0) {
        struct io_head head = {.kind = IO_WRITE,
                               .synchronous = synchronous && !failing,
                               .offset = (uint64_t)offset,
                               .data_size = (uint64_t)done};
        record(head, path, NULL, bytes);
    }
    if (failing && io.error < 0) {
        _exit(IO_KILLED);
    }
    return done;
}

static ssize_t write_recorded(int fd, const void *bytes, size_t size, off_t at)
{
    pthread_mutex_lock(&one_call);
    ssize_t done = write_locked(fd, bytes, size, at);
    pthread_mutex_unlock(&one_call);
    return done;
}

/* The C library's own parameter names are reserved ones.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return write_recorded(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    return write_recorded(fd, bytes, size, at);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return write_recorded(fd, bytes, size, -1);
}

/* As one write, so that it is one event: a power cut may tear it anywhere. */
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        size += parts[i].iov_len;
    }
    uint8_t *whole = malloc(size + 1);
    if (whole == NULL) {
        errno = ENOMEM;
        return -1;
    }
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        memcpy(whole + at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    ssize_t done = write_recorded(fd, whole, size, -1);
    free(whole);
    return done;
}

static int truncate_locked(int fd, off_t size)
{
    char room[PATH_SIZE];
    start();
    int rc = (int)syscall(SYS_ftruncate, fd, size);
    if (rc == 0 && io.root != NULL) {
        struct io_head head = {.kind = IO_TRUNCATE, .offset = (uint64_t)size};
        record(head, path_of_fd(fd, room), NULL, NULL);
    }
    return rc;
}

static int truncate_recorded(int fd, off_t size)
{
    pthread_mutex_lock(&one_call);
    int rc = truncate_locked(fd, size);
    pthread_mutex_unlock(&one_call);
    return rc;
}

int ftruncate(int fd, off_t size)
{
    return truncate_recorded(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return truncate_recorded(fd, size);
}

/* ---- Syncing -------------------------------------------------------------------------------- */

static int sync_locked(int fd, long call)
{
    char room[PATH_SIZE];
    struct stat status;
    start();
    const char *path = io.root != NULL ? path_of_fd(fd, room) : NULL;
    if (io.root != NULL && path == NULL) {
        /* The root itself. */
        room[0] = '\0';
        path_of_fd(fd, room);
        path = strcmp(room, io.root) == 0 ? "" : NULL;
    }
    if (fails("sync", path)) {
        errno = io.error;
        return -1;
    }
    int rc = (int)syscall(call, fd);
    if (rc == 0 && path != NULL) {
        bool is_dir = fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
        record((struct io_head){.kind = is_dir ? IO_SYNC_DIR : IO_SYNC}, path, NULL, NULL);
    }
    return rc;
}

static int sync_recorded(int fd, long call)
{
    pthread_mutex_lock(&one_call);
    int rc = sync_locked(fd, call);
    pthread_mutex_unlock(&one_call);
    return rc;
}

int fsync(int fd)
{
    return sync_recorded(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_recorded(fd, SYS_fdatasync);
}

/* ---- Names ---------------------------------------------------------------------------------- */

static int open_locked(int dir, const char *name, int flags, mode_t mode)
{
    char room[PATH_SIZE];
    start();
    bool makes =
        io.root != NULL && (flags & O_CREAT) != 0 && syscall(SYS_faccessat, dir, name, F_OK) != 0;
    int fd = (int)syscall(SYS_openat, dir, name, flags, mode);
    if (fd >= 0 && makes) {
        record((struct io_head){.kind = IO_CREATE}, path_of_fd(fd, room), NULL, NULL);
    }
    return fd;
}

static int open_recorded(int dir, const char *name, int flags, mode_t mode)
{
    pthread_mutex_lock(&one_call);
    int fd = open_locked(dir, name, flags, mode);
    pthread_mutex_unlock(&one_call);
    return fd;
}

int open(const char *name, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list rest;
        va_start(rest, flags);
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): one line above. */
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return open_recorded(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list rest;
        va_start(rest, flags);
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): one line above. */
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return open_recorded(AT_FDCWD, name, flags, mode);
}

int openat(int dir, const char *name, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list rest;
        va_start(rest, flags);
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): one line above. */
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return open_recorded(dir, name, flags, mode);
}

static int mkdir_locked(const char *name, mode_t mode)
{
    char room[PATH_SIZE] = "";
    start();
    int rc = (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    if (rc == 0) {
        record((struct io_head){.kind = IO_MAKE_DIR}, path_at(AT_FDCWD, name, room), NULL, NULL);
    }
    return rc;
}

int mkdir(const char *name, mode_t mode)
{
    pthread_mutex_lock(&one_call);
    int rc = mkdir_locked(name, mode);
    pthread_mutex_unlock(&one_call);
    return rc;
}

/* The C library's own makes its folder past our mkdir(). */
char *mkdtemp(char *template)
{
    static unsigned made;
    size_t size = strlen(template);
    char tail[16];
    (void)snprintf(tail, sizeof tail, "%06u", ((unsigned)getpid() * 37 + made++) % 1000000);
    memcpy(template + size - 6, tail, 6);
    return mkdir(template, 0700) == 0 ? template : NULL;
}

static int renameat_locked(int from_dir, const char *from, int to_dir, const char *to)
{
    char from_room[PATH_SIZE] = "";
    char to_room[PATH_SIZE] = "";
    start();
    const char *from_path = path_at(from_dir, from, from_room);
    const char *to_path = path_at(to_dir, to, to_room);
    int rc = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
    if (rc == 0) {
        record((struct io_head){.kind = IO_RENAME}, from_path, to_path, NULL);
    }
    return rc;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    pthread_mutex_lock(&one_call);
    int rc = renameat_locked(from_dir, from, to_dir, to);
    pthread_mutex_unlock(&one_call);
    return rc;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static int unlinkat_locked(int dir, const char *name, int flags)
{
    char room[PATH_SIZE] = "";
    start();
    const char *path = path_at(dir, name, room);
    int rc = (int)syscall(SYS_unlinkat, dir, name, flags);
    if (rc == 0) {
        record((struct io_head){.kind = IO_UNLINK}, path, NULL, NULL);
    }
    return rc;
}

int unlinkat(int dir, const char *name, int flags)
{
    pthread_mutex_lock(&one_call);
    int rc = unlinkat_locked(dir, name, flags);
    pthread_mutex_unlock(&one_call);
    return rc;
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

/* ---- Room ----------------------------------------------------------------------------------- */

int fstatvfs(int fd, struct statvfs *status)
{
    const char *avail = getenv("DS_IO_AVAIL");
    memset(status, 0, sizeof *status);
    status->f_frsize = 1;
    status->f_bsize = 1;
    status->f_bavail = avail != NULL ? (fsblkcnt_t)strtoull(avail, NULL, 10) : 1ULL << 40;
    (void)fd;
    return 0;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

#include "sync/store/store_lmdb_file.h"

#include "sync/store/store_lmdb_meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum ds_err ds_lmdb_file_error(int error, const char *what, const char *path,
                               struct ds_detail *detail)
{
    char reason[96];
    if (strerror_r(error, reason, sizeof reason) != 0) {
        reason[0] = '\0';
    }
    ds_detail_set(detail, what, " ", path, ": ", reason, NULL);
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return DS_ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return DS_ERR_FORBIDDEN;
    case ENOSPC:
    case EDQUOT:
        return DS_ERR_FULL;
    case ENOMEM:
        return DS_ERR_NOMEM;
    case ENAMETOOLONG:
        return DS_ERR_LIMIT;
    default:
        return DS_ERR_IO;
    }
}

/* Sync the folder's names, and the name of the folder in the one above. */
static enum ds_err sync_names(int dir_fd, struct ds_detail *detail)
{
    if (fsync(dir_fd) != 0) {
        return ds_lmdb_file_error(errno, "sync the folder of", "the store", detail);
    }
    int parent = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0) {
        return ds_lmdb_file_error(errno, "open the folder above", "the store", detail);
    }
    int error = fsync(parent) != 0 ? errno : 0;
    close(parent);
    if (error != 0) {
        return ds_lmdb_file_error(error, "sync the folder above", "the store", detail);
    }
    return DS_OK;
}

enum ds_err ds_lmdb_dir_open(const char *dir, bool create, int *dir_fd, struct ds_detail *detail)
{
    *dir_fd = -1;
    if (strlen(dir) > DS_LMDB_PATH_MAX) {
        ds_detail_set(detail, "the path of the store is too long", NULL);
        return DS_ERR_LIMIT;
    }
    if (create && mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return ds_lmdb_file_error(errno, "make folder", dir, detail);
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return ds_lmdb_file_error(errno, "open folder", dir, detail);
    }
    /* Whoever made the folder or the file in it may have been killed before it synced them. */
    enum ds_err err = create ? sync_names(fd, detail) : DS_OK;
    if (err != DS_OK) {
        close(fd);
        return err;
    }
    *dir_fd = fd;
    return DS_OK;
}

bool ds_lmdb_file_exists(int dir_fd)
{
    struct stat status;
    /* Whatever else is wrong with the file, it shows when it is opened. */
    return fstatat(dir_fd, DS_LMDB_FILE, &status, 0) == 0 || errno != ENOENT;
}

void ds_lmdb_file_clean(int dir_fd)
{
    (void)unlinkat(dir_fd, DS_LMDB_FILE_NEW, 0);
}

enum ds_err ds_lmdb_file_publish(int dir_fd, struct ds_detail *detail)
{
    int fd = openat(dir_fd, DS_LMDB_FILE_NEW, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return ds_lmdb_file_error(errno, "open", DS_LMDB_FILE_NEW, detail);
    }
    int error = fsync(fd) != 0 ? errno : 0;
    close(fd);
    if (error == 0 && renameat(dir_fd, DS_LMDB_FILE_NEW, dir_fd, DS_LMDB_FILE) != 0) {
        error = errno;
    }
    if (error != 0) {
        return ds_lmdb_file_error(error, "make the file", DS_LMDB_FILE, detail);
    }
    return sync_names(dir_fd, detail);
}

/* ---- The meta pages ------------------------------------------------------------------------- */

#define META_MAGIC 0xBEEFC0DEU
#define META_VERSION 1U
#define META_PAGE_SIZE_MIN 512U
#define META_PAGE_SIZE_MAX 32768U
#define META_READ_TRIES 5

static bool meta_ok(const struct ds_lmdb_meta *meta, size_t index)
{
    uint32_t size = meta->free.pad;
    return meta->head.pgno == index && (meta->head.flags & DS_LMDB_META_FLAG) != 0 &&
           meta->magic == META_MAGIC && meta->version == META_VERSION &&
           size >= META_PAGE_SIZE_MIN && size <= META_PAGE_SIZE_MAX && (size & (size - 1)) == 0;
}

static bool root_ok(const struct ds_lmdb_meta *meta, size_t root)
{
    return root == DS_LMDB_NO_PAGE || (root >= 2 && root <= meta->last_page);
}

static const char *pair_fault(const struct ds_lmdb_meta pair[static 2])
{
    if (!meta_ok(&pair[0], 0) || !meta_ok(&pair[1], 1)) {
        return "a meta page is damaged";
    }
    if (pair[0].free.pad != pair[1].free.pad) {
        return "the meta pages name different page sizes";
    }
    size_t newest = pair[1].txn > pair[0].txn ? 1 : 0;
    if ((pair[0].txn & 1) != 0 || (pair[1].txn & 1) != 1 ||
        pair[newest].txn - pair[newest ^ 1].txn != 1) {
        return "the meta pages are not of two commits in sequence";
    }
    if (pair[newest].last_page < pair[newest ^ 1].last_page) {
        return "the file has shrunk between two commits";
    }
    if (!root_ok(&pair[newest], pair[newest].free.root) ||
        !root_ok(&pair[newest], pair[newest].names.root)) {
        return "a root lies outside the file";
    }
    return NULL;
}

static enum ds_err read_pair(int fd, struct ds_lmdb_meta pair[static 2], struct ds_detail *detail)
{
    for (size_t index = 0; index < 2; index++) {
        size_t at = index == 0 ? 0 : pair[0].free.pad;
        ssize_t got = pread(fd, &pair[index], sizeof pair[index], (off_t)at);
        if (got < 0) {
            return ds_lmdb_file_error(errno, "read", DS_LMDB_FILE, detail);
        }
        if ((size_t)got < sizeof pair[index] || (index == 0 && !meta_ok(&pair[0], 0))) {
            ds_detail_set(detail, DS_LMDB_FILE ": a meta page is cut off or damaged", NULL);
            return DS_ERR_INTEGRITY;
        }
    }
    return DS_OK;
}

enum ds_err ds_lmdb_file_check(int dir_fd, struct ds_detail *detail)
{
    int fd = openat(dir_fd, DS_LMDB_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ds_lmdb_file_error(errno, "open", DS_LMDB_FILE, detail);
    }
    enum ds_err err = DS_OK;
    const char *fault = NULL;
    /* Another process may commit between the two reads: then look again. */
    for (int tries = 0; tries < META_READ_TRIES; tries++) {
        struct ds_lmdb_meta pair[2];
        err = read_pair(fd, pair, detail);
        fault = err == DS_OK ? pair_fault(pair) : NULL;
        if (err != DS_OK || fault == NULL) {
            break;
        }
    }
    close(fd);
    if (fault != NULL) {
        ds_detail_set(detail, DS_LMDB_FILE ": ", fault, NULL);
        return DS_ERR_INTEGRITY;
    }
    return err;
}

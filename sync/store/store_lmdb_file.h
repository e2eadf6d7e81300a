/* The files around an LMDB environment: folder, birth, and a look at the two meta pages.
 *
 * LMDB neither syncs the folder of a new file nor notices a flipped bit in its meta pages; both are
 * done here, before and beside it. Knows LMDB's data format (version 1) but not its library. */
#ifndef DS_SYNC_STORE_STORE_LMDB_FILE_H
#define DS_SYNC_STORE_STORE_LMDB_FILE_H

#include "schema/base/base.h"

#define DS_LMDB_FILE "data.mdb"
#define DS_LMDB_FILE_NEW "creating.mdb" /* A store or copy being made; never opened as a store. */
#define DS_LMDB_PATH_MAX 3072           /* Bytes of the folder's path. */

/* Set detail to "what path: reason of errno" and give the error for it. */
DS_NODISCARD enum ds_err ds_lmdb_file_error(int error, const char *what, const char *path,
                                            struct ds_detail *detail);

/* Open the folder; with create, make it (0700) if it is absent, and sync it and its parent in every
 * case. */
DS_NODISCARD enum ds_err ds_lmdb_dir_open(const char *dir, bool create, int *dir_fd,
                                          struct ds_detail *detail);
bool ds_lmdb_file_exists(int dir_fd);
/* Remove what a creation that was cut off left behind. */
void ds_lmdb_file_clean(int dir_fd);
/* Sync the new file, give it its name, sync the folder and its parent. */
DS_NODISCARD enum ds_err ds_lmdb_file_publish(int dir_fd, struct ds_detail *detail);
/* DS_ERR_INTEGRITY if the meta pages are not a pair that commits leave behind. */
DS_NODISCARD enum ds_err ds_lmdb_file_check(int dir_fd, struct ds_detail *detail);

#endif

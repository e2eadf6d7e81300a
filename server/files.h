/* Files and folders the way a station keeps them: written aside, synced, renamed.
 *
 * What ds_file_write() wrote is there whole or not at all, after a power cut too (file and folder
 * are synced). Paths are the program's own; nothing from outside names a file. */
#ifndef DS_SERVER_FILES_H
#define DS_SERVER_FILES_H

#include "schema/base/bytes.h"

#define DS_PATH_MAX 1024 /* Bytes, the NUL included. */

/* "folder/name"; DS_ERR_LIMIT if it does not fit. */
DS_NODISCARD enum ds_err ds_path_join(const char *folder, const char *name,
                                      char path[static DS_PATH_MAX]);

/* The whole file appended to out. DS_ERR_NOT_FOUND, DS_ERR_IO; DS_ERR_LIMIT if it does not fit. */
DS_NODISCARD enum ds_err ds_file_read(const char *path, struct ds_builder *out,
                                      struct ds_detail *detail);
/* BLAKE2b-256 of a file of any size, read piece by piece. */
DS_NODISCARD enum ds_err ds_file_hash(const char *path, uint64_t *size, struct ds_hash *hash,
                                      struct ds_detail *detail);
/* Replace or make a file with these bytes and this mode. */
DS_NODISCARD enum ds_err ds_file_write(const char *path, struct ds_slice bytes, unsigned mode,
                                       struct ds_detail *detail);
bool ds_file_exists(const char *path);
DS_NODISCARD enum ds_err ds_file_sync_folder(const char *path);

/* Make a folder (mode 0700); one that is there already is fine. */
DS_NODISCARD enum ds_err ds_folder_make(const char *path, struct ds_detail *detail);
/* Make an empty folder beside path, to be filled and then put in its place. */
DS_NODISCARD enum ds_err ds_folder_aside(const char *path, char aside[static DS_PATH_MAX],
                                         struct ds_detail *detail);
/* Rename aside to path, which may not exist or must be empty: DS_ERR_EXISTS. Synced. */
DS_NODISCARD enum ds_err ds_folder_place(const char *aside, const char *path,
                                         struct ds_detail *detail);
/* Remove a folder of ours with what lies in it, at most 4 levels deep. */
void ds_folder_remove(const char *path);

/* Run a program without a shell; its input is empty, what it prints is dropped.
 * argv ends with NULL. DS_ERR_IO if it cannot be run or ends other than with 0. */
DS_NODISCARD enum ds_err ds_program_run(const char *const argv[], struct ds_detail *detail);

#endif

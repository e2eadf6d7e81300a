/* A look at an LMDB file page by page, without LMDB: what a scrub walks before it trusts the tree.
 *
 * Every page is read with pread (a page that points nowhere cannot kill the process) and must be
 * what its parent says; keys ascend; counts agree; each page stands in one place only, in a tree or
 * on the free list, so that a pointer to an outdated page is found. Values are not looked into:
 * their tags are the front's. Knows LMDB's data format (version 1) but not its library. */
#ifndef DS_SYNC_STORE_STORE_LMDB_CHECK_H
#define DS_SYNC_STORE_STORE_LMDB_CHECK_H

#include "schema/base/base.h"

/* Check the snapshot of transaction txn, which the caller keeps open for reading; names_only: just
 * the tree of the tables' names. DS_ERR_INTEGRITY with the first fault in detail; DS_ERR_BUSY when
 * two commits have passed meanwhile, so that the meta page of txn is gone: begin again. */
DS_NODISCARD enum ds_err ds_lmdb_pages_check(int fd, size_t txn, bool names_only,
                                             struct ds_detail *detail);

#endif

/* Backups of a station: taken while it runs, verified when they are taken, refused when damaged.
 *
 * A backup is a station's folder with a manifest, TO/backup.json: what it holds (epoch, size, root,
 * digest of the state, version) under a head that the server signed, and each file's size and hash.
 * Taking one ends only after the copy was read back: every value's tag, every entry's signature,
 * chain and place, the tree, the digest. So a restore needs the hashes alone, and says which file
 * and which place in it is not what was backed up. Knows no HTTP. */
#ifndef DS_SERVER_BACKUP_H
#define DS_SERVER_BACKUP_H

#include "server/site.h"

#define DS_BACKUP_MANIFEST "backup.json"

struct ds_backup { /* What the manifest says. */
    int64_t taken_ms;
    uint64_t engine; /* Version. */
    uint64_t epoch;
    uint64_t size;
    struct ds_hash root;
    struct ds_hash digest;
};
/* A consistent hot copy into folder to, which must not exist or be empty: store first, keys after
 * it, so that every key that the store needs is in it. Any thread. DS_ERR_INTEGRITY: the station
 * itself is damaged, detail says where, and nothing is left at to. */
DS_NODISCARD enum ds_err ds_backup_take(struct ds_site *site, const char *to,
                                        struct ds_backup *made, struct ds_detail *detail);
/* Is it what was backed up? DS_ERR_NOT_FOUND: no manifest; DS_ERR_INTEGRITY: detail names file and
 * place; DS_ERR_VERSION: of a later version. */
DS_NODISCARD enum ds_err ds_backup_check(const char *from, struct ds_backup *found,
                                         struct ds_detail *detail);
/* Check it and make a station's folder of it at dir, which must not exist or be empty; position:
 * how many entries to keep, by folding the journal anew up to there; 0: all. The caller then
 * declares the epoch, behind the backup's own (admin request "epoch"), before anybody may
 * exchange. DS_ERR_USAGE: the backup has fewer entries. */
DS_NODISCARD enum ds_err ds_backup_restore(const char *from, const char *dir, uint64_t position,
                                           struct ds_backup *found, struct ds_detail *detail);

#endif

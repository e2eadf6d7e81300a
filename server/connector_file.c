/* Parcels as files: CSV and JSON lines, each whole or not at all. */
#include "server/outbox.h"

#include <stdio.h>

static enum ds_err put(const char *folder, const char *key, const char *suffix,
                       struct ds_slice bytes, struct ds_detail *detail)
{
    char name[DS_PARCEL_NAME_MAX + 8];
    char path[DS_PATH_MAX];

    (void)snprintf(name, sizeof(name), "%s%s", key, suffix);
    DS_TRY(ds_path_join(folder, name, path));
    return ds_file_write(path, bytes, 0640, detail);
}

enum ds_err ds_connector_file(const char *folder, const struct ds_parcel *parcel,
                              struct ds_detail *detail)
{
    DS_TRY(put(folder, parcel->key, ".csv", parcel->csv, detail));
    return put(folder, parcel->key, ".jsonl", parcel->lines, detail);
}

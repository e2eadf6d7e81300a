/* A handheld's store opened from the command line: --store, the PIN, and the clock of --at.
 *
 * The SDK is used as any stranger would use it: through doorstep.h alone. */
#ifndef DS_TOOLS_CLI_HANDHELD_STORE_H
#define DS_TOOLS_CLI_HANDHELD_STORE_H

#include "doorstep.h"
#include "tools/cli/cli.h"

struct ds_handheld_store {
    struct ds_handheld *handheld;
    int64_t at_ms; /* --at; 0: the machine's clock. */
};

/* The same errors with another name. */
enum ds_err ds_err_of_handheld(int error);
enum ds_handheld_use {
    DS_HANDHELD_USE_WORK,   /* The PIN is needed. */
    DS_HANDHELD_USE_LOCKED, /* It may stay locked: status and delivery work without a PIN. */
    DS_HANDHELD_USE_ENROL   /* The only use that makes a store where there is none. */
};
/* DS_ERR_NOT_FOUND: no handheld's store in the folder of --store. */
DS_NODISCARD enum ds_err ds_handheld_store_open(struct ds_cli *cli, enum ds_handheld_use use,
                                                struct ds_handheld_store *store,
                                                struct ds_detail *detail);
void ds_handheld_store_close(struct ds_handheld_store *store);

/* The meter of --meter (its number, or 32 hex digits) and --manufacturer. */
DS_NODISCARD enum ds_err ds_handheld_store_meter(struct ds_cli *cli,
                                                 const struct ds_handheld_store *store,
                                                 struct ds_handheld_id *meter,
                                                 struct ds_detail *detail);
/* The bytes of --photo; *bytes is yours (free), NULL if there is none. */
DS_NODISCARD enum ds_err ds_handheld_store_photo(struct ds_cli *cli, uint8_t **bytes, size_t *size,
                                                 struct ds_detail *detail);
/* --lat, --lon (degrees), --accuracy (metres). */
DS_NODISCARD enum ds_err ds_handheld_store_position(struct ds_cli *cli,
                                                    struct ds_handheld_position *position,
                                                    struct ds_detail *detail);
/* A word of a closed list given as an option; *number keeps its default if it was not. */
DS_NODISCARD enum ds_err ds_handheld_store_word(struct ds_cli *cli, const char *option,
                                                const char *list, int *number,
                                                struct ds_detail *detail);

#endif

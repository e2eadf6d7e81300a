/* A station as a command sees it: the admin door for writing, the state itself for reading.
 *
 * Writes go one way (server/admin.h): through the daemon's socket while it runs, else through the
 * same writer in this process. Reads look into the state tables at a snapshot of their own, so that
 * an import can ask for a million records without a million messages. */
#ifndef DS_TOOLS_CLI_STATE_H
#define DS_TOOLS_CLI_STATE_H

#include "schema/base/arena.h"
#include "server/admin.h"
#include "server/files.h"
#include "tools/cli/cli.h"

struct ds_state {
    struct ds_admin *admin;
    char path[DS_PATH_MAX]; /* Of the store. */
    struct ds_store *store; /* Of the site in this process, or our own for reading, when asked. */
    bool own_store;
    struct ds_txn *txn; /* Open between begin and end. */
    struct ds_id station;
    char number[64];
    int32_t offset_min;
    int64_t now_ms; /* The station's clock when it was opened. */
    bool sample;
};

/* DS_ERR_NOT_FOUND: no station at dir; DS_ERR_LOCKED. state is yours: ds_state_close(). */
DS_NODISCARD enum ds_err ds_state_open(struct ds_state *state, const char *dir,
                                       struct ds_detail *detail);
void ds_state_close(struct ds_state *state);

/* Ask through the admin door; request is stolen. *answer is yours on DS_OK. */
DS_NODISCARD enum ds_err ds_state_call(struct ds_state *state, json_t *request, json_t **answer,
                                       struct ds_detail *detail);

/* Write drafts (stolen) that must all be applied; the first that was not is told as
 * DS_ERR_CONFLICT, or as DS_ERR_SCHEMA if its form is wrong. written (optional) grows by the ops
 * written. */
DS_NODISCARD enum ds_err ds_state_write(struct ds_state *state, json_t *drafts, uint64_t *written,
                                        struct ds_detail *detail);

/* Open the station, ask one thing, close. request is stolen; *answer is yours on DS_OK. */
DS_NODISCARD enum ds_err ds_state_ask(const char *dir, json_t *request, json_t **answer,
                                      struct ds_detail *detail);
/* A path as the daemon sees it, which may stand in another folder than the caller. */
DS_NODISCARD enum ds_err ds_state_absolute(const char *path, char whole[static DS_PATH_MAX],
                                           struct ds_detail *detail);

/* A snapshot for reading; never kept over a call. Beginning twice is no error: it begins anew. */
DS_NODISCARD enum ds_err ds_state_begin(struct ds_state *state);
void ds_state_end(struct ds_state *state);
/* A record's struct at the snapshot (begun if none is open); slices live in arena.
 * DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_state_load(struct ds_state *state, uint8_t type, const struct ds_id *id,
                                       struct ds_arena *arena, void *record);

/* 32 hex digits. */
void ds_id_print(const struct ds_id *id, char text[static 33]);

#endif

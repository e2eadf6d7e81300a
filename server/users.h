/* Console users: names, passwords, sessions, and what their roles allow.
 *
 * A user is a name and a password (Argon2id) bound to a worker; roles are the worker's role grants
 * in the journal, for a subtree and a time, so what somebody may do is decided by the same records
 * everywhere. Users live in the key store; sessions live in memory, by the hash of their 256-bit
 * id, and end with the process. Password hashing runs twice at a time at most (64 MiB each). */
#ifndef DS_SERVER_USERS_H
#define DS_SERVER_USERS_H

#include "server/site.h"
#include "sync/core/authority.h"

#define DS_USER_NAME_MAX 40 /* Letters, digits, '.', '_', '-' of ASCII. */
#define DS_PASSWORD_MIN 10  /* Bytes. */
#define DS_PASSWORD_MAX 200
#define DS_SESSIONS_MAX 1024     /* Beyond it the one idle for longest ends. */
#define DS_SESSION_ID_SIZE 32    /* Bytes; 43 characters of base64url. */
#define DS_SESSION_TEXT_SIZE 44  /* With the NUL. */
#define DS_THROTTLE_ENTRIES 1024 /* Users and addresses whose failures are remembered. */
#define DS_HASHERS_MAX 2         /* Passwords being hashed at a time, 64 MiB each. */
#define DS_HASHERS_WAITING_MAX 8 /* Waiting for that; beyond it DS_ERR_BUSY. */

struct ds_users; /* Sessions, throttle and the hashing gate; thread-safe. */

struct ds_user {
    char name[DS_USER_NAME_MAX + 1];
    struct ds_id worker;
    bool active;
    int64_t made_ms;
};

/* site is borrowed. cost: the port of password hashing; NULL: 64 MiB, 3 passes. */
DS_NODISCARD enum ds_err ds_users_open(struct ds_site *site, const struct ds_argon_cost *cost,
                                       struct ds_users **users);
void ds_users_close(struct ds_users *users);

/* May a user have this name and password? DS_ERR_SCHEMA. */
DS_NODISCARD enum ds_err ds_user_check(const char *name, struct ds_slice password,
                                       struct ds_detail *detail);
/* Add a user or change his password and worker. DS_ERR_SCHEMA: name or password. Any thread. */
DS_NODISCARD enum ds_err ds_user_put(struct ds_users *users, const char *name,
                                     struct ds_slice password, const struct ds_id *worker,
                                     struct ds_detail *detail);
/* Switch a user off and end his sessions. DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_user_remove(struct ds_users *users, const char *name);
/* Next user by name; start with name "". DS_ERR_NOT_FOUND at the end. */
DS_NODISCARD enum ds_err ds_user_next(struct ds_users *users, const char *after,
                                      struct ds_user *user);

struct ds_session {
    struct ds_user user;
    uint16_t roles;                   /* Set of 1 << enum ds_role at this station, now. */
    uint16_t team_roles;              /* Held for some team of it only. */
    char token[DS_SESSION_TEXT_SIZE]; /* Against forged requests: goes with a cookie's session. */
    int64_t expires_ms;
};
/* Check a password and begin a session; id is the secret (for cookie or Bearer). DS_ERR_AUTH: user
 * or password wrong (the same time for both); DS_ERR_BUSY: too many tries or logins at once, wait
 * *wait_s. address: of the client, for the throttle. */
DS_NODISCARD enum ds_err ds_session_begin(struct ds_users *users, const char *name,
                                          struct ds_slice password, const char *address,
                                          char id[static DS_SESSION_TEXT_SIZE],
                                          struct ds_session *session, uint32_t *wait_s);
/* Whose session is this? Roles are read anew from the state. DS_ERR_AUTH. */
DS_NODISCARD enum ds_err ds_session_find(struct ds_users *users, const char *id,
                                         struct ds_session *session);
/* The same, but it does not count as use: an open event stream keeps nobody signed in. */
DS_NODISCARD enum ds_err ds_session_peek(struct ds_users *users, const char *id,
                                         struct ds_session *session);
void ds_session_end(struct ds_users *users, const char *id);
size_t ds_session_count(struct ds_users *users);

#endif

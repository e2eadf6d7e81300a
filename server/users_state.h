/* The inside of a struct ds_users: users as stored, sessions, throttle. Private to server/. */
#ifndef DS_SERVER_USERS_STATE_H
#define DS_SERVER_USERS_STATE_H

#include "server/users.h"

#include <pthread.h>

/* A user as stored: {1: worker, 2: salt, 3: hash, 4: passes, 5: memory, 6: active, 7: made}. */
struct ds_user_secret {
    struct ds_user user;
    uint8_t salt[DS_SALT_SIZE];
    struct ds_secret hash;
    struct ds_argon_cost cost;
};

struct ds_users_session {
    bool used;
    struct ds_hash id_hash;
    struct ds_user user;
    char token[DS_SESSION_TEXT_SIZE];
    int64_t begun_ms; /* Monotonic, as the next. */
    int64_t last_ms;
};

struct ds_users_throttle {
    struct ds_hash who; /* Of a user's name or an address; none: free. */
    uint32_t failures;
    int64_t last_ms;
};

struct ds_users {
    struct ds_site *site;
    struct ds_argon_cost cost;
    pthread_mutex_t lock; /* Sessions, throttle, gate. */
    pthread_cond_t gate;
    unsigned hashing;
    unsigned waiting;
    struct ds_users_session sessions[DS_SESSIONS_MAX];
    struct ds_users_throttle throttles[DS_THROTTLE_ENTRIES];
};

/* The stored user; DS_ERR_NOT_FOUND, also for a name that cannot be one. */
DS_NODISCARD enum ds_err ds_users_load(struct ds_users *users, const char *name,
                                       struct ds_user_secret *user);
/* Hash a password as the user's is hashed, few at a time: DS_ERR_BUSY. */
DS_NODISCARD enum ds_err ds_users_hash(struct ds_users *users, struct ds_slice password,
                                       const struct ds_user_secret *user, struct ds_secret *hash);

#endif

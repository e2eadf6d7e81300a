/* Sessions of console users, and the throttle before them. */
#include "schema/base/text.h"
#include "server/users_state.h"

#include <string.h>

#define ADDRESS_FACTOR 4 /* An office shares an address. */

static int64_t monotonic_ms(const struct ds_users *users)
{
    return users->site->clock.monotonic_ms(users->site->clock.context);
}

/* ---- Throttle: under the lock ---- */

static struct ds_hash who(char kind, const char *name)
{
    return ds_hash3(DS_SLICE_LIT("doorstep throttle 1"), DS_SLICE_OF(kind), ds_slice_of_text(name));
}

/* The entry of who; if there is none and make is set, the oldest one becomes it. */
static struct ds_users_throttle *throttle_of(struct ds_users *users, const struct ds_hash *name,
                                             bool make)
{
    struct ds_users_throttle *oldest = &users->throttles[0];

    for (size_t i = 0; i < DS_THROTTLE_ENTRIES; i++) {
        struct ds_users_throttle *at = &users->throttles[i];

        if (ds_hash_equal(&at->who, name)) {
            return at;
        }
        if (at->last_ms < oldest->last_ms) {
            oldest = at;
        }
    }
    if (!make) {
        return NULL;
    }
    *oldest = (struct ds_users_throttle){.who = *name};
    return oldest;
}

/* Seconds that who must still wait; 0: none. */
static uint32_t wait_of(struct ds_users *users, const struct ds_hash *name, int64_t tries)
{
    const struct ds_users_throttle *entry = throttle_of(users, name, false);
    int64_t wait_ms = users->site->config.session_wait_s * 1000;
    int64_t passed = entry != NULL ? monotonic_ms(users) - entry->last_ms : 0;

    if (entry == NULL || entry->failures < tries || passed >= wait_ms) {
        return 0;
    }
    return (uint32_t)((wait_ms - passed + 999) / 1000);
}

static void note_failure(struct ds_users *users, const struct ds_hash *name)
{
    struct ds_users_throttle *entry = throttle_of(users, name, true);

    entry->failures++;
    entry->last_ms = monotonic_ms(users);
}

static uint32_t throttled(struct ds_users *users, const struct ds_hash *user,
                          const struct ds_hash *address)
{
    int64_t tries = users->site->config.session_tries_max;

    pthread_mutex_lock(&users->lock);
    uint32_t of_user = wait_of(users, user, tries);
    uint32_t of_address = wait_of(users, address, tries * ADDRESS_FACTOR);

    pthread_mutex_unlock(&users->lock);
    return of_user > of_address ? of_user : of_address;
}

/* ---- Sessions ---- */

static void random_text(struct ds_users *users, char text[static DS_SESSION_TEXT_SIZE])
{
    uint8_t bytes[DS_SESSION_ID_SIZE];
    struct ds_builder builder;

    users->site->random.fill(users->site->random.context, bytes, sizeof(bytes));
    ds_builder_init(&builder, text, DS_SESSION_TEXT_SIZE);
    ds_put_base64url(&builder, (struct ds_slice){bytes, sizeof(bytes)});
    DS_ASSERT(ds_builder_text(&builder)[0] != '\0');
    ds_wipe(bytes, sizeof(bytes));
}

static struct ds_hash hash_of(const char *id)
{
    return ds_hash3(DS_SLICE_LIT("doorstep session 1"), ds_slice_of_text(id),
                    (struct ds_slice){NULL, 0});
}

static bool expired(const struct ds_users *users, const struct ds_users_session *session,
                    int64_t now_ms)
{
    const struct ds_config *config = &users->site->config;

    return now_ms - session->last_ms >= config->session_idle_min * 60000 ||
           now_ms - session->begun_ms >= config->session_hours_max * 3600000;
}

/* A free place, or that of the session that is idle for longest. */
static struct ds_users_session *place_for(struct ds_users *users, int64_t now_ms)
{
    struct ds_users_session *oldest = &users->sessions[0];

    for (size_t i = 0; i < DS_SESSIONS_MAX; i++) {
        struct ds_users_session *at = &users->sessions[i];

        if (!at->used || expired(users, at, now_ms)) {
            return at;
        }
        if (at->last_ms < oldest->last_ms) {
            oldest = at;
        }
    }
    return oldest;
}

static enum ds_err describe(struct ds_users *users, const struct ds_users_session *session,
                            struct ds_session *out)
{
    struct ds_site *site = users->site;
    int64_t now_ms = site->clock.now_ms(site->clock.context);
    struct ds_txn *txn = NULL;

    out->user = session->user;
    memcpy(out->token, session->token, sizeof(out->token));
    out->expires_ms = now_ms + site->config.session_idle_min * 60000;
    DS_TRY(ds_store_begin(site->store, false, &txn));
    enum ds_err err = ds_roles_of(txn, &site->station, &session->user.worker, now_ms, &out->roles,
                                  &out->team_roles);

    ds_txn_abort(txn);
    return err;
}

/* DS_ERR_AUTH after the same work, whether it is the name or the password that is wrong. */
static enum ds_err check_password(struct ds_users *users, const char *name,
                                  struct ds_slice password, struct ds_user *user)
{
    struct ds_user_secret known;
    struct ds_secret hash;
    enum ds_err err = ds_users_load(users, name, &known);

    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    bool found = err == DS_OK && known.user.active;

    if (!found) {
        memset(&known, 0, sizeof(known));
        known.cost = users->cost;
    }
    err = ds_users_hash(users, password, &known, &hash);
    if (err == DS_OK &&
        !(ds_equal_secret(hash.byte, known.hash.byte, sizeof(hash.byte)) && found)) {
        err = DS_ERR_AUTH;
    }
    *user = known.user;
    ds_wipe(&known, sizeof(known));
    ds_wipe(&hash, sizeof(hash));
    return err;
}

enum ds_err ds_session_begin(struct ds_users *users, const char *name, struct ds_slice password,
                             const char *address, char id[static DS_SESSION_TEXT_SIZE],
                             struct ds_session *session, uint32_t *wait_s)
{
    const struct ds_hash of_user = who('u', name);
    const struct ds_hash of_address = who('a', address);
    struct ds_users_session made = {.used = true};

    *wait_s = throttled(users, &of_user, &of_address);
    if (*wait_s > 0) {
        return DS_ERR_BUSY;
    }
    if (password.size > DS_PASSWORD_MAX) {
        return DS_ERR_AUTH;
    }
    enum ds_err err = check_password(users, name, password, &made.user);

    pthread_mutex_lock(&users->lock);
    if (err == DS_ERR_AUTH) {
        note_failure(users, &of_user);
        note_failure(users, &of_address);
    } else if (err == DS_OK) {
        struct ds_users_throttle *entry = throttle_of(users, &of_user, false);

        if (entry != NULL) {
            *entry = (struct ds_users_throttle){.last_ms = 0};
        }
    }
    pthread_mutex_unlock(&users->lock);
    if (err == DS_ERR_BUSY) {
        *wait_s = 1;
    }
    DS_TRY(err);
    random_text(users, id);
    random_text(users, made.token);
    made.id_hash = hash_of(id);
    made.begun_ms = monotonic_ms(users);
    made.last_ms = made.begun_ms;
    DS_TRY(describe(users, &made, session));
    pthread_mutex_lock(&users->lock);
    *place_for(users, made.begun_ms) = made;
    pthread_mutex_unlock(&users->lock);
    return DS_OK;
}

/* Under the lock. */
static struct ds_users_session *find(struct ds_users *users, const char *id)
{
    const struct ds_hash hash = hash_of(id);

    for (size_t i = 0; i < DS_SESSIONS_MAX; i++) {
        struct ds_users_session *at = &users->sessions[i];

        if (at->used && ds_equal_secret(&at->id_hash, &hash, sizeof(hash))) {
            return at;
        }
    }
    return NULL;
}

static enum ds_err find_session(struct ds_users *users, const char *id, bool used,
                                struct ds_session *session)
{
    struct ds_users_session copy;
    int64_t now_ms = monotonic_ms(users);

    pthread_mutex_lock(&users->lock);
    struct ds_users_session *found = find(users, id);

    if (found != NULL && expired(users, found, now_ms)) {
        ds_wipe(found, sizeof(*found));
        found = NULL;
    }
    if (found != NULL) {
        found->last_ms = used ? now_ms : found->last_ms;
        copy = *found;
    }
    pthread_mutex_unlock(&users->lock);
    return found != NULL ? describe(users, &copy, session) : DS_ERR_AUTH;
}

enum ds_err ds_session_find(struct ds_users *users, const char *id, struct ds_session *session)
{
    return find_session(users, id, true, session);
}

enum ds_err ds_session_peek(struct ds_users *users, const char *id, struct ds_session *session)
{
    return find_session(users, id, false, session);
}

void ds_session_end(struct ds_users *users, const char *id)
{
    pthread_mutex_lock(&users->lock);
    struct ds_users_session *found = find(users, id);

    if (found != NULL) {
        ds_wipe(found, sizeof(*found));
    }
    pthread_mutex_unlock(&users->lock);
}

size_t ds_session_count(struct ds_users *users)
{
    int64_t now_ms = monotonic_ms(users);
    size_t count = 0;

    pthread_mutex_lock(&users->lock);
    for (size_t i = 0; i < DS_SESSIONS_MAX; i++) {
        count += users->sessions[i].used && !expired(users, &users->sessions[i], now_ms);
    }
    pthread_mutex_unlock(&users->lock);
    return count;
}

#include "server/users.h"

#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "sync/core/row.h"
#include "sync/core/tables.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_SIZE 256
#define ADDRESS_FACTOR 4 /* An office shares an address. */

/* A user as stored: {1: worker, 2: salt, 3: hash, 4: passes, 5: memory, 6: active, 7: made}. */
struct secret_of_user {
    struct ds_user user;
    uint8_t salt[DS_SALT_SIZE];
    struct ds_secret hash;
    struct ds_argon_cost cost;
};

struct session {
    bool used;
    struct ds_hash id_hash;
    struct ds_user user;
    char token[DS_SESSION_TEXT_SIZE];
    int64_t begun_ms; /* Monotonic, as the next. */
    int64_t last_ms;
};

struct throttle {
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
    struct session sessions[DS_SESSIONS_MAX];
    struct throttle throttles[DS_THROTTLE_ENTRIES];
};

static int64_t monotonic_ms(const struct ds_users *users)
{
    return users->site->clock.monotonic_ms(users->site->clock.context);
}

enum ds_err ds_users_open(struct ds_site *site, const struct ds_argon_cost *cost,
                          struct ds_users **users)
{
    struct ds_users *made = calloc(1, sizeof(*made));

    *users = made;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->site = site;
    made->cost = cost != NULL ? *cost : (struct ds_argon_cost){3, 64U * 1024 * 1024};
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->gate, NULL);
    return DS_OK;
}

void ds_users_close(struct ds_users *users)
{
    if (users == NULL) {
        return;
    }
    (void)pthread_cond_destroy(&users->gate);
    (void)pthread_mutex_destroy(&users->lock);
    ds_wipe(users->sessions, sizeof(users->sessions));
    free(users);
}

/* ---- Users as stored ---- */

static bool name_ok(const char *name)
{
    size_t size = strlen(name);

    return size > 0 && size <= DS_USER_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               size;
}

static enum ds_err decode(struct ds_slice key, struct ds_slice value, struct secret_of_user *out)
{
    struct ds_cursor cursor;

    memset(out, 0, sizeof(*out));
    if (key.size > DS_USER_NAME_MAX) {
        return DS_ERR_INTEGRITY;
    }
    memcpy(out->user.name, key.data, key.size);
    ds_cursor_init(&cursor, value);
    uint32_t pairs = ds_mp_take_map(&cursor);

    for (uint32_t i = 0; i < pairs && !cursor.failed; i++) {
        struct ds_slice bytes = {NULL, 0};

        switch (ds_mp_take_uint(&cursor)) {
        case 1:
            out->user.worker = ds_mp_take_id(&cursor);
            break;
        case 2:
            bytes = ds_mp_take_bin(&cursor);
            if (bytes.size != sizeof(out->salt)) {
                return DS_ERR_INTEGRITY;
            }
            memcpy(out->salt, bytes.data, bytes.size);
            break;
        case 3:
            bytes = ds_mp_take_bin(&cursor);
            if (bytes.size != sizeof(out->hash)) {
                return DS_ERR_INTEGRITY;
            }
            memcpy(out->hash.byte, bytes.data, bytes.size);
            break;
        case 4:
            out->cost.passes = (uint32_t)ds_mp_take_uint(&cursor);
            break;
        case 5:
            out->cost.memory_bytes = (uint32_t)ds_mp_take_uint(&cursor);
            break;
        case 6:
            out->user.active = ds_mp_take_bool(&cursor);
            break;
        case 7:
            out->user.made_ms = ds_mp_take_int(&cursor);
            break;
        default:
            (void)ds_mp_take_value(&cursor);
            break;
        }
    }
    return ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

static void encode(const struct secret_of_user *user, struct ds_builder *out)
{
    ds_mp_put_map(out, 7);
    ds_mp_put_uint(out, 1);
    ds_mp_put_id(out, &user->user.worker);
    ds_mp_put_uint(out, 2);
    ds_mp_put_bin(out, (struct ds_slice){user->salt, sizeof(user->salt)});
    ds_mp_put_uint(out, 3);
    ds_mp_put_bin(out, (struct ds_slice){user->hash.byte, sizeof(user->hash.byte)});
    ds_mp_put_uint(out, 4);
    ds_mp_put_uint(out, user->cost.passes);
    ds_mp_put_uint(out, 5);
    ds_mp_put_uint(out, user->cost.memory_bytes);
    ds_mp_put_uint(out, 6);
    ds_mp_put_bool(out, user->user.active);
    ds_mp_put_uint(out, 7);
    ds_mp_put_int(out, user->user.made_ms);
}

static enum ds_err load(struct ds_users *users, const char *name, struct secret_of_user *out)
{
    struct ds_txn *txn = NULL;
    struct ds_slice value = {NULL, 0};
    struct ds_slice key = ds_slice_of_text(name);

    if (!name_ok(name)) {
        return DS_ERR_NOT_FOUND;
    }
    DS_TRY(ds_store_begin(users->site->key_store, false, &txn));
    enum ds_err err = ds_txn_get(txn, DS_SITE_TABLE_USER, key, &value);

    if (err == DS_OK) {
        err = decode(key, value, out);
    }
    ds_txn_abort(txn);
    return err;
}

static enum ds_err store(struct ds_users *users, const struct secret_of_user *user)
{
    uint8_t bytes[RECORD_SIZE];
    struct ds_builder builder;
    struct ds_slice value = {NULL, 0};
    struct ds_txn *txn = NULL;

    ds_builder_init(&builder, bytes, sizeof(bytes));
    encode(user, &builder);
    DS_TRY(ds_builder_end(&builder, &value));
    DS_TRY(ds_store_begin(users->site->key_store, true, &txn));
    enum ds_err err = ds_txn_put(txn, DS_SITE_TABLE_USER, ds_slice_of_text(user->user.name), value);

    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

enum ds_err ds_user_next(struct ds_users *users, const char *after, struct ds_user *user)
{
    uint8_t from[DS_USER_NAME_MAX + 2] = {0};
    size_t size = strlen(after);
    struct ds_slice key = {NULL, 0};
    struct ds_slice value = {NULL, 0};
    struct secret_of_user found;
    struct ds_txn *txn = NULL;

    if (size > DS_USER_NAME_MAX) {
        return DS_ERR_NOT_FOUND;
    }
    memcpy(from, after, size + 1); /* With the NUL behind it: the next key. */
    DS_TRY(ds_store_begin(users->site->key_store, false, &txn));
    enum ds_err err = ds_txn_at_or_after(txn, DS_SITE_TABLE_USER, (struct ds_slice){from, size + 1},
                                         &key, &value);

    if (err == DS_OK) {
        err = decode(key, value, &found);
        *user = found.user;
        ds_wipe(&found, sizeof(found));
    }
    ds_txn_abort(txn);
    return err;
}

/* ---- Hashing, few at a time ---- */

static enum ds_err hash_password(struct ds_users *users, struct ds_slice password,
                                 const struct secret_of_user *user, struct ds_secret *hash)
{
    pthread_mutex_lock(&users->lock);
    if (users->hashing >= DS_HASHERS_MAX && users->waiting >= DS_HASHERS_WAITING_MAX) {
        pthread_mutex_unlock(&users->lock);
        return DS_ERR_BUSY;
    }
    users->waiting++;
    while (users->hashing >= DS_HASHERS_MAX) {
        (void)pthread_cond_wait(&users->gate, &users->lock);
    }
    users->waiting--;
    users->hashing++;
    pthread_mutex_unlock(&users->lock);
    enum ds_err err = ds_argon2id(password, user->salt, user->cost, hash);

    pthread_mutex_lock(&users->lock);
    users->hashing--;
    pthread_cond_signal(&users->gate);
    pthread_mutex_unlock(&users->lock);
    return err;
}

enum ds_err ds_user_put(struct ds_users *users, const char *name, struct ds_slice password,
                        const struct ds_id *worker, struct ds_detail *detail)
{
    struct secret_of_user user;

    memset(&user, 0, sizeof(user));
    if (!name_ok(name)) {
        ds_detail_set(detail, "user: a name has 1 to 40 letters, digits, '.', '_' or '-'",
                      (const char *)NULL);
        return DS_ERR_SCHEMA;
    }
    if (password.size < DS_PASSWORD_MIN || password.size > DS_PASSWORD_MAX) {
        ds_detail_set(detail, "user: a password has 10 to 200 bytes", (const char *)NULL);
        return DS_ERR_SCHEMA;
    }
    enum ds_err err = load(users, name, &user);

    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    if (err == DS_ERR_NOT_FOUND) {
        user.user.made_ms = users->site->clock.now_ms(users->site->clock.context);
        memcpy(user.user.name, name, strlen(name) + 1);
    }
    user.user.worker = *worker;
    user.user.active = true;
    user.cost = users->cost;
    users->site->random.fill(users->site->random.context, user.salt, sizeof(user.salt));
    err = hash_password(users, password, &user, &user.hash);
    if (err == DS_OK) {
        err = store(users, &user);
    }
    ds_wipe(&user, sizeof(user));
    return err;
}

enum ds_err ds_user_remove(struct ds_users *users, const char *name)
{
    struct secret_of_user user;

    DS_TRY(load(users, name, &user));
    user.user.active = false;
    DS_TRY(store(users, &user));
    pthread_mutex_lock(&users->lock);
    for (size_t i = 0; i < DS_SESSIONS_MAX; i++) {
        if (users->sessions[i].used && strcmp(users->sessions[i].user.name, name) == 0) {
            ds_wipe(&users->sessions[i], sizeof(users->sessions[i]));
        }
    }
    pthread_mutex_unlock(&users->lock);
    return DS_OK;
}

/* ---- Throttle: under the lock ---- */

static struct ds_hash who(char kind, const char *name)
{
    return ds_hash3(DS_SLICE_LIT("doorstep throttle 1"), DS_SLICE_OF(kind), ds_slice_of_text(name));
}

/* The entry of who; if there is none and make is set, the oldest one becomes it. */
static struct throttle *throttle_of(struct ds_users *users, const struct ds_hash *name, bool make)
{
    struct throttle *oldest = &users->throttles[0];

    for (size_t i = 0; i < DS_THROTTLE_ENTRIES; i++) {
        struct throttle *at = &users->throttles[i];

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
    *oldest = (struct throttle){.who = *name};
    return oldest;
}

/* Seconds that who must still wait; 0: none. */
static uint32_t wait_of(struct ds_users *users, const struct ds_hash *name, int64_t tries)
{
    const struct throttle *entry = throttle_of(users, name, false);
    int64_t wait_ms = users->site->config.session_wait_s * 1000;
    int64_t passed = entry != NULL ? monotonic_ms(users) - entry->last_ms : 0;

    if (entry == NULL || entry->failures < tries || passed >= wait_ms) {
        return 0;
    }
    return (uint32_t)((wait_ms - passed + 999) / 1000);
}

static void note_failure(struct ds_users *users, const struct ds_hash *name)
{
    struct throttle *entry = throttle_of(users, name, true);

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

static bool expired(const struct ds_users *users, const struct session *session, int64_t now_ms)
{
    const struct ds_config *config = &users->site->config;

    return now_ms - session->last_ms >= config->session_idle_min * 60000 ||
           now_ms - session->begun_ms >= config->session_hours_max * 3600000;
}

/* A free place, or that of the session that is idle for longest. */
static struct session *place_for(struct ds_users *users, int64_t now_ms)
{
    struct session *oldest = &users->sessions[0];

    for (size_t i = 0; i < DS_SESSIONS_MAX; i++) {
        struct session *at = &users->sessions[i];

        if (!at->used || expired(users, at, now_ms)) {
            return at;
        }
        if (at->last_ms < oldest->last_ms) {
            oldest = at;
        }
    }
    return oldest;
}

static enum ds_err describe(struct ds_users *users, const struct session *session,
                            struct ds_session *out)
{
    struct ds_site *site = users->site;
    int64_t now_ms = site->clock.now_ms(site->clock.context);
    struct ds_txn *txn = NULL;

    out->user = session->user;
    memcpy(out->token, session->token, sizeof(out->token));
    out->expires_ms = now_ms + site->config.session_idle_min * 60000;
    DS_TRY(ds_store_begin(site->store, false, &txn));
    enum ds_err err = ds_roles_of(txn, &site->station, &session->user.worker, now_ms, &out->roles);

    ds_txn_abort(txn);
    return err;
}

/* DS_ERR_AUTH after the same work, whether it is the name or the password that is wrong. */
static enum ds_err check_password(struct ds_users *users, const char *name,
                                  struct ds_slice password, struct ds_user *user)
{
    struct secret_of_user known;
    struct ds_secret hash;
    enum ds_err err = load(users, name, &known);

    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    bool found = err == DS_OK && known.user.active;

    if (!found) {
        memset(&known, 0, sizeof(known));
        known.cost = users->cost;
    }
    err = hash_password(users, password, &known, &hash);
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
    struct session made = {.used = true};

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
        struct throttle *entry = throttle_of(users, &of_user, false);

        if (entry != NULL) {
            *entry = (struct throttle){.last_ms = 0};
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
static struct session *find(struct ds_users *users, const char *id)
{
    const struct ds_hash hash = hash_of(id);

    for (size_t i = 0; i < DS_SESSIONS_MAX; i++) {
        struct session *at = &users->sessions[i];

        if (at->used && ds_equal_secret(&at->id_hash, &hash, sizeof(hash))) {
            return at;
        }
    }
    return NULL;
}

enum ds_err ds_session_find(struct ds_users *users, const char *id, struct ds_session *session)
{
    struct session copy;
    int64_t now_ms = monotonic_ms(users);

    pthread_mutex_lock(&users->lock);
    struct session *found = find(users, id);

    if (found != NULL && expired(users, found, now_ms)) {
        ds_wipe(found, sizeof(*found));
        found = NULL;
    }
    if (found != NULL) {
        found->last_ms = now_ms;
        copy = *found;
    }
    pthread_mutex_unlock(&users->lock);
    return found != NULL ? describe(users, &copy, session) : DS_ERR_AUTH;
}

void ds_session_end(struct ds_users *users, const char *id)
{
    pthread_mutex_lock(&users->lock);
    struct session *found = find(users, id);

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

enum ds_err ds_roles_of(struct ds_txn *txn, const struct ds_id *station, const struct ds_id *worker,
                        int64_t instant_ms, uint16_t *roles)
{
    uint8_t memory[2048];

    *roles = 0;
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        const struct ds_id id = ds_grant_id(station, worker, (uint8_t)role, station);
        struct ds_role_grant grant;
        struct ds_arena arena;

        ds_arena_init(&arena, memory, sizeof(memory));
        enum ds_err err = ds_record_load(txn, DS_REC_role_grant, &id, &arena, &grant);

        if (err == DS_ERR_NOT_FOUND) {
            continue;
        }
        DS_TRY(err);
        if (DS_GET(&grant, role_grant, from_ms, INT64_MIN) <= instant_ms &&
            DS_GET(&grant, role_grant, until_ms, INT64_MAX) > instant_ms) {
            *roles |= (uint16_t)(1U << role);
        }
    }
    return DS_OK;
}

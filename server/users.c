#include "schema/base/text.h"
#include "schema/codec/msgpack.h"
#include "server/users_state.h"
#include "sync/core/row.h"
#include "sync/core/tables.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_SIZE 256

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

static enum ds_err decode(struct ds_slice key, struct ds_slice value, struct ds_user_secret *out)
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

static void encode(const struct ds_user_secret *user, struct ds_builder *out)
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

enum ds_err ds_users_load(struct ds_users *users, const char *name, struct ds_user_secret *out)
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

static enum ds_err store(struct ds_users *users, const struct ds_user_secret *user)
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
    struct ds_user_secret found;
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

enum ds_err ds_users_hash(struct ds_users *users, struct ds_slice password,
                          const struct ds_user_secret *user, struct ds_secret *hash)
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

enum ds_err ds_user_check(const char *name, struct ds_slice password, struct ds_detail *detail)
{
    if (!name_ok(name)) {
        ds_detail_set(detail, "user: a name has 1 to 40 of a-z, A-Z, 0-9, '.', '_' and '-'",
                      (const char *)NULL);
        return DS_ERR_SCHEMA;
    }
    if (password.size < DS_PASSWORD_MIN || password.size > DS_PASSWORD_MAX) {
        ds_detail_set(detail, "user: a password has 10 to 200 bytes", (const char *)NULL);
        return DS_ERR_SCHEMA;
    }
    return DS_OK;
}

enum ds_err ds_user_put(struct ds_users *users, const char *name, struct ds_slice password,
                        const struct ds_id *worker, struct ds_detail *detail)
{
    struct ds_user_secret user;

    memset(&user, 0, sizeof(user));
    DS_TRY(ds_user_check(name, password, detail));
    enum ds_err err = ds_users_load(users, name, &user);

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
    err = ds_users_hash(users, password, &user, &user.hash);
    if (err == DS_OK) {
        err = store(users, &user);
    }
    ds_wipe(&user, sizeof(user));
    return err;
}

enum ds_err ds_user_remove(struct ds_users *users, const char *name)
{
    struct ds_user_secret user;

    DS_TRY(ds_users_load(users, name, &user));
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

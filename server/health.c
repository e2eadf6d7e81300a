#include "server/health.h"

#include "schema/codec/msgpack.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_FIRST 256
#define VALUE_SIZE 256
#define DOUBT_ITEMS 5

struct entry {
    struct ds_id device; /* None: free. */
    bool changed;
    struct ds_device_health health;
};

/* A hash table with open addressing, at most half full; a power of two of places. */
struct ds_healths {
    struct ds_site *site;
    pthread_mutex_t lock;
    struct entry *places;
    size_t place_count;
    size_t count;
};

static size_t place_of(const struct ds_id *device, size_t places)
{
    size_t hash = 0;

    /* Device ids are hashes themselves. */
    memcpy(&hash, device->byte, sizeof(hash));
    return hash & (places - 1);
}

/* The device's place, or the free one where it would go. */
static struct entry *seek(struct entry *places, size_t place_count, const struct ds_id *device)
{
    size_t at = place_of(device, place_count);

    while (!ds_id_is_none(&places[at].device) && !ds_id_equal(&places[at].device, device)) {
        at = (at + 1) & (place_count - 1);
    }
    return &places[at];
}

static bool grow(struct ds_healths *healths)
{
    size_t wanted = healths->place_count * 2;
    struct entry *places = calloc(wanted, sizeof(*places));

    if (places == NULL) {
        return false;
    }
    for (size_t i = 0; i < healths->place_count; i++) {
        const struct entry *from = &healths->places[i];

        if (!ds_id_is_none(&from->device)) {
            *seek(places, wanted, &from->device) = *from;
        }
    }
    free(healths->places);
    healths->places = places;
    healths->place_count = wanted;
    return true;
}

/* NULL: full. Under the lock. */
static struct entry *entry_of(struct ds_healths *healths, const struct ds_id *device)
{
    struct entry *found = seek(healths->places, healths->place_count, device);

    if (!ds_id_is_none(&found->device)) {
        return found;
    }
    if (healths->count >= DS_HEALTH_DEVICES_MAX ||
        (2 * (healths->count + 1) > healths->place_count && !grow(healths))) {
        return NULL;
    }
    found = seek(healths->places, healths->place_count, device);
    found->device = *device;
    healths->count++;
    return found;
}

/* {1: contact, 2: unsent, 3: oldest, 4: skew, 5: battery, 6: free, 7: version, 8: doubt,
 * 9: obeyed} */
static void encode(const struct ds_device_health *health, struct ds_builder *out)
{
    ds_mp_put_map(out, 9);
    ds_mp_put_uint(out, 1);
    ds_mp_put_int(out, health->contact_ms);
    ds_mp_put_uint(out, 2);
    ds_mp_put_uint(out, health->unsent);
    ds_mp_put_uint(out, 3);
    ds_mp_put_int(out, health->oldest_unsent_ms);
    ds_mp_put_uint(out, 4);
    ds_mp_put_int(out, health->skew_ms);
    ds_mp_put_uint(out, 5);
    ds_mp_put_uint(out, health->battery_percent);
    ds_mp_put_uint(out, 6);
    ds_mp_put_uint(out, health->free_kib);
    ds_mp_put_uint(out, 7);
    ds_mp_put_str(out, ds_slice_of_text(health->version));
    ds_mp_put_uint(out, 8);
    ds_mp_put_array(out, DOUBT_ITEMS);
    ds_mp_put_uint(out, health->doubt);
    ds_mp_put_uint(out, health->doubts);
    ds_mp_put_bool(out, health->doubt_open);
    ds_mp_put_uint(out, health->doubt_size);
    ds_mp_put_uint(out, health->shown_size);
    ds_mp_put_uint(out, 9);
    ds_mp_put_uint(out, health->obeyed);
}

static void decode_doubt(struct ds_cursor *cursor, struct ds_device_health *health)
{
    if (ds_mp_take_array(cursor) != DOUBT_ITEMS) {
        cursor->failed = true;
    }
    health->doubt = ds_mp_take_uint(cursor);
    health->doubts = ds_mp_take_uint(cursor);
    health->doubt_open = ds_mp_take_bool(cursor);
    health->doubt_size = ds_mp_take_uint(cursor);
    health->shown_size = ds_mp_take_uint(cursor);
}

static void copy_version(struct ds_device_health *health, struct ds_slice version)
{
    size_t size = version.size < DS_HEALTH_VERSION_MAX ? version.size : DS_HEALTH_VERSION_MAX;
    size_t used = 0;

    /* What a device says of itself is shown to people: printable ASCII only. */
    for (size_t i = 0; i < size; i++) {
        if (version.data[i] >= ' ' && version.data[i] < 0x7f) {
            health->version[used++] = (char)version.data[i];
        }
    }
    health->version[used] = '\0';
}

static bool decode(struct ds_slice value, struct ds_device_health *health)
{
    struct ds_cursor cursor;

    memset(health, 0, sizeof(*health));
    ds_cursor_init(&cursor, value);
    uint32_t pairs = ds_mp_take_map(&cursor);

    for (uint32_t i = 0; i < pairs && !cursor.failed; i++) {
        switch (ds_mp_take_uint(&cursor)) {
        case 1:
            health->contact_ms = ds_mp_take_int(&cursor);
            break;
        case 2:
            health->unsent = ds_mp_take_uint(&cursor);
            break;
        case 3:
            health->oldest_unsent_ms = ds_mp_take_int(&cursor);
            break;
        case 4:
            health->skew_ms = ds_mp_take_int(&cursor);
            break;
        case 5:
            health->battery_percent = (uint32_t)ds_mp_take_uint(&cursor);
            break;
        case 6:
            health->free_kib = ds_mp_take_uint(&cursor);
            break;
        case 7:
            copy_version(health, ds_mp_take_str(&cursor));
            break;
        case 8:
            decode_doubt(&cursor, health);
            break;
        case 9:
            health->obeyed = ds_mp_take_uint(&cursor);
            break;
        default:
            (void)ds_mp_take_value(&cursor);
            break;
        }
    }
    return ds_cursor_end(&cursor) == DS_OK;
}

static enum ds_err load_all(struct ds_healths *healths)
{
    uint8_t next[17] = {0};
    size_t size = 1;
    struct ds_slice key = {NULL, 0};
    struct ds_slice value = {NULL, 0};
    struct ds_txn *txn = NULL;
    enum ds_err err = ds_store_begin(healths->site->key_store, false, &txn);

    DS_TRY(err);
    while ((err = ds_txn_at_or_after(txn, DS_SITE_TABLE_HEALTH, (struct ds_slice){next, size}, &key,
                                     &value)) == DS_OK) {
        struct ds_id device;
        struct ds_device_health health;

        if (key.size != sizeof(device) || !decode(value, &health)) {
            err = DS_ERR_INTEGRITY;
            break;
        }
        memcpy(device.byte, key.data, sizeof(device));
        struct entry *entry = entry_of(healths, &device);

        if (entry != NULL) {
            entry->health = health;
        }
        memcpy(next, key.data, key.size);
        next[16] = 0;
        size = 17;
    }
    ds_txn_abort(txn);
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_healths_open(struct ds_site *site, struct ds_healths **healths)
{
    struct ds_healths *made = calloc(1, sizeof(*made));

    *healths = NULL;
    if (made == NULL) {
        return DS_ERR_NOMEM;
    }
    made->site = site;
    made->places = calloc(PLACES_FIRST, sizeof(*made->places));
    made->place_count = PLACES_FIRST;
    (void)pthread_mutex_init(&made->lock, NULL);
    enum ds_err err = made->places != NULL ? load_all(made) : DS_ERR_NOMEM;

    if (err != DS_OK) {
        ds_healths_close(made);
        return err;
    }
    *healths = made;
    return DS_OK;
}

void ds_healths_close(struct ds_healths *healths)
{
    if (healths == NULL) {
        return;
    }
    (void)pthread_mutex_destroy(&healths->lock);
    free(healths->places);
    free(healths);
}

void ds_healths_note(struct ds_healths *healths, const struct ds_id *device, int64_t now_ms,
                     const struct ds_health *told, uint64_t taken, uint64_t obeyed)
{
    if (ds_id_is_none(device)) {
        return;
    }
    pthread_mutex_lock(&healths->lock);
    struct entry *entry = entry_of(healths, device);

    if (entry != NULL) {
        struct ds_device_health *health = &entry->health;

        health->contact_ms = now_ms;
        health->unsent = told->unsent > taken ? told->unsent - taken : 0;
        health->oldest_unsent_ms = health->unsent > 0 ? told->oldest_unsent_ms : 0;
        health->skew_ms = told->wall_ms - now_ms;
        health->battery_percent =
            told->battery_percent <= 100 ? (uint32_t)told->battery_percent : 0;
        health->free_kib = told->free_kib;
        health->doubt = told->doubt.kind;
        health->doubts = told->doubt.count;
        health->doubt_open = told->doubt.open;
        health->doubt_size = told->doubt.size;
        health->shown_size = told->doubt.shown_size;
        health->obeyed = obeyed != 0 ? obeyed : health->obeyed;
        copy_version(health, told->version);
        entry->changed = true;
    }
    pthread_mutex_unlock(&healths->lock);
}

enum ds_err ds_healths_get(struct ds_healths *healths, const struct ds_id *device,
                           struct ds_device_health *health)
{
    enum ds_err err = DS_ERR_NOT_FOUND;

    pthread_mutex_lock(&healths->lock);
    const struct entry *found = seek(healths->places, healths->place_count, device);

    if (!ds_id_is_none(&found->device)) {
        *health = found->health;
        err = DS_OK;
    }
    pthread_mutex_unlock(&healths->lock);
    return err;
}

/* Under the lock: what changed goes into the transaction. */
static enum ds_err put_changed(struct ds_healths *healths, struct ds_txn *txn)
{
    for (size_t i = 0; i < healths->place_count; i++) {
        struct entry *entry = &healths->places[i];
        uint8_t bytes[VALUE_SIZE];
        struct ds_builder builder;
        struct ds_slice value = {NULL, 0};

        if (!entry->changed) {
            continue;
        }
        ds_builder_init(&builder, bytes, sizeof(bytes));
        encode(&entry->health, &builder);
        DS_TRY(ds_builder_end(&builder, &value));
        DS_TRY(ds_txn_put(txn, DS_SITE_TABLE_HEALTH, DS_SLICE_OF(entry->device), value));
        entry->changed = false;
    }
    return DS_OK;
}

enum ds_err ds_healths_flush(struct ds_healths *healths)
{
    struct ds_txn *txn = NULL;

    DS_TRY(ds_store_begin(healths->site->key_store, true, &txn));
    pthread_mutex_lock(&healths->lock);
    enum ds_err err = put_changed(healths, txn);

    pthread_mutex_unlock(&healths->lock);
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

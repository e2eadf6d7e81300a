#include "sync/core/tables.h"

#include <string.h>

static struct ds_builder start(struct ds_key *key)
{
    struct ds_builder builder;
    ds_builder_init(&builder, key->byte, sizeof(key->byte));
    return builder;
}

static void finish(struct ds_key *key, const struct ds_builder *builder)
{
    DS_ASSERT(!builder->failed);
    key->size = builder->used;
}

struct ds_slice ds_key_slice(const struct ds_key *key)
{
    return (struct ds_slice){key->byte, key->size};
}

struct ds_key ds_key_meta(const char *name)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_text(&builder, name);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_journal(uint64_t number)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_u64(&builder, number);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_tile(uint8_t level, uint64_t number)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_u8(&builder, level);
    ds_put_u64(&builder, number);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_row(uint8_t type, const struct ds_id *id)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_u8(&builder, type);
    ds_put_id(&builder, id);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_writer(const struct ds_incarnation *incarnation, uint8_t lane)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_bytes(&builder, DS_SLICE_OF(incarnation->byte));
    ds_put_u8(&builder, lane);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_bound(const struct ds_incarnation *incarnation, uint8_t lane, uint64_t seq)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_bytes(&builder, DS_SLICE_OF(incarnation->byte));
    ds_put_u8(&builder, lane);
    ds_put_u64(&builder, seq);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_feed(const struct ds_scope *scope, uint64_t position, uint32_t ordinal)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_scope(&builder, scope);
    ds_put_u64(&builder, position);
    ds_put_u32(&builder, ordinal);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_member(const struct ds_scope *scope, uint8_t type, const struct ds_id *id)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_scope(&builder, scope);
    ds_put_u8(&builder, type);
    ds_put_id(&builder, id);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_scope(const struct ds_scope *scope)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_scope(&builder, scope);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_link(enum ds_link kind, const struct ds_id *parent, uint32_t order,
                          const struct ds_id *child)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_u8(&builder, (uint8_t)kind);
    ds_put_id(&builder, parent);
    ds_put_u32(&builder, order);
    ds_put_id(&builder, child);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_slot(const struct ds_id *meter, uint8_t register_kind, uint32_t period)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_id(&builder, meter);
    ds_put_u8(&builder, register_kind);
    ds_put_u32(&builder, period);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_export(uint8_t consumer, uint64_t position, uint32_t ordinal)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_u8(&builder, consumer);
    ds_put_u64(&builder, position);
    ds_put_u32(&builder, ordinal);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_queue(uint8_t type, uint64_t risk_fen, const struct ds_id *id)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_u8(&builder, type);
    ds_put_u64(&builder, UINT64_MAX - risk_fen);
    ds_put_id(&builder, id);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_cursor(uint8_t consumer)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_u8(&builder, consumer);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_key_after(struct ds_slice from)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_bytes(&builder, from);
    ds_put_u8(&builder, 0);
    finish(&key, &builder);
    return key;
}

struct ds_key ds_link_first(enum ds_link kind, const struct ds_id *parent)
{
    static const struct ds_id none = {{0}};
    return ds_key_link(kind, parent, 0, &none);
}

enum ds_err ds_link_next(struct ds_txn *txn, struct ds_key *key, uint32_t *order,
                         struct ds_id *child, uint8_t *type)
{
    enum { PREFIX = 1 + sizeof(struct ds_id) };
    struct ds_slice found;
    struct ds_slice value;
    DS_TRY(ds_txn_at_or_after(txn, DS_TABLE_LINK, ds_key_slice(key), &found, &value));
    if (found.size < PREFIX || memcmp(found.data, key->byte, PREFIX) != 0) {
        return DS_ERR_NOT_FOUND;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, found);
    (void)ds_take_bytes(&cursor, PREFIX);
    *order = ds_take_u32(&cursor);
    *child = ds_take_id(&cursor);
    if (ds_cursor_end(&cursor) != DS_OK || value.size != 1) {
        return DS_ERR_INTEGRITY;
    }
    *type = value.data[0];
    *key = ds_key_after(found);
    return DS_OK;
}

struct ds_id ds_station_id(struct ds_slice number)
{
    struct ds_hash hash =
        ds_hash3(DS_SLICE_LIT("doorstep station 1"), number, (struct ds_slice){NULL, 0});
    struct ds_id id;
    memcpy(id.byte, hash.byte, sizeof(id.byte));
    return id;
}

/* Ids over a fixed-size key: parts are put into 64 bytes, which no key of ours exceeds. */
struct ds_id ds_slot_id(const struct ds_id *station, const struct ds_id *meter,
                        uint8_t register_kind, uint32_t period)
{
    struct ds_key key = ds_key_slot(meter, register_kind, period);
    return ds_id_of(station, DS_REC_slot, ds_key_slice(&key));
}

struct ds_id ds_anomaly_id(const struct ds_id *station, const struct ds_id *slot, uint8_t rule)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_id(&builder, slot);
    ds_put_u8(&builder, rule);
    finish(&key, &builder);
    return ds_id_of(station, DS_REC_anomaly, ds_key_slice(&key));
}

struct ds_id ds_item_id(const struct ds_id *station, uint8_t type, const struct ds_id *entity,
                        uint8_t tag, const struct ds_id *op)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_id(&builder, entity);
    ds_put_u8(&builder, tag);
    ds_put_id(&builder, op);
    finish(&key, &builder);
    return ds_id_of(station, type, ds_key_slice(&key));
}

struct ds_id ds_verdict_id(const struct ds_id *station, uint8_t type, const struct ds_id *op)
{
    return ds_id_of(station, type, DS_SLICE_OF(op->byte));
}

/* Two texts with a separator that neither may hold (0x1f; schema texts hold no control bytes that
 * matter here, and a collision would only merge two names that differ by that byte). */
static struct ds_id pair_id(const struct ds_id *station, uint8_t type, struct ds_slice a,
                            struct ds_slice b)
{
    uint8_t bytes[256];
    struct ds_builder builder;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_bytes(&builder, a);
    ds_put_u8(&builder, 0x1f);
    ds_put_bytes(&builder, b);
    struct ds_slice made;
    DS_ASSERT(ds_builder_end(&builder, &made) == DS_OK);
    return ds_id_of(station, type, made);
}

static struct ds_slice cut(struct ds_slice text)
{
    enum { NAME_MAX_BYTES = 120 };
    return (struct ds_slice){text.data, text.size < NAME_MAX_BYTES ? text.size : NAME_MAX_BYTES};
}

struct ds_id ds_meter_id(const struct ds_id *station, struct ds_slice manufacturer,
                         struct ds_slice meter_no)
{
    return pair_id(station, DS_REC_meter, cut(manufacturer), cut(meter_no));
}

struct ds_id ds_code_id(const struct ds_id *station, struct ds_slice list, struct ds_slice number)
{
    return pair_id(station, DS_REC_code, cut(list), cut(number));
}

struct ds_id ds_rule_setting_id(const struct ds_id *station, uint8_t rule)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_decimal(&builder, rule);
    finish(&key, &builder);
    return ds_id_of(station, DS_REC_rule_setting, ds_key_slice(&key));
}

struct ds_id ds_period_id(const struct ds_id *station, const struct ds_id *book, uint32_t period)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_id(&builder, book);
    ds_put_u32(&builder, period);
    finish(&key, &builder);
    return ds_id_of(station, DS_REC_period, ds_key_slice(&key));
}

struct ds_id ds_grant_id(const struct ds_id *station, const struct ds_id *worker, uint8_t role,
                         const struct ds_id *subtree)
{
    struct ds_key key;
    struct ds_builder builder = start(&key);
    ds_put_id(&builder, worker);
    ds_put_u8(&builder, role);
    ds_put_id(&builder, subtree);
    finish(&key, &builder);
    return ds_id_of(station, DS_REC_role_grant, ds_key_slice(&key));
}

struct ds_id ds_numbered_id(const struct ds_id *station, uint8_t type, struct ds_slice number)
{
    return ds_id_of(station, type, number);
}

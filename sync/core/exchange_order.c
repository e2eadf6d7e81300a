/* Leases and orders: what an answer says about a device's own data. */
#include "schema/codec/msgpack.h"
#include "sync/core/exchange_parts.h"

enum {
    LEASE_ITEMS = 2,
    LEASE_WRAPPED_MAX = 256,
    ORDER_ITEMS = 2,
    ORDER_SIZE_MAX = 256,
    SIGNATURE_SIZE = 64
};
enum { ORDER_DEVICE = 1, ORDER_KIND = 2, ORDER_NUMBER = 3, ORDER_PAIRS = 3 };
#define ORDER_REQUIRED ((DS_READER_KEY(ORDER_PAIRS + 1) - 1) & ~UINT64_C(1))

struct ds_lease ds_exchange_take_lease(struct ds_reader *reader)
{
    struct ds_lease lease = {.life_ms = 0};
    ds_reader_tuple(reader, LEASE_ITEMS);
    lease.life_ms = ds_reader_uint(reader, 1, DS_MONO_MS_MAX);
    lease.wrapped = ds_reader_bin(reader, LEASE_WRAPPED_MAX);
    return lease;
}

void ds_exchange_put_lease(struct ds_builder *builder, const struct ds_lease *lease)
{
    ds_mp_put_array(builder, LEASE_ITEMS);
    ds_mp_put_uint(builder, lease->life_ms);
    ds_mp_put_bin(builder, lease->wrapped);
}

struct ds_slice ds_exchange_take_order(struct ds_reader *reader, const uint8_t **signature)
{
    ds_reader_tuple(reader, ORDER_ITEMS);
    struct ds_slice order = ds_reader_bin(reader, ORDER_SIZE_MAX);
    *signature = ds_reader_fixed(reader, SIGNATURE_SIZE);
    return *signature != NULL ? order : (struct ds_slice){NULL, 0};
}

void ds_exchange_put_order(struct ds_builder *builder, struct ds_slice order,
                           const uint8_t *signature)
{
    ds_mp_put_array(builder, ORDER_ITEMS);
    ds_mp_put_bin(builder, order);
    ds_mp_put_bin(builder, (struct ds_slice){signature, SIGNATURE_SIZE});
}

void ds_order_put(struct ds_builder *builder, const struct ds_order *order)
{
    ds_mp_put_map(builder, ORDER_PAIRS);
    ds_mp_put_uint(builder, ORDER_DEVICE);
    ds_mp_put_id(builder, &order->device);
    ds_mp_put_uint(builder, ORDER_KIND);
    ds_mp_put_uint(builder, order->kind);
    ds_mp_put_uint(builder, ORDER_NUMBER);
    ds_mp_put_uint(builder, order->number);
}

enum ds_err ds_order_parse(struct ds_slice bytes, struct ds_order *order)
{
    *order = (struct ds_order){.kind = 0};
    DS_TRY(ds_mp_scan(bytes, NULL));
    struct ds_cursor cursor;
    struct ds_reader reader;
    ds_cursor_init(&cursor, bytes);
    ds_reader_map(&reader, &cursor, "order", NULL);
    while (ds_reader_next(&reader)) {
        if (reader.key == ORDER_DEVICE) {
            order->device = ds_reader_id(&reader);
        } else if (reader.key == ORDER_KIND) {
            order->kind = ds_reader_uint(&reader, 1, DS_READER_UINT_MAX);
        } else if (reader.key == ORDER_NUMBER) {
            order->number = ds_reader_uint(&reader, 1, DS_READER_UINT_MAX);
        } else {
            ds_reader_skip(&reader);
        }
    }
    return ds_exchange_end(&reader, ORDER_REQUIRED);
}

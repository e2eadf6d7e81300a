/* What each device read last, on site: DS_TABLE_PACE. A round asks for it and tells it with each
 * reading, so it stays on the desk until the fold ends. */
#include "sync/core/desk.h"
#include "sync/core/varint.h"

#include <string.h>

enum { P_INDEX = 1, P_POSITION = 2, PACE_ROOM = 128 };

static enum ds_err pace_parse(struct ds_slice value, struct ds_reader_before *last)
{
    struct ds_cursor c;
    ds_cursor_init(&c, value);
    uint8_t flags = ds_take_u8(&c);
    last->meter = ds_take_id(&c);
    last->instant_ms = ds_take_signed(&c);
    last->index = ds_take_signed(&c);
    last->position.lat_e7 = (int32_t)ds_take_u32(&c);
    last->position.lon_e7 = (int32_t)ds_take_u32(&c);
    last->accuracy_m = ds_take_signed(&c);
    last->cabinet = ds_take_u64(&c);
    last->photo = ds_take_hash(&c);
    last->has_index = (flags & P_INDEX) != 0;
    last->has_position = (flags & P_POSITION) != 0;
    return ds_cursor_end(&c) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_desk_pace_write(struct ds_desk *desk)
{
    struct ds_pace *pace = &desk->pace;
    const struct ds_reader_before *last = &pace->last;
    if (!pace->dirty) {
        return DS_OK;
    }
    uint8_t bytes[PACE_ROOM];
    struct ds_builder b;
    ds_builder_init(&b, bytes, sizeof(bytes));
    ds_put_u8(&b,
              (uint8_t)((last->has_index ? P_INDEX : 0) | (last->has_position ? P_POSITION : 0)));
    ds_put_id(&b, &last->meter);
    ds_put_signed(&b, last->instant_ms);
    ds_put_signed(&b, last->index);
    ds_put_u32(&b, (uint32_t)last->position.lat_e7);
    ds_put_u32(&b, (uint32_t)last->position.lon_e7);
    ds_put_signed(&b, last->accuracy_m);
    ds_put_u64(&b, last->cabinet);
    ds_put_hash(&b, &last->photo);
    DS_ASSERT(!b.failed);
    pace->dirty = false;
    return ds_txn_put(desk->txn, DS_TABLE_PACE, DS_SLICE_OF(pace->device.byte),
                      (struct ds_slice){bytes, b.used});
}

enum ds_err ds_desk_pace(struct ds_desk *desk, const struct ds_id *device, struct ds_pace **pace)
{
    struct ds_slice value;
    *pace = &desk->pace;
    if (desk->pace.used && ds_id_equal(&desk->pace.device, device)) {
        return DS_OK;
    }
    DS_TRY(ds_desk_pace_write(desk));
    memset(&desk->pace, 0, sizeof(desk->pace));
    enum ds_err err = ds_txn_get(desk->txn, DS_TABLE_PACE, DS_SLICE_OF(device->byte), &value);
    if (err == DS_OK) {
        DS_TRY(pace_parse(value, &desk->pace.last));
    } else if (err != DS_ERR_NOT_FOUND) {
        return err;
    }
    desk->pace.there = err == DS_OK;
    desk->pace.device = *device;
    desk->pace.used = true;
    return DS_OK;
}

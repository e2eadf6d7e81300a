#include "handheld-sdk/src/replica_impl.h"
#include "schema/codec/record_mp.h"

struct linking { /* The row whose links are made or taken away. */
    struct ds_txn *txn;
    const struct ds_id *id;
    uint8_t type;
    bool make;
};

static enum ds_err link_one(const struct linking *linking, int kind, const struct ds_id *parent,
                            int64_t order)
{
    uint32_t at = order < 0 ? 0 : order > UINT32_MAX ? UINT32_MAX : (uint32_t)order;
    struct ds_key key = ds_key_held(kind, parent, at, linking->id);
    struct ds_slice value = {&linking->type, 1};
    return linking->make ? ds_txn_put(linking->txn, DS_KEPT_LINK, ds_key_slice(&key), value)
                         : ds_txn_del(linking->txn, DS_KEPT_LINK, ds_key_slice(&key));
}

static enum ds_err link_meter(const struct linking *linking, const struct ds_meter *meter)
{
    if (DS_HAS(meter, meter, book)) {
        DS_TRY(link_one(linking, DS_LINK_BOOK_METER, &meter->book,
                        DS_GET(meter, meter, walk_order, 0)));
    }
    if (DS_HAS(meter, meter, premises)) {
        DS_TRY(link_one(linking, DS_LINK_PREMISES_METER, &meter->premises, 0));
    }
    if (DS_HAS(meter, meter, account)) {
        DS_TRY(link_one(linking, DS_LINK_ACCOUNT_METER, &meter->account, 0));
    }
    return DS_OK;
}

static enum ds_err link_task(const struct linking *linking, const struct ds_task *task)
{
    if (DS_HAS(task, task, meter)) {
        DS_TRY(link_one(linking, DS_LINK_METER_TASK, &task->meter, 0));
    }
    if (DS_HAS(task, task, premises)) {
        DS_TRY(link_one(linking, DS_HELD_PREMISES_TASK, &task->premises, 0));
    }
    return DS_OK;
}

enum ds_err ds_replica_link(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                            const struct ds_id *id, struct ds_slice fields, bool make)
{
    union {
        struct ds_meter meter;
        struct ds_slot slot;
        struct ds_task task;
        struct ds_period period;
    } record;
    struct linking linking = {txn, id, type, make};
    bool linked =
        type == DS_REC_meter || type == DS_REC_slot || type == DS_REC_task || type == DS_REC_period;
    if (!linked || fields.size == 0) {
        return DS_OK;
    }
    enum ds_err err =
        ds_record_decode(ds_record_type_by_number(type), fields, &h->arena, &record, NULL);
    if (err != DS_OK) {
        return DS_OK; /* A row that this build cannot read is carried, not listed. */
    }
    switch (type) {
    case DS_REC_meter:
        return link_meter(&linking, &record.meter);
    case DS_REC_task:
        return link_task(&linking, &record.task);
    case DS_REC_slot:
        return link_one(&linking, DS_HELD_METER_SLOT, &record.slot.meter, record.slot.period);
    default:
        return link_one(&linking, DS_LINK_BOOK_PERIOD, &record.period.book, record.period.period);
    }
}

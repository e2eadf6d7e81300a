/* What billing has of a slot, revision after revision.
 *
 * CASE it may be billed, and that is new ....................... RESULT the next revision
 * CASE it was exported, and is settled as nothing to bill ...... RESULT the next revision, voided:
 *                                                                  volume 0 (its readings went to
 *                                                                  another meter, or were judged)
 * CASE it was exported, and waits for a decision ............... RESULT nothing: what billing has
 *                                                                  stands until somebody decides */
#include "sync/core/slot_impl.h"

/* Stands for the content of a voided revision: no BLAKE2b of anything is known to be this. */
static const struct ds_hash voided = {{'v', 'o', 'i', 'd', 'e', 'd'}};

bool ds_slot_is_voided(const struct ds_slot_full *slot)
{
    return slot->revision > 0 && ds_hash_equal(&slot->exported, &voided);
}

static struct ds_hash billed_hash(const struct ds_slot_result *r)
{
    uint8_t bytes[64];
    struct ds_builder b;
    struct ds_slice made = {NULL, 0};
    ds_builder_init(&b, bytes, sizeof(bytes));
    ds_put_id(&b, &r->chosen);
    ds_put_u8(&b, (uint8_t)(r->has_index | r->has_volume << 1 | r->has_previous << 2));
    ds_put_u64(&b, (uint64_t)r->index);
    ds_put_u64(&b, (uint64_t)r->previous_index);
    ds_put_u64(&b, (uint64_t)r->consumption_l);
    ds_put_u8(&b, r->method);
    ds_put_u8(&b, r->condition);
    DS_ASSERT(ds_builder_end(&b, &made) == DS_OK);
    return ds_hash3(DS_SLICE_LIT("doorstep billed 1"), made, (struct ds_slice){NULL, 0});
}

enum ds_err ds_slot_export(struct ds_fold *fold, struct ds_slot_full *slot, bool settled)
{
    enum { ROOM = 1024 };
    bool cancel = settled && !slot->exportable && slot->revision > 0;
    if (!slot->exportable && !cancel) {
        return DS_OK;
    }
    struct ds_hash now = cancel ? voided : billed_hash(&slot->result);
    if (ds_hash_equal(&now, &slot->exported)) {
        return DS_OK;
    }
    struct ds_slot *row = DS_FOLD_NEW(fold, struct ds_slot);
    uint8_t *memory = ds_arena_room(fold->arena, ROOM);
    if (row == NULL || memory == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_export export = {
        .kind = DS_EXPORT_slot, .id = slot->id, .supersedes = slot->revision};
    slot->revision++;
    slot->exported = now;
    slot->exported_volume_l = cancel ? 0 : slot->result.consumption_l;
    ds_slot_fill(slot, row);
    DS_SET(row, slot, consumption_l, slot->exported_volume_l);
    struct ds_builder builder;
    ds_builder_init(&builder, memory, ROOM);
    DS_TRY(ds_record_encode(ds_record_type_by_number(DS_REC_slot), row, &builder));
    DS_TRY(ds_builder_end(&builder, &export.fields));
    export.revision = slot->revision;
    return ds_fold_export(fold, DS_CONSUMER_billing, &export, &slot->meter);
}

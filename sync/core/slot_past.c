/* What a slot asks of its predecessors. Those of the handhelds' window carry it, so that a reading
 * need not look for them; whoever changes what a slot is to its successors says so to them. */
#include "sync/core/slot_impl.h"

#include <string.h>

struct ds_slot_past ds_slot_past_of(uint32_t period, const struct ds_slot_result *result)
{
    return (struct ds_slot_past){
        .period = (int32_t)period,
        .days = result->days,
        .instant_ms = result->instant_ms,
        .has_index = result->has_final,
        .index = result->index,
        .final_index = result->final_index,
        .has_volume = result->has_volume,
        .consumption_l = result->consumption_l,
        /* A volume agreed without an index is an estimate to its successors. */
        .method = result->has_index ? (enum ds_method)result->method : DS_METHOD_estimate,
        .has_last_actual = result->has_last_actual,
        .last_actual_index = result->last_actual_index,
    };
}

static struct ds_slot_before nearest_of(const struct ds_slot_result *result)
{
    return (struct ds_slot_before){
        .there = true,
        .has_card = result->has_card,
        .purchased_l = result->purchased_l,
        .remaining_l = result->remaining_l,
        .photo = result->photo,
    };
}

/* Do two results mean the same to successors? */
bool ds_slot_past_same(const struct ds_slot_result *a, const struct ds_slot_result *b)
{
    return (a->state == DS_SLOT_empty) == (b->state == DS_SLOT_empty) && a->days == b->days &&
           a->instant_ms == b->instant_ms && a->has_index == b->has_index &&
           a->has_final == b->has_final && a->index == b->index &&
           a->final_index == b->final_index && a->has_volume == b->has_volume &&
           a->consumption_l == b->consumption_l && a->method == b->method &&
           a->has_last_actual == b->has_last_actual &&
           a->last_actual_index == b->last_actual_index && a->has_card == b->has_card &&
           a->purchased_l == b->purchased_l && a->remaining_l == b->remaining_l &&
           ds_hash_equal(&a->photo, &b->photo);
}

/* Swaps of a slot that billed no index are billed with the next one that has it. */
static void gather_swaps(struct ds_slot_work *work, const struct ds_slot_full *older)
{
    size_t count = older->swap_count;
    work->alone = work->alone && count == 0;
    if (work->swap_count + count > DS_SLOT_SPAN_SWAPS_MAX) {
        work->too_many_swaps = true;
    } else if (count > 0) {
        memmove(&work->swaps[count], work->swaps, work->swap_count * sizeof(work->swaps[0]));
        memcpy(work->swaps, older->swaps, count * sizeof(work->swaps[0]));
        work->swap_count += count;
        work->span_digits = older->start_digits;
        work->span_unit_l = older->start_unit_l;
    }
}

/* Take in the newest slot before *period; *period becomes its own. */
static enum ds_err gather_one(struct ds_fold *fold, struct ds_slot_work *work,
                              struct ds_slot_full *older, uint32_t *period, bool *has_start)
{
    struct ds_slot_full *slot = work->slot;
    struct ds_key key = ds_key_slot(&slot->meter, slot->register_kind, *period - 1);
    size_t prefix = key.size - sizeof(*period);
    struct ds_slice found;
    struct ds_slice value;
    DS_TRY(ds_txn_at_or_before(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value));
    if (found.size != key.size || memcmp(found.data, key.byte, prefix) != 0) {
        return DS_ERR_NOT_FOUND;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, found);
    (void)ds_take_bytes(&cursor, prefix);
    *period = ds_take_u32(&cursor);
    memset(older, 0, offsetof(struct ds_slot_full, candidates));
    older->period = *period;
    DS_TRY(ds_slot_parse(value, older));
    const struct ds_slot_result *result = &older->result;
    *has_start = *has_start || result->has_final;
    if (!*has_start) {
        gather_swaps(work, older);
    }
    if (result->state == DS_SLOT_empty) {
        return DS_OK;
    }
    if (!slot->nearest.there) {
        slot->nearest = nearest_of(result);
    }
    if (slot->past_count < DS_SLOT_PAST_MAX) {
        slot->past[slot->past_count++] = ds_slot_past_of(*period, result);
    } else if (result->has_final) {
        slot->past[DS_SLOT_PAST_MAX - 1] = ds_slot_past_of(*period, result); /* The start. */
    }
    return DS_OK;
}

/* Predecessors, newest first while reading, then turned: rules want them ascending. However far
 * back the last index is, it is found: the volume runs from there. */
enum ds_err ds_slot_gather_past(struct ds_fold *fold, struct ds_slot_work *work)
{
    struct ds_slot_full *slot = work->slot;
    uint32_t period = slot->period;
    bool has_start = false;
    memcpy(work->swaps, slot->swaps, slot->swap_count * sizeof(work->swaps[0]));
    work->swap_count = slot->swap_count;
    work->span_digits = slot->start_digits;
    work->span_unit_l = slot->start_unit_l;
    work->alone = true;
    if (slot->carries_past) {
        return DS_OK;
    }
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_slot_full *older = ds_slot_new(fold);
    if (older == NULL) {
        return DS_ERR_NOMEM;
    }
    slot->past_count = 0;
    memset(&slot->nearest, 0, sizeof(slot->nearest));
    while (slot->past_count < DS_SLOT_PAST_MAX || !has_start) {
        enum ds_err err = gather_one(fold, work, older, &period, &has_start);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        DS_TRY(err);
    }
    ds_arena_rewind(fold->arena, mark);
    for (size_t i = 0; i < slot->past_count / 2; i++) {
        struct ds_slot_past swap = slot->past[i];
        slot->past[i] = slot->past[slot->past_count - 1 - i];
        slot->past[slot->past_count - 1 - i] = swap;
    }
    return DS_OK;
}

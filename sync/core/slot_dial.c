/* A dial that was written down wrongly: digits, litres per count or multiplier are corrected in the
 * meter, without any swap. */
#include "sync/core/slot_impl.h"

#include <string.h>

/* The dial of a slot that billing has not; behind the last swap of it if it has swaps. */
static bool set_dial(struct ds_slot_full *slot, const struct ds_facts *facts)
{
    uint8_t digits = (uint8_t)(facts->has_digits ? facts->rule.dial_digits : 0);
    int64_t unit_l = facts->has_unit ? facts->rule.unit_l : 0;
    bool same = slot->multiplier == facts->rule.multiplier;
    slot->multiplier = facts->rule.multiplier;
    if (slot->swap_count > 0) {
        struct ds_swap_seen *last = &slot->swaps[slot->swap_count - 1];
        same = same && last->new_dial_digits == digits && last->new_unit_l == unit_l;
        last->new_dial_digits = digits;
        last->new_unit_l = unit_l;
        return !same;
    }
    digits = digits == 0 ? DS_DIAL_DIGITS_DEFAULT : digits;
    unit_l = unit_l == 0 ? DS_UNIT_L_DEFAULT : unit_l;
    same = same && slot->start_digits == digits && slot->start_unit_l == unit_l;
    slot->start_digits = digits;
    slot->start_unit_l = unit_l;
    return !same;
}

/* Newest first, down to the last swap. *from: the oldest that was corrected; 0: none. */
static enum ds_err set_dials(struct ds_fold *fold, const struct ds_id *meter, uint8_t kind,
                             uint32_t *from)
{
    const struct ds_facts *facts = NULL;
    struct ds_key key = ds_key_slot(meter, kind, UINT32_MAX);
    size_t prefix = key.size - sizeof(uint32_t);
    bool swapped = false;
    *from = 0;
    DS_TRY(ds_desk_meter(fold, meter, &facts));
    while (!swapped) {
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_slot_full *slot = ds_slot_new(fold);
        struct ds_cursor cursor;
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_before(fold->txn, DS_TABLE_SLOT, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND ||
            (err == DS_OK &&
             (found.size != key.size || memcmp(found.data, key.byte, prefix) != 0))) {
            return DS_OK;
        }
        DS_TRY(err);
        if (slot == NULL) {
            return DS_ERR_NOMEM;
        }
        ds_cursor_init(&cursor, found);
        (void)ds_take_bytes(&cursor, prefix);
        uint32_t period = ds_take_u32(&cursor);
        DS_TRY(ds_slot_load(fold, meter, kind, period, slot));
        swapped = slot->swap_count > 0;
        if (slot->revision == 0 && set_dial(slot, facts)) {
            DS_TRY(ds_slot_store(fold, slot));
            *from = period;
        }
        key = ds_key_slot(meter, kind, period - 1);
        ds_arena_rewind(fold->arena, mark);
    }
    return DS_OK;
}

enum ds_err ds_slot_correct_dial(struct ds_fold *fold, const struct ds_id *meter)
{
    for (uint8_t kind = 1; kind <= (uint8_t)ds_enum_last(DS_LIST_register); kind++) {
        uint32_t period = 0;
        DS_TRY(set_dials(fold, meter, kind, &period));
        while (period != 0) {
            DS_TRY(ds_slot_refresh(fold, meter, kind, period));
            period++;
            enum ds_err err = ds_slot_period_after(fold, meter, kind, &period);
            if (err == DS_ERR_NOT_FOUND) {
                break;
            }
            DS_TRY(err);
        }
    }
    return DS_OK;
}

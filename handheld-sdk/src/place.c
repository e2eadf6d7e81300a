#include "handheld-sdk/src/place.h"

#include "handheld-sdk/src/customer.h"

#include <string.h>

enum { ADDRESS_MAX = 1024 };
static const struct ds_id no_id;

/* A borrowed slice as a NUL-terminated copy; "" if it is absent or memory is out. */
static const char *text_of(struct ds_handheld *h, bool has, struct ds_slice text)
{
    if (!has || text.size == 0) {
        return "";
    }
    char *copy = ds_arena_room(&h->arena, text.size + 1);
    if (copy == NULL) {
        return "";
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}
#define TEXT(object, record, member) text_of(h, DS_HAS(object, record, member), (object)->member)

static void put_word(struct ds_builder *out, bool has, struct ds_slice word)
{
    if (has && word.size > 0) {
        if (out->used > 0) {
            ds_put_u8(out, ' ');
        }
        ds_put_bytes(out, word);
    }
}

void ds_place_put_address(const struct ds_premises *premises, struct ds_builder *out)
{
#define WORD(member) put_word(out, DS_HAS(premises, premises, member), premises->member)
    WORD(district);
    WORD(street_office);
    WORD(community);
    WORD(estate);
    WORD(building);
    WORD(entrance);
    WORD(room);
#undef WORD
}

static const char *address_of(struct ds_handheld *h, const struct ds_premises *premises)
{
    struct ds_builder builder;
    ds_builder_init(&builder, ds_arena_room(&h->arena, ADDRESS_MAX), ADDRESS_MAX);
    if (builder.data == NULL) {
        return "";
    }
    ds_place_put_address(premises, &builder);
    return ds_builder_text(&builder);
}

static void fill_meter(struct ds_handheld *h, const struct ds_meterview *view,
                       struct ds_handheld_place *place)
{
    const struct ds_meter *meter = &view->meter;
    struct ds_id premises = DS_GET(meter, meter, premises, no_id);
    struct ds_id book = DS_GET(meter, meter, book, no_id);
    struct ds_id account =
        DS_GET(meter, meter, account, DS_GET(&view->premises, premises, account, no_id));
    place->meter = ds_id_to_public(&view->id);
    place->premises = ds_id_to_public(&premises);
    place->book = ds_id_to_public(&book);
    place->account = ds_id_to_public(&account);
    place->walk_order = DS_GET(meter, meter, walk_order, 0);
    place->meter_no = TEXT(meter, meter, meter_no);
    place->manufacturer = TEXT(meter, meter, manufacturer);
    place->meter_place = TEXT(meter, meter, place);
    place->cabinet = TEXT(meter, meter, cabinet);
    place->meter_kind = (int)DS_GET(meter, meter, kind, DS_METER_KIND_mechanical);
    place->meter_state = (int)DS_GET(meter, meter, state, DS_METER_active);
    place->dial_digits = (int)DS_GET(meter, meter, dial_digits, DS_DIAL_DIGITS_DEFAULT);
    place->unit_l = DS_GET(meter, meter, unit_l, DS_UNIT_L_DEFAULT);
    place->unknown_here = !view->meter_held;
}

static void fill_around(struct ds_handheld *h, const struct ds_meterview *view,
                        struct ds_handheld_place *place)
{
    const struct ds_premises *premises = &view->premises;
    const struct ds_account *account = &view->account;
    place->address = address_of(h, premises);
    place->access_note = TEXT(premises, premises, access_note);
    place->best_hour = TEXT(premises, premises, best_hour);
    place->position.known =
        DS_HAS(premises, premises, lat_e7) && DS_HAS(premises, premises, lon_e7);
    place->position.lat_e7 = (int32_t)DS_GET(premises, premises, lat_e7, 0);
    place->position.lon_e7 = (int32_t)DS_GET(premises, premises, lon_e7, 0);
    place->position.accuracy_m = (int32_t)DS_GET(premises, premises, accuracy_m, 0);
    place->position_quality = (int)view->facts.position_quality;
    place->account_no = TEXT(account, account, number);
    place->account_class = (int)DS_GET(account, account, class, 0);
    place->account_state = (int)DS_GET(account, account, state, 0);
    place->account_name = place->phone = place->key_holder = "";
}

static enum ds_err fill_personal(struct ds_handheld *h, struct ds_txn *txn,
                                 const struct ds_meterview *view, struct ds_handheld_place *place)
{
    const struct ds_premises *premises = &view->premises;
    const struct ds_account *account = &view->account;
    struct ds_id account_id = ds_id_of_public(&place->account);
    struct ds_id premises_id = ds_id_of_public(&place->premises);
    struct ds_slice none = {0};
    DS_TRY(ds_customer_text(h, txn, &account_id, DS_TAG_account_name,
                            DS_GET(account, account, name, none), &place->account_name));
    DS_TRY(ds_customer_text(h, txn, &account_id, DS_TAG_account_phone,
                            DS_GET(account, account, phone, none), &place->phone));
    return ds_customer_text(h, txn, &premises_id, DS_TAG_premises_key_holder,
                            DS_GET(premises, premises, key_holder, none), &place->key_holder);
}

/* The slot as pulled. */
static void fill_slot(const struct ds_meterview *view, struct ds_handheld_place *place)
{
    const struct ds_slot *slot = &view->slot;
    if (!view->has_slot) {
        return;
    }
    place->slot_state = (int)slot->state;
    place->has_index = DS_HAS(slot, slot, index);
    place->index = DS_GET(slot, slot, index, 0);
    place->instant_ms = DS_GET(slot, slot, instant_ms, 0);
    place->method = (int)DS_GET(slot, slot, method, 0);
    place->condition = (int)DS_GET(slot, slot, condition, 0);
    place->has_consumption = DS_HAS(slot, slot, consumption_l);
    place->consumption_l = DS_GET(slot, slot, consumption_l, 0);
}

/* Own readings that lie over it: the same choice and the same rules as the server's. */
static enum ds_err fill_pending(struct ds_handheld *h, struct ds_txn *txn,
                                struct ds_meterview *view, struct ds_handheld_place *place)
{
    struct ds_findings *findings;
    DS_TRY(ds_meterview_rules(h, txn, view, &findings));
    if (findings->chosen == DS_CHOOSE_NONE) {
        return DS_OK;
    }
    const struct ds_candidate *chosen = &view->candidates[findings->chosen];
    bool decided = place->slot_state == DS_HANDHELD_SLOT_DECIDED ||
                   place->slot_state == DS_HANDHELD_SLOT_NEW_EVIDENCE;
    place->slot_state = decided                                  ? DS_HANDHELD_SLOT_NEW_EVIDENCE
                        : findings->severity == DS_SEVERITY_hold ? DS_HANDHELD_SLOT_HELD
                                                                 : DS_HANDHELD_SLOT_READ;
    const struct ds_consumption *use = &findings->consumption;
    place->has_index = chosen->has_index;
    place->index = chosen->index;
    place->instant_ms = chosen->instant_ms;
    place->method = (int)chosen->method;
    place->condition = (int)chosen->condition;
    place->has_consumption = use->kind != DS_VOLUME_no_index &&
                             use->kind != DS_VOLUME_no_predecessor &&
                             use->kind != DS_VOLUME_unknown;
    place->consumption_l = place->has_consumption ? use->volume_l : 0;
    return DS_OK;
}

static int64_t counts_of(int64_t volume_l, const struct ds_rule_meter *facts)
{
    int64_t unit = (facts->unit_l > 0 ? facts->unit_l : DS_UNIT_L_DEFAULT) *
                   (facts->multiplier > 0 ? facts->multiplier : 1);
    return volume_l / unit;
}

/* Between these the rules spike and slump say nothing; beyond the dial it passes zero. */
static enum ds_err fill_expected(struct ds_handheld *h, struct ds_txn *txn,
                                 const struct ds_meterview *view, struct ds_handheld_place *place)
{
    struct ds_expected expected;
    const struct ds_slot_past *previous = ds_past_previous(view->past, view->past_count);
    if (previous == NULL) {
        return DS_OK;
    }
    place->has_previous = true;
    place->previous_index = previous->final_index;
    place->previous_period = previous->period;
    place->previous_method = (int)previous->method;
    DS_TRY(ds_rules_read(h, txn));
    ds_expected_use(&view->facts, &h->rules, view->past, view->past_count, view->period,
                    ds_ports_now_ms(&h->ports), &expected);
    if (expected.source == DS_EXPECTED_none) {
        return DS_OK;
    }
    const struct ds_rule_limits *spike = &h->rules.rule[DS_RULE_spike];
    const struct ds_rule_limits *slump = &h->rules.rule[DS_RULE_slump];
    int64_t least = expected.volume_l - expected.spread_l * slump->limit_1 / 100;
    int64_t most = expected.volume_l + expected.spread_l * spike->limit_2 / 100;
    place->has_expected = true;
    place->expected_l = expected.volume_l;
    place->expected_index_least =
        previous->final_index + counts_of(least > 0 ? least : 0, &view->facts);
    place->expected_index_most = previous->final_index + counts_of(most, &view->facts);
    return DS_OK;
}

/* Tasks at a meter or premises that are not ended, pending steps included. */
static enum ds_err count_tasks(struct ds_handheld *h, struct ds_txn *txn, int kind,
                               const struct ds_id *parent, struct ds_handheld_place *place)
{
    struct ds_key walk = ds_link_first((enum ds_link)kind, parent);
    for (;;) {
        uint32_t order;
        uint8_t type;
        struct ds_id id;
        struct ds_task task;
        enum ds_err err = ds_link_next(txn, &walk, &order, &id, &type);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        DS_TRY(ds_overlay_record(h, txn, DS_REC_task, &id, &task, &place->pending));
        bool ended = task.state == DS_TASK_done || task.state == DS_TASK_approved ||
                     task.state == DS_TASK_cancelled;
        bool both = kind == DS_HELD_PREMISES_TASK && DS_HAS(&task, task, meter);
        if (!ended && !both) {
            place->tasks++;
            place->re_read = place->re_read || task.kind == DS_TASK_KIND_re_read;
        }
    }
}

enum ds_err ds_place_fill(struct ds_handheld *h, struct ds_txn *txn, struct ds_meterview *view,
                          bool personal, struct ds_handheld_place *place)
{
    memset(place, 0, sizeof(*place));
    place->far_m = -1;
    place->period = view->period;
    place->pending = view->pending;
    place->visits = view->visits;
    fill_meter(h, view, place);
    fill_around(h, view, place);
    fill_slot(view, place);
    DS_TRY(fill_expected(h, txn, view, place));
    if (view->readings_pending > 0) {
        DS_TRY(fill_pending(h, txn, view, place));
    }
    DS_TRY(count_tasks(h, txn, DS_LINK_METER_TASK, &view->id, place));
    if (DS_HAS(&view->meter, meter, premises)) {
        DS_TRY(count_tasks(h, txn, DS_HELD_PREMISES_TASK, &view->meter.premises, place));
    }
    return personal ? fill_personal(h, txn, view, place) : DS_OK;
}

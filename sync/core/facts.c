/* What the rules ask of a meter, its premises and its account, in one value: a reading costs one
 * look-up instead of three and as many decodings. Derived from these rows; whoever writes one of
 * them takes the value away (ds_desk_forget()), and the next who asks makes it anew. */
#include "sync/core/desk.h"
#include "sync/core/fold.h"
#include "sync/core/varint.h"

#include <string.h>

/* Load a record, or an empty one if there is none. */
static enum ds_err load_or_empty(struct ds_fold *fold, uint8_t type, const struct ds_id *id,
                                 void *record, size_t size)
{
    enum ds_err err = ds_record_load(fold->txn, type, id, fold->arena, record);
    if (err == DS_ERR_NOT_FOUND) {
        memset(record, 0, size);
        return DS_OK;
    }
    return err;
}

static enum ds_err take_place(struct ds_fold *fold, const struct ds_meter *meter,
                              struct ds_rule_meter *rule)
{
    struct ds_premises *premises = DS_FOLD_NEW(fold, struct ds_premises);
    if (premises == NULL) {
        return DS_ERR_NOMEM;
    }
    if (!DS_HAS(meter, meter, premises)) {
        return DS_OK;
    }
    DS_TRY(load_or_empty(fold, DS_REC_premises, &meter->premises, premises, sizeof(*premises)));
    if (DS_HAS(premises, premises, lat_e7) && DS_HAS(premises, premises, lon_e7)) {
        rule->position.lat_e7 = (int32_t)premises->lat_e7;
        rule->position.lon_e7 = (int32_t)premises->lon_e7;
        rule->position_quality = (enum ds_position_quality)DS_GET(
            premises, premises, position_quality, DS_POSITION_imported);
        rule->accuracy_m = DS_GET(premises, premises, accuracy_m, 0);
    }
    return DS_OK;
}

static enum ds_err take_account(struct ds_fold *fold, const struct ds_meter *meter,
                                struct ds_facts *facts)
{
    struct ds_account *account = DS_FOLD_NEW(fold, struct ds_account);
    if (account == NULL) {
        return DS_ERR_NOMEM;
    }
    if (DS_HAS(meter, meter, account)) {
        DS_TRY(load_or_empty(fold, DS_REC_account, &meter->account, account, sizeof(*account)));
    }
    if (DS_HAS(account, account, tariff)) {
        facts->tariff = ds_numbered_id(&fold->meta->station, DS_REC_tariff, account->tariff);
    }
    facts->rule.account_class = (enum ds_account_class)DS_GET(account, account, class, 0);
    facts->rule.paused = DS_GET(account, account, state, 0) == DS_ACCOUNT_paused;
    return DS_OK;
}

static enum ds_err take_meter(struct ds_fold *fold, const struct ds_id *id, struct ds_facts *facts)
{
    struct ds_meter *meter = DS_FOLD_NEW(fold, struct ds_meter);
    struct ds_rule_meter *rule = &facts->rule;
    if (meter == NULL) {
        return DS_ERR_NOMEM;
    }
    memset(facts, 0, sizeof(*facts));
    enum ds_err err = ds_record_load(fold->txn, DS_REC_meter, id, fold->arena, meter);
    if (err == DS_ERR_NOT_FOUND) {
        memset(meter, 0, sizeof(*meter));
    } else {
        DS_TRY(err);
    }
    facts->exists = err == DS_OK;
    facts->merged = DS_HAS(meter, meter, merged_into);
    facts->merged_into = meter->merged_into;
    facts->has_book = DS_HAS(meter, meter, book);
    facts->book = meter->book;
    facts->has_digits = DS_HAS(meter, meter, dial_digits);
    facts->has_unit = DS_HAS(meter, meter, unit_l);
    rule->meter = *id;
    rule->dial_digits = (int32_t)DS_GET(meter, meter, dial_digits, 0);
    rule->unit_l = DS_GET(meter, meter, unit_l, 0);
    rule->multiplier = DS_GET(meter, meter, multiplier, 0);
    rule->kind = (enum ds_meter_kind)DS_GET(meter, meter, kind, 0);
    rule->yearly_l = DS_GET(meter, meter, yearly_l, 0);
    rule->has_expiry = DS_HAS(meter, meter, expiry_day);
    rule->expiry_day = DS_GET(meter, meter, expiry_day, 0);
    rule->cabinet = DS_HAS(meter, meter, cabinet) ? ds_cabinet_key(meter->cabinet) : 0;
    DS_TRY(take_place(fold, meter, rule));
    return take_account(fold, meter, facts);
}

/* ---- Kept ready in DS_TABLE_FACTS. ---- */

enum {
    F_MERGED = 1,
    F_BOOK = 2,
    F_DIGITS = 4,
    F_UNIT = 8,
    F_EXPIRY = 16,
    F_PAUSED = 32,
    F_TARIFF = 64,
    F_PLACE = 128,
    FACTS_ROOM = 256,
};

static enum ds_err facts_store(struct ds_fold *fold, const struct ds_id *id,
                               const struct ds_facts *facts)
{
    const struct ds_rule_meter *rule = &facts->rule;
    uint8_t bytes[FACTS_ROOM];
    struct ds_builder b;
    bool tariff = !ds_id_is_none(&facts->tariff);
    bool place = rule->position_quality != 0;
    ds_builder_init(&b, bytes, sizeof(bytes));
    ds_put_u8(&b, (uint8_t)((facts->merged ? F_MERGED : 0) | (facts->has_book ? F_BOOK : 0) |
                            (facts->has_digits ? F_DIGITS : 0) | (facts->has_unit ? F_UNIT : 0) |
                            (rule->has_expiry ? F_EXPIRY : 0) | (rule->paused ? F_PAUSED : 0) |
                            (tariff ? F_TARIFF : 0) | (place ? F_PLACE : 0)));
    if (facts->merged) {
        ds_put_id(&b, &facts->merged_into);
    }
    if (facts->has_book) {
        ds_put_id(&b, &facts->book);
    }
    if (tariff) {
        ds_put_id(&b, &facts->tariff);
    }
    if (place) {
        ds_put_u8(&b, (uint8_t)rule->position_quality);
        ds_put_u32(&b, (uint32_t)rule->position.lat_e7);
        ds_put_u32(&b, (uint32_t)rule->position.lon_e7);
        ds_put_signed(&b, rule->accuracy_m);
    }
    ds_put_signed(&b, rule->dial_digits);
    ds_put_signed(&b, rule->unit_l);
    ds_put_signed(&b, rule->multiplier);
    ds_put_signed(&b, (int64_t)rule->kind);
    ds_put_signed(&b, (int64_t)rule->account_class);
    ds_put_signed(&b, rule->yearly_l);
    ds_put_signed(&b, rule->expiry_day);
    ds_put_u64(&b, rule->cabinet);
    struct ds_slice value;
    DS_TRY(ds_builder_end(&b, &value));
    return ds_txn_put(fold->txn, DS_TABLE_FACTS, DS_SLICE_OF(id->byte), value);
}

static enum ds_err facts_parse(struct ds_slice value, const struct ds_id *id,
                               struct ds_facts *facts)
{
    struct ds_rule_meter *rule = &facts->rule;
    struct ds_cursor c;
    ds_cursor_init(&c, value);
    memset(facts, 0, sizeof(*facts));
    uint8_t flags = ds_take_u8(&c);
    facts->exists = true;
    facts->merged = (flags & F_MERGED) != 0;
    facts->has_book = (flags & F_BOOK) != 0;
    facts->has_digits = (flags & F_DIGITS) != 0;
    facts->has_unit = (flags & F_UNIT) != 0;
    rule->has_expiry = (flags & F_EXPIRY) != 0;
    rule->paused = (flags & F_PAUSED) != 0;
    rule->meter = *id;
    if (facts->merged) {
        facts->merged_into = ds_take_id(&c);
    }
    if (facts->has_book) {
        facts->book = ds_take_id(&c);
    }
    if ((flags & F_TARIFF) != 0) {
        facts->tariff = ds_take_id(&c);
    }
    if ((flags & F_PLACE) != 0) {
        rule->position_quality = (enum ds_position_quality)ds_take_u8(&c);
        rule->position.lat_e7 = (int32_t)ds_take_u32(&c);
        rule->position.lon_e7 = (int32_t)ds_take_u32(&c);
        rule->accuracy_m = ds_take_signed(&c);
    }
    rule->dial_digits = (int32_t)ds_take_signed(&c);
    rule->unit_l = ds_take_signed(&c);
    rule->multiplier = ds_take_signed(&c);
    rule->kind = (enum ds_meter_kind)ds_take_signed(&c);
    rule->account_class = (enum ds_account_class)ds_take_signed(&c);
    rule->yearly_l = ds_take_signed(&c);
    rule->expiry_day = ds_take_signed(&c);
    rule->cabinet = ds_take_u64(&c);
    return ds_cursor_end(&c) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
}

/* Tariffs are few and shared by many: their prices are not copied to each meter. */
static enum ds_err price_of(struct ds_fold *fold, const struct ds_id *tariff, int64_t *price_e4)
{
    struct ds_desk *desk = fold->desk;
    *price_e4 = 0;
    if (ds_id_is_none(tariff)) {
        return DS_OK;
    }
    size_t at = ds_desk_spread(tariff, 0, DS_DESK_TARIFFS);
    if (desk->tariff[at].valid != desk->places || !ds_id_equal(&desk->tariff[at].id, tariff)) {
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_tariff *row = DS_FOLD_NEW(fold, struct ds_tariff);
        if (row == NULL) {
            return DS_ERR_NOMEM;
        }
        DS_TRY(load_or_empty(fold, DS_REC_tariff, tariff, row, sizeof(*row)));
        desk->tariff[at].price_e4 = DS_GET(row, tariff, price_e4, 0);
        ds_arena_rewind(fold->arena, mark);
        desk->tariff[at].id = *tariff;
        desk->tariff[at].valid = desk->places;
    }
    *price_e4 = desk->tariff[at].price_e4;
    return DS_OK;
}

static enum ds_err take_facts(struct ds_fold *fold, const struct ds_id *meter,
                              struct ds_facts *facts)
{
    struct ds_slice value;
    enum ds_err err = ds_txn_get(fold->txn, DS_TABLE_FACTS, DS_SLICE_OF(meter->byte), &value);
    if (err == DS_OK) {
        DS_TRY(facts_parse(value, meter, facts));
    } else if (err == DS_ERR_NOT_FOUND) {
        size_t mark = ds_arena_mark(fold->arena);
        DS_TRY(take_meter(fold, meter, facts));
        ds_arena_rewind(fold->arena, mark);
        if (facts->exists) {
            DS_TRY(facts_store(fold, meter, facts));
        }
    } else {
        return err;
    }
    return price_of(fold, &facts->tariff, &facts->rule.price_e4);
}

enum ds_err ds_desk_meter(struct ds_fold *fold, const struct ds_id *meter,
                          const struct ds_facts **facts)
{
    struct ds_desk *desk = fold->desk;
    size_t at = ds_desk_spread(meter, 0, DS_DESK_FACTS);
    *facts = &desk->facts[at].facts;
    if (desk->facts[at].valid == desk->places && ds_id_equal(&desk->facts[at].meter, meter)) {
        return DS_OK;
    }
    desk->facts[at].valid = 0;
    DS_TRY(take_facts(fold, meter, &desk->facts[at].facts));
    desk->facts[at].meter = *meter;
    desk->facts[at].valid = desk->places;
    return DS_OK;
}

enum ds_err ds_facts_forget(struct ds_fold *fold, const struct ds_id *meter)
{
    struct ds_desk *desk = fold->desk;
    size_t at = ds_desk_spread(meter, 0, DS_DESK_FACTS);
    if (ds_id_equal(&desk->facts[at].meter, meter)) {
        desk->facts[at].valid = 0;
    }
    return ds_txn_del(fold->txn, DS_TABLE_FACTS, DS_SLICE_OF(meter->byte));
}

enum ds_err ds_facts_forget_all(struct ds_fold *fold, enum ds_link kind, const struct ds_id *parent)
{
    struct ds_key key = ds_link_first(kind, parent);
    for (;;) {
        uint32_t order = 0;
        uint8_t type = 0;
        struct ds_id meter;
        enum ds_err err = ds_link_next(fold->txn, &key, &order, &meter, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(ds_facts_forget(fold, &meter));
    }
}

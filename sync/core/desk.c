#include "sync/core/desk.h"

#include "sync/core/authority.h"
#include "sync/core/fold.h"

#include <string.h>

/* Ids are hashes, or random, or end in a sequence: two words of them are spread enough. */
size_t ds_desk_spread(const struct ds_id *id, size_t more, size_t count)
{
    uint64_t words[2];
    memcpy(words, id->byte, sizeof(words));
    uint64_t mixed = (words[0] ^ words[1] ^ more) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 40) % count;
}

struct ds_desk *ds_desk_begin(void *memory, struct ds_txn *txn)
{
    _Static_assert(sizeof(struct ds_desk) <= DS_ENGINE_DESK_SIZE, "the desk has room");
    struct ds_desk *desk = memory;
    memset(desk, 0, sizeof(*desk));
    desk->txn = txn;
    desk->places = 1;
    desk->books = 1;
    desk->roles = 1;
    ds_arena_init(&desk->arena, (uint8_t *)memory + DS_ENGINE_DESK_SIZE,
                  DS_ENGINE_SCRATCH_SIZE - DS_ENGINE_DESK_SIZE);
    return desk;
}

enum ds_err ds_desk_forget(struct ds_fold *fold, uint8_t type, const struct ds_id *id)
{
    struct ds_desk *desk = fold->desk;
    switch (type) {
    case DS_REC_meter:
        return ds_facts_forget(fold, id);
    case DS_REC_premises:
        return ds_facts_forget_all(fold, DS_LINK_PREMISES_METER, id);
    case DS_REC_account:
        return ds_facts_forget_all(fold, DS_LINK_ACCOUNT_METER, id);
    case DS_REC_tariff:
        desk->places++;
        return DS_OK;
    case DS_REC_book:
    case DS_REC_period:
        desk->books++;
        return DS_OK;
    case DS_REC_role_grant:
    case DS_REC_worker:
        desk->roles++;
        return DS_OK;
    case DS_REC_rule_setting:
        desk->rules_loaded = false;
        return DS_OK;
    default:
        return DS_OK;
    }
}

enum ds_err ds_desk_book(struct ds_fold *fold, const struct ds_id *book,
                         struct ds_book_facts **facts)
{
    struct ds_desk *desk = fold->desk;
    size_t at = ds_desk_spread(book, 0, DS_DESK_BOOKS);
    *facts = &desk->book[at].facts;
    if (desk->book[at].valid == desk->books && ds_id_equal(&desk->book[at].id, book)) {
        return DS_OK;
    }
    size_t mark = ds_arena_mark(fold->arena);
    struct ds_book *row = DS_FOLD_NEW(fold, struct ds_book);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    desk->book[at].valid = 0;
    enum ds_err err = ds_record_load(fold->txn, DS_REC_book, book, fold->arena, row);
    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    bool exists = err == DS_OK;
    bool has_assignee = exists && DS_HAS(row, book, assignee);
    desk->book[at].facts = (struct ds_book_facts){.exists = exists, .has_assignee = has_assignee};
    if (has_assignee) {
        desk->book[at].facts.assignee = row->assignee;
    }
    ds_arena_rewind(fold->arena, mark);
    desk->book[at].id = *book;
    desk->book[at].valid = desk->books;
    return DS_OK;
}

enum ds_err ds_desk_period(struct ds_fold *fold, const struct ds_id *book, uint32_t period,
                           int64_t *state)
{
    struct ds_desk *desk = fold->desk;
    size_t at = ds_desk_spread(book, period, DS_DESK_PERIODS);
    if (desk->period[at].valid != desk->books || desk->period[at].period != period ||
        !ds_id_equal(&desk->period[at].book, book)) {
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_period *row = DS_FOLD_NEW(fold, struct ds_period);
        if (row == NULL) {
            return DS_ERR_NOMEM;
        }
        desk->period[at].valid = 0;
        struct ds_id id = ds_period_id(&fold->meta->station, book, period);
        enum ds_err err = ds_record_load(fold->txn, DS_REC_period, &id, fold->arena, row);
        if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
            return err;
        }
        desk->period[at].state = err == DS_OK ? DS_GET(row, period, state, 0) : 0;
        ds_arena_rewind(fold->arena, mark);
        desk->period[at].book = *book;
        desk->period[at].period = period;
        desk->period[at].valid = desk->books;
    }
    *state = desk->period[at].state;
    return DS_OK;
}

static enum ds_err take_grants(struct ds_fold *fold, const struct ds_id *worker,
                               const struct ds_id *unit, struct ds_grants *grants)
{
    for (int64_t role = 1; role <= ds_enum_last(DS_LIST_role); role++) {
        DS_ASSERT(role < DS_DESK_ROLES);
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_role_grant *grant = DS_FOLD_NEW(fold, struct ds_role_grant);
        if (grant == NULL) {
            return DS_ERR_NOMEM;
        }
        struct ds_id id = ds_grant_id(&fold->meta->station, worker, (uint8_t)role, unit);
        enum ds_err err = ds_record_load(fold->txn, DS_REC_role_grant, &id, fold->arena, grant);
        if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
            return err;
        }
        grants->there[role] = err == DS_OK;
        if (err == DS_OK) {
            grants->from_ms[role] = DS_GET(grant, role_grant, from_ms, INT64_MIN);
            grants->until_ms[role] = DS_GET(grant, role_grant, until_ms, INT64_MAX);
        }
        ds_arena_rewind(fold->arena, mark);
    }
    return DS_OK;
}

enum ds_err ds_desk_grants(struct ds_fold *fold, const struct ds_id *worker,
                           const struct ds_worker_grants **grants)
{
    struct ds_desk *desk = fold->desk;
    const struct ds_id *station = &fold->meta->station;
    const struct ds_slice stored = {NULL, 0};
    struct ds_units units = {.count = 0};
    size_t at = ds_desk_spread(worker, 0, DS_DESK_WORKERS);
    struct ds_worker_grants *made = &desk->worker[at].grants;
    *grants = made;
    if (desk->worker[at].valid == desk->roles && ds_id_equal(&desk->worker[at].worker, worker)) {
        return DS_OK;
    }
    desk->worker[at].valid = 0;
    memset(made, 0, sizeof(*made));
    DS_TRY(take_grants(fold, worker, station, &made->station));
    DS_TRY(ds_units_add_team(fold->txn, station, DS_REC_worker, worker, stored, &units));
    if (units.count > 0) {
        DS_TRY(take_grants(fold, worker, &units.unit[0], &made->team));
    }
    desk->worker[at].worker = *worker;
    desk->worker[at].valid = desk->roles;
    return DS_OK;
}

enum ds_err ds_desk_rules(struct ds_fold *fold, const struct ds_rule_table **rules)
{
    struct ds_desk *desk = fold->desk;
    *rules = &desk->rules;
    if (desk->rules_loaded) {
        return DS_OK;
    }
    desk->rules = *ds_rule_defaults();
    for (unsigned rule = 1; rule < DS_RULE_COUNT; rule++) {
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_rule_setting *setting = DS_FOLD_NEW(fold, struct ds_rule_setting);
        if (setting == NULL) {
            return DS_ERR_NOMEM;
        }
        struct ds_id id = ds_rule_setting_id(&fold->meta->station, (uint8_t)rule);
        enum ds_err err = ds_record_load(fold->txn, DS_REC_rule_setting, &id, fold->arena, setting);
        if (err == DS_OK) {
            ds_rule_table_apply(&desk->rules, setting);
        } else if (err != DS_ERR_NOT_FOUND) {
            return err;
        }
        ds_arena_rewind(fold->arena, mark);
    }
    ds_rule_table_limit(&desk->rules, fold->meta->version);
    desk->rules_loaded = true;
    return DS_OK;
}

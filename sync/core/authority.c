#include "sync/core/authority.h"

#include "schema/codec/msgpack.h"
#include "sync/core/hash.h"
#include "sync/core/slot.h"

#include <string.h>

enum ds_unit_kind { UNIT_COMPANY = 1, UNIT_BRANCH, UNIT_TEAM };

/* ---- Units. ---- */

static struct ds_id unit_id(enum ds_unit_kind kind, struct ds_slice above, struct ds_slice name)
{
    enum { TEXT_MAX = 120, ROOM = 2 * TEXT_MAX + 8 };
    uint8_t bytes[ROOM];
    struct ds_builder builder;
    struct ds_slice made;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_u8(&builder, (uint8_t)kind);
    ds_put_bytes(&builder, above);
    ds_put_u8(&builder, 0x1f);
    ds_put_bytes(&builder, name);
    struct ds_id id = {{0}};
    if (ds_builder_end(&builder, &made) == DS_OK) { /* The schema keeps them to 120 bytes each. */
        struct ds_hash hash =
            ds_hash3(DS_SLICE_LIT("doorstep unit 1"), made, (struct ds_slice){NULL, 0});
        memcpy(id.byte, hash.byte, sizeof(id.byte));
    }
    return id;
}

struct ds_id ds_company_id(struct ds_slice company)
{
    return unit_id(UNIT_COMPANY, (struct ds_slice){NULL, 0}, company);
}

struct ds_id ds_branch_id(struct ds_slice company, struct ds_slice branch)
{
    return unit_id(UNIT_BRANCH, company, branch);
}

struct ds_id ds_team_id(const struct ds_id *station, struct ds_slice team)
{
    return unit_id(UNIT_TEAM, DS_SLICE_OF(station->byte), team);
}

/* ---- Fields of a map. ---- */

static struct ds_slice value_of(struct ds_slice fields, uint8_t wanted)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = fields.size == 0 ? 0 : ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs && !cursor.failed; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (tag == wanted && !cursor.failed) {
            return value;
        }
    }
    return (struct ds_slice){NULL, 0};
}

static bool id_of(struct ds_slice fields, uint8_t tag, struct ds_id *id)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value_of(fields, tag));
    *id = ds_mp_take_id(&cursor);
    return !cursor.failed && !ds_id_is_none(id);
}

static int64_t int_of(struct ds_slice fields, uint8_t tag, int64_t absent)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value_of(fields, tag));
    int64_t value = ds_mp_take_int(&cursor);
    return cursor.failed ? absent : value;
}

static struct ds_slice text_of(struct ds_slice fields, uint8_t tag)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, value_of(fields, tag));
    struct ds_slice text = ds_mp_take_str(&cursor);
    return cursor.failed ? (struct ds_slice){NULL, 0} : text;
}

/* Fields of a stored row, borrowed; empty if there is none. */
static enum ds_err stored(struct ds_txn *txn, uint8_t type, const struct ds_id *id,
                          struct ds_slice *fields)
{
    struct ds_key key = ds_key_row(type, id);
    struct ds_slice value;
    uint64_t changed = 0;
    *fields = (struct ds_slice){NULL, 0};
    enum ds_err err = ds_txn_get(txn, DS_TABLE_ROW, ds_key_slice(&key), &value);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    return ds_row_fields(value, fields, &changed);
}

/* ---- Where an entity belongs. ---- */

static void add_unit(struct ds_units *units, struct ds_id unit)
{
    if (units->count < DS_UNITS_MAX) {
        units->unit[units->count++] = unit;
    }
}

enum ds_err ds_units_of_station(struct ds_txn *txn, const struct ds_id *station,
                                struct ds_units *units)
{
    struct ds_slice fields;
    units->count = 0;
    add_unit(units, *station);
    DS_TRY(stored(txn, DS_REC_station, station, &fields));
    struct ds_slice company = text_of(fields, DS_TAG_station_company);
    struct ds_slice branch = text_of(fields, DS_TAG_station_branch);
    if (branch.size > 0) {
        add_unit(units, ds_branch_id(company, branch));
    }
    if (company.size > 0) {
        add_unit(units, ds_company_id(company));
    }
    return DS_OK;
}

/* From a record to the next one on the way to a worker; the first that leads on is taken. */
static const struct step {
    uint8_t from;
    uint8_t tag;
    uint8_t to; /* 0: the record number stands in the field to_tag. */
    uint8_t to_tag;
} steps[] = {
    {DS_REC_book, DS_TAG_book_assignee, DS_REC_worker, 0},
    {DS_REC_device, DS_TAG_device_worker, DS_REC_worker, 0},
    {DS_REC_meter, DS_TAG_meter_book, DS_REC_book, 0},
    {DS_REC_period, DS_TAG_period_book, DS_REC_book, 0},
    {DS_REC_task, DS_TAG_task_meter, DS_REC_meter, 0},
    {DS_REC_task, DS_TAG_task_premises, DS_REC_premises, 0},
    {DS_REC_task, DS_TAG_task_assignee, DS_REC_worker, 0},
    {DS_REC_reading, DS_TAG_reading_meter, DS_REC_meter, 0},
    {DS_REC_swap, DS_TAG_swap_meter, DS_REC_meter, 0},
    {DS_REC_visit, DS_TAG_visit_meter, DS_REC_meter, 0},
    {DS_REC_visit, DS_TAG_visit_premises, DS_REC_premises, 0},
    {DS_REC_anomaly, DS_TAG_anomaly_meter, DS_REC_meter, 0},
    {DS_REC_quarantine_item, DS_TAG_quarantine_item_device, DS_REC_device, 0},
    {DS_REC_decision, DS_TAG_decision_target, 0, DS_TAG_decision_target_type},
    {DS_REC_proposal, DS_TAG_proposal_entity, 0, DS_TAG_proposal_entity_type},
    {DS_REC_conflict, DS_TAG_conflict_entity, 0, DS_TAG_conflict_entity_type},
};

static enum ds_err by_link(struct ds_txn *txn, uint8_t *type, struct ds_id *id, bool *found)
{
    enum ds_link kind = *type == DS_REC_premises ? DS_LINK_PREMISES_METER : DS_LINK_ACCOUNT_METER;
    struct ds_key key = ds_link_first(kind, id);
    uint32_t order = 0;
    uint8_t child = 0;
    *found = false;
    if (*type != DS_REC_premises && *type != DS_REC_account) {
        return DS_OK;
    }
    enum ds_err err = ds_link_next(txn, &key, &order, id, &child);
    *found = err == DS_OK;
    *type = DS_REC_meter;
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

/* A slot's row is projected; of it only the meter is asked, which its pointer names. */
static enum ds_err by_slot(struct ds_txn *txn, uint8_t *type, struct ds_id *id, bool *found)
{
    uint8_t register_kind = 0;
    uint32_t period = 0;
    struct ds_id meter;
    *found = false;
    if (*type != DS_REC_slot) {
        return DS_OK;
    }
    enum ds_err err = ds_slot_find(txn, id, &meter, &register_kind, &period);
    *found = err == DS_OK;
    if (*found) {
        *type = DS_REC_meter;
        *id = meter;
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static bool by_field(struct ds_slice fields, uint8_t *type, struct ds_id *id)
{
    for (size_t i = 0; i < DS_COUNT(steps); i++) {
        struct ds_id next;
        if (steps[i].from == *type && id_of(fields, steps[i].tag, &next)) {
            int64_t to = steps[i].to != 0 ? steps[i].to : int_of(fields, steps[i].to_tag, 0);
            *type = (uint8_t)(to > 0 && to <= DS_RECORD_NUMBER_MAX ? to : 0);
            *id = next;
            return *type != 0;
        }
    }
    return false;
}

enum ds_err ds_units_add_team(struct ds_txn *txn, const struct ds_id *station, uint8_t type,
                              const struct ds_id *id, struct ds_slice fields,
                              struct ds_units *units)
{
    enum { STEPS_MAX = 6 }; /* conflict, task, premises, meter, book, worker. */
    struct ds_id at = *id;
    for (int i = 0; i < STEPS_MAX; i++) {
        bool found = false;
        DS_TRY(by_slot(txn, &type, &at, &found));
        if (found) {
            fields = (struct ds_slice){NULL, 0};
        }
        if (fields.size == 0) {
            DS_TRY(stored(txn, type, &at, &fields));
        }
        if (type == DS_REC_worker) {
            struct ds_slice team = text_of(fields, DS_TAG_worker_team);
            if (team.size > 0) {
                add_unit(units, ds_team_id(station, team));
            }
            return DS_OK;
        }
        found = by_field(fields, &type, &at);
        if (!found) {
            DS_TRY(by_link(txn, &type, &at, &found));
        }
        if (!found) {
            return DS_OK;
        }
        fields = (struct ds_slice){NULL, 0};
    }
    return DS_OK;
}

/* ---- Grants. ---- */

static bool holds_now(struct ds_slice fields, int64_t instant_ms)
{
    return int_of(fields, DS_TAG_role_grant_from_ms, INT64_MIN) <= instant_ms &&
           instant_ms < int_of(fields, DS_TAG_role_grant_until_ms, INT64_MAX);
}

enum ds_err ds_holds_role(struct ds_txn *txn, const struct ds_id *station,
                          const struct ds_id *worker, const struct ds_units *units,
                          int64_t instant_ms, uint16_t roles, bool *holds)
{
    *holds = false;
    for (size_t u = 0; u < units->count && !*holds; u++) {
        for (uint8_t role = 1; role <= ds_enum_last(DS_LIST_role) && !*holds; role++) {
            struct ds_slice fields = {NULL, 0};
            struct ds_id id = ds_grant_id(station, worker, role, &units->unit[u]);
            if ((roles >> role & 1) != 0) {
                DS_TRY(stored(txn, DS_REC_role_grant, &id, &fields));
            }
            *holds = fields.size > 0 && holds_now(fields, instant_ms);
        }
    }
    return DS_OK;
}

static bool is_unit(const struct ds_units *units, const struct ds_id *unit)
{
    for (size_t i = 0; i < units->count; i++) {
        if (ds_id_equal(&units->unit[i], unit)) {
            return true;
        }
    }
    return false;
}

/* A grant counts only under the id that follows from what it says. */
static void count_grant(const struct ds_id *station, const struct ds_id *worker,
                        const struct ds_units *units, const struct ds_id *id,
                        struct ds_slice fields, uint16_t *roles, uint16_t *team_roles)
{
    struct ds_id subtree;
    int64_t role = int_of(fields, DS_TAG_role_grant_role, 0);
    if (role < 1 || role > ds_enum_last(DS_LIST_role) ||
        !id_of(fields, DS_TAG_role_grant_subtree, &subtree)) {
        return;
    }
    struct ds_id named = ds_grant_id(station, worker, (uint8_t)role, &subtree);
    if (ds_id_equal(&named, id)) {
        *(is_unit(units, &subtree) ? roles : team_roles) |= (uint16_t)(1U << role);
    }
}

enum ds_err ds_roles_of(struct ds_txn *txn, const struct ds_id *station, const struct ds_id *worker,
                        int64_t instant_ms, uint16_t *roles, uint16_t *team_roles)
{
    struct ds_key key = ds_link_first(DS_LINK_WORKER_GRANT, worker);
    struct ds_units units;
    struct ds_id id;
    uint32_t order = 0;
    uint8_t type = 0;
    enum ds_err err = DS_OK;
    *roles = 0;
    *team_roles = 0;
    DS_TRY(ds_units_of_station(txn, station, &units));
    for (size_t i = 0; i < DS_GRANTS_MAX; i++) {
        struct ds_slice fields;
        err = ds_link_next(txn, &key, &order, &id, &type);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        DS_TRY(stored(txn, DS_REC_role_grant, &id, &fields));
        if (holds_now(fields, instant_ms)) {
            count_grant(station, worker, &units, &id, fields, roles, team_roles);
        }
    }
    return DS_OK;
}

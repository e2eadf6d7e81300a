/* The language of the domain: record types, their structs, and the tables that describe them.
 *
 * schema/records/ *.def say everything once; they expand to data only (a struct, an enum, a
 * table). Everything that handles fields (msgpack, JSON, CSV, validation, reference docs, merge
 * policy) is an ordinary function that walks the tables. Pure; knows no storage and no network. */
#ifndef DS_SCHEMA_RECORD_H
#define DS_SCHEMA_RECORD_H

#include "schema/base/arena.h"
#include "schema/base/bytes.h"
#include "schema/records/enums.def"

/* Names of the closed lists; each list's own enum follows. Numbers are on the wire. */
enum ds_list {
    DS_LIST_none,
#define X(list, LIST) DS_LIST_##list,
    DS_ENUM_LISTS(X)
#undef X
        DS_LIST_COUNT
};

/* clang-format off */
#define X(name, number, term) DS_ACTION_##name = number,
enum ds_action { DS_ENUM_ACTION(X) };
#undef X
#define X(name, number, term) DS_ACTOR_##name = number,
enum ds_actor_kind { DS_ENUM_ACTOR_KIND(X) };
#undef X
#define X(name, number, term) DS_ANOMALY_##name = number,
enum ds_anomaly_state { DS_ENUM_ANOMALY_STATE(X) };
#undef X
#define X(name, number, term) DS_CLASS_##name = number,
enum ds_account_class { DS_ENUM_ACCOUNT_CLASS(X) };
#undef X
#define X(name, number, term) DS_CLOCK_##name = number,
enum ds_clock_source { DS_ENUM_CLOCK_SOURCE(X) };
#undef X
#define X(name, number, term) DS_CONDITION_##name = number,
enum ds_condition { DS_ENUM_CONDITION(X) };
#undef X
#define X(name, number, term) DS_CONSUMER_##name = number,
enum ds_consumer { DS_ENUM_CONSUMER(X) };
#undef X
#define X(name, number, term) DS_DEVICE_##name = number,
enum ds_device_state { DS_ENUM_DEVICE_STATE(X) };
#undef X
#define X(name, number, term) DS_ESTIMATE_##name = number,
enum ds_estimate_method { DS_ENUM_ESTIMATE_METHOD(X) };
#undef X
#define X(name, number, term) DS_EXPORT_##name = number,
enum ds_export_kind { DS_ENUM_EXPORT_KIND(X) };
#undef X
#define X(name, number, term) DS_HAZARD_##name = number,
enum ds_hazard_grade { DS_ENUM_HAZARD_GRADE(X) };
#undef X
#define X(name, number, term) DS_ITEM_##name = number,
enum ds_item_state { DS_ENUM_ITEM_STATE(X) };
#undef X
#define X(name, number, term) DS_METER_KIND_##name = number,
enum ds_meter_kind { DS_ENUM_METER_KIND(X) };
#undef X
#define X(name, number, term) DS_METER_##name = number,
enum ds_meter_state { DS_ENUM_METER_STATE(X) };
#undef X
#define X(name, number, term) DS_METHOD_##name = number,
enum ds_method { DS_ENUM_METHOD(X) };
#undef X
#define X(name, number, term) DS_PERIOD_##name = number,
enum ds_period_state { DS_ENUM_PERIOD_STATE(X) };
#undef X
#define X(name, number, term) DS_POSITION_##name = number,
enum ds_position_quality { DS_ENUM_POSITION_QUALITY(X) };
#undef X
#define X(name, number, term) DS_PURPOSE_##name = number,
enum ds_purpose { DS_ENUM_PURPOSE(X) };
#undef X
#define X(name, number, term) DS_QUARANTINE_##name = number,
enum ds_quarantine_reason { DS_ENUM_QUARANTINE_REASON(X) };
#undef X
#define X(name, number, term) DS_REGISTER_##name = number,
enum ds_register { DS_ENUM_REGISTER(X) };
#undef X
#define X(name, number, term) DS_ROLE_##name = number,
enum ds_role { DS_ENUM_ROLE(X) };
#undef X
#define X(name, number, term) DS_RULE_##name = number,
enum ds_rule { DS_ENUM_RULE(X) DS_RULE_COUNT };
#undef X
#define X(name, number, term) DS_SEVERITY_##name = number,
enum ds_severity { DS_ENUM_SEVERITY(X) };
#undef X
#define X(name, number, term) DS_SLOT_##name = number,
enum ds_slot_state { DS_ENUM_SLOT_STATE(X) };
#undef X
#define X(name, number, term) DS_TASK_KIND_##name = number,
enum ds_task_kind { DS_ENUM_TASK_KIND(X) };
#undef X
#define X(name, number, term) DS_TASK_##name = number,
enum ds_task_state { DS_ENUM_TASK_STATE(X) };
#undef X
#define X(name, number, term) DS_VERDICT_##name = number,
enum ds_verdict_kind { DS_ENUM_VERDICT(X) };
#undef X
#define X(name, number, term) DS_VISIT_##name = number,
enum ds_visit_outcome { DS_ENUM_VISIT_OUTCOME(X) };
#undef X
#define X(name, number, term) DS_ANSWER_##name = number,
enum ds_answer_kind { DS_ENUM_ANSWER(X) };
#undef X
#define X(name, number, term) DS_ACCOUNT_##name = number,
enum ds_account_state { DS_ENUM_ACCOUNT_STATE(X) };
#undef X
#define X(name, number, term) DS_AUTHORITY_##name = number,
enum ds_billing_authority { DS_ENUM_BILLING_AUTHORITY(X) };
#undef X
#define X(name, number, term) DS_ASSET_##name = number,
enum ds_asset_kind { DS_ENUM_ASSET_KIND(X) };
#undef X
/* clang-format on */

enum ds_nature { DS_ENTITY, DS_EVENT, DS_DERIVED };

/* Who may write: a set of actor kinds, bit = 1 << enum ds_actor_kind. */
enum {
    DS_BY_NONE = 0,
    DS_BY_CONSOLE = 1 << DS_ACTOR_console | 1 << DS_ACTOR_system,
    DS_BY_OFFICE = 1 << DS_ACTOR_console | 1 << DS_ACTOR_import | 1 << DS_ACTOR_system,
    DS_BY_BILLING = 1 << DS_ACTOR_billing | 1 << DS_ACTOR_import | 1 << DS_ACTOR_system,
    DS_BY_GIS = 1 << DS_ACTOR_gis | 1 << DS_ACTOR_import | 1 << DS_ACTOR_system,
    DS_BY_CONNECTOR = 1 << DS_ACTOR_billing | 1 << DS_ACTOR_gis,
    DS_BY_CENTRAL = 1 << DS_ACTOR_billing | 1 << DS_ACTOR_gis | 1 << DS_ACTOR_import,
    DS_BY_ANY = 1 << DS_ACTOR_handheld | 1 << DS_ACTOR_console | 1 << DS_ACTOR_billing |
                1 << DS_ACTOR_gis | 1 << DS_ACTOR_import | 1 << DS_ACTOR_system,
};

/* Which role grants, any of them: bit = 1 << enum ds_role. Asked of handhelds and console users;
 * connectors, imports and the system hold none and need none. 0: nobody is asked. */
enum {
    DS_ROLES_NONE = 0,
    DS_ROLES_ADMIN = 1 << DS_ROLE_admin,
    DS_ROLES_DECIDE = 1 << DS_ROLE_supervisor | 1 << DS_ROLE_admin,
    DS_ROLES_OFFICE = DS_ROLES_DECIDE | 1 << DS_ROLE_dispatcher | 1 << DS_ROLE_clerk,
    DS_ROLES_WORK = DS_ROLES_OFFICE | 1 << DS_ROLE_reader | 1 << DS_ROLE_collector |
                    1 << DS_ROLE_inspector | 1 << DS_ROLE_patroller | 1 << DS_ROLE_repairer |
                    1 << DS_ROLE_revenue_protection,
};

enum ds_type {
    DS_TYPE_INT,    /* int64_t; msgpack integer */
    DS_TYPE_BOOL,   /* int64_t 0 or 1; msgpack boolean */
    DS_TYPE_ENUM,   /* int64_t, a number of the field's list; msgpack integer */
    DS_TYPE_TEXT,   /* ds_slice of UTF-8 without NUL; msgpack str */
    DS_TYPE_BYTES,  /* ds_slice; msgpack bin */
    DS_TYPE_ID,     /* ds_id; msgpack bin of 16 */
    DS_TYPE_HASH,   /* ds_hash; msgpack bin of 32 */
    DS_TYPE_HASHES, /* ds_slice of ascending unique 32-byte hashes; msgpack bin of 32 n, n <= 16 */
    DS_TYPE_PERSONAL, /* ds_slice, a sealed personal field (sync/FORMAT.md); msgpack bin. Its limits
                         are those of the clear text, checked where it is sealed. */
};
#define DS_C_INT int64_t
#define DS_C_BOOL int64_t
#define DS_C_ENUM int64_t
#define DS_C_TEXT struct ds_slice
#define DS_C_BYTES struct ds_slice
#define DS_C_ID struct ds_id
#define DS_C_HASH struct ds_hash
#define DS_C_HASHES struct ds_slice
#define DS_C_PERSONAL struct ds_slice

enum ds_unit {
    DS_UNIT_NONE,
    DS_UNIT_LITRE,
    DS_UNIT_FEN,
    DS_UNIT_E4,
    DS_UNIT_E7,
    DS_UNIT_E2,
    DS_UNIT_MS,
    DS_UNIT_DURATION_MS,
    DS_UNIT_MINUTE,
    DS_UNIT_DAY,
    DS_UNIT_MONTH,
    DS_UNIT_PERIOD,
    DS_UNIT_COUNT,
    DS_UNIT_METRE
};

enum ds_policy {
    DS_POLICY_OWNER,
    DS_POLICY_LATEST,
    DS_POLICY_REVIEW,
    DS_POLICY_WORST,
    DS_POLICY_UNION,
    DS_POLICY_APPEND,
    DS_POLICY_ONCE,
    DS_POLICY_STATE
};

enum ds_privacy {
    DS_PRIVACY_OPEN,   /* No person in it. */
    DS_PRIVACY_STAFF,  /* Of a worker: kept while employed + 3 years. */
    DS_PRIVACY_PERSON, /* Of a customer: sealed under his key, destroyed with it. */
};

enum ds_need { DS_NEED_OPTIONAL, DS_NEED_REQUIRED };

struct ds_field {
    uint8_t tag;   /* Wire number, unique in the record, never reused. */
    uint8_t index; /* Place in the record's table = bit in the presence sets. */
    enum ds_type type;
    enum ds_list list; /* Of an ENUM. */
    enum ds_unit unit;
    int64_t min; /* Value, or bytes; min == max means unchecked. */
    int64_t max;
    enum ds_policy policy;
    uint16_t writers; /* Set of actor kinds. */
    enum ds_privacy privacy;
    enum ds_need need;
    uint8_t since; /* Engine version that knows it; before, its tag is an unknown one. */
    size_t offset; /* Of the member in the record's struct. */
    const char *name;
    const char *doc;
};

struct ds_record_type {
    uint8_t number; /* Wire number of the record type. */
    enum ds_nature nature;
    uint16_t writers; /* Actor kinds that may create one. */
    uint16_t roles;   /* Role grants, any of which the person behind the actor needs. */
    const struct ds_field *fields;
    size_t field_count; /* At most DS_FIELDS_MAX. */
    size_t size;        /* Bytes of the struct. */
    const char *name;
    const char *doc;
};

#define DS_FIELDS_MAX 32
#define DS_TAG_MAX 127 /* A tag is one msgpack byte. */
#define DS_RECORD_NUMBER_MAX 127
#define DS_HASHES_MAX 16

/* Head of every record struct. A field is absent (bit clear in set), cleared (set and null), or
 * valued; the difference matters for merging. unknown holds the map pairs (tag, value) whose tags
 * this build does not know, canonical and ascending, kept verbatim; unknown_count pairs. */
struct ds_presence {
    uint32_t set;
    uint32_t null;
    uint32_t unknown_count;
    struct ds_slice unknown;
};

/* struct ds_reading { struct ds_presence presence; struct ds_id meter; ... }; and so on. */
#define DS_BEGIN(record)                                                                           \
    struct ds_##record {                                                                           \
        struct ds_presence presence;
#define DS_FIELD(record, tag, name, type, ...) DS_C_##type name;
#define DS_RETIRED(record, tag, name, why)
#define DS_END(record)                                                                             \
    }                                                                                              \
    ;
#include "schema/records/fields.def"
#undef DS_BEGIN
#undef DS_FIELD
#undef DS_END

/* DS_REC_reading == 14 ... */
enum ds_record_number {
    DS_REC_none,
#define DS_RECORD(number, name, nature, writers, roles, doc) DS_REC_##name = number,
#include "schema/records/records.def"
#undef DS_RECORD
};

/* DS_PLACE_reading_meter == 0: place in the table, bit in the presence sets. */
#define DS_BEGIN(record) enum {
#define DS_FIELD(record, tag, name, ...) DS_PLACE_##record##_##name,
#define DS_END(record)                                                                             \
    DS_PLACE_COUNT_##record                                                                        \
    }                                                                                              \
    ;
#include "schema/records/fields.def"
#undef DS_BEGIN
#undef DS_FIELD
#undef DS_END

/* DS_TAG_reading_meter == 1: the wire tag. */
#define DS_BEGIN(record) enum {
#define DS_FIELD(record, tag, name, ...) DS_TAG_##record##_##name = (tag),
#define DS_END(record)                                                                             \
    }                                                                                              \
    ;
#include "schema/records/fields.def"
#undef DS_BEGIN
#undef DS_FIELD
#undef DS_END
#undef DS_RETIRED

/* All types, ascending by number. Static. */
const struct ds_record_type *ds_record_types(size_t *count);
/* NULL if this build does not know the number: the caller keeps such records verbatim. */
const struct ds_record_type *ds_record_type_by_number(uint64_t number);
const struct ds_record_type *ds_record_type_by_name(struct ds_slice name);
const struct ds_field *ds_field_by_tag(const struct ds_record_type *type, uint64_t tag);
/* The same, NULL for a field that an engine of this version does not know. 0: of this build. */
const struct ds_field *ds_field_at(const struct ds_record_type *type, uint64_t tag,
                                   uint64_t version);
const struct ds_field *ds_field_by_name(const struct ds_record_type *type, struct ds_slice name);

/* Static, NULL if the number is not in the list. */
const char *ds_enum_name(enum ds_list list, int64_t number);
const char *ds_enum_term(enum ds_list list, int64_t number); /* 中文 */
/* 0 if there is no such word. */
int64_t ds_enum_number(enum ds_list list, struct ds_slice name);
/* The numbers of a list are 1..this, without holes. */
int64_t ds_enum_last(enum ds_list list);

const char *ds_unit_name(enum ds_unit unit); /* "L", "fen", "1e-7 deg", ...; static */
const char *ds_policy_name(enum ds_policy policy);
const char *ds_type_name(enum ds_type type);
const char *ds_privacy_name(enum ds_privacy privacy);
const char *ds_nature_name(enum ds_nature nature);

/* State of one field of a record struct, by its place in the table. */
static inline bool ds_has(const struct ds_presence *presence, unsigned place)
{
    return (presence->set & ~presence->null) >> place & 1;
}
static inline void ds_mark(struct ds_presence *presence, unsigned place)
{
    presence->set |= UINT32_C(1) << place;
    presence->null &= ~(UINT32_C(1) << place);
}
static inline void ds_clear(struct ds_presence *presence, unsigned place)
{
    presence->set |= UINT32_C(1) << place;
    presence->null |= UINT32_C(1) << place;
}
/* DS_HAS(&object, reading, index): is that member valued? DS_SET(&object, reading, index, 5). */
#define DS_HAS(object, record, member) ds_has(&(object)->presence, DS_PLACE_##record##_##member)
#define DS_SET(object, record, member, value)                                                      \
    ((object)->member = (value), ds_mark(&(object)->presence, DS_PLACE_##record##_##member))
/* The member's value if valued, else the fallback. */
#define DS_GET(object, record, member, fallback)                                                   \
    (DS_HAS(object, record, member) ? (object)->member : (fallback))

/* What is wrong with a field's member (see DS_C_*): its range, list, UTF-8 or size. Static text,
 * NULL if nothing is. */
const char *ds_field_wrong(const struct ds_field *field, const void *member);
/* Check the values of a record struct against its table: ranges, lists, UTF-8, sizes. complete:
 * also that REQUIRED fields are valued. On DS_ERR_SCHEMA *bad (optional) is the offending field and
 * detail says "record.field: what". */
DS_NODISCARD enum ds_err ds_validate(const struct ds_record_type *type, const void *record,
                                     bool complete, const struct ds_field **bad,
                                     struct ds_detail *detail);

#endif

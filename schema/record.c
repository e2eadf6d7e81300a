#include "schema/record.h"

#include "schema/base/text.h"

#include <string.h>

/* clang-format off */
#define DS_BEGIN(RECORD) static const struct ds_field RECORD##_fields[] = {
#define DS_FIELD(RECORD, TAG, NAME, TYPE, LIST, UNIT, MIN, MAX, POLICY, WRITERS, PRIVACY, NEED,    \
                 DOC)                                                                              \
    {.tag = (TAG), .index = DS_PLACE_##RECORD##_##NAME, .type = DS_TYPE_##TYPE,                    \
     .list = DS_LIST_##LIST, .unit = DS_UNIT_##UNIT, .min = (MIN), .max = (MAX),                   \
     .policy = DS_POLICY_##POLICY, .writers = DS_##WRITERS, .privacy = DS_PRIVACY_##PRIVACY,       \
     .need = DS_NEED_##NEED, .since = 1, .offset = offsetof(struct ds_##RECORD, NAME),             \
     .name = #NAME, .doc = (DOC)},
#define DS_RETIRED(RECORD, TAG, NAME, WHY)
#define DS_END(RECORD) };                                                                          \
    _Static_assert(DS_COUNT(RECORD##_fields) <= DS_FIELDS_MAX, "presence is one bit per field");   \
    _Static_assert(offsetof(struct ds_##RECORD, presence) == 0, "records start with presence");
#include "schema/records/fields.def"
#undef DS_BEGIN
#undef DS_FIELD
#undef DS_END
#undef DS_RETIRED

/* Two fields of one record with one tag do not compile: duplicate case value. */
#define DS_BEGIN(RECORD) static inline void RECORD##_tags_are_unique(unsigned tag) { switch (tag) {
#define DS_FIELD(RECORD, TAG, ...) case (TAG):
#define DS_RETIRED(RECORD, TAG, NAME, WHY) case (TAG):
#define DS_END(RECORD) break; default: break; } }
#include "schema/records/fields.def"
#undef DS_BEGIN
#undef DS_FIELD
#undef DS_END
#undef DS_RETIRED

static const struct ds_record_type types[] = {
#define DS_RECORD(NUMBER, NAME, NATURE, WRITERS, ROLES, DOC)                                       \
    {.number = (NUMBER), .nature = DS_##NATURE, .writers = DS_##WRITERS, .roles = DS_##ROLES,      \
     .fields = NAME##_fields, .field_count = DS_COUNT(NAME##_fields),                              \
     .size = sizeof(struct ds_##NAME), .name = #NAME, .doc = (DOC)},
#include "schema/records/records.def"
#undef DS_RECORD
};

struct word {
    const char *name;
    const char *term;
};
#define X(NAME, NUMBER, TERM) [NUMBER] = {#NAME, TERM},
static const struct word account_class_words[] = {DS_ENUM_ACCOUNT_CLASS(X)};
static const struct word account_state_words[] = {DS_ENUM_ACCOUNT_STATE(X)};
static const struct word action_words[] = {DS_ENUM_ACTION(X)};
static const struct word actor_kind_words[] = {DS_ENUM_ACTOR_KIND(X)};
static const struct word anomaly_state_words[] = {DS_ENUM_ANOMALY_STATE(X)};
static const struct word asset_kind_words[] = {DS_ENUM_ASSET_KIND(X)};
static const struct word billing_authority_words[] = {DS_ENUM_BILLING_AUTHORITY(X)};
static const struct word clock_source_words[] = {DS_ENUM_CLOCK_SOURCE(X)};
static const struct word condition_words[] = {DS_ENUM_CONDITION(X)};
static const struct word consumer_words[] = {DS_ENUM_CONSUMER(X)};
static const struct word device_state_words[] = {DS_ENUM_DEVICE_STATE(X)};
static const struct word estimate_method_words[] = {DS_ENUM_ESTIMATE_METHOD(X)};
static const struct word hazard_grade_words[] = {DS_ENUM_HAZARD_GRADE(X)};
static const struct word item_state_words[] = {DS_ENUM_ITEM_STATE(X)};
static const struct word meter_kind_words[] = {DS_ENUM_METER_KIND(X)};
static const struct word meter_state_words[] = {DS_ENUM_METER_STATE(X)};
static const struct word method_words[] = {DS_ENUM_METHOD(X)};
static const struct word period_state_words[] = {DS_ENUM_PERIOD_STATE(X)};
static const struct word position_quality_words[] = {DS_ENUM_POSITION_QUALITY(X)};
static const struct word purpose_words[] = {DS_ENUM_PURPOSE(X)};
static const struct word quarantine_reason_words[] = {DS_ENUM_QUARANTINE_REASON(X)};
static const struct word register_words[] = {DS_ENUM_REGISTER(X)};
static const struct word role_words[] = {DS_ENUM_ROLE(X)};
static const struct word rule_words[] = {DS_ENUM_RULE(X)};
static const struct word severity_words[] = {DS_ENUM_SEVERITY(X)};
static const struct word slot_state_words[] = {DS_ENUM_SLOT_STATE(X)};
static const struct word task_kind_words[] = {DS_ENUM_TASK_KIND(X)};
static const struct word task_state_words[] = {DS_ENUM_TASK_STATE(X)};
static const struct word verdict_words[] = {DS_ENUM_VERDICT(X)};
static const struct word visit_outcome_words[] = {DS_ENUM_VISIT_OUTCOME(X)};
static const struct word export_kind_words[] = {DS_ENUM_EXPORT_KIND(X)};
static const struct word answer_words[] = {DS_ENUM_ANSWER(X)};
#undef X

struct list_row {
    const struct word *words;
    int64_t count; /* One more than the last number; row 0 is empty. */
};
static const struct list_row lists[DS_LIST_COUNT] = {
#define X(LIST, UPPER) [DS_LIST_##LIST] = {LIST##_words, (int64_t)DS_COUNT(LIST##_words)},
    DS_ENUM_LISTS(X)
#undef X
};
/* clang-format on */

const struct ds_record_type *ds_record_types(size_t *count)
{
    *count = DS_COUNT(types);
    return types;
}

const struct ds_record_type *ds_record_type_by_number(uint64_t number)
{
    /* Numbers are dense from 1; the assertion keeps it so. */
    if (number == 0 || number > DS_COUNT(types)) {
        return NULL;
    }
    const struct ds_record_type *type = &types[number - 1];
    DS_ASSERT(type->number == number);
    return type;
}

static bool text_is(const char *text, struct ds_slice name)
{
    return ds_slice_equal(ds_slice_of_text(text), name);
}

const struct ds_record_type *ds_record_type_by_name(struct ds_slice name)
{
    for (size_t i = 0; i < DS_COUNT(types); i++) {
        if (text_is(types[i].name, name)) {
            return &types[i];
        }
    }
    return NULL;
}

const struct ds_field *ds_field_at(const struct ds_record_type *type, uint64_t tag,
                                   uint64_t version)
{
    const struct ds_field *field = ds_field_by_tag(type, tag);
    return field != NULL && (version == 0 || field->since <= version) ? field : NULL;
}

const struct ds_field *ds_field_by_tag(const struct ds_record_type *type, uint64_t tag)
{
    /* Tags are mostly dense from 1, so the first guess nearly always hits. */
    if (tag >= 1 && tag <= type->field_count && type->fields[tag - 1].tag == tag) {
        return &type->fields[tag - 1];
    }
    for (size_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].tag == tag) {
            return &type->fields[i];
        }
    }
    return NULL;
}

const struct ds_field *ds_field_by_name(const struct ds_record_type *type, struct ds_slice name)
{
    for (size_t i = 0; i < type->field_count; i++) {
        if (text_is(type->fields[i].name, name)) {
            return &type->fields[i];
        }
    }
    return NULL;
}

static const struct word *word_of(enum ds_list list, int64_t number)
{
    DS_ASSERT((size_t)list < DS_COUNT(lists));
    if (number < 1 || number >= lists[list].count) {
        return NULL;
    }
    return &lists[list].words[number];
}

const char *ds_enum_name(enum ds_list list, int64_t number)
{
    const struct word *word = word_of(list, number);
    return word == NULL ? NULL : word->name;
}

const char *ds_enum_term(enum ds_list list, int64_t number)
{
    const struct word *word = word_of(list, number);
    return word == NULL ? NULL : word->term;
}

int64_t ds_enum_number(enum ds_list list, struct ds_slice name)
{
    for (int64_t number = 1; number < lists[list].count; number++) {
        if (text_is(lists[list].words[number].name, name)) {
            return number;
        }
    }
    return 0;
}

int64_t ds_enum_last(enum ds_list list)
{
    return lists[list].count == 0 ? 0 : lists[list].count - 1;
}

const char *ds_unit_name(enum ds_unit unit)
{
    static const char *const names[] = {[DS_UNIT_NONE] = "",
                                        [DS_UNIT_LITRE] = "L",
                                        [DS_UNIT_FEN] = "fen",
                                        [DS_UNIT_E4] = "1e-4 yuan/m3",
                                        [DS_UNIT_E7] = "1e-7 deg",
                                        [DS_UNIT_E2] = "1e-2",
                                        [DS_UNIT_MS] = "ms since 1970 UTC",
                                        [DS_UNIT_DURATION_MS] = "ms",
                                        [DS_UNIT_MINUTE] = "min",
                                        [DS_UNIT_DAY] = "days since 1970-01-01",
                                        [DS_UNIT_MONTH] = "months",
                                        [DS_UNIT_PERIOD] = "YYYYMM",
                                        [DS_UNIT_COUNT] = "count",
                                        [DS_UNIT_METRE] = "m"};
    DS_ASSERT((size_t)unit < DS_COUNT(names));
    return names[unit];
}

const char *ds_policy_name(enum ds_policy policy)
{
    static const char *const names[] = {"owner", "latest", "review", "worst",
                                        "union", "append", "once",   "state"};
    DS_ASSERT((size_t)policy < DS_COUNT(names));
    return names[policy];
}

const char *ds_type_name(enum ds_type type)
{
    static const char *const names[] = {"int", "bool", "enum",   "text",    "bytes",
                                        "id",  "hash", "hashes", "personal"};
    DS_ASSERT((size_t)type < DS_COUNT(names));
    return names[type];
}

const char *ds_privacy_name(enum ds_privacy privacy)
{
    static const char *const names[] = {"open", "staff", "person"};
    DS_ASSERT((size_t)privacy < DS_COUNT(names));
    return names[privacy];
}

const char *ds_nature_name(enum ds_nature nature)
{
    static const char *const names[] = {"entity", "event", "derived"};
    DS_ASSERT((size_t)nature < DS_COUNT(names));
    return names[nature];
}

static bool in_range(const struct ds_field *field, int64_t value)
{
    return field->min == field->max || (value >= field->min && value <= field->max);
}

static bool hashes_ok(struct ds_slice value)
{
    if (value.size % sizeof(struct ds_hash) != 0 ||
        value.size > DS_HASHES_MAX * sizeof(struct ds_hash)) {
        return false;
    }
    for (size_t at = sizeof(struct ds_hash); at < value.size; at += sizeof(struct ds_hash)) {
        const uint8_t *one = value.data + at;
        if (memcmp(one - sizeof(struct ds_hash), one, sizeof(struct ds_hash)) >= 0) {
            return false;
        }
    }
    return true;
}

const char *ds_field_wrong(const struct ds_field *field, const void *member)
{
    const struct ds_slice *slice = member;
    int64_t number = 0;
    switch (field->type) {
    case DS_TYPE_INT:
        memcpy(&number, member, sizeof(number));
        if (field->unit == DS_UNIT_PERIOD && !ds_period_ok(number)) {
            return "not a month YYYYMM";
        }
        return in_range(field, number) ? NULL : "out of range";
    case DS_TYPE_BOOL:
        memcpy(&number, member, sizeof(number));
        return number == 0 || number == 1 ? NULL : "not a boolean";
    case DS_TYPE_ENUM:
        memcpy(&number, member, sizeof(number));
        return word_of(field->list, number) != NULL ? NULL : "not a word of its list";
    case DS_TYPE_TEXT:
        if (!in_range(field, (int64_t)slice->size)) {
            return "too short or too long";
        }
        if (slice->size > 0 && memchr(slice->data, 0, slice->size) != NULL) {
            return "contains a NUL";
        }
        return ds_utf8_ok(*slice) ? NULL : "not UTF-8";
    case DS_TYPE_BYTES:
        return in_range(field, (int64_t)slice->size) ? NULL : "too short or too long";
    case DS_TYPE_HASHES:
        return hashes_ok(*slice) ? NULL : "not a set of hashes";
    case DS_TYPE_ID:
    case DS_TYPE_HASH:
    case DS_TYPE_PERSONAL:
        return NULL;
    }
    DS_ASSERT(false);
    return "";
}

enum ds_err ds_validate(const struct ds_record_type *type, const void *record, bool complete,
                        const struct ds_field **bad, struct ds_detail *detail)
{
    const struct ds_presence *presence = record;
    for (size_t i = 0; i < type->field_count; i++) {
        const struct ds_field *field = &type->fields[i];
        const char *wrong = NULL;
        if (ds_has(presence, field->index)) {
            wrong = ds_field_wrong(field, (const uint8_t *)record + field->offset);
        } else if (complete && field->need == DS_NEED_REQUIRED) {
            wrong = "missing";
        }
        if (wrong != NULL) {
            if (bad != NULL) {
                *bad = field;
            }
            ds_detail_set(detail, type->name, ".", field->name, ": ", wrong, NULL);
            return DS_ERR_SCHEMA;
        }
    }
    return DS_OK;
}

#include "server/drafts_known.h"

#include "server/drafts.h"
#include "sync/core/row.h"
#include "sync/core/tables.h"
#include "sync/crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_SIZE_MAX 1024

void ds_known_fini(struct ds_known *known)
{
    free(known->answers);
    known->answers = NULL;
}

/* Two sealed personal fields are equal when their tags are. */
static bool equal_personal(struct ds_slice a, struct ds_slice b)
{
    struct ds_personal_view left;
    struct ds_personal_view right;

    return ds_personal_view(a, &left) == DS_OK && ds_personal_view(b, &right) == DS_OK &&
           memcmp(left.tag, right.tag, sizeof(left.tag)) == 0;
}

static bool equal_member(const struct ds_field *field, const void *a, const void *b)
{
    switch (field->type) {
    case DS_TYPE_INT:
    case DS_TYPE_BOOL:
    case DS_TYPE_ENUM:
        return memcmp(a, b, sizeof(int64_t)) == 0;
    case DS_TYPE_ID:
        return memcmp(a, b, sizeof(struct ds_id)) == 0;
    case DS_TYPE_HASH:
        return memcmp(a, b, sizeof(struct ds_hash)) == 0;
    default:
        break;
    }
    struct ds_slice left;
    struct ds_slice right;

    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return field->type == DS_TYPE_PERSONAL ? equal_personal(left, right)
                                           : ds_slice_equal(left, right);
}

/* Are the states of a field alike: both absent, both cleared, or both valued and equal? */
static bool equal_field(const struct ds_field *field, const void *a, const void *b)
{
    const struct ds_presence *left = a;
    const struct ds_presence *right = b;
    uint32_t bit = UINT32_C(1) << field->index;

    if ((left->set & bit) != (right->set & bit) || (left->null & bit) != (right->null & bit)) {
        return false;
    }
    return !ds_has(left, field->index) || equal_member(field, (const uint8_t *)a + field->offset,
                                                       (const uint8_t *)b + field->offset);
}

enum ds_err ds_known_entity(struct ds_known *known, const struct ds_record_type *type,
                            const struct ds_id *id, void *record, struct ds_arena *arena,
                            bool *left)
{
    _Alignas(16) uint8_t stands[RECORD_SIZE_MAX];
    struct ds_presence *presence = record;
    size_t mark = ds_arena_mark(arena);

    DS_ASSERT(type->size <= sizeof(stands));
    enum ds_err err = ds_record_load(known->txn, type->number, id, arena, stands);

    *left = true;
    if (err == DS_ERR_NOT_FOUND) {
        ds_arena_rewind(arena, mark);
        return DS_OK;
    }
    DS_TRY(err);
    for (size_t i = 0; i < type->field_count; i++) {
        if (equal_field(&type->fields[i], record, stands)) {
            uint32_t bit = UINT32_C(1) << type->fields[i].index;

            presence->set &= ~bit;
            presence->null &= ~bit;
        }
    }
    /* Clearing what is not there says nothing either. */
    presence->set &= ~(presence->null & ~((const struct ds_presence *)(const void *)stands)->set);
    presence->null &= presence->set;
    *left = presence->set != 0;
    ds_arena_rewind(arena, mark);
    return DS_OK;
}

/* ---- Events ---- */

/* Where events of a type hang: (link, parent, order); false if they hang nowhere. */
static bool place_of(const struct ds_record_type *type, const void *record, enum ds_link *link,
                     struct ds_id *parent, uint32_t *order)
{
    switch (type->number) {
    case DS_REC_reading: {
        const struct ds_reading *reading = record;

        *link = DS_LINK_METER_EVENT;
        *parent = reading->meter;
        *order = (uint32_t)reading->period;
        return true;
    }
    case DS_REC_swap: {
        const struct ds_swap *swap = record;

        *link = DS_LINK_METER_EVENT;
        *parent = swap->meter;
        *order = (uint32_t)swap->period;
        return true;
    }
    case DS_REC_visit: {
        const struct ds_visit *visit = record;

        *link = DS_LINK_PREMISES_EVENT;
        *parent = visit->premises;
        *order = 0;
        return true;
    }
    default:
        return false;
    }
}

static bool equal_record(const struct ds_record_type *type, const void *a, const void *b)
{
    for (size_t i = 0; i < type->field_count; i++) {
        if (!equal_field(&type->fields[i], a, b)) {
            return false;
        }
    }
    return true;
}

static enum ds_err find_linked(struct ds_known *known, const struct ds_record_type *type,
                               const void *record, struct ds_arena *arena, bool *found,
                               struct ds_id *id)
{
    _Alignas(16) uint8_t stands[RECORD_SIZE_MAX];
    const struct ds_id none = {{0}};
    enum ds_link link = DS_LINK_METER_EVENT;
    struct ds_id parent;
    uint32_t from = 0;
    uint32_t order = 0;
    uint8_t child_type = 0;
    enum ds_err err = DS_OK;

    if (!place_of(type, record, &link, &parent, &from)) {
        return DS_OK;
    }
    struct ds_key key = ds_key_link(link, &parent, from, &none);

    while (!*found && (err = ds_link_next(known->txn, &key, &order, id, &child_type)) == DS_OK &&
           order == from) {
        size_t mark = ds_arena_mark(arena);

        if (child_type != type->number) {
            continue;
        }
        DS_TRY(ds_record_load(known->txn, type->number, id, arena, stands));
        *found = equal_record(type, record, stands);
        ds_arena_rewind(arena, mark);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

/* ---- Answers hang nowhere: they are compared by a name of what they say ---- */

static struct ds_id name_of(const struct ds_answer *answer)
{
    uint8_t bytes[16 + 8 + 8 + 8];
    struct ds_builder text;
    struct ds_id name;

    ds_builder_init(&text, bytes, sizeof(bytes));
    ds_put_id(&text, &answer->slot);
    ds_put_u64(&text, (uint64_t)answer->consumer);
    ds_put_u64(&text, (uint64_t)answer->revision);
    ds_put_u64(&text, (uint64_t)answer->answer);
    const struct ds_hash hash =
        ds_hash3(DS_SLICE_LIT("doorstep answer 1"), (struct ds_slice){bytes, text.used},
                 DS_GET(answer, answer, bill_no, ((struct ds_slice){NULL, 0})));

    memcpy(name.byte, hash.byte, sizeof(name.byte));
    return name;
}

static int compare_names(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ds_id));
}

/* The next row of type answer whose id is at or after *id. */
static enum ds_err next_answer(struct ds_known *known, struct ds_id *id, struct ds_arena *arena,
                               struct ds_answer *answer)
{
    const struct ds_key from = ds_key_row(DS_REC_answer, id);
    struct ds_slice found;
    struct ds_slice value;

    DS_TRY(ds_txn_at_or_after(known->txn, DS_TABLE_ROW, ds_key_slice(&from), &found, &value));
    if (found.size != 1 + sizeof(*id) || found.data[0] != DS_REC_answer) {
        return DS_ERR_NOT_FOUND;
    }
    memcpy(id->byte, found.data + 1, sizeof(id->byte));
    return ds_record_load(known->txn, DS_REC_answer, id, arena, answer);
}

static bool next_id(struct ds_id *id)
{
    for (size_t i = sizeof(id->byte); i > 0; i--) {
        if (++id->byte[i - 1] != 0) {
            return true;
        }
    }
    return false;
}

static enum ds_err load_answers(struct ds_known *known, struct ds_arena *arena)
{
    struct ds_id id = {{0}};
    size_t room = 1024;
    enum ds_err err = DS_OK;

    known->answers = malloc(room * sizeof(*known->answers));
    while (known->answers != NULL && known->answer_count < DS_DRAFTS_ANSWERS_MAX) {
        struct ds_answer answer;
        size_t mark = ds_arena_mark(arena);

        err = next_answer(known, &id, arena, &answer);
        if (err != DS_OK) {
            break;
        }
        if (known->answer_count == room) {
            room *= 2;
            struct ds_id *larger = realloc(known->answers, room * sizeof(*larger));

            if (larger == NULL) {
                return DS_ERR_NOMEM;
            }
            known->answers = larger;
        }
        known->answers[known->answer_count++] = name_of(&answer);
        ds_arena_rewind(arena, mark);
        if (!next_id(&id)) {
            break;
        }
    }
    if (known->answers == NULL) {
        return DS_ERR_NOMEM;
    }
    qsort(known->answers, known->answer_count, sizeof(*known->answers), compare_names);
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_known_event(struct ds_known *known, const struct ds_record_type *type,
                           const void *record, struct ds_arena *arena, bool *found,
                           struct ds_id *id)
{
    *found = false;
    if (type->number != DS_REC_answer) {
        return find_linked(known, type, record, arena, found, id);
    }
    if (known->answers == NULL) {
        DS_TRY(load_answers(known, arena));
    }
    const struct ds_id name = name_of(record);

    *found =
        bsearch(&name, known->answers, known->answer_count, sizeof(name), compare_names) != NULL;
    memset(id, 0, sizeof(*id));
    return DS_OK;
}

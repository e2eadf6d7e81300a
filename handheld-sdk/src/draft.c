#include "handheld-sdk/src/draft.h"

#include "handheld-sdk/src/customer.h"
#include "handheld-sdk/src/meterview.h"
#include "schema/codec/record_csv.h"
#include "schema/codec/record_mp.h"

#include <stdlib.h>
#include <string.h>

static struct ds_slice text_of(const char *text)
{
    return ds_slice_of_text(text);
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* ---- Photos. ---- */

static bool has_photo(const struct ds_handheld_photo *photo)
{
    return photo->bytes != NULL || photo->hash != NULL;
}

static enum ds_err photo_hash(const struct ds_handheld_photo *photo, struct ds_hash *hash,
                              struct ds_detail *detail)
{
    struct ds_hash given = {{0}};
    if (photo->bytes != NULL) {
        if (photo->size == 0 || photo->size > DS_HANDHELD_PHOTO_MAX) {
            ds_detail_set(detail, "photo: empty, or larger than 4 MiB", NULL);
            return DS_ERR_LIMIT;
        }
        *hash = ds_hash3((struct ds_slice){photo->bytes, photo->size}, (struct ds_slice){0},
                         (struct ds_slice){0});
    }
    if (photo->hash != NULL) {
        memcpy(given.byte, photo->hash, sizeof(given.byte));
        if (photo->bytes != NULL && !ds_hash_equal(&given, hash)) {
            ds_detail_set(detail, "photo: the hash is not that of the bytes", NULL);
            return DS_ERR_SIGNATURE;
        }
        *hash = given;
    }
    return DS_OK;
}

enum ds_err ds_draft_photo(struct ds_handheld *h, struct ds_txn *txn,
                           const struct ds_handheld_photo *photo)
{
    struct ds_hash hash;
    struct ds_arena arena;
    enum { SLACK = 1024 };
    if (photo->bytes == NULL) {
        return DS_OK;
    }
    DS_TRY(photo_hash(photo, &hash, NULL));
    DS_TRY(ds_hand_room(h, DS_HANDHELD_ROOM_CAPTURE + 2 * (uint64_t)photo->size));
    size_t size = photo->size + SLACK;
    void *memory = malloc(size);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_arena_init(&arena, memory, size);
    enum ds_err err = ds_safe_put(&h->vault, txn, DS_KEPT_PHOTO, DS_SLICE_OF(hash.byte),
                                  (struct ds_slice){photo->bytes, photo->size}, &arena);
    free(memory);
    return err;
}

/* ---- What events have in common. ---- */

static int64_t instant_or_now(const struct ds_handheld *h, int64_t instant_ms)
{
    return instant_ms != 0 ? instant_ms : ds_ports_now_ms(&h->ports);
}

/* The period given, or that of the meter's book. */
static enum ds_err find_period(struct ds_handheld *h, struct ds_txn *txn,
                               const struct ds_id *meter_id, int32_t given, int64_t *period,
                               struct ds_detail *detail)
{
    struct ds_meter meter;
    struct ds_book_period found = {.period = given};
    if (given == 0) {
        enum ds_err err = ds_overlay_record(h, txn, DS_REC_meter, meter_id, &meter, NULL);
        if (err == DS_ERR_NOT_FOUND) {
            ds_detail_set(detail, "meter: not in the replica, and no period is given", NULL);
        }
        DS_TRY(err);
        if (!DS_HAS(&meter, meter, book)) {
            DS_TRY(ds_overlay_typed_book(h, txn, meter_id, &meter.book));
        }
        DS_TRY(ds_book_period_of(h, txn, &meter.book, &found));
    }
    if (found.period == 0) {
        ds_detail_set(detail, "period: not given, and the meter's book has none", NULL);
        return DS_ERR_SCHEMA;
    }
    *period = found.period;
    return DS_OK;
}

enum ds_err ds_draft_reading(struct ds_handheld *h, struct ds_txn *txn,
                             const struct ds_handheld_reading *draft, struct ds_reading *record,
                             struct ds_detail *detail)
{
    int64_t period;
    struct ds_id meter = ds_id_of_public(&draft->meter);
    memset(record, 0, sizeof(*record));
    DS_TRY(find_period(h, txn, &meter, draft->period, &period, detail));
    DS_SET(record, reading, meter, meter);
    DS_SET(record, reading, period, period);
    DS_SET(record, reading, instant_ms, instant_or_now(h, draft->instant_ms));
    DS_SET(record, reading, method, draft->method != 0 ? draft->method : DS_METHOD_on_site);
    if (draft->has_index) {
        DS_SET(record, reading, index, draft->index);
    } else if (draft->condition == 0 || draft->condition == DS_CONDITION_normal) {
        ds_detail_set(detail, "reading.index: missing, and no condition explains it", NULL);
        return DS_ERR_SCHEMA;
    }
#define SET_IF(condition, member, value)                                                           \
    do {                                                                                           \
        if (condition) {                                                                           \
            DS_SET(record, reading, member, value);                                                \
        }                                                                                          \
    } while (0)
    SET_IF(draft->register_kind != 0, register_kind, draft->register_kind);
    SET_IF(draft->purpose != 0, purpose, draft->purpose);
    SET_IF(draft->condition != 0, condition, draft->condition);
    SET_IF(draft->estimate_method != 0, estimate_method, draft->estimate_method);
    SET_IF(draft->has_blind_index, blind_index, draft->blind_index);
    SET_IF(is_given(draft->reason), reason, text_of(draft->reason));
    SET_IF(is_given(draft->note), note, text_of(draft->note));
    SET_IF(draft->position.known, lat_e7, draft->position.lat_e7);
    SET_IF(draft->position.known, lon_e7, draft->position.lon_e7);
    SET_IF(draft->position.known, accuracy_m, draft->position.accuracy_m);
    SET_IF(draft->position.known && draft->position.mock, mock, 1);
    SET_IF(draft->scanned, scanned, 1);
    SET_IF(draft->dwell_ms != 0, dwell_ms, draft->dwell_ms);
    SET_IF(draft->has_card, remaining_l, draft->remaining_l);
    SET_IF(draft->has_card, purchased_l, draft->purchased_l);
    struct ds_id task = ds_id_of_public(&draft->task);
    SET_IF(!ds_id_is_none(&task), task, task);
#undef SET_IF
    if (has_photo(&draft->photo)) {
        DS_TRY(photo_hash(&draft->photo, &record->photo, detail));
        DS_SET(record, reading, photo, record->photo);
    }
    return DS_OK;
}

enum ds_err ds_draft_visit(struct ds_handheld *h, struct ds_txn *txn,
                           const struct ds_handheld_visit *draft, struct ds_visit *record,
                           struct ds_detail *detail)
{
    struct ds_id premises = ds_id_of_public(&draft->premises);
    struct ds_id id = ds_id_of_public(&draft->meter);
    struct ds_meter meter;
    memset(record, 0, sizeof(*record));
    if (!ds_id_is_none(&id)) {
        int64_t period;
        DS_TRY(ds_overlay_record(h, txn, DS_REC_meter, &id, &meter, NULL));
        DS_TRY(find_period(h, txn, &id, draft->period, &period, detail));
        DS_SET(record, visit, meter, id);
        DS_SET(record, visit, period, period);
        if (ds_id_is_none(&premises) && DS_HAS(&meter, meter, premises)) {
            premises = meter.premises;
        }
    } else if (draft->period != 0) {
        DS_SET(record, visit, period, draft->period);
    }
    if (ds_id_is_none(&premises)) {
        ds_detail_set(detail, "visit.premises: not given, and the meter has none", NULL);
        return DS_ERR_SCHEMA;
    }
    DS_SET(record, visit, premises, premises);
    DS_SET(record, visit, instant_ms, instant_or_now(h, draft->instant_ms));
    DS_SET(record, visit, outcome, draft->outcome);
    if (draft->slip) {
        DS_SET(record, visit, slip, 1);
    }
    if (is_given(draft->note)) {
        DS_SET(record, visit, note, text_of(draft->note));
    }
    if (draft->position.known) {
        DS_SET(record, visit, lat_e7, draft->position.lat_e7);
        DS_SET(record, visit, lon_e7, draft->position.lon_e7);
        DS_SET(record, visit, accuracy_m, draft->position.accuracy_m);
    }
    if (has_photo(&draft->photo)) {
        DS_TRY(photo_hash(&draft->photo, &record->photo, detail));
        DS_SET(record, visit, photo, record->photo);
    }
    return DS_OK;
}

enum ds_err ds_draft_swap(struct ds_handheld *h, struct ds_txn *txn,
                          const struct ds_handheld_swap *draft, struct ds_swap *record,
                          struct ds_detail *detail)
{
    int64_t period;
    struct ds_id meter = ds_id_of_public(&draft->meter);
    memset(record, 0, sizeof(*record));
    DS_TRY(find_period(h, txn, &meter, draft->period, &period, detail));
    DS_SET(record, swap, meter, meter);
    DS_SET(record, swap, period, period);
    DS_SET(record, swap, instant_ms, instant_or_now(h, draft->instant_ms));
    DS_SET(record, swap, old_final_index, draft->old_final_index);
    DS_SET(record, swap, new_initial_index, draft->new_initial_index);
    DS_SET(record, swap, new_meter_no, text_of(draft->new_meter_no));
    DS_SET(record, swap, reason, text_of(draft->reason));
    if (is_given(draft->new_manufacturer)) {
        DS_SET(record, swap, new_manufacturer, text_of(draft->new_manufacturer));
    }
    if (draft->new_dial_digits != 0) {
        DS_SET(record, swap, new_dial_digits, draft->new_dial_digits);
    }
    if (draft->new_unit_l != 0) {
        DS_SET(record, swap, new_unit_l, draft->new_unit_l);
    }
    if (draft->register_kind != 0) {
        DS_SET(record, swap, register_kind, draft->register_kind);
    }
    if (is_given(draft->seal)) {
        DS_SET(record, swap, seal, text_of(draft->seal));
    }
    if (has_photo(&draft->photo)) {
        struct ds_hash *hash = ds_arena_alloc(&h->arena, sizeof(*hash));
        if (hash == NULL) {
            return DS_ERR_LIMIT;
        }
        DS_TRY(photo_hash(&draft->photo, hash, detail));
        DS_SET(record, swap, photos, DS_SLICE_OF(hash->byte));
    }
    return DS_OK;
}

/* ---- Edits. ---- */

static enum ds_err set_field(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *entity,
                             const struct ds_field *field, const char *value, void *record,
                             struct ds_detail *detail)
{
    struct ds_presence *presence = record;
    void *member = (uint8_t *)record + field->offset;
    if (value == NULL) {
        if (field->need == DS_NEED_REQUIRED) {
            ds_detail_set(detail, field->name, ": cannot be cleared", NULL);
            return DS_ERR_SCHEMA;
        }
        ds_clear(presence, field->index);
        return DS_OK;
    }
    if (field->type == DS_TYPE_PERSONAL) {
        struct ds_slice clear = text_of(value);
        DS_TRY(ds_personal_check(field, clear, detail));
        DS_TRY(ds_customer_hide(h, txn, entity, field->tag, clear, member));
    } else {
        DS_TRY(ds_record_from_cell(field, text_of(value), 0, &h->arena, member, detail));
    }
    ds_mark(presence, field->index);
    return DS_OK;
}

enum ds_err ds_draft_edit(struct ds_handheld *h, struct ds_txn *txn,
                          const struct ds_handheld_edits *edits, uint8_t *type, void **record,
                          struct ds_detail *detail)
{
    const struct ds_record_type *found = ds_record_type_by_name(text_of(edits->record));
    struct ds_id entity = ds_id_of_public(&edits->id);
    if (found == NULL || found->nature != DS_ENTITY) {
        ds_detail_set(detail, "record: no entity of that name", NULL);
        return DS_ERR_SCHEMA;
    }
    if (edits->count == 0 || edits->count > DS_HANDHELD_EDITS_MAX) {
        ds_detail_set(detail, "an edit has 1 to 16 fields", NULL);
        return DS_ERR_LIMIT;
    }
    *type = found->number;
    *record = ds_arena_alloc(&h->arena, found->size);
    if (*record == NULL) {
        return DS_ERR_LIMIT;
    }
    for (size_t i = 0; i < edits->count; i++) {
        const struct ds_field *field = ds_field_by_name(found, text_of(edits->edits[i].field));
        if (field == NULL) {
            ds_detail_set(detail, found->name, ": no field of that name", NULL);
            return DS_ERR_SCHEMA;
        }
        DS_TRY(set_field(h, txn, &entity, field, edits->edits[i].value, *record, detail));
    }
    return DS_OK;
}

/* ---- Committing. ---- */

static enum ds_err seen_of(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                           const struct ds_id *entity, uint64_t *seen)
{
    struct ds_held_row row;
    *seen = 0;
    if (ds_id_is_none(entity)) {
        return DS_OK;
    }
    enum ds_err err = ds_replica_row(h, txn, type, entity, &row);
    if (err == DS_OK) {
        *seen = ds_replica_seen(h, &row);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

enum ds_err ds_draft_commit(struct ds_handheld *h, struct ds_txn *txn, uint8_t type,
                            const struct ds_id *entity, const void *record, struct ds_id *op,
                            struct ds_detail *detail)
{
    const struct ds_record_type *found = ds_record_type_by_number(type);
    struct ds_own_draft draft = {.type = type, .entity = *entity};
    struct ds_builder builder;
    DS_TRY(ds_hand_room(h, DS_HANDHELD_ROOM_CAPTURE));
    DS_TRY(ds_validate(found, record, ds_id_is_none(entity), NULL, detail));
    DS_TRY(seen_of(h, txn, type, entity, &draft.seen));
    ds_builder_init(&builder, ds_arena_room(&h->arena, DS_OP_SIZE_MAX), DS_OP_SIZE_MAX);
    if (builder.data == NULL) {
        return DS_ERR_LIMIT;
    }
    DS_TRY(ds_record_encode_op(found, record, &builder));
    DS_TRY(ds_builder_end(&builder, &draft.fields));
    enum ds_err err = ds_own_commit(h, txn, &draft, op);
    if (err == DS_ERR_CONFLICT) {
        ds_detail_set(detail, "this handheld is not enrolled", NULL);
    }
    return err;
}

#include "schema/codec/msgpack.h"
#include "sync/core/fold.h"
#include "sync/core/mutant.h"

#include <string.h>

enum { BODY_MAX = 60000, NIL_BYTE = 0xc0 };

bool ds_cell_id(struct ds_row_state *row, uint8_t tag, struct ds_id *id)
{
    const struct ds_cell *cell = ds_row_cell(row, tag);
    if (cell == NULL) {
        return false;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, cell->value);
    *id = ds_mp_take_id(&cursor);
    return !cursor.failed;
}

bool ds_cell_int(struct ds_row_state *row, uint8_t tag, int64_t *value)
{
    const struct ds_cell *cell = ds_row_cell(row, tag);
    if (cell == NULL) {
        return false;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, cell->value);
    *value = ds_mp_take_int(&cursor);
    return !cursor.failed;
}

struct ds_slice ds_cell_text(struct ds_row_state *row, uint8_t tag)
{
    const struct ds_cell *cell = ds_row_cell(row, tag);
    if (cell == NULL) {
        return (struct ds_slice){NULL, 0};
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, cell->value);
    return ds_mp_take_str(&cursor);
}

enum ds_err ds_fold_queue(struct ds_fold *fold, uint8_t type, const struct ds_id *id,
                          int64_t risk_fen, bool open)
{
    /* The risk is in the key, so an entry under another risk goes first. The row tells it. */
    struct ds_key key = ds_key_queue(type, risk_fen < 0 ? 0 : (uint64_t)risk_fen, id);
    if (type == DS_REC_anomaly) {
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_anomaly *row = DS_FOLD_NEW(fold, struct ds_anomaly);
        if (row == NULL) {
            return DS_ERR_NOMEM;
        }
        enum ds_err err = ds_record_load(fold->txn, type, id, fold->arena, row);
        if (err == DS_OK) {
            struct ds_key old = ds_key_queue(type, (uint64_t)row->risk_fen, id);
            DS_TRY(ds_txn_del(fold->txn, DS_TABLE_QUEUE, ds_key_slice(&old)));
        } else if (err != DS_ERR_NOT_FOUND) {
            return err;
        }
        ds_arena_rewind(fold->arena, mark);
    }
    if (!open) {
        return ds_txn_del(fold->txn, DS_TABLE_QUEUE, ds_key_slice(&key));
    }
    return ds_txn_put(fold->txn, DS_TABLE_QUEUE, ds_key_slice(&key), DS_SLICE_LIT("\0"));
}

enum ds_err ds_fold_link(struct ds_fold *fold, enum ds_link kind, const struct ds_id *parent,
                         uint32_t order, const struct ds_id *child, uint8_t type)
{
    struct ds_key key = ds_key_link(kind, parent, order, child);
    if (kind == DS_LINK_BOOK_PERIOD) {
        DS_TRY(ds_desk_forget(fold, DS_REC_period, child));
    }
    fold->desk->tasks_known = fold->desk->tasks_known && kind != DS_LINK_METER_TASK;
    return ds_txn_put(fold->txn, DS_TABLE_LINK, ds_key_slice(&key), (struct ds_slice){&type, 1});
}

enum ds_err ds_fold_unlink(struct ds_fold *fold, enum ds_link kind, const struct ds_id *parent,
                           uint32_t order, const struct ds_id *child)
{
    struct ds_key key = ds_key_link(kind, parent, order, child);
    if (kind == DS_LINK_BOOK_PERIOD) {
        DS_TRY(ds_desk_forget(fold, DS_REC_period, child));
    }
    return ds_txn_del(fold->txn, DS_TABLE_LINK, ds_key_slice(&key));
}

enum ds_err ds_fold_tell(struct ds_fold *fold, const struct ds_told *told)
{
    if (told->verdict == DS_VERDICT_applied && !fold->released) {
        return DS_OK; /* A released op had a verdict: it is told anew. */
    }
    if (DS_MUTANT("lose_verdict")) {
        return DS_OK;
    }
    struct ds_verdict *row = DS_FOLD_NEW(fold, struct ds_verdict);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_id id = ds_verdict_id(&fold->meta->station, DS_REC_verdict, &fold->op_id);
    DS_SET(row, verdict, op, fold->op_id);
    DS_SET(row, verdict, verdict, told->verdict);
    if (fold->op->type <= DS_RECORD_NUMBER_MAX) {
        DS_SET(row, verdict, entity_type, (int64_t)fold->op->type);
    }
    DS_SET(row, verdict, entity, fold->entity);
    if (!ds_id_is_none(&told->item)) {
        DS_SET(row, verdict, item, told->item);
    }
    if (told->reason != 0) {
        DS_SET(row, verdict, reason, told->reason);
    }
    if (told->detail != NULL && told->detail[0] != '\0') {
        DS_SET(row, verdict, detail, ds_slice_of_text(told->detail));
    }
    return ds_fold_put_record(fold, DS_REC_verdict, &id, row);
}

enum ds_err ds_fold_quarantine(struct ds_fold *fold, enum ds_quarantine_reason reason,
                               enum ds_item_state state, const char *detail)
{
    struct ds_quarantine_item *row = DS_FOLD_NEW(fold, struct ds_quarantine_item);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_id id = ds_verdict_id(&fold->meta->station, DS_REC_quarantine_item, &fold->op_id);
    DS_SET(row, quarantine_item, device, fold->device);
    DS_SET(row, quarantine_item, op, fold->op_id);
    DS_SET(row, quarantine_item, reason, reason);
    DS_SET(row, quarantine_item, state, state);
    if (fold->op->type <= DS_RECORD_NUMBER_MAX) {
        DS_SET(row, quarantine_item, entity_type, (int64_t)fold->op->type);
    }
    DS_SET(row, quarantine_item, entity, fold->entity);
    DS_SET(row, quarantine_item, position, (int64_t)fold->origin);
    DS_SET(row, quarantine_item, ordinal, (int64_t)(fold->write.seq - fold->batch->first_seq));
    if (fold->op->raw.size <= BODY_MAX) {
        DS_SET(row, quarantine_item, body, fold->op->raw);
    }
    if (detail != NULL && detail[0] != '\0') {
        DS_SET(row, quarantine_item, detail, ds_slice_of_text(detail));
    }
    DS_TRY(ds_fold_put_record(fold, DS_REC_quarantine_item, &id, row));
    DS_TRY(ds_fold_queue(fold, DS_REC_quarantine_item, &id, 0, state == DS_ITEM_open));
    if (state != DS_ITEM_open) {
        return DS_OK;
    }
    fold->out->quarantined++;
    struct ds_told told = {.verdict = reason == DS_QUARANTINE_orphan ? DS_VERDICT_orphan
                                                                     : DS_VERDICT_quarantined,
                           .item = id,
                           .reason = reason,
                           .detail = detail};
    return ds_fold_tell(fold, &told);
}

/* Every value of the op against its field; of an unknown record the tags alone. "" when all is
 * well. */
static const char *malformed(const struct ds_record_type *type, uint64_t version,
                             const struct ds_op *op, struct ds_detail *detail)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, op->fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    if (pairs > DS_ROW_FIELDS_MAX) {
        return "more fields than a row holds";
    }
    if (pairs == 0) {
        return type == NULL ? "" : "no fields";
    }
    for (uint32_t i = 0; i < pairs; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (cursor.failed || tag == 0 || tag > DS_TAG_MAX) {
            return "a tag out of range";
        }
        const struct ds_field *field = type == NULL ? NULL : ds_field_at(type, tag, version);
        if (field != NULL && ds_field_check_op_value(field, value, detail) != DS_OK) {
            return detail->text;
        }
    }
    return "";
}

/* The first required field without a value; NULL: none. */
static const struct ds_field *missing_field(const struct ds_record_type *type, uint64_t version,
                                            struct ds_slice fields)
{
    struct ds_cursor cursor;
    uint32_t valued = 0;
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs; i++) {
        const struct ds_field *field = ds_field_by_tag(type, ds_mp_take_uint(&cursor));
        struct ds_slice value = ds_mp_take_value(&cursor);
        bool there = field != NULL && value.size > 0 && value.data[0] != NIL_BYTE;
        valued |= there ? UINT32_C(1) << field->index : 0;
    }
    for (size_t i = 0; i < type->field_count; i++) {
        const struct ds_field *field = &type->fields[i];
        if (field->need == DS_NEED_REQUIRED && field->since <= version &&
            (valued >> field->index & 1) == 0) {
            return field;
        }
    }
    return NULL;
}

/* ---- Results of a merge as items and a verdict. ---- */
static enum ds_err put_proposal(struct ds_fold *fold, const struct ds_field_result *result,
                                struct ds_told *told)
{
    struct ds_proposal *row = DS_FOLD_NEW(fold, struct ds_proposal);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_id id =
        ds_item_id(&fold->meta->station, DS_REC_proposal, &fold->entity, result->tag, &fold->op_id);
    DS_SET(row, proposal, entity_type, (int64_t)fold->op->type);
    DS_SET(row, proposal, entity, fold->entity);
    DS_SET(row, proposal, field, result->tag);
    if (result->base.size > 0) {
        DS_SET(row, proposal, base, result->base);
    }
    DS_SET(row, proposal, value, result->value);
    DS_SET(row, proposal, op, fold->op_id);
    DS_SET(row, proposal, state, DS_ITEM_open);
    told->item = id;
    DS_TRY(ds_fold_put_record(fold, DS_REC_proposal, &id, row));
    DS_TRY(ds_fold_queue(fold, DS_REC_proposal, &id, 0, true));
    return ds_fold_link(fold, DS_LINK_ENTITY_ITEM, &fold->entity, result->tag, &id,
                        DS_REC_proposal);
}

static enum ds_err put_conflict(struct ds_fold *fold, const struct ds_field_result *result,
                                bool open, struct ds_told *told)
{
    struct ds_conflict *row = DS_FOLD_NEW(fold, struct ds_conflict);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_id id =
        ds_item_id(&fold->meta->station, DS_REC_conflict, &fold->entity, result->tag, &fold->op_id);
    DS_SET(row, conflict, entity_type, (int64_t)fold->op->type);
    DS_SET(row, conflict, entity, fold->entity);
    DS_SET(row, conflict, field, result->tag);
    if (result->origin.size > 0) {
        DS_SET(row, conflict, base, result->origin);
    }
    if (result->base.size > 0) {
        DS_SET(row, conflict, mine, result->base);
    }
    if (result->value.size > 0) {
        DS_SET(row, conflict, theirs, result->value);
    }
    if (result->before.position != 0) {
        DS_SET(row, conflict, mine_op,
               ds_op_id(&result->before.writer, (enum ds_lane)result->before.lane,
                        result->before.seq));
    }
    DS_SET(row, conflict, theirs_op, fold->op_id);
    DS_SET(row, conflict, state, open ? DS_ITEM_open : DS_ITEM_shown);
    told->item = id;
    DS_TRY(ds_fold_put_record(fold, DS_REC_conflict, &id, row));
    DS_TRY(ds_fold_queue(fold, DS_REC_conflict, &id, 0, open));
    return ds_fold_link(fold, DS_LINK_ENTITY_ITEM, &fold->entity, result->tag, &id,
                        DS_REC_conflict);
}

static void worsen(struct ds_told *told, enum ds_verdict_kind verdict)
{
    static const uint8_t rank[] = {
        [DS_VERDICT_applied] = 0,  [DS_VERDICT_merged] = 1,  [DS_VERDICT_proposal] = 2,
        [DS_VERDICT_conflict] = 3, [DS_VERDICT_refused] = 4,
    };
    if (rank[verdict] > rank[told->verdict]) {
        told->verdict = verdict;
    }
}

static enum ds_err results_to_items(struct ds_fold *fold, const struct ds_field_result *results,
                                    size_t count, struct ds_told *told)
{
    for (size_t i = 0; i < count; i++) {
        const struct ds_field_result *result = &results[i];
        switch (result->outcome) {
        case DS_OUTCOME_APPLIED:
            break;
        case DS_OUTCOME_MERGED:
            worsen(told, DS_VERDICT_merged);
            if (result->shown) {
                DS_TRY(put_conflict(fold, result, false, told));
            }
            break;
        case DS_OUTCOME_PROPOSAL:
            worsen(told, DS_VERDICT_proposal);
            DS_TRY(put_proposal(fold, result, told));
            break;
        case DS_OUTCOME_CONFLICT:
            worsen(told, DS_VERDICT_conflict);
            DS_TRY(put_conflict(fold, result, true, told));
            break;
        case DS_OUTCOME_REFUSED:
            worsen(told, DS_VERDICT_refused);
            told->detail = "this actor may not write one of the fields";
            break;
        }
    }
    return DS_OK;
}

/* Cells that nothing was ever written to (a proposal beside nothing) do not stay. */
static void drop_empty_cells(struct ds_row_state *row)
{
    size_t kept = 0;
    for (size_t i = 0; i < row->cell_count; i++) {
        if (row->cells[i].value.size > 0) {
            row->cells[kept++] = row->cells[i];
        }
    }
    row->cell_count = kept;
}

/* What stops an op as a whole, so that nothing of it is folded before it is released: then once
 * and for all. 0 if nothing does. */
static enum ds_quarantine_reason stopped_by_row(const struct ds_fold *fold,
                                                const struct ds_record_type *type,
                                                const struct ds_row_state *before,
                                                const struct ds_row_state *row,
                                                const struct ds_field_result *results, size_t count)
{
    if (ds_row_outgrown(type, before, row)) {
        return DS_QUARANTINE_malformed;
    }
    for (size_t i = 0; i < count && !fold->released; i++) {
        if (results[i].outcome == DS_OUTCOME_REFUSED) {
            return DS_QUARANTINE_not_allowed;
        }
    }
    return 0;
}

/* The merged row with what follows from it; told is NULL for the engine's own writes. */
static enum ds_err settle(struct ds_fold *fold, struct ds_row_state *before,
                          struct ds_row_state *row, const struct ds_field_result *results,
                          size_t count, struct ds_told *told)
{
    bool changed = !row->exists;
    for (size_t i = 0; i < count; i++) {
        changed = changed || results[i].changed;
    }
    if (told != NULL) {
        DS_TRY(results_to_items(fold, results, count, told));
        if (told->verdict == DS_VERDICT_refused && row->cell_count == 0) {
            return ds_fold_tell(fold, told); /* Nothing stands in it: there is no such row. */
        }
        fold->out->folded++;
    }
    DS_TRY(ds_fold_put(fold, row));
    if (changed) {
        DS_TRY(ds_reduce_entity(fold, before, row));
    }
    return told == NULL ? DS_OK : ds_fold_tell(fold, told);
}

static enum ds_err merge_into(struct ds_fold *fold, const struct ds_record_type *type,
                              bool by_owner, struct ds_slice fields, struct ds_row_state *row,
                              struct ds_told *told)
{
    struct ds_field_result *results =
        ds_arena_room(fold->arena, DS_ROW_FIELDS_MAX * sizeof(*results));
    struct ds_row_state *before = DS_FOLD_NEW(fold, struct ds_row_state);
    if (results == NULL || before == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_row_load(fold->txn, row->type, &row->id, fold->arena, before));
    struct ds_merge_op merge = {.type = type,
                                .actor = fold->actor,
                                .write = fold->write,
                                .seen = fold->op == NULL ? fold->position : fold->op->seen,
                                .lineage = &fold->lineage,
                                .fields = fields,
                                .version = fold->meta->version,
                                .by_owner = by_owner,
                                .heirs = fold->heirs,
                                .heir_count = fold->heir_count};
    size_t count = 0;
    enum ds_err err = ds_merge(row, &merge, fold->arena, results, &count);
    if (err == DS_ERR_LIMIT && told != NULL) {
        return ds_fold_quarantine(fold, DS_QUARANTINE_malformed, DS_ITEM_open,
                                  "the row has no room for more");
    }
    DS_TRY(err);
    drop_empty_cells(row);
    if (told != NULL) {
        enum ds_quarantine_reason stop = stopped_by_row(fold, type, before, row, results, count);
        if (stop != 0) {
            return ds_fold_quarantine(fold, stop, DS_ITEM_open,
                                      stop == DS_QUARANTINE_malformed
                                          ? "the row has no room for more"
                                          : "this actor may not write one of the fields");
        }
    }
    return settle(fold, before, row, results, count, told);
}

enum ds_err ds_fold_write_entity(struct ds_fold *fold, uint8_t type, const struct ds_id *id,
                                 struct ds_slice fields)
{
    struct ds_row_state *row = DS_FOLD_NEW(fold, struct ds_row_state);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_row_load(fold->txn, type, id, fold->arena, row));
    return merge_into(fold, ds_record_type_by_number(type), true, fields, row, NULL);
}

/* May this actor make or change such an entity at all? */
static enum ds_err may_write(struct ds_fold *fold, const struct ds_record_type *type, bool exists,
                             bool *may)
{
    *may = exists || (type->writers >> fold->actor & 1) != 0;
    if (*may) {
        bool by_handheld = fold->actor == DS_ACTOR_handheld;
        struct ds_about about = {.type = type->number, .id = fold->entity};
        about.fact = by_handheld && !exists;
        about.fields = exists ? about.fields : fold->op->fields;
        DS_TRY(ds_fold_holds_role(fold, exists && by_handheld ? DS_ROLES_WORK : type->roles, &about,
                                  may));
    }
    *may = *may || DS_MUTANT("ignore_authority");
    return DS_OK;
}

/* A device's key is its name: what it signed is verified with it for ever. */
static bool changes_key(const struct ds_fold *fold, struct ds_row_state *row)
{
    if (row->type != DS_REC_device || !row->exists) {
        return false;
    }
    const struct ds_cell *cell = ds_row_cell(row, DS_TAG_device_sign_key);
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, fold->op->fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs; i++) {
        uint64_t tag = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (tag == DS_TAG_device_sign_key) {
            return cell == NULL || !ds_slice_equal(cell->value, value);
        }
    }
    return false;
}

static enum ds_err fold_entity(struct ds_fold *fold, const struct ds_record_type *type)
{
    struct ds_row_state *row = DS_FOLD_NEW(fold, struct ds_row_state);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_row_load(fold->txn, (uint8_t)fold->op->type, &fold->entity, fold->arena, row));
    bool own_id = ds_id_equal(&fold->entity, &fold->op_id);
    bool may_name = fold->actor != DS_ACTOR_handheld;
    if (!row->exists && !own_id && !may_name) {
        return ds_fold_quarantine(fold, DS_QUARANTINE_orphan, DS_ITEM_open,
                                  "there is no such entity");
    }
    if (type != NULL) {
        bool may = false;
        DS_TRY(may_write(fold, type, row->exists, &may));
        if (!may) {
            return ds_fold_quarantine(fold, DS_QUARANTINE_not_allowed, DS_ITEM_open,
                                      "this actor may not write such a record");
        }
        if (changes_key(fold, row)) {
            return ds_fold_quarantine(fold, DS_QUARANTINE_not_allowed, DS_ITEM_open,
                                      "device.sign_key: a device keeps its key for life");
        }
        const struct ds_field *missing = missing_field(type, fold->meta->version, fold->op->fields);
        if (!row->exists && missing != NULL) {
            struct ds_detail detail;
            ds_detail_set(&detail, type->name, ".", missing->name, ": missing", NULL);
            return ds_fold_quarantine(fold, DS_QUARANTINE_malformed, DS_ITEM_open, detail.text);
        }
    }
    struct ds_told told = {.verdict = DS_VERDICT_applied};
    return merge_into(fold, type, false, fold->op->fields, row, &told);
}

/* Store an event's body as its row, without versions: it never changes. */
static enum ds_err put_event(struct ds_fold *fold)
{
    struct ds_row_state *row = DS_FOLD_NEW(fold, struct ds_row_state);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_row_init(row, (uint8_t)fold->op->type, &fold->op_id, fold->arena));
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, fold->op->fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs; i++) {
        struct ds_cell *cell = ds_row_cell_make(row, (uint8_t)ds_mp_take_uint(&cursor));
        if (cell == NULL) {
            return DS_ERR_INTEGRITY; /* malformed() has counted them. */
        }
        cell->value = ds_mp_take_value(&cursor);
    }
    return ds_fold_put(fold, row);
}

static enum ds_err fold_event(struct ds_fold *fold, const struct ds_record_type *type)
{
    bool may = false;
    DS_TRY(may_write(fold, type, false, &may));
    if (!may) {
        return ds_fold_quarantine(fold, DS_QUARANTINE_not_allowed, DS_ITEM_open,
                                  "this actor may not write such a record");
    }
    const struct ds_field *missing = missing_field(type, fold->meta->version, fold->op->fields);
    if (missing != NULL) {
        struct ds_detail detail;
        ds_detail_set(&detail, type->name, ".", missing->name, ": missing", NULL);
        return ds_fold_quarantine(fold, DS_QUARANTINE_malformed, DS_ITEM_open, detail.text);
    }
    struct ds_told told = {.verdict = DS_VERDICT_applied};
    DS_TRY(ds_reduce_event(fold, &told));
    if (told.reason != 0) {
        return ds_fold_quarantine(fold, told.reason, DS_ITEM_open, told.detail);
    }
    fold->out->folded++;
    DS_TRY(put_event(fold));
    return ds_fold_tell(fold, &told);
}

/* Reasons that lie in the device, not in the op. A released op has been looked at by somebody. */
static enum ds_quarantine_reason stopped_by_device(const struct ds_fold *fold)
{
    if (fold->released || DS_MUTANT("ignore_revocation")) {
        return 0;
    }
    if (fold->device_state == DS_DEVICE_revoked || fold->device_state == DS_DEVICE_wiped) {
        return DS_QUARANTINE_revoked;
    }
    if (fold->clone) {
        return DS_QUARANTINE_clone;
    }
    return fold->device_state == DS_DEVICE_suspended ? DS_QUARANTINE_suspended : 0;
}

enum ds_err ds_fold_op(struct ds_fold *fold)
{
    const struct ds_op *op = fold->op;
    fold->entity = ds_id_is_none(&op->id) ? fold->op_id : op->id;
    enum ds_quarantine_reason stop = stopped_by_device(fold);
    if (stop != 0) {
        return ds_fold_quarantine(fold, stop, DS_ITEM_open, "");
    }
    if (op->type > DS_RECORD_NUMBER_MAX) {
        return ds_fold_quarantine(fold, DS_QUARANTINE_malformed, DS_ITEM_open,
                                  "record number out of range");
    }
    const struct ds_record_type *type = ds_record_type_by_number(op->type);
    struct ds_detail detail = {{0}};
    const char *wrong = malformed(type, fold->meta->version, op, &detail);
    bool known = type != NULL;
    if (wrong[0] == '\0' && known && type->nature == DS_DERIVED) {
        wrong = "such a record is made by the engine alone";
    }
    if (wrong[0] == '\0' && known && type->nature == DS_EVENT && !ds_id_is_none(&op->id)) {
        wrong = "an event's id is its op's";
    }
    if (wrong[0] != '\0') {
        return ds_fold_quarantine(fold, DS_QUARANTINE_malformed, DS_ITEM_open, wrong);
    }
    if (!known) {
        return fold_entity(fold, NULL); /* From a newer build: carried and kept. */
    }
    return type->nature == DS_EVENT ? fold_event(fold, type) : fold_entity(fold, type);
}

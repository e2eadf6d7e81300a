/* Conflicts, proposals and quarantine: base, mine and theirs, and one step that ends them. */
#include "schema/codec/msgpack.h"
#include "server/queue.h"
#include "server/routes.h"
#include "sync/core/op.h"

#include <string.h>

/* ---- Values ---- */

/* A stored value of a field as JSON: null if there is none, or it is of a kind unknown here.
 * Personal values are opened for those who may see them. */
static void put_value(struct ds_view *view, const struct ds_field *field,
                      const struct ds_id *entity, bool given, struct ds_slice raw)
{
    size_t used = view->out->used;
    struct ds_cursor cursor;
    struct ds_builder clear;
    struct ds_slice text;

    if (!given || field == NULL || raw.size == 0) {
        ds_put_text(view->out, "null");
        return;
    }
    if (field->type == DS_TYPE_PERSONAL && view->keys != NULL) {
        ds_cursor_init(&cursor, raw);
        struct ds_slice sealed = ds_mp_take_bin(&cursor);

        ds_builder_init(&clear, view->clear, sizeof(view->clear));
        if (ds_customer_open(&view->office->site->shard, view->keys, entity, field->tag, sealed,
                             &clear) == DS_OK &&
            ds_builder_end(&clear, &text) == DS_OK) {
            ds_json_put_string(view->out, text);
            if (view->call != NULL) {
                view->call->opened++;
            }
            return;
        }
    }
    if (ds_json_put_field_value(view->out, field, raw) != DS_OK) {
        view->out->used = used;
        ds_put_text(view->out, "null");
    }
}

static void put_names(struct ds_view *view, uint64_t type_number, uint64_t tag,
                      const struct ds_field **field)
{
    const struct ds_record_type *type = ds_record_type_by_number(type_number);

    *field = type != NULL ? ds_field_by_tag(type, tag) : NULL;
    ds_put_text(view->out, ",\"record_name\":");
    ds_json_put_string(view->out, ds_slice_of_text(type != NULL ? type->name : ""));
    ds_put_text(view->out, ",\"field_name\":");
    ds_json_put_string(view->out, ds_slice_of_text(*field != NULL ? (*field)->name : ""));
}

static enum ds_err put_conflict(struct ds_view *view, const struct ds_id *id)
{
    const struct ds_field *field = NULL;
    struct ds_conflict row;
    bool first = true;

    DS_TRY(ds_record_load(view->txn, DS_REC_conflict, id, view->arena, &row));
    ds_put_text(view->out, "{");
    ds_view_put_fields(view, DS_REC_conflict, id, &row, &first);
    put_names(view, (uint64_t)row.entity_type, (uint64_t)row.field, &field);
    ds_put_text(view->out, ",\"base_value\":");
    put_value(view, field, &row.entity, DS_HAS(&row, conflict, base), row.base);
    ds_put_text(view->out, ",\"mine_value\":");
    put_value(view, field, &row.entity, DS_HAS(&row, conflict, mine), row.mine);
    ds_put_text(view->out, ",\"theirs_value\":");
    put_value(view, field, &row.entity, DS_HAS(&row, conflict, theirs), row.theirs);
    ds_put_text(view->out, "}");
    return DS_OK;
}

static enum ds_err put_proposal(struct ds_view *view, const struct ds_id *id)
{
    const struct ds_field *field = NULL;
    struct ds_proposal row;
    bool first = true;

    DS_TRY(ds_record_load(view->txn, DS_REC_proposal, id, view->arena, &row));
    ds_put_text(view->out, "{");
    ds_view_put_fields(view, DS_REC_proposal, id, &row, &first);
    put_names(view, (uint64_t)row.entity_type, (uint64_t)row.field, &field);
    ds_put_text(view->out, ",\"base_value\":");
    put_value(view, field, &row.entity, DS_HAS(&row, proposal, base), row.base);
    ds_put_text(view->out, ",\"proposed_value\":");
    put_value(view, field, &row.entity, true, row.value);
    ds_put_text(view->out, "}");
    return DS_OK;
}

/* theirs: what the op says; mine: the entity as it stands. */
static enum ds_err put_quarantined(struct ds_view *view, const struct ds_id *id)
{
    struct ds_quarantine_item row;
    struct ds_cursor cursor;
    struct ds_op op = {.type = 0};
    struct ds_slice fields = {NULL, 0};
    const struct ds_id none = {{0}};
    bool first = true;

    DS_TRY(ds_record_load(view->txn, DS_REC_quarantine_item, id, view->arena, &row));
    ds_put_text(view->out, "{");
    ds_view_put_fields(view, DS_REC_quarantine_item, id, &row, &first);
    if (DS_HAS(&row, quarantine_item, body)) {
        ds_cursor_init(&cursor, row.body);
        if (ds_op_take(&cursor, &op, NULL) != DS_OK) {
            op = (struct ds_op){.type = 0};
        }
    }
    const struct ds_record_type *type = ds_record_type_by_number(op.type);
    const struct ds_id entity = DS_GET(&row, quarantine_item, entity, none);

    if (type != NULL) {
        ds_put_text(view->out, ",\"record_name\":\"");
        ds_put_text(view->out, type->name);
        ds_put_text(view->out, "\"");
    }
    ds_put_text(view->out, ",\"mine\":");
    enum ds_err err = type != NULL && !ds_id_is_none(&entity)
                          ? ds_project(view->txn, 0, type->number, &entity, view->arena, &fields)
                          : DS_ERR_NOT_FOUND;

    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    DS_TRY(ds_view_put_map(view, type != NULL ? type->number : 0, &entity,
                           err == DS_OK ? fields : (struct ds_slice){NULL, 0}));
    ds_put_text(view->out, ",\"theirs\":");
    DS_TRY(ds_view_put_map(view, type != NULL ? type->number : 0, &entity, op.fields));
    ds_put_text(view->out, "}");
    return DS_OK;
}

/* ---- Lists and single items ---- */

static enum ds_err put_list(struct ds_call *call, uint8_t type,
                            enum ds_err (*put)(struct ds_view *view, const struct ds_id *id))
{
    struct ds_queue_page page;
    struct ds_view view;
    struct ds_id id;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = ds_queue_begin(call, &view, type, &page);

    while (err == DS_OK && ds_queue_next(&page, &id, &err)) {
        size_t mark = ds_arena_mark(call->arena);

        ds_queue_comma(&page);
        err = put(&view, &id);
        ds_arena_rewind(call->arena, mark);
    }
    if (err == DS_OK) {
        err = ds_queue_end(&page);
    }
    ds_view_end(&view);
    return err;
}

static enum ds_err put_single(struct ds_call *call,
                              enum ds_err (*put)(struct ds_view *view, const struct ds_id *id))
{
    struct ds_view view;

    DS_TRY(ds_call_view(call, &view));
    enum ds_err err = put(&view, &call->ids[0]);

    ds_view_end(&view);
    return err;
}

enum ds_err ds_items_about(struct ds_view *view, uint8_t type, const struct ds_id *entity,
                           bool *first)
{
    struct ds_key key = ds_link_first(DS_LINK_ENTITY_ITEM, entity);
    struct ds_id child;
    uint32_t order = 0;
    uint8_t child_type = 0;
    enum ds_err err = DS_OK;

    while ((err = ds_link_next(view->txn, &key, &order, &child, &child_type)) == DS_OK) {
        size_t mark = ds_arena_mark(view->arena);

        if (child_type != type) {
            continue;
        }
        ds_put_text(view->out, *first ? "" : ",");
        *first = false;
        DS_TRY(type == DS_REC_conflict ? put_conflict(view, &child) : put_proposal(view, &child));
        ds_arena_rewind(view->arena, mark);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

/* ---- The step that ends an item ---- */

static enum ds_err resolve(struct ds_call *call, uint8_t type, const int64_t *actions, size_t count)
{
    struct ds_decision decision = {.presence = {0}};
    int64_t action = ds_call_member_word(call, "action", DS_LIST_action);
    bool allowed = false;

    for (size_t i = 0; i < count; i++) {
        allowed = allowed || actions[i] == action;
    }
    if (!allowed) {
        return ds_call_wrong(call, DS_ERR_SCHEMA, "action: not one that ends such an item");
    }
    DS_TRY(ds_call_must_exist(call, type, &call->ids[0], "no such item"));
    DS_SET(&decision, decision, target_type, type);
    DS_SET(&decision, decision, target, call->ids[0]);
    DS_SET(&decision, decision, action, action);
    DS_SET(&decision, decision, reason, ds_slice_of_text(ds_call_member(call, "reason")));
    DS_SET(&decision, decision, instant_ms, ds_call_now_ms(call));
    return ds_call_write(call, DS_REC_decision, &decision, NULL, true);
}

enum ds_err ds_route_conflicts(struct ds_call *call)
{
    return put_list(call, DS_REC_conflict, put_conflict);
}

enum ds_err ds_route_conflict(struct ds_call *call)
{
    return put_single(call, put_conflict);
}

enum ds_err ds_route_conflict_resolve(struct ds_call *call)
{
    static const int64_t actions[] = {DS_ACTION_keep_base, DS_ACTION_keep_mine,
                                      DS_ACTION_keep_theirs};

    return resolve(call, DS_REC_conflict, actions, DS_COUNT(actions));
}

enum ds_err ds_route_proposals(struct ds_call *call)
{
    return put_list(call, DS_REC_proposal, put_proposal);
}

enum ds_err ds_route_proposal(struct ds_call *call)
{
    return put_single(call, put_proposal);
}

enum ds_err ds_route_proposal_resolve(struct ds_call *call)
{
    static const int64_t actions[] = {DS_ACTION_accept_proposal, DS_ACTION_refuse_proposal};

    return resolve(call, DS_REC_proposal, actions, DS_COUNT(actions));
}

enum ds_err ds_route_quarantine(struct ds_call *call)
{
    return put_list(call, DS_REC_quarantine_item, put_quarantined);
}

enum ds_err ds_route_quarantine_item(struct ds_call *call)
{
    return put_single(call, put_quarantined);
}

enum ds_err ds_route_quarantine_resolve(struct ds_call *call)
{
    static const int64_t actions[] = {DS_ACTION_release, DS_ACTION_reject};

    return resolve(call, DS_REC_quarantine_item, actions, DS_COUNT(actions));
}

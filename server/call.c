#include "server/call.h"

#include "schema/base/text.h"
#include "schema/codec/msgpack.h"

#include <string.h>

#define RECORD_SIZE_MAX 1024 /* Of any record's struct. */

/* ---- Parameters ---- */

enum ds_err ds_call_wrong(struct ds_call *call, enum ds_err err, const char *what)
{
    ds_detail_set(&call->detail, what, (const char *)NULL);
    return err;
}

int64_t ds_call_now_ms(const struct ds_call *call)
{
    const struct ds_clock *clock = &call->office->site->clock;

    return clock->now_ms(clock->context);
}

enum ds_err ds_call_text(struct ds_call *call, const char *name, char *out, size_t size,
                         bool *given)
{
    enum ds_err err = ds_http_parameter(call->request->head.query, name, out, size, given);

    if (err != DS_OK) {
        ds_detail_set(&call->detail, name, ": not sound, too long or given twice",
                      (const char *)NULL);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}

enum ds_err ds_call_int(struct ds_call *call, const char *name, int64_t least, int64_t most,
                        int64_t *value)
{
    char text[32];
    int64_t number = 0;
    bool given = false;

    DS_TRY(ds_call_text(call, name, text, sizeof(text), &given));
    if (!given) {
        return DS_OK;
    }
    if (ds_int_parse(ds_slice_of_text(text), &number) != DS_OK || number < least || number > most) {
        ds_detail_set(&call->detail, name, ": not a number in its range", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    *value = number;
    return DS_OK;
}

enum ds_err ds_call_query_id(struct ds_call *call, const char *name, struct ds_id *id, bool *given)
{
    char text[40];

    DS_TRY(ds_call_text(call, name, text, sizeof(text), given));
    if (*given && ds_id_parse(ds_slice_of_text(text), id) != DS_OK) {
        ds_detail_set(&call->detail, name, ": not 32 hex digits", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    return DS_OK;
}

enum ds_err ds_call_limit(struct ds_call *call, size_t *limit)
{
    int64_t value = DS_API_LIMIT_DEFAULT;

    DS_TRY(ds_call_int(call, "limit", 1, DS_API_LIMIT_MAX, &value));
    *limit = (size_t)value;
    return DS_OK;
}

enum ds_err ds_call_after(struct ds_call *call, uint8_t *bytes, size_t size, size_t *used)
{
    char text[160];
    bool given = false;

    *used = 0;
    DS_TRY(ds_call_text(call, "after", text, sizeof(text), &given));
    if (!given || text[0] == '\0') {
        return DS_OK;
    }
    *used = strlen(text) / 2;
    if (*used > size || ds_hex_parse(ds_slice_of_text(text), bytes, *used) != DS_OK) {
        return ds_call_wrong(call, DS_ERR_USAGE, "after: not the next= of a page");
    }
    return DS_OK;
}

const char *ds_call_member(const struct ds_call *call, const char *name)
{
    return json_string_value(json_object_get(call->body, name));
}

bool ds_call_member_int(const struct ds_call *call, const char *name, int64_t *value)
{
    const json_t *member = json_object_get(call->body, name);

    if (member == NULL) {
        return false;
    }
    *value = json_integer_value(member);
    return true;
}

bool ds_call_member_id(const struct ds_call *call, const char *name, struct ds_id *id)
{
    const char *text = ds_call_member(call, name);

    return text != NULL && ds_id_parse(ds_slice_of_text(text), id) == DS_OK;
}

int64_t ds_call_member_word(const struct ds_call *call, const char *name, enum ds_list list)
{
    const char *text = ds_call_member(call, name);

    return text != NULL ? ds_enum_number(list, ds_slice_of_text(text)) : 0;
}

struct ds_id ds_call_numbered(const struct ds_office *office, uint8_t type, const char *text)
{
    struct ds_id id;

    if (ds_id_parse(ds_slice_of_text(text), &id) == DS_OK) {
        return id;
    }
    return ds_numbered_id(&office->site->station, type, ds_slice_of_text(text));
}

/* ---- Views ---- */

enum ds_err ds_view_begin(struct ds_view *view, struct ds_office *office, struct ds_arena *arena,
                          struct ds_builder *out, bool personal)
{
    memset(view, 0, sizeof(*view));
    view->office = office;
    view->arena = arena;
    view->out = out;
    DS_TRY(ds_store_begin(office->site->store, false, &view->txn));
    if (!personal) {
        return DS_OK;
    }
    enum ds_err err = ds_store_begin(office->site->key_store, false, &view->keys);

    if (err != DS_OK) {
        ds_txn_abort(view->txn);
        view->txn = NULL;
    }
    return err;
}

enum ds_err ds_call_view(struct ds_call *call, struct ds_view *view)
{
    bool everywhere = (call->session.roles & DS_ROLES_PERSONAL) != 0;
    bool in_teams = (call->session.team_roles & DS_ROLES_PERSONAL) != 0;
    enum ds_err err =
        ds_view_begin(view, call->office, call->arena, call->out, everywhere || in_teams);

    view->call = call;
    view->by_team = !everywhere;
    return err;
}

void ds_view_end(struct ds_view *view)
{
    if (view->keys != NULL) {
        ds_txn_abort(view->keys);
    }
    if (view->txn != NULL) {
        ds_txn_abort(view->txn);
    }
    view->keys = NULL;
    view->txn = NULL;
}

enum ds_err ds_view_position(struct ds_view *view, uint64_t *position)
{
    struct ds_shard_meta meta;

    DS_TRY(ds_meta_load(view->txn, &meta));
    *position = meta.size;
    return DS_OK;
}

/* Does the caller hold such a role for the team whose entity is being shown? */
static bool is_of_his_team(struct ds_view *view)
{
    const struct ds_id *station = &view->office->site->station;
    const struct ds_slice stored = {NULL, 0};
    struct ds_units units = {.count = 0};
    bool holds = false;
    enum ds_err err =
        ds_units_add_team(view->txn, station, view->type, &view->entity, stored, &units);

    if (err == DS_OK) {
        err = ds_holds_role(view->txn, station, &view->call->session.user.worker, &units,
                            ds_call_now_ms(view->call), DS_ROLES_PERSONAL, &holds);
    }
    return err == DS_OK && holds;
}

static bool open_personal(void *context, const struct ds_field *field, struct ds_slice sealed,
                          struct ds_slice *clear)
{
    struct ds_view *view = context;
    struct ds_builder out;

    if (view->keys == NULL || (view->by_team && !is_of_his_team(view))) {
        return false;
    }
    ds_builder_init(&out, view->clear, sizeof(view->clear));
    if (ds_customer_open(&view->office->site->shard, view->keys, &view->entity, field->tag, sealed,
                         &out) != DS_OK ||
        ds_builder_end(&out, clear) != DS_OK) {
        return false;
    }
    if (view->call != NULL) {
        view->call->opened++;
    }
    return true;
}

static void put_id_member(struct ds_builder *out, const struct ds_id *id, bool *first)
{
    ds_json_put_name(out, "id", first);
    ds_put_text(out, "\"");
    ds_put_hex(out, DS_SLICE_OF(*id));
    ds_put_text(out, "\"");
}

void ds_view_put_fields(struct ds_view *view, uint8_t type, const struct ds_id *id,
                        const void *record, bool *first)
{
    const struct ds_opener opener = {open_personal, view};

    put_id_member(view->out, id, first);
    view->type = type;
    view->entity = *id;
    ds_json_put_fields(view->out, ds_record_type_by_number(type), record, &opener, first);
}

enum ds_err ds_view_put_row(struct ds_view *view, uint8_t type, const struct ds_id *id)
{
    _Alignas(16) uint8_t record[RECORD_SIZE_MAX];
    size_t mark = ds_arena_mark(view->arena);
    bool first = true;

    DS_ASSERT(ds_record_type_by_number(type)->size <= sizeof(record));
    enum ds_err err = ds_record_load(view->txn, type, id, view->arena, record);

    if (err == DS_OK) {
        ds_put_text(view->out, "{");
        ds_view_put_fields(view, type, id, record, &first);
        ds_put_text(view->out, "}");
    }
    ds_arena_rewind(view->arena, mark);
    return err;
}

enum ds_err ds_view_put_member(struct ds_view *view, const char *name, uint8_t type,
                               const struct ds_id *id, bool *first)
{
    size_t used = view->out->used;
    bool was_first = *first;

    if (ds_id_is_none(id)) {
        return DS_OK;
    }
    ds_json_put_name(view->out, name, first);
    enum ds_err err = ds_view_put_row(view, type, id);

    if (err == DS_ERR_NOT_FOUND) {
        view->out->used = used; /* The name goes too. */
        *first = was_first;
        return DS_OK;
    }
    return err;
}

enum ds_err ds_view_put_map(struct ds_view *view, uint8_t type, const struct ds_id *id,
                            struct ds_slice fields)
{
    _Alignas(16) uint8_t record[RECORD_SIZE_MAX];
    const struct ds_record_type *known = ds_record_type_by_number(type);
    const struct ds_opener opener = {open_personal, view};
    struct ds_cursor cursor;
    bool first = true;

    if (known == NULL || fields.size == 0) {
        ds_put_text(view->out, "null");
        return DS_OK;
    }
    view->type = type;
    view->entity = *id;
    if (ds_record_decode(known, fields, view->arena, record, NULL) == DS_OK) {
        ds_json_put_record(view->out, known, record, &opener);
        return DS_OK;
    }
    /* An op's map, where union fields say what they add and remove, or one that does not fit. */
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = ds_mp_take_map(&cursor);

    ds_put_text(view->out, "{");
    for (uint32_t i = 0; i < pairs && !cursor.failed; i++) {
        const struct ds_field *field = ds_field_by_tag(known, ds_mp_take_uint(&cursor));
        struct ds_slice raw = ds_mp_take_value(&cursor);
        size_t used = view->out->used;
        bool was_first = first;

        if (field == NULL) {
            continue;
        }
        ds_json_put_name(view->out, field->name, &first);
        if (ds_json_put_field_value(view->out, field, raw) != DS_OK) {
            view->out->used = used;
            first = was_first;
        }
    }
    ds_put_text(view->out, "}");
    return DS_OK;
}

enum ds_err ds_view_put_links(struct ds_view *view, enum ds_link kind, const struct ds_id *parent,
                              uint8_t type)
{
    struct ds_key key = ds_link_first(kind, parent);
    uint32_t order = 0;
    struct ds_id child;
    uint8_t child_type = 0;
    bool first = true;
    enum ds_err err = DS_OK;

    ds_put_text(view->out, "[");
    while ((err = ds_link_next(view->txn, &key, &order, &child, &child_type)) == DS_OK) {
        if (child_type != type) {
            continue;
        }
        size_t used = view->out->used;

        ds_put_text(view->out, first ? "" : ",");
        err = ds_view_put_row(view, type, &child);
        if (err == DS_ERR_NOT_FOUND) {
            view->out->used = used; /* A link to nothing shows nothing. */
            continue;
        }
        DS_TRY(err);
        first = false;
    }
    ds_put_text(view->out, "]");
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

bool ds_view_number(struct ds_view *view, uint8_t type, const struct ds_id *id, char *out,
                    size_t size)
{
    _Alignas(16) uint8_t record[RECORD_SIZE_MAX];
    const struct ds_record_type *known = ds_record_type_by_number(type);
    const struct ds_field *field = ds_field_by_name(known, DS_SLICE_LIT("number"));
    size_t mark = ds_arena_mark(view->arena);
    struct ds_slice number;

    out[0] = '\0';
    DS_ASSERT(field != NULL && field->type == DS_TYPE_TEXT && known->size <= sizeof(record));
    if (ds_id_is_none(id) || ds_record_load(view->txn, type, id, view->arena, record) != DS_OK ||
        !ds_has((const struct ds_presence *)record, field->index)) {
        ds_arena_rewind(view->arena, mark);
        return false;
    }
    memcpy(&number, record + field->offset, sizeof(number));
    bool fits = number.size < size;

    if (fits) {
        memcpy(out, number.data, number.size);
        out[number.size] = '\0';
    }
    ds_arena_rewind(view->arena, mark);
    return fits;
}

enum ds_err ds_view_slot(struct ds_view *view, const struct ds_id *meter, uint32_t period,
                         struct ds_id *id, struct ds_slot *slot)
{
    const struct ds_id *station = &view->office->site->station;

    for (int64_t kind = 1; kind <= ds_enum_last(DS_LIST_register); kind++) {
        *id = ds_slot_id(station, meter, (uint8_t)kind, period);
        enum ds_err err = ds_record_load(view->txn, DS_REC_slot, id, view->arena, slot);

        if (err != DS_ERR_NOT_FOUND) {
            return err;
        }
    }
    return DS_ERR_NOT_FOUND;
}

/* ---- Pages ---- */

enum ds_err ds_page_begin(struct ds_call *call, struct ds_view *view, enum ds_link kind,
                          const struct ds_id *parent, struct ds_page_of_links *page)
{
    uint8_t after[20];
    size_t used = 0;

    memset(page, 0, sizeof(*page));
    page->call = call;
    page->view = view;
    DS_TRY(ds_call_limit(call, &page->left));
    DS_TRY(ds_call_after(call, after, sizeof(after), &used));
    page->key = ds_link_first(kind, parent);
    if (used != 0) {
        struct ds_cursor cursor;

        if (used != sizeof(after)) {
            return ds_call_wrong(call, DS_ERR_USAGE, "after: not the next= of a page");
        }
        ds_cursor_init(&cursor, (struct ds_slice){after, sizeof(after)});
        uint32_t order = ds_take_u32(&cursor);
        const struct ds_id child = ds_take_id(&cursor);
        const struct ds_key at = ds_key_link(kind, parent, order, &child);

        page->key = ds_key_after(ds_key_slice(&at));
    }
    ds_put_text(call->out, "{\"items\":[");
    return DS_OK;
}

bool ds_page_next(struct ds_page_of_links *page, enum ds_err *err)
{
    *err = ds_link_next(page->view->txn, &page->key, &page->order, &page->child, &page->type);
    if (*err == DS_ERR_NOT_FOUND) {
        *err = DS_OK;
        return false;
    }
    if (*err != DS_OK) {
        return false;
    }
    if (page->left == 0) {
        page->more = true;
        return false;
    }
    page->left--;
    ds_put_text(page->call->out, page->count > 0 ? "," : "");
    page->count++;
    page->last = page->child;
    page->last_order = page->order;
    return true;
}

void ds_page_end(struct ds_page_of_links *page)
{
    struct ds_builder *out = page->call->out;

    ds_put_text(out, "]");
    if (page->more) {
        uint8_t bytes[4];
        struct ds_builder order;

        ds_builder_init(&order, bytes, sizeof(bytes));
        ds_put_u32(&order, page->last_order);
        ds_put_text(out, ",\"next\":\"");
        ds_put_hex(out, (struct ds_slice){bytes, sizeof(bytes)});
        ds_put_hex(out, DS_SLICE_OF(page->last));
        ds_put_text(out, "\"");
    }
    ds_put_text(out, "}");
}

/* ---- Writes ---- */

enum ds_err ds_call_must_exist(struct ds_call *call, uint8_t type, const struct ds_id *id,
                               const char *what)
{
    struct ds_txn *txn = NULL;
    struct ds_slice fields;
    size_t mark = ds_arena_mark(call->arena);

    DS_TRY(ds_store_begin(call->office->site->store, false, &txn));
    enum ds_err err = ds_project(txn, 0, type, id, call->arena, &fields);

    ds_txn_abort(txn);
    ds_arena_rewind(call->arena, mark);
    return err == DS_ERR_NOT_FOUND ? ds_call_wrong(call, err, what) : err;
}

static enum ds_err make_draft(struct ds_call *call, uint8_t type, const void *record, bool complete,
                              struct ds_draft *draft)
{
    const struct ds_record_type *known = ds_record_type_by_number(type);
    struct ds_builder builder;
    uint8_t *memory = ds_arena_room(call->arena, DS_OP_SIZE_MAX);

    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_validate(known, record, complete, NULL, &call->detail));
    ds_builder_init(&builder, memory, DS_OP_SIZE_MAX);
    DS_TRY(ds_record_encode_op(known, record, &builder));
    draft->type = type;
    return ds_builder_end(&builder, &draft->fields);
}

static void put_written(struct ds_call *call, const struct ds_draft *draft,
                        const struct ds_office_verdict *verdict, uint64_t position)
{
    struct ds_builder *out = call->out;
    bool first = true;

    ds_put_text(out, "{");
    put_id_member(out, &draft->made_id, &first);
    ds_put_text(out, ",\"op\":\"");
    ds_put_hex(out, DS_SLICE_OF(verdict->op));
    ds_put_text(out, "\",\"verdict\":\"");
    ds_put_text(out, ds_enum_name(DS_LIST_verdict, verdict->verdict));
    ds_put_text(out, "\",\"position\":");
    ds_put_decimal(out, (int64_t)position);
    if (!ds_id_is_none(&verdict->item)) {
        ds_put_text(out, ",\"item\":\"");
        ds_put_hex(out, DS_SLICE_OF(verdict->item));
        ds_put_text(out, "\"");
    }
    if (verdict->words.text[0] != '\0') {
        ds_put_text(out, ",\"detail\":");
        ds_json_put_string(out, ds_slice_of_text(verdict->words.text));
    }
    ds_put_text(out, "}");
}

/* A conflict of values waits as an item; a decision over what is so no more decides nothing. */
static bool nothing_written(uint8_t type, enum ds_verdict_kind verdict)
{
    return verdict == DS_VERDICT_quarantined || verdict == DS_VERDICT_orphan ||
           verdict == DS_VERDICT_refused ||
           (verdict == DS_VERDICT_conflict && type == DS_REC_decision);
}

enum ds_err ds_call_write(struct ds_call *call, uint8_t type, const void *record,
                          const struct ds_id *id, bool complete)
{
    char name[DS_USER_NAME_MAX + 8] = "user:";
    struct ds_draft draft = {.type = type};
    struct ds_office_verdict verdict;
    uint64_t position = 0;

    memcpy(name + 5, call->session.user.name, strlen(call->session.user.name) + 1);
    const struct ds_office_actor actor = {
        .name = name, .kind = DS_ACTOR_console, .worker = call->session.user.worker};

    if (id != NULL) {
        draft.id = *id;
    }
    DS_TRY(make_draft(call, type, record, complete, &draft));
    DS_TRY(ds_office_write(call->office, &actor, &draft, 1, &verdict, &position, &call->detail));
    if (nothing_written(type, verdict.verdict)) {
        call->detail = verdict.words;
        return DS_ERR_CONFLICT;
    }
    put_written(call, &draft, &verdict, position);
    return DS_OK;
}

#include "server/drafts.h"

#include "schema/base/text.h"
#include "schema/codec/record_json_jansson.h"
#include "schema/codec/record_mp.h"
#include "schema/rules/rule.h"
#include "server/drafts_known.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_SIZE_MAX 1024

struct drafting {
    struct ds_office *office;
    const struct ds_office_actor *actor;
    const json_t *drafts;
    bool skip;
    struct ds_shard *shard;
    struct ds_known known;
    struct ds_arena arena;
    uint8_t *scratch;     /* DS_OP_SIZE_MAX: one op's fields. */
    struct ds_draft *ops; /* Those to be written, densely. */
    size_t *index_of;     /* Of an op: its place in drafts. */
    struct ds_id *ids;    /* Per draft. */
    size_t count;         /* Ops. */
    uint64_t unchanged;
    json_t *items;
    struct ds_id sealing; /* Entity whose personal fields are being sealed. */
    struct ds_incarnation incarnation;
    uint64_t first_seq;
    uint64_t position;
    struct ds_detail *detail;
};

static json_t *hex_of(const struct ds_id *id)
{
    char text[40];
    struct ds_builder out;

    ds_builder_init(&out, text, sizeof(text));
    ds_put_hex(&out, DS_SLICE_OF(*id));
    return json_string(ds_builder_text(&out));
}

static void tell(struct drafting *drafting, size_t index, const char *key, const char *word,
                 const char *words)
{
    json_t *item = json_pack("{s:I, s:s}", "index", (json_int_t)index, key, word);

    if (item != NULL && !ds_id_is_none(&drafting->ids[index])) {
        (void)json_object_set_new(item, "id", hex_of(&drafting->ids[index]));
    }
    if (item != NULL && words[0] != '\0') {
        (void)json_object_set_new(item, "detail", json_string(words));
    }
    (void)json_array_append_new(drafting->items, item);
}

static enum ds_err seal(void *context, const struct ds_field *field, struct ds_slice clear,
                        struct ds_arena *arena, struct ds_slice *sealed)
{
    struct drafting *drafting = context;
    uint8_t *memory = ds_arena_room(arena, clear.size + DS_PERSONAL_OVERHEAD);
    struct ds_builder out;

    if (memory == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_builder_init(&out, memory, clear.size + DS_PERSONAL_OVERHEAD);
    DS_TRY(ds_customer_seal(drafting->shard, &drafting->sealing, field->tag, clear, &out));
    return ds_builder_end(&out, sealed);
}

/* Type, id and fields of one draft; DS_ERR_SCHEMA says what is wrong with it. */
static enum ds_err parse_draft(struct drafting *drafting, const json_t *draft,
                               const struct ds_record_type **type, struct ds_id *id, void *record,
                               struct ds_detail *why)
{
    const struct ds_sealer sealer = {seal, drafting};
    const char *name = json_string_value(json_object_get(draft, "type"));
    const json_t *given = json_object_get(draft, "id");

    *type = name != NULL ? ds_record_type_by_name(ds_slice_of_text(name)) : NULL;
    if (*type == NULL) {
        ds_detail_set(why, "type: no such record", (const char *)NULL);
        return DS_ERR_SCHEMA;
    }
    memset(id, 0, sizeof(*id));
    if (given != NULL && (!json_is_string(given) ||
                          ds_id_parse(ds_slice_of_text(json_string_value(given)), id) != DS_OK)) {
        ds_detail_set(why, "id: not 32 hex digits", (const char *)NULL);
        return DS_ERR_SCHEMA;
    }
    DS_ASSERT((*type)->size <= RECORD_SIZE_MAX);
    drafting->sealing = *id;
    return ds_record_from_json(*type, json_object_get(draft, "fields"),
                               ds_id_is_none(id) ? NULL : &sealer, &drafting->arena, record, why);
}

static enum ds_err is_new(struct drafting *drafting, const struct ds_record_type *type,
                          const struct ds_id *id, bool *complete)
{
    struct ds_slice fields;
    size_t mark = ds_arena_mark(&drafting->arena);

    *complete = true;
    if (type->nature != DS_ENTITY || ds_id_is_none(id)) {
        return DS_OK;
    }
    enum ds_err err =
        ds_project(drafting->known.txn, 0, type->number, id, &drafting->arena, &fields);

    *complete = err == DS_ERR_NOT_FOUND;
    ds_arena_rewind(&drafting->arena, mark);
    return *complete ? DS_OK : err;
}

static enum ds_err add_op(struct drafting *drafting, size_t index,
                          const struct ds_record_type *type, const void *record)
{
    struct ds_draft *op = &drafting->ops[drafting->count];
    struct ds_builder out;
    struct ds_slice bytes;

    ds_builder_init(&out, drafting->scratch, DS_OP_SIZE_MAX);
    DS_TRY(ds_record_encode_op(type, record, &out));
    DS_TRY(ds_builder_end(&out, &bytes));
    *op = (struct ds_draft){.type = type->number, .id = drafting->ids[index]};
    DS_TRY(ds_arena_copy(&drafting->arena, bytes, &op->fields));
    drafting->index_of[drafting->count++] = index;
    return DS_OK;
}

/* One draft becomes an op, nothing (it is so already), or a refusal that is told. */
static enum ds_err take_draft(struct drafting *drafting, size_t index)
{
    _Alignas(16) uint8_t record[RECORD_SIZE_MAX];
    const struct ds_record_type *type = NULL;
    struct ds_detail why = {""};
    struct ds_id *id = &drafting->ids[index];
    bool left = true;
    bool found = false;
    bool complete = false;
    enum ds_err err =
        parse_draft(drafting, json_array_get(drafting->drafts, index), &type, id, record, &why);

    if (err == DS_OK) {
        err = is_new(drafting, type, id, &complete);
    }
    if (err == DS_OK) {
        err = ds_validate(type, record, complete, NULL, &why);
    }
    if (err == DS_OK && type->number == DS_REC_rule_setting) {
        err = ds_rule_setting_check((const void *)record, &why);
    }
    if (err == DS_OK && drafting->skip && type->nature == DS_ENTITY && !ds_id_is_none(id)) {
        err = ds_known_entity(&drafting->known, type, id, record, &drafting->arena, &left);
    }
    if (err == DS_OK && drafting->skip && type->nature == DS_EVENT) {
        struct ds_id stands = {{0}};

        err = ds_known_event(&drafting->known, type, record, &drafting->arena, &found, &stands);
        if (found) {
            *id = stands;
        }
    }
    if (err == DS_OK && left && !found) {
        err = add_op(drafting, index, type, record);
    } else if (err == DS_OK) {
        drafting->unchanged++;
    }
    switch (err) {
    case DS_OK:
        return DS_OK;
    case DS_ERR_SCHEMA:
    case DS_ERR_USAGE:
    case DS_ERR_DECODE:
    case DS_ERR_FORBIDDEN: /* Its key was destroyed. */
        tell(drafting, index, "error", ds_err_name(err), why.text);
        return DS_OK;
    default:
        return err;
    }
}

static enum ds_err write_ops(struct drafting *drafting)
{
    struct ds_actor actor;
    struct ds_folded folded = {.error = DS_OK};
    const struct ds_office_actor *as = drafting->actor;

    DS_TRY(
        ds_actor_open(drafting->shard, as->name, as->kind, &as->worker, &actor, drafting->detail));
    drafting->incarnation = actor.incarnation;
    drafting->first_seq = actor.next_seq;
    enum ds_err err = ds_actor_write(drafting->shard, &actor, drafting->ops, drafting->count,
                                     &folded, drafting->detail);

    ds_wipe(&actor, sizeof(actor));
    return err;
}

/* On the writer thread, so that what is compared with cannot change meanwhile. */
static enum ds_err draft_all(struct ds_shard *shard, void *context)
{
    struct drafting *drafting = context;
    enum ds_err err = ds_store_begin(shard->store, false, &drafting->known.txn);

    DS_TRY(err);
    drafting->shard = shard;
    for (size_t i = 0; i < json_array_size(drafting->drafts) && err == DS_OK; i++) {
        err = take_draft(drafting, i);
    }
    ds_txn_abort(drafting->known.txn);
    if (err == DS_OK && drafting->count > 0) {
        err = write_ops(drafting);
    }
    drafting->position = shard->meta.size;
    return err;
}

static enum ds_err tell_verdicts(struct drafting *drafting)
{
    struct ds_txn *txn = NULL;
    enum ds_err err = ds_store_begin(drafting->office->site->store, false, &txn);

    DS_TRY(err);
    for (size_t i = 0; i < drafting->count && err == DS_OK; i++) {
        struct ds_office_verdict verdict;
        size_t index = drafting->index_of[i];

        verdict.op = ds_op_id(&drafting->incarnation, DS_LANE_WORK, drafting->first_seq + i);
        drafting->ids[index] = drafting->ops[i].made_id;
        err = ds_office_verdict(drafting->office, txn, &verdict);
        if (err == DS_OK && verdict.verdict != DS_VERDICT_applied) {
            tell(drafting, index, "verdict", ds_enum_name(DS_LIST_verdict, verdict.verdict),
                 verdict.words.text);
        }
    }
    ds_txn_abort(txn);
    return err;
}

static json_t *make_answer(const struct drafting *drafting)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < json_array_size(drafting->drafts); i++) {
        (void)json_array_append_new(
            ids, ds_id_is_none(&drafting->ids[i]) ? json_string("") : hex_of(&drafting->ids[i]));
    }
    return json_pack("{s:I, s:I, s:I, s:o, s:O}", "written", (json_int_t)drafting->count,
                     "unchanged", (json_int_t)drafting->unchanged, "position",
                     (json_int_t)drafting->position, "ids", ids, "items", drafting->items);
}

static bool make_memory(struct drafting *drafting, size_t count, uint8_t *memory)
{
    ds_arena_init(&drafting->arena, memory, memory != NULL ? DS_DRAFTS_ARENA_SIZE : 0);
    drafting->scratch = ds_arena_room(&drafting->arena, DS_OP_SIZE_MAX);
    drafting->ops = ds_arena_alloc(&drafting->arena, (count + 1) * sizeof(*drafting->ops));
    drafting->index_of =
        ds_arena_alloc(&drafting->arena, (count + 1) * sizeof(*drafting->index_of));
    drafting->ids = ds_arena_alloc(&drafting->arena, (count + 1) * sizeof(*drafting->ids));
    drafting->items = json_array();
    return drafting->scratch != NULL && drafting->ops != NULL && drafting->index_of != NULL &&
           drafting->ids != NULL && drafting->items != NULL;
}

enum ds_err ds_drafts_write(struct ds_office *office, const struct ds_office_actor *actor,
                            const json_t *drafts, bool skip, json_t **answer,
                            struct ds_detail *detail)
{
    struct drafting drafting = {
        .office = office, .actor = actor, .drafts = drafts, .skip = skip, .detail = detail};
    size_t count = json_array_size(drafts);

    *answer = NULL;
    if (!json_is_array(drafts) || count > DS_DRAFTS_MAX) {
        ds_detail_set(detail, "drafts: an array of at most 1,000", (const char *)NULL);
        return DS_ERR_USAGE;
    }
    drafting.known.station = office->site->station;
    uint8_t *memory = malloc(DS_DRAFTS_ARENA_SIZE);
    enum ds_err err = make_memory(&drafting, count, memory) ? DS_OK : DS_ERR_NOMEM;

    if (err == DS_OK) {
        err = ds_writer_run(office->writer, draft_all, &drafting);
    }
    if (err == DS_OK) {
        err = tell_verdicts(&drafting);
    }
    if (err == DS_OK) {
        *answer = make_answer(&drafting);
        err = *answer != NULL ? DS_OK : DS_ERR_NOMEM;
    }
    json_decref(drafting.items);
    ds_known_fini(&drafting.known);
    free(memory);
    return err;
}

/* Consumers: where they stand, what they answer, and whether they have what we sent. */
#include "server/drafts.h"
#include "server/outbox.h"
#include "server/recon.h"
#include "server/routes.h"

#include <string.h>

static enum ds_err put_consumer(struct ds_call *call, enum ds_consumer consumer)
{
    struct ds_builder *out = call->out;
    struct ds_outbox_state state;

    DS_TRY(ds_outbox_look(call->office->outbox, consumer, &state));
    ds_put_text(out, "{\"consumer\":\"");
    ds_put_text(out, ds_enum_name(DS_LIST_consumer, consumer));
    ds_put_text(out, "\",\"kind\":\"");
    ds_put_text(out, state.kind);
    ds_put_text(out, "\",\"position\":");
    ds_put_decimal(out, (int64_t)state.position);
    ds_put_text(out, ",\"ordinal\":");
    ds_put_decimal(out, state.ordinal);
    ds_put_text(out, ",\"waiting\":");
    ds_put_decimal(out, (int64_t)state.waiting);
    ds_put_text(out, ",\"dead_letters\":");
    ds_put_decimal(out, (int64_t)state.dead_letters);
    ds_put_text(out, "}");
    return DS_OK;
}

enum ds_err ds_route_exports(struct ds_call *call)
{
    ds_put_text(call->out, "{\"items\":[");
    for (int64_t consumer = 1; consumer <= DS_OUTBOX_CONSUMERS && call->office->outbox != NULL;
         consumer++) {
        ds_put_text(call->out, consumer > 1 ? "," : "");
        DS_TRY(put_consumer(call, (enum ds_consumer)consumer));
    }
    ds_put_text(call->out, "]}");
    return DS_OK;
}

/* ---- Answers of a central system ---- */

static json_t *draft_of(const char *type, const char *id, json_t *fields)
{
    json_t *draft = json_pack("{s:s, s:o}", "type", type, "fields", fields);

    if (draft != NULL && id != NULL) {
        (void)json_object_set_new(draft, "id", json_string(id));
    }
    return draft;
}

/* An account is named by its number; its id follows from that. */
static json_t *account_draft(struct ds_call *call, const json_t *account)
{
    const char *number = json_string_value(json_object_get(account, "number"));
    char text[40];
    struct ds_builder hex;
    json_t *fields = json_copy((json_t *)account);

    (void)json_object_del(fields, "id");
    if (number == NULL) {
        return draft_of("account", NULL, fields); /* The schema refuses it by name. */
    }
    const struct ds_id id =
        ds_numbered_id(&call->office->site->station, DS_REC_account, ds_slice_of_text(number));

    ds_builder_init(&hex, text, sizeof(text));
    ds_put_hex(&hex, DS_SLICE_OF(id));
    return draft_of("account", ds_builder_text(&hex), fields);
}

static json_t *drafts_of(struct ds_call *call, int64_t consumer)
{
    json_t *drafts = json_array();
    const json_t *answers = json_object_get(call->body, "answers");
    const json_t *accounts = json_object_get(call->body, "accounts");

    for (size_t i = 0; i < json_array_size(answers); i++) {
        json_t *fields = json_copy(json_array_get(answers, i));

        (void)json_object_del(fields, "id");
        (void)json_object_set_new(fields, "consumer",
                                  json_string(ds_enum_name(DS_LIST_consumer, consumer)));
        (void)json_array_append_new(drafts, draft_of("answer", NULL, fields));
    }
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        (void)json_array_append_new(drafts, account_draft(call, json_array_get(accounts, i)));
    }
    return drafts;
}

enum ds_err ds_route_answers(struct ds_call *call)
{
    int64_t consumer = ds_call_member_word(call, "consumer", DS_LIST_consumer);
    const struct ds_office_actor actor = {.name = ds_enum_name(DS_LIST_consumer, consumer),
                                          .kind = consumer == DS_CONSUMER_billing ? DS_ACTOR_billing
                                                                                  : DS_ACTOR_gis};
    json_t *drafts = drafts_of(call, consumer);
    json_t *answer = NULL;
    enum ds_err err = ds_drafts_write(call->office, &actor, drafts, true, &answer, &call->detail);

    if (err == DS_OK) {
        char *text = json_dumps(answer, JSON_COMPACT);

        ds_put_text(call->out, text != NULL ? text : "");
        err = text != NULL ? DS_OK : DS_ERR_NOMEM;
        free(text);
    }
    json_decref(answer);
    json_decref(drafts);
    return err;
}

/* ---- Reconciliation ---- */

static enum ds_err compare(struct ds_call *call, struct ds_slice csv)
{
    char text[32];
    bool given = false;
    struct ds_date day;
    struct ds_recon_result *result = ds_arena_alloc(call->arena, sizeof(*result));
    int64_t consumer = DS_CONSUMER_billing;

    if (result == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_call_text(call, "consumer", text, sizeof(text), &given));
    if (given) {
        consumer = ds_enum_number(DS_LIST_consumer, ds_slice_of_text(text));
        if (consumer == 0) {
            return ds_call_wrong(call, DS_ERR_USAGE, "consumer: billing or gis");
        }
    }
    DS_TRY(ds_call_text(call, "day", text, sizeof(text), &given));
    if (ds_date_parse(ds_slice_of_text(text), &day) != DS_OK) {
        return ds_call_wrong(call, DS_ERR_USAGE, "day: like 2026-01-05");
    }
    DS_TRY(ds_recon_day(call->office, (enum ds_consumer)consumer, day, csv, result, &call->detail));
    ds_recon_put(call->out, (enum ds_consumer)consumer, day, result);
    return DS_OK;
}

enum ds_err ds_route_reconciliation(struct ds_call *call)
{
    return compare(call, (struct ds_slice){NULL, 0});
}

enum ds_err ds_route_statement(struct ds_call *call)
{
    if (call->request->body.size == 0) {
        return ds_call_wrong(call, DS_ERR_SCHEMA, "the statement is empty");
    }
    return compare(call, call->request->body);
}

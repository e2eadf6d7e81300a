/* handheld --store H read, visit: recording from the command line. */
#include "schema/base/text.h"
#include "tools/cli/commands.h"
#include "tools/cli/handheld_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct recording {
    struct ds_handheld_store store;
    struct ds_handheld_reading reading;
    struct ds_handheld_finding findings[DS_HANDHELD_FINDINGS_MAX];
    size_t count;
    uint8_t *photo;
};

static enum ds_err taken(int error, const struct ds_handheld_detail *why, struct ds_detail *detail)
{
    if (error != DS_E_OK) {
        ds_detail_set(detail, why->text, NULL);
    }
    return ds_err_of_handheld(error);
}

static enum ds_err take_options(struct ds_cli *cli, struct recording *r, struct ds_detail *detail)
{
    struct ds_handheld_reading *reading = &r->reading;
    const int64_t most = INT64_C(999999999999);
    int64_t period = 0;
    DS_TRY(ds_handheld_store_meter(cli, &r->store, &reading->meter, detail));
    DS_TRY(ds_cli_number(cli, "period", 190001, 999912, &period, detail));
    DS_TRY(ds_cli_number(cli, "index", 0, most, &reading->index, detail));
    DS_TRY(ds_handheld_store_word(cli, "method", "method", &reading->method, detail));
    DS_TRY(ds_handheld_store_word(cli, "condition", "condition", &reading->condition, detail));
    DS_TRY(ds_handheld_store_word(cli, "register", "register", &reading->register_kind, detail));
    DS_TRY(ds_handheld_store_word(cli, "estimate-method", "estimate_method",
                                  &reading->estimate_method, detail));
    DS_TRY(ds_handheld_store_position(cli, &reading->position, detail));
    DS_TRY(ds_handheld_store_photo(cli, &r->photo, &reading->photo.size, detail));
    reading->photo.bytes = r->photo;
    reading->period = (int32_t)period;
    reading->has_index = ds_cli_given(cli, "index");
    reading->reason = ds_cli_value(cli, "reason");
    reading->note = ds_cli_value(cli, "note");
    reading->instant_ms = r->store.at_ms;
    return DS_OK;
}

static enum ds_err check(struct recording *r, struct ds_detail *detail)
{
    struct ds_handheld_detail why = {""};
    int error =
        ds_handheld_check_reading(r->store.handheld, &r->reading, r->findings, &r->count, &why);
    return taken(error, &why, detail);
}

/* The gravest thing that a rule asks for. */
static int asked(const struct recording *r)
{
    int ask = DS_HANDHELD_ASK_NOTHING;
    for (size_t i = 0; i < r->count; i++) {
        ask = r->findings[i].ask > ask ? r->findings[i].ask : ask;
    }
    return ask;
}

static void put_findings(struct ds_cli *cli, const struct recording *r)
{
    static const char *const asks[] = {"nothing", "reason", "photo", "blind"};
    json_t *array = json_array();
    for (size_t i = 0; i < r->count; i++) {
        const struct ds_handheld_finding *finding = &r->findings[i];
        const char *severity = ds_handheld_word("severity", finding->severity);
        json_array_append_new(
            array, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "rule", finding->rule,
                             "rule_zh", finding->rule_zh, "why", finding->why, "why_zh",
                             finding->why_zh, "severity", severity != NULL ? severity : "", "ask",
                             asks[finding->ask & 3], "risk_fen", (json_int_t)finding->risk_fen));
        ds_cli_print(cli, "%s: %s (%s)", finding->rule, finding->why, finding->rule_zh);
    }
    ds_cli_put(cli, "findings", array);
}

/* Two numbers of one dial are told apart aloud: whoever typed one wrong shall see which counts. */
static void put_second_look(struct ds_cli *cli, const struct ds_handheld_reading *reading)
{
    if (!reading->has_blind_index) {
        return;
    }
    bool same = reading->blind_index == reading->index;
    ds_cli_put_number(cli, "first_index", reading->blind_index);
    ds_cli_put(cli, "second_look_agrees", json_boolean(same));
    if (same) {
        ds_cli_print(cli, "the second look agrees: %" PRId64, reading->index);
    } else {
        ds_cli_print(cli,
                     "the second look differs: first %" PRId64 ", now %" PRId64
                     "; the second number counts",
                     reading->blind_index, reading->index);
    }
}

static enum ds_exit ask_again(struct ds_cli *cli, const char *what, const char *how)
{
    struct ds_detail detail;
    ds_detail_set(&detail, "a rule wants ", what, ": ", how, NULL);
    ds_cli_put_text(cli, "asks", what);
    return ds_cli_fail(cli, DS_ERR_CONFLICT, &detail);
}

/* What a handheld's screen does: ask the number a second time, blind, and if it stands, a reason or
 * a photo. *done: there is nothing left to ask. */
static enum ds_exit satisfy(struct ds_cli *cli, struct recording *r, bool *done)
{
    struct ds_detail detail = {""};
    struct ds_handheld_reading *reading = &r->reading;
    int64_t again = -1;
    *done = false;
    enum ds_err err = ds_cli_number(cli, "again", 0, INT64_C(999999999999), &again, &detail);
    if (err == DS_OK) {
        err = check(r, &detail);
    }
    if (err == DS_OK && asked(r) == DS_HANDHELD_ASK_BLIND && again >= 0) {
        reading->has_blind_index = true;
        reading->blind_index = reading->index;
        reading->index = again;
        err = check(r, &detail);
    }
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    put_second_look(cli, reading);
    put_findings(cli, r);
    int ask = asked(r);
    if (ask == DS_HANDHELD_ASK_BLIND && !reading->has_blind_index) {
        return ask_again(cli, "blind",
                         "read the dial again without looking at the first number, "
                         "and give it as --again N");
    }
    bool answered = (reading->reason != NULL) || (r->photo != NULL && ask != DS_HANDHELD_ASK_PHOTO);
    if (ask != DS_HANDHELD_ASK_NOTHING && !answered) {
        return ask == DS_HANDHELD_ASK_PHOTO
                   ? ask_again(cli, "photo", "give a new --photo FILE, or --reason WHY")
                   : ask_again(cli, "reason", "give --reason WHY, or --photo FILE");
    }
    *done = true;
    return DS_EXIT_OK;
}

static enum ds_exit read_meter(struct ds_cli *cli, struct recording *r)
{
    struct ds_detail detail = {""};
    struct ds_handheld_detail why = {""};
    struct ds_handheld_id op;
    char text[33];
    bool done = false;
    enum ds_err err = take_options(cli, r, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    enum ds_exit code = satisfy(cli, r, &done);
    if (!done) {
        return code;
    }
    int error = ds_handheld_record_reading(r->store.handheld, &r->reading, &op, &why);
    err = taken(error, &why, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_handheld_id_print(&op, text);
    ds_cli_put_text(cli, "op", text);
    if (r->reading.has_index) {
        ds_cli_put_number(cli, "index", r->reading.index);
    }
    if (r->reading.has_index) {
        ds_cli_print(cli, "recorded %" PRId64 " as %s; it is durable here and will be sent",
                     r->reading.index, text);
    } else {
        ds_cli_print(cli, "recorded as %s; it is durable here and will be sent", text);
    }
    return DS_EXIT_OK;
}

/* Open, record, close; what is remembered of a photo is freed. */
static enum ds_exit record(struct ds_cli *cli,
                           enum ds_exit (*run)(struct ds_cli *cli, struct recording *r))
{
    struct ds_detail detail = {""};
    struct recording *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return ds_cli_fail(cli, DS_ERR_NOMEM, NULL);
    }
    enum ds_exit code = DS_EXIT_FAILED;
    enum ds_err err = ds_handheld_store_open(cli, DS_HANDHELD_USE_WORK, &r->store, &detail);
    if (err != DS_OK) {
        code = ds_cli_fail(cli, err, &detail);
    } else {
        code = run(cli, r);
        ds_handheld_store_close(&r->store);
    }
    free(r->photo);
    free(r);
    return code;
}

enum ds_exit ds_cmd_handheld_read(struct ds_cli *cli)
{
    return record(cli, read_meter);
}

static enum ds_exit visit_meter(struct ds_cli *cli, struct recording *r)
{
    struct ds_detail detail = {""};
    struct ds_handheld_detail why = {""};
    struct ds_handheld_visit visit = {.slip = ds_cli_given(cli, "slip"),
                                      .note = ds_cli_value(cli, "note"),
                                      .instant_ms = r->store.at_ms};
    struct ds_handheld_id op;
    char text[33];
    int64_t period = 0;
    enum ds_err err = ds_handheld_store_meter(cli, &r->store, &visit.meter, &detail);
    if (err == DS_OK) {
        err = ds_handheld_store_word(cli, "outcome", "visit_outcome", &visit.outcome, &detail);
    }
    if (err == DS_OK) {
        err = ds_cli_number(cli, "period", 190001, 999912, &period, &detail);
    }
    if (err == DS_OK) {
        err = ds_handheld_store_position(cli, &visit.position, &detail);
    }
    if (err == DS_OK) {
        err = ds_handheld_store_photo(cli, &r->photo, &visit.photo.size, &detail);
    }
    if (err == DS_OK) {
        visit.photo.bytes = r->photo;
        visit.period = (int32_t)period;
        err = taken(ds_handheld_record_visit(r->store.handheld, &visit, &op, &why), &why, &detail);
    }
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    ds_handheld_id_print(&op, text);
    ds_cli_put_text(cli, "op", text);
    ds_cli_print(cli, "recorded as %s", text);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_handheld_visit(struct ds_cli *cli)
{
    return record(cli, visit_meter);
}

/* doorstep.h: recording. Each function is one write transaction. */
#include "handheld-sdk/src/draft.h"
#include "handheld-sdk/src/meterview.h"
#include "schema/rules/steps.h"

#include <string.h>

static const struct ds_id no_id;

/* Begin: lock, open vault, transaction. */
static enum ds_err begin(struct ds_handheld *h, struct ds_txn **txn)
{
    DS_TRY(ds_hand_enter(h, DS_OPEN_WORK));
    enum ds_err err = ds_hand_begin(h, txn);
    return err == DS_OK ? DS_OK : (enum ds_err)ds_hand_leave(h, err);
}

static int end(struct ds_handheld *h, struct ds_txn *txn, enum ds_err err)
{
    return ds_hand_leave(h, ds_hand_end(h, txn, err));
}

static void tell_op(enum ds_err err, const struct ds_id *made, struct ds_handheld_id *op)
{
    if (err == DS_OK && op != NULL) {
        *op = ds_id_to_public(made);
    }
}

int ds_handheld_record_reading(struct ds_handheld *h, const struct ds_handheld_reading *reading,
                               struct ds_handheld_id *op, struct ds_handheld_detail *detail)
{
    struct ds_txn *txn;
    struct ds_reading record;
    struct ds_id made;
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    err = ds_draft_reading(h, txn, reading, &record, ds_detail_of(detail));
    err = err != DS_OK ? err : ds_draft_photo(h, txn, &reading->photo);
    err = err != DS_OK ? err
                       : ds_draft_commit(h, txn, DS_REC_reading, &no_id, &record, &made,
                                         ds_detail_of(detail));
    tell_op(err, &made, op);
    return end(h, txn, err);
}

int ds_handheld_record_visit(struct ds_handheld *h, const struct ds_handheld_visit *visit,
                             struct ds_handheld_id *op, struct ds_handheld_detail *detail)
{
    struct ds_txn *txn;
    struct ds_visit record;
    struct ds_id made;
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    err = ds_draft_visit(h, txn, visit, &record, ds_detail_of(detail));
    err = err != DS_OK ? err : ds_draft_photo(h, txn, &visit->photo);
    err = err != DS_OK
              ? err
              : ds_draft_commit(h, txn, DS_REC_visit, &no_id, &record, &made, ds_detail_of(detail));
    tell_op(err, &made, op);
    return end(h, txn, err);
}

int ds_handheld_record_swap(struct ds_handheld *h, const struct ds_handheld_swap *swap,
                            struct ds_handheld_id *op, struct ds_handheld_detail *detail)
{
    struct ds_txn *txn;
    struct ds_swap record;
    struct ds_id made;
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    err = ds_draft_swap(h, txn, swap, &record, ds_detail_of(detail));
    err = err != DS_OK ? err : ds_draft_photo(h, txn, &swap->photo);
    err = err != DS_OK
              ? err
              : ds_draft_commit(h, txn, DS_REC_swap, &no_id, &record, &made, ds_detail_of(detail));
    tell_op(err, &made, op);
    return end(h, txn, err);
}

static void fill_meter(const struct ds_handheld_new_meter *draft, struct ds_meter *record)
{
    struct ds_id premises = ds_id_of_public(&draft->premises);
    struct ds_id book = ds_id_of_public(&draft->book);
    memset(record, 0, sizeof(*record));
    DS_SET(record, meter, meter_no, ds_slice_of_text(draft->meter_no));
    if (draft->manufacturer != NULL) {
        DS_SET(record, meter, manufacturer, ds_slice_of_text(draft->manufacturer));
    }
    if (draft->place != NULL) {
        DS_SET(record, meter, place, ds_slice_of_text(draft->place));
    }
    if (!ds_id_is_none(&premises)) {
        DS_SET(record, meter, premises, premises);
    }
    if (!ds_id_is_none(&book)) {
        DS_SET(record, meter, book, book);
    }
    if (draft->kind != 0) {
        DS_SET(record, meter, kind, draft->kind);
    }
    if (draft->dial_digits != 0) {
        DS_SET(record, meter, dial_digits, draft->dial_digits);
    }
}

int ds_handheld_record_meter(struct ds_handheld *h, const struct ds_handheld_new_meter *draft,
                             struct ds_handheld_id *meter, struct ds_handheld_detail *detail)
{
    struct ds_txn *txn;
    struct ds_meter record;
    struct ds_id made;
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    fill_meter(draft, &record);
    err = ds_draft_commit(h, txn, DS_REC_meter, &no_id, &record, &made, ds_detail_of(detail));
    tell_op(err, &made, meter);
    return end(h, txn, err);
}

static enum ds_err edit(struct ds_handheld *h, struct ds_txn *txn,
                        const struct ds_handheld_edits *edits, struct ds_id *made,
                        struct ds_detail *detail)
{
    uint8_t type;
    void *record;
    struct ds_overlaid overlaid;
    struct ds_id entity = ds_id_of_public(&edits->id);
    DS_TRY(ds_draft_edit(h, txn, edits, &type, &record, detail));
    DS_TRY(ds_overlay(h, txn, type, &entity, &overlaid));
    return ds_draft_commit(h, txn, type, &entity, record, made, detail);
}

int ds_handheld_record_edit(struct ds_handheld *h, const struct ds_handheld_edits *edits,
                            struct ds_handheld_id *op, struct ds_handheld_detail *detail)
{
    struct ds_txn *txn;
    struct ds_id made;
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    err = edit(h, txn, edits, &made, ds_detail_of(detail));
    tell_op(err, &made, op);
    return end(h, txn, err);
}

static enum ds_err step(struct ds_handheld *h, struct ds_txn *txn,
                        const struct ds_handheld_task_step *draft, struct ds_id *made,
                        struct ds_detail *detail)
{
    struct ds_task now;
    struct ds_task record = {0};
    struct ds_id task = ds_id_of_public(&draft->task);
    struct ds_id result = ds_id_of_public(&draft->result);
    DS_TRY(ds_overlay_record(h, txn, DS_REC_task, &task, &now, NULL));
    if (!ds_task_step_ok(now.state, draft->state)) {
        const char *from = ds_enum_term(DS_LIST_task_state, now.state);
        const char *word = ds_enum_name(DS_LIST_task_state, now.state);
        ds_detail_set(detail, "task.state: no such step from ", word != NULL ? word : "?", " ",
                      from != NULL ? from : "?", NULL);
        return DS_ERR_CONFLICT;
    }
    DS_SET(&record, task, state, draft->state);
    if (draft->reason != NULL) {
        DS_SET(&record, task, reason, ds_slice_of_text(draft->reason));
    }
    if (!ds_id_is_none(&result)) {
        DS_SET(&record, task, result, result);
    }
    return ds_draft_commit(h, txn, DS_REC_task, &task, &record, made, detail);
}

int ds_handheld_record_task(struct ds_handheld *h, const struct ds_handheld_task_step *draft,
                            struct ds_handheld_id *op, struct ds_handheld_detail *detail)
{
    struct ds_txn *txn;
    struct ds_id made;
    enum ds_err err = begin(h, &txn);
    if (err != DS_OK) {
        return (int)err;
    }
    err = step(h, txn, draft, &made, ds_detail_of(detail));
    tell_op(err, &made, op);
    return end(h, txn, err);
}

/* ---- Would the rules look twice? ---- */

static void tell_finding(const struct ds_finding *finding, struct ds_handheld_finding *out)
{
    struct ds_builder inputs;
    _Static_assert(sizeof(out->inputs) >= DS_FINDING_TEXT_SIZE, "the text fits");
    *out = (struct ds_handheld_finding){.rule = ds_enum_name(DS_LIST_rule, finding->rule),
                                        .rule_zh = ds_rule_term(finding->rule),
                                        .why = ds_why_text(finding->why),
                                        .why_zh = ds_why_term(finding->why),
                                        .severity = (int)finding->severity,
                                        .ask = (int)ds_finding_asks(finding),
                                        .risk_fen = finding->risk_fen};
    ds_builder_init(&inputs, out->inputs, sizeof(out->inputs));
    ds_finding_put_inputs(finding, &inputs);
    (void)ds_builder_text(&inputs);
}

/* The draft competes as if it had been recorded now. Told is what concerns it, or the slot that it
 * would fill. */
static enum ds_err check(struct ds_handheld *h, struct ds_txn *txn,
                         const struct ds_handheld_reading *draft, struct ds_handheld_finding *out,
                         size_t *count, struct ds_detail *detail)
{
    struct ds_reading record;
    struct ds_meterview *view;
    struct ds_findings *findings;
    DS_TRY(ds_draft_reading(h, txn, draft, &record, detail));
    DS_TRY(ds_validate(ds_record_type_by_number(DS_REC_reading), &record, true, NULL, detail));
    DS_TRY(ds_meterview_load(h, txn, &record.meter, (int32_t)record.period, draft->register_kind,
                             &view));
    struct ds_id op = ds_own_next_id(h);
    size_t place = view->candidate_count++;
    ds_candidate_of(&record, &op, &h->identity.worker, &view->candidates[place]);
    DS_TRY(ds_meterview_rules(h, txn, view, &findings));
    bool chosen = findings->chosen == place;
    for (size_t i = 0; i < findings->count; i++) {
        const struct ds_finding *finding = &findings->finding[i];
        bool mine = ds_id_equal(&finding->op, &op);
        bool of_slot = ds_id_is_none(&finding->op) && chosen;
        if (mine || of_slot || finding->rule == DS_RULE_readings_disagree) {
            tell_finding(finding, &out[(*count)++]);
        }
    }
    return DS_OK;
}

int ds_handheld_check_reading(struct ds_handheld *h, const struct ds_handheld_reading *reading,
                              struct ds_handheld_finding *findings, size_t *count,
                              struct ds_handheld_detail *detail)
{
    struct ds_txn *txn;
    enum ds_err err = ds_hand_enter(h, DS_OPEN_PULLED);
    if (err != DS_OK) {
        return (int)err;
    }
    *count = 0;
    err = ds_store_begin(h->store, false, &txn);
    if (err == DS_OK) {
        err = check(h, txn, reading, findings, count, ds_detail_of(detail));
        ds_txn_abort(txn);
    }
    return ds_hand_leave(h, err);
}

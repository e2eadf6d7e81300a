/* Anomalies are a pure function of the slot and its neighbours: one row per (rule, slot), compared
 * with what stands and written anew each time. */
#include "sync/core/slot_impl.h"

_Static_assert(DS_RULE_COUNT < 64, "a slot keeps a bit per rule");

static enum ds_err put_anomaly(struct ds_fold *fold, struct ds_slot_work *work,
                               const struct ds_finding *finding, const struct ds_id *id)
{
    struct ds_slot_full *slot = work->slot;
    struct ds_anomaly *row = DS_FOLD_NEW(fold, struct ds_anomaly);
    uint8_t *text = ds_arena_alloc(fold->arena, DS_FINDING_TEXT_SIZE);
    if (row == NULL || text == NULL) {
        return DS_ERR_NOMEM;
    }
    struct ds_builder builder;
    struct ds_slice inputs;
    ds_builder_init(&builder, text, DS_FINDING_TEXT_SIZE);
    ds_finding_put_inputs(finding, &builder);
    DS_TRY(ds_builder_end(&builder, &inputs));
    bool open = !ds_slot_decision_holds(work);
    DS_SET(row, anomaly, rule, finding->rule);
    DS_SET(row, anomaly, slot, slot->id);
    DS_SET(row, anomaly, meter, slot->meter);
    DS_SET(row, anomaly, period, slot->period);
    DS_SET(row, anomaly, severity, finding->severity);
    DS_SET(row, anomaly, state, open ? DS_ANOMALY_open : DS_ANOMALY_decided);
    DS_SET(row, anomaly, inputs, inputs);
    DS_SET(row, anomaly, version, finding->version);
    DS_SET(row, anomaly, risk_fen, finding->risk_fen);
    if (slot->has_book) {
        DS_SET(row, anomaly, book, slot->book);
    }
    if (!ds_id_is_none(&finding->op)) {
        DS_SET(row, anomaly, reading, finding->op);
    }
    slot->open_anomalies += open;
    DS_TRY(ds_fold_queue(fold, DS_REC_anomaly, id, finding->risk_fen,
                         open && finding->severity != DS_SEVERITY_note));
    DS_TRY(ds_fold_put_record(fold, DS_REC_anomaly, id, row));
    uint64_t bit = UINT64_C(1) << finding->rule;
    bool linked = (slot->marked & bit) != 0;
    slot->marked |= bit;
    slot->standing |= bit;
    return linked ? DS_OK
                  : ds_fold_link(fold, DS_LINK_SLOT_ANOMALY, &slot->id, (uint32_t)finding->rule, id,
                                 DS_REC_anomaly);
}

/* Anomalies that no rule finds any more are gone; they stay as rows, for somebody saw them. */
static enum ds_err close_anomaly(struct ds_fold *fold, const struct ds_id *id)
{
    struct ds_anomaly *row = DS_FOLD_NEW(fold, struct ds_anomaly);
    if (row == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_record_load(fold->txn, DS_REC_anomaly, id, fold->arena, row));
    DS_TRY(ds_fold_queue(fold, DS_REC_anomaly, id, DS_GET(row, anomaly, risk_fen, 0), false));
    if (row->state == DS_ANOMALY_gone) {
        return DS_OK;
    }
    DS_SET(row, anomaly, state, DS_ANOMALY_gone);
    return ds_fold_put_record(fold, DS_REC_anomaly, id, row);
}

enum ds_err ds_slot_update_anomalies(struct ds_fold *fold, struct ds_slot_work *work)
{
    struct ds_slot_full *slot = work->slot;
    slot->open_anomalies = 0;
    for (uint8_t rule = 1; slot->standing >> rule != 0; rule++) {
        bool stands = (slot->standing >> rule & 1) != 0;
        if (stands && ds_findings_of(&work->findings, (enum ds_rule)rule) == NULL) {
            struct ds_id id = ds_anomaly_id(&fold->meta->station, &slot->id, rule);
            size_t mark = ds_arena_mark(fold->arena);
            DS_TRY(close_anomaly(fold, &id));
            ds_arena_rewind(fold->arena, mark);
            slot->standing &= ~(UINT64_C(1) << rule);
        }
    }
    for (size_t i = 0; i < work->findings.count; i++) {
        const struct ds_finding *finding = &work->findings.finding[i];
        struct ds_id id = ds_anomaly_id(&fold->meta->station, &slot->id, (uint8_t)finding->rule);
        size_t mark = ds_arena_mark(fold->arena);
        DS_TRY(put_anomaly(fold, work, finding, &id));
        ds_arena_rewind(fold->arena, mark);
    }
    return DS_OK;
}

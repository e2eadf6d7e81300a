/* doorstep.h: what became of my work. */
#include "handheld-sdk/src/ask.h"
#include "handheld-sdk/src/overlay.h"
#include "handheld-sdk/src/telling.h"
#include "schema/codec/record_mp.h"

#include <string.h>

/* ---- Status. ---- */

static void fill_receipt(const struct ds_handheld *h, struct ds_handheld_status *status)
{
    struct ds_builder text;
    ds_builder_init(&text, status->receipt, sizeof(status->receipt));
    ds_put_grouped(&text, status->received);
    ds_put_text(&text, " of ");
    ds_put_grouped(&text, status->recorded);
    ds_put_text(&text, " received");
    if (h->contact.receipt_position > 0) {
        ds_put_text(&text, ", position ");
        ds_put_grouped(&text, h->contact.receipt_position);
    }
    (void)ds_builder_text(&text);
}

static enum ds_err fill_life(struct ds_handheld *h, struct ds_txn *txn,
                             struct ds_handheld_status *status)
{
    const struct ds_writer *writer = &h->writer;
    struct ds_own_life life = {.first_order = 1};
    if (writer->life > 0) {
        DS_TRY(ds_own_life_load(h, txn, writer->life, &life));
    }
    memcpy(status->incarnation, writer->incarnation.byte, sizeof(status->incarnation));
    status->lives = writer->life;
    status->recorded = writer->seq;
    status->received =
        writer->acked_order > life.first_order ? writer->acked_order - life.first_order : 0;
    status->unsent = writer->next_order - writer->acked_order;
    status->oldest_unsent_ms = writer->oldest_unsent_ms;
    if (status->locked) { /* What was delivered sealed is known by the outbox alone. */
        DS_TRY(ds_ask_outbox_count(h, txn, &status->unsent));
    }
    return DS_OK;
}

static enum ds_err count_relayed(struct ds_txn *txn, uint64_t *count)
{
    uint64_t number = 0;
    *count = 0;
    for (;;) {
        struct ds_slice value;
        enum ds_err err = ds_kept_next(txn, DS_KEPT_RELAY, number, &number, &value);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        number++;
        ++*count;
    }
}

static void fill_history(const struct ds_handheld *h, struct ds_handheld_status *status)
{
    const struct ds_doubt *doubt = &h->witness.doubt;
    status->epoch = h->contact.epoch;
    status->head_size = h->contact.head_size;
    memcpy(status->head_root, h->contact.head_root.byte, sizeof(status->head_root));
    status->proved_size = h->witness.proved.size;
    status->proved_ms = h->witness.proved_ms;
    status->history_doubted = doubt->open;
    status->history = (int)doubt->kind;
    status->doubts = doubt->count;
    status->doubt_ms = h->witness.doubt_ms;
    status->doubt_size = doubt->size;
    status->shown_size = doubt->shown_size;
    memcpy(status->shown_root, doubt->shown_root.byte, sizeof(status->shown_root));
}

static enum ds_err fill_status(struct ds_handheld *h, struct ds_handheld_status *status)
{
    const struct ds_contact *contact = &h->contact;
    struct ds_txn *txn;
    memset(status, 0, sizeof(*status));
    status->enrolled = h->identity.enrolled == DS_ENROLLED_YES;
    status->locked = !h->vault.open;
    status->lapsed = ds_vault_lapsed(&h->vault);
    status->lease_left_ms = ds_vault_lease_left_ms(&h->vault);
    status->contact_wanted = ds_vault_wants_contact(&h->vault);
    status->commands = contact->commands;
    status->device = ds_id_to_public(&h->identity.device);
    status->station = ds_id_to_public(&h->identity.station);
    status->worker = ds_id_to_public(&h->identity.worker);
    status->receipt_position = contact->receipt_position;
    status->receipt_ms = contact->receipt_ms;
    status->contact_ms = contact->contact_ms;
    fill_history(h, status);
    status->retry_ms = contact->retry_ms;
    status->refetches = contact->refetches;
    memcpy(status->problem, contact->problem, sizeof(status->problem));
    DS_TRY(ds_vault_wait_ms(&h->vault, &status->pin_wait_ms));
    status->wrong_pins = h->vault.wrong;
    DS_TRY(ds_store_begin(h->store, false, &txn));
    enum ds_err err = fill_life(h, txn, status);
    err = err != DS_OK ? err : count_relayed(txn, &status->relayed);
    ds_txn_abort(txn);
    fill_receipt(h, status);
    return err;
}

int ds_handheld_status(struct ds_handheld *h, struct ds_handheld_status *status)
{
    enum ds_err err = ds_hand_enter(h, DS_OPEN_NONE);
    return err != DS_OK ? (int)err : ds_hand_leave(h, fill_status(h, status));
}

static enum ds_err scrub_values(struct ds_handheld *h, uint64_t *values, uint64_t *bad,
                                struct ds_detail *detail)
{
    struct ds_txn *txn;
    DS_TRY(ds_store_scrub(h->store, values, bad, detail));
    DS_TRY(ds_store_begin(h->store, false, &txn));
    enum ds_err err = ds_safe_scrub(&h->vault, txn, bad);
    ds_txn_abort(txn);
    if (err == DS_ERR_INTEGRITY) {
        ds_detail_set(detail, "values are whole, and do not open with this vault's keys", NULL);
    }
    return err;
}

static enum ds_err mend(struct ds_handheld *h)
{
    struct ds_txn *txn;
    uint64_t dropped;
    DS_TRY(ds_hand_begin(h, &txn));
    return ds_hand_end(h, txn, ds_replica_mend(h, txn, &dropped));
}

/* Values first; then, if the vault is open, whether the replica still holds what was delivered. A
 * scope that does not agree, or that had a damaged row, is fetched anew by the next exchange. */
static enum ds_err scrub(struct ds_handheld *h, uint64_t *values, uint64_t *bad,
                         struct ds_detail *detail)
{
    struct ds_txn *txn;
    enum ds_err err = scrub_values(h, values, bad, detail);
    if (err == DS_ERR_INTEGRITY && h->vault.pulled.open) {
        (void)mend(h); /* Where that fails, too, the next call tells. */
    }
    if (err != DS_OK || !h->vault.pulled.open) {
        return err;
    }
    DS_TRY(ds_hand_begin(h, &txn));
    DS_TRY(ds_hand_end(h, txn, ds_replica_audit(h, txn, bad)));
    if (*bad > 0) {
        ds_detail_set(detail, "rows are missing; they are fetched anew", NULL);
    }
    return *bad > 0 ? DS_ERR_INTEGRITY : DS_OK;
}

int ds_handheld_scrub(struct ds_handheld *h, uint64_t *values, uint64_t *bad,
                      struct ds_handheld_detail *detail)
{
    enum ds_err err = ds_hand_enter(h, DS_OPEN_NONE);
    if (err != DS_OK) {
        return (int)err;
    }
    *values = 0;
    *bad = 0;
    return ds_hand_leave(h, scrub(h, values, bad, ds_detail_of(detail)));
}

/* ---- The log of own ops. ---- */

static enum ds_err verdict_of(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *op,
                              struct ds_verdict *verdict, bool *found)
{
    struct ds_id id = ds_verdict_id(&h->identity.station, DS_REC_verdict, op);
    enum ds_err err = ds_replica_record(h, txn, DS_REC_verdict, &id, verdict);
    *found = err == DS_OK;
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

/* The pulled row that an op's effect would change. */
static enum ds_err lies_over(struct ds_handheld *h, struct ds_txn *txn, const struct ds_own_op *op,
                             bool *lies)
{
    struct ds_held_row row;
    bool on_meter = op->type == DS_REC_reading || op->type == DS_REC_swap;
    bool on_premises = op->type == DS_REC_visit;
    uint8_t type = on_meter ? DS_REC_meter : on_premises ? DS_REC_premises : op->type;
    const struct ds_id *id = on_meter || on_premises ? &op->subjects[0] : &op->entity;
    enum ds_err err = ds_replica_row(h, txn, type, id, &row);
    *lies = ds_replica_lies_over(h, &row, op);
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static enum ds_err fill_entry(struct ds_handheld *h, struct ds_txn *txn, const struct ds_own_op *op,
                              struct ds_handheld_log_entry *entry)
{
    struct ds_verdict verdict;
    struct ds_own_life life;
    bool has_verdict;
    char *text = ds_arena_alloc(&h->arena, (size_t)2 * DS_SENTENCE_SIZE);
    if (text == NULL) {
        return DS_ERR_LIMIT;
    }
    const struct ds_record_type *type = ds_record_type_by_number(op->type);
    memset(entry, 0, sizeof(*entry));
    DS_TRY(ds_own_life_load(h, txn, op->life, &life));
    entry->op = ds_id_to_public(&op->id);
    entry->seq = op->seq;
    memcpy(entry->incarnation, life.incarnation.byte, sizeof(entry->incarnation));
    entry->type = op->type;
    entry->record = type != NULL ? type->name : "";
    entry->entity = ds_id_to_public(&op->entity);
    if (op->type == DS_REC_reading || op->type == DS_REC_swap) {
        entry->meter = ds_id_to_public(&op->subjects[0]);
    } else if (op->type == DS_REC_visit) {
        entry->meter = ds_id_to_public(&op->subjects[1]);
    }
    entry->instant_ms = op->committed_ms;
    entry->state = op->acked                         ? DS_HANDHELD_ACKNOWLEDGED
                   : op->order < h->writer.cut_order ? DS_HANDHELD_SEALED
                                                     : DS_HANDHELD_PENDING;
    entry->position = op->position;
    DS_TRY(lies_over(h, txn, op, &entry->overlaid));
    DS_TRY(verdict_of(h, txn, &op->id, &verdict, &has_verdict));
    entry->verdict = has_verdict ? (int)verdict.verdict : 0;
    struct ds_telling telling = {op, has_verdict ? &verdict : NULL, entry->state, op->position};
    DS_TRY(ds_tell(h, txn, &telling, false, text));
    DS_TRY(ds_tell(h, txn, &telling, true, text + DS_SENTENCE_SIZE));
    entry->sentence = text;
    entry->sentence_zh = text + DS_SENTENCE_SIZE;
    return DS_OK;
}

static enum ds_err each_op(struct ds_handheld *h, struct ds_txn *txn, uint64_t from,
                           ds_handheld_each_log_entry *each, void *context)
{
    bool on = true;
    while (on) {
        struct ds_own_op op;
        struct ds_handheld_log_entry entry;
        struct ds_slice value;
        uint64_t order;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_kept_next(txn, DS_KEPT_OP, from, &order, &value));
        DS_TRY(ds_own_load(h, txn, order, &op));
        DS_TRY(fill_entry(h, txn, &op, &entry));
        on = each(context, &entry);
        ds_arena_rewind(&h->arena, mark);
        from = order + 1;
    }
    return DS_OK;
}

int ds_handheld_log(struct ds_handheld *h, bool unsent_only, ds_handheld_each_log_entry *each,
                    void *context)
{
    struct ds_txn *txn;
    enum ds_err err = ds_hand_enter(h, DS_OPEN_WORK);
    if (err != DS_OK) {
        return (int)err;
    }
    err = ds_store_begin(h->store, false, &txn);
    if (err == DS_OK) {
        err = each_op(h, txn, unsent_only ? h->writer.acked_order : 0, each, context);
        ds_txn_abort(txn);
    }
    return ds_hand_leave(h, err == DS_ERR_NOT_FOUND ? DS_OK : err);
}

/* ---- Verdicts. ---- */

/* The own op of an id: its life by name, then by sequence. DS_ERR_NOT_FOUND. */
static enum ds_err own_by_id(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *id,
                             struct ds_own_op *op)
{
    struct ds_key walk = ds_own_about(id);
    uint8_t type;
    uint64_t order;
    enum ds_err err = ds_own_next_order(txn, &walk, &type, &order);
    while (err == DS_OK) { /* An event is found by its own id; an edit by its entity. */
        DS_TRY(ds_own_load(h, txn, order, op));
        if (ds_id_equal(&op->id, id)) {
            return DS_OK;
        }
        err = ds_own_next_order(txn, &walk, &type, &order);
    }
    return err;
}

static enum ds_err find_op(struct ds_handheld *h, struct ds_txn *txn,
                           const struct ds_verdict *verdict, struct ds_own_op *op, bool *found)
{
    enum ds_err err = own_by_id(h, txn, &verdict->op, op);
    if (err == DS_ERR_NOT_FOUND && DS_HAS(verdict, verdict, entity)) {
        struct ds_key walk = ds_own_about(&verdict->entity);
        do {
            err = ds_own_next(h, txn, &walk, op);
        } while (err == DS_OK && !ds_id_equal(&op->id, &verdict->op));
    }
    *found = err == DS_OK;
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static enum ds_err fill_verdict(struct ds_handheld *h, struct ds_txn *txn,
                                const struct ds_held_row *row, struct ds_handheld_verdict *out)
{
    static const struct ds_id no_id;
    struct ds_verdict verdict;
    struct ds_own_op op;
    bool found;
    char *text = ds_arena_alloc(&h->arena, (size_t)3 * DS_SENTENCE_SIZE);
    if (text == NULL) {
        return DS_ERR_LIMIT;
    }
    memset(out, 0, sizeof(*out));
    DS_TRY(ds_record_decode(ds_record_type_by_number(DS_REC_verdict), row->fields, &h->arena,
                            &verdict, NULL));
    struct ds_id entity = DS_GET(&verdict, verdict, entity, no_id);
    out->op = ds_id_to_public(&verdict.op);
    out->entity = ds_id_to_public(&entity);
    out->entity_type = (int)DS_GET(&verdict, verdict, entity_type, 0);
    out->verdict = (int)verdict.verdict;
    out->reason = (int)DS_GET(&verdict, verdict, reason, 0);
    out->position = row->position;
    if (DS_HAS(&verdict, verdict, detail) && verdict.detail.size < DS_SENTENCE_SIZE) {
        memcpy(text + (size_t)2 * DS_SENTENCE_SIZE, verdict.detail.data, verdict.detail.size);
    }
    DS_TRY(find_op(h, txn, &verdict, &op, &found));
    struct ds_telling telling = {.op = found ? &op : NULL, .verdict = &verdict};
    DS_TRY(ds_tell(h, txn, &telling, false, text));
    DS_TRY(ds_tell(h, txn, &telling, true, text + DS_SENTENCE_SIZE));
    out->sentence = text;
    out->sentence_zh = text + DS_SENTENCE_SIZE;
    out->detail = text + (size_t)2 * DS_SENTENCE_SIZE;
    return DS_OK;
}

static enum ds_err each_verdict(struct ds_handheld *h, struct ds_txn *txn,
                                ds_handheld_each_verdict *each, void *context)
{
    struct ds_held_row row;
    bool on = true;
    memset(&row, 0, sizeof(row));
    row.type = DS_REC_verdict;
    while (on) {
        struct ds_handheld_verdict verdict;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_replica_next(h, txn, &row));
        if (row.type != DS_REC_verdict) {
            return DS_OK;
        }
        DS_TRY(fill_verdict(h, txn, &row, &verdict));
        on = each(context, &verdict);
        ds_arena_rewind(&h->arena, mark);
        on = on && ds_replica_step(&row);
    }
    return DS_OK;
}

int ds_handheld_verdicts(struct ds_handheld *h, ds_handheld_each_verdict *each, void *context)
{
    struct ds_txn *txn;
    enum ds_err err = ds_hand_enter(h, DS_OPEN_PULLED);
    if (err != DS_OK) {
        return (int)err;
    }
    err = ds_store_begin(h->store, false, &txn);
    if (err == DS_OK) {
        err = each_verdict(h, txn, each, context);
        ds_txn_abort(txn);
    }
    return ds_hand_leave(h, err == DS_ERR_NOT_FOUND ? DS_OK : err);
}

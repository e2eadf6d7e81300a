/* What follows from an event: slots, tasks, deliveries. */
#include "schema/codec/msgpack.h"
#include "sync/core/fold.h"
#include "sync/core/slot.h"

static enum ds_err decode_event(struct ds_fold *fold, void *record)
{
    const struct ds_record_type *type = ds_record_type_by_number(fold->op->type);
    return ds_record_decode_scanned(type, fold->op->fields, fold->arena, record, NULL);
}

enum { HOPS_MAX = 64 };

/* The meter an event is about: a merged one stands for the real one. NOT_FOUND: orphan. */
static enum ds_err resolve_meter(struct ds_fold *fold, const struct ds_id *id, struct ds_id *real)
{
    *real = *id;
    for (size_t hops = 0; hops < HOPS_MAX; hops++) {
        const struct ds_facts *facts = NULL;
        DS_TRY(ds_desk_meter(fold, real, &facts));
        if (!facts->exists) {
            return DS_ERR_NOT_FOUND;
        }
        if (!facts->merged) {
            return DS_OK;
        }
        *real = facts->merged_into;
    }
    return DS_OK;
}

static enum ds_err orphaned(struct ds_told *told, const char *what)
{
    told->verdict = DS_VERDICT_orphan;
    told->reason = DS_QUARANTINE_orphan;
    told->detail = what;
    return DS_OK;
}

/* Is a task open at any meter? Most days none is, and then no reading looks for its own. */
static enum ds_err any_task(struct ds_fold *fold, bool *any)
{
    struct ds_desk *desk = fold->desk;
    if (!desk->tasks_known) {
        static const struct ds_id none;
        struct ds_key key = ds_link_first(DS_LINK_METER_TASK, &none);
        struct ds_slice found;
        struct ds_slice value;
        enum ds_err err =
            ds_txn_at_or_after(fold->txn, DS_TABLE_LINK, ds_key_slice(&key), &found, &value);
        if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
            return err;
        }
        desk->tasks_open = err == DS_OK && found.data[0] == DS_LINK_METER_TASK;
        desk->tasks_known = true;
    }
    *any = desk->tasks_open;
    return DS_OK;
}

/* An open task at the meter that this reading fulfils: the one it names, or one to read it that
 * its writer had before him. What was read before the order came answers nothing. */
static enum ds_err fulfil_tasks(struct ds_fold *fold, const struct ds_id *meter,
                                const struct ds_reading *reading)
{
    struct ds_key key = ds_link_first(DS_LINK_METER_TASK, meter);
    bool any = false;
    DS_TRY(any_task(fold, &any));
    if (!any) {
        return DS_OK;
    }
    for (;;) {
        uint32_t order = 0;
        uint8_t type = 0;
        struct ds_id id;
        enum ds_err err = ds_link_next(fold->txn, &key, &order, &id, &type);
        if (err == DS_ERR_NOT_FOUND) {
            return DS_OK;
        }
        DS_TRY(err);
        size_t mark = ds_arena_mark(fold->arena);
        struct ds_task *task = DS_FOLD_NEW(fold, struct ds_task);
        struct ds_row_state *row = DS_FOLD_NEW(fold, struct ds_row_state);
        if (task == NULL || row == NULL) {
            return DS_ERR_NOMEM;
        }
        DS_TRY(ds_row_load(fold->txn, DS_REC_task, &id, fold->arena, row));
        DS_TRY(ds_record_load(fold->txn, DS_REC_task, &id, fold->arena, task));
        bool named = DS_HAS(reading, reading, task) && ds_id_equal(&reading->task, &id);
        bool fits = (task->kind == DS_TASK_KIND_re_read || task->kind == DS_TASK_KIND_read) &&
                    DS_GET(task, task, period, reading->period) == reading->period &&
                    reading->method == DS_METHOD_on_site && DS_HAS(reading, reading, index) &&
                    fold->op->seen >= row->made;
        if (named || fits) {
            uint8_t bytes[32];
            struct ds_builder builder;
            struct ds_slice fields;
            ds_builder_init(&builder, bytes, sizeof(bytes));
            ds_mp_put_map(&builder, 2);
            ds_mp_put_uint(&builder, DS_TAG_task_state);
            ds_mp_put_uint(&builder, DS_TASK_done);
            ds_mp_put_uint(&builder, DS_TAG_task_result);
            ds_mp_put_id(&builder, &fold->op_id);
            DS_TRY(ds_builder_end(&builder, &fields));
            DS_TRY(ds_fold_write_entity(fold, DS_REC_task, &id, fields));
        }
        ds_arena_rewind(fold->arena, mark);
    }
}

/* CASE a book was moved while its reader was offline: RESULT his work counts, and he is told. */
static enum ds_err tell_if_moved(struct ds_fold *fold, const struct ds_id *meter,
                                 struct ds_told *told)
{
    const struct ds_facts *facts = NULL;
    struct ds_book_facts *book = NULL;
    if (fold->actor != DS_ACTOR_handheld) {
        return DS_OK;
    }
    DS_TRY(ds_desk_meter(fold, meter, &facts));
    if (!facts->has_book) {
        return DS_OK;
    }
    DS_TRY(ds_desk_book(fold, &facts->book, &book));
    if (book->exists && (!book->has_assignee || !ds_id_equal(&book->assignee, &fold->worker))) {
        told->verdict = DS_VERDICT_merged;
        told->detail = "the book is another worker's now; the work counts";
    }
    return DS_OK;
}

static enum ds_err reading_event(struct ds_fold *fold, struct ds_told *told)
{
    struct ds_reading *reading = DS_FOLD_NEW(fold, struct ds_reading);
    if (reading == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(decode_event(fold, reading));
    struct ds_id real;
    enum ds_err err = resolve_meter(fold, &reading->meter, &real);
    if (err == DS_ERR_NOT_FOUND) {
        return orphaned(told, "reading.meter: there is no such meter");
    }
    DS_TRY(err);
    DS_TRY(tell_if_moved(fold, &real, told));
    DS_TRY(ds_fold_link(fold, DS_LINK_METER_EVENT, &real, (uint32_t)reading->period, &fold->op_id,
                        DS_REC_reading));
    DS_TRY(ds_slot_add_reading(fold, reading, &real));
    return fulfil_tasks(fold, &real, reading);
}

static void put_if(struct ds_builder *builder, uint8_t tag, struct ds_slice text)
{
    ds_mp_put_uint(builder, tag);
    ds_mp_put_str(builder, text);
}

static enum ds_err swap_event(struct ds_fold *fold, struct ds_told *told)
{
    enum { ROOM = 256 };
    struct ds_swap *swap = DS_FOLD_NEW(fold, struct ds_swap);
    if (swap == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(decode_event(fold, swap));
    struct ds_id real;
    enum ds_err err = resolve_meter(fold, &swap->meter, &real);
    if (err == DS_ERR_NOT_FOUND) {
        return orphaned(told, "swap.meter: there is no such meter");
    }
    DS_TRY(err);
    bool takes = false;
    DS_TRY(ds_slot_takes_swap(fold, swap, &real, &takes));
    if (!takes) {
        told->reason = DS_QUARANTINE_malformed;
        told->detail = "swap: more than 4 swaps in one period";
        return DS_OK;
    }
    DS_TRY(ds_fold_link(fold, DS_LINK_METER_EVENT, &real, (uint32_t)swap->period, &fold->op_id,
                        DS_REC_swap));
    bool newest = false;
    DS_TRY(ds_slot_add_swap(fold, swap, &real, &newest));
    if (!newest) {
        return DS_OK; /* The meter is what the later swap made of it. */
    }
    bool maker = DS_HAS(swap, swap, new_manufacturer);
    bool digits = DS_HAS(swap, swap, new_dial_digits);
    bool unit = DS_HAS(swap, swap, new_unit_l);
    uint8_t bytes[ROOM];
    struct ds_builder builder;
    struct ds_slice fields;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_mp_put_map(&builder, (uint32_t)(1 + maker + digits + unit));
    if (maker) {
        put_if(&builder, DS_TAG_meter_manufacturer, swap->new_manufacturer);
    }
    put_if(&builder, DS_TAG_meter_meter_no, swap->new_meter_no);
    if (digits) {
        ds_mp_put_uint(&builder, DS_TAG_meter_dial_digits);
        ds_mp_put_int(&builder, swap->new_dial_digits);
    }
    if (unit) {
        ds_mp_put_uint(&builder, DS_TAG_meter_unit_l);
        ds_mp_put_int(&builder, swap->new_unit_l);
    }
    DS_TRY(ds_builder_end(&builder, &fields));
    return ds_fold_write_entity(fold, DS_REC_meter, &real, fields);
}

static enum ds_err visit_event(struct ds_fold *fold, struct ds_told *told)
{
    struct ds_visit *visit = DS_FOLD_NEW(fold, struct ds_visit);
    struct ds_premises *premises = DS_FOLD_NEW(fold, struct ds_premises);
    if (visit == NULL || premises == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(decode_event(fold, visit));
    enum ds_err err =
        ds_record_load(fold->txn, DS_REC_premises, &visit->premises, fold->arena, premises);
    if (err == DS_ERR_NOT_FOUND) {
        return orphaned(told, "visit.premises: there is no such premises");
    }
    DS_TRY(err);
    bool proven = visit->outcome != DS_VISIT_entered &&
                  (DS_HAS(visit, visit, photo) || DS_GET(visit, visit, slip, 0) == 1);
    bool at_slot = DS_HAS(visit, visit, meter) && DS_HAS(visit, visit, period);
    struct ds_id real;
    if (at_slot) {
        err = resolve_meter(fold, &visit->meter, &real);
        if (err == DS_ERR_NOT_FOUND) {
            return orphaned(told, "visit.meter: there is no such meter");
        }
        DS_TRY(err);
    }
    /* Only now, for an orphan has no row. */
    DS_TRY(ds_fold_link(fold, DS_LINK_PREMISES_EVENT, &visit->premises, 0, &fold->op_id,
                        DS_REC_visit));
    return at_slot && proven ? ds_slot_prove_visit(fold, &real, (uint32_t)visit->period) : DS_OK;
}

/* A consumer has taken everything up to a cursor: slots in between are frozen. */
static enum ds_err delivery_event(struct ds_fold *fold, struct ds_told *told)
{
    struct ds_delivery *delivery = DS_FOLD_NEW(fold, struct ds_delivery);
    if (delivery == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(decode_event(fold, delivery));
    bool own = (delivery->consumer == DS_CONSUMER_billing && fold->actor == DS_ACTOR_billing) ||
               (delivery->consumer == DS_CONSUMER_gis && fold->actor == DS_ACTOR_gis);
    uint8_t consumer = (uint8_t)delivery->consumer;
    uint64_t position = 0;
    uint32_t ordinal = 0;
    DS_TRY(ds_export_cursor(fold->txn, consumer, &position, &ordinal));
    uint64_t to = (uint64_t)delivery->position;
    uint32_t to_ordinal = (uint32_t)delivery->ordinal;
    bool ahead = to > position || (to == position && to_ordinal > ordinal);
    if (!own || !ahead || to >= fold->position) {
        told->verdict = DS_VERDICT_refused;
        told->detail = own ? "delivery: the cursor does not move on" : "delivery: not your exports";
        return DS_OK;
    }
    for (;;) {
        struct ds_export next;
        size_t mark = ds_arena_mark(fold->arena);
        enum ds_err err = ds_export_next(fold->txn, consumer, position, ordinal, &next);
        if (err == DS_ERR_NOT_FOUND) {
            break;
        }
        DS_TRY(err);
        if (next.position > to || (next.position == to && next.ordinal > to_ordinal)) {
            break;
        }
        position = next.position;
        ordinal = next.ordinal;
        if (next.kind == DS_EXPORT_slot) {
            struct ds_id slot = next.id;
            DS_TRY(ds_slot_sent(fold, &slot, next.revision));
        }
        ds_arena_rewind(fold->arena, mark);
    }
    uint8_t bytes[8 + 4 + 16];
    struct ds_builder builder;
    struct ds_slice value;
    ds_builder_init(&builder, bytes, sizeof(bytes));
    ds_put_u64(&builder, to);
    ds_put_u32(&builder, to_ordinal);
    ds_put_id(&builder, &fold->op_id);
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_cursor(consumer);
    return ds_txn_put(fold->txn, DS_TABLE_CURSOR, ds_key_slice(&key), value);
}

/* A connector answers for itself alone; an import brings anybody's answers. */
static enum ds_err answer_event(struct ds_fold *fold, struct ds_told *told)
{
    struct ds_answer *answer = DS_FOLD_NEW(fold, struct ds_answer);
    if (answer == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(decode_event(fold, answer));
    bool theirs = (fold->actor == DS_ACTOR_billing && answer->consumer != DS_CONSUMER_billing) ||
                  (fold->actor == DS_ACTOR_gis && answer->consumer != DS_CONSUMER_gis);
    if (theirs) {
        told->reason = DS_QUARANTINE_not_allowed;
        told->detail = "answer.consumer: another one's";
    }
    return DS_OK;
}

enum ds_err ds_reduce_event(struct ds_fold *fold, struct ds_told *told)
{
    switch (fold->op->type) {
    case DS_REC_reading:
        return reading_event(fold, told);
    case DS_REC_swap:
        return swap_event(fold, told);
    case DS_REC_visit:
        return visit_event(fold, told);
    case DS_REC_delivery:
        return delivery_event(fold, told);
    case DS_REC_decision:
        return ds_decide(fold, told);
    case DS_REC_answer:
        return answer_event(fold, told);
    default:
        return DS_OK; /* life: engine.c */
    }
}

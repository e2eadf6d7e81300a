#include "tests/sim/look.h"

#include "schema/codec/msgpack.h"

struct ds_slice look_entry(struct sim *sim, struct ds_txn *txn, uint64_t position)
{
    struct ds_key key = ds_key_journal(position);
    struct ds_slice bytes;
    enum ds_err err = ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes);
    if (err != DS_OK) {
        sim_fail(sim, "acked_is_durable", "entry %llu: %s", (unsigned long long)position,
                 ds_err_name(err));
    }
    return bytes;
}

void look_journal(struct sim *sim, look_each_op *each,
                  void (*entry_end)(void *context, uint64_t position, const struct ds_entry *entry),
                  void *context)
{
    struct ds_txn *txn = server_begin(sim);
    struct ds_entry entry;
    struct ds_batch batch;
    for (uint64_t position = 1; position <= sim->shard.meta.size; position++) {
        SIM_MUST(sim, ds_entry_parse(look_entry(sim, txn, position), &entry, NULL));
        if (entry.kind == DS_ENTRY_BATCH) {
            SIM_MUST(sim, ds_batch_parse_trusted(entry.batch, &batch));
            struct look_op look = {.position = position, .entry = &entry, .batch = &batch};
            struct ds_cursor cursor;
            ds_cursor_init(&cursor, batch.ops);
            for (uint64_t i = 0; i < batch.count; i++) {
                SIM_MUST(sim, ds_op_take(&cursor, &look.op, NULL));
                look.seq = batch.first_seq + i;
                look.id = ds_op_id(&batch.incarnation, batch.lane, look.seq);
                each(context, &look);
            }
        }
        if (entry_end != NULL) {
            entry_end(context, position, &entry);
        }
    }
    ds_txn_abort(txn);
}

/* What is projected lives until LOOK_ROWS more were looked at. */
enum { LOOK_ROWS = 16, LOOK_ROOM = 16384 };

static void parse_row(struct sim *sim, struct ds_txn *txn, struct ds_slice key,
                      struct ds_slice pair, struct look_row *row)
{
    static _Alignas(max_align_t) uint8_t memory[LOOK_ROWS][LOOK_ROOM];
    static size_t next;
    struct ds_arena arena;
    ds_arena_init(&arena, memory[next++ % LOOK_ROWS], LOOK_ROOM);
    row->type = key.data[0];
    memcpy(row->id.byte, key.data + 1, 16);
    SIM_MUST(sim, ds_row_of_pair(txn, row->type, pair, &arena, &row->stored));
    SIM_MUST(sim, ds_row_fields(row->stored, &row->fields, &row->changed));
}

void look_rows(struct sim *sim, struct ds_txn *txn, uint8_t type, look_each_row *each,
               void *context)
{
    struct ds_key key = {.byte = {type}, .size = 1};
    for (;;) {
        struct ds_slice found;
        struct ds_slice value;
        struct look_row row;
        enum ds_err err = ds_txn_at_or_after(txn, DS_TABLE_ROW, ds_key_slice(&key), &found, &value);
        if (err == DS_ERR_NOT_FOUND || (err == DS_OK && type != 0 && found.data[0] != type)) {
            return;
        }
        SIM_MUST(sim, err);
        parse_row(sim, txn, found, value, &row);
        each(context, &row);
        key = ds_key_after(found);
    }
}

bool look_row(struct sim *sim, struct ds_txn *txn, uint8_t type, const struct ds_id *id,
              struct look_row *row)
{
    struct ds_key key = ds_key_row(type, id);
    struct ds_slice value;
    enum ds_err err = ds_txn_get(txn, DS_TABLE_ROW, ds_key_slice(&key), &value);
    if (err == DS_ERR_NOT_FOUND) {
        return false;
    }
    SIM_MUST(sim, err);
    parse_row(sim, txn, ds_key_slice(&key), value, row);
    return true;
}

struct ds_slice look_value(struct ds_slice fields, uint8_t tag)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs && !cursor.failed; i++) {
        uint64_t found = ds_mp_take_uint(&cursor);
        struct ds_slice value = ds_mp_take_value(&cursor);
        if (found == tag) {
            return value;
        }
    }
    return (struct ds_slice){NULL, 0};
}

bool look_id(struct ds_slice fields, uint8_t tag, struct ds_id *id)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, look_value(fields, tag));
    *id = ds_mp_take_id(&cursor);
    return !cursor.failed;
}

bool look_int(struct ds_slice fields, uint8_t tag, int64_t *value)
{
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, look_value(fields, tag));
    *value = ds_mp_take_int(&cursor);
    return !cursor.failed;
}

void look_writer(struct sim *sim, struct ds_txn *txn, const struct ds_id *op, struct ds_id *device,
                 enum ds_actor_kind *kind)
{
    struct ds_incarnation incarnation;
    struct ds_lane_state lane;
    struct look_row row;
    int64_t number = 0;
    memcpy(incarnation.byte, op->byte, sizeof incarnation.byte);
    *kind = 0;
    memset(device, 0, sizeof *device);
    if (ds_lane_of(txn, &incarnation, op->byte[8], &lane, device) == DS_OK &&
        look_row(sim, txn, DS_REC_device, device, &row) &&
        look_int(row.fields, DS_TAG_device_kind, &number)) {
        *kind = (enum ds_actor_kind)number;
    }
}

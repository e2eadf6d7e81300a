/* Batches, ops, entries and heads from the same bytes. What parses is canonical; entries, which
 * have one encoding, are written again as the same bytes, ops and batches as the same values. */
#include "schema/codec/msgpack.h"
#include "sync/core/op.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[2 * DS_ENTRY_SIZE_MAX];

static void demand(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct ds_slice built(const struct ds_builder *builder)
{
    struct ds_slice made = {NULL, 0};
    demand(ds_builder_end(builder, &made) == DS_OK);
    return made;
}

static void try_batch(struct ds_slice bytes)
{
    struct ds_batch batch;
    struct ds_batch trusted;
    struct ds_builder builder;
    struct ds_detail detail = {""};
    enum ds_err err = ds_batch_parse(bytes, &batch, &detail);
    enum ds_err short_err = ds_batch_parse_trusted(bytes, &trusted);
    demand(err == DS_OK || detail.text[0] != '\0');
    demand(err != DS_OK || short_err == DS_OK);
    if (err != DS_OK) {
        return;
    }
    demand(ds_mp_scan(bytes, NULL) == DS_OK && ds_mp_scan(batch.header, NULL) == DS_OK);
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_batch_put(&builder, batch.header, batch.ops, batch.signature);
    demand(ds_slice_equal(built(&builder), bytes));
}

static void try_ops(struct ds_slice bytes)
{
    struct ds_cursor cursor;
    struct ds_op op;
    ds_cursor_init(&cursor, bytes);
    while (ds_op_take(&cursor, &op, NULL) == DS_OK) {
        struct ds_builder builder;
        struct ds_cursor again;
        struct ds_op back;
        demand(op.raw.size > 0 && ds_mp_scan(op.raw, NULL) == DS_OK);
        demand(ds_mp_scan(op.fields, NULL) == DS_OK);
        ds_builder_init(&builder, memory, sizeof(memory));
        ds_op_put(&builder, &op);
        ds_cursor_init(&again, built(&builder));
        demand(ds_op_take(&again, &back, NULL) == DS_OK);
        demand(back.type == op.type && back.seen == op.seen && back.mono_ms == op.mono_ms);
        demand(back.shift_ms == op.shift_ms && back.source == op.source);
        demand(ds_id_equal(&back.id, &op.id) && ds_slice_equal(back.fields, op.fields));
        demand(back.raw.size <= op.raw.size); /* Unknown keys are in raw alone. */
    }
}

static void try_entry(struct ds_slice bytes)
{
    struct ds_entry entry;
    struct ds_builder builder;
    struct ds_detail detail = {""};
    if (ds_entry_parse(bytes, &entry, &detail) != DS_OK) {
        demand(detail.text[0] != '\0');
        return;
    }
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_entry_put(&builder, &entry);
    demand(ds_slice_equal(built(&builder), bytes));
}

static void try_head(struct ds_slice bytes)
{
    struct ds_cursor cursor;
    struct ds_head head;
    ds_cursor_init(&cursor, bytes);
    ds_head_take(&cursor, &head);
    if (!cursor.failed) {
        struct ds_builder builder;
        ds_builder_init(&builder, memory, sizeof(memory));
        ds_head_put(&builder, &head);
        demand(built(&builder).size <= cursor.at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ds_slice bytes = {data, size};
    try_batch(bytes);
    try_ops(bytes);
    try_entry(bytes);
    try_head(bytes);
    return 0;
}

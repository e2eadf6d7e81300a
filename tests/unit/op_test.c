/* Ops, chains, batches and entries: what is written is read back, and nothing else is. */
#include "schema/codec/msgpack.h"
#include "sync/core/op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Repeatable randomness (splitmix64). ---- */

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void fill(uint64_t *state, void *out, size_t size)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)next(state);
    }
}

static struct ds_slice built(const struct ds_builder *builder)
{
    struct ds_slice made = {NULL, 0};
    assert_int_equal(ds_builder_end(builder, &made), DS_OK);
    return made;
}

/* A field map {1: number, 2: bin} whose size varies. */
static struct ds_slice random_fields(uint64_t *state, void *memory, size_t size)
{
    uint8_t blob[64];
    struct ds_builder builder;
    ds_builder_init(&builder, memory, size);
    fill(state, blob, sizeof(blob));
    ds_mp_put_map(&builder, 2);
    ds_mp_put_uint(&builder, 1);
    ds_mp_put_uint(&builder, next(state) >> (next(state) % 64));
    ds_mp_put_uint(&builder, 2);
    ds_mp_put_bin(&builder, (struct ds_slice){blob, next(state) % sizeof(blob)});
    return built(&builder);
}

static struct ds_op random_op(uint64_t *state, struct ds_slice fields)
{
    struct ds_op op = {.type = 1 + next(state) % 127, .fields = fields};
    if (next(state) % 2 == 0) {
        fill(state, &op.id, sizeof(op.id));
    }
    op.seen = next(state) % 2 == 0 ? next(state) >> 1 : 0;
    op.mono_ms = next(state) >> 16;
    if (next(state) % 2 == 0) {
        op.shift_ms = (int64_t)(next(state) >> 20) + DS_SHIFT_MS_MIN;
        op.shift_ms = next(state) % 2 == 0 ? -op.shift_ms : op.shift_ms;
    }
    op.source = next(state) % 5;
    return op;
}

static void assert_ops_equal(const struct ds_op *a, const struct ds_op *b)
{
    assert_int_equal(a->type, b->type);
    assert_true(ds_id_equal(&a->id, &b->id));
    assert_int_equal(a->seen, b->seen);
    assert_int_equal(a->mono_ms, b->mono_ms);
    assert_int_equal(a->shift_ms, b->shift_ms);
    assert_int_equal(a->source, b->source);
    assert_true(ds_slice_equal(a->fields, b->fields));
}

static void op__random_ops_come_back_as_they_were_written(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 2000; i++) {
        uint8_t fields[256];
        uint8_t bytes[512];
        struct ds_op op = random_op(&seed, random_fields(&seed, fields, sizeof(fields)));
        struct ds_op back;
        struct ds_builder builder;
        struct ds_cursor cursor;
        struct ds_detail detail = {{0}};
        ds_builder_init(&builder, bytes, sizeof(bytes));
        ds_op_put(&builder, &op);
        ds_cursor_init(&cursor, built(&builder));
        if (ds_op_take(&cursor, &back, &detail) != DS_OK) {
            fail_msg("op %d: %s", i, detail.text);
        }
        assert_int_equal(ds_cursor_end(&cursor), DS_OK);
        assert_ops_equal(&op, &back);
        assert_true(ds_slice_equal(back.raw, built(&builder)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(op__random_ops_come_back_as_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

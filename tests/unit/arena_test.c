#include "schema/base/arena.h"
#include "tests/support/test.h"

#include <stdalign.h>
#include <string.h>

static alignas(max_align_t) uint8_t memory[4096];

static void alloc__is_zeroed_and_aligned(void **state)
{
    (void)state;
    struct ds_arena arena;
    memset(memory, 0xEE, sizeof(memory));
    ds_arena_init(&arena, memory, sizeof(memory));
    uint8_t *before = NULL;
    for (size_t size = 0; size < 60; size++) {
        uint8_t *made = ds_arena_alloc(&arena, size);
        assert_non_null(made);
        assert_int_equal((uintptr_t)made % alignof(max_align_t), 0);
        assert_true(before == NULL || made >= before);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(made[i], 0);
        }
        memset(made, 0x55, size);
        before = made + size;
    }
}

static void alloc__a_full_arena_gives_null_and_stays_as_it_was(void **state)
{
    (void)state;
    struct ds_arena arena;
    ds_arena_init(&arena, memory, 64);
    assert_null(ds_arena_alloc(&arena, 65));
    assert_null(ds_arena_alloc(&arena, SIZE_MAX));
    assert_null(ds_arena_alloc(&arena, SIZE_MAX - 15));
    assert_int_equal(ds_arena_mark(&arena), 0);
    assert_non_null(ds_arena_alloc(&arena, 1));
    size_t mark = ds_arena_mark(&arena);
    assert_null(ds_arena_alloc(&arena, 64));
    assert_int_equal(ds_arena_mark(&arena), mark);
    ds_arena_init(&arena, NULL, 0);
    assert_null(ds_arena_alloc(&arena, 1));
    struct ds_slice made;
    assert_int_equal(ds_arena_copy(&arena, DS_SLICE_LIT("x"), &made), DS_ERR_LIMIT);
}

static void rewind__forgets_what_came_later_and_reset_everything(void **state)
{
    (void)state;
    struct ds_arena arena;
    struct ds_slice first;
    struct ds_slice second;
    struct ds_slice third;
    ds_arena_init(&arena, memory, sizeof(memory));
    assert_int_equal(ds_arena_copy(&arena, DS_SLICE_LIT("first"), &first), DS_OK);
    size_t mark = ds_arena_mark(&arena);
    assert_int_equal(ds_arena_copy(&arena, DS_SLICE_LIT("second"), &second), DS_OK);
    ds_arena_rewind(&arena, mark);
    assert_int_equal(ds_arena_copy(&arena, DS_SLICE_LIT("third"), &third), DS_OK);
    assert_ptr_equal(third.data, second.data);
    assert_true(ds_slice_equal(first, DS_SLICE_LIT("first")));
    assert_true(ds_slice_equal(third, DS_SLICE_LIT("third")));
    ds_arena_reset(&arena);
    assert_int_equal(ds_arena_mark(&arena), 0);
    assert_int_equal(ds_arena_copy(&arena, (struct ds_slice){NULL, 0}, &first), DS_OK);
    assert_int_equal(first.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc__is_zeroed_and_aligned),
        cmocka_unit_test(alloc__a_full_arena_gives_null_and_stays_as_it_was),
        cmocka_unit_test(rewind__forgets_what_came_later_and_reset_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

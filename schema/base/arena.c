#include "schema/base/arena.h"

#include <stdalign.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define DS_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DS_HAS_ASAN 1
#endif
#endif

#ifdef DS_HAS_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP = 16, STACK_MAX = 8 * 1024 * 1024 };

/* Poison left on a stack would hit whoever's frame comes there next. */
static bool is_on_stack(const void *memory)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    uintptr_t at = (uintptr_t)memory;
    return at > frame && at - frame < STACK_MAX;
}
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
enum { GAP = 0 };
#endif

enum { ALIGN = alignof(max_align_t) };
_Static_assert((ALIGN & (ALIGN - 1)) == 0, "alignment is a power of two");

static void check(const struct ds_arena *arena)
{
    DS_ASSERT(arena != NULL);
    DS_ASSERT(arena->base != NULL || arena->size == 0);
    DS_ASSERT(arena->used <= arena->size);
}

static void poison(const struct ds_arena *arena)
{
#ifdef DS_HAS_ASAN
    if (arena->base != NULL && !is_on_stack(arena->base)) {
        ASAN_POISON_MEMORY_REGION(arena->base + arena->used, arena->size - arena->used);
    }
#else
    (void)arena;
#endif
}

void ds_arena_init(struct ds_arena *arena, void *memory, size_t size)
{
    *arena = (struct ds_arena){.base = memory, .size = size, .used = 0};
    check(arena);
    poison(arena);
}

void *ds_arena_room(struct ds_arena *arena, size_t size)
{
    check(arena);
    size_t start = (arena->used + ALIGN - 1) & ~((size_t)ALIGN - 1);
    size_t need = 0;
    if (__builtin_add_overflow(start, size, &need) || __builtin_add_overflow(need, GAP, &need) ||
        need > arena->size) {
        return NULL;
    }
    uint8_t *made = arena->base + start;
    ASAN_UNPOISON_MEMORY_REGION(made, size);
    arena->used = need;
    return made;
}

void *ds_arena_alloc(struct ds_arena *arena, size_t size)
{
    void *made = ds_arena_room(arena, size);
    if (made != NULL) {
        memset(made, 0, size);
    }
    return made;
}

enum ds_err ds_arena_copy(struct ds_arena *arena, struct ds_slice from, struct ds_slice *made)
{
    uint8_t *bytes = ds_arena_room(arena, from.size);
    if (bytes == NULL) {
        return DS_ERR_LIMIT;
    }
    if (from.size > 0) {
        memcpy(bytes, from.data, from.size);
    }
    *made = (struct ds_slice){bytes, from.size};
    return DS_OK;
}

size_t ds_arena_mark(const struct ds_arena *arena)
{
    check(arena);
    return arena->used;
}

void ds_arena_rewind(struct ds_arena *arena, size_t mark)
{
    check(arena);
    DS_ASSERT(mark <= arena->used);
    arena->used = mark;
    poison(arena);
}

void ds_arena_reset(struct ds_arena *arena)
{
    ds_arena_rewind(arena, 0);
}

void ds_arena_part(void *memory, size_t size)
{
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
}

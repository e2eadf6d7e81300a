/* Bump allocator over memory the caller owns.
 *
 * Everything made while handling one request, step or file is made in one arena and disappears
 * with ds_arena_reset(). There is no free for a single object. In an address-sanitizer build
 * unused bytes are poisoned, so use-after-reset and overrun are caught like heap errors; not on a
 * stack, where the poison would outlive the frame. */
#ifndef DS_SCHEMA_BASE_ARENA_H
#define DS_SCHEMA_BASE_ARENA_H

#include "schema/base/base.h"

struct ds_arena {
    uint8_t *base; /* Owned by the caller, outlives the arena. */
    size_t size;   /* Bytes at base. */
    size_t used;   /* Bytes handed out, padding included; used <= size. */
};

void ds_arena_init(struct ds_arena *arena, void *memory, size_t size);

/* Make size zeroed bytes, aligned for any type. Valid until ds_arena_reset() or a rewind below it.
 * Returns NULL if the arena is full; the arena is then unchanged. */
DS_NODISCARD void *ds_arena_alloc(struct ds_arena *arena, size_t size);

/* The same without zeroing: room for a builder. */
DS_NODISCARD void *ds_arena_room(struct ds_arena *arena, size_t size);

/* Copy bytes into the arena. DS_ERR_LIMIT when full. */
DS_NODISCARD enum ds_err ds_arena_copy(struct ds_arena *arena, struct ds_slice from,
                                       struct ds_slice *made);

/* A mark and a return to it: everything made since dies. */
size_t ds_arena_mark(const struct ds_arena *arena);
void ds_arena_rewind(struct ds_arena *arena, size_t mark);

/* Memory that held arenas goes back to the system: nothing of it stays poisoned for whoever gets it
 * next. Needed where it was mapped; free() does the same by itself. */
void ds_arena_part(void *memory, size_t size);

/* Forget everything made since init. Pointers into the arena die here. */
void ds_arena_reset(struct ds_arena *arena);

#endif

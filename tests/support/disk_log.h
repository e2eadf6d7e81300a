/* What may be on a disk after a power cut: the states that a recording (tests/crash/io_preload.c)
 * allows, laid out in a fresh folder.
 *
 * After a cut, the disk holds all that was synced before, and any part of what was not: nothing,
 * all, some writes without others, a write torn at sectors of 512 bytes. Names (made, renamed) are
 * durable when their folder was synced; those that were not are kept up to any point. A message to
 * the world is a write to the file `acks` at the recorded root, in its place among the others. */
#ifndef DS_TESTS_SUPPORT_DISK_LOG_H
#define DS_TESTS_SUPPORT_DISK_LOG_H

#include "tests/crash/io_log.h"
#include "tests/support/prng.h"
#include "tests/support/scratch.h"

#include <stdbool.h>

#define DISK_FILES_MAX 64 /* Files that ever were, those with the same name counted singly. */
#define DISK_SECTOR 512U

struct disk_event {
    struct io_head head;
    const char *path; /* Not NUL-terminated. */
    const char *second;
    const uint8_t *data;
    size_t file;    /* Index of the file's content, for writes, truncates and creations. */
    size_t durable; /* The first event after which it is on the disk; SIZE_MAX: never. */
};

struct disk_content {
    uint8_t *bytes;
    size_t size;
    size_t room;
};

struct disk_log {
    uint8_t *bytes;
    struct disk_event *events;
    size_t count;
    size_t files;
    /* Per file: events below `folded`, all durable, are in `base`. Cuts in ascending order are
     * cheap for it. */
    struct disk_content base[DISK_FILES_MAX];
    size_t folded[DISK_FILES_MAX];
    size_t folded_at; /* The cut for which that holds. */
    struct disk_content work;
};

/* Read and understand a recording; asserts that it makes sense. */
struct disk_log *disk_log_read(const char *path);
void disk_log_free(struct disk_log *log);

/* Nothing that was not synced; all of it; or a random part of it, by seed. */
enum disk_mode { DISK_NOTHING, DISK_ALL, DISK_RANDOM };
struct disk_cut {
    size_t at; /* Events before it are done; this one is on its way. At most log->count. */
    enum disk_mode mode;
    uint64_t seed;
};
/* Empty the folder and lay out that state in it. */
void disk_log_lay_out(struct disk_log *log, const struct disk_cut *cut,
                      const struct scratch *fresh);

/* The last message before a cut, at most size bytes of its end; false if there was none. */
bool disk_log_message(const struct disk_log *log, size_t at, void *message, size_t size);
/* The first cut by which so many messages had left. */
size_t disk_log_after_messages(const struct disk_log *log, size_t count);

#endif

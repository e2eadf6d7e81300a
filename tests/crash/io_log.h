/* The record of one change to the file system, as io_preload.c writes it and power_cut_test.c
 * replays it.
 *
 * A log is a row of: this head, path, second path (of a rename), data (of a write). Paths are
 * relative to the recorded folder and not NUL-terminated. Host byte order: both ends are built
 * together. */
#ifndef DS_TESTS_CRASH_IO_LOG_H
#define DS_TESTS_CRASH_IO_LOG_H

#include <stdint.h>

#define IO_KILLED 77 /* Exit code of a process that the saboteur kills. */

enum io_kind {
    IO_WRITE = 1,
    IO_TRUNCATE, /* offset is the new size */
    IO_SYNC,     /* a file */
    IO_SYNC_DIR,
    IO_CREATE,
    IO_MAKE_DIR,
    IO_RENAME,
    IO_UNLINK
};

struct io_head {
    uint8_t kind;
    uint8_t synchronous; /* The file was opened with O_DSYNC: done means durable. */
    uint16_t path_size;
    uint16_t second_size;
    uint16_t unused;
    uint64_t offset;
    uint64_t data_size;
};

#endif

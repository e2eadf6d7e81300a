/* Starting programs under tests/crash/io_preload.c: their changes to a folder are recorded, or
 * their calls fail on command.
 *
 * DS_LIB names the folder of io_preload.so, DS_BIN that of the programs (ctest sets both). */
#ifndef DS_TESTS_SUPPORT_RECORDED_H
#define DS_TESTS_SUPPORT_RECORDED_H

#include <stddef.h>
#include <sys/types.h>

struct recorded {
    const char *root;  /* The folder that is watched. */
    const char *log;   /* NULL: no log. */
    const char *fail;  /* CALL:N:ERRNO of io_preload.c; NULL: nothing fails. */
    const char *avail; /* What fstatvfs() says; NULL: plenty. */
    const char *out;   /* Where its standard output goes; NULL: to ours. */
    const char *err;
};

/* argv ends with NULL; argv[0] is a path, or the name of one of our programs. SIGSEGV and the like
 * end it, whatever cmocka made of them here. */
pid_t recorded_start(const struct recorded *settings, const char *const *argv);
/* The same, waited for: its exit code; asserts that no signal ended it. */
int recorded_run(const struct recorded *settings, const char *const *argv);

/* Append a message to the world (disk_log.h) to a log that is being written. */
void recorded_message(const char *log, const void *message, size_t size);

#endif

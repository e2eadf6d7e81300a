/* Starting the crashing writer as a program of its own under io_preload.so.
 *
 * A test's main() gives argv to crash_child_main() first; crash_child_run() executes the same file
 * again with the preload and the settings that it reads. Header only. */
#ifndef DS_TESTS_CRASH_CRASH_CHILD_H
#define DS_TESTS_CRASH_CRASH_CHILD_H

#include "tests/crash/crash_writer.h"
#include "tests/crash/io_log.h"
#include "tests/support/recorded.h"
#include "tests/support/scratch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

/* The child appends each acknowledgement to ROOT/acks: a byte with the commit's number, unsynced,
 * for it is a message to the world and stands in the recorder's log in its place. */
static inline void crash_child_ack(void *context, uint32_t commit)
{
    const int *fd = context;
    uint8_t byte = (uint8_t)commit;
    if (write(*fd, &byte, 1) != 1) {
        _exit(9);
    }
}

/* argv: --writer ROOT COMMITS REPORT. False when this is no child. */
static inline bool crash_child_main(int argc, char **argv)
{
    char path[SCRATCH_PATH_SIZE];
    if (argc != 5 || strcmp(argv[1], "--writer") != 0) {
        return false;
    }
    (void)snprintf(path, sizeof path, "%s/acks", argv[2]);
    int acks = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)snprintf(path, sizeof path, "%s/store", argv[2]);
    struct crash_report report =
        crash_write(path, (uint32_t)strtoul(argv[3], NULL, 10), crash_child_ack, &acks);
    int out = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (out < 0 || write(out, &report, sizeof report) != (ssize_t)sizeof report) {
        _exit(8);
    }
    close(out);
    close(acks);
    return true;
}

/* Run the writer in ROOT to its end and read its report; zeros when it is killed. */
static inline struct crash_report crash_child_run(const struct scratch *root, uint32_t commits,
                                                  const struct recorded *settings)
{
    struct crash_report report = {0};
    struct scratch outside;
    char path[SCRATCH_PATH_SIZE];
    int status = 0;
    scratch_make_fast(&outside);
    scratch_join(&outside, "report", path);
    char count[16];
    (void)snprintf(count, sizeof count, "%u", commits);
    struct recorded here = *settings;
    here.root = root->path;
    pid_t child = recorded_start(
        &here, (const char *[]){"/proc/self/exe", "--writer", root->path, count, path, NULL});
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != IO_KILLED) {
        assert_int_equal(WEXITSTATUS(status), 0);
        int in = open(path, O_RDONLY);
        assert_true(in >= 0);
        assert_int_equal(read(in, &report, sizeof report), sizeof report);
        close(in);
    }
    scratch_remove(&outside);
    return report;
}

#endif

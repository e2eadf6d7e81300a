#include "tests/support/recorded.h"

#include "tests/crash/io_log.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE 512

static void set(const char *name, const char *value)
{
    if (value != NULL && setenv(name, value, 1) != 0) {
        _exit(6);
    }
}

static void redirect(int fd, const char *path)
{
    int file = path != NULL ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : fd;
    if (file < 0 || dup2(file, fd) < 0) {
        _exit(5);
    }
}

static void become(const struct recorded *settings, const char *const *argv)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
    char library[PATH_SIZE];
    char program[PATH_SIZE];
    const char *lib = getenv("DS_LIB");
    const char *bin = getenv("DS_BIN");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)signal(numbers[i], SIG_DFL);
    }
    /* A test that fails leaves nothing behind. */
    if (lib == NULL || bin == NULL || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        _exit(7);
    }
    (void)snprintf(library, sizeof library, "%s/io_preload.so", lib);
    (void)snprintf(program, sizeof program, "%s/%s", bin, argv[0]);
    redirect(STDOUT_FILENO, settings->out);
    redirect(STDERR_FILENO, settings->err);
    set("LD_PRELOAD", library);
    set("DS_IO_ROOT", settings->root);
    set("DS_IO_LOG", settings->log);
    set("DS_IO_FAIL", settings->fail);
    set("DS_IO_AVAIL", settings->avail);
    (void)execv(argv[0][0] == '/' ? argv[0] : program, (char *const *)argv);
    _exit(8);
}

pid_t recorded_start(const struct recorded *settings, const char *const *argv)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        become(settings, argv);
    }
    return child;
}

int recorded_run(const struct recorded *settings, const char *const *argv)
{
    int status = 0;
    pid_t child = recorded_start(settings, argv);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

void recorded_message(const char *log, const void *message, size_t size)
{
    static const char path[] = "acks";
    struct io_head head = {.kind = IO_WRITE, .path_size = 4, .data_size = size};
    const struct iovec parts[] = {{&head, sizeof head}, {(void *)path, 4}, {(void *)message, size}};
    int fd = open(log, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(writev(fd, parts, 3), sizeof head + 4 + size);
    close(fd);
}

/* SIGKILL again and again: what the writer has acknowledged over its pipe is there when the store
 * is opened again, and nothing else than one more commit. */
#include "tests/crash/crash_writer.h"
#include "tests/support/scratch.h"

#include <errno.h>
#include <sys/wait.h>

#define KILLS 40U

static void ack_to_pipe(void *context, uint32_t commit)
{
    const int *fd = context;
    if (write(*fd, &commit, sizeof commit) != (ssize_t)sizeof commit) {
        _exit(1);
    }
}

static pid_t start_writer(const char *dir, int *acks)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        crash_die_of_signals();
        close(ends[0]);
        (void)crash_write(dir, UINT32_MAX, ack_to_pipe, &ends[1]);
        _exit(2);
    }
    close(ends[1]);
    *acks = ends[0];
    return child;
}

/* The next acknowledgement; false when the writer is dead and all are read. */
static bool next_ack(int acks, uint32_t *acked)
{
    uint32_t commit = 0;
    ssize_t got = read(acks, &commit, sizeof commit);
    if (got == 0) {
        return false;
    }
    assert_int_equal(got, sizeof commit);
    assert_true(commit >= *acked);
    *acked = commit;
    return true;
}

static void kill__at_any_moment_loses_nothing_acknowledged(void **state)
{
    (void)state;
    struct scratch root;
    char dir[SCRATCH_PATH_SIZE];
    struct prng prng = {1};
    uint32_t acked = 0;
    scratch_make(&root);
    scratch_join(&root, "store", dir);
    for (unsigned kills = 0; kills < KILLS; kills++) {
        int acks = -1;
        int status = 0;
        pid_t writer = start_writer(dir, &acks);
        /* The first ones die in their birth. */
        uint64_t wanted = kills < 5 ? 0 : prng_below(&prng, 12);
        for (uint64_t i = 0; i < wanted; i++) {
            assert_true(next_ack(acks, &acked));
        }
        for (volatile uint64_t spin = prng_below(&prng, 400000); spin > 0; spin--) {
        }
        assert_int_equal(kill(writer, SIGKILL), 0);
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_true(WIFSIGNALED(status));
        while (next_ack(acks, &acked)) {
        }
        close(acks);
        /* The judge adds a commit of its own, and acknowledges it so to speak. */
        acked = crash_judge(dir, acked, acked + 1) + 1;
    }
    assert_true(acked > KILLS);
    scratch_remove(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill__at_any_moment_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

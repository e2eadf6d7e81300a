/* A store file that rots (case F9): flipped bits and pages of garbage. No value is read that never
 * stood under its key, and each damage is told: by opening, by a read, or by the scrub.
 *
 * An argument is the number of damages: rot_test 1000. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "tests/support/prng.h"
#include "tests/support/report.h"
#include "tests/support/store_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define PAIRS 120U
#define VALUE_MAX 10000U
#define PAGE 4096U

static unsigned damages = 100000;
static uint64_t damaged;

/* A value of its own for each pair, a few of them over several pages. */
static struct ds_slice value_of(uint32_t pair, uint32_t version, uint8_t room[static VALUE_MAX])
{
    struct prng prng = {(uint64_t)version << 32 | pair};
    size_t size = pair % 40 == 0 ? 5000 + prng_below(&prng, 5000) : 20 + prng_below(&prng, 100);
    prng_fill(&prng, room, size);
    return (struct ds_slice){room, size};
}

static void key_of(uint32_t pair, uint8_t key[static 4])
{
    for (unsigned i = 0; i < 4; i++) {
        key[i] = (uint8_t)(pair >> (24 - 8 * i));
    }
}

/* What a damage came to; 0: not tried yet. */
enum outcome { UNTRIED, HARMLESS, FOUND, SCRUBBED, WRONG, DIED, OUTCOMES };

/* Does an older version of the pair have this value? Its tag is right, so a pointer that a flipped
 * bit turned to an outdated page gives it; only the scrub can tell. */
static bool is_outdated(uint32_t pair, uint32_t versions, struct ds_slice value)
{
    static uint8_t room[VALUE_MAX];
    for (uint32_t version = 0; version < versions; version++) {
        if (ds_slice_equal(value, value_of(pair, version, room))) {
            return true;
        }
    }
    return false;
}

struct reading {
    bool found;
    bool missing; /* A value is absent or outdated. */
    bool wrong;   /* A value never stood under its key. */
};

static struct reading read_all(struct ds_txn *txn, uint32_t versions)
{
    static uint8_t room[VALUE_MAX];
    struct reading reading = {false, false, false};
    for (uint32_t pair = 0; pair < PAIRS; pair++) {
        uint8_t key[4];
        struct ds_slice value;
        key_of(pair, key);
        enum ds_err err = ds_txn_get(txn, (uint8_t)(pair % 3), DS_SLICE_OF(key), &value);
        if (err == DS_OK && !ds_slice_equal(value, value_of(pair, versions - 1, room))) {
            bool outdated = is_outdated(pair, versions - 1, value);
            reading.wrong = reading.wrong || !outdated;
            reading.missing = true;
        }
        reading.missing = reading.missing || err == DS_ERR_NOT_FOUND;
        reading.found = reading.found || (err != DS_OK && err != DS_ERR_NOT_FOUND);
    }
    return reading;
}

/* Read everything from the damaged store. Wrong is a value that never stood under its key; or one
 * that is outdated or absent when neither a read nor the scrub gives that away. */
static enum outcome read_damaged(const char *dir, uint32_t versions)
{
    struct ds_store *store = NULL;
    struct ds_store_lmdb_options options = {.read_only = true};
    struct ds_txn *txn = NULL;
    struct ds_detail detail = {""};
    if (ds_store_lmdb_open(dir, &options, &store, NULL) != DS_OK) {
        return FOUND;
    }
    if (ds_store_begin(store, false, &txn) != DS_OK) {
        ds_store_close(store);
        return FOUND;
    }
    struct reading reading = read_all(txn, versions);
    ds_txn_abort(txn);
    uint64_t values = 0;
    uint64_t bad = 0;
    bool scrubbed = ds_store_scrub(store, &values, &bad, &detail) != DS_OK;
    ds_store_close(store);
    if (reading.wrong || (scrubbed && detail.text[0] == '\0')) {
        return WRONG;
    }
    if (reading.found || scrubbed) {
        return reading.found ? FOUND : SCRUBBED;
    }
    return reading.missing || values != PAIRS ? WRONG : HARMLESS;
}

/* ---- Damages -------------------------------------------------------------------------------- */

struct rotting {
    char dir[SCRATCH_PATH_SIZE];
    int fd;
    uint8_t *whole; /* The file as it should be. */
    size_t size;
    uint32_t versions;
    unsigned count;
    uint8_t *outcome; /* Per damage, shared with the children. */
};

/* Damage number i spoils these bytes: one bit, or (one in ten) a page that is random, empty, or the
 * copy of another. The part [*at, *at + *size) of page-sized room is what to write. */
static void spoil(const struct rotting *rotting, unsigned i, size_t *at, size_t *size,
                  uint8_t page[static PAGE])
{
    struct prng prng = {i + 1};
    size_t pages = rotting->size / PAGE;
    *at = prng_below(&prng, pages) * PAGE;
    *size = PAGE;
    if (i % 10 != 0) {
        *at = prng_below(&prng, rotting->size);
        *size = 1;
        page[0] = rotting->whole[*at] ^ (uint8_t)(1U << prng_below(&prng, 8));
    } else if (i % 30 == 0) {
        prng_fill(&prng, page, PAGE);
    } else if (i % 30 == 10) {
        memset(page, 0, PAGE);
    } else {
        memcpy(page, rotting->whole + prng_below(&prng, pages) * PAGE, PAGE);
    }
}

static void put(const struct rotting *rotting, size_t at, const uint8_t *bytes, size_t size)
{
    if (pwrite(rotting->fd, bytes, size, (off_t)at) != (ssize_t)size) {
        _exit(3);
    }
}

/* In a child: from the first damage that was not tried, until the end or death. */
static void try_damages(const struct rotting *rotting)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
    for (size_t i = 0; i < DS_COUNT(numbers); i++) {
        (void)signal(numbers[i], SIG_DFL);
    }
    for (unsigned i = 0; i < rotting->count; i++) {
        uint8_t page[PAGE];
        size_t at = 0;
        size_t size = 0;
        if (rotting->outcome[i] != UNTRIED) {
            continue;
        }
        spoil(rotting, i, &at, &size, page);
        put(rotting, at, page, size);
        enum outcome outcome = read_damaged(rotting->dir, rotting->versions);
        if (outcome == HARMLESS || outcome == WRONG) {
            /* A page may be replaced by its own like: empty for empty. */
            bool same = memcmp(page, rotting->whole + at, size) == 0;
            outcome = same ? HARMLESS : outcome;
        }
        put(rotting, at, rotting->whole + at, size);
        rotting->outcome[i] = (uint8_t)outcome;
    }
    _exit(0);
}

/* LMDB may stumble over a page and end the process: found as well, if rudely. */
static void try_all(const struct rotting *rotting)
{
    int status = -1;
    while (status != 0) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            try_damages(rotting);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status != 0) {
            assert_true(WIFSIGNALED(status));
            const uint8_t *first = memchr(rotting->outcome, UNTRIED, rotting->count);
            assert_non_null(first);
            rotting->outcome[first - rotting->outcome] = DIED;
            put(rotting, 0, rotting->whole, rotting->size);
        }
    }
}

/* With several versions of each value the file is full of outdated pages, tags and all. */
static void fill(struct fixture *fixture, uint32_t versions)
{
    static uint8_t room[VALUE_MAX];
    for (uint32_t step = 0; step < versions * PAIRS; step += 10) {
        struct ds_txn *txn = NULL;
        assert_int_equal(ds_store_begin(fixture->store, true, &txn), DS_OK);
        for (uint32_t i = step; i < step + 10; i++) {
            uint8_t key[4];
            uint32_t pair = i % PAIRS;
            key_of(pair, key);
            assert_int_equal(ds_txn_put(txn, (uint8_t)(pair % 3), DS_SLICE_OF(key),
                                        value_of(pair, i / PAIRS, room)),
                             DS_OK);
        }
        assert_int_equal(ds_txn_commit(txn), DS_OK);
    }
}

static void open_rotting(struct rotting *rotting, const struct fixture *fixture, unsigned count,
                         uint32_t versions)
{
    char path[SCRATCH_PATH_SIZE];
    struct stat status = {.st_size = 0};
    *rotting = (struct rotting){.versions = versions, .count = count};
    scratch_join(&fixture->scratch, "store", rotting->dir);
    scratch_join(&fixture->scratch, "store/data.mdb", path);
    rotting->fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(rotting->fd >= 0 && fstat(rotting->fd, &status) == 0);
    rotting->size = (size_t)status.st_size;
    rotting->whole = malloc(rotting->size + 1);
    assert_non_null(rotting->whole);
    assert_int_equal(pread(rotting->fd, rotting->whole, rotting->size, 0), rotting->size);
    rotting->outcome = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(rotting->outcome != MAP_FAILED);
}

static void rot(uint32_t versions)
{
    struct fixture *fixture = fixture_make(true, 0);
    struct rotting rotting;
    unsigned counts[OUTCOMES] = {0};
    unsigned count = damages / 2;
    fill(fixture, versions);
    ds_store_close(fixture->store);
    open_rotting(&rotting, fixture, count, versions);
    try_all(&rotting);
    for (unsigned i = 0; i < count; i++) {
        counts[rotting.outcome[i]]++;
        if (rotting.outcome[i] == WRONG) {
            print_message("     damage %u of %u versions: wrong\n", i, versions);
        }
    }
    damaged += count;
    print_message("     harmless %u, found by reads %u, by the scrub %u, wrong %u, died %u\n",
                  counts[HARMLESS], counts[FOUND], counts[SCRUBBED], counts[WRONG], counts[DIED]);
    assert_int_equal(counts[UNTRIED] + counts[WRONG], 0);
    assert_true(counts[FOUND] > count / 8 && counts[SCRUBBED] > 0);
    assert_in_range(counts[DIED], 0, count / 100);
    assert_int_equal(munmap(rotting.outcome, count), 0);
    close(rotting.fd);
    free(rotting.whole);
    fixture_open(fixture);
    fixture_free(fixture);
}

static void case_f9__damage_is_found_and_never_read_as_a_value(void **state)
{
    (void)state;
    rot(1);
}

static void case_f9__damage_among_outdated_pages_is_found(void **state)
{
    (void)state;
    rot(3);
}

int main(int argc, char **argv)
{
    struct timespec began;
    struct timespec ended;
    if (argc == 2) {
        damages = (unsigned)strtoul(argv[1], NULL, 10);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_f9__damage_is_found_and_never_read_as_a_value),
        cmocka_unit_test(case_f9__damage_among_outdated_pages_is_found),
    };
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    const struct report report = {
        "crash_rot", "ctest -R crash.rot", "flipped bits and garbage pages",
        damaged,     (uint64_t)failed,     (double)(ended.tv_sec - began.tv_sec)};
    report_write(&report);
    return failed;
}

/* What only the LMDB store does: snapshots, birth aside, copies, slots of dead readers, and what
 * flipped bits in its file come to. */
#include "sync/store/store_lmdb_meta.h"
#include "tests/support/prng.h"
#include "tests/support/store_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static int setup(void **state)
{
    *state = fixture_make(true, 0);
    fixture_put(*state, 1, LIT("a"), LIT("1"));
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static enum ds_err open_dir(const char *dir, struct ds_store_lmdb_options options,
                            struct ds_store **store)
{
    struct ds_detail detail = {{0}};
    enum ds_err err = ds_store_lmdb_open(dir, &options, store, &detail);
    /* A failure says what. */
    assert_true((err == DS_OK) == (detail.text[0] == '\0'));
    assert_true((err == DS_OK) == (*store != NULL));
    return err;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

/* ---- Snapshots and threads ------------------------------------------------------------------ */

static void snapshot__a_reader_sees_its_begin(void **state)
{
    struct fixture *fixture = *state;
    struct ds_txn *old = fixture_begin(fixture, false);
    struct ds_txn *writer = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_put(writer, 1, LIT("a"), LIT("2")), DS_OK);
    assert_int_equal(ds_txn_put(writer, 1, LIT("b"), LIT("new")), DS_OK);
    struct ds_txn *during = fixture_begin(fixture, false);
    assert_int_equal(ds_txn_commit(writer), DS_OK);
    for (int i = 0; i < 50; i++) {
        fixture_put(fixture, 1, LIT("a"), LIT("3"));
    }
    struct ds_txn *late = fixture_begin(fixture, false);
    must_hold(old, 1, LIT("a"), LIT("1"));
    must_lack(old, 1, LIT("b"));
    must_hold(during, 1, LIT("a"), LIT("1"));
    must_hold(late, 1, LIT("a"), LIT("3"));
    must_hold(late, 1, LIT("b"), LIT("new"));
    ds_txn_abort(old);
    ds_txn_abort(during);
    ds_txn_abort(late);
}

#define THREAD_ROUNDS 200

/* Adds one to a counter; a lost update shows in the sum. */
static void *count_up(void *store)
{
    for (int i = 0; i < THREAD_ROUNDS; i++) {
        struct ds_txn *txn = NULL;
        struct ds_slice value;
        uint32_t count = 0;
        if (ds_store_begin(store, true, &txn) != DS_OK) {
            return NULL;
        }
        if (ds_txn_get(txn, 0, LIT("count"), &value) == DS_OK && value.size == sizeof count) {
            memcpy(&count, value.data, sizeof count);
        }
        count++;
        if (ds_txn_put(txn, 0, LIT("count"), DS_SLICE_OF(count)) != DS_OK ||
            ds_txn_put(txn, 2, LIT("count"), DS_SLICE_OF(count)) != DS_OK) {
            ds_txn_abort(txn);
            return NULL;
        }
        if (ds_txn_commit(txn) != DS_OK) {
            return NULL;
        }
    }
    return store;
}

/* Two tables always agree within one snapshot. */
static void *compare_tables(void *store)
{
    for (int i = 0; i < THREAD_ROUNDS * 4; i++) {
        struct ds_txn *txn = NULL;
        struct ds_slice one;
        struct ds_slice other;
        if (ds_store_begin(store, false, &txn) != DS_OK) {
            return NULL;
        }
        enum ds_err err = ds_txn_get(txn, 0, LIT("count"), &one);
        enum ds_err also = ds_txn_get(txn, 2, LIT("count"), &other);
        bool equal = err == also && (err != DS_OK || ds_slice_equal(one, other));
        ds_txn_abort(txn);
        if (!equal) {
            return NULL;
        }
    }
    return store;
}

static void threads__writers_wait_for_each_other_and_readers_for_nobody(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[4];
    for (size_t i = 0; i < DS_COUNT(threads); i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < 2 ? count_up : compare_tables, fixture->store),
            0);
    }
    for (size_t i = 0; i < DS_COUNT(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, fixture->store);
    }
    uint32_t count = 2 * THREAD_ROUNDS;
    struct ds_txn *txn = fixture_begin(fixture, false);
    must_hold(txn, 0, LIT("count"), DS_SLICE_OF(count));
    ds_txn_abort(txn);
}

/* ---- Readers (case F12) --------------------------------------------------------------------- */

static void readers__254_may_read_and_one_more_is_busy(void **state)
{
    struct fixture *fixture = *state;
    struct ds_txn *txn[DS_STORE_READERS_MAX];
    struct ds_txn *over = NULL;
    for (size_t i = 0; i < DS_STORE_READERS_MAX; i++) {
        txn[i] = fixture_begin(fixture, false);
    }
    assert_int_equal(ds_store_begin(fixture->store, false, &over), DS_ERR_BUSY);
    ds_txn_abort(txn[7]);
    txn[7] = fixture_begin(fixture, false);
    for (size_t i = 0; i < DS_STORE_READERS_MAX; i++) {
        ds_txn_abort(txn[i]);
    }
}

/* In a child: take every slot and die with them. */
static void die_reading(const char *dir)
{
    struct ds_store *store = NULL;
    struct ds_store_lmdb_options options = {0};
    struct ds_txn *txn = NULL;
    if (ds_store_lmdb_open(dir, &options, &store, NULL) != DS_OK) {
        _exit(1);
    }
    for (size_t i = 0; i < DS_STORE_READERS_MAX; i++) {
        if (ds_store_begin(store, false, &txn) != DS_OK) {
            _exit(2);
        }
    }
    _exit(0);
}

static void case_f12__slots_of_dead_readers_are_cleared(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    struct ds_txn *txn = NULL;
    int status = 0;
    scratch_join(&fixture->scratch, "store", dir);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        die_reading(dir);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(ds_store_begin(fixture->store, false, &txn), DS_ERR_BUSY);
    ds_store_lmdb_check_readers(fixture->store);
    txn = fixture_begin(fixture, false);
    must_hold(txn, 1, LIT("a"), LIT("1"));
    ds_txn_abort(txn);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static void open__for_reading_makes_and_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    struct ds_store *store = NULL;
    struct ds_txn *txn = NULL;
    scratch_join(&fixture->scratch, "none", dir);
    assert_int_equal(open_dir(dir, (struct ds_store_lmdb_options){.read_only = true}, &store),
                     DS_ERR_NOT_FOUND);
    assert_int_not_equal(access(dir, F_OK), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(open_dir(dir, (struct ds_store_lmdb_options){.read_only = true}, &store),
                     DS_ERR_NOT_FOUND);
    ds_store_close(fixture->store);
    scratch_join(&fixture->scratch, "store", dir);
    assert_int_equal(open_dir(dir, (struct ds_store_lmdb_options){.read_only = true}, &store),
                     DS_OK);
    assert_int_equal(ds_store_begin(store, true, &txn), DS_ERR_USAGE);
    assert_int_equal(ds_store_begin(store, false, &txn), DS_OK);
    must_hold(txn, 1, LIT("a"), LIT("1"));
    ds_txn_abort(txn);
    ds_store_close(store);
    fixture_open(fixture);
}

static void open__a_map_or_quota_has_at_least_1_mib(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    struct ds_store *store = NULL;
    static const uint64_t sizes[] = {1, DS_STORE_QUOTA_MIN - 1, DS_STORE_QUOTA_MIN};
    scratch_join(&fixture->scratch, "small", dir);
    for (size_t i = 0; i < DS_COUNT(sizes); i++) {
        enum ds_err wanted = sizes[i] < DS_STORE_QUOTA_MIN ? DS_ERR_USAGE : DS_OK;
        struct ds_store_lmdb_options quota = {.quota_bytes = sizes[i]};
        struct ds_store_lmdb_options map = {.map_bytes = sizes[i]};
        assert_int_equal(open_dir(dir, quota, &store), wanted);
        ds_store_close(store);
        assert_int_equal(open_dir(dir, map, &store), wanted);
        ds_store_close(store);
    }
}

static void open__says_what_is_wrong_with_the_path(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    struct ds_store *store = NULL;
    struct ds_store_lmdb_options options = {0};
    scratch_join(&fixture->scratch, "no/such/folder", dir);
    assert_int_equal(open_dir(dir, options, &store), DS_ERR_NOT_FOUND);
    scratch_join(&fixture->scratch, "file", dir);
    write_file(dir, "x", 1);
    assert_int_equal(open_dir(dir, options, &store), DS_ERR_NOT_FOUND);
    char *long_path = malloc(4000);
    assert_non_null(long_path);
    memset(long_path, '/', 3999);
    long_path[3999] = '\0';
    assert_int_equal(open_dir(long_path, options, &store), DS_ERR_LIMIT);
    free(long_path);
}

static void case_f10__what_a_cut_off_creation_left_behind_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    char file[SCRATCH_PATH_SIZE];
    struct ds_store *store = NULL;
    static const uint8_t torn[700] = {1, 2, 3};
    scratch_join(&fixture->scratch, "young", dir);
    scratch_join(&fixture->scratch, "young/creating.mdb", file);
    assert_int_equal(mkdir(dir, 0700), 0);
    write_file(file, torn, sizeof torn);
    assert_int_equal(open_dir(dir, (struct ds_store_lmdb_options){0}, &store), DS_OK);
    assert_int_not_equal(access(file, F_OK), 0);
    ds_store_close(store);
}

static void case_f10__a_file_that_is_cut_off_is_never_made_anew(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    char file[SCRATCH_PATH_SIZE];
    struct ds_store *store = NULL;
    size_t size = 0;
    scratch_join(&fixture->scratch, "store", dir);
    scratch_join(&fixture->scratch, "store/data.mdb", file);
    ds_store_close(fixture->store);
    uint8_t *bytes = read_file(file, &size);
    static const size_t left[] = {0, 1, 100, 152, 4096, 4200};
    for (size_t i = 0; i < DS_COUNT(left); i++) {
        write_file(file, bytes, left[i]);
        assert_int_equal(open_dir(dir, (struct ds_store_lmdb_options){0}, &store),
                         DS_ERR_INTEGRITY);
    }
    write_file(file, bytes, size);
    free(bytes);
    fixture_open(fixture);
    struct ds_txn *txn = fixture_begin(fixture, false);
    must_hold(txn, 1, LIT("a"), LIT("1"));
    ds_txn_abort(txn);
}

/* ---- Hot copies ----------------------------------------------------------------------------- */

static void copy__is_the_snapshot_of_its_begin_without_what_was_deleted(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    char file[SCRATCH_PATH_SIZE];
    for (uint32_t i = 0; i < 300; i++) {
        fixture_put(fixture, 3, DS_SLICE_OF(i), LIT("secret of a customer"));
    }
    struct ds_txn *txn = fixture_begin(fixture, true);
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(ds_txn_del(txn, 3, DS_SLICE_OF(i)), DS_OK);
    }
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    txn = fixture_begin(fixture, true);
    assert_int_equal(ds_txn_put(txn, 1, LIT("not yet"), LIT("committed")), DS_OK);
    scratch_join(&fixture->scratch, "copy", dir);
    scratch_join(&fixture->scratch, "copy/data.mdb", file);
    assert_int_equal(mkdir(dir, 0700), 0);
    struct ds_detail detail = {{0}};
    assert_int_equal(ds_store_lmdb_copy(fixture->store, dir, &detail), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);

    struct fixture copy = {.lmdb = true};
    assert_int_equal(open_dir(dir, (struct ds_store_lmdb_options){0}, &copy.store), DS_OK);
    txn = fixture_begin(&copy, false);
    must_hold(txn, 1, LIT("a"), LIT("1"));
    must_lack(txn, 1, LIT("not yet"));
    ds_txn_abort(txn);
    fixture_put(&copy, 1, LIT("goes on"), LIT("1"));
    ds_store_close(copy.store);
    size_t size = 0;
    uint8_t *bytes = read_file(file, &size);
    for (size_t at = 0; at + 6 <= size; at++) {
        assert_memory_not_equal(bytes + at, "secret", 6);
    }
    free(bytes);
}

static void copy__wants_an_existing_folder_without_a_store(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    struct ds_detail detail = {{0}};
    scratch_join(&fixture->scratch, "none", dir);
    assert_int_equal(ds_store_lmdb_copy(fixture->store, dir, &detail), DS_ERR_NOT_FOUND);
    assert_string_not_equal(detail.text, "");
    scratch_join(&fixture->scratch, "store", dir);
    assert_int_equal(ds_store_lmdb_copy(fixture->store, dir, &detail), DS_ERR_EXISTS);
    struct ds_txn *txn = fixture_begin(fixture, false);
    must_hold(txn, 1, LIT("a"), LIT("1"));
    ds_txn_abort(txn);
}

/* ---- Flipped bits (case F9; more in tests/crash/rot_test.c) ---------------------------------- */

static void flip_bit(const char *path, size_t bit)
{
    uint8_t byte = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
    byte ^= (uint8_t)(1U << bit % 8);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    assert_int_equal(close(fd), 0);
}

/* An empty table must never take the place of one whose name has rotted. */
static void case_f9__a_table_whose_name_rotted_is_not_made_anew(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    char file[SCRATCH_PATH_SIZE];
    struct ds_store *store = NULL;
    size_t size = 0;
    unsigned renamed = 0;
    scratch_join(&fixture->scratch, "store", dir);
    scratch_join(&fixture->scratch, "store/data.mdb", file);
    ds_store_close(fixture->store);
    uint8_t *before = read_file(file, &size);
    for (size_t at = 0; at + 3 <= size; at++) {
        /* The last name, so that all stay in order: t23 becomes t2s. */
        if (memcmp(before + at, "t23", 3) == 0) {
            flip_bit(file, (at + 2) * 8 + 6);
            renamed++;
        }
    }
    assert_true(renamed > 0);
    free(before);
    before = read_file(file, &size);
    assert_int_equal(open_dir(dir, (struct ds_store_lmdb_options){0}, &store), DS_ERR_INTEGRITY);
    uint8_t *after = read_file(file, &size);
    assert_memory_equal(before, after, size);
    for (size_t at = 0; at + 3 <= size; at++) {
        if (memcmp(before + at, "t2s", 3) == 0) {
            flip_bit(file, (at + 2) * 8 + 6);
        }
    }
    free(before);
    free(after);
    fixture_open(fixture);
}

/* The numbers of the commits say which meta page counts: a wrong one is an older state, or none. */
static void case_f9__each_bit_of_a_commits_number_is_watched(void **state)
{
    struct fixture *fixture = *state;
    char dir[SCRATCH_PATH_SIZE];
    char file[SCRATCH_PATH_SIZE];
    struct ds_store *store = NULL;
    scratch_join(&fixture->scratch, "store", dir);
    scratch_join(&fixture->scratch, "store/data.mdb", file);
    ds_store_close(fixture->store);
    long page_size = sysconf(_SC_PAGESIZE);
    for (size_t meta = 0; meta < 2; meta++) {
        size_t at = meta * (size_t)page_size + offsetof(struct ds_lmdb_meta, txn);
        for (size_t bit = 0; bit < 8 * sizeof(size_t); bit++) {
            flip_bit(file, at * 8 + bit);
            assert_int_equal(open_dir(dir, (struct ds_store_lmdb_options){0}, &store),
                             DS_ERR_INTEGRITY);
            flip_bit(file, at * 8 + bit);
        }
    }
    fixture_open(fixture);
}

/* Where the root of table 1 stands in the file: in the leaf of names, behind the table's name. */
static size_t live_root_of_table_1(const uint8_t *bytes, size_t size)
{
    struct ds_lmdb_meta meta[2];
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    memcpy(&meta[0], bytes, sizeof meta[0]);
    memcpy(&meta[1], bytes + page_size, sizeof meta[1]);
    const struct ds_lmdb_meta *newest = &meta[meta[1].txn > meta[0].txn];
    assert_int_equal(newest->names.depth, 1);
    size_t end = (newest->names.root + 1) * page_size;
    assert_true(end <= size);
    for (size_t at = end - page_size; at + 3 < end; at++) {
        if (memcmp(bytes + at, "t01", 3) == 0) {
            return at + 3 + offsetof(struct ds_lmdb_tree, root);
        }
    }
    fail();
    return 0;
}

/* A pointer to a page that was right one commit ago: its tags are right as well, so only the walk
 * over all pages can tell, for that page is on the free list too. */
static void case_f9__an_outdated_page_is_found_by_the_scrub(void **state)
{
    struct fixture *fixture = *state;
    char file[SCRATCH_PATH_SIZE];
    size_t size = 0;
    size_t roots[2];
    uint64_t values = 0;
    uint64_t bad = 0;
    struct ds_detail detail = {{0}};
    scratch_join(&fixture->scratch, "store/data.mdb", file);
    for (size_t round = 0; round < 2; round++) {
        fixture_put(fixture, 1, LIT("a"), round == 0 ? LIT("old") : LIT("new"));
        ds_store_close(fixture->store);
        uint8_t *bytes = read_file(file, &size);
        size_t at = live_root_of_table_1(bytes, size);
        memcpy(&roots[round], bytes + at, sizeof roots[round]);
        if (round == 1) {
            assert_int_not_equal(roots[0], roots[1]);
            memcpy(bytes + at, &roots[0], sizeof roots[0]);
            write_file(file, bytes, size);
        }
        free(bytes);
        fixture_open(fixture);
    }
    struct ds_txn *txn = fixture_begin(fixture, false);
    must_hold(txn, 1, LIT("a"), LIT("old"));
    ds_txn_abort(txn);
    assert_int_equal(ds_store_scrub(fixture->store, &values, &bad, &detail), DS_ERR_INTEGRITY);
    assert_int_equal(bad, 1);
    assert_non_null(strstr(detail.text, "two places"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(snapshot__a_reader_sees_its_begin),
        CASE(threads__writers_wait_for_each_other_and_readers_for_nobody),
        CASE(readers__254_may_read_and_one_more_is_busy),
        CASE(case_f12__slots_of_dead_readers_are_cleared),
        CASE(open__for_reading_makes_and_changes_nothing),
        CASE(open__a_map_or_quota_has_at_least_1_mib),
        CASE(open__says_what_is_wrong_with_the_path),
        CASE(case_f10__what_a_cut_off_creation_left_behind_is_replaced),
        CASE(case_f10__a_file_that_is_cut_off_is_never_made_anew),
        CASE(copy__is_the_snapshot_of_its_begin_without_what_was_deleted),
        CASE(copy__wants_an_existing_folder_without_a_store),
        CASE(case_f9__a_table_whose_name_rotted_is_not_made_anew),
        CASE(case_f9__each_bit_of_a_commits_number_is_watched),
        CASE(case_f9__an_outdated_page_is_found_by_the_scrub),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

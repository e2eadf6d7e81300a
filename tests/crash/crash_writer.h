/* The program that crashes, and the judge of what it leaves behind.
 *
 * Commit n of the writer is a function of n alone: some pairs put, some deleted, and the number n
 * itself. So the state after n commits is known, and a store is right when it holds exactly the
 * state after n commits, n being at least what was acknowledged. Header only. */
#ifndef DS_TESTS_CRASH_CRASH_WRITER_H
#define DS_TESTS_CRASH_CRASH_WRITER_H

#include "sync/store/store.h"
#include "tests/support/prng.h"
#include "tests/support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CRASH_TABLES 3
#define CRASH_KEYS 48
#define CRASH_VALUE_MAX 9000

/* Which commit put each pair last; 0: absent. */
struct crash_state {
    uint32_t commit[CRASH_TABLES][CRASH_KEYS];
};

static inline struct prng crash_prng(uint32_t commit)
{
    return (struct prng){UINT64_C(0x10000) * commit + 77};
}

struct crash_change {
    uint8_t table;
    uint8_t key;
    bool del;
};

static inline size_t crash_change_count(uint32_t commit)
{
    struct prng prng = crash_prng(commit);
    return 2 + prng_below(&prng, 12);
}

static inline struct crash_change crash_change(struct prng *prng)
{
    uint64_t random = prng_next(prng);
    return (struct crash_change){.table = (uint8_t)(random % CRASH_TABLES),
                                 .key = (uint8_t)(random / 7 % CRASH_KEYS),
                                 .del = random / 1009 % 4 == 0};
}

static inline void crash_state_next(struct crash_state *state, uint32_t commit)
{
    struct prng prng = crash_prng(commit);
    (void)prng_next(&prng);
    for (size_t i = crash_change_count(commit); i > 0; i--) {
        struct crash_change change = crash_change(&prng);
        state->commit[change.table][change.key] = change.del ? 0 : commit;
    }
}

static inline struct ds_slice crash_value(uint32_t commit, uint8_t table, uint8_t key,
                                          uint8_t room[static CRASH_VALUE_MAX])
{
    struct prng prng = {(uint64_t)commit << 32 | (uint64_t)table << 8 | key};
    size_t size = prng_below(&prng, prng_below(&prng, 12) == 0 ? CRASH_VALUE_MAX : 300);
    prng_fill(&prng, room, size);
    return (struct ds_slice){room, size};
}

/* ---- The writer ----------------------------------------------------------------------------- */

/* The last commit of the store; 0 when there is none yet. */
static inline enum ds_err crash_last(struct ds_txn *txn, uint32_t *commit)
{
    struct ds_slice value;
    enum ds_err err = ds_txn_get(txn, CRASH_TABLES, DS_SLICE_LIT("n"), &value);
    *commit = 0;
    if (err == DS_OK && value.size == sizeof *commit) {
        memcpy(commit, value.data, sizeof *commit);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static inline enum ds_err crash_commit(struct ds_store *store, uint32_t commit)
{
    static uint8_t room[CRASH_VALUE_MAX];
    struct ds_txn *txn = NULL;
    DS_TRY(ds_store_begin(store, true, &txn));
    struct prng prng = crash_prng(commit);
    (void)prng_next(&prng);
    enum ds_err err = ds_txn_put(txn, CRASH_TABLES, DS_SLICE_LIT("n"), DS_SLICE_OF(commit));
    for (size_t i = crash_change_count(commit); i > 0 && err == DS_OK; i--) {
        struct crash_change change = crash_change(&prng);
        struct ds_slice key = {&change.key, 1};
        if (change.del) {
            err = ds_txn_del(txn, change.table, key);
        } else {
            err = ds_txn_put(txn, change.table, key,
                             crash_value(commit, change.table, change.key, room));
        }
    }
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

/* What the writer tells of itself. */
struct crash_report {
    enum ds_err open;   /* Of opening the store. */
    enum ds_err commit; /* Of the first commit that failed. */
    enum ds_err after;  /* Of beginning to write after that. */
    enum ds_err read;   /* Of reading after that. */
    uint32_t acked;     /* Commits that returned. */
    uint32_t seen;      /* The last commit, as read after the failure. */
};

/* Open the store and commit until the store has so many, telling ack of each. What is found there
 * is acknowledged as well, as a server does when a handheld asks what has arrived. */
static inline struct crash_report crash_write(const char *dir, uint32_t commits,
                                              void (*ack)(void *context, uint32_t commit),
                                              void *context)
{
    struct crash_report report = {DS_OK, DS_OK, DS_OK, DS_OK, 0, 0};
    struct ds_store_lmdb_options options = {0};
    struct ds_store *store = NULL;
    struct ds_txn *txn = NULL;
    report.open = ds_store_lmdb_open(dir, &options, &store, NULL);
    if (report.open != DS_OK) {
        return report;
    }
    report.open = ds_store_begin(store, false, &txn);
    if (report.open == DS_OK) {
        report.open = crash_last(txn, &report.acked);
        ds_txn_abort(txn);
    }
    if (report.open == DS_OK && report.acked > 0) {
        ack(context, report.acked);
    }
    while (report.open == DS_OK && report.acked < commits && report.commit == DS_OK) {
        report.commit = crash_commit(store, report.acked + 1);
        if (report.commit == DS_OK) {
            report.acked++;
            ack(context, report.acked);
        }
    }
    if (report.commit != DS_OK) {
        report.after = ds_store_begin(store, true, &txn);
        if (report.after == DS_OK) {
            ds_txn_abort(txn);
        }
        report.read = ds_store_begin(store, false, &txn);
        if (report.read == DS_OK) {
            report.read = crash_last(txn, &report.seen);
            ds_txn_abort(txn);
        }
    }
    ds_store_close(store);
    return report;
}

/* ---- The judge ------------------------------------------------------------------------------ */

static inline void crash_judge_table(struct ds_txn *txn, const struct crash_state *state,
                                     uint8_t table)
{
    static uint8_t room[CRASH_VALUE_MAX];
    uint64_t present = 0;
    uint64_t found = 0;
    for (uint8_t key = 0; key < CRASH_KEYS; key++) {
        uint32_t commit = state->commit[table][key];
        struct ds_slice value;
        enum ds_err err = ds_txn_get(txn, table, (struct ds_slice){&key, 1}, &value);
        assert_int_equal(err, commit == 0 ? DS_ERR_NOT_FOUND : DS_OK);
        assert_true(commit == 0 || ds_slice_equal(value, crash_value(commit, table, key, room)));
        present += commit == 0 ? 0 : 1;
    }
    uint8_t from[2] = {0, 0};
    struct ds_slice at = {from, 0};
    struct ds_slice key;
    struct ds_slice value;
    while (ds_txn_at_or_after(txn, table, at, &key, &value) == DS_OK) {
        assert_int_equal(key.size, 1);
        from[0] = key.data[0];
        at.size = 2;
        found++;
    }
    assert_int_equal(found, present);
}

/* Open the store and demand the state after n commits, least <= n <= most; then that it scrubs
 * clean and takes the next commit. Gives n. */
static inline uint32_t crash_judge(const char *dir, uint32_t least, uint32_t most)
{
    struct ds_store_lmdb_options options = {0};
    struct ds_store *store = NULL;
    struct ds_txn *txn = NULL;
    struct ds_detail detail = {{0}};
    enum ds_err err = ds_store_lmdb_open(dir, &options, &store, &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(err, DS_OK);
    assert_int_equal(ds_store_begin(store, false, &txn), DS_OK);
    uint32_t last = 0;
    assert_int_equal(crash_last(txn, &last), DS_OK);
    assert_in_range(last, least, most);
    struct crash_state state = {{{0}}};
    for (uint32_t commit = 1; commit <= last; commit++) {
        crash_state_next(&state, commit);
    }
    for (uint8_t table = 0; table < CRASH_TABLES; table++) {
        crash_judge_table(txn, &state, table);
    }
    ds_txn_abort(txn);
    uint64_t values = 0;
    uint64_t bad = 0;
    err = ds_store_scrub(store, &values, &bad, &detail);
    assert_string_equal(detail.text, "");
    assert_int_equal(err, DS_OK);
    assert_int_equal(crash_commit(store, last + 1), DS_OK);
    ds_store_close(store);
    return last;
}

/* cmocka turns these into failures of a case; a child shall die of them. */
static inline void crash_die_of_signals(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
    for (size_t i = 0; i < DS_COUNT(numbers); i++) {
        (void)signal(numbers[i], SIG_DFL);
    }
}

#endif

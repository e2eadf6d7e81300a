/* Edits of a journal, by whoever may write a server's files: each is found, and named by the device
 * and the sequences that it hit.
 *
 * Bytes of journal values are flipped in the LMDB file, below the store; and values are replaced
 * through the store, so that their tags are right again. Then what an insider could do who
 * recomputes the tree as well: device signatures and a witness find that. DS_TAMPER_EDITS says how
 * many edits there are; tools/test --long makes 100,000. */
#include "sync/core/proof.h"
#include "sync/core/writer.h"
#include "sync/store/store_lmdb.h"
#include "tests/support/prng.h"
#include "tests/support/report.h"
#include "tests/support/scratch.h"
#include "tests/support/station.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EDITS_DEFAULT = 800, ENTRIES_MAX = 200, DEVICES = 3, ROUNDS = 6, FILE_MAX = 8 << 20 };

struct place { /* An entry, and where its value lies in the file. */
    off_t offset;
    size_t size;
    bool batch;
    char name[160]; /* What a finding must begin with. */
};

struct journal {
    struct test_station s;
    struct scratch scratch;
    struct ds_store *memory; /* The station's own store, while it works on the copy in LMDB. */
    int file;
    struct place place[ENTRIES_MAX];
    size_t count;
    struct ds_head head;
};

static size_t edits_wanted(void)
{
    const char *text = getenv("DS_TAMPER_EDITS");
    return text != NULL ? (size_t)strtoul(text, NULL, 10) : EDITS_DEFAULT;
}

static void tell(const char *name, size_t edits, clock_t begun, const char *unit)
{
    struct report report = {.name = name,
                            .command = "DS_TAMPER_EDITS=N tests/property/tamper_property_test",
                            .unit = unit,
                            .count = edits,
                            .seconds = (double)(clock() - begun) / CLOCKS_PER_SEC};
    report_write(&report); /* A failure ends the test before this. */
}

/* ---- A journal with something of everything. ---- */

static void live(struct test_station *s)
{
    static struct test_device device[DEVICES];
    for (unsigned d = 0; d < DEVICES; d++) {
        test_device_enrol(s, d == 0 ? &s->other_reader : &s->reader, d + 1, &device[d]);
    }
    for (int64_t round = 0; round < ROUNDS; round++) {
        for (unsigned d = 0; d < DEVICES; d++) {
            (void)test_reading(s, &device[d], (size_t)(round + d) % TEST_METERS, 50 + round,
                               TEST_PERIOD);
        }
        s->now_ms += 60000;
        assert_int_equal(ds_shard_tick(&s->shard), DS_OK);
    }
    /* A clone: the same sequence with other content is a branch. */
    struct test_device clone = device[1];
    (void)test_reading(s, &device[1], 0, 70, TEST_PERIOD);
    (void)test_reading(s, &clone, 1, 71, TEST_PERIOD);
    test_station_declare(s, 0);
    (void)test_reading(s, &device[2], 2, 72, TEST_PERIOD);
}

static void copy_tables(struct ds_store *from, struct ds_store *to)
{
    struct ds_txn *in = NULL;
    struct ds_txn *out = NULL;
    assert_int_equal(ds_store_begin(from, false, &in), DS_OK);
    assert_int_equal(ds_store_begin(to, true, &out), DS_OK);
    for (uint8_t table = 1; table < DS_TABLES_MAX; table++) {
        struct ds_key key = {.byte = {0}, .size = 1};
        struct ds_slice found;
        struct ds_slice value;
        while (ds_txn_at_or_after(in, table, ds_key_slice(&key), &found, &value) == DS_OK) {
            assert_int_equal(ds_txn_put(out, table, found, value), DS_OK);
            key = ds_key_after(found);
        }
    }
    ds_txn_abort(in);
    assert_int_equal(ds_txn_commit(out), DS_OK);
}

/* Who wrote it: by the bytes of a journal that is still whole. */
static void name_entry(struct place *place, uint64_t number, struct ds_slice bytes)
{
    struct ds_entry entry;
    struct ds_batch batch;
    char hex[33];
    struct ds_builder text;
    assert_int_equal(ds_entry_parse(bytes, &entry, NULL), DS_OK);
    place->batch = entry.kind == DS_ENTRY_BATCH;
    if (!place->batch) {
        (void)snprintf(place->name, sizeof(place->name),
                       "journal entry %llu (the server's own): ", (unsigned long long)number);
        return;
    }
    assert_int_equal(ds_batch_parse(entry.batch, &batch, NULL), DS_OK);
    ds_builder_init(&text, hex, sizeof(hex));
    ds_put_hex(&text, DS_SLICE_OF(batch.device.byte));
    (void)snprintf(
        place->name, sizeof(place->name),
        "journal entry %llu, device %s, sequence %llu-%llu: ", (unsigned long long)number,
        ds_builder_text(&text), (unsigned long long)batch.first_seq,
        (unsigned long long)(batch.first_seq + batch.count - 1));
}

/* Pages that were split keep old copies: is this the one that the store reads? */
static bool is_live(struct journal *j, off_t offset, const uint8_t *mapped)
{
    volatile const uint8_t *seen = mapped;
    uint8_t byte = *seen;
    uint8_t bent = byte ^ 1;
    assert_int_equal(pwrite(j->file, &bent, 1, offset), 1);
    bool live = *seen == bent;
    assert_int_equal(pwrite(j->file, &byte, 1, offset), 1);
    return live;
}

static void find_places(struct journal *j)
{
    struct ds_txn *txn = NULL;
    uint8_t *file = malloc(FILE_MAX);
    assert_non_null(file);
    ssize_t size = pread(j->file, file, FILE_MAX, 0);
    assert_true(size > 0 && size < FILE_MAX);
    j->count = j->s.shard.meta.size;
    assert_true(j->count <= ENTRIES_MAX);
    assert_int_equal(ds_store_begin(j->s.store, false, &txn), DS_OK);
    for (uint64_t number = 1; number <= j->count; number++) {
        struct place *place = &j->place[number - 1];
        struct ds_key key = ds_key_journal(number);
        struct ds_slice bytes;
        assert_int_equal(ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes), DS_OK);
        name_entry(place, number, bytes);
        place->size = bytes.size;
        place->offset = -1;
        for (ssize_t at = 0; at + (ssize_t)bytes.size <= size && place->offset < 0; at++) {
            if (memcmp(file + at, bytes.data, bytes.size) == 0 && is_live(j, at, bytes.data)) {
                place->offset = at;
            }
        }
        assert_true(place->offset >= 0);
    }
    ds_txn_abort(txn);
    free(file);
}

static struct journal *journal_make(void)
{
    struct journal *j = calloc(1, sizeof(*j));
    char path[SCRATCH_PATH_SIZE];
    struct ds_store *lmdb = NULL;
    assert_non_null(j);
    scratch_make(&j->scratch);
    test_station_open(&j->s);
    live(&j->s);
    struct ds_store_lmdb_options options = {.map_bytes = 64 << 20};
    scratch_join(&j->scratch, "store", path);
    assert_int_equal(ds_store_lmdb_open(path, &options, &lmdb, NULL), DS_OK);
    copy_tables(j->s.store, lmdb);
    test_station_swap(&j->s, lmdb);
    scratch_join(&j->scratch, "store/data.mdb", path);
    j->file = open(path, O_RDWR | O_CLOEXEC);
    assert_true(j->file >= 0);
    find_places(j);
    assert_int_equal(ds_shard_verify(&j->s.shard, NULL, &j->head, NULL), DS_OK);
    return j;
}

static void journal_end(struct journal *j)
{
    (void)close(j->file);
    test_station_close(&j->s);
    scratch_remove(&j->scratch);
    free(j);
}

/* Verification fails, and names the entry, its device and its sequences. */
static void must_name(struct journal *j, size_t entry, size_t at)
{
    struct ds_head head;
    struct ds_detail detail = {{0}};
    const struct place *place = &j->place[entry];
    enum ds_err err = ds_shard_verify(&j->s.shard, NULL, &head, &detail);
    if (err != DS_ERR_INTEGRITY) {
        fail_msg("byte %zu of entry %zu was changed: %s", at, entry + 1, ds_err_name(err));
    }
    if (strncmp(detail.text, place->name, strlen(place->name)) != 0) {
        fail_msg("byte %zu of entry %zu: \"%s\" does not begin with \"%s\"", at, entry + 1,
                 detail.text, place->name);
    }
}

/* ---- Edits. ---- */

static void edits__of_the_file_are_all_found_and_named(void **state)
{
    struct journal *j = *state;
    struct prng prng = {1};
    size_t edits = edits_wanted() / 2;
    clock_t begun = clock();
    for (size_t i = 0; i < edits; i++) {
        size_t entry = prng_below(&prng, j->count);
        /* The value's own tag stands before it. */
        size_t at = prng_below(&prng, DS_VALUE_TAG_SIZE + j->place[entry].size);
        uint8_t byte;
        off_t offset = j->place[entry].offset - DS_VALUE_TAG_SIZE + (off_t)at;
        assert_int_equal(pread(j->file, &byte, 1, offset), 1);
        uint8_t bent = (uint8_t)(byte ^ (1 + prng_below(&prng, 255)));
        /* The map shares the file's pages: the store reads what was written here. */
        assert_int_equal(pwrite(j->file, &bent, 1, offset), 1);
        must_name(j, entry, at);
        assert_int_equal(pwrite(j->file, &byte, 1, offset), 1);
    }
    tell("tamper_file", edits, begun, "edits of the journal's bytes in the file");
}

static void replace(struct journal *j, size_t entry, struct ds_slice bytes)
{
    struct ds_txn *txn = NULL;
    struct ds_key key = ds_key_journal(entry + 1);
    assert_int_equal(ds_store_begin(j->s.store, true, &txn), DS_OK);
    assert_int_equal(ds_txn_put(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), bytes), DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
}

static struct ds_slice entry_of(struct journal *j, size_t entry, uint8_t *memory)
{
    struct ds_txn *txn = NULL;
    struct ds_key key = ds_key_journal(entry + 1);
    struct ds_slice bytes;
    assert_int_equal(ds_store_begin(j->s.store, false, &txn), DS_OK);
    assert_int_equal(ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes), DS_OK);
    memcpy(memory, bytes.data, bytes.size);
    ds_txn_abort(txn);
    return (struct ds_slice){memory, bytes.size};
}

/* Through a memory store, where a commit costs nothing. */
static void edits__with_right_tags_are_all_found_and_named(void **state)
{
    struct journal *j = *state;
    struct prng prng = {2};
    size_t edits = edits_wanted() / 2;
    clock_t begun = clock();
    uint8_t *memory = malloc(DS_ENTRY_SIZE_MAX);
    struct ds_store *copy = NULL;
    assert_non_null(memory);
    assert_int_equal(ds_store_memory_open(0, &copy), DS_OK);
    copy_tables(j->s.store, copy);
    test_station_swap(&j->s, copy);
    for (size_t i = 0; i < edits; i++) {
        size_t entry = prng_below(&prng, j->count);
        struct ds_slice bytes = entry_of(j, entry, memory);
        size_t at = prng_below(&prng, bytes.size);
        uint8_t bent = (uint8_t)(1 + prng_below(&prng, 255));
        memory[at] ^= bent;
        replace(j, entry, bytes);
        must_name(j, entry, at);
        memory[at] ^= bent;
        replace(j, entry, bytes);
    }
    struct ds_head head;
    assert_int_equal(ds_shard_verify(&j->s.shard, NULL, &head, NULL), DS_OK);
    free(memory);
    tell("tamper_value", edits, begun, "edits of journal values with right tags");
}

/* ---- An insider who recomputes the tree. ---- */

/* All tiles and the frontier anew, over the entries as they are; what does not parse is hashed as
 * it stands. */
static void rebuild_tree(struct journal *j)
{
    struct ds_txn *txn = NULL;
    struct ds_tree tree = {0};
    uint8_t value[8 + 64 * 32];
    struct ds_builder builder;
    assert_int_equal(ds_store_begin(j->s.store, true, &txn), DS_OK);
    for (uint64_t number = 1; number <= j->count; number++) {
        struct ds_key key = ds_key_journal(number);
        struct ds_slice bytes;
        struct ds_hash leaf;
        assert_int_equal(ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes), DS_OK);
        if (ds_entry_leaf_of(bytes, &leaf) != DS_OK) {
            leaf = ds_tree_leaf(bytes);
        }
        assert_int_equal(ds_nodes_append(txn, &tree, &leaf), DS_OK);
    }
    ds_builder_init(&builder, value, sizeof(value));
    ds_put_u64(&builder, tree.size);
    for (unsigned level = 0; level < 64; level++) {
        if ((tree.size >> level & 1) != 0) {
            ds_put_hash(&builder, &tree.peak[level]);
        }
    }
    struct ds_key key = ds_key_meta("tree");
    assert_int_equal(
        ds_txn_put(txn, DS_TABLE_META, ds_key_slice(&key), (struct ds_slice){value, builder.used}),
        DS_OK);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
}

/* Signatures find what a device or an administrator wrote; what the server alone wrote (an instant,
 * a tick) only a witness can. */
static void edits__with_tags_and_tree_recomputed_are_found_by_signature_or_witness(void **state)
{
    struct journal *j = *state;
    struct prng prng = {3};
    size_t edits = edits_wanted() / 4;
    size_t by_witness = 0;
    size_t by_signature = 0;
    clock_t begun = clock();
    uint8_t *memory = malloc(DS_ENTRY_SIZE_MAX);
    assert_non_null(memory);
    for (size_t i = 0; i < edits; i++) {
        size_t entry = prng_below(&prng, j->count);
        struct ds_slice bytes = entry_of(j, entry, memory);
        size_t at = prng_below(&prng, bytes.size);
        uint8_t bent = (uint8_t)(1 + prng_below(&prng, 255));
        struct ds_head head;
        struct ds_detail detail = {{0}};
        memory[at] ^= bent;
        replace(j, entry, bytes);
        rebuild_tree(j);
        if (ds_shard_verify(&j->s.shard, NULL, &head, &detail) != DS_OK) {
            by_signature++;
            if (strncmp(detail.text, j->place[entry].name, strlen(j->place[entry].name)) != 0) {
                fail_msg("byte %zu of entry %zu: %s", at, entry + 1, detail.text);
            }
        } else {
            by_witness++;
            assert_int_equal(ds_shard_witness(&j->s.shard, j->head.size, &j->head.root, &detail),
                             DS_ERR_INTEGRITY);
            assert_non_null(strstr(detail.text, "history was rewritten"));
        }
        memory[at] ^= bent;
        replace(j, entry, bytes);
    }
    rebuild_tree(j);
    struct ds_head head;
    assert_int_equal(ds_shard_verify(&j->s.shard, NULL, &head, NULL), DS_OK);
    assert_int_equal(ds_shard_witness(&j->s.shard, j->head.size, &j->head.root, NULL), DS_OK);
    assert_true(by_signature > by_witness && by_witness > 0);
    free(memory);
    tell("tamper_tree", edits, begun, "edits with tags and tree recomputed");
}

/* The last entries cut off, a tick in the middle taken out: sound in itself, and not what a witness
 * knows. */
static void a_shorter_history__is_found_by_its_witness(void **state)
{
    struct journal *j = *state;
    struct ds_hash root = j->head.root;
    struct ds_detail detail = {{0}};
    assert_int_equal(ds_shard_witness(&j->s.shard, j->head.size + 1, &root, &detail),
                     DS_ERR_INTEGRITY);
    assert_non_null(strstr(detail.text, "the journal is shorter"));
    assert_int_equal(ds_shard_witness(&j->s.shard, j->head.size - 1, &root, &detail),
                     DS_ERR_INTEGRITY);
}

/* An insider's own key in the row of a device, under which he signs whatever he likes. */
static void a_devices_key_replaced__is_found_at_its_first_batch(void **state)
{
    struct journal *j = *state;
    struct ds_txn *txn = NULL;
    struct ds_key key = {.byte = {DS_REC_device}, .size = 1};
    struct ds_slice found;
    struct ds_slice value;
    size_t rows = 0;
    assert_int_equal(ds_store_begin(j->s.store, true, &txn), DS_OK);
    while (ds_txn_at_or_after(txn, DS_TABLE_ROW, ds_key_slice(&key), &found, &value) == DS_OK &&
           found.data[0] == DS_REC_device) {
        struct ds_id id;
        struct ds_hash sign_key;
        uint8_t row[DS_ROW_SIZE_MAX < 4096 ? DS_ROW_SIZE_MAX : 4096];
        memcpy(id.byte, found.data + 1, sizeof(id.byte));
        key = ds_key_after(found);
        assert_true(value.size <= sizeof(row));
        memcpy(row, value.data, value.size);
        size_t size = value.size;
        struct ds_device device;
        ds_arena_reset(&j->s.arena);
        assert_int_equal(ds_record_load(txn, DS_REC_device, &id, &j->s.arena, &device), DS_OK);
        sign_key = device.sign_key;
        for (size_t at = 0; at + sizeof(sign_key) <= size; at++) {
            if (memcmp(row + at, sign_key.byte, sizeof(sign_key)) == 0) {
                row[at] ^= 1;
                rows++;
            }
        }
        struct ds_key own = ds_key_row(DS_REC_device, &id);
        assert_int_equal(
            ds_txn_put(txn, DS_TABLE_ROW, ds_key_slice(&own), (struct ds_slice){row, size}), DS_OK);
    }
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    assert_true(rows >= DEVICES);
    struct ds_head head;
    struct ds_detail detail = {{0}};
    assert_int_equal(ds_shard_verify(&j->s.shard, NULL, &head, &detail), DS_ERR_INTEGRITY);
    assert_non_null(strstr(detail.text, "device "));
}

static int setup(void **state)
{
    *state = journal_make();
    return 0;
}

static int teardown(void **state)
{
    journal_end(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits__of_the_file_are_all_found_and_named),
        cmocka_unit_test(edits__with_right_tags_are_all_found_and_named),
        cmocka_unit_test(edits__with_tags_and_tree_recomputed_are_found_by_signature_or_witness),
        cmocka_unit_test(a_shorter_history__is_found_by_its_witness),
        cmocka_unit_test(a_devices_key_replaced__is_found_at_its_first_batch),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Journal entries and heads: each kind has its keys and no others. */
#include "schema/codec/msgpack.h"
#include "sync/core/op.h"
#include "tests/support/prng.h"
#include "tests/support/samples.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static struct ds_slice built(const struct ds_builder *builder)
{
    struct ds_slice made = {NULL, 0};
    assert_int_equal(ds_builder_end(builder, &made), DS_OK);
    return made;
}

static struct samples *make_samples(void)
{
    struct samples *samples = malloc(sizeof(*samples));
    assert_non_null(samples);
    samples_make(samples);
    return samples;
}

static struct ds_entry random_entry(struct prng *prng, const uint8_t *memory)
{
    struct ds_entry entry = {.kind = (enum ds_entry_kind)(1 + prng_below(prng, 5)),
                             .instant_ms = prng_between(prng, 0, DS_INSTANT_MS_MAX)};
    if (entry.kind == DS_ENTRY_BATCH) {
        entry.batch = (struct ds_slice){memory, 1 + prng_below(prng, DS_BATCH_SIZE_MAX)};
        switch (prng_below(prng, 3)) {
        case 0:
            prng_fill(prng, &entry.carrier, sizeof(entry.carrier));
            break;
        case 1:
            entry.anchor_boot = prng_below(prng, UINT64_C(1) << 32);
            entry.anchor_mono_ms = prng_below(prng, DS_MONO_MS_MAX + 1);
            break;
        default:
            break;
        }
    } else if (entry.kind == DS_ENTRY_ACTIVATE) {
        entry.version = 1 + prng_below(prng, INT64_MAX);
    } else if (entry.kind != DS_ENTRY_TICK) {
        prng_fill(prng, &entry.admin, sizeof(entry.admin));
        entry.admin_signature = memory + prng_below(prng, 64);
    }
    if (entry.kind == DS_ENTRY_EPOCH) {
        entry.epoch = 1 + prng_below(prng, INT64_MAX);
        entry.kept_size = prng_edgy(prng) & INT64_MAX;
        prng_fill(prng, &entry.kept_root, sizeof(entry.kept_root));
    }
    if (entry.kind == DS_ENTRY_ERASE) {
        entry.erased = (struct ds_slice){memory, 16 * (1 + prng_below(prng, DS_ERASED_MAX))};
    }
    return entry;
}

static void assert_entries_equal(const struct ds_entry *a, const struct ds_entry *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->instant_ms, b->instant_ms);
    assert_true(ds_slice_equal(a->batch, b->batch));
    assert_int_equal(a->anchor_boot, b->anchor_boot);
    assert_int_equal(a->anchor_mono_ms, b->anchor_mono_ms);
    assert_true(ds_id_equal(&a->carrier, &b->carrier));
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->kept_size, b->kept_size);
    assert_true(ds_hash_equal(&a->kept_root, &b->kept_root));
    assert_true(ds_id_equal(&a->admin, &b->admin));
    assert_int_equal(a->admin_signature == NULL, b->admin_signature == NULL);
    if (a->admin_signature != NULL) {
        assert_memory_equal(a->admin_signature, b->admin_signature, 64);
    }
    assert_true(ds_slice_equal(a->erased, b->erased));
}

static void entry__random_entries_come_back_as_they_were_written(void **state)
{
    (void)state;
    struct prng prng = {3};
    uint8_t *content = malloc(DS_BATCH_SIZE_MAX);
    uint8_t *memory = malloc(DS_ENTRY_SIZE_MAX);
    assert_true(content != NULL && memory != NULL);
    prng_fill(&prng, content, DS_BATCH_SIZE_MAX);
    for (int i = 0; i < 500; i++) {
        struct ds_builder builder;
        struct ds_entry entry = random_entry(&prng, content);
        struct ds_entry back;
        struct ds_detail detail = {{0}};
        ds_builder_init(&builder, memory, DS_ENTRY_SIZE_MAX);
        ds_entry_put(&builder, &entry);
        if (ds_entry_parse(built(&builder), &back, &detail) != DS_OK) {
            fail_msg("kind %d: %s", (int)entry.kind, detail.text);
        }
        assert_entries_equal(&entry, &back);
    }
    free(content);
    free(memory);
}

static void entry__the_administrator_signs_all_but_his_signature(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    for (size_t kind = DS_ENTRY_EPOCH; kind <= DS_ENTRY_ERASE; kind++) {
        uint8_t memory[512];
        struct ds_builder builder;
        struct ds_entry entry;
        struct ds_signature signature;
        assert_int_equal(ds_entry_parse(samples->entry[kind - 1], &entry, NULL), DS_OK);
        ds_builder_init(&builder, memory, sizeof(memory));
        ds_entry_put_unsigned(&builder, &entry);
        memcpy(signature.byte, entry.admin_signature, sizeof(signature.byte));
        assert_true(
            ds_verify(&samples->admin_sign_public, DS_LABEL_ADMIN, built(&builder), &signature));
        /* Without key 12 it is no entry. */
        struct ds_detail detail = {{0}};
        assert_int_equal(ds_entry_parse(built(&builder), &entry, &detail), DS_ERR_DECODE);
        assert_string_equal(detail.text, "entry key 12: missing");
    }
    free(samples);
}

/* Entries written by hand: pairs of key and value, ended by key 0. */
struct pair {
    unsigned key;
    enum { UINT, NEGATIVE, BIN } form;
    uint64_t value; /* Number, or size of the bin. */
    bool zeros;
};
struct bad_entry {
    const char *name;
    enum ds_err err;
    const char *detail; /* NULL: it is taken. */
    struct pair pairs[10];
};

#define COMMON(kind)                                                                               \
    {1, UINT, kind, false},                                                                        \
    {                                                                                              \
        2, UINT, 1000, false                                                                       \
    }
#define SIGNED                                                                                     \
    {11, BIN, 16, false},                                                                          \
    {                                                                                              \
        12, BIN, 64, false                                                                         \
    }

static const struct bad_entry entries[] = {
    {"the least batch", DS_OK, NULL, {COMMON(1), {3, BIN, 1, false}}},
    {"a kind 0", DS_ERR_DECODE, "entry key 1: must be", {COMMON(0)}},
    {"a kind 6", DS_ERR_VERSION, "entry key 1: a kind", {COMMON(6)}},
    {"no instant", DS_ERR_DECODE, "entry key 2: missing", {{1, UINT, 2, false}}},
    {"before 1970", DS_ERR_DECODE, "entry key 2: out", {{1, UINT, 2, false}, {2, NEGATIVE, 1, 0}}},
    {"a batch without bytes", DS_ERR_DECODE, "entry key 3: missing", {COMMON(1)}},
    {"an empty batch", DS_ERR_DECODE, "entry key 3: empty", {COMMON(1), {3, BIN, 0, false}}},
    {"a batch too large",
     DS_ERR_LIMIT,
     "entry key 3: more than 262144 bytes",
     {COMMON(1), {3, BIN, DS_BATCH_SIZE_MAX + 1, false}}},
    {"a batch as large as may be", DS_OK, NULL, {COMMON(1), {3, BIN, DS_BATCH_SIZE_MAX, false}}},
    {"an entry too large",
     DS_ERR_LIMIT,
     "entry: more than 262656 bytes",
     {COMMON(1), {3, BIN, DS_ENTRY_SIZE_MAX, false}}},
    {"a tick with a batch",
     DS_ERR_DECODE,
     "entry key 1: a key of another kind",
     {COMMON(2), {3, BIN, 1, false}}},
    {"half an anchor",
     DS_ERR_DECODE,
     "entry key 4: keys 4 and 5",
     {COMMON(1), {3, BIN, 1, false}, {5, UINT, 1, false}}},
    {"an anchor of zeros",
     DS_ERR_DECODE,
     "entry key 4: an anchor of zeros",
     {COMMON(1), {3, BIN, 1, false}, {4, UINT, 0, false}, {5, UINT, 0, false}}},
    {"an anchor of boot 0",
     DS_OK,
     NULL,
     {COMMON(1), {3, BIN, 1, false}, {4, UINT, 0, false}, {5, UINT, 1, false}}},
    {"a boot of 33 bits",
     DS_ERR_DECODE,
     "entry key 4: must be",
     {COMMON(1), {3, BIN, 1, false}, {4, UINT, UINT64_C(1) << 32, false}, {5, UINT, 1, false}}},
    {"carrier and anchor",
     DS_ERR_DECODE,
     "entry key 6: carrier and anchor",
     {COMMON(1), {3, BIN, 1, false}, {4, UINT, 1, false}, {5, UINT, 1, false}, {6, BIN, 16, 0}}},
    {"a carrier of zeros",
     DS_ERR_DECODE,
     "entry key 6: a carrier of zeros",
     {COMMON(1), {3, BIN, 1, false}, {6, BIN, 16, true}}},
    {"a short carrier",
     DS_ERR_DECODE,
     "entry key 6: not a bin of 16",
     {COMMON(1), {3, BIN, 1, false}, {6, BIN, 15, false}}},
    {"version 0", DS_ERR_DECODE, "entry key 7: must be", {COMMON(3), {7, UINT, 0, false}}},
    {"an unknown key", DS_ERR_VERSION, "entry key 14: a key that", {COMMON(2), {14, UINT, 0, 0}}},
    {"epoch 0", DS_ERR_DECODE, "entry key 8: must be", {COMMON(4), {8, UINT, 0, false}}},
    {"an epoch without its root",
     DS_ERR_DECODE,
     "entry key 10: missing",
     {COMMON(4), {8, UINT, 2, false}, {9, UINT, 0, false}, SIGNED}},
    {"a short signature",
     DS_ERR_DECODE,
     "entry key 12: not a bin of 64",
     {COMMON(5), {11, BIN, 16, false}, {12, BIN, 63, false}, {13, BIN, 16, false}}},
    {"an erasure of nothing",
     DS_ERR_DECODE,
     "entry key 13: empty",
     {COMMON(5), SIGNED, {13, BIN, 0, false}}},
    {"an erasure of half a key",
     DS_ERR_DECODE,
     "entry key 13: not whole",
     {COMMON(5), SIGNED, {13, BIN, 24, false}}},
    {"an erasure of 256 keys", DS_OK, NULL, {COMMON(5), SIGNED, {13, BIN, 4096, false}}},
    {"an erasure of 257 keys",
     DS_ERR_LIMIT,
     "entry key 13: more than 4096 bytes",
     {COMMON(5), SIGNED, {13, BIN, 4112, false}}},
};

static void put_pairs(struct ds_builder *builder, const struct pair *pairs, const uint8_t *zeros,
                      const uint8_t *ones)
{
    uint32_t count = 0;
    while (pairs[count].key != 0) {
        count++;
    }
    ds_mp_put_map(builder, count);
    for (const struct pair *pair = pairs; pair->key != 0; pair++) {
        ds_mp_put_uint(builder, pair->key);
        if (pair->form == UINT) {
            ds_mp_put_uint(builder, pair->value);
        } else if (pair->form == NEGATIVE) {
            ds_mp_put_int(builder, -(int64_t)pair->value);
        } else {
            const uint8_t *bytes = pair->zeros ? zeros : ones;
            ds_mp_put_bin(builder, (struct ds_slice){bytes, (size_t)pair->value});
        }
    }
}

static void entry__each_kind_has_its_keys_and_no_others(void **state)
{
    (void)state;
    enum { ROOM = 2 * DS_ENTRY_SIZE_MAX };
    uint8_t *zeros = calloc(1, ROOM);
    uint8_t *ones = malloc(ROOM);
    uint8_t *memory = malloc(ROOM);
    assert_true(zeros != NULL && ones != NULL && memory != NULL);
    memset(ones, 1, ROOM);
    for (size_t i = 0; i < DS_COUNT(entries); i++) {
        struct ds_builder builder;
        struct ds_entry entry;
        struct ds_detail detail = {{0}};
        ds_builder_init(&builder, memory, ROOM);
        put_pairs(&builder, entries[i].pairs, zeros, ones);
        enum ds_err err = ds_entry_parse(built(&builder), &entry, &detail);
        const char *wanted = entries[i].detail == NULL ? "" : entries[i].detail;
        if (err != entries[i].err || strncmp(detail.text, wanted, strlen(wanted)) != 0) {
            fail_msg("%s: %s, %s", entries[i].name, ds_err_name(err), detail.text);
        }
    }
    free(zeros);
    free(ones);
    free(memory);
}

static void entry__truncations_and_bytes_behind_are_refused(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    for (size_t kind = 0; kind < SAMPLES_ENTRIES; kind++) {
        struct ds_slice whole = samples->entry[kind];
        for (size_t size = 0; size <= whole.size + 1; size++) {
            uint8_t *exact = malloc(size + 1);
            struct ds_entry entry;
            assert_non_null(exact);
            memcpy(exact, whole.data, size <= whole.size ? size : whole.size);
            exact[size] = 0;
            enum ds_err err = ds_entry_parse((struct ds_slice){exact, size}, &entry, NULL);
            assert_int_equal(err == DS_OK, size == whole.size);
            free(exact);
        }
    }
    free(samples);
}

static void head__comes_back_and_wants_all_its_keys(void **state)
{
    (void)state;
    struct samples *samples = make_samples();
    struct ds_head head;
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, samples->head);
    ds_head_take(&cursor, &head);
    assert_int_equal(ds_cursor_end(&cursor), DS_OK);
    assert_true(ds_id_equal(&head.station, &samples->station));
    assert_true(ds_hash_equal(&head.root, &samples->root));
    assert_int_equal(head.size, 2);
    assert_int_equal(head.epoch, 1);
    assert_int_equal(head.instant_ms, SAMPLES_INSTANT_MS + 600000);
    uint8_t memory[256];
    struct ds_builder builder;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_head_put(&builder, &head);
    assert_true(ds_slice_equal(built(&builder), samples->head));
    for (size_t size = 0; size < samples->head.size; size++) {
        ds_cursor_init(&cursor, (struct ds_slice){samples->head.data, size});
        ds_head_take(&cursor, &head);
        assert_true(cursor.failed);
    }
    memory[0] = 0x85; /* One pair fewer: the instant is behind the map. */
    ds_cursor_init(&cursor, built(&builder));
    ds_head_take(&cursor, &head);
    assert_true(cursor.failed);
    free(samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry__random_entries_come_back_as_they_were_written),
        cmocka_unit_test(entry__the_administrator_signs_all_but_his_signature),
        cmocka_unit_test(entry__each_kind_has_its_keys_and_no_others),
        cmocka_unit_test(entry__truncations_and_bytes_behind_are_refused),
        cmocka_unit_test(head__comes_back_and_wants_all_its_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

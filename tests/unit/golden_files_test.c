/* What this version wrote is read back by every later one: a journal, a handheld's vault, and the
 * messages of a day on the wire, as bytes in tests/golden, beside what is to be found in them.
 *
 * DS_UPDATE_GOLDEN=1 makes the bytes anew, from a small station and two handhelds; the texts are
 * then reviewed like code. After a release the files of that release are kept under its name, and
 * only new ones are made. */
#include "handheld-sdk/src/handheld.h"
#include "tests/support/journal_file.h"
#include "tests/support/pocket.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_SIZE_MAX = 4 << 20, TEXT_SIZE_MAX = 65536, MESSAGE_MAX = 1 << 20 };
#define VAULT_TITLE "doorstep vault 1\n"
#define WIRE_TITLE "doorstep wire 1\n"

/* ---- Files. ---- */

static struct ds_slice load(const char *path, uint8_t *memory)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s; run in the source folder, DS_UPDATE_GOLDEN=1 makes it", path);
    }
    size_t size = fread(memory, 1, FILE_SIZE_MAX, file);
    assert_int_equal(fclose(file), 0);
    return (struct ds_slice){memory, size};
}

static void save(const char *path, struct ds_slice bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    assert_int_equal(fclose(file), 0);
}

static bool updates(void)
{
    return getenv("DS_UPDATE_GOLDEN") != NULL;
}

/* What was found in the bytes, against the text beside them. */
static void compare(const char *path, const struct ds_builder *found)
{
    struct ds_slice made = {found->data, found->used};
    assert_false(found->failed);
    if (updates()) {
        save(path, made);
        return;
    }
    uint8_t *wanted = malloc(FILE_SIZE_MAX);
    assert_non_null(wanted);
    struct ds_slice want = load(path, wanted);
    if (!ds_slice_equal(want, made)) {
        fail_msg("%s says:\n%.*s\nfound is:\n%.*s", path, (int)want.size, (const char *)want.data,
                 (int)made.size, (const char *)made.data);
    }
    free(wanted);
}

__attribute__((format(printf, 2, 3))) static void say(struct ds_builder *text, const char *format,
                                                      ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    assert_in_range(size, 0, sizeof(line) - 1);
    ds_put_text(text, line);
}

static void say_hex(struct ds_builder *text, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        say(text, "%02x", bytes[i]);
    }
}

/* ---- A day. ---- */

struct day {
    struct test_station s;
    struct pocket reader;
    struct pocket other;
    struct test_device liar;
    uint8_t *bytes; /* Of the file that is being made, or read. */
    uint8_t *memory;
    struct ds_builder wire;
    struct ds_builder text;
};

/* The keys under which the messages can be read: the server's secret, each device's public. */
static void begin_wire(struct day *day)
{
    const struct pocket *pockets[] = {&day->reader, &day->other};
    ds_put_text(&day->wire, WIRE_TITLE);
    ds_put_bytes(&day->wire, DS_SLICE_OF(day->s.secret.box.byte));
    for (size_t i = 0; i < DS_COUNT(pockets); i++) {
        struct ds_handheld_status status;
        struct ds_device device;
        struct ds_id id;
        assert_int_equal(ds_handheld_status(pockets[i]->h, &status), 0);
        memcpy(id.byte, status.device.byte, sizeof(id.byte));
        test_load(&day->s, DS_REC_device, &id, &device);
        ds_put_hash(&day->wire, &device.box_key);
    }
}

static void capture(struct day *day, const struct pocket *p, uint8_t direction, const uint8_t *data,
                    size_t size)
{
    ds_put_u8(&day->wire, p == &day->other);
    ds_put_u8(&day->wire, direction);
    ds_put_u32(&day->wire, (uint32_t)size);
    ds_put_bytes(&day->wire, (struct ds_slice){data, size});
}

/* Exchange until nothing is left, and keep every message. */
static void exchange(struct day *day, struct pocket *p)
{
    struct ds_handheld_sync_result result = {.more = true};
    while (result.more) {
        struct ds_builder answer;
        struct ds_detail detail;
        size_t size = 0;
        result = (struct ds_handheld_sync_result){.more = false};
        p->h->talk.plain = true; /* Columns cannot be read without the state that they are of. */
        assert_int_equal(
            ds_handheld_exchange_begin(p->h, day->memory, DS_HANDHELD_REQUEST_MAX, &size, NULL), 0);
        capture(day, p, 0, day->memory, size);
        uint8_t *room = day->memory + DS_HANDHELD_REQUEST_MAX;
        ds_builder_init(&answer, room, MESSAGE_MAX);
        assert_int_equal(ds_serve_whole(&day->s.shard, &p->codec,
                                        (struct ds_slice){day->memory, size}, p->memory, &answer,
                                        &detail),
                         DS_OK);
        capture(day, p, 1, answer.data, answer.used);
        assert_int_equal(
            ds_handheld_exchange_end(p->h, answer.data, answer.used, 200, &result, NULL), 0);
    }
}

static void edit(struct pocket *p, size_t place, const char *field, const char *value)
{
    struct ds_handheld_edit one = {field, value};
    struct ds_handheld_edits edits = {.record = "premises", .edits = &one, .count = 1};
    edits.id = pocket_id(&p->station->premises[place]);
    assert_int_equal(ds_handheld_record_edit(p->h, &edits, NULL, NULL), 0);
}

/* A meter that is in none of his books. */
static void read_elsewhere(struct pocket *p)
{
    struct ds_handheld_reading reading = {.has_index = true, .index = 121, .period = TEST_PERIOD};
    reading.meter = pocket_id(&p->station->meter[0]);
    assert_int_equal(ds_handheld_record_reading(p->h, &reading, NULL, NULL), 0);
}

static void office_writes(struct day *day)
{
    struct ds_premises place = {.presence = {0}};
    struct ds_task task = {.presence = {0}};
    struct ds_book book = {.presence = {0}};
    DS_SET(&place, premises, access_note, DS_SLICE_LIT("ring twice"));
    DS_SET(&place, premises, hazard, DS_HAZARD_grade_2);
    test_write(&day->s, &day->s.supervisor, DS_REC_premises, &day->s.premises[1], &place);
    DS_SET(&task, task, kind, DS_TASK_KIND_check);
    DS_SET(&task, task, meter, day->s.meter[2]);
    DS_SET(&task, task, assignee, day->s.reader);
    DS_SET(&task, task, state, DS_TASK_assigned);
    test_write(&day->s, &day->s.supervisor, DS_REC_task, NULL, &task);
    DS_SET(&book, book, assignee, day->s.other_reader);
    test_write(&day->s, &day->s.supervisor, DS_REC_book, &day->s.other_book, &book);
}

static void field_works(struct day *day)
{
    struct pocket *reader = &day->reader;
    struct ds_handheld_visit visit = {.outcome = DS_HANDHELD_NO_ACCESS, .note = "nobody there"};
    struct ds_handheld_swap swap = {
        .old_final_index = 480, .new_meter_no = "N-9", .new_dial_digits = 6, .reason = "leaks"};
    (void)pocket_read(reader, 0, 120);
    (void)pocket_read(reader, 1, 9000);
    edit(reader, 1, "access_note", "dog in the yard");
    edit(reader, 2, "key_holder", "neighbour on the left");
    edit(reader, 1, "hazard", "grade_1");
    read_elsewhere(&day->other);
    visit.meter = pocket_id(&day->s.meter[4]);
    assert_int_equal(ds_handheld_record_visit(reader->h, &visit, NULL, NULL), 0);
    swap.meter = pocket_id(&day->s.meter[3]);
    assert_int_equal(ds_handheld_record_swap(reader->h, &swap, NULL, NULL), 0);
}

static void make_day(struct day *day)
{
    test_station_open(&day->s);
    pocket_enrol(&day->reader, &day->s, &day->s.reader, 3);
    pocket_enrol(&day->other, &day->s, &day->s.other_reader, 4);
    test_device_enrol(&day->s, &day->s.other_reader, 5, &day->liar);
    begin_wire(day);
    exchange(day, &day->reader);
    exchange(day, &day->other);
    field_works(day);
    office_writes(day);
    exchange(day, &day->other);
    exchange(day, &day->reader);
    (void)test_reading(&day->s, &day->liar, 5, 77, TEST_PERIOD);
    assert_int_equal(ds_shard_erase(&day->s.shard, &day->s.supervisor, &day->s.account[5], 1),
                     DS_OK);
    assert_int_equal(ds_shard_epoch(&day->s.shard, &day->s.supervisor, 0), DS_OK);
    assert_int_equal(ds_shard_tick(&day->s.shard), DS_OK);
    exchange(day, &day->reader);
    (void)pocket_read(&day->reader, 2, 55); /* Unsent. */
}

/* ---- Journal. ---- */

static void write_journal(struct day *day, struct ds_builder *out)
{
    struct ds_txn *txn = NULL;
    journal_file_begin(out, &day->s.station);
    assert_int_equal(ds_store_begin(day->s.store, false, &txn), DS_OK);
    for (uint64_t number = 1; number <= day->s.shard.meta.size; number++) {
        struct ds_key key = ds_key_journal(number);
        struct ds_slice entry;
        assert_int_equal(ds_txn_get(txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &entry), DS_OK);
        journal_file_entry(out, entry);
    }
    ds_txn_abort(txn);
}

/* A scope's digest is over the rows' bytes of FORMAT.md, however a version keeps them. */
static void say_scope(struct day *day, struct ds_txn *txn, const struct ds_scope *scope,
                      uint64_t size)
{
    struct ds_cursor_at after = {.scope = *scope};
    struct ds_page page;
    struct ds_arena arena;
    size_t rows = 0;
    do {
        ds_arena_init(&arena, day->memory, MESSAGE_MAX);
        assert_int_equal(ds_feed_page(txn, &after, size, DS_PAGE_ROWS_MAX, 65536, &arena, &page),
                         DS_OK);
        rows += page.row_count;
        after = page.cursor;
    } while (!page.complete);
    say(&day->text, "scope %u view %u ", scope->kind, scope->view);
    say_hex(&day->text, scope->key.byte, 4);
    say(&day->text, ": %zu rows, ", rows);
    say_hex(&day->text, page.digest.byte, sizeof(page.digest.byte));
    say(&day->text, "\n");
}

static void read_journal(struct day *day, struct ds_slice file)
{
    struct ds_store *store = NULL;
    struct ds_shard_meta meta;
    struct ds_detail detail = {{0}};
    struct ds_txn *txn = NULL;
    struct ds_key key = {.byte = {0}, .size = 1};
    struct ds_slice found;
    struct ds_slice value;
    uint8_t *scratch = malloc(DS_ENGINE_SCRATCH_SIZE);
    assert_non_null(scratch);
    assert_int_equal(ds_store_memory_open(0, &store), DS_OK);
    if (journal_file_fold(file, store, scratch, &meta, &detail) != DS_OK) {
        fail_msg("entry %" PRIu64 " does not fold: %s", meta.size + 1, detail.text);
    }
    say(&day->text, "%" PRIu64 " entries, epoch %" PRIu64 "\n", meta.size, meta.epoch);
    assert_int_equal(ds_store_begin(store, false, &txn), DS_OK);
    while (ds_txn_at_or_after(txn, DS_TABLE_SCOPE, ds_key_slice(&key), &found, &value) == DS_OK) {
        struct ds_cursor cursor;
        ds_cursor_init(&cursor, found);
        struct ds_scope scope = ds_take_scope(&cursor);
        key = ds_key_after(found);
        say_scope(day, txn, &scope, meta.size);
    }
    ds_txn_abort(txn);
    ds_store_close(store);
    free(scratch);
}

/* ---- Vault: every value as the handheld's store holds it. ---- */

static void write_vault(struct day *day, struct ds_builder *out)
{
    struct ds_txn *txn = NULL;
    ds_put_text(out, VAULT_TITLE);
    assert_int_equal(ds_store_begin(day->reader.store, false, &txn), DS_OK);
    for (uint8_t table = 0; table < DS_TABLES_MAX; table++) {
        struct ds_key key = {.byte = {0}, .size = 1};
        struct ds_slice found;
        struct ds_slice value;
        while (ds_txn_at_or_after(txn, table, ds_key_slice(&key), &found, &value) == DS_OK) {
            ds_put_u8(out, table);
            ds_put_u8(out, (uint8_t)found.size);
            ds_put_u32(out, (uint32_t)value.size);
            ds_put_bytes(out, found);
            ds_put_bytes(out, value);
            key = ds_key_after(found);
        }
    }
    ds_txn_abort(txn);
}

static struct ds_store *fill_store(struct ds_slice file)
{
    struct ds_store *store = NULL;
    struct ds_txn *txn = NULL;
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, file);
    assert_true(ds_slice_equal(ds_take_bytes(&cursor, sizeof(VAULT_TITLE) - 1),
                               ds_slice_of_text(VAULT_TITLE)));
    assert_int_equal(ds_store_memory_open(0, &store), DS_OK);
    assert_int_equal(ds_store_begin(store, true, &txn), DS_OK);
    while (ds_cursor_left(&cursor) > 0 && !cursor.failed) {
        uint8_t table = ds_take_u8(&cursor);
        size_t key_size = ds_take_u8(&cursor);
        size_t value_size = ds_take_u32(&cursor);
        struct ds_slice key = ds_take_bytes(&cursor, key_size);
        struct ds_slice value = ds_take_bytes(&cursor, value_size);
        assert_int_equal(ds_txn_put(txn, table, key, value), DS_OK);
    }
    assert_false(cursor.failed);
    assert_int_equal(ds_txn_commit(txn), DS_OK);
    return store;
}

static bool say_place(void *context, const struct ds_handheld_place *place)
{
    say(context, "meter %s of %s: phone %s, key holder \"%s\", index %" PRId64 ", pending %u\n",
        place->meter_no, place->account_no, place->phone, place->key_holder, place->index,
        place->pending);
    return true;
}

static bool say_op(void *context, const struct ds_handheld_log_entry *entry)
{
    say(context, "op of record %d: state %d\n", entry->type, (int)entry->state);
    return true;
}

static bool say_scope_held(void *context, const struct ds_handheld_scope *scope)
{
    say(context, "scope %u: ", scope->kind);
    say_hex(context, scope->digest, 8);
    say(context, "\n");
    return true;
}

static void read_vault(struct day *day, struct ds_slice file)
{
    struct pocket p = {.boot = 10, .mono_ms = 1000, .now_ms = TEST_NOW, .random_state = 99};
    struct ds_handheld_options options = pocket_options(&p);
    struct ds_handheld_status status;
    struct ds_handheld *h = NULL;
    struct ds_handheld_detail detail = {{0}};
    struct ds_handheld_id meter;
    uint64_t values = 0;
    uint64_t bad = 0;
    memset(p.hardware, 3, sizeof(p.hardware));
    options.store = fill_store(file);
    if (ds_handheld_open(&options, POCKET_PIN, &h, &detail) != 0) {
        fail_msg("the vault does not open: %s", detail.text);
    }
    assert_int_equal(ds_handheld_scrub(h, &values, &bad, &detail), 0);
    assert_int_equal(ds_handheld_status(h, &status), 0);
    say(&day->text, "unsent %" PRIu64 ", epoch %" PRIu64 ", head of %" PRIu64 "\n", status.unsent,
        status.epoch, status.head_size);
    for (unsigned i = 0; i < TEST_METERS; i++) {
        char number[8];
        snprintf(number, sizeof(number), "A%03u", i);
        if (ds_handheld_meter_by_number(h, "MAKER", number, &meter) == 0) {
            assert_int_equal(ds_handheld_show(h, &meter, say_place, &day->text), 0);
        }
    }
    assert_int_equal(ds_handheld_log(h, false, say_op, &day->text), 0);
    assert_int_equal(ds_handheld_scopes(h, say_scope_held, &day->text), 0);
    ds_handheld_close(h);
    ds_store_close(options.store);
}

/* ---- Wire. ---- */

static void say_request(struct ds_builder *text, struct ds_slice plain, struct ds_arena *arena)
{
    struct ds_request r;
    struct ds_detail detail = {{0}};
    if (ds_request_parse(plain, arena, &r, &detail) != DS_OK) {
        fail_msg("request: %s", detail.text);
    }
    uint64_t ops = 0;
    for (size_t i = 0; i < r.batch_count; i++) {
        struct ds_batch batch;
        assert_int_equal(ds_batch_parse(r.batches[i], &batch, &detail), DS_OK);
        ops += batch.count;
    }
    say(text, "up: %zu batches of %" PRIu64 " ops, %zu cursors, %zu lanes, witness %" PRIu64 "\n",
        r.batch_count, ops, r.cursor_count, r.lane_count, r.witness_size);
}

static void say_response(struct ds_builder *text, struct ds_slice plain, struct ds_arena *arena)
{
    struct ds_response r;
    struct ds_receipt receipt;
    struct ds_detail detail = {{0}};
    size_t rows = 0;
    if (ds_response_parse(plain, arena, &r, &detail) != DS_OK) {
        fail_msg("response: %s", detail.text);
    }
    for (size_t i = 0; i < r.page_count; i++) {
        rows += r.pages[i].row_count;
    }
    assert_non_null(r.signature);
    assert_int_equal(ds_receipt_parse(r.signed_bytes, &receipt), DS_OK);
    say(text,
        "down: %zu taken, %zu scopes, %zu rows, %zu keys, head of %" PRIu64 " in epoch %" PRIu64
        "%s\n",
        r.taken_count, r.scope_count, rows, r.key_count, receipt.head.size, receipt.head.epoch,
        r.epoch_entry.size > 0 ? ", an epoch's entry" : "");
}

static void read_message(struct day *day, const struct ds_link_keys *link, uint8_t direction,
                         struct ds_slice bytes)
{
    struct ds_envelope_codec codec;
    struct ds_builder buffer;
    struct ds_slice plain;
    struct ds_arena arena;
    struct ds_detail detail = {{0}};
    uint8_t *memory = malloc(DS_PLAIN_SIZE_MAX + 2 * MESSAGE_MAX);
    assert_non_null(memory);
    assert_int_equal(ds_envelope_codec_init(&codec), DS_OK);
    ds_builder_init(&buffer, memory, DS_PLAIN_SIZE_MAX);
    ds_arena_init(&arena, memory + DS_PLAIN_SIZE_MAX, 2 * MESSAGE_MAX);
    assert_int_equal(ds_envelope_open(&codec, direction == 0 ? &link->up : &link->down, bytes,
                                      &buffer, &plain, &detail),
                     DS_OK);
    if (direction == 0) {
        say_request(&day->text, plain, &arena);
    } else {
        say_response(&day->text, plain, &arena);
    }
    ds_envelope_codec_fini(&codec);
    free(memory);
}

static void read_wire(struct day *day, struct ds_slice file)
{
    struct ds_cursor cursor;
    struct ds_secret box;
    struct ds_link_keys link[2];
    ds_cursor_init(&cursor, file);
    assert_true(ds_slice_equal(ds_take_bytes(&cursor, sizeof(WIRE_TITLE) - 1),
                               ds_slice_of_text(WIRE_TITLE)));
    struct ds_hash secret = ds_take_hash(&cursor);
    memcpy(box.byte, secret.byte, sizeof(box.byte));
    for (size_t i = 0; i < DS_COUNT(link); i++) {
        struct ds_hash device = ds_take_hash(&cursor);
        assert_int_equal(ds_link_keys_server(&box, &device, &link[i]), DS_OK);
    }
    while (ds_cursor_left(&cursor) > 0) {
        uint8_t who = ds_take_u8(&cursor);
        uint8_t direction = ds_take_u8(&cursor);
        struct ds_slice bytes = ds_take_bytes(&cursor, ds_take_u32(&cursor));
        assert_true(!cursor.failed && who < DS_COUNT(link));
        say(&day->text, "device %u ", who);
        read_message(day, &link[who], direction, bytes);
    }
}

/* ---- The tests. ---- */

static int open_day(void **state)
{
    struct day *day = calloc(1, sizeof(*day));
    assert_non_null(day);
    day->bytes = malloc(FILE_SIZE_MAX);
    day->memory = malloc(DS_HANDHELD_REQUEST_MAX + MESSAGE_MAX);
    char *text = malloc(TEXT_SIZE_MAX);
    uint8_t *wire = malloc(FILE_SIZE_MAX);
    assert_true(day->bytes != NULL && day->memory != NULL && text != NULL && wire != NULL);
    ds_builder_init(&day->text, text, TEXT_SIZE_MAX);
    ds_builder_init(&day->wire, wire, FILE_SIZE_MAX);
    if (updates()) {
        make_day(day);
    }
    *state = day;
    return 0;
}

static int close_day(void **state)
{
    struct day *day = *state;
    if (updates()) {
        pocket_drop(&day->reader);
        pocket_drop(&day->other);
        test_station_close(&day->s);
    }
    free(day->text.data);
    free(day->wire.data);
    free(day->bytes);
    free(day->memory);
    free(day);
    return 0;
}

static void update(const char *path, const struct ds_builder *made)
{
    assert_false(made->failed);
    save(path, (struct ds_slice){made->data, made->used});
}

static void golden__the_journal_folds_to_the_same_rows(void **state)
{
    struct day *day = *state;
    struct ds_builder made;
    if (updates()) {
        ds_builder_init(&made, day->bytes, FILE_SIZE_MAX);
        write_journal(day, &made);
        update("tests/golden/journal.bin", &made);
    }
    read_journal(day, load("tests/golden/journal.bin", day->bytes));
    compare("tests/golden/journal.txt", &day->text);
}

static void golden__the_vault_opens_and_holds_what_it_held(void **state)
{
    struct day *day = *state;
    struct ds_builder made;
    if (updates()) {
        ds_builder_init(&made, day->bytes, FILE_SIZE_MAX);
        write_vault(day, &made);
        update("tests/golden/vault.bin", &made);
    }
    read_vault(day, load("tests/golden/vault.bin", day->bytes));
    compare("tests/golden/vault.txt", &day->text);
}

static void golden__the_messages_of_a_day_are_understood(void **state)
{
    struct day *day = *state;
    if (updates()) {
        update("tests/golden/wire.bin", &day->wire);
    }
    read_wire(day, load("tests/golden/wire.bin", day->bytes));
    compare("tests/golden/wire.txt", &day->text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_day, close_day)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(golden__the_journal_folds_to_the_same_rows),
        CASE(golden__the_vault_opens_and_holds_what_it_held),
        CASE(golden__the_messages_of_a_day_are_understood),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed != 0) {
        (void)fputs(
            "a format has changed? Before its release: DS_UPDATE_GOLDEN=1 and this program, "
            "run in the source folder; then look at the texts\n",
            stderr);
    }
    return failed;
}

/* handheld --store H enrol, sync, books, list, show, status, log, scrub, bundle. */
#include "schema/base/text.h"
#include "server/files.h"
#include "tools/cli/commands.h"
#include "tools/cli/handheld_store.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static enum ds_exit failed(struct ds_cli *cli, int error, const struct ds_handheld_detail *why)
{
    struct ds_detail detail;
    ds_detail_set(&detail, why->text, NULL);
    return ds_cli_fail(cli, ds_err_of_handheld(error), &detail);
}

/* Open, run, close. */
static enum ds_exit with_store(struct ds_cli *cli, enum ds_handheld_use use,
                               enum ds_exit (*run)(struct ds_cli *cli,
                                                   struct ds_handheld_store *store))
{
    struct ds_handheld_store store;
    struct ds_detail detail = {""};
    enum ds_err err = ds_handheld_store_open(cli, use, &store, &detail);
    if (err != DS_OK) {
        return ds_cli_fail(cli, err, &detail);
    }
    enum ds_exit code = run(cli, &store);
    ds_handheld_store_close(&store);
    return code;
}

static void put_id(json_t *object, const char *name, const struct ds_handheld_id *id)
{
    char text[33];
    ds_handheld_id_print(id, text);
    json_object_set_new(object, name, json_string(text));
}

static void put_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        json_object_set_new(object, name, json_string(text));
    }
}

/* ---- enrol, sync ---- */

static enum ds_exit enrol(struct ds_cli *cli, struct ds_handheld_store *store)
{
    struct ds_handheld_detail why = {""};
    struct ds_handheld_status status;
    int error = ds_handheld_enrol(store->handheld, cli->position[0], &why);
    if (error == DS_E_OK) {
        error = ds_handheld_status(store->handheld, &status);
    }
    if (error != DS_E_OK) {
        return failed(cli, error, &why);
    }
    put_id(cli->answer, "device", &status.device);
    put_id(cli->answer, "station", &status.station);
    put_id(cli->answer, "worker", &status.worker);
    ds_cli_print(cli, "enrolled as device %s",
                 json_string_value(json_object_get(cli->answer, "device")));
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_handheld_enrol(struct ds_cli *cli)
{
    return with_store(cli, DS_HANDHELD_USE_ENROL, enrol);
}

static void put_sync(struct ds_cli *cli, const struct ds_handheld_sync_result *result)
{
    ds_cli_put_number(cli, "exchanges", result->exchanges);
    ds_cli_put_number(cli, "sent_ops", (int64_t)result->sent_ops);
    ds_cli_put_number(cli, "acknowledged_ops", (int64_t)result->acknowledged_ops);
    ds_cli_put_number(cli, "rows", (int64_t)result->rows);
    ds_cli_put_number(cli, "refetched", result->refetched);
    ds_cli_put_number(cli, "new_verdicts", result->verdicts);
    ds_cli_put(cli, "new_incarnation", json_boolean(result->new_incarnation));
    ds_cli_put(cli, "new_epoch", json_boolean(result->new_epoch));
    ds_cli_put(cli, "refused_rows", json_boolean(result->refused_rows));
    ds_cli_print(cli,
                 "%u round trips: %" PRIu64 " ops sent, %" PRIu64 " under a receipt, %" PRIu64
                 " rows taken",
                 result->exchanges, result->sent_ops, result->acknowledged_ops, result->rows);
}

/* What the station says of this handheld; NULL: nothing. */
static const char *standing(unsigned commands)
{
    if ((commands & DS_HANDHELD_WIPED) != 0) {
        return "the station has wiped this handheld: pulled data is gone, and it reads no more";
    }
    if ((commands & DS_HANDHELD_REVOKED) != 0) {
        return "the station has revoked this handheld: what it sends waits in quarantine";
    }
    if ((commands & DS_HANDHELD_SUSPENDED) != 0) {
        return "the station has suspended this handheld: what it sends waits in quarantine";
    }
    return NULL;
}

/* A sync that came to its end, and yet not all is well: everything must have arrived. */
static enum ds_exit judge_sync(struct ds_cli *cli, const struct ds_handheld_sync_result *result,
                               const struct ds_handheld_status *status)
{
    const char *said = standing(status->commands);
    ds_cli_put(cli, "commands", json_integer(status->commands));
    if (said != NULL) {
        ds_cli_note(cli, "doorstep handheld sync: %s", said);
    }
    if (status->unsent > 0) {
        ds_cli_note(cli,
                    "doorstep handheld sync: %" PRIu64 " ops are not delivered; they are safe "
                    "here, sync again%s%s",
                    status->unsent, status->problem[0] != '\0' ? ": " : "", status->problem);
        return result->acknowledged_ops > 0 ? DS_EXIT_PARTLY : DS_EXIT_FAILED;
    }
    return said == NULL ? DS_EXIT_OK : DS_EXIT_FAILED;
}

static enum ds_exit sync_store(struct ds_cli *cli, struct ds_handheld_store *store)
{
    struct ds_handheld_detail why = {""};
    struct ds_handheld_sync_result result = {.exchanges = 0};
    struct ds_handheld_status status;
    int error = ds_cli_value(cli, "prove") != NULL ? ds_handheld_prove(store->handheld) : DS_E_OK;
    if (error == DS_E_OK) {
        error = ds_handheld_status(store->handheld, &status);
    }
    if (error == DS_E_OK) {
        error = status.locked ? ds_handheld_deliver_locked(store->handheld, &result, &why)
                              : ds_handheld_sync(store->handheld, &result, &why);
    }
    put_sync(cli, &result);
    if (error != DS_E_OK) {
        return failed(cli, error, &why);
    }
    if (ds_handheld_status(store->handheld, &status) == DS_E_OK) {
        ds_cli_put_text(cli, "receipt", status.receipt);
        ds_cli_put_number(cli, "unsent", (int64_t)status.unsent);
        ds_cli_print(cli, "%s", status.receipt);
        return judge_sync(cli, &result, &status);
    }
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_handheld_sync(struct ds_cli *cli)
{
    return with_store(cli, DS_HANDHELD_USE_LOCKED, sync_store);
}

/* ---- books, list, show ---- */

struct listing {
    struct ds_cli *cli;
    json_t *items;
    bool only_open;
    bool whole;
    uint64_t walked; /* Meters of the book, those that are not listed too. */
};

static bool put_book(void *context, const struct ds_handheld_book *book)
{
    struct listing *list = context;
    json_t *item = json_pack("{s:s, s:s, s:i, s:b, s:i, s:i, s:i, s:i, s:i}", "number",
                             book->number, "name", book->name, "period", (int)book->period, "mine",
                             book->mine, "meters", (int)book->progress.meters, "read",
                             (int)book->progress.read, "held", (int)book->progress.held, "visited",
                             (int)book->progress.visited, "pending", (int)book->progress.pending);
    put_id(item, "id", &book->id);
    put_text(item, "period_state", ds_handheld_word("period_state", book->period_state));
    json_array_append_new(list->items, item);
    ds_cli_print(list->cli, "%-8s %s  %d: %u of %u read, %u held, %u visited, %u to send%s",
                 book->number, book->name, (int)book->period, book->progress.read,
                 book->progress.meters, book->progress.held, book->progress.visited,
                 book->progress.pending, book->mine ? "" : " (not mine)");
    return true;
}

static enum ds_exit books(struct ds_cli *cli, struct ds_handheld_store *store)
{
    struct listing list = {.cli = cli, .items = json_array()};
    struct ds_handheld_detail why = {""};
    int error = ds_handheld_books(store->handheld, put_book, &list);
    ds_cli_put(cli, "books", list.items);
    return error == DS_E_OK ? DS_EXIT_OK : failed(cli, error, &why);
}

enum ds_exit ds_cmd_handheld_books(struct ds_cli *cli)
{
    return with_store(cli, DS_HANDHELD_USE_WORK, books);
}

static const char *word_of(const char *list, int number)
{
    const char *word = ds_handheld_word(list, number);
    return word != NULL ? word : "";
}

static json_t *place_json(const struct ds_handheld_place *place, bool whole)
{
    json_t *item = json_pack("{s:s, s:s, s:I, s:s}", "meter_no", place->meter_no, "manufacturer",
                             place->manufacturer, "walk_order", (json_int_t)place->walk_order,
                             "address", place->address);
    put_id(item, "meter", &place->meter);
    put_text(item, "slot_state", word_of("slot_state", place->slot_state));
    put_text(item, "place", place->meter_place);
    put_text(item, "account_no", place->account_no);
    json_object_set_new(item, "period", json_integer(place->period));
    json_object_set_new(item, "pending", json_integer(place->pending));
    json_object_set_new(item, "re_read", json_boolean(place->re_read));
    if (place->has_index) {
        json_object_set_new(item, "index", json_integer(place->index));
        put_text(item, "method", word_of("method", place->method));
        put_text(item, "condition", word_of("condition", place->condition));
    }
    if (place->has_consumption) {
        json_object_set_new(item, "consumption_l", json_integer(place->consumption_l));
    }
    if (!whole) {
        return item;
    }
    put_id(item, "premises", &place->premises);
    put_id(item, "book", &place->book);
    put_text(item, "kind", word_of("meter_kind", place->meter_kind));
    put_text(item, "account_name", place->account_name);
    put_text(item, "phone", place->phone);
    put_text(item, "key_holder", place->key_holder);
    put_text(item, "access_note", place->access_note);
    put_text(item, "best_hour", place->best_hour);
    json_object_set_new(item, "dial_digits", json_integer(place->dial_digits));
    json_object_set_new(item, "unit_l", json_integer(place->unit_l));
    if (place->has_previous) {
        json_object_set_new(item, "previous_index", json_integer(place->previous_index));
        json_object_set_new(item, "previous_period", json_integer(place->previous_period));
    }
    if (place->has_expected) {
        json_object_set_new(item, "expected_l", json_integer(place->expected_l));
    }
    return item;
}

static bool put_place(void *context, const struct ds_handheld_place *place)
{
    struct listing *list = context;
    bool open = place->slot_state == DS_HANDHELD_SLOT_NONE ||
                place->slot_state == DS_HANDHELD_SLOT_EMPTY || place->re_read;
    list->walked++;
    if (list->only_open && !open) {
        return true;
    }
    char index[24] = "-";
    if (place->has_index) {
        snprintf(index, sizeof(index), "%" PRId64, place->index);
    }
    json_array_append_new(list->items, place_json(place, list->whole));
    ds_cli_print(list->cli, "%5" PRId64 " %-14s %-10s %-10s %s%s", place->walk_order,
                 place->meter_no, index, word_of("slot_state", place->slot_state), place->address,
                 place->re_read ? "  read again!" : "");
    return true;
}

static enum ds_exit list_book(struct ds_cli *cli, struct ds_handheld_store *store)
{
    struct listing list = {
        .cli = cli, .items = json_array(), .only_open = ds_cli_given(cli, "open")};
    struct ds_handheld_detail why = {""};
    struct ds_handheld_id book;
    const char *number = ds_cli_value(cli, "book");
    int error = ds_handheld_book_by_number(store->handheld, number, &book);
    if (error == DS_E_NOT_FOUND) {
        snprintf(why.text, sizeof(why.text), "book %.40s is not on this handheld", number);
    }
    if (error == DS_E_OK) {
        error = ds_handheld_walk(store->handheld, &book, put_place, &list);
    }
    ds_cli_put(cli, "meters", list.items);
    if (error == DS_E_OK && list.walked == 0) {
        snprintf(why.text, sizeof(why.text), "book %.40s has no meters on this handheld", number);
        error = DS_E_NOT_FOUND;
    } else if (error == DS_E_OK && json_array_size(list.items) == 0) {
        ds_cli_note(cli, "every meter of book %s is read", number);
    }
    return error == DS_E_OK ? DS_EXIT_OK : failed(cli, error, &why);
}

enum ds_exit ds_cmd_handheld_list(struct ds_cli *cli)
{
    return with_store(cli, DS_HANDHELD_USE_WORK, list_book);
}

static enum ds_exit show(struct ds_cli *cli, struct ds_handheld_store *store)
{
    struct listing list = {.cli = cli, .items = json_array(), .whole = true};
    struct ds_detail detail = {""};
    struct ds_handheld_detail why = {""};
    struct ds_handheld_id meter;
    enum ds_err err = ds_handheld_store_meter(cli, store, &meter, &detail);
    if (err != DS_OK) {
        json_decref(list.items);
        return ds_cli_fail(cli, err, &detail);
    }
    int error = ds_handheld_show(store->handheld, &meter, put_place, &list);
    json_t *first = json_array_get(list.items, 0);
    if (error == DS_E_OK && first != NULL) {
        const char *name = NULL;
        json_t *value = NULL;
        json_object_foreach(first, name, value)
        {
            char number[32];
            snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
            ds_cli_print(cli, "  %-16s %s", name,
                         json_is_string(value)    ? json_string_value(value)
                         : json_is_integer(value) ? number
                         : json_is_true(value)    ? "yes"
                                                  : "no");
        }
        ds_cli_put(cli, "meter", json_incref(first));
    }
    json_decref(list.items);
    return error == DS_E_OK ? DS_EXIT_OK : failed(cli, error, &why);
}

enum ds_exit ds_cmd_handheld_show(struct ds_cli *cli)
{
    return with_store(cli, DS_HANDHELD_USE_WORK, show);
}

/* ---- status, log ---- */

static void put_root(struct ds_cli *cli, const char *name, const uint8_t root[static 32])
{
    uint8_t memory[65];
    struct ds_builder text;
    ds_builder_init(&text, memory, sizeof(memory));
    ds_put_hex(&text, (struct ds_slice){root, 32});
    ds_cli_put_text(cli, name, ds_builder_text(&text));
}

static void put_history(struct ds_cli *cli, const struct ds_handheld_status *s)
{
    static const char *const words[] = {"sound",    "rolled_back", "other_root",
                                        "no_proof", "epoch",       "lost"};
    bool known = s->history >= 0 && (size_t)s->history < DS_COUNT(words);
    const char *word = known ? words[s->history] : "unknown";
    ds_cli_put_number(cli, "epoch", (int64_t)s->epoch);
    ds_cli_put_number(cli, "head_size", (int64_t)s->head_size);
    put_root(cli, "head_root", s->head_root);
    ds_cli_put_number(cli, "proved_size", (int64_t)s->proved_size);
    ds_cli_put_number(cli, "proved_ms", s->proved_ms);
    ds_cli_put(cli, "history_doubted", json_boolean(s->history_doubted));
    ds_cli_put_text(cli, "history", word);
    ds_cli_put_number(cli, "doubts", (int64_t)s->doubts);
    if (s->doubts == 0) {
        return;
    }
    ds_cli_put_number(cli, "doubt_ms", s->doubt_ms);
    ds_cli_put_number(cli, "doubt_size", (int64_t)s->doubt_size);
    ds_cli_put_number(cli, "shown_size", (int64_t)s->shown_size);
    put_root(cli, "shown_root", s->shown_root);
    ds_cli_print(cli, "%s: the server's history was found %s %" PRIu64 " times",
                 s->history_doubted ? "REFUSED" : "sound again", word, s->doubts);
}

static enum ds_exit status_of(struct ds_cli *cli, struct ds_handheld_store *store)
{
    struct ds_handheld_status s;
    struct ds_handheld_detail why = {""};
    int error = ds_handheld_status(store->handheld, &s);
    if (error != DS_E_OK) {
        return failed(cli, error, &why);
    }
    put_id(cli->answer, "device", &s.device);
    put_id(cli->answer, "worker", &s.worker);
    ds_cli_put(cli, "enrolled", json_boolean(s.enrolled));
    ds_cli_put(cli, "locked", json_boolean(s.locked));
    ds_cli_put_number(cli, "commands", s.commands);
    ds_cli_put_number(cli, "lives", s.lives);
    ds_cli_put_number(cli, "recorded", (int64_t)s.recorded);
    ds_cli_put_number(cli, "received", (int64_t)s.received);
    ds_cli_put_number(cli, "unsent", (int64_t)s.unsent);
    ds_cli_put_text(cli, "receipt", s.receipt);
    ds_cli_put_text(cli, "problem", s.problem);
    ds_cli_print(cli, "%s, %s", s.enrolled ? "enrolled" : "not enrolled",
                 s.locked ? "locked" : "unlocked");
    ds_cli_print(cli, "%" PRIu64 " recorded, %" PRIu64 " unsent", s.recorded, s.unsent);
    ds_cli_print(cli, "%s", s.receipt[0] != '\0' ? s.receipt : "no receipt yet");
    put_history(cli, &s);
    if (s.problem[0] != '\0') {
        ds_cli_print(cli, "last problem: %s", s.problem);
    }
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_handheld_status(struct ds_cli *cli)
{
    return with_store(cli, DS_HANDHELD_USE_LOCKED, status_of);
}

static bool put_entry(void *context, const struct ds_handheld_log_entry *entry)
{
    static const char *const states[] = {"", "pending", "sealed", "acknowledged"};
    struct listing *list = context;
    char op[33];
    const char *state = entry->state >= 1 && entry->state <= 3 ? states[entry->state] : "";
    ds_handheld_id_print(&entry->op, op);
    json_t *item =
        json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:s}", "op", op, "seq", (json_int_t)entry->seq,
                  "record", entry->record, "state", state, "position", (json_int_t)entry->position,
                  "instant_ms", (json_int_t)entry->instant_ms, "sentence", entry->sentence);
    put_id(item, "entity", &entry->entity);
    put_text(item, "verdict", ds_handheld_word("verdict", entry->verdict));
    json_array_append_new(list->items, item);
    ds_cli_print(list->cli, "%5" PRIu64 " %-10s %-13s %s", entry->seq, entry->record, state,
                 entry->sentence);
    return true;
}

static enum ds_exit show_log(struct ds_cli *cli, struct ds_handheld_store *store)
{
    struct listing list = {.cli = cli, .items = json_array()};
    struct ds_handheld_detail why = {""};
    int error = ds_handheld_log(store->handheld, ds_cli_given(cli, "unsent"), put_entry, &list);
    ds_cli_put(cli, "ops", list.items);
    return error == DS_E_OK ? DS_EXIT_OK : failed(cli, error, &why);
}

enum ds_exit ds_cmd_handheld_log(struct ds_cli *cli)
{
    return with_store(cli, DS_HANDHELD_USE_WORK, show_log);
}

/* ---- scrub ---- */

static enum ds_exit scrub(struct ds_cli *cli, struct ds_handheld_store *store)
{
    struct ds_handheld_detail why = {""};
    uint64_t values = 0;
    uint64_t bad = 0;
    int error = ds_handheld_scrub(store->handheld, &values, &bad, &why);
    ds_cli_put_number(cli, "values", (int64_t)values);
    ds_cli_put_number(cli, "bad", (int64_t)bad);
    ds_cli_print(cli, "%" PRIu64 " values read, %" PRIu64 " bad", values, bad);
    return error == DS_E_OK ? DS_EXIT_OK : failed(cli, error, &why);
}

enum ds_exit ds_cmd_handheld_scrub(struct ds_cli *cli)
{
    return with_store(cli, true, scrub);
}

/* ---- bundle export ---- */

static int write_piece(void *context, const uint8_t *bytes, size_t size)
{
    return fwrite(bytes, 1, size, context) == size ? DS_E_OK : DS_E_IO;
}

/* A bundle may be the only copy of somebody's work: an existing file is never written over. */
static enum ds_exit export_bundle(struct ds_cli *cli, struct ds_handheld_store *store)
{
    struct ds_handheld_detail why = {""};
    struct ds_handheld_status status;
    uint64_t ops = 0;
    const char *path = cli->position[0];
    int error = ds_handheld_status(store->handheld, &status);
    if (error == DS_E_OK && status.unsent == 0) {
        ds_cli_put_number(cli, "ops", 0);
        ds_cli_print(cli, "nothing is unsent; no file was written");
        return DS_EXIT_OK;
    }
    FILE *file = error == DS_E_OK ? fopen(path, "wbx") : NULL;
    if (file == NULL) {
        bool there = ds_file_exists(path);
        snprintf(why.text, sizeof(why.text), "%.200s: %s", path,
                 there ? "exists already; a bundle is never written over" : "cannot be written");
        return failed(cli, there ? DS_E_EXISTS : DS_E_IO, &why);
    }
    error = ds_handheld_bundle_export(store->handheld, write_piece, file, &ops);
    if (fclose(file) != 0 && error == DS_E_OK) {
        error = DS_E_IO;
    }
    if (error != DS_E_OK) {
        (void)unlink(path); /* It is ours, and half of a bundle. */
        return failed(cli, error, &why);
    }
    ds_cli_put_number(cli, "ops", (int64_t)ops);
    ds_cli_print(cli, "%" PRIu64 " unsent ops in %s; only the station can open it", ops, path);
    return DS_EXIT_OK;
}

enum ds_exit ds_cmd_bundle_export(struct ds_cli *cli)
{
    return with_store(cli, DS_HANDHELD_USE_LOCKED, export_bundle);
}

/* Read one book: enrol, pull, walk, ask the rules, record, hand in.
 *
 * Usage: example_read_one_book FOLDER BOOK [CODE], the PIN on standard input.
 * Compiled by the build against the public header alone. */
#include "doorstep.h"

#include <stdio.h>
#include <string.h>

/* A callback may not call back into the handle, so it only takes notes. */
struct round {
    struct ds_handheld_id meter[500];
    int64_t guess[500];
    size_t count;
};

static bool note_unread(void *context, const struct ds_handheld_place *place)
{
    struct round *round = context;
    if (place->slot_state <= DS_HANDHELD_SLOT_EMPTY && place->has_expected) {
        round->meter[round->count] = place->meter;
        round->guess[round->count++] = place->expected_index_least;
        printf("%4lld  %-12s %s\n", (long long)place->walk_order, place->meter_no, place->address);
    }
    return round->count < sizeof(round->meter) / sizeof(round->meter[0]);
}

static int complain(const char *what, int error, const struct ds_handheld_detail *detail)
{
    fprintf(stderr, "%s: %s %s\n", what, ds_handheld_error_text(error), detail->text);
    return error;
}

/* Look twice where the rules do: the second number is typed blind, and if it stands, with a
 * reason. */
static int read_meter(struct ds_handheld *handle, struct ds_handheld_reading *reading)
{
    struct ds_handheld_finding findings[DS_HANDHELD_FINDINGS_MAX];
    struct ds_handheld_detail detail = {""};
    size_t count = 0;
    int error = ds_handheld_check_reading(handle, reading, findings, &count, &detail);
    for (size_t i = 0; i < count && error == 0; i++) {
        printf("      %s: %s\n", findings[i].rule, findings[i].why);
        if (findings[i].ask == DS_HANDHELD_ASK_BLIND) {
            reading->has_blind_index = true;
            reading->blind_index = reading->index;
            reading->reason = "read twice";
        }
    }
    if (error == 0) {
        error = ds_handheld_record_reading(handle, reading, NULL, &detail);
    }
    return error == 0 ? 0 : complain("reading", error, &detail);
}

static int read_round(struct ds_handheld *handle, const char *book_number)
{
    static struct round round;
    struct ds_handheld_detail detail = {""};
    struct ds_handheld_id book;
    int error = ds_handheld_book_by_number(handle, book_number, &book);
    if (error == 0) {
        error = ds_handheld_walk(handle, &book, note_unread, &round);
    }
    if (error != 0) {
        return complain(book_number, error, &detail);
    }
    for (size_t i = 0; i < round.count && error == 0; i++) {
        struct ds_handheld_reading reading;
        memset(&reading, 0, sizeof(reading));
        reading.meter = round.meter[i];
        reading.has_index = true;
        reading.index = round.guess[i]; /* Here stands what the worker types. */
        error = read_meter(handle, &reading);
    }
    return error;
}

static int work(struct ds_handheld *handle, const char *book, const char *code)
{
    struct ds_handheld_detail detail = {""};
    struct ds_handheld_sync_result result;
    struct ds_handheld_status status;
    int error = code != NULL ? ds_handheld_enrol(handle, code, &detail) : 0;
    if (error == 0) {
        error = ds_handheld_sync(handle, &result, &detail); /* The book comes. */
    }
    if (error != 0) {
        return complain("exchange", error, &detail);
    }
    error = read_round(handle, book); /* No network from here ... */
    if (error == 0) {
        error = ds_handheld_sync(handle, &result, &detail); /* ... to here. */
    }
    if (error == 0) {
        error = ds_handheld_status(handle, &status);
    }
    if (error != 0) {
        return complain("exchange", error, &detail);
    }
    printf("%s\n", status.receipt);
    return 0;
}

int main(int argc, char **argv)
{
    struct ds_handheld_options options;
    struct ds_handheld_detail detail = {""};
    struct ds_handheld *handle;
    char pin[DS_HANDHELD_PIN_MAX + 2] = "";
    if (argc < 3 || fgets(pin, sizeof(pin), stdin) == NULL) {
        fprintf(stderr, "usage: %s FOLDER BOOK [CODE] <PIN\n", argv[0]);
        return 2;
    }
    pin[strcspn(pin, "\n")] = '\0';
    memset(&options, 0, sizeof(options));
    options.dir = argv[1];
    int error = ds_handheld_open(&options, pin, &handle, &detail);
    if (error != 0) {
        (void)complain(argv[1], error, &detail);
        return 1;
    }
    error = work(handle, argv[2], argc > 3 ? argv[3] : NULL);
    ds_handheld_close(handle);
    return error == 0 ? 0 : 1;
}

#include "handheld-sdk/src/finder.h"

#include "handheld-sdk/src/overlay.h"
#include "handheld-sdk/src/place.h"
#include "schema/geo/geo.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_FIRST = 1024, TEXT_FIRST = 65536, ENTRY_TEXT_MAX = 1536, WORDS_MAX = 8 };
enum rank { RANK_EXACT, RANK_PREFIX, RANK_INSIDE, RANK_ADDRESS, RANK_NONE };

struct entry {
    struct ds_id meter;
    uint32_t text; /* Place of meter_no NUL maker NUL account_no NUL address NUL. */
    bool has_position;
    struct ds_geo position;
};
struct ds_finder {
    uint64_t directory; /* The handle's count when it was read. */
    struct entry *entries;
    size_t count;
    size_t room;
    char *text;
    size_t text_used;
    size_t text_room;
};

void ds_finder_close(struct ds_handheld *h)
{
    struct ds_finder *finder = h->finder;
    if (finder == NULL) {
        return;
    }
    if (finder->text != NULL) {
        ds_wipe(finder->text, finder->text_used);
    }
    free(finder->text);
    free(finder->entries);
    free(finder);
    h->finder = NULL;
}

/* ---- Reading. ---- */

/* Twice the room, or as much as is needed. Old clear text is wiped. */
static enum ds_err grow_text(struct ds_finder *finder, size_t need)
{
    size_t room = finder->text_room > 0 ? finder->text_room : TEXT_FIRST;
    while (room - finder->text_used < need) {
        room *= 2;
    }
    if (room == finder->text_room) {
        return DS_OK;
    }
    char *text = malloc(room);
    if (text == NULL || room > UINT32_MAX) {
        free(text);
        return DS_ERR_NOMEM;
    }
    if (finder->text != NULL) {
        memcpy(text, finder->text, finder->text_used);
        ds_wipe(finder->text, finder->text_used);
        free(finder->text);
    }
    finder->text = text;
    finder->text_room = room;
    return DS_OK;
}

static enum ds_err grow_entries(struct ds_finder *finder)
{
    if (finder->count < finder->room) {
        return DS_OK;
    }
    size_t room = finder->room > 0 ? finder->room * 2 : ENTRIES_FIRST;
    struct entry *entries = realloc(finder->entries, room * sizeof(*entries));
    if (entries == NULL) {
        return DS_ERR_NOMEM;
    }
    finder->entries = entries;
    finder->room = room;
    return DS_OK;
}

static enum ds_err around(struct ds_handheld *h, struct ds_txn *txn, const struct ds_meter *meter,
                          struct ds_premises *premises, struct ds_account *account)
{
    static const struct ds_id no_id;
    memset(premises, 0, sizeof(*premises));
    memset(account, 0, sizeof(*account));
    enum ds_err err = DS_OK;
    if (DS_HAS(meter, meter, premises)) {
        err = ds_overlay_record(h, txn, DS_REC_premises, &meter->premises, premises, NULL);
    }
    if (err != DS_OK && err != DS_ERR_NOT_FOUND) {
        return err;
    }
    struct ds_id id = DS_GET(meter, meter, account, DS_GET(premises, premises, account, no_id));
    if (!ds_id_is_none(&id)) {
        err = ds_replica_record(h, txn, DS_REC_account, &id, account);
    }
    return err == DS_ERR_NOT_FOUND ? DS_OK : err;
}

static void put_part(struct ds_builder *out, bool has, struct ds_slice text)
{
    if (has) {
        ds_put_bytes(out, text);
    }
    ds_put_u8(out, 0);
}

static enum ds_err add_meter(struct ds_handheld *h, struct ds_txn *txn, const struct ds_id *id)
{
    struct ds_finder *finder = h->finder;
    struct ds_meter meter;
    struct ds_premises premises;
    struct ds_account account;
    struct ds_builder text;
    DS_TRY(ds_overlay_record(h, txn, DS_REC_meter, id, &meter, NULL));
    if (DS_GET(&meter, meter, state, DS_METER_active) != DS_METER_active) {
        return DS_OK;
    }
    DS_TRY(around(h, txn, &meter, &premises, &account));
    DS_TRY(grow_entries(finder));
    DS_TRY(grow_text(finder, ENTRY_TEXT_MAX));
    ds_builder_init(&text, finder->text + finder->text_used, ENTRY_TEXT_MAX);
    put_part(&text, DS_HAS(&meter, meter, meter_no), meter.meter_no);
    put_part(&text, DS_HAS(&meter, meter, manufacturer), meter.manufacturer);
    put_part(&text, DS_HAS(&account, account, number), account.number);
    size_t before = text.used;
    struct ds_builder address;
    ds_builder_init(&address, text.data + before, text.size - before - 1);
    ds_place_put_address(&premises, &address);
    text.used += address.failed ? 0 : address.used;
    ds_put_u8(&text, 0);
    if (text.failed) {
        return DS_ERR_LIMIT;
    }
    struct entry *entry = &finder->entries[finder->count++];
    *entry = (struct entry){.meter = *id, .text = (uint32_t)finder->text_used};
    entry->has_position =
        DS_HAS(&premises, premises, lat_e7) && DS_HAS(&premises, premises, lon_e7);
    entry->position.lat_e7 = (int32_t)DS_GET(&premises, premises, lat_e7, 0);
    entry->position.lon_e7 = (int32_t)DS_GET(&premises, premises, lon_e7, 0);
    finder->text_used += text.used;
    return DS_OK;
}

/* Pulled meters, by their rows. */
static enum ds_err add_pulled(struct ds_handheld *h, struct ds_txn *txn)
{
    struct ds_held_row row;
    memset(&row, 0, sizeof(row));
    row.type = DS_REC_meter;
    for (;;) {
        size_t mark = ds_arena_mark(&h->arena);
        enum ds_err err = ds_replica_next(h, txn, &row);
        if (err == DS_ERR_NOT_FOUND || (err == DS_OK && row.type != DS_REC_meter)) {
            return DS_OK;
        }
        DS_TRY(err);
        DS_TRY(add_meter(h, txn, &row.id));
        ds_arena_rewind(&h->arena, mark);
        if (!ds_replica_step(&row)) {
            return DS_OK;
        }
    }
}

/* Meters typed here that have not come back yet: among the ops that wait. */
static enum ds_err add_typed(struct ds_handheld *h, struct ds_txn *txn)
{
    for (uint64_t order = h->writer.acked_order; order < h->writer.next_order; order++) {
        struct ds_own_op op;
        struct ds_held_row row;
        size_t mark = ds_arena_mark(&h->arena);
        DS_TRY(ds_own_load(h, txn, order, &op));
        if (op.type == DS_REC_meter && ds_id_equal(&op.entity, &op.id) &&
            ds_replica_row(h, txn, DS_REC_meter, &op.entity, &row) == DS_ERR_NOT_FOUND) {
            DS_TRY(add_meter(h, txn, &op.entity));
        }
        ds_arena_rewind(&h->arena, mark);
    }
    return DS_OK;
}

static enum ds_err read_all(struct ds_handheld *h, struct ds_txn *txn)
{
    if (h->finder != NULL && h->finder->directory == h->directory) {
        return DS_OK;
    }
    ds_finder_close(h);
    h->finder = calloc(1, sizeof(*h->finder));
    if (h->finder == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_err err = add_pulled(h, txn);
    err = err != DS_OK ? err : add_typed(h, txn);
    if (err != DS_OK) {
        ds_finder_close(h);
        return err;
    }
    h->finder->directory = h->directory;
    return DS_OK;
}

/* ---- Searching. ---- */

static enum rank rank_of(const char *text, const char *wanted)
{
    size_t size = strlen(wanted);
    if (strncmp(text, wanted, size) == 0) {
        return text[size] == '\0' ? RANK_EXACT : RANK_PREFIX;
    }
    return strstr(text, wanted) != NULL ? RANK_INSIDE : RANK_NONE;
}

struct search {
    const struct ds_handheld_query *query;
    char words[ENTRY_TEXT_MAX]; /* The query's words, each with its NUL. */
    const char *word[WORDS_MAX];
    size_t word_count;
    struct ds_geo near;
};

/* Split at spaces. Words beyond the limit are left out. */
static enum ds_err split_words(struct search *s)
{
    const char *text = s->query->text != NULL ? s->query->text : "";
    size_t size = strlen(text);
    if (size >= sizeof(s->words)) {
        return DS_ERR_LIMIT;
    }
    memcpy(s->words, text, size + 1);
    bool inside = false;
    for (size_t i = 0; i < size; i++) {
        if (s->words[i] == ' ') {
            s->words[i] = '\0';
            inside = false;
        } else if (!inside && s->word_count < WORDS_MAX) {
            s->word[s->word_count++] = &s->words[i];
            inside = true;
        }
    }
    return DS_OK;
}

static enum rank rank_address(const struct search *s, const char *address)
{
    for (size_t i = 0; i < s->word_count; i++) {
        if (strstr(address, s->word[i]) == NULL) {
            return RANK_NONE;
        }
    }
    return s->word_count > 0 ? RANK_ADDRESS : RANK_NONE;
}

static enum rank best(enum rank a, enum rank b)
{
    return a < b ? a : b;
}

static enum rank rank_entry(const struct search *s, const char *text)
{
    const char *meter_no = text;
    const char *maker = meter_no + strlen(meter_no) + 1;
    const char *account_no = maker + strlen(maker) + 1;
    const char *address = account_no + strlen(account_no) + 1;
    const char *wanted = s->query->text != NULL ? s->query->text : "";
    switch (s->query->kind) {
    case DS_HANDHELD_BY_METER_NO:
        return rank_of(meter_no, wanted);
    case DS_HANDHELD_BY_ACCOUNT_NO:
        return rank_of(account_no, wanted);
    case DS_HANDHELD_BY_ADDRESS:
        return rank_address(s, address);
    case DS_HANDHELD_BY_NEARNESS:
        return RANK_EXACT;
    default:
        return best(best(rank_of(meter_no, wanted), rank_of(account_no, wanted)),
                    rank_address(s, address));
    }
}

static int compare_found(const void *a, const void *b)
{
    const struct ds_found *one = a;
    const struct ds_found *two = b;
    if (one->rank != two->rank) {
        return one->rank < two->rank ? -1 : 1;
    }
    if (one->far_m != two->far_m) {
        uint64_t x = (uint64_t)one->far_m; /* -1, not known, comes last. */
        uint64_t y = (uint64_t)two->far_m;
        return x < y ? -1 : 1;
    }
    return memcmp(one->meter.byte, two->meter.byte, sizeof(one->meter.byte));
}

static bool matches(const struct search *s, const struct entry *entry, const char *text,
                    struct ds_found *found)
{
    const struct ds_handheld_query *query = s->query;
    enum rank rank = rank_entry(s, text);
    if (rank == RANK_NONE) {
        return false;
    }
    *found = (struct ds_found){.meter = entry->meter, .rank = (int)rank, .far_m = -1};
    if (query->near.known && entry->has_position) {
        found->far_m = ds_geo_distance_m(s->near, entry->position);
    }
    bool far = query->within_m > 0 && (found->far_m < 0 || found->far_m > query->within_m);
    bool unplaced = query->kind == DS_HANDHELD_BY_NEARNESS && found->far_m < 0;
    return !far && !unplaced;
}

enum ds_err ds_finder_search(struct ds_handheld *h, struct ds_txn *txn,
                             const struct ds_handheld_query *query, struct ds_found **found,
                             size_t *count)
{
    struct search s = {.query = query, .near = {query->near.lat_e7, query->near.lon_e7}};
    *found = NULL;
    *count = 0;
    DS_TRY(split_words(&s));
    DS_TRY(read_all(h, txn));
    struct ds_finder *finder = h->finder;
    struct ds_found *all = malloc((finder->count + 1) * sizeof(*all));
    if (all == NULL) {
        return DS_ERR_NOMEM;
    }
    for (size_t i = 0; i < finder->count; i++) {
        const struct entry *entry = &finder->entries[i];
        *count += matches(&s, entry, finder->text + entry->text, &all[*count]);
    }
    qsort(all, *count, sizeof(*all), compare_found);
    uint32_t limit = query->limit > 0 ? query->limit : DS_FINDER_RESULTS_DEFAULT;
    limit = limit < DS_FINDER_RESULTS_MAX ? limit : DS_FINDER_RESULTS_MAX;
    *count = *count < limit ? *count : limit;
    *found = all;
    return DS_OK;
}

static bool text_is(const char *text, struct ds_slice wanted)
{
    return ds_slice_equal(ds_slice_of_text(text), wanted);
}

enum ds_err ds_finder_exact(struct ds_handheld *h, struct ds_txn *txn, struct ds_slice manufacturer,
                            struct ds_slice meter_no, struct ds_id *meter, size_t *count)
{
    *count = 0;
    DS_TRY(read_all(h, txn));
    for (size_t i = 0; i < h->finder->count; i++) {
        const char *number = h->finder->text + h->finder->entries[i].text;
        const char *maker = number + strlen(number) + 1;
        if (text_is(number, meter_no) && (manufacturer.size == 0 || text_is(maker, manufacturer))) {
            *meter = *count == 0 ? h->finder->entries[i].meter : *meter;
            ++*count;
        }
    }
    return DS_OK;
}

#include "handheld-sdk/src/line.h"

#include <string.h>

/* ---- Looking things up. ---- */

static bool place_of(void *of, const struct ds_id *meter, struct ds_id *book, uint32_t *order)
{
    const struct ds_line *line = of;
    struct ds_arena *arena = &line->h->arena;
    size_t mark = ds_arena_mark(arena);
    struct ds_meter row;
    memset(&row, 0, sizeof(row));
    bool known = ds_replica_record(line->h, line->txn, DS_REC_meter, meter, &row) == DS_OK &&
                 DS_HAS(&row, meter, book);
    int64_t at = known ? DS_GET(&row, meter, walk_order, 0) : 0;
    *book = row.book;
    *order = at < 0 ? 0 : at > UINT32_MAX ? UINT32_MAX : (uint32_t)at;
    ds_arena_rewind(arena, mark);
    return known;
}

static bool meter_at(void *of, const struct ds_id *book, uint32_t order, struct ds_id *meter)
{
    static const struct ds_id first;
    const struct ds_line *line = of;
    struct ds_key key = ds_key_link(DS_LINK_BOOK_METER, book, order, &first);
    uint32_t found = 0;
    uint8_t type = 0;
    return ds_link_next(line->txn, &key, &found, meter, &type) == DS_OK && found == order;
}

/* The batch that goes on from there says what it hangs on. */
static bool chain(void *of, const struct ds_incarnation *incarnation, enum ds_lane lane,
                  uint64_t seq, struct ds_hash *hash)
{
    const struct ds_line *line = of;
    for (size_t i = 0; line->request != NULL && i < line->request->batch_count; i++) {
        struct ds_batch batch;
        if (ds_batch_parse_trusted(line->request->batches[i], &batch) == DS_OK &&
            ds_incarnation_equal(&batch.incarnation, incarnation) && batch.lane == lane &&
            batch.first_seq == seq + 1) {
            *hash = batch.before;
            return true;
        }
    }
    return false;
}

/* Ops of the batches that were sent, counted through; borrowed until the next call. */
static bool own_op(void *of, size_t number, struct ds_op *op, struct ds_id *id)
{
    const struct ds_line *line = of;
    const struct ds_talk *talk = &line->h->talk;
    for (size_t i = 0; i < talk->sent_count; i++) {
        const struct ds_sent *sent = &talk->sent[i];
        struct ds_own_op own;
        if (number >= sent->count) {
            number -= (size_t)sent->count;
            continue;
        }
        const struct ds_taken *asked = &talk->said.sent[i];
        size_t mark = ds_arena_mark(&line->h->arena);
        struct ds_slice raw;
        struct ds_cursor cursor;
        bool known = ds_own_load(line->h, line->txn, sent->first_order + number, &own) == DS_OK &&
                     ds_arena_copy(line->wire.arena, own.raw, &raw) == DS_OK;
        ds_arena_rewind(&line->h->arena, mark);
        if (known) {
            ds_cursor_init(&cursor, raw);
            known = ds_op_take(&cursor, op, NULL) == DS_OK;
            *id = ds_op_id(&asked->incarnation, (enum ds_lane)asked->lane, own.seq);
        }
        return known;
    }
    return false;
}

static bool held(void *of, uint8_t type, const struct ds_id *id, struct ds_slice *fields)
{
    const struct ds_line *line = of;
    struct ds_held_row row;
    size_t mark = ds_arena_mark(&line->h->arena);
    bool known = ds_replica_row(line->h, line->txn, type, id, &row) == DS_OK &&
                 ds_arena_copy(line->wire.arena, row.fields, fields) == DS_OK;
    ds_arena_rewind(&line->h->arena, mark);
    return known;
}

static bool held_from(void *of, uint8_t type, const struct ds_id *from, struct ds_id *id)
{
    const struct ds_line *line = of;
    struct ds_key key = ds_key_row(type, from);
    struct ds_slice found;
    struct ds_slice value;
    struct ds_cursor cursor;
    if (ds_txn_at_or_after(line->txn, DS_KEPT_ROW, ds_key_slice(&key), &found, &value) != DS_OK) {
        return false;
    }
    ds_cursor_init(&cursor, found);
    bool same = ds_take_u8(&cursor) == type;
    *id = ds_take_id(&cursor);
    return same && !cursor.failed;
}

static bool take_key(void *of, const struct ds_id *id, const struct ds_secret *key)
{
    struct ds_line *line = of;
    if (line->keys == NULL || line->key_count == DS_KEYS_MAX) {
        return false;
    }
    line->keys[line->key_count++] = (struct ds_line_key){*id, *key};
    return true;
}

/* ---- One end of the line. ---- */

void ds_line_init(struct ds_line *line, struct ds_handheld *h, struct ds_txn *txn,
                  struct ds_arena *arena)
{
    memset(line, 0, sizeof(*line));
    line->h = h;
    line->txn = txn;
    for (size_t i = 0; i < h->scope_count; i++) {
        size_t at = i;
        while (at > 0 && ds_scope_compare(&line->scopes[at - 1], &h->scopes[i].scope) > 0) {
            line->scopes[at] = line->scopes[at - 1];
            at--;
        }
        line->scopes[at] = h->scopes[i].scope;
    }
    line->wire = (struct ds_wire){.station = h->identity.station,
                                  .device = h->identity.device,
                                  .worker = h->identity.worker,
                                  .scopes = line->scopes,
                                  .scope_count = h->scope_count,
                                  .arena = arena,
                                  .of = line,
                                  .place_of = place_of,
                                  .meter_at = meter_at,
                                  .chain = chain,
                                  .own_op = own_op,
                                  .held = held,
                                  .held_from = held_from,
                                  .take_key = take_key,
                                  .codec = &h->codec,
                                  .down = &h->link.down,
                                  .random = &h->ports.random};
}

bool ds_line_at_one(const struct ds_handheld *h, uint64_t *position)
{
    *position = h->scope_count > 0 ? h->scopes[0].cursor.position : 0;
    for (size_t i = 0; i < h->scope_count; i++) {
        const struct ds_cursor_at *at = &h->scopes[i].cursor;
        if (at->position != *position || at->ordinal != UINT32_MAX || at->phase != 0) {
            return false;
        }
    }
    return *position > 0;
}

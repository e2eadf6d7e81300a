/* The answer of an exchange: what was taken, rows, keys, receipt. */
#include "schema/codec/msgpack.h"
#include "sync/core/proof.h"
#include "sync/shard/serve_wire.h"
#include "sync/shard/shard_impl.h"

#include <string.h>

enum {
    PLAIN_ROOM = DS_PLAIN_SIZE_MAX,
    PAGE_MIN = 512,
    OWN_BATCHES_MAX = 4, /* A MiB at most; the rest comes with the next exchange. */
};

struct answer {
    struct ds_serve *serve;
    struct ds_serve_wire *wire; /* NULL: the answer is plain msgpack. */
    struct ds_txn *txn;
    struct ds_shard_meta meta;
    struct ds_response *response;
    int64_t device_state;
};

static void tell_taken(struct answer *a)
{
    struct ds_serve *serve = a->serve;
    struct ds_response *response = a->response;
    response->taken_count = serve->submission_count;
    for (size_t i = 0; i < serve->submission_count; i++) {
        struct ds_taken *taken = &response->taken[i];
        const struct ds_folded *folded = &serve->submissions[i].folded;
        enum ds_err err = serve->errors[i] != DS_OK ? serve->errors[i] : folded->error;
        *taken = (struct ds_taken){.error = err,
                                   .position = folded->position,
                                   .incarnation = folded->incarnation,
                                   .lane = folded->lane,
                                   .last_seq = folded->last_seq};
        if (taken->lane == 0) {
            taken->lane = DS_LANE_WORK;
        }
    }
}

static void add_command(struct ds_response *response, enum ds_command command)
{
    for (size_t i = 0; i < response->command_count; i++) {
        if (response->commands[i] == command) {
            return;
        }
    }
    if (response->command_count < DS_COMMANDS_MAX) {
        response->commands[response->command_count++] = command;
    }
}

/* The device's own batches after what it claims: it was restored and lost them. */
static enum ds_err give_back(struct answer *a, const struct ds_lane_state *claimed,
                             const struct ds_incarnation *name, uint64_t watermark)
{
    struct ds_response *response = a->response;
    uint64_t seq = claimed->seq + 1;
    while (seq <= watermark && response->own_batch_count < OWN_BATCHES_MAX) {
        struct ds_hash chain;
        uint64_t position = 0;
        struct ds_slice bytes;
        struct ds_entry entry;
        struct ds_batch batch;
        DS_TRY(ds_chain_at(a->txn, name, (uint8_t)claimed->lane, seq, &chain, &position));
        struct ds_key key = ds_key_journal(position);
        DS_TRY(ds_txn_get(a->txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes));
        if (ds_entry_parse(bytes, &entry, NULL) != DS_OK ||
            ds_batch_parse_trusted(entry.batch, &batch) != DS_OK) {
            return DS_ERR_INTEGRITY;
        }
        DS_TRY(ds_arena_copy(&a->serve->arena, entry.batch,
                             &response->own_batches[response->own_batch_count++]));
        seq = batch.first_seq + batch.count;
    }
    return DS_OK;
}

static enum ds_err add_lane(struct answer *a, const struct ds_incarnation *name, uint8_t lane,
                            const struct ds_lane_row *row)
{
    struct ds_response *response = a->response;
    if (response->lane_count < DS_LANES_MAX) {
        response->lanes[response->lane_count++] = (struct ds_lane_state){.incarnation = *name,
                                                                         .lane = lane,
                                                                         .seq = row->next_seq - 1,
                                                                         .chain = row->chain,
                                                                         .position = row->position};
    }
    return DS_OK;
}

/* A newer life has begun from this one elsewhere: it cannot go on. Where the heir comes of another
 * line (of two clones), a new life would only call for the next: going on shows the clone. */
static enum ds_err tell_heir(struct answer *a, const struct ds_incarnation *name,
                             const struct ds_life_row *life)
{
    struct ds_life_row heir;
    if (ds_incarnation_is_none(&life->child)) {
        return DS_OK;
    }
    DS_TRY(ds_life_load(a->txn, &life->child, &heir));
    if (ds_incarnation_equal(&heir.parent, name)) {
        add_command(a->response, DS_COMMAND_NEW_INCARNATION);
    }
    return DS_OK;
}

/* Which lane is the device on: its incarnation's own, or a branch of it? */
static enum ds_err tell_lane(struct answer *a, const struct ds_lane_state *claimed)
{
    struct ds_life_row life;
    struct ds_lane_row row;
    struct ds_hash chain;
    uint64_t position = 0;
    uint8_t lane = (uint8_t)claimed->lane;
    DS_TRY(ds_life_load(a->txn, &claimed->incarnation, &life));
    DS_TRY(ds_lane_load(a->txn, &claimed->incarnation, lane, &row));
    if (life.exists && !ds_id_equal(&life.device, &a->serve->device)) {
        return DS_OK; /* Not his: he hears nothing of it. */
    }
    for (size_t i = 0; i < life.branch_count; i++) {
        struct ds_lane_row branch;
        DS_TRY(ds_lane_load(a->txn, &life.branch[i].name, lane, &branch));
        enum ds_err err =
            ds_chain_at(a->txn, &life.branch[i].name, lane, claimed->seq, &chain, &position);
        if (life.branch[i].lane == lane && err == DS_OK && ds_lane_chain_is(claimed, &chain) &&
            claimed->seq < branch.next_seq) {
            add_command(a->response, DS_COMMAND_NEW_INCARNATION);
            return add_lane(a, &life.branch[i].name, lane, &branch);
        }
    }
    DS_TRY(add_lane(a, &claimed->incarnation, lane, &row));
    if (claimed->seq + 1 < row.next_seq) {
        DS_TRY(ds_chain_at(a->txn, &claimed->incarnation, lane, claimed->seq, &chain, &position));
        add_command(a->response, DS_COMMAND_NEW_INCARNATION);
        if (ds_lane_chain_is(claimed, &chain)) {
            DS_TRY(give_back(a, claimed, &claimed->incarnation, row.next_seq - 1));
        }
    }
    return tell_heir(a, &claimed->incarnation, &life);
}

static enum ds_err tell_lanes(struct answer *a)
{
    const struct ds_request *request = &a->serve->request;
    for (size_t i = 0; i < request->lane_count; i++) {
        if (request->lanes[i].lane == DS_LANE_WORK || request->lanes[i].lane == DS_LANE_TRACK) {
            DS_TRY(tell_lane(a, &request->lanes[i]));
        }
    }
    return DS_OK;
}

static const struct ds_cursor_at *cursor_of(const struct ds_request *request,
                                            const struct ds_scope *scope)
{
    for (size_t i = 0; i < request->cursor_count; i++) {
        if (ds_scope_compare(&request->cursors[i].scope, scope) == 0) {
            return &request->cursors[i];
        }
    }
    return NULL;
}

static enum ds_err tell_rows(struct answer *a)
{
    struct ds_serve *serve = a->serve;
    struct ds_response *response = a->response;
    uint64_t wanted = serve->request.budget;
    enum { MOST = 2097152 }; /* Rows; keys, lanes and given-back batches come on top. */
    enum { LEAST = 1024 };   /* Less would not move a cursor. */
    size_t left = wanted > MOST ? MOST : wanted < LEAST ? LEAST : (size_t)wanted;
    size_t rows_left = DS_PAGE_ROWS_MAX;
    response->pages =
        ds_arena_alloc(&serve->arena, (response->scope_count + 1) * sizeof(*response->pages));
    if (response->pages == NULL) {
        return DS_ERR_NOMEM;
    }
    for (size_t i = 0; i < response->scope_count; i++) {
        struct ds_cursor_at after = {.scope = response->scopes[i]};
        const struct ds_cursor_at *known = cursor_of(&serve->request, &response->scopes[i]);
        if (known != NULL) {
            after = *known;
        }
        if (after.position > response->kept_size && serve->request.epoch < a->meta.epoch) {
            after.position = response->kept_size;
            after.ordinal = UINT32_MAX;
        }
        if (rows_left == 0 || left < PAGE_MIN) {
            response->more = true;
            break;
        }
        struct ds_page *page = &response->pages[response->page_count++];
        DS_TRY(ds_feed_page(a->txn, &after, a->meta.size, rows_left, left, &serve->arena, page));
        size_t bytes = 0;
        for (size_t r = 0; r < page->row_count; r++) {
            bytes += page->rows[r].fields.size + 34;
        }
        left = bytes < left ? left - bytes : 0;
        rows_left -= page->row_count;
        response->more = response->more || !page->complete;
    }
    return DS_OK;
}

static bool has_personal(const struct ds_row *row)
{
    const struct ds_record_type *type = ds_record_type_by_number(row->type);
    struct ds_cursor cursor;
    if (type == NULL || row->fields.size == 0) {
        return false;
    }
    ds_cursor_init(&cursor, row->fields);
    uint32_t pairs = ds_mp_take_map(&cursor);
    for (uint32_t i = 0; i < pairs && !cursor.failed; i++) {
        const struct ds_field *field = ds_field_by_tag(type, ds_mp_take_uint(&cursor));
        (void)ds_mp_take_value(&cursor);
        if (field != NULL && field->type == DS_TYPE_PERSONAL) {
            return true;
        }
    }
    return false;
}

static enum ds_err wrap_key(struct answer *a, struct ds_txn *keys_txn, const struct ds_id *id)
{
    struct ds_response *response = a->response;
    struct ds_secret key;
    uint8_t aad[64];
    struct ds_builder builder;
    enum { WRAPPED = 32 + DS_AEAD_OVERHEAD };
    enum ds_err err = ds_customer_key(a->serve->shard, keys_txn, id, &key);
    if (err == DS_ERR_NOT_FOUND || err == DS_ERR_FORBIDDEN) {
        return DS_OK; /* Erased: the text stays closed. */
    }
    DS_TRY(err);
    uint8_t *memory = ds_arena_room(&a->serve->arena, WRAPPED);
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&builder, memory, WRAPPED);
    err = ds_aead_seal(&a->serve->keys.down, ds_serve_wrap_aad(id, aad, sizeof(aad)),
                       DS_SLICE_OF(key.byte), &a->serve->shard->random, &builder);
    ds_wipe(&key, sizeof(key));
    DS_TRY(err);
    struct ds_wrapped_key *out = &response->keys[response->key_count++];
    out->key_id = *id;
    return ds_builder_end(&builder, &out->wrapped);
}

/* The keys of the customers whose rows go out. */
static enum ds_err tell_keys(struct answer *a)
{
    struct ds_response *response = a->response;
    struct ds_txn *keys_txn = NULL;
    enum ds_err err = DS_OK;
    response->keys =
        ds_arena_alloc(&a->serve->arena, (size_t)DS_KEYS_MAX * sizeof(*response->keys));
    if (response->keys == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_store_begin(a->serve->shard->keys, false, &keys_txn));
    if (a->wire != NULL) {
        a->wire->keys_txn = keys_txn; /* Until the answer is written. */
    }
    for (size_t p = 0; p < response->page_count && err == DS_OK; p++) {
        for (size_t r = 0; r < response->pages[p].row_count && err == DS_OK; r++) {
            struct ds_row *row = &response->pages[p].rows[r];
            if (!has_personal(row)) {
                continue;
            }
            row->opened = a->wire != NULL && ds_serve_wire_opens(a->wire, row);
            if (!row->opened && response->key_count < DS_KEYS_MAX) {
                err = wrap_key(a, keys_txn, &row->id);
            }
        }
    }
    if (a->wire == NULL) {
        ds_txn_abort(keys_txn);
    }
    return err;
}

/* Who says in columns that he has nothing and knows the present head is told nothing new. */
static bool is_news(const struct answer *a)
{
    const struct ds_request *request = &a->serve->request;
    return !request->in_columns || a->serve->submission_count > 0 ||
           a->response->command_count > 0 || request->prove_count > 0 ||
           request->health.unsent > 0 || request->witness_epoch != a->meta.epoch ||
           request->witness_size != a->meta.size;
}

static enum ds_err sign_receipt(struct answer *a)
{
    enum { ROOM = 2048 };
    struct ds_shard *shard = a->serve->shard;
    struct ds_response *response = a->response;
    struct ds_receipt *receipt = ds_arena_alloc(&a->serve->arena, sizeof(*receipt));
    uint8_t *memory = ds_arena_room(&a->serve->arena, ROOM);
    struct ds_signature *signature = ds_arena_alloc(&a->serve->arena, sizeof(*signature));
    struct ds_builder builder;
    if (receipt == NULL || memory == NULL || signature == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_shard_head(shard, a->txn, &receipt->head));
    receipt->device = a->serve->device;
    receipt->lane_count = response->lane_count;
    memcpy(receipt->lanes, response->lanes, sizeof(receipt->lanes));
    ds_builder_init(&builder, memory, ROOM);
    ds_receipt_put(&builder, receipt);
    DS_TRY(ds_builder_end(&builder, &response->signed_bytes));
    ds_sign(&shard->secret.sign, DS_LABEL_RECEIPT, response->signed_bytes, signature);
    response->signature = signature->byte;
    return DS_OK;
}

static enum ds_err tell_device(struct answer *a)
{
    struct ds_device *device = ds_arena_alloc(&a->serve->arena, sizeof(*device));
    if (device == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_record_load(a->txn, DS_REC_device, &a->serve->device, &a->serve->arena, device));
    switch (device->state) {
    case DS_DEVICE_suspended:
        add_command(a->response, DS_COMMAND_SUSPENDED);
        return DS_OK;
    case DS_DEVICE_revoked:
        add_command(a->response, DS_COMMAND_REVOKED);
        return DS_OK;
    case DS_DEVICE_wiped:
        add_command(a->response, DS_COMMAND_WIPE);
        return ds_serve_order(a->serve, a->txn, DS_ORDER_WIPE, a->response);
    case DS_DEVICE_locked:
        add_command(a->response, DS_COMMAND_LOCKED);
        return ds_serve_order(a->serve, a->txn, DS_ORDER_LOCK, a->response);
    default:
        return a->serve->request.lease_wanted ? ds_serve_lease(a->serve, a->response) : DS_OK;
    }
}

static enum ds_err tell_epoch(struct answer *a)
{
    const struct ds_request *request = &a->serve->request;
    if (request->epoch == 0 || request->epoch >= a->meta.epoch) {
        return DS_OK;
    }
    struct ds_key key = ds_key_journal(a->meta.kept_size + 1);
    struct ds_slice bytes;
    struct ds_entry entry;
    DS_TRY(ds_txn_get(a->txn, DS_TABLE_JOURNAL, ds_key_slice(&key), &bytes));
    DS_TRY(ds_arena_copy(&a->serve->arena, bytes, &a->response->epoch_entry));
    if (ds_entry_parse(a->response->epoch_entry, &entry, NULL) != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    return ds_device_key(a->txn, &entry.admin, &a->response->epoch_key);
}

/* That the heads which the device names are beginnings of the one that it gets now. Of another
 * epoch's sizes nothing can be said. */
static enum ds_err tell_proofs(struct answer *a)
{
    const struct ds_request *request = &a->serve->request;
    struct ds_response *response = a->response;
    if (request->prove_count == 0 || request->epoch != a->meta.epoch) {
        return DS_OK;
    }
    response->proofs =
        ds_arena_alloc(&a->serve->arena, request->prove_count * sizeof(*response->proofs));
    if (response->proofs == NULL) {
        return DS_ERR_NOMEM;
    }
    for (size_t i = 0; i < request->prove_count; i++) {
        DS_TRY(ds_prove_consistency(a->txn, request->prove[i], a->meta.size, &response->proofs[i]));
    }
    response->proof_count = request->prove_count;
    return DS_OK;
}

/* Who comes from an earlier epoch hears the least that was kept since. */
static enum ds_err kept_for(struct answer *a)
{
    uint64_t epoch = a->serve->request.epoch;
    a->response->kept_size = a->meta.kept_size;
    if (epoch > 0 && epoch < a->meta.epoch) {
        DS_TRY(ds_kept_since(a->txn, epoch, &a->response->kept_size));
    }
    return DS_OK;
}

static enum ds_err fill(struct answer *a, struct ds_detail *detail)
{
    struct ds_serve *serve = a->serve;
    struct ds_response *response = a->response;
    DS_TRY(ds_meta_load(a->txn, &a->meta));
    DS_TRY(ds_serve_behind(a->txn, &serve->request, detail));
    response->taken =
        ds_arena_alloc(&serve->arena, (serve->submission_count + 1) * sizeof(*response->taken));
    response->own_batches =
        ds_arena_alloc(&serve->arena, OWN_BATCHES_MAX * sizeof(*response->own_batches));
    if (response->taken == NULL || response->own_batches == NULL) {
        return DS_ERR_NOMEM;
    }
    response->version = DS_EXCHANGE_VERSION;
    response->instant_ms = serve->shard->clock.now_ms(serve->shard->clock.context);
    response->epoch = a->meta.epoch;
    DS_TRY(kept_for(a));
    response->snapshot = a->meta.size;
    response->retry_ms = DS_WIRE_RETRY_MS;
    tell_taken(a);
    DS_TRY(tell_device(a));
    DS_TRY(tell_epoch(a));
    DS_TRY(tell_proofs(a));
    if (serve->request.not_understood) {
        add_command(response, DS_COMMAND_PLAIN);
        response->more = true;
        return sign_receipt(a);
    }
    DS_TRY(tell_lanes(a));
    DS_TRY(ds_scopes_of_device(a->txn, &serve->device, &serve->arena, response->scopes,
                               &response->scope_count));
    if (serve->request.scopes_other) { /* He learns which they are, and says where he stands. */
        response->more = true;
    } else if (!serve->request.no_rows) {
        DS_TRY(tell_rows(a));
        DS_TRY(tell_keys(a));
    }
    return is_news(a) ? sign_receipt(a) : DS_OK;
}

static enum ds_err write_answer(struct answer *a, struct ds_envelope_codec *codec,
                                struct ds_builder *out)
{
    struct ds_serve *serve = a->serve;
    /* Columns need room for themselves, and to be made in. */
    size_t room = (serve->arena.size - serve->arena.used - 64) / (a->wire == NULL ? 1 : 4);
    room = room < PLAIN_ROOM ? room : PLAIN_ROOM;
    uint8_t *memory = ds_arena_room(&serve->arena, room);
    struct ds_builder plain;
    struct ds_slice bytes;
    if (memory == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&plain, memory, room);
    if (a->wire == NULL) {
        ds_response_put(&plain, a->response);
        DS_TRY(ds_builder_end(&plain, &bytes));
        ds_envelope_seal(codec, &serve->keys.down, &serve->device, serve->counter, bytes, out);
    } else {
        struct ds_wire_asked *asked = ds_arena_alloc(&serve->arena, sizeof(*asked));
        if (asked == NULL || !ds_serve_wire_ops(a->wire)) {
            return DS_ERR_NOMEM;
        }
        ds_wire_asked_of(&serve->request, asked);
        a->wire->wire.cursors = serve->request.cursors;
        a->wire->wire.cursor_count = serve->request.cursor_count;
        DS_TRY(ds_wire_response_put(&plain, &a->wire->wire, asked, a->response));
        DS_TRY(ds_builder_end(&plain, &bytes));
        ds_envelope_seal_down(codec, &serve->keys.down, &serve->device, serve->counter, bytes, out);
    }
    return out->failed ? DS_ERR_LIMIT : DS_OK;
}

enum ds_err ds_serve_answer(struct ds_serve *serve, struct ds_envelope_codec *codec,
                            struct ds_builder *out, struct ds_detail *detail)
{
    struct answer a = {.serve = serve};
    a.response = ds_arena_alloc(&serve->arena, sizeof(*a.response));
    if (a.response == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_store_begin(serve->shard->store, false, &a.txn));
    enum ds_err err = DS_OK;
    if (serve->request.in_columns) {
        err = ds_serve_wire_make(serve, codec, a.txn, &a.wire);
    }
    err = err != DS_OK ? err : fill(&a, detail);
    err = err != DS_OK ? err : write_answer(&a, codec, out);
    if (a.wire != NULL && a.wire->keys_txn != NULL) {
        ds_txn_abort(a.wire->keys_txn);
    }
    ds_txn_abort(a.txn);
    return err;
}

/* Actors whose keys the server holds: console users, connectors, imports, the system itself. They
 * write like everybody else: sealed, chained batches. */
#include "schema/codec/record_mp.h"
#include "sync/shard/shard_impl.h"

#include <stdlib.h>
#include <string.h>

enum { ACTOR_CLEAR = 32 + 8 + 8, ACTOR_SEALED = ACTOR_CLEAR + DS_AEAD_OVERHEAD };
enum { NAME_SIZE_MAX = 80, ACTOR_BOOT = 1, BATCH_MARGIN = 1024 };
#define SYSTEM_NAME "system"

enum ds_err ds_keys_put(struct ds_shard *shard, uint8_t table, struct ds_slice key,
                        struct ds_slice value)
{
    struct ds_txn *txn = NULL;
    DS_TRY(ds_store_begin(shard->keys, true, &txn));
    enum ds_err err = ds_txn_put(txn, table, key, value);
    if (err != DS_OK) {
        ds_txn_abort(txn);
        return err;
    }
    return ds_txn_commit(txn);
}

enum ds_err ds_keys_get(struct ds_shard *shard, uint8_t table, struct ds_slice key,
                        struct ds_builder *out)
{
    struct ds_txn *txn = NULL;
    struct ds_slice value;
    DS_TRY(ds_store_begin(shard->keys, false, &txn));
    enum ds_err err = ds_txn_get(txn, table, key, &value);
    if (err == DS_OK) {
        ds_put_bytes(out, value);
        err = out->failed ? DS_ERR_LIMIT : DS_OK;
    }
    ds_txn_abort(txn);
    return err;
}

static enum ds_err actor_store(struct ds_shard *shard, struct ds_slice name,
                               const struct ds_actor *actor)
{
    uint8_t clear[ACTOR_CLEAR];
    uint8_t sealed[ACTOR_SEALED];
    struct ds_builder builder;
    struct ds_slice text;
    struct ds_slice made;
    ds_builder_init(&builder, clear, sizeof(clear));
    ds_put_bytes(&builder, DS_SLICE_OF(actor->seed.byte));
    ds_put_bytes(&builder, DS_SLICE_OF(actor->incarnation.byte));
    ds_put_u64(&builder, shard->meta.epoch);
    DS_TRY(ds_builder_end(&builder, &text));
    ds_builder_init(&builder, sealed, sizeof(sealed));
    enum ds_err err = ds_aead_seal(&shard->secret.master, name, text, &shard->random, &builder);
    ds_wipe(clear, sizeof(clear));
    DS_TRY(err);
    DS_TRY(ds_builder_end(&builder, &made));
    return ds_keys_put(shard, DS_KEYS_ACTOR, name, made);
}

static enum ds_err actor_load(struct ds_shard *shard, struct ds_slice name, struct ds_actor *actor,
                              uint64_t *epoch)
{
    uint8_t sealed[ACTOR_SEALED];
    uint8_t clear[ACTOR_CLEAR];
    struct ds_builder builder;
    struct ds_builder opened;
    struct ds_slice bytes;
    ds_builder_init(&builder, sealed, sizeof(sealed));
    DS_TRY(ds_keys_get(shard, DS_KEYS_ACTOR, name, &builder));
    DS_TRY(ds_builder_end(&builder, &bytes));
    ds_builder_init(&opened, clear, sizeof(clear));
    enum ds_err err = ds_aead_open(&shard->secret.master, name, bytes, &opened);
    if (err != DS_OK) {
        return DS_ERR_INTEGRITY;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, (struct ds_slice){clear, opened.used});
    struct ds_slice seed = ds_take_bytes(&cursor, sizeof(actor->seed.byte));
    struct ds_slice incarnation = ds_take_bytes(&cursor, sizeof(actor->incarnation.byte));
    *epoch = ds_take_u64(&cursor);
    err = ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
    if (err == DS_OK) {
        memcpy(actor->seed.byte, seed.data, seed.size);
        memcpy(actor->incarnation.byte, incarnation.data, incarnation.size);
    }
    ds_wipe(clear, sizeof(clear));
    return err;
}

static void mint_incarnation(struct ds_shard *shard, struct ds_actor *actor)
{
    do {
        shard->random.fill(shard->random.context, actor->incarnation.byte,
                           sizeof(actor->incarnation.byte));
    } while (ds_incarnation_is_none(&actor->incarnation));
}

/* The actor's device id follows from its key, as for handhelds. */
static void name_device(struct ds_shard *shard, struct ds_actor *actor, struct ds_hash *public_key)
{
    ds_sign_public(&actor->seed, public_key);
    actor->device = ds_id_of(&shard->meta.station, DS_REC_device, DS_SLICE_OF(public_key->byte));
}

/* Where the actor stands in the journal: the watermark there is the truth. */
static enum ds_err find_place(struct ds_shard *shard, struct ds_actor *actor)
{
    struct ds_txn *txn = NULL;
    struct ds_lane_state lane;
    struct ds_id device;
    DS_TRY(ds_store_begin(shard->store, false, &txn));
    enum ds_err err = ds_lane_of(txn, &actor->incarnation, DS_LANE_WORK, &lane, &device);
    ds_txn_abort(txn);
    if (err == DS_ERR_NOT_FOUND) {
        actor->next_seq = 1;
        actor->chain = ds_chain_start(&actor->incarnation, DS_LANE_WORK);
        return DS_OK;
    }
    DS_TRY(err);
    actor->next_seq = lane.seq + 1;
    actor->chain = lane.chain;
    return DS_OK;
}

static enum ds_err encode(uint8_t type, const void *record, struct ds_builder *builder,
                          struct ds_slice *fields)
{
    DS_TRY(ds_record_encode_op(ds_record_type_by_number(type), record, builder));
    return ds_builder_end(builder, fields);
}

static void fill_device(struct ds_shard *shard, const struct ds_actor *actor, const char *name,
                        const struct ds_hash *public_key, struct ds_device *row)
{
    memset(row, 0, sizeof(*row));
    DS_SET(row, device, kind, actor->kind);
    if (!ds_id_is_none(&actor->worker)) {
        DS_SET(row, device, worker, actor->worker);
    }
    DS_SET(row, device, name, ds_slice_of_text(name));
    DS_SET(row, device, sign_key, *public_key);
    DS_SET(row, device, state, DS_DEVICE_active);
    DS_SET(row, device, enrolled_ms, shard->clock.now_ms(shard->clock.context));
}

static enum ds_err make_actor(struct ds_shard *shard, struct ds_slice name, struct ds_actor *actor)
{
    shard->random.fill(shard->random.context, actor->seed.byte, sizeof(actor->seed.byte));
    mint_incarnation(shard, actor);
    return actor_store(shard, name, actor);
}

enum ds_err ds_actor_genesis(struct ds_shard *shard, const struct ds_station *station,
                             struct ds_detail *detail)
{
    struct ds_actor actor = {.kind = DS_ACTOR_system};
    struct ds_device device;
    struct ds_hash public_key;
    uint8_t one[256];
    uint8_t two[1024];
    struct ds_builder builder;
    struct ds_draft drafts[2] = {{.type = DS_REC_device}, {.type = DS_REC_station}};
    DS_TRY(make_actor(shard, DS_SLICE_LIT(SYSTEM_NAME), &actor));
    name_device(shard, &actor, &public_key);
    DS_TRY(find_place(shard, &actor));
    fill_device(shard, &actor, SYSTEM_NAME, &public_key, &device);
    ds_builder_init(&builder, one, sizeof(one));
    DS_TRY(encode(DS_REC_device, &device, &builder, &drafts[0].fields));
    ds_builder_init(&builder, two, sizeof(two));
    DS_TRY(encode(DS_REC_station, station, &builder, &drafts[1].fields));
    drafts[0].id = actor.device;
    drafts[1].id = shard->meta.station;
    struct ds_folded folded;
    enum ds_err err = ds_actor_write(shard, &actor, drafts, 2, &folded, detail);
    ds_wipe(&actor, sizeof(actor));
    if (err == DS_OK && folded.quarantined > 0) {
        ds_detail_set(detail, "the station's own first record was not accepted", NULL);
        return DS_ERR_SCHEMA;
    }
    return err;
}

static enum ds_err find_device(struct ds_shard *shard, const struct ds_actor *actor)
{
    struct ds_key key = ds_key_row(DS_REC_device, &actor->device);
    struct ds_txn *txn = NULL;
    struct ds_slice value;
    DS_TRY(ds_store_begin(shard->store, false, &txn));
    enum ds_err err = ds_txn_get(txn, DS_TABLE_ROW, ds_key_slice(&key), &value);
    ds_txn_abort(txn);
    return err;
}

enum ds_err ds_actor_known(struct ds_shard *shard, const char *name)
{
    struct ds_actor actor;
    struct ds_hash public_key;
    uint64_t epoch = 0;
    enum ds_err err = actor_load(shard, ds_slice_of_text(name), &actor, &epoch);
    if (err == DS_OK) {
        name_device(shard, &actor, &public_key);
        err = find_device(shard, &actor);
    }
    ds_wipe(&actor, sizeof(actor));
    return err;
}

/* Write the actor's device row, as the system, unless it stands. */
static enum ds_err announce(struct ds_shard *shard, const char *name, struct ds_actor *actor,
                            const struct ds_hash *public_key, struct ds_detail *detail)
{
    enum ds_err err = find_device(shard, actor);
    if (err != DS_ERR_NOT_FOUND) {
        return err;
    }
    struct ds_actor system;
    struct ds_device device;
    uint8_t bytes[512];
    struct ds_builder builder;
    struct ds_draft draft = {.type = DS_REC_device, .id = actor->device};
    DS_TRY(ds_actor_open(shard, SYSTEM_NAME, DS_ACTOR_system, NULL, &system, detail));
    fill_device(shard, actor, name, public_key, &device);
    ds_builder_init(&builder, bytes, sizeof(bytes));
    DS_TRY(encode(DS_REC_device, &device, &builder, &draft.fields));
    err = ds_actor_write(shard, &system, &draft, 1, NULL, detail);
    ds_wipe(&system, sizeof(system));
    return err;
}

enum ds_err ds_actor_open(struct ds_shard *shard, const char *name, enum ds_actor_kind kind,
                          const struct ds_id *worker, struct ds_actor *actor,
                          struct ds_detail *detail)
{
    struct ds_slice key = ds_slice_of_text(name);
    struct ds_hash public_key;
    uint64_t epoch = 0;
    if (key.size == 0 || key.size > NAME_SIZE_MAX) {
        ds_detail_set(detail, "an actor's name has 1 to 80 bytes", NULL);
        return DS_ERR_USAGE;
    }
    memset(actor, 0, sizeof(*actor));
    actor->kind = kind;
    if (worker != NULL) {
        actor->worker = *worker;
    }
    enum ds_err err = actor_load(shard, key, actor, &epoch);
    if (err == DS_ERR_NOT_FOUND) {
        DS_TRY(make_actor(shard, key, actor));
    } else if (err == DS_OK && epoch != shard->meta.epoch) {
        /* The store was restored since: sequences may have been given out that are lost. */
        mint_incarnation(shard, actor);
        DS_TRY(actor_store(shard, key, actor));
    } else {
        DS_TRY(err);
    }
    name_device(shard, actor, &public_key);
    if (kind != DS_ACTOR_system) {
        DS_TRY(announce(shard, name, actor, &public_key, detail));
    }
    return find_place(shard, actor);
}

/* ---- Writing. ---- */
struct sealing {
    struct ds_shard *shard;
    struct ds_actor *actor;
    uint8_t *ops; /* DS_BATCH_SIZE_MAX */
    uint8_t *out; /* DS_BATCH_SIZE_MAX */
    struct ds_builder builder;
    struct ds_batch batch;
    struct ds_detail *detail;
};

static void start_batch(struct sealing *s)
{
    ds_builder_init(&s->builder, s->ops, DS_BATCH_SIZE_MAX - BATCH_MARGIN);
    s->batch = (struct ds_batch){
        .suite = DS_SUITE,
        .station = s->shard->meta.station,
        .device = s->actor->device,
        .incarnation = s->actor->incarnation,
        .lane = DS_LANE_WORK,
        .first_seq = s->actor->next_seq,
        .before = s->actor->chain,
        .head = s->actor->chain,
        .epoch = s->shard->meta.epoch,
        .boot = ACTOR_BOOT,
        .base_ms = s->shard->clock.now_ms(s->shard->clock.context),
        .source = DS_CLOCK_server,
    };
}

static enum ds_err send_batch(struct sealing *s, struct ds_folded *folded)
{
    uint8_t header[512];
    struct ds_builder builder;
    struct ds_slice head;
    struct ds_slice ops;
    struct ds_signature signature;
    struct ds_submission submission = {.checked = true, .signature_ok = true};
    struct ds_submission *one = &submission;
    if (s->batch.count == 0) {
        return DS_OK;
    }
    ds_builder_init(&builder, header, sizeof(header));
    ds_batch_put_header(&builder, &s->batch);
    DS_TRY(ds_builder_end(&builder, &head));
    DS_TRY(ds_builder_end(&s->builder, &ops));
    ds_sign(&s->actor->seed, DS_LABEL_BATCH, head, &signature);
    ds_builder_init(&builder, s->out, DS_BATCH_SIZE_MAX);
    ds_batch_put(&builder, head, ops, signature.byte);
    DS_TRY(ds_builder_end(&builder, &submission.batch));
    DS_TRY(ds_shard_commit(s->shard, &one, 1));
    if (folded != NULL) {
        uint32_t quarantined = folded->quarantined;
        uint32_t done = folded->folded;
        *folded = submission.folded;
        folded->quarantined += quarantined;
        folded->folded += done;
    }
    if (submission.folded.error != DS_OK) {
        ds_detail_set(s->detail,
                      "the journal did not take the batch: ", ds_err_text(submission.folded.error),
                      NULL);
        return submission.folded.error;
    }
    s->actor->next_seq += s->batch.count;
    s->actor->chain = s->batch.head;
    start_batch(s);
    return DS_OK;
}

static enum ds_err add_op(struct sealing *s, const struct ds_op *op, struct ds_folded *folded)
{
    struct ds_builder before = s->builder;
    ds_op_put(&s->builder, op);
    if (s->builder.failed && s->batch.count > 0) {
        s->builder = before;
        DS_TRY(send_batch(s, folded));
        before = s->builder;
        ds_op_put(&s->builder, op);
    }
    if (s->builder.failed || s->builder.used - before.used > DS_OP_SIZE_MAX) {
        ds_detail_set(s->detail, "an op is larger than 32,768 bytes", NULL);
        return DS_ERR_LIMIT;
    }
    struct ds_slice raw = {s->builder.data + before.used, s->builder.used - before.used};
    s->batch.head = ds_chain_next(&s->batch.head, raw);
    s->batch.count++;
    return s->batch.count == DS_BATCH_OPS_MAX ? send_batch(s, folded) : DS_OK;
}

static enum ds_err seal_all(struct sealing *s, struct ds_draft *drafts, size_t count,
                            struct ds_folded *folded)
{
    start_batch(s);
    for (size_t i = 0; i < count; i++) {
        struct ds_draft *draft = &drafts[i];
        struct ds_op op = {.type = draft->type,
                           .id = draft->id,
                           .seen = draft->seen == 0 ? s->shard->meta.size : draft->seen,
                           .fields = draft->fields};
        uint64_t seq = s->batch.first_seq + s->batch.count;
        draft->made_id = ds_id_is_none(&draft->id)
                             ? ds_op_id(&s->actor->incarnation, DS_LANE_WORK, seq)
                             : draft->id;
        DS_TRY(add_op(s, &op, folded));
    }
    return send_batch(s, folded);
}

enum ds_err ds_actor_write(struct ds_shard *shard, struct ds_actor *actor, struct ds_draft *drafts,
                           size_t count, struct ds_folded *folded, struct ds_detail *detail)
{
    struct sealing sealing = {.shard = shard, .actor = actor, .detail = detail};
    if (folded != NULL) {
        memset(folded, 0, sizeof(*folded));
    }
    sealing.ops = malloc(DS_BATCH_SIZE_MAX);
    sealing.out = malloc(DS_BATCH_SIZE_MAX);
    enum ds_err err = DS_ERR_NOMEM;
    if (sealing.ops != NULL && sealing.out != NULL) {
        err = seal_all(&sealing, drafts, count, folded);
    }
    free(sealing.ops);
    free(sealing.out);
    return err;
}

static enum ds_err sign_entry(const struct ds_actor *admin, const struct ds_entry *entry,
                              struct ds_signature *signature)
{
    enum { ROOM = 8192 };
    uint8_t *bytes = malloc(ROOM);
    struct ds_builder builder;
    struct ds_slice text;
    if (bytes == NULL) {
        return DS_ERR_NOMEM;
    }
    ds_builder_init(&builder, bytes, ROOM);
    ds_entry_put_unsigned(&builder, entry);
    enum ds_err err = ds_builder_end(&builder, &text);
    if (err == DS_OK) {
        ds_sign(&admin->seed, DS_LABEL_ADMIN, text, signature);
    }
    free(bytes);
    return err;
}

enum ds_err ds_admin_entry(struct ds_shard *shard, const struct ds_actor *admin,
                           const struct ds_entry *entry)
{
    struct ds_signature signature;
    struct ds_entry made = *entry;
    made.admin = admin->device;
    made.admin_signature = NULL;
    DS_TRY(sign_entry(admin, &made, &signature));
    made.admin_signature = signature.byte;
    return ds_append_alone(shard, &made);
}

enum ds_err ds_shard_epoch(struct ds_shard *shard, struct ds_actor *admin, uint64_t known)
{
    uint64_t last = known > shard->meta.epoch ? known : shard->meta.epoch;
    struct ds_entry entry = {.kind = DS_ENTRY_EPOCH,
                             .instant_ms = shard->clock.now_ms(shard->clock.context),
                             .epoch = last + 1,
                             .kept_size = shard->meta.size,
                             .kept_root = ds_tree_root(&shard->tree)};
    return ds_admin_entry(shard, admin, &entry);
}

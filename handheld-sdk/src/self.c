#include "handheld-sdk/src/self.h"

#include <string.h>

/* One walk serves both ways: each record is a list of parts, either written or read. */
struct pass {
    struct ds_builder *out; /* NULL: reading. */
    struct ds_cursor *in;
};

static void pass_u64(struct pass *pass, uint64_t *value)
{
    if (pass->out != NULL) {
        ds_put_u64(pass->out, *value);
    } else {
        *value = ds_take_u64(pass->in);
    }
}

static void pass_i64(struct pass *pass, int64_t *value)
{
    uint64_t bits = (uint64_t)*value;
    pass_u64(pass, &bits);
    *value = (int64_t)bits;
}

static void pass_u32(struct pass *pass, uint32_t *value)
{
    if (pass->out != NULL) {
        ds_put_u32(pass->out, *value);
    } else {
        *value = ds_take_u32(pass->in);
    }
}

static void pass_u8(struct pass *pass, uint8_t *value)
{
    if (pass->out != NULL) {
        ds_put_u8(pass->out, *value);
    } else {
        *value = ds_take_u8(pass->in);
    }
}

static void pass_bytes(struct pass *pass, void *bytes, size_t size)
{
    if (pass->out != NULL) {
        ds_put_bytes(pass->out, (struct ds_slice){bytes, size});
        return;
    }
    struct ds_slice taken = ds_take_bytes(pass->in, size);
    if (taken.size == size) {
        memcpy(bytes, taken.data, size);
    }
}

enum { RECORD_SIZE_MAX = 1024, RECORD_VERSION = 1 };

static void pass_identity(struct pass *pass, void *record)
{
    struct ds_identity *identity = record;
    pass_u8(pass, &identity->enrolled);
    pass_bytes(pass, &identity->sign_seed, sizeof(identity->sign_seed));
    pass_bytes(pass, &identity->box_secret, sizeof(identity->box_secret));
    pass_bytes(pass, &identity->equality, sizeof(identity->equality));
    pass_bytes(pass, &identity->station, sizeof(identity->station));
    pass_bytes(pass, &identity->device, sizeof(identity->device));
    pass_bytes(pass, &identity->worker, sizeof(identity->worker));
    pass_bytes(pass, &identity->code, sizeof(identity->code));
    pass_bytes(pass, &identity->server_sign, sizeof(identity->server_sign));
    pass_bytes(pass, &identity->server_box, sizeof(identity->server_box));
    pass_bytes(pass, identity->pins, sizeof(identity->pins));
    pass_u8(pass, &identity->pin_count);
    pass_bytes(pass, identity->url, sizeof(identity->url));
    identity->url[DS_URL_SIZE_MAX] = '\0';
}

static void pass_writer(struct pass *pass, void *record)
{
    struct ds_writer *writer = record;
    pass_bytes(pass, &writer->incarnation, sizeof(writer->incarnation));
    pass_u32(pass, &writer->life);
    pass_u64(pass, &writer->seq);
    pass_bytes(pass, &writer->chain, sizeof(writer->chain));
    pass_u64(pass, &writer->next_order);
    pass_u64(pass, &writer->cut_order);
    pass_u64(pass, &writer->acked_order);
    pass_u64(pass, &writer->last_reading);
    pass_u64(pass, &writer->boot);
    pass_i64(pass, &writer->base_ms);
    pass_i64(pass, &writer->oldest_unsent_ms);
}

static void pass_contact(struct pass *pass, void *record)
{
    struct ds_contact *contact = record;
    pass_u64(pass, &contact->epoch);
    pass_u64(pass, &contact->kept_size);
    pass_u64(pass, &contact->head_size);
    pass_bytes(pass, &contact->head_root, sizeof(contact->head_root));
    pass_i64(pass, &contact->contact_ms);
    pass_i64(pass, &contact->receipt_ms);
    pass_u64(pass, &contact->receipt_position);
    pass_u64(pass, &contact->receipt_number);
    pass_u64(pass, &contact->relay_number);
    pass_u64(pass, &contact->retry_ms);
    pass_u32(pass, &contact->commands);
    pass_u32(pass, &contact->refetches);
    pass_u64(pass, &contact->counter);
    pass_u64(pass, &contact->obeyed);
    pass_u64(pass, &contact->unclamped);
    pass_i64(pass, &contact->audited_ms);
    pass_bytes(pass, contact->problem, sizeof(contact->problem));
    contact->problem[sizeof(contact->problem) - 1] = '\0';
}

static void pass_bool(struct pass *pass, bool *value)
{
    uint8_t byte = *value ? 1 : 0;
    pass_u8(pass, &byte);
    *value = byte != 0;
}

static void pass_heads(struct pass *pass, struct ds_known_head *heads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pass_u64(pass, &heads[i].size);
        pass_bytes(pass, &heads[i].root, sizeof(heads[i].root));
    }
}

static void pass_witness(struct pass *pass, void *record)
{
    struct ds_witness *witness = record;
    pass_heads(pass, &witness->proved, 1);
    pass_heads(pass, witness->owed, DS_OWED_MAX);
    pass_u8(pass, &witness->owed_count);
    pass_heads(pass, witness->older, DS_OLDER_MAX);
    pass_u8(pass, &witness->older_count);
    pass_bool(pass, &witness->head_used);
    pass_bool(pass, &witness->wanted);
    pass_i64(pass, &witness->proved_ms);
    pass_u64(pass, &witness->doubt.kind);
    pass_u64(pass, &witness->doubt.count);
    pass_bool(pass, &witness->doubt.open);
    pass_u64(pass, &witness->doubt.epoch);
    pass_u64(pass, &witness->doubt.size);
    pass_bytes(pass, &witness->doubt.root, sizeof(witness->doubt.root));
    pass_u64(pass, &witness->doubt.shown_epoch);
    pass_u64(pass, &witness->doubt.shown_size);
    pass_bytes(pass, &witness->doubt.shown_root, sizeof(witness->doubt.shown_root));
    pass_i64(pass, &witness->doubt_ms);
}

struct place { /* Where a record lies and how it is walked. */
    struct ds_vault *vault;
    struct ds_txn *txn;
    struct ds_arena *arena;
    struct ds_slice key;
    void (*walk)(struct pass *pass, void *record);
};

static enum ds_err load(const struct place *place, void *record, size_t size)
{
    memset(record, 0, size);
    size_t mark = ds_arena_mark(place->arena);
    struct ds_slice clear;
    enum ds_err err =
        ds_safe_get(place->vault, place->txn, DS_KEPT_SELF, place->key, place->arena, &clear);
    if (err != DS_OK) {
        return err == DS_ERR_NOT_FOUND ? DS_OK : err;
    }
    struct ds_cursor cursor;
    ds_cursor_init(&cursor, clear);
    if (ds_take_u8(&cursor) > RECORD_VERSION) {
        return DS_ERR_VERSION;
    }
    struct pass pass = {.in = &cursor};
    place->walk(&pass, record);
    err = ds_cursor_end(&cursor) == DS_OK ? DS_OK : DS_ERR_INTEGRITY;
    ds_wipe(place->arena->base + (clear.data - place->arena->base), clear.size);
    ds_arena_rewind(place->arena, mark);
    return err;
}

static enum ds_err store(const struct place *place, void *record)
{
    uint8_t memory[RECORD_SIZE_MAX];
    struct ds_builder builder;
    struct ds_slice clear;
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_put_u8(&builder, RECORD_VERSION);
    struct pass pass = {.out = &builder};
    place->walk(&pass, record);
    enum ds_err err = ds_builder_end(&builder, &clear);
    err = err != DS_OK ? err
                       : ds_safe_put(place->vault, place->txn, DS_KEPT_SELF, place->key, clear,
                                     place->arena);
    ds_wipe(memory, sizeof(memory));
    return err;
}

enum ds_err ds_identity_load(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                             struct ds_identity *identity)
{
    struct place place = {vault, txn, arena, DS_SLICE_LIT("identity"), pass_identity};
    return load(&place, identity, sizeof(*identity));
}

enum ds_err ds_identity_store(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                              const struct ds_identity *identity)
{
    struct ds_identity copy = *identity;
    struct place place = {vault, txn, arena, DS_SLICE_LIT("identity"), pass_identity};
    enum ds_err err = store(&place, &copy);
    ds_wipe(&copy, sizeof(copy));
    return err;
}

enum ds_err ds_writer_load(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                           struct ds_writer *writer)
{
    struct place place = {vault, txn, arena, DS_SLICE_LIT("writer"), pass_writer};
    DS_TRY(load(&place, writer, sizeof(*writer)));
    if (writer->next_order == 0) {
        writer->next_order = writer->cut_order = writer->acked_order = 1;
    }
    bool sane = writer->acked_order <= writer->next_order &&
                writer->cut_order <= writer->next_order && writer->seq <= DS_SEQ_MAX;
    return sane ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_writer_store(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                            const struct ds_writer *writer)
{
    struct ds_writer copy = *writer;
    struct place place = {vault, txn, arena, DS_SLICE_LIT("writer"), pass_writer};
    return store(&place, &copy);
}

enum ds_err ds_contact_load(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                            struct ds_contact *contact)
{
    struct place place = {vault, txn, arena, DS_SLICE_LIT("contact"), pass_contact};
    return load(&place, contact, sizeof(*contact));
}

enum ds_err ds_contact_store(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                             const struct ds_contact *contact)
{
    struct ds_contact copy = *contact;
    struct place place = {vault, txn, arena, DS_SLICE_LIT("contact"), pass_contact};
    return store(&place, &copy);
}

enum ds_err ds_witness_load(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                            struct ds_witness *witness)
{
    struct place place = {vault, txn, arena, DS_SLICE_LIT("witness"), pass_witness};
    DS_TRY(load(&place, witness, sizeof(*witness)));
    bool sane = witness->owed_count <= DS_OWED_MAX && witness->older_count <= DS_OLDER_MAX;
    return sane ? DS_OK : DS_ERR_INTEGRITY;
}

enum ds_err ds_witness_store(struct ds_vault *vault, struct ds_txn *txn, struct ds_arena *arena,
                             const struct ds_witness *witness)
{
    struct ds_witness copy = *witness;
    struct place place = {vault, txn, arena, DS_SLICE_LIT("witness"), pass_witness};
    return store(&place, &copy);
}

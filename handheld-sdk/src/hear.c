#include "handheld-sdk/src/hear.h"

#include "handheld-sdk/src/customer.h"
#include "handheld-sdk/src/hearing.h"
#include "handheld-sdk/src/line.h"
#include "handheld-sdk/src/replica_impl.h"
#include "handheld-sdk/src/witness.h"

#include <stdlib.h>
#include <string.h>

enum { BIG_SIZE = DS_PLAIN_SIZE_MAX + 3 * 1024 * 1024 };

/* ---- Is it ours? ---- */

static enum ds_err judge_status(int status, struct ds_detail *detail)
{
    char text[16];
    struct ds_builder builder;
    ds_builder_init(&builder, text, sizeof(text));
    ds_put_decimal(&builder, status);
    ds_detail_set(detail, status == 0 ? "no answer" : "HTTP status ",
                  status == 0 ? NULL : ds_builder_text(&builder), NULL);
    switch (status) {
    case 200:
        return DS_OK;
    case 0:
        return DS_ERR_UNREACHABLE;
    case 401:
        return DS_ERR_AUTH;
    case 400:
        return DS_ERR_DECODE;
    case 413:
        return DS_ERR_LIMIT;
    case 429:
    case 502:
    case 503:
    case 504:
        return DS_ERR_BUSY;
    case 507:
        return DS_ERR_FULL;
    default:
        return DS_ERR_NOT_OURS;
    }
}

static enum ds_err not_ours(struct hearing *a, enum ds_err err)
{
    if (err == DS_ERR_SIGNATURE) {
        ds_detail_set(a->detail, "the answer's tag does not fit: it is not from our server", NULL);
        return DS_ERR_NOT_OURS;
    }
    return err;
}

/* What the opened answer did not need is room for what is read from it. */
static void give_back(struct hearing *a, const struct ds_builder *buffer)
{
    ds_arena_rewind(&a->arena, (size_t)(buffer->data - a->arena.base) + buffer->used);
}

static enum ds_err open_plain(struct hearing *a, struct ds_slice answer, struct ds_builder *buffer)
{
    struct ds_handheld *h = a->h;
    struct ds_id device;
    uint64_t counter = 0;
    struct ds_slice plain;
    bool ours = ds_envelope_peek(answer, &device, &counter) == DS_OK &&
                ds_id_equal(&device, &h->identity.device);
    if (!ours) {
        ds_detail_set(a->detail, "the answer is not from our server (a portal's page?)", NULL);
        return DS_ERR_NOT_OURS;
    }
    if (counter != h->talk.counter) {
        ds_detail_set(a->detail, "the answer belongs to an earlier request", NULL);
        return DS_ERR_NOT_OURS;
    }
    DS_TRY(
        not_ours(a, ds_envelope_open(&h->codec, &h->link.down, answer, buffer, &plain, a->detail)));
    give_back(a, buffer);
    DS_TRY(ds_response_parse(plain, &a->arena, &a->response, a->detail));
    return a->response.version > DS_EXCHANGE_VERSION ? DS_ERR_VERSION : DS_OK;
}

/* An answer in columns is read against what the store holds; whose tag fits but which does not come
 * out as what was meant is asked for again in plain msgpack. */
static enum ds_err open_columns(struct hearing *a, struct ds_slice answer,
                                struct ds_builder *buffer)
{
    struct ds_handheld *h = a->h;
    struct ds_slice plain;
    struct ds_txn *txn;
    DS_TRY(not_ours(a, ds_envelope_open_short(&h->codec, &h->link.down, true, &h->identity.device,
                                              h->talk.counter, answer, buffer, &plain, a->detail)));
    give_back(a, buffer);
    a->line = ds_arena_alloc(&a->arena, sizeof(*a->line));
    struct ds_line_key *keys = ds_arena_room(&a->arena, DS_KEYS_MAX * sizeof(*keys));
    if (a->line == NULL || keys == NULL) {
        return DS_ERR_NOMEM;
    }
    DS_TRY(ds_store_begin(h->store, false, &txn));
    ds_line_init(a->line, h, txn, &a->arena);
    a->line->keys = keys;
    enum ds_err err =
        ds_wire_response_take(plain, &a->line->wire, &h->talk.said, &a->response, a->detail);
    ds_txn_abort(txn);
    a->misunderstood = err != DS_OK;
    return err;
}

static enum ds_err open_answer(struct hearing *a, struct ds_slice answer)
{
    struct ds_builder buffer;
    ds_builder_init(&buffer, ds_arena_room(&a->arena, DS_PLAIN_SIZE_MAX), DS_PLAIN_SIZE_MAX);
    if (buffer.data == NULL) {
        return DS_ERR_NOMEM;
    }
    enum ds_envelope_form form = DS_ENVELOPE_PLAIN;
    bool columns = a->h->talk.columns && ds_envelope_form_of(answer, &form) == DS_OK &&
                   (form == DS_ENVELOPE_COLUMNS || form == DS_ENVELOPE_COLUMNS_ZSTD);
    return columns ? open_columns(a, answer, &buffer) : open_plain(a, answer, &buffer);
}

static enum ds_err check_receipt(struct hearing *a)
{
    struct ds_handheld *h = a->h;
    const struct ds_response *response = &a->response;
    struct ds_signature signature;
    if (response->signature == NULL) {
        return DS_OK; /* Nothing is let go on it. */
    }
    memcpy(signature.byte, response->signature, sizeof(signature.byte));
    if (!ds_verify(&h->identity.server_sign, DS_LABEL_RECEIPT, response->signed_bytes,
                   &signature)) {
        ds_detail_set(a->detail, "the receipt is not signed by the server's key", NULL);
        return DS_ERR_SIGNATURE;
    }
    DS_TRY(ds_receipt_parse(response->signed_bytes, &a->receipt));
    if (!ds_id_equal(&a->receipt.device, &h->identity.device) ||
        !ds_id_equal(&a->receipt.head.station, &h->identity.station) ||
        a->receipt.head.epoch != response->epoch) {
        ds_detail_set(a->detail, "the receipt is for another device, station or epoch", NULL);
        return DS_ERR_SIGNATURE;
    }
    a->signed_ok = true;
    return DS_OK;
}

/* ---- Is it the history that we know? ---- */

static void note_problem(struct ds_handheld *h, enum ds_err err, const struct ds_detail *detail)
{
    struct ds_detail text;
    ds_detail_set(&text, ds_err_text(err), detail->text[0] != '\0' ? ": " : NULL, detail->text,
                  NULL);
    memcpy(h->contact.problem, text.text, sizeof(h->contact.problem));
}

static struct ds_shown shown_by(const struct hearing *a)
{
    return (struct ds_shown){&a->response, a->signed_ok ? &a->receipt : NULL};
}

static enum ds_err report(struct hearing *a, enum ds_err err, enum ds_doubt_kind kind)
{
    struct ds_shown shown = shown_by(a);
    note_problem(a->h, err, a->detail);
    DS_TRY(ds_witness_report(a->h, &shown, kind));
    return err;
}

static enum ds_err check_history(struct hearing *a)
{
    struct ds_shown shown = shown_by(a);
    enum ds_doubt_kind kind;
    enum ds_err err = ds_witness_check(a->h, &shown, &kind, a->detail);
    return kind == DS_DOUBT_NONE ? err : report(a, err, kind);
}

/* What lies behind the kept size is sent and asked for again. */
static enum ds_err take_epoch(struct hearing *a)
{
    uint64_t epoch = a->h->contact.epoch;
    if (epoch > 0 && a->response.epoch > epoch) {
        DS_TRY(ds_outbound_unack(a->h, a->txn, a->response.kept_size));
        DS_TRY(ds_hand_clamp(a->h, a->txn, a->response.kept_size));
        a->result->new_epoch = true;
        a->new_epoch = true;
    }
    ds_witness_take_epoch(a->h, &a->response);
    return DS_OK;
}

static enum ds_err take_head(struct hearing *a, bool used)
{
    if (a->signed_ok) {
        ds_witness_take_head(a->h, &a->receipt.head, a->new_epoch, used);
    }
    return ds_witness_store(&a->h->vault, a->txn, &a->h->arena, &a->h->witness);
}

/* ---- Small things. ---- */

static void take_commands(struct hearing *a)
{
    struct ds_contact *contact = &a->h->contact;
    contact->commands = 0;
    for (size_t i = 0; i < a->response.command_count; i++) {
        switch (a->response.commands[i]) {
        case DS_COMMAND_NEW_INCARNATION:
            a->told.commanded = !a->h->talk.claimed_old;
            break;
        case DS_COMMAND_SUSPENDED:
            contact->commands |= DS_HANDHELD_SUSPENDED;
            break;
        case DS_COMMAND_REVOKED:
            contact->commands |= DS_HANDHELD_REVOKED;
            break;
        case DS_COMMAND_WIPE:
            contact->commands |= DS_HANDHELD_WIPED;
            break;
        case DS_COMMAND_LOCKED:
            contact->commands |= DS_HANDHELD_LOCKED;
            break;
        case DS_COMMAND_PLAIN:
            a->plain_wanted = true;
            break;
        default: /* Of a later version. */
            break;
        }
    }
}

static enum ds_err keep_receipt(struct hearing *a)
{
    struct ds_handheld *h = a->h;
    struct ds_builder builder;
    struct ds_slice value;
    size_t size = a->response.signed_bytes.size + 8 + DS_SIGNATURE_SIZE;
    h->contact.receipt_ms = a->response.instant_ms;
    ds_builder_init(&builder, ds_arena_room(&h->arena, size), size);
    if (builder.data == NULL) {
        return DS_ERR_LIMIT;
    }
    ds_put_u64(&builder, (uint64_t)a->response.instant_ms);
    ds_put_bytes(&builder, (struct ds_slice){a->response.signature, DS_SIGNATURE_SIZE});
    ds_put_bytes(&builder, a->response.signed_bytes);
    DS_TRY(ds_builder_end(&builder, &value));
    struct ds_key key = ds_key_order(++h->contact.receipt_number);
    return ds_safe_put(&h->vault, a->txn, DS_KEPT_RECEIPT, ds_key_slice(&key), value, &h->arena);
}

static enum ds_err drop_relayed(struct hearing *a)
{
    for (;;) {
        struct ds_slice value;
        uint64_t number = 0;
        enum ds_err err = ds_kept_next(a->txn, DS_KEPT_RELAY, 0, &number, &value);
        if (err != DS_OK) {
            return err == DS_ERR_NOT_FOUND ? DS_OK : err;
        }
        if (number >= a->h->talk.relay_until) {
            return DS_OK;
        }
        struct ds_key key = ds_key_order(number);
        DS_TRY(ds_txn_del(a->txn, DS_KEPT_RELAY, ds_key_slice(&key)));
    }
}

static enum ds_err take_keys(struct hearing *a)
{
    for (size_t i = 0; i < a->response.key_count; i++) {
        size_t mark = ds_arena_mark(&a->h->arena);
        DS_TRY(ds_customer_take_key(a->h, a->txn, &a->response.keys[i]));
        ds_arena_rewind(&a->h->arena, mark);
    }
    for (size_t i = 0; a->line != NULL && i < a->line->key_count; i++) {
        const struct ds_line_key *key = &a->line->keys[i];
        size_t mark = ds_arena_mark(&a->h->arena);
        DS_TRY(ds_customer_keep_key(a->h, a->txn, &key->id, &key->key));
        ds_arena_rewind(&a->h->arena, mark);
    }
    return ds_customer_sent(a->h, a->txn, a->h->talk.keys, a->h->talk.key_count);
}

/* ---- The whole. ---- */

/* Said against what the store holds, rows are right if all scopes together have the digest that the
 * server says. If not, nothing of the answer stays. */
static enum ds_err check_digest(struct hearing *a)
{
    struct ds_handheld *h = a->h;
    const struct ds_response *response = &a->response;
    struct ds_hash all[DS_SCOPES_MAX];
    uint8_t digest[DS_WIRE_DIGEST_SIZE];
    if (response->digest == NULL) {
        return DS_OK;
    }
    for (size_t i = 0; i < response->scope_count; i++) {
        const struct ds_held_scope *scope = ds_scope_held(h, &response->scopes[i]);
        if (scope == NULL) {
            return DS_ERR_INTEGRITY;
        }
        all[i] = scope->digest;
    }
    ds_wire_digest(all, response->scope_count, digest);
    a->misunderstood = memcmp(digest, response->digest, sizeof(digest)) != 0;
    return a->misunderstood ? DS_ERR_DECODE : DS_OK;
}

static enum ds_err take_rows(struct hearing *a)
{
    struct ds_applied applied = {0};
    if (a->plain_wanted) {
        a->result->more = true;
        return DS_OK;
    }
    if (a->h->talk.no_rows || !a->h->vault.pulled.open) {
        a->result->refused_rows = true;
        return DS_OK;
    }
    DS_TRY(take_keys(a));
    DS_TRY(ds_replica_apply(a->h, a->txn, &a->response, &applied));
    DS_TRY(check_digest(a));
    a->result->rows += applied.rows;
    a->result->verdicts += applied.verdicts;
    a->result->refetched += applied.refetched;
    /* A replica that does not agree may have been right. */
    a->h->witness.wanted = a->h->witness.wanted || applied.refetched > 0;
    a->result->more = a->response.more || applied.again;
    return DS_OK;
}

static enum ds_err take_lanes(struct hearing *a)
{
    struct ds_handheld *h = a->h;
    uint64_t acked = 0;
    a->told.response = &a->response;
    a->told.receipt = &a->receipt;
    a->told.signed_ok = a->signed_ok;
    DS_TRY(ds_lanes_take(h, a->txn, &a->told, &acked));
    a->result->acknowledged_ops += acked;
    a->result->new_incarnation = a->result->new_incarnation || a->told.new_life;
    if (acked > 0) {
        DS_TRY(keep_receipt(a));
    }
    DS_TRY(take_head(a, acked > 0));
    bool moves = acked > 0 || a->told.new_life || a->told.took_back || a->new_epoch;
    bool waits = h->writer.acked_order < h->writer.next_order;
    a->result->more = a->result->more || a->new_epoch || (moves && (waits || a->told.awaits_more));
    return DS_OK;
}

/* Once a day the whole replica is counted through. */
static enum ds_err audit(struct hearing *a)
{
    uint64_t bad = 0;
    if (a->h->contact.audited_ms == 0) {
        a->h->contact.audited_ms = ds_ports_now_ms(&a->h->ports);
    }
    int64_t since_ms = ds_ports_now_ms(&a->h->ports) - a->h->contact.audited_ms;
    if (a->h->talk.no_rows || !a->h->vault.pulled.open || a->response.more ||
        (since_ms >= 0 && since_ms < DS_AUDIT_PAUSE_MS)) {
        return DS_OK;
    }
    DS_TRY(ds_replica_audit(a->h, a->txn, &bad));
    a->result->refetched += (unsigned)bad;
    a->result->more = a->result->more || bad > 0;
    return DS_OK;
}

static enum ds_err take_open(struct hearing *a)
{
    struct ds_contact *contact = &a->h->contact;
    contact->problem[0] = '\0';
    DS_TRY(ds_hear_lease(a));
    DS_TRY(take_epoch(a));
    take_commands(a);
    DS_TRY(ds_hear_obey(a));
    DS_TRY(take_rows(a));
    DS_TRY(take_lanes(a));
    DS_TRY(audit(a));
    if (a->h->vault.pulled.open) {
        DS_TRY(ds_replica_drop_orphans(a->h, a->txn));
    }
    DS_TRY(drop_relayed(a));
    DS_TRY(ds_outbound_prune(a->h, a->txn, a->response.instant_ms));
    contact->contact_ms = ds_ports_now_ms(&a->h->ports);
    contact->retry_ms = a->response.retry_ms;
    a->result->retry_ms = a->response.retry_ms;
    return ds_contact_store(&a->h->vault, a->txn, &a->h->arena, contact);
}

/* With the vault locked only the outbox moves; the rest waits for the owner. */
static enum ds_err take_locked(struct hearing *a)
{
    struct ds_contact *contact = &a->h->contact;
    uint64_t delivered = 0;
    take_commands(a);
    DS_TRY(ds_hear_lease(a));
    DS_TRY(ds_hear_obey(a));
    a->result->retry_ms = a->response.retry_ms;
    if (a->signed_ok) {
        DS_TRY(ds_lanes_take_sealed(a->h, a->txn, &a->receipt, &delivered));
    }
    if (a->response.epoch == contact->epoch) {
        DS_TRY(take_head(a, delivered > 0));
    }
    a->result->acknowledged_ops += delivered;
    a->result->more = a->result->more || delivered > 0;
    if (delivered > 0) {
        DS_TRY(keep_receipt(a));
    }
    return ds_contact_store(&a->h->vault, a->txn, &a->h->arena, contact);
}

/* A row that rotted must not stand in the way of every later answer: it is fetched anew. The lease
 * that came with the answer is kept, for without one nobody can look. */
static enum ds_err mend(struct hearing *a, enum ds_err err)
{
    struct ds_handheld *h = a->h;
    uint64_t bad = 0;
    if (err != DS_ERR_INTEGRITY || h->talk.locked) {
        return err;
    }
    DS_TRY(ds_hand_begin(h, &a->txn));
    enum ds_err mended = ds_hear_lease(a);
    if (mended == DS_OK && h->vault.pulled.open) {
        mended = ds_replica_mend(h, a->txn, &bad);
    }
    DS_TRY(ds_hand_end(h, a->txn, mended));
    if (bad > 0) {
        ds_detail_set(a->detail, "stored rows were damaged; they are fetched anew", NULL);
    }
    return err;
}

static enum ds_err take(struct hearing *a, struct ds_slice answer)
{
    struct ds_handheld *h = a->h;
    DS_TRY(open_answer(a, answer));
    DS_TRY(check_receipt(a));
    DS_TRY(ds_hear_check_order(a));
    DS_TRY(check_history(a));
    DS_TRY(ds_hand_begin(h, &a->txn));
    enum ds_err err = h->talk.locked ? take_locked(a) : take_open(a);
    err = ds_hand_end(h, a->txn, err);
    if (err == DS_ERR_INTEGRITY && a->told.lost) {
        ds_detail_set(a->detail, "the journal has lost work that is under a receipt", NULL);
        return report(a, err, DS_DOUBT_LOST);
    }
    return mend(a, err);
}

/* A bad link gets small requests; each good exchange doubles them. */
static void adapt(struct ds_talk *talk, bool good)
{
    if (!good) {
        talk->budget = DS_BUDGET_BAD;
        talk->answer_budget = 4 * DS_BUDGET_BAD;
        return;
    }
    talk->budget = talk->budget * 2 < DS_BUDGET_GOOD ? talk->budget * 2 : DS_BUDGET_GOOD;
    talk->answer_budget = talk->answer_budget * 2 < DS_ANSWER_BUDGET_MAX ? talk->answer_budget * 2
                                                                         : DS_ANSWER_BUDGET_MAX;
}

enum ds_err ds_hear(struct ds_handheld *h, struct ds_slice answer, int status,
                    struct ds_handheld_sync_result *result, struct ds_detail *detail)
{
    struct ds_detail own_detail = {.text = ""};
    struct ds_handheld_sync_result sum = *result;
    if (!h->talk.begun) {
        return DS_ERR_USAGE;
    }
    h->talk.begun = false;
    sum.exchanges++;
    sum.more = false;
    enum ds_err err = judge_status(status, &own_detail);
    struct hearing *a = err == DS_OK ? malloc(sizeof(*a) + BIG_SIZE) : NULL;
    if (a != NULL) {
        memset(a, 0, sizeof(*a));
        a->h = h;
        a->result = &sum;
        a->detail = &own_detail;
        own_detail.text[0] = '\0';
        ds_arena_init(&a->arena, a + 1, BIG_SIZE);
        err = take(a, answer);
        if (err == DS_OK && h->vault.wiped) {
            ds_vault_lock(&h->vault);
        }
        if (err == DS_OK && a->order.kind != 0) {
            ds_hand_forget_pulled(h);
        }
    } else if (err == DS_OK) {
        err = DS_ERR_NOMEM;
    }
    bool misunderstood = a != NULL && a->misunderstood;
    bool plain_wanted = a != NULL && a->plain_wanted;
    free(a);
    if (misunderstood) { /* Nothing of it was kept: once more, in plain msgpack, at once. */
        result->exchanges++;
        result->more = true;
        h->talk.plain = true;
        return DS_OK;
    }
    h->talk.plain = err == DS_OK ? plain_wanted : h->talk.plain;
    h->talk.version_told = h->talk.version_told || (err == DS_OK && h->talk.columns);
    if (err == DS_OK) {
        for (size_t i = 0; i < h->talk.sent_count; i++) {
            sum.sent_ops += h->talk.sent[i].count;
        }
        *result = sum;
    } else {
        result->exchanges++;
        result->more = false;
        note_problem(h, err, &own_detail);
        if (detail != NULL) {
            *detail = own_detail;
        }
    }
    adapt(&h->talk, err == DS_OK);
    return err;
}

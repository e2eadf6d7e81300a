#include "handheld-sdk/src/witness.h"

#include "sync/core/mutant.h"
#include "sync/core/proof.h"

#include <string.h>

enum { OWED_WANTS = 4 }; /* So many heads wait for a proof: ask now. */

/* ---- Asking. ---- */

static bool wants_proof(const struct ds_handheld *h)
{
    const struct ds_witness *witness = &h->witness;
    int64_t since_ms = ds_ports_now_ms(&h->ports) - witness->proved_ms;
    bool day_passed = since_ms < 0 || since_ms >= DS_PROVE_PAUSE_MS;
    return witness->wanted || witness->doubt.open || witness->owed_count >= OWED_WANTS ||
           day_passed;
}

/* Heads come in ascending order; the same one may come twice. */
static void ask_for(struct ds_talk *talk, const struct ds_known_head *head)
{
    uint64_t last = talk->asked_count > 0 ? talk->asked[talk->asked_count - 1].size : 0;
    if (head->size > last && talk->asked_count < DS_PROOFS_MAX) {
        talk->asked[talk->asked_count++] = *head;
    }
}

static struct ds_known_head latest_head(const struct ds_handheld *h)
{
    return (struct ds_known_head){h->contact.head_size, h->contact.head_root};
}

void ds_witness_ask(struct ds_handheld *h, struct ds_request *request)
{
    const struct ds_witness *witness = &h->witness;
    struct ds_talk *talk = &h->talk;
    struct ds_known_head latest = latest_head(h);
    request->epoch = h->contact.epoch;
    request->witness_epoch = latest.size > 0 ? h->contact.epoch : 0;
    request->witness_size = latest.size;
    request->witness_root = latest.root;
    request->health.doubt = witness->doubt;
    talk->asked_count = 0;
    if (wants_proof(h)) {
        ask_for(talk, &witness->proved);
        for (size_t i = 0; i < witness->owed_count; i++) {
            ask_for(talk, &witness->owed[i]);
        }
        if (witness->head_used) {
            ask_for(talk, &latest);
        }
    }
    request->prove_count = talk->asked_count;
    for (size_t i = 0; i < talk->asked_count; i++) {
        request->prove[i] = talk->asked[i].size;
    }
}

/* ---- Checking. ---- */

static enum ds_err refuse(enum ds_doubt_kind what, enum ds_doubt_kind *kind, const char *why,
                          struct ds_detail *detail)
{
    *kind = what;
    ds_detail_set(detail, why, NULL);
    return what == DS_DOUBT_ROLLED_BACK ? DS_ERR_EPOCH : DS_ERR_INTEGRITY;
}

/* The actor's id is the hash of his key, so a key that fits the id is his. Whether he was an
 * administrator then, the journal knows. */
static bool signed_by_admin(const struct ds_handheld *h, const struct ds_entry *entry,
                            const struct ds_hash *key)
{
    uint8_t memory[512];
    struct ds_builder builder;
    struct ds_slice text;
    struct ds_signature signature;
    struct ds_id admin = ds_id_of(&h->identity.station, DS_REC_device, DS_SLICE_OF(key->byte));
    ds_builder_init(&builder, memory, sizeof(memory));
    ds_entry_put_unsigned(&builder, entry);
    if (ds_builder_end(&builder, &text) != DS_OK || !ds_id_equal(&admin, &entry->admin)) {
        return false;
    }
    memcpy(signature.byte, entry->admin_signature, sizeof(signature.byte));
    return ds_verify(key, DS_LABEL_ADMIN, text, &signature);
}

/* A head of that size that was another one. */
static bool contradicts(const struct ds_known_head *head, uint64_t size, const struct ds_hash *root)
{
    return head->size > 0 && head->size == size && !ds_hash_equal(&head->root, root);
}

static bool known_otherwise(const struct ds_handheld *h, uint64_t size, const struct ds_hash *root)
{
    const struct ds_witness *witness = &h->witness;
    struct ds_known_head latest = latest_head(h);
    bool otherwise = contradicts(&latest, size, root) || contradicts(&witness->proved, size, root);
    for (size_t i = 0; i < witness->owed_count; i++) {
        otherwise = otherwise || contradicts(&witness->owed[i], size, root);
    }
    for (size_t i = 0; i < witness->older_count; i++) {
        otherwise = otherwise || contradicts(&witness->older[i], size, root);
    }
    return otherwise;
}

static enum ds_err check_epoch(const struct ds_handheld *h, const struct ds_response *response,
                               enum ds_doubt_kind *kind, struct ds_detail *detail)
{
    struct ds_entry entry;
    bool there = response->epoch_entry.size > 0 &&
                 ds_entry_parse(response->epoch_entry, &entry, NULL) == DS_OK &&
                 entry.kind == DS_ENTRY_EPOCH && entry.epoch == response->epoch &&
                 entry.kept_size >= response->kept_size;
    if (!there) {
        return refuse(DS_DOUBT_EPOCH, kind, "a new epoch that no epoch entry explains", detail);
    }
    if (!signed_by_admin(h, &entry, &response->epoch_key)) {
        return refuse(DS_DOUBT_EPOCH, kind, "a new epoch that no actor of the station signed",
                      detail);
    }
    /* Of several epochs at once only what all of them kept is still the history that we know. */
    if (entry.kept_size == response->kept_size &&
        known_otherwise(h, entry.kept_size, &entry.kept_root)) {
        return refuse(DS_DOUBT_OTHER_ROOT, kind, "history was rewritten: another root was kept",
                      detail);
    }
    return DS_OK;
}

static enum ds_err check_proofs(const struct ds_handheld *h, const struct ds_shown *shown,
                                enum ds_doubt_kind *kind, struct ds_detail *detail)
{
    const struct ds_talk *talk = &h->talk;
    const struct ds_head *head = &shown->receipt->head;
    if (DS_MUTANT("believe_any_history")) {
        return DS_OK;
    }
    if (shown->response->proof_count != talk->asked_count) {
        return refuse(DS_DOUBT_NO_PROOF, kind, "the proof that was asked for did not come", detail);
    }
    for (size_t i = 0; i < talk->asked_count; i++) {
        const struct ds_known_head *asked = &talk->asked[i];
        if (!ds_check_consistency(asked->size, &asked->root, head->size, &head->root,
                                  &shown->response->proofs[i])) {
            return refuse(DS_DOUBT_NO_PROOF, kind,
                          "history was rewritten or split: a head that was signed is not the "
                          "beginning of this one",
                          detail);
        }
    }
    return DS_OK;
}

enum ds_err ds_witness_check(const struct ds_handheld *h, const struct ds_shown *shown,
                             enum ds_doubt_kind *kind, struct ds_detail *detail)
{
    const struct ds_contact *contact = &h->contact;
    *kind = DS_DOUBT_NONE;
    if (shown->response->epoch < contact->epoch) {
        return refuse(DS_DOUBT_ROLLED_BACK, kind,
                      "the server's epoch is older than one it had signed", detail);
    }
    if (contact->epoch > 0 && shown->response->epoch > contact->epoch) {
        return check_epoch(h, shown->response, kind, detail);
    }
    if (shown->receipt == NULL) {
        return h->talk.asked_count == 0
                   ? DS_OK
                   : refuse(DS_DOUBT_NO_PROOF, kind, "no head where a proof was asked for", detail);
    }
    const struct ds_head *head = &shown->receipt->head;
    if (head->size < contact->head_size) {
        return refuse(DS_DOUBT_ROLLED_BACK, kind,
                      "the journal is shorter than a head it had signed", detail);
    }
    if (known_otherwise(h, head->size, &head->root)) {
        return refuse(DS_DOUBT_OTHER_ROOT, kind, "history was rewritten or split: another root",
                      detail);
    }
    return check_proofs(h, shown, kind, detail);
}

enum ds_err ds_witness_report(struct ds_handheld *h, const struct ds_shown *shown,
                              enum ds_doubt_kind kind)
{
    static const struct ds_head none;
    const struct ds_head *head = shown->receipt != NULL ? &shown->receipt->head : &none;
    struct ds_txn *txn;
    DS_TRY(ds_hand_begin(h, &txn));
    struct ds_doubt *doubt = &h->witness.doubt;
    *doubt = (struct ds_doubt){.kind = kind,
                               .count = doubt->count + 1,
                               .open = true,
                               .epoch = h->contact.epoch,
                               .size = h->contact.head_size,
                               .root = h->contact.head_root,
                               .shown_epoch = shown->response->epoch,
                               .shown_size = head->size,
                               .shown_root = head->root};
    h->witness.doubt_ms = ds_ports_now_ms(&h->ports);
    enum ds_err err = ds_contact_store(&h->vault, txn, &h->arena, &h->contact);
    if (err == DS_OK) {
        err = ds_witness_store(&h->vault, txn, &h->arena, &h->witness);
    }
    return ds_hand_end(h, txn, err);
}

/* ---- Taking over. ---- */

static unsigned height_of(uint64_t distance)
{
    unsigned height = 0;
    for (; distance > 1; distance /= 2) {
        height++;
    }
    return height;
}

/* Proved heads are kept for the next restore: the farther back, the fewer, one per power of two of
 * the distance where there are too many. */
static void keep_older(struct ds_witness *witness, uint64_t newest)
{
    if (witness->proved.size == 0) {
        return;
    }
    if (witness->older_count == DS_OLDER_MAX) {
        size_t drop = 0;
        for (size_t i = 0; i + 1 < witness->older_count; i++) {
            if (height_of(newest - witness->older[i].size) ==
                height_of(newest - witness->older[i + 1].size)) {
                drop = i + 1;
                break;
            }
        }
        witness->older_count--;
        memmove(&witness->older[drop], &witness->older[drop + 1],
                (witness->older_count - drop) * sizeof(witness->older[0]));
    }
    witness->older[witness->older_count++] = witness->proved;
}

static void owe(struct ds_witness *witness, const struct ds_known_head *head)
{
    if (head->size == 0) {
        return;
    }
    if (witness->owed_count == DS_OWED_MAX) {
        witness->owed_count--;
        memmove(&witness->owed[0], &witness->owed[1],
                witness->owed_count * sizeof(witness->owed[0]));
    }
    witness->owed[witness->owed_count++] = *head;
}

static uint8_t count_kept(const struct ds_known_head *heads, uint8_t count, uint64_t kept_size)
{
    while (count > 0 && heads[count - 1].size > kept_size) {
        count--;
    }
    return count;
}

/* What was kept has to be shown to be the beginning of the new epoch's journal; what lies behind it
 * is lawfully gone. */
static void begin_epoch(struct ds_handheld *h, const struct ds_response *response)
{
    struct ds_witness *witness = &h->witness;
    uint64_t kept_size = response->kept_size;
    struct ds_known_head latest = latest_head(h);
    struct ds_entry entry;
    witness->older_count = count_kept(witness->older, witness->older_count, kept_size);
    witness->owed_count = count_kept(witness->owed, witness->owed_count, kept_size);
    if (witness->proved.size > kept_size) {
        witness->proved = (struct ds_known_head){0};
        if (witness->older_count > 0) {
            witness->proved = witness->older[--witness->older_count];
        }
    }
    if (witness->head_used && latest.size <= kept_size) {
        owe(witness, &latest);
    }
    if (ds_entry_parse(response->epoch_entry, &entry, NULL) == DS_OK) {
        struct ds_known_head kept = {entry.kept_size, entry.kept_root};
        owe(witness, &kept);
    }
    witness->head_used = false;
    witness->wanted = true;
}

void ds_witness_take_epoch(struct ds_handheld *h, const struct ds_response *response)
{
    struct ds_contact *contact = &h->contact;
    if (contact->epoch > 0 && response->epoch > contact->epoch) {
        begin_epoch(h, response);
    }
    contact->epoch = response->epoch;
    contact->kept_size = response->kept_size;
}

void ds_witness_take_head(struct ds_handheld *h, const struct ds_head *shown, bool new_epoch,
                          bool used)
{
    struct ds_witness *witness = &h->witness;
    struct ds_known_head head = {shown->size, shown->root};
    struct ds_known_head latest = latest_head(h);
    bool asked = h->talk.asked_count > 0;
    bool first = witness->proved.size == 0 && !asked;
    if (!new_epoch && (asked || first)) {
        keep_older(witness, head.size);
        witness->proved = head;
        witness->owed_count = 0;
        witness->wanted = false;
        witness->doubt.open = false;
        witness->head_used = false;
        witness->proved_ms = ds_ports_now_ms(&h->ports);
    } else if (witness->head_used && latest.size < head.size) {
        owe(witness, &latest);
        witness->head_used = used;
    } else {
        witness->head_used = witness->head_used || used;
    }
    h->contact.head_size = head.size;
    h->contact.head_root = head.root;
}

/* One station's shard: the journal writer and the server's half of an exchange.
 *
 * One thread writes (ds_shard_commit), any number read. Everything that enters the state goes
 * through ds_shard_commit(): batches of handhelds, console users, connectors and imports alike.
 * The same code runs in doorstepd, in the command line tool (when no daemon runs) and in the
 * simulation; only store, clock and random differ. Knows nothing of HTTP. */
#ifndef DS_SYNC_SHARD_SHARD_H
#define DS_SYNC_SHARD_SHARD_H

#include "sync/core/engine.h"
#include "sync/crypto/crypto.h"

#define DS_LEASE_MS UINT64_C(259200000) /* 72 h of running time. */
#define DS_COMMIT_BATCHES_MAX 1024      /* Submissions of one group commit. */

/* Secrets of the server; made once by `station init`, kept in DIR/keys. */
struct ds_server_keys {
    struct ds_secret sign;     /* Ed25519 seed: heads, receipts, enrolment answers. */
    struct ds_secret box;      /* X25519: link keys, sealed relays. */
    struct ds_secret equality; /* Tags of personal fields. */
    struct ds_secret master;   /* Wraps customer keys and actors' seeds in the key store. */
};
void ds_server_keys_make(const struct ds_random *random, struct ds_server_keys *keys);

struct ds_shard_hooks { /* Optional; for tests and metrics. */
    /* After the commit is durable, before any acknowledgement leaves. */
    void (*committed)(void *context, uint64_t size);
    void *context;
};

struct ds_shard {           /* The caller provides the memory; fields are private to sync/shard. */
    struct ds_store *store; /* Borrowed. State and journal. */
    struct ds_store *keys;  /* Borrowed. Customer keys, actors' seeds, enrolment codes. */
    struct ds_server_keys secret;
    struct ds_hash sign_public;
    struct ds_hash box_public;
    struct ds_clock clock;
    struct ds_random random;
    struct ds_shard_hooks hooks;
    uint64_t lease_ms; /* Life of a lease; DS_LEASE_MS unless the owner sets it after opening. */
    struct ds_shard_meta meta; /* Of the writer. */
    struct ds_tree tree;
    struct ds_tree next_tree; /* Of the group being written. */
    uint8_t *scratch;         /* DS_ENGINE_SCRATCH_SIZE, owned. */
};

/* Make a new shard in two empty stores: entry 1 activate, entry 2 the system actor's first batch
 * (its device row, the station row). */
DS_NODISCARD enum ds_err
ds_shard_create(struct ds_store *store, struct ds_store *keys, const struct ds_server_keys *secret,
                const struct ds_clock *clock, const struct ds_random *random,
                const struct ds_station *station, struct ds_detail *detail);
/* Open an existing one. DS_ERR_NOT_FOUND if the store is empty; DS_ERR_VERSION if a newer engine
 * folded it; DS_ERR_INTEGRITY. */
DS_NODISCARD enum ds_err ds_shard_open(struct ds_shard *shard, struct ds_store *store,
                                       struct ds_store *keys, const struct ds_server_keys *secret,
                                       const struct ds_clock *clock, const struct ds_random *random,
                                       struct ds_detail *detail);
void ds_shard_close(struct ds_shard *shard);

/* One batch on its way into the journal. */
struct ds_submission {
    struct ds_slice batch; /* Parsed, signature verified by ds_submission_check(). */
    uint64_t anchor_boot;
    uint64_t anchor_mono_ms;
    struct ds_id carrier; /* None: the signer itself. */
    bool checked;         /* Set by ds_submission_check(). */
    bool signature_ok;
    struct ds_folded folded; /* Out. */
};
/* Parse and verify on any thread, with a read transaction of its own. DS_ERR_SIGNATURE, _DECODE,
 * _AUTH (device unknown). */
DS_NODISCARD enum ds_err ds_submission_check(struct ds_shard *shard,
                                             struct ds_submission *submission,
                                             struct ds_detail *detail);
/* Append and fold all in one transaction with one fsync; answers in submissions[i]->folded. If the
 * group fails for another reason than storage, each is committed singly and the culprit's
 * folded.error tells. An I/O error makes the shard refuse everything (DS_ERR_IO). */
DS_NODISCARD enum ds_err ds_shard_commit(struct ds_shard *shard,
                                         struct ds_submission *const *submissions, size_t count);
/* Append a tick, so that the engine's time moves. */
DS_NODISCARD enum ds_err ds_shard_tick(struct ds_shard *shard);
/* From here on the journal folds as this engine version does; what lies before folds as it did.
 * Nothing is appended if it is the active one. DS_ERR_VERSION: older than the active one, or newer
 * than this build's (DS_ENGINE_VERSION). Never between a restore and its epoch. */
DS_NODISCARD enum ds_err ds_shard_activate(struct ds_shard *shard, uint64_t version);

/* The signed head: writes head map bytes and signature. */
DS_NODISCARD enum ds_err ds_shard_head(struct ds_shard *shard, struct ds_txn *txn,
                                       struct ds_head *head);

/* Server-held actors: console users, connectors, imports, the system. */
struct ds_actor {
    struct ds_id device;
    enum ds_actor_kind kind;
    struct ds_id worker;
    struct ds_secret seed;
    struct ds_incarnation incarnation;
    uint64_t next_seq;
    struct ds_hash chain;
};
/* Find the actor of that name ("system", "billing", "gis", "import", "user:NAME"), or make it (by
 * the system actor's op, committed before this returns). worker may be none. Writer thread only. */
DS_NODISCARD enum ds_err ds_actor_open(struct ds_shard *shard, const char *name,
                                       enum ds_actor_kind kind, const struct ds_id *worker,
                                       struct ds_actor *actor, struct ds_detail *detail);
/* Does the journal know the actor of that name? Writes nothing. DS_ERR_NOT_FOUND. */
DS_NODISCARD enum ds_err ds_actor_known(struct ds_shard *shard, const char *name);
/* Ops to write as an actor. seen = the current size unless given. */
struct ds_draft {
    uint8_t type;
    struct ds_id id;        /* None: new, the op's own id. */
    struct ds_slice fields; /* Canonical map. */
    uint64_t seen;          /* 0: everything up to now. */
    struct ds_id made_id;   /* Out: the entity's id. */
};
/* Seal drafts into batches (split at the limits) and commit them. Writer thread only. verdicts are
 * rows of the actor's mailbox, as for a handheld. folded (optional) is the last batch's. */
DS_NODISCARD enum ds_err ds_actor_write(struct ds_shard *shard, struct ds_actor *actor,
                                        struct ds_draft *drafts, size_t count,
                                        struct ds_folded *folded, struct ds_detail *detail);

/* Customer keys in the key store, wrapped under the master key. */
DS_NODISCARD enum ds_err ds_customer_key(struct ds_shard *shard, struct ds_txn *keys_txn,
                                         const struct ds_id *key_id, struct ds_secret *key);
/* Find or make. Writer thread only; commits the key store. DS_ERR_FORBIDDEN if it was erased. */
DS_NODISCARD enum ds_err ds_customer_key_make(struct ds_shard *shard, const struct ds_id *key_id,
                                              struct ds_secret *key);
/* Seal a clear text for an entity's personal field under its customer key (made if absent). */
DS_NODISCARD enum ds_err ds_customer_seal(struct ds_shard *shard, const struct ds_id *entity,
                                          uint8_t tag, struct ds_slice clear,
                                          struct ds_builder *out);
/* Open one; DS_ERR_NOT_FOUND if its key was destroyed. */
DS_NODISCARD enum ds_err ds_customer_open(struct ds_shard *shard, struct ds_txn *keys_txn,
                                          const struct ds_id *entity, uint8_t tag,
                                          struct ds_slice sealed, struct ds_builder *clear);
/* Destroy keys and append the erase entry, signed by the actor. */
DS_NODISCARD enum ds_err ds_shard_erase(struct ds_shard *shard, struct ds_actor *admin,
                                        const struct ds_id *key_ids, size_t count);

/* Enrolment. A code lives DS_CODE_LIFE_MS and serves once. */
#define DS_CODE_LIFE_MS (15 * 60 * 1000)
DS_NODISCARD enum ds_err ds_enrol_code_make(struct ds_shard *shard, const struct ds_id *worker,
                                            struct ds_slice url, const struct ds_hash *pins,
                                            size_t pin_count, struct ds_builder *text);
/* Body of POST /sync/v1/enrol to the answer's bytes. Writer thread only. DS_ERR_NOT_FOUND (no such
 * code), _FORBIDDEN (used), _AUTH (expired or bad proof). */
DS_NODISCARD enum ds_err ds_enrol(struct ds_shard *shard, struct ds_slice body,
                                  struct ds_builder *answer, struct ds_detail *detail);

/* Restore declared: a new epoch from the present size. Signed by the admin actor, who must be known
 * since before the backup (ds_actor_known): what is appended between the restore and this would
 * count as kept, and the handhelds would neither bring it back nor accept the history. known: the
 * greatest epoch that anybody may have heard of, where it is above the shard's own (0: none): the
 * new one lies behind it. DS_ERR_EPOCH: too far (DS_EPOCHS_SKIPPED_MAX). */
DS_NODISCARD enum ds_err ds_shard_epoch(struct ds_shard *shard, struct ds_actor *admin,
                                        uint64_t known);

/* Verify the whole journal: forms, signatures, chains, tree, against the stored root. progress may
 * be NULL. On DS_ERR_INTEGRITY detail names entry, device and sequence. */
struct ds_progress {
    void (*step)(void *context, uint64_t done, uint64_t total);
    void *context;
};
DS_NODISCARD enum ds_err ds_shard_verify(struct ds_shard *shard, const struct ds_progress *progress,
                                         struct ds_head *head, struct ds_detail *detail);
/* Is the journal a continuation of a head that somebody kept? DS_ERR_INTEGRITY if not. What it
 * reads is sound after ds_shard_verify(). */
DS_NODISCARD enum ds_err ds_shard_witness(struct ds_shard *shard, uint64_t size,
                                          const struct ds_hash *root, struct ds_detail *detail);
/* The same station over a copy of its store, for verifying it: view borrows from shard, and is
 * neither written to nor closed. */
DS_NODISCARD enum ds_err ds_shard_view(const struct ds_shard *shard, struct ds_store *store,
                                       struct ds_shard *view);
/* Fold the first entries of a journal into an empty store, which then holds journal, tree and
 * state of that size. DS_ERR_NOT_FOUND: there are fewer. */
DS_NODISCARD enum ds_err ds_shard_refold(struct ds_store *from, struct ds_store *to, uint64_t size,
                                         const struct ds_progress *progress,
                                         struct ds_detail *detail);
/* Refold the whole journal into an empty store `to`; both digests come back. */
DS_NODISCARD enum ds_err ds_shard_rebuild(struct ds_shard *shard, struct ds_store *to,
                                          const struct ds_progress *progress, struct ds_hash *have,
                                          struct ds_hash *made, struct ds_detail *detail);

#endif

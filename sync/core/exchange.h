/* Exchange messages: the plain payloads of one round trip, parsed strictly and built bounded.
 *
 * FORMAT.md, "Exchange", is the contract. Parsed messages borrow their bytes; arrays of fixed
 * bound live in the struct or in the caller's arena. The envelope (zstd, tag) is in
 * sync/shard/envelope.h. Pure. */
#ifndef DS_SYNC_CORE_EXCHANGE_H
#define DS_SYNC_CORE_EXCHANGE_H

#include "schema/base/arena.h"
#include "sync/core/op.h"

#define DS_EXCHANGE_VERSION 1
#define DS_REQUEST_SIZE_MAX 1048576 /* On the wire. */
#define DS_PLAIN_SIZE_MAX 4194304   /* Decompressed, both ways. */
#define DS_REQUEST_BATCHES_MAX 256
#define DS_SCOPES_MAX 64
#define DS_LANES_MAX 8
#define DS_SCOPES_HASH_SIZE 4
#define DS_KEYS_MAX 4096
#define DS_PAGE_ROWS_MAX 4096
#define DS_COMMANDS_MAX 8
#define DS_PAGES_MAX 256
#define DS_PROOFS_MAX 8 /* Sizes that one request wants to see proved. */
#define DS_BUDGET_DEFAULT 262144
#define DS_APP_VERSION_SIZE_MAX 64
#define DS_WRAPPED_KEY_SIZE 72                            /* Nonce 24, key 32, tag 16. */
#define DS_SEALED_BATCH_SIZE_MAX (DS_BATCH_SIZE_MAX + 48) /* crypto_box_seal adds 48. */

enum ds_scope_kind {
    DS_SCOPE_CATALOGUE = 1,
    DS_SCOPE_BOOK = 2,
    DS_SCOPE_TASKS = 3,
    DS_SCOPE_MAILBOX = 4,
    DS_SCOPE_OFFICE = 5
};
struct ds_scope {
    uint8_t kind;
    struct ds_id key;
    uint8_t view;
};
#define DS_SCOPE_SIZE 18 /* kind, key, view as bytes: order of scopes and head of feed keys. */
void ds_put_scope(struct ds_builder *builder, const struct ds_scope *scope);
struct ds_scope ds_take_scope(struct ds_cursor *cursor);
int ds_scope_compare(const struct ds_scope *a, const struct ds_scope *b);

struct ds_cursor_at { /* Where a holder of a scope stands. */
    struct ds_scope scope;
    uint64_t position;
    uint64_t ordinal;
    uint64_t phase;
};

struct ds_lane_state {
    struct ds_incarnation incarnation;
    uint64_t lane;
    uint64_t seq;         /* Last sequence sealed (request) or held (response). */
    struct ds_hash chain; /* Chain hash there. */
    size_t chain_known;   /* Its first bytes alone came along (columns); 0: all. */
    uint64_t position;    /* Response: where the last batch was folded. */
};

/* What a handheld found wrong with the server's history (FORMAT.md, "Witness"). */
enum ds_doubt_kind {
    DS_DOUBT_NONE = 0,
    DS_DOUBT_ROLLED_BACK = 1, /* A head or epoch older than one that was signed before. */
    DS_DOUBT_OTHER_ROOT = 2,  /* Two roots of one size: rewritten or split. */
    DS_DOUBT_NO_PROOF = 3,    /* The proof that was asked for is missing or wrong. */
    DS_DOUBT_EPOCH = 4,       /* A new epoch that no lawful entry explains. */
    DS_DOUBT_LOST = 5,        /* What was under a receipt is not there any more. */
};
struct ds_doubt {
    uint64_t kind;  /* enum ds_doubt_kind of the last one; later versions may have more. */
    uint64_t count; /* Answers refused so far; 0: none ever. */
    bool open;      /* No sound answer has come since. */
    uint64_t epoch; /* Of the head kept then. */
    uint64_t size;
    struct ds_hash root;
    uint64_t shown_epoch; /* Of the head that was shown. */
    uint64_t shown_size;
    struct ds_hash shown_root;
};
/* Is this the lane's chain hash, as far as it is known? */
bool ds_lane_chain_is(const struct ds_lane_state *lane, const struct ds_hash *chain);

struct ds_health {
    uint64_t unsent;
    int64_t oldest_unsent_ms; /* 0: none */
    uint64_t boot;
    uint64_t mono_ms;
    int64_t wall_ms;
    uint64_t battery_percent; /* 0: unknown */
    uint64_t free_kib;
    struct ds_slice version;
    struct ds_doubt doubt;
};

struct ds_wrapped_key {
    struct ds_id key_id;
    struct ds_slice wrapped;
};

struct ds_request {
    uint64_t version;
    uint64_t epoch;
    struct ds_slice *batches; /* In the arena. */
    size_t batch_count;
    struct ds_cursor_at *cursors;
    size_t cursor_count;
    struct ds_lane_state lanes[DS_LANES_MAX];
    size_t lane_count;
    struct ds_health health;
    uint64_t budget; /* Bytes; DS_BUDGET_DEFAULT when absent. */
    struct ds_slice *relayed;
    size_t relayed_count;
    uint64_t witness_epoch; /* witness_size 0: none */
    uint64_t witness_size;
    struct ds_hash witness_root;
    struct ds_wrapped_key *keys;
    size_t key_count;
    bool no_rows;
    uint64_t prove[DS_PROOFS_MAX]; /* Sizes of heads, ascending. */
    size_t prove_count;
    bool lease_wanted;
    uint64_t obeyed; /* Number of the order obeyed last; 0: none. */
    /* In columns only: */
    bool in_columns;
    bool not_understood; /* Part of it was said against what we do not know. */
    bool at_one;         /* The cursors are left out: all stand behind position, whole. */
    uint64_t position;   /* With at_one. */
    uint8_t scopes_hash[DS_SCOPES_HASH_SIZE]; /* Of the scopes meant ... */
    bool scopes_other;                        /* ... which are not those that he holds now. */
};
/* DS_ERR_VERSION for a greater version (after parsing what is known); DS_ERR_LIMIT, _DECODE. */
DS_NODISCARD enum ds_err ds_request_parse(struct ds_slice bytes, struct ds_arena *arena,
                                          struct ds_request *request, struct ds_detail *detail);
void ds_request_put(struct ds_builder *builder, const struct ds_request *request);

struct ds_taken {   /* What became of one batch sent. */
    uint64_t error; /* enum ds_err */
    uint64_t position;
    struct ds_incarnation incarnation; /* Or the branch. */
    uint64_t lane;
    uint64_t last_seq;
};
struct ds_row {
    uint64_t type;
    struct ds_id id;
    uint64_t position;      /* Of its latest change. */
    struct ds_slice fields; /* Canonical map; empty slice: the row left the scope. */
    bool opened;            /* Writing columns: its personal fields go as key and text. */
};
struct ds_page {
    struct ds_cursor_at cursor; /* After this page. */
    bool complete;
    struct ds_hash digest;
    struct ds_row *rows;
    size_t row_count;
};
enum ds_command {
    DS_COMMAND_NEW_INCARNATION = 1,
    DS_COMMAND_SUSPENDED = 2,
    DS_COMMAND_REVOKED = 3,
    DS_COMMAND_WIPE = 4,
    DS_COMMAND_LOCKED = 5,
    DS_COMMAND_PLAIN = 6 /* Columns were not understood: say it again in plain msgpack. */
};
struct ds_lease { /* Without its key pulled data does not open. */
    uint64_t life_ms;
    struct ds_slice wrapped;
};
enum ds_order_kind { DS_ORDER_LOCK = 1, DS_ORDER_WIPE = 2 };
struct ds_order { /* What a device must do to its data. */
    struct ds_id device;
    uint64_t kind; /* enum ds_order_kind, or one of a later version. */
    uint64_t number;
};
#define DS_LABEL_ORDER DS_SLICE_LIT("doorstep order 1")
#define DS_LABEL_LEASE DS_SLICE_LIT("doorstep lease 1")
void ds_order_put(struct ds_builder *builder, const struct ds_order *order);
DS_NODISCARD enum ds_err ds_order_parse(struct ds_slice bytes, struct ds_order *order);
struct ds_response {
    uint64_t version;
    int64_t instant_ms;
    uint64_t epoch;
    uint64_t kept_size;
    uint64_t snapshot;
    struct ds_taken *taken;
    size_t taken_count;
    struct ds_lane_state lanes[DS_LANES_MAX];
    size_t lane_count;
    struct ds_scope scopes[DS_SCOPES_MAX];
    size_t scope_count;
    struct ds_page *pages;
    size_t page_count;
    struct ds_wrapped_key *keys;
    size_t key_count;
    struct ds_slice signed_bytes;
    const uint8_t *signature; /* 64 bytes or NULL */
    bool more;
    uint64_t retry_ms;
    uint64_t commands[DS_COMMANDS_MAX];
    size_t command_count;
    struct ds_slice *own_batches;
    size_t own_batch_count;
    struct ds_slice epoch_entry; /* empty: none */
    struct ds_hash epoch_key;    /* Of its administrator; none: none */
    struct ds_proof *proofs;     /* One per size asked for, to the size of the receipt's head. */
    size_t proof_count;
    struct ds_lease lease; /* wrapped empty: none */
    struct ds_slice order; /* empty: none */
    const uint8_t *order_signature;
    /* In columns only, where the pages themselves have no digests: */
    bool in_columns;
    const uint8_t *digest; /* Of all scopes together, 8 bytes; NULL: some are not whole. */
};
DS_NODISCARD enum ds_err ds_response_parse(struct ds_slice bytes, struct ds_arena *arena,
                                           struct ds_response *response, struct ds_detail *detail);
void ds_response_put(struct ds_builder *builder, const struct ds_response *response);

/* The part under the server's signature (response keys 11, 12). */
struct ds_receipt {
    struct ds_head head;
    struct ds_id device;
    struct ds_lane_state lanes[DS_LANES_MAX];
    size_t lane_count;
};
void ds_receipt_put(struct ds_builder *builder, const struct ds_receipt *receipt);
DS_NODISCARD enum ds_err ds_receipt_parse(struct ds_slice bytes, struct ds_receipt *receipt);

/* Enrolment (FORMAT.md, "Enrolment"). */
#define DS_PINS_MAX 4
#define DS_URL_SIZE_MAX 200
#define DS_MODEL_SIZE_MAX 120 /* As device.model. */
struct ds_enrol_code {
    struct ds_id station;
    struct ds_hash server_sign;
    struct ds_hash server_box;
    struct ds_id code;
    struct ds_hash pins[DS_PINS_MAX];
    size_t pin_count;
    struct ds_slice url;
};
void ds_enrol_code_put(struct ds_builder *text, const struct ds_enrol_code *code); /* "DS1:..." */
/* scratch holds the decoded bytes that url borrows. */
DS_NODISCARD enum ds_err ds_enrol_code_parse(struct ds_slice text, struct ds_builder *scratch,
                                             struct ds_enrol_code *code, struct ds_detail *detail);
struct ds_enrol_request {
    struct ds_id code;
    struct ds_hash sign_key;
    struct ds_hash box_key;
    struct ds_slice model;
    const uint8_t *signature; /* NULL when writing the part that is signed. */
};
void ds_enrol_request_put(struct ds_builder *builder, const struct ds_enrol_request *request);
DS_NODISCARD enum ds_err ds_enrol_request_parse(struct ds_slice bytes,
                                                struct ds_enrol_request *request);
struct ds_enrol_answer {
    struct ds_id station;
    struct ds_id device;
    struct ds_id worker;
    struct ds_hash server_sign;
    const uint8_t *signature;
};
void ds_enrol_answer_put(struct ds_builder *builder, const struct ds_enrol_answer *answer);
DS_NODISCARD enum ds_err ds_enrol_answer_parse(struct ds_slice bytes,
                                               struct ds_enrol_answer *answer);
/* Bundle file: "DSB1" and an array of sealed batches. */
#define DS_BUNDLE_BATCHES_MAX 4096
void ds_bundle_put(struct ds_builder *builder, const struct ds_slice *sealed, size_t count);
DS_NODISCARD enum ds_err ds_bundle_parse(struct ds_slice bytes, struct ds_arena *arena,
                                         struct ds_slice **sealed, size_t *count,
                                         struct ds_detail *detail);

#endif

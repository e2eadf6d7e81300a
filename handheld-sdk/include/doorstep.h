/* Doorstep for handhelds: read a round without a signal, and nothing that was recorded is lost.
 *
 * The one idea: a recording function returns only when its op is durable in the handheld's own
 * store, encrypted, and also sealed to the server; an exchange lets go of it only on the server's
 * signed receipt. What queries show is the pulled state overlaid with what is not yet pulled back.
 * This header is the whole interface; it includes nothing else of ours.
 *
 * Errors. Every fallible function returns int: DS_E_OK (0) or one of enum ds_handheld_error.
 * `detail` parameters are optional (NULL), owned by the caller, and say where and what, for people;
 * never personal data.
 * Threads. There is no global state; any number of handles may be open, each on its own store. A
 * handle may be used by several threads: each call holds the handle's lock while it works.
 * ds_handheld_sync() and the other calls that use the network let go of it while they wait for the
 * network, so recording never waits for a transfer. A callback runs under the lock and must not
 * call functions of the same handle.
 * Ownership. Texts and structs handed to a callback are borrowed until it returns. Texts handed in
 * are borrowed for the call. All texts are UTF-8 and end with NUL.
 * Units. Instants are Unix milliseconds UTC (_ms), volumes litres (_l), money fen (_fen), positions
 * 1e-7 degree WGS-84 (_e7), days since 1970-01-01 (_day), periods YYYYMM. An index is the integer
 * count of the dial's last read digit. Numbers of closed lists (method, condition, ...) are those
 * of the schema's reference; ds_handheld_word() and ds_handheld_word_number() turn them into words
 * and back, the enums below name the common ones. */
#ifndef DS_DOORSTEP_H
#define DS_DOORSTEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#define DS_API __attribute__((visibility("default")))
#define DS_USE __attribute__((warn_unused_result))

#define DS_HANDHELD_VERSION "0.1.0"     /* Limits: */
#define DS_HANDHELD_PIN_MIN 4           /* Bytes of a PIN. */
#define DS_HANDHELD_PIN_MAX 64          /* Longer or shorter: DS_E_USAGE. */
#define DS_HANDHELD_PINS_FREE 4         /* Wrong PINs in a row before the first wait. */
#define DS_HANDHELD_PHOTO_MAX 4194304   /* Bytes of a photo. */
#define DS_HANDHELD_EDITS_MAX 16        /* Fields of one edit. */
#define DS_HANDHELD_FINDINGS_MAX 24     /* Findings of one check. */
#define DS_HANDHELD_REQUEST_MAX 1048576 /* Bytes of an exchange's request. */
#define DS_HANDHELD_ANSWER_MAX 4260864  /* Bytes of an exchange's answer. */
#define DS_HANDHELD_KEEP_DAYS 35        /* Acknowledged batches and receipts are kept so long. */
#define DS_HANDHELD_ROOM_CAPTURE 262144 /* Free bytes below which recording is refused. */
#define DS_HANDHELD_ROOM_PULL 16777216  /* Free bytes below which no rows are asked for. */

/* Numbers equal those of the system's one error table. */
enum ds_handheld_error {
    DS_E_OK = 0,
    DS_E_LIMIT,       /* Larger or longer than allowed. */
    DS_E_NOMEM,       /* Out of memory. */
    DS_E_DECODE,      /* Bytes do not follow the format. */
    DS_E_SCHEMA,      /* A value is not allowed; detail names the field. */
    DS_E_USAGE,       /* Wrong arguments. */
    DS_E_NOT_FOUND,   /* There is no such thing. */
    DS_E_EXISTS,      /* It exists already. */
    DS_E_CONFLICT,    /* Not possible as things stand. */
    DS_E_AUTH,        /* Wrong PIN; or the server does not know this device. */
    DS_E_FORBIDDEN,   /* Not allowed (a used enrolment code). */
    DS_E_SIGNATURE,   /* A signature, tag or hash does not match. */
    DS_E_GAP,         /* Earlier sequences are missing. */
    DS_E_FORK,        /* Same sequence, other content. */
    DS_E_LOCKED,      /* The vault is locked, or waits after wrong PINs; detail says how long. */
    DS_E_BUSY,        /* An exchange runs already, or the server is busy: try later. */
    DS_E_FULL,        /* No room left on the storage. Nothing was recorded. */
    DS_E_IO,          /* Storage failed: close the handle, open it again. */
    DS_E_UNREACHABLE, /* The server cannot be reached. Nothing changed. */
    DS_E_NOT_OURS,  /* An answer came, but not from our server (captive portal). Nothing changed. */
    DS_E_INTEGRITY, /* Stored data, or the server's history, does not match its hash. */
    DS_E_EPOCH,     /* The server is older than a head it once signed; wait for its restore. */
    DS_E_VERSION    /* Made by a newer version than this one. */
};
DS_API const char *ds_handheld_error_name(int error); /* "DS_ERR_FULL"; static. */
DS_API const char *ds_handheld_error_text(int error); /* For people; static. */
DS_API bool ds_handheld_error_retryable(int error);   /* May the identical call succeed later? */

struct ds_handheld_detail {
    char text[256];
};

/* Entity, op, device or station. All zero: none. Its printed form is 32 lower-case hex digits. */
struct ds_handheld_id {
    uint8_t byte[16];
};
DS_API DS_USE int ds_handheld_id_parse(const char *hex, struct ds_handheld_id *id);
DS_API void ds_handheld_id_print(const struct ds_handheld_id *id, char text[33]);

/* Words of closed lists: list is the schema's name ("method", "condition", "visit_outcome",
 * "slot_state", "task_state", "verdict", ...). NULL or 0 if there is no such list, word, number. */
DS_API const char *ds_handheld_word(const char *list, int64_t number);    /* "on_site"; static. */
DS_API const char *ds_handheld_word_zh(const char *list, int64_t number); /* "现场"; static. */
DS_API int64_t ds_handheld_word_number(const char *list, const char *word);

/* clang-format off */
enum ds_handheld_method {
    DS_HANDHELD_ON_SITE = 1, DS_HANDHELD_PHONE, DS_HANDHELD_SELF_REPORT, DS_HANDHELD_ESTIMATE,
    DS_HANDHELD_REMOTE, DS_HANDHELD_CARD
};
enum ds_handheld_outcome {
    DS_HANDHELD_ENTERED = 1, DS_HANDHELD_NO_ACCESS, DS_HANDHELD_REFUSED, DS_HANDHELD_MOVED,
    DS_HANDHELD_DOG, DS_HANDHELD_UNSAFE
};
enum ds_handheld_slot_state { /* NONE: not in the replica, nothing read yet. */
    DS_HANDHELD_SLOT_NONE, DS_HANDHELD_SLOT_EMPTY, DS_HANDHELD_SLOT_READ, DS_HANDHELD_SLOT_HELD,
    DS_HANDHELD_SLOT_DECIDED, DS_HANDHELD_SLOT_AFTER_BILLING, DS_HANDHELD_SLOT_NEW_EVIDENCE
};
enum ds_handheld_ask {
    DS_HANDHELD_ASK_NOTHING, DS_HANDHELD_ASK_REASON, DS_HANDHELD_ASK_PHOTO, DS_HANDHELD_ASK_BLIND
};
enum ds_handheld_command { /* Bits of what the server said last. */
    DS_HANDHELD_SUSPENDED = 1, DS_HANDHELD_REVOKED = 2, DS_HANDHELD_WIPED = 4,
    DS_HANDHELD_LOCKED = 8
};
enum ds_handheld_op_state { /* Durable here; cut into a batch; under the server's receipt. */
    DS_HANDHELD_PENDING = 1, DS_HANDHELD_SEALED, DS_HANDHELD_ACKNOWLEDGED
};
/* What was wrong with the server's history: shorter than a head that was signed; two roots of one
 * size; a signed head is not its beginning; an epoch that nothing lawful explains; what was under a
 * receipt is gone. While it is doubted, work is recorded and handed in as always, but nothing is
 * let go and nothing is pulled; the next sound answer ends it. */
enum ds_handheld_history {
    DS_HANDHELD_SOUND, DS_HANDHELD_ROLLED_BACK, DS_HANDHELD_OTHER_ROOT, DS_HANDHELD_NO_PROOF,
    DS_HANDHELD_EPOCH, DS_HANDHELD_LOST
};
/* clang-format on */

/* ---- Ports ---------------------------------------------------------------------------------- */

struct ds_handheld_clock {                  /* Unset functions: the system's clocks. */
    int64_t (*now_ms)(void *context);       /* Wall clock; may jump. */
    int64_t (*monotonic_ms)(void *context); /* Running time since boot; never goes back. */
    uint32_t (*boot_id)(void *context);     /* Names the boot. Unset with the system's clocks: the
                                               kernel's boot id; else a random one per open. */
    void *context;
};
struct ds_handheld_random { /* Unset: the system's. */
    void (*fill)(void *context, void *out, size_t size);
    void *context;
};
/* 32 bytes that never leave this piece of hardware (a key store's key). Unset: a file
 * `hardware.key` in `dir`, readable by the owner alone: for machines that have no key store. */
struct ds_handheld_hardware {
    int (*secret)(void *context, uint8_t secret[32]); /* 0 or an error number. */
    void *context;
};
/* One HTTP POST. body to url ("http://127.0.0.1:8420/sync/v1/exchange"); the answer's bytes go to
 * answer (at most answer_max; more: DS_E_LIMIT), their count to *answer_size, the HTTP status to
 * *status. pins: SHA-256 of the public keys allowed for TLS; none: only loopback. Returns 0 when
 * any HTTP answer came, else DS_E_UNREACHABLE or DS_E_SIGNATURE (wrong TLS key). */
struct ds_handheld_post {
    const char *url;
    const uint8_t *body;
    size_t body_size;
    const uint8_t (*pins)[32];
    size_t pin_count;
    uint8_t *answer;
    size_t answer_max;
    size_t *answer_size;
    int *status;
};
struct ds_handheld_transport { /* Unset: libcurl. */
    int (*post)(void *context, const struct ds_handheld_post *post);
    void *context;
};
struct ds_handheld_argon { /* Cost of one PIN try. Zeros: 2 passes, 19 MiB. */
    uint32_t passes;
    uint32_t memory_bytes;
};

struct ds_handheld_options {
    const char *dir; /* Folder of the store, made if absent. NULL: `store` is used. */
    void *store; /* A struct ds_store of sync/store, borrowed and not closed; for simulations. */
    struct ds_handheld_clock clock;
    struct ds_handheld_random random;
    struct ds_handheld_hardware hardware;
    struct ds_handheld_transport transport;
    struct ds_handheld_argon argon;
    int clock_source;        /* Number of list clock_source; 0: rtc. */
    uint64_t quota_bytes;    /* Most bytes of the store's file; 0: the disk's end. */
    unsigned timeout_s;      /* Of one exchange; 0: 60. */
    const char *model;       /* Told at enrolment and in health; NULL: "handheld". */
    unsigned battery;        /* Percent told in health; 0: unknown. */
    unsigned keep_days;      /* 0: DS_HANDHELD_KEEP_DAYS. */
    uint32_t request_budget; /* First size of a request, a quarter of an answer's; 0: 65,536. */
    bool columns;            /* Speak the smallest form of the exchange (FORMAT.md, "Columns"). */
};
/* ---- Life ----------------------------------------------------------------------------------- */

struct ds_handheld;

/* Open a store. With a PIN an empty store gets a new vault, an existing one is unlocked. Without
 * one (NULL) an existing store is opened locked: only status, ds_handheld_unlock(), the exchange
 * of sealed work and ds_handheld_close() serve then, all else is DS_E_LOCKED.
 * DS_E_AUTH: wrong PIN. DS_E_LOCKED: after several wrong PINs in a row one must wait (60 s,
 * doubling to a day; counted durably before each try). DS_E_BUSY: another process holds the store.
 * DS_E_NOT_FOUND: no PIN and no vault. DS_E_VERSION. *handle is yours: ds_handheld_close(). */
DS_API DS_USE int ds_handheld_open(const struct ds_handheld_options *options, const char *pin,
                                   struct ds_handheld **handle, struct ds_handheld_detail *detail);
DS_API void ds_handheld_close(struct ds_handheld *handle); /* NULL is allowed. */
DS_API DS_USE int ds_handheld_unlock(struct ds_handheld *handle, const char *pin,
                                     struct ds_handheld_detail *detail);
/* Forget the keys in memory; the handle stays open, locked. */
DS_API void ds_handheld_lock(struct ds_handheld *handle);
DS_API DS_USE int ds_handheld_change_pin(struct ds_handheld *handle, const char *old_pin,
                                         const char *new_pin, struct ds_handheld_detail *detail);

/* Enrol with a code text ("DS1:..."): one POST. DS_E_EXISTS if enrolled already, DS_E_FORBIDDEN:
 * code used, DS_E_NOT_FOUND: code unknown, DS_E_AUTH: code too old, DS_E_DECODE. */
DS_API DS_USE int ds_handheld_enrol(struct ds_handheld *handle, const char *code,
                                    struct ds_handheld_detail *detail);
/* The same where the caller carries the bytes: to POST /sync/v1/enrol. A lost answer: begin again
 * with the same code gives the same keys. */
DS_API DS_USE int ds_handheld_enrol_begin(struct ds_handheld *handle, const char *code,
                                          uint8_t *request, size_t request_max,
                                          size_t *request_size, struct ds_handheld_detail *detail);
DS_API DS_USE int ds_handheld_enrol_end(struct ds_handheld *handle, const uint8_t *answer,
                                        size_t answer_size, int http_status,
                                        struct ds_handheld_detail *detail);

/* ---- Exchange ------------------------------------------------------------------------------- */

struct ds_handheld_sync_result {
    unsigned exchanges;        /* Round trips. */
    uint64_t sent_ops;         /* Ops in batches sent. */
    uint64_t acknowledged_ops; /* Newly under a receipt. */
    uint64_t rows;             /* Rows taken, those that left included. */
    unsigned refetched;        /* Scopes whose digest differed: they are fetched anew. */
    unsigned verdicts;         /* New verdict rows. */
    bool more;                 /* Exchange again at once. */
    bool new_incarnation;      /* The store had gone back in time, or was cloned. */
    bool new_epoch;            /* The server was restored. */
    bool refused_rows;         /* No room for a pull: only pushed. */
    uint64_t retry_ms;         /* Wait so long before the next sync. */
};
/* Exchange until nothing is left to send or to take. On an error what was done stays done and
 * result (optional) tells it. After an ordered wipe the handle is locked and wiped. */
DS_API DS_USE int ds_handheld_sync(struct ds_handheld *handle,
                                   struct ds_handheld_sync_result *result,
                                   struct ds_handheld_detail *detail);
/* One round trip in two calls; the caller carries the bytes to POST /sync/v1/exchange. request:
 * room for DS_HANDHELD_REQUEST_MAX bytes. DS_E_BUSY: another thread syncs. Beginning again without
 * end is allowed (the answer was lost): the same batches go again, and the earlier answer is no
 * longer taken. */
DS_API DS_USE int ds_handheld_exchange_begin(struct ds_handheld *handle, uint8_t *request,
                                             size_t request_max, size_t *request_size,
                                             struct ds_handheld_detail *detail);
/* http_status 0: no answer came (smaller requests follow). result is added to, not cleared. */
DS_API DS_USE int ds_handheld_exchange_end(struct ds_handheld *handle, const uint8_t *answer,
                                           size_t answer_size, int http_status,
                                           struct ds_handheld_sync_result *result,
                                           struct ds_handheld_detail *detail);
/* Hand in sealed work although the vault is locked, lapsed or wiped. Works unlocked, too. */
DS_API DS_USE int ds_handheld_deliver_locked(struct ds_handheld *handle,
                                             struct ds_handheld_sync_result *result,
                                             struct ds_handheld_detail *detail);

/* Ask the server with the next request to prove that its history is the one known here; it is asked
 * once a day by itself. A wrong proof makes that exchange DS_E_INTEGRITY or DS_E_EPOCH. */
DS_API DS_USE int ds_handheld_prove(struct ds_handheld *handle);

/* Relay: write unsent work as a bundle that any bearer can carry; also when locked. write is called
 * with consecutive pieces; an error of it ends the export. *ops (optional): how many. */
DS_API DS_USE int ds_handheld_bundle_export(struct ds_handheld *handle,
                                            int (*write)(void *context, const uint8_t *bytes,
                                                         size_t size),
                                            void *context, uint64_t *ops);
/* Take another handheld's bundle along; it goes with the next exchanges. *items (optional): how
 * many. DS_E_DECODE, DS_E_FULL. */
DS_API DS_USE int ds_handheld_bundle_import(struct ds_handheld *handle, const uint8_t *bytes,
                                            size_t size, uint64_t *items,
                                            struct ds_handheld_detail *detail);

/* ---- Recording ------------------------------------------------------------------------------
 * Each function returns when the op is durable. *op (optional) gets its id. Zero or NULL members
 * mean "not given". DS_E_SCHEMA names the field. DS_E_FULL and DS_E_IO: nothing was recorded. */

struct ds_handheld_position {
    bool known, mock; /* mock: from a mock provider; told as evidence. */
    int32_t lat_e7, lon_e7, accuracy_m;
};
struct ds_handheld_photo { /* bytes: kept in the vault with the op; or only the hash of them. */
    const uint8_t *bytes;
    size_t size;
    const uint8_t *hash; /* 32 bytes, BLAKE2b-256 of the photo. */
};
struct ds_handheld_reading {
    struct ds_handheld_id meter;
    int32_t period; /* 0: the earliest open period of the meter's book. */
    bool has_index; /* false where the condition forbids it (no access, not seen). */
    int64_t index;
    int64_t instant_ms; /* 0: now. */
    /* 0: on_site, mechanical, regular, normal, not named. */
    int method, register_kind, purpose, condition, estimate_method;
    bool has_blind_index;
    int64_t blind_index; /* The first entry, where the number was asked a second time. */
    const char *reason;
    const char *note;
    struct ds_handheld_photo photo;
    struct ds_handheld_position position;
    bool scanned;
    int64_t dwell_ms; /* How long the screen stood open. */
    bool has_card;    /* Card and remote meters: the values below. */
    int64_t remaining_l, purchased_l;
    struct ds_handheld_id task;
};
DS_API DS_USE int ds_handheld_record_reading(struct ds_handheld *handle,
                                             const struct ds_handheld_reading *reading,
                                             struct ds_handheld_id *op,
                                             struct ds_handheld_detail *detail);

struct ds_handheld_finding {
    const char *rule, *rule_zh; /* "spike"; static. */
    const char *why, *why_zh;   /* For people; static. */
    int severity;               /* 1 hold, 2 sample, 3 note. */
    int ask;                    /* enum ds_handheld_ask */
    int64_t risk_fen;
    char inputs[320]; /* "index=..;previous=..": what the rule saw. */
};
/* Would the rules look twice at this reading? The same rules run on the server. findings has room
 * for DS_HANDHELD_FINDINGS_MAX; *count how many. Nothing is recorded. */
DS_API DS_USE int ds_handheld_check_reading(struct ds_handheld *handle,
                                            const struct ds_handheld_reading *reading,
                                            struct ds_handheld_finding *findings, size_t *count,
                                            struct ds_handheld_detail *detail);

struct ds_handheld_visit {
    struct ds_handheld_id premises; /* Or none, with a meter: its premises. */
    struct ds_handheld_id meter;
    int32_t period;
    int64_t instant_ms;
    int outcome; /* enum ds_handheld_outcome */
    bool slip;
    const char *note;
    struct ds_handheld_photo photo;
    struct ds_handheld_position position;
};
DS_API DS_USE int ds_handheld_record_visit(struct ds_handheld *handle,
                                           const struct ds_handheld_visit *visit,
                                           struct ds_handheld_id *op,
                                           struct ds_handheld_detail *detail);

struct ds_handheld_swap {
    struct ds_handheld_id meter;
    int32_t period;
    int64_t instant_ms;
    int register_kind;
    int64_t old_final_index, new_initial_index;
    const char *new_manufacturer, *new_meter_no;
    int new_dial_digits;
    int64_t new_unit_l;
    const char *reason, *seal;
    struct ds_handheld_photo photo;
};
DS_API DS_USE int ds_handheld_record_swap(struct ds_handheld *handle,
                                          const struct ds_handheld_swap *swap,
                                          struct ds_handheld_id *op,
                                          struct ds_handheld_detail *detail);

/* A meter that is not in the replica; *meter is the id to read it with. */
struct ds_handheld_new_meter {
    const char *manufacturer, *meter_no, *place;
    struct ds_handheld_id premises, book;
    int kind, dial_digits;
};
DS_API DS_USE int ds_handheld_record_meter(struct ds_handheld *handle,
                                           const struct ds_handheld_new_meter *draft,
                                           struct ds_handheld_id *meter,
                                           struct ds_handheld_detail *detail);

/* Edit fields of an entity: record "premises", "meter", "account", "task"; field and value as in
 * the schema's reference (a number, a word of the list, hex of an id, a text). value NULL clears.
 * Personal fields are given in clear and sealed here. A field owned by another side becomes a
 * proposal there; a verdict tells. */
struct ds_handheld_edit {
    const char *field, *value;
};
struct ds_handheld_edits {
    const char *record;
    struct ds_handheld_id id;
    const struct ds_handheld_edit *edits;
    size_t count;
};
DS_API DS_USE int ds_handheld_record_edit(struct ds_handheld *handle,
                                          const struct ds_handheld_edits *edits,
                                          struct ds_handheld_id *op,
                                          struct ds_handheld_detail *detail);
/* Move a task: state is a number of list task_state. DS_E_CONFLICT: no legal step from here. */
struct ds_handheld_task_step {
    struct ds_handheld_id task;
    int state;
    const char *reason;           /* NULL: none. */
    struct ds_handheld_id result; /* The event that fulfils it. */
};
DS_API DS_USE int ds_handheld_record_task(struct ds_handheld *handle,
                                          const struct ds_handheld_task_step *step,
                                          struct ds_handheld_id *op,
                                          struct ds_handheld_detail *detail);

/* ---- Queries -------------------------------------------------------------------------------
 * A callback returns true to go on, false to stop (no error). */

struct ds_handheld_progress {
    uint32_t meters;  /* Active meters of the book. */
    uint32_t read;    /* With a regular reading in the period, pending ones included. */
    uint32_t held;    /* Of these: a supervisor has to decide. */
    uint32_t visited; /* Not read, but visited without entry by this handheld. */
    uint32_t pending; /* Meters with work that the server has not folded yet. */
};
struct ds_handheld_book {
    struct ds_handheld_id id;
    const char *number, *name;
    int32_t period; /* The earliest open one (else the latest); 0: none. */
    int period_state;
    int64_t due_day; /* 0: none. */
    bool mine;       /* Assigned to this device's worker. */
    struct ds_handheld_progress progress;
};
typedef bool ds_handheld_each_book(void *context, const struct ds_handheld_book *book);
DS_API DS_USE int ds_handheld_books(struct ds_handheld *handle, ds_handheld_each_book *each,
                                    void *context);
/* By number ("B07"). DS_E_NOT_FOUND. */
DS_API DS_USE int ds_handheld_book_by_number(struct ds_handheld *handle, const char *number,
                                             struct ds_handheld_id *book);

/* A meter at its premises, as the worker sees it. Texts are "" where not known. */
struct ds_handheld_place {
    struct ds_handheld_id meter, premises, account, book;
    int64_t walk_order;
    const char *meter_no, *manufacturer, *meter_place, *cabinet;
    int meter_kind, meter_state;
    int dial_digits; /* Default filled in. */
    int64_t unit_l;  /* Default filled in. */
    const char *address, *access_note, *best_hour;
    struct ds_handheld_position position;
    int position_quality;
    const char *account_no;
    const char *account_name, *phone, *key_holder; /* By ds_handheld_show() only: personal. */
    int account_class, account_state;
    int32_t period, previous_period;
    int slot_state; /* enum ds_handheld_slot_state, pending readings included. */
    bool has_index, has_consumption, has_previous, has_expected;
    int64_t index, instant_ms; /* Of the reading that stands, pending ones included. */
    int method, condition, previous_method;
    int64_t consumption_l, previous_index, expected_l;
    int64_t expected_index_least, expected_index_most; /* Between them no volume rule asks. */
    uint32_t pending;  /* Ops about meter, slot or premises that are not folded and pulled back. */
    uint32_t visits;   /* Visits without entry recorded here in this period. */
    uint32_t tasks;    /* Open tasks at this meter or premises. */
    bool re_read;      /* One of them asks to read again. */
    int64_t far_m;     /* By ds_handheld_search() with a position: metres away; else -1. */
    bool unknown_here; /* Typed in the field: not in the replica yet. */
};
typedef bool ds_handheld_each_place(void *context, const struct ds_handheld_place *place);

/* The book in walking order. */
DS_API DS_USE int ds_handheld_walk(struct ds_handheld *handle, const struct ds_handheld_id *book,
                                   ds_handheld_each_place *each, void *context);
/* One meter, personal fields opened. DS_E_NOT_FOUND. */
DS_API DS_USE int ds_handheld_show(struct ds_handheld *handle, const struct ds_handheld_id *meter,
                                   ds_handheld_each_place *each, void *context);

enum ds_handheld_search_kind {
    DS_HANDHELD_BY_ANY,      /* Any of the three texts. */
    DS_HANDHELD_BY_METER_NO, /* Exact first, then beginning with, then containing. */
    DS_HANDHELD_BY_ACCOUNT_NO,
    DS_HANDHELD_BY_ADDRESS, /* All words occur, in any order. */
    DS_HANDHELD_BY_NEARNESS /* Only `near`; nearest first. */
};
struct ds_handheld_query {
    int kind;
    const char *text;
    struct ds_handheld_position near; /* Known: nearest first among equals. */
    int64_t within_m;                 /* 0: any distance. */
    uint32_t limit;                   /* 0: 50; at most 1,000. */
};
DS_API DS_USE int ds_handheld_search(struct ds_handheld *handle,
                                     const struct ds_handheld_query *query,
                                     ds_handheld_each_place *each, void *context);
/* Meter by exact number; manufacturer may be NULL. DS_E_NOT_FOUND; DS_E_CONFLICT: several. */
DS_API DS_USE int ds_handheld_meter_by_number(struct ds_handheld *handle, const char *manufacturer,
                                              const char *meter_no, struct ds_handheld_id *meter);

struct ds_handheld_task {
    struct ds_handheld_id id, meter, premises;
    int kind, priority;
    int state; /* Pending steps included. */
    int64_t due_ms;
    int32_t period;
    const char *reason;
    uint32_t pending;
};
typedef bool ds_handheld_each_task(void *context, const struct ds_handheld_task *task);
DS_API DS_USE int ds_handheld_tasks(struct ds_handheld *handle, ds_handheld_each_task *each,
                                    void *context);

/* One entity's fields as a canonical msgpack map, overlaid with pending ops or as pulled. type is
 * the record's number. DS_E_NOT_FOUND; DS_E_LIMIT: size is too small, *used tells. */
struct ds_handheld_row {
    uint8_t type;
    struct ds_handheld_id id;
    bool overlaid;
    uint8_t *fields;
    size_t size;
    size_t used;       /* Out. */
    uint64_t position; /* Out: of its latest change. */
    uint64_t as_of;    /* Out: snapshot at which it was read. */
};
typedef bool ds_handheld_each_row(void *context, const struct ds_handheld_row *row);
DS_API DS_USE int ds_handheld_row(struct ds_handheld *handle, struct ds_handheld_row *row);
/* Visit the pulled rows of a type (0: all), in order of (type, id); fields are not filled. */
DS_API DS_USE int ds_handheld_rows(struct ds_handheld *handle, uint8_t type,
                                   ds_handheld_each_row *each, void *context);
/* The photo's bytes. DS_E_NOT_FOUND; DS_E_LIMIT: *size tells. */
DS_API DS_USE int ds_handheld_photo(struct ds_handheld *handle, const uint8_t hash[32],
                                    uint8_t *bytes, size_t bytes_max, size_t *size);

/* ---- What became of my work ----------------------------------------------------------------- */

struct ds_handheld_status {
    bool enrolled, locked, lapsed, contact_wanted; /* No lease; by the clock it should be over. */
    uint64_t lease_left_ms;                        /* Running time; 0: none. */
    unsigned commands;                             /* Bits of enum ds_handheld_command. */
    struct ds_handheld_id device, station, worker;
    uint8_t incarnation[8];
    unsigned lives;              /* Incarnations of this store. */
    uint64_t recorded, received; /* Ops of this life; those under the server's receipt. */
    uint64_t unsent;             /* Ops not under a receipt, of every life. */
    int64_t oldest_unsent_ms;    /* 0: none. */
    uint64_t receipt_position;   /* Where the last acknowledged batch was folded. */
    int64_t receipt_ms;          /* The server's clock at the last receipt; 0: none. */
    char receipt[96];            /* "312 of 312 received, position 8,812,345". */
    int64_t contact_ms;          /* Own clock at the last good exchange; 0: never. */
    uint64_t epoch, head_size, proved_size; /* Witness: last head; shown to extend all before. */
    uint8_t head_root[32], shown_root[32];
    int64_t proved_ms, doubt_ms; /* Own clock, at the last proof and the last doubt; 0: never. */
    uint64_t doubts, doubt_size, shown_size; /* Answers refused; head known then, head shown. */
    int history;                             /* enum ds_handheld_history: the last doubt. */
    bool history_doubted;                    /* No sound answer since. */
    uint64_t retry_ms;
    uint32_t wrong_pins;
    uint64_t pin_wait_ms; /* Until the next PIN is taken. */
    uint64_t relayed;     /* Others' batches waiting here. */
    unsigned refetches;   /* Scopes refetched since the store was made. */
    char problem[256];    /* The last thing that went wrong in an exchange; "" after a good one. */
};
DS_API DS_USE int ds_handheld_status(struct ds_handheld *handle, struct ds_handheld_status *status);

struct ds_handheld_log_entry {
    struct ds_handheld_id op;
    uint64_t seq;
    uint8_t incarnation[8];
    int type;           /* Record number. */
    const char *record; /* "reading"; static. */
    struct ds_handheld_id entity;
    struct ds_handheld_id meter;        /* Of readings, swaps, visits; else none. */
    int64_t instant_ms;                 /* Own clock at the commit. */
    int state;                          /* enum ds_handheld_op_state */
    uint64_t position;                  /* 0: not folded, or not known. */
    bool overlaid;                      /* Still laid over what was pulled. */
    int verdict;                        /* Number of list verdict; 0: none but plain "applied". */
    const char *sentence, *sentence_zh; /* What became of it. */
};
typedef bool ds_handheld_each_log_entry(void *context, const struct ds_handheld_log_entry *entry);
/* Own ops that are kept, oldest first. unsent_only: those not under a receipt. */
DS_API DS_USE int ds_handheld_log(struct ds_handheld *handle, bool unsent_only,
                                  ds_handheld_each_log_entry *each, void *context);
struct ds_handheld_verdict {
    struct ds_handheld_id op, entity;
    int entity_type;
    int verdict; /* Number of list verdict. */
    int reason;  /* Number of list quarantine_reason; 0: none. */
    uint64_t position;
    const char *detail, *sentence, *sentence_zh;
};
typedef bool ds_handheld_each_verdict(void *context, const struct ds_handheld_verdict *verdict);
DS_API DS_USE int ds_handheld_verdicts(struct ds_handheld *handle, ds_handheld_each_verdict *each,
                                       void *context);

struct ds_handheld_scope {
    uint8_t kind; /* 1 catalogue, 2 book, 3 tasks, 4 mailbox */
    struct ds_handheld_id key;
    uint8_t view;
    uint64_t position, ordinal; /* Cursor. */
    uint64_t complete;          /* Everything up to here has been delivered. */
    uint64_t rows;
    uint8_t digest[32];
};
typedef bool ds_handheld_each_scope(void *context, const struct ds_handheld_scope *scope);
DS_API DS_USE int ds_handheld_scopes(struct ds_handheld *handle, ds_handheld_each_scope *each,
                                     void *context);
/* Read and authenticate every stored value. DS_E_INTEGRITY: *bad of *values failed. */
DS_API DS_USE int ds_handheld_scrub(struct ds_handheld *handle, uint64_t *values, uint64_t *bad,
                                    struct ds_handheld_detail *detail);

#ifdef __cplusplus
}
#endif
#endif

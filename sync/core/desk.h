/* The desk: what the folds of one write transaction need again and again, taken out once.
 *
 * Folding 400 readings of a round asks 400 times whose book it is, whether its period is open, what
 * role the reader holds and what the rules are. The desk keeps such answers, decoded, for one
 * transaction: ds_fold_put() and ds_fold_link() tell it what changed, and nobody else writes while
 * the transaction is open, so an answer is never older than the state. Small direct-mapped tables:
 * what finds no place is loaded again. Private to sync/core. */
#ifndef DS_SYNC_CORE_DESK_H
#define DS_SYNC_CORE_DESK_H

#include "schema/rules/reading.h"
#include "sync/core/engine.h"
#include "sync/core/tables.h"

#define DS_DESK_FACTS 512
#define DS_DESK_BOOKS 64
#define DS_DESK_PERIODS 64
#define DS_DESK_WORKERS 64
#define DS_DESK_ROLES 16
#define DS_DESK_TARIFFS 16
#define DS_DESK_SCOPES 16
#define DS_DESK_CHUNKS 16
#define DS_DESK_CHUNK_SIZE 1400 /* Two of them and their keys lie in a page of the store. */

/* A meter with what the rules ask of its surroundings. */
struct ds_facts {
    bool exists;
    bool merged;
    bool has_book;
    bool has_digits;
    bool has_unit;
    struct ds_id merged_into;
    struct ds_id book;
    struct ds_id tariff;       /* None: no account, or it has none. */
    struct ds_rule_meter rule; /* Dial and unit are the meter's own; 0: not told. */
};
struct ds_book_facts {
    bool exists;
    bool has_assignee;
    struct ds_id assignee;
    bool window_known;
    uint32_t window; /* ds_slots_from() without leaving a period out. */
};
struct ds_grants { /* Of one worker for one unit, by role. */
    bool there[DS_DESK_ROLES];
    int64_t from_ms[DS_DESK_ROLES];
    int64_t until_ms[DS_DESK_ROLES];
};
struct ds_worker_grants {
    struct ds_grants station;
    struct ds_grants team; /* His own; empty if he has none. */
};

struct ds_scope_state {
    struct ds_hash digest;
    uint64_t rows;
    uint64_t last; /* Position of the latest change. */
};
struct ds_pace { /* The last reading on site of a device. */
    bool used;
    bool dirty;
    bool there; /* false: it has read nothing yet. */
    struct ds_id device;
    struct ds_reader_before last;
};
struct ds_chunk { /* One value of a feed (feed.h), in hand. */
    bool used;
    bool dirty;
    bool open; /* Entries are appended to it. */
    struct ds_scope scope;
    uint64_t position;
    uint32_t first;
    size_t size;
    uint8_t bytes[DS_DESK_CHUNK_SIZE];
};

struct ds_desk {
    struct ds_txn *txn;
    struct ds_arena arena; /* Of one fold. */
    /* What was taken out under an older number is forgotten; 0 is never valid. */
    uint32_t places; /* Of meters, premises, accounts, tariffs. */
    uint32_t books;  /* Of books and periods. */
    uint32_t roles;  /* Of grants and workers. */
    bool rules_loaded;
    bool tasks_known; /* Whether any task is open at the station. */
    bool tasks_open;
    struct ds_rule_table rules;
    struct {
        uint32_t valid;
        struct ds_id meter;
        struct ds_facts facts;
    } facts[DS_DESK_FACTS];
    struct {
        uint32_t valid;
        struct ds_id id;
        int64_t price_e4;
    } tariff[DS_DESK_TARIFFS];
    struct {
        uint32_t valid;
        struct ds_id id;
        struct ds_book_facts facts;
    } book[DS_DESK_BOOKS];
    struct {
        uint32_t valid;
        struct ds_id book;
        uint32_t period;
        int64_t state; /* enum ds_period_state; 0: there is no such period. */
    } period[DS_DESK_PERIODS];
    struct {
        uint32_t valid;
        struct ds_id worker;
        struct ds_worker_grants grants;
    } worker[DS_DESK_WORKERS];
    struct ds_pace pace;
    size_t next_scope; /* Whose place is taken when there is none. */
    struct {
        bool used;
        bool dirty;
        struct ds_scope scope;
        struct ds_scope_state state;
    } scope[DS_DESK_SCOPES];
    size_t next_chunk;
    struct ds_chunk chunk[DS_DESK_CHUNKS];
};

struct ds_fold;
/* A row of that type and id was written: forget what hangs on it. */
DS_NODISCARD enum ds_err ds_desk_forget(struct ds_fold *fold, uint8_t type, const struct ds_id *id);
DS_NODISCARD enum ds_err ds_facts_forget(struct ds_fold *fold, const struct ds_id *meter);
DS_NODISCARD enum ds_err ds_facts_forget_all(struct ds_fold *fold, enum ds_link kind,
                                             const struct ds_id *parent);
/* A place for an id in a direct-mapped table of count. */
size_t ds_desk_spread(const struct ds_id *id, size_t more, size_t count);

/* The answers are borrowed until the next question of the same kind or the next write of a row. */
DS_NODISCARD enum ds_err ds_desk_meter(struct ds_fold *fold, const struct ds_id *meter,
                                       const struct ds_facts **facts);
DS_NODISCARD enum ds_err ds_desk_book(struct ds_fold *fold, const struct ds_id *book,
                                      struct ds_book_facts **facts);
DS_NODISCARD enum ds_err ds_desk_period(struct ds_fold *fold, const struct ds_id *book,
                                        uint32_t period, int64_t *state);
DS_NODISCARD enum ds_err ds_desk_grants(struct ds_fold *fold, const struct ds_id *worker,
                                        const struct ds_worker_grants **grants);
/* To be changed in place, with dirty set. */
DS_NODISCARD enum ds_err ds_desk_pace(struct ds_desk *desk, const struct ds_id *device,
                                      struct ds_pace **pace);
DS_NODISCARD enum ds_err ds_desk_pace_write(struct ds_desk *desk);
DS_NODISCARD enum ds_err ds_desk_rules(struct ds_fold *fold, const struct ds_rule_table **rules);

#endif

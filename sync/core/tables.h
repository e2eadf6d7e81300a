/* The state tables of a shard: which there are, and how their keys are made.
 *
 * The journal is the truth; every other table is derived from it by the engine and rebuildable to
 * the same digest. Integers in keys are big-endian, so that key order is number order. No key
 * holds personal data. A key builder writes into a struct of fixed size; it cannot fail. */
#ifndef DS_SYNC_CORE_TABLES_H
#define DS_SYNC_CORE_TABLES_H

#include "schema/record.h"
#include "sync/core/exchange.h"
#include "sync/store/store.h"

enum ds_table {
    DS_TABLE_META = 1,    /* Singletons: "shard", "tree", "epoch". */
    DS_TABLE_JOURNAL = 2, /* number u64 -> entry bytes */
    DS_TABLE_ROW = 3,     /* type u8, id -> row (row.h); of a slot: its key in DS_TABLE_SLOT */
    DS_TABLE_WRITER = 4,  /* incarnation, lane u8 -> writer (writer.h) */
    DS_TABLE_BOUND = 5,   /* incarnation, lane u8, last seq u64 -> where a batch was folded */
    DS_TABLE_FEED = 6,    /* scope, position u64, first ordinal u32 -> entries (feed.h) */
    DS_TABLE_MEMBER = 7,  /* scope, type u8, id -> position u64, ordinal u32, gone u8, row hash */
    DS_TABLE_SCOPE = 8,   /* scope -> digest 32, rows u64, last position u64 */
    DS_TABLE_LINK = 9,    /* link kind u8, parent id, order u32, child id -> type u8 of the child */
    DS_TABLE_SLOT = 10,   /* meter id, register u8, period u32 -> slot (slot.h) */
    DS_TABLE_EXPORT = 11, /* consumer u8, position u64, ordinal u32 -> export (export.h) */
    DS_TABLE_QUEUE = 12,  /* type u8, inverted risk u64, id -> (one zero byte): open items */
    DS_TABLE_CURSOR = 13, /* consumer u8 -> last delivery; or 0, type u8, id -> export revision */
    DS_TABLE_PACE = 14,   /* device id -> evidence of its previous reading (slot.h) */
    /* Of the journal, not of the state: no part of the digest. */
    DS_TABLE_FACTS = 15, /* meter id -> what rules ask of it and its surroundings (facts.c) */
    DS_TABLE_TREE = 16,  /* level u8, number u64 -> up to 16 roots of full subtrees (proof.h) */
};

enum ds_link {
    DS_LINK_BOOK_METER = 1, /* order = walk order */
    DS_LINK_PREMISES_METER = 2,
    DS_LINK_ACCOUNT_METER = 3,
    DS_LINK_WORKER_BOOK = 4,
    DS_LINK_WORKER_DEVICE = 5,
    DS_LINK_METER_TASK = 6,     /* open tasks only */
    DS_LINK_METER_EVENT = 7,    /* order = period: readings, swaps of a meter */
    DS_LINK_PREMISES_EVENT = 8, /* visits; order = 0 */
    DS_LINK_BOOK_PERIOD = 9,    /* order = period */
    DS_LINK_SLOT_ANOMALY = 10,  /* all states; order = rule */
    DS_LINK_ACCOUNT_PREMISES = 11,
    DS_LINK_STATION_BOOK = 12, /* parent = station */
    DS_LINK_STATION_DEVICE = 13,
    DS_LINK_STATION_WORKER = 14,
    DS_LINK_STATION_TASK = 15,  /* open tasks */
    DS_LINK_ENTITY_ITEM = 16,   /* conflicts and proposals about an entity; order = field tag */
    DS_LINK_STATION_OTHER = 17, /* order = record number: tariffs, codes, rule settings, assets,
                                   accounts, premises, role grants */
    DS_LINK_WORKER_GRANT = 18,
};

struct ds_key {
    uint8_t byte[64];
    size_t size;
};
struct ds_slice ds_key_slice(const struct ds_key *key);
struct ds_key ds_key_meta(const char *name);
struct ds_key ds_key_journal(uint64_t number);
struct ds_key ds_key_tile(uint8_t level, uint64_t number);
struct ds_key ds_key_row(uint8_t type, const struct ds_id *id);
struct ds_key ds_key_writer(const struct ds_incarnation *incarnation, uint8_t lane);
struct ds_key ds_key_bound(const struct ds_incarnation *incarnation, uint8_t lane, uint64_t seq);
struct ds_key ds_key_feed(const struct ds_scope *scope, uint64_t position, uint32_t ordinal);
struct ds_key ds_key_member(const struct ds_scope *scope, uint8_t type, const struct ds_id *id);
struct ds_key ds_key_scope(const struct ds_scope *scope);
struct ds_key ds_key_link(enum ds_link kind, const struct ds_id *parent, uint32_t order,
                          const struct ds_id *child);
struct ds_key ds_key_slot(const struct ds_id *meter, uint8_t register_kind, uint32_t period);
struct ds_key ds_key_export(uint8_t consumer, uint64_t position, uint32_t ordinal);
struct ds_key ds_key_queue(uint8_t type, uint64_t risk_fen, const struct ds_id *id);
struct ds_key ds_key_cursor(uint8_t consumer);
/* The smallest key greater than key: the same with a zero byte behind. */
struct ds_key ds_key_after(struct ds_slice from);

/* Walk the children of a parent, ascending by (order, child). Start with *key from
 * ds_link_first(); DS_ERR_NOT_FOUND at the end. */
struct ds_key ds_link_first(enum ds_link kind, const struct ds_id *parent);
DS_NODISCARD enum ds_err ds_link_next(struct ds_txn *txn, struct ds_key *key, uint32_t *order,
                                      struct ds_id *child, uint8_t *type);

/* Derived ids (FORMAT.md, "Ids"). */
struct ds_id ds_station_id(struct ds_slice number);
struct ds_id ds_slot_id(const struct ds_id *station, const struct ds_id *meter,
                        uint8_t register_kind, uint32_t period);
struct ds_id ds_anomaly_id(const struct ds_id *station, const struct ds_id *slot, uint8_t rule);
struct ds_id ds_item_id(const struct ds_id *station, uint8_t type, const struct ds_id *entity,
                        uint8_t tag, const struct ds_id *op);
struct ds_id ds_verdict_id(const struct ds_id *station, uint8_t type, const struct ds_id *op);
struct ds_id ds_meter_id(const struct ds_id *station, struct ds_slice manufacturer,
                         struct ds_slice meter_no);
struct ds_id ds_code_id(const struct ds_id *station, struct ds_slice list, struct ds_slice number);
struct ds_id ds_rule_setting_id(const struct ds_id *station, uint8_t rule);
struct ds_id ds_period_id(const struct ds_id *station, const struct ds_id *book, uint32_t period);
struct ds_id ds_grant_id(const struct ds_id *station, const struct ds_id *worker, uint8_t role,
                         const struct ds_id *subtree);
/* station's own row, worker, book, account, premises, tariff, asset: by number. */
struct ds_id ds_numbered_id(const struct ds_id *station, uint8_t type, struct ds_slice number);

#endif

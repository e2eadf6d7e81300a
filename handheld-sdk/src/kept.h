/* The tables of a handheld's store, and how their keys are made.
 *
 * Keys stand in clear, so none holds personal data: they are counters, record numbers and ids.
 * Values are sealed (vault.h), save those of the link table, which has nothing but its key. */
#ifndef DS_HANDHELD_SDK_SRC_KEPT_H
#define DS_HANDHELD_SDK_SRC_KEPT_H

#include "sync/core/tables.h"

enum ds_kept {
    /* Device compartment. */
    DS_KEPT_VAULT = 1,  /* "vault" (in clear: salt, cost, wrapped keys), "check", "pins", "lease" */
    DS_KEPT_SELF = 2,   /* "identity", "writer", "contact" */
    DS_KEPT_OUTBOX = 3, /* order u64 -> life, seq, chain, a one-op batch sealed to the server */
    DS_KEPT_RECEIPT = 4, /* number u64 -> instant, receipt bytes, signature */
    DS_KEPT_RELAY = 5,   /* number u64 -> a batch of another device, sealed to the server */
    DS_KEPT_LIFE = 6,    /* number u32 -> life.h */
    /* In clear; the key is all there is. */
    DS_KEPT_LINK = DS_TABLE_LINK,
    /* Opened by the PIN; those of ds_kept_is_pulled() by PIN and lease. */
    DS_KEPT_OP = 10,    /* order u64 -> own.h */
    DS_KEPT_BATCH = 11, /* order u64 of its first op -> outbound.h */
    DS_KEPT_ROW = 12,   /* type u8, id -> replica.h */
    DS_KEPT_SCOPE = 13, /* scope -> replica.h */
    DS_KEPT_KEY = 14,   /* customer key id -> key 32, flags u8 */
    DS_KEPT_PHOTO = 15, /* hash -> bytes */
    DS_KEPT_LAST = DS_KEPT_PHOTO
};
#define DS_KEPT_DEVICE_LAST DS_KEPT_LIFE
static inline bool ds_kept_is_pulled(uint8_t table)
{
    return table == DS_KEPT_ROW || table == DS_KEPT_SCOPE || table == DS_KEPT_KEY;
}

/* Kinds of links beside those of sync/core/tables.h (the meters of a book, ...). */
enum ds_kept_link {
    DS_HELD_METER_SLOT = 64,    /* order = period */
    DS_HELD_PREMISES_TASK = 65, /* tasks that are not done, by premises */
    DS_HELD_OWN = 66,           /* parent = what an own op is about; order = the op's order */
    DS_HELD_ORPHAN = 67,        /* rows that no held scope has, kept for pending ops */
    DS_HELD_KEY_UNSENT = 68,    /* customer keys made here that the server has not heard of */
};
static inline struct ds_key ds_key_held(int kind, const struct ds_id *parent, uint32_t order,
                                        const struct ds_id *child)
{
    return ds_key_link((enum ds_link)kind, parent, order, child);
}
/* order u64, or number u64 */
static inline struct ds_key ds_key_order(uint64_t order)
{
    return ds_key_journal(order);
}

/* The first value of such a table at or after from, and its number, which is below UINT64_MAX: a
 * walk goes on behind it and ends. DS_ERR_NOT_FOUND at the end; DS_ERR_INTEGRITY: a key of another
 * form, which we never write. */
DS_NODISCARD enum ds_err ds_kept_next(struct ds_txn *txn, uint8_t table, uint64_t from,
                                      uint64_t *order, struct ds_slice *value);

#endif

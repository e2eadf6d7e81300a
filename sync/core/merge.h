/* Merging one op into one row: the policy per field, nothing else.
 *
 * Pure: the same function folds on the server, overlays pending ops on the handheld, and runs in
 * the simulation. CASE numbers are those of the tests in tests/unit/merge_test.c.
 *
 * CASE 1  the field was never written ......................... RESULT applied
 * CASE 2  value equal to the standing one (tags for personal) .. RESULT applied, no conflict
 * CASE 3  no other writer wrote after the op's `seen` .......... RESULT applied
 * CASE 4  own sequence lower than own standing one, or than that
 *         of a life which goes on where this one ended ......... RESULT ignored (applied)
 * CASE 5  owner: writer does not own the field ................. RESULT proposal
 * CASE 6  owner: the owner writes, concurrently ................ RESULT applied (journal order)
 * CASE 7  latest, concurrent ................................... RESULT merged, loser is shown
 * CASE 8  review, concurrent ................................... RESULT conflict, value stays
 * CASE 9  worst, concurrent .................................... RESULT merged, gravest stands
 * CASE 10 union ................................................ RESULT merged, add wins
 * CASE 11 once, already set to another value ................... RESULT conflict, first stands
 * CASE 12 state, legal from the standing one ................... RESULT applied
 * CASE 13 state, not legal ..................................... RESULT conflict
 * CASE 14 unknown tag .......................................... RESULT as latest, kept; a proposal
 *                                                                by who may not make such a record
 * CASE 15 writer may not write the field at all (not owner) .... RESULT refused */
#ifndef DS_SYNC_CORE_MERGE_H
#define DS_SYNC_CORE_MERGE_H

#include "sync/core/row.h"

enum ds_outcome {
    DS_OUTCOME_APPLIED,
    DS_OUTCOME_MERGED,
    DS_OUTCOME_PROPOSAL,
    DS_OUTCOME_CONFLICT,
    DS_OUTCOME_REFUSED
};
struct ds_field_result {
    uint8_t tag;
    enum ds_outcome outcome;
    bool shown;             /* merged: the losing value is worth showing. */
    bool changed;           /* The standing value changed. */
    struct ds_slice base;   /* Standing value before (may be empty). */
    struct ds_slice origin; /* What stood before that one's writer came; empty: unknown. */
    struct ds_slice value;  /* The op's value. */
    struct ds_write before; /* Write of the standing value before. */
};
struct ds_lineage { /* Ancestors of a writer: their writes up to seq are its own. */
    struct {
        struct ds_incarnation incarnation;
        uint64_t work_seq;
        uint64_t track_seq;
    } ancestor[16];
    size_t count;
};
struct ds_heir { /* A writer that goes on where another one ended. */
    struct ds_incarnation incarnation;
    uint64_t work_seq; /* Up to here the other's writes came before its own. */
    uint64_t track_seq;
};
struct ds_merge_op {
    const struct ds_record_type *type; /* NULL: unknown to this build; every field as latest. */
    uint64_t version; /* Active engine version: later fields are unknown. 0: this build's. */
    enum ds_actor_kind actor;
    struct ds_write write; /* Who, and the position where it is being folded. */
    uint64_t seen;
    const struct ds_lineage *lineage; /* NULL: none */
    struct ds_slice fields;           /* Canonical map, already scanned. */
    bool by_owner;                    /* A decision: counts as the owner's write. */
    const struct ds_heir *heirs;      /* Of the op's writer, of those that wrote into the row; */
    size_t heir_count;                /* only an op that comes late (released) needs them. */
};
/* Merge every field; results holds one entry per field, in tag order. Values in the row then
 * borrow the op's bytes. DS_ERR_LIMIT when the row has no room. */
DS_NODISCARD enum ds_err ds_merge(struct ds_row_state *row, const struct ds_merge_op *op,
                                  struct ds_arena *arena,
                                  struct ds_field_result results[static DS_ROW_FIELDS_MAX],
                                  size_t *result_count);

#endif

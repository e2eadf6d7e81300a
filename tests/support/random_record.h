/* Random records of any type, made from the field tables; and their comparison.
 *
 * Values are valid (ds_validate says so), edges are likely, and each field may be absent, cleared
 * or valued. The same prng state gives the same record. */
#ifndef DS_TESTS_SUPPORT_RANDOM_RECORD_H
#define DS_TESTS_SUPPORT_RANDOM_RECORD_H

#include "schema/base/arena.h"
#include "schema/record.h"
#include "tests/support/prng.h"

/* Room for the struct of any record type. */
union any_record {
    struct ds_presence presence;
#define DS_RECORD(number, name, nature, writers, roles, doc) struct ds_##name name;
#include "schema/records/records.def"
#undef DS_RECORD
};

/* Fill record; texts and bytes lie in arena, which must be large enough. complete: REQUIRED fields
 * are valued. */
void random_record(struct prng *prng, const struct ds_record_type *type, struct ds_arena *arena,
                   bool complete, void *record);
/* One valid value of a field into its member. */
void random_member(struct prng *prng, const struct ds_field *field, struct ds_arena *arena,
                   void *member);
/* Same presence, same values, same unknown pairs. NULL if equal, else the first field that differs
 * ("presence", "unknown" or its name). */
const char *record_difference(const struct ds_record_type *type, const void *a, const void *b);
bool member_equal(const struct ds_field *field, const void *a, const void *b);

#endif

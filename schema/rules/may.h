/* Who may do what to which field, from the declarations alone: the table of AUTHORITY.md.
 *
 * Says what records.def and fields.def mean for one kind of actor with one set of roles held at the
 * place in question. The fold judges op by op from the state; a test walks this table and holds
 * every cell against what the fold then does. Pure. */
#ifndef DS_SCHEMA_RULES_MAY_H
#define DS_SCHEMA_RULES_MAY_H

#include "schema/record.h"

enum ds_may {
    DS_MAY_NOT,     /* The op is quarantined as not_allowed. */
    DS_MAY_PROPOSE, /* The value waits beside the owner's. */
    DS_MAY_WRITE
};
/* May such an actor make one? roles: set of 1 << enum ds_role; for kinds that hold none: 0. */
bool ds_may_create(const struct ds_record_type *type, enum ds_actor_kind kind, uint16_t roles);
/* Write a field of one that stands, or of one that he may make and makes now. */
enum ds_may ds_may_write(const struct ds_record_type *type, const struct ds_field *field,
                         enum ds_actor_kind kind, uint16_t roles, bool creates);

#endif

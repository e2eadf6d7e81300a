#include "schema/rules/may.h"

static bool holds(uint16_t wanted, enum ds_actor_kind kind, uint16_t roles)
{
    bool asked = kind == DS_ACTOR_handheld || kind == DS_ACTOR_console;
    return !asked || wanted == 0 || (wanted & roles) != 0;
}

bool ds_may_create(const struct ds_record_type *type, enum ds_actor_kind kind, uint16_t roles)
{
    return type->nature != DS_DERIVED && (type->writers >> kind & 1) != 0 &&
           holds(type->roles, kind, roles);
}

enum ds_may ds_may_write(const struct ds_record_type *type, const struct ds_field *field,
                         enum ds_actor_kind kind, uint16_t roles, bool creates)
{
    bool changes = type->nature == DS_ENTITY &&
                   holds(kind == DS_ACTOR_handheld ? DS_ROLES_WORK : type->roles, kind, roles);
    if (creates ? !ds_may_create(type, kind, roles) : !changes) {
        return DS_MAY_NOT;
    }
    if (!creates && type->number == DS_REC_device && field->tag == DS_TAG_device_sign_key) {
        return DS_MAY_NOT; /* A device keeps its key for life. */
    }
    if ((field->writers >> kind & 1) != 0) {
        return DS_MAY_WRITE;
    }
    return field->policy == DS_POLICY_OWNER ? DS_MAY_PROPOSE : DS_MAY_NOT;
}

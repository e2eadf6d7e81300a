/* One request to the admin socket as its handlers see it. Private to server/.
 *
 * A handler reads members of the request and adds members to the answer; what it returns becomes
 * the answer's error. */
#ifndef DS_SERVER_ADMIN_CALL_H
#define DS_SERVER_ADMIN_CALL_H

#include "server/admin.h"

struct ds_admin_call {
    struct ds_office *office;
    const json_t *request;
    json_t *answer; /* An object; members are added. */
    struct ds_arena arena;
    struct ds_detail detail;
};

/* Members of the request: NULL if absent or not a string; DS_ERR_USAGE names what is needed. */
const char *ds_admin_text(const struct ds_admin_call *call, const char *name);
DS_NODISCARD enum ds_err ds_admin_need(struct ds_admin_call *call, const char *name,
                                       const char **text);
/* Members of the answer; value is stolen, bytes (at most 32) become hex. */
void ds_admin_put(struct ds_admin_call *call, const char *name, json_t *value);
void ds_admin_put_number(struct ds_admin_call *call, const char *name, int64_t value);
void ds_admin_put_bytes(struct ds_admin_call *call, const char *name, struct ds_slice bytes);

/* admin_devices.c */
enum ds_err ds_admin_device_state(struct ds_admin_call *call);

/* admin_acts.c */
enum ds_err ds_admin_epoch(struct ds_admin_call *call);
enum ds_err ds_admin_erase(struct ds_admin_call *call);
enum ds_err ds_admin_verify(struct ds_admin_call *call);
enum ds_err ds_admin_prove(struct ds_admin_call *call);
enum ds_err ds_admin_rebuild(struct ds_admin_call *call);
enum ds_err ds_admin_digest(struct ds_admin_call *call);
enum ds_err ds_admin_scrub(struct ds_admin_call *call);
enum ds_err ds_admin_statement(struct ds_admin_call *call);
enum ds_err ds_admin_deliver(struct ds_admin_call *call);
enum ds_err ds_admin_bundle(struct ds_admin_call *call);

/* admin_people.c */
enum ds_err ds_admin_role_end(struct ds_admin_call *call);

#endif

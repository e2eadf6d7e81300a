/* Requests about people: the end of a role. */
#include "server/admin_call.h"
#include "server/people.h"

#include <string.h>

/* The worker of a console user, by the user's name. */
static enum ds_err worker_of_user(struct ds_admin_call *call, const char *name,
                                  struct ds_id *worker)
{
    struct ds_user user = {.name = ""};
    enum ds_err err = DS_OK;

    while ((err = ds_user_next(call->office->users, user.name, &user)) == DS_OK) {
        if (strcmp(user.name, name) == 0) {
            *worker = user.worker;
            return DS_OK;
        }
    }
    if (err == DS_ERR_NOT_FOUND) {
        ds_detail_set(&call->detail, "user ", name, ": there is no such user", (const char *)NULL);
    }
    return err;
}

enum ds_err ds_admin_role_end(struct ds_admin_call *call)
{
    const json_t *words = json_object_get(call->request, "roles");
    const char *user = ds_admin_text(call, "user");
    const char *number = ds_admin_text(call, "worker");
    struct ds_id worker;
    uint16_t roles = 0;

    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));
        int64_t role = word != NULL ? ds_enum_number(DS_LIST_role, ds_slice_of_text(word)) : 0;

        if (role == 0) {
            ds_detail_set(&call->detail, "roles: no such role: ", word != NULL ? word : "",
                          (const char *)NULL);
            return DS_ERR_USAGE;
        }
        roles |= (uint16_t)(1U << role);
    }
    if (roles == 0 || (user == NULL) == (number == NULL)) {
        ds_detail_set(&call->detail, "name roles, and either a user or a worker",
                      (const char *)NULL);
        return DS_ERR_USAGE;
    }
    DS_TRY(user != NULL ? worker_of_user(call, user, &worker)
                        : ds_people_worker(call->office, number, &worker, &call->detail));
    DS_TRY(ds_people_role_end(call->office, &worker, roles, &call->detail));
    ds_admin_put_bytes(call, "worker", DS_SLICE_OF(worker));
    return DS_OK;
}

/* What is to become of a device, by the command line. */
#include "schema/base/text.h"
#include "server/admin_call.h"
#include "server/people.h"

enum ds_err ds_admin_device_state(struct ds_admin_call *call)
{
    const char *device = NULL;
    const char *word = NULL;
    struct ds_id id;

    DS_TRY(ds_admin_need(call, "device", &device));
    DS_TRY(ds_admin_need(call, "state", &word));
    int64_t state = ds_enum_number(DS_LIST_device_state, ds_slice_of_text(word));

    if (state == 0 || ds_id_parse(ds_slice_of_text(device), &id) != DS_OK) {
        ds_detail_set(&call->detail, "device: 32 hex digits; state: a word of device_state",
                      (const char *)NULL);
        return DS_ERR_USAGE;
    }
    return ds_people_device_state(call->office, &id, state, &call->detail);
}

/* Enrolment codes and console users: what the command line and the API both do for people. */
#ifndef DS_SERVER_PEOPLE_H
#define DS_SERVER_PEOPLE_H

#include "server/office.h"

#define DS_CODE_TEXT_MAX 1024 /* Bytes of an enrolment code's text, its NUL included. */

struct ds_people_code {
    char text[DS_CODE_TEXT_MAX];
    char url[DS_URL_SIZE_MAX + 1]; /* What the device will call. */
    int64_t expires_ms;
};
/* A code for a device of that worker. url NULL: the settings' public_url; without one, too, a
 * station that has a proxy's certificate gives none (DS_ERR_CONFLICT), any other the address that
 * it listens at. pins NULL: that of the
 * proxy's certificate (DIR/tls/pin) if the url is https; https without any is DS_ERR_CONFLICT. */
DS_NODISCARD enum ds_err ds_people_code(struct ds_office *office, const struct ds_id *worker,
                                        const char *url, const struct ds_hash *pins,
                                        size_t pin_count, struct ds_people_code *code,
                                        struct ds_detail *detail);

struct ds_people_user {
    const char *name;
    struct ds_slice password;
    const char *worker;      /* His number; NULL: the user's name. */
    const char *worker_name; /* Of a worker to be made; NULL: his number. */
    uint16_t roles;          /* Granted beside those that he has. */
};
/* Make or change a user; his worker is made if there is none of that number. */
DS_NODISCARD enum ds_err ds_people_user_add(struct ds_office *office,
                                            const struct ds_people_user *user, struct ds_id *worker,
                                            struct ds_detail *detail);

/* End roles (a set of 1 << enum ds_role) that a worker holds for the whole station, from now on.
 * DS_ERR_NOT_FOUND: he does not hold one of them, and none is ended. */
DS_NODISCARD enum ds_err ds_people_role_end(struct ds_office *office, const struct ds_id *worker,
                                            uint16_t roles, struct ds_detail *detail);
/* Suspend, lock, revoke or wipe a device, or let it in again, on the command line's word. */
DS_NODISCARD enum ds_err ds_people_device_state(struct ds_office *office,
                                                const struct ds_id *device, int64_t state,
                                                struct ds_detail *detail);

/* A worker's id by number or id; DS_ERR_NOT_FOUND if he does not work here. */
DS_NODISCARD enum ds_err ds_people_worker(struct ds_office *office, const char *text,
                                          struct ds_id *worker, struct ds_detail *detail);

#endif

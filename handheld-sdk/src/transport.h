/* Carrying bytes: the caller's transport, or libcurl.
 *
 * One POST to the enrolled server. With pins TLS is checked against them alone, so neither an
 * expired certificate nor a clock at 1970 stops anyone, and a wrong key stops everyone. Plain HTTP
 * goes to loopback only; no redirects; the answer's size is bounded. The handle's lock is not
 * held. */
#ifndef DS_HANDHELD_SDK_SRC_TRANSPORT_H
#define DS_HANDHELD_SDK_SRC_TRANSPORT_H

#include "handheld-sdk/src/handheld.h"

/* path: "/sync/v1/exchange". *answer_size and *status are set when DS_OK comes back. */
DS_NODISCARD enum ds_err ds_transport_post(struct ds_handheld *h, const char *path,
                                           struct ds_slice body, struct ds_builder *answer,
                                           int *status, struct ds_detail *detail);
/* Let go of what the transport keeps between calls. */
void ds_transport_close(struct ds_handheld *h);

/* libcurl's part (transport_curl.c); *state lives from call to call. */
int ds_transport_curl(void **state, unsigned timeout_s, const struct ds_handheld_post *post,
                      struct ds_detail *detail);
void ds_transport_curl_close(void *state);

#endif

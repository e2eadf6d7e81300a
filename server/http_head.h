/* The rules that a request's head must keep before anything is read or allocated for its body.
 *
 * civetweb 1.15 takes two Content-Lengths, Content-Length beside Transfer-Encoding, and "5x7" as a
 * length (design: trust, F6). What two parties could read in two ways is refused here. Pure. */
#ifndef DS_SERVER_HTTP_HEAD_H
#define DS_SERVER_HTTP_HEAD_H

#include "schema/base/bytes.h"

#define DS_HTTP_HEADERS_MAX 63 /* civetweb keeps 64 and drops the rest unseen. */
#define DS_HTTP_PATH_MAX 512   /* Bytes, decoded. */
#define DS_HTTP_QUERY_MAX 2048 /* Bytes, as sent. */

struct ds_http_header {
    const char *name;
    const char *value;
};

struct ds_http_head {
    const char *method;
    const char *target; /* As sent, without the query. */
    const char *query;  /* As sent, NULL: none. */
    const struct ds_http_header *headers;
    size_t header_count;
};

struct ds_http_verdict {
    int status;       /* 0: go on; else answer this and close. */
    const char *why;  /* Static; "" if all is well. */
    size_t body_size; /* Bytes that follow. */
};

/* body_max: more is 413. A request with a body says its length (411), once, in digits (400). */
struct ds_http_verdict ds_http_check(const struct ds_http_head *head, size_t body_max);

/* The value of the only or first header of that name, NULL if there is none; names of any case. */
const char *ds_http_find(const struct ds_http_head *head, const char *name);
/* The last address of the last X-Forwarded-For, which the proxy in front wrote; false if it is not
 * an address. */
bool ds_http_forwarded(const struct ds_http_head *head, char *address, size_t size);

/* Percent-decode into out, NUL-terminated. DS_ERR_DECODE: a bad escape, a control character, not
 * UTF-8; DS_ERR_LIMIT: too long. plus: '+' is a space (queries). */
DS_NODISCARD enum ds_err ds_http_decode(struct ds_slice from, bool plus, char *out, size_t size);
/* One parameter of a query, decoded; *given tells whether it is there. Twice: DS_ERR_DECODE. */
DS_NODISCARD enum ds_err ds_http_parameter(const char *query, const char *name, char *out,
                                           size_t size, bool *given);

#endif

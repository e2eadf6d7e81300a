#include "server/http_head.h"

#include "schema/base/text.h"

#include <string.h>
#include <strings.h>

const char *ds_http_find(const struct ds_http_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (strcasecmp(head->headers[i].name, name) == 0) {
            return head->headers[i].value;
        }
    }
    return NULL;
}

static size_t count_of(const struct ds_http_head *head, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < head->header_count; i++) {
        count += strcasecmp(head->headers[i].name, name) == 0;
    }
    return count;
}

static struct ds_http_verdict refuse(int status, const char *why)
{
    return (struct ds_http_verdict){.status = status, .why = why};
}

/* Digits only, no sign, no list, no leading zeros but "0" itself. */
static enum ds_err parse_length(const char *value, size_t most, size_t *size)
{
    size_t digits = strspn(value, "0123456789");
    int64_t number = 0;

    if (digits == 0 || value[digits] != '\0' || (digits > 1 && value[0] == '0')) {
        return DS_ERR_DECODE;
    }
    if (ds_int_parse(ds_slice_of_text(value), &number) != DS_OK || (uint64_t)number > most) {
        return DS_ERR_LIMIT;
    }
    *size = (size_t)number;
    return DS_OK;
}

static struct ds_http_verdict check_length(const struct ds_http_head *head, size_t body_max)
{
    struct ds_http_verdict good = {.status = 0, .why = ""};
    const char *length = ds_http_find(head, "Content-Length");
    bool body = strcmp(head->method, "POST") == 0 || strcmp(head->method, "PUT") == 0 ||
                strcmp(head->method, "PATCH") == 0;

    if (ds_http_find(head, "Transfer-Encoding") != NULL) {
        return length != NULL ? refuse(400, "Content-Length beside Transfer-Encoding")
                              : refuse(411, "a body needs Content-Length");
    }
    if (length == NULL) {
        return body ? refuse(411, "a body needs Content-Length") : good;
    }
    if (count_of(head, "Content-Length") > 1) {
        return refuse(400, "two Content-Lengths");
    }
    switch (parse_length(length, body_max, &good.body_size)) {
    case DS_OK:
        break;
    case DS_ERR_LIMIT:
        return refuse(413, "the body is larger than allowed");
    default:
        return refuse(400, "Content-Length is not a number");
    }
    if (!body && good.body_size > 0) {
        return refuse(400, "a body where none is expected");
    }
    return good;
}

struct ds_http_verdict ds_http_check(const struct ds_http_head *head, size_t body_max)
{
    if (head->header_count > DS_HTTP_HEADERS_MAX) {
        return refuse(431, "too many headers");
    }
    if (count_of(head, "Host") > 1) {
        return refuse(400, "two Hosts");
    }
    if (head->target == NULL || head->target[0] != '/') {
        return refuse(400, "the target is not a path");
    }
    if (strlen(head->target) > 3 * DS_HTTP_PATH_MAX ||
        (head->query != NULL && strlen(head->query) > DS_HTTP_QUERY_MAX)) {
        return refuse(414, "the target is too long");
    }
    return check_length(head, body_max);
}

bool ds_http_forwarded(const struct ds_http_head *head, char *address, size_t size)
{
    const char *value = NULL;

    for (size_t i = 0; i < head->header_count; i++) {
        if (strcasecmp(head->headers[i].name, "X-Forwarded-For") == 0) {
            value = head->headers[i].value;
        }
    }
    if (value == NULL) {
        return false;
    }
    const char *comma = strrchr(value, ',');

    value = comma != NULL ? comma + 1 : value;
    value += strspn(value, " ");
    size_t length = strspn(value, "0123456789abcdefABCDEF.:");

    if (length == 0 || length >= size || value[length + strspn(value + length, " ")] != '\0') {
        return false;
    }
    memcpy(address, value, length);
    address[length] = '\0';
    return true;
}

enum ds_err ds_http_decode(struct ds_slice from, bool plus, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < from.size; i++) {
        uint8_t c = from.data[i];

        if (c == '%') {
            if (from.size - i < 3 ||
                ds_hex_parse((struct ds_slice){from.data + i + 1, 2}, &c, 1) != DS_OK) {
                return DS_ERR_DECODE;
            }
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c < ' ' || c == 0x7f) {
            return DS_ERR_DECODE;
        }
        if (used + 1 >= size) {
            return DS_ERR_LIMIT;
        }
        out[used++] = (char)c;
    }
    out[used] = '\0';
    return ds_utf8_ok((struct ds_slice){(const uint8_t *)out, used}) ? DS_OK : DS_ERR_DECODE;
}

enum ds_err ds_http_parameter(const char *query, const char *name, char *out, size_t size,
                              bool *given)
{
    size_t name_size = strlen(name);

    *given = false;
    out[0] = '\0';
    while (query != NULL && *query != '\0') {
        size_t length = strcspn(query, "&");

        if (length >= name_size && memcmp(query, name, name_size) == 0 &&
            (length == name_size || query[name_size] == '=')) {
            size_t skip = name_size + (length > name_size);

            if (*given) {
                return DS_ERR_DECODE;
            }
            *given = true;
            DS_TRY(ds_http_decode((struct ds_slice){(const uint8_t *)query + skip, length - skip},
                                  true, out, size));
        }
        query += length + (query[length] == '&');
    }
    return DS_OK;
}
